#!/bin/bash
# A folder includes only from the folders that its CMakeLists.txt names, and those stand above it;
# only crypto and tls include OpenSSL; every public header compiles alone, as C and as C++.
#
# Run in the root of a source tree.  LAYERS is the build's layers.txt: "folder: what it uses", in
# reading order.
set -euo pipefail
export LC_ALL=C
failed=0

complain() {
    printf '%s\n' "$*" >&2
    failed=1
}

# "file:line:folder" of every include that is written folder/header.
includes_of() {
    { grep -rnE --include='*.[ch]' --include='*.inc' '^[[:space:]]*#[[:space:]]*include[[:space:]]*"[a-z_0-9]+/' "src/$1" || true; } |
        sed -E 's/^([^:]*:[0-9]*):[^"]*"([a-z_0-9]+)\/.*/\1:\2/'
}

check_folder() {
    local folder=$1 uses=$2 place name
    while IFS=: read -r file line name; do
        place=$file:$line
        case " $uses $folder blind " in
        *" $name "*) ;;
        *) complain "$place: $folder includes from $name, but names only: $uses" ;;
        esac
    done < <(includes_of "$folder")
}

check_layers() {
    local folder uses used above=" "
    while IFS=: read -r folder uses; do
        for used in $uses; do
            [[ $above == *" $used "* ]] || complain "src/$folder uses $used, which does not stand above it"
        done
        check_folder "$folder" "$uses"
        above+="$folder "
    done <"$LAYERS"
    for folder in src/*/; do
        folder=$(basename "$folder")
        [[ ! -e src/$folder/CMakeLists.txt || $above == *" $folder "* ]] ||
            complain "src/$folder is not in $LAYERS"
    done
}

check_openssl() {
    local found
    found=$(grep -rnE --include='*.[ch]' 'include[[:space:]]*[<"]openssl/' src include |
        grep -vE '^src/(crypto|tls)/' || true)
    [[ -z $found ]] || complain "only crypto and tls include OpenSSL:
$found"
}

check_headers() {
    local header flags="-Wall -Wextra -Wpedantic -Werror -Iinclude -fsyntax-only"
    for header in include/blind/*.h; do
        # shellcheck disable=SC2086
        "$CC" -std=c17 $flags -x c "$header" || complain "$header does not compile alone as C"
        command -v "$CXX" >/dev/null || continue
        # shellcheck disable=SC2086
        "$CXX" -std=c++17 $flags -x c++ "$header" || complain "$header does not compile alone as C++"
    done
    command -v "$CXX" >/dev/null || echo "skipped: no $CXX to compile the public headers as C++"
}

[[ -s $LAYERS ]] || complain "no $LAYERS"
check_layers
check_openssl
check_headers
exit "$failed"
