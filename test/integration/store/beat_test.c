/* SPDX-License-Identifier: UNLICENSED */
/*
 * Workers that share portals: one beat renews, takes, tells what is lost. Time
 * is moved in the rows, not waited for.
 */
#include "fix.h"

#include <limits.h>

struct beat {
    uint64_t share, workers;
    int64_t next_ms;
    char text[4096];   /* "taken:P1:1 renewed:P2:1 ", sorted by the statement */
    unsigned all_held; /* taken with all tokens held */
};

struct scene {
    struct fix f;
    struct beat b;
    struct got g;
    bool patient;
};

static void
on_beat(void *arg, enum err err, const struct store_beat *b,
        const struct fault *f)
{
    static const char *const names[] = {"renewed", "lost", "taken", "busy"};
    struct scene *s = arg;
    size_t at = 0;

    OK(err);
    (void)f;
    s->b.share = b->share;
    s->b.workers = b->workers;
    s->b.next_ms = b->next_ms;
    s->b.text[0] = '\0';
    s->b.all_held = 0;
    for (size_t i = 0; i < b->n; i++) {
        const struct store_beat_lease *l = &b->leases[i];

        at += (size_t)snprintf(s->b.text + at, sizeof(s->b.text) - at,
                               "%s:%s:%" PRId64 " ", names[l->event], l->portal,
                               l->lease.term);
        s->b.all_held += l->lease.hold == UINT_MAX ? 1 : 0;
        EQ_INT(l->lease.held, l->event == STORE_LEASE_RENEWED ||
                                  l->event == STORE_LEASE_TAKEN);
        IS(!l->lease.held ||
           (l->lease.ttl_ms > 10000 && l->lease.ttl_ms <= 15000));
    }
    s->g.calls++;
    loop_stop(s->f.loop);
}

static struct beat
beat_as(struct scene *s, const char *process, enum store_beat_mode mode,
        const char *held, const char *wanted)
{
    struct store_beat_spec spec = {.process = process,
                                   .version = "test",
                                   .who = *lessee(process, 15000),
                                   .held = held,
                                   .wanted = wanted,
                                   .most = 100,
                                   .patient = s->patient,
                                   .mode = mode};

    s->g.calls = 0;
    s->g.f = &s->f;
    OK(store_lease_beat(s->f.s, &spec, on_beat, s, NULL));
    EQ_INT(s->g.calls, 0);
    got_wait(&s->f, &s->g);
    return s->b;
}

static struct beat
beat(struct scene *s, const char *process, const char *held, const char *wanted)
{
    return beat_as(s, process, STORE_BEAT_SHARES, held, wanted);
}

/* Tenants t1.. of portals P1.., free. */
static void
open_portals(struct scene *s, int n)
{
    memset(s, 0, sizeof(*s));
    fix_open(&s->f, false);
    (void)fix_sql(&s->f,
                  "INSERT INTO ml_connector.tenant (name, portal) SELECT "
                  "'t' || n, 'P' || n FROM generate_series(1, %d) n",
                  n);
}

static void
close_scene(struct scene *s)
{
    got_clear(&s->g);
    fix_close(&s->f);
}

#define ALL_SEVEN "[\"P1\",\"P2\",\"P3\",\"P4\",\"P5\",\"P6\",\"P7\"]"

TEST(one_worker_takes_all_and_renews_them)
{
    struct scene s;

    open_portals(&s, 2);
    EQ_STR(beat(&s, "w1", "[]", "[\"P1\",\"P2\"]").text,
           "taken:P1:1 taken:P2:1 ");
    EQ_UINT(s.b.share, 2);
    EQ_UINT(s.b.workers, 1);
    EQ_STR(beat(&s, "w1",
                "[{\"portal\":\"P1\",\"term\":1,\"age\":0},"
                "{\"portal\":\"P2\",\"term\":1,\"age\":0}]",
                "[]")
               .text,
           "renewed:P1:1 renewed:P2:1 ");
    SQL_IS(&s.f, "w1:2",
           "SELECT worker || ':' || portals FROM ml_dashboard.workers "
           "WHERE alive");
    SQL_IS(&s.f, "P1:w1:true:{t1}",
           "SELECT portal || ':' || worker || ':' || held || ':' || "
           "tenants::text FROM ml_dashboard.leases ORDER BY portal");
    close_scene(&s);
}

