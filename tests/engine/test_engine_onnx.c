/* The ONNX engine through registry and executor: answers, refusals that say what was expected, and
 * single answers beside a stream of tokens.  The models are of tests/vectors/engine/make.py. */
#include "base/file.h"
#include "onnx/onnx.h"
#include "server/registry.h"
#include "tests/engine/test_asking.h"

static const bl_engine *const both[] = { &test_engine_words, &bl_engine_onnx, NULL };

typedef struct {
    bl_executor *x;
    bl_registry *r;
} served;

static served start(void)
{
    static const char *const names[] = { "sum", "matmuls" };
    served                   s;
    bl_principal             root = bl_principal_operator();
    bl_loaded                loaded;
    CHECK_CODE(BLIND_OK, bl_executor_new(&(bl_executor_options){ .threads = 2 }, &s.x, NULL), "x");
    bl_registry_options options = { .engines = both, .pool = bl_executor_pool(s.x) };
    CHECK_CODE(BLIND_OK, bl_registry_new(&options, &s.r, NULL), "registry");
    for (size_t i = 0; i < BL_LEN(names); i++) {
        char        path[100];
        blind_error err = { 0 };
        bl_load     load = { .name = names[i], .by = &root };
        snprintf(path, sizeof path, "tests/vectors/engine/%s.onnx", names[i]);
        CHECK_CODE(BLIND_OK, bl_registry_load_path(s.r, &load, path, &loaded, &err), err.message);
    }
    return s;
}

static void end(served *s)
{
    bl_executor_free(s->x);
    bl_registry_free(s->r);
    CHECK(test_models_open == 0);
}

static bl_request *ask_until(served *s, const char *name, const char *who, uint64_t deadline_ns,
                             const blind_tensor *inputs, size_t len)
{
    bl_request        *request;
    bl_request_options options = { .principal = test_who(who),
                                   .budget = bl_executor_budget(s->x),
                                   .deadline_ns = deadline_ns };
    CHECK_CODE(BLIND_OK, bl_registry_resolve(s->r, name, &options.model, NULL), name);
    CHECK_CODE(BLIND_OK, bl_request_new(&options, &request, NULL), "request");
    bl_request_set_inputs(request, inputs, len);
    CHECK_CODE(BLIND_OK, bl_executor_submit(s->x, request, NULL), "submit");
    return request;
}

static bl_request *ask(served *s, const char *name, const char *who, const blind_tensor *inputs,
                       size_t len)
{
    return ask_until(s, name, who, 0, inputs, len);
}

static bl_event *wait_event(bl_request *request)
{
    bl_event *e;
    for (int i = 0; !(e = bl_request_next(request)); i++) {
        CHECK(i < 30000);
        usleep(1000);
    }
    return e;
}

TEST(onnx_engine_answers_with_all_outputs)
{
    served       s = start();
    float        a[] = { 1, 2, 3, 4, 5, 6 }, b[] = { 10, 20, 30 };
    float        total[] = { 11, 22, 33, 14, 25, 36 };
    blind_tensor in[] = {
        { .name = "b", .rank = 1, .shape = { 3 }, .data = b, .size = sizeof b },
        { .name = "a", .rank = 2, .shape = { 2, 3 }, .data = a, .size = sizeof a },
    };
    bl_request *r = ask(&s, "sum", "ann", in, 2);
    bl_event   *e = wait_event(r);
    CHECK(e->kind == BL_EVENT_OUTPUTS && e->outputs_len == 2);
    assert_string_equal(e->outputs[0].name, "total");
    assert_string_equal(e->outputs[1].name, "doubled");
    CHECK(e->outputs[0].rank == 2 && e->outputs[0].shape[0] == 2 && e->outputs[0].shape[1] == 3);
    CHECK(e->outputs[0].size == sizeof total);
    assert_memory_equal(e->outputs[0].data, total, sizeof total);
    CHECK(((float *)e->outputs[1].data)[5] == 72);
    bl_event *last = wait_event(r);
    CHECK(last->kind == BL_EVENT_DONE);
    bl_event_free(last);
    bl_request_release(r);
    CHECK(e->outputs[0].shape[0] == 2); /* an event outlives its request */
    bl_event_free(e);
    end(&s);
}

TEST(onnx_engine_takes_inputs_without_names_by_place)
{
    served       s = start();
    float        a[] = { 1, 2, 3 }, b[] = { 10, 20, 30 };
    blind_tensor in[] = {
        { .name = "", .rank = 2, .shape = { 1, 3 }, .data = a, .size = sizeof a },
        { .rank = 1, .shape = { 3 }, .data = b, .size = sizeof b },
    };
    bl_request *r = ask(&s, "sum", "ann", in, 2);
    bl_event   *e = wait_event(r);
    CHECK(e->kind == BL_EVENT_OUTPUTS && ((float *)e->outputs[0].data)[2] == 33);
    bl_event_free(e);
    bl_request_abandon(r);
    bl_request_release(r);
    end(&s);
}

