/* blind connect: any HTTP client of this machine speaks to a server that proved itself. */
#include "proxy/proxy.h"
#include "base/file.h"
#include "base/json.h"
#include "base/limits.h"
#include "cli/connect.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

enum { MAX_KEY = 4096, POOL = 32, REQUEST_MS = 600000 };

static bl_proxy *running; /* for the signal handler */

static void on_signal(int number)
{
    (void)number;
    if (running)
        bl_proxy_stop(running);
}

static void on_notice(void *arg, blind_code code, const char *line)
{
    (void)arg;
    fprintf(stderr, "blind connect: %s: %s\n", blind_code_name(code), line);
}

/* The first line of --local-key, else $BLIND_LOCAL_KEY, else nothing. */
static blind_code read_key(const bl_args *args, bl_buf *key, const char **out, blind_error *err)
{
    const char *path = bl_args_text(args, "local-key");
    *out = getenv("BLIND_LOCAL_KEY");
    if (path) {
        BL_TRY(bl_file_read(path, MAX_KEY, key, err));
        char *text = bl_buf_cstr(key);
        if (!text)
            return blind_fail(err, BLIND_MEMORY, "cli.key", "out of memory");
        text[strcspn(text, "\r\n")] = 0;
        *out = text;
    }
    if (*out && !**out)
        return blind_fail(err, BLIND_USAGE, "cli.key", "the local key is empty");
    return BLIND_OK;
}

/* Where local clients find the proxy. */
static void local_url(const char *listen, uint16_t port, char *out, size_t size)
{
    const char *colon = strrchr(listen, ':');
    snprintf(out, size, "http://%.*s:%u", (int)(colon ? colon - listen : 0), listen, port);
}

static blind_code show(bl_args *args, blind_client *client, const char *url, blind_error *err)
{
    char *text = blind_client_verdict_text(client), *json = blind_client_verdict_json(client);
    bl_auto_json *verdict = NULL;
    blind_code    code = BLIND_OK;
    if (!text || !json)
        code = blind_fail(err, BLIND_MEMORY, "cli.connect", "out of memory");
    else if (args->json)
        code = bl_json_parse(bl_span_str(json), BL_MAX_JSON_SIZE, &verdict, err);
    if (code == BLIND_OK && args->json)
        code = bl_args_print_json(args,
                                  json_pack("{s:i, s:s, s:s, s:O}", "version", 1, "server",
                                            bl_args_operand(args, 0), "listen", url, "verdict",
                                            verdict),
                                  err);
    else if (code == BLIND_OK)
        printf("%s\nlistening on %s (OpenAI clients: base_url %s/v1)\n", text, url, url);
    fflush(stdout);
    free(text);
    free(json);
    return code;
}

static blind_code serve(bl_args *args, bl_proxy_options *options, blind_error *err)
{
    char             url[160];
    struct sigaction mine = { .sa_handler = on_signal };
    bl_proxy        *proxy;
    BL_TRY(bl_proxy_open(options, &proxy, err));
    local_url(options->listen, bl_proxy_port(proxy), url, sizeof url);
    blind_code code = show(args, options->client, url, err);
    if (code == BLIND_OK) {
        running = proxy;
        sigaction(SIGTERM, &mine, NULL);
        sigaction(SIGINT, &mine, NULL);
        bl_proxy_run(proxy);
        running = NULL;
    }
    bl_proxy_close(proxy);
    return code;
}

static blind_code run(bl_args *args, blind_error *err)
{
    bl_auto_client      *client = NULL;
    bl_auto_buf          key = { .secret = true };
    blind_client_options with = { .idle_max = POOL, .request_ms = REQUEST_MS };
    bl_proxy_options     options = { .listen = bl_args_text(args, "listen"),
                                     .anywhere = bl_args_has(args, "anywhere"),
                                     .drain_ms = (int)bl_args_integer(args, "drain-s") * 1000,
                                     .notice = on_notice };
    BL_TRY(read_key(args, &key, &options.local_key, err));
    BL_TRY(bl_cli_connect_as(args, bl_args_operand(args, 0), &with, &client, NULL, err));
    options.client = client;
    options.has_token = with.token != NULL;
    return serve(args, &options, err);
}

/* clang-format off */
static const bl_option options[] = {
    BL_OPTIONS_CONNECT,
    BL_OPTION_TOKEN,
    { .name = "listen", .kind = BL_TEXT, .arg = "ADDRESS:PORT", .fallback = "127.0.0.1:8080",
      .help = "where local clients connect; port 0: any that is free" },
    { .name = "anywhere", .kind = BL_FLAG,
      .help = "allow --listen to be an address that other machines reach, too" },
    { .name = "local-key", .kind = BL_FILE, .arg = "FILE",
      .help = "what local clients must send as bearer token (their API key); $BLIND_LOCAL_KEY else" },
    { .name = "drain-s", .kind = BL_INTEGER, .arg = "S", .min = 1, .max = 3600, .fallback = "30",
      .help = "how long answers under way may take after SIGTERM" },
    BL_OPTIONS_END
};

const bl_command bl_command_connect = {
    .name = "connect",
    .summary = "let any HTTP client of this machine speak to a server that proved itself",
    .about = "A local proxy: clients speak plain HTTP to it, it speaks to the server over connections that it\n"
             "has appraised, each one, before a byte of a request goes out. The verdict is shown at the start;\n"
             "GET /.blind/verdict tells the newest. A server that cannot prove what the policy asks, or that\n"
             "cannot be reached, is answered for with 502 and a JSON error that says why, and nothing is sent.\n"
             "When the server restarts or its models change the proxy connects and appraises again.\n\n"
             "Clients of OpenAI's API take http://127.0.0.1:8080/v1 as base URL. Other users of this machine\n"
             "can use the proxy as well, unless --local-key is given; then that key is the API key. Requests of\n"
             "web pages, and those whose Host is a name other than localhost, are refused.",
    .operands = { { .arg = "URL", .kind = BL_TEXT, .help = "https://HOST:PORT" } },
    .options = options,
    .examples = "blind connect https://host:50051 --policy p.toml\n"
                "blind connect https://host:50051 --policy p.toml --listen 127.0.0.1:9000 --local-key key.txt",
    .run = run,
    .appraises = true,
};
/* clang-format on */
