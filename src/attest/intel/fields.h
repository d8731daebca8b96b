/* What TCB info and identities of enclaves have in common: times, levels, hexadecimal fields. */
#ifndef BL_INTEL_FIELDS_H
#define BL_INTEL_FIELDS_H

#include "attest/intel/tcb_info.h"
#include "base/json.h"

/* Each reads one member of `object`.  Errors: INPUT, LIMIT, MEMORY */
BLIND_MUST_USE blind_code bl_intel_hex(const json_t *object, const char *key, uint8_t *out,
                                       size_t size, blind_error *err);
BLIND_MUST_USE blind_code bl_intel_time(const json_t *object, const char *key, int64_t *out,
                                        blind_error *err);
BLIND_MUST_USE blind_code bl_intel_u32(const json_t *object, const char *key, uint32_t most,
                                       uint32_t *out, blind_error *err);
/* issueDate and nextUpdate, in this order of time. */
BLIND_MUST_USE blind_code bl_intel_window(const json_t *object, int64_t *issue_s, int64_t *next_s,
                                          blind_error *err);
/* tcbDate, tcbStatus and advisoryIDs of a level. */
BLIND_MUST_USE blind_code bl_intel_level(const json_t *level, bl_arena *arena, int64_t *date_s,
                                         bl_tcb_status *status, bl_advisories *advisories,
                                         blind_error *err);
/* tcbLevels of { isvsvn }; one at least, isvsvn falling. */
BLIND_MUST_USE blind_code bl_intel_isv_levels(const json_t *object, bl_arena *arena,
                                              bl_isv_levels *out, blind_error *err);
/* Code and message of a failed read as one of collateral: FORMAT unless MEMORY. */
blind_code bl_intel_malformed(blind_code code, const char *what, blind_error *err);

#endif
