/* Infer requests and responses, written: JSON first, then binary tensors. */
#include "http/kserve.h"
#include "http/kserve_data.h"

#include <inttypes.h>

static blind_code write_string(const char *text, bl_buf *out, blind_error *err)
{
    return bl_kserve_write_string(bl_span_str(text), out, err);
}

static blind_code write_tensor(const blind_tensor *t, bool binary, bl_buf *out, blind_error *err)
{
    BL_TRY(bl_kserve_check_bytes(t, err));
    bl_buf_add_str(out, "{\"name\":");
    BL_TRY(write_string(t->name, out, err));
    bl_buf_printf(out, ",\"datatype\":\"%s\",\"shape\":[", blind_dtype_kserve(t->dtype));
    for (int i = 0; i < t->rank; i++)
        bl_buf_printf(out, "%s%" PRId64, i ? "," : "", t->shape[i]);
    bl_buf_add_str(out, "],");
    if (binary) {
        bl_buf_printf(out, "\"parameters\":{\"binary_data_size\":%zu}}", t->size);
        return BLIND_OK;
    }
    bl_buf_add_str(out, "\"data\":");
    BL_TRY(bl_kserve_data_write(t, out, err));
    bl_buf_add_u8(out, '}');
    return BLIND_OK;
}

/* Ends the JSON on a multiple of 64 bytes, so that the first tensor is aligned. */
static void end_json(const bool *binary, size_t count, bl_buf *out, size_t start,
                     int64_t *json_size)
{
    bool any = false;
    for (size_t i = 0; i < count; i++)
        any |= binary[i];
    *json_size = BL_KSERVE_JSON;
    if (!any)
        return;
    while ((out->size - start) % 64 && bl_buf_ok(out))
        bl_buf_add_u8(out, ' ');
    *json_size = (int64_t)(out->size - start);
}

static blind_code add_binary(const blind_tensor *tensors, const bool *binary, size_t count,
                             bl_buf *out, blind_error *err)
{
    for (size_t i = 0; i < count; i++)
        if (binary[i])
            bl_buf_add(out, bl_span(tensors[i].data, tensors[i].size));
    return bl_buf_check(out, "kserve.write", err);
}

/* Room for all at once: a buffer that grows is copied each time, and wiped if it is secret.
 * binary  which tensors' bytes follow the JSON; NULL: none */
static void make_room(const blind_tensor *tensors, const bool *binary, size_t count, bl_buf *out)
{
    enum { JSON = 512, OF_A_TENSOR = 192 }; /* ample for what names there usually are */
    size_t sum = JSON;
    bool   fits = true;
    for (size_t i = 0; i < count; i++) {
        size_t more = OF_A_TENSOR;
        fits = fits && (!binary || !binary[i] || bl_add(more, tensors[i].size, &more));
        fits = fits && bl_add(sum, more, &sum);
    }
    if (fits && !out->max) /* it is a guess */
        bl_buf_reserve(out, sum);
}

static blind_code write_tensors(const char *key, const blind_tensor *tensors, const bool *binary,
                                size_t count, bl_buf *out, blind_error *err)
{
    bl_buf_printf(out, "\"%s\":[", key);
    for (size_t i = 0; i < count; i++) {
        if (i)
            bl_buf_add_u8(out, ',');
        BL_TRY(write_tensor(&tensors[i], binary[i], out, err));
    }
    bl_buf_add_u8(out, ']');
    return BLIND_OK;
}

static blind_code write_wanted(const bl_kserve_request *r, bl_buf *out, blind_error *err)
{
    if (r->output_count == 0)
        return BLIND_OK;
    bl_buf_add_str(out, "\"outputs\":[");
    for (size_t i = 0; i < r->output_count; i++) {
        bl_buf_add_str(out, i ? ",{\"name\":" : "{\"name\":");
        BL_TRY(write_string(r->outputs[i].name, out, err));
        bl_buf_printf(out, ",\"parameters\":{\"binary_data\":%s}}",
                      r->outputs[i].binary ? "true" : "false");
    }
    bl_buf_add_str(out, "],");
    return BLIND_OK;
}

