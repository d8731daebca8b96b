/* Synthetic SGX and TDX evidence. */
#include "tests/attest/make_intel.h"

#include "base/hex.h"
#include "crypto/hash.h"

#include <stdio.h>
#include <stdlib.h>

#define ROOT_NAME "Intel SGX Root CA"
#define COMPANY   "Test Corporation"
#define YEAR      ((int64_t)365 * INTEL_DAY)

static void must(bool good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "make_intel: %s\n", what);
    abort();
}

/* ---- keys, one set per process ---- */

static struct {
    EVP_PKEY *root, *authority, *pck, *signing, *ak, *other;
    bl_buf    root_spki;
} keys;

static void make_keys(void)
{
    EVP_PKEY **all[] = { &keys.root,    &keys.authority, &keys.pck,
                         &keys.signing, &keys.ak,        &keys.other };
    if (keys.root)
        return;
    for (size_t i = 0; i < BL_LEN(all); i++)
        *all[i] = make_key(MAKE_P256);
    make_spki(keys.root, &keys.root_spki);
}

static void __attribute__((destructor)) drop_keys(void)
{
    EVP_PKEY *all[] = { keys.root, keys.authority, keys.pck, keys.signing, keys.ak, keys.other };
    for (size_t i = 0; i < BL_LEN(all); i++)
        EVP_PKEY_free(all[i]);
    bl_buf_done(&keys.root_spki);
}

EVP_PKEY *intel_other_key(void)
{
    make_keys();
    return keys.other;
}

const bl_roots *intel_test_roots(void)
{
    static bl_root  root;
    static bl_roots roots = { &root, 1 };
    make_keys();
    root = (bl_root){ "test", bl_buf_span(&keys.root_spki) };
    return &roots;
}

/* ---- the PCK certificate's extension ---- */

static void add_tlv(bl_buf *out, uint8_t tag, blind_span content)
{
    bl_buf_add_u8(out, tag);
    if (content.size >= 256) {
        bl_buf_add_u8(out, 0x82);
        bl_buf_add_be(out, content.size, 2);
    } else {
        if (content.size >= 128)
            bl_buf_add_u8(out, 0x81);
        bl_buf_add_u8(out, (uint8_t)content.size);
    }
    bl_buf_add(out, content);
}

/* { OID 1.2.840.113741.1.13.1.path, value } */
static void add_entry(bl_buf *out, blind_span path, uint8_t tag, blind_span value)
{
    static const uint8_t arc[] = { 0x2a, 0x86, 0x48, 0x86, 0xf8, 0x4d, 0x01, 0x0d, 0x01 };
    bl_auto_buf          oid = BL_BUF_EMPTY, entry = BL_BUF_EMPTY;
    bl_buf_add(&oid, bl_span(arc, sizeof arc));
    bl_buf_add(&oid, path);
    add_tlv(&entry, 0x06, bl_buf_span(&oid));
    add_tlv(&entry, tag, value);
    add_tlv(out, 0x30, bl_buf_span(&entry));
}

#define PATH(...)                                                                                  \
    bl_span((const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }))

static void add_number(bl_buf *out, uint8_t last, unsigned value)
{
    uint8_t bytes[3] = { 0, (uint8_t)(value >> 8), (uint8_t)value };
    size_t  from = value < 0x80 ? 2 : value < 0x8000 ? 1 : 0;
    if (from == 1 && value < 0x100)
        bytes[1] = 0;
    add_entry(out, PATH(2, last), 0x02, bl_span(bytes + from, 3 - from));
}

static void add_flag(bl_buf *out, uint8_t last, bl_pck_flag flag)
{
    uint8_t value = flag == BL_PCK_YES ? 0xff : 0;
    add_entry(out, PATH(7, last), 0x01, bl_span(&value, 1));
}

