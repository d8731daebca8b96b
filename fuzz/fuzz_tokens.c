/* The tokens file: every accepted table has rows with names, rights and no token or key twice. */
#include "server/principal.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bl_token_table table;
    if (bl_token_table_parse(bl_span(data, size), &table, NULL) != BLIND_OK)
        return 0;
    for (size_t i = 0; i < table.len; i++)
        if (!table.rows[i].name[0] || !table.rows[i].rights ||
            (i && table.rows[i].key == table.rows[i - 1].key &&
             memcmp(table.rows[i].sha256, table.rows[i - 1].sha256, 32) == 0))
            abort();
    bl_token_table_done(&table);
    return 0;
}
