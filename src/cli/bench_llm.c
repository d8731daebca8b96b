/* How fast a language model reads prompts and writes on, as one line of JSON.  Tokens come from a
 * fixed sequence: how fast a model is does not depend on what it says. */
#include "cli/bench_llm.h"

#include "base/clock.h"
#include "base/file.h"
#include "llm/engine.h"

#include <stdlib.h>

enum { MOST_STREAMS = 256, MOST_RUNS = 1000 };

typedef struct {
    bl_mapping       file;
    bl_gguf          gguf;
    bl_llm_engine   *engine;
    bl_pool         *pool;
    bl_llm_sequence *sequences[MOST_STREAMS];
    int32_t         *prompt;
    size_t           prefill, decode, streams, runs;
    double           load_ms;
    double           prefill_s[MOST_RUNS], decode_s[MOST_RUNS]; /* of a run */
    double          *step_ms;                                   /* [runs][decode] */
    uint32_t         state;
} bench;

bool bl_bench_is_llm(const bl_args *args)
{
    const char *path = bl_args_text(args, "model");
    uint8_t     start[4];
    FILE       *f = path ? fopen(path, "rb") : NULL;
    bool        is = f && fread(start, sizeof start, 1, f) == 1 &&
              bl_gguf_is((blind_span){ start, sizeof start });
    if (f)
        fclose(f);
    return is;
}

static int32_t next_token(bench *b)
{
    b->state = b->state * 1664525u + 1013904223u;
    return (int32_t)((b->state >> 8) % bl_llm_engine_model(b->engine)->shape.vocabulary);
}

static blind_code open_engine(const bl_args *args, bench *b, blind_error *err)
{
    bl_llm_engine_options options = {
        .isa = bl_isa_best(),
        .threads = (int)bl_args_integer(args, "threads"),
        .max_context = b->prefill + b->decode,
        .forget = true,
    };
    bl_kv_layout layout;
    bl_llm_model model;
    (void)bl_kv_type_from_name(bl_args_text(args, "kv"), &options.kv_type);
    BL_TRY(bl_llm_model_open(&b->gguf, &model, err));
    blind_code code = bl_kv_layout_of(options.kv_type, model.shape.layers, model.shape.kv_heads,
                                      model.shape.head_width, &layout, err);
    bl_llm_model_done(&model);
    BL_TRY(code);
    options.kv_memory = (options.max_context / BL_KV_PAGE + 1) * layout.page * b->streams;
    return bl_llm_engine_open(&b->gguf, &options, &b->engine, err);
}

static blind_code open_bench(const bl_args *args, bench *b, blind_error *err)
{
    uint64_t start = bl_clock_ns();
    b->prefill = (size_t)bl_args_integer(args, "prefill");
    b->decode = (size_t)bl_args_integer(args, "decode");
    b->streams = (size_t)bl_args_integer(args, "streams");
    b->runs = (size_t)bl_args_integer(args, "runs");
    if (b->runs > MOST_RUNS)
        return blind_fail(err, BLIND_USAGE, "bench", "--runs of a language model: at most %d",
                          MOST_RUNS);
    BL_TRY(bl_file_map(bl_args_text(args, "model"), &b->file, err));
    BL_TRY(bl_gguf_read(b->file.bytes, &b->gguf, err));
    BL_TRY(open_engine(args, b, err));
    b->load_ms = (double)(bl_clock_ns() - start) / 1e6;
    b->prompt = calloc(b->prefill, sizeof *b->prompt);
    b->step_ms = calloc(b->runs * b->decode + 1, sizeof *b->step_ms);
    if (!b->prompt || !b->step_ms)
        return blind_fail(err, BLIND_MEMORY, "bench", "out of memory");
    for (size_t i = 0; i < b->prefill; i++)
        b->prompt[i] = next_token(b);
    return bl_pool_new((int)bl_args_integer(args, "threads"), &b->pool, err);
}

static void close_bench(bench *b)
{
    free(b->prompt);
    free(b->step_ms);
    bl_pool_free(b->pool);
    bl_llm_engine_close(b->engine);
    bl_gguf_done(&b->gguf);
    bl_file_unmap(&b->file);
}

static double seconds_since(uint64_t start)
{
    return (double)(bl_clock_ns() - start) / 1e9;
}

