/* The client's half of credential activation, and where it keeps what came of it. */
#include "client/enrol.h"

#include "attest/bundle.h"
#include "attest/tpm/credential.h"
#include "base/file.h"
#include "base/hex.h"
#include "client/internal.h"
#include "policy/rules.h"
#include "tls/carriage.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

static const char STAGE[] = "client.enrol";

enum { MAX_RECORD = 65536, MAX_ANSWER = 1024 };

void bl_enrolling_done(bl_enrolling *e)
{
    bl_wipe(e->secret, sizeof e->secret);
    bl_buf_done(&e->credential);
    bl_buf_done(&e->record);
    *e = (bl_enrolling){ 0 };
}

/* ---- what a bundle brings ---- */

typedef struct {
    bl_parts   parts;
    uint8_t    name[BL_TPM_NAME];
    blind_span ak_name;
} offer;

/* The attestation key's name.  False: no TPM's evidence, or no public area in it. */
static bool read_offer(blind_span bundle, offer *out)
{
    bl_bundle     b;
    bl_tpm_public ak;
    size_t        size;
    if (bl_bundle_parse(bundle, &b, NULL) != BLIND_OK || !bl_span_equal(b.tee, BL_LITERAL("tpm")) ||
        bl_parts_parse(b.endorsements, &out->parts, NULL) != BLIND_OK ||
        bl_tpm_public_parse(bl_parts_get(&out->parts, "ak_public"), &ak, NULL) != BLIND_OK ||
        bl_tpm_public_name(&ak, out->name, &size, NULL) != BLIND_OK)
        return false;
    out->ak_name = bl_span(out->name, size);
    return true;
}

/* ---- the store: one file a key, named by its name's digest ---- */

static bool path_of(const blind_dialer *d, blind_span ak_name, char *out, size_t size)
{
    uint8_t digest[32];
    char    hex[65];
    if (!d->enrolment_dir || bl_sha256(ak_name, digest) != BLIND_OK)
        return false;
    bl_hex_encode(bl_span(digest, sizeof digest), hex);
    int n = snprintf(out, size, "%s/%s.enrolment", d->enrolment_dir, hex);
    return n > 0 && (size_t)n < size;
}

static bool is_of(blind_span record, blind_span ak_name)
{
    bl_tpm_enrolment e;
    return bl_tpm_enrolment_parse(record, &e, NULL) == BLIND_OK &&
           bl_span_equal(e.ak_name, ak_name);
}

static bool find_in_memory(blind_dialer *d, blind_span ak_name, bl_buf *out)
{
    bool found = false;
    pthread_mutex_lock(&d->enrolments_lock);
    for (size_t i = 0; !found && i < d->enrolments_len; i++)
        if (is_of(bl_buf_span(&d->enrolments[i]), ak_name)) {
            bl_buf_add(out, bl_buf_span(&d->enrolments[i]));
            found = true;
        }
    pthread_mutex_unlock(&d->enrolments_lock);
    return found;
}

/* The oldest goes when there are too many: it can be enrolled again. */
static void remember(blind_dialer *d, blind_span record)
{
    pthread_mutex_lock(&d->enrolments_lock);
    if (d->enrolments_len == BL_MAX_ENROLMENTS) {
        bl_buf_done(&d->enrolments[0]);
        memmove(d->enrolments, d->enrolments + 1, (BL_MAX_ENROLMENTS - 1) * sizeof *d->enrolments);
        d->enrolments[--d->enrolments_len] = BL_BUF_EMPTY;
    }
    bl_buf *to = &d->enrolments[d->enrolments_len++];
    *to = BL_BUF_EMPTY;
    bl_buf_add(to, record);
    pthread_mutex_unlock(&d->enrolments_lock);
}

/* A file that is damaged or of another key is as good as none. */
blind_code bl_enrolment_find(blind_dialer *d, blind_span bundle, bl_buf *record, blind_error *err)
{
    offer o;
    char  path[4096];
    if (!read_offer(bundle, &o))
        return BLIND_OK;
    if (!find_in_memory(d, o.ak_name, record) && path_of(d, o.ak_name, path, sizeof path)) {
        if (bl_file_read(path, MAX_RECORD, record, NULL) == BLIND_OK &&
            is_of(bl_buf_span(record), o.ak_name))
            remember(d, bl_buf_span(record));
        else
            bl_buf_clear(record);
    }
    return bl_buf_check(record, STAGE, err);
}

/* Each folder of the path that is missing, for its owner alone. */
static bool make_folders(const char *dir)
{
    char   path[4096];
    size_t size = strlen(dir);
    if (size == 0 || size >= sizeof path)
        return false;
    memcpy(path, dir, size + 1);
    for (size_t i = 1; i <= size; i++) {
        if (path[i] != '/' && path[i] != 0)
            continue;
        path[i] = 0;
        if (mkdir(path, 0700) != 0 && errno != EEXIST)
            return false;
        path[i] = i < size ? '/' : 0;
    }
    return true;
}

