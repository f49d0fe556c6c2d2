/* SPDX-License-Identifier: UNLICENSED */
/* Provisioning before the first write, and single calls. */
#include "fake.h"

static struct fx fx;

static void
open_unprovisioned(void)
{
    fx_open(&fx, NULL);
    fx_plain(&fx, TENANT, "p1");
    fx_add(&fx, TENANT, false);
    fx_lease(&fx, 60000);
}

TEST(a_tenant_is_provisioned_once_before_its_first_write)
{
    open_unprovisioned();
    fx_settle(&fx);
    EQ_UINT(fx.provisions, 1);
    EQ_UINT(fx.n_calls, 2);
    EQ_UINT(fx.n_sent, 1);
    IS(fx.sent[0].at_us >= fx.call_us[1]);
    EQ_UINT(fx.learned, 1);
    fx_plain(&fx, TENANT, "p2");
    dispatch_poke(fx.d, TENANT);
    fx_settle(&fx);
    EQ_UINT(fx.provisions, 1);
    EQ_UINT(fx.n_sent, 2);
    fx_close(&fx);
}

TEST(a_tenant_without_jobs_is_not_provisioned)
{
    fx_open(&fx, NULL);
    fx_add(&fx, TENANT, false);
    fx_lease(&fx, 60000);
    fx_settle(&fx);
    fx_quiet(&fx);
    EQ_UINT(fx.provisions, 0);
    fx_close(&fx);
}

TEST(forbidden_provisioning_puts_the_jobs_off_and_is_tried_again)
{
    struct fake_job *j;
    int64_t *again;

    open_unprovisioned();
    fx.provision_err = ERR_FORBIDDEN;
    fx_settle(&fx);
    j = fx_find(&fx, "payment", "p1");
    EQ_STR(j->state, "retry");
    IS(j->due_ms > 3590000 && j->due_ms <= 3600001);
    EQ_STR(j->code, "FORBIDDEN");
    EQ_STR(j->error, "the scope x is missing");
    EQ_INT(j->attempts, 0);
    EQ_UINT(fx.n_sent, 0);
    EQ_UINT(fx.provisions, 1);
    EQ_UINT(fx.halts, 0);
    /* what comes meanwhile is put off until then, without another try */
    fx_plain(&fx, TENANT, "p2");
    dispatch_poke(fx.d, TENANT);
    fx_settle(&fx);
    IS(fx_is(&fx, "payment", "p2", "retry"));
    EQ_UINT(fx.provisions, 1);
    /* an hour later */
    again = &CONTAINER_OF(list_first(&fx.d->tenants), struct dtenant, link)
                 ->setup_again_us;
    IS(*again > clock_mono_us());
    *again = 0;
    fx.provision_err = ERR_OK;
    j->due_us = 0;
    dispatch_poke(fx.d, TENANT);
    fx_settle(&fx);
    EQ_UINT(fx.provisions, 2);
    EQ_STR(j->state, "done");
    fx_close(&fx);
}

TEST(a_provisioning_that_was_mended_is_tried_before_its_hour)
{
    struct fake_job *j;

    open_unprovisioned();
    fx.provision_err = ERR_FORBIDDEN;
    fx_settle(&fx);
    j = fx_find(&fx, "payment", "p1");
    EQ_STR(j->state, "retry");
    fx.provision_err = ERR_OK;
    fx_set(&j->state, "queued"); /* by hand */
    dispatch_mended(fx.d, TENANT);
    fx_settle(&fx);
    EQ_UINT(fx.provisions, 2);
    EQ_STR(j->state, "done");
    fx_close(&fx);
}

TEST(a_claim_under_way_when_provisioning_fails_does_not_start_it_again)
{
    fx_open(&fx, NULL);
    fx.provision_err = ERR_FORBIDDEN;
    fx.claim_limit = 1;
    fx_plain(&fx, TENANT, "p1");
    fx_plain(&fx, TENANT, "p2");
    fx_add(&fx, TENANT, false);
    fx_lease(&fx, 60000);
    UNTIL(&fx, fx.claims == 1);
    fx.hold = HOLD_CLAIM; /* the second one is under way */
    UNTIL(&fx, fx_is(&fx, "payment", "p1", "retry"));
    fx_let(&fx, HOLD_CLAIM);
    fx_settle(&fx);
    IS(fx_is(&fx, "payment", "p2", "retry"));
    EQ_UINT(fx.provisions, 1);
    fx_close(&fx);
}

