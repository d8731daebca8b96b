/* Who the server says it is: the operator's certificate, an installed chain, and systemd's socket.
 */
#include "crypto/cert.h"
#include "server/notify.h"
#include "tests/server/harness.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* Connects as a client that knows a CA, and says what it thinks of the server. */
static blind_code judge(uint16_t port, const char *ca, const char *name)
{
    bl_tls_client_options options = { .rule = BLIND_SERVER_CA, .ca_file = ca, .server_name = name };
    struct sockaddr_in    to = { .sin_family = AF_INET, .sin_port = htons(port) };
    bl_tls_client        *client;
    blind_identity        identity;
    int                   wants;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    bl_auto_fd int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(connect(fd, (struct sockaddr *)&to, sizeof to) == 0);
    CHECK(bl_tls_client_new(&options, &client, NULL) == BLIND_OK);
    struct ssl_st *ssl = bl_tls_client_session(client, fd);
    blind_code     code = bl_tls_handshake(ssl, &wants, NULL);
    if (code == BLIND_OK)
        code = bl_tls_client_check(client, ssl, &identity, NULL);
    bl_tls_close(ssl);
    bl_tls_client_free(client);
    return code;
}

TEST(both_ports_answer_to_the_operators_certificate)
{
    static const char *const settings[] = { "server-name", "models.example", NULL };
    static const struct {
        const char *name;
        blind_code  want;
    } cases[] = { { "localhost", BLIND_OK },
                  { "blindai-srv", BLIND_OK },
                  { "models.example", BLIND_OK },
                  { "127.0.0.1", BLIND_OK },
                  { "other.example", BLIND_TLS } };
    test_server t, other;
    char        ca[128], another[128];
    test_server_start(&t, settings);
    test_server_start(&other, NULL);
    snprintf(ca, sizeof ca, "%s/host_server.pem", t.dir);
    snprintf(another, sizeof another, "%s/host_server.pem", other.dir);
    for (size_t i = 0; i < BL_LEN(cases); i++) {
        CHECK_CODE(cases[i].want,
                   judge(bl_server_port(t.server, BL_ON_ATTESTED), ca, cases[i].name),
                   cases[i].name);
        CHECK_CODE(cases[i].want, judge(bl_server_port(t.server, BL_ON_HELPER), ca, cases[i].name),
                   cases[i].name);
    }
    CHECK_CODE(BLIND_TLS, judge(bl_server_port(t.server, BL_ON_ATTESTED), another, "localhost"),
               "another operator");
    test_server_stop(&t);
    test_server_stop(&other);
}

/* A chain for `key` by a CA of its own; the CA's certificate goes to ca_path. */
static void write_chain(const test_server *t, const bl_key *key, const char *ca_path)
{
    static const char *const names[] = { "localhost" };
    bl_auto_key bl_key      *ca_key = NULL;
    bl_auto_buf              ca = BL_BUF_EMPTY, leaf = BL_BUF_EMPTY, pem = BL_BUF_EMPTY;
    char                     path[128];
    int64_t                  now = bl_clock_wall_s();
    bl_cert_options          options = { .common_name = "ca",
                                         .names = names,
                                         .names_len = 1,
                                         .not_before_s = now - 60,
                                         .not_after_s = now + 3600,
                                         .ca = true };
    CHECK(bl_key_generate(&ca_key, NULL) == BLIND_OK);
    CHECK(bl_cert_make(ca_key, NULL, (blind_span){ 0 }, &options, &ca, NULL) == BLIND_OK);
    options.common_name = "leaf";
    options.ca = false;
    CHECK(bl_cert_make(key, ca_key, bl_buf_span(&ca), &options, &leaf, NULL) == BLIND_OK);
    CHECK(bl_cert_to_pem(bl_buf_span(&ca), &pem, NULL) == BLIND_OK);
    CHECK(bl_file_write_atomic(ca_path, bl_buf_span(&pem), 0600, NULL) == BLIND_OK);
    bl_buf_clear(&pem);
    CHECK(bl_cert_to_pem(bl_buf_span(&leaf), &pem, NULL) == BLIND_OK);
    snprintf(path, sizeof path, "%s/server_chain.pem", t->dir);
    CHECK(bl_file_write_atomic(path, bl_buf_span(&pem), 0600, NULL) == BLIND_OK);
}

