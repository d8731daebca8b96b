/* Verdicts as EAT Attestation Results.
 *
 * AR4SI's values lie in tiers: 2 to 31 affirming, 32 to 95 warning, 96 to 127 contraindicated.
 * What a verdict does not say stays 0.  Source: draft-ietf-rats-ar4si, section 2.3. */
#include "policy/ear.h"

#include "attest/tee.h"
#include "base/base64.h"
#include "blind/version.h"
#include "crypto/hash.h"

#include <jansson.h>
#include <stdlib.h>

static const char STAGE[] = "ear";

#define PROFILE "tag:github.com,2023:veraison/ear"

enum {
    NO_CLAIM = 0,
    UNEXPECTED = 1, /* evidence that cannot be read */
    APPROVED = 2,
    APPROVED_BOOT = 3, /* executables: what was loaded at boot */
    WARNING = 32,      /* first of its tier: unsafe; of runtime-opaque: isolated, not encrypted */
    UNRECOGNIZED = 33, /* executables */
    CONTRAINDICATED = 96,
    NOT_KNOWN = 97,    /* hardware or an instance that should be known */
    BAD_SIGNATURE = 99 /* instance-identity: the evidence's cryptography fails */
};

/* ---- the vector ---- */

static const blind_check *find(const blind_result *r, const char *name)
{
    for (size_t i = 0; i < r->checks_len; i++)
        if (strcmp(r->checks[i].name, name) == 0)
            return &r->checks[i];
    return NULL;
}

static bool fails(const blind_result *r, const char *name)
{
    const blind_check *c = find(r, name);
    return c && bl_check_fails(c);
}

/* Whether a check fails whose code has this exit status, but for this code. */
static bool any_fails(const blind_result *r, int exit_status, blind_code but)
{
    for (size_t i = 0; i < r->checks_len; i++)
        if (bl_check_fails(&r->checks[i]) && r->checks[i].code != but &&
            blind_code_exit(r->checks[i].code) == exit_status)
            return true;
    return false;
}

static bool any_code_fails(const blind_result *r, blind_code code)
{
    for (size_t i = 0; i < r->checks_len; i++)
        if (bl_check_fails(&r->checks[i]) && r->checks[i].code == code)
            return true;
    return false;
}

static int8_t instance_of(const blind_result *r)
{
    if (fails(r, "format"))
        return UNEXPECTED;
    if (any_code_fails(r, BLIND_REVOKED))
        return CONTRAINDICATED;
    if (!r->authentic)
        return BAD_SIGNATURE;
    return fails(r, "hardware") || r->claims.simulated ? NOT_KNOWN : APPROVED;
}

/* Debugging, and the platform's options that the policy asks for. */
static int8_t configuration_of(const blind_result *r)
{
    const blind_check *debug = find(r, "debug");
    if (any_fails(r, 12, BLIND_TCB))
        return CONTRAINDICATED;
    if (!debug || debug->state == BLIND_UNKNOWN)
        return NO_CLAIM;
    return debug->state == BLIND_PROVEN ? APPROVED : WARNING;
}

/* With the runtime log, also what was loaded since. */
static int8_t executables_of(const blind_result *r)
{
    const blind_check *measured = find(r, "measurement");
    if (any_fails(r, 11, BLIND_OK))
        return UNRECOGNIZED;
    if (!measured || measured->state != BLIND_PROVEN)
        return NO_CLAIM;
    return r->log_proven ? APPROVED : APPROVED_BOOT;
}

/* Its vendor's key vouches for it; its vendor's word on the firmware may not be so good. */
static int8_t hardware_of(const blind_result *r)
{
    const blind_check *tcb = find(r, "tcb");
    if (r->claims.simulated)
        return NOT_KNOWN;
    if (any_code_fails(r, BLIND_TCB))
        return tcb && tcb->state == BLIND_UNKNOWN ? WARNING : CONTRAINDICATED;
    if (r->claims.tcb_current == BLIND_REFUTED)
        return WARNING;
    return tcb && tcb->state != BLIND_PROVEN ? NO_CLAIM : APPROVED;
}

static int8_t runtime_of(const blind_result *r)
{
    if (r->claims.memory_encrypted == BLIND_PROVEN)
        return APPROVED;
    if (r->claims.memory_encrypted == BLIND_REFUTED)
        return CONTRAINDICATED;
    return r->claims.trusts_host ? NO_CLAIM : WARNING;
}

