/* The executor: streams and single answers side by side, shares, bounds, and every early end. */
#include "tests/engine/test_asking.h"

#include <stdatomic.h>

#define MS 1000000u

typedef struct {
    bl_executor *x;
    void        *words, *grind;
} bench;

static bench start(bl_executor_options options, const char *words_file, const char *grind_file)
{
    bench             b;
    bl_engine_options none = { 0 };
    if (!options.threads)
        options.threads = 2;
    CHECK_CODE(BLIND_OK, bl_executor_new(&options, &b.x, NULL), "executor");
    CHECK_CODE(BLIND_OK, test_engine_words.open(bl_span_str(words_file), &none, &b.words, NULL),
               "words");
    CHECK_CODE(BLIND_OK, test_engine_grind.open(bl_span_str(grind_file), &none, &b.grind, NULL),
               "grind");
    return b;
}

static void end(bench *b)
{
    bl_executor_free(b->x);
    test_engine_words.close(b->words);
    test_engine_grind.close(b->grind);
    CHECK(test_jobs_open == 0);
    CHECK(test_models_open == 0);
}

static blind_code ask_words(bench *b, asked *a, const char *who, int32_t tokens)
{
    ask_new(a, who, (bl_request_options){ 0 }, tokens);
    return bl_executor_submit_to(b->x, a->request, &test_engine_words, b->words, NULL);
}

static blind_code ask_grind(bench *b, asked *a, const char *who)
{
    ask_new(a, who, (bl_request_options){ 0 }, 0);
    return bl_executor_submit_to(b->x, a->request, &test_engine_grind, b->grind, NULL);
}

TEST(executor_gives_one_output_and_timings)
{
    bench b = start((bl_executor_options){ 0 }, "words v1 0\na ", "grind v1 100 10\n");
    asked a;
    CHECK_CODE(BLIND_OK, ask_grind(&b, &a, "ann"), "submit");
    ask_wait(&a);
    CHECK_CODE(BLIND_OK, a.code, "done");
    CHECK(a.outputs == 1 && a.y == 100);
    CHECK(a.compute_ns >= 100 * 10 * 1000);
    CHECK(bl_request_ended(a.request));
    ask_done(&a);
    end(&b);
}

TEST(executor_streams_tokens_in_order)
{
    bench b = start((bl_executor_options){ 0 }, "words v1 10\none two three ", "grind v1 1 1\n");
    asked a;
    CHECK_CODE(BLIND_OK, ask_words(&b, &a, "ann", 7), "submit");
    ask_wait(&a);
    CHECK_CODE(BLIND_OK, a.code, "done");
    CHECK(a.tokens == 7);
    assert_string_equal(a.text, "one two three one two three one ");
    ask_done(&a);
    end(&b);
}

TEST(executor_reports_what_the_engine_refuses)
{
    bench b = start((bl_executor_options){ 0 }, "words v1 0\na ", "grind v1 1 1\n");
    asked a;
    ask_new(&a, "ann", (bl_request_options){ 0 }, 1);
    bl_request_set_inputs(a.request, NULL, 0);
    CHECK_CODE(BLIND_OK, bl_executor_submit_to(b.x, a.request, &test_engine_grind, b.grind, NULL),
               "submit");
    ask_wait(&a);
    CHECK_CODE(BLIND_INPUT, a.code, "no inputs");
    assert_string_equal(a.message, "expected x, FP32 [1]");
    ask_done(&a);
    end(&b);
}

/* One principal floods, the other asks for one stream: it still gets half of the time. */
TEST(executor_shares_time_between_principals)
{
    enum { FLOOD = 60, TOKENS = 150 };
    bench        b = start((bl_executor_options){ 0 }, "words v1 1000\nla ", "grind v1 20 1000\n");
    static asked flood[FLOOD], a;
    for (int i = 0; i < FLOOD; i++)
        CHECK_CODE(BLIND_OK, ask_grind(&b, &flood[i], "flood"), "flood");
    CHECK_CODE(BLIND_OK, ask_words(&b, &a, "ann", TOKENS), "ann");
    ask_wait(&a);
    CHECK_CODE(BLIND_OK, a.code, "ann is done");
    CHECK(a.tokens == TOKENS);
    double share = (double)a.compute_ns / (double)(a.ended_ns - a.submitted_ns);
    print_message("a stream beside 60 single answers of another principal: %.2f of the time, "
                  "first step after %.1f ms\n",
                  share, (double)a.wait_ns / MS);
    CHECK(share > 0.35 && share < 0.65);
    for (int i = 0; i < FLOOD; i++)
        ask_done(&flood[i]);
    ask_done(&a);
    end(&b);
}