static blind_code save(const blind_dialer *d, blind_span ak_name, blind_span record,
                       blind_error *err)
{
    char path[4096];
    if (!d->enrolment_dir)
        return BLIND_OK;
    if (!make_folders(d->enrolment_dir))
        return blind_fail(err, BLIND_IO, STAGE, "cannot make '%.200s': %s", d->enrolment_dir,
                          strerror(errno));
    if (!path_of(d, ak_name, path, sizeof path))
        return blind_fail(err, BLIND_IO, STAGE, "no name for a file in '%.200s'", d->enrolment_dir);
    return bl_file_write_atomic(path, record, 0600, err);
}

/* ---- the exchange ---- */

static const bl_rule_tee *rules_of(const blind_policy *policy)
{
    for (size_t i = 0; i < policy->tees_len; i++)
        if (strcmp(policy->tees[i].tee, "tpm") == 0)
            return &policy->tees[i];
    return NULL;
}

/* The endorsement key is one that the policy would believe; else its answer would be worth nothing.
 */
static blind_code check_offer(const blind_stream *s, const offer *o, bl_tpm_enrolment *out,
                              bl_tpm_public *ek, blind_error *err)
{
    const blind_dialer *d = s->dialer;
    const bl_rule_tee  *rules = rules_of(d->policy);
    bl_tpm_cert         cert;
    if (!rules)
        return blind_fail(err, BLIND_CHAIN, STAGE, "the policy accepts no TPM");
    const bl_tpm_cert_input anchors = { .roots = bl_tee_tpm.roots,
                                        .rules = &rules->verify,
                                        .now_s = d->hooks.wall_s() };
    *out = (bl_tpm_enrolment){ .ak_name = o->ak_name,
                               .ek_public = bl_parts_get(&o->parts, "ek_public"),
                               .ek_cert = bl_parts_get(&o->parts, "ek_cert"),
                               .ek_chain = bl_parts_get(&o->parts, "ek_chain"),
                               .time_s = anchors.now_s };
    return bl_tpm_check_endorsement(out, &anchors, ek, &cert, err);
}

bool bl_enrolling_start(blind_stream *s, blind_span bundle, bl_enrolling *out)
{
    offer            o;
    bl_tpm_enrolment enrolment;
    bl_tpm_public    ek;
    bl_auto_buf      known = BL_BUF_EMPTY;
    if (!read_offer(bundle, &o) || bl_enrolment_find(s->dialer, bundle, &known, NULL) ||
        known.size || check_offer(s, &o, &enrolment, &ek, NULL) != BLIND_OK)
        return false;
    if (s->dialer->hooks.random(out->secret, sizeof out->secret, NULL) == BLIND_OK &&
        bl_tpm_make_credential(&ek, o.ak_name, bl_span(out->secret, sizeof out->secret),
                               &out->credential, NULL) == BLIND_OK &&
        bl_tpm_enrolment_write(&enrolment, &out->record, NULL) == BLIND_OK)
        return true;
    bl_enrolling_done(out);
    return false;
}

static blind_code check_head(const bl_http_head *head, blind_error *err)
{
    if (head->status != 200)
        return blind_fail(err,
                          head->status == 429 || head->status == 503 ? BLIND_BUSY : BLIND_CHAIN,
                          STAGE, "the server did not answer the challenge (HTTP %d)", head->status);
    return bl_talk_check_form(head, BL_ACTIVATION_ANSWER_TYPE, "secret", BLIND_CHAIN, err);
}

void bl_enrolling_ask(blind_stream *s, const bl_enrolling *e, bl_talk *talk)
{
    bl_talk_init(talk, MAX_ANSWER, check_head);
    bl_talk_ask(talk, "POST", BL_ACTIVATION_PATH, s->dialer->authority, BL_ACTIVATION_TYPE,
                BL_ACTIVATION_ANSWER_TYPE, bl_buf_span(&e->credential));
}

blind_code bl_enrolling_keep(blind_stream *s, const bl_enrolling *e, blind_span answer,
                             blind_error *err)
{
    bl_tpm_enrolment enrolment;
    if (!bl_equal_secret(answer, bl_span(e->secret, sizeof e->secret)))
        return blind_fail(err, BLIND_CHAIN, STAGE,
                          "the attestation key is not in the TPM that the certificate is of");
    BL_TRY(bl_tpm_enrolment_parse(bl_buf_span(&e->record), &enrolment, err));
    remember(s->dialer, bl_buf_span(&e->record));
    return save(s->dialer, enrolment.ak_name, bl_buf_span(&e->record), err);
}
