/* SPDX-License-Identifier: UNLICENSED */
/* The requests of one day: kept in the store, a reserve for fresh changes. */
#include "fake.h"

static struct fx fx;

enum { DAY = 1000 };

static void
open_day(int64_t used)
{
    struct dispatch_config c = fx_config();

    c.daily_limit = DAY;
    c.quota_backfill = 75;
    c.quota_retry = 90;
    c.quota_save_ms = 60000;
    c.time_zone = "Europe/Berlin";
    fx_open(&fx, &c);
    fx.day_used = used;
}

static int64_t
stored(const char *name)
{
    return json_integer_value(json_object_get(fx.budget, name));
}

TEST(nothing_leaves_before_what_is_used_is_known)
{
    open_day(0);
    fx.hold = HOLD_BUDGET;
    fx_plain(&fx, TENANT, "p1");
    fx_start(&fx);
    fx_quiet(&fx);
    EQ_UINT(fx.claims, 0);
    EQ_UINT(fx.n_sent, 0);
    fx_let(&fx, HOLD_BUDGET);
    fx_settle(&fx);
    EQ_UINT(fx.n_sent, 1);
    fx_close(&fx);
}

TEST(while_the_store_does_not_tell_it_is_asked_again)
{
    open_day(0);
    fx.budget_err = ERR_DB_AWAY;
    fx_plain(&fx, TENANT, "p1");
    fx_start(&fx);
    UNTIL(&fx, fx.budgets == 1);
    fx.budget_err = ERR_OK;
    UNTIL(&fx, fx.n_sent == 1);
    EQ_UINT(fx.budgets, 2);
    fx_close(&fx);
}

TEST(what_a_predecessor_used_stops_classes)
{
    static const struct {
        int64_t used;
        int parts[WORK_CLASSES];
    } rows[] = {
        {0, {250, 100, 50, 75, 25}},
        {750, {250, 100, 50, -1, -1}},
        {900, {250, -1, -1, -1, -1}},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        open_day(rows[i].used);
        fx_plain(&fx, TENANT, "p1");
        fx_start(&fx);
        fx_settle(&fx);
        for (int c = 0; c < WORK_CLASSES; c++) {
            EQ_INT(fx.room.parts[c], rows[i].parts[c]);
        }
        EQ_INT(dispatch_status(fx.d).daily_used, rows[i].used + 1);
        EQ_INT(dispatch_withholds(fx.d), rows[i].used > 0);
        fx_close(&fx);
    }
}

TEST(a_retry_that_may_not_go_does_not_keep_the_loop_busy)
{
    struct fake_job *j;
    size_t claims;

    open_day(950);
    fx.hold = HOLD_CLAIM;
    j = fx_plain(&fx, TENANT, "p1");
    fx_set(&j->state, "retry");
    j->due_us = clock_mono_us() + INT64_C(60000000);
    fx_start(&fx);
    fx_let(&fx, HOLD_CLAIM);
    fx_quiet(&fx);
    claims = fx.claims;
    fx_quiet(&fx);
    EQ_UINT(fx.claims, claims);
    NOT(loop_timer_armed(
        &CONTAINER_OF(list_first(&fx.d->tenants), struct dtenant, link)->due));
    fx_close(&fx);
}

static void
say_remaining(struct fx *x, const struct sent *q, struct hubspot_meta *m,
              struct hubspot_result *r, bool *split)
{
    (void)x;
    (void)q;
    (void)r;
    (void)split;
    m->daily_remaining = 60;
}

TEST(what_others_use_counts_too)
{
    open_day(0);
    fx.decide = say_remaining;
    fx_plain(&fx, TENANT, "p1");
    fx_start(&fx);
    fx_settle(&fx);
    EQ_INT(dispatch_status(fx.d).daily_used, 940);
    EQ_INT(fx.room.parts[WORK_RETRY], -1); /* it looked again at once */
    EQ_INT(dispatch_status(fx.d).level, QUOTA_FRESH_ONLY);
    fx_close(&fx);
}

static int left;

static void
day_is_over(struct fx *x, const struct sent *q, struct hubspot_meta *m,
            struct hubspot_result *r, bool *split)
{
    (void)x;
    (void)split;
    if (left > 0) {
        left--;
        fail_all(q, m, r, 429, HUBSPOT_RETRY, ERR_QUOTA);
        m->daily = true;
    }
}

