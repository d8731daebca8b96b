/* The service put together, run, drained and taken apart. */
#include "server/server.h"

#include "base/file.h"
#include "crypto/random.h"
#include "server/internal.h"
#include "server/notify.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

enum { WORKERS = 2, DRAIN_POLL_MS = 20 };

/* ---- making ---- */

static void raise_descriptors(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        (void)!setrlimit(RLIMIT_NOFILE, &limit);
    }
}

/* Signals come to the thread that runs the server and to no other. */
static blind_code take_signals(bl_server *s, blind_error *err)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a full disk is an error, not an end */
    s->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    s->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (s->signal_fd >= 0 && s->stop_fd >= 0)
        return BLIND_OK;
    return blind_fail(err, BLIND_FAILED, "server.signals", "cannot take signals: %s",
                      strerror(errno));
}

static blind_code make_engines(bl_server *s, blind_error *err)
{
    const bl_config      *config = s->config;
    bl_executor_options   executor = { .threads = (int)config->threads,
                                       .memory = (size_t)config->max_memory,
                                       .max_requests = (size_t)config->max_queue,
                                       .max_per_principal = (size_t)config->max_queue_per_principal };
    bl_principals_options principals = {
        .path = *config->tokens ? config->tokens : NULL,
        .open_to_all = strcmp(config->tee, "sim") == 0,
        .refuse_uploads = !config->allow_uploads,
    };
    BL_TRY(bl_principals_new(&principals, &s->principals, err));
    BL_TRY(bl_executor_new(&executor, &s->executor, err));
    bl_registry_options registry = {
        .pool = bl_executor_pool(s->executor),
        .batching = { .max_rows = (size_t)config->max_batch,
                      .wait_ns = (uint64_t)config->max_wait_us * 1000 },
        .kv_memory = (size_t)config->kv_memory,
        .max_context = (size_t)config->max_context,
        .lookup = (size_t)config->lookup,
        .log = &s->log,
        .max_models = (size_t)config->max_models,
        .max_model_size = (size_t)config->max_model_size,
        .max_per_principal = (size_t)config->max_models_per_principal,
        .max_loads = (size_t)config->max_loads_per_principal,
        .ignore_owners = !config->check_owners,
    };
    if (config->max_memory)
        registry.residents = (bl_residents_options){ .budget = bl_executor_budget(s->executor),
                                                     .spool_dir = config->state_dir };
    (void)bl_precision_from_name(config->precision, &registry.precision);
    (void)bl_kv_type_from_name(config->kv_type, &registry.kv_type);
    return bl_registry_new(&registry, &s->registry, err);
}

static blind_code load_models(bl_server *s, blind_error *err)
{
    bl_principal by = bl_principal_operator();
    for (size_t i = 0; i < s->config->models.count; i++) {
        const bl_config_model *m = &s->config->models.each[i];
        bl_load                load = { .name = m->name,
                                        .by = &by,
                                        .no_optim = m->no_optim,
                                        .max_batch = (size_t)m->max_batch,
                                        .max_wait_ns = (uint64_t)m->max_wait_us * 1000 };
        bl_loaded              loaded;
        blind_code code = bl_registry_load_path(s->registry, &load, m->path, &loaded, err);
        if (code != BLIND_OK)
            return blind_fail_in(err, code, "model '%s'", m->name);
        bl_log(BL_LOG_INFO, "model.load", BL_LOG_NAME("model", m->name));
    }
    return BLIND_OK;
}

static void drain_loop(bl_posted *posted);

static blind_code make_loops(bl_server *s, blind_error *err)
{
    for (int i = 0; i < (int)s->config->loops; i++) {
        s->loops[i].server = s;
        s->loops[i].drain.run = drain_loop;
        BL_TRY(bl_loop_new(&s->loops[i].loop, err));
        s->loop_count++;
    }
    return BLIND_OK;
}

static blind_code make(bl_server *s, blind_error *err)
{
    bl_log_event event = { .type = BL_LOG_CONFIG };
    raise_descriptors();
    BL_TRY(take_signals(s, err));
    BL_TRY(bl_listeners_open(s, err)); /* the most likely thing to be wrong comes first */
    BL_TRY(bl_random(s->peer_seed, sizeof s->peer_seed, err));
    memcpy(event.sha256, s->config->digest, 32);
    BL_TRY(bl_runtime_log_append(&s->log, &event, NULL, err));
    BL_TRY(bl_identity_make(s, err));
    BL_TRY(make_engines(s, err));
    BL_TRY(load_models(s, err));
    BL_TRY(bl_worker_new(WORKERS, &s->worker, err));
    BL_TRY(bl_worker_new(1, &s->fetcher, err));
    BL_TRY(bl_attest_queue_new(s, &s->attest_queue, err));
    return make_loops(s, err);
}

blind_code bl_server_new(const bl_config *config, bl_server **out, blind_error *err)
{
    *out = NULL;
    bl_server *s = calloc(1, sizeof *s);
    if (!s)
        return blind_fail(err, BLIND_MEMORY, "server", "out of memory");
    bl_wipe_libraries();
    s->config = config;
    s->signal_fd = s->stop_fd = -1;
    s->started_s = bl_clock_wall_s();
    pthread_rwlock_init(&s->tls_lock, NULL);
    blind_code code = bl_runtime_log_init(&s->log, err);
    if (code == BLIND_OK)
        code = make(s, err);
    if (code != BLIND_OK)
        bl_server_free(s);
    else
        *out = s;
    return code;
}

/* ---- running ---- */

