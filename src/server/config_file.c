/* serve.toml, and BlindAI's config.toml: the same settings under its names.
 *
 * Every key is known, mapped or read over with its reason in the log; any other is an error, since
 * a misspelt limit must not be a missing one.  A file is not half in force: the first error ends.
 */
#include "base/file.h"
#include "base/toml.h"
#include "server/config.h"

#include <inttypes.h>
#include <stdio.h>

static const char stage[] = "server.config";

static blind_code at_node(const bl_toml *node, blind_code code, blind_error *err)
{
    blind_error inner = err ? *err : (blind_error){ 0 };
    return bl_toml_fail(node, err, code, stage, "%s", inner.message);
}

static blind_code wrong_type(const bl_toml *node, const char *want, blind_error *err)
{
    return bl_toml_fail(node, err, BLIND_USAGE, stage, "'%.60s' is %s, expected %s",
                        (const char *)node->key.data, bl_toml_type_name(node->type), want);
}

/* One value as the text that a flag would have. */
static blind_code set_one(bl_config *config, const bl_setting *s, const bl_toml *node,
                          const bl_toml *value, blind_error *err)
{
    char        number[32];
    const char *text = number;
    bool        digits = s->type == BL_SETTING_INTEGER || s->type == BL_SETTING_SIZE;
    if (value->type == BL_TOML_INTEGER && digits)
        snprintf(number, sizeof number, "%" PRId64, value->integer);
    else if (value->type == BL_TOML_BOOL && s->type == BL_SETTING_SWITCH)
        text = value->truth ? "true" : "false";
    else if (value->type == BL_TOML_STRING && s->type != BL_SETTING_INTEGER &&
             s->type != BL_SETTING_SWITCH)
        text = (const char *)value->string.data;
    else
        return wrong_type(node,
                          digits                         ? "a number"
                          : s->type == BL_SETTING_SWITCH ? "true or false"
                                                         : "a string",
                          err);
    if (value->type == BL_TOML_STRING && strlen(text) != value->string.size)
        return bl_toml_fail(node, err, BLIND_USAGE, stage, "a NUL in a string");
    blind_code code = bl_config_set(config, s, text, err);
    return code == BLIND_OK ? code : at_node(node, code, err);
}

/* An integer of a model's table; absent it stays as it is. */
static blind_code want_number(const bl_toml *table, const char *key, int64_t min, int64_t max,
                              int64_t *out, blind_error *err)
{
    const bl_toml *node = bl_toml_get(table, key);
    if (!node)
        return BLIND_OK;
    if (node->type != BL_TOML_INTEGER)
        return wrong_type(node, "a number", err);
    if (node->integer < min || node->integer > max)
        return bl_toml_fail(node, err, BLIND_USAGE, stage,
                            "'%.60s': expected %" PRId64 " to %" PRId64, key, min, max);
    *out = node->integer;
    return BLIND_OK;
}

/* name = { file = "...", max_batch = 8, max_wait_us = 500, no_optim = false } */
static blind_code set_model_table(bl_config *config, bl_config_model *to, const bl_toml *table,
                                  blind_error *err)
{
    static const char *const known[] = { "file", "max_batch", "max_wait_us", "no_optim" };
    const bl_toml           *unknown = bl_toml_unknown(table, known, BL_LEN(known));
    const bl_toml           *no_optim = bl_toml_get(table, "no_optim");
    if (unknown)
        return bl_toml_fail(unknown, err, BLIND_USAGE, stage, "unknown key '%.60s'",
                            (const char *)unknown->key.data);
    if (no_optim && no_optim->type != BL_TOML_BOOL)
        return wrong_type(no_optim, "true or false", err);
    to->no_optim = no_optim && no_optim->truth;
    BL_TRY(want_number(table, "max_batch", 1, BL_MAX_BATCH, &to->max_batch, err));
    to->max_wait_us = config->max_wait_us;
    BL_TRY(want_number(table, "max_wait_us", 0, BL_MAX_WAIT_US, &to->max_wait_us, err));
    if (bl_toml_get(table, "max_wait_us") && !to->max_batch)
        return bl_toml_fail(table, err, BLIND_USAGE, stage, "max_wait_us without max_batch");
    return BLIND_OK;
}

