/* SPDX-License-Identifier: UNLICENSED */
/* Orderly ways out: draining, a tenant taken away, everything freed. */
#include "fake.h"

#include <inttypes.h>
#include <stdio.h>

static struct fx fx;

static void
on_drained(void *arg)
{
    ((struct fx *)arg)->drains++;
}

static void
plain_jobs(int n)
{
    char id[16];

    for (int i = 0; i < n; i++) {
        (void)snprintf(id, sizeof(id), "p%d", i);
        fx_plain(&fx, TENANT, id);
    }
}

static size_t
count(const char *state)
{
    size_t n = 0;

    for (const struct fake_job *j = fx.jobs; j != NULL; j = j->next) {
        n += strcmp(j->state, state) == 0 ? 1 : 0;
    }
    return n;
}

TEST(draining_lets_requests_end_and_gives_the_other_jobs_back)
{
    struct dispatch_config c = fx_config();

    c.linger_ms = 60000;
    c.linger_busy_ms = 60000;
    fx_open(&fx, &c);
    fx.hold = HOLD_HUBSPOT;
    plain_jobs(130);
    fx_start(&fx);
    UNTIL(&fx, fx.n_sent == 1);
    UNTIL(&fx, dispatch_status(fx.d).jobs == 130);
    dispatch_drain(fx.d, on_drained, &fx);
    fx_quiet(&fx);
    EQ_UINT(fx.drains, 0);
    fx_let(&fx, HOLD_HUBSPOT);
    UNTIL(&fx, fx.drains == 1);
    fx_quiet(&fx);
    EQ_UINT(fx.drains, 1);
    EQ_UINT(fx.n_sent, 1);
    EQ_UINT(count("done"), 100);
    EQ_UINT(count("queued"), 30);
    EQ_UINT(dispatch_status(fx.d).jobs, 0);
    fx_close(&fx);
}

TEST(a_drain_between_two_steps_keeps_what_was_written)
{
    fx_open(&fx, NULL);
    fx.hold = HOLD_HUBSPOT;
    fx_customer(&fx, "1008");
    fx_start(&fx);
    UNTIL(&fx, fx.n_sent == 2);
    dispatch_drain(fx.d, on_drained, &fx);
    fx_let(&fx, HOLD_HUBSPOT);
    UNTIL(&fx, fx.drains == 1);
    IS(fx_is(&fx, "customer", "1008", "queued"));
    IS(fx_stored(&fx, "customer", "1008", "contacts", "1008") != NULL);
    EQ_UINT(fx.n_sent, 2);
    fx_close(&fx);
}

TEST(a_drain_waits_for_a_claim_under_way_and_gives_its_jobs_back)
{
    fx_open(&fx, NULL);
    fx.hold = HOLD_CLAIM;
    plain_jobs(3);
    fx_start(&fx);
    UNTIL(&fx, fx.n_ops == 1);
    dispatch_drain(fx.d, on_drained, &fx);
    fx_quiet(&fx);
    EQ_UINT(fx.drains, 0);
    fx_let(&fx, HOLD_CLAIM);
    UNTIL(&fx, fx.drains == 1);
    EQ_UINT(count("queued"), 3);
    EQ_UINT(fx.n_sent, 0);
    fx_close(&fx);
}

TEST(a_drain_waits_until_every_outcome_is_stored)
{
    fx_open(&fx, NULL);
    plain_jobs(1);
    fx_start(&fx);
    fx.outcome_err = ERR_DB_AWAY;
    UNTIL(&fx, fx.refused_outcomes == 1);
    dispatch_drain(fx.d, on_drained, &fx);
    fx_quiet(&fx);
    EQ_UINT(fx.drains, 0);
    fx.outcome_err = ERR_OK;
    UNTIL(&fx, fx.drains == 1);
    EQ_UINT(count("done"), 1);
    fx_close(&fx);
}

