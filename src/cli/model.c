/* `blind model show`: what a model file asks for and what it costs, without running it. */
#include "base/arena.h"
#include "base/file.h"
#include "base/hex.h"
#include "base/limits.h"
#include "cli/commands.h"
#include "cli/external.h"
#include "cli/model_gguf.h"
#include "crypto/hash.h"
#include "llm/gguf.h"
#include "onnx/inspect.h"
#include "pipeline/archive.h"
#include "pipeline/config.h"
#include "pipeline/pipeline.h"

#include <stdlib.h>

#define MB 1e6

typedef struct {
    bl_mapping      file;
    uint8_t         sha256[32];
    char            hex[2 * 32 + 1]; /* the same */
    blind_span      model;           /* the file, or the model within it */
    bl_onnx_summary summary;
    bool            supported;
    bl_external     external; /* weights beside the file */
    bl_pipeline    *pipeline;
    bl_onnx_cost    cost;
    bl_arena        arena; /* of made-up inputs */
} shown;

static void shown_done(shown *s)
{
    bl_pipeline_close(s->pipeline);
    bl_onnx_summary_done(&s->summary);
    bl_arena_done(&s->arena);
    bl_external_close(&s->external);
    bl_file_unmap(&s->file);
}

/* The first file that a pipeline.toml asks for is the model. */
static blind_code take_first(void *arg, const char *name, blind_error *err)
{
    char *first = arg;
    if (!*first &&
        (size_t)snprintf(first, BL_MAX_ARCHIVE_NAME + 1, "%s", name) > BL_MAX_ARCHIVE_NAME)
        return blind_fail(err, BLIND_INPUT, "model.show", "too long a name: '%.100s'", name);
    return BLIND_OK;
}

static blind_code find_model(shown *s, blind_error *err)
{
    bl_auto_free bl_archive *files = NULL;
    char                     name[BL_MAX_ARCHIVE_NAME + 1] = "";
    s->model = s->file.bytes;
    if (!bl_pipeline_is(s->model))
        return BLIND_OK;
    files = calloc(1, sizeof *files);
    if (!files)
        return blind_fail(err, BLIND_MEMORY, "model.show", "out of memory");
    BL_TRY(bl_archive_read(s->model, files, err));
    const bl_member *text = bl_archive_find(files, "pipeline.toml");
    if (text)
        BL_TRY(bl_pipeline_config_files(text->bytes, take_first, name, err));
    const bl_member *model = bl_archive_find(files, name);
    if (!model)
        return blind_fail(err, BLIND_INPUT, "model.show", "a pipeline without a model");
    s->model = model->bytes;
    return BLIND_OK;
}

/* Shapes.  ----------------------------------------------------------------------------------- */

/* "1,3,224,224" or "1x3x224x224" */
static bool read_shape(const char *text, blind_tensor *out)
{
    out->rank = 0;
    while (*text) {
        char     *end;
        long long n = strtoll(text, &end, 10);
        if (end == text || n < 0 || out->rank == BLIND_MAX_RANK || (*end && !strchr(",x", *end)))
            return false;
        out->shape[out->rank++] = n;
        text = end + (*end != '\0');
    }
    return true;
}

static blind_code make_zeroes(shown *s, const bl_onnx_port *port, blind_tensor *out,
                              blind_error *err)
{
    size_t size = blind_dtype_size(port->dtype);
    bool   fits = size > 0 && out->rank >= 0;
    out->name = port->name;
    out->dtype = port->dtype;
    for (int i = 0; i < out->rank && fits; i++)
        fits = bl_mul(size, (size_t)out->shape[i], &size);
    out->size = size;
    out->data = fits ? bl_arena_alloc(&s->arena, BL_MAX(size, 64)) : NULL;
    return out->data ? BLIND_OK
                     : blind_fail(err, BLIND_USAGE, "model.show",
                                  "input '%.80s' cannot be made up for this shape", port->name);
}

