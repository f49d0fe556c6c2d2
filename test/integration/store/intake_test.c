/* SPDX-License-Identifier: UNLICENSED */
/*
 * Intake: which version wins, what opens a job, what it waits for, what a
 * page asks for, and that every row is accounted for.
 */
#include "fix.h"

#define JOB(f, id, column)                                                     \
    fix_sql(f,                                                                 \
            "SELECT " column " FROM ml_connector.job WHERE fusion_id = "       \
            "'%s'",                                                            \
            id)
#define RECORD(f, id, column)                                                  \
    fix_sql(f,                                                                 \
            "SELECT " column " FROM ml_connector.record WHERE fusion_id "      \
            "= '%s'",                                                          \
            id)
/* Nothing is unaccounted for, in any poll. */
#define TIES_OUT(f)                                                            \
    SQL_IS(f, "0",                                                             \
           "SELECT count(*) FROM ml_dashboard.conservation WHERE "             \
           "difference <> 0")

static void
took(const struct got *g, size_t unchanged, size_t superseded, size_t opened)
{
    EQ_UINT(g->intake.unchanged, unchanged);
    EQ_UINT(g->intake.superseded, superseded);
    EQ_UINT(g->intake.opened, opened);
}

TEST(of_equal_stamps_the_later_reading_wins_within_the_clocks_error)
{
    struct fix f;
    struct got g = {0};
    int64_t t;

    fix_open(&f, false);
    t = fix_tenant(&f, "acme");
    fix_intake(&f, &g, t, "customers", "p1", "fresh", 20,
               customer("1", 5, 'a', NULL));
    fix_intake(&f, &g, t, "customers", "p2", "fresh", 18,
               customer("1", 5, 'b', NULL));
    took(&g, 0, 1, 0); /* surely read before */
    fix_intake(&f, &g, t, "customers", "p3", "fresh", 19,
               customer("1", 5, 'c', NULL));
    took(&g, 0, 0, 1); /* the pod's Date cannot tell */
    EQ_STR(RECORD(&f, "1", "read_us"), "19000000");
    TIES_OUT(&f);
    got_clear(&g);
    fix_close(&f);
}

TEST(new_opens_same_is_unchanged_newer_replaces_older_is_superseded)
{
    struct fix f;
    struct got g = {0};
    int64_t t;

    fix_open(&f, false);
    t = fix_tenant(&f, "acme");
    fix_intake(&f, &g, t, "customers", "p1", "fresh", 10,
               customer("1", 5, 'a', NULL));
    took(&g, 0, 0, 1);
    EQ_STR(JOB(&f, "1", "state || revision"), "queued1");
    EQ_STR(RECORD(&f, "1", "state"), "pending");
    fix_intake(&f, &g, t, "customers", "p2", "fresh", 11,
               customer("1", 6, 'a', NULL));
    took(&g, 1, 0, 0);
    EQ_STR(RECORD(&f, "1", "version_us || '/' || read_us"), "6/11000000");
    EQ_STR(JOB(&f, "1", "revision || poll"), "1p1");
    fix_intake(&f, &g, t, "customers", "p3", "fresh", 12,
               customer("1", 7, 'b', NULL));
    took(&g, 0, 0, 1);
    EQ_STR(JOB(&f, "1", "revision || poll"), "2p3");
    fix_intake(&f, &g, t, "customers", "p4", "fresh", 13,
               customer("1", 6, 'c', NULL));
    took(&g, 0, 1, 0);
    EQ_STR(RECORD(&f, "1", "substr(encode(hash, 'hex'), 1, 1)"), "b");
    SQL_IS(&f, "p1 0 0 1 0,p2 0 1 0 0,p3 1 0 0 0,p4 0 0 1 0",
           "SELECT string_agg(concat_ws(' ', poll, open, unchanged, "
           "superseded, difference), ',' ORDER BY poll) FROM "
           "ml_dashboard.conservation");
    SQL_IS(&f, "opened,replaced",
           "SELECT string_agg(outcome, ',' ORDER BY "
           "id) FROM ml_dashboard.audit WHERE event = "
           "'seen'");
    got_clear(&g);
    fix_close(&f);
}

