/* A GPU beside the TEE: required means there, authentic, of this session and in a state that the
 * policy names; each failure has its own check. */
#include "tests/policy/fixture.h"

#include "attest/nvidia/nvidia.h"
#include "attest/parts.h"
#include "policy/rules.h"
#include "tests/attest/nvidia_made.h"

#define SEVENS                                                                                     \
    "070707070707070707070707070707070707070707070707"                                             \
    "070707070707070707070707070707070707070707070707"
#define TOP   "server = \"any\"\ngpu = \"required\"\n"
#define STATE "[[nvidia.reference]]\nname = \"driver 535\"\nm1 = \"" SEVENS "\"\n"

/* How the report that a server sends goes wrong. */
typedef struct {
    gpu_world *gpu;
    bool       other_nonce, unsigned_report, no_chain, in_tee_parts;
} sent;

static void send_gpu(void *arg, const uint8_t nonce[32], bl_buf *report, bl_buf *endorsements)
{
    const sent *s = arg;
    bl_parts    parts = { 0 };
    memcpy(s->gpu->nonce, nonce, 32);
    s->gpu->nonce[0] ^= s->other_nonce;
    gpu_make_usual(s->gpu, report);
    report->data[report->size - 1] ^= s->unsigned_report;
    if (!s->no_chain)
        CHECK_CODE(
            BLIND_OK,
            bl_parts_set(&parts,
                         s->in_tee_parts ? BL_LITERAL("cert_chain") : BL_LITERAL("gpu.cert_chain"),
                         bl_buf_span(&s->gpu->chain), NULL),
            "part");
    CHECK_CODE(BLIND_OK, bl_parts_write(&parts, endorsements, NULL), "parts");
}

/* Judges what `f` sends by `top`, whose GPUs lead to the root of `gpu`. */
static blind_code judge(const fixture *f, const gpu_world *gpu, const char *top, blind_bound to,
                        blind_result **out)
{
    bl_auto_buf            bundle = BL_BUF_EMPTY;
    blind_policy          *policy = fixture_policy(top, NULL);
    blind_expect           expect = fixture_session();
    blind_appraise_options options = fixture_options();
    bl_tee                 row = bl_tee_nvidia;
    row.roots = &gpu->roots;
    if (policy->gpu) /* as compiled in it leads to NVIDIA */
        ((bl_rule_tee *)(uintptr_t)policy->gpu)->row = &row;
    expect.to = to;
    fixture_bundle(f, &bundle);
    blind_code code = blind_appraise(bl_buf_span(&bundle), &expect, policy, &options, out, NULL);
    assert_non_null(*out);
    assert_true(blind_result_text(*out)[0] && blind_result_json(*out)[0]);
    blind_policy_free(policy);
    return code;
}

static blind_state state_of(const blind_result *result, const char *name)
{
    for (size_t i = 0; i < blind_result_checks(result); i++)
        if (strcmp(blind_result_check(result, i)->name, name) == 0)
            return blind_result_check(result, i)->state;
    fail_msg("no check '%s'", name);
    return BLIND_UNKNOWN;
}

TEST(a_gpu_of_this_session_is_accepted)
{
    gpu_world     gpu;
    blind_result *result;
    gpu_init(&gpu);
    sent    s = { .gpu = &gpu };
    fixture f = { .gpu = send_gpu, .gpu_arg = &s };
    CHECK_CODE(BLIND_OK, judge(&f, &gpu, TOP STATE, BLIND_BOUND_SESSION, &result), "accepted");
    assert_int_equal(BLIND_PROVEN, state_of(result, "gpu"));
    assert_int_equal(BLIND_PROVEN, state_of(result, "gpu binding"));
    assert_int_equal(BLIND_PROVEN, state_of(result, "gpu chain"));
    assert_int_equal(BLIND_PROVEN, state_of(result, "gpu measurement"));
    blind_result_free(result);
    CHECK_CODE(BLIND_OK,
               judge(&f, &gpu, TOP "[nvidia.equal]\ndriver_version = \"535.86.09\"\n" STATE,
                     BLIND_BOUND_UNBOUND, &result),
               "a file");
    assert_int_equal(BLIND_PROVEN, state_of(result, "gpu driver_version"));
    assert_int_equal(BLIND_PROVEN, state_of(result, "gpu binding"));
    blind_result_free(result);
    gpu_done(&gpu);
}

