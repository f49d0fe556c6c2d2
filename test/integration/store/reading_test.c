/* SPDX-License-Identifier: UNLICENSED */
/*
 * What reading in the background keeps: passes, how late rows appear, what is
 * to be read again, what Fusion no longer has, and what the view of feeds says
 * of it all.
 */
#include "fix.h"

#define TIES_OUT(fx)                                                           \
    SQL_IS(fx, "0",                                                            \
           "SELECT count(*) FROM ml_dashboard.conservation WHERE "             \
           "difference <> 0")

/* An invoice with further members: ",\"draft\":true". */
static const char *
bill(const char *id, int64_t version_us, char hash, const char *more)
{
    char full[HASH_TEXT_MAX] = {0};

    memset(full, hash, HASH_TEXT_MAX - 1);
    return text("{\"kind\":\"invoice\",\"id\":\"%s\",\"number\":\"N%s\","
                "\"version_us\":%" PRId64 ",\"hash\":\"%s\","
                "\"desired\":{\"objects\":[]}%s}",
                id, id, version_us, full, more);
}

static void
pass_save(struct fix *f, int64_t tenant, const struct store_pass *p)
{
    struct got g = {0};

    CALL(f, &g, store_pass_save, tenant, "invoices", p, on_done);
    OK(g.err);
    got_clear(&g);
}

static void
begin(struct fix *f, int64_t tenant, int64_t from_us, int64_t to_us)
{
    struct store_pass p = {.pass = "backfill:receivablesInvoices",
                           .begin = true,
                           .from_us = from_us,
                           .to_us = to_us};

    pass_save(f, tenant, &p);
}

static void
move(struct fix *f, int64_t tenant, int64_t revision, int64_t at_us, bool done)
{
    struct store_pass p = {.pass = "backfill:receivablesInvoices",
                           .revision = revision,
                           .at_us = at_us,
                           .at_id = "7",
                           .done = done};

    pass_save(f, tenant, &p);
}

/* revision from-to @at/id, and whether it is done */
#define PASS_IS(fx, want)                                                      \
    SQL_IS(fx, want,                                                           \
           "SELECT concat(revision, ' ', from_us, '-', to_us, ' @', at_us, "   \
           "'/', at_id, CASE WHEN done_at IS NOT NULL THEN ' done' END) "      \
           "FROM ml_connector.pass")

TEST(a_pass_begins_moves_ends_and_begins_anew)
{
    struct fix f;
    struct got g = {0};
    int64_t t;

    fix_open(&f, false);
    t = fix_tenant(&f, "acme");
    begin(&f, t, 100, 900);
    PASS_IS(&f, "1 100-900 @100/");
    move(&f, t, 1, 300, false);
    PASS_IS(&f, "1 100-900 @300/7");
    CALL(&f, &g, store_feed_load, t, "invoices", on_json);
    HAS(g.json, "\"backfill:receivablesInvoices\": {");
    HAS(g.json, "\"at_us\": 300");
    HAS(g.json, "\"done_us\": null");
    move(&f, t, 1, 900, true);
    PASS_IS(&f, "1 100-900 @900/7 done");
    move(&f, t, 1, 950, false); /* it is over */
    PASS_IS(&f, "1 100-900 @900/7 done");
    begin(&f, t, 500, 1000); /* not widened: the old one is done */
    PASS_IS(&f, "2 500-1000 @500/");
    got_clear(&g);
    fix_close(&f);
}

TEST(a_pass_under_way_is_widened_and_the_old_walk_moves_nothing)
{
    struct fix f;
    int64_t t;

    fix_open(&f, false);
    t = fix_tenant(&f, "acme");
    begin(&f, t, 500, 900);
    move(&f, t, 1, 700, false);
    begin(&f, t, 600, 800); /* within: it stays wide and goes back */
    PASS_IS(&f, "2 500-900 @600/");
    move(&f, t, 1, 880, true); /* the walk of revision 1 */
    PASS_IS(&f, "2 500-900 @600/");
    move(&f, t, 2, 650, false);
    begin(&f, t, 100, 950);
    PASS_IS(&f, "3 100-950 @100/");
    fix_close(&f);
}