uint16_t bl_server_port(const bl_server *s, unsigned where)
{
    return bl_listeners_port(s, where);
}

static blind_code write_ports(bl_server *s, blind_error *err)
{
    bl_auto_buf text = BL_BUF_EMPTY;
    if (!*s->config->port_file)
        return BLIND_OK;
    bl_buf_printf(&text, "{\"attested\":%u,\"helper\":%u,\"metrics\":%u,\"pid\":%ld}\n",
                  bl_server_port(s, BL_ON_ATTESTED), bl_server_port(s, BL_ON_HELPER),
                  bl_server_port(s, BL_ON_METRICS), (long)getpid());
    return bl_file_write_atomic(s->config->port_file, bl_buf_span(&text), 0644, err);
}

static void reload(bl_server *s)
{
    blind_error err = { 0 };
    bl_notify("RELOADING=1");
    if (bl_principals_reload(s->principals, &err) != BLIND_OK)
        bl_log(BL_LOG_ERROR, "tokens.reload", BL_LOG_CODE(err.code),
               BL_LOG_NAME("why", err.message));
    if (bl_identity_reload(s, &err) != BLIND_OK)
        bl_log(BL_LOG_ERROR, "chain.reload", BL_LOG_CODE(err.code),
               BL_LOG_NAME("why", err.message));
    else
        bl_log(BL_LOG_INFO, "server.reload");
    bl_notify("READY=1");
}

/* Waits for a signal or for bl_server_stop(); true when the server should end. */
static bool wait_for_end(bl_server *s)
{
    struct pollfd           fds[] = { { s->signal_fd, POLLIN, 0 }, { s->stop_fd, POLLIN, 0 } };
    struct signalfd_siginfo info;
    if (poll(fds, BL_LEN(fds), -1) < 0)
        return errno != EINTR;
    if (fds[1].revents)
        return true;
    if (read(s->signal_fd, &info, sizeof info) != (ssize_t)sizeof info)
        return false;
    if (info.ssi_signo != SIGHUP)
        return true;
    reload(s);
    return false;
}

/* On each loop's thread: idle connections close now, the others after their reply. */
static void drain_loop(bl_posted *posted)
{
    bl_server_loop *at = (bl_server_loop *)((char *)posted - offsetof(bl_server_loop, drain));
    bool            close = atomic_load(&at->server->closing);
    for (bl_conn *c = at->conns, *next; c; c = next) {
        next = c->next;
        if (close)
            bl_conn_free(c);
        else
            bl_conn_drain(c);
    }
}

static void post_drain(bl_server *s)
{
    for (int i = 0; i < s->loop_count; i++)
        bl_loop_post(s->loops[i].loop, &s->loops[i].drain);
}

static void drain(bl_server *s)
{
    uint64_t until = bl_clock_ns() + (uint64_t)s->config->drain_s * 1000000000u;
    bl_notify("STOPPING=1");
    atomic_store(&s->draining, true);
    bl_listeners_close(s, BL_ON_ATTESTED);
    post_drain(s);
    while (atomic_load(&s->counters.open_attested) > 0 && bl_clock_ns() < until)
        poll(NULL, 0, DRAIN_POLL_MS);
    bl_executor_drain(s->executor); /* not before: requests in hand still have to get there */
    bl_log(BL_LOG_INFO, "server.stop",
           BL_LOG_COUNT("cut_off", atomic_load(&s->counters.open_attested)));
}

blind_code bl_server_run(bl_server *s, blind_error *err)
{
    bl_listeners_start(s);
    atomic_store(&s->ready, true);
    BL_TRY(write_ports(s, err));
    bl_notify("READY=1");
    bl_log(BL_LOG_INFO, "server.start", BL_LOG_NAME("tee", s->config->tee),
           BL_LOG_COUNT("port", bl_server_port(s, BL_ON_ATTESTED)),
           BL_LOG_COUNT("helper_port", bl_server_port(s, BL_ON_HELPER)),
           BL_LOG_COUNT("metrics_port", bl_server_port(s, BL_ON_METRICS)));
    while (!wait_for_end(s))
        ;
    drain(s);
    return BLIND_OK;
}

void bl_server_stop(bl_server *s)
{
    uint64_t one = 1;
    (void)!write(s->stop_fd, &one, sizeof one);
}

/* Connections first, then what may still post to the loops or wake them, then the loops, and the
 * executor's memory last: requests give theirs back to it. */
void bl_server_free(bl_server *s)
{
    if (!s)
        return;
    atomic_store(&s->draining, true);
    atomic_store(&s->closing, true);
    post_drain(s);
    while (atomic_load(&s->counters.open) > 0) /* nobody submits work after the last has gone */
        poll(NULL, 0, 1);
    bl_worker_free(s->worker);
    bl_worker_free(s->fetcher);
    bl_attest_queue_free(s->attest_queue);
    bl_registry_free(s->registry);
    if (s->executor)
        bl_executor_stop(s->executor);
    for (int i = 0; i < s->loop_count; i++)
        bl_loop_free(s->loops[i].loop);
    bl_listeners_free(s);
    bl_executor_free(s->executor);
    bl_principals_free(s->principals);
    bl_attester_free(s->attester);
    bl_staple_free(s->staple);
    bl_tls_server_free(s->tls);
    bl_tls_server_free(s->helper_tls);
    bl_buf_done(&s->certificate);
    bl_key_free(s->key);
    bl_runtime_log_done(&s->log);
    pthread_rwlock_destroy(&s->tls_lock);
    bl_close_fd(&s->signal_fd);
    bl_close_fd(&s->stop_fd);
    free(s);
}
