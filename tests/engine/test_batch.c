/* Requests that one run answers: who is joined, that each gets its own rows and the answer it would
 * have got alone, and that one's trouble stays its own.  The models are of
 * tests/vectors/engine/make.py. */
#include "server/company.h"
#include "server/registry.h"
#include "tests/engine/test_asking.h"

#include <math.h>

enum { WIDTH = 96, IDS = 5 };

typedef struct {
    bl_executor *x;
    bl_registry *r;
} served;

/* wait_ns  how long requests wait for company; rows: at most */
static served start(size_t rows, uint64_t wait_ns, bool everywhere)
{
    static const struct {
        const char *name, *path;
    } files[] = { { "matmuls", "tests/vectors/engine/matmuls.onnx" },
                  { "ids", "tests/vectors/engine/ids.onnx" },
                  { "digits", "examples/digits/model.onnx" } };
    served       s;
    bl_principal root = bl_principal_operator();
    bl_loaded    loaded;
    CHECK_CODE(BLIND_OK, bl_executor_new(&(bl_executor_options){ .threads = 2 }, &s.x, NULL), "x");
    bl_registry_options options = { .pool = bl_executor_pool(s.x) };
    if (everywhere)
        options.batching = (bl_batching){ .max_rows = rows, .wait_ns = wait_ns };
    CHECK_CODE(BLIND_OK, bl_registry_new(&options, &s.r, NULL), "registry");
    for (size_t i = 0; i < BL_LEN(files); i++) {
        blind_error err = { 0 };
        bl_load     load = { .name = files[i].name,
                             .by = &root,
                             .max_batch = everywhere ? 0 : rows,
                             .max_wait_ns = wait_ns };
        CHECK_CODE(BLIND_OK, bl_registry_load_path(s.r, &load, files[i].path, &loaded, &err),
                   err.message);
    }
    return s;
}

static void end(served *s)
{
    bl_executor_free(s->x);
    bl_registry_free(s->r);
}

typedef struct {
    bl_request *request;
    float      *x; /* or ids */
    float       y[4 * WIDTH];
    size_t      size; /* of y, in bytes */
    int64_t     rows; /* of the answer */
    blind_code  code;
    char        message[256];
} caller;

static void call(served *s, caller *c, const char *model, const char *who, blind_tensor in,
                 uint64_t deadline_ns)
{
    bl_request_options options = { .principal = test_who(who),
                                   .budget = bl_executor_budget(s->x),
                                   .deadline_ns = deadline_ns };
    *c = (caller){ .code = BLIND_AGAIN };
    CHECK_CODE(BLIND_OK, bl_registry_resolve(s->r, model, &options.model, NULL), model);
    CHECK_CODE(BLIND_OK, bl_request_new(&options, &c->request, NULL), "request");
    blind_tensor *own = bl_arena_alloc(bl_request_arena(c->request), sizeof *own);
    *own = in;
    own->data = bl_arena_alloc(bl_request_arena(c->request), in.size + 1);
    memcpy(own->data, in.data, in.size);
    bl_request_set_inputs(c->request, own, 1);
    CHECK_CODE(BLIND_OK, bl_executor_submit(s->x, c->request, NULL), "submit");
}

/* Rows of numbers that nobody else has: caller n's are n, n + 1/2, ... */
static void call_matmuls(served *s, caller *c, const char *who, int n, int rows)
{
    float        x[4 * WIDTH];
    blind_tensor in = { .name = "x", .rank = 2, .shape = { rows, WIDTH }, .data = x };
    in.size = (size_t)rows * WIDTH * sizeof *x;
    for (int i = 0; i < rows * WIDTH; i++)
        x[i] = (float)(1000 * n + i);
    call(s, c, "matmuls", who, in, 0);
}

static void call_ids(served *s, caller *c, int64_t id, int64_t len, uint64_t deadline_ns)
{
    int64_t      ids[IDS] = { id, id, id, id, id };
    blind_tensor in = { .name = "ids", .dtype = BLIND_I64, .rank = 2, .shape = { 1, len } };
    in.data = ids;
    in.size = (size_t)len * sizeof *ids;
    call(s, c, "ids", "ann", in, deadline_ns);
}

