/* Settings: from text, from serve.toml, from BlindAI's config.toml, and their digest. */
#include "server/config.h"
#include "tests/test.h"

#include <stdlib.h>
#include <unistd.h>

static const bl_setting *setting(const char *flag)
{
    for (size_t i = 0; i < bl_setting_count; i++)
        if (strcmp(bl_settings[i].flag, flag) == 0)
            return &bl_settings[i];
    fail_msg("no setting %s", flag);
    return NULL;
}

TEST(every_default_is_acceptable)
{
    bl_config   c;
    blind_error err;
    if (bl_config_init(&c, &err) != BLIND_OK)
        fail_msg("%s", err.message);
    CHECK(c.max_body == 924288000 && c.max_model_size == 16LL << 30 && c.allow_uploads);
    CHECK(strcmp(c.listen, "0.0.0.0:50051") == 0 && c.models.count == 0);
    bl_config_done(&c);
}

TEST(values_are_held_to_their_bounds)
{
    static const struct {
        const char *flag, *value;
        blind_code  want;
    } cases[] = {
        { "max-body", "1", BLIND_OK },        { "max-body", "64M", BLIND_OK },
        { "max-body", "2GiB", BLIND_OK },     { "max-body", "0", BLIND_USAGE },
        { "max-body", "-1", BLIND_USAGE },    { "max-body", "1X", BLIND_USAGE },
        { "max-body", "1MB", BLIND_USAGE },   { "max-body", "", BLIND_USAGE },
        { "max-body", " 1", BLIND_USAGE },    { "max-body", "9999999999T", BLIND_USAGE },
        { "threads", "1K", BLIND_USAGE },     { "threads", "2000", BLIND_USAGE },
        { "tee", "sim", BLIND_OK },           { "tee", "none", BLIND_USAGE },
        { "log", "xml", BLIND_USAGE },        { "allow-uploads", "yes", BLIND_USAGE },
        { "model", "a=b", BLIND_OK },         { "model", "a", BLIND_USAGE },
        { "model", "=b", BLIND_USAGE },       { "model", "a=", BLIND_USAGE },
        { "max-batch", "64", BLIND_OK },      { "max-batch", "65", BLIND_USAGE },
        { "max-batch", "0", BLIND_USAGE },    { "max-wait-us", "1000001", BLIND_USAGE },
        { "max-queue", "0", BLIND_USAGE },    { "precision", "high", BLIND_OK },
        { "precision", "fast", BLIND_USAGE },
    };
    for (size_t i = 0; i < BL_LEN(cases); i++) {
        bl_config c;
        CHECK(bl_config_init(&c, NULL) == BLIND_OK);
        CHECK_CODE(cases[i].want, bl_config_set(&c, setting(cases[i].flag), cases[i].value, NULL),
                   cases[i].value);
        bl_config_done(&c);
    }
}

