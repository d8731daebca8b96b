/* LabelEncoder, CategoryMapper, OneHotEncoder: what stands for a category.
 *
 * Keys lie sorted, of equal ones the first wins (the last in LabelEncoder of opset 1 and in
 * CategoryMapper, whose lists are maps in both directions).  Source: ONNX-ML 1.17. */
#include "onnx/ml/ml.h"

#include <math.h>
#include <stdlib.h>

/* Numbers are compared as their kind; all NaN are one. */
typedef enum { WHOLE, REAL, TEXT } key_kind;

typedef struct {
    key_kind   kind;
    int64_t    whole;
    double     real;
    blind_span text;
    size_t     index; /* of the value */
} key;

typedef struct {
    key_kind  kind;
    key      *keys; /* sorted */
    size_t    len;
    bl_tensor values, otherwise; /* of the output's type; otherwise has one element */
    bool      refuse;            /* an unknown category is an error: OneHotEncoder */
} encoder_params;

static int compare_text(blind_span a, blind_span b)
{
    size_t least = BL_MIN(a.size, b.size);
    int    order = least ? memcmp(a.data, b.data, least) : 0;
    return order ? order : (a.size > b.size) - (a.size < b.size);
}

static int compare_real(double a, double b)
{
    if (isnan(a) || isnan(b))
        return (int)isnan(a) - (int)isnan(b);
    return (a > b) - (a < b);
}

static int compare_value(const key *a, const key *b)
{
    if (a->kind == TEXT)
        return compare_text(a->text, b->text);
    return a->kind == REAL ? compare_real(a->real, b->real)
                           : (a->whole > b->whole) - (a->whole < b->whole);
}

static int compare_key(const void *a, const void *b)
{
    const key *x = a, *y = b;
    int        order = compare_value(x, y);
    return order ? order : (x->index > y->index) - (x->index < y->index);
}

/* The first of the keys that equal k, or NULL. */
static const key *find_key(const encoder_params *p, const key *k)
{
    size_t low = 0, high = p->len;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare_value(&p->keys[middle], k) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low < p->len && compare_value(&p->keys[low], k) == 0 ? &p->keys[low] : NULL;
}

static bool kind_of(blind_dtype type, key_kind *out)
{
    *out = type == BLIND_STRING ? TEXT : type == BLIND_F32 || type == BLIND_F64 ? REAL : WHOLE;
    return type != BLIND_BOOL && type <= BLIND_STRING;
}

/* Element i, in the kind of the keys; real numbers are cut where those are whole. */
static key key_at(const bl_tensor *t, size_t i, key_kind kind)
{
    key    k = { .kind = kind };
    double real = 0;
    if (kind == TEXT) {
        k.text = ((const blind_span *)t->data)[i];
    } else if (t->dtype == BLIND_I64) {
        memcpy(&k.whole, (const char *)t->data + 8 * i, 8);
        k.real = (double)k.whole;
    } else {
        bl_tensor_number(t, i, &real);
        k.real = real;
        k.whole = real >= -9.2e18 && real <= 9.2e18 ? (int64_t)real : INT64_MIN;
    }
    return k;
}

/* Lists as tensors.  ------------------------------------------------------------------------- */

/* Attributes that may hold one list, and the type of its elements. */
typedef struct {
    const char *ints, *floats, *text, *tensor; /* or NULL */
} list_names;

static bool list_of(const bl_node *n, const list_names *names, bl_tensor *out)
{
    const bl_attr *i = names->ints ? bl_attr_find(n, names->ints) : NULL;
    const bl_attr *f = names->floats ? bl_attr_find(n, names->floats) : NULL;
    const bl_attr *s = names->text ? bl_attr_find(n, names->text) : NULL;
    const bl_attr *t = names->tensor ? bl_attr_find(n, names->tensor) : NULL;
    if (t && t->type == BL_ATTR_TENSOR)
        *out = t->t;
    else if (s && s->strings && s->len)
        *out = (bl_tensor){ .dtype = BLIND_STRING, .len = s->len, .data = s->strings };
    else if (i && i->ints && i->len)
        *out = (bl_tensor){ .dtype = BLIND_I64, .len = i->len, .data = i->ints };
    else if (f && f->floats && f->len)
        *out = (bl_tensor){ .dtype = BLIND_F32, .len = f->len, .data = f->floats };
    else
        *out = (bl_tensor){ .len = 0 };
    return out->len > 0;
}

