/* Grammars: what random walks under their masks write is valid, what is valid and in their form
 * they let through, what is not they refuse, and schemas that they cannot hold are refused. */
#include "base/json.h"
#include "base/limits.h"
#include "base/utf8.h"
#include "llm/generation.h"
#include "llm/matcher.h"
#include "tests/llm/make_vocab.h"
#include "tests/llm/validate.h"
#include "tests/test.h"

static vocab_made     vocab;
static bl_token_tree *tree;

/* Tokens that cross the borders of what JSON is made of. */
static const char *const words[] = {
    "{\"",
    "\":",
    "\", \"",
    "\"}",
    "}}",
    "],",
    "[[",
    "[]",
    "{}",
    "\": \"",
    "\",\n  \"",
    " ",
    "  ",
    "\n",
    "true",
    "false",
    "null",
    "tr",
    "ue,",
    "12",
    "-1",
    "0.5",
    "e+1",
    "hello",
    "hell",
    "name",
    "\"name\"",
    "\\\"",
    "\\n",
    "\\u00",
    "\\ud83d\\ude00",
    "\xc3\xa9",
    "\xf0\x9f\x98\x80",
    "\xf0\x9f",
    "2024-",
    "T10:",
    "aaaaaaaa",
    "\"a\": 1",
    ", ",
    "A",
    "ab",
    "\"]",
    "1,2",
    "null,",
    "\"\"",
};

static uint32_t random_state = 1;
static uint32_t next_random(void)
{
    random_state = random_state * 1664525u + 1013904223u;
    return random_state >> 8;
}

static bl_grammar *of_schema(const char *text, json_t **schema)
{
    blind_error err = { .code = BLIND_OK };
    bl_grammar *g;
    CHECK_CODE(BLIND_OK, bl_json_parse(bl_span_str(text), 0x100000, schema, &err), err.message);
    CHECK_CODE(BLIND_OK, bl_grammar_schema(*schema, &g, &err), err.message);
    return g;
}

/* A token of the mask; the end often where it is there. */
static int32_t random_token(const uint32_t *mask)
{
    size_t  n = 0;
    int32_t chosen = BL_NO_TOKEN;
    if (mask[0] >> VOCAB_END & 1 && next_random() % 3 == 0)
        return VOCAB_END;
    for (size_t word = 0; word < (vocab.len + 31) / 32; word++)
        for (uint32_t bits = mask[word]; bits; bits &= bits - 1)
            if (next_random() % ++n == 0)
                chosen = (int32_t)(32 * word) + __builtin_ctz(bits);
    return chosen;
}

/* Walks at random to an end; the text, or nothing when it grew too long. */
static bool random_text(const bl_grammar *g, bl_buf *out)
{
    bl_matcher *m;
    bool        done = false;
    CHECK_CODE(BLIND_OK, bl_matcher_new(g, tree, &m, NULL), "matcher");
    for (int i = 0; i < 1500 && !done; i++) {
        const uint32_t *mask;
        CHECK_CODE(BLIND_OK, bl_matcher_mask(m, &mask, NULL), "mask");
        int32_t id = random_token(mask);
        CHECK(id != BL_NO_TOKEN); /* there is always a way on */
        if (id == VOCAB_END) {
            CHECK(bl_matcher_complete(m));
            break;
        }
        bl_buf_add(out, bl_token_tree_text(tree, id));
        CHECK_CODE(BLIND_OK, bl_matcher_take(m, id, NULL), "a token of the mask");
        done = bl_matcher_ended(m);
    }
    bool whole = bl_matcher_complete(m);
    bl_matcher_free(m);
    return whole;
}

static bool lets_through(const bl_grammar *g, const char *text)
{
    bl_matcher *m;
    CHECK_CODE(BLIND_OK, bl_matcher_new(g, tree, &m, NULL), "matcher");
    bool whole =
        bl_matcher_take_bytes(m, bl_span_str(text), NULL) == BLIND_OK && bl_matcher_complete(m);
    bl_matcher_free(m);
    return whole;
}

/* Schemas that are held.  -------------------------------------------------------------------- */

typedef struct {
    const char *schema;
    const char *good[6], *bad[8];
} held;

