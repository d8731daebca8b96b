/* Each allocation of SEV-SNP's verifier and attester fails once: MEMORY, nothing lost. */
#include "tests/alloc.h"
#include "tests/attest/snp_made.h"
#include "tests/attest/tsm_standin.h"

static made     evidence;
static bl_parts parts;

static blind_code verify(void)
{
    bl_claims  claims;
    blind_code code = made_verify(&evidence, &parts, NULL, &claims, NULL);
    bl_arena_done(&evidence.arena);
    /* a signature that cannot be looked at is a wrong one to bl_key_verify() */
    return code == BLIND_SIGNATURE ? BLIND_MEMORY : code;
}

static blind_code verify_cached(void)
{
    bl_claims    claims;
    blind_cache *cache = blind_cache_new(4);
    blind_code   code = cache ? BLIND_OK : BLIND_MEMORY;
    for (int i = 0; i < 2 && code == BLIND_OK; i++)
        code = made_verify(&evidence, &parts, cache, &claims, NULL);
    bl_arena_done(&evidence.arena);
    blind_cache_free(cache);
    return code;
}

TEST(verification_survives_want_of_memory)
{
    made_evidence(&(made_spec){ .vlek = true, .crl = "good" }, &evidence);
    made_parts(&evidence, true, &parts);
    CHECK(fail_each_allocation(verify, "verify") > 10);
    made_done(&evidence);
}

/* Without room to remember, verification goes on: only some failures are told. */
TEST(a_cache_is_no_condition)
{
    made_evidence(&(made_spec){ .crl = "good" }, &evidence);
    made_parts(&evidence, true, &parts);
    CHECK_CODE(BLIND_OK, verify_cached(), "cached");
    made_done(&evidence);
}

static tsm_standin kernel;

static int report(void *context, const uint8_t data[64], unsigned privlevel, bl_buf *out,
                  bl_buf *aux)
{
    (void)context, (void)privlevel;
    bl_buf_add(out, bl_buf_span(&evidence.report));
    made_table(&evidence, true, aux);
    if (!bl_buf_ok(out) || !bl_buf_ok(aux))
        return -12; /* the kernel's own want of memory, ENOMEM */
    memcpy(out->data + 0x50, data, 64);
    return 0;
}

static blind_code collect(void)
{
    void          *device = NULL;
    bl_auto_buf    out = BL_BUF_EMPTY, endorsements = BL_BUF_EMPTY;
    bl_tee_options options = { .tsm_fs = &kernel.fs, .tsm_root = STANDIN_ROOT };
    tsm_standin_init(&kernel, "sev_guest");
    kernel.report = report;
    kernel.has_aux = true;
    kernel.piece = 4096;
    blind_code code = bl_tee_snp.open(&options, &device, NULL);
    if (code == BLIND_OK)
        code = bl_tee_snp.collect(device, BL_LITERAL("data"), 0, &out, NULL);
    if (code == BLIND_OK)
        code = bl_tee_snp.endorse(device, &endorsements, NULL);
    bl_tee_snp.close(device);
    return code;
}

TEST(collection_survives_want_of_memory)
{
    made_evidence(&(made_spec){ 0 }, &evidence);
    CHECK(fail_each_allocation(collect, "collect") > 5);
    made_done(&evidence);
}

TESTS(RUN(verification_survives_want_of_memory), RUN(a_cache_is_no_condition),
      RUN(collection_survives_want_of_memory))
