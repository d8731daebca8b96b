/* Predicts PCR 4, 7, 9, 11, 12 and 13 of a boot of a unified kernel image. */
#include "measure/uki.h"

#include "base/buf.h"

static const char STAGE[] = "uki";

typedef struct {
    const bl_uki_boot  *boot;
    bl_pe               pe;
    bl_uki_measurement *out;
    blind_error        *err;
} build;

static blind_code refuse(const build *b, const char *what, const char *name)
{
    return blind_fail(b->err, BLIND_INPUT, STAGE, "%s%s%s", what, name ? " " : "",
                      name ? name : "");
}

static void unknown(build *b, uint32_t pcr, const char *why)
{
    b->out->known &= ~(1u << pcr);
    b->out->why[pcr] = why;
}

/* A section's contents; empty when there is no such section. */
static blind_code contents(const build *b, const char *name, bool *present, blind_span *out)
{
    const bl_pe_section *found = NULL;
    *present = false;
    *out = (blind_span){ 0 };
    for (size_t i = 0; i < b->pe.sections_len; i++) {
        if (strcmp(b->pe.sections[i].name, name) != 0)
            continue;
        if (found)
            return refuse(b, "which of two is used is the stub's choice at boot: section", name);
        found = &b->pe.sections[i];
    }
    if (!found)
        return BLIND_OK;
    *present = true;
    return bl_pe_contents(found, out)
               ? BLIND_OK
               : refuse(b, "larger in memory than in the file: section", name);
}

/* "#### LoaderInfo: systemd-stub 252.39-1 ####" */
static blind_code find_stub(build *b)
{
    static const char mark[] = "systemd-stub ";
    bool              present;
    blind_span        magic;
    unsigned          version = b->boot->stub;
    BL_TRY(contents(b, ".sdmagic", &present, &magic));
    for (size_t i = 0; !version && i + sizeof mark < magic.size; i++) {
        if (memcmp(magic.data + i, mark, sizeof mark - 1) != 0)
            continue;
        for (i += sizeof mark - 1; i < magic.size && version < 100000; i++) {
            if (magic.data[i] < '0' || magic.data[i] > '9')
                break;
            version = version * 10 + (unsigned)(magic.data[i] - '0');
        }
    }
    b->out->stub = version;
    return version
               ? BLIND_OK
               : refuse(b, "no UKI of systemd-stub: its section .sdmagic says no version", NULL);
}

/* ---- PCR 11: the sections ---- */

/* In the stub's order, with the first version that measures each. */
static const struct {
    const char *name;
    unsigned    since;
} sections[] = {
    { ".linux", 252 },   { ".osrel", 252 },  { ".cmdline", 252 }, { ".initrd", 252 },
    { ".ucode", 256 },   { ".splash", 252 }, { ".dtb", 252 },     { ".dtbauto", 257 },
    { ".efifw", 258 },   { ".hwids", 257 },  { ".uname", 254 },   { ".sbat", 254 },
    { ".pcrpkey", 252 },
};

static blind_code add_sections(build *b)
{
    for (size_t i = 0; i < BL_LEN(sections); i++) {
        bool       present;
        blind_span data;
        if (b->out->stub < sections[i].since)
            continue;
        BL_TRY(contents(b, sections[i].name, &present, &data));
        if (!present)
            continue;
        blind_span name = bl_span(sections[i].name, strlen(sections[i].name) + 1);
        bl_boot_add(&b->out->steps, 11, sections[i].name, name);
        bl_boot_add(&b->out->steps, 11, sections[i].name, data);
    }
    return BLIND_OK;
}

static void add_phases(build *b)
{
    for (const char *at = b->boot->phases; at && *at;) {
        size_t size = strcspn(at, ":");
        bl_boot_add(&b->out->steps, 11, "boot phase", bl_span(at, size));
        at += size + (at[size] == ':');
    }
}

static blind_code predict_11(build *b)
{
    static const char *const choices[] = { ".profile", ".dtbauto", ".efifw", ".hwids" };
    for (size_t i = 0; i < BL_LEN(choices); i++)
        if (bl_pe_find(&b->pe, choices[i]))
            return refuse(b, "the stub chooses at boot by hardware or profile: section",
                          choices[i]);
    if (b->out->stub < 252 || b->out->stub == 253 || b->out->stub > 260)
        unknown(b, 11, "what this version of systemd-stub measures is not known here");
    BL_TRY(add_sections(b));
    add_phases(b);
    return BLIND_OK;
}

/* ---- PCR 4: the images ---- */

static bool stub_was_compared(const build *b)
{
    return b->out->stub == 252 || b->out->stub == 257;
}

static blind_code add_image(build *b, const bl_pe *pe, const char *what)
{
    uint8_t digest[BL_HASH_MAX];
    BL_TRY(bl_pe_digest(pe, b->out->steps.bank, digest, b->err));
    bl_boot_add_digest(&b->out->steps, 4, what, digest);
    return BLIND_OK;
}

