/* BlindAI's policy.toml (and manifest.toml), read as its tools wrote it:
 *
 *     mr_enclave = "64 hexadecimal digits"
 *     misc_select_hex, misc_mask_hex                          "0x..." of 32 bits
 *     attributes_flags_hex, attributes_xfrm_hex,
 *     attributes_mask_flags_hex, attributes_mask_xfrm_hex     "0x..." of 64 bits
 *     allow_debug = true | false
 *
 * It accepts SGX enclaves alone.  It says nothing of servers and models: the server must be
 * identified in either way, and any model may be loaded, as with BlindAI. */
#include "policy/load.h"

static const char STAGE[] = "policy.blindai";

static int digit_of(uint8_t c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

static blind_code load_integer(const bl_toml *at, uint64_t most, uint64_t *out, blind_error *err)
{
    blind_span text;
    BL_TRY(bl_load_string(at, &text, err));
    bool ok = text.size > 2 && text.size <= 18 && text.data[0] == '0' && text.data[1] == 'x';
    *out = 0;
    for (size_t i = 2; ok && i < text.size; i++) {
        ok = digit_of(text.data[i]) >= 0;
        *out = *out << 4 | (uint64_t)(digit_of(text.data[i]) & 15);
    }
    if (ok && *out <= most)
        return BLIND_OK;
    return bl_toml_fail(at, err, BLIND_POLICY, STAGE, "expected \"0x...\", at most 0x%llx",
                        (unsigned long long)most);
}

enum { MISC, MISC_MASK, FLAGS, XFRM, FLAGS_MASK, XFRM_MASK, INTEGERS };
static const struct {
    const char *key;
    uint64_t    most;
} integers[INTEGERS] = {
    [MISC] = { "misc_select_hex", UINT32_MAX },
    [MISC_MASK] = { "misc_mask_hex", UINT32_MAX },
    [FLAGS] = { "attributes_flags_hex", UINT64_MAX },
    [XFRM] = { "attributes_xfrm_hex", UINT64_MAX },
    [FLAGS_MASK] = { "attributes_mask_flags_hex", UINT64_MAX },
    [XFRM_MASK] = { "attributes_mask_xfrm_hex", UINT64_MAX },
};

static blind_code load_key(blind_policy *p, bl_rule_sgx *sgx, uint64_t values[INTEGERS],
                           const bl_toml *at, blind_error *err)
{
    if (bl_span_equal(at->key, BL_LITERAL("mr_enclave")))
        return bl_load_hex(at, sgx->mr_enclave, sizeof sgx->mr_enclave, err);
    if (bl_span_equal(at->key, BL_LITERAL("allow_debug")))
        return bl_load_bool(at, &p->allow_debug, err);
    for (size_t i = 0; i < INTEGERS; i++)
        if (bl_span_equal(at->key, bl_span_str(integers[i].key)))
            return load_integer(at, integers[i].most, &values[i], err);
    return bl_load_unknown(at, err);
}

/* Statuses that BlindAI's clients let pass. */
static const char *const statuses[] = { "UpToDate", "SWHardeningNeeded" };

static blind_code load_tee(blind_policy *p, const bl_rule_sgx *sgx, blind_error *err)
{
    bl_rule_tee      *tee = bl_arena_alloc(&p->arena, sizeof *tee);
    bl_rule_set      *set = bl_arena_alloc(&p->arena, sizeof *set);
    bl_rule_register *reg = bl_arena_alloc(&p->arena, sizeof *reg);
    if (!tee || !set || !reg)
        return blind_fail(err, BLIND_MEMORY, STAGE, "out of memory");
    *reg = (bl_rule_register){ .name = "mrenclave", .size = sizeof sgx->mr_enclave };
    memcpy(reg->value, sgx->mr_enclave, sizeof sgx->mr_enclave);
    *set = (bl_rule_set){ "mr_enclave", reg, 1 };
    *tee = (bl_rule_tee){ .tee = "sgx",
                          .row = bl_tee_find(BL_LITERAL("sgx")),
                          .sets = set,
                          .sets_len = 1,
                          .tcb = statuses,
                          .tcb_len = BL_LEN(statuses) };
    p->tees = tee;
    p->tees_len = 1;
    return BLIND_OK;
}

blind_code bl_load_blindai(blind_policy *p, const bl_toml *root, blind_error *err)
{
    bl_rule_sgx *sgx = bl_arena_alloc(&p->arena, sizeof *sgx);
    uint64_t     values[INTEGERS] = { 0 };
    if (!sgx)
        return blind_fail(err, BLIND_MEMORY, STAGE, "out of memory");
    for (const bl_toml *c = root->first; c; c = c->next)
        BL_TRY(load_key(p, sgx, values, c, err));
    for (size_t i = 0; i < INTEGERS; i++)
        if (!bl_toml_get(root, integers[i].key))
            return blind_fail(err, BLIND_POLICY_OPEN, STAGE, "no rule '%s'", integers[i].key);
    sgx->misc_select = (uint32_t)values[MISC];
    sgx->misc_mask = (uint32_t)values[MISC_MASK];
    sgx->flags = values[FLAGS];
    sgx->xfrm = values[XFRM];
    sgx->flags_mask = values[FLAGS_MASK];
    sgx->xfrm_mask = values[XFRM_MASK];
    BL_TRY(load_tee(p, sgx, err));
    p->sgx = sgx;
    p->server = BLIND_SERVER_IDENTIFIED;
    p->freshness_s = BL_FRESHNESS_S;
    p->others = p->absent = true;
    return BLIND_OK;
}
