/* A verdict while it is being made, and when it is done. */
#ifndef BL_RESULT_H
#define BL_RESULT_H

#include "attest/bundle.h"
#include "attest/claims.h"
#include "attest/runtime_log.h"
#include "base/arena.h"
#include "blind/appraise.h"
#include "policy/rules.h"

struct blind_result {
    bl_arena            arena; /* holds everything below */
    blind_check        *checks;
    size_t              checks_len, checks_max;
    blind_loaded_model *models;
    size_t              models_len;
    bl_claims           claims; /* its spans are copies in the arena */
    bl_log_state        log;
    bool                authentic;  /* claims were signed by the TEE's key */
    bool                log_proven; /* log and models are those of the report data */
    blind_bound         to;
    blind_identity      identity;
    int64_t             now_s;
    blind_code          code;
    bool                bound;  /* accepted, and bound to a session or a key */
    bool                failed; /* out of memory while explaining */
    uint8_t             policy_digest[32];
    blind_server_rule   server;
    char               *text, *json;
};

/* Adds a check.  `found`, `expected` in the result's arena or static; NULL counts as out of memory.
 */
void bl_result_add(blind_result *result, const char *name, blind_state state, bool asked,
                   blind_code code, const char *expected, const char *found, const char *source);
/* Text in the result's arena; NULL sets `failed`. */
const char *bl_result_printf(blind_result *result, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Hexadecimal of a digest in the arena: `digits` of them and "...", or all with 0. */
const char *bl_result_hex(blind_result *result, blind_span bytes, size_t digits);

/* Whether a check stands in the way of acceptance. */
static inline bool bl_check_fails(const blind_check *c)
{
    return c->asked && c->state != BLIND_PROVEN;
}
/* The failure that is reported; NULL without any. */
const blind_check *bl_result_failure(const blind_result *result);
const char        *bl_state_name(blind_state state); /* "proven" */

/* Render into result->text and ->json; `failed` is set when memory runs out. */
void bl_verdict_text(blind_result *result);
void bl_verdict_json(blind_result *result);

#endif
