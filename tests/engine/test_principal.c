/* Principals: the tokens file as it is written and as it is not, and who may do what. */
#include "server/principal.h"

#include "crypto/hash.h"
#include "tests/test.h"

#include <pthread.h>
#include <unistd.h>

#define HASH_A "0000000000000000000000000000000000000000000000000000000000000001"
#define HASH_B "ABCDEFabcdef0000000000000000000000000000000000000000000000000002"

static const struct {
    const char *name, *text;
    blind_code  want;
    size_t      rows;
} files[] = {
    { "empty", "", BLIND_OK, 0 },
    { "comments and blank lines", "# tokens\n\n   \n\t\r\n#x:y:z", BLIND_OK, 0 },
    { "one row", "ann:" HASH_A ":infer", BLIND_OK, 1 },
    { "spaces and CRLF", " ann : " HASH_A " : infer , upload \r\n", BLIND_OK, 1 },
    { "two tokens of one principal", "ann:" HASH_A ":infer\nann:" HASH_B ":admin\n", BLIND_OK, 2 },
    { "anonymous", "anonymous:-:infer\n", BLIND_OK, 0 },
    { "no rights", "ann:" HASH_A ":\n", BLIND_INPUT, 0 },
    { "no third field", "ann:" HASH_A "\n", BLIND_INPUT, 0 },
    { "a name alone", "ann\n", BLIND_INPUT, 0 },
    { "a fourth field", "ann:" HASH_A ":infer:x\n", BLIND_INPUT, 0 },
    { "an unknown right", "ann:" HASH_A ":infer,root\n", BLIND_INPUT, 0 },
    { "an empty right", "ann:" HASH_A ":infer,,upload\n", BLIND_INPUT, 0 },
    { "a comma too many", "ann:" HASH_A ":infer,\n", BLIND_INPUT, 0 },
    { "no name", ":" HASH_A ":infer\n", BLIND_INPUT, 0 },
    { "a name with a space", "an n:" HASH_A ":infer\n", BLIND_INPUT, 0 },
    { "a short digest", "ann:00:infer\n", BLIND_INPUT, 0 },
    { "a digest with a wrong digit", "ann:g" HASH_A ":infer\n", BLIND_INPUT, 0 },
    { "the same token twice", "ann:" HASH_A ":infer\nbob:" HASH_A ":infer\n", BLIND_INPUT, 0 },
    { "a key", "ann:key=" HASH_A ":infer", BLIND_OK, 1 },
    { "a key and a token of one digest", "ann:key=" HASH_A ":infer\nbob:" HASH_A ":infer\n",
      BLIND_OK, 2 },
    { "the same key twice", "ann:key=" HASH_A ":infer\nbob:key=" HASH_A ":infer\n", BLIND_INPUT,
      0 },
    { "a key without digits", "ann:key=:infer\n", BLIND_INPUT, 0 },
    { "a short key", "ann:key=00:infer\n", BLIND_INPUT, 0 },
    { "another kind of key", "ann:rsa=" HASH_A ":infer\n", BLIND_INPUT, 0 },
    { "anonymous with a key", "anonymous:key=" HASH_A ":infer\n", BLIND_INPUT, 0 },
    { "the server's own name", "operator:" HASH_A ":infer\n", BLIND_INPUT, 0 },
    { "anonymous with a token", "anonymous:" HASH_A ":infer\n", BLIND_INPUT, 0 },
    { "anonymous twice", "anonymous:-:infer\nanonymous:-:infer\n", BLIND_INPUT, 0 },
    { "anonymous as admin", "anonymous:-:admin\n", BLIND_INPUT, 0 },
    { "a token for nobody", "ann:-:infer\n", BLIND_INPUT, 0 },
    { "a priority", "ann:" HASH_A ":infer:priority=100\n", BLIND_OK, 1 },
    { "a priority and blanks", "ann:" HASH_A ":infer : priority=1 \n", BLIND_OK, 1 },
    { "anonymous with a priority", "anonymous:-:infer:priority=1\n", BLIND_OK, 0 },
    { "one priority of two tokens",
      "ann:" HASH_A ":infer:priority=7\nann:" HASH_B ":admin:priority=7\n", BLIND_OK, 2 },
    { "two priorities of one name", "ann:" HASH_A ":infer:priority=7\nann:" HASH_B ":admin\n",
      BLIND_INPUT, 0 },
    { "priority 0", "ann:" HASH_A ":infer:priority=0\n", BLIND_INPUT, 0 },
    { "priority 101", "ann:" HASH_A ":infer:priority=101\n", BLIND_INPUT, 0 },
    { "priority 1000", "ann:" HASH_A ":infer:priority=1000\n", BLIND_INPUT, 0 },
    { "a negative priority", "ann:" HASH_A ":infer:priority=-1\n", BLIND_INPUT, 0 },
    { "no priority", "ann:" HASH_A ":infer:priority=\n", BLIND_INPUT, 0 },
    { "a priority in words", "ann:" HASH_A ":infer:priority=low\n", BLIND_INPUT, 0 },
    { "an empty fourth field", "ann:" HASH_A ":infer:\n", BLIND_INPUT, 0 },
    { "a fifth field", "ann:" HASH_A ":infer:priority=1:\n", BLIND_INPUT, 0 },
};

