#!/bin/bash
# What readelf says about the release build: RELEASE is its folder.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
make_scratch

check() { # FILE
    local name=${1##*/}
    readelf -hW "$1" | grep -Eq 'Type: +DYN' || fail "$name: not position independent"
    readelf -lW "$1" | grep -q GNU_RELRO || fail "$name: no RELRO"
    readelf -dW "$1" | grep -Eq 'BIND_NOW|FLAGS.*NOW' || fail "$name: symbols bound late"
    readelf -lW "$1" | grep GNU_STACK | grep -q 'RW ' || fail "$name: executable stack"
    ! readelf -dW "$1" | grep -Eq 'RPATH|RUNPATH|TEXTREL' || fail "$name: RPATH or TEXTREL"
    readelf -sW --dyn-syms "$1" | grep -q __stack_chk_fail || fail "$name: no stack protector"
    readelf -sW --dyn-syms "$1" | grep -Eq '__[a-z]+_chk' || fail "$name: no _FORTIFY_SOURCE"
    [[ $(uname -m) != x86_64 ]] || readelf -nW "$1" | grep -q IBT || fail "$name: no control-flow protection"
    ! grep -aqF "$SOURCE/" "$1" || fail "$name: holds the path of the source tree"
}
check "$RELEASE/blind"
check "$RELEASE/libblind.so"

# The program needs no libblind.so: sim measures only the executable.
! readelf -dW "$RELEASE/blind" | grep -q 'NEEDED.*libblind' || fail "blind needs libblind.so"
# Nothing leaves the library but blind_*.
leaked=$(nm -D --defined-only "$RELEASE/libblind.so" | awk '$3 !~ /^(blind_|_init$|_fini$)/ { print $3 }')
[[ -z $leaked ]] || fail "libblind.so exports $leaked"
finish
