/* Models that one plan per input shape cannot run: strings, shapes that depend on values, control
 * flow, sequences, functions.  The cases of data/dynamic.bin, made by make_dynamic.py. */
#include "tests/onnx/cases.h"

#include <math.h>

static const uint32_t one_tensor = UINT32_MAX, nothing = UINT32_MAX - 1;

typedef struct {
    const char   *name;
    blind_span    model;
    bl_onnx_value inputs[CASE_TENSORS], outputs[CASE_TENSORS];
    size_t        n_inputs, n_outputs;
} dynamic_case;

static size_t read_values(bl_reader *r, bl_arena *arena, bl_onnx_value *out)
{
    size_t n = bl_read_u32le(r);
    CHECK(n <= CASE_TENSORS);
    for (size_t i = 0; i < n; i++) {
        const char *name = bl_arena_copy(arena, case_piece(r));
        uint32_t    items = bl_read_u32le(r);
        out[i] = (bl_onnx_value){ .name = name,
                                  .kind = items == one_tensor ? BL_ONNX_TENSOR
                                          : items == nothing  ? BL_ONNX_NOTHING
                                                              : BL_ONNX_SEQUENCE,
                                  .len = items == one_tensor ? 1
                                         : items == nothing  ? 0
                                                             : items };
        CHECK(out[i].len < 100);
        blind_tensor *tensors = bl_arena_array(arena, out[i].len + 1, sizeof *tensors);
        for (size_t k = 0; k < out[i].len; k++)
            case_tensor(r, arena, name, &tensors[k]);
        out[i].items = tensors;
    }
    return n;
}

static bool next_case(bl_reader *r, bl_arena *arena, dynamic_case *out)
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

static void open_cases(bl_buf *file, bl_reader *r)
{
    cases_open_file("tests/onnx/data/dynamic.bin", file, r);
}

/* The case of that name; `file` holds it. */
static void find_case(bl_buf *file, bl_arena *arena, const char *name, dynamic_case *out)
{
    bl_reader r;
    open_cases(file, &r);
    while (next_case(&r, arena, out))
        if (strcmp(out->name, name) == 0)
            return;
    fail_msg("no case %s", name);
}

/* Comparing.  -------------------------------------------------------------------------------- */

static bool same_floats(const blind_tensor *want, const blind_tensor *got)
{
    const float *a = want->data, *b = got->data;
    for (size_t i = 0; i < want->size / sizeof *a; i++)
        if (!(fabsf(a[i] - b[i]) <= 1e-5f + 1e-5f * fabsf(a[i])))
            return false;
    return true;
}

static bool same_tensor(const blind_tensor *want, const blind_tensor *got)
{
    if (want->dtype != got->dtype || want->rank != got->rank || want->size != got->size)
        return false;
    for (int i = 0; i < want->rank; i++)
        if (want->shape[i] != got->shape[i])
            return false;
    if (want->dtype == BLIND_F32)
        return same_floats(want, got);
    return want->size == 0 || memcmp(want->data, got->data, want->size) == 0;
}

static bool same(const bl_onnx_value *want, const bl_onnx_value *got)
{
    if (want->kind != got->kind || want->len != got->len)
        return false;
    for (size_t i = 0; i < want->len; i++)
        if (!same_tensor(&want->items[i], &got->items[i]))
            return false;
    return true;
}

static void run_to_the_end(const dynamic_case *c, bl_onnx_run *run, uint64_t budget_ns)
{
    blind_error err = { 0 };
    blind_code  code;
    while ((code = bl_onnx_run_step(run, budget_ns, &err)) == BLIND_AGAIN)
        ;
    if (code != BLIND_OK)
        fail_msg("%s: %s", c->name, err.message);
    CHECK_CODE(BLIND_OK, bl_onnx_run_step(run, budget_ns, &err), "a step after the end");
    for (size_t i = 0; i < c->n_outputs; i++)
        if (!same(&c->outputs[i], bl_onnx_run_value(run, i)))
            fail_msg("%s: output %zu differs", c->name, i);
    CHECK(!bl_onnx_run_value(run, c->n_outputs));
}

