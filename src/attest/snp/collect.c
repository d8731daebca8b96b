/* Reports of the guest this runs in: by configfs-tsm, and by /dev/sev-guest on kernels before 6.7.
 *
 * A report is handed on only when it holds the very report data that was asked for.  What the host
 * gives as certificates is kept for bl_tee.endorse, and believed by nobody here. */
#include "attest/snp/internal.h"
#include "attest/tsm.h"
#include "base/file.h"
#include "base/limits.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sev-guest.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/ioctl.h>

static const char STAGE[] = "snp.collect";
static const char DEVICE[] = "/dev/sev-guest";

enum { MAX_TRIES = 10, RESPONSE_REPORT = 0x20, FIRST_TABLE = 4096 };

typedef struct {
    bl_tsm         *tsm;      /* NULL: fd */
    int             fd;       /* of DEVICE, or -1 */
    pthread_mutex_t lock;     /* on `certs` and the device */
    bl_buf          certs;    /* the table that came with the last report */
    bool            no_certs; /* the device knows no extended report */
    unsigned        vmpl;
} device;

void bl_snp_close(void *opened)
{
    device *d = opened;
    if (!d)
        return;
    bl_tsm_close(d->tsm);
    bl_close_fd(&d->fd);
    bl_buf_done(&d->certs);
    (void)pthread_mutex_destroy(&d->lock);
    free(d);
}

/* The device is the fallback, and only where there is no other interface: what refuses to work is
 * said as it is. */
static blind_code open_interface(device *d, const bl_tee_options *o, blind_error *err)
{
    bl_tsm_options options = {
        .fs = o->tsm_fs, .root = o->tsm_root, .provider = "sev_guest", .privlevel = o->vmpl
    };
    blind_code code = bl_tsm_open(&options, &d->tsm, err);
    if (code != BLIND_UNSUPPORTED || o->tsm_fs || o->tsm_root)
        return code;
    d->fd = open(DEVICE, O_RDWR | O_CLOEXEC);
    if (d->fd >= 0)
        return BLIND_OK;
    if (errno == ENOENT)
        return blind_fail_in(err, code, "no %s either", DEVICE);
    return bl_errno_fail(err, STAGE, "open", DEVICE, errno);
}

blind_code bl_snp_open(const bl_tee_options *options, void **out, blind_error *err)
{
    *out = NULL;
    device *d = calloc(1, sizeof *d);
    if (!d)
        return blind_fail(err, BLIND_MEMORY, STAGE, "out of memory");
    d->fd = -1;
    d->vmpl = options->vmpl;
    (void)pthread_mutex_init(&d->lock, NULL);
    blind_code code = open_interface(d, options, err);
    if (code == BLIND_OK)
        *out = d;
    else
        bl_snp_close(d);
    return code;
}

/* ---- /dev/sev-guest ---- */

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

