/* The table of routes, and how a path finds its row. */
#include "server/route.h"

#include "http/message.h"
#include "server/principal.h"
#include "tls/carriage.h"
#include "tls/client_authenticator.h"

#include <stdio.h>

#define ATTESTED BL_ON_ATTESTED
#define HELPER   BL_ON_HELPER
#define METRICS  BL_ON_METRICS
#define ALL      (BL_ON_ATTESTED | BL_ON_HELPER | BL_ON_METRICS)

#define MODEL   "/v2/models/{m}"
#define VERSION "/v2/models/{m}/versions/{v}"

#define ATTEST BL_BODY_SMALL, bl_api_attest_begin, NULL, bl_api_attest, bl_api_attest_done, NULL
#define ACTIVATE                                                                                   \
    BL_BODY_SMALL, bl_api_activate_begin, NULL, bl_api_activate, bl_api_attest_done, NULL
#define INFER                                                                                      \
    BL_BODY_INPUT, bl_api_infer_begin, NULL, bl_api_infer, bl_api_infer_done, bl_api_infer_gone
#define OPENAI                                                                                     \
    ATTESTED, BL_RIGHT_INFER, true, true, BL_BODY_INPUT, bl_api_openai_begin, NULL, bl_api_openai, \
        bl_api_openai_done, bl_api_openai_gone
#define UPLOAD                                                                                     \
    BL_BODY_MODEL, bl_api_upload_begin, bl_api_upload_piece, bl_api_upload, bl_api_upload_done, NULL
#define CLIENT              BL_BODY_SMALL, bl_api_client_begin, NULL, bl_api_client, NULL, NULL
#define PLAIN(kind, finish) kind, NULL, NULL, finish, NULL, NULL
#define COLLATERAL                                                                                 \
    HELPER, 0, false, false, BL_BODY_NONE, NULL, NULL, bl_api_mirror, bl_api_mirror_done, NULL

/* method, pattern, where, right, fenced, resolves, then the body and its handlers */
const bl_route bl_routes[] = {
    { "POST", BL_AUTHENTICATOR_PATH, ATTESTED, 0, false, false, ATTEST },
    { "POST", BL_ACTIVATION_PATH, ATTESTED, 0, true, false, ACTIVATE },
    { "GET", BL_CLIENT_AUTHENTICATOR_PATH, ATTESTED, 0, true, false,
      PLAIN(BL_BODY_NONE, bl_api_challenge) },
    { "POST", BL_CLIENT_AUTHENTICATOR_PATH, ATTESTED, 0, true, false, CLIENT },

    { "GET", "/v2/health/live", ATTESTED, 0, true, false, PLAIN(BL_BODY_NONE, bl_api_live) },
    { "GET", "/v2/health/ready", ATTESTED, 0, true, false, PLAIN(BL_BODY_NONE, bl_api_ready) },
    { "GET", "/v2", ATTESTED, 0, true, false, PLAIN(BL_BODY_NONE, bl_api_server) },

    { "GET", MODEL, ATTESTED, BL_RIGHT_INFER, true, true, PLAIN(BL_BODY_NONE, bl_api_model) },
    { "GET", VERSION, ATTESTED, BL_RIGHT_INFER, true, true, PLAIN(BL_BODY_NONE, bl_api_model) },
    { "GET", MODEL "/ready", ATTESTED, BL_RIGHT_INFER, true, false,
      PLAIN(BL_BODY_NONE, bl_api_model_ready) },
    { "GET", VERSION "/ready", ATTESTED, BL_RIGHT_INFER, true, false,
      PLAIN(BL_BODY_NONE, bl_api_model_ready) },
    { "POST", MODEL "/infer", ATTESTED, BL_RIGHT_INFER, true, true, INFER },
    { "POST", VERSION "/infer", ATTESTED, BL_RIGHT_INFER, true, true, INFER },

    { "GET", "/v1/models", ATTESTED, BL_RIGHT_INFER, true, false,
      PLAIN(BL_BODY_NONE, bl_api_openai_models) },
    { "GET", "/v1/models/{m}", ATTESTED, BL_RIGHT_INFER, true, true,
      PLAIN(BL_BODY_NONE, bl_api_openai_model) },
    { "POST", "/v1/chat/completions", OPENAI },
    { "POST", "/v1/completions", OPENAI },
    { "POST", "/v1/embeddings", OPENAI },
    { "POST", "/v1/responses", OPENAI },

    { "PUT", MODEL, ATTESTED, BL_RIGHT_UPLOAD, true, false, UPLOAD },
    { "DELETE", MODEL, ATTESTED, BL_RIGHT_DELETE, true, false, PLAIN(BL_BODY_NONE, bl_api_delete) },
    { "POST", "/v2/repository/index", ATTESTED, BL_RIGHT_INFER, true, false,
      PLAIN(BL_BODY_SMALL, bl_api_index) },
    { "POST", "/v2/repository/models/{m}/load", ATTESTED, BL_RIGHT_LOAD, true, false,
      PLAIN(BL_BODY_SMALL, bl_api_load) },
    { "POST", "/v2/repository/models/{m}/unload", ATTESTED, BL_RIGHT_LOAD, true, false,
      PLAIN(BL_BODY_SMALL, bl_api_unload) },

    { "GET", "/metrics", METRICS, 0, false, false, PLAIN(BL_BODY_NONE, bl_api_metrics) },
    { "GET", "/healthz", ALL, 0, true, false, PLAIN(BL_BODY_NONE, bl_api_live) },
    { "GET", "/readyz", ALL, 0, true, false, PLAIN(BL_BODY_NONE, bl_api_ready) },

    { "GET", "/", HELPER, 0, false, false, PLAIN(BL_BODY_NONE, bl_api_page) },
    { "GET", "/evidence", HELPER, 0, false, false, PLAIN(BL_BODY_NONE, bl_api_evidence) },
    { "GET", "/policy", HELPER, 0, false, false, PLAIN(BL_BODY_NONE, bl_api_policy) },
    { "GET", "/csr", HELPER, 0, false, false, PLAIN(BL_BODY_NONE, bl_api_csr) },

    /* AMD's and Intel's own paths */
    { "GET", "/vcek/v1/{x}/{x}", COLLATERAL },
    { "GET", "/vlek/v1/{x}/{x}", COLLATERAL },
    { "GET", "/sgx/certification/v4/tcb", COLLATERAL },
    { "GET", "/sgx/certification/v4/qe/identity", COLLATERAL },
    { "GET", "/sgx/certification/v4/pckcrl", COLLATERAL },
    { "GET", "/tdx/certification/v4/tcb", COLLATERAL },
    { "GET", "/tdx/certification/v4/qe/identity", COLLATERAL },
    { "GET", "/IntelSGXRootCA.der", COLLATERAL },
};
const size_t bl_route_count = BL_LEN(bl_routes);