TEST(onnx_engine_says_what_it_expected)
{
    static float zeros[12];
#define A(type, dims, ...)                                                                         \
    {                                                                                              \
        .name = "a", .dtype = type, .rank = dims, .shape = __VA_ARGS__, .data = zeros              \
    }
    static const struct {
        const char  *message;
        size_t       len;
        blind_tensor in[3];
    } cases[] = {
        { "input 'a' is missing: expected FP32 [-1,3]", 0, { { 0 } } },
        { "input 'a': expected FP32 [-1,3], found FP64 [1,3]", 2, { A(BLIND_F64, 2, { 1, 3 }) } },
        { "input 'a': expected FP32 [-1,3], found FP32 [3]", 2, { A(BLIND_F32, 1, { 3 }) } },
        { "input 'a': expected FP32 [-1,3], found FP32 [1,4]", 2, { A(BLIND_F32, 2, { 1, 4 }) } },
        { "input 'b' is missing: expected FP32 [3]", 1, { A(BLIND_F32, 2, { 1, 3 }) } },
        { "expected 2 inputs, found 3", 3, { A(BLIND_F32, 2, { 1, 3 }) } },
    };
    served s = start();
    for (size_t i = 0; i < BL_LEN(cases); i++) {
        blind_tensor in[3];
        memcpy(in, cases[i].in, sizeof in);
        in[1] = (blind_tensor){ .name = "b", .rank = 1, .shape = { 3 }, .data = zeros, .size = 12 };
        in[2] = (blind_tensor){ .name = "c", .rank = 1, .shape = { 3 }, .data = zeros, .size = 12 };
        in[0].size = blind_dtype_size(in[0].dtype);
        for (int axis = 0; axis < in[0].rank; axis++)
            in[0].size *= (size_t)in[0].shape[axis];
        bl_request *r = ask(&s, "sum", "ann", in, cases[i].len);
        bl_event   *e = wait_event(r);
        CHECK(e->kind == BL_EVENT_ERROR);
        assert_string_equal(e->error.message, cases[i].message);
        CHECK_CODE(BLIND_INPUT, e->error.code, cases[i].message);
        bl_event_free(e);
        bl_request_release(r);
    }
    end(&s);
}

TEST(onnx_engine_refuses_bytes_that_are_not_its_shape)
{
    served       s = start();
    float        three[3] = { 0 };
    blind_tensor in[] = {
        { .name = "a", .rank = 2, .shape = { 100, 3 }, .data = three, .size = sizeof three },
        { .name = "b", .rank = 1, .shape = { 3 }, .data = three, .size = sizeof three },
    };
    static const int64_t shapes[] = { 100, -1, INT64_MAX, INT64_MAX / 3 + 1 };
    for (size_t i = 0; i < BL_LEN(shapes); i++) {
        in[0].shape[0] = shapes[i];
        bl_request *r = ask(&s, "sum", "ann", in, 2);
        bl_event   *e = wait_event(r);
        CHECK(e->kind == BL_EVENT_ERROR && e->error.code == BLIND_INPUT);
        bl_event_free(e);
        bl_request_release(r);
    }
    end(&s);
}

TEST(onnx_engine_refuses_files_that_are_none)
{
    static const char *const files[] = { "x", "not a model", "GGUF\3\0\0\0", "\x08\x07", "\x08" };
    served                   s = start();
    bl_principal             root = bl_principal_operator();
    bl_load                  load = { .name = "sum", .by = &root, .replace = true };
    for (size_t i = 0; i < BL_LEN(files); i++) {
        bl_model_writer w;
        bl_model_file  *file;
        bl_loaded       loaded;
        blind_error     err = { 0 };
        CHECK_CODE(BLIND_OK, bl_model_writer_init(&w, 100, NULL), "writer");
        CHECK_CODE(BLIND_OK, bl_model_writer_add(&w, bl_span_str(files[i]), NULL), "add");
        CHECK_CODE(BLIND_OK, bl_model_writer_seal(&w, &file, NULL), "seal");
        CHECK_CODE(BLIND_INPUT, bl_registry_load(s.r, &load, file, &loaded, &err), files[i]);
        CHECK(err.message[0]);
        bl_model_file_release(file);
    }
    bl_model *m;
    CHECK_CODE(BLIND_OK, bl_registry_resolve(s.r, "sum", &m, NULL), "as before");
    assert_string_equal(m->description.platform, "onnx_onnxv1");
    CHECK(m->description.inputs_len == 2 && m->description.inputs[0].shape[0] == -1);
    bl_model_release(m);
    end(&s);
}

