/* Which engine opens a file. */
#include "server/engine.h"

const bl_engine *const bl_engines[] = { &bl_engine_llm, &bl_engine_onnx, NULL };

blind_code bl_engine_find(const bl_engine *const *engines, blind_span file, const bl_engine **out,
                          blind_error *err)
{
    for (*out = NULL; *engines; engines++)
        if ((*engines)->recognises(file)) {
            *out = *engines;
            return BLIND_OK;
        }
    return blind_fail(err, BLIND_INPUT, "engine.format",
                      "no engine knows this kind of file, expected an ONNX or GGUF model");
}
