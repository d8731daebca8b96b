/* TOML: an accepted document is a tree within its bounds whose keys can be found. */
#include "base/limits.h"
#include "base/toml.h"
#include "base/utf8.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t walk(const bl_toml *node, int depth)
{
    size_t nodes = 1, len = 0;
    if (depth > 3 * BL_MAX_TOML_DEPTH || node->line == 0 || node->column == 0)
        abort();
    if (node->type == BL_TOML_STRING && !bl_utf8_valid(node->string))
        abort();
    (void)bl_toml_seconds(node);
    if (node->type != BL_TOML_ARRAY && node->type != BL_TOML_TABLE)
        return nodes;
    for (const bl_toml *m = node->first; m; m = m->next, len++)
        nodes += walk(m, depth + 1);
    if (len != node->len)
        abort();
    return nodes;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const known[] = { "version", "a" };
    bl_auto_arena            arena = BL_ARENA_EMPTY;
    const bl_toml           *root;
    blind_error              err;
    if (bl_toml_parse(bl_span(data, size), &arena, &root, &err) != BLIND_OK) {
        if (root)
            abort();
        return 0;
    }
    if (walk(root, 0) > BL_MAX_TOML_NODES)
        abort();
    const bl_toml *unknown = bl_toml_unknown(root, known, BL_LEN(known));
    if (unknown)
        (void)!bl_toml_want(unknown, BL_TOML_STRING, BLIND_INPUT, "fuzz", &err);
    (void)bl_toml_get(root, "version");
    return 0;
}
