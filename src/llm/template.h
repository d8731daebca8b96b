/* Chat templates: the Jinja text of a model's file that makes a prompt of a conversation.
 *
 * The subset that published models use: if, for, set, macros, filters, tests, namespaces, methods
 * of texts and dicts.  Nothing of it reaches a file, a socket or the clock; steps, depth and memory
 * are bounded.
 *
 * Source: Jinja, "Template Designer Documentation", version 3.1, with trim_blocks, lstrip_blocks
 * and loop controls, as models are trained with. */
#ifndef BL_LLM_TEMPLATE_H
#define BL_LLM_TEMPLATE_H

#include "base/buf.h"

#include <jansson.h>

typedef struct bl_template bl_template;

/* text    borrowed until bl_template_close()
 * Errors  INPUT (with the line), UNSUPPORTED, LIMIT, MEMORY */
BLIND_MUST_USE blind_code bl_template_open(blind_span text, bl_template **out, blind_error *err);
void                      bl_template_close(bl_template *t);

/* Appends the prompt.
 *
 * given   an object: "messages", "tools", "add_generation_prompt", "bos_token", ...
 * now_s   what strftime_now() tells, in seconds since 1970, UTC
 * Errors  INPUT (what raise_exception() says, or a template that goes wrong), LIMIT, MEMORY;
 * nothing is appended then Any number of threads may call it at once. */
BLIND_MUST_USE blind_code bl_template_render(const bl_template *t, const json_t *given,
                                             int64_t now_s, bl_buf *out, blind_error *err);

#endif
