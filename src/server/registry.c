/* The registry: names, the models they answer with, and the instances these share.
 *
 *     name_row -> bl_model -> bl_instance -> engine's model, sealed file
 *
 * A row outlives its model: an unloaded one keeps the file, a removed one keeps the length of the
 * log at which it changed, since sessions attested before that must hear of it. */
#include "server/registry.h"

#include "base/clock.h"
#include "crypto/random.h"
#include "server/loader.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

enum { MAX_MODELS = 64, MAX_LOADS = 4096 };
#define MAX_BYTES      ((size_t)64 << 30)
#define MAX_MODEL_SIZE ((size_t)16 << 30)

typedef struct name_row {
    struct name_row *next;
    char             name[BL_MAX_MODEL_NAME + 1];
    char             owner[BL_MAX_PRINCIPAL_NAME + 1];
    bl_model        *model; /* NULL: unloaded or removed */
    bl_model_file   *file;  /* NULL: removed */
    bool             no_optim, salted, language;
    size_t           max_batch;
    uint64_t         max_wait_ns;
    uint8_t          salt[32];
    int64_t          loaded_s;
    uint64_t         last_change;
    unsigned         number;
} name_row;

typedef struct owner_row {
    struct owner_row *next;
    char              owner[BL_MAX_PRINCIPAL_NAME + 1];
    size_t            loads;
} owner_row;

struct bl_registry {
    bl_registry_options options;
    bl_loader          *loader;
    bl_residents       *residents;
    pthread_mutex_t     loading; /* one load at a time; taken before lock */
    pthread_mutex_t     lock;    /* of what follows; never held while a file is parsed */
    name_row           *names;
    owner_row          *owners;
    uint64_t            changes; /* stands in for the log's length where there is no log */
    uint64_t            loads, failures;
};

/* ---- models and instances ---- */

/* Rows of different principals meet only in models that the operator chose. */
static bl_batching batching_of(const bl_registry *r, const bl_load *load, const char *owner)
{
    bl_batching b = r->options.batching;
    if (load->max_batch)
        b = (bl_batching){ .max_rows = load->max_batch, .wait_ns = load->max_wait_ns };
    b.own = b.max_rows > 1 && strcmp(owner, bl_principal_operator().name) != 0;
    return b;
}

static bl_engine_options open_options(const bl_registry *r, const bl_load *load, const char *owner)
{
    const bl_budget *budget = r->options.residents.budget;
    return (bl_engine_options){ .pool = r->options.pool,
                                .precision = r->options.precision,
                                .optimize = !load->no_optim,
                                .batching = batching_of(r, load, owner),
                                .must_batch = load->max_batch > 1,
                                .kv_memory = r->options.kv_memory,
                                .kv_type = r->options.kv_type,
                                .max_context = r->options.max_context,
                                .lookup = r->options.lookup,
                                .max_memory = budget ? budget->max : 0 };
}

static blind_code instance_open(const bl_registry *r, const bl_load *load, const char *owner,
                                bl_model_file *file, bl_instance **out, blind_error *err)
{
    bl_engine_options options = open_options(r, load, owner);
    return bl_instance_open(r->residents, load->name, file, r->options.engines, &options, out, err);
}

bl_model *bl_model_retain(bl_model *model)
{
    atomic_fetch_add(&model->refs, 1);
    return model;
}

void bl_model_release(bl_model *model)
{
    if (!model || atomic_fetch_sub(&model->refs, 1) != 1)
        return;
    bl_instance_release(model->shared);
    free(model);
}

bool bl_model_pin(bl_model *model)
{
    return bl_instance_pin(model->shared);
}

void bl_model_unpin(bl_model *model)
{
    bl_instance_unpin(model->shared);
}

blind_code bl_model_bring(bl_model *model, blind_error *err)
{
    return bl_instance_bring(model->shared, err);
}

/* ---- rows, with the lock held ---- */

static name_row *find_row(const bl_registry *r, const char *name)
{
    for (name_row *row = r->names; row; row = row->next)
        if (strcmp(row->name, name) == 0)
            return row;
    return NULL;
}

