/* Times requests over one attested session: `bench_overhead PORT POLICY MODEL INPUT.npy NAME RUNS`.
 * bench/overhead starts the server, and takes turns with `blind bench` on the same model and input.
 *
 * A request is blind_client_infer(): encoding, TLS, the server's queue, the engine, and the answer
 * decoded.  The session is attested before the clock starts.  A line is three numbers of
 * milliseconds: the request; what of it was not the engine's by the server's own word (0 where it
 * says nothing), which moves less when others use the machine; and as many bytes both ways through
 * TLS alone, right behind another request, when the caches hold the model. */
#include "base/clock.h"
#include "base/file.h"
#include "base/npy.h"
#include "blind/client.h"
#include "blind/policy.h"
#include "tls_alone.h"

#include <stdio.h>
#include <stdlib.h>

enum { WARM_UP = 3 };

static int fail(const char *what, const blind_error *err)
{
    fprintf(stderr, "bench/overhead: %s: %s\n", what, err->message);
    return 1;
}

static blind_code ask(blind_client *client, const char *model, const blind_tensor *input,
                      double *took_ms, double *outside_ms, size_t *answer, blind_error *err)
{
    blind_outputs outputs;
    uint64_t      start = bl_clock_ns();
    BL_TRY(blind_client_infer(client, model, input, 1, &outputs, err));
    *took_ms = (double)(bl_clock_ns() - start) / 1e6;
    *outside_ms = outputs.inference_time_ms > 0 ? *took_ms - outputs.inference_time_ms : 0;
    *answer = 0;
    for (size_t i = 0; i < outputs.count; i++)
        *answer += outputs.tensors[i].size;
    blind_outputs_done(&outputs);
    return BLIND_OK;
}

/* Requests first, then as many that are followed by their bytes alone: these must not warm what the
 * requests use. */
static blind_code measure(blind_client *client, const char *model, const blind_tensor *input,
                          int runs, double (*ms)[3], blind_error *err)
{
    tls_alone *alone = NULL;
    size_t     answer = 0;
    double     unused;
    for (int i = -WARM_UP; i < runs; i++)
        BL_TRY(ask(client, model, input, &ms[BL_MAX(i, 0)][0], &ms[BL_MAX(i, 0)][1], &answer, err));
    BL_TRY(tls_alone_open(input->size, answer + 1, &alone, err));
    blind_code code = BLIND_OK;
    for (int i = -WARM_UP; i < runs && code == BLIND_OK; i++) {
        code = ask(client, model, input, &unused, &unused, &answer, err);
        if (code == BLIND_OK)
            code = tls_alone_time(alone, input->data, &ms[BL_MAX(i, 0)][2], err);
    }
    tls_alone_close(alone);
    return code;
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
    int runs = BL_MAX(atoi(argv[6]), 1);
    double(*ms)[3] = calloc((size_t)runs, sizeof *ms);
    if (!ms || measure(client, argv[3], &input, runs, ms, &err) != BLIND_OK)
        return fail("request", &err);
    for (int i = 0; i < runs; i++)
        printf("%.6f %.6f %.6f\n", ms[i][0], ms[i][1], ms[i][2]);
    free(ms);
    blind_client_close(client);
    blind_policy_free(policy);
    bl_arena_done(&arena);
    bl_buf_done(&file);
    return 0;
}
