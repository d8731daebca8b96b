/* A client's key: GET asks for a challenge, POST answers it.
 *
 * From then on the requests of this connection that bring no token are those of the key's
 * principal.  A failed answer ends the connection.  Source: RFC 9261, section 5. */
#include "crypto/random.h"
#include "server/internal.h"

#include <stdio.h>

blind_code bl_api_challenge(bl_exchange *e, blind_error *err)
{
    bl_conn    *c = e->conn;
    uint8_t     context[BL_CONTEXT_SIZE];
    bl_buf      body = BL_BUF_EMPTY;
    bl_exporter exporter = bl_exporter_of(c->ssl);
    blind_code  code = bl_random(context, sizeof context, err);
    if (code == BLIND_OK)
        code = bl_challenge_make(&c->challenge, &exporter, &c->contexts, context, err);
    if (code != BLIND_OK) {
        c->close_after = true;
        if (err)
            err->code = code == BLIND_MEMORY ? code : BLIND_INPUT; /* asked too often */
        return code;
    }
    bl_buf_add(&body, bl_buf_span(&c->challenge.request));
    bl_reply(e, 200, BL_CLIENT_REQUEST_TYPE, &body, NULL);
    return BLIND_OK;
}

blind_code bl_api_client_begin(bl_exchange *e, blind_error *err)
{
    static const char   stage[] = "server.client";
    const bl_http_head *head = e->head;
    if (!bl_http_equal(bl_http_media_type(bl_http_field_get(head, "content-type")),
                       BL_CLIENT_AUTHENTICATOR_TYPE))
        return blind_fail(err, BLIND_VERSION, stage,
                          "unknown version or media type of a client's authenticator; "
                          "supported: %s",
                          BL_CLIENT_AUTHENTICATOR_TYPE);
    if (!head->has_length)
        return blind_fail(err, BLIND_PROTOCOL, "server.attest.length",
                          "a client's authenticator has a Content-Length");
    if (head->length > BL_MAX_CLIENT_AUTHENTICATOR)
        return blind_fail(err, BLIND_LIMIT, stage, "a client's authenticator of %llu bytes",
                          (unsigned long long)head->length);
    return BLIND_OK;
}

static blind_code judge(bl_exchange *e, bl_principal *who, blind_error *err)
{
    bl_conn *c = e->conn;
    c->has_key = false;
    BL_TRY(bl_challenge_answer(&c->challenge, bl_buf_span(&e->body), c->key_id, err));
    return bl_principals_find_key(e->server->principals, c->key_id, who, err);
}

blind_code bl_api_client(bl_exchange *e, blind_error *err)
{
    bl_conn     *c = e->conn;
    bl_principal who;
    blind_code   code = judge(e, &who, err);
    if (code != BLIND_OK) {
        c->close_after = true;
        if (code == BLIND_FORMAT || code == BLIND_MEMORY)
            return code;
        if (err)
            err->code = BLIND_DENIED; /* not the client's verdict about us */
        return BLIND_DENIED;
    }
    c->has_key = true;
    bl_buf body = BL_BUF_EMPTY;
    bl_buf_printf(&body, "{\"principal\":\"%s\"}", who.name);
    bl_log(BL_LOG_INFO, "client.key", BL_LOG_REQUEST(e->id), BL_LOG_NAME("principal", who.name));
    bl_reply(e, 200, "application/json", &body, NULL);
    return BLIND_OK;
}