/* Compares segment by segment; escapes in a path cannot make or hide a slash. */
static bool matches(const char *pattern, blind_span path, bl_route_params *params, bool *bad)
{
    char       segment[256], want[64];
    blind_span wanted = bl_span_str(pattern);
    bool       ignored;
    memset(params, 0, sizeof *params);
    while (bl_http_path_next(&wanted, want, sizeof want, &ignored)) {
        if (!bl_http_path_next(&path, segment, sizeof segment, bad))
            return false;
        char  *to = NULL;
        size_t size = 0;
        if (strcmp(want, "{x}") == 0)
            continue;
        if (strcmp(want, "{m}") == 0) {
            to = params->model;
            size = sizeof params->model;
        } else if (strcmp(want, "{v}") == 0) {
            to = params->version;
            size = sizeof params->version;
        }
        if (!to && strcmp(want, segment) != 0)
            return false;
        if (to && (!segment[0] || snprintf(to, size, "%s", segment) >= (int)size))
            return false;
    }
    return path.size == 0;
}

blind_code bl_route_find(unsigned where, blind_span method, blind_span path, const bl_route **out,
                         bl_route_params *params, blind_error *err)
{
    bool other = false, broken = false;
    *out = NULL;
    for (size_t i = 0; i < bl_route_count; i++) {
        const bl_route *route = &bl_routes[i];
        bool            bad = false;
        bool fits = (route->where & where) && matches(route->pattern, path, params, &bad);
        broken = broken || bad;
        if (!fits)
            continue;
        /* HEAD is GET whose body stays away. */
        bool head = bl_span_equal(method, BL_LITERAL("HEAD")) && strcmp(route->method, "GET") == 0;
        if (head || bl_span_equal(method, bl_span_str(route->method))) {
            *out = route;
            return BLIND_OK;
        }
        other = true;
    }
    if (broken)
        return blind_fail(err, BLIND_INPUT, "server.route", "a path with a broken escape");
    if (other)
        return blind_fail(err, BLIND_UNSUPPORTED, "server.route.method",
                          "this path has other methods");
    return blind_fail(err, BLIND_NOT_FOUND, "server.route", "no such path");
}

void bl_route_methods(unsigned where, blind_span path, char *out, size_t size)
{
    bl_route_params params;
    bool            bad = false;
    size_t          n = 0;
    out[0] = 0;
    for (size_t i = 0; i < bl_route_count; i++)
        if ((bl_routes[i].where & where) && matches(bl_routes[i].pattern, path, &params, &bad) &&
            n < size)
            n += (size_t)snprintf(out + n, size - n, "%s%s", n ? ", " : "", bl_routes[i].method);
}
