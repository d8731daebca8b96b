/* `blind policy create`, `show` and `check`. */
#include "blind/policy.h"
#include "base/file.h"
#include "base/hex.h"
#include "blind/version.h"
#include "cli/build.h"
#include "cli/commands.h"

#include <stdlib.h>
#include <time.h>

static const char STAGE[] = "cli.policy";

static blind_code print_text(const char *text, blind_error *err)
{
    if (fputs(text, stdout) < 0 || fflush(stdout))
        return blind_fail(err, BLIND_IO, STAGE, "cannot write to stdout");
    return BLIND_OK;
}

/* ---- create ---- */

enum { MAX_MODELS = 200, MAX_REGISTERS = 32, NAME_SIZE = 160 };

/* NAME=FILE or NAME=SHA256: 64 hexadecimal digits are a digest. */
static blind_code read_models(const bl_args *args, blind_policy_model *models,
                              char (*names)[NAME_SIZE], size_t *len, blind_error *err)
{
    const char *text;
    for (*len = 0; (text = bl_args_nth(args, "model", *len)); ++*len) {
        const char *value;
        if (*len == MAX_MODELS)
            return blind_fail(err, BLIND_USAGE, STAGE, "more than %d models", MAX_MODELS);
        BL_TRY(bl_args_pair(text, names[*len], NAME_SIZE, &value, err));
        bool digest = strlen(value) == 64 && strspn(value, "0123456789abcdefABCDEF") == 64;
        models[*len] = (blind_policy_model){ .name = names[*len],
                                             .sha256 = digest ? value : NULL,
                                             .path = digest ? NULL : value };
    }
    return BLIND_OK;
}

/* NAME=HEX or NAME=any. */
static blind_code read_registers(const bl_args *args, blind_policy_register *registers,
                                 char (*names)[NAME_SIZE], size_t *len, blind_error *err)
{
    const char *text;
    for (*len = 0; (text = bl_args_nth(args, "register", *len)); ++*len) {
        if (*len == MAX_REGISTERS)
            return blind_fail(err, BLIND_USAGE, STAGE, "more than %d registers", MAX_REGISTERS);
        BL_TRY(bl_args_pair(text, names[*len], NAME_SIZE, &registers[*len].value, err));
        registers[*len].name = names[*len];
    }
    return BLIND_OK;
}

static blind_code read_build(const bl_args *args, blind_build *out, blind_error *err)
{
    const char *ovmf = bl_args_text(args, "ovmf"), *tdvf = bl_args_text(args, "tdvf");
    *out = bl_build_from_args(args);
    out->binary = bl_args_text(args, "binary");
    out->eif = bl_args_text(args, "eif");
    out->sigstruct = bl_args_text(args, "sigstruct");
    out->firmware = ovmf ? ovmf : tdvf;
    if (ovmf && tdvf)
        return blind_fail(err, BLIND_USAGE, STAGE, "--ovmf and --tdvf: expected one of them");
    return BLIND_OK;
}

/* Says on stderr which registers wait to be filled in. */
static void tell_open(const char *text)
{
    for (const char *line = text; line && *line; line = strchr(line, '\n'), line += line != NULL) {
        size_t name = strcspn(line, " \n");
        if (strncmp(line + name, " = \"?\"", 6) == 0)
            fprintf(stderr, "blind policy create: not usable until '%.*s' is filled in\n",
                    (int)name, line);
    }
}

static blind_code put_policy(bl_args *args, const char *text, blind_error *err)
{
    const char *path = bl_args_text(args, "out");
    tell_open(text);
    if (path)
        BL_TRY(bl_file_write_atomic(path, bl_span_str(text), 0644, err));
    if (args->json)
        return bl_args_print_json(
            args,
            json_pack("{s:i,s:s,s:s?}", "version", BLIND_WIRE_VERSION, "policy", text, "out", path),
            err);
    return path ? BLIND_OK : print_text(text, err);
}

static blind_code run_create(bl_args *args, blind_error *err)
{
    blind_policy_model models[MAX_MODELS];
    char(*names)[NAME_SIZE] = calloc(MAX_MODELS, sizeof *names);
    const char           *others = bl_args_text(args, "others");
    blind_policy_register registers[MAX_REGISTERS];
    char                  names_of[MAX_REGISTERS][NAME_SIZE];
    blind_policy_recipe   recipe = { .tee = bl_args_text(args, "tee"),
                                     .server = bl_args_text(args, "server"),
                                     .models = models,
                                     .others = others && strcmp(others, "allow") == 0,
                                     .registers = registers };
    char                 *text = NULL;
    blind_code            code = names ? read_models(args, models, names, &recipe.models_len, err)
                                       : blind_fail(err, BLIND_MEMORY, STAGE, "out of memory");
    if (code == BLIND_OK)
        code = read_registers(args, registers, names_of, &recipe.registers_len, err);
    if (code == BLIND_OK)
        code = read_build(args, &recipe.build, err);
    if (code == BLIND_OK)
        code = blind_policy_create(&recipe, &text, err);
    if (code == BLIND_OK)
        code = put_policy(args, text, err);
    free(text);
    free(names);
    return code;
}

