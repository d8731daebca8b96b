/* Quotes asked of stand-ins for the kernel and for Gramine: what is collected verifies, and what
 * goes wrong on the way is said. */
#include "tests/test.h"

#include "crypto/hash.h"
#include "tests/attest/make_intel.h"
#include "tests/attest/tsm_standin.h"

#include <errno.h>
#include <unistd.h>

static const uint8_t asked[40] = "bytes that the quote is to hold";

/* One event of RTMR0 whose digest is zero, in dstack's form. */
static const char log_text[] =
    "[{\"imr\":0,\"event_type\":1,\"digest\":\""
    "000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
    "000\",\"event\":\"\",\"event_payload\":\"\"}]";

/* A quote over `data`, signed by the test's keys; *made holds the collateral. */
static void make_quote(bool tdx, bool logged, const uint8_t data[64], intel_made *made)
{
    static const uint8_t zeros[96];
    intel_plain(made, tdx);
    if (logged) /* RTMR0 as `log_text` extends it */
        CHECK(bl_sha384(bl_span(zeros, sizeof zeros), made->body + 328) == BLIND_OK);
    memcpy(made->body + (tdx ? 520 : 320), data, 64);
    intel_sign(made);
}

static void verify_collected(intel_made *made, const bl_buf *evidence)
{
    bl_claims   claims;
    blind_error err = { 0 };
    bl_parts    parts;
    intel_parts(made, &parts);
    CHECK_CODE(BLIND_OK,
               intel_verify_parts(made, bl_buf_span(evidence), &parts, NULL, &claims, &err),
               err.message);
    CHECK(bl_span_equal(bl_span(asked, sizeof asked),
                        bl_span(claims.report_data.data, sizeof asked)));
    for (size_t i = sizeof asked; i < 64; i++)
        assert_int_equal(0, claims.report_data.data[i]);
}

/* ---- TDX, by configfs-tsm ---- */

typedef struct {
    intel_made made;
    bool       any, other_data, garbage, sgx, logged;
} maker;

static int make_report(void *context, const uint8_t data[64], unsigned privlevel, bl_buf *out,
                       bl_buf *aux)
{
    maker  *m = context;
    uint8_t field[64];
    (void)privlevel;
    (void)aux;
    memcpy(field, data, sizeof field);
    field[0] ^= m->other_data;
    if (m->any)
        intel_done(&m->made);
    make_quote(!m->sgx, m->logged, field, &m->made);
    m->any = true;
    if (m->garbage)
        bl_buf_add_str(out, "no quote");
    else
        bl_buf_add(out, bl_buf_span(&m->made.quote));
    return 0;
}

static void *open_domain(tsm_standin *kernel, maker *m, const char *log)
{
    void          *device = NULL;
    blind_error    err = { 0 };
    bl_tee_options options = { .tsm_fs = &kernel->fs, .tsm_root = STANDIN_ROOT, .event_log = log };
    tsm_standin_init(kernel, "tdx_guest");
    kernel->report = make_report;
    kernel->context = m;
    CHECK_CODE(BLIND_OK, bl_tee_tdx.open(&options, &device, &err), err.message);
    return device;
}

TEST(a_domains_quotes_are_collected)
{
    tsm_standin kernel;
    maker       m = { 0 };
    bl_auto_buf evidence = BL_BUF_EMPTY, endorsements = BL_BUF_EMPTY;
    void       *device = open_domain(&kernel, &m, "/nonexistent/CCEL");
    for (unsigned i = 0; i < 3; i++) {
        kernel.races_before = i == 1;
        bl_buf_clear(&evidence);
        CHECK_CODE(
            BLIND_OK,
            bl_tee_tdx.collect(device, bl_span(asked, sizeof asked), INTEL_NOW, &evidence, NULL),
            "collect");
        verify_collected(&m.made, &evidence);
    }
    CHECK_CODE(BLIND_OK, bl_tee_tdx.endorse(device, &endorsements, NULL), "endorse");
    assert_int_equal(0, endorsements.size);
    CHECK_CODE(BLIND_USAGE, bl_tee_tdx.collect(device, bl_span(NULL, 0), 0, &evidence, NULL),
               "nothing asked for");
    bl_tee_tdx.close(device);
    CHECK(tsm_standin_done(&kernel));
    intel_done(&m.made);
}

