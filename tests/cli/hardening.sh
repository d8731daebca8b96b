#!/bin/bash
# What readelf says about the release build: RELEASE is its folder.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
make_scratch

# expect WHAT PATTERN COMMAND...: the command prints a line with it
expect() {
    local what=$1 pattern=$2
    shift 2
    "$@" 2>&1 | grep -E -- "$pattern" >/dev/null || fail "$name: $what"
}

check() { # FILE
    name=${1##*/}
    expect 'not position independent' 'Type: +DYN' readelf -hW "$1"
    expect 'no RELRO' GNU_RELRO readelf -lW "$1"
    expect 'executable stack' 'GNU_STACK.* RW ' readelf -lW "$1"
    expect 'symbols bound late' 'BIND_NOW|FLAGS.*NOW' readelf -dW "$1"
    expect 'no stack protector' __stack_chk_fail readelf -W --dyn-syms "$1"
    expect 'no _FORTIFY_SOURCE' ' __[a-z]+_chk' readelf -W --dyn-syms "$1"
    [[ $(uname -m) != x86_64 ]] || expect 'no control-flow protection' endbr64 objdump -d "$1"
    readelf -dW "$1" | { ! grep -E 'RPATH|RUNPATH|TEXTREL'; } || fail "$name: RPATH or TEXTREL"
    ! grep -aqF "$SOURCE/" "$1" || fail "$name: holds the path of the source tree"
}
check "$RELEASE/blind"
check "$RELEASE/libblind.so"

# The program needs no libblind.so: sim measures only the executable.
readelf -dW "$RELEASE/blind" | { ! grep 'NEEDED.*libblind'; } || fail "blind needs libblind.so"
# Nothing leaves the library but blind_*.
leaked=$(nm -D --defined-only "$RELEASE/libblind.so" | awk '$3 !~ /^(blind_|_init$|_fini$)/ { print $3 }')
[[ -z $leaked ]] || fail "libblind.so exports $leaked"
finish