/* Its declared shape, what is not fixed as 1 in front and 8 behind, or that of --shape. */
static blind_code choose_shape(const bl_args *args, const bl_onnx_port *port, blind_tensor *out,
                               blind_error *err)
{
    out->rank = BL_MAX(port->rank, 0);
    for (int i = 0; i < out->rank; i++)
        out->shape[i] = port->shape[i] >= 0 ? port->shape[i] : i == 0 ? 1 : 8;
    for (size_t i = 0; bl_args_nth(args, "shape", i); i++) {
        char        name[BL_MAX_TENSOR_NAME];
        const char *shape;
        BL_TRY(bl_args_pair(bl_args_nth(args, "shape", i), name, sizeof name, &shape, err));
        if (strcmp(name, port->name) == 0 && !read_shape(shape, out))
            return blind_fail(err, BLIND_USAGE, "model.show", "'%.80s' is no shape: expected 1,3,8",
                              shape);
    }
    return BLIND_OK;
}

/* A shape for an input that the model has not would change nothing: it is an error. */
static blind_code check_shapes(const bl_args *args, const shown *s, blind_error *err)
{
    const char *given, *shape;
    char        name[BL_MAX_TENSOR_NAME];
    for (size_t i = 0; (given = bl_args_nth(args, "shape", i)); i++) {
        bool known = false;
        BL_TRY(bl_args_pair(given, name, sizeof name, &shape, err));
        for (size_t k = 0; k < s->summary.n_inputs; k++)
            known = known || strcmp(name, s->summary.inputs[k].name) == 0;
        if (!known)
            return blind_fail(err, BLIND_USAGE, "model.show", "the model has no input '%.80s'",
                              name);
    }
    return BLIND_OK;
}

/* Plans for these shapes; a model that cannot take the guessed ones keeps its own first plan. */
static blind_code plan(const bl_args *args, shown *s, blind_tensor *inputs, blind_error *err)
{
    bl_onnx     *model = bl_pipeline_model(s->pipeline);
    bl_onnx_run *run = NULL;
    blind_code   code = BLIND_OK;
    for (size_t i = 0; i < s->summary.n_inputs && code == BLIND_OK; i++) {
        code = choose_shape(args, &s->summary.inputs[i], &inputs[i], err);
        if (code == BLIND_OK)
            code = make_zeroes(s, &s->summary.inputs[i], &inputs[i], err);
    }
    if (code == BLIND_OK)
        code = bl_onnx_run_new(model, inputs, s->summary.n_inputs, &run, err);
    bl_onnx_run_free(run);
    s->cost = bl_onnx_cost_of(model);
    return bl_args_has(args, "shape") ? code : BLIND_OK;
}

static blind_code open_file(const char *path, shown *s, blind_error *err)
{
    BL_TRY(bl_external_open(path, &s->external, err));
    BL_TRY(bl_file_map(path, &s->file, err));
    if (bl_sha256(s->file.bytes, s->sha256) != BLIND_OK)
        return blind_fail(err, BLIND_FAILED, "model.hash", "cannot hash the file");
    bl_hex_encode(bl_span(s->sha256, sizeof s->sha256), s->hex);
    return BLIND_OK;
}

static blind_code open_onnx(const bl_args *args, shown *s, blind_tensor **inputs, blind_error *err)
{
    bl_onnx_options options = { .isa = bl_isa_best(), .files = { bl_external_file, &s->external } };
    BL_TRY(find_model(s, err));
    BL_TRY(bl_onnx_inspect(s->model, &options.files, &s->summary, err));
    *inputs = bl_arena_array(&s->arena, s->summary.n_inputs + 1, sizeof **inputs);
    if (!*inputs)
        return blind_fail(err, BLIND_MEMORY, "model.show", "out of memory");
    BL_TRY(check_shapes(args, s, err));
    s->supported = true;
    for (size_t i = 0; i < s->summary.n_operators; i++)
        s->supported &= s->summary.operators[i].supported;
    if (!s->supported)
        return BLIND_OK;
    (void)bl_precision_from_name(bl_args_text(args, "precision"), &options.precision);
    BL_TRY(bl_pipeline_open(s->file.bytes, &options, &s->pipeline, err));
    return plan(args, s, *inputs, err);
}

