/* SPDX-License-Identifier: UNLICENSED */
/*
 * Claims, requests and outcomes.
 */
#include "fix.h"

static const char *
job_id(struct fix *f, const char *fusion_id)
{
    return fix_sql(f,
                   "SELECT id FROM ml_connector.job WHERE fusion_id = "
                   "'%s'",
                   fusion_id);
}

static const char *
job(struct fix *f, const char *fusion_id, const char *columns)
{
    return fix_sql(f,
                   "SELECT concat_ws(' ', %s) FROM ml_connector.job WHERE "
                   "fusion_id = '%s'",
                   columns, fusion_id);
}

TEST(most_urgent_class_first_then_kind_then_age)
{
    struct fix f;
    struct got g = {0};
    int64_t t;

    fix_open(&f, false);
    t = fix_tenant(&f, "acme");
    fix_link(&f, t, "customer", "1");
    fix_link(&f, t, "invoice", "i");
    fix_intake(&f, &g, t, "customers", "p", "backfill", 1,
               customer("old", 1, 'a', NULL));
    fix_intake(&f, &g, t, "payments", "p", "fresh", 1,
               payment("pay", "1", "i", 1, 'a'));
    fix_intake(&f, &g, t, "invoices", "p", "fresh", 1,
               text("%s,%s", invoice("inv1", "1", 1, 'a'),
                    invoice("inv2", "1", 1, 'a')));
    fix_intake(&f, &g, t, "customers", "p", "fresh", 1,
               customer("1", 1, 'a', NULL));
    fix_claim(&f, &g, t, 4);
    EQ_INT(g.n, 4);
    IS(strstr(g.text, "customer:1") < strstr(g.text, "invoice:inv1"));
    IS(strstr(g.text, "invoice:inv1") < strstr(g.text, "invoice:inv2"));
    IS(strstr(g.text, "invoice:inv2") < strstr(g.text, "payment:pay"));
    EQ_INT(g.next_due_ms, -1);
    fix_claim(&f, &g, t, 4);
    EQ_INT(g.n, 1);
    HAS(g.text, "customer:old");
    fix_claim(&f, &g, t, 4);
    EQ_INT(g.n, 0);
    NOT(g.lease_lost);
    got_clear(&g);
    fix_close(&f);
}

/* `n` queued jobs of each kind and class given; ids grow in that order. */
static void
backlog(struct fix *f, int64_t t, const char *classes, const char *kinds, int n)
{
    (void)fix_sql(f,
                  "INSERT INTO ml_connector.job (tenant_id, kind, fusion_id, "
                  "state, class) SELECT %" PRId64 ", k, c || '-' || i, "
                  "'queued', c FROM unnest('{%s}'::text[]) c, "
                  "unnest('{%s}'::text[]) k, generate_series(1, %d) i",
                  t, classes, kinds, n);
}

static const char *
in_flight(struct fix *f, const char *by)
{
    return fix_sql(f,
                   "SELECT string_agg(x || ' ' || n, ', ' ORDER BY n DESC, x) "
                   "FROM (SELECT %s AS x, count(*) AS n FROM ml_connector.job "
                   "WHERE state = 'in_flight' GROUP BY 1) y",
                   by);
}

TEST(each_class_is_claimed_its_part_and_what_others_leave)
{
    static const struct store_room room = {.jobs = 100,
                                           .parts = {50, 20, 10, 15, 5}};
    struct fix f;
    struct got g = {0};
    int64_t t;

    fix_open(&f, false);
    t = fix_tenant(&f, "acme");
    backlog(&f, t, "fresh,retry,replay,backfill,reconcile", "invoice", 200);
    fix_claim_room(&f, &g, t, &room);
    EQ_INT(g.n, 100);
    EQ_STR(in_flight(&f, "class"),
           "fresh 50, retry 20, backfill 15, replay 10, reconcile 5");
    /* the oldest of each */
    SQL_IS(&f, "0",
           "SELECT count(*) FROM ml_connector.job WHERE state = 'in_flight' "
           "AND split_part(fusion_id, '-', 2)::int > 50");
    (void)fix_sql(&f, "UPDATE ml_connector.job SET state = 'parked' WHERE "
                      "state = 'in_flight' OR class IN ('retry', 'replay')");
    fix_claim_room(&f, &g, t, &room);
    EQ_STR(in_flight(&f, "class"), "fresh 80, backfill 15, reconcile 5");
    (void)fix_sql(&f, "UPDATE ml_connector.job SET state = 'parked' WHERE "
                      "state = 'in_flight' OR class = 'fresh'");
    fix_claim_room(&f, &g, t, &room);
    EQ_STR(in_flight(&f, "class"), "backfill 95, reconcile 5");
    got_clear(&g);
    fix_close(&f);
}

