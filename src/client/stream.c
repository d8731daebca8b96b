/* One connection with a verdict. */
#include "client/internal.h"

#include <stdlib.h>
#include <unistd.h>

blind_stream *bl_stream_new(blind_dialer *dialer)
{
    blind_stream *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->fd = -1;
    s->dialer = bl_dialer_share(dialer);
    return s;
}

void blind_stream_close(blind_stream *s)
{
    if (!s)
        return;
    bl_tls_close(s->ssl);
    bl_close_fd(&s->fd);
    bl_inquiry_done(&s->inquiry);
    bl_introduction_done(&s->introduction);
    bl_contexts_done(&s->contexts);
    blind_result_free(s->result);
    free(s->spki);
    blind_dialer_free(s->dialer);
    free(s);
}

static blind_code usable(const blind_stream *s, blind_error *err)
{
    if (!s->broken && s->expiry_ms)
        return BLIND_OK;
    return blind_fail(err, BLIND_CLOSED, "stream.closed", "this stream has ended");
}

/* A failure other than AGAIN ends the stream. */
static blind_code ended(blind_stream *s, blind_code code)
{
    if (code != BLIND_OK && code != BLIND_AGAIN)
        s->broken = true;
    return code;
}

blind_code blind_stream_read(blind_stream *s, void *to, size_t size, size_t *got, blind_error *err)
{
    *got = 0;
    BL_TRY(usable(s, err));
    if (size == 0)
        return BLIND_OK;
    return ended(s, bl_tls_read(s->ssl, to, size, got, &s->wants, err));
}

blind_code blind_stream_write(blind_stream *s, const void *from, size_t size, size_t *put,
                              blind_error *err)
{
    *put = 0;
    BL_TRY(usable(s, err));
    if (s->inquiry.state != BL_INQUIRY_DONE)
        return blind_fail(err, BLIND_USAGE, "stream.write", "an attestation is under way");
    if (blind_stream_expiry_ms(s) == 0)
        return blind_fail(err, BLIND_REATTEST, "stream.expired", "the verdict has expired");
    return ended(s, bl_tls_write(s->ssl, from, size, put, &s->wants, err));
}

blind_code blind_stream_reattest(blind_stream *s, blind_error *err)
{
    BL_TRY(usable(s, err));
    if (s->inquiry.state == BL_INQUIRY_DONE)
        bl_inquiry_done(&s->inquiry); /* start anew */
    return ended(s, bl_stream_attest(s, err));
}

int blind_stream_fd(const blind_stream *s)
{
    return s->fd;
}

int blind_stream_wants(const blind_stream *s)
{
    return s->wants;
}

int blind_stream_timeout_ms(const blind_stream *s)
{
    return s->inquiry.deadline_ms ? bl_client_left_ms(s->dialer, s->inquiry.deadline_ms) : 0;
}

blind_code blind_stream_wait(blind_stream *s, int timeout_ms, blind_error *err)
{
    return bl_client_poll(s->fd, s->wants, timeout_ms, err);
}

const blind_result *blind_stream_result(const blind_stream *s)
{
    return s->result;
}

int64_t blind_stream_expiry_ms(const blind_stream *s)
{
    int64_t left = s->expiry_ms - s->dialer->hooks.now_ms();
    return s->expiry_ms && left > 0 ? left : 0;
}

bool bl_stream_quiet(blind_stream *s)
{
    char   byte;
    size_t got;
    if (s->broken || s->inquiry.state != BL_INQUIRY_DONE)
        return false;
    /* Nothing was asked, so anything that arrives, the end included, is wrong. */
    if (bl_tls_read(s->ssl, &byte, 1, &got, &s->wants, NULL) == BLIND_AGAIN)
        return true;
    s->broken = true;
    return false;
}

bool blind_stream_alive(blind_stream *s)
{
    return blind_stream_expiry_ms(s) > 0 && bl_stream_quiet(s);
}
