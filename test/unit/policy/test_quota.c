/* SPDX-License-Identifier: UNLICENSED */
/* The quota of a day: levels, what others use, midnight, forecast. */
#include "unit.h"

#include "ml/policy.h"

#define SEC INT64_C(1000000)
#define MINUTE (60 * SEC)
#define HOUR (60 * MINUTE)

static const struct quota_spec spec = {
    .limit = 1000, .backfill_percent = 75, .retry_percent = 90};

/* At `now` 10 h before midnight of a known zone. */
static struct quota
open_day(int64_t now)
{
    struct quota q;

    quota_init(&q, &spec, now - HOUR);
    quota_day(&q, now, 10 * HOUR, true);
    return q;
}

static void
send(struct quota *q, int64_t now, int n)
{
    while (n-- > 0) {
        quota_count(q, now);
    }
}

TEST(classes_stop_one_after_the_other)
{
    struct quota q = open_day(0);

    send(&q, 0, 749);
    EQ_INT(quota_level(&q, 0), QUOTA_OPEN);
    for (int c = 0; c < WORK_CLASSES; c++) {
        IS(quota_allows(&q, 0, (enum work_class)c));
    }
    send(&q, 0, 1);
    EQ_INT(quota_level(&q, 0), QUOTA_NO_BACKFILL);
    NOT(quota_allows(&q, 0, WORK_BACKFILL));
    NOT(quota_allows(&q, 0, WORK_RECONCILE));
    IS(quota_allows(&q, 0, WORK_REPLAY));
    send(&q, 0, 149);
    IS(quota_allows(&q, 0, WORK_RETRY));
    send(&q, 0, 1);
    EQ_INT(quota_level(&q, 0), QUOTA_FRESH_ONLY);
    NOT(quota_allows(&q, 0, WORK_RETRY));
    NOT(quota_allows(&q, 0, WORK_REPLAY));
    IS(quota_allows(&q, 0, WORK_FRESH));
    send(&q, 0, 5000); /* only HubSpot knows when it is over */
    IS(quota_allows(&q, 0, WORK_FRESH));
    quota_exhausted(&q, 0, -1);
    EQ_INT(quota_level(&q, 0), QUOTA_STOPPED);
    NOT(quota_allows(&q, 0, WORK_FRESH));
}

TEST(what_remains_for_all_may_only_shrink_what_is_left)
{
    struct quota q = open_day(0);

    send(&q, 0, 100);
    quota_told(&q, 0, 950); /* the header lags, or the limit is larger */
    EQ_INT(q.used, 100);
    quota_told(&q, 0, 200);
    EQ_INT(q.used, 800);
    EQ_INT(q.sent, 100);
    EQ_INT(quota_level(&q, 0), QUOTA_NO_BACKFILL);
    quota_told(&q, 0, 5000);
    EQ_INT(q.used, 800);
    send(&q, 0, 1);
    EQ_INT(q.used, 801);
}

TEST(midnight_begins_anew)
{
    struct quota q = open_day(0);

    send(&q, 0, 950);
    EQ_INT(quota_level(&q, 10 * HOUR - 1), QUOTA_FRESH_ONLY);
    EQ_INT(quota_level(&q, 10 * HOUR), QUOTA_OPEN);
    EQ_INT(q.used, 0);
    send(&q, 33 * HOUR, 950);
    EQ_INT(quota_level(&q, 34 * HOUR - 1), QUOTA_FRESH_ONLY);
    EQ_INT(quota_level(&q, 34 * HOUR), QUOTA_OPEN);
    EQ_INT(quota_level(&q, 1000 * HOUR), QUOTA_OPEN);
}

TEST(the_days_429_stops_until_midnight)
{
    struct quota q = open_day(HOUR);

    quota_exhausted(&q, HOUR, -1);
    EQ_INT(quota_stopped_us(&q, HOUR), 11 * HOUR);
    EQ_INT(quota_stopped_us(&q, 11 * HOUR - 1), 11 * HOUR);
    EQ_INT(quota_stopped_us(&q, 11 * HOUR), INT64_MIN);
    EQ_INT(quota_level(&q, 11 * HOUR), QUOTA_OPEN);
}

