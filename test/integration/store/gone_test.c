/* SPDX-License-Identifier: UNLICENSED */
/*
 * Objects that are gone from HubSpot or became other records: links, jobs of
 * what hung on them, and who waits.
 */
#include "fix.h"

/* A customer with an invoice and its payment, another invoice, all current. */
static int64_t
scene(struct fix *f, struct got *g)
{
    int64_t t;

    fix_open(f, false);
    t = fix_tenant(f, "acme");
    fix_intake(f, g, t, "customers", "p", "fresh", 1,
               text("%s,%s", customer("1", 1, 'a', NULL),
                    customer("2", 1, 'a', NULL)));
    fix_intake(
        f, g, t, "invoices", "p", "fresh", 1,
        text("%s,%s", invoice("i1", "1", 1, 'a'), invoice("i2", "2", 1, 'a')));
    fix_intake(f, g, t, "payments", "p", "fresh", 1,
               payment("pay", "1", "i1", 1, 'a'));
    fix_link(f, t, "customer", "1");
    fix_link(f, t, "customer", "2");
    fix_link(f, t, "invoice", "i1");
    fix_link(f, t, "invoice", "i2");
    (void)fix_sql(f, "DELETE FROM ml_connector.job; "
                     "UPDATE ml_connector.record SET state = 'current'; "
                     "UPDATE ml_connector.poll SET written = read");
    return t;
}

static void
tell(struct fix *f, struct got *g, int64_t t, const char *links,
     const char *jobs, const char *gone)
{
    struct store_outcome out = {.tenant = t,
                                .portal = "P-acme",
                                .worker = "w1",
                                .term = 1,
                                .links = links,
                                .jobs = jobs,
                                .gone = gone};

    CALL(f, g, store_outcome, &out, on_outcome);
    ck_assert_msg(g->err == ERR_OK, "%s %s", g->fault.code, g->fault.message);
}

static const char *
jobs(struct fix *f)
{
    return fix_sql(f, "SELECT string_agg(concat_ws(' ', fusion_id, state, "
                      "waiting_for), ',' ORDER BY kind, fusion_id) "
                      "FROM ml_connector.job");
}

TEST(a_gone_contact_is_forgotten_and_all_that_hung_on_it_waits_for_its_customer)
{
    struct fix f;
    struct got g = {0};
    int64_t t = scene(&f, &g);

    tell(&f, &g, t, NULL, NULL,
         "[{\"kind\":\"customer\",\"fusion_id\":\"1\",\"object\":\"contacts\","
         "\"id\":\"H-contacts-1\"},{\"kind\":\"customer\",\"fusion_id\":\"1\","
         "\"object\":\"contacts\",\"id\":\"H-contacts-1\"}]");
    EQ_STR(jobs(&f), "1 queued,i1 waiting customer:1,pay waiting customer:1");
    SQL_IS(&f, "companies",
           "SELECT string_agg(object, ',') FROM ml_connector.link WHERE "
           "kind = 'customer' AND fusion_id = '1' AND hubspot_id IS NOT NULL");
    SQL_IS(&f, "1 pending,2 current,i1 pending,i2 current,pay pending",
           "SELECT string_agg(fusion_id || ' ' || state, ',' ORDER BY kind, "
           "fusion_id) FROM ml_connector.record");
    EQ_INT(g.n, 1); /* one may be claimed */
    SQL_IS(&f, "3",
           "SELECT count(*) FROM ml_connector.audit_event "
           "WHERE event = 'object_gone' AND outcome = 'opened'");
    SQL_IS(&f, "0",
           "SELECT count(*) FROM ml_dashboard.conservation "
           "WHERE difference <> 0");
    got_clear(&g);
    fix_close(&f);
}

TEST(another_id_than_the_link_has_by_now_forgets_nothing)
{
    struct fix f;
    struct got g = {0};
    int64_t t = scene(&f, &g);

    tell(&f, &g, t, NULL, NULL,
         "[{\"kind\":\"customer\",\"fusion_id\":\"1\",\"object\":\"contacts\","
         "\"id\":\"H-older\"}]");
    EQ_STR(jobs(&f), "");
    SQL_IS(&f, "2",
           "SELECT count(*) FROM ml_connector.link WHERE kind = 'customer' "
           "AND fusion_id = '1' AND hubspot_id IS NOT NULL");
    got_clear(&g);
    fix_close(&f);
}

TEST(a_gone_invoice_takes_its_lines_with_it)
{
    struct fix f;
    struct got g = {0};
    int64_t t = scene(&f, &g);

    (void)fix_sql(&f,
                  "INSERT INTO ml_connector.link (tenant_id, kind, fusion_id, "
                  "object, key, hubspot_id) VALUES (%" PRId64
                  ", 'invoice', 'i1', 'line_items', 'l1', 'H-l1')",
                  t);
    tell(&f, &g, t, NULL, NULL,
         "[{\"kind\":\"invoice\",\"fusion_id\":\"i1\",\"object\":\"invoices\","
         "\"id\":\"H-invoices-i1\"}]");
    EQ_STR(jobs(&f), "i1 queued,pay waiting invoice:i1");
    SQL_IS(&f, "0",
           "SELECT count(*) FROM ml_connector.link WHERE fusion_id = 'i1' "
           "AND hubspot_id IS NOT NULL");
    got_clear(&g);
    fix_close(&f);
}

