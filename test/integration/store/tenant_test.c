/* SPDX-License-Identifier: UNLICENSED */
/*
 * Tenants, secrets, cursors, polls and reports.
 */
#include "fix.h"

TEST(tenant_is_added_changed_and_removed)
{
    struct fix f;
    struct got g = {0};

    fix_open(&f, false);
    CALL(&f, &g, store_tenant_add, "acme", "{\"a\":\"1\",\"b\":[\"x\"]}",
         "{\"hubspot_token\":\"s1\"}", "ann@host", on_done);
    OK(g.err);
    CALL(&f, &g, store_tenant_add, "acme", "{}", "{}", "ann@host", on_done);
    EQ_ERR(g.err, ERR_EXISTS);
    CALL(&f, &g, store_tenant_set, "acme", "{\"a\":null,\"c\":\"3\"}",
         "{\"hubspot_token\":\"s2\",\"fusion_password\":\"s3\"}", "ann@host",
         on_done);
    OK(g.err);
    CALL(&f, &g, store_tenant_set, "nobody", "{}", NULL, "ann@host", on_done);
    EQ_ERR(g.err, ERR_NOT_FOUND);
    CALL(&f, &g, store_tenants, "acme", on_tenants);
    EQ_STR(g.text, "acme active - {\"b\": [\"x\"], \"c\": \"3\"} "
                   "{\"hubspot_token\": \"s2\", \"fusion_password\": "
                   "\"s3\"} rev=2\n");
    CALL(&f, &g, store_tenant_state, "acme", NULL, "removed", NULL, "operator",
         on_done);
    OK(g.err);
    CALL(&f, &g, store_tenants, NULL, on_tenants);
    EQ_INT(g.n, 0);
    SQL_IS(&f,
           "tenant.added ann@host,tenant.set ann@host,tenant.state operator",
           "SELECT string_agg(event || ' ' || worker, ',' ORDER BY id) FROM "
           "ml_connector.audit_event");
    SQL_IS(&f, "0", "SELECT count(*) FROM ml_connector.secret");
    CALL(&f, &g, store_tenant_add, "acme", "{}", "{}", "ann@host", on_done);
    OK(g.err);
    SQL_IS(&f, "0",
           "SELECT count(*) FROM ml_connector.audit_event WHERE "
           "after::text || coalesce(message, '') ~ 's[123]\"'");
    got_clear(&g);
    fix_close(&f);
}

TEST(state_moves_only_from_the_state_named)
{
    struct fix f;
    struct got g = {0};

    fix_open(&f, false);
    (void)fix_tenant(&f, "acme");
    CALL(&f, &g, store_tenant_state, "acme", "halted", "active", NULL, "w1",
         on_done);
    OK(g.err);
    SQL_IS(&f, "0",
           "SELECT count(*) FROM ml_connector.audit_event WHERE "
           "event = 'tenant.state'");
    CALL(&f, &g, store_tenant_state, "acme", "active", "halted", "401", "w1",
         on_done);
    OK(g.err);
    SQL_IS(&f, "halted/401/halted",
           "SELECT state || '/' || reason || '/' || "
           "health FROM ml_dashboard.tenants");
    SQL_IS(&f, "w1",
           "SELECT worker FROM ml_dashboard.audit WHERE event = "
           "'tenant.state'");
    CALL(&f, &g, store_tenant_state, "x", NULL, "paused", NULL, "w1", on_done);
    EQ_ERR(g.err, ERR_NOT_FOUND);
    got_clear(&g);
    fix_close(&f);
}

TEST(secret_is_replaced_only_if_unchanged)
{
    struct fix f;
    struct got g = {0};
    const char *id;

    fix_open(&f, false);
    CALL(&f, &g, store_tenant_add, "acme", "{}",
         "{\"a\":\"old\",\"b\":\"moved\"}", "ann@host", on_done);
    OK(g.err);
    id = fix_sql(&f, "SELECT id FROM ml_connector.tenant");
    CALL(&f, &g, store_secrets, on_json);
    HAS(g.json, "\"sealed\": \"old\"");
    CALL(&f, &g, store_secrets_replace,
         text("[{\"tenant\":%s,\"field\":\"a\",\"old\":\"old\",\"new\":"
              "\"n1\"},{\"tenant\":%s,\"field\":\"b\",\"old\":\"x\","
              "\"new\":\"n2\"}]",
              id, id),
         on_json);
    EQ_STR(g.json, "{\"replaced\": 1}");
    SQL_IS(&f, "n1,moved",
           "SELECT string_agg(sealed, ',' ORDER BY field) "
           "FROM ml_connector.secret");
    got_clear(&g);
    fix_close(&f);
}

