/* PNG through libpng, from memory.  Errors of the library come back by longjmp: whatever is alive
 * across a call of it lies in `decoder`, not in local variables. */
#include "base/limits.h"
#include "onnx/image.h"

#include <png.h>
#include <setjmp.h>
#include <stdio.h>

typedef struct {
    jmp_buf     back;
    blind_span  rest;
    png_structp png;
    png_infop   info;
    bl_image    image;
    size_t      channels;
    char        message[100];
} decoder;

static void on_error(png_structp png, png_const_charp message)
{
    decoder *d = png_get_error_ptr(png);
    snprintf(d->message, sizeof d->message, "%s", message);
    longjmp(d->back, 1);
}

static void on_warning(png_structp png, png_const_charp message)
{
    (void)png;
    (void)message;
}

static void read_bytes(png_structp png, png_bytep to, size_t size)
{
    decoder *d = png_get_io_ptr(png);
    if (size > d->rest.size)
        png_error(png, "the file is cut short");
    memcpy(to, d->rest.data, size);
    d->rest = bl_span(d->rest.data + size, d->rest.size - size);
}

/* Whatever the file holds becomes 8 bits of grey or of red, green and blue. */
static void ask_for_channels(const decoder *d)
{
    int type = png_get_color_type(d->png, d->info);
    png_set_expand(d->png);
    png_set_scale_16(d->png);
    png_set_strip_alpha(d->png);
    if (d->channels == 3 && !(type & PNG_COLOR_MASK_COLOR))
        png_set_gray_to_rgb(d->png);
    if (d->channels == 1 && (type & PNG_COLOR_MASK_COLOR)) /* Rec. 601, as JPEG's luma */
        png_set_rgb_to_gray_fixed(d->png, PNG_ERROR_ACTION_NONE, 29900, 58700);
    png_set_interlace_handling(d->png);
    png_read_update_info(d->png, d->info);
}

static blind_code read_picture(decoder *d, blind_error *err)
{
    png_read_info(d->png, d->info);
    BL_TRY(bl_image_alloc(png_get_image_height(d->png, d->info),
                          png_get_image_width(d->png, d->info), d->channels, &d->image, err));
    int passes = png_get_interlace_type(d->png, d->info) == PNG_INTERLACE_NONE ? 1 : 7;
    ask_for_channels(d);
    size_t stride = d->image.width * d->channels;
    if (png_get_rowbytes(d->png, d->info) != stride)
        return blind_fail(err, BLIND_INPUT, "image.png", "a PNG file of an unknown kind");
    memset(d->image.samples, 0, stride * d->image.height);
    for (int pass = 0; pass < passes; pass++)
        for (size_t y = 0; y < d->image.height; y++)
            png_read_row(d->png, d->image.samples + y * stride, NULL);
    png_read_end(d->png, NULL);
    return BLIND_OK;
}

static blind_code start(decoder *d, blind_error *err)
{
    d->png = png_create_read_struct(PNG_LIBPNG_VER_STRING, d, on_error, on_warning);
    d->info = d->png ? png_create_info_struct(d->png) : NULL;
    if (!d->info)
        return blind_fail(err, BLIND_MEMORY, "image.png", "no memory for a picture");
    png_set_user_limits(d->png, BL_MAX_IMAGE_SIDE, BL_MAX_IMAGE_SIDE);
    png_set_chunk_malloc_max(d->png, BL_MAX_IMAGE_CHUNK);
    png_set_read_fn(d->png, d, read_bytes);
    return BLIND_OK;
}

/* Its own function, so that nothing it changes is a local variable of the one that is jumped to. */
static blind_code guarded(decoder *d, blind_error *err)
{
    if (setjmp(d->back) != 0)
        return blind_fail(err, BLIND_INPUT, "image.png", "a damaged PNG file: %s", d->message);
    BL_TRY(start(d, err));
    return read_picture(d, err);
}

blind_code bl_png_decode(blind_span file, size_t channels, bl_image *out, blind_error *err)
{
    decoder    d = { .rest = file, .channels = channels };
    blind_code code = guarded(&d, err);
    png_destroy_read_struct(d.png ? &d.png : NULL, d.info ? &d.info : NULL, NULL);
    if (code != BLIND_OK)
        bl_image_done(&d.image);
    *out = d.image;
    return code;
}
