/* Element types: numbers of every format, and models over types that few kernels know. */
#include "tests/onnx/cases.h"

#include "onnx/number.h"
#include "tests/onnx/protos.h"

#include <math.h>

/* Every code of a format is a number that is stored as the same code again. */
TEST(every_code_comes_back)
{
    static const blind_dtype types[] = { BLIND_F16,        BLIND_BF16,   BLIND_F8E4M3FN,
                                         BLIND_F8E4M3FNUZ, BLIND_F8E5M2, BLIND_F8E5M2FNUZ,
                                         BLIND_I8,         BLIND_U8,     BLIND_I16,
                                         BLIND_U16 };
    for (size_t k = 0; k < BL_LEN(types); k++)
        for (uint32_t code = 0; code < 1u << 8 * blind_dtype_size(types[k]); code++) {
            uint16_t from = (uint16_t)code, to = 0;
            double   value = bl_number_load(types[k], &from);
            bl_number_store(types[k], &to, value, false);
            if (to != from && !isnan(value))
                fail_msg("%s: code %#x is %g, stored as %#x", blind_dtype_name(types[k]), from,
                         value, to);
        }
}

/* The rows agree with what is done one by one, between any two neighbours too. */
TEST(rows_round_as_single_numbers_do)
{
    static const blind_dtype types[] = { BLIND_F16, BLIND_BF16 };
    for (size_t k = 0; k < BL_LEN(types); k++)
        for (uint32_t code = 0; code < 1u << 16; code++) {
            uint16_t here = (uint16_t)code, next = (uint16_t)(code + 1), one, row;
            float    wide[2];
            bl_widen_row(types[k], &wide[0], &here, 1);
            bl_widen_row(types[k], &wide[1], &next, 1);
            double exact = bl_number_load(types[k], &here);
            CHECK((double)wide[0] == exact || (isnan(wide[0]) && isnan(exact)));
            for (int part = 0; part <= 4 && !isnan(exact); part++) {
                float between = wide[0] + (wide[1] - wide[0]) * 0.25f * (float)part;
                if (isinf(wide[0]) || isinf(wide[1]) || isnan(wide[1]))
                    between = wide[0] * (1 + 0.0005f * (float)part);
                bl_number_store(types[k], &one, (double)between, false);
                bl_narrow_row(types[k], &row, &between, 1);
                if (one != row)
                    fail_msg("%s: %g becomes %#x alone and %#x in a row",
                             blind_dtype_name(types[k]), (double)between, one, row);
            }
        }
}

TEST(what_does_not_fit_an_integer)
{
    int8_t   i8;
    uint64_t u64;
    int64_t  i64;
    bl_number_store(BLIND_I8, &i8, 300, true);
    CHECK(i8 == 127);
    bl_number_store(BLIND_I8, &i8, -300, true);
    CHECK(i8 == -128);
    bl_number_store(BLIND_I8, &i8, -2.7, true);
    CHECK(i8 == -2);
    bl_number_store(BLIND_U64, &u64, 1e30, true);
    CHECK(u64 == UINT64_MAX);
    bl_number_store(BLIND_U64, &u64, -1, true);
    CHECK(u64 == 0);
    bl_number_store(BLIND_I64, &i64, 1e30, true);
    CHECK(i64 == INT64_MAX);
    bl_number_store(BLIND_I64, &i64, -1e30, true);
    CHECK(i64 == INT64_MIN);
    bl_number_store(BLIND_I64, &i64, (double)NAN, true);
    CHECK(i64 == 0);
}

static void run_case(const onnx_case *c, const bl_onnx_options *options)
{
    bl_onnx     *model;
    bl_onnx_run *run;
    blind_error  err = { 0 };
    char         why[200];
    if (bl_onnx_open(c->model, options, &model, &err) != BLIND_OK)
        fail_msg("%s: %s", c->name, err.message);
    if (bl_onnx_run_new(model, c->inputs, c->n_inputs, &run, &err) != BLIND_OK)
        fail_msg("%s: %s", c->name, err.message);
    if (bl_onnx_run_step(run, 0, &err) != BLIND_OK)
        fail_msg("%s: %s", c->name, err.message);
    for (size_t i = 0; i < c->n_outputs; i++)
        if (!case_tensors_equal(&c->outputs[i], bl_onnx_run_output(run, i), why, sizeof why))
            fail_msg("%s: output %zu%s: %s", c->name, i, options->plain ? ", plain" : "", why);
    bl_onnx_run_free(run);
    bl_onnx_close(model);
}

TEST(models_over_every_type)
{
    bl_auto_buf file = BL_BUF_EMPTY;
    CHECK_CODE(BLIND_OK, bl_file_read("tests/onnx/data/types.bin", 64u << 20, &file, NULL),
               "cases");
    bl_reader r = { .rest = bl_buf_span(&file) };
    for (bool more = true; more;) {
        bl_auto_arena arena = BL_ARENA_EMPTY;
        onnx_case     c;
        more = case_next(&r, &arena, &c);
        for (int plain = 0; more && plain < 2; plain++)
            run_case(&c, &(bl_onnx_options){ .isa = bl_isa_best(), .plain = plain != 0 });
    }
}

/* A chain of operators in F16 computes in F32: converted where it comes in and where it leaves. */
TEST(chains_do_not_convert_back_and_forth)
{
    bl_auto_buf   file = BL_BUF_EMPTY;
    bl_auto_arena arena = BL_ARENA_EMPTY;
    onnx_case     c;
    bl_onnx      *model;
    CHECK_CODE(BLIND_OK, bl_file_read("tests/onnx/data/types.bin", 64u << 20, &file, NULL),
               "cases");
    bl_reader r = { .rest = bl_buf_span(&file) };
    CHECK(case_next(&r, &arena, &c) && strcmp(c.name, "half_product_chain") == 0);
    CHECK_CODE(BLIND_OK, bl_onnx_open(c.model, NULL, &model, NULL), "open");
    CHECK(bl_onnx_cost_of(model).nodes == 3); /* in, product with bias and Relu, out */
    bl_onnx_close(model);
}

TESTS(RUN(every_code_comes_back), RUN(rows_round_as_single_numbers_do),
      RUN(what_does_not_fit_an_integer), RUN(models_over_every_type),
      RUN(chains_do_not_convert_back_and_forth))
