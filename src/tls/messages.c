/* Certificate, CertificateVerify and Finished are those of TLS 1.3 without a record layer.  One
 * certificate entry: a server's chain was shown in the handshake, a client's key is what counts. */
#include "tls/messages.h"

#include "base/limits.h"
#include "base/reader.h"
#include "tls/client_authenticator.h"
#include "tls/transcript.h"

enum {
    CERTIFICATE_REQUEST = 13,
    CLIENT_CERTIFICATE_REQUEST = 17,
    SIGNATURE_ALGORITHMS = 13,
    ECDSA_SECP256R1_SHA256 = 0x0403,
};

const bl_sender bl_sender_server = { CLIENT_CERTIFICATE_REQUEST, true, BL_LABEL_HANDSHAKE,
                                     BL_LABEL_FINISHED };
const bl_sender bl_sender_client = { CERTIFICATE_REQUEST, false, BL_LABEL_CLIENT_HANDSHAKE,
                                     BL_LABEL_CLIENT_FINISHED };

/* ---- exports ---- */

blind_code bl_sender_keys(const bl_sender *sender, const bl_exporter *exporter,
                          const uint8_t context[BL_CONTEXT_SIZE], bl_authenticator_keys *out,
                          blind_error *err)
{
    size_t size = exporter->hash_size;
    *out = (bl_authenticator_keys){ .hash_size = size };
    memcpy(out->context, context, BL_CONTEXT_SIZE);
    blind_span own = bl_span(context, BL_CONTEXT_SIZE), none = { NULL, 0 };
    /* Source: RFC 9261, section 5.1; draft-fossati-seat-expat, "binding" (its line 331). */
    if ((size == 32 || size == 48) &&
        (!sender->evidence || exporter->export_key(exporter->arg, BL_LABEL_ATTESTATION, own,
                                                   out->exported, BL_EXPORTER_SIZE)) &&
        exporter->export_key(exporter->arg, sender->handshake_label, none, out->handshake, size) &&
        exporter->export_key(exporter->arg, sender->finished_label, none, out->finished_key, size))
        return BLIND_OK;
    bl_authenticator_keys_done(out);
    return blind_fail(err, BLIND_EVIDENCE, "authenticator.exporter",
                      "the TLS session exports no keys for an authenticator");
}

/* ---- the request ---- */

