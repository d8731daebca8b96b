/* Clients with keys at a real server: who proves a key after the attestation has its rights, on
 * this connection and no other. */
#include "blind/client.h"
#include "blind/policy.h"
#include "crypto/cert.h"
#include "tests/server/harness.h"
#include "tls/carriage.h"
#include "tls/messages.h"
#include "tls/transcript.h"

#include <stdlib.h>
#include <unistd.h>

#define NOTHING ((blind_span){ 0 })
#define TYPE    "Content-Type: " BL_CLIENT_AUTHENTICATOR_TYPE "\r\n"

static test_server server;
static bl_buf      model_file;
static char        tokens_path[] = "/tmp/blind-keys-XXXXXX";

/* A client's key, and its row in the server's file, if it has one. */
typedef struct {
    const char *row; /* "name", then ":rights" */
    bl_key     *key;
    bl_buf      cert;
} client;

static client ann = { .row = "ann:infer,upload,delete" }, bob = { .row = "bob:infer,delete" },
              stranger = { .row = NULL };

static void make(client *c)
{
    bl_cert_options options = { .not_after_s = 4000000000 };
    assert_int_equal(BLIND_OK, bl_key_generate(&c->key, NULL));
    assert_int_equal(BLIND_OK, bl_cert_make(c->key, NULL, NOTHING, &options, &c->cert, NULL));
}

static void write_rows(const client *const *rows, size_t len)
{
    bl_auto_buf text = BL_BUF_EMPTY;
    for (size_t i = 0; i < len; i++) {
        bl_auto_buf spki = BL_BUF_EMPTY;
        uint8_t     id[BL_KEY_ID_SIZE];
        char        hex[65];
        int         name = (int)strcspn(rows[i]->row, ":");
        assert_int_equal(BLIND_OK, bl_key_spki(rows[i]->key, &spki, NULL));
        assert_int_equal(BLIND_OK, bl_key_id(bl_buf_span(&spki), id, NULL));
        bl_hex_encode(bl_span(id, sizeof id), hex);
        bl_buf_printf(&text, "%.*s:key=%s%s\n", name, rows[i]->row, hex, rows[i]->row + name);
    }
    /* The SHA-256 of "token". */
    bl_buf_add_str(&text, "tom:3c469e9d6c5875d37a43f353d4f88e61fcf812c66eee3457465a40b0da4153e0:"
                          "infer\nanonymous:-:infer\n");
    assert_int_equal(BLIND_OK, bl_file_write_atomic(tokens_path, bl_buf_span(&text), 0600, NULL));
}

static int start(void **state)
{
    const char   *settings[] = { "tokens", tokens_path, NULL };
    const client *rows[] = { &ann, &bob };
    (void)state;
    CHECK(bl_file_read("examples/digits/model.onnx", 1 << 24, &model_file, NULL) == BLIND_OK);
    close(mkstemp(tokens_path));
    make(&ann);
    make(&bob);
    make(&stranger);
    write_rows(rows, BL_LEN(rows));
    test_server_start(&server, settings);
    return 0;
}

static int stop(void **state)
{
    client *all[] = { &ann, &bob, &stranger };
    (void)state;
    test_server_stop(&server);
    for (size_t i = 0; i < BL_LEN(all); i++) {
        bl_key_free(all[i]->key);
        bl_buf_done(&all[i]->cert);
    }
    bl_buf_done(&model_file);
    unlink(tokens_path);
    return 0;
}

/* ---- words ---- */

static int status_of(test_peer *p, const char *line, const char *fields, blind_span body)
{
    test_auto_answer a = { 0 };
    test_ask(p, line, fields, body, &a);
    return a.status;
}

static bl_buf challenge(test_peer *p)
{
    test_auto_answer a = { 0 };
    bl_buf           request = BL_BUF_EMPTY;
    test_ask(p, "GET " BL_CLIENT_AUTHENTICATOR_PATH, "", NOTHING, &a);
    assert_int_equal(200, a.status);
    bl_buf_add(&request, bl_buf_span(&a.body));
    return request;
}

