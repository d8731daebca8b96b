/* Recorded launches: what a guest's firmware measures to, and whether a boot log replays to the
 * registers of a TD's quote. */
#include "attest/event_log.h"
#include "attest/tdx/tdx.h"
#include "base/hex.h"
#include "base/json.h"
#include "conformance/case.h"
#include "measure/snp.h"

static const char STAGE[] = "conformance.case";

static const json_t *file_of(const json_t *one, const char *name)
{
    return json_object_get(json_object_get(one, "files"), name);
}

static const char *text_of(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

/* ---- SNP launch digests ---- */

/* Bytes of a member in hexadecimal; none when it is null. */
static blind_code hex_of(const json_t *inputs, const char *key, bl_buf *out, blind_error *err)
{
    const char *hex = text_of(inputs, key);
    size_t      size = hex ? strlen(hex) / 2 : 0;
    uint8_t    *to = size ? bl_buf_reserve(out, size) : NULL;
    if (size == 0)
        return BLIND_OK;
    if (!to || !bl_hex_decode(bl_span_str(hex), to, size))
        return blind_fail(err, BLIND_INPUT, STAGE, "'%s' is no hexadecimal text", key);
    out->size += size;
    return BLIND_OK;
}

static blind_code vmm_of(const char *name, bl_vmm *out, blind_error *err)
{
    static const char *const names[] = {
        [BL_VMM_QEMU] = "qemu", [BL_VMM_EC2] = "ec2", [BL_VMM_GCE] = "gce"
    };
    for (size_t i = 0; name && i < BL_LEN(names); i++)
        if (strcmp(name, names[i]) == 0) {
            *out = (bl_vmm)i;
            return BLIND_OK;
        }
    return blind_fail(err, BLIND_INPUT, STAGE, "no hypervisor '%.32s'", name ? name : "");
}

typedef struct {
    bl_buf kernel, initrd, seed;
} launch_bytes;

static void launch_bytes_done(launch_bytes *b)
{
    bl_buf_done(&b->kernel);
    bl_buf_done(&b->initrd);
    bl_buf_done(&b->seed);
}

static blind_code read_launch(const json_t *inputs, launch_bytes *b, bl_snp_launch *out,
                              blind_error *err)
{
    const char *line = text_of(inputs, "cmdline");
    BL_TRY(vmm_of(text_of(inputs, "vmm"), &out->vmm, err));
    BL_TRY(hex_of(inputs, "kernel_hex", &b->kernel, err));
    BL_TRY(hex_of(inputs, "initrd_hex", &b->initrd, err));
    BL_TRY(hex_of(inputs, "firmware_hash_seed", &b->seed, err));
    out->vcpus = (uint32_t)json_integer_value(json_object_get(inputs, "vcpus"));
    out->vcpu_signature = (uint32_t)json_integer_value(json_object_get(inputs, "vcpu_sig"));
    out->guest_features = (uint64_t)json_integer_value(json_object_get(inputs, "guest_features"));
    out->with_kernel = text_of(inputs, "kernel_hex") != NULL;
    out->kernel = bl_buf_span(&b->kernel);
    out->initrd = bl_buf_span(&b->initrd);
    out->command_line = line ? bl_span_str(line) : (blind_span){ 0 };
    out->firmware_digest = b->seed.size == 48 ? b->seed.data : NULL;
    return BLIND_OK;
}

/* A launch that cannot be is a rejection, as is another digest. */
static void compare_digest(const json_t *one, blind_span image, const bl_snp_launch *launch,
                           blind_case_judgement *out)
{
    const char *want = text_of(json_object_get(one, "measurements"), "measurement");
    uint8_t     digest[48], expected[48];
    bl_ovmf     ovmf;
    blind_error why;
    if (bl_ovmf_parse(image, &ovmf, &why) != BLIND_OK ||
        bl_snp_measure(&ovmf, launch, digest, &why) != BLIND_OK)
        bl_judged_case(out, BLIND_CASE_REJECT, "%s", why.message);
    else if (!want || !bl_hex_decode(bl_span_str(want), expected, sizeof expected) ||
             memcmp(digest, expected, sizeof digest) != 0)
        bl_judged_case(out, BLIND_CASE_REJECT, "another launch digest");
    else
        bl_judged_case(out, BLIND_CASE_ACCEPT, "the launch digest recorded");
}

blind_code bl_case_judge_launch(const char *dir, const json_t *one, blind_case_judgement *out,
                                blind_error *err)
{
    bl_auto_buf   image = BL_BUF_EMPTY;
    launch_bytes  bytes = { 0 };
    bl_snp_launch launch = { 0 };
    BL_TRY(bl_case_read(dir, file_of(one, "evidence"), &image, err));
    blind_code code = read_launch(json_object_get(one, "inputs"), &bytes, &launch, err);
    if (code == BLIND_OK)
        compare_digest(one, bl_buf_span(&image), &launch, out);
    launch_bytes_done(&bytes);
    return code;
}

/* ---- boot logs of trust domains ---- */

static blind_code replay(blind_span log_bytes, uint8_t regs[BL_REGISTERS][BL_HASH_MAX],
                         blind_error *err)
{
    bl_auto_arena arena = BL_ARENA_EMPTY;
    bl_event_log  log;
    bool          json = log_bytes.size && log_bytes.data[0] == '[';
    BL_TRY(json ? bl_event_log_parse_json(log_bytes, &arena, &log, err)
                : bl_event_log_parse(log_bytes, BL_LOG_OF_TD, &arena, &log, err));
    return bl_event_log_replay(&log, BL_SHA384, regs, NULL, err);
}

static void compare_rtmrs(blind_span log, blind_span quoted, blind_case_judgement *out)
{
    uint8_t      regs[BL_REGISTERS][BL_HASH_MAX];
    bl_quote     quote;
    bl_td_report report;
    blind_error  why;
    if (bl_quote_parse(quoted, &quote, &why) != BLIND_OK ||
        bl_td_report_parse(quote.body, &report, &why) != BLIND_OK ||
        replay(log, regs, &why) != BLIND_OK) {
        bl_judged_case(out, BLIND_CASE_REJECT, "%s", why.message);
        return;
    }
    for (size_t i = 0; i < BL_LEN(report.rtmr); i++)
        if (!bl_span_equal(report.rtmr[i], bl_span(regs[i + 1], 48))) {
            bl_judged_case(out, BLIND_CASE_REJECT, "the log does not replay to RTMR%zu", i);
            return;
        }
    bl_judged_case(out, BLIND_CASE_ACCEPT, "the log replays to RTMR0 to RTMR3");
}

blind_code bl_case_judge_rtmrs(const char *dir, const json_t *one, blind_case_judgement *out,
                               blind_error *err)
{
    bl_auto_buf log = BL_BUF_EMPTY, quote = BL_BUF_EMPTY;
    if (!file_of(one, "quote")) {
        bl_judged_case(out, BLIND_CASE_REJECT, "no quote to replay to");
        return BLIND_OK;
    }
    BL_TRY(bl_case_read(dir, file_of(one, "evidence"), &log, err));
    BL_TRY(bl_case_read(dir, file_of(one, "quote"), &quote, err));
    compare_rtmrs(bl_buf_span(&log), bl_buf_span(&quote), out);
    return BLIND_OK;
}
