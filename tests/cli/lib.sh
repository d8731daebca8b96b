# shellcheck shell=bash disable=SC2034 # status, out and err are for the tests
# Words that the shell tests share.  BLIND is the program, SOURCE the source tree.
set -euo pipefail
: "${SOURCE:=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)}"
: "${BLIND:=$SOURCE/build/test/blind}"
export LC_ALL=C.UTF-8
failures=0

fail() {
    printf 'FAILED %s\n' "$*" >&2
    failures=$((failures + 1))
}

# finish: the last line of a test
finish() {
    ((failures == 0)) || exit 1
    printf 'all right\n'
    exit 0
}

skip() {
    printf 'skipped: %s\n' "$*"
    exit 77
}

# A temporary folder that goes with the test.
make_scratch() {
    scratch=$(mktemp -d)
    trap 'rm -rf "$scratch"' EXIT
}

# run COMMAND...: fills status, out and err
run() {
    status=0
    "$@" >"$scratch/out" 2>"$scratch/err" </dev/null || status=$?
    out=$(<"$scratch/out")
    err=$(<"$scratch/err")
}