TEST(the_days_429_stops_the_portal_until_midnight)
{
    int64_t midnight_us = clock_mono_us() + 500000;
    char id[16];

    open_day(0);
    fx.day_ms = 500;
    left = 1;
    fx.decide = day_is_over;
    for (int i = 0; i < 350; i++) {
        (void)snprintf(id, sizeof(id), "p%d", i);
        fx_plain(&fx, TENANT, id);
    }
    fx_start(&fx);
    UNTIL(&fx, fx.d->level_told == QUOTA_STOPPED);
    fx_settle(&fx);
    IS(clock_mono_us() < midnight_us);
    EQ_UINT(fx.d->n_jobs, 0); /* they went back, with no attempt counted */
    IS(fx_is(&fx, "payment", "p0", "queued"));
    EQ_INT(fx_find(&fx, "payment", "p0")->attempts, 0);
    IS(dispatch_is_idle(fx.d));
    IS(dispatch_withholds(fx.d));
    UNTIL(&fx, fx_is(&fx, "payment", "p0", "done"));
    IS(fx_sent(&fx, HUBSPOT_UPSERT, MAP_PAYMENTS, fx.n_sent - 1)->at_us >=
       midnight_us - 2000);
    fx_settle(&fx);
    EQ_INT(fx.d->level_told, QUOTA_OPEN);
    EQ_UINT(fx.d->quota.throttled, 0); /* another day */
    fx_close(&fx);
}

TEST(a_stop_goes_on_under_the_next_worker)
{
    int64_t until_us = clock_mono_us() + 300000;

    open_day(10);
    fx.day_stopped_ms = 300;
    fx_plain(&fx, TENANT, "p1");
    fx_start(&fx);
    UNTIL(&fx, fx.n_sent == 1);
    IS(fx.sent[0].at_us >= until_us - 2000);
    fx_close(&fx);
}

static struct hubspot_meta told;
static size_t n_told;

static void
on_call(void *arg, const struct hubspot_meta *m, const json_t *body)
{
    (void)arg;
    IS(body == NULL);
    told = *m;
    n_told++;
}

TEST(who_waits_for_an_answer_is_not_kept_until_midnight)
{
    static const struct hubspot_call call = {
        .operation = "account.details", .method = "GET", .path = "/x"};

    open_day(0);
    fx.day_stopped_ms = 60000;
    fx_start(&fx);
    UNTIL(&fx, fx.d->level_told == QUOTA_STOPPED);
    OK(dispatch_call(fx.d, TENANT, &call, on_call, NULL));
    UNTIL(&fx, n_told == 1);
    EQ_ERR(told.fault.err, ERR_QUOTA);
    EQ_UINT(fx.n_calls, 0);
    fx_close(&fx);
}

static void
on_drained(void *arg)
{
    ((struct fx *)arg)->drains++;
}

TEST(what_is_used_is_stored_before_the_lease_is_given_back)
{
    char id[16];

    open_day(200);
    for (int i = 0; i < 350; i++) {
        (void)snprintf(id, sizeof(id), "p%d", i);
        fx_plain(&fx, TENANT, id);
    }
    fx_start(&fx);
    fx_settle(&fx);
    EQ_UINT(fx.budgets, 1);
    fx.hold = HOLD_BUDGET;
    dispatch_drain(fx.d, on_drained, &fx);
    fx_quiet(&fx);
    EQ_UINT(fx.drains, 0);
    fx_let(&fx, HOLD_BUDGET);
    UNTIL(&fx, fx.drains == 1);
    EQ_UINT(fx.budgets, 2);
    EQ_INT(stored("used"), 204);
    EQ_INT(stored("sent"), 204);
    EQ_INT(stored("daily_limit"), DAY);
    EQ_INT(stored("burst_limit"), 500);
    EQ_INT(stored("tokens_out"), 4);
    EQ_STR(jsonx_text(fx.budget, "level"), "open");
    fx_close(&fx);
}

TEST(a_store_that_is_away_does_not_keep_the_end_waiting)
{
    open_day(0);
    fx_start(&fx);
    fx_settle(&fx);
    fx.budget_err = ERR_DB_AWAY;
    dispatch_drain(fx.d, on_drained, &fx);
    UNTIL(&fx, fx.drains == 1);
    fx_close(&fx);
}

TEST(what_is_used_is_stored_again_and_again)
{
    struct dispatch_config c = fx_config();

    c.daily_limit = DAY;
    c.quota_backfill = 75;
    c.quota_retry = 90;
    c.quota_save_ms = 20;
    fx_open(&fx, &c);
    fx_plain(&fx, TENANT, "p1");
    fx_start(&fx);
    UNTIL(&fx, fx.budgets >= 4);
    EQ_INT(stored("used"), 1);
    fx_close(&fx);
}

SUITE(quota, RUN(nothing_leaves_before_what_is_used_is_known),
      RUN_LONG(while_the_store_does_not_tell_it_is_asked_again, 10),
      RUN_LONG(what_a_predecessor_used_stops_classes, 10),
      RUN(a_retry_that_may_not_go_does_not_keep_the_loop_busy),
      RUN(what_others_use_counts_too),
      RUN_LONG(the_days_429_stops_the_portal_until_midnight, 20),
      RUN_LONG(a_stop_goes_on_under_the_next_worker, 10),
      RUN(who_waits_for_an_answer_is_not_kept_until_midnight),
      RUN_LONG(what_is_used_is_stored_before_the_lease_is_given_back, 10),
      RUN(a_store_that_is_away_does_not_keep_the_end_waiting),
      RUN(what_is_used_is_stored_again_and_again))