void intel_extension(const bl_pck *pck, bl_buf *out)
{
    bl_auto_buf list = BL_BUF_EMPTY, tcb = BL_BUF_EMPTY, flags = BL_BUF_EMPTY;
    add_entry(&list, PATH(1), 0x04, bl_span(pck->ppid, 16));
    for (uint8_t i = 0; i < BL_TCB_COMPONENTS; i++)
        add_number(&tcb, (uint8_t)(i + 1), pck->components[i]);
    add_number(&tcb, 17, pck->pce_svn);
    add_entry(&tcb, PATH(2, 18), 0x04, bl_span(pck->cpu_svn, 16));
    add_entry(&list, PATH(2), 0x30, bl_buf_span(&tcb));
    add_entry(&list, PATH(3), 0x04, bl_span(pck->pce_id, 2));
    add_entry(&list, PATH(4), 0x04, bl_span(pck->fmspc, 6));
    add_entry(&list, PATH(5), 0x0a, bl_span(&pck->sgx_type, 1));
    if (pck->has_instance)
        add_entry(&list, PATH(6), 0x04, bl_span(pck->instance, 16));
    if (pck->dynamic) {
        add_flag(&flags, 1, pck->dynamic);
        add_flag(&flags, 2, pck->cached_keys);
        add_flag(&flags, 3, pck->smt);
        add_entry(&list, PATH(7), 0x30, bl_buf_span(&flags));
    }
    add_tlv(out, 0x30, bl_buf_span(&list));
    must(bl_buf_ok(out), "extension");
}

/* ---- what is good in every respect ---- */

static void fill(uint8_t *out, size_t size, uint8_t first)
{
    for (size_t i = 0; i < size; i++)
        out[i] = (uint8_t)(first + i);
}

static void plain_header(intel_made *m)
{
    static const uint8_t vendor[] = { 0x93, 0x9a, 0x72, 0x33, 0xf7, 0x9c, 0x4c, 0xa9,
                                      0x94, 0x0a, 0x0d, 0xb3, 0x95, 0x7f, 0x06, 0x07 };
    m->header[2] = 2;
    m->header[4] = m->tdx ? 0x81 : 0;
    memcpy(m->header + 12, vendor, sizeof vendor);
    fill(m->header + 28, 20, 0x70);
}

static void plain_enclave(uint8_t report[BL_SGX_REPORT_SIZE])
{
    fill(report, 16, 1);
    report[48] = 5;    /* initialised, 64-bit */
    report[56] = 0xe7; /* XFRM */
    fill(report + 64, 32, 0x11);
    fill(report + 128, 32, 0x21);
    report[256] = 7;
    report[258] = 9;
    fill(report + 320, 64, 0x31);
}

static void plain_domain(uint8_t report[BL_TD_REPORT_15_SIZE])
{
    static const uint8_t svn[] = { 6, 1, 3 };
    memcpy(report, svn, sizeof svn);
    fill(report + 16, 48, 0x41);
    report[123] = 0x10;           /* SEPT_VE_DISABLE */
    fill(report + 136, 48, 0x51); /* MRTD */
    for (size_t i = 0; i < 4; i++)
        fill(report + 328 + 48 * i, 48, (uint8_t)(0x61 + 0x10 * i));
    fill(report + 520, 64, 0x31);
    memcpy(report + 584, svn, sizeof svn);
}

static void plain_qe(intel_made *m)
{
    m->qe_report[48] = 0x11;
    fill(m->qe_report + 128, 32, 0xa0); /* MRSIGNER */
    m->qe_report[256] = m->tdx ? 2 : 1;
    m->qe_report[258] = 4;
    fill(m->qe_auth, sizeof m->qe_auth, 0);
}

static void add_components(bl_buf *t, const char *name, const unsigned svn[3])
{
    bl_buf_printf(t, "\"%s\":[", name);
    for (unsigned i = 0; i < BL_TCB_COMPONENTS; i++)
        bl_buf_printf(t, "%s{\"svn\":%u%s}", i ? "," : "", i < 3 ? svn[i] : 0,
                      i == 0 ? ",\"category\":\"BIOS\",\"type\":\"Early Microcode Update\"" : "");
    bl_buf_add_str(t, "]");
}

