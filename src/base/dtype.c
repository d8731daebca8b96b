/* The one table of element types. */
#include "blind/tensor.h"

static const struct {
    const char *name, *kserve, *numpy;
    size_t      size;
} dtypes[] = {
#define X(value, name, size, kserve, numpy) [value] = { #name, kserve, numpy, size },
    BLIND_DTYPES(X)
#undef X
};

size_t blind_dtype_size(blind_dtype dtype)
{
    return (unsigned)dtype < BLIND_DTYPE_COUNT ? dtypes[dtype].size : 0;
}

const char *blind_dtype_kserve(blind_dtype dtype)
{
    return (unsigned)dtype < BLIND_DTYPE_COUNT ? dtypes[dtype].kserve : "";
}

const char *blind_dtype_name(blind_dtype dtype)
{
    return (unsigned)dtype < BLIND_DTYPE_COUNT ? dtypes[dtype].name : "";
}

const char *blind_dtype_numpy(blind_dtype dtype)
{
    return (unsigned)dtype < BLIND_DTYPE_COUNT ? dtypes[dtype].numpy : "";
}
