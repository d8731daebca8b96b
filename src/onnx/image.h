/* Pictures from their files. */
#ifndef BL_IMAGE_H
#define BL_IMAGE_H

#include "base/base.h"

/* Samples of 8 bits, [height, width, channels] dense. */
typedef struct {
    size_t   height, width, channels; /* 1: grey, 3: red, green, blue */
    uint8_t *samples;                 /* free() */
} bl_image;

/* Decodes PNG, JPEG, BMP and PNM, told apart by their first bytes.
 *
 * channels  1 or 3: what is wanted; transparency is dropped, 16 bits are cut to 8
 *           (a BMP or PNM is of 3)
 * Errors    INPUT (none of them, damaged, cut short), LIMIT (BL_MAX_IMAGE_SIDE,
 * BL_MAX_IMAGE_SAMPLES), MEMORY */
BLIND_MUST_USE blind_code bl_image_decode(blind_span file, size_t channels, bl_image *out,
                                          blind_error *err);

/* Room for samples of that size. Errors: INPUT (empty), LIMIT, MEMORY */
BLIND_MUST_USE blind_code bl_image_alloc(size_t height, size_t width, size_t channels,
                                         bl_image *out, blind_error *err);
void                      bl_image_done(bl_image *image); /* wipes and frees */

BLIND_MUST_USE blind_code bl_png_decode(blind_span file, size_t channels, bl_image *out,
                                        blind_error *err);
BLIND_MUST_USE blind_code bl_jpeg_decode(blind_span file, size_t channels, bl_image *out,
                                         blind_error *err);
/* Always of three channels. */
BLIND_MUST_USE blind_code bl_bmp_decode(blind_span file, bl_image *out, blind_error *err);
BLIND_MUST_USE blind_code bl_pnm_decode(blind_span file, bl_image *out, blind_error *err);

#endif
