/* `blind collateral fetch` and `show`: endorsements and collateral from AMD and Intel. */
#include "cli/collateral.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/limits.h"
#include "cli/commands.h"
#include "collateral/plan.h"
#include "crypto/x509.h"

#include <stdlib.h>

static const char STAGE[] = "cli.collateral";

enum { DAY_S = 24 * 3600 };

blind_code bl_cli_collateral_dir(const char *given, char *out, size_t size, blind_error *err)
{
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    int         n;
    if (given)
        n = snprintf(out, size, "%s", given);
    else if (cache && *cache == '/')
        n = snprintf(out, size, "%s/blind/collateral", cache);
    else if (home && *home == '/')
        n = snprintf(out, size, "%s/.cache/blind/collateral", home);
    else
        return blind_fail(err, BLIND_USAGE, STAGE, "no HOME: give --dir DIR");
    if (n < 0 || (size_t)n >= size)
        return blind_fail(err, BLIND_USAGE, STAGE, "--dir is too long");
    return BLIND_OK;
}

/* ---- fetch ---- */

static const char *const outcomes[] = {
    [BL_FETCHED] = "fetched", [BL_UNCHANGED] = "unchanged", [BL_KEPT] = "kept", [BL_OLD] = "OLD"
};

typedef struct {
    bl_args         *args;
    bl_fetch_options fetch;
    bl_plan          plan;
    const char      *out; /* folder for the parts; NULL: none */
    json_t          *items;
    size_t           old;
} fetching;

static blind_code write_parts(const char *dir, const bl_collateral *c, blind_error *err)
{
    char path[4096];
    for (size_t i = 0; i < c->parts.len; i++) {
        blind_span name = c->parts.items[i].name;
        if (snprintf(path, sizeof path, "%s/%.*s", dir, (int)name.size, (const char *)name.data) >=
            (int)sizeof path)
            return blind_fail(err, BLIND_USAGE, STAGE, "--out is too long");
        BL_TRY(bl_file_write_atomic(path, c->parts.items[i].bytes, 0644, err));
    }
    return BLIND_OK;
}

static void tell(fetching *f, const bl_need *need, const bl_item *item, bl_fetch_outcome outcome,
                 const blind_error *why)
{
    bool old = outcome == BL_OLD;
    f->old += old;
    if (f->args->json)
        json_array_append_new(f->items, json_pack("{s:s,s:s,s:s,s:I,s:I}", "name", need->name,
                                                  "url", need->url, "outcome", outcomes[outcome],
                                                  "size", (json_int_t)item->body.size, "fetched_at",
                                                  (json_int_t)item->fetched_at));
    else
        printf("%-9s  %8zu bytes  %s%s%s\n", outcomes[outcome], item->body.size, need->name,
               old ? "; " : "", old ? why->message : "");
}

static blind_code fetch_all(fetching *f, bl_collateral *c, blind_error *err)
{
    for (size_t i = 0; i < f->plan.len; i++) {
        const bl_need   *need = &f->plan.items[i];
        bl_auto_item     item = BL_ITEM_EMPTY;
        bl_fetch_outcome outcome;
        blind_error      why = { 0 };
        blind_code       code =
            bl_fetch(&f->fetch, need->url, need->name, need->header, &item, &outcome, &why);
        if (code != BLIND_OK)
            return blind_fail(err, code, STAGE, "%s", why.message);
        tell(f, need, &item, outcome, &why);
        BL_TRY(bl_collateral_take(c, need, &item, err));
    }
    return BLIND_OK;
}

static blind_code finish_fetch(fetching *f, const bl_collateral *c, blind_error *err)
{
    if (f->out)
        BL_TRY(write_parts(f->out, c, err));
    if (f->args->json)
        BL_TRY(bl_args_print_json(
            f->args,
            json_pack("{s:i,s:s,s:O}", "version", 1, "dir", f->fetch.dir, "items", f->items), err));
    if (f->old)
        return blind_fail(err, BLIND_NETWORK, STAGE, "%zu of %zu files are old ones: no answer",
                          f->old, f->plan.len);
    return BLIND_OK;
}

