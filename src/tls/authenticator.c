/* The messages of RFC 9261, byte for byte.
 *
 * Certificate, CertificateVerify and Finished are those of TLS 1.3 (RFC 8446, section 4.4), without
 * a record layer.  One certificate entry: the chain was shown in the handshake. */
#include "tls/authenticator.h"

#include "base/limits.h"
#include "base/reader.h"
#include "crypto/key.h"
#include "tls/internal.h"
#include "tls/transcript.h"

#include <stdlib.h>

enum {
    CERTIFICATE = 11,
    CERTIFICATE_VERIFY = 15,
    CLIENT_CERTIFICATE_REQUEST = 17,
    FINISHED = 20,
    SIGNATURE_ALGORITHMS = 13,
    ECDSA_SECP256R1_SHA256 = 0x0403,
};

static const char malformed[] = "authenticator.message";

/* ---- what both sides derive ---- */

static bool ssl_export(void *arg, const char *label, blind_span context, uint8_t *out, size_t size)
{
    /* TLS 1.3's exporter_master_secret; the early one has a function of its own. */
    return SSL_export_keying_material(arg, out, size, label, strlen(label), context.data,
                                      context.size, 1) == 1;
}

bl_exporter bl_exporter_of(SSL *ssl)
{
    bl_exporter       exporter = { ssl_export, ssl, 0 };
    const SSL_CIPHER *cipher = SSL_is_init_finished(ssl) ? SSL_get_current_cipher(ssl) : NULL;
    const EVP_MD     *md = cipher ? SSL_CIPHER_get_handshake_digest(cipher) : NULL;
    if (md && SSL_version(ssl) == TLS1_3_VERSION)
        exporter.hash_size = (size_t)EVP_MD_get_size(md);
    return exporter;
}

blind_code bl_authenticator_keys_derive(const bl_exporter     *exporter,
                                        const uint8_t          context[BL_CONTEXT_SIZE],
                                        bl_authenticator_keys *out, blind_error *err)
{
    size_t size = exporter->hash_size;
    *out = (bl_authenticator_keys){ .hash_size = size };
    memcpy(out->context, context, BL_CONTEXT_SIZE);
    blind_span own = bl_span(context, BL_CONTEXT_SIZE), none = { NULL, 0 };
    /* Source: RFC 9261, section 5.1; draft-fossati-seat-expat, "binding" (its line 331). */
    if ((size == 32 || size == 48) &&
        exporter->export_key(exporter->arg, BL_LABEL_ATTESTATION, own, out->exported,
                             BL_EXPORTER_SIZE) &&
        exporter->export_key(exporter->arg, BL_LABEL_HANDSHAKE, none, out->handshake, size) &&
        exporter->export_key(exporter->arg, BL_LABEL_FINISHED, none, out->finished_key, size))
        return BLIND_OK;
    bl_authenticator_keys_done(out);
    return blind_fail(err, BLIND_EVIDENCE, "authenticator.exporter",
                      "the TLS session exports no keys to bind evidence to");
}

void bl_authenticator_keys_done(bl_authenticator_keys *keys)
{
    bl_wipe(keys, sizeof *keys);
}

blind_code bl_contexts_add(bl_contexts *c, const uint8_t context[BL_CONTEXT_SIZE], blind_error *err)
{
    for (size_t i = 0; i < c->count; i++)
        if (memcmp(c->used[i], context, BL_CONTEXT_SIZE) == 0)
            return blind_fail(err, BLIND_BINDING, "authenticator.context",
                              "this context was used before on this connection");
    if (c->count == BL_MAX_CONTEXTS)
        return blind_fail(err, BLIND_LIMIT, "authenticator.context",
                          "more than %d attestations of one connection", BL_MAX_CONTEXTS);
    if (c->count == c->room) {
        size_t room = c->room ? 2 * c->room : 4;
        void  *used = realloc(c->used, room * BL_CONTEXT_SIZE);
        if (!used)
            return blind_fail(err, BLIND_MEMORY, "authenticator.context", "out of memory");
        c->used = used;
        c->room = room;
    }
    memcpy(c->used[c->count++], context, BL_CONTEXT_SIZE);
    return BLIND_OK;
}

