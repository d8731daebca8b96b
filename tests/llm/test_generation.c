/* Generations: stop texts across tokens, whole characters, what is told with tokens, and drafts
 * that change nothing. */
#include "base/limits.h"
#include "base/utf8.h"
#include "llm/generation.h"
#include "llm/lookup.h"
#include "llm/stops.h"
#include "tests/llm/make_vocab.h"
#include "tests/test.h"

#include <math.h>

static vocab_made vocab;

enum { ST = VOCAB_WORDS, OP, STO, END_WORD, HELLO, BLANK_A, WORDS = 6 };
static const char *const words[WORDS] = { "ST", "OP", "STO", "END", "hello", " a" };

/* Logits under which greedy sampling takes `id`. */
static void aim(float *logits, int32_t id)
{
    for (size_t i = 0; i < vocab.len; i++)
        logits[i] = (int32_t)i == id ? 5 : 0;
}

static bl_generation *begin(bl_generation_options o)
{
    bl_generation *g;
    blind_error    err = { .code = BLIND_OK };
    o.sampling.temperature = 0;
    CHECK_CODE(BLIND_OK, bl_generation_new(vocab.t, &o, NULL, 0, &g, &err), err.message);
    return g;
}

static void take(bl_generation *g, int32_t id)
{
    float   logits[VOCAB_WORDS + WORDS];
    int32_t token;
    aim(logits, id);
    CHECK_CODE(BLIND_OK, bl_generation_take(g, logits, &token, NULL), "take");
    assert_int_equal(id, token);
}

static void expect_text(bl_generation *g, const char *want)
{
    bl_auto_buf got = BL_BUF_EMPTY;
    bl_generation_text(g, &got);
    assert_string_equal(want, bl_buf_cstr(&got));
}

TEST(what_may_become_a_stop_text_is_held_back)
{
    const blind_span      stops[] = { BL_LITERAL("STOP"), BL_LITERAL("OPEN") };
    bl_generation_options o = BL_GENERATION_PLAIN;
    o.stops = stops;
    o.n_stops = 2;
    bl_generation *g = begin(o);
    take(g, HELLO);
    expect_text(g, "hello");
    take(g, ST);
    expect_text(g, "");
    assert_int_equal(1, bl_generation_settled(g));
    take(g, HELLO); /* it was none */
    expect_text(g, "SThello");
    assert_int_equal(3, bl_generation_settled(g));
    take(g, STO);
    take(g, END_WORD); /* STOEND */
    expect_text(g, "STOEND");
    take(g, BLANK_A);
    take(g, STO);
    expect_text(g, " a");
    take(g, VOCAB_BYTES + 'P');
    expect_text(g, "");
    assert_int_equal(BL_FINISH_STOP, bl_generation_finish(g));
    assert_int_equal(6, bl_generation_settled(g)); /* not STO, not P */
    assert_int_equal(8, bl_generation_len(g));
    int32_t token;
    CHECK_CODE(BLIND_INPUT, bl_generation_take(g, NULL, &token, NULL), "after its end");
    bl_generation_free(g);
}