static const held schemas[] = {
    { "{}",
      { "{\"a\": [1, true]}", "\"x\"", "-0.5e10", "null" },
      { "", "{", "{a}", "[1,]", "01" } },
    { "true", { "[]" }, { "]" } },
    { "{\"type\": \"null\"}", { "null", " null" }, { "nul", "0", "nulll" } },
    { "{\"type\": \"boolean\"}", { "true", "false" }, { "True", "1" } },
    { "{\"type\": \"string\"}",
      { "\"\"", "\"a\\n\\u00e9\xc3\xa9\"", "\"\\ud83d\\ude00\"" },
      { "\"\n\"", "\"\\ud83d\"", "\"\\u0000\"", "\"\\x\"", "\"\xff\"", "\"\xed\xa0\x80\"",
        "'a'" } },
    { "{\"type\": \"integer\"}", { "0", "-7", "120" }, { "1.5", "01", "-", "1e3", "+1" } },
    { "{\"type\": \"number\"}", { "0", "-7.25", "1E+5" }, { ".5", "1.", "1e", "--1" } },
    { "{\"type\": [\"integer\", \"null\"]}", { "3", "null" }, { "\"3\"", "3.5" } },
    { "{\"type\": \"string\", \"nullable\": true}", { "null", "\"\"" }, { "0" } },
    { "{\"type\": [\"string\", \"number\", \"boolean\", \"null\", \"array\", \"object\"]}",
      { "[{}]", "1.5" },
      { "x" } },
    { "{\"enum\": [\"a\", 1, 1.5, null, [1, {\"b\": 2}], \"quote\\\"\"]}",
      { "\"a\"", "1", "1.5", "null", "[1,{\"b\":2}]", "\"quote\\\"\"" },
      { "\"b\"", "2", "\"a\" ", "1.50" } },
    { "{\"type\": \"string\", \"enum\": [\"a\", 1, \"ab\"]}", { "\"a\"", "\"ab\"" }, { "1" } },
    { "{\"const\": {\"k\": [true]}}", { "{\"k\":[true]}" }, { "{}", "{\"k\":[false]}" } },
    { "{\"enum\": [1, 2], \"const\": 2}", { "2" }, { "1" } },
    { "{\"type\": \"string\", \"minLength\": 2, \"maxLength\": 3}",
      { "\"ab\"", "\"a\\u00e9c\"", "\"\xf0\x9f\x98\x80\\n\"", "\"\\ud83d\\ude00a\"" },
      { "\"a\"", "\"abcd\"", "\"\\ud83d\\ude00\"" } },
    { "{\"type\": \"string\", \"minLength\": 700, \"maxLength\": 720}", { 0 }, { "\"\"" } },
    { "{\"type\": \"string\", \"maxLength\": 0}", { "\"\"" }, { "\"a\"" } },
    { "{\"type\": \"string\", \"pattern\": \"^[A-Z]{2}-\\\\d{3,5}$\"}",
      { "\"AB-123\"", "\"AB-12345\"" },
      { "\"AB-12\"", "\"AB-123456\"", "\"xAB-123\"" } },
    { "{\"type\": \"string\", \"pattern\": \"(cat|dog)s?\"}",
      { "\"a cats!\"", "\"dog\"", "\"hot\\ndog\\\\ \\\" dogs\"" },
      { "\"do\"", "\"\"" } },
    { "{\"type\": \"string\", \"pattern\": \"^a|b$\"}", { "\"axx\"", "\"xxb\"" }, { "\"xax\"" } },
    { "{\"type\": \"string\", \"pattern\": "
      "\"^[^a-z\\\"\\\\\\\\]+.\\\\W[\\\\s\\\\u00e9-\\\\u0101]?$\"}",
      { "\"1x \"", "\"1x-\\n\"", "\"1x.\xc3\xa9\"" },
      { "\"axx\"", "\"\\\"x \"" } },
    { "{\"type\": \"string\", \"pattern\": \"^(?:ab?|c*){2}(x{0,2}y)+?$\", \"minLength\": 1}",
      { "\"y\"", "\"ababxxyy\"", "\"cccay\"" },
      { "\"xxxy\"", "\"\"" } },
    { "{\"type\": \"string\", \"format\": \"date\"}",
      { "\"2024-02-28\"", "\"1999-12-31\"" },
      { "\"2024-02-30\"", "\"2024-13-01\"", "\"2024-1-01\"", "\"2023-06-31\"" } },
    { "{\"type\": \"string\", \"format\": \"time\"}", { "\"10:30:00Z\"" }, { "\"24:00:00Z\"" } },
    { "{\"type\": \"string\", \"format\": \"date-time\"}",
      { "\"2024-02-28T10:30:00.25+01:00\"" },
      { "\"2024-02-28 10:30:00Z\"", "\"2024-02-28T10:30:00\"" } },
    { "{\"type\": \"string\", \"format\": \"duration\"}",
      { "\"P3DT4H\"", "\"PT5M\"" },
      { "\"P\"" } },
    { "{\"type\": \"string\", \"format\": \"uuid\"}",
      { "\"123e4567-e89b-12d3-a456-426614174000\"" },
      { "\"123e4567\"" } },
    { "{\"type\": \"string\", \"format\": \"ipv4\"}", { "\"10.0.255.1\"" }, { "\"10.0.256.1\"" } },
    { "{\"type\": \"string\", \"format\": \"ipv6\"}", { "\"1:2:3:4:5:6:7:8\"" }, { "\"1:2\"" } },
    { "{\"type\": \"string\", \"format\": \"hostname\"}", { "\"a-b.example\"" }, { "\"-a\"" } },
    { "{\"type\": \"string\", \"format\": \"email\"}",
      { "\"a.b@c.de\"" },
      { "\"a@b\"", "\"@b.c\"" } },
    { "{\"type\": \"string\", \"format\": \"uri\"}", { "\"https://a.b/c?d=e\"" }, { "\"a.b\"" } },
    { "{\"type\": \"string\", \"format\": \"byte\"}", { "\"AAAA\"", "\"aGk=\"" }, { "\"AAA\"" } },
    { "{\"type\": \"string\", \"format\": \"password\", \"minLength\": 3}",
      { "\"abc\"" },
      { "\"\"" } },
    { "{\"type\": \"integer\", \"minimum\": 7, \"maximum\": 123}",
      { "7", "9", "10", "99", "100", "123" },
      { "6", "124", "200", "-7", "1000" } },
    { "{\"type\": \"integer\", \"minimum\": -25, \"exclusiveMaximum\": 3}",
      { "-25", "-9", "-1", "0", "2" },
      { "3", "-26", "-0", "-100" } },
    { "{\"type\": \"integer\", \"exclusiveMinimum\": 9.5}",
      { "10", "12345678" },
      { "9", "0", "-10" } },
    { "{\"type\": \"integer\", \"maximum\": -100}", { "-100", "-5000" }, { "-99", "100" } },
    { "{\"type\": \"integer\", \"format\": \"int32\"}",
      { "2147483647", "-2147483648" },
      { "2147483648", "-2147483649" } },
    { "{\"type\": \"integer\", \"multipleOf\": 7, \"minimum\": -15, \"maximum\": 30}",
      { "-14", "0", "28" },
      { "-21", "1", "35" } },
    { "{\"type\": \"number\", \"minimum\": 0, \"maximum\": 1}",
      { "0", "1", "0.25", "1.0", "0.999" },
      { "1.01", "-0.1", "-0", "2", "1.0001" } },
    { "{\"type\": \"number\", \"exclusiveMinimum\": -1.25, \"exclusiveMaximum\": 2.5}",
      { "-1.2", "-0.5", "0", "2.49", "1.9", "-1.249" },
      { "-1.25", "-1.3", "2.5", "2.50", "2.51", "3" } },
    { "{\"type\": \"number\", \"minimum\": 10.75}",
      { "10.75", "10.8", "11", "999.5" },
      { "10.7", "10" } },
    { "{\"type\": \"number\", \"maximum\": -3.5}", { "-3.5", "-4", "-100.25" }, { "-3.4", "3.5" } },
    { "{\"type\": \"number\", \"minimum\": 3.125, \"maximum\": 3.15}",
      { "3.125", "3.13", "3.15", "3.1499" },
      { "3.1249", "3.16", "3", "3.1" } },
    { "{\"type\": \"number\", \"multipleOf\": 5, \"minimum\": 0, \"maximum\": 20}",
      { "15" },
      { "7" } },
    { "{\"minimum\": 3}", { "3", "4.5" }, { "2" } },
    { "{\"type\": \"object\"}", { "{}", "{\"a\": {\"b\": []}}" }, { "[]", "{\"a\"}" } },
    { "{\"type\": \"object\", \"properties\": {\"name\": {\"type\": \"string\"}, \"age\": "
      "{\"type\": "
      "\"integer\"}, \"x\": {}}, \"required\": [\"age\"]}",
      { "{\"name\": \"\", \"age\": 1}", "{\"age\": 1}", "{\"age\":2,\"x\":null}",
        "{\n  \"name\": \"a\",\n  \"age\": 3,\n  \"x\": 1\n}" },
      { "{}", "{\"name\": \"\"}", "{\"age\": \"1\"}", "{\"age\": 1,}", "{,\"age\": 1}",
        "{\"age\": 1, \"name\": \"\"}" } },
    { "{\"properties\": {\"a\": true, \"b\": true, \"c\": true}}",
      { "{}", "{\"a\":1}", "{\"b\":1}", "{\"c\":1}", "{\"a\":1,\"c\":1}", "{\"b\":1, \"c\":1}" },
      { "{\"d\":1}", "{\"a\":1\"b\":1}" } },
    { "{\"type\": \"object\", \"properties\": {}}", { "{}" }, { "{\"a\": 1}" } },
    { "{\"type\": \"object\", \"properties\": {\"ab\": {\"type\": \"null\"}, \"a\\\"\xc3\xa9\": "
      "{}}, "
      "\"additionalProperties\": {\"type\": \"integer\"}}",
      { "{\"ab\": null, \"abc\": 1, \"a\": 2, \"\": 3}", "{\"b\": 1}", "{\"\xc3\xa9\": 1}" },
      { "{\"ab\": 1}", "{\"abc\": null}", "{\"a\\u0062\": 1}" } },
    { "{\"type\": \"object\", \"additionalProperties\": {\"type\": \"boolean\"}, \"required\": "
      "[\"k\"]}",
      { "{\"k\": true}", "{\"k\": true, \"l\": false}" },
      { "{}", "{\"l\": true}", "{\"k\": 1}" } },
    { "{\"type\": \"object\", \"additionalProperties\": false}", { "{}" }, { "{\"a\": 1}" } },
    { "{\"type\": \"object\", \"minProperties\": 1, \"maxProperties\": 2}",
      { "{\"a\": 1}", "{\"a\": 1, \"b\": 2}" },
      { "{}", "{\"a\": 1, \"b\": 2, \"c\": 3}" } },
    { "{\"type\": \"object\", \"properties\": {\"a\": {}}, \"required\": [\"a\"], "
      "\"minProperties\": 1, "
      "\"maxProperties\": 1, \"additionalProperties\": true}",
      { "{\"a\": 1}" },
      { "{}", "{\"a\": 1, \"b\": 1}" } },
    { "{\"type\": \"array\", \"items\": {\"type\": \"integer\"}}",
      { "[]", "[1]", "[1, 2,3]", "[\n  1\n]" },
      { "[1,]", "[,1]", "[true]", "[1 2]" } },
    { "{\"items\": {\"const\": 0}, \"minItems\": 2, \"maxItems\": 3}",
      { "[0,0]", "[0, 0, 0]" },
      { "[]", "[0]", "[0,0,0,0]" } },
    { "{\"type\": \"array\", \"minItems\": 1}", { "[1]" }, { "[]" } },
    { "{\"type\": \"array\", \"maxItems\": 0}", { "[]" }, { "[1]" } },
    { "{\"type\": \"array\", \"maxItems\": 1, \"uniqueItems\": true}",
      { "[]", "[1]" },
      { "[1,2]" } },
    { "{\"type\": \"array\", \"items\": false}", { "[]" }, { "[1]" } },
    { "{\"type\": \"array\", \"prefixItems\": [{\"const\": 1}, {\"const\": 2}], \"items\": "
      "{\"const\": "
      "3}, \"minItems\": 1, \"maxItems\": 4}",
      { "[1]", "[1,2]", "[1,2,3]", "[1,2,3,3]" },
      { "[]", "[2]", "[1,3]", "[1,2,3,3,3]" } },
    { "{\"type\": \"array\", \"prefixItems\": [{\"const\": 1}, {\"const\": 2}], \"items\": false}",
      { "[]", "[1]", "[1,2]" },
      { "[1,2,3]" } },
    { "{\"anyOf\": [{\"type\": \"string\"}, {\"type\": \"integer\", \"minimum\": 5}]}",
      { "\"a\"", "5" },
      { "4", "null" } },
    { "{\"anyOf\": [{\"const\": \"abc\"}, {\"const\": \"abd\"}], \"nullable\": true}",
      { "\"abc\"", "\"abd\"", "null" },
      { "\"ab\"" } },
    { "{\"oneOf\": [{\"type\": \"string\"}, {\"type\": \"null\"}, {\"enum\": [1, 2]}, {\"const\": "
      "3}]}",
      { "\"a\"", "null", "2", "3" },
      { "4" } },
    { "{\"oneOf\": [{\"type\": \"object\", \"properties\": {\"kind\": {\"const\": \"a\"}, \"x\": "
      "{\"type\": \"integer\"}}, \"required\": [\"kind\"]}, {\"type\": \"object\", \"properties\": "
      "{\"kind\": {\"const\": \"b\"}}, \"required\": [\"kind\"]}]}",
      { "{\"kind\": \"a\", \"x\": 1}", "{\"kind\": \"b\"}" },
      { "{\"kind\": \"c\"}", "{\"kind\": \"b\", \"x\": 1}" } },
    { "{\"oneOf\": [{\"type\": \"object\", \"properties\": {\"a\": {}}, \"required\": [\"a\"], "
      "\"additionalProperties\": false}, {\"type\": \"object\", \"properties\": {\"b\": {}}, "
      "\"required\": [\"b\"], \"additionalProperties\": false}]}",
      { "{\"a\": 1}", "{\"b\": 1}" },
      { "{}", "{\"a\": 1, \"b\": 1}" } },
    { "{\"allOf\": [{\"$ref\": \"#/$defs/n\"}], \"description\": \"x\", \"$defs\": {\"n\": "
      "{\"type\": "
      "\"null\"}}}",
      { "null" },
      { "1" } },
    { "{\"$ref\": \"#/definitions/a~1b\", \"definitions\": {\"a/b\": {\"type\": \"boolean\"}}}",
      { "true" },
      { "1" } },
    { "{\"type\": \"object\", \"properties\": {\"value\": {\"type\": \"integer\"}, \"next\": "
      "{\"anyOf\": "
      "[{\"$ref\": \"#\"}, {\"type\": \"null\"}]}}, \"required\": [\"value\", \"next\"], "
      "\"additionalProperties\": false}",
      { "{\"value\": 1, \"next\": null}",
        "{\"value\": 1, \"next\": {\"value\": 2, \"next\": null}}" },
      { "{\"value\": 1}", "{\"value\": 1, \"next\": {}}" } },
    { "{\"$defs\": {\"tree\": {\"type\": \"object\", \"properties\": {\"children\": {\"type\": "
      "\"array\", "
      "\"items\": {\"$ref\": \"#/$defs/tree\"}}}, \"required\": [\"children\"]}}, \"$ref\": "
      "\"#/$defs/tree\"}",
      { "{\"children\": []}", "{\"children\": [{\"children\": []}, {\"children\": []}]}" },
      { "{}", "{\"children\": [1]}" } },
    { "{\"title\": \"t\", \"$schema\": \"s\", \"$id\": \"i\", \"default\": 1, \"examples\": [1], "
      "\"deprecated\": true, \"type\": \"integer\", \"minLength\": 4}",
      { "5" },
      { "\"aaaa\"" } },
};