TEST(a_quote_that_is_not_what_was_asked_for_is_not_handed_on)
{
    static const struct {
        const char *name;
        maker       m;
        blind_code  want;
    } cases[] = { { "other report data", { .other_data = true }, BLIND_IO },
                  { "garbage", { .garbage = true }, BLIND_FORMAT },
                  { "a quote of SGX", { .sgx = true }, BLIND_IO } };
    for (size_t i = 0; i < BL_LEN(cases); i++) {
        tsm_standin kernel;
        maker       m = cases[i].m;
        bl_auto_buf evidence = BL_BUF_EMPTY;
        void       *device = open_domain(&kernel, &m, NULL);
        CHECK_CODE(
            cases[i].want,
            bl_tee_tdx.collect(device, bl_span(asked, sizeof asked), INTEL_NOW, &evidence, NULL),
            cases[i].name);
        assert_int_equal(0, evidence.size);
        bl_tee_tdx.close(device);
        CHECK(tsm_standin_done(&kernel));
        intel_done(&m.made);
    }
}

TEST(other_guests_and_none_are_no_domains)
{
    void          *device;
    tsm_standin    kernel;
    bl_tee_options options = { .tsm_fs = &kernel.fs, .tsm_root = STANDIN_ROOT };
    tsm_standin_init(&kernel, "sev_guest");
    CHECK_CODE(BLIND_UNSUPPORTED, bl_tee_tdx.open(&options, &device, NULL), "another provider");
    assert_null(device);
    CHECK(tsm_standin_done(&kernel));
    tsm_standin_init(&kernel, NULL);
    CHECK_CODE(BLIND_UNSUPPORTED, bl_tee_tdx.open(&options, &device, NULL), "no provider");
    CHECK(tsm_standin_done(&kernel));
}

