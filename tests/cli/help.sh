#!/bin/bash
# Every subcommand: --help with an example, a man page without warnings, completions that load.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
make_scratch

mapfile -t pages < <("$BLIND" generate pages)
for page in "${pages[@]}"; do
    words=${page#blind}
    words=${words#-}
    words=${words/-/ } # no command has a dash in its name
    # shellcheck disable=SC2086
    run "$BLIND" $words --help
    [[ $status == 0 && -z $err ]] || fail "$page --help: exit status $status, $err"
    grep -A1 -E '^Examples?:$' <<<"$out" | grep -Eq '^  blind ' || fail "$page --help: no example"
    grep -q -- '--json' <<<"$out" || fail "$page --help: no --json"
    ! grep -qE '.{101}' <<<"$out" || fail "$page --help: a line over 100 columns"
    ! grep -qE '\(null\)| $' <<<"$out" || fail "$page --help: '(null)' or a space at a line's end"

    "$BLIND" generate man "$page" >"$scratch/$page.1"
    if command -v man >/dev/null; then
        run env MANROFFSEQ='' man --warnings -E UTF-8 -l -Tutf8 -Z "$scratch/$page.1"
        [[ $status == 0 && -z $err ]] || fail "man $page: $status $err"
    fi
    if command -v mandoc >/dev/null; then
        run mandoc -T lint -W warning "$scratch/$page.1"
        [[ $status == 0 && -z $out ]] || fail "mandoc $page: $out"
    fi
done
((${#pages[@]} >= 13)) || fail "expected at least 13 pages, found ${#pages[@]}"
[[ $("$BLIND" help) == "$("$BLIND" --help)" ]] || fail "blind help and blind --help differ"

# What bash offers for a line that ends at the cursor.
"$BLIND" generate bash >"$scratch/blind.bash"
offers() {
    # shellcheck disable=SC2016
    bash -c 'source "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _blind; echo "${COMPREPLY[*]}"' \
        "$scratch/blind.bash" "$@"
}
[[ $(offers blind ver) == *verify*version* ]] || fail "bash: 'blind ver' offers '$(offers blind ver)'"
[[ $(offers blind policy '') == *create*show*check* ]] || fail "bash: 'blind policy ' offers wrongly"
[[ $(offers blind policy create --bin) == --binary ]] || fail "bash: '--bin' is not --binary"
[[ $(offers blind verify --sim) == --simulation ]] || fail "bash: '--sim' is not --simulation"
[[ $(offers blind policy create --tee '') == *sim* ]] || fail "bash: --tee offers no TEE"
bash -n "$scratch/blind.bash" || fail "bash does not load its completion"

if command -v zsh >/dev/null; then
    "$BLIND" generate zsh >"$scratch/_blind"
    run zsh -f -c 'autoload -Uz compinit; compinit -D -d "$1/dump"; source "$1/_blind"; whence -w _blind' - "$scratch"
    [[ $out == '_blind: function' && -z $err ]] || fail "zsh does not load its completion: $out $err"
fi
if command -v fish >/dev/null; then
    "$BLIND" generate fish >"$scratch/blind.fish"
    run env HOME="$scratch" fish --no-config -c "source $scratch/blind.fish; complete -C 'blind verify --sim'"
    [[ $out == --simulation* && -z $err ]] || fail "fish does not load its completion: $out $err"
fi
finish