TEST(what_a_schema_accepts_is_let_through_and_what_it_refuses_is_not)
{
    for (size_t i = 0; i < BL_LEN(schemas); i++) {
        bl_auto_json *schema;
        bl_grammar   *g = of_schema(schemas[i].schema, &schema);
        for (size_t k = 0; k < BL_LEN(schemas[i].good) && schemas[i].good[k]; k++) {
            if (!lets_through(g, schemas[i].good[k]))
                fail_msg("%s refuses %s", schemas[i].schema, schemas[i].good[k]);
            bl_auto_json *value = json_loads(schemas[i].good[k], JSON_DECODE_ANY, NULL);
            CHECK(value && !validate(schema, schema, value)); /* the validator thinks so, too */
        }
        for (size_t k = 0; k < BL_LEN(schemas[i].bad) && schemas[i].bad[k]; k++)
            if (lets_through(g, schemas[i].bad[k]))
                fail_msg("%s lets %s through", schemas[i].schema, schemas[i].bad[k]);
        bl_grammar_free(g);
    }
}

TEST(what_is_written_at_random_under_a_mask_is_valid)
{
    size_t whole = 0, tried = 0;
    for (size_t i = 0; i < BL_LEN(schemas); i++) {
        bl_auto_json *schema;
        bl_grammar   *g = of_schema(schemas[i].schema, &schema);
        size_t        found = 0;
        for (int round = 0; round < 12; round++) {
            bl_auto_buf text = BL_BUF_EMPTY;
            tried++;
            if (!random_text(g, &text))
                continue;
            found++;
            json_error_t  error;
            bl_auto_json *value =
                json_loadb((const char *)text.data, text.size, JSON_DECODE_ANY, &error);
            if (!value)
                fail_msg("%s: %s: %s", schemas[i].schema, error.text, bl_buf_cstr(&text));
            const char *wrong = validate(schema, schema, value);
            if (wrong)
                fail_msg("%s: %s: %s", schemas[i].schema, wrong, bl_buf_cstr(&text));
        }
        if (!found && !strstr(schemas[i].schema, "pattern")) /* some end by chance alone */
            fail_msg("%s: no walk came to an end", schemas[i].schema);
        whole += found;
        bl_grammar_free(g);
    }
    CHECK(whole * 10 > tried * 8);
}

