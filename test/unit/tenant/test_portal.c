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

static void
wait_ms(int64_t ms)
{
    int64_t end_us = clock_mono_us() + ms * 1000;

    while (clock_mono_us() < end_us) {
        loop_turn(fx.loop, 10);
    }
}

TEST(tenants_are_loaded_again_only_when_their_mark_is_another)
{
    size_t loads;

    begin("4711");
    fx.mark = 1;
    turn();
    loads = fx.all_loads;
    IS(loads >= 1);
    wait_ms(4300); /* a look finds the same */
    EQ_UINT(fx.all_loads, loads);
    fx.mark = 2;
    fx.rows[0].revision++;
    wait_ms(4300);
    EQ_UINT(fx.all_loads, loads + 1);
    EQ_UINT(fx.frees, 1); /* it was set up anew */
    fx.rows[0].asked = true;
    wait_ms(4300);
    EQ_UINT(fx.all_loads, loads + 2);
    end();
}

TEST(a_lease_in_doubt_that_is_still_ours_lets_the_work_go_on)
{
    size_t beats, allowed;

    begin("4711");
    turn();
    EQ_INT(fx.fence, 1); /* what feeds store is bound to it */
    beats = fx.beats;
    allowed = fx.allowed;
    fx.last->events.lease_lost(fx.last->events.arg);
    turn();
    IS(fx.beats > beats);
    IS(fx.allowed > allowed);
    IS(works_in("4711"));
    EQ_UINT(fx.frees, 0);
    end();
}

TEST(a_lease_under_another_term_drops_all_work)
{
    begin("4711");
    turn();
    lose_lease();
    EQ_UINT(fx.frees, 1);
    EQ_UINT(fx.released, 0);
    EQ_INT(fx.fence, 0);
    end();
}

TEST(a_lease_lost_and_free_again_is_taken_at_once)
{
    begin("4711");
    turn();
    fx.term = 2;
    fx.last->events.lease_lost(fx.last->events.arg);
    turn();
    EQ_UINT(fx.frees, 1);
    EQ_UINT(fx.leases, 2);
    EQ_INT(fx.fence, 2);
    IS(works_in("4711"));
    end();
}

TEST(leases_are_renewed_three_times_within_their_life)
{
    size_t beats;

    begin("4711");
    turn();
    beats = fx.beats;
    wait_ms(5200);
    IS(fx.beats >= beats + 1 && fx.beats <= beats + 2);
    end();
}

TEST(without_the_database_the_work_stays_and_leases_are_asked_for_again)
{
    size_t beats;

    begin("4711");
    turn();
    fx.beat_err = ERR_DB_AWAY;
    fx.last->events.lease_lost(fx.last->events.arg);
    turn();
    beats = fx.beats;
    wait_ms(1200);
    IS(fx.beats >= beats + 1);
    EQ_UINT(fx.frees, 0);
    fx.beat_err = ERR_OK;
    wait_ms(1200);
    IS(works_in("4711"));
    end();
}

TEST(after_a_long_silence_others_may_renew_before_anything_is_taken)
{
    begin("4711");
    fx.conf.lease_ttl = 900;
    turn();
    IS(fx.most > 0);
    fx.beat_err = ERR_DB_AWAY;
    wait_ms(2000);
    fx.beat_err = ERR_OK;
    wait_ms(1100);
    EQ_UINT(fx.most, 0);
    EQ_UINT(fx.frees, 0);
    wait_ms(1500);
    IS(fx.most > 0);
    end();
}

/* It is there and says no: others take what has run out. */
TEST(a_database_that_refuses_to_renew_takes_the_work_away_and_is_told)
{
    begin("4711");
    fx.conf.lease_ttl = 900;
    turn();
    IS(works_in("4711"));
    IS(tenants_unleased(fx.tenants) == NULL);
    fx.beat_err = ERR_DB_STATEMENT;
    fx.share = 0;
    wait_ms(2500);
    IS(tenants_unleased(fx.tenants) != NULL);
    IS(fx.last == NULL);
    EQ_UINT(fx.frees, 1);
    fx.beat_err = ERR_OK;
    wait_ms(1200);
    IS(tenants_unleased(fx.tenants) == NULL);
    end();
}

