/* The registry: names, owners, shared files, what the log says, and changes under running requests.
 */
#include "server/registry.h"

#include "crypto/hash.h"
#include "tests/engine/test_asking.h"

#include <pthread.h>
#include <stdatomic.h>

static bl_runtime_log runtime_log;

static bl_registry *start(bl_registry_options options)
{
    bl_registry *r;
    options.engines = test_engines;
    options.log = &runtime_log;
    CHECK_CODE(BLIND_OK, bl_runtime_log_init(&runtime_log, NULL), "log");
    CHECK_CODE(BLIND_OK, bl_registry_new(&options, &r, NULL), "registry");
    return r;
}

static void end(bl_registry *r)
{
    bl_registry_free(r);
    bl_runtime_log_done(&runtime_log);
    CHECK(test_models_open == 0);
    CHECK(test_jobs_open == 0);
}

static bl_model_file *make_file(const char *text)
{
    bl_model_writer w;
    bl_model_file  *file;
    CHECK_CODE(BLIND_OK, bl_model_writer_init(&w, 1 << 20, NULL), "writer");
    CHECK_CODE(BLIND_OK, bl_model_writer_add(&w, bl_span_str(text), NULL), "add");
    CHECK_CODE(BLIND_OK, bl_model_writer_seal(&w, &file, NULL), "seal");
    return file;
}

static blind_code put(bl_registry *r, const char *who, const char *name, const char *text,
                      bool replace, bl_loaded *loaded, blind_error *err)
{
    bl_principal   by = strcmp(who, "root") == 0 ? bl_principal_operator() : test_who(who);
    bl_load        load = { .name = name, .by = &by, .replace = replace };
    bl_model_file *file = make_file(text);
    blind_code     code = bl_registry_load(r, &load, file, loaded, err);
    bl_model_file_release(file);
    return code;
}

static blind_code load(bl_registry *r, const char *who, const char *name, const char *text)
{
    bl_loaded loaded;
    return put(r, who, name, text, true, &loaded, NULL);
}

static const char one[] = "words v1 0\none ", two[] = "words v1 0\ntwo ";

static bool has(bl_registry *r, const char *name)
{
    bl_model  *m;
    blind_code code = bl_registry_resolve(r, name, &m, NULL);
    bl_model_release(m);
    return code == BLIND_OK;
}

TEST(registry_names_are_checked)
{
    static const char *const bad[] = { "", ".", "..", ".hidden", "a/b", "a b", "a\n", "\xc3\xa9" };
    char                     name[BL_MAX_MODEL_NAME + 2];
    bl_registry             *r = start((bl_registry_options){ 0 });
    for (size_t i = 0; i < BL_LEN(bad); i++)
        CHECK_CODE(BLIND_INPUT, load(r, "ann", bad[i], one), bad[i]);
    memset(name, 'n', sizeof name);
    name[BL_MAX_MODEL_NAME + 1] = 0;
    CHECK_CODE(BLIND_INPUT, load(r, "ann", name, one), "a letter too many");
    name[BL_MAX_MODEL_NAME] = 0;
    CHECK_CODE(BLIND_OK, load(r, "ann", name, one), "the longest");
    CHECK(has(r, name) && !has(r, "n"));
    end(r);
}

TEST(registry_checks_a_file_before_it_replaces_a_running_one)
{
    bl_registry *r = start((bl_registry_options){ 0 });
    bl_loaded    loaded;
    blind_error  err;
    uint8_t      digest[32] = { 1 };
    bl_model    *m;
    CHECK_CODE(BLIND_OK, load(r, "ann", "m", one), "one");
    CHECK_CODE(BLIND_INPUT, put(r, "ann", "m", "words v1 x\n", true, &loaded, &err), "hostile");
    CHECK_CODE(BLIND_INPUT, put(r, "ann", "m", "what?", true, &loaded, &err), "unknown kind");
    bl_principal   ann = test_who("ann");
    bl_load        wrong = { .name = "m", .by = &ann, .replace = true, .sha256 = digest };
    bl_model_file *file = make_file(two);
    CHECK_CODE(BLIND_INPUT, bl_registry_load(r, &wrong, file, &loaded, &err), "another digest");
    wrong.sha256 = file->sha256;
    CHECK_CODE(BLIND_OK, bl_registry_resolve(r, "m", &m, NULL), "as before");
    CHECK(m->last_change == 1 && bl_runtime_log_len(&runtime_log) == 1);
    bl_model_release(m);
    CHECK_CODE(BLIND_OK, bl_registry_load(r, &wrong, file, &loaded, &err), "the digest announced");
    CHECK(loaded.replaced && loaded.last_change == 2);
    assert_memory_equal(loaded.sha256, file->sha256, 32);
    bl_model_file_release(file);
    bl_registry_stats stats;
    bl_registry_stats_read(r, &stats);
    CHECK(stats.loads == 2 && stats.failures == 3 && stats.instances == 1);
    end(r);
}

