/* The simulated TEE measures its executable, whole. */
#include "crypto/hash.h"
#include "measure/measure.h"

blind_code bl_measure_sim(const char *path, uint8_t out[48], uint64_t *size_out, blind_error *err)
{
    return bl_hash_file(BL_SHA384, path, out, size_out, err);
}

blind_code bl_measure_sha256(const char *path, uint8_t out[32], uint64_t *size_out,
                             blind_error *err)
{
    return bl_hash_file(BL_SHA256, path, out, size_out, err);
}