void bl_contexts_done(bl_contexts *c)
{
    free(c->used);
    *c = (bl_contexts){ 0 };
}

/* ---- the request ---- */

void bl_authenticator_request_write(bl_buf *out, const uint8_t context[BL_CONTEXT_SIZE])
{
    enum { EXTENSIONS = 8 + 4, BODY = 1 + BL_CONTEXT_SIZE + 2 + EXTENSIONS };
    bl_buf_add_u8(out, CLIENT_CERTIFICATE_REQUEST);
    bl_buf_add_be(out, BODY, 3);
    bl_buf_add_u8(out, BL_CONTEXT_SIZE);
    bl_buf_add(out, bl_span(context, BL_CONTEXT_SIZE));
    bl_buf_add_be(out, EXTENSIONS, 2);
    bl_buf_add_be(out, SIGNATURE_ALGORITHMS, 2);
    bl_buf_add_be(out, 4, 2);
    bl_buf_add_be(out, 2, 2);
    bl_buf_add_be(out, ECDSA_SECP256R1_SHA256, 2);
    bl_buf_add_be(out, BL_TLS_EXT_CMW_ATTESTATION, 2);
    bl_buf_add_be(out, 0, 2); /* offered empty */
}

/* A handshake message: type u8, size u24, body. */
static bl_reader read_message(bl_reader *r, uint8_t type)
{
    if (bl_read_u8(r) != type)
        r->failed = true;
    return (bl_reader){ bl_read_bytes(r, bl_read_u24be(r)), r->failed };
}

static bool has_our_algorithm(blind_span extension)
{
    bl_reader r = { .rest = extension }, list = { 0 };
    list.rest = bl_read_bytes(&r, bl_read_u16be(&r));
    bool found = false;
    if (!bl_reader_done(&r) || list.rest.size % 2)
        return false;
    while (list.rest.size)
        found |= bl_read_u16be(&list) == ECDSA_SECP256R1_SHA256;
    return found;
}

blind_code bl_authenticator_request_parse(blind_span request, uint8_t context[BL_CONTEXT_SIZE],
                                          blind_error *err)
{
    static const char stage[] = "authenticator.request";
    bl_reader         r = { .rest = request };
    bl_reader         body = read_message(&r, CLIENT_CERTIFICATE_REQUEST);
    size_t            context_size = bl_read_u8(&body);
    blind_span        from = bl_read_bytes(&body, context_size);
    bl_reader         list = { .rest = bl_read_bytes(&body, bl_read_u16be(&body)) };
    uint16_t          seen[BL_MAX_EXTENSIONS];
    size_t            count = 0;
    bool              offered = false, algorithm = false, repeated = false;
    while (list.rest.size && count < BL_MAX_EXTENSIONS && !list.failed) {
        uint16_t   type = bl_read_u16be(&list);
        blind_span data = bl_read_bytes(&list, bl_read_u16be(&list));
        for (size_t i = 0; i < count; i++)
            repeated |= seen[i] == type;
        seen[count++] = type;
        offered |= type == BL_TLS_EXT_CMW_ATTESTATION && data.size == 0;
        algorithm |= type == SIGNATURE_ALGORITHMS && has_our_algorithm(data);
    }
    if (!bl_reader_done(&r) || !bl_reader_done(&body) || !bl_reader_done(&list) || repeated)
        return blind_fail(err, BLIND_FORMAT, stage, "no ClientCertificateRequest of RFC 9261");
    if (from.size != BL_CONTEXT_SIZE)
        return blind_fail(err, BLIND_FORMAT, stage, "a context of %zu bytes, expected %d",
                          from.size, BL_CONTEXT_SIZE);
    if (!offered || !algorithm)
        return blind_fail(err, BLIND_UNSUPPORTED, stage,
                          "the request does not offer cmw_attestation and ecdsa_secp256r1_sha256");
    memcpy(context, from.data, BL_CONTEXT_SIZE);
    return BLIND_OK;
}

/* ---- server: the authenticator ---- */

