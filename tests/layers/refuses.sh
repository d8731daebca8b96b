#!/bin/bash
# The test of layers fails where it should: small trees with one fault each.
set -euo pipefail
here=$(dirname "$(realpath "$0")")
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
export LAYERS=$tree/layers.txt

fresh() {
    rm -rf "$tree/src" "$tree/include"
    mkdir -p "$tree/src/base" "$tree/src/crypto" "$tree/src/server" "$tree/include/blind"
    touch "$tree"/src/{base,crypto,server}/CMakeLists.txt
    echo '#include "base/b.h"' >"$tree/src/crypto/a.c"
    echo '#include "crypto/c.h"' >"$tree/src/server/a.c"
    echo 'typedef int blind_int;' >"$tree/include/blind/a.h"
    printf 'base: \ncrypto: base\nserver: base crypto\n' >"$LAYERS"
}

passes() {
    (cd "$tree" && "$here/layers.sh" >/dev/null 2>&1)
}

refuses() {
    if passes; then
        echo "accepted: $1" >&2
        exit 1
    fi
    fresh
}

fresh
passes || { echo "a good tree is refused" >&2; exit 1; }
echo '#include "server/x.h"' >"$tree/src/crypto/a.c"
refuses "an include from below"
printf '  #  include "crypto/x.h"\n' >"$tree/src/base/a.h"
refuses "an include that no list names"
printf 'base: crypto\ncrypto: base\nserver: base crypto\n' >"$LAYERS"
refuses "two folders that use each other"
printf 'base: \ncrypto: base\n' >"$LAYERS"
refuses "a folder that is in no list"
echo '#include <openssl/evp.h>' >"$tree/src/server/b.h"
refuses "OpenSSL outside crypto and tls"
echo 'blind_other f(void);' >"$tree/include/blind/b.h"
refuses "a public header that does not compile alone"
: >"$LAYERS"
refuses "an empty list"
if command -v "$CXX" >/dev/null; then
    echo 'int f(int class);' >"$tree/include/blind/b.h"
    refuses "a public header that is no C++"
fi
