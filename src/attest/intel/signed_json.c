/* Finds the signed bytes in Intel's collateral.
 * Source: Intel SGX and TDX Provisioning Certification Service API v4. */
#include "attest/intel/signed_json.h"

#include "base/clock.h"
#include "base/hex.h"
#include "base/limits.h"
#include "base/reader.h"

static const char STAGE[] = "intel.json";

static void skip_blanks(bl_reader *r)
{
    while (!r->failed && r->rest.size && r->rest.data[0] && strchr(" \t\r\n", r->rest.data[0]))
        bl_skip(r, 1);
}

/* The next byte after blanks, which must be this one. */
static void expect(bl_reader *r, uint8_t c)
{
    skip_blanks(r);
    if (bl_read_u8(r) != c)
        r->failed = true;
}

/* A string's contents, as they stand; one with an escape is nothing we look for. */
static blind_span read_plain_string(bl_reader *r)
{
    expect(r, '"');
    blind_span all = r->rest;
    while (!r->failed) {
        uint8_t c = bl_read_u8(r);
        if (c == '"')
            return bl_span(all.data, all.size - r->rest.size - 1);
        r->failed |= c == '\\';
    }
    return (blind_span){ 0 };
}

static void skip_string(bl_reader *r)
{
    while (!r->failed) {
        uint8_t c = bl_read_u8(r);
        if (c == '"')
            return;
        if (c == '\\')
            bl_skip(r, 1);
    }
}

/* An object's bytes, brace to brace.  Brackets are counted, not matched by kind: jansson judges the
 * grammar of what was signed. */
static blind_span read_object(bl_reader *r)
{
    skip_blanks(r);
    blind_span all = r->rest;
    size_t     depth = 0;
    if (all.size == 0 || all.data[0] != '{')
        r->failed = true;
    while (!r->failed) {
        uint8_t c = bl_read_u8(r);
        if (c == '"') {
            skip_string(r);
        } else if (c == '{' || c == '[') {
            r->failed |= ++depth > BL_MAX_JSON_DEPTH;
        } else if ((c == '}' || c == ']') && --depth == 0 && !r->failed) {
            return bl_span(all.data, all.size - r->rest.size);
        }
    }
    return (blind_span){ 0 };
}

static void read_member(bl_reader *r, const char *name, bl_signed_json *out, bool *has_signature)
{
    blind_span key = read_plain_string(r);
    expect(r, ':');
    if (bl_span_equal(key, bl_span_str(name)) && out->body.size == 0) {
        out->body = read_object(r);
    } else if (bl_span_equal(key, BL_LITERAL("signature")) && !*has_signature) {
        *has_signature = bl_hex_decode(read_plain_string(r), out->signature, 64);
        r->failed |= !*has_signature;
    } else {
        r->failed = true;
    }
}

blind_code bl_signed_json_find(blind_span text, const char *name, bl_signed_json *out,
                               blind_error *err)
{
    bl_reader r = { .rest = text };
    bool      has_signature = false;
    *out = (bl_signed_json){ 0 };
    if (text.size > BL_MAX_COLLATERAL)
        return blind_fail(err, BLIND_FORMAT, STAGE, "%zu bytes, at most %u", text.size,
                          BL_MAX_COLLATERAL);
    expect(&r, '{');
    read_member(&r, name, out, &has_signature);
    expect(&r, ',');
    read_member(&r, name, out, &has_signature);
    expect(&r, '}');
    skip_blanks(&r);
    if (r.rest.size == 1 && r.rest.data[0] == 0) /* Intel's libraries count the end of a C string */
        bl_skip(&r, 1);
    if (bl_reader_done(&r))
        return BLIND_OK;
    *out = (bl_signed_json){ 0 };
    return blind_fail(err, BLIND_FORMAT, STAGE, "no object of '%s' and 'signature' alone", name);
}

bool bl_json_time(const char *text, int64_t *out)
{
    static const char form[] = "dddd-dd-ddTdd:dd:ddZ";
    static const int  days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    int               n[6] = { 0 }, field = 0;
    if (strlen(text) != sizeof form - 1)
        return false;
    for (size_t i = 0; form[i]; i++) {
        bool digit = text[i] >= '0' && text[i] <= '9';
        if (form[i] == 'd' ? !digit : text[i] != form[i])
            return false;
        if (digit)
            n[field] = n[field] * 10 + text[i] - '0';
        else
            field += form[i + 1] != '\0';
    }
    bool leap = n[0] % 4 == 0 && (n[0] % 100 != 0 || n[0] % 400 == 0);
    if (n[1] < 1 || n[1] > 12 || n[2] < 1 || n[2] > days[n[1] - 1] + (n[1] == 2 && leap) ||
        n[3] > 23 || n[4] > 59 || n[5] > 59)
        return false;
    *out =
        bl_clock_days(n[0], n[1], n[2]) * 86400 + n[3] * INT64_C(3600) + n[4] * INT64_C(60) + n[5];
    return true;
}