static name_row *get_row(bl_registry *r, const char *name)
{
    name_row *row = find_row(r, name), **at = &r->names;
    if (row || !(row = calloc(1, sizeof *row)))
        return row;
    memcpy(row->name, name, strlen(name) + 1);
    for (row->number = 1; *at; row->number++)
        at = &(*at)->next;
    *at = row;
    return row;
}

static owner_row *find_owner(const bl_registry *r, const char *owner)
{
    for (owner_row *row = r->owners; row; row = row->next)
        if (strcmp(row->owner, owner) == 0)
            return row;
    return NULL;
}

static owner_row *add_owner(bl_registry *r, const char *owner)
{
    owner_row *row = find_owner(r, owner);
    if (!row && (row = calloc(1, sizeof *row))) {
        memcpy(row->owner, owner, strlen(owner) + 1);
        row->next = r->owners;
        r->owners = row;
    }
    return row;
}

/* The same file under any name, so that its memory is shared. */
static bl_model_file *find_file(const bl_registry *r, const uint8_t sha256[32])
{
    for (name_row *row = r->names; row; row = row->next)
        if (row->file && memcmp(row->file->sha256, sha256, 32) == 0)
            return row->file;
    return NULL;
}

/* An instance that would be no other if it were opened for this load. */
static bl_instance *find_instance(const bl_registry *r, const bl_load *load, const char *owner,
                                  const uint8_t sha256[32])
{
    bl_batching asked = batching_of(r, load, owner);
    for (name_row *row = r->names; row; row = row->next) {
        bl_instance *i = row->model ? row->model->shared : NULL;
        if (i && memcmp(row->model->sha256, sha256, 32) == 0 &&
            i->options.optimize == !load->no_optim &&
            i->options.batching.max_rows == asked.max_rows &&
            i->options.batching.wait_ns == asked.wait_ns && i->options.batching.own == asked.own)
            return i;
    }
    return NULL;
}

/* Bytes of all files, a shared one counted at its first name; `but` is left out. */
static size_t count_bytes(const bl_registry *r, const name_row *but)
{
    size_t total = 0;
    for (name_row *row = r->names; row; row = row->next) {
        bool first = row->file && row != but;
        for (name_row *before = r->names; first && before != row; before = before->next)
            first = before == but || before->file != row->file;
        if (first)
            total += row->file->size;
    }
    return total;
}

static bool owns(const bl_registry *r, const name_row *row, const bl_principal *by)
{
    return r->options.ignore_owners || (by->rights & BL_RIGHT_ADMIN) ||
           strcmp(row->owner, by->name) == 0;
}

/* ---- may this load happen? ---- */

static bool is_name(const char *name)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "0123456789._-";
    size_t            size = strlen(name);
    return size >= 1 && size <= BL_MAX_MODEL_NAME && name[0] != '.' &&
           strspn(name, allowed) == size;
}

static blind_code check_row(const bl_registry *r, const bl_load *load, const name_row *row,
                            blind_error *err)
{
    if (!row || !row->file)
        return BLIND_OK;
    if (!load->replace)
        return blind_fail(err, BLIND_EXISTS, "registry.exists",
                          "A model with the same name already exists, delete it first if you want "
                          "to replace it: '%s'",
                          load->name);
    if (!owns(r, row, load->by))
        return blind_fail(err, BLIND_DENIED, "registry.owner", "model '%s' belongs to another",
                          load->name);
    return BLIND_OK;
}

static blind_code check_counts(const bl_registry *r, const bl_load *load, const name_row *row,
                               blind_error *err)
{
    size_t names = 0, owned = 0;
    for (const name_row *other = r->names; other; other = other->next)
        if (other->file && other != row) {
            names++;
            owned += strcmp(other->owner, load->by->name) == 0;
        }
    if (names >= r->options.max_models)
        return blind_fail(err, BLIND_LIMIT, "registry.models", "%zu models are loaded, the bound",
                          names);
    bool admin = load->by->rights & BL_RIGHT_ADMIN;
    if (!admin && owned >= r->options.max_per_principal)
        return blind_fail(err, BLIND_LIMIT, "registry.models", "'%s' has %zu models, its bound",
                          load->by->name, owned);
    const owner_row *owner = find_owner(r, load->by->name);
    if (!admin && owner && owner->loads >= r->options.max_loads)
        return blind_fail(err, BLIND_LIMIT, "registry.loads",
                          "'%s' loaded %zu models since the start, its bound", load->by->name,
                          owner->loads);
    return BLIND_OK;
}

