/* A whole service on a TPM, by swtpm: a client enrols its key once, and every connection gets a
 * quote made for it. */
#include "tests/server/harness.h"

#include "attest/tpm/credential.h"
#include "base/hex.h"
#include "blind/stream.h"
#include "client/internal.h"
#include "tests/attest/swtpm.h"

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

static swtpm tpm;
static bool  there;

/* `dir` NULL: a machine that was started anew. */
static void start_in(test_server *t, const char *dir)
{
    const char *const settings[] = {
        "tee", "tpm", "tcti", tpm.tcti, "tpm-ek-chain", tpm.chain, dir ? "state-dir" : NULL,
        dir,   NULL
    };
    if (!dir)
        swtpm_restart(&tpm);
    test_server_start(t, settings);
}

static void start(test_server *t)
{
    start_in(t, NULL);
}

/* Accepts TPMs certified under this key, and what `more` says. */
static blind_policy *policy_of(blind_span spki, const char *more)
{
    uint8_t       digest[32];
    char          hex[65], text[1024];
    blind_policy *policy;
    blind_error   err = { 0 };
    CHECK_CODE(BLIND_OK, bl_sha256(spki, digest), "sha256");
    bl_hex_encode(bl_span(digest, 32), hex);
    snprintf(text, sizeof text,
             "version = 1\nserver = \"any\"\ntees = [\"tpm\"]\nallow_debug = true\n"
             "[models]\nothers = \"allow\"\n[tpm]\nauthorities = [\"%s\"]\n%s\n",
             hex, more);
    if (blind_policy_load_text(bl_span_str(text), &policy, &err) != BLIND_OK)
        fail_msg("%s", err.message);
    return policy;
}

#define ANY "[[tpm.reference]]\npcr15 = \"any\""

static blind_code dial(const test_server *t, blind_policy *policy, const char *dir, bool *enrolled,
                       blind_error *err)
{
    blind_stream      *stream = NULL;
    blind_result      *result = NULL;
    blind_dial_options options = { .host = "127.0.0.1",
                                   .port = bl_server_port(t->server, BL_ON_ATTESTED),
                                   .policy = policy,
                                   .enrolment_dir = dir };
    blind_code         code = blind_stream_open(&options, &stream, &result, err);
    const char        *text = blind_result_text(stream ? blind_stream_result(stream) : result);
    *enrolled = strstr(text, "enrolled") != NULL;
    CHECK(code != BLIND_OK || strstr(text, "the whole log since the machine started"));
    blind_result_free(result);
    blind_stream_close(stream);
    return code;
}

/* The store's only file. */
static bool stored(const char *dir, struct stat *out)
{
    DIR *d = opendir(dir);
    char path[512];
    int  files = 0;
    for (struct dirent *e; d && (e = readdir(d));)
        if (strstr(e->d_name, ".enrolment")) {
            snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
            files += stat(path, out) == 0;
        }
    if (d)
        closedir(d);
    return files == 1;
}

TEST(a_key_is_enrolled_once_and_kept)
{
    test_server t;
    char        dir[96];
    struct stat first, second;
    bool        enrolled;
    blind_error err = { 0 };
    if (!there)
        return;
    start(&t);
    snprintf(dir, sizeof dir, "%s/client/enrolments", t.dir);
    blind_policy *policy = policy_of(bl_buf_span(&tpm.root_spki), ANY);
    if (dial(&t, policy, dir, &enrolled, &err) != BLIND_OK)
        fail_msg("%s", err.message);
    CHECK(enrolled && stored(dir, &first));
    assert_int_equal(0600, first.st_mode & 0777);
    for (int i = 0; i < 3; i++)
        CHECK_CODE(BLIND_OK, dial(&t, policy, dir, &enrolled, &err), err.message);
    CHECK(stored(dir, &second) && first.st_ino == second.st_ino);
    /* Without a store each client enrols for itself. */
    CHECK_CODE(BLIND_OK, dial(&t, policy, NULL, &enrolled, &err), err.message);
    blind_policy_free(policy);
    test_server_stop(&t);
}

