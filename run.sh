#!/usr/bin/env bash
# run.sh MACHINE train|infer|traininfer [arguments]: short for `tad run --machine MACHINE MODE [arguments]`
set -euo pipefail
if [ "$#" -lt 2 ]; then
    echo "usage: $0 MACHINE train|infer|traininfer [arguments]; 'tad run list' shows the machines" >&2
    exit 2
fi
machine=$1
shift
if command -v tad >/dev/null; then
    exec tad run --machine "$machine" "$@"
fi
# Not installed: the checkout that this file is in
PYTHONPATH="$(cd "$(dirname "$0")" && pwd)${PYTHONPATH:+:$PYTHONPATH}"
export PYTHONPATH
exec "${PYTHON:-python3}" -m tad run --machine "$machine" "$@"
