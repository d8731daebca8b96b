/* GPU reports, fields to claims.  A report says which firmware and which state the device measured;
 * it has no clock, so it is as fresh as its nonce, and says nothing of the host it is plugged into.
 * Source: DMTF DSP0274 1.1.2, section 10.11; NVIDIA, attestation-sdk. */
#include "attest/known_chain.h"
#include "attest/nvidia/nvidia.h"
#include "base/der.h"

/* TCG DICE TcbInfo, under the name NVIDIA gives it.
 * Source: TCG, DICE Attestation Architecture 1.1, section 6.1.1. */
#define OID_TCB_INFO "2.23.133.5.4.1.1"

/* ---- claims ---- */

static const char *register_name(size_t index)
{
    return bl_tee_nvidia.registers[index - 1].name;
}

/* "535" of "535.86.09" */
static uint64_t branch_of(blind_span version)
{
    uint64_t branch = 0;
    for (size_t i = 0; i < version.size && i < 6; i++) {
        if (version.data[i] < '0' || version.data[i] > '9')
            break;
        branch = 10 * branch + (uint64_t)(version.data[i] - '0');
    }
    return branch;
}

static uint64_t le32(blind_span bytes)
{
    bl_reader r = { .rest = bytes };
    return bl_read_u32le(&r);
}

static void claim_bytes(bl_claims *out, const char *name, blind_span bytes)
{
    if (bytes.size)
        bl_claim_bytes(out, name, bytes);
}

static void claim_text(bl_claims *out, const char *name, blind_span text)
{
    if (text.size)
        bl_claim_text(out, name, text);
}

/* As NVIDIA prints it: "96.00.5E.00.01". */
static void claim_vbios(blind_span v, bl_arena *arena, bl_claims *out)
{
    if (v.size == 0)
        return;
    const char *text = bl_arena_printf(arena, "%02X.%02X.%02X.%02X.%02X", v.data[3], v.data[2],
                                       v.data[1], v.data[0], v.data[4]);
    if (text)
        bl_claim_text(out, "vbios_version", bl_span_str(text));
    out->failed |= !text;
}

static void claims_of(const bl_nvidia_report *r, bl_arena *arena, bl_claims *out)
{
    for (size_t i = 1; i <= BL_NVIDIA_MEASUREMENTS; i++)
        if (r->measurements[i].size)
            bl_claim_measurement(out, register_name(i), r->measurements[i]);
    claim_bytes(out, "nonce", r->nonce);
    if (r->driver_version.size)
        bl_claim_number(out, "driver_branch", branch_of(r->driver_version));
    claim_text(out, "driver_version", r->driver_version);
    claim_vbios(r->vbios, arena, out);
    claim_text(out, "chip_sku", r->chip_sku);
    claim_text(out, "project", r->project);
    claim_text(out, "project_sku", r->project_sku);
    if (r->board_id.size)
        bl_claim_number(out, "board_id", le32(r->board_id));
    claim_bytes(out, "fwid", r->fwid);
    out->report_data = r->nonce;
    out->trusts_firmware = true;
}

/* ---- steps ---- */

/* Whether the certificate lists this firmware: [6] FWIDLIST of { algorithm, digest }. */
static bool lists_fwid(blind_span tcb_info, blind_span fwid)
{
    bl_reader outer = { .rest = tcb_info };
    bl_reader fields = bl_der_enter(&outer, BL_DER_SEQUENCE);
    bl_der    field;
    bool      found = false;
    while (bl_der_next(&fields, &field)) {
        bl_reader list = { .rest = field.content };
        while (field.tag == (BL_DER_CONTEXT_CONSTRUCTED | 6) && list.rest.size && !list.failed) {
            bl_reader one = bl_der_enter(&list, BL_DER_SEQUENCE);
            (void)bl_der_read(&one, BL_DER_OID);
            blind_span digest = bl_der_read(&one, BL_DER_OCTET_STRING);
            found |= bl_reader_done(&one) && bl_span_equal(digest, fwid);
        }
        fields.failed |= list.failed;
    }
    return found && !fields.failed;
}

/* The firmware that the device's certificate was made for is the one that the report names.  Older
 * devices say it in neither. */
static void judge_fwid(const bl_nvidia_report *report, const bl_x509 *leaf, bl_claims *out)
{
    static const char source[] = "TCG, DICE Attestation Architecture 1.1, section 6.1.1";
    blind_span        tcb_info;
    blind_code        code = bl_x509_extension(leaf, OID_TCB_INFO, &tcb_info, NULL);
    if (code == BLIND_NOT_FOUND && report->fwid.size == 0)
        return;
    if (code == BLIND_NOT_FOUND) {
        bl_find_beside(out, "firmware id", BLIND_UNKNOWN, BLIND_CHAIN,
                       "the report's in the certificate", "a certificate without one", source);
        return;
    }
    bool holds = code == BLIND_OK && report->fwid.size && lists_fwid(tcb_info, report->fwid);
    bl_find(out, "firmware id", holds, BLIND_CHAIN, "the certificate's in the report",
            holds               ? "as expected"
            : report->fwid.size ? "another one"
                                : "none",
            source);
}

/* The serial number of the device's certificate names the device. */
static void claim_hardware(const bl_x509 *leaf, bl_arena *arena, bl_claims *out)
{
    blind_span  serial = bl_x509_serial(leaf);
    const char *copy = bl_arena_copy(arena, serial);
    out->hardware_id = copy ? bl_span(copy, serial.size) : (blind_span){ 0 };
    out->failed |= !copy;
}

static blind_code judge_report(const bl_verify_input *in, const bl_nvidia_report *report,
                               bl_claims *out)
{
    blind_error          err = { 0 };
    bl_auto_known_chain *known = NULL;
    blind_span           list = bl_parts_get(in->parts, "cert_chain");
    blind_code           code = bl_known_chain_get(in->cache, &list, 1, in->roots, &known, &err);
    if (code == BLIND_MEMORY)
        return code;
    bl_find_step(out, in->arena, "chain", code, &err, "a chain to NVIDIA's device identity key",
                 "RFC 5280, section 6.1");
    if (!known)
        return BLIND_OK;
    const bl_x509 *leaf = known->chain.certs[0];
    code = bl_chain_at(&known->chain, in->now_s, &err);
    bl_find_step(out, in->arena, "validity", code, &err, "certificates that are in force now",
                 "RFC 5280, section 6.1.3");
    code = bl_x509_key(leaf) ? bl_key_verify(bl_x509_key(leaf), BL_ECDSA_P384_SHA384_RAW,
                                             report->signed_bytes, report->signature, &err)
                             : blind_fail(&err, BLIND_SIGNATURE, "nvidia", "a key of another kind");
    bl_find_step(out, in->arena, "signature", code, &err,
                 "ECDSA P-384 by the key of the device's certificate",
                 "DMTF DSP0274 1.1.2, section 10.11.2");
    judge_fwid(report, leaf, out);
    claim_hardware(leaf, in->arena, out);
    return code == BLIND_MEMORY ? code : BLIND_OK;
}

blind_code bl_nvidia_verify(const bl_verify_input *in, bl_claims *out, blind_error *err)
{
    bl_nvidia_report report;
    *out = (bl_claims){ .tee = "nvidia" };
    BL_TRY(bl_nvidia_report_parse(in->evidence, &report, err));
    claims_of(&report, in->arena, out);
    if (judge_report(in, &report, out) == BLIND_MEMORY)
        return blind_fail(err, BLIND_MEMORY, "nvidia", "out of memory");
    return bl_findings_code(out, err);
}
