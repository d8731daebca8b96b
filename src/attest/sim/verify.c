/* Simulated evidence, fields to claims.
 *
 * The signature is checked as a real one would be, and proves as little as its key, which is
 * public: memory is not encrypted and the host sees everything, and the claims say so. */
#include "attest/sim/sim.h"
#include "crypto/hash.h"

#include <pthread.h>

/* SubjectPublicKeyInfo of the P-256 key whose scalar is SHA-256(BL_SIM_KEY_TEXT). */
static const uint8_t SIM_SPKI[] = {
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04, 0xa6, 0x3a, 0xfd, 0x4c, 0x4d,
    0x62, 0x4d, 0x03, 0x3c, 0xfb, 0x91, 0xa2, 0x1c, 0xbf, 0x60, 0x55, 0x51, 0xa5, 0xe7, 0xa0, 0x31,
    0xf1, 0x3f, 0xad, 0x51, 0x5c, 0x83, 0xcd, 0x6f, 0x4f, 0x25, 0xf5, 0x2e, 0x2f, 0xb2, 0x57, 0xe3,
    0xf0, 0xfe, 0x9e, 0x7d, 0x1a, 0x63, 0xbf, 0xdd, 0x8a, 0xb2, 0x1f, 0x37, 0x59, 0x37, 0xfa, 0x00,
    0x5f, 0x6a, 0x2e, 0x2c, 0x1b, 0xf9, 0x3e, 0x1d, 0x1d, 0x52, 0xf1,
};

static bl_key        *public_key; /* read once; lives as long as the process */
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void read_public_key(void)
{
    (void)!bl_key_from_spki(bl_span(SIM_SPKI, sizeof SIM_SPKI), &public_key, NULL);
}

blind_code bl_sim_public_key(bl_key **out, blind_error *err)
{
    pthread_once(&once, read_public_key);
    if (!public_key)
        return bl_key_from_spki(bl_span(SIM_SPKI, sizeof SIM_SPKI), out, err);
    *out = bl_key_share(public_key);
    return BLIND_OK;
}

blind_code bl_sim_private_key(bl_key **out, blind_error *err)
{
    uint8_t scalar[32];
    *out = NULL;
    if (bl_sha256(BL_LITERAL(BL_SIM_KEY_TEXT), scalar) != BLIND_OK)
        return blind_fail(err, BLIND_MEMORY, "sim.key", "out of memory");
    return bl_key_from_p256_scalar(scalar, out, err);
}

static void claims_of(const bl_sim_report *report, bl_claims *out)
{
    *out = (bl_claims){ .tee = "sim",
                        .simulated = true,
                        .measurements = { { "measurement", report->measurement } },
                        .measurements_len = 1,
                        .report_data = report->report_data,
                        .time_s = (int64_t)report->time_s,
                        .not_debuggable =
                            report->flags & BL_SIM_FLAG_DEBUG ? BLIND_REFUTED : BLIND_PROVEN,
                        .memory_encrypted = BLIND_REFUTED,
                        .trusts_host = true,
                        .trusts_hypervisor = true,
                        .trusts_firmware = true };
}

blind_code bl_sim_verify(const bl_verify_input *in, bl_claims *out, blind_error *err)
{
    bl_sim_report       report;
    bl_auto_key bl_key *key = NULL;
    *out = (bl_claims){ .tee = "sim", .simulated = true };
    BL_TRY(bl_sim_report_parse(in->evidence, &report, err));
    if (in->parts->len)
        return blind_fail(err, BLIND_FORMAT, "sim.endorsements", "%zu endorsements, expected none",
                          in->parts->len);
    claims_of(&report, out);
    BL_TRY(bl_sim_public_key(&key, err));
    if (bl_key_verify(key, BL_ECDSA_P256_SHA256_RAW, bl_span(in->evidence.data, BL_SIM_SIGNED_SIZE),
                      report.signature, NULL) == BLIND_OK)
        return BLIND_OK;
    return blind_fail(err, BLIND_SIGNATURE, "sim.signature",
                      "the report is not signed by the simulation key");
}
