/* What both sides of the runtime log share. */
#ifndef BL_LOG_RECORD_H
#define BL_LOG_RECORD_H

#include "attest/runtime_log.h"

typedef struct {
    const char *name;
    bool        named, digest;
} bl_log_form;

extern const bl_log_form bl_log_forms[BL_LOG_TYPE_COUNT];

/* 1 to BL_MAX_MODEL_NAME visible ASCII characters, so that a log cannot paint a terminal. */
bool bl_log_name_ok(blind_span name);
/* head = SHA-256(head || SHA-256(record)), one event more. */
BLIND_MUST_USE blind_code bl_log_extend(bl_log_state *state, blind_span record);

#endif