static const struct {
    const char *name, *text, *message; /* NULL: it is read */
} files[] = {
    { "empty", "", NULL },
    { "some", "tee = \"sim\"\nmax_body = 10\nmax_model_size = \"1G\"\nsend_inference_time = true\n",
      NULL },
    { "lists", "server_names = [\"a\", \"b\"]\nmodels = [\"m=f\"]", NULL },
    { "models as a table", "[models]\nm = \"f\"\n\"n-1\" = \"g\"", NULL },
    { "a model's own table",
      "[models]\nm = { file = \"f\", max_batch = 8, max_wait_us = 500 }\nn = \"g\"\n", NULL },
    { "BlindAI's",
      "internal_host_to_enclave_url = \"https://0.0.0.0:50054\"\n"
      "internal_enclave_to_host_url = \"https://0.0.0.0:50053\"\n"
      "client_to_enclave_untrusted_url = \"https://0.0.0.0:50052\"\n"
      "client_to_enclave_attested_url = \"https://0.0.0.0:50051\"\n"
      "max_model_size = 924288000\nmax_input_size = 924288000\nmodels_path = \"./models\"\n"
      "max_model_store = 2\nmax_loaded_model_per_user = 1\nmax_sealed_model_per_user = 3\n"
      "allow_sendmodel = true\ndaily_model_cleanup = 7\nsend_model_requires_auth = false\n"
      "disable_ownership_check = false\nsend_inference_time = false\n"
      "[[load_models]]\nmodel_id = \"a\"\npath = \"f\"\nno_optim = true\n"
      "input_facts = [{datum_type=\"I64\", dims=[1,8], index=0, index_name=\"x\"}]\n",
      NULL },
    { "another precision", "precision = \"low\"", "expected highest|high|medium" },
    { "an unknown key", "tee = \"sim\"\nmax_bodi = 1", "line 2 column 1: unknown key 'max_bodi'" },
    { "a flag's spelling", "max-body = 1", "line 1 column 1: unknown key 'max-body'" },
    { "an unknown key of a model", "[[load_models]]\nmodel_id=\"a\"\npath=\"f\"\nx=1",
      "line 4 column 1: unknown key 'x'" },
    { "a model without a path", "[[load_models]]\nmodel_id=\"a\"",
      "a model of load_models has no 'path'" },
    { "a model without a name", "[[load_models]]\npath=\"a\"",
      "a model of load_models has no 'model_id'" },
    { "a model's table without a file", "[models]\nm = { max_batch = 2 }",
      "a model has no 'file'" },
    { "too large a batch", "[models]\nm = { file = \"f\", max_batch = 65 }", "expected 1 to 64" },
    { "no batch", "[models]\nm = { file = \"f\", max_batch = 0 }", "expected 1 to 64" },
    { "a wait alone", "[models]\nm = { file = \"f\", max_wait_us = 5 }",
      "max_wait_us without max_batch" },
    { "an unknown key of a model's table", "[models]\nm = { file = \"f\", batch = 2 }",
      "unknown key 'batch'" },
    { "a number as text", "max_body = true", "'max_body' is a boolean, expected a number" },
    { "a list too many", "listen = [\"a\"]", "expected a string" },
    { "a bad value", "\nthreads = -1", "line 2 column 1: threads '-1'" },
    { "a URL with a path", "client_to_enclave_attested_url = \"https://h:1/x\"",
      "expected https://HOST:PORT" },
    { "no TLS", "client_to_enclave_attested_url = \"http://h:1\"", "expected https://HOST:PORT" },
    { "no TOML", "a", "line 1" },
    { "twice", "tee = \"sim\"\ntee = \"sim\"", "line 2" },
};

TEST(files_are_read_or_refused_with_a_place)
{
    for (size_t i = 0; i < BL_LEN(files); i++) {
        bl_config   c;
        blind_error err = { 0 };
        CHECK(bl_config_init(&c, NULL) == BLIND_OK);
        blind_code code = bl_config_parse(&c, bl_span_str(files[i].text), &err);
        CHECK_CODE(files[i].message ? BLIND_USAGE : BLIND_OK, code, files[i].name);
        if (files[i].message && !strstr(err.message, files[i].message))
            fail_msg("%s: '%s'", files[i].name, err.message);
        bl_config_done(&c);
    }
}

TEST(blindai_names_mean_our_settings)
{
    bl_config c;
    CHECK(bl_config_init(&c, NULL) == BLIND_OK);
    CHECK(bl_config_parse(&c, bl_span_str(files[5].text), NULL) == BLIND_OK);
    CHECK(strcmp(c.listen, "0.0.0.0:50051") == 0 && strcmp(c.helper_listen, "0.0.0.0:50052") == 0);
    CHECK(c.max_models == 2 && c.max_models_per_principal == 1 && c.check_owners);
    CHECK(c.models.count == 1 && strcmp(c.models.each[0].name, "a") == 0);
    CHECK(c.models.each[0].no_optim && c.ignored_count == 5);
    bl_config_done(&c);
}

/* It decides how exact answers are, so whoever attests the server sees it. */
TEST(precision_is_measured)
{
    bl_buf text[2] = { BL_BUF_EMPTY, BL_BUF_EMPTY };
    for (int i = 0; i < 2; i++) {
        bl_config c;
        CHECK(bl_config_init(&c, NULL) == BLIND_OK);
        CHECK(strcmp(c.precision, "highest") == 0);
        CHECK(bl_config_parse(&c, bl_span_str(i ? "precision = \"medium\"" : ""), NULL) ==
              BLIND_OK);
        CHECK(strcmp(c.precision, i ? "medium" : "highest") == 0);
        CHECK(bl_config_measured(&c, &text[i], NULL) == BLIND_OK);
        bl_config_done(&c);
    }
    CHECK(text[0].size != text[1].size || memcmp(text[0].data, text[1].data, text[0].size) != 0);
    bl_buf_done(&text[0]);
    bl_buf_done(&text[1]);
}

