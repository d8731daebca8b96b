/* Settings from text, checked, and their digest. */
#include "server/config.h"

#include "attest/tee.h"
#include "base/buf.h"
#include "base/hex.h"
#include "base/log.h"
#include "crypto/hash.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define X(key, flag, type, arg, otherwise, min, max, measured, help)                               \
    { #key, flag, BL_SETTING_##type, arg,  otherwise,                                              \
      min,  max,  measured,          help, offsetof(bl_config, key) },
const bl_setting bl_settings[] = { BL_SETTINGS(X) };
#undef X
const size_t bl_setting_count = BL_LEN(bl_settings);

static void *field(const bl_config *config, const bl_setting *s)
{
    return (char *)(uintptr_t)config + s->offset;
}

static blind_code bad(blind_error *err, const bl_setting *s, const char *value, const char *want)
{
    return blind_fail(err, BLIND_USAGE, "server.config", "%s '%.100s': expected %s", s->flag, value,
                      want);
}

static const char *copy(bl_config *config, const char *text)
{
    return bl_arena_copy(&config->arena, bl_span_str(text));
}

static blind_code no_memory(blind_error *err)
{
    return blind_fail(err, BLIND_MEMORY, "server.config", "out of memory");
}

static blind_code set_text(bl_config *config, const bl_setting *s, const char *value,
                           blind_error *err)
{
    const char **to = field(config, s);
    *to = copy(config, value);
    return *to ? BLIND_OK : no_memory(err);
}

/* An empty choice is one not made yet. */
static blind_code set_choice(bl_config *config, const bl_setting *s, const char *value,
                             blind_error *err)
{
    size_t n = strlen(value);
    bool   known = n == 0;
    for (const char *at = s->arg; *at && !known; at += strcspn(at, "|"), at += *at == '|')
        known = strcspn(at, "|") == n && memcmp(at, value, n) == 0;
    return known ? set_text(config, s, value, err) : bad(err, s, value, s->arg);
}

/* Decimal, with K, M, G or T for powers of 1024 where sizes are told. */
static blind_code set_number(bl_config *config, const bl_setting *s, const char *value,
                             blind_error *err)
{
    int64_t *to = field(config, s);
    char    *end;
    errno = 0;
    long long   n = strtoll(value, &end, 10);
    const char *units = "KMGT", *unit = *end ? strchr(units, *end) : NULL;
    if (end == value || errno || value[0] == ' ' || value[0] == '+')
        return bad(err, s, value, "a whole number");
    if (s->type == BL_SETTING_SIZE && unit) {
        for (const char *u = units; u <= unit; u++)
            if (__builtin_mul_overflow(n, 1024, &n))
                return bad(err, s, value, "a size that fits");
        end += strcmp(end + 1, "iB") == 0 ? 3 : 1;
    }
    if (*end || n < s->min || n > s->max)
        return blind_fail(err, BLIND_USAGE, "server.config",
                          "%s '%.40s': expected a whole number from %" PRId64 " to %" PRId64,
                          s->flag, value, s->min, s->max);
    *to = n;
    return BLIND_OK;
}

static blind_code set_switch(bl_config *config, const bl_setting *s, const char *value,
                             blind_error *err)
{
    bool *to = field(config, s);
    *to = strcmp(value, "true") == 0;
    return *to || strcmp(value, "false") == 0 ? BLIND_OK : bad(err, s, value, "true or false");
}

static blind_code add_name(bl_config *config, const bl_setting *s, const char *value,
                           blind_error *err)
{
    bl_config_names *to = field(config, s);
    if (!*value)
        return BLIND_OK;
    if (to->count == BL_MAX_CONFIG_NAMES)
        return blind_fail(err, BLIND_LIMIT, "server.config", "%s: more than %d", s->flag,
                          BL_MAX_CONFIG_NAMES);
    to->each[to->count] = copy(config, value);
    return to->each[to->count++] ? BLIND_OK : no_memory(err);
}

