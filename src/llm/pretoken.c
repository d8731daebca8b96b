/* One list of patterns per family.  The first cuts the text into what it matches and what lies
 * between; the next does the same with every piece of that, and so on.
 *
 * Source: the pre-tokenizers in the published tokenizer.json of each family; where a pattern of
 * theirs names classes by properties that PCRE2 has, these are used. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "llm/pretoken.h"

#include <pcre2.h>
#include <stdlib.h>

enum { MOST_STAGES = 8 };

#define CONTRACTIONS     "'s|'t|'re|'ve|'m|'ll|'d"
#define ANY_CONTRACTIONS "(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])"
#define BLANKS           "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define GPT2             CONTRACTIONS "| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)"
/* Letters but a to z, letters but A to Z: what those families take for upper and for lower case. */
#define UPPER "[^\\P{L}a-z]"
#define LOWER "[^\\P{L}A-Z]"

static const char *const gpt2[MOST_STAGES] = { GPT2 };
static const char *const single_digits[MOST_STAGES] = { "\\p{N}", GPT2 };
static const char *const falcon[MOST_STAGES] = { "[\\p{P}\\$\\+<=>\\^~\\|`]+", GPT2,
                                                 "[0-9][0-9][0-9]" };
static const char *const fallback[MOST_STAGES] = { "[\\p{P}\\$\\+<=>\\^~\\|]+", GPT2, "\\p{N}+",
                                                   "[0-9][0-9][0-9]" };
static const char *const llama3[MOST_STAGES] = {
    ANY_CONTRACTIONS
    "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|" BLANKS
};
static const char *const qwen2[MOST_STAGES] = {
    ANY_CONTRACTIONS
    "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|" BLANKS
};
static const char *const tekken[MOST_STAGES] = { "[^\\r\\n\\p{L}\\p{N}]?" UPPER "*" LOWER "+|"
                                                 "[^\\r\\n\\p{L}\\p{N}]?" UPPER "+" LOWER "*|"
                                                 "\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|" BLANKS };
static const char *const gpt4o[MOST_STAGES] = {
    "[^\\r\\n\\p{L}\\p{N}]?" UPPER "*" LOWER "+" ANY_CONTRACTIONS "?|"
    "[^\\r\\n\\p{L}\\p{N}]?" UPPER "+" LOWER "*" ANY_CONTRACTIONS "?|"
    "\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|" BLANKS
};
static const char *const deepseek_coder[MOST_STAGES] = {
    "[\\r\\n]", "\\s?\\p{L}+", "\\s?\\p{P}+",
    "[\\x{4E00}-\\x{9FA5}\\x{0800}-\\x{4E00}\\x{AC00}-\\x{D7FF}]+", "\\p{N}"
};
/* Cased letters; the family's list has none of the mathematical alphabets. */
static const char *const deepseek_llm[MOST_STAGES] = {
    "[\\r\\n]",
    "\\s?(?:(?![\\x{1D400}-\\x{1D7FF}])[\\p{Lu}\\p{Ll}\\p{Lt}])+",
    "\\s?[!-/:-~\\x{FF01}-\\x{FF0F}\\x{FF1A}-\\x{FF5E}\\x{2018}-\\x{201F}\\x{3000}-\\x{3002}]+",
    "\\s+$",
    "[\\x{4E00}-\\x{9FA5}\\x{0800}-\\x{4E00}\\x{AC00}-\\x{D7FF}]+",
    "\\p{N}+"
};
static const char *const deepseek_v3[MOST_STAGES] = {
    "\\p{N}{1,3}", "[\\x{4E00}-\\x{9FA5}\\x{3040}-\\x{309F}\\x{30A0}-\\x{30FF}]+",
    "[!\"#$%&'()*+,\\-./"
    ":;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+|"
    " ?[\\p{P}\\p{S}]+[\\r\\n]*|" BLANKS
};

/* clang-format off */
static const struct {
    const char        *name;
    const char *const *patterns;
    bl_pretoken_habits habits;
} families[] = {
    { "default",       fallback,       { 0 } },
    { "gpt-2",         gpt2,           { 0 } },
    { "phi-2",         gpt2,           { 0 } },
    { "mpt",           gpt2,           { 0 } },
    { "olmo",          gpt2,           { 0 } },
    { "jais",          gpt2,           { 0 } },
    { "roberta-bpe",   gpt2,           { .add_bos = true } },
    { "starcoder",     single_digits,  { 0 } },
    { "refact",        single_digits,  { 0 } },
    { "command-r",     single_digits,  { 0 } },
    { "smollm",        single_digits,  { 0 } },
    { "codeshell",     single_digits,  { 0 } },
    { "exaone",        single_digits,  { 0 } },
    { "minerva-7b",    single_digits,  { 0 } },
    { "falcon",        falcon,         { 0 } },
    { "llama-bpe",     llama3,         { .whole = true, .add_bos = true } },
    { "llama-v3",      llama3,         { .whole = true, .add_bos = true } },
    { "llama3",        llama3,         { .whole = true, .add_bos = true } },
    { "falcon3",       llama3,         { .whole = true, .add_bos = true } },
    { "pixtral",       llama3,         { .whole = true, .add_bos = true } },
    { "dbrx",          llama3,         { 0 } },
    { "smaug-bpe",     llama3,         { 0 } },
    { "glm4",          llama3,         { 0 } },
    { "chatglm-bpe",   llama3,         { 0 } },
    { "qwen2",         qwen2,          { 0 } },
    { "deepseek-r1-qwen", qwen2,       { 0 } },
    { "stablelm2",     qwen2,          { 0 } },
    { "hunyuan",       qwen2,          { 0 } },
    { "tekken",        tekken,         { .whole = true, .add_bos = true } },
    { "gpt-4o",        gpt4o,          { 0 } },
    { "llama4",        gpt4o,          { 0 } },
    { "deepseek-llm",  deepseek_llm,   { 0 } },
    { "deepseek-coder", deepseek_coder, { 0 } },
    { "deepseek-v3",   deepseek_v3,    { 0 } },
    { "hunyuan-dense", deepseek_v3,    { 0 } },
};
/* clang-format on */