TEST(without_an_end_a_pass_goes_up_to_the_cursor_of_its_stream)
{
    struct fix f;
    struct got g = {0};
    struct store_intake in = {.feed = "invoices",
                              .worker = "w1",
                              .poll = "p",
                              .klass = "fresh",
                              .cursor = {"receivablesInvoices", 7000, "1"}};

    fix_open(&f, false);
    in.tenant = fix_tenant(&f, "acme");
    begin(&f, in.tenant, 100, 0);
    PASS_IS(&f, "1 100-0 @100/");
    CALL(&f, &g, store_intake, &in, on_intake);
    OK(g.err);
    begin(&f, in.tenant, 200, 0);
    PASS_IS(&f, "2 100-7000 @100/");
    got_clear(&g);
    fix_close(&f);
}

TEST(a_pass_moves_with_its_page_or_not_at_all)
{
    struct fix f;
    struct got g = {0};
    struct store_intake in = {
        .feed = "invoices",
        .worker = "w1",
        .poll = "p",
        .klass = "backfill",
        .passes = {{.pass = "backfill:receivablesInvoices",
                    .revision = 1,
                    .at_us = 400,
                    .at_id = "9"}}};

    fix_open(&f, false);
    in.tenant = fix_tenant(&f, "acme");
    begin(&f, in.tenant, 100, 900);
    in.records = text("[%s]", bill("1", 400, 'a', ""));
    in.read = 1;
    CALL(&f, &g, store_intake, &in, on_intake);
    OK(g.err);
    PASS_IS(&f, "1 100-900 @400/9");
    in.records = "[{\"kind\":\"nothing of the sort\",\"id\":\"2\"}]";
    in.passes[0].at_us = 500;
    CALL(&f, &g, store_intake, &in, on_intake);
    IS(g.err != ERR_OK);
    PASS_IS(&f, "1 100-900 @400/9");
    TIES_OUT(&f);
    got_clear(&g);
    fix_close(&f);
}

/* ---- late rows ---------------------------------------------------------- */

static void
scan(struct fix *f, int64_t tenant, const char *record, int64_t before_us,
     int64_t clock_us)
{
    struct got g = {0};
    struct store_intake in = {.tenant = tenant,
                              .feed = "invoices",
                              .worker = "w1",
                              .poll = "p",
                              .klass = "fresh",
                              .read_us = 1000,
                              .read = 1,
                              .records = text("[%s]", record),
                              .late_before_us = before_us,
                              .late_clock_us = clock_us};

    CALL(f, &g, store_intake, &in, on_intake);
    OK(g.err);
    got_clear(&g);
}

#define LATE_IS(fx, want)                                                      \
    SQL_IS(fx, want, "SELECT late_us FROM ml_connector.feed")

TEST(how_late_rows_appear_is_kept_at_its_most_for_a_week)
{
    struct fix f;
    struct got g = {0};
    int64_t t;

    fix_open(&f, false);
    t = fix_tenant(&f, "acme");
    scan(&f, t, bill("1", 400, 'a', ""), 300, 900); /* in time */
    LATE_IS(&f, "0");
    scan(&f, t, bill("2", 400, 'a', ""), 0, 900); /* this is no scan */
    LATE_IS(&f, "0");
    scan(&f, t, bill("3", 400, 'a', ""), 500, 900);
    LATE_IS(&f, "500");
    scan(&f, t, bill("3", 400, 'a', ""), 500, 2000); /* known by now */
    LATE_IS(&f, "500");
    scan(&f, t, bill("4", 450, 'a', ""), 500, 900); /* less late */
    LATE_IS(&f, "500");
    scan(&f, t, bill("4", 480, 'b', ""), 500, 1000); /* a later version */
    LATE_IS(&f, "520");
    CALL(&f, &g, store_feed_load, t, "invoices", on_json);
    HAS(g.json, "\"late_us\": 520");
    (void)fix_sql(&f, "UPDATE ml_connector.feed SET late_at = now() - "
                      "interval '8 days'");
    CALL(&f, &g, store_feed_load, t, "invoices", on_json);
    HAS(g.json, "\"late_us\": 0");
    scan(&f, t, bill("5", 490, 'a', ""), 500, 900);
    LATE_IS(&f, "410");
    got_clear(&g);
    fix_close(&f);
}

