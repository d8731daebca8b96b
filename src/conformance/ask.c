/* What a case asks for, as policy.toml, by what the TEE's row knows.  A rule that no policy can say
 * is not left out: the case is then beyond this build. */
#include "attest/tee.h"
#include "base/hex.h"
#include "conformance/case.h"
#include "crypto/hash.h"

#include <stdio.h>

static const char STAGE[] = "conformance.ask";

/* ---- names ---- */

static bool has_register(const bl_tee *tee, const char *name)
{
    for (const bl_register_row *r = tee->registers; r && r->name; r++)
        if (strcmp(r->name, name) == 0)
            return true;
    return false;
}

static bool has_fact(const bl_tee *tee, const char *name)
{
    for (const bl_fact_row *f = tee->facts; f && f->name; f++)
        if (strcmp(f->name, name) == 0)
            return true;
    return false;
}

/* What evidence can be bound to, unless the TEE has a field of that name. */
static bool is_binding(const bl_tee *tee, const char *name)
{
    static const char *const names[] = { "report_data", "nonce", "user_data" };
    for (size_t i = 0; i < BL_LEN(names); i++)
        if (strcmp(name, names[i]) == 0)
            return !has_fact(tee, name);
    return false;
}

/* The X of `expect_X_hex`, `min_X` and `max_X`, and where it goes. */
typedef enum { OTHER, REFERENCE, BINDING, EQUAL, MINIMUM, MAXIMUM } rule_kind;

static bool between(const char *key, const char *before, const char *after, char *out, size_t size)
{
    size_t all = strlen(key), from = strlen(before), end = strlen(after);
    if (all <= from + end || all - from - end >= size || strncmp(key, before, from) != 0 ||
        strcmp(key + all - end, after) != 0)
        return false;
    memcpy(out, key + from, all - from - end);
    out[all - from - end] = 0;
    return true;
}

static rule_kind kind_of(const bl_tee *tee, const char *key, char *name, size_t size)
{
    if (between(key, "min_", "", name, size))
        return MINIMUM;
    if (between(key, "max_", "", name, size))
        return MAXIMUM;
    if (!between(key, "expect_", "_hex", name, size))
        return OTHER;
    return has_register(tee, name) ? REFERENCE : is_binding(tee, name) ? BINDING : EQUAL;
}

