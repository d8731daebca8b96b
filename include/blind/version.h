/* The version of the program, the library and their files. */
#ifndef BLIND_VERSION_H
#define BLIND_VERSION_H

#include "blind/error.h"

#define BLIND_VERSION_MAJOR 0
#define BLIND_VERSION_MINOR 1
#define BLIND_VERSION_PATCH 0
#define BLIND_VERSION       "0.1.0"
#define BLIND_RELEASE_DATE  "November 21, 2026" /* on the man pages; a build has no clock */

/* Version of the channel, the bundle, the claims, the policy and the JSON outputs. */
#define BLIND_WIRE_VERSION 1

#ifdef __cplusplus
extern "C" {
#endif
BLIND_API const char *blind_version(void); /* of the library linked, "0.1.0" */
#ifdef __cplusplus
}
#endif
#endif
