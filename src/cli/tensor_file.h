/* Tensors as files: what --input reads and --output-dir gets. */
#ifndef BL_CLI_TENSOR_FILE_H
#define BL_CLI_TENSOR_FILE_H

#include "base/arena.h"
#include "blind/tensor.h"
#include "cli/cli.h"

/* Every --input NAME=FILE and --text NAME=TEXT.  A .npy file is an array; any other goes in as it
 * is, UINT8 [bytes], for a pipeline to decode; a text is BYTES [1].
 * Errors: USAGE, LIMIT (BL_MAX_TENSORS), and those of reading a file and an array */
BLIND_MUST_USE blind_code bl_tensor_files_read(const bl_args *args, bl_arena *arena,
                                               blind_tensor **out, size_t *len, blind_error *err);

/* One file, and one NAME=TEXT. */
BLIND_MUST_USE blind_code bl_tensor_file_read(const char *path, const char *name, bl_arena *arena,
                                              blind_tensor *out, blind_error *err);
BLIND_MUST_USE blind_code bl_tensor_text_read(const char *given, bl_arena *arena, blind_tensor *out,
                                              blind_error *err);

/* A name with "_" for its characters outside [A-Za-z0-9._-]. */
void bl_tensor_file_name(const char *name, char *out, size_t size);

/* Writes DIR/NAME.npy, or for strings DIR/NAME.txt, a line each with \\ and \n for what would break
 * it.  Characters of the name outside [A-Za-z0-9._-] become "_"; path takes 4,096 bytes. */
BLIND_MUST_USE blind_code bl_tensor_file_write(const blind_tensor *t, const char *dir, char *path,
                                               blind_error *err);

/* clang-format off */
#define BL_OPTIONS_TENSORS                                                                         \
    { .name = "input", .kind = BL_TEXT, .arg = "NAME=FILE", .repeat = true,                        \
      .help = "a .npy file for an input of the model, once for each; any other file, such as a "   \
              "picture for a pipeline, goes in as it is" },                                        \
    { .name = "text", .kind = BL_TEXT, .arg = "NAME=TEXT", .repeat = true,                         \
      .help = "a text for an input of the model" }
/* clang-format on */

#endif
