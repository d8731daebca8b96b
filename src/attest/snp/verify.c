/* SEV-SNP evidence, fields to claims: chain, revocation, what the certificate says of the report,
 * and the report's signature.  Each step is a finding; later ones go on where they still mean
 * something. */
#include "attest/snp/internal.h"

static const char REPORT[] = "AMD 56860, section 7.3";
static const char CERTS[] = "AMD 57230, sections 3 and 4";

typedef struct {
    const bl_verify_input *in;
    bl_claims             *out;
    bl_snp_report          report;
    bl_snp_certs           certs;
    bl_snp_chain          *chain; /* NULL: there is none */
} verification;

static const char *text(verification *v, const char *made)
{
    v->out->failed |= !made;
    return made ? made : "";
}

/* A step's failure in the words of evidence: what could not be read is no chain.  Its success is
 * `good`. */
static void find_step(verification *v, const char *name, blind_code code, const blind_error *err,
                      const char *expected, const char *good, const char *source)
{
    if (code == BLIND_OK) {
        bl_find(v->out, name, true, BLIND_CHAIN, expected, good, source);
        return;
    }
    if (code != BLIND_MEMORY && blind_code_exit(code) != 10)
        code = BLIND_CHAIN;
    (void)bl_find_step(v->out, v->in->arena, name, code, err, expected, source);
}

static const char *signer_name(unsigned signer)
{
    return signer == BL_SNP_VCEK     ? "VCEK"
           : signer == BL_SNP_VLEK   ? "VLEK"
           : signer == BL_SNP_NO_KEY ? "none"
                                     : "a reserved value";
}

static void judge_chain(verification *v)
{
    const char *good = NULL;
    blind_error err = { 0 };
    blind_code  code = bl_snp_certs_of(v->in->parts, &v->certs, &err);
    if (code == BLIND_OK)
        code = bl_snp_chain_get(v->in, &v->certs, &v->chain, &err);
    if (code == BLIND_OK) {
        const bl_snp_product *p = v->chain->product;
        good = v->chain->vlek ? bl_arena_printf(v->in->arena, "VLEK, %s, ARK-%s", p->asvk, p->name)
                              : bl_arena_printf(v->in->arena, "VCEK, %s, ARK-%s", p->ask, p->name);
    }
    find_step(v, "chain", code, &err, "a chain to a pinned key of AMD",
              code == BLIND_OK ? text(v, good) : NULL, CERTS);
}

static void judge_validity(verification *v)
{
    blind_error err = { 0 };
    blind_code  code = bl_chain_at(&v->chain->certs, v->in->now_s, &err);
    find_step(v, "validity", code, &err, "certificates in force", "as expected",
              "RFC 5280, section 4.1.2.5");
}

static void judge_revocation(verification *v)
{
    static const char source[] = "AMD 57230, section 4.3; RFC 5280, section 6.3";
    blind_error       err = { 0 };
    if (v->in->rules->no_collateral) {
        bl_find_beside(v->out, "revocation", BLIND_UNKNOWN, BLIND_REVOKED,
                       "nothing, as the policy says", "not looked at", source);
        return;
    }
    blind_code code = bl_snp_crl_check(v->in, v->certs.crl, v->chain, &err);
    if (code == BLIND_OK && !v->certs.crl.size)
        bl_find_beside(v->out, "revocation", BLIND_UNKNOWN, BLIND_REVOKED,
                       "the ARK's list does not name the ASK or ASVK",
                       "no list was given; not one of those known to be revoked", source);
    else
        find_step(v, "revocation", code, &err, "the ARK's list does not name the ASK or ASVK",
                  "not named", source);
}

static void judge_signer(verification *v)
{
    const char *want = v->chain->vlek ? "VLEK" : "VCEK", *found = signer_name(v->report.signer);
    bl_find(v->out, "signing key", strcmp(want, found) == 0, BLIND_CHAIN, want, found, REPORT);
}

/* Which layout the TCB has hangs on this.  Reports of version 2 know no CPUID, and no Turin. */
static void judge_product(verification *v)
{
    const bl_snp_product *p = v->chain->product;
    const bl_snp_report  *r = &v->report;
    blind_error           err = { 0 };
    blind_code            code = bl_snp_leaf_product(v->chain, &err);
    if (code == BLIND_OK && !r->has_cpuid && p->fmc)
        code = blind_fail(&err, BLIND_CHAIN, "snp.product",
                          "a report of version 2, which %s does not make", p->name);
    if (code == BLIND_OK && r->has_cpuid && bl_snp_product_of_report(r) != p)
        code = blind_fail(&err, BLIND_CHAIN, "snp.product",
                          "CPUID family %02x model %02x, which is no %s", r->family, r->model,
                          p->name);
    const char *good = r->has_cpuid
                           ? bl_arena_printf(v->in->arena, "%s, CPUID family %02x model %02x",
                                             p->name, r->family, r->model)
                           : p->name;
    find_step(v, "product", code, &err,
              text(v, bl_arena_printf(v->in->arena, "%s in certificate and report", p->name)),
              text(v, good), "AMD 57230, section 3.1; AMD 56860, section 7.3");
}

