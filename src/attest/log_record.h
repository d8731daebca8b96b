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

/* Appends the record of an event. */
void bl_log_put_record(const bl_log_event *event, bl_buf *out);
/* Appends a record; the lock is held. */
blind_code bl_runtime_log_add(bl_runtime_log *log, blind_span record, blind_error *err);
/* Puts the bytes of the log from `before` on disk and the record into the register, where there are
 * such.  A failure breaks the log: nobody knows what is there. */
blind_code bl_runtime_log_store(bl_runtime_log *log, size_t before, blind_span record,
                                blind_error *err);

#endif