TEST(shares_of_all_workers_add_up_to_the_portals)
{
    struct scene s;
    uint64_t sum = 0;

    open_portals(&s, 7);
    for (int round = 0; round < 2; round++) {
        sum = beat(&s, "w1", "[]", "[]").share;
        sum += beat(&s, "w2", "[]", "[]").share;
        sum += beat(&s, "w3", "[]", "[]").share;
    }
    EQ_UINT(sum, 7);
    IS(s.b.share == 2); /* the youngest */
    EQ_UINT(s.b.workers, 3);
    EQ_STR(beat(&s, "w3", "[]", ALL_SEVEN).text, "taken:P1:1 taken:P2:1 ");
    EQ_STR(beat(&s, "w2", "[]", ALL_SEVEN).text, "taken:P3:1 taken:P4:1 ");
    EQ_STR(beat(&s, "w1", "[]", ALL_SEVEN).text,
           "taken:P5:1 taken:P6:1 taken:P7:1 ");
    close_scene(&s);
}

TEST(what_a_dead_worker_held_is_taken_with_caution_when_it_runs_out)
{
    struct scene s;

    open_portals(&s, 2);
    (void)beat(&s, "w1", "[]", "[]");
    (void)beat(&s, "w2", "[]", "[\"P1\"]");
    IS(s.b.next_ms > 13000 && s.b.next_ms <= 15000);
    EQ_STR(beat(&s, "w1", "[]", "[\"P1\",\"P2\"]").text, "taken:P2:1 ");
    (void)fix_sql(&s.f, "UPDATE ml_connector.lease SET expires_at = "
                        "expires_at - interval '12 s' WHERE worker = 'w2'");
    (void)beat(&s, "w1", "[{\"portal\":\"P2\",\"term\":1,\"age\":0}]",
               "[\"P1\"]");
    IS(s.b.next_ms > 0 && s.b.next_ms <= 3000); /* looked at again then */
    (void)fix_sql(&s.f, "UPDATE ml_connector.lease SET expires_at = "
                        "expires_at - interval '12 s' WHERE worker = 'w2'");
    (void)fix_sql(&s.f, "UPDATE ml_connector.worker SET expires_at = "
                        "expires_at - interval '24 s' WHERE worker = 'w2'");
    EQ_STR(
        beat(&s, "w1", "[{\"portal\":\"P2\",\"term\":1,\"age\":0}]", "[\"P1\"]")
            .text,
        "renewed:P2:1 taken:P1:2 ");
    EQ_UINT(s.b.all_held, 1);
    EQ_UINT(s.b.workers, 1);
    EQ_STR(
        beat(&s, "w2", "[{\"portal\":\"P1\",\"term\":1,\"age\":0}]", "[]").text,
        "lost:P1:1 ");
    close_scene(&s);
}

TEST(a_lease_that_ran_out_is_renewed_under_its_term_when_nobody_took_it)
{
    struct scene s;

    open_portals(&s, 1);
    (void)beat(&s, "w1", "[]", "[\"P1\"]");
    (void)fix_sql(&s.f, "UPDATE ml_connector.lease SET expires_at = "
                        "clock_timestamp() - interval '1 hour'");
    EQ_STR(
        beat(&s, "w1", "[{\"portal\":\"P1\",\"term\":1,\"age\":3600000}]", "[]")
            .text,
        "renewed:P1:1 ");
    close_scene(&s);
}

