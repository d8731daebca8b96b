/* PE/COFF: headers, sections, Authenticode digest. */
#include "measure/pe.h"

#include "base/reader.h"

static const char STAGE[] = "pe";

enum {
    DOS_SIZE = 64,
    PE_POINTER = 60,
    COFF_SIZE = 24, /* with the signature "PE\0\0" */
    OPTIONAL_MAX = 4096,
    SECTION_SIZE = 40,
    SECURITY = 4, /* index of the data directory */
};

static blind_code refuse(blind_error *err, const char *what)
{
    return blind_fail(err, BLIND_INPUT, STAGE, "no PE image that can be measured: %s", what);
}

static bl_reader reader_at(blind_span file, size_t at)
{
    bl_reader r = { .rest = file };
    bl_skip(&r, at);
    return r;
}

/* ---- headers ---- */

typedef struct {
    size_t   optional_at, sections_at;
    uint16_t sections, optional_size;
} coff;

static blind_code read_coff(blind_span file, coff *out, blind_error *err)
{
    bl_reader r = { .rest = file };
    *out = (coff){ 0 };
    uint16_t magic = bl_read_u16le(&r);
    bl_skip(&r, PE_POINTER - 2);
    size_t at = bl_read_u32le(&r);
    if (r.failed || magic != 0x5a4d || at < DOS_SIZE)
        return refuse(err, "no DOS header");
    r = reader_at(file, at);
    if (bl_read_u32be(&r) != 0x50450000)
        return refuse(err, "no PE signature");
    bl_skip(&r, 2); /* machine */
    out->sections = bl_read_u16le(&r);
    bl_skip(&r, 12); /* time, symbols */
    out->optional_size = bl_read_u16le(&r);
    bl_skip(&r, 2); /* characteristics */
    if (r.failed || out->sections == 0 || out->optional_size > OPTIONAL_MAX)
        return refuse(err, "malformed COFF header");
    if (out->sections > BL_MAX_PE_SECTIONS)
        return blind_fail(err, BLIND_LIMIT, STAGE, "%u sections, at most %d", out->sections,
                          BL_MAX_PE_SECTIONS);
    out->optional_at = at + COFF_SIZE;
    out->sections_at = out->optional_at + out->optional_size;
    return BLIND_OK;
}

/* The certificate table, which ends the file. */
static blind_code read_security(bl_pe *pe, size_t directories_at, uint32_t count, blind_error *err)
{
    if (count <= SECURITY)
        return BLIND_OK;
    pe->security_at = directories_at + (size_t)8 * SECURITY;
    bl_reader r = reader_at(pe->file, pe->security_at);
    uint32_t  at = bl_read_u32le(&r), size = bl_read_u32le(&r);
    if (size == 0)
        return at == 0 ? BLIND_OK : refuse(err, "an empty certificate table somewhere");
    if (at < pe->headers_size || at > pe->file.size || size != pe->file.size - at)
        return refuse(err, "signatures that are not at its end");
    pe->signatures_size = size;
    return BLIND_OK;
}

/* The optional header, of PE32 or PE32+. */
static blind_code read_optional(bl_pe *pe, const coff *c, blind_error *err)
{
    bl_reader r = reader_at(pe->file, c->optional_at);
    bl_reader o = { .rest = bl_read_bytes(&r, c->optional_size) };
    if (r.failed)
        return refuse(err, "cut short");
    uint16_t magic = bl_read_u16le(&o);
    bool     plus = magic == 0x20b;
    if (magic != 0x10b && !plus)
        return refuse(err, "an optional header of another kind");
    bl_skip(&o, 58);
    pe->headers_size = bl_read_u32le(&o);  /* 60 */
    pe->checksum_at = c->optional_at + 64; /* CheckSum */
    bl_skip(&o, plus ? 44 : 28);           /* up to 108 or 92 */
    uint32_t count = bl_read_u32le(&o);    /* NumberOfRvaAndSizes */
    if (o.failed || count > 16 || o.rest.size < 8 * (size_t)count)
        return refuse(err, "malformed optional header");
    if (pe->headers_size > pe->file.size ||
        pe->headers_size < c->sections_at + SECTION_SIZE * (size_t)c->sections)
        return refuse(err, "headers that do not hold the section table");
    return read_security(pe, c->optional_at + (plus ? 112 : 96), count, err);
}

/* ---- sections ---- */