static void write_certificate(bl_buf *out, const uint8_t *context, blind_span der, blind_span cmw)
{
    size_t extension = 2 + cmw.size, extensions = 4 + extension;
    size_t list = 3 + der.size + 2 + extensions;
    bl_buf_add_u8(out, CERTIFICATE);
    bl_buf_add_be(out, 1 + BL_CONTEXT_SIZE + 3 + list, 3);
    bl_buf_add_u8(out, BL_CONTEXT_SIZE);
    bl_buf_add(out, bl_span(context, BL_CONTEXT_SIZE));
    bl_buf_add_be(out, list, 3);
    bl_buf_add_be(out, der.size, 3);
    bl_buf_add(out, der);
    bl_buf_add_be(out, extensions, 2);
    bl_buf_add_be(out, BL_TLS_EXT_CMW_ATTESTATION, 2);
    bl_buf_add_be(out, extension, 2);
    bl_buf_add_be(out, cmw.size, 2);
    bl_buf_add(out, cmw);
}

blind_code bl_authenticator_write(blind_span request, const bl_authenticator_keys *keys,
                                  const bl_key *key, blind_span certificate, blind_span cmw,
                                  bl_buf *out, blind_error *err)
{
    static const char stage[] = "authenticator.write";
    if (cmw.size == 0 || cmw.size > BL_MAX_CMW || certificate.size > BL_MAX_CERTIFICATE)
        return blind_fail(err, BLIND_LIMIT, stage, "evidence of %zu bytes, at most %d fit",
                          cmw.size, BL_MAX_CMW);
    size_t      start = out->size;
    uint8_t     hash[BL_MAX_HASH], mac[BL_MAX_HASH];
    bl_auto_buf signature = BL_BUF_EMPTY;
    write_certificate(out, keys->context, certificate, cmw);
    BL_TRY(bl_buf_check(out, stage, err));
    blind_span so_far = bl_span(out->data + start, out->size - start);
    if (bl_transcript_hash(keys, request, so_far, hash) != BLIND_OK)
        return blind_fail(err, BLIND_FAILED, stage, "cannot hash the transcript");
    BL_TRY(bl_transcript_sign(keys, hash, key, &signature, err));
    bl_buf_add_u8(out, CERTIFICATE_VERIFY);
    bl_buf_add_be(out, 4 + signature.size, 3);
    bl_buf_add_be(out, ECDSA_SECP256R1_SHA256, 2);
    bl_buf_add_be(out, signature.size, 2);
    bl_buf_add(out, bl_buf_span(&signature));
    BL_TRY(bl_buf_check(out, stage, err));
    so_far = bl_span(out->data + start, out->size - start);
    if (bl_transcript_hash(keys, request, so_far, hash) != BLIND_OK ||
        bl_transcript_mac(keys, hash, mac) != BLIND_OK)
        return blind_fail(err, BLIND_FAILED, stage, "cannot compute Finished");
    bl_buf_add_u8(out, FINISHED);
    bl_buf_add_be(out, keys->hash_size, 3);
    bl_buf_add(out, bl_span(mac, keys->hash_size));
    return bl_buf_check(out, stage, err);
}

/* ---- client: the same, read ---- */

typedef struct {
    blind_span context, certificate, cmw, signature, mac;
    size_t     certificate_end, verify_end; /* where the transcripts stop */
    uint16_t   algorithm;
} parts;

static bool parse_certificate(bl_reader body, parts *p)
{
    p->context = bl_read_bytes(&body, bl_read_u8(&body));
    bl_reader list = { .rest = bl_read_bytes(&body, bl_read_u24be(&body)) };
    p->certificate = bl_read_bytes(&list, bl_read_u24be(&list));
    bl_reader extensions = { .rest = bl_read_bytes(&list, bl_read_u16be(&list)) };
    /* Whatever was not offered is an unsupported_extension, so there is this one alone. */
    bool      ours = bl_read_u16be(&extensions) == BL_TLS_EXT_CMW_ATTESTATION;
    bl_reader extension = { .rest = bl_read_bytes(&extensions, bl_read_u16be(&extensions)) };
    p->cmw = bl_read_bytes(&extension, bl_read_u16be(&extension));
    return ours && bl_reader_done(&body) && bl_reader_done(&list) && bl_reader_done(&extensions) &&
           bl_reader_done(&extension) && p->certificate.size && p->cmw.size;
}