/* BA-14: one instance for one file, however many names it has. */
TEST(registry_shares_equal_files)
{
    bl_registry      *r = start((bl_registry_options){ 0 });
    bl_registry_stats stats;
    bl_loaded         loaded;
    bl_principal      ann = test_who("ann");
    CHECK_CODE(BLIND_OK, put(r, "ann", "a", one, true, &loaded, NULL), "a");
    CHECK(!loaded.shared && test_models_open == 1);
    CHECK_CODE(BLIND_OK, put(r, "bob", "b", one, true, &loaded, NULL), "b");
    CHECK(loaded.shared && !loaded.replaced && test_models_open == 1);
    CHECK_CODE(BLIND_OK, put(r, "bob", "c", two, true, &loaded, NULL), "c");
    CHECK(!loaded.shared && test_models_open == 2);
    bl_registry_stats_read(r, &stats);
    CHECK(stats.names == 3 && stats.ready == 3 && stats.instances == 2);
    CHECK(stats.bytes == strlen(one) + strlen(two));
    CHECK_CODE(BLIND_OK, bl_registry_remove(r, "a", &ann, NULL), "remove a");
    CHECK(test_models_open == 2 && has(r, "b"));
    CHECK_CODE(BLIND_OK, put(r, "bob", "b", two, true, &loaded, NULL), "b becomes two");
    CHECK(loaded.shared && loaded.replaced && test_models_open == 1);
    bl_registry_stats_read(r, &stats);
    CHECK(stats.bytes == strlen(two));
    end(r);
}

TEST(registry_guards_what_somebody_owns)
{
    static const struct {
        const char *who;
        blind_code  want;
    } cases[] = { { "bob", BLIND_DENIED },
                  { "anonymous", BLIND_DENIED },
                  { "ann", BLIND_OK },
                  { "root", BLIND_OK } };
    for (size_t i = 0; i < BL_LEN(cases); i++) {
        bl_registry *r = start((bl_registry_options){ 0 });
        bl_principal by =
            strcmp(cases[i].who, "root") ? test_who(cases[i].who) : bl_principal_operator();
        bl_loaded   loaded;
        blind_error err;
        CHECK_CODE(BLIND_OK, load(r, "ann", "m", one), "ann's");
        CHECK_CODE(BLIND_EXISTS, put(r, cases[i].who, "m", two, false, &loaded, &err),
                   "no replace");
        CHECK(strstr(err.message, "A model with the same name already exists, delete it first if "
                                  "you want to replace it") == err.message);
        CHECK_CODE(cases[i].want, bl_registry_unload(r, "m", &by, NULL), cases[i].who);
        CHECK_CODE(cases[i].want, bl_registry_reload(r, "m", &by, &loaded, NULL), cases[i].who);
        CHECK_CODE(cases[i].want, load(r, cases[i].who, "m", two), cases[i].who);
        CHECK_CODE(cases[i].want, bl_registry_remove(r, "m", &by, NULL), cases[i].who);
        CHECK(has(r, "m") == (cases[i].want != BLIND_OK));
        end(r);
    }
    bl_registry *r = start((bl_registry_options){ .ignore_owners = true });
    CHECK_CODE(BLIND_OK, load(r, "ann", "m", one), "ann's");
    CHECK_CODE(BLIND_OK, load(r, "bob", "m", two), "disable_ownership_check");
    end(r);
}

