/* Models that one plan per input shape cannot run: strings, shapes that depend on values, control
 * flow.  The cases of data/dynamic.bin, made by make_dynamic.py. */
#include "tests/onnx/cases.h"

static const uint32_t one_tensor = UINT32_MAX;

static void read_strings(blind_span item, bl_arena *arena, blind_tensor *out)
{
    bl_reader r = { .rest = item };
    bl_skip(&r, 3);
    *out = (blind_tensor){ .dtype = BLIND_STRING, .rank = bl_read_u8(&r) };
    for (int i = 0; i < out->rank; i++)
        out->shape[i] = (int64_t)bl_read_le(&r, 8);
    out->size = r.rest.size;
    out->data = bl_arena_copy(arena, r.rest);
}

static void read_item(bl_reader *r, bl_arena *arena, blind_tensor *out)
{
    blind_span item = case_piece(r);
    if (item.size > 3 && memcmp(item.data, "STR", 3) == 0)
        read_strings(item, arena, out);
    else
        CHECK_CODE(BLIND_OK, bl_npy_read(item, arena, out, NULL), "item");
}

static size_t read_values(bl_reader *r, bl_arena *arena, blind_tensor *out)
{
    size_t n = bl_read_u32le(r);
    CHECK(n <= CASE_TENSORS);
    for (size_t i = 0; i < n; i++) {
        const char *name = bl_arena_copy(arena, case_piece(r));
        CHECK(bl_read_u32le(r) == one_tensor);
        read_item(r, arena, &out[i]);
        out[i].name = name;
    }
    return n;
}

static bool next_case(bl_reader *r, bl_arena *arena, onnx_case *out)
{
    if (r->rest.size == 0)
        return false;
    out->name = bl_arena_copy(arena, case_piece(r));
    out->model = case_piece(r);
    out->n_inputs = read_values(r, arena, out->inputs);
    out->n_outputs = read_values(r, arena, out->outputs);
    CHECK(!r->failed);
    return true;
}

static bool equal(const blind_tensor *want, const blind_tensor *got)
{
    if (want->dtype != got->dtype || want->rank != got->rank || want->size != got->size)
        return false;
    for (int i = 0; i < want->rank; i++)
        if (want->shape[i] != got->shape[i])
            return false;
    return want->size == 0 || memcmp(want->data, got->data, want->size) == 0;
}

static void run_case(const onnx_case *c, const bl_onnx_options *options)
{
    bl_onnx     *model;
    bl_onnx_run *run;
    blind_error  err = { 0 };
    if (bl_onnx_open(c->model, options, &model, &err) != BLIND_OK)
        fail_msg("%s: %s", c->name, err.message);
    for (int again = 0; again < 2; again++) {
        if (bl_onnx_run_new(model, c->inputs, c->n_inputs, &run, &err) != BLIND_OK)
            fail_msg("%s: %s", c->name, err.message);
        if (bl_onnx_run_step(run, 0, &err) != BLIND_OK)
            fail_msg("%s: %s", c->name, err.message);
        for (size_t i = 0; i < c->n_outputs; i++)
            if (!equal(&c->outputs[i], bl_onnx_run_output(run, i)))
                fail_msg("%s: output %zu differs", c->name, i);
        bl_onnx_run_free(run);
    }
    bl_onnx_close(model);
}

static void open_cases(bl_buf *file, bl_reader *r)
{
    CHECK_CODE(BLIND_OK, bl_file_read("tests/onnx/data/dynamic.bin", 64u << 20, file, NULL),
               "cases");
    *r = (bl_reader){ .rest = bl_span(file->data, file->size) };
}

TEST(every_case_gives_its_outputs)
{
    bl_auto_buf file = BL_BUF_EMPTY;
    bl_reader   r;
    open_cases(&file, &r);
    for (bool more = true; more;) {
        bl_auto_arena arena = BL_ARENA_EMPTY;
        onnx_case     c;
        more = next_case(&r, &arena, &c);
        for (int plain = 0; more && plain < 2; plain++)
            run_case(&c, &(bl_onnx_options){ .isa = bl_isa_best(), .plain = plain != 0 });
    }
}

TEST(strings_that_are_refused)
{
    bl_auto_buf   file = BL_BUF_EMPTY;
    bl_auto_arena arena = BL_ARENA_EMPTY;
    bl_reader     r;
    onnx_case     c;
    bl_onnx      *model;
    bl_onnx_run  *run;
    open_cases(&file, &r);
    CHECK(next_case(&r, &arena, &c));
    CHECK_CODE(BLIND_OK, bl_onnx_open(c.model, NULL, &model, NULL), "open");
    for (size_t keep = 0; keep <= c.inputs[0].size + 1; keep++) {
        bl_auto_free uint8_t *part = calloc(1, keep + 1);
        blind_tensor          input = c.inputs[0];
        bool                  whole = keep == c.inputs[0].size;
        memcpy(part, input.data, BL_MIN(keep, input.size));
        input.data = part;
        input.size = keep;
        CHECK_CODE(whole ? BLIND_OK : BLIND_INPUT, bl_onnx_run_new(model, &input, 1, &run, NULL),
                   "strings");
        bl_onnx_run_free(run);
    }
    bl_onnx_close(model);
}

TESTS(RUN(every_case_gives_its_outputs), RUN(strings_that_are_refused))
