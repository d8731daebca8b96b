/* Pipelines: each step against numbers worked out by hand, the archive, and whole runs. */
#include "pipeline/pipeline.h"

#include "base/npy.h"
#include "onnx/image.h"
#include "pipeline/config.h"
#include "tests/pipeline/files.h"
#include "tests/test.h"

#include <math.h>

/* A pipeline of these steps on the only input or output of the identity. */
typedef struct {
    bl_buf           file;
    bl_pipeline     *pipeline;
    bl_pipeline_run *run;
    blind_error      err;
} fixture;

static const char vocabulary[] = "[PAD]\n[UNK]\n[CLS]\n[SEP]\nun\n##aff\n##able\nhello\n,\nworld\n"
                                 "cafe\n\xe4\xbd\xa0\n";

static void add(bl_buf *file, const char *name, const void *bytes, size_t size)
{
    assert_int_equal(bl_archive_add(file, name, bl_span(bytes, size), NULL), BLIND_OK);
}

/* F32 [rows, 2] */
static void add_npy(bl_buf *file, const char *name, int64_t rows, float *x)
{
    bl_auto_buf  npy = BL_BUF_EMPTY;
    blind_tensor t = { .dtype = BLIND_F32, .rank = 2, .shape = { rows, 2 }, .data = x };
    t.size = (size_t)rows * 2 * sizeof *x;
    assert_int_equal(bl_npy_write(&t, &npy, NULL), BLIND_OK);
    add(file, name, npy.data, npy.size);
}

static blind_code open_text(fixture *f, const char *toml)
{
    f->file = BL_BUF_EMPTY;
    add(&f->file, "pipeline.toml", toml, strlen(toml));
    add(&f->file, "model.onnx", model_identity, sizeof model_identity);
    add(&f->file, "labels.txt", "cat\r\ndog\nbird", 13);
    add(&f->file, "vocab.txt", vocabulary, sizeof vocabulary - 1);
    assert_int_equal(bl_archive_end(&f->file, NULL), BLIND_OK);
    return bl_pipeline_open(bl_buf_span(&f->file), NULL, &f->pipeline, &f->err);
}

static void done(fixture *f)
{
    bl_pipeline_run_free(f->run);
    bl_pipeline_close(f->pipeline);
    bl_buf_done(&f->file);
}

static blind_code run_all(fixture *f, const blind_tensor *input)
{
    blind_code code = bl_pipeline_run_new(f->pipeline, input, 1, &f->run, &f->err);
    while (code == BLIND_OK || code == BLIND_AGAIN) {
        code = bl_pipeline_run_step(f->run, 1, &f->err);
        if (code == BLIND_OK)
            break;
    }
    return code;
}

/* Steps before the model, on a tensor; what the model got comes back. */
static const blind_tensor *before(fixture *f, const char *steps, const blind_tensor *input)
{
    char toml[600];
    snprintf(toml, sizeof toml,
             "version = 1\nmodel = \"model.onnx\"\n[[inputs]]\nname = \"in\"\nfeeds = \"x\"\n"
             "steps = [%s]\n",
             steps);
    assert_int_equal(open_text(f, toml), BLIND_OK);
    assert_int_equal(run_all(f, input), BLIND_OK);
    return bl_pipeline_run_output(f->run, 0);
}

/* Steps run alone, for tensors that the identity would not take. */
static blind_code alone(const char *step, bl_arena *arena, bl_step_run *r, blind_error *err)
{
    bl_auto_free bl_archive *files = calloc(1, sizeof *files);
    bl_auto_buf              file = BL_BUF_EMPTY;
    char                     toml[600];
    bl_pipeline_config       config;
    add(&file, "labels.txt", "cat\r\ndog\nbird", 13);
    add(&file, "vocab.txt", vocabulary, sizeof vocabulary - 1);
    add_npy(&file, "enrolled.npy", 3, (float[]){ 2, 0, 0, 3, -1, 0 });
    add_npy(&file, "nobody.npy", 2, (float[]){ 1, 0, 0, 0 });
    assert_int_equal(bl_archive_end(&file, NULL), BLIND_OK);
    assert_int_equal(bl_archive_read(bl_buf_span(&file), files, NULL), BLIND_OK);
    snprintf(toml, sizeof toml,
             "version = 1\nmodel = \"m\"\n[[inputs]]\nname = \"in\"\nsteps = [%s]\n", step);
    BL_TRY(bl_pipeline_config_read(bl_span_str(toml), files, arena, &config, err));
    r->arena = arena;
    r->err = err;
    for (size_t i = 0; i < config.inputs[0].n_steps; i++)
        BL_TRY(config.inputs[0].steps[i].row->run(config.inputs[0].steps[i].params, r));
    return BLIND_OK;
}

