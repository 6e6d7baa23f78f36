#!/usr/bin/env bash
# Make the environment $1 with the first Python 3.11 or 3.12 that really runs: a version manager's
# shim may exist and fail, and some systems leave the venv module out.
set -euo pipefail

suitable='import ensurepip, sys, venv; sys.exit(sys.version_info[:2] not in {(3, 11), (3, 12)})'
for python in ${PYTHON:-} python3.12 python3.11 python3; do
    if "$python" -c "$suitable" 2>/dev/null; then
        exec "$python" -m venv --clear "$1"
    fi
done
echo "Vane needs Python 3.11 or 3.12 with its venv module; none of ${PYTHON:+$PYTHON, }python3.12," \
    "python3.11, python3 runs as one. Name yours: make install PYTHON=/path/to/python3.12" >&2
exit 1
