/* The store on the helper port, by the vendors' paths: what is there, with its chain and its tag;
 * nothing that is not, and nothing beside it. */
#include "collateral/store.h"
#include "tests/server/harness.h"

#include <stdlib.h>
#include <unistd.h>

#define NOTHING ((blind_span){ 0 })
#define TCB     "GET /tdx/certification/v4/tcb?fmspc=50806f000000"

static char        store[] = "/tmp/blind-mirror-XXXXXX";
static test_server server, without;

static void put(const char *name, const char *body, const char *header)
{
    bl_auto_item item = BL_ITEM_EMPTY;
    bl_buf_add_str(&item.body, body);
    bl_buf_add_str(&item.header, header);
    CHECK_CODE(BLIND_OK, bl_store_write(store, name, &item, NULL), name);
}

static int start(void **state)
{
    const char *settings[] = { "collateral-dir", store, NULL };
    (void)state;
    CHECK(mkdtemp(store));
    put("snp/Milan/vcek-cert_chain.pem", "a chain", "");
    put("snp/Milan/vcek-crl.der", "a list", "");
    put("intel/tdx/tcb-50806f000000.json", "{}", "-----BEGIN X-----\nA+/=\n");
    put("intel/tdx/qe-identity.json", "{}", ""); /* kept by an older program, without its chain */
    put("other/secret.json", "not a vendor's", "");
    test_server_start(&server, settings);
    test_server_start(&without, NULL);
    return 0;
}

static int stop(void **state)
{
    char command[128];
    (void)state;
    test_server_stop(&server);
    test_server_stop(&without);
    snprintf(command, sizeof command, "rm -rf '%s'", store);
    return system(command);
}

static void ask(const test_server *t, const char *line, const char *fields, test_answer *out)
{
    test_peer p;
    test_peer_open(&p, bl_server_port(t->server, BL_ON_HELPER));
    test_ask(&p, line, fields, NOTHING, out);
    test_peer_close(&p);
}

static bool body_is(const test_answer *a, const char *text)
{
    return bl_span_equal(bl_buf_span(&a->body), bl_span_str(text));
}

TEST(what_the_store_holds_is_served)
{
    test_auto_answer chain = { 0 }, list = { 0 }, tcb = { 0 }, head = { 0 };
    ask(&server, "GET /vcek/v1/Milan/cert_chain", "", &chain);
    CHECK(chain.status == 200 && body_is(&chain, "a chain"));
    assert_string_equal("application/pem-certificate-chain", chain.type);
    ask(&server, "GET /vcek/v1/Milan/crl", "", &list);
    CHECK(list.status == 200 && body_is(&list, "a list"));
    assert_string_equal("application/pkix-crl", list.type);
    ask(&server, TCB, "", &tcb);
    CHECK(tcb.status == 200 && body_is(&tcb, "{}"));
    assert_string_equal("application/json", tcb.type);
    assert_string_equal("-----BEGIN%20X-----%0AA%2B%2F%3D%0A", tcb.chain);
    ask(&server, "HEAD /vcek/v1/Milan/crl", "", &head);
    assert_string_equal(list.tag, head.tag);
}

TEST(a_known_tag_gets_no_body_until_the_item_changes)
{
    test_auto_answer first = { 0 }, again = { 0 }, listed = { 0 }, other = { 0 }, any = { 0 },
                     renewed = { 0 };
    char fields[200];
    ask(&server, TCB, "", &first);
    snprintf(fields, sizeof fields, "If-None-Match: %s\r\n", first.tag);
    ask(&server, TCB, fields, &again);
    CHECK(again.status == 304 && again.body.size == 0);
    assert_string_equal(first.tag, again.tag);
    assert_string_equal(first.chain, again.chain);
    snprintf(fields, sizeof fields, "If-None-Match: \"x\", W/%s\r\n", first.tag);
    ask(&server, TCB, fields, &listed);
    CHECK(listed.status == 304);
    ask(&server, TCB, "If-None-Match: *\r\n", &any);
    CHECK(any.status == 304);
    ask(&server, TCB, "If-None-Match: \"x\"\r\n", &other);
    CHECK(other.status == 200);

    put("intel/tdx/tcb-50806f000000.json", "{}", "another chain"); /* the same body */
    snprintf(fields, sizeof fields, "If-None-Match: %s\r\n", first.tag);
    ask(&server, TCB, fields, &renewed);
    CHECK(renewed.status == 200 && strcmp(renewed.tag, first.tag) != 0);
    assert_string_equal("another%20chain", renewed.chain);
}

