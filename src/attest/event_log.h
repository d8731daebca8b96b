/* The boot's event log: what firmware, loaders and kernels say they extended into which register.
 *
 * A log proves nothing by itself.  Its caller replays it and compares the registers with those that
 * the hardware signed; when they differ the evidence is refused.  After that the digests are what
 * was extended, and bl_event_check() says which part of an event's data its digest covers.
 *
 * Registers are numbered as the log has them: PCR 0 to 23 of a TPM; 1 to 4 for RTMR0 to RTMR3 of a
 * TD (index 0 is MRTD, which nothing extends).
 *
 * Source: TCG PC Client Platform Firmware Profile 1.06, section 10 (event log); UEFI 2.10, section
 * 38.4 (confidential computing event log). */
#ifndef BL_EVENT_LOG_H
#define BL_EVENT_LOG_H

#include "base/arena.h"
#include "base/limits.h"
#include "crypto/hash.h"

#define BL_REGISTERS 24

typedef enum {
    BL_LOG_OF_TPM, /* crypto-agile, or the old form with SHA-1 digests only */
    BL_LOG_OF_TD,  /* CCEL: crypto-agile; bytes 0x00 or 0xff may fill the table after the last event
                    */
} bl_event_log_kind;

/* name, number.  Source: the profile above, table 27; EV_DSTACK is dstack's own. */
#define BL_EVENT_TYPES(X)                                                                          \
    X(EV_PREBOOT_CERT, 0x00000000)                                                                 \
    X(EV_POST_CODE, 0x00000001)                                                                    \
    X(EV_UNUSED, 0x00000002)                                                                       \
    X(EV_NO_ACTION, 0x00000003)                                                                    \
    X(EV_SEPARATOR, 0x00000004)                                                                    \
    X(EV_ACTION, 0x00000005)                                                                       \
    X(EV_EVENT_TAG, 0x00000006)                                                                    \
    X(EV_S_CRTM_CONTENTS, 0x00000007)                                                              \
    X(EV_S_CRTM_VERSION, 0x00000008)                                                               \
    X(EV_CPU_MICROCODE, 0x00000009)                                                                \
    X(EV_PLATFORM_CONFIG_FLAGS, 0x0000000a)                                                        \
    X(EV_TABLE_OF_DEVICES, 0x0000000b)                                                             \
    X(EV_COMPACT_HASH, 0x0000000c)                                                                 \
    X(EV_IPL, 0x0000000d)                                                                          \
    X(EV_IPL_PARTITION_DATA, 0x0000000e)                                                           \
    X(EV_NONHOST_CODE, 0x0000000f)                                                                 \
    X(EV_NONHOST_CONFIG, 0x00000010)                                                               \
    X(EV_NONHOST_INFO, 0x00000011)                                                                 \
    X(EV_OMIT_BOOT_DEVICE_EVENTS, 0x00000012)                                                      \
    X(EV_POST_CODE2, 0x00000013)                                                                   \
    X(EV_DSTACK, 0x08000001)                                                                       \
    X(EV_EFI_VARIABLE_DRIVER_CONFIG, 0x80000001)                                                   \
    X(EV_EFI_VARIABLE_BOOT, 0x80000002)                                                            \
    X(EV_EFI_BOOT_SERVICES_APPLICATION, 0x80000003)                                                \
    X(EV_EFI_BOOT_SERVICES_DRIVER, 0x80000004)                                                     \
    X(EV_EFI_RUNTIME_SERVICES_DRIVER, 0x80000005)                                                  \
    X(EV_EFI_GPT_EVENT, 0x80000006)                                                                \
    X(EV_EFI_ACTION, 0x80000007)                                                                   \
    X(EV_EFI_PLATFORM_FIRMWARE_BLOB, 0x80000008)                                                   \
    X(EV_EFI_HANDOFF_TABLES, 0x80000009)                                                           \
    X(EV_EFI_PLATFORM_FIRMWARE_BLOB2, 0x8000000a)                                                  \
    X(EV_EFI_HANDOFF_TABLES2, 0x8000000b)                                                          \
    X(EV_EFI_VARIABLE_BOOT2, 0x8000000c)                                                           \
    X(EV_EFI_GPT_EVENT2, 0x8000000d)                                                               \
    X(EV_EFI_HCRTM_EVENT, 0x80000010)                                                              \
    X(EV_EFI_VARIABLE_AUTHORITY, 0x800000e0)                                                       \
    X(EV_EFI_SPDM_FIRMWARE_BLOB, 0x800000e1)                                                       \
    X(EV_EFI_SPDM_FIRMWARE_CONFIG, 0x800000e2)                                                     \
    X(EV_EFI_SPDM_DEVICE_POLICY, 0x800000e3)                                                       \
    X(EV_EFI_SPDM_DEVICE_AUTHORITY, 0x800000e4)