TEST(the_days_429_lasts_as_long_as_it_says)
{
    struct quota q = open_day(HOUR);

    quota_exhausted(&q, HOUR, 30 * SEC);
    EQ_INT(quota_stopped_us(&q, HOUR), HOUR + 30 * SEC);
    EQ_INT(quota_stopped_us(&q, HOUR + 30 * SEC), INT64_MIN);
    quota_exhausted(&q, 2 * HOUR, INT64_MAX);
    EQ_INT(quota_stopped_us(&q, 2 * HOUR), 26 * HOUR);
}

TEST(where_midnight_is_a_guess_it_is_tried_again_hourly)
{
    struct quota q = open_day(0);

    quota_day(&q, 0, 10 * HOUR, false);
    quota_exhausted(&q, 0, -1);
    EQ_INT(quota_stopped_us(&q, 0), HOUR);
    quota_exhausted(&q, 9 * HOUR + 30 * MINUTE, -1);
    EQ_INT(quota_stopped_us(&q, 9 * HOUR + 30 * MINUTE), 10 * HOUR);
}

TEST(right_after_midnight_it_is_tried_again_soon)
{
    struct quota q = open_day(0);

    quota_exhausted(&q, 10 * HOUR + MINUTE, -1);
    EQ_INT(quota_stopped_us(&q, 10 * HOUR + MINUTE), 10 * HOUR + 6 * MINUTE);
    quota_exhausted(&q, 10 * HOUR + 20 * MINUTE, -1);
    EQ_INT(quota_stopped_us(&q, 10 * HOUR + 20 * MINUTE), 34 * HOUR);
}

TEST(a_stop_of_a_predecessor_goes_on)
{
    struct quota q = open_day(0);

    quota_add(&q, 0, 700, 650, 3);
    EQ_INT(q.used, 700);
    EQ_INT(q.sent, 650);
    EQ_INT(q.throttled, 3);
    quota_add(&q, 0, -5000, -5000, -5000);
    EQ_INT(q.used, 0);
    EQ_INT(q.sent, 0);
    EQ_INT(q.throttled, 0);
    quota_stop(&q, 3 * HOUR);
    quota_stop(&q, 2 * HOUR);
    EQ_INT(quota_stopped_us(&q, 0), 3 * HOUR);
}

TEST(without_a_limit_nothing_is_governed_but_a_429_stops)
{
    const struct quota_spec none = {.limit = 0};
    struct quota q;

    quota_init(&q, &none, 0);
    send(&q, 0, 100000);
    EQ_INT(quota_level(&q, 0), QUOTA_OPEN);
    EQ_INT(quota_forecast(&q, 0).runs_out_in_us, -1);
    quota_exhausted(&q, 20 * MINUTE, -1);
    EQ_INT(quota_level(&q, 20 * MINUTE), QUOTA_STOPPED);
}

TEST(the_forecast_is_by_the_last_hour)
{
    struct quota q = open_day(0);
    struct quota_forecast f;

    quota_told(&q, 0, 900); /* what others used before is no rate */
    for (int m = 0; m < 60; m++) {
        send(&q, m * MINUTE, 2);
    }
    f = quota_forecast(&q, 59 * MINUTE);
    EQ_INT(f.used, 220);
    EQ_INT(f.left, 780);
    EQ_INT(f.per_hour, 120);
    EQ_INT(f.at_midnight, 220 + 120 * 541 / 60);
    EQ_INT(f.runs_out_in_us, 390 * MINUTE);
    quota_told(&q, 59 * MINUTE, 760); /* 20 of somebody else */
    EQ_INT(quota_forecast(&q, 59 * MINUTE).per_hour, 140);
    f = quota_forecast(&q, 90 * MINUTE);
    EQ_INT(f.per_hour, 29 * 2 + 20);
    f = quota_forecast(&q, 5 * HOUR);
    EQ_INT(f.per_hour, 0);
    EQ_INT(f.at_midnight, 240);
    EQ_INT(f.runs_out_in_us, -1);
}