TEST(a_damaged_record_is_enrolled_anew)
{
    test_server t;
    char        dir[96], command[256];
    struct stat first, second;
    bool        enrolled;
    blind_error err = { 0 };
    if (!there)
        return;
    start(&t);
    snprintf(dir, sizeof dir, "%s/enrolments", t.dir);
    blind_policy *policy = policy_of(bl_buf_span(&tpm.root_spki), ANY);
    CHECK_CODE(BLIND_OK, dial(&t, policy, dir, &enrolled, &err), err.message);
    CHECK(stored(dir, &first));
    snprintf(command, sizeof command, "for f in %s/*; do head -c 100 $f > $f.x; mv $f.x $f; done",
             dir);
    CHECK(system(command) == 0);
    CHECK_CODE(BLIND_OK, dial(&t, policy, dir, &enrolled, &err), err.message);
    CHECK(stored(dir, &second) && second.st_size == first.st_size);
    blind_policy_free(policy);
    test_server_stop(&t);
}

TEST(a_tpm_that_nobody_trusts_is_refused)
{
    test_server         t;
    char                dir[96];
    struct stat         file;
    bool                enrolled;
    blind_error         err = { 0 };
    bl_auto_key bl_key *key = NULL;
    bl_auto_buf         spki = BL_BUF_EMPTY;
    if (!there)
        return;
    start(&t);
    snprintf(dir, sizeof dir, "%s/enrolments", t.dir);
    CHECK_CODE(BLIND_OK, bl_key_generate(&key, NULL), "key");
    CHECK_CODE(BLIND_OK, bl_key_spki(key, &spki, NULL), "spki");
    blind_policy *policy = policy_of(bl_buf_span(&spki), ANY);
    CHECK_CODE(BLIND_CHAIN, dial(&t, policy, dir, &enrolled, &err), "another authority");
    CHECK(!stored(dir, &file));
    blind_policy_free(policy);
    test_server_stop(&t);
}

TEST(an_enrolled_key_with_other_registers_is_refused)
{
    static const char other[] =
        "[[tpm.reference]]\npcr0 = "
        "\"1111111111111111111111111111111111111111111111111111111111111111\"";
    static const char encrypted[] = ANY;
    test_server       t;
    char              dir[96];
    bool              enrolled;
    blind_error       err = { 0 };
    if (!there)
        return;
    start(&t);
    snprintf(dir, sizeof dir, "%s/enrolments", t.dir);
    blind_policy *policy = policy_of(bl_buf_span(&tpm.root_spki), other);
    CHECK_CODE(BLIND_MEASUREMENT, dial(&t, policy, dir, &enrolled, &err), "another pcr0");
    blind_policy_free(policy);
    policy = policy_of(bl_buf_span(&tpm.root_spki), encrypted);
    CHECK_CODE(BLIND_OK, dial(&t, policy, dir, &enrolled, &err), err.message);
    blind_policy_free(policy);
    test_server_stop(&t);
}

TEST(the_log_goes_on_after_a_restart)
{
    test_server t;
    char        dir[64] = "/tmp/blind-state-XXXXXX", command[96];
    bool        enrolled;
    blind_error err = { 0 };
    uint64_t    before;
    if (!there)
        return;
    CHECK(mkdtemp(dir));
    swtpm_restart(&tpm);
    blind_policy *policy = policy_of(bl_buf_span(&tpm.root_spki), ANY);
    start_in(&t, dir);
    before = bl_runtime_log_len(&t.server->log);
    CHECK_CODE(BLIND_OK, dial(&t, policy, NULL, &enrolled, &err), err.message);
    test_server_stop(&t);
    start_in(&t, dir);
    CHECK(bl_runtime_log_len(&t.server->log) == 2 * before);
    CHECK_CODE(BLIND_OK, dial(&t, policy, NULL, &enrolled, &err), err.message);
    test_server_stop(&t);
    blind_policy_free(policy);
    snprintf(command, sizeof command, "rm -rf %s", dir);
    CHECK(system(command) == 0);
}