static bl_buf respond(test_peer *p, blind_span request, const bl_key *key, const bl_buf *cert)
{
    bl_buf      out = BL_BUF_EMPTY;
    bl_exporter exporter = bl_exporter_of(p->ssl);
    bl_contexts used = { 0 };
    assert_int_equal(BLIND_OK, bl_client_authenticator_write(request, &exporter, &used, key,
                                                             bl_buf_span(cert), &out, NULL));
    bl_contexts_done(&used);
    return out;
}

static int post(test_peer *p, blind_span message)
{
    return status_of(p, "POST " BL_CLIENT_AUTHENTICATOR_PATH, TYPE, message);
}

static int authenticate(test_peer *p, const client *as)
{
    bl_auto_buf request = challenge(p);
    bl_auto_buf message = respond(p, bl_buf_span(&request), as->key, &as->cert);
    return post(p, bl_buf_span(&message));
}

static int upload(test_peer *p, const char *name)
{
    char line[100];
    snprintf(line, sizeof line, "PUT /v2/models/%s", name);
    return status_of(p, line, "", bl_buf_span(&model_file));
}

/* ---- tests ---- */

TEST(before_the_attestation_there_are_no_keys)
{
    static const char *const lines[] = { "GET " BL_CLIENT_AUTHENTICATOR_PATH,
                                         "POST " BL_CLIENT_AUTHENTICATOR_PATH };
    for (size_t i = 0; i < BL_LEN(lines); i++) {
        test_peer p;
        test_peer_open(&p, bl_server_port(server.server, BL_ON_ATTESTED));
        assert_int_equal(428, status_of(&p, lines[i], "", NOTHING));
        test_peer_close(&p);
    }
}

TEST(a_key_has_the_rights_of_its_row_and_owns_what_it_uploads)
{
    test_peer        p, q;
    test_auto_answer a = { 0 };
    test_peer_ready(&p, &server);
    assert_int_equal(403, upload(&p, "digits")); /* anonymous may only infer */
    bl_auto_buf request = challenge(&p);
    bl_auto_buf message = respond(&p, bl_buf_span(&request), ann.key, &ann.cert);
    test_ask(&p, "POST " BL_CLIENT_AUTHENTICATOR_PATH, TYPE, bl_buf_span(&message), &a);
    assert_int_equal(200, a.status);
    assert_string_equal("{\"principal\":\"ann\"}", bl_buf_cstr(&a.body));
    assert_int_equal(201, upload(&p, "digits"));
    assert_int_equal(403, status_of(&p, "POST /v2/repository/models/digits/unload", "", NOTHING));
    test_peer_ready(&q, &server);
    assert_int_equal(200, authenticate(&q, &bob));
    assert_int_equal(403, upload(&q, "bobs"));
    assert_int_equal(403, status_of(&q, "DELETE /v2/models/digits", "", NOTHING)); /* ann's */
    assert_int_equal(200, status_of(&p, "DELETE /v2/models/digits", "", NOTHING));
    test_peer_close(&p);
    test_peer_close(&q);
}

TEST(a_key_stays_on_its_connection)
{
    test_peer p, q;
    test_peer_ready(&p, &server);
    assert_int_equal(200, authenticate(&p, &ann));
    assert_int_equal(200, test_peer_attest(&p)); /* a new verdict changes nothing */
    assert_int_equal(201, upload(&p, "kept"));
    assert_int_equal(200, status_of(&p, "DELETE /v2/models/kept", "", NOTHING));
    test_peer_ready(&q, &server);
    assert_int_equal(403, upload(&q, "kept"));
    test_peer_close(&q);
    test_peer_close(&p);
}