/* A child row with the greatest stamp is gone: the version falls. */
TEST(what_one_process_reads_later_is_newer_whatever_its_stamp)
{
    struct fix f;
    struct got g = {0};
    int64_t t;

    fix_open(&f, false);
    t = fix_tenant(&f, "acme");
    f.reader = 7;
    fix_intake(&f, &g, t, "customers", "p1", "fresh", 20,
               customer("1", 9, 'a', NULL));
    fix_intake(&f, &g, t, "customers", "p2", "fresh", 20,
               customer("1", 8, 'b', NULL));
    took(&g, 0, 0, 1);
    fix_intake(&f, &g, t, "customers", "p3", "fresh", 19,
               customer("1", 7, 'c', NULL));
    took(&g, 0, 1, 0); /* read before */
    f.reader = 8;
    fix_intake(&f, &g, t, "customers", "p4", "fresh", 21,
               customer("1", 7, 'd', NULL));
    took(&g, 0, 1, 0); /* another's clock cannot tell */
    fix_intake(&f, &g, t, "customers", "p5", "fresh", 22,
               customer("1", 7, 'e', NULL));
    took(&g, 0, 0, 1);
    TIES_OUT(&f);
    got_clear(&g);
    fix_close(&f);
}

TEST(equal_stamp_read_later_wins_and_read_earlier_does_not)
{
    struct fix f;
    struct got g = {0};
    int64_t t;

    fix_open(&f, false);
    t = fix_tenant(&f, "acme");
    fix_intake(&f, &g, t, "customers", "p", "fresh", 10,
               customer("1", 5, 'a', NULL));
    fix_intake(&f, &g, t, "customers", "p", "fresh", 11,
               customer("1", 5, 'b', NULL));
    took(&g, 0, 0, 1);
    fix_intake(&f, &g, t, "customers", "p", "fresh", 9,
               customer("1", 5, 'c', NULL));
    took(&g, 0, 1, 0);
    EQ_STR(RECORD(&f, "1", "substr(encode(hash, 'hex'), 1, 1)"), "b");
    TIES_OUT(&f);
    got_clear(&g);
    fix_close(&f);
}

TEST(newest_of_a_record_twice_in_a_page_wins)
{
    struct fix f;
    struct got g = {0};
    int64_t t;

    fix_open(&f, false);
    t = fix_tenant(&f, "acme");
    fix_intake(&f, &g, t, "customers", "p", "fresh", 10,
               text("%s,%s,%s", customer("1", 6, 'b', NULL),
                    customer("1", 5, 'a', NULL), customer("2", 5, 'a', NULL)));
    took(&g, 0, 1, 2);
    EQ_STR(RECORD(&f, "1", "substr(encode(hash, 'hex'), 1, 1)"), "b");
    TIES_OUT(&f);
    got_clear(&g);
    fix_close(&f);
}

TEST(parked_job_is_reopened_by_a_change_only)
{
    struct fix f;
    struct got g = {0};
    int64_t t;

    fix_open(&f, false);
    t = fix_tenant(&f, "acme");
    fix_intake(&f, &g, t, "customers", "p1", "fresh", 10,
               customer("1", 5, 'a', NULL));
    fix_claim(&f, &g, t, 1);
    fix_outcome(&f, &g, t, NULL,
                text("[{\"id\":%s,\"revision\":1,\"state\":\"parked\","
                     "\"attempts\":8,\"error_code\":\"REFUSED\",\"error\":"
                     "\"bad\"}]",
                     JOB(&f, "1", "id")),
                NULL);
    EQ_STR(RECORD(&f, "1", "state || ' ' || last_error"),
           "parked REFUSED: bad");
    SQL_IS(&f, "bad/8/0",
           "SELECT reason || '/' || attempts || '/' || blocks "
           "FROM ml_dashboard.replay_queue");
    SQL_IS(&f, "1", "SELECT parked FROM ml_dashboard.conservation");
    fix_intake(&f, &g, t, "customers", "p2", "fresh", 11,
               customer("1", 5, 'a', NULL));
    took(&g, 1, 0, 0);
    EQ_STR(JOB(&f, "1", "state"), "parked");
    EQ_STR(RECORD(&f, "1", "state"), "parked");
    fix_intake(&f, &g, t, "customers", "p3", "backfill", 12,
               customer("1", 6, 'b', NULL));
    took(&g, 0, 0, 1);
    EQ_STR(JOB(&f, "1", "concat_ws(' ', state, attempts, class, error)"),
           "queued 0 backfill");
    EQ_STR(RECORD(&f, "1", "state"), "pending");
    TIES_OUT(&f);
    got_clear(&g);
    fix_close(&f);
}