void bl_request_write(const bl_sender *sender, bl_buf *out, const uint8_t context[BL_CONTEXT_SIZE])
{
    size_t extensions = 8 + (sender->evidence ? 4 : 0);
    bl_buf_add_u8(out, sender->request);
    bl_buf_add_be(out, 1 + BL_CONTEXT_SIZE + 2 + extensions, 3);
    bl_buf_add_u8(out, BL_CONTEXT_SIZE);
    bl_buf_add(out, bl_span(context, BL_CONTEXT_SIZE));
    bl_buf_add_be(out, extensions, 2);
    bl_buf_add_be(out, SIGNATURE_ALGORITHMS, 2);
    bl_buf_add_be(out, 4, 2);
    bl_buf_add_be(out, 2, 2);
    bl_buf_add_be(out, ECDSA_SECP256R1_SHA256, 2);
    if (sender->evidence) {
        bl_buf_add_be(out, BL_TLS_EXT_CMW_ATTESTATION, 2);
        bl_buf_add_be(out, 0, 2); /* offered empty */
    }
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

/* What a request's extensions offer. */
typedef struct {
    bool evidence, algorithm;
} offer;

/* False: cut off, or one twice. */
static bool parse_extensions(bl_reader *list, offer *out)
{
    uint16_t seen[BL_MAX_EXTENSIONS];
    size_t   count = 0;
    while (list->rest.size && count < BL_MAX_EXTENSIONS && !list->failed) {
        uint16_t   type = bl_read_u16be(list);
        blind_span data = bl_read_bytes(list, bl_read_u16be(list));
        for (size_t i = 0; i < count; i++)
            if (seen[i] == type)
                return false;
        seen[count++] = type;
        out->evidence |= type == BL_TLS_EXT_CMW_ATTESTATION && data.size == 0;
        out->algorithm |= type == SIGNATURE_ALGORITHMS && has_our_algorithm(data);
    }
    return bl_reader_done(list);
}

blind_code bl_request_parse(const bl_sender *sender, blind_span request,
                            uint8_t context[BL_CONTEXT_SIZE], blind_error *err)
{
    static const char stage[] = "authenticator.request";
    bl_reader         r = { .rest = request };
    bl_reader         body = read_message(&r, sender->request);
    size_t            context_size = bl_read_u8(&body);
    blind_span        from = bl_read_bytes(&body, context_size);
    bl_reader         list = { .rest = bl_read_bytes(&body, bl_read_u16be(&body)) };
    offer             offered = { 0 };
    if (!bl_reader_done(&r) || !bl_reader_done(&body) || !parse_extensions(&list, &offered))
        return blind_fail(err, BLIND_FORMAT, stage, "no %s of RFC 9261",
                          sender->evidence ? "ClientCertificateRequest" : "CertificateRequest");
    if (from.size != BL_CONTEXT_SIZE)
        return blind_fail(err, BLIND_FORMAT, stage, "a context of %zu bytes, expected %d",
                          from.size, BL_CONTEXT_SIZE);
    if ((sender->evidence && !offered.evidence) || !offered.algorithm)
        return blind_fail(err, BLIND_UNSUPPORTED, stage, "the request does not offer %s",
                          sender->evidence ? "cmw_attestation and ecdsa_secp256r1_sha256"
                                           : "ecdsa_secp256r1_sha256");
    memcpy(context, from.data, BL_CONTEXT_SIZE);
    return BLIND_OK;
}

/* ---- the authenticator, written ---- */

static void write_certificate(bl_buf *out, const uint8_t *context, blind_span der,
                              blind_span extensions)
{
    size_t list = 3 + der.size + 2 + extensions.size;
    bl_buf_add_u8(out, BL_TLS_CERTIFICATE);
    bl_buf_add_be(out, 1 + BL_CONTEXT_SIZE + 3 + list, 3);
    bl_buf_add_u8(out, BL_CONTEXT_SIZE);
    bl_buf_add(out, bl_span(context, BL_CONTEXT_SIZE));
    bl_buf_add_be(out, list, 3);
    bl_buf_add_be(out, der.size, 3);
    bl_buf_add(out, der);
    bl_buf_add_be(out, extensions.size, 2);
    bl_buf_add(out, extensions);
}

blind_code bl_messages_write(blind_span request, const bl_authenticator_keys *keys,
                             const bl_key *key, blind_span certificate, blind_span extensions,
                             bl_buf *out, blind_error *err)
{
    static const char stage[] = "authenticator.write";
    size_t            start = out->size;
    uint8_t           hash[BL_MAX_HASH], mac[BL_MAX_HASH];
    bl_auto_buf       signature = BL_BUF_EMPTY;
    if (certificate.size > BL_MAX_CERTIFICATE || extensions.size > UINT16_MAX)
        return blind_fail(err, BLIND_LIMIT, stage, "a certificate of %zu bytes", certificate.size);
    write_certificate(out, keys->context, certificate, extensions);
    BL_TRY(bl_buf_check(out, stage, err));
    blind_span so_far = bl_span(out->data + start, out->size - start);
    if (bl_transcript_hash(keys, request, so_far, hash) != BLIND_OK)
        return blind_fail(err, BLIND_FAILED, stage, "cannot hash the transcript");
    BL_TRY(bl_transcript_sign(keys, hash, key, &signature, err));
    bl_buf_add_u8(out, BL_TLS_CERTIFICATE_VERIFY);
    bl_buf_add_be(out, 4 + signature.size, 3);
    bl_buf_add_be(out, ECDSA_SECP256R1_SHA256, 2);
    bl_buf_add_be(out, signature.size, 2);
    bl_buf_add(out, bl_buf_span(&signature));
    BL_TRY(bl_buf_check(out, stage, err));
    so_far = bl_span(out->data + start, out->size - start);
    if (bl_transcript_hash(keys, request, so_far, hash) != BLIND_OK ||
        bl_transcript_mac(keys, hash, mac) != BLIND_OK)
        return blind_fail(err, BLIND_FAILED, stage, "cannot compute Finished");
    bl_buf_add_u8(out, BL_TLS_FINISHED);
    bl_buf_add_be(out, keys->hash_size, 3);
    bl_buf_add(out, bl_span(mac, keys->hash_size));
    return bl_buf_check(out, stage, err);
}

/* ---- the authenticator, read ---- */

bool bl_messages_empty(blind_span message)
{
    return message.size && message.data[0] == BL_TLS_FINISHED;
}

static bool parse_certificate(bl_reader body, bl_messages *m)
{
    m->context = bl_read_bytes(&body, bl_read_u8(&body));
    bl_reader list = { .rest = bl_read_bytes(&body, bl_read_u24be(&body)) };
    m->certificate = bl_read_bytes(&list, bl_read_u24be(&list));
    m->extensions = bl_read_bytes(&list, bl_read_u16be(&list));
    return bl_reader_done(&body) && bl_reader_done(&list) && m->certificate.size;
}

bool bl_messages_parse(blind_span message, bl_messages *m)
{
    bl_reader r = { .rest = message };
    *m = (bl_messages){ .all = message };
    bl_reader certificate = read_message(&r, BL_TLS_CERTIFICATE);
    m->certificate_end = message.size - r.rest.size;
    bl_reader verify = read_message(&r, BL_TLS_CERTIFICATE_VERIFY);
    m->verify_end = message.size - r.rest.size;
    bl_reader finished = read_message(&r, BL_TLS_FINISHED);
    if (!bl_reader_done(&r) || !parse_certificate(certificate, m))
        return false;
    m->algorithm = bl_read_u16be(&verify);
    m->signature = bl_read_bytes(&verify, bl_read_u16be(&verify));
    m->mac = bl_read_bytes(&finished, finished.rest.size);
    return bl_reader_done(&verify) && m->signature.size && m->mac.size;
}

blind_code bl_messages_check_session(const bl_messages *m, blind_span request,
                                     const bl_authenticator_keys *keys, blind_error *err)
{
    uint8_t hash[BL_MAX_HASH], mac[BL_MAX_HASH];
    if (!bl_span_equal(m->context, bl_span(keys->context, BL_CONTEXT_SIZE)))
        return blind_fail(err, BLIND_BINDING, "authenticator.context",
                          "the authenticator answers another request");
    blind_span covered = bl_span(m->all.data, m->verify_end);
    if (bl_transcript_hash(keys, request, covered, hash) != BLIND_OK ||
        bl_transcript_mac(keys, hash, mac) != BLIND_OK)
        return blind_fail(err, BLIND_EVIDENCE, "authenticator.finished", "cannot compute Finished");
    if (!bl_equal_secret(m->mac, bl_span(mac, keys->hash_size)))
        return blind_fail(err, BLIND_BINDING, "authenticator.finished",
                          "the authenticator was made for another session");
    return BLIND_OK;
}

blind_code bl_messages_spki(const bl_messages *m, blind_span *spki, blind_error *err)
{
    if (bl_der_spki(m->certificate, spki))
        return BLIND_OK;
    *spki = (blind_span){ 0 };
    return blind_fail(err, BLIND_FORMAT, "authenticator.certificate",
                      "malformed certificate of %zu bytes", m->certificate.size);
}

blind_code bl_messages_check_signature(const bl_messages *m, blind_span request,
                                       const bl_authenticator_keys *keys, blind_span spki,
                                       blind_error *err)
{
    uint8_t hash[BL_MAX_HASH];
    if (m->algorithm != ECDSA_SECP256R1_SHA256)
        return blind_fail(err, BLIND_SIGNATURE, "authenticator.algorithm",
                          "signature scheme 0x%04x, expected ecdsa_secp256r1_sha256", m->algorithm);
    blind_span covered = bl_span(m->all.data, m->certificate_end);
    if (bl_transcript_hash(keys, request, covered, hash) != BLIND_OK)
        return blind_fail(err, BLIND_EVIDENCE, "authenticator.signature", "cannot hash");
    if (bl_transcript_verify(keys, hash, spki, m->signature, NULL) != BLIND_OK)
        return blind_fail(err, BLIND_SIGNATURE, "authenticator.signature",
                          "CertificateVerify does not verify with the certificate's key");
    return BLIND_OK;
}