static const bl_option create_options[] = {
    { .name = "tee",
      .kind = BL_CHOICE,
      .choices = BL_TEES_BUILT,
      .arg = "TEE",
      .fallback = "sim",
      .help = "where the program will run" },
    { .name = "binary",
      .kind = BL_FILE,
      .arg = "FILE",
      .help = "sim: the program that will run there" },
    { .name = "ovmf", .kind = BL_FILE, .arg = "FILE", .help = "snp: the firmware image" },
    { .name = "tdvf", .kind = BL_FILE, .arg = "FILE", .help = "tdx: the firmware image" },
    { .name = "eif", .kind = BL_FILE, .arg = "FILE", .help = "nitro: the enclave image" },
    { .name = "sigstruct", .kind = BL_FILE, .arg = "FILE", .help = "sgx: the signed structure" },
    BL_OPTIONS_BUILD,
    { .name = "register",
      .kind = BL_TEXT,
      .arg = "NAME=HEX",
      .repeat = true,
      .help = "a register that the build does not tell, or one more; HEX may be any" },
    { .name = "model",
      .kind = BL_TEXT,
      .arg = "NAME=FILE",
      .repeat = true,
      .help = "a model that must be loaded: its file or its SHA-256" },
    { .name = "others",
      .kind = BL_CHOICE,
      .choices = "allow|refuse",
      .arg = "RULE",
      .help = "models beside those named (allowed when none is named)" },
    { .name = "server",
      .kind = BL_CHOICE,
      .choices = "ca|pin|any",
      .arg = "RULE",
      .fallback = "any",
      .help = "how TLS must identify the server beside attestation" },
    { .name = "out", .kind = BL_FILE, .arg = "FILE", .help = "write there, not to stdout" },
    BL_OPTIONS_END
};

const bl_command bl_command_policy_create = {
    .name = "policy create",
    .summary = "write a policy from a build: what it will measure to",
    .options = create_options,
    .examples = "blind policy create --tee sim --binary build/release/blind --out policy.toml\n"
                "blind policy create --binary build/release/blind --model digits=digits.onnx\n"
                "blind policy create --tee tpm --uki uki.efi --secure-boot off\n"
                "blind policy create --tee snp --ovmf OVMF.fd --uki uki.efi --vcpus 4 --vcpu-type "
                "EPYC-Milan\n"
                "blind policy create --tee tdx --tdvf OVMF.fd --register rtmr0=HEX --out p.toml\n"
                "blind policy create --tee nitro --eif app.eif --out policy.toml",
    .run = run_create,
    .appraises = true,
};

/* ---- show and check ---- */

static json_t *policy_json(const blind_policy *policy)
{
    uint8_t     digest[32];
    char        hex[65];
    json_t     *warnings = json_array();
    const char *text;
    blind_policy_digest(policy, digest);
    bl_hex_encode(bl_span(digest, sizeof digest), hex);
    for (size_t i = 0; warnings && (text = blind_policy_warning(policy, i)); i++)
        if (json_array_append_new(warnings, json_string(text))) {
            json_decref(warnings);
            return NULL;
        }
    return json_pack("{s:i,s:s,s:s,s:o}", "version", BLIND_WIRE_VERSION, "sha256", hex, "policy",
                     blind_policy_text(policy), "warnings", warnings);
}

static blind_code show(bl_args *args, const blind_policy *policy, blind_error *err)
{
    if (args->json)
        return bl_args_print_json(args, policy_json(policy), err);
    return print_text(blind_policy_text(policy), err);
}

static blind_code check(bl_args *args, const blind_policy *policy, blind_error *err)
{
    uint8_t digest[32];
    char    hex[65];
    if (blind_policy_not_after(policy) <= (int64_t)time(NULL))
        return blind_fail(err, BLIND_POLICY_EXPIRED, STAGE, "past its not_after");
    if (args->json)
        return bl_args_print_json(args, policy_json(policy), err);
    blind_policy_digest(policy, digest);
    bl_hex_encode(bl_span(digest, sizeof digest), hex);
    printf("usable, sha256 %s\n", hex);
    for (size_t i = 0; blind_policy_warning(policy, i); i++)
        printf("open: %s\n", blind_policy_warning(policy, i));
    return print_text("", err);
}

static blind_code with_policy(bl_args *args, blind_error *err,
                              blind_code (*then)(bl_args *, const blind_policy *, blind_error *))
{
    blind_policy *policy;
    BL_TRY(blind_policy_load_file(bl_args_operand(args, 0), &policy, err));
    blind_code code = then(args, policy, err);
    blind_policy_free(policy);
    return code;
}

static blind_code run_show(bl_args *args, blind_error *err)
{
    return with_policy(args, err, show);
}

static blind_code run_check(bl_args *args, blind_error *err)
{
    return with_policy(args, err, check);
}

const bl_command bl_command_policy_show = {
    .name = "policy show",
    .summary = "print a policy with every default written out",
    .operands = { { .arg = "FILE", .kind = BL_FILE, .help = "policy.toml, ours or BlindAI's" } },
    .examples = "blind policy show policy.toml",
    .run = run_show,
    .appraises = true,
};

const bl_command bl_command_policy_check = {
    .name = "policy check",
    .summary = "say whether a policy is usable, and what it leaves open",
    .operands = { { .arg = "FILE", .kind = BL_FILE, .help = "policy.toml, ours or BlindAI's" } },
    .examples = "blind policy check policy.toml",
    .run = run_check,
    .appraises = true,
};
