/* Operators give ONNX Runtime's outputs: the cases of data/recurrent.bin, ml.bin, microsoft.bin,
 * joined.bin and spelled.bin, made by make_ort.py, on each instruction set, with and without
 * fusion, on one thread and two. */
#include "tests/onnx/cases.h"

#include <math.h>

static bool near(double want, double got)
{
    return fabs(want - got) <= 2e-5 + 1e-4 * fabs(want) || want == got ||
           (isnan(want) && isnan(got));
}

static bool equal_values(const blind_tensor *want, const blind_tensor *got)
{
    size_t len = want->size / BL_MAX(blind_dtype_size(want->dtype), (size_t)1);
    for (size_t i = 0; i < len; i++) {
        if (want->dtype == BLIND_F32 &&
            !near(((const float *)want->data)[i], ((const float *)got->data)[i]))
            return false;
        if (want->dtype == BLIND_F64 &&
            !near(((const double *)want->data)[i], ((const double *)got->data)[i]))
            return false;
    }
    return want->dtype == BLIND_F32 || want->dtype == BLIND_F64 || want->size == 0 ||
           memcmp(want->data, got->data, want->size) == 0;
}

static void check(const onnx_case *c, const bl_onnx_options *options, const blind_tensor *want,
                  const blind_tensor *got)
{
    bool same =
        got && want->dtype == got->dtype && want->rank == got->rank && want->size == got->size;
    for (int i = 0; same && i < want->rank; i++)
        same = want->shape[i] == got->shape[i];
    if (!same || !equal_values(want, got))
        fail_msg("%s: output '%s' differs (%s%s)%s", c->name, want->name, bl_isa_name(options->isa),
                 options->plain ? ", plain" : "", same ? "" : ": type or shape");
}

static void run_case(const onnx_case *c, const bl_onnx_options *options)
{
    bl_onnx     *model;
    blind_error  err = { 0 };
    bl_onnx_run *run;
    if (bl_onnx_open(c->model, options, &model, &err) != BLIND_OK)
        fail_msg("%s: %s", c->name, err.message);
    for (int again = 0; again < 2; again++) {
        if (bl_onnx_run_new(model, c->inputs, c->n_inputs, &run, &err) != BLIND_OK ||
            bl_onnx_run_step(run, 0, &err) != BLIND_OK)
            fail_msg("%s: %s", c->name, err.message);
        for (size_t i = 0; i < c->n_outputs; i++)
            check(c, options, &c->outputs[i], case_output(model, run, c->outputs[i].name));
        bl_onnx_run_free(run);
    }
    bl_onnx_close(model);
}

static size_t run_file(const char *path, bl_isa isa, int threads)
{
    bl_auto_buf file = BL_BUF_EMPTY;
    bl_pool    *pool;
    size_t      count = 0;
    bl_reader   r;
    cases_open_file(path, &file, &r);
    CHECK_CODE(BLIND_OK, bl_pool_new(threads, &pool, NULL), "pool");
    for (bool more = true; more; count += more) {
        bl_auto_arena arena = BL_ARENA_EMPTY;
        onnx_case     c;
        more = case_next(&r, &arena, &c);
        for (int plain = 0; more && plain < 2; plain++)
            run_case(&c, &(bl_onnx_options){ .pool = pool, .isa = isa, .plain = plain != 0 });
    }
    bl_pool_free(pool);
    return count;
}

static void run_family(const char *path, size_t least)
{
    for (int isa = 0; isa < BL_ISA_COUNT; isa++)
        if (bl_isa_usable((bl_isa)isa))
            CHECK(run_file(path, (bl_isa)isa, 1) >= least);
    CHECK(run_file(path, bl_isa_best(), 2) >= least);
    CHECK(run_file(path, bl_isa_best(), 5) >= least);
}

TEST(recurrent_layers)
{
    run_family("tests/onnx/data/recurrent.bin", 60);
}

TEST(machine_learning)
{
    run_family("tests/onnx/data/ml.bin", 185);
}

TEST(microsoft)
{
    run_family("tests/onnx/data/microsoft.bin", 95);
}

TEST(joined_nodes)
{
    run_family("tests/onnx/data/joined.bin", 25);
}

TEST(spelled_operators)
{
    run_family("tests/onnx/data/spelled.bin", 39);
}

/* Opens and runs; the code of what fails first. */
static blind_code attempt(const onnx_case *c, blind_error *err)
{
    bl_onnx     *model;
    bl_onnx_run *run;
    blind_code   code = bl_onnx_open(c->model, NULL, &model, err);
    if (code != BLIND_OK)
        return code;
    code = bl_onnx_run_new(model, c->inputs, c->n_inputs, &run, err);
    if (code == BLIND_OK) {
        code = bl_onnx_run_step(run, 0, err);
        bl_onnx_run_free(run);
    }
    bl_onnx_close(model);
    return code;
}

TEST(what_is_broken_is_refused)
{
    bl_auto_buf file = BL_BUF_EMPTY;
    bl_reader   r;
    size_t      count = 0;
    cases_open_file("tests/onnx/data/ml_refused.bin", &file, &r);
    for (bool more = true; more; count += more) {
        bl_auto_arena arena = BL_ARENA_EMPTY;
        onnx_case     c;
        blind_error   err = { 0 };
        more = case_next(&r, &arena, &c);
        blind_code code = more ? attempt(&c, &err) : BLIND_INPUT;
        if (code != BLIND_INPUT && code != BLIND_UNSUPPORTED && code != BLIND_LIMIT)
            fail_msg("%s: %s", c.name, code == BLIND_OK ? "accepted" : err.message);
    }
    CHECK(count > 135);
}

TESTS(RUN(recurrent_layers), RUN(machine_learning), RUN(microsoft), RUN(joined_nodes),
      RUN(spelled_operators), RUN(what_is_broken_is_refused))
