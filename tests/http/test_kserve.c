/* The KServe V2 codec: both forms, both ways, and what a hostile body may not do. */
#include "http/kserve.h"
#include "tests/test.h"

#include <math.h>

/* Parses in an exactly sized copy, so that a read past the end is seen. */
static blind_code parse(const char *text, int64_t json_size, bl_arena *a, bl_kserve_request *out,
                        void **copy)
{
    size_t n = strlen(text);
    *copy = malloc(n ? n : 1);
    memcpy(*copy, text, n);
    return bl_kserve_request_parse(bl_span(*copy, n), json_size, a, out, NULL);
}

static const struct {
    const char *name, *json;
    blind_code  want;
} json_cases[] = {
#define ONE(t) "{\"inputs\":[" t "]}"
    { "flat", ONE("{\"name\":\"x\",\"shape\":[2,2],\"datatype\":\"FP32\",\"data\":[1,2,3,4.5]}"),
      BLIND_OK },
    { "nested", ONE("{\"name\":\"x\",\"shape\":[2,1],\"datatype\":\"INT8\",\"data\":[[1],[-2]]}"),
      BLIND_OK },
    { "no inputs given", "{\"inputs\":[]}", BLIND_OK },
    { "scalar", ONE("{\"name\":\"x\",\"shape\":[],\"datatype\":\"BOOL\",\"data\":[true]}"),
      BLIND_OK },
    { "strings", ONE("{\"name\":\"x\",\"shape\":[2],\"datatype\":\"BYTES\",\"data\":[\"a\",\"\"]}"),
      BLIND_OK },
    { "empty", ONE("{\"name\":\"x\",\"shape\":[0],\"datatype\":\"INT64\",\"data\":[]}"), BLIND_OK },
    { "not JSON", "{", BLIND_INPUT },
    { "nothing", "", BLIND_INPUT },
    { "an array", "[]", BLIND_INPUT },
    { "no inputs", "{}", BLIND_INPUT },
    { "a key twice", "{\"inputs\":[],\"inputs\":[]}", BLIND_INPUT },
    { "no name", ONE("{\"shape\":[1],\"datatype\":\"FP32\",\"data\":[1]}"), BLIND_INPUT },
    { "no datatype", ONE("{\"name\":\"x\",\"shape\":[1],\"data\":[1]}"), BLIND_UNSUPPORTED },
    { "FP128", ONE("{\"name\":\"x\",\"shape\":[1],\"datatype\":\"FP128\",\"data\":[1]}"),
      BLIND_UNSUPPORTED },
    { "FP16 as JSON", ONE("{\"name\":\"x\",\"shape\":[1],\"datatype\":\"FP16\",\"data\":[1]}"),
      BLIND_UNSUPPORTED },
    { "no shape", ONE("{\"name\":\"x\",\"datatype\":\"FP32\",\"data\":[1]}"), BLIND_INPUT },
    { "negative axis", ONE("{\"name\":\"x\",\"shape\":[-1],\"datatype\":\"FP32\",\"data\":[1]}"),
      BLIND_INPUT },
    { "axis 1.5", ONE("{\"name\":\"x\",\"shape\":[1.5],\"datatype\":\"FP32\",\"data\":[1]}"),
      BLIND_INPUT },
    { "17 axes",
      ONE("{\"name\":\"x\",\"shape\":[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1],\"datatype\":\"FP32\","
          "\"data\":[1]}"),
      BLIND_INPUT },
    { "overflowing shape",
      ONE("{\"name\":\"x\",\"shape\":[4294967296,4294967296],\"datatype\":\"FP32\",\"data\":[]}"),
      BLIND_LIMIT },
    { "a shape without its data",
      ONE("{\"name\":\"x\",\"shape\":[1000000000000],\"datatype\":\"FP64\",\"data\":[1]}"),
      BLIND_INPUT },
    { "too few", ONE("{\"name\":\"x\",\"shape\":[2],\"datatype\":\"FP32\",\"data\":[1]}"),
      BLIND_INPUT },
    { "too many", ONE("{\"name\":\"x\",\"shape\":[1],\"datatype\":\"FP32\",\"data\":[1,2]}"),
      BLIND_INPUT },
    { "data is an object", ONE("{\"name\":\"x\",\"shape\":[1],\"datatype\":\"FP32\",\"data\":{}}"),
      BLIND_INPUT },
    { "a string among numbers",
      ONE("{\"name\":\"x\",\"shape\":[1],\"datatype\":\"FP32\",\"data\":[\"1\"]}"), BLIND_INPUT },
    { "INT8 128", ONE("{\"name\":\"x\",\"shape\":[1],\"datatype\":\"INT8\",\"data\":[128]}"),
      BLIND_INPUT },
    { "UINT8 -1", ONE("{\"name\":\"x\",\"shape\":[1],\"datatype\":\"UINT8\",\"data\":[-1]}"),
      BLIND_INPUT },
    { "INT32 1.5", ONE("{\"name\":\"x\",\"shape\":[1],\"datatype\":\"INT32\",\"data\":[1.5]}"),
      BLIND_INPUT },
    { "FP32 1e39", ONE("{\"name\":\"x\",\"shape\":[1],\"datatype\":\"FP32\",\"data\":[1e39]}"),
      BLIND_INPUT },
    { "BOOL 2", ONE("{\"name\":\"x\",\"shape\":[1],\"datatype\":\"BOOL\",\"data\":[2]}"),
      BLIND_INPUT },
    { "binary without a binary part",
      ONE("{\"name\":\"x\",\"shape\":[1],\"datatype\":\"INT8\",\"parameters\":"
          "{\"binary_data_size\":1}}"),
      BLIND_INPUT },
    { "17 deep",
      ONE("{\"name\":\"x\",\"shape\":[1],\"datatype\":\"INT8\",\"data\":"
          "[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]}"),
      BLIND_LIMIT },
    { "an output without a name", "{\"inputs\":[],\"outputs\":[{}]}", BLIND_INPUT },
};

