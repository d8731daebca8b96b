#!/bin/bash
# What `./dev conformance` runs: the cases of ONNX 1.17 through our engine, and with --peer through ONNX Runtime.
#
#     tests/onnx/conformance.sh PROGRAM [--peer] [--keep] [OPTION...]
#
#     --peer    ONNX Runtime over the same cases; names those that it passes and we do not
#     --keep    writes the list of passes, tests/onnx/passes-1.17.txt, anew
#     OPTION    for the program, see conformance.c: --list, --only TEXT, --plain
#
# The cases are made once, into build/onnx-cases; the Python package `onnx` comes from PyPI into build/onnx-venv.
set -euo pipefail
program=$(realpath "$1")
shift
cd "$(dirname "$0")/../.."
venv=build/onnx-venv
cases=build/onnx-cases
passes=tests/onnx/passes-1.17.txt

make_cases() {
    [[ -f $cases/ready ]] && return
    rm -rf "$cases" "$venv"
    /usr/bin/python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet 'onnx==1.17.*'
    mkdir -p "$cases/node"
    "$venv/bin/python" -m onnx.backend.test.cmd_tools generate-data -o "$cases" >/dev/null
    local data kind
    data=$(echo "$venv"/lib/python3*/site-packages/onnx/backend/test/data)
    for kind in simple pytorch-converted pytorch-operator light; do
        cp -r "$data/$kind" "$cases/"
    done
    touch "$cases/ready"
}

compare_peer() {
    "$venv/bin/python" -c 'import onnxruntime' 2>/dev/null || "$venv/bin/pip" install --quiet onnxruntime
    "$venv/bin/python" tests/onnx/conformance_peer.py "$cases" 2>build/onnx-peer.log | sort >build/onnx-peer.txt
    grep ' pass in ' build/onnx-peer.log
    "$program" --list-passes "$cases" 2>/dev/null | sort >build/onnx-ours.txt
    echo "$(wc -l <build/onnx-peer.txt) pass in ONNX Runtime, $(wc -l <build/onnx-ours.txt) here; it passes and we do not:"
    comm -23 build/onnx-peer.txt build/onnx-ours.txt
}

peer='' keep='' options=()
for option in "$@"; do
    case $option in
    --peer) peer=1 ;;
    --keep) keep=1 ;;
    *) options+=("$option") ;;
    esac
done
make_cases
if [[ $keep ]]; then
    "$program" --list-passes "$cases" >build/passes.txt
    mv build/passes.txt "$passes"
elif [[ $peer ]]; then
    compare_peer
else
    "$program" --expect "$passes" "${options[@]}" "$cases"
fi
