#!/bin/bash
# pure.sh OBJECT...: the verifier asks nothing of the outside: no file, socket, clock, environment or
# randomness.  Looked for among the symbols that its objects leave to others.
set -euo pipefail
forbidden='open|open64|openat|fopen|fopen64|read|pread|mmap|socket|connect|getaddrinfo|send|recv|poll|time|clock_gettime|gettimeofday|getenv|secure_getenv|random|getrandom|RAND_bytes|bl_random|bl_file_.*|bl_hash_file|bl_clock_(ns|wall_.*)|bl_log'
found=0
for object; do
    case $object in
    */policy_load.c.o | */policy_create.c.o | */collect.c.o | */tsm.c.o) continue ;; # these read files or ask devices
    */runtime_log_keep.c.o | */tpm/device.c.o) continue ;;                        # the attester's
    */tpm/credential.c.o) continue ;;                                             # makes challenges, for clients
    esac
    calls=$(nm -u "$object" | awk '{print $2}' | grep -Ex "$forbidden" || true)
    [[ -z $calls ]] || { printf '%s calls %s\n' "$object" "$calls" >&2 && found=1; }
done
[[ $# -gt 10 ]] || { printf 'only %s objects\n' $# >&2 && exit 1; }
exit $found
