/* The PCK certificate's extension, DER to fields.
 * Source: Intel SGX PCK Certificate and CRL Profile Specification, section 1.3.5. */
#include "attest/intel/pck.h"

#include "base/der.h"

/* 1.2.840.113741.1.13.1 */
static const uint8_t ARC[] = { 0x2a, 0x86, 0x48, 0x86, 0xf8, 0x4d, 0x01, 0x0d, 0x01 };

enum { PPID = 1, TCB, PCEID, FMSPC, SGX_TYPE, INSTANCE, CONFIGURATION };
enum { PCESVN = 17, CPUSVN = 18 };
enum { DYNAMIC = 1, CACHED_KEYS, SMT };

#define BIT(n) (1u << (n))

/* One { OID, value }: the OID's last number under ARC (and `parent`, unless 0), with `r` at the
 * value.  0 and a failed reader when it is another one, or was there before. */
static unsigned enter_entry(bl_reader *list, unsigned parent, uint32_t *seen, bl_reader *r)
{
    *r = bl_der_enter(list, BL_DER_SEQUENCE);
    blind_span oid = bl_der_read(r, BL_DER_OID);
    size_t     head = sizeof ARC + (parent != 0);
    if (r->failed || oid.size != head + 1 || memcmp(oid.data, ARC, sizeof ARC) != 0 ||
        (parent && oid.data[sizeof ARC] != parent))
        goto refused;
    unsigned number = oid.data[head];
    if (number == 0 || number > CPUSVN || *seen & BIT(number))
        goto refused;
    *seen |= BIT(number);
    return number;
refused:
    r->failed = list->failed = true;
    return 0;
}

static bool more(const bl_reader *list)
{
    return !list->failed && list->rest.size;
}

static void leave_entry(bl_reader *list, const bl_reader *r)
{
    list->failed |= !bl_reader_done(r);
}

static void read_octets(bl_reader *r, uint8_t *out, size_t size)
{
    blind_span octets = bl_der_read(r, BL_DER_OCTET_STRING);
    if (octets.size == size)
        memcpy(out, octets.data, size);
    else
        r->failed = true;
}

static uint64_t read_uint(bl_reader *r, uint8_t tag, uint64_t most)
{
    uint64_t value = bl_der_read_uint(r, tag);
    r->failed |= value > most;
    return r->failed ? 0 : value;
}

static void read_tcb(bl_reader *r, bl_pck *out)
{
    bl_reader list = bl_der_enter(r, BL_DER_SEQUENCE), entry;
    uint32_t  seen = 0;
    while (more(&list)) {
        unsigned number = enter_entry(&list, TCB, &seen, &entry);
        if (number == CPUSVN)
            read_octets(&entry, out->cpu_svn, sizeof out->cpu_svn);
        else if (number == PCESVN)
            out->pce_svn = (uint16_t)read_uint(&entry, BL_DER_INTEGER, UINT16_MAX);
        else if (number)
            out->components[number - 1] = (uint8_t)read_uint(&entry, BL_DER_INTEGER, UINT8_MAX);
        leave_entry(&list, &entry);
    }
    r->failed |= !bl_reader_done(&list) || seen != BIT(CPUSVN + 1) - 2;
}

static void read_configuration(bl_reader *r, bl_pck *out)
{
    bl_reader list = bl_der_enter(r, BL_DER_SEQUENCE), entry;
    uint32_t  seen = 0;
    while (more(&list)) {
        unsigned     number = enter_entry(&list, CONFIGURATION, &seen, &entry);
        bl_pck_flag  value = bl_der_read_bool(&entry) ? BL_PCK_YES : BL_PCK_NO;
        bl_pck_flag *flags[] = { NULL, &out->dynamic, &out->cached_keys, &out->smt };
        if (number && number < BL_LEN(flags))
            *flags[number] = value;
        else
            entry.failed = true;
        leave_entry(&list, &entry);
    }
    r->failed |= !bl_reader_done(&list);
}

static void read_value(unsigned number, bl_reader *r, bl_pck *out)
{
    switch (number) {
    case PPID:
        read_octets(r, out->ppid, sizeof out->ppid);
        break;
    case TCB:
        read_tcb(r, out);
        break;
    case PCEID:
        read_octets(r, out->pce_id, sizeof out->pce_id);
        break;
    case FMSPC:
        read_octets(r, out->fmspc, sizeof out->fmspc);
        break;
    case SGX_TYPE:
        out->sgx_type = (uint8_t)read_uint(r, BL_DER_ENUMERATED, 2);
        break;
    case INSTANCE:
        read_octets(r, out->instance, sizeof out->instance);
        out->has_instance = true;
        break;
    case CONFIGURATION:
        read_configuration(r, out);
        break;
    default:
        r->failed = true;
    }
}

blind_code bl_pck_parse(blind_span extension, bl_pck *out, blind_error *err)
{
    bl_reader      outer = { .rest = extension }, entry;
    bl_reader      list = bl_der_enter(&outer, BL_DER_SEQUENCE);
    uint32_t       seen = 0;
    const uint32_t needed = BIT(PPID) | BIT(TCB) | BIT(PCEID) | BIT(FMSPC) | BIT(SGX_TYPE);
    *out = (bl_pck){ 0 };
    while (more(&list)) {
        unsigned number = enter_entry(&list, 0, &seen, &entry);
        read_value(number, &entry, out);
        leave_entry(&list, &entry);
    }
    if (bl_reader_done(&outer) && bl_reader_done(&list) && (seen & needed) == needed)
        return BLIND_OK;
    *out = (bl_pck){ 0 };
    return blind_fail(err, BLIND_FORMAT, "intel.pck",
                      "the PCK certificate's SGX extension is malformed or incomplete");
}