TEST(the_end_of_a_scan_and_its_overlap_are_kept)
{
    struct fix f;
    struct got g = {0};
    struct store_intake in = {.feed = "invoices",
                              .worker = "w1",
                              .poll = "p",
                              .klass = "fresh",
                              .cursor = {"receivablesInvoices", 50, "1"},
                              .scanned = "receivablesInvoices",
                              .scanned_us = 900,
                              .overlap_us = 3600000000};

    fix_open(&f, false);
    in.tenant = fix_tenant(&f, "acme");
    CALL(&f, &g, store_intake, &in, on_intake);
    OK(g.err);
    SQL_IS(&f, "900", "SELECT scanned_us FROM ml_connector.cursor");
    SQL_IS(&f, "3600.000", "SELECT overlap_seconds FROM ml_dashboard.feeds");
    got_clear(&g);
    fix_close(&f);
}

/* ---- gone --------------------------------------------------------------- */

static void
gone(struct fix *f, int64_t tenant, const char *ids)
{
    struct got g = {0};

    CALL(f, &g, store_gone, tenant, ids, on_done);
    OK(g.err);
    got_clear(&g);
}

/* Its job is done. */
static void
finish(struct fix *f, int64_t tenant, const char *id, const char *state)
{
    struct got g = {0};
    const char *job = fix_sql(f,
                              "SELECT id FROM ml_connector.job WHERE "
                              "fusion_id = '%s'",
                              id);

    fix_claim(f, &g, tenant, 10);
    fix_outcome(f, &g, tenant, NULL,
                text("[{\"id\":%s,\"revision\":1,\"state\":\"%s\","
                     "\"error_code\":\"X\"}]",
                     job, state),
                NULL);
    got_clear(&g);
}

#define DRAFT ",\"draft\":true,\"open\":true"
#define STATE_IS(fx, id, want)                                                 \
    SQL_IS(fx, want,                                                           \
           "SELECT concat_ws(' ', state, CASE WHEN open THEN 'open' END, "     \
           "CASE WHEN draft THEN 'draft' END) FROM ml_connector.record "       \
           "WHERE fusion_id = '" id "'")

TEST(a_draft_that_fusion_no_longer_has_is_gone_and_audited)
{
    struct fix f;
    struct got g = {0};
    int64_t t;

    fix_open(&f, false);
    t = fix_tenant(&f, "acme");
    fix_intake(&f, &g, t, "invoices", "p", "fresh", 10,
               bill("1", 5, 'a', DRAFT));
    finish(&f, t, "1", "done");
    STATE_IS(&f, "1", "current open draft");
    gone(&f, t, "[\"1\",\"1\",\"404\"]");
    STATE_IS(&f, "1", "gone");
    SQL_IS(&f, "1",
           "SELECT count(*) FROM ml_dashboard.audit WHERE event = 'gone' AND "
           "kind = 'invoice' AND fusion_id = '1'");
    gone(&f, t, "[\"1\"]"); /* said again */
    SQL_IS(&f, "1",
           "SELECT count(*) FROM ml_dashboard.audit WHERE event = 'gone'");
    CALL(&f, &g, store_drafts, t, "", 10, on_json);
    HAS(g.json, "\"ids\": []");
    TIES_OUT(&f);
    got_clear(&g);
    fix_close(&f);
}

TEST(a_draft_with_work_under_way_is_left_and_a_parked_job_is_closed)
{
    struct fix f;
    struct got g = {0};
    int64_t t;

    fix_open(&f, false);
    t = fix_tenant(&f, "acme");
    fix_intake(&f, &g, t, "invoices", "p", "fresh", 10,
               bill("1", 5, 'a', DRAFT));
    gone(&f, t, "[\"1\"]");
    STATE_IS(&f, "1", "pending open draft");
    SQL_IS(&f, "waiting", "SELECT state FROM ml_connector.job");
    finish(&f, t, "1", "parked");
    gone(&f, t, "[\"1\"]");
    STATE_IS(&f, "1", "gone");
    SQL_IS(&f, "0", "SELECT count(*) FROM ml_connector.job");
    SQL_IS(&f, "1 of 1",
           "SELECT superseded || ' of ' || read FROM "
           "ml_dashboard.conservation");
    TIES_OUT(&f);
    got_clear(&g);
    fix_close(&f);
}

