/* The vocabulary of a language model: what each token stands for, found by number and by text. */
#ifndef BL_LLM_VOCAB_H
#define BL_LLM_VOCAB_H

#include "llm/gguf.h"
#include "llm/texts.h"

enum { BL_NO_TOKEN = -1, BL_MAX_ENDS = 16 };

/* What a token is for, as the file says. */
typedef enum {
    BL_TOKEN_NORMAL = 1,
    BL_TOKEN_UNKNOWN = 2, /* stands for what cannot be written */
    BL_TOKEN_CONTROL = 3, /* <s>, <|im_end|>: never part of a text */
    BL_TOKEN_USER = 4,    /* a text of its own that is found before all others */
    BL_TOKEN_UNUSED = 5,
    BL_TOKEN_BYTE = 6, /* <0x41> */
} bl_token_kind;

typedef struct {
    blind_span *text; /* of each token, as the file writes it */
    float      *score;
    uint8_t    *kind; /* bl_token_kind */
    size_t      len;
    bl_texts    ids; /* text to token */

    /* BL_NO_TOKEN where there is none. */
    int32_t bos, eos, unknown, separator, padding, mask;
    int32_t ends[BL_MAX_ENDS]; /* tokens that end an answer: EOS, <|im_end|>, ... */
    size_t  n_ends;
    bool    add_bos, add_eos; /* around a text that asks for special tokens */
    bool    add_space;        /* in front of a text, as SentencePiece does */
} bl_vocab;

/* Reads "tokenizer.ggml.*"; what the file does not say keeps what `out` held.  Everything is
 * borrowed from `g`, or lies in its arena.
 *
 * Errors INPUT (no tokens, lists of other lengths, a special token that is none), LIMIT, MEMORY */
BLIND_MUST_USE blind_code bl_vocab_read(bl_gguf *g, bl_vocab *out, blind_error *err);

/* BL_NO_TOKEN where no token has this text. */
static inline int32_t bl_vocab_find(const bl_vocab *v, blind_span text)
{
    return bl_texts_find(&v->ids, text);
}

#endif