void bl_ear_vector(const blind_result *r, int8_t out[BL_EAR_COUNT])
{
    memset(out, NO_CLAIM, BL_EAR_COUNT);
    out[BL_EAR_INSTANCE] = instance_of(r);
    if (!r->authentic) /* nothing else was signed */
        return;
    out[BL_EAR_CONFIGURATION] = configuration_of(r);
    out[BL_EAR_EXECUTABLES] = executables_of(r);
    out[BL_EAR_HARDWARE] = hardware_of(r);
    out[BL_EAR_RUNTIME] = runtime_of(r);
}

/* What was bound to nothing says nothing of whoever shows it, and affirms nothing. */
const char *bl_ear_status(const blind_result *r, const int8_t vector[BL_EAR_COUNT])
{
    int8_t worst = r->code != BLIND_OK            ? CONTRAINDICATED
                   : r->to == BLIND_BOUND_UNBOUND ? WARNING
                                                  : APPROVED;
    for (size_t i = 0; i < BL_EAR_COUNT; i++)
        worst = BL_MAX(worst, vector[i]);
    return worst >= CONTRAINDICATED ? "contraindicated"
           : worst >= WARNING       ? "warning"
                                    : "affirming";
}

/* ---- the claims ---- */

static void set(json_t *object, bool *failed, const char *key, json_t *value)
{
    *failed |= json_object_set_new(object, key, value) != 0;
}

static json_t *vector_json(const int8_t vector[BL_EAR_COUNT], bool *failed)
{
#define X(id, name) name,
    static const char *const names[] = { BL_EAR_CLAIMS(X) };
#undef X
    json_t *o = json_object();
    for (size_t i = 0; i < BL_EAR_COUNT; i++)
        set(o, failed, names[i], json_integer(vector[i]));
    return o;
}

static json_t *base64url_json(blind_span bytes)
{
    bl_auto_buf b = BL_BUF_EMPTY;
    bl_base64_add(&b, BL_BASE64_URL, bytes);
    return bl_buf_ok(&b) ? json_stringn((const char *)b.data, b.size) : NULL;
}

static json_t *policy_json(const blind_result *r)
{
    bl_auto_buf b = BL_BUF_EMPTY;
    bl_buf_add_str(&b, "sha256:");
    for (size_t i = 0; i < sizeof r->policy_digest; i++)
        bl_buf_printf(&b, "%02x", r->policy_digest[i]);
    return bl_buf_ok(&b) ? json_stringn((const char *)b.data, b.size) : NULL;
}

/* One attester: the TEE.  Its name stands there for refusals too. */
static json_t *submods_json(const blind_result *r, bool *failed)
{
    int8_t      vector[BL_EAR_COUNT];
    json_t     *all = json_object(), *one = json_object();
    const char *tee = blind_result_tee(r);
    bl_ear_vector(r, vector);
    set(one, failed, "ear.status", json_string(bl_ear_status(r, vector)));
    set(one, failed, "ear.trustworthiness-vector", vector_json(vector, failed));
    set(one, failed, "ear.appraisal-policy-id", policy_json(r));
    set(all, failed, *tee ? tee : "unknown", one);
    return all;
}

static json_t *verifier_json(bool *failed)
{
    json_t *o = json_object();
    set(o, failed, "build", json_string("blind " BLIND_VERSION));
    set(o, failed, "developer", json_string("blind"));
    return o;
}

/* The report data that was expected and found, as the challenge that this result answers.
 * Source: RFC 9711, section 4.1: 8 to 64 bytes. */
static bool has_nonce(const blind_result *r)
{
    const blind_check *binding = find(r, "binding");
    size_t             size = r->claims.report_data.size;
    return binding && binding->state == BLIND_PROVEN && size >= 8 && size <= 64;
}

blind_code bl_ear_claims(const blind_result *r, int64_t issued_s, bl_buf *out, blind_error *err)
{
    if (issued_s <= 0)
        return blind_fail(err, BLIND_USAGE, STAGE, "a result needs the time it was made at");
    bool    failed = false;
    json_t *o = json_object();
    set(o, &failed, "eat_profile", json_string(PROFILE));
    set(o, &failed, "iat", json_integer(issued_s));
    set(o, &failed, "ear.verifier-id", verifier_json(&failed));
    if (has_nonce(r))
        set(o, &failed, "eat_nonce", base64url_json(r->claims.report_data));
    set(o, &failed, "submods", submods_json(r, &failed));
    char *text = failed ? NULL : json_dumps(o, JSON_COMPACT);
    json_decref(o);
    if (!text)
        return blind_fail(err, BLIND_MEMORY, STAGE, "out of memory");
    bl_buf_add_str(out, text);
    free(text);
    return bl_buf_check(out, STAGE, err);
}

