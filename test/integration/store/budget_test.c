/* SPDX-License-Identifier: UNLICENSED */
/*
 * What is used of a portal's day: it goes on under the next worker, ends at the
 * portal's midnight, and people see it.
 */
#include "fix.h"

static void
save(struct fix *f, struct got *g, int64_t term, int64_t day,
     const char *counts)
{
    struct store_budget b = {.portal = "P-acme",
                             .worker = "w1",
                             .term = term,
                             .time_zone = "America/New_York",
                             .day = day,
                             .counts = counts};

    CALL(f, g, store_budget_save, &b, on_json);
    ck_assert_msg(g->err == ERR_OK, "%s %s", g->fault.code, g->fault.message);
}

static const char *
counts(int used, int stopped_ms)
{
    return text("{\"used\":%d,\"sent\":%d,\"throttled\":1,\"daily_limit\":1000,"
                "\"stopped_ms\":%d,\"level\":\"open\",\"per_hour\":60,"
                "\"burst_limit\":190,\"tokens_out\":12,\"foreign_use\":40}",
                used, used / 2, stopped_ms);
}

static int64_t
told(const struct got *g, const char *name)
{
    const char *at = strstr(g->json, text("\"%s\": ", name));

    ck_assert_msg(at != NULL, "no %s in %s", name, g->json);
    return strtoll(strchr(at, ':') + 1, NULL, 10);
}

TEST(what_is_used_goes_on_under_the_next_worker)
{
    struct fix f;
    struct got g = {0};
    int64_t day;

    fix_open(&f, false);
    (void)fix_tenant(&f, "acme");
    save(&f, &g, 1, 0, counts(3, 0));
    EQ_INT(told(&g, "used"), 3);
    day = told(&g, "day");
    IS(told(&g, "ends_ms") > 0 && told(&g, "ends_ms") <= 25 * 3600000);
    save(&f, &g, 1, day, counts(500, 60000));
    EQ_INT(told(&g, "used"), 500);
    EQ_INT(told(&g, "sent"), 250);
    IS(told(&g, "stopped_ms") > 50000);
    /* another one begins to count */
    save(&f, &g, 1, 0, counts(2, 0));
    EQ_INT(told(&g, "used"), 502);
    EQ_INT(told(&g, "sent"), 251);
    EQ_INT(told(&g, "throttled"), 2);
    IS(told(&g, "stopped_ms") > 50000); /* and is stopped as well */
    EQ_INT(told(&g, "day"), day);
    save(&f, &g, 1, day, counts(510, 0));
    EQ_INT(told(&g, "stopped_ms"), 0);
    got_clear(&g);
    fix_close(&f);
}

TEST(another_day_begins_with_nothing)
{
    struct fix f;
    struct got g = {0};
    int64_t day;

    fix_open(&f, false);
    (void)fix_tenant(&f, "acme");
    save(&f, &g, 1, 0, counts(900, 0));
    day = told(&g, "day");
    (void)fix_sql(&f, "UPDATE ml_connector.budget SET day_ends = day_ends - "
                      "interval '1 day'");
    SQL_IS(&f, "0 0 open",
           "SELECT concat_ws(' ', used, sent, level) FROM "
           "ml_dashboard.budgets");
    save(&f, &g, 1, 0, counts(2, 0)); /* a new worker */
    EQ_INT(told(&g, "used"), 2);
    save(&f, &g, 1, day - 86400, counts(950, 0)); /* counts of yesterday */
    EQ_INT(told(&g, "used"), 0);
    EQ_INT(told(&g, "throttled"), 0);
    EQ_INT(told(&g, "day"), day);
    got_clear(&g);
    fix_close(&f);
}

TEST(midnight_is_that_of_the_zone_and_of_utc_when_nobody_knows_it)
{
    struct fix f;
    struct got g = {0};

    fix_open(&f, false);
    SQL_IS(&f, "t",
           "SELECT bool_and(to_char(ml_connector.next_midnight(z) AT TIME "
           "ZONE z, 'HH24:MI:SS') = '00:00:00' AND "
           "ml_connector.next_midnight(z) > now() AND "
           "ml_connector.next_midnight(z) <= now() + interval '25 hours') FROM "
           "unnest('{US/Eastern,Europe/Berlin,Asia/Kolkata,Pacific/Auckland,"
           "UTC}'::text[]) z");
    SQL_IS(&f, "t",
           "SELECT ml_connector.next_midnight('Middle/Earth') = "
           "ml_connector.next_midnight('UTC')");
    got_clear(&g);
    fix_close(&f);
}

TEST(without_the_lease_nothing_of_a_budget_is_stored)
{
    struct fix f;
    struct got g = {0};

    fix_open(&f, false);
    (void)fix_tenant(&f, "acme");
    save(&f, &g, 9, 0, counts(3, 0));
    HAS(g.json, "\"held\": false");
    SQL_IS(&f, "0", "SELECT count(*) FROM ml_connector.budget");
    got_clear(&g);
    fix_close(&f);
}

TEST(the_forecast_says_when_it_runs_out)
{
    struct fix f;
    struct got g = {0};

    fix_open(&f, false);
    (void)fix_tenant(&f, "acme");
    save(&f, &g, 1, 0, counts(940, 0));
    /* ten hours to go, an hour's worth left */
    (void)fix_sql(&f, "UPDATE ml_connector.budget SET day_ends = saved_at + "
                      "interval '10 hours'");
    SQL_IS(&f, "94.0 60 1540 60",
           "SELECT concat_ws(' ', used_percent, per_hour, used_at_midnight, "
           "round(extract(epoch FROM runs_out_at - saved_at) / 60)) FROM "
           "ml_dashboard.budgets");
    (void)fix_sql(&f, "UPDATE ml_connector.budget SET daily_limit = 5000");
    SQL_IS(&f, "t", "SELECT runs_out_at IS NULL FROM ml_dashboard.budgets");
    (void)fix_sql(&f, "UPDATE ml_connector.budget SET daily_limit = 900, "
                      "per_hour = 0");
    SQL_IS(&f, "t", "SELECT runs_out_at = saved_at FROM ml_dashboard.budgets");
    CALL(&f, &g, store_report,
         &(struct store_report_spec){.report = STORE_REPORT_BUDGETS,
                                     .tenant = "acme"},
         on_json);
    HAS(g.json, "\"burst_limit\":190");
    HAS(g.json, "\"foreign_use\":40");
    got_clear(&g);
    fix_close(&f);
}

SUITE(budget, RUN_LONG(what_is_used_goes_on_under_the_next_worker, 20),
      RUN_LONG(another_day_begins_with_nothing, 20),
      RUN_LONG(midnight_is_that_of_the_zone_and_of_utc_when_nobody_knows_it,
               20),
      RUN_LONG(without_the_lease_nothing_of_a_budget_is_stored, 20),
      RUN_LONG(the_forecast_says_when_it_runs_out, 20))
