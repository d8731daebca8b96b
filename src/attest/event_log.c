/* Reads TCG event logs, and replays them. */
#include "attest/event_log.h"

#include "base/reader.h"

static const char STAGE[] = "event_log";

/* TCG algorithm identifiers.  Source: TCG Algorithm Registry 1.34, table 3. */
enum { ALG_SHA1 = 0x04, ALG_SHA256 = 0x0b, ALG_SHA384 = 0x0c, ALG_SHA512 = 0x0d };

typedef struct {
    uint16_t alg, size;
} bank;

/* What stays the same while one log is read. */
typedef struct {
    bl_reader         r;
    bl_event_log_kind kind;
    bool              agile;
    bank              banks[BL_MAX_BOOT_BANKS];
    size_t            banks_len;
} walk;

static bool hash_of(uint16_t alg, bl_hash *out)
{
    static const struct {
        uint16_t alg;
        bl_hash  hash;
    } known[] = { { ALG_SHA1, BL_BANK_SHA1 },
                  { ALG_SHA256, BL_SHA256 },
                  { ALG_SHA384, BL_SHA384 },
                  { ALG_SHA512, BL_SHA512 } };
    for (size_t i = 0; i < BL_LEN(known); i++)
        if (known[i].alg == alg) {
            *out = known[i].hash;
            return true;
        }
    return false;
}

/* ---- the header ---- */

static const bank *find_bank(const walk *w, uint16_t alg)
{
    for (size_t i = 0; i < w->banks_len; i++)
        if (w->banks[i].alg == alg)
            return &w->banks[i];
    return NULL;
}

static bool read_bank(walk *w, bl_reader *r)
{
    bank    b = { .alg = bl_read_u16le(r) };
    bl_hash hash;
    b.size = bl_read_u16le(r);
    if (r->failed || find_bank(w, b.alg) || b.size == 0 || b.size > BL_HASH_MAX)
        return false;
    if (hash_of(b.alg, &hash) && b.size != bl_hash_size(hash))
        return false;
    w->banks[w->banks_len++] = b;
    return true;
}

/* TCG_EfiSpecIDEvent. */
static bool read_spec_id(walk *w, blind_span data)
{
    bl_reader r = { .rest = data };
    bl_skip(&r, 16); /* signature, compared by the caller */
    bl_skip(&r, 4);  /* platformClass */
    bl_skip(&r, 1);  /* specVersionMinor */
    uint8_t major = bl_read_u8(&r);
    bl_skip(&r, 2); /* specErrata, uintnSize */
    uint32_t count = bl_read_u32le(&r);
    if (r.failed || major != 2 || count == 0 || count > BL_MAX_BOOT_BANKS)
        return false;
    for (uint32_t i = 0; i < count; i++)
        if (!read_bank(w, &r))
            return false;
    bl_skip(&r, bl_read_u8(&r)); /* vendorInfo */
    return bl_reader_done(&r);
}

/* TCG_PCR_EVENT: the first event of every log, and all of an old one. */
static void read_old_event(bl_reader *r, bl_event *out)
{
    out->reg = bl_read_u32le(r);
    out->type = bl_read_u32le(r);
    out->digests[BL_BANK_SHA1] = bl_read_bytes(r, 20);
    out->data = bl_read_bytes(r, bl_read_u32le(r));
}

static blind_code read_header(walk *w, blind_error *err)
{
    static const char id[16] = "Spec ID Event03";
    bl_reader         start = w->r;
    bl_event          first = { 0 };
    read_old_event(&w->r, &first);
    if (w->r.failed)
        return blind_fail(err, BLIND_FORMAT, STAGE, "%zu bytes hold no first event",
                          start.rest.size);
    w->agile = first.type == BL_EV_NO_ACTION && first.data.size >= sizeof id &&
               memcmp(first.data.data, id, sizeof id) == 0;
    if (w->agile && !read_spec_id(w, first.data))
        return blind_fail(err, BLIND_FORMAT, STAGE, "malformed Spec ID Event03");
    if (w->agile)
        return BLIND_OK;
    if (w->kind == BL_LOG_OF_TD)
        return blind_fail(err, BLIND_FORMAT, STAGE, "no Spec ID Event03 at the start");
    w->r = start; /* no header: this one counts */
    return BLIND_OK;
}

