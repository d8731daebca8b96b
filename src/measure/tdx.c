/* MRTD from TDX metadata; RTMR1 and RTMR2 from a UKI's boot. */
#include "measure/tdx.h"

static const char STAGE[] = "tdx.measure";

enum { RECORD = 128, CHUNK = 256 };

/* ---- MRTD ---- */

/* What the module hashes for each operation: its name and the address, in 128 bytes. */
static void add_record(bl_hasher *h, blind_span name, uint64_t address)
{
    uint8_t record[RECORD] = { 0 };
    memcpy(record, name.data, name.size);
    for (size_t i = 0; i < 8; i++)
        record[16 + i] = (uint8_t)(address >> 8 * i);
    bl_hasher_update(h, bl_span(record, sizeof record));
}

/* A page's contents in pieces of 256 bytes; those past the section's data are zero. */
static void extend_page(bl_hasher *h, blind_span image, const bl_td_section *s, uint64_t at)
{
    for (uint64_t piece = at; piece < at + BL_GUEST_PAGE; piece += CHUNK) {
        uint8_t bytes[CHUNK] = { 0 };
        if (piece < s->data_size)
            memcpy(bytes, image.data + s->offset + piece,
                   BL_MIN((size_t)(s->data_size - piece), CHUNK));
        add_record(h, BL_LITERAL("MR.EXTEND"), s->address + piece);
        bl_hasher_update(h, bl_span(bytes, sizeof bytes));
    }
}

static void add_section(bl_hasher *h, blind_span image, const bl_td_section *s, bl_td_order order)
{
    bool extend = s->attributes & BL_TD_EXTEND;
    for (uint64_t at = 0; at < s->size; at += BL_GUEST_PAGE) {
        add_record(h, BL_LITERAL("MEM.PAGE.ADD"), s->address + at);
        if (extend && order == BL_TD_PAGE_BY_PAGE)
            extend_page(h, image, s, at);
    }
    for (uint64_t at = 0; extend && order == BL_TD_TWO_PASSES && at < s->size; at += BL_GUEST_PAGE)
        extend_page(h, image, s, at);
}

static blind_code check(const bl_ovmf *ovmf, blind_error *err)
{
    uint64_t total = 0;
    if (ovmf->td_len == 0)
        return blind_fail(err, BLIND_INPUT, STAGE, "firmware without TDX metadata");
    for (size_t i = 0; i < ovmf->td_len; i++) {
        total += ovmf->td[i].attributes & BL_TD_AUGMENT ? 0 : ovmf->td[i].size;
        if (ovmf->td[i].offset > ovmf->image.size ||
            ovmf->td[i].data_size > ovmf->image.size - ovmf->td[i].offset)
            return blind_fail(err, BLIND_INPUT, STAGE,
                              "TDX metadata of bytes outside of the image");
        if (ovmf->td[i].attributes & ~(uint32_t)(BL_TD_EXTEND | BL_TD_AUGMENT))
            return blind_fail(err, BLIND_INPUT, STAGE, "TDX metadata with unknown attributes 0x%x",
                              ovmf->td[i].attributes);
    }
    return total <= BL_MAX_GUEST_MEMORY
               ? BLIND_OK
               : blind_fail(err, BLIND_LIMIT, STAGE, "%llu bytes of memory listed, at most %u",
                            (unsigned long long)total, BL_MAX_GUEST_MEMORY);
}

blind_code bl_tdx_mrtd(const bl_ovmf *ovmf, bl_td_order order, uint8_t out[48], blind_error *err)
{
    bl_auto_hasher h = BL_HASHER_EMPTY;
    memset(out, 0, BL_SHA384_SIZE);
    BL_TRY(check(ovmf, err));
    bl_hasher_init(&h, BL_SHA384);
    for (size_t i = 0; i < ovmf->td_len; i++)
        if (!(ovmf->td[i].attributes & BL_TD_AUGMENT)) /* accepted later, by the guest */
            add_section(&h, ovmf->image, &ovmf->td[i], order);
    return bl_hasher_final(&h, out) == BLIND_OK
               ? BLIND_OK
               : blind_fail(err, BLIND_MEMORY, STAGE, "out of memory");
}

/* ---- RTMRs ---- */

/* PCR 2 to 6 are RTMR1, PCR 8 to 15 RTMR2.  Source: Design Guide, table 8-1. */
enum { RTMR1 = 0x7c, RTMR2 = 0xff00 };

blind_code bl_tdx_rtmrs(const bl_uki_measurement *uki, uint8_t rtmr1[48], uint8_t rtmr2[48],
                        blind_error *err)
{
    static const uint32_t needed = 1u << 4 | 1u << 9 | 1u << 11 | 1u << 12;
    bl_boot_steps         steps = uki->steps;
    uint8_t               value[BL_HASH_MAX];
    memset(rtmr1, 0, 48);
    memset(rtmr2, 0, 48);
    if ((uki->known & needed) != needed || steps.bank != BL_SHA384 || uki->stub < 257)
        return blind_fail(err, BLIND_INPUT, STAGE,
                          "what this UKI's boot extends into RTMR1 and RTMR2 is not known");
    bl_boot_add(&steps, 5, "action", BL_LITERAL("Exit Boot Services Invocation"));
    bl_boot_add(&steps, 5, "action", BL_LITERAL("Exit Boot Services Returned with Success"));
    BL_TRY(bl_boot_fold(&steps, RTMR1, value, err));
    memcpy(rtmr1, value, 48);
    BL_TRY(bl_boot_fold(&steps, RTMR2, value, err));
    memcpy(rtmr2, value, 48);
    return BLIND_OK;
}
