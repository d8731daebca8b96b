/* Weights that an ONNX model keeps in files beside it: found inside the model's own folder alone.
 */
#ifndef BL_CLI_EXTERNAL_H
#define BL_CLI_EXTERNAL_H

#include "base/file.h"
#include "onnx/onnx.h"

enum { BL_EXTERNAL_FILES = 256 };

typedef struct {
    int        folder; /* of the model; -1 until it is asked for */
    char       path[4096];
    char      *names[BL_EXTERNAL_FILES];
    bl_mapping files[BL_EXTERNAL_FILES];
    size_t     len;
} bl_external;

/* Remembers where the model lies; bl_external_close() in any case. */
BLIND_MUST_USE blind_code bl_external_open(const char *model, bl_external *out, blind_error *err);
void                      bl_external_close(bl_external *e);

/* For bl_onnx_options.files, with the bl_external as its argument. */
blind_code bl_external_file(void *arg, const char *location, blind_span *out, blind_error *err);

#endif