/* Any text, cut in any way, gives the same as searching the whole. */
TEST(stop_texts_are_found_however_the_text_is_cut)
{
    static const char *const texts[] = { "aabab", "abaabaab", "xxabax",         "aaaaaaab",
                                         "ab",    "bbbbbb",   "abab\303\251aba" };
    static const char *const sets[][3] = {
        { "aab", NULL }, { "aba", "b" }, { "bb", "abaab" }, { "aaab", "ba" }, { "\xa9", NULL }
    };
    for (size_t t = 0; t < BL_LEN(texts); t++)
        for (size_t k = 0; k < BL_LEN(sets); k++)
            for (unsigned cuts = 0; cuts < 1u << (strlen(texts[t]) - 1); cuts++) {
                bl_stops    s;
                bl_auto_buf out = BL_BUF_EMPTY;
                blind_span  stops[2];
                size_t      n = 0, size = strlen(texts[t]), begin = 0;
                bool        stopped = false;
                for (; n < 2 && sets[k][n]; n++)
                    stops[n] = bl_span_str(sets[k][n]);
                CHECK_CODE(BLIND_OK, bl_stops_init(&s, stops, n, NULL), "init");
                for (size_t i = 1; i <= size && !stopped; i++)
                    if (i == size || cuts >> (i - 1) & 1) {
                        stopped = bl_stops_add(&s, bl_span(texts[t] + begin, i - begin), &out);
                        begin = i;
                    }
                if (!stopped)
                    bl_stops_finish(&s, &out);
                bl_stops_done(&s);
                /* What went out holds no stop text, and is what stands in front of one. */
                char *got = bl_buf_cstr(&out);
                bool  any = false;
                for (size_t i = 0; i < n; i++) {
                    CHECK(!strstr(got, sets[k][i]));
                    any |= strstr(texts[t], sets[k][i]) != NULL;
                }
                assert_int_equal(any, stopped);
                if (!stopped)
                    assert_string_equal(texts[t], got);
                else if (k < 4)
                    CHECK(strncmp(texts[t], got, strlen(got)) == 0);
            }
}

TEST(characters_come_out_whole_and_what_is_none_is_replaced)
{
    bl_generation *g = begin(BL_GENERATION_PLAIN);
    take(g, VOCAB_BYTES + 0xf0);
    take(g, VOCAB_BYTES + 0x9f);
    take(g, VOCAB_BYTES + 0x98);
    expect_text(g, "");
    assert_int_equal(0, bl_generation_settled(g));
    take(g, VOCAB_BYTES + 0x80);
    expect_text(g, "\xf0\x9f\x98\x80");
    assert_int_equal(4, bl_generation_settled(g));
    take(g, VOCAB_BYTES + 0xe2);
    take(g, VOCAB_BYTES + 0x82);
    take(g, HELLO); /* it never becomes a character */
    expect_text(g, "\xef\xbf\xbd\xef\xbf\xbdhello");
    take(g, VOCAB_BYTES + 0xed); /* a surrogate: refused at its second byte */
    expect_text(g, "");
    take(g, VOCAB_BYTES + 0xa0);
    expect_text(g, "\xef\xbf\xbd\xef\xbf\xbd");
    take(g, VOCAB_BYTES + 0xff);
    expect_text(g, "\xef\xbf\xbd");
    take(g, VOCAB_BYTES + 0xc3);
    expect_text(g, "");
    take(g, VOCAB_END); /* what is held goes out at the end */
    expect_text(g, "\xef\xbf\xbd");
    assert_int_equal(BL_FINISH_STOP, bl_generation_finish(g));
    assert_int_equal(bl_generation_len(g) - 1, bl_generation_settled(g)); /* all but the end */
    bl_generation_free(g);
}

TEST(an_answer_ends_at_its_length_or_where_the_model_ends_it)
{
    bl_generation_options o = BL_GENERATION_PLAIN;
    o.max_tokens = 2;
    bl_generation *g = begin(o);
    take(g, HELLO);
    assert_int_equal(BL_FINISH_NONE, bl_generation_finish(g));
    take(g, VOCAB_BYTES + 0xc3);
    assert_int_equal(BL_FINISH_LENGTH, bl_generation_finish(g));
    expect_text(g, "hello\xef\xbf\xbd");
    bl_generation_free(g);
    o.max_tokens = 0;
    g = begin(o);
    assert_int_equal(BL_FINISH_LENGTH, bl_generation_finish(g));
    bl_generation_free(g);
    o.max_tokens = 3;
    o.ignore_end = true;
    g = begin(o);
    take(g, VOCAB_END);
    assert_int_equal(BL_FINISH_NONE, bl_generation_finish(g));
    bl_generation_end(g);
    assert_int_equal(BL_FINISH_LENGTH, bl_generation_finish(g));
    expect_text(g, "");
    bl_generation_free(g);
    o.special = true;
    g = begin(o);
    take(g, 1);
    expect_text(g, "<s>");
    bl_generation_free(g);
}

