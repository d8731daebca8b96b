/* Every vendor's root that is taken for signed by itself is: its signature is verified here.  The
 * certificates are those of BLIND_VECTORS/roots.json. */
#include "base/hex.h"
#include "crypto/x509_internal.h"
#include "tests/test.h"

#include <jansson.h>
#include <stdio.h>

/* Any bit of it changed, it is another certificate and known no more. */
static void check(const char *name, bl_buf *der)
{
    bl_auto_chain chain = BL_CHAIN_EMPTY;
    CHECK_CODE(BLIND_OK, bl_chain_add(&chain, bl_buf_span(der), NULL), name);
    CHECK(chain.len == 1);
    const bl_x509 *root = chain.certs[0];
    CHECK_CODE(BLIND_OK, bl_x509_signed_by(root, bl_x509_key(root), NULL), name);
    for (size_t i = 0; i < der->size; i++) {
        der->data[i] ^= 0x20;
        CHECK(!bl_self_signed_is_known(bl_buf_span(der)));
        der->data[i] ^= 0x20;
    }
    CHECK(!bl_self_signed_is_known(bl_span(der->data, der->size - 1)));
}

static size_t check_listed(const json_t *certificates, const char *name)
{
    size_t        i, known = 0;
    const json_t *one;
    json_array_foreach(certificates, i, one)
    {
        const char *hex = json_string_value(json_object_get(one, "der_hex"));
        bl_auto_buf der = BL_BUF_EMPTY;
        size_t      size = strlen(hex) / 2;
        uint8_t    *to = bl_buf_reserve(&der, size);
        CHECK(to && bl_hex_decode(bl_span_str(hex), to, size));
        der.size += size;
        if (bl_self_signed_is_known(bl_buf_span(&der))) {
            check(name, &der);
            known++;
        }
    }
    return known;
}

TEST(known_roots_are_signed_by_themselves)
{
    char          path[4096];
    const char   *dir = test_vectors();
    size_t        i, known = 0;
    const json_t *root;
    if (!dir)
        return;
    snprintf(path, sizeof path, "%s/roots.json", dir);
    json_t *all = json_load_file(path, 0, NULL);
    CHECK(all != NULL);
    json_array_foreach(json_object_get(all, "roots"), i, root) known += check_listed(
        json_object_get(root, "certificates"), json_string_value(json_object_get(root, "name")));
    json_decref(all);
    CHECK(known == BL_SELF_SIGNED_COUNT); /* none is in the list unseen */
}

TEST(others_are_not_known)
{
    CHECK(!bl_self_signed_is_known((blind_span){ 0 }));
    CHECK(!bl_self_signed_is_known(bl_span_str("a certificate")));
}

TESTS(RUN(known_roots_are_signed_by_themselves), RUN(others_are_not_known))
