/* Many sessions, one quote: their bindings are the leaves of a Merkle tree whose root is signed.
 *
 * Source: CHANNEL, "Binding". */
#include "tls/attester.h"

#include "attest/bundle.h"
#include "crypto/key.h"
#include "tls/context.h"
#include "tls/transcript.h"

#include <stdlib.h>
#include <time.h>

struct bl_attester {
    const bl_tee   *tee;
    void           *device;
    unsigned        sim_lies;
    bool            extends; /* the log's records into the TEE's register */
    const bl_key   *key;
    bl_runtime_log *log;
    blind_code (*staple)(void *arg, blind_span evidence, bl_buf *parts, blind_error *err);
    void  *staple_arg;
    bl_buf certificate; /* DER */
    bl_buf spki;
};

void bl_attestation_done(bl_attestation *a)
{
    bl_authenticator_keys_done(&a->keys);
    bl_buf_done(&a->request);
    bl_buf_done(&a->response);
}

void bl_attester_free(bl_attester *a)
{
    if (!a)
        return;
    if (a->extends)
        bl_runtime_log_reach(a->log, NULL);
    if (a->device && a->tee->close)
        a->tee->close(a->device);
    bl_buf_done(&a->certificate);
    bl_buf_done(&a->spki);
    free(a);
}

static blind_code read_register(void *arg, uint8_t out[32], blind_error *err)
{
    bl_attester *a = arg;
    return a->tee->extended(a->device, out, err);
}

static blind_code extend_register(void *arg, const uint8_t digest[32], blind_error *err)
{
    bl_attester *a = arg;
    return a->tee->extend(a->device, digest, err);
}

/* The first attester of a log opens the file; a later one only brings another way to the device. */
static blind_code keep_log(bl_attester *a, const char *path, blind_error *err)
{
    const bl_log_register reg = { read_register, extend_register, a };
    a->extends = true;
    if (!a->log->kept)
        return bl_runtime_log_keep(a->log, path, &reg, err);
    bl_runtime_log_reach(a->log, &reg);
    return BLIND_OK;
}

static blind_code attester_fill(bl_attester *a, const bl_attester_options *o, blind_error *err)
{
    static const char stage[] = "attester.new";
    a->key = o->key;
    a->log = o->log;
    a->sim_lies = o->tee_options.sim_lies;
    a->staple = o->staple;
    a->staple_arg = o->staple_arg;
    a->tee = bl_tee_find(bl_span_str(o->tee));
    if (!a->tee || !a->tee->collect)
        return blind_fail(err, BLIND_UNSUPPORTED, stage, "this build cannot run inside TEE '%s'",
                          o->tee);
    BL_TRY(bl_key_spki(o->key, &a->spki, err));
    bl_buf_add(&a->certificate, o->certificate);
    BL_TRY(bl_buf_check(&a->certificate, stage, err));
    blind_span own;
    if (!bl_der_spki(o->certificate, &own) || !bl_span_equal(own, bl_buf_span(&a->spki)))
        return blind_fail(err, BLIND_TLS, stage, "the certificate is not the key's");
    if (a->tee->open)
        BL_TRY(a->tee->open(&o->tee_options, &a->device, err));
    return o->log_path && a->tee->extend ? keep_log(a, o->log_path, err) : BLIND_OK;
}

blind_code bl_attester_new(const bl_attester_options *options, bl_attester **out, blind_error *err)
{
    *out = NULL;
    bl_attester *a = calloc(1, sizeof *a);
    if (!a)
        return blind_fail(err, BLIND_MEMORY, "attester.new", "out of memory");
    blind_code code = attester_fill(a, options, err);
    if (code == BLIND_OK)
        *out = a;
    else
        bl_attester_free(a);
    return code;
}