TEST(what_is_told_with_tokens)
{
    bl_generation_options o = BL_GENERATION_PLAIN;
    o.wants_logprobs = true;
    o.logprobs = 2;
    bl_generation *g = begin(o);
    take(g, HELLO);
    bl_generated told = bl_generation_at(g, 0);
    double       sum = exp(5) + (double)vocab.len - 1;
    assert_int_equal(HELLO, told.id);
    CHECK(fabs((double)told.logprob - (5 - log(sum))) < 1e-4);
    assert_int_equal(HELLO, told.top[0].id);
    assert_int_equal(0, told.top[1].id); /* of equals the first */
    CHECK(fabs((double)told.top[1].logprob + log(sum)) < 1e-4);
    take(g, ST);
    assert_int_equal(ST, bl_generation_at(g, 1).top[0].id);
    bl_generation_free(g);
}

TEST(refusals)
{
    const blind_span empty = { 0 }, one = BL_LITERAL("x");
    blind_span       many[BL_MAX_STOPS + 1];
    static uint8_t   bytes[BL_MAX_STOP_SIZE + 1];
    const blind_span big = bl_span(bytes, sizeof bytes);
    for (size_t i = 0; i < BL_LEN(many); i++)
        many[i] = one;
    const struct {
        const char       *name;
        const blind_span *stops;
        size_t            n, logprobs;
        double            top_p;
        blind_code        want;
    } cases[] = {
        { "an empty stop text", &empty, 1, 0, 1, BLIND_INPUT },
        { "too many stop texts", many, BL_LEN(many), 0, 1, BLIND_LIMIT },
        { "as many as may be", many, BL_MAX_STOPS, 0, 1, BLIND_OK },
        { "too long a stop text", &big, 1, 0, 1, BLIND_LIMIT },
        { "too many logprobs", NULL, 0, BL_MAX_LOGPROBS + 1, 1, BLIND_LIMIT },
        { "a wrong top_p", NULL, 0, 0, 2, BLIND_INPUT },
    };
    for (size_t i = 0; i < BL_LEN(cases); i++) {
        bl_generation_options o = BL_GENERATION_PLAIN;
        bl_generation        *g;
        o.stops = cases[i].stops;
        o.n_stops = cases[i].n;
        o.logprobs = cases[i].logprobs;
        o.sampling.top_p = cases[i].top_p;
        CHECK_CODE(cases[i].want, bl_generation_new(vocab.t, &o, NULL, 0, &g, NULL), cases[i].name);
        CHECK((g != NULL) == (cases[i].want == BLIND_OK));
        bl_generation_free(g);
    }
}

TEST(lookup_finds_the_longest_ending_and_of_those_the_last)
{
    int32_t out[4];
    assert_int_equal(0, bl_lookup(NULL, 0, out, 4));
    assert_int_equal(0, bl_lookup((const int32_t[]){ 1 }, 1, out, 4));
    assert_int_equal(0, bl_lookup((const int32_t[]){ 1, 2, 1 }, 3, out, 4)); /* one is too few */
    assert_int_equal(1, bl_lookup((const int32_t[]){ 7, 7, 7 }, 3, out, 4));
    assert_int_equal(7, out[0]);
    const int32_t ids[] = { 1, 2, 3, 4, 9, 2, 3, 5, 9, 1, 2, 3 };
    assert_int_equal(4, bl_lookup(ids, BL_LEN(ids), out, 4));
    assert_int_equal(4, out[0]); /* 1 2 3 4, not 2 3 5 */
    assert_int_equal(9, out[1]);
    assert_int_equal(2, bl_lookup(ids + 1, BL_LEN(ids) - 1, out, 2));
    assert_int_equal(5, out[0]); /* without the 1 in front the last place counts */
    assert_int_equal(0, bl_lookup(ids, BL_LEN(ids), out, 0));
}