static blind_code check_size(const bl_registry *r, const name_row *row, size_t size,
                             blind_error *err)
{
    size_t used = count_bytes(r, row), sum;
    if (size > r->options.max_model_size)
        return blind_fail(err, BLIND_LIMIT, "registry.size",
                          "Model is too big: %zu bytes, at most %zu", size,
                          r->options.max_model_size);
    if (!bl_add(used, size, &sum) || sum > r->options.max_bytes)
        return blind_fail(err, BLIND_LIMIT, "registry.bytes",
                          "%zu bytes more, %zu of %zu are in use", size, used,
                          r->options.max_bytes);
    return BLIND_OK;
}

/* With the lock held. */
static blind_code check_load(const bl_registry *r, const bl_load *load, size_t size,
                             blind_error *err)
{
    if (!is_name(load->name))
        return blind_fail(err, BLIND_INPUT, "registry.name",
                          "Invalid model name: expected 1 to %d letters, digits, '.', '_', '-'",
                          BL_MAX_MODEL_NAME);
    const name_row *row = find_row(r, load->name);
    BL_TRY(check_row(r, load, row, err));
    BL_TRY(check_counts(r, load, row, err));
    return check_size(r, row, size, err);
}

blind_code bl_registry_may_load(bl_registry *r, const bl_load *load, size_t size, blind_error *err)
{
    pthread_mutex_lock(&r->lock);
    blind_code code = check_load(r, load, size, err);
    pthread_mutex_unlock(&r->lock);
    return code;
}

/* ---- loading ---- */

static blind_code append_event(bl_registry *r, const bl_log_event *event, uint64_t *len,
                               blind_error *err)
{
    r->changes++;
    *len = r->changes;
    return r->options.log ? bl_runtime_log_append(r->options.log, event, len, err) : BLIND_OK;
}

/* salt  of a name that is loaded again, or all zero for a new one */
static blind_code append_load(bl_registry *r, const bl_load *load, const uint8_t sha256[32],
                              uint8_t salt[32], uint64_t *len, blind_error *err)
{
    static const uint8_t none[32];
    bl_log_event         event = { .type = BL_LOG_MODEL_LOAD,
                                   .name = bl_span_str(load->name),
                                   .salted = load->salted };
    memcpy(event.sha256, sha256, sizeof event.sha256);
    if (load->salted) {
        if (memcmp(salt, none, sizeof none) == 0)
            BL_TRY(bl_random(salt, sizeof none, err));
        if (bl_log_salted(salt, sha256, event.sha256) != BLIND_OK)
            return blind_fail(err, BLIND_MEMORY, "registry.salt", "no memory to hash a digest");
    }
    return append_event(r, &event, len, err);
}

static bl_model *make_model(const bl_load *load, const char *owner, bl_instance *instance)
{
    bl_model *m = calloc(1, sizeof *m);
    if (!m)
        return NULL;
    memcpy(m->name, load->name, strlen(load->name) + 1);
    memcpy(m->owner, owner, strlen(owner) + 1);
    memcpy(m->sha256, instance->file->sha256, sizeof m->sha256);
    m->size = instance->file->size;
    m->loaded_s = bl_clock_wall_s();
    m->salted = load->salted;
    m->engine = instance->engine;
    m->description = instance->description;
    m->shared = instance;
    atomic_init(&m->refs, 1);
    return m;
}

/* Puts the model under its name; gives what answered before, to be released without the lock. */
static void put_model(name_row *row, const bl_load *load, bl_model *m, bl_model **old_model,
                      bl_model_file **old_file)
{
    *old_model = row->model;
    *old_file = row->file;
    m->number = row->number;
    row->model = m;
    row->file = bl_model_file_retain(m->shared->file);
    memcpy(row->owner, m->owner, sizeof row->owner);
    row->no_optim = load->no_optim;
    row->max_batch = load->max_batch;
    row->max_wait_ns = load->max_wait_ns;
    row->salted = load->salted;
    row->language = row->language || m->engine->prepare;
    row->loaded_s = m->loaded_s;
    row->last_change = m->last_change;
}