static void take(caller *c, bl_event *e)
{
    if (e->kind == BL_EVENT_OUTPUTS) {
        CHECK(e->outputs_len == 1 && e->outputs[0].size <= sizeof c->y);
        c->size = e->outputs[0].size;
        c->rows = e->outputs[0].shape[0];
        memcpy(c->y, e->outputs[0].data, c->size);
    } else {
        c->code = e->error.code;
        snprintf(c->message, sizeof c->message, "%s", e->error.message);
    }
    bl_event_free(e);
}

static void wait_for(caller *c)
{
    for (int i = 0; c->code == BLIND_AGAIN; i++) {
        bl_event *e = bl_request_next(c->request);
        CHECK(i < 60000);
        if (e)
            take(c, e);
        else
            usleep(1000);
    }
    bl_request_abandon(c->request);
    bl_request_release(c->request);
}

/* 64 times shifted by one column: out[i] = in[i - 64], the sums of one 1 and zeros are exact. */
static void check_own_rows(const caller *c, int n, int rows)
{
    CHECK_CODE(BLIND_OK, c->code, c->message);
    CHECK(c->rows == rows && c->size == (size_t)rows * WIDTH * sizeof(float));
    for (int r = 0; r < rows; r++)
        for (int i = 0; i < WIDTH; i++)
            CHECK(c->y[r * WIDTH + (i + 64) % WIDTH] == (float)(1000 * n + r * WIDTH + i));
}

static uint64_t joined(const served *s)
{
    bl_executor_stats stats;
    bl_executor_stats_read(s->x, &stats);
    return stats.joined;
}

#define LONG (60u * 1000000000ull) /* the runs begin because they are full */

TEST(sizes_of_runs_are_few_and_hold_little_padding)
{
    static const struct {
        size_t rows, max, wanted, planned;
    } cases[] = {
        { 1, 8, 1, 1 },     { 2, 8, 2, 2 },      { 3, 8, 3, 4 },     { 4, 8, 4, 4 },
        { 5, 8, 4, 4 },     { 6, 8, 6, 8 },      { 7, 8, 7, 8 },     { 9, 8, 8, 8 },
        { 9, 64, 8, 8 },    { 12, 64, 12, 16 },  { 11, 12, 11, 12 }, { 9, 12, 9, 12 },
        { 33, 64, 32, 32 }, { 100, 64, 64, 64 }, { 3, 3, 3, 3 },     { 2, 3, 2, 2 },
    };
    for (size_t i = 0; i < BL_LEN(cases); i++) {
        size_t wanted = bl_batch_wanted(cases[i].rows, cases[i].max);
        CHECK(wanted == cases[i].wanted);
        CHECK(bl_batch_planned(wanted, cases[i].max) == cases[i].planned);
    }
    for (size_t max = 2; max <= BL_MAX_BATCH; max++)
        for (size_t rows = 1; rows <= 2 * BL_MAX_BATCH; rows++) {
            size_t wanted = bl_batch_wanted(rows, max), planned = bl_batch_planned(wanted, max);
            CHECK(wanted >= 1 && wanted <= rows && wanted <= max);
            CHECK(planned >= wanted && planned <= max && planned - wanted <= planned / 4);
        }
}

/* ---- who is joined ---- */

static size_t two_rows(const void *model, const bl_request *request)
{
    (void)model;
    (void)request;
    return 2;
}

static bool all_join(const void *model, const bl_request *a, const bl_request *b)
{
    (void)model;
    return a != b;
}

static void describe_eight(const void *model, bl_description *out)
{
    (void)model;
    *out = (bl_description){ .batching = { .max_rows = 8, .wait_ns = 100 } };
}

static const bl_engine engine = { .rows = two_rows, .joins = all_join, .describe = describe_eight };