static blind_tensor floats(float *x, int rank, const int64_t *shape)
{
    blind_tensor t = { .name = "in", .dtype = BLIND_F32, .rank = rank, .data = x, .size = 4 };
    for (int i = 0; i < rank; i++) {
        t.shape[i] = shape[i];
        t.size *= (size_t)shape[i];
    }
    return t;
}

static blind_tensor bytes(const void *data, size_t size)
{
    return (blind_tensor){ .name = "in",
                           .dtype = BLIND_U8,
                           .rank = 1,
                           .shape = { (int64_t)size },
                           .data = (void *)(uintptr_t)data,
                           .size = size };
}

static void expect(const blind_tensor *t, int rank, const int64_t *shape, const float *want)
{
    assert_int_equal(t->dtype, BLIND_F32);
    assert_int_equal(t->rank, rank);
    size_t len = 1;
    for (int i = 0; i < rank; i++) {
        assert_int_equal(t->shape[i], shape[i]);
        len *= (size_t)shape[i];
    }
    for (size_t i = 0; i < len; i++)
        assert_float_equal(((const float *)t->data)[i], want[i], 1e-5);
}

#define SHAPE(...)                                                                                 \
    (int64_t[])                                                                                    \
    {                                                                                              \
        __VA_ARGS__                                                                                \
    }
#define WANT(...)                                                                                  \
    (float[])                                                                                      \
    {                                                                                              \
        __VA_ARGS__                                                                                \
    }

/* ---- pictures ---- */

TEST(decode)
{
    fixture      f = { 0 };
    blind_tensor in = bytes(file_png, sizeof file_png);
    expect(before(&f, "{op = \"decode_image\"}, {op = \"normalise\"}", &in), 4, SHAPE(1, 2, 2, 3),
           WANT(255, 0, 0, 0, 255, 0, 0, 0, 255, 10, 20, 30));
    done(&f);
    f = (fixture){ 0 };
    in = bytes(file_jpeg, sizeof file_jpeg);
    const blind_tensor *t =
        before(&f, "{op = \"decode_image\", color = \"grey\"}, {op = \"normalise\"}", &in);
    assert_int_equal(t->shape[1] * 100 + t->shape[2] * 10 + t->shape[3], 881);
    assert_float_equal(((float *)t->data)[63], 100, 1);
    done(&f);
}

TEST(decode_refuses)
{
    bl_image    image;
    blind_error err = { 0 };
    for (size_t cut = 0; cut < sizeof file_png; cut++)
        if (bl_image_decode(bl_span(file_png, cut), 3, &image, &err) == BLIND_OK) {
            assert_true(cut >= sizeof file_png - 12); /* the end chunk alone is missing */
            bl_image_done(&image);
        }
    for (size_t cut = 0; cut < sizeof file_jpeg - 2; cut++)
        assert_int_not_equal(bl_image_decode(bl_span(file_jpeg, cut), 3, &image, &err), BLIND_OK);
    uint8_t wide[sizeof file_png];
    memcpy(wide, file_png, sizeof wide);
    wide[16] = 0x7f; /* the width's first byte; libpng also sees the wrong CRC */
    assert_int_not_equal(bl_image_decode(bl_span(wide, sizeof wide), 3, &image, &err), BLIND_OK);
    assert_int_equal(bl_image_alloc(30000, 30000, 3, &image, &err), BLIND_LIMIT);
    assert_int_equal(bl_image_alloc(0, 1, 3, &image, &err), BLIND_INPUT);
}