/* The change itself: checked again, logged, switched, in one critical section.  A session that
 * attested the new log can resolve the name only after the switch.  Takes the instance's reference
 * when it succeeds. */
static blind_code commit(bl_registry *r, const bl_load *load, const char *owner, uint8_t salt[32],
                         bl_instance *instance, bl_loaded *out, blind_error *err)
{
    bl_model      *old_model = NULL;
    bl_model_file *old_file = NULL;
    bl_model      *m = NULL;
    pthread_mutex_lock(&r->lock);
    blind_code code = check_load(r, load, instance->file->size, err);
    name_row  *row = code == BLIND_OK ? get_row(r, load->name) : NULL;
    owner_row *counted = row ? add_owner(r, load->by->name) : NULL;
    if (code == BLIND_OK && (!counted || !(m = make_model(load, owner, instance))))
        code = blind_fail(err, BLIND_MEMORY, "registry.load", "no memory for a model");
    if (code == BLIND_OK)
        code = append_load(r, load, m->sha256, salt, &m->last_change, err);
    if (code == BLIND_OK) {
        out->last_change = m->last_change;
        out->replaced = row->model != NULL;
        memcpy(row->salt, salt, sizeof row->salt);
        put_model(row, load, m, &old_model, &old_file);
        counted->loads++;
        r->loads++;
    }
    pthread_mutex_unlock(&r->lock);
    if (code != BLIND_OK)
        free(m);
    bl_model_release(old_model);
    bl_model_file_release(old_file);
    return code;
}

/* An instance of the file: the one that another name has, or a new one. */
static blind_code get_instance(bl_registry *r, const bl_load *load, const char *owner,
                               bl_model_file *file, bl_instance **out, bool *shared,
                               blind_error *err)
{
    pthread_mutex_lock(&r->lock);
    blind_code     code = check_load(r, load, file->size, err);
    bl_instance   *instance = find_instance(r, load, owner, file->sha256);
    bl_model_file *same = find_file(r, file->sha256);
    *shared = instance != NULL;
    if (code == BLIND_OK && instance)
        bl_instance_retain(instance);
    same = bl_model_file_retain(same ? same : file);
    pthread_mutex_unlock(&r->lock);
    if (code == BLIND_OK && !instance)
        code = instance_open(r, load, owner, same, &instance, err);
    bl_model_file_release(same);
    *out = code == BLIND_OK ? instance : NULL;
    return code;
}

static blind_code check_digest(const bl_load *load, const bl_model_file *file, blind_error *err)
{
    if (!load->sha256 || memcmp(load->sha256, file->sha256, 32) == 0)
        return BLIND_OK;
    return blind_fail(err, BLIND_INPUT, "registry.digest",
                      "the file's SHA-256 is not the one announced for '%s'", load->name);
}

static blind_code load_as(bl_registry *r, const bl_load *load, const char *owner, uint8_t salt[32],
                          bl_model_file *file, bl_loaded *out, blind_error *err)
{
    bl_instance *instance = NULL;
    *out = (bl_loaded){ .salted = load->salted };
    memcpy(out->sha256, file->sha256, sizeof out->sha256);
    pthread_mutex_lock(&r->loading);
    blind_code code = check_digest(load, file, err);
    if (code == BLIND_OK)
        code = get_instance(r, load, owner, file, &instance, &out->shared, err);
    if (code == BLIND_OK) {
        code = commit(r, load, owner, salt, instance, out, err);
        if (code != BLIND_OK)
            bl_instance_release(instance);
    }
    pthread_mutex_unlock(&r->loading);
    if (code != BLIND_OK) {
        *out = (bl_loaded){ 0 };
        pthread_mutex_lock(&r->lock);
        r->failures++;
        pthread_mutex_unlock(&r->lock);
    }
    return code;
}

blind_code bl_registry_load(bl_registry *r, const bl_load *load, bl_model_file *file,
                            bl_loaded *out, blind_error *err)
{
    uint8_t salt[32] = { 0 };
    BL_TRY(load_as(r, load, load->by->name, salt, file, out, err));
    if (out->salted)
        memcpy(out->salt, salt, sizeof out->salt);
    return BLIND_OK;
}

