/* What the TEEs' parts of bl_build_measure() share. */
#ifndef BL_BUILD_INTERNAL_H
#define BL_BUILD_INTERNAL_H

#include "base/file.h"
#include "base/limits.h"
#include "measure/build.h"

typedef struct {
    const blind_build *build;
    bl_arena          *arena;
    bl_build_result   *out;
    blind_error       *err;
} bl_building;

/* Reads a file of the build whole; one that is not named stays empty. */
static inline blind_code bl_build_read(bl_building *b, const char *path, bl_buf *out)
{
    return path ? bl_file_read(path, BL_MAX_BUILD_FILE, out, b->err) : BLIND_OK;
}

void bl_build_known(bl_building *b, const char *name, const uint8_t *value, size_t size);
void bl_build_unknown(bl_building *b, const char *name, const char *why);
void bl_build_note(bl_building *b, const char *note);
/* The index of a word among `words`, which end with NULL; 0 for no word.  Errors: USAGE */
blind_code bl_build_choose(bl_building *b, const char *option, const char *word,
                           const char *const *words, unsigned *out);
blind_code bl_build_missing(bl_building *b, const char *option);

blind_code bl_build_tpm(bl_building *b);
blind_code bl_build_snp(bl_building *b);
blind_code bl_build_tdx(bl_building *b);
blind_code bl_build_nitro(bl_building *b);
blind_code bl_build_sgx(bl_building *b);

#endif
