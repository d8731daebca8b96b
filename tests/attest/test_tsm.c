/* configfs-tsm by a stand-in for the kernel: reports are whole and over what was asked, races are
 * seen, what stays busy is given up; and SEV-SNP's attester over it. */
#include "tests/test.h"

#include "attest/bundle.h"
#include "attest/snp/internal.h"
#include "tests/attest/snp_made.h"
#include "tests/attest/tsm_standin.h"
#include "tests/tls/tls_pair.h"
#include "tls/attester.h"

#include <errno.h>
#include <linux/sev-guest.h>
#include <sys/ioctl.h>

#define ASKED BL_LITERAL("0123456789abcdef0123456789abcdef")

/* A report that repeats its data, longer than one read. */
static int echo(void *context, const uint8_t data[64], unsigned privlevel, bl_buf *out, bl_buf *aux)
{
    (void)context;
    for (int i = 0; i < 200; i++)
        bl_buf_add(out, bl_span(data, 64));
    bl_buf_add_u8(out, (uint8_t)privlevel);
    bl_buf_add_str(aux, "certificates");
    return 0;
}

static void start(tsm_standin *k)
{
    tsm_standin_init(k, "sev_guest");
    k->report = echo;
    k->has_aux = true;
    k->floor = 0;
}

static blind_code open_at(tsm_standin *k, unsigned privlevel, bl_tsm **out)
{
    bl_tsm_options options = {
        .fs = &k->fs, .root = STANDIN_ROOT, .provider = "sev_guest", .privlevel = privlevel
    };
    return bl_tsm_open(&options, out, NULL);
}

static void check_echo(const bl_buf *report, unsigned privlevel)
{
    uint8_t want[64] = { 0 };
    memcpy(want, ASKED.data, ASKED.size);
    assert_int_equal(200 * 64 + 1, report->size);
    for (size_t i = 0; i < 200; i++)
        assert_memory_equal(want, report->data + 64 * i, 64);
    assert_int_equal(privlevel, report->data[200 * 64]);
}

TEST(a_report_is_whole_and_over_what_was_asked)
{
    static const size_t pieces[] = { 1, 7, 4096, 1 << 20 };
    for (size_t i = 0; i < BL_LEN(pieces); i++) {
        tsm_standin k;
        bl_tsm     *tsm;
        bl_auto_buf report = BL_BUF_EMPTY, aux = BL_BUF_EMPTY;
        start(&k);
        k.piece = pieces[i];
        CHECK_CODE(BLIND_OK, open_at(&k, 0, &tsm), "open");
        for (int again = 0; again < 3; again++) {
            bl_buf_clear(&report);
            bl_buf_clear(&aux);
            CHECK_CODE(BLIND_OK, bl_tsm_report(tsm, ASKED, &report, &aux, NULL), "report");
            check_echo(&report, 0);
            assert_int_equal(12, aux.size);
        }
        assert_int_equal(3, k.reports);
        assert_int_equal(0, k.waits);
        bl_tsm_close(tsm);
        CHECK(tsm_standin_done(&k));
    }
}

TEST(races_are_seen_and_asked_again)
{
    static const struct {
        const char *name;
        unsigned    busy, full, before, after;
    } cases[] = {
        { "the firmware is busy", 3, 0, 0, 0 },
        { "the kernel takes no more writes", 0, 2, 0, 0 },
        { "a write before the report", 0, 0, 2, 0 },
        { "a write after the report", 0, 0, 0, 2 },
        { "all of it", 1, 1, 1, 1 },
    };
    for (size_t i = 0; i < BL_LEN(cases); i++) {
        tsm_standin k;
        bl_tsm     *tsm;
        bl_auto_buf report = BL_BUF_EMPTY, aux = BL_BUF_EMPTY;
        start(&k);
        k.busy = cases[i].busy;
        k.full = cases[i].full;
        k.races_before = cases[i].before;
        k.races_after = cases[i].after;
        CHECK_CODE(BLIND_OK, open_at(&k, 0, &tsm), "open");
        CHECK_CODE(BLIND_OK, bl_tsm_report(tsm, ASKED, &report, &aux, NULL), cases[i].name);
        check_echo(&report, 0);
        assert_int_equal(12, aux.size);
        CHECK(k.waits > 0);
        bl_tsm_close(tsm);
        CHECK(tsm_standin_done(&k));
    }
}

