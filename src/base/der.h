/* DER, front to back: definite, shortest lengths and one-byte tags, as certificates, keys and their
 * extensions are made.  As with every bl_reader, failure sticks.  Source: ITU-T X.690, section 10.
 */
#ifndef BL_DER_H
#define BL_DER_H

#include "base/reader.h"

enum {
    BL_DER_BOOLEAN = 0x01,
    BL_DER_INTEGER = 0x02,
    BL_DER_BIT_STRING = 0x03,
    BL_DER_OCTET_STRING = 0x04,
    BL_DER_NULL = 0x05,
    BL_DER_OID = 0x06,
    BL_DER_ENUMERATED = 0x0a,
    BL_DER_UTF8_STRING = 0x0c,
    BL_DER_PRINTABLE_STRING = 0x13,
    BL_DER_T61_STRING = 0x14,
    BL_DER_IA5_STRING = 0x16,
    BL_DER_UTC_TIME = 0x17,
    BL_DER_GENERALIZED_TIME = 0x18,
    BL_DER_SEQUENCE = 0x30,
    BL_DER_SET = 0x31,
    BL_DER_CONTEXT = 0x80,             /* [0] primitive */
    BL_DER_CONTEXT_CONSTRUCTED = 0xa0, /* [0] constructed */
};

typedef struct {
    uint8_t    tag;
    blind_span content;
    blind_span whole; /* with its head */
} bl_der;

/* The next element; false at the end, and on failure. */
bool bl_der_next(bl_reader *r, bl_der *out);
/* The content of the next element, which must have this tag. */
blind_span bl_der_read(bl_reader *r, uint8_t tag);
/* The same with its head. */
blind_span bl_der_read_whole(bl_reader *r, uint8_t tag);
/* The tag of the next element; 0 at the end or after a failure. */
uint8_t bl_der_peek(const bl_reader *r);
/* A reader of the content of the next element, failed if it has another tag. */
bl_reader bl_der_enter(bl_reader *r, uint8_t tag);
/* A non-negative INTEGER or ENUMERATED below 2^63 in its shortest form. */
uint64_t bl_der_read_uint(bl_reader *r, uint8_t tag);
bool     bl_der_read_bool(bl_reader *r);
/* UTCTime or GeneralizedTime in seconds since 1970, to the second and in UTC, as RFC 5280, section
 * 4.1.2.5 asks. */
int64_t bl_der_read_time(bl_reader *r);
/* "1.2.840" -> content octets of an OBJECT IDENTIFIER; 0 when it does not fit or is none. */
size_t bl_der_oid(const char *text, uint8_t *out, size_t size);

#endif
