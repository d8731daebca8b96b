/* The Nitro security module's device, /dev/nsm: CBOR requests and responses through one ioctl.
 *
 *     request   {"Attestation": {"user_data": bytes|null, "nonce": bytes|null,
 *                                "public_key": bytes|null}}
 *     response  {"Attestation": {"document": bytes}} or {"Error": text}
 *
 * Source: Linux, include/uapi/linux/nsm.h; AWS, aws-nitro-enclaves-nsm-api, "Request" and
 * "Response". */
#ifndef BL_NSM_H
#define BL_NSM_H

#include "base/buf.h"

#define BL_NSM_MAX_REQUEST  0x1000
#define BL_NSM_MAX_RESPONSE 0x3000

/* The structure of the ioctl: addresses and sizes; the driver sets the response's size. */
typedef struct {
    uint64_t addr, len;
} bl_nsm_iovec;
typedef struct {
    bl_nsm_iovec request, response;
} bl_nsm_raw;

/* ioctl(fd, NSM_IOCTL_RAW, raw), or a stand-in for it: 0, or -1 with errno. */
typedef int (*bl_nsm_ioctl)(int fd, bl_nsm_raw *raw);

/* Appends a request; empty user data is sent as null. */
void bl_nsm_request_write(blind_span user_data, bl_buf *out);
/* The document of a response, borrowed.  Errors: FAILED (the module's own error), INPUT */
BLIND_MUST_USE blind_code bl_nsm_response_parse(blind_span raw, blind_span *document,
                                                blind_error *err);
/* Asks for one document and appends it.  Errors: IO, FAILED, INPUT, MEMORY */
BLIND_MUST_USE blind_code bl_nsm_attest(int fd, bl_nsm_ioctl call, blind_span user_data,
                                        bl_buf *document, blind_error *err);

#endif
