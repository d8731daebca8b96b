/* Who asks, and what they may do.
 *
 * The tokens file has one row per token, `name:sha256-hex-of-token:rights`, or per client key,
 * `name:key=sha256-hex-of-spki:rights`, rights being a comma list of infer, upload, delete, load,
 * admin, and `:priority=N` behind them where it is not the usual one.  Blank lines and lines that
 * start with # are skipped. The row `anonymous:-:RIGHTS` says what sessions with neither may do;
 * without that row, nothing. Only hashes are kept: a token is 32 random bytes or more in hex or
 * base64, so one SHA-256 is enough.
 *
 * Without a tokens file everybody may infer, and the sim TEE lets strangers do the rest. */
#ifndef BL_PRINCIPAL_H
#define BL_PRINCIPAL_H

#include "base/base.h"

#define BL_MAX_PRINCIPAL_NAME 64
#define BL_MAX_PRINCIPALS     4096
#define BL_MAX_TOKENS_FILE    (1u << 20)
#define BL_MAX_TOKEN_SIZE     1024
#define BL_MAX_PRIORITY       100
#define BL_PRIORITY_USUAL     10

/* bit, name, what it allows */
#define BL_RIGHTS(X)                                                                               \
    X(0, INFER, "infer", "ask models")                                                             \
    X(1, UPLOAD, "upload", "upload models, and replace one's own")                                 \
    X(2, DELETE, "delete", "delete one's own models")                                              \
    X(3, LOAD, "load", "unload one's own models and load them again")                              \
    X(4, ADMIN, "admin", "all of it, on everybody's models")

#define X(bit, right, name, text) BL_RIGHT_##right = 1 << bit,
typedef enum { BL_RIGHTS(X) BL_RIGHT_ALL = 31 } bl_right;
#undef X

/* A value: it stays true for the request that carries it when the tokens file is read again. */
typedef struct {
    char name[BL_MAX_PRINCIPAL_NAME + 1]; /* owns models; "anonymous" for every session without
                                             a token */
    uint64_t session;  /* tells anonymous sessions apart where shares are dealt; else 0 */
    unsigned rights;   /* bits of bl_right */
    unsigned priority; /* its part of the executor's time beside others', 1..BL_MAX_PRIORITY; 0:
                          BL_PRIORITY_USUAL */
} bl_principal;

/* The operator: models named by the configuration belong to it. */
bl_principal bl_principal_operator(void);
/* True when both take from the same share of the executor. */
bool bl_principal_same(const bl_principal *a, const bl_principal *b);
/* Errors: DENIED, naming the right. */
BLIND_MUST_USE blind_code bl_principal_may(const bl_principal *who, bl_right right,
                                           blind_error *err);

/* The table.  All functions may be called from any thread. */
typedef struct bl_principals bl_principals;

typedef struct {
    const char *path;           /* of the tokens file; NULL: none */
    bool        open_to_all;    /* without a tokens file strangers may do all but admin (TEE sim) */
    bool        refuse_uploads; /* allow_sendmodel = false: nobody uploads, whoever asks */
} bl_principals_options;

/* Errors: IO, INPUT ("tokens file 'x', line 3: ..."), LIMIT, MEMORY */
BLIND_MUST_USE blind_code bl_principals_new(const bl_principals_options *options,
                                            bl_principals **out, blind_error *err);
void                      bl_principals_free(bl_principals *principals);
/* Reads the tokens file again (SIGHUP); on failure the table in force stays. */
BLIND_MUST_USE blind_code bl_principals_reload(bl_principals *principals, blind_error *err);

/* token    what follows "Bearer "; an absent one (size 0) is an anonymous session, and so is any
 *          where there is no tokens file
 * session  the connection's number
 * Every row is compared, in constant time, whether or not an earlier one matched.
 * Errors: DENIED (no such token) */
BLIND_MUST_USE blind_code bl_principals_find(bl_principals *principals, blind_span token,
                                             uint64_t session, bl_principal *out, blind_error *err);
/* The principal of a key that a client authenticator proved on this session.
 *
 * key_id  SHA-256 of its SubjectPublicKeyInfo
 * Errors: DENIED (no such key): a token of the same digest is another thing */
BLIND_MUST_USE blind_code bl_principals_find_key(bl_principals *principals,
                                                 const uint8_t key_id[32], bl_principal *out,
                                                 blind_error *err);
/* bl_principal_may(), and "SendModel is disabled" where uploads are refused. */
BLIND_MUST_USE blind_code bl_principals_may(bl_principals *principals, const bl_principal *who,
                                            bl_right right, blind_error *err);

/* The parser of the tokens file, pure: rows in the order of the file. */
typedef struct {
    char     name[BL_MAX_PRINCIPAL_NAME + 1];
    uint8_t  sha256[32]; /* of the token, or of the key */
    bool     key;
    unsigned rights, priority;
} bl_token_row;

typedef struct {
    bl_token_row *rows; /* heap */
    size_t        len;
    bool          has_anonymous;
    unsigned      anonymous_rights, anonymous_priority;
} bl_token_table;

/* Errors: INPUT ("line 3: ..."), LIMIT, MEMORY */
BLIND_MUST_USE blind_code bl_token_table_parse(blind_span text, bl_token_table *out,
                                               blind_error *err);
void                      bl_token_table_done(bl_token_table *table);

#endif