static blind_code run_fetch(bl_args *args, blind_error *err)
{
    char               dir[4000];
    bl_auto_buf        evidence = BL_BUF_EMPTY;
    bl_auto_json      *items = json_array();
    bl_auto_collateral collateral = { 0 };
    const char        *mirror = bl_args_text(args, "mirror");
    bl_sources         sources = bl_sources_vendors;
    fetching           f = { .args = args, .out = bl_args_text(args, "out"), .items = items };
    if (mirror)
        sources.amd = sources.intel = sources.intel_root = mirror;
    sources.product = bl_args_text(args, "product");
    BL_TRY(bl_cli_collateral_dir(bl_args_text(args, "dir"), dir, sizeof dir, err));
    BL_TRY(bl_file_read(bl_args_operand(args, 0), BL_MAX_BUNDLE_SIZE, &evidence, err));
    BL_TRY(bl_plan_for(bl_args_text(args, "tee"), bl_buf_span(&evidence), &sources, &f.plan, err));
    f.fetch = (bl_fetch_options){ .dir = dir,
                                  .ca_file = bl_args_text(args, "ca"),
                                  .attempts = (int)bl_args_integer(args, "attempts"),
                                  .timeout_s = (int)bl_args_integer(args, "timeout-s"),
                                  .max_age_s = bl_args_has(args, "refresh") ? 0 : DAY_S,
                                  .now_s = bl_clock_wall_s() };
    BL_TRY(fetch_all(&f, &collateral, err));
    return finish_fetch(&f, &collateral, err);
}

static const bl_option fetch_options[] = {
    { .name = "tee",
      .kind = BL_CHOICE,
      .choices = "snp|sgx|tdx",
      .arg = "TEE",
      .required = true,
      .help = "whose report or quote EVIDENCE is" },
    { .name = "dir",
      .kind = BL_DIR,
      .arg = "DIR",
      .help = "the store (default ~/.cache/blind/collateral)" },
    { .name = "out",
      .kind = BL_DIR,
      .arg = "DIR",
      .help = "also write each part there under its name: ask, vcek, tcb_info, ..." },
    { .name = "product",
      .kind = BL_CHOICE,
      .choices = "Milan|Genoa|Turin",
      .arg = "NAME",
      .help = "of the processor, for SNP reports of version 2, which do not say" },
    { .name = "refresh", .kind = BL_FLAG, .help = "ask again for files younger than a day" },
    { .name = "mirror",
      .kind = BL_TEXT,
      .arg = "URL",
      .help = "an https server with the vendors' own paths, in place of theirs: the helper port of "
              "'blind serve --collateral-dir' is one" },
    { .name = "ca",
      .kind = BL_FILE,
      .arg = "FILE",
      .help = "PEM certificates that may issue the mirror's" },
    { .name = "attempts",
      .kind = BL_INTEGER,
      .arg = "N",
      .min = 1,
      .max = 20,
      .fallback = "5",
      .help = "tries for each file while the vendor is busy or out of reach" },
    { .name = "timeout-s",
      .kind = BL_INTEGER,
      .arg = "S",
      .min = 1,
      .max = 600,
      .fallback = "30",
      .help = "of one try" },
    BL_OPTIONS_END
};

const bl_command bl_command_collateral_fetch = {
    .name = "collateral fetch",
    .summary = "get what verifying a report or quote takes beside it",
    .about =
        "Works out which certificates, revocation lists and TCB information the evidence needs,\n"
        "gets them from AMD's or Intel's service, and keeps them in a folder. Files younger\n"
        "than a day are kept; older ones are asked for with their tag. A vendor that cannot be\n"
        "reached leaves the old file, and the exit status says so.",
    .operands = { { .arg = "EVIDENCE",
                    .kind = BL_FILE,
                    .help = "a report (SNP) or quote (SGX, TDX) as the hardware gave it" } },
    .options = fetch_options,
    .examples = "blind collateral fetch report.bin --tee snp --product Milan\n"
                "blind collateral fetch quote.bin --tee tdx --mirror https://HOST:50052 --ca "
                "host_server.pem\n"
                "blind collateral fetch quote.bin --tee tdx --out collateral",
    .run = run_fetch,
};

/* ---- show ---- */