TEST(a_backfill_goes_on_while_fresh_jobs_keep_coming)
{
    static const struct store_room room = {.jobs = 100,
                                           .parts = {50, 20, 10, 15, 5}};
    struct fix f;
    struct got g = {0};
    int64_t t;

    fix_open(&f, false);
    t = fix_tenant(&f, "acme");
    backlog(&f, t, "backfill", "invoice", 60);
    for (int i = 0; i < 4; i++) {
        /* more than is claimed comes before each claim */
        (void)fix_sql(&f,
                      "INSERT INTO ml_connector.job (tenant_id, kind, "
                      "fusion_id, state, class) SELECT %" PRId64 ", "
                      "'invoice', %d || '/' || i, 'queued', 'fresh' FROM "
                      "generate_series(1, 150) i",
                      t, i);
        fix_claim_room(&f, &g, t, &room);
        EQ_STR(in_flight(&f, "class"), "fresh 85, backfill 15");
        (void)fix_sql(&f, "DELETE FROM ml_connector.job WHERE state = "
                          "'in_flight'");
    }
    SQL_IS(&f, "0",
           "SELECT count(*) FROM ml_connector.job WHERE class = 'backfill'");
    got_clear(&g);
    fix_close(&f);
}

TEST(within_a_class_every_kind_has_a_fifth_and_parents_the_rest)
{
    static const struct store_room room = {.jobs = 100,
                                           .parts = {50, 20, 10, 15, 5}};
    struct fix f;
    struct got g = {0};
    int64_t t;

    fix_open(&f, false);
    t = fix_tenant(&f, "acme");
    backlog(&f, t, "fresh", "payment,invoice,customer", 200);
    fix_claim_room(&f, &g, t, &room);
    EQ_STR(in_flight(&f, "kind"), "customer 80, invoice 10, payment 10");
    got_clear(&g);
    fix_close(&f);
}

TEST(what_is_tried_again_is_claimed_as_retry_whatever_class_it_was)
{
    static const struct store_room room = {.jobs = 100,
                                           .parts = {50, 20, 10, 15, 5}};
    struct fix f;
    struct got g = {0};
    int64_t t;

    fix_open(&f, false);
    t = fix_tenant(&f, "acme");
    backlog(&f, t, "fresh,backfill", "invoice", 200);
    (void)fix_sql(&f, "UPDATE ml_connector.job SET state = 'retry', due_at = "
                      "now() - id * interval '1 s' WHERE class = 'backfill'");
    fix_claim_room(&f, &g, t, &room);
    EQ_STR(in_flight(&f, "class"), "fresh 80, backfill 20");
    /* those due for longest */
    SQL_IS(&f, "0",
           "SELECT count(*) FROM ml_connector.job WHERE state = 'retry' AND "
           "id > (SELECT min(id) FROM ml_connector.job WHERE state = "
           "'in_flight' AND class = 'backfill')");
    got_clear(&g);
    fix_close(&f);
}

TEST(jobs_of_a_claim_whose_answer_was_lost_are_claimed_again)
{
    struct store_room room = {.jobs = 3, .parts = {3, 0, 0, 0, 0}};
    struct fix f;
    struct got g = {0}, again = {0};
    int64_t t;

    fix_open(&f, false);
    t = fix_tenant(&f, "acme");
    backlog(&f, t, "fresh", "invoice", 5);
    fix_claim_room(&f, &g, t, &room);
    EQ_STR(in_flight(&f, "kind"), "invoice 3");
    (void)fix_sql(&f, "UPDATE ml_connector.job SET verify = true WHERE id = "
                      "(SELECT max(id) FROM ml_connector.job WHERE state = "
                      "'in_flight')");
    /* of those three the caller has the first only */
    room.known = fix_sql(&f, "SELECT '[' || min(id) || ']' FROM "
                             "ml_connector.job WHERE state = 'in_flight'");
    room.jobs = 1;
    fix_claim_room(&f, &again, t, &room);
    EQ_STR(in_flight(&f, "kind"), "invoice 2");
    SQL_IS(&f, "2",
           "SELECT count(*) FROM ml_connector.job WHERE state = 'queued'");
    SQL_IS(&f, "1",
           "SELECT count(*) FROM ml_connector.job WHERE state = 'unknown'");
    SQL_IS(&f, "queued,unknown",
           "SELECT string_agg(outcome, ',' ORDER BY outcome) FROM "
           "ml_connector.audit_event WHERE event = 'recovered'");
    got_clear(&g);
    got_clear(&again);
    fix_close(&f);
}

