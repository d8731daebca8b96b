/* Models in memory and away: who goes, who stays, what comes back, and what the log says of it. */
#include "server/registry.h"
#include "tests/engine/test_asking.h"

#include "crypto/hash.h"

#include <dirent.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>

/* block  an engine whose models are as large as their file says: "block v1 SIZE\n" and filling */
enum { FILE_SIZE = 100000 }; /* more than a chunk of the spool */

typedef struct {
    size_t         size;
    const uint8_t *file;
} block;

static _Atomic int  blocks;
static _Atomic long grown; /* every block is larger by that */

static bool recognises(blind_span file)
{
    return file.size > 9 && memcmp(file.data, "block v1 ", 9) == 0;
}

static blind_code open_block(blind_span file, const bl_engine_options *options, void **model,
                             blind_error *err)
{
    block *b = calloc(1, sizeof *b);
    CHECK(b && options->max_memory);
    b->size = strtoul((const char *)file.data + 9, NULL, 10);
    b->file = file.data;
    if (b->size > options->max_memory) {
        free(b);
        return blind_fail(err, BLIND_LIMIT, "block.open", "too large");
    }
    atomic_fetch_add(&blocks, 1);
    *model = b;
    return BLIND_OK;
}

static void describe(const void *model, bl_description *out)
{
    static const blind_tensor x = { .name = "x", .rank = 1, .shape = { 1 } };
    CHECK(((const block *)model)->file[0] == 'b');
    *out = (bl_description){
        .platform = "block", .inputs = &x, .inputs_len = 1, .outputs = &x, .outputs_len = 1
    };
}

static size_t size_of(const void *model)
{
    return ((const block *)model)->size + (size_t)atomic_load(&grown);
}

static void close_block(void *model)
{
    atomic_fetch_sub(&blocks, 1);
    free(model);
}

static const bl_engine        block_engine = { .name = "block",
                                               .recognises = recognises,
                                               .open = open_block,
                                               .describe = describe,
                                               .size = size_of,
                                               .close = close_block };
static const bl_engine *const engines[] = { &block_engine, NULL };

typedef struct {
    bl_registry   *r;
    bl_budget      budget;
    bl_runtime_log log;
    char           dir[40];
} house;

/* Room for so many files with blocks as large. */
static void start(house *h, size_t models)
{
    *h = (house){ .budget.max = models * 2 * FILE_SIZE };
    snprintf(h->dir, sizeof h->dir, "/tmp/blind-resident-XXXXXX");
    CHECK(mkdtemp(h->dir));
    CHECK_CODE(BLIND_OK, bl_runtime_log_init(&h->log, NULL), "log");
    bl_registry_options options = { .engines = engines,
                                    .log = &h->log,
                                    .residents = { .budget = &h->budget, .spool_dir = h->dir } };
    CHECK_CODE(BLIND_OK, bl_registry_new(&options, &h->r, NULL), "registry");
}

static void end(house *h)
{
    bl_registry_free(h->r);
    bl_runtime_log_done(&h->log);
    CHECK(atomic_load(&blocks) == 0 && h->budget.used == 0);
    CHECK(rmdir(h->dir) == 0);
}

static blind_code put(house *h, const char *name, size_t size, blind_error *err)
{
    static char     text[FILE_SIZE];
    bl_principal    by = test_who("ann");
    bl_load         load = { .name = name, .by = &by, .replace = true };
    bl_model_writer w;
    bl_model_file  *file;
    bl_loaded       loaded;
    memset(text, name[0], sizeof text); /* files differ */
    snprintf(text, sizeof text, "block v1 %zu\n", size);
    CHECK_CODE(BLIND_OK, bl_model_writer_init(&w, FILE_SIZE, NULL), "writer");
    CHECK_CODE(BLIND_OK, bl_model_writer_add(&w, bl_span(text, sizeof text), NULL), "add");
    CHECK_CODE(BLIND_OK, bl_model_writer_seal(&w, &file, NULL), "seal");
    blind_code code = bl_registry_load(h->r, &load, file, &loaded, err);
    bl_model_file_release(file);
    return code;
}

static bl_model *get(house *h, const char *name)
{
    bl_model *m;
    CHECK_CODE(BLIND_OK, bl_registry_resolve(h->r, name, &m, NULL), name);
    return m;
}

