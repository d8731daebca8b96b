#!/bin/bash
# One server, every subcommand against it: --json is one line of JSON with a version, refusals have
# their exit statuses, and starting badly says why.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
make_scratch
digits=$SOURCE/examples/digits

printf 'precision = "high"\n' >"$scratch/serve.toml"
"$BLIND" serve --config "$scratch/serve.toml" --tee sim --listen 127.0.0.1:0 --helper-listen 127.0.0.1:0 --metrics-listen 127.0.0.1:0 \
    --state-dir "$scratch/state" --port-file "$scratch/ports" --drain-s 5 2>"$scratch/log" &
server=$!
trap 'kill $server 2>/dev/null || true; wait; rm -rf "$scratch"' EXIT
for _ in {1..200}; do
    [[ ! -s $scratch/ports ]] || break
    sleep 0.05
done
port=$(sed -n 's/.*"attested": *\([0-9]*\).*/\1/p' "$scratch/ports")
[[ -n $port ]] || { cat "$scratch/log" && exit 1; }
url=https://127.0.0.1:$port

# json WHAT: stdout was one object on one line, with a version
json() {
    [[ $(wc -l <"$scratch/out") == 1 ]] || fail "$1: expected one line: $out"
    python3 -c 'import json, sys; sys.exit(json.loads(sys.argv[1])["version"] != 1)' "$out" ||
        fail "$1: no object with a version: $out"
}
# answers WHAT STATUS COMMAND...: as text and as JSON
answers() {
    local what=$1 want=$2
    shift 2
    run "$@"
    [[ $status == "$want" ]] || fail "$what: exit status $status, expected $want: $err"
    run "$@" --json
    [[ $status == "$want" ]] || fail "$what --json: exit status $status, expected $want: $err"
    json "$what"
    [[ $want == 0 ]] || [[ $(wc -l <"$scratch/err") == 1 ]] || fail "$what: stderr is not one line: $err"
}

"$BLIND" policy create --tee sim --binary "$BLIND" >"$scratch/policy.toml"
sed 's/^\(.*"\)[0-9a-f]\{8\}\([0-9a-f]\{88\}".*\)$/\100000000\2/' "$scratch/policy.toml" >"$scratch/other.toml"
cmp -s "$scratch/policy.toml" "$scratch/other.toml" && fail 'the policy holds no measurement'
{ cat "$scratch/policy.toml" && printf '\n[nonesuch]\nkey = 1\n'; } >"$scratch/bad.toml"
with=(--policy "$scratch/policy.toml" --simulation)

answers version 0 "$BLIND" version
answers help 0 "$BLIND" help
answers 'policy create' 0 "$BLIND" policy create --tee sim --binary "$BLIND"
answers 'policy show' 0 "$BLIND" policy show "$scratch/policy.toml"
answers 'policy check' 0 "$BLIND" policy check "$scratch/policy.toml"
answers 'policy check, unknown key' 13 "$BLIND" policy check "$scratch/bad.toml"
answers verify 0 "$BLIND" verify "$url" "${with[@]}"
answers 'verify, no simulation' 10 "$BLIND" verify "$url" --policy "$scratch/policy.toml"
answers 'verify, other code' 11 "$BLIND" verify "$url" --policy "$scratch/other.toml" --simulation
answers 'verify --ear' 0 "$BLIND" verify "$url" "${with[@]}" --ear "$scratch/result.jwt"
answers 'verify --ear, refused' 11 "$BLIND" verify "$url" --policy "$scratch/other.toml" --simulation \
    --ear "$scratch/refused.jwt"
answers 'verify --ear-key, no key' 1 "$BLIND" verify "$url" "${with[@]}" --ear "$scratch/none.jwt" \
    --ear-key "$scratch/policy.toml"
[[ ! -e $scratch/none.jwt ]] || fail 'verify --ear-key: a token without a key'
for token in result refused; do
    python3 -c 'import base64, json, sys
