/* Quotes of the trust domain this runs in, by configfs-tsm, and the log of its boot beside them.
 *
 * A quote is handed on only when it holds the very report data that was asked for.  The device
 * /dev/tdx_guest of kernels before 6.7 is of no use here: its one ioctl gives a TDREPORT, which
 * only the same platform can check, and no quote. Source: Linux,
 * Documentation/ABI/testing/configfs-tsm-report; ACPI 6.5, 5.2.34 (CCEL). */
#include "attest/tdx/tdx.h"
#include "attest/tsm.h"
#include "base/file.h"
#include "base/limits.h"

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

static const char STAGE[] = "tdx.collect";
static const char OLD_DEVICE[] = "/dev/tdx_guest";
static const char CCEL[] = "/sys/firmware/acpi/tables/data/CCEL";

typedef struct {
    bl_tsm         *tsm;
    const char     *log_path; /* borrowed from the options, or CCEL */
    pthread_mutex_t lock;     /* on `quote` */
    bl_buf          quote;    /* the last one: what a log must come to */
} device;

void bl_tdx_close(void *opened)
{
    device *d = opened;
    if (!d)
        return;
    bl_tsm_close(d->tsm);
    bl_buf_done(&d->quote);
    (void)pthread_mutex_destroy(&d->lock);
    free(d);
}

blind_code bl_tdx_open(const bl_tee_options *options, void **out, blind_error *err)
{
    bl_tsm_options tsm = { .fs = options->tsm_fs,
                           .root = options->tsm_root,
                           .provider = "tdx_guest" };
    *out = NULL;
    device *d = calloc(1, sizeof *d);
    if (!d)
        return blind_fail(err, BLIND_MEMORY, STAGE, "out of memory");
    d->log_path = options->event_log ? options->event_log : CCEL;
    (void)pthread_mutex_init(&d->lock, NULL);
    blind_code code = bl_tsm_open(&tsm, &d->tsm, err);
    if (code == BLIND_OK) {
        *out = d;
        return BLIND_OK;
    }
    bl_tdx_close(d);
    if (code == BLIND_UNSUPPORTED && access(OLD_DEVICE, F_OK) == 0)
        return blind_fail_in(err, code, "%s gives reports but no quotes, Linux 6.7 is needed",
                             OLD_DEVICE);
    return code;
}

/* The quote is ours: of TDX, over these bytes and zeros. */
static blind_code check_quote(blind_span raw, blind_span data, blind_error *err)
{
    bl_quote     quote;
    bl_td_report td;
    uint8_t      field[64] = { 0 };
    memcpy(field, data.data, data.size);
    BL_TRY(bl_quote_parse(raw, &quote, err));
    if (quote.tee != BL_QUOTE_TDX)
        return blind_fail(err, BLIND_IO, STAGE, "the quote is not one of TDX");
    BL_TRY(bl_td_report_parse(quote.body, &td, err));
    if (bl_span_equal(td.report_data, bl_span(field, sizeof field)))
        return BLIND_OK;
    return blind_fail(err, BLIND_IO, STAGE, "the quote holds other report data than was asked for");
}

blind_code bl_tdx_collect(void *opened, blind_span report_data, int64_t now_s, bl_buf *evidence,
                          blind_error *err)
{
    device     *d = opened;
    bl_auto_buf quote = BL_BUF_EMPTY;
    (void)now_s;
    BL_TRY(bl_tsm_report(d->tsm, report_data, &quote, NULL, err));
    BL_TRY(check_quote(bl_buf_span(&quote), report_data, err));
    bl_buf_add(evidence, bl_buf_span(&quote));
    (void)pthread_mutex_lock(&d->lock);
    bl_buf_clear(&d->quote);
    bl_buf_add(&d->quote, bl_buf_span(&quote));
    bool kept = bl_buf_ok(&d->quote);
    (void)pthread_mutex_unlock(&d->lock);
    BL_TRY(bl_buf_check(evidence, STAGE, err));
    return kept ? BLIND_OK : blind_fail(err, BLIND_MEMORY, STAGE, "out of memory");
}

/* ---- the boot's log ---- */

/* Whether the log comes to the registers of the last quote.  It no longer does once something
 * extended one of its registers after the boot; a verifier would refuse it, and rightly. */
static bool explains_quote(device *d, blind_span log)
{
    bl_auto_arena arena = BL_ARENA_EMPTY;
    bl_quote      quote;
    bl_td_report  td;
    (void)pthread_mutex_lock(&d->lock);
    bool good = bl_quote_parse(bl_buf_span(&d->quote), &quote, NULL) == BLIND_OK &&
                bl_td_report_parse(quote.body, &td, NULL) == BLIND_OK &&
                bl_tdx_replay(&td, log, &arena, NULL) == BLIND_OK;
    (void)pthread_mutex_unlock(&d->lock);
    return good;
}

/* Only root may read the log, and nothing hangs on it: without one there are no parts. */
blind_code bl_tdx_endorse(void *opened, bl_buf *endorsements, blind_error *err)
{
    device     *d = opened;
    bl_auto_buf log = BL_BUF_EMPTY;
    bl_parts    parts = { 0 };
    if (bl_file_read(d->log_path, BL_MAX_BOOT_LOG, &log, NULL) != BLIND_OK || log.size == 0 ||
        !explains_quote(d, bl_buf_span(&log)))
        return BLIND_OK;
    BL_TRY(bl_parts_set(&parts, BL_LITERAL("event_log"), bl_buf_span(&log), err));
    return bl_parts_write(&parts, endorsements, err);
}
