/* Errors: codes are for programs, stages for tests, messages for people.
 *
 * The error lives on the caller's stack: no globals and no allocation, so even exhausted memory can
 * be reported.  One table gives each code its exit status and its Python exception. */
#ifndef BLIND_ERROR_H
#define BLIND_ERROR_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#define BLIND_API      __attribute__((visibility("default")))
#define BLIND_MUST_USE __attribute__((warn_unused_result))

/* name, exit status, Python exception, text.  Of several failures the lowest exit status above 9 is
 * reported and all are listed. */
#define BLIND_CODES(X)                                                                             \
    X(OK, 0, "", "success")                                                                        \
    /* 10: no authentic, fresh and bound evidence of an enclave */                                 \
    X(EVIDENCE, 10, "NotAnEnclaveError", "no authentic evidence of an enclave")                    \
    X(FORMAT, 10, "EvidenceFormatError", "malformed evidence")                                     \
    X(SIGNATURE, 10, "EvidenceSignatureError", "evidence with a wrong signature")                  \
    X(CHAIN, 10, "EvidenceChainError", "evidence without a chain to a trusted root")               \
    X(REVOKED, 10, "RevokedError", "evidence signed by a revoked key")                             \
    X(STALE, 10, "StaleEvidenceError", "evidence or verdict too old")                              \
    X(BINDING, 10, "BindingMismatchError", "evidence bound to another session")                    \
    X(SIMULATION, 10, "SimulationNotAllowedError", "simulated evidence, which was not allowed")    \
    /* 11: authentic, but other code */                                                            \
    X(CODE, 11, "InvalidEnclaveCode", "authentic, but another code or model")                      \
    X(MEASUREMENT, 11, "MeasurementError", "authentic, but another measurement")                   \
    X(SIGNER, 11, "SignerError", "authentic, but another signer")                                  \
    X(MODEL, 11, "ModelError", "authentic, but another model")                                     \
    X(LOG, 11, "RuntimeLogError", "a runtime log that the evidence does not confirm")              \
    /* 12: right code, weaker isolation */                                                         \
    X(ISOLATION, 12, "NotIsolatedEnclaveError", "authentic, but isolated less than asked")         \
    X(DEBUG, 12, "DebugNotAllowedError", "an enclave that its host can debug")                     \
    X(RULES, 12, "WeakerRulesError", "isolation rules weaker than asked")                          \
    X(VMPL, 12, "VmplError", "a privilege level other than asked")                                 \
    X(SMT, 12, "SmtError", "simultaneous multithreading, which was not allowed")                   \
    X(TCB, 12, "TcbOutOfDateError", "firmware or microcode older than asked")                      \
    /* 13: the policy itself is unusable */                                                        \
    X(POLICY, 13, "PolicyError", "unusable policy")                                                \
    X(POLICY_KEY, 13, "PolicyKeyError", "policy with an unknown key")                              \
    X(POLICY_OPEN, 13, "PolicyOpenError", "policy that leaves a required rule open")               \
    X(POLICY_EXPIRED, 13, "PolicyExpiredError", "policy past its not_after")                       \
    /* 1, 2, 3: everything else */                                                                 \
    X(FAILED, 1, "BlindError", "failed")                                                           \
    X(USAGE, 2, "UsageError", "wrong usage")                                                       \
    X(UNSUPPORTED, 3, "UnsupportedError", "not supported")                                         \
    X(INPUT, 1, "InputError", "unacceptable input")                                                \
    X(LIMIT, 1, "LimitError", "larger than the limit")                                             \
    X(MEMORY, 1, "OutOfMemoryError", "out of memory")                                              \
    X(IO, 1, "IoError", "input or output failed")                                                  \
    X(NETWORK, 1, "NetworkError", "network failure")                                               \
    X(TLS, 1, "TlsIdentityError", "TLS or server identity failure")                                \
    X(TIMEOUT, 1, "TimeoutError", "timed out")                                                     \
    X(VERSION, 1, "VersionError", "no common protocol version")                                    \
    X(PROTOCOL, 1, "ProtocolError", "peer broke the protocol")                                     \
    X(SERVER, 1, "ServerError", "the server answered with an error")                               \
    X(NOT_FOUND, 1, "NotFoundError", "no such thing")                                              \
    X(EXISTS, 1, "ExistsError", "exists already")                                                  \
    X(DENIED, 1, "DeniedError", "permission denied")                                               \
    X(BUSY, 1, "BusyError", "over capacity")                                                       \
    X(CANCELLED, 1, "CancelledError", "cancelled")                                                 \
    X(REATTEST, 1, "ReattestError", "the session must be attested again")                          \
    X(CLOSED, 1, "ClosedError", "closed")                                                          \
    X(AGAIN, 1, "WouldBlockError", "would block")

#define X(name, exit, exception, text) BLIND_##name,
typedef enum { BLIND_CODES(X) BLIND_CODE_COUNT } blind_code;
#undef X

typedef struct {
    blind_code  code;
    const char *stage;        /* static and stable: "sim.signature" */
    char        message[256]; /* one line: what was found and what was expected */
} blind_error;

/* Fills *err, which may be NULL, and returns `code`, so failing is one statement. */
BLIND_API blind_code blind_fail(blind_error *err, blind_code code, const char *stage,
                                const char *format, ...) __attribute__((format(printf, 4, 5)));

/* Puts "prefix: " before the message of *err and returns `code` unchanged: a caller adds what only
 * it knows. */
BLIND_API blind_code blind_fail_in(blind_error *err, blind_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

BLIND_API const char *blind_code_name(blind_code code); /* "EVIDENCE" */
BLIND_API const char *blind_code_text(blind_code code); /* "no authentic evidence of an enclave" */
BLIND_API const char *blind_code_exception(blind_code code); /* "NotAnEnclaveError" */
BLIND_API int         blind_code_exit(blind_code code);      /* 10 */

#ifdef __cplusplus
}
#endif
#endif
