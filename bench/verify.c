/* Times appraisals of recorded evidence: `bench_verify [--json] [TEE...]`, all TEEs with cases by
 * default; with --json one line a case before the TEE's, for bench/verify_peers.py.
 *
 * Processor time.  One appraisal is blind_appraise_evidence() by a policy that is loaded already:
 * parsing, signatures, chains, collateral, the verdict.  Cold has no cache; cached has met the same
 * certificates and collateral before.  Only cases that are accepted count.  Medians of all runs of
 * all cases of a TEE, beside its bound; status 1 when one is over. */
#include "attest/tee.h"
#include "tests/attest/cases.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

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

static bool as_json;

/* Processor time: what other programs on the core take does not count. */
static double now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Of those from `first` on, which are sorted by it. */
static double median(times *t, size_t first)
{
    size_t len = t->len - first;
    qsort(t->us + first, len, sizeof *t->us, by_value);
    return len ? t->us[first + len / 2] : 0;
}

/* The most memory of this program: a child's ru_maxrss would begin with its parent's. */
static double peak_mib(void)
{
    char  line[128];
    long  kib = 0;
    FILE *status = fopen("/proc/self/status", "r");
    while (status && fgets(line, sizeof line, status))
        if (strncmp(line, "VmHWM:", 6) == 0)
            kib = strtol(line + 6, NULL, 10);
    if (status)
        fclose(status);
    return (double)kib / 1024;
}

static bool run(const recorded *c, const case_question *q, times *out, blind_error *err)
{
    blind_result *result = NULL;
    double        start = now_us();
    blind_code    code = blind_appraise_evidence(c->tee, c->evidence, c->parts, c->parts_len,
                                                 &q->expect, q->policy, &q->options, &result, err);
    double        us = now_us() - start;
    blind_result_free(result);
    if (out && out->len < MAX_TIMES)
        out->us[out->len++] = us;
    return code == BLIND_OK;
}

static bool run_case(const recorded *c, times *cold, times *cached)
{
    size_t        first = cold->len;
    case_question q;
    blind_error   err;
    blind_cache  *cache = blind_cache_new(64);
    bool          good = case_ask(c, NULL, &q, &err) == BLIND_OK && run(c, &q, NULL, &err);
    if (!good) {
        fprintf(stderr, "%s: not accepted: %s\n", c->id, err.message);
    } else {
        for (int i = 0; i < RUNS; i++)
            run(c, &q, cold, NULL);
        q.options.cache = cache;
        run(c, &q, NULL, NULL);
        for (int i = 0; i < RUNS; i++)
            run(c, &q, cached, NULL);
        if (as_json)
            printf("{\"id\": \"%s\", \"us\": %.1f, \"cached_us\": %.1f}\n", c->id,
                   median(cold, first), median(cached, first));
    }
    blind_policy_free(q.policy);
    blind_cache_free(cache);
    return good;
}

static bool report(const char *tee, size_t cases, times *cold, times *cached)
{
    double a = median(cold, 0), b = median(cached, 0);
    bool   within = true;
    if (as_json) {
        printf("{\"tee\": \"%s\", \"peak_mb\": %.1f}\n", tee, peak_mib());
        return true;
    }
    printf("%-6s cold %7.1f us  cached %7.1f us  median of %zu cases, peak memory %.1f MiB", tee, a,
           b, cases, peak_mib());
    for (size_t i = 0; i < BL_LEN(bounds); i++)
        if (strcmp(bounds[i].tee, tee) == 0) {
            within = a <= bounds[i].cold_us && b <= bounds[i].cached_us;
            printf(", bounds %.0f and %.0f", bounds[i].cold_us, bounds[i].cached_us);
        }
    printf("%s\n", within ? "" : ": OVER");
    return within;
}

/* Cases of event logs and certificates alone are no evidence. */
static bool is_evidence(const recorded *c)
{
    const char *what = case_text(c->json, "what");
    return !what || strcmp(what, "quote") == 0;
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
        if (c.accept && is_evidence(&c))
            cases += run_case(&c, &cold, &cached);
        case_done(&c);
    }
    cases_close(&list);
    return !cases || report(tee, cases, &cold, &cached);
}

int main(int argc, char **argv)
{
    bool within = true;
    int  first = 1;
    as_json = argc > 1 && strcmp(argv[1], "--json") == 0;
    first += as_json;
    for (int i = first; i < argc; i++)
        within &= bench(argv[i]);
    for (size_t i = 0; argc == first && bl_tee_at(i); i++)
        within &= bench(bl_tee_at(i)->name);
    return within ? 0 : 1;
}
