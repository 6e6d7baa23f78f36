#!/bin/bash
# Run a command as in its container: an unprivileged user, a read-only tree, a /tmp of its own.
# Needs root for a moment. $1: the home of Python, which others may not be allowed to enter; $2…: the
# environment, then the command. The exit status 99 says that the tree could still be written to.
set -eu
python=$1
shift
if [ "$(id -u)" != 0 ]; then
    cd /
    exec env -i "$@"
fi
mount --make-rprivate /
case $python in
/root/*)
    mount --bind "$python" /mnt
    mount -t tmpfs -o mode=755 tmpfs /root
    mkdir -p "$python"
    mount --move /mnt "$python"
    ;;
esac
while read -r _ place _; do
    case $place in /proc* | /sys* | /dev*) continue ;; esac
    mount -o remount,bind,ro "$place" 2>/dev/null || true
done </proc/self/mounts
mount -t tmpfs -o mode=1777 tmpfs /tmp
if touch /written "$python/written" 2>/dev/null; then exit 99; fi
cd /
exec setpriv --reuid=10001 --regid=10001 --clear-groups --no-new-privs --bounding-set=-all \
    --inh-caps=-all env -i "$@"