/* ---- events ---- */

static bool read_digest(walk *w, bl_event *out)
{
    uint16_t    alg = bl_read_u16le(&w->r);
    const bank *b = find_bank(w, alg);
    bl_hash     hash;
    if (w->r.failed || !b)
        return false;
    blind_span digest = bl_read_bytes(&w->r, b->size);
    if (!hash_of(alg, &hash))
        return !w->r.failed;
    if (out->digests[hash].size) /* twice */
        return false;
    out->digests[hash] = digest;
    return !w->r.failed;
}

/* TCG_PCR_EVENT2. */
static bool read_agile_event(walk *w, bl_event *out)
{
    out->reg = bl_read_u32le(&w->r);
    out->type = bl_read_u32le(&w->r);
    uint32_t count = bl_read_u32le(&w->r);
    if (w->r.failed || count > w->banks_len)
        return false;
    for (uint32_t i = 0; i < count; i++)
        if (!read_digest(w, out))
            return false;
    out->data = bl_read_bytes(&w->r, bl_read_u32le(&w->r));
    return !w->r.failed;
}

/* EV_NO_ACTION extends nothing, so its register means nothing (Windows writes 0xffffffff). */
static bool register_ok(bl_event_log_kind kind, const bl_event *e)
{
    if (e->type == BL_EV_NO_ACTION)
        return true;
    return kind == BL_LOG_OF_TD ? e->reg >= 1 && e->reg <= 4 : e->reg < BL_REGISTERS;
}

/* Whether only filling is left: equal bytes, 0x00 or 0xff, to the end of the table. */
static bool at_filling(const walk *w)
{
    blind_span rest = w->r.rest;
    if (w->kind != BL_LOG_OF_TD || (rest.data[0] != 0x00 && rest.data[0] != 0xff))
        return false;
    for (size_t i = 1; i < rest.size; i++)
        if (rest.data[i] != rest.data[0])
            return false;
    return true;
}

static blind_code next_event(walk *w, size_t number, bl_event *out, blind_error *err)
{
    bool ok;
    *out = (bl_event){ 0 };
    if (w->agile) {
        ok = read_agile_event(w, out);
    } else {
        read_old_event(&w->r, out);
        ok = !w->r.failed;
    }
    if (!ok)
        return blind_fail(err, BLIND_FORMAT, STAGE, "event %zu is malformed or cut short", number);
    if (!register_ok(w->kind, out))
        return blind_fail(err, BLIND_FORMAT, STAGE, "event %zu is of register %u", number,
                          out->reg);
    return BLIND_OK;
}

/* Reads all events, to `events` when that is not NULL, and counts them. */
static blind_code read_events(walk *w, bl_event *events, size_t *len, blind_error *err)
{
    bl_event scratch;
    for (*len = 0; w->r.rest.size && !at_filling(w); ++*len) {
        if (*len == BL_MAX_BOOT_EVENTS)
            return blind_fail(err, BLIND_LIMIT, STAGE, "more than %d events", BL_MAX_BOOT_EVENTS);
        BL_TRY(next_event(w, *len + 1, events ? &events[*len] : &scratch, err));
    }
    return BLIND_OK;
}

/* "StartupLocality" says where PCR 0 starts; it must come before that PCR's first event. */
static blind_code find_locality(bl_event_log *log, blind_error *err)
{
    static const char id[16] = "StartupLocality";
    bool              extended = false, found = false;
    for (size_t i = 0; log->kind == BL_LOG_OF_TPM && i < log->len; i++) {
        const bl_event *e = &log->events[i];
        if (e->type != BL_EV_NO_ACTION) {
            extended |= e->reg == 0;
            continue;
        }
        if (e->data.size < sizeof id || memcmp(e->data.data, id, sizeof id) != 0)
            continue;
        uint8_t locality = e->data.size == sizeof id + 1 ? e->data.data[sizeof id] : UINT8_MAX;
        if (extended || found || e->reg != 0 || (locality != 0 && locality != 3 && locality != 4))
            return blind_fail(err, BLIND_FORMAT, STAGE,
                              "event %zu: a startup locality that cannot be", i + 1);
        log->locality = locality;
        found = true;
    }
    return BLIND_OK;
}

