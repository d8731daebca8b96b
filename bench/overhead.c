/* Times requests over one attested session: `bench_overhead PORT POLICY MODEL INPUT.npy NAME RUNS`.
 * bench/overhead starts the server, and takes turns with `blind bench` on the same model and input.
 *
 * A request is blind_client_infer(): encoding, TLS, the server's queue, the engine, and the answer
 * decoded.  The session is attested before the clock starts.  A line is two numbers of milliseconds:
 * the request, and what of it was not the engine's by the server's own word (0 where it says
 * nothing).  The second hardly moves when others use the machine. */
#include "base/clock.h"
#include "base/file.h"
#include "base/npy.h"
#include "blind/client.h"
#include "blind/policy.h"

#include <stdio.h>
#include <stdlib.h>

enum { WARM_UP = 3 };

static int fail(const char *what, const blind_error *err)
{
    fprintf(stderr, "bench/overhead: %s: %s\n", what, err->message);
    return 1;
}

static blind_code ask(blind_client *client, const char *model, const blind_tensor *input,
                      double *took_ms, double *outside_ms, blind_error *err)
{
    blind_outputs outputs;
    uint64_t      start = bl_clock_ns();
    BL_TRY(blind_client_infer(client, model, input, 1, &outputs, err));
    *took_ms = (double)(bl_clock_ns() - start) / 1e6;
    *outside_ms = outputs.inference_time_ms > 0 ? *took_ms - outputs.inference_time_ms : 0;
    blind_outputs_done(&outputs);
    return BLIND_OK;
}

int main(int argc, char **argv)
{
    if (argc != 7) {
        fprintf(stderr, "usage: bench_overhead PORT POLICY MODEL INPUT.npy NAME RUNS\n");
        return 2;
    }
    blind_error   err;
    blind_policy *policy;
    blind_client *client;
    blind_tensor  input;
    bl_arena      arena = BL_ARENA_EMPTY;
    if (blind_policy_load_file(argv[2], &policy, &err) != BLIND_OK)
        return fail("policy", &err);
    bl_buf file = BL_BUF_EMPTY;
    if (bl_file_read(argv[4], 1 << 30, &file, &err) != BLIND_OK ||
        bl_npy_read(bl_buf_span(&file), &arena, &input, &err) != BLIND_OK)
        return fail("input", &err);
    input.name = argv[5];
    blind_client_options options = { .dial = { .host = "127.0.0.1",
                                               .port = (uint16_t)atoi(argv[1]),
                                               .policy = policy,
                                               .simulation = true } };
    if (blind_client_open(&options, &client, NULL, &err) != BLIND_OK)
        return fail("connect", &err);
    for (int i = -WARM_UP; i < atoi(argv[6]); i++) {
        double took_ms, outside_ms;
        if (ask(client, argv[3], &input, &took_ms, &outside_ms, &err) != BLIND_OK)
            return fail("request", &err);
        if (i >= 0)
            printf("%.6f %.6f\n", took_ms, outside_ms);
    }
    blind_client_close(client);
    blind_policy_free(policy);
    bl_arena_done(&arena);
    bl_buf_done(&file);
    return 0;
}
