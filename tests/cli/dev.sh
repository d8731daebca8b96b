#!/bin/bash
# What ./dev does about packages, with dpkg-query, apt-get, id and sudo replaced.
# shellcheck disable=SC2016 # the stubs expand their own variables
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
make_scratch
mkdir "$scratch/bin"
dev=$SOURCE/dev

# stub NAME BODY: a command in PATH that notes its call
stub() {
    printf '#!/bin/bash\necho "%s $*" >>"%s/calls"\n%s\n' "$1" "$scratch" "$2" >"$scratch/bin/$1"
    chmod +x "$scratch/bin/$1"
}

# as UID: runs ./dev install-deps
as() {
    : >"$scratch/calls"
    stub id "echo $1"
    run env PATH="$scratch/bin:$PATH" "$dev" install-deps
    calls=$(grep -v -e '^id' -e '^dpkg-query' "$scratch/calls" || true)
}
stub sudo 'exit 1'
stub apt-get 'exit 100'

stub dpkg-query 'echo installed'
for uid in 0 1000; do
    as $uid
    [[ $status == 0 ]] || fail "all there, uid $uid: exit status $status: $err"
    [[ -z $calls ]] || fail "all there, uid $uid: touched '$calls'"
done

stub dpkg-query 'case ${!#} in cmake | zsh) exit 1 ;; *) echo installed ;; esac'
as 1000
[[ $status == 2 ]] || fail "not root: exit status $status, expected 2"
[[ $out$err == 'sudo apt-get install -y --no-install-recommends cmake zsh' ]] || fail "not root: '$out$err'"
[[ -z $calls ]] || fail "not root: touched '$calls'"

as 0
[[ $status == 2 ]] || fail "no network: exit status $status, expected 2"
[[ $err == *'missing packages: cmake zsh' ]] || fail "no network: '$err'"
[[ $calls == *apt-get*update* ]] || fail "no network: apt-get was not asked: '$calls'"

# Root and network: installed at once, no update when the lists are there.
stub dpkg-query 'if [[ -e '"$scratch"'/done || ${!#} != cmake ]]; then echo installed; fi'
stub apt-get 'touch '"$scratch"'/done'
as 0
[[ $status == 0 && $calls == *install\ cmake ]] || fail "root: $status '$calls' $err"
[[ $calls != *update* && $calls != *sudo* ]] || fail "root: '$calls'"

# apt-get that says yes and does nothing
rm "$scratch/done"
stub apt-get 'exit 0'
as 0
[[ $status == 2 && $err == *cmake* ]] || fail "nothing installed: $status '$err'"

run "$dev" help
[[ $status == 0 ]] || fail "help: $status"
for word in build test demo bench fuzz format tidy cover help; do
    grep -q "^  $word " <<<"$out" || fail "./dev help does not list $word"
done
run "$dev" nonesuch
[[ $status == 2 && $err == "./dev: unknown command 'nonesuch', see ./dev help" ]] || fail "nonesuch: $err"
[[ $(tail -n 1 "$SOURCE/.ci/run") == 'exec "$(dirname "$0")/../dev" test "$@"' ]] || fail ".ci/run"
! grep -nE '(^|[^a-z "])sudo ' "$dev" || fail "./dev calls sudo"

if command -v shellcheck >/dev/null; then
    cd "$SOURCE"
    mapfile -t scripts < <(grep -rlE '^#!/bin/(ba)?sh' dev .ci examples tests bench fuzz 2>/dev/null)
    shellcheck -x -P SCRIPTDIR "${scripts[@]}" || fail "shellcheck"
fi
finish
