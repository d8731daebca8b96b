/* Text to tokens and back, as the model's file says.
 *
 * Byte-level BPE ("gpt2"), SentencePiece with byte fallback ("llama") and WordPiece ("bert"). */
#ifndef BL_LLM_TOKENIZER_H
#define BL_LLM_TOKENIZER_H

#include "llm/tokens.h"
#include "llm/vocab.h"

typedef struct bl_tokenizer bl_tokenizer;

/* g       borrowed until bl_tokenizer_close(), and so is its file
 * Errors  UNSUPPORTED (another kind of tokenizer), INPUT (a file that does not say what it must),
 *         LIMIT, MEMORY */
BLIND_MUST_USE blind_code bl_tokenizer_open(bl_gguf *g, bl_tokenizer **out, blind_error *err);
void                      bl_tokenizer_close(bl_tokenizer *t);

const bl_vocab *bl_tokenizer_vocab(const bl_tokenizer *t);

typedef struct {
    bool add_special;   /* those that the file puts around a text: BOS, EOS, [CLS], [SEP] */
    bool parse_special; /* <|im_end|> in the text is that token; else it is text like other text */
} bl_tokenize_options;

/* Appends the tokens of a text.
 *
 * text    malformed UTF-8 is read as U+FFFD for each such byte
 * Errors  LIMIT, MEMORY; what was appended until then stays
 * Any number of threads may call it at once.  Time and memory grow with n log n. */
BLIND_MUST_USE blind_code bl_tokenize(const bl_tokenizer *t, blind_span text,
                                      bl_tokenize_options options, bl_tokens *out,
                                      blind_error *err);

/* Appends what one token writes, which need not be whole characters; nothing for a number that is
 * no token, and for special tokens unless `special`. */
void bl_token_text(const bl_tokenizer *t, int32_t id, bool special, bl_buf *out);

/* Appends the text of tokens; a blank that tokenizing put in front is left out. */
void bl_detokenize(const bl_tokenizer *t, const int32_t *ids, size_t len, bool special,
                   bl_buf *out);

#endif
