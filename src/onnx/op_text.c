/* Strings: StringNormalizer, StringConcat, StringSplit, RegexFullMatch.
 * Sources: ONNX operators of these names, opset 10 and 20. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "onnx/families.h"

#include "base/utf8.h"

#include <locale.h>
#include <pcre2.h>
#include <wctype.h>

static const blind_span *strings_of(const bl_tensor *t)
{
    return t->data;
}

static blind_code need_strings(bl_build *b, const bl_node *n)
{
    for (int i = 0; i < n->n_in; i++)
        if (bl_has_in(n, i) && bl_in(b, n, i)->dtype != BLIND_STRING)
            return bl_op_fail(b, n, BLIND_INPUT, "input %d is no strings", i);
    return BLIND_OK;
}

/* A constant's string; it may lie unaligned. */
static blind_span string_at(const bl_tensor *t, size_t i)
{
    blind_span s;
    memcpy(&s, (const char *)t->data + i * sizeof s, sizeof s);
    return s;
}

/* StringNormalizer: stop words go, letters change case.  ---------------------------------------
 */

enum { SAME, LOWER, UPPER };

typedef struct {
    locale_t letters; /* C.UTF-8; made and given back by each call */
    int      change;
    bool     fold; /* stop words are found whatever their case */
} normalizer;

static bool open_normalizer(const bl_node *n, normalizer *z)
{
    const char *action = bl_attr_str(n, "case_change_action", "NONE");
    z->change = strcmp(action, "LOWER") == 0 ? LOWER : strcmp(action, "UPPER") == 0 ? UPPER : SAME;
    z->fold = !bl_attr_int(n, "is_case_sensitive", 0);
    z->letters = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    return z->letters != (locale_t)0;
}

/* One code point of s in another case; bytes that are no UTF-8 stay.  How many of s were read. */
static size_t change_next(const normalizer *z, int change, blind_span s, uint8_t out[4],
                          size_t *len)
{
    uint32_t code;
    size_t   n = bl_utf8_next(s, &code);
    if (n == 0 || change == SAME) {
        n = n ? n : 1;
        memcpy(out, s.data, n);
        *len = n;
        return n;
    }
    wint_t letter = (wint_t)code;
    letter = change == LOWER ? towlower_l(letter, z->letters) : towupper_l(letter, z->letters);
    *len = bl_utf8_put((uint32_t)letter, out);
    return n;
}

static bool equal_folded(const normalizer *z, blind_span a, blind_span b)
{
    uint8_t x[4], y[4];
    size_t  nx, ny;
    while (a.size && b.size) {
        size_t ra = change_next(z, z->fold ? LOWER : SAME, a, x, &nx);
        size_t rb = change_next(z, z->fold ? LOWER : SAME, b, y, &ny);
        if (nx != ny || memcmp(x, y, nx) != 0)
            return false;
        a = bl_span(a.data + ra, a.size - ra);
        b = bl_span(b.data + rb, b.size - rb);
    }
    return a.size == b.size;
}

static bool is_stop_word(const normalizer *z, const bl_attr *words, blind_span s)
{
    for (size_t i = 0; words && i < words->len; i++)
        if (equal_folded(z, words->strings[i], s))
            return true;
    return false;
}

blind_code bl_op_normalizer_infer(bl_build *b, bl_node *n)
{
    const bl_tensor *x = bl_in(b, n, 0);
    const bl_attr   *words = bl_attr_find(n, "stopwords");
    normalizer       z;
    int64_t          kept = 0;
    BL_TRY(need_strings(b, n));
    if (x->rank < 1 || x->rank > 2 || (x->rank == 2 && x->dim[0] != 1))
        return bl_op_fail(b, n, BLIND_INPUT, "an input that is no [words] or [1, words]");
    if (words && !words->strings)
        return bl_op_fail(b, n, BLIND_INPUT, "stop words that are no strings");
    BL_TRY(bl_need_value(b, n, 0));
    if (!open_normalizer(n, &z))
        return bl_op_fail(b, n, BLIND_UNSUPPORTED, "no locale C.UTF-8 on this system");
    for (size_t i = 0; i < x->len; i++)
        kept += !is_stop_word(&z, words, string_at(x, i));
    freelocale(z.letters);
    int64_t dim[2] = { 1, BL_MAX(kept, 1) }; /* nothing left: one empty string */
    return bl_set_out(b, n, 0, BLIND_STRING, x->rank, dim + 2 - x->rank);
}

static blind_code change_case(const bl_exec *x, const bl_node *n, const normalizer *z, blind_span s,
                              blind_span *out)
{
    uint8_t letter[4];
    size_t  len, total = 0;
    char   *to;
    for (blind_span rest = s; rest.size;) {
        size_t read = change_next(z, z->change, rest, letter, &len);
        rest = bl_span(rest.data + read, rest.size - read);
        total += len;
    }
    BL_TRY(bl_string_room(x, n, total, &to));
    *out = bl_span(to, total);
    while (s.size) {
        size_t read = change_next(z, z->change, s, letter, &len);
        s = bl_span(s.data + read, s.size - read);
        memcpy(to, letter, len);
        to += len;
    }
    return BLIND_OK;
}

