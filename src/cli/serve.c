/* blind serve: the settings from file and flags, and the server. */
#include "cli/cli.h"
#include "cli/commands.h"

#include "base/hex.h"
#include "base/log.h"
#include "server/server.h"

#include <stdlib.h>
#include <unistd.h>

#define KIND_TEXT    .kind = BL_TEXT
#define KIND_FILE    .kind = BL_FILE
#define KIND_DIR     .kind = BL_DIR
#define KIND_NAMES   .kind = BL_TEXT, .repeat = true
#define KIND_MODELS  .kind = BL_TEXT, .repeat = true
#define KIND_SIZE    .kind = BL_TEXT
#define KIND_INTEGER .kind = BL_INTEGER
#define KIND_CHOICE  .kind = BL_CHOICE
#define KIND_SWITCH  .kind = BL_CHOICE

#define IS_CHOICE(type)                                                                            \
    (BL_SETTING_##type == BL_SETTING_CHOICE || BL_SETTING_##type == BL_SETTING_SWITCH)

/* The table of settings as options.  A default is shown, but set by bl_config_init(): the file
 * comes between. */
#define X(key, flag, type, value, otherwise, least, most, measured, text)                          \
    { .name = flag,                                                                                \
      KIND_##type,                                                                                 \
      .arg = value,                                                                                \
      .choices = IS_CHOICE(type) ? value : NULL,                                                   \
      .fallback = sizeof otherwise > 1 ? otherwise : NULL,                                         \
      .min = BL_SETTING_##type == BL_SETTING_INTEGER ? least : 0,                                  \
      .max = BL_SETTING_##type == BL_SETTING_INTEGER ? most : 0,                                   \
      .help = text },
static const bl_option options[] = {
    { .name = "config",
      .kind = BL_FILE,
      .arg = "FILE",
      .help = "serve.toml: a key for every option here, or BlindAI's config.toml; flags win" },
    { .name = "check", .kind = BL_FLAG, .help = "test the configuration and start nothing" },
    BL_SETTINGS(X) BL_OPTIONS_END
};
#undef X

static blind_code read_settings(const bl_args *args, bl_config *config, blind_error *err)
{
    BL_TRY(bl_config_init(config, err));
    if (bl_args_has(args, "config"))
        BL_TRY(bl_config_load(config, bl_args_text(args, "config"), err));
    for (size_t i = 0; i < bl_setting_count; i++) {
        const bl_setting *s = &bl_settings[i];
        const char       *value;
        for (size_t k = 0; (value = bl_args_nth(args, s->flag, k)); k++)
            BL_TRY(bl_config_set(config, s, value, err));
    }
    return bl_config_check(config, err);
}

static blind_code say_checked(bl_args *args, const bl_config *config, blind_error *err)
{
    char digest[65];
    bl_hex_encode(bl_span(config->digest, 32), digest);
    if (args->json)
        return bl_args_print_json(
            args, json_pack("{s:i,s:b,s:s}", "version", 1, "usable", 1, "config_sha256", digest),
            err);
    printf("the configuration is usable; its digest in the runtime log is %s\n", digest);
    return BLIND_OK;
}

static blind_code serve(const bl_config *config, blind_error *err)
{
    bl_log_level level = BL_LOG_INFO;
    bl_server   *server;
    (void)!bl_log_level_parse(config->log_level, &level);
    bl_log_open(level, strcmp(config->log, "json") == 0 ? BL_LOG_JSON : BL_LOG_TEXT, STDERR_FILENO);
    if (strcmp(config->tee, "sim") == 0)
        bl_log(BL_LOG_WARN, "tee.simulated", BL_LOG_NAME("protects", "nothing"));
    for (size_t i = 0; i < config->ignored_count; i++)
        bl_log(BL_LOG_WARN, "config.ignored", BL_LOG_NAME("key", config->ignored[i].key),
               BL_LOG_NAME("why", config->ignored[i].why));
    BL_TRY(bl_server_new(config, &server, err));
    blind_code code = bl_server_run(server, err);
    bl_server_free(server);
    return code;
}

static blind_code run(bl_args *args, blind_error *err)
{
    bl_config  config;
    blind_code code = read_settings(args, &config, err);
    if (code == BLIND_OK)
        code = bl_args_has(args, "check") ? say_checked(args, &config, err) : serve(&config, err);
    bl_config_done(&config);
    return code;
}

const bl_command bl_command_serve = {
    .name = "serve",
    .summary = "serve models over attested TLS",
    .about =
        "Clients reach the attested port, verify this program by its evidence, and only then "
        "send data.  The helper port shows a status page and lets people download evidence; "
        "nothing on it is trusted.  SIGTERM stops new work, lets running requests end and "
        "exits 0; SIGHUP reads the tokens, client keys among them, and DIR/server_chain.pem again.",
    .options = options,
    .examples = "blind serve --tee sim --state-dir ./state --model digits=digits.onnx\n"
                "blind serve --config serve.toml --check",
    .run = run,
};
