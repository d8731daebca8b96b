/* Launch digests and MRTD: recorded cases, and a synthetic firmware against hashlib. */
#include "tests/measure/expected.h"

#include "base/json.h"
#include "measure/snp.h"
#include "measure/tdx.h"

static void parse_build(bl_buf *image, bl_ovmf *out)
{
    read_build("firmware.fd", image);
    CHECK_CODE(BLIND_OK, bl_ovmf_parse(bl_buf_span(image), out, NULL), "firmware.fd");
}

TEST(a_synthetic_firmware_gives_what_hashlib_says)
{
    static const struct {
        const char   *key;
        bl_snp_launch launch;
    } cases[] = {
        { "snp-qemu-4-kernel",
          { .vmm = BL_VMM_QEMU,
            .vcpus = 4,
            .vcpu_signature = 0xa00f11,
            .guest_features = 0x21,
            .with_kernel = true,
            .kernel = BL_LITERAL("a kernel"),
            .initrd = BL_LITERAL("an initrd"),
            .command_line = BL_LITERAL("console=ttyS0") } },
        { "snp-qemu-1",
          { .vmm = BL_VMM_QEMU, .vcpus = 1, .vcpu_signature = 0x800f12, .guest_features = 1 } },
        { "snp-ec2-2", { .vmm = BL_VMM_EC2, .vcpus = 2, .guest_features = 1 } },
        { "snp-gce-3", { .vmm = BL_VMM_GCE, .vcpus = 3, .guest_features = 1 } },
    };
    for (size_t i = 0; i < BL_LEN(cases); i++) {
        bl_auto_buf image = BL_BUF_EMPTY;
        bl_ovmf     ovmf;
        uint8_t     digest[48];
        parse_build(&image, &ovmf);
        CHECK_CODE(BLIND_OK, bl_snp_measure(&ovmf, &cases[i].launch, digest, NULL), cases[i].key);
        check_computed("firmware", cases[i].key, digest, sizeof digest);
    }
}

TEST(mrtd_is_what_hashlib_says)
{
    bl_auto_buf image = BL_BUF_EMPTY;
    bl_ovmf     ovmf;
    uint8_t     mrtd[48];
    parse_build(&image, &ovmf);
    CHECK_CODE(BLIND_OK, bl_tdx_mrtd(&ovmf, BL_TD_PAGE_BY_PAGE, mrtd, NULL), "pages");
    check_computed("firmware", "mrtd", mrtd, sizeof mrtd);
    CHECK_CODE(BLIND_OK, bl_tdx_mrtd(&ovmf, BL_TD_TWO_PASSES, mrtd, NULL), "passes");
    check_computed("firmware", "mrtd-two-passes", mrtd, sizeof mrtd);
}

/* ---- recorded ---- */

static const char *text_of(const json_t *inputs, const char *key)
{
    return json_string_value(json_object_get(inputs, key));
}

/* The bytes of a string of digits; NULL: none. */
static blind_span hex_of(const json_t *inputs, const char *key, bl_buf *out)
{
    const char *text = text_of(inputs, key);
    if (!text)
        return (blind_span){ 0 };
    size_t size = strlen(text) / 2;
    CHECK(bl_buf_reserve(out, size + 1));
    CHECK(bl_hex_decode(bl_span_str(text), out->data, size));
    out->size = size;
    return bl_buf_span(out);
}

static bl_vmm vmm_of(const char *name)
{
    return strcmp(name, "ec2") == 0   ? BL_VMM_EC2
           : strcmp(name, "gce") == 0 ? BL_VMM_GCE
                                      : BL_VMM_QEMU;
}