/* All were cut off for long: who is back first leaves the others theirs. */
TEST(what_ran_out_long_ago_is_left_to_its_holder_by_the_patient)
{
    const char *in_doubt = "SELECT count(*) FROM ml_connector.audit_event "
                           "WHERE event = 'in_doubt'";
    struct scene s;

    open_portals(&s, 2);
    (void)beat(&s, "w2", "[]", "[\"P1\"]");
    (void)fix_sql(&s.f, "UPDATE ml_connector.lease SET expires_at = "
                        "clock_timestamp() - interval '5 min'");
    s.patient = true;
    EQ_STR(beat(&s, "w1", "[]", "[\"P1\"]").text, "");
    SQL_IS(&s.f, "0", "%s", in_doubt);
    EQ_STR(
        beat(&s, "w2", "[{\"portal\":\"P1\",\"term\":1,\"age\":315000}]", "[]")
            .text,
        "renewed:P1:1 ");
    (void)fix_sql(&s.f, "UPDATE ml_connector.lease SET expires_at = "
                        "clock_timestamp() - interval '5 min'");
    s.patient = false; /* it did not come back */
    EQ_STR(beat(&s, "w1", "[]", "[\"P1\"]").text, "taken:P1:1002 ");
    SQL_IS(&s.f, "1", "%s", in_doubt);
    close_scene(&s);
}

/* A renewal waits neither for statements under the lease nor for a taker, so
 * that one tenant that stands still takes no other with it. */
TEST(renewing_waits_for_nobody)
{
    struct scene s;
    struct fix other;

    open_portals(&s, 2);
    (void)beat(&s, "w1", "[]", "[\"P1\",\"P2\"]");
    fix_second(&s.f, &other, "");
    (void)fix_sql(&other, "BEGIN");
    (void)fix_sql(&other, "SELECT ml_connector.lease_check('P1', 1)");
    EQ_STR(beat(&s, "w1",
                "[{\"portal\":\"P1\",\"term\":1,\"age\":0},"
                "{\"portal\":\"P2\",\"term\":1,\"age\":0}]",
                "[]")
               .text,
           "renewed:P1:1 renewed:P2:1 ");
    (void)fix_sql(&other, "ROLLBACK");
    (void)fix_sql(&other, "BEGIN");
    (void)fix_sql(&other, "SELECT * FROM ml_connector.lease WHERE portal = "
                          "'P1' FOR UPDATE");
    EQ_STR(beat(&s, "w1",
                "[{\"portal\":\"P1\",\"term\":1,\"age\":0},"
                "{\"portal\":\"P2\",\"term\":1,\"age\":0}]",
                "[]")
               .text,
           "renewed:P2:1 ");
    (void)fix_sql(&other, "ROLLBACK");
    fix_close(&other);
    close_scene(&s);
}

TEST(one_that_leaves_counts_no_more_and_takes_nothing)
{
    struct scene s;

    open_portals(&s, 2);
    (void)beat(&s, "w1", "[]", "[\"P1\"]");
    (void)beat(&s, "w2", "[]", "[]");
    EQ_UINT(s.b.share, 1);
    EQ_STR(beat_as(&s, "w1", STORE_BEAT_LEAVES,
                   "[{\"portal\":\"P1\",\"term\":1,\"age\":0}]", "[\"P2\"]")
               .text,
           "renewed:P1:1 ");
    EQ_UINT(beat(&s, "w2", "[]", "[]").share, 2);
    EQ_UINT(s.b.workers, 1);
    close_scene(&s);
}

TEST(one_that_takes_all_counts_for_nobody_and_hears_who_has_the_rest)
{
    struct scene s;

    open_portals(&s, 3);
    (void)beat(&s, "w1", "[]", "[\"P1\"]");
    EQ_STR(beat_as(&s, "once", STORE_BEAT_ALL, "[]", "[\"P1\",\"P2\",\"P3\"]")
               .text,
           "taken:P2:1 taken:P3:1 busy:P1:0 ");
    EQ_UINT(beat(&s, "w1", "[]", "[]").workers, 1);
    close_scene(&s);
}

