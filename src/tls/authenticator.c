/* The server's authenticator: the messages of RFC 9261 with evidence in their certificate's entry,
 * and the session's exporter and contexts, which both sides' authenticators use. */
#include "tls/authenticator.h"

#include "base/limits.h"
#include "base/reader.h"
#include "crypto/key.h"
#include "tls/internal.h"
#include "tls/messages.h"
#include "tls/transcript.h"

#include <stdlib.h>

/* ---- the session ---- */

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

blind_code bl_authenticator_keys_derive(const bl_exporter     *exporter,
                                        const uint8_t          context[BL_CONTEXT_SIZE],
                                        bl_authenticator_keys *out, blind_error *err)
{
    return bl_sender_keys(&bl_sender_server, exporter, context, out, err);
}

/* ---- the request ---- */

void bl_authenticator_request_write(bl_buf *out, const uint8_t context[BL_CONTEXT_SIZE])
{
    bl_request_write(&bl_sender_server, out, context);
}

blind_code bl_authenticator_request_parse(blind_span request, uint8_t context[BL_CONTEXT_SIZE],
                                          blind_error *err)
{
    return bl_request_parse(&bl_sender_server, request, context, err);
}

/* ---- server: the evidence, written ---- */

blind_code bl_authenticator_write(blind_span request, const bl_authenticator_keys *keys,
                                  const bl_key *key, blind_span certificate, blind_span cmw,
                                  bl_buf *out, blind_error *err)
{
    static const char stage[] = "authenticator.write";
    bl_auto_buf       extension = BL_BUF_EMPTY;
    if (cmw.size == 0 || cmw.size > BL_MAX_CMW)
        return blind_fail(err, BLIND_LIMIT, stage, "evidence of %zu bytes, at most %d fit",
                          cmw.size, BL_MAX_CMW);
    bl_buf_add_be(&extension, BL_TLS_EXT_CMW_ATTESTATION, 2);
    bl_buf_add_be(&extension, 2 + cmw.size, 2);
    bl_buf_add_be(&extension, cmw.size, 2);
    bl_buf_add(&extension, cmw);
    BL_TRY(bl_buf_check(&extension, stage, err));
    return bl_messages_write(request, keys, key, certificate, bl_buf_span(&extension), out, err);
}

/* ---- client: the evidence, read ---- */

/* Whatever was not offered is an unsupported_extension, so there is this one alone. */
static bool parse_evidence(blind_span extensions, blind_span *cmw)
{
    bl_reader r = { .rest = extensions };
    bool      ours = bl_read_u16be(&r) == BL_TLS_EXT_CMW_ATTESTATION;
    bl_reader extension = { .rest = bl_read_bytes(&r, bl_read_u16be(&r)) };
    *cmw = bl_read_bytes(&extension, bl_read_u16be(&extension));
    return ours && bl_reader_done(&r) && bl_reader_done(&extension) && cmw->size;
}

static blind_code check_key(const bl_messages *m, blind_span spki, blind_error *err)
{
    blind_span own;
    BL_TRY(bl_messages_spki(m, &own, err));
    if (spki.size == 0 || !bl_span_equal(own, spki))
        return blind_fail(err, BLIND_BINDING, "authenticator.key",
                          "the authenticator's key is not the one of the TLS handshake");
    return BLIND_OK;
}

blind_code bl_authenticator_verify(blind_span message, blind_span request,
                                   const bl_authenticator_keys *keys, blind_span spki,
                                   blind_span *cmw, blind_error *err)
{
    bl_messages m;
    blind_span  evidence;
    *cmw = (blind_span){ 0 };
    if (bl_messages_empty(message))
        return blind_fail(err, BLIND_EVIDENCE, "authenticator.empty",
                          "the server refused to authenticate (an empty authenticator)");
    if (!bl_messages_parse(message, &m) || !parse_evidence(m.extensions, &evidence))
        return blind_fail(err, BLIND_FORMAT, "authenticator.message",
                          "no authenticator of RFC 9261 with evidence in its %zu bytes",
                          message.size);
    BL_TRY(bl_messages_check_session(&m, request, keys, err));
    BL_TRY(check_key(&m, spki, err));
    BL_TRY(bl_messages_check_signature(&m, request, keys, spki, err));
    *cmw = evidence;
    return BLIND_OK;
}
