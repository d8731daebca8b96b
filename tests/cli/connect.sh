#!/bin/bash
# blind connect between plain HTTP clients and a server: the verdict at the start, requests through
# it, a server that restarts, a local key, refusals, and SIGTERM.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
make_scratch
digits=$SOURCE/examples/digits
server='' proxy=''
trap 'kill $server $proxy 2>/dev/null || true; wait; rm -rf "$scratch"' EXIT

# serve PORT: fills server and port
serve() {
    rm -f "$scratch/ports"
    "$BLIND" serve --tee sim --listen "127.0.0.1:$1" --helper-listen 127.0.0.1:0 --metrics-listen 127.0.0.1:0 \
        --model "digits=$digits/model.onnx" --state-dir "$scratch/state" --port-file "$scratch/ports" --drain-s 5 \
        2>"$scratch/log" &
    server=$!
    for _ in {1..200}; do
        [[ ! -s $scratch/ports ]] || break
        sleep 0.05
    done
    port=$(sed -n 's/.*"attested": *\([0-9]*\).*/\1/p' "$scratch/ports")
    [[ -n $port ]] || { cat "$scratch/log" && exit 1; }
}

# connect ARGUMENT...: fills proxy and local
connect() {
    "$BLIND" connect "https://127.0.0.1:$port" "${with[@]}" --listen 127.0.0.1:0 --json "$@" \
        >"$scratch/said" 2>"$scratch/proxy-log" &
    proxy=$!
    for _ in {1..200}; do
        (($(wc -l <"$scratch/said") == 0)) || break # a whole line
        sleep 0.05
    done
    local=$(python3 -c 'import json, sys
said = json.load(open(sys.argv[1]))
assert said["version"] == 1 and said["verdict"]["tee"] == "sim"
print(said["listen"])' "$scratch/said")
}

# get PATH WANT [HEADER]: the status, and the body in $scratch/body
get() {
    local got
    got=$(python3 -c 'import sys, urllib.error, urllib.request
request = urllib.request.Request(sys.argv[1])
for header in sys.argv[3:]:
    request.add_header(*header.split(": ", 1))
try:
    answer = urllib.request.urlopen(request, timeout=30)
except urllib.error.HTTPError as error:
    answer = error
open(sys.argv[2], "wb").write(answer.read())
print(answer.status)' "$local$1" "$scratch/body" "${@:3}")
    [[ $got == "$2" ]] || fail "GET $1: $got, expected $2: $(<"$scratch/body")"
}

serve 0
"$BLIND" policy create --tee sim --binary "$BLIND" >"$scratch/policy.toml"
sed 's/^\(.*"\)[0-9a-f]\{8\}\([0-9a-f]\{88\}".*\)$/\100000000\2/' "$scratch/policy.toml" >"$scratch/other.toml"
with=(--policy "$scratch/policy.toml" --simulation)
url=https://127.0.0.1:$port

run "$BLIND" connect "$url" --policy "$scratch/policy.toml"
[[ $status == 10 ]] || fail "no simulation: $status: $err"
run "$BLIND" connect "$url" --policy "$scratch/other.toml" --simulation
[[ $status == 11 ]] || fail "other code: $status: $err"
run "$BLIND" connect "$url" "${with[@]}" --listen 0.0.0.0:0
[[ $status == 2 ]] || fail "past this machine: $status: $err"
: >"$scratch/empty"
run "$BLIND" connect "$url" "${with[@]}" --local-key "$scratch/empty"
[[ $status == 2 ]] || fail "an empty key: $status: $err"

connect
get /v2/health/ready 200
get /v2/models/digits 200
grep -q '"digits"' "$scratch/body" || fail "no model: $(<"$scratch/body")"
get /v2/models/nonesuch 404
get /.blind/verdict 200
grep -q '"sim"' "$scratch/body" || fail "no verdict: $(<"$scratch/body")"
get /v2/models/digits 403 'Origin: https://evil.example'
get /v2/models/digits 403 'Host: evil.example'

# The server goes, and comes back.
kill "$server"
wait "$server" || true
get /v2/models/digits 502
grep -q connection_error "$scratch/body" || fail "why: $(<"$scratch/body")"
serve "$port"
get /v2/models/digits 200

kill -TERM "$proxy"
wait "$proxy" || fail "SIGTERM: $?"

printf 'a local key\n' >"$scratch/key"
connect --local-key "$scratch/key"
get /v2/models/digits 401
get /v2/models/digits 200 'Authorization: Bearer a local key'
finish
