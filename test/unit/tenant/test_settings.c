/* SPDX-License-Identifier: UNLICENSED */
/* What a tenant's settings may say, and what is said of those that may not. */
#include "ml/jsonx.h"
#include "ml/tenant.h"
#include "unit.h"

#define MINUTE INT64_C(60000)

static struct arena arena;
static struct tenant_settings got;
static struct fault fault;

static const char *const oauth[] = {"hubspot_token", "fusion_client_secret",
                                    NULL};
static const char *const key[] = {"hubspot_token", "fusion_private_key", NULL};
static const char *const password[] = {"hubspot_token", "fusion_password",
                                       NULL};

#define URL "\"fusion_url\":\"https://pod.example.com\""
#define OAUTH                                                                  \
    URL ",\"fusion_token_url\":\"https://idcs.example.com/token\","            \
        "\"fusion_client_id\":\"id\",\"fusion_scope\":\"urn:x\""

static enum err
read_with(const char *settings, const char *const *secrets)
{
    fault_clear(&fault);
    arena_fini(&arena);
    arena_init(&arena);
    return tenant_settings_read(&arena, settings, secrets, &got, &fault);
}

/* One more setting on top of what suffices. */
static enum err
read_one(const char *name, const char *value)
{
    json_t *o = json_loads("{" OAUTH "}", 0, NULL);
    char *text;
    enum err err;

    json_object_set_new(o, name, json_string(value));
    text = json_dumps(o, 0);
    err = read_with(text, oauth);
    free(text);
    json_decref(o);
    return err;
}

TEST(the_least_there_must_be_gives_the_defaults)
{
    OK(read_with("{" OAUTH "}", oauth));
    EQ_STR(got.fusion_url, "https://pod.example.com");
    EQ_STR(got.fusion_auth, "client-credentials");
    EQ_STR(got.hubspot_url, "https://api.hubapi.com");
    EQ_STR(got.hubspot_tier, "starter");
    EQ_STR(got.hubspot_api_version, "2026-03");
    EQ_INT(got.hubspot_limit, 100);
    EQ_INT(got.hubspot_daily_limit, 250000);
    for (int k = 0; k < FEED_KINDS; k++) {
        EQ_INT(got.interval_ms[k], 15 * MINUTE);
    }
    EQ_INT(got.since_us, 0);
    IS(got.key_prefix == NULL && got.business_units == NULL);
    IS(got.mapping == NULL && got.fusion_user == NULL);
    arena_fini(&arena);
}

TEST(everything_that_is_given_is_taken)
{
    OK(read_with("{" OAUTH ",\"hubspot_url\":\"http://127.0.0.1:8080\","
                 "\"hubspot_tier\":\"enterprise\",\"hubspot_limit\":\"50\","
                 "\"hubspot_daily_limit\":\"1000\","
                 "\"hubspot_api_version\":\"v3\",\"key_prefix\":\"eu-\","
                 "\"since\":\"2026-01-01\",\"mapping_file\":\"x\","
                 "\"business_unit\":[\"Vision One\",\"Vision Two\"]}",
                 oauth));
    EQ_STR(got.hubspot_url, "http://127.0.0.1:8080");
    EQ_INT(got.hubspot_limit, 50);
    EQ_INT(got.hubspot_daily_limit, 1000);
    EQ_STR(got.hubspot_api_version, "v3");
    EQ_STR(got.key_prefix, "eu-");
    EQ_STR(got.mapping, "x");
    EQ_STR(got.business_units[0], "Vision One");
    EQ_STR(got.business_units[1], "Vision Two");
    IS(got.business_units[2] == NULL);
    EQ_INT(got.since_us, INT64_C(1767225600000000));
    arena_fini(&arena);
}

TEST(each_tier_has_its_limits)
{
    static const struct {
        const char *tier;
        int64_t limit, daily;
    } tiers[] = {{"free", 100, 250000},
                 {"starter", 100, 250000},
                 {"professional", 190, 625000},
                 {"enterprise", 190, 1000000}};

    for (size_t i = 0; i < COUNT_OF(tiers); i++) {
        OK(read_one("hubspot_tier", tiers[i].tier));
        EQ_INT(got.hubspot_limit, tiers[i].limit);
        EQ_INT(got.hubspot_daily_limit, tiers[i].daily);
    }
    arena_fini(&arena);
}

