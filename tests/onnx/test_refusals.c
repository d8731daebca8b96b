/* What a model or its inputs must not be: each refused by code, nothing leaked, nothing read out of
 * bounds. */
#include "tests/onnx/cases.h"

#include "base/buf.h"

static blind_code open_only(blind_span model, blind_error *err)
{
    bl_onnx_options options = { .isa = BL_ISA_SCALAR, .max_memory = 16u << 20 };
    bl_onnx        *opened;
    blind_code      code = bl_onnx_open(model, &options, &opened, err);
    CHECK((code == BLIND_OK) == (opened != NULL));
    bl_onnx_close(opened);
    return code;
}

TEST(every_prefix_of_a_model_is_refused_or_harmless)
{
    bl_auto_arena arena = BL_ARENA_EMPTY;
    onnx_case     c;
    blind_span    model = case_model(&arena, "residual_kept_norms", &c);
    for (size_t keep = 0; keep < model.size; keep++) {
        bl_auto_free uint8_t *part = malloc(keep + 1); /* its own, so that ASan sees the end */
        memcpy(part, model.data, keep);
        blind_code code = open_only(bl_span(part, keep), NULL);
        CHECK(code == BLIND_INPUT || code == BLIND_UNSUPPORTED ||
              (code == BLIND_OK && keep > model.size - 64));
    }
}

TEST(a_flipped_byte_never_crashes)
{
    bl_auto_arena arena = BL_ARENA_EMPTY;
    onnx_case     c;
    blind_span    model = case_model(&arena, "attention_where", &c);
    uint8_t      *bytes = (uint8_t *)(uintptr_t)model.data;
    for (size_t i = 0; i < model.size; i += 3) {
        uint8_t keep = bytes[i];
        bytes[i] = (uint8_t)(keep ^ (1u << (i % 8)));
        (void)open_only(model, NULL);
        bytes[i] = keep;
    }
}

/* A model of one node, written by hand: [op_type] over input x, f32 of two axes, opset `opset`. */
static void field(bl_buf *b, unsigned number, blind_span bytes)
{
    bl_buf_add_u8(b, (uint8_t)(number << 3 | 2));
    CHECK(bytes.size < 0x4000);
    bl_buf_add_u8(b, (uint8_t)(bytes.size & 0x7f) | 0x80);
    bl_buf_add_u8(b, (uint8_t)(bytes.size >> 7));
    bl_buf_add(b, bytes);
}

static void text_field(bl_buf *b, unsigned number, const char *text)
{
    field(b, number, bl_span_str(text));
}

typedef struct {
    const char *name, *op_type, *domain, *input, *output;
    uint8_t     opset;
    blind_code  want;
    const char *says;
} model_case;

static const model_case models[] = {
    { "a good one", "Relu", "", "x", "y", 13, BLIND_OK, "" },
    { "an unknown operator", "Frobnicate", "", "x", "y", 13, BLIND_UNSUPPORTED,
      "operator Frobnicate of node 'n', opset 13" },
    { "another domain", "Relu", "com.example", "x", "y", 13, BLIND_UNSUPPORTED,
      "com.example.Relu" },
    { "an operator of fusion", "blind.Gelu", "blind", "x", "y", 13, BLIND_UNSUPPORTED,
      "blind.Gelu" },
    { "no opset", "Relu", "", "x", "y", 0, BLIND_UNSUPPORTED, "opset 0, expected 1 to 22" },
    { "a new opset", "Relu", "", "x", "y", 99, BLIND_UNSUPPORTED, "opset 99" },
    { "an operator newer than the opset", "Mish", "", "x", "y", 13, BLIND_UNSUPPORTED, "Mish" },
    { "an input made by nothing", "Relu", "", "z", "y", 13, BLIND_INPUT, "'z'" },
    { "a node that reads itself", "Relu", "", "y", "y", 13, BLIND_INPUT, "'y'" },
    { "an output made by nothing", "Relu", "", "x", "w", 13, BLIND_INPUT, "'y'" },
    { "a value made twice", "Relu", "", "x", "x", 13, BLIND_INPUT, "twice" },
    { "a control character in a name", "Relu", "", "x", "y\n", 13, BLIND_INPUT, "control" },
    { "too few inputs", "Add", "", "x", "y", 13, BLIND_INPUT, "1 inputs" },
};

