/* `blind key create` and `blind key show`: a client's key, and how a server's file names it. */
#include "crypto/key.h"
#include "base/file.h"
#include "base/hex.h"
#include "cli/commands.h"
#include "tls/client_authenticator.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

enum { MAX_KEY_FILE = 1 << 16 };

static const char STAGE[] = "cli.key";

/* A new file and never another's: who overwrites a key has lost it. */
static blind_code write_new(const char *path, blind_span bytes, blind_error *err)
{
    bl_auto_fd int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return bl_errno_fail(err, STAGE, "create", path, errno);
    ssize_t put = write(fd, bytes.data, bytes.size);
    if (put == (ssize_t)bytes.size && fsync(fd) == 0)
        return BLIND_OK;
    blind_code code = bl_errno_fail(err, STAGE, "write", path, put < 0 ? errno : ENOSPC);
    unlink(path);
    return code;
}

/* "key=HEX", as it stands in the tokens file. */
static blind_code print_id(bl_args *args, const bl_key *key, blind_error *err)
{
    bl_auto_buf spki = BL_BUF_EMPTY;
    uint8_t     id[BL_KEY_ID_SIZE];
    char        hex[2 * BL_KEY_ID_SIZE + 1];
    BL_TRY(bl_key_spki(key, &spki, err));
    BL_TRY(bl_key_id(bl_buf_span(&spki), id, err));
    bl_hex_encode(bl_span(id, sizeof id), hex);
    if (args->json)
        return bl_args_print_json(
            args,
            json_pack("{s:i,s:s,s:s}", "version", 1, "file", bl_args_operand(args, 0), "key", hex),
            err);
    if (printf("key=%s\n", hex) < 0 || fflush(stdout))
        return blind_fail(err, BLIND_IO, STAGE, "cannot write to stdout");
    return BLIND_OK;
}

static blind_code run_create(bl_args *args, blind_error *err)
{
    bl_auto_key bl_key *key = NULL;
    bl_auto_buf         pem = { .secret = true };
    BL_TRY(bl_key_generate(&key, err));
    BL_TRY(bl_key_private_pem(key, &pem, err));
    BL_TRY(write_new(bl_args_operand(args, 0), bl_buf_span(&pem), err));
    return print_id(args, key, err);
}

static blind_code run_show(bl_args *args, blind_error *err)
{
    bl_auto_key bl_key *key = NULL;
    bl_auto_buf         pem = { .secret = true };
    bl_signature_scheme scheme;
    const char         *path = bl_args_operand(args, 0);
    BL_TRY(bl_file_read(path, MAX_KEY_FILE, &pem, err));
    blind_code code = bl_key_from_private_pem(bl_buf_span(&pem), &key, err);
    if (code != BLIND_OK)
        return blind_fail_in(err, code, "'%s'", path);
    BL_TRY(bl_key_scheme(key, &scheme, err));
    if (scheme != BL_ECDSA_P256_SHA256)
        return blind_fail(err, BLIND_INPUT, STAGE, "'%s': expected a key on P-256", path);
    return print_id(args, key, err);
}

const bl_command bl_command_key_create = {
    .name = "key create",
    .summary = "make a key for a client, and print what the server's file calls it",
    .about =
        "Writes a new P-256 private key, PEM, readable by its owner alone; a file that is there\n"
        "already is left as it is. The line printed goes into the server's tokens file, between\n"
        "the client's name and its rights: NAME:key=ID:RIGHTS. The client then gives the file to\n"
        "--client-key: its key is proved on every connection after the verdict, never before.",
    .operands = { { .arg = "FILE", .kind = BL_FILE, .help = "where the key goes" } },
    .examples = "blind key create ann.pem\n"
                "printf 'ann:%s:infer,upload\\n' \"$(blind key create ann.pem)\" >> tokens",
    .run = run_create,
};

const bl_command bl_command_key_show = {
    .name = "key show",
    .summary = "print what the server's file calls a client's key",
    .operands = { { .arg = "FILE", .kind = BL_FILE, .help = "the private key, PEM" } },
    .examples = "blind key show ann.pem",
    .run = run_show,
};
