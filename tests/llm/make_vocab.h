/* A tokenizer made for tests: <unk> is 0, <s> is 1, </s> is 2, each byte is 3 + byte, then words.
 */
#ifndef TEST_MAKE_VOCAB_H
#define TEST_MAKE_VOCAB_H

#include "llm/tokenizer.h"
#include "tests/llm/make_gguf.h"

enum { VOCAB_END = 2, VOCAB_BYTES = 3, VOCAB_WORDS = 259 };

typedef struct {
    bl_buf        file;
    bl_gguf       gguf;
    bl_tokenizer *t;
    size_t        len; /* tokens */
} vocab_made;

/* A blank in a word is written as SentencePiece does. */
void vocab_make(vocab_made *v, const char *const *words, size_t len);
void vocab_done(vocab_made *v);

#endif
