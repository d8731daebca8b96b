/* Intel's signed collateral: { "tcbInfo": {...}, "signature": "128 hexadecimal digits" }.
 *
 * The signature is over the very bytes of the inner object, from its first brace to its last, so
 * they are found in the text without reading it as JSON; a text written anew does not verify.
 * Source: Intel SGX and TDX Provisioning Certification Service API v4, "Get TCB Info". */
#ifndef BL_INTEL_SIGNED_JSON_H
#define BL_INTEL_SIGNED_JSON_H

#include "base/base.h"

#define BL_MAX_COLLATERAL (1u << 20) /* Intel's are below 20 kB */

typedef struct {
    blind_span body; /* borrowed from the text */
    uint8_t    signature[64];
} bl_signed_json;

/* Finds the object `name` and its signature: these two members and no other, each once.
 * Errors: FORMAT */
BLIND_MUST_USE blind_code bl_signed_json_find(blind_span text, const char *name,
                                              bl_signed_json *out, blind_error *err);

/* Seconds since 1970 of "2026-02-01T14:49:26Z"; false when it is another text. */
bool bl_json_time(const char *text, int64_t *out);

#endif
