/* Writes a commented policy from the files of a build. */
#include "attest/log_record.h"
#include "attest/tee.h"
#include "base/buf.h"
#include "blind/policy.h"
#include "crypto/hash.h"
#include "measure/build.h"
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

/* ---- registers ---- */

/* The first register of this name in the recipe; NULL: none. */
static const blind_policy_register *find_given(const blind_policy_recipe *r, const char *name)
{
    for (size_t i = 0; i < r->registers_len; i++)
        if (strcmp(r->registers[i].name, name) == 0)
            return &r->registers[i];
    return NULL;
}

static const char *given(const blind_policy_recipe *r, const char *name)
{
    const blind_policy_register *found = find_given(r, name);
    return found ? found->value : NULL;
}

static bool is_value(const char *text)
{
    size_t digits = strspn(text, "0123456789abcdefABCDEF");
    return strcmp(text, "any") == 0 ||
           (!text[digits] && (digits == 40 || digits == 64 || digits == 96 || digits == 128));
}

/* Names and values that would not be one line of the set. */
static blind_code check_given(const blind_policy_recipe *r, blind_error *err)
{
    for (size_t i = 0; i < r->registers_len; i++) {
        const blind_policy_register *g = &r->registers[i];
        size_t plain = strspn(g->name, "abcdefghijklmnopqrstuvwxyz0123456789_");
        if (!plain || g->name[plain] || plain > 32)
            return blind_fail(err, BLIND_USAGE, STAGE, "'%s' cannot name a register", g->name);
        if (!is_value(g->value))
            return blind_fail(err, BLIND_USAGE, STAGE,
                              "register '%s': expected hexadecimal digits of a digest, or any",
                              g->name);
        if (find_given(r, g->name) != g)
            return blind_fail(err, BLIND_USAGE, STAGE, "register '%s' twice", g->name);
    }
    return BLIND_OK;
}

/* What the build tells; else what was given; else "?", which no policy can be loaded with. */
static blind_code put_built(bl_buf *b, const bl_built *built, const char *value, blind_error *err)
{
    bl_buf_printf(b, "%s = \"", built->name);
    if (built->size && value)
        return blind_fail(err, BLIND_USAGE, STAGE, "register '%s' is given, but the build tells it",
                          built->name);
    if (built->size) {
        put_hex(b, built->value, built->size);
        bl_buf_add_str(b, "\"\n");
    } else if (value) {
        bl_buf_printf(b, "%s\" # given: the build does not tell it, %s\n", value, built->why);
    } else {
        bl_buf_printf(b, "?\" # fill in: the build does not tell it, %s\n", built->why);
    }
    return BLIND_OK;
}

static bool is_built(const bl_build_result *built, const char *name)
{
    for (size_t i = 0; i < built->registers_len; i++)
        if (strcmp(built->registers[i].name, name) == 0)
            return true;
    return false;
}

static blind_code put_set(bl_buf *b, const blind_policy_recipe *r, const bl_build_result *built,
                          blind_error *err)
{
    bl_buf_printf(b, "[[%s.reference]]\nname = \"this build\"\n", r->tee);
    for (size_t i = 0; i < built->registers_len; i++)
        BL_TRY(put_built(b, &built->registers[i], given(r, built->registers[i].name), err));
    for (size_t i = 0; i < r->registers_len; i++)
        if (!is_built(built, r->registers[i].name))
            bl_buf_printf(b, "%s = \"%s\" # given\n", r->registers[i].name, r->registers[i].value);
    return BLIND_OK;
}

/* ---- the TEE's table ---- */

static bool has_fact(const bl_tee *tee, const char *name)
{
    for (const bl_fact_row *f = tee ? tee->facts : NULL; f && f->name; f++)
        if (strcmp(f->name, name) == 0)
            return true;
    return false;
}

/* Fields that go with the registers, where this build's verifier knows them. */
static void put_facts(bl_buf *b, const char *tee, const bl_build_result *built)
{
    const bl_tee *row = bl_tee_find(bl_span_str(tee));
    for (int minimum = 0; minimum < 2; minimum++) {
        bool headed = false;
        for (size_t i = 0; i < built->facts_len; i++) {
            const bl_built_fact *f = &built->facts[i];
            if (f->minimum != minimum || !has_fact(row, f->name))
                continue;
            if (!headed)
                bl_buf_printf(b, "\n[%s.%s]\n", tee, minimum ? "minimum" : "equal");
            headed = true;
            bl_buf_printf(b, "%s = %llu\n", f->name, (unsigned long long)f->value);
        }
    }
}

static const char *main_file(const blind_build *p)
{
    const char *const files[] = { p->binary, p->eif, p->sigstruct, p->firmware, p->uki };
    for (size_t i = 0; i < BL_LEN(files); i++)
        if (files[i])
            return files[i];
    return "";
}

static blind_code put_tee(bl_buf *b, const blind_policy_recipe *r, blind_error *err)
{
    bl_auto_arena   arena = BL_ARENA_EMPTY;
    bl_build_result built;
    blind_build     build = r->build;
    if (r->binary)
        build.binary = r->binary;
    BL_TRY(check_given(r, err));
    BL_TRY(bl_build_measure(r->tee, &build, &arena, &built, err));
    bl_buf_printf(b, "tees = [\"%s\"]\n\n", r->tee);
    bl_buf_add_str(b, "# An enclave that its host can debug is refused.\n"
                      "allow_debug = false\n\n");
    for (size_t i = 0; i < built.notes_len; i++)
        bl_buf_printf(b, "# %s\n", built.notes[i]);
    bl_buf_add_str(b, "# ");
    put_path(b, main_file(&build));
    bl_buf_printf(b, ": %s\n", built.what);
    BL_TRY(put_set(b, r, &built, err));
    put_facts(b, r->tee, &built);
    return BLIND_OK;
}

/* ---- models ---- */

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
    if (!recipe->tee)
        return blind_fail(err, BLIND_USAGE, STAGE, "no TEE to make a policy for");
    BL_TRY(put_head(&b, recipe, err));
    BL_TRY(put_tee(&b, recipe, err));
    BL_TRY(put_models(&b, recipe, err));
    (void)bl_buf_cstr(&b);
    BL_TRY(bl_buf_check(&b, STAGE, err));
    *out = (char *)bl_buf_take(&b, NULL);
    return BLIND_OK;
}
