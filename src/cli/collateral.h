/* Where the program keeps collateral. */
#ifndef BL_CLI_COLLATERAL_H
#define BL_CLI_COLLATERAL_H

#include "base/base.h"

/* `given`, else blind/collateral in the user's cache folder.  Errors: USAGE */
BLIND_MUST_USE blind_code bl_cli_collateral_dir(const char *given, char *out, size_t size,
                                                blind_error *err);

#endif