static blind_code set_keys(bl_build *b, const bl_node *n, encoder_params *p, const bl_tensor *keys,
                           bool last_wins)
{
    key_kind kind;
    if (!kind_of(keys->dtype, &kind))
        return bl_op_fail(b, n, BLIND_UNSUPPORTED, "keys of type %s",
                          blind_dtype_name(keys->dtype));
    p->kind = kind;
    p->len = keys->len;
    p->keys = bl_arena_array(b->arena, keys->len + 1, sizeof *p->keys);
    if (!p->keys)
        return bl_op_fail(b, n, BLIND_MEMORY, "no memory for the plan");
    for (size_t i = 0; i < keys->len; i++) {
        size_t from = last_wins ? keys->len - 1 - i : i;
        p->keys[i] = key_at(keys, from, kind);
        p->keys[i].index = i; /* their order, for sorting */
    }
    qsort(p->keys, p->len, sizeof *p->keys, compare_key);
    for (size_t i = 0; i < p->len && last_wins; i++)
        p->keys[i].index = p->len - 1 - p->keys[i].index;
    return BLIND_OK;
}

/* What stands for unknown keys: an attribute of the values' type, or its standard. */
static blind_code set_otherwise(bl_build *b, const bl_node *n, encoder_params *p)
{
    const bl_attr *t = bl_attr_find(n, "default_tensor"), *s = bl_attr_find(n, "default_string");
    blind_dtype    type = p->values.dtype;
    blind_span    *text;
    p->otherwise = (bl_tensor){ .dtype = type, .len = 1 };
    if (t && t->type == BL_ATTR_TENSOR && t->t.len >= 1 && t->t.dtype == type) {
        p->otherwise.data = t->t.data;
        return BLIND_OK;
    }
    p->otherwise.data = bl_arena_alloc(b->arena, sizeof *text);
    if (!p->otherwise.data)
        return bl_op_fail(b, n, BLIND_MEMORY, "no memory for the plan");
    if (type == BLIND_STRING) {
        text = p->otherwise.data;
        *text = bl_span_str(s && s->type == BL_ATTR_STRING ? s->s : "_Unused");
    } else if (type == BLIND_F32 || type == BLIND_F64) {
        bl_tensor_set_number(&p->otherwise, 0, bl_attr_float(n, "default_float", -0.0f));
    } else if (type == BLIND_I64) {
        *(int64_t *)p->otherwise.data = bl_attr_int(n, "default_int64", -1);
    } else {
        bl_tensor_set_number(&p->otherwise, 0, (double)bl_attr_int(n, "default_int64", -1));
    }
    return BLIND_OK;
}

/* 0, 1, 2, ... : what the classes of the oldest LabelEncoder stand for. */
static blind_code count_up(bl_build *b, const bl_node *n, size_t len, bl_tensor *out)
{
    int64_t *numbers = bl_arena_array(b->arena, len + 1, sizeof *numbers);
    if (!numbers)
        return bl_op_fail(b, n, BLIND_MEMORY, "no memory for the plan");
    for (size_t i = 0; i < len; i++)
        numbers[i] = (int64_t)i;
    *out = (bl_tensor){ .dtype = BLIND_I64, .len = len, .data = numbers };
    return BLIND_OK;
}

/* LabelEncoder and CategoryMapper.  ----------------------------------------------------------- */

/* Two lists that stand for each other; the type of the input says which holds the keys. */
static blind_code set_both_ways(bl_build *b, const bl_node *n, encoder_params *p)
{
    bool      mapper = strcmp(n->type, "CategoryMapper") == 0;
    bl_tensor text, numbers;
    if (!list_of(n, &(list_names){ .text = mapper ? "cats_strings" : "classes_strings" }, &text))
        return bl_op_fail(b, n, BLIND_INPUT, "no categories");
    if (!mapper)
        BL_TRY(count_up(b, n, text.len, &numbers));
    else if (!list_of(n, &(list_names){ .ints = "cats_int64s" }, &numbers))
        return bl_op_fail(b, n, BLIND_INPUT, "no categories");
    if (text.len != numbers.len)
        return bl_op_fail(b, n, BLIND_INPUT, "%zu names of %zu numbers", text.len, numbers.len);
    bool forth = bl_in(b, n, 0)->dtype == BLIND_STRING;
    p->values = forth ? numbers : text;
    return set_keys(b, n, p, forth ? &text : &numbers, true);
}