TEST(resize)
{
    fixture      f = { 0 };
    blind_tensor in = floats(WANT(1, 2, 3, 4), 3, SHAPE(2, 2, 1));
    expect(before(&f, "{op = \"resize\", height = 1, width = 1}", &in), 4, SHAPE(1, 1, 1, 1),
           WANT(2.5f));
    done(&f);
    f = (fixture){ 0 };
    expect(before(&f, "{op = \"resize\", height = 2, width = 4}", &in), 4, SHAPE(1, 2, 4, 1),
           WANT(1, 1.25f, 1.75f, 2, 3, 3.25f, 3.75f, 4));
    done(&f);
    f = (fixture){ 0 };
    expect(before(&f, "{op = \"resize\", height = 4, width = 2, method = \"nearest\"}", &in), 4,
           SHAPE(1, 4, 2, 1), WANT(1, 2, 1, 2, 3, 4, 3, 4));
    done(&f);
    f = (fixture){ 0 };
    in = floats(WANT(1, 2, 3, 4, 5, 6, 7, 8), 3, SHAPE(2, 4, 1));
    const blind_tensor *t = before(&f, "{op = \"resize\", shorter = 1}", &in);
    assert_int_equal(t->shape[1] * 10 + t->shape[2], 12);
    done(&f);
    f = (fixture){ 0 };
    t = before(&f, "{op = \"resize\", longer = 2}", &in);
    assert_int_equal(t->shape[1] * 10 + t->shape[2], 12);
    done(&f);
}

TEST(frame)
{
    fixture      f = { 0 };
    blind_tensor in = floats(WANT(1, 2, 3, 4, 5, 6, 7, 8, 9), 3, SHAPE(3, 3, 1));
    expect(before(&f, "{op = \"crop\", height = 1, width = 1}", &in), 4, SHAPE(1, 1, 1, 1),
           WANT(5));
    done(&f);
    f = (fixture){ 0 };
    in = floats(WANT(1, 2), 3, SHAPE(1, 2, 1));
    expect(before(&f, "{op = \"pad\", height = 2, width = 4, value = 9}", &in), 4,
           SHAPE(1, 2, 4, 1), WANT(9, 1, 2, 9, 9, 9, 9, 9));
    done(&f);
    f = (fixture){ 0 };
    in = floats(WANT(2, 4, 6, 8), 3, SHAPE(1, 2, 2));
    expect(before(&f, "{op = \"normalise\", scale = 0.5, mean = [1, 2], std = [2, 4]}", &in), 4,
           SHAPE(1, 1, 2, 2), WANT(0, 0, 1, 0.5f));
    done(&f);
    f = (fixture){ 0 };
    in = floats(WANT(1, 2, 3, 4, 5, 6), 3, SHAPE(1, 3, 2));
    expect(before(&f, "{op = \"transpose\", axes = [2, 0, 1]}", &in), 4, SHAPE(1, 2, 1, 3),
           WANT(1, 3, 5, 2, 4, 6));
    done(&f);
}

/* ---- sound ---- */

static const uint8_t wav[] = { 'R', 'I', 'F', 'F',  44, 0, 0,    0, 'W',  'A', 'V',  'E',  'f',
                               'm', 't', ' ', 16,   0,  0, 0,    1, 0,    2,   0,    0x80, 0x3e,
                               0,   0,   0,   0xfa, 0,  0, 4,    0, 16,   0,   'd',  'a',  't',
                               'a', 8,   0,   0,    0,  0, 0x40, 0, 0x40, 0,   0x80, 0,    0 };

