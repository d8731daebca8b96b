/* Writes a commented policy from the files of a build. */
#include "attest/log_record.h"
#include "attest/tee.h"
#include "base/buf.h"
#include "blind/policy.h"
#include "crypto/hash.h"
#include "measure/measure.h"

#include <stdlib.h>

static const char STAGE[] = "policy.create";

static void put_hex(bl_buf *b, const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        bl_buf_printf(b, "%02x", bytes[i]);
}

static blind_code put_head(bl_buf *b, const blind_policy_recipe *r, blind_error *err)
{
    static const struct {
        const char *rule, *meaning;
    } servers[] = {
        { "ca", "the server's certificate must chain to the CA that the client is given" },
        { "pin", "the server's certificate must be the one that the client is given" },
        { "any", "nothing, so another operator's enclave with the same code passes" },
    };
    const char *rule = r->server ? r->server : "ca";
    for (size_t i = 0; i < BL_LEN(servers); i++) {
        if (strcmp(rule, servers[i].rule) != 0)
            continue;
        bl_buf_printf(b,
                      "# What a server must prove before a client sends it one byte.\n"
                      "version = 1\n\n"
                      "# A time after which this policy is void.\n"
                      "# not_after = 2030-01-01T00:00:00Z\n\n"
                      "# Asked of the server beside attestation: %s.\n"
                      "server = \"%s\"\n\n",
                      servers[i].meaning, rule);
        return BLIND_OK;
    }
    return blind_fail(err, BLIND_USAGE, STAGE, "no server rule '%s': there are ca, pin, any", rule);
}

/* The path as a comment: whatever would end the line is left out. */
static void put_path(bl_buf *b, const char *path)
{
    for (; *path; path++)
        bl_buf_add_u8(b, (unsigned char)*path < 0x20 || *path == 0x7f ? '?' : (uint8_t)*path);
}

static blind_code put_sim(bl_buf *b, const blind_policy_recipe *r, blind_error *err)
{
    uint8_t  measurement[48];
    uint64_t size;
    BL_TRY(bl_measure_sim(r->binary, measurement, &size, err));
    bl_buf_add_str(b,
                   "# Simulated evidence is signed by a key that everybody knows: it passes only\n"
                   "# where the caller says so too (--simulation).\n"
                   "tees = [\"sim\"]\n\n"
                   "# An enclave that its host can debug is refused.\n"
                   "allow_debug = false\n\n"
                   "# SHA-384 of ");
    put_path(b, r->binary);
    bl_buf_printf(b, ", %llu bytes\n[[sim.reference]]\nname = \"this build\"\nmeasurement = \"",
                  (unsigned long long)size);
    put_hex(b, measurement, sizeof measurement);
    bl_buf_add_str(b, "\"\n");
    return BLIND_OK;
}

static blind_code put_model(bl_buf *b, const blind_policy_model *m, blind_error *err)
{
    uint8_t sha256[32];
    if (!bl_log_name_ok(bl_span_str(m->name)) || strcmp(m->name, "others") == 0 ||
        strcmp(m->name, "absent") == 0)
        return blind_fail(err, BLIND_USAGE, STAGE, "'%s' cannot name a model in a policy", m->name);
    if (!m->sha256) {
        BL_TRY(bl_measure_sha256(m->path, sha256, NULL, err));
    } else if (strspn(m->sha256, "0123456789abcdefABCDEF") != 64 || m->sha256[64]) {
        return blind_fail(err, BLIND_USAGE, STAGE, "model '%s': not 64 hexadecimal digits",
                          m->name);
    }
    bl_buf_add_str(b, "\"");
    for (const char *c = m->name; *c; c++)
        bl_buf_printf(b, *c == '"' || *c == '\\' ? "\\%c" : "%c", *c);
    bl_buf_add_str(b, "\" = \"");
    if (m->sha256)
        bl_buf_add_str(b, m->sha256);
    else
        put_hex(b, sha256, sizeof sha256);
    bl_buf_add_str(b, "\"\n");
    return BLIND_OK;
}

static blind_code put_models(bl_buf *b, const blind_policy_recipe *r, blind_error *err)
{
    bool others = r->others || r->models_len == 0;
    bl_buf_printf(b,
                  "\n# SHA-256 of each model that must be loaded, by name; `others`: may models\n"
                  "# beside them be loaded, \"refuse\" or \"allow\"?\n[models]\nothers = \"%s\"\n",
                  others ? "allow" : "refuse");
    for (size_t i = 0; i < r->models_len; i++)
        BL_TRY(put_model(b, &r->models[i], err));
    return BLIND_OK;
}

blind_code blind_policy_create(const blind_policy_recipe *recipe, char **out, blind_error *err)
{
    bl_auto_buf b = BL_BUF_EMPTY;
    *out = NULL;
    if (!recipe->tee || strcmp(recipe->tee, "sim") != 0)
        return blind_fail(err, BLIND_USAGE, STAGE, "no measuring for TEE '%s': there is sim",
                          recipe->tee ? recipe->tee : "");
    if (!recipe->binary)
        return blind_fail(err, BLIND_USAGE, STAGE, "no binary to measure");
    BL_TRY(put_head(&b, recipe, err));
    BL_TRY(put_sim(&b, recipe, err));
    BL_TRY(put_models(&b, recipe, err));
    (void)bl_buf_cstr(&b);
    BL_TRY(bl_buf_check(&b, STAGE, err));
    *out = (char *)bl_buf_take(&b, NULL);
    return BLIND_OK;
}