TEST(what_stays_busy_is_given_up)
{
    tsm_standin k;
    bl_tsm     *tsm;
    bl_auto_buf report = BL_BUF_EMPTY;
    bl_buf_add_str(&report, "before");
    start(&k);
    CHECK_CODE(BLIND_OK, open_at(&k, 0, &tsm), "open");
    k.busy = 1000;
    CHECK_CODE(BLIND_BUSY, bl_tsm_report(tsm, ASKED, &report, NULL, NULL), "busy");
    assert_int_equal(6, report.size);
    k.busy = 0;
    k.races_after = 1000;
    CHECK_CODE(BLIND_BUSY, bl_tsm_report(tsm, ASKED, &report, NULL, NULL), "races");
    assert_int_equal(6, report.size);
    k.races_after = 0;
    k.read_error = -EFBIG;
    CHECK_CODE(BLIND_LIMIT, bl_tsm_report(tsm, ASKED, &report, NULL, NULL), "too large");
    k.read_error = -EIO;
    CHECK_CODE(BLIND_IO, bl_tsm_report(tsm, ASKED, &report, NULL, NULL), "firmware");
    assert_int_equal(6, report.size);
    CHECK_CODE(BLIND_USAGE, bl_tsm_report(tsm, (blind_span){ 0 }, &report, NULL, NULL), "none");
    uint8_t many[65] = { 0 };
    CHECK_CODE(BLIND_USAGE, bl_tsm_report(tsm, bl_span(many, 65), &report, NULL, NULL), "65");
    bl_tsm_close(tsm);
    CHECK(tsm_standin_done(&k));
}

static int endless(void *context, const uint8_t data[64], unsigned privlevel, bl_buf *out,
                   bl_buf *aux)
{
    (void)context, (void)data, (void)privlevel, (void)aux;
    uint8_t *to = bl_buf_reserve(out, 3 << 20);
    memset(to, 1, 3 << 20);
    out->size += 3 << 20;
    return 0;
}

TEST(a_report_of_megabytes_is_refused)
{
    tsm_standin k;
    bl_tsm     *tsm;
    bl_auto_buf report = BL_BUF_EMPTY;
    start(&k);
    k.report = endless;
    k.piece = 4096;
    CHECK_CODE(BLIND_OK, open_at(&k, 0, &tsm), "open");
    CHECK_CODE(BLIND_LIMIT, bl_tsm_report(tsm, ASKED, &report, NULL, NULL), "report");
    assert_int_equal(0, report.size);
    bl_tsm_close(tsm);
}

TEST(the_privilege_level_respects_the_floor)
{
    static const struct {
        int      floor;
        unsigned asked, want;
    } cases[] = { { 0, 0, 0 }, { 0, 2, 2 }, { 2, 0, 2 }, { 2, 3, 3 }, { -1, 0, 0 } };
    for (size_t i = 0; i < BL_LEN(cases); i++) {
        tsm_standin k;
        bl_tsm     *tsm;
        bl_auto_buf report = BL_BUF_EMPTY, aux = BL_BUF_EMPTY;
        start(&k);
        k.floor = cases[i].floor;
        k.has_aux = i % 2; /* not every provider has one */
        CHECK_CODE(BLIND_OK, open_at(&k, cases[i].asked, &tsm), "open");
        CHECK_CODE(BLIND_OK, bl_tsm_report(tsm, ASKED, &report, &aux, NULL), "report");
        check_echo(&report, cases[i].want);
        bl_tsm_close(tsm);
    }
}

TEST(what_is_no_guest_is_said)
{
    static const struct {
        const char *provider;
        int         error;
        blind_code  want;
    } cases[] = {
        { NULL, 0, BLIND_UNSUPPORTED },         { "tdx_guest", 0, BLIND_UNSUPPORTED },
        { "sev_guest2", 0, BLIND_UNSUPPORTED }, { "sev_guest", -ENOENT, BLIND_UNSUPPORTED },
        { "sev_guest", -EACCES, BLIND_DENIED }, { "sev_guest", -ENOMEM, BLIND_MEMORY },
        { "sev_guest", -EEXIST, BLIND_EXISTS },
    };
    for (size_t i = 0; i < BL_LEN(cases); i++) {
        tsm_standin k;
        bl_tsm     *tsm;
        start(&k);
        k.provider = cases[i].provider;
        k.make_error = cases[i].error;
        char name[16];
        snprintf(name, sizeof name, "case %zu", i);
        CHECK_CODE(cases[i].want, open_at(&k, 0, &tsm), name);
        CHECK(!tsm && tsm_standin_done(&k));
    }
    tsm_standin k;
    bl_tsm     *tsm;
    start(&k);
    k.taken_names = 3;
    CHECK_CODE(BLIND_OK, open_at(&k, 0, &tsm), "names that are taken");
    bl_tsm_close(tsm);
}

