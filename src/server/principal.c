/* Principals and the tokens file. */
#include "server/principal.h"

#include "base/file.h"
#include "base/hex.h"
#include "crypto/hash.h"

#include <pthread.h>
#include <stdlib.h>

enum { DIGEST = 32, ALL_BUT_ADMIN = BL_RIGHT_ALL & ~BL_RIGHT_ADMIN };

struct bl_principals {
    bl_principals_options options;
    char                 *path;
    pthread_mutex_t       lock; /* of table */
    bl_token_table        table;
};

#define X(bit, right, text, what) { BL_RIGHT_##right, text },
static const struct {
    bl_right    right;
    const char *name;
} rights[] = { BL_RIGHTS(X) };
#undef X

bl_principal bl_principal_operator(void)
{
    return (bl_principal){ .name = "operator", .rights = BL_RIGHT_ALL };
}

bool bl_principal_same(const bl_principal *a, const bl_principal *b)
{
    return a->session == b->session && strcmp(a->name, b->name) == 0;
}

static const char *right_name(bl_right right)
{
    for (size_t i = 0; i < BL_LEN(rights); i++)
        if (rights[i].right == right)
            return rights[i].name;
    return "?";
}

blind_code bl_principal_may(const bl_principal *who, bl_right right, blind_error *err)
{
    if (who->rights & ((unsigned)right | BL_RIGHT_ADMIN))
        return BLIND_OK;
    return blind_fail(err, BLIND_DENIED, "principal.right", "'%s' has no right to %s", who->name,
                      right_name(right));
}

/* ---- the parser ---- */

/* Takes what stands before the separator, or all there is. */
static blind_span take_until(blind_span *rest, char separator)
{
    const uint8_t *at = rest->size ? memchr(rest->data, separator, rest->size) : NULL;
    blind_span     taken = { rest->data, at ? (size_t)(at - rest->data) : rest->size };
    size_t         skip = taken.size + (at ? 1 : 0);
    if (skip)
        *rest = (blind_span){ rest->data + skip, rest->size - skip };
    return taken;
}

static blind_span trim(blind_span s)
{
    while (s.size && (s.data[0] == ' ' || s.data[0] == '\t'))
        s = (blind_span){ s.data + 1, s.size - 1 };
    while (s.size &&
           (s.data[s.size - 1] == ' ' || s.data[s.size - 1] == '\t' || s.data[s.size - 1] == '\r'))
        s.size--;
    return s;
}

static bool parse_name(blind_span text, char name[BL_MAX_PRINCIPAL_NAME + 1])
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "0123456789._@-";
    if (text.size == 0 || text.size > BL_MAX_PRINCIPAL_NAME)
        return false;
    for (size_t i = 0; i < text.size; i++)
        if (!text.data[i] || !strchr(allowed, text.data[i]))
            return false;
    memcpy(name, text.data, text.size);
    name[text.size] = 0;
    return true;
}

static unsigned find_right(blind_span word)
{
    for (size_t i = 0; i < BL_LEN(rights); i++)
        if (bl_span_equal(word, bl_span_str(rights[i].name)))
            return rights[i].right;
    return 0;
}

/* One right at least, and one behind each comma. */
static bool parse_rights(blind_span text, unsigned *out)
{
    for (*out = 0;;) {
        bool     last = !text.size || !memchr(text.data, ',', text.size);
        unsigned right = find_right(trim(take_until(&text, ',')));
        if (!right)
            return false;
        *out |= right;
        if (last)
            return true;
    }
}

static bool has_digest(const bl_token_table *table, const bl_token_row *row)
{
    for (size_t i = 0; i < table->len; i++)
        if (table->rows[i].key == row->key &&
            memcmp(table->rows[i].sha256, row->sha256, DIGEST) == 0)
            return true;
    return false;
}

static blind_code fail_line(blind_error *err, size_t line, const char *what)
{
    return blind_fail(err, BLIND_INPUT, "principal.tokens", "line %zu: %s", line, what);
}

/* ":priority=25", or nothing. */
static bool parse_priority(blind_span text, bool given, unsigned *out)
{
    static const char mark[] = "priority=";
    size_t            n = sizeof mark - 1;
    *out = 0;
    if (!given)
        return true;
    if (text.size <= n || text.size > n + 3 || memcmp(text.data, mark, n) != 0)
        return false;
    for (size_t i = n; i < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
        *out = *out * 10 + (unsigned)(text.data[i] - '0');
    }
    return *out >= 1 && *out <= BL_MAX_PRIORITY;
}

static bool has_another_priority(const bl_token_table *table, const bl_token_row *row)
{
    for (size_t i = 0; i < table->len; i++)
        if (strcmp(table->rows[i].name, row->name) == 0)
            return table->rows[i].priority != row->priority;
    return false;
}