struct bl_pretoken {
    pcre2_code *stages[MOST_STAGES];
    size_t      len;
};

static blind_code compile(bl_pretoken *p, const char *const *patterns, blind_error *err)
{
    for (; p->len < MOST_STAGES && patterns[p->len]; p->len++) {
        int        error;
        PCRE2_SIZE at;
        p->stages[p->len] =
            pcre2_compile((PCRE2_SPTR)patterns[p->len], PCRE2_ZERO_TERMINATED,
                          PCRE2_UTF | PCRE2_UCP | PCRE2_DOLLAR_ENDONLY, &error, &at, NULL);
        if (!p->stages[p->len])
            return blind_fail(err, BLIND_MEMORY, "llm.pretoken",
                              "pattern %zu cannot be compiled (error %d)", p->len, error);
    }
    return BLIND_OK;
}

blind_code bl_pretoken_open(blind_span name, bl_pretoken **out, bl_pretoken_habits *habits,
                            blind_error *err)
{
    size_t     i = 0;
    blind_span wanted = name.size ? name : BL_LITERAL("default");
    *out = NULL;
    while (i < BL_LEN(families) && !bl_span_equal(wanted, bl_span_str(families[i].name)))
        i++;
    if (i == BL_LEN(families))
        return blind_fail(err, BLIND_UNSUPPORTED, "llm.pretoken",
                          "the pre-tokenizer '%.*s' is not known", (int)BL_MIN(name.size, 80),
                          (const char *)name.data);
    bl_pretoken *p = calloc(1, sizeof *p);
    if (!p)
        return blind_fail(err, BLIND_MEMORY, "llm.pretoken", "out of memory");
    blind_code code = compile(p, families[i].patterns, err);
    if (code != BLIND_OK) {
        bl_pretoken_close(p);
        return code;
    }
    *habits = families[i].habits;
    *out = p;
    return BLIND_OK;
}

void bl_pretoken_close(bl_pretoken *p)
{
    for (size_t i = 0; p && i < p->len; i++)
        pcre2_code_free(p->stages[i]);
    free(p);
}

typedef struct {
    const bl_pretoken *p;
    pcre2_match_data  *matches[MOST_STAGES];
    blind_code (*found)(void *arg, blind_span piece);
    void        *arg;
    blind_error *err;
} splitting;

/* The first match at or behind `from`; false: none.  The text was checked before. */
static blind_code next_match(splitting *s, size_t stage, blind_span text, size_t from, bool *any,
                             size_t *begin, size_t *end)
{
    int found = pcre2_match(s->p->stages[stage], text.data, text.size, from,
                            PCRE2_NO_UTF_CHECK | PCRE2_NOTEMPTY, s->matches[stage], NULL);
    *any = found >= 0;
    if (found < 0 && found != PCRE2_ERROR_NOMATCH)
        return blind_fail(s->err, BLIND_LIMIT, "llm.pretoken",
                          "a text that takes too long to be cut (error %d)", found);
    if (*any) {
        const PCRE2_SIZE *at = pcre2_get_ovector_pointer(s->matches[stage]);
        *begin = at[0];
        *end = at[1];
    }
    return BLIND_OK;
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as there are patterns */
static blind_code split_from(splitting *s, size_t stage, blind_span text)
{
    if (text.size == 0)
        return BLIND_OK;
    if (stage == s->p->len)
        return s->found(s->arg, text);
    for (size_t at = 0; at < text.size;) {
        bool   any;
        size_t begin = text.size, end = text.size;
        BL_TRY(next_match(s, stage, text, at, &any, &begin, &end));
        BL_TRY(split_from(s, stage + 1, bl_span(text.data + at, begin - at)));
        BL_TRY(split_from(s, stage + 1, bl_span(text.data + begin, end - begin)));
        at = end;
    }
    return BLIND_OK;
}

blind_code bl_pretoken_split(const bl_pretoken *p, blind_span                        text,
                             blind_code (*found)(void *arg, blind_span piece), void *arg,
                             blind_error *err)
{
    splitting  s = { .p = p, .found = found, .arg = arg, .err = err };
    blind_code code = BLIND_OK;
    for (size_t i = 0; i < p->len && code == BLIND_OK; i++) {
        s.matches[i] = pcre2_match_data_create(1, NULL);
        if (!s.matches[i])
            code = blind_fail(err, BLIND_MEMORY, "llm.pretoken", "out of memory");
    }
    if (code == BLIND_OK)
        code = split_from(&s, 0, text);
    for (size_t i = 0; i < p->len; i++)
        pcre2_match_data_free(s.matches[i]);
    return code;
}
