#!/bin/bash
# A server that lies about itself, in each way it can, and what blind verify says; then an honest one
# with its certificate, its downloadable evidence and its models, each against policies it must fail.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
make_scratch
model=$SOURCE/examples/digits/model.onnx
server=
trap '[[ -z $server ]] || kill $server 2>/dev/null; wait; rm -rf "$scratch"' EXIT

# serve OPTION...: starts a server, fills port and helper
serve() {
    rm -f "$scratch/ports"
    "$BLIND" serve --tee sim --listen 127.0.0.1:0 --helper-listen 127.0.0.1:0 --metrics-listen '' \
        --state-dir "$scratch/state" --port-file "$scratch/ports" --drain-s 1 "$@" 2>"$scratch/log" &
    server=$!
    for _ in {1..400}; do
        [[ ! -s $scratch/ports ]] || break
        sleep 0.05
    done
    port=$(sed -n 's/.*"attested": *\([0-9]*\).*/\1/p' "$scratch/ports")
    helper=$(sed -n 's/.*"helper": *\([0-9]*\).*/\1/p' "$scratch/ports")
    [[ -n $port ]] || { cat "$scratch/log" && exit 1; }
}
stop() {
    kill "$server"
    wait "$server" || fail "the server's exit status: $?"
    server=
}
# says WHAT STATUS TEXT COMMAND...
says() {
    local what=$1 want=$2 text=$3
    shift 3
    run "$@"
    [[ $status == "$want" && $out$err == *"$text"* ]] ||
        fail "$what: status $status, expected $want and '$text': $out $err"
}

"$BLIND" policy create --tee sim --binary "$BLIND" >"$scratch/policy.toml"
with=(--policy "$scratch/policy.toml" --simulation)

while read -r lie want code; do
    serve --sim-lie "$lie"
    says "lie about $lie" "$want" "REFUSED  $want $code" "$BLIND" verify "https://127.0.0.1:$port" "${with[@]}"
    stop
done <<'END'
measurement 11 MEASUREMENT
debug 12 DEBUG
binding 10 BINDING
signature 10 SIGNATURE
log 11 LOG
measurement,debug 11 MEASUREMENT
debug,signature 10 SIGNATURE
END

serve --sim-lie debug
says 'debug, allowed by the caller' 0 ACCEPTED "$BLIND" verify "https://127.0.0.1:$port" "${with[@]}" --debug-mode
sed 's/^allow_debug = false/allow_debug = true/' "$scratch/policy.toml" >"$scratch/debug.toml"
says 'debug, allowed by the policy' 0 ACCEPTED "$BLIND" verify "https://127.0.0.1:$port" --policy "$scratch/debug.toml" --simulation
stop

# Models: the digest in the log is the file's.
serve --model "digits=$model"
url=https://127.0.0.1:$port
"$BLIND" policy create --binary "$BLIND" --model "digits=$model" >"$scratch/pinned.toml"
says 'the model pinned' 0 "proven   model 'digits'" "$BLIND" verify "$url" --policy "$scratch/pinned.toml" --simulation
cp "$model" "$scratch/flipped.onnx"
printf '\xff' | dd of="$scratch/flipped.onnx" bs=1 seek=1000 conv=notrunc status=none
cmp -s "$model" "$scratch/flipped.onnx" && fail 'the flipped model is the model'
"$BLIND" policy create --binary "$BLIND" --model "digits=$scratch/flipped.onnx" >"$scratch/flipped.toml"
says 'one byte of the model' 11 'REFUSED  11 MODEL' "$BLIND" verify "$url" --policy "$scratch/flipped.toml" --simulation
"$BLIND" policy create --binary "$BLIND" --model "other=$model" >"$scratch/named.toml"
says 'another name' 11 'REFUSED  11 MODEL' "$BLIND" verify "$url" --policy "$scratch/named.toml" --simulation

# The server's identity beside attestation.
"$BLIND" policy create --binary "$BLIND" --server pin >"$scratch/pin.toml"
echo | openssl s_client -connect "127.0.0.1:$port" 2>/dev/null | openssl x509 -out "$scratch/cert.pem" 2>/dev/null
says 'the pinned server' 0 'proven   server' "$BLIND" verify "$url" --policy "$scratch/pin.toml" --simulation --pin "$scratch/cert.pem"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=x -days 1 \
    -keyout /dev/null -out "$scratch/other.pem" 2>/dev/null
run "$BLIND" verify "$url" --policy "$scratch/pin.toml" --simulation --pin "$scratch/other.pem"
[[ $status == 1 ]] || fail "another pin: status $status: $out $err"

# Evidence that is bound to the key: in the certificate, and to download.
says 'the certificate' 0 'key-bound only' "$BLIND" verify --cert "$scratch/cert.pem" "${with[@]}"
openssl x509 -in "$scratch/cert.pem" -outform DER -out "$scratch/cert.der"
says 'the certificate, DER' 0 'key-bound only' "$BLIND" verify --cert "$scratch/cert.der" "${with[@]}"
says 'the certificate, no simulation' 10 SIMULATION "$BLIND" verify --cert "$scratch/cert.pem" --policy "$scratch/policy.toml"
if command -v curl >/dev/null && [[ -n $helper ]]; then
    curl -sk "https://127.0.0.1:$helper/evidence" -o "$scratch/evidence"
    says 'downloaded evidence' 0 'binding: unknown' "$BLIND" verify "$scratch/evidence" "${with[@]}" --unbound
    says 'downloaded evidence, other data' 10 BINDING "$BLIND" verify "$scratch/evidence" "${with[@]}" --report-data 00ff
fi
stop
finish
