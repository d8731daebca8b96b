/* What `blind serve` is told, by flags and by serve.toml: one table has a row for each setting, and
 * help, man page and digest come from it.
 *
 * A flag wins over the file.  BlindAI's config.toml keys are read too (config_file.c).  The digest
 * of all values in force enters the runtime log, so clients can ask for it. */
#ifndef BL_CONFIG_H
#define BL_CONFIG_H

#include "base/arena.h"
#include "base/base.h"
#include "base/buf.h"
#include "base/limits.h"

#define BL_MAX_CONFIG_MODELS 64
#define BL_MAX_CONFIG_NAMES  16

/* Types: TEXT, FILE, DIR, NAMES and MODELS (several), CHOICE, INTEGER, SIZE (bytes: 1048576, 64M,
 * 2G), SWITCH (true or false).
 *
 * key and field, flag, type, ARG or choices, default, min, max, measured, help.  What is measured
 * enters the digest: what changes the service's answers or rules, not where its files lie. */
/* clang-format off */
#define BL_SETTINGS(X)                                                                             \
    X(tee, "tee", CHOICE, "auto|snp|tdx|sgx|nitro|tpm|sim", "", 0, 0, true,                        \
      "trusted execution environment; auto: the one found here, never sim, which protects nothing") \
    X(collateral_dir, "collateral-dir", DIR, "DIR", "", 0, 0, false,                               \
      "send what 'blind collateral fetch' keeps there, so that clients need no network to "        \
      "verify, and offer it on the helper port by the vendors' paths")                             \
    X(listen, "listen", TEXT, "HOST:PORT", "0.0.0.0:50051", 0, 0, false,                           \
      "attested port")                                                                             \
    X(helper_listen, "helper-listen", TEXT, "HOST:PORT", "0.0.0.0:50052", 0, 0, false,             \
      "unattested helper port: status page, evidence to download; \"\" for none")                  \
    X(metrics_listen, "metrics-listen", TEXT, "HOST:PORT", "127.0.0.1:9464", 0, 0, false,          \
      "plain HTTP with Prometheus metrics; \"\" for none")                                         \
    X(state_dir, "state-dir", DIR, "DIR", "/var/lib/blind", 0, 0, false,                           \
      "folder for spools and the helper certificate; made when it is missing")                     \
    X(models, "model", MODELS, "NAME=FILE", "", 0, 0, true,                                        \
      "load a model at start")                                                                     \
    X(threads, "threads", INTEGER, "N", "0", 0, 1024, false,                                       \
      "compute threads; 0: one per core")                                                          \
    X(precision, "precision", CHOICE, "highest|high|medium", "highest", 0, 0, true,                \
      "of matrix products where the processor has AMX: as fp32, about 4e-6, as bf16")              \
    X(max_batch, "max-batch", INTEGER, "N", "1", 1, 64, true,                                      \
      "rows of requests to one model that one run may answer together; 1: each request alone")     \
    X(max_wait_us, "max-wait-us", INTEGER, "US", "0", 0, 1000000, false,                           \
      "microseconds that a request may wait for others to be answered with it; 0: it meets those " \
      "that wait anyway")                                                                          \
    X(kv_memory, "kv-memory", SIZE, "SIZE", "0", 0, INT64_MAX / 4, false,                          \
      "memory of each language model for the tokens of its conversations, as far as they need it; "\
      "0: for eight of full length, at most a quarter of the machine's")                           \
    X(kv_type, "kv-type", CHOICE, "f16|q8_0", "f16", 0, 0, true,                                   \
      "numbers in that memory: q8_0 takes half of it and is less exact")                           \
    X(max_context, "max-context", INTEGER, "N", "0", 0, 16777216, true,                            \
      "tokens of a prompt and its answer together; 0: as many as the model takes")                 \
    X(lookup, "lookup", INTEGER, "N", "4", 0, 15, false,                                           \
      "tokens that a language model guesses ahead where a text repeats itself, and then checks; it " \
      "changes no answer; 0: none")                                                                \
    X(max_queue, "max-queue", INTEGER, "N", "1024", 1, 65536, false,                               \
      "inferences queued and running; more are answered 429")                                      \
    X(max_queue_per_principal, "max-queue-per-principal", INTEGER, "N", "256", 1, 65536, false,    \
      "the same of one principal")                                                                 \
    X(max_memory, "max-memory", SIZE, "SIZE", "0", 0, INT64_MAX / 4, false,                        \
      "memory of models and inferences together; to stay below it the model used longest ago "     \
      "waits on disk, encrypted, until it is asked again; 0: no model is put away")                \
    X(loops, "loops", INTEGER, "N", "2", 1, 16, false,                                             \
      "event-loop threads")                                                                        \
    X(tokens, "tokens", FILE, "FILE", "", 0, 0, true,                                              \
      "who may do what: NAME:SHA256-OF-TOKEN:RIGHTS and NAME:key=ID:RIGHTS lines; without it "     \
      "only sim takes uploads")                                                                    \
    X(host_cert, "host-cert", FILE, "FILE", "", 0, 0, false,                                       \
      "PEM certificate of the operator (host_server.pem): serves the helper port and issues the "  \
      "attested port's certificate")                                                               \
    X(host_key, "host-key", FILE, "FILE", "", 0, 0, false,                                         \
      "PEM key of --host-cert")                                                                    \
    X(server_names, "server-name", NAMES, "NAME", "", 0, 0, false,                                 \
      "further host name or address in the certificates")                                          \
    X(max_body, "max-body", SIZE, "SIZE", "924288000", 1, INT64_MAX / 4, true,                     \
      "largest inference request")                                                                 \
    X(max_model_size, "max-model-size", SIZE, "SIZE", "16G", 1, INT64_MAX / 4, true,               \
      "largest model file")                                                                        \
    X(max_models, "max-models", INTEGER, "N", "64", 1, 65536, true,                                \
      "models loaded at once")                                                                     \
    X(max_models_per_principal, "max-models-per-principal", INTEGER, "N", "0", 0, 65536, true,     \
      "models that one principal may own; 0: --max-models")                                        \
    X(max_loads_per_principal, "max-loads-per-principal", INTEGER, "N", "4096", 1, 65536, true,    \
      "models that one principal may load while the server runs: the log keeps each")              \
    X(allow_uploads, "allow-uploads", SWITCH, "true|false", "true", 0, 0, true,                    \
      "take models from clients that have the right")                                              \
    X(check_owners, "check-owners", SWITCH, "true|false", "true", 0, 0, true,                      \
      "a model is replaced, unloaded and deleted by its owner alone")                              \
    X(send_inference_time, "send-inference-time", SWITCH, "true|false", "false", 0, 0, true,       \
      "tell clients how long the model computed")                                                  \
    X(max_connections, "max-connections", INTEGER, "N", "1024", 1, 1000000, false,                 \
      "connections at once, on all ports")                                                         \
    X(max_pending, "max-pending", INTEGER, "N", "256", 1, 60000, false,                            \
      "connections without evidence, and requests for it, that one address may have at once")                                   \
    X(handshake_s, "handshake-s", INTEGER, "S", "10", 1, 3600, false,                              \
      "seconds for a TLS handshake")                                                               \
    X(head_s, "head-s", INTEGER, "S", "15", 1, 3600, false,                                        \
      "seconds for the head of a request")                                                         \
    X(body_s, "body-s", INTEGER, "S", "30", 1, 3600, false,                                        \
      "seconds without a byte of a body that has begun")                                           \
    X(send_s, "send-s", INTEGER, "S", "60", 1, 3600, false,                                        \
      "seconds for a client to take its answer")                                                   \
    X(idle_s, "idle-s", INTEGER, "S", "120", 1, 86400, false,                                      \
      "seconds that a connection may be idle")                                                     \
    X(request_s, "request-s", INTEGER, "S", "600", 0, 86400, true,                                 \
      "seconds that an inference may take; 0: no limit")                                           \
    X(drain_s, "drain-s", INTEGER, "S", "30", 0, 86400, false,                                     \
      "seconds that running requests get after SIGTERM")                                           \
    X(log, "log", CHOICE, "text|json", "text", 0, 0, false,                                        \
      "form of the log on stderr")                                                                 \
    X(log_level, "log-level", CHOICE, "off|error|warn|info|debug", "info", 0, 0, false,            \
      "events to log")                                                                             \
    X(port_file, "port-file", FILE, "FILE", "", 0, 0, false,                                       \
      "write the bound ports there as JSON, for port 0")                                           \
    X(tcti, "tcti", TEXT, "TCTI", "", 0, 0, false,                                                 \
      "how to reach the TPM, as tpm2-tss names it: device:/dev/tpmrm0 is used without it")         \
    X(tpm_ek_chain, "tpm-ek-chain", FILE, "FILE", "", 0, 0, false,                                 \
      "PEM certificates of the authorities over the TPM's endorsement key")                        \
    X(tpm_event_log, "tpm-event-log", FILE, "FILE", "", 0, 0, false,                               \
      "boot log to send with the quotes, instead of the kernel's")                                 \
    X(tpm_ak_handle, "tpm-ak-handle", TEXT, "HANDLE", "", 0, 0, false,                             \
      "persistent attestation key (0x81...), instead of one made at start")                        \
    X(sim_lie, "sim-lie", TEXT, "LIST", "", 0, 0, true,                                            \
      "for tests: sim misreports measurement, debug, binding, signature, log")
