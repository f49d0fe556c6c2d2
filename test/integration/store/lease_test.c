/* SPDX-License-Identifier: UNLICENSED */
/*
 * Leases: taking, renewing, taking over; what happens to jobs in flight.
 * Expiry is brought about by moving the row's time, not by waiting.
 */
#include "fix.h"

#include <limits.h>

static void
expire(struct fix *f, int seconds_ago)
{
    (void)fix_sql(f,
                  "UPDATE ml_connector.lease SET expires_at = "
                  "clock_timestamp() - interval '%d s'",
                  seconds_ago);
}

TEST(free_lease_is_taken_and_renewed_by_its_holder_only)
{
    struct fix f;
    struct fix other;
    struct got g = {0};

    fix_open(&f, false);
    fix_second(&f, &other, "");
    CALL(&f, &g, store_lease_take, "P", lessee("w1", 15000), on_lease);
    IS(g.lease.held);
    EQ_INT(g.lease.term, 1);
    EQ_INT(g.lease.hold, 0);
    IS(g.lease.ttl_ms > 14000 && g.lease.ttl_ms <= 15000);
    CALL(&other, &g, store_lease_take, "P", lessee("w2", 15000), on_lease);
    NOT(g.lease.held);
    EQ_STR(g.lease.holder, "w1");
    CALL(&f, &g, store_lease_take, "P", lessee("w1", 15000), on_lease);
    IS(g.lease.held);
    EQ_INT(g.lease.term, 1);
    EQ_INT(g.lease.hold, 0);
    got_clear(&g);
    fix_close(&other);
    fix_close(&f);
}

TEST(same_name_in_another_process_does_not_renew)
{
    struct fix f;
    struct fix other;
    struct got g = {0};

    fix_open(&f, false);
    fix_second(&f, &other, "");
    CALL(&f, &g, store_lease_take, "P", lessee("w1", 15000), on_lease);
    CALL(&other, &g, store_lease_take, "P", lessee("w1", 15000), on_lease);
    NOT(g.lease.held);
    expire(&f, 1);
    CALL(&other, &g, store_lease_take, "P", lessee("w1", 15000), on_lease);
    IS(g.lease.held);
    EQ_INT(g.lease.term, 2);
    EQ_UINT(g.lease.hold, UINT_MAX);
    CALL(&f, &g, store_lease_take, "P", lessee("w1", 15000), on_lease);
    NOT(g.lease.held);
    got_clear(&g);
    fix_close(&other);
    fix_close(&f);
}

TEST(unclean_end_holds_all_tokens_until_eleven_seconds_after_expiry)
{
    struct fix f;
    struct fix other;
    struct got g = {0};

    fix_open(&f, false);
    fix_second(&f, &other, "");
    CALL(&f, &g, store_lease_take, "P", lessee("w1", 15000), on_lease);
    expire(&f, 4);
    CALL(&other, &g, store_lease_take, "P", lessee("w2", 15000), on_lease);
    IS(g.lease.held);
    EQ_INT(g.lease.term, 2);
    EQ_UINT(g.lease.hold, UINT_MAX);
    IS(g.lease.hold_ms > 5000 && g.lease.hold_ms <= 7000);
    expire(&f, 30);
    CALL(&f, &g, store_lease_take, "P", lessee("w1", 15000), on_lease);
    EQ_INT(g.lease.term, 3);
    EQ_UINT(g.lease.hold, 0);
    got_clear(&g);
    fix_close(&other);
    fix_close(&f);
}

TEST(clean_release_leaves_its_tokens_to_the_next)
{
    struct fix f;
    struct fix other;
    struct got g = {0};

    fix_open(&f, false);
    fix_second(&f, &other, "");
    CALL(&f, &g, store_lease_take, "P", lessee("w1", 15000), on_lease);
    CALL(&f, &g, store_lease_release, "P", "w1", 7, 3, 9000, on_done);
    EQ_ERR(g.err, ERR_LEASE_LOST);
    CALL(&f, &g, store_lease_take, "P", lessee("w1", 15000), on_lease);
    NOT(g.lease.held);
    expire(&f, 20);
    CALL(&f, &g, store_lease_take, "P", lessee("w1", 15000), on_lease);
    CALL(&f, &g, store_lease_release, "P", "w1", 2, 3, 9000, on_done);
    OK(g.err);
    CALL(&other, &g, store_lease_take, "P", lessee("w2", 15000), on_lease);
    IS(g.lease.held);
    EQ_INT(g.lease.term, 3);
    EQ_UINT(g.lease.hold, 3);
    IS(g.lease.hold_ms > 7000 && g.lease.hold_ms <= 9000);
    got_clear(&g);
    fix_close(&other);
    fix_close(&f);
}