blind_code bl_op_normalizer_run(const bl_exec *x, const bl_node *n)
{
    const bl_tensor *in = bl_arg(x, n, 0);
    bl_tensor       *out = bl_result(x, n, 0);
    const bl_attr   *words = bl_attr_find(n, "stopwords");
    blind_span      *to = out->data;
    blind_code       code = BLIND_OK;
    normalizer       z;
    if (!open_normalizer(n, &z))
        return bl_run_fail(x, n, "no locale C.UTF-8");
    *to = bl_span_str("");
    for (size_t i = 0, k = 0; i < in->len && k < out->len && code == BLIND_OK; i++)
        if (!is_stop_word(&z, words, strings_of(in)[i]))
            code = change_case(x, n, &z, strings_of(in)[i], &to[k++]);
    freelocale(z.letters);
    return code;
}

/* StringConcat, broadcast.  ------------------------------------------------------------------ */

blind_code bl_op_string_concat_infer(bl_build *b, bl_node *n)
{
    const bl_tensor *in[] = { bl_in(b, n, 0), bl_in(b, n, 1) };
    bl_tensor        out = { .dtype = BLIND_STRING };
    bl_walk         *w;
    BL_TRY(need_strings(b, n));
    if (!bl_broadcast_shape(in[0], in[1], &out))
        return bl_op_fail(b, n, BLIND_INPUT, "shapes that do not broadcast");
    BL_TRY(bl_params(b, n, sizeof *w, &w));
    bl_walk_init(w, &out, in, 2);
    return bl_set_out(b, n, 0, out.dtype, out.rank, out.dim);
}

blind_code bl_op_string_concat_run(const bl_exec *x, const bl_node *n)
{
    const bl_walk *w = n->params;
    bl_tensor     *out = bl_result(x, n, 0);
    for (size_t i = 0; i < out->len; i++) {
        size_t at[2] = { 0 }, rest = i;
        for (int d = w->rank - 1; d >= 0; rest /= w->shape[d], d--)
            for (int k = 0; k < 2; k++)
                at[k] += rest % w->shape[d] * w->stride[k][d];
        blind_span a = strings_of(bl_arg(x, n, 0))[at[0]], c = strings_of(bl_arg(x, n, 1))[at[1]];
        char      *to;
        BL_TRY(bl_string_room(x, n, a.size + c.size, &to));
        ((blind_span *)out->data)[i] = bl_span(to, a.size + c.size);
        if (a.size)
            memcpy(to, a.data, a.size);
        if (c.size)
            memcpy(to + a.size, c.data, c.size);
    }
    return BLIND_OK;
}

/* StringSplit, as Python's str.split.  --------------------------------------------------------- */

typedef struct {
    blind_span delimiter; /* empty: runs of white space */
    size_t     most;      /* splits of one string */
} splitter;