static bool is_in(house *h, const char *name)
{
    bl_model *m = get(h, name);
    bool      in = bl_instance_model(m->shared) != NULL;
    CHECK((m->shared->file->bytes.size > 0) == in);
    CHECK(m->description.inputs_len == 1 && strcmp(m->description.inputs[0].name, "x") == 0);
    bl_model_release(m);
    return in;
}

static blind_code bring(house *h, const char *name, blind_error *err)
{
    bl_model  *m = get(h, name);
    blind_code code = bl_model_bring(m, err);
    if (code == BLIND_OK) {
        const block *b = bl_instance_model(m->shared);
        CHECK(b->file[FILE_SIZE - 1] == (uint8_t)name[0]);
        bl_model_unpin(m);
    }
    bl_model_release(m);
    return code;
}

static bl_residents_stats stats_of(house *h)
{
    bl_registry_stats stats;
    bl_registry_stats_read(h->r, &stats);
    return stats.residents;
}

TEST(the_model_used_longest_ago_makes_room)
{
    house h;
    start(&h, 3);
    for (const char *name = "abc"; *name; name++)
        CHECK_CODE(BLIND_OK, put(&h, (char[]){ *name, 0 }, FILE_SIZE, NULL), name);
    CHECK(h.budget.used == h.budget.max && stats_of(&h).charged == h.budget.used);
    CHECK_CODE(BLIND_OK, bring(&h, "a", NULL), "used again");
    CHECK_CODE(BLIND_OK, put(&h, "d", FILE_SIZE, NULL), "d");
    CHECK(is_in(&h, "a") && !is_in(&h, "b") && is_in(&h, "c") && is_in(&h, "d"));
    CHECK_CODE(BLIND_OK, bring(&h, "b", NULL), "b comes back");
    CHECK(is_in(&h, "a") && is_in(&h, "b") && !is_in(&h, "c") && is_in(&h, "d"));
    bl_residents_stats stats = stats_of(&h);
    CHECK(stats.in == 3 && stats.away == 1 && stats.put_away == 2 && stats.returns == 1);
    CHECK(atomic_load(&blocks) == 3 && h.budget.used <= h.budget.max);
    end(&h);
}

/* What a client verified in the log stays true, so nothing is said there and nobody has to attest
 * again; an unload that was asked for is. */
TEST(the_log_says_nothing_of_models_that_come_and_go)
{
    house    h;
    uint64_t changes[2];
    start(&h, 1);
    CHECK_CODE(BLIND_OK, put(&h, "a", FILE_SIZE, NULL), "a");
    CHECK_CODE(BLIND_OK, put(&h, "b", FILE_SIZE, NULL), "b");
    uint64_t len = bl_runtime_log_len(&h.log);
    changes[0] = bl_registry_last_change(h.r, "a");
    changes[1] = bl_registry_last_change(h.r, "b");
    for (int i = 0; i < 6; i++)
        CHECK_CODE(BLIND_OK, bring(&h, i % 2 ? "b" : "a", NULL), "by turns");
    CHECK(stats_of(&h).returns == 6 && len == 2 && bl_runtime_log_len(&h.log) == len);
    CHECK(bl_registry_last_change(h.r, "a") == changes[0] &&
          bl_registry_last_change(h.r, "b") == changes[1]);
    bl_principal ann = test_who("ann");
    bl_loaded    loaded;
    CHECK_CODE(BLIND_OK, bl_registry_unload(h.r, "a", &ann, NULL), "unload what is away");
    CHECK(bl_runtime_log_len(&h.log) == len + 1);
    CHECK_CODE(BLIND_OK, bl_registry_reload(h.r, "a", &ann, &loaded, NULL), "and load it again");
    CHECK(bl_runtime_log_len(&h.log) == len + 2 && loaded.last_change == len + 2);
    CHECK(is_in(&h, "a") && !is_in(&h, "b"));
    end(&h);
}