TEST(an_installed_chain_is_served_if_it_is_for_our_key)
{
    test_server         t;
    test_peer           p;
    char                ca[128];
    blind_error         err = { 0 };
    bl_auto_key bl_key *foreign = NULL;
    test_server_start(&t, NULL);
    uint16_t port = bl_server_port(t.server, BL_ON_ATTESTED);
    snprintf(ca, sizeof ca, "%s/ca.pem", t.dir);
    CHECK(bl_identity_reload(t.server, &err) == BLIND_OK); /* there is none */
    CHECK(bl_key_generate(&foreign, NULL) == BLIND_OK);
    write_chain(&t, foreign, ca);
    CHECK_CODE(BLIND_INPUT, bl_identity_reload(t.server, &err), "another key");
    CHECK(strstr(err.message, "another key"));
    CHECK_CODE(BLIND_TLS, judge(port, ca, "localhost"), "still the old chain");
    write_chain(&t, t.server->key, ca);
    CHECK_CODE(BLIND_OK, bl_identity_reload(t.server, &err), "ours");
    CHECK_CODE(BLIND_OK, judge(port, ca, "localhost"), "the new chain");
    test_peer_ready(&p, &t); /* and evidence is given as before */
    test_peer_close(&p);
    test_server_stop(&t);
}

TEST(systemd_is_told)
{
    static const char *const paths[] = { "/tmp/blind-notify.%ld", "@blind-notify.%ld" };
    for (size_t i = 0; i < BL_LEN(paths); i++) {
        char               name[64], got[64] = "";
        struct sockaddr_un at = { .sun_family = AF_UNIX };
        int                n = snprintf(name, sizeof name, paths[i], (long)getpid());
        memcpy(at.sun_path, name, (size_t)n);
        if (name[0] == '@')
            at.sun_path[0] = 0;
        bl_auto_fd int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        CHECK(bind(fd, (struct sockaddr *)&at,
                   (socklen_t)(offsetof(struct sockaddr_un, sun_path) + (size_t)n)) == 0);
        setenv("NOTIFY_SOCKET", name, 1);
        bl_notify("READY=1");
        CHECK(recv(fd, got, sizeof got - 1, MSG_DONTWAIT) == 7 && strcmp(got, "READY=1") == 0);
        unlink(name);
    }
    setenv("NOTIFY_SOCKET", "relative", 1);
    bl_notify("READY=1");
    unsetenv("NOTIFY_SOCKET");
    bl_notify("READY=1");
}

TEST(one_address_cannot_take_all_connections)
{
    static const char *const settings[] = { "max-pending", "4", NULL };
    test_server              t;
    test_peer                p[4], more;
    test_server_start(&t, settings);
    for (int i = 0; i < 4; i++)
        test_peer_open(&p[i], bl_server_port(t.server, BL_ON_ATTESTED));
    char ca[128];
    snprintf(ca, sizeof ca, "%s/host_server.pem", t.dir);
    CHECK(judge(bl_server_port(t.server, BL_ON_ATTESTED), ca, "localhost") != BLIND_OK);
    CHECK(atomic_load(&t.server->counters.refused) == 1);
    CHECK(test_peer_attest(&p[0]) == 200); /* one that has evidence counts no more */
    test_peer_ready(&more, &t);
    for (int i = 0; i < 4; i++)
        test_peer_close(&p[i]);
    test_peer_close(&more);
    test_server_stop(&t);
}

TESTS(RUN(both_ports_answer_to_the_operators_certificate),
      RUN(an_installed_chain_is_served_if_it_is_for_our_key), RUN(systemd_is_told),
      RUN(one_address_cannot_take_all_connections))