TEST(job_in_flight_keeps_its_state_and_is_queued_by_its_outcome)
{
    struct fix f;
    struct got g = {0};
    int64_t t;

    fix_open(&f, false);
    t = fix_tenant(&f, "acme");
    fix_intake(&f, &g, t, "customers", "p1", "backfill", 10,
               customer("1", 5, 'a', NULL));
    fix_claim(&f, &g, t, 1);
    fix_intake(&f, &g, t, "customers", "p2", "fresh", 11,
               customer("1", 6, 'b', NULL));
    EQ_STR(JOB(&f, "1", "concat_ws(' ', state, revision, class)"),
           "in_flight 2 fresh");
    fix_outcome(&f, &g, t, NULL,
                text("[{\"id\":%s,\"revision\":1,\"state\":\"in_flight\"}]",
                     JOB(&f, "1", "id")),
                NULL);
    EQ_STR(JOB(&f, "1", "state"), "in_flight");
    fix_outcome(&f, &g, t, NULL,
                text("[{\"id\":%s,\"revision\":1,\"state\":\"done\"}]",
                     JOB(&f, "1", "id")),
                NULL);
    EQ_STR(JOB(&f, "1", "state"), "queued");
    EQ_STR(RECORD(&f, "1", "state"), "pending");
    fix_claim(&f, &g, t, 1);
    HAS(g.text, "customer:1 r2");
    fix_outcome(&f, &g, t, NULL,
                text("[{\"id\":%s,\"revision\":2,\"state\":\"done\"}]",
                     JOB(&f, "1", "id")),
                NULL);
    EQ_STR(RECORD(&f, "1", "state"), "current");
    SQL_IS(&f, "p1 1 0,p2 0 1",
           "SELECT string_agg(concat_ws(' ', poll, "
           "superseded, written), ',' ORDER BY poll) "
           "FROM ml_dashboard.conservation");
    TIES_OUT(&f);
    got_clear(&g);
    fix_close(&f);
}

TEST(fresh_wins_over_backfill_and_not_the_other_way)
{
    struct fix f;
    struct got g = {0};
    int64_t t;

    fix_open(&f, false);
    t = fix_tenant(&f, "acme");
    fix_intake(&f, &g, t, "customers", "p", "backfill", 10,
               customer("1", 5, 'a', NULL));
    fix_intake(&f, &g, t, "customers", "p", "fresh", 11,
               customer("1", 6, 'b', NULL));
    EQ_STR(JOB(&f, "1", "class"), "fresh");
    fix_intake(&f, &g, t, "customers", "p", "backfill", 12,
               customer("1", 7, 'c', NULL));
    EQ_STR(JOB(&f, "1", "class"), "fresh");
    TIES_OUT(&f);
    got_clear(&g);
    fix_close(&f);
}

