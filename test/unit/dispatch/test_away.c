/* SPDX-License-Identifier: UNLICENSED */
/* The database away or refusing, the lease gone or over. */
#include "fake.h"

static struct fx fx;

static void
open_with_job(void)
{
    fx_open(&fx, NULL);
    fx_plain(&fx, TENANT, "p1");
    fx_start(&fx);
}

/* What was made is there when it is read. */
static void
found(struct fx *x, const struct sent *q, struct hubspot_meta *m,
      struct hubspot_result *r, bool *split)
{
    (void)x;
    (void)m;
    (void)split;
    for (size_t i = 0; q->verb == HUBSPOT_READ && i < q->n; i++) {
        r[i].outcome = HUBSPOT_WRITTEN;
        r[i].id = "99";
        r[i].properties =
            json_pack("{s:s}", "fusion_payment_key", q->inputs[i].id);
    }
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

TEST(while_no_connection_is_left_nothing_leaves_not_even_a_question)
{
    fx_open(&fx, NULL);
    fx.decide = found;
    fx_set(&fx_plain(&fx, TENANT, "p1")->state, "unknown"); /* read first */
    fx_start(&fx);
    UNTIL(&fx, fx_is(&fx, "payment", "p1", "in_flight"));
    fx.down = true;
    fx_quiet(&fx);
    EQ_UINT(fx.n_sent, 0);
    fx.down = false; /* nobody tells: it is looked at */
    UNTIL(&fx, fx.n_sent == 1);
    UNTIL(&fx, fx_is(&fx, "payment", "p1", "done"));
    fx_close(&fx);
}

TEST(what_is_not_stored_is_counted_and_told_until_it_is_in)
{
    struct dispatch_status s;

    open_with_job();
    fx.outcome_err = ERR_DB_AWAY;
    UNTIL(&fx, fx.refused_outcomes == 2);
    s = dispatch_status(fx.d);
    EQ_UINT(s.unstored, 1);
    IS(s.unstored_us > 0);
    EQ_STR(s.stuck, "nothing is stored today");
    fx.outcome_err = ERR_OK;
    fx_settle(&fx);
    s = dispatch_status(fx.d);
    EQ_UINT(s.unstored, 0);
    EQ_INT(s.unstored_us, 0);
    IS(s.stuck == NULL);
    fx_close(&fx);
}

TEST(a_write_row_that_is_stored_again_ends_the_standstill)
{
    open_with_job();
    fx.write_err = ERR_DB_TIMEOUT;
    UNTIL(&fx, dispatch_status(fx.d).stuck != NULL);
    fx.write_err = ERR_OK;
    fx_settle(&fx);
    IS(dispatch_status(fx.d).stuck == NULL);
    IS(fx_is(&fx, "payment", "p1", "done"));
    fx_close(&fx);
}

static size_t
open_writes(void)
{
    size_t n = 0;
    const char *id;
    json_t *open;

    json_object_foreach(fx.written, id, open)
    {
        n += json_is_true(open) ? 1 : 0;
    }
    return n;
}

/* ---- refused for ever --------------------------------------------------- */

TEST(an_outcome_refused_for_one_job_takes_nothing_from_its_neighbours)
{
    struct dispatch_config c = fx_config();

    c.retry_attempts = 2;
    fx_open(&fx, &c);
    for (int i = 1; i <= 5; i++) {
        char id[16];

        (void)snprintf(id, sizeof(id), "p%d", i);
        fx_plain(&fx, TENANT, id);
    }
    fx.decide = found;
    fx.poison = "\"key\":\"p3\"";
    fx_start(&fx);
    UNTIL(&fx, fx_is(&fx, "payment", "p3", "unknown"));
    EQ_INT(fx_find(&fx, "payment", "p3")->attempts, 1);
    UNTIL(&fx, fx_is(&fx, "payment", "p3", "parked"));
    fx_settle(&fx);
    IS(fx_is(&fx, "payment", "p1", "done"));
    IS(fx_is(&fx, "payment", "p2", "done"));
    IS(fx_is(&fx, "payment", "p4", "done"));
    IS(fx_is(&fx, "payment", "p5", "done"));
    EQ_STR(fx_find(&fx, "payment", "p3")->code, "22P05");
    IS(fx_stored(&fx, "payment", "p5", "commerce_payments", "p5") != NULL);
    EQ_UINT(fx_sent_count(&fx, HUBSPOT_UPSERT, MAP_PAYMENTS), 1);
    EQ_UINT(open_writes(), 0);
    IS(dispatch_status(fx.d).stuck == NULL);
    fx_close(&fx);
}

TEST(what_was_refused_once_is_read_back_and_found)
{
    open_with_job();
    fx.decide = found;
    fx.poison = "\"key\":\"p1\"";
    UNTIL(&fx, fx_is(&fx, "payment", "p1", "unknown"));
    fx.poison = NULL;
    UNTIL(&fx, fx_is(&fx, "payment", "p1", "done"));
    EQ_UINT(fx_sent_count(&fx, HUBSPOT_UPSERT, MAP_PAYMENTS), 1);
    EQ_UINT(fx_sent_count(&fx, HUBSPOT_READ, MAP_PAYMENTS), 1);
    fx_close(&fx);
}

TEST(when_not_even_the_least_is_taken_the_portal_stands_still_and_goes_on)
{
    open_with_job();
    fx.decide = found;
    fx.poison_all = true;
    UNTIL(&fx, dispatch_status(fx.d).stuck != NULL);
    fx_plain(&fx, TENANT, "p2");
    dispatch_poke(fx.d, TENANT);
    fx_quiet(&fx);
    EQ_UINT(fx.n_sent, 1);
    IS(fx_is(&fx, "payment", "p1", "in_flight"));
    fx.poison_all = false;
    UNTIL(&fx, fx_is(&fx, "payment", "p1", "done") &&
                   fx_is(&fx, "payment", "p2", "done"));
    fx_close(&fx);
}

TEST(a_request_the_store_does_not_know_is_told_without_it)
{
    open_with_job();
    fx.outcome_err = ERR_NOT_FOUND;
    UNTIL(&fx, fx.refused_outcomes == 1);
    fx.outcome_err = ERR_OK;
    fx_settle(&fx);
    IS(fx_is(&fx, "payment", "p1", "done"));
    EQ_UINT(fx.n_sent, 1);
    EQ_UINT(open_writes(), 1); /* it is not named */
    fx_close(&fx);
}

/* ---- claims ------------------------------------------------------------- */

TEST(after_a_claim_whose_answer_was_lost_the_next_names_what_is_there)
{
    size_t claims;

    open_with_job();
    fx_settle(&fx);
    IS(fx.claim_known == NULL);
    claims = fx.claims;
    fx.claim_err = ERR_DB_AWAY;
    fx.claim_code = "unknown";
    fx_plain(&fx, TENANT, "p2");
    dispatch_poke(fx.d, TENANT);
    UNTIL(&fx, fx.claims > claims);
    fx.claim_err = ERR_OK;
    UNTIL(&fx, fx.claim_known != NULL);
    EQ_STR(fx.claim_known, "[]");
    UNTIL(&fx, fx_is(&fx, "payment", "p2", "done"));
    fx_settle(&fx);
    IS(fx.claim_known == NULL); /* once is enough */
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
      RUN_LONG(while_no_connection_is_left_nothing_leaves_not_even_a_question,
               10),
      RUN_LONG(what_is_not_stored_is_counted_and_told_until_it_is_in, 20),
      RUN_LONG(a_write_row_that_is_stored_again_ends_the_standstill, 20),
      RUN_LONG(an_outcome_refused_for_one_job_takes_nothing_from_its_neighbours,
               60),
      RUN_LONG(what_was_refused_once_is_read_back_and_found, 30),
      RUN_LONG(
          when_not_even_the_least_is_taken_the_portal_stands_still_and_goes_on,
          60),
      RUN_LONG(a_request_the_store_does_not_know_is_told_without_it, 20),
      RUN_LONG(after_a_claim_whose_answer_was_lost_the_next_names_what_is_there,
               30),
      RUN_LONG(a_claim_that_failed_is_made_again, 10),
      RUN(a_lost_lease_is_told_once_and_nothing_more_is_sent),
      RUN(a_lease_lost_when_a_write_opens_sends_nothing),
      RUN(a_lease_lost_at_the_claim_is_told),
      RUN_LONG(a_lease_that_is_ours_after_all_lets_everything_go_on, 20),
      RUN(an_expired_lease_stops_sending_and_a_renewed_one_goes_on),
      RUN(nothing_is_claimed_without_a_lease))
