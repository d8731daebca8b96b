/* `blind bench`: how long a model file takes on this machine, as one line of JSON. */
#include "base/clock.h"
#include "cli/bench_llm.h"
#include "cli/commands.h"
#include "cli/local.h"
#include "cli/profile.h"

#include <stdlib.h>

/* The most memory this process had at once.  Source: proc(5), VmHWM. */
double bl_bench_rss_peak_mb(void)
{
    FILE *f = fopen("/proc/self/status", "r");
    char  line[256];
    long  kb = 0;
    while (f && fgets(line, sizeof line, f))
        if (strncmp(line, "VmHWM:", 6) == 0)
            kb = strtol(line + 6, NULL, 10);
    if (f)
        fclose(f);
    return (double)kb / 1024;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

typedef struct {
    double *ms;
    size_t  len, capacity;
} samples;

static blind_code add_sample(samples *s, double ms, blind_error *err)
{
    if (s->len == s->capacity) {
        size_t  capacity = s->capacity ? 2 * s->capacity : 256;
        double *grown = reallocarray(s->ms, capacity, sizeof *grown);
        if (!grown)
            return blind_fail(err, BLIND_MEMORY, "bench", "out of memory");
        s->ms = grown;
        s->capacity = capacity;
    }
    s->ms[s->len++] = ms;
    return BLIND_OK;
}

static blind_code run_once(bl_local *local, double *ms, blind_error *err)
{
    bl_pipeline_run *done;
    uint64_t         start = bl_clock_ns();
    BL_TRY(bl_local_run(local, &done, err));
    *ms = (double)(bl_clock_ns() - start) / 1e6;
    bl_pipeline_run_free(done);
    return BLIND_OK;
}

static blind_code measure(bl_args *args, bl_local *local, samples *s, blind_error *err)
{
    int64_t  runs = bl_args_integer(args, "runs"), warmup = bl_args_integer(args, "warmup");
    double   least_ms = 1000 * bl_args_number(args, "min-seconds"), ms;
    uint64_t start;
    for (int64_t i = 0; i < warmup; i++)
        BL_TRY(run_once(local, &ms, err));
    start = bl_clock_ns();
    while ((int64_t)s->len < runs || (double)(bl_clock_ns() - start) / 1e6 < least_ms) {
        BL_TRY(run_once(local, &ms, err));
        BL_TRY(add_sample(s, ms, err));
    }
    if (s->len > 0)
        qsort(s->ms, s->len, sizeof *s->ms, by_value);
    return BLIND_OK;
}

/* One more run, for --profile and --trace. */
static blind_code profile(const bl_args *args, bl_local *local, blind_error *err)
{
    bl_auto_profile p = { 0 };
    const char     *trace = bl_args_text(args, "trace");
    double          ms;
    bl_profile_start(&p, bl_pipeline_model(local->model));
    blind_code code = run_once(local, &ms, err);
    bl_profile_stop(bl_pipeline_model(local->model));
    BL_TRY(code);
    if (bl_args_has(args, "profile"))
        bl_profile_print(&p, stderr);
    return trace ? bl_profile_write(&p, trace, err) : BLIND_OK;
}

static blind_code run(bl_args *args, blind_error *err)
{
    bl_auto_local local = { 0 };
    samples       s = { 0 };
    if (bl_bench_is_llm(args))
        return bl_bench_llm(args, err);
    BL_TRY(bl_local_open(args, &local, err));
    blind_code code = measure(args, &local, &s, err);
    if (code == BLIND_OK && (bl_args_has(args, "profile") || bl_args_has(args, "trace")))
        code = profile(args, &local, err);
    bl_auto_free double *ms = s.ms;
    BL_TRY(code);
    bl_onnx_cost cost = bl_onnx_cost_of(bl_pipeline_model(local.model));
    return bl_args_print_json(
        args,
        json_pack("{s:i,s:f,s:f,s:f,s:f,s:f,s:I,s:I,s:s,s:s,s:I,s:I}", "version", 1, "median_ms",
                  ms[s.len / 2], "min_ms", ms[0], "p95_ms", ms[(s.len - 1) * 95 / 100], "load_ms",
                  local.load_ms, "rss_peak_mb", bl_bench_rss_peak_mb(), "runs", (json_int_t)s.len,
                  "threads", (json_int_t)bl_args_integer(args, "threads"), "isa",
                  bl_isa_name(bl_isa_best()), "precision", bl_args_text(args, "precision"),
                  "packed_bytes", (json_int_t)cost.packed, "run_bytes", (json_int_t)cost.run),
        err);
}

/* clang-format off */
static const bl_option options[] = {
    BL_OPTIONS_LOCAL,
    { .name = "runs", .kind = BL_INTEGER, .arg = "R", .min = 1, .max = 10000000, .fallback = "10",
      .help = "at least so many timed runs" },
    { .name = "warmup", .kind = BL_INTEGER, .arg = "W", .min = 0, .max = 1000000, .fallback = "2",
      .help = "runs before them, not timed" },
    { .name = "min-seconds", .kind = BL_NUMBER, .arg = "S", .min = 0, .max = 86400,
      .fallback = "0", .help = "go on until so much time has passed" },
    { .name = "prefill", .kind = BL_INTEGER, .arg = "N", .min = 1, .max = 1 << 24,
      .fallback = "512", .help = "of a language model: tokens of a prompt" },
    { .name = "decode", .kind = BL_INTEGER, .arg = "N", .min = 0, .max = 1 << 24,
      .fallback = "128", .help = "of a language model: tokens that it writes" },
    { .name = "streams", .kind = BL_INTEGER, .arg = "N", .min = 1, .max = 256, .fallback = "1",
      .help = "of a language model: sequences at once" },
    { .name = "kv", .kind = BL_CHOICE, .choices = "f16|q8_0|f32", .arg = "TYPE", .fallback = "f16",
      .help = "of a language model: how keys and values are kept" },
    { .name = "profile", .kind = BL_FLAG,
      .help = "print the time of each node of one more run, after fusion, on stderr" },
    { .name = "trace", .kind = BL_FILE, .arg = "FILE",
      .help = "write that run as a Chrome trace, for chrome://tracing or Perfetto" },
    BL_OPTIONS_END
};
/* clang-format on */

const bl_command bl_command_bench = {
    .name = "bench",
    .summary = "time a model file on this machine, without a server",
    .about = "Prints one line of JSON: median_ms, min_ms and p95_ms of the runs, load_ms (mapping "
             "and hashing the file, parsing, checking, planning for the given inputs and packing "
             "the weights) and rss_peak_mb, the most memory the process had at once. Of a language "
             "model (GGUF): prefill_tokens_s and decode_tokens_s, of all streams together and "
             "medians of the runs, step_p95_ms between two tokens of a stream, load_ms without "
             "hashing, and rss_peak_mb.",
    .options = options,
    .examples = "blind bench --model digits.onnx --input image=one.npy --threads 2 --runs 100\n"
                "blind bench --model model.gguf --prefill 512 --decode 128 --threads 2 --runs 5",
    .exits = "3  the model needs what is not supported; the message names operator, node and opset",
    .run = run,
};
