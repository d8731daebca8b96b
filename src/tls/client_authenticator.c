#include "tls/client_authenticator.h"

#include "crypto/hash.h"
#include "tls/messages.h"

blind_code bl_key_id(blind_span spki, uint8_t out[BL_KEY_ID_SIZE], blind_error *err)
{
    if (bl_sha256(spki, out) == BLIND_OK)
        return BLIND_OK;
    memset(out, 0, BL_KEY_ID_SIZE);
    return blind_fail(err, BLIND_FAILED, "authenticator.key", "cannot hash a key");
}

/* ---- server ---- */

void bl_challenge_done(bl_challenge *c)
{
    bl_authenticator_keys_done(&c->keys);
    bl_buf_done(&c->request);
}

blind_code bl_challenge_make(bl_challenge *c, const bl_exporter *exporter, bl_contexts *contexts,
                             const uint8_t context[BL_CONTEXT_SIZE], blind_error *err)
{
    bl_challenge_done(c);
    BL_TRY(bl_contexts_add(contexts, context, err));
    BL_TRY(bl_sender_keys(&bl_sender_client, exporter, context, &c->keys, err));
    bl_request_write(&bl_sender_client, &c->request, context);
    blind_code code = bl_buf_check(&c->request, "authenticator.challenge", err);
    if (code != BLIND_OK)
        bl_challenge_done(c);
    return code;
}

static blind_code judge(const bl_challenge *c, blind_span message, uint8_t id[BL_KEY_ID_SIZE],
                        blind_error *err)
{
    bl_messages m;
    blind_span  spki, request = bl_buf_span(&c->request);
    if (request.size == 0)
        return blind_fail(err, BLIND_BINDING, "authenticator.challenge",
                          "nothing was asked, or it was answered before");
    if (bl_messages_empty(message))
        return blind_fail(err, BLIND_DENIED, "authenticator.empty",
                          "the client refused to authenticate (an empty authenticator)");
    /* No extension was offered, so none may come. */
    if (!bl_messages_parse(message, &m) || m.extensions.size)
        return blind_fail(err, BLIND_FORMAT, "authenticator.message",
                          "no client authenticator of RFC 9261 in its %zu bytes", message.size);
    BL_TRY(bl_messages_check_session(&m, request, &c->keys, err));
    BL_TRY(bl_messages_spki(&m, &spki, err));
    BL_TRY(bl_messages_check_signature(&m, request, &c->keys, spki, err));
    return bl_key_id(spki, id, err);
}

blind_code bl_challenge_answer(bl_challenge *c, blind_span message, uint8_t id[BL_KEY_ID_SIZE],
                               blind_error *err)
{
    memset(id, 0, BL_KEY_ID_SIZE);
    blind_code code = judge(c, message, id, err);
    bl_challenge_done(c);
    return code;
}

/* ---- client ---- */

blind_code bl_challenge_parse(blind_span request, uint8_t context[BL_CONTEXT_SIZE],
                              blind_error *err)
{
    return bl_request_parse(&bl_sender_client, request, context, err);
}

blind_code bl_client_authenticator_write(blind_span request, const bl_exporter *exporter,
                                         bl_contexts *contexts, const bl_key *key,
                                         blind_span certificate, bl_buf *out, blind_error *err)
{
    uint8_t               context[BL_CONTEXT_SIZE];
    bl_authenticator_keys keys;
    BL_TRY(bl_challenge_parse(request, context, err));
    BL_TRY(bl_contexts_add(contexts, context, err));
    BL_TRY(bl_sender_keys(&bl_sender_client, exporter, context, &keys, err));
    blind_code code =
        bl_messages_write(request, &keys, key, certificate, (blind_span){ 0 }, out, err);
    bl_authenticator_keys_done(&keys);
    return code;
}