header, claims, signature = sys.argv[1].strip().split(".")
decode = lambda text: base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
header, claims = json.loads(decode(header)), json.loads(decode(claims))
assert header["alg"] == "ES256" and len(decode(signature)) == 64
assert claims["eat_profile"] == "tag:github.com,2023:veraison/ear"
assert claims["submods"]["sim"]["ear.status"] == "contraindicated"' "$(<"$scratch/$token.jwt")" ||
        fail "verify --ear: $token is no attestation result"
done
answers 'verify, bad policy' 13 "$BLIND" verify "$url" --policy "$scratch/bad.toml" --simulation
answers 'verify, nobody there' 1 "$BLIND" verify https://127.0.0.1:1 "${with[@]}"
answers upload 0 "$BLIND" upload "$url" "$digits/model.onnx" "${with[@]}" --name digits
answers infer 0 "$BLIND" infer "$url" "${with[@]}" --model digits --input "image=$digits/images.npy" \
    --output-dir "$scratch/infer"
answers 'infer, no such model' 1 "$BLIND" infer "$url" "${with[@]}" --model nonesuch \
    --input "image=$digits/images.npy" --output-dir "$scratch/none"
answers run 0 "$BLIND" run --model "$digits/model.onnx" --input "image=$digits/images.npy" \
    --output-dir "$scratch/run" --precision high
cmp "$scratch/infer/scores.npy" "$scratch/run/scores.npy" || fail 'infer and run differ'
# Precisions are several only where the processor has AMX.
amx=$(grep -q amx_bf16 /proc/cpuinfo && echo 1 || echo 0)
for precision in highest medium; do
    run "$BLIND" run --model "$digits/model.onnx" --input "image=$digits/images.npy" --output-dir "$scratch/$precision" \
        --precision "$precision"
    [[ $status == 0 ]] || fail "--precision $precision: $err"
    same=0
    cmp -s "$scratch/$precision/scores.npy" "$scratch/run/scores.npy" || same=1
    [[ $same == "$amx" ]] || fail "--precision $precision against high, AMX $amx: differs $same"
done
run "$BLIND" run --model "$digits/model.onnx" --input "image=$digits/images.npy" --output-dir "$scratch/fast" --precision fast
[[ $status == 2 && $err == *'highest|high|medium'* ]] || fail "--precision fast: $status $err"
accuracy=$("$digits/accuracy" "$scratch/infer/scores.npy" "$digits/labels.npy")
[[ $accuracy == '351 of 360 right, 97.50 %' ]] || fail "accuracy: $accuracy"
run "$BLIND" bench --model "$digits/model.onnx" --input "image=$digits/images.npy" --runs 2 --warmup 0 \
    --min-seconds 0 --threads 1
[[ $status == 0 && $out == *'"median_ms"'*'"rss_peak_mb"'* ]] || fail "bench: $status $out $err"

# Progress needs a terminal; there is none here.
"$BLIND" upload "$url" "$digits/model.onnx" "${with[@]}" --name again >/dev/null 2>"$scratch/err"
[[ ! -s $scratch/err ]] || fail "upload wrote to a stderr that is no terminal: $(<"$scratch/err")"

# Starting badly.
start=("$BLIND" serve --tee sim --helper-listen 127.0.0.1:0 --metrics-listen 127.0.0.1:0)
run timeout 10 "${start[@]}" --listen "127.0.0.1:$port" --state-dir "$scratch/second"
[[ $status == 1 && $err == *"127.0.0.1:$port"*'in use'* ]] || fail "port in use: $status $err"
printf 'file' >"$scratch/file"
run timeout 10 "${start[@]}" --listen 127.0.0.1:0 --state-dir "$scratch/file/state"
[[ $status == 1 && $err == *"$scratch/file"* ]] || fail "state folder: $status $err"
run "$BLIND" serve --config "$SOURCE/examples/serve.toml" --state-dir "$scratch/third" --check
[[ $status == 0 ]] || fail "examples/serve.toml: $status $err"

kill -TERM $server
status=0
wait $server || status=$?
[[ $status == 0 ]] || fail "SIGTERM: exit status $status: $(<"$scratch/log")"
finish