static const char *text_of(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

static const bl_tee *tee_of(const json_t *one)
{
    const char *name = text_of(one, "tee");
    return name ? bl_tee_find(bl_span_str(name)) : NULL;
}

/* ---- can it be asked? ---- */

static bool is_bound(const bl_tee *tee, const char *name, const json_t *value)
{
    const char *key;
    json_t     *level;
    char        whole[96];
    if (!json_is_object(value))
        return has_fact(tee, name) && (json_is_integer(value) || json_is_string(value));
    json_object_foreach((json_t *)(uintptr_t)value, key, level)
    {
        int n = snprintf(whole, sizeof whole, "%s_%s", name, key);
        if (n < 0 || (size_t)n >= sizeof whole || !has_fact(tee, whole) || !json_is_integer(level))
            return false;
    }
    return true;
}

static bool are_strings(const json_t *list)
{
    for (size_t i = 0; i < json_array_size(list); i++)
        if (!json_is_string(json_array_get(list, i)))
            return false;
    return json_is_array(list);
}

static bool are_registers(const bl_tee *tee, const json_t *pcrs)
{
    const char *key;
    json_t     *value;
    char        name[16];
    json_object_foreach((json_t *)(uintptr_t)pcrs, key, value)
    {
        int n = snprintf(name, sizeof name, "pcr%s", key);
        if (n < 0 || (size_t)n >= sizeof name || !has_register(tee, name) || !json_is_string(value))
            return false;
    }
    return json_is_object(pcrs);
}

static bool can_ask(const bl_tee *tee, const char *key, const json_t *value)
{
    char name[64];
    switch (kind_of(tee, key, name, sizeof name)) {
    case REFERENCE:
    case BINDING:
        return json_is_string(value);
    case EQUAL:
    case MINIMUM:
    case MAXIMUM:
        return is_bound(tee, name, value);
    case OTHER:
        break;
    }
    if (strcmp(key, "allow_tcb") == 0)
        return tee->tcb_statuses && are_strings(value);
    if (strcmp(key, "expect_pcrs") == 0)
        return are_registers(tee, value);
    if (strcmp(key, "collateral") == 0)
        return tee->has_collateral && json_is_string(value);
    if (strcmp(key, "allow_sha1") == 0)
        return tee->has_sha1 && json_is_boolean(value);
    return strcmp(key, "allow_debug") == 0 && json_is_boolean(value);
}

static blind_code check_rules(const bl_tee *tee, const json_t *asked, blind_error *err)
{
    const char *key;
    json_t     *value;
    json_object_foreach((json_t *)(uintptr_t)asked, key, value)
    {
        if (!can_ask(tee, key, value))
            return blind_fail(err, BLIND_UNSUPPORTED, STAGE,
                              "nothing of %s can be asked as '%.64s'", tee->name, key);
    }
    return BLIND_OK;
}

/* ---- the policy ---- */

static void put_words(bl_buf *b, const bl_tee *tee, const json_t *list)
{
    bl_buf_add_str(b, "allow_tcb = [");
    for (size_t i = 0; list && i < json_array_size(list); i++)
        bl_buf_printf(b, "\"%s\", ", json_string_value(json_array_get(list, i)));
    for (size_t i = 0; !list && tee->tcb_statuses[i]; i++)
        bl_buf_printf(b, "\"%s\", ", tee->tcb_statuses[i]);
    bl_buf_add_str(b, "]\n");
}

static blind_code put_pin(bl_buf *b, blind_span ak_spki, blind_error *err)
{
    uint8_t digest[BL_SHA256_SIZE];
    if (bl_sha256(ak_spki, digest) != BLIND_OK)
        return blind_fail(err, BLIND_MEMORY, STAGE, "out of memory");
    bl_buf_add_str(b, "keys = [\"");
    bl_hex_add(b, bl_span(digest, sizeof digest));
    bl_buf_add_str(b, "\"]\n");
    return BLIND_OK;
}

/* Where no TCB information comes with a case, nobody judged a status when it was recorded. */
static blind_code put_rules(bl_buf *b, const bl_tee *tee, const json_t *one, blind_span ak_spki,
                            blind_error *err)
{
    const json_t *asked = json_object_get(one, "policy"),
                 *list = json_object_get(asked, "allow_tcb");
    bool stated = json_object_get(json_object_get(one, "files"), "tcb_info") != NULL;
    bl_buf_printf(b, "[%s]\n", tee->name);
    if (tee->tcb_statuses && (list || !stated))
        put_words(b, tee, list);
    if (text_of(asked, "collateral"))
        bl_buf_printf(b, "collateral = \"%s\"\n", text_of(asked, "collateral"));
    if (json_is_true(json_object_get(asked, "allow_sha1")))
        bl_buf_add_str(b, "allow_sha1 = true\n");
    return tee->has_pins && ak_spki.size ? put_pin(b, ak_spki, err) : BLIND_OK;
}

/* min_tcb { "snp": 28 } is tcb_snp = 28. */
static void put_bound(bl_buf *b, const char *name, const json_t *value)
{
    const char *key;
    json_t     *level;
    if (json_is_integer(value))
        bl_buf_printf(b, "%s = %lld\n", name, (long long)json_integer_value(value));
    else if (json_is_string(value))
        bl_buf_printf(b, "%s = \"%s\"\n", name, json_string_value(value));
    json_object_foreach((json_t *)(uintptr_t)value, key, level)
        bl_buf_printf(b, "%s_%s = %lld\n", name, key, (long long)json_integer_value(level));
}

/* Rules of one kind. */
static size_t put_kind(bl_buf *b, const bl_tee *tee, const json_t *asked, rule_kind kind)
{
    const char *key;
    json_t     *value;
    char        name[64];
    size_t      n = 0;
    json_object_foreach((json_t *)(uintptr_t)asked, key, value)
    {
        if (kind_of(tee, key, name, sizeof name) != kind)
            continue;
        put_bound(b, name, value);
        n++;
    }
    return n;
}

static void put_bounds(bl_buf *b, const bl_tee *tee, const json_t *asked)
{
    bl_buf_printf(b, "[%s.minimum]\n", tee->name);
    put_kind(b, tee, asked, MINIMUM);
    bl_buf_printf(b, "[%s.maximum]\n", tee->name);
    if (has_fact(tee, "vmpl") && !json_object_get(asked, "max_vmpl"))
        bl_buf_add_str(b, "vmpl = 3\n");
    put_kind(b, tee, asked, MAXIMUM);
    bl_buf_printf(b, "[%s.equal]\n", tee->name);
    put_kind(b, tee, asked, EQUAL);
}

static void put_reference(bl_buf *b, const bl_tee *tee, const json_t *asked)
{
    const char *key;
    json_t     *value;
    bl_buf_printf(b, "[[%s.reference]]\n", tee->name);
    size_t n = put_kind(b, tee, asked, REFERENCE);
    json_object_foreach(json_object_get(asked, "expect_pcrs"), key, value)
    {
        bl_buf_printf(b, "pcr%s = \"%s\"\n", key, json_string_value(value));
        n++;
    }
    if (n == 0)
        bl_buf_printf(b, "%s = \"any\"\n", tee->registers[0].name);
}

blind_code bl_case_policy(const json_t *one, blind_span ak_spki, bl_buf *out, blind_error *err)
{
    const bl_tee *tee = tee_of(one);
    const json_t *asked = json_object_get(one, "policy");
    if (!tee || !tee->registers)
        return blind_fail(err, BLIND_UNSUPPORTED, STAGE, "no TEE '%.32s' in this build",
                          text_of(one, "tee") ? text_of(one, "tee") : "");
    BL_TRY(check_rules(tee, asked, err));
    bool debug = tee->silent_on_debug || json_is_true(json_object_get(asked, "allow_debug"));
    bl_buf_printf(out,
                  "version = 1\nserver = \"any\"\ntees = [\"%s\"]\nallow_debug = %s\n"
                  "freshness_s = 300000000\n[models]\nothers = \"allow\"\n",
                  tee->name, debug ? "true" : "false");
    BL_TRY(put_rules(out, tee, one, ak_spki, err));
    if (tee->facts)
        put_bounds(out, tee, asked);
    put_reference(out, tee, asked);
    return bl_buf_check(out, STAGE, err);
}

/* ---- the binding ---- */

blind_code bl_case_expect(const json_t *one, uint8_t bytes[64], blind_expect *out, blind_error *err)
{
    const bl_tee *tee = tee_of(one);
    const char   *key;
    json_t       *value;
    char          name[64];
    *out = (blind_expect){ .to = BLIND_BOUND_UNBOUND };
    json_object_foreach(json_object_get(one, "policy"), key, value)
    {
        const char *hex = json_string_value(value);
        if (!tee || kind_of(tee, key, name, sizeof name) != BINDING)
            continue;
        size_t size = hex ? strlen(hex) / 2 : 0;
        if (size == 0 || size > 64 || !bl_hex_decode(bl_span_str(hex), bytes, size) ||
            out->to == BLIND_BOUND_REPORT_DATA)
            return blind_fail(err, BLIND_INPUT, STAGE, "'%.64s' is not 1 to 64 bytes of hex, once",
                              key);
        *out = (blind_expect){ .to = BLIND_BOUND_REPORT_DATA, .report_data = bl_span(bytes, size) };
    }
    return BLIND_OK;
}
