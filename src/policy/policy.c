/* A loaded policy: owners, digest, text. */
#include "policy/rules.h"

#include <stdlib.h>

#define X(id, name, code) name,
const char *const bl_requirement_names[BL_REQUIREMENT_COUNT] = { BL_REQUIREMENTS(X) };
#undef X

const char *bl_server_rule_name(blind_server_rule rule)
{
    static const char *const names[] = { [BLIND_SERVER_UNSET] = "unset",
                                         [BLIND_SERVER_CA] = "ca",
                                         [BLIND_SERVER_PIN] = "pin",
                                         [BLIND_SERVER_IDENTIFIED] = "ca or pin",
                                         [BLIND_SERVER_ANY] = "any" };
    return rule <= BLIND_SERVER_ANY ? names[rule] : names[BLIND_SERVER_UNSET];
}

bool bl_gpu_is_listed(const blind_policy *policy)
{
    for (size_t i = 0; i < policy->tees_len; i++)
        if (policy->gpu == &policy->tees[i])
            return true;
    return false;
}

blind_policy *blind_policy_share(blind_policy *policy)
{
    atomic_fetch_add(&policy->owners, 1);
    return policy;
}

void blind_policy_free(blind_policy *policy)
{
    if (!policy || atomic_fetch_sub(&policy->owners, 1) > 1)
        return;
    bl_arena_done(&policy->arena);
    free(policy);
}

void blind_policy_digest(const blind_policy *policy, uint8_t out[32])
{
    memcpy(out, policy->digest, 32);
}

const char *blind_policy_text(const blind_policy *policy)
{
    return policy->text;
}

blind_server_rule blind_policy_server(const blind_policy *policy)
{
    return policy->server;
}

int64_t blind_policy_not_after(const blind_policy *policy)
{
    return policy->not_after_s;
}

const char *blind_policy_warning(const blind_policy *policy, size_t i)
{
    return i < policy->warnings_len ? policy->warnings[i] : NULL;
}
