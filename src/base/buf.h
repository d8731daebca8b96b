/* A growable run of bytes on the heap, with a bound.  Failure sticks: check bl_buf_ok() once. */
#ifndef BL_BUF_H
#define BL_BUF_H

#include "base/base.h"

typedef struct {
    uint8_t *data;
    size_t   size, capacity;
    size_t   max;    /* 0: no bound but memory */
    bool     failed; /* out of memory, or past max */
    bool     full;   /* which of the two: past max */
    bool     secret; /* wiped when it moves and when it ends */
} bl_buf;

#define BL_BUF_EMPTY ((bl_buf){ 0 })

void bl_buf_done(bl_buf *b);
#define bl_auto_buf __attribute__((cleanup(bl_buf_done))) bl_buf

/* Makes room for `more` bytes past size and returns where they go, or NULL. */
uint8_t *bl_buf_reserve(bl_buf *b, size_t more);
void     bl_buf_clear(bl_buf *b); /* keeps the capacity */
void     bl_buf_add(bl_buf *b, blind_span bytes);
void     bl_buf_add_str(bl_buf *b, const char *s);
void     bl_buf_add_be(bl_buf *b, uint64_t value, size_t bytes);
void     bl_buf_add_le(bl_buf *b, uint64_t value, size_t bytes);
void     bl_buf_add_u8(bl_buf *b, uint8_t value);
void     bl_buf_printf(bl_buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Removes the first n bytes, n <= size. */
void bl_buf_consume(bl_buf *b, size_t n);
/* Data as a NUL-terminated string (the NUL is not counted in size), or NULL on failure. */
char *bl_buf_cstr(bl_buf *b);

static inline bool bl_buf_ok(const bl_buf *b)
{
    return !b->failed;
}
static inline blind_span bl_buf_span(const bl_buf *b)
{
    return (blind_span){ b->data, b->size };
}
/* Hands the memory to the caller, who frees it. */
static inline uint8_t *bl_buf_take(bl_buf *b, size_t *size)
{
    uint8_t *data = b->data;
    if (size)
        *size = b->size;
    *b = BL_BUF_EMPTY;
    return data;
}

/* MEMORY or LIMIT of a failed buffer, OK of another. */
BLIND_MUST_USE blind_code bl_buf_check(const bl_buf *b, const char *stage, blind_error *err);

#endif