/* ---- SEV-SNP's attester ---- */

typedef struct {
    made *evidence;
    bool  lies; /* the report is over other data */
} guest;

/* The made report with the data asked for; its signature is then wrong, as none of it is judged. */
static int make_report(void *context, const uint8_t data[64], unsigned privlevel, bl_buf *out,
                       bl_buf *aux)
{
    guest *g = context;
    bl_buf_add(out, bl_buf_span(&g->evidence->report));
    memcpy(out->data + 0x50, data, 64);
    out->data[0x50] ^= g->lies;
    out->data[0x30] = (uint8_t)privlevel;
    made_table(g->evidence, false, aux);
    return 0;
}

TEST(snp_collects_reports_and_certificates)
{
    tsm_standin k;
    made        m;
    guest       g = { .evidence = &m };
    void       *device;
    bl_auto_buf evidence = BL_BUF_EMPTY, endorsements = BL_BUF_EMPTY;
    bl_parts    parts;
    made_evidence(&(made_spec){ .vlek = true }, &m);
    start(&k);
    k.report = make_report;
    k.context = &g;
    k.floor = 1;
    bl_tee_options options = { .tsm_fs = &k.fs, .tsm_root = STANDIN_ROOT };
    CHECK_CODE(BLIND_OK, bl_tee_snp.open(&options, &device, NULL), "open");
    bl_buf_add_str(&evidence, "before");
    CHECK_CODE(BLIND_OK, bl_tee_snp.collect(device, ASKED, 0, &evidence, NULL), "collect");
    assert_int_equal(6 + BL_SNP_REPORT_SIZE, evidence.size);
    assert_memory_equal(ASKED.data, evidence.data + 6 + 0x50, ASKED.size);
    assert_int_equal(1, evidence.data[6 + 0x30]);
    CHECK_CODE(BLIND_OK, bl_tee_snp.endorse(device, &endorsements, NULL), "endorse");
    CHECK_CODE(BLIND_OK, bl_parts_parse(bl_buf_span(&endorsements), &parts, NULL), "parts");
    CHECK(bl_span_equal(bl_parts_get(&parts, "vlek"), bl_buf_span(&m.leaf)));
    CHECK(bl_span_equal(bl_parts_get(&parts, "ask"), bl_buf_span(&m.ask)));
    CHECK(bl_span_equal(bl_parts_get(&parts, "ark"), bl_buf_span(&m.ark)));
    g.lies = true;
    CHECK_CODE(BLIND_IO, bl_tee_snp.collect(device, ASKED, 0, &evidence, NULL), "other data");
    assert_int_equal(6 + BL_SNP_REPORT_SIZE, evidence.size);
    bl_tee_snp.close(device);
    CHECK(tsm_standin_done(&k));
    made_done(&m);
}

TEST(a_host_without_certificates_gives_none)
{
    tsm_standin k;
    made        m;
    guest       g = { .evidence = &m };
    void       *device;
    bl_auto_buf evidence = BL_BUF_EMPTY, endorsements = BL_BUF_EMPTY;
    made_evidence(&(made_spec){ 0 }, &m);
    start(&k);
    k.report = make_report;
    k.context = &g;
    k.has_aux = false;
    bl_tee_options options = { .tsm_fs = &k.fs, .tsm_root = STANDIN_ROOT };
    CHECK_CODE(BLIND_OK, bl_tee_snp.open(&options, &device, NULL), "open");
    CHECK_CODE(BLIND_OK, bl_tee_snp.collect(device, ASKED, 0, &evidence, NULL), "collect");
    CHECK_CODE(BLIND_OK, bl_tee_snp.endorse(device, &endorsements, NULL), "endorse");
    assert_int_equal(0, endorsements.size);
    bl_tee_snp.close(device);
    made_done(&m);
}

