/* Reads enclave images, and hashes their sections into registers. */
#include "measure/eif.h"

#include "base/cbor.h"
#include "base/reader.h"
#include "crypto/cert.h"
#include "crypto/hash.h"

static const char STAGE[] = "eif";

enum { SECTION_HEAD = 12, ARM64 = 1 };

/* EifSectionType. */
typedef enum { KERNEL = 1, COMMAND_LINE, RAMDISK, SIGNATURE, METADATA } section_type;

static blind_code refuse(blind_error *err, const char *what)
{
    return blind_fail(err, BLIND_INPUT, STAGE, "no enclave image that can be measured: %s", what);
}

/* ---- CRC ---- */

static uint32_t add_crc(const uint32_t table[256], uint32_t crc, blind_span bytes)
{
    for (size_t i = 0; i < bytes.size; i++)
        crc = crc >> 8 ^ table[(crc ^ bytes.data[i]) & 0xff];
    return crc;
}

uint32_t bl_eif_crc32(blind_span image)
{
    uint32_t table[256], crc = UINT32_MAX;
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;
        for (int bit = 0; bit < 8; bit++)
            c = c >> 1 ^ (c & 1 ? 0xedb88320u : 0);
        table[i] = c;
    }
    size_t head = BL_MIN(image.size, BL_EIF_CRC_AT), rest = BL_MIN(image.size, BL_EIF_HEADER);
    crc = add_crc(table, crc, bl_span(image.data, head));
    return ~add_crc(table, crc, bl_span(image.data + rest, image.size - rest));
}

/* ---- header ---- */

typedef struct {
    uint16_t version, flags, sections;
    uint64_t offsets[BL_MAX_EIF_SECTIONS], sizes[BL_MAX_EIF_SECTIONS];
} header;

static blind_code read_header(bl_reader *r, header *out, uint32_t *crc, blind_error *err)
{
    bool named = bl_span_equal(bl_read_bytes(r, 4), BL_LITERAL(".eif"));
    out->version = bl_read_u16be(r);
    out->flags = bl_read_u16be(r);
    bl_skip(r, 8 + 8 + 2); /* default memory and processors, reserved */
    out->sections = bl_read_u16be(r);
    for (size_t i = 0; i < BL_MAX_EIF_SECTIONS; i++)
        out->offsets[i] = bl_read_u64be(r);
    for (size_t i = 0; i < BL_MAX_EIF_SECTIONS; i++)
        out->sizes[i] = bl_read_u64be(r);
    bl_skip(r, 4);
    *crc = bl_read_u32be(r);
    if (r->failed || !named)
        return refuse(err, "no EIF header");
    if (out->version < 2 || out->version > 4)
        return blind_fail(err, BLIND_INPUT, STAGE, "version %u, expected 2 to 4", out->version);
    if (out->flags & ~ARM64 || out->sections < 3 || out->sections > BL_MAX_EIF_SECTIONS)
        return refuse(err, "malformed EIF header");
    return BLIND_OK;
}

/* ---- sections ---- */

/* Whether a section may stand here: the command line behind the kernel, then ramdisks, then the
 * signature; metadata, which is not measured, anywhere; and but ramdisks each once. */
static bool may_follow(const bl_eif *so_far, uint16_t type)
{
    switch (type) {
    case KERNEL:
        return !so_far->kernel.size;
    case COMMAND_LINE:
        return so_far->kernel.size && !so_far->command_line.size;
    case RAMDISK:
        return so_far->command_line.size && !so_far->signature.size;
    case SIGNATURE:
        return so_far->ramdisks_len && !so_far->signature.size;
    case METADATA:
        return !so_far->metadata.size;
    default:
        return false;
    }
}

static void take_section(bl_eif *out, uint16_t type, blind_span data)
{
    switch ((section_type)type) {
    case KERNEL:
        out->kernel = data;
        break;
    case COMMAND_LINE:
        out->command_line = data;
        break;
    case RAMDISK:
        out->ramdisks[out->ramdisks_len++] = data;
        break;
    case SIGNATURE:
        out->signature = data;
        break;
    case METADATA:
        out->metadata = data;
        break;
    }
}

static blind_code read_section(bl_eif *out, bl_reader *r, uint64_t size, blind_error *err)
{
    uint16_t type = bl_read_u16be(r);
    bl_skip(r, 2); /* flags */
    uint64_t   again = bl_read_u64be(r);
    blind_span data = bl_read_bytes(r, size <= SIZE_MAX ? (size_t)size : SIZE_MAX);
    if (r->failed || again != size)
        return refuse(err, "sections that are not as its header lists them");
    if (!may_follow(out, type))
        return refuse(err, "sections in another order than a builder's");
    if (size == 0)
        return refuse(err, "an empty section");
    take_section(out, type, data);
    return BLIND_OK;
}