TEST(a_model_may_have_its_own_batch)
{
    bl_config   c;
    bl_auto_buf text = BL_BUF_EMPTY;
    CHECK(bl_config_init(&c, NULL) == BLIND_OK);
    CHECK(bl_config_parse(&c, bl_span_str(files[4].text), NULL) == BLIND_OK);
    CHECK(c.models.count == 2 && strcmp(c.models.each[0].path, "f") == 0);
    CHECK(c.models.each[0].max_batch == 8 && c.models.each[0].max_wait_us == 500);
    CHECK(c.models.each[1].max_batch == 0 && c.max_batch == 1 && c.max_wait_us == 0);
    CHECK(bl_config_measured(&c, &text, NULL) == BLIND_OK);
    CHECK(strstr(bl_buf_cstr(&text), "models = m max_batch 8 n\n"));
    bl_config_done(&c);
}

TEST(what_changes_the_service_changes_the_digest)
{
    static const struct {
        const char *flag, *value;
        bool        changes;
    } cases[] = { { "drain-s", "1", false },
                  { "listen", "127.0.0.1:1", false },
                  { "max-body", "100", true },
                  { "allow-uploads", "false", true },
                  { "max-loads-per-principal", "9", true },
                  { "max-batch", "8", true },
                  { "max-wait-us", "8", false },
                  { "max-queue", "8", false },
                  { "sim-lie", "debug", true },
                  { "send-inference-time", "true", true } };
    char dir[] = "/tmp/blind-config-XXXXXX";
    CHECK(mkdtemp(dir));
    for (size_t i = 0; i < BL_LEN(cases); i++) {
        bl_config a, b;
        CHECK(bl_config_init(&a, NULL) == BLIND_OK && bl_config_init(&b, NULL) == BLIND_OK);
        CHECK(bl_config_set(&b, setting(cases[i].flag), cases[i].value, NULL) == BLIND_OK);
        bl_config *each[] = { &a, &b };
        for (int k = 0; k < 2; k++) {
            CHECK(bl_config_set(each[k], setting("tee"), "sim", NULL) == BLIND_OK);
            CHECK(bl_config_set(each[k], setting("state-dir"), dir, NULL) == BLIND_OK);
            CHECK(bl_config_check(each[k], NULL) == BLIND_OK);
        }
        CHECK((memcmp(a.digest, b.digest, 32) != 0) == cases[i].changes);
        bl_config_done(&a);
        bl_config_done(&b);
    }
    rmdir(dir);
}

TEST(what_cannot_work_is_told_before_the_start)
{
    static const struct {
        const char *name, *settings[6], *message;
        blind_code  want;
    } cases[] = {
        { "no tee", { NULL }, "missing --tee", BLIND_USAGE },
        { "half a certificate", { "tee", "sim", "host-cert", "x", NULL }, "together", BLIND_USAGE },
        { "no tokens", { "tee", "sim", "tokens", "/nowhere/t", NULL }, "tokens", BLIND_NOT_FOUND },
        { "no model", { "tee", "sim", "model", "a=/nowhere/m", NULL }, "model", BLIND_NOT_FOUND },
        { "no folder", { "tee", "sim", "state-dir", "/nowhere/a/b", NULL }, "state-dir", BLIND_IO },
        { "an unknown lie", { "tee", "sim", "sim-lie", "x", NULL }, "x", BLIND_USAGE },
    };
    for (size_t i = 0; i < BL_LEN(cases); i++) {
        bl_config   c;
        blind_error err = { 0 };
        CHECK(bl_config_init(&c, NULL) == BLIND_OK);
        CHECK(bl_config_set(&c, setting("state-dir"), "/tmp", NULL) == BLIND_OK);
        for (int k = 0; cases[i].settings[k]; k += 2)
            CHECK(bl_config_set(&c, setting(cases[i].settings[k]), cases[i].settings[k + 1],
                                NULL) == BLIND_OK);
        CHECK_CODE(cases[i].want, bl_config_check(&c, &err), cases[i].name);
        if (!strstr(err.message, cases[i].message))
            fail_msg("%s: '%s'", cases[i].name, err.message);
        bl_config_done(&c);
    }
}

TESTS(RUN(every_default_is_acceptable), RUN(values_are_held_to_their_bounds),
      RUN(files_are_read_or_refused_with_a_place), RUN(blindai_names_mean_our_settings),
      RUN(precision_is_measured), RUN(a_model_may_have_its_own_batch),
      RUN(what_changes_the_service_changes_the_digest),
      RUN(what_cannot_work_is_told_before_the_start))