TEST(job_waits_for_its_parents_and_goes_on_without_missing_ones)
{
    struct fix f;
    struct got g = {0};
    int64_t t;

    fix_open(&f, false);
    t = fix_tenant(&f, "acme");
    fix_link(&f, t, "customer", "ready");
    fix_link(&f, t, "invoice", "900");
    fix_intake(&f, &g, t, "invoices", "p", "fresh", 10,
               text("%s,%s,%s", invoice("1", "ready", 1, 'a'),
                    invoice("2", "9", 1, 'a'), invoice("3", NULL, 1, 'a')));
    EQ_STR(g.lists[0], "[\"9\", \"ready\"]");
    EQ_STR(JOB(&f, "1", "concat_ws(' ', state, waiting_for)"), "queued");
    EQ_STR(JOB(&f, "2", "concat_ws(' ', state, waiting_for)"),
           "waiting customer:9");
    EQ_STR(JOB(&f, "3", "concat_ws(' ', state, waiting_for)"),
           "waiting no_customer");
    fix_intake(&f, &g, t, "payments", "p", "fresh", 10,
               text("%s,%s,%s,%s", payment("a", "9", "1", 1, 'a'),
                    payment("b", "ready", "1", 1, 'a'),
                    payment("c", NULL, "900", 1, 'a'),
                    payment("d", NULL, "77", 1, 'a')));
    EQ_STR(g.lists[2], "[\"77\", \"900\"]");
    EQ_STR(g.lists[3], "[\"1\"]");
    EQ_STR(JOB(&f, "a", "waiting_for"), "customer:9");
    EQ_STR(JOB(&f, "b", "waiting_for"), "invoice:1");
    EQ_STR(JOB(&f, "c", "state"), "queued");
    EQ_STR(JOB(&f, "d", "waiting_for"), "invoice:77");
    CALL(&f, &g, store_missing, t, "customer", "[\"9\"]", on_done);
    OK(g.err);
    CALL(&f, &g, store_missing, t, "invoice", "[\"77\",\"1\"]", on_done);
    OK(g.err);
    EQ_STR(RECORD(&f, "9", "state"), "missing");
    EQ_STR(RECORD(&f, "1", "state"), "pending");
    EQ_STR(JOB(&f, "2", "state"), "queued");
    EQ_STR(JOB(&f, "a", "state"), "queued");
    EQ_STR(JOB(&f, "b", "state"), "waiting");
    EQ_STR(JOB(&f, "d", "state"), "queued");
    SQL_IS(&f, "3",
           "SELECT count(*) FROM ml_dashboard.audit WHERE event = "
           "'parent_missing'");
    fix_intake(&f, &g, t, "invoices", "p", "fresh", 11,
               invoice("4", "9", 1, 'a'));
    EQ_STR(g.lists[0], "[]");
    EQ_STR(JOB(&f, "4", "state"), "queued");
    fix_intake(&f, &g, t, "customers", "p", "fresh", 12,
               customer("9", 1, 'a', NULL));
    took(&g, 0, 0, 1);
    EQ_STR(RECORD(&f, "9", "state"), "pending");
    TIES_OUT(&f);
    got_clear(&g);
    fix_close(&f);
}

TEST(gone_without_a_link_opens_nothing_and_drops_what_was_open)
{
    struct fix f;
    struct got g = {0};
    int64_t t;

    fix_open(&f, false);
    t = fix_tenant(&f, "acme");
    fix_intake(&f, &g, t, "payments", "p1", "fresh", 10,
               text("%s,%s", payment("x", NULL, NULL, 1, '0'),
                    payment("y", NULL, NULL, 1, 'a')));
    took(&g, 1, 0, 1);
    EQ_STR(RECORD(&f, "x", "state"), "gone");
    EQ_STR(JOB(&f, "x", "state"), "");
    fix_intake(&f, &g, t, "payments", "p2", "fresh", 11,
               payment("y", NULL, NULL, 2, '0'));
    took(&g, 1, 0, 0);
    EQ_STR(JOB(&f, "y", "state"), "");
    EQ_STR(RECORD(&f, "y", "state"), "gone");
    TIES_OUT(&f);
    fix_intake(&f, &g, t, "payments", "p3", "fresh", 12,
               payment("y", NULL, NULL, 3, 'b'));
    took(&g, 0, 0, 1);
    fix_claim(&f, &g, t, 1);
    fix_intake(&f, &g, t, "payments", "p4", "fresh", 13,
               payment("y", NULL, NULL, 4, '0'));
    took(&g, 0, 0, 1);
    EQ_STR(JOB(&f, "y", "state || revision"), "in_flight2");
    fix_outcome(&f, &g, t,
                "[{\"kind\":\"payment\",\"fusion_id\":\"y\",\"object\":"
                "\"commerce_payments\",\"key\":\"y\",\"id\":\"501\"}]",
                text("[{\"id\":%s,\"revision\":1,\"state\":\"done\"}]",
                     JOB(&f, "y", "id")),
                NULL);
    fix_claim(&f, &g, t, 1);
    HAS(g.text, "\"gone\": true");
    HAS(g.text, "\"id\": \"501\"");
    fix_outcome(&f, &g, t,
                "[{\"kind\":\"payment\",\"fusion_id\":\"y\",\"object\":"
                "\"commerce_payments\",\"key\":\"y\",\"id\":null}]",
                text("[{\"id\":%s,\"revision\":2,\"state\":\"done\","
                     "\"gone\":true}]",
                     JOB(&f, "y", "id")),
                NULL);
    EQ_STR(RECORD(&f, "y", "state"), "gone");
    SQL_IS(&f, "0", "SELECT count(*) FROM ml_connector.link");
    TIES_OUT(&f);
    got_clear(&g);
    fix_close(&f);
}