static void write_log(char path[64], const char *text)
{
    snprintf(path, 64, "/tmp/blind-test-log-XXXXXX");
    int fd = mkstemp(path);
    CHECK(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    close(fd);
}

/* The stand-in's RTMR0 is no extension of anything: the log is kept back, since a verifier would
 * refuse it. */
TEST(a_log_that_does_not_come_to_the_quote_is_kept_back)
{
    char        path[64];
    tsm_standin kernel;
    maker       m = { 0 };
    bl_auto_buf evidence = BL_BUF_EMPTY, endorsements = BL_BUF_EMPTY;
    write_log(path, log_text);
    void *device = open_domain(&kernel, &m, path);
    CHECK_CODE(BLIND_OK, bl_tee_tdx.endorse(device, &endorsements, NULL), "before any quote");
    CHECK_CODE(BLIND_OK,
               bl_tee_tdx.collect(device, bl_span(asked, sizeof asked), INTEL_NOW, &evidence, NULL),
               "collect");
    CHECK_CODE(BLIND_OK, bl_tee_tdx.endorse(device, &endorsements, NULL), "endorse");
    assert_int_equal(0, endorsements.size);
    bl_tee_tdx.close(device);
    CHECK(tsm_standin_done(&kernel));
    intel_done(&m.made);
    unlink(path);
}

TEST(a_log_that_comes_to_the_quote_goes_with_it)
{
    char        path[64];
    tsm_standin kernel;
    bl_parts    parts, log;
    bl_claims   claims;
    blind_error err;
    maker       m = { .logged = true };
    bl_auto_buf evidence = BL_BUF_EMPTY, endorsements = BL_BUF_EMPTY, other = BL_BUF_EMPTY;
    write_log(path, log_text);
    void *device = open_domain(&kernel, &m, path);
    CHECK_CODE(BLIND_OK,
               bl_tee_tdx.collect(device, bl_span(asked, sizeof asked), INTEL_NOW, &evidence, NULL),
               "collect");
    CHECK_CODE(BLIND_OK, bl_tee_tdx.endorse(device, &endorsements, NULL), "endorse");
    CHECK_CODE(BLIND_OK, bl_parts_parse(bl_buf_span(&endorsements), &log, NULL), "parts");
    m.made.event_log = bl_parts_get(&log, "event_log");
    CHECK(bl_span_equal(m.made.event_log, bl_span_str(log_text)));
    verify_collected(&m.made, &evidence);
    bl_buf_add(&other, m.made.event_log);
    *strchr((char *)other.data, '0') = '1'; /* RTMR1 */
    m.made.event_log = bl_buf_span(&other);
    intel_parts(&m.made, &parts);
    CHECK_CODE(BLIND_EVIDENCE,
               intel_verify_parts(&m.made, bl_buf_span(&evidence), &parts, NULL, &claims, &err),
               "another register");
    m.made.event_log = BL_LITERAL("[]");
    intel_parts(&m.made, &parts);
    CHECK_CODE(BLIND_EVIDENCE,
               intel_verify_parts(&m.made, bl_buf_span(&evidence), &parts, NULL, &claims, &err),
               "no event");
    m.made.event_log = BL_LITERAL("no log");
    intel_parts(&m.made, &parts);
    CHECK_CODE(BLIND_FORMAT,
               intel_verify_parts(&m.made, bl_buf_span(&evidence), &parts, NULL, &claims, &err),
               "garbage");
    bl_tee_tdx.close(device);
    CHECK(tsm_standin_done(&kernel));
    intel_done(&m.made);
    unlink(path);
}

/* ---- SGX, by Gramine ---- */

/* After Gramine's document: files of the process; a value is taken when its file is closed, a quote
 * is made when its file is opened, reads come in pieces. */
typedef struct {
    bl_tsm_fs   fs;
    const char *type;
    uint8_t     data[64];
    size_t      data_len;
    bl_buf      reading, writing;
    size_t      at, piece;
    int         kind; /* of the open file: 0 none, 1 type, 2 data, 3 quote */
    int         open_error, read_error;
    bool        other_data;
    maker       m;
} gramine;

static int gramine_open(void *context, const char *path, bool write)
{
    gramine    *g = context;
    const char *name = strrchr(path, '/') + 1;
    uint8_t     field[64];
    CHECK(g->kind == 0);
    bl_buf_clear(&g->reading);
    bl_buf_clear(&g->writing);
    g->at = 0;
    if (!g->type || strncmp(path, "/dev/attestation/", 17) != 0)
        return -ENOENT;
    if (strcmp(name, "attestation_type") == 0 && !write) {
        bl_buf_add_str(&g->reading, g->type);
        return g->kind = 1;
    }
    if (strcmp(name, "user_report_data") == 0)
        return g->kind = 2;
    if (strcmp(name, "quote") != 0 || write || g->open_error)
        return g->open_error ? g->open_error : -EACCES;
    memcpy(field, g->data, 64);
    field[63] ^= g->other_data;
    if (g->m.any)
        intel_done(&g->m.made);
    make_quote(g->m.sgx, false, field, &g->m.made); /* here: of the other TEE */
    g->m.any = true;
    bl_buf_add(&g->reading, bl_buf_span(&g->m.made.quote));
    return g->kind = 3;
}

static ssize_t gramine_read(void *context, int fd, void *out, size_t size)
{
    gramine *g = context;
    CHECK(fd == g->kind && fd != 0);
    if (g->read_error && fd == 3)
        return g->read_error;
    size_t n = BL_MIN(BL_MIN(size, g->piece), g->reading.size - g->at);
    if (n)
        memcpy(out, g->reading.data + g->at, n);
    g->at += n;
    return (ssize_t)n;
}

static ssize_t gramine_write(void *context, int fd, const void *bytes, size_t size)
{
    gramine *g = context;
    CHECK(fd == 2);
    if (size > 64)
        return -EINVAL;
    bl_buf_add(&g->writing, bl_span(bytes, size));
    return (ssize_t)size;
}

static int gramine_close(void *context, int fd)
{
    gramine *g = context;
    CHECK(fd == g->kind && fd != 0);
    if (g->kind == 2) {
        memset(g->data, 0, sizeof g->data);
        memcpy(g->data, g->writing.data, g->writing.size);
    }
    g->kind = 0;
    return 0;
}

static void gramine_init(gramine *g, const char *type)
{
    *g = (gramine){ .fs = { .open = gramine_open,
                            .read = gramine_read,
                            .write = gramine_write,
                            .close = gramine_close,
                            .context = g },
                    .type = type,
                    .piece = 1000 };
}

static void gramine_done(gramine *g)
{
    assert_int_equal(0, g->kind);
    bl_buf_done(&g->reading);
    bl_buf_done(&g->writing);
    if (g->m.any)
        intel_done(&g->m.made);
}

TEST(an_enclaves_quotes_are_collected)
{
    gramine              g;
    void                *device;
    bl_auto_buf          evidence = BL_BUF_EMPTY;
    bl_tee_options       options = { .gramine_fs = &g.fs };
    static const uint8_t longer[64] = "other bytes, as many as there may be at most: sixty-four";
    gramine_init(&g, "dcap");
    CHECK_CODE(BLIND_OK, bl_tee_sgx.open(&options, &device, NULL), "open");
    CHECK_CODE(BLIND_OK,
               bl_tee_sgx.collect(device, bl_span(longer, sizeof longer), 0, &evidence, NULL),
               "64 bytes");
    bl_buf_clear(&evidence);
    CHECK_CODE(BLIND_OK,
               bl_tee_sgx.collect(device, bl_span(asked, sizeof asked), 0, &evidence, NULL),
               "40 bytes after 64");
    verify_collected(&g.m.made, &evidence);
    CHECK_CODE(BLIND_USAGE, bl_tee_sgx.collect(device, bl_span(longer, 65), 0, &evidence, NULL),
               "65 bytes");
    bl_tee_sgx.close(device);
    gramine_done(&g);
}

TEST(what_goes_wrong_with_gramine_is_said)
{
    static const struct {
        const char *name;
        int         open_error, read_error;
        bool        other_data, other_tee;
        blind_code  want;
    } cases[] = { { "no quoting enclave", -EPERM, 0, false, false, BLIND_DENIED },
                  { "a read that fails", 0, -EIO, false, false, BLIND_IO },
                  { "no memory", 0, -ENOMEM, false, false, BLIND_MEMORY },
                  { "other report data", 0, 0, true, false, BLIND_IO },
                  { "a quote of TDX", 0, 0, false, true, BLIND_IO } };
    for (size_t i = 0; i < BL_LEN(cases); i++) {
        gramine        g;
        void          *device;
        bl_auto_buf    evidence = BL_BUF_EMPTY;
        bl_tee_options options = { .gramine_fs = &g.fs };
        gramine_init(&g, "dcap\n");
        g.open_error = cases[i].open_error;
        g.read_error = cases[i].read_error;
        g.other_data = cases[i].other_data;
        g.m.sgx = cases[i].other_tee;
        CHECK_CODE(BLIND_OK, bl_tee_sgx.open(&options, &device, NULL), cases[i].name);
        CHECK_CODE(cases[i].want,
                   bl_tee_sgx.collect(device, bl_span(asked, sizeof asked), 0, &evidence, NULL),
                   cases[i].name);
        assert_int_equal(0, evidence.size);
        bl_tee_sgx.close(device);
        gramine_done(&g);
    }
}

TEST(only_gramine_with_dcap_is_an_enclave_here)
{
    static const char *const types[] = { NULL, "none", "epid", "", "dcapx" };
    for (size_t i = 0; i < BL_LEN(types); i++) {
        gramine        g;
        void          *device;
        blind_error    err = { 0 };
        bl_tee_options options = { .gramine_fs = &g.fs };
        gramine_init(&g, types[i]);
        CHECK_CODE(BLIND_UNSUPPORTED, bl_tee_sgx.open(&options, &device, &err),
                   types[i] ? types[i] : "none");
        assert_null(device);
        CHECK(strstr(err.message, types[i] ? "dcap" : "/dev/attestation"));
        gramine_done(&g);
    }
}

TESTS(RUN(a_domains_quotes_are_collected),
      RUN(a_quote_that_is_not_what_was_asked_for_is_not_handed_on),
      RUN(other_guests_and_none_are_no_domains),
      RUN(a_log_that_does_not_come_to_the_quote_is_kept_back),
      RUN(a_log_that_comes_to_the_quote_goes_with_it), RUN(an_enclaves_quotes_are_collected),
      RUN(what_goes_wrong_with_gramine_is_said), RUN(only_gramine_with_dcap_is_an_enclave_here))
