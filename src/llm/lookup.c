/* The longest of the endings of LONGEST to SHORTEST tokens that stood there before, and of its
 * places the last, found by one walk back over the last FARTHEST tokens. */
#include "llm/lookup.h"

enum { LONGEST = 4, SHORTEST = 2, FARTHEST = 32768 };

/* How many tokens before `end` are those before `len`, at most LONGEST. */
static size_t alike(const int32_t *ids, size_t len, size_t end)
{
    size_t n = 0;
    while (n < LONGEST && n < end && ids[end - 1 - n] == ids[len - 1 - n])
        n++;
    return n;
}

size_t bl_lookup(const int32_t *ids, size_t len, int32_t *out, size_t max)
{
    size_t best = SHORTEST - 1, follows = len;
    size_t first = len > FARTHEST ? len - FARTHEST : 0;
    for (size_t end = len; end-- > first + 1 && best < LONGEST;) {
        if (ids[end - 1] != ids[len - 1])
            continue;
        size_t n = alike(ids, len, end);
        if (n > best) {
            best = n;
            follows = end;
        }
    }
    size_t n = BL_MIN(max, len - follows);
    for (size_t i = 0; i < n; i++)
        out[i] = ids[follows + i];
    return n;
}