/* A token that is not in the mask is refused and changes nothing; one that is can be taken. */
static void check_mask(const bl_grammar *g, bl_matcher *m, const uint32_t *mask, blind_span text,
                       const char *name)
{
    for (int32_t id = 0; id < (int32_t)vocab.len; id++) {
        bool        allowed = mask[id / 32] >> id % 32 & 1;
        bl_matcher *other;
        if (id == VOCAB_END) {
            CHECK(allowed == bl_matcher_complete(m));
        } else if (!allowed) {
            CHECK_CODE(BLIND_INPUT, bl_matcher_take(m, id, NULL), name);
        } else if (next_random() % 16 == 0) {
            CHECK_CODE(BLIND_OK, bl_matcher_new(g, tree, &other, NULL), name);
            CHECK_CODE(BLIND_OK, bl_matcher_take_bytes(other, text, NULL), name);
            CHECK_CODE(BLIND_OK, bl_matcher_take(other, id, NULL), name);
            bl_matcher_free(other);
        }
    }
}

TEST(a_mask_says_what_taking_says)
{
    for (size_t i = 0; i < BL_LEN(schemas); i++) {
        bl_auto_json *schema;
        bl_grammar   *g = of_schema(schemas[i].schema, &schema);
        bl_auto_buf   text = BL_BUF_EMPTY;
        bl_matcher   *m;
        CHECK_CODE(BLIND_OK, bl_matcher_new(g, tree, &m, NULL), "matcher");
        for (int step = 0; step < 12 && !bl_matcher_ended(m); step++) {
            const uint32_t *mask;
            CHECK_CODE(BLIND_OK, bl_matcher_mask(m, &mask, NULL), "mask");
            int32_t id = random_token(mask);
            check_mask(g, m, mask, bl_buf_span(&text), schemas[i].schema);
            if (id == VOCAB_END)
                break;
            CHECK_CODE(BLIND_OK, bl_matcher_take(m, id, NULL), "take");
            bl_buf_add(&text, bl_token_tree_text(tree, id));
        }
        bl_matcher_free(m);
        bl_grammar_free(g);
    }
}