static blind_code parse(blind_span raw, bl_event_log_kind kind, bl_arena *arena, bl_event_log *out,
                        blind_error *err)
{
    walk w = { .r = { .rest = raw }, .kind = kind };
    if (raw.size > BL_MAX_BOOT_LOG)
        return blind_fail(err, BLIND_LIMIT, STAGE, "%zu bytes, at most %u", raw.size,
                          BL_MAX_BOOT_LOG);
    BL_TRY(read_header(&w, err));
    walk again = w;
    BL_TRY(read_events(&w, NULL, &out->len, err));
    bl_event *events = bl_arena_array(arena, out->len + 1, sizeof *events);
    if (!events)
        return blind_fail(err, BLIND_MEMORY, STAGE, "out of memory");
    BL_TRY(read_events(&again, events, &out->len, err));
    out->events = events;
    out->kind = kind;
    return find_locality(out, err);
}

blind_code bl_event_log_parse(blind_span raw, bl_event_log_kind kind, bl_arena *arena,
                              bl_event_log *out, blind_error *err)
{
    *out = (bl_event_log){ 0 };
    blind_code code = parse(raw, kind, arena, out, err);
    if (code != BLIND_OK)
        *out = (bl_event_log){ 0 };
    return code;
}

/* ---- replay ---- */

/* reg = H(reg || digest).  Source: TPM 2.0 Library, part 1, section 17.2. */
static blind_code extend(uint8_t *reg, bl_hash hash, blind_span digest)
{
    uint8_t both[2 * BL_HASH_MAX];
    size_t  size = bl_hash_size(hash);
    memcpy(both, reg, size);
    memcpy(both + size, digest.data, size);
    return bl_hash_of(hash, bl_span(both, 2 * size), reg);
}

static void start(const bl_event_log *log, size_t size, uint8_t regs[BL_REGISTERS][BL_HASH_MAX])
{
    memset(regs, 0, sizeof(uint8_t[BL_REGISTERS][BL_HASH_MAX]));
    regs[0][size - 1] = log->locality;
    for (unsigned pcr = 17; log->kind == BL_LOG_OF_TPM && pcr <= 22; pcr++)
        memset(regs[pcr], 0xff, size);
}

blind_code bl_event_log_replay(const bl_event_log *log, bl_hash bank_hash,
                               uint8_t regs[BL_REGISTERS][BL_HASH_MAX], uint32_t *touched,
                               blind_error *err)
{
    size_t     size = bl_hash_size(bank_hash);
    uint32_t   bits = 0;
    blind_code code = BLIND_OK;
    start(log, size, regs);
    for (size_t i = 0; i < log->len && code == BLIND_OK; i++) {
        const bl_event *e = &log->events[i];
        blind_span      digest = e->digests[bank_hash];
        if (e->type == BL_EV_NO_ACTION)
            continue;
        if (digest.size != size || e->reg >= BL_REGISTERS) {
            code =
                blind_fail(err, BLIND_FORMAT, STAGE, "event %zu has no digest of this bank", i + 1);
        } else {
            code = extend(regs[e->reg], bank_hash, digest);
            bits |= 1u << e->reg;
        }
    }
    if (code == BLIND_MEMORY)
        blind_fail(err, code, STAGE, "out of memory");
    if (code != BLIND_OK)
        memset(regs, 0, sizeof(uint8_t[BL_REGISTERS][BL_HASH_MAX]));
    if (touched)
        *touched = code == BLIND_OK ? bits : 0;
    return code;
}

const bl_event *bl_event_log_next(const bl_event_log *log, uint32_t reg, const bl_event *after)
{
    size_t i = after ? (size_t)(after - log->events) + 1 : 0;
    for (; i < log->len; i++)
        if (log->events[i].reg == reg && log->events[i].type != BL_EV_NO_ACTION)
            return &log->events[i];
    return NULL;
}
