/* A simulated attester in memory: three sessions, a runtime log, bundles that tell lies on request.
 */
#ifndef BL_TEST_FIXTURE_H
#define BL_TEST_FIXTURE_H

#include "tests/test.h"

#include "attest/bundle.h"
#include "attest/runtime_log.h"
#include "attest/tee.h"
#include "blind/appraise.h"

enum { MADE_AT = 1700000000 };

/* What sim measures: a file of this tree, so that verdicts are the same everywhere. */
#define FIXTURE_BINARY      "tests/policy/golden/binary.txt"
#define FIXTURE_MODEL       "0101010101010101010101010101010101010101010101010101010101010101"
#define FIXTURE_OTHER_MODEL "0202020202020202020202020202020202020202020202020202020202020202"
#define FIXTURE_SPKI        BL_LITERAL("the server's public key")

typedef struct {
    unsigned sim_lies;
    bool     key_bound;  /* evidence of a certificate, not of a session */
    bool     no_models;  /* an empty log */
    bool     salted;     /* the model was uploaded by a stranger */
    bool     two_models; /* "other" beside "digits" */
    uint8_t  salt[32];
    /* Appends a GPU's report for this nonce, and its parts; NULL: none. */
    void (*gpu)(void *arg, const uint8_t nonce[32], bl_buf *report, bl_buf *endorsements);
    void *gpu_arg;
} fixture;

/* Appends a whole bundle for the second of three sessions. */
void fixture_bundle(const fixture *f, bl_buf *out);
void fixture_leaf(uint32_t session, uint8_t out[32]);

/* The session that the bundle is for; a policy for the binary; options that allow simulation. */
blind_expect           fixture_session(void);
blind_appraise_options fixture_options(void);
/* `top` goes among the top-level rules, `models` into [models]; NULL: nothing, others = "allow".
 * The caller frees the policy. */
blind_policy *fixture_policy(const char *top, const char *models);
blind_policy *fixture_policy_text(const char *text);

#endif