TEST(a_drain_with_nothing_to_do_ends_at_once_but_on_a_later_turn)
{
    fx_open(&fx, NULL);
    fx_start(&fx);
    fx_settle(&fx);
    dispatch_drain(fx.d, on_drained, &fx);
    EQ_UINT(fx.drains, 0);
    UNTIL(&fx, fx.drains == 1);
    fx_close(&fx);
}

TEST(removing_a_tenant_lets_its_requests_end_and_sends_no_more)
{
    fx_open(&fx, NULL);
    fx.hold = HOLD_HUBSPOT;
    plain_jobs(130);
    fx_customer(&fx, "1008");
    fx_start(&fx);
    UNTIL(&fx, fx.n_sent == 4);
    dispatch_remove(fx.d, TENANT);
    fx_quiet(&fx);
    EQ_UINT(fx_requests(&fx), 4);
    EQ_UINT(fx.freed, 0); /* HubSpot is still in use */
    fx_let(&fx, HOLD_HUBSPOT);
    UNTIL(&fx, dispatch_status(fx.d).jobs == 0);
    fx_quiet(&fx);
    EQ_UINT(fx.n_sent, 4);
    EQ_UINT(count("done"), 130);
    IS(fx_is(&fx, "customer", "1008", "queued"));
    IS(fx_stored(&fx, "customer", "1008", "contacts", "1008") != NULL);
    EQ_UINT(fx.freed, 1);
    EQ_UINT(dispatch_status(fx.d).in_flight, 0);
    IS(dispatch_is_idle(fx.d));
    fx_close(&fx);
}

static void
refuse_first(struct fx *x, const struct sent *q, struct hubspot_meta *m,
             struct hubspot_result *r, bool *split)
{
    (void)split;
    if (q == &x->sent[0]) {
        fail_all(q, m, r, 401, HUBSPOT_RETRY, ERR_CREDENTIALS);
    }
}

TEST(removing_a_tenant_leaves_the_others_of_the_portal_alone)
{
    fx_open(&fx, NULL);
    fx.hold = HOLD_HUBSPOT;
    plain_jobs(1);
    fx_plain(&fx, 9, "q1");
    fx_start(&fx);
    fx_add(&fx, 9, true);
    UNTIL(&fx, fx.n_sent == 2);
    dispatch_remove(fx.d, TENANT);
    fx_let(&fx, HOLD_HUBSPOT);
    fx_settle(&fx);
    IS(fx_is(&fx, "payment", "q1", "done"));
    IS(fx_is(&fx, "payment", "p0", "done"));
    fx_close(&fx);
}

TEST(jobs_not_yet_sent_of_a_removed_tenant_go_back_to_the_queue)
{
    struct dispatch_config c = fx_config();

    c.linger_ms = 60000;
    c.linger_busy_ms = 60000;
    fx_open(&fx, &c);
    plain_jobs(3);
    fx_start(&fx);
    UNTIL(&fx, dispatch_status(fx.d).jobs == 3);
    dispatch_remove(fx.d, TENANT);
    UNTIL(&fx, count("queued") == 3);
    fx_settle(&fx);
    EQ_UINT(fx.n_sent, 0);
    fx_close(&fx);
}

TEST(a_tenant_removed_while_its_write_row_opens_sends_nothing)
{
    fx_open(&fx, NULL);
    fx.hold = HOLD_WRITE;
    plain_jobs(1);
    fx_start(&fx);
    UNTIL(&fx, buf_text(&fx.operations)[0] != '\0');
    dispatch_remove(fx.d, TENANT);
    fx_let(&fx, HOLD_WRITE);
    fx_settle(&fx);
    EQ_UINT(fx.n_sent, 0);
    EQ_UINT(count("queued"), 1);
    EQ_UINT(fx.freed, 1);
    fx_close(&fx);
}

