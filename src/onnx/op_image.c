/* ImageDecoder: a picture's file to [height, width, channels] of 8 bits.  Its size is known only
 * from its bytes, so it is decoded when the shape is inferred.  JPEG, PNG, BMP and PNM.
 * Source: ONNX operators, ImageDecoder. */
#include "onnx/families.h"
#include "onnx/image.h"
#include "onnx/values.h"

/* Rec. 601 luma in 16 bits, as Pillow has it. */
static uint8_t luma(const uint8_t *rgb)
{
    return (uint8_t)((rgb[0] * 19595u + rgb[1] * 38470u + rgb[2] * 7471u + 0x8000u) >> 16);
}

static void put_pixels(const bl_image *image, const char *format, uint8_t *out)
{
    size_t len = image->height * image->width;
    bool   grey = format[0] == 'G', turned = format[0] == 'B';
    for (size_t i = 0; i < len; i++) {
        const uint8_t *rgb = image->samples + 3 * i;
        if (grey)
            out[i] = luma(rgb);
        for (size_t c = 0; c < 3 && !grey; c++)
            out[3 * i + c] = rgb[turned ? 2 - c : c];
    }
}

blind_code bl_op_image_infer(bl_build *b, bl_node *n)
{
    const bl_tensor *x = bl_in(b, n, 0);
    const char      *format = bl_attr_str(n, "pixel_format", "RGB");
    const void      *data;
    bl_image         image;
    if (x->dtype != BLIND_U8 || x->rank != 1)
        return bl_op_fail(b, n, BLIND_INPUT, "a file that is no list of bytes");
    if (strcmp(format, "RGB") != 0 && strcmp(format, "BGR") != 0 &&
        strcmp(format, "Grayscale") != 0)
        return bl_op_fail(b, n, BLIND_INPUT, "pixel_format '%.20s'", format);
    BL_TRY(bl_value_of(b, n, 0, &data));
    BL_TRY(bl_image_decode(bl_span(data, x->len), 3, &image, b->err));
    int64_t  dim[3] = { (int64_t)image.height, (int64_t)image.width, format[0] == 'G' ? 1 : 3 };
    uint8_t *pixels = bl_arena_alloc(b->arena, (size_t)(dim[0] * dim[1] * dim[2]));
    if (pixels)
        put_pixels(&image, format, pixels);
    bl_image_done(&image);
    if (!pixels)
        return bl_op_fail(b, n, BLIND_MEMORY, "no memory for a picture");
    n->params = pixels;
    return bl_set_out(b, n, 0, BLIND_U8, 3, dim);
}

blind_code bl_op_image_run(const bl_exec *x, const bl_node *n)
{
    bl_tensor *out = bl_result(x, n, 0);
    memcpy(out->data, n->params, out->len);
    return BLIND_OK;
}
