/* Models over an attested session: upload, delete, describe, infer.
 *
 * Source: KServe V2 (Open Inference Protocol, inference_rest.md); uploads are ours: PUT of the
 * file, answered {"name", "sha256", "size", "salt"}. */
#include "base/hex.h"
#include "base/limits.h"
#include "client/ask.h"
#include "crypto/hash.h"
#include "http/kserve.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_DOCUMENT = 1 << 20, MAX_PATH = 3 * BL_MAX_MODEL_NAME + 64 };

/* ---- answers ---- */

static const struct {
    int        status;
    blind_code code;
} statuses[] = {
    { 400, BLIND_INPUT },       { 401, BLIND_DENIED },      { 403, BLIND_DENIED },
    { 404, BLIND_NOT_FOUND },   { 409, BLIND_EXISTS },      { 413, BLIND_LIMIT },
    { 415, BLIND_UNSUPPORTED }, { 422, BLIND_UNSUPPORTED }, { 429, BLIND_BUSY },
    { 499, BLIND_CANCELLED },   { 501, BLIND_UNSUPPORTED }, { 503, BLIND_BUSY },
    { 504, BLIND_TIMEOUT },
};

/* What a status means, or what the server's own code does: never a verdict, which is ours. */
static blind_code code_of(int status, const char *name)
{
    for (int i = 1; name && i < BLIND_CODE_COUNT; i++)
        if (strcmp(blind_code_name((blind_code)i), name) == 0 &&
            blind_code_exit((blind_code)i) < 10)
            return (blind_code)i;
    for (size_t i = 0; i < BL_LEN(statuses); i++)
        if (statuses[i].status == status)
            return statuses[i].code;
    return BLIND_SERVER;
}

static json_t *document(const blind_response *r)
{
    if (r->body_size > MAX_DOCUMENT)
        return NULL;
    return json_loadb((const char *)r->body, r->body_size, JSON_REJECT_DUPLICATES, NULL);
}

static blind_code check(const blind_response *r, const char *what, blind_error *err)
{
    if (r->status >= 200 && r->status < 300)
        return BLIND_OK;
    json_t     *root = document(r);
    const char *said = json_string_value(json_object_get(root, "error"));
    const char *name = json_string_value(json_object_get(root, "code"));
    char        line[160];
    bl_client_line(line, sizeof line, said ? said : "");
    blind_code code = code_of(r->status, name);
    json_decref(root);
    return blind_fail(err, code, "client.server", "%s: HTTP %d%s%s", what, r->status,
                      *line ? ": " : "", line);
}

static bool model_path(char path[MAX_PATH], const char *model, const char *action)
{
    size_t n = (size_t)snprintf(path, MAX_PATH, "/v2/models/");
    if (!*model || strlen(model) > BL_MAX_MODEL_NAME)
        return false;
    for (const char *p = model; *p; p++) {
        bool plain = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') ||
                     (*p >= '0' && *p <= '9') || strchr("-_~", *p) || (*p == '.' && p != model);
        n += (size_t)snprintf(path + n, MAX_PATH - n, plain ? "%c" : "%%%02X", (unsigned char)*p);
    }
    snprintf(path + n, MAX_PATH - n, "%s", action);
    return true;
}

static blind_code bad_name(const char *name, blind_error *err)
{
    return blind_fail(err, BLIND_USAGE, "client.model", "'%.40s' is no model name (1 to %d bytes)",
                      name, BL_MAX_MODEL_NAME);
}

/* ---- upload ---- */

typedef struct {
    int                  fd;    /* a file, or -1 ... */
    blind_span           bytes; /* ... a model in memory */
    uint64_t             size, sent;
    bl_hasher            hasher;
    blind_upload_options options;
} upload;

static blind_code read_model(void *arg, void *to, size_t size, size_t *got, blind_error *err)
{
    upload *u = arg;
    if (u->fd < 0) {
        *got = (size_t)BL_MIN((uint64_t)size, u->size - u->sent);
        memcpy(to, u->bytes.data + u->sent, *got);
    } else {
        ssize_t n;
        do
            n = pread(u->fd, to, size, (off_t)u->sent);
        while (n < 0 && errno == EINTR);
        if (n < 0)
            return blind_fail(err, BLIND_IO, "client.upload", "cannot read the model: %s",
                              strerror(errno));
        *got = (size_t)n;
    }
    bl_hasher_update(&u->hasher, bl_span(to, *got));
    u->sent += *got;
    if (!u->options.progress)
        return BLIND_OK;
    return u->options.progress(u->options.progress_arg, u->sent, u->size, err);
}

static blind_code rewind_model(void *arg, blind_error *err)
{
    (void)err;
    upload *u = arg;
    u->sent = 0;
    bl_hasher_done(&u->hasher);
    bl_hasher_init(&u->hasher, BL_SHA256);
    return BLIND_OK;
}

static bool hex_field(const json_t *root, const char *name, char to[65], uint8_t bytes[32])
{
    const char *text = json_string_value(json_object_get(root, name));
    if (!text || strlen(text) != 64 || strspn(text, "0123456789abcdef") != 64)
        return false;
    memcpy(to, text, 65);
    return bl_hex_decode(bl_span_str(text), bytes, 32);
}