static blind_code prepare(const bl_attester *a, struct ssl_st *ssl, bl_contexts *contexts,
                          blind_span request, bl_attestation *out, blind_error *err)
{
    uint8_t context[BL_CONTEXT_SIZE];
    BL_TRY(bl_tls_check_fresh(ssl, err));
    BL_TRY(bl_authenticator_request_parse(request, context, err));
    BL_TRY(bl_contexts_add(contexts, context, err));
    bl_exporter exporter = bl_exporter_of(ssl);
    BL_TRY(bl_authenticator_keys_derive(&exporter, context, &out->keys, err));
    bl_buf_add(&out->request, request);
    BL_TRY(bl_buf_check(&out->request, "attester.prepare", err));
    if (bl_binding(bl_buf_span(&a->spki), out->keys.exported, out->binding) != BLIND_OK)
        return blind_fail(err, BLIND_FAILED, "attester.prepare", "cannot hash the binding");
    return BLIND_OK;
}

blind_code bl_attester_prepare(bl_attester *attester, struct ssl_st *ssl, bl_contexts *contexts,
                               blind_span request, bl_attestation *out, blind_error *err)
{
    *out = BL_ATTESTATION_EMPTY;
    blind_code code = prepare(attester, ssl, contexts, request, out, err);
    if (code != BLIND_OK)
        bl_attestation_done(out);
    return code;
}

/* The tree over all bindings, and evidence whose report data is its value. */
static blind_code quote(bl_attester *a, bl_attestation *const *sessions, uint32_t n,
                        bl_merkle *tree, bl_log_state *log, bl_buf *evidence, blind_error *err)
{
    static const char stage[] = "attester.quote";
    uint8_t(*leaves)[32] = malloc((size_t)n * 32), value[32];
    if (!leaves)
        return blind_fail(err, BLIND_MEMORY, stage, "out of memory");
    blind_code code = BLIND_OK;
    for (uint32_t i = 0; code == BLIND_OK && i < n; i++)
        code = bl_binding_leaf(sessions[i]->binding, leaves[i]);
    if (code == BLIND_OK)
        code = bl_merkle_init(tree, (const uint8_t(*)[32])leaves, n, err);
    free(leaves);
    BL_TRY(code);
    if (bl_report_value(n, bl_merkle_root(tree), log, value) != BLIND_OK)
        return blind_fail(err, BLIND_FAILED, stage, "cannot hash the report value");
    return a->tee->collect(a->device, bl_span(value, sizeof value), time(NULL), evidence, err);
}

/* What the device hands out beside its evidence, and what was fetched for it; nothing here believes
 * either. */
static blind_code endorse(bl_attester *a, bool staple, bl_buf *endorsements, bl_bundle *bundle,
                          blind_error *err)
{
    bl_auto_buf own = BL_BUF_EMPTY, more = BL_BUF_EMPTY;
    bl_parts    parts = { 0 }, stapled = { 0 };
    blind_error ignored;
    if (a->tee->endorse)
        BL_TRY(a->tee->endorse(a->device, &own, err));
    BL_TRY(bl_parts_parse(bl_buf_span(&own), &parts, err));
    if (staple && a->staple &&
        (a->staple(a->staple_arg, bundle->evidence, &more, &ignored) != BLIND_OK ||
         bl_parts_parse(bl_buf_span(&more), &stapled, &ignored) != BLIND_OK))
        stapled.len = 0;
    BL_TRY(bl_parts_add(&parts, &stapled, err));
    BL_TRY(bl_parts_write(&parts, endorsements, err));
    bundle->endorsements = bl_buf_span(endorsements);
    return BLIND_OK;
}

static blind_code answer_one(bl_attester *a, bl_attestation *s, const bl_merkle *tree,
                             uint32_t index, bl_bundle *bundle, blind_span beside, blind_error *err)
{
    bl_auto_buf inside = BL_BUF_EMPTY, authenticator = BL_BUF_EMPTY;
    uint8_t     path[BL_MAX_MERKLE_PATH][32];
    bundle->binding.index = index;
    bundle->binding.path = bl_span(path, 32 * bl_merkle_path(tree, index, path));
    BL_TRY(bl_bundle_write(bundle, BL_BUNDLE_INSIDE, &inside, err));
    BL_TRY(bl_authenticator_write(bl_buf_span(&s->request), &s->keys, a->key,
                                  bl_buf_span(&a->certificate), bl_buf_span(&inside),
                                  &authenticator, err));
    bl_buf_clear(&s->response);
    s->log_len = bundle->binding.log.len;
    return bl_carriage_write(bl_buf_span(&authenticator), beside, &s->response, err);
}

