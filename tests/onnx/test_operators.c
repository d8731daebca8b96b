/* Every operator and a few networks give numpy's and PyTorch's outputs: on each instruction set,
 * with and without fusion, on one thread and on two. */
#include "tests/onnx/cases.h"

#include <math.h>

static bool equal_floats(const blind_tensor *want, const blind_tensor *got)
{
    const float *a = want->data, *b = got->data;
    for (size_t i = 0; i < want->size / sizeof *a; i++) {
        float room = 1e-4f + 1e-3f * fabsf(a[i]);
        if (!(fabsf(a[i] - b[i]) <= room) && !(isnan(a[i]) && isnan(b[i])) && a[i] != b[i])
            return false;
    }
    return true;
}

static bool equal_doubles(const blind_tensor *want, const blind_tensor *got)
{
    const double *a = want->data, *b = got->data;
    for (size_t i = 0; i < want->size / sizeof *a; i++)
        if (!(fabs(a[i] - b[i]) <= 1e-6 + 1e-6 * fabs(a[i])) && !(isnan(a[i]) && isnan(b[i])) &&
            a[i] != b[i])
            return false;
    return true;
}

static bool equal(const blind_tensor *want, const blind_tensor *got)
{
    if (want->dtype != got->dtype || want->rank != got->rank || want->size != got->size)
        return false;
    for (int i = 0; i < want->rank; i++)
        if (want->shape[i] != got->shape[i])
            return false;
    if (want->dtype == BLIND_F32)
        return equal_floats(want, got);
    if (want->dtype == BLIND_F64)
        return equal_doubles(want, got);
    return want->size == 0 || memcmp(want->data, got->data, want->size) == 0;
}

static void run_case(const onnx_case *c, const bl_onnx_options *options)
{
    bl_onnx     *model;
    blind_error  err = { 0 };
    bl_onnx_run *run;
    if (bl_onnx_open(c->model, options, &model, &err) != BLIND_OK)
        fail_msg("%s: %s", c->name, err.message);
    for (int again = 0; again < 2; again++) { /* the second run takes over the first one's memory */
        if (bl_onnx_run_new(model, c->inputs, c->n_inputs, &run, &err) != BLIND_OK)
            fail_msg("%s: %s", c->name, err.message);
        if (bl_onnx_run_step(run, 0, &err) != BLIND_OK)
            fail_msg("%s: %s", c->name, err.message);
        for (size_t i = 0; i < c->n_outputs; i++)
            if (!equal(&c->outputs[i], bl_onnx_run_output(run, i)))
                fail_msg("%s: output %zu differs (%s%s)", c->name, i, bl_isa_name(options->isa),
                         options->plain ? ", plain" : "");
        CHECK(!bl_onnx_run_output(run, c->n_outputs));
        bl_onnx_run_free(run);
    }
    bl_onnx_close(model);
}

static void run_file(const char *path, bl_isa isa, int threads)
{
    bl_auto_buf file = BL_BUF_EMPTY;
    bl_reader   r;
    bl_pool    *pool;
    cases_open_file(path, &file, &r);
    CHECK_CODE(BLIND_OK, bl_pool_new(threads, &pool, NULL), "pool");
    for (bool more = true; more;) {
        bl_auto_arena arena = BL_ARENA_EMPTY;
        onnx_case     c;
        more = case_next(&r, &arena, &c);
        for (int plain = 0; more && plain < 2; plain++)
            run_case(&c, &(bl_onnx_options){ .pool = pool, .isa = isa, .plain = plain != 0 });
    }
    bl_pool_free(pool);
}

static void run_all(bl_isa isa, int threads)
{
    run_file("tests/onnx/data/cases.bin", isa, threads);
    run_file("tests/onnx/data/vision.bin", isa, threads);
}

TEST(every_case_on_every_instruction_set)
{
    for (int isa = 0; isa < BL_ISA_COUNT; isa++)
        if (bl_isa_usable((bl_isa)isa))
            run_all((bl_isa)isa, 1);
}

TEST(every_case_on_two_threads)
{
    run_all(bl_isa_best(), 2);
}

TEST(a_run_yields_between_nodes)
{
    bl_auto_arena arena = BL_ARENA_EMPTY;
    onnx_case     c;
    bl_onnx      *model;
    bl_onnx_run  *run, *other;
    size_t        steps = 1;
    case_model(&arena, "attention_add", &c);
    CHECK_CODE(BLIND_OK, bl_onnx_open(c.model, NULL, &model, NULL), "open");
    CHECK_CODE(BLIND_OK, bl_onnx_run_new(model, c.inputs, c.n_inputs, &run, NULL), "run");
    CHECK_CODE(BLIND_OK, bl_onnx_run_new(model, c.inputs, c.n_inputs, &other, NULL), "second run");
    while (bl_onnx_run_step(run, 1, NULL) == BLIND_AGAIN) {
        CHECK(bl_onnx_run_step(other, 1, NULL) != BLIND_INPUT); /* neither disturbs the other */
        steps++;
    }
    CHECK(steps > 5 && steps == bl_onnx_cost_of(model).nodes);
    CHECK(equal(&c.outputs[0], bl_onnx_run_output(run, 0)));
    CHECK_CODE(BLIND_OK, bl_onnx_run_step(other, 0, NULL), "the rest of the second run");
    CHECK(equal(&c.outputs[0], bl_onnx_run_output(other, 0)));
    bl_onnx_run_free(other);
    bl_onnx_run_free(run);
    bl_onnx_close(model);
}

/* More shapes than plans are kept, with runs of all of them under way. */
TEST(plans_follow_the_shapes)
{
    enum { SHAPES = 12 };
    bl_auto_arena arena = BL_ARENA_EMPTY;
    onnx_case     c;
    bl_onnx      *model;
    bl_onnx_run  *runs[SHAPES];
    float        *x = bl_arena_array(&arena, SHAPES * 17, sizeof *x);
    case_model(&arena, "relu", &c);
    for (size_t i = 0; i < SHAPES * 17; i++)
        x[i] = (float)i - 50;
    CHECK_CODE(BLIND_OK, bl_onnx_open(c.model, NULL, &model, NULL), "open");
    for (int64_t n = 0; n < SHAPES; n++) {
        blind_tensor t = { .name = "i0",
                           .dtype = BLIND_F32,
                           .rank = 2,
                           .shape = { n, 17 },
                           .data = x,
                           .size = (size_t)n * 17 * 4 };
        CHECK_CODE(BLIND_OK, bl_onnx_run_new(model, &t, 1, &runs[n], NULL), "run");
    }
    for (size_t n = 0; n < SHAPES; n++) {
        CHECK_CODE(BLIND_OK, bl_onnx_run_step(runs[n], 0, NULL), "step");
        const blind_tensor *out = bl_onnx_run_output(runs[n], 0);
        CHECK(out->shape[0] == (int64_t)n && out->shape[1] == 17);
        for (size_t i = 0; i < n * 17; i++)
            CHECK(((const float *)out->data)[i] == (i < 50 ? 0 : (float)i - 50));
        bl_onnx_run_free(runs[n]);
    }
    bl_onnx_close(model);
}

TESTS(RUN(every_case_on_every_instruction_set), RUN(every_case_on_two_threads),
      RUN(a_run_yields_between_nodes), RUN(plans_follow_the_shapes))