static blind_code read_info(blind_client *c, const blind_response *r, upload *u,
                            blind_model_info *out, blind_error *err)
{
    uint8_t own[32], theirs[32], salt[32];
    if (bl_hasher_final(&u->hasher, own) != BLIND_OK)
        return blind_fail(err, BLIND_FAILED, "client.upload", "cannot hash the model");
    json_t *root = document(r);
    bool    hashed = hex_field(root, "sha256", out->sha256, theirs);
    bool    salted = hex_field(root, "salt", out->salt, salt);
    json_decref(root);
    if (!hashed)
        return blind_fail(err, BLIND_PROTOCOL, "client.upload",
                          "the server does not say the SHA-256 of what it took");
    if (memcmp(own, theirs, 32) != 0)
        return blind_fail(err, BLIND_MODEL, "client.upload",
                          "the server took another model than was sent: SHA-256 %.16s...",
                          out->sha256);
    out->size = u->size;
    return salted ? bl_client_add_salt(c, salt, err) : BLIND_OK;
}

static blind_code send_model(blind_client *c, const char *name, upload *u, blind_model_info *out,
                             blind_error *err)
{
    char         path[MAX_PATH];
    blind_header headers[] = { { "Content-Type", "application/octet-stream" },
                               { "If-None-Match", "*" } };
    if (!model_path(path, name, ""))
        return bad_name(name, err);
    bl_hasher_init(&u->hasher, BL_SHA256);
    blind_request  r = { .method = "PUT",
                         .target = path,
                         .headers = headers,
                         .header_count = u->options.no_replace ? 2 : 1,
                         .body_read = read_model,
                         .body_rewind = rewind_model,
                         .body_arg = u,
                         .body_size = (int64_t)u->size };
    blind_response answer;
    blind_code     code = blind_client_request(c, &r, &answer, err);
    if (code == BLIND_OK)
        code = check(&answer, "upload", err);
    blind_model_info info = { .size = 0 };
    snprintf(info.name, sizeof info.name, "%s", name);
    if (code == BLIND_OK)
        code = read_info(c, &answer, u, &info, err);
    if (code == BLIND_OK && out)
        *out = info;
    blind_response_done(&answer);
    bl_hasher_done(&u->hasher);
    return code;
}

blind_code blind_client_upload(blind_client *c, const char *name, const char *path,
                               const blind_upload_options *options, blind_model_info *out,
                               blind_error *err)
{
    struct stat    st;
    bl_auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (out)
        *out = (blind_model_info){ .size = 0 };
    if (fd < 0 || fstat(fd, &st) != 0)
        return blind_fail(err, BLIND_IO, "client.upload", "cannot open '%s': %s", path,
                          strerror(errno));
    if (!S_ISREG(st.st_mode) || st.st_size == 0)
        return blind_fail(err, BLIND_IO, "client.upload", "'%s' is no file with a model", path);
    upload u = { .fd = fd, .size = (uint64_t)st.st_size };
    if (options)
        u.options = *options;
    return send_model(c, name, &u, out, err);
}

blind_code blind_client_upload_bytes(blind_client *c, const char *name, blind_span model,
                                     const blind_upload_options *options, blind_model_info *out,
                                     blind_error *err)
{
    upload u = { .fd = -1, .bytes = model, .size = model.size };
    if (options)
        u.options = *options;
    if (out)
        *out = (blind_model_info){ .size = 0 };
    return send_model(c, name, &u, out, err);
}

/* ---- small requests ---- */

static blind_code ask_plain(blind_client *c, const char *method, const char *path, const char *what,
                            char **json, blind_error *err)
{
    blind_request  r = { .method = method, .target = path, .idempotent = true };
    blind_response answer;
    BL_TRY(blind_client_request(c, &r, &answer, err));
    blind_code code = check(&answer, what, err);
    if (code == BLIND_OK && json) {
        *json = strndup((const char *)answer.body, answer.body_size);
        if (!*json)
            code = blind_fail(err, BLIND_MEMORY, "client.answer", "out of memory");
    }
    blind_response_done(&answer);
    return code;
}

blind_code blind_client_delete(blind_client *c, const char *name, blind_error *err)
{
    char path[MAX_PATH];
    if (!model_path(path, name, ""))
        return bad_name(name, err);
    return ask_plain(c, "DELETE", path, "delete", NULL, err);
}

blind_code blind_client_metadata(blind_client *c, const char *name, char **json, blind_error *err)
{
    char path[MAX_PATH];
    *json = NULL;
    if (!model_path(path, name, ""))
        return bad_name(name, err);
    return ask_plain(c, "GET", path, "metadata", json, err);
}

blind_code blind_client_index(blind_client *c, char **json, blind_error *err)
{
    *json = NULL;
    return ask_plain(c, "POST", "/v2/repository/index", "index", json, err);
}

/* ---- infer ---- */

typedef struct {
    bl_arena       arena; /* of the tensors that do not borrow from the answer */
    blind_response answer;
} outputs_memory;

