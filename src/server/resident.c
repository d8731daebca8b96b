/* Models in memory and away: see the header.
 *
 * Two locks: `opening` is held while a model is opened or comes back, one at a time; `lock`, taken
 * after it, covers the list and is never held while a file is read or an engine works. */
#include "server/resident.h"

#include "base/clock.h"
#include "base/log.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

enum { ROOM_MS = 1000, ROOM_STEP_MS = 5 };

struct bl_residents {
    bl_residents_options options;
    char                *dir;
    _Atomic int          refs; /* the registry's, and one per instance */
    pthread_mutex_t      opening, lock;
    bl_instance         *first;
    uint64_t             clock; /* counts uses */
    bl_residents_stats   stats;
};

static bool makes_room(const bl_residents *r)
{
    return r->options.budget != NULL;
}

/* ---- taking out ---- */

typedef struct {
    const bl_engine *engine;
    void            *model;
    blind_span       bytes;
    int              fd;
    size_t           charged;
} leaving;

/* What an instance has in memory, out of everybody's sight.  With the lock held. */
static leaving detach(bl_instance *i)
{
    leaving out = { .engine = i->engine, .model = i->model, .charged = i->charged, .fd = -1 };
    i->had = BL_MAX(i->had, i->charged);
    i->model = NULL;
    i->charged = 0;
    if (i->uses_file && --i->file->users == 0 && i->file->spool) {
        bl_model_file_detach(i->file, &out.bytes, &out.fd);
        out.charged += i->file->size;
    }
    i->uses_file = false;
    i->home->stats.charged -= out.charged;
    return out;
}

static void let_go(bl_residents *r, leaving out)
{
    if (out.model)
        out.engine->close(out.model);
    bl_model_bytes_free(out.bytes, out.fd);
    if (out.charged)
        bl_budget_give(r->options.budget, out.charged);
}

static bl_instance *least_recent(const bl_residents *r)
{
    bl_instance *found = NULL;
    for (bl_instance *i = r->first; i; i = i->next)
        if (i->model && i->pins == 0 && (!found || i->used_at < found->used_at))
            found = i;
    return found;
}

static bool put_one_away(bl_residents *r)
{
    leaving out = { .fd = -1 };
    char    name[BL_MAX_MODEL_NAME + 1] = "";
    pthread_mutex_lock(&r->lock);
    bl_instance *i = least_recent(r);
    if (i) {
        memcpy(name, i->name, sizeof name);
        out = detach(i);
        r->stats.put_away++;
    }
    pthread_mutex_unlock(&r->lock);
    if (!i)
        return false;
    bl_log(BL_LOG_INFO, "model.away", BL_LOG_NAME("model", name),
           BL_LOG_SIZE("bytes", out.charged));
    let_go(r, out);
    return true;
}

/* Bytes that would be free if all that nobody uses went. */
static size_t could_free(bl_residents *r)
{
    size_t size = 0;
    pthread_mutex_lock(&r->lock);
    for (bl_instance *i = r->first; i; i = i->next)
        if (i->model && i->pins == 0)
            size += i->charged + (i->file->users == 1 && i->file->spool ? i->file->size : 0);
    pthread_mutex_unlock(&r->lock);
    return size;
}

/* Nobody is sent away for a wish that cannot be granted all the same. */
static bool make_room(void *arg, size_t missing)
{
    bl_residents *r = arg;
    return missing <= could_free(r) && put_one_away(r);
}

/* ---- charging ---- */

static blind_code charge(bl_residents *r, size_t size, blind_error *err)
{
    return makes_room(r) ? bl_budget_take(r->options.budget, size, err) : BLIND_OK;
}

static size_t size_of(const bl_instance *i)
{
    return i->engine->size ? i->engine->size(i->model) : 0;
}

/* ---- opening ---- */

static void stop_using_file(bl_instance *i)
{
    pthread_mutex_lock(&i->home->lock);
    i->file->users--;
    i->uses_file = false;
    pthread_mutex_unlock(&i->home->lock);
}

/* The file's bytes, for as long as the instance uses them.  With `opening` held. */
static blind_code use_file(bl_instance *i, blind_error *err)
{
    bl_residents *r = i->home;
    pthread_mutex_lock(&r->lock);
    bool first = i->file->users++ == 0; /* from here nobody else puts it away */
    i->uses_file = true;
    pthread_mutex_unlock(&r->lock);
    if (!first || !makes_room(r))
        return BLIND_OK;
    blind_code code = bl_budget_take(r->options.budget, i->file->size, err);
    if (code == BLIND_OK && (code = bl_model_file_attach(i->file, err)) != BLIND_OK)
        bl_budget_give(r->options.budget, i->file->size);
    if (code != BLIND_OK) {
        stop_using_file(i);
        return code;
    }
    pthread_mutex_lock(&r->lock);
    r->stats.charged += i->file->size;
    pthread_mutex_unlock(&r->lock);
    return BLIND_OK;
}

