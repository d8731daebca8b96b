/* Trees of every size up to 40, paths, and labels that do not pass for each other. */
#include "tests/test.h"

#include "attest/binding.h"

enum { MOST = 40 };

static void fill(uint8_t leaves[][32], uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        CHECK_CODE(BLIND_OK, bl_sha256(bl_span(&i, sizeof i), leaves[i]), "leaf");
}

static blind_code climbs_to(const uint8_t root[32], const uint8_t leaf[32], uint32_t index,
                            uint32_t leaves, blind_span path)
{
    uint8_t    found[32];
    blind_code code = bl_merkle_climb(leaf, index, leaves, path, found, NULL);
    if (code != BLIND_OK)
        return code;
    return memcmp(found, root, 32) == 0 ? BLIND_OK : BLIND_BINDING;
}

TEST(every_leaf_climbs_to_the_root)
{
    uint8_t leaves[MOST][32], path[BL_MAX_MERKLE_PATH][32];
    fill(leaves, MOST);
    for (uint32_t n = 1; n <= MOST; n++) {
        bl_merkle m;
        CHECK_CODE(BLIND_OK, bl_merkle_init(&m, (const uint8_t(*)[32])leaves, n, NULL), "tree");
        for (uint32_t i = 0; i < n; i++) {
            size_t     len = bl_merkle_path(&m, i, path);
            blind_span p = bl_span(path, 32 * len);
            assert_int_equal(bl_merkle_path_len(i, n), len);
            CHECK_CODE(BLIND_OK, climbs_to(bl_merkle_root(&m), leaves[i], i, n, p), "own path");
            if (n == 1)
                continue;
            uint8_t other[32];
            memcpy(other, leaves[i], 32);
            other[31] ^= 1;
            CHECK_CODE(BLIND_BINDING, climbs_to(bl_merkle_root(&m), other, i, n, p), "other leaf");
            CHECK(climbs_to(bl_merkle_root(&m), leaves[i], i ^ 1, n, p) != BLIND_OK);
            CHECK_CODE(BLIND_FORMAT,
                       climbs_to(bl_merkle_root(&m), leaves[i], i, n, bl_span(path, 32 * len - 1)),
                       "a short path");
            path[len / 2][0] ^= 1;
            CHECK(len > BL_MAX_MERKLE_PATH / 2 || len / 2 >= len ||
                  climbs_to(bl_merkle_root(&m), leaves[i], i, n, p) == BLIND_BINDING);
        }
        bl_merkle_done(&m);
    }
}

TEST(a_tree_of_one_is_its_leaf)
{
    uint8_t   leaf[1][32] = { { 7 } }, path[BL_MAX_MERKLE_PATH][32];
    bl_merkle m;
    CHECK_CODE(BLIND_OK, bl_merkle_init(&m, (const uint8_t(*)[32])leaf, 1, NULL), "tree");
    assert_memory_equal(leaf[0], bl_merkle_root(&m), 32);
    assert_int_equal(0, bl_merkle_path(&m, 0, path));
    bl_merkle_done(&m);
}

/* A tree over the all-zero and the all-one binding, three events in the log, its head zero; the
 * values computed with Python's hashlib from the formulas in binding.h. */
