/* Elements of a tensor between JSON and memory.  Private to http. */
#ifndef BL_HTTP_KSERVE_DATA_H
#define BL_HTTP_KSERVE_DATA_H

#include "http/kserve.h"

#include <jansson.h>

/* Fills t->data and t->size from a flat or nested JSON array. */
BLIND_MUST_USE blind_code bl_kserve_data_parse(const json_t *data, bl_arena *a, blind_tensor *t,
                                               blind_error *err);
/* Writes the elements as one flat JSON array. */
BLIND_MUST_USE blind_code bl_kserve_data_write(const blind_tensor *t, bl_buf *out,
                                               blind_error *err);
/* A JSON string with quotes.  INPUT when it is not UTF-8. */
BLIND_MUST_USE blind_code bl_kserve_write_string(blind_span text, bl_buf *out, blind_error *err);

#endif