/* clang-format on */

typedef struct {
    const char *name, *path;
    bool        no_optim;
    int64_t     max_batch, max_wait_us; /* its own; 0: those of all */
} bl_config_model;

typedef struct {
    bl_config_model each[BL_MAX_CONFIG_MODELS];
    size_t          count;
} bl_config_models;

typedef struct {
    const char *each[BL_MAX_CONFIG_NAMES];
    size_t      count;
} bl_config_names;

#define BL_FIELD_TEXT    const char *
#define BL_FIELD_FILE    const char *
#define BL_FIELD_DIR     const char *
#define BL_FIELD_CHOICE  const char *
#define BL_FIELD_NAMES   bl_config_names
#define BL_FIELD_MODELS  bl_config_models
#define BL_FIELD_INTEGER int64_t
#define BL_FIELD_SIZE    int64_t
#define BL_FIELD_SWITCH  bool

/* A key of BlindAI's that changes nothing here, and why. */
typedef struct {
    const char *key, *why;
} bl_config_ignored;

#define X(key, flag, type, arg, otherwise, min, max, measured, help) BL_FIELD_##type key;
typedef struct {
    BL_SETTINGS(X)
    bool              uploads_need_token; /* BlindAI's send_model_requires_auth */
    bl_config_ignored ignored[8];
    size_t            ignored_count;
    uint8_t           digest[32]; /* after bl_config_check() */
    bl_arena          arena;
} bl_config;
#undef X

