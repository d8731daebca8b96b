/* The normalised text of a policy, its digest, and what it leaves open. */
#include "crypto/hash.h"
#include "policy/rules.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

/* A TOML basic string.  Source: TOML 1.0.0, "String". */
static void put_string(bl_buf *b, const char *s)
{
    bl_buf_add_str(b, "\"");
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;
        if (c == '"' || c == '\\')
            bl_buf_printf(b, "\\%c", c);
        else if (c < 0x20 || c == 0x7f)
            bl_buf_printf(b, "\\u%04x", c);
        else
            bl_buf_add_u8(b, c);
    }
    bl_buf_add_str(b, "\"");
}

static void put_hex(bl_buf *b, const uint8_t *bytes, size_t size)
{
    bl_buf_add_str(b, "\"");
    for (size_t i = 0; i < size; i++)
        bl_buf_printf(b, "%02x", bytes[i]);
    bl_buf_add_str(b, "\"");
}

static void put_time(bl_buf *b, int64_t at_s)
{
    time_t    at = (time_t)at_s;
    struct tm utc = { 0 };
    (void)gmtime_r(&at, &utc);
    bl_buf_printf(b, "not_after = %04d-%02d-%02dT%02d:%02d:%02dZ\n", utc.tm_year + 1900,
                  utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec);
}

static void put_tees(bl_buf *b, const blind_policy *p)
{
    bl_buf_add_str(b, "tees = [");
    for (size_t i = 0; i < p->tees_len; i++) {
        bl_buf_add_str(b, i ? ", " : "");
        put_string(b, p->tees[i].tee);
    }
    bl_buf_add_str(b, "]\n");
}

static void put_require(bl_buf *b, const blind_policy *p)
{
    const char *before = "";
    bl_buf_add_str(b, "require = [");
    for (size_t i = 0; i < BL_REQUIREMENT_COUNT; i++)
        if (p->require[i]) {
            bl_buf_add_str(b, before);
            put_string(b, bl_requirement_names[i]);
            before = ", ";
        }
    bl_buf_add_str(b, "]\n");
}

static void put_set(bl_buf *b, const char *tee, const bl_rule_set *set)
{
    bl_buf_printf(b, "\n[[%s.reference]]\nname = ", tee);
    put_string(b, set->name);
    for (size_t i = 0; i < set->registers_len; i++) {
        const bl_rule_register *reg = &set->registers[i];
        bl_buf_printf(b, "\n%s = ", reg->name);
        if (reg->any)
            bl_buf_add_str(b, "\"any\"");
        else
            put_hex(b, reg->value, reg->size);
    }
    bl_buf_add_str(b, "\n");
}

static void put_models(bl_buf *b, const blind_policy *p)
{
    bl_buf_printf(b, "\n[models]\nothers = \"%s\"\nabsent = \"%s\"\n",
                  p->others ? "allow" : "refuse", p->absent ? "allow" : "refuse");
    for (size_t i = 0; i < p->models_len; i++) {
        put_string(b, p->models[i].name);
        bl_buf_add_str(b, " = ");
        put_hex(b, p->models[i].sha256, 32);
        bl_buf_add_str(b, "\n");
    }
}

/* BlindAI's keys, as its tools write them. */
static void put_sgx(bl_buf *b, const bl_rule_sgx *s)
{
    bl_buf_add_str(b, "mr_enclave = ");
    put_hex(b, s->mr_enclave, sizeof s->mr_enclave);
    bl_buf_printf(b, "\nmisc_select_hex = \"0x%" PRIx32 "\"\nmisc_mask_hex = \"0x%" PRIx32 "\"\n",
                  s->misc_select, s->misc_mask);
    bl_buf_printf(b, "attributes_flags_hex = \"0x%" PRIx64 "\"\n", s->flags);
    bl_buf_printf(b, "attributes_xfrm_hex = \"0x%" PRIx64 "\"\n", s->xfrm);
    bl_buf_printf(b, "attributes_mask_flags_hex = \"0x%" PRIx64 "\"\n", s->flags_mask);
    bl_buf_printf(b, "attributes_mask_xfrm_hex = \"0x%" PRIx64 "\"\n", s->xfrm_mask);
}

