/* What a mirror is asked for, path and query: a name that is found stays within the store, and it
 * does not depend on how often it is asked for. */
#include "collateral/plan.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *mark = size ? memchr(data, '?', size) : NULL;
    size_t         n = mark ? (size_t)(mark - data) : size;
    blind_span     path = { data, n };
    blind_span     query = mark ? bl_span(mark + 1, size - n - 1) : (blind_span){ 0 };
    bl_need        need, again;
    if (bl_need_at(path, query, &need, NULL) != BLIND_OK) {
        if (need.name[0])
            abort();
        return 0;
    }
    size_t len = strnlen(need.name, sizeof need.name);
    if (len == 0 || len == sizeof need.name || strstr(need.name, "..") ||
        strspn(need.name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/") !=
            len ||
        (strncmp(need.name, "snp/", 4) != 0 && strncmp(need.name, "intel/", 6) != 0))
        abort();
    if (!need.type || bl_need_at(path, query, &again, NULL) != BLIND_OK ||
        strcmp(need.name, again.name) != 0)
        abort();
    return 0;
}
