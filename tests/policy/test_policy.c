/* Policies: strict defaults, refusals that point at the line, one digest for one meaning. */
#include "tests/test.h"

#include "blind/policy.h"
#include "policy/rules.h"

#define HEX96                                                                                      \
    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789ab" \
    "cdef"
#define HEX64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define HEAD  "version = 1\nserver = \"any\"\ntees = [\"sim\"]\n"
#define SET   "[[sim.reference]]\nmeasurement = \"" HEX96 "\"\n"

static blind_code load(const char *text, blind_policy **out, blind_error *err)
{
    return blind_policy_load_text(bl_span_str(text), out, err);
}

static blind_policy *good(const char *text)
{
    blind_policy *policy;
    blind_error   err;
    if (load(text, &policy, &err) != BLIND_OK)
        fail_msg("%s", err.message);
    return policy;
}

TEST(what_is_not_said_is_strict)
{
    blind_policy *p = good(HEAD SET);
    assert_int_equal(BLIND_SERVER_ANY, blind_policy_server(p));
    CHECK(!p->allow_debug && !p->others && !p->absent);
    assert_int_equal(0, p->models_len);
    assert_int_equal(300, p->freshness_s);
    assert_int_equal(INT64_MAX, blind_policy_not_after(p));
    blind_policy_free(p);
}

TEST(what_is_said_is_read)
{
    blind_policy *p = good("version = 1\nserver = \"pin\"\ntees = [\"sim\"]\nallow_debug = true\n"
                           "not_after = 2030-01-01T01:00:00+01:00\nfreshness_s = 60\n"
                           "require = [\"smt-off\", \"tcb-current\"]\n" SET
                           "[[sim.reference]]\nname = \"two\"\nmeasurement = \"any\"\n"
                           "[models]\nothers = \"allow\"\nabsent = \"allow\"\nb = \"" HEX64
                           "\"\na = \"" HEX64 "\"\n");
    assert_int_equal(BLIND_SERVER_PIN, blind_policy_server(p));
    assert_int_equal(1893456000, blind_policy_not_after(p));
    CHECK(p->allow_debug && p->others && p->absent && p->freshness_s == 60);
    CHECK(p->require[BL_REQUIRE_SMT_OFF] && p->require[BL_REQUIRE_TCB_CURRENT]);
    CHECK(!p->require[BL_REQUIRE_MEMORY_ENCRYPTED]);
    assert_int_equal(2, p->tees[0].sets_len);
    assert_string_equal("set 1", p->tees[0].sets[0].name);
    assert_string_equal("two", p->tees[0].sets[1].name);
    CHECK(p->tees[0].sets[1].registers[0].any && !p->tees[0].sets[0].registers[0].any);
    assert_string_equal("a", p->models[0].name);
    blind_policy_free(p);
}

