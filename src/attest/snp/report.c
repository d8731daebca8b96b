/* The attestation report, bytes to fields.  Source: AMD 56860, section 7.3. */
#include "attest/snp/snp.h"
#include "base/reader.h"

enum { COORDINATE = 48, COORDINATE_FIELD = 72, TAIL = 368 };

static const char STAGE[] = "snp.report";

/* Bytes that must be zero; one that is not fails the reader. */
static void read_zeros(bl_reader *r, size_t n)
{
    blind_span bytes = bl_read_bytes(r, n);
    uint8_t    any = 0;
    for (size_t i = 0; i < bytes.size; i++)
        any |= bytes.data[i];
    r->failed |= any != 0;
}

static blind_span read_coordinate(bl_reader *r)
{
    blind_span value = bl_read_bytes(r, COORDINATE);
    read_zeros(r, COORDINATE_FIELD - COORDINATE);
    return value;
}

static void read_head(bl_reader *r, bl_snp_report *out)
{
    out->version = bl_read_u32le(r);       /* 0x000 */
    out->guest_svn = bl_read_u32le(r);     /* 0x004 */
    out->policy = bl_read_u64le(r);        /* 0x008 */
    out->family_id = bl_read_bytes(r, 16); /* 0x010 */
    out->image_id = bl_read_bytes(r, 16);  /* 0x020 */
    out->vmpl = bl_read_u32le(r);          /* 0x030 */
    out->algorithm = bl_read_u32le(r);     /* 0x034 */
    out->current_tcb = bl_read_u64le(r);   /* 0x038 */
    out->platform_info = bl_read_u64le(r); /* 0x040 */
    uint32_t key = bl_read_u32le(r);       /* 0x048 */
    read_zeros(r, 4);                      /* 0x04c */
    out->author_key = key & 1;
    out->chip_key_masked = key & 2;
    out->signer = key >> 2 & 7;
    r->failed |= key >> 5 != 0;
}

static void read_identity(bl_reader *r, bl_snp_report *out)
{
    out->report_data = bl_read_bytes(r, 64);       /* 0x050 */
    out->measurement = bl_read_bytes(r, 48);       /* 0x090 */
    out->host_data = bl_read_bytes(r, 32);         /* 0x0c0 */
    out->id_key_digest = bl_read_bytes(r, 48);     /* 0x0e0 */
    out->author_key_digest = bl_read_bytes(r, 48); /* 0x110 */
    out->report_id = bl_read_bytes(r, 32);         /* 0x140 */
    out->report_id_ma = bl_read_bytes(r, 32);      /* 0x160 */
    out->reported_tcb = bl_read_u64le(r);          /* 0x180 */
}

static void read_cpuid(bl_reader *r, bl_snp_report *out)
{
    out->has_cpuid = out->version >= 3;
    if (out->has_cpuid) {
        out->family = bl_read_u8(r);   /* 0x188 */
        out->model = bl_read_u8(r);    /* 0x189 */
        out->stepping = bl_read_u8(r); /* 0x18a */
    } else {
        read_zeros(r, 3);
    }
    read_zeros(r, 21); /* 0x18b */
}

static void read_platform(bl_reader *r, bl_snp_report *out)
{
    out->chip_id = bl_read_bytes(r, 64);   /* 0x1a0 */
    out->committed_tcb = bl_read_u64le(r); /* 0x1e0 */
    out->build = bl_read_u8(r);            /* 0x1e8 */
    out->minor = bl_read_u8(r);            /* 0x1e9 */
    out->major = bl_read_u8(r);            /* 0x1ea */
    read_zeros(r, 1);                      /* 0x1eb */
    bl_skip(r, 3);                         /* 0x1ec committed build, minor, major */
    read_zeros(r, 1);                      /* 0x1ef */
    out->launch_tcb = bl_read_u64le(r);    /* 0x1f0 */
    out->has_mitigations = out->version >= 5;
    if (out->has_mitigations) {
        out->launch_mitigations = bl_read_u64le(r);  /* 0x1f8 */
        out->current_mitigations = bl_read_u64le(r); /* 0x200 */
    } else {
        read_zeros(r, 16);
    }
    read_zeros(r, 152); /* 0x208 */
}

/* Fields of one meaning only.  A bit of the guest policy that we do not know may loosen it. */
static const char *unacceptable(const bl_snp_report *r)
{
    return r->algorithm != 1                  ? "signature algorithm"
           : r->vmpl > 3                      ? "VMPL"
           : !(r->policy & BL_SNP_POLICY_ONE) ? "guest policy (bit 17 is zero)"
           : r->policy & ~BL_SNP_POLICY_KNOWN ? "guest policy (a reserved bit is set)"
                                              : NULL;
}

blind_code bl_snp_report_parse(blind_span raw, bl_snp_report *out, blind_error *err)
{
    bl_reader     r = { .rest = raw };
    bl_snp_report report = { 0 };
    *out = report;
    if (raw.size != BL_SNP_REPORT_SIZE)
        return blind_fail(err, BLIND_FORMAT, STAGE, "%zu bytes, expected %d", raw.size,
                          BL_SNP_REPORT_SIZE);
    read_head(&r, &report);
    if (report.version < 2 || report.version > 5)
        return blind_fail(err, BLIND_FORMAT, STAGE, "a report of version %u, expected 2 to 5",
                          report.version);
    read_identity(&r, &report);
    read_cpuid(&r, &report);
    read_platform(&r, &report);
    report.r = read_coordinate(&r); /* 0x2a0 */
    report.s = read_coordinate(&r); /* 0x2e8 */
    read_zeros(&r, TAIL);           /* 0x330 */
    if (!bl_reader_done(&r))
        return blind_fail(err, BLIND_FORMAT, STAGE, "a byte that must be zero is not");
    if (unacceptable(&report))
        return blind_fail(err, BLIND_FORMAT, STAGE, "unknown value in %s", unacceptable(&report));
    *out = report;
    return BLIND_OK;
}
