/* Machines that boot: a TPM's registers, SNP's launch digest, a trust domain's registers. */
#include "measure/build_internal.h"
#include "measure/snp.h"
#include "measure/tdx.h"
#include "measure/uki.h"

#include <stdlib.h>

static const char STAGE[] = "build.machine";

/* ---- UKI, of tpm and tdx ---- */

/* Buffers that a bl_uki_boot borrows from. */
typedef struct {
    bl_buf uki, pk, kek, db, dbx, authority;
} uki_files;

static void uki_files_done(uki_files *f)
{
    bl_buf_done(&f->uki);
    bl_buf_done(&f->pk);
    bl_buf_done(&f->kek);
    bl_buf_done(&f->db);
    bl_buf_done(&f->dbx);
    bl_buf_done(&f->authority);
}

static blind_code read_variables(bl_building *b, uki_files *f, bl_uki_boot *out)
{
    BL_TRY(bl_build_read(b, b->build->pk, &f->pk));
    BL_TRY(bl_build_read(b, b->build->kek, &f->kek));
    BL_TRY(bl_build_read(b, b->build->db, &f->db));
    BL_TRY(bl_build_read(b, b->build->dbx, &f->dbx));
    BL_TRY(bl_build_read(b, b->build->authority, &f->authority));
    out->pk = bl_buf_span(&f->pk);
    out->kek = bl_buf_span(&f->kek);
    out->db = bl_buf_span(&f->db);
    out->dbx = bl_buf_span(&f->dbx);
    out->authority = bl_buf_span(&f->authority);
    return BLIND_OK;
}

static blind_code read_boot(bl_building *b, uki_files *f, bl_uki_boot *out)
{
    static const char *const starts[] = { "disk", "loader", NULL };
    static const char *const states[] = { "", "off", "empty", "on", NULL }; /* as bl_secure_boot */
    const blind_build       *build = b->build;
    unsigned                 start, state;
    *out = (bl_uki_boot){ .stub = build->stub, .phases = build->phases };
    BL_TRY(bl_build_choose(b, "start", build->start, starts, &start));
    BL_TRY(bl_build_choose(b, "state of Secure Boot", build->secure_boot, states, &state));
    out->start = (bl_uki_start)start;
    out->secure_boot = (bl_secure_boot)state;
    if (!state && (build->pk || build->kek || build->db || build->dbx || build->authority))
        return blind_fail(b->err, BLIND_USAGE, STAGE,
                          "variables of Secure Boot, but not whether it is on");
    return read_variables(b, f, out);
}

static blind_code measure_uki(bl_building *b, bl_hash bank, bl_uki_measurement *out)
{
    uki_files   f __attribute__((cleanup(uki_files_done))) = { 0 };
    bl_uki_boot boot;
    BL_TRY(read_boot(b, &f, &boot));
    BL_TRY(bl_build_read(b, b->build->uki, &f.uki));
    blind_code code = bl_uki_measure(bl_buf_span(&f.uki), &boot, bank, out, b->err);
    if (code != BLIND_OK)
        return blind_fail_in(b->err, code, "'%s'", b->build->uki);
    b->out->what = bl_arena_printf(b->arena, "a boot of the UKI by systemd-stub %u, %s", out->stub,
                                   boot.start == BL_UKI_FROM_DISK ? "from disk" : "by a loader");
    return BLIND_OK;
}

blind_code bl_build_tpm(bl_building *b)
{
    static const char *const names[24] = {
        [4] = "pcr4", [7] = "pcr7", [9] = "pcr9", [11] = "pcr11", [12] = "pcr12", [13] = "pcr13"
    };
    bl_uki_measurement m;
    if (!b->build->uki)
        return bl_build_missing(b, "UKI");
    BL_TRY(measure_uki(b, BL_SHA256, &m));
    for (unsigned pcr = 0; pcr < BL_LEN(names); pcr++) {
        if (!names[pcr])
            continue;
        if (m.known >> pcr & 1)
            bl_build_known(b, names[pcr], m.pcrs[pcr], BL_SHA256_SIZE);
        else
            bl_build_unknown(b, names[pcr], m.why[pcr]);
    }
    bl_build_note(b, "Without PCR 9, 12 and 13 the host could change the kernel's command line.");
    bl_build_note(b, "PCR 0 to 3 and 5, of firmware, devices and disks, cannot be known from the "
                     "build: what is not asked for here stays unproven.");
    return BLIND_OK;
}

/* ---- SNP ---- */

static blind_code read_ovmf(bl_building *b, bl_buf *image, bl_ovmf *out)
{
    if (!b->build->firmware)
        return bl_build_missing(b, "firmware");
    BL_TRY(bl_build_read(b, b->build->firmware, image));
    blind_code code = bl_ovmf_parse(bl_buf_span(image), out, b->err);
    return code == BLIND_OK ? code : blind_fail_in(b->err, code, "'%s'", b->build->firmware);
}

/* What the hypervisor hands over: a UKI, or a kernel with its initrd and command line. */
static blind_code check_kernel(bl_building *b)
{
    const blind_build *build = b->build;
    int                ways = (build->uki != NULL) + (build->kernel != NULL) + build->firmware_only;
    if (ways != 1)
        return blind_fail(b->err, BLIND_USAGE, STAGE,
                          "expected one of uki, kernel and, where nothing behind the firmware "
                          "shall be measured, firmware-only");
    if (!build->kernel && (build->initrd || build->command_line))
        return blind_fail(b->err, BLIND_USAGE, STAGE, "an initrd or command line without a kernel");
    if (build->firmware_only)
        bl_build_note(b, "This digest covers the firmware alone: whatever it boots passes.");
    return BLIND_OK;
}

