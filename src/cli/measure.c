/* `blind measure`: what a build will measure to. */
#include "base/file.h"
#include "base/hex.h"
#include "base/limits.h"
#include "blind/version.h"
#include "cli/build.h"
#include "cli/commands.h"
#include "measure/build.h"

static const char STAGE[] = "cli.measure";

static blind_code guess_tee(const char *path, const char **out, blind_error *err)
{
    bl_auto_buf file = BL_BUF_EMPTY;
    BL_TRY(bl_file_read(path, BL_MAX_BUILD_FILE, &file, err));
    *out = bl_build_guess(bl_buf_span(&file));
    return *out ? BLIND_OK
                : blind_fail(err, BLIND_USAGE, STAGE,
                             "'%s' is firmware: say --tee snp or --tee tdx", path);
}

/* The operand is the file that the TEE measures first. */
static void set_main_file(blind_build *build, const char *tee, const char *path)
{
    const struct {
        const char  *tee;
        const char **to;
    } files[] = {
        { "sim", &build->binary },   { "tpm", &build->uki },   { "snp", &build->firmware },
        { "tdx", &build->firmware }, { "nitro", &build->eif }, { "sgx", &build->sigstruct },
    };
    for (size_t i = 0; i < BL_LEN(files); i++)
        if (strcmp(files[i].tee, tee) == 0)
            *files[i].to = path;
}

/* ---- answers ---- */

static void hex_of(const bl_built *r, char out[97])
{
    bl_hex_encode(bl_span(r->value, r->size), out);
}

static json_t *registers_json(const bl_build_result *result, bool known)
{
    json_t *all = json_object();
    char    hex[97];
    for (size_t i = 0; all && i < result->registers_len; i++) {
        const bl_built *r = &result->registers[i];
        if ((r->size != 0) != known)
            continue;
        if (known)
            hex_of(r, hex);
        if (json_object_set_new(all, r->name, json_string(known ? hex : r->why))) {
            json_decref(all);
            return NULL;
        }
    }
    return all;
}

static json_t *result_json(const char *tee, const bl_build_result *result)
{
    json_t *facts = json_object(), *notes = json_array();
    for (size_t i = 0; i < result->facts_len; i++)
        if (json_object_set_new(facts, result->facts[i].name,
                                json_integer((json_int_t)result->facts[i].value)))
            break; /* NULL for want of memory, which json_pack() below tells */
    for (size_t i = 0; i < result->notes_len; i++)
        if (json_array_append_new(notes, json_string(result->notes[i])))
            break;
    return json_pack("{s:i,s:s,s:s,s:o,s:o,s:o,s:o}", "version", BLIND_WIRE_VERSION, "tee", tee,
                     "what", result->what, "registers", registers_json(result, true), "unknown",
                     registers_json(result, false), "fields", facts, "notes", notes);
}

static blind_code print_result(const char *tee, const bl_build_result *result, blind_error *err)
{
    char hex[97];
    printf("%s: %s\n", tee, result->what);
    for (size_t i = 0; i < result->registers_len; i++) {
        const bl_built *r = &result->registers[i];
        if (r->size)
            hex_of(r, hex);
        printf("  %-12s %s%s\n", r->name, r->size ? hex : "unknown: ", r->size ? "" : r->why);
    }
    for (size_t i = 0; i < result->facts_len; i++)
        printf("  %-12s %llu\n", result->facts[i].name, (unsigned long long)result->facts[i].value);
    for (size_t i = 0; i < result->notes_len; i++)
        printf("  %s\n", result->notes[i]);
    return fflush(stdout) ? blind_fail(err, BLIND_IO, STAGE, "cannot write to stdout") : BLIND_OK;
}

static blind_code run(bl_args *args, blind_error *err)
{
    bl_auto_arena   arena = BL_ARENA_EMPTY;
    bl_build_result result;
    blind_build     build = bl_build_from_args(args);
    const char     *tee = bl_args_text(args, "tee"), *path = bl_args_operand(args, 0);
    if (!tee)
        BL_TRY(guess_tee(path, &tee, err));
    if (build.uki && strcmp(tee, "tpm") == 0)
        return blind_fail(err, BLIND_USAGE, STAGE, "two UKIs, expected one");
    set_main_file(&build, tee, path);
    BL_TRY(bl_build_measure(tee, &build, &arena, &result, err));
    if (args->json)
        return bl_args_print_json(args, result_json(tee, &result), err);
    return print_result(tee, &result, err);
}

static const bl_option options[] = { { .name = "tee",
                                       .kind = BL_CHOICE,
                                       .choices = BL_TEES_BUILT,
                                       .arg = "TEE",
                                       .help = "where it will run, where the file does not tell" },
                                     BL_OPTIONS_BUILD,
                                     BL_OPTIONS_END };

const bl_command bl_command_measure = {
    .name = "measure",
    .summary = "say what a build will measure to",
    .about =
        "FILE is a unified kernel image (tpm), a firmware image (snp, tdx), an enclave image "
        "(nitro), a SIGSTRUCT (sgx) or a program (sim). What cannot be known from the build is "
        "named, with the reason.",
    .operands = { { .arg = "FILE", .kind = BL_FILE, .help = "what is measured first" } },
    .options = options,
    .examples = "blind measure app.eif\n"
                "blind measure uki.efi --secure-boot off\n"
                "blind measure OVMF.fd --tee snp --vcpus 4 --vcpu-type EPYC-Milan --uki uki.efi",
    .run = run,
};