#define HOLDER(f, email)                                                       \
    fix_sql(f,                                                                 \
            "SELECT account FROM ml_connector.contact_email WHERE email "      \
            "= '%s'",                                                          \
            email)

TEST(email_belongs_to_the_first_and_passes_on_when_given_up)
{
    struct fix f;
    struct got g = {0};
    int64_t t;

    fix_open(&f, false);
    t = fix_tenant(&f, "acme");
    fix_intake(&f, &g, t, "customers", "p", "fresh", 10,
               customer("1", 1, 'a', "x@x.example"));
    fix_intake(&f, &g, t, "customers", "p", "fresh", 11,
               text("%s,%s", customer("2", 1, 'a', "x@x.example"),
                    customer("3", 1, 'a', "y@x.example")));
    EQ_STR(HOLDER(&f, "x@x.example"), "1");
    EQ_STR(HOLDER(&f, "y@x.example"), "3");
    fix_claim(&f, &g, t, 10);
    HAS(g.text, "customer:1 r1 fresh a0 holder= ");
    HAS(g.text, "customer:2 r1 fresh a0 holder=1 ");
    fix_intake(&f, &g, t, "customers", "p", "fresh", 12,
               customer("1", 2, 'b', "z@x.example"));
    EQ_STR(HOLDER(&f, "x@x.example"), "2");
    EQ_STR(HOLDER(&f, "z@x.example"), "1");
    EQ_STR(JOB(&f, "2", "state || revision"), "in_flight2");
    fix_intake(&f, &g, t, "customers", "p", "fresh", 13,
               customer("1", 3, 'c', NULL));
    EQ_STR(HOLDER(&f, "z@x.example"), "");
    TIES_OUT(&f);
    got_clear(&g);
    fix_close(&f);
}

/* The contact of customer 1 was written with this e-mail, or without one. */
static void
contact_written(struct fix *f, struct got *g, int64_t t, const char *properties)
{
    fix_outcome(f, g, t,
                text("[{\"kind\":\"customer\",\"fusion_id\":\"1\",\"object\":"
                     "\"contacts\",\"key\":\"1\",\"id\":\"7\",\"hash\":\"ab\","
                     "\"properties\":%s}]",
                     properties),
                NULL, NULL);
}