TEST(take_over_queues_what_was_in_flight_or_makes_it_unknown)
{
    struct fix f;
    struct fix other;
    struct got g = {0};
    int64_t t;
    int64_t stranger;
    struct store_write w = {.id = "write-1",
                            .portal = "P-acme",
                            .worker = "w1",
                            .term = 1,
                            .operation = "companies.upsert",
                            .inputs = 1};

    fix_open(&f, false);
    fix_second(&f, &other, "");
    t = fix_tenant(&f, "acme");
    stranger = fix_tenant(&f, "beta");
    fix_intake(&f, &g, t, "customers", "p", "fresh", 1,
               text("%s,%s", customer("1", 1, 'a', NULL),
                    customer("2", 1, 'b', NULL)));
    fix_intake(&f, &g, stranger, "customers", "p", "fresh", 1,
               customer("1", 1, 'a', NULL));
    fix_claim(&f, &g, t, 10);
    EQ_INT(g.n, 2);
    fix_claim(&f, &g, stranger, 10);
    EQ_INT(g.n, 1);
    w.tenant = t;
    w.jobs = text("[%s]", fix_sql(&f,
                                  "SELECT id FROM ml_connector.job WHERE "
                                  "tenant_id = %" PRId64 " AND "
                                  "fusion_id = '2'",
                                  t));
    CALL(&f, &g, store_write_open, &w, on_done);
    OK(g.err);
    expire(&f, 1);
    CALL(&other, &g, store_lease_take, "P-acme", lessee("w2", 15000), on_lease);
    IS(g.lease.held);
    SQL_IS(&f, "queued,unknown",
           "SELECT string_agg(state, ',' ORDER BY "
           "fusion_id) FROM ml_connector.job WHERE "
           "tenant_id = %" PRId64,
           t);
    SQL_IS(&f, "in_flight",
           "SELECT state FROM ml_connector.job WHERE "
           "tenant_id = %" PRId64,
           stranger);
    SQL_IS(&f, "unknown", "SELECT result FROM ml_connector.write");
    CALL(&other, &g, store_claim, t, "P-acme", 2, fix_room(10), on_claim);
    EQ_INT(g.n, 2);
    HAS(g.text, "customer:2 r1 fresh verify");
    CALL(&f, &g, store_write_open, &w, on_done);
    EQ_ERR(g.err, ERR_LEASE_LOST);
    got_clear(&g);
    fix_close(&other);
    fix_close(&f);
}

TEST(clean_release_queues_what_was_in_flight)
{
    struct fix f;
    struct got g = {0};
    int64_t t;

    fix_open(&f, false);
    t = fix_tenant(&f, "acme");
    fix_intake(&f, &g, t, "customers", "p", "fresh", 1,
               customer("1", 1, 'a', NULL));
    fix_claim(&f, &g, t, 10);
    EQ_INT(g.n, 1);
    CALL(&f, &g, store_lease_release, "P-acme", "w1", 1, 0, 0, on_done);
    OK(g.err);
    SQL_IS(&f, "queued", "SELECT state FROM ml_connector.job");
    SQL_IS(&f, "recovered queued",
           "SELECT event || ' ' || outcome FROM "
           "ml_dashboard.audit ORDER BY id DESC "
           "LIMIT 1");
    CALL(&f, &g, store_claim, t, "P-acme", 1, fix_room(10), on_claim);
    IS(g.lease_lost);
    got_clear(&g);
    fix_close(&f);
}

/* The process stood still for longer than its lease, or the database did. */
TEST(a_lease_that_ran_out_and_that_nobody_took_goes_on)
{
    struct fix f;
    struct got g = {0};
    int64_t t;

    fix_open(&f, false);
    t = fix_tenant(&f, "acme");
    fix_intake(&f, &g, t, "customers", "p", "fresh", 1,
               customer("1", 1, 'a', NULL));
    fix_claim(&f, &g, t, 100);
    EQ_INT(g.n, 1);
    expire(&f, 1);
    fix_claim(&f, &g, t, 100);
    IS(g.lease_lost); /* not before it is renewed */
    CALL(&f, &g, store_lease_take, "P-acme", lessee("w1", 15000), on_lease);
    IS(g.lease.held);
    EQ_INT(g.lease.term, 1);
    EQ_UINT(g.lease.hold, 0);
    SQL_IS(&f, "in_flight", "SELECT state FROM ml_connector.job");
    got_clear(&g);
    fix_close(&f);
}

SUITE(lease, RUN_LONG(free_lease_is_taken_and_renewed_by_its_holder_only, 20),
      RUN_LONG(same_name_in_another_process_does_not_renew, 20),
      RUN_LONG(unclean_end_holds_all_tokens_until_eleven_seconds_after_expiry,
               20),
      RUN_LONG(clean_release_leaves_its_tokens_to_the_next, 20),
      RUN_LONG(take_over_queues_what_was_in_flight_or_makes_it_unknown, 20),
      RUN_LONG(clean_release_queues_what_was_in_flight, 20),
      RUN(a_lease_that_ran_out_and_that_nobody_took_goes_on))
