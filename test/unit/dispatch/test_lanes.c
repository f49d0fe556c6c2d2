/* SPDX-License-Identifier: UNLICENSED */
/* Which batch leaves when, and with how many. */
#include "fake.h"

static struct fx fx;

static void
plain_jobs(int n, const char *prefix)
{
    char id[32];

    for (int i = 0; i < n; i++) {
        (void)snprintf(id, sizeof(id), "%s%d", prefix, i);
        fx_plain(&fx, TENANT, id);
    }
}

static void
invoice_jobs(int n)
{
    char id[32];

    for (int i = 0; i < n; i++) {
        (void)snprintf(id, sizeof(id), "i%d", i);
        fx_invoice(&fx, id, 0, NULL);
    }
}

TEST(a_full_lane_leaves_with_a_hundred_without_waiting)
{
    struct dispatch_config c = fx_config();

    c.linger_ms = 60000;
    c.linger_busy_ms = 60000;
    fx_open(&fx, &c);
    plain_jobs(230, "p");
    fx_start(&fx);
    UNTIL(&fx, fx.n_sent >= 2);
    fx_quiet(&fx);
    EQ_UINT(fx.n_sent, 2); /* the last 30 linger */
    EQ_UINT(fx.sent[0].n, 100);
    EQ_UINT(fx.sent[1].n, 100);
    NOT(dispatch_is_idle(fx.d));
    fx_close(&fx);
}

TEST(a_partly_filled_lane_leaves_after_it_lingered)
{
    struct dispatch_config c = fx_config();
    int64_t begun_us;

    c.linger_ms = 40;
    c.linger_busy_ms = 60000;
    fx_open(&fx, &c);
    plain_jobs(3, "p");
    begun_us = clock_mono_us();
    fx_start(&fx);
    fx_settle(&fx);
    EQ_UINT(fx.n_sent, 1);
    EQ_UINT(fx.sent[0].n, 3);
    IS(fx.sent[0].at_us - begun_us >= 40000);
    fx_close(&fx);
}

/* Invoices of which one is still being written: those that wait for their
 * associations could be joined by it. */
static void
hold_second_upsert(struct fx *x, const struct sent *q, struct hubspot_meta *m,
                   struct hubspot_result *r, bool *split)
{
    (void)m;
    (void)r;
    (void)split;
    if (q->verb == HUBSPOT_UPSERT && q->n == 100) {
        x->hold |= HOLD_HUBSPOT;
    }
}

TEST(a_lane_waits_while_jobs_of_its_kind_are_on_their_way_to_it)
{
    struct dispatch_config c = fx_config();

    c.linger_ms = 1;
    c.linger_busy_ms = 60000;
    fx_open(&fx, &c);
    fx.decide = hold_second_upsert;
    invoice_jobs(101);
    fx_start(&fx);
    UNTIL(&fx, fx.n_sent == 2);
    fx_quiet(&fx);
    /* 100 are written and could be associated; the last is under way */
    EQ_STR(fx_trace(&fx), "upsert invoices 100; upsert invoices 1; ");
    fx_let(&fx, HOLD_HUBSPOT);
    fx_settle(&fx);
    EQ_UINT(fx.n_sent, 4);
    EQ_UINT(fx_sent(&fx, HUBSPOT_ASSOCIATE, MAP_INVOICES, 0)->n, 101);
    fx_close(&fx);
}

TEST(a_lane_does_not_wait_for_ever_for_jobs_on_their_way)
{
    struct dispatch_config c = fx_config();

    c.linger_ms = 1;
    c.linger_busy_ms = 50;
    fx_open(&fx, &c);
    fx.decide = hold_second_upsert;
    invoice_jobs(101);
    fx_start(&fx);
    UNTIL(&fx, fx.n_sent == 4);
    EQ_UINT(fx_sent(&fx, HUBSPOT_ASSOCIATE, MAP_INVOICES, 0)->n, 100);
    fx_let(&fx, HOLD_HUBSPOT);
    fx_settle(&fx);
    fx_close(&fx);
}

TEST(associations_leave_two_thousand_at_a_time)
{
    struct dispatch_config c = fx_config();
    size_t most = 0, all = 0;

    c.linger_busy_ms = 1500;
    fx_open(&fx, &c);
    invoice_jobs(2100);
    fx_start(&fx);
    fx_settle(&fx);
    for (size_t i = 0; i < fx.n_sent; i++) {
        if (fx.sent[i].verb == HUBSPOT_ASSOCIATE) {
            all += fx.sent[i].n;
            most = fx.sent[i].n > most ? fx.sent[i].n : most;
        }
    }
    EQ_UINT(all, 4200);
    EQ_UINT(most, 2000);
    fx_close(&fx);
}

TEST(no_key_is_in_a_batch_twice_and_none_is_left_out)
{
    struct map seen;
    size_t all = 0;

    fx_open(&fx, NULL);
    invoice_jobs(350);
    fx_start(&fx);
    fx_settle(&fx);
    map_init(&seen);
    for (size_t i = 0; i < fx.n_sent; i++) {
        const struct sent *q = &fx.sent[i];

        for (size_t k = 0; q->verb == HUBSPOT_UPSERT && k < q->n; k++) {
            IS(map_put(&seen, q->inputs[k].id, &seen) == NULL);
            all++;
        }
    }
    EQ_UINT(all, 350);
    map_fini(&seen);
    fx_close(&fx);
}

