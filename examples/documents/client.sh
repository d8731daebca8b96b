#!/bin/bash
# client.sh URL POLICY FILE...          what kind of document each text is, and whether it is personal
# client.sh URL POLICY --heldout TAR    how many of the held-out texts are answered right
#
# BLIND is the program, `blind` without it.  Each connection is verified before the text is sent.
set -euo pipefail
url=$1 policy=$2
shift 2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# ask FILE: kind.txt, probability.npy and personal.npy; the last byte of personal.npy is 0 or 1
ask() {
    "${BLIND:-blind}" infer "$url" --policy "$policy" --simulation --model documents --text "text=$(<"$1")" \
        --output-dir "$work/answer" >"$work/said"
    personal=false
    [[ $(tail -c 1 "$work/answer/personal.npy" | od -A n -t u1) -eq 0 ]] || personal=true
}

if [[ $1 == --heldout ]]; then
    tar -xf "$2" -C "$work"
    right=0 found=0 asked=0
    while read -r file kind is_personal; do
        ask "$work/$file"
        [[ $(<"$work/answer/kind.txt") != "$kind" ]] || right=$((right + 1))
        [[ $personal != "$is_personal" ]] || found=$((found + 1))
        asked=$((asked + 1))
    done <"$work/answers.txt"
    awk -v r=$right -v n=$asked -v p=$found 'BEGIN {
        printf "held out: %d of %d right, %.1f %%\n", r, n, 100 * r / n
        printf "personal or not: %d of %d right\n", p, n
    }'
    exit
fi
declare -A said=([true]=', personal data' [false]='')
for file; do
    ask "$file"
    printf '%s: %s, probability %.2f%s\n' "$file" "$(<"$work/answer/kind.txt")" \
        "$(tail -c 4 "$work/answer/probability.npy" | od -A n -t f4)" "${said[$personal]}"
done
