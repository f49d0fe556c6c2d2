/* SPDX-License-Identifier: UNLICENSED */
/*
 * A database that was set back: how that is noticed, and what is opened since.
 */
#include "fix.h"

#include <limits.h>
#include <string.h>

static void
take(struct fix *f, struct got *g)
{
    CALL(f, g, store_lease_take, "P-acme", lessee("w1", 15000), on_lease);
    IS(g->lease.held);
}

#define IN_DOUBT "SELECT count(doubt_at) FROM ml_connector.tenant"
#define TOLD                                                                   \
    "SELECT count(*) FROM ml_connector.audit_event WHERE event = 'in_doubt' "  \
    "AND fusion_id IS NULL"

TEST(a_lease_of_another_database_is_nobodys_and_its_tenants_are_in_doubt)
{
    struct fix f;
    struct got g = {0};

    fix_open(&f, false);
    (void)fix_tenant(&f, "acme");
    SQL_IS(&f, "t",
           "SELECT home = ml_connector.home() FROM ml_connector.lease");
    (void)fix_sql(&f, "UPDATE ml_connector.lease SET home = 'elsewhere'");
    take(&f, &g);
    EQ_INT(g.lease.term, 1002);
    EQ_UINT(g.lease.hold, UINT_MAX);
    IS(g.lease.hold_ms > 9000);
    SQL_IS(&f, "1", IN_DOUBT);
    SQL_IS(&f, "1", TOLD);
    take(&f, &g); /* once */
    EQ_INT(g.lease.term, 1002);
    SQL_IS(&f, "1", TOLD);
    got_clear(&g);
    fix_close(&f);
}

TEST(so_is_one_whose_term_went_back)
{
    struct fix f;
    struct got g = {0};

    fix_open(&f, false);
    (void)fix_tenant(&f, "acme");
    (void)fix_sql(&f, "UPDATE ml_connector.lease SET term = 0");
    take(&f, &g);
    EQ_INT(g.lease.term, 1002);
    SQL_IS(&f, "1", IN_DOUBT);
    got_clear(&g);
    fix_close(&f);
}

/* The database was away for long, and is as it was: nothing is missing. */
TEST(one_that_we_renewed_last_leaves_doubt_only_when_that_is_missing)
{
    struct fix f;
    struct got g = {0};

    fix_open(&f, false);
    (void)fix_tenant(&f, "acme");
    take(&f, &g);
    (void)fix_sql(&f, "UPDATE ml_connector.lease SET expires_at = "
                      "expires_at - interval '55 s'");
    take(&f, &g); /* run out, perhaps, but not set back */
    EQ_INT(g.lease.term, 1);
    SQL_IS(&f, "0", IN_DOUBT);
    (void)fix_sql(&f, "UPDATE ml_connector.lease SET expires_at = "
                      "expires_at - interval '65 s'");
    take(&f, &g);
    EQ_INT(g.lease.term, 1002);
    SQL_IS(&f, "1", IN_DOUBT);
    got_clear(&g);
    fix_close(&f);
}

TEST(a_holder_that_vanished_long_ago_leaves_doubt_one_that_ended_none)
{
    struct fix f;
    struct fix other;
    struct got g = {0};

    fix_open(&f, false);
    fix_second(&f, &other, "");
    (void)fix_tenant(&f, "acme");
    (void)fix_sql(&f, "UPDATE ml_connector.lease SET expires_at = "
                      "clock_timestamp() - interval '2 min'");
    take(&other, &g);
    EQ_INT(g.lease.term, 2);
    SQL_IS(&f, "0", IN_DOUBT);
    (void)fix_sql(&f, "UPDATE ml_connector.lease SET worker = NULL, "
                      "clean = true, expires_at = clock_timestamp() - "
                      "interval '2 days'");
    take(&f, &g);
    EQ_INT(g.lease.term, 3);
    SQL_IS(&f, "0", IN_DOUBT);
    (void)fix_sql(&f, "UPDATE ml_connector.lease SET expires_at = "
                      "clock_timestamp() - interval '4 min'");
    take(&other, &g);
    EQ_INT(g.lease.term, 1004);
    SQL_IS(&f, "1", IN_DOUBT);
    got_clear(&g);
    fix_close(&other);
    fix_close(&f);
}

/* Puts the tenant in doubt; everything was read and written before. */
static void
set_back(struct fix *f)
{
    (void)fix_sql(f, "DELETE FROM ml_connector.job");
    (void)fix_sql(f, "DELETE FROM ml_connector.poll");
    (void)fix_sql(f, "UPDATE ml_connector.record SET state = 'current', "
                     "last_read = now() - interval '1 h', "
                     "seen_at = now() - interval '2 days', "
                     "last_write = now() - interval '1 h'");
    (void)fix_sql(f, "UPDATE ml_connector.tenant SET "
                     "doubt_at = clock_timestamp()");
}

