/* The loading thread: fills, seals, hashes, opens; then tells who asked. */
#include "server/loader.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { MAX_WAITING = 16 };

typedef struct waiting {
    struct waiting *next;
    bl_load_task    task;
    /* What task.load points to. */
    bl_principal by;
    char         name[BL_MAX_MODEL_NAME + 1];
    uint8_t      sha256[32];
} waiting;

struct bl_loader {
    bl_registry    *registry;
    size_t          max_model_size;
    pthread_t       thread;
    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t  work;
    waiting        *first, **last;
    size_t          len;
    bool            stop;
};

static blind_code carry_out(const bl_loader *l, const bl_load_task *task, bl_loaded *loaded,
                            blind_error *err)
{
    bl_auto_model_writer writer = BL_MODEL_WRITER_EMPTY;
    bl_model_file       *file;
    BL_TRY(bl_model_writer_init(&writer, l->max_model_size, err));
    BL_TRY(task->fill(task->arg, &writer, err));
    BL_TRY(bl_model_writer_seal(&writer, &file, err));
    blind_code code = bl_registry_load(l->registry, &task->load, file, loaded, err);
    bl_model_file_release(file);
    return code;
}

static void finish(const bl_loader *l, waiting *w, bool stop)
{
    bl_loaded   loaded = { 0 };
    blind_error err = { 0 };
    blind_code  code =
        stop ? blind_fail(&err, BLIND_CLOSED, "registry.closed", "the server is shutting down")
              : carry_out(l, &w->task, &loaded, &err);
    w->task.done(w->task.arg, code, &loaded, &err);
    bl_wipe(&loaded, sizeof loaded);
    free(w);
}

/* Waits for the next task; NULL when there is none left and the loader stops. */
static waiting *take(bl_loader *l, bool *stop)
{
    pthread_mutex_lock(&l->lock);
    while (!l->first && !l->stop)
        pthread_cond_wait(&l->work, &l->lock);
    waiting *w = l->first;
    if (w) {
        l->first = w->next;
        if (!l->first)
            l->last = &l->first;
        l->len--;
    }
    *stop = l->stop;
    pthread_mutex_unlock(&l->lock);
    return w;
}

static void *run(void *arg)
{
    bl_loader *l = arg;
    bool       stop;
    for (waiting *w; (w = take(l, &stop));)
        finish(l, w, stop);
    return NULL;
}

blind_code bl_loader_new(bl_registry *registry, size_t max_model_size, bl_loader **out,
                         blind_error *err)
{
    *out = NULL;
    bl_loader *l = calloc(1, sizeof *l);
    if (!l)
        return blind_fail(err, BLIND_MEMORY, "registry.new", "no memory for the loader");
    l->registry = registry;
    l->max_model_size = max_model_size;
    l->last = &l->first;
    pthread_mutex_init(&l->lock, NULL);
    pthread_cond_init(&l->work, NULL);
    if (pthread_create(&l->thread, NULL, run, l) != 0) {
        pthread_cond_destroy(&l->work);
        pthread_mutex_destroy(&l->lock);
        free(l);
        return blind_fail(err, BLIND_FAILED, "registry.new", "cannot start a thread");
    }
    *out = l;
    return BLIND_OK;
}

void bl_loader_free(bl_loader *l)
{
    if (!l)
        return;
    pthread_mutex_lock(&l->lock);
    l->stop = true;
    pthread_cond_signal(&l->work);
    pthread_mutex_unlock(&l->lock);
    pthread_join(l->thread, NULL);
    pthread_cond_destroy(&l->work);
    pthread_mutex_destroy(&l->lock);
    free(l);
}

static waiting *copy_task(const bl_load_task *task)
{
    waiting *w = calloc(1, sizeof *w);
    if (!w)
        return NULL;
    w->task = *task;
    w->by = *task->load.by;
    w->task.load.by = &w->by;
    snprintf(w->name, sizeof w->name, "%s", task->load.name);
    w->task.load.name = w->name;
    if (task->load.sha256) {
        memcpy(w->sha256, task->load.sha256, sizeof w->sha256);
        w->task.load.sha256 = w->sha256;
    }
    return w;
}

blind_code bl_loader_start(bl_loader *l, const bl_load_task *task, blind_error *err)
{
    waiting *w = copy_task(task);
    if (!w)
        return blind_fail(err, BLIND_MEMORY, "registry.start", "no memory for a load");
    pthread_mutex_lock(&l->lock);
    bool full = l->stop || l->len == MAX_WAITING;
    if (!full) {
        *l->last = w;
        l->last = &w->next;
        l->len++;
        pthread_cond_signal(&l->work);
    }
    pthread_mutex_unlock(&l->lock);
    if (!full)
        return BLIND_OK;
    free(w);
    return blind_fail(err, BLIND_BUSY, "registry.start", "%d models are waiting to be loaded",
                      MAX_WAITING);
}
