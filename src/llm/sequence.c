/* Sequences: their tokens, the pages they hold, and what they give to prompts that begin alike. */
#include "llm/engine_internal.h"

#include "crypto/hash.h"

#include <stdlib.h>

/* Making one.  ------------------------------------------------------------------------------- */

static blind_code check_ids(const bl_llm_engine *e, const int32_t *ids, size_t len,
                            blind_error *err)
{
    for (size_t i = 0; i < len; i++)
        if (ids[i] < 0 || (size_t)ids[i] >= e->model.shape.vocabulary)
            return blind_fail(err, BLIND_INPUT, "llm.sequence", "%d is no token: expected 0 to %zu",
                              ids[i], e->model.shape.vocabulary - 1);
    return BLIND_OK;
}

static blind_code check(const bl_llm_engine *e, const bl_llm_request *r, size_t *total,
                        blind_error *err)
{
    if (r->len == 0)
        return blind_fail(err, BLIND_INPUT, "llm.sequence", "a prompt without tokens");
    if (!bl_add(r->len, r->more, total) || *total > e->max_context)
        return blind_fail(err, BLIND_LIMIT, "llm.sequence",
                          "a prompt of %zu tokens and %zu more, in a context of %zu", r->len,
                          r->more, e->max_context);
    if (bl_llm_pages(*total) > bl_kv_count(e->kv).all)
        return blind_fail(err, BLIND_LIMIT, "llm.sequence",
                          "%zu tokens, and memory for the keys and values of %zu", *total,
                          bl_kv_count(e->kv).all * BL_KV_PAGE);
    if (r->together > BL_MAX_LLM_DRAFT)
        return blind_fail(err, BLIND_LIMIT, "llm.sequence", "%zu tokens at once, at most %d",
                          r->together, BL_MAX_LLM_DRAFT);
    return check_ids(e, r->prompt, r->len, err);
}

/* Whether every state of the prompt is asked for: then nothing can be taken over. */
static bool reads_all(const bl_llm_sequence *s)
{
    return s->request.see || s->request.pooling != BL_POOLING_NONE || s->engine->forget;
}

/* Each name covers the salt and all tokens before.  No names where hashing fails. */
static void make_names(bl_llm_sequence *s)
{
    uint8_t  text[BL_KV_NAME_SIZE + BL_LLM_SALT_SIZE + BL_KV_PAGE * sizeof(int32_t)] = { 0 };
    uint8_t *before = text, *salt = text + BL_KV_NAME_SIZE, *ids = salt + BL_LLM_SALT_SIZE;
    size_t   len = reads_all(s) ? 0 : s->prompt / BL_KV_PAGE;
    memcpy(salt, s->request.salt, BL_LLM_SALT_SIZE);
    for (s->n_names = 0; s->n_names < len; s->n_names++) {
        memcpy(ids, s->ids + s->n_names * BL_KV_PAGE, BL_KV_PAGE * sizeof *s->ids);
        if (bl_sha256(bl_span(text, sizeof text), s->names[s->n_names]) != BLIND_OK)
            break;
        memcpy(before, s->names[s->n_names], BL_KV_NAME_SIZE);
    }
    bl_wipe(text, sizeof text);
}

static void *array(bl_llm_sequence *s, size_t len, size_t size, bool *failed)
{
    void *out = bl_arena_array(&s->arena, BL_MAX(len, (size_t)1), size);
    *failed |= !out;
    return out;
}

static bool allocate(bl_llm_sequence *s, size_t total)
{
    const bl_llm_shape *shape = &s->engine->model.shape;
    bool                failed = false;
    size_t              numbers;
    s->n_pages = bl_llm_pages(total);
    s->ids = array(s, total, sizeof *s->ids, &failed);
    s->numbers = array(s, s->n_pages, sizeof *s->numbers, &failed);
    s->pages = array(s, s->n_pages, sizeof *s->pages, &failed);
    s->names = array(s, s->prompt / BL_KV_PAGE, sizeof *s->names, &failed);
    if (!bl_mul(s->request.together, shape->vocabulary, &numbers))
        return false;
    s->logits = array(s, numbers, sizeof *s->logits, &failed);
    if (s->request.pooling != BL_POOLING_NONE) {
        s->pooled = array(s, shape->width, sizeof *s->pooled, &failed);
        s->embedding = array(s, shape->width, sizeof *s->embedding, &failed);
    }
    return !failed;
}