TEST(json_requests)
{
    for (size_t i = 0; i < BL_LEN(json_cases); i++) {
        bl_auto_arena     a = BL_ARENA_EMPTY;
        bl_kserve_request r;
        void             *copy;
        CHECK_CODE(json_cases[i].want, parse(json_cases[i].json, BL_KSERVE_JSON, &a, &r, &copy),
                   json_cases[i].name);
        free(copy);
    }
}

TEST(values_arrive)
{
    bl_auto_arena     a = BL_ARENA_EMPTY;
    bl_kserve_request r;
    void             *copy;
    CHECK(parse("{\"id\":\"7\",\"parameters\":{\"binary_data_output\":true},"
                "\"outputs\":[{\"name\":\"y\",\"parameters\":{\"binary_data\":false}}],\"inputs\":["
                "{\"name\":\"x\",\"shape\":[3],\"datatype\":\"INT16\",\"data\":[-1,2,32767]}]}",
                BL_KSERVE_JSON, &a, &r, &copy) == BLIND_OK);
    CHECK(strcmp(r.id, "7") == 0 && r.binary_output && r.output_count == 1);
    CHECK(strcmp(r.outputs[0].name, "y") == 0 && !r.outputs[0].binary);
    const int16_t want[] = { -1, 2, 32767 };
    CHECK(r.inputs[0].size == sizeof want && memcmp(r.inputs[0].data, want, sizeof want) == 0);
    free(copy);
}

/* Three tensors of odd sizes, so that the second and third are not aligned. */
static size_t sample(blind_tensor t[4])
{
    static int8_t  bytes[3] = { -1, 0, 1 };
    static double  reals[2] = { 0.1, -0.0 };
    static float   single[3] = { 1.5f, -2.25e-30f, 3.4e38f };
    static uint8_t text[] = { 1, 0, 0, 0, 'a', 0, 0, 0, 0 };
    t[0] = (blind_tensor){ "b", BLIND_I8, 1, { 3 }, bytes, sizeof bytes };
    t[1] = (blind_tensor){ "d", BLIND_F64, 2, { 1, 2 }, reals, sizeof reals };
    t[2] = (blind_tensor){ "f \"q\"", BLIND_F32, 1, { 3 }, single, sizeof single };
    t[3] = (blind_tensor){ "s", BLIND_STRING, 1, { 2 }, text, sizeof text };
    return 4;
}