TEST(a_requests_token_comes_before_the_connections_key)
{
    test_peer p;
    test_peer_ready(&p, &server);
    assert_int_equal(200, authenticate(&p, &ann));
    assert_int_equal(403, status_of(&p, "PUT /v2/models/x", "Authorization: Bearer token\r\n",
                                    bl_buf_span(&model_file)));
    assert_int_equal(401, status_of(&p, "GET /v2", "Authorization: Bearer other\r\n", NOTHING));
    assert_int_equal(200, status_of(&p, "GET /v2", "", NOTHING));
    test_peer_close(&p);
}

TEST(an_unknown_key_is_refused)
{
    test_peer p;
    test_peer_ready(&p, &server);
    assert_int_equal(403, authenticate(&p, &stranger));
    CHECK(test_peer_closed(&p, 5000));
    test_peer_close(&p);
}

TEST(a_key_leaves_with_its_row)
{
    const client *both[] = { &ann, &bob };
    test_peer     p;
    test_peer_ready(&p, &server);
    assert_int_equal(200, authenticate(&p, &ann));
    assert_int_equal(200, status_of(&p, "GET /v2", "", NOTHING));
    write_rows(both + 1, 1);
    CHECK_CODE(BLIND_OK, bl_principals_reload(server.server->principals, NULL), "SIGHUP");
    assert_int_equal(403, status_of(&p, "GET /v2", "", NOTHING));
    write_rows(both, 2);
    CHECK_CODE(BLIND_OK, bl_principals_reload(server.server->principals, NULL), "SIGHUP");
    assert_int_equal(200, status_of(&p, "GET /v2", "", NOTHING));
    test_peer_close(&p);
}

/* Each case is an answer to a challenge, made with what the connection knows. */
typedef struct {
    const char *name;
    bl_buf (*message)(test_peer *p, blind_span request);
    int status;
} wrong;

static bl_buf other_keys_signature(test_peer *p, blind_span request)
{
    return respond(p, request, bob.key, &ann.cert);
}

static bl_buf other_sessions(test_peer *p, blind_span request)
{
    test_peer q;
    (void)p;
    test_peer_ready(&q, &server);
    bl_buf message = respond(&q, request, ann.key, &ann.cert);
    test_peer_close(&q);
    return message;
}

static bl_buf other_challenges(test_peer *p, blind_span request)
{
    bl_buf message = respond(p, request, ann.key, &ann.cert);
    bl_buf newer = challenge(p);
    bl_buf_done(&newer);
    return message;
}

/* The server's own exports of this session, and its own kind of message. */
static bl_buf reflected(test_peer *p, blind_span request)
{
    bl_buf                message = BL_BUF_EMPTY;
    uint8_t               context[BL_CONTEXT_SIZE];
    bl_authenticator_keys keys;
    bl_exporter           exporter = bl_exporter_of(p->ssl);
    assert_int_equal(BLIND_OK, bl_challenge_parse(request, context, NULL));
    assert_int_equal(BLIND_OK, bl_authenticator_keys_derive(&exporter, context, &keys, NULL));
    assert_int_equal(BLIND_OK, bl_messages_write(request, &keys, ann.key, bl_buf_span(&ann.cert),
                                                 NOTHING, &message, NULL));
    return message;
}

/* What the server itself answered to the request for evidence. */
static bl_buf servers_authenticator(test_peer *p, blind_span request)
{
    bl_auto_buf      ask = BL_BUF_EMPTY;
    test_auto_answer a = { 0 };
    bl_buf           message = BL_BUF_EMPTY;
    blind_span       authenticator, beside;
    (void)request;
    test_attest_request(&ask);
    test_peer_send(p, bl_buf_span(&ask));
    test_peer_read(p, &a);
    assert_int_equal(BLIND_OK,
                     bl_carriage_parse(bl_buf_span(&a.body), &authenticator, &beside, NULL));
    bl_buf_add(&message, authenticator);
    return message;
}

