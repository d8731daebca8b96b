/* NVIDIA GPU attestation reports: the SPDM request and the response with the measurements, signed
 * by the device.
 *
 *     0x00  1   SPDM version 1.1, 0x11
 *     0x01  1   GET_MEASUREMENTS, 0xe0
 *     0x02  1   attributes: bit 0 a signature is asked for
 *     0x03  1   which: 0xff all
 *     0x04  32  nonce of the requester: our report data
 *     0x24  1   slot of the certificate chain
 *     0x25  1   SPDM version 1.1, 0x11
 *     0x26  1   MEASUREMENTS, 0x60
 *     0x27  2   parameters
 *     0x29  1   number of blocks N
 *     0x2a  3   bytes of the blocks, little-endian
 *     0x2d      N blocks: index 1, specification 1 (1: DMTF), size 2, then the value: type 1, size
 *               2, digest 48
 *           32  nonce of the device
 *           2   bytes of opaque data, then those: type 2, size 2, value
 *           96  ECDSA P-384 with SHA-384, r || s big-endian, over everything before it
 *
 * Integers are little-endian.  Part: "cert_chain", PEM or DER, the device's certificate first.
 * What measurements should be is in NVIDIA's reference manifests, which are not read here: a policy
 * states them.  Neither is the status of certificates (OCSP) asked.
 * Source: DMTF DSP0274 1.1.2, sections 10.11 (GET_MEASUREMENTS, MEASUREMENTS) and 10.11.1 (blocks);
 * NVIDIA, attestation-sdk, opaque data types. */
#ifndef BL_NVIDIA_H
#define BL_NVIDIA_H

#include "attest/tee.h"

#define BL_NVIDIA_MEASUREMENTS   64
#define BL_NVIDIA_SIGNATURE_SIZE 96

typedef struct {
    blind_span nonce;                                    /* 32 bytes, the requester's */
    blind_span measurements[BL_NVIDIA_MEASUREMENTS + 1]; /* by index from 1; empty: not there */
    blind_span device_nonce;                             /* 32 bytes */
    /* From the opaque data; empty where it is not there.  Texts without their padding. */
    blind_span driver_version, chip_sku, project, project_sku;
    blind_span vbios;    /* 8 bytes */
    blind_span board_id; /* 4 bytes */
    blind_span fwid;     /* 48 bytes: digest of the device's firmware */
    blind_span signed_bytes, signature;
} bl_nvidia_report;

/* Spans borrow from `raw`.  Errors: FORMAT */
BLIND_MUST_USE blind_code bl_nvidia_report_parse(blind_span raw, bl_nvidia_report *out,
                                                 blind_error *err);

extern const bl_roots bl_nvidia_roots;

/* The function of the row bl_tee_nvidia, which has no attester. */
blind_code bl_nvidia_verify(const bl_verify_input *in, bl_claims *out, blind_error *err);

#endif
