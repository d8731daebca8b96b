/* PCR values, which no quote carries: listed beside it and believed once they give its digest.
 * Source: docs/formats/evidence.md, "tpm". */
#include "attest/tpm/tpm.h"
#include "base/hex.h"
#include "base/json.h"

static const char STAGE[] = "tpm.pcrs";

enum { MAX_TEXT = 8192 };

static bool bank_of(const char *name, uint16_t *out)
{
    static const uint16_t banks[] = { BL_TPM_SHA1, BL_TPM_SHA256, BL_TPM_SHA384, BL_TPM_SHA512 };
    for (size_t i = 0; i < BL_LEN(banks); i++)
        if (strcmp(bl_tpm_hash_name(banks[i]), name) == 0) {
            *out = banks[i];
            return true;
        }
    return false;
}

/* "0" to "23", one spelling each. */
static bool index_of(const char *key, unsigned *out)
{
    size_t size = strlen(key);
    if (size < 1 || size > 2 || key[0] < '0' || key[0] > '9' || (size == 2 && key[0] == '0') ||
        (size == 2 && (key[1] < '0' || key[1] > '9')))
        return false;
    *out = size == 1 ? (unsigned)(key[0] - '0')
                     : (unsigned)(key[0] - '0') * 10 + (unsigned)(key[1] - '0');
    return *out < BL_TPM_PCRS;
}

static bool read_values(json_t *object, bl_tpm_pcrs *out)
{
    const char *key;
    json_t     *value;
    unsigned    i;
    json_object_foreach(object, key, value)
    {
        const char *text = json_string_value(value);
        if (!text || !index_of(key, &i) ||
            !bl_hex_decode(bl_span_str(text), out->values[i], out->size))
            return false;
        out->listed |= 1u << i;
    }
    return true;
}

static blind_code malformed(bl_tpm_pcrs *out, blind_error *err, const char *what)
{
    *out = (bl_tpm_pcrs){ 0 };
    return blind_fail(err, BLIND_FORMAT, STAGE, "PCR values: %s", what);
}

blind_code bl_tpm_pcrs_parse(blind_span json, bl_tpm_pcrs *out, blind_error *err)
{
    bl_auto_json *root = NULL;
    json_t       *values;
    const char   *bank;
    bl_hash       hash;
    blind_error   why;
    *out = (bl_tpm_pcrs){ 0 };
    blind_code code = bl_json_parse(json, MAX_TEXT, &root, &why);
    if (code == BLIND_MEMORY)
        return blind_fail(err, code, STAGE, "out of memory");
    if (code != BLIND_OK || bl_json_string(root, "bank", &bank, &why) != BLIND_OK ||
        bl_json_object(root, "pcrs", &values, &why) != BLIND_OK)
        return malformed(out, err, why.message);
    if (json_object_size(root) != 2 || !bank_of(bank, &out->bank))
        return malformed(out, err, "expected a bank of sha1, sha256, sha384 or sha512, and pcrs");
    (void)bl_tpm_hash(out->bank, &hash);
    out->size = bl_hash_size(hash);
    if (!read_values(values, out))
        return malformed(out, err, "expected digests in hexadecimal digits by number, 0 to 23");
    return BLIND_OK;
}

blind_code bl_tpm_pcrs_write(const bl_tpm_pcrs *pcrs, bl_buf *out, blind_error *err)
{
    const char *comma = "";
    bl_buf_printf(out, "{\"bank\":\"%s\",\"pcrs\":{", bl_tpm_hash_name(pcrs->bank));
    for (unsigned i = 0; i < BL_TPM_PCRS; i++) {
        if (!(pcrs->listed >> i & 1))
            continue;
        bl_buf_printf(out, "%s\"%u\":\"", comma, i);
        bl_hex_add(out, bl_span(pcrs->values[i], pcrs->size));
        bl_buf_add_str(out, "\"");
        comma = ",";
    }
    bl_buf_add_str(out, "}}");
    return bl_buf_check(out, STAGE, err);
}