TEST(a_tenant_removed_and_added_again_finds_the_jobs_that_came_back)
{
    fx_open(&fx, NULL);
    fx.hold = HOLD_OUTCOME;
    plain_jobs(1);
    fx_add(&fx, TENANT, true);
    dispatch_lease(fx.d, 1, clock_mono_us() + INT64_C(60000000), 500, 500);
    UNTIL(&fx, dispatch_status(fx.d).jobs == 1);
    dispatch_remove(fx.d, TENANT);
    fx_add(&fx, TENANT, true);
    fx_quiet(&fx); /* the new one has looked and found nothing */
    EQ_UINT(fx.claims >= 2, true);
    EQ_UINT(count("in_flight"), 1);
    fx_let(&fx, HOLD_OUTCOME);
    fx_settle(&fx);
    EQ_UINT(count("done"), 1);
    fx_close(&fx);
}

/* Credentials were changed: the old ones are refused while the new ones work. */
TEST(what_the_old_client_is_refused_does_not_halt_the_new_one)
{
    fx_open(&fx, NULL);
    fx.hold = HOLD_HUBSPOT;
    fx.decide = refuse_first;
    plain_jobs(1);
    fx_start(&fx);
    UNTIL(&fx, fx.n_sent == 1);
    dispatch_remove(fx.d, TENANT);
    fx_add(&fx, TENANT, true);
    fx_quiet(&fx);
    EQ_UINT(fx.n_sent, 1); /* the job is where it was */
    fx_let(&fx, HOLD_HUBSPOT);
    fx_settle(&fx);
    EQ_UINT(fx.halts, 0);
    EQ_UINT(fx.n_sent, 2);
    EQ_UINT(count("done"), 1);
    EQ_UINT(fx.freed, 1);
    fx_close(&fx);
}

TEST(freeing_while_a_removed_tenant_has_requests_under_way_frees_its_client)
{
    fx_open(&fx, NULL);
    fx.hold = HOLD_HUBSPOT;
    plain_jobs(1);
    fx_start(&fx);
    UNTIL(&fx, fx.n_sent == 1);
    dispatch_remove(fx.d, TENANT);
    fx_add(&fx, TENANT, true);
    fx_quiet(&fx);
    fx_close(&fx);
    EQ_UINT(fx.freed, 1); /* the other one is not ours */
}

TEST(removing_a_tenant_twice_does_no_harm)
{
    fx_open(&fx, NULL);
    plain_jobs(1);
    fx_start(&fx);
    fx_settle(&fx);
    dispatch_remove(fx.d, TENANT);
    dispatch_remove(fx.d, TENANT); /* twice is no harm */
    fx_settle(&fx);
    fx_close(&fx);
}

/* Freed with `hold` held and so much of everything under way. */
static void
free_while(unsigned hold, bool provisioned)
{
    fx_open(&fx, NULL);
    fx.hold = hold;
    plain_jobs(230);
    fx_customer(&fx, "1008");
    fx_invoice(&fx, "3001", 3, "open");
    fx_add(&fx, TENANT, provisioned);
    fx_lease(&fx, 60000);
    do { /* what is not held passes, and a lane may still linger */
        UNTIL(&fx, fx.n_ops > 0);
        fx_quiet(&fx);
    } while (fx.n_ops == 0);
    fx_close(&fx); /* counts what is left; the sanitizer what leaked */
}

TEST(freeing_with_a_claim_under_way_leaves_nothing)
{
    free_while(HOLD_CLAIM, true);
}

TEST(freeing_with_write_rows_under_way_leaves_nothing)
{
    free_while(HOLD_WRITE, true);
}

TEST(freeing_with_requests_under_way_leaves_nothing)
{
    free_while(HOLD_HUBSPOT, true);
}

TEST(freeing_with_outcomes_under_way_leaves_nothing)
{
    free_while(HOLD_OUTCOME, true);
}

TEST(freeing_while_provisioning_leaves_nothing)
{
    free_while(HOLD_HUBSPOT, false);
}

TEST(what_was_not_read_back_yet_goes_back_as_unknown)
{
    struct fake_job *j;

    fx_open(&fx, NULL);
    j = fx_plain(&fx, TENANT, "p1");
    fx_set(&j->state, "unknown");
    fx_plain(&fx, TENANT, "p2");
    fx_add(&fx, TENANT, true);
    dispatch_lease(fx.d, 1, clock_mono_us() + INT64_C(60000000), 500, 60000);
    UNTIL(&fx, fx.d->n_jobs == 2);
    dispatch_drain(fx.d, on_drained, &fx);
    UNTIL(&fx, fx.drains == 1);
    EQ_STR(j->state, "unknown");
    IS(fx_is(&fx, "payment", "p2", "queued"));
    fx_close(&fx);
}

