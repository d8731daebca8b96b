/* Values of a run as files: a tensor is one, a sequence is a folder of them. */
#ifndef BL_CLI_VALUE_FILE_H
#define BL_CLI_VALUE_FILE_H

#include "cli/tensor_file.h"
#include "onnx/onnx.h"

/* Every --input NAME=FILE, --input NAME=FOLDER and --text NAME=TEXT.  A folder is a sequence:
 * 0.npy, 1.npy and so on, and nothing else.  Errors: those of bl_tensor_files_read(), INPUT */
BLIND_MUST_USE blind_code bl_value_files_read(const bl_args *args, bl_arena *arena,
                                              bl_onnx_value **out, size_t *len, blind_error *err);

/* Writes a tensor as bl_tensor_file_write() does, a sequence as the folder DIR/NAME of 0.npy, 1.npy
 * (.txt for strings), where files of an earlier and longer one are removed, and nothing for an
 * optional without a value, whose path is "".  path takes 4,096 bytes. */
BLIND_MUST_USE blind_code bl_value_file_write(const bl_onnx_value *v, const char *dir, char *path,
                                              blind_error *err);

#endif