static void set_page(bl_llm_sequence *s, size_t i, uint32_t number)
{
    s->numbers[i] = number;
    s->pages[i] = bl_kv_page(s->engine->kv, number);
}

/* Pages that may be taken over: whole ones, and the last token is read in any case. */
static size_t most_shared(const bl_llm_sequence *s)
{
    return BL_MIN(s->n_names, (s->prompt - 1) / BL_KV_PAGE);
}

/* Holds pages for all tokens; false, and none is held, when there are not as many. */
static bool take_pages(bl_llm_sequence *s)
{
    bl_kv   *kv = s->engine->kv;
    size_t   shared = 0;
    uint32_t number;
    while (shared < most_shared(s) && bl_kv_find(kv, s->names[shared], &number))
        set_page(s, shared++, number);
    if (!bl_kv_take(kv, s->n_pages - shared, s->numbers + shared)) {
        while (shared > 0)
            bl_kv_drop(kv, s->numbers[--shared]);
        return false;
    }
    for (size_t i = shared; i < s->n_pages; i++)
        set_page(s, i, s->numbers[i]);
    s->cached = s->done = shared * BL_KV_PAGE;
    return true;
}

static void sequence_done(bl_llm_sequence *s)
{
    bl_arena_done(&s->arena);
    bl_wipe(s, sizeof *s);
    free(s);
}

static blind_code fill(bl_llm_sequence *s, const bl_llm_request *r, size_t total, blind_error *err)
{
    if (!allocate(s, total))
        return blind_fail(err, BLIND_MEMORY, "llm.sequence", "out of memory for %zu tokens", total);
    memcpy(s->ids, r->prompt, r->len * sizeof *s->ids);
    make_names(s);
    if (!take_pages(s))
        return blind_fail(err, BLIND_AGAIN, "llm.sequence",
                          "no memory is free for the keys and values of %zu tokens", total);
    return BLIND_OK;
}

blind_code bl_llm_sequence_new(bl_llm_engine *e, const bl_llm_request *r, bl_llm_sequence **out,
                               blind_error *err)
{
    size_t total = 0;
    *out = NULL;
    BL_TRY(check(e, r, &total, err));
    bl_llm_sequence *s = calloc(1, sizeof *s);
    if (!s)
        return blind_fail(err, BLIND_MEMORY, "llm.sequence", "out of memory");
    *s = (bl_llm_sequence){
        .engine = e,
        .number = ++e->numbers,
        .request = *r,
        .prompt = r->len,
        .len = r->len,
        .first = r->len - 1,
        .arena = { .secret = true },
    };
    s->request.prompt = NULL;
    s->request.together = BL_MAX(r->together, (size_t)1);
    blind_code code = fill(s, r, total, err);
    if (code == BLIND_OK)
        *out = s;
    else
        sequence_done(s);
    return code;
}

void bl_llm_sequence_free(bl_llm_sequence *s)
{
    if (!s)
        return;
    for (size_t i = s->n_pages; i > 0; i--) /* so that the first are kept longest */
        bl_kv_drop(s->engine->kv, s->numbers[i - 1]);
    sequence_done(s);
}

/* Going through.  ---------------------------------------------------------------------------- */

void bl_llm_sequence_take_over(bl_llm_sequence *s)
{
    uint32_t number;
    while (s->done % BL_KV_PAGE == 0 && s->done / BL_KV_PAGE < most_shared(s) &&
           bl_kv_find(s->engine->kv, s->names[s->done / BL_KV_PAGE], &number)) {
        bl_kv_drop(s->engine->kv, s->numbers[s->done / BL_KV_PAGE]);
        set_page(s, s->done / BL_KV_PAGE, number);
        s->done += BL_KV_PAGE;
        s->cached += BL_KV_PAGE;
    }
}