static blind_code add_model(bl_config *config, const bl_setting *s, const char *value,
                            blind_error *err)
{
    bl_config_models *to = field(config, s);
    const char       *equals = strchr(value, '=');
    if (!*value)
        return BLIND_OK;
    if (!equals || equals == value || !equals[1])
        return bad(err, s, value, "NAME=FILE");
    if (to->count == BL_MAX_CONFIG_MODELS)
        return blind_fail(err, BLIND_LIMIT, "server.config", "%s: more than %d", s->flag,
                          BL_MAX_CONFIG_MODELS);
    bl_config_model *m = &to->each[to->count];
    *m = (bl_config_model){ 0 };
    m->name = bl_arena_copy(&config->arena, bl_span(value, (size_t)(equals - value)));
    m->path = copy(config, equals + 1);
    if (!m->name || !m->path)
        return no_memory(err);
    to->count++;
    return BLIND_OK;
}

blind_code bl_config_set(bl_config *config, const bl_setting *s, const char *value,
                         blind_error *err)
{
    switch (s->type) {
    case BL_SETTING_TEXT:
    case BL_SETTING_FILE:
    case BL_SETTING_DIR:
        return set_text(config, s, value, err);
    case BL_SETTING_CHOICE:
        return set_choice(config, s, value, err);
    case BL_SETTING_NAMES:
        return add_name(config, s, value, err);
    case BL_SETTING_MODELS:
        return add_model(config, s, value, err);
    case BL_SETTING_INTEGER:
    case BL_SETTING_SIZE:
        return set_number(config, s, value, err);
    case BL_SETTING_SWITCH:
        return set_switch(config, s, value, err);
    }
    return blind_fail(err, BLIND_USAGE, "server.config", "no such setting");
}

blind_code bl_config_init(bl_config *config, blind_error *err)
{
    *config = (bl_config){ 0 };
    for (size_t i = 0; i < bl_setting_count; i++)
        BL_TRY(bl_config_set(config, &bl_settings[i], bl_settings[i].otherwise, err));
    return BLIND_OK;
}

void bl_config_done(bl_config *config)
{
    bl_arena_done(&config->arena);
    *config = (bl_config){ 0 };
}

/* ---- as a whole ---- */

static blind_code add_measured(const bl_config *config, const bl_setting *s, bl_buf *out,
                               blind_error *err)
{
    const void *at = field(config, s);
    bl_buf_printf(out, "%s =", s->key);
    if (s->type == BL_SETTING_INTEGER || s->type == BL_SETTING_SIZE)
        bl_buf_printf(out, " %" PRId64, *(const int64_t *)at);
    else if (s->type == BL_SETTING_SWITCH)
        bl_buf_add_str(out, *(const bool *)at ? " true" : " false");
    else if (s->type == BL_SETTING_FILE) { /* the file counts, not its place */
        uint8_t     digest[32] = { 0 };
        char        hex[65];
        const char *path = *(const char *const *)at;
        if (*path)
            BL_TRY(bl_hash_file(BL_SHA256, path, digest, NULL, err));
        bl_hex_encode(bl_span(digest, 32), hex);
        bl_buf_printf(out, " sha256 %s", hex);
    } else if (s->type == BL_SETTING_MODELS) { /* their digests have events of their own */
        const bl_config_models *models = at;
        for (size_t i = 0; i < models->count; i++) {
            bl_buf_printf(out, " %s%s", models->each[i].name,
                          models->each[i].no_optim ? " no_optim" : "");
            if (models->each[i].max_batch)
                bl_buf_printf(out, " max_batch %" PRId64, models->each[i].max_batch);
        }
    } else {
        bl_buf_printf(out, " %s", *(const char *const *)at);
    }
    bl_buf_add_str(out, "\n");
    return BLIND_OK;
}

blind_code bl_config_measured(const bl_config *config, bl_buf *out, blind_error *err)
{
    bl_buf_add_str(out, "blind config v1\n");
    for (size_t i = 0; i < bl_setting_count; i++)
        if (bl_settings[i].measured)
            BL_TRY(add_measured(config, &bl_settings[i], out, err));
    return bl_buf_check(out, "server.config", err);
}

static blind_code readable(const char *what, const char *path, blind_error *err)
{
    if (!*path || access(path, R_OK) == 0)
        return BLIND_OK;
    return blind_fail(err, errno == ENOENT ? BLIND_NOT_FOUND : BLIND_IO, "server.config",
                      "%s: cannot read '%s': %s", what, path, strerror(errno));
}

