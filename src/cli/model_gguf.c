/* A GGUF file's numbers, tokenizer, types of weights and metadata, and whether it can run. */
#include "cli/model_gguf.h"

#include "llm/model.h"
#include "llm/tokenizer.h"

#include <inttypes.h>

#define MB 1e6
enum { MOST_TYPES = 64, SHOWN_TEXT = 60 };

typedef struct {
    const bl_quant_type *type;
    size_t               tensors;
    uint64_t             size;
} use;

typedef struct {
    bl_gguf       gguf;
    bl_llm_model  model;
    bl_tokenizer *tokenizer;
    bool          runs;
    blind_error   why; /* it does not */
    use           uses[MOST_TYPES];
    size_t        n_uses;
} shown;

static void count_types(shown *s)
{
    for (size_t i = 0; i < s->gguf.n_tensors; i++) {
        const bl_gguf_tensor *t = &s->gguf.tensors[i];
        size_t                k = 0;
        while (k < s->n_uses && s->uses[k].type != t->type)
            k++;
        if (k == MOST_TYPES)
            return;
        if (k == s->n_uses)
            s->uses[s->n_uses++].type = t->type;
        s->uses[k].tensors++;
        s->uses[k].size += t->bytes.size;
    }
}

static void look(shown *s)
{
    count_types(s);
    blind_code code = bl_llm_model_open(&s->gguf, &s->model, &s->why);
    if (code == BLIND_OK)
        code = bl_tokenizer_open(&s->gguf, &s->tokenizer, &s->why);
    s->runs = code == BLIND_OK;
}

/* For people.  ------------------------------------------------------------------------------- */

/* Text of strangers: as a terminal can take it. */
static void print_text(blind_span text)
{
    for (size_t i = 0; i < text.size && i < SHOWN_TEXT; i++)
        putchar(text.data[i] >= 32 && text.data[i] < 127 ? text.data[i] : '.');
    if (text.size > SHOWN_TEXT)
        printf("... (%zu bytes)", text.size);
}

static void print_value(const bl_gguf_value *v)
{
    double number;
    if (v->kind == BL_GGUF_ARRAY)
        printf("%" PRIu64 " x %s", v->len, bl_gguf_kind_name(v->item));
    else if (v->kind == BL_GGUF_TEXT)
        print_text(v->bytes);
    else if (v->kind == BL_GGUF_BOOL)
        printf("%s", v->bytes.data[0] ? "true" : "false");
    else if (bl_gguf_number_at(v, 0, &number))
        printf("%.9g", number);
}

static void print_shape(const bl_llm_model *m)
{
    const bl_llm_shape *s = &m->shape;
    printf("layers     %zu of width %zu, %zu inside", s->layers, s->width, s->inner);
    if (s->experts)
        printf(", %zu of %zu experts", s->experts_used, s->experts);
    printf("\nattention  %zu heads of %zu, %zu for keys and values", s->heads, s->head_width,
           s->kv_heads);
    if (s->window)
        printf(", a window of %zu", s->window);
    printf("\ncontext    %zu tokens of %zu\n", s->context, s->vocabulary);
    printf("cache      %.1f kB a token (f16)\n",
           4.0 * (double)s->layers * (double)s->kv_heads * (double)s->head_width / 1e3);
}

static void print_all(const shown *s, const char *path, blind_span file, const char *sha256)
{
    const bl_gguf *g = &s->gguf;
    printf("%s: %.1f MB\nSHA-256    %s\nGGUF       version %u, ", path, (double)file.size / MB,
           sha256, g->version);
    print_text(bl_gguf_text(g, "general.architecture"));
    printf("\nname       ");
    print_text(bl_gguf_text(g, "general.name"));
    printf("\ntokenizer  ");
    print_text(bl_gguf_text(g, "tokenizer.ggml.model"));
    printf(" ");
    print_text(bl_gguf_text(g, "tokenizer.ggml.pre"));
    printf("\n");
    if (s->model.family)
        print_shape(&s->model);
    printf("parameters %" PRIu64 " in %zu tensors, %.1f MB\n\n", g->parameters, g->n_tensors,
           (double)g->weights / MB);
    for (size_t i = 0; i < s->n_uses; i++)
        printf("%10zu %-8s %10.1f MB\n", s->uses[i].tensors, s->uses[i].type->name,
               (double)s->uses[i].size / MB);
    printf("\n");
    for (size_t i = 0; i < g->n_values; i++) {
        print_text(g->values[i].key);
        printf(" = ");
        print_value(&g->values[i]);
        printf("\n");
    }
}

/* For machines.  ----------------------------------------------------------------------------- */

static json_t *json_text(blind_span text)
{
    json_t *value = json_stringn((const char *)text.data, text.size);
    return value ? value : json_null(); /* no UTF-8 */
}

static json_t *json_value(const bl_gguf_value *v)
{
    double   number;
    uint64_t whole;
    if (v->kind == BL_GGUF_ARRAY)
        return json_pack("{s:s,s:I}", "array", bl_gguf_kind_name(v->item), "length",
                         (json_int_t)v->len);
    if (v->kind == BL_GGUF_TEXT)
        return json_text(v->bytes);
    if (v->kind == BL_GGUF_BOOL)
        return json_boolean(v->bytes.data[0]);
    if (bl_gguf_uint_at(v, 0, &whole) && whole <= INT64_MAX)
        return json_integer((json_int_t)whole);
    json_t *real = bl_gguf_number_at(v, 0, &number) ? json_real(number) : NULL;
    return real ? real : json_null(); /* NaN */
}

static json_t *json_of(const shown *s, blind_span file, const char *sha256)
{
    const bl_gguf *g = &s->gguf;
    json_t        *types = json_object(), *metadata = json_object();
    for (size_t i = 0; i < s->n_uses; i++)
        json_object_set_new(types, s->uses[i].type->name,
                            json_pack("{s:I,s:I}", "tensors", (json_int_t)s->uses[i].tensors,
                                      "bytes", (json_int_t)s->uses[i].size));
    for (size_t i = 0; i < g->n_values; i++)
        json_object_setn_new(metadata, (const char *)g->values[i].key.data, g->values[i].key.size,
                             json_value(&g->values[i]));
    json_t *all = json_pack("{s:i,s:s,s:I,s:b,s:o,s:I,s:I,s:o,s:o}", "version", 1, "sha256", sha256,
                            "size", (json_int_t)file.size, "supported", s->runs, "architecture",
                            json_text(bl_gguf_text(g, "general.architecture")), "parameters",
                            (json_int_t)g->parameters, "parameter_bytes", (json_int_t)g->weights,
                            "types", types, "metadata", metadata);
    if (!s->runs)
        json_object_set_new(all, "reason", json_string(s->why.message));
    return all;
}

blind_code bl_show_gguf(bl_args *args, const char *path, blind_span file, const char *sha256,
                        blind_error *err)
{
    shown s = { .tokenizer = NULL };
    BL_TRY(bl_gguf_read(file, &s.gguf, err));
    look(&s);
    blind_code code = BLIND_OK;
    if (args->json)
        code = bl_args_print_json(args, json_of(&s, file, sha256), err);
    else
        print_all(&s, path, file, sha256);
    if (code == BLIND_OK && !s.runs)
        code = blind_fail(err, BLIND_UNSUPPORTED, "model.show", "it cannot run: %s", s.why.message);
    bl_tokenizer_close(s.tokenizer);
    bl_llm_model_done(&s.model);
    bl_gguf_done(&s.gguf);
    return code;
}
