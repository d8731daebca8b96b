/* Companies: see the header. */
#include "server/company.h"

#include <stdlib.h>

struct bl_company {
    bl_company *next;
    bl_member  *first; /* the oldest; never NULL */
    size_t      rows;
};

/* ---- sizes of runs ---- */

size_t bl_batch_planned(size_t rows, size_t max)
{
    size_t planned = 1;
    while (planned < rows)
        planned *= 2;
    return BL_MAX(rows, BL_MIN(planned, max));
}

size_t bl_batch_wanted(size_t rows, size_t max)
{
    size_t most = BL_MIN(rows, max), planned = bl_batch_planned(most, max), half = 1;
    if (planned - most <= planned / 4)
        return most;
    while (half * 2 <= most)
        half *= 2;
    return half;
}

/* ---- joining ---- */

void bl_member_init(bl_member *m, const bl_engine *engine, void *instance, bl_request *request)
{
    bl_description d = { 0 };
    *m = (bl_member){ .engine = engine, .instance = instance, .request = request, .mate = m };
    if (!engine->joins)
        return;
    engine->describe(instance, &d);
    m->batching = d.batching;
    if (d.batching.max_rows > 1)
        m->rows = engine->rows(instance, request);
    if (m->rows >= d.batching.max_rows) /* nobody fits beside it */
        m->rows = 0;
}

static bool may_join(const bl_company *c, const bl_member *m)
{
    const bl_member *first = c->first;
    return first->instance == m->instance && first->engine == m->engine &&
           (!m->batching.own || bl_principal_same(bl_request_principal(first->request),
                                                  bl_request_principal(m->request))) &&
           m->engine->joins(m->instance, first->request, m->request);
}

static bl_company *find(bl_company *all, const bl_member *m)
{
    while (all && !may_join(all, m))
        all = all->next;
    return all;
}

bool bl_company_join(bl_company **all, bl_member *m)
{
    if (!m->rows)
        return true;
    bl_company *c = find(*all, m);
    bl_member **at = c ? &c->first : NULL;
    if (!c) {
        if (!(c = calloc(1, sizeof *c)))
            return false;
        c->next = *all;
        *all = c;
        at = &c->first;
    }
    while (*at)
        at = &(*at)->next;
    *at = m;
    m->next = NULL;
    m->company = c;
    c->rows += m->rows;
    return true;
}

static void stop_waiting(bl_company **all, bl_member *m)
{
    bl_company *c = m->company;
    bl_member **at = &c->first;
    while (*at != m)
        at = &(*at)->next;
    *at = m->next;
    c->rows -= m->rows;
    m->company = NULL;
    m->next = NULL;
    if (c->first)
        return;
    while (*all != c)
        all = &(*all)->next;
    *all = c->next;
    free(c);
}

void bl_company_leave(bl_company **all, bl_member *m)
{
    if (m->company)
        stop_waiting(all, m);
    bl_member *before = m;
    while (before->mate != m)
        before = before->mate;
    before->mate = m->mate;
    m->mate = m;
}

/* ---- waiting ---- */

static uint64_t due_ns(const bl_company *c)
{
    return c->first->submitted_ns + c->first->batching.wait_ns;
}

static bool holds(const bl_company *c, uint64_t now_ns)
{
    return c->rows < c->first->batching.max_rows && now_ns < due_ns(c);
}

bool bl_company_holds(const bl_member *m, uint64_t now_ns)
{
    return m->company && holds(m->company, now_ns);
}

uint64_t bl_company_due_ns(const bl_company *all, uint64_t now_ns)
{
    uint64_t first = 0;
    for (; all; all = all->next)
        if (holds(all, now_ns) && (!first || due_ns(all) < first))
            first = due_ns(all);
    return first;
}

/* ---- taking ---- */

static size_t count_shares(const bl_company *c)
{
    size_t shares = 0;
    for (const bl_member *m = c->first; m; m = m->next)
        *m->places = 0;
    for (const bl_member *m = c->first; m; m = m->next)
        shares += (*m->places)++ == 0;
    for (const bl_member *m = c->first; m; m = m->next)
        *m->places = 0;
    return shares;
}

static void add_mate(bl_company **all, bl_member *first, bl_member *m, size_t *rows)
{
    *rows += m->rows;
    *m->places += m->rows;
    stop_waiting(all, m);
    if (m != first) {
        m->mate = first->mate;
        first->mate = m;
    }
}

void bl_company_take(bl_company **all, bl_member *first)
{
    bl_company *c = first->company;
    if (!c)
        return;
    size_t wanted = BL_MAX(bl_batch_wanted(c->rows, first->batching.max_rows), first->rows);
    size_t part = BL_MAX(wanted / count_shares(c), 1), rows = 0, left = c->rows - first->rows;
    /* The company ends with its last member: what is left is counted here. */
    bl_member *m = left ? c->first : NULL;
    add_mate(all, first, first, &rows);
    if (m == first)
        m = c->first;
    for (int pass = 0; pass < 2 && left; pass++) {
        for (bl_member *next; m && rows < wanted; m = next) {
            next = m->next;
            if (rows + m->rows > wanted || (pass == 0 && *m->places + m->rows > part))
                continue;
            left -= m->rows;
            add_mate(all, first, m, &rows);
        }
        m = left ? c->first : NULL;
    }
}