typedef enum {
    BL_SETTING_TEXT,
    BL_SETTING_FILE,
    BL_SETTING_DIR,
    BL_SETTING_CHOICE,
    BL_SETTING_NAMES,
    BL_SETTING_MODELS,
    BL_SETTING_INTEGER,
    BL_SETTING_SIZE,
    BL_SETTING_SWITCH,
} bl_setting_type;

typedef struct {
    const char     *key, *flag;
    bl_setting_type type;
    const char     *arg, *otherwise;
    int64_t         min, max;
    bool            measured;
    const char     *help;
    size_t          offset;
} bl_setting;

extern const bl_setting bl_settings[];
extern const size_t     bl_setting_count;

/* All defaults.  Errors: MEMORY */
BLIND_MUST_USE blind_code bl_config_init(bl_config *config, blind_error *err);
void                      bl_config_done(bl_config *config);
/* One setting from text, copied; those that may be given several times are added to.
 * Errors: USAGE ("max-body: ..."), LIMIT, MEMORY */
BLIND_MUST_USE blind_code bl_config_set(bl_config *config, const bl_setting *setting,
                                        const char *value, blind_error *err);
/* serve.toml or BlindAI's config.toml.
 * Errors: USAGE ("serve.toml: line 3 column 1: unknown key 'x'"), IO, MEMORY */
BLIND_MUST_USE blind_code bl_config_load(bl_config *config, const char *path, blind_error *err);
BLIND_MUST_USE blind_code bl_config_parse(bl_config *config, blind_span text, blind_error *err);
/* Values against each other and against the machine: files are there and can be read.  Then the
 * digest.  Errors: USAGE, IO, NOT_FOUND, DENIED */
/* tpm_ak_handle as a number, 0 without one.  Errors: USAGE */
BLIND_MUST_USE blind_code bl_config_ak_handle(const bl_config *config, uint32_t *out,
                                              blind_error *err);
BLIND_MUST_USE blind_code bl_config_check(bl_config *config, blind_error *err);
/* The values that the digest is of, one "key = value" a line. */
BLIND_MUST_USE blind_code bl_config_measured(const bl_config *config, bl_buf *out,
                                             blind_error *err);

#endif