static void add_level(bl_buf *t, bool tdx, unsigned svn, unsigned pce, const char *status,
                      const char *advisories)
{
    const unsigned sgx[3] = { svn, svn, 2 }, td[3] = { 5, 0, svn };
    bl_buf_add_str(t, "{\"tcb\":{");
    add_components(t, "sgxtcbcomponents", sgx);
    bl_buf_printf(t, ",\"pcesvn\":%u", pce);
    if (tdx) {
        bl_buf_add_str(t, ",");
        add_components(t, "tdxtcbcomponents", td);
    }
    bl_buf_printf(t, "},\"tcbDate\":\"2025-01-0%uT00:00:00Z\",\"tcbStatus\":\"%s\"%s}", svn, status,
                  advisories);
}

static void add_module(bl_buf *t, const char *id)
{
    if (id)
        bl_buf_printf(t, "\"id\":\"%s\",", id);
    bl_buf_printf(t,
                  "\"mrsigner\":\"%096d\",\"attributes\":\"0000000000000000\","
                  "\"attributesMask\":\"FFFFFFFFFFFFFFFF\"",
                  0);
}

static void plain_tcb_info(intel_made *m)
{
    bl_auto_buf t = BL_BUF_EMPTY;
    bl_buf_printf(&t,
                  "{\"id\":\"%s\",\"version\":3,\"issueDate\":\"" INTEL_ISSUED
                  "\",\"nextUpdate\":\"" INTEL_NEXT
                  "\",\"fmspc\":\"00A067110000\",\"pceId\":\"0000\",\"tcbType\":0,"
                  "\"tcbEvaluationDataNumber\":18,",
                  m->tdx ? "TDX" : "SGX");
    if (m->tdx) {
        bl_buf_add_str(&t, "\"tdxModule\":{");
        add_module(&t, NULL);
        bl_buf_add_str(&t, "},\"tdxModuleIdentities\":[{");
        add_module(&t, "TDX_01");
        bl_buf_add_str(
            &t, ",\"tcbLevels\":[{\"tcb\":{\"isvsvn\":6},\"tcbDate\":\"2025-01-01T00:00:00Z\","
                "\"tcbStatus\":\"UpToDate\"},{\"tcb\":{\"isvsvn\":4},"
                "\"tcbDate\":\"2024-01-01T00:00:00Z\",\"tcbStatus\":\"OutOfDate\","
                "\"advisoryIDs\":[\"INTEL-SA-00003\"]}]}],");
    }
    bl_buf_add_str(&t, "\"tcbLevels\":[");
    add_level(&t, m->tdx, 3, 13, "UpToDate", "");
    bl_buf_add_str(&t, ",");
    add_level(&t, m->tdx, 2, 13, "OutOfDate",
              ",\"advisoryIDs\":[\"INTEL-SA-00001\",\"INTEL-SA-00002\"]");
    bl_buf_add_str(&t, ",");
    add_level(&t, m->tdx, 1, 5, "Revoked", "");
    bl_buf_add_str(&t, "]}");
    must(bl_buf_ok(&t) && t.size < sizeof m->tcb_info, "TCB info");
    memcpy(m->tcb_info, t.data, t.size);
}

