/* From BL_OPTIONS_CONNECT and a URL to an attested client: the subcommands that talk to a server.
 */
#ifndef BL_CLI_CONNECT_H
#define BL_CLI_CONNECT_H

#include "blind/client.h"
#include "cli/cli.h"

/* A row beside BL_OPTIONS_CONNECT for commands that use rights on the server. */
/* clang-format off */
#define BL_OPTION_TOKEN                                                                            \
    { .name = "token-file", .kind = BL_FILE, .arg = "FILE",                                        \
      .help = "bearer token, sent after the verdict; $BLIND_TOKEN else" }
/* clang-format on */

/* What BL_OPTIONS_CONNECT say; host and port are the URL's. */
blind_dial_options bl_cli_dial_options(const bl_args *args, blind_policy *policy);

/* The result, which may be NULL, is what the appraisal found when it refused. */
BLIND_MUST_USE blind_code bl_cli_connect(const bl_args *args, const char *url, blind_client **out,
                                         blind_result **result, blind_error *err);
/* The same with what `with` says besides; with->token is not NULL afterwards when one is sent. */
BLIND_MUST_USE blind_code bl_cli_connect_as(const bl_args *args, const char *url,
                                            blind_client_options *with, blind_client **out,
                                            blind_result **result, blind_error *err);
void                      bl_cli_disconnect(blind_client **client);
#define bl_auto_client __attribute__((cleanup(bl_cli_disconnect))) blind_client

#endif