/* Schemas that are not.  --------------------------------------------------------------------- */

static const struct {
    const char *schema;
    blind_code  want;
    const char *says; /* part of the message */
} refused[] = {
    { "1", BLIND_INPUT, "a schema is an object" },
    { "false", BLIND_INPUT, "nothing can satisfy" },
    { "{\"type\": \"text\"}", BLIND_INPUT, "type" },
    { "{\"type\": [\"string\", 1]}", BLIND_INPUT, "type" },
    { "{\"not\": {}}", BLIND_UNSUPPORTED, "not" },
    { "{\"if\": {}}", BLIND_UNSUPPORTED, "if" },
    { "{\"type\": \"object\", \"patternProperties\": {}}", BLIND_UNSUPPORTED, "patternProperties" },
    { "{\"type\": \"object\", \"propertyNames\": {}}", BLIND_UNSUPPORTED, "propertyNames" },
    { "{\"type\": \"object\", \"dependentRequired\": {}}", BLIND_UNSUPPORTED, "dependentRequired" },
    { "{\"type\": \"object\", \"unevaluatedProperties\": false}", BLIND_UNSUPPORTED,
      "unevaluated" },
    { "{\"type\": \"array\", \"contains\": {}}", BLIND_UNSUPPORTED, "contains" },
    { "{\"type\": \"array\", \"uniqueItems\": true}", BLIND_UNSUPPORTED, "uniqueItems" },
    { "{\"type\": \"array\", \"items\": [{}]}", BLIND_UNSUPPORTED, "items" },
    { "{\"type\": \"array\", \"items\": {\"x\": 1}}", BLIND_UNSUPPORTED, "#/items" },
    { "{\"type\": \"array\", \"minItems\": -1}", BLIND_INPUT, "whole number" },
    { "{\"type\": \"array\", \"minItems\": 2, \"maxItems\": 1}", BLIND_INPUT,
      "nothing can satisfy" },
    { "{\"type\": \"array\", \"items\": false, \"minItems\": 1}", BLIND_INPUT,
      "nothing can satisfy" },
    { "{\"type\": \"string\", \"format\": \"ssn\"}", BLIND_UNSUPPORTED, "format" },
    { "{\"type\": \"string\", \"minLength\": 3, \"maxLength\": 2}", BLIND_INPUT, "nothing" },
    { "{\"type\": \"string\", \"minLength\": 1.5}", BLIND_INPUT, "whole number" },
    { "{\"type\": \"string\", \"pattern\": \"a+\", \"maxLength\": 5}", BLIND_UNSUPPORTED,
      "maxLength" },
    { "{\"type\": \"string\", \"pattern\": \"(\"}", BLIND_INPUT, "pattern" },
    { "{\"type\": \"string\", \"pattern\": 1}", BLIND_INPUT, "pattern" },
    { "{\"type\": \"string\", \"pattern\": \"a\", \"format\": \"date\"}", BLIND_UNSUPPORTED,
      "format" },
    { "{\"type\": \"integer\", \"minimum\": 3, \"maximum\": 2}", BLIND_INPUT, "nothing" },
    { "{\"type\": \"integer\", \"exclusiveMinimum\": 3, \"exclusiveMaximum\": 4}", BLIND_INPUT,
      "nothing" },
    { "{\"type\": \"integer\", \"minimum\": \"3\"}", BLIND_INPUT, "bound" },
    { "{\"type\": \"integer\", \"minimum\": 1e300}", BLIND_INPUT, "nothing" },
    { "{\"type\": \"integer\", \"multipleOf\": 7}", BLIND_UNSUPPORTED, "multipleOf" },
    { "{\"type\": \"integer\", \"multipleOf\": 0}", BLIND_INPUT, "multipleOf" },
    { "{\"type\": \"number\", \"multipleOf\": 0.1}", BLIND_UNSUPPORTED, "multipleOf" },
    { "{\"type\": \"number\", \"minimum\": 1e-12}", BLIND_UNSUPPORTED, "bound" },
    { "{\"type\": \"number\", \"minimum\": 2, \"maximum\": 1}", BLIND_INPUT, "nothing" },
    { "{\"type\": \"number\", \"exclusiveMinimum\": 1, \"maximum\": 1}", BLIND_INPUT, "nothing" },
    { "{\"enum\": []}", BLIND_INPUT, "enum" },
    { "{\"enum\": 1}", BLIND_INPUT, "enum" },
    { "{\"enum\": [1], \"minimum\": 0}", BLIND_UNSUPPORTED, "enum" },
    { "{\"type\": \"string\", \"enum\": [1]}", BLIND_INPUT, "nothing" },
    { "{\"enum\": [1], \"const\": 2}", BLIND_INPUT, "nothing" },
    { "{\"anyOf\": []}", BLIND_INPUT, "alternatives" },
    { "{\"anyOf\": [{}], \"type\": \"string\"}", BLIND_UNSUPPORTED, "beside" },
    { "{\"allOf\": [{}, {}]}", BLIND_UNSUPPORTED, "allOf" },
    { "{\"oneOf\": [{\"type\": \"integer\"}, {\"type\": \"number\"}]}", BLIND_UNSUPPORTED,
      "oneOf" },
    { "{\"oneOf\": [{\"type\": \"object\"}, {\"type\": \"object\"}]}", BLIND_UNSUPPORTED, "oneOf" },
    { "{\"$ref\": \"http://x/y\"}", BLIND_UNSUPPORTED, "$ref" },
    { "{\"$ref\": \"#/$defs/none\"}", BLIND_UNSUPPORTED, "$ref" },
    { "{\"$ref\": 1}", BLIND_INPUT, "$ref" },
    { "{\"$ref\": \"#\"}", BLIND_INPUT, "nothing can satisfy" },
    { "{\"$ref\": \"#/$defs/a\", \"type\": \"string\", \"$defs\": {\"a\": {}}}", BLIND_UNSUPPORTED,
      "$ref" },
    { "{\"type\": \"object\", \"properties\": {\"a\": {\"$ref\": \"#\"}}, \"required\": [\"a\"]}",
      BLIND_INPUT, "nothing can satisfy" },
    { "{\"type\": \"object\", \"properties\": 1}", BLIND_INPUT, "properties" },
    { "{\"type\": \"object\", \"required\": [1]}", BLIND_INPUT, "required" },
    { "{\"type\": \"object\", \"required\": [\"a\"], \"additionalProperties\": false}", BLIND_INPUT,
      "nothing" },
    { "{\"type\": \"object\", \"properties\": {\"a\": {}, \"b\": {}}, \"minProperties\": 1}",
      BLIND_UNSUPPORTED, "minProperties" },
    { "{\"type\": \"object\", \"properties\": {\"a\": {}, \"b\": {}}, \"maxProperties\": 1}",
      BLIND_UNSUPPORTED, "maxProperties" },
    { "{\"type\": \"object\", \"required\": [\"a\", \"b\"], \"maxProperties\": 1}", BLIND_INPUT,
      "nothing" },
    { "{\"type\": \"object\", \"minProperties\": 3}", BLIND_UNSUPPORTED, "minProperties" },
};

