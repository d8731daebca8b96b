/* What `blind model show` prints of a language model. */
#ifndef BL_CLI_MODEL_GGUF_H
#define BL_CLI_MODEL_GGUF_H

#include "cli/cli.h"

/* file    the bytes of a GGUF file; path names it
 * Errors  UNSUPPORTED after printing (a model that cannot run; the message says why), INPUT, MEMORY
 */
BLIND_MUST_USE blind_code bl_show_gguf(bl_args *args, const char *path, blind_span file,
                                       const char *sha256, blind_error *err);

#endif
