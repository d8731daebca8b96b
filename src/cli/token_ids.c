/* Reads them one by one. */
#include "cli/token_ids.h"

#include <errno.h>
#include <stdlib.h>

blind_code bl_read_token_ids(const char *text, size_t below, blind_code wrong, bl_tokens *out,
                             blind_error *err)
{
    while (*(text += strspn(text, " \t\r\n,"))) {
        char *end;
        errno = 0;
        long id = strtol(text, &end, 10);
        if (end == text || errno || id < 0 || id > INT32_MAX || (size_t)id >= below)
            return blind_fail(err, wrong, "model.ids",
                              "'%.20s' is no token: expected a number below %zu", text, below);
        bl_tokens_add(out, (int32_t)id);
        text = end;
    }
    return bl_buf_check(&out->bytes, "model.ids", err);
}
