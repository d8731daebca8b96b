/* SGX enclave reports, and the row of the table of TEEs.
 *
 * The report, 384 bytes, little-endian integers; reserved bytes are zero:
 *
 *     0x000  16  CPUSVN: versions of what the processor trusts
 *     0x010  4   MISCSELECT
 *     0x020  16  ISVEXTPRODID
 *     0x030  8   ATTRIBUTES.FLAGS: bit 0 initialised, bit 1 debug, bit 2 64-bit mode, bit 4
 *                provisioning key, bit 5 launch key, bit 7 key separation and sharing
 *     0x038  8   ATTRIBUTES.XFRM: processor state that the enclave may use
 *     0x040  32  MRENCLAVE: what was loaded
 *     0x080  32  MRSIGNER: who signed it
 *     0x0c0  64  CONFIGID
 *     0x100  2   ISVPRODID
 *     0x102  2   ISVSVN
 *     0x104  2   CONFIGSVN
 *     0x130  16  ISVFAMILYID
 *     0x140  64  REPORTDATA: the attester's bytes
 *
 * Source: Intel SDM volume 3D, section 38.16 (REPORT). */
#ifndef BL_SGX_H
#define BL_SGX_H

#include "attest/intel/quote.h"
#include "attest/tee.h"

#define BL_SGX_FLAG_INIT  1u
#define BL_SGX_FLAG_DEBUG 2u

typedef struct {
    uint32_t   misc_select;
    uint64_t   flags, xfrm;
    uint16_t   isv_prod_id, isv_svn, config_svn;
    blind_span cpu_svn, attributes; /* 16 bytes: flags and xfrm as they stand */
    blind_span mrenclave, mrsigner; /* 32 bytes */
    blind_span isv_ext_prod_id, isv_family_id, config_id, report_data;
} bl_sgx_report;

/* Spans borrow from `raw`.  Errors: FORMAT */
BLIND_MUST_USE blind_code bl_sgx_report_parse(blind_span raw, bl_sgx_report *out, blind_error *err);

/* The functions of the row bl_tee_sgx. */
blind_code bl_sgx_open(const bl_tee_options *options, void **out, blind_error *err);
blind_code bl_sgx_collect(void *opened, blind_span report_data, int64_t now_s, bl_buf *evidence,
                          blind_error *err);
void       bl_sgx_close(void *opened);
blind_code bl_sgx_verify(const bl_verify_input *in, bl_claims *out, blind_error *err);

#endif
