/* Every type of weights against the recorded values of tests/vectors/llm/dequant.bin. */
#include "base/file.h"
#include "base/reader.h"
#include "llm/dequant.h"
#include "tests/test.h"

#include <math.h>

static void check_type(bl_reader *r)
{
    char       name[9] = "";
    float      got[3 * 256];
    blind_span head = bl_read_bytes(r, 8);
    uint32_t   len = bl_read_u32le(r), size = bl_read_u32le(r);
    blind_span blocks = bl_read_bytes(r, size), values = bl_read_bytes(r, len * sizeof(float));
    CHECK(!r->failed && len <= BL_LEN(got));
    memcpy(name, head.data, 8);
    const bl_quant_type *type = bl_quant_type_named(name);
    CHECK(type && bl_dequant_knows(type) && size == len / type->len * type->size);
    bl_dequant(type, blocks.data, len, got);
    for (uint32_t i = 0; i < len; i++) {
        float want;
        memcpy(&want, values.data + i * sizeof want, sizeof want);
        if (fabsf(got[i] - want) > 1e-6F * fmaxf(1, fabsf(want)))
            fail_msg("%s, element %u: %g, expected %g", name, i, (double)got[i], (double)want);
    }
}

TEST(every_type_means_what_it_should)
{
    blind_error err;
    bl_auto_buf file = BL_BUF_EMPTY;
    size_t      types = 0;
    CHECK_CODE(BLIND_OK, bl_file_read("tests/vectors/llm/dequant.bin", 1 << 20, &file, &err),
               err.message);
    for (bl_reader r = { .rest = bl_buf_span(&file) }; r.rest.size; types++)
        check_type(&r);
    CHECK(types == 14);
}

TEST(types_without_a_meaning_are_known_as_such)
{
    CHECK(!bl_dequant_knows(bl_quant_type_named("IQ1_S")));
    CHECK(!bl_quant_type_named("Q4_9") && !bl_quant_type_of(4));
    float one;
    bl_dequant(bl_quant_type_named("F32"), (const uint8_t *)&(float){ -2.5f }, 1, &one);
    CHECK(one == -2.5f);
}

TESTS(RUN(every_type_means_what_it_should), RUN(types_without_a_meaning_are_known_as_such))