TEST(a_class_that_stands_still_is_not_claimed)
{
    static const struct store_room calm = {.jobs = 100,
                                           .parts = {50, 20, 10, -1, -1}};
    static const struct store_room fresh_only = {.jobs = 100,
                                                 .parts = {50, -1, -1, -1, -1}};
    struct fix f;
    struct got g = {0};
    int64_t t;

    fix_open(&f, false);
    t = fix_tenant(&f, "acme");
    backlog(&f, t, "fresh,replay,backfill,reconcile", "invoice", 10);
    (void)fix_sql(&f, "UPDATE ml_connector.job SET state = 'retry', due_at = "
                      "now() WHERE class = 'fresh' AND fusion_id LIKE '%%-1'");
    fix_claim_room(&f, &g, t, &fresh_only);
    EQ_STR(in_flight(&f, "class"), "fresh 9");
    fix_claim_room(&f, &g, t, &calm);
    EQ_STR(in_flight(&f, "class"), "fresh 10, replay 10");
    fix_claim_room(&f, &g, t, &calm);
    EQ_INT(g.n, 0);
    NOT(g.lease_lost);
    got_clear(&g);
    fix_close(&f);
}

TEST(claim_gives_links_and_parents)
{
    struct fix f;
    struct got g = {0};
    int64_t t;

    fix_open(&f, false);
    t = fix_tenant(&f, "acme");
    fix_intake(&f, &g, t, "customers", "p", "fresh", 1,
               customer("1", 1, 'a', "x@x.example"));
    fix_claim(&f, &g, t, 1);
    HAS(g.text, "{} [] {\"objects\": [{\"object\": \"companies\"}]}");
    fix_link(&f, t, "customer", "1");
    fix_link(&f, t, "invoice", "i");
    (void)fix_sql(&f, "UPDATE ml_connector.link SET properties = "
                      "'{\"email\":\"x@x.example\"}' "
                      "WHERE object = 'contacts'");
    fix_intake(&f, &g, t, "invoices", "p", "fresh", 1,
               invoice("i", "1", 1, 'a'));
    fix_intake(&f, &g, t, "payments", "p", "fresh", 1,
               payment("pay", "1", "i", 1, 'a'));
    fix_claim(&f, &g, t, 10);
    EQ_INT(g.n, 2);
    HAS(g.text, "\"company\": \"H-companies-1\"");
    HAS(g.text, "\"contact\": \"H-contacts-1\"");
    HAS(g.text, "\"email\": \"x@x.example\"");
    HAS(g.text, "\"hubspot\": \"H-invoices-i\"");
    HAS(g.text, "\"id\": \"H-invoices-i\"");
    HAS(g.text, "\"state\": \"pending\"");
    got_clear(&g);
    fix_close(&f);
}

