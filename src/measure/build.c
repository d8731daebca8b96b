/* Which TEE measures what, and which parts of a build mean something to it. */
#include "measure/build.h"

#include "crypto/hash.h"
#include "measure/build_internal.h"
#include "measure/measure.h"

static const char STAGE[] = "build";

/* ---- what the TEEs' parts share ---- */

static bl_built *add(bl_building *b, const char *name)
{
    bl_built *r = &b->out->registers[b->out->registers_len++];
    *r = (bl_built){ .name = name };
    return r;
}

void bl_build_known(bl_building *b, const char *name, const uint8_t *value, size_t size)
{
    bl_built *r = add(b, name);
    memcpy(r->value, value, size);
    r->size = size;
}

void bl_build_unknown(bl_building *b, const char *name, const char *why)
{
    add(b, name)->why = why;
}

void bl_build_note(bl_building *b, const char *note)
{
    if (b->out->notes_len < BL_LEN(b->out->notes))
        b->out->notes[b->out->notes_len++] = note;
}

blind_code bl_build_choose(bl_building *b, const char *option, const char *word,
                           const char *const *words, unsigned *out)
{
    *out = 0;
    for (unsigned i = 0; word && words[i]; i++)
        if (strcmp(word, words[i]) == 0) {
            *out = i;
            return BLIND_OK;
        }
    return word ? blind_fail(b->err, BLIND_USAGE, STAGE, "no %s '%s'", option, word) : BLIND_OK;
}

blind_code bl_build_missing(bl_building *b, const char *option)
{
    return blind_fail(b->err, BLIND_USAGE, STAGE, "nothing to measure: no %s", option);
}

/* ---- sim ---- */

static blind_code build_sim(bl_building *b)
{
    uint8_t  value[48];
    uint64_t size;
    if (!b->build->binary)
        return bl_build_missing(b, "binary");
    BL_TRY(bl_measure_sim(b->build->binary, value, &size, b->err));
    bl_build_known(b, "measurement", value, sizeof value);
    b->out->what =
        bl_arena_printf(b->arena, "SHA-384 of the program, %llu bytes", (unsigned long long)size);
    bl_build_note(b, "Simulated evidence is signed by a key that everybody knows: it passes only "
                     "where the caller says so too (--simulation).");
    return BLIND_OK;
}

/* ---- the tables ---- */

enum { SIM = 1, TPM = 2, SNP = 4, TDX = 8, NITRO = 16, SGX = 32 };

static const struct {
    const char *name;
    unsigned    bit;
    blind_code (*measure)(bl_building *b);
} tees[] = {
    { "sim", SIM, build_sim },    { "tpm", TPM, bl_build_tpm },       { "snp", SNP, bl_build_snp },
    { "tdx", TDX, bl_build_tdx }, { "nitro", NITRO, bl_build_nitro }, { "sgx", SGX, bl_build_sgx },
};

/* What each part of a build means something to. */
static blind_code check_parts(const blind_build *p, const char *tee, unsigned bit, blind_error *err)
{
    const struct {
        const char *name;
        bool        given;
        unsigned    tees;
    } parts[] = {
        { "binary", p->binary, SIM },
        { "uki", p->uki, TPM | SNP | TDX },
        { "firmware", p->firmware, SNP | TDX },
        { "kernel", p->kernel, SNP },
        { "initrd", p->initrd, SNP },
        { "cmdline", p->command_line, SNP },
        { "firmware-only", p->firmware_only, SNP },
        { "vcpus", p->vcpus, SNP },
        { "vcpu-type", p->vcpu_type, SNP },
        { "vmm", p->vmm, SNP },
        { "guest-features", p->guest_features, SNP },
        { "start", p->start, TPM | TDX },
        { "secure-boot", p->secure_boot, TPM | TDX },
        { "pk", p->pk, TPM | TDX },
        { "kek", p->kek, TPM | TDX },
        { "db", p->db, TPM | TDX },
        { "dbx", p->dbx, TPM | TDX },
        { "authority", p->authority, TPM | TDX },
        { "phases", p->phases, TPM | TDX },
        { "stub", p->stub, TPM | TDX },
        { "page-order", p->page_order, TDX },
        { "eif", p->eif, NITRO },
        { "sigstruct", p->sigstruct, SGX },
    };
    for (size_t i = 0; i < BL_LEN(parts); i++)
        if (parts[i].given && !(parts[i].tees & bit))
            return blind_fail(err, BLIND_USAGE, STAGE, "'%s' means nothing to TEE '%s'",
                              parts[i].name, tee);
    return BLIND_OK;
}

blind_code bl_build_measure(const char *tee, const blind_build *build, bl_arena *arena,
                            bl_build_result *out, blind_error *err)
{
    bl_building b = { .build = build, .arena = arena, .out = out, .err = err };
    *out = (bl_build_result){ 0 };
    for (size_t i = 0; i < BL_LEN(tees); i++) {
        if (strcmp(tees[i].name, tee) != 0)
            continue;
        BL_TRY(check_parts(build, tee, tees[i].bit, err));
        BL_TRY(tees[i].measure(&b));
        return out->what ? BLIND_OK : blind_fail(err, BLIND_MEMORY, STAGE, "out of memory");
    }
    return blind_fail(err, BLIND_USAGE, STAGE,
                      "no measuring for TEE '%s': there are sim, tpm, snp, tdx, nitro, sgx", tee);
}

/* ---- guessing ---- */

static bool starts_with(blind_span file, blind_span bytes)
{
    return file.size >= bytes.size && memcmp(file.data, bytes.data, bytes.size) == 0;
}

const char *bl_build_guess(blind_span file)
{
    static const uint8_t sigstruct[] = { 0x06, 0, 0, 0, 0xe1, 0, 0, 0 };
    static const uint8_t footer[] = { 0xde, 0x82, 0xb5, 0x96, 0xb2, 0x1f, 0xf7, 0x45 };
    if (starts_with(file, BL_LITERAL(".eif")))
        return "nitro";
    if (starts_with(file, BL_LITERAL("MZ")))
        return "tpm";
    if (starts_with(file, bl_span(sigstruct, sizeof sigstruct)))
        return "sgx";
    if (file.size >= 4096 &&
        starts_with(bl_span(file.data + file.size - 48, 48), bl_span(footer, sizeof footer)))
        return NULL;
    return "sim";
}