/* w.bin of the cases: the bytes 0 to 255 sixteen times over. */
static blind_code another_file(void *arg, const char *location, blind_span *out, blind_error *err)
{
    uint8_t *bytes = arg;
    for (size_t i = 0; i < 4096; i++)
        bytes[i] = (uint8_t)i;
    *out = bl_span(bytes, 4096);
    return strcmp(location, "w.bin") == 0
               ? BLIND_OK
               : blind_fail(err, BLIND_NOT_FOUND, "test", "no file '%s'", location);
}

static uint8_t weights[4096];
#define FILES                                                                                      \
    {                                                                                              \
        another_file, weights                                                                      \
    }

static void run_case(const dynamic_case *c, const bl_onnx_options *options)
{
    bl_onnx     *model;
    bl_onnx_run *run[2];
    blind_error  err = { 0 };
    blind_code   code;
    if (bl_onnx_open(c->model, options, &model, &err) != BLIND_OK)
        fail_msg("%s: %s", c->name, err.message);
    for (int again = 0; again < 2; again++) { /* the second time with the plans of the first */
        for (int k = 0; k < 2; k++)
            if (bl_onnx_run_start(model, c->inputs, c->n_inputs, &run[k], &err) != BLIND_OK)
                fail_msg("%s: %s", c->name, err.message);
        code = bl_onnx_run_step(run[1], 1, NULL); /* is freed halfway */
        CHECK(code == BLIND_OK || code == BLIND_AGAIN);
        run_to_the_end(c, run[0], again ? 0 : 1);
        bl_onnx_run_free(run[0]);
        bl_onnx_run_free(run[1]);
    }
    bl_onnx_close(model);
}

TEST(every_case_gives_its_outputs)
{
    bl_auto_buf file = BL_BUF_EMPTY;
    bl_reader   r;
    open_cases(&file, &r);
    for (bool more = true; more;) {
        bl_auto_arena arena = BL_ARENA_EMPTY;
        dynamic_case  c;
        more = next_case(&r, &arena, &c);
        if (!more || strncmp(c.name, "bad_", 4) == 0)
            continue;
        for (int plain = 0; plain < 2; plain++)
            run_case(&c, &(bl_onnx_options){ .isa = bl_isa_best(),
                                             .plain = plain != 0,
                                             .files = FILES,
                                             .max_memory = plain ? 16u << 20 : 0 });
    }
}

static void count_ifs(void *arg, const char *type, const char *name, uint64_t ns)
{
    (void)name;
    (void)ns;
    *(size_t *)arg += strcmp(type, "If") == 0;
}

/* A branch that is known when a model is opened is part of the graph around it. */
TEST(known_branches_are_taken_in)
{
    bl_auto_buf file = BL_BUF_EMPTY;
    bl_reader   r;
    size_t      count = 0;
    open_cases(&file, &r);
    for (bool more = true; more;) {
        bl_auto_arena arena = BL_ARENA_EMPTY;
        dynamic_case  c;
        bl_onnx      *model;
        bl_onnx_run  *run;
        size_t        ifs = 0;
        more = next_case(&r, &arena, &c);
        if (!more || !strstr(c.name, "known_if"))
            continue;
        CHECK_CODE(BLIND_OK, bl_onnx_open(c.model, NULL, &model, NULL), c.name);
        bl_onnx_set_trace(model, count_ifs, &ifs);
        CHECK_CODE(BLIND_OK, bl_onnx_run_start(model, c.inputs, c.n_inputs, &run, NULL), c.name);
        CHECK_CODE(BLIND_OK, bl_onnx_run_step(run, 0, NULL), c.name);
        if (ifs != (strcmp(c.name, "if_in_known_if") == 0))
            fail_msg("%s: %zu Ifs were run", c.name, ifs);
        bl_onnx_run_free(run);
        bl_onnx_close(model);
        count++;
    }
    CHECK(count == 8);
}