static void check_case(const char *dir, const json_t *c)
{
    bl_auto_buf   image = BL_BUF_EMPTY, kernel = BL_BUF_EMPTY, initrd = BL_BUF_EMPTY;
    bl_auto_buf   seed = BL_BUF_EMPTY;
    const json_t *inputs = json_object_get(c, "inputs");
    const char   *line = text_of(inputs, "cmdline"), *model = text_of(inputs, "vcpu_type");
    char          path[4096], hex[97];
    uint8_t       digest[48];
    bl_ovmf       ovmf;
    snprintf(path, sizeof path, "%s/%s", dir, text_of(json_object_get(c, "files"), "evidence"));
    CHECK_CODE(BLIND_OK, bl_file_read(path, 1u << 20, &image, NULL), path);
    CHECK_CODE(BLIND_OK, bl_ovmf_parse(bl_buf_span(&image), &ovmf, NULL), path);
    bl_snp_launch launch = {
        .vmm = vmm_of(text_of(inputs, "vmm")),
        .vcpus = (uint32_t)json_integer_value(json_object_get(inputs, "vcpus")),
        .vcpu_signature = (uint32_t)json_integer_value(json_object_get(inputs, "vcpu_sig")),
        .guest_features = (uint64_t)json_integer_value(json_object_get(inputs, "guest_features")),
        .with_kernel = text_of(inputs, "kernel_hex") != NULL,
        .kernel = hex_of(inputs, "kernel_hex", &kernel),
        .initrd = hex_of(inputs, "initrd_hex", &initrd),
        .command_line = line ? bl_span_str(line) : (blind_span){ 0 },
        .firmware_digest = hex_of(inputs, "firmware_hash_seed", &seed).data,
    };
    if (model)
        assert_int_equal(launch.vcpu_signature, bl_snp_vcpu_signature(model));
    CHECK_CODE(BLIND_OK, bl_snp_measure(&ovmf, &launch, digest, NULL), text_of(c, "id"));
    bl_hex_encode(bl_span(digest, sizeof digest), hex);
    assert_string_equal(text_of(json_object_get(c, "measurements"), "measurement"), hex);
}

TEST(recorded_launches_give_their_digests)
{
    const char *dir = test_vectors();
    char        path[4096];
    size_t      i, count = 0;
    json_t     *c;
    if (!dir)
        skip();
    snprintf(path, sizeof path, "%s/index.json", dir);
    bl_auto_json *index = json_load_file(path, 0, NULL);
    assert_non_null(index);
    json_array_foreach(index, i, c)
    {
        const char *what = json_string_value(json_object_get(c, "what"));
        if (!what || strcmp(what, "snp_launch_digest") != 0)
            continue;
        check_case(dir, c);
        count++;
    }
    assert_int_equal(13, count);
}

/* ---- refusals ---- */

enum { END = 3 * 4096, SEV_ROWS = 16 + 12 * 5, TD_ROWS = 16 + 32 * 5, TABLE = 22 + 26 + 26 + 44 };
enum { FOOTER = END - 32 - 18, SEV_AT = FOOTER - TABLE - SEV_ROWS, TD_AT = SEV_AT - TD_ROWS };

TEST(malformed_firmware_is_refused)
{
    static const struct {
        const char *name;
        size_t      at;
        uint8_t     value;
        blind_code  want;
    } cases[] = {
        { "as made", END - 1, 0, BLIND_OK },
        { "another footer", FOOTER + 2, 0, BLIND_INPUT },
        { "a table of 17 bytes", FOOTER, 17, BLIND_INPUT },
        { "a table past the front", FOOTER + 1, 0xff, BLIND_INPUT },
        { "a table with bytes over", FOOTER, 18 + TABLE + 4, BLIND_INPUT },
        { "an entry of 17 bytes", FOOTER - 18, 17, BLIND_INPUT },
        { "an entry of no data", FOOTER - 18, 18, BLIND_INPUT },
        { "metadata nowhere", FOOTER - 20, 0xff, BLIND_INPUT },
        { "another signature", SEV_AT, 'B', BLIND_INPUT },
        { "another length", SEV_AT + 4, 77, BLIND_INPUT },
        { "another version", SEV_AT + 8, 2, BLIND_INPUT },
        { "no rows", SEV_AT + 12, 0, BLIND_INPUT },
        { "too many rows", SEV_AT + 12, 33, BLIND_INPUT },
        { "an address inside a page", SEV_AT + 16, 1, BLIND_INPUT },
        { "a size inside a page", SEV_AT + 20, 1, BLIND_INPUT },
        { "gigabytes", SEV_AT + 23, 0x80, BLIND_INPUT },
        { "TDX bytes past the memory", TD_AT + 16 + 17, 0x10, BLIND_INPUT },
        { "TDX memory inside a page", TD_AT + 16 + 8, 1, BLIND_INPUT },
    };
    for (size_t i = 0; i < BL_LEN(cases); i++) {
        bl_auto_buf image = BL_BUF_EMPTY;
        bl_ovmf     ovmf;
        read_build("firmware.fd", &image);
        image.data[cases[i].at] = cases[i].value;
        CHECK_CODE(cases[i].want, bl_ovmf_parse(bl_buf_span(&image), &ovmf, NULL), cases[i].name);
        CHECK(cases[i].want == BLIND_OK || (ovmf.sev_len == 0 && ovmf.td_len == 0));
    }
}