static void add_start(build *b)
{
    bl_boot_add(&b->out->steps, 4, "action",
                BL_LITERAL("Calling EFI Application from Boot Option"));
    bl_boot_add(&b->out->steps, 4, "separator", bl_span("\0\0\0\0", 4));
}

static blind_code predict_4(build *b)
{
    bool       present, secure = b->boot->secure_boot == BL_SECURE_BOOT_ON;
    blind_span linux_image;
    bl_pe      kernel;
    BL_TRY(contents(b, ".linux", &present, &linux_image));
    if (!present)
        return refuse(b, "no UKI: no section .linux", NULL);
    if (!stub_was_compared(b))
        unknown(b, 4, "whether this systemd-stub has firmware load the inner kernel is not known");
    if (b->boot->start == BL_UKI_FROM_LOADER) {
        BL_TRY(add_image(b, &b->pe, "UKI"));
        add_start(b);
    } else {
        add_start(b);
        BL_TRY(add_image(b, &b->pe, "UKI"));
    }
    if (secure) /* the stub answers for the inner kernel itself: no event, as booted machines show
                 */
        return BLIND_OK;
    BL_TRY(bl_pe_parse(linux_image, &kernel, b->err));
    return add_image(b, &kernel, ".linux");
}

/* ---- PCR 7: Secure Boot ---- */

static const uint8_t global_guid[16] = { 0x61, 0xdf, 0xe4, 0x8b, 0xca, 0x93, 0xd2, 0x11,
                                         0xaa, 0x0d, 0x00, 0xe0, 0x98, 0x03, 0x2b, 0x8c };
static const uint8_t db_guid[16] = { 0xcb, 0xb2, 0x19, 0xd7, 0x3a, 0x3d, 0x96, 0x45,
                                     0xa3, 0xbc, 0xda, 0xd0, 0x0e, 0x67, 0x65, 0x6f };

/* UEFI_VARIABLE_DATA. */
static blind_code add_variable(build *b, const uint8_t guid[16], const char *name, blind_span data)
{
    bl_auto_buf v = { .max = BL_MAX_UEFI_VARIABLE };
    bl_buf_add(&v, bl_span(guid, 16));
    bl_buf_add_le(&v, strlen(name), 8);
    bl_buf_add_le(&v, data.size, 8);
    for (const char *c = name; *c; c++)
        bl_buf_add_le(&v, (uint8_t)*c, 2);
    bl_buf_add(&v, data);
    BL_TRY(bl_buf_check(&v, STAGE, b->err));
    bl_boot_add(&b->out->steps, 7, name, bl_buf_span(&v));
    return BLIND_OK;
}

static blind_code predict_7(build *b)
{
    const bl_uki_boot *boot = b->boot;
    bool               on = boot->secure_boot == BL_SECURE_BOOT_ON;
    if (boot->secure_boot == BL_SECURE_BOOT_UNSAID) {
        unknown(b, 7, "it holds the firmware's Secure Boot variables, which were not given");
        return BLIND_OK;
    }
    if (on != (boot->authority.size != 0))
        return refuse(b, "the certificate that signed the image belongs to Secure Boot on", NULL);
    BL_TRY(add_variable(b, global_guid, "SecureBoot",
                        boot->secure_boot == BL_SECURE_BOOT_EMPTY ? (blind_span){ 0 }
                                                                  : bl_span(on ? "\1" : "\0", 1)));
    BL_TRY(add_variable(b, global_guid, "PK", boot->pk));
    BL_TRY(add_variable(b, global_guid, "KEK", boot->kek));
    BL_TRY(add_variable(b, db_guid, "db", boot->db));
    BL_TRY(add_variable(b, db_guid, "dbx", boot->dbx));
    bl_boot_add(&b->out->steps, 7, "separator", bl_span("\0\0\0\0", 4));
    return on ? add_variable(b, db_guid, "db", boot->authority) : BLIND_OK;
}

/* ---- PCR 9: what the kernel's own EFI stub measures ---- */

/* UTF-16 with its NUL, as LoadOptions carry it. */
static blind_code add_command_line(build *b, blind_span line)
{
    bl_auto_buf wide = { .max = (size_t)2 * BL_MAX_COMMAND_LINE };
    for (size_t i = 0; i < line.size; i++)
        bl_buf_add_le(&wide, line.data[i], 2);
    bl_buf_add_le(&wide, 0, 2);
    BL_TRY(bl_buf_check(&wide, STAGE, b->err));
    bl_boot_add(&b->out->steps, 9, "command line", bl_buf_span(&wide));
    return BLIND_OK;
}

/* Stubs differ in what they make of other characters and of blanks at the ends. */
static bool is_plain_line(blind_span line)
{
    for (size_t i = 0; i < line.size; i++)
        if (line.data[i] < 0x20 || line.data[i] > 0x7e)
            return false;
    return line.size > 0 && line.data[0] != ' ' && line.data[line.size - 1] != ' ';
}