/* ---- /dev/sev-guest ---- */

/* A stand-in for the driver, after its documentation. */
typedef struct {
    made    *evidence;
    unsigned busy, waits, calls;
    bool     no_extended; /* an older driver */
    uint32_t table;       /* bytes that the host's table needs: whole pages */
    uint32_t status;      /* of the firmware */
    int      error;
} driver;

static int give_table(driver *d, struct snp_ext_report_req *req,
                      struct snp_guest_request_ioctl *call)
{
    bl_auto_buf table = BL_BUF_EMPTY;
    if (req->certs_len % 4096)
        return EINVAL;
    if (req->certs_len < d->table) {
        req->certs_len = d->table;
        call->vmm_error = SNP_GUEST_VMM_ERR_INVALID_LEN;
        return ENOSPC;
    }
    made_table(d->evidence, false, &table);
    CHECK(table.size <= d->table);
    memcpy((void *)(uintptr_t)req->certs_address, table.data, table.size);
    return 0;
}

static int driver_call(void *context, unsigned long request, void *argument)
{
    driver                         *d = context;
    struct snp_guest_request_ioctl *call = argument;
    const struct snp_report_req    *req = (const void *)(uintptr_t)call->req_data;
    struct snp_report_resp         *resp = (void *)(uintptr_t)call->resp_data;
    d->calls++;
    if (d->error)
        return d->error;
    if (request == SNP_GET_EXT_REPORT && d->no_extended)
        return ENOTTY;
    if (d->busy) {
        d->busy--;
        call->vmm_error = SNP_GUEST_VMM_ERR_BUSY;
        return EIO;
    }
    if (request == SNP_GET_EXT_REPORT) {
        struct snp_ext_report_req *ext = (void *)(uintptr_t)call->req_data;
        int                        error = give_table(d, ext, call);
        if (error)
            return error;
        req = &ext->data;
    }
    memcpy(resp->data, &d->status, 4);
    memcpy(resp->data + 0x20, d->evidence->report.data, BL_SNP_REPORT_SIZE);
    memcpy(resp->data + 0x20 + 0x50, req->user_data, 64);
    resp->data[0x20 + 0x30] = (uint8_t)req->vmpl;
    return 0;
}

static void driver_wait(void *context, unsigned ms)
{
    driver *d = context;
    d->waits += ms > 0;
}

TEST(older_kernels_are_asked_by_their_device)
{
    static const struct {
        const char *name;
        driver      d;
        blind_code  want;
        bool        certs;
    } cases[] = {
        { "a table of a page", { .table = 4096 }, BLIND_OK, true },
        { "a table of three", { .table = 12288 }, BLIND_OK, true },
        { "busy", { .table = 4096, .busy = 4 }, BLIND_OK, true },
        { "always busy", { .table = 4096, .busy = 1000 }, BLIND_BUSY, false },
        { "no extended report", { .no_extended = true }, BLIND_OK, false },
        { "a table of gigabytes", { .table = 1u << 31 }, BLIND_MEMORY, false },
        { "a refusal of the firmware", { .table = 4096, .status = 0x16 }, BLIND_IO, false },
        { "an error", { .error = EIO }, BLIND_IO, false },
        { "no permission", { .error = EACCES }, BLIND_DENIED, false },
    };
    made m;
    made_evidence(&(made_spec){ 0 }, &m);
    for (size_t i = 0; i < BL_LEN(cases); i++) {
        driver       d = cases[i].d;
        tsm_standin  k;
        void        *device;
        bl_auto_buf  evidence = BL_BUF_EMPTY, endorsements = BL_BUF_EMPTY;
        bl_sev_guest sev = {
            .call = driver_call, .wait_ms = driver_wait, .context = &d, .vmpl = 1
        };
        start(&k);
        k.provider = NULL; /* no configfs-tsm here */
        d.evidence = &m;
        bl_tee_options options = { .tsm_fs = &k.fs, .tsm_root = STANDIN_ROOT, .sev_guest = &sev };
        CHECK_CODE(BLIND_OK, bl_tee_snp.open(&options, &device, NULL), cases[i].name);
        CHECK_CODE(cases[i].want, bl_tee_snp.collect(device, ASKED, 0, &evidence, NULL),
                   cases[i].name);
        CHECK_CODE(BLIND_OK, bl_tee_snp.endorse(device, &endorsements, NULL), cases[i].name);
        CHECK(cases[i].want != BLIND_OK || cases[i].certs == (endorsements.size > 0));
        CHECK(cases[i].want == BLIND_OK ? evidence.data[0x30] == 1 : evidence.size == 0);
        CHECK(d.calls <= 11 && (d.waits > 0) == (cases[i].d.busy > 0));
        bl_tee_snp.close(device);
    }
    made_done(&m);
}