static blind_code set_model(bl_config *config, const bl_setting *s, const bl_toml *m,
                            blind_error *err)
{
    const bl_toml *file = m->type == BL_TOML_TABLE ? bl_toml_get(m, "file") : m;
    if (!file)
        return bl_toml_fail(m, err, BLIND_USAGE, stage, "a model has no 'file'");
    if (file->type != BL_TOML_STRING)
        return wrong_type(file, "a string", err);
    char *text = bl_arena_printf(&config->arena, "%s=%s", (const char *)m->key.data,
                                 (const char *)file->string.data);
    if (!text)
        return blind_fail(err, BLIND_MEMORY, stage, "out of memory");
    blind_code code = bl_config_set(config, s, text, err);
    if (code != BLIND_OK)
        return at_node(m, code, err);
    return m->type == BL_TOML_TABLE
               ? set_model_table(config, &config->models.each[config->models.count - 1], m, err)
               : BLIND_OK;
}

/* models = { name = "file", other = { file = "..." } }, or an array of "NAME=FILE". */
static blind_code set_models(bl_config *config, const bl_setting *s, const bl_toml *table,
                             blind_error *err)
{
    for (const bl_toml *m = table->first; m; m = m->next)
        BL_TRY(set_model(config, s, m, err));
    return BLIND_OK;
}

static blind_code set_node(bl_config *config, const bl_setting *s, const bl_toml *node,
                           blind_error *err)
{
    bool many = s->type == BL_SETTING_NAMES || s->type == BL_SETTING_MODELS;
    if (many && node->type == BL_TOML_ARRAY) {
        for (const bl_toml *item = node->first; item; item = item->next)
            BL_TRY(set_one(config, s, node, item, err));
        return BLIND_OK;
    }
    if (s->type == BL_SETTING_MODELS && node->type == BL_TOML_TABLE)
        return set_models(config, s, node, err);
    return set_one(config, s, node, node, err);
}

static const bl_setting *find(const char *key)
{
    for (size_t i = 0; i < bl_setting_count; i++)
        if (strcmp(bl_settings[i].key, key) == 0)
            return &bl_settings[i];
    return NULL;
}

/* ---- BlindAI's names ---- */

typedef enum { SAME, URL, NEGATED, OVER, AUTH, LOAD_MODELS } how;

static const struct {
    const char *key, *setting;
    how         how;
    const char *why; /* it is read over */
} blindai[] = {
    { "client_to_enclave_attested_url", "listen", URL, NULL },
    { "client_to_enclave_untrusted_url", "helper_listen", URL, NULL },
    { "max_input_size", "max_body", SAME, NULL },
    { "max_model_store", "max_models", SAME, NULL },
    { "max_loaded_model_per_user", "max_models_per_principal", SAME, NULL },
    { "allow_sendmodel", "allow_uploads", SAME, NULL },
    { "disable_ownership_check", "check_owners", NEGATED, NULL },
    { "send_model_requires_auth", NULL, AUTH, NULL },
    { "load_models", NULL, LOAD_MODELS, NULL },
    { "internal_host_to_enclave_url", NULL, OVER, "BlindAI did not use it either" },
    { "internal_enclave_to_host_url", NULL, OVER, "evidence is collected in this process" },
    { "models_path", NULL, OVER, "uploaded models end with the process" },
    { "max_sealed_model_per_user", NULL, OVER, "uploaded models end with the process" },
    { "daily_model_cleanup", NULL, OVER, "uploaded models end with the process" },
    { "custom_agent_id", NULL, OVER, "there is no telemetry" },
};

/* "https://0.0.0.0:50051" */
static blind_code set_url(bl_config *config, const bl_setting *s, const bl_toml *node,
                          blind_error *err)
{
    static const char scheme[] = "https://";
    const char       *text = (const char *)node->string.data;
    if (node->type != BL_TOML_STRING)
        return wrong_type(node, "a string", err);
    if (strncmp(text, scheme, sizeof scheme - 1) != 0 ||
        strchr(text + sizeof scheme - 1, '/') != NULL)
        return bl_toml_fail(node, err, BLIND_USAGE, stage, "'%.60s': expected https://HOST:PORT",
                            (const char *)node->key.data);
    blind_code code = bl_config_set(config, s, text + sizeof scheme - 1, err);
    return code == BLIND_OK ? code : at_node(node, code, err);
}

static blind_code want_string(const bl_toml *table, const char *key, bool required,
                              const char **out, blind_error *err)
{
    const bl_toml *node = bl_toml_get(table, key);
    *out = NULL;
    if (!node && !required)
        return BLIND_OK;
    if (!node)
        return bl_toml_fail(table, err, BLIND_USAGE, stage, "a model of load_models has no '%s'",
                            key);
    if (node->type != BL_TOML_STRING || !node->string.size)
        return wrong_type(node, "a string", err);
    *out = (const char *)node->string.data;
    return BLIND_OK;
}

