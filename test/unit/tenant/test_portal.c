/* SPDX-License-Identifier: UNLICENSED */
/*
 * Portals and their members: which portal a tenant belongs to, the lease, what
 * comes and goes.
 */
#include "stand_ins.h"

TEST(a_tenant_works_under_the_lease_of_its_portal)
{
    begin("4711");
    turn();
    EQ_STR(fx.taken[0], "4711");
    IS(works_in("4711"));
    EQ_UINT(fx.n_calls, 0);
    EQ_UINT(tenants_count(fx.tenants, "active"), 1);
    end();
    EQ_UINT(fx.released, 1);
    EQ_UINT(fx.frees, 1);
}

TEST(a_tenant_of_an_unknown_portal_asks_which_it_is_and_moves_there)
{
    begin(NULL);
    turn();
    EQ_STR(fx.taken[0], "tenant:5");
    EQ_UINT(fx.n_calls, 1);
    answer_details(ERR_OK);
    turn();
    EQ_UINT(fx.learned, 1);
    EQ_STR(fx.taken[1], "4711");
    IS(works_in("4711"));
    EQ_UINT(fx.released, 1); /* the portal that was only its own */
    end();
}

TEST(credentials_refused_when_asking_halt_the_tenant)
{
    begin(NULL);
    turn();
    answer_details(ERR_CREDENTIALS);
    turn();
    EQ_UINT(fx.halts, 1);
    EQ_UINT(fx.last->n, 0);
    EQ_UINT(tenants_count(fx.tenants, "halted"), 1);
    end();
}

TEST(a_tenant_changed_while_it_asks_for_its_portal_asks_again)
{
    begin(NULL);
    turn();
    EQ_UINT(fx.n_calls, 1);
    fx.rows[0].revision++;
    reload();
    EQ_UINT(fx.n_calls, 2);
    EQ_UINT(fx.frees, 0); /* it does not begin to work there */
    answer_details(ERR_OK);
    turn();
    IS(works_in("4711"));
    end();
}

TEST(a_changed_tenant_is_set_up_anew)
{
    begin("4711");
    turn();
    fx.rows[0].revision++;
    reload();
    IS(works_in("4711"));
    EQ_UINT(fx.frees, 1);
    EQ_UINT(fx.leases, 1);
    end();
}

#define LIMITED(limit, daily)                                                  \
    "{\"fusion_url\":\"http://127.0.0.1:9\",\"fusion_auth\":\"basic\","        \
    "\"fusion_user\":\"u\",\"hubspot_url\":\"http://127.0.0.1:9\","            \
    "\"hubspot_limit\":\"" limit "\",\"hubspot_daily_limit\":\"" daily "\"}"

static const char limited_150[] = LIMITED("150", "500000");
static const char limited_50[] = LIMITED("50", "900000");

TEST(the_smallest_limit_of_a_portals_tenants_counts_from_each_change_on)
{
    begin("4711");
    turn();
    EQ_UINT(fx.config.limit, 190);
    fx.tuned = 0; /* its own beginning */
    fx.rows[0].revision++;
    fx.rows[0].settings = limited_150;
    reload();
    EQ_UINT(fx.tuned, 150);
    EQ_INT(fx.tuned_daily, 500000);
    fx.rows[1] = fx.rows[0];
    fx.rows[1].id = 6;
    fx.rows[1].name = "other";
    fx.rows[1].settings = limited_50;
    fx.n_rows = 2;
    reload();
    EQ_UINT(fx.tuned, 50);
    fx.rows[1].state = "paused";
    reload();
    EQ_UINT(fx.tuned, 150);
    fx.tuned = 0;
    reload();
    EQ_UINT(fx.tuned, 0); /* nothing has changed */
    EQ_UINT(fx.leases, 1);
    end();
}

TEST(a_poll_that_a_change_broke_off_goes_on_at_once)
{
    begin("4711");
    turn();
    EQ_UINT(fx.hurried, 0); /* in its turn */
    fx.rows[0].revision++;
    reload();
    EQ_UINT(fx.hurried, 0);
    fx.rows[0].revision++;
    fx.rows[0].unfinished = true;
    reload();
    EQ_UINT(fx.hurried, 1);
    end();
}