/* Ten of one share wait before the two of another: both get their part of the run. */
TEST(places_in_a_run_are_dealt_among_shares)
{
    enum { LEN = 12 };
    bl_company *all = NULL;
    bl_member   m[LEN];
    bl_request *requests[LEN];
    size_t      places[2], mates = 0, of_second = 0;
    for (size_t i = 0; i < LEN; i++) {
        CHECK_CODE(BLIND_OK, bl_request_new(&(bl_request_options){ 0 }, &requests[i], NULL), "");
        bl_member_init(&m[i], &engine, &all, requests[i]);
        m[i].places = &places[i < 10 ? 0 : 1];
        m[i].submitted_ns = 1000 + i;
        CHECK(bl_company_holds(&m[i], 0) == false); /* it has not joined */
        CHECK(bl_company_join(&all, &m[i]));
        CHECK(bl_company_holds(&m[i], 1050) == (i < 3)); /* eight rows are enough */
        CHECK(!bl_company_holds(&m[i], 1100));
    }
    CHECK(bl_company_due_ns(all, 1050) == 0);
    bl_company_take(&all, &m[0]);
    for (bl_member *at = m[0].mate; at != &m[0]; at = at->mate) {
        CHECK(!at->company && mates++ < LEN);
        of_second += at->places == &places[1];
    }
    CHECK(mates == 3 && of_second == 2);
    for (size_t i = 0; i < LEN; i++)
        bl_company_leave(&all, &m[i]);
    CHECK(all == NULL);
    for (size_t i = 0; i < LEN; i++)
        bl_request_release(requests[i]);
}

/* ---- answers ---- */

TEST(each_caller_gets_its_own_rows)
{
    static const char *const who[] = { "ann", "bob", "cyd", "ann" };
    enum { ROUNDS = 20 };
    for (size_t max = 4; max <= 12; max += 4) {
        served s = start(max, LONG, max == 8);
        for (int round = 0; round < ROUNDS; round++) {
            static caller c[12];
            int           len = 0;
            for (int rows = 0; rows < (int)max; len++) {
                int more = BL_MIN((round + len) % 3 + 1, (int)max - rows);
                call_matmuls(&s, &c[len], who[(len + round) % 4], 16 * round + len, more);
                c[len].rows = more;
                rows += more;
            }
            for (int i = 0; i < len; i++) {
                int64_t rows = c[i].rows;
                wait_for(&c[i]);
                check_own_rows(&c[i], 16 * round + i, (int)rows);
            }
        }
        CHECK(joined(&s) >= 2 * ROUNDS);
        end(&s);
    }
}

static void call_digits(served *s, caller *c, int n)
{
    float        image[64];
    blind_tensor in = { .name = "image", .rank = 4, .shape = { 1, 1, 8, 8 }, .data = image };
    in.size = sizeof image;
    for (int i = 0; i < 64; i++)
        image[i] = (float)((n * 7 + i * (n + 3)) % 17) / 16;
    call(s, c, "digits", "ann", in, 0);
}

/* The bound of tests/engine: a hundred times the rounding of one sum. */
TEST(a_joined_answer_is_the_lone_one)
{
    enum { LEN = 8 };
    static caller lone[LEN], together[LEN];
    double        worst = 0, most = 0;
    size_t        same = 0;
    served        s = start(1, 0, false);
    for (int i = 0; i < LEN; i++) {
        call_digits(&s, &lone[i], i);
        wait_for(&lone[i]);
    }
    CHECK(joined(&s) == 0);
    end(&s);
    s = start(LEN, LONG, false);
    for (int i = 0; i < LEN; i++)
        call_digits(&s, &together[i], i);
    for (int i = 0; i < LEN; i++)
        wait_for(&together[i]);
    CHECK(joined(&s) == LEN);
    end(&s);
    for (int i = 0; i < LEN; i++) {
        CHECK(together[i].code == BLIND_OK && together[i].size == 40 && lone[i].size == 40);
        same += memcmp(lone[i].y, together[i].y, 40) == 0;
        for (int k = 0; k < 10; k++) {
            worst = fmax(worst, fabs((double)lone[i].y[k] - (double)together[i].y[k]));
            most = fmax(most, fabs((double)lone[i].y[k]));
        }
    }
    print_message("%zu of %d answers are the same to the bit; the largest difference is %.2g of "
                  "the largest number\n",
                  same, LEN, worst / most);
    CHECK(worst <= 1e-5 * most);
}

TEST(those_that_differ_elsewhere_do_not_meet)
{
    served s = start(4, 20000000, false);
    caller a[2], b[3];
    call_ids(&s, &a[0], 1, 2, 0);
    call_ids(&s, &b[0], 2, 5, 0);
    call_ids(&s, &a[1], 3, 2, 0);
    call_ids(&s, &b[1], 4, 5, 0);
    call_ids(&s, &b[2], 5, 5, 0);
    for (int i = 0; i < 2; i++)
        wait_for(&a[i]);
    for (int i = 0; i < 3; i++)
        wait_for(&b[i]);
    /* row id of the table begins with 4 id */
    CHECK(a[0].y[0] == 2 * 4 && a[1].y[0] == 2 * 12);
    CHECK(b[0].y[0] == 5 * 8 && b[1].y[0] == 5 * 16 && b[2].y[3] == 5 * 23);
    CHECK(joined(&s) == 5); /* of two and of three: they waited 20 ms */
    end(&s);
}

