/* SPDX-License-Identifier: UNLICENSED */
/* Permits, rule by rule; the whole is simulated in test_permits_sim.c. */
#include "unit.h"

#include "ml/policy.h"

#define SEC INT64_C(1000000)
#define WINDOW (10 * SEC)
#define SLACK INT64_C(2000)

static const struct permits_spec unpaced = {.limit = 10,
                                            .window_us = WINDOW,
                                            .depth = 20,
                                            .pace_percent = 0,
                                            .foreign_margin = 2};

static void
take(struct permits *p, int64_t now, unsigned n)
{
    while (n-- > 0) {
        EQ_INT(permits_wait_us(p, now), 0);
        (void)permits_take(p, now);
    }
}

static void
settle(struct permits *p, int64_t now, int64_t arrived, unsigned n)
{
    while (n-- > 0) {
        permits_settle(p, now, arrived);
    }
}

TEST(a_token_returns_a_window_after_its_arrival)
{
    struct permits p;

    permits_init(&p, &unpaced);
    take(&p, 0, 10);
    EQ_INT(permits_wait_us(&p, 0), INT64_MAX);
    EQ_INT(permits_wait_us(&p, 3600 * SEC), INT64_MAX);
    permits_settle(&p, 2 * SEC, 1 * SEC);
    EQ_INT(permits_wait_us(&p, 2 * SEC), 9 * SEC + SLACK);
    EQ_INT(permits_wait_us(&p, 11 * SEC + SLACK - 1), 1);
    EQ_INT(permits_wait_us(&p, 11 * SEC + SLACK), 0);
    permits_fini(&p);
}

TEST(answers_out_of_order_return_in_order_of_arrival)
{
    struct permits p;
    int64_t last;

    permits_init(&p, &unpaced);
    take(&p, 0, 10);
    permits_settle(&p, 5 * SEC, 5 * SEC);
    permits_settle(&p, 6 * SEC, 1 * SEC);
    permits_settle(&p, 6 * SEC, 3 * SEC);
    EQ_UINT(permits_out(&p, 6 * SEC, &last), 10);
    EQ_INT(last, 15 * SEC + SLACK);
    EQ_INT(permits_wait_us(&p, 6 * SEC), 5 * SEC + SLACK);
    EQ_UINT(permits_out(&p, 13 * SEC + SLACK, &last), 8);
    EQ_INT(permits_wait_us(&p, 13 * SEC + SLACK), 0);
    EQ_UINT(permits_out(&p, 100 * SEC, &last), 7);
    EQ_INT(last, 100 * SEC);
    permits_fini(&p);
}

TEST(an_arrival_in_the_future_counts_from_now)
{
    struct permits p;
    int64_t last;

    permits_init(&p, &unpaced);
    take(&p, 0, 1);
    permits_settle(&p, SEC, 100 * SEC);
    (void)permits_out(&p, SEC, &last);
    EQ_INT(last, 11 * SEC + SLACK);
    permits_fini(&p);
}

TEST(pacing_lets_depth_go_at_once_and_then_one_by_one)
{
    struct permits_spec spec = {
        .limit = 100, .window_us = WINDOW, .depth = 5, .pace_percent = 200};
    struct permits p;

    permits_init(&p, &spec);
    take(&p, 1000, 5);
    EQ_INT(permits_wait_us(&p, 1000), 50000);
    EQ_INT(permits_wait_us(&p, 31000), 20000);
    take(&p, 51000, 1);
    EQ_INT(permits_wait_us(&p, 51000), 50000);
    take(&p, 60 * SEC, 5);
    IS(permits_wait_us(&p, 60 * SEC) > 0);
    permits_fini(&p);
    spec.depth = 0;
    permits_init(&p, &spec);
    take(&p, 0, 1);
    EQ_INT(permits_wait_us(&p, 0), 50000);
    permits_fini(&p);
}