static const char *levels_text(bl_arena *arena, const bl_snp_product *p, const bl_snp_tcb *tcb)
{
    const uint8_t *l = tcb->level;
    return p->fmc ? bl_arena_printf(arena, "FMC %u, bootloader %u, TEE %u, SNP %u, microcode %u",
                                    l[BL_SNP_FMC], l[BL_SNP_BOOTLOADER], l[BL_SNP_TEE],
                                    l[BL_SNP_SNP], l[BL_SNP_MICROCODE])
                  : bl_arena_printf(arena, "bootloader %u, TEE %u, SNP %u, microcode %u",
                                    l[BL_SNP_BOOTLOADER], l[BL_SNP_TEE], l[BL_SNP_SNP],
                                    l[BL_SNP_MICROCODE]);
}

static void judge_tcb(verification *v)
{
    const bl_snp_product *p = v->chain->product;
    bl_snp_tcb            tcb = bl_snp_tcb_of(p, v->report.reported_tcb);
    blind_error           err = { 0 };
    blind_code            code = bl_snp_leaf_tcb(v->chain, v->report.reported_tcb, &err);
    find_step(v, "tcb extensions", code, &err, "patch levels of the certificate equal the report's",
              text(v, levels_text(v->in->arena, p, &tcb)),
              "AMD 57230, section 3.1; AMD 56860, section 2.2");
    bl_snp_claim_tcb(p, &v->report, v->out);
    if (code == BLIND_OK && !v->in->rules->no_collateral)
        bl_snp_tcb_judge(p, &tcb, v->in->arena, v->out);
}

static bool is_zero(blind_span bytes)
{
    uint8_t any = 0;
    for (size_t i = 0; i < bytes.size; i++)
        any |= bytes.data[i];
    return any == 0;
}

/* The chip id is the certificate's, and bytes that the product does not use are zero. */
static bool chip_is(blind_span chip, blind_span hwid)
{
    return bl_span_equal(bl_span(chip.data, hwid.size), hwid) &&
           is_zero(bl_span(chip.data + hwid.size, chip.size - hwid.size));
}

/* A masked chip id is nobody's: it neither matches nor fails to match. */
static void judge_hardware(verification *v)
{
    static const char expected[] = "the chip that the certificate names";
    blind_error       err = { 0 };
    blind_span        hwid, csp, chip = v->report.chip_id;
    blind_code        code = bl_snp_leaf_identity(v->chain, &hwid, &csp, &err);
    bool              masked = is_zero(chip);
    if (csp.size)
        bl_claim_bytes(
            v->out, "csp",
            bl_span(text(v, bl_arena_copy(v->in->arena, csp)), v->out->failed ? 0 : csp.size));
    if (!masked)
        bl_claim_bytes(v->out, "chip_id", chip);
    if (code == BLIND_OK && hwid.size && !masked && !chip_is(chip, hwid))
        code = blind_fail(&err, BLIND_CHAIN, "snp.chip", "the report of another chip");
    if (code == BLIND_OK && (masked || !hwid.size)) {
        bl_find_beside(v->out, "hardware id", BLIND_UNKNOWN, BLIND_CHAIN, expected,
                       masked ? "the chip id is masked"
                              : "a VLEK, which names a cloud provider and no chip",
                       CERTS);
        return;
    }
    find_step(v, "hardware id", code, &err, expected, "the same chip", CERTS);
    if (code == BLIND_OK)
        v->out->hardware_id = bl_span(chip.data, hwid.size);
}

/* 48 bytes little-endian -> big-endian */
static void reverse(blind_span in, uint8_t *out)
{
    for (size_t i = 0; i < in.size; i++)
        out[i] = in.data[in.size - 1 - i];
}

static void judge_signature(verification *v)
{
    static const char expected[] = "the report is signed by the chain's key";
    uint8_t           signature[96];
    blind_error       err = { 0 };
    reverse(v->report.r, signature);
    reverse(v->report.s, signature + 48);
    blind_code code = bl_key_verify(bl_x509_key(v->chain->certs.certs[0]), BL_ECDSA_P384_SHA384_RAW,
                                    bl_span(v->in->evidence.data, BL_SNP_SIGNED_SIZE),
                                    bl_span(signature, sizeof signature), &err);
    find_step(v, "report signature", code, &err, expected, "as expected", REPORT);
}

static void judge_steps(verification *v)
{
    judge_validity(v);
    judge_revocation(v);
    judge_signer(v);
    judge_product(v);
    judge_tcb(v);
    judge_hardware(v);
    judge_signature(v);
}

blind_code bl_snp_verify(const bl_verify_input *in, bl_claims *out, blind_error *err)
{
    verification v = { .in = in, .out = out };
    out->tee = "snp";
    BL_TRY(bl_snp_report_parse(in->evidence, &v.report, err));
    bl_snp_claim(&v.report, out);
    judge_chain(&v);
    if (v.chain)
        judge_steps(&v);
    else
        bl_find_beside(out, "report signature", BLIND_UNKNOWN, BLIND_SIGNATURE,
                       "the report is signed by the chain's key", "there is no chain", REPORT);
    bl_cached_release(v.chain);
    return bl_findings_code(out, err);
}
