/* `blind verify`: appraises a server, a bundle in a file, or the evidence in a certificate. */
#include "base/clock.h"
#include "base/file.h"
#include "base/hex.h"
#include "base/limits.h"
#include "blind/appraise.h"
#include "blind/client.h"
#include "cli/collateral.h"
#include "cli/commands.h"
#include "cli/connect.h"
#include "cli/ear.h"
#include "collateral/plan.h"
#include "crypto/cert.h"

#include <stdlib.h>
#include <time.h>

static const char STAGE[] = "cli.verify";

/* The verdict on stdout, accepted or not; main adds the one line of a refusal on stderr. */
static blind_code print_verdict(bl_args *args, const char *text, const char *json, blind_error *err)
{
    if (args->json)
        return bl_args_print_json(args, json_loads(json, 0, NULL), err);
    if (fputs(text, stdout) < 0 || fflush(stdout))
        return blind_fail(err, BLIND_IO, STAGE, "cannot write to stdout");
    return BLIND_OK;
}

static blind_code print_result(bl_args *args, const blind_result *result, blind_error *err)
{
    return print_verdict(args, blind_result_text(result), blind_result_json(result), err);
}

/* ---- a server ---- */

static blind_code verify_server(bl_args *args, const char *url, blind_policy *policy,
                                blind_error *err)
{
    blind_client_options options = {
        .dial = bl_cli_dial_options(args, policy),
    };
    blind_client *client;
    blind_result *result = NULL;
    blind_code    code = blind_client_open_url(url, &options, &client, &result, err);
    if (code == BLIND_OK) {
        char *text = blind_client_verdict_text(client), *json = blind_client_verdict_json(client);
        code = text && json ? print_verdict(args, text, json, err)
                            : blind_fail(err, BLIND_MEMORY, STAGE, "out of memory");
        free(text);
        free(json);
        if (code == BLIND_OK)
            code = bl_ear_save_client(args, client, err);
    } else if (result) {
        blind_error printing;
        (void)print_result(args, result, &printing); /* the refusal is the answer */
        (void)!bl_ear_save_result(args, result, &printing);
    }
    blind_result_free(result);
    blind_client_close(client);
    return code;
}

/* ---- a file ---- */

/* What --report-data or --unbound says; `bytes` keeps the digits' value. */
static blind_code file_expectation(const bl_args *args, uint8_t bytes[64], blind_expect *out,
                                   blind_error *err)
{
    const char *hex = bl_args_text(args, "report-data");
    bool        unbound = bl_args_has(args, "unbound");
    if ((hex != NULL) == unbound)
        return blind_fail(err, BLIND_USAGE, STAGE,
                          "a file needs --report-data HEX or --unbound, one of them");
    *out = (blind_expect){ .to = BLIND_BOUND_UNBOUND };
    if (unbound)
        return BLIND_OK;
    size_t digits = strlen(hex);
    if (digits == 0 || digits > 128 || digits % 2 ||
        !bl_hex_decode(bl_span(hex, digits), bytes, digits / 2))
        return blind_fail(err, BLIND_USAGE, STAGE,
                          "--report-data takes 2 to 128 hexadecimal digits, found '%.40s'", hex);
    *out =
        (blind_expect){ .to = BLIND_BOUND_REPORT_DATA, .report_data = bl_span(bytes, digits / 2) };
    return BLIND_OK;
}

static blind_code read_options(const bl_args *args, blind_appraise_options *out, blind_error *err)
{
    const char *at = bl_args_text(args, "at");
    *out = (blind_appraise_options){ .simulation = bl_args_has(args, "simulation"),
                                     .debug_mode = bl_args_has(args, "debug-mode"),
                                     .now_s = (int64_t)time(NULL) };
    if (!at || bl_clock_parse(at, &out->now_s))
        return BLIND_OK;
    return blind_fail(err, BLIND_USAGE, STAGE, "--at takes 2026-01-31T12:00:00Z, found '%.40s'",
                      at);
}

/* Prints the verdict, writes it as a token and frees it; `code` is the appraisal's. */
static blind_code conclude(bl_args *args, blind_code code, blind_result *result, blind_error *err)
{
    blind_error printing;
    blind_code  printed = result ? print_result(args, result, &printing) : BLIND_OK;
    if (result && printed == BLIND_OK)
        printed = bl_ear_save_result(args, result, &printing);
    blind_result_free(result);
    if (code == BLIND_OK && printed != BLIND_OK && err)
        *err = printing;
    return code == BLIND_OK ? printed : code;
}

static blind_code appraise(bl_args *args, blind_span bundle, const blind_expect *expect,
                           const blind_policy *policy, blind_error *err)
{
    blind_appraise_options options;
    blind_result          *result = NULL;
    BL_TRY(read_options(args, &options, err));
    blind_code code = blind_appraise(bundle, expect, policy, &options, &result, err);
    return conclude(args, code, result, err);
}