TEST(schemas_that_cannot_be_held_are_refused_with_the_reason)
{
    for (size_t i = 0; i < BL_LEN(refused); i++) {
        bl_auto_json *schema;
        blind_error   err = { .code = BLIND_OK };
        bl_grammar   *g;
        CHECK_CODE(BLIND_OK, bl_json_parse(bl_span_str(refused[i].schema), 0x10000, &schema, &err),
                   refused[i].schema);
        CHECK_CODE(refused[i].want, bl_grammar_schema(schema, &g, &err), refused[i].schema);
        CHECK(!g);
        if (!strstr(err.message, refused[i].says))
            fail_msg("%s: %s", refused[i].schema, err.message);
    }
}

/* Patterns.  --------------------------------------------------------------------------------- */

TEST(patterns_match_what_another_implementation_matches)
{
    static const char *const patterns[] = {
        "^a(b|c)*d$",
        "^[a-c]{2,3}?[^a]$",
        "b+c?|^d",
        "^(a|ab)(c|bcd)(d*)$",
        "^\\w\\W\\s\\S\\d\\D$",
        "^[\\w-]+$",
        "^.{1,3}$",
        "^(a{2}){2,}$",
        "^(a*)*b$",
        "^[^\\d\\s]*$",
        "^x{0}y{0,0}z{1}$",
        "^(?<n>ab|)c$",
        "",
        "^$",
        "^[\\u00e9\\-\\]]$",
    };
    static const char *const pieces[] = { "a", "b", "c",        "d", "ab", "aa", "_", "-",
                                          " ", "1", "\xc3\xa9", "z", "\n", "]",  "\"" };
    for (size_t i = 0; i < BL_LEN(patterns); i++) {
        bl_grammar *g;
        blind_error err = { .code = BLIND_OK };
        CHECK_CODE(BLIND_OK, bl_grammar_pattern(bl_span_str(patterns[i]), &g, &err), patterns[i]);
        for (int round = 0; round < 400; round++) {
            char text[64] = "";
            for (uint32_t n = next_random() % 7; n > 0; n--)
                strcat(text, pieces[next_random() % BL_LEN(pieces)]);
            bool want = matches(patterns[i], text);
            if (want != lets_through(g, text))
                fail_msg("%s: %s", patterns[i], text);
        }
        for (int round = 0; round < 20; round++) {
            bl_auto_buf text = BL_BUF_EMPTY;
            if (random_text(g, &text) &&
                !memchr(text.data ? text.data : (uint8_t *)"", 0, text.size) &&
                !matches(patterns[i], bl_buf_cstr(&text)))
                fail_msg("%s wrote %s", patterns[i], bl_buf_cstr(&text));
        }
        bl_grammar_free(g);
    }
}

TEST(escapes_mean_their_characters)
{
    bl_grammar *g;
    CHECK_CODE(
        BLIND_OK,
        bl_grammar_pattern(BL_LITERAL("^\\x41\\t\\u{1F600}\\ud83d\\ude00\\/\\.[\\b]$"), &g, NULL),
        "escapes");
    CHECK(lets_through(g, "A\t\xf0\x9f\x98\x80\xf0\x9f\x98\x80/.\b"));
    CHECK(!lets_through(g, "A\t\xf0\x9f\x98\x80\xf0\x9f\x98\x80/x\b"));
    bl_grammar_free(g);
}