TEST(audio)
{
    bl_auto_arena arena = BL_ARENA_EMPTY;
    blind_error   err = { 0 };
    bl_step_run   r = { .t = bytes(wav, sizeof wav) };
    assert_int_equal(alone("{op = \"decode_audio\", rate = 16000}", &arena, &r, &err), BLIND_OK);
    expect(&r.t, 1, SHAPE(2), WANT(0.5f, -0.5f));
    assert_int_equal(alone("{op = \"standardise\"}", &arena, &r, &err), BLIND_OK);
    expect(&r.t, 1, SHAPE(2), WANT(1, -1));
    r.t = bytes(wav, sizeof wav);
    assert_int_equal(alone("{op = \"decode_audio\", rate = 8000}", &arena, &r, &err), BLIND_INPUT);
    for (size_t cut = 0; cut < 44; cut++) {
        r.t = bytes(wav, cut);
        assert_int_equal(alone("{op = \"decode_audio\"}", &arena, &r, &err), BLIND_INPUT);
    }
    r.t = floats(WANT(1, 2, 3, 4, 5), 1, SHAPE(5));
    assert_int_equal(alone("{op = \"frame\", length = 3, hop = 2}", &arena, &r, &err), BLIND_OK);
    expect(&r.t, 2, SHAPE(2, 3), WANT(1, 2, 3, 3, 4, 5));
    r.t = floats(WANT(1, 2, 3, 4), 1, SHAPE(4));
    assert_int_equal(alone("{op = \"frame\", length = 4, window = \"hann\"}", &arena, &r, &err),
                     BLIND_OK);
    expect(&r.t, 2, SHAPE(1, 4), WANT(0, 1, 3, 2));
}

/* ---- text ---- */

static blind_code tokenize(const char *text, const char *more, bl_arena *arena, bl_step_run *r,
                           blind_error *err)
{
    char    step[200];
    uint8_t data[200] = { (uint8_t)strlen(text) };
    memcpy(data + 4, text, strlen(text));
    r->t = (blind_tensor){
        .dtype = BLIND_STRING, .rank = 1, .shape = { 1 }, .data = data, .size = 4 + strlen(text)
    };
    snprintf(step, sizeof step, "{op = \"wordpiece\", vocabulary = \"vocab.txt\"%s}", more);
    return alone(step, arena, r, err);
}

static void expect_ids(const char *text, const char *more, const int64_t *want, size_t len)
{
    bl_auto_arena arena = BL_ARENA_EMPTY;
    blind_error   err = { 0 };
    bl_step_run   r = { 0 };
    assert_int_equal(tokenize(text, more, &arena, &r, &err), BLIND_OK);
    assert_int_equal(r.t.shape[0], len);
    assert_memory_equal(r.t.data, want, len * sizeof *want);
    assert_int_equal(r.more_len, 2);
    for (size_t i = 0; i < len; i++)
        assert_int_equal(((int64_t *)r.more[0].data)[i], want[i] != 0);
}

#define IDS(...) (int64_t[]){ __VA_ARGS__ }, sizeof((int64_t[]){ __VA_ARGS__ }) / 8

TEST(text)
{
    bl_auto_arena arena = BL_ARENA_EMPTY;
    bl_step_run   r = { 0 };
    blind_error   err = { 0 };
    expect_ids("Unaffable", "", IDS(2, 4, 5, 6, 3));
    expect_ids("hello,World\tunknown", "", IDS(2, 7, 8, 9, 1, 3));
    expect_ids("Caf\xc3\xa9 \xe4\xbd\xa0\xe4\xbd\xa0", "", IDS(2, 10, 11, 11, 3));
    expect_ids("Hello", ", lower = false", IDS(2, 1, 3));
    expect_ids("hello hello hello", ", length = 4", IDS(2, 7, 7, 3));
    expect_ids("hello", ", length = 5, pad = true", IDS(2, 7, 3, 0, 0));
    expect_ids("", "", IDS(2, 3));
    assert_int_equal(tokenize("\xff", "", &arena, &r, &err), BLIND_INPUT);
}

/* ---- scores ---- */

