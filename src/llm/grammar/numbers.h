/* Numbers between bounds, as grammars of digits. */
#ifndef BL_LLM_GRAMMAR_NUMBERS_H
#define BL_LLM_GRAMMAR_NUMBERS_H

#include "llm/grammar/program.h"

enum { BL_NUMBER_DECIMALS = 10 }; /* that a bound may have */

/* The largest and smallest integer that is written. */
#define BL_MOST_INTEGER 999999999999999999

/* All integers from low to high, both within BL_MOST_INTEGER; none when low > high. */
void bl_write_integers(bl_program *p, int64_t low, int64_t high);

typedef struct {
    bool   there;
    bool   open; /* the bound itself is not allowed */
    double value;
} bl_bound;

/* Decimal numbers without exponent between two bounds.  False when a bound cannot be written with
 * BL_NUMBER_DECIMALS decimals and 15 digits in all. */
bool bl_write_numbers(bl_program *p, bl_bound low, bl_bound high);

#endif
