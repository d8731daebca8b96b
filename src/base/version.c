/* What the linked library calls itself. */
#include "blind/version.h"

const char *blind_version(void)
{
    return BLIND_VERSION;
}
