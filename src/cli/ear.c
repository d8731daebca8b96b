/* Writes verdicts as attestation results. */
#include "cli/ear.h"

#include "base/file.h"
#include "crypto/key.h"

#include <stdlib.h>

static const char STAGE[] = "cli.ear";

enum { MAX_KEY = 65536 };

static blind_code get_key(const bl_args *args, bl_buf *pem, blind_error *err)
{
    const char         *path = bl_args_text(args, "ear-key");
    bl_auto_key bl_key *fresh = NULL;
    pem->secret = true;
    if (path)
        return bl_file_read(path, MAX_KEY, pem, err);
    BL_TRY(bl_key_generate(&fresh, err));
    return bl_key_private_pem(fresh, pem, err);
}

/* The token and a newline; takes `token`. */
static blind_code save(const char *path, char *token, blind_error *err)
{
    bl_auto_buf text = BL_BUF_EMPTY;
    bl_buf_add_str(&text, token);
    bl_buf_add_str(&text, "\n");
    free(token);
    BL_TRY(bl_buf_check(&text, STAGE, err));
    return bl_file_write_atomic(path, bl_buf_span(&text), 0644, err);
}

blind_code bl_ear_save_result(const bl_args *args, const blind_result *result, blind_error *err)
{
    const char *path = bl_args_text(args, "ear");
    bl_auto_buf pem = BL_BUF_EMPTY;
    char       *token;
    if (!path)
        return BLIND_OK;
    BL_TRY(get_key(args, &pem, err));
    BL_TRY(blind_result_ear(result, bl_buf_span(&pem), &token, err));
    return save(path, token, err);
}

blind_code bl_ear_save_client(const bl_args *args, blind_client *client, blind_error *err)
{
    const char *path = bl_args_text(args, "ear");
    bl_auto_buf pem = BL_BUF_EMPTY;
    char       *token;
    if (!path)
        return BLIND_OK;
    BL_TRY(get_key(args, &pem, err));
    BL_TRY(blind_client_ear(client, bl_buf_span(&pem), &token, err));
    return save(path, token, err);
}
