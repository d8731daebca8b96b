/* --ear and --ear-key: a verdict as a signed token in a file. */
#ifndef BL_CLI_EAR_H
#define BL_CLI_EAR_H

#include "blind/client.h"
#include "cli/cli.h"

/* Each writes nothing without --ear.  Without --ear-key the key is made for this one token. */
BLIND_MUST_USE blind_code bl_ear_save_result(const bl_args *args, const blind_result *result,
                                             blind_error *err);
BLIND_MUST_USE blind_code bl_ear_save_client(const bl_args *args, blind_client *client,
                                             blind_error *err);

/* clang-format off */
#define BL_OPTIONS_EAR                                                                             \
    { .name = "ear", .kind = BL_FILE, .arg = "FILE",                                               \
      .help = "write the verdict as a signed token, an EAT attestation result" },                  \
    { .name = "ear-key", .kind = BL_FILE, .arg = "FILE",                                           \
      .help = "PEM key that signs it (blind key create); without it one that nobody knows" }
/* clang-format on */

#endif
