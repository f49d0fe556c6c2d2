/* SPDX-License-Identifier: UNLICENSED */
/*
 * The ceiling: what one poll may open before the tenant is held, with the page
 * that crosses it; and who is let through.
 */
#include "fix.h"

/* Of a page of the poll `poll` of invoices: invoices from..to. */
static void
page_of(struct fix *f, struct got *g, int64_t tenant, const char *poll,
        int from, int to, bool news)
{
    struct buf b;
    struct store_intake in = {
        .tenant = tenant,
        .feed = "invoices",
        .worker = "w1",
        .poll = poll,
        .klass = news ? "fresh" : "backfill",
        .read_us = 1000000,
        .read = (size_t)(to - from),
        .news = news ? "invoices" : NULL,
        .ceiling = 10,
        .factor = 3,
    };

    buf_init(&b, 1 << 20);
    buf_addc(&b, '[');
    for (int i = from; i < to; i++) {
        buf_addf(&b, "%s%s", i > from ? "," : "",
                 invoice(text("%d", i), "1008", 1, 'a'));
    }
    buf_addc(&b, ']');
    in.records = buf_text(&b);
    CALL(f, g, store_intake, &in, on_intake);
    OK(g->err);
    buf_fini(&b);
}

static void
page(struct fix *f, struct got *g, int64_t tenant, const char *poll, int from,
     int to)
{
    page_of(f, g, tenant, poll, from, to, true);
}

static void
save(struct fix *f, struct got *g, int64_t tenant, const char *poll,
     const char *outcome)
{
    struct store_poll row = {.tenant = tenant,
                             .feed = "invoices",
                             .poll = poll,
                             .worker = "w1",
                             .state = "idle",
                             .outcome = outcome};

    CALL(f, g, store_poll_save, &row, on_done);
    OK(g->err);
}

/* A poll from its beginning to its end. */
static void
whole(struct fix *f, struct got *g, int64_t tenant, const char *poll, int from,
      int to)
{
    save(f, g, tenant, poll, "");
    page(f, g, tenant, poll, from, to);
    NOT(g->json != NULL);
    save(f, g, tenant, poll, "ok");
}

static int64_t
scene(struct fix *f, struct got *g)
{
    int64_t t;

    fix_open(f, false);
    t = fix_tenant(f, "acme");
    fix_link(f, t, "customer", "1008");
    whole(f, g, t, "first", 0, 50); /* a feed's first poll is no news */
    (void)fix_sql(f, "DELETE FROM ml_connector.poll WHERE poll = 'first'");
    (void)fix_sql(f, "DELETE FROM ml_connector.job");
    return t;
}

#define STATE(f, want)                                                         \
    SQL_IS(f, want, "SELECT state FROM ml_connector.tenant WHERE name = 'acme'")

TEST(first_poll_of_a_feed_holds_nothing)
{
    struct fix f;
    struct got g = {0};

    (void)scene(&f, &g);
    STATE(&f, "active");
    got_clear(&g);
    fix_close(&f);
}

TEST(page_that_crosses_the_line_holds_the_tenant_and_nothing_is_claimed)
{
    struct fix f;
    struct got g = {0};
    int64_t t = scene(&f, &g);

    save(&f, &g, t, "p", "");
    page(&f, &g, t, "p", 100, 110);
    NOT(g.json != NULL);
    STATE(&f, "active");
    page(&f, &g, t, "p", 110, 111);
    IS(g.json != NULL);
    HAS(g.json, "\"opened\": 11");
    HAS(g.json, "\"ceiling\": 10");
    HAS(g.json, "\"create\": 11");
    STATE(&f, "held");
    SQL_IS(&f, "1",
           "SELECT count(*) FROM ml_connector.audit_event WHERE event = "
           "'tenant.state' AND outcome = 'held' AND message LIKE '%%ceiling "
           "is 10%%'");
    SQL_IS(&f, "11", "SELECT count(*) FROM ml_connector.job");
    fix_claim(&f, &g, t, 100);
    EQ_INT(g.n, 0);
    NOT(g.lease_lost);
    got_clear(&g);
    fix_close(&f);
}

TEST(many_changes_are_not_claimed_before_their_poll_has_ended)
{
    struct fix f;
    struct got g = {0};
    int64_t t = scene(&f, &g);

    save(&f, &g, t, "p", "");
    page(&f, &g, t, "p", 100, 101); /* one is not many: a quarter of 10 is */
    fix_claim(&f, &g, t, 100);
    EQ_INT(g.n, 1);
    page(&f, &g, t, "p", 101, 106);
    fix_claim(&f, &g, t, 100);
    EQ_INT(g.n, 0);
    save(&f, &g, t, "p", "ok");
    fix_claim(&f, &g, t, 100);
    EQ_INT(g.n, 5);
    got_clear(&g);
    fix_close(&f);
}

TEST(many_changes_do_not_wait_for_a_walk_over_history)
{
    struct fix f;
    struct got g = {0};
    int64_t t = scene(&f, &g);

    save(&f, &g, t, "p", "");
    page(&f, &g, t, "p", 100, 106);
    fix_claim(&f, &g, t, 100);
    EQ_INT(g.n, 0);
    page_of(&f, &g, t, "p", 200, 202, false);
    fix_claim(&f, &g, t, 100);
    EQ_INT(g.n, 8);
    got_clear(&g);
    fix_close(&f);
}

