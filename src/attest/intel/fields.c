/* Members of Intel's collateral.  Source: Intel SGX and TDX Provisioning Certification Service API
 * v4. */
#include "attest/intel/fields.h"

#include "attest/intel/signed_json.h"
#include "base/hex.h"

static const char STAGE[] = "intel.collateral";

static const char *const names[] = {
#define X(id, name) name,
    BL_TCB_STATUSES(X)
#undef X
};

const char *bl_tcb_status_name(bl_tcb_status status)
{
    return names[status];
}

blind_code bl_intel_malformed(blind_code code, const char *what, blind_error *err)
{
    if (code == BLIND_OK)
        return BLIND_OK;
    if (code != BLIND_MEMORY)
        code = BLIND_FORMAT;
    if (err)
        err->code = code;
    return blind_fail_in(err, code, "%s", what);
}

blind_code bl_intel_hex(const json_t *object, const char *key, uint8_t *out, size_t size,
                        blind_error *err)
{
    const char *text;
    BL_TRY(bl_json_string(object, key, &text, err));
    if (bl_hex_decode(bl_span_str(text), out, size))
        return BLIND_OK;
    return blind_fail(err, BLIND_INPUT, STAGE, "'%s' is not %zu hexadecimal digits", key, 2 * size);
}

blind_code bl_intel_time(const json_t *object, const char *key, int64_t *out, blind_error *err)
{
    const char *text;
    BL_TRY(bl_json_string(object, key, &text, err));
    if (bl_json_time(text, out))
        return BLIND_OK;
    return blind_fail(err, BLIND_INPUT, STAGE, "'%s' is not a time in UTC", key);
}

blind_code bl_intel_u32(const json_t *object, const char *key, uint32_t most, uint32_t *out,
                        blind_error *err)
{
    int64_t value;
    BL_TRY(bl_json_int(object, key, 0, most, &value, err));
    *out = (uint32_t)value;
    return BLIND_OK;
}

blind_code bl_intel_window(const json_t *object, int64_t *issue_s, int64_t *next_s,
                           blind_error *err)
{
    BL_TRY(bl_intel_time(object, "issueDate", issue_s, err));
    BL_TRY(bl_intel_time(object, "nextUpdate", next_s, err));
    if (*issue_s < *next_s)
        return BLIND_OK;
    return blind_fail(err, BLIND_INPUT, STAGE, "nextUpdate is not after issueDate");
}

static blind_code read_advisories(const json_t *level, bl_arena *arena, bl_advisories *out,
                                  blind_error *err)
{
    json_t *list;
    if (!bl_json_has(level, "advisoryIDs"))
        return BLIND_OK;
    BL_TRY(bl_json_array(level, "advisoryIDs", &list, err));
    size_t len = json_array_size(list);
    if (len > BL_MAX_TCB_ADVISORIES)
        return blind_fail(err, BLIND_LIMIT, STAGE, "%zu advisories, at most %d", len,
                          BL_MAX_TCB_ADVISORIES);
    out->items = bl_arena_array(arena, len, sizeof *out->items);
    for (size_t i = 0; out->items && i < len; i++) {
        const char *id = json_string_value(json_array_get(list, i));
        if (!id || !*id || strlen(id) > 64)
            return blind_fail(err, BLIND_INPUT, STAGE, "an advisory without a name");
        out->items[i] = bl_arena_copy(arena, bl_span_str(id));
        if (!out->items[i])
            break;
        out->len = i + 1;
    }
    return out->len == len ? BLIND_OK : blind_fail(err, BLIND_MEMORY, STAGE, "out of memory");
}

/* Relaunch advice and "no level" are conclusions, never in a level. */
static bool is_stated(bl_tcb_status status)
{
    return status != BL_TCB_RELAUNCH && status != BL_TCB_RELAUNCH_CONFIGURATION &&
           status != BL_TCB_NOT_SUPPORTED;
}

blind_code bl_intel_level(const json_t *level, bl_arena *arena, int64_t *date_s,
                          bl_tcb_status *status, bl_advisories *advisories, blind_error *err)
{
    const char *name;
    BL_TRY(bl_intel_time(level, "tcbDate", date_s, err));
    BL_TRY(bl_json_string(level, "tcbStatus", &name, err));
    BL_TRY(read_advisories(level, arena, advisories, err));
    for (bl_tcb_status i = 0; i < BL_TCB_STATUS_COUNT; i++)
        if (is_stated(i) && strcmp(name, names[i]) == 0) {
            *status = i;
            return BLIND_OK;
        }
    return blind_fail(err, BLIND_INPUT, STAGE, "unknown tcbStatus '%.40s'", name);
}

static blind_code read_isv_level(const json_t *json, bl_arena *arena, bl_isv_level *out,
                                 blind_error *err)
{
    json_t  *tcb;
    uint32_t svn;
    BL_TRY(bl_json_object(json, "tcb", &tcb, err));
    BL_TRY(bl_intel_u32(tcb, "isvsvn", UINT16_MAX, &svn, err));
    out->isv_svn = (uint16_t)svn;
    return bl_intel_level(json, arena, &out->date_s, &out->status, &out->advisories, err);
}

blind_code bl_intel_isv_levels(const json_t *object, bl_arena *arena, bl_isv_levels *out,
                               blind_error *err)
{
    json_t *list;
    BL_TRY(bl_json_array(object, "tcbLevels", &list, err));
    size_t len = json_array_size(list);
    if (len == 0 || len > BL_MAX_TCB_LEVELS)
        return blind_fail(err, BLIND_LIMIT, STAGE, "%zu levels, expected 1 to %d", len,
                          BL_MAX_TCB_LEVELS);
    bl_isv_level *levels = bl_arena_array(arena, len, sizeof *levels);
    if (!levels)
        return blind_fail(err, BLIND_MEMORY, STAGE, "out of memory");
    for (size_t i = 0; i < len; i++) {
        BL_TRY(read_isv_level(json_array_get(list, i), arena, &levels[i], err));
        if (i && levels[i].isv_svn >= levels[i - 1].isv_svn)
            return blind_fail(err, BLIND_INPUT, STAGE, "levels are not in falling order");
    }
    *out = (bl_isv_levels){ levels, len };
    return BLIND_OK;
}