TEST(no_more_jobs_are_taken_into_memory_than_allowed)
{
    struct dispatch_config c = fx_config();
    size_t most = 0;

    c.jobs_max = 150;
    fx_open(&fx, &c);
    plain_jobs(900, "p");
    fx_start(&fx);
    do {
        size_t jobs = dispatch_status(fx.d).jobs;

        loop_turn(fx.loop, 1);
        most = jobs > most ? jobs : most;
    } while (!dispatch_is_idle(fx.d) || fx.n_ops > 0);
    IS(most > 0 && most <= 150);
    EQ_UINT(fx.taken, 900);
    IS(fx.n_sent >= 9 && fx.n_sent < 20);
    fx_close(&fx);
}

static struct dtenant *
only_tenant(void)
{
    return CONTAINER_OF(list_first(&fx.d->tenants), struct dtenant, link);
}

TEST(a_lane_passed_over_for_too_long_goes_before_a_full_one)
{
    struct dispatch_config c = fx_config();
    struct list *item, *next;
    struct lane *lane;

    c.linger_ms = 5000;
    c.linger_busy_ms = 5000;
    fx_open(&fx, &c);
    fx.hold = HOLD_HUBSPOT;
    c.limit = 1;
    fx_customer(&fx, "1008");
    fx_add(&fx, TENANT, true);
    dispatch_lease(fx.d, 1, clock_mono_us() + INT64_C(60000000), 500, 1000);
    UNTIL(&fx, fx.d->n_jobs == 1);
    plain_jobs(450, "p");
    dispatch_poke(fx.d, TENANT);
    UNTIL(&fx, fx.d->n_jobs == 451);
    EQ_UINT(fx.n_sent, 0); /* all tokens are held */
    lane = &only_tenant()->lanes[LANE_UPSERT + MAP_COMPANIES];
    EQ_UINT(lane->count, 1);
    LIST_EACH(&lane->needs, item, next)
    {
        CONTAINER_OF(item, struct need, link)->since_us -= INT64_C(11000000);
    }
    UNTIL(&fx, fx.n_sent == 5);
    EQ_INT(fx.sent[0].object, MAP_COMPANIES);
    EQ_INT(fx.sent[1].object, MAP_PAYMENTS);
    fx_close(&fx);
}

TEST(of_two_tenants_with_full_lanes_the_one_that_waits_longer_goes_first)
{
    struct list *item, *next;
    char id[32];

    fx_open(&fx, NULL);
    fx.hold = HOLD_HUBSPOT;
    for (int i = 0; i < 200; i++) {
        (void)snprintf(id, sizeof(id), "p%d", i);
        fx_plain(&fx, i < 100 ? TENANT : 9, id);
    }
    fx_add(&fx, TENANT, true);
    fx_add(&fx, 9, true);
    dispatch_lease(fx.d, 1, clock_mono_us() + INT64_C(60000000), 500, 1000);
    UNTIL(&fx, fx.d->n_jobs == 200);
    LIST_EACH(&fx.d->tenants, item, next)
    {
        struct dtenant *t = CONTAINER_OF(item, struct dtenant, link);
        struct list *ni, *nn;

        LIST_EACH(&t->lanes[LANE_UPSERT + MAP_PAYMENTS].needs, ni, nn)
        {
            CONTAINER_OF(ni, struct need, link)->since_us -=
                t->id == 9 ? 9000 : 0;
        }
    }
    UNTIL(&fx, fx.n_sent == 2);
    EQ_PTR(fx.sent[0].hubspot, fx_hubspot(9));
    EQ_PTR(fx.sent[1].hubspot, fx_hubspot(TENANT));
    fx_close(&fx);
}

TEST(nothing_is_taken_up_while_held)
{
    fx_open(&fx, NULL);
    dispatch_hold(fx.d, true);
    plain_jobs(1, "p");
    fx_start(&fx);
    fx_quiet(&fx);
    EQ_UINT(fx.claims, 0);
    dispatch_hold(fx.d, false);
    fx_settle(&fx);
    EQ_UINT(fx.n_sent, 1);
    fx_close(&fx);
}

TEST(a_retry_that_is_due_later_is_taken_up_by_itself)
{
    struct fake_job *j;

    fx_open(&fx, NULL);
    j = fx_plain(&fx, TENANT, "p1");
    fx_set(&j->state, "retry");
    j->due_us = clock_mono_us() + 400000;
    fx_start(&fx);
    fx_settle(&fx);
    EQ_UINT(fx.n_sent, 0);
    IS(dispatch_status(fx.d).next_due_ms >= 0);
    UNTIL(&fx, strcmp(j->state, "done") == 0);
    EQ_UINT(fx.n_sent, 1);
    fx_close(&fx);
}

SUITE(lanes, RUN(a_full_lane_leaves_with_a_hundred_without_waiting),
      RUN(a_partly_filled_lane_leaves_after_it_lingered),
      RUN(a_lane_waits_while_jobs_of_its_kind_are_on_their_way_to_it),
      RUN(a_lane_does_not_wait_for_ever_for_jobs_on_their_way),
      RUN_LONG(associations_leave_two_thousand_at_a_time, 20),
      RUN_LONG(no_key_is_in_a_batch_twice_and_none_is_left_out, 10),
      RUN_LONG(no_more_jobs_are_taken_into_memory_than_allowed, 10),
      RUN_LONG(a_lane_passed_over_for_too_long_goes_before_a_full_one, 10),
      RUN_LONG(
          of_two_tenants_with_full_lanes_the_one_that_waits_longer_goes_first,
          10),
      RUN(nothing_is_taken_up_while_held),
      RUN(a_retry_that_is_due_later_is_taken_up_by_itself))
