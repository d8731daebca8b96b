/* Damage: see the header. */
#include "tests/attest/damage.h"

#include "tests/test.h"

void damage_bits(bl_buf *evidence, damage_verify *verify, void *arg)
{
    CHECK_CODE(BLIND_OK, verify(arg, bl_buf_span(evidence)), "intact");
    for (size_t bit = 0; bit < 8 * evidence->size; bit++) {
        evidence->data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        if (verify(arg, bl_buf_span(evidence)) == BLIND_OK)
            fail_msg("bit %zu of byte %zu does not matter", bit % 8, bit / 8);
        evidence->data[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}

void damage_length(bl_buf *evidence, damage_verify *verify, void *arg)
{
    for (size_t keep = 0; keep < evidence->size; keep++)
        CHECK_CODE(BLIND_FORMAT, verify(arg, bl_span(evidence->data, keep)), "a prefix");
    bl_buf_add_u8(evidence, 0);
    CHECK_CODE(BLIND_FORMAT, verify(arg, bl_buf_span(evidence)), "one byte more");
    evidence->size--;
}