TEST(what_a_client_writes_a_server_reads)
{
    for (int binary = 0; binary < 2; binary++) {
        blind_tensor      t[4];
        bl_kserve_request r = { .id = "i", .inputs = t, .binary_output = true }, back;
        bl_auto_buf       body = BL_BUF_EMPTY;
        bl_auto_arena     a = BL_ARENA_EMPTY;
        int64_t           json_size;
        r.input_count = sample(t);
        CHECK(bl_kserve_request_write(&r, binary, &body, &json_size, NULL) == BLIND_OK);
        CHECK(binary ? json_size % 64 == 0 : json_size == BL_KSERVE_JSON);
        CHECK(bl_kserve_request_parse(bl_buf_span(&body), json_size, &a, &back, NULL) == BLIND_OK);
        CHECK(back.input_count == 4 && back.binary_output && strcmp(back.id, "i") == 0);
        for (size_t i = 0; i < 4; i++) {
            CHECK(strcmp(back.inputs[i].name, t[i].name) == 0);
            CHECK(back.inputs[i].rank == t[i].rank && back.inputs[i].shape[0] == t[i].shape[0]);
            CHECK(back.inputs[i].size == t[i].size);
            CHECK(memcmp(back.inputs[i].data, t[i].data, t[i].size) == 0);
            size_t align = blind_dtype_size(t[i].dtype);
            CHECK(align < 2 || (uintptr_t)back.inputs[i].data % align == 0);
        }
    }
}

TEST(what_a_server_writes_a_client_reads)
{
    for (int binary = 0; binary < 2; binary++) {
        blind_tensor       t[4];
        bl_kserve_request  request = { .id = "9", .binary_output = binary };
        bl_kserve_response r = { .model = "m", .inference_time_ms = 1.5, .outputs = t }, back;
        bl_auto_buf        body = BL_BUF_EMPTY;
        bl_auto_arena      a = BL_ARENA_EMPTY;
        int64_t            json_size;
        r.output_count = sample(t);
        CHECK(bl_kserve_response_write(&r, &request, &body, &json_size, NULL) == BLIND_OK);
        CHECK(bl_kserve_response_parse(bl_buf_span(&body), json_size, &a, &back, NULL) == BLIND_OK);
        CHECK(back.output_count == 4 && strcmp(back.id, "9") == 0 && strcmp(back.model, "m") == 0);
        CHECK(fabs(back.inference_time_ms - 1.5) < 1e-9);
        for (size_t i = 0; i < 4; i++)
            CHECK(memcmp(back.outputs[i].data, t[i].data, t[i].size) == 0);
    }
}

TEST(outputs_go_as_each_was_asked)
{
    float              nan_value = NAN, one = 1;
    blind_tensor       t[] = { { "a", BLIND_F32, 1, { 1 }, &nan_value, 4 },
                               { "b", BLIND_F32, 1, { 1 }, &one, 4 } };
    bl_kserve_wanted   wanted[] = { { "a", true }, { "b", false } };
    bl_kserve_request  request = { .outputs = wanted, .output_count = 2 };
    bl_kserve_response r = { .inference_time_ms = -1, .outputs = t, .output_count = 2 };
    bl_auto_buf        body = BL_BUF_EMPTY;
    int64_t            json_size;
    CHECK(bl_kserve_response_write(&r, &request, &body, &json_size, NULL) == BLIND_OK);
    CHECK(json_size > 0 && body.size == (size_t)json_size + 4);
    CHECK(strstr(bl_buf_cstr(&body), "\"data\":[1]"));
    wanted[0].binary = false;
    bl_buf_clear(&body);
    CHECK_CODE(BLIND_INPUT, bl_kserve_response_write(&r, &request, &body, &json_size, NULL), "NaN");
}