TEST(a_setting_that_does_not_fit_is_named_by_its_flag)
{
    static const struct {
        const char *name, *value, *flag;
    } bad[] = {
        {"fusion_url", "pod.example.com", "--fusion-url"},
        {"fusion_url", "", "--fusion-url"},
        {"fusion_url", "ftp://pod.example.com", "--fusion-url"},
        {"fusion_token_url", "idcs", "--fusion-token-url"},
        {"hubspot_url", "https://", "--hubspot-url"},
        {"fusion_auth", "kerberos", "--fusion-auth"},
        {"fusion_auth", "", "--fusion-auth"},
        {"hubspot_tier", "gold", "--hubspot-tier"},
        {"hubspot_tier", "Professional", "--hubspot-tier"},
        {"hubspot_api_version", "2025-01", "--hubspot-api-version"},
        {"hubspot_limit", "0", "--hubspot-limit"},
        {"hubspot_limit", "-1", "--hubspot-limit"},
        {"hubspot_limit", "10001", "--hubspot-limit"},
        {"hubspot_limit", "ten", "--hubspot-limit"},
        {"hubspot_limit", "", "--hubspot-limit"},
        {"hubspot_limit", "99999999999999999999999", "--hubspot-limit"},
        {"hubspot_limit", "1.5", "--hubspot-limit"},
        {"hubspot_daily_limit", "0", "--hubspot-daily-limit"},
        {"hubspot_daily_limit", "100000001", "--hubspot-daily-limit"},
        {"interval", "59s", "--interval:"},
        {"interval", "25h", "--interval:"},
        {"interval", "15", "--interval:"},
        {"interval_customers", "0s", "--interval-customers"},
        {"interval_invoices", "2d", "--interval-invoices"},
        {"interval_payments", "soon", "--interval-payments"},
        {"since", "yesterday", "--since"},
        {"since", "2026-13-01", "--since"},
        {"since", "", "--since"},
    };

    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        enum err err = read_one(bad[i].name, bad[i].value);

        ck_assert_msg(err == ERR_CONFIG, "%s=\"%s\" gives %s", bad[i].name,
                      bad[i].value, err_name(err));
        EQ_ERR(fault.err, ERR_CONFIG);
        HAS(fault.message, bad[i].flag);
    }
    arena_fini(&arena);
}

TEST(bounds_themselves_fit)
{
    static const struct {
        const char *name, *value;
    } good[] = {{"hubspot_limit", "1"},
                {"hubspot_limit", "10000"},
                {"hubspot_daily_limit", "1"},
                {"hubspot_daily_limit", "100000000"},
                {"interval", "1m"},
                {"interval", "24h"},
                {"interval", "1d"},
                {"interval_invoices", "60s"},
                {"hubspot_api_version", "2026-09"},
                {"since", "2026-01-01T12:00:00Z"},
                {"since", "2026-01-01T12:00:00+02:00"}};

    for (size_t i = 0; i < COUNT_OF(good); i++) {
        enum err err = read_one(good[i].name, good[i].value);

        ck_assert_msg(err == ERR_OK, "%s=\"%s\": %s", good[i].name,
                      good[i].value, fault.message);
    }
    EQ_INT(got.since_us, INT64_C(1767261600000000));
    arena_fini(&arena);
}

TEST(the_interval_of_a_feed_wins_over_the_common_one)
{
    OK(read_with("{" OAUTH ",\"interval\":\"30m\","
                 "\"interval_payments\":\"1h\"}",
                 oauth));
    EQ_INT(got.interval_ms[FEED_CUSTOMERS], 30 * MINUTE);
    EQ_INT(got.interval_ms[FEED_INVOICES], 30 * MINUTE);
    EQ_INT(got.interval_ms[FEED_PAYMENTS], 60 * MINUTE);
    arena_fini(&arena);
}

TEST(an_empty_business_unit_is_refused_and_an_empty_list_means_all)
{
    EQ_ERR(read_with("{" OAUTH ",\"business_unit\":[\"\"]}", oauth),
           ERR_CONFIG);
    HAS(fault.message, "--business-unit");
    OK(read_with("{" OAUTH ",\"business_unit\":[]}", oauth));
    IS(got.business_units == NULL);
    arena_fini(&arena);
}

/* ---- what each kind of authentication needs ----------------------------- */

struct lack {
    const char *settings;
    const char *const *secrets;
    const char *flag;
};

static void
each_lacks(const struct lack *lacks, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        EQ_ERR(read_with(lacks[i].settings, lacks[i].secrets), ERR_CONFIG);
        HAS(fault.message, lacks[i].flag);
        HAS(fault.message, "is missing");
    }
}

TEST(client_credentials_need_their_five)
{
    static const char *const no_secret[] = {"hubspot_token", NULL};
    static const char *const no_token[] = {"fusion_client_secret", NULL};
    static const struct lack lacks[] = {
        {"{}", oauth, "--fusion-url"},
        {"{" URL "}", oauth, "--fusion-token-url"},
        {"{" URL ",\"fusion_token_url\":\"https://t.example.com\"}", oauth,
         "--fusion-client-id"},
        {"{" URL ",\"fusion_token_url\":\"https://t.example.com\","
         "\"fusion_client_id\":\"i\"}",
         oauth, "--fusion-scope"},
        {"{" OAUTH "}", no_secret, "--fusion-client-secret-file"},
        {"{" OAUTH "}", no_token, "--hubspot-token-file"},
    };

    each_lacks(lacks, COUNT_OF(lacks));
    arena_fini(&arena);
}

#define JWT "{" OAUTH ",\"fusion_auth\":\"jwt-assertion\""