TEST(registry_unloads_and_brings_the_same_bytes_back)
{
    bl_registry *r = start((bl_registry_options){ 0 });
    bl_principal ann = test_who("ann");
    bl_loaded    first, again;
    CHECK_CODE(BLIND_NOT_FOUND, bl_registry_unload(r, "m", &ann, NULL), "nothing there");
    CHECK_CODE(BLIND_OK, put(r, "ann", "m", one, true, &first, NULL), "load");
    CHECK(bl_registry_last_change(r, "m") == 1 && bl_registry_last_change(r, "n") == 0);
    CHECK_CODE(BLIND_OK, bl_registry_unload(r, "m", &ann, NULL), "unload");
    CHECK(!has(r, "m") && test_models_open == 0 && bl_registry_last_change(r, "m") == 2);
    CHECK_CODE(BLIND_OK, bl_registry_unload(r, "m", &ann, NULL), "again");
    CHECK(bl_registry_last_change(r, "m") == 2);
    CHECK_CODE(BLIND_OK, bl_registry_reload(r, "m", &ann, &again, NULL), "reload");
    assert_memory_equal(first.sha256, again.sha256, 32);
    CHECK(has(r, "m") && bl_registry_last_change(r, "m") == 3);
    CHECK_CODE(BLIND_OK, bl_registry_remove(r, "m", &ann, NULL), "remove");
    CHECK_CODE(BLIND_NOT_FOUND, bl_registry_remove(r, "m", &ann, NULL), "again");
    CHECK_CODE(BLIND_NOT_FOUND, bl_registry_reload(r, "m", &ann, &again, NULL), "gone");
    CHECK(bl_registry_last_change(r, "m") == 4); /* sessions of before must hear of it */
    CHECK(bl_runtime_log_len(&runtime_log) == 4);
    end(r);
}

TEST(registry_is_bounded)
{
    bl_registry *r = start((bl_registry_options){ .max_models = 3,
                                                  .max_per_principal = 2,
                                                  .max_model_size = 40,
                                                  .max_bytes = 50,
                                                  .max_loads = 4 });
    blind_error  err;
    bl_loaded    loaded;
    bl_principal ann = test_who("ann"), bob = test_who("bob");
    CHECK_CODE(BLIND_OK, load(r, "ann", "a", one), "a");
    CHECK_CODE(BLIND_OK, load(r, "ann", "b", two), "b");
    CHECK_CODE(BLIND_LIMIT, put(r, "ann", "c", one, true, &loaded, &err), "ann's third");
    assert_string_equal(err.message, "'ann' has 2 models, its bound");
    CHECK_CODE(BLIND_LIMIT, load(r, "bob", "c", "words v1 0\n012345678901234567890123456789"),
               "too big");
    CHECK_CODE(BLIND_LIMIT, load(r, "bob", "c", "words v1 0\n0123456789012345"), "too much");
    CHECK_CODE(BLIND_OK, load(r, "bob", "c", one), "bob's");
    CHECK_CODE(BLIND_LIMIT, load(r, "root", "d", one), "the fourth");
    CHECK_CODE(BLIND_OK, load(r, "ann", "a", two), "replaced");
    CHECK_CODE(BLIND_OK, load(r, "ann", "a", one), "replaced");
    CHECK_CODE(BLIND_LIMIT, load(r, "ann", "a", two), "ann's fifth load");
    bl_load next = { .name = "c", .by = &bob, .replace = true };
    CHECK_CODE(BLIND_OK, bl_registry_may_load(r, &next, 0, &err), "before the body");
    CHECK_CODE(BLIND_LIMIT, bl_registry_may_load(r, &next, 41, &err), "before the body");
    assert_string_equal(err.message, "Model is too big: 41 bytes, at most 40");
    next.by = &ann;
    CHECK_CODE(BLIND_DENIED, bl_registry_may_load(r, &next, 0, &err), "before the body");
    end(r);
}

/* ---- the log ---- */

static void replay(bl_log_replay *out, bl_arena *arena, bl_buf *bytes)
{
    CHECK_CODE(BLIND_OK, bl_runtime_log_snapshot(&runtime_log, NULL, bytes, NULL), "snapshot");
    CHECK_CODE(BLIND_OK, bl_runtime_log_replay(bl_buf_span(bytes), arena, out, NULL), "replay");
}

