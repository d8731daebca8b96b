/* Enclave reports, bytes to fields.  Source: Intel SDM volume 3D, section 38.16 (REPORT). */
#include "attest/sgx/sgx.h"
#include "base/reader.h"

blind_code bl_sgx_report_parse(blind_span raw, bl_sgx_report *out, blind_error *err)
{
    bl_reader r = { .rest = raw };
    *out = (bl_sgx_report){ .cpu_svn = bl_read_bytes(&r, 16) }; /* 0x000 */
    out->misc_select = bl_read_u32le(&r);                       /* 0x010 */
    bl_skip(&r, 12);                                            /* 0x014 */
    out->isv_ext_prod_id = bl_read_bytes(&r, 16);               /* 0x020 */
    out->attributes = bl_read_bytes(&r, 16);                    /* 0x030 */
    out->mrenclave = bl_read_bytes(&r, 32);                     /* 0x040 */
    bl_skip(&r, 32);                                            /* 0x060 */
    out->mrsigner = bl_read_bytes(&r, 32);                      /* 0x080 */
    bl_skip(&r, 32);                                            /* 0x0a0 */
    out->config_id = bl_read_bytes(&r, 64);                     /* 0x0c0 */
    out->isv_prod_id = bl_read_u16le(&r);                       /* 0x100 */
    out->isv_svn = bl_read_u16le(&r);                           /* 0x102 */
    out->config_svn = bl_read_u16le(&r);                        /* 0x104 */
    bl_skip(&r, 42);                                            /* 0x106 */
    out->isv_family_id = bl_read_bytes(&r, 16);                 /* 0x130 */
    out->report_data = bl_read_bytes(&r, 64);                   /* 0x140 */
    bl_reader attributes = { .rest = out->attributes };
    out->flags = bl_read_u64le(&attributes);
    out->xfrm = bl_read_u64le(&attributes);
    if (bl_reader_done(&r))
        return BLIND_OK;
    *out = (bl_sgx_report){ 0 };
    return blind_fail(err, BLIND_FORMAT, "sgx.report", "%zu bytes, expected %d", raw.size,
                      BL_SGX_REPORT_SIZE);
}
