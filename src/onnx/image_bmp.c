/* BMP without compression: palettes of 8 bits, and 24 or 32 bits of blue, green and red.
 * Source: Windows GDI, BITMAPFILEHEADER and BITMAPINFOHEADER. */
#include "base/reader.h"
#include "onnx/image.h"

typedef struct {
    uint32_t   pixels, bits, colours; /* where the samples begin; per pixel; in the palette */
    int32_t    width, height;         /* negative: rows from the top down */
    blind_span palette;               /* blue, green, red, nothing */
} header;

static blind_code damaged(blind_error *err, const char *what)
{
    return blind_fail(err, BLIND_INPUT, "image.bmp", "%s", what);
}

static blind_code read_header(blind_span file, header *h, blind_error *err)
{
    bl_reader r = { .rest = file };
    bl_skip(&r, 10); /* "BM", size, reserved */
    h->pixels = bl_read_u32le(&r);
    uint32_t size = bl_read_u32le(&r);
    h->width = (int32_t)bl_read_u32le(&r);
    h->height = (int32_t)bl_read_u32le(&r);
    bl_skip(&r, 2); /* planes */
    h->bits = bl_read_u16le(&r);
    uint32_t compression = bl_read_u32le(&r);
    bl_skip(&r, 12); /* size of the samples, resolution */
    h->colours = bl_read_u32le(&r);
    bl_skip(&r, 4);
    if (r.failed || size < 40 || size > 124)
        return damaged(err, "a BMP file cut short, or of an unknown kind");
    bl_skip(&r, size - 40);
    if (compression != 0 || (h->bits != 8 && h->bits != 24 && h->bits != 32))
        return damaged(err, "a BMP file that is compressed, or not of 8, 24 or 32 bits");
    if (h->bits == 8) {
        h->colours = h->colours ? h->colours : 256;
        if (h->colours > 256)
            return damaged(err, "a palette of more than 256 colours");
        h->palette = bl_read_bytes(&r, 4 * (size_t)h->colours);
    }
    if (r.failed || h->width <= 0 || h->height == 0 || h->height == INT32_MIN)
        return damaged(err, "a BMP file cut short, or an empty picture");
    return BLIND_OK;
}

static blind_code read_row(const header *h, const uint8_t *from, uint8_t *to, blind_error *err)
{
    size_t step = h->bits / 8;
    for (size_t x = 0; x < (size_t)h->width; x++, from += step, to += 3) {
        if (h->bits == 8 && *from >= h->colours)
            return damaged(err, "a colour beyond the palette");
        const uint8_t *bgr = h->bits == 8 ? h->palette.data + 4 * (size_t)*from : from;
        to[0] = bgr[2];
        to[1] = bgr[1];
        to[2] = bgr[0];
    }
    return BLIND_OK;
}

blind_code bl_bmp_decode(blind_span file, bl_image *out, blind_error *err)
{
    header h = { 0 };
    *out = (bl_image){ 0 };
    BL_TRY(read_header(file, &h, err));
    size_t height = (size_t)(h.height < 0 ? -h.height : h.height), width = (size_t)h.width;
    size_t stride = (width * (h.bits / 8) + 3) / 4 * 4; /* width < 2^31 */
    BL_TRY(bl_image_alloc(height, width, 3, out, err));
    if (h.pixels > file.size || (file.size - h.pixels) / stride < height) {
        bl_image_done(out);
        return damaged(err, "a BMP file cut short");
    }
    for (size_t y = 0; y < height; y++) {
        size_t     row = h.height < 0 ? y : height - 1 - y;
        blind_code code =
            read_row(&h, file.data + h.pixels + row * stride, out->samples + y * width * 3, err);
        if (code != BLIND_OK) {
            bl_image_done(out);
            return code;
        }
    }
    return BLIND_OK;
}
