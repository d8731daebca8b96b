/* Every bit of a valid quote up to its certificates, and one of each byte of these and of its
 * collateral, flipped; every prefix, and one byte more.  With BLIND_ALL_BITS set all bits of all of
 * them, which takes minutes.
 *
 * What is accepted in spite of a flip must mean the same: blanks and line ends of PEM, the case of
 * hexadecimal digits, blanks between the members of a wrapper. */
#include "tests/test.h"

#include "attest/intel/signed_json.h"
#include "tests/attest/make_intel.h"

static bool same_certs(blind_span a, blind_span b)
{
    bl_auto_chain x = BL_CHAIN_EMPTY, y = BL_CHAIN_EMPTY;
    if (bl_chain_add(&x, a, NULL) != BLIND_OK || bl_chain_add(&y, b, NULL) != BLIND_OK ||
        x.len != y.len)
        return false;
    for (size_t i = 0; i < x.len; i++)
        if (!bl_span_equal(bl_x509_der(x.certs[i]), bl_x509_der(y.certs[i])))
            return false;
    return true;
}

static bool same_quote(blind_span a, blind_span b)
{
    bl_quote x, y;
    if (bl_quote_parse(a, &x, NULL) != BLIND_OK || bl_quote_parse(b, &y, NULL) != BLIND_OK)
        return false;
    size_t head = (size_t)(x.certification.data - a.data);
    return head == (size_t)(y.certification.data - b.data) && memcmp(a.data, b.data, head) == 0 &&
           same_certs(x.certification, y.certification);
}

static bool same_object(const char *name, blind_span a, blind_span b)
{
    bl_signed_json x, y;
    return bl_signed_json_find(a, name, &x, NULL) == BLIND_OK &&
           bl_signed_json_find(b, name, &y, NULL) == BLIND_OK && bl_span_equal(x.body, y.body) &&
           memcmp(x.signature, y.signature, sizeof x.signature) == 0;
}

static bool same_part(const char *part, blind_span a, blind_span b)
{
    if (strcmp(part, "tcb_info") == 0)
        return same_object("tcbInfo", a, b);
    if (strcmp(part, "qe_identity") == 0)
        return same_object("enclaveIdentity", a, b);
    return strstr(part, "chain") ? same_certs(a, b) : bl_span_equal(a, b);
}

/* Bits to flip in byte `i`: all where a check is cheap, else one that varies with the byte. */
static bool is_flipped(size_t i, unsigned bit, size_t all_below)
{
    return i < all_below || bit == i % 8 || getenv("BLIND_ALL_BITS");
}

static void flip_quote(bool tdx)
{
    bl_claims    claims;
    blind_error  err;
    intel_made   m;
    bl_parts     parts;
    bl_quote     quote;
    bl_auto_buf  copy = BL_BUF_EMPTY;
    blind_cache *cache = blind_cache_new(64);
    size_t       free_bits = 0;
    intel_plain(&m, tdx);
    m.version = tdx ? 5 : 3;
    m.body_kind = tdx ? BL_BODY_TD_15 : BL_BODY_SGX;
    intel_sign(&m);
    intel_parts(&m, &parts);
    bl_buf_add(&copy, bl_buf_span(&m.quote));
    CHECK_CODE(BLIND_OK, bl_quote_parse(bl_buf_span(&m.quote), &quote, NULL), "parse");
    size_t head = (size_t)(quote.certification.data - m.quote.data);
    for (size_t i = 0; i < copy.size; i++)
        for (unsigned bit = 0; bit < 8; bit++) {
            if (!is_flipped(i, bit, head))
                continue;
            copy.data[i] ^= (uint8_t)(1u << bit);
            if (intel_verify_parts(&m, bl_buf_span(&copy), &parts, cache, &claims, &err) ==
                BLIND_OK) {
                free_bits++;
                if (!same_quote(bl_buf_span(&m.quote), bl_buf_span(&copy)))
                    fail_msg("bit %u of byte %zu of %zu is not checked", bit, i, copy.size);
            }
            copy.data[i] ^= (uint8_t)(1u << bit);
        }
    print_message("%zu bits without meaning of a quote of %zu bytes\n", free_bits, copy.size);
    blind_cache_free(cache);
    intel_done(&m);
}

TEST(no_bit_of_an_sgx_quote_is_free)
{
    flip_quote(false);
}

TEST(no_bit_of_a_tdx_quote_is_free)
{
    flip_quote(true);
}

