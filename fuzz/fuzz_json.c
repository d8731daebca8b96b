/* JSON: what is accepted is written, and read again. */
#include "base/json.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_members(const json_t *value)
{
    const char *text;
    int64_t     number;
    bool        truth;
    json_t     *inner;
    (void)!bl_json_string(value, "s", &text, NULL);
    (void)!bl_json_int(value, "i", 0, 255, &number, NULL);
    (void)!bl_json_bool(value, "b", &truth, NULL);
    (void)!bl_json_array(value, "a", &inner, NULL);
    (void)!bl_json_object(value, "o", &inner, NULL);
    (void)bl_json_has(value, "s");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bl_auto_json *value = NULL, *again = NULL;
    bl_auto_buf   text = BL_BUF_EMPTY;
    if (bl_json_parse(bl_span(data, size), 1 << 20, &value, NULL) != BLIND_OK)
        return 0;
    read_members(value);
    if (bl_json_write(value, &text, NULL) != BLIND_OK ||
        bl_json_parse(bl_buf_span(&text), 1 << 20, &again, NULL) != BLIND_OK)
        abort();
    return 0;
}