static blind_code load_path(served *s, const char *name, const char *path, blind_error *err)
{
    bl_loaded    loaded;
    bl_principal root = bl_principal_operator();
    bl_load      load = { .name = name, .by = &root, .replace = true };
    return bl_registry_load_path(s->r, &load, path, &loaded, err);
}

static blind_code load_as(served *s, const char *name, const char *file, blind_error *err)
{
    char path[100];
    snprintf(path, sizeof path, "fuzz/corpus/onnx_dynamic/%s", file);
    return load_path(s, name, path, err);
}

TEST(onnx_engine_serves_tensors_and_files_that_are_whole)
{
    static const struct {
        const char *file, *says;
        blind_code  want;
    } cases[] = {
        { "if_1", "", BLIND_OK },
        { "sequence_in", "input 's' is a sequence", BLIND_UNSUPPORTED },
        { "sequence_map", "is a sequence", BLIND_UNSUPPORTED },
        { "optional_some", "input 'o' is optional", BLIND_UNSUPPORTED },
        { "external", "weights in another file", BLIND_UNSUPPORTED }, /* its digest covers one */
    };
    served s = start();
    for (size_t i = 0; i < BL_LEN(cases); i++) {
        blind_error err = { 0 };
        CHECK_CODE(cases[i].want, load_as(&s, "other", cases[i].file, &err), cases[i].file);
        if (!strstr(err.message, cases[i].says))
            fail_msg("%s: '%s' says nothing of '%s'", cases[i].file, err.message, cases[i].says);
    }
    end(&s);
}

/* A model that never comes to an end has the time of its request, and others are served then. */
TEST(onnx_engine_ends_a_loop_at_its_deadline)
{
    float        x[2] = { 1, 2 };
    blind_tensor in = { .name = "x", .rank = 1, .shape = { 2 }, .data = x, .size = sizeof x };
    served       s = start();
    CHECK_CODE(BLIND_OK, load_as(&s, "forever", "bad_loop_forever", NULL), "load");
    bl_request *request = ask_until(&s, "forever", "ann", test_now_ns() + 50000000, &in, 1);
    bl_event   *e = wait_event(request);
    CHECK(e->kind == BL_EVENT_ERROR);
    CHECK_CODE(BLIND_TIMEOUT, e->error.code, "deadline");
    bl_event_free(e);
    bl_request_release(request);
    end(&s);
}

/* Nor does a single node that takes long: its work is left where it is. */
TEST(onnx_engine_ends_a_node_at_its_deadline)
{
    int64_t      sides[] = { 4096, 4096 };
    float        a[3] = { 1, 2, 3 }, b[3] = { 10, 20, 30 };
    blind_tensor in = { "sides", BLIND_I64, 1, { 2 }, sides, sizeof sides };
    blind_tensor small[] = { { "a", BLIND_F32, 2, { 1, 3 }, a, sizeof a },
                             { "b", BLIND_F32, 1, { 3 }, b, sizeof b } };
    served       s = start();
    CHECK_CODE(BLIND_OK, load_path(&s, "product", "tests/vectors/engine/product.onnx", NULL),
               "load");
    bl_request *late = ask_until(&s, "product", "ann", test_now_ns() + 20000000, &in, 1);
    bl_request *other = ask(&s, "sum", "bob", small, 2);
    bl_event   *e = wait_event(late);
    CHECK(e->kind == BL_EVENT_ERROR);
    CHECK_CODE(BLIND_TIMEOUT, e->error.code, "deadline");
    bl_event_free(e);
    e = wait_event(other);
    CHECK(e->kind == BL_EVENT_OUTPUTS && ((float *)e->outputs[0].data)[2] == 33);
    bl_event_free(e);
    bl_request_abandon(other);
    bl_request_release(late);
    bl_request_release(other);
    end(&s);
}