static blind_code too_many(blind_error *err)
{
    return blind_fail(err, BLIND_LIMIT, "kserve.write", "more than %d tensors", BL_MAX_TENSORS);
}

static blind_code write_request(const bl_kserve_request *request, const bool *binary, bl_buf *out,
                                int64_t *json_size, blind_error *err)
{
    size_t start = out->size;
    bl_buf_add_u8(out, '{');
    if (request->id) {
        bl_buf_add_str(out, "\"id\":");
        BL_TRY(write_string(request->id, out, err));
        bl_buf_add_u8(out, ',');
    }
    if (request->binary_output)
        bl_buf_add_str(out, "\"parameters\":{\"binary_data_output\":true},");
    BL_TRY(write_wanted(request, out, err));
    BL_TRY(write_tensors("inputs", request->inputs, binary, request->input_count, out, err));
    bl_buf_add_u8(out, '}');
    end_json(binary, request->input_count, out, start, json_size);
    return bl_buf_check(out, "kserve.write", err);
}

static blind_code choose_all(size_t count, bool binary, bool flags[BL_MAX_TENSORS],
                             blind_error *err)
{
    if (count > BL_MAX_TENSORS)
        return too_many(err);
    for (size_t i = 0; i < count; i++)
        flags[i] = binary;
    return BLIND_OK;
}

blind_code bl_kserve_request_begin(const bl_kserve_request *request, bl_buf *out,
                                   int64_t *json_size, blind_error *err)
{
    bool flags[BL_MAX_TENSORS];
    BL_TRY(choose_all(request->input_count, true, flags, err));
    make_room(request->inputs, NULL, request->input_count, out);
    return write_request(request, flags, out, json_size, err);
}

blind_code bl_kserve_request_write(const bl_kserve_request *request, bool binary, bl_buf *out,
                                   int64_t *json_size, blind_error *err)
{
    bool flags[BL_MAX_TENSORS];
    BL_TRY(choose_all(request->input_count, binary, flags, err));
    make_room(request->inputs, flags, request->input_count, out);
    BL_TRY(write_request(request, flags, out, json_size, err));
    return add_binary(request->inputs, flags, request->input_count, out, err);
}

/* How output `name` should travel. */
static bool wants_binary(const bl_kserve_request *request, const char *name)
{
    if (!request)
        return false;
    for (size_t i = 0; i < request->output_count; i++)
        if (strcmp(request->outputs[i].name, name) == 0)
            return request->outputs[i].binary;
    return request->binary_output;
}

blind_code bl_kserve_response_write(const bl_kserve_response *response,
                                    const bl_kserve_request *request, bl_buf *out,
                                    int64_t *json_size, blind_error *err)
{
    bool   flags[BL_MAX_TENSORS] = { false };
    size_t start = out->size;
    if (response->output_count > BL_MAX_TENSORS)
        return too_many(err);
    for (size_t i = 0; i < response->output_count; i++)
        flags[i] = wants_binary(request, response->outputs[i].name);
    make_room(response->outputs, flags, response->output_count, out);
    bl_buf_add_str(out, "{\"model_name\":");
    BL_TRY(write_string(response->model ? response->model : "", out, err));
    const char *id = response->id ? response->id : request ? request->id : NULL;
    if (id) {
        bl_buf_add_str(out, ",\"id\":");
        BL_TRY(write_string(id, out, err));
    }
    if (response->inference_time_ms >= 0)
        bl_buf_printf(out, ",\"parameters\":{\"inference_time_ms\":%.3f}",
                      response->inference_time_ms);
    bl_buf_add_u8(out, ',');
    BL_TRY(write_tensors("outputs", response->outputs, flags, response->output_count, out, err));
    bl_buf_add_u8(out, '}');
    end_json(flags, response->output_count, out, start, json_size);
    return add_binary(response->outputs, flags, response->output_count, out, err);
}