/* What is refused.  -------------------------------------------------------------------------- */

static const struct {
    const char *name;
    blind_code  open, run;
    const char *says;
} refusals[] = {
    { "bad_function_cycle", BLIND_LIMIT, BLIND_OK, "calls itself" },
    { "bad_function_explosion", BLIND_MEMORY, BLIND_OK, "no memory" },
    { "bad_function_hollow", BLIND_MEMORY, BLIND_OK, "no memory" },
    { "bad_deep", BLIND_LIMIT, BLIND_OK, "16 deep" },
    { "bad_reads_its_own_output", BLIND_INPUT, BLIND_OK, "'y'" },
    { "bad_no_body", BLIND_OK, BLIND_INPUT, "no graph" },
    { "bad_loop_forever", BLIND_OK, BLIND_AGAIN, "" },
    { "bad_loop_memory", BLIND_OK, BLIND_LIMIT, "the limit is" },
    { "bad_loop_pile", BLIND_OK, BLIND_LIMIT, "the limit is" },
    { "bad_loop_sequence", BLIND_OK, BLIND_LIMIT, "the limit is" },
    { "bad_loop_strings", BLIND_OK, BLIND_LIMIT, "" },
    { "bad_range_by_value", BLIND_OK, BLIND_INPUT, "without end" },
    { "bad_sequence_as_tensor", BLIND_OK, BLIND_INPUT, "no tensor" },
    { "bad_tensor_as_sequence", BLIND_OK, BLIND_INPUT, "no sequence" },
    { "bad_no_such_item", BLIND_OK, BLIND_INPUT, "position 1 in a sequence of 1" },
    { "bad_nothing_there", BLIND_OK, BLIND_INPUT, "without a value" },
    { "bad_scan_lengths", BLIND_OK, BLIND_INPUT, "different lengths" },
    { "bad_external_past_the_end", BLIND_INPUT, BLIND_OK, "8 bytes from byte 4090 on" },
    { "bad_external_offset_past_the_end", BLIND_INPUT, BLIND_OK, "from byte 5000 on" },
    { "bad_external_huge_offset", BLIND_INPUT, BLIND_OK, "which has 4096" },
    { "bad_external_huge_length", BLIND_INPUT, BLIND_OK, "which has 4096" },
    { "bad_external_no_number", BLIND_INPUT, BLIND_OK, "malformed external data" },
    { "bad_external_negative", BLIND_INPUT, BLIND_OK, "malformed external data" },
    { "bad_external_too_long_a_number", BLIND_INPUT, BLIND_OK, "malformed external data" },
    { "bad_external_another_size", BLIND_INPUT, BLIND_OK, "9 bytes of data, expected 8" },
    { "bad_external_no_file", BLIND_NOT_FOUND, BLIND_OK, "'v.bin'" },
    { "bad_external_no_location", BLIND_NOT_FOUND, BLIND_OK, "''" },
    { "bad_external_control_character", BLIND_INPUT, BLIND_OK, "control character" },
    { "bad_loop_arguments", BLIND_OK, BLIND_INPUT, "body of 3 inputs" },
};

enum { STEPS = 50 };