TEST(who_found_its_parent_gone_waits_though_the_link_stood_a_moment_ago)
{
    struct fix f;
    struct got g = {0};
    int64_t t = scene(&f, &g);
    const char *id;

    (void)fix_sql(&f,
                  "INSERT INTO ml_connector.job (tenant_id, kind, fusion_id, "
                  "state, class) VALUES (%" PRId64
                  ", 'invoice', 'i1', 'in_flight', 'fresh'); "
                  "UPDATE ml_connector.record SET state = 'pending' "
                  "WHERE fusion_id = 'i1'",
                  t);
    id = fix_sql(&f, "SELECT id FROM ml_connector.job");
    tell(&f, &g, t, NULL,
         text("[{\"id\":%s,\"revision\":1,\"state\":\"waiting\","
              "\"attempts\":0,\"due_ms\":0,\"waiting_for\":\"customer:1\"}]",
              id),
         "[{\"kind\":\"customer\",\"fusion_id\":\"1\",\"object\":\"companies\","
         "\"id\":\"H-companies-1\"}]");
    EQ_STR(jobs(&f), "1 queued,i1 waiting customer:1,pay waiting customer:1");
    got_clear(&g);
    fix_close(&f);
}

TEST(an_object_that_became_another_record_takes_along_what_hung_on_it)
{
    struct fix f;
    struct got g = {0};
    int64_t t = scene(&f, &g);

    (void)fix_sql(&f, "UPDATE ml_connector.link SET assoc = "
                      "'{177:H-contacts-1,179:H-companies-1,179:H-other}' "
                      "WHERE fusion_id = 'i1'");
    tell(&f, &g, t,
         "[{\"kind\":\"customer\",\"fusion_id\":\"1\",\"object\":\"companies\","
         "\"key\":\"1\",\"id\":\"H-new\",\"assoc\":[]},"
         "{\"kind\":\"customer\",\"fusion_id\":\"2\",\"object\":\"companies\","
         "\"key\":\"2\",\"id\":\"H-companies-2\",\"assoc\":[]}]",
         NULL, NULL);
    EQ_STR(jobs(&f), "i1 queued,pay queued");
    EQ_INT(g.n, 2);
    /* it parts from the old id by itself */
    SQL_IS(&f, "177:H-contacts-1 179:H-companies-1 179:H-other",
           "SELECT array_to_string(assoc, ' ') FROM ml_connector.link "
           "WHERE fusion_id = 'i1'");
    got_clear(&g);
    fix_close(&f);
}

/* One in flight may have been sent with the old id; others have not begun. */
TEST(what_is_in_flight_with_the_old_id_goes_again)
{
    struct fix f;
    struct got g = {0};
    int64_t t = scene(&f, &g);

    (void)fix_sql(&f,
                  "INSERT INTO ml_connector.job (tenant_id, kind, fusion_id, "
                  "state, class) VALUES (%" PRId64
                  ", 'invoice', 'i1', 'in_flight', 'fresh'), (%" PRId64
                  ", 'payment', 'pay', 'queued', 'fresh'); "
                  "UPDATE ml_connector.record SET state = 'pending' "
                  "WHERE fusion_id IN ('i1', 'pay')",
                  t, t);
    tell(&f, &g, t,
         "[{\"kind\":\"customer\",\"fusion_id\":\"1\",\"object\":\"companies\","
         "\"key\":\"1\",\"id\":\"H-new\",\"assoc\":[]}]",
         NULL, NULL);
    SQL_IS(&f, "i1 in_flight 2,pay queued 1",
           "SELECT string_agg(concat_ws(' ', fusion_id, state, revision), ',' "
           "ORDER BY kind, fusion_id) FROM ml_connector.job");
    got_clear(&g);
    fix_close(&f);
}

/* Its payments are opened once, though two things of it changed. */
TEST(a_contact_with_another_id_and_another_email_opens_its_payments_once)
{
    struct fix f;
    struct got g = {0};
    int64_t t = scene(&f, &g);

    tell(&f, &g, t,
         "[{\"kind\":\"customer\",\"fusion_id\":\"1\",\"object\":\"contacts\","
         "\"key\":\"1\",\"id\":\"H-new\",\"assoc\":[],\"hash\":\"aa\","
         "\"properties\":{\"email\":\"new@x.example\"}}]",
         NULL, NULL);
    EQ_STR(jobs(&f), "i1 queued,pay queued");
    got_clear(&g);
    fix_close(&f);
}

TEST(an_invoice_that_is_gone_with_its_contact_is_forgotten)
{
    struct fix f;
    struct got g = {0};
    int64_t t = scene(&f, &g);

    (void)fix_sql(&f, "UPDATE ml_connector.link SET assoc = "
                      "'{177:H-contacts-1,179:H-companies-1}' "
                      "WHERE fusion_id = 'i1'");
    tell(&f, &g, t, NULL, NULL,
         "[{\"kind\":\"customer\",\"fusion_id\":\"1\",\"object\":\"contacts\","
         "\"id\":\"H-contacts-1\"},{\"kind\":\"invoice\",\"fusion_id\":\"i1\","
         "\"object\":\"invoices\",\"id\":\"H-invoices-i1\"}]");
    SQL_IS(&f, "0",
           "SELECT count(*) FROM ml_connector.link WHERE fusion_id = 'i1' "
           "AND hubspot_id IS NOT NULL");
    got_clear(&g);
    fix_close(&f);
}

SUITE(
    gone,
    RUN(a_gone_contact_is_forgotten_and_all_that_hung_on_it_waits_for_its_customer),
    RUN(another_id_than_the_link_has_by_now_forgets_nothing),
    RUN(a_gone_invoice_takes_its_lines_with_it),
    RUN(who_found_its_parent_gone_waits_though_the_link_stood_a_moment_ago),
    RUN(an_object_that_became_another_record_takes_along_what_hung_on_it),
    RUN(what_is_in_flight_with_the_old_id_goes_again),
    RUN(an_invoice_that_is_gone_with_its_contact_is_forgotten),
    RUN(a_contact_with_another_id_and_another_email_opens_its_payments_once))
