/* Quantised models give ONNX Runtime's outputs: the cases of data/integers.bin, made by
 * make_integers.py, on each instruction set, with and without fusion, on one thread and three.
 * Integers are equal, but for a step of the grid where floats lie between (names "qdq"). */
#include "tests/onnx/cases.h"

#include <math.h>

static bool near(float want, float got)
{
    return fabsf(want - got) <= 1e-4f + 1e-4f * fabsf(want) || (isnan(want) && isnan(got));
}

static bool equal_bytes(const onnx_case *c, const blind_tensor *want, const blind_tensor *got)
{
    int step = strncmp(c->name, "qdq", 3) == 0 ? 1 : 0;
    for (size_t i = 0; i < want->size; i++) {
        int w = ((const uint8_t *)want->data)[i], g = ((const uint8_t *)got->data)[i];
        int apart = want->dtype == BLIND_I8 ? (int8_t)w - (int8_t)g : w - g;
        if (apart > step || -apart > step)
            return false;
    }
    return true;
}

static bool equal_values(const onnx_case *c, const blind_tensor *want, const blind_tensor *got)
{
    if (want->dtype == BLIND_U8 || want->dtype == BLIND_I8)
        return equal_bytes(c, want, got);
    if (want->dtype != BLIND_F32)
        return memcmp(want->data, got->data, want->size) == 0;
    for (size_t i = 0; i < want->size / sizeof(float); i++)
        if (!near(((const float *)want->data)[i], ((const float *)got->data)[i]))
            return false;
    return true;
}

static void check(const onnx_case *c, const bl_onnx_options *options, const blind_tensor *want,
                  const blind_tensor *got)
{
    bool same =
        got && want->dtype == got->dtype && want->rank == got->rank && want->size == got->size;
    for (int i = 0; same && i < want->rank; i++)
        same = want->shape[i] == got->shape[i];
    if (!same || !equal_values(c, want, got))
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

static void run_all(bl_isa isa, int threads)
{
    bl_auto_buf file = BL_BUF_EMPTY;
    bl_pool    *pool;
    bl_reader   r;
    size_t      count = 0;
    cases_open_file("tests/onnx/data/integers.bin", &file, &r);
    CHECK_CODE(BLIND_OK, bl_pool_new(threads, &pool, NULL), "pool");
    for (bool more = true; more; count += more) {
        bl_auto_arena arena = BL_ARENA_EMPTY;
        onnx_case     c;
        more = case_next(&r, &arena, &c);
        for (int plain = 0; more && plain < 2; plain++)
            run_case(&c, &(bl_onnx_options){ .pool = pool, .isa = isa, .plain = plain != 0 });
    }
    CHECK(count > 100);
    bl_pool_free(pool);
}

TEST(quantised_models_give_the_peers_outputs)
{
    for (int isa = 0; isa < BL_ISA_COUNT; isa++)
        if (bl_isa_usable((bl_isa)isa))
            run_all((bl_isa)isa, 1);
    run_all(bl_isa_best(), 3);
}

/* Opens and runs; the code of what fails first. */
static blind_code attempt(const onnx_case *c, bl_isa isa, blind_error *err)
{
    bl_onnx_options options = { .isa = isa, .max_memory = 16u << 20 };
    bl_onnx        *model;
    bl_onnx_run    *run;
    blind_code      code = bl_onnx_open(c->model, &options, &model, err);
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

static bool as_said(const onnx_case *c, blind_code code)
{
    if (strncmp(c->name, "ANY", 3) == 0)
        return code == BLIND_OK || code == BLIND_INPUT || code == BLIND_UNSUPPORTED;
    return code == (strncmp(c->name, "INPUT", 5) == 0 ? BLIND_INPUT : BLIND_UNSUPPORTED);
}

TEST(broken_quantised_models_are_refused_or_harmless)
{
    for (int isa = 0; isa < BL_ISA_COUNT; isa++) {
        bl_auto_buf file = BL_BUF_EMPTY;
        bl_reader   r;
        size_t      count = 0;
        if (!bl_isa_usable((bl_isa)isa))
            continue;
        cases_open_file("tests/onnx/data/integers_refused.bin", &file, &r);
        for (bool more = true; more; count += more) {
            bl_auto_arena arena = BL_ARENA_EMPTY;
            onnx_case     c;
            blind_error   err = { 0 };
            more = case_next(&r, &arena, &c);
            blind_code code = more ? attempt(&c, (bl_isa)isa, &err) : BLIND_OK;
            if (more && !as_said(&c, code))
                fail_msg("%s: %s", c.name, code == BLIND_OK ? "accepted" : err.message);
        }
        CHECK(count > 100);
    }
}

TESTS(RUN(quantised_models_give_the_peers_outputs),
      RUN(broken_quantised_models_are_refused_or_harmless))
