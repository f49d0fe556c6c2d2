/* SPDX-License-Identifier: UNLICENSED */
/* The database away, the lease gone or over. */
#include "fake.h"

static struct fx fx;

static void
open_with_job(void)
{
    fx_open(&fx, NULL);
    fx_plain(&fx, TENANT, "p1");
    fx_start(&fx);
}

TEST(an_outcome_that_cannot_be_stored_is_kept_and_nothing_new_is_sent)
{
    open_with_job();
    fx.outcome_err = ERR_DB_AWAY;
    UNTIL(&fx, fx.refused_outcomes == 1);
    fx_plain(&fx, TENANT, "p2");
    dispatch_poke(fx.d, TENANT);
    fx_quiet(&fx);
    EQ_UINT(fx.n_sent, 1);
    IS(fx_is(&fx, "payment", "p1", "in_flight"));
    NOT(dispatch_is_idle(fx.d));
    fx.outcome_err = ERR_OK;
    fx_settle(&fx);
    IS(fx_is(&fx, "payment", "p1", "done"));
    IS(fx_is(&fx, "payment", "p2", "done"));
    EQ_UINT(fx.n_sent, 2);
    EQ_UINT(fx.losts, 0);
    fx_close(&fx);
}

TEST(without_a_write_row_nothing_is_sent_and_the_input_goes_back)
{
    open_with_job();
    fx.write_err = ERR_DB_AWAY;
    UNTIL(&fx, buf_text(&fx.operations)[0] != '\0');
    fx_quiet(&fx);
    EQ_UINT(fx.n_sent, 0);
    IS(fx_is(&fx, "payment", "p1", "in_flight"));
    fx.write_err = ERR_OK;
    fx_settle(&fx);
    EQ_UINT(fx.n_sent, 1);
    EQ_UINT(fx.sent[0].n, 1);
    IS(fx_is(&fx, "payment", "p1", "done"));
    EQ_INT(fx_find(&fx, "payment", "p1")->attempts, 0);
    fx_close(&fx);
}

TEST(a_claim_that_failed_is_made_again)
{
    open_with_job();
    fx.claim_err = ERR_DB_AWAY;
    UNTIL(&fx, fx.claims == 1);
    fx.claim_err = ERR_OK;
    UNTIL(&fx, fx_is(&fx, "payment", "p1", "done"));
    EQ_UINT(fx.claims >= 2, true);
    fx_close(&fx);
}

TEST(a_lost_lease_is_told_once_and_nothing_more_is_sent)
{
    fx_open(&fx, NULL);
    fx.hold = HOLD_HUBSPOT;
    for (int i = 0; i < 250; i++) {
        char id[16];

        (void)snprintf(id, sizeof(id), "p%d", i);
        fx_plain(&fx, TENANT, id);
    }
    fx_start(&fx);
    UNTIL(&fx, fx.n_sent == 3);
    fx.outcome_err = ERR_LEASE_LOST;
    fx_let(&fx, HOLD_HUBSPOT);
    UNTIL(&fx, fx.losts == 1);
    fx_plain(&fx, TENANT, "more");
    dispatch_poke(fx.d, TENANT);
    fx_quiet(&fx);
    EQ_UINT(fx.losts, 1);
    EQ_UINT(fx.n_sent, 3);
    EQ_UINT(fx.refused_outcomes, 3);
    IS(fx_is(&fx, "payment", "more", "queued"));
    fx_close(&fx);
}

TEST(a_lease_lost_when_a_write_opens_sends_nothing)
{
    open_with_job();
    fx.write_err = ERR_LEASE_LOST;
    UNTIL(&fx, fx.losts == 1);
    fx_quiet(&fx);
    EQ_UINT(fx.n_sent, 0);
    EQ_UINT(fx.losts, 1);
    fx_close(&fx);
}