TEST(a_model_in_use_stays)
{
    house       h;
    blind_error err = { 0 };
    start(&h, 2);
    CHECK_CODE(BLIND_OK, put(&h, "a", FILE_SIZE, NULL), "a");
    CHECK_CODE(BLIND_OK, put(&h, "b", FILE_SIZE, NULL), "b");
    bl_model *a = get(&h, "a"), *b = get(&h, "b");
    CHECK(bl_model_pin(a) && bl_model_pin(b) && bl_model_pin(b));
    CHECK_CODE(BLIND_MEMORY, put(&h, "c", FILE_SIZE, &err), "no room");
    bl_model_unpin(b);
    CHECK_CODE(BLIND_MEMORY, put(&h, "c", FILE_SIZE, &err), "b is pinned once more");
    CHECK(is_in(&h, "a") && is_in(&h, "b"));
    bl_model_unpin(b);
    CHECK_CODE(BLIND_OK, put(&h, "c", FILE_SIZE, &err), err.message);
    CHECK(is_in(&h, "a") && !is_in(&h, "b") && is_in(&h, "c"));
    CHECK(!bl_model_pin(b)); /* and a request for it is told */
    bl_model_unpin(a);
    bl_model_release(a);
    bl_model_release(b);
    end(&h);
}

/* Nobody goes for a wish that cannot be granted. */
TEST(what_cannot_fit_drives_nobody_out)
{
    house       h;
    blind_error err = { 0 };
    start(&h, 3);
    CHECK_CODE(BLIND_OK, put(&h, "a", FILE_SIZE, NULL), "a");
    CHECK_CODE(BLIND_OK, put(&h, "b", FILE_SIZE, NULL), "b");
    CHECK_CODE(BLIND_LIMIT, put(&h, "c", 7 * FILE_SIZE, &err), "more than all");
    CHECK_CODE(BLIND_MEMORY, bl_budget_take(&h.budget, 6 * FILE_SIZE + 1, &err), "a request");
    CHECK_CODE(BLIND_MEMORY, bl_budget_take(&h.budget, SIZE_MAX, &err), "a hostile one");
    CHECK(is_in(&h, "a") && is_in(&h, "b") && stats_of(&h).put_away == 0);
    CHECK_CODE(BLIND_OK, bl_budget_take(&h.budget, 4 * FILE_SIZE, &err), "one that fits");
    CHECK(!is_in(&h, "a") && is_in(&h, "b"));
    bl_budget_give(&h.budget, 4 * FILE_SIZE);
    end(&h);
}

TEST(a_model_that_grows_makes_others_go)
{
    house h;
    start(&h, 2);
    CHECK_CODE(BLIND_OK, put(&h, "a", FILE_SIZE, NULL), "a");
    CHECK_CODE(BLIND_OK, put(&h, "b", FILE_SIZE / 2, NULL), "b");
    bl_model *b = get(&h, "b");
    CHECK(bl_model_pin(b));
    atomic_store(&grown, FILE_SIZE);
    bl_instance_measure(b->shared);
    CHECK(!is_in(&h, "a") && h.budget.used == FILE_SIZE * 5 / 2);
    atomic_store(&grown, 0);
    bl_instance_measure(b->shared);
    CHECK(h.budget.used == FILE_SIZE * 3 / 2);
    bl_model_unpin(b);
    bl_model_release(b);
    end(&h);
}

/* Two names of one file have it once; it goes when nobody has it in memory. */
TEST(a_shared_file_goes_with_the_last)
{
    house        h;
    bl_principal ann = test_who("ann");
    start(&h, 2);
    CHECK_CODE(BLIND_OK, put(&h, "a", FILE_SIZE, NULL), "a");
    bl_model *a = get(&h, "a");
    bl_loaded loaded;
    bl_load   load = { .name = "again", .by = &ann, .no_optim = true };
    CHECK_CODE(BLIND_OK, bl_registry_load(h.r, &load, a->shared->file, &loaded, NULL), "again");
    CHECK(h.budget.used == 3 * FILE_SIZE && atomic_load(&blocks) == 2);
    CHECK_CODE(BLIND_OK, bl_budget_take(&h.budget, 2 * FILE_SIZE, NULL), "a goes");
    CHECK(!bl_model_pin(a) && a->shared->file->bytes.size == FILE_SIZE);
    CHECK_CODE(BLIND_OK, bl_budget_take(&h.budget, 2 * FILE_SIZE, NULL), "the other goes");
    CHECK(a->shared->file->bytes.size == 0 && h.budget.used == 4 * FILE_SIZE);
    bl_budget_give(&h.budget, 4 * FILE_SIZE);
    bl_model_release(a);
    end(&h);
}

