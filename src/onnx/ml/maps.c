/* ZipMap, DictVectorizer, CastMap: maps, which are their keys and their values (onnx/maps.h).
 * Source: ONNX-ML 1.17; what it leaves open is as ONNX Runtime does it. */
#include "onnx/ml/ml.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* ZipMap: (scores) -> (labels, scores), a map for each row.  ----------------------------------- */

blind_code bl_ml_zip_map_infer(bl_build *b, bl_node *n)
{
    const bl_tensor *x = bl_in(b, n, 0);
    bl_labels       *l;
    if (n->n_out != 2)
        return bl_op_fail(b, n, BLIND_UNSUPPORTED, "maps within the graph of a node");
    BL_TRY(bl_params(b, n, sizeof *l, &l));
    BL_TRY(bl_labels_of(b, n, "classlabels_int64s", "classlabels_strings", l));
    if (x->dtype != BLIND_F32)
        return bl_op_fail(b, n, BLIND_UNSUPPORTED, "values of type %s", blind_dtype_name(x->dtype));
    if (x->rank < 1 || x->rank > 2 || (size_t)x->dim[x->rank - 1] != l->len)
        return bl_op_fail(b, n, BLIND_INPUT, "%lld values of a row for %zu labels",
                          (long long)(x->rank < 1 ? 1 : x->dim[x->rank - 1]), l->len);
    int64_t dim[2] = { x->rank == 2 ? x->dim[0] : 1, (int64_t)l->len };
    BL_TRY(bl_set_out(b, n, 0, bl_labels_type(l), 1, dim + 1));
    return bl_set_out(b, n, 1, BLIND_F32, 2, dim);
}

blind_code bl_ml_zip_map_run(const bl_exec *x, const bl_node *n)
{
    const bl_labels *l = n->params;
    const bl_tensor *in = bl_arg(x, n, 0);
    bl_tensor       *keys = bl_result(x, n, 0), *values = bl_result(x, n, 1);
    for (size_t i = 0; keys && i < l->len; i++)
        bl_label_put(l, keys, i, i);
    if (values && in->len)
        memcpy(values->data, in->data, in->len * sizeof(float));
    return BLIND_OK;
}

/* Keys of either kind, sorted.  ---------------------------------------------------------------- */

typedef struct {
    int64_t    number;
    blind_span text;
    size_t     at; /* where it stood */
} key;

static int compare_text(blind_span a, blind_span b)
{
    size_t least = BL_MIN(a.size, b.size);
    int    order = least ? memcmp(a.data, b.data, least) : 0;
    return order ? order : (a.size > b.size) - (a.size < b.size);
}

static int compare_key(const void *a, const void *b)
{
    const key *x = a, *y = b;
    int        order = (x->number > y->number) - (x->number < y->number);
    return order ? order : compare_text(x->text, y->text);
}

static key key_at(const bl_tensor *keys, size_t i)
{
    return keys->dtype == BLIND_STRING
               ? (key){ .text = ((const blind_span *)keys->data)[i], .at = i }
               : (key){ .number = ((const int64_t *)keys->data)[i], .at = i };
}

/* Sorts; INPUT where a key is there twice: such a list is no map. */
static bool sort_keys(key *keys, size_t len)
{
    qsort(keys, len, sizeof *keys, compare_key);
    for (size_t i = 1; i < len; i++)
        if (compare_key(&keys[i - 1], &keys[i]) == 0)
            return false;
    return true;
}

/* Keys and values of the map that is inputs 0 and 1. */
static blind_code check_map(bl_build *b, const bl_node *n, blind_dtype key_type)
{
    const bl_tensor *keys = bl_in(b, n, 0), *values = bl_in(b, n, 1);
    if (!keys || !values || keys->rank != 1 || values->rank != 1 || keys->len != values->len)
        return bl_op_fail(b, n, BLIND_INPUT, "keys and values that are no map");
    if (keys->dtype != key_type)
        return bl_op_fail(b, n, BLIND_INPUT, "keys of type %s, expected %s",
                          blind_dtype_name(keys->dtype), blind_dtype_name(key_type));
    return BLIND_OK;
}

static const char repeated[] = "a map that has a key twice";

