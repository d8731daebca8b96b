/* Enclave images of AWS Nitro: what an attestation document will say as PCR0, PCR1, PCR2 and PCR8.
 *
 * Source: aws-nitro-enclaves-image-format, versions 2 to 4 of the format; AWS Nitro Enclaves User
 * Guide, "Cryptographic attestation" (which register holds what). */
#ifndef BL_EIF_H
#define BL_EIF_H

#include "base/base.h"
#include "base/limits.h"

typedef struct {
    uint16_t   version;
    bool       arm64;
    blind_span kernel, command_line;
    blind_span ramdisks[BL_MAX_EIF_SECTIONS]; /* the first is the bootstrap's */
    size_t     ramdisks_len;
    blind_span metadata;  /* JSON about the build; not measured */
    blind_span signature; /* CBOR; empty: not signed */
} bl_eif;

typedef struct {
    uint8_t pcr0[48]; /* kernel, command line and all ramdisks */
    uint8_t pcr1[48]; /* kernel, command line and the first ramdisk */
    uint8_t pcr2[48]; /* the other ramdisks: the application */
    uint8_t pcr8[48]; /* the certificate that signed; zeros when not signed */
    bool    is_signed;
} bl_eif_measurement;

/* Reads an image: header, sections one behind the other as the header lists them, CRC.  The order
 * is kernel, command line, ramdisks, signature, as the builder writes them. Errors: INPUT.  *out,
 * which borrows, is empty on failure. */
BLIND_MUST_USE blind_code bl_eif_parse(blind_span image, bl_eif *out, blind_error *err);

/* The signature itself is not checked: the hypervisor refuses an image whose signature is wrong.
 * Errors: INPUT (a signature section without a certificate), MEMORY. */
BLIND_MUST_USE blind_code bl_eif_measure(const bl_eif *eif, bl_eif_measurement *out,
                                         blind_error *err);

/* CRC-32 of an image without the field that holds it.  Source: ISO 3309, as in IEEE 802.3. */
uint32_t bl_eif_crc32(blind_span image);

enum { BL_EIF_HEADER = 548, BL_EIF_CRC_AT = 544 };

#endif