TEST(a_challenge_is_answered_behind_the_evidence_and_once)
{
    test_server       t;
    test_peer         p;
    test_auto_answer  answer = { 0 }, again = { 0 }, early = { 0 };
    static const char type[] = "Content-Type: " BL_ACTIVATION_TYPE "\r\n";
    if (!there)
        return;
    start(&t);
    test_peer_open(&p, bl_server_port(t.server, BL_ON_ATTESTED));
    test_ask(&p, "POST " BL_ACTIVATION_PATH, type, BL_LITERAL("x"), &early);
    assert_int_equal(428, early.status);
    test_peer_close(&p);
    test_peer_ready(&p, &t);
    test_ask(&p, "POST " BL_ACTIVATION_PATH, "Content-Type: text/plain\r\n", BL_LITERAL("x"),
             &answer);
    assert_int_equal(415, answer.status);
    test_ask(&p, "POST " BL_ACTIVATION_PATH, type, BL_LITERAL("no challenge"), &again);
    assert_int_equal(400, again.status);
    CHECK(test_peer_closed(&p, 5000));
    test_peer_close(&p);
    test_server_stop(&t);
}

/* A server that does not hold the key cannot know the secret; it may answer what it likes. */
TEST(another_secret_enrols_nothing)
{
    static const uint8_t   secret[32] = { 1, 2, 3 };
    uint8_t                other[33] = { 1, 2, 3 };
    char                   dir[] = "/tmp/blind-enrol-XXXXXX";
    struct stat            file;
    blind_dialer          *dialer;
    bl_enrolling           e = { 0 };
    bl_auto_key bl_key    *key = NULL;
    bl_auto_buf            spki = BL_BUF_EMPTY;
    const bl_tpm_enrolment enrolment = { .ak_name = BL_LITERAL("name"),
                                         .ek_public = BL_LITERAL("public"),
                                         .ek_cert = BL_LITERAL("cert"),
                                         .time_s = 1 };
    CHECK(mkdtemp(dir));
    CHECK_CODE(BLIND_OK, bl_key_generate(&key, NULL), "key");
    CHECK_CODE(BLIND_OK, bl_key_spki(key, &spki, NULL), "spki");
    blind_policy      *policy = policy_of(bl_buf_span(&spki), ANY);
    blind_dial_options options = { .host = "127.0.0.1", .policy = policy, .enrolment_dir = dir };
    CHECK_CODE(BLIND_OK, blind_dialer_new(&options, &dialer, NULL), "dialer");
    blind_stream *stream = bl_stream_new(dialer);
    memcpy(e.secret, secret, sizeof secret);
    CHECK_CODE(BLIND_OK, bl_tpm_enrolment_write(&enrolment, &e.record, NULL), "record");
    other[5] = 1;
    CHECK_CODE(BLIND_CHAIN, bl_enrolling_keep(stream, &e, bl_span(other, 32), NULL), "another");
    other[5] = 0;
    CHECK_CODE(BLIND_CHAIN, bl_enrolling_keep(stream, &e, bl_span(other, 31), NULL), "shorter");
    CHECK_CODE(BLIND_CHAIN, bl_enrolling_keep(stream, &e, bl_span(other, 33), NULL), "longer");
    CHECK_CODE(BLIND_CHAIN, bl_enrolling_keep(stream, &e, (blind_span){ 0 }, NULL), "none");
    CHECK(!stored(dir, &file));
    CHECK_CODE(BLIND_OK, bl_enrolling_keep(stream, &e, bl_span(other, 32), NULL), "the secret");
    CHECK(stored(dir, &file));
    bl_enrolling_done(&e);
    blind_stream_close(stream);
    blind_dialer_free(dialer);
    blind_policy_free(policy);
    char command[96];
    snprintf(command, sizeof command, "rm -rf %s", dir);
    CHECK(system(command) == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(a_key_is_enrolled_once_and_kept),
        RUN(a_damaged_record_is_enrolled_anew),
        RUN(a_tpm_that_nobody_trusts_is_refused),
        RUN(an_enrolled_key_with_other_registers_is_refused),
        RUN(the_log_goes_on_after_a_restart),
        RUN(another_secret_enrols_nothing),
        RUN(a_challenge_is_answered_behind_the_evidence_and_once),
    };
    setenv("TSS2_LOG", "all+none", 1);
    there = swtpm_start(&tpm);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    swtpm_stop(&tpm);
    return failed;
}
