/* dstack's event log: JSON, one object per event of a TD, payloads in hexadecimal. */
#include "attest/event_log.h"

#include "base/hex.h"
#include "base/json.h"

static const char STAGE[] = "event_log.json";

/* The bytes of a string of hexadecimal digits, in the arena. */
static blind_code read_hex(const json_t *object, const char *key, bl_arena *arena, blind_span *out,
                           blind_error *err)
{
    const char *text;
    BL_TRY(bl_json_string(object, key, &text, err));
    size_t   size = strlen(text) / 2;
    uint8_t *bytes = bl_arena_alloc(arena, size + 1);
    if (!bytes)
        return blind_fail(err, BLIND_MEMORY, STAGE, "out of memory");
    if (!bl_hex_decode(bl_span_str(text), bytes, size))
        return blind_fail(err, BLIND_FORMAT, STAGE, "'%s' is not hexadecimal", key);
    *out = bl_span(bytes, size);
    return BLIND_OK;
}

static blind_code read_event(const json_t *object, bl_arena *arena, bl_event *out, blind_error *err)
{
    const char *name;
    int64_t     imr, type;
    blind_span  digest;
    if (!json_is_object(object))
        return blind_fail(err, BLIND_FORMAT, STAGE, "no object");
    BL_TRY(bl_json_int(object, "imr", 0, 3, &imr, err));
    BL_TRY(bl_json_int(object, "event_type", 0, UINT32_MAX, &type, err));
    BL_TRY(bl_json_string(object, "event", &name, err));
    BL_TRY(read_hex(object, "digest", arena, &digest, err));
    BL_TRY(read_hex(object, "event_payload", arena, &out->data, err));
    if (digest.size != BL_SHA384_SIZE)
        return blind_fail(err, BLIND_FORMAT, STAGE, "a digest of %zu bytes, expected %d",
                          digest.size, BL_SHA384_SIZE);
    out->reg = (uint32_t)imr + 1;
    out->type = (uint32_t)type;
    out->digests[BL_SHA384] = digest;
    const char *copy = bl_arena_copy(arena, bl_span_str(name));
    if (!copy)
        return blind_fail(err, BLIND_MEMORY, STAGE, "out of memory");
    out->name = bl_span_str(copy);
    return BLIND_OK;
}

static blind_code read_events(const json_t *list, bl_arena *arena, bl_event_log *out,
                              blind_error *err)
{
    size_t    len = json_array_size(list);
    bl_event *events;
    if (!json_is_array(list))
        return blind_fail(err, BLIND_FORMAT, STAGE, "no array of events");
    if (len > BL_MAX_BOOT_EVENTS)
        return blind_fail(err, BLIND_LIMIT, STAGE, "%zu events, at most %d", len,
                          BL_MAX_BOOT_EVENTS);
    events = bl_arena_array(arena, len + 1, sizeof *events);
    if (!events)
        return blind_fail(err, BLIND_MEMORY, STAGE, "out of memory");
    for (size_t i = 0; i < len; i++) {
        blind_code code = read_event(json_array_get(list, i), arena, &events[i], err);
        if (code != BLIND_OK)
            return blind_fail_in(err, code, "event %zu", i + 1);
    }
    *out = (bl_event_log){ .kind = BL_LOG_OF_TD, .events = events, .len = len };
    return BLIND_OK;
}

blind_code bl_event_log_parse_json(blind_span text, bl_arena *arena, bl_event_log *out,
                                   blind_error *err)
{
    bl_auto_json *list = NULL;
    *out = (bl_event_log){ 0 };
    blind_code code = bl_json_parse(text, BL_MAX_BOOT_LOG, &list, err);
    if (code == BLIND_OK)
        code = read_events(list, arena, out, err);
    if (code != BLIND_INPUT)
        return code;
    if (err) /* what a helper calls input is evidence here */
        err->code = BLIND_FORMAT;
    return BLIND_FORMAT;
}
