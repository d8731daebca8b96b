#!/bin/bash
# `blind conformance`: what counts as passed, and that nothing passes for want of something.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
make_scratch

printf 'x' >"$scratch/report.bin"
put_index() {
    printf '[{"id":"one","tee":"snp","files":{"evidence":"report.bin"}%s}]' "$1" >"$scratch/index.json"
}

put_index ',"expect":"reject"'
run "$BLIND" conformance "$scratch/index.json"
[[ $status == 0 && $out == *'1 passed, 0 failed' ]] || fail "a byte for a report: $status $out $err"
put_index ',"expect":"ok"'
run "$BLIND" conformance "$scratch/index.json"
[[ $status == 1 && $out == *'0 passed, 1 failed' ]] || fail "a byte that should pass: $status $out $err"
for expect in '' ',"expect":""' ',"expect":"maybe"' ',"expect":null'; do
    put_index "$expect"
    run "$BLIND" conformance "$scratch/index.json"
    [[ $status == 1 && $err == *neither* ]] || fail "a case that expects '$expect': $status $out $err"
done
echo '[]' >"$scratch/index.json"
run "$BLIND" conformance "$scratch/index.json"
[[ $status == 1 ]] || fail "no cases: $status $out"

put_index ',"expect":"reject"'
run "$BLIND" conformance "$scratch/index.json" --verifier 'echo reject because #'
[[ $status == 0 && $out == *'1 passed, 0 failed' ]] || fail "another verifier refuses: $status $out $err"
run "$BLIND" conformance "$scratch/index.json" --verifier 'echo ok #'
[[ $status == 1 && $out == *'0 passed, 1 failed' ]] || fail "another verifier accepts: $status $out $err"
for silent in true 'echo okay #' /nonexistent/verifier; do
    run "$BLIND" conformance "$scratch/index.json" --verifier "$silent"
    [[ $status == 1 && $out == *'1 skipped' ]] || fail "the verifier '$silent': $status $out $err"
done

for rule in '"min_nothing":1' '"expect_nothing_hex":"00"' '"misspelt":true' '"allow_tcb":"UpToDate"' '"allow_debug":"yes"' \
    '"expect_pcrs":{"0":"00"}' '"collateral":"none"'; do
    put_index ",\"expect\":\"reject\",\"policy\":{$rule}"
    run "$BLIND" conformance "$scratch/index.json"
    [[ $status == 1 && $out == *'1 skipped' ]] || fail "a rule that SNP does not have, $rule: $status $out $err"
done

index=${BLIND_VECTORS:-}/index.json
if [[ -f $index ]]; then
    run "$BLIND" conformance "$index"
    [[ $status == 0 && $out == *' passed, 0 failed' ]] || fail "recorded cases: ${out##*$'\n'}"
else
    printf 'skipped: no recorded vectors\n'
fi
finish