TEST(registry_logs_what_it_loads)
{
    bl_registry *r = start((bl_registry_options){ 0 });
    bl_principal ann = test_who("ann"), root = bl_principal_operator();
    bl_loaded    plain, salted, again;
    uint8_t      digest[32];
    CHECK_CODE(BLIND_OK, put(r, "root", "p", one, true, &plain, NULL), "plain");
    bl_load        upload = { .name = "s", .by = &ann, .salted = true };
    bl_model_file *file = make_file(one);
    CHECK_CODE(BLIND_OK, bl_registry_load(r, &upload, file, &salted, NULL), "salted");
    bl_model_file_release(file);
    CHECK(salted.salted && salted.shared);
    CHECK_CODE(BLIND_OK, bl_registry_unload(r, "s", &root, NULL), "unload");
    CHECK_CODE(BLIND_OK, bl_registry_reload(r, "s", &root, &again, NULL), "reload");
    CHECK(again.salted && memcmp(again.salt, (uint8_t[32]){ 0 }, 32) == 0);

    bl_auto_arena arena = BL_ARENA_EMPTY;
    bl_auto_buf   bytes = BL_BUF_EMPTY;
    bl_log_replay log;
    replay(&log, &arena, &bytes);
    CHECK(log.len == 4);
    CHECK(!log.events[0].salted && memcmp(log.events[0].sha256, plain.sha256, 32) == 0);
    CHECK_CODE(BLIND_OK, bl_log_salted(salted.salt, salted.sha256, digest), "salt");
    CHECK(log.events[1].salted && memcmp(log.events[1].sha256, digest, 32) == 0);
    CHECK(log.events[2].type == BL_LOG_MODEL_UNLOAD);
    CHECK(log.events[3].salted && memcmp(log.events[3].sha256, digest, 32) == 0);
    end(r);
}

static bool count_rows(void *arg, const bl_model_row *row)
{
    char *text = arg;
    strcat(text, row->name);
    strcat(text, row->ready ? "+ " : "- ");
    return strcmp(row->name, "c") != 0;
}

TEST(registry_lists_its_models)
{
    bl_registry *r = start((bl_registry_options){ 0 });
    bl_principal root = bl_principal_operator();
    char         text[100] = "";
    CHECK_CODE(BLIND_OK, load(r, "ann", "a", one), "a");
    CHECK_CODE(BLIND_OK, load(r, "ann", "b", one), "b");
    CHECK_CODE(BLIND_OK, load(r, "bob", "x", two), "x");
    CHECK_CODE(BLIND_OK, load(r, "bob", "c", two), "c");
    CHECK_CODE(BLIND_OK, load(r, "bob", "d", two), "d");
    CHECK_CODE(BLIND_OK, bl_registry_unload(r, "b", &root, NULL), "b");
    CHECK_CODE(BLIND_OK, bl_registry_remove(r, "x", &root, NULL), "x");
    bl_registry_each(r, count_rows, text);
    assert_string_equal(text, "a+ b- c+ ");
    end(r);
}

/* ---- loads that nobody waits for ---- */

typedef struct {
    const char  *text;
    _Atomic int  done;
    blind_code   code;
    bl_loaded    loaded;
    _Atomic bool hold;
} upload;

static blind_code fill(void *arg, bl_model_writer *writer, blind_error *err)
{
    upload *u = arg;
    while (u->hold)
        usleep(1000);
    if (!u->text)
        return blind_fail(err, BLIND_IO, "test.fill", "the spool is broken");
    return bl_model_writer_add(writer, bl_span_str(u->text), err);
}

static void done(void *arg, blind_code code, const bl_loaded *loaded, const blind_error *err)
{
    upload *u = arg;
    CHECK(code == BLIND_OK || err->message[0]);
    u->code = code;
    u->loaded = *loaded;
    atomic_fetch_add(&u->done, 1);
}

static blind_code start_upload(bl_registry *r, const char *name, upload *u)
{
    bl_principal by = test_who("ann"); /* gone when this returns */
    char         copy[20];
    snprintf(copy, sizeof copy, "%s", name);
    bl_load_task task = {
        .load = { .name = copy, .by = &by, .replace = true }, .fill = fill, .done = done, .arg = u
    };
    return bl_registry_start(r, &task, NULL);
}

TEST(registry_loads_on_its_own_thread)
{
    bl_registry *r = start((bl_registry_options){ 0 });
    upload       good = { .text = one }, empty = { .text = "" }, broken = { 0 };
    CHECK_CODE(BLIND_OK, start_upload(r, "good", &good), "good");
    CHECK_CODE(BLIND_OK, start_upload(r, "empty", &empty), "empty");
    CHECK_CODE(BLIND_OK, start_upload(r, "broken", &broken), "broken");
    while (!broken.done)
        usleep(1000);
    CHECK(good.done == 1 && empty.done == 1);
    CHECK_CODE(BLIND_OK, good.code, "good");
    CHECK(good.loaded.last_change == 1);
    CHECK_CODE(BLIND_INPUT, empty.code, "empty");
    CHECK_CODE(BLIND_IO, broken.code, "broken");
    CHECK(has(r, "good") && !has(r, "empty") && !has(r, "broken"));
    end(r);
}