/* DictVectorizer: the values of a vocabulary's words, zero for those that the map has not.  -----
 */

typedef struct {
    key   *words; /* sorted */
    size_t len;
} vectorizer;

static blind_code read_words(bl_build *b, const bl_node *n, const bl_labels *l, vectorizer *p)
{
    p->len = l->len;
    p->words = bl_arena_array(b->arena, l->len + 1, sizeof *p->words);
    if (!p->words)
        return bl_op_fail(b, n, BLIND_MEMORY, "no memory for the plan");
    for (size_t i = 0; i < l->len; i++)
        p->words[i] = l->text ? (key){ .text = l->text[i], .at = i }
                              : (key){ .number = l->numbers[i], .at = i };
    return sort_keys(p->words, p->len)
               ? BLIND_OK
               : bl_op_fail(b, n, BLIND_INPUT, "a vocabulary that has a word twice");
}

blind_code bl_ml_dict_vectorizer_infer(bl_build *b, bl_node *n)
{
    bl_labels   l;
    vectorizer *p;
    BL_TRY(bl_params(b, n, sizeof *p, &p));
    BL_TRY(bl_labels_of(b, n, "int64_vocabulary", "string_vocabulary", &l));
    BL_TRY(check_map(b, n, bl_labels_type(&l)));
    BL_TRY(read_words(b, n, &l, p));
    blind_dtype type = bl_in(b, n, 1)->dtype;
    if (type != BLIND_F32 && type != BLIND_F64 && type != BLIND_I64 && type != BLIND_STRING)
        return bl_op_fail(b, n, BLIND_UNSUPPORTED, "values of type %s", blind_dtype_name(type));
    int64_t dim[2] = { 1, (int64_t)p->len };
    n->scratch = p->len + 1;
    return bl_set_out(b, n, 0, type, 2, dim);
}

blind_code bl_ml_dict_vectorizer_run(const bl_exec *x, const bl_node *n)
{
    const vectorizer *p = n->params;
    const bl_tensor  *keys = bl_arg(x, n, 0), *values = bl_arg(x, n, 1);
    bl_tensor        *out = bl_result(x, n, 0);
    size_t            size = bl_element_size(out->dtype);
    uint8_t          *seen = x->scratch;
    memset(out->data, 0, out->len * size);
    memset(seen, 0, p->len);
    for (size_t i = 0; i < keys->len; i++) {
        key        k = key_at(keys, i);
        const key *word = bsearch(&k, p->words, p->len, sizeof k, compare_key);
        if (!word)
            continue;
        if (seen[word->at]++)
            return bl_run_fail(x, n, repeated);
        memcpy((char *)out->data + word->at * size, (const char *)values->data + i * size, size);
    }
    return BLIND_OK;
}

/* CastMap: the values in the order of their keys (DENSE), or each at its key's place (SPARSE).  --
 */

typedef struct {
    bool sparse;
} cast_map;

blind_code bl_ml_cast_map_infer(bl_build *b, bl_node *n)
{
    static const struct {
        const char *name;
        blind_dtype type;
    } casts[] = { { "TO_FLOAT", BLIND_F32 },
                  { "TO_INT64", BLIND_I64 },
                  { "TO_STRING", BLIND_STRING } };
    const char *to = bl_attr_str(n, "cast_to", "TO_FLOAT");
    const char *form = bl_attr_str(n, "map_form", "DENSE");
    int64_t     room = bl_attr_int(n, "max_map", 1), dim[2] = { 1, 0 };
    cast_map   *p;
    size_t      which = 0;
    BL_TRY(check_map(b, n, BLIND_I64));
    BL_TRY(bl_params(b, n, sizeof *p, &p));
    while (which < BL_LEN(casts) && strcmp(casts[which].name, to) != 0)
        which++;
    p->sparse = strcmp(form, "SPARSE") == 0;
    if (which == BL_LEN(casts) || (!p->sparse && strcmp(form, "DENSE") != 0))
        return bl_op_fail(b, n, BLIND_INPUT, "cast_to '%.30s', map_form '%.30s'", to, form);
    if (p->sparse && (room < 1 || room > BL_MAX_TREE_FEATURE))
        return bl_op_fail(b, n, BLIND_INPUT, "max_map %lld", (long long)room);
    blind_dtype type = bl_in(b, n, 1)->dtype;
    if (type != BLIND_F32 && type != BLIND_STRING)
        return bl_op_fail(b, n, BLIND_UNSUPPORTED, "values of type %s", blind_dtype_name(type));
    dim[1] = p->sparse ? room : (int64_t)bl_in(b, n, 0)->len;
    if (!bl_mul(bl_in(b, n, 0)->len + 1, sizeof(key), &n->scratch))
        return bl_op_fail(b, n, BLIND_LIMIT, "a map of impossible size");
    return bl_set_out(b, n, 0, casts[which].type, 2, dim);
}

