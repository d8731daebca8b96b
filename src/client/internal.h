/* What the files of src/client share: dialers, streams in the making, and what tests replace. */
#ifndef BL_CLIENT_INTERNAL_H
#define BL_CLIENT_INTERNAL_H

#include "base/buf.h"
#include "blind/stream.h"
#include "client/enrol.h"
#include "client/talk.h"
#include "crypto/key.h"
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

enum { BL_MAX_SALTS = 4096, BL_MAX_ENROLMENTS = 64 };

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
    bl_key         *client_key; /* proved on every connection, after its verdict; NULL: none */
    bl_buf          client_certificate;
    char           *enrolment_dir; /* NULL: in memory alone */
    pthread_mutex_t enrolments_lock;
    bl_buf          enrolments[BL_MAX_ENROLMENTS]; /* records, the newest last */
    size_t          enrolments_len;
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
 *     START --keys derived, request made--> ASK --answer whole, verdict--> DONE
 *                                            |                              ^
 *                       a TPM's key is not enrolled                      verdict
 *                                            +--challenge--> ENROL --secret--+
 *
 * Any other failure is final. */
typedef enum {
    BL_INQUIRY_START,
    BL_INQUIRY_ASK,
    BL_INQUIRY_ENROL,
    BL_INQUIRY_DONE,
} bl_inquiry_state;

typedef struct {
    bl_inquiry_state      state;
    bl_authenticator_keys keys;
    bl_buf                request; /* the RFC 9261 message */
    bl_talk               talk;
    bl_buf                bundle; /* what is appraised, once more after an enrolment */
    bl_enrolling          enrolling;
    int64_t               deadline_ms;
} bl_inquiry;

void bl_inquiry_done(bl_inquiry *inquiry);

/* The client's own key, proved after the verdict.
 *
 *     START --GET--> ASK --challenge, POST--> ANSWER --welcome--> START */
typedef enum {
    BL_INTRODUCTION_START,
    BL_INTRODUCTION_ASK,
    BL_INTRODUCTION_ANSWER,
} bl_introduction_state;

typedef struct {
    bl_introduction_state state;
    bl_talk               talk;
} bl_introduction;

void bl_introduction_done(bl_introduction *introduction);

struct blind_stream {
    blind_dialer   *dialer;
    int             fd;
    struct ssl_st  *ssl;
    int             wants;
    bool            broken; /* neither reads nor writes any more */
    uint8_t        *spki;   /* of the handshake's leaf */
    size_t          spki_size;
    blind_identity  identity;
    bl_contexts     contexts; /* of both sides' authenticators */
    blind_result   *result;
    int64_t         expiry_ms; /* on the monotonic clock; 0: no verdict yet */
    bl_inquiry      inquiry;
    bl_introduction introduction;
};

blind_stream *bl_stream_new(blind_dialer *dialer); /* NULL: out of memory */
/* Neither ended nor with stray bytes, whether or not its verdict still holds. */
bool bl_stream_quiet(blind_stream *stream);
/* A step of the exchange; OK when the verdict is in, stream->result also after a refusal. */
BLIND_MUST_USE blind_code bl_stream_attest(blind_stream *stream, blind_error *err);

/* A step of proving the dialer's key; OK when the server took it.
 * Errors: DENIED, NOT_FOUND (it takes none), BUSY, SERVER, PROTOCOL, those of the network */
BLIND_MUST_USE blind_code bl_stream_introduce(blind_stream *stream, blind_error *err);

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
