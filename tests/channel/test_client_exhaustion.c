/* Each allocation of the client fails once: it says so, sends nothing it should not, loses nothing.
 *
 * The linker hands our calls of malloc() and its kin to the functions here; OpenSSL and jansson
 * keep their own.  Only the thread that runs the client is short of memory. */
#include "http/kserve.h"
#include "tests/channel/peer.h"

#include <stdlib.h>

static _Thread_local long left = -1; /* allocations until one fails; < 0: none does */
static _Thread_local bool failed;

static bool fails(void)
{
    if (left < 0 || left-- > 0)
        return false;
    failed = true;
    return true;
}

/* clang-format off */
#define WRAP(name, declare, pass)                                                                  \
    void *__real_##name declare;                                                                   \
    void *__wrap_##name declare;                                                                   \
    void *__wrap_##name declare { return fails() ? NULL : __real_##name pass; }
WRAP(malloc, (size_t size), (size))
WRAP(calloc, (size_t count, size_t size), (count, size))
WRAP(realloc, (void *old, size_t size), (old, size))
WRAP(aligned_alloc, (size_t alignment, size_t size), (alignment, size))
WRAP(strdup, (const char *text), (text))
WRAP(strndup, (const char *text, size_t size), (text, size))
/* clang-format on */

static bool answer(test_conn *c, const bl_http_head *head, blind_span body)
{
    bl_auto_buf        out = BL_BUF_EMPTY;
    float              value = 1;
    blind_tensor       t = { .name = "y",
                             .dtype = BLIND_F32,
                             .rank = 1,
                             .shape = { 1 },
                             .data = &value,
                             .size = sizeof value };
    bl_kserve_response r = { .model = "m", .outputs = &t, .output_count = 1 };
    int64_t            json_size;
    if (bl_span_equal(head->target, BL_LITERAL(BL_CLIENT_AUTHENTICATOR_PATH)))
        return test_take_key(c, head, body);
    if (c->contexts.count < 3) { /* the verdict is renewed on the way */
        test_send_answer(c, 409, "", BL_LITERAL("{\"code\": \"reattest\"}"));
        return true;
    }
    assert_int_equal(BLIND_OK, bl_kserve_response_write(&r, NULL, &out, &json_size, NULL));
    test_send_answer(c, 200, "", bl_buf_span(&out));
    return true;
}

static blind_code infer(const test_peer *p, blind_policy *policy, blind_span key, blind_error *err)
{
    blind_client_options options = { .dial = test_dial_options(p, policy), .token = "t" };
    blind_client        *c;
    blind_outputs        out;
    options.dial.client_key = key;
    float        value = 2;
    blind_tensor in = { .name = "x",
                        .dtype = BLIND_F32,
                        .rank = 1,
                        .shape = { 1 },
                        .data = &value,
                        .size = sizeof value };
    BL_TRY(blind_client_open(&options, &c, NULL, err));
    blind_code code = blind_client_infer(c, "m", &in, 1, &out, err);
    blind_outputs_done(&out);
    blind_client_close(c);
    return code;
}

TEST(every_allocation_may_fail)
{
    blind_policy *policy = test_policy();
    bl_auto_buf   pem = BL_BUF_EMPTY;
    bl_key       *key;
    blind_error   err;
    assert_int_equal(BLIND_OK, bl_key_generate(&key, NULL));
    assert_int_equal(BLIND_OK, bl_key_private_pem(key, &pem, NULL));
    bl_key_free(key);
    long n = 0;
    int  refusals = 0;
    for (failed = true; failed; n++) {
        test_peer p = { .other = answer };
        test_peer_start(&p);
        failed = false;
        left = n;
        err = (blind_error){ .message = "" };
        blind_code code = infer(&p, policy, bl_buf_span(&pem), &err);
        left = -1;
        test_peer_stop(&p);
        if (code != BLIND_OK && err.message[0] == 0)
            fail_msg("allocation %ld: %s without a word", n, blind_code_name(code));
        if (!failed && code != BLIND_OK)
            fail_msg("with memory: %s", err.message);
        refusals += code != BLIND_OK;
    }
    CHECK(refusals > 20);
    print_message("%ld allocations, %d of them needed\n", n - 1, refusals);
    blind_policy_free(policy);
}

TESTS(RUN(every_allocation_may_fail))
