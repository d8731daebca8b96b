#!/bin/bash
# boot.sh DIR BLIND SECURE_BOOT [KERNEL_OPTION...]: boots a UKI in QEMU with a software TPM, and holds
# the registers of the machine against those that `blind measure` says.
#
# DIR has linux.efi.stub (systemd-boot-efi), vmlinuz, OVMF_CODE.fd, OVMF_VARS.fd and a static busybox;
# QEMU and swtpm are in PATH.  SECURE_BOOT is off or empty, as that firmware has it.  Half a minute to
# four, without KVM.  To be run again for each new systemd, Linux and OVMF: see docs/formats/policy.md,
# "From a build".  Status 77 where something is missing.
set -euo pipefail
[[ $# -ge 3 ]] || { printf 'usage: %s DIR BLIND off|empty [KERNEL_OPTION...]\n' "$0" >&2 && exit 2; }
dir=$(realpath "$1") blind=$(realpath "$2") secure=$3
shift 3
here=$(dirname "$(realpath "$0")")
for file in linux.efi.stub vmlinuz OVMF_CODE.fd OVMF_VARS.fd busybox; do
    [[ -f $dir/$file ]] || { printf 'skipped: no %s\n' "$dir/$file" && exit 77; }
done
for program in qemu-system-x86_64 swtpm swtpm_setup python3; do
    command -v "$program" >/dev/null || { printf 'skipped: no %s\n' "$program" && exit 77; }
done
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

python3 "$here/make_boot.py" "$dir/linux.efi.stub" "$dir/vmlinuz" "$dir/busybox" \
    "console=ttyS0 quiet${*:+ $*}" "$scratch/uki.efi"
mkdir "$scratch/tpm"
swtpm_setup --tpm2 --tpmstate "$scratch/tpm" --pcr-banks sha256 >/dev/null
swtpm socket --tpm2 --tpmstate "dir=$scratch/tpm" --ctrl "type=unixio,path=$scratch/tpm.sock" --terminate --daemon
cp "$dir/OVMF_VARS.fd" "$scratch/vars.fd"
timeout 600 qemu-system-x86_64 -M q35,accel=tcg,smm=off -cpu max -smp 1 -m 256 -nodefaults -display none -no-reboot \
    -serial "file:$scratch/serial" \
    -drive "if=pflash,format=raw,unit=0,readonly=on,file=$dir/OVMF_CODE.fd" \
    -drive "if=pflash,format=raw,unit=1,file=$scratch/vars.fd" \
    -chardev "socket,id=tpm,path=$scratch/tpm.sock" -tpmdev emulator,id=t,chardev=tpm -device tpm-crb,tpmdev=t \
    -kernel "$scratch/uki.efi"

tr -d '\r' <"$scratch/serial" | sed -n 's/^PCR \([0-9]*\) \([0-9A-F]*\)$/pcr\1 \L\2/p' >"$scratch/booted"
"$blind" measure "$scratch/uki.efi" --secure-boot "$secure" --start loader | awk '$1 ~ /^pcr/ { print $1, $2 }' >"$scratch/said"
[[ $(wc -l <"$scratch/booted") == 6 ]] || { tail -5 "$scratch/serial" >&2 && exit 1; }
diff "$scratch/said" "$scratch/booted" || { printf 'the boot ended in other registers than said\n' >&2 && exit 1; }
cat "$scratch/booted"
