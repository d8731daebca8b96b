/* JPEG through libjpeg, from memory.  Errors of the library come back by longjmp: whatever is alive
 * across a call of it lies in `decoder`, not in local variables. */
#include "onnx/image.h"

#include <setjmp.h>
#include <stdio.h>

#include <jpeglib.h>

enum { MAX_SCANS = 100 }; /* of a progressive file: each is another pass over the whole picture */

typedef struct {
    struct jpeg_error_mgr         errors; /* first: the library hands it back */
    struct jpeg_progress_mgr      progress;
    struct jpeg_decompress_struct jpeg;
    jmp_buf                       back;
    bl_image                      image;
    char                          message[JMSG_LENGTH_MAX];
} decoder;

static void on_error(j_common_ptr jpeg)
{
    decoder *d = (decoder *)(void *)jpeg->err;
    jpeg->err->format_message(jpeg, d->message);
    longjmp(d->back, 1);
}

/* A warning tells of damage that the library would paper over: half a picture is none. */
static void on_message(j_common_ptr jpeg, int level)
{
    if (level < 0)
        on_error(jpeg);
}

static void count_scans(j_common_ptr jpeg)
{
    decoder *d = (decoder *)(void *)jpeg->err;
    if (d->jpeg.input_scan_number <= MAX_SCANS)
        return;
    snprintf(d->message, sizeof d->message, "more than %d scans", MAX_SCANS);
    longjmp(d->back, 1);
}

static blind_code read_picture(decoder *d, blind_span file, size_t channels, blind_error *err)
{
    jpeg_create_decompress(&d->jpeg);
    d->progress.progress_monitor = count_scans;
    d->jpeg.progress = &d->progress;
    jpeg_mem_src(&d->jpeg, file.data, file.size);
    jpeg_read_header(&d->jpeg, TRUE);
    d->jpeg.out_color_space = channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
    BL_TRY(bl_image_alloc(d->jpeg.image_height, d->jpeg.image_width, channels, &d->image, err));
    jpeg_start_decompress(&d->jpeg);
    if ((size_t)d->jpeg.output_components != channels)
        return blind_fail(err, BLIND_INPUT, "image.jpeg", "a JPEG file of an unknown kind");
    while (d->jpeg.output_scanline < d->jpeg.output_height) {
        JSAMPROW row = d->image.samples + d->jpeg.output_scanline * d->image.width * channels;
        jpeg_read_scanlines(&d->jpeg, &row, 1);
    }
    jpeg_finish_decompress(&d->jpeg);
    return BLIND_OK;
}

/* Its own function, so that nothing it changes is a local variable of the one that is jumped to. */
static blind_code guarded(decoder *d, blind_span file, size_t channels, blind_error *err)
{
    if (setjmp(d->back) != 0)
        return blind_fail(err, BLIND_INPUT, "image.jpeg", "a damaged JPEG file: %.120s",
                          d->message);
    return read_picture(d, file, channels, err);
}

blind_code bl_jpeg_decode(blind_span file, size_t channels, bl_image *out, blind_error *err)
{
    decoder d = { 0 };
    d.jpeg.err = jpeg_std_error(&d.errors);
    d.errors.error_exit = on_error;
    d.errors.emit_message = on_message;
    blind_code code = guarded(&d, file, channels, err);
    jpeg_destroy_decompress(&d.jpeg);
    if (code != BLIND_OK)
        bl_image_done(&d.image);
    *out = d.image;
    return code;
}
