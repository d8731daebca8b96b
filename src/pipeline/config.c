/* Reads pipeline.toml. */
#include "pipeline/config.h"

#include <stdio.h>

#define STAGE "pipeline.config"

static const bl_step_row *const groups[] = { bl_image_steps, bl_audio_steps, bl_text_steps,
                                             bl_score_steps };

typedef struct {
    const bl_archive *files;
    bl_arena         *arena;
    blind_error      *err;
} reading;

static blind_code no_memory(const reading *r)
{
    return blind_fail(r->err, BLIND_MEMORY, STAGE, "no memory for a pipeline");
}

static blind_code check_keys(const reading *r, const bl_toml *table, const char *const *known,
                             size_t len)
{
    const bl_toml *other = bl_toml_unknown(table, known, len);
    return !other ? BLIND_OK
                  : bl_toml_fail(other, r->err, BLIND_INPUT, STAGE, "unknown key '%.60s'",
                                 (const char *)other->key.data);
}

/* A text, copied; NULL where it is left out and may be. */
static blind_code read_text(const reading *r, const bl_toml *table, const char *key, bool required,
                            const char **out)
{
    const bl_toml *at = bl_toml_get(table, key);
    *out = NULL;
    if (!at)
        return required ? bl_toml_fail(table, r->err, BLIND_INPUT, STAGE, "'%s' is missing", key)
                        : BLIND_OK;
    BL_TRY(bl_toml_want(at, BL_TOML_STRING, BLIND_INPUT, STAGE, r->err));
    if (at->string.size == 0 || at->string.size > BL_MAX_TENSOR_NAME ||
        memchr(at->string.data, '\0', at->string.size))
        return bl_toml_fail(at, r->err, BLIND_INPUT, STAGE, "'%s' is no name", key);
    *out = bl_arena_copy(r->arena, at->string);
    return *out ? BLIND_OK : no_memory(r);
}

/* Steps.  ------------------------------------------------------------------------------------ */

static const bl_step_row *find_row(blind_span op)
{
    for (size_t g = 0; g < BL_LEN(groups); g++)
        for (const bl_step_row *row = groups[g]; row->name; row++)
            if (bl_span_equal(op, bl_span_str(row->name)))
                return row;
    return NULL;
}

static blind_code read_step(const reading *r, const bl_toml *at, bl_step *out)
{
    const char   *known[1 + BL_LEN(out->row->keys)] = { "op" };
    size_t        len = 1;
    bl_step_build b = { .table = at, .files = r->files, .arena = r->arena, .err = r->err };
    BL_TRY(bl_toml_want(at, BL_TOML_TABLE, BLIND_INPUT, STAGE, r->err));
    const bl_toml *op = bl_toml_get(at, "op");
    if (!op || op->type != BL_TOML_STRING || !(out->row = find_row(op->string)))
        return bl_toml_fail(
            op ? op : at, r->err, BLIND_INPUT, STAGE,
            "expected op = \"decode_image\", \"resize\", ...: a step that there is");
    for (size_t i = 0; i < BL_LEN(out->row->keys) && out->row->keys[i]; i++)
        known[len++] = out->row->keys[i];
    BL_TRY(check_keys(r, at, known, len));
    return out->row->prepare(&b, &out->params);
}

static blind_code read_steps(const reading *r, const bl_toml *table, bl_flow *out)
{
    const bl_toml *list = bl_toml_get(table, "steps");
    if (!list)
        return BLIND_OK;
    BL_TRY(bl_toml_want(list, BL_TOML_ARRAY, BLIND_INPUT, STAGE, r->err));
    if (list->len > BL_MAX_PIPELINE_STEPS)
        return bl_toml_fail(list, r->err, BLIND_LIMIT, STAGE, "more than %d steps",
                            BL_MAX_PIPELINE_STEPS);
    bl_step *steps = bl_arena_array(r->arena, list->len + 1, sizeof *steps);
    if (!steps)
        return no_memory(r);
    out->steps = steps;
    for (const bl_toml *at = list->first; at; at = at->next)
        BL_TRY(read_step(r, at, &steps[out->n_steps++]));
    return BLIND_OK;
}

/* Inputs and outputs.  ----------------------------------------------------------------------- */

/* feeds = "input_ids", or { ids = "input_ids", mask = "attention_mask" }: what the last step gives
 * under each of its names. */
static blind_code read_feeds(const reading *r, const bl_toml *table, bl_flow *out)
{
    const bl_toml *at = bl_toml_get(table, "feeds");
    if (!at || at->type != BL_TOML_TABLE)
        return read_text(r, table, "feeds", false, &out->port);
    BL_TRY(read_text(r, at, "ids", true, &out->port));
    for (const bl_toml *c = at->first; c; c = c->next) {
        const char *key = (const char *)c->key.data;
        if (strcmp(key, "ids") == 0)
            continue;
        if (out->more_len == BL_STEP_MORE)
            return bl_toml_fail(c, r->err, BLIND_INPUT, STAGE, "unknown key '%.60s'", key);
        out->more_name[out->more_len] = bl_arena_copy(r->arena, c->key);
        BL_TRY(read_text(r, at, key, true, &out->more[out->more_len]));
        if (!out->more_name[out->more_len++])
            return no_memory(r);
    }
    return BLIND_OK;
}