/* Before it is known what the engine makes of a file: as much as the file has, or what it was. */
static size_t expected_size(const bl_instance *i)
{
    return makes_room(i->home) ? BL_MAX(i->file->size, i->had) : 0;
}

static blind_code open_engine(bl_instance *i, blind_error *err)
{
    bl_residents *r = i->home;
    void         *model = NULL;
    size_t        guess = expected_size(i);
    BL_TRY(charge(r, guess, err));
    blind_code code = i->engine->open(i->file->bytes, &i->options, &model, err);
    size_t size = code == BLIND_OK && makes_room(r) && i->engine->size ? i->engine->size(model) : 0;
    if (size < guess)
        bl_budget_give(r->options.budget, guess - size);
    if (size > guess && (code = charge(r, size - guess, err)) != BLIND_OK) {
        bl_budget_give(r->options.budget, guess);
        i->engine->close(model);
    }
    if (code != BLIND_OK)
        return code;
    pthread_mutex_lock(&r->lock);
    i->model = model;
    i->charged = size;
    i->used_at = ++r->clock;
    i->pins++; /* the caller's */
    r->stats.charged += size;
    pthread_mutex_unlock(&r->lock);
    return BLIND_OK;
}

static void take_out(bl_instance *i)
{
    pthread_mutex_lock(&i->home->lock);
    leaving out = detach(i);
    pthread_mutex_unlock(&i->home->lock);
    let_go(i->home, out);
}

/* engines  where it is not known yet which one it is, else NULL */
static blind_code come_in(bl_instance *i, const bl_engine *const *engines, blind_error *err)
{
    BL_TRY(use_file(i, err));
    blind_code code = engines ? bl_engine_find(engines, i->file->bytes, &i->engine, err) : BLIND_OK;
    if (code == BLIND_OK)
        code = open_engine(i, err);
    if (code != BLIND_OK)
        take_out(i);
    return code;
}

static const blind_tensor *copy_tensors(bl_arena *arena, const blind_tensor *from, size_t len)
{
    blind_tensor *to = bl_arena_array(arena, len + 1, sizeof *to);
    for (size_t k = 0; to && k < len; k++) {
        to[k] = from[k];
        if (from[k].name && !(to[k].name = bl_arena_copy(arena, bl_span_str(from[k].name))))
            return NULL;
    }
    return to;
}

/* The description outlives the model when that is away. */
static blind_code copy_description(bl_instance *i, blind_error *err)
{
    bl_description *d = &i->description;
    i->engine->describe(i->model, d);
    d->inputs = copy_tensors(&i->arena, d->inputs, d->inputs_len);
    d->outputs = copy_tensors(&i->arena, d->outputs, d->outputs_len);
    if (d->inputs && d->outputs)
        return BLIND_OK;
    return blind_fail(err, BLIND_MEMORY, "resident.open", "no memory for a model");
}

static void list_add(bl_instance *i)
{
    pthread_mutex_lock(&i->home->lock);
    i->next = i->home->first;
    i->home->first = i;
    pthread_mutex_unlock(&i->home->lock);
}

static bl_instance *instance_new(bl_residents *home, const char *name, bl_model_file *file)
{
    bl_instance *i = calloc(1, sizeof *i);
    if (!i)
        return NULL;
    i->home = home;
    i->file = bl_model_file_retain(file);
    memcpy(i->name, name, strnlen(name, BL_MAX_MODEL_NAME));
    atomic_init(&i->refs, 1);
    atomic_fetch_add(&home->refs, 1);
    list_add(i);
    return i;
}

blind_code bl_instance_open(bl_residents *home, const char *name, bl_model_file *file,
                            const bl_engine *const *engines, const bl_engine_options *options,
                            bl_instance **out, blind_error *err)
{
    *out = NULL;
    bl_instance *i = instance_new(home, name, file);
    if (!i)
        return blind_fail(err, BLIND_MEMORY, "resident.open", "no memory for a model");
    i->options = *options;
    pthread_mutex_lock(&home->opening);
    blind_code code = makes_room(home) ? bl_model_file_spool(file, home->dir, err) : BLIND_OK;
    if (code == BLIND_OK)
        code = come_in(i, engines, err);
    pthread_mutex_unlock(&home->opening);
    if (code == BLIND_OK) {
        code = copy_description(i, err);
        bl_instance_unpin(i);
    }
    if (code != BLIND_OK) {
        bl_instance_release(i);
        return code;
    }
    *out = i;
    return BLIND_OK;
}

/* ---- use ---- */

bl_instance *bl_instance_retain(bl_instance *i)
{
    atomic_fetch_add(&i->refs, 1);
    return i;
}