/* A number of a text that is one from end to end. */
static blind_code parse_number(const bl_exec *x, const bl_node *n, blind_span text, bool whole,
                               double *real, int64_t *integer)
{
    char copy[64], *end = copy;
    bool fits = text.size > 0 && text.size < sizeof copy;
    if (fits) {
        memcpy(copy, text.data, text.size);
        copy[text.size] = '\0';
        errno = 0;
        if (whole)
            *integer = strtoll(copy, &end, 10);
        else
            *real = strtod(copy, &end);
        fits = end == copy + text.size && !(whole && errno);
    }
    return fits ? BLIND_OK : bl_run_fail(x, n, "a text that is no number");
}

static int64_t whole_of(float v)
{
    if (isnan(v))
        return 0;
    return v >= 9.2233715e18f ? INT64_MAX : v <= -9.2233715e18f ? INT64_MIN : (int64_t)v;
}

static blind_code cast_value(const bl_exec *x, const bl_node *n, const bl_tensor *from, size_t i,
                             bl_tensor *to, size_t o)
{
    bool       text = from->dtype == BLIND_STRING;
    blind_span word = text ? ((const blind_span *)from->data)[i] : (blind_span){ 0 };
    float      v = text ? 0 : ((const float *)from->data)[i];
    double     real = (double)v;
    int64_t    whole = whole_of(v);
    char       digits[64], *room;
    if (to->dtype == BLIND_STRING && text) {
        ((blind_span *)to->data)[o] = word;
        return BLIND_OK;
    }
    if (to->dtype == BLIND_STRING) {
        int len = snprintf(digits, sizeof digits, "%f", real);
        BL_TRY(bl_string_room(x, n, (size_t)len, &room));
        memcpy(room, digits, (size_t)len);
        ((blind_span *)to->data)[o] = bl_span(room, (size_t)len);
        return BLIND_OK;
    }
    if (text)
        BL_TRY(parse_number(x, n, word, to->dtype == BLIND_I64, &real, &whole));
    if (to->dtype == BLIND_I64)
        ((int64_t *)to->data)[o] = whole;
    else
        ((float *)to->data)[o] = (float)real;
    return BLIND_OK;
}

/* Places that no key has: 0, as text what ONNX Runtime writes there. */
static void fill_empty(bl_tensor *out)
{
    static const char zero[] = "0.f";
    memset(out->data, 0, out->len * bl_element_size(out->dtype));
    for (size_t i = 0; out->dtype == BLIND_STRING && i < out->len; i++)
        ((blind_span *)out->data)[i] = bl_span_str(zero);
}

blind_code bl_ml_cast_map_run(const bl_exec *x, const bl_node *n)
{
    const cast_map  *p = n->params;
    const bl_tensor *keys = bl_arg(x, n, 0), *values = bl_arg(x, n, 1);
    bl_tensor       *out = bl_result(x, n, 0);
    key             *sorted = x->scratch;
    for (size_t i = 0; i < keys->len; i++)
        sorted[i] = key_at(keys, i);
    if (!sort_keys(sorted, keys->len))
        return bl_run_fail(x, n, repeated);
    if (p->sparse)
        fill_empty(out);
    for (size_t i = 0; i < keys->len; i++) {
        int64_t at = p->sparse ? sorted[i].number : (int64_t)i;
        if (at < 0)
            return bl_run_fail(x, n, "key %lld of a sparse map", (long long)at);
        if (at < out->dim[1])
            BL_TRY(cast_value(x, n, values, sorted[i].at, out, (size_t)at));
    }
    return BLIND_OK;
}
