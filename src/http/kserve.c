/* Infer requests and responses, read. */
#include "http/kserve.h"

#include "http/kserve_data.h"

/* A body on its way into tensors. */
typedef struct {
    blind_span binary; /* what is left behind the JSON */
    bool       split;  /* there is a binary part */
    bl_arena  *a;
} source;

static blind_code bad(blind_error *err, const char *what)
{
    return blind_fail(err, BLIND_INPUT, "kserve.json", "%s", what);
}

static blind_code no_memory(blind_error *err)
{
    return blind_fail(err, BLIND_MEMORY, "kserve", "out of memory");
}

static blind_code copy_string(const json_t *value, const char *what, bl_arena *a, const char **out,
                              blind_error *err)
{
    if (!json_is_string(value))
        return blind_fail(err, BLIND_INPUT, "kserve.json", "%s is no string", what);
    if (json_string_length(value) > BL_MAX_TENSOR_NAME)
        return blind_fail(err, BLIND_LIMIT, "kserve.json", "%s is longer than %d bytes", what,
                          BL_MAX_TENSOR_NAME);
    *out = bl_arena_copy(a, bl_span(json_string_value(value), json_string_length(value)));
    return *out ? BLIND_OK : no_memory(err);
}

static blind_code load(blind_span text, json_t **out, blind_error *err)
{
    json_error_t at;
    *out = NULL;
    if (text.size > BL_MAX_JSON_SIZE)
        return blind_fail(err, BLIND_LIMIT, "kserve.json",
                          "%zu bytes of JSON, expected at most %u: send binary data", text.size,
                          BL_MAX_JSON_SIZE);
    json_t *root = json_loadb(text.size ? (const char *)text.data : "", text.size,
                              JSON_REJECT_DUPLICATES, &at);
    if (!root) /* jansson's text may quote what came in, so the place is all that is said */
        return blind_fail(err, BLIND_INPUT, "kserve.json", "line %d column %d: not JSON", at.line,
                          at.column);
    *out = root;
    if (json_is_object(root))
        return BLIND_OK;
    json_decref(root);
    *out = NULL;
    return bad(err, "the body is no JSON object");
}

/* Splits at json_size and parses the first part. */
static blind_code open_body(blind_span body, int64_t json_size, bl_arena *a, source *s,
                            json_t **root, blind_error *err)
{
    *s = (source){ .split = json_size >= 0, .a = a };
    *root = NULL;
    if (s->split && (uint64_t)json_size > body.size)
        return blind_fail(err, BLIND_INPUT, "kserve.binary",
                          BL_KSERVE_HEADER " is larger than the body of %zu bytes", body.size);
    size_t n = s->split ? (size_t)json_size : body.size;
    s->binary = bl_span(body.data + n, body.size - n);
    return load(bl_span(body.data, n), root, err);
}

static blind_code parse_shape(const json_t *shape, blind_tensor *t, blind_error *err)
{
    if (!json_is_array(shape) || json_array_size(shape) > BLIND_MAX_RANK)
        return blind_fail(err, BLIND_INPUT, "kserve.shape",
                          "tensor '%s': shape is no array of at most %d axes", t->name,
                          BLIND_MAX_RANK);
    t->rank = (int)json_array_size(shape);
    for (int i = 0; i < t->rank; i++) {
        const json_t *axis = json_array_get(shape, (size_t)i);
        if (!json_is_integer(axis))
            return blind_fail(err, BLIND_INPUT, "kserve.shape",
                              "tensor '%s': axis %d is no integer", t->name, i);
        t->shape[i] = json_integer_value(axis);
    }
    return BLIND_OK;
}

/* Points t->data at `bytes`, or at a copy where they are not aligned. */
static blind_code place(blind_span bytes, bl_arena *a, blind_tensor *t, blind_error *err)
{
    size_t align = blind_dtype_size(t->dtype);
    t->size = bytes.size;
    t->data = (void *)(uintptr_t)bytes.data;
    if (align < 2 || (uintptr_t)bytes.data % align == 0)
        return BLIND_OK;
    t->data = bl_arena_alloc(a, bytes.size ? bytes.size : 1);
    if (!t->data)
        return no_memory(err);
    if (bytes.size)
        memcpy(t->data, bytes.data, bytes.size);
    return BLIND_OK;
}

