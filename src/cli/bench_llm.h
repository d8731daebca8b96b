/* `blind bench` of a language model. */
#ifndef BL_CLI_BENCH_LLM_H
#define BL_CLI_BENCH_LLM_H

#include "cli/cli.h"

/* Whether --model is a GGUF file. */
bool bl_bench_is_llm(const bl_args *args);

/* Reads prompts of --prefill tokens and decodes --decode more, --streams at once and --runs times,
 * and prints medians. */
BLIND_MUST_USE blind_code bl_bench_llm(bl_args *args, blind_error *err);

double bl_bench_rss_peak_mb(void); /* the most memory this process had at once */

#endif
