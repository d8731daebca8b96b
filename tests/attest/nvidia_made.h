/* A GPU of our own making: a root, a device certificate and reports signed by it. */
#ifndef NVIDIA_MADE_H
#define NVIDIA_MADE_H

#include "tests/attest/make_cert.h"

#include "attest/nvidia/nvidia.h"

#define GPU_NOW   INT64_C(1700000000)
#define GPU_NONCE "0123456789abcdef0123456789abcdef"

typedef struct {
    EVP_PKEY         *root, *leaf;
    make_cert_options root_options, leaf_options;
    make_extension    extension;
    bl_buf            spki, chain, tcb_info;
    bl_root           anchor;
    bl_roots          roots;
    uint8_t           digest[48], fwid[48]; /* of sevens, of nines */
    uint8_t           nonce[32];            /* GPU_NONCE */
} gpu_world;

void gpu_init(gpu_world *w);
void gpu_done(gpu_world *w);
/* Makes the chain anew from the options. */
void gpu_certify(gpu_world *w);
/* The same with a DiceTcbInfo of one FWID in the device's certificate. */
void gpu_certify_fwid(gpu_world *w, const uint8_t fwid[48]);

void gpu_put_block(bl_buf *out, uint8_t index, blind_span digest);
void gpu_put_opaque(bl_buf *out, uint16_t type, blind_span value);
/* The message around `blocks` blocks in `record` and `opaque`, signed by the device. */
void gpu_make(const gpu_world *w, size_t blocks, const bl_buf *record, const bl_buf *opaque,
              bl_buf *out);
/* Two blocks, m1 `digest` and m64 `fwid`, and the usual fields. */
void gpu_make_usual(const gpu_world *w, bl_buf *out);

#endif