static blind_code parse_binary(const json_t *size, source *s, blind_tensor *t, blind_error *err)
{
    if (!json_is_integer(size) || json_integer_value(size) < 0)
        return blind_fail(err, BLIND_INPUT, "kserve.binary",
                          "tensor '%s': binary_data_size is no size", t->name);
    uint64_t n = (uint64_t)json_integer_value(size);
    if (!s->split || n > s->binary.size)
        return blind_fail(err, BLIND_INPUT, "kserve.binary",
                          "tensor '%s': its binary data is not in the body", t->name);
    blind_span bytes = { s->binary.data, (size_t)n };
    s->binary = bl_span(s->binary.data + n, s->binary.size - (size_t)n);
    BL_TRY(place(bytes, s->a, t, err));
    return bl_kserve_check_bytes(t, err);
}

static blind_code parse_tensor(const json_t *object, source *s, blind_tensor *t, blind_error *err)
{
    BL_TRY(copy_string(json_object_get(object, "name"), "a tensor's name", s->a, &t->name, err));
    const char *type = json_string_value(json_object_get(object, "datatype"));
    if (!type || !bl_kserve_dtype(type, &t->dtype))
        return blind_fail(err, BLIND_UNSUPPORTED, "kserve.datatype",
                          "tensor '%s': unknown or missing datatype", t->name);
    BL_TRY(parse_shape(json_object_get(object, "shape"), t, err));
    const json_t *data = json_object_get(object, "data");
    const json_t *size = json_object_get(json_object_get(object, "parameters"), "binary_data_size");
    if (!data == !size)
        return blind_fail(err, BLIND_INPUT, "kserve.data",
                          "tensor '%s': expected either data or binary_data_size", t->name);
    return data ? bl_kserve_data_parse(data, s->a, t, err) : parse_binary(size, s, t, err);
}

static blind_code parse_tensors(const json_t *array, source *s, blind_tensor **out, size_t *count,
                                blind_error *err)
{
    size_t n = json_array_size(array);
    if (!json_is_array(array) || n > BL_MAX_TENSORS)
        return blind_fail(err, BLIND_INPUT, "kserve.json",
                          "expected an array of at most %d tensors", BL_MAX_TENSORS);
    *out = bl_arena_array(s->a, n ? n : 1, sizeof **out);
    if (!*out)
        return no_memory(err);
    for (size_t i = 0; i < n; i++)
        BL_TRY(parse_tensor(json_array_get(array, i), s, &(*out)[i], err));
    *count = n;
    if (s->binary.size == 0)
        return BLIND_OK;
    return blind_fail(err, BLIND_INPUT, "kserve.binary", "%zu bytes after the last tensor",
                      s->binary.size);
}

static bool flag(const json_t *object, const char *name, bool otherwise)
{
    const json_t *value = json_object_get(json_object_get(object, "parameters"), name);
    return json_is_boolean(value) ? json_is_true(value) : otherwise;
}

static blind_code parse_wanted(const json_t *array, bl_arena *a, bl_kserve_request *out,
                               blind_error *err)
{
    size_t n = json_array_size(array);
    if (!array)
        return BLIND_OK;
    if (!json_is_array(array) || n > BL_MAX_TENSORS)
        return bad(err, "outputs is no array within the limit");
    out->outputs = bl_arena_array(a, n ? n : 1, sizeof *out->outputs);
    if (!out->outputs)
        return no_memory(err);
    for (size_t i = 0; i < n; i++) {
        const json_t *object = json_array_get(array, i);
        BL_TRY(copy_string(json_object_get(object, "name"), "an output's name", a,
                           &out->outputs[i].name, err));
        out->outputs[i].binary = flag(object, "binary_data", out->binary_output);
    }
    out->output_count = n;
    return BLIND_OK;
}

static blind_code parse_request(const json_t *root, source *s, bl_kserve_request *out,
                                blind_error *err)
{
    const json_t *id = json_object_get(root, "id");
    if (id)
        BL_TRY(copy_string(id, "id", s->a, &out->id, err));
    out->binary_output = flag(root, "binary_data_output", false);
    BL_TRY(parse_wanted(json_object_get(root, "outputs"), s->a, out, err));
    return parse_tensors(json_object_get(root, "inputs"), s, &out->inputs, &out->input_count, err);
}

