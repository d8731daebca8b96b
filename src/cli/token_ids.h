/* Numbers of tokens as people type them. */
#ifndef BL_CLI_TOKEN_IDS_H
#define BL_CLI_TOKEN_IDS_H

#include "llm/tokens.h"

/* Appends whole numbers between blanks or commas, each less than `below`.
 * Errors `wrong` (what is no token), MEMORY */
BLIND_MUST_USE blind_code bl_read_token_ids(const char *text, size_t below, blind_code wrong,
                                            bl_tokens *out, blind_error *err);

#endif
