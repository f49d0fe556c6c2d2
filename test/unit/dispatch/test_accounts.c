/* SPDX-License-Identifier: UNLICENSED */
/*
 * Every input that was sent ends exactly once, whatever becomes of its batch;
 * what was refused for speed waits as told and keeps its place.
 */
#include "fake.h"

static struct fx fx;
static int left;

static const char *const outcomes[] = {"written", "absent", "rejected", "retry",
                                       "unknown"};

static uint64_t
sent(void)
{
    uint64_t n = 0;

    for (int o = 0; o < MAP_OBJECTS; o++) {
        n += stat_value(STAT_hubspot_sent, map_object_name((enum map_object)o),
                        NULL);
    }
    return n;
}

static uint64_t
ended(const char *outcome)
{
    uint64_t n = 0;

    for (int o = 0; o < MAP_OBJECTS; o++) {
        n += stat_value(STAT_hubspot_inputs,
                        map_object_name((enum map_object)o), outcome);
    }
    return n;
}

static void
ties_out(uint64_t want_sent)
{
    uint64_t all = 0;

    for (size_t i = 0; i < COUNT_OF(outcomes); i++) {
        all += ended(outcomes[i]);
    }
    EQ_UINT(sent(), want_sent);
    EQ_UINT(all, want_sent);
    EQ_UINT(stat_value(STAT_hubspot_unaccounted, NULL, NULL), 0);
}

static void
plain_jobs(int n)
{
    char id[16];

    for (int i = 0; i < n; i++) {
        (void)snprintf(id, sizeof(id), "p%03d", i);
        fx_plain(&fx, TENANT, id);
    }
}

static void
mixed(struct fx *x, const struct sent *q, struct hubspot_meta *m,
      struct hubspot_result *r, bool *split)
{
    (void)x;
    (void)m;
    (void)split;
    if (left > 0 && q->n == 4) {
        left--;
        fail_result(&r[1], HUBSPOT_REJECTED, ERR_REFUSED, "BAD", "bad");
        fail_result(&r[2], HUBSPOT_RETRY, ERR_UNAVAILABLE, "", "not now");
        fail_result(&r[3], HUBSPOT_UNKNOWN, ERR_UNKNOWN, "", "who knows");
    } else if (q->verb == HUBSPOT_READ) {
        fail_result(&r[0], HUBSPOT_ABSENT, ERR_MISSING, "", "not there");
    }
}

TEST(each_input_of_an_answer_is_counted_once)
{
    struct dispatch_config c = fx_config();

    c.cutoff_ms = 1;
    left = 1;
    fx_open(&fx, &c);
    fx.decide = mixed;
    plain_jobs(4);
    fx_start(&fx);
    UNTIL(&fx, fx_is(&fx, "payment", "p003", "done") &&
                   fx_is(&fx, "payment", "p002", "done"));
    fx_settle(&fx);
    EQ_UINT(ended("rejected"), 1);
    EQ_UINT(ended("retry"), 1);
    EQ_UINT(ended("unknown"), 1);
    EQ_UINT(ended("absent"), 1);
    EQ_UINT(ended("written"), 3);
    ties_out(7);
    fx_close(&fx);
}

static void
one_culprit(struct fx *x, const struct sent *q, struct hubspot_meta *m,
            struct hubspot_result *r, bool *split)
{
    (void)x;
    for (size_t i = 0; i < q->n; i++) {
        if (strcmp(q->inputs[i].id, "p005") == 0) {
            fail_all(q, m, r, 400, q->n > 1 ? HUBSPOT_RETRY : HUBSPOT_REJECTED,
                     ERR_REFUSED);
            *split = q->n > 1;
            return;
        }
    }
}

TEST(inputs_of_a_batch_that_was_halved_count_as_retry)
{
    fx_open(&fx, NULL);
    fx.decide = one_culprit;
    plain_jobs(8);
    fx_start(&fx);
    fx_settle(&fx);
    EQ_UINT(ended("written"), 7);
    EQ_UINT(ended("rejected"), 1);
    EQ_UINT(ended("retry"), 8 + 4 + 2);
    ties_out(22);
    fx_close(&fx);
}

TEST(what_a_removed_tenant_had_under_way_is_accounted_for)
{
    fx_open(&fx, NULL);
    fx.hold = HOLD_HUBSPOT;
    plain_jobs(3);
    fx_start(&fx);
    UNTIL(&fx, fx.n_sent == 1);
    dispatch_remove(fx.d, TENANT);
    fx_let(&fx, HOLD_HUBSPOT);
    fx_settle(&fx);
    EQ_UINT(ended("written"), 3);
    ties_out(3);
    fx_close(&fx);
}

TEST(what_is_under_way_when_the_lease_is_lost_is_unknown)
{
    fx_open(&fx, NULL);
    fx.hold = HOLD_HUBSPOT;
    plain_jobs(3);
    fx_start(&fx);
    UNTIL(&fx, fx.n_sent == 1);
    fx_close(&fx); /* as the tenant layer does: without draining */
    EQ_UINT(ended("unknown"), 3);
    ties_out(3);
}

TEST(what_goes_back_before_it_is_sent_was_not_sent)
{
    fx_open(&fx, NULL);
    fx.write_err = ERR_DB_AWAY;
    plain_jobs(3);
    fx_start(&fx);
    UNTIL(&fx, buf_text(&fx.operations)[0] != '\0');
    fx_quiet(&fx);
    ties_out(0);
    fx_close(&fx);
    ties_out(0);
}