static void flip_part(intel_made *m, const bl_parts *parts, size_t which)
{
    bl_claims   claims;
    blind_error err;
    bl_auto_buf copy = BL_BUF_EMPTY;
    bl_parts    damaged = *parts;
    blind_span  good = parts->items[which].bytes;
    char        name[64];
    snprintf(name, sizeof name, "%.*s", (int)parts->items[which].name.size,
             (const char *)parts->items[which].name.data);
    bl_buf_add(&copy, good);
    damaged.items[which].bytes = bl_buf_span(&copy);
    for (size_t at = 0; at < 8 * copy.size; at++) {
        size_t   i = at / 8;
        unsigned bit = at % 8;
        if (!is_flipped(i, bit, 0))
            continue;
        copy.data[i] ^= (uint8_t)(1u << bit);
        if (intel_verify_parts(m, bl_buf_span(&m->quote), &damaged, NULL, &claims, &err) ==
                BLIND_OK &&
            !same_part(name, good, bl_buf_span(&copy)))
            fail_msg("bit %u of byte %zu of %s is not checked", bit, i, name);
        copy.data[i] ^= (uint8_t)(1u << bit);
    }
}

TEST(no_byte_of_the_collateral_is_free)
{
    intel_made m;
    bl_parts   parts;
    intel_plain(&m, false);
    intel_sign(&m);
    intel_parts(&m, &parts);
    for (size_t i = 0; i < parts.len; i++)
        flip_part(&m, &parts, i);
    intel_done(&m);
}

/* Each prefix lies in memory of exactly its size. */
static void cut_quote(bool tdx)
{
    bl_claims   claims;
    blind_error err;
    intel_made  m;
    bl_parts    parts;
    bl_auto_buf longer = BL_BUF_EMPTY;
    intel_plain(&m, tdx);
    intel_sign(&m);
    intel_parts(&m, &parts);
    for (size_t size = 0; size < m.quote.size; size++) {
        uint8_t *exact = malloc(size ? size : 1);
        memcpy(exact, m.quote.data, size);
        CHECK_CODE(BLIND_FORMAT,
                   intel_verify_parts(&m, bl_span(exact, size), &parts, NULL, &claims, &err),
                   "a prefix");
        free(exact);
    }
    bl_buf_add(&longer, bl_buf_span(&m.quote));
    bl_buf_add_u8(&longer, 0);
    CHECK_CODE(BLIND_OK, intel_verify_parts(&m, bl_buf_span(&longer), &parts, NULL, &claims, &err),
               "a zero more");
    longer.data[longer.size - 1] = 1;
    CHECK_CODE(BLIND_FORMAT,
               intel_verify_parts(&m, bl_buf_span(&longer), &parts, NULL, &claims, &err),
               "a one more");
    intel_done(&m);
}

TEST(every_prefix_of_a_quote_is_refused)
{
    cut_quote(false);
    cut_quote(true);
}

/* Objects are read whole or not at all, and a PCK's fields too. */
TEST(every_prefix_of_collateral_is_refused)
{
    intel_made     m;
    bl_tcb_info    tcb;
    bl_qe_identity qe;
    bl_pck         pck;
    bl_signed_json found;
    bl_auto_buf    extension = BL_BUF_EMPTY;
    bl_auto_arena  arena = BL_ARENA_EMPTY;
    intel_plain(&m, true);
    intel_sign(&m);
    intel_extension(&m.pck, &extension);
    for (size_t size = 0; size < extension.size; size++)
        CHECK_CODE(BLIND_FORMAT, bl_pck_parse(bl_span(extension.data, size), &pck, NULL), "pck");
    for (size_t size = 0; size < strlen(m.qe_identity); size++)
        CHECK_CODE(BLIND_FORMAT,
                   bl_qe_identity_parse(bl_span(m.qe_identity, size), &arena, &qe, NULL), "qe");
    for (size_t size = 0; size < strlen(m.tcb_info); size += 7)
        CHECK_CODE(BLIND_FORMAT, bl_tcb_info_parse(bl_span(m.tcb_info, size), &arena, &tcb, NULL),
                   "tcb");
    for (size_t size = 0; size < m.tcb_info_part.size; size++)
        CHECK_CODE(
            BLIND_FORMAT,
            bl_signed_json_find(bl_span(m.tcb_info_part.data, size), "tcbInfo", &found, NULL),
            "signed");
    intel_done(&m);
}

TESTS(RUN(no_bit_of_an_sgx_quote_is_free), RUN(no_bit_of_a_tdx_quote_is_free),
      RUN(no_byte_of_the_collateral_is_free), RUN(every_prefix_of_a_quote_is_refused),
      RUN(every_prefix_of_collateral_is_refused))