/* "any" is a value: it takes every one, and asks for none only where the set asks for nothing. */
TEST(any_takes_every_value_of_a_register_that_is_there)
{
    static const struct {
        const char *set;
        blind_state state;
    } rows[] = {
        { "m1 = \"" SEVENS "\"\nm64 = \"any\"\n", BLIND_PROVEN },
        { "m1 = \"any\"\n", BLIND_UNKNOWN },
        { "m1 = \"any\"\nm2 = \"any\"\n", BLIND_UNKNOWN }, /* nothing is asked for */
    };
    gpu_world gpu;
    gpu_init(&gpu);
    for (size_t i = 0; i < BL_LEN(rows); i++) {
        blind_result *result;
        char          top[512];
        sent          s = { .gpu = &gpu };
        fixture       f = { .gpu = send_gpu, .gpu_arg = &s };
        snprintf(top, sizeof top, TOP "[[nvidia.reference]]\n%s", rows[i].set);
        CHECK_CODE(BLIND_OK, judge(&f, &gpu, top, BLIND_BOUND_SESSION, &result), rows[i].set);
        assert_int_equal(rows[i].state, state_of(result, "gpu measurement"));
        blind_result_free(result);
    }
    gpu_done(&gpu);
}

TEST(each_failure_refuses)
{
    static const struct {
        const char *name, *top, *check;
        sent        s;
        bool        absent, other_root;
        unsigned    lies;
        blind_code  want;
        blind_state state;
    } rows[] = {
        { "none", TOP STATE, "gpu", { 0 }, true, false, 0, BLIND_EVIDENCE, BLIND_REFUTED },
        { "another nonce",
          TOP STATE,
          "gpu binding",
          { .other_nonce = true },
          false,
          false,
          0,
          BLIND_BINDING,
          BLIND_REFUTED },
        { "a wrong signature",
          TOP STATE,
          "gpu signature",
          { .unsigned_report = true },
          false,
          false,
          0,
          BLIND_SIGNATURE,
          BLIND_REFUTED },
        { "no chain",
          TOP STATE,
          "gpu chain",
          { .no_chain = true },
          false,
          false,
          0,
          BLIND_CHAIN,
          BLIND_REFUTED },
        { "another root",
          TOP STATE,
          "gpu chain",
          { 0 },
          false,
          true,
          0,
          BLIND_CHAIN,
          BLIND_REFUTED },
        { "another state",
          TOP "[[nvidia.reference]]\nm2 = \"" SEVENS "\"\n",
          "gpu measurement",
          { 0 },
          false,
          false,
          0,
          BLIND_MEASUREMENT,
          BLIND_REFUTED },
        { "a register of any value that is not there",
          TOP "[[nvidia.reference]]\nm1 = \"" SEVENS "\"\nm2 = \"any\"\n",
          "gpu measurement",
          { 0 },
          false,
          false,
          0,
          BLIND_MEASUREMENT,
          BLIND_REFUTED },
        { "an older driver",
          TOP "[nvidia.minimum]\ndriver_branch = 550\n" STATE,
          "gpu driver_branch",
          { 0 },
          false,
          false,
          0,
          BLIND_MEASUREMENT,
          BLIND_REFUTED },
        { "another driver",
          TOP "[nvidia.equal]\ndriver_version = \"535.86.10\"\n" STATE,
          "gpu driver_version",
          { 0 },
          false,
          false,
          0,
          BLIND_MEASUREMENT,
          BLIND_REFUTED },
        { "a TEE that lies about its binding",
          TOP STATE,
          "gpu binding",
          { 0 },
          false,
          false,
          BL_SIM_LIE_BINDING,
          BLIND_BINDING,
          BLIND_UNKNOWN },
        { "a TEE that nobody signed",
          TOP STATE,
          "gpu binding",
          { 0 },
          false,
          false,
          BL_SIM_LIE_SIGNATURE,
          BLIND_SIGNATURE,
          BLIND_UNKNOWN },
    };
    gpu_world gpu, other;
    gpu_init(&gpu);
    gpu_init(&other);
    for (size_t i = 0; i < BL_LEN(rows); i++) {
        blind_result *result;
        sent          s = rows[i].s;
        s.gpu = &gpu;
        fixture f = { .gpu = rows[i].absent ? NULL : send_gpu,
                      .gpu_arg = &s,
                      .sim_lies = rows[i].lies };
        CHECK_CODE(rows[i].want,
                   judge(&f, rows[i].other_root ? &other : &gpu, rows[i].top, BLIND_BOUND_SESSION,
                         &result),
                   rows[i].name);
        assert_int_equal(rows[i].state, state_of(result, rows[i].check));
        blind_result_free(result);
    }
    gpu_done(&gpu);
    gpu_done(&other);
}

/* A part under the TEE's own name is none of the GPU's, and the simulated TEE has none. */
TEST(parts_belong_to_one_of_the_two)
{
    gpu_world     gpu;
    blind_result *result;
    gpu_init(&gpu);
    sent    s = { .gpu = &gpu, .in_tee_parts = true };
    fixture f = { .gpu = send_gpu, .gpu_arg = &s };
    CHECK_CODE(BLIND_FORMAT, judge(&f, &gpu, TOP STATE, BLIND_BOUND_SESSION, &result), "the TEE's");
    blind_result_free(result);
    gpu_done(&gpu);
}

