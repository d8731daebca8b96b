/* Plans, and parts from what was fetched. */
#include "collateral/plan.h"

#include "crypto/x509.h"

#include <stdio.h>

static const char STAGE[] = "collateral.plan";

const bl_sources bl_sources_vendors = {
    .amd = "https://kdsintf.amd.com",
    .intel = "https://api.trustedservices.intel.com",
    .intel_root = "https://certificates.trustedservices.intel.com",
};

static const struct {
    const char *tee;
    blind_code (*plan)(blind_span evidence, const bl_sources *sources, bl_plan *out,
                       blind_error *err);
} tees[] = {
    { "snp", bl_plan_snp },
    { "sgx", bl_plan_intel },
    { "tdx", bl_plan_intel },
};

blind_code bl_plan_for(const char *tee, blind_span evidence, const bl_sources *sources,
                       bl_plan *out, blind_error *err)
{
    *out = (bl_plan){ 0 };
    for (size_t i = 0; i < BL_LEN(tees); i++)
        if (strcmp(tee, tees[i].tee) == 0)
            return tees[i].plan(evidence, sources, out, err);
    return blind_fail(err, BLIND_UNSUPPORTED, STAGE,
                      "nothing to fetch for '%.32s': there are snp, sgx, tdx", tee);
}

blind_code bl_plan_add(bl_plan *plan, const char *base, const char *path, const bl_need *need,
                       blind_error *err)
{
    if (plan->len == BL_MAX_NEEDS)
        return blind_fail(err, BLIND_LIMIT, STAGE, "more than %d files", BL_MAX_NEEDS);
    bl_need *to = &plan->items[plan->len++];
    *to = *need;
    if (snprintf(to->url, sizeof to->url, "%s%s", base, path) >= (int)sizeof to->url)
        return blind_fail(err, BLIND_INPUT, STAGE, "an address that is too long");
    return BLIND_OK;
}

void bl_collateral_done(bl_collateral *collateral)
{
    for (size_t i = 0; i < collateral->len; i++)
        bl_buf_done(&collateral->bytes[i]);
    collateral->len = 0;
}

static blind_code take(bl_collateral *c, const char *part, blind_span bytes, blind_error *err)
{
    if (c->len == BL_LEN(c->bytes))
        return blind_fail(err, BLIND_LIMIT, STAGE, "too many parts");
    bl_buf *own = &c->bytes[c->len++];
    bl_buf_add(own, bytes);
    BL_TRY(bl_buf_check(own, STAGE, err));
    return bl_parts_set(&c->parts, bl_span_str(part), bl_buf_span(own), err);
}

static blind_code take_list(bl_collateral *c, const bl_need *need, blind_span pem, blind_error *err)
{
    bl_auto_chain chain = BL_CHAIN_EMPTY;
    BL_TRY(bl_chain_add(&chain, pem, err));
    if (chain.len != 2)
        return blind_fail(err, BLIND_INPUT, STAGE, "'%s' holds %zu certificates, expected 2",
                          need->name, chain.len);
    BL_TRY(take(c, need->part, bl_x509_der(chain.certs[0]), err));
    return take(c, need->second, bl_x509_der(chain.certs[1]), err);
}

blind_code bl_collateral_take(bl_collateral *c, const bl_need *need, const bl_item *item,
                              blind_error *err)
{
    if (need->header_part)
        BL_TRY(take(c, need->header_part, bl_buf_span(&item->header), err));
    if (need->second)
        return take_list(c, need, bl_buf_span(&item->body), err);
    return take(c, need->part, bl_buf_span(&item->body), err);
}

blind_code bl_collateral_load(bl_collateral *c, const bl_plan *plan, const char *dir,
                              blind_error *err)
{
    for (size_t i = 0; i < plan->len; i++) {
        bl_auto_item item = BL_ITEM_EMPTY;
        BL_TRY(bl_store_read(dir, plan->items[i].name, &item, err));
        BL_TRY(bl_collateral_take(c, &plan->items[i], &item, err));
    }
    return BLIND_OK;
}
