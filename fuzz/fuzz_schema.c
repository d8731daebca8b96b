/* JSON schemas: whatever becomes a grammar has a way on at every step of a walk, and what is whole
 * is JSON; a walk is the same twice. */
#include "base/json.h"
#include "base/limits.h"
#include "llm/matcher.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { END = 256, STEPS = 200 };

/* A vocabulary of bytes, and an end. */
static const bl_token_tree *bytes(void)
{
    static bl_token_node nodes[257];
    static int32_t       sorted[256];
    static uint32_t      text_at[258];
    static uint8_t       texts[256];
    static bl_token_tree tree;
    for (unsigned i = 0; i < 256; i++) {
        nodes[i] = (bl_token_node){ .skip = i + 1,
                                    .tokens = i,
                                    .depth = 1,
                                    .byte = (uint8_t)i,
                                    .plain = bl_token_tree_plain((uint8_t)i) };
        sorted[i] = (int32_t)i;
        text_at[i] = i;
        texts[i] = (uint8_t)i;
    }
    nodes[256] = (bl_token_node){ .tokens = 256 };
    text_at[256] = text_at[257] = 256;
    tree = (bl_token_tree){ .nodes = nodes,
                            .sorted = sorted,
                            .n_nodes = 256,
                            .n_sorted = 256,
                            .text_at = text_at,
                            .texts = { .data = texts, .size = 256 },
                            .vocabulary = 257,
                            .longest = 1,
                            .ends = { END },
                            .n_ends = 1 };
    return &tree;
}

/* Some token of the mask, the end where the answer is whole often enough to come to it. */
static int32_t choose(const uint32_t *mask, uint32_t random)
{
    uint32_t n = 0, chosen = 0;
    if (mask[8] & 1 && random % 4 == 0)
        return END;
    for (uint32_t i = 0; i < 256; i++)
        n += mask[i / 32] >> i % 32 & 1;
    if (n == 0)
        return mask[8] & 1 ? END : -1;
    for (n = random % n; chosen < 256; chosen++)
        if (mask[chosen / 32] >> chosen % 32 & 1 && n-- == 0)
            break;
    return (int32_t)chosen;
}

static void check_json(const bl_buf *text)
{
    json_t *value = json_loadb((const char *)text->data, text->size, JSON_DECODE_ANY, NULL);
    if (!value)
        abort();
    json_decref(value);
}

static void walk(const bl_grammar *g, uint32_t random, bl_buf *text)
{
    bl_matcher *m;
    if (bl_matcher_new(g, bytes(), &m, NULL) != BLIND_OK)
        return;
    for (int i = 0; i < STEPS && !bl_matcher_ended(m); i++) {
        const uint32_t *mask;
        if (bl_matcher_mask(m, &mask, NULL) != BLIND_OK)
            break; /* too ambiguous */
        random = random * 1664525u + 1013904223u;
        int32_t id = choose(mask, random >> 8);
        if (id < 0 || ((mask[8] & 1) != 0) != bl_matcher_complete(m))
            abort();
        if (id == END)
            break;
        if (bl_matcher_take(m, id, NULL) != BLIND_OK)
            abort();
        bl_buf_add_u8(text, (uint8_t)id);
    }
    if (bl_matcher_complete(m))
        check_json(text);
    bl_matcher_free(m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bl_auto_json *schema;
    bl_grammar   *g;
    uint32_t      seed = (uint32_t)size;
    if (bl_json_parse(bl_span(data, size), 65536, &schema, NULL) != BLIND_OK)
        return 0;
    for (size_t i = 0; i < size; i++)
        seed = seed * 31 + data[i];
    if (bl_grammar_schema(schema, &g, NULL) != BLIND_OK) {
        if (g)
            abort();
        return 0;
    }
    bl_auto_buf first = BL_BUF_EMPTY, second = BL_BUF_EMPTY;
    walk(g, seed, &first);
    walk(g, seed, &second);
    if (!bl_span_equal(bl_buf_span(&first), bl_buf_span(&second)))
        abort();
    bl_grammar_free(g);
    return 0;
}