static blind_code check_state_dir(const char *dir, blind_error *err)
{
    struct stat st;
    if (mkdir(dir, 0700) != 0 && errno != EEXIST)
        return blind_fail(err, errno == EACCES ? BLIND_DENIED : BLIND_IO, "server.config",
                          "state-dir: cannot make '%s': %s", dir, strerror(errno));
    if (stat(dir, &st) != 0 || !S_ISDIR(st.st_mode))
        return blind_fail(err, BLIND_IO, "server.config", "state-dir: '%s' is no folder", dir);
    if (access(dir, R_OK | W_OK | X_OK) != 0)
        return blind_fail(err, BLIND_DENIED, "server.config",
                          "state-dir: no permission to write in '%s'", dir);
    return BLIND_OK;
}

blind_code bl_config_ak_handle(const bl_config *config, uint32_t *out, blind_error *err)
{
    char         *end;
    unsigned long value = strtoul(config->tpm_ak_handle, &end, 16);
    *out = (uint32_t)value;
    if (!*config->tpm_ak_handle || (!*end && value >> 24 == 0x81))
        return BLIND_OK;
    return blind_fail(err, BLIND_USAGE, "server.config",
                      "tpm-ak-handle: '%.32s' is no persistent handle, 0x81000000 to 0x81ffffff",
                      config->tpm_ak_handle);
}

static blind_code check_tpm(const bl_config *config, blind_error *err)
{
    uint32_t handle;
    BL_TRY(readable("tpm-ek-chain", config->tpm_ek_chain, err));
    BL_TRY(readable("tpm-event-log", config->tpm_event_log, err));
    return bl_config_ak_handle(config, &handle, err);
}

/* auto becomes the TEE that is found: it is what the runtime log and clients are told. */
static blind_code find_tee(bl_config *config, blind_error *err)
{
    bl_auto_buf    why = BL_BUF_EMPTY;
    bl_tee_options options = { .tpm_tcti = *config->tcti ? config->tcti : NULL };
    if (strcmp(config->tee, "auto") != 0)
        return BLIND_OK;
    const bl_tee *tee = bl_tee_detect(&options, &why);
    const char   *text = bl_buf_cstr(&why);
    if (!tee)
        return blind_fail(err, BLIND_UNSUPPORTED, "server.config", "no TEE here: %s",
                          text ? text : "");
    bl_log(BL_LOG_INFO, "tee.found", BL_LOG_NAME("tee", tee->name),
           BL_LOG_NAME("why", text ? text : ""));
    config->tee = tee->name;
    return BLIND_OK;
}

blind_code bl_config_check(bl_config *config, blind_error *err)
{
    unsigned    lies;
    bl_auto_buf text = BL_BUF_EMPTY;
    if (!*config->tee)
        return blind_fail(err, BLIND_USAGE, "server.config",
                          "missing --tee: auto, or sim, which protects nothing");
    BL_TRY(find_tee(config, err));
    if (!*config->listen)
        return blind_fail(err, BLIND_USAGE, "server.config", "listen must not be empty");
    if (!*config->host_cert != !*config->host_key)
        return blind_fail(err, BLIND_USAGE, "server.config",
                          "host-cert and host-key are given together or not at all");
    if (config->uploads_need_token && !*config->tokens)
        return blind_fail(err, BLIND_USAGE, "server.config",
                          "send_model_requires_auth needs a tokens file");
    BL_TRY(check_tpm(config, err));
    if (*config->sim_lie)
        BL_TRY(bl_sim_lies_parse(config->sim_lie, &lies, err));
    BL_TRY(readable("tokens", config->tokens, err));
    BL_TRY(readable("host-cert", config->host_cert, err));
    BL_TRY(readable("host-key", config->host_key, err));
    for (size_t i = 0; i < config->models.count; i++)
        BL_TRY(readable("model", config->models.each[i].path, err));
    BL_TRY(check_state_dir(config->state_dir, err));
    BL_TRY(bl_config_measured(config, &text, err));
    if (bl_sha256(bl_buf_span(&text), config->digest) == BLIND_OK)
        return BLIND_OK;
    return blind_fail(err, BLIND_FAILED, "server.config", "cannot hash the configuration");
}