TEST(one_that_comes_back_is_there_again)
{
    struct fix f;
    struct got g = {0};
    int64_t t;

    fix_open(&f, false);
    t = fix_tenant(&f, "acme");
    for (int i = 1; i <= 2; i++) {
        fix_intake(&f, &g, t, "invoices", "p", "fresh", 10,
                   bill(i == 1 ? "1" : "2", 5, 'a', DRAFT));
        finish(&f, t, i == 1 ? "1" : "2", "done");
    }
    gone(&f, t, "[\"1\",\"2\"]");
    /* as it was: nothing to write, nothing said */
    fix_intake(&f, &g, t, "invoices", "p", "fresh", 20,
               bill("1", 5, 'a', DRAFT));
    EQ_UINT(g.intake.unchanged, 1);
    STATE_IS(&f, "1", "current open draft");
    /* changed: a job */
    fix_intake(&f, &g, t, "invoices", "p", "fresh", 20,
               bill("2", 6, 'b', ",\"open\":true"));
    EQ_UINT(g.intake.opened, 1);
    STATE_IS(&f, "2", "pending open");
    TIES_OUT(&f);
    got_clear(&g);
    fix_close(&f);
}

TEST(drafts_come_in_order_with_a_witness)
{
    struct fix f;
    struct got g = {0};
    int64_t t;

    fix_open(&f, false);
    t = fix_tenant(&f, "acme");
    CALL(&f, &g, store_drafts, t, "", 10, on_json);
    EQ_STR(g.json, "{\"ids\": [], \"witness\": null}");
    fix_intake(&f, &g, t, "invoices", "p", "fresh", 10,
               text("%s,%s,%s,%s", bill("12", 5, 'a', DRAFT),
                    bill("11", 5, 'a', DRAFT), bill("13", 5, 'a', DRAFT),
                    bill("20", 5, 'a', ",\"open\":true")));
    CALL(&f, &g, store_drafts, t, "", 2, on_json);
    EQ_STR(g.json, "{\"ids\": [\"11\", \"12\"], \"witness\": \"20\"}");
    CALL(&f, &g, store_drafts, t, "12", 2, on_json);
    EQ_STR(g.json, "{\"ids\": [\"13\"], \"witness\": \"20\"}");
    got_clear(&g);
    fix_close(&f);
}

/* ---- what is to be read again ------------------------------------------- */

#define OPEN(balance) ",\"open\":true,\"balance\":\"" balance "\""

TEST(balances_name_what_differs_what_is_closed_and_what_nobody_knows)
{
    struct fix f;
    struct got g = {0};
    int64_t t;

    fix_open(&f, false);
    t = fix_tenant(&f, "acme");
    fix_intake(&f, &g, t, "invoices", "p", "fresh", 10,
               text("%s,%s,%s,%s", bill("8", 5, 'a', OPEN("1.00")),
                    bill("10", 5, 'a', OPEN("2.00")),
                    bill("11", 5, 'a', OPEN("3.00")),
                    bill("12", 5, 'a', OPEN("4.00"))));
    fix_intake(&f, &g, t, "invoices", "p", "fresh", 10,
               text("%s,%s", bill("13", 5, 'a', OPEN("0")),
                    bill("14", 5, 'a', OPEN("5") ",\"draft\":true")));
    /* 10 as known, 11 differs, 12 is not there any more, 15 is new; 13 owes
     * nothing and 14 is a draft: nobody expects them here */
    CALL(&f, &g, store_balances, t, "9", "19",
         "[{\"id\":\"10\",\"balance\":\"2.0\"},{\"id\":\"11\",\"balance\":"
         "\"2.99\"},{\"id\":\"15\",\"balance\":\"7\"}]",
         on_json);
    EQ_STR(g.json, fix_sql(&f, "SELECT jsonb_build_object('changed', "
                               "'[\"11\", \"12\"]'::jsonb, 'unknown', "
                               "'[\"15\"]'::jsonb)"));
    /* ids are numbers: 8 is below 10 and in the first page */
    CALL(&f, &g, store_balances, t, "", "9", "[]", on_json);
    HAS(g.json, "\"changed\": [\"8\"]");
    CALL(&f, &g, store_balances, t, "11", "", "[]", on_json);
    HAS(g.json, "\"changed\": [\"12\"]");
    got_clear(&g);
    fix_close(&f);
}