TEST(a_lease_lost_at_the_claim_is_told)
{
    open_with_job();
    fx.claim_lost = true;
    UNTIL(&fx, fx.losts == 1);
    fx_quiet(&fx);
    EQ_UINT(fx.n_sent, 0);
    EQ_UINT(fx.claims, 1);
    fx_close(&fx);
}

/* It had only run out: whatever was refused for it is asked for again. */
TEST(a_lease_that_is_ours_after_all_lets_everything_go_on)
{
    open_with_job();
    fx.claim_lost = true;
    UNTIL(&fx, fx.losts == 1);
    fx.claim_lost = false;
    fx.write_err = ERR_LEASE_LOST;
    fx_lease(&fx, 60000);
    UNTIL(&fx, fx.losts == 2);
    fx.write_err = ERR_OK;
    fx.outcome_err = ERR_LEASE_LOST;
    fx_lease(&fx, 60000);
    UNTIL(&fx, fx.losts == 3);
    fx.outcome_err = ERR_OK;
    fx_lease(&fx, 60000);
    fx_settle(&fx);
    EQ_UINT(fx.n_sent, 1);
    IS(fx_is(&fx, "payment", "p1", "done"));
    fx_close(&fx);
}

static size_t
open_writes(void)
{
    const char *id;
    json_t *is_open;
    size_t n = 0;

    json_object_foreach(fx.written, id, is_open)
    {
        n += json_is_true(is_open) ? 1 : 0;
    }
    return n;
}

TEST(an_expired_lease_stops_sending_and_a_renewed_one_goes_on)
{
    int64_t until_us;

    fx_open(&fx, NULL);
    fx.hold = HOLD_WRITE;
    fx_plain(&fx, TENANT, "p1");
    fx_add(&fx, TENANT, true);
    fx_lease(&fx, 400);
    UNTIL(&fx, buf_text(&fx.operations)[0] != '\0');
    until_us = clock_mono_us() + 400000;
    UNTIL(&fx, clock_mono_us() >= until_us); /* the row comes after the end */
    fx_let(&fx, HOLD_WRITE);
    fx_quiet(&fx);
    EQ_UINT(fx.n_sent, 0);
    EQ_UINT(fx.losts, 0);
    EQ_UINT(open_writes(), 0); /* what was not sent is not of unknown outcome */
    fx_lease(&fx, 60000);
    fx_settle(&fx);
    EQ_UINT(fx.n_sent, 1);
    IS(fx_is(&fx, "payment", "p1", "done"));
    fx_close(&fx);
}

TEST(nothing_is_claimed_without_a_lease)
{
    fx_open(&fx, NULL);
    fx_plain(&fx, TENANT, "p1");
    fx_add(&fx, TENANT, true);
    fx_quiet(&fx);
    EQ_UINT(fx.claims, 0);
    fx_lease(&fx, 60000);
    fx_settle(&fx);
    dispatch_lease(fx.d, 0, 0, 0, 0);
    fx_plain(&fx, TENANT, "p2");
    dispatch_poke(fx.d, TENANT);
    fx_quiet(&fx);
    EQ_UINT(fx.n_sent, 1);
    fx_close(&fx);
}

SUITE(away,
      RUN_LONG(an_outcome_that_cannot_be_stored_is_kept_and_nothing_new_is_sent,
               10),
      RUN_LONG(without_a_write_row_nothing_is_sent_and_the_input_goes_back, 10),
      RUN_LONG(a_claim_that_failed_is_made_again, 10),
      RUN(a_lost_lease_is_told_once_and_nothing_more_is_sent),
      RUN(a_lease_lost_when_a_write_opens_sends_nothing),
      RUN(a_lease_lost_at_the_claim_is_told),
      RUN_LONG(a_lease_that_is_ours_after_all_lets_everything_go_on, 20),
      RUN(an_expired_lease_stops_sending_and_a_renewed_one_goes_on),
      RUN(nothing_is_claimed_without_a_lease))