static const struct {
    const char *name, *text, *says;
    blind_code  want;
} refused[] = {
    { "nothing", "", "version", BLIND_POLICY },
    { "no TOML", "version = = 1", "line 1", BLIND_POLICY },
    { "no version", "server = \"any\"\ntees = [\"sim\"]\n" SET, "version", BLIND_POLICY },
    { "version 2", "version = 2\n", "line 1", BLIND_POLICY },
    { "a version in words", "version = \"1\"\n", "line 1", BLIND_POLICY },
    { "a misspelt rule", HEAD "alow_debug = true\n" SET, "line 4", BLIND_POLICY_KEY },
    { "a misspelt register", HEAD "[[sim.reference]]\nmesurement = \"" HEX96 "\"\n", "line 5",
      BLIND_POLICY_KEY },
    { "a misspelt requirement", HEAD "require = [\"smt-of\"]\n" SET, "smt-of", BLIND_POLICY_KEY },
    { "a key beside the sets", HEAD SET "[sim.extra]\na = 1\n", "extra", BLIND_POLICY_KEY },
    { "no server", "version = 1\ntees = [\"sim\"]\n" SET, "server", BLIND_POLICY_OPEN },
    { "a server rule of another name", "version = 1\nserver = \"all\"\n", "line 2", BLIND_POLICY },
    { "an empty server rule", "version = 1\nserver = \"\"\n", "line 2", BLIND_POLICY },
    { "both at once", "version = 1\nserver = \"ca or pin\"\n", "line 2", BLIND_POLICY },
    { "no TEEs", "version = 1\nserver = \"any\"\n", "tees", BLIND_POLICY_OPEN },
    { "an empty list of TEEs", "version = 1\nserver = \"any\"\ntees = []\n", "tees",
      BLIND_POLICY_OPEN },
    { "an unknown TEE", "version = 1\nserver = \"any\"\ntees = [\"any\"]\n", "line 3",
      BLIND_POLICY },
    { "a TEE twice", "version = 1\nserver = \"any\"\ntees = [\"sim\", \"sim\"]\n", "twice",
      BLIND_POLICY },
    { "a TEE that is no string", "version = 1\nserver = \"any\"\ntees = [1]\n", "line 3",
      BLIND_POLICY },
    { "no reference", HEAD, "sim.reference", BLIND_POLICY_OPEN },
    { "an empty list of references", HEAD "sim.reference = []\n", "sim.reference",
      BLIND_POLICY_OPEN },
    { "a reference without a measurement", HEAD "[[sim.reference]]\nname = \"a\"\n", "measurement",
      BLIND_POLICY_OPEN },
    { "an empty measurement", HEAD "[[sim.reference]]\nmeasurement = \"\"\n", "line 5",
      BLIND_POLICY },
    { "a short measurement", HEAD "[[sim.reference]]\nmeasurement = \"" HEX64 "\"\n", "line 5",
      BLIND_POLICY },
    { "letters that are no digits", HEAD "[models]\na = \"" HEX64 "\"\nb = \"xx" HEX64 "\"\n" SET,
      "line 6", BLIND_POLICY },
    { "a name that ends the line",
      HEAD "[[sim.reference]]\nname = \"a\\nb\"\nmeasurement = \"any\"\n", "line 5", BLIND_POLICY },
    { "debug as a word", HEAD "allow_debug = \"false\"\n" SET, "line 4", BLIND_POLICY },
    { "freshness for ever", HEAD "freshness_s = 0\n" SET, "line 4", BLIND_POLICY },
    { "freshness below nothing", HEAD "freshness_s = -1\n" SET, "line 4", BLIND_POLICY },
    { "freshness of a lifetime", HEAD "freshness_s = 9223372036854775807\n" SET, "line 4",
      BLIND_POLICY },
    { "a time without its offset", HEAD "not_after = 2030-01-01T00:00:00\n" SET, "line 4",
      BLIND_POLICY },
    { "a date", HEAD "not_after = 2030-01-01\n" SET, "line 4", BLIND_POLICY },
    { "a time as a number", HEAD "not_after = 1893456000\n" SET, "line 4", BLIND_POLICY },
    { "models in a list", HEAD "models = []\n" SET, "line 4", BLIND_POLICY },
    { "others as a boolean", HEAD SET "[models]\nothers = true\n", "line 7", BLIND_POLICY },
    { "others of another name", HEAD SET "[models]\nothers = \"any\"\n", "line 7", BLIND_POLICY },
    { "a model without a digest", HEAD SET "[models]\na = \"\"\n", "line 7", BLIND_POLICY },
    { "a model of any digest", HEAD SET "[models]\na = \"any\"\n", "line 7", BLIND_POLICY },
    { "a model's name with a space", HEAD SET "[models]\n\"a b\" = \"" HEX64 "\"\n", "line 7",
      BLIND_POLICY },
    { "a rule twice", HEAD "server = \"any\"\n" SET, "line 4", BLIND_POLICY },
    { "another TEE's reference", "version = 1\nserver = \"any\"\ntees = []\n" SET, "tees",
      BLIND_POLICY },
};

TEST(what_is_wrong_is_refused_where_it_stands)
{
    for (size_t i = 0; i < BL_LEN(refused); i++) {
        blind_policy *policy;
        blind_error   err = { 0 };
        CHECK_CODE(refused[i].want, load(refused[i].text, &policy, &err), refused[i].name);
        assert_null(policy);
        assert_int_equal(refused[i].want, err.code);
        assert_int_equal(13, blind_code_exit(err.code));
        if (!strstr(err.message, refused[i].says))
            fail_msg("%s: '%s' does not say '%s'", refused[i].name, err.message, refused[i].says);
    }
}

/* A policy cut short is never a policy of fewer rules by accident: it lacks its sets, or it is one
 * whose missing rules are strict. */