TEST(the_same_entry_twice_is_refused)
{
    bl_auto_buf image = BL_BUF_EMPTY;
    bl_ovmf     ovmf;
    read_build("firmware.fd", &image);
    memcpy(image.data + FOOTER - 22 - 16, image.data + FOOTER - 16, 16);
    CHECK_CODE(BLIND_INPUT, bl_ovmf_parse(bl_buf_span(&image), &ovmf, NULL), "twice");
}

TEST(only_whole_pages_are_firmware)
{
    bl_auto_buf image = BL_BUF_EMPTY;
    bl_ovmf     ovmf;
    read_build("firmware.fd", &image);
    CHECK_CODE(BLIND_INPUT, bl_ovmf_parse((blind_span){ 0 }, &ovmf, NULL), "nothing");
    CHECK_CODE(BLIND_INPUT, bl_ovmf_parse(bl_span(image.data, 4096), &ovmf, NULL), "its start");
    CHECK_CODE(BLIND_INPUT, bl_ovmf_parse(bl_span(image.data + 1, END - 1), &ovmf, NULL), "less");
    CHECK_CODE(BLIND_LIMIT,
               bl_ovmf_parse(bl_span(image.data, BL_MAX_FIRMWARE + 4096u), &ovmf, NULL),
               "too large");
}

TEST(launches_that_cannot_be_are_refused)
{
    bl_auto_buf image = BL_BUF_EMPTY;
    bl_ovmf     ovmf, less;
    uint8_t     digest[48];
    parse_build(&image, &ovmf);
    bl_snp_launch launch = { .vcpus = 2, .with_kernel = true };
    CHECK_CODE(BLIND_OK, bl_snp_measure(&ovmf, &launch, digest, NULL), "as made");
    less = ovmf;
    less.sev_len = 4; /* without the page of hashes */
    CHECK_CODE(BLIND_INPUT, bl_snp_measure(&less, &launch, digest, NULL), "no page for hashes");
    assert_int_equal(0, digest[0] | digest[47]);
    less = ovmf;
    less.hashes_address = 0;
    CHECK_CODE(BLIND_INPUT, bl_snp_measure(&less, &launch, digest, NULL), "no table of hashes");
    less.hashes_address = 0x810f80;
    CHECK_CODE(BLIND_INPUT, bl_snp_measure(&less, &launch, digest, NULL), "past the page");
    less = ovmf;
    less.reset_eip = 0;
    CHECK_CODE(BLIND_INPUT, bl_snp_measure(&less, &launch, digest, NULL), "no reset address");
    less = ovmf;
    less.sev[0].kind = 9;
    CHECK_CODE(BLIND_INPUT, bl_snp_measure(&less, &launch, digest, NULL), "an unknown kind");
    less = ovmf;
    less.sev[0].size = less.sev[1].size = 200u << 20;
    CHECK_CODE(BLIND_LIMIT, bl_snp_measure(&less, &launch, digest, NULL), "too much memory");
    less = ovmf;
    less.sev_len = 0;
    launch.with_kernel = false;
    CHECK_CODE(BLIND_INPUT, bl_snp_measure(&less, &launch, digest, NULL), "no metadata");
    launch.vcpus = 0;
    CHECK_CODE(BLIND_USAGE, bl_snp_measure(&ovmf, &launch, digest, NULL), "no processors");
    launch.vcpus = BL_MAX_VCPUS + 1;
    CHECK_CODE(BLIND_USAGE, bl_snp_measure(&ovmf, &launch, digest, NULL), "too many");
    assert_int_equal(0, bl_snp_vcpu_signature("EPYC-Naples"));
    assert_int_equal(0xb00f00, bl_snp_vcpu_signature("EPYC-Turin"));
    assert_string_equal("EPYC", bl_snp_vcpu_model(0));
    assert_null(bl_snp_vcpu_model(1000));
}