TEST(known_ones_not_read_since_come_in_order)
{
    struct fix f;
    struct got g = {0};
    int64_t t;

    fix_open(&f, false);
    t = fix_tenant(&f, "acme");
    fix_intake(&f, &g, t, "customers", "p", "fresh", 10,
               text("%s,%s,%s", customer("3", 5, 'a', NULL),
                    customer("2", 5, 'a', NULL), customer("1", 9, 'a', NULL)));
    CALL(&f, &g, store_missing, t, "customer", "[\"0\"]", on_done);
    OK(g.err);
    (void)fix_sql(&f, "UPDATE ml_connector.record SET last_read = "
                      "to_timestamp(CASE fusion_id WHEN '1' THEN 9 ELSE 5 END "
                      "/ 1000000.0)");
    CALL(&f, &g, store_known, t, "customer", "", INT64_C(9), 10, on_json);
    EQ_STR(g.json, "[\"2\", \"3\"]");
    CALL(&f, &g, store_known, t, "customer", "2", INT64_C(10), 1, on_json);
    EQ_STR(g.json, "[\"3\"]");
    CALL(&f, &g, store_known, t, "invoice", "", INT64_C(10), 10, on_json);
    EQ_STR(g.json, "[]");
    got_clear(&g);
    fix_close(&f);
}

TEST(open_ones_are_read_again_when_they_are_old_enough)
{
    struct fix f;
    struct got g = {0};
    int64_t t;

    fix_open(&f, false);
    t = fix_tenant(&f, "acme");
    fix_intake(&f, &g, t, "invoices", "p", "fresh", 10,
               text("%s,%s,%s", bill("1", 5, 'a', OPEN("1")),
                    bill("2", 5, 'a', OPEN("1")), bill("3", 5, 'a', "")));
    fix_intake(&f, &g, t, "payments", "p", "fresh", 10,
               payment("9:1", "c", "1", 5, 'a'));
    (void)fix_sql(&f, "UPDATE ml_connector.record SET open = true "
                      "WHERE kind = 'payment'");
    CALL(&f, &g, store_open_invoices, t, INT64_C(3600000), 10, on_json);
    EQ_STR(g.json, "[]");
    CALL(&f, &g, store_open_receipts, t, INT64_C(3600000), 10, on_json);
    EQ_STR(g.json, "[]");
    (void)fix_sql(&f, "UPDATE ml_connector.record SET last_read = now() - "
                      "interval '61 minutes' WHERE fusion_id <> '1'");
    CALL(&f, &g, store_open_invoices, t, INT64_C(3600000), 10, on_json);
    EQ_STR(g.json, "[\"2\"]");
    CALL(&f, &g, store_open_receipts, t, INT64_C(3600000), 10, on_json);
    EQ_STR(g.json, "[\"9\"]");
    CALL(&f, &g, store_open_invoices, t, INT64_C(0), 10, on_json);
    EQ_STR(g.json, "[\"2\", \"1\"]");
    got_clear(&g);
    fix_close(&f);
}

/* ---- once for each value ------------------------------------------------ */

#define INDUSTRY(what)                                                         \
    ",\"notes\":[{\"event\":\"industry_unmapped\",\"message\":\"" what "\"}]"

