/* `blind log`: what a boot's event log says of each register, and what its digests prove. */
#include "attest/event_log.h"
#include "base/file.h"
#include "base/hex.h"
#include "blind/version.h"
#include "cli/commands.h"

static const char STAGE[] = "cli.log";

enum { TEXT_SIZE = 200 };

typedef struct {
    bl_event_log log;
    bl_hash      bank;
    uint8_t      regs[BL_REGISTERS][BL_HASH_MAX];
    uint32_t     touched;
} replayed;

static bl_hash bank_of(const char *name)
{
    return strcmp(name, "sha1") == 0     ? BL_BANK_SHA1
           : strcmp(name, "sha384") == 0 ? BL_SHA384
                                         : BL_SHA256;
}

/* dstack's JSON begins with a bracket, no TCG log does: its first event would be of register 91. */
static blind_code read_log(const bl_args *args, bl_buf *file, bl_arena *arena, replayed *out,
                           blind_error *err)
{
    const char *path = bl_args_operand(args, 0), *bank = bl_args_text(args, "bank");
    bool        td = bl_args_has(args, "td");
    BL_TRY(bl_file_read(path, BL_MAX_BOOT_LOG, file, err));
    blind_span raw = bl_buf_span(file);
    bool       json = raw.size && raw.data[0] == '[';
    blind_code code =
        json ? bl_event_log_parse_json(raw, arena, &out->log, err)
             : bl_event_log_parse(raw, td ? BL_LOG_OF_TD : BL_LOG_OF_TPM, arena, &out->log, err);
    out->bank = bank ? bank_of(bank) : td || json ? BL_SHA384 : BL_SHA256;
    if (code == BLIND_OK)
        code = bl_event_log_replay(&out->log, out->bank, out->regs, &out->touched, err);
    return code == BLIND_OK ? code : blind_fail_in(err, code, "'%s'", path);
}

/* ---- one event ---- */

static const char *const covers[] = {
    [BL_EVENT_OPEN] = "label", [BL_EVENT_COVERED] = "proven", [BL_EVENT_FALSE] = "FALSE"
};

static blind_code cover_of(const replayed *r, const bl_event *e, const char **out, blind_error *err)
{
    bl_event_cover cover;
    blind_span     covered;
    BL_TRY(bl_event_check(e, r->bank, &cover, &covered, err));
    *out = covers[cover];
    return BLIND_OK;
}

static const char *type_of(const bl_event *e)
{
    const char *name = bl_event_type_name(e->type);
    return name ? name : "unknown";
}

static json_t *event_json(const replayed *r, const bl_event *e, const char *cover)
{
    char text[TEXT_SIZE], hex[2 * BL_HASH_MAX + 1];
    bl_event_describe(e, text, sizeof text);
    bl_hex_encode(e->digests[r->bank], hex);
    return json_pack("{s:s,s:I,s:s,s:s,s:s}", "type", type_of(e), "number", (json_int_t)e->type,
                     "digest", hex, "says", text, "data", cover);
}

static void print_event(const replayed *r, const bl_event *e, const char *cover)
{
    char text[TEXT_SIZE], hex[2 * BL_HASH_MAX + 1];
    bl_event_describe(e, text, sizeof text);
    bl_hex_encode(e->digests[r->bank], hex);
    printf("  %.8s  %-6s  %-32s %s\n", hex, cover, type_of(e), text);
}

/* ---- registers ---- */

static blind_code register_json(const replayed *r, uint32_t reg, json_t *all, blind_error *err)
{
    char    hex[2 * BL_HASH_MAX + 1];
    json_t *events = json_array();
    bl_hex_encode(bl_span(r->regs[reg], bl_hash_size(r->bank)), hex);
    json_t *row = json_pack("{s:s,s:o}", "value", hex, "events", events);
    if (json_object_set_new(all, bl_event_register_name(r->log.kind, reg), row))
        return blind_fail(err, BLIND_MEMORY, STAGE, "out of memory");
    for (const bl_event *e = NULL; (e = bl_event_log_next(&r->log, reg, e));) {
        const char *cover;
        BL_TRY(cover_of(r, e, &cover, err));
        if (json_array_append_new(events, event_json(r, e, cover)))
            return blind_fail(err, BLIND_MEMORY, STAGE, "out of memory");
    }
    return BLIND_OK;
}

static blind_code print_register(const replayed *r, uint32_t reg, blind_error *err)
{
    char hex[2 * BL_HASH_MAX + 1];
    bl_hex_encode(bl_span(r->regs[reg], bl_hash_size(r->bank)), hex);
    printf("%s = \"%s\"\n", bl_event_register_name(r->log.kind, reg), hex);
    for (const bl_event *e = NULL; (e = bl_event_log_next(&r->log, reg, e));) {
        const char *cover;
        BL_TRY(cover_of(r, e, &cover, err));
        print_event(r, e, cover);
    }
    return BLIND_OK;
}

static blind_code answer_json(bl_args *args, const replayed *r, blind_error *err)
{
    json_t *all = json_object();
    for (uint32_t reg = 0; reg < BL_REGISTERS; reg++) {
        blind_code code = r->touched >> reg & 1 ? register_json(r, reg, all, err) : BLIND_OK;
        if (code != BLIND_OK) {
            json_decref(all);
            return code;
        }
    }
    return bl_args_print_json(
        args, json_pack("{s:i,s:o}", "version", BLIND_WIRE_VERSION, "registers", all), err);
}

static blind_code run(bl_args *args, blind_error *err)
{
    bl_auto_buf   file = BL_BUF_EMPTY;
    bl_auto_arena arena = BL_ARENA_EMPTY;
    replayed      r;
    BL_TRY(read_log(args, &file, &arena, &r, err));
    if (args->json)
        return answer_json(args, &r, err);
    for (uint32_t reg = 0; reg < BL_REGISTERS; reg++)
        if (r.touched >> reg & 1)
            BL_TRY(print_register(&r, reg, err));
    return fflush(stdout) ? blind_fail(err, BLIND_IO, STAGE, "cannot write to stdout") : BLIND_OK;
}

static const bl_option options[] = {
    { .name = "td", .kind = BL_FLAG, .help = "the log of a trust domain: CCEL" },
    { .name = "bank",
      .kind = BL_CHOICE,
      .choices = "sha1|sha256|sha384",
      .arg = "HASH",
      .help = "which of its digests (sha256; of a trust domain: sha384)" },
    BL_OPTIONS_END
};

const bl_command bl_command_log = {
    .name = "log",
    .summary = "say what a boot's event log extends into each register",
    .about =
        "Each register is printed as a policy names it, with the value that the log replays "
        "to, and its events: digest, type, and what the log says of it. 'proven': the digest "
        "is that of what is said, or of a part; 'label': it is that of something else; 'FALSE': "
        "it should be and is not. A log proves nothing before the hardware signed the same "
        "values.",
    .operands = { { .arg = "FILE",
                    .kind = BL_FILE,
                    .help = "binary_bios_measurements, CCEL, or dstack's event_log.json" } },
    .options = options,
    .examples = "blind log /sys/kernel/security/tpm0/binary_bios_measurements\n"
                "blind log --td ccel.bin --json",
    .run = run,
    .appraises = true,
};
