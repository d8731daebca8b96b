#!/bin/bash
# `blind model show`, profiles, and a pipeline from its folder to its one file.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
make_scratch
digits=$SOURCE/examples/digits

run "$BLIND" model show "$digits/model.onnx"
[[ $status == 0 && $out == *'input      image  F32 [batch, 1, 8, 8]'* && $out == *' Conv'* && $out == *'nodes after fusion'* ]] ||
    fail "model show: $status $out $err"
run "$BLIND" model show "$digits/model.onnx" --shape image=5,1,8,8 --json
[[ $status == 0 && $out == *'"supported":true'* && $out == *'"run_bytes":'* ]] || fail "model show --json: $status $out $err"
run "$BLIND" model show "$digits/model.onnx" --shape image=5,2,8,8
[[ $status == 1 && $err == *image* ]] || fail "model show of a wrong shape: $status $err"
run "$BLIND" model show "$digits/model.onnx" --shape picture=5,1,8,8
[[ $status == 2 && $err == *"no input 'picture'"* ]] || fail "model show of an unknown input: $status $err"
sed 's/Conv/Cqnv/g' "$digits/model.onnx" >"$scratch/other.onnx"
run "$BLIND" model show "$scratch/other.onnx"
[[ $status == 3 && $out == *'Cqnv  NOT SUPPORTED'* ]] || fail "model show of an unknown operator: $status $out $err"

run "$BLIND" run --model "$digits/model.onnx" --input "image=$digits/images.npy" --output-dir "$scratch/arrays" --profile
[[ $status == 0 && $err == *'operator'*'Conv'* && $(<"$scratch/arrays/trace.json") == '{"traceEvents":[{"name":'* ]] ||
    fail "run --profile: $status $err"

mkdir "$scratch/folder"
cp "$digits/model.onnx" "$scratch/folder"
printf '%s\n' zero one two three four five six seven eight nine >"$scratch/folder/words.txt"
cat >"$scratch/folder/pipeline.toml" <<'END'
version = 1
model = "model.onnx"
[[outputs]]
name = "digit"
from = "scores"
steps = [{ op = "argmax" }, { op = "labels", file = "words.txt" }]
END
run "$BLIND" run --model "$scratch/folder/pipeline.toml" --input "image=$digits/images.npy" --output-dir "$scratch/words"
[[ $status == 0 && $(wc -l <"$scratch/words/digit.txt") == 360 ]] || fail "a pipeline: $status $out $err"
run "$BLIND" pipeline pack "$scratch/folder/pipeline.toml" --output "$scratch/one.tar"
[[ $status == 0 && $out == *'SHA-256 '* ]] || fail "pipeline pack: $status $out $err"
run "$BLIND" pipeline pack "$scratch/folder/pipeline.toml" --output "$scratch/two.tar"
cmp -s "$scratch/one.tar" "$scratch/two.tar" || fail "the same pipeline packed twice differs"
run "$BLIND" run --model "$scratch/one.tar" --input "image=$digits/images.npy" --output-dir "$scratch/tar"
cmp -s "$scratch/words/digit.txt" "$scratch/tar/digit.txt" || fail "the packed pipeline says something else"
run "$BLIND" model show "$scratch/one.tar"
[[ $status == 0 && $out == *'a pipeline'* ]] || fail "model show of a pipeline: $status $out $err"
(cd "$scratch/folder" && tar cf "$scratch/hand.tar" words.txt model.onnx pipeline.toml)
run "$BLIND" model show "$scratch/hand.tar"
[[ $status == 0 && $out == *'image  F32'* ]] || fail "model show of a tar made by hand: $status $out $err"
sed -i 's/argmax/argmin/' "$scratch/folder/pipeline.toml"
run "$BLIND" pipeline pack "$scratch/folder/pipeline.toml" --output "$scratch/three.tar"
[[ $status == 1 && $err == *'line 6 column'* && ! -e $scratch/three.tar ]] || fail "an unknown step: $status $err"

tiny=$SOURCE/fuzz/corpus/gguf/bpe
run "$BLIND" model show "$SOURCE/fuzz/corpus/gguf/llama"
[[ $status == 3 && $out == *'layers     1 of width 32'*'Q4_0'*'llama.block_count = 1'* && $err == *'cannot run'*tokenizer* ]] ||
    fail "model show of a GGUF without a tokenizer: $status $out $err"
run "$BLIND" model show "$SOURCE/fuzz/corpus/gguf/bpe" --json
[[ $status == 3 && $out == *'"supported":false'*'"tokenizer.ggml.tokens":{"array":"text","length":9}'* ]] ||
    fail "model show --json of a GGUF: $status $out $err"
ids=$(printf 'ab<|end|>c 12' | "$BLIND" model tokenize "$tiny" --add-special)
[[ $ids == '5 4 5 2 3 8' ]] || fail "model tokenize: $ids"
ids=$(printf 'a<|end|>' | "$BLIND" model tokenize "$tiny" --special text --json)
[[ $ids == *'"ids":[0]'* ]] || fail "model tokenize --special text: $ids"
text=$(echo 4 5, 2 3 8 | "$BLIND" model detokenize "$tiny")
[[ $text == 'ab<|end|>c 12' ]] || fail "model detokenize: $text"
text=$(echo 4 5 2 | "$BLIND" model detokenize "$tiny" --no-special)
[[ $text == 'abc' ]] || fail "model detokenize --no-special: $text"
printf '4 9' >"$scratch/ids"
run sh -c '"$0" model detokenize "$1" <"$2"' "$BLIND" "$tiny" "$scratch/ids"
[[ $status == 1 && $err == *"'9"*'is no token'* ]] || fail "a number that is no token: $status $err"
run "$BLIND" model logits "$SOURCE/fuzz/corpus/gguf/llama" '0 1 2' "$scratch/logits"
[[ $status == 0 && $(wc -c <"$scratch/logits") == 16 ]] || fail "model logits: $status $err"
run "$BLIND" model logits "$SOURCE/fuzz/corpus/gguf/llama" '0 4' "$scratch/none"
[[ $status == 1 && $err == *'4 is no token'* && ! -e $scratch/none ]] || fail "logits after no token: $status $err"
run "$BLIND" model logits "$SOURCE/fuzz/corpus/gguf/values" 0 "$scratch/none"
[[ $status == 1 && $err == *block_count* ]] || fail "a model without numbers: $status $err"
run "$BLIND" model tokenize "$digits/model.onnx"
[[ $status == 1 && $err == *'does not begin as GGUF does'* ]] || fail "no GGUF: $status $err"
finish