TEST(credentials_refused_while_provisioning_halt_the_tenant)
{
    open_unprovisioned();
    fx.call_err = ERR_CREDENTIALS;
    UNTIL(&fx, fx.halts == 1);
    fx_quiet(&fx);
    EQ_UINT(fx.halts, 1);
    EQ_UINT(fx.n_calls, 1);
    EQ_UINT(fx.n_sent, 0);
    fx_close(&fx);
}

TEST(a_call_of_provisioning_that_failed_is_made_again)
{
    open_unprovisioned();
    fx.call_err = ERR_UNAVAILABLE;
    UNTIL(&fx, fx.n_calls == 2);
    fx.call_err = ERR_OK;
    fx_settle(&fx);
    EQ_UINT(fx.provisions, 1);
    IS(fx_is(&fx, "payment", "p1", "done"));
    fx_close(&fx);
}

static void
on_drained(void *arg)
{
    ((struct fx *)arg)->drains++;
}

TEST(a_drain_waits_for_a_call_under_way_and_gives_the_jobs_back)
{
    open_unprovisioned();
    fx.hold = HOLD_HUBSPOT;
    UNTIL(&fx, fx.n_calls == 1);
    dispatch_drain(fx.d, on_drained, &fx);
    fx_quiet(&fx);
    EQ_UINT(fx.drains, 0);
    fx_let(&fx, HOLD_HUBSPOT);
    UNTIL(&fx, fx.drains == 1);
    EQ_UINT(fx.n_calls, 1);
    IS(fx_is(&fx, "payment", "p1", "queued"));
    fx_close(&fx);
}

TEST(a_tenant_removed_while_it_is_provisioned_gives_its_token_back)
{
    struct dispatch_config c = fx_config();

    c.limit = 1;
    c.window_ms = 20;
    fx_open(&fx, &c);
    fx.hold = HOLD_HUBSPOT;
    fx_plain(&fx, TENANT, "p1");
    fx_add(&fx, TENANT, false);
    fx_lease(&fx, 60000);
    UNTIL(&fx, fx.n_calls == 1);
    dispatch_remove(fx.d, TENANT);
    EQ_UINT(fx_requests(&fx), 0);
    fx_let(&fx, HOLD_HUBSPOT);
    UNTIL(&fx, fx_is(&fx, "payment", "p1", "queued"));
    EQ_UINT(dispatch_status(fx.d).in_flight, 0);
    fx_add(&fx, TENANT, true); /* the one token there is serves again */
    fx_settle(&fx);
    IS(fx_is(&fx, "payment", "p1", "done"));
    fx_close(&fx);
}

/* ---- for ping and provision --------------------------------------------- */

static size_t told;
static enum err told_err;
static bool removes, frees;

static void
on_details(void *arg, const struct hubspot_meta *m, const json_t *body)
{
    struct fx *x = arg;

    (void)body;
    told++;
    told_err = m->fault.err;
    if (removes) {
        dispatch_remove(x->d, TENANT);
    }
    if (frees) {
        dispatch_free(x->d);
        x->d = NULL;
    }
}

static void
call_details(enum err err)
{
    static const struct hubspot_call details = {
        .operation = "account.details", .method = "GET", .path = "/details"};

    told = 0;
    fx_open(&fx, NULL);
    fx.call_err = err;
    fx_start(&fx);
    EQ_ERR(dispatch_call(fx.d, 8, &details, on_details, &fx), ERR_NOT_FOUND);
    OK(dispatch_call(fx.d, TENANT, &details, on_details, &fx));
    UNTIL(&fx, told == 1);
}

TEST(a_single_call_is_answered_once)
{
    call_details(ERR_OK);
    fx_settle(&fx);
    EQ_UINT(told, 1);
    EQ_ERR(told_err, ERR_OK);
    fx_close(&fx);
}

