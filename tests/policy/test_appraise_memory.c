/* Each allocation of ours fails once: MEMORY or a refusal, never acceptance, never a leak. */
#include "tests/policy/fixture.h"

#include "blind/policy.h"

static long countdown = -1; /* allocations until the one that fails; negative: none does */
static bool happened;

static bool fails(void)
{
    if (countdown < 0 || countdown-- > 0)
        return false;
    happened = true;
    return true;
}

/* NOLINTBEGIN(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp): the linker's names. */
void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
void *__real_aligned_alloc(size_t align, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);
void *__wrap_aligned_alloc(size_t align, size_t size);

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}
void *__wrap_calloc(size_t n, size_t size)
{
    return fails() ? NULL : __real_calloc(n, size);
}
void *__wrap_realloc(void *p, size_t size)
{
    return fails() ? NULL : __real_realloc(p, size);
}
void *__wrap_aligned_alloc(size_t align, size_t size)
{
    return fails() ? NULL : __real_aligned_alloc(align, size);
}

/* NOLINTEND(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp) */

static const char text[] = "version = 1\nserver = \"any\"\ntees = [\"sim\"]\n"
                           "require = [\"smt-off\"]\n[[sim.reference]]\nmeasurement = \"any\"\n"
                           "[models]\na = \"" FIXTURE_MODEL "\"\n";

TEST(a_policy_load_survives_each_failure)
{
    long n = 0;
    do {
        blind_policy *policy;
        happened = false;
        countdown = n++;
        blind_code code = blind_policy_load_text(BL_LITERAL(text), &policy, NULL);
        countdown = -1;
        CHECK_CODE(happened ? BLIND_MEMORY : BLIND_OK, code, "load");
        blind_policy_free(policy);
    } while (happened);
    CHECK(n > 3);
}

TEST(an_appraisal_survives_each_failure)
{
    bl_auto_buf            bundle = BL_BUF_EMPTY;
    blind_policy          *policy = fixture_policy(NULL, NULL);
    blind_expect           expect = fixture_session();
    blind_appraise_options options = fixture_options();
    long                   n = 0;
    fixture_bundle(&(fixture){ .two_models = true }, &bundle);
    do {
        blind_result *result;
        happened = false;
        countdown = n++;
        blind_code code =
            blind_appraise(bl_buf_span(&bundle), &expect, policy, &options, &result, NULL);
        bool judged_in_peace = !happened;
        bool read = result && blind_result_text(result)[0] && blind_result_json(result)[0];
        countdown = -1;
        CHECK((code == BLIND_OK) == judged_in_peace);
        CHECK(read == (result != NULL && (!happened || !judged_in_peace)));
        CHECK(result || code == BLIND_MEMORY);
        blind_result_free(result);
    } while (happened);
    CHECK(n > 3);
    blind_policy_free(policy);
}

TESTS(RUN(a_policy_load_survives_each_failure), RUN(an_appraisal_survives_each_failure))
