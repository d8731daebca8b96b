/* Which part of an event's data its digest covers. */
#include "attest/event_log.h"

#include "base/reader.h"

typedef struct {
    const bl_event *event;
    bl_hash         bank;
    blind_span      digest;
} question;

/* COVERED, with what is covered, when the digest is that of `part`; unchanged else. */
static blind_code try_part(const question *q, blind_span part, bl_event_cover *out,
                           blind_span *covered)
{
    uint8_t digest[BL_HASH_MAX];
    if (*out == BL_EVENT_COVERED)
        return BLIND_OK;
    BL_TRY(bl_hash_of(q->bank, part, digest));
    if (!bl_span_equal(q->digest, bl_span(digest, bl_hash_size(q->bank))))
        return BLIND_OK;
    *out = BL_EVENT_COVERED;
    *covered = part;
    return BLIND_OK;
}

static blind_span without_nul(blind_span data)
{
    if (data.size && data.data[data.size - 1] == 0)
        data.size--;
    return data;
}

/* What follows the first `mark` (one byte, or it and a blank). */
static blind_span after(blind_span text, const char *mark)
{
    size_t size = strlen(mark);
    for (size_t i = 0; i + size <= text.size; i++)
        if (memcmp(text.data + i, mark, size) == 0)
            return bl_span(text.data + i + size, text.size - i - size);
    return (blind_span){ 0 };
}

/* The contents of UEFI_VARIABLE_DATA, which firmware of many makers hashes for BootOrder and
 * Boot####. */
static blind_span variable_contents(blind_span data)
{
    bl_reader r = { .rest = data };
    bl_skip(&r, 16); /* GUID */
    uint64_t name_len = bl_read_le(&r, 8);
    uint64_t size = bl_read_le(&r, 8);
    if (r.failed || name_len > r.rest.size / 2)
        return (blind_span){ 0 };
    bl_skip(&r, 2 * (size_t)name_len);
    return r.rest.size == size ? r.rest : (blind_span){ 0 };
}

/* Whether the profile says that the digest of this type is that of the data. */
static bool must_cover(uint32_t type)
{
    switch (type) {
    case BL_EV_SEPARATOR:
    case BL_EV_ACTION:
    case BL_EV_S_CRTM_VERSION:
    case BL_EV_DSTACK:
    case BL_EV_EFI_VARIABLE_DRIVER_CONFIG:
    case BL_EV_EFI_VARIABLE_BOOT:
    case BL_EV_EFI_VARIABLE_BOOT2:
    case BL_EV_EFI_GPT_EVENT:
    case BL_EV_EFI_GPT_EVENT2:
    case BL_EV_EFI_ACTION:
        return true;
    default:
        return false;
    }
}

/* SHA-384(u32 type || ":" || name || ":" || payload).  Source: dstack, cc-eventlog. */
static blind_code try_dstack(const question *q, bl_event_cover *out, blind_span *covered)
{
    static const uint8_t type[4] = { 0x01, 0x00, 0x00, 0x08 };
    bl_auto_hasher       h = BL_HASHER_EMPTY;
    uint8_t              digest[BL_HASH_MAX];
    bl_hasher_init(&h, q->bank);
    bl_hasher_update(&h, bl_span(type, sizeof type));
    bl_hasher_update(&h, BL_LITERAL(":"));
    bl_hasher_update(&h, q->event->name);
    bl_hasher_update(&h, BL_LITERAL(":"));
    bl_hasher_update(&h, q->event->data);
    BL_TRY(bl_hasher_final(&h, digest));
    if (!bl_span_equal(q->digest, bl_span(digest, bl_hash_size(q->bank))))
        return BLIND_OK;
    *out = BL_EVENT_COVERED;
    *covered = q->event->data;
    return BLIND_OK;
}

/* systemd-stub hashes a section's name as ASCII with its NUL and writes it in UTF-16. */
static blind_code try_narrow(const question *q, bl_event_cover *out, blind_span *covered)
{
    char           name[16];
    blind_span     wide = q->event->data, narrow_covered = { 0 };
    bl_event_cover narrow = BL_EVENT_OPEN;
    if (wide.size % 2 || wide.size < 4 || wide.size > 2 * sizeof name)
        return BLIND_OK;
    for (size_t i = 0; i < wide.size; i += 2) {
        if (wide.data[i + 1])
            return BLIND_OK;
        name[i / 2] = (char)wide.data[i];
    }
    BL_TRY(try_part(q, bl_span(name, wide.size / 2), &narrow, &narrow_covered));
    if (narrow == BL_EVENT_COVERED && *out == BL_EVENT_OPEN) {
        *out = narrow;
        *covered = wide;
    }
    return BLIND_OK;
}

/* Boot loaders write strings: GRUB hashes what follows "grub_cmd: " or "grub_kernel_cmdline ",
 * without the NUL; systemd and the kernel hash what the string merely names. */
static blind_code try_strings(const question *q, bl_event_cover *out, blind_span *covered)
{
    blind_span text = without_nul(q->event->data);
    BL_TRY(try_part(q, text, out, covered));
    BL_TRY(try_part(q, after(text, ": "), out, covered));
    BL_TRY(try_part(q, after(text, " "), out, covered));
    return try_narrow(q, out, covered);
}

static blind_code check(const question *q, bl_event_cover *out, blind_span *covered)
{
    const bl_event *e = q->event;
    if (e->type == BL_EV_DSTACK)
        return try_dstack(q, out, covered);
    if (e->data.size == 0)
        return BLIND_OK;
    BL_TRY(try_part(q, e->data, out, covered));
    if (e->type == BL_EV_EFI_VARIABLE_BOOT)
        BL_TRY(try_part(q, variable_contents(e->data), out, covered));
    if (e->type == BL_EV_EFI_VARIABLE_AUTHORITY) /* shim adds a NUL */
        BL_TRY(try_part(q, without_nul(e->data), out, covered));
    return e->type == BL_EV_IPL ? try_strings(q, out, covered) : BLIND_OK;
}

blind_code bl_event_check(const bl_event *event, bl_hash bank, bl_event_cover *out,
                          blind_span *covered, blind_error *err)
{
    question q = { event, bank, event->digests[bank] };
    *out = BL_EVENT_OPEN;
    *covered = (blind_span){ 0 };
    if (event->type == BL_EV_NO_ACTION)
        return BLIND_OK;
    if (q.digest.size != bl_hash_size(bank))
        return blind_fail(err, BLIND_FORMAT, "event_log.data", "no digest of this bank");
    if (check(&q, out, covered) != BLIND_OK)
        return blind_fail(err, BLIND_MEMORY, "event_log.data", "out of memory");
    bool silent = event->data.size == 0 && event->type != BL_EV_DSTACK; /* claims nothing */
    if (*out == BL_EVENT_OPEN && must_cover(event->type) && !silent)
        *out = BL_EVENT_FALSE;
    return BLIND_OK;
}