/* It went without, while another's contact had the address still. */
TEST(the_heir_of_an_email_follows_when_the_contact_has_given_it_up)
{
    struct fix f;
    struct got g = {0};
    int64_t t;

    fix_open(&f, false);
    t = fix_tenant(&f, "acme");
    fix_intake(&f, &g, t, "customers", "p", "fresh", 10,
               text("%s,%s", customer("1", 1, 'a', "y@x.example"),
                    customer("2", 1, 'a', "x@x.example")));
    contact_written(&f, &g, t, "{\"email\":\"x@x.example\"}");
    (void)fix_sql(&f, "DELETE FROM ml_connector.job; UPDATE ml_connector."
                      "record SET state = 'current'; UPDATE ml_connector.poll"
                      " SET written = read");
    contact_written(&f, &g, t, "{\"email\":\"x@x.example\",\"a\":\"1\"}");
    EQ_STR(JOB(&f, "2", "state"), "");
    contact_written(&f, &g, t, "{\"a\":\"1\"}"); /* HubSpot keeps the old one */
    EQ_STR(JOB(&f, "2", "state"), "");
    contact_written(&f, &g, t, "{\"email\":\"x@x.example\"}");
    contact_written(&f, &g, t, "{\"email\":\"y@x.example\"}");
    EQ_STR(JOB(&f, "2", "class || ' ' || state"), "fresh queued");
    EQ_STR(JOB(&f, "1", "state"), "");
    EQ_STR(RECORD(&f, "2", "state"), "pending");
    SQL_IS(&f, "customer 2",
           "SELECT kind || ' ' || fusion_id FROM ml_dashboard.audit WHERE "
           "event = 'email_moved'");
    (void)fix_sql(&f, "DELETE FROM ml_connector.job; UPDATE ml_connector."
                      "record SET state = 'current'; INSERT INTO "
                      "ml_connector.link (tenant_id, kind, fusion_id, object, "
                      "key, hubspot_id, properties) VALUES (1, 'customer', "
                      "'2', 'contacts', '2', '8', '{\"email\":"
                      "\"x@x.example\"}')");
    contact_written(&f, &g, t, "{\"email\":\"x@x.example\"}");
    contact_written(&f, &g, t, "{\"email\":\"y@x.example\"}");
    EQ_STR(JOB(&f, "2", "state"), ""); /* it has it */
    TIES_OUT(&f);
    got_clear(&g);
    fix_close(&f);
}

TEST(payments_follow_the_email_their_contact_was_written_with)
{
    struct fix f;
    struct got g = {0};
    int64_t t;

    fix_open(&f, false);
    t = fix_tenant(&f, "acme");
    fix_link(&f, t, "customer", "1");
    contact_written(&f, &g, t, "{\"email\":\"x@x.example\"}");
    fix_intake(&f, &g, t, "payments", "p", "fresh", 10,
               text("%s,%s", payment("a", "1", NULL, 1, 'a'),
                    payment("b", "2", NULL, 1, 'a')));
    (void)fix_sql(&f, "DELETE FROM ml_connector.job; UPDATE ml_connector."
                      "record SET state = 'current'; UPDATE ml_connector.poll"
                      " SET written = read");
    contact_written(&f, &g, t, "{\"email\":\"x@x.example\",\"a\":\"1\"}");
    EQ_STR(JOB(&f, "a", "state"), "");
    contact_written(&f, &g, t, "{\"email\":\"y@x.example\"}");
    EQ_STR(JOB(&f, "a", "class || ' ' || state"), "fresh queued");
    EQ_STR(JOB(&f, "b", "state"), "");
    EQ_STR(RECORD(&f, "a", "state"), "pending");
    fix_claim(&f, &g, t, 10);
    HAS(g.text, "\"email\": \"y@x.example\"");
    contact_written(&f, &g, t, "{}");
    EQ_STR(JOB(&f, "a", "state || revision"), "in_flight2");
    TIES_OUT(&f);
    got_clear(&g);
    fix_close(&f);
}

TEST(what_jobs_wait_for_and_nobody_has_read_can_be_asked_for)
{
    struct fix f;
    struct got g = {0};
    int64_t t;

    fix_open(&f, false);
    t = fix_tenant(&f, "acme");
    fix_intake(&f, &g, t, "customers", "p", "fresh", 1,
               customer("known", 1, 'a', NULL));
    fix_intake(&f, &g, t, "invoices", "p", "fresh", 1,
               text("%s,%s", invoice("i", "known", 1, 'a'),
                    invoice("j", "away", 1, 'a')));
    fix_link(&f, t, "customer", "known");
    fix_intake(&f, &g, t, "payments", "p", "fresh", 1,
               payment("a", "known", "far", 1, 'a'));
    CALL(&f, &g, store_wanted, t, 10, on_json);
    EQ_STR(g.json, "{\"invoices\": [\"far\"], \"customers\": [\"away\"]}");
    got_clear(&g);
    fix_close(&f);
}

