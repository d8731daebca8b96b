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

static void put_bounds(bl_buf *b, const bl_rule_tee *tee, bl_bound_kind kind)
{
    bool open = false;
    for (size_t i = 0; i < tee->bounds_len; i++) {
        const bl_rule_bound *bound = &tee->bounds[i];
        if (bound->kind != kind)
            continue;
        if (!open)
            bl_buf_printf(b, "\n[%s.%s]\n", tee->tee, bl_bound_names[kind]);
        open = true;
        bl_buf_printf(b, "%s = ", bound->row->name);
        if (bound->row->kind == BL_FACT_NUMBER)
            bl_buf_printf(b, "%" PRIu64, bound->number);
        else if (bound->row->kind == BL_FACT_FLAG)
            bl_buf_add_str(b, bound->number ? "true" : "false");
        else if (bound->row->kind == BL_FACT_TEXT)
            put_string(b, (const char *)bound->bytes);
        else
            put_hex(b, bound->bytes, bound->size);
        bl_buf_add_str(b, "\n");
    }
}

static void put_digests(bl_buf *b, const char *key, const uint8_t (*digests)[32], size_t len)
{
    bl_buf_printf(b, "%s = [", key);
    for (size_t i = 0; i < len; i++) {
        bl_buf_add_str(b, i ? ", " : "");
        put_hex(b, digests[i], 32);
    }
    bl_buf_add_str(b, "]\n");
}

static void put_verify_rules(bl_buf *b, const bl_rule_tee *tee)
{
    const bl_tee          *row = tee->row;
    const bl_verify_rules *v = &tee->verify;
    if (row->has_collateral)
        bl_buf_printf(b, "collateral = \"%s\"\n", v->no_collateral ? "none" : "required");
    if (row->has_collateral && v->collateral_age_s)
        bl_buf_printf(b, "collateral_age_s = %" PRId64 "\n", v->collateral_age_s);
    if (row->has_crl)
        bl_buf_printf(b, "crl = \"%s\"\n", v->crl_optional ? "optional" : "required");
    if (row->has_sha1)
        bl_buf_printf(b, "allow_sha1 = %s\n", v->allow_sha1 ? "true" : "false");
    if (row->has_pins) {
        put_digests(b, "keys", v->keys, v->keys_len);
        put_digests(b, "authorities", v->authorities, v->authorities_len);
    }
}

static void put_hardware(bl_buf *b, const bl_rule_tee *tee)
{
    if (tee->hardware_len == 0)
        return;
    bl_buf_add_str(b, "hardware = [");
    for (size_t i = 0; i < tee->hardware_len; i++) {
        bl_buf_add_str(b, i ? ", " : "");
        put_hex(b, tee->hardware[i].data, tee->hardware[i].size);
    }
    bl_buf_add_str(b, "]\n");
}

/* Everything that is asked of one TEE; sets and bounds have tables of their own. */
static void put_tee(bl_buf *b, const bl_rule_tee *tee)
{
    if (!tee->row->simulated)
        bl_buf_printf(b, "\n[%s]\n", tee->tee);
    if (tee->tcb_len) {
        bl_buf_add_str(b, "allow_tcb = [");
        for (size_t i = 0; i < tee->tcb_len; i++) {
            bl_buf_add_str(b, i ? ", " : "");
            put_string(b, tee->tcb[i]);
        }
        bl_buf_add_str(b, "]\n");
    }
    put_verify_rules(b, tee);
    put_hardware(b, tee);
    for (size_t i = 0; i < BL_BOUND_KINDS; i++)
        put_bounds(b, tee, (bl_bound_kind)i);
    for (size_t i = 0; i < tee->sets_len; i++)
        put_set(b, tee->tee, &tee->sets[i]);
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
    if (p->gpu)
        bl_buf_add_str(b, "gpu = \"required\"\n");
    bl_buf_printf(b, "allow_debug = %s\n", p->allow_debug ? "true" : "false");
    bl_buf_printf(b, "freshness_s = %" PRId64 "\n", p->freshness_s);
    put_require(b, p);
    for (size_t i = 0; i < p->tees_len; i++)
        put_tee(b, &p->tees[i]);
    if (p->gpu && !bl_gpu_is_listed(p))
        put_tee(b, p->gpu);
    put_models(b, p);
}

