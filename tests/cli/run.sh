#!/bin/bash
# `blind run` of models that are no single file or come to no end (weights in other files, a bound on time and
# memory), and of values that are no tensors.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
make_scratch
models=$SOURCE/fuzz/corpus/onnx_dynamic

# npy FILE DESCR SHAPE HEX: a NumPy file
npy() {
    python3 - "$@" <<'END'
import sys
path, descr, shape, data = sys.argv[1:]
head = "{'descr': '%s', 'fortran_order': False, 'shape': (%s), }" % (descr, shape)
head += " " * (117 - len(head)) + "\n"
with open(path, "wb") as out:
    out.write(b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head.encode() + bytes.fromhex(data))
END
}

one=0000803f
npy "$scratch/a.npy" '<f4' 2, $one$one

# A loop without end has the time it is given.
run "$BLIND" run --model "$models/bad_loop_forever" --input x="$scratch/a.npy" --output-dir "$scratch/f" --deadline 1
[[ $status == 1 && $err == *'not done within 1 seconds'* ]] || fail "deadline: $status: $err"
run "$BLIND" run --model "$models/bad_loop_memory" --input x="$scratch/a.npy" --output-dir "$scratch/f" --max-memory 2
[[ $status == 1 && $err == *'the limit is'* ]] || fail "max-memory: $status: $err"

# Weights beside the model, and nowhere else.
mkdir "$scratch/m" "$scratch/elsewhere"
cp "$models/external" "$scratch/m/model.onnx"
npy "$scratch/x.npy" '|u1' 8, 0000000000000000
external() { run "$BLIND" run --model "$scratch/m/model.onnx" --input x="$scratch/x.npy" --output-dir "$scratch/e"; }
external
[[ $status == 1 && $err == *w.bin* ]] || fail "weights that are not there: $status: $err"
python3 -c 'import sys; open(sys.argv[1], "wb").write(bytes(range(256)) * 16)' "$scratch/elsewhere/w.bin"
ln -s ../elsewhere/w.bin "$scratch/m/w.bin"
external
[[ $status == 1 && $err == *'symbolic link'* ]] || fail "weights behind a link: $status: $err"
rm "$scratch/m/w.bin"
cp "$scratch/elsewhere/w.bin" "$scratch/m/w.bin"
external
[[ $status == 0 && $(tail -c 8 "$scratch/e/y.npy" | od -An -tu1) == *'40  41  42  43  44  45  46  47'* ]] ||
    fail "weights beside the model: $status: $err"

# A sequence of maps is written as its keys and its values.
npy "$scratch/rows.npy" '<f4' '2, 3' $one$one$one$one$one$one
run "$BLIND" run --model "$SOURCE/fuzz/corpus/onnx/zip_names_4" --input x="$scratch/rows.npy" --output-dir "$scratch/z"
[[ $status == 0 && $(cat "$scratch/z/y.keys.txt") == $'left\nmid\nright' ]] || fail "keys of maps: $status: $err"
[[ $out == *'y.values.npy: F32 [2, 3]'* ]] || fail "values of maps: $out"

# A sequence is a folder, in and out, through a pipeline too; an optional may be left out.
two=00000040
mkdir "$scratch/s"
npy "$scratch/s/0.npy" '<f4' 1, $one
npy "$scratch/s/1.npy" '<f4' 2, $one$two
npy "$scratch/i.npy" '<i8' '' 0100000000000000
into() { run "$BLIND" run --model "$models/sequence_in" --input s="$1" --input i="$scratch/i.npy" --output-dir "$scratch/i"; }
into "$scratch/s"
[[ $status == 0 && $out == *'F32 [2]'* ]] || fail "a sequence in: $status: $out $err"
into "$scratch/i.npy"
[[ $status == 1 && $err == *'is a tensor, expected a sequence'* ]] || fail "a tensor for a sequence: $status: $err"
mv "$scratch/s/1.npy" "$scratch/s/2.npy"
into "$scratch/s"
[[ $status == 1 && $err == *'no 1.npy'* ]] || fail "a sequence with a gap: $status: $err"

mkdir "$scratch/p"
cp "$models/sequence_out" "$scratch/p/model.onnx"
printf 'version = 1\nmodel = "model.onnx"\n' >"$scratch/p/pipeline.toml"
npy "$scratch/r.npy" '<f4' '1, 3' $one$one$two
given=(--input a="$scratch/r.npy" --input b="$scratch/r.npy" --input c="$scratch/rows.npy")
for model in "$models/sequence_out" "$scratch/p/pipeline.toml"; do
    mkdir -p "$scratch/o/t"
    touch "$scratch/o/t/7.npy" "$scratch/o/t/3.npy" "$scratch/o/t/4.txt"
    run "$BLIND" run --model "$model" "${given[@]}" --output-dir "$scratch/o"
    [[ $status == 0 && $out == *'/t: a sequence of 3'*'/u: a sequence of 2'* && $(cd "$scratch/o/t" && echo *) == '0.npy 1.npy 2.npy 7.npy' ]] ||
        fail "a sequence out: $status: $out $err $(cd "$scratch/o/t" && echo *)"
    cmp -s "$scratch/o/t/1.npy" "$scratch/rows.npy" || fail 'the second of a sequence is another'
    rm -r "$scratch/o"
done
run "$BLIND" run --model "$models/sequence_out" "${given[@]}" --output-dir "$scratch/o" --json
[[ $status == 0 && $out == *'/o/t","'* ]] || fail "a sequence as JSON: $status: $out $err"

# An optional may be left out, and one without a value is not written.
run "$BLIND" run --model "$models/optional_some" --input b="$scratch/r.npy" --output-dir "$scratch/n"
[[ $status == 0 && $out == *'p: no value'* && ! -e $scratch/n/p.npy && -s $scratch/n/y.npy ]] || fail "no optional: $status: $out $err"
run "$BLIND" run --model "$models/optional_some" --input b="$scratch/r.npy" --input o="$scratch/a.npy" --output-dir "$scratch/n"
{ [[ $status == 0 ]] && cmp -s "$scratch/n/p.npy" "$scratch/a.npy"; } || fail "an optional: $status: $out $err"

# Strings as NumPy has them.
npy "$scratch/t.npy" '<U2' 4, 610000006200000063000000000000000000000000000000e900000000000000
run "$BLIND" run --model "$models/strings_identity" --input s="$scratch/t.npy" --output-dir "$scratch/t"
[[ $status == 0 && $(<"$scratch/t/y.txt") == $'ab\nc\n\né' ]] || fail "strings: $status: $err $(cat "$scratch/t/y.txt")"

# Every operator that is not supported is told, the first is the error.
python3 - "$SOURCE/examples/digits/model.onnx" "$scratch/lacks" <<'END'
import sys
data = open(sys.argv[1], "rb").read()
open(sys.argv[2], "wb").write(data.replace(b"Conv", b"Cqnv").replace(b"Relu", b"Rexu"))
END
run "$BLIND" run --model "$scratch/lacks" --input image="$scratch/a.npy" --output-dir "$scratch/l"
[[ $status == 3 && $err == *'not supported: Cqnv of node '*'not supported: Rexu of node '*'nodes that are not supported, the first: operator Cqnv'* ]] ||
    fail "operators that are not supported: $status: $err"
run "$BLIND" run --model "$scratch/lacks" --input image="$scratch/a.npy" --output-dir "$scratch/l" --json
[[ $status == 3 && $(wc -l <"$scratch/err") == 1 ]] || fail "the same as JSON: $status: $err"

finish