TEST(poll_shows_in_feeds_with_lag_and_error)
{
    struct fix f;
    struct got g = {0};
    struct store_poll p = {.feed = "invoices",
                           .poll = "p1",
                           .worker = "w1",
                           .state = "polling",
                           .outcome = "",
                           .interval_ms = 900000,
                           .requests = 0};

    fix_open(&f, false);
    p.tenant = fix_tenant(&f, "acme");
    CALL(&f, &g, store_poll_save, &p, on_done);
    OK(g.err);
    SQL_IS(&f, "polling", "SELECT state FROM ml_dashboard.feeds");
    p.state = "idle";
    p.outcome = "ok";
    p.requests = 5;
    CALL(&f, &g, store_poll_save, &p, on_done);
    OK(g.err);
    SQL_IS(&f, "t",
           "SELECT state = 'idle' AND lag_seconds BETWEEN 0 AND 60 "
           "AND interval_seconds = 900 AND last_error IS NULL FROM "
           "ml_dashboard.feeds");
    p.poll = "p2";
    p.state = "backoff";
    p.outcome = "TIMEOUT";
    p.message = "no answer";
    p.requests = 2;
    CALL(&f, &g, store_poll_save, &p, on_done);
    OK(g.err);
    SQL_IS(&f, "TIMEOUT: no answer",
           "SELECT last_error FROM "
           "ml_dashboard.feeds WHERE last_success "
           "IS NOT NULL");
    SQL_IS(&f, "delayed", "SELECT health FROM ml_dashboard.tenants");
    p.poll = "p3"; /* served whoever waits: the feed is as old as before */
    p.by_id = true;
    p.outcome = "ok";
    p.state = "idle";
    p.requests = 0;
    CALL(&f, &g, store_poll_save, &p, on_done);
    OK(g.err);
    SQL_IS(&f, "p1/p2/TIMEOUT",
           "SELECT concat_ws('/', (SELECT poll FROM ml_connector.poll WHERE "
           "started_at = f.last_success), (SELECT poll FROM ml_connector.poll "
           "WHERE started_at = f.last_poll), f.last_outcome) FROM "
           "ml_connector.feed f");
    SQL_IS(&f, "7/1",
           "SELECT sum(fusion_requests) || '/' || sum(errors) "
           "FROM ml_dashboard.requests_per_minute");
    got_clear(&g);
    fix_close(&f);
}

TEST(accounts_are_found_by_number_and_party)
{
    struct fix f;
    struct got g = {0};
    struct store_intake in = {
        .feed = "customers",
        .worker = "w1",
        .poll = "p",
        .klass = "fresh",
        .records = "[]",
        .accounts = "[{\"number\":\"1\",\"account_id\":\"a1\",\"party\":"
                    "\"77\",\"name\":\"New\",\"href\":\"h\",\"stamp_us\":9},"
                    "{\"number\":\"2\",\"party\":\"77\",\"stamp_us\":5}]",
        .notes = "[{\"event\":\"row_invalid\",\"kind\":\"customer\","
                 "\"id\":\"3\",\"message\":\"no number\"}]",
        .read = 1,
        .invalid = 1};

    fix_open(&f, false);
    in.tenant = fix_tenant(&f, "acme");
    CALL(&f, &g, store_intake, &in, on_intake);
    OK(g.err);
    in.accounts = "[{\"number\":\"1\",\"name\":\"Old\",\"stamp_us\":3}]";
    in.notes = NULL;
    in.read = in.invalid = 0;
    CALL(&f, &g, store_intake, &in, on_intake);
    OK(g.err);
    CALL(&f, &g, store_accounts, in.tenant, "number", "[\"1\",\"9\"]", on_json);
    HAS(g.json, "\"name\": \"New\"");
    LACKS(g.json, "\"number\": \"2\"");
    CALL(&f, &g, store_accounts, in.tenant, "party", "[\"77\"]", on_json);
    HAS(g.json, "\"number\": \"1\"");
    HAS(g.json, "\"number\": \"2\"");
    SQL_IS(&f, "no number",
           "SELECT message FROM ml_dashboard.audit WHERE "
           "event = 'row_invalid' AND fusion_id = '3'");
    SQL_IS(&f, "1/1/0",
           "SELECT read || '/' || invalid || '/' || difference "
           "FROM ml_dashboard.conservation");
    got_clear(&g);
    fix_close(&f);
}