static void write_model(bl_buf *out, const model_case *m)
{
    static const uint8_t type[] = { 0x0a, 0x08, 0x08, 0x01, 0x12, 0x04, 0x0a, 0x00, 0x0a, 0x00 };
    bl_auto_buf          node = BL_BUF_EMPTY, graph = BL_BUF_EMPTY, value = BL_BUF_EMPTY;
    bl_auto_buf          opset = BL_BUF_EMPTY, y = BL_BUF_EMPTY;
    text_field(&node, 1, m->input);
    text_field(&node, 2, m->output);
    text_field(&node, 3, "n");
    text_field(&node, 4, m->op_type);
    text_field(&node, 7, m->domain);
    field(&graph, 1, bl_span(node.data, node.size));
    text_field(&value, 1, "x");
    field(&value, 2, bl_span(type, sizeof type));
    field(&graph, 11, bl_span(value.data, value.size));
    text_field(&y, 1, "y");
    field(&graph, 12, bl_span(y.data, y.size));
    bl_buf_add_u8(&opset, 0x10);
    bl_buf_add_u8(&opset, m->opset);
    field(out, 7, bl_span(graph.data, graph.size));
    field(out, 8, bl_span(opset.data, opset.size));
}

TEST(models_that_are_refused)
{
    for (size_t i = 0; i < BL_LEN(models); i++) {
        bl_auto_buf bytes = BL_BUF_EMPTY;
        blind_error err = { 0 };
        write_model(&bytes, &models[i]);
        CHECK_CODE(models[i].want, open_only(bl_span(bytes.data, bytes.size), &err),
                   models[i].name);
        if (!strstr(err.message, models[i].says))
            fail_msg("%s: '%s' says nothing of '%s'", models[i].name, err.message, models[i].says);
    }
}

TEST(inputs_that_are_refused)
{
    bl_auto_arena arena = BL_ARENA_EMPTY;
    onnx_case     c;
    bl_onnx      *model;
    float         data[16] = { 0 };
    static const struct {
        const char  *what;
        blind_tensor input;
        size_t       len;
        blind_code   want;
    } cases[] = {
        { "good", { "i0", BLIND_F32, 2, { 2, 3 }, NULL, 24 }, 1, BLIND_OK },
        { "none", { "i0", BLIND_F32, 2, { 2, 3 }, NULL, 24 }, 0, BLIND_INPUT },
        { "another name", { "i9", BLIND_F32, 2, { 2, 3 }, NULL, 24 }, 1, BLIND_INPUT },
        { "no name", { NULL, BLIND_F32, 2, { 2, 3 }, NULL, 24 }, 1, BLIND_INPUT },
        { "another type", { "i0", BLIND_I32, 2, { 2, 3 }, NULL, 24 }, 1, BLIND_INPUT },
        { "another rank", { "i0", BLIND_F32, 1, { 6 }, NULL, 24 }, 1, BLIND_INPUT },
        { "too few bytes", { "i0", BLIND_F32, 2, { 2, 3 }, NULL, 23 }, 1, BLIND_INPUT },
        { "too many bytes", { "i0", BLIND_F32, 2, { 2, 3 }, NULL, 25 }, 1, BLIND_INPUT },
        { "negative", { "i0", BLIND_F32, 2, { -2, -3 }, NULL, 24 }, 1, BLIND_INPUT },
        { "overflow", { "i0", BLIND_F32, 2, { INT64_MAX, 5 }, NULL, 24 }, 1, BLIND_INPUT },
        { "a rank beyond all", { "i0", BLIND_F32, 99, { 2, 3 }, NULL, 24 }, 1, BLIND_INPUT },
    };
    case_model(&arena, "relu", &c);
    CHECK_CODE(BLIND_OK, bl_onnx_open(c.model, NULL, &model, NULL), "open");
    for (size_t i = 0; i < BL_LEN(cases); i++) {
        bl_onnx_run *run;
        blind_tensor input = cases[i].input;
        input.data = data;
        CHECK_CODE(cases[i].want, bl_onnx_run_new(model, &input, cases[i].len, &run, NULL),
                   cases[i].what);
        bl_onnx_run_free(run);
    }
    bl_onnx_close(model);
}

