/* A session without a socket: deterministic exports, and certificates of keys. */
#ifndef TESTS_TLS_FAKE_SESSION_H
#define TESTS_TLS_FAKE_SESSION_H

#include "crypto/cert.h"
#include "crypto/key.h"
#include "tests/test.h"
#include "tls/authenticator.h"

#include <openssl/evp.h>

typedef struct {
    const char *secret; /* equal secrets are the same session */
    const char *fails;  /* the label whose export fails, or NULL */
} test_session;

/* Deterministic bytes that depend on session, label and context. */
static inline bool test_fake_export(void *arg, const char *label, blind_span context, uint8_t *out,
                                    size_t size)
{
    const test_session *s = arg;
    if (s->fails && strcmp(s->fails, label) == 0)
        return false;
    uint8_t     digest[64];
    bl_auto_buf all = BL_BUF_EMPTY;
    bl_buf_printf(&all, "%s|%s|", s->secret, label);
    bl_buf_add(&all, context);
    CHECK(EVP_Digest(all.data, all.size, digest, NULL, EVP_sha512(), NULL) == 1);
    memcpy(out, digest, size);
    return true;
}

static inline void test_make_cert(const bl_key *of, bl_buf *der, bl_buf *public)
{
    bl_cert_options options = { .not_before_s = 0, .not_after_s = 4000000000 };
    assert_int_equal(BLIND_OK, bl_cert_make(of, NULL, (blind_span){ 0 }, &options, der, NULL));
    assert_int_equal(BLIND_OK, bl_key_spki(of, public, NULL));
}

#endif
