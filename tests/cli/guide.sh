#!/bin/bash
# Runs every command of docs/guide/serve-a-model.md as it is written, in order, in one shell.  Only the
# ports are others, and the program and the files are those of this build.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
make_scratch
page=$SOURCE/docs/guide/serve-a-model.md
base=$((20000 + $$ % 10000))

mkdir -p "$scratch/build" "$scratch/examples"
ln -s "$(dirname "$BLIND")" "$scratch/build/release"
cp -r "$SOURCE/examples/digits" "$scratch/examples/"
{
    # shellcheck disable=SC2016 # the trap expands it when it runs
    echo 'set -euo pipefail; trap '\''kill "${server:-}" 2>/dev/null || true'\'' EXIT'
    awk '/^```sh$/ { on = 1; next } /^```$/ { on = 0 } on' "$page" |
        sed "s/50051/$base/g; s/50052/$((base + 1))/g; s/9464/$((base + 2))/g"
} >"$scratch/commands"
command -v curl >/dev/null || sed -i '/^curl/d' "$scratch/commands"
(cd "$scratch" && timeout 60 bash commands) >"$scratch/said" 2>&1 ||
    { cat "$scratch/said" && fail "a command of $page failed"; }

# What the page shows, but for times, digests of this build and sizes that follow them.
grep -F -x -f - "$scratch/said" <<'EOF' >"$scratch/found"
local/scores.npy: F32 [360, 10]
scores  FP32 [360, 10]  answer/scores.npy
ACCEPTED  bound to this TLS session; SIMULATED: proves nothing about hardware
REFUSED  11 MODEL: authentic, but another model (other models)
exit status 11
EOF
[[ $(wc -l <"$scratch/found") == 5 ]] || { cat "$scratch/said" && fail "the page shows other answers"; }
grep -q "open: no not_after" "$scratch/said" || fail "policy check"
grep -q "server.stop cut_off=0" "$scratch/said" || fail "the end"
finish
