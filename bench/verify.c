/* Times appraisals of recorded evidence: `bench_verify [TEE...]`, all TEEs with cases by default.
 *
 * One appraisal is blind_appraise_evidence() by a policy that is loaded already: parsing,
 * signatures, chains, collateral, the verdict.  Cold has no cache; cached has met the same
 * certificates and collateral before.  Only cases that are accepted count.  Medians of all runs of
 * all cases of a TEE, beside its bound; status 1 when one is over. */
#include "attest/tee.h"
#include "base/clock.h"
#include "tests/attest/cases.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

enum { RUNS = 25, MAX_TIMES = 100000 };

static const struct {
    const char *tee;
    double      cold_us, cached_us;
} bounds[] = {
    { "sgx", 2000, 500 },    { "tdx", 2000, 500 },  { "snp", 1500, 1500 },
    { "nitro", 5000, 1200 }, { "tpm", 1000, 1000 },
};

typedef struct {
    double us[MAX_TIMES];
    size_t len;
} times;

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(times *t)
{
    qsort(t->us, t->len, sizeof *t->us, by_value);
    return t->len ? t->us[t->len / 2] : 0;
}

static bool run(const recorded *c, const case_question *q, times *out)
{
    blind_result *result = NULL;
    uint64_t      start = bl_clock_ns();
    blind_code    code = blind_appraise_evidence(c->tee, c->evidence, c->parts, c->parts_len,
                                                 &q->expect, q->policy, &q->options, &result, NULL);
    double        us = (double)(bl_clock_ns() - start) / 1e3;
    blind_result_free(result);
    if (out && out->len < MAX_TIMES)
        out->us[out->len++] = us;
    return code == BLIND_OK;
}

static bool run_case(const recorded *c, times *cold, times *cached)
{
    case_question q;
    blind_error   err;
    blind_cache  *cache = blind_cache_new(64);
    bool          good = case_ask(c, NULL, &q, &err) == BLIND_OK && run(c, &q, NULL);
    if (!good) {
        fprintf(stderr, "%s: not accepted\n", c->id);
    } else {
        for (int i = 0; i < RUNS; i++)
            run(c, &q, cold);
        q.options.cache = cache;
        run(c, &q, NULL);
        for (int i = 0; i < RUNS; i++)
            run(c, &q, cached);
    }
    blind_policy_free(q.policy);
    blind_cache_free(cache);
    return good;
}

static bool report(const char *tee, size_t cases, times *cold, times *cached)
{
    struct rusage usage;
    double        a = median(cold), b = median(cached);
    bool          within = true;
    getrusage(RUSAGE_SELF, &usage);
    printf("%-6s cold %7.1f us  cached %7.1f us  median of %zu cases, peak memory %.1f MiB", tee, a,
           b, cases, (double)usage.ru_maxrss / 1024);
    for (size_t i = 0; i < BL_LEN(bounds); i++)
        if (strcmp(bounds[i].tee, tee) == 0) {
            within = a <= bounds[i].cold_us && b <= bounds[i].cached_us;
            printf(", bounds %.0f and %.0f", bounds[i].cold_us, bounds[i].cached_us);
        }
    printf("%s\n", within ? "" : ": OVER");
    return within;
}

static bool bench(const char *tee)
{
    static times cold, cached;
    case_list    list;
    recorded     c;
    size_t       cases = 0;
    cold.len = cached.len = 0;
    if (!cases_open(&list))
        return true;
    while (cases_next(&list, tee, &c)) {
        const char *what = case_text(c.json, "what"); /* some are logs or certificates alone */
        if (c.accept && (!what || strcmp(what, "quote") == 0))
            cases += run_case(&c, &cold, &cached);
        case_done(&c);
    }
    cases_close(&list);
    return !cases || report(tee, cases, &cold, &cached);
}

int main(int argc, char **argv)
{
    bool within = true;
    for (int i = 1; i < argc; i++)
        within &= bench(argv[i]);
    for (size_t i = 0; argc == 1 && bl_tee_at(i); i++)
        within &= bench(bl_tee_at(i)->name);
    return within ? 0 : 1;
}