TEST(tokens_are_read_as_written)
{
    for (size_t i = 0; i < BL_LEN(files); i++) {
        bl_token_table table;
        blind_error    err = { 0 };
        CHECK_CODE(files[i].want, bl_token_table_parse(bl_span_str(files[i].text), &table, &err),
                   files[i].name);
        CHECK(table.len == files[i].rows);
        bl_token_table_done(&table);
    }
}

/* No prefix of a good file crashes or leaks; each that ends with a row is good. */
TEST(tokens_survive_every_prefix)
{
    static const char text[] = "# x\nann:" HASH_A ":infer,upload\nanonymous:-:infer\n";
    for (size_t size = 0; size < sizeof text; size++) {
        bl_token_table table;
        blind_code     code = bl_token_table_parse(bl_span(text, size), &table, NULL);
        CHECK(code == BLIND_OK || code == BLIND_INPUT);
        bl_token_table_done(&table);
    }
}

TEST(tokens_name_the_line_that_is_wrong)
{
    bl_token_table table;
    blind_error    err = { 0 };
    CHECK_CODE(BLIND_INPUT,
               bl_token_table_parse(BL_LITERAL("# one\n\nann:00:infer\n"), &table, &err), "line");
    assert_string_equal(err.message,
                        "line 3: expected the token's SHA-256 in 64 hexadecimal digits");
}

TEST(tokens_are_bounded)
{
    bl_auto_free char *text = malloc(BL_MAX_TOKENS_FILE + 1);
    bl_token_table     table;
    memset(text, '\n', BL_MAX_TOKENS_FILE + 1);
    CHECK_CODE(BLIND_LIMIT,
               bl_token_table_parse(bl_span(text, BL_MAX_TOKENS_FILE + 1), &table, NULL), "size");
    size_t size = 0;
    for (unsigned i = 0; i <= BL_MAX_PRINCIPALS; i++)
        size += (size_t)snprintf(text + size, BL_MAX_TOKENS_FILE - size, "n:%064x:infer\n", i);
    CHECK_CODE(BLIND_LIMIT, bl_token_table_parse(bl_span(text, size), &table, NULL), "rows");
}

/* ---- the table in force ---- */

static void write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "wb");
    CHECK(f && fputs(text, f) >= 0 && fclose(f) == 0);
}

/* name  "ann" for a token, "ann:key=" for a key */
static void row(char *text, size_t size, const char *name, const char *token, const char *rights)
{
    uint8_t digest[32];
    size_t  at = strlen(text);
    CHECK_CODE(BLIND_OK, bl_sha256(bl_span_str(token), digest), "hash");
    at += (size_t)snprintf(text + at, size - at, strchr(name, ':') ? "%s" : "%s:", name);
    for (size_t i = 0; i < 32; i++)
        at += (size_t)snprintf(text + at, size - at, "%02x", digest[i]);
    snprintf(text + at, size - at, ":%s\n", rights);
}

static bl_principal find(bl_principals *p, const char *token)
{
    bl_principal who;
    CHECK_CODE(BLIND_OK, bl_principals_find(p, bl_span_str(token), 7, &who, NULL), token);
    return who;
}