TEST(without_the_lease_nothing_is_claimed_opened_or_stored)
{
    struct fix f;
    struct got g = {0};
    int64_t t;
    struct store_write w = {.id = "w",
                            .portal = "P-acme",
                            .worker = "w1",
                            .term = 9,
                            .operation = "o",
                            .jobs = "[1]"};
    struct store_outcome out = {.portal = "P-acme", .worker = "w1", .term = 9};

    fix_open(&f, false);
    t = fix_tenant(&f, "acme");
    w.tenant = t;
    out.tenant = t;
    fix_intake(&f, &g, t, "customers", "p", "fresh", 1,
               customer("1", 1, 'a', NULL));
    CALL(&f, &g, store_claim, t, "P-acme", 9, fix_room(10), on_claim);
    OK(g.err);
    IS(g.lease_lost);
    EQ_INT(g.n, 0);
    CALL(&f, &g, store_write_open, &w, on_done);
    EQ_ERR(g.err, ERR_LEASE_LOST);
    out.jobs = text("[{\"id\":%s,\"revision\":1,\"state\":\"done\"}]",
                    job_id(&f, "1"));
    out.links = "[{\"kind\":\"customer\",\"fusion_id\":\"1\",\"object\":"
                "\"companies\",\"key\":\"1\",\"id\":\"7\"}]";
    out.audit = "[{\"event\":\"written\"}]";
    CALL(&f, &g, store_outcome, &out, on_outcome);
    EQ_ERR(g.err, ERR_LEASE_LOST);
    EQ_STR(job(&f, "1", "state"), "queued");
    SQL_IS(&f, "0",
           "SELECT (SELECT count(*) FROM ml_connector.link) + "
           "(SELECT count(*) FROM ml_connector.audit_event WHERE "
           "event = 'written')");
    (void)fix_sql(&f, "UPDATE ml_connector.lease SET expires_at = "
                      "clock_timestamp() - interval '1 s'");
    CALL(&f, &g, store_claim, t, "P-acme", 1, fix_room(10), on_claim);
    IS(g.lease_lost);
    got_clear(&g);
    fix_close(&f);
}

static struct store_outcome
written(int64_t t, const char *jobs)
{
    return (struct store_outcome){
        .tenant = t,
        .portal = "P-acme",
        .worker = "w1",
        .term = 1,
        .write = "write-1",
        .http_status = 200,
        .result = "written",
        .duration_ms = 40,
        .jobs = jobs,
        .links = "[{\"kind\":\"customer\",\"fusion_id\":\"1\",\"object\":"
                 "\"companies\",\"key\":\"1\",\"id\":\"C7\",\"hash\":"
                 "\"ab\",\"properties\":{\"name\":\"A\"},\"assoc\":"
                 "[\"1:2\"]},{\"kind\":\"customer\",\"fusion_id\":\"1\","
                 "\"object\":\"contacts\",\"key\":\"1\",\"id\":\"K8\"}]",
        .audit = "[{\"event\":\"written\",\"kind\":\"customer\","
                 "\"fusion_id\":\"1\",\"hubspot_id\":\"C7\",\"job\":1,"
                 "\"attempt\":1,\"outcome\":\"written\",\"http_status\":200,"
                 "\"correlation\":\"corr\",\"before\":{},\"after\":"
                 "{\"name\":\"A\"},\"duration_ms\":40}]"};
}

TEST(outcome_stores_everything_once_and_releases_who_waited)
{
    struct fix f;
    struct got g = {0};
    int64_t t;
    struct store_write w = {.id = "write-1",
                            .portal = "P-acme",
                            .worker = "w1",
                            .term = 1,
                            .operation = "companies.upsert",
                            .inputs = 1};
    struct store_outcome out;

    fix_open(&f, false);
    t = fix_tenant(&f, "acme");
    fix_intake(&f, &g, t, "customers", "p", "fresh", 1,
               customer("1", 1, 'a', NULL));
    fix_intake(
        &f, &g, t, "invoices", "p", "fresh", 1,
        text("%s,%s", invoice("10", "1", 1, 'a'), invoice("11", "2", 1, 'a')));
    fix_claim(&f, &g, t, 10);
    EQ_INT(g.n, 1);
    w.tenant = t;
    w.jobs = text("[%s]", job_id(&f, "1"));
    CALL(&f, &g, store_write_open, &w, on_done);
    OK(g.err);
    CALL(&f, &g, store_write_open, &w, on_done);
    OK(g.err);
    out = written(t, text("[{\"id\":%s,\"revision\":1,\"state\":\"done\"}]",
                          job_id(&f, "1")));
    CALL(&f, &g, store_outcome, &out, on_outcome);
    OK(g.err);
    EQ_INT(g.n, 1);
    CALL(&f, &g, store_outcome, &out, on_outcome);
    OK(g.err);
    EQ_INT(g.n, 0);
    EQ_STR(job(&f, "1", "state"), "");
    EQ_STR(job(&f, "10", "state, waiting_for"), "queued");
    EQ_STR(job(&f, "11", "state, waiting_for"), "waiting customer:2");
    SQL_IS(&f, "current C7 t",
           "SELECT concat_ws(' ', state, hubspot_id, "
           "last_write IS NOT NULL) FROM ml_dashboard."
           "records WHERE kind = 'customer'");
    SQL_IS(&f, "1",
           "SELECT count(*) FROM ml_dashboard.audit WHERE event = "
           "'written' AND hubspot_correlation_id = 'corr' AND "
           "after = '{\"name\":\"A\"}' AND duration_ms = 40");
    SQL_IS(&f, "1 1 0 0",
           "SELECT concat_ws(' ', hubspot_requests, "
           "records_written, throttled, errors) FROM "
           "ml_dashboard.requests_per_minute");
    SQL_IS(&f, "1 0",
           "SELECT concat_ws(' ', written, difference) FROM "
           "ml_dashboard.conservation WHERE feed = 'customers'");
    out.write = "never-opened";
    CALL(&f, &g, store_outcome, &out, on_outcome);
    EQ_ERR(g.err, ERR_NOT_FOUND);
    got_clear(&g);
    fix_close(&f);
}