/* ---- a TEE's own evidence ---- */

enum { MAX_PARTS = 32, PART_NAME = 65 };

typedef struct {
    char       names[MAX_PARTS][PART_NAME];
    bl_buf     bytes[MAX_PARTS];
    blind_part parts[MAX_PARTS];
    size_t     len;
} part_list;

static void part_list_done(part_list *list)
{
    for (size_t i = 0; i < list->len; i++)
        bl_buf_done(&list->bytes[i]);
}

static blind_code read_parts(const bl_args *args, part_list *list, blind_error *err)
{
    const char *text, *path;
    while ((text = bl_args_nth(args, "part", list->len))) {
        if (list->len == MAX_PARTS)
            return blind_fail(err, BLIND_USAGE, STAGE, "more than %d parts", MAX_PARTS);
        size_t i = list->len++;
        BL_TRY(bl_args_pair(text, list->names[i], PART_NAME, &path, err));
        BL_TRY(bl_file_read(path, BL_MAX_BUNDLE_SIZE, &list->bytes[i], err));
        list->parts[i] = (blind_part){ list->names[i], bl_buf_span(&list->bytes[i]) };
    }
    return BLIND_OK;
}

/* From the store, what was not given. */
static blind_code read_store(const bl_args *args, blind_span evidence, bl_collateral *collateral,
                             part_list *list, blind_error *err)
{
    char        dir[4000];
    const char *given = bl_args_text(args, "collateral");
    bl_plan     plan;
    bl_sources  sources = bl_sources_vendors;
    sources.product = bl_args_text(args, "product");
    if (!given)
        return BLIND_OK;
    BL_TRY(bl_cli_collateral_dir(*given ? given : NULL, dir, sizeof dir, err));
    BL_TRY(bl_plan_for(bl_args_text(args, "tee"), evidence, &sources, &plan, err));
    BL_TRY(bl_collateral_load(collateral, &plan, dir, err));
    for (size_t i = 0; i < collateral->parts.len && list->len < MAX_PARTS; i++) {
        const bl_part *part = &collateral->parts.items[i];
        size_t         at = list->len, same = 0;
        snprintf(list->names[at], PART_NAME, "%.*s", (int)part->name.size,
                 (const char *)part->name.data);
        while (same < at && strcmp(list->names[same], list->names[at]) != 0)
            same++;
        if (same < at)
            continue;
        list->parts[at] = (blind_part){ list->names[at], part->bytes };
        list->len++;
    }
    return BLIND_OK;
}

static blind_code appraise_evidence(bl_args *args, blind_span evidence, const blind_expect *expect,
                                    const blind_policy *policy, blind_error *err)
{
    blind_appraise_options options;
    blind_result          *result = NULL;
    part_list              list = { 0 };
    bl_auto_collateral     collateral = { 0 };
    BL_TRY(read_options(args, &options, err));
    blind_code code = read_parts(args, &list, err);
    if (code == BLIND_OK)
        code = read_store(args, evidence, &collateral, &list, err);
    if (code == BLIND_OK) {
        code = blind_appraise_evidence(bl_args_text(args, "tee"), evidence, list.parts, list.len,
                                       expect, policy, &options, &result, err);
        code = conclude(args, code, result, err);
    }
    part_list_done(&list);
    return code;
}

static blind_code verify_file(bl_args *args, const char *path, const blind_policy *policy,
                              blind_error *err)
{
    bl_auto_buf  bundle = BL_BUF_EMPTY;
    uint8_t      bytes[64];
    blind_expect expect;
    BL_TRY(file_expectation(args, bytes, &expect, err));
    BL_TRY(bl_file_read(path, BL_MAX_BUNDLE_SIZE, &bundle, err));
    if (bl_args_text(args, "tee"))
        return appraise_evidence(args, bl_buf_span(&bundle), &expect, policy, err);
    if (bl_args_has(args, "part") || bl_args_has(args, "collateral"))
        return blind_fail(err, BLIND_USAGE, STAGE, "--part and --collateral go with --tee TEE");
    return appraise(args, bl_buf_span(&bundle), &expect, policy, err);
}

/* ---- a certificate ---- */

