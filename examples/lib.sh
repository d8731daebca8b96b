# shellcheck shell=bash
# What the run.sh of every example does, with servers of its own on the simulated TEE:
#
#     source ../lib.sh
#     example SAMPLE...         packs the pipeline, serves it, makes the policy, and asks from the shell and from Python
#     refused FILE SAMPLE       serves the same model with the lines of FILE reversed: the policy refuses it
#
# BLIND     the program; without it, ./dev example NAME builds it and comes back
# PYTHON    an interpreter that can import blind; without the package the Python client is left out
# CLIENTS   which clients ask: "sh py"
set -euo pipefail
export LC_ALL=C.UTF-8
here=$(cd "$(dirname "$0")" && pwd)
name=${here##*/}
[[ -n ${BLIND:-} ]] || exec "$here/../../dev" example "$name"
BLIND=$(realpath "$BLIND")
export BLIND
: "${PYTHON:=python3}" "${CLIENTS:=sh py}"
declare -A word=([sh]='the shell' [py]=Python) command=([sh]=./client.sh [py]='python3 client.py')
asking=() # the clients that can
started=()
work=$(mktemp -d)
cd "$here"

bold='' dim='' red='' plain=''
if [[ -t 1 && ${TERM:-dumb} != dumb && -z ${NO_COLOR:-} ]]; then
    bold=$'\e[1m' dim=$'\e[2m' red=$'\e[31m' plain=$'\e[0m'
fi

stop() {
    ((${#started[@]} == 0)) || kill "${started[@]}" 2>/dev/null || true
    wait
    rm -rf "$work"
}
trap stop EXIT

give_up() { # MESSAGE [FILE]
    printf '%s%s: %s%s\n' "$red" "$name" "$1" "$plain" >&2
    [[ ! -s ${2:-} ]] || cat "$2" >&2
    exit 1
}

title() { printf '\n%s%s%s\n' "$bold" "$*" "$plain"; }

# A command as a user would type it.
show() {
    local words=$*
    words=${words//"$BLIND"/blind}
    words=${words//"$work/"/}
    printf '  %s$ %s%s\n' "$dim" "$words" "$plain"
}

# Shows it, runs it, and indents what it says.
try() {
    show "$@"
    "$@" >"$work/said" 2>&1 || give_up "exit status $?" "$work/said"
    sed "s|^|    |; s|$work/||" "$work/said"
}

# serve FOLDER: a server of FOLDER/NAME.tar; its address is then in $url
serve() {
    "$BLIND" serve --tee sim --listen 127.0.0.1:0 --helper-listen '' --metrics-listen '' --state-dir "$1/state" \
        --port-file "$1/port" --log-level warn --allow-uploads false --model "$name=$1/$name.tar" >"$1/log" 2>&1 &
    started+=($!)
    for _ in {1..400}; do
        url=$(sed -n 's|.*"attested": *\([0-9]*\).*|https://127.0.0.1:\1|p' "$1/port" 2>/dev/null || true)
        [[ -z $url ]] || return 0
        kill -0 "${started[-1]}" 2>/dev/null || give_up 'the server stopped' "$1/log"
        sleep 0.05
    done
    give_up 'the server did not say its port' "$1/log"
}

find_clients() {
    local client
    for client in $CLIENTS; do
        if [[ $client == py ]] && ! "$PYTHON" -c 'import numpy, blind' 2>/dev/null; then
            printf '\nThe Python client is left out: %s has no numpy or no blind (pip install ./python).\n' "$PYTHON"
        else
            asking+=("$client")
        fi
    done
    ((${#asking[@]})) || give_up 'no client can ask'
}

# ask CLIENT ARGUMENT...
ask() {
    case $1 in
    py) "$PYTHON" client.py "$url" "$work/policy.toml" "${@:2}" ;;
    sh) ./client.sh "$url" "$work/policy.toml" "${@:2}" ;;
    esac
}

ask_and_show() {
    show "${command[$1]}" "$url" policy.toml "${@:2}"
    ask "$@" >"$work/said" 2>&1 || give_up "exit status $?" "$work/said"
    sed 's/^/    /' "$work/said"
}

example() {
    local client
    title '1. Model, steps and labels become one file; the policy names it, and the program that shall run it'
    try "$BLIND" pipeline pack pipeline.toml --output "$work/$name.tar"
    try "$BLIND" policy create --tee sim --binary "$BLIND" --model "$name=$work/$name.tar" --out "$work/policy.toml"
    title '2. A server, inside the (simulated) TEE'
    show "$BLIND" serve --tee sim --listen 127.0.0.1:0 --model "$name=$name.tar"
    serve "$work"
    honest=$url
    printf '    listening on %s\n' "$url"
    find_clients
    for client in "${asking[@]}"; do
        title "3. Files go in as they are, after the verdict: from ${word[$client]}"
        ask_and_show "$client" "$@"
        ask_and_show "$client" --heldout heldout.tar
    done
}

refused() {
    local client status
    title "4. The same weights, but the lines of $1 are reversed: another model"
    mkdir "$work/other"
    find . -maxdepth 1 -type f \( -name '*.toml' -o -name '*.onnx' -o -name '*.txt' -o -name '*.npy' \) -exec cp {} "$work/other" \;
    tac "$1" >"$work/other/$1"
    "$BLIND" pipeline pack "$work/other/pipeline.toml" --output "$work/other/$name.tar" >"$work/said" 2>&1 ||
        give_up 'cannot pack the other model' "$work/said"
    serve "$work/other"
    for client in "${asking[@]}"; do
        status=0
        show "${command[$client]}" "$url" policy.toml "$2"
        ask "$client" "$2" >"$work/said" 2>"$work/error" || status=$?
        [[ $status == 11 && ! -s $work/said && $(<"$work/error") == *InvalidEnclaveCode* ]] ||
            give_up "client.$client: expected InvalidEnclaveCode, exit status 11; found exit status $status" "$work/error"
        sed 's/^/    /' "$work/error"
        printf '    refused, as it should be: exit status %s\n' "$status"
    done
}