blind_code bl_registry_load_path(bl_registry *r, const bl_load *load, const char *path,
                                 bl_loaded *out, blind_error *err)
{
    bl_model_file *file;
    *out = (bl_loaded){ 0 };
    BL_TRY(bl_model_file_open(path, r->options.max_model_size, &file, err));
    blind_code code = bl_registry_load(r, load, file, out, err);
    bl_model_file_release(file);
    return code == BLIND_OK ? code : blind_fail_in(err, code, "'%s'", path);
}

blind_code bl_registry_start(bl_registry *r, const bl_load_task *task, blind_error *err)
{
    return bl_loader_start(r->loader, task, err);
}

/* ---- asking ---- */

static blind_code no_model(const char *name, blind_error *err)
{
    return blind_fail(err, BLIND_NOT_FOUND, "registry.resolve", "Model doesn't exist: '%.*s'",
                      BL_MAX_MODEL_NAME, name);
}

blind_code bl_registry_resolve(bl_registry *r, const char *name, bl_model **out, blind_error *err)
{
    pthread_mutex_lock(&r->lock);
    const name_row *row = find_row(r, name);
    *out = row && row->model ? bl_model_retain(row->model) : NULL;
    pthread_mutex_unlock(&r->lock);
    return *out ? BLIND_OK : no_model(name, err);
}

uint64_t bl_registry_last_change(bl_registry *r, const char *name)
{
    pthread_mutex_lock(&r->lock);
    const name_row *row = find_row(r, name);
    uint64_t        last = row ? row->last_change : 0;
    pthread_mutex_unlock(&r->lock);
    return last;
}

uint64_t bl_registry_last_language_change(bl_registry *r)
{
    uint64_t last = 0;
    pthread_mutex_lock(&r->lock);
    for (const name_row *row = r->names; row; row = row->next)
        if (row->language)
            last = BL_MAX(last, row->last_change);
    pthread_mutex_unlock(&r->lock);
    return last;
}

void bl_registry_each(bl_registry *r, bool (*each)(void *arg, const bl_model_row *row), void *arg)
{
    pthread_mutex_lock(&r->lock);
    for (const name_row *row = r->names; row; row = row->next) {
        if (!row->file)
            continue;
        bl_model_row view = { .name = row->name,
                              .owner = row->owner,
                              .ready = row->model != NULL,
                              .salted = row->salted,
                              .language =
                                  row->model ? row->model->engine->prepare != NULL : row->language,
                              .size = row->file->size,
                              .loaded_s = row->loaded_s,
                              .last_change = row->last_change,
                              .number = row->number,
                              .counts = row->model ? &row->model->counts : NULL };
        memcpy(view.sha256, row->file->sha256, sizeof view.sha256);
        if (!each(arg, &view))
            break;
    }
    pthread_mutex_unlock(&r->lock);
}

void bl_registry_stats_read(bl_registry *r, bl_registry_stats *out)
{
    *out = (bl_registry_stats){ 0 };
    pthread_mutex_lock(&r->lock);
    for (const name_row *row = r->names; row; row = row->next) {
        bool first = row->model != NULL;
        for (name_row *before = r->names; first && before != row; before = before->next)
            first = !before->model || before->model->shared != row->model->shared;
        out->names += row->file != NULL;
        out->ready += row->model != NULL;
        out->instances += first;
    }
    out->bytes = count_bytes(r, NULL);
    out->loads = r->loads;
    out->failures = r->failures;
    pthread_mutex_unlock(&r->lock);
    bl_residents_stats_read(r->residents, &out->residents);
}

/* ---- taking away ---- */

/* The row if `by` may change it.  With the lock held. */
static blind_code own_row(bl_registry *r, const char *name, const bl_principal *by, name_row **out,
                          blind_error *err)
{
    *out = find_row(r, name);
    if (!*out || !(*out)->file)
        return no_model(name, err);
    if (!owns(r, *out, by))
        return blind_fail(err, BLIND_DENIED, "registry.owner", "model '%s' belongs to another",
                          name);
    return BLIND_OK;
}