TEST(principals_have_the_rights_of_their_row)
{
    static const struct {
        const char *token;
        bl_right    right;
        blind_code  want;
    } cases[] = {
        { "ann's token", BL_RIGHT_INFER, BLIND_OK },
        { "ann's token", BL_RIGHT_UPLOAD, BLIND_OK },
        { "ann's token", BL_RIGHT_DELETE, BLIND_DENIED },
        { "ann's token", BL_RIGHT_LOAD, BLIND_DENIED },
        { "ann's token", BL_RIGHT_ADMIN, BLIND_DENIED },
        { "bob's token", BL_RIGHT_INFER, BLIND_DENIED },
        { "bob's token", BL_RIGHT_DELETE, BLIND_OK },
        { "bob's token", BL_RIGHT_LOAD, BLIND_OK },
        { "root's token", BL_RIGHT_INFER, BLIND_OK },
        { "root's token", BL_RIGHT_UPLOAD, BLIND_OK },
        { "root's token", BL_RIGHT_DELETE, BLIND_OK },
        { "root's token", BL_RIGHT_LOAD, BLIND_OK },
        { "root's token", BL_RIGHT_ADMIN, BLIND_OK },
        { "", BL_RIGHT_INFER, BLIND_OK },
        { "", BL_RIGHT_UPLOAD, BLIND_DENIED },
        { "", BL_RIGHT_ADMIN, BLIND_DENIED },
    };
    char path[] = "/tmp/blind-tokens-XXXXXX", text[1024] = "";
    close(mkstemp(path));
    row(text, sizeof text, "ann", "ann's token", "infer,upload");
    row(text, sizeof text, "bob", "bob's token", "delete,load");
    row(text, sizeof text, "root", "root's token", "admin");
    row(text, sizeof text, "cyd", "cyd's token", "infer:priority=25");
    strcat(text, "anonymous:-:infer:priority=3\n");
    write_file(path, text);
    bl_principals *p;
    CHECK_CODE(BLIND_OK, bl_principals_new(&(bl_principals_options){ .path = path }, &p, NULL),
               "new");
    for (size_t i = 0; i < BL_LEN(cases); i++) {
        bl_principal who = find(p, cases[i].token);
        CHECK_CODE(cases[i].want, bl_principals_may(p, &who, cases[i].right, NULL), cases[i].token);
    }
    bl_principal who, anonymous = find(p, "");
    CHECK(anonymous.session == 7 && strcmp(anonymous.name, "anonymous") == 0);
    CHECK(find(p, "ann's token").session == 0);
    CHECK(find(p, "ann's token").priority == 0); /* the usual one */
    CHECK(find(p, "cyd's token").priority == 25 && anonymous.priority == 3);
    CHECK_CODE(BLIND_DENIED, bl_principals_find(p, BL_LITERAL("another"), 7, &who, NULL), "token");
    CHECK(who.rights == 0);
    bl_principals_free(p);
    unlink(path);
}

TEST(principals_follow_the_file_and_keep_the_last_good_one)
{
    char           path[] = "/tmp/blind-tokens-XXXXXX", text[1024] = "";
    blind_error    err = { 0 };
    bl_principals *p;
    bl_principal   who;
    close(mkstemp(path));
    row(text, sizeof text, "ann", "old", "infer");
    write_file(path, text);
    CHECK_CODE(BLIND_OK, bl_principals_new(&(bl_principals_options){ .path = path }, &p, NULL),
               "new");
    text[0] = 0;
    row(text, sizeof text, "ann", "new", "infer");
    write_file(path, text);
    CHECK_CODE(BLIND_OK, bl_principals_reload(p, NULL), "reload");
    CHECK_CODE(BLIND_DENIED, bl_principals_find(p, BL_LITERAL("old"), 1, &who, NULL), "old");
    CHECK_CODE(BLIND_OK, bl_principals_find(p, BL_LITERAL("new"), 1, &who, NULL), "new");
    write_file(path, "ann:infer\n");
    CHECK_CODE(BLIND_INPUT, bl_principals_reload(p, &err), "a broken file");
    CHECK(strstr(err.message, path) && strstr(err.message, "line 1"));
    CHECK_CODE(BLIND_OK, bl_principals_find(p, BL_LITERAL("new"), 1, &who, NULL), "still");
    unlink(path);
    CHECK_CODE(BLIND_NOT_FOUND, bl_principals_reload(p, &err), "no file");
    CHECK_CODE(BLIND_OK, bl_principals_find(p, BL_LITERAL("new"), 1, &who, NULL), "still");
    bl_principals_free(p);
}