/* Steps of a millisecond until it ends, or with `endless` STEPS of them. */
static blind_code run_refused(bl_onnx *model, bool endless, blind_error *err)
{
    static const float   large[2] = { 1e12f, 1e12f };
    static const uint8_t yes = 1;
    blind_tensor         tensors[CASE_TENSORS];
    bl_onnx_value        inputs[CASE_TENSORS];
    bl_onnx_run         *run;
    size_t               n;
    const bl_onnx_port  *ports = bl_onnx_inputs(model, &n);
    for (size_t i = 0; i < n; i++) {
        bool is_bool = ports[i].dtype == BLIND_BOOL;
        tensors[i] = (blind_tensor){ .name = ports[i].name,
                                     .dtype = ports[i].dtype,
                                     .rank = ports[i].rank,
                                     .shape = { 2 },
                                     .data = (void *)(uintptr_t)(is_bool ? (const void *)&yes
                                                                         : (const void *)large),
                                     .size = is_bool ? 1 : sizeof large };
        inputs[i] = (bl_onnx_value){ .name = ports[i].name, .items = &tensors[i], .len = 1 };
    }
    blind_code code = bl_onnx_run_start(model, inputs, n, &run, err);
    for (int i = 0; code == BLIND_OK || code == BLIND_AGAIN; i++) {
        code = bl_onnx_run_step(run, 1000000, err);
        if (code == BLIND_OK || (endless && i >= STEPS))
            break;
    }
    if (code != BLIND_OK && code != BLIND_AGAIN && run)
        CHECK_CODE(code, bl_onnx_run_step(run, 0, NULL), "a step after it failed");
    bl_onnx_run_free(run); /* cancelled where it goes on */
    return code;
}

TEST(models_without_a_good_end)
{
    for (size_t i = 0; i < BL_LEN(refusals); i++) {
        bl_auto_buf     file = BL_BUF_EMPTY;
        bl_auto_arena   arena = BL_ARENA_EMPTY;
        dynamic_case    c;
        bl_onnx_options options = { .isa = BL_ISA_SCALAR, .max_memory = 2u << 20, .files = FILES };
        bl_onnx        *model;
        blind_error     err = { 0 };
        find_case(&file, &arena, refusals[i].name, &c);
        CHECK_CODE(refusals[i].open, bl_onnx_open(c.model, &options, &model, &err), c.name);
        if (model)
            CHECK_CODE(refusals[i].run, run_refused(model, refusals[i].run == BLIND_AGAIN, &err),
                       c.name);
        if (!strstr(err.message, refusals[i].says))
            fail_msg("%s: '%s' says nothing of '%s'", c.name, err.message, refusals[i].says);
        bl_onnx_close(model);
    }
}

/* Whatever comes of it: nothing leaks, nothing is read out of bounds. */
static void try_model(blind_span bytes, const bl_onnx_options *options, const dynamic_case *c)
{
    bl_onnx     *model;
    bl_onnx_run *run = NULL;
    blind_code   code = bl_onnx_open(bytes, options, &model, NULL);
    CHECK((code == BLIND_OK) == (model != NULL));
    if (code == BLIND_OK)
        code = bl_onnx_run_start(model, c->inputs, c->n_inputs, &run, NULL);
    if (code == BLIND_OK)
        code = bl_onnx_run_step(run, 1000000, NULL);
    CHECK(code != BLIND_FAILED);
    bl_onnx_run_free(run);
    bl_onnx_close(model);
}

TEST(every_prefix_and_flip_of_a_body_is_refused_or_harmless)
{
    static const char *const names[] = { "loop_slices", "scan_8", "function_with_bodies",
                                         "sequence_map", "known_if_outputs" };
    for (size_t k = 0; k < BL_LEN(names); k++) {
        bl_auto_buf     file = BL_BUF_EMPTY;
        bl_auto_arena   arena = BL_ARENA_EMPTY;
        dynamic_case    c;
        bl_onnx_options options = { .isa = BL_ISA_SCALAR, .max_memory = 1u << 20 };
        find_case(&file, &arena, names[k], &c);
        for (size_t at = 0; at < c.model.size; at++) {
            bl_auto_free uint8_t *part = malloc(c.model.size + 1), *prefix = malloc(at + 1);
            memcpy(part, c.model.data, c.model.size);
            memcpy(prefix, c.model.data, at);
            part[at] ^= (uint8_t)(1u << (at % 8));
            try_model(bl_span(part, c.model.size), &options, &c);
            try_model(bl_span(prefix, at), &options, &c);
        }
    }
}

