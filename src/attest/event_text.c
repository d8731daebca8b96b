/* Names of registers and event types, and a line about each event. */
#include "attest/event_log.h"

#include "base/hex.h"
#include "base/reader.h"

#include <stdarg.h>
#include <stdio.h>

const char *bl_event_type_name(uint32_t type)
{
    switch ((int64_t)type) {
#define X(name, number)                                                                            \
    case number:                                                                                   \
        return #name;
        BL_EVENT_TYPES(X)
#undef X
    default:
        return NULL;
    }
}

const char *bl_event_register_name(bl_event_log_kind kind, uint32_t reg)
{
    static const char td[][8] = { "mrtd", "rtmr0", "rtmr1", "rtmr2", "rtmr3" };
    static const char tpm[BL_REGISTERS][8] = {
        "pcr0",  "pcr1",  "pcr2",  "pcr3",  "pcr4",  "pcr5",  "pcr6",  "pcr7",
        "pcr8",  "pcr9",  "pcr10", "pcr11", "pcr12", "pcr13", "pcr14", "pcr15",
        "pcr16", "pcr17", "pcr18", "pcr19", "pcr20", "pcr21", "pcr22", "pcr23",
    };
    if (kind == BL_LOG_OF_TD)
        return reg < BL_LEN(td) ? td[reg] : NULL;
    return reg < BL_REGISTERS ? tpm[reg] : NULL;
}

/* ---- a line that cannot overflow ---- */

typedef struct {
    char  *out;
    size_t size, used; /* of which one byte is for the NUL */
} line;

static void put_char(line *l, uint32_t c)
{
    char shown = c >= 0x20 && c <= 0x7e ? (char)c : c == '\n' || c == '\t' ? ' ' : '?';
    if (l->used + 1 < l->size)
        l->out[l->used++] = shown;
}