static bool all_ready(const bench *b)
{
    for (size_t i = 0; i < b->streams; i++)
        if (!bl_llm_sequence_ready(b->sequences[i]))
            return false;
    return true;
}

static void settle(bench *b)
{
    while (!all_ready(b))
        bl_llm_step(b->engine, b->sequences, b->streams, 0, b->pool);
}

static blind_code decode_once(bench *b, double *step_ms, blind_error *err)
{
    for (size_t n = 0; n < b->decode; n++) {
        uint64_t start = bl_clock_ns();
        for (size_t i = 0; i < b->streams; i++) {
            int32_t token = next_token(b);
            BL_TRY(bl_llm_sequence_append(b->sequences[i], &token, 1, err));
        }
        settle(b);
        step_ms[n] = 1000 * seconds_since(start);
    }
    return BLIND_OK;
}

static blind_code run_once(bench *b, double *prefill_s, double *decode_s, double *step_ms,
                           blind_error *err)
{
    blind_code code = BLIND_OK;
    for (size_t i = 0; i < b->streams && code == BLIND_OK; i++) {
        bl_llm_request r = { .prompt = b->prompt, .len = b->prefill, .more = b->decode };
        code = bl_llm_sequence_new(b->engine, &r, &b->sequences[i], err);
    }
    uint64_t start = bl_clock_ns();
    if (code == BLIND_OK)
        settle(b);
    *prefill_s = seconds_since(start);
    start = bl_clock_ns();
    if (code == BLIND_OK)
        code = decode_once(b, step_ms, err);
    *decode_s = seconds_since(start);
    for (size_t i = 0; i < b->streams; i++) {
        bl_llm_sequence_free(b->sequences[i]);
        b->sequences[i] = NULL;
    }
    return code;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double part_of(double *values, size_t len, double part)
{
    if (len == 0)
        return 0;
    qsort(values, len, sizeof *values, by_value);
    return values[(size_t)((double)(len - 1) * part)];
}

static blind_code print(bl_args *args, bench *b, blind_error *err)
{
    double tokens = (double)b->streams;
    double prefill_s = part_of(b->prefill_s, b->runs, 0.5);
    double decode_s = part_of(b->decode_s, b->runs, 0.5);
    size_t steps = b->runs * b->decode;
    double p50 = part_of(b->step_ms, steps, 0.5), p95 = part_of(b->step_ms, steps, 0.95);
    return bl_args_print_json(
        args,
        json_pack("{s:i,s:f,s:f,s:f,s:f,s:f,s:f,s:f,s:I,s:I,s:I,s:I,s:I,s:s,s:s,s:I}", "version", 1,
                  "prefill_tokens_s", tokens * (double)b->prefill / prefill_s, "decode_tokens_s",
                  b->decode ? tokens * (double)b->decode / decode_s : 0.0, "prefill_ms",
                  1000 * prefill_s, "step_p50_ms", p50, "step_p95_ms", p95, "load_ms", b->load_ms,
                  "rss_peak_mb", bl_bench_rss_peak_mb(), "runs", (json_int_t)b->runs, "threads",
                  (json_int_t)bl_pool_threads(b->pool), "streams", (json_int_t)b->streams,
                  "prefill", (json_int_t)b->prefill, "decode", (json_int_t)b->decode, "isa",
                  bl_isa_name(bl_isa_best()), "kv", bl_args_text(args, "kv"), "engine_bytes",
                  (json_int_t)bl_llm_engine_size(b->engine)),
        err);
}

static blind_code measure(bl_args *args, bench *b, blind_error *err)
{
    double prefill_s, decode_s;
    BL_TRY(open_bench(args, b, err));
    for (int64_t i = 0; i < bl_args_integer(args, "warmup"); i++)
        BL_TRY(run_once(b, &prefill_s, &decode_s, b->step_ms, err));
    for (size_t i = 0; i < b->runs; i++)
        BL_TRY(run_once(b, &b->prefill_s[i], &b->decode_s[i], b->step_ms + i * b->decode, err));
    return print(args, b, err);
}

blind_code bl_bench_llm(bl_args *args, blind_error *err)
{
    bench *b = calloc(1, sizeof *b);
    if (!b)
        return blind_fail(err, BLIND_MEMORY, "bench", "out of memory");
    blind_code code = measure(args, b, err);
    close_bench(b);
    free(b);
    return code;
}
