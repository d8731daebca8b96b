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
    (void)!bl_kserve_response_parse(body, json_size, &a, &response, NULL);
    return 0;
}
