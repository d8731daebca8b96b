/* Reports of the guest this runs in: by configfs-tsm, and by /dev/sev-guest on kernels before 6.7.
 *
 * A report is handed on only when it holds the very report data that was asked for.  What the host
 * gives as certificates is kept for bl_tee.endorse, and believed by nobody here. */
#include "attest/snp/internal.h"
#include "attest/tsm.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/ioctl.h>

static const char STAGE[] = "snp.collect";

typedef struct {
    bl_tsm         *tsm; /* NULL: sev */
    bl_sev_guest    sev;
    int             fd;    /* of BL_SEV_GUEST, or -1 */
    pthread_mutex_t lock;  /* on `certs` and the device */
    bl_buf          certs; /* the table that came with the last report */
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

static int call_kernel(void *context, unsigned long request, void *argument)
{
    return ioctl(*(const int *)context, request, argument) == 0 ? 0 : errno;
}

static void wait_ms(void *context, unsigned ms)
{
    (void)context;
    bl_tsm_kernel.wait_ms(NULL, ms);
}

/* The device is the fallback, and only where there is no other interface: what refuses to work is
 * said as it is. */
static blind_code open_interface(device *d, const bl_tee_options *o, blind_error *err)
{
    bl_tsm_options options = {
        .fs = o->tsm_fs, .root = o->tsm_root, .provider = "sev_guest", .privlevel = o->vmpl
    };
    blind_code code = bl_tsm_open(&options, &d->tsm, err);
    if (code != BLIND_UNSUPPORTED || ((o->tsm_fs || o->tsm_root) && !o->sev_guest))
        return code;
    if (o->sev_guest) {
        d->sev = *o->sev_guest;
        return BLIND_OK;
    }
    d->sev = (bl_sev_guest){
        .call = call_kernel, .wait_ms = wait_ms, .context = &d->fd, .vmpl = o->vmpl
    };
    d->fd = open(BL_SEV_GUEST, O_RDWR | O_CLOEXEC);
    if (d->fd >= 0)
        return BLIND_OK;
    if (errno == ENOENT)
        return blind_fail_in(err, code, "no %s either", BL_SEV_GUEST);
    return bl_errno_fail(err, STAGE, "open", BL_SEV_GUEST, errno);
}

blind_code bl_snp_open(const bl_tee_options *options, void **out, blind_error *err)
{
    *out = NULL;
    device *d = calloc(1, sizeof *d);
    if (!d)
        return blind_fail(err, BLIND_MEMORY, STAGE, "out of memory");
    d->fd = -1;
    (void)pthread_mutex_init(&d->lock, NULL);
    blind_code code = open_interface(d, options, err);
    if (code == BLIND_OK)
        *out = d;
    else
        bl_snp_close(d);
    return code;
}

static blind_code ask(device *d, const uint8_t data[64], bl_buf *report, blind_error *err)
{
    if (!d->tsm)
        return bl_sev_guest_report(&d->sev, data, report, &d->certs, err);
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
