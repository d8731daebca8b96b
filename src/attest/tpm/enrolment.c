/* The record of a credential activation, and the endorsement behind it. */
#include "attest/tpm/credential.h"

static const char STAGE[] = "tpm.enrolment";

blind_code bl_tpm_enrolment_parse(blind_span record, bl_tpm_enrolment *out, blind_error *err)
{
    bl_parts parts;
    *out = (bl_tpm_enrolment){ 0 };
    BL_TRY(bl_parts_parse(record, &parts, err));
    bl_reader time = { .rest = bl_parts_get(&parts, "time") };
    uint64_t  time_s = bl_read_u64be(&time);
    *out = (bl_tpm_enrolment){ .ak_name = bl_parts_get(&parts, "ak_name"),
                               .ek_public = bl_parts_get(&parts, "ek_public"),
                               .ek_cert = bl_parts_get(&parts, "ek_cert"),
                               .ek_chain = bl_parts_get(&parts, "ek_chain"),
                               .time_s = (int64_t)time_s };
    if (bl_reader_done(&time) && time_s <= INT64_MAX && out->ak_name.size > 2 &&
        out->ek_public.size && out->ek_cert.size)
        return BLIND_OK;
    *out = (bl_tpm_enrolment){ 0 };
    return blind_fail(err, BLIND_FORMAT, STAGE, "%zu bytes that are no enrolment", record.size);
}

blind_code bl_tpm_enrolment_write(const bl_tpm_enrolment *enrolment, bl_buf *out, blind_error *err)
{
    bl_auto_buf time = BL_BUF_EMPTY;
    bl_parts    parts = { 0 };
    bl_buf_add_be(&time, (uint64_t)enrolment->time_s, 8);
    BL_TRY(bl_buf_check(&time, STAGE, err));
    const struct {
        const char *name;
        blind_span  bytes;
    } rows[] = {
        { "ak_name", enrolment->ak_name }, { "ek_public", enrolment->ek_public },
        { "ek_cert", enrolment->ek_cert }, { "ek_chain", enrolment->ek_chain },
        { "time", bl_buf_span(&time) },
    };
    for (size_t i = 0; i < BL_LEN(rows); i++)
        BL_TRY(bl_parts_set(&parts, bl_span_str(rows[i].name), rows[i].bytes, err));
    return bl_parts_write(&parts, out, err);
}

blind_code bl_tpm_check_endorsement(const bl_tpm_enrolment  *enrolment,
                                    const bl_tpm_cert_input *anchors, bl_tpm_public *ek,
                                    bl_tpm_cert *cert, blind_error *err)
{
    uint8_t           spki[BL_TPM_SPKI];
    bl_tpm_cert_input in = *anchors;
    *cert = (bl_tpm_cert){ 0 };
    BL_TRY(bl_tpm_public_parse(enrolment->ek_public, ek, err));
    BL_TRY(bl_tpm_check_ek(ek, err));
    in.role = BL_TPM_EK_CERT;
    in.cert = enrolment->ek_cert;
    in.chain = enrolment->ek_chain;
    return bl_tpm_cert_verify(&in, bl_span(spki, bl_tpm_public_spki(ek, spki)), cert, err);
}