TEST(the_hashes_are_those_of_the_document)
{
    uint8_t zeros[32] = { 0 }, ones[32], leaves[2][32], value[32];
    memset(ones, 0xff, sizeof ones);
    CHECK_CODE(BLIND_OK, bl_binding_leaf(zeros, leaves[0]), "leaf");
    CHECK_CODE(BLIND_OK, bl_binding_leaf(ones, leaves[1]), "leaf");
    bl_merkle    m;
    bl_log_state log = { 3, { 0 } };
    CHECK_CODE(BLIND_OK, bl_merkle_init(&m, (const uint8_t(*)[32])leaves, 2, NULL), "tree");
    CHECK_CODE(BLIND_OK, bl_report_value(2, bl_merkle_root(&m), &log, value), "value");
    static const uint8_t want[32] = { 0xd8, 0xce, 0x7a, 0x2e, 0x4e, 0x44, 0xbb, 0x0c,
                                      0x7f, 0x83, 0x42, 0xea, 0x72, 0xf6, 0xc4, 0x92,
                                      0x2f, 0xb5, 0xe1, 0xa0, 0x9b, 0x72, 0x58, 0x6f,
                                      0x6e, 0x7d, 0xd5, 0x65, 0x6d, 0x0a, 0x25, 0xa5 };
    assert_memory_equal(want, value, 32);
    CHECK_CODE(BLIND_OK, bl_cert_value(BL_LITERAL("spki"), &log, value), "cert");
    static const uint8_t want_cert[32] = { 0xef, 0xa2, 0xc4, 0x5a, 0x70, 0x0b, 0x12, 0xbf,
                                           0xfe, 0x8d, 0x7c, 0x0c, 0x09, 0xe3, 0x34, 0x99,
                                           0x38, 0x45, 0xbd, 0x04, 0x18, 0xa4, 0x3f, 0xd7,
                                           0x06, 0x69, 0xaa, 0x25, 0xfe, 0xc7, 0x53, 0xf3 };
    assert_memory_equal(want_cert, value, 32);
    bl_merkle_done(&m);
}

TEST(neither_label_passes_for_the_other)
{
    uint8_t      root[32], report[32], cert[32];
    bl_log_state log = { 0, { 0 } };
    CHECK_CODE(BLIND_OK, bl_sha256(BL_LITERAL("spki"), root), "root");
    CHECK_CODE(BLIND_OK, bl_report_value(0, root, &log, report), "report");
    CHECK_CODE(BLIND_OK, bl_cert_value_of(root, &log, cert), "cert");
    CHECK(memcmp(report, cert, 32) != 0);
}

TEST(every_part_of_the_value_counts)
{
    uint8_t      root[32] = { 0 }, base[32], other[32];
    bl_log_state log = { 1, { 2 } }, longer = { 2, { 2 } }, head = { 1, { 3 } };
    CHECK_CODE(BLIND_OK, bl_report_value(1, root, &log, base), "base");
    CHECK_CODE(BLIND_OK, bl_report_value(2, root, &log, other), "leaves");
    CHECK(memcmp(base, other, 32) != 0);
    CHECK_CODE(BLIND_OK, bl_report_value(1, root, &longer, other), "length");
    CHECK(memcmp(base, other, 32) != 0);
    CHECK_CODE(BLIND_OK, bl_report_value(1, root, &head, other), "head");
    CHECK(memcmp(base, other, 32) != 0);
    root[31] = 1;
    CHECK_CODE(BLIND_OK, bl_report_value(1, root, &log, other), "root");
    CHECK(memcmp(base, other, 32) != 0);
}

TEST(shapes_that_no_tree_has_are_refused)
{
    uint8_t   leaf[32] = { 0 }, root[32];
    bl_merkle m;
    CHECK_CODE(BLIND_LIMIT, bl_merkle_init(&m, NULL, 0, NULL), "no leaf");
    CHECK_CODE(BLIND_LIMIT, bl_merkle_init(&m, NULL, BL_MAX_MERKLE_LEAVES + 1, NULL), "too many");
    const struct {
        uint32_t index, leaves;
    } cases[] = {
        { 0, 0 }, { 1, 1 }, { 5, 4 }, { 0, BL_MAX_MERKLE_LEAVES + 1 }, { UINT32_MAX, UINT32_MAX }
    };
    for (size_t i = 0; i < BL_LEN(cases); i++)
        CHECK_CODE(
            BLIND_FORMAT,
            bl_merkle_climb(leaf, cases[i].index, cases[i].leaves, (blind_span){ 0 }, root, NULL),
            "shape");
    assert_int_equal(16, bl_merkle_path_len(0, BL_MAX_MERKLE_LEAVES));
    assert_int_equal(16, bl_merkle_path_len(0, BL_MAX_MERKLE_LEAVES - 1));
}

TESTS(RUN(every_leaf_climbs_to_the_root), RUN(a_tree_of_one_is_its_leaf),
      RUN(the_hashes_are_those_of_the_document), RUN(neither_label_passes_for_the_other),
      RUN(every_part_of_the_value_counts), RUN(shapes_that_no_tree_has_are_refused))