static bl_buf empty(test_peer *p, blind_span request)
{
    bl_buf                message = BL_BUF_EMPTY;
    uint8_t               context[BL_CONTEXT_SIZE], hash[BL_MAX_HASH], mac[BL_MAX_HASH];
    bl_authenticator_keys keys;
    bl_exporter           exporter = bl_exporter_of(p->ssl);
    assert_int_equal(BLIND_OK, bl_challenge_parse(request, context, NULL));
    assert_int_equal(BLIND_OK, bl_sender_keys(&bl_sender_client, &exporter, context, &keys, NULL));
    assert_int_equal(BLIND_OK, bl_transcript_hash(&keys, request, NOTHING, hash));
    assert_int_equal(BLIND_OK, bl_transcript_mac(&keys, hash, mac));
    bl_buf_add_u8(&message, BL_TLS_FINISHED);
    bl_buf_add_be(&message, keys.hash_size, 3);
    bl_buf_add(&message, bl_span(mac, keys.hash_size));
    return message;
}

static bl_buf garbage(test_peer *p, blind_span request)
{
    bl_buf message = BL_BUF_EMPTY;
    (void)p;
    bl_buf_add(&message, request);
    return message;
}

TEST(only_this_sessions_answer_with_its_own_key_counts)
{
    static const wrong cases[] = {
        { "another key's signature", other_keys_signature, 403 },
        { "another session's", other_sessions, 403 },
        { "an earlier challenge's", other_challenges, 403 },
        { "with the server's exports", reflected, 403 },
        { "the server's own authenticator", servers_authenticator, 400 },
        { "the empty authenticator", empty, 403 },
        { "the challenge itself", garbage, 400 },
    };
    for (size_t i = 0; i < BL_LEN(cases); i++) {
        test_peer p;
        test_peer_ready(&p, &server);
        bl_auto_buf request = challenge(&p);
        bl_auto_buf message = cases[i].message(&p, bl_buf_span(&request));
        int         status = post(&p, bl_buf_span(&message));
        if (status != cases[i].status)
            fail_msg("%s: %d", cases[i].name, status);
        if (!test_peer_closed(&p, 5000))
            fail_msg("%s: the connection goes on", cases[i].name);
        test_peer_close(&p);
    }
}

TEST(an_answer_counts_once)
{
    test_peer p;
    test_peer_ready(&p, &server);
    bl_auto_buf request = challenge(&p);
    bl_auto_buf message = respond(&p, bl_buf_span(&request), ann.key, &ann.cert);
    assert_int_equal(200, post(&p, bl_buf_span(&message)));
    assert_int_equal(403, post(&p, bl_buf_span(&message))); /* replayed */
    CHECK(test_peer_closed(&p, 5000));
    test_peer_close(&p);
    test_peer_ready(&p, &server);
    assert_int_equal(403, post(&p, bl_buf_span(&message))); /* nothing was asked */
    test_peer_close(&p);
}

/* The server's contexts and the client's are one set. */
TEST(a_challenges_context_attests_nothing)
{
    test_peer p;
    test_peer_ready(&p, &server);
    bl_auto_buf request = challenge(&p), evidence = BL_BUF_EMPTY, again = challenge(&p);
    uint8_t     context[BL_CONTEXT_SIZE], other[BL_CONTEXT_SIZE];
    assert_int_equal(BLIND_OK, bl_challenge_parse(bl_buf_span(&request), context, NULL));
    assert_int_equal(BLIND_OK, bl_challenge_parse(bl_buf_span(&again), other, NULL));
    CHECK(memcmp(context, other, sizeof context) != 0);
    bl_authenticator_request_write(&evidence, context);
    assert_int_equal(400, status_of(&p, "POST " BL_AUTHENTICATOR_PATH,
                                    "Content-Type: " BL_AUTHENTICATOR_REQUEST_TYPE "\r\n",
                                    bl_buf_span(&evidence)));
    CHECK(test_peer_closed(&p, 5000));
    test_peer_close(&p);
}

