#!/bin/bash
# check.sh FOLDER CLIENT PERCENT: runs an example with one of its clients and reads what it printed.
set -euo pipefail
folder=$1 percent=$3
expected=$(dirname "$0")/${folder##*/}
said=$(mktemp)
trap 'rm -f "$said"' EXIT

fail() {
    cat "$said"
    printf 'FAILED %s\n' "$*"
    exit 1
}

if [[ $2 == py ]] && ! "$PYTHON" -c 'import numpy, blind' 2>"$said"; then
    cat "$said"
    printf 'skipped: the Python client needs numpy and the package blind\n'
    exit 77
fi
CLIENTS=$2 "$folder/run.sh" >"$said" 2>&1 || fail "exit status $?"
while read -r line; do
    grep -qE -- "$line" "$said" || fail "no line is: $line"
done < <(cat "$expected.expected" "$expected.$2.expected" 2>/dev/null)
grep -q "^ *\(blind infer: \)*InvalidEnclaveCode: .*model .*found" "$said" || fail 'another model was not refused'
found=$(sed -nE 's/.*held out: .*, ([0-9.]+) %.*/\1/p' "$said")
awk -v found="$found" -v least="$percent" 'BEGIN { exit !(found != "" && found >= least) }' ||
    fail "$found % right, expected at least $percent"
cat "$said"
