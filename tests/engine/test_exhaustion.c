/* Each allocation is made to fail once: every way through gives MEMORY, and nothing leaks, hangs or
 * is left half done.  The linker sends our allocations here (--wrap). */
#include "server/registry.h"
#include "tests/engine/test_asking.h"

#include <stdatomic.h>

static _Atomic long countdown = -1; /* allocations until one fails; below 0: none does */

static bool fails(void)
{
    return atomic_load(&countdown) >= 0 && atomic_fetch_sub(&countdown, 1) == 0;
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t len, size_t size);
void *__real_realloc(void *p, size_t size);
char *__real_strdup(const char *s);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t len, size_t size);
void *__wrap_realloc(void *p, size_t size);
char *__wrap_strdup(const char *s);

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}
void *__wrap_calloc(size_t len, size_t size)
{
    return fails() ? NULL : __real_calloc(len, size);
}
void *__wrap_realloc(void *p, size_t size)
{
    return fails() ? NULL : __real_realloc(p, size);
}
char *__wrap_strdup(const char *s)
{
    return fails() ? NULL : __real_strdup(s);
}

/* Runs a scenario with the first allocation failing, then the second, until none is left to fail.
 */
static void exhaust(const char *name, blind_code (*scenario)(void))
{
    long n = 0;
    for (bool failed = true; failed; n++) {
        countdown = n;
        blind_code code = scenario();
        failed = countdown < 0;
        countdown = -1;
        CHECK_CODE(failed ? BLIND_MEMORY : BLIND_OK, code, name);
        CHECK(test_models_open == 0 && test_jobs_open == 0);
        CHECK(n < 1000);
    }
    print_message("%s: %ld allocations\n", name, n - 1);
}

/* ---- scenarios ---- */

static const char row[] =
    "ann:0000000000000000000000000000000000000000000000000000000000000001:infer\n"
    "bob:0000000000000000000000000000000000000000000000000000000000000002:infer\n";

static blind_code read_tokens(void)
{
    static const char *path = "/tmp/blind-exhaustion-tokens";
    FILE              *f = fopen(path, "wb");
    CHECK(f && fputs(row, f) >= 0 && fclose(f) == 0);
    bl_principals_options options = { .path = path };
    bl_principals        *p;
    BL_TRY(bl_principals_new(&options, &p, NULL));
    blind_code code = bl_principals_reload(p, NULL);
    bl_principals_free(p);
    return code;
}

static blind_code load_twice(bl_registry *r)
{
    bl_principal    ann = test_who("ann");
    bl_load         load = { .name = "m", .by = &ann, .replace = true, .salted = true };
    bl_model_writer w;
    bl_model_file  *file;
    bl_loaded       loaded;
    BL_TRY(bl_model_writer_init(&w, 100, NULL));
    CHECK_CODE(BLIND_OK, bl_model_writer_add(&w, BL_LITERAL("words v1 0\nla "), NULL), "add");
    BL_TRY(bl_model_writer_seal(&w, &file, NULL));
    blind_code code = bl_registry_load(r, &load, file, &loaded, NULL);
    if (code == BLIND_OK)
        code = bl_registry_load(r, &load, file, &loaded, NULL);
    else
        CHECK(bl_registry_last_change(r, "m") == 0);
    bl_model_file_release(file);
    return code;
}

/* The test engines say INPUT where they have no memory to open a model. */
static blind_code load_models(void)
{
    bl_registry_options options = { .engines = test_engines };
    bl_registry        *r;
    BL_TRY(bl_registry_new(&options, &r, NULL));
    blind_code code = load_twice(r);
    bl_registry_free(r);
    return code == BLIND_INPUT ? BLIND_MEMORY : code;
}

static blind_code ask_tokens(bl_executor *x, void *words)
{
    static int32_t     max = 3;
    blind_tensor       in[] = { { .name = "prompt", .dtype = BLIND_STRING },
                                { .name = "max_tokens", .dtype = BLIND_I32, .data = &max, .size = 4 } };
    asked              a = { .wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) };
    bl_request_options options = { .principal = test_who("ann"),
                                   .wake = test_wake,
                                   .wake_arg = &a.wake_fd };
    blind_code         code = bl_request_new(&options, &a.request, NULL);
    if (code == BLIND_OK) {
        bl_request_set_inputs(a.request, in, 2);
        code = bl_executor_submit_to(x, a.request, &test_engine_words, words, NULL);
        if (code == BLIND_OK) {
            ask_wait(&a); /* never hangs */
            code = a.code;
        }
        bl_request_release(a.request);
    }
    close(a.wake_fd);
    return code;
}

static blind_code ask_executor(void)
{
    static const char   file[] = "words v1 0\nla ";
    bl_executor_options options = { .threads = 1 };
    bl_engine_options   none = { 0 };
    bl_executor        *x;
    void               *words;
    BL_TRY(bl_executor_new(&options, &x, NULL));
    blind_code code = BLIND_MEMORY;
    if (test_engine_words.open(bl_span_str(file), &none, &words, NULL) == BLIND_OK) {
        code = ask_tokens(x, words);
        CHECK(bl_executor_idle(x, 5000));
        test_engine_words.close(words);
    }
    bl_executor_free(x);
    return code;
}

TEST(tokens_file_without_memory)
{
    exhaust("tokens file", read_tokens);
}
TEST(registry_without_memory)
{
    exhaust("registry", load_models);
}
TEST(executor_without_memory)
{
    exhaust("executor", ask_executor);
}

TESTS(RUN(tokens_file_without_memory), RUN(registry_without_memory), RUN(executor_without_memory))
