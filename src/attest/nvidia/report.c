/* A GPU's report, bytes to fields.  Source: DMTF DSP0274 1.1.2, section 10.11. */
#include "attest/nvidia/nvidia.h"

#include "base/reader.h"

enum {
    SPDM_1_1 = 0x11,
    GET_MEASUREMENTS = 0xe0,
    MEASUREMENTS = 0x60,
    SIGNATURE_ASKED = 1,
    ALL = 0xff,
    DMTF = 1,
    RAW = 0x80, /* of a value's type: not a digest */
};

/* Types of opaque data.  Source: NVIDIA, attestation-sdk, OpaqueDataType. */
enum {
    OPAQUE_DRIVER_VERSION = 3,
    OPAQUE_VBIOS_VERSION = 6,
    OPAQUE_BOARD_ID = 14,
    OPAQUE_CHIP_SKU = 15,
    OPAQUE_PROJECT = 17,
    OPAQUE_PROJECT_SKU = 18,
    OPAQUE_FWID = 20,
};

static void want_u8(bl_reader *r, uint8_t value)
{
    if (bl_read_u8(r) != value)
        r->failed = true;
}

static void read_request(bl_reader *r, bl_nvidia_report *out)
{
    want_u8(r, SPDM_1_1);
    want_u8(r, GET_MEASUREMENTS);
    if (!(bl_read_u8(r) & SIGNATURE_ASKED))
        r->failed = true;
    want_u8(r, ALL);
    out->nonce = bl_read_bytes(r, 32);
    bl_skip(r, 1); /* slot */
}

/* An index comes once; a value is a SHA-384 digest. */
static void read_block(bl_reader *r, bl_nvidia_report *out)
{
    uint8_t   index = bl_read_u8(r), specification = bl_read_u8(r);
    bl_reader value = { .rest = bl_read_bytes(r, bl_read_u16le(r)) };
    uint8_t   type = bl_read_u8(&value);
    uint16_t  size = bl_read_u16le(&value);
    if (index < 1 || index > BL_NVIDIA_MEASUREMENTS || specification != DMTF || type & RAW ||
        size != 48 || value.rest.size != 48 || out->measurements[index].size) {
        r->failed = true;
        return;
    }
    out->measurements[index] = value.rest;
}

static void read_response(bl_reader *r, bl_nvidia_report *out)
{
    want_u8(r, SPDM_1_1);
    want_u8(r, MEASUREMENTS);
    bl_skip(r, 2); /* parameters */
    uint8_t   blocks = bl_read_u8(r);
    bl_reader record = { .rest = bl_read_bytes(r, (size_t)bl_read_le(r, 3)) };
    for (unsigned i = 0; i < blocks && !record.failed; i++)
        read_block(&record, out);
    if (blocks == 0 || !bl_reader_done(&record))
        r->failed = true;
    out->device_nonce = bl_read_bytes(r, 32);
}

/* Text up to the zeros that fill it; empty when it is no plain text. */
static blind_span text_of(blind_span value)
{
    size_t size = 0;
    while (size < value.size && value.data[size] >= 0x21 && value.data[size] <= 0x7e)
        size++;
    for (size_t i = size; i < value.size; i++)
        if (value.data[i])
            return (blind_span){ 0 };
    return bl_span(value.data, size);
}

static blind_span exactly(blind_span value, size_t size)
{
    return value.size == size ? value : (blind_span){ 0 };
}

/* One type; those that are not known here are signed all the same. */
static void keep_opaque(uint16_t type, blind_span value, bl_nvidia_report *out)
{
    switch (type) {
    case OPAQUE_DRIVER_VERSION:
        out->driver_version = text_of(value);
        break;
    case OPAQUE_VBIOS_VERSION:
        out->vbios = exactly(value, 8);
        break;
    case OPAQUE_BOARD_ID:
        out->board_id = exactly(value, 4);
        break;
    case OPAQUE_CHIP_SKU:
        out->chip_sku = text_of(value);
        break;
    case OPAQUE_PROJECT:
        out->project = text_of(value);
        break;
    case OPAQUE_PROJECT_SKU:
        out->project_sku = text_of(value);
        break;
    case OPAQUE_FWID:
        out->fwid = exactly(value, 48);
        break;
    default:
        break;
    }
}

/* Known types come once, so that no second one changes what the first said. */
static void read_opaque(bl_reader *r, bl_nvidia_report *out)
{
    bl_reader data = { .rest = bl_read_bytes(r, bl_read_u16le(r)) };
    uint32_t  seen = 0;
    while (data.rest.size && !data.failed) {
        uint16_t   type = bl_read_u16le(&data);
        blind_span value = bl_read_bytes(&data, bl_read_u16le(&data));
        uint32_t   bit = type < 32 ? UINT32_C(1) << type : 0;
        data.failed |= (seen & bit) != 0;
        seen |= bit;
        if (!data.failed)
            keep_opaque(type, value, out);
    }
    r->failed |= data.failed;
}

blind_code bl_nvidia_report_parse(blind_span raw, bl_nvidia_report *out, blind_error *err)
{
    bl_reader r = { .rest = raw };
    *out = (bl_nvidia_report){ 0 };
    read_request(&r, out);
    read_response(&r, out);
    read_opaque(&r, out);
    out->signature = bl_read_bytes(&r, BL_NVIDIA_SIGNATURE_SIZE);
    if (bl_reader_done(&r)) {
        out->signed_bytes = bl_span(raw.data, raw.size - BL_NVIDIA_SIGNATURE_SIZE);
        return BLIND_OK;
    }
    *out = (bl_nvidia_report){ 0 };
    return blind_fail(err, BLIND_FORMAT, "nvidia.report",
                      "%zu bytes that are no request and response of SPDM 1.1 with measurements",
                      raw.size);
}
