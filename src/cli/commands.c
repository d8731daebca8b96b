/* The table of subcommands, in the order of the help. */
#include "cli/commands.h"

/* clang-format off */
static const bl_command *const commands[] = {
#ifdef BL_HAVE_SERVE
    &bl_command_serve,
#endif
#ifdef BL_HAVE_VERIFY
    &bl_command_verify,
#endif
#ifdef BL_HAVE_UPLOAD
    &bl_command_upload,
#endif
#ifdef BL_HAVE_INFER
    &bl_command_infer,
#endif
#ifdef BL_HAVE_POLICY
    &bl_command_policy_create,
    &bl_command_policy_show,
    &bl_command_policy_check,
#endif
#ifdef BL_HAVE_RUN
    &bl_command_run,
#endif
#ifdef BL_HAVE_BENCH
    &bl_command_bench,
#endif
    &bl_command_version,
    &bl_command_help,
    &bl_command_generate,
};
/* clang-format on */

const bl_command *const *bl_commands(size_t *len)
{
    *len = BL_LEN(commands);
    return commands;
}