TEST(registry_tells_uploads_that_it_ends)
{
    enum { MAX = 40 };
    bl_registry  *r = start((bl_registry_options){ 0 });
    static upload u[MAX];
    int           started = 0;
    u[0].hold = true;
    for (; started < MAX; started++) {
        u[started].text = one;
        if (start_upload(r, "m", &u[started]) != BLIND_OK)
            break;
    }
    CHECK(started > 1 && started < MAX); /* BUSY at some point */
    u[0].hold = false;
    end(r);
    for (int i = 0; i < started; i++)
        CHECK(u[i].done == 1 && (u[i].code == BLIND_OK || u[i].code == BLIND_CLOSED));
    CHECK(u[started].done == 0);
}

/* ---- under running requests ---- */

TEST(registry_keeps_a_model_that_requests_hold)
{
    bl_registry *r = start((bl_registry_options){ 0 });
    bl_executor *x;
    bl_model    *m;
    bl_principal ann = test_who("ann");
    asked        a;
    CHECK_CODE(BLIND_OK, bl_executor_new(&(bl_executor_options){ .threads = 2 }, &x, NULL), "x");
    CHECK_CODE(BLIND_OK, load(r, "ann", "m", "words v1 1000\nold "), "old");
    CHECK_CODE(BLIND_OK, bl_registry_resolve(r, "m", &m, NULL), "resolve");
    ask_new(&a, "ann", (bl_request_options){ .model = m }, 40);
    CHECK_CODE(BLIND_OK, bl_executor_submit(x, a.request, NULL), "submit");
    while (a.tokens < 3) {
        ask_poll(&a);
        usleep(1000);
    }
    CHECK_CODE(BLIND_OK, load(r, "ann", "m", two), "replaced");
    CHECK(test_models_open == 2);
    CHECK_CODE(BLIND_OK, bl_registry_remove(r, "m", &ann, NULL), "removed");
    CHECK(test_models_open == 1);
    ask_wait(&a);
    CHECK_CODE(BLIND_OK, a.code, "ran to its end");
    CHECK(a.tokens == 40 && !strstr(a.text, "two"));
    ask_done(&a);
    bl_executor_free(x);
    CHECK(test_models_open == 0);
    end(r);
}

static _Atomic bool replacing;

static void *replace_often(void *arg)
{
    for (int i = 0; i < 100; i++)
        CHECK_CODE(BLIND_OK, load(arg, "ann", "m", i % 2 ? one : two), "replace");
    replacing = false;
    return NULL;
}

/* Each answer is whole, from the one model or the other. */
TEST(registry_replaces_while_requests_arrive)
{
    bl_registry *r = start((bl_registry_options){ 0 });
    bl_executor *x;
    pthread_t    thread;
    int          answers = 0;
    CHECK_CODE(BLIND_OK, bl_executor_new(&(bl_executor_options){ .threads = 2 }, &x, NULL), "x");
    CHECK_CODE(BLIND_OK, load(r, "ann", "m", one), "one");
    replacing = true;
    CHECK(pthread_create(&thread, NULL, replace_often, r) == 0);
    while (replacing || answers < 50) {
        bl_model *m;
        asked     a;
        CHECK_CODE(BLIND_OK, bl_registry_resolve(r, "m", &m, NULL), "resolve");
        CHECK(m->last_change <= bl_registry_last_change(r, "m"));
        ask_new(&a, "ann", (bl_request_options){ .model = m }, 3);
        CHECK_CODE(BLIND_OK, bl_executor_submit(x, a.request, NULL), "submit");
        ask_wait(&a);
        CHECK(strcmp(a.text, "one one one ") == 0 || strcmp(a.text, "two two two ") == 0);
        ask_done(&a);
        answers++;
    }
    pthread_join(thread, NULL);
    print_message("%d requests answered during 100 replacements\n", answers);
    bl_executor_free(x);
    end(r);
}

TESTS(RUN(registry_names_are_checked), RUN(registry_checks_a_file_before_it_replaces_a_running_one),
      RUN(registry_shares_equal_files), RUN(registry_guards_what_somebody_owns),
      RUN(registry_unloads_and_brings_the_same_bytes_back), RUN(registry_is_bounded),
      RUN(registry_logs_what_it_loads), RUN(registry_lists_its_models),
      RUN(registry_loads_on_its_own_thread), RUN(registry_tells_uploads_that_it_ends),
      RUN(registry_keeps_a_model_that_requests_hold), RUN(registry_replaces_while_requests_arrive))
