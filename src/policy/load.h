/* Reading of policies: what the native form and BlindAI's share. */
#ifndef BL_LOAD_H
#define BL_LOAD_H

#include "base/toml.h"
#include "policy/rules.h"

#define BL_MAX_FRESHNESS_S (INT64_C(10) * 366 * 24 * 3600)

blind_code bl_load_unknown(const bl_toml *at, blind_error *err);
blind_code bl_load_string(const bl_toml *at, blind_span *out, blind_error *err);
blind_code bl_load_bool(const bl_toml *at, bool *out, blind_error *err);
blind_code bl_load_hex(const bl_toml *at, uint8_t *out, size_t size, blind_error *err);
/* 1 to 64 printable ASCII characters. */
bool bl_load_is_plain(blind_span text);

/* The table [TEE] of an accepted one, src/policy/policy_tee.c; and what it says when it is missing.
 */
blind_code bl_load_tee(blind_policy *policy, bl_rule_tee *tee, const bl_toml *at, blind_error *err);
blind_code bl_load_tee_defaults(blind_policy *policy, bl_rule_tee *tee, blind_error *err);

/* BlindAI's policy.toml, recognised by its key mr_enclave. */
blind_code bl_load_blindai(blind_policy *policy, const bl_toml *root, blind_error *err);

#endif
