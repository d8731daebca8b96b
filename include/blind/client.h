/* Asks an attested server: HTTP/1.1 over a pool of attested streams.
 *
 * Every connection is attested before a request goes over it, attested again when its verdict
 * expires or the server answers 409 `reattest`, and reused only under an equal policy.  Redirects
 * are answers like any other: never followed.  A pooled connection that died while idle is replaced
 * when not a byte of the request was answered and the request can be sent again.
 *
 * A client may be shared between threads; each request takes a connection of its own.
 * Errors: those of blind_dial_step(), and SERVER (with what the server said), NOT_FOUND, DENIED,
 * BUSY, EXISTS, LIMIT, PROTOCOL, NETWORK, TIMEOUT, CANCELLED. */
#ifndef BLIND_CLIENT_H
#define BLIND_CLIENT_H

#include "blind/error.h"
#include "blind/span.h"
#include "blind/stream.h"
#include "blind/tensor.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct blind_client blind_client;

typedef struct {
    blind_dial_options dial; /* server, policy, identity */
    const char
          *token;    /* bearer token sent after the verdict, or NULL; a request's own header wins */
    int    idle_max; /* connections kept when idle; 0: 8 */
    int    request_ms; /* without a byte either way; 0: 300,000, < 0: no limit */
    size_t answer_max; /* bytes of an answer held in memory; 0: 1 GiB */
} blind_client_options;

/* Connects and appraises once, so that a refusal is told here. */
BLIND_API BLIND_MUST_USE blind_code blind_client_open(const blind_client_options *options,
                                                      blind_client **out, blind_result **result,
                                                      blind_error *err);
/* The same from "https://HOST:PORT"; options->dial.host and .port are not read. */
BLIND_API BLIND_MUST_USE blind_code blind_client_open_url(const char                 *url,
                                                          const blind_client_options *options,
                                                          blind_client **out, blind_result **result,
                                                          blind_error *err);
BLIND_API void                      blind_client_close(blind_client *client);
/* The verdict of the newest connection as a JSON text and as a text for people; free() them. */
BLIND_API char *blind_client_verdict_json(blind_client *client);
BLIND_API char *blind_client_verdict_text(blind_client *client);
/* The same as a signed token, blind_result_ear(); free() *out.  Errors: CLOSED (no connection is
 * open), INPUT, MEMORY */
BLIND_API BLIND_MUST_USE blind_code blind_client_ear(blind_client *client, blind_span key_pem,
                                                     char **out, blind_error *err);
BLIND_API BLIND_MUST_USE blind_code blind_client_reattest(blind_client *client, blind_error *err);

/* ---- any request ---- */

typedef struct {
    const char *name, *value;
} blind_header;

/* Fills `to` with at most `size` bytes of the body and says in *got how many; 0 ends a body of
 * unknown size.  Any code but OK cancels the request and becomes its answer. */
typedef blind_code blind_body_read(void *arg, void *to, size_t size, size_t *got, blind_error *err);

typedef struct {
    const char *method; /* "GET" */
    const char *target; /* "/v2/models/m/infer", origin form */
    const blind_header
                    *headers; /* further ones; Host, Content-Length, Transfer-Encoding are ours */
    size_t           header_count;
    blind_span       body;      /* either this ... */
    blind_body_read *body_read; /* ... or this, then body_size bytes, < 0: chunked */
    blind_code (*body_rewind)(void *arg, blind_error *err); /* NULL: can be read only once */
    void   *body_arg;
    int64_t body_size;
    /* May be sent twice; GET, HEAD, PUT, DELETE and OPTIONS may without this, unless they have an
     * If-None-Match. */
    bool idempotent;
    /* Takes the answer's body as it comes; NULL: it is collected in `body` of the answer. */
    blind_code (*on_head)(void *arg, int status, blind_error *err);
    blind_code (*on_body)(void *arg, blind_span bytes, blind_error *err);
    void *on_arg;
    int   request_ms; /* 0: the client's */
    /* NULL, or looked at after every wait, which a signal ends: when it is not 0 the request ends,
     * CANCELLED, and its connection with it. */
    const volatile int *cancel;
} blind_request;

typedef struct {
    int           status;
    blind_header *headers; /* names in lower case */
    size_t        header_count;
    uint8_t      *body; /* NUL behind it */
    size_t        body_size;
    void         *memory; /* all of the above */
} blind_response;

/* OK whatever the status: that is the caller's to judge. */
BLIND_API BLIND_MUST_USE blind_code blind_client_request(blind_client        *client,
                                                         const blind_request *request,
                                                         blind_response *out, blind_error *err);
BLIND_API const char *blind_response_header(const blind_response *response, const char *name);
BLIND_API void        blind_response_done(blind_response *response);

/* ---- models ---- */

typedef struct {
    char     name[129];
    char     sha256[65]; /* hex, as the server hashed it inside */
    char     salt[65];   /* hex; with it the uploader recognises its entry in the runtime log */
    uint64_t size;
} blind_model_info;

/* sent of total bytes; CANCELLED stops. */
typedef blind_code blind_progress(void *arg, uint64_t sent, uint64_t total, blind_error *err);

typedef struct {
    bool            no_replace; /* EXISTS where the name is taken, decided by the server at once */
    blind_progress *progress;   /* or NULL */
    void           *progress_arg;
} blind_upload_options;

/* Uploads a model file and compares the server's SHA-256 with the file's.  MODEL: they differ.
 *
 * options  NULL: all zero.  With no_replace an upload is sent once: a second try could meet the
 *          first one's model */
BLIND_API BLIND_MUST_USE blind_code blind_client_upload(blind_client *client, const char *name,
                                                        const char                 *path,
                                                        const blind_upload_options *options,
                                                        blind_model_info *out, blind_error *err);
/* The same from memory. */
BLIND_API BLIND_MUST_USE blind_code blind_client_upload_bytes(blind_client *client,
                                                              const char *name, blind_span model,
                                                              const blind_upload_options *options,
                                                              blind_model_info           *out,
                                                              blind_error                *err);
BLIND_API BLIND_MUST_USE blind_code blind_client_delete(blind_client *client, const char *name,
                                                        blind_error *err);
/* JSON texts of GET /v2/models/NAME, POST /v2/repository/index and GET /v2; free() them. */
BLIND_API BLIND_MUST_USE blind_code blind_client_metadata(blind_client *client, const char *name,
                                                          char **json, blind_error *err);
BLIND_API BLIND_MUST_USE blind_code blind_client_index(blind_client *client, char **json,
                                                       blind_error *err);

typedef struct {
    blind_tensor *tensors; /* in the server's order */
    size_t        count;
    double        inference_time_ms; /* as the server reports it; 0 where it withholds it */
    void         *memory;            /* of all of the above */
} blind_outputs;

/* Runs a model.  A tensor without a name goes to the input of the same place; tensors travel by the
 * binary extension. */
BLIND_API BLIND_MUST_USE blind_code blind_client_infer(blind_client *client, const char *model,
                                                       const blind_tensor *inputs, size_t count,
                                                       blind_outputs *out, blind_error *err);
BLIND_API void                      blind_outputs_done(blind_outputs *outputs);

#ifdef __cplusplus
}
#endif
#endif