TEST(a_bad_request_is_its_own_trouble)
{
    enum { LEN = 8 };
    for (int bad = 0; bad < LEN; bad += 3) {
        served s = start(LEN, LONG, false);
        caller c[LEN];
        for (int i = 0; i < LEN; i++)
            call_ids(&s, &c[i], i == bad ? 99 : i, 3, 0);
        for (int i = 0; i < LEN; i++) {
            wait_for(&c[i]);
            CHECK_CODE(i == bad ? BLIND_INPUT : BLIND_OK, c[i].code, c[i].message);
            CHECK(c[i].size == (i == bad ? 0 : 16));
            CHECK(i == bad || c[i].y[0] == (float)(3 * 4 * i));
        }
        for (int i = 0; i < LEN; i++) /* and the model is joined as before */
            call_ids(&s, &c[i], i, 3, 0);
        for (int i = 0; i < LEN; i++)
            wait_for(&c[i]);
        CHECK(c[7].y[0] == 3 * 28 && joined(&s) == 2 * LEN);
        end(&s);
    }
}

/* Of another type or shape: refused alone, nobody waits for it. */
TEST(a_malformed_request_is_not_joined)
{
    served       s = start(2, LONG, false);
    caller       bad, good[2];
    float        f[2] = { 0 };
    blind_tensor in = { .name = "ids", .rank = 2, .shape = { 1, 2 }, .data = f, .size = sizeof f };
    call_ids(&s, &good[0], 1, 2, 0);
    call(&s, &bad, "ids", "bob", in, 0);
    wait_for(&bad);
    CHECK_CODE(BLIND_INPUT, bad.code, bad.message);
    call_ids(&s, &good[1], 2, 2, 0);
    for (int i = 0; i < 2; i++) {
        wait_for(&good[i]);
        CHECK_CODE(BLIND_OK, good[i].code, good[i].message);
    }
    end(&s);
}

/* ---- those that leave ---- */

TEST(one_that_is_late_or_gone_leaves_the_others_waiting)
{
    served s = start(4, LONG, false);
    caller c[4], late, gone;
    call_ids(&s, &late, 1, 2, test_now_ns() + 20000000);
    call_ids(&s, &c[0], 1, 2, 0);
    call_ids(&s, &gone, 1, 2, 0);
    wait_for(&late);
    CHECK_CODE(BLIND_TIMEOUT, late.code, late.message);
    bl_request_abandon(gone.request);
    bl_request_release(gone.request);
    for (bl_executor_stats stats = { .queued = 9 }; stats.queued > 1;)
        bl_executor_stats_read(s.x, &stats);
    for (int i = 1; i < 4; i++)
        call_ids(&s, &c[i], i, 2, 0);
    for (int i = 0; i < 4; i++) {
        wait_for(&c[i]);
        CHECK_CODE(BLIND_OK, c[i].code, c[i].message);
    }
    CHECK(joined(&s) == 4);
    end(&s);
}

/* Cancelled at any moment of the run, the others get what they asked for. */
TEST(one_that_goes_while_it_runs_changes_nothing_for_others)
{
    served s = start(4, 1000000, false); /* it may go before the run, too */
    for (int round = 0; round < 30; round++) {
        caller c[4];
        for (int i = 0; i < 4; i++)
            call_matmuls(&s, &c[i], i % 2 ? "ann" : "bob", 4 * round + i, 1);
        usleep((useconds_t)round * 20);
        for (int i = 0; i < 4; i += 2) {
            bl_request_abandon(c[i].request);
            bl_request_release(c[i].request);
        }
        for (int i = 1; i < 4; i += 2) {
            wait_for(&c[i]);
            check_own_rows(&c[i], 4 * round + i, 1);
        }
    }
    CHECK(bl_executor_idle(s.x, 5000));
    end(&s);
}

