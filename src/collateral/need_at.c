/* Vendors' paths, read the other way round: which file of the store a request means. */
#include "collateral/plan.h"

static bool (*const vendors[])(blind_span path, blind_span query, bl_need *out) = {
    bl_need_at_snp,
    bl_need_at_intel,
};

blind_code bl_need_at(blind_span path, blind_span query, bl_need *out, blind_error *err)
{
    for (size_t i = 0; i < BL_LEN(vendors); i++)
        if (vendors[i](path, query, out))
            return BLIND_OK;
    *out = (bl_need){ 0 };
    return blind_fail(err, BLIND_NOT_FOUND, "collateral.path", "no such collateral");
}

bool bl_take_word(blind_span *rest, const char *word)
{
    size_t n = strlen(word);
    if (n > rest->size || (n && memcmp(rest->data, word, n) != 0))
        return false;
    *rest = bl_span(rest->data + n, rest->size - n);
    return true;
}

/* ---- queries ---- */

static bool is_plain(uint8_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool keep_value(bl_query_value *to, blind_span value)
{
    if (to->value[0] || value.size == 0 || value.size >= sizeof to->value)
        return false;
    for (size_t i = 0; i < value.size; i++)
        if (!is_plain(value.data[i]))
            return false;
    memcpy(to->value, value.data, value.size);
    to->value[value.size] = 0;
    return true;
}

static bool keep_pair(bl_query_value *values, size_t len, blind_span pair)
{
    for (size_t i = 0; i < len; i++) {
        blind_span value = pair;
        if (bl_take_word(&value, values[i].key) && bl_take_word(&value, "="))
            return keep_value(&values[i], value);
    }
    return false;
}

bool bl_query_read(blind_span query, bl_query_value *values, size_t len)
{
    while (query.size) {
        const uint8_t *end = memchr(query.data, '&', query.size);
        size_t         n = end ? (size_t)(end - query.data) : query.size;
        if (!keep_pair(values, len, bl_span(query.data, n)))
            return false;
        size_t taken = end ? n + 1 : n;
        if (end && taken == query.size) /* nothing behind the last '&' */
            return false;
        query = bl_span(query.data + taken, query.size - taken);
    }
    return true;
}