static void plain_qe_identity(intel_made *m)
{
    snprintf(m->qe_identity, sizeof m->qe_identity,
             "{\"id\":\"%s\",\"version\":2,\"issueDate\":\"" INTEL_ISSUED
             "\",\"nextUpdate\":\"" INTEL_NEXT
             "\",\"tcbEvaluationDataNumber\":18,\"miscselect\":\"00000000\","
             "\"miscselectMask\":\"FFFFFFFF\","
             "\"attributes\":\"11000000000000000000000000000000\","
             "\"attributesMask\":\"FBFFFFFFFFFFFFFF0000000000000000\","
             "\"mrsigner\":\"A0A1A2A3A4A5A6A7A8A9AAABACADAEAFB0B1B2B3B4B5B6B7B8B9BABBBCBDBEBF\","
             "\"isvprodid\":%d,\"tcbLevels\":[{\"tcb\":{\"isvsvn\":4},"
             "\"tcbDate\":\"2025-01-01T00:00:00Z\",\"tcbStatus\":\"UpToDate\"},"
             "{\"tcb\":{\"isvsvn\":2},\"tcbDate\":\"2024-01-01T00:00:00Z\","
             "\"tcbStatus\":\"OutOfDate\",\"advisoryIDs\":[\"INTEL-SA-00004\"]}]}",
             m->tdx ? "TD_QE" : "QE", m->tdx ? 2 : 1);
}

void intel_plain(intel_made *m, bool tdx)
{
    static const uint8_t fmspc[] = { 0x00, 0xa0, 0x67, 0x11, 0x00, 0x00 };
    make_keys();
    *m = (intel_made){ .tdx = tdx,
                       .version = tdx ? 4 : 3,
                       .body_kind = tdx ? BL_BODY_TD_10 : BL_BODY_SGX,
                       .certification_kind = BL_CERTIFICATION_CHAIN,
                       .pck = { .components = { 3, 3, 2 }, .pce_svn = 13, .sgx_type = 1 },
                       .pck_name = "Intel SGX PCK Certificate",
                       .authority_name = "Intel SGX PCK Platform CA",
                       .signing_name = "Intel SGX TCB Signing",
                       .from_s = INTEL_NOW - YEAR,
                       .to_s = INTEL_NOW + YEAR,
                       .crl_from_s = INTEL_NOW - INTEL_DAY,
                       .crl_to_s = INTEL_NOW + 20 * INTEL_DAY,
                       .root_key = keys.root,
                       .qe_key = keys.pck,
                       .ak = keys.ak,
                       .json_key = keys.signing,
                       .crl_key = keys.authority,
                       .now_s = INTEL_NOW };
    memcpy(m->pck.fmspc, fmspc, sizeof fmspc);
    fill(m->pck.ppid, 16, 0xc0);
    plain_header(m);
    if (tdx)
        plain_domain(m->body);
    else
        plain_enclave(m->body);
    plain_qe(m);
    plain_tcb_info(m);
    plain_qe_identity(m);
}

void intel_edit(char *text, size_t size, const char *from, const char *to)
{
    char  *at = strstr(text, from);
    size_t old = strlen(from), new = strlen(to);
    must(at && strlen(text) + new - old < size, from);
    memmove(at + new, at + old, strlen(at + old) + 1);
    memcpy(at, to, new);
}

/* ---- signing it ---- */

static void add_cert(bl_buf *pem, const make_cert_options *options)
{
    bl_auto_buf der = BL_BUF_EMPTY;
    make_cert(options, &der);
    make_pem("CERTIFICATE", bl_buf_span(&der), pem);
}

static void add_root(const intel_made *m, bl_buf *pem)
{
    add_cert(pem, &(make_cert_options){ .key = m->root_key,
                                        .common_name = ROOT_NAME,
                                        .organisation = COMPANY,
                                        .not_before_s = INTEL_NOW - YEAR,
                                        .not_after_s = INTEL_NOW + YEAR,
                                        .serial = 1,
                                        .ca = true });
}

static void add_authority(const intel_made *m, bl_buf *pem)
{
    add_cert(pem, &(make_cert_options){ .key = keys.authority,
                                        .issuer_key = m->root_key,
                                        .common_name = m->authority_name,
                                        .issuer_name = ROOT_NAME,
                                        .organisation = COMPANY,
                                        .not_before_s = m->from_s,
                                        .not_after_s = m->to_s,
                                        .serial = INTEL_AUTHORITY_SERIAL,
                                        .ca = true });
}

