/* Event logs: whatever parses replays in every bank or says why not, and can be described. */
#include "attest/event_log.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look(const bl_event *e)
{
    char           text[64];
    bl_event_cover cover;
    blind_span     covered;
    bl_event_describe(e, text, sizeof text);
    if (strlen(text) >= sizeof text)
        abort();
    (void)bl_event_type_name(e->type);
    for (unsigned bank = 0; bank < BL_HASH_COUNT; bank++)
        if (e->digests[bank].size &&
            bl_event_check(e, (bl_hash)bank, &cover, &covered, NULL) == BLIND_OK &&
            cover != BL_EVENT_COVERED && covered.size)
            abort();
}

static void use(const bl_event_log *log)
{
    uint8_t  regs[BL_REGISTERS][BL_HASH_MAX];
    uint32_t touched;
    for (size_t i = 0; i < log->len; i++)
        look(&log->events[i]);
    for (unsigned bank = 0; bank < BL_HASH_COUNT; bank++)
        if (bl_event_log_replay(log, (bl_hash)bank, regs, &touched, NULL) != BLIND_OK && touched)
            abort();
    for (uint32_t reg = 0; reg < BL_REGISTERS; reg++)
        for (const bl_event *e = NULL; (e = bl_event_log_next(log, reg, e));)
            if (!bl_event_register_name(log->kind, reg))
                abort();
}

/* The first byte says which form. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bl_auto_arena arena = BL_ARENA_EMPTY;
    bl_event_log  log;
    if (size == 0)
        return 0;
    blind_span raw = bl_span(data + 1, size - 1);
    blind_code code = data[0] == 'j'
                          ? bl_event_log_parse_json(raw, &arena, &log, NULL)
                          : bl_event_log_parse(raw, data[0] == 'c' ? BL_LOG_OF_TD : BL_LOG_OF_TPM,
                                               &arena, &log, NULL);
    if (code == BLIND_OK)
        use(&log);
    else if (log.len || log.events)
        abort();
    return 0;
}
