/* Opens an attested client as the options say. */
#include "cli/connect.h"

#include "base/file.h"
#include "blind/policy.h"

#include <stdio.h>
#include <stdlib.h>

enum { MAX_TOKEN = 4096 };

/* The first line of --token-file, else $BLIND_TOKEN, else nothing. */
static blind_code read_token(const bl_args *args, bl_buf *token, const char **out, blind_error *err)
{
    const char *path = bl_args_text(args, "token-file");
    *out = getenv("BLIND_TOKEN");
    if (!path)
        return BLIND_OK;
    BL_TRY(bl_file_read(path, MAX_TOKEN, token, err));
    char *text = bl_buf_cstr(token);
    if (!text)
        return blind_fail(err, BLIND_MEMORY, "cli.token", "out of memory");
    text[strcspn(text, "\r\n")] = 0;
    *out = text;
    return BLIND_OK;
}

/* $XDG_STATE_HOME, or what stands for it.  Source: XDG Base Directory Specification. */
static const char *enrolment_dir(const bl_args *args)
{
    static char path[4096];
    const char *given = bl_args_text(args, "enrolment");
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    int         n = 0;
    if (given)
        return *given ? given : NULL;
    if (state && *state == '/')
        n = snprintf(path, sizeof path, "%s/blind/enrolments", state);
    else if (home && *home == '/')
        n = snprintf(path, sizeof path, "%s/.local/state/blind/enrolments", home);
    return n > 0 && (size_t)n < sizeof path ? path : NULL;
}

blind_dial_options bl_cli_dial_options(const bl_args *args, blind_policy *policy)
{
    return (blind_dial_options){ .policy = policy,
                                 .ca_file = bl_args_text(args, "ca"),
                                 .pin_file = bl_args_text(args, "pin"),
                                 .server_name = bl_args_text(args, "server-name"),
                                 .client_key_file = bl_args_text(args, "client-key"),
                                 .enrolment_dir = enrolment_dir(args),
                                 .simulation = bl_args_has(args, "simulation"),
                                 .debug_mode = bl_args_has(args, "debug-mode"),
                                 .timeout_ms = (int)bl_args_integer(args, "timeout-ms") };
}

blind_code bl_cli_connect(const bl_args *args, const char *url, blind_client **out,
                          blind_result **result, blind_error *err)
{
    blind_client_options options = { 0 };
    return bl_cli_connect_as(args, url, &options, out, result, err);
}

blind_code bl_cli_connect_as(const bl_args *args, const char *url, blind_client_options *with,
                             blind_client **out, blind_result **result, blind_error *err)
{
    bl_auto_buf          token = { .secret = true };
    blind_policy        *policy = NULL;
    blind_client_options options = *with;
    *out = NULL;
    BL_TRY(read_token(args, &token, &options.token, err));
    BL_TRY(blind_policy_load_file(bl_args_text(args, "policy"), &policy, err));
    options.dial = bl_cli_dial_options(args, policy);
    with->token = options.token ? "" : NULL; /* whether there is one; it is the client's */
    blind_code code = blind_client_open_url(url, &options, out, result, err);
    blind_policy_free(policy);
    return code;
}

void bl_cli_disconnect(blind_client **client)
{
    blind_client_close(*client);
    *client = NULL;
}