static bool is_space(uint8_t c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static blind_span skip_space(blind_span s)
{
    while (s.size && is_space(*s.data))
        s = bl_span(s.data + 1, s.size - 1);
    return s;
}

/* Cuts the next piece off *s, the `done`-th; false when there is none. */
static bool next_piece(const splitter *p, size_t done, blind_span *s, bool *ended, blind_span *out)
{
    const blind_span d = p->delimiter;
    size_t           at = 0;
    if (d.size == 0)
        *s = skip_space(*s);
    if (*ended || (d.size == 0 && s->size == 0))
        return false;
    while (at < s->size && done < p->most &&
           !(d.size ? at + d.size <= s->size && memcmp(s->data + at, d.data, d.size) == 0
                    : is_space(s->data[at])))
        at++;
    at = done < p->most ? at : s->size;
    *out = bl_span(s->data, at);
    *ended = at == s->size;
    *s = *ended ? bl_span(s->data + at, 0) : bl_span(s->data + at + d.size, s->size - at - d.size);
    if (done == p->most && d.size == 0) /* the rest, without the white space at its end */
        while (out->size && is_space(out->data[out->size - 1]))
            out->size--;
    return true;
}

static size_t count_pieces(const splitter *p, blind_span s)
{
    size_t     n = 0;
    bool       ended = false;
    blind_span piece;
    while (next_piece(p, n, &s, &ended, &piece))
        n++;
    return n;
}

blind_code bl_op_string_split_infer(bl_build *b, bl_node *n)
{
    const bl_tensor *x = bl_in(b, n, 0);
    int64_t          dim[BL_ONNX_RANK + 1], most = bl_attr_int(n, "maxsplit", -1);
    size_t           widest = 0;
    splitter        *p;
    BL_TRY(need_strings(b, n));
    BL_TRY(bl_need_value(b, n, 0));
    BL_TRY(bl_params(b, n, sizeof *p, &p));
    p->delimiter = bl_span_str(bl_attr_str(n, "delimiter", ""));
    p->most = most < 0 ? SIZE_MAX : (size_t)most;
    for (size_t i = 0; i < x->len; i++)
        widest = BL_MAX(widest, count_pieces(p, string_at(x, i)));
    for (int i = 0; i < x->rank; i++)
        dim[i] = x->dim[i];
    dim[x->rank] = (int64_t)widest;
    BL_TRY(bl_set_out(b, n, 1, BLIND_I64, x->rank, x->dim));
    return bl_set_out(b, n, 0, BLIND_STRING, x->rank + 1, dim);
}

blind_code bl_op_string_split_run(const bl_exec *x, const bl_node *n)
{
    const splitter  *p = n->params;
    const bl_tensor *in = bl_arg(x, n, 0);
    bl_tensor       *out = bl_result(x, n, 0), *counts = bl_result(x, n, 1);
    size_t           width = (size_t)out->dim[out->rank - 1];
    for (size_t i = 0; i < in->len; i++) {
        blind_span s = strings_of(in)[i], *to = (blind_span *)out->data + i * width;
        size_t     k = 0;
        bool       ended = false;
        while (k < width && next_piece(p, k, &s, &ended, &to[k]))
            k++;
        if (counts)
            ((int64_t *)counts->data)[i] = (int64_t)k;
        while (k < width)
            to[k++] = bl_span_str("");
    }
    return BLIND_OK;
}

/* RegexFullMatch.  A pattern is judged without backtracking, so its time is bounded by its length
 * times the text's; what it needs comes from the plan's arena.  ----------------------------------
 */

enum { STATES = 1 << 14, DEPTH = 1 << 10, HEAP_KB = 1 << 10 };

typedef struct {
    pcre2_code          *code;
    pcre2_match_data    *match;
    pcre2_match_context *limits;
} regex;

static void *arena_malloc(size_t size, void *arena)
{
    return bl_arena_alloc(arena, size);
}

static void arena_free(void *data, void *arena)
{
    (void)data;
    (void)arena; /* with the plan */
}

blind_code bl_op_regex_infer(bl_build *b, bl_node *n)
{
    const bl_tensor *x = bl_in(b, n, 0);
    const char      *pattern = bl_attr_str(n, "pattern", "");
    int              error;
    PCRE2_SIZE       at;
    regex           *p;
    BL_TRY(need_strings(b, n));
    BL_TRY(bl_params(b, n, sizeof *p, &p));
    pcre2_general_context *memory =
        pcre2_general_context_create(arena_malloc, arena_free, b->arena);
    pcre2_compile_context *how = memory ? pcre2_compile_context_create(memory) : NULL;
    if (!how)
        return bl_op_fail(b, n, BLIND_MEMORY, "no memory for the pattern");
    pcre2_set_max_pattern_length(how, UINT16_MAX);
    p->code = pcre2_compile((PCRE2_SPTR)pattern, strlen(pattern), PCRE2_UTF | PCRE2_DOLLAR_ENDONLY,
                            &error, &at, how);
    if (!p->code)
        return bl_op_fail(b, n, BLIND_INPUT, "no pattern: error %d at its byte %zu", error, at);
    p->match = pcre2_match_data_create(1, memory);
    p->limits = pcre2_match_context_create(memory);
    if (!p->match || !p->limits)
        return bl_op_fail(b, n, BLIND_MEMORY, "no memory for the pattern");
    pcre2_set_depth_limit(p->limits, DEPTH);
    pcre2_set_heap_limit(p->limits, HEAP_KB);
    n->scratch = STATES * sizeof(int);
    return bl_set_out(b, n, 0, BLIND_BOOL, x->rank, x->dim);
}

blind_code bl_op_regex_run(const bl_exec *x, const bl_node *n)
{
    const regex     *p = n->params;
    const bl_tensor *in = bl_arg(x, n, 0);
    uint8_t         *out = bl_result(x, n, 0)->data;
    for (size_t i = 0; i < in->len; i++) {
        blind_span s = strings_of(in)[i];
        int        found = pcre2_dfa_match(p->code, s.size ? s.data : (PCRE2_SPTR) "", s.size, 0,
                                           PCRE2_ANCHORED | PCRE2_ENDANCHORED, p->match, p->limits,
                                           x->scratch, STATES);
        if (found < 0 && found != PCRE2_ERROR_NOMATCH)
            return bl_run_fail(x, n, "string %zu cannot be matched: error %d", i, found);
        out[i] = found >= 0;
    }
    return BLIND_OK;
}
