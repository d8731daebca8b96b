/* The program of a grammar, and what writes it.
 *
 * Rules call each other; a state of the matcher is a set of places in them, each with a stack of
 * calls and of loops under way.  What is written one after the other follows one after the other:
 *
 *     BYTES set          one byte of the set
 *     SPLIT a b          goes on at a and at b
 *     JUMP a
 *     CALL rule          pushes the place behind it
 *     RETURN             pops it; with an empty stack the text is whole
 *     LOOP min max exit  pushes itself with count 0; the body follows, up to
 *     NEXT               counts one; below max the body again, from min on the exit
 *     FAIL
 *
 * Each place knows how deep a stack it needs at least to come to its rule's end, so that no path is
 * taken that cannot end: see bl_program.need. */
#ifndef BL_LLM_GRAMMAR_PROGRAM_H
#define BL_LLM_GRAMMAR_PROGRAM_H

#include "base/buf.h"
#include "llm/grammar.h"

typedef enum {
    BL_OP_FAIL,
    BL_OP_BYTES,
    BL_OP_SPLIT,
    BL_OP_JUMP,
    BL_OP_CALL,
    BL_OP_RETURN,
    BL_OP_LOOP,
    BL_OP_NEXT,
} bl_op_kind;

#define BL_LOOP_FOREVER UINT32_MAX

typedef struct {
    uint32_t kind;    /* bl_op_kind */
    uint32_t a, b, c; /* a: set, place, rule or min; b: place or max; c: exit */
} bl_op;

typedef struct {
    uint8_t bits[32]; /* byte b: bit b % 8 of bits[b / 8] */
} bl_byte_set;

static inline bool bl_byte_set_has(const bl_byte_set *s, uint8_t b)
{
    return s->bits[b / 8] >> b % 8 & 1;
}
static inline void bl_byte_set_add(bl_byte_set *s, uint8_t from, uint8_t to)
{
    for (unsigned b = from; b <= to; b++)
        s->bits[b / 8] = (uint8_t)(s->bits[b / 8] | 1u << b % 8);
}

struct bl_grammar {
    bl_op       *ops;
    uint32_t    *rules; /* where each begins; the first is the grammar's */
    bl_byte_set *sets;
    uint16_t    *need; /* [n_ops] frames that the way to the end of the rule takes at least;
                          above BL_MAX_GRAMMAR_DEPTH: there is no way */
    size_t  n_ops, n_rules, n_sets;
    uint8_t class_of[256]; /* bytes that no set tells apart have one class */
    uint8_t byte_of[256];  /* some byte of each class */
    size_t  classes;
    bool    counts; /* some loop's bounds are neither 0, 1 nor forever */
};

/* Writing.  Failure sticks and is told by bl_program_finish().  ------------------------------ */

typedef struct {
    bl_buf   ops, rules, sets;
    bool     failed;     /* out of memory or too long */
    uint32_t shared[16]; /* rules that grammar/json.c has written, 0: not yet */
} bl_program;

typedef struct {
    uint32_t split; /* the SPLIT whose second way is open, or BL_NOWHERE */
    uint32_t ends;  /* the last JUMP to the end, each pointing to the one before, or BL_NOWHERE */
} bl_choice;

#define BL_NOWHERE UINT32_MAX

void     bl_program_init(bl_program *p);
void     bl_program_done(bl_program *p);
uint32_t bl_program_here(const bl_program *p);

/* A rule that may be called and is written later, by everything between begin and end. */
uint32_t bl_rule_new(bl_program *p);
void     bl_rule_begin(bl_program *p, uint32_t rule);
void     bl_rule_end(bl_program *p);

void bl_write_set(bl_program *p, bl_byte_set set);
void bl_write_range(bl_program *p, uint8_t from, uint8_t to);
void bl_write_text(bl_program *p, const char *text);
void bl_write_bytes(bl_program *p, blind_span text);
void bl_write_call(bl_program *p, uint32_t rule);
void bl_write_fail(bl_program *p);

/* Ways whose ends are set later, by bl_program_patch(): a of a JUMP, b of a SPLIT whose a is the
 * place behind it. */
uint32_t bl_write_jump(bl_program *p);
uint32_t bl_write_split(bl_program *p);
void     bl_program_patch(bl_program *p, uint32_t at, uint32_t to);

/* One of several: begin; then for each alternative bl_choice_next() and what it is; end.  Without
 * any alternative nothing matches. */
void bl_choice_begin(bl_choice *c);
void bl_choice_next(bl_program *p, bl_choice *c);
void bl_choice_end(bl_program *p, bl_choice *c);

/* What is written between the two is repeated.  Returns what bl_loop_end() wants. */
uint32_t bl_loop_begin(bl_program *p, uint32_t min, uint32_t max);
void     bl_loop_end(bl_program *p, uint32_t loop);

/* Errors INPUT (no text matches), LIMIT, MEMORY */
BLIND_MUST_USE blind_code bl_program_finish(bl_program *p, bl_grammar **out, blind_error *err);

#endif
