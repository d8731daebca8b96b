/* `blind version`: what this build is. */
#include "cli/commands.h"

#include "blind/version.h"
#include "crypto/library.h"

static blind_code run(bl_args *args, blind_error *err)
{
    if (args->json)
        return bl_args_print_json(args,
                                  json_pack("{s:i,s:s,s:i,s:s}", "version", 1, "blind",
                                            blind_version(), "wire_version", BLIND_WIRE_VERSION,
                                            "openssl", bl_crypto_library_version()),
                                  err);
    printf("blind %s (wire version %d, %s)\n", blind_version(), BLIND_WIRE_VERSION,
           bl_crypto_library());
    return BLIND_OK;
}

const bl_command bl_command_version = {
    .name = "version",
    .summary = "which build this is",
    .examples = "blind version --json",
    .run = run,
};
