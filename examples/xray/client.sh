#!/bin/bash
# client.sh URL POLICY FILE...          what each X-ray picture shows
# client.sh URL POLICY --heldout TAR    how many of the held-out pictures are answered right
#
# BLIND is the program, `blind` without it.  Each connection is verified before the picture is sent.
set -euo pipefail
url=$1 policy=$2
shift 2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# ask FILE: finding.txt and probability.npy, one FP32 at its end
ask() {
    "${BLIND:-blind}" infer "$url" --policy "$policy" --simulation --model xray --input "image=$1" \
        --output-dir "$work/answer" >"$work/said"
}

if [[ $1 == --heldout ]]; then
    tar -xf "$2" -C "$work"
    right=0 asked=0
    while read -r file label; do
        ask "$work/$file"
        [[ $(<"$work/answer/finding.txt") != "$label" ]] || right=$((right + 1))
        asked=$((asked + 1))
    done <"$work/answers.txt"
    awk -v r=$right -v n=$asked 'BEGIN { printf "held out: %d of %d right, %.1f %%\n", r, n, 100 * r / n }'
    exit
fi
for file; do
    ask "$file"
    printf '%s: %s, probability %.2f\n' "$file" "$(<"$work/answer/finding.txt")" \
        "$(tail -c 4 "$work/answer/probability.npy" | od -A n -t f4)"
done