TEST(scores)
{
    bl_auto_arena arena = BL_ARENA_EMPTY;
    blind_error   err = { 0 };
    bl_step_run   r = { .t = floats(WANT(0, logf(3), NAN, 1, 5, 2), 2, SHAPE(3, 2)) };
    r.t.shape[0] = 1;
    assert_int_equal(alone("{op = \"softmax\"}", &arena, &r, &err), BLIND_OK);
    expect(&r.t, 2, SHAPE(1, 2), WANT(0.25f, 0.75f));
    assert_int_equal(alone("{op = \"threshold\", at = 0.5}", &arena, &r, &err), BLIND_OK);
    assert_memory_equal(r.t.data, "\0\1", 2);
    r.t = floats(WANT(NAN, 1, 5, 2), 2, SHAPE(2, 2));
    assert_int_equal(
        alone("{op = \"argmax\"}, {op = \"labels\", file = \"labels.txt\"}", &arena, &r, &err),
        BLIND_OK);
    assert_memory_equal(r.t.data, "\3\0\0\0dog\3\0\0\0cat", 14);
    r.t = floats(WANT(1, 9, 5, 7), 1, SHAPE(4));
    assert_int_equal(alone("{op = \"top_k\", k = 2}", &arena, &r, &err), BLIND_OK);
    expect(&r.t, 1, SHAPE(2), WANT(9, 7));
    r.t = floats(WANT(1, 9, 5, 7), 1, SHAPE(4));
    assert_int_equal(alone("{op = \"top_k_indices\", k = 9}", &arena, &r, &err), BLIND_OK);
    assert_memory_equal(r.t.data, ((int64_t[]){ 1, 3, 2, 0 }), 32);
    assert_int_equal(alone("{op = \"labels\", file = \"labels.txt\"}", &arena, &r, &err),
                     BLIND_INPUT); /* index 3 */
    r.t = floats(WANT(0), 1, SHAPE(1));
    assert_int_equal(alone("{op = \"sigmoid\"}", &arena, &r, &err), BLIND_OK);
    expect(&r.t, 1, SHAPE(1), WANT(0.5f));
    r.t = floats(WANT(0, 9, 0, 0, 9, 0, 9, 0, 0, 0, 9, 0, 0, 0, 9), 2, SHAPE(5, 3));
    assert_int_equal(alone("{op = \"ctc\", file = \"labels.txt\", blank = 0, space = \"bird\"}",
                           &arena, &r, &err),
                     BLIND_OK);
    assert_memory_equal(r.t.data, "\7\0\0\0dogdog ", 11); /* dog dog - dog bird */
}

TEST(cosine)
{
    bl_auto_arena arena = BL_ARENA_EMPTY;
    blind_error   err = { 0 };
    const float   half = sqrtf(0.5f);
    bl_step_run   r = { .t = floats(WANT(5, 0, 3, 3, 0, 0, NAN, 1), 2, SHAPE(4, 2)) };
    assert_int_equal(alone("{op = \"cosine\", file = \"enrolled.npy\"}", &arena, &r, &err),
                     BLIND_OK);
    assert_int_equal(r.t.shape[1], 3);
    assert_true(isnan(((float *)r.t.data)[9]));
    r.t.shape[0] = 3;
    expect(&r.t, 2, SHAPE(3, 3), WANT(1, 0, -1, half, half, -half, 0, 0, 0));

    /* Nobody where the best is below `at`, or no number. */
    r.t.shape[0] = 4;
    assert_int_equal(alone("{op = \"argmax\", at = 0.8}, "
                           "{op = \"labels\", file = \"labels.txt\", otherwise = \"nobody\"}",
                           &arena, &r, &err),
                     BLIND_OK);
    assert_memory_equal(r.t.data, "\3\0\0\0cat\6\0\0\0nobody\6\0\0\0nobody\6\0\0\0nobody", 37);
    r.t = floats(WANT(0.7f, 0.2f), 1, SHAPE(2));
    assert_int_equal(alone("{op = \"argmax\", at = 0.8}, {op = \"labels\", file = \"labels.txt\"}",
                           &arena, &r, &err),
                     BLIND_INPUT); /* nothing is said for -1 */
    r.t = floats(WANT(1, 2, 3), 1, SHAPE(3));
    assert_int_equal(alone("{op = \"cosine\", file = \"enrolled.npy\"}", &arena, &r, &err),
                     BLIND_INPUT); /* another width */
}

