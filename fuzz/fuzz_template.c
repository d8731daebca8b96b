/* Chat templates: whatever parses renders or fails within its bounds, and says the same twice. */
#include "llm/template.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char conversation[] = "{\"messages\":[{\"role\":\"system\",\"content\":\" s "
                                   "\"},{\"role\":\"user\",\"content\":\"a\\u00e9\"},"
                                   "{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{"
                                   "\"function\":{\"name\":\"f\",\"arguments\":{\"x\":1.5}}}]}],"
                                   "\"tools\":[{\"name\":\"f\"}],\"add_generation_prompt\":true,"
                                   "\"bos_token\":\"<s>\",\"eos_token\":\"</s>\"}";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static json_t *given;
    bl_template   *t;
    bl_auto_buf    first = BL_BUF_EMPTY, second = BL_BUF_EMPTY;
    if (!given)
        given = json_loads(conversation, 0, NULL);
    if (bl_template_open(bl_span(data, size), &t, NULL) != BLIND_OK) {
        if (t)
            abort();
        return 0;
    }
    blind_code code = bl_template_render(t, given, 0, &first, NULL);
    if (code != BLIND_OK && first.size)
        abort();
    if (bl_template_render(t, given, 0, &second, NULL) != code ||
        !bl_span_equal(bl_buf_span(&first), bl_buf_span(&second)))
        abort();
    bl_template_close(t);
    return 0;
}