TEST(an_executor_that_ends_tells_those_that_wait_for_company)
{
    served s = start(8, LONG, false);
    caller c[3];
    for (int i = 0; i < 3; i++)
        call_ids(&s, &c[i], i, 2, 0);
    bl_executor_stop(s.x);
    for (int i = 0; i < 3; i++) {
        wait_for(&c[i]);
        CHECK_CODE(BLIND_CLOSED, c[i].code, c[i].message);
    }
    end(&s);
}

/* ---- which models ---- */

static blind_code load(served *s, const char *who, const char *name, const char *file,
                       size_t max_batch, blind_error *err)
{
    char         path[100];
    bl_loaded    loaded;
    bl_principal by = strcmp(who, "operator") == 0 ? bl_principal_operator() : test_who(who);
    bl_load      load = { .name = name, .by = &by, .max_batch = max_batch, .max_wait_ns = LONG };
    snprintf(path, sizeof path, "%s", file);
    return bl_registry_load_path(s->r, &load, path, &loaded, err);
}

static size_t max_rows(served *s, const char *name)
{
    bl_model *m;
    CHECK_CODE(BLIND_OK, bl_registry_resolve(s->r, name, &m, NULL), name);
    size_t rows = m->description.batching.max_rows;
    bl_model_release(m);
    return rows;
}

TEST(a_model_that_mixes_rows_is_not_batched)
{
    static const struct {
        const char *file, *says;
    } cases[] = {
        { "tests/vectors/engine/mixed.onnx", "depends on other rows" },
        { "tests/vectors/engine/sum.onnx", "do not share a first axis" },
    };
    served s = start(8, LONG, true);
    for (size_t i = 0; i < BL_LEN(cases); i++) {
        blind_error err = { 0 };
        CHECK_CODE(BLIND_UNSUPPORTED, load(&s, "operator", "asked", cases[i].file, 4, &err), "");
        CHECK(strstr(err.message, cases[i].says));
        CHECK_CODE(BLIND_OK, load(&s, "operator", "not", cases[i].file, 0, &err), err.message);
        CHECK(max_rows(&s, "not") == 1);
        bl_principal by = bl_principal_operator();
        CHECK_CODE(BLIND_OK, bl_registry_remove(s.r, "not", &by, NULL), "");
    }
    CHECK(max_rows(&s, "ids") == 8 && max_rows(&s, "digits") == 8);
    end(&s);
}

/* Whoever uploaded it may have made it to look at its neighbours. */
TEST(rows_of_two_principals_meet_in_no_upload)
{
    served      s = start(2, LONG, true);
    caller      c[4];
    float       x[WIDTH] = { 0 };
    blind_error err = { 0 };
    CHECK_CODE(BLIND_OK, load(&s, "ann", "hers", "tests/vectors/engine/matmuls.onnx", 0, &err),
               err.message);
    blind_tensor in = { .name = "x", .rank = 2, .shape = { 1, WIDTH }, .data = x };
    in.size = sizeof x;
    call(&s, &c[0], "hers", "ann", in, 0);
    call(&s, &c[1], "hers", "bob", in, 0);
    usleep(50000);
    bl_executor_stats stats;
    bl_executor_stats_read(s.x, &stats);
    CHECK(stats.queued == 2 && stats.done == 0); /* both wait for another of their own */
    call(&s, &c[2], "hers", "bob", in, 0);
    wait_for(&c[1]);
    wait_for(&c[2]);
    call(&s, &c[3], "hers", "ann", in, 0);
    wait_for(&c[0]);
    wait_for(&c[3]);
    CHECK(joined(&s) == 4);
    end(&s);
}

TESTS(RUN(sizes_of_runs_are_few_and_hold_little_padding),
      RUN(places_in_a_run_are_dealt_among_shares), RUN(each_caller_gets_its_own_rows),
      RUN(a_joined_answer_is_the_lone_one), RUN(those_that_differ_elsewhere_do_not_meet),
      RUN(a_bad_request_is_its_own_trouble), RUN(a_malformed_request_is_not_joined),
      RUN(one_that_is_late_or_gone_leaves_the_others_waiting),
      RUN(one_that_goes_while_it_runs_changes_nothing_for_others),
      RUN(an_executor_that_ends_tells_those_that_wait_for_company),
      RUN(a_model_that_mixes_rows_is_not_batched), RUN(rows_of_two_principals_meet_in_no_upload))
