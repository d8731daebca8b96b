/* What the parts of the server share.  Private to server. */
#ifndef BL_SERVER_INTERNAL_H
#define BL_SERVER_INTERNAL_H

#include "attest/runtime_log.h"
#include "base/clock.h"
#include "base/hex.h"
#include "base/log.h"
#include "crypto/key.h"
#include "server/config.h"
#include "server/conn.h"
#include "server/executor.h"
#include "server/registry.h"
#include "server/server.h"
#include "server/staple.h"
#include "server/worker.h"
#include "tls/attester.h"
#include "tls/context.h"

#include <pthread.h>

enum {
    BL_MAX_LOOPS = 16,
    BL_PEER_SLOTS = 4096,
    BL_CLASSES = 6, /* of statuses: 1xx to 5xx */
};

/* Numbers for /metrics. */
typedef struct {
    _Atomic uint64_t connections, refused, attestations, quotes, fenced;
    _Atomic uint64_t requests[BL_CLASSES], bytes_in, bytes_out;
    _Atomic int64_t  open, open_attested;
} bl_counters;

typedef struct {
    bl_loop   *loop;
    bl_conn   *conns; /* of this loop, touched by its thread only */
    bl_posted  drain;
    bl_server *server;
} bl_server_loop;

typedef struct bl_attest_queue bl_attest_queue; /* attest_queue.c */

struct bl_server {
    const bl_config     *config;
    bl_key              *key;         /* made here, never leaves */
    bl_buf               certificate; /* DER leaf */
    bl_runtime_log       log;
    bl_attester         *attester;
    bl_staple           *staple; /* NULL: no collateral_dir */
    bl_attest_queue     *attest_queue;
    pthread_rwlock_t     tls_lock; /* SIGHUP replaces the context below */
    bl_tls_server       *tls, *helper_tls;
    bl_principals       *principals;
    bl_executor         *executor;
    bl_registry         *registry;
    bl_worker           *worker;
    bl_worker           *fetcher; /* brings models back */
    bl_server_loop       loops[BL_MAX_LOOPS];
    int                  loop_count;
    _Atomic unsigned     next_loop;
    struct bl_listeners *listeners;
    _Atomic uint64_t     next_id;
    _Atomic uint16_t     pending[BL_PEER_SLOTS];    /* requests for evidence */
    _Atomic uint16_t     unattested[BL_PEER_SLOTS]; /* connections without any */
    uint8_t              peer_seed[16];
    _Atomic bool         draining, closing, ready;
    int                  signal_fd, stop_fd;
    bl_counters          counters;
    int64_t              started_s;
};

/* attest_queue.c: one thread answers whatever waits with one quote. */
BLIND_MUST_USE blind_code bl_attest_queue_new(bl_server *server, bl_attest_queue **out,
                                              blind_error *err);
void                      bl_attest_queue_free(bl_attest_queue *queue);

/* listen.c */
BLIND_MUST_USE blind_code bl_listeners_open(bl_server *server, blind_error *err);
/* Starts accepting. */
void bl_listeners_start(bl_server *server);
/* Stops some of them, soon; the rest goes on. */
void bl_listeners_close(bl_server *server, unsigned where);
/* After the loops have ended. */
void bl_listeners_free(bl_server *server);
/* The port a listener is bound to, 0: none. */
uint16_t bl_listeners_port(const bl_server *server, unsigned where);

/* identity.c: TEE key, certificate, helper certificate. */
BLIND_MUST_USE blind_code bl_identity_make(bl_server *server, blind_error *err);
BLIND_MUST_USE blind_code bl_identity_reload(bl_server *server, blind_error *err);
BLIND_MUST_USE blind_code bl_identity_csr(bl_server *server, bl_buf *pem, blind_error *err);

/* wipe.c: from now on libraries wipe what they free, in the whole process. */
void bl_wipe_libraries(void);

/* The pending attestations of a peer: false when there are too many. */
bool bl_pending_take(bl_server *server, unsigned peer);
void bl_pending_give(bl_server *server, unsigned peer);

#endif
