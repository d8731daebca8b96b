/* The log: one line per event, for people or for machines.
 *
 * Fields are names, counts, sizes, codes and times.  There is no field for content: neither tensors
 * nor bodies nor keys can be passed.
 *
 *     bl_log(BL_LOG_INFO, "model.load", BL_LOG_REQUEST(id), BL_LOG_NAME("model", name),
 *            BL_LOG_SIZE("bytes", n), BL_LOG_CODE(code));
 *
 *     2026-01-02T03:04:05.678Z info model.load request=7 model=digits bytes=42 code=OK
 *     {"time":"2026-01-02T03:04:05.678Z","level":"info","event":"model.load","request":7,...}
 *
 * The library is silent until a program calls bl_log_open().  Threads may log at once; lines are
 * written whole. */
#ifndef BL_LOG_H
#define BL_LOG_H

#include "base/base.h"

typedef enum {
    BL_LOG_OFF,
    BL_LOG_ERROR,
    BL_LOG_WARN,
    BL_LOG_INFO,
    BL_LOG_DEBUG,
} bl_log_level;

typedef enum { BL_LOG_TEXT, BL_LOG_JSON } bl_log_format;

typedef enum {
    BL_LOG_FIELD_END,
    BL_LOG_FIELD_NAME,
    BL_LOG_FIELD_INT,
    BL_LOG_FIELD_UINT,
    BL_LOG_FIELD_REAL,
} bl_log_kind;

typedef struct {
    bl_log_kind kind;
    const char *key;  /* static: [a-z_] */
    const char *name; /* escaped, and cut after 128 bytes */
    union {
        int64_t  i;
        uint64_t u;
        double   real;
    };
} bl_log_field;

#define BL_LOG_NAME(k, text)                                                                       \
    ((bl_log_field){ .kind = BL_LOG_FIELD_NAME, .key = (k), .name = (text) })
#define BL_LOG_INT(k, value)                                                                       \
    ((bl_log_field){ .kind = BL_LOG_FIELD_INT, .key = (k), .i = (int64_t)(value) })
#define BL_LOG_COUNT(k, value)                                                                     \
    ((bl_log_field){ .kind = BL_LOG_FIELD_UINT, .key = (k), .u = (uint64_t)(value) })
#define BL_LOG_SIZE(k, value) BL_LOG_COUNT(k, value)
#define BL_LOG_MS(k, value)                                                                        \
    ((bl_log_field){ .kind = BL_LOG_FIELD_REAL, .key = (k), .real = (double)(value) })
#define BL_LOG_CODE(value) BL_LOG_NAME("code", blind_code_name(value))
#define BL_LOG_REQUEST(id) BL_LOG_COUNT("request", id)
#define BL_LOG_STAGE(err)  BL_LOG_NAME("stage", (err)->stage)

/* From now on, events up to `level` go to `fd`, which stays the caller's. */
void bl_log_open(bl_log_level level, bl_log_format format, int fd);
/* Whether an event of this level would be written. */
bool bl_log_on(bl_log_level level);

#define bl_log(level, event, ...)                                                                  \
    do {                                                                                           \
        if (bl_log_on(level))                                                                      \
            bl_log_write((level), (event),                                                         \
                         (const bl_log_field[]){ __VA_ARGS__ __VA_OPT__(, ){ 0 } });               \
    } while (0)
/* `fields` ends with one of kind END. */
void bl_log_write(bl_log_level level, const char *event, const bl_log_field *fields);

/* "off", "error", "warn", "info", "debug"; false for another word. */
bool bl_log_level_parse(const char *word, bl_log_level *out);

#endif
