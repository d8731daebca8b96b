#!/bin/bash
# blind policy create, show and check; blind verify of a file: statuses, words, JSON.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
make_scratch
cd "$SOURCE"
binary=tests/policy/golden/binary.txt   # what the recorded bundle measured
bundle=tests/vectors/sim/bundle-v1.cmw  # made in 2023
digits=0101010101010101010101010101010101010101010101010101010101010101

# want STATUS TEXT: what the last run exited with and said, on stdout or stderr
want() {
    [[ $status == "$1" ]] || fail "line ${BASH_LINENO[0]}: status $status, expected $1: $out $err"
    [[ $out$err == *"$2"* ]] || fail "line ${BASH_LINENO[0]}: expected '$2', found: $out $err"
}

run "$BLIND" policy create --tee sim --binary $binary
want 0 "measurement = \"$(sha384sum $binary | cut -d' ' -f1)\""
want 0 'server = "any"'
want 0 'others = "allow"'
printf '%s\n' "$out" >"$scratch/p.toml"
run "$BLIND" policy create --binary $binary --server pin --model digits=$digits --model readme=$binary --out "$scratch/pin.toml"
want 0 ''
[[ -z $out ]] || fail "--out: stdout holds $out"
run "$BLIND" policy show "$scratch/pin.toml"
want 0 'server = "pin"'
want 0 'others = "refuse"'
want 0 "\"digits\" = \"$digits\""
want 0 "\"readme\" = \"$(sha256sum $binary | cut -d' ' -f1)\""
want 0 'freshness_s = 300'
cp "$scratch/out" "$scratch/shown.toml"
run "$BLIND" policy show "$scratch/shown.toml"
cmp -s "$scratch/out" "$scratch/shown.toml" || fail "show of what show printed differs"
run "$BLIND" policy create --binary $binary --json
want 0 '{"version":1,"policy":"# What a server must prove'
run "$BLIND" policy create --binary /nonexistent
want 1 "/nonexistent"
run "$BLIND" policy create --binary $binary --model digits
want 2 'digits'
run "$BLIND" policy create --binary $binary --model others=$digits
want 2 'others'
run "$BLIND" policy create --binary $binary --out /nonexistent/p.toml
want 1 /nonexistent/p.toml

# Other TEEs: what the build tells is written, what it does not makes the policy unusable.
builds=tests/vectors/measure
expected() { sed -n "s/^$1 $2 //p" $builds/expected.txt; }
run "$BLIND" policy create --tee nitro --eif $builds/signed.eif
want 0 "pcr8 = \"$(expected signed pcr8)\""
run "$BLIND" policy create --tee tpm --uki $builds/uki-252.efi --secure-boot off
want 0 "pcr9 = \"$(expected uki-252 pcr9-sha256)\""
[[ -z $err ]] || fail "a whole policy is not to be filled in: $err"
run "$BLIND" policy create --tee tdx --tdvf $builds/firmware.fd --register rtmr3=any --out "$scratch/tdx.toml"
want 0 "not usable until 'rtmr0' is filled in"
[[ $err != *rtmr3* ]] || fail "rtmr3 was given: $err"
run "$BLIND" policy check "$scratch/tdx.toml"
want 13 ''
run "$BLIND" policy create --tee snp --ovmf $builds/firmware.fd --vcpus 2 --vcpu-type EPYC
want 2 'expected one of uki, kernel'
run "$BLIND" measure $builds/plain.eif
want 0 "pcr2         $(expected plain pcr2)"
run "$BLIND" measure $builds/uki-257.efi --json
want 0 '"unknown":{"pcr7":"it holds'
want 0 "\"pcr11\":\"$(expected uki-257 pcr11-sha256)\""
run "$BLIND" measure $builds/firmware.fd
want 2 '--tee snp or --tee tdx'
run "$BLIND" measure $builds/firmware.fd --tee snp --vmm gce --vcpus 3 --firmware-only
want 0 "measurement  $(expected firmware snp-gce-3)"
run "$BLIND" measure $binary
want 0 "measurement  $(sha384sum $binary | cut -d' ' -f1)"

# A boot's event log: registers, events, what is proven.
tail -c +2 fuzz/corpus/event_log/tpm >"$scratch/log"
run "$BLIND" log "$scratch/log"
want 0 'proven  EV_EFI_ACTION                    Calling EFI Application from Boot Option'
want 0 'pcr4 = "'
run "$BLIND" log "$scratch/log" --bank sha1 --json
want 0 '"type":"EV_SEPARATOR","number":4,"digest":"9069ca78e7450a285173431b3e52c5c25299e473"'
run "$BLIND" log "$scratch/log" --td
want 10 'register 0'
tail -c +2 fuzz/corpus/event_log/false_separator >"$scratch/log"
run "$BLIND" log "$scratch/log"
want 0 'FALSE   EV_SEPARATOR'
tail -c +2 fuzz/corpus/event_log/json >"$scratch/log"
run "$BLIND" log "$scratch/log"
want 0 'rtmr3 = "'
run "$BLIND" log $binary
want 10 "'$binary'"
run "$BLIND" log /nonexistent
want 1 /nonexistent