/* Two that always have something to do: four times the priority is four times the computing, and
 * the low one is never left out. */
TEST(executor_shares_time_by_priority)
{
    enum { EACH = 60 };
    bench             b = start((bl_executor_options){ 0 }, "words v1 0\na ", "grind v1 4 1000\n");
    static asked      low[EACH], high[EACH];
    bl_executor_stats stats;
    for (int i = 0; i < EACH; i++) {
        ask_new(&low[i], "low", (bl_request_options){ .principal.priority = 5 }, 0);
        ask_new(&high[i], "high", (bl_request_options){ .principal.priority = 20 }, 0);
    }
    for (int i = 0; i < EACH; i++) {
        CHECK_CODE(BLIND_OK,
                   bl_executor_submit_to(b.x, low[i].request, &test_engine_grind, b.grind, NULL),
                   "low");
        CHECK_CODE(BLIND_OK,
                   bl_executor_submit_to(b.x, high[i].request, &test_engine_grind, b.grind, NULL),
                   "high");
    }
    for (int i = 0; i < EACH; i++)
        ask_wait(&high[i]);
    bl_executor_stats_read(b.x, &stats);
    print_message("%d answers of priority 20, %d of priority 5 meanwhile\n", EACH,
                  (int)stats.done - EACH);
    CHECK(stats.done > EACH + 4 && stats.done < EACH + EACH / 2);
    for (int i = 0; i < EACH; i++)
        ask_wait(&low[i]);
    for (int i = 0; i < EACH; i++) {
        ask_done(&low[i]);
        ask_done(&high[i]);
    }
    end(&b);
}

/* Sessions without a token are told apart. */
TEST(executor_shares_time_between_anonymous_sessions)
{
    bl_principal one = { .name = "anonymous", .session = 1 },
                 two = { .name = "anonymous", .session = 2 }, ann = test_who("ann");
    CHECK(!bl_principal_same(&one, &two));
    CHECK(bl_principal_same(&one, &one));
    CHECK(!bl_principal_same(&one, &ann));
}

/* Four streams of one model advance in one step: together they take the time of one. */
TEST(executor_batches_requests_of_one_model)
{
    enum { TOKENS = 50, STREAMS = 4 };
    bench             b = start((bl_executor_options){ 0 }, "words v1 1000\nla ", "grind v1 1 1\n");
    asked             a[STREAMS];
    const char       *who[] = { "ann", "bob", "ann", "cyd" };
    bl_executor_stats stats;
    for (int i = 0; i < STREAMS; i++)
        CHECK_CODE(BLIND_OK, ask_words(&b, &a[i], who[i], TOKENS), "submit");
    for (int i = 0; i < STREAMS; i++) {
        ask_wait(&a[i]);
        CHECK(a[i].tokens == TOKENS);
    }
    bl_executor_stats_read(b.x, &stats);
    print_message("%d tokens in %llu steps\n", STREAMS * TOKENS, (unsigned long long)stats.steps);
    CHECK(stats.steps < 2 * TOKENS);
    for (int i = 0; i < STREAMS; i++)
        ask_done(&a[i]);
    end(&b);
}

/* A reader that takes nothing costs a bounded queue, and nobody else's time. */
TEST(executor_passes_over_a_full_queue)
{
    bench b = start((bl_executor_options){ 0 }, "words v1 10\nla ", "grind v1 10 100\n");
    asked slow, quick;
    ask_new(&slow, "slow", (bl_request_options){ .queue_events = 8 }, 100);
    CHECK_CODE(BLIND_OK,
               bl_executor_submit_to(b.x, slow.request, &test_engine_words, b.words, NULL), "slow");
    while (!bl_request_full(slow.request))
        usleep(1000);
    CHECK_CODE(BLIND_OK, ask_grind(&b, &quick, "quick"), "quick");
    ask_wait(&quick);
    CHECK_CODE(BLIND_OK, quick.code, "quick");
    bl_executor_stats before, after;
    bl_executor_stats_read(b.x, &before);
    usleep(30000);
    bl_executor_stats_read(b.x, &after);
    CHECK(before.steps == after.steps); /* nor does it spin */
    size_t waiting = 0;
    for (bl_event *e; waiting < 3 && (e = bl_request_next(slow.request)); waiting++)
        ask_take(&slow, e);
    CHECK(bl_request_full(slow.request)); /* not before half of it is empty */
    ask_wait(&slow);
    CHECK_CODE(BLIND_OK, slow.code, "slow goes on");
    CHECK(slow.tokens == 100);
    ask_done(&slow);
    ask_done(&quick);
    end(&b);
}