static const char *const unusable[] = {
    "{op = \"cosine\"}",
    "{op = \"cosine\", file = \"none.npy\"}",
    "{op = \"cosine\", file = \"labels.txt\"}",
    "{op = \"cosine\", file = \"nobody.npy\"}", /* a row without a direction */
    "{op = \"argmax\", at = \"0.5\"}",
    "{op = \"labels\", file = \"labels.txt\", otherwise = 1}",
    "{op = \"ctc\", file = \"labels.txt\", space = 1}",
};

TEST(steps_say_what_they_need)
{
    for (size_t i = 0; i < BL_LEN(unusable); i++) {
        bl_auto_arena arena = BL_ARENA_EMPTY;
        blind_error   err = { 0 };
        bl_step_run   r = { .t = floats(WANT(1, 2), 1, SHAPE(2)) };
        if (alone(unusable[i], &arena, &r, &err) != BLIND_INPUT)
            fail_msg("accepted: %s", unusable[i]);
    }
}

/* ---- the file ---- */

TEST(archive)
{
    bl_auto_free bl_archive *a = calloc(1, sizeof *a);
    bl_auto_buf              b = BL_BUF_EMPTY;
    add(&b, "a/b.txt", "hello", 5);
    add(&b, "empty", "", 0);
    assert_int_equal(bl_archive_add(&b, "../up", bl_span("", 0), NULL), BLIND_USAGE);
    assert_int_equal(bl_archive_add(&b, "/root", bl_span("", 0), NULL), BLIND_USAGE);
    assert_int_equal(bl_archive_end(&b, NULL), BLIND_OK);
    assert_int_equal(b.size, 5 * 512);
    assert_true(bl_archive_is(bl_buf_span(&b)));
    assert_int_equal(bl_archive_read(bl_buf_span(&b), a, NULL), BLIND_OK);
    assert_int_equal(a->len, 2);
    assert_true(bl_span_equal(bl_archive_find(a, "a/b.txt")->bytes, BL_LITERAL("hello")));
    b.data[156] = '2'; /* a symbolic link, and the sum is wrong */
    assert_int_equal(bl_archive_read(bl_buf_span(&b), a, NULL), BLIND_INPUT);
    b.data[156] = '0';
    for (size_t i = 0; i < 512; i++) { /* every byte of a header counts */
        b.data[i] ^= 1;
        assert_int_equal(bl_archive_read(bl_buf_span(&b), a, NULL) == BLIND_OK, i == 155);
        b.data[i] ^= 1;
    }
    assert_int_equal(bl_archive_read(bl_span(b.data, 600), a, NULL), BLIND_INPUT);
    b.data[b.size - 1] = 1;
    assert_int_equal(bl_archive_read(bl_buf_span(&b), a, NULL), BLIND_INPUT);
    bl_buf_clear(&b);
    add(&b, "twice", "", 0);
    add(&b, "twice", "", 0);
    assert_int_equal(bl_archive_read(bl_buf_span(&b), a, NULL), BLIND_INPUT);
}

