/* serve.toml, and BlindAI's config.toml. */
#include "server/config.h"

blind_code bl_config_load(bl_config *config, const char *path, blind_error *err)
{
    (void)config;
    return blind_fail(err, BLIND_UNSUPPORTED, "server.config", "'%s': no reader of TOML yet", path);
}
