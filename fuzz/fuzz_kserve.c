/* KServe bodies as request and as response; the first two bytes say where the JSON ends.  What was
 * understood is written again and must then be understood the same. */
#include "http/kserve.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void again(const bl_kserve_request *r)
{
    bl_auto_buf       body = BL_BUF_EMPTY;
    bl_auto_arena     a = BL_ARENA_EMPTY;
    bl_kserve_request back;
    int64_t           json_size;
    if (bl_kserve_request_write(r, true, &body, &json_size, NULL) != BLIND_OK)
        return; /* a name that is no UTF-8 cannot come from JSON, but memory may end */
    if (bl_kserve_request_parse(bl_buf_span(&body), json_size, &a, &back, NULL) != BLIND_OK ||
        back.input_count != r->input_count)
        abort();
    for (size_t i = 0; i < r->input_count; i++)
        if (!bl_span_equal(bl_span(back.inputs[i].data, back.inputs[i].size),
                           bl_span(r->inputs[i].data, r->inputs[i].size)))
            abort();
}

/* Outputs as JSON, where JSON can carry them. */
static void as_json(const bl_kserve_response *r)
{
    bl_auto_buf        body = BL_BUF_EMPTY;
    bl_auto_arena      a = BL_ARENA_EMPTY;
    bl_kserve_response back;
    int64_t            json_size;
    if (bl_kserve_response_write(r, NULL, &body, &json_size, NULL) != BLIND_OK)
        return;
    if (json_size != BL_KSERVE_JSON ||
        bl_kserve_response_parse(bl_buf_span(&body), json_size, &a, &back, NULL) != BLIND_OK ||
        back.output_count != r->output_count)
        abort();
    for (size_t i = 0; i < r->output_count; i++)
        if (back.outputs[i].size != r->outputs[i].size)
            abort();
}

/* The body as the only input of a model that the first bytes describe. */
static void raw(blind_span body, uint8_t what)
{
    bl_auto_arena     a = BL_ARENA_EMPTY;
    bl_kserve_request r;
    blind_tensor      input = { .name = "x", .dtype = what % BLIND_DTYPE_COUNT, .rank = 2 };
    input.shape[0] = what & 16 ? -1 : what & 3;
    input.shape[1] = what & 32 ? -1 : 2;
    if (bl_kserve_request_raw(body, &input, &a, &r, NULL) == BLIND_OK &&
        bl_kserve_check_bytes(&r.inputs[0], NULL) != BLIND_OK)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bl_auto_arena      a = BL_ARENA_EMPTY;
    bl_kserve_request  request;
    bl_kserve_response response;
    if (size < 2)
        return 0;
    int64_t    json_size = (int64_t)(data[0] | data[1] << 8) - 1;
    blind_span body = { data + 2, size - 2 };
    if (bl_kserve_request_parse(body, json_size, &a, &request, NULL) == BLIND_OK)
        again(&request);
    if (bl_kserve_response_parse(body, json_size, &a, &response, NULL) == BLIND_OK)
        as_json(&response);
    raw(body, data[0]);
    return 0;
}
