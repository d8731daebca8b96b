/* A recorded case's policy as policy.toml, by what the TEE's row knows. */
#include "tests/attest/cases.h"

#include "attest/tee.h"
#include "base/hex.h"
#include "crypto/hash.h"

#include <stdio.h>
#include <stdlib.h>

static const bl_tee *row_of(const recorded *c)
{
    const bl_tee *row = bl_tee_find(bl_span_str(c->tee));
    if (row)
        return row;
    fprintf(stderr, "%s: no TEE '%s' in this build\n", c->id, c->tee);
    abort();
}

static bool has_register(const bl_tee *row, const char *name)
{
    const bl_register_row *r = row->registers;
    while (r && r->name && strcmp(r->name, name) != 0)
        r++;
    return r && r->name;
}

static bool has_fact(const bl_tee *row, const char *name)
{
    const bl_fact_row *f = row->facts;
    while (f && f->name && strcmp(f->name, name) != 0)
        f++;
    return f && f->name;
}

/* The X of `expect_X_hex`, `min_X` and `max_X`. */
typedef enum { OTHER, EXPECT, MINIMUM, MAXIMUM } asked_kind;
static asked_kind asked(const char *key, char *name, size_t size)
{
    static const struct {
        const char *before, *after;
        asked_kind  kind;
    } forms[] = { { "expect_", "_hex", EXPECT }, { "min_", "", MINIMUM }, { "max_", "", MAXIMUM } };
    for (size_t i = 0; i < BL_LEN(forms); i++) {
        size_t before = strlen(forms[i].before), after = strlen(forms[i].after), all = strlen(key);
        if (all < before + after || strncmp(key, forms[i].before, before) != 0 ||
            strcmp(key + all - after, forms[i].after) != 0)
            continue;
        snprintf(name, size, "%.*s", (int)(all - before - after), key + before);
        return forms[i].kind;
    }
    return OTHER;
}

/* Report data is the caller's to expect; a nonce too where the TEE has no field of that name. */
static bool is_expectation(const bl_tee *row, const char *name)
{
    return strcmp(name, "report_data") == 0 ||
           (strcmp(name, "nonce") == 0 && !has_fact(row, "nonce"));
}

static void unknown(const recorded *c, const char *key)
{
    fprintf(stderr, "%s: this build cannot ask for '%s'\n", c->id, key);
    abort();
}

static void put_reference(const recorded *c, const bl_tee *row, json_t *policy, bl_buf *b)
{
    const char *key;
    json_t     *value;
    char        name[64];
    bool        any = true;
    bl_buf_printf(b, "\n[[%s.reference]]\n", c->tee);
    json_object_foreach(policy, key, value)
    {
        if (asked(key, name, sizeof name) == EXPECT && has_register(row, name)) {
            bl_buf_printf(b, "%s = \"%s\"\n", name, json_string_value(value));
            any = false;
        }
    }
    json_object_foreach(json_object_get(policy, "expect_pcrs"), key, value)
    {
        bl_buf_printf(b, "pcr%s = \"%s\"\n", key, json_string_value(value));
        any = false;
    }
    if (any)
        bl_buf_printf(b, "%s = \"any\"\n", row->registers[0].name);
}

static void put_bound(const recorded *c, const bl_tee *row, const char *name, const json_t *value,
                      bl_buf *b)
{
    const char *key;
    json_t     *level;
    char        whole[96];
    if (!json_is_object(value) && !has_fact(row, name))
        unknown(c, name);
    if (json_is_integer(value))
        bl_buf_printf(b, "%s = %lld\n", name, (long long)json_integer_value(value));
    else if (json_is_string(value))
        bl_buf_printf(b, "%s = \"%s\"\n", name, json_string_value(value));
    else
        json_object_foreach((json_t *)(uintptr_t)value, key, level)
        {
            snprintf(whole, sizeof whole, "%s_%s", name, key);
            put_bound(c, row, whole, level, b);
        }
}

static void put_bounds(const recorded *c, const bl_tee *row, json_t *policy, asked_kind kind,
                       const char *table, bl_buf *b)
{
    const char *key;
    json_t     *value;
    char        name[64];
    bl_buf_printf(b, "\n[%s.%s]\n", c->tee, table);
    json_object_foreach(policy, key, value) if (asked(key, name, sizeof name) == kind &&
                                                !(kind == EXPECT && (has_register(row, name) ||
                                                                     is_expectation(row, name))))
        put_bound(c, row, name, value, b);
}