TEST(a_value_without_counterpart_is_audited_once_for_all_records)
{
    struct fix f;
    struct got g = {0};
    int64_t t, other;

    fix_open(&f, false);
    t = fix_tenant(&f, "acme");
    other = fix_tenant(&f, "beta");
    fix_intake(&f, &g, t, "invoices", "p", "fresh", 10,
               text("%s,%s,%s", bill("1", 5, 'a', INDUSTRY("mining")),
                    bill("2", 5, 'a', INDUSTRY("mining")),
                    bill("3", 5, 'a', INDUSTRY("fishing"))));
    SQL_IS(&f, "fishing,mining",
           "SELECT string_agg(message, ',' ORDER BY message) FROM "
           "ml_dashboard.audit WHERE event = 'industry_unmapped'");
    fix_intake(&f, &g, t, "invoices", "p2", "fresh", 10,
               bill("4", 5, 'a', INDUSTRY("mining")));
    SQL_IS(&f, "2",
           "SELECT count(*) FROM ml_dashboard.audit WHERE event = "
           "'industry_unmapped'");
    fix_intake(&f, &g, other, "invoices", "p", "fresh", 10,
               bill("1", 5, 'a', INDUSTRY("mining")));
    SQL_IS(&f, "3",
           "SELECT count(*) FROM ml_dashboard.audit WHERE event = "
           "'industry_unmapped'");
    got_clear(&g);
    fix_close(&f);
}

/* ---- polls and the view of feeds ---------------------------------------- */

TEST(the_end_of_a_poll_ends_what_it_read_for_other_feeds)
{
    struct fix f;
    struct got g = {0};
    int64_t t;
    struct store_poll p = {.feed = "payments",
                           .poll = "p1",
                           .worker = "w1",
                           .state = "polling",
                           .outcome = "",
                           .interval_ms = 900000};

    fix_open(&f, false);
    t = p.tenant = fix_tenant(&f, "acme");
    CALL(&f, &g, store_poll_save, &p, on_done);
    fix_intake(&f, &g, t, "invoices", "p1", "fresh", 10, bill("1", 5, 'a', ""));
    fix_intake(&f, &g, t, "invoices", "p2", "fresh", 10, bill("2", 5, 'a', ""));
    CALL(&f, &g, store_poll_save, &p, on_done); /* still running */
    SQL_IS(&f, "3",
           "SELECT count(*) FROM ml_dashboard.conservation WHERE outcome = "
           "'' AND finished_at IS NULL");
    p.outcome = "TIMEOUT";
    p.state = "backoff";
    CALL(&f, &g, store_poll_save, &p, on_done);
    OK(g.err);
    SQL_IS(&f, "invoices,payments",
           "SELECT string_agg(feed, ',' ORDER BY feed) FROM "
           "ml_dashboard.conservation WHERE outcome = 'TIMEOUT' AND "
           "finished_at IS NOT NULL AND poll = 'p1'");
    SQL_IS(&f, "p2",
           "SELECT string_agg(poll, ',') FROM ml_dashboard.conservation "
           "WHERE outcome = ''");
    SQL_IS(&f, "payments",
           "SELECT string_agg(feed, ',') FROM ml_dashboard.feeds WHERE "
           "last_outcome IS NOT NULL");
    got_clear(&g);
    fix_close(&f);
}

TEST(feeds_show_how_they_read)
{
    struct fix f;
    struct got g = {0};
    int64_t t;
    struct store_pass sweep = {.pass = "drafts", .begin = true};

    fix_open(&f, false);
    t = fix_tenant(&f, "acme");
    fix_intake(
        &f, &g, t, "invoices", "p", "fresh", 10,
        text("%s,%s", bill("1", 5, 'a', OPEN("1")), bill("2", 5, 'a', "")));
    (void)fix_sql(&f, "UPDATE ml_connector.record SET last_read = now() - "
                      "make_interval(secs => 90 * fusion_id::int)");
    SQL_IS(&f, "A/90/0.000",
           "SELECT strategy || '/' || open_round_seconds::int || '/' || "
           "late_seconds FROM ml_dashboard.feeds");
    SQL_IS(&f, "t",
           "SELECT backfill_from IS NULL AND last_sweep IS NULL FROM "
           "ml_dashboard.feeds");
    begin(&f, t, 1000000, 9000000);
    move(&f, t, 1, 4000000, false);
    SQL_IS(&f, "1/4/9",
           "SELECT concat_ws('/', extract(epoch FROM backfill_from)::int, "
           "extract(epoch FROM backfill_at)::int, "
           "extract(epoch FROM backfill_to)::int) FROM ml_dashboard.feeds");
    move(&f, t, 1, 9000000, true);
    SQL_IS(&f, "t",
           "SELECT backfill_at IS NULL AND last_sweep IS NULL FROM "
           "ml_dashboard.feeds");
    pass_save(&f, t, &sweep);
    sweep = (struct store_pass){.pass = "drafts", .revision = 1, .done = true};
    pass_save(&f, t, &sweep);
    SQL_IS(&f, "t",
           "SELECT last_sweep > now() - interval '1 minute' FROM "
           "ml_dashboard.feeds");
    fix_intake(&f, &g, t, "payments", "p", "fresh", 10,
               payment("9:1", NULL, NULL, 5, 'a'));
    CALL(&f, &g, store_tenant_learn, t, NULL, "{\"fusion_receipts\":\"B\"}",
         on_done);
    SQL_IS(&f, "A,B",
           "SELECT string_agg(strategy, ',' ORDER BY feed) FROM "
           "ml_dashboard.feeds");
    got_clear(&g);
    fix_close(&f);
}