TEST(a_day_that_is_used_up_has_run_out_at_any_rate)
{
    struct quota q = open_day(0);

    quota_told(&q, 0, 0);
    EQ_INT(quota_forecast(&q, 0).left, 0);
    EQ_INT(quota_forecast(&q, 0).per_hour, 0);
    EQ_INT(quota_forecast(&q, 0).runs_out_in_us, 0);
    send(&q, 0, 1);
    EQ_INT(quota_forecast(&q, 0).runs_out_in_us, 0);
}

TEST(a_young_rate_is_not_taken_for_an_hour)
{
    struct quota q;

    quota_init(&q, &spec, 0);
    send(&q, 0, 10);
    EQ_INT(quota_forecast(&q, 0).per_hour, 600);
    EQ_INT(quota_forecast(&q, 10 * MINUTE).per_hour, 60);
}

TEST(what_is_told_of_yesterday_just_after_midnight_does_not_spoil_the_day)
{
    static const struct quota_spec small = {
        .limit = 1000, .backfill_percent = 75, .retry_percent = 90};
    const int64_t second = 1000000, hour = 3600 * second;
    struct quota q;

    quota_init(&q, &small, 0);
    quota_day(&q, 0, hour, true);
    quota_told(&q, hour - second, 20);
    EQ_INT(quota_level(&q, hour - second), QUOTA_FRESH_ONLY);
    /* ours has passed, HubSpot's is a second later */
    quota_count(&q, hour + second / 2);
    quota_told(&q, hour + second / 2, 19);
    quota_count(&q, hour + 2 * second);
    quota_told(&q, hour + 2 * second, 999);
    EQ_INT(quota_level(&q, hour + 2 * second), QUOTA_OPEN);
    EQ_INT(q.used, 2); /* ours at least */
}

/* The tier was set too high: what HubSpot told was taken for use by others. */
TEST(another_limit_takes_the_use_by_others_anew)
{
    static const struct quota_spec large = {
        .limit = 1000, .backfill_percent = 75, .retry_percent = 90};
    struct quota q;

    quota_init(&q, &large, 0);
    quota_count(&q, 1);
    quota_count(&q, 2);
    quota_told(&q, 2, 190);
    EQ_INT(q.used, 810);
    EQ_INT(quota_level(&q, 2), QUOTA_NO_BACKFILL);
    quota_limit(&q, 200);
    EQ_INT(q.used, 10);
    EQ_INT(quota_level(&q, 2), QUOTA_OPEN);
    quota_limit(&q, 100);
    EQ_INT(q.used, 2); /* ours at least */
    quota_limit(&q, 1000);
    EQ_INT(q.used, 2);
    quota_told(&q, 3, 190);
    EQ_INT(q.used, 810);
}

SUITE(quota, RUN(classes_stop_one_after_the_other),
      RUN(what_remains_for_all_may_only_shrink_what_is_left),
      RUN(midnight_begins_anew), RUN(the_days_429_stops_until_midnight),
      RUN(the_days_429_lasts_as_long_as_it_says),
      RUN(where_midnight_is_a_guess_it_is_tried_again_hourly),
      RUN(right_after_midnight_it_is_tried_again_soon),
      RUN(a_stop_of_a_predecessor_goes_on),
      RUN(without_a_limit_nothing_is_governed_but_a_429_stops),
      RUN(the_forecast_is_by_the_last_hour),
      RUN(a_day_that_is_used_up_has_run_out_at_any_rate),
      RUN(a_young_rate_is_not_taken_for_an_hour),
      RUN(another_limit_takes_the_use_by_others_anew),
      RUN(what_is_told_of_yesterday_just_after_midnight_does_not_spoil_the_day))
