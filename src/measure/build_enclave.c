/* Enclaves: images of Nitro, SIGSTRUCTs of SGX. */
#include "measure/build_internal.h"
#include "measure/eif.h"
#include "measure/sigstruct.h"

blind_code bl_build_nitro(bl_building *b)
{
    bl_auto_buf        image = BL_BUF_EMPTY;
    bl_eif             eif;
    bl_eif_measurement m;
    const char        *path = b->build->eif;
    if (!path)
        return bl_build_missing(b, "enclave image");
    BL_TRY(bl_build_read(b, path, &image));
    blind_code code = bl_eif_parse(bl_buf_span(&image), &eif, b->err);
    if (code == BLIND_OK)
        code = bl_eif_measure(&eif, &m, b->err);
    if (code != BLIND_OK)
        return blind_fail_in(b->err, code, "'%s'", path);
    bl_build_known(b, "pcr0", m.pcr0, 48);
    bl_build_known(b, "pcr1", m.pcr1, 48);
    bl_build_known(b, "pcr2", m.pcr2, 48);
    if (m.is_signed)
        bl_build_known(b, "pcr8", m.pcr8, 48);
    b->out->what = m.is_signed ? "a signed enclave image" : "an enclave image that is not signed";
    return BLIND_OK;
}

blind_code bl_build_sgx(bl_building *b)
{
    bl_auto_buf  raw = BL_BUF_EMPTY;
    bl_sigstruct s;
    const char  *path = b->build->sigstruct;
    if (!path)
        return bl_build_missing(b, "SIGSTRUCT");
    BL_TRY(bl_build_read(b, path, &raw));
    blind_code code = bl_sigstruct_parse(bl_buf_span(&raw), &s, b->err);
    if (code != BLIND_OK)
        return blind_fail_in(b->err, code, "'%s'", path);
    bl_build_known(b, "mrenclave", s.mrenclave, 32);
    bl_build_known(b, "mrsigner", s.mrsigner, 32);
    b->out->facts[b->out->facts_len++] = (bl_built_fact){ "isv_prod_id", s.prod_id, false };
    b->out->facts[b->out->facts_len++] = (bl_built_fact){ "isv_svn", s.svn, true };
    b->out->what = bl_arena_printf(b->arena, "a SIGSTRUCT of %08x", s.date);
    if (bl_sigstruct_may_debug(&s))
        bl_build_note(b, "The signer lets it be started with its debugger on; the policy refuses "
                         "it then, unless it says allow_debug.");
    return BLIND_OK;
}