TEST(a_beat_recovers_what_was_in_flight_in_all_that_it_took)
{
    struct scene s;
    int64_t a, b;

    memset(&s, 0, sizeof(s));
    fix_open(&s.f, false);
    a = fix_tenant(&s.f, "acme");
    b = fix_tenant(&s.f, "beta");
    fix_intake(&s.f, &s.g, a, "customers", "p", "fresh", 1,
               customer("1", 1, 'a', NULL));
    fix_intake(&s.f, &s.g, b, "customers", "p", "fresh", 1,
               customer("1", 1, 'a', NULL));
    fix_claim(&s.f, &s.g, a, 10);
    fix_claim(&s.f, &s.g, b, 10);
    (void)fix_sql(&s.f, "UPDATE ml_connector.lease SET expires_at = "
                        "clock_timestamp() - interval '1 s'");
    EQ_STR(beat(&s, "w2", "[]", "[\"P-acme\",\"P-beta\"]").text,
           "taken:P-acme:2 taken:P-beta:2 ");
    SQL_IS(&s.f, "queued,queued",
           "SELECT string_agg(state, ',') FROM ml_connector.job");
    SQL_IS(&s.f, "2",
           "SELECT count(*) FROM ml_dashboard.audit WHERE event = "
           "'recovered' AND worker = 'w2'");
    close_scene(&s);
}

TEST(what_a_feed_stores_under_a_term_that_is_over_is_undone)
{
    struct scene s;
    int64_t t;

    memset(&s, 0, sizeof(s));
    fix_open(&s.f, false);
    t = fix_tenant(&s.f, "acme");
    store_fence(s.f.s, t, "P-acme", 1);
    fix_intake(&s.f, &s.g, t, "customers", "p", "fresh", 1,
               customer("1", 1, 'a', NULL));
    OK(s.g.err);
    (void)fix_sql(&s.f, "UPDATE ml_connector.lease SET term = 2, "
                        "worker = 'w2'");
    CALL(&s.f, &s.g, store_missing, t, "customer", "[\"9\"]", on_done);
    EQ_ERR(s.g.err, ERR_LEASE_LOST);
    CALL(&s.f, &s.g, store_tenant_learn, t, NULL, "{\"x\":1}", on_done);
    EQ_ERR(s.g.err, ERR_LEASE_LOST);
    SQL_IS(&s.f, "1:0",
           "SELECT (SELECT count(*) FROM ml_connector.record) || ':' || "
           "(SELECT count(*) FROM ml_connector.tenant WHERE learned ? 'x')");
    store_fence(s.f.s, t, "P-acme", 2);
    CALL(&s.f, &s.g, store_tenant_learn, t, NULL, "{\"x\":1}", on_done);
    OK(s.g.err);
    close_scene(&s);
}

SUITE(
    beat, RUN_LONG(one_worker_takes_all_and_renews_them, 20),
    RUN_LONG(shares_of_all_workers_add_up_to_the_portals, 20),
    RUN_LONG(what_a_dead_worker_held_is_taken_with_caution_when_it_runs_out,
             20),
    RUN_LONG(a_lease_that_ran_out_is_renewed_under_its_term_when_nobody_took_it,
             20),
    RUN_LONG(what_ran_out_long_ago_is_left_to_its_holder_by_the_patient, 20),
    RUN_LONG(renewing_waits_for_nobody, 20),
    RUN_LONG(one_that_leaves_counts_no_more_and_takes_nothing, 20),
    RUN_LONG(one_that_takes_all_counts_for_nobody_and_hears_who_has_the_rest,
             20),
    RUN_LONG(a_beat_recovers_what_was_in_flight_in_all_that_it_took, 20),
    RUN_LONG(what_a_feed_stores_under_a_term_that_is_over_is_undone, 20))
