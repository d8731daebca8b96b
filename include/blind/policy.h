/* The relying party's policy: what evidence must say before a byte is sent.
 *
 * A policy is a TOML text, docs/formats/policy.md.  What it does not mention takes the strictest
 * value or makes the policy unusable; unknown keys are errors.  BlindAI's policy.toml (mr_enclave,
 * misc_select_hex, ...) is read as it is.  A loaded policy never changes: threads may share it. */
#ifndef BLIND_POLICY_H
#define BLIND_POLICY_H

#include "blind/error.h"
#include "blind/span.h"

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct blind_policy blind_policy;

/* How the server must be identified, beside attestation. */
typedef enum {
    BLIND_SERVER_UNSET,      /* refuses */
    BLIND_SERVER_CA,         /* its certificate chains to a CA the client was given */
    BLIND_SERVER_PIN,        /* its certificate is the one the client was given */
    BLIND_SERVER_IDENTIFIED, /* either of the two (BlindAI's form, which cannot say) */
    BLIND_SERVER_ANY,        /* any server whose evidence passes: whose it is stays unknown */
} blind_server_rule;

/* out     owned by the caller, blind_policy_free(); NULL on failure
 * Errors  POLICY (with "line L column C"), POLICY_KEY (unknown key), POLICY_OPEN (a rule that must
 *         be closed is missing), IO (file), MEMORY */
BLIND_API BLIND_MUST_USE blind_code blind_policy_load_file(const char *path, blind_policy **out,
                                                           blind_error *err);
BLIND_API BLIND_MUST_USE blind_code blind_policy_load_text(blind_span text, blind_policy **out,
                                                           blind_error *err);
/* One more owner of the same policy; each calls blind_policy_free(). */
BLIND_API blind_policy *blind_policy_share(blind_policy *policy);
BLIND_API void          blind_policy_free(blind_policy *policy);

/* SHA-256 of the normalised text: equal for policies that decide equally, whatever their layout and
 * comments.  Connections are reused only under an equal digest. */
BLIND_API void blind_policy_digest(const blind_policy *policy, uint8_t out[32]);
/* The policy with every default written out, as TOML.  Valid as long as the policy. */
BLIND_API const char       *blind_policy_text(const blind_policy *policy);
BLIND_API blind_server_rule blind_policy_server(const blind_policy *policy);
/* Seconds since 1970 from which it is void; INT64_MAX: never. */
BLIND_API int64_t blind_policy_not_after(const blind_policy *policy);

/* What the policy leaves open, one sentence each; NULL past the last. */
BLIND_API const char *blind_policy_warning(const blind_policy *policy, size_t i);

/* The files of a build and how it will be started.  NULL and 0 stand for what is not given; what is
 * given and means nothing to the TEE is an error.  docs/formats/policy.md, "From a build", says
 * what is computed of it and what must be given. */
typedef struct {
    const char *binary;        /* sim: the program */
    const char *uki;           /* tpm, snp, tdx: unified kernel image */
    const char *firmware;      /* snp, tdx: OVMF image */
    const char *kernel;        /* snp: kernel handed over by the hypervisor, where it is no UKI */
    const char *initrd;        /* snp, with kernel */
    const char *command_line;  /* snp, with kernel: text */
    bool        firmware_only; /* snp: nothing behind the firmware is measured, and that is meant */
    uint32_t    vcpus;         /* snp */
    const char *vcpu_type;     /* snp on QEMU: "EPYC-Milan", or its CPUID signature, "0xa00f11" */
    const char *vmm;           /* snp: "qemu" (NULL), "ec2", "gce" */
    uint64_t    guest_features; /* snp: SEV_FEATURES; 0: 1 */
    const char *start;          /* tpm, tdx: the UKI comes from "disk" (NULL) or a "loader" */
    const char *secure_boot;    /* tpm, tdx: "off", "empty", "on"; NULL: not known */
    const char *pk, *kek, *db, *dbx,
        *authority;     /* tpm, tdx: files with these variables' contents */
    const char *phases; /* tpm, tdx: boot phases that extend PCR 11, "enter-initrd:leave-initrd" */
    uint32_t    stub;   /* tpm, tdx: version of systemd-stub; 0: what the UKI says */
    const char *page_order; /* tdx: "pages" (NULL) or "passes" */
    const char *eif;        /* nitro: enclave image */
    const char *sigstruct;  /* sgx */
} blind_build;

/* A register whose value the build does not tell, or that is wanted beside those it tells. */
typedef struct {
    const char *name;  /* "rtmr0" */
    const char *value; /* hexadecimal digits, or "any": it does not matter */
} blind_policy_register;

/* Writes a commented policy from a build.  All strings are borrowed for the call. */
typedef struct {
    const char *name;   /* as clients address it */
    const char *sha256; /* 64 hex digits, or NULL: computed from `path` */
    const char *path;
} blind_policy_model;
typedef struct {
    const char               *tee;    /* "sim", "tpm", "snp", "tdx", "nitro", "sgx" */
    const char               *binary; /* build.binary, as it was named first */
    const char               *server; /* "ca", "pin" or "any"; NULL: "ca" */
    const blind_policy_model *models; /* none: others = "allow", which
                                          blind_policy_warning() mentions */
    size_t                       models_len;
    bool                         others; /* allow models beside those named */
    blind_build                  build;
    const blind_policy_register *registers;
    size_t                       registers_len;
} blind_policy_recipe;
/* A register that must be asked for, and of which neither build nor recipe tell the value, is
 * written as "?": such a policy cannot be loaded until somebody fills it in.
 *
 * out  NUL-terminated text, free() it.  Errors: USAGE, INPUT (a file of the build is malformed),
 *      NOT_FOUND, DENIED, IO, LIMIT, MEMORY */
BLIND_API BLIND_MUST_USE blind_code blind_policy_create(const blind_policy_recipe *recipe,
                                                        char **out, blind_error *err);

#ifdef __cplusplus
}
#endif
#endif
