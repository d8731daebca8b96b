/* The row of AWS Nitro Enclaves. */
#include "attest/nitro/nitro.h"

#define PCR(n)                                                                                     \
    {                                                                                              \
        "pcr" #n, 48, 0                                                                            \
    }

/* 0 the whole image, 1 kernel and boot, 2 the application, 3 the parent's role, 4 the parent's
 * instance, 8 the image's signer; 16 to 31 are the enclave's own.
 * Source: AWS Nitro Enclaves User Guide, "Cryptographic attestation". */
static const bl_register_row registers[] = {
    PCR(0),  PCR(1),  PCR(2),  PCR(3),  PCR(4),  PCR(5),         PCR(6),  PCR(7),  PCR(8),
    PCR(9),  PCR(10), PCR(11), PCR(12), PCR(13), PCR(14),        PCR(15), PCR(16), PCR(17),
    PCR(18), PCR(19), PCR(20), PCR(21), PCR(22), PCR(23),        PCR(24), PCR(25), PCR(26),
    PCR(27), PCR(28), PCR(29), PCR(30), PCR(31), { NULL, 0, 0 },
};

static const bl_fact_row facts[] = {
    BL_TEXT("module_id"),
    BL_BYTES("nonce", 0, BLIND_BINDING),
    BL_BYTES("user_data", 0, BLIND_BINDING),
    BL_BYTES("public_key", 0, BLIND_OK),
    BL_NO_MORE_FACTS,
};

const bl_tee bl_tee_nitro = {
    .name = "nitro",
    .report_data_size = 64,
    .registers = registers,
    .facts = facts,
    .roots = &bl_nitro_roots,
    .open = bl_nitro_open,
    .collect = bl_nitro_collect,
    .close = bl_nitro_close,
    .verify = bl_nitro_verify,
};
