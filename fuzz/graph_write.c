/* Graphs as ModelProtos, and as lines for people.  Source: onnx.proto3. */
#include "fuzz/graph_maker.h"

#include "onnx/number.h"

#include <stdio.h>

enum { VARINT = 0, BYTES = 2, FIXED32 = 5 };

static void varint(bl_buf *b, uint64_t v)
{
    for (; v >= 0x80; v >>= 7)
        bl_buf_add_u8(b, (uint8_t)(v | 0x80));
    bl_buf_add_u8(b, (uint8_t)v);
}

static void number(bl_buf *b, unsigned field, int64_t v)
{
    varint(b, field << 3 | VARINT);
    varint(b, (uint64_t)v);
}

static void bytes(bl_buf *b, unsigned field, const void *data, size_t size)
{
    varint(b, field << 3 | BYTES);
    varint(b, size);
    if (size)
        bl_buf_add(b, bl_span(data, size));
}

static void text(bl_buf *b, unsigned field, const char *s)
{
    bytes(b, field, s, strlen(s));
}

static void real(bl_buf *b, unsigned field, float f)
{
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    varint(b, field << 3 | FIXED32);
    bl_buf_add_le(b, bits, 4);
}

static void named(bl_buf *b, unsigned field, int v)
{
    char name[16];
    snprintf(name, sizeof name, "v%d", v);
    text(b, field, v < 0 ? "" : name);
}

/* A message whose size is filled in when it ends: four bytes of varint. */
static size_t begin(bl_buf *b, unsigned field)
{
    varint(b, field << 3 | BYTES);
    bl_buf_add_le(b, 0, 4);
    return b->size;
}

static void end(bl_buf *b, size_t from)
{
    if (!bl_buf_ok(b))
        return;
    size_t size = b->size - from;
    for (int i = 0; i < 4; i++)
        b->data[from - 4 + (size_t)i] = (uint8_t)((size >> (7 * i) & 0x7f) | (i < 3 ? 0x80 : 0));
}

/* Strings, which a TensorProto has one by one. */
static void string_data(bl_buf *b, const graph_value *v)
{
    const uint8_t *from = v->data;
    for (size_t i = 0, len = graph_len(v); i < len; i++, from += 4 + *from)
        bytes(b, 6, from + 4, *from);
}

static void tensor(bl_buf *b, unsigned field, const graph_value *v, int name)
{
    size_t at = begin(b, field);
    for (int i = 0; i < v->rank; i++)
        number(b, 1, v->dim[i]);
    number(b, 2, bl_onnx_of_dtype(v->dtype));
    if (name >= 0)
        named(b, 8, name);
    if (v->dtype == BLIND_STRING)
        string_data(b, v);
    else
        bytes(b, 9, v->data, v->size);
    end(b, at);
}

static void attribute_tensor(bl_buf *b, const graph_attr *a)
{
    uint8_t     data[ATTR_INTS * 8];
    graph_value v = { .dtype = a->dtype,
                      .rank = 1,
                      .dim = { a->len },
                      .data = data,
                      .size = (size_t)a->len * blind_dtype_size(a->dtype) };
    for (int i = 0; i < a->len; i++)
        bl_number_store(a->dtype, data + (size_t)i * blind_dtype_size(a->dtype), (double)a->ints[i],
                        false);
    tensor(b, 5, &v, -1);
}

static void body(bl_buf *b, const graph *g, int i);

static void attribute(bl_buf *b, const graph *g, const graph_attr *a)
{
    static const int types[] = { 2, 1, 3, 7, 6, 4, 8, 5 };
    size_t           at = begin(b, 5);
    text(b, 1, a->name);
    number(b, 20, types[a->kind]);
    switch (a->kind) {
    case ATTR_INT:
        number(b, 3, a->i);
        break;
    case ATTR_FLOAT:
        real(b, 2, a->f);
        break;
    case ATTR_TEXT:
        text(b, 4, a->text);
        break;
    case ATTR_LIST:
        for (int i = 0; i < a->len; i++)
            number(b, 8, a->ints[i]);
        break;
    case ATTR_FLOATS:
        for (int i = 0; i < a->len; i++)
            real(b, 7, a->floats[i]);
        break;
    case ATTR_TENSOR:
        attribute_tensor(b, a);
        break;
    case ATTR_WORDS:
        for (int i = 0; i < a->len; i++)
            text(b, 9, graph_word(a->ints[i]));
        break;
    case ATTR_BODY:
        body(b, g, (int)a->i);
        break;
    }
    end(b, at);
}

static void node(bl_buf *b, const graph *g, const graph_node *n)
{
    size_t at = begin(b, 1);
    for (int i = 0; i < n->n_in; i++)
        named(b, 1, n->in[i]);
    for (int i = 0; i < n->n_out; i++)
        named(b, 2, n->out[i]);
    text(b, 4, n->type);
    if (*n->domain)
        text(b, 7, n->domain);
    for (int i = 0; i < n->n_attrs; i++)
        attribute(b, g, &n->attrs[i]);
    end(b, at);
}

