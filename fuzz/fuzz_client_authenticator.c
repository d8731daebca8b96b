/* Client authenticators as a server reads them, under fixed session secrets, and its challenges as
 * a client reads them.
 *
 * The secrets are plain bytes, so that seeds pass every check and mutations of them meet each. */
#include "tls/client_authenticator.h"
#include "tls/messages.h"
#include "tls/transcript.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What the server had asked. */
static void ask(bl_challenge *c)
{
    *c = (bl_challenge){ .keys.hash_size = 32 };
    memset(c->keys.context, 0xc0, sizeof c->keys.context);
    memset(c->keys.handshake, 0x4a, 32);
    memset(c->keys.finished_key, 0xf1, 32);
    bl_request_write(&bl_sender_client, &c->request, c->keys.context);
}

/* Who passes holds a key, and its challenge is spent. */
static void answer(blind_span message)
{
    static const uint8_t none[BL_KEY_ID_SIZE];
    bl_challenge         c;
    uint8_t              id[BL_KEY_ID_SIZE];
    ask(&c);
    bool passed = bl_challenge_answer(&c, message, id, NULL) == BLIND_OK;
    if (passed == (memcmp(id, none, sizeof id) == 0) || c.request.size)
        __builtin_trap();
    if (bl_challenge_answer(&c, message, id, NULL) == BLIND_OK)
        __builtin_trap();
}

/* The input with its last message replaced by the Finished that the session would compute. */
static void answer_finished_anew(blind_span input)
{
    enum { HEADER = 4 };
    bl_challenge c;
    uint8_t      hash[BL_MAX_HASH], mac[BL_MAX_HASH];
    bl_auto_buf  message = BL_BUF_EMPTY;
    ask(&c);
    if (input.size >= HEADER + 32) {
        bl_buf_add(&message, bl_span(input.data, input.size - HEADER - 32));
        if (bl_transcript_hash(&c.keys, bl_buf_span(&c.request), bl_buf_span(&message), hash) ==
                BLIND_OK &&
            bl_transcript_mac(&c.keys, hash, mac) == BLIND_OK) {
            bl_buf_add_u8(&message, BL_TLS_FINISHED);
            bl_buf_add_be(&message, 32, 3);
            bl_buf_add(&message, bl_span(mac, 32));
            answer(bl_buf_span(&message));
        }
    }
    bl_challenge_done(&c);
}

static void read_challenge(blind_span input)
{
    uint8_t     context[BL_CONTEXT_SIZE];
    bl_auto_buf again = BL_BUF_EMPTY;
    if (bl_challenge_parse(input, context, NULL) != BLIND_OK)
        return;
    bl_request_write(&bl_sender_client, &again, context); /* what we would have asked */
    if (bl_challenge_parse(bl_buf_span(&again), context, NULL) != BLIND_OK)
        __builtin_trap();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    blind_span input = bl_span(data, size);
    answer(input);
    answer_finished_anew(input);
    read_challenge(input);
    return 0;
}