run "$BLIND" policy check "$scratch/p.toml"
want 0 'usable, sha256 '
want 0 'open: server = "any"'
run "$BLIND" policy check "$scratch/p.toml" --json
want 0 '"warnings":["server'
sed 's/^allow_debug/alow_debug/' "$scratch/p.toml" >"$scratch/bad.toml"
run "$BLIND" policy check "$scratch/bad.toml"
want 13 "line $(grep -n alow_debug "$scratch/bad.toml" | cut -d: -f1) column 1: unknown key 'alow_debug'"
sed 's/^version = 1/version = 1\nnot_after = 2020-01-01T00:00:00Z/' "$scratch/p.toml" >"$scratch/old.toml"
run "$BLIND" policy check "$scratch/old.toml"
want 13 'not_after'
grep -v '^server' "$scratch/p.toml" >"$scratch/open.toml"
run "$BLIND" policy show "$scratch/open.toml"
want 13 "no rule 'server'"
run "$BLIND" policy show /nonexistent
want 1 /nonexistent

# A file: its binding must be given or waived, and it grows old.
sed 's/^version = 1/version = 1\nfreshness_s = 315000000/' "$scratch/p.toml" >"$scratch/long.toml"
value=$("$BLIND" verify $bundle --policy "$scratch/long.toml" --simulation --unbound --json |
    sed 's/.*"report_data":"\([0-9a-f]*\)".*/\1/')
run "$BLIND" verify $bundle --policy "$scratch/long.toml" --simulation
want 2 '--report-data HEX or --unbound'
run "$BLIND" verify $bundle --policy "$scratch/long.toml" --simulation --unbound --report-data "$value"
want 2 '--report-data HEX or --unbound'
run "$BLIND" verify $bundle --policy "$scratch/long.toml" --simulation --unbound
want 0 'binding: unknown'
[[ $out != *ACCEPTED* ]] || fail "unbound gets the mark"
run "$BLIND" verify $bundle --policy "$scratch/long.toml" --simulation --report-data "$value"
want 0 'ACCEPTED  bound to the report data given'
run "$BLIND" verify $bundle --policy "$scratch/long.toml" --simulation --report-data "${value:0:64}"
want 0 ACCEPTED
for other in "${value:0:62}" "11${value:2}" 00; do
    run "$BLIND" verify $bundle --policy "$scratch/long.toml" --simulation --report-data "$other"
    want 10 BINDING
done
for wrong in '' 0 0x "${value}00" zz; do
    run "$BLIND" verify $bundle --policy "$scratch/long.toml" --simulation --report-data "$wrong"
    want 2 report-data
done
run "$BLIND" verify $bundle --policy "$scratch/long.toml" --unbound
want 10 'REFUSED  10 SIMULATION'
[[ $(wc -l <"$scratch/err") == 1 ]] || fail "a refusal is one line on stderr, found: $err"
run "$BLIND" verify $bundle --policy "$scratch/long.toml" --unbound --json
want 10 '"verdict":"refused","code":"SIMULATION","exit":10,"exception":"SimulationNotAllowedError"'
[[ $(wc -l <"$scratch/out") == 1 ]] || fail "--json is one line, found: $out"
run "$BLIND" verify $bundle --policy "$scratch/p.toml" --simulation --unbound
want 10 'REFUSED  10 STALE'
sed "s/^measurement = \"./measurement = \"/; s/^\(measurement = \"[0-9a-f]*\)/\10/" "$scratch/long.toml" >"$scratch/other.toml"
run "$BLIND" verify $bundle --policy "$scratch/other.toml" --simulation --unbound
want 11 'REFUSED  11 MEASUREMENT'
run "$BLIND" verify $bundle --policy "$scratch/bad.toml" --simulation --unbound
want 13 alow_debug
head -c 100 $bundle >"$scratch/cut"
run "$BLIND" verify "$scratch/cut" --policy "$scratch/long.toml" --simulation --unbound
want 10 'REFUSED  10 FORMAT'
run "$BLIND" verify /nonexistent --policy "$scratch/long.toml" --unbound
want 1 /nonexistent
run "$BLIND" verify --policy "$scratch/long.toml"
want 2 'what to verify'
run "$BLIND" verify https://127.0.0.1:1 --policy "$scratch/long.toml" --unbound
want 2 'session'
run "$BLIND" verify ftp://127.0.0.1 --policy "$scratch/long.toml"
want 2 'https://'

# A certificate without evidence, and none at all.
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=x -days 1 \
    -keyout /dev/null -out "$scratch/cert.pem" 2>/dev/null
run "$BLIND" verify --cert "$scratch/cert.pem" --policy "$scratch/long.toml" --simulation
want 10 'carries no evidence'
run "$BLIND" verify --cert $binary --policy "$scratch/long.toml" --simulation
want 1 'not a certificate'
finish
