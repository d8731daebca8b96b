/* Reads OVMF's GUIDed table from its end, and the two lists of memory that it points to. */
#include "measure/ovmf.h"

#include "base/reader.h"

static const char STAGE[] = "ovmf";

enum { BEHIND_TABLE = 32, ENTRY_HEAD = 18, METADATA_HEAD = 16, SEV_ROW = 12, TD_ROW = 32 };

/* GUIDs as they lie in memory. */
static const uint8_t FOOTER[16] = { 0xde, 0x82, 0xb5, 0x96, 0xb2, 0x1f, 0xf7, 0x45,
                                    0xba, 0xea, 0xa3, 0x66, 0xc5, 0x5a, 0x08, 0x2d };

static blind_code refuse(blind_error *err, const char *what)
{
    return blind_fail(err, BLIND_INPUT, STAGE, "no OVMF image that can be measured: %s", what);
}

/* ---- the table ---- */

typedef struct {
    uint32_t sev_offset, td_offset; /* from the image's end; 0: none */
    unsigned seen;                  /* bit per row below */
} pointers;

static void read_entry(bl_ovmf *out, pointers *p, size_t which, blind_span data)
{
    bl_reader       r = { .rest = data };
    uint32_t        value = bl_read_u32le(&r);
    uint32_t *const to[] = { &out->reset_eip, &out->hashes_address, &p->sev_offset, &p->td_offset };
    *to[which] = value;
}

/* One entry: data, u16 size of all, GUID.  Of unknown ones nothing is read. */
static bool take_entry(bl_ovmf *out, pointers *p, blind_span data, const uint8_t *guid)
{
    static const uint8_t known[][16] = {
        { 0xde, 0x71, 0xf7, 0x00, 0x7e, 0x1a, 0xcb, 0x4f, /* SEV-ES reset block */
          0x89, 0x0e, 0x68, 0xc7, 0x7e, 0x2f, 0xb4, 0x4e },
        { 0x1f, 0x37, 0x55, 0x72, 0x3b, 0x3a, 0x04, 0x4b, /* table of kernel hashes */
          0x92, 0x7b, 0x1d, 0xa6, 0xef, 0xa8, 0xd4, 0x54 },
        { 0x66, 0x65, 0x88, 0xdc, 0x4a, 0x98, 0x98, 0x47, /* SEV metadata */
          0xa7, 0x5e, 0x55, 0x85, 0xa7, 0xbf, 0x67, 0xcc },
        { 0x35, 0x65, 0x7a, 0xe4, 0x4a, 0x98, 0x98, 0x47, /* TDX metadata */
          0x86, 0x5e, 0x46, 0x85, 0xa7, 0xbf, 0x8e, 0xc2 },
    };
    for (size_t i = 0; i < BL_LEN(known); i++) {
        if (memcmp(known[i], guid, 16) != 0)
            continue;
        if (p->seen >> i & 1 || data.size < 4)
            return false;
        p->seen |= 1u << i;
        read_entry(out, p, i, data);
    }
    return true;
}

static size_t read_u16(const uint8_t *at)
{
    return (size_t)(at[0] | at[1] << 8);
}

static blind_code read_table(bl_ovmf *out, pointers *p, blind_error *err)
{
    blind_span image = out->image;
    if (image.size < BEHIND_TABLE + ENTRY_HEAD ||
        memcmp(image.data + image.size - BEHIND_TABLE - 16, FOOTER, 16) != 0)
        return refuse(err, "no table of GUIDs at its end");
    size_t         end = image.size - BEHIND_TABLE - ENTRY_HEAD;
    size_t         all = read_u16(image.data + end);
    const uint8_t *at = image.data + end;
    if (all < ENTRY_HEAD || all - ENTRY_HEAD > end)
        return refuse(err, "a table of GUIDs larger than it");
    for (size_t left = all - ENTRY_HEAD; left > 0;) {
        size_t size = left >= ENTRY_HEAD ? read_u16(at - ENTRY_HEAD) : 0;
        if (size < ENTRY_HEAD || size > left ||
            !take_entry(out, p, bl_span(at - size, size - ENTRY_HEAD), at - 16))
            return refuse(err, "a malformed table of GUIDs");
        at -= size;
        left -= size;
    }
    return BLIND_OK;
}