static void add_pck(const intel_made *m, bl_buf *pem)
{
    bl_auto_buf extension = BL_BUF_EMPTY;
    if (m->extension.size)
        bl_buf_add(&extension, bl_buf_span(&m->extension));
    else
        intel_extension(&m->pck, &extension);
    make_extension one = { BL_PCK_EXTENSION, bl_buf_span(&extension), false };
    add_cert(pem, &(make_cert_options){ .key = keys.pck,
                                        .issuer_key = keys.authority,
                                        .common_name = m->pck_name,
                                        .issuer_name = m->authority_name,
                                        .organisation = COMPANY,
                                        .not_before_s = m->from_s,
                                        .not_after_s = m->to_s,
                                        .serial = INTEL_PCK_SERIAL,
                                        .extensions = &one,
                                        .extensions_len = 1 });
}

/* Quoting enclave's report, its signature and what certifies it. */
static void add_certification(intel_made *m, bl_buf *out)
{
    bl_auto_buf bound = BL_BUF_EMPTY, chain = BL_BUF_EMPTY;
    make_point(m->ak, &bound);
    bl_buf_add(&bound, bl_span(m->qe_auth, sizeof m->qe_auth));
    if (!m->unbound)
        must(bl_sha256(bl_buf_span(&bound), m->qe_report + 320) == BLIND_OK, "hash");
    bl_buf_add(out, bl_span(m->qe_report, sizeof m->qe_report));
    make_signature(m->qe_key, MAKE_RAW, "SHA256", bl_span(m->qe_report, sizeof m->qe_report), out);
    bl_buf_add_le(out, sizeof m->qe_auth, 2);
    bl_buf_add(out, bl_span(m->qe_auth, sizeof m->qe_auth));
    add_pck(m, &chain);
    add_authority(m, &chain);
    add_root(m, &chain);
    bl_buf_add_u8(&chain, 0);
    bl_buf_add_le(out, m->certification_kind, 2);
    bl_buf_add_le(out, chain.size, 4);
    bl_buf_add(out, bl_buf_span(&chain));
}

static size_t body_size(const intel_made *m)
{
    return m->body_kind == BL_BODY_SGX     ? BL_SGX_REPORT_SIZE
           : m->body_kind == BL_BODY_TD_10 ? BL_TD_REPORT_10_SIZE
                                           : BL_TD_REPORT_15_SIZE;
}

static void sign_quote(intel_made *m)
{
    bl_auto_buf signature = BL_BUF_EMPTY, certification = BL_BUF_EMPTY;
    m->header[0] = (uint8_t)m->version;
    bl_buf_add(&m->quote, bl_span(m->header, sizeof m->header));
    if (m->version == 5) {
        bl_buf_add_le(&m->quote, m->body_kind, 2);
        bl_buf_add_le(&m->quote, body_size(m), 4);
    }
    bl_buf_add(&m->quote, bl_span(m->body, body_size(m)));
    make_signature(m->ak, MAKE_RAW, "SHA256", bl_buf_span(&m->quote), &signature);
    make_point(m->ak, &signature);
    add_certification(m, &certification);
    if (m->version > 3) {
        bl_buf_add_le(&signature, 6, 2);
        bl_buf_add_le(&signature, certification.size, 4);
    }
    bl_buf_add(&signature, bl_buf_span(&certification));
    bl_buf_add_le(&m->quote, signature.size, 4);
    bl_buf_add(&m->quote, bl_buf_span(&signature));
    must(bl_buf_ok(&m->quote), "quote");
}

static void sign_json(const intel_made *m, const char *name, const char *body, bl_buf *out)
{
    bl_auto_buf signature = BL_BUF_EMPTY;
    make_signature(m->json_key, MAKE_RAW, "SHA256", bl_span_str(body), &signature);
    bl_buf_printf(out, "{\"%s\":%s,\"signature\":\"", name, body);
    bl_hex_add(out, bl_buf_span(&signature));
    bl_buf_add_str(out, "\"}");
    must(bl_buf_ok(out), name);
}