enum {
#define X(name, number) BL_##name = number,
    BL_EVENT_TYPES(X)
#undef X
};

typedef struct {
    uint32_t   reg;                    /* register, as numbered above */
    uint32_t   type;                   /* BL_EV_... */
    blind_span digests[BL_HASH_COUNT]; /* by bl_hash; empty: none of that bank */
    blind_span data;
    blind_span name; /* dstack's own events only */
} bl_event;

typedef struct {
    bl_event_log_kind kind;
    const bl_event   *events; /* in the arena; spans borrow from the input or lie there too */
    size_t            len;
    uint8_t           locality; /* of TPM2_Startup: the last byte of PCR 0 before the first event */
} bl_event_log;

/* Reads a log.  Errors: FORMAT, LIMIT (larger than BL_MAX_BOOT_LOG, more than BL_MAX_BOOT_EVENTS),
 * MEMORY.  *out is empty on failure. */
BLIND_MUST_USE blind_code bl_event_log_parse(blind_span raw, bl_event_log_kind kind,
                                             bl_arena *arena, bl_event_log *out, blind_error *err);
/* Reads dstack's form of a TD's log: a JSON array of {"imr": 0..3, "event_type": number, "digest":
 * 96 hexadecimal digits, "event": name, "event_payload": hexadecimal digits}.  Errors as above. */
BLIND_MUST_USE blind_code bl_event_log_parse_json(blind_span text, bl_arena *arena,
                                                  bl_event_log *out, blind_error *err);

/* Extends every event into registers that start at zero (PCR 0: with the locality in its last byte;
 * PCR 17 to 22: of ones, until a dynamic launch, which no log of ours has).
 *
 * bank     BL_BANK_SHA1, BL_SHA256, BL_SHA384 or BL_SHA512
 * regs     each of bl_hash_size(bank) bytes, the rest zero
 * touched  bit r is set where register r was extended; may be NULL
 * Errors   FORMAT: an event has no digest of this bank; MEMORY.  regs is zero on failure. */
BLIND_MUST_USE blind_code bl_event_log_replay(const bl_event_log *log, bl_hash bank,
                                              uint8_t   regs[BL_REGISTERS][BL_HASH_MAX],
                                              uint32_t *touched, blind_error *err);

/* The events of one register in their order: the one after `after`, the first when that is NULL;
 * NULL past the last.  Those that extend nothing (EV_NO_ACTION) are left out. */
const bl_event *bl_event_log_next(const bl_event_log *log, uint32_t reg, const bl_event *after);
/* "pcr4", "rtmr0", "mrtd"; NULL: no such register. */
const char *bl_event_register_name(bl_event_log_kind kind, uint32_t reg);
/* "EV_SEPARATOR"; NULL: unknown. */
const char *bl_event_type_name(uint32_t type);
/* One line of printable ASCII about an event: the variable's name, the action, the section.  It
 * repeats data that the digest need not cover: for people, never for decisions. */
void bl_event_describe(const bl_event *event, char *out, size_t size);

typedef enum {
    BL_EVENT_OPEN,    /* the digest covers something else than the data: data is a mere label */
    BL_EVENT_COVERED, /* the digest is that of `covered`, data or a part of it; of a UKI section's
                         name, which stands there in UTF-16, in ASCII */
    BL_EVENT_FALSE,   /* of this type the digest must cover the data, and does not */
} bl_event_cover;

/* Compares an event's data with its digest in one bank.
 *
 * covered  the part of the data (of dstack's events: the payload) that is proven; empty unless
 *          COVERED
 * Errors   FORMAT: no digest of this bank; MEMORY
 * Source: the profile above, section 10.4. */
BLIND_MUST_USE blind_code bl_event_check(const bl_event *event, bl_hash bank, bl_event_cover *out,
                                         blind_span *covered, blind_error *err);

#endif