/* ---- lists of memory ---- */

/* Signature, size in bytes, version 1, rows: then the rows. */
static bool read_list(blind_span image, uint32_t offset, const char *signature, size_t row,
                      bl_reader *rows, size_t *len)
{
    if (offset > image.size)
        return false;
    bl_reader r = { .rest = bl_span(image.data + image.size - offset, offset) };
    bool      named = bl_span_equal(bl_read_bytes(&r, 4), bl_span(signature, 4));
    uint32_t  size = bl_read_u32le(&r), version = bl_read_u32le(&r), count = bl_read_u32le(&r);
    if (r.failed || !named || version != 1 || count == 0 || count > BL_MAX_FIRMWARE_SECTIONS ||
        size != METADATA_HEAD + row * count)
        return false;
    *rows = (bl_reader){ .rest = bl_read_bytes(&r, row * count) };
    *len = count;
    return !r.failed;
}

static bool whole_pages(uint64_t address, uint64_t size)
{
    return address % BL_GUEST_PAGE == 0 && size % BL_GUEST_PAGE == 0 && size > 0 &&
           size <= BL_MAX_GUEST_MEMORY && address <= UINT64_MAX - size;
}

static blind_code read_sev(bl_ovmf *out, uint32_t offset, blind_error *err)
{
    bl_reader rows;
    if (!read_list(out->image, offset, "ASEV", SEV_ROW, &rows, &out->sev_len))
        return refuse(err, "malformed SEV metadata");
    for (size_t i = 0; i < out->sev_len; i++) {
        bl_sev_section *s = &out->sev[i];
        s->address = bl_read_u32le(&rows);
        s->size = bl_read_u32le(&rows);
        s->kind = bl_read_u32le(&rows);
        if (!whole_pages(s->address, s->size))
            return refuse(err, "SEV metadata of memory that is not whole pages");
    }
    return BLIND_OK;
}

static blind_code read_td(bl_ovmf *out, uint32_t offset, blind_error *err)
{
    bl_reader rows;
    if (!read_list(out->image, offset, "TDVF", TD_ROW, &rows, &out->td_len))
        return refuse(err, "malformed TDX metadata");
    for (size_t i = 0; i < out->td_len; i++) {
        bl_td_section *s = &out->td[i];
        s->offset = bl_read_u32le(&rows);
        s->data_size = bl_read_u32le(&rows);
        s->address = bl_read_le(&rows, 8);
        s->size = bl_read_le(&rows, 8);
        s->kind = bl_read_u32le(&rows);
        s->attributes = bl_read_u32le(&rows);
        if (!whole_pages(s->address, s->size) || s->data_size > s->size)
            return refuse(err, "TDX metadata of memory that is not whole pages");
    }
    return BLIND_OK;
}

static blind_code parse(bl_ovmf *out, blind_error *err)
{
    pointers p = { 0 };
    if (out->image.size > BL_MAX_FIRMWARE)
        return blind_fail(err, BLIND_LIMIT, STAGE, "%zu bytes, at most %u", out->image.size,
                          BL_MAX_FIRMWARE);
    if (out->image.size == 0 || out->image.size % BL_GUEST_PAGE)
        return refuse(err, "not of whole pages of 4096 bytes");
    BL_TRY(read_table(out, &p, err));
    if (p.sev_offset)
        BL_TRY(read_sev(out, p.sev_offset, err));
    return p.td_offset ? read_td(out, p.td_offset, err) : BLIND_OK;
}

blind_code bl_ovmf_parse(blind_span image, bl_ovmf *out, blind_error *err)
{
    *out = (bl_ovmf){ .image = image };
    blind_code code = parse(out, err);
    if (code != BLIND_OK)
        *out = (bl_ovmf){ 0 };
    return code;
}