TEST(an_index_out_of_range_fails_the_run)
{
    bl_auto_arena arena = BL_ARENA_EMPTY;
    onnx_case     c;
    bl_onnx      *model;
    bl_onnx_run  *run;
    blind_error   err;
    case_model(&arena, "gather_rows", &c);
    ((int64_t *)c.inputs[0].data)[2] = 9;
    CHECK_CODE(BLIND_OK, bl_onnx_open(c.model, NULL, &model, NULL), "open");
    CHECK_CODE(BLIND_OK, bl_onnx_run_new(model, c.inputs, 1, &run, NULL), "run");
    CHECK_CODE(BLIND_INPUT, bl_onnx_run_step(run, 0, &err), "step");
    CHECK_CODE(BLIND_INPUT, bl_onnx_run_step(run, 0, &err), "a step after it");
    bl_onnx_run_free(run);
    ((int64_t *)c.inputs[0].data)[2] = 0; /* the model still serves others */
    CHECK_CODE(BLIND_OK, bl_onnx_run_new(model, c.inputs, 1, &run, NULL), "run");
    CHECK_CODE(BLIND_OK, bl_onnx_run_step(run, 0, &err), "step");
    bl_onnx_run_free(run);
    bl_onnx_close(model);
}

TEST(a_division_by_zero_fails_the_run)
{
    bl_auto_arena arena = BL_ARENA_EMPTY;
    onnx_case     c;
    bl_onnx      *model;
    bl_onnx_run  *run;
    case_model(&arena, "div_int64", &c);
    ((int64_t *)c.inputs[1].data)[0] = 0;
    CHECK_CODE(BLIND_OK, bl_onnx_open(c.model, NULL, &model, NULL), "open");
    CHECK_CODE(BLIND_OK, bl_onnx_run_new(model, c.inputs, c.n_inputs, &run, NULL), "run");
    CHECK_CODE(BLIND_INPUT, bl_onnx_run_step(run, 0, NULL), "step");
    bl_onnx_run_free(run);
    bl_onnx_close(model);
}

TEST(memory_is_bounded)
{
    bl_auto_arena   arena = BL_ARENA_EMPTY;
    onnx_case       c;
    bl_onnx        *model;
    bl_onnx_run    *run;
    bl_onnx_options options = { .isa = BL_ISA_SCALAR, .max_memory = 1u << 20 };
    blind_tensor    input = {
           .name = "i0", .dtype = BLIND_F32, .rank = 2, .shape = { 1 << 10, 1 << 9 }, .size = 4u << 19
    };
    case_model(&arena, "relu", &c);
    input.data = bl_arena_alloc(&arena, input.size);
    CHECK_CODE(BLIND_OK, bl_onnx_open(c.model, &options, &model, NULL), "open");
    CHECK_CODE(BLIND_LIMIT, bl_onnx_run_new(model, &input, 1, &run, NULL), "run");
    bl_onnx_close(model);
}

/* Attributes and inputs of operators that no output could be right for: each case's name begins
 * with the code that it ends in.  Made by make_vision.py. */
TEST(values_that_are_refused)
{
    bl_auto_buf     file = BL_BUF_EMPTY;
    bl_reader       r;
    bl_onnx_options options = { .isa = BL_ISA_SCALAR, .max_memory = 64u << 20 };
    cases_open_file("tests/onnx/data/refused.bin", &file, &r);
    for (bool more = true; more;) {
        bl_auto_arena arena = BL_ARENA_EMPTY;
        onnx_case     c;
        bl_onnx      *model;
        bl_onnx_run  *run = NULL;
        blind_error   err = { 0 };
        more = case_next(&r, &arena, &c);
        if (!more)
            break;
        blind_code code = bl_onnx_open(c.model, &options, &model, &err);
        if (code == BLIND_OK)
            code = bl_onnx_run_new(model, c.inputs, c.n_inputs, &run, &err);
        if (code == BLIND_OK)
            code = bl_onnx_run_step(run, 0, &err);
        const char *got = blind_code_name(code);
        if (strncmp(c.name, got, strlen(got)) != 0)
            fail_msg("%s: %s, %s", c.name, got, err.message);
        bl_onnx_run_free(run);
        bl_onnx_close(model);
    }
}

TESTS(RUN(every_prefix_of_a_model_is_refused_or_harmless), RUN(a_flipped_byte_never_crashes),
      RUN(models_that_are_refused), RUN(inputs_that_are_refused),
      RUN(an_index_out_of_range_fails_the_run), RUN(a_division_by_zero_fails_the_run),
      RUN(memory_is_bounded), RUN(values_that_are_refused))
