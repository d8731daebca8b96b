/* The verifier's side of the runtime log: reads records strictly, recomputes the chain. */
#include "attest/log_record.h"
#include "attest/runtime_log.h"
#include "attest/wire.h"

static bool find_form(blind_span name, bl_log_type *out)
{
    for (unsigned i = 0; i < BL_LOG_TYPE_COUNT; i++)
        if (bl_span_equal(name, bl_span_str(bl_log_forms[i].name))) {
            *out = (bl_log_type)i;
            return true;
        }
    return false;
}

/* {"v": 1, "name": text, "type": text, "sha256" or "salted": bytes}, as the type asks. */
static bool parse_record(blind_span record, bl_log_event *out)
{
    bl_reader r = { .rest = record };
    uint64_t  pairs = bl_cbor_read_map(&r).left;
    bool      named = false;
    *out = (bl_log_event){ 0 };
    if (!wire_text_is(&r, "v") || bl_cbor_read_uint(&r) != 1)
        return false;
    blind_span key = bl_cbor_read_text(&r);
    if (bl_span_equal(key, BL_LITERAL("name"))) {
        out->name = bl_cbor_read_text(&r);
        key = bl_cbor_read_text(&r);
        named = true;
    }
    if (!bl_span_equal(key, BL_LITERAL("type")) || !find_form(bl_cbor_read_text(&r), &out->type))
        return false;
    const bl_log_form *form = &bl_log_forms[out->type];
    if (named != form->named || (named && !bl_log_name_ok(out->name)) ||
        pairs != 2u + form->named + form->digest)
        return false;
    if (form->digest) {
        key = bl_cbor_read_text(&r);
        out->salted = bl_span_equal(key, BL_LITERAL("salted"));
        if (!bl_span_equal(key, BL_LITERAL("sha256")) &&
            !(out->salted && out->type == BL_LOG_MODEL_LOAD))
            return false;
        wire_get_fixed(&r, out->sha256, 32);
    }
    return bl_reader_done(&r);
}

/* Bounds the allocation before anything is allocated. */
static size_t count_records(blind_span bytes)
{
    bl_reader r = { .rest = bytes };
    size_t    n = 0;
    while (r.rest.size && !r.failed && n <= BL_MAX_LOG_EVENTS) {
        (void)bl_cbor_read_bytes(&r);
        n++;
    }
    return n;
}

static blind_code replay_one(bl_reader *r, bl_log_replay *out, blind_error *err)
{
    blind_span record = bl_cbor_read_bytes(r);
    if (r->failed || record.size > BL_MAX_LOG_RECORD ||
        !parse_record(record, &out->events[out->len]))
        return blind_fail(err, BLIND_LOG, "log.record", "event %zu of the log is malformed",
                          out->len + 1);
    if (bl_log_extend(&out->state, record) != BLIND_OK)
        return blind_fail(err, BLIND_MEMORY, "log.replay", "out of memory");
    out->len++;
    return BLIND_OK;
}

blind_code bl_runtime_log_replay(blind_span bytes, bl_arena *arena, bl_log_replay *out,
                                 blind_error *err)
{
    size_t     n = count_records(bytes);
    bl_reader  r = { .rest = bytes };
    blind_code code = BLIND_OK;
    *out = (bl_log_replay){ 0 };
    if (n > BL_MAX_LOG_EVENTS)
        return blind_fail(err, BLIND_LOG, "log.replay", "a log of more than %u events",
                          BL_MAX_LOG_EVENTS);
    out->events = bl_arena_array(arena, n + 1, sizeof *out->events);
    if (!out->events)
        return blind_fail(err, BLIND_MEMORY, "log.replay", "out of memory for %zu events", n);
    while (code == BLIND_OK && r.rest.size)
        code = replay_one(&r, out, err);
    if (code != BLIND_OK)
        *out = (bl_log_replay){ 0 };
    return code;
}

/* Open addressing over names: a log of many loads must not cost their square. */
typedef struct {
    uint32_t *slots; /* index + 1 into rows, 0 empty */
    size_t    mask;
} index_of;

static size_t hash_name(blind_span name)
{
    uint64_t h = 14695981039346656037u; /* FNV-1a; at most BL_MAX_LOG_EVENTS names */
    for (size_t i = 0; i < name.size; i++)
        h = (h ^ name.data[i]) * 1099511628211u;
    return (size_t)(h ^ h >> 32);
}

static uint32_t *slot_for(const index_of *x, const bl_log_model *rows, blind_span name)
{
    size_t at = hash_name(name) & x->mask;
    while (x->slots[at] && !bl_span_equal(rows[x->slots[at] - 1].name, name))
        at = (at + 1) & x->mask;
    return &x->slots[at];
}

/* Drops rows of unloaded names: `loaded` is false for them. */
static size_t compact(bl_log_model *rows, const bool *loaded, size_t len)
{
    size_t kept = 0;
    for (size_t i = 0; i < len; i++)
        if (loaded[i])
            rows[kept++] = rows[i];
    return kept;
}

blind_code bl_log_models(const bl_log_replay *replay, bl_arena *arena, const bl_log_model **models,
                         size_t *len, blind_error *err)
{
    size_t   n = 0, size = 16;
    index_of x;
    while (size < 2 * replay->len)
        size *= 2;
    bl_log_model *rows = bl_arena_array(arena, replay->len + 1, sizeof *rows);
    bool         *loaded = bl_arena_array(arena, replay->len + 1, sizeof *loaded);
    x = (index_of){ bl_arena_array(arena, size, sizeof *x.slots), size - 1 };
    *models = NULL;
    *len = 0;
    if (!rows || !loaded || !x.slots)
        return blind_fail(err, BLIND_MEMORY, "log.models", "out of memory");
    for (size_t i = 0; i < replay->len; i++) {
        const bl_log_event *e = &replay->events[i];
        if (!bl_log_forms[e->type].named)
            continue;
        uint32_t *slot = slot_for(&x, rows, e->name);
        if (!*slot) {
            rows[n].name = e->name;
            *slot = (uint32_t)++n;
        }
        bl_log_model *row = &rows[*slot - 1];
        loaded[*slot - 1] = e->type == BL_LOG_MODEL_LOAD;
        memcpy(row->sha256, e->sha256, 32);
        row->salted = e->salted;
    }
    *models = rows;
    *len = compact(rows, loaded, n);
    return BLIND_OK;
}
