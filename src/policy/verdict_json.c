/* The verdict for programs, version 1: docs/formats/claims.md. */
#include "blind/version.h"
#include "policy/result.h"

#include <jansson.h>
#include <stdlib.h>

/* Each setter swallows its value and notes failure, so that one look at the end is enough. */
static void set(json_t *object, bool *failed, const char *key, json_t *value)
{
    *failed |= json_object_set_new(object, key, value) != 0;
}

static void set_text(json_t *object, bool *failed, const char *key, const char *text)
{
    set(object, failed, key, json_string(text));
}

static void set_hex(blind_result *r, json_t *object, bool *failed, const char *key,
                    blind_span bytes)
{
    if (bytes.size == 0) {
        set(object, failed, key, json_null());
        return;
    }
    const char *hex = bl_result_hex(r, bytes, 0);
    set_text(object, failed, key, hex ? hex : "");
}

static json_t *checks_json(const blind_result *r, bool *failed)
{
    json_t *list = json_array();
    for (size_t i = 0; i < r->checks_len; i++) {
        const blind_check *c = &r->checks[i];
        json_t            *row = json_object();
        set_text(row, failed, "name", c->name);
        set_text(row, failed, "state", bl_state_name(c->state));
        set(row, failed, "asked", json_boolean(c->asked));
        set(row, failed, "failed", json_boolean(bl_check_fails(c)));
        set_text(row, failed, "code", blind_code_name(c->code));
        set_text(row, failed, "expected", c->expected);
        set_text(row, failed, "found", c->found);
        set_text(row, failed, "source", c->source);
        *failed |= json_array_append_new(list, row) != 0;
    }
    return list;
}

static json_t *measurements_json(blind_result *r, bool *failed)
{
    json_t *object = json_object();
    for (size_t i = 0; i < r->claims.measurements_len; i++)
        set_hex(r, object, failed, r->claims.measurements[i].name, r->claims.measurements[i].value);
    return object;
}

static json_t *facts_json(blind_result *r, bool *failed)
{
    json_t *object = json_object();
    for (size_t i = 0; i < r->claims.facts_len; i++) {
        const bl_fact *f = &r->claims.facts[i];
        if (f->kind == BL_FACT_BYTES)
            set_hex(r, object, failed, f->name, f->bytes);
        else if (f->kind == BL_FACT_TEXT)
            set(object, failed, f->name, json_stringn((const char *)f->bytes.data, f->bytes.size));
        else
            set(object, failed, f->name,
                f->kind == BL_FACT_FLAG ? json_boolean(f->number)
                                        : json_integer((json_int_t)f->number));
    }
    return object;
}

static json_t *optional_text(const char *text)
{
    return text ? json_string(text) : json_null();
}

static json_t *trust_json(const blind_result *r, bool *failed)
{
    json_t *list = json_array();
    if (r->claims.trusts_host)
        *failed |= json_array_append_new(list, json_string("host")) != 0;
    if (r->claims.trusts_hypervisor)
        *failed |= json_array_append_new(list, json_string("hypervisor")) != 0;
    if (r->claims.trusts_firmware)
        *failed |= json_array_append_new(list, json_string("firmware")) != 0;
    return list;
}

static const char *const tpm_kinds[] = { [BL_TPM_NONE] = "none",
                                         [BL_TPM_DISCRETE] = "discrete",
                                         [BL_TPM_FIRMWARE] = "firmware",
                                         [BL_TPM_VIRTUAL] = "virtual" };
static const char *const identities[] = {
    [BLIND_IDENTITY_UNKNOWN] = "unknown", [BLIND_IDENTITY_CA] = "ca", [BLIND_IDENTITY_PIN] = "pin"
};

static json_t *claims_json(blind_result *r, bool *failed)
{
    const bl_claims *c = &r->claims;
    json_t          *o = json_object();
    set(o, failed, "measurements", measurements_json(r, failed));
    set(o, failed, "facts", facts_json(r, failed));
    set_hex(r, o, failed, "report_data", c->report_data);
    set_hex(r, o, failed, "hardware_id", c->hardware_id);
    set(o, failed, "time_s", c->time_s ? json_integer(c->time_s) : json_null());
    set_text(o, failed, "not_debuggable", bl_state_name(c->not_debuggable));
    set_text(o, failed, "memory_encrypted", bl_state_name(c->memory_encrypted));
    set_text(o, failed, "smt_off", bl_state_name(c->smt_off));
    set_text(o, failed, "migration_off", bl_state_name(c->migration_off));
    set_text(o, failed, "tcb_current", bl_state_name(c->tcb_current));
    set(o, failed, "tcb", optional_text(c->tcb_found));
    set(o, failed, "tcb_status", optional_text(c->tcb_status));
    set(o, failed, "advisories", optional_text(c->advisories));
    set_text(o, failed, "tpm", tpm_kinds[c->tpm_kind]);
    set_text(o, failed, "server_identity",
             identities[r->identity <= BLIND_IDENTITY_PIN ? r->identity : BLIND_IDENTITY_UNKNOWN]);
    set(o, failed, "still_trusted", trust_json(r, failed));
    return o;
}

static json_t *log_json(blind_result *r, bool *failed)
{
    json_t *o = json_object(), *models = json_array();
    set(o, failed, "length", json_integer((json_int_t)r->log.len));
    set_hex(r, o, failed, "head", bl_span(r->log.head, 32));
    for (size_t i = 0; i < r->models_len; i++) {
        json_t *m = json_object();
        set_text(m, failed, "name", r->models[i].name);
        set_hex(r, m, failed, "sha256", bl_span(r->models[i].sha256, 32));
        set(m, failed, "salted", json_boolean(r->models[i].salted));
        *failed |= json_array_append_new(models, m) != 0;
    }
    set(o, failed, "models", models);
    return o;
}

static const char *verdict_word(const blind_result *r)
{
    if (r->code != BLIND_OK)
        return "refused";
    return r->to == BLIND_BOUND_UNBOUND ? "unbound" : "accepted";
}

void bl_verdict_json(blind_result *r)
{
    static const char *const bound[] = { [BLIND_BOUND_NOTHING] = "none",
                                         [BLIND_BOUND_SESSION] = "session",
                                         [BLIND_BOUND_CERTIFICATE] = "key",
                                         [BLIND_BOUND_REPORT_DATA] = "report_data",
                                         [BLIND_BOUND_UNBOUND] = "none" };
    bool                     failed = false;
    json_t                  *o = json_object();
    set(o, &failed, "version", json_integer(BLIND_WIRE_VERSION));
    set_text(o, &failed, "verdict", verdict_word(r));
    set_text(o, &failed, "code", blind_code_name(r->code));
    set(o, &failed, "exit", json_integer(blind_code_exit(r->code)));
    set_text(o, &failed, "exception", blind_code_exception(r->code));
    set_text(o, &failed, "bound_to", r->code == BLIND_OK ? bound[r->to] : "none");
    set_text(o, &failed, "tee", blind_result_tee(r));
    set(o, &failed, "simulated", json_boolean(r->claims.simulated));
    set(o, &failed, "checks", checks_json(r, &failed));
    set(o, &failed, "claims", r->authentic ? claims_json(r, &failed) : json_null());
    set(o, &failed, "log", r->log_proven ? log_json(r, &failed) : json_null());
    set_hex(r, o, &failed, "policy_sha256", bl_span(r->policy_digest, 32));
    r->json = failed ? NULL : json_dumps(o, JSON_INDENT(2));
    r->failed |= !r->json;
    json_decref(o);
}
