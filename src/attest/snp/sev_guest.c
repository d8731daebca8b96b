/* Reports by /dev/sev-guest, the interface of kernels before 6.7: an extended report with the
 * host's certificate table, or a plain one where the driver knows no other. Source: Linux,
 * Documentation/virt/coco/sev-guest.rst. */
#include "attest/snp/internal.h"
#include "attest/tsm.h"
#include "base/file.h"
#include "base/limits.h"

#include <errno.h>
#include <linux/sev-guest.h>
#include <stdlib.h>
#include <sys/ioctl.h>

static const char STAGE[] = "snp.device";

enum { MAX_TRIES = 10, RESPONSE_REPORT = 0x20, FIRST_TABLE = 4096 };

/* The firmware's response: u32 status, u32 size of the report, 24 reserved, the report.
 * Source: AMD 56860, section 7.3, MSG_REPORT_RSP. */
static blind_code take_response(const struct snp_report_resp *response, bl_buf *report,
                                blind_error *err)
{
    const uint8_t *d = response->data;
    uint32_t       status =
        (uint32_t)d[0] | (uint32_t)d[1] << 8 | (uint32_t)d[2] << 16 | (uint32_t)d[3] << 24;
    if (status)
        return blind_fail(err, BLIND_IO, STAGE, "the firmware refused a report: status %u", status);
    bl_buf_add(report, bl_span(d + RESPONSE_REPORT, BL_SNP_REPORT_SIZE));
    return bl_buf_check(report, STAGE, err);
}

/* One call: 0 or an errno.  *more is the size that the host's table needs, when it is larger. */
static int ask(bl_sev_guest *dev, const uint8_t data[64], struct snp_report_resp *response,
               bl_buf *certs, uint32_t *more)
{
    struct snp_ext_report_req      ext = { .certs_address = (uintptr_t)certs->data,
                                           .certs_len = (uint32_t)certs->size };
    struct snp_guest_request_ioctl call = { .msg_version = 1, .resp_data = (uintptr_t)response };
    call.req_data = dev->plain ? (uintptr_t)&ext.data : (uintptr_t)&ext;
    memcpy(ext.data.user_data, data, 64);
    ext.data.vmpl = dev->vmpl;
    int error = dev->call(dev->context, dev->plain ? SNP_GET_REPORT : SNP_GET_EXT_REPORT, &call);
    *more = error && call.vmm_error == SNP_GUEST_VMM_ERR_INVALID_LEN ? ext.certs_len : 0;
    return error && call.vmm_error == SNP_GUEST_VMM_ERR_BUSY ? EAGAIN : error;
}

static bool resize(bl_buf *certs, uint32_t size)
{
    bl_buf_clear(certs);
    uint8_t *room = size <= BL_MAX_TSM_BLOB ? bl_buf_reserve(certs, size) : NULL;
    if (!room)
        return false;
    memset(room, 0, size);
    certs->size = size;
    return true;
}

/* Again while the host is busy, with more room where it asks for it, and without its table where
 * the driver has no such call. */
static int ask_again(bl_sev_guest *dev, const uint8_t data[64], struct snp_report_resp *response,
                     bl_buf *certs)
{
    uint32_t more = FIRST_TABLE;
    int      error = EAGAIN;
    for (unsigned i = 0; i < MAX_TRIES && error; i++) {
        if (more && !resize(certs, more))
            return ENOMEM;
        error = ask(dev, data, response, certs, &more);
        if (error == ENOTTY && !dev->plain)
            dev->plain = true;
        else if (error == EAGAIN || error == EINTR)
            dev->wait_ms(dev->context, 1u << i);
        else if (error && !more)
            break;
    }
    if (error || dev->plain)
        bl_buf_clear(certs);
    return error;
}

blind_code bl_sev_guest_report(bl_sev_guest *dev, const uint8_t data[64], bl_buf *report,
                               bl_buf *certs, blind_error *err)
{
    struct snp_report_resp *response = calloc(1, sizeof *response);
    int                     error = response ? ask_again(dev, data, response, certs) : ENOMEM;
    blind_code              code =
        error == 0 ? take_response(response, report, err)
                     : error == EAGAIN
                         ? blind_fail(err, BLIND_BUSY, STAGE, "%s: busy after %d tries", BL_SEV_GUEST, MAX_TRIES)
                         : bl_errno_fail(err, STAGE, "ask for a report", BL_SEV_GUEST, error);
    free(response);
    return code;
}
