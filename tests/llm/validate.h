/* A plain validator of JSON schemas, written apart from the grammars that it checks. */
#ifndef TEST_VALIDATE_H
#define TEST_VALIDATE_H

#include <jansson.h>
#include <stdbool.h>

/* NULL when the value satisfies the schema, else the keyword that it does not. */
const char *validate(const json_t *root, const json_t *schema, const json_t *value);

/* Whether a regular expression is found in the text. */
bool matches(const char *pattern, const char *text);

#endif