static blind_code set_one_way(bl_build *b, const bl_node *n, encoder_params *p)
{
    static const list_names key_names = { "keys_int64s", "keys_floats", "keys_strings",
                                          "keys_tensor" };
    static const list_names value_names = { "values_int64s", "values_floats", "values_strings",
                                            "values_tensor" };
    bl_tensor               keys;
    if (!list_of(n, &key_names, &keys) || !list_of(n, &value_names, &p->values) ||
        keys.len != p->values.len)
        return bl_op_fail(b, n, BLIND_INPUT, "%zu keys of %zu values", keys.len, p->values.len);
    return set_keys(b, n, p, &keys, false);
}

blind_code bl_ml_label_encoder_infer(bl_build *b, bl_node *n)
{
    const bl_tensor *x = bl_in(b, n, 0);
    encoder_params  *p;
    key_kind         kind;
    BL_TRY(bl_params(b, n, sizeof *p, &p));
    if (bl_attr_find(n, "classes_strings") || strcmp(n->type, "CategoryMapper") == 0)
        BL_TRY(set_both_ways(b, n, p));
    else
        BL_TRY(set_one_way(b, n, p));
    if (!kind_of(x->dtype, &kind) || kind != p->kind)
        return bl_op_fail(b, n, BLIND_INPUT, "elements of type %s, the keys are of another",
                          blind_dtype_name(x->dtype));
    BL_TRY(set_otherwise(b, n, p));
    return bl_set_out(b, n, 0, p->values.dtype, x->rank, x->dim);
}

blind_code bl_ml_label_encoder_run(const bl_exec *x, const bl_node *n)
{
    const encoder_params *p = n->params;
    const bl_tensor      *in = bl_arg(x, n, 0);
    bl_tensor            *out = bl_result(x, n, 0);
    size_t                size = bl_element_size(p->values.dtype);
    for (size_t i = 0; i < in->len; i++) {
        key         k = key_at(in, i, p->kind);
        const key  *found = find_key(p, &k);
        const void *from =
            found ? (const char *)p->values.data + found->index * size : p->otherwise.data;
        memcpy((char *)out->data + i * size, from, size);
    }
    return BLIND_OK;
}

/* OneHotEncoder.  ---------------------------------------------------------------------------- */

blind_code bl_ml_one_hot_infer(bl_build *b, bl_node *n)
{
    const bl_tensor *x = bl_in(b, n, 0);
    encoder_params  *p;
    bl_tensor        keys;
    int64_t          dim[BL_ONNX_RANK];
    BL_TRY(bl_params(b, n, sizeof *p, &p));
    if (!list_of(n, &(list_names){ .ints = "cats_int64s", .text = "cats_strings" }, &keys))
        return bl_op_fail(b, n, BLIND_INPUT, "no categories");
    BL_TRY(set_keys(b, n, p, &keys, true));
    p->refuse = bl_attr_int(n, "zeros", 1) == 0;
    if ((x->dtype == BLIND_STRING) != (p->kind == TEXT))
        return bl_op_fail(b, n, BLIND_INPUT, "elements of type %s, the categories are of another",
                          blind_dtype_name(x->dtype));
    if (x->rank >= BL_ONNX_RANK)
        return bl_op_fail(b, n, BLIND_UNSUPPORTED, "more than %d axes", BL_ONNX_RANK);
    memcpy(dim, x->dim, (size_t)x->rank * sizeof *dim);
    dim[x->rank] = (int64_t)p->len;
    return bl_set_out(b, n, 0, BLIND_F32, x->rank + 1, dim);
}

blind_code bl_ml_one_hot_run(const bl_exec *x, const bl_node *n)
{
    const encoder_params *p = n->params;
    const bl_tensor      *in = bl_arg(x, n, 0);
    bl_tensor            *out = bl_result(x, n, 0);
    if (out->len)
        memset(out->data, 0, out->len * sizeof(float));
    for (size_t i = 0; i < in->len; i++) {
        key        k = key_at(in, i, p->kind);
        const key *found = find_key(p, &k);
        if (!found && p->refuse)
            return bl_run_fail(x, n, "element %zu is no category", i);
        if (found)
            ((float *)out->data)[i * p->len + found->index] = 1;
    }
    return BLIND_OK;
}
