/* Templates: operators that read or make strings. */
#include "fuzz/graph_maker.h"

static int words(graph *g, int min, int max)
{
    return graph_take(g, ANY_OF(STRING), min, max, true);
}

static graph_node *add(graph *g, const char *type, int since, int n_in, const int *in)
{
    graph_node *n = g->opset < since ? NULL : graph_add(g, type, n_in, in);
    if (n)
        n->rule = RULE_JUMP;
    return n;
}

/* A list of words, without one twice. */
static int some_words(graph *g, int64_t out[GRAPH_WORDS])
{
    int64_t first = (int64_t)graph_roll(g, GRAPH_WORDS);
    int     len = 1 + (int)graph_roll(g, 6);
    for (int i = 0; i < len; i++)
        out[i] = (first + 5 * i) % GRAPH_WORDS; /* 5 and 12 have no common factor */
    return len;
}

static bool make_normalizer(graph *g)
{
    static const char *const changes[] = { "NONE", "LOWER", "UPPER" };
    int64_t                  list[GRAPH_WORDS], dim[2] = { 1, 1 + (int64_t)graph_roll(g, 6) };
    bool                     flat = graph_chance(g, 2);
    int                      v = graph_leaf(g, BLIND_STRING, flat ? 1 : 2, dim + flat, FILL_WORDS);
    graph_node              *n = v < 0 ? NULL : add(g, "StringNormalizer", 10, 1, &v);
    if (!n)
        return false;
    graph_attr_text(n, "case_change_action", changes[graph_roll(g, 3)]);
    graph_attr_text(n, "locale", "C.UTF-8");
    graph_attr_int(n, "is_case_sensitive", graph_chance(g, 2));
    if (!graph_chance(g, 3))
        graph_attr_words(n, "stopwords", list, some_words(g, list));
    return graph_result(g, n, BLIND_STRING, -1, NULL) >= 0;
}

static bool make_joined(graph *g)
{
    int a = words(g, 0, 4);
    int b = a < 0 ? -1 : graph_leaf(g, BLIND_STRING, g->value[a].rank, g->value[a].dim, FILL_WORDS);
    bool        equal = graph_chance(g, 3);
    graph_node *n =
        b < 0 ? NULL
              : add(g, equal ? "Equal" : "StringConcat", equal ? 19 : 20, 2, (int[]){ a, b });
    if (!n)
        return false;
    return graph_result(g, n, equal ? BLIND_BOOL : BLIND_STRING, g->value[a].rank,
                        g->value[a].dim) >= 0;
}

static bool make_split(graph *g)
{
    static const char *const delimiters[] = { "", " ", ",", "a", "b, " };
    int                      v = words(g, 0, 3);
    graph_node              *n = v < 0 ? NULL : add(g, "StringSplit", 20, 1, &v);
    if (!n)
        return false;
    if (!graph_chance(g, 4))
        graph_attr_text(n, "delimiter", delimiters[graph_roll(g, BL_LEN(delimiters))]);
    if (graph_chance(g, 2))
        graph_attr_int(n, "maxsplit", (int64_t)graph_roll(g, 3));
    return graph_result(g, n, BLIND_STRING, -1, NULL) >= 0 &&
           graph_result(g, n, BLIND_I64, g->value[v].rank, g->value[v].dim) >= 0;
}

static bool make_match(graph *g)
{
    static const char *const patterns[] = { "a",      "[a-z]*", ".*",   "",
                                            "(a|b)+", "-?\\d+", "\\w+", "a.?b*" };
    int                      v = words(g, 0, 4);
    graph_node              *n = v < 0 ? NULL : add(g, "RegexFullMatch", 20, 1, &v);
    if (!n)
        return false;
    graph_attr_text(n, "pattern", patterns[graph_roll(g, BL_LEN(patterns))]);
    return graph_result(g, n, BLIND_BOOL, g->value[v].rank, g->value[v].dim) >= 0;
}

/* Sequences of one or two words, weighed by how often they come. */
static bool make_counts(graph *g)
{
    static const char *const modes[] = { "TF", "IDF", "TFIDF" };
    int64_t list[GRAPH_WORDS], len = 1 + (int64_t)graph_roll(g, 9), row[2] = { 2, len };
    int64_t indexes[GRAPH_WORDS];
    float   weights[GRAPH_WORDS];
    bool    flat = graph_chance(g, 2), text = graph_chance(g, 2);
    int     n_words = some_words(g, list), pairs = n_words / 3, at = n_words - 2 * pairs;
    for (int i = 0; i < at + pairs; i++) {
        indexes[i] = i;
        weights[i] = 0.25f * (float)graph_roll(g, 9);
    }
    int         v = text ? graph_leaf(g, BLIND_STRING, flat ? 1 : 2, row + flat, FILL_WORDS)
                         : graph_numbers(g, BLIND_I64, flat ? 1 : 2, row + flat, 0, GRAPH_WORDS);
    graph_node *n = v < 0 ? NULL : add(g, "TfIdfVectorizer", 9, 1, &v);
    if (!n)
        return false;
    graph_attr_text(n, "mode", modes[graph_roll(g, 3)]);
    graph_attr_int(n, "min_gram_length", 1);
    graph_attr_int(n, "max_gram_length", pairs ? 2 : 1);
    graph_attr_int(n, "max_skip_count", (int64_t)graph_roll(g, 3));
    graph_attr_list(n, "ngram_counts", (int64_t[]){ 0, at }, pairs ? 2 : 1);
    graph_attr_list(n, "ngram_indexes", indexes, at + pairs);
    if (graph_chance(g, 2))
        graph_attr_floats(n, "weights", weights, at + pairs);
    if (text)
        graph_attr_words(n, "pool_strings", list, n_words);
    else
        graph_attr_list(n, "pool_int64s", list, n_words);
    row[1] = at + pairs;
    return graph_result(g, n, BLIND_F32, flat ? 1 : 2, row + flat) >= 0;
}

/* Whole numbers as text. */
static bool make_spelled(graph *g)
{
    int         v = graph_take(g, ANY_OF(I64) | ANY_OF(I32) | ANY_OF(U8), 0, 4, true);
    graph_node *n = v < 0 ? NULL : add(g, "Cast", 9, 1, &v);
    if (!n)
        return false;
    graph_attr_int(n, "to", 8);
    v = graph_result(g, n, BLIND_STRING, g->value[v].rank, g->value[v].dim);
    n = v < 0 || graph_chance(g, 2) ? NULL : add(g, "Cast", 9, 1, &v);
    if (!n)
        return v >= 0;
    graph_attr_int(n, "to", 7);
    return graph_result(g, n, BLIND_I64, g->value[v].rank, g->value[v].dim) >= 0;
}

const graph_family graph_texts[] = {
    { make_normalizer, 2 }, { make_joined, 2 }, { make_split, 1 },
    { make_match, 1 },      { make_counts, 1 }, { make_spelled, 1 },
};
const size_t graph_texts_len = BL_LEN(graph_texts);