TEST(poll_that_died_holds_nothing_up_once_its_feed_polls_again)
{
    struct fix f;
    struct got g = {0};
    int64_t t = scene(&f, &g);

    save(&f, &g, t, "dead", "");
    page(&f, &g, t, "dead", 100, 106);
    fix_claim(&f, &g, t, 100);
    EQ_INT(g.n, 0);
    save(&f, &g, t, "next", "");
    fix_claim(&f, &g, t, 100);
    EQ_INT(g.n, 6);
    got_clear(&g);
    fix_close(&f);
}

TEST(poll_that_died_with_its_worker_holds_nothing_up_for_the_next_holder)
{
    struct fix f;
    struct got g = {0};
    int64_t t = scene(&f, &g);

    save(&f, &g, t, "dead", "");
    page(&f, &g, t, "dead", 100, 106);
    fix_claim(&f, &g, t, 10);
    EQ_INT(g.n, 0);
    (void)fix_sql(&f, "UPDATE ml_connector.lease SET "
                      "taken_at = clock_timestamp()");
    fix_claim(&f, &g, t, 10);
    IS(g.n > 0);
    got_clear(&g);
    fix_close(&f);
}

TEST(far_more_is_told_from_what_polls_of_the_last_days_did)
{
    struct fix f;
    struct got g = {0};
    int64_t t = scene(&f, &g);

    whole(&f, &g, t, "a", 100, 108);
    whole(&f, &g, t, "b", 200, 224); /* 24: three times 8 */
    STATE(&f, "active");
    (void)fix_sql(&f, "UPDATE ml_connector.poll SET started_at = now() - "
                      "interval '8 days' WHERE poll = 'b'");
    save(&f, &g, t, "c", "");
    page(&f, &g, t, "c", 300, 325);
    IS(g.json != NULL);
    HAS(g.json, "\"usual\": 8");
    STATE(&f, "held");
    got_clear(&g);
    fix_close(&f);
}

TEST(resume_lets_it_through_until_a_poll_is_as_ever)
{
    struct fix f;
    struct got g = {0};
    int64_t t = scene(&f, &g);

    save(&f, &g, t, "p", "");
    page(&f, &g, t, "p", 100, 120);
    IS(g.json != NULL);
    save(&f, &g, t, "p", "HELD");
    CALL(&f, &g, store_tenant_state, "acme", NULL, "active", NULL, "operator",
         on_done);
    OK(g.err);
    fix_claim(&f, &g, t, 100);
    EQ_INT(g.n, 20);
    whole(&f, &g, t, "rest", 120, 150); /* the rest of it */
    STATE(&f, "active");
    whole(&f, &g, t, "calm", 150, 152);
    save(&f, &g, t, "again", "");
    page(&f, &g, t, "again", 200, 220); /* neither was usual */
    IS(g.json != NULL);
    HAS(g.json, "\"usual\": 2");
    STATE(&f, "held");
    got_clear(&g);
    fix_close(&f);
}

TEST(let_through_for_a_day_and_no_longer)
{
    struct fix f;
    struct got g = {0};
    int64_t t = scene(&f, &g);

    (void)fix_sql(&f, "UPDATE ml_connector.tenant SET state = 'held'");
    CALL(&f, &g, store_tenant_state, "acme", NULL, "active", NULL, "operator",
         on_done);
    SQL_IS(&f, "t",
           "SELECT bool_and(let_until > now() + interval '23 hours') FROM "
           "ml_connector.feed");
    (void)fix_sql(&f, "UPDATE ml_connector.feed SET let_until = now()");
    save(&f, &g, t, "p", "");
    page(&f, &g, t, "p", 100, 120);
    IS(g.json != NULL);
    got_clear(&g);
    fix_close(&f);
}

TEST(walks_over_history_are_no_news)
{
    struct fix f;
    struct got g = {0};
    int64_t t = scene(&f, &g);

    page_of(&f, &g, t, "p", 500, 530, false);
    NOT(g.json != NULL);
    STATE(&f, "active");
    SQL_IS(&f, "0", "SELECT opened FROM ml_connector.poll WHERE poll = 'p'");
    got_clear(&g);
    fix_close(&f);
}

TEST(tenant_that_gathers_is_not_asked_again_at_once_for_a_retry_that_is_due)
{
    struct fix f;
    struct got g = {0};
    int64_t t = scene(&f, &g);

    save(&f, &g, t, "p", "");
    page(&f, &g, t, "p", 100, 106);
    (void)fix_sql(&f, "UPDATE ml_connector.job SET state = 'retry', "
                      "due_at = now()");
    fix_claim(&f, &g, t, 100);
    EQ_INT(g.n, 0);
    NOT(g.lease_lost);
    IS(g.next_due_ms > 1000);
    got_clear(&g);
    fix_close(&f);
}

SUITE(
    ceiling,
    RUN_LONG(
        tenant_that_gathers_is_not_asked_again_at_once_for_a_retry_that_is_due,
        20),
    RUN_LONG(
        poll_that_died_with_its_worker_holds_nothing_up_for_the_next_holder,
        20),
    RUN_LONG(many_changes_do_not_wait_for_a_walk_over_history, 20),
    RUN_LONG(first_poll_of_a_feed_holds_nothing, 20),
    RUN_LONG(page_that_crosses_the_line_holds_the_tenant_and_nothing_is_claimed,
             20),
    RUN_LONG(many_changes_are_not_claimed_before_their_poll_has_ended, 20),
    RUN_LONG(poll_that_died_holds_nothing_up_once_its_feed_polls_again, 20),
    RUN_LONG(far_more_is_told_from_what_polls_of_the_last_days_did, 20),
    RUN_LONG(resume_lets_it_through_until_a_poll_is_as_ever, 20),
    RUN_LONG(let_through_for_a_day_and_no_longer, 20),
    RUN_LONG(walks_over_history_are_no_news, 20))
