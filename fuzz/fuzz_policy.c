/* Any text is a policy or refused; a policy's normalised text is one of the same digest. */
#include "blind/policy.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    blind_policy *policy, *again;
    uint8_t       digest[32], second[32];
    if (blind_policy_load_text((blind_span){ data, size }, &policy, NULL) != BLIND_OK)
        return 0;
    const char *text = blind_policy_text(policy);
    if (blind_policy_load_text((blind_span){ (const uint8_t *)text, strlen(text) }, &again, NULL))
        abort();
    blind_policy_digest(policy, digest);
    blind_policy_digest(again, second);
    if (memcmp(digest, second, sizeof digest) != 0)
        abort();
    blind_policy_free(policy);
    blind_policy_free(again);
    return 0;
}