TEST(a_resumed_tenant_polls_at_once)
{
    begin("4711");
    turn();
    fx.rows[0].state = "paused";
    reload();
    fx.rows[0].state = "active";
    reload();
    IS(works_in("4711"));
    EQ_UINT(fx.hurried, 1);
    end();
}

TEST(a_halted_tenant_that_is_tried_again_polls_at_once)
{
    struct fault f;

    begin("4711");
    turn();
    fault_clear(&f);
    (void)fault_set(&f, ERR_CREDENTIALS, "refused");
    fx.feeds.halted(fx.feeds.arg, ERR_CREDENTIALS, &f);
    turn();
    EQ_STR(fx.rows[0].state, "halted");
    fx.rows[0].revision++; /* what it needs was set */
    reload();
    turn();
    EQ_STR(fx.rows[0].state, "active");
    IS(works_in("4711"));
    EQ_UINT(fx.hurried, 1);
    end();
}

TEST(a_paused_tenant_gives_its_portal_back_and_a_resumed_one_takes_it_again)
{
    begin("4711");
    turn();
    fx.rows[0].state = "paused";
    reload();
    EQ_UINT(fx.released, 1);
    IS(fx.last == NULL);
    fx.rows[0].state = "active";
    reload();
    EQ_UINT(fx.leases, 2);
    IS(works_in("4711"));
    end();
}

TEST(a_tenant_resumed_while_its_portal_is_given_back_takes_it_again)
{
    begin("4711");
    turn();
    fx.hold_release = true;
    fx.rows[0].state = "paused";
    reload();
    EQ_UINT(fx.released, 1);
    fx.rows[0].state = "active";
    reload();
    EQ_UINT(fx.leases, 1); /* not yet */
    fx.hold_release = false;
    loop_later(fx.loop, &fx.releasing->later, on_done, fx.releasing);
    turn();
    EQ_UINT(fx.leases, 2);
    IS(works_in("4711"));
    end();
}

TEST(a_lost_lease_drops_all_work)
{
    begin("4711");
    turn();
    fx.last->events.lease_lost(fx.last->events.arg);
    turn();
    IS(fx.last == NULL);
    EQ_UINT(fx.frees, 1);
    EQ_UINT(fx.released, 0);
    EQ_UINT(fx.forgotten, 1); /* the next take is no renewal */
    end();
}

/* It had run out, nobody took it, and the renewal took it anew: what was under
 * way under the old term is the past. */
TEST(a_lease_that_ran_out_and_was_taken_again_begins_anew_at_once)
{
    size_t frees;

    begin("4711");
    turn();
    IS(works_in("4711"));
    frees = fx.frees;
    fx.term = 2;
    loop_turn(fx.loop, 6000); /* renewed after a third of its life */
    while (fx.leases < 2 || fx.frees == frees) {
        loop_turn(fx.loop, 100);
    }
    IS(works_in("4711"));
    EQ_UINT(fx.released, 0);
    end();
}

TEST(a_halted_tenant_stops_and_the_lease_stays)
{
    struct fault f;

    begin("4711");
    turn();
    fault_clear(&f);
    (void)fault_set(&f, ERR_CREDENTIALS, "not you");
    fx.last->events.halted(fx.last->events.arg, 5, ERR_CREDENTIALS, &f);
    turn();
    EQ_UINT(fx.halts, 1);
    EQ_UINT(fx.last->n, 0);
    EQ_UINT(fx.released, 0);
    end();
}

TEST(the_quota_of_a_day_is_the_tenants_and_ends_at_the_portals_midnight)
{
    begin(NULL);
    turn();
    EQ_INT(fx.config.daily_limit, 0); /* whose it is, is not known */
    answer_details(ERR_OK);
    turn();
    IS(works_in("4711"));
    EQ_STR(fx.learned_json, "{\"hubspot_time_zone\":\"Europe/Berlin\"}");
    EQ_STR(fx.zone, "Europe/Berlin");
    EQ_INT(fx.config.daily_limit, 625000);
    end();
}