TEST(executor_stops_a_cancelled_request_within_a_slice)
{
    bench b = start((bl_executor_options){ 0 }, "words v1 10\nla ", "grind v1 1000000 500\n");
    asked a;
    CHECK_CODE(BLIND_OK, ask_grind(&b, &a, "ann"), "submit");
    usleep(30000);
    bl_executor_stats then, now;
    uint64_t          begin = test_now_ns();
    bl_request_cancel(a.request);
    bl_executor_stats_read(b.x, &then);
    ask_wait(&a);
    bl_executor_stats_read(b.x, &now);
    CHECK_CODE(BLIND_CANCELLED, a.code, "cancelled");
    print_message("cancelled after %.1f ms\n", (double)(a.ended_ns - begin) / MS);
    CHECK(now.steps <= then.steps + 1); /* the step under way, however loaded the machine is */
    ask_done(&a);
    end(&b);
}

TEST(executor_cancels_a_request_that_is_stalled_or_waiting)
{
    bench b = start((bl_executor_options){ 0 }, "words v1 10\nla ", "grind v1 1000000 500\n");
    asked stalled, running, waiting;
    ask_new(&stalled, "slow", (bl_request_options){ .queue_events = 2 }, 100);
    CHECK_CODE(BLIND_OK,
               bl_executor_submit_to(b.x, stalled.request, &test_engine_words, b.words, NULL),
               "stalled");
    while (!bl_request_full(stalled.request))
        usleep(1000);
    bl_request_cancel(stalled.request);
    ask_wait(&stalled);
    CHECK_CODE(BLIND_CANCELLED, stalled.code, "stalled");
    CHECK_CODE(BLIND_OK, ask_grind(&b, &running, "ann"), "running");
    CHECK_CODE(BLIND_OK, ask_grind(&b, &waiting, "ann"), "waiting");
    bl_request_cancel(waiting.request);
    ask_wait(&waiting);
    CHECK_CODE(BLIND_CANCELLED, waiting.code, "waiting");
    CHECK(waiting.compute_ns == 0);
    bl_request_abandon(running.request); /* as when the client is gone */
    CHECK(bl_executor_idle(b.x, 5000));
    ask_done(&stalled);
    ask_done(&running);
    ask_done(&waiting);
    end(&b);
}

TEST(executor_ends_a_request_at_its_deadline)
{
    bench b = start((bl_executor_options){ 0 }, "words v1 10\nla ", "grind v1 1000000 500\n");
    asked running, stalled;
    ask_new(&running, "ann", (bl_request_options){ .deadline_ns = test_now_ns() + 40 * MS }, 0);
    ask_new(&stalled, "bob",
            (bl_request_options){ .deadline_ns = test_now_ns() + 40 * MS, .queue_events = 2 }, 100);
    CHECK_CODE(BLIND_OK,
               bl_executor_submit_to(b.x, running.request, &test_engine_grind, b.grind, NULL),
               "running");
    CHECK_CODE(BLIND_OK,
               bl_executor_submit_to(b.x, stalled.request, &test_engine_words, b.words, NULL),
               "stalled");
    CHECK(bl_executor_idle(b.x, 5000));
    ask_wait(&running);
    ask_wait(&stalled);
    CHECK_CODE(BLIND_TIMEOUT, running.code, "running");
    CHECK_CODE(BLIND_TIMEOUT, stalled.code, "stalled");
    ask_done(&running);
    ask_done(&stalled);
    end(&b);
}