TEST(what_is_read_first_since_then_is_opened_once_though_it_is_the_same)
{
    struct fix f;
    struct got g = {0};
    int64_t t;

    fix_open(&f, false);
    t = fix_tenant(&f, "acme");
    fix_intake(&f, &g, t, "customers", "p1", "fresh", 1000,
               customer("1008", 1, 'a', NULL));
    fix_link(&f, t, "customer", "1008");
    fix_intake(&f, &g, t, "invoices", "p1", "fresh", 1000,
               invoice("3001", "1008", 1, 'b'));
    set_back(&f);
    fix_intake(&f, &g, t, "invoices", "p2", "fresh", 2000,
               invoice("3001", "1008", 1, 'b'));
    EQ_UINT(g.intake.opened, 1);
    SQL_IS(&f, "pending",
           "SELECT state FROM ml_connector.record "
           "WHERE kind = 'invoice'");
    /* the ceiling is for changes */
    SQL_IS(&f, "0", "SELECT opened FROM ml_connector.poll WHERE poll = 'p2'");
    /* its customer too, though nobody read it */
    SQL_IS(&f, "customer,invoice",
           "SELECT string_agg(kind, ',' ORDER BY kind) "
           "FROM ml_connector.job");
    fix_intake(&f, &g, t, "invoices", "p3", "fresh", 3000,
               invoice("3001", "1008", 1, 'b'));
    EQ_UINT(g.intake.opened, 0);
    SQL_IS(&f, "0",
           "SELECT count(*) FROM ml_dashboard.conservation "
           "WHERE difference <> 0");
    got_clear(&g);
    fix_close(&f);
}

TEST(jobs_are_in_doubt_until_their_record_is_written)
{
    struct fix f;
    struct got g = {0};
    int64_t t;

    fix_open(&f, false);
    t = fix_tenant(&f, "acme");
    fix_intake(&f, &g, t, "customers", "p1", "fresh", 1000,
               customer("1008", 1, 'a', NULL));
    fix_claim(&f, &g, t, 10);
    LACKS(g.text, " doubt");
    set_back(&f);
    fix_intake(&f, &g, t, "customers", "p2", "fresh", 2000,
               customer("1008", 2, 'b', NULL));
    fix_claim(&f, &g, t, 10);
    HAS(g.text, "customer:1008 r1 fresh doubt");
    fix_outcome(&f, &g, t, NULL,
                text("[{\"id\":%s,\"revision\":1,\"state\":\"done\"}]",
                     fix_sql(&f, "SELECT id FROM ml_connector.job")),
                NULL);
    fix_intake(&f, &g, t, "customers", "p3", "fresh", 3000,
               customer("1008", 3, 'c', NULL));
    fix_claim(&f, &g, t, 10);
    HAS(g.text, "customer:1008 r1 fresh a0");
    got_clear(&g);
    fix_close(&f);
}

/* A new record may have been written in the time that is missing. */
TEST(so_are_records_that_are_new_for_a_day)
{
    struct fix f;
    struct got g = {0};
    int64_t t;

    fix_open(&f, false);
    t = fix_tenant(&f, "acme");
    set_back(&f);
    fix_intake(&f, &g, t, "customers", "p1", "fresh", 1000,
               customer("1008", 1, 'a', NULL));
    fix_claim(&f, &g, t, 10);
    HAS(g.text, "customer:1008 r1 fresh doubt");
    (void)fix_sql(&f, "UPDATE ml_connector.tenant SET doubt_at = doubt_at - "
                      "interval '25 h'");
    fix_intake(&f, &g, t, "customers", "p2", "fresh", 2000,
               customer("1009", 1, 'a', NULL));
    fix_claim(&f, &g, t, 10);
    HAS(g.text, "customer:1009 r1 fresh a0");
    got_clear(&g);
    fix_close(&f);
}

SUITE(doubt,
      RUN(a_lease_of_another_database_is_nobodys_and_its_tenants_are_in_doubt),
      RUN(so_is_one_whose_term_went_back),
      RUN(one_that_we_renewed_last_leaves_doubt_only_when_that_is_missing),
      RUN(a_holder_that_vanished_long_ago_leaves_doubt_one_that_ended_none),
      RUN(what_is_read_first_since_then_is_opened_once_though_it_is_the_same),
      RUN(jobs_are_in_doubt_until_their_record_is_written),
      RUN(so_are_records_that_are_new_for_a_day))
