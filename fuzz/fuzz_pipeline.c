/* Pipelines: the tar, and the pipeline.toml in it with the files beside it. */
#include "pipeline/pipeline.h"

#include "pipeline/config.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bl_archive  files;
    bl_auto_arena      arena = BL_ARENA_EMPTY;
    bl_pipeline_config config;
    if (bl_archive_read(bl_span(data, size), &files, NULL) != BLIND_OK)
        return 0;
    for (size_t i = 0; i < files.len; i++)
        if (bl_archive_find(&files, files.members[i].name) != &files.members[i])
            abort();
    const bl_member *text = bl_archive_find(&files, "pipeline.toml");
    if (text && bl_pipeline_config_read(text->bytes, &files, &arena, &config, NULL) == BLIND_OK &&
        !config.model)
        abort();
    return 0;
}
