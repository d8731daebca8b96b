/* A recorded case's question, as `blind conformance` asks it. */
#include "conformance/case.h"
#include "tests/attest/cases.h"

#include <stdio.h>
#include <stdlib.h>

blind_code case_ask(const recorded *c, blind_cache *cache, case_question *out, blind_error *err)
{
    bl_auto_buf toml = BL_BUF_EMPTY;
    blind_error why;
    *out = (case_question){ .options = { .now_s = c->now_s, .cache = cache } };
    if (bl_case_policy(c->json, case_file(c, "ak_spki"), &toml, &why) != BLIND_OK ||
        bl_case_expect(c->json, out->bytes, &out->expect, &why) != BLIND_OK) {
        fprintf(stderr, "%s: %s\n", c->id, why.message);
        abort();
    }
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
