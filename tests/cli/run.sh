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

finish