static void put(line *l, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void put(line *l, const char *format, ...)
{
    char    text[96];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    for (const char *c = text; *c; c++)
        put_char(l, (uint8_t)*c);
}

/* Characters up to a NUL, of `width` bytes each. */
static void put_text(line *l, blind_span text, size_t width)
{
    for (size_t i = 0; i + width <= text.size; i += width) {
        uint32_t c = text.data[i] | (width == 2 ? (uint32_t)text.data[i + 1] << 8 : 0);
        if (c == 0)
            return;
        put_char(l, c);
    }
}

static bool is_shown(uint8_t c)
{
    return (c >= 0x20 && c <= 0x7e) || c == '\n' || c == '\t';
}

/* Whether it is a string of `width` byte characters, all ASCII, perhaps with NULs behind. */
static bool is_text(blind_span data, size_t width)
{
    size_t i = 0;
    if (data.size < width || data.size % width)
        return false;
    for (; i < data.size && data.data[i]; i += width)
        if (!is_shown(data.data[i]) || (width == 2 && data.data[i + 1]))
            return false;
    size_t len = i;
    for (; i < data.size; i++)
        if (data.data[i])
            return false;
    return len > 0;
}

static void put_data(line *l, blind_span data)
{
    size_t shown = BL_MIN(data.size, 16);
    if (is_text(data, 2) && data.size > 2) {
        put_text(l, data, 2);
    } else if (is_text(data, 1)) {
        put_text(l, data, 1);
    } else {
        for (size_t i = 0; i < shown; i++)
            put(l, "%02x", data.data[i]);
        if (shown < data.size)
            put(l, "... (%zu bytes)", data.size);
    }
}

/* ---- by type ---- */

/* UEFI_VARIABLE_DATA: the name, and contents of a few bytes. */
static void put_variable(line *l, blind_span data)
{
    bl_reader r = { .rest = data };
    bl_skip(&r, 16);
    uint64_t name_len = bl_read_le(&r, 8);
    bl_skip(&r, 8);
    if (r.failed || name_len > r.rest.size / 2) {
        put_data(l, data);
        return;
    }
    put_text(l, bl_read_bytes(&r, 2 * (size_t)name_len), 2);
    if (r.rest.size == 0) {
        put(l, " (empty)");
    } else if (r.rest.size <= 8) {
        put(l, " = ");
        for (size_t i = 0; i < r.rest.size; i++)
            put(l, "%02x", r.rest.data[i]);
    } else {
        put(l, " (%zu bytes)", r.rest.size);
    }
}

/* UEFI_IMAGE_LOAD_EVENT: its length, and the file of its device path.
 * Source: UEFI 2.10, section 10.3.5.4 (file path media device path). */
static void put_image(line *l, blind_span data)
{
    bl_reader r = { .rest = data };
    bl_skip(&r, 8); /* where in memory */
    put(l, "image of %llu bytes", (unsigned long long)bl_read_le(&r, 8));
    bl_skip(&r, 16); /* link-time address, length of the path */
    while (!r.failed && r.rest.size >= 4) {
        uint8_t    type = bl_read_u8(&r), sub = bl_read_u8(&r);
        uint16_t   size = bl_read_u16le(&r);
        blind_span node = bl_read_bytes(&r, size >= 4 ? size - 4u : SIZE_MAX);
        if (type == 4 && sub == 4 && !r.failed) {
            put(l, " ");
            put_text(l, node, 2);
        }
    }
}

/* TCG_PCClientTaggedEvent.  Names are those of the Linux EFI stub and systemd. */
static void put_tagged(line *l, blind_span data)
{
    bl_reader r = { .rest = data };
    uint32_t  tag = bl_read_u32le(&r);
    bl_skip(&r, 4);
    put(l, "tag %08x ", tag);
    put_data(l, r.rest);
}

/* UEFI_PLATFORM_FIRMWARE_BLOB2: a description with its length in front, base and length. */
static void put_blob(line *l, blind_span data)
{
    bl_reader  r = { .rest = data };
    blind_span name = bl_read_bytes(&r, bl_read_u8(&r));
    if (r.failed)
        put_data(l, data);
    else
        put_text(l, name, 1);
}

static void put_separator(line *l, blind_span data)
{
    bool good = data.size == 4 && (data.data[0] == 0 || data.data[0] == 0xff);
    put(l, good ? "separator " : "separator of an error ");
    put_data(l, data);
}

static void put_no_action(line *l, blind_span data)
{
    put_text(l, data, 1);
    if (data.size == 17 && memcmp(data.data, "StartupLocality", 16) == 0)
        put(l, " %u", data.data[16]);
}

void bl_event_describe(const bl_event *event, char *out, size_t size)
{
    line l = { out, size, 0 };
    if (size == 0)
        return;
    switch (event->type) {
    case BL_EV_NO_ACTION:
        put_no_action(&l, event->data);
        break;
    case BL_EV_SEPARATOR:
        put_separator(&l, event->data);
        break;
    case BL_EV_EVENT_TAG:
        put_tagged(&l, event->data);
        break;
    case BL_EV_DSTACK:
        put_text(&l, event->name, 1);
        put(&l, " ");
        put_data(&l, event->data);
        break;
    case BL_EV_EFI_VARIABLE_DRIVER_CONFIG:
    case BL_EV_EFI_VARIABLE_BOOT:
    case BL_EV_EFI_VARIABLE_BOOT2:
    case BL_EV_EFI_VARIABLE_AUTHORITY:
        put_variable(&l, event->data);
        break;
    case BL_EV_EFI_BOOT_SERVICES_APPLICATION:
    case BL_EV_EFI_BOOT_SERVICES_DRIVER:
    case BL_EV_EFI_RUNTIME_SERVICES_DRIVER:
        put_image(&l, event->data);
        break;
    case BL_EV_EFI_PLATFORM_FIRMWARE_BLOB2:
    case BL_EV_EFI_HANDOFF_TABLES2:
        put_blob(&l, event->data);
        break;
    default:
        put_data(&l, event->data);
    }
    out[l.used] = 0;
}