TEST(a_429_holds_everything_as_long_as_it_says)
{
    struct permits p;

    permits_init(&p, &unpaced);
    take(&p, 0, 1);
    settle(&p, 0, 0, 1);
    permits_throttled(&p, 0, 3 * SEC, 0.5);
    EQ_INT(permits_wait_us(&p, 0), 3 * SEC);
    permits_throttled(&p, SEC, SEC, 0.5);
    EQ_INT(permits_wait_us(&p, SEC), 2 * SEC);
    permits_throttled(&p, SEC, 4 * SEC, 0.5);
    EQ_INT(permits_wait_us(&p, SEC), 4 * SEC);
    EQ_INT(permits_wait_us(&p, 5 * SEC), 0);
    permits_throttled(&p, 5 * SEC, INT64_MAX, 0.5);
    IS(permits_wait_us(&p, 5 * SEC) <= 25 * 3600 * SEC);
    permits_fini(&p);
}

TEST(a_429_without_a_time_doubles_once_a_burst)
{
    struct permits p;
    int64_t now = 0;
    int64_t want = SEC;

    permits_init(&p, &unpaced);
    for (int i = 0; i < 10; i++) {
        permits_throttled(&p, now, -1, 0.0);
        permits_throttled(&p, now, -1, 0.9);
        EQ_INT(permits_wait_us(&p, now), want);
        now += want;
        want = want < 64 * SEC ? want * 2 : want;
    }
    permits_answered(&p);
    permits_throttled(&p, now, -1, 0.5);
    EQ_INT(permits_wait_us(&p, now), SEC + SEC / 4);
    permits_fini(&p);
}

TEST(a_429_shrinks_the_limit_for_a_minute)
{
    struct permits_spec spec = unpaced;
    struct permits p;

    spec.limit = 100;
    permits_init(&p, &spec);
    permits_throttled(&p, 0, 0, 0.0);
    take(&p, 0, 95);
    EQ_INT(permits_wait_us(&p, 0), 60 * SEC);
    take(&p, 60 * SEC, 5);
    EQ_INT(permits_wait_us(&p, 60 * SEC), INT64_MAX);
    permits_fini(&p);
}

TEST(the_prediction_is_what_should_remain)
{
    struct permits p;

    permits_init(&p, &unpaced);
    EQ_UINT(permits_take(&p, 0).predicted, 9);
    EQ_UINT(permits_take(&p, 0).predicted, 8);
    permits_server_limit(&p, 5, 0);
    EQ_UINT(permits_take(&p, 0).predicted, 2);
    permits_server_limit(&p, 2, 0);
    EQ_INT(permits_wait_us(&p, 0), INT64_MAX);
    permits_settle(&p, 0, 0);
    permits_settle(&p, 0, 0);
    permits_settle(&p, 0, 0);
    EQ_INT(permits_wait_us(&p, 0), 10 * SEC + SLACK);
    EQ_UINT(permits_take(&p, 10 * SEC + SLACK).predicted, 1);
    permits_fini(&p);
}

/* One request at `now`, answered at once with so many fewer than predicted. */
static void
deficit(struct permits *p, int64_t now, unsigned fewer)
{
    struct permit t = permits_take(p, now);

    permits_settle(p, now, now);
    permits_observe(p, now, &t, t.predicted - fewer);
}

TEST(foreign_use_leaves_its_peak_the_margin_and_what_chance_adds)
{
    struct permits_spec spec = unpaced;
    struct permits p;

    spec.limit = 100;
    permits_init(&p, &spec);
    deficit(&p, 0, 0);
    EQ_UINT(permits_foreign(&p), 0);
    deficit(&p, 0, 30);
    deficit(&p, 0, 10);
    EQ_UINT(permits_foreign(&p), 30);
    take(&p, 0, 60); /* 100 - 30 - 5 (root of 30) - 2 (margin) - 3 */
    EQ_INT(permits_wait_us(&p, 0), 10 * SEC);
    permits_fini(&p);
}

TEST(a_single_foreign_request_costs_a_small_margin)
{
    struct permits_spec spec = unpaced;
    struct permits p;

    spec.limit = 100;
    spec.foreign_margin = 15;
    permits_init(&p, &spec);
    deficit(&p, 0, 1);
    take(&p, 0, 93); /* 100 - 1 - 1 (root of 1) - 4 - 1 */
    EQ_INT(permits_wait_us(&p, 0), 10 * SEC);
    permits_fini(&p);
}

