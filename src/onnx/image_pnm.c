/* PNM: grey (P2, P5) and colour (P3, P6) of 8 bits.  Source: Netpbm, pgm(5) and ppm(5). */
#include "base/reader.h"
#include "onnx/image.h"

static blind_code damaged(blind_error *err)
{
    return blind_fail(err, BLIND_INPUT, "image.pnm", "a PNM file that is damaged or cut short");
}

static bool is_space(uint8_t c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* A decimal number below 65536 behind spaces and comments. */
static uint32_t read_number(bl_reader *r)
{
    uint32_t value = 0, digits = 0;
    uint8_t  c = bl_read_u8(r);
    while (!r->failed && (is_space(c) || c == '#')) {
        while (c == '#' && !r->failed && c != '\n')
            for (c = bl_read_u8(r); !r->failed && c != '\n';)
                c = bl_read_u8(r);
        c = bl_read_u8(r);
    }
    while (!r->failed && c >= '0' && c <= '9' && digits < 5) {
        value = value * 10 + (uint32_t)(c - '0');
        digits++;
        c = r->rest.size ? bl_read_u8(r) : ' '; /* the last number may end the file */
    }
    if (digits == 0 || !is_space(c) || value > 65535)
        r->failed = true;
    return value;
}

blind_code bl_pnm_decode(blind_span file, bl_image *out, blind_error *err)
{
    bl_reader r = { .rest = file };
    *out = (bl_image){ 0 };
    bl_skip(&r, 1); /* 'P' */
    uint8_t  kind = bl_read_u8(&r);
    bool     text = kind == '2' || kind == '3';
    size_t   channels = kind == '3' || kind == '6' ? 3 : 1;
    uint32_t width = read_number(&r), height = read_number(&r), most = read_number(&r);
    if (r.failed || most < 1 || most > 255)
        return damaged(err);
    BL_TRY(bl_image_alloc(height, width, 3, out, err));
    for (size_t i = 0; i < (size_t)height * width && !r.failed; i++)
        for (size_t c = 0; c < 3; c++) {
            uint32_t v =
                c < channels ? (text ? read_number(&r) : bl_read_u8(&r)) : out->samples[3 * i];
            out->samples[3 * i + c] =
                (uint8_t)(c < channels ? (BL_MIN(v, most) * 255 + most / 2) / most : v);
        }
    if (!r.failed)
        return BLIND_OK;
    bl_image_done(out);
    return damaged(err);
}