/* From the device to the bundle that a client gets: the report over the binding, and beside it what
 * the host handed out. */
TEST(an_attester_sends_certificates_along)
{
    tsm_standin    k;
    made           m;
    guest          g = { .evidence = &m };
    test_identity  id;
    bl_runtime_log log;
    bl_attester   *attester;
    bl_bundle      bundle;
    bl_parts       parts;
    uint8_t        value[32];
    bl_auto_buf    cmw = BL_BUF_EMPTY;
    made_evidence(&(made_spec){ 0 }, &m);
    start(&k);
    k.report = make_report;
    k.context = &g;
    test_identity_init(&id, NULL, NULL, false);
    CHECK_CODE(BLIND_OK, bl_runtime_log_init(&log, NULL), "log");
    bl_attester_options options = { .tee = "snp",
                                    .key = id.key,
                                    .certificate = bl_buf_span(&id.cert),
                                    .log = &log,
                                    .tee_options = { .tsm_fs = &k.fs, .tsm_root = STANDIN_ROOT } };
    CHECK_CODE(BLIND_OK, bl_attester_new(&options, &attester, NULL), "attester");
    CHECK_CODE(BLIND_OK, bl_attester_certificate_evidence(attester, &cmw, NULL), "evidence");
    CHECK_CODE(BLIND_OK, bl_bundle_parse(bl_buf_span(&cmw), &bundle, NULL), "bundle");
    CHECK(bl_span_equal(bundle.tee, BL_LITERAL("snp")));
    CHECK_CODE(BLIND_OK, bl_cert_value(bl_buf_span(&id.spki), &bundle.binding.log, value), "value");
    assert_memory_equal(value, bundle.evidence.data + 0x50, sizeof value);
    CHECK_CODE(BLIND_OK, bl_parts_parse(bundle.endorsements, &parts, NULL), "parts");
    CHECK(bl_span_equal(bl_parts_get(&parts, "vcek"), bl_buf_span(&m.leaf)));
    bl_attester_free(attester);
    CHECK(tsm_standin_done(&k));
    bl_runtime_log_done(&log);
    test_identity_done(&id);
    made_done(&m);
}

TEST(outside_a_guest_nothing_opens)
{
    void          *device;
    bl_tee_options options = { .tsm_root = "/nonexistent" };
    CHECK_CODE(BLIND_UNSUPPORTED, bl_tee_snp.open(&options, &device, NULL), "open");
    assert_null(device);
}

/* The real system calls, in a folder that is no configfs: nothing is left behind. */
TEST(a_plain_folder_is_no_interface)
{
    char           root[] = "/tmp/blind-test-XXXXXX";
    void          *device;
    bl_tee_options options = { .tsm_root = root };
    assert_non_null(mkdtemp(root));
    CHECK_CODE(BLIND_UNSUPPORTED, bl_tee_snp.open(&options, &device, NULL), "open");
    assert_null(device);
    CHECK(rmdir(root) == 0); /* which it could not be with an entry in it */
}

TESTS(RUN(a_report_is_whole_and_over_what_was_asked), RUN(races_are_seen_and_asked_again),
      RUN(what_stays_busy_is_given_up), RUN(a_report_of_megabytes_is_refused),
      RUN(the_privilege_level_respects_the_floor), RUN(what_is_no_guest_is_said),
      RUN(snp_collects_reports_and_certificates), RUN(a_host_without_certificates_gives_none),
      RUN(older_kernels_are_asked_by_their_device), RUN(an_attester_sends_certificates_along),
      RUN(outside_a_guest_nothing_opens), RUN(a_plain_folder_is_no_interface))
