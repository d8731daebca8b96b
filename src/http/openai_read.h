/* What the readers of OpenAI's bodies share.  Private to http. */
#ifndef BL_HTTP_OPENAI_READ_H
#define BL_HTTP_OPENAI_READ_H

#include "http/openai.h"

/* Says which field is wrong, in r->field too. */
blind_code bl_openai_refuse(bl_openai_request *r, blind_code code, blind_error *err,
                            const char *field, const char *format, ...)
    __attribute__((format(printf, 5, 6)));
blind_code bl_openai_no_memory(blind_error *err);
/* The string's bytes, or INPUT. */
BLIND_MUST_USE blind_code bl_openai_text(bl_openai_request *r, const char *field,
                                         const json_t *value, const char **out, blind_error *err);
/* Refuses a member of `object` that is not in `known`, which NULL ends; nulls and empty lists pass.
 */
BLIND_MUST_USE blind_code bl_openai_known(bl_openai_request *r, const char *field,
                                          const json_t *object, const char *const *known,
                                          blind_error *err);

/* openai_messages.c: one field each. */
blind_code bl_openai_read_messages(bl_openai_request *r, const char *field, const json_t *value,
                                   blind_error *err);
blind_code bl_openai_read_input(bl_openai_request *r, const char *field, const json_t *value,
                                blind_error *err);
blind_code bl_openai_read_instructions(bl_openai_request *r, const char *field, const json_t *value,
                                       blind_error *err);
/* openai_tools.c */
blind_code bl_openai_read_tools(bl_openai_request *r, const char *field, const json_t *value,
                                blind_error *err);
blind_code bl_openai_read_tool_choice(bl_openai_request *r, const char *field, const json_t *value,
                                      blind_error *err);
/* The calls of an assistant's message, with their arguments as objects. */
BLIND_MUST_USE blind_code bl_openai_read_calls(bl_openai_request *r, const char *field,
                                               const json_t *value, json_t *message,
                                               blind_error *err);
BLIND_MUST_USE blind_code bl_openai_add_call(bl_openai_request *r, const char *field,
                                             const char *id, const json_t *function, json_t *calls,
                                             blind_error *err);

#endif
