/* Each allocation fails once: evidence that brings its own chain, alone and with a memory. */
#include "tests/alloc.h"
#include "tests/attest/cases.h"
#include "tests/attest/nvidia_made.h"

#include "attest/nitro/nitro.h"

static gpu_world  gpu;
static bl_buf     report;
static blind_span document;

static blind_code verify(const bl_tee *tee, blind_span evidence, const bl_parts *parts,
                         const bl_roots *roots, int64_t now_s, bool remember)
{
    static const bl_verify_rules rules = { 0 };
    bl_auto_arena                arena = BL_ARENA_EMPTY;
    bl_claims                    claims;
    blind_cache                 *cache = remember ? blind_cache_new(2) : NULL;
    bl_verify_input              in = { evidence, parts, now_s, roots, &rules, cache, &arena };
    blind_code code = remember && !cache ? BLIND_MEMORY : tee->verify(&in, &claims, NULL);
    if (code == BLIND_OK && remember)
        code = tee->verify(&in, &claims, NULL);
    blind_cache_free(cache);
    return code;
}

static blind_code verify_gpu(bool remember)
{
    bl_parts parts = { .items = { { BL_LITERAL("cert_chain"), bl_buf_span(&gpu.chain) } },
                       .len = 1 };
    return verify(&bl_tee_nvidia, bl_buf_span(&report), &parts, &gpu.roots, GPU_NOW, remember);
}

static blind_code verify_gpu_once(void)
{
    return verify_gpu(false);
}
static blind_code verify_gpu_twice(void)
{
    return verify_gpu(true);
}

TEST(a_gpu_report_survives_want_of_memory)
{
    gpu_init(&gpu);
    gpu_make_usual(&gpu, &report);
    CHECK(fail_each_allocation(verify_gpu_once, "once") > 3);
    CHECK(fail_each_allocation(verify_gpu_twice, "twice") > 3);
    bl_buf_done(&report);
    gpu_done(&gpu);
}

static int64_t document_s;

static blind_code verify_document(void)
{
    bl_parts parts = { 0 };
    return verify(&bl_tee_nitro, document, &parts, &bl_nitro_roots, document_s, true);
}

TEST(a_nitro_document_survives_want_of_memory)
{
    case_list list;
    recorded  c;
    if (!cases_open(&list))
        return;
    cases_find(&list, "nitro-dstack-2025", &c);
    document = c.evidence;
    document_s = c.now_s;
    CHECK(fail_each_allocation(verify_document, "document") > 3);
    case_done(&c);
    cases_close(&list);
}

TESTS(RUN(a_gpu_report_survives_want_of_memory), RUN(a_nitro_document_survives_want_of_memory))