/* Printing.  --------------------------------------------------------------------------------- */

static void print_port(const char *kind, const bl_onnx_port *port)
{
    printf("%-10s %s  %s%s%s [", kind, port->name, port->optional ? "optional " : "",
           port->sequence ? "sequence of " : "", blind_dtype_name(port->dtype));
    for (int i = 0; i < port->rank; i++) {
        if (port->shape[i] >= 0)
            printf("%s%lld", i ? ", " : "", (long long)port->shape[i]);
        else
            printf("%s%s", i ? ", " : "", port->symbol[i] ? port->symbol[i] : "?");
    }
    printf(port->rank < 0 ? "...]\n" : "]\n");
}

static void print_plan(const bl_args *args, const shown *s, const blind_tensor *inputs)
{
    printf("\nplan for");
    for (size_t i = 0; i < s->summary.n_inputs; i++) {
        printf("%s %s [", i ? "," : "", s->summary.inputs[i].name);
        for (int d = 0; d < inputs[i].rank; d++)
            printf("%s%lld", d ? ", " : "", (long long)inputs[i].shape[d]);
        printf("]");
    }
    printf(" on %s, precision %s\n", bl_isa_name(bl_isa_best()), bl_args_text(args, "precision"));
    printf("%10zu nodes after fusion\n", s->cost.nodes);
    printf("%10.1f MB of weights in the order of the kernels\n", (double)s->cost.packed / MB);
    printf("%10.1f MB of other constants made at loading\n", (double)s->cost.constants / MB);
    printf("%10.1f MB for a run\n", (double)s->cost.run / MB);
}

static void print_text(const bl_args *args, const shown *s, const blind_tensor *inputs)
{
    const bl_onnx_summary *m = &s->summary;
    printf("%s: %.1f MB%s\nSHA-256    %s\n", bl_args_operand(args, 0),
           (double)s->file.bytes.size / MB, bl_pipeline_is(s->file.bytes) ? ", a pipeline" : "",
           s->hex);
    for (size_t i = 0; i < m->n_imports; i++)
        printf("opset      %s%s%lld\n", m->imports[i].domain, *m->imports[i].domain ? " " : "",
               (long long)m->imports[i].version);
    for (size_t i = 0; i < m->n_inputs; i++)
        print_port("input", &m->inputs[i]);
    for (size_t i = 0; i < m->n_outputs; i++)
        print_port("output", &m->outputs[i]);
    printf("parameters %zu in %zu tensors, %.1f MB\n\n", m->parameters, m->tensors,
           (double)m->parameter_size / MB);
    for (size_t i = 0; i < m->n_operators; i++)
        printf("%10zu %s%s%s%s\n", m->operators[i].nodes, m->operators[i].domain,
               *m->operators[i].domain ? "." : "", m->operators[i].type,
               m->operators[i].supported ? "" : "  NOT SUPPORTED");
    printf("%10zu nodes\n", m->nodes);
    if (s->supported)
        print_plan(args, s, inputs);
}

static json_t *json_ports(const bl_onnx_port *ports, size_t len)
{
    json_t *list = json_array();
    for (size_t i = 0; i < len; i++) {
        json_t *shape = ports[i].rank < 0 ? json_null() : json_array();
        for (int d = 0; d < ports[i].rank; d++)
            json_array_append_new(shape, ports[i].shape[d] < 0 && ports[i].symbol[d]
                                             ? json_string(ports[i].symbol[d])
                                             : json_integer(ports[i].shape[d]));
        json_array_append_new(list, json_pack("{s:s,s:s,s:o,s:b,s:b}", "name", ports[i].name,
                                              "datatype", blind_dtype_kserve(ports[i].dtype),
                                              "shape", shape, "sequence", ports[i].sequence,
                                              "optional", ports[i].optional));
    }
    return list;
}