TEST(other_forms_of_the_answer_are_refused)
{
    static const struct {
        const char *name, *fields;
        int         status;
    } cases[] = {
        { "no type", "Content-Length: 4\r\n\r\nabcd", 415 },
        { "another type", "Content-Type: text/plain\r\nContent-Length: 4\r\n\r\nabcd", 415 },
        { "no length", TYPE "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 411 },
        { "too large", TYPE "Content-Length: 8193\r\n\r\n", 413 },
    };
    for (size_t i = 0; i < BL_LEN(cases); i++) {
        test_peer        p;
        test_auto_answer a = { 0 };
        test_peer_ready(&p, &server);
        test_peer_printf(&p, "POST " BL_CLIENT_AUTHENTICATOR_PATH " HTTP/1.1\r\nHost: h\r\n%s",
                         cases[i].fields);
        test_peer_read(&p, &a);
        if (a.status != cases[i].status)
            fail_msg("%s: %d", cases[i].name, a.status);
        test_peer_close(&p);
    }
}

/* ---- by the library ---- */

static blind_policy *policy_of_this_program(void)
{
    blind_policy_recipe recipe = { .tee = "sim", .binary = "/proc/self/exe", .server = "any" };
    bl_auto_free char  *text = NULL;
    blind_policy       *policy;
    recipe.others = true;
    assert_int_equal(BLIND_OK, blind_policy_create(&recipe, &text, NULL));
    assert_int_equal(BLIND_OK, blind_policy_load_text(bl_span_str(text), &policy, NULL));
    return policy;
}

/* Opens a client as `who` (NULL: nobody), uploads once more where the name is free, and closes. */
static blind_code upload_as(const client *who, blind_policy *policy, bool no_replace)
{
    bl_auto_buf          pem = BL_BUF_EMPTY;
    blind_client_options options = { .dial = { .host = "127.0.0.1",
                                               .port =
                                                   bl_server_port(server.server, BL_ON_ATTESTED),
                                               .policy = policy,
                                               .simulation = true } };
    blind_upload_options how = { .no_replace = no_replace };
    blind_client        *c;
    if (who)
        assert_int_equal(BLIND_OK, bl_key_private_pem(who->key, &pem, NULL));
    options.dial.client_key = bl_buf_span(&pem);
    BL_TRY(blind_client_open(&options, &c, NULL, NULL));
    blind_code code =
        blind_client_upload_bytes(c, "library", bl_buf_span(&model_file), &how, NULL, NULL);
    blind_client_close(c);
    return code;
}

TEST(the_library_brings_its_key)
{
    blind_policy *policy = policy_of_this_program();
    CHECK_CODE(BLIND_DENIED, upload_as(NULL, policy, false), "nobody");
    CHECK_CODE(BLIND_DENIED, upload_as(&stranger, policy, false), "a key without a row");
    CHECK_CODE(BLIND_DENIED, upload_as(&bob, policy, false), "a row without the right");
    CHECK_CODE(BLIND_OK, upload_as(&ann, policy, true), "a row with the right");
    CHECK_CODE(BLIND_EXISTS, upload_as(&ann, policy, true), "the name is taken");
    CHECK_CODE(BLIND_OK, upload_as(&ann, policy, false), "and replaced");
    blind_policy_free(policy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(before_the_attestation_there_are_no_keys),
        RUN(a_key_has_the_rights_of_its_row_and_owns_what_it_uploads),
        RUN(a_key_stays_on_its_connection),
        RUN(a_requests_token_comes_before_the_connections_key),
        RUN(an_unknown_key_is_refused),
        RUN(a_key_leaves_with_its_row),
        RUN(only_this_sessions_answer_with_its_own_key_counts),
        RUN(an_answer_counts_once),
        RUN(a_challenges_context_attests_nothing),
        RUN(other_forms_of_the_answer_are_refused),
        RUN(the_library_brings_its_key),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
