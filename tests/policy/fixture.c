#include "tests/policy/fixture.h"

#include "measure/measure.h"

void fixture_leaf(uint32_t session, uint8_t out[32])
{
    uint8_t exporter[32] = { 0 }, binding[32];
    exporter[0] = (uint8_t)session;
    CHECK_CODE(BLIND_OK, bl_binding(FIXTURE_SPKI, exporter, binding), "binding");
    CHECK_CODE(BLIND_OK, bl_binding_leaf(binding, out), "leaf");
}

static void append(bl_runtime_log *log, bl_log_event event)
{
    CHECK_CODE(BLIND_OK, bl_runtime_log_append(log, &event, NULL, NULL), "append");
}

static void fill_log(const fixture *f, bl_runtime_log *log)
{
    bl_log_event load = { .type = BL_LOG_MODEL_LOAD, .name = BL_LITERAL("digits") };
    append(log, (bl_log_event){ .type = BL_LOG_CONFIG, .sha256 = { 9 } });
    memset(load.sha256, 1, 32);
    load.salted = f->salted;
    if (f->salted) {
        uint8_t plain[32];
        memset(plain, 1, 32);
        CHECK_CODE(BLIND_OK, bl_log_salted(f->salt, plain, load.sha256), "salt");
    }
    if (!f->no_models)
        append(log, load);
    load = (bl_log_event){ .type = BL_LOG_MODEL_LOAD, .name = BL_LITERAL("other") };
    memset(load.sha256, 2, 32);
    if (f->two_models)
        append(log, load);
}

static void collect(const fixture *f, const uint8_t value[32], bl_buf *out)
{
    bl_tee_options options = { .sim_lies = f->sim_lies, .sim_binary = FIXTURE_BINARY };
    void          *device;
    CHECK_CODE(BLIND_OK, bl_tee_sim.open(&options, &device, NULL), "open");
    CHECK_CODE(BLIND_OK, bl_tee_sim.collect(device, bl_span(value, 32), MADE_AT, out, NULL),
               "collect");
    bl_tee_sim.close(device);
}

static void bind(const fixture *f, bl_bundle_binding *b, bl_merkle *tree,
                 uint8_t path[BL_MAX_MERKLE_PATH][32], uint8_t value[32])
{
    uint8_t leaves[3][32];
    for (uint32_t i = 0; i < 3; i++)
        fixture_leaf(i, leaves[i]);
    CHECK_CODE(BLIND_OK, bl_merkle_init(tree, (const uint8_t(*)[32])leaves, 3, NULL), "tree");
    if (f->key_bound) {
        b->to = BL_BOUND_TO_KEY;
        CHECK_CODE(BLIND_OK, bl_sha256(FIXTURE_SPKI, b->root), "spki");
        CHECK_CODE(BLIND_OK, bl_cert_value(FIXTURE_SPKI, &b->log, value), "value");
        return;
    }
    b->to = BL_BOUND_TO_SESSION;
    b->leaves = 3;
    b->index = 1;
    memcpy(b->root, bl_merkle_root(tree), 32);
    b->path = bl_span(path, 32 * bl_merkle_path(tree, 1, path));
    CHECK_CODE(BLIND_OK, bl_report_value(3, b->root, &b->log, value), "value");
}

void fixture_bundle(const fixture *f, bl_buf *out)
{
    bl_runtime_log log;
    bl_bundle      bundle = { .tee = BL_LITERAL("sim") };
    bl_merkle      tree;
    bl_auto_buf    bytes = BL_BUF_EMPTY, evidence = BL_BUF_EMPTY;
    bl_auto_buf    gpu = BL_BUF_EMPTY, endorsements = BL_BUF_EMPTY;
    uint8_t        path[BL_MAX_MERKLE_PATH][32], value[32];
    CHECK_CODE(BLIND_OK, bl_runtime_log_init(&log, NULL), "log");
    fill_log(f, &log);
    CHECK_CODE(BLIND_OK, bl_runtime_log_snapshot(&log, &bundle.binding.log, &bytes, NULL), "log");
    bind(f, &bundle.binding, &tree, path, value);
    collect(f, value, &evidence);
    bl_sim_lie_log(f->sim_lies, &bytes);
    bundle.evidence = bl_buf_span(&evidence);
    bundle.log = bl_buf_span(&bytes);
    if (f->gpu)
        f->gpu(f->gpu_arg, value, &gpu, &endorsements);
    bundle.gpu = bl_buf_span(&gpu);
    bundle.endorsements = bl_buf_span(&endorsements);
    CHECK_CODE(BLIND_OK, bl_bundle_write(&bundle, BL_BUNDLE_WHOLE, out, NULL), "bundle");
    bl_merkle_done(&tree);
    bl_runtime_log_done(&log);
}

blind_expect fixture_session(void)
{
    blind_expect expect = { .to = BLIND_BOUND_SESSION };
    fixture_leaf(1, expect.leaf);
    return expect;
}

blind_appraise_options fixture_options(void)
{
    return (blind_appraise_options){ .simulation = true, .now_s = MADE_AT + 10 };
}

blind_policy *fixture_policy_text(const char *text)
{
    blind_policy *policy;
    blind_error   err;
    if (blind_policy_load_text(bl_span_str(text), &policy, &err) != BLIND_OK)
        fail_msg("%s", err.message);
    return policy;
}

blind_policy *fixture_policy(const char *top, const char *models)
{
    bl_auto_buf text = BL_BUF_EMPTY;
    uint8_t     measurement[48];
    CHECK_CODE(BLIND_OK, bl_measure_sim(FIXTURE_BINARY, measurement, NULL, NULL), "measure");
    bl_buf_printf(&text, "version = 1\ntees = [\"sim\"]\n%s\n", top ? top : "server = \"any\"");
    bl_buf_add_str(&text, "[[sim.reference]]\nname = \"this build\"\nmeasurement = \"");
    for (size_t i = 0; i < sizeof measurement; i++)
        bl_buf_printf(&text, "%02x", measurement[i]);
    bl_buf_printf(&text, "\"\n[models]\n%s\n", models ? models : "others = \"allow\"");
    return fixture_policy_text(bl_buf_cstr(&text));
}
