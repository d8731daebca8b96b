/* Pictures: which decoder, and their memory. */
#include "onnx/image.h"

#include "base/limits.h"

#include <stdlib.h>

blind_code bl_image_decode(blind_span file, size_t channels, bl_image *out, blind_error *err)
{
    *out = (bl_image){ 0 };
    if (file.size >= 8 && memcmp(file.data, "\x89PNG\r\n\x1a\n", 8) == 0)
        return bl_png_decode(file, channels, out, err);
    if (file.size >= 3 && memcmp(file.data, "\xff\xd8\xff", 3) == 0)
        return bl_jpeg_decode(file, channels, out, err);
    if (channels == 3 && file.size >= 2 && memcmp(file.data, "BM", 2) == 0)
        return bl_bmp_decode(file, out, err);
    if (channels == 3 && file.size >= 2 && file.data[0] == 'P' && strchr("2356", file.data[1]) &&
        file.data[1])
        return bl_pnm_decode(file, out, err);
    return blind_fail(err, BLIND_INPUT, "image.decode", "no file of a kind that is decoded");
}

blind_code bl_image_alloc(size_t height, size_t width, size_t channels, bl_image *out,
                          blind_error *err)
{
    *out = (bl_image){ .height = height, .width = width, .channels = channels };
    if (height == 0 || width == 0)
        return blind_fail(err, BLIND_INPUT, "image.decode", "a picture of %zu x %zu", width,
                          height);
    if (height > BL_MAX_IMAGE_SIDE || width > BL_MAX_IMAGE_SIDE ||
        height * width > BL_MAX_IMAGE_SAMPLES / channels)
        return blind_fail(err, BLIND_LIMIT, "image.decode",
                          "a picture of %zu x %zu, larger than the bound of %d million samples",
                          width, height, BL_MAX_IMAGE_SAMPLES / 1000000);
    out->samples = malloc(height * width * channels);
    return out->samples ? BLIND_OK
                        : blind_fail(err, BLIND_MEMORY, "image.decode", "no memory for a picture");
}

void bl_image_done(bl_image *image)
{
    if (image->samples)
        bl_wipe(image->samples, image->height * image->width * image->channels);
    free(image->samples);
    *image = (bl_image){ 0 };
}