/* ---- the host's disk ---- */

/* Changes a byte of every spool. */
static size_t change_spools(const char *dir)
{
    DIR   *fds = opendir("/proc/self/fd");
    size_t changed = 0;
    for (struct dirent *e = readdir(fds); e; e = readdir(fds)) {
        char    path[64], target[256];
        uint8_t byte = 0;
        snprintf(path, sizeof path, "/proc/self/fd/%.20s", e->d_name);
        ssize_t n = readlink(path, target, sizeof target - 1);
        if (n <= 0 || strncmp(target, dir, strlen(dir)) != 0)
            continue;
        int fd = atoi(e->d_name);
        CHECK(pread(fd, &byte, 1, 777) == 1);
        byte ^= 1;
        CHECK(pwrite(fd, &byte, 1, 777) == 1);
        changed++;
    }
    closedir(fds);
    return changed;
}

TEST(a_file_that_the_host_changed_does_not_come_back)
{
    house       h;
    blind_error err = { 0 };
    start(&h, 1);
    CHECK_CODE(BLIND_OK, put(&h, "a", FILE_SIZE, NULL), "a");
    CHECK_CODE(BLIND_OK, put(&h, "b", FILE_SIZE, NULL), "b");
    CHECK(change_spools(h.dir) == 2);
    CHECK_CODE(BLIND_IO, bring(&h, "a", &err), "a");
    CHECK(strstr(err.message, "changed on disk"));
    bl_residents_stats stats = stats_of(&h);
    CHECK(stats.failures == 1 && stats.returns == 0 && stats.in == 0);
    CHECK(h.budget.used == 0); /* b made room for it in vain */
    end(&h);
}

TEST(a_full_disk_refuses_the_load)
{
    house       h;
    blind_error err = { 0 };
    start(&h, 1);
    CHECK(rmdir(h.dir) == 0);
    CHECK_CODE(BLIND_IO, put(&h, "a", FILE_SIZE, &err), "no folder");
    bl_model *m;
    CHECK_CODE(BLIND_NOT_FOUND, bl_registry_resolve(h.r, "a", &m, NULL), "a");
    CHECK(h.budget.used == 0 && mkdir(h.dir, 0700) == 0);
    end(&h);
}

/* ---- from many threads ---- */

static void *use_models(void *arg)
{
    house *h = arg;
    for (unsigned i = 0, seed = (unsigned)(uintptr_t)&i; i < 200; i++) {
        char        name[] = { (char)('a' + rand_r(&seed) % 4), 0 };
        blind_error err = { 0 };
        blind_code  code = bring(h, name, &err);
        CHECK(code == BLIND_OK || code == BLIND_MEMORY);
        if (bl_budget_take(&h->budget, FILE_SIZE / 4, NULL) == BLIND_OK)
            bl_budget_give(&h->budget, FILE_SIZE / 4);
    }
    return NULL;
}

TEST(threads_may_use_them_all_at_once)
{
    enum { THREADS = 4 };
    house     h;
    pthread_t threads[THREADS];
    start(&h, 2);
    for (const char *name = "abcd"; *name; name++)
        CHECK_CODE(BLIND_OK, put(&h, (char[]){ *name, 0 }, FILE_SIZE, NULL), name);
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, use_models, &h) == 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    bl_residents_stats stats = stats_of(&h);
    print_message("%llu times back\n", (unsigned long long)stats.returns);
    CHECK(stats.returns > 0 && stats.in <= 2 && h.budget.used <= h.budget.max);
    CHECK(stats.charged == h.budget.used);
    end(&h);
}

TESTS(RUN(the_model_used_longest_ago_makes_room),
      RUN(the_log_says_nothing_of_models_that_come_and_go), RUN(a_model_in_use_stays),
      RUN(what_cannot_fit_drives_nobody_out), RUN(a_model_that_grows_makes_others_go),
      RUN(a_shared_file_goes_with_the_last), RUN(a_file_that_the_host_changed_does_not_come_back),
      RUN(a_full_disk_refuses_the_load), RUN(threads_may_use_them_all_at_once))