void blind_outputs_done(blind_outputs *o)
{
    outputs_memory *m = o->memory;
    if (m) {
        bl_arena_done(&m->arena);
        blind_response_done(&m->answer);
        free(m);
    }
    *o = (blind_outputs){ 0 };
}

/* Names for tensors that have none, from the model's description. */
static blind_code name_inputs(blind_client *c, const char *model, blind_tensor *inputs,
                              size_t count, bl_arena *arena, blind_error *err)
{
    bl_auto_free char *text = NULL;
    BL_TRY(blind_client_metadata(c, model, &text, err));
    json_t    *root = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    json_t    *list = json_object_get(root, "inputs");
    blind_code code = BLIND_OK;
    for (size_t i = 0; code == BLIND_OK && i < count; i++) {
        const char *name = json_string_value(json_object_get(json_array_get(list, i), "name"));
        if (inputs[i].name && *inputs[i].name)
            continue;
        inputs[i].name = name ? bl_arena_copy(arena, bl_span_str(name)) : NULL;
        if (!inputs[i].name)
            code = blind_fail(err, BLIND_INPUT, "client.infer",
                              "model '%.40s' has %zu inputs and %zu were given", model,
                              json_array_size(list), count);
    }
    json_decref(root);
    return code;
}

static bool all_named(const blind_tensor *inputs, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!inputs[i].name || !*inputs[i].name)
            return false;
    return true;
}

static blind_code ask_infer(blind_client *c, const char *model, const blind_tensor *inputs,
                            size_t count, outputs_memory *m, blind_error *err)
{
    char              path[MAX_PATH], number[24];
    blind_span        parts[BL_MAX_TENSORS];
    bl_auto_buf       json = { .secret = true };
    int64_t           json_size;
    bl_kserve_request kserve = { .input_count = count, .binary_output = true };
    if (!model_path(path, model, "/infer"))
        return bad_name(model, err);
    kserve.inputs = bl_arena_array(&m->arena, count + 1, sizeof *inputs);
    if (!kserve.inputs)
        return blind_fail(err, BLIND_MEMORY, "client.infer", "out of memory");
    if (count)
        memcpy(kserve.inputs, inputs, count * sizeof *inputs);
    if (!all_named(inputs, count))
        BL_TRY(name_inputs(c, model, kserve.inputs, count, &m->arena, err));
    BL_TRY(bl_kserve_request_begin(&kserve, &json, &json_size, err));
    for (size_t i = 0; i < count; i++)
        parts[i] = bl_span(inputs[i].data, inputs[i].size);
    snprintf(number, sizeof number, "%lld", (long long)json_size);
    blind_header  headers[] = { { "Content-Type", BL_KSERVE_BINARY_TYPE },
                                { BL_KSERVE_HEADER, number } };
    blind_request r = { .method = "POST",
                        .target = path,
                        .headers = headers,
                        .header_count = json_size == BL_KSERVE_JSON ? 1 : 2,
                        .body = bl_buf_span(&json),
                        .idempotent = true };
    if (json_size == BL_KSERVE_JSON)
        headers[0].value = BL_KSERVE_JSON_TYPE;
    BL_TRY(bl_client_request_parts(c, &r, parts, count, &m->answer, err));
    return check(&m->answer, "infer", err);
}

static blind_code read_outputs(outputs_memory *m, blind_outputs *out, blind_error *err)
{
    const char *header = blind_response_header(&m->answer, "inference-header-content-length");
    uint64_t    number = 0;
    bl_kserve_response response = { 0 };
    if (header && (!bl_http_number(bl_span_str(header), &number) || number > m->answer.body_size))
        return blind_fail(err, BLIND_PROTOCOL, "client.infer", "malformed %s", BL_KSERVE_HEADER);
    int64_t    json_size = header ? (int64_t)number : BL_KSERVE_JSON;
    blind_code code = bl_kserve_response_parse(bl_span(m->answer.body, m->answer.body_size),
                                               json_size, &m->arena, &response, err);
    if (code != BLIND_OK)
        return blind_fail_in(err, code == BLIND_INPUT ? BLIND_PROTOCOL : code, "answer");
    *out = (blind_outputs){ .tensors = response.outputs,
                            .count = response.output_count,
                            .inference_time_ms = BL_MAX(response.inference_time_ms, 0.0),
                            .memory = m };
    return BLIND_OK;
}

blind_code blind_client_infer(blind_client *c, const char *model, const blind_tensor *inputs,
                              size_t count, blind_outputs *out, blind_error *err)
{
    *out = (blind_outputs){ 0 };
    outputs_memory *m = calloc(1, sizeof *m);
    if (!m)
        return blind_fail(err, BLIND_MEMORY, "client.infer", "out of memory");
    blind_code code = ask_infer(c, model, inputs, count, m, err);
    if (code == BLIND_OK)
        code = read_outputs(m, out, err);
    if (code != BLIND_OK) {
        blind_outputs failed = { .memory = m };
        blind_outputs_done(&failed);
    }
    return code;
}
