/* Quotes of SGX and TDX: whatever parses lies inside the input, and its pieces make up the whole.
 */
#include "attest/sgx/sgx.h"
#include "attest/tdx/tdx.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t inside(blind_span all, blind_span part, size_t want)
{
    if (part.size != want || (part.size && (part.data < all.data || part.size > all.size ||
                                            part.data > all.data + all.size - part.size)))
        abort();
    return part.size;
}

static void check_report(const bl_quote *q)
{
    bl_sgx_report sgx;
    bl_td_report  td;
    if (q->tee == BL_QUOTE_SGX) {
        if (bl_sgx_report_parse(q->body, &sgx, NULL) != BLIND_OK)
            abort();
        inside(q->body, sgx.report_data, 64);
        return;
    }
    if (bl_td_report_parse(q->body, &td, NULL) != BLIND_OK)
        abort();
    inside(q->body, td.report_data, 64);
    inside(q->body, td.rtmr[3], 48);
    inside(q->body, td.mrservicetd, q->body_kind == BL_BODY_TD_15 ? 48 : 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    blind_span    raw = { data, size };
    bl_quote      q;
    bl_sgx_report qe;
    bl_td_report  td;
    if (bl_sgx_report_parse(raw, &qe, NULL) == BLIND_OK)
        inside(raw, qe.report_data, 64);
    if (bl_td_report_parse(raw, &td, NULL) == BLIND_OK)
        inside(raw, td.report_data, 64);
    if (bl_quote_parse(raw, &q, NULL) != BLIND_OK) {
        if (q.body.size || q.signature.size)
            abort();
        return 0;
    }
    size_t sum = q.signed_bytes.size + 4 + (q.version > 3 ? 6 : 0) + 2 + 2 + 4;
    sum += inside(raw, q.signature, 64) + inside(raw, q.key, 64) +
           inside(raw, q.qe_report, BL_SGX_REPORT_SIZE) + inside(raw, q.qe_signature, 64) +
           inside(raw, q.qe_auth, q.qe_auth.size) +
           inside(raw, q.certification, q.certification.size) +
           inside(raw, q.padding, q.padding.size);
    if (sum != size || q.signed_bytes.data != data)
        abort();
    if (bl_sgx_report_parse(q.qe_report, &qe, NULL) != BLIND_OK ||
        !bl_certification_name(q.certification_kind))
        abort();
    check_report(&q);
    return 0;
}
