/* An attested byte stream: TCP, TLS 1.3, evidence, verdict, and only then bytes.
 *
 * No function here hands out a stream before its verdict, so nothing can be sent on one: the fence
 * holds by construction.  Everything is non-blocking beneath; blind_stream_open() waits for you.
 *
 *     blind_dialer *dialer;              one per server and policy: loads CA and pin once
 *     blind_dial   *dial;                one connection on its way to a verdict
 *     blind_stream *stream;              one connection with a verdict
 *
 *     blind_dialer_new(&options, &dialer, &err);
 *     blind_dial_new(dialer, &dial, &err);
 *     while ((code = blind_dial_step(dial, &stream, &err)) == BLIND_AGAIN)
 *         poll blind_dial_fd(dial) for blind_dial_wants(dial), at most blind_dial_timeout_ms(dial);
 *     blind_dial_free(dial);
 *
 * A dialer may be shared between threads; a dial or a stream belongs to one thread at a time.
 * Errors of a dial: NETWORK, TLS, TIMEOUT, VERSION, BUSY, and those of blind_appraise(); with a
 * client's key also DENIED, NOT_FOUND, PROTOCOL and SERVER, all after the verdict.  Whatever
 * answers but brings no evidence is EVIDENCE or one of its finer codes. */
#ifndef BLIND_STREAM_H
#define BLIND_STREAM_H

#include "blind/appraise.h"
#include "blind/error.h"
#include "blind/policy.h"
#include "blind/span.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct blind_dialer blind_dialer;
typedef struct blind_dial   blind_dial;
typedef struct blind_stream blind_stream;

/* A client's key is proved on each connection after its verdict and before the stream is handed
 * out, by an authenticator that is good for that connection alone (RFC 9261).  The server knows the
 * key by the SHA-256 of its SubjectPublicKeyInfo (`blind key create`); a certificate in the same
 * PEM is sent with it, else one made for the purpose, and neither is judged.  A server that does
 * not know the key refuses the dial: DENIED. */
typedef struct {
    const char   *host;            /* name or address */
    uint16_t      port;            /* 0: 50051 */
    blind_policy *policy;          /* shared: the caller may free its own at once */
    const char   *ca_file;         /* PEM; NULL: the system's, when the policy says "ca" */
    const char   *pin_file;        /* PEM certificate or public key that the server must use */
    const char   *server_name;     /* expected in the certificate; NULL: host */
    const char   *client_key_file; /* PEM, unencrypted, on P-256: proved after every verdict */
    blind_span    client_key;      /* the same in memory, copied */
    const char   *enrolment_dir;   /* keeps TPM keys that answered a challenge; NULL: in memory */
    bool          simulation;      /* accept evidence of the simulated TEE */
    bool          debug_mode;      /* accept an enclave that its host can debug */
    int           timeout_ms;      /* request to verdict, and each step before; 0: 30,000 */
    int           verdict_ttl_s;   /* a verdict holds that long; 0: 3,600 */
} blind_dial_options;

/* What blind_dial_wants() and blind_stream_wants() ask poll() for. */
enum { BLIND_WANTS_READ = 1, BLIND_WANTS_WRITE = 2 };

/* options  strings are copied
 * Errors   USAGE, INPUT (a client key that is none), POLICY_OPEN (the policy says "pin" and there
 * is none), IO, TLS, MEMORY */
BLIND_API BLIND_MUST_USE blind_code blind_dialer_new(const blind_dial_options *options,
                                                     blind_dialer **out, blind_error *err);
/* Dials and streams made from it keep what they need of it. */
BLIND_API void blind_dialer_free(blind_dialer *dialer);

BLIND_API BLIND_MUST_USE blind_code blind_dial_new(blind_dialer *dialer, blind_dial **out,
                                                   blind_error *err);
/* Goes on as far as it can without waiting.  AGAIN: poll and call again.  OK: *out is the stream.
 * Any other code is final, and *out is NULL. */
BLIND_API BLIND_MUST_USE blind_code blind_dial_step(blind_dial *dial, blind_stream **out,
                                                    blind_error *err);
BLIND_API int                       blind_dial_fd(const blind_dial *dial);
BLIND_API int                       blind_dial_wants(const blind_dial *dial);
BLIND_API int blind_dial_timeout_ms(const blind_dial *dial); /* until this step is too late */
/* What the appraisal found, also when it refused; NULL before.  Borrowed from the dial. */
BLIND_API const blind_result *blind_dial_result(const blind_dial *dial);
BLIND_API void                blind_dial_free(blind_dial *dial);

/* All of the above, blocking.
 * result  NULL, or receives what the appraisal found when it refused (blind_result_free) */
BLIND_API BLIND_MUST_USE blind_code blind_stream_open(const blind_dial_options *options,
                                                      blind_stream **out, blind_result **result,
                                                      blind_error *err);

/* Reads at most `size` bytes and says in *got how many.  AGAIN: nothing yet.  CLOSED: the peer
 * ended the stream properly.  NETWORK: it was cut off.  */
BLIND_API BLIND_MUST_USE blind_code blind_stream_read(blind_stream *stream, void *to, size_t size,
                                                      size_t *got, blind_error *err);
/* Writes some of `size` bytes.  REATTEST: the verdict has expired and nothing was written. */
BLIND_API BLIND_MUST_USE blind_code blind_stream_write(blind_stream *stream, const void *from,
                                                       size_t size, size_t *put, blind_error *err);

/* Attests again on the same connection, with a new context.  To be called between two requests,
 * when no byte of an answer is outstanding; AGAIN as blind_dial_step().  On failure the stream
 * neither reads nor writes any more. */
BLIND_API BLIND_MUST_USE blind_code blind_stream_reattest(blind_stream *stream, blind_error *err);

BLIND_API int blind_stream_fd(const blind_stream *stream);
BLIND_API int blind_stream_wants(const blind_stream *stream);      /* after AGAIN */
BLIND_API int blind_stream_timeout_ms(const blind_stream *stream); /* of a re-attestation */
/* Poll()s for what the stream wants.  timeout_ms < 0: as long as it takes.  TIMEOUT, NETWORK. */
BLIND_API BLIND_MUST_USE blind_code blind_stream_wait(blind_stream *stream, int timeout_ms,
                                                      blind_error *err);
/* The newest verdict; borrowed until the next re-attestation or the close. */
BLIND_API const blind_result *blind_stream_result(const blind_stream *stream);
/* Milliseconds until the verdict expires, 0 when it has. */
BLIND_API int64_t blind_stream_expiry_ms(const blind_stream *stream);
/* Whether an idle stream can still carry a request: unexpired, not closed, no stray bytes. */
BLIND_API bool blind_stream_alive(blind_stream *stream);
BLIND_API void blind_stream_close(blind_stream *stream);

#ifdef __cplusplus
}
#endif
#endif