static blind_code read_section(bl_pe *pe, bl_reader *r, blind_error *err)
{
    bl_pe_section *s = &pe->sections[pe->sections_len];
    memcpy(s->name, bl_read_bytes(r, 8).data, 8);
    s->virtual_size = bl_read_u32le(r);
    s->address = bl_read_u32le(r);
    uint32_t size = bl_read_u32le(r);
    s->offset = bl_read_u32le(r);
    bl_skip(r, 16);
    size_t end = pe->file.size - pe->signatures_size;
    if (size && (s->offset < pe->headers_size || s->offset > end || size > end - s->offset))
        return refuse(err, "a section outside of the file");
    if (size)
        s->raw = bl_span(pe->file.data + s->offset, size);
    pe->sections_len++;
    return BLIND_OK;
}

/* Section indexes by offset in the file; those without bytes are left out. */
static size_t sort_sections(const bl_pe *pe, uint8_t order[BL_MAX_PE_SECTIONS])
{
    size_t len = 0;
    for (size_t i = 0; i < pe->sections_len; i++) {
        size_t to = len;
        if (pe->sections[i].raw.size == 0)
            continue;
        for (; to > 0 && pe->sections[order[to - 1]].offset > pe->sections[i].offset; to--)
            order[to] = order[to - 1];
        order[to] = (uint8_t)i;
        len++;
    }
    return len;
}

static blind_code check_overlap(const bl_pe *pe, blind_error *err)
{
    uint8_t order[BL_MAX_PE_SECTIONS];
    size_t  len = sort_sections(pe, order), end = 0;
    for (size_t i = 0; i < len; i++) {
        const bl_pe_section *s = &pe->sections[order[i]];
        if (s->offset < end)
            return refuse(err, "sections that overlap");
        end = s->offset + s->raw.size;
    }
    return BLIND_OK;
}

static blind_code parse(bl_pe *pe, blind_error *err)
{
    coff c;
    BL_TRY(read_coff(pe->file, &c, err));
    BL_TRY(read_optional(pe, &c, err));
    bl_reader r = reader_at(pe->file, c.sections_at);
    for (unsigned i = 0; i < c.sections; i++)
        BL_TRY(read_section(pe, &r, err));
    return check_overlap(pe, err);
}

blind_code bl_pe_parse(blind_span file, bl_pe *out, blind_error *err)
{
    *out = (bl_pe){ .file = file };
    blind_code code = parse(out, err);
    if (code != BLIND_OK)
        *out = (bl_pe){ 0 };
    return code;
}

const bl_pe_section *bl_pe_find(const bl_pe *pe, const char *name)
{
    for (size_t i = 0; i < pe->sections_len; i++)
        if (strcmp(pe->sections[i].name, name) == 0)
            return &pe->sections[i];
    return NULL;
}

bool bl_pe_contents(const bl_pe_section *section, blind_span *out)
{
    *out = (blind_span){ 0 };
    if (section->virtual_size > section->raw.size)
        return false;
    *out = bl_span(section->raw.data, section->virtual_size);
    return true;
}

/* ---- digest ---- */

static void add(bl_hasher *h, blind_span file, size_t from, size_t to)
{
    bl_hasher_update(h, bl_span(file.data + from, to - from));
}

/* Headers without checksum and security directory. */
static void add_headers(bl_hasher *h, const bl_pe *pe)
{
    size_t from = pe->checksum_at + 4;
    add(h, pe->file, 0, pe->checksum_at);
    if (pe->security_at) {
        add(h, pe->file, from, pe->security_at);
        from = pe->security_at + 8;
    }
    add(h, pe->file, from, pe->headers_size);
}

blind_code bl_pe_digest(const bl_pe *pe, bl_hash hash, uint8_t *out, blind_error *err)
{
    bl_auto_hasher h = BL_HASHER_EMPTY;
    uint8_t        order[BL_MAX_PE_SECTIONS];
    size_t         len = sort_sections(pe, order), sum = pe->headers_size;
    size_t         end = pe->file.size - pe->signatures_size;
    bl_hasher_init(&h, hash);
    add_headers(&h, pe);
    for (size_t i = 0; i < len; i++) {
        bl_hasher_update(&h, pe->sections[order[i]].raw);
        sum += pe->sections[order[i]].raw.size;
    }
    if (end > sum) /* as the specification has it: counted, not located */
        add(&h, pe->file, sum, end);
    if (bl_hasher_final(&h, out) != BLIND_OK)
        return blind_fail(err, BLIND_MEMORY, STAGE, "out of memory");
    return BLIND_OK;
}