TEST(beside_others_who_use_much_requests_leave_evenly)
{
    struct permits_spec spec = {
        .limit = 100, .window_us = WINDOW, .depth = 1, .pace_percent = 200};
    struct permits p;

    permits_init(&p, &spec);
    deficit(&p, 0, 10);
    EQ_INT(permits_wait_us(&p, 0), 50000); /* a tenth of it: as ever */
    take(&p, 50000, 1);
    EQ_INT(permits_wait_us(&p, 50000), WINDOW * 100 / (87 * 200));
    deficit(&p, SEC, 11);
    take(&p, 2 * SEC, 1);
    EQ_INT(permits_wait_us(&p, 2 * SEC), WINDOW * 100 / (86 * 110));
    permits_fini(&p);
}

TEST(foreign_use_is_forgotten_by_twelve_windows_with_answers)
{
    struct permits_spec spec = unpaced;
    struct permits p;

    spec.limit = 100;
    permits_init(&p, &spec);
    deficit(&p, 0, 30);
    for (int64_t w = 1; w < PERMITS_PEAKS; w++) {
        deficit(&p, w * WINDOW, w == 1 ? 20 : 0);
        EQ_UINT(permits_foreign(&p), 30);
    }
    deficit(&p, 50 * WINDOW, 0);     /* a pause in between forgets nothing */
    EQ_UINT(permits_foreign(&p), 8); /* 20, but alone */
    deficit(&p, 51 * WINDOW, 0);
    EQ_UINT(permits_foreign(&p), 0);
    permits_fini(&p);
}

TEST(a_burst_of_others_among_quiet_windows_is_soon_over)
{
    struct permits_spec spec = unpaced;
    struct permits p;

    spec.limit = 100;
    permits_init(&p, &spec);
    deficit(&p, 0, 90);
    EQ_UINT(permits_foreign(&p), 90);
    deficit(&p, 11 * SEC, 1);
    EQ_UINT(permits_foreign(&p), 90);
    deficit(&p, 22 * SEC, 2);
    EQ_UINT(permits_foreign(&p), 12);
    deficit(&p, 33 * SEC, 90); /* it comes again and again */
    deficit(&p, 66 * SEC, 0);
    deficit(&p, 77 * SEC, 0);
    EQ_UINT(permits_foreign(&p), 90);
    permits_fini(&p);
}

TEST(foreign_use_seen_long_ago_is_forgotten_at_once)
{
    struct permits p;

    permits_init(&p, &unpaced);
    deficit(&p, 0, 4);
    EQ_UINT(permits_foreign(&p), 4);
    EQ_INT(permits_wait_us(&p, 3600 * SEC), 0);
    EQ_UINT(permits_foreign(&p), 4);
    EQ_INT(permits_wait_us(&p, 3610 * SEC), 0);
    EQ_UINT(permits_foreign(&p), 0);
    take(&p, 3610 * SEC, 10);
    permits_fini(&p);
}

TEST(foreign_use_never_takes_the_last_request)
{
    struct permits p;

    permits_init(&p, &unpaced);
    deficit(&p, 0, 9);
    EQ_INT(permits_wait_us(&p, 0), 10 * SEC);
    take(&p, 11 * SEC, 1);
    permits_fini(&p);
    permits_init(&p, &(struct permits_spec){.limit = 1, .window_us = SEC});
    permits_throttled(&p, 0, 0, 0.0);
    take(&p, 0, 1);
    permits_fini(&p);
}

TEST(requests_of_ours_sent_later_explain_a_deficit)
{
    struct permits p;
    struct permit t;

    permits_init(&p, &unpaced);
    t = permits_take(&p, 0);
    take(&p, 0, 3);
    permits_observe(&p, 0, &t, t.predicted - 3);
    EQ_UINT(permits_foreign(&p), 0);
    permits_observe(&p, 0, &t, t.predicted - 4);
    EQ_UINT(permits_foreign(&p), 1);
    permits_observe(&p, 0, &t, 1000);
    EQ_UINT(permits_foreign(&p), 1);
    permits_fini(&p);
}