TEST(every_prefix_is_refused_or_stricter)
{
    static const char text[] = HEAD "allow_debug = true\nfreshness_s = 999\n" SET
                                    "[models]\nothers = \"allow\"\nabsent = \"allow\"\n";
    for (size_t keep = 0; keep < sizeof text - 1; keep++) {
        blind_policy *policy;
        if (blind_policy_load_text(bl_span(text, keep), &policy, NULL) != BLIND_OK)
            continue;
        assert_int_equal(1, policy->tees[0].sets_len);
        CHECK(!policy->tees[0].sets[0].registers[0].any);
        blind_policy_free(policy);
    }
}

static void digest_of(const char *text, uint8_t out[32])
{
    blind_policy *p = good(text);
    blind_policy_digest(p, out);
    blind_policy_free(p);
}

TEST(the_digest_is_of_the_meaning)
{
    uint8_t           base[32], other[32];
    const char *const same[] = {
        "# a comment\n" HEAD SET,
        "tees = ['sim']\nserver = 'any'\n\n\nversion = 0x1\nallow_debug = false\n" SET,
        HEAD "[[sim.reference]]\nname = \"set 1\"\nmeasurement = \"" HEX96 "\"\n[models]\n",
        HEAD "freshness_s = 300\nrequire = []\nsim.reference = [{measurement = '" HEX96 "'}]\n",
    };
    const char *const others[] = {
        "version = 1\nserver = \"ca\"\ntees = [\"sim\"]\n" SET,
        HEAD "allow_debug = true\n" SET,
        HEAD "freshness_s = 301\n" SET,
        HEAD "require = [\"smt-off\"]\n" SET,
        HEAD "not_after = 2030-01-01T00:00:00Z\n" SET,
        HEAD "[[sim.reference]]\nmeasurement = \"any\"\n",
        HEAD SET SET,
        HEAD     SET "[models]\nothers = \"allow\"\n",
        HEAD     SET "[models]\nabsent = \"allow\"\n",
        HEAD     SET "[models]\na = \"" HEX64 "\"\n",
    };
    digest_of(HEAD SET, base);
    for (size_t i = 0; i < BL_LEN(same); i++) {
        digest_of(same[i], other);
        if (memcmp(base, other, 32) != 0)
            fail_msg("other digest: %s", same[i]);
    }
    for (size_t i = 0; i < BL_LEN(others); i++) {
        digest_of(others[i], other);
        if (memcmp(base, other, 32) == 0)
            fail_msg("same digest: %s", others[i]);
    }
}

TEST(the_normalised_text_is_a_policy_of_the_same_digest)
{
    uint8_t       digest[32], again[32];
    blind_policy *p = good(HEAD "not_after = 2030-06-01T12:00:00.5Z\nrequire = [\"smt-off\"]\n" SET
                                "[models]\n'x\"y\\z' = \"" HEX64 "\"\n");
    blind_policy_digest(p, digest);
    digest_of(blind_policy_text(p), again);
    assert_memory_equal(digest, again, 32);
    blind_policy_free(p);
}

static bool warns(const blind_policy *p, const char *of)
{
    const char *text;
    for (size_t i = 0; (text = blind_policy_warning(p, i)); i++)
        if (strstr(text, of))
            return true;
    return false;
}

TEST(what_is_open_is_warned_of)
{
    blind_policy     *p = good(HEAD "allow_debug = true\nfreshness_s = 90000\n[[sim.reference]]\n"
                                        "measurement = \"any\"\n[models]\nothers = \"allow\"\n"
                                        "absent = \"allow\"\n");
    const char *const of[] = { "server",    "\"sim\"",       "any code",      "allow_debug",
                               "not_after", "models.others", "models.absent", "freshness_s" };
    for (size_t i = 0; i < BL_LEN(of); i++)
        CHECK(warns(p, of[i]));
    blind_policy_free(p);
    p = good(
        "version = 1\nserver = \"ca\"\nnot_after = 2030-01-01T00:00:00Z\ntees = [\"sim\"]\n" SET);
    CHECK(warns(p, "\"sim\""));
    assert_null(blind_policy_warning(p, 1));
    blind_policy_free(p);
}

/* ---- BlindAI's form ---- */

#define MISC    "misc_select_hex = \"0x0\"\nmisc_mask_hex = \"0xffffffff\"\n"
#define FLAGS   "attributes_flags_hex = \"0x4\"\nattributes_mask_flags_hex = \"0xfffffffffffffffd\"\n"
#define XFRM    "attributes_xfrm_hex = \"0x3\"\nattributes_mask_xfrm_hex = \"0xffffffffffffff1b\"\n"
#define BLINDAI "mr_enclave = \"" HEX64 "\"\n" MISC FLAGS XFRM "allow_debug = false\n"

