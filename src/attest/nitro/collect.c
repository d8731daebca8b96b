/* Documents from the Nitro security module.  Not run on hardware: tested against a stand-in for the
 * driver's documented interface. */
#include "attest/nitro/nitro.h"
#include "attest/nitro/nsm.h"
#include "base/cbor_any.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

static const char STAGE[] = "nitro.nsm";

#define NSM_IOCTL_RAW _IOWR(0x0a, 0x00, bl_nsm_raw)

void bl_nsm_request_write(blind_span user_data, bl_buf *out)
{
    bl_cbor_put_map(out, 1);
    bl_cbor_put_text(out, "Attestation");
    bl_cbor_put_map(out, 3);
    bl_cbor_put_text(out, "user_data");
    if (user_data.size)
        bl_cbor_put_bytes(out, user_data);
    else
        bl_cbor_put_null(out);
    bl_cbor_put_text(out, "nonce");
    bl_cbor_put_null(out);
    bl_cbor_put_text(out, "public_key");
    bl_cbor_put_null(out);
}

/* {"document": bytes} */
static blind_span read_attestation(bl_reader *r)
{
    blind_span  document = { 0 };
    bl_any_list map = bl_any_map(r);
    while (bl_any_more(r, &map))
        if (bl_span_equal(bl_any_text(r), BL_LITERAL("document")))
            document = bl_any_bytes(r);
        else
            bl_any_skip(r);
    return document;
}

blind_code bl_nsm_response_parse(blind_span raw, blind_span *document, blind_error *err)
{
    bl_reader   r = { .rest = raw };
    blind_span  error = { 0 };
    bl_any_list map = bl_any_map(&r);
    *document = (blind_span){ 0 };
    while (bl_any_more(&r, &map)) {
        blind_span name = bl_any_text(&r);
        if (bl_span_equal(name, BL_LITERAL("Attestation")))
            *document = read_attestation(&r);
        else if (bl_span_equal(name, BL_LITERAL("Error")))
            error = bl_any_text(&r);
        else
            bl_any_skip(&r);
    }
    if (bl_reader_done(&r) && error.size)
        return blind_fail(err, BLIND_FAILED, STAGE, "the security module says '%.*s'",
                          (int)BL_MIN(error.size, 64), (const char *)error.data);
    if (bl_reader_done(&r) && document->size)
        return BLIND_OK;
    *document = (blind_span){ 0 };
    return blind_fail(err, BLIND_INPUT, STAGE, "%zu bytes that are no response with a document",
                      raw.size);
}

static uint64_t address(const void *at)
{
    return (uint64_t)(uintptr_t)at;
}

blind_code bl_nsm_attest(int fd, bl_nsm_ioctl call, blind_span user_data, bl_buf *document,
                         blind_error *err)
{
    bl_auto_buf request = BL_BUF_EMPTY, response = BL_BUF_EMPTY;
    blind_span  found;
    bl_nsm_request_write(user_data, &request);
    uint8_t *to = bl_buf_reserve(&response, BL_NSM_MAX_RESPONSE);
    BL_TRY(bl_buf_check(&request, STAGE, err));
    BL_TRY(bl_buf_check(&response, STAGE, err));
    if (request.size > BL_NSM_MAX_REQUEST)
        return blind_fail(err, BLIND_INPUT, STAGE, "a request of %zu bytes", request.size);
    bl_nsm_raw raw = { .request = { address(request.data), request.size },
                       .response = { address(to), BL_NSM_MAX_RESPONSE } };
    if (call(fd, &raw) != 0)
        return blind_fail(err, BLIND_IO, STAGE, "the device refuses the request: %s",
                          strerror(errno));
    if (raw.response.len > BL_NSM_MAX_RESPONSE)
        return blind_fail(err, BLIND_INPUT, STAGE, "a response larger than its buffer");
    response.size = (size_t)raw.response.len;
    BL_TRY(bl_nsm_response_parse(bl_buf_span(&response), &found, err));
    bl_buf_add(document, found);
    return bl_buf_check(document, STAGE, err);
}

/* ---- the row's functions ---- */

typedef struct {
    int fd;
} device;

static int real_ioctl(int fd, bl_nsm_raw *raw)
{
    return ioctl(fd, NSM_IOCTL_RAW, raw);
}

blind_code bl_nitro_open(const bl_tee_options *options, void **out, blind_error *err)
{
    (void)options;
    *out = NULL;
    device *d = calloc(1, sizeof *d);
    if (!d)
        return blind_fail(err, BLIND_MEMORY, STAGE, "out of memory");
    d->fd = open("/dev/nsm", O_RDWR | O_CLOEXEC);
    if (d->fd < 0) {
        free(d);
        return blind_fail(err, BLIND_IO, STAGE, "cannot open '/dev/nsm': %s", strerror(errno));
    }
    *out = d;
    return BLIND_OK;
}

/* The driver serves one caller after another, so threads may share the descriptor. */
blind_code bl_nitro_collect(void *opened, blind_span report_data, int64_t now_s, bl_buf *evidence,
                            blind_error *err)
{
    const device *d = opened;
    uint8_t       field[64] = { 0 };
    (void)now_s;
    if (report_data.size == 0 || report_data.size > sizeof field)
        return blind_fail(err, BLIND_USAGE, STAGE, "%zu bytes of report data, at most %zu",
                          report_data.size, sizeof field);
    memcpy(field, report_data.data, report_data.size);
    return bl_nsm_attest(d->fd, real_ioctl, bl_span(field, sizeof field), evidence, err);
}

void bl_nitro_close(void *opened)
{
    device *d = opened;
    if (!d)
        return;
    close(d->fd);
    free(d);
}
