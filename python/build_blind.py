"""What Python sees of libblind: the declarations of include/blind, for cffi's API mode."""

from cffi import FFI

ffibuilder = FFI()

ffibuilder.cdef("""
typedef enum { BLIND_OK, BLIND_AGAIN, BLIND_CLOSED, BLIND_CANCELLED, BLIND_CODE_COUNT, ... } blind_code;
typedef struct { const uint8_t *data; size_t size; } blind_span;
typedef struct { blind_code code; const char *stage; char message[...]; ...; } blind_error;
#define BLIND_WANTS_READ ...
#define BLIND_WANTS_WRITE ...
const char *blind_code_name(blind_code code);
const char *blind_code_text(blind_code code);
const char *blind_code_exception(blind_code code);
int blind_code_exit(blind_code code);
const char *blind_version(void);

typedef struct blind_policy blind_policy;
typedef struct blind_result blind_result;
typedef struct blind_stream blind_stream;
typedef struct blind_client blind_client;

blind_code blind_policy_load_file(const char *path, blind_policy **out, blind_error *err);
blind_code blind_policy_load_text(blind_span text, blind_policy **out, blind_error *err);
void blind_policy_free(blind_policy *policy);

const char *blind_result_json(const blind_result *result);
const char *blind_result_text(const blind_result *result);
void blind_result_free(blind_result *result);

typedef enum { BLIND_BOUND_REPORT_DATA, BLIND_BOUND_UNBOUND, ... } blind_bound;
typedef struct { blind_bound to; blind_span report_data; ...; } blind_expect;
typedef struct { const char *name; blind_span bytes; } blind_part;
typedef struct blind_cache blind_cache;
blind_cache *blind_cache_new(size_t max_entries);
void blind_cache_free(blind_cache *cache);
typedef struct { bool simulation; bool debug_mode; int64_t now_s; blind_cache *cache; ...; } blind_appraise_options;
typedef enum { BLIND_CASE_UNSUPPORTED, BLIND_CASE_ACCEPT, BLIND_CASE_REJECT, ... } blind_case_verdict;
typedef struct { blind_case_verdict verdict; char reason[...]; ...; } blind_case_judgement;
blind_code blind_case_judge(blind_span one_json, const char *folder, blind_case_judgement *out, blind_error *err);
blind_code blind_appraise_evidence(const char *tee, blind_span evidence, const blind_part *parts, size_t parts_len, const blind_expect *expect, const blind_policy *policy, const blind_appraise_options *options, blind_result **out, blind_error *err);

typedef struct {
    const char *host;
    uint16_t port;
    const blind_policy *policy;
    const char *ca_file;
    const char *pin_file;
    const char *server_name;
    const char *client_key_file;
    blind_span client_key;
    bool simulation;
    bool debug_mode;
    int timeout_ms;
    int verdict_ttl_s;
    ...;
} blind_dial_options;

blind_code blind_stream_open(const blind_dial_options *options, blind_stream **out, blind_result **result, blind_error *err);
blind_code blind_stream_read(blind_stream *stream, void *to, size_t size, size_t *got, blind_error *err);
blind_code blind_stream_write(blind_stream *stream, const void *from, size_t size, size_t *put, blind_error *err);
blind_code blind_stream_reattest(blind_stream *stream, blind_error *err);
int blind_stream_fd(const blind_stream *stream);
int blind_stream_wants(const blind_stream *stream);
blind_code blind_stream_wait(blind_stream *stream, int timeout_ms, blind_error *err);
const blind_result *blind_stream_result(const blind_stream *stream);
int64_t blind_stream_expiry_ms(const blind_stream *stream);
bool blind_stream_alive(blind_stream *stream);
void blind_stream_close(blind_stream *stream);

typedef struct {
    blind_dial_options dial;
    const char *token;
    ...;
} blind_client_options;

blind_code blind_client_open(const blind_client_options *options, blind_client **out, blind_result **result, blind_error *err);
void blind_client_close(blind_client *client);
char *blind_client_verdict_json(blind_client *client);
blind_code blind_client_ear(blind_client *client, blind_span key_pem, char **out, blind_error *err);
char *blind_client_verdict_text(blind_client *client);
blind_code blind_client_reattest(blind_client *client, blind_error *err);

typedef struct { const char *name, *value; } blind_header;
typedef struct {
    const char *method;
    const char *target;
    const blind_header *headers;
    size_t header_count;
    blind_span body;
    ...;
} blind_request;
typedef struct {
    int status;
    blind_header *headers;
    size_t header_count;
    uint8_t *body;
    size_t body_size;
    ...;
} blind_response;
blind_code blind_client_request(blind_client *client, const blind_request *request, blind_response *out, blind_error *err);
void blind_response_done(blind_response *response);

typedef struct { char name[129]; char sha256[65]; char salt[65]; uint64_t size; ...; } blind_model_info;
typedef blind_code blind_progress(void *arg, uint64_t sent, uint64_t total, blind_error *err);
typedef struct { bool no_replace; blind_progress *progress; void *progress_arg; ...; } blind_upload_options;
blind_code blind_client_upload(blind_client *client, const char *name, const char *path,
                        const blind_upload_options *options, blind_model_info *out, blind_error *err);
blind_code blind_client_upload_bytes(blind_client *client, const char *name, blind_span model,
                              const blind_upload_options *options, blind_model_info *out, blind_error *err);
blind_code blind_client_delete(blind_client *client, const char *name, blind_error *err);
blind_code blind_client_metadata(blind_client *client, const char *name, char **json, blind_error *err);
blind_code blind_client_index(blind_client *client, char **json, blind_error *err);

typedef enum { BLIND_DTYPE_COUNT, ... } blind_dtype;
typedef struct { const char *name; blind_dtype dtype; int rank; int64_t shape[16]; void *data; size_t size; ...; } blind_tensor;
const char *blind_dtype_kserve(blind_dtype dtype);
typedef struct { blind_tensor *tensors; size_t count; double inference_time_ms; ...; } blind_outputs;
blind_code blind_client_infer(blind_client *client, const char *model, const blind_tensor *inputs, size_t count,
                       blind_outputs *out, blind_error *err);
void blind_outputs_done(blind_outputs *outputs);

void free(void *pointer);
extern "Python" blind_code blind_py_progress(void *arg, uint64_t sent, uint64_t total, blind_error *err);
""")

ffibuilder.set_source("blind._blind", """
#include <stdlib.h>
#include "blind/appraise.h"
#include "blind/client.h"
#include "blind/conformance.h"
#include "blind/policy.h"
#include "blind/stream.h"
#include "blind/version.h"
""", extra_compile_args=["-std=gnu17", "-O2"])

if __name__ == "__main__":
    ffibuilder.compile(verbose=True)
