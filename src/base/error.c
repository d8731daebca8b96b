/* The one table of codes: names, texts, exceptions and exit statuses. */
#include "base/base.h"

#include <stdarg.h>
#include <stdio.h>

static const struct {
    const char *name, *exception, *text;
    int         exit;
} codes[] = {
#define X(name, exit, exception, text) { #name, exception, text, exit },
    BLIND_CODES(X)
#undef X
};

/* An unknown code is a failure: index 0, success, is never the answer to it. */
static unsigned row_of(blind_code code)
{
    return (unsigned)code < BLIND_CODE_COUNT ? (unsigned)code : BLIND_FAILED;
}

blind_code blind_fail(blind_error *err, blind_code code, const char *stage, const char *format, ...)
{
    if (!err)
        return code;
    err->code = code;
    err->stage = stage;
    va_list args;
    va_start(args, format);
    vsnprintf(err->message, sizeof err->message, format, args);
    va_end(args);
    return code;
}

blind_code blind_fail_in(blind_error *err, blind_code code, const char *format, ...)
{
    if (!err)
        return code;
    char    prefix[sizeof err->message], inner[sizeof err->message];
    va_list args;
    va_start(args, format);
    vsnprintf(prefix, sizeof prefix, format, args);
    va_end(args);
    memcpy(inner, err->message, sizeof inner);
    size_t used = strlen(prefix), room = sizeof err->message - used;
    memcpy(err->message, prefix, used);
    err->message[used] = 0;
    if (room > 2) {
        size_t keep = BL_MIN(strlen(inner), room - 3);
        memcpy(err->message + used, ": ", 2);
        memcpy(err->message + used + 2, inner, keep);
        err->message[used + 2 + keep] = 0;
    }
    return code;
}

const char *blind_code_name(blind_code code)
{
    return codes[row_of(code)].name;
}

const char *blind_code_text(blind_code code)
{
    return codes[row_of(code)].text;
}

const char *blind_code_exception(blind_code code)
{
    return codes[row_of(code)].exception;
}

int blind_code_exit(blind_code code)
{
    return codes[row_of(code)].exit;
}