TEST(patterns_that_are_no_regular_expressions_are_refused)
{
    static const struct {
        const char *pattern;
        blind_code  want;
    } cases[] = {
        { "(?=a)", BLIND_UNSUPPORTED },  { "(?<!a)b", BLIND_UNSUPPORTED },
        { "(a)\\1", BLIND_UNSUPPORTED }, { "\\bword", BLIND_UNSUPPORTED },
        { "\\p{L}", BLIND_UNSUPPORTED }, { "a^b", BLIND_UNSUPPORTED },
        { "a$b", BLIND_UNSUPPORTED },    { "(?i)a", BLIND_UNSUPPORTED },
        { "a{2,1}", BLIND_INPUT },       { "a{", BLIND_INPUT },
        { "a**", BLIND_INPUT },          { "*a", BLIND_INPUT },
        { "a)", BLIND_INPUT },           { "(a", BLIND_INPUT },
        { "[a", BLIND_INPUT },           { "[b-a]", BLIND_INPUT },
        { "\\", BLIND_INPUT },           { "\\u12", BLIND_INPUT },
        { "\\ud800", BLIND_INPUT },      { "\xff", BLIND_INPUT },
        { "a{99999}", BLIND_LIMIT },     { "[]", BLIND_INPUT },
    };
    for (size_t i = 0; i < BL_LEN(cases); i++) {
        bl_grammar *g;
        CHECK_CODE(cases[i].want, bl_grammar_pattern(bl_span_str(cases[i].pattern), &g, NULL),
                   cases[i].pattern);
    }
    char deep[4 * BL_MAX_PATTERN_DEPTH];
    memset(deep, '(', sizeof deep - 1);
    deep[sizeof deep - 1] = 0;
    bl_grammar *g;
    CHECK_CODE(BLIND_LIMIT, bl_grammar_pattern(bl_span_str(deep), &g, NULL), "too deep");
}

/* Bounds.  ----------------------------------------------------------------------------------- */

TEST(nesting_is_bounded_and_can_always_be_closed)
{
    bl_grammar     *g;
    bl_matcher     *m;
    const uint32_t *mask;
    int             depth = 0;
    CHECK_CODE(BLIND_OK, bl_grammar_json(false, &g, NULL), "json");
    CHECK_CODE(BLIND_OK, bl_matcher_new(g, tree, &m, NULL), "matcher");
    while (depth < 1000 && bl_matcher_take_bytes(m, BL_LITERAL("["), NULL) == BLIND_OK)
        depth++;
    CHECK(depth > 20 && depth <= BL_MAX_JSON_DEPTH);
    for (; depth > 0; depth--) {
        CHECK_CODE(BLIND_OK, bl_matcher_mask(m, &mask, NULL), "mask");
        CHECK_CODE(BLIND_OK, bl_matcher_take_bytes(m, BL_LITERAL("]"), NULL), "close");
    }
    CHECK(bl_matcher_complete(m) && bl_matcher_ended(m));
    bl_matcher_free(m);
    bl_grammar_free(g);
}

/* More states than are kept: what is thrown away is found again. */
TEST(a_long_answer_does_not_run_out_of_states)
{
    bl_grammar *g;
    bl_matcher *m;
    CHECK_CODE(BLIND_OK, bl_grammar_pattern(BL_LITERAL("^(a|b)*a(a|b){9}$"), &g, NULL), "pattern");
    CHECK_CODE(BLIND_OK, bl_matcher_new(g, tree, &m, NULL), "matcher");
    uint64_t window = 0;
    for (int i = 0; i < 60000; i++) {
        unsigned bit = next_random() & 1;
        window = window << 1 | bit;
        CHECK_CODE(BLIND_OK,
                   bl_matcher_take_bytes(m, bit ? BL_LITERAL("a") : BL_LITERAL("b"), NULL), "take");
        CHECK(bl_matcher_complete(m) == (window >> 9 & 1));
    }
    CHECK_CODE(BLIND_INPUT, bl_matcher_take_bytes(m, BL_LITERAL("c"), NULL), "no c");
    bl_matcher_free(m);
    bl_grammar_free(g);
}

TEST(what_is_too_large_or_too_ambiguous_is_refused)
{
    bl_auto_buf   text = BL_BUF_EMPTY;
    bl_auto_json *schema;
    bl_grammar   *g;
    bl_matcher   *m;
    bl_buf_add_str(&text, "{\"enum\": [");
    for (int i = 0; i < 40000; i++)
        bl_buf_printf(&text, "%s\"value %d\"", i ? "," : "", i);
    bl_buf_add_str(&text, "]}");
    CHECK_CODE(BLIND_OK, bl_json_parse(bl_buf_span(&text), BL_MAX_JSON_SIZE, &schema, NULL),
               "enum");
    CHECK_CODE(BLIND_LIMIT, bl_grammar_schema(schema, &g, NULL), "a long enum");
    bl_json_done(&schema);
    text.size = 0;
    bl_buf_add_str(&text, "{\"anyOf\": [");
    for (int i = 0; i <= BL_MAX_SCHEMA_NODES; i++)
        bl_buf_printf(&text, "%s{}", i ? "," : "");
    bl_buf_add_str(&text, "]}");
    CHECK_CODE(BLIND_OK, bl_json_parse(bl_buf_span(&text), BL_MAX_JSON_SIZE, &schema, NULL),
               "anyOf");
    CHECK_CODE(BLIND_LIMIT, bl_grammar_schema(schema, &g, NULL), "many schemas");
    bl_json_done(&schema);
    g = of_schema(
        "{\"anyOf\": [{\"$ref\": \"#\"}, {\"$ref\": \"#\"}, {\"allOf\": [{\"$ref\": \"#\"}]}, "
        "{\"const\": 1}]}",
        &schema);
    CHECK_CODE(BLIND_LIMIT, bl_matcher_new(g, tree, &m, NULL), "ambiguous");
    bl_grammar_free(g);
}

/* With generations.  ------------------------------------------------------------------------- */

