/* The token-emitting test engine and the one that computes; see the header. */
#include "tests/engine/test_engines.h"

#include "nn/pool.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

_Atomic int test_models_open, test_jobs_open;

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void spin_us(unsigned us)
{
    for (uint64_t end = now_ns() + (uint64_t)us * 1000; now_ns() < end;)
        ;
}

static bool starts_with(blind_span file, const char *prefix)
{
    size_t size = strlen(prefix);
    return file.size >= size && memcmp(file.data, prefix, size) == 0;
}

/* The first line as a string. */
static blind_code first_line(blind_span file, char line[64], blind_error *err)
{
    const uint8_t *end = memchr(file.data, '\n', file.size);
    size_t         size = end ? (size_t)(end - file.data) : 64;
    if (size >= 64)
        return blind_fail(err, BLIND_INPUT, "test.open", "no first line");
    memcpy(line, file.data, size);
    line[size] = 0;
    return BLIND_OK;
}

/* ---- words ---- */

enum { MAX_WORDS = 64, WORDS_BATCH = 4 };

typedef struct {
    unsigned   step_us;
    blind_span words[MAX_WORDS]; /* borrowed from the file */
    size_t     len;
} words;

typedef struct {
    size_t at, left;
} stream;

static bool words_recognises(blind_span file)
{
    return starts_with(file, "words v1 ");
}

static blind_code words_open(blind_span file, const bl_engine_options *options, void **model,
                             blind_error *err)
{
    (void)options;
    char line[64];
    BL_TRY(first_line(file, line, err));
    words *w = calloc(1, sizeof *w);
    if (!w || sscanf(line, "words v1 %u", &w->step_us) != 1) {
        free(w);
        return blind_fail(err, BLIND_INPUT, "words.open", "malformed first line");
    }
    const uint8_t *at = file.data + strlen(line) + 1, *end = file.data + file.size;
    while (at < end && w->len < MAX_WORDS) {
        const uint8_t *space = memchr(at, ' ', (size_t)(end - at));
        const uint8_t *stop = space ? space + 1 : end;
        w->words[w->len++] = bl_span(at, (size_t)(stop - at));
        at = stop;
    }
    if (!w->len) {
        free(w);
        return blind_fail(err, BLIND_INPUT, "words.open", "no words");
    }
    atomic_fetch_add(&test_models_open, 1);
    *model = w;
    return BLIND_OK;
}

static void words_describe(const void *model, bl_description *out)
{
    static const blind_tensor inputs[] = {
        { .name = "prompt", .dtype = BLIND_STRING, .rank = 1, .shape = { 1 } },
        { .name = "max_tokens", .dtype = BLIND_I32, .rank = 1, .shape = { 1 } },
    };
    (void)model;
    *out = (bl_description){ .platform = "test_words",
                             .inputs = inputs,
                             .inputs_len = BL_LEN(inputs) };
}

static blind_code words_submit(void *model, bl_job *job, blind_error *err)
{
    const words        *w = model;
    const blind_tensor *prompt = bl_request_input(job->request, "prompt");
    const blind_tensor *max = bl_request_input(job->request, "max_tokens");
    if (!prompt || !max || max->dtype != BLIND_I32 || max->size != 4)
        return blind_fail(err, BLIND_INPUT, "words.submit", "expected prompt and max_tokens");
    stream *s = calloc(1, sizeof *s);
    if (!s)
        return blind_fail(err, BLIND_MEMORY, "words.submit", "no memory");
    s->at = prompt->size % w->len;
    s->left = (size_t)BL_MAX(*(const int32_t *)max->data, 0);
    atomic_fetch_add(&test_jobs_open, 1);
    job->state = s;
    return BLIND_OK;
}

/* One token for each request of the batch, for the price of one. */
static void words_step(void *model, bl_job *const *jobs, size_t len, const bl_turn *turn)
{
    const words *w = model;
    (void)turn;
    spin_us(w->step_us);
    for (size_t i = 0; i < len; i++) {
        stream *s = jobs[i]->state;
        jobs[i]->code = s->left ? bl_request_put_text(jobs[i]->request, w->words[s->at],
                                                      (int32_t)s->at, &jobs[i]->error)
                                : BLIND_OK;
        if (s->left && jobs[i]->code == BLIND_OK) {
            s->at = (s->at + 1) % w->len;
            s->left--;
            jobs[i]->code = s->left ? BLIND_AGAIN : BLIND_OK;
        }
    }
}

static void words_cancel(void *model, bl_job *job)
{
    (void)model;
    free(job->state);
    atomic_fetch_sub(&test_jobs_open, 1);
}