static blind_code parse(blind_span image, bl_eif *out, blind_error *err)
{
    header    h;
    bl_reader r = { .rest = image };
    uint32_t  crc;
    BL_TRY(read_header(&r, &h, &crc, err));
    for (size_t i = 0; i < h.sections; i++) {
        if (h.offsets[i] != image.size - r.rest.size)
            return refuse(err, "sections that are not one behind the other");
        BL_TRY(read_section(out, &r, h.sizes[i], err));
    }
    if (!bl_reader_done(&r))
        return refuse(err, "bytes behind its last section");
    if (out->ramdisks_len == 0)
        return refuse(err, "no ramdisk");
    if (crc != bl_eif_crc32(image))
        return refuse(err, "another CRC than its header says");
    out->version = h.version;
    out->arm64 = h.flags & ARM64;
    return BLIND_OK;
}

blind_code bl_eif_parse(blind_span image, bl_eif *out, blind_error *err)
{
    *out = (bl_eif){ 0 };
    blind_code code = parse(image, out, err);
    if (code != BLIND_OK)
        *out = (bl_eif){ 0 };
    return code;
}

/* ---- registers ---- */

/* A register that was extended once, from zeros: SHA-384(zeros || digest). */
static blind_code extend_once(bl_hasher *h, uint8_t out[48], blind_error *err)
{
    uint8_t both[96] = { 0 };
    if (bl_hasher_final(h, both + 48) == BLIND_OK &&
        bl_sha384(bl_span(both, sizeof both), out) == BLIND_OK)
        return BLIND_OK;
    return blind_fail(err, BLIND_MEMORY, STAGE, "out of memory");
}

/* Kernel and command line (when `boot`), and the ramdisks from..to. */
static blind_code measure(const bl_eif *eif, bool boot, size_t from, size_t to, uint8_t out[48],
                          blind_error *err)
{
    bl_auto_hasher h = BL_HASHER_EMPTY;
    bl_hasher_init(&h, BL_SHA384);
    if (boot) {
        bl_hasher_update(&h, eif->kernel);
        bl_hasher_update(&h, eif->command_line);
    }
    for (size_t i = from; i < to; i++)
        bl_hasher_update(&h, eif->ramdisks[i]);
    return extend_once(&h, out, err);
}

/* ---- the certificate ---- */

/* Bytes, which the builder's CBOR library writes as an array of numbers. */
static void read_numbers(bl_reader *r, bl_buf *out)
{
    bl_cbor_item head;
    if (!bl_cbor_read(r, &head))
        return;
    if (head.major == BL_CBOR_BYTES) {
        bl_buf_add(out, head.string);
        return;
    }
    r->failed |= head.major != BL_CBOR_ARRAY;
    for (uint64_t i = 0; i < head.value && !r->failed; i++) {
        uint64_t value = bl_cbor_read_uint(r);
        r->failed |= value > 255;
        bl_buf_add_u8(out, (uint8_t)value);
    }
}

/* [{"signing_certificate": PEM, "signature": COSE_Sign1}], of which the certificate is wanted. */
static blind_code read_certificate(blind_span section, bl_buf *out, blind_error *err)
{
    bl_auto_buf  pem = { .max = BL_MAX_EIF_CERT }, cose = { .max = BL_MAX_EIF_CERT };
    bl_reader    r = { .rest = section };
    bl_cbor_item map = { 0 };
    size_t       count = bl_cbor_read_array(&r);
    (void)bl_cbor_read(&r, &map);
    if (r.failed || count != 1 || map.major != BL_CBOR_MAP || map.value != 2)
        return refuse(err, "a signature section of another form");
    for (int i = 0; i < 2 && !r.failed; i++) {
        blind_span key = bl_cbor_read_text(&r);
        if (bl_span_equal(key, BL_LITERAL("signing_certificate")) && pem.size == 0)
            read_numbers(&r, &pem);
        else if (bl_span_equal(key, BL_LITERAL("signature")) && cose.size == 0)
            read_numbers(&r, &cose);
        else
            r.failed = true;
    }
    BL_TRY(bl_buf_check(&pem, STAGE, err));
    BL_TRY(bl_buf_check(&cose, STAGE, err));
    if (!bl_reader_done(&r) || pem.size == 0)
        return refuse(err, "a signature section of another form");
    blind_code code = bl_cert_from_pem(bl_buf_span(&pem), 0, out, err);
    return code == BLIND_OK || code == BLIND_MEMORY
               ? code
               : refuse(err, "a signature section without a certificate");
}

static blind_code measure_certificate(const bl_eif *eif, uint8_t out[48], blind_error *err)
{
    bl_auto_buf    der = BL_BUF_EMPTY;
    bl_auto_hasher h = BL_HASHER_EMPTY;
    BL_TRY(read_certificate(eif->signature, &der, err));
    bl_hasher_init(&h, BL_SHA384);
    bl_hasher_update(&h, bl_buf_span(&der));
    return extend_once(&h, out, err);
}

blind_code bl_eif_measure(const bl_eif *eif, bl_eif_measurement *out, blind_error *err)
{
    bl_eif_measurement m = { .is_signed = eif->signature.size != 0 };
    *out = (bl_eif_measurement){ 0 };
    BL_TRY(measure(eif, true, 0, eif->ramdisks_len, m.pcr0, err));
    BL_TRY(measure(eif, true, 0, 1, m.pcr1, err));
    BL_TRY(measure(eif, false, 1, eif->ramdisks_len, m.pcr2, err));
    if (m.is_signed)
        BL_TRY(measure_certificate(eif, m.pcr8, err));
    *out = m;
    return BLIND_OK;
}