TEST(an_answer_is_held_to_its_grammar_and_stops_where_nothing_can_follow)
{
    bl_auto_json *schema;
    bl_grammar   *g =
        of_schema("{\"type\": \"object\", \"properties\": {\"n\": {\"type\": \"integer\"}}, "
                  "\"required\": [\"n\"]}",
                  &schema);
    float logits[1024];
    CHECK(vocab.len < BL_LEN(logits));
    for (uint64_t seed = 0; seed < 20; seed++) {
        bl_generation_options o = BL_GENERATION_PLAIN;
        bl_generation        *gen;
        bl_auto_buf           text = BL_BUF_EMPTY;
        int32_t               token = 0;
        o.grammar = g;
        o.tree = tree;
        o.sampling.seed = seed;
        CHECK_CODE(BLIND_OK, bl_generation_new(vocab.t, &o, NULL, 0, &gen, NULL), "new");
        while (bl_generation_finish(gen) == BL_FINISH_NONE) {
            for (size_t i = 0; i < vocab.len; i++)
                logits[i] = i == VOCAB_END ? 9 : (float)(next_random() % 64) / 8;
            CHECK_CODE(BLIND_OK, bl_generation_take(gen, logits, &token, NULL), "take");
        }
        assert_int_equal(BL_FINISH_STOP, bl_generation_finish(gen));
        CHECK(token != VOCAB_END); /* the bracket was the last */
        bl_generation_text(gen, &text);
        bl_auto_json *value = json_loads(bl_buf_cstr(&text), 0, NULL);
        CHECK(value && !validate(schema, schema, value));
        bl_generation_free(gen);
        o.tree = NULL;
        CHECK_CODE(BLIND_INPUT, bl_generation_new(vocab.t, &o, NULL, 0, &gen, NULL), "no tree");
    }
    bl_grammar_free(g);
}

TEST(a_vocabulary_that_cannot_write_the_grammar_is_told)
{
    static const char *const texts[] = { "</s>", "x" };
    gguf_made                made = GGUF_MADE;
    bl_auto_buf              file = BL_BUF_EMPTY;
    bl_gguf                  gguf;
    bl_tokenizer            *t;
    bl_token_tree           *small;
    bl_grammar              *g;
    bl_generation           *gen;
    bl_generation_options    o = BL_GENERATION_PLAIN;
    int32_t                  token;
    gguf_text(&made, "tokenizer.ggml.model", "llama");
    gguf_texts(&made, "tokenizer.ggml.tokens", texts, 2);
    gguf_write(&made, &file);
    gguf_done(&made);
    CHECK_CODE(BLIND_OK, bl_gguf_read(bl_buf_span(&file), &gguf, NULL), "gguf");
    CHECK_CODE(BLIND_OK, bl_tokenizer_open(&gguf, &t, NULL), "tokenizer");
    CHECK_CODE(BLIND_OK, bl_token_tree_new(t, &small, NULL), "tree");
    CHECK_CODE(BLIND_OK, bl_grammar_json(true, &g, NULL), "json");
    o.grammar = g;
    o.tree = small;
    CHECK_CODE(BLIND_OK, bl_generation_new(t, &o, NULL, 0, &gen, NULL), "new");
    CHECK_CODE(BLIND_UNSUPPORTED, bl_generation_take(gen, (const float[]){ 0, 0 }, &token, NULL),
               "take");
    bl_generation_free(gen);
    bl_grammar_free(g);
    bl_token_tree_free(small);
    bl_tokenizer_close(t);
    bl_gguf_done(&gguf);
}

TEST(a_tree_holds_every_text_once_and_in_order)
{
    size_t   ended = 0;
    uint8_t  path[BL_MAX_TOKEN_TEXT];
    uint32_t seen[1024] = { 0 };
    for (size_t i = 0; i < tree->n_nodes; i++) {
        const bl_token_node *n = &tree->nodes[i];
        path[n->depth - 1] = n->byte;
        CHECK(n->skip > i && n->skip <= tree->n_nodes);
        bool plain = true;
        for (size_t k = i; k < n->skip; k++)
            plain = plain && bl_token_tree_plain(tree->nodes[k].byte);
        CHECK(plain == n->plain);
        for (size_t k = i + 1; k < n->skip; k++)
            CHECK(tree->nodes[k].depth > n->depth);
        CHECK(n->skip == tree->n_nodes || tree->nodes[n->skip].depth <= n->depth);
        for (uint32_t t = n->tokens; t < tree->nodes[i + 1].tokens; t++, ended++) {
            CHECK(
                bl_span_equal(bl_span(path, n->depth), bl_token_tree_text(tree, tree->sorted[t])));
            CHECK(!seen[tree->sorted[t]]++);
        }
    }
    assert_int_equal(tree->n_sorted, ended);
    assert_int_equal(256 + BL_LEN(words), ended); /* no control tokens */
}

static int open_vocab(void **state)
{
    (void)state;
    vocab_make(&vocab, words, BL_LEN(words));
    return bl_token_tree_new(vocab.t, &tree, NULL) != BLIND_OK;
}
static int close_vocab(void **state)
{
    (void)state;
    bl_token_tree_free(tree);
    vocab_done(&vocab);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(a_tree_holds_every_text_once_and_in_order),
        RUN(what_a_schema_accepts_is_let_through_and_what_it_refuses_is_not),
        RUN(what_is_written_at_random_under_a_mask_is_valid),
        RUN(a_mask_says_what_taking_says),
        RUN(schemas_that_cannot_be_held_are_refused_with_the_reason),
        RUN(patterns_match_what_another_implementation_matches),
        RUN(escapes_mean_their_characters),
        RUN(patterns_that_are_no_regular_expressions_are_refused),
        RUN(nesting_is_bounded_and_can_always_be_closed),
        RUN(a_long_answer_does_not_run_out_of_states),
        RUN(what_is_too_large_or_too_ambiguous_is_refused),
        RUN(an_answer_is_held_to_its_grammar_and_stops_where_nothing_can_follow),
        RUN(a_vocabulary_that_cannot_write_the_grammar_is_told),
    };
    return cmocka_run_group_tests(tests, open_vocab, close_vocab);
}
