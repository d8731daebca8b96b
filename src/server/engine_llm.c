/* The engine of language models: many requests at once, a round of tokens at a time.
 *
 *     waiting --pages free--> reading its prompt --> writing <--> told --> done      (one answer)
 *
 * A request has an answer for each prompt and choice; each is a sequence of the model with a
 * generation of its own, and they share what their prompts have in common.  Answers that find no
 * free pages wait in the order in which they came; a request with none under way says BUSY and is
 * asked again when another has ended. */
#include "base/clock.h"
#include "crypto/hash.h"
#include "crypto/random.h"
#include "server/engine.h"
#include "server/llm.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    MAX_TOGETHER = 128, /* answers in one step */
    USUAL_SEQUENCES = 8 /* of the whole context that there are pages for */
};

typedef struct {
    bl_llm_parts   parts;
    bl_llm_engine *engine;
    uint8_t        secret[32]; /* salts are made of */
    const bl_job  *starved;    /* the one that waits for pages before all others */
    bl_description description;
} model;

/* One answer. */
typedef struct {
    bl_llm_sequence *sequence; /* NULL: it waits, or is done */
    bl_generation   *generation;
    int32_t          drafts[BL_MAX_DRAFTS];
    size_t           drafts_len;
    size_t           told; /* tokens whose logprobs were */
    size_t           at;   /* bytes of text whose logprobs were */
    bool             done;
} voice;

typedef struct {
    const bl_llm_ask *ask;
    voice            *voices; /* [len] */
    size_t            len, done, started;
    uint8_t           salt[BL_LLM_SALT_SIZE];
    float            *embeddings; /* [len][width] */
} turn;

/* ---- opening ---- */

static bool recognises(blind_span file)
{
    return bl_gguf_is(file);
}

static void close_model(void *opaque)
{
    model *m = opaque;
    bl_llm_engine_close(m->engine);
    bl_token_tree_free(m->parts.tree);
    pthread_mutex_destroy(&m->parts.lock);
    bl_template_close(m->parts.chat);
    bl_tokenizer_close(m->parts.tokenizer);
    bl_gguf_done(&m->parts.gguf);
    bl_wipe(m, sizeof *m);
    free(m);
}

/* Source: the GGUF specification, "[llm].pooling_type", as llama.cpp numbers them. */
static bl_pooling_kind pooling_of(const bl_gguf *g, const bl_llm_model *m)
{
    static const bl_pooling_kind kinds[] = { BL_POOLING_MEAN, BL_POOLING_MEAN, BL_POOLING_FIRST,
                                             BL_POOLING_LAST };
    char                         key[96];
    snprintf(key, sizeof key, "%.48s.pooling_type", m->family->name);
    uint64_t number = bl_gguf_uint(g, key, 0);
    return number < BL_LEN(kinds) ? kinds[number] : BL_POOLING_MEAN;
}

/* Without a word about it: some sequences of the whole context, in a quarter of the memory.  Pages
 * are taken from the system as they are used. */
static blind_code usual_memory(bl_gguf *g, const bl_engine_options *options, size_t *out,
                               blind_error *err)
{
    bl_llm_model m;
    bl_kv_layout layout;
    long         pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    size_t       most = pages > 0 && page > 0 ? (size_t)pages / 4 * (size_t)page : SIZE_MAX;
    BL_TRY(bl_llm_model_open(g, &m, err));
    const bl_llm_shape *s = &m.shape;
    size_t context = options->max_context ? BL_MIN(options->max_context, s->context) : s->context;
    blind_code code =
        bl_kv_layout_of(options->kv_type, s->layers, s->kv_heads, s->head_width, &layout, err);
    bl_llm_model_done(&m);
    BL_TRY(code);
    if (!bl_mul((context / BL_KV_PAGE + 1) * USUAL_SEQUENCES, layout.page, out) || *out > most)
        *out = BL_MAX(most, layout.page);
    return BLIND_OK;
}

static blind_code open_engine(model *m, const bl_engine_options *options, blind_error *err)
{
    bl_llm_engine_options how = { .isa = bl_isa_best(),
                                  .threads = options->pool ? bl_pool_threads(options->pool) : 1,
                                  .kv_type = options->kv_type,
                                  .kv_memory = options->kv_memory,
                                  .max_context = options->max_context };
    if (!how.kv_memory)
        BL_TRY(usual_memory(&m->parts.gguf, options, &how.kv_memory, err));
    return bl_llm_engine_open(&m->parts.gguf, &how, &m->engine, err);
}