TEST(what_is_learned_besides_a_time_zone_does_not_matter)
{
    begin("4711");
    turn();
    EQ_STR(fx.zone, "");
    fx.rows[0].learned = "{\"hubspot_time_zone\":[5]}";
    fx.rows[0].revision++;
    fx.rows[0].state = "paused";
    reload();
    fx.rows[0].state = "active";
    reload();
    IS(works_in("4711"));
    EQ_STR(fx.zone, "");
    end();
}

TEST(run_once_ends_when_the_rest_has_to_wait_for_midnight)
{
    begin_as("4711", true, false);
    fx.counts = "{\"queued\":7,\"next_due_ms\":-1}";
    turn();
    fx.feeds.idle(fx.feeds.arg);
    loop_turn(fx.loop, 600);
    EQ_UINT(fx.finished, 0); /* they are still to be written */
    fx.withholds = true;
    while (fx.finished == 0) {
        loop_turn(fx.loop, 50);
    }
    end();
}

TEST(budgets_of_all_portals_are_metrics)
{
    struct buf b;

    begin("4711");
    turn();
    tenants_metrics(fx.tenants);
    buf_init(&b, 1 << 20);
    stat_render(&b);
    HAS(buf_text(&b), "ml_portals{quota=\"no_backfill\"} 1\n");
    HAS(buf_text(&b), "ml_portals{quota=\"open\"} 0\n");
    HAS(buf_text(&b), "ml_hubspot_tokens_out 7\n");
    HAS(buf_text(&b), "ml_hubspot_daily_used_ratio 0.75\n");
    buf_fini(&b);
    end();
}

TEST(a_held_tenant_stops_says_why_and_gives_its_portal_back)
{
    begin("4711");
    turn();
    fx.feeds.held(fx.feeds.arg,
                  "{\"feed\":\"invoices\",\"opened\":9100,\"usual\":130,"
                  "\"ceiling\":5000,\"records\":{\"invoice\":{\"create\":"
                  "9000,\"change\":100,\"objects\":36000}}}");
    EQ_UINT(fx.last->n, 0); /* nothing more is sent */
    HAS(fx.reason, "a poll of invoices would have to write 9000 new and 100 "
                   "changed invoices");
    HAS(fx.reason, "at most 130 records, the ceiling is 5000");
    HAS(fx.reason, "at least 361 requests"); /* 90 + 270 + 1 */
    HAS(fx.reason, "`ml-connector plan demo`");
    HAS(fx.reason, "`ml-connector tenant resume demo`");
    reload();
    turn();
    EQ_UINT(fx.released, 1);
    end();
}

SUITE(
    portal, RUN(a_tenant_works_under_the_lease_of_its_portal),
    RUN(a_tenant_of_an_unknown_portal_asks_which_it_is_and_moves_there),
    RUN(credentials_refused_when_asking_halt_the_tenant),
    RUN(a_tenant_changed_while_it_asks_for_its_portal_asks_again),
    RUN(a_changed_tenant_is_set_up_anew),
    RUN(the_smallest_limit_of_a_portals_tenants_counts_from_each_change_on),
    RUN(a_poll_that_a_change_broke_off_goes_on_at_once),
    RUN(a_resumed_tenant_polls_at_once),
    RUN(a_halted_tenant_that_is_tried_again_polls_at_once),
    RUN(a_paused_tenant_gives_its_portal_back_and_a_resumed_one_takes_it_again),
    RUN(a_tenant_resumed_while_its_portal_is_given_back_takes_it_again),
    RUN(a_lost_lease_drops_all_work),
    RUN_LONG(a_lease_that_ran_out_and_was_taken_again_begins_anew_at_once, 20),
    RUN(the_quota_of_a_day_is_the_tenants_and_ends_at_the_portals_midnight),
    RUN(what_is_learned_besides_a_time_zone_does_not_matter),
    RUN_LONG(run_once_ends_when_the_rest_has_to_wait_for_midnight, 10),
    RUN(budgets_of_all_portals_are_metrics),
    RUN(a_halted_tenant_stops_and_the_lease_stays),
    RUN(a_held_tenant_stops_says_why_and_gives_its_portal_back))