static const char *const refused[] = {
    "version = 2\nmodel = \"model.onnx\"\n",
    "model = \"model.onnx\"\n",
    "version = 1\n",
    "version = 1\nmodel = \"other.onnx\"\n",
    "version = 1\nmodel = \"model.onnx\"\nkey = 1\n",
    "version = 1\nmodel = \"model.onnx\"\n[[inputs]]\nname = \"a\"\n",
    "version = 1\nmodel = \"model.onnx\"\n[[inputs]]\nname = \"x\"\nstep = []\n",
    "version = 1\nmodel = \"model.onnx\"\n[[inputs]]\nname = \"x\"\n[[inputs]]\nname = \"x\"\n",
    "version = 1\nmodel = \"model.onnx\"\n[[inputs]]\nname = \"x\"\n[[inputs]]\nname = \"y\"\n",
    "version = 1\nmodel = \"model.onnx\"\n[[inputs]]\nname = \"x\"\nsteps = [{op = \"fly\"}]\n",
    "version = 1\nmodel = \"model.onnx\"\n[[inputs]]\nname = \"x\"\nsteps = [{op = \"resize\"}]\n",
    "version = 1\nmodel = \"model.onnx\"\n[[inputs]]\nname = \"x\"\n"
    "steps = [{op = \"resize\", height = 0, width = 1}]\n",
    "version = 1\nmodel = \"model.onnx\"\n[[inputs]]\nname = \"x\"\n"
    "steps = [{op = \"crop\", height = 4}]\n",
    "version = 1\nmodel = \"model.onnx\"\n[[inputs]]\nname = \"x\"\n"
    "steps = [{op = \"normalise\", std = [0]}]\n",
    "version = 1\nmodel = \"model.onnx\"\n[[inputs]]\nname = \"x\"\n"
    "steps = [{op = \"transpose\", axes = [0, 0, 1]}]\n",
    "version = 1\nmodel = \"model.onnx\"\n[[outputs]]\nname = \"z\"\n",
    "version = 1\nmodel = \"model.onnx\"\n[[outputs]]\nname = \"y\"\n"
    "steps = [{op = \"labels\", file = \"none.txt\"}]\n",
    "version = 1\nmodel = \"model.onnx\"\n[[inputs]]\nname = \"a\"\nfeeds = {ids = \"x\", mask = "
    "\"x\"}\n",
};

TEST(refusals)
{
    for (size_t i = 0; i < BL_LEN(refused); i++) {
        fixture f = { 0 };
        if (open_text(&f, refused[i]) != BLIND_INPUT)
            fail_msg("accepted: %s", refused[i]);
        assert_null(f.pipeline);
        done(&f);
    }
}

TEST(runs)
{
    fixture      f = { 0 };
    blind_tensor in = bytes("neither", 7), other = floats(WANT(1), 1, SHAPE(1));
    size_t       len;
    assert_int_equal(open_text(&f,
                               "version = 1\nmodel = \"model.onnx\"\n[[inputs]]\nname = \"in\"\n"
                               "feeds = \"x\"\nsteps = [{op = \"decode_image\"}]\n"
                               "[[outputs]]\nname = \"best\"\nfrom = \"y\"\n"
                               "steps = [{op = \"argmax\"}]\n"),
                     BLIND_OK);
    assert_int_equal(bl_pipeline_inputs(f.pipeline, &len)[0].dtype, BLIND_U8);
    assert_string_equal(bl_pipeline_outputs(f.pipeline, &len)[0].name, "best");
    assert_int_equal(bl_pipeline_outputs(f.pipeline, &len)[0].dtype, BLIND_I64);
    assert_int_equal(bl_pipeline_run_new(f.pipeline, &other, 1, &f.run, &f.err), BLIND_INPUT);
    assert_int_equal(bl_pipeline_run_new(f.pipeline, &in, 0, &f.run, &f.err), BLIND_INPUT);
    assert_int_equal(run_all(&f, &in), BLIND_INPUT);
    assert_int_equal(bl_pipeline_run_step(f.run, 0, &f.err), BLIND_INPUT); /* stays failed */
    done(&f);

    /* A plain model is a pipeline without steps. */
    f = (fixture){ 0 };
    in = floats(WANT(1, 2), 4, SHAPE(1, 1, 1, 2));
    in.name = "x";
    assert_int_equal(
        bl_pipeline_open(bl_span(model_identity, sizeof model_identity), NULL, &f.pipeline, &f.err),
        BLIND_OK);
    assert_int_equal(run_all(&f, &in), BLIND_OK);
    expect(bl_pipeline_run_output(f.run, 0), 4, SHAPE(1, 1, 1, 2), WANT(1, 2));
    done(&f);
}

TESTS(RUN(decode), RUN(decode_refuses), RUN(resize), RUN(frame), RUN(audio), RUN(text), RUN(scores),
      RUN(cosine), RUN(steps_say_what_they_need), RUN(archive), RUN(refusals), RUN(runs))