static json_t *json_operators(const bl_onnx_summary *m)
{
    json_t *list = json_array();
    for (size_t i = 0; i < m->n_operators; i++)
        json_array_append_new(list, json_pack("{s:s,s:s,s:I,s:I,s:b}", "domain",
                                              m->operators[i].domain, "type", m->operators[i].type,
                                              "opset", (json_int_t)m->operators[i].opset, "nodes",
                                              (json_int_t)m->operators[i].nodes, "supported",
                                              m->operators[i].supported));
    return list;
}

static json_t *json_of(const shown *s)
{
    const bl_onnx_summary *m = &s->summary;
    return json_pack(
        "{s:i,s:s,s:I,s:b,s:o,s:o,s:o,s:I,s:I,s:I,s:{s:I,s:I,s:I,s:I}}", "version", 1, "sha256",
        s->hex, "size", (json_int_t)s->file.bytes.size, "supported", s->supported, "inputs",
        json_ports(m->inputs, m->n_inputs), "outputs", json_ports(m->outputs, m->n_outputs),
        "operators", json_operators(m), "nodes", (json_int_t)m->nodes, "parameters",
        (json_int_t)m->parameters, "parameter_bytes", (json_int_t)m->parameter_size, "plan",
        "nodes", (json_int_t)s->cost.nodes, "packed_bytes", (json_int_t)s->cost.packed,
        "constant_bytes", (json_int_t)s->cost.constants, "run_bytes", (json_int_t)s->cost.run);
}

static blind_code show_onnx(bl_args *args, shown *s, blind_error *err)
{
    blind_tensor *inputs = NULL;
    BL_TRY(open_onnx(args, s, &inputs, err));
    if (args->json)
        BL_TRY(bl_args_print_json(args, json_of(s), err));
    else
        print_text(args, s, inputs);
    return s->supported ? BLIND_OK
                        : blind_fail(err, BLIND_UNSUPPORTED, "model.show",
                                     "the model needs operators that are not supported");
}

static blind_code run(bl_args *args, blind_error *err)
{
    shown       s = { .external = { .folder = -1 } };
    const char *path = bl_args_operand(args, 0);
    blind_code  code = open_file(path, &s, err);
    if (code == BLIND_OK)
        code = bl_gguf_is(s.file.bytes) ? bl_show_gguf(args, path, s.file.bytes, s.hex, err)
                                        : show_onnx(args, &s, err);
    if (code != BLIND_OK)
        code = blind_fail_in(err, code, "'%s'", path);
    shown_done(&s);
    return code;
}

/* clang-format off */
static const bl_option options[] = {
    { .name = "shape", .kind = BL_TEXT, .arg = "NAME=1,3,8", .repeat = true,
      .help = "the shape of an input to plan for, where the model leaves it open" },
    { .name = "precision", .kind = BL_CHOICE, .choices = "highest|high|medium", .arg = "P",
      .fallback = "highest", .help = "to plan for, as for blind run" },
    BL_OPTIONS_END
};
/* clang-format on */

const bl_command bl_command_model_show = {
    .name = "model show",
    .summary = "print what a model asks for and what it costs, without running it",
    .about =
        "Prints inputs, outputs, operators and parameters of an ONNX model or of the one in a "
        "packed pipeline, and the plan that would run: nodes after fusion, memory of weights "
        "and of a run. Without --shape, what a shape leaves open is taken as 1 in front and 8 "
        "elsewhere. Of a GGUF file: layers, heads, context, tokenizer, types of weights and all "
        "metadata.",
    .operands = { { .arg = "FILE", .kind = BL_FILE, .help = "the model" } },
    .options = options,
    .examples = "blind model show examples/digits/model.onnx\n"
                "blind model show chat.gguf --json\n"
                "blind model show bert.onnx --shape input_ids=1,128 --shape attention_mask=1,128",
    .exits =
        "3  the model needs what is not supported; operators are marked, the message says the rest",
    .run = run,
};
