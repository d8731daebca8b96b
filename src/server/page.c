/* The status page: one self-contained document, no script, light and dark. */
#include "blind/version.h"
#include "server/internal.h"

#include <inttypes.h>

static const char head[] =
    "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
    "<meta name=\"color-scheme\" content=\"light dark\">\n<title>blind</title>\n<style>\n"
    ":root{--bg:#fafaf8;--card:#fff;--text:#1c1d1f;--soft:#5d6168;--line:#e4e3df;--accent:#0b6e5f;"
    "--warn:#8a4b00;--warnbg:#fff4e0;--code:#f2f1ee}\n"
    "@media(prefers-color-scheme:dark){:root{--bg:#141517;--card:#1c1e21;--text:#e8e6e1;"
    "--soft:#a0a4ab;--line:#303338;--accent:#5fd0bc;--warn:#ffc879;--warnbg:#33270f;"
    "--code:#26282c}}\n"
    "*{box-sizing:border-box}\n"
    "body{margin:0;background:var(--bg);color:var(--text);"
    "font:16px/1.6 system-ui,-apple-system,\"Segoe UI\",Roboto,sans-serif}\n"
    "main{max-width:46rem;margin:0 auto;padding:3rem 1.25rem 4rem}\n"
    "header{display:flex;align-items:baseline;gap:.75rem;flex-wrap:wrap;margin-bottom:.5rem}\n"
    "h1{font-size:2.1rem;letter-spacing:-.02em;margin:0}\nh2{font-size:1.1rem;margin:0 0 .6rem}\n"
    ".tag{font-size:.85rem;padding:.1rem .6rem;border-radius:1rem;border:1px solid var(--line);"
    "color:var(--soft)}\n"
    ".ok{color:var(--accent);border-color:var(--accent)}\n"
    ".lead{color:var(--soft);margin:.25rem 0 2rem}\n"
    "section{background:var(--card);border:1px solid var(--line);border-radius:.75rem;"
    "padding:1.25rem 1.4rem;margin:0 0 1rem}\n"
    ".warn{background:var(--warnbg);color:var(--warn);border-color:currentColor}\n"
    "ul{margin:0;padding-left:1.2rem}\nli{margin:.3rem 0}\n"
    "dl{display:grid;grid-template-columns:max-content 1fr;gap:.35rem 1.25rem;margin:0}\n"
    "dt{color:var(--soft)}\ndd{margin:0;overflow-wrap:anywhere}\n"
    "code,pre{font:.875rem/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}\n"
    "code{overflow-wrap:anywhere}\n"
    "pre{background:var(--code);border-radius:.5rem;padding:.9rem "
    "1rem;overflow-x:auto;margin:.6rem "
    "0}\n"
    "a{color:var(--accent)}\nfooter{color:var(--soft);font-size:.875rem;margin-top:2rem}\n"
    "</style>\n</head>\n<body>\n<main>\n";

static const char meaning[] =
    "<section>\n<h2>What a verified connection proves</h2>\n<ul>\n"
    "<li>Which program answers: its measurement, compared with the policy on your side.</li>\n"
    "<li>Which models were loaded, and under which configuration: the runtime log.</li>\n"
    "<li>That the encrypted session you are on ends inside that program, and nowhere "
    "before.</li>\n</ul>\n</section>\n"
    "<section>\n<h2>What it does not prove</h2>\n<ul>\n"
    "<li>Anything that this page says. It comes from the host, over a port without "
    "attestation.</li>\n"
    "<li>Whose server it is: that takes a certificate you know (<code>--ca</code> or "
    "<code>--pin</code>).</li>\n"
    "<li>That the model is right or harmless, or that the host keeps the service up.</li>\n"
    "</ul>\n</section>\n";

static const char mirror[] =
    "<p>Certificates and revocation lists of AMD and Intel are offered here by their own paths: "
    "<code>blind collateral fetch --mirror</code> takes them, and they prove themselves.</p>\n";

static const char downloads[] =
    "<p><a href=\"/evidence\">Evidence</a> (bound to the key, not to a session) &middot; "
    "<a href=\"/policy\">Policy as claimed</a> (for comparing, not for trusting) &middot; "
    "<a href=\"/csr\">Certificate request</a> of the attested key</p>\n</section>\n";

/* Only digits and letters of our own go into the page: nothing that a client or a model named. */
static void status(bl_buf *out, bl_server *s, const char *digest)
{
    bl_registry_stats r;
    bool              ready = atomic_load(&s->ready) && !atomic_load(&s->draining);
    int64_t           up = bl_clock_wall_s() - s->started_s;
    bl_registry_stats_read(s->registry, &r);
    bl_buf_printf(out,
                  "<header><h1>blind</h1><span class=\"tag\">%s</span>"
                  "<span class=\"tag %s\">%s</span></header>\n"
                  "<p class=\"lead\">Confidential AI serving: your data goes to a program you "
                  "verified, or it does not leave.</p>\n",
                  blind_version(), ready ? "ok" : "", ready ? "ready" : "not ready");
    if (strcmp(s->config->tee, "sim") == 0)
        bl_buf_add_str(out, "<section class=\"warn\"><strong>Simulation.</strong> This server "
                            "runs outside any trusted execution environment. Its evidence is "
                            "signed by a key that everybody has and protects nothing.</section>\n");
    bl_buf_printf(out,
                  "<section>\n<h2>This server</h2>\n<dl>\n<dt>TEE</dt><dd>%s</dd>\n"
                  "<dt>Attested port</dt><dd>%u</dd>\n<dt>Models ready</dt><dd>%zu</dd>\n"
                  "<dt>Runtime log</dt><dd>%" PRIu64 " events</dd>\n"
                  "<dt>Configuration</dt><dd><code>%s</code></dd>\n"
                  "<dt>Up for</dt><dd>%" PRId64 " h %" PRId64 " min</dd>\n</dl>\n</section>\n",
                  s->config->tee, bl_listeners_port(s, BL_ON_ATTESTED), r.ready,
                  bl_runtime_log_len(&s->log), digest, up / 3600, up / 60 % 60);
}

static void how(bl_buf *out, const bl_server *s)
{
    bool sim = strcmp(s->config->tee, "sim") == 0;
    bl_buf_printf(out,
                  "<section>\n<h2>Verify it yourself</h2>\n<p>With a build of <code>blind</code> "
                  "that you trust, make a policy and connect:</p>\n"
                  "<pre>blind policy create --tee %s --binary ./blind &gt; policy.toml\n"
                  "blind verify https://HOST:%u --policy policy.toml%s</pre>\n",
                  s->config->tee, bl_listeners_port(s, BL_ON_ATTESTED), sim ? " --simulation" : "");
    if (*s->config->collateral_dir)
        bl_buf_add_str(out, mirror);
    bl_buf_add_str(out, downloads);
}

blind_code bl_api_page(bl_exchange *e, blind_error *err)
{
    bl_buf out = BL_BUF_EMPTY;
    char   digest[65];
    (void)err;
    bl_hex_encode(bl_span(e->server->config->digest, 32), digest);
    bl_buf_add_str(&out, head);
    status(&out, e->server, digest);
    bl_buf_add_str(&out, meaning);
    how(&out, e->server);
    bl_buf_add_str(&out, "<footer>No script, no cookie, nothing loaded from elsewhere."
                         "</footer>\n</main>\n</body>\n</html>\n");
    bl_reply(e, 200, "text/html; charset=utf-8", &out,
             "Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'; "
             "frame-ancestors 'none'; base-uri 'none'\r\n"
             "X-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer\r\n");
    return BLIND_OK;
}