static const char *
bobs_invoice(const char *id, int version)
{
    return text("{\"kind\":\"invoice\",\"id\":\"%s\",\"customer\":\"1\","
                "\"contact_name\":\"Bob\",\"account_name\":\"Acme\","
                "\"party\":\"77\",\"contact_email\":\"a@x.example\","
                "\"version_us\":%d,\"hash\":\"aa\",\"desired\":{}}",
                id, version);
}

TEST(newest_invoice_says_when_its_customer_is_stale)
{
    struct fix f;
    struct got g = {0};
    int64_t t;

    fix_open(&f, false);
    t = fix_tenant(&f, "acme");
    fix_intake(&f, &g, t, "invoices", "p", "fresh", 10,
               invoice("10", "1", 5, 'a'));
    EQ_STR(g.lists[0], "[\"1\"]");
    EQ_STR(g.lists[1], "[]");
    fix_intake(&f, &g, t, "customers", "p", "fresh", 10,
               customer("1", 1, 'a', NULL));
    fix_intake(&f, &g, t, "invoices", "p", "fresh", 11,
               invoice("11", "1", 6, 'a'));
    EQ_STR(g.lists[1], "[]");
    fix_intake(&f, &g, t, "invoices", "p", "fresh", 12, bobs_invoice("12", 4));
    EQ_STR(g.lists[1], "[]");
    fix_intake(&f, &g, t, "invoices", "p", "fresh", 13, bobs_invoice("13", 7));
    EQ_STR(g.lists[1], "[\"1\"]");
    CALL(&f, &g, store_accounts, t, "number", "[\"1\"]", on_json);
    HAS(g.json, "\"bill_to_contact\": \"Bob\"");
    HAS(g.json, "\"bill_to_party\": \"77\"");
    TIES_OUT(&f);
    got_clear(&g);
    fix_close(&f);
}

TEST(open_invoices_are_given_least_recently_read_first)
{
    struct fix f;
    struct got g = {0};
    int64_t t;

    fix_open(&f, false);
    t = fix_tenant(&f, "acme");
    fix_intake(&f, &g, t, "invoices", "p", "fresh", 10,
               invoice("1", "1", 5, 'a'));
    fix_intake(&f, &g, t, "invoices", "p", "fresh", 11,
               invoice("2", "1", 5, 'a'));
    fix_intake(&f, &g, t, "invoices", "p", "fresh", 12,
               invoice("1", "1", 5, 'a'));
    CALL(&f, &g, store_open_invoices, t, 0, 10, on_json);
    EQ_STR(g.json, "[\"2\", \"1\"]");
    CALL(&f, &g, store_open_invoices, t, 0, 1, on_json);
    EQ_STR(g.json, "[\"2\"]");
    got_clear(&g);
    fix_close(&f);
}

TEST(notes_of_an_opened_record_are_audited_once)
{
    struct fix f;
    struct got g = {0};
    int64_t t;

    fix_open(&f, false);
    t = fix_tenant(&f, "acme");
    fix_intake(&f, &g, t, "invoices", "p", "fresh", 10,
               invoice("1", "1", 5, 'a'));
    fix_intake(&f, &g, t, "invoices", "p", "fresh", 11,
               invoice("1", "1", 5, 'a'));
    SQL_IS(&f, "1",
           "SELECT count(*) FROM ml_dashboard.audit WHERE event = "
           "'industry_unmapped' AND fusion_id = '1'");
    got_clear(&g);
    fix_close(&f);
}

