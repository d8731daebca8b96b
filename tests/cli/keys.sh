#!/bin/bash
# A client's key from `blind key create` to its rights: the file, the line, the server that knows it
# and the one that does not yet.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
make_scratch
digits=$SOURCE/examples/digits

run "$BLIND" key create "$scratch/ann.pem"
[[ $status == 0 && $out =~ ^key=[0-9a-f]{64}$ ]] || fail "key create: $status $out $err"
ann=$out
[[ $(stat -c %a "$scratch/ann.pem") == 600 ]] || fail "the key can be read by others"
before=$(<"$scratch/ann.pem")
run "$BLIND" key create "$scratch/ann.pem"
[[ $status == 1 && $err == *'file exists'* && $(<"$scratch/ann.pem") == "$before" ]] || fail "key create, again: $status $err"
run "$BLIND" key show "$scratch/ann.pem"
[[ $status == 0 && $out == "$ann" ]] || fail "key show: $status $out $err"
run "$BLIND" key show "$scratch/ann.pem" --json
[[ $out == '{"version":1,"file":"'*'","key":"'"${ann#key=}"'"}' ]] || fail "key show --json: $out"
if command -v openssl >/dev/null; then
    id=$(openssl pkey -in "$scratch/ann.pem" -pubout -outform DER 2>/dev/null | sha256sum | cut -d' ' -f1)
    [[ $ann == "key=$id" ]] || fail "OpenSSL calls it $id, blind $ann"
    openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384 -out "$scratch/p384.pem" 2>/dev/null
    run "$BLIND" key show "$scratch/p384.pem"
    [[ $status == 1 && $err == *P-256* ]] || fail "a key on P-384: $status $err"
fi
bob=$("$BLIND" key create "$scratch/bob.pem")

printf 'ann:%s:infer,upload\n' "$ann" >"$scratch/tokens"
"$BLIND" serve --tee sim --listen 127.0.0.1:0 --helper-listen 127.0.0.1:0 --metrics-listen 127.0.0.1:0 \
    --state-dir "$scratch/state" --port-file "$scratch/ports" --drain-s 5 --tokens "$scratch/tokens" 2>"$scratch/log" &
server=$!
trap 'kill $server 2>/dev/null || true; wait; rm -rf "$scratch"' EXIT
for _ in {1..200}; do
    [[ ! -s $scratch/ports ]] || break
    sleep 0.05
done
url=https://127.0.0.1:$(sed -n 's/.*"attested": *\([0-9]*\).*/\1/p' "$scratch/ports")
"$BLIND" policy create --tee sim --binary "$BLIND" >"$scratch/policy.toml"
with=(--policy "$scratch/policy.toml" --simulation)
upload=("$BLIND" upload "$url" "$digits/model.onnx" "${with[@]}")

run "${upload[@]}" --name digits
[[ $status == 1 && $err == *'no right to upload'* ]] || fail "upload without a key: $status $err"
run "${upload[@]}" --name digits --client-key "$scratch/ann.pem"
[[ $status == 0 ]] || fail "upload with a key: $status $err"
run "${upload[@]}" --name digits --client-key "$scratch/ann.pem" --no-replace
[[ $status == 1 && $err == *'already exists'* ]] || fail "upload --no-replace: $status $err"
run "$BLIND" infer "$url" "${with[@]}" --client-key "$scratch/ann.pem" --model digits \
    --input "image=$digits/images.npy" --output-dir "$scratch/answers"
[[ $status == 0 ]] || fail "infer with a key: $status $err"
run "$BLIND" verify "$url" "${with[@]}" --client-key "$scratch/bob.pem"
[[ $status == 1 && $err == *'unknown client key'* ]] || fail "a key that the server does not know: $status $err"
run "$BLIND" verify "$url" "${with[@]}" --client-key "$scratch/policy.toml"
[[ $status == 1 && $err == *"$scratch/policy.toml"* ]] || fail "no key: $status $err"
run "$BLIND" verify "$url" --policy "$scratch/policy.toml" --client-key "$scratch/bob.pem"
[[ $status == 10 ]] || fail "a key does not make up for evidence: $status $err"

printf 'bob:%s:infer\n' "$bob" >>"$scratch/tokens"
kill -HUP $server
for _ in {1..100}; do
    run "$BLIND" verify "$url" "${with[@]}" --client-key "$scratch/bob.pem"
    [[ $status != 0 ]] || break
    sleep 0.05
done
[[ $status == 0 ]] || fail "a key that SIGHUP brought: $status $err"
run "${upload[@]}" --name other --client-key "$scratch/bob.pem"
[[ $status == 1 && $err == *"'bob' has no right to upload"* ]] || fail "another's right: $status $err"
finish
