/* The texts of all tokens of a vocabulary as a tree of bytes, in the order of a walk: a token that
 * a grammar refuses at some byte is passed over with all others that begin the same. */
#ifndef BL_LLM_TOKEN_TREE_H
#define BL_LLM_TOKEN_TREE_H

#include "llm/tokenizer.h"

/* One byte behind those of the nodes above it. */
typedef struct {
    uint32_t skip;   /* the node behind all that are below this one */
    uint32_t tokens; /* index into `sorted` of the first token that ends here; up to the next
                        node's */
    uint16_t depth;  /* 1: the first byte of a text */
    uint8_t  byte;
    bool     plain; /* this byte and all below it are bl_token_tree_plain() */
} bl_token_node;

typedef struct {
    bl_token_node *nodes;  /* [n_nodes + 1], the last one behind all */
    int32_t       *sorted; /* [n_sorted] tokens that have a text */
    size_t         n_nodes, n_sorted;
    uint32_t      *text_at; /* [vocabulary + 1] where the text of each token begins in `texts` */
    bl_buf         texts;
    size_t         vocabulary, longest; /* bytes of the longest text */
    int32_t        ends[BL_MAX_ENDS];   /* tokens that end an answer */
    size_t         n_ends;
} bl_token_tree;

/* Control tokens and those of more than BL_MAX_TOKEN_TEXT bytes have no text here.
 *
 * t       borrowed for the call
 * Errors  LIMIT, MEMORY */
BLIND_MUST_USE blind_code bl_token_tree_new(const bl_tokenizer *t, bl_token_tree **out,
                                            blind_error *err);
void                      bl_token_tree_free(bl_token_tree *tree);

/* ASCII that a string of JSON holds as it is: in most states of a grammar all of it leads to one
 * state, and in a string to the same. */
static inline bool bl_token_tree_plain(uint8_t byte)
{
    return byte >= 0x20 && byte < 0x7f && byte != '"' && byte != '\\';
}

/* Empty for a token without a text. */
static inline blind_span bl_token_tree_text(const bl_token_tree *tree, int32_t id)
{
    if (id < 0 || (size_t)id >= tree->vocabulary)
        return (blind_span){ 0 };
    return bl_span(tree->texts.data + tree->text_at[id], tree->text_at[id + 1] - tree->text_at[id]);
}

#endif