static void sign_lists(intel_made *m)
{
    add_authority(m, &m->pck_crl_issuer_chain);
    add_root(m, &m->pck_crl_issuer_chain);
    make_crl(&(make_crl_options){ .issuer_key = m->crl_key,
                                  .issuer_name = m->authority_name,
                                  .organisation = COMPANY,
                                  .this_update_s = m->crl_from_s,
                                  .next_update_s = m->crl_to_s,
                                  .serials = &m->revoked,
                                  .serials_len = m->revoked != 0 },
             &m->pck_crl);
    make_crl(&(make_crl_options){ .issuer_key = m->root_key,
                                  .issuer_name = ROOT_NAME,
                                  .organisation = COMPANY,
                                  .this_update_s = INTEL_NOW - 100 * INTEL_DAY,
                                  .next_update_s = INTEL_NOW + 200 * INTEL_DAY,
                                  .serials = &m->revoked_authority,
                                  .serials_len = m->revoked_authority != 0 },
             &m->root_ca_crl);
}

void intel_sign(intel_made *m)
{
    sign_quote(m);
    sign_json(m, "tcbInfo", m->tcb_info, &m->tcb_info_part);
    sign_json(m, "enclaveIdentity", m->qe_identity, &m->qe_identity_part);
    add_cert(&m->signing_chain, &(make_cert_options){ .key = keys.signing,
                                                      .issuer_key = m->root_key,
                                                      .common_name = m->signing_name,
                                                      .issuer_name = ROOT_NAME,
                                                      .organisation = COMPANY,
                                                      .not_before_s = INTEL_NOW - YEAR,
                                                      .not_after_s = INTEL_NOW + YEAR,
                                                      .serial = 0x3001 });
    add_root(m, &m->signing_chain);
    sign_lists(m);
}

void intel_done(intel_made *m)
{
    bl_buf *all[] = {
        &m->extension,     &m->quote,   &m->tcb_info_part,        &m->qe_identity_part,
        &m->signing_chain, &m->pck_crl, &m->pck_crl_issuer_chain, &m->root_ca_crl
    };
    for (size_t i = 0; i < BL_LEN(all); i++)
        bl_buf_done(all[i]);
    bl_arena_done(&m->arena);
}

/* ---- verifying it ---- */

void intel_parts(const intel_made *m, bl_parts *out)
{
    const struct {
        const char *name;
        blind_span  bytes;
    } all[] = { { "tcb_info", bl_buf_span(&m->tcb_info_part) },
                { "qe_identity", bl_buf_span(&m->qe_identity_part) },
                { "tcb_signing_chain", bl_buf_span(&m->signing_chain) },
                { "pck_crl", bl_buf_span(&m->pck_crl) },
                { "pck_crl_issuer_chain", bl_buf_span(&m->pck_crl_issuer_chain) },
                { "root_ca_crl", bl_buf_span(&m->root_ca_crl) },
                { "event_log", m->event_log } };
    *out = (bl_parts){ 0 };
    for (size_t i = 0; i < BL_LEN(all); i++)
        if (all[i].bytes.size)
            must(bl_parts_set(out, bl_span_str(all[i].name), all[i].bytes, NULL) == BLIND_OK,
                 all[i].name);
}

blind_code intel_verify_parts(intel_made *m, blind_span quote, const bl_parts *parts,
                              blind_cache *cache, bl_claims *out, blind_error *err)
{
    bl_verify_input in = {
        quote, parts, m->now_s, intel_test_roots(), &m->rules, cache, &m->arena
    };
    bl_arena_done(&m->arena);
    m->arena = BL_ARENA_EMPTY;
    *out = (bl_claims){ 0 };
    return (m->tdx ? bl_tee_tdx : bl_tee_sgx).verify(&in, out, err);
}

blind_code intel_verify(intel_made *m, blind_cache *cache, bl_claims *out, blind_error *err)
{
    bl_parts parts;
    intel_parts(m, &parts);
    return intel_verify_parts(m, bl_buf_span(&m->quote), &parts, cache, out, err);
}