TEST(strings_that_are_refused)
{
    bl_auto_buf   file = BL_BUF_EMPTY;
    bl_auto_arena arena = BL_ARENA_EMPTY;
    dynamic_case  c;
    bl_onnx      *model;
    bl_onnx_run  *run;
    find_case(&file, &arena, "strings_identity", &c);
    CHECK_CODE(BLIND_OK, bl_onnx_open(c.model, NULL, &model, NULL), "open");
    for (size_t keep = 0; keep <= c.inputs[0].items->size + 1; keep++) {
        bl_auto_free uint8_t *part = calloc(1, keep + 1);
        blind_tensor          input = *c.inputs[0].items;
        bool                  whole = keep == input.size;
        memcpy(part, input.data, BL_MIN(keep, input.size));
        input.name = "s";
        input.data = part;
        input.size = keep;
        CHECK_CODE(whole ? BLIND_OK : BLIND_INPUT, bl_onnx_run_new(model, &input, 1, &run, NULL),
                   "strings");
        bl_onnx_run_free(run);
    }
    bl_onnx_close(model);
}

TEST(weights_in_other_files_need_somebody_to_open_them)
{
    bl_auto_buf   file = BL_BUF_EMPTY;
    bl_auto_arena arena = BL_ARENA_EMPTY;
    dynamic_case  c;
    bl_onnx      *model;
    blind_error   err = { 0 };
    find_case(&file, &arena, "external", &c);
    CHECK_CODE(BLIND_UNSUPPORTED, bl_onnx_open(c.model, NULL, &model, &err), "open");
    CHECK(strstr(err.message, "another file"));
}

TEST(values_of_another_kind_are_refused)
{
    bl_auto_buf   file = BL_BUF_EMPTY;
    bl_auto_arena arena = BL_ARENA_EMPTY;
    dynamic_case  c;
    bl_onnx      *model;
    bl_onnx_run  *run;
    find_case(&file, &arena, "sequence_in", &c);
    CHECK_CODE(BLIND_OK, bl_onnx_open(c.model, NULL, &model, NULL), "open");
    static const struct {
        bl_onnx_kind kind;
        size_t       len;
        blind_code   want;
    } cases[] = { { BL_ONNX_SEQUENCE, 2, BLIND_OK },
                  { BL_ONNX_SEQUENCE, 0, BLIND_OK },
                  { BL_ONNX_TENSOR, 1, BLIND_INPUT },
                  { BL_ONNX_NOTHING, 0, BLIND_INPUT } };
    for (size_t i = 0; i < BL_LEN(cases); i++) {
        bl_onnx_value inputs[2] = { c.inputs[0], c.inputs[1] };
        inputs[0].kind = cases[i].kind;
        inputs[0].len = cases[i].len;
        CHECK_CODE(cases[i].want, bl_onnx_run_start(model, inputs, 2, &run, NULL), "kind");
        bl_onnx_run_free(run);
    }
    CHECK_CODE(BLIND_INPUT, bl_onnx_run_start(model, c.inputs, 1, &run, NULL), "one is missing");
    bl_onnx_close(model);
    blind_tensor x = *c.inputs[1].items; /* those who take tensors alone are not given a sequence */
    find_case(&file, &arena, "sequence_empty", &c);
    x.name = "x";
    CHECK_CODE(BLIND_OK, bl_onnx_open(c.model, NULL, &model, NULL), "open");
    CHECK_CODE(BLIND_UNSUPPORTED, bl_onnx_run_new(model, &x, 1, &run, NULL), "a sequence");
    bl_onnx_close(model);
}

TESTS(RUN(every_case_gives_its_outputs), RUN(known_branches_are_taken_in),
      RUN(models_without_a_good_end), RUN(every_prefix_and_flip_of_a_body_is_refused_or_harmless),
      RUN(strings_that_are_refused), RUN(weights_in_other_files_need_somebody_to_open_them),
      RUN(values_of_another_kind_are_refused))
