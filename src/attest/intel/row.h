/* What the rows of SGX and TDX have in common: the platform's fields and the statuses of its TCB.
 */
#ifndef BL_INTEL_ROW_H
#define BL_INTEL_ROW_H

#include "attest/tee.h"

#define BL_INTEL_PLATFORM_FACTS                                                                    \
    BL_BYTES("fmspc", 6, BLIND_OK), BL_BYTES("tcb_components", 16, BLIND_OK),                      \
        BL_NUMBER("pce_svn", BLIND_TCB), BL_NUMBER("qe_isv_svn", BLIND_TCB),                       \
        BL_NUMBER("tcb_eval", BLIND_TCB)

/* Nothing is missing in the microcode, but the software or its configuration may fall short. */
#define BL_INTEL_GOOD_STATUSES                                                                     \
    "UpToDate", "SWHardeningNeeded", "ConfigurationNeeded", "ConfigurationAndSWHardeningNeeded"
#define BL_INTEL_BAD_STATUSES "OutOfDate", "OutOfDateConfigurationNeeded", "Revoked"

#endif
