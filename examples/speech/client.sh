#!/bin/bash
# client.sh URL POLICY FILE...          what is said in each WAV file
# client.sh URL POLICY --heldout TAR    how many of the words in the held-out files are heard right
#
# BLIND is the program, `blind` without it.  Each connection is verified before the sound is sent.
set -euo pipefail
url=$1 policy=$2
shift 2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# ask FILE: words.txt
ask() {
    "${BLIND:-blind}" infer "$url" --policy "$policy" --simulation --model speech --input "audio=$1" \
        --output-dir "$work/answer" >"$work/said"
}

# Lines of "SAID<tab>HEARD": words less those inserted, left out and replaced (Levenshtein's distance).
count_words() {
    awk -F '\t' '
        function least(a, b) { return a < b ? a : b }
        {
            n = split($1, said, " ")
            m = split($2, heard, " ")
            for (j = 0; j <= m; j++) row[j] = j
            for (i = 1; i <= n; i++) {
                before = row[0]
                row[0] = i
                for (j = 1; j <= m; j++) {
                    kept = row[j]
                    row[j] = least(least(row[j], row[j - 1]) + 1, before + (said[i] != heard[j]))
                    before = kept
                }
            }
            total += n
            wrong += row[m]
        }
        END { printf "held out: %d of %d words right, %.1f %%\n", total - wrong, total, 100 * (total - wrong) / total }'
}

if [[ $1 == --heldout ]]; then
    tar -xf "$2" -C "$work"
    while read -r file words; do
        ask "$work/$file"
        printf '%s\t%s\n' "$words" "$(<"$work/answer/words.txt")"
    done <"$work/answers.txt" >"$work/pairs"
    count_words <"$work/pairs"
    exit
fi
for file; do
    ask "$file"
    printf '%s: %s\n' "$file" "$(<"$work/answer/words.txt")"
done
