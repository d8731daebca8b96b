/* The runtime log: an append-only list of what the server did that matters, hash-chained.
 *
 *     head_0 = 32 zero bytes        head_n+1 = SHA-256(head_n || SHA-256(record))
 *
 * A record is a deterministic CBOR map, {"v": 1, "type": text, ...}; the log travels as a CBOR
 * sequence of byte strings, one per record.  docs/formats/bundle.md has the fields of each type. */
#ifndef BL_RUNTIME_LOG_H
#define BL_RUNTIME_LOG_H

#include "attest/binding.h"
#include "base/arena.h"
#include "base/buf.h"

#include <pthread.h>

/* type, name in the record, has a name, has a digest */
#define BL_LOG_TYPES(X)                                                                            \
    X(CONFIG, "config", false, true)                                                               \
    X(POLICY, "policy", false, true)                                                               \
    X(RULES, "rules", false, true)                                                                 \
    X(MODEL_LOAD, "model.load", true, true)                                                        \
    X(MODEL_UNLOAD, "model.unload", true, false)

#define X(type, name, named, digest) BL_LOG_##type,
typedef enum { BL_LOG_TYPES(X) BL_LOG_TYPE_COUNT } bl_log_type;
#undef X

typedef struct {
    bl_log_type type;
    blind_span  name;       /* of the model, 1..BL_MAX_MODEL_NAME bytes; borrowed */
    uint8_t     sha256[32]; /* of the file; salted: SHA-256(salt || SHA-256(file)) */
    bool        salted; /* model.load only: an upload whose digest its uploader alone can check */
} bl_log_event;

/* SHA-256(salt || sha256): what a salted record says. */
BLIND_MUST_USE blind_code bl_log_salted(const uint8_t salt[32], const uint8_t sha256[32],
                                        uint8_t out[32]);

/* A register that nothing resets before a reboot: zero then, and SHA-256(register || digest) after
 * each extend.  Extended with the digest of each record it equals the log's head. */
typedef struct {
    blind_code (*read)(void *arg, uint8_t out[32], blind_error *err);
    blind_code (*extend)(void *arg, const uint8_t digest[32], blind_error *err);
    void *arg;
} bl_log_register;

/* Attester's side.  All functions may be called from any thread after _init(). */
typedef struct bl_runtime_log {
    pthread_mutex_t quoting; /* outer: held while a quote is made, so that register and log agree */
    pthread_mutex_t lock;
    bl_buf          bytes; /* the sequence as it travels */
    bl_log_state    state;
    bool            kept;   /* in a file and a register */
    int             fd;     /* of the file, when it is */
    bl_log_register reg;    /* arg NULL: out of reach */
    bool            broken; /* what is on disk or in the register is no longer known */
} bl_runtime_log;

BLIND_MUST_USE blind_code bl_runtime_log_init(bl_runtime_log *log, blind_error *err);
void                      bl_runtime_log_done(bl_runtime_log *log);
/* len_out, which may be NULL, gets the log's length with this event: sessions attested at a shorter
 * log have not seen it.  Errors: LIMIT (too many events, or a name too long), MEMORY */
BLIND_MUST_USE blind_code bl_runtime_log_append(bl_runtime_log *log, const bl_log_event *event,
                                                uint64_t *len_out, blind_error *err);
uint64_t                  bl_runtime_log_len(bl_runtime_log *log);

/* Keeps the log in a file and extends each record into a register: bytes on disk first, the
 * register then.  A log of this boot is continued, and a last extend that did not happen is made up
 * for; models that it says are loaded are said to be unloaded, for their process is gone.  What
 * `log` holds already comes behind.
 *
 * Errors: LOG (somebody else extended the register), BUSY (another process keeps this file), IO,
 * LIMIT, MEMORY, those of the register */
BLIND_MUST_USE blind_code bl_runtime_log_keep(bl_runtime_log *log, const char *path,
                                              const bl_log_register *reg, blind_error *err);
/* The same register, reached by another way; NULL: by none, nothing can be appended then. */
void bl_runtime_log_reach(bl_runtime_log *log, const bl_log_register *reg);
/* No record is appended between these two: what is quoted belongs to one moment. */
void bl_runtime_log_hold(bl_runtime_log *log);
void bl_runtime_log_release(bl_runtime_log *log);
/* State and bytes of one moment; either may be NULL; bytes are appended. */
BLIND_MUST_USE blind_code bl_runtime_log_snapshot(bl_runtime_log *log, bl_log_state *state,
                                                  bl_buf *bytes, blind_error *err);

/* Verifier's side: reads a log front to back, recomputing the chain. */
typedef struct {
    bl_log_event *events; /* in the arena; names borrow from the input */
    size_t        len;
    bl_log_state  state;
} bl_log_replay;

/* Errors: LOG (malformed, unknown type or version, too long), MEMORY */
BLIND_MUST_USE blind_code bl_runtime_log_replay(blind_span bytes, bl_arena *arena,
                                                bl_log_replay *out, blind_error *err);

/* What is loaded after the last event: one row per name, in the order of first loading. */
typedef struct {
    blind_span name;
    uint8_t    sha256[32];
    bool       salted;
} bl_log_model;
BLIND_MUST_USE blind_code bl_log_models(const bl_log_replay *replay, bl_arena *arena,
                                        const bl_log_model **models, size_t *len, blind_error *err);

#endif