TEST(jwt_assertions_need_user_key_id_and_key)
{
    static const struct lack lacks[] = {
        {JWT "}", key, "--fusion-user"},
        {JWT ",\"fusion_user\":\"u\"}", key, "--fusion-key-id"},
        {JWT ",\"fusion_user\":\"u\",\"fusion_key_id\":\"k\"}", oauth,
         "--fusion-private-key-file"},
    };

    each_lacks(lacks, COUNT_OF(lacks));
    OK(read_with(JWT ",\"fusion_user\":\"u\",\"fusion_key_id\":\"k\"}", key));
    EQ_STR(got.fusion_user, "u");
    EQ_STR(got.fusion_key_id, "k");
    arena_fini(&arena);
}

TEST(basic_needs_user_and_password_and_no_token_endpoint)
{
    static const struct lack lacks[] = {
        {"{" URL ",\"fusion_auth\":\"basic\"}", password, "--fusion-user"},
        {"{" URL ",\"fusion_auth\":\"basic\",\"fusion_user\":\"u\"}", oauth,
         "--fusion-password-file"},
    };

    each_lacks(lacks, COUNT_OF(lacks));
    OK(read_with("{" URL ",\"fusion_auth\":\"basic\",\"fusion_user\":\"u\"}",
                 password));
    arena_fini(&arena);
}

TEST(without_secrets_to_look_at_only_the_settings_are_checked)
{
    OK(read_with("{" URL "}", NULL));
    EQ_ERR(read_with("{" URL ",\"hubspot_tier\":\"x\"}", NULL), ERR_CONFIG);
    arena_fini(&arena);
}

TEST(what_is_no_json_object_is_refused)
{
    NOT(read_with("", oauth) == ERR_OK);
    NOT(read_with("{", oauth) == ERR_OK);
    NOT(read_with("[]", oauth) == ERR_OK);
    NOT(read_with("null", oauth) == ERR_OK);
    arena_fini(&arena);
}

/* ---- names -------------------------------------------------------------- */

TEST(tenant_names_are_short_and_plain)
{
    static const char *const good[] = {"a", "7", "demo", "acme-eu-1", "a-"};
    static const char *const bad[] = {"",    "-a",       "Demo", "a_b", "a b",
                                      "a.b", "\xc3\xa4", "a/b",  "a\n"};
    char longest[65];

    for (size_t i = 0; i < COUNT_OF(good); i++) {
        OK(tenant_name_check(good[i], &fault));
    }
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        EQ_ERR(tenant_name_check(bad[i], &fault), ERR_USAGE);
        HAS(fault.message, "tenant name");
    }
    memset(longest, 'a', 64);
    longest[64] = '\0';
    EQ_ERR(tenant_name_check(longest, &fault), ERR_USAGE);
    longest[63] = '\0';
    OK(tenant_name_check(longest, &fault));
}

/* ---- the dispatcher's configuration ------------------------------------- */

TEST(the_dispatcher_gets_the_tenants_limit_and_the_settings_of_the_worker)
{
    struct conf c = {.hubspot_window = 10000,
                     .hubspot_linger = 250,
                     .hubspot_linger_busy = 15000,
                     .hubspot_cutoff = 100000,
                     .hubspot_pace = 200,
                     .hubspot_depth = 20,
                     .retry_base = 1000,
                     .retry_cap = 900000,
                     .retry_attempts = 10,
                     .jobs_in_memory = 1234};
    struct dispatch_config d;

    OK(read_one("hubspot_limit", "42"));
    d = tenant_dispatch_config(&c, &got, "4711", "me");
    EQ_STR(d.portal, "4711");
    EQ_STR(d.worker, "me");
    EQ_UINT(d.limit, 42);
    EQ_INT(d.window_ms, 10000);
    EQ_INT(d.linger_ms, 250);
    EQ_INT(d.linger_busy_ms, 15000);
    EQ_INT(d.cutoff_ms, 100000);
    EQ_UINT(d.pace_percent, 200);
    EQ_UINT(d.depth, 20);
    EQ_INT(d.retry_base_ms, 1000);
    EQ_INT(d.retry_cap_ms, 900000);
    EQ_UINT(d.retry_attempts, 10);
    EQ_UINT(d.jobs_max, 1234);
    arena_fini(&arena);
}

SUITE(settings, RUN(the_least_there_must_be_gives_the_defaults),
      RUN(everything_that_is_given_is_taken), RUN(each_tier_has_its_limits),
      RUN(a_setting_that_does_not_fit_is_named_by_its_flag),
      RUN(bounds_themselves_fit),
      RUN(the_interval_of_a_feed_wins_over_the_common_one),
      RUN(an_empty_business_unit_is_refused_and_an_empty_list_means_all),
      RUN(client_credentials_need_their_five),
      RUN(jwt_assertions_need_user_key_id_and_key),
      RUN(basic_needs_user_and_password_and_no_token_endpoint),
      RUN(without_secrets_to_look_at_only_the_settings_are_checked),
      RUN(what_is_no_json_object_is_refused),
      RUN(tenant_names_are_short_and_plain),
      RUN(the_dispatcher_gets_the_tenants_limit_and_the_settings_of_the_worker))