/* A model of sorts: logits that depend on the last two tokens, with much repetition. */
static void think(float *logits, int32_t before, int32_t last)
{
    uint32_t state = (uint32_t)(before % 5) * 31 + (uint32_t)last % 7;
    size_t   liked = VOCAB_BYTES + 'a' + state % 20;
    for (size_t i = 0; i < vocab.len; i++) {
        state = state * 1664525u + 1013904223u;
        logits[i] = i < VOCAB_BYTES ? -20 : (float)(state >> 28) / 16 + (i == liked ? 3 : 0);
    }
}

static void answer(bl_generation_options o, int32_t *ids, size_t len, bl_buf *text, size_t *taken)
{
    static const int32_t prompt[] = { 10, 11 };
    bl_generation       *g;
    size_t               n = 0, proposed;
    int32_t              drafts[BL_MAX_DRAFTS];
    float                logits[VOCAB_WORDS + WORDS];
    CHECK_CODE(BLIND_OK, bl_generation_new(vocab.t, &o, prompt, 2, &g, NULL), "new");
    while (bl_generation_finish(g) == BL_FINISH_NONE) {
        size_t guessed = bl_generation_draft(g, drafts, 5);
        CHECK(guessed <= 5 && guessed <= o.lookup && guessed + n < len);
        for (size_t i = 0; i <= guessed && bl_generation_finish(g) == BL_FINISH_NONE; i++) {
            think(logits, n > 1 ? ids[n - 2] : prompt[n], n ? ids[n - 1] : prompt[1]);
            CHECK_CODE(BLIND_OK, bl_generation_take(g, logits, &ids[n], NULL), "take");
            n++;
            if (i == guessed || ids[n - 1] != drafts[i])
                break;
        }
        bl_generation_text(g, text);
    }
    assert_int_equal(len, n);
    bl_generation_drafts(g, &proposed, taken);
    CHECK(*taken <= proposed);
    bl_generation_free(g);
}

TEST(drafts_change_nothing_of_an_answer)
{
    enum { LONG = 400 };
    static int32_t plain[LONG], drafted[LONG];
    size_t         accepted_in_all = 0;
    for (uint64_t seed = 0; seed < 6; seed++) {
        bl_generation_options o = BL_GENERATION_PLAIN;
        bl_auto_buf           a = BL_BUF_EMPTY, b = BL_BUF_EMPTY;
        size_t                accepted;
        o.max_tokens = LONG;
        o.sampling.seed = seed;
        o.sampling.temperature = seed % 2 ? 0.15 : 0.4;
        o.sampling.presence_penalty = seed % 3 ? 0 : 0.3;
        answer(o, plain, LONG, &a, &accepted);
        assert_int_equal(0, accepted);
        o.lookup = 5;
        answer(o, drafted, LONG, &b, &accepted);
        assert_memory_equal(plain, drafted, sizeof plain);
        CHECK(bl_span_equal(bl_buf_span(&a), bl_buf_span(&b)));
        CHECK(bl_utf8_valid(bl_buf_span(&a)));
        accepted_in_all += accepted;
    }
    CHECK(accepted_in_all > 50); /* or this test says nothing */
}

static int open_vocab(void **state)
{
    (void)state;
    vocab_make(&vocab, words, WORDS);
    return 0;
}
static int close_vocab(void **state)
{
    (void)state;
    vocab_done(&vocab);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(what_may_become_a_stop_text_is_held_back),
        RUN(stop_texts_are_found_however_the_text_is_cut),
        RUN(characters_come_out_whole_and_what_is_none_is_replaced),
        RUN(an_answer_ends_at_its_length_or_where_the_model_ends_it),
        RUN(what_is_told_with_tokens),
        RUN(refusals),
        RUN(lookup_finds_the_longest_ending_and_of_those_the_last),
        RUN(drafts_change_nothing_of_an_answer),
    };
    return cmocka_run_group_tests(tests, open_vocab, close_vocab);
}