static blind_code take_away(bl_registry *r, const char *name, const bl_principal *by,
                            bool keep_file, blind_error *err)
{
    bl_model      *model = NULL;
    bl_model_file *file = NULL;
    name_row      *row;
    pthread_mutex_lock(&r->lock);
    blind_code code = own_row(r, name, by, &row, err);
    if (code == BLIND_OK && row->model) {
        bl_log_event event = { .type = BL_LOG_MODEL_UNLOAD, .name = bl_span_str(row->name) };
        code = append_event(r, &event, &row->last_change, err);
    }
    if (code == BLIND_OK) {
        model = bl_take(row->model);
        if (!keep_file)
            file = bl_take(row->file);
    }
    pthread_mutex_unlock(&r->lock);
    bl_model_release(model);
    bl_model_file_release(file);
    return code;
}

blind_code bl_registry_unload(bl_registry *r, const char *name, const bl_principal *by,
                              blind_error *err)
{
    return take_away(r, name, by, true, err);
}

blind_code bl_registry_remove(bl_registry *r, const char *name, const bl_principal *by,
                              blind_error *err)
{
    return take_away(r, name, by, false, err);
}

blind_code bl_registry_reload(bl_registry *r, const char *name, const bl_principal *by,
                              bl_loaded *out, blind_error *err)
{
    bl_load        load = { .name = name, .by = by, .replace = true };
    bl_model_file *file = NULL;
    name_row      *row;
    uint8_t        salt[32] = { 0 };
    char           owner[BL_MAX_PRINCIPAL_NAME + 1];
    *out = (bl_loaded){ 0 };
    pthread_mutex_lock(&r->lock);
    blind_code code = own_row(r, name, by, &row, err);
    if (code == BLIND_OK) {
        load.salted = row->salted;
        load.no_optim = row->no_optim;
        load.max_batch = row->max_batch;
        load.max_wait_ns = row->max_wait_ns;
        memcpy(salt, row->salt, sizeof salt);
        memcpy(owner, row->owner, sizeof owner);
        file = bl_model_file_retain(row->file);
    }
    pthread_mutex_unlock(&r->lock);
    if (code == BLIND_OK)
        code = load_as(r, &load, owner, salt, file, out, err);
    bl_model_file_release(file);
    return code;
}

/* ---- life ---- */

static void set_defaults(bl_registry_options *o)
{
    if (!o->engines)
        o->engines = bl_engines;
    if (!o->max_models)
        o->max_models = MAX_MODELS;
    if (!o->max_bytes)
        o->max_bytes = MAX_BYTES;
    if (!o->max_model_size)
        o->max_model_size = MAX_MODEL_SIZE;
    if (!o->max_per_principal)
        o->max_per_principal = o->max_models;
    if (!o->max_loads)
        o->max_loads = MAX_LOADS;
}

blind_code bl_registry_new(const bl_registry_options *options, bl_registry **out, blind_error *err)
{
    *out = NULL;
    bl_registry *r = calloc(1, sizeof *r);
    if (!r)
        return blind_fail(err, BLIND_MEMORY, "registry.new", "no memory for the registry");
    r->options = *options;
    set_defaults(&r->options);
    pthread_mutex_init(&r->loading, NULL);
    pthread_mutex_init(&r->lock, NULL);
    blind_code code = bl_residents_new(&r->options.residents, &r->residents, err);
    if (code == BLIND_OK)
        code = bl_loader_new(r, r->options.max_model_size, &r->loader, err);
    if (code != BLIND_OK)
        bl_registry_free(r);
    else
        *out = r;
    return code;
}

void bl_registry_free(bl_registry *r)
{
    if (!r)
        return;
    bl_loader_free(r->loader);
    for (name_row *row = r->names, *next; row; row = next) {
        next = row->next;
        bl_model_release(row->model);
        bl_model_file_release(row->file);
        free(row);
    }
    for (owner_row *row = r->owners, *next; row; row = next) {
        next = row->next;
        free(row);
    }
    bl_residents_free(r->residents);
    pthread_mutex_destroy(&r->lock);
    pthread_mutex_destroy(&r->loading);
    free(r);
}