TEST(who_is_told_of_a_call_may_remove_the_tenant)
{
    removes = true;
    call_details(ERR_CREDENTIALS);
    EQ_ERR(told_err, ERR_CREDENTIALS);
    fx_settle(&fx);
    fx_close(&fx);
}

TEST(who_is_told_of_a_call_may_free_everything)
{
    frees = true;
    call_details(ERR_OK);
    fx_close(&fx);
}

static int64_t
add_caller(void)
{
    return dispatch_add_caller(
        fx.d, "demo", (struct hubspot *)(uintptr_t)fx_hubspot(TENANT), "v3");
}

/* A command in the worker: beside the tenant of the same name, not in its place. */
TEST(a_caller_makes_calls_and_takes_up_no_job)
{
    static const struct hubspot_call details = {
        .operation = "account.details", .method = "GET", .path = "/details"};
    int64_t one, two;

    told = 0;
    fx_open(&fx, NULL);
    fx_lease(&fx, 60000);
    fx_plain(&fx, TENANT, "p1");
    one = add_caller();
    two = add_caller();
    IS(one < 0 && two < 0 && one != two);
    OK(dispatch_call(fx.d, one, &details, on_details, &fx));
    OK(dispatch_call(fx.d, two, &details, on_details, &fx));
    dispatch_remove(fx.d, two); /* silently */
    UNTIL(&fx, told == 1);
    fx_settle(&fx);
    fx_quiet(&fx);
    EQ_UINT(told, 1);
    EQ_UINT(fx.claims, 0);
    EQ_UINT(fx.n_sent, 0);
    dispatch_remove(fx.d, one);
    EQ_ERR(dispatch_call(fx.d, one, &details, on_details, &fx), ERR_NOT_FOUND);
    fx_settle(&fx);
    fx_close(&fx);
}

static struct hubspot_provision_report report;

static void
on_provisioned(void *arg, enum err err,
               const struct hubspot_provision_report *r, const struct fault *f)
{
    struct fx *x = arg;

    told++;
    told_err = err;
    EQ_ERR(f->err, err);
    report = *r;
    if (removes) {
        dispatch_remove(x->d, TENANT);
    }
}

TEST(provisioning_on_demand_gives_its_report)
{
    fx_open(&fx, NULL);
    fx_start(&fx);
    OK(dispatch_provision(fx.d, TENANT, true, on_provisioned, &fx));
    fx_settle(&fx);
    EQ_UINT(told, 1);
    EQ_ERR(told_err, ERR_OK);
    EQ_UINT(report.existed, 2);
    EQ_UINT(fx.learned, 0);
    fx_close(&fx);
}

TEST(who_is_told_of_a_failed_provisioning_may_remove_the_tenant)
{
    removes = true;
    fx_open(&fx, NULL);
    fx.provision_err = ERR_CONFIG;
    fx_start(&fx);
    OK(dispatch_provision(fx.d, TENANT, false, on_provisioned, &fx));
    UNTIL(&fx, told == 1);
    EQ_ERR(told_err, ERR_CONFIG);
    fx_settle(&fx);
    fx_close(&fx);
}

SUITE(setup, RUN(a_tenant_is_provisioned_once_before_its_first_write),
      RUN(a_tenant_without_jobs_is_not_provisioned),
      RUN(forbidden_provisioning_puts_the_jobs_off_and_is_tried_again),
      RUN(a_provisioning_that_was_mended_is_tried_before_its_hour),
      RUN(a_caller_makes_calls_and_takes_up_no_job),
      RUN(a_claim_under_way_when_provisioning_fails_does_not_start_it_again),
      RUN(credentials_refused_while_provisioning_halt_the_tenant),
      RUN(a_call_of_provisioning_that_failed_is_made_again),
      RUN(a_drain_waits_for_a_call_under_way_and_gives_the_jobs_back),
      RUN(a_tenant_removed_while_it_is_provisioned_gives_its_token_back),
      RUN(a_single_call_is_answered_once),
      RUN(who_is_told_of_a_call_may_remove_the_tenant),
      RUN(who_is_told_of_a_call_may_free_everything),
      RUN(provisioning_on_demand_gives_its_report),
      RUN(who_is_told_of_a_failed_provisioning_may_remove_the_tenant))