/* One header of a cpio archive in the "newc" format, with the name behind it. */
static void put_cpio(bl_buf *out, unsigned ino, unsigned mode, size_t size, const char *name)
{
    bl_buf_printf(out, "070701%08x%08x%08x%08x%08x%08x%08zx%08x%08x%08x%08x%08zx%08x", ino, mode, 0,
                  0, 1, 0, size, 0, 0, 0, 0, strlen(name) + 1, 0);
    bl_buf_add(out, bl_span(name, strlen(name) + 1));
}

static void pad_to_4(bl_buf *out)
{
    while (out->size % 4 && bl_buf_ok(out))
        bl_buf_add_u8(out, 0);
}

/* What stub 257 hands on behind the initrd: a folder .extra with the os-release in it.  Only the
 * trailer's digits are upper-case. */
static void put_extra(bl_buf *out, blind_span osrel)
{
    put_cpio(out, 1, 0040555, 0, ".extra");
    pad_to_4(out);
    put_cpio(out, 2, 0100444, osrel.size, ".extra/os-release");
    pad_to_4(out);
    bl_buf_add(out, osrel);
    pad_to_4(out);
    bl_buf_printf(out, "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08X%08x", 0, 0, 0, 0, 1,
                  0, 0, 0, 0, 0, 0, 11, 0);
    bl_buf_add(out, bl_span("TRAILER!!!\0\0\0", 14));
}

static blind_code add_initrd(build *b, blind_span initrd, blind_span osrel)
{
    bl_auto_hasher h = BL_HASHER_EMPTY;
    bl_auto_buf    extra = { .max = BL_MAX_COMMAND_LINE };
    uint8_t        digest[BL_HASH_MAX];
    bl_hasher_init(&h, b->out->steps.bank);
    bl_hasher_update(&h, initrd);
    if (b->out->stub >= 257) {
        bl_hasher_update(&h, bl_span("\0\0\0", (4 - initrd.size % 4) % 4));
        put_extra(&extra, osrel);
        BL_TRY(bl_buf_check(&extra, STAGE, b->err));
        bl_hasher_update(&h, bl_buf_span(&extra));
    }
    if (bl_hasher_final(&h, digest) != BLIND_OK)
        return blind_fail(b->err, BLIND_MEMORY, STAGE, "out of memory");
    bl_boot_add_digest(&b->out->steps, 9, "initrd", digest);
    return BLIND_OK;
}

/* Why PCR 9 cannot be known; NULL: it can. */
static const char *unknown_9(const build *b, blind_span line)
{
    if (!stub_was_compared(b))
        return "what this version of systemd-stub hands to the kernel is not known here";
    if (bl_pe_find(&b->pe, ".ucode") || bl_pe_find(&b->pe, ".pcrsig") ||
        bl_pe_find(&b->pe, ".pcrpkey"))
        return "the stub adds .ucode, .pcrsig or .pcrpkey to the initrd";
    if (!bl_pe_find(&b->pe, ".initrd") || !bl_pe_find(&b->pe, ".osrel"))
        return "without .initrd or .osrel the kernel may get another initrd";
    if (!is_plain_line(line))
        return "the command line is not printable ASCII without blanks at its ends";
    return NULL;
}

static blind_code predict_9(build *b)
{
    bool       present;
    blind_span line, initrd, osrel;
    BL_TRY(contents(b, ".cmdline", &present, &line));
    BL_TRY(contents(b, ".initrd", &present, &initrd));
    BL_TRY(contents(b, ".osrel", &present, &osrel));
    const char *why = unknown_9(b, line);
    if (why) {
        unknown(b, 9, why);
        return BLIND_OK;
    }
    BL_TRY(add_command_line(b, line));
    return add_initrd(b, initrd, osrel);
}

/* ---- all ---- */

static blind_code predict(build *b, blind_span uki)
{
    BL_TRY(bl_pe_parse(uki, &b->pe, b->err));
    BL_TRY(find_stub(b));
    BL_TRY(predict_4(b));
    BL_TRY(predict_7(b));
    BL_TRY(predict_11(b));
    BL_TRY(predict_9(b)); /* PCR 12 and 13: nothing is added from outside */
    for (uint32_t pcr = 0; pcr < 24; pcr++)
        if (b->out->known >> pcr & 1)
            BL_TRY(bl_boot_fold(&b->out->steps, 1u << pcr, b->out->pcrs[pcr], b->err));
    return BLIND_OK;
}

blind_code bl_uki_measure(blind_span uki, const bl_uki_boot *boot, bl_hash bank,
                          bl_uki_measurement *out, blind_error *err)
{
    build b = { .boot = boot, .out = out, .err = err };
    *out = (bl_uki_measurement){ .known = BL_UKI_PCRS, .steps.bank = bank };
    blind_code code = predict(&b, uki);
    if (code != BLIND_OK)
        *out = (bl_uki_measurement){ 0 };
    return code;
}