static void residents_release(bl_residents *r)
{
    if (atomic_fetch_sub(&r->refs, 1) != 1)
        return;
    pthread_mutex_destroy(&r->opening);
    pthread_mutex_destroy(&r->lock);
    free(r->dir);
    free(r);
}

void bl_instance_release(bl_instance *i)
{
    if (!i || atomic_fetch_sub(&i->refs, 1) != 1)
        return;
    bl_residents *home = i->home;
    pthread_mutex_lock(&home->lock);
    bl_instance **at = &home->first;
    while (*at != i)
        at = &(*at)->next;
    *at = i->next;
    pthread_mutex_unlock(&home->lock);
    take_out(i);
    bl_model_file_release(i->file);
    bl_arena_done(&i->arena);
    free(i);
    residents_release(home);
}

bool bl_instance_pin(bl_instance *i)
{
    pthread_mutex_lock(&i->home->lock);
    bool in = i->model != NULL;
    if (in) {
        i->pins++;
        i->used_at = ++i->home->clock;
    }
    pthread_mutex_unlock(&i->home->lock);
    return in;
}

void bl_instance_unpin(bl_instance *i)
{
    pthread_mutex_lock(&i->home->lock);
    i->pins--;
    i->used_at = ++i->home->clock;
    pthread_mutex_unlock(&i->home->lock);
}

void *bl_instance_model(bl_instance *i)
{
    pthread_mutex_lock(&i->home->lock);
    void *model = i->model;
    pthread_mutex_unlock(&i->home->lock);
    return model;
}

/* Those that compute now are done soon: so long nobody is refused.  With `opening` held. */
static void wait_for_room(bl_instance *i)
{
    bl_budget *budget = i->home->options.budget;
    size_t     size = i->file->size + expected_size(i);
    for (int waited = 0; waited < ROOM_MS; waited += ROOM_STEP_MS) {
        if (bl_budget_take(budget, size, NULL) == BLIND_OK) {
            bl_budget_give(budget, size);
            return;
        }
        poll(NULL, 0, ROOM_STEP_MS);
    }
}

blind_code bl_instance_bring(bl_instance *i, blind_error *err)
{
    bl_residents *r = i->home;
    uint64_t      start = bl_clock_ns();
    if (bl_instance_pin(i))
        return BLIND_OK;
    pthread_mutex_lock(&r->opening);
    if (bl_instance_pin(i)) { /* another was quicker */
        pthread_mutex_unlock(&r->opening);
        return BLIND_OK;
    }
    wait_for_room(i);
    blind_code code = come_in(i, NULL, err);
    pthread_mutex_lock(&r->lock);
    ++*(code == BLIND_OK ? &r->stats.returns : &r->stats.failures);
    pthread_mutex_unlock(&r->lock);
    pthread_mutex_unlock(&r->opening);
    bl_log(code == BLIND_OK ? BL_LOG_INFO : BL_LOG_WARN, "model.back",
           BL_LOG_NAME("model", i->name), BL_LOG_CODE(code),
           BL_LOG_MS("ms", (double)(bl_clock_ns() - start) / 1e6));
    return code;
}

void bl_instance_measure(bl_instance *i)
{
    bl_residents *r = i->home;
    if (!makes_room(r) || !i->engine->size)
        return;
    size_t size = size_of(i), more = 0;
    pthread_mutex_lock(&r->lock);
    if (size > i->charged)
        more = size - i->charged;
    else
        bl_budget_give(r->options.budget, i->charged - size);
    r->stats.charged = r->stats.charged - i->charged + size;
    i->charged = size;
    pthread_mutex_unlock(&r->lock);
    if (more)
        bl_budget_add(r->options.budget, more);
}

/* ---- the whole ---- */

blind_code bl_residents_new(const bl_residents_options *options, bl_residents **out,
                            blind_error *err)
{
    *out = NULL;
    bl_residents *r = calloc(1, sizeof *r);
    if (!r || (options->spool_dir && !(r->dir = strdup(options->spool_dir)))) {
        free(r);
        return blind_fail(err, BLIND_MEMORY, "resident.new", "no memory for the models");
    }
    r->options = *options;
    pthread_mutex_init(&r->opening, NULL);
    pthread_mutex_init(&r->lock, NULL);
    atomic_init(&r->refs, 1);
    if (options->budget) {
        options->budget->make_room = make_room;
        options->budget->make_room_arg = r;
    }
    *out = r;
    return BLIND_OK;
}

void bl_residents_free(bl_residents *r)
{
    if (!r)
        return;
    residents_release(r);
}

void bl_residents_stats_read(bl_residents *r, bl_residents_stats *out)
{
    pthread_mutex_lock(&r->lock);
    *out = r->stats;
    out->in = out->away = 0;
    for (bl_instance *i = r->first; i; i = i->next)
        ++*(i->model ? &out->in : &out->away);
    pthread_mutex_unlock(&r->lock);
}