TEST(links_keep_what_an_outcome_does_not_name)
{
    struct fix f;
    struct got g = {0};
    int64_t t;
    const char *piece = "\"kind\":\"customer\",\"fusion_id\":\"1\","
                        "\"object\":\"companies\",\"key\":\"1\"";

    fix_open(&f, false);
    t = fix_tenant(&f, "acme");
    fix_outcome(&f, &g, t,
                text("[{%s,\"id\":\"7\",\"hash\":\"ab\",\"properties\":"
                     "{\"a\":\"1\"}},{%s,\"assoc\":[\"1:2\",\"3:4\"]}]",
                     piece, piece),
                NULL, NULL);
    SQL_IS(&f, "7 ab {1:2,3:4} {\"a\": \"1\"}",
           "SELECT concat_ws(' ', hubspot_id, encode(hash, 'hex'), assoc, "
           "properties) FROM ml_connector.link");
    fix_outcome(&f, &g, t, text("[{%s,\"hash\":\"cd\"}]", piece), NULL, NULL);
    SQL_IS(&f, "7 cd {1:2,3:4} {\"a\": \"1\"}",
           "SELECT concat_ws(' ', hubspot_id, encode(hash, 'hex'), assoc, "
           "properties) FROM ml_connector.link");
    fix_outcome(&f, &g, t, text("[{%s,\"assoc\":[]}]", piece), NULL, NULL);
    SQL_IS(&f, "7 {}",
           "SELECT concat_ws(' ', hubspot_id, assoc) FROM "
           "ml_connector.link");
    fix_outcome(&f, &g, t, text("[{%s,\"id\":null}]", piece), NULL, NULL);
    SQL_IS(&f, "0", "SELECT count(*) FROM ml_connector.link");
    got_clear(&g);
    fix_close(&f);
}

TEST(retry_and_unknown_are_claimed_when_due)
{
    struct fix f;
    struct got g = {0};
    int64_t t;

    fix_open(&f, false);
    t = fix_tenant(&f, "acme");
    fix_intake(&f, &g, t, "customers", "p", "fresh", 1,
               text("%s,%s", customer("1", 1, 'a', NULL),
                    customer("2", 1, 'a', NULL)));
    fix_claim(&f, &g, t, 10);
    fix_outcome(&f, &g, t, NULL,
                text("[{\"id\":%s,\"revision\":1,\"state\":\"retry\","
                     "\"attempts\":2,\"due_ms\":60000,\"error_code\":"
                     "\"UNAVAILABLE\",\"klass\":\"retry\"},{\"id\":%s,"
                     "\"revision\":1,\"state\":\"unknown\",\"due_ms\":"
                     "90000}]",
                     job_id(&f, "1"), job_id(&f, "2")),
                NULL);
    fix_claim(&f, &g, t, 10);
    EQ_INT(g.n, 0);
    IS(g.next_due_ms > 50000 && g.next_due_ms <= 60000);
    CALL(&f, &g, store_job_counts, t, on_json);
    HAS(g.json, "\"retry\": 1");
    HAS(g.json, "\"unknown\": 1");
    (void)fix_sql(&f, "UPDATE ml_connector.job SET due_at = "
                      "clock_timestamp()");
    fix_claim(&f, &g, t, 10);
    EQ_INT(g.n, 2);
    HAS(g.text, "customer:1 r1 retry a2");
    HAS(g.text, "customer:2 r1 fresh verify a0");
    got_clear(&g);
    fix_close(&f);
}