/* The server's clock is an hour ahead; the way takes 100 ms there, 10 back. */
static int64_t
arrived(struct permits *p, int64_t sent, int64_t step_in_work,
        int64_t step_before)
{
    struct permit t = permits_take(p, sent);
    int64_t started = sent + 100000 + 3600 * SEC + step_before;
    int64_t completed = started + 200000 + step_in_work;
    int64_t at = permits_arrived_us(p, &t, sent + 310000, started, completed);

    permits_settle(p, sent + 310000, at);
    return at - sent;
}

TEST(what_the_server_worked_on_was_there_before)
{
    struct permits p;

    permits_init(&p, &unpaced);
    EQ_INT(arrived(&p, 0, 0, 0), 310000); /* nothing is known of its clock */
    EQ_INT(arrived(&p, SEC, 0, 0), 110000);
    EQ_INT(arrived(&p, 30 * SEC, 0, 0), 110000 + 200000); /* long ago */
    permits_fini(&p);
}

TEST(a_step_of_the_servers_clock_makes_no_arrival_earlier)
{
    static const int64_t steps[] = {-5000000, -250000, -90000,
                                    90000,    250000,  5000000};

    for (size_t i = 0; i < COUNT_OF(steps); i++) {
        struct permits p;
        int64_t in_work, before;

        permits_init(&p, &unpaced);
        (void)arrived(&p, 0, 0, 0);
        in_work = arrived(&p, SEC, steps[i], 0);
        IS(in_work >= 100000 && in_work <= 310000);
        /* from here on its clock shows the step all the time */
        before = arrived(&p, 2 * SEC, 0, steps[i]);
        IS(before >= 100000 && before <= 310000);
        EQ_INT(arrived(&p, 3 * SEC, 0, steps[i]), 110000);
        permits_fini(&p);
    }
}

TEST(the_server_may_lower_the_limit_but_not_raise_it)
{
    struct permits p;

    permits_init(&p, &unpaced);
    permits_server_limit(&p, 100, 0);
    take(&p, 0, 10);
    EQ_INT(permits_wait_us(&p, 0), INT64_MAX);
    settle(&p, 0, 0, 10);
    permits_server_limit(&p, 4, -1);
    take(&p, 11 * SEC, 4);
    EQ_INT(permits_wait_us(&p, 11 * SEC), INT64_MAX);
    permits_server_limit(&p, 0, 0);
    EQ_INT(permits_wait_us(&p, 11 * SEC), INT64_MAX);
    permits_server_limit(&p, 10, 0);
    take(&p, 11 * SEC, 6);
    permits_fini(&p);
}

TEST(a_longer_window_delays_what_is_returning)
{
    struct permits p;
    int64_t last;

    permits_init(&p, &unpaced);
    take(&p, 0, 2);
    settle(&p, 0, 0, 2);
    permits_server_limit(&p, 10, 20 * SEC);
    EQ_UINT(permits_out(&p, 0, &last), 2);
    EQ_INT(last, 20 * SEC + SLACK);
    permits_server_limit(&p, 10, 1);
    EQ_INT(p.spec.window_us, 100000);
    permits_server_limit(&p, 10, INT64_MAX);
    EQ_INT(p.spec.window_us, 3600 * SEC);
    permits_fini(&p);
}

TEST(held_tokens_return_together)
{
    struct permits p;
    int64_t last;

    permits_init(&p, &unpaced);
    take(&p, 0, 3);
    permits_hold(&p, 100, 11 * SEC);
    EQ_UINT(permits_out(&p, 0, &last), 10);
    EQ_INT(last, 11 * SEC);
    EQ_INT(permits_wait_us(&p, 0), 11 * SEC);
    take(&p, 11 * SEC, 7);
    settle(&p, 12 * SEC, 12 * SEC, 10);
    EQ_UINT(permits_out(&p, 12 * SEC, &last), 10);
    permits_fini(&p);
}

DEATH(taking_without_a_free_token_aborts)
{
    struct permits p;

    permits_init(&p, &unpaced);
    for (int i = 0; i < 11; i++) {
        (void)permits_take(&p, 0);
    }
}

DEATH(settling_more_than_was_taken_aborts)
{
    struct permits p;

    permits_init(&p, &unpaced);
    permits_settle(&p, 0, 0);
}