TEST(the_beginning_of_a_request_is_all_but_its_tensors)
{
    blind_tensor      t[4];
    bl_kserve_request r = { .inputs = t };
    bl_auto_buf       whole = BL_BUF_EMPTY, begun = BL_BUF_EMPTY;
    int64_t           whole_size, size;
    r.input_count = sample(t);
    CHECK(bl_kserve_request_write(&r, true, &whole, &whole_size, NULL) == BLIND_OK);
    CHECK(bl_kserve_request_begin(&r, &begun, &size, NULL) == BLIND_OK);
    CHECK(size == whole_size && begun.size == (size_t)size);
    for (size_t i = 0; i < 4; i++)
        bl_buf_add(&begun, bl_span(t[i].data, t[i].size));
    CHECK(bl_span_equal(bl_buf_span(&begun), bl_buf_span(&whole)));
    t[2].size--;
    CHECK_CODE(BLIND_INPUT, bl_kserve_request_begin(&r, &begun, &size, NULL), "a short tensor");
}

TEST(every_cut_of_a_binary_body_is_refused)
{
    blind_tensor      t[4];
    bl_kserve_request r = { .inputs = t }, back;
    bl_auto_buf       body = BL_BUF_EMPTY;
    int64_t           json_size;
    r.input_count = sample(t);
    CHECK(bl_kserve_request_write(&r, true, &body, &json_size, NULL) == BLIND_OK);
    bl_buf_add_u8(&body, 0);
    for (size_t n = 0; n <= body.size; n++) {
        bl_auto_arena a = BL_ARENA_EMPTY;
        void         *copy = malloc(n ? n : 1);
        memcpy(copy, body.data, n);
        blind_code code = bl_kserve_request_parse(bl_span(copy, n), json_size, &a, &back, NULL);
        CHECK_CODE(n == body.size - 1 ? BLIND_OK : BLIND_INPUT, code, "a cut body");
        free(copy);
    }
}

TEST(raw_requests_take_their_shape_from_the_model)
{
    static const struct {
        const char *name;
        int         rank;
        int64_t     shape[2];
        size_t      size;
        blind_code  want;
    } cases[] = {
        { "fixed", 2, { 2, 3 }, 24, BLIND_OK },
        { "one unknown axis", 2, { -1, 3 }, 24, BLIND_OK },
        { "two unknown axes", 2, { -1, -1 }, 24, BLIND_INPUT },
        { "too short", 2, { 2, 3 }, 20, BLIND_INPUT },
        { "no whole rows", 2, { -1, 3 }, 20, BLIND_INPUT },
        { "no whole element", 1, { -1 }, 22, BLIND_INPUT },
        { "an axis of 0", 2, { -1, 0 }, 24, BLIND_INPUT },
    };
    static const uint8_t bytes[24];
    for (size_t i = 0; i < BL_LEN(cases); i++) {
        bl_auto_arena     a = BL_ARENA_EMPTY;
        bl_kserve_request r;
        blind_tensor      in = { .name = "x", .dtype = BLIND_F32, .rank = cases[i].rank };
        memcpy(in.shape, cases[i].shape, sizeof cases[i].shape);
        CHECK_CODE(cases[i].want,
                   bl_kserve_request_raw(bl_span(bytes, cases[i].size), &in, &a, &r, NULL),
                   cases[i].name);
        CHECK(cases[i].want != BLIND_OK || r.inputs[0].shape[0] == 2);
    }
    bl_auto_arena     a = BL_ARENA_EMPTY;
    bl_kserve_request r;
    blind_tensor      text = { .name = "s", .dtype = BLIND_STRING, .rank = 1, .shape = { -1 } };
    CHECK(bl_kserve_request_raw(BL_LITERAL("abc"), &text, &a, &r, NULL) == BLIND_OK);
    CHECK(r.inputs[0].size == 7 && memcmp(r.inputs[0].data, "\3\0\0\0abc", 7) == 0);
}

TESTS(RUN(json_requests), RUN(values_arrive), RUN(what_a_client_writes_a_server_reads),
      RUN(what_a_server_writes_a_client_reads), RUN(outputs_go_as_each_was_asked),
      RUN(the_beginning_of_a_request_is_all_but_its_tensors),
      RUN(every_cut_of_a_binary_body_is_refused), RUN(raw_requests_take_their_shape_from_the_model))
