/* Evidence in its two forms, and its parts, to fields. */
#include "attest/tpm/internal.h"

static const char STAGE[] = "tpm.evidence";

void bl_tpm_session_done(bl_tpm_session *s)
{
    bl_key_free(s->key);
    s->key = NULL;
}

/* Our own form is a map with `quote` in it; a name both inside and beside would have two answers.
 */
static blind_code merge_parts(bl_tpm_session *s, blind_error *err)
{
    static const uint8_t magic[] = { 0xff, 'T', 'C', 'G' };
    blind_span           evidence = s->in->evidence;
    bl_parts             inside;
    if (s->in->parts)
        s->parts = *s->in->parts;
    s->raw = evidence;
    if (evidence.size >= 4 && memcmp(evidence.data, magic, 4) == 0)
        return BLIND_OK;
    if (bl_parts_parse(evidence, &inside, err) != BLIND_OK)
        return blind_fail(err, BLIND_FORMAT, STAGE,
                          "%zu bytes that are neither a TPMS_ATTEST nor a map of parts",
                          evidence.size);
    for (size_t i = 0; i < inside.len; i++) {
        const bl_part *part = &inside.items[i];
        for (size_t j = 0; j < s->parts.len; j++)
            if (bl_span_equal(part->name, s->parts.items[j].name))
                return blind_fail(err, BLIND_FORMAT, STAGE,
                                  "part '%.*s' is both inside the evidence and beside it",
                                  (int)BL_MIN(part->name.size, 40), (const char *)part->name.data);
        if (bl_parts_set(&s->parts, part->name, part->bytes, err) != BLIND_OK)
            return blind_fail(err, BLIND_FORMAT, STAGE, "too many parts");
    }
    s->raw = bl_parts_get(&s->parts, "quote");
    return BLIND_OK;
}

/* The AK from its public area, else as it stands; all forms that are given must agree. */
static blind_code read_ak(bl_tpm_session *s, blind_error *err)
{
    blind_span given = bl_parts_get(&s->parts, "ak_spki");
    blind_span area = bl_parts_get(&s->parts, "ak_public");
    s->spki = given;
    if (area.size) {
        BL_TRY(bl_tpm_public_parse(area, &s->ak, err));
        s->spki = bl_span(s->spki_bytes, bl_tpm_public_spki(&s->ak, s->spki_bytes));
    }
    if (given.size && !bl_span_equal(given, s->spki))
        return blind_fail(err, BLIND_FORMAT, STAGE, "ak_spki is not the key of ak_public");
    if (!s->spki.size)
        return blind_fail(err, BLIND_FORMAT, STAGE,
                          "no attestation key: neither ak_public nor ak_spki");
    if (bl_key_from_spki(s->spki, &s->key, err) != BLIND_OK)
        return blind_fail(err, BLIND_FORMAT, STAGE, "an attestation key of an unknown kind");
    if (bl_sha256(s->spki, s->spki_sha256) != BLIND_OK)
        return blind_fail(err, BLIND_MEMORY, STAGE, "out of memory");
    return BLIND_OK;
}

blind_code bl_tpm_session_read(const bl_verify_input *in, bl_tpm_session *out, blind_error *err)
{
    *out = (bl_tpm_session){ .in = in };
    BL_TRY(merge_parts(out, err));
    BL_TRY(bl_tpm_quote_parse(out->raw, &out->quote, err));
    BL_TRY(bl_tpm_signature_parse(bl_parts_get(&out->parts, "signature"), &out->signature, err));
    BL_TRY(read_ak(out, err));
    blind_span pcrs = bl_parts_get(&out->parts, "pcrs");
    out->has_pcrs = pcrs.size > 0;
    return out->has_pcrs ? bl_tpm_pcrs_parse(pcrs, &out->pcrs, err) : BLIND_OK;
}