TEST(blindais_policy_is_read_as_it_is)
{
    blind_policy *p = good(BLINDAI);
    uint8_t       digest[32], again[32];
    assert_non_null(p->sgx);
    assert_string_equal("sgx", p->tees[0].tee);
    assert_int_equal(0x23, p->sgx->mr_enclave[1]);
    assert_int_equal(0, p->sgx->misc_select);
    assert_int_equal(UINT32_MAX, p->sgx->misc_mask);
    CHECK(p->sgx->flags == 4 && p->sgx->flags_mask == 0xfffffffffffffffd);
    CHECK(p->sgx->xfrm == 3 && p->sgx->xfrm_mask == 0xffffffffffffff1b);
    CHECK(!p->allow_debug && p->others && p->absent);
    assert_int_equal(BLIND_SERVER_IDENTIFIED, blind_policy_server(p));
    CHECK(warns(p, "SWHardeningNeeded"));
    blind_policy_digest(p, digest);
    digest_of(blind_policy_text(p), again);
    assert_memory_equal(digest, again, 32);
    blind_policy_free(p);
}

static const struct {
    const char *name, *text;
    blind_code  want;
} blindai_refused[] = {
    { "an unknown key", BLINDAI "alow_debug = true\n", BLIND_POLICY_KEY },
    { "our keys beside BlindAI's", BLINDAI "server = \"any\"\n", BLIND_POLICY_KEY },
    { "a mask is missing", "mr_enclave = \"" HEX64 "\"\n" MISC FLAGS, BLIND_POLICY_OPEN },
    { "a short mr_enclave", "mr_enclave = \"00\"\n" MISC FLAGS XFRM, BLIND_POLICY },
    { "an empty mr_enclave", "mr_enclave = \"\"\n" MISC FLAGS XFRM, BLIND_POLICY },
    { "33 bits",
      "mr_enclave = \"" HEX64 "\"\n" FLAGS XFRM
      "misc_select_hex = \"0x100000000\"\nmisc_mask_hex = \"0x0\"\n",
      BLIND_POLICY },
    { "65 bits",
      "mr_enclave = \"" HEX64 "\"\n" MISC FLAGS "attributes_xfrm_hex = \"0x10000000000000000\"\n",
      BLIND_POLICY },
    { "no digits", "mr_enclave = \"" HEX64 "\"\n" MISC FLAGS "attributes_xfrm_hex = \"0x\"\n",
      BLIND_POLICY },
    { "a number", "mr_enclave = \"" HEX64 "\"\n" MISC FLAGS "attributes_xfrm_hex = 3\n",
      BLIND_POLICY },
};

TEST(damaged_policies_of_blindai_are_refused)
{
    for (size_t i = 0; i < BL_LEN(blindai_refused); i++) {
        blind_policy *policy;
        CHECK_CODE(blindai_refused[i].want, load(blindai_refused[i].text, &policy, NULL),
                   blindai_refused[i].name);
        assert_null(policy);
    }
}

/* ---- owners and files ---- */

TEST(a_shared_policy_lives_until_its_last_owner)
{
    blind_policy *p = good(HEAD SET), *q = blind_policy_share(p);
    blind_policy_free(p);
    CHECK(strstr(blind_policy_text(q), "version = 1"));
    blind_policy_free(q);
    blind_policy_free(NULL);
}

TEST(a_file_that_is_not_there_is_named)
{
    blind_policy *policy;
    blind_error   err = { 0 };
    CHECK(blind_policy_load_file("/nonexistent/policy.toml", &policy, &err) != BLIND_OK);
    assert_null(policy);
    CHECK(strstr(err.message, "/nonexistent/policy.toml"));
}

TESTS(RUN(what_is_not_said_is_strict), RUN(what_is_said_is_read),
      RUN(what_is_wrong_is_refused_where_it_stands), RUN(every_prefix_is_refused_or_stricter),
      RUN(the_digest_is_of_the_meaning), RUN(the_normalised_text_is_a_policy_of_the_same_digest),
      RUN(what_is_open_is_warned_of), RUN(blindais_policy_is_read_as_it_is),
      RUN(damaged_policies_of_blindai_are_refused), RUN(a_shared_policy_lives_until_its_last_owner),
      RUN(a_file_that_is_not_there_is_named))
