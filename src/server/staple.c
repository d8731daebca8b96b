/* Stapling: clients then need no other network to verify. */
#include "server/staple.h"

#include "base/clock.h"
#include "base/log.h"
#include "collateral/plan.h"

#include <pthread.h>
#include <stdlib.h>

#define KEEP_NS (UINT64_C(60) * 1000000000)

struct bl_staple {
    char           *dir, *tee;
    pthread_mutex_t lock;
    bool            read;
    uint64_t        read_at;
    blind_code      code; /* of the last reading */
    bl_buf          parts;
};

blind_code bl_staple_new(const char *dir, const char *tee, bl_staple **out, blind_error *err)
{
    bl_staple *s = calloc(1, sizeof *s);
    *out = NULL;
    if (s) {
        s->dir = strdup(dir);
        s->tee = strdup(tee);
    }
    if (!s || !s->dir || !s->tee || pthread_mutex_init(&s->lock, NULL) != 0) {
        free(s ? s->dir : NULL);
        free(s ? s->tee : NULL);
        free(s);
        return blind_fail(err, BLIND_MEMORY, "server.staple", "out of memory");
    }
    *out = s;
    return BLIND_OK;
}

void bl_staple_free(bl_staple *s)
{
    if (!s)
        return;
    pthread_mutex_destroy(&s->lock);
    bl_buf_done(&s->parts);
    free(s->dir);
    free(s->tee);
    free(s);
}

static blind_code read_store(bl_staple *s, blind_span evidence, blind_error *err)
{
    bl_plan            plan;
    bl_auto_collateral collateral = { 0 };
    bl_buf_clear(&s->parts);
    BL_TRY(bl_plan_for(s->tee, evidence, &bl_sources_vendors, &plan, err));
    BL_TRY(bl_collateral_load(&collateral, &plan, s->dir, err));
    return bl_parts_write(&collateral.parts, &s->parts, err);
}

blind_code bl_staple_parts(void *staple, blind_span evidence, bl_buf *parts, blind_error *err)
{
    bl_staple *s = staple;
    pthread_mutex_lock(&s->lock);
    if (!s->read || bl_clock_ns() - s->read_at > KEEP_NS) {
        blind_code before = s->code;
        s->code = read_store(s, evidence, err);
        if (s->code != BLIND_OK && (!s->read || before == BLIND_OK))
            bl_log(BL_LOG_WARN, "staple.missing", BL_LOG_NAME("tee", s->tee),
                   BL_LOG_NAME("code", blind_code_name(s->code)));
        s->read = true;
        s->read_at = bl_clock_ns();
    }
    blind_code code = s->code;
    if (code == BLIND_OK)
        bl_buf_add(parts, bl_buf_span(&s->parts));
    pthread_mutex_unlock(&s->lock);
    return code == BLIND_OK ? bl_buf_check(parts, "server.staple", err) : code;
}
