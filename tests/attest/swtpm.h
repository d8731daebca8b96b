/* A TPM of software by swtpm, made and certified anew: keys, certificates and all.
 *
 * False from swtpm_start() says, in words, that a program is missing. */
#ifndef SWTPM_H
#define SWTPM_H

#include "base/buf.h"

#include <sys/types.h>

typedef struct {
    char   dir[64];    /* state and authorities; removed by swtpm_stop() */
    char   tcti[96];   /* "swtpm:host=127.0.0.1,port=..." */
    char   chain[128]; /* file: PEM of the endorsement certificate's issuers */
    pid_t  pid;
    int    port;
    bl_buf root_spki; /* DER of the root's key */
} swtpm;

bool swtpm_start(swtpm *t);
/* Power off and on: PCRs are reset, keys stay. */
void swtpm_restart(swtpm *t);
void swtpm_stop(swtpm *t);

#endif
