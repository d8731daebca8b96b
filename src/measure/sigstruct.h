/* SIGSTRUCT: the structure that a signer of an SGX enclave makes, and what a quote will say of it.
 *
 * Source: Intel SDM, volume 3D, section 38.13 (table 38-19) and EINIT; MRSIGNER: section 38.1.1. */
#ifndef BL_SIGSTRUCT_H
#define BL_SIGSTRUCT_H

#include "base/base.h"

#define BL_SIGSTRUCT_SIZE 1808

typedef struct {
    blind_span raw;       /* borrowed */
    uint32_t   vendor;    /* 0, or 0x8086 for Intel's own */
    uint32_t   date;      /* 0xYYYYMMDD, decimal digits */
    blind_span modulus;   /* 384 bytes, little-endian */
    blind_span signature; /* 384 bytes, little-endian */
    uint32_t   misc_select, misc_mask;
    blind_span attributes, attributes_mask; /* 16 bytes: flags, then XFRM */
    uint8_t    mrenclave[32];
    uint8_t    mrsigner[32]; /* SHA-256 of the modulus */
    uint16_t   prod_id, svn;
} bl_sigstruct;

/* Reads a SIGSTRUCT and checks its RSA-3072 signature (exponent 3, PKCS#1, SHA-256), as EINIT does.
 * Errors: INPUT (malformed), SIGNATURE, MEMORY.  *out, which borrows, is empty on failure. */
BLIND_MUST_USE blind_code bl_sigstruct_parse(blind_span raw, bl_sigstruct *out, blind_error *err);

/* ATTRIBUTES.FLAGS.DEBUG: set, or left to whoever starts the enclave. */
bool bl_sigstruct_may_debug(const bl_sigstruct *s);

#endif