TEST(cursor_is_kept_per_stream)
{
    struct fix f;
    struct got g = {0};
    struct store_intake in = {.feed = "invoices",
                              .worker = "w1",
                              .poll = "p",
                              .klass = "fresh",
                              .cursor = {"receivablesInvoices", 17, "300"}};

    fix_open(&f, false);
    in.tenant = fix_tenant(&f, "acme");
    CALL(&f, &g, store_intake, &in, on_intake);
    OK(g.err);
    in.cursor = (struct store_cursor){"other", 18, ""};
    CALL(&f, &g, store_intake, &in, on_intake);
    in.cursor = (struct store_cursor){"receivablesInvoices", 19, "301"};
    CALL(&f, &g, store_intake, &in, on_intake);
    CALL(&f, &g, store_feed_load, in.tenant, "invoices", on_json);
    HAS(g.json, "\"other\": {\"id\": \"\", \"us\": 18, \"scanned_us\": 0}");
    HAS(g.json, "\"receivablesInvoices\": {\"id\": \"301\", \"us\": 19, ");
    CALL(&f, &g, store_feed_load, in.tenant, "payments", on_json);
    HAS(g.json, "\"cursors\": {}");
    got_clear(&g);
    fix_close(&f);
}

TEST(reports_give_the_columns_of_the_views)
{
    struct fix f;
    struct got g = {0};
    int64_t t;
    struct store_report_spec spec = {
        .report = STORE_REPORT_AUDIT, .tenant = "acme", .record = "customer:1"};

    fix_open(&f, false);
    t = fix_tenant(&f, "acme");
    (void)fix_tenant(&f, "beta");
    fix_intake(&f, &g, t, "customers", "p", "fresh", 1,
               customer("1", 1, 'a', "x@x.example"));
    CALL(&f, &g, store_report, &spec, on_json);
    OK(g.err);
    HAS(g.json, "\"event\":\"seen\"");
    HAS(g.json, "\"hubspot_correlation_id\":null");
    spec.after = 1;
    CALL(&f, &g, store_report, &spec, on_json);
    HAS(g.json, "\"event\":\"seen\"");
    spec.after = 1000000;
    CALL(&f, &g, store_report, &spec, on_json);
    EQ_STR(g.json, "[]");
    for (int i = 0; i <= STORE_REPORT_CONSERVATION; i++) {
        spec.report = (enum store_report)i;
        spec.tenant = NULL;
        spec.record = NULL;
        spec.after = 0;
        CALL(&f, &g, store_report, &spec, on_json);
        OK(g.err);
        EQ_INT(g.json[0], '[');
        if (i == STORE_REPORT_LEASES) {
            HAS(g.json, "\"tenants\":[\"acme\"]");
        }
    }
    spec.report = STORE_REPORT_UNFINISHED;
    spec.tenant = "beta";
    CALL(&f, &g, store_report, &spec, on_json);
    EQ_STR(g.json, "[]");
    got_clear(&g);
    fix_close(&f);
}

SUITE(tenant, RUN_LONG(tenant_is_added_changed_and_removed, 20),
      RUN_LONG(state_moves_only_from_the_state_named, 20),
      RUN_LONG(secret_is_replaced_only_if_unchanged, 20),
      RUN_LONG(poll_shows_in_feeds_with_lag_and_error, 20),
      RUN_LONG(accounts_are_found_by_number_and_party, 20),
      RUN_LONG(cursor_is_kept_per_stream, 20),
      RUN_LONG(reports_give_the_columns_of_the_views, 20))
