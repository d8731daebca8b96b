/* What the files of src/client share: dialers, streams in the making, and what tests replace. */
#ifndef BL_CLIENT_INTERNAL_H
#define BL_CLIENT_INTERNAL_H

#include "base/buf.h"
#include "blind/stream.h"
#include "http/message.h"
#include "tls/authenticator.h"
#include "tls/context.h"

#include <pthread.h>
#include <stdatomic.h>

/* Time, randomness and the exporter are arguments: tests break each. */
typedef struct {
    int64_t (*now_ms)(void); /* monotonic */
    int64_t (*wall_s)(void); /* seconds since 1970, for the appraisal */
    blind_code (*random)(void *out, size_t size, blind_error *err);
    bl_exporter (*exporter)(struct ssl_st *ssl);
} bl_client_hooks;

extern const bl_client_hooks bl_client_hooks_real;

enum { BL_MAX_SALTS = 4096 };

struct blind_dialer {
    atomic_int      owners;
    bl_client_hooks hooks;
    char           *host;
    char            authority[300]; /* "host:port", "[::1]:port" */
    uint16_t        port;
    blind_policy   *policy;
    bl_tls_client  *tls;
    bool            simulation, debug_mode;
    int             timeout_ms;
    int64_t         verdict_ttl_ms;
    pthread_mutex_t salts_lock;
    blind_salt     *salts; /* of models uploaded by this client */
    size_t          salts_len;
};

blind_dialer *bl_dialer_share(blind_dialer *dialer);
/* Remembers the salt of an own upload, so that the next verdict recognises the model. */
BLIND_MUST_USE blind_code bl_dialer_add_salt(blind_dialer *dialer, const uint8_t salt[32],
                                             blind_error *err);

/* A copy of all salts; NULL when there are none. */
BLIND_MUST_USE blind_code bl_dialer_salts(blind_dialer *dialer, blind_salt **out, size_t *len,
                                          blind_error *err);

/* One attestation exchange on a session.
 *
 *     START --keys derived, request made--> SEND --all sent--> RECEIVE --answer whole--> DONE
 *
 * Any failure is final. */
typedef enum {
    BL_INQUIRY_START,
    BL_INQUIRY_SEND,
    BL_INQUIRY_RECEIVE,
    BL_INQUIRY_DONE,
} bl_inquiry_state;

typedef struct {
    bl_inquiry_state      state;
    bl_authenticator_keys keys;
    bl_buf                request; /* the RFC 9261 message */
    bl_buf                out;     /* the whole HTTP request */
    size_t                sent;
    bl_http_parser        parser;
    bl_buf                in; /* the answer's body so far */
    int64_t               deadline_ms;
} bl_inquiry;

void bl_inquiry_done(bl_inquiry *inquiry);

struct blind_stream {
    blind_dialer  *dialer;
    int            fd;
    struct ssl_st *ssl;
    int            wants;
    bool           broken; /* neither reads nor writes any more */
    uint8_t       *spki;   /* of the handshake's leaf */
    size_t         spki_size;
    blind_identity identity;
    bl_contexts    contexts;
    blind_result  *result;
    int64_t        expiry_ms; /* on the monotonic clock; 0: no verdict yet */
    bl_inquiry     inquiry;
};

blind_stream *bl_stream_new(blind_dialer *dialer); /* NULL: out of memory */
/* Neither ended nor with stray bytes, whether or not its verdict still holds. */
bool bl_stream_quiet(blind_stream *stream);
/* A step of the exchange; OK when the verdict is in, stream->result also after a refusal. */
BLIND_MUST_USE blind_code bl_stream_attest(blind_stream *stream, blind_error *err);

/* Dials and waits; *result, which may be NULL, receives what the appraisal found when it refused.
 */
BLIND_MUST_USE blind_code bl_dial_wait(blind_dialer *dialer, blind_stream **out,
                                       blind_result **result, blind_error *err);
/* One printable line of what a server said. */
void bl_client_line(char *to, size_t size, const char *from);
/* Poll()s one descriptor.  TIMEOUT, NETWORK. */
BLIND_MUST_USE blind_code bl_client_poll(int fd, int wants, int timeout_ms, blind_error *err);
/* Milliseconds until `deadline_ms`, 0 when it has passed. */
int bl_client_left_ms(const blind_dialer *dialer, int64_t deadline_ms);

#endif
