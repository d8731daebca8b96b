#!/bin/bash
# Wrong usage: the exit status, nothing on stdout, and one line on stderr that starts with the name.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
make_scratch

while IFS=$'\t' read -r arguments want pattern; do
    [[ $arguments != \#* ]] || continue
    read -ra words <<<"$arguments"
    run "$BLIND" "${words[@]}"
    [[ $status == "$want" ]] || fail "'blind $arguments': exit status $status, expected $want: $err"
    [[ -z $out ]] || fail "'blind $arguments': stdout holds '$out'"
    [[ $(wc -l <"$scratch/err") == 1 ]] || fail "'blind $arguments': expected one line, found: $err"
    [[ $err == blind* ]] || fail "'blind $arguments': expected a line from blind, found: $err"
    grep -Eq -- "$pattern" <<<"$err" || fail "'blind $arguments': expected '$pattern', found: $err"
done < <(sed 's/^\t/ \t/' "$SOURCE/tests/cli/usage.tsv")

# With --json a failure is also one object on stdout.
run "$BLIND" version --json extra
[[ $status == 2 && $out == '{"version":1,"code":"USAGE","error":"UsageError","exit":2,'* ]] || fail "--json: $status $out"

# A full disk behind stdout is a failure, not silence.
status=0
"$BLIND" version >/dev/full 2>"$scratch/err" || status=$?
[[ $status == 1 ]] || fail "stdout full: exit status $status, expected 1"
finish
