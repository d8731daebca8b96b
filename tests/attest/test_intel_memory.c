/* Each allocation of the verifier of SGX and TDX and of their attesters fails once: MEMORY, nothing
 * lost, nothing accepted. */
#include "tests/alloc.h"
#include "tests/attest/make_intel.h"
#include "tests/attest/tsm_standin.h"

static intel_made made;

/* A key or certificate that could not be read for want of memory is a wrong one to crypto/. */
static blind_code as_memory(blind_code code)
{
    return code == BLIND_SIGNATURE || code == BLIND_CHAIN ? BLIND_MEMORY : code;
}

static blind_code verify(void)
{
    bl_claims  claims;
    blind_code code = intel_verify(&made, NULL, &claims, NULL);
    bl_arena_done(&made.arena);
    made.arena = BL_ARENA_EMPTY;
    return as_memory(code);
}

TEST(verification_survives_want_of_memory)
{
    for (int tdx = 0; tdx < 2; tdx++) {
        intel_plain(&made, tdx);
        made.pck.components[0] = 2; /* out of date: there is something to explain */
        intel_sign(&made);
        CHECK(fail_each_allocation(verify, tdx ? "tdx" : "sgx") > 50);
        intel_done(&made);
    }
}

static tsm_standin kernel;

static int report(void *context, const uint8_t data[64], unsigned privlevel, bl_buf *out,
                  bl_buf *aux)
{
    (void)context, (void)privlevel, (void)aux;
    bl_buf_add(out, bl_buf_span(&made.quote));
    if (!bl_buf_ok(out))
        return -12; /* the kernel's own want of memory, ENOMEM */
    memcpy(out->data + BL_QUOTE_HEADER_SIZE + 520, data, 64);
    return 0;
}

static blind_code collect(void)
{
    void          *device = NULL;
    bl_auto_buf    out = BL_BUF_EMPTY;
    bl_tee_options options = { .tsm_fs = &kernel.fs, .tsm_root = STANDIN_ROOT };
    tsm_standin_init(&kernel, "tdx_guest");
    kernel.report = report;
    kernel.piece = 4096;
    blind_code code = bl_tee_tdx.open(&options, &device, NULL);
    if (code == BLIND_OK)
        code = bl_tee_tdx.collect(device, BL_LITERAL("data"), 0, &out, NULL);
    bl_tee_tdx.close(device);
    return code;
}

TEST(collection_survives_want_of_memory)
{
    intel_plain(&made, true);
    intel_sign(&made);
    CHECK(fail_each_allocation(collect, "collect") > 5);
    intel_done(&made);
}

TESTS(RUN(verification_survives_want_of_memory), RUN(collection_survives_want_of_memory))