static blind_code verify_certificate(bl_args *args, const char *path, const blind_policy *policy,
                                     blind_error *err)
{
    bl_auto_buf pem = BL_BUF_EMPTY, cert = BL_BUF_EMPTY, spki = BL_BUF_EMPTY, cmw = BL_BUF_EMPTY;
    if (bl_args_has(args, "report-data") || bl_args_has(args, "unbound"))
        return blind_fail(
            err, BLIND_USAGE, STAGE,
            "a certificate's evidence is bound to its key: no --report-data, no --unbound");
    BL_TRY(bl_file_read(path, BL_MAX_BUNDLE_SIZE, &pem, err));
    if (bl_cert_from_pem(bl_buf_span(&pem), 0, &cert, NULL) != BLIND_OK)
        bl_buf_add(&cert, bl_buf_span(&pem)); /* perhaps DER */
    BL_TRY(bl_buf_check(&cert, STAGE, err));
    BL_TRY(bl_cert_spki(bl_buf_span(&cert), &spki, err));
    blind_code code = bl_cert_cmw(bl_buf_span(&cert), &cmw, err);
    if (code == BLIND_NOT_FOUND)
        return blind_fail(err, BLIND_EVIDENCE, STAGE, "'%s' carries no evidence", path);
    BL_TRY(code);
    blind_expect expect = { .to = BLIND_BOUND_CERTIFICATE, .spki = bl_buf_span(&spki) };
    return appraise(args, bl_buf_span(&cmw), &expect, policy, err);
}

/* ---- all three ---- */

static blind_code verify(bl_args *args, blind_policy *policy, blind_error *err)
{
    const char *target = bl_args_operand(args, 0), *cert = bl_args_text(args, "cert");
    if ((target != NULL) == (cert != NULL))
        return blind_fail(err, BLIND_USAGE, STAGE,
                          "what to verify: https://HOST:PORT, a bundle's FILE or --cert FILE");
    if (cert)
        return verify_certificate(args, cert, policy, err);
    if (!strstr(target, "://"))
        return verify_file(args, target, policy, err);
    if (bl_args_has(args, "report-data") || bl_args_has(args, "unbound"))
        return blind_fail(err, BLIND_USAGE, STAGE,
                          "a server is bound to its session: no --report-data, no --unbound");
    return verify_server(args, target, policy, err);
}

static blind_code run(bl_args *args, blind_error *err)
{
    blind_policy *policy;
    BL_TRY(blind_policy_load_file(bl_args_text(args, "policy"), &policy, err));
    blind_code code = verify(args, policy, err);
    blind_policy_free(policy);
    return code;
}

static const bl_option options[] = {
    BL_OPTIONS_CONNECT,
    { .name = "report-data",
      .kind = BL_TEXT,
      .arg = "HEX",
      .help = "with a FILE: the report data that the evidence must hold" },
    { .name = "unbound",
      .kind = BL_FLAG,
      .help = "with a FILE: do not look at the binding; says nothing about any connection" },
    { .name = "tee",
      .kind = BL_TEXT,
      .arg = "TEE",
      .help = "with a FILE: it is this TEE's own report, quote or document, not a bundle" },
    { .name = "part",
      .kind = BL_TEXT,
      .arg = "NAME=FILE",
      .repeat = true,
      .help = "with --tee: what goes with the evidence: ark, ask, vcek, tcb_info, ..." },
    { .name = "collateral",
      .kind = BL_DIR,
      .arg = "DIR",
      .help = "with --tee: the parts not given, from where 'blind collateral fetch' put them; "
              "no network" },
    { .name = "product",
      .kind = BL_CHOICE,
      .choices = "Milan|Genoa|Turin",
      .arg = "NAME",
      .help = "with --collateral: of the processor, for SNP reports of version 2" },
    { .name = "at",
      .kind = BL_TEXT,
      .arg = "TIME",
      .help = "with a FILE: judge as of this time, 2026-01-31T12:00:00Z, not now" },
    { .name = "cert",
      .kind = BL_FILE,
      .arg = "FILE",
      .help = "appraise the evidence inside this certificate, PEM or DER (key-bound only)" },
    BL_OPTIONS_EAR,
    BL_OPTIONS_END
};

const bl_command bl_command_verify = {
    .name = "verify",
    .summary = "check what a server proves, and explain the verdict",
    .about =
        "Connects, has the server attest itself on this very TLS session, and judges the evidence "
        "by\n"
        "the policy. Nothing else is sent. A FILE is a bundle that somebody saved; it belongs to "
        "a\n"
        "session that only its client can know, so its report data must be given, or the binding\n"
        "stays unknown with --unbound.",
    .operands = { { .arg = "URL|FILE",
                    .kind = BL_FILE,
                    .optional = true,
                    .help = "https://HOST:PORT, or a saved bundle" } },
    .options = options,
    .examples = "blind verify https://localhost:50051 --policy policy.toml --simulation\n"
                "blind verify bundle.cmw --policy policy.toml --unbound --simulation\n"
                "blind verify report.bin --tee snp --collateral store --policy p.toml --unbound\n"
                "blind verify https://localhost:50051 --policy policy.toml --ear result.jwt "
                "--ear-key key.pem",
    .run = run,
    .appraises = true,
};