TEST(an_input_that_nobody_counts_is_told)
{
    struct batch *b;

    fx_open(&fx, NULL);
    fx_start(&fx);
    b = batch_new(
        CONTAINER_OF(list_first(&fx.d->tenants), struct dtenant, link),
        LANE_UPSERT, 3);
    b->sent = true;
    batch_account(b, "written", 1);
    batch_free(b);
    EQ_UINT(stat_value(STAT_hubspot_unaccounted, NULL, NULL), 2);
    fx_close(&fx);
}

/* ---- refused for speed -------------------------------------------------- */

static int64_t pause_us;
static int status;
static const char *policy;

static void
too_fast(struct fx *x, const struct sent *q, struct hubspot_meta *m,
         struct hubspot_result *r, bool *split)
{
    (void)x;
    (void)split;
    if (left > 0 && q->object == MAP_PAYMENTS) {
        left--;
        fail_all(q, m, r, status, HUBSPOT_RETRY,
                 status == 429 ? ERR_THROTTLED : ERR_UNAVAILABLE);
        (void)snprintf(m->fault.code, sizeof(m->fault.code), "%s", policy);
        m->retry_after_us = pause_us;
    }
}

static void
open_too_fast(int answer, const char *code, int64_t wait_us, int times)
{
    status = answer;
    policy = code;
    pause_us = wait_us;
    left = times;
    fx_open(&fx, NULL);
    fx.decide = too_fast;
}

TEST(throttled_needs_keep_their_place)
{
    char id[16];

    open_too_fast(429, "TEN_SECONDLY_ROLLING", 30000, 2);
    plain_jobs(300);
    fx_start(&fx);
    fx_settle(&fx);
    EQ_UINT(fx.n_sent, 5); /* the third had left already */
    for (size_t k = 0; k < 200; k++) {
        const struct sent *q = &fx.sent[3 + k / 100];

        (void)snprintf(id, sizeof(id), "p%03zu", k);
        EQ_STR(q->inputs[k % 100].id, id);
    }
    for (size_t i = 0; i < 300; i++) {
        (void)snprintf(id, sizeof(id), "p%03zu", i);
        EQ_INT(fx_find(&fx, "payment", id)->attempts, 0);
    }
    EQ_UINT(ended("retry"), 200);
    ties_out(500);
    IS(fx.sent[3].at_us - fx.sent[0].at_us >= 30000);
    fx_close(&fx);
}

TEST(a_limit_per_second_stops_that_kind_of_request_only)
{
    char id[16];

    open_too_fast(429, "SECONDLY", 150000, 1);
    plain_jobs(1);
    fx_start(&fx);
    UNTIL(&fx, fx.n_sent == 1);
    for (int i = 0; i < 100; i++) {
        (void)snprintf(id, sizeof(id), "i%d", i);
        fx_invoice(&fx, id, 0, NULL);
    }
    dispatch_poke(fx.d, TENANT);
    fx_settle(&fx);
    EQ_INT(fx.sent[1].object, MAP_INVOICES);
    IS(fx.sent[1].at_us - fx.sent[0].at_us < 150000);
    EQ_INT(fx.sent[fx.n_sent - 1].object, MAP_PAYMENTS);
    IS(fx.sent[fx.n_sent - 1].at_us - fx.sent[0].at_us >= 150000);
    EQ_UINT(dispatch_status(fx.d).throttled, 1);
    fx_close(&fx);
}

TEST(a_limit_per_second_that_says_no_more_lasts_one)
{
    open_too_fast(429, "SECONDLY", -1, 1);
    plain_jobs(1);
    fx_start(&fx);
    fx_settle(&fx);
    EQ_UINT(fx.n_sent, 2);
    IS(fx.sent[1].at_us - fx.sent[0].at_us >= 1000000);
    fx_close(&fx);
}

TEST(retry_after_of_a_failing_server_stops_the_portal)
{
    open_too_fast(503, "", 120000, 1);
    plain_jobs(1);
    fx_start(&fx);
    UNTIL(&fx, fx.n_sent == 1);
    fx_customer(&fx, "1008");
    dispatch_poke(fx.d, TENANT);
    UNTIL(&fx, fx.n_sent >= 2);
    IS(fx.sent[1].at_us - fx.sent[0].at_us >= 120000);
    fx_close(&fx);
}

SUITE(accounts, RUN_LONG(each_input_of_an_answer_is_counted_once, 10),
      RUN(inputs_of_a_batch_that_was_halved_count_as_retry),
      RUN(what_a_removed_tenant_had_under_way_is_accounted_for),
      RUN(what_is_under_way_when_the_lease_is_lost_is_unknown),
      RUN(what_goes_back_before_it_is_sent_was_not_sent),
      RUN(an_input_that_nobody_counts_is_told),
      RUN_LONG(throttled_needs_keep_their_place, 10),
      RUN_LONG(a_limit_per_second_stops_that_kind_of_request_only, 10),
      RUN_LONG(a_limit_per_second_that_says_no_more_lasts_one, 10),
      RUN_LONG(retry_after_of_a_failing_server_stops_the_portal, 10))
