#!/bin/bash
# Every benchmark network through `blind run` against PyTorch's recorded outputs (rtol 1e-3, atol
# 1e-4), and the digits network against its labels.
#
#     bench/check_models.sh PROGRAM MODELS [NAME...]
set -euo pipefail
program=$1 models=$2
shift 2
here=$(cd "$(dirname "$0")" && pwd)
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
failed=0
names=("$@")
((${#names[@]})) || mapfile -t names < <(find "$models" -mindepth 1 -maxdepth 1 -type d -printf "%f\n" | sort)
for name in "${names[@]}"; do
    for folder in "$models/$name"/*/; do
        [[ -n $(ls "$folder"out.*.npy 2>/dev/null) ]] || continue
        inputs=()
        for file in "$folder"in.*.npy; do
            input=${file##*/in.}
            inputs+=(--input "${input%.npy}=$file")
        done
        rm -rf "$out/run"
        "$program" run --model "$models/$name/model.onnx" "${inputs[@]}" --threads 2 \
            --output-dir "$out/run" >/dev/null || { failed=1; continue; }
        /usr/bin/python3 - "$name/$(basename "$folder")" "$folder" "$out/run" <<'PYTHON' || failed=1
import glob, os, sys, numpy
case, folder, run = sys.argv[1:]
ok, worst = True, 0.0
for path in sorted(glob.glob(os.path.join(folder, "out.*.npy"))):
    want = numpy.load(path)
    got = numpy.load(os.path.join(run, os.path.basename(path)[4:]))
    same = want.shape == got.shape and want.dtype == got.dtype
    worst = max(worst, float(numpy.abs(want - got).max())) if same and want.size else worst
    ok = ok and same and numpy.allclose(got, want, rtol=1e-3, atol=1e-4)
print("%-28s %-5s largest error %.2g" % (case, "equal" if ok else "WRONG", worst))
sys.exit(not ok)
PYTHON
    done
done
digits=$here/../examples/digits
if [[ -f $digits/model.onnx ]]; then
    "$program" run --model "$digits/model.onnx" --input "image=$digits/images.npy" --output-dir "$out/digits" >/dev/null
    /usr/bin/python3 - "$digits/labels.npy" "$out/digits/scores.npy" <<'PYTHON' || failed=1
import sys, numpy
labels, scores = numpy.load(sys.argv[1]), numpy.load(sys.argv[2])
right = int((scores.argmax(1) == labels).sum())
print("%-28s %d of %d right (351 of 360 in PyTorch)" % ("digits", right, len(labels)))
sys.exit(right != 351)
PYTHON
fi
exit $failed