static void words_close(void *model)
{
    free(model);
    atomic_fetch_sub(&test_models_open, 1);
}

const bl_engine test_engine_words = {
    .name = "words",
    .batch = WORDS_BATCH,
    .streams = true,
    .recognises = words_recognises,
    .open = words_open,
    .describe = words_describe,
    .submit = words_submit,
    .step = words_step,
    .cancel = words_cancel,
    .close = words_close,
};

/* ---- grind ---- */

typedef struct {
    unsigned nodes, node_us;
    bool     deaf; /* has one step, which ends when nobody waits for it */
} grind;

typedef struct {
    float        y;
    unsigned     nodes_left;
    _Atomic long parts; /* done on the pool, two per node */
} grinding;

static bool grind_recognises(blind_span file)
{
    return starts_with(file, "grind v1 ");
}

static blind_code grind_open(blind_span file, const bl_engine_options *options, void **model,
                             blind_error *err)
{
    (void)options;
    char line[64];
    BL_TRY(first_line(file, line, err));
    grind *g = calloc(1, sizeof *g);
    if (!g || sscanf(line, "grind v1 %u %u", &g->nodes, &g->node_us) != 2) {
        free(g);
        return blind_fail(err, BLIND_INPUT, "grind.open", "malformed first line");
    }
    g->deaf = strstr(line, " deaf") != NULL;
    atomic_fetch_add(&test_models_open, 1);
    *model = g;
    return BLIND_OK;
}

static void grind_describe(const void *model, bl_description *out)
{
    static const blind_tensor x = { .name = "x", .dtype = BLIND_F32, .rank = 1, .shape = { 1 } };
    static const blind_tensor y = { .name = "y", .dtype = BLIND_F32, .rank = 1, .shape = { 1 } };
    (void)model;
    *out = (bl_description){
        .platform = "test_grind", .inputs = &x, .inputs_len = 1, .outputs = &y, .outputs_len = 1
    };
}

static blind_code grind_submit(void *model, bl_job *job, blind_error *err)
{
    const grind        *g = model;
    const blind_tensor *x = bl_request_input(job->request, "x");
    if (!x || x->dtype != BLIND_F32 || x->size != 4)
        return blind_fail(err, BLIND_INPUT, "grind.submit", "expected x, FP32 [1]");
    grinding *job_state = calloc(1, sizeof *job_state);
    if (!job_state)
        return blind_fail(err, BLIND_MEMORY, "grind.submit", "no memory");
    job_state->y = *(const float *)x->data;
    job_state->nodes_left = g->nodes;
    atomic_fetch_add(&test_jobs_open, 1);
    job->state = job_state;
    return BLIND_OK;
}

static void grind_part(void *arg, size_t index, int worker)
{
    grinding *s = arg;
    (void)index, (void)worker;
    atomic_fetch_add(&s->parts, 1);
}

static blind_code put_output(bl_job *job, const grinding *s)
{
    bl_event *event = bl_event_new(BL_EVENT_OUTPUTS, sizeof(blind_tensor) + sizeof(float));
    if (!event)
        return blind_fail(&job->error, BLIND_MEMORY, "grind.output", "no memory");
    blind_tensor *y = event->outputs = (blind_tensor *)(event + 1);
    *y = (blind_tensor){ .name = "y", .rank = 1, .shape = { 1 }, .data = y + 1, .size = 4 };
    memcpy(y->data, &s->y, 4);
    event->outputs_len = 1;
    bl_request_put(job->request, event);
    return BLIND_OK;
}

static void grind_step(void *model, bl_job *const *jobs, size_t len, const bl_turn *turn)
{
    const grind *g = model;
    grinding    *s = jobs[0]->state;
    uint64_t     end = now_ns() + turn->budget_ns;
    (void)len;
    while (g->deaf)
        if (turn->over(turn->over_arg))
            return; /* as it came: AGAIN */
    while (s->nodes_left) {
        bl_pool_run(turn->pool, grind_part, s, 2);
        spin_us(g->node_us);
        s->y += (float)atomic_exchange(&s->parts, 0) / 2;
        s->nodes_left--;
        if (s->nodes_left && now_ns() >= end) {
            jobs[0]->code = BLIND_AGAIN;
            return;
        }
    }
    jobs[0]->code = put_output(jobs[0], s);
}

const bl_engine test_engine_grind = {
    .name = "grind",
    .batch = 1,
    .recognises = grind_recognises,
    .open = grind_open,
    .describe = grind_describe,
    .submit = grind_submit,
    .step = grind_step,
    .cancel = words_cancel,
    .close = words_close,
};

const bl_engine *const test_engines[] = { &test_engine_words, &test_engine_grind, NULL };
