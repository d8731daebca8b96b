/* A borrowed run of bytes.  Whoever made it owns the memory. */
#ifndef BLIND_SPAN_H
#define BLIND_SPAN_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
    const uint8_t *data;
    size_t         size; /* bytes */
} blind_span;

#ifdef __cplusplus
}
#endif
#endif