/* ---- the token ---- */

/* The coordinates stand at the end of a P-256 SubjectPublicKeyInfo: 04 || x || y. */
enum { COORDINATE = 32, POINT = 1 + 2 * COORDINATE };

/* The members in the order, and without the blanks, that its thumbprint is made of.
 * Source: RFC 7517, section 4; RFC 7518, section 6.2; RFC 7638, section 3. */
static blind_code put_jwk(const bl_key *key, bl_buf *out, blind_error *err)
{
    bl_auto_buf spki = BL_BUF_EMPTY;
    BL_TRY(bl_key_spki(key, &spki, err));
    const uint8_t *point = spki.data + (spki.size - POINT);
    bl_buf_add_str(out, "{\"crv\":\"P-256\",\"kty\":\"EC\",\"x\":\"");
    bl_base64_add(out, BL_BASE64_URL, bl_span(point + 1, COORDINATE));
    bl_buf_add_str(out, "\",\"y\":\"");
    bl_base64_add(out, BL_BASE64_URL, bl_span(point + 1 + COORDINATE, COORDINATE));
    bl_buf_add_str(out, "\"}");
    return bl_buf_check(out, STAGE, err);
}

static blind_code put_header(const bl_key *key, bl_buf *out, blind_error *err)
{
    bl_auto_buf jwk = BL_BUF_EMPTY;
    uint8_t     thumbprint[BL_SHA256_SIZE];
    BL_TRY(put_jwk(key, &jwk, err));
    if (bl_sha256(bl_buf_span(&jwk), thumbprint) != BLIND_OK)
        return blind_fail(err, BLIND_MEMORY, STAGE, "out of memory");
    bl_buf_add_str(out, "{\"alg\":\"ES256\",\"typ\":\"JWT\",\"kid\":\"");
    bl_base64_add(out, BL_BASE64_URL, bl_span(thumbprint, sizeof thumbprint));
    bl_buf_add_str(out, "\",\"jwk\":");
    bl_buf_add(out, bl_buf_span(&jwk));
    bl_buf_add_str(out, "}");
    return bl_buf_check(out, STAGE, err);
}

blind_code bl_ear_write(const blind_result *r, const bl_key *key, int64_t issued_s, bl_buf *out,
                        blind_error *err)
{
    bl_auto_buf header = BL_BUF_EMPTY, claims = BL_BUF_EMPTY, token = BL_BUF_EMPTY,
                signature = BL_BUF_EMPTY;
    if (!bl_key_fits(key, BL_ECDSA_P256_SHA256_RAW))
        return blind_fail(err, BLIND_INPUT, STAGE, "the key must be one on P-256");
    BL_TRY(put_header(key, &header, err));
    BL_TRY(bl_ear_claims(r, issued_s, &claims, err));
    bl_base64_add(&token, BL_BASE64_URL, bl_buf_span(&header));
    bl_buf_add_str(&token, ".");
    bl_base64_add(&token, BL_BASE64_URL, bl_buf_span(&claims));
    BL_TRY(bl_buf_check(&token, STAGE, err));
    BL_TRY(bl_key_sign(key, BL_ECDSA_P256_SHA256_RAW, bl_buf_span(&token), &signature, err));
    bl_buf_add(out, bl_buf_span(&token));
    bl_buf_add_str(out, ".");
    bl_base64_add(out, BL_BASE64_URL, bl_buf_span(&signature));
    return bl_buf_check(out, STAGE, err);
}

blind_code blind_result_ear(const blind_result *result, blind_span key_pem, char **out,
                            blind_error *err)
{
    bl_auto_key bl_key *key = NULL;
    bl_auto_buf         token = BL_BUF_EMPTY;
    *out = NULL;
    if (!result)
        return blind_fail(err, BLIND_USAGE, STAGE, "no result");
    BL_TRY(bl_key_from_private_pem(key_pem, &key, err));
    BL_TRY(bl_ear_write(result, key, result->now_s, &token, err));
    if (!bl_buf_cstr(&token))
        return blind_fail(err, BLIND_MEMORY, STAGE, "out of memory");
    *out = (char *)bl_buf_take(&token, NULL);
    return BLIND_OK;
}