static blind_code add_row(bl_token_table *table, const bl_token_row *row, size_t line,
                          blind_error *err)
{
    if (has_another_priority(table, row))
        return fail_line(err, line, "this name has another priority above");
    if (has_digest(table, row))
        return fail_line(err, line,
                         row->key ? "this key stands above already"
                                  : "this token stands above already");
    if (table->len == BL_MAX_PRINCIPALS)
        return blind_fail(err, BLIND_LIMIT, "principal.tokens", "line %zu: more than %d rows", line,
                          BL_MAX_PRINCIPALS);
    if ((table->len & (table->len - 1)) == 0) { /* grows at the powers of two */
        size_t        capacity = table->len ? 2 * table->len : 1;
        bl_token_row *rows = realloc(table->rows, capacity * sizeof *rows);
        if (!rows)
            return blind_fail(err, BLIND_MEMORY, "principal.tokens", "no memory for the tokens");
        table->rows = rows;
    }
    table->rows[table->len++] = *row;
    return BLIND_OK;
}

static blind_code add_anonymous(bl_token_table *table, const bl_token_row *row, size_t line,
                                blind_error *err)
{
    if (table->has_anonymous)
        return fail_line(err, line, "'anonymous' stands above already");
    if (row->rights & BL_RIGHT_ADMIN)
        return fail_line(err, line, "'anonymous' cannot be admin");
    table->has_anonymous = true;
    table->anonymous_rights = row->rights;
    table->anonymous_priority = row->priority;
    return BLIND_OK;
}

/* A token's digest, or a key's behind "key=". */
static bool parse_digest(blind_span text, bl_token_row *row)
{
    static const char mark[] = "key=";
    size_t            n = sizeof mark - 1;
    row->key = text.size > n && memcmp(text.data, mark, n) == 0;
    if (row->key)
        text = bl_span(text.data + n, text.size - n);
    return bl_hex_decode(text, row->sha256, DIGEST);
}

/* name:sha256-hex-of-token:rights, name:key=sha256-hex-of-spki:rights, or anonymous:-:rights, each
 * with :priority=N behind it or not */
static blind_code parse_row(bl_token_table *table, blind_span text, size_t line, blind_error *err)
{
    bl_token_row row = { 0 };
    blind_span   name = trim(take_until(&text, ':'));
    blind_span   digest = trim(take_until(&text, ':'));
    bool         more = text.size && memchr(text.data, ':', text.size);
    blind_span   granted = trim(take_until(&text, ':'));
    if (!parse_name(name, row.name))
        return fail_line(err, line,
                         "expected a name of 1 to 64 letters, digits, '.', '_', '@', '-'");
    if (!parse_rights(granted, &row.rights))
        return fail_line(err, line,
                         "expected name:sha256:rights, rights of infer,upload,delete,load,admin");
    if (!parse_priority(trim(text), more, &row.priority))
        return fail_line(err, line, "expected priority=N behind the rights, N from 1 to 100");
    if (strcmp(row.name, "operator") == 0)
        return fail_line(err, line, "'operator' is the server's own name");
    if (strcmp(row.name, "anonymous") == 0)
        return bl_span_equal(digest, BL_LITERAL("-"))
                   ? add_anonymous(table, &row, line, err)
                   : fail_line(err, line, "'anonymous' has no token, expected '-'");
    if (!parse_digest(digest, &row))
        return fail_line(err, line,
                         row.key ? "expected the key's SHA-256 in 64 hexadecimal digits"
                                 : "expected the token's SHA-256 in 64 hexadecimal digits");
    return add_row(table, &row, line, err);
}

blind_code bl_token_table_parse(blind_span text, bl_token_table *out, blind_error *err)
{
    *out = (bl_token_table){ 0 };
    if (text.size > BL_MAX_TOKENS_FILE)
        return blind_fail(err, BLIND_LIMIT, "principal.tokens", "%zu bytes, at most %u", text.size,
                          BL_MAX_TOKENS_FILE);
    blind_code code = BLIND_OK;
    for (size_t line = 1; text.size && code == BLIND_OK; line++) {
        blind_span row = trim(take_until(&text, '\n'));
        if (row.size && row.data[0] != '#')
            code = parse_row(out, row, line, err);
    }
    if (code != BLIND_OK)
        bl_token_table_done(out);
    return code;
}

void bl_token_table_done(bl_token_table *table)
{
    free(table->rows);
    *table = (bl_token_table){ 0 };
}

/* ---- the table in force ---- */