TEST(a_gpu_that_nobody_asked_for_proves_nothing)
{
    gpu_world     gpu;
    blind_result *result;
    gpu_init(&gpu);
    sent    s = { .gpu = &gpu, .unsigned_report = true };
    fixture f = { .gpu = send_gpu, .gpu_arg = &s };
    CHECK_CODE(BLIND_OK, judge(&f, &gpu, NULL, BLIND_BOUND_SESSION, &result), "not asked");
    assert_int_equal(BLIND_UNKNOWN, state_of(result, "gpu"));
    blind_result_free(result);
    gpu_done(&gpu);
}

TEST(evidence_without_a_bundle_has_no_gpu)
{
    blind_policy          *policy = fixture_policy(TOP STATE, NULL);
    blind_appraise_options options = fixture_options();
    blind_expect           expect = { .to = BLIND_BOUND_UNBOUND };
    blind_result          *result;
    bl_auto_buf            evidence = BL_BUF_EMPTY;
    void                  *device;
    bl_tee_options         tee = { .sim_binary = FIXTURE_BINARY };
    CHECK_CODE(BLIND_OK, bl_tee_sim.open(&tee, &device, NULL), "open");
    CHECK_CODE(BLIND_OK, bl_tee_sim.collect(device, BL_LITERAL("data"), MADE_AT, &evidence, NULL),
               "collect");
    bl_tee_sim.close(device);
    CHECK_CODE(BLIND_EVIDENCE,
               blind_appraise_evidence("sim", bl_buf_span(&evidence), NULL, 0, &expect, policy,
                                       &options, &result, NULL),
               "bare");
    blind_result_free(result);
    blind_policy_free(policy);
}

static blind_code load(const char *text)
{
    blind_policy *policy = NULL;
    blind_code    code = blind_policy_load_text(bl_span_str(text), &policy, NULL);
    if (code == BLIND_OK) { /* its own text says the same */
        blind_policy *again = fixture_policy_text(blind_policy_text(policy));
        assert_string_equal(blind_policy_text(policy), blind_policy_text(again));
        blind_policy_free(again);
    }
    blind_policy_free(policy);
    return code;
}

#define HEAD "version = 1\nserver = \"any\"\n"
#define SIM  "[[sim.reference]]\nmeasurement = \"any\"\n[models]\nothers = \"allow\"\n"

TEST(the_rule_is_closed_or_refused)
{
    static const struct {
        const char *name, *text;
        blind_code  want;
    } rows[] = {
        { "required", HEAD "tees = [\"sim\"]\ngpu = \"required\"\n" SIM STATE, BLIND_OK },
        { "after its table", HEAD "tees = [\"sim\"]\ngpu = \"required\"\n" STATE SIM, BLIND_OK },
        { "listed as well",
          HEAD "tees = [\"sim\", \"nvidia\"]\ngpu = \"required\"\n[nvidia.minimum]\n"
               "driver_branch = 1\n" SIM STATE,
          BLIND_OK },
        { "without a set", HEAD "tees = [\"sim\"]\ngpu = \"required\"\n" SIM, BLIND_POLICY_OPEN },
        { "another word", HEAD "tees = [\"sim\"]\ngpu = \"optional\"\n" SIM STATE, BLIND_POLICY },
        { "a boolean", HEAD "tees = [\"sim\"]\ngpu = true\n" SIM STATE, BLIND_POLICY },
        { "a table without the rule", HEAD "tees = [\"sim\"]\n" SIM STATE, BLIND_POLICY },
        { "a text",
          HEAD "tees = [\"sim\"]\ngpu = \"required\"\n" SIM
               "[nvidia.equal]\nproject = \"a \\\"b\\\" \\u00e9\"\n" STATE,
          BLIND_OK },
        { "an empty text",
          HEAD "tees = [\"sim\"]\ngpu = \"required\"\n" SIM
               "[nvidia.equal]\nproject = \"\"\n" STATE,
          BLIND_POLICY },
        { "a text with a NUL",
          HEAD "tees = [\"sim\"]\ngpu = \"required\"\n" SIM
               "[nvidia.equal]\nproject = \"a\\u0000\"\n" STATE,
          BLIND_POLICY },
        { "a number for a text",
          HEAD "tees = [\"sim\"]\ngpu = \"required\"\n" SIM "[nvidia.equal]\nproject = 1\n" STATE,
          BLIND_POLICY },
        { "an unknown register",
          HEAD "tees = [\"sim\"]\ngpu = \"required\"\n" SIM "[[nvidia.reference]]\nm65 = \"any\"\n",
          BLIND_POLICY_KEY },
    };
    for (size_t i = 0; i < BL_LEN(rows); i++)
        CHECK_CODE(rows[i].want, load(rows[i].text), rows[i].name);
}

TESTS(RUN(a_gpu_of_this_session_is_accepted),
      RUN(any_takes_every_value_of_a_register_that_is_there), RUN(each_failure_refuses),
      RUN(parts_belong_to_one_of_the_two), RUN(a_gpu_that_nobody_asked_for_proves_nothing),
      RUN(evidence_without_a_bundle_has_no_gpu), RUN(the_rule_is_closed_or_refused))
