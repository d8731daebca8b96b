/* Sorts the texts; a node begins wherever a text differs from the one before it. */
#include "llm/token_tree.h"

#include "base/limits.h"

#include <stdlib.h>

static blind_code read_texts(bl_token_tree *tree, const bl_tokenizer *t, blind_error *err)
{
    const bl_vocab *v = bl_tokenizer_vocab(t);
    for (size_t id = 0; id < v->len; id++) {
        size_t before = tree->texts.size;
        tree->text_at[id] = (uint32_t)before;
        if (v->kind[id] != BL_TOKEN_UNUSED)
            bl_token_text(t, (int32_t)id, false, &tree->texts);
        if (tree->texts.size - before > BL_MAX_TOKEN_TEXT)
            tree->texts.size = before;
        tree->longest = BL_MAX(tree->longest, tree->texts.size - before);
        if (tree->texts.size > before)
            tree->sorted[tree->n_sorted++] = (int32_t)id;
    }
    tree->text_at[v->len] = (uint32_t)tree->texts.size;
    return bl_buf_check(&tree->texts, "llm.token_tree", err);
}

static int by_text(const void *left, const void *right, void *arg)
{
    const bl_token_tree *tree = arg;
    int32_t              a = *(const int32_t *)left, b = *(const int32_t *)right;
    blind_span           x = bl_token_tree_text(tree, a), y = bl_token_tree_text(tree, b);
    int                  order = memcmp(x.data, y.data, BL_MIN(x.size, y.size));
    if (order == 0)
        order = (x.size > y.size) - (x.size < y.size);
    return order ? order : (a > b) - (a < b);
}

static size_t shared(blind_span a, blind_span b)
{
    size_t n = 0;
    while (n < a.size && n < b.size && a.data[n] == b.data[n])
        n++;
    return n;
}

/* Calls for each node in order; counts them when there is no room yet. */
static size_t make_nodes(bl_token_tree *tree, bl_token_node *nodes)
{
    size_t     n = 0;
    blind_span before = { 0 };
    for (size_t i = 0; i < tree->n_sorted; i++) {
        blind_span text = bl_token_tree_text(tree, tree->sorted[i]);
        for (size_t at = shared(before, text); at < text.size; at++, n++)
            if (nodes) /* the token ends at the last node of its text, and at no earlier one */
                nodes[n] = (bl_token_node){ .tokens = (uint32_t)i,
                                            .depth = (uint16_t)(at + 1),
                                            .byte = text.data[at] };
        before = text;
    }
    if (nodes)
        nodes[n] = (bl_token_node){ .tokens = (uint32_t)tree->n_sorted };
    return n;
}

/* A node of some depth is behind all open nodes of that depth or more. */
static void find_skips(bl_token_tree *tree)
{
    uint32_t open[BL_MAX_TOKEN_TEXT + 1];
    size_t   deepest = 0;
    for (size_t i = 0; i <= tree->n_nodes; i++) {
        size_t depth = i < tree->n_nodes ? tree->nodes[i].depth : 1;
        for (size_t d = depth; d <= deepest; d++)
            tree->nodes[open[d]].skip = (uint32_t)i;
        open[depth] = (uint32_t)i;
        deepest = depth;
    }
}

static void find_plain(bl_token_tree *tree)
{
    for (size_t i = tree->n_nodes; i-- > 0;) {
        bl_token_node *node = &tree->nodes[i];
        node->plain = bl_token_tree_plain(node->byte);
        for (size_t child = i + 1; child < node->skip; child = tree->nodes[child].skip)
            node->plain = node->plain && tree->nodes[child].plain;
    }
}

static blind_code build(bl_token_tree *tree, const bl_tokenizer *t, blind_error *err)
{
    const bl_vocab *v = bl_tokenizer_vocab(t);
    tree->vocabulary = v->len;
    tree->n_ends = v->n_ends;
    memcpy(tree->ends, v->ends, sizeof tree->ends);
    tree->texts.max = UINT32_MAX;
    tree->text_at = calloc(v->len + 1, sizeof *tree->text_at);
    tree->sorted = calloc(v->len + 1, sizeof *tree->sorted);
    if (!tree->text_at || !tree->sorted)
        return blind_fail(err, BLIND_MEMORY, "llm.token_tree", "out of memory");
    BL_TRY(read_texts(tree, t, err));
    qsort_r(tree->sorted, tree->n_sorted, sizeof *tree->sorted, by_text, tree);
    tree->n_nodes = make_nodes(tree, NULL);
    tree->nodes = calloc(tree->n_nodes + 1, sizeof *tree->nodes);
    if (!tree->nodes)
        return blind_fail(err, BLIND_MEMORY, "llm.token_tree", "out of memory");
    make_nodes(tree, tree->nodes);
    find_skips(tree);
    find_plain(tree);
    return BLIND_OK;
}

blind_code bl_token_tree_new(const bl_tokenizer *t, bl_token_tree **out, blind_error *err)
{
    *out = NULL;
    bl_token_tree *tree = calloc(1, sizeof *tree);
    if (!tree)
        return blind_fail(err, BLIND_MEMORY, "llm.token_tree", "out of memory");
    blind_code code = build(tree, t, err);
    if (code != BLIND_OK) {
        bl_token_tree_free(tree);
        return code;
    }
    *out = tree;
    return BLIND_OK;
}

void bl_token_tree_free(bl_token_tree *tree)
{
    if (!tree)
        return;
    free(tree->nodes);
    free(tree->sorted);
    free(tree->text_at);
    bl_buf_done(&tree->texts);
    free(tree);
}