static blind_code load_table(const char *path, bl_token_table *out, blind_error *err)
{
    bl_auto_buf text = BL_BUF_EMPTY;
    *out = (bl_token_table){ 0 };
    if (!path)
        return BLIND_OK;
    blind_code code = bl_file_read(path, BL_MAX_TOKENS_FILE, &text, err);
    if (code == BLIND_OK)
        code = bl_token_table_parse(bl_buf_span(&text), out, err);
    return code == BLIND_OK ? code : blind_fail_in(err, code, "tokens file '%s'", path);
}

blind_code bl_principals_new(const bl_principals_options *options, bl_principals **out,
                             blind_error *err)
{
    *out = NULL;
    bl_token_table table;
    BL_TRY(load_table(options->path, &table, err));
    bl_principals *p = calloc(1, sizeof *p);
    char          *path = options->path ? strdup(options->path) : NULL;
    if (!p || (options->path && !path)) {
        free(p);
        free(path);
        bl_token_table_done(&table);
        return blind_fail(err, BLIND_MEMORY, "principal.new", "no memory for the tokens");
    }
    p->options = *options;
    p->options.path = p->path = path;
    p->table = table;
    pthread_mutex_init(&p->lock, NULL);
    *out = p;
    return BLIND_OK;
}

void bl_principals_free(bl_principals *p)
{
    if (!p)
        return;
    bl_token_table_done(&p->table);
    pthread_mutex_destroy(&p->lock);
    free(p->path);
    free(p);
}

blind_code bl_principals_reload(bl_principals *p, blind_error *err)
{
    bl_token_table fresh, old;
    BL_TRY(load_table(p->path, &fresh, err));
    pthread_mutex_lock(&p->lock);
    old = p->table;
    p->table = fresh;
    pthread_mutex_unlock(&p->lock);
    bl_token_table_done(&old);
    return BLIND_OK;
}

static unsigned anonymous_rights(const bl_principals *p)
{
    if (p->path)
        return p->table.anonymous_rights;
    return p->options.open_to_all ? ALL_BUT_ADMIN : BL_RIGHT_INFER;
}

/* Looks at every row, so that time tells nothing about which matched. */
static bool match(const bl_token_table *table, bool key, const uint8_t sha256[DIGEST],
                  bl_principal *out)
{
    bool found = false;
    for (size_t i = 0; i < table->len; i++) {
        const bl_token_row *row = &table->rows[i];
        if (row->key == key &&
            bl_equal_secret(bl_span(row->sha256, DIGEST), bl_span(sha256, DIGEST))) {
            memcpy(out->name, row->name, sizeof out->name);
            out->rights = row->rights;
            out->priority = row->priority;
            found = true;
        }
    }
    return found;
}

blind_code bl_principals_find(bl_principals *p, blind_span token, uint64_t session,
                              bl_principal *out, blind_error *err)
{
    *out = (bl_principal){ 0 };
    uint8_t sha256[DIGEST] = { 0 };
    if (!p->path) /* no token is known, and none is wrong: OpenAI's clients cannot go without */
        token = (blind_span){ 0 };
    if (token.size > BL_MAX_TOKEN_SIZE)
        return blind_fail(err, BLIND_DENIED, "principal.token", "unknown token");
    if (token.size && bl_sha256(token, sha256) != BLIND_OK)
        return blind_fail(err, BLIND_MEMORY, "principal.token", "no memory to hash a token");
    pthread_mutex_lock(&p->lock);
    bool found = true;
    if (token.size == 0)
        *out = (bl_principal){ "anonymous", session, anonymous_rights(p),
                               p->table.anonymous_priority };
    else
        found = match(&p->table, false, sha256, out);
    pthread_mutex_unlock(&p->lock);
    bl_wipe(sha256, sizeof sha256);
    return found ? BLIND_OK : blind_fail(err, BLIND_DENIED, "principal.token", "unknown token");
}

blind_code bl_principals_find_key(bl_principals *p, const uint8_t key_id[DIGEST], bl_principal *out,
                                  blind_error *err)
{
    *out = (bl_principal){ 0 };
    pthread_mutex_lock(&p->lock);
    bool found = match(&p->table, true, key_id, out);
    pthread_mutex_unlock(&p->lock);
    return found ? BLIND_OK : blind_fail(err, BLIND_DENIED, "principal.key", "unknown client key");
}

blind_code bl_principals_may(bl_principals *p, const bl_principal *who, bl_right right,
                             blind_error *err)
{
    if (right == BL_RIGHT_UPLOAD && p->options.refuse_uploads)
        return blind_fail(err, BLIND_DENIED, "principal.uploads", "SendModel is disabled");
    return bl_principal_may(who, right, err);
}