static blind_code read_input(const reading *r, const bl_toml *at, bl_flow *out)
{
    static const char *const keys[] = { "name", "feeds", "steps" };
    BL_TRY(check_keys(r, at, keys, BL_LEN(keys)));
    BL_TRY(read_text(r, at, "name", true, &out->name));
    BL_TRY(read_feeds(r, at, out));
    if (!out->port)
        out->port = out->name;
    return read_steps(r, at, out);
}

static blind_code read_output(const reading *r, const bl_toml *at, bl_flow *out)
{
    static const char *const keys[] = { "name", "from", "steps" };
    BL_TRY(check_keys(r, at, keys, BL_LEN(keys)));
    BL_TRY(read_text(r, at, "name", true, &out->name));
    BL_TRY(read_text(r, at, "from", false, &out->port));
    if (!out->port)
        out->port = out->name;
    return read_steps(r, at, out);
}

static blind_code read_flows(const reading *r, const bl_toml *root, const char *key,
                             blind_code (*read)(const reading *r, const bl_toml *at, bl_flow *out),
                             bl_flow **out, size_t *len)
{
    const bl_toml *list = bl_toml_get(root, key);
    *len = 0;
    if (!list)
        return BLIND_OK;
    BL_TRY(bl_toml_want(list, BL_TOML_ARRAY, BLIND_INPUT, STAGE, r->err));
    if (list->len > BL_MAX_TENSORS)
        return bl_toml_fail(list, r->err, BLIND_LIMIT, STAGE, "more than %d %s", BL_MAX_TENSORS,
                            key);
    *out = bl_arena_array(r->arena, list->len + 1, sizeof **out);
    if (!*out)
        return no_memory(r);
    for (const bl_toml *at = list->first; at; at = at->next) {
        BL_TRY(bl_toml_want(at, BL_TOML_TABLE, BLIND_INPUT, STAGE, r->err));
        BL_TRY(read(r, at, &(*out)[*len]));
        for (size_t i = 0; i < *len; i++)
            if (strcmp((*out)[i].name, (*out)[*len].name) == 0)
                return bl_toml_fail(at, r->err, BLIND_INPUT, STAGE, "two %s are called '%.60s'",
                                    key, (*out)[i].name);
        ++*len;
    }
    return BLIND_OK;
}

static blind_code parse(const reading *r, blind_span text, const bl_toml **root)
{
    static const char *const keys[] = { "version", "model", "inputs", "outputs" };
    BL_TRY(bl_toml_parse(text, r->arena, root, r->err));
    BL_TRY(check_keys(r, *root, keys, BL_LEN(keys)));
    const bl_toml *version = bl_toml_get(*root, "version");
    if (!version || version->type != BL_TOML_INTEGER || version->integer != 1)
        return bl_toml_fail(version, r->err, BLIND_INPUT, STAGE, "expected version = 1");
    return BLIND_OK;
}

blind_code bl_pipeline_config_read(blind_span text, const bl_archive *files, bl_arena *arena,
                                   bl_pipeline_config *out, blind_error *err)
{
    reading        r = { .files = files, .arena = arena, .err = err };
    const bl_toml *root;
    *out = (bl_pipeline_config){ 0 };
    BL_TRY(parse(&r, text, &root));
    BL_TRY(read_text(&r, root, "model", true, &out->model));
    BL_TRY(read_flows(&r, root, "inputs", read_input, &out->inputs, &out->n_inputs));
    return read_flows(&r, root, "outputs", read_output, &out->outputs, &out->n_outputs);
}

/* Files.  ------------------------------------------------------------------------------------ */

/* In a step's table, `file` and `vocabulary` name files. */
static blind_code files_of_steps(const bl_toml *flow,
                                 blind_code (*file)(void *arg, const char *name, blind_error *err),
                                 void *arg, blind_error *err)
{
    static const char *const keys[] = { "file", "vocabulary" };
    const bl_toml           *steps = bl_toml_get(flow, "steps");
    if (!steps || steps->type != BL_TOML_ARRAY)
        return BLIND_OK;
    for (const bl_toml *step = steps->first; step; step = step->next)
        for (size_t k = 0; k < BL_LEN(keys); k++) {
            const bl_toml *at = bl_toml_get(step, keys[k]);
            if (at && at->type == BL_TOML_STRING)
                BL_TRY(file(arg, (const char *)at->string.data, err));
        }
    return BLIND_OK;
}

blind_code bl_pipeline_config_files(blind_span text,
                                    blind_code (*file)(void *arg, const char *name,
                                                       blind_error *err),
                                    void *arg, blind_error *err)
{
    static const char *const flows[] = { "inputs", "outputs" };
    bl_auto_arena            arena = BL_ARENA_EMPTY;
    reading                  r = { .arena = &arena, .err = err };
    const bl_toml           *root;
    const char              *model;
    BL_TRY(parse(&r, text, &root));
    BL_TRY(read_text(&r, root, "model", true, &model));
    BL_TRY(file(arg, model, err));
    for (size_t i = 0; i < BL_LEN(flows); i++) {
        const bl_toml *list = bl_toml_get(root, flows[i]);
        if (list && list->type == BL_TOML_ARRAY)
            for (const bl_toml *at = list->first; at; at = at->next)
                BL_TRY(files_of_steps(at, file, arg, err));
    }
    return BLIND_OK;
}