static blind_code open_chat(model *m, blind_error *err)
{
    blind_span text = bl_gguf_text(&m->parts.gguf, "tokenizer.chat_template");
    m->parts.calls = bl_calls_style_of(text);
    return text.size ? bl_template_open(text, &m->parts.chat, err) : BLIND_OK;
}

static blind_code open_parts(model *m, blind_span file, const bl_engine_options *options,
                             blind_error *err)
{
    BL_TRY(bl_gguf_read(file, &m->parts.gguf, err));
    BL_TRY(bl_tokenizer_open(&m->parts.gguf, &m->parts.tokenizer, err));
    BL_TRY(open_chat(m, err));
    BL_TRY(open_engine(m, options, err));
    size_t paged = bl_llm_engine_pages(m->engine).all * BL_KV_PAGE;
    m->parts.context = BL_MIN(bl_llm_engine_max_context(m->engine), paged);
    m->parts.lookup = options->lookup;
    m->parts.pooling = pooling_of(&m->parts.gguf, bl_llm_engine_model(m->engine));
    m->description = (bl_description){ .platform = "gguf", .batching = { .max_rows = 1 } };
    return bl_random(m->secret, sizeof m->secret, err);
}

static blind_code open_model(blind_span file, const bl_engine_options *options, void **out,
                             blind_error *err)
{
    *out = NULL;
    model *m = calloc(1, sizeof *m);
    if (!m)
        return blind_fail(err, BLIND_MEMORY, "llm.open", "no memory for a model");
    pthread_mutex_init(&m->parts.lock, NULL);
    blind_code code = open_parts(m, file, options, err);
    if (code == BLIND_OK)
        *out = m;
    else
        close_model(m);
    return code;
}

static void describe(const void *opaque, bl_description *out)
{
    *out = ((const model *)opaque)->description;
}

static blind_code prepare(void *opaque, const bl_openai_request *asked, bl_request *request,
                          blind_error *err)
{
    bl_llm_ask *ask;
    BL_TRY(bl_llm_prepare(&((model *)opaque)->parts, asked, bl_clock_wall_s(), &ask, err));
    bl_request_set_ask(request, ask, bl_llm_ask_done);
    return BLIND_OK;
}

/* ---- beginning ---- */

/* Pages pass between requests of one principal: a name, or an anonymous session. */
static blind_code make_salt(const model *m, const bl_principal *who, uint8_t salt[32],
                            blind_error *err)
{
    bl_auto_buf text = { .secret = true };
    bl_buf_add(&text, bl_span(m->secret, sizeof m->secret));
    bl_buf_add_le(&text, who->session, 8);
    bl_buf_add_str(&text, who->name);
    if (bl_buf_ok(&text) && bl_sha256(bl_buf_span(&text), salt) == BLIND_OK)
        return BLIND_OK;
    return blind_fail(err, BLIND_MEMORY, "llm.salt", "out of memory");
}

static void end_voice(voice *v)
{
    bl_llm_sequence_free(v->sequence);
    bl_generation_free(v->generation);
    bl_wipe(v->drafts, sizeof v->drafts);
    v->sequence = NULL;
    v->generation = NULL;
}

static void free_turn(const model *m, turn *t)
{
    size_t width = bl_llm_engine_model(m->engine)->shape.width;
    for (size_t i = 0; t->voices && i < t->len; i++)
        end_voice(&t->voices[i]);
    if (t->embeddings)
        bl_wipe(t->embeddings, t->len * width * sizeof *t->embeddings);
    free(t->embeddings);
    free(t->voices);
    free(t);
}

