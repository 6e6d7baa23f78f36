#!/bin/sh
# Install Vane for the image $1 (thin or catalog) into the new environment $2, from this tree.
# TORCH_INDEX: where the CPU build of torch is taken from, for catalog; empty: PyPI's, with CUDA.
set -eu
image=$1 venv=$2
tree=$(cd "$(dirname "$0")/../.." && pwd)
locked=$(mktemp)
trap 'rm -f "$locked"' EXIT

python3 -m venv "$venv"
pip="$venv/bin/pip --disable-pip-version-check --no-input --no-cache-dir install --quiet --no-deps"
if [ "$image" = catalog ]; then
    if [ -n "${TORCH_INDEX:-}" ]; then
        $pip --index-url "$TORCH_INDEX" "$(grep -o '^torch==[0-9.]*' "$tree/requirements-torch.txt")"
    else
        $pip --require-hashes -r "$tree/requirements-torch.txt"
    fi
fi
python3 "$tree/deploy/image/lock.py" "$image" >"$locked"
$pip --require-hashes -r "$locked"
$pip --no-index --no-build-isolation "$tree"
"$venv/bin/python" -m compileall -q "$venv/lib"