TEST(a_larger_limit_counts_at_once)
{
    struct permits p;
    int64_t last;

    permits_init(&p, &unpaced);
    take(&p, 0, 10);
    settle(&p, SEC, SEC, 3);
    settle(&p, 3 * SEC, 2 * SEC, 3);
    permits_server_limit(&p, 10, 0);
    permits_limit(&p, 13);
    take(&p, 3 * SEC, 3);
    EQ_INT(permits_wait_us(&p, 3 * SEC), 8 * SEC + SLACK);
    EQ_UINT(permits_out(&p, 3 * SEC, &last), 13);
    EQ_INT(last, 12 * SEC + SLACK);
    settle(&p, 4 * SEC, 4 * SEC, 7);
    EQ_UINT(permits_out(&p, 11 * SEC + SLACK, &last), 10);
    EQ_UINT(permits_out(&p, 14 * SEC + SLACK, &last), 0);
    permits_fini(&p);
}

TEST(a_smaller_limit_waits_for_what_is_out)
{
    struct permits p;
    int64_t last;

    permits_init(&p, &unpaced);
    take(&p, 0, 10);
    settle(&p, SEC, SEC, 2);
    settle(&p, 2 * SEC, 2 * SEC, 4);
    permits_limit(&p, 4);
    EQ_INT(permits_wait_us(&p, 2 * SEC), INT64_MAX);
    permits_hold(&p, 4, 20 * SEC); /* there is no room for it */
    EQ_UINT(permits_out(&p, 2 * SEC, &last), 10);
    settle(&p, 3 * SEC, 3 * SEC, 4);
    EQ_INT(permits_wait_us(&p, 3 * SEC), 10 * SEC + SLACK);
    take(&p, 13 * SEC + SLACK, 4);
    EQ_INT(permits_wait_us(&p, 13 * SEC + SLACK), INT64_MAX);
    permits_fini(&p);
}

TEST(a_limit_the_server_told_holds_below_another_setting)
{
    struct permits p;

    permits_init(&p, &unpaced);
    permits_server_limit(&p, 5, 0);
    permits_limit(&p, 20);
    take(&p, 0, 5);
    EQ_INT(permits_wait_us(&p, 0), INT64_MAX);
    permits_limit(&p, 3);
    settle(&p, 0, 0, 5);
    take(&p, 20 * SEC, 3);
    EQ_INT(permits_wait_us(&p, 20 * SEC), INT64_MAX);
    permits_limit(&p, 20); /* what it told is known no more */
    take(&p, 20 * SEC, 17);
    permits_fini(&p);
}

SUITE(permits, RUN(a_token_returns_a_window_after_its_arrival),
      RUN(answers_out_of_order_return_in_order_of_arrival),
      RUN(an_arrival_in_the_future_counts_from_now),
      RUN(pacing_lets_depth_go_at_once_and_then_one_by_one),
      RUN(a_429_holds_everything_as_long_as_it_says),
      RUN(a_429_without_a_time_doubles_once_a_burst),
      RUN(a_429_shrinks_the_limit_for_a_minute),
      RUN(the_prediction_is_what_should_remain),
      RUN(foreign_use_leaves_its_peak_the_margin_and_what_chance_adds),
      RUN(a_single_foreign_request_costs_a_small_margin),
      RUN(beside_others_who_use_much_requests_leave_evenly),
      RUN(foreign_use_is_forgotten_by_twelve_windows_with_answers),
      RUN(a_burst_of_others_among_quiet_windows_is_soon_over),
      RUN(foreign_use_seen_long_ago_is_forgotten_at_once),
      RUN(foreign_use_never_takes_the_last_request),
      RUN(requests_of_ours_sent_later_explain_a_deficit),
      RUN(what_the_server_worked_on_was_there_before),
      RUN(a_step_of_the_servers_clock_makes_no_arrival_earlier),
      RUN(the_server_may_lower_the_limit_but_not_raise_it),
      RUN(a_longer_window_delays_what_is_returning),
      RUN(held_tokens_return_together), RUN(a_larger_limit_counts_at_once),
      RUN(a_smaller_limit_waits_for_what_is_out),
      RUN(a_limit_the_server_told_holds_below_another_setting),
      DIES(taking_without_a_free_token_aborts),
      DIES(settling_more_than_was_taken_aborts))
