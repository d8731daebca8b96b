#!/bin/bash
# blind chat from a pipe: one question, a conversation with its commands, and what is refused.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
make_scratch
server=
trap 'kill $server 2>/dev/null || true; wait; rm -rf "$scratch"' EXIT

"$BLIND" serve --tee sim --listen 127.0.0.1:0 --helper-listen 127.0.0.1:0 --metrics-listen "" \
    --model "demo=$SOURCE/examples/llm/demo-llm-f16.gguf" --state-dir "$scratch/state" \
    --port-file "$scratch/ports" 2>"$scratch/log" &
server=$!
for _ in {1..400}; do
    [[ ! -s $scratch/ports ]] || break
    sleep 0.05
done
url=https://127.0.0.1:$(sed -n 's/.*"attested": *\([0-9]*\).*/\1/p' "$scratch/ports")
"$BLIND" policy create --tee sim --binary "$BLIND" --server any >"$scratch/policy"
with=(--policy "$scratch/policy" --simulation --temperature 0)

# One question: the same answer as JSON and as text.
"$BLIND" chat "$url" "${with[@]}" --max-tokens 12 --json 'What is a file?' >"$scratch/json"
"$BLIND" chat "$url" "${with[@]}" --max-tokens 12 'What is a file?' >"$scratch/text"
python3 - "$scratch/json" "$scratch/text" <<'END' || fail "the answers differ"
import json, sys
told, text = json.load(open(sys.argv[1])), open(sys.argv[2]).read()
assert told["version"] == 1 and told["model"] == "demo" and 0 < told["answer_tokens"] <= 12, told
assert text == told["answer"] + "\n", (text, told)
END

# A conversation: what was said counts, and is forgotten and kept as asked.
printf '%s\n' 'What is a file?' '/tokens' '/reset' 'What is a file?' '/tokens' '/undo' '/model' '/set seed=3' '/set' \
    "And a longer \\" 'question?' "/save $scratch/saved" '/verdict' '/help' '/quit' 'never asked' |
    "$BLIND" chat "$url" "${with[@]}" --max-tokens 6 --system 'Be brief.' >"$scratch/out" || fail "the conversation"
[[ $(grep -c '^the last turn: ' "$scratch/out") == 2 ]] || fail "/tokens: $(<"$scratch/out")"
[[ $(grep '^the last turn: ' "$scratch/out" | sort -u | wc -l) == 1 ]] || fail "/reset: $(<"$scratch/out")"
grep -q '"seed":3' "$scratch/out" || fail "/set: $(<"$scratch/out")"
grep -q 'ACCEPTED' "$scratch/out" || fail "/verdict: $(<"$scratch/out")"
grep -q '/retry' "$scratch/out" || fail "/help: $(<"$scratch/out")"
python3 - "$scratch/saved" <<'END' || fail "/save: $(<"$scratch/saved")"
import json, sys
said = json.load(open(sys.argv[1]))
assert [m["role"] for m in said] == ["system", "user", "assistant"], said
assert said[0]["content"] == "Be brief." and said[1]["content"] == "And a longer \nquestion?", said
END
printf '%s\n' "/load $scratch/saved" /retry /tokens | "$BLIND" chat "$url" "${with[@]}" --max-tokens 6 >"$scratch/out"
grep -q '^the last turn: ' "$scratch/out" || fail "/load: $(<"$scratch/out")"

# chat STATUS TEXT ARGUMENT...: what is refused, and why
chat() {
    local want=$1 text=$2 got=0
    shift 2
    "$BLIND" chat "$@" </dev/null >/dev/null 2>"$scratch/why" || got=$?
    [[ $got == "$want" ]] || fail "$*: exit status $got, expected $want: $(<"$scratch/why")"
    grep -q "$text" "$scratch/why" || fail "$*: $(<"$scratch/why")"
}
chat 1 "other" "$url" "${with[@]}" --model other 'Hello'
chat 2 "QUESTION" "$url" "${with[@]}" --json
chat 10 "simulat" "$url" --policy "$scratch/policy" 'Hello'
sed 's/^measurement = "[0-9a-f]\{8\}/measurement = "00000000/' "$scratch/policy" >"$scratch/other"
chat 11 "measurement" "$url" --policy "$scratch/other" --simulation 'Hello'
if printf '/nonesuch\n' | "$BLIND" chat "$url" "${with[@]}" 2>"$scratch/why"; then
    fail "an unknown command"
fi
grep -q "no command '/nonesuch'" "$scratch/why" || fail "$(<"$scratch/why")"
if printf '/model demo\n/model emo\n' | "$BLIND" chat "$url" "${with[@]}" 2>"$scratch/why"; then
    fail "the end of a model's name"
fi
grep -q "no model 'emo'" "$scratch/why" || fail "$(<"$scratch/why")"

finish
