/* What the kinds of tokenizer share with tokenizer.c: a row each. */
#ifndef BL_LLM_TOKENIZER_KINDS_H
#define BL_LLM_TOKENIZER_KINDS_H

#include "llm/merge.h"
#include "llm/pretoken.h"
#include "llm/special.h"
#include "llm/tokenizer.h"

/* A text on its way. */
typedef struct {
    const bl_tokenizer *t;
    bl_tokens          *out;
    bl_merge            merge;
    bl_buf              piece; /* scratch */
    blind_error        *err;
} bl_encoding;

typedef struct {
    const char *name; /* "tokenizer.ggml.model" */
    /* What the file need not say, and what this kind needs besides the vocabulary. */
    blind_code (*open)(bl_tokenizer *t, bl_gguf *g, blind_error *err);
    /* A text without special tokens.  first: nothing or a special token stands before it */
    blind_code (*encode)(bl_encoding *e, blind_span text, bool first);
    void (*text_of)(const bl_tokenizer *t, int32_t id, bl_buf *out); /* of a normal token */
} bl_tokenizer_kind;

extern const bl_tokenizer_kind bl_tokenizer_bpe;
extern const bl_tokenizer_kind bl_tokenizer_spm;
extern const bl_tokenizer_kind bl_tokenizer_bert;

struct bl_tokenizer {
    const bl_tokenizer_kind *kind;
    bl_vocab                 vocab;
    bl_specials              specials;
    /* BPE */
    bl_pretoken       *pretoken;
    bl_pretoken_habits habits;
    bl_texts           merges; /* "left right", the best first */
    /* SentencePiece */
    int32_t bytes[256]; /* the token of each byte, or BL_NO_TOKEN */
    /* WordPiece */
    size_t longest; /* bytes of the longest token */
};

/* Reads the vocabulary with these as what the file need not say. */
BLIND_MUST_USE blind_code bl_tokenizer_vocabulary(bl_tokenizer *t, bl_gguf *g, bl_vocab preset,
                                                  blind_error *err);

#endif
