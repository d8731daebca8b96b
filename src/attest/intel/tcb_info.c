/* TCB info and identities of quoting enclaves, JSON to fields.
 * Source: Intel SGX and TDX Provisioning Certification Service API v4, "Get TCB Info" and "Get
 * Enclave Identity". */
#include "attest/intel/tcb_info.h"

#include "attest/intel/fields.h"
#include "attest/intel/signed_json.h"

static const char STAGE[] = "intel.collateral";

/* ---- components ---- */

/* Version 2: "sgxtcbcomp01svn" to "sgxtcbcomp16svn". */
static blind_code read_numbered(const json_t *tcb, uint8_t out[BL_TCB_COMPONENTS], blind_error *err)
{
    for (unsigned i = 0; i < BL_TCB_COMPONENTS; i++) {
        char     key[32];
        uint32_t svn;
        snprintf(key, sizeof key, "sgxtcbcomp%02usvn", i + 1);
        BL_TRY(bl_intel_u32(tcb, key, UINT8_MAX, &svn, err));
        out[i] = (uint8_t)svn;
    }
    return BLIND_OK;
}

/* Category and type, for people; the first level names the components. */
static void name_component(const json_t *component, bl_arena *arena, const char **out)
{
    const char *category = json_string_value(json_object_get(component, "category"));
    const char *type = json_string_value(json_object_get(component, "type"));
    if (!*out && (category || type))
        *out = bl_arena_printf(arena, "%.40s%s%.40s", category ? category : "",
                               category && type ? " " : "", type ? type : "");
}

/* Version 3: an array of { svn, category, type }. */
static blind_code read_listed(const json_t *tcb, const char *key, bl_arena *arena,
                              uint8_t out[BL_TCB_COMPONENTS], const char *names[BL_TCB_COMPONENTS],
                              blind_error *err)
{
    json_t *list;
    BL_TRY(bl_json_array(tcb, key, &list, err));
    if (json_array_size(list) != BL_TCB_COMPONENTS)
        return blind_fail(err, BLIND_INPUT, STAGE, "'%s' has %zu components, expected %d", key,
                          json_array_size(list), BL_TCB_COMPONENTS);
    for (size_t i = 0; i < BL_TCB_COMPONENTS; i++) {
        const json_t *component = json_array_get(list, i);
        uint32_t      svn;
        BL_TRY(bl_intel_u32(component, "svn", UINT8_MAX, &svn, err));
        out[i] = (uint8_t)svn;
        name_component(component, arena, &names[i]);
    }
    return BLIND_OK;
}

/* ---- levels ---- */

static blind_code read_level(const json_t *json, bl_arena *arena, bl_tcb_info *info,
                             bl_tcb_level *out, blind_error *err)
{
    json_t  *tcb;
    uint32_t pce_svn;
    BL_TRY(bl_json_object(json, "tcb", &tcb, err));
    if (info->version == 2)
        BL_TRY(read_numbered(tcb, out->sgx, err));
    else
        BL_TRY(read_listed(tcb, "sgxtcbcomponents", arena, out->sgx, info->sgx_names, err));
    if (info->tdx)
        BL_TRY(read_listed(tcb, "tdxtcbcomponents", arena, out->tdx, info->tdx_names, err));
    BL_TRY(bl_intel_u32(tcb, "pcesvn", UINT16_MAX, &pce_svn, err));
    out->pce_svn = (uint16_t)pce_svn;
    return bl_intel_level(json, arena, &out->date_s, &out->status, &out->advisories, err);
}

static blind_code read_levels(const json_t *json, bl_arena *arena, bl_tcb_info *out,
                              blind_error *err)
{
    json_t *list;
    BL_TRY(bl_json_array(json, "tcbLevels", &list, err));
    size_t len = json_array_size(list);
    if (len == 0 || len > BL_MAX_TCB_LEVELS)
        return blind_fail(err, BLIND_LIMIT, STAGE, "%zu levels, expected 1 to %d", len,
                          BL_MAX_TCB_LEVELS);
    bl_tcb_level *levels = bl_arena_array(arena, len, sizeof *levels);
    if (!levels)
        return blind_fail(err, BLIND_MEMORY, STAGE, "out of memory");
    for (size_t i = 0; i < len; i++)
        BL_TRY(read_level(json_array_get(list, i), arena, out, &levels[i], err));
    out->levels = levels;
    out->levels_len = len;
    return BLIND_OK;
}

/* ---- the TDX module ---- */

static blind_code read_module(const json_t *json, bl_tdx_module *out, blind_error *err)
{
    BL_TRY(bl_intel_hex(json, "mrsigner", out->mrsigner, sizeof out->mrsigner, err));
    BL_TRY(bl_intel_hex(json, "attributes", out->attributes, sizeof out->attributes, err));
    return bl_intel_hex(json, "attributesMask", out->attributes_mask, sizeof out->attributes_mask,
                        err);
}

static int digit_of(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                  : -1;
}

static blind_code read_identity(const json_t *json, bl_arena *arena, bl_tdx_module *out,
                                blind_error *err)
{
    const char *id;
    BL_TRY(bl_json_string(json, "id", &id, err));
    bool named = strlen(id) == 6 && strncasecmp(id, "TDX_", 4) == 0 && digit_of(id[4]) >= 0 &&
                 digit_of(id[5]) >= 0;
    if (!named)
        return blind_fail(err, BLIND_INPUT, STAGE, "a TDX module called '%.20s'", id);
    out->major = (unsigned)(digit_of(id[4]) << 4 | digit_of(id[5]));
    BL_TRY(read_module(json, out, err));
    return bl_intel_isv_levels(json, arena, &out->levels, err);
}

