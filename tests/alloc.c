/* The wrapped allocators: they count, and the one that was chosen returns NULL. */
#include "tests/alloc.h"

#include <jansson.h>
#include <locale.h>

static int count, fails_at; /* from 1; 0: none fails */

static bool refused(void)
{
    return ++count == fails_at;
}

#define WRAP(type, name, parameters, arguments)                                                    \
    type __real_##name parameters;                                                                 \
    type __wrap_##name parameters;                                                                 \
    type __wrap_##name parameters                                                                  \
    {                                                                                              \
        return refused() ? NULL : __real_##name arguments;                                         \
    }

WRAP(void *, malloc, (size_t size), (size))
WRAP(void *, calloc, (size_t len, size_t size), (len, size))
WRAP(void *, realloc, (void *p, size_t size), (p, size))
WRAP(void *, aligned_alloc, (size_t alignment, size_t size), (alignment, size))
WRAP(char *, strdup, (const char *s), (s))
WRAP(char *, strndup, (const char *s, size_t size), (s, size))
WRAP(locale_t, newlocale, (int mask, const char *name, locale_t base), (mask, name, base))

static blind_code run_failing_at(blind_code (*run)(void), int n)
{
    count = 0;
    fails_at = n;
    blind_code code = run();
    fails_at = 0;
    return code;
}

static int fail_each(blind_code (*run)(void), bool strict, const char *name)
{
    CHECK_CODE(BLIND_OK, run_failing_at(run, 0), name);
    int all = count;
    for (int n = 1; n <= all; n++) {
        blind_code code = run_failing_at(run, n);
        if (strict ? code != BLIND_MEMORY : code == BLIND_OK)
            fail_msg("%s: allocation %d of %d failed, expected MEMORY, found %s", name, n, all,
                     blind_code_name(code));
    }
    CHECK_CODE(BLIND_OK, run_failing_at(run, 0), name);
    return all;
}

int fail_each_allocation(blind_code (*run)(void), const char *name)
{
    return fail_each(run, true, name);
}

int fail_each_json_allocation(blind_code (*run)(void), const char *name)
{
    json_set_alloc_funcs(__wrap_malloc, free);
    int all = fail_each(run, false, name);
    json_set_alloc_funcs(malloc, free);
    return all;
}
