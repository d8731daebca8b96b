/* The local verifying proxy: plain HTTP/1.1 on this machine in front of an attested server.
 *
 *     any client --HTTP, loopback--> proxy --attested TLS, a pool--> server in a TEE
 *
 * Nothing of a request leaves before the connection that carries it has a verdict under the policy
 * (blind_client holds that); when there is none the client gets 502 and the reason, and nothing is
 * sent.  A connection has a thread of its own, so that a client that reads slowly stalls itself
 * alone, and a client that leaves takes its request with it. */
#ifndef BL_PROXY_H
#define BL_PROXY_H

#include "blind/client.h"

typedef struct bl_proxy bl_proxy;

typedef struct {
    blind_client *client;    /* borrowed; its first connection has a verdict */
    const char   *listen;    /* "127.0.0.1:8080", "[::1]:0"; an address, no name */
    bool          anywhere;  /* other addresses than loopback may be listened on */
    const char   *local_key; /* what local clients must send as bearer token, or NULL */
    bool          has_token; /* the client sends a token of its own: local ones are dropped */
    int           idle_ms;   /* a local connection without a request; 0: 120,000 */
    int           stall_ms;  /* a local client that neither reads nor writes; 0: 60,000 */
    int           drain_ms;  /* for answers under way at the end; 0: 30,000 */
    /* One line about what happened, never of content; from any thread. */
    void (*notice)(void *arg, blind_code code, const char *line);
    void *notice_arg;
} bl_proxy_options;

/* Listens.  Errors: USAGE (no address, or one past loopback that was not asked for), IO, MEMORY */
BLIND_MUST_USE blind_code bl_proxy_open(const bl_proxy_options *options, bl_proxy **out,
                                        blind_error *err);
uint16_t                  bl_proxy_port(const bl_proxy *proxy);
/* Serves until bl_proxy_stop(), then drains. */
void bl_proxy_run(bl_proxy *proxy);
/* From any thread or signal handler. */
void bl_proxy_stop(bl_proxy *proxy);
void bl_proxy_close(bl_proxy *proxy);

#endif
