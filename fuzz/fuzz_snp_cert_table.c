/* Every certificate that a table yields lies inside the table. */
#include "attest/snp/snp.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(blind_span table, blind_span cert)
{
    if (cert.size == 0)
        return;
    size_t at = (size_t)(cert.data - table.data);
    if (at > table.size || cert.size > table.size - at)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bl_snp_certs certs;
    blind_span   table = { data, size };
    blind_code   code = bl_snp_cert_table_parse(table, &certs, NULL);
    if (code != BLIND_OK &&
        (certs.ark.size || certs.ask.size || certs.vcek.size || certs.vlek.size || certs.crl.size))
        abort();
    check(table, certs.ark);
    check(table, certs.ask);
    check(table, certs.vcek);
    check(table, certs.vlek);
    check(table, certs.crl);
    return 0;
}