static void put_policy(bl_buf *b, const blind_policy *p)
{
    if (p->sgx) {
        put_sgx(b, p->sgx);
        bl_buf_printf(b, "allow_debug = %s\n", p->allow_debug ? "true" : "false");
        return;
    }
    bl_buf_add_str(b, "version = 1\n");
    if (p->not_after_s != INT64_MAX)
        put_time(b, p->not_after_s);
    bl_buf_printf(b, "server = \"%s\"\n", bl_server_rule_name(p->server));
    put_tees(b, p);
    bl_buf_printf(b, "allow_debug = %s\n", p->allow_debug ? "true" : "false");
    bl_buf_printf(b, "freshness_s = %" PRId64 "\n", p->freshness_s);
    put_require(b, p);
    for (size_t i = 0; i < p->tees_len; i++)
        for (size_t k = 0; k < p->tees[i].sets_len; k++)
            put_set(b, p->tees[i].tee, &p->tees[i].sets[k]);
    put_models(b, p);
}

/* ---- warnings ---- */

enum { MAX_WARNINGS = 9 };

static bool accepts(const blind_policy *p, const char *tee)
{
    for (size_t i = 0; i < p->tees_len; i++)
        if (strcmp(p->tees[i].tee, tee) == 0)
            return true;
    return false;
}

static bool any_measurement(const blind_policy *p)
{
    for (size_t i = 0; i < p->tees_len; i++)
        for (size_t k = 0; k < p->tees[i].sets_len; k++)
            for (size_t j = 0; j < p->tees[i].sets[k].registers_len; j++)
                if (p->tees[i].sets[k].registers[j].any)
                    return true;
    return false;
}

static blind_code find_warnings(blind_policy *p, blind_error *err)
{
    const char **list = bl_arena_array(&p->arena, MAX_WARNINGS, sizeof *list);
    size_t       n = 0;
    if (!list)
        return blind_fail(err, BLIND_MEMORY, "policy", "out of memory");
    if (p->sgx)
        list[n++] =
            "BlindAI's form asks for SGX, whose evidence this build does not verify: nothing "
            "satisfies it";
    if (p->server == BLIND_SERVER_ANY)
        list[n++] = "server = \"any\": whose server answers is not checked; another operator's "
                    "genuine enclave with the same code passes";
    if (accepts(p, "sim"))
        list[n++] =
            "tees has \"sim\": simulated evidence is signed by a key that everybody knows; it "
            "passes only where the caller allows simulation";
    if (any_measurement(p))
        list[n++] = "measurement = \"any\": any code passes";
    if (p->allow_debug)
        list[n++] = "allow_debug = true: the host may read and change the enclave's memory";
    if (p->others)
        list[n++] = "models.others = \"allow\": models beside those named may answer";
    if (p->absent)
        list[n++] = "models.absent = \"allow\": a model that is named need not be loaded";
    if (p->not_after_s == INT64_MAX)
        list[n++] = "no not_after: the policy holds for ever";
    if (p->freshness_s > INT64_C(24) * 3600)
        list[n++] = "freshness_s is more than a day: old evidence outside sessions passes";
    p->warnings = list;
    p->warnings_len = n;
    return BLIND_OK;
}

blind_code bl_policy_finish(blind_policy *p, blind_error *err)
{
    bl_auto_buf b = BL_BUF_EMPTY;
    put_policy(&b, p);
    BL_TRY(bl_buf_check(&b, "policy", err));
    p->text = bl_arena_copy(&p->arena, bl_buf_span(&b));
    if (!p->text || bl_sha256(bl_buf_span(&b), p->digest) != BLIND_OK)
        return blind_fail(err, BLIND_MEMORY, "policy", "out of memory");
    return find_warnings(p, err);
}