static blind_code answer_all(bl_attester *a, bl_attestation *const *sessions, uint32_t n,
                             bl_merkle *tree, blind_error *err)
{
    bl_auto_buf evidence = BL_BUF_EMPTY, log = BL_BUF_EMPTY, beside = BL_BUF_EMPTY;
    bl_auto_buf endorsements = BL_BUF_EMPTY;
    bl_bundle   bundle = { .tee = bl_span_str(a->tee->name) };
    bundle.binding.to = BL_BOUND_TO_SESSION;
    bundle.binding.leaves = n;
    bl_runtime_log_hold(a->log);
    blind_code code = bl_runtime_log_snapshot(a->log, &bundle.binding.log, &log, err);
    if (code == BLIND_OK)
        code = quote(a, sessions, n, tree, &bundle.binding.log, &evidence, err);
    bl_runtime_log_release(a->log);
    BL_TRY(code);
    bundle.evidence = bl_buf_span(&evidence);
    BL_TRY(endorse(a, true, &endorsements, &bundle, err));
    bl_sim_lie_log(a->sim_lies, &log);
    memcpy(bundle.binding.root, bl_merkle_root(tree), 32);
    bundle.log = bl_buf_span(&log);
    BL_TRY(bl_bundle_write(&bundle, BL_BUNDLE_BESIDE, &beside, err));
    for (uint32_t i = 0; i < n; i++)
        BL_TRY(answer_one(a, sessions[i], tree, i, &bundle, bl_buf_span(&beside), err));
    return BLIND_OK;
}

blind_code bl_attester_answer(bl_attester *attester, bl_attestation *const *sessions, size_t n,
                              blind_error *err)
{
    if (n == 0 || n > BL_MAX_MERKLE_LEAVES)
        return blind_fail(err, BLIND_LIMIT, "attester.answer", "%zu sessions at once, at most %u",
                          n, BL_MAX_MERKLE_LEAVES);
    bl_merkle  tree = { 0 };
    blind_code code = answer_all(attester, sessions, (uint32_t)n, &tree, err);
    bl_merkle_done(&tree);
    for (size_t i = 0; code != BLIND_OK && i < n; i++)
        bl_buf_clear(&sessions[i]->response);
    return code;
}

blind_code bl_attester_activate(bl_attester *a, blind_span credential, bl_buf *secret,
                                blind_error *err)
{
    if (!a->tee->activate)
        return blind_fail(err, BLIND_UNSUPPORTED, "attester.activate",
                          "TEE '%s' has no endorsement key", a->tee->name);
    return a->tee->activate(a->device, credential, secret, err);
}

blind_code bl_attester_certificate_evidence(bl_attester *a, bl_buf *out, blind_error *err)
{
    static const char stage[] = "attester.certificate";
    bl_auto_buf       evidence = BL_BUF_EMPTY, log = BL_BUF_EMPTY, endorsements = BL_BUF_EMPTY;
    bl_bundle         bundle = { .tee = bl_span_str(a->tee->name) };
    uint8_t           value[32];
    bundle.binding.to = BL_BOUND_TO_KEY;
    BL_TRY(bl_runtime_log_snapshot(a->log, &bundle.binding.log, &log, err));
    if (bl_sha256(bl_buf_span(&a->spki), bundle.binding.root) != BLIND_OK ||
        bl_cert_value(bl_buf_span(&a->spki), &bundle.binding.log, value) != BLIND_OK)
        return blind_fail(err, BLIND_FAILED, stage, "cannot hash the report value");
    BL_TRY(a->tee->collect(a->device, bl_span(value, sizeof value), time(NULL), &evidence, err));
    /* Collateral is too large for a certificate's extension. */
    BL_TRY(endorse(a, false, &endorsements, &bundle, err));
    bl_sim_lie_log(a->sim_lies, &log);
    bundle.evidence = bl_buf_span(&evidence);
    bundle.log = bl_buf_span(&log);
    return bl_bundle_write(&bundle, BL_BUNDLE_WHOLE, out, err);
}