/* A model of QEMU's, or the signature itself: "0xa00f11". */
static uint32_t signature_of(const char *type)
{
    char         *end;
    unsigned long value = strtoul(type, &end, 16);
    bool          digits = strncmp(type, "0x", 2) == 0 && strlen(type) <= 10 && !*end;
    return digits ? (uint32_t)value : bl_snp_vcpu_signature(type);
}

static blind_code read_launch(bl_building *b, bl_snp_launch *out)
{
    static const char *const vmms[] = { "qemu", "ec2", "gce", NULL };
    const blind_build       *build = b->build;
    unsigned                 vmm;
    BL_TRY(bl_build_choose(b, "hypervisor", build->vmm, vmms, &vmm));
    *out = (bl_snp_launch){ .vmm = (bl_vmm)vmm,
                            .vcpus = build->vcpus,
                            .guest_features = build->guest_features ? build->guest_features : 1,
                            .with_kernel = !build->firmware_only };
    if (build->vcpus == 0)
        return bl_build_missing(b, "number of vcpus, each of which is measured");
    if (out->vmm != BL_VMM_QEMU)
        return build->vcpu_type ? blind_fail(b->err, BLIND_USAGE, STAGE,
                                             "'vcpu-type' means something to QEMU only")
                                : BLIND_OK;
    if (!build->vcpu_type)
        return bl_build_missing(b, "vcpu-type, which QEMU puts into a register");
    out->vcpu_signature = signature_of(build->vcpu_type);
    return out->vcpu_signature
               ? BLIND_OK
               : blind_fail(b->err, BLIND_USAGE, STAGE, "no vcpu-type '%s'", build->vcpu_type);
}

blind_code bl_build_snp(bl_building *b)
{
    bl_auto_buf   image = BL_BUF_EMPTY, kernel = BL_BUF_EMPTY, initrd = BL_BUF_EMPTY;
    bl_ovmf       ovmf;
    bl_snp_launch launch;
    uint8_t       digest[48];
    const char   *line = b->build->command_line;
    BL_TRY(check_kernel(b));
    BL_TRY(read_launch(b, &launch));
    BL_TRY(read_ovmf(b, &image, &ovmf));
    BL_TRY(bl_build_read(b, b->build->uki ? b->build->uki : b->build->kernel, &kernel));
    BL_TRY(bl_build_read(b, b->build->initrd, &initrd));
    launch.kernel = bl_buf_span(&kernel);
    launch.initrd = bl_buf_span(&initrd);
    launch.command_line = line ? bl_span_str(line) : (blind_span){ 0 };
    BL_TRY(bl_snp_measure(&ovmf, &launch, digest, b->err));
    bl_build_known(b, "measurement", digest, sizeof digest);
    b->out->what = bl_arena_printf(b->arena, "launch digest of %u processors", launch.vcpus);
    return BLIND_OK;
}

/* ---- TDX ---- */

static blind_code add_rtmrs(bl_building *b)
{
    static const char  not_given[] = "no UKI was given that it follows from";
    bl_uki_measurement m;
    uint8_t            rtmr1[48], rtmr2[48];
    if (!b->build->uki) {
        bl_build_unknown(b, "rtmr1", not_given);
        bl_build_unknown(b, "rtmr2", not_given);
        return BLIND_OK;
    }
    BL_TRY(measure_uki(b, BL_SHA384, &m));
    blind_code code = bl_tdx_rtmrs(&m, rtmr1, rtmr2, b->err);
    if (code == BLIND_INPUT) {
        bl_build_unknown(b, "rtmr1", "what this UKI's stub extends into it is not known");
        bl_build_unknown(b, "rtmr2", "what this UKI's stub extends into it is not known");
        return BLIND_OK;
    }
    BL_TRY(code);
    bl_build_known(b, "rtmr1", rtmr1, 48);
    bl_build_known(b, "rtmr2", rtmr2, 48);
    return BLIND_OK;
}

blind_code bl_build_tdx(bl_building *b)
{
    static const char *const orders[] = { "pages", "passes", NULL };
    bl_auto_buf              image = BL_BUF_EMPTY;
    bl_ovmf                  ovmf;
    unsigned                 order;
    uint8_t                  mrtd[48];
    BL_TRY(bl_build_choose(b, "order of pages", b->build->page_order, orders, &order));
    BL_TRY(read_ovmf(b, &image, &ovmf));
    BL_TRY(bl_tdx_mrtd(&ovmf, (bl_td_order)order, mrtd, b->err));
    b->out->what = "a trust domain's firmware";
    bl_build_known(b, "mrtd", mrtd, sizeof mrtd);
    bl_build_unknown(b, "rtmr0", "it holds the virtual machine's configuration");
    BL_TRY(add_rtmrs(b));
    bl_build_unknown(b, "rtmr3", "it holds what runs later");
    bl_build_note(b, "MRTD and the RTMRs are computed from the specifications: they were not "
                     "compared with a machine's.");
    return BLIND_OK;
}
