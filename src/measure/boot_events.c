/* Extensions, collected and folded. */
#include "measure/boot_events.h"

void bl_boot_add_digest(bl_boot_steps *s, uint32_t pcr, const char *what, const uint8_t *digest)
{
    if (s->code != BLIND_OK)
        return;
    if (s->len == BL_MAX_BOOT_STEPS) {
        s->code = BLIND_LIMIT;
        return;
    }
    bl_boot_step *step = &s->steps[s->len++];
    *step = (bl_boot_step){ .pcr = pcr, .what = what };
    memcpy(step->digest, digest, bl_hash_size(s->bank));
}

void bl_boot_add(bl_boot_steps *s, uint32_t pcr, const char *what, blind_span data)
{
    uint8_t digest[BL_HASH_MAX];
    if (s->code == BLIND_OK)
        s->code = bl_hash_of(s->bank, data, digest);
    bl_boot_add_digest(s, pcr, what, digest);
}

/* reg = H(reg || digest). */
blind_code bl_boot_fold(const bl_boot_steps *s, uint32_t mask, uint8_t out[BL_HASH_MAX],
                        blind_error *err)
{
    size_t     size = bl_hash_size(s->bank);
    uint8_t    both[2 * BL_HASH_MAX];
    blind_code code = s->code;
    memset(out, 0, BL_HASH_MAX);
    for (size_t i = 0; i < s->len && code == BLIND_OK; i++) {
        if (!(mask >> s->steps[i].pcr & 1))
            continue;
        memcpy(both, out, size);
        memcpy(both + size, s->steps[i].digest, size);
        code = bl_hash_of(s->bank, bl_span(both, 2 * size), out);
    }
    if (code == BLIND_OK)
        return BLIND_OK;
    memset(out, 0, BL_HASH_MAX);
    return blind_fail(err, code, "boot.fold", "%s", blind_code_text(code));
}