/* What an engine asks within a step that nothing else would end. */
TEST(executor_tells_a_step_that_nobody_waits)
{
    bench b = start((bl_executor_options){ 0 }, "words v1 10\nla ", "grind v1 1 1 deaf\n");
    asked late, cancelled, other;
    ask_new(&late, "ann", (bl_request_options){ .deadline_ns = test_now_ns() + 40 * MS }, 0);
    CHECK_CODE(BLIND_OK,
               bl_executor_submit_to(b.x, late.request, &test_engine_grind, b.grind, NULL), "late");
    ask_wait(&late);
    CHECK_CODE(BLIND_TIMEOUT, late.code, "late");
    CHECK_CODE(BLIND_OK, ask_grind(&b, &cancelled, "ann"), "cancelled");
    CHECK_CODE(BLIND_OK, ask_words(&b, &other, "bob", 3), "other");
    usleep(10000);
    bl_request_cancel(cancelled.request);
    ask_wait(&cancelled);
    ask_wait(&other);
    CHECK_CODE(BLIND_CANCELLED, cancelled.code, "cancelled");
    CHECK_CODE(BLIND_OK, other.code, "other");
    ask_done(&late);
    ask_done(&cancelled);
    ask_done(&other);
    end(&b);
}

TEST(executor_bounds_its_queues)
{
    bench b = start((bl_executor_options){ .max_requests = 5, .max_per_principal = 3 },
                    "words v1 10\nla ", "grind v1 1000000 500\n");
    static const struct {
        const char *who;
        blind_code  want;
    } cases[] = { { "ann", BLIND_OK },   { "ann", BLIND_OK },  { "ann", BLIND_OK },
                  { "ann", BLIND_BUSY }, { "bob", BLIND_OK },  { "bob", BLIND_OK },
                  { "bob", BLIND_BUSY }, { "cyd", BLIND_BUSY } };
    asked             a[BL_LEN(cases)];
    bl_executor_stats stats;
    for (size_t i = 0; i < BL_LEN(cases); i++)
        CHECK_CODE(cases[i].want, ask_grind(&b, &a[i], cases[i].who), cases[i].who);
    bl_executor_stats_read(b.x, &stats);
    CHECK(stats.queued == 5 && stats.refused == 3);
    for (size_t i = 0; i < BL_LEN(cases); i++)
        ask_done(&a[i]);
    CHECK(bl_executor_idle(b.x, 5000));
    end(&b);
}

TEST(executor_bounds_the_memory_of_requests)
{
    bench b = start((bl_executor_options){ .memory = 1000 }, "words v1 0\na ", "grind v1 1 1\n");
    asked a, c;
    ask_new(&a, "ann", (bl_request_options){ .budget = bl_executor_budget(b.x) }, 0);
    ask_new(&c, "bob", (bl_request_options){ .budget = bl_executor_budget(b.x) }, 0);
    CHECK_CODE(BLIND_OK, bl_request_reserve(a.request, 600, NULL), "600");
    CHECK_CODE(BLIND_MEMORY, bl_request_reserve(c.request, 500, NULL), "500 more");
    CHECK_CODE(BLIND_MEMORY, bl_request_reserve(c.request, SIZE_MAX, NULL), "all there is");
    ask_done(&a);
    CHECK_CODE(BLIND_OK, bl_request_reserve(c.request, 500, NULL), "500 after the release");
    ask_done(&c);
    bl_executor_stats stats;
    bl_executor_stats_read(b.x, &stats);
    CHECK(stats.memory_used == 0 && stats.memory_max == 1000);
    end(&b);
}

TEST(executor_drains)
{
    bench b = start((bl_executor_options){ 0 }, "words v1 0\na ", "grind v1 50 1000\n");
    asked a, late;
    CHECK_CODE(BLIND_OK, ask_grind(&b, &a, "ann"), "before");
    bl_executor_drain(b.x);
    CHECK_CODE(BLIND_CLOSED, ask_grind(&b, &late, "ann"), "after");
    CHECK(bl_executor_idle(b.x, 10000));
    ask_wait(&a);
    CHECK_CODE(BLIND_OK, a.code, "it ran to its end");
    ask_done(&a);
    ask_done(&late);
    end(&b);
}

TEST(executor_that_ends_tells_who_waits)
{
    bench b = start((bl_executor_options){ 0 }, "words v1 0\na ", "grind v1 1000000 500\n");
    asked a[3];
    for (size_t i = 0; i < BL_LEN(a); i++)
        CHECK_CODE(BLIND_OK, ask_grind(&b, &a[i], "ann"), "submit");
    bl_executor_free(b.x);
    for (size_t i = 0; i < BL_LEN(a); i++) {
        ask_wait(&a[i]);
        CHECK_CODE(BLIND_CLOSED, a[i].code, "closed");
        ask_done(&a[i]);
    }
    test_engine_words.close(b.words);
    test_engine_grind.close(b.grind);
    CHECK(test_jobs_open == 0);
}

