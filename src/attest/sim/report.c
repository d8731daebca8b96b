/* The simulated report, bytes to fields and back.  Source: docs/formats/bundle.md, "sim". */
#include "attest/sim/sim.h"

#include "base/reader.h"

#define MAGIC BL_LITERAL("blindsim")

blind_code bl_sim_report_parse(blind_span raw, bl_sim_report *out, blind_error *err)
{
    bl_reader  r = { .rest = raw };
    blind_span magic = bl_read_bytes(&r, 8); /* 0x00 */
    *out = (bl_sim_report){ 0 };
    out->version = bl_read_u32be(&r);         /* 0x08 */
    out->flags = bl_read_u32be(&r);           /* 0x0c */
    out->measurement = bl_read_bytes(&r, 48); /* 0x10 */
    out->report_data = bl_read_bytes(&r, 64); /* 0x40 */
    out->time_s = bl_read_u64be(&r);          /* 0x80 */
    out->signature = bl_read_bytes(&r, 64);   /* 0x88 */
    uint32_t version = out->version, flags = out->flags;
    if (bl_reader_done(&r) && bl_span_equal(magic, MAGIC) && version == 1 &&
        (flags & ~BL_SIM_FLAG_DEBUG) == 0 && out->time_s <= INT64_MAX)
        return BLIND_OK;
    *out = (bl_sim_report){ 0 };
    if (!bl_reader_done(&r))
        return blind_fail(err, BLIND_FORMAT, "sim.report", "%zu bytes, expected %d", raw.size,
                          BL_SIM_REPORT_SIZE);
    return blind_fail(err, BLIND_FORMAT, "sim.report",
                      "no report of version 1 (version %u, flags 0x%x)", version, flags);
}

void bl_sim_report_write(const bl_sim_report *report, bl_buf *out)
{
    bl_buf_add(out, MAGIC);
    bl_buf_add_be(out, report->version, 4);
    bl_buf_add_be(out, report->flags, 4);
    bl_buf_add(out, report->measurement);
    bl_buf_add(out, report->report_data);
    bl_buf_add_be(out, report->time_s, 8);
}