static blind_code submit(void *opaque, bl_job *job, blind_error *err)
{
    model            *m = opaque;
    const bl_llm_ask *ask = bl_request_ask(job->request);
    size_t            width = bl_llm_engine_model(m->engine)->shape.width;
    if (!ask)
        return blind_fail(err, BLIND_INPUT, "llm.input",
                          "a language model is asked by /v1/chat/completions and its like");
    turn *t = calloc(1, sizeof *t);
    if (!t)
        return blind_fail(err, BLIND_MEMORY, "llm.submit", "no memory for a request");
    t->ask = ask;
    t->len = ask->prompts_len * ask->n;
    t->voices = calloc(t->len, sizeof *t->voices);
    t->embeddings = ask->pooling ? calloc(t->len * width, sizeof *t->embeddings) : NULL;
    blind_code code = make_salt(m, bl_request_principal(job->request), t->salt, err);
    if (code == BLIND_OK && (!t->voices || (ask->pooling && !t->embeddings)))
        code = blind_fail(err, BLIND_MEMORY, "llm.submit", "no memory for a request");
    if (code == BLIND_OK)
        job->state = t;
    else
        free_turn(m, t);
    return code;
}

static const bl_tokens *prompt_of(const turn *t, size_t i)
{
    return &t->ask->prompts[i / t->ask->n];
}

static blind_code make_generation(const model *m, const turn *t, size_t i, voice *v,
                                  blind_error *err)
{
    bl_generation_options options = t->ask->options;
    const bl_tokens      *prompt = prompt_of(t, i);
    options.sampling.seed += i % t->ask->n;
    return bl_generation_new(m->parts.tokenizer, &options, bl_tokens_ids(prompt),
                             bl_tokens_len(prompt), &v->generation, err);
}

/* AGAIN: there are no pages now. */
static blind_code start(model *m, const turn *t, size_t i, blind_error *err)
{
    voice           *v = &t->voices[i];
    const bl_tokens *prompt = prompt_of(t, i);
    size_t           drafts = t->ask->options.lookup;
    bl_llm_request   r = { .prompt = bl_tokens_ids(prompt),
                           .len = bl_tokens_len(prompt),
                           .more = t->ask->pooling ? 0 : t->ask->options.max_tokens,
                           .together = drafts + 1,
                           .pooling = t->ask->pooling };
    memcpy(r.salt, t->salt, sizeof r.salt);
    BL_TRY(bl_llm_sequence_new(m->engine, &r, &v->sequence, err));
    return t->ask->pooling ? BLIND_OK : make_generation(m, t, i, v, err);
}

/* ---- telling ---- */

static void finish_voice(turn *t, voice *v)
{
    end_voice(v);
    v->done = true;
    t->done++;
}

/* A token's bytes at the end of `texts`. */
static bl_openai_token told_token(const model *m, int32_t id, float logprob, bl_buf *texts)
{
    size_t at = texts->size;
    bl_token_text(m->parts.tokenizer, id, true, texts);
    return (bl_openai_token){ { NULL, texts->size - at }, logprob };
}

/* Texts are pointed to when all are there: a buffer that grows moves. */
static void tell_token(const model *m, const turn *t, const bl_generated *g, bl_llm_piece *piece)
{
    bl_auto_buf     texts = { .secret = true };
    bl_openai_token all[BL_MAX_LOGPROBS + 1];
    size_t          len = 0;
    const uint8_t  *at;
    all[len++] = told_token(m, g->id, g->logprob, &texts);
    for (size_t i = 0; i < t->ask->options.logprobs && g->top[i].id != BL_NO_LOGPROB; i++)
        all[len++] = told_token(m, g->top[i].id, g->top[i].logprob, &texts);
    at = texts.data;
    for (size_t i = 0; i < len && bl_buf_ok(&texts); i++) {
        all[i].text.data = at;
        at += all[i].text.size;
    }
    if (bl_buf_ok(&texts))
        bl_openai_logprobs_add(&piece->logprobs, t->ask->kind, &all[0], all + 1, len - 1);
    bl_wipe(all, sizeof all);
}

static void tell_logprobs(const model *m, const turn *t, voice *v, bl_llm_piece *piece)
{
    size_t settled = bl_generation_settled(v->generation);
    piece->logprobs.at = v->at;
    for (; v->told < settled; v->told++) {
        bl_generated g = bl_generation_at(v->generation, v->told);
        tell_token(m, t, &g, piece);
    }
    v->at = piece->logprobs.at;
}

static bl_openai_finish finish_of(const bl_generation *g)
{
    switch (bl_generation_finish(g)) {
    case BL_FINISH_STOP:
        return BL_OPENAI_STOP;
    case BL_FINISH_LENGTH:
        return BL_OPENAI_LENGTH;
    default:
        return BL_OPENAI_UNFINISHED;
    }
}