TEST(unknown_stays_unknown_when_a_newer_version_came)
{
    struct fix f;
    struct got g = {0};
    int64_t t;

    fix_open(&f, false);
    t = fix_tenant(&f, "acme");
    fix_intake(&f, &g, t, "customers", "p", "fresh", 1,
               customer("1", 1, 'a', NULL));
    fix_claim(&f, &g, t, 10);
    fix_intake(&f, &g, t, "customers", "p", "fresh", 2,
               customer("1", 2, 'b', NULL));
    fix_outcome(&f, &g, t, NULL,
                text("[{\"id\":%s,\"revision\":1,\"state\":\"unknown\"}]",
                     job_id(&f, "1")),
                NULL);
    EQ_STR(job(&f, "1", "state"), "unknown");
    fix_intake(&f, &g, t, "customers", "p", "fresh", 3,
               customer("1", 3, 'c', NULL));
    EQ_STR(job(&f, "1", "state, revision"), "unknown 3");
    fix_claim(&f, &g, t, 10);
    HAS(g.text, "verify");
    got_clear(&g);
    fix_close(&f);
}

TEST(waiting_for_a_parent_done_in_the_same_outcome_is_queued)
{
    struct fix f;
    struct got g = {0};
    int64_t t;

    fix_open(&f, false);
    t = fix_tenant(&f, "acme");
    fix_link(&f, t, "customer", "1");
    fix_intake(&f, &g, t, "customers", "p", "fresh", 1,
               customer("1", 1, 'a', NULL));
    fix_intake(
        &f, &g, t, "invoices", "p", "fresh", 1,
        text("%s,%s", invoice("10", "1", 1, 'a'), invoice("11", "1", 1, 'a')));
    fix_claim(&f, &g, t, 10);
    fix_outcome(&f, &g, t, NULL,
                text("[{\"id\":%s,\"revision\":1,\"state\":\"done\"},"
                     "{\"id\":%s,\"revision\":1,\"state\":\"waiting\","
                     "\"waiting_for\":\"customer:1\"},{\"id\":%s,"
                     "\"revision\":1,\"state\":\"waiting\","
                     "\"waiting_for\":\"customer:5\"}]",
                     job_id(&f, "1"), job_id(&f, "10"), job_id(&f, "11")),
                NULL);
    EQ_INT(g.n, 1);
    EQ_STR(job(&f, "10", "state"), "queued");
    EQ_STR(job(&f, "11", "state"), "waiting");
    fix_link(&f, t, "customer", "5");
    CALL(&f, &g, store_job_counts, t, on_json);
    HAS(g.json, "\"queued\": 2");
    HAS(g.json, "\"waiting\": 0");
    got_clear(&g);
    fix_close(&f);
}

/* Between the claim and the child's "waiting" its parent may be settled by
 * another outcome, which finds nobody to release. */
TEST(waiting_for_a_parent_settled_since_the_claim_is_queued)
{
    struct fix f;
    struct got g = {0};
    int64_t t;

    fix_open(&f, false);
    t = fix_tenant(&f, "acme");
    fix_intake(&f, &g, t, "invoices", "p", "fresh", 1,
               text("%s,%s,%s", invoice("10", "1", 1, 'a'),
                    invoice("11", "2", 1, 'a'), invoice("12", "3", 1, 'a')));
    (void)fix_sql(&f, "UPDATE ml_connector.job SET state = 'in_flight', "
                      "waiting_for = NULL");
    fix_link(&f, t, "customer", "1");
    CALL(&f, &g, store_missing, t, "customer", "[\"2\"]", on_done);
    OK(g.err);
    fix_outcome(&f, &g, t, NULL,
                text("[{\"id\":%s,\"revision\":1,\"state\":\"waiting\","
                     "\"waiting_for\":\"customer:1\"},{\"id\":%s,"
                     "\"revision\":1,\"state\":\"waiting\","
                     "\"waiting_for\":\"customer:2\"},{\"id\":%s,"
                     "\"revision\":1,\"state\":\"waiting\","
                     "\"waiting_for\":\"customer:3\"}]",
                     job_id(&f, "10"), job_id(&f, "11"), job_id(&f, "12")),
                NULL);
    EQ_INT(g.n, 2);
    EQ_STR(job(&f, "10", "state, waiting_for"), "queued");
    EQ_STR(job(&f, "11", "state, waiting_for"), "queued");
    EQ_STR(job(&f, "12", "state, waiting_for"), "waiting customer:3");
    got_clear(&g);
    fix_close(&f);
}

