/* Every row of the table.  Each is defined in the file of its name. */
#ifndef BL_COMMANDS_H
#define BL_COMMANDS_H

#include "cli/cli.h"

extern const bl_command bl_command_serve;
extern const bl_command bl_command_verify;
extern const bl_command bl_command_upload;
extern const bl_command bl_command_infer;
extern const bl_command bl_command_chat;
extern const bl_command bl_command_connect;
extern const bl_command bl_command_measure;
extern const bl_command bl_command_log;
extern const bl_command bl_command_policy_create;
extern const bl_command bl_command_policy_show;
extern const bl_command bl_command_policy_check;
extern const bl_command bl_command_key_create;
extern const bl_command bl_command_key_show;
extern const bl_command bl_command_run;
extern const bl_command bl_command_bench;
extern const bl_command bl_command_model_show;
extern const bl_command bl_command_model_logits;
extern const bl_command bl_command_model_tokenize;
extern const bl_command bl_command_model_detokenize;
extern const bl_command bl_command_pipeline_pack;
extern const bl_command bl_command_collateral_fetch;
extern const bl_command bl_command_collateral_show;
extern const bl_command bl_command_conformance;
extern const bl_command bl_command_version;
extern const bl_command bl_command_help;
extern const bl_command bl_command_generate;

#endif