TEST(principals_without_a_file)
{
    static const struct {
        const char *name;
        bool        open, refuse;
        bl_right    right;
        blind_code  want;
    } cases[] = {
        { "hardware: infer", false, false, BL_RIGHT_INFER, BLIND_OK },
        { "hardware: upload", false, false, BL_RIGHT_UPLOAD, BLIND_DENIED },
        { "hardware: load", false, false, BL_RIGHT_LOAD, BLIND_DENIED },
        { "sim: upload", true, false, BL_RIGHT_UPLOAD, BLIND_OK },
        { "sim: delete", true, false, BL_RIGHT_DELETE, BLIND_OK },
        { "sim: load", true, false, BL_RIGHT_LOAD, BLIND_OK },
        { "sim: admin", true, false, BL_RIGHT_ADMIN, BLIND_DENIED },
        { "sim, uploads off", true, true, BL_RIGHT_UPLOAD, BLIND_DENIED },
        { "sim, uploads off: infer", true, true, BL_RIGHT_INFER, BLIND_OK },
    };
    for (size_t i = 0; i < BL_LEN(cases); i++) {
        bl_principals        *p;
        bl_principals_options options = { .open_to_all = cases[i].open,
                                          .refuse_uploads = cases[i].refuse };
        blind_error           err = { 0 };
        CHECK_CODE(BLIND_OK, bl_principals_new(&options, &p, NULL), cases[i].name);
        bl_principal who = find(p, i % 2 ? "a token that nobody knows" : "");
        assert_string_equal(who.name, "anonymous");
        CHECK_CODE(cases[i].want, bl_principals_may(p, &who, cases[i].right, &err), cases[i].name);
        if (cases[i].refuse && cases[i].want != BLIND_OK)
            assert_string_equal(err.message, "SendModel is disabled");
        bl_principals_free(p);
    }
}

/* The public key itself as a bearer token has the digest of the key's row. */
TEST(a_public_key_is_no_token_and_a_token_no_key)
{
    static const char public_key[] = "anybody knows this";
    char              path[] = "/tmp/blind-tokens-XXXXXX", text[1024] = "";
    bl_principals    *p;
    bl_principal      who;
    uint8_t           id[32];
    close(mkstemp(path));
    row(text, sizeof text, "ann:key=", public_key, "infer");
    write_file(path, text);
    CHECK_CODE(BLIND_OK, bl_principals_new(&(bl_principals_options){ .path = path }, &p, NULL),
               "new");
    CHECK_CODE(BLIND_OK, bl_sha256(bl_span_str(public_key), id), "hash");
    CHECK_CODE(BLIND_OK, bl_principals_find_key(p, id, &who, NULL), "its key");
    CHECK(strcmp(who.name, "ann") == 0 && who.session == 0 && who.rights == BL_RIGHT_INFER);
    CHECK_CODE(BLIND_DENIED, bl_principals_find(p, bl_span_str(public_key), 7, &who, NULL),
               "the key as a token");
    text[0] = 0;
    row(text, sizeof text, "bob", "token", "infer");
    write_file(path, text);
    CHECK_CODE(BLIND_OK, bl_principals_reload(p, NULL), "reload");
    CHECK_CODE(BLIND_DENIED, bl_principals_find_key(p, id, &who, NULL), "gone");
    CHECK(who.rights == 0);
    CHECK_CODE(BLIND_OK, bl_sha256(BL_LITERAL("token"), id), "hash");
    CHECK_CODE(BLIND_DENIED, bl_principals_find_key(p, id, &who, NULL),
               "a token's digest as a key");
    bl_principals_free(p);
    unlink(path);
}

static void *reload_often(void *arg)
{
    for (int i = 0; i < 200; i++)
        CHECK_CODE(BLIND_OK, bl_principals_reload(arg, NULL), "reload");
    return NULL;
}

TEST(principals_may_be_read_while_they_are_reloaded)
{
    char           path[] = "/tmp/blind-tokens-XXXXXX", text[1024] = "";
    bl_principals *p;
    pthread_t      thread;
    close(mkstemp(path));
    row(text, sizeof text, "ann", "a", "infer");
    write_file(path, text);
    CHECK_CODE(BLIND_OK, bl_principals_new(&(bl_principals_options){ .path = path }, &p, NULL),
               "new");
    CHECK(pthread_create(&thread, NULL, reload_often, p) == 0);
    for (int i = 0; i < 2000; i++)
        CHECK(strcmp(find(p, "a").name, "ann") == 0);
    pthread_join(thread, NULL);
    bl_principals_free(p);
    unlink(path);
}

TESTS(RUN(tokens_are_read_as_written), RUN(tokens_survive_every_prefix),
      RUN(tokens_name_the_line_that_is_wrong), RUN(tokens_are_bounded),
      RUN(principals_have_the_rights_of_their_row),
      RUN(principals_follow_the_file_and_keep_the_last_good_one),
      RUN(a_public_key_is_no_token_and_a_token_no_key), RUN(principals_without_a_file),
      RUN(principals_may_be_read_while_they_are_reloaded))