/* When an item ends by its own word; 0: it does not say. */
static int64_t end_of_json(blind_span text)
{
    static const char *const inner[] = { "tcbInfo", "enclaveIdentity" };
    bl_auto_json            *whole = NULL;
    int64_t                  end = 0;
    if (bl_json_parse(text, BL_MAX_COLLATERAL, &whole, NULL) != BLIND_OK)
        return 0;
    for (size_t i = 0; i < BL_LEN(inner); i++) {
        const char *next =
            json_string_value(json_object_get(json_object_get(whole, inner[i]), "nextUpdate"));
        if (next)
            (void)bl_clock_parse(next, &end);
    }
    return end;
}

static int64_t end_of(const bl_item *item)
{
    bl_auto_chain chain = BL_CHAIN_EMPTY;
    bl_auto_crl  *crl = NULL;
    blind_span    body = bl_buf_span(&item->body);
    int64_t       end = INT64_MAX;
    if (body.size && body.data[0] == '{')
        return end_of_json(body);
    if (bl_crl_parse(body, &crl, NULL) == BLIND_OK)
        return BL_MAX(bl_crl_next_update(crl), 0);
    if (bl_chain_add(&chain, body, NULL) != BLIND_OK)
        return 0;
    for (size_t i = 0; i < chain.len; i++)
        end = BL_MIN(end, bl_x509_not_after(chain.certs[i]));
    return end;
}

typedef struct {
    bl_args    *args;
    const char *dir;
    int64_t     now_s;
    json_t     *items;
    size_t      len;
} showing;

static void put_end(int64_t end, int64_t now, char *out, size_t size)
{
    if (end == 0)
        snprintf(out, size, "says no end");
    else if (end < now)
        snprintf(out, size, "ENDED %lld days ago", (long long)((now - end) / DAY_S));
    else
        snprintf(out, size, "good for %lld days", (long long)((end - now) / DAY_S));
}

static blind_code show_one(void *arg, const char *name, blind_error *err)
{
    showing     *s = arg;
    bl_auto_item item = BL_ITEM_EMPTY;
    char         end_text[48];
    blind_code   code = bl_store_read(s->dir, name, &item, err);
    if (code == BLIND_NOT_FOUND) /* damaged: it will be fetched again */
        return BLIND_OK;
    BL_TRY(code);
    int64_t end = end_of(&item);
    s->len++;
    if (s->args->json) {
        json_array_append_new(s->items,
                              json_pack("{s:s,s:s,s:I,s:I,s:o}", "name", name, "url", item.url,
                                        "size", (json_int_t)item.body.size, "fetched_at",
                                        (json_int_t)item.fetched_at, "ends_at",
                                        end ? json_integer((json_int_t)end) : json_null()));
        return BLIND_OK;
    }
    put_end(end, s->now_s, end_text, sizeof end_text);
    printf("%8zu bytes  fetched %4lld h ago  %-22s  %s\n", item.body.size,
           (long long)((s->now_s - item.fetched_at) / 3600), end_text, name);
    return BLIND_OK;
}

static blind_code run_show(bl_args *args, blind_error *err)
{
    char          dir[4000];
    bl_auto_json *items = json_array();
    showing       s = { .args = args, .dir = dir, .now_s = bl_clock_wall_s(), .items = items };
    BL_TRY(bl_cli_collateral_dir(bl_args_text(args, "dir"), dir, sizeof dir, err));
    BL_TRY(bl_store_list(dir, show_one, &s, err));
    if (args->json)
        return bl_args_print_json(
            args, json_pack("{s:i,s:s,s:O}", "version", 1, "dir", dir, "items", items), err);
    if (s.len == 0)
        printf("nothing in %s\n", dir);
    return BLIND_OK;
}

static const bl_option show_options[] = { { .name = "dir",
                                            .kind = BL_DIR,
                                            .arg = "DIR",
                                            .help =
                                                "the store (default ~/.cache/blind/collateral)" },
                                          BL_OPTIONS_END };

const bl_command bl_command_collateral_show = {
    .name = "collateral show",
    .summary = "list the store: what is there, how old, how long it is good",
    .options = show_options,
    .examples = "blind collateral show\n"
                "blind collateral show --dir /var/lib/blind/collateral --json",
    .run = run_show,
};
