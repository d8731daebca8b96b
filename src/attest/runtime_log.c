/* The attester's side of the runtime log: records, chain, moments. */
#include "attest/runtime_log.h"

#include "attest/log_record.h"
#include "attest/wire.h"

#include <unistd.h>

#define X(type, name, named, digest) { name, named, digest },
const bl_log_form bl_log_forms[BL_LOG_TYPE_COUNT] = { BL_LOG_TYPES(X) };
#undef X

bool bl_log_name_ok(blind_span name)
{
    for (size_t i = 0; i < name.size; i++)
        if (name.data[i] < 0x21 || name.data[i] > 0x7e)
            return false;
    return name.size > 0 && name.size <= BL_MAX_MODEL_NAME;
}

blind_code bl_log_salted(const uint8_t salt[32], const uint8_t sha256[32], uint8_t out[32])
{
    uint8_t both[64];
    memcpy(both, salt, 32);
    memcpy(both + 32, sha256, 32);
    return bl_sha256(bl_span(both, sizeof both), out);
}

blind_code bl_log_extend(bl_log_state *state, blind_span record)
{
    uint8_t both[64];
    memcpy(both, state->head, 32);
    BL_TRY(bl_sha256(record, both + 32));
    BL_TRY(bl_sha256(bl_span(both, sizeof both), state->head));
    state->len++;
    return BLIND_OK;
}

/* Keys in the order of their encoding: shorter first, then by bytes.
 * Source: RFC 8949, section 4.2.1. */
void bl_log_put_record(const bl_log_event *e, bl_buf *out)
{
    const bl_log_form *form = &bl_log_forms[e->type];
    bool               salted = form->digest && e->salted;
    bl_cbor_put_map(out, 2u + form->named + form->digest);
    bl_cbor_put_text(out, "v");
    bl_cbor_put_uint(out, 1);
    if (form->named) {
        bl_cbor_put_text(out, "name");
        bl_cbor_put_text_span(out, e->name);
    }
    bl_cbor_put_text(out, "type");
    bl_cbor_put_text(out, form->name);
    if (form->digest) {
        bl_cbor_put_text(out, salted ? "salted" : "sha256");
        bl_cbor_put_bytes(out, bl_span(e->sha256, 32));
    }
}

blind_code bl_runtime_log_init(bl_runtime_log *log, blind_error *err)
{
    *log = (bl_runtime_log){ 0 };
    if (pthread_mutex_init(&log->lock, NULL) || pthread_mutex_init(&log->quoting, NULL))
        return blind_fail(err, BLIND_MEMORY, "log.init", "no lock for the runtime log");
    return BLIND_OK;
}

void bl_runtime_log_done(bl_runtime_log *log)
{
    bl_buf_done(&log->bytes);
    if (log->kept)
        close(log->fd);
    pthread_mutex_destroy(&log->lock);
    pthread_mutex_destroy(&log->quoting);
}

/* All or nothing: the state changes last, and a failed buffer loses what was added. */
blind_code bl_runtime_log_add(bl_runtime_log *log, blind_span record, blind_error *err)
{
    size_t       before = log->bytes.size;
    bl_log_state next = log->state;
    if (next.len >= BL_MAX_LOG_EVENTS)
        return blind_fail(err, BLIND_LIMIT, "log.append", "the runtime log is full at %u events",
                          BL_MAX_LOG_EVENTS);
    if (before + record.size > BL_MAX_LOG_SIZE)
        return blind_fail(err, BLIND_LIMIT, "log.append", "the runtime log is full at %zu bytes",
                          before);
    bl_cbor_put_bytes(&log->bytes, record);
    if (bl_buf_ok(&log->bytes) && bl_log_extend(&next, record) == BLIND_OK) {
        blind_code code = bl_runtime_log_store(log, before, record, err);
        if (code == BLIND_OK)
            log->state = next;
        else
            log->bytes.size = before;
        return code;
    }
    log->bytes.size = before;
    log->bytes.failed = false;
    return blind_fail(err, BLIND_MEMORY, "log.append", "out of memory for the runtime log");
}

blind_code bl_runtime_log_append(bl_runtime_log *log, const bl_log_event *event, uint64_t *len_out,
                                 blind_error *err)
{
    bl_auto_buf record = { .max = BL_MAX_LOG_RECORD };
    if (event->type >= BL_LOG_TYPE_COUNT ||
        (bl_log_forms[event->type].named && !bl_log_name_ok(event->name)))
        return blind_fail(err, BLIND_INPUT, "log.append",
                          "a name that is not 1 to %d visible ASCII characters", BL_MAX_MODEL_NAME);
    bl_log_put_record(event, &record);
    BL_TRY(bl_buf_check(&record, "log.append", err));
    pthread_mutex_lock(&log->quoting);
    pthread_mutex_lock(&log->lock);
    blind_code code = bl_runtime_log_add(log, bl_buf_span(&record), err);
    if (len_out)
        *len_out = log->state.len;
    pthread_mutex_unlock(&log->lock);
    pthread_mutex_unlock(&log->quoting);
    return code;
}

void bl_runtime_log_hold(bl_runtime_log *log)
{
    pthread_mutex_lock(&log->quoting);
}

void bl_runtime_log_release(bl_runtime_log *log)
{
    pthread_mutex_unlock(&log->quoting);
}

uint64_t bl_runtime_log_len(bl_runtime_log *log)
{
    pthread_mutex_lock(&log->lock);
    uint64_t len = log->state.len;
    pthread_mutex_unlock(&log->lock);
    return len;
}

blind_code bl_runtime_log_snapshot(bl_runtime_log *log, bl_log_state *state, bl_buf *bytes,
                                   blind_error *err)
{
    pthread_mutex_lock(&log->lock);
    if (state)
        *state = log->state;
    if (bytes)
        bl_buf_add(bytes, bl_buf_span(&log->bytes));
    pthread_mutex_unlock(&log->lock);
    return bytes ? bl_buf_check(bytes, "log.snapshot", err) : BLIND_OK;
}