static void value_info(bl_buf *b, unsigned field, const graph_value *v, int name, bool shaped)
{
    size_t at = begin(b, field), type, inner, shape;
    named(b, 1, name);
    type = begin(b, 2);
    inner = begin(b, 1);
    number(b, 1, bl_onnx_of_dtype(v->dtype));
    if (shaped) {
        shape = begin(b, 2);
        for (int i = 0; i < v->rank; i++) {
            size_t dim = begin(b, 1);
            if (!v->free && !v->body)
                number(b, 1, v->dim[i]);
            end(b, dim);
        }
        end(b, shape);
    }
    end(b, inner);
    end(b, type);
    end(b, at);
}

static void nodes_of(bl_buf *b, const graph *g, int i)
{
    for (int k = 0; k < g->n_nodes; k++)
        if (g->node[k].n_out && g->node[k].body == i)
            node(b, g, &g->node[k]);
}

static void body(bl_buf *b, const graph *g, int i)
{
    const graph_body *made = &g->body[i];
    size_t            at = begin(b, 6);
    nodes_of(b, g, i);
    text(b, 2, "b");
    for (int k = 0; k < made->n_in; k++)
        value_info(b, 11, &g->value[made->in[k]], made->in[k], true);
    for (int k = 0; k < made->n_out; k++)
        value_info(b, 12, &g->value[made->out[k]], made->out[k], g->value[made->out[k]].rank >= 0);
    end(b, at);
}

bool graph_is_output(const graph *g, bool all, int i)
{
    return g->value[i].origin == FROM_NODE && !g->value[i].body && (all || !g->value[i].read);
}

static void opset(bl_buf *b, const char *domain, int version)
{
    size_t at = begin(b, 8);
    text(b, 1, domain);
    number(b, 2, version);
    end(b, at);
}

void graph_write(const graph *g, bool all, bl_buf *out)
{
    bl_buf_clear(out);
    number(out, 1, 8);
    size_t at = begin(out, 7);
    nodes_of(out, g, 0);
    text(out, 2, "g");
    for (int i = 0; i < g->n_values; i++)
        if (g->value[i].origin == FROM_WEIGHT && g->value[i].read)
            tensor(out, 5, &g->value[i], i);
    for (int i = 0; i < g->n_values; i++)
        if (g->value[i].origin == FROM_INPUT && g->value[i].read)
            value_info(out, 11, &g->value[i], i, true);
    for (int i = 0; i < g->n_values; i++)
        if (graph_is_output(g, all, i))
            value_info(out, 12, &g->value[i], i, false);
    end(out, at);
    opset(out, "", g->opset);
    opset(out, "ai.onnx.ml", 3);
    opset(out, "com.microsoft", 1);
}

static void print_value(const graph *g, int i)
{
    const graph_value *v = &g->value[i];
    printf("  v%d %s", i, blind_dtype_name(v->dtype));
    for (int d = 0; d < v->rank; d++)
        printf("%s%lld", d ? "x" : " ", (long long)v->dim[d]);
    printf("%s", v->rank < 0                ? " ?"
                 : v->origin == FROM_WEIGHT ? " weight"
                 : v->origin == FROM_INPUT  ? " input"
                                            : "");
    for (size_t k = 0;
         v->origin != FROM_NODE && v->dtype != BLIND_STRING && k < BL_MIN(graph_len(v), (size_t)8);
         k++)
        printf(" %g",
               bl_number_load(v->dtype, (uint8_t *)v->data + k * blind_dtype_size(v->dtype)));
    printf("\n");
}

void graph_print(const graph *g)
{
    printf("opset %d%s\n", g->opset, g->large ? ", large" : "");
    for (int i = 0; i < g->n_values; i++)
        if (g->value[i].read || g->value[i].origin == FROM_NODE)
            print_value(g, i);
    for (int i = 0; i < g->n_nodes; i++) {
        const graph_node *n = &g->node[i];
        printf("  %*s%s(", n->body, "", n->type);
        for (int k = 0; k < n->n_in; k++)
            printf("%s%d", k ? ", " : "", n->in[k]);
        printf(") ->");
        for (int k = 0; k < n->n_out; k++)
            printf(" %d", n->out[k]);
        for (int k = 0; k < n->n_attrs; k++) {
            const graph_attr *a = &n->attrs[k];
            printf("  %s=", a->name);
            if (a->kind == ATTR_INT)
                printf("%lld", (long long)a->i);
            if (a->kind == ATTR_FLOAT)
                printf("%g", (double)a->f);
            if (a->kind == ATTR_TEXT)
                printf("%s", a->text);
            if (a->kind == ATTR_BODY)
                printf("body %lld", (long long)a->i);
            for (int j = 0; (a->kind == ATTR_LIST || a->kind == ATTR_WORDS) && j < a->len; j++)
                printf("%s%lld", j ? "," : "", (long long)a->ints[j]);
            for (int j = 0; a->kind == ATTR_FLOATS && j < a->len; j++)
                printf("%s%g", j ? "," : "", (double)a->floats[j]);
        }
        printf("\n");
    }
}
