/* The provisioning certification key's certificate: what Intel states of a platform in it.
 *
 * Its extension 1.2.840.113741.1.13.1 is a SEQUENCE of { OID, value }, each OID once:
 *
 *     .1      OCTET STRING 16   PPID
 *     .2      SEQUENCE of { OID, value }: .2.1 to .2.16 INTEGER, the components' versions; .2.17
 *             INTEGER, PCESVN; .2.18 OCTET STRING 16, CPUSVN
 *     .3      OCTET STRING 2    PCEID
 *     .4      OCTET STRING 6    FMSPC: family, model, stepping, platform and custom SKU
 *     .5      ENUMERATED        kind of SGX: 0 standard, 1 scalable, 2 scalable with integrity
 *     .6      OCTET STRING 16   platform instance (platforms of several packages only)
 *     .7      SEQUENCE of { OID, BOOLEAN }: .7.1 dynamic platform, .7.2 cached keys, .7.3
 *             simultaneous multithreading (the same only)
 *
 * Source: Intel SGX PCK Certificate and CRL Profile Specification, section 1.3.5. */
#ifndef BL_INTEL_PCK_H
#define BL_INTEL_PCK_H

#include "base/base.h"

#define BL_PCK_EXTENSION  "1.2.840.113741.1.13.1"
#define BL_TCB_COMPONENTS 16

typedef enum { BL_PCK_UNSAID, BL_PCK_NO, BL_PCK_YES } bl_pck_flag;

typedef struct {
    uint8_t     ppid[16];
    uint8_t     components[BL_TCB_COMPONENTS];
    uint16_t    pce_svn;
    uint8_t     cpu_svn[16];
    uint8_t     pce_id[2];
    uint8_t     fmspc[6];
    uint8_t     sgx_type;
    bool        has_instance;
    uint8_t     instance[16];
    bl_pck_flag dynamic, cached_keys, smt;
} bl_pck;

/* The extension's contents.  Errors: FORMAT */
BLIND_MUST_USE blind_code bl_pck_parse(blind_span extension, bl_pck *out, blind_error *err);

#endif