TEST(domains_that_cannot_be_are_refused)
{
    bl_auto_buf image = BL_BUF_EMPTY;
    bl_ovmf     ovmf, less;
    uint8_t     mrtd[48];
    parse_build(&image, &ovmf);
    less = ovmf;
    less.td_len = 0;
    CHECK_CODE(BLIND_INPUT, bl_tdx_mrtd(&less, BL_TD_PAGE_BY_PAGE, mrtd, NULL), "no metadata");
    less = ovmf;
    less.td[0].offset = END;
    CHECK_CODE(BLIND_INPUT, bl_tdx_mrtd(&less, BL_TD_PAGE_BY_PAGE, mrtd, NULL), "bytes outside");
    less = ovmf;
    less.td[0].attributes = 4;
    CHECK_CODE(BLIND_INPUT, bl_tdx_mrtd(&less, BL_TD_PAGE_BY_PAGE, mrtd, NULL), "attributes");
    less = ovmf;
    less.td[0].size = less.td[1].size = 200u << 20;
    CHECK_CODE(BLIND_LIMIT, bl_tdx_mrtd(&less, BL_TD_PAGE_BY_PAGE, mrtd, NULL), "memory");
}

/* RTMR1 and RTMR2 fold the same digests as PCR 2 to 6 and 8 to 15, and the last of boot services.
 */
TEST(rtmrs_follow_the_boot)
{
    bl_auto_buf        uki = BL_BUF_EMPTY;
    bl_uki_measurement m;
    uint8_t            rtmr1[48], rtmr2[48];
    bl_uki_boot        boot = { .secure_boot = BL_SECURE_BOOT_EMPTY };
    read_build("uki-257.efi", &uki);
    CHECK_CODE(BLIND_OK, bl_uki_measure(bl_buf_span(&uki), &boot, BL_SHA384, &m, NULL), "measure");
    CHECK_CODE(BLIND_OK, bl_tdx_rtmrs(&m, rtmr1, rtmr2, NULL), "rtmrs");
    check_computed("uki-257", "rtmr1", rtmr1, 48);
    check_computed("uki-257", "rtmr2", rtmr2, 48);
    m.known &= ~(1u << 9);
    CHECK_CODE(BLIND_INPUT, bl_tdx_rtmrs(&m, rtmr1, rtmr2, NULL), "PCR 9 unknown");
    CHECK_CODE(BLIND_OK, bl_uki_measure(bl_buf_span(&uki), &boot, BL_SHA256, &m, NULL), "measure");
    CHECK_CODE(BLIND_INPUT, bl_tdx_rtmrs(&m, rtmr1, rtmr2, NULL), "another bank");
    assert_int_equal(0, rtmr1[0] | rtmr2[0]);
}

TESTS(RUN(a_synthetic_firmware_gives_what_hashlib_says), RUN(mrtd_is_what_hashlib_says),
      RUN(recorded_launches_give_their_digests), RUN(malformed_firmware_is_refused),
      RUN(the_same_entry_twice_is_refused), RUN(only_whole_pages_are_firmware),
      RUN(launches_that_cannot_be_are_refused), RUN(domains_that_cannot_be_are_refused),
      RUN(rtmrs_follow_the_boot))