/* ---- warnings ---- */

enum { MAX_WARNINGS = 16 };

static bool accepts(const blind_policy *p, const char *tee)
{
    for (size_t i = 0; i < p->tees_len; i++)
        if (strcmp(p->tees[i].tee, tee) == 0)
            return true;
    return false;
}

static bool has_any(const bl_rule_tee *tee)
{
    for (size_t k = 0; k < tee->sets_len; k++)
        for (size_t j = 0; j < tee->sets[k].registers_len; j++)
            if (tee->sets[k].registers[j].any)
                return true;
    return false;
}

static bool any_measurement(const blind_policy *p)
{
    for (size_t i = 0; i < p->tees_len; i++)
        if (has_any(&p->tees[i]))
            return true;
    return p->gpu && has_any(p->gpu);
}

static bool any_rule(const blind_policy *p, bool (*holds)(const bl_rule_tee *tee))
{
    for (size_t i = 0; i < p->tees_len; i++)
        if (p->tees[i].row && holds(&p->tees[i]))
            return true;
    return false;
}

static bool skips_collateral(const bl_rule_tee *tee)
{
    return tee->verify.no_collateral;
}
static bool skips_crl(const bl_rule_tee *tee)
{
    return tee->row->has_crl && tee->verify.crl_optional;
}
static bool takes_sha1(const bl_rule_tee *tee)
{
    return tee->verify.allow_sha1;
}
static bool takes_worse_tcb(const bl_rule_tee *tee)
{
    return tee->tcb_len > 1 || (tee->tcb_len && tee->tcb[0] != tee->row->tcb_statuses[0]);
}

/* A minimum for any field; TEEs without fields have nothing to bound. */
static bool has_no_minimum(const bl_rule_tee *tee)
{
    for (size_t i = 0; i < tee->bounds_len; i++)
        if (tee->bounds[i].kind == BL_BOUND_MINIMUM)
            return false;
    return tee->row->facts != NULL && tee->row->tcb_statuses != NULL;
}

static blind_code find_warnings(blind_policy *p, blind_error *err)
{
    const char **list = bl_arena_array(&p->arena, MAX_WARNINGS, sizeof *list);
    size_t       n = 0;
    if (!list)
        return blind_fail(err, BLIND_MEMORY, "policy", "out of memory");
    if (p->sgx)
        list[n++] = "BlindAI's form lets the TCB status SWHardeningNeeded pass, as its clients did";
    if (p->server == BLIND_SERVER_ANY)
        list[n++] = "server = \"any\": whose server answers is not checked; another operator's "
                    "genuine enclave with the same code passes";
    if (accepts(p, "sim"))
        list[n++] =
            "tees has \"sim\": simulated evidence is signed by a key that everybody knows; it "
            "passes only where the caller allows simulation";
    if (any_measurement(p))
        list[n++] = "a reference set has \"any\": any code passes in that register";
    if (any_rule(p, skips_collateral))
        list[n++] = "collateral = \"none\": neither revocation nor the TCB's status is looked at";
    if (any_rule(p, skips_crl))
        list[n++] = "crl = \"optional\": a revoked key passes where no list is given";
    if (any_rule(p, takes_sha1))
        list[n++] = "allow_sha1 = true: collisions of SHA-1 can be made";
    if (any_rule(p, takes_worse_tcb))
        list[n++] = "allow_tcb allows firmware or microcode with known weaknesses";
    if (any_rule(p, has_no_minimum))
        list[n++] = "no minimum TCB: firmware that was current once is not bounded from below "
                    "beyond its vendor's word";
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