/* Adds a state to what becomes the embedding. */
static void pool_state(bl_llm_sequence *s, size_t row, size_t position)
{
    bl_llm_engine *e = s->engine;
    size_t         width = e->model.shape.width;
    bool           first = s->request.pooling == BL_POOLING_FIRST;
    bool           last = s->request.pooling == BL_POOLING_LAST;
    if ((first && position > 0) || (last && position + 1 < s->prompt))
        return;
    bl_llm_forward_state(e->forward, row, e->state);
    for (size_t i = 0; i < width; i++)
        s->pooled[i] += (double)e->state[i];
    double count = first || last ? 1 : (double)s->prompt;
    for (size_t i = 0; i < width; i++)
        s->embedding[i] = (float)(s->pooled[i] / count);
}

void bl_llm_sequence_take(bl_llm_sequence *s, size_t row, size_t len, bl_pool *pool)
{
    bl_llm_engine *e = s->engine;
    if (s->done >= s->prompt || (!s->pooled && !s->request.see))
        return;
    for (size_t i = 0; i < len; i++) {
        uint32_t at = (uint32_t)(row + i);
        if (s->pooled)
            pool_state(s, at, s->done + i);
        if (!s->request.see)
            continue;
        bl_llm_forward_logits(e->forward, &at, &e->seen, 1, pool);
        s->request.see(s->request.see_arg, s->done + i, e->seen);
    }
}

void bl_llm_sequence_advance(bl_llm_sequence *s, size_t len)
{
    size_t before = s->done / BL_KV_PAGE;
    s->done += len;
    for (size_t i = before; i < s->done / BL_KV_PAGE && i < s->n_names; i++)
        bl_kv_name(s->engine->kv, s->numbers[i], s->names[i]);
}

/* Asking.  ----------------------------------------------------------------------------------- */

bool bl_llm_sequence_ready(const bl_llm_sequence *s)
{
    return s->done == s->len;
}

blind_code bl_llm_sequence_append(bl_llm_sequence *s, const int32_t *ids, size_t len,
                                  blind_error *err)
{
    if (!bl_llm_sequence_ready(s) || len == 0)
        return blind_fail(err, BLIND_INPUT, "llm.sequence", "tokens are appended when others %s",
                          len ? "are through" : "are there");
    if (len > s->request.together || s->len - s->prompt + len > s->request.more)
        return blind_fail(err, BLIND_LIMIT, "llm.sequence",
                          "%zu tokens after %zu: at most %zu at once and %zu in all", len,
                          s->len - s->prompt, s->request.together, s->request.more);
    BL_TRY(check_ids(s->engine, ids, len, err));
    memcpy(s->ids + s->len, ids, len * sizeof *ids);
    s->first = s->len;
    s->len += len;
    return BLIND_OK;
}

void bl_llm_sequence_rewind(bl_llm_sequence *s, size_t len)
{
    s->len = s->done = BL_MIN(BL_MAX(len, s->prompt), s->len);
}

const float *bl_llm_sequence_logits(const bl_llm_sequence *s, size_t i)
{
    if (!bl_llm_sequence_ready(s) || i >= s->request.together || s->first + i >= s->len)
        return NULL;
    return s->logits + i * s->engine->model.shape.vocabulary;
}

const float *bl_llm_sequence_embedding(const bl_llm_sequence *s)
{
    return s->done >= s->prompt ? s->embedding : NULL;
}

bl_llm_counts bl_llm_sequence_counts(const bl_llm_sequence *s)
{
    return (bl_llm_counts){
        .prompt = s->prompt,
        .cached = s->cached,
        .read = BL_MIN(s->done, s->prompt),
        .appended = s->len - s->prompt,
    };
}

const int32_t *bl_llm_sequence_ids(const bl_llm_sequence *s, size_t *len)
{
    *len = s->len;
    return s->ids;
}