static blind_code read_modules(const json_t *json, bl_arena *arena, bl_tcb_info *out,
                               blind_error *err)
{
    json_t *module, *list;
    BL_TRY(bl_json_object(json, "tdxModule", &module, err));
    BL_TRY(read_module(module, &out->module, err));
    if (!bl_json_has(json, "tdxModuleIdentities"))
        return BLIND_OK;
    BL_TRY(bl_json_array(json, "tdxModuleIdentities", &list, err));
    size_t len = json_array_size(list);
    if (len > BL_MAX_TDX_MODULES)
        return blind_fail(err, BLIND_LIMIT, STAGE, "%zu TDX modules, at most %d", len,
                          BL_MAX_TDX_MODULES);
    bl_tdx_module *modules = bl_arena_array(arena, len + 1, sizeof *modules);
    if (!modules)
        return blind_fail(err, BLIND_MEMORY, STAGE, "out of memory");
    for (size_t i = 0; i < len; i++) {
        BL_TRY(read_identity(json_array_get(list, i), arena, &modules[i], err));
        for (size_t j = 0; j < i; j++)
            if (modules[j].major == modules[i].major)
                return blind_fail(err, BLIND_INPUT, STAGE, "TDX module %u twice", modules[i].major);
    }
    out->modules = modules;
    out->modules_len = len;
    return BLIND_OK;
}

/* ---- TCB info ---- */

static blind_code read_kind(const json_t *json, bl_tcb_info *out, blind_error *err)
{
    uint32_t    version, type;
    const char *id = "SGX";
    BL_TRY(bl_intel_u32(json, "version", UINT32_MAX, &version, err));
    BL_TRY(bl_intel_u32(json, "tcbType", UINT32_MAX, &type, err));
    out->version = version;
    if ((version != 2 && version != 3) || type != 0)
        return blind_fail(err, BLIND_INPUT, STAGE,
                          "version %u and tcbType %u, expected 2 or 3 and 0", version, type);
    if (version == 3)
        BL_TRY(bl_json_string(json, "id", &id, err));
    out->tdx = strcmp(id, "TDX") == 0;
    if (out->tdx || strcmp(id, "SGX") == 0)
        return BLIND_OK;
    return blind_fail(err, BLIND_INPUT, STAGE, "id '%.20s', expected SGX or TDX", id);
}

static blind_code read_tcb_info(const json_t *json, bl_arena *arena, bl_tcb_info *out,
                                blind_error *err)
{
    BL_TRY(read_kind(json, out, err));
    BL_TRY(bl_intel_window(json, &out->issue_s, &out->next_s, err));
    BL_TRY(bl_intel_hex(json, "fmspc", out->fmspc, sizeof out->fmspc, err));
    BL_TRY(bl_intel_hex(json, "pceId", out->pce_id, sizeof out->pce_id, err));
    BL_TRY(bl_intel_u32(json, "tcbEvaluationDataNumber", UINT32_MAX, &out->evaluation, err));
    if (out->tdx)
        BL_TRY(read_modules(json, arena, out, err));
    return read_levels(json, arena, out, err);
}

blind_code bl_tcb_info_parse(blind_span body, bl_arena *arena, bl_tcb_info *out, blind_error *err)
{
    bl_auto_json *json = NULL;
    *out = (bl_tcb_info){ 0 };
    blind_code code = bl_json_parse(body, BL_MAX_COLLATERAL, &json, err);
    if (code == BLIND_OK)
        code = read_tcb_info(json, arena, out, err);
    if (code != BLIND_OK)
        *out = (bl_tcb_info){ 0 };
    return bl_intel_malformed(code, "TCB info", err);
}

/* ---- quoting enclaves ---- */

static blind_code read_qe(const json_t *json, bl_arena *arena, bl_qe_identity *out,
                          blind_error *err)
{
    const char *id;
    uint32_t    version, prod_id;
    BL_TRY(bl_json_string(json, "id", &id, err));
    BL_TRY(bl_intel_u32(json, "version", UINT32_MAX, &version, err));
    out->tdx = strcmp(id, "TD_QE") == 0;
    if (version != 2 || (!out->tdx && strcmp(id, "QE") != 0))
        return blind_fail(err, BLIND_INPUT, STAGE,
                          "'%.20s' of version %u, expected QE or TD_QE of version 2", id, version);
    BL_TRY(bl_intel_window(json, &out->issue_s, &out->next_s, err));
    BL_TRY(bl_intel_u32(json, "tcbEvaluationDataNumber", UINT32_MAX, &out->evaluation, err));
    BL_TRY(bl_intel_hex(json, "miscselect", out->misc_select, 4, err));
    BL_TRY(bl_intel_hex(json, "miscselectMask", out->misc_mask, 4, err));
    BL_TRY(bl_intel_hex(json, "attributes", out->attributes, 16, err));
    BL_TRY(bl_intel_hex(json, "attributesMask", out->attributes_mask, 16, err));
    BL_TRY(bl_intel_hex(json, "mrsigner", out->mrsigner, 32, err));
    BL_TRY(bl_intel_u32(json, "isvprodid", UINT16_MAX, &prod_id, err));
    out->isv_prod_id = (uint16_t)prod_id;
    return bl_intel_isv_levels(json, arena, &out->levels, err);
}

blind_code bl_qe_identity_parse(blind_span body, bl_arena *arena, bl_qe_identity *out,
                                blind_error *err)
{
    bl_auto_json *json = NULL;
    *out = (bl_qe_identity){ 0 };
    blind_code code = bl_json_parse(body, BL_MAX_COLLATERAL, &json, err);
    if (code == BLIND_OK)
        code = read_qe(json, arena, out, err);
    if (code != BLIND_OK)
        *out = (bl_qe_identity){ 0 };
    return bl_intel_malformed(code, "QE identity", err);
}