static bool parse_authenticator(blind_span message, parts *p)
{
    bl_reader r = { .rest = message };
    bl_reader certificate = read_message(&r, CERTIFICATE);
    p->certificate_end = message.size - r.rest.size;
    bl_reader verify = read_message(&r, CERTIFICATE_VERIFY);
    p->verify_end = message.size - r.rest.size;
    bl_reader finished = read_message(&r, FINISHED);
    if (!bl_reader_done(&r) || !parse_certificate(certificate, p))
        return false;
    p->algorithm = bl_read_u16be(&verify);
    p->signature = bl_read_bytes(&verify, bl_read_u16be(&verify));
    p->mac = bl_read_bytes(&finished, finished.rest.size);
    return bl_reader_done(&verify) && p->signature.size && p->mac.size;
}

/* The session's own secrets: who cannot compute the Finished was not asked. */
static blind_code check_session(blind_span message, blind_span request, const parts *p,
                                const bl_authenticator_keys *keys, blind_error *err)
{
    uint8_t hash[BL_MAX_HASH], mac[BL_MAX_HASH];
    if (!bl_span_equal(p->context, bl_span(keys->context, BL_CONTEXT_SIZE)))
        return blind_fail(err, BLIND_BINDING, "authenticator.context",
                          "the authenticator answers another request");
    blind_span covered = bl_span(message.data, p->verify_end);
    if (bl_transcript_hash(keys, request, covered, hash) != BLIND_OK ||
        bl_transcript_mac(keys, hash, mac) != BLIND_OK)
        return blind_fail(err, BLIND_EVIDENCE, "authenticator.finished", "cannot compute Finished");
    if (!bl_equal_secret(p->mac, bl_span(mac, keys->hash_size)))
        return blind_fail(err, BLIND_BINDING, "authenticator.finished",
                          "the authenticator was made for another session");
    return BLIND_OK;
}

static blind_code check_key(blind_span message, blind_span request, const parts *p,
                            const bl_authenticator_keys *keys, blind_span spki, blind_error *err)
{
    blind_span own;
    if (!bl_der_spki(p->certificate, &own))
        return blind_fail(err, BLIND_FORMAT, "authenticator.certificate",
                          "malformed certificate of %zu bytes", p->certificate.size);
    if (spki.size == 0 || !bl_span_equal(own, spki))
        return blind_fail(err, BLIND_BINDING, "authenticator.key",
                          "the authenticator's key is not the one of the TLS handshake");
    if (p->algorithm != ECDSA_SECP256R1_SHA256)
        return blind_fail(err, BLIND_SIGNATURE, "authenticator.algorithm",
                          "signature scheme 0x%04x, expected ecdsa_secp256r1_sha256", p->algorithm);
    uint8_t    hash[BL_MAX_HASH];
    blind_span covered = bl_span(message.data, p->certificate_end);
    if (bl_transcript_hash(keys, request, covered, hash) != BLIND_OK)
        return blind_fail(err, BLIND_EVIDENCE, "authenticator.signature", "cannot hash");
    if (bl_transcript_verify(keys, hash, own, p->signature, NULL) != BLIND_OK)
        return blind_fail(err, BLIND_SIGNATURE, "authenticator.signature",
                          "CertificateVerify does not verify with the server's key");
    return BLIND_OK;
}

blind_code bl_authenticator_verify(blind_span message, blind_span request,
                                   const bl_authenticator_keys *keys, blind_span spki,
                                   blind_span *cmw, blind_error *err)
{
    *cmw = (blind_span){ 0 };
    parts p = { 0 };
    if (message.size && message.data[0] == FINISHED)
        return blind_fail(err, BLIND_EVIDENCE, "authenticator.empty",
                          "the server refused to authenticate (an empty authenticator)");
    if (!parse_authenticator(message, &p))
        return blind_fail(err, BLIND_FORMAT, malformed,
                          "no authenticator of RFC 9261 with evidence in its %zu bytes",
                          message.size);
    BL_TRY(check_session(message, request, &p, keys, err));
    BL_TRY(check_key(message, request, &p, keys, spki, err));
    *cmw = p.cmw;
    return BLIND_OK;
}
