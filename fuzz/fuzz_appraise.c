/* Bundles that nobody signed for this session are never accepted, whatever the policy and the
 * expectation allow, and every refusal can be read. */
#include "blind/appraise.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char text[] =
    "version = 1\nserver = \"any\"\ntees = [\"sim\"]\nallow_debug = true\n"
    "[[sim.reference]]\nmeasurement = \"any\"\n[models]\nothers = \"allow\"\nabsent = \"allow\"\n";

static blind_policy *policy(void)
{
    static blind_policy *loaded;
    blind_span           bytes = { (const uint8_t *)text, sizeof text - 1 };
    if (!loaded && blind_policy_load_text(bytes, &loaded, NULL) != BLIND_OK)
        abort();
    return loaded;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    blind_expect           expect = { .to = BLIND_BOUND_SESSION };
    blind_appraise_options options = { .simulation = true,
                                       .debug_mode = true,
                                       .now_s = 1700000000 };
    blind_result          *result;
    blind_error            err;
    if (blind_appraise((blind_span){ data, size }, &expect, policy(), &options, &result, &err) ==
            BLIND_OK ||
        !result || !blind_result_text(result)[0] || !blind_result_json(result)[0])
        abort();
    blind_result_free(result);
    return 0;
}
