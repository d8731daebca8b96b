/* The pieces of JSON, as rules that a program writes once and calls. */
#ifndef BL_LLM_GRAMMAR_JSON_H
#define BL_LLM_GRAMMAR_JSON_H

#include "llm/grammar/program.h"

typedef enum {
    BL_JSON_BLANK, /* nothing, one blank, or a new line and up to 32 blanks */
    BL_JSON_VALUE,
    BL_JSON_OBJECT,
    BL_JSON_ARRAY,
    BL_JSON_STRING,
    BL_JSON_CHARACTER, /* of a string, as it is or escaped: one code point */
    BL_JSON_NUMBER,
    BL_JSON_INTEGER,
    BL_JSON_MEMBER, /* a key, a colon and any value */
    BL_JSON_PLAIN,  /* a character of a string that is not escaped */
    BL_JSON_PIECES
} bl_json_piece;

/* Writes a call of the piece, and the piece itself when it is the first. */
void bl_write_json(bl_program *p, bl_json_piece piece);
/* Writes the rules of all pieces that were called: after the last call, outside of any rule. */
void bl_write_json_rules(bl_program *p);

/* Code points from..to, in UTF-8; surrogates are left out. */
typedef struct {
    uint32_t from, to;
} bl_code_range;
void bl_write_utf8(bl_program *p, const bl_code_range *ranges, size_t n);

/* The same inside of a string: those that must be escaped are, the others are not.  U+0000 is left
 * out. */
void bl_write_json_characters(bl_program *p, const bl_code_range *ranges, size_t n);

/* Comma and blank between members or elements, a bracket with the blank behind or before it. */
void bl_write_json_comma(bl_program *p);
void bl_write_json_open(bl_program *p, char bracket);
void bl_write_json_close(bl_program *p, char bracket);

#endif