/* A changed tenant is there twice: the one that ends, and the one that claims. */
TEST(a_claim_whose_answer_was_lost_leaves_what_the_one_before_has_in_flight)
{
    size_t claims;
    char known[32];

    fx_open(&fx, NULL);
    fx.hold = HOLD_HUBSPOT;
    plain_jobs(1);
    fx_start(&fx);
    UNTIL(&fx, fx.n_sent == 1);
    dispatch_remove(fx.d, TENANT);
    fx.claim_err = ERR_DB_AWAY;
    fx.claim_code = "unknown";
    claims = fx.claims;
    fx_add(&fx, TENANT, true);
    UNTIL(&fx, fx.claims > claims);
    fx.claim_err = ERR_OK;
    UNTIL(&fx, fx.claim_known != NULL);
    (void)snprintf(known, sizeof(known), "[%" PRId64 "]", fx.jobs->id);
    EQ_STR(fx.claim_known, known);
    fx_let(&fx, HOLD_HUBSPOT);
    fx_settle(&fx);
    fx_close(&fx);
}

TEST(a_claim_lost_while_its_tenant_left_is_made_good_when_it_is_back)
{
    size_t claims;

    fx_open(&fx, NULL);
    fx.hold = HOLD_CLAIM;
    plain_jobs(1);
    fx_start(&fx);
    UNTIL(&fx, fx.n_ops == 1);
    fx.claim_err = ERR_DB_AWAY;
    fx.claim_code = "unknown";
    dispatch_remove(fx.d, TENANT);
    fx_let(&fx, HOLD_CLAIM);
    fx_quiet(&fx);
    fx.claim_err = ERR_OK;
    claims = fx.claims;
    fx_add(&fx, TENANT, true);
    UNTIL(&fx, fx.claims > claims);
    IS(fx.claim_known != NULL);
    fx_settle(&fx);
    fx_close(&fx);
}

SUITE(
    removing,
    RUN_LONG(
        a_claim_whose_answer_was_lost_leaves_what_the_one_before_has_in_flight,
        10),
    RUN_LONG(a_claim_lost_while_its_tenant_left_is_made_good_when_it_is_back,
             10),
    RUN(draining_lets_requests_end_and_gives_the_other_jobs_back),
    RUN(a_drain_between_two_steps_keeps_what_was_written),
    RUN(a_drain_waits_for_a_claim_under_way_and_gives_its_jobs_back),
    RUN_LONG(a_drain_waits_until_every_outcome_is_stored, 10),
    RUN(what_was_not_read_back_yet_goes_back_as_unknown),
    RUN(a_drain_with_nothing_to_do_ends_at_once_but_on_a_later_turn),
    RUN(removing_a_tenant_lets_its_requests_end_and_sends_no_more),
    RUN(removing_a_tenant_leaves_the_others_of_the_portal_alone),
    RUN(jobs_not_yet_sent_of_a_removed_tenant_go_back_to_the_queue),
    RUN(a_tenant_removed_while_its_write_row_opens_sends_nothing),
    RUN(a_tenant_removed_and_added_again_finds_the_jobs_that_came_back),
    RUN(what_the_old_client_is_refused_does_not_halt_the_new_one),
    RUN(freeing_while_a_removed_tenant_has_requests_under_way_frees_its_client),
    RUN(removing_a_tenant_twice_does_no_harm),
    RUN(freeing_with_a_claim_under_way_leaves_nothing),
    RUN(freeing_with_write_rows_under_way_leaves_nothing),
    RUN(freeing_with_requests_under_way_leaves_nothing),
    RUN(freeing_with_outcomes_under_way_leaves_nothing),
    RUN(freeing_while_provisioning_leaves_nothing))