TEST(a_portal_taken_over_goes_on_with_the_poll_that_died)
{
    begin("4711");
    fx.mark = 7;
    fx.share = 0;
    fx.conf.lease_ttl = 900;
    turn();
    IS(fx.last == NULL);
    fx.rows[0].unfinished = true; /* the holder's poll, when it died */
    fx.term = 2;
    fx.share = ROWS_MAX;
    wait_ms(1500);
    IS(fx.last != NULL);
    EQ_UINT(fx.hurried, 1);
    end();
}

TEST(a_portal_whose_settings_nobody_here_can_read_is_left_to_others)
{
    begin("4711");
    fx.rows[0].settings = "{\"hubspot_limit\":\"many\"}";
    turn();
    wait_ms(1500);
    EQ_UINT(fx.leases, 0);
    end();
}

/* Eight portals: more come, then others want their share. */
static void
begin_eight(void)
{
    static char names[8][8], keys[8][8];

    begin("4711");
    for (size_t i = 1; i < 8; i++) {
        (void)snprintf(names[i], sizeof(names[i]), "demo%zu", i);
        (void)snprintf(keys[i], sizeof(keys[i]), "%zu", 100 + i);
        fx.rows[i] = fx.rows[0];
        fx.rows[i].id = (int64_t)(20 + i);
        fx.rows[i].name = names[i];
        fx.rows[i].portal = keys[i];
    }
    fx.n_rows = 8;
}

TEST(a_worker_takes_no_more_than_its_share)
{
    begin_eight();
    fx.share = 3;
    turn();
    EQ_UINT(fx.leases, 3);
    EQ_UINT(fx.released, 0);
    end();
}

TEST(what_is_above_the_share_is_given_back_in_order)
{
    begin_eight();
    turn();
    EQ_UINT(fx.leases, 8);
    fx.share = 5;
    fx.last->events.lease_lost(fx.last->events.arg); /* a beat, now */
    turn();
    EQ_UINT(fx.released, 3);
    EQ_UINT(fx.leases, 8); /* and not taken back */
    end();
}

TEST(a_worker_that_leaves_says_so_first)
{
    begin("4711");
    turn();
    EQ_INT(fx.mode, STORE_BEAT_SHARES);
    end();
    EQ_INT(fx.mode, STORE_BEAT_LEAVES);
}

TEST(run_once_shares_with_nobody)
{
    begin_as("4711", true, false);
    turn();
    EQ_INT(fx.mode, STORE_BEAT_ALL);
    IS(works_in("4711"));
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
    RUN_LONG(tenants_are_loaded_again_only_when_their_mark_is_another, 30),
    RUN(a_lease_in_doubt_that_is_still_ours_lets_the_work_go_on),
    RUN(a_lease_under_another_term_drops_all_work),
    RUN(a_lease_lost_and_free_again_is_taken_at_once),
    RUN_LONG(leases_are_renewed_three_times_within_their_life, 10),
    RUN_LONG(without_the_database_the_work_stays_and_leases_are_asked_for_again,
             10),
    RUN_LONG(after_a_long_silence_others_may_renew_before_anything_is_taken,
             20),
    RUN_LONG(a_database_that_refuses_to_renew_takes_the_work_away_and_is_told,
             20),
    RUN_LONG(a_portal_taken_over_goes_on_with_the_poll_that_died, 20),
    RUN_LONG(a_portal_whose_settings_nobody_here_can_read_is_left_to_others,
             20),
    RUN(a_worker_takes_no_more_than_its_share),
    RUN(what_is_above_the_share_is_given_back_in_order),
    RUN(a_worker_that_leaves_says_so_first), RUN(run_once_shares_with_nobody),
    RUN(the_quota_of_a_day_is_the_tenants_and_ends_at_the_portals_midnight),
    RUN(what_is_learned_besides_a_time_zone_does_not_matter),
    RUN_LONG(run_once_ends_when_the_rest_has_to_wait_for_midnight, 10),
    RUN(budgets_of_all_portals_are_metrics),
    RUN(a_halted_tenant_stops_and_the_lease_stays),
    RUN(a_held_tenant_stops_says_why_and_gives_its_portal_back))
