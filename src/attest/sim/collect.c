/* Makes simulated reports: measures the executable once, signs for each request; lies on request,
 * so that tests can show what verifiers refuse. */
#include "attest/sim/sim.h"
#include "crypto/hash.h"

#include <stdlib.h>

typedef struct {
    bl_key  *key;
    unsigned lies;
    uint8_t  measurement[BL_SHA384_SIZE];
} device;

void bl_sim_close(void *opened)
{
    device *d = opened;
    if (!d)
        return;
    bl_key_free(d->key);
    free(d);
}

blind_code bl_sim_open(const bl_tee_options *options, void **out, blind_error *err)
{
    static const char self[] = "/proc/self/exe";
    *out = NULL;
    device *d = calloc(1, sizeof *d);
    if (!d)
        return blind_fail(err, BLIND_MEMORY, "sim.open", "out of memory");
    d->lies = options->sim_lies;
    blind_code code = bl_sim_private_key(&d->key, err);
    if (code == BLIND_OK)
        code = bl_hash_file(BL_SHA384, options->sim_binary ? options->sim_binary : self,
                            d->measurement, NULL, err);
    if (code == BLIND_OK && d->lies & BL_SIM_LIE_MEASUREMENT)
        d->measurement[0] ^= 1;
    if (code == BLIND_OK)
        *out = d;
    else
        bl_sim_close(d);
    return code;
}

blind_code bl_sim_collect(void *opened, blind_span report_data, int64_t now_s, bl_buf *evidence,
                          blind_error *err)
{
    const device *d = opened;
    uint8_t       field[64] = { 0 };
    size_t        start = evidence->size;
    if (report_data.size == 0 || report_data.size > sizeof field)
        return blind_fail(err, BLIND_USAGE, "sim.collect", "%zu bytes of report data, at most %zu",
                          report_data.size, sizeof field);
    memcpy(field, report_data.data, report_data.size);
    if (d->lies & BL_SIM_LIE_BINDING)
        field[0] ^= 1;
    bl_sim_report report = { .version = 1,
                             .flags = d->lies & BL_SIM_LIE_DEBUG ? BL_SIM_FLAG_DEBUG : 0,
                             .measurement = bl_span(d->measurement, sizeof d->measurement),
                             .report_data = bl_span(field, sizeof field),
                             .time_s = now_s > 0 ? (uint64_t)now_s : 0 };
    bl_sim_report_write(&report, evidence);
    BL_TRY(bl_buf_check(evidence, "sim.collect", err));
    BL_TRY(bl_key_sign(d->key, BL_ECDSA_P256_SHA256_RAW,
                       bl_span(evidence->data + start, BL_SIM_SIGNED_SIZE), evidence, err));
    if (d->lies & BL_SIM_LIE_SIGNATURE)
        evidence->data[evidence->size - 1] ^= 1;
    return BLIND_OK;
}
