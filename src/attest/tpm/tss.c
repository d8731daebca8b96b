/* Loads tpm2-tss. */
#include "attest/tpm/tss.h"

#include <dlfcn.h>
#include <pthread.h>

enum { TCTI, MU, ESYS, LIBRARIES };
static const char *const libraries[LIBRARIES] = { "libtss2-tctildr.so.0", "libtss2-mu.so.0",
                                                  "libtss2-esys.so.0" };

static bl_tss         functions;
static char           missing[128]; /* what could not be loaded; "": all was */
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void note_missing(const char *name)
{
    size_t size = BL_MIN(strlen(name), sizeof missing - 1);
    memcpy(missing, name, size);
    missing[size] = 0;
}

static void load(void)
{
    void *handles[LIBRARIES];
    for (size_t i = 0; i < LIBRARIES; i++) {
        handles[i] = dlopen(libraries[i], RTLD_NOW | RTLD_LOCAL);
        if (!handles[i]) {
            note_missing(libraries[i]);
            return;
        }
    }
    /* POSIX lets a function pointer be read from dlsym()'s result this way. */
#define X(library, function)                                                                       \
    *(void **)(&functions.function) = dlsym(handles[library], #function);                          \
    if (!functions.function)                                                                       \
        note_missing(#function);
    BL_TSS_FUNCTIONS(X)
#undef X
}

blind_code bl_tss_load(const bl_tss **out, blind_error *err)
{
    *out = NULL;
    pthread_once(&once, load);
    if (missing[0])
        return blind_fail(err, BLIND_UNSUPPORTED, "tpm.tss",
                          "tpm2-tss is needed to use a TPM: '%s' is not there", missing);
    *out = &functions;
    return BLIND_OK;
}

blind_code bl_tss_check(TSS2_RC rc, const char *what, blind_error *err)
{
    if (rc == TSS2_RC_SUCCESS)
        return BLIND_OK;
    return blind_fail(err, BLIND_IO, "tpm.device", "cannot %s: TPM error 0x%x", what, rc);
}