TEST(tenants_with_the_same_ids_never_see_each_other)
{
    struct fix f;
    struct got g = {0};
    int64_t a;
    int64_t b;

    fix_open(&f, false);
    a = fix_tenant(&f, "acme");
    b = fix_tenant(&f, "beta");
    fix_link(&f, a, "customer", "1");
    fix_intake(&f, &g, a, "customers", "p", "fresh", 10,
               customer("1", 9, 'a', "x@x.example"));
    fix_intake(&f, &g, b, "customers", "p", "fresh", 10,
               customer("1", 1, 'b', "x@x.example"));
    took(&g, 0, 0, 1);
    SQL_IS(&f, "2", "SELECT count(*) FROM ml_connector.contact_email");
    fix_intake(&f, &g, b, "invoices", "p", "fresh", 10,
               invoice("5", "1", 1, 'a'));
    EQ_STR(JOB(&f, "5", "waiting_for"), "customer:1");
    fix_claim(&f, &g, a, 10);
    EQ_INT(g.n, 1);
    HAS(g.text, "customer:1");
    fix_outcome(&f, &g, b, NULL,
                text("[{\"id\":%s,\"revision\":1,\"state\":\"done\"}]",
                     fix_sql(&f,
                             "SELECT id FROM ml_connector.job WHERE "
                             "tenant_id = %" PRId64,
                             a)),
                NULL);
    SQL_IS(&f, "in_flight",
           "SELECT state FROM ml_connector.job WHERE "
           "tenant_id = %" PRId64,
           a);
    fix_outcome(&f, &g, a, NULL,
                text("[{\"id\":%s,\"revision\":1,\"state\":\"done\"}]",
                     fix_sql(&f,
                             "SELECT id FROM ml_connector.job WHERE "
                             "tenant_id = %" PRId64,
                             a)),
                NULL);
    EQ_STR(JOB(&f, "5", "waiting_for"), "customer:1");
    CALL(&f, &g, store_job_counts, b, on_json);
    HAS(g.json, "\"waiting\": 1");
    SQL_IS(&f, "acme:1 beta:2",
           "SELECT string_agg(tenant || ':' || n, ' ' "
           "ORDER BY tenant) FROM (SELECT tenant, "
           "count(*) AS n FROM ml_dashboard.records "
           "GROUP BY tenant) x");
    TIES_OUT(&f);
    got_clear(&g);
    fix_close(&f);
}

SUITE(intake,
      RUN_LONG(what_jobs_wait_for_and_nobody_has_read_can_be_asked_for, 20),
      RUN_LONG(of_equal_stamps_the_later_reading_wins_within_the_clocks_error,
               20),
      RUN_LONG(new_opens_same_is_unchanged_newer_replaces_older_is_superseded,
               20),
      RUN_LONG(what_one_process_reads_later_is_newer_whatever_its_stamp, 20),
      RUN_LONG(equal_stamp_read_later_wins_and_read_earlier_does_not, 20),
      RUN_LONG(newest_of_a_record_twice_in_a_page_wins, 20),
      RUN_LONG(parked_job_is_reopened_by_a_change_only, 20),
      RUN_LONG(job_in_flight_keeps_its_state_and_is_queued_by_its_outcome, 20),
      RUN_LONG(fresh_wins_over_backfill_and_not_the_other_way, 20),
      RUN_LONG(job_waits_for_its_parents_and_goes_on_without_missing_ones, 20),
      RUN_LONG(gone_without_a_link_opens_nothing_and_drops_what_was_open, 20),
      RUN_LONG(email_belongs_to_the_first_and_passes_on_when_given_up, 20),
      RUN_LONG(the_heir_of_an_email_follows_when_the_contact_has_given_it_up,
               20),
      RUN_LONG(payments_follow_the_email_their_contact_was_written_with, 20),
      RUN_LONG(newest_invoice_says_when_its_customer_is_stale, 20),
      RUN_LONG(open_invoices_are_given_least_recently_read_first, 20),
      RUN_LONG(notes_of_an_opened_record_are_audited_once, 20),
      RUN_LONG(tenants_with_the_same_ids_never_see_each_other, 20))