static void put_statuses(const bl_tee *row, json_t *policy, bl_buf *b)
{
    json_t *list = json_object_get(policy, "allow_tcb");
    bool    all = !list && strcmp(row->name, "snp") == 0;
    if (!row->tcb_statuses || (!list && !all))
        return;
    bl_buf_add_str(b, "allow_tcb = [");
    for (size_t i = 0; list && i < json_array_size(list); i++)
        bl_buf_printf(b, "\"%s\", ", json_string_value(json_array_get(list, i)));
    for (size_t i = 0; all && row->tcb_statuses[i]; i++)
        bl_buf_printf(b, "\"%s\", ", row->tcb_statuses[i]);
    bl_buf_add_str(b, "]\n");
}

/* An attestation key that comes with the case is pinned: nothing else vouches for it. */
static void put_pin(const recorded *c, bl_buf *b)
{
    uint8_t    digest[BL_SHA256_SIZE];
    blind_span spki = case_file(c, "ak_spki");
    if (!spki.size || bl_sha256(spki, digest) != BLIND_OK)
        return;
    bl_buf_add_str(b, "keys = [\"");
    bl_hex_add(b, bl_span(digest, sizeof digest));
    bl_buf_add_str(b, "\"]\n");
}

static void put_rules(const recorded *c, const bl_tee *row, json_t *policy, bl_buf *b)
{
    const char *collateral = case_text(policy, "collateral");
    bl_buf_printf(b, "\n[%s]\n", row->name);
    put_statuses(row, policy, b);
    if (collateral)
        bl_buf_printf(b, "collateral = \"%s\"\n", collateral);
    if (row->has_pins)
        put_pin(c, b);
    if (row->has_sha1)
        bl_buf_printf(b, "allow_sha1 = %s\n",
                      json_is_true(json_object_get(policy, "allow_sha1")) ? "true" : "false");
}

void case_policy(const recorded *c, bl_buf *b)
{
    const bl_tee *row = row_of(c);
    json_t       *policy = case_object(c, "policy");
    bool debug = row->silent_on_debug || json_is_true(json_object_get(policy, "allow_debug"));
    bl_buf_printf(b,
                  "version = 1\nserver = \"any\"\ntees = [\"%s\"]\n"
                  "allow_debug = %s\n",
                  c->tee, debug ? "true" : "false");
    bl_buf_add_str(b, "\n[models]\nothers = \"allow\"\nabsent = \"allow\"\n");
    put_rules(c, row, policy, b);
    put_reference(c, row, policy, b);
    if (!row->facts)
        return;
    put_bounds(c, row, policy, MINIMUM, "minimum", b);
    put_bounds(c, row, policy, MAXIMUM, "maximum", b);
    put_bounds(c, row, policy, EXPECT, "equal", b);
}

/* The bytes live in `bytes`. */
static blind_expect expectation(const recorded *c, uint8_t bytes[64])
{
    static const char *const keys[] = { "expect_report_data_hex", "expect_nonce_hex" };
    json_t                  *policy = case_object(c, "policy");
    char                     name[64];
    for (size_t i = 0; i < BL_LEN(keys); i++) {
        const char *text = case_text(policy, keys[i]);
        size_t      size = text ? strlen(text) / 2 : 0;
        if (!text || asked(keys[i], name, sizeof name) != EXPECT ||
            !is_expectation(row_of(c), name))
            continue;
        if (size > 64 || !bl_hex_decode(bl_span_str(text), bytes, size))
            unknown(c, text);
        return (blind_expect){ .to = BLIND_BOUND_REPORT_DATA, .report_data = bl_span(bytes, size) };
    }
    return (blind_expect){ .to = BLIND_BOUND_UNBOUND };
}

blind_code case_ask(const recorded *c, blind_cache *cache, case_question *out, blind_error *err)
{
    bl_auto_buf toml = BL_BUF_EMPTY;
    *out = (case_question){ .options = { .now_s = c->now_s, .cache = cache } };
    out->options.debug_mode =
        row_of(c)->silent_on_debug ||
        json_is_true(json_object_get(case_object(c, "policy"), "allow_debug"));
    out->expect = expectation(c, out->bytes);
    case_policy(c, &toml);
    return blind_policy_load_text(bl_buf_span(&toml), &out->policy, err);
}

blind_code case_appraise(const recorded *c, blind_cache *cache, blind_result **out,
                         blind_error *err)
{
    case_question q;
    *out = NULL;
    BL_TRY(case_ask(c, cache, &q, err));
    blind_code code = blind_appraise_evidence(c->tee, c->evidence, c->parts, c->parts_len,
                                              &q.expect, q.policy, &q.options, out, err);
    blind_policy_free(q.policy);
    return code;
}
