/* A conformance case's question: whatever can be asked makes a policy that loads or is refused, and
 * a binding of the size that was read. */
#include "base/json.h"
#include "blind/policy.h"
#include "conformance/case.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t key[32];
    bl_auto_json        *one = NULL;
    bl_auto_buf          toml = BL_BUF_EMPTY;
    blind_policy        *policy = NULL;
    blind_expect         expect;
    uint8_t              bytes[64];
    if (bl_json_parse(bl_span(data, size), 1 << 16, &one, NULL) != BLIND_OK)
        return 0;
    if (bl_case_expect(one, bytes, &expect, NULL) == BLIND_OK &&
        expect.to == BLIND_BOUND_REPORT_DATA &&
        (expect.report_data.data != bytes || expect.report_data.size > sizeof bytes))
        abort();
    if (bl_case_policy(one, bl_span(key, sizeof key), &toml, NULL) == BLIND_OK &&
        blind_policy_load_text(bl_buf_span(&toml), &policy, NULL) == BLIND_OK && !policy)
        abort();
    blind_policy_free(policy);
    return 0;
}