/* What has become certain of an answer since the last time. */
static blind_code tell(const model *m, bl_job *job, size_t i)
{
    turn        *t = job->state;
    voice       *v = &t->voices[i];
    bl_llm_piece piece = { .answer = i,
                           .text = { .secret = true },
                           .logprobs = BL_OPENAI_LOGPROBS_EMPTY,
                           .finish = finish_of(v->generation) };
    bl_generation_text(v->generation, &piece.text);
    if (t->ask->options.wants_logprobs)
        tell_logprobs(m, t, v, &piece);
    if (piece.finish) {
        bl_llm_counts c = bl_llm_sequence_counts(v->sequence);
        piece.usage = (bl_openai_usage){ c.prompt, c.cached, bl_generation_len(v->generation) };
        finish_voice(t, v);
    }
    if (piece.text.size > 0 || piece.logprobs.tokens.size > 0 || piece.finish)
        return bl_llm_put(job->request, &piece, &job->error);
    bl_llm_piece_done(&piece);
    return BLIND_OK;
}

/* The prompt in front of its answer; an answer of no tokens is only that. */
static blind_code tell_echo(bl_job *job, size_t i)
{
    turn        *t = job->state;
    bool         all = t->ask->options.max_tokens == 0;
    bl_llm_piece piece = { .answer = i,
                           .text = { .secret = true },
                           .finish = all ? BL_OPENAI_LENGTH : BL_OPENAI_UNFINISHED };
    bl_buf_add(&piece.text, t->ask->echoes[i / t->ask->n]);
    t->voices[i].at = piece.text.size;
    if (all) {
        piece.usage.prompt = bl_tokens_len(prompt_of(t, i));
        finish_voice(t, &t->voices[i]);
    }
    return bl_llm_put(job->request, &piece, &job->error);
}

/* ---- going on ---- */

/* Chooses tokens as far as drafts were right, and says what is to be decoded next.
 *
 * most  tokens of the answer */
static blind_code take(voice *v, size_t most, blind_error *err)
{
    size_t  len, taken = 0;
    int32_t next[BL_MAX_DRAFTS + 1];
    for (bool right = true; right; taken++) {
        BL_TRY(bl_generation_take(v->generation, bl_llm_sequence_logits(v->sequence, taken),
                                  &next[0], err));
        right = bl_generation_finish(v->generation) == BL_FINISH_NONE && taken < v->drafts_len &&
                next[0] == v->drafts[taken];
    }
    if (bl_generation_finish(v->generation) != BL_FINISH_NONE)
        return BLIND_OK;
    (void)bl_llm_sequence_ids(v->sequence, &len);
    if (taken <= v->drafts_len)
        bl_llm_sequence_rewind(v->sequence, len - (v->drafts_len - (taken - 1)));
    v->drafts_len =
        bl_generation_draft(v->generation, v->drafts,
                            BL_MIN((size_t)BL_MAX_DRAFTS, most - bl_generation_len(v->generation)));
    if (v->drafts_len > 0)
        memcpy(next + 1, v->drafts, v->drafts_len * sizeof *next);
    blind_code code = bl_llm_sequence_append(v->sequence, next, v->drafts_len + 1, err);
    bl_wipe(next, sizeof next);
    return code;
}

/* Vectors of length 1, as OpenAI's are. */
static void take_embedding(const model *m, turn *t, size_t i)
{
    size_t       width = bl_llm_engine_model(m->engine)->shape.width;
    const float *from = bl_llm_sequence_embedding(t->voices[i].sequence);
    float       *to = t->embeddings + i * width;
    double       sum = 0;
    for (size_t k = 0; k < width; k++)
        sum += (double)from[k] * (double)from[k];
    for (size_t k = 0; k < width; k++)
        to[k] = sum > 0 ? (float)((double)from[k] / sqrt(sum)) : 0;
    finish_voice(t, &t->voices[i]);
}

