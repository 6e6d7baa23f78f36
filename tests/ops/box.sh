#!/bin/bash
# Run a command as in its container: an unprivileged user, a read-only tree, a /tmp of its own.
# Needs root for a moment. $1, $2: folders to be seen wherever they lie: the home of Python, the image's
# environment; $3…: variables, then the command. The exit status 99 says that the tree could be written to.
set -eu
python=$1 venv=$2
shift 2
if [ "$(id -u)" != 0 ]; then
    cd /
    exec env -i "$@"
fi
mount --make-rprivate /
mount -t tmpfs tmpfs /mnt
mkdir /mnt/python /mnt/venv
mount --bind "$python" /mnt/python
mount --bind "$venv" /mnt/venv
show_below() {
    case $python in "$1"/*) mkdir -p "$python" && mount --bind /mnt/python "$python" ;; esac
    case $venv in "$1"/*) mkdir -p "$venv" && mount --bind /mnt/venv "$venv" ;; esac
}
mount -t tmpfs -o mode=755 tmpfs /root
show_below /root
mount -t tmpfs -o mode=1777 tmpfs /tmp
show_below /tmp
while read -r _ place _; do
    case $place in /proc* | /sys* | /dev* | /tmp) continue ;; esac
    mount -o remount,bind,ro "$place" 2>/dev/null || true
done </proc/self/mounts
if touch /written "$python/written" "$venv/written" 2>/dev/null; then exit 99; fi
cd /
exec setpriv --reuid=10001 --regid=10001 --clear-groups --no-new-privs --bounding-set=-all \
    --inh-caps=-all env -i "$@"