TEST(what_it_does_not_hold_is_not_there)
{
    static const char *const lines[] = {
        "GET /vcek/v1/Genoa/crl",
        "GET /vlek/v1/Milan/crl",
        "GET /sgx/certification/v4/tcb?fmspc=50806f000000",
        "GET /tdx/certification/v4/qe/identity",
        "GET /IntelSGXRootCA.der",
        /* and paths that mean to leave the store, or to reach what no vendor offers */
        "GET /vcek/v1/Milan/..%2f..%2f..%2fetc%2fpasswd",
        "GET /vcek/v1/Milan/../../../etc/passwd",
        "GET /vcek/v1/..%2f..%2fother/secret",
        "GET /vcek/v1/Milan/vcek-crl.der",
        "GET /vcek/v1/Milan/vcek-crl.der.json",
        "GET /vcek/v1/%4dilan/crl",
        "GET /vcek/v1/Milan/crl?x=1",
        "GET /vcek/v1//crl",
        "GET /tdx/certification/v4/tcb?fmspc=../../other/secret",
        "GET /tdx/certification/v4/tcb?fmspc=50806f000000%00",
        "GET /other/secret",
        "GET /snp/Milan/vcek-crl.der",
    };
    for (size_t i = 0; i < BL_LEN(lines); i++) {
        test_auto_answer a = { 0 };
        ask(&server, lines[i], "", &a);
        if (a.status != 404 || strcmp(a.code, "NOT_FOUND") != 0)
            fail_msg("%s: %d %s", lines[i], a.status, a.code);
    }
}

TEST(a_damaged_item_is_not_served)
{
    char             path[128];
    test_auto_answer a = { 0 };
    put("snp/Turin/vcek-crl.der", "whole", "");
    snprintf(path, sizeof path, "%s/snp/Turin/vcek-crl.der", store);
    CHECK(bl_file_write_atomic(path, BL_LITERAL("damaged"), 0644, NULL) == BLIND_OK);
    ask(&server, "GET /vcek/v1/Turin/crl", "", &a);
    CHECK(a.status == 404);
}

TEST(the_page_says_whether_there_is_a_store)
{
    test_auto_answer with = { 0 }, none = { 0 };
    ask(&server, "GET /", "", &with);
    ask(&without, "GET /", "", &none);
    CHECK(strstr(bl_buf_cstr(&with.body), "collateral fetch --mirror"));
    CHECK(!strstr(bl_buf_cstr(&none.body), "collateral fetch --mirror"));
}

TEST(only_the_helper_port_of_a_server_with_a_store_has_these_paths)
{
    test_auto_answer attested = { 0 }, none = { 0 }, post = { 0 };
    test_peer        p;
    test_peer_ready(&p, &server);
    test_ask(&p, "GET /vcek/v1/Milan/crl", "", NOTHING, &attested);
    test_peer_close(&p);
    CHECK(attested.status == 404);
    ask(&without, "GET /vcek/v1/Milan/crl", "", &none);
    CHECK(none.status == 404);
    ask(&server, "POST /vcek/v1/Milan/crl", "", &post);
    CHECK(post.status == 405);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(what_the_store_holds_is_served),
        RUN(a_known_tag_gets_no_body_until_the_item_changes),
        RUN(what_it_does_not_hold_is_not_there),
        RUN(a_damaged_item_is_not_served),
        RUN(the_page_says_whether_there_is_a_store),
        RUN(only_the_helper_port_of_a_server_with_a_store_has_these_paths),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