/* 0, or the errno of the last try; *more is the size the host's table needs. */
static int ask_device(device *d, const uint8_t data[64], struct snp_report_resp *response,
                      bl_buf *certs, uint32_t *more)
{
    struct snp_ext_report_req      ext = { .certs_address = (uintptr_t)certs->data,
                                           .certs_len = (uint32_t)certs->size };
    struct snp_guest_request_ioctl call = { .msg_version = 1,
                                            .req_data = d->no_certs ? (uintptr_t)&ext.data
                                                                    : (uintptr_t)&ext,
                                            .resp_data = (uintptr_t)response };
    memcpy(ext.data.user_data, data, 64);
    ext.data.vmpl = d->vmpl;
    int result = ioctl(d->fd, d->no_certs ? SNP_GET_REPORT : SNP_GET_EXT_REPORT, &call);
    int error = result == 0 ? 0 : errno;
    *more = 0;
    if (error && call.vmm_error == SNP_GUEST_VMM_ERR_INVALID_LEN)
        *more = ext.certs_len;
    if (error && call.vmm_error == SNP_GUEST_VMM_ERR_BUSY)
        error = EAGAIN;
    return error;
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

static blind_code collect_device(device *d, const uint8_t data[64], bl_buf *report,
                                 blind_error *err)
{
    struct snp_report_resp *response = calloc(1, sizeof *response);
    uint32_t                more = FIRST_TABLE;
    int                     error = response ? EAGAIN : ENOMEM;
    for (unsigned i = 0; i < MAX_TRIES && (error == EAGAIN || error == EINTR || more); i++) {
        if (i && !more)
            bl_tsm_kernel.wait_ms(NULL, 1u << i);
        if (more && !resize(&d->certs, more)) {
            error = ENOMEM;
            break;
        }
        error = response ? ask_device(d, data, response, &d->certs, &more) : ENOMEM;
        if (error == ENOTTY && !d->no_certs) {
            d->no_certs = true;
            error = EAGAIN;
        }
    }
    blind_code code = error ? bl_errno_fail(err, STAGE, "ask for a report", DEVICE, error)
                            : take_response(response, report, err);
    free(response);
    return code;
}

/* ---- both ---- */

static blind_code ask(device *d, const uint8_t data[64], bl_buf *report, blind_error *err)
{
    if (!d->tsm)
        return collect_device(d, data, report, err);
    bl_buf_clear(&d->certs);
    return bl_tsm_report(d->tsm, bl_span(data, 64), report, &d->certs, err);
}

/* Whatever raced or lied on the way shows here. */
static blind_code check_report(blind_span report, const uint8_t data[64], blind_error *err)
{
    bl_snp_report fields;
    BL_TRY(bl_snp_report_parse(report, &fields, err));
    if (bl_span_equal(fields.report_data, bl_span(data, 64)))
        return BLIND_OK;
    return blind_fail(err, BLIND_IO, STAGE, "a report over other report data than asked for");
}

blind_code bl_snp_collect(void *opened, blind_span report_data, int64_t now_s, bl_buf *evidence,
                          blind_error *err)
{
    device *d = opened;
    uint8_t data[64] = { 0 };
    size_t  start = evidence->size;
    (void)now_s; /* reports have no clock */
    if (report_data.size == 0 || report_data.size > sizeof data)
        return blind_fail(err, BLIND_USAGE, STAGE, "%zu bytes of report data, at most %zu",
                          report_data.size, sizeof data);
    memcpy(data, report_data.data, report_data.size);
    (void)pthread_mutex_lock(&d->lock);
    blind_code code = ask(d, data, evidence, err);
    (void)pthread_mutex_unlock(&d->lock);
    if (code == BLIND_OK)
        code = check_report(bl_span(evidence->data + start, evidence->size - start), data, err);
    if (code != BLIND_OK)
        evidence->size = start;
    return code;
}

static blind_code set_part(bl_parts *parts, const char *name, blind_span bytes, blind_error *err)
{
    return bytes.size ? bl_parts_set(parts, bl_span_str(name), bytes, err) : BLIND_OK;
}

static blind_code write_parts(const bl_snp_certs *certs, bl_buf *out, blind_error *err)
{
    bl_parts parts = { .len = 0 };
    BL_TRY(set_part(&parts, "vcek", certs->vcek, err));
    BL_TRY(set_part(&parts, "vlek", certs->vlek, err));
    BL_TRY(set_part(&parts, "ask", certs->ask, err));
    BL_TRY(set_part(&parts, "ark", certs->ark, err));
    BL_TRY(set_part(&parts, "crl", certs->crl, err));
    return bl_parts_write(&parts, out, err);
}

/* A table that cannot be read is the host's fault and nobody's evidence: without certificates the
 * verifier says what is missing. */
blind_code bl_snp_endorse(void *opened, bl_buf *endorsements, blind_error *err)
{
    device      *d = opened;
    bl_snp_certs certs;
    blind_code   code = BLIND_OK;
    (void)pthread_mutex_lock(&d->lock);
    if (bl_snp_cert_table_parse(bl_buf_span(&d->certs), &certs, NULL) == BLIND_OK)
        code = write_parts(&certs, endorsements, err);
    (void)pthread_mutex_unlock(&d->lock);
    return code;
}