TEST(a_changed_interval_shows_before_the_next_poll)
{
    struct fix f;
    struct got g = {0};
    struct store_poll p = {.feed = "invoices",
                           .poll = "p1",
                           .worker = "w1",
                           .state = "idle",
                           .outcome = "ok",
                           .interval_ms = 900000};
    static const char *const said[][2] = {
        {"{\"interval\":\"30m\"}", "1800"},
        {"{\"interval_payments\":\"1m\"}", "1800"},
        {"{\"interval_invoices\":\"90s\"}", "90"},
        {"{\"interval_invoices\":\"120000ms\"}", "120"},
        {"{\"interval_invoices\":\"24h\"}", "86400"},
        {"{\"interval_invoices\":\"1d\"}", "86400"},
        {"{\"interval_invoices\":null,\"interval\":null}", "900"},
        {"{\"interval\":\"of no form\"}", "900"}};

    fix_open(&f, false);
    p.tenant = fix_tenant(&f, "acme");
    CALL(&f, &g, store_poll_save, &p, on_done);
    SQL_IS(&f, "900", "SELECT interval_seconds FROM ml_dashboard.feeds");
    for (size_t i = 0; i < COUNT_OF(said); i++) {
        CALL(&f, &g, store_tenant_set, "acme", said[i][0], "{}", "ann@host",
             on_done);
        OK(g.err);
        SQL_IS(&f, said[i][1],
               "SELECT interval_seconds FROM ml_dashboard.feeds");
    }
    got_clear(&g);
    fix_close(&f);
}

SUITE(reading, RUN_LONG(a_pass_begins_moves_ends_and_begins_anew, 20),
      RUN_LONG(a_pass_under_way_is_widened_and_the_old_walk_moves_nothing, 20),
      RUN_LONG(without_an_end_a_pass_goes_up_to_the_cursor_of_its_stream, 20),
      RUN_LONG(a_pass_moves_with_its_page_or_not_at_all, 20),
      RUN_LONG(how_late_rows_appear_is_kept_at_its_most_for_a_week, 20),
      RUN_LONG(the_end_of_a_scan_and_its_overlap_are_kept, 20),
      RUN_LONG(a_draft_that_fusion_no_longer_has_is_gone_and_audited, 20),
      RUN_LONG(a_draft_with_work_under_way_is_left_and_a_parked_job_is_closed,
               20),
      RUN_LONG(one_that_comes_back_is_there_again, 20),
      RUN_LONG(drafts_come_in_order_with_a_witness, 20),
      RUN_LONG(balances_name_what_differs_what_is_closed_and_what_nobody_knows,
               20),
      RUN_LONG(known_ones_not_read_since_come_in_order, 20),
      RUN_LONG(open_ones_are_read_again_when_they_are_old_enough, 20),
      RUN_LONG(a_value_without_counterpart_is_audited_once_for_all_records, 20),
      RUN_LONG(the_end_of_a_poll_ends_what_it_read_for_other_feeds, 20),
      RUN_LONG(feeds_show_how_they_read, 20),
      RUN_LONG(a_changed_interval_shows_before_the_next_poll, 20))