/* An engine whose wiping goes on for as long as the test wants. */
static _Atomic int  wipes;
static _Atomic bool wiping, may_end;

static bool wipe_slowly(void *model, size_t most)
{
    CHECK(model && most > 0);
    atomic_store(&wiping, true);
    while (!atomic_load(&may_end))
        usleep(100);
    atomic_store(&wiping, false);
    atomic_fetch_add(&wipes, 1);
    return false; /* that was all */
}

static bl_engine wiper(void)
{
    bl_engine engine = test_engine_grind;
    engine.wipe = wipe_slowly;
    atomic_store(&wipes, 0);
    atomic_store(&may_end, false);
    return engine;
}

TEST(executor_sees_what_comes_while_it_wipes)
{
    bl_engine engine = wiper();
    bench     b = start((bl_executor_options){ 0 }, "words v1 0\na ", "grind v1 1 1\n");
    asked     one, two;
    ask_new(&one, "ann", (bl_request_options){ 0 }, 0);
    ask_new(&two, "bob", (bl_request_options){ 0 }, 0);
    CHECK_CODE(BLIND_OK, bl_executor_submit_to(b.x, one.request, &engine, b.grind, NULL), "one");
    ask_wait(&one);
    CHECK_CODE(BLIND_OK, one.code, "answered before it is wiped");
    while (!atomic_load(&wiping))
        usleep(100);
    CHECK_CODE(BLIND_OK, bl_executor_submit_to(b.x, two.request, &engine, b.grind, NULL), "two");
    atomic_store(&may_end, true);
    ask_wait(&two);
    CHECK_CODE(BLIND_OK, two.code, "two");
    ask_done(&one);
    ask_done(&two);
    end(&b);
    CHECK(atomic_load(&wipes) == 2);
}

TEST(executor_wipes_while_others_compute)
{
    bl_engine engine = wiper();
    bench     b = start((bl_executor_options){ 0 }, "words v1 0\na ", "grind v1 100 10\n");
    void     *busy;
    asked     longest, quick;
    CHECK_CODE(BLIND_OK,
               test_engine_grind.open(bl_span_str("grind v1 1000000 500\n"),
                                      &(bl_engine_options){ 0 }, &busy, NULL),
               "busy");
    atomic_store(&may_end, true);
    ask_new(&longest, "ann", (bl_request_options){ 0 }, 0);
    ask_new(&quick, "bob", (bl_request_options){ 0 }, 0);
    CHECK_CODE(BLIND_OK,
               bl_executor_submit_to(b.x, longest.request, &test_engine_grind, busy, NULL),
               "longest");
    CHECK_CODE(BLIND_OK, bl_executor_submit_to(b.x, quick.request, &engine, b.grind, NULL),
               "quick");
    ask_wait(&quick);
    CHECK(atomic_load(&wipes) == 0);
    while (atomic_load(&wipes) == 0)
        usleep(1000);
    ask_poll(&longest);
    CHECK(!longest.ended);
    ask_done(&longest);
    ask_done(&quick);
    bl_executor_free(b.x);
    test_engine_grind.close(busy);
    test_engine_words.close(b.words);
    test_engine_grind.close(b.grind);
    CHECK(test_jobs_open == 0);
}

TESTS(RUN(executor_gives_one_output_and_timings), RUN(executor_streams_tokens_in_order),
      RUN(executor_reports_what_the_engine_refuses), RUN(executor_shares_time_between_principals),
      RUN(executor_shares_time_by_priority), RUN(executor_shares_time_between_anonymous_sessions),
      RUN(executor_batches_requests_of_one_model), RUN(executor_passes_over_a_full_queue),
      RUN(executor_stops_a_cancelled_request_within_a_slice),
      RUN(executor_cancels_a_request_that_is_stalled_or_waiting),
      RUN(executor_ends_a_request_at_its_deadline), RUN(executor_tells_a_step_that_nobody_waits),
      RUN(executor_bounds_its_queues), RUN(executor_bounds_the_memory_of_requests),
      RUN(executor_drains), RUN(executor_that_ends_tells_who_waits),
      RUN(executor_sees_what_comes_while_it_wipes), RUN(executor_wipes_while_others_compute))
