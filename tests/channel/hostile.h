/* What the tests of the channel do alike: one policy, answers that end badly, a clock that jumps.
 */
#ifndef TESTS_CHANNEL_HOSTILE_H
#define TESTS_CHANNEL_HOSTILE_H

#include "client/internal.h"
#include "tests/channel/peer.h"

/* test_policy(), for every test of a program: setup and teardown of its group. */
extern blind_policy *policy;
int                  test_policy_setup(void **state);
int                  test_policy_teardown(void **state);

/* ---- answers ---- */

/* "hello", and the end of the connection. */
bool test_hang_up(test_conn *conn, const bl_http_head *head, blind_span body);
/* Nothing, and the end of the connection. */
bool test_silent_end(test_conn *conn, const bl_http_head *head, blind_span body);
/* The first attestation as it should be, every later one answered by `peer.arg`, a test_again. */
bool test_attest_once(test_conn *conn, const bl_http_head *head, blind_span body);
typedef struct {
    int         status;
    const char *fields, *body;
} test_again;

/* ---- clients ---- */

/* Dials the peer to its end.
 * hooks  NULL: the real ones
 * out    NULL: the stream is closed */
blind_code test_dial(const blind_dial_options *options, const bl_client_hooks *hooks,
                     blind_stream **out);
/* Attests a stream again, however long that takes. */
blind_code test_reattest(blind_stream *stream);

/* The monotonic clock and what a test adds to it. */
extern _Atomic int64_t test_skew_ms;
int64_t                test_skewed_now_ms(void);

#endif