TEST(chain_of_waiting_shows_what_a_parked_customer_blocks)
{
    struct fix f;
    struct got g = {0};
    int64_t t;

    fix_open(&f, false);
    t = fix_tenant(&f, "acme");
    fix_intake(&f, &g, t, "customers", "p", "fresh", 1,
               customer("1", 1, 'a', NULL));
    fix_intake(
        &f, &g, t, "invoices", "p", "fresh", 1,
        text("%s,%s", invoice("10", "1", 1, 'a'), invoice("11", "1", 1, 'a')));
    fix_claim(&f, &g, t, 10);
    fix_outcome(&f, &g, t, NULL,
                text("[{\"id\":%s,\"revision\":1,\"state\":\"parked\","
                     "\"error_code\":\"REFUSED\",\"error\":\"no\","
                     "\"correlation\":\"c\"}]",
                     job_id(&f, "1")),
                "[{\"event\":\"parked\",\"error_code\":\"REFUSED\"}]");
    SQL_IS(&f, "REFUSED no c 2",
           "SELECT concat_ws(' ', error_code, reason, "
           "hubspot_correlation_id, blocks) FROM "
           "ml_dashboard.replay_queue");
    SQL_IS(&f, "attention 2 1",
           "SELECT concat_ws(' ', health, open_jobs, "
           "parked_jobs) FROM ml_dashboard.tenants");
    got_clear(&g);
    fix_close(&f);
}

TEST(throttled_and_failed_requests_are_counted)
{
    struct fix f;
    struct got g = {0};
    int64_t t;
    struct store_write w = {.portal = "P-acme",
                            .worker = "w1",
                            .term = 1,
                            .operation = "o",
                            .jobs = "[]"};
    const int statuses[] = {429, 500, 0, 207};

    fix_open(&f, false);
    t = fix_tenant(&f, "acme");
    w.tenant = t;
    for (size_t i = 0; i < COUNT_OF(statuses); i++) {
        struct store_outcome out = {.tenant = t,
                                    .portal = "P-acme",
                                    .worker = "w1",
                                    .term = 1,
                                    .http_status = statuses[i],
                                    .result = "retry"};

        w.id = text("w%zu", i);
        out.write = w.id;
        CALL(&f, &g, store_write_open, &w, on_done);
        OK(g.err);
        CALL(&f, &g, store_outcome, &out, on_outcome);
        OK(g.err);
    }
    SQL_IS(&f, "4 1 2",
           "SELECT concat_ws(' ', sum(hubspot_requests), "
           "sum(throttled), sum(errors)) FROM "
           "ml_dashboard.requests_per_minute");
    got_clear(&g);
    fix_close(&f);
}

SUITE(job, RUN_LONG(most_urgent_class_first_then_kind_then_age, 20),
      RUN_LONG(each_class_is_claimed_its_part_and_what_others_leave, 20),
      RUN_LONG(a_backfill_goes_on_while_fresh_jobs_keep_coming, 20),
      RUN_LONG(within_a_class_every_kind_has_a_fifth_and_parents_the_rest, 20),
      RUN_LONG(what_is_tried_again_is_claimed_as_retry_whatever_class_it_was,
               20),
      RUN_LONG(jobs_of_a_claim_whose_answer_was_lost_are_claimed_again, 20),
      RUN_LONG(a_class_that_stands_still_is_not_claimed, 20),
      RUN_LONG(claim_gives_links_and_parents, 20),
      RUN_LONG(without_the_lease_nothing_is_claimed_opened_or_stored, 20),
      RUN_LONG(outcome_stores_everything_once_and_releases_who_waited, 20),
      RUN_LONG(links_keep_what_an_outcome_does_not_name, 20),
      RUN_LONG(retry_and_unknown_are_claimed_when_due, 20),
      RUN_LONG(unknown_stays_unknown_when_a_newer_version_came, 20),
      RUN_LONG(waiting_for_a_parent_done_in_the_same_outcome_is_queued, 20),
      RUN_LONG(waiting_for_a_parent_settled_since_the_claim_is_queued, 20),
      RUN_LONG(chain_of_waiting_shows_what_a_parked_customer_blocks, 20),
      RUN_LONG(throttled_and_failed_requests_are_counted, 20))