blind_code bl_kserve_request_parse(blind_span body, int64_t json_size, bl_arena *a,
                                   bl_kserve_request *out, blind_error *err)
{
    source  s;
    json_t *root;
    *out = (bl_kserve_request){ 0 };
    BL_TRY(open_body(body, json_size, a, &s, &root, err));
    blind_code code = parse_request(root, &s, out, err);
    json_decref(root);
    if (code != BLIND_OK)
        *out = (bl_kserve_request){ 0 };
    return code;
}

/* The one unknown axis from the number of elements.  Source: Triton, "raw binary request". */
static blind_code solve_shape(blind_tensor *t, size_t elements, blind_error *err)
{
    int    open = -1;
    size_t known = 1;
    for (int i = 0; i < t->rank; i++) {
        bool fixed = t->shape[i] >= 0;
        if ((!fixed && open >= 0) || (fixed && !bl_mul(known, (size_t)t->shape[i], &known)))
            return blind_fail(err, BLIND_INPUT, "kserve.raw",
                              "input '%s' has more than one unknown axis: send its shape", t->name);
        open = fixed ? open : i;
    }
    if (open >= 0 && known > 0 && elements % known == 0)
        t->shape[open] = (int64_t)(elements / known);
    if (open < 0 || t->shape[open] >= 0)
        return BLIND_OK;
    return blind_fail(err, BLIND_INPUT, "kserve.raw", "%zu elements do not fill input '%s'",
                      elements, t->name);
}

/* A raw string has no size in front: it is the body. */
static blind_code raw_string(blind_span body, bl_arena *a, blind_tensor *t, blind_error *err)
{
    uint8_t *data = body.size > UINT32_MAX ? NULL : bl_arena_alloc(a, body.size + 4);
    if (!data)
        return no_memory(err);
    for (int i = 0; i < 4; i++)
        data[i] = (uint8_t)(body.size >> 8 * i);
    if (body.size)
        memcpy(data + 4, body.data, body.size);
    t->data = data;
    t->size = body.size + 4;
    BL_TRY(solve_shape(t, 1, err));
    return bl_kserve_check_bytes(t, err);
}

blind_code bl_kserve_request_raw(blind_span body, const blind_tensor *input, bl_arena *a,
                                 bl_kserve_request *out, blind_error *err)
{
    *out = (bl_kserve_request){ 0 };
    blind_tensor *t = bl_arena_array(a, 1, sizeof *t);
    if (!t)
        return no_memory(err);
    *t = *input;
    if (t->dtype == BLIND_STRING) {
        BL_TRY(raw_string(body, a, t, err));
    } else {
        BL_TRY(solve_shape(t, body.size / blind_dtype_size(t->dtype), err));
        BL_TRY(place(body, a, t, err));
        BL_TRY(bl_kserve_check_bytes(t, err));
    }
    *out = (bl_kserve_request){ .inputs = t, .input_count = 1, .binary_output = true };
    return BLIND_OK;
}

static blind_code parse_response(const json_t *root, source *s, bl_kserve_response *out,
                                 blind_error *err)
{
    const json_t *id = json_object_get(root, "id");
    const json_t *model = json_object_get(root, "model_name");
    const json_t *time = json_object_get(json_object_get(root, "parameters"), "inference_time_ms");
    if (id)
        BL_TRY(copy_string(id, "id", s->a, &out->id, err));
    if (model)
        BL_TRY(copy_string(model, "model_name", s->a, &out->model, err));
    out->inference_time_ms = json_is_number(time) ? json_number_value(time) : -1;
    return parse_tensors(json_object_get(root, "outputs"), s, &out->outputs, &out->output_count,
                         err);
}

blind_code bl_kserve_response_parse(blind_span body, int64_t json_size, bl_arena *a,
                                    bl_kserve_response *out, blind_error *err)
{
    source  s;
    json_t *root;
    *out = (bl_kserve_response){ .inference_time_ms = -1 };
    BL_TRY(open_body(body, json_size, a, &s, &root, err));
    blind_code code = parse_response(root, &s, out, err);
    json_decref(root);
    if (code != BLIND_OK)
        *out = (bl_kserve_response){ .inference_time_ms = -1 };
    return code;
}