/* Issue 2: ONNX beside a token-emitting engine.  Each principal gets its half. */
TEST(onnx_answers_share_the_time_with_a_stream)
{
    enum { FLOOD = 60, ROWS = 64, WIDTH = 96, TOKENS = 100 };
    static float    x[ROWS * WIDTH];
    served          s = start();
    bl_principal    root = bl_principal_operator();
    bl_load         load = { .name = "words", .by = &root };
    bl_loaded       loaded;
    bl_model_writer w;
    bl_model_file  *file;
    blind_tensor    in = {
           .name = "x", .rank = 2, .shape = { ROWS, WIDTH }, .data = x, .size = sizeof x
    };
    for (size_t i = 0; i < BL_LEN(x); i++)
        x[i] = (float)(i % WIDTH);
    CHECK_CODE(BLIND_OK, bl_model_writer_init(&w, 100, NULL), "writer");
    CHECK_CODE(BLIND_OK, bl_model_writer_add(&w, BL_LITERAL("words v1 1000\nla "), NULL), "add");
    CHECK_CODE(BLIND_OK, bl_model_writer_seal(&w, &file, NULL), "seal");
    CHECK_CODE(BLIND_OK, bl_registry_load(s.r, &load, file, &loaded, NULL), "words");
    bl_model_file_release(file);

    bl_request *flood[FLOOD];
    asked       stream;
    for (int i = 0; i < FLOOD; i++)
        flood[i] = ask(&s, "matmuls", "flood", &in, 1);
    bl_model *m;
    CHECK_CODE(BLIND_OK, bl_registry_resolve(s.r, "words", &m, NULL), "words");
    ask_new(&stream, "ann", (bl_request_options){ .model = m }, TOKENS);
    CHECK_CODE(BLIND_OK, bl_executor_submit(s.x, stream.request, NULL), "submit");
    ask_wait(&stream);
    CHECK(stream.tokens == TOKENS);
    bl_executor_stats stats;
    bl_executor_stats_read(s.x, &stats);
    double share = (double)stream.compute_ns / (double)(stream.ended_ns - stream.submitted_ns);
    print_message("%d tokens beside ONNX requests: %.2f of the time, %llu answers meanwhile\n",
                  TOKENS, share, (unsigned long long)stats.done - 1);
    if (stats.queued > 1) /* the flood lasted as long as the stream */
        CHECK(share > 0.3 && share < 0.7);
    ask_done(&stream);
    for (int i = 0; i < FLOOD; i++) {
        bl_event *e = wait_event(flood[i]);
        CHECK(e->kind == BL_EVENT_OUTPUTS);
        /* 64 times shifted by one column */
        CHECK(((float *)e->outputs[0].data)[64] == 0 && ((float *)e->outputs[0].data)[65] == 1);
        bl_event_free(e);
        bl_request_release(flood[i]);
    }
    end(&s);
}

static bl_onnx_run *run_sum(bl_onnx *m, blind_tensor in[2])
{
    bl_onnx_run *run;
    CHECK_CODE(BLIND_OK, bl_onnx_run_new(m, in, 2, &run, NULL), "run");
    CHECK_CODE(BLIND_OK, bl_onnx_run_step(run, 0, NULL), "step");
    CHECK(((float *)bl_onnx_run_output(run, 0)->data)[5] == 36);
    return run;
}

TEST(onnx_memory_is_wiped_in_pieces_and_never_under_a_run)
{
    float        a[] = { 1, 2, 3, 4, 5, 6 }, b[] = { 10, 20, 30 }, zeros[6] = { 0 };
    bl_auto_buf  file = BL_BUF_EMPTY;
    bl_onnx     *m;
    blind_tensor in[] = {
        { .name = "b", .rank = 1, .shape = { 3 }, .data = b, .size = sizeof b },
        { .name = "a", .rank = 2, .shape = { 2, 3 }, .data = a, .size = sizeof a },
    };
    CHECK_CODE(BLIND_OK, bl_file_read("tests/vectors/engine/sum.onnx", 1 << 20, &file, NULL), "");
    CHECK_CODE(BLIND_OK, bl_onnx_open(bl_buf_span(&file), NULL, &m, NULL), "open");
    CHECK(!bl_onnx_wipe(m, SIZE_MAX)); /* nothing was computed yet */
    bl_onnx_run *one = run_sum(m, in), *two = run_sum(m, in);
    const float *left = bl_onnx_run_output(one, 0)->data;
    bl_onnx_run_free(one);
    CHECK(left[5] == 36);
    while (bl_onnx_wipe(m, 8))
        ;
    assert_memory_equal(left, zeros, sizeof zeros);
    CHECK(((float *)bl_onnx_run_output(two, 0)->data)[5] == 36);
    one = run_sum(m, in); /* in the memory that was wiped */
    CHECK(bl_onnx_run_output(one, 0)->data == left);
    CHECK(!bl_onnx_wipe(m, SIZE_MAX));
    CHECK(left[5] == 36);
    bl_onnx_run_free(one);
    bl_onnx_run_free(two);
    CHECK(!bl_onnx_wipe(m, SIZE_MAX));
    assert_memory_equal(left, zeros, sizeof zeros);
    bl_onnx_close(m);
}

TESTS(RUN(onnx_engine_answers_with_all_outputs),
      RUN(onnx_engine_takes_inputs_without_names_by_place), RUN(onnx_engine_says_what_it_expected),
      RUN(onnx_engine_refuses_bytes_that_are_not_its_shape),
      RUN(onnx_engine_refuses_files_that_are_none),
      RUN(onnx_engine_serves_tensors_and_files_that_are_whole),
      RUN(onnx_engine_ends_a_loop_at_its_deadline), RUN(onnx_engine_ends_a_node_at_its_deadline),
      RUN(onnx_answers_share_the_time_with_a_stream),
      RUN(onnx_memory_is_wiped_in_pieces_and_never_under_a_run))
