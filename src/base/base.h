/* Small words that every file uses: spans, scope exits, checked arithmetic. */
#ifndef BL_BASE_H
#define BL_BASE_H

#include "blind/error.h"
#include "blind/span.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define BL_LEN(array) (sizeof(array) / sizeof *(array))
#define BL_MIN(a, b)  ((a) < (b) ? (a) : (b))
#define BL_MAX(a, b)  ((a) > (b) ? (a) : (b))

/* Fails out of the current function with the code of `call`. */
#define BL_TRY(call)                                                                               \
    do {                                                                                           \
        blind_code bl_try_code = (call);                                                           \
        if (bl_try_code != BLIND_OK)                                                               \
            return bl_try_code;                                                                    \
    } while (0)

/* The bytes of a string literal, without its NUL. */
#define BL_LITERAL(s) ((blind_span){ (const uint8_t *)(s), sizeof(s) - 1 })

static inline blind_span bl_span(const void *data, size_t size)
{
    return (blind_span){ (const uint8_t *)data, size };
}

static inline blind_span bl_span_str(const char *s)
{
    return (blind_span){ (const uint8_t *)s, strlen(s) };
}

static inline bool bl_span_equal(blind_span a, blind_span b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

/* False when the sum or product does not fit. */
static inline bool bl_add(size_t a, size_t b, size_t *out)
{
    return !__builtin_add_overflow(a, b, out);
}

static inline bool bl_mul(size_t a, size_t b, size_t *out)
{
    return !__builtin_mul_overflow(a, b, out);
}

/* Closes a descriptor at scope exit: bl_auto_fd int fd = open(...);  bl_take_fd(&fd) keeps it. */
void bl_close_fd(int *fd);
#define bl_auto_fd __attribute__((cleanup(bl_close_fd)))
static inline int bl_take_fd(int *fd)
{
    int taken = *fd;
    *fd = -1;
    return taken;
}

/* Frees heap memory at scope exit: bl_auto_free char *s = ...; */
void bl_free_pointer(void *pointer_to_pointer);
#define bl_auto_free __attribute__((cleanup(bl_free_pointer)))
#define bl_take(p)                                                                                 \
    ({                                                                                             \
        __typeof__(p) bl_taken = (p);                                                              \
        (p) = NULL;                                                                                \
        bl_taken;                                                                                  \
    })

/* Overwrites memory so that no compiler leaves it out. */
void bl_wipe(void *data, size_t size);
/* The same for what finished calls left on this thread's stack, 32 KiB deep. */
void bl_wipe_stack(void);

/* Compares in time that depends on the sizes alone. */
bool bl_equal_secret(blind_span a, blind_span b);

#endif