static blind_code put_embeddings(const model *m, bl_job *job)
{
    turn     *t = job->state;
    size_t    width = bl_llm_engine_model(m->engine)->shape.width, tokens = 0;
    size_t    size = t->len * width * sizeof(float);
    bl_event *event = bl_event_new(BL_EVENT_OUTPUTS, 2 * sizeof(blind_tensor) + 8 + size);
    if (!event)
        return blind_fail(&job->error, BLIND_MEMORY, "llm.output", "no memory for the outputs");
    for (size_t i = 0; i < t->len; i++)
        tokens += bl_tokens_len(prompt_of(t, i));
    event->outputs = (blind_tensor *)(void *)(event + 1);
    event->outputs_len = 2;
    int64_t *count = (int64_t *)(void *)(event->outputs + 2);
    *count = (int64_t)tokens;
    event->outputs[0] =
        (blind_tensor){ "embeddings", BLIND_F32, 2, { (int64_t)t->len, (int64_t)width },
                        count + 1,    size };
    event->outputs[1] = (blind_tensor){ "tokens", BLIND_I64, 1, { 1 }, count, sizeof *count };
    memcpy(count + 1, t->embeddings, size);
    bl_request_put(job->request, event);
    return BLIND_OK;
}

static blind_code advance(const model *m, bl_job *job)
{
    turn *t = job->state;
    for (size_t i = 0; i < t->len; i++) {
        voice *v = &t->voices[i];
        if (!v->sequence || !bl_llm_sequence_ready(v->sequence))
            continue;
        if (t->ask->pooling) {
            take_embedding(m, t, i);
            continue;
        }
        BL_TRY(take(v, t->ask->options.max_tokens, &job->error));
        BL_TRY(tell(m, job, i));
    }
    if (t->done < t->len)
        return BLIND_AGAIN;
    return t->ask->pooling ? put_embeddings(m, job) : BLIND_OK;
}

/* Starts answers of a request while there are pages, and none before those who wait longer. */
static blind_code start_some(model *m, bl_job *job)
{
    turn *t = job->state;
    for (; t->started < t->len && (!m->starved || m->starved == job); t->started++) {
        size_t     i = t->started;
        blind_code code = t->ask->options.max_tokens > 0 || t->ask->pooling
                              ? start(m, t, i, &job->error)
                              : BLIND_OK;
        if (code == BLIND_AGAIN) {
            m->starved = job;
            break;
        }
        BL_TRY(code);
        m->starved = NULL;
        if (t->ask->echoes)
            BL_TRY(tell_echo(job, i));
    }
    return BLIND_OK;
}

/* The sequences of a request that are under way, as many as fit. */
static size_t collect(const bl_job *job, bl_llm_sequence **to, size_t room)
{
    const turn *t = job->state;
    size_t      len = 0;
    for (size_t i = 0; i < t->started && len < room; i++)
        if (t->voices[i].sequence)
            to[len++] = t->voices[i].sequence;
    return len;
}

static void step(void *opaque, bl_job *const *jobs, size_t len, const bl_turn *how)
{
    model           *m = opaque;
    bl_llm_sequence *all[MAX_TOGETHER];
    size_t           n = 0;
    for (size_t i = 0; i < len; i++) {
        jobs[i]->code = start_some(m, jobs[i]);
        size_t mine = jobs[i]->code == BLIND_OK ? collect(jobs[i], all + n, MAX_TOGETHER - n) : 0;
        if (jobs[i]->code == BLIND_OK)
            jobs[i]->code = BLIND_AGAIN;
        n += mine;
    }
    if (n > 0)
        bl_llm_step(m->engine, all, n, 0, how->pool);
    for (size_t i = 0; i < len; i++) {
        const turn *t = jobs[i]->state;
        if (jobs[i]->code != BLIND_AGAIN)
            continue;
        jobs[i]->code = advance(m, jobs[i]);
        if (jobs[i]->code == BLIND_AGAIN && t->done == t->started && t->started < t->len)
            jobs[i]->code = BLIND_BUSY;
    }
}

static void cancel(void *opaque, bl_job *job)
{
    model *m = opaque;
    if (m->starved == job)
        m->starved = NULL;
    free_turn(m, job->state);
}

static bool wipe(void *opaque, size_t most)
{
    return bl_llm_engine_wipe(((model *)opaque)->engine, most);
}

static size_t size(const void *opaque)
{
    return bl_llm_engine_size(((const model *)opaque)->engine);
}

const bl_engine bl_engine_llm = {
    .name = "llm",
    .batch = BL_MAX_BATCH,
    .streams = true,
    .recognises = recognises,
    .open = open_model,
    .describe = describe,
    .prepare = prepare,
    .submit = submit,
    .step = step,
    .cancel = cancel,
    .wipe = wipe,
    .size = size,
    .close = close_model,
};