/* Shapes and types are the model's own: what BlindAI was told about them is read over. */
static blind_code load_model(bl_config *config, const bl_toml *table, blind_error *err)
{
    static const char *const known[] = { "model_id",    "path",         "model_name",
                                         "input_facts", "output_facts", "no_optim" };
    const char              *id, *name, *path;
    const bl_toml           *unknown =
        table->type == BL_TOML_TABLE ? bl_toml_unknown(table, known, BL_LEN(known)) : NULL;
    const bl_toml *no_optim = bl_toml_get(table, "no_optim");
    if (table->type != BL_TOML_TABLE)
        return bl_toml_fail(table, err, BLIND_USAGE, stage, "load_models holds something else");
    if (unknown)
        return bl_toml_fail(unknown, err, BLIND_USAGE, stage, "unknown key '%.60s'",
                            (const char *)unknown->key.data);
    if (no_optim && no_optim->type != BL_TOML_BOOL)
        return wrong_type(no_optim, "true or false", err);
    BL_TRY(want_string(table, "path", true, &path, err));
    BL_TRY(want_string(table, "model_name", false, &name, err));
    BL_TRY(want_string(table, "model_id", !name, &id, err));
    char *text = bl_arena_printf(&config->arena, "%s=%s", id ? id : name, path);
    if (!text)
        return blind_fail(err, BLIND_MEMORY, stage, "out of memory");
    blind_code code = bl_config_set(config, find("models"), text, err);
    if (code != BLIND_OK)
        return at_node(table, code, err);
    config->models.each[config->models.count - 1].no_optim = no_optim && no_optim->truth;
    return BLIND_OK;
}

static blind_code set_blindai(bl_config *config, size_t i, const bl_toml *node, blind_error *err)
{
    const bl_setting *s = blindai[i].setting ? find(blindai[i].setting) : NULL;
    switch (blindai[i].how) {
    case SAME:
        return set_node(config, s, node, err);
    case URL:
        return set_url(config, s, node, err);
    case NEGATED:
    case AUTH:
        if (node->type != BL_TOML_BOOL)
            return wrong_type(node, "true or false", err);
        if (blindai[i].how == AUTH)
            config->uploads_need_token = node->truth;
        else
            config->check_owners = !node->truth;
        return BLIND_OK;
    case LOAD_MODELS:
        if (node->type != BL_TOML_ARRAY)
            return wrong_type(node, "an array of tables", err);
        for (const bl_toml *m = node->first; m; m = m->next)
            BL_TRY(load_model(config, m, err));
        return BLIND_OK;
    case OVER:
        if (config->ignored_count < BL_LEN(config->ignored))
            config->ignored[config->ignored_count++] =
                (bl_config_ignored){ blindai[i].key, blindai[i].why };
        return BLIND_OK;
    }
    return BLIND_OK;
}

static blind_code set_key(bl_config *config, const bl_toml *node, blind_error *err)
{
    const char       *key = (const char *)node->key.data;
    const bl_setting *s = strlen(key) == node->key.size ? find(key) : NULL;
    if (s)
        return set_node(config, s, node, err);
    for (size_t i = 0; i < BL_LEN(blindai); i++)
        if (strcmp(blindai[i].key, key) == 0 && strlen(key) == node->key.size)
            return set_blindai(config, i, node, err);
    return bl_toml_fail(node, err, BLIND_USAGE, stage, "unknown key '%.60s'", key);
}

blind_code bl_config_parse(bl_config *config, blind_span text, blind_error *err)
{
    bl_auto_arena  arena = BL_ARENA_EMPTY;
    const bl_toml *root;
    blind_code     code = bl_toml_parse(text, &arena, &root, err);
    if (code != BLIND_OK) { /* a fault of the file, not of a peer */
        if (err && code == BLIND_INPUT)
            err->code = BLIND_USAGE;
        return code == BLIND_INPUT ? BLIND_USAGE : code;
    }
    for (const bl_toml *node = root->first; node; node = node->next)
        BL_TRY(set_key(config, node, err));
    return BLIND_OK;
}

blind_code bl_config_load(bl_config *config, const char *path, blind_error *err)
{
    bl_auto_buf text = BL_BUF_EMPTY;
    BL_TRY(bl_file_read(path, BL_MAX_TOML_SIZE, &text, err));
    blind_code code = bl_config_parse(config, bl_buf_span(&text), err);
    return code == BLIND_OK ? code : blind_fail_in(err, code, "'%s'", path);
}
