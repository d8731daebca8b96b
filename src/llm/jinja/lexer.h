/* Words of a template: text between tags, and what stands in them. */
#ifndef BL_LLM_JINJA_LEXER_H
#define BL_LLM_JINJA_LEXER_H

#include "base/arena.h"

typedef enum {
    BL_WORD_END,
    BL_WORD_DATA,        /* text outside of tags */
    BL_WORD_PRINT_BEGIN, /* {{ */
    BL_WORD_PRINT_END,
    BL_WORD_TAG_BEGIN, /* {% */
    BL_WORD_TAG_END,
    BL_WORD_NAME,
    BL_WORD_STRING, /* text: with its escapes read */
    BL_WORD_INT,
    BL_WORD_FLOAT,
    BL_WORD_SIGN, /* text: "+", "==", "(", ... */
    BL_WORD_WRONG,
} bl_word_kind;

typedef struct {
    bl_word_kind kind;
    blind_span   text;
    uint32_t     line;
} bl_word;

typedef struct {
    blind_span  text;
    size_t      at;
    uint32_t    line;
    unsigned    open;     /* brackets within a tag */
    bool        inside;   /* a tag */
    bool        printing; /* {{ and not {% */
    bool        strip;    /* blanks before the next text: the last tag ended in -%} */
    bool        trim;     /* one line end before it */
    const char *wrong;    /* why a word is WRONG */
    bl_arena   *arena;
} bl_lexer;

void    bl_lexer_init(bl_lexer *l, blind_span text, bl_arena *arena);
bl_word bl_lexer_next(bl_lexer *l);

#endif
