/* The list of checks, and what a caller may ask of a verdict. */
#include "policy/result.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

const char *bl_state_name(blind_state state)
{
    return state == BLIND_PROVEN ? "proven" : state == BLIND_REFUTED ? "refuted" : "unknown";
}

void bl_result_add(blind_result *result, const char *name, blind_state state, bool asked,
                   blind_code code, const char *expected, const char *found, const char *source)
{
    if (!name || !expected || !found || result->checks_len == result->checks_max) {
        result->failed = true;
        return;
    }
    result->checks[result->checks_len++] = (blind_check){ .name = name,
                                                          .state = state,
                                                          .asked = asked,
                                                          .code = code,
                                                          .expected = expected,
                                                          .found = found,
                                                          .source = source };
}

const char *bl_result_printf(blind_result *result, const char *format, ...)
{
    char    line[512];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    const char *copy = bl_arena_copy(&result->arena, bl_span_str(line));
    result->failed |= !copy;
    return copy;
}

const char *bl_result_hex(blind_result *result, blind_span bytes, size_t digits)
{
    size_t all = 2 * bytes.size, keep = digits && digits < all ? digits : all;
    char  *text = bl_arena_alloc(&result->arena, all + 4);
    result->failed |= !text;
    for (size_t i = 0; text && i < keep; i++)
        text[i] = "0123456789abcdef"[bytes.data[i / 2] >> (i % 2 ? 0 : 4) & 15];
    if (text && keep < all)
        memcpy(text + keep, "...", 4);
    return text;
}

/* Of several failures the lowest exit status above 9; below that, the first. */
static bool more_telling(const blind_check *a, const blind_check *b)
{
    int x = blind_code_exit(a->code), y = blind_code_exit(b->code);
    return (x > 9) != (y > 9) ? x > 9 : x > 9 && x < y;
}

const blind_check *bl_result_failure(const blind_result *result)
{
    const blind_check *worst = NULL;
    for (size_t i = 0; i < result->checks_len; i++) {
        const blind_check *c = &result->checks[i];
        if (bl_check_fails(c) && (!worst || more_telling(c, worst)))
            worst = c;
    }
    return worst;
}

void blind_result_free(blind_result *result)
{
    if (!result)
        return;
    bl_arena arena = result->arena; /* the result lives in it */
    free(result->text);
    free(result->json);
    bl_arena_done(&arena);
}

blind_code blind_result_code(const blind_result *result)
{
    return result->code;
}

/* Most verdicts are never read, so they are written when somebody asks. */
static pthread_mutex_t writing = PTHREAD_MUTEX_INITIALIZER;

static const char *written(const blind_result *result, char *const *text,
                           void (*write)(blind_result *))
{
    pthread_mutex_lock(&writing);
    if (!*text)
        write((blind_result *)result);
    const char *now = *text;
    pthread_mutex_unlock(&writing);
    return now ? now : "";
}

const char *blind_result_text(const blind_result *result)
{
    return written(result, &result->text, bl_verdict_text);
}

const char *blind_result_json(const blind_result *result)
{
    return written(result, &result->json, bl_verdict_json);
}

const char *blind_result_tee(const blind_result *result)
{
    return result->claims.tee ? result->claims.tee : "";
}

bool blind_result_simulated(const blind_result *result)
{
    return result->claims.simulated;
}

bool blind_result_bound(const blind_result *result)
{
    return result->bound;
}

uint64_t blind_result_log_len(const blind_result *result)
{
    return result->log.len;
}

void blind_result_policy_digest(const blind_result *result, uint8_t out[32])
{
    memcpy(out, result->policy_digest, 32);
}

size_t blind_result_checks(const blind_result *result)
{
    return result->checks_len;
}

const blind_check *blind_result_check(const blind_result *result, size_t i)
{
    return i < result->checks_len ? &result->checks[i] : NULL;
}

size_t blind_result_models(const blind_result *result)
{
    return result->models_len;
}

const blind_loaded_model *blind_result_model(const blind_result *result, size_t i)
{
    return i < result->models_len ? &result->models[i] : NULL;
}
