/* The table of subcommands, in the order of the help. */
#include "cli/commands.h"

/* clang-format off */
static const bl_command *const commands[] = {
    &bl_command_serve,
    &bl_command_verify,
    &bl_command_upload,
    &bl_command_infer,
    &bl_command_connect,
    &bl_command_chat,
    &bl_command_measure,
    &bl_command_log,
    &bl_command_policy_create,
    &bl_command_policy_show,
    &bl_command_policy_check,
    &bl_command_key_create,
    &bl_command_key_show,
    &bl_command_run,
    &bl_command_bench,
    &bl_command_model_show,
    &bl_command_model_logits,
    &bl_command_model_tokenize,
    &bl_command_model_detokenize,
    &bl_command_pipeline_pack,
    &bl_command_collateral_fetch,
    &bl_command_collateral_show,
    &bl_command_conformance,
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
