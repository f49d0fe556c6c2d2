/* SPDX-License-Identifier: UNLICENSED */
/* What becomes of jobs whose inputs were not written. */
#include "fake.h"

static struct fx fx;
static size_t left; /* how many answers still go wrong */

static void
open_with(decide_fn *decide, size_t wrong, int jobs)
{
    char id[32];

    fx_open(&fx, NULL);
    fx.decide = decide;
    left = wrong;
    for (int i = 0; i < jobs; i++) {
        (void)snprintf(id, sizeof(id), "p%d", i);
        fx_plain(&fx, TENANT, id);
    }
    fx_start(&fx);
}

static struct fake_job *
job(int i)
{
    char id[32];

    (void)snprintf(id, sizeof(id), "p%d", i);
    return fx_find(&fx, "payment", id);
}

static void
throttle(struct fx *x, const struct sent *q, struct hubspot_meta *m,
         struct hubspot_result *r, bool *split)
{
    (void)x;
    (void)split;
    if (left > 0) {
        left--;
        fail_all(q, m, r, 429, HUBSPOT_RETRY, ERR_THROTTLED);
        m->retry_after_us = 50000;
    }
}

TEST(throttled_inputs_go_back_without_an_attempt)
{
    open_with(throttle, 1, 3);
    fx_settle(&fx);
    EQ_UINT(fx.n_sent, 2);
    EQ_UINT(fx.sent[1].n, 3);
    IS(fx.sent[1].at_us - fx.sent[0].at_us >= 50000);
    EQ_STR(job(0)->state, "done");
    EQ_INT(job(0)->attempts, 0);
    EQ_UINT(dispatch_status(fx.d).throttled, 1);
    EQ_UINT(fx.taken, 3); /* the jobs never left memory */
    fx_close(&fx);
}

/* ---- answers with a status of their own --------------------------------- */

static int status;
static enum err status_err;
static int64_t retry_after_us = -1;

static void
with_status(struct fx *x, const struct sent *q, struct hubspot_meta *m,
            struct hubspot_result *r, bool *split)
{
    (void)x;
    (void)split;
    if (left > 0) {
        left--;
        fail_all(q, m, r, status, HUBSPOT_RETRY, status_err);
        m->retry_after_us = retry_after_us;
    }
}

static struct fake_job *
refused_with(int s, enum err err, int64_t after_us)
{
    status = s;
    status_err = err;
    retry_after_us = after_us;
    open_with(with_status, 1, 1);
    UNTIL(&fx, strcmp(job(0)->state, "retry") == 0);
    return job(0);
}

TEST(a_locked_record_comes_again_when_the_lock_is_over_without_an_attempt)
{
    struct fake_job *j = refused_with(423, ERR_LOCKED, -1);

    EQ_INT(j->due_ms, 2500);
    EQ_INT(j->attempts, 0);
    EQ_STR(j->code, "LOCKED");
    EQ_STR(j->correlation, "corr-1");
    fx_close(&fx);
}

TEST(a_lock_that_says_how_long_is_believed)
{
    struct fake_job *j = refused_with(423, ERR_LOCKED, INT64_C(9000000));

    EQ_INT(j->due_ms, 9000);
    fx_close(&fx);
}

TEST(maintenance_is_waited_out_as_told_without_an_attempt)
{
    struct fake_job *j =
        refused_with(477, ERR_MAINTENANCE, INT64_C(7200000000));

    EQ_INT(j->due_ms, 7200000);
    EQ_INT(j->attempts, 0);
    fx_close(&fx);
}

TEST(a_missing_scope_puts_that_object_type_off_for_an_hour)
{
    struct fake_job *j = refused_with(403, ERR_FORBIDDEN, -1);
    struct fake_job *later;

    EQ_INT(j->due_ms, 3600000);
    EQ_INT(j->attempts, 0);
    later = fx_payment(&fx, "9:1");
    fx_customer(&fx, "1008");
    dispatch_poke(fx.d, TENANT);
    fx_settle(&fx);
    EQ_STR(later->state, "retry");
    EQ_INT(later->due_ms, 3600000);
    EQ_UINT(fx_sent_count(&fx, HUBSPOT_UPSERT, MAP_PAYMENTS), 1);
    /* other objects are not concerned */
    IS(fx_is(&fx, "customer", "1008", "done"));
    EQ_UINT(fx.halts, 0);
    fx_close(&fx);
}

TEST(a_scope_that_was_given_is_used_before_the_hour)
{
    struct fake_job *j = refused_with(403, ERR_FORBIDDEN, -1);

    fx_set(&j->state, "queued"); /* by hand */
    dispatch_mended(fx.d, TENANT);
    fx_settle(&fx);
    EQ_STR(j->state, "done");
    EQ_UINT(fx_sent_count(&fx, HUBSPOT_UPSERT, MAP_PAYMENTS), 2);
    fx_close(&fx);
}

TEST(refused_credentials_halt_the_tenant_once_and_on_a_later_turn)
{
    status = 401;
    status_err = ERR_CREDENTIALS;
    retry_after_us = -1;
    fx_open(&fx, NULL);
    fx.decide = with_status;
    left = 9;
    fx.hold = HOLD_HUBSPOT;
    for (int i = 0; i < 250; i++) {
        char id[32];

        (void)snprintf(id, sizeof(id), "p%d", i);
        fx_plain(&fx, TENANT, id);
    }
    fx_start(&fx);
    UNTIL(&fx, fx.n_sent == 3);
    EQ_UINT(fx.halts, 0);
    fx_let(&fx, HOLD_HUBSPOT);
    UNTIL(&fx, fx.halts == 1);
    fx_plain(&fx, TENANT, "more");
    dispatch_poke(fx.d, TENANT);
    fx_quiet(&fx);
    EQ_UINT(fx.halts, 1);
    EQ_ERR(fx.halt.err, ERR_CREDENTIALS);
    EQ_UINT(fx.n_sent, 3);
    IS(fx_is(&fx, "payment", "more", "queued"));
    EQ_STR(job(0)->state, "retry");
    EQ_INT(job(0)->attempts, 0);
    fx_close(&fx);
}

TEST(a_halted_tenant_removed_from_within_the_event_leaves_no_job_in_memory)
{
    char id[32];

    status = 401;
    status_err = ERR_CREDENTIALS;
    retry_after_us = -1;
    fx_open(&fx, NULL);
    fx.decide = with_status;
    left = 9;
    fx.halt_removes = true;
    for (int i = 0; i < 230; i++) {
        (void)snprintf(id, sizeof(id), "p%d", i);
        fx_plain(&fx, TENANT, id);
    }
    fx_start(&fx);
    UNTIL(&fx, fx.halts == 1);
    fx_settle(&fx);
    for (int i = 0; i < 230; i++) {
        NOT(strcmp(job(i)->state, "in_flight") == 0);
    }
    EQ_UINT(dispatch_status(fx.d).jobs, 0);
    EQ_UINT(dispatch_status(fx.d).in_flight, 0);
    fx_close(&fx);
}

TEST(a_server_failure_counts_and_is_tried_again_after_a_while)
{
    struct fake_job *j = refused_with(503, ERR_UNAVAILABLE, -1);

    EQ_INT(j->attempts, 1);
    IS(j->due_ms >= 10 && j->due_ms <= 40);
    UNTIL(&fx, strcmp(j->state, "done") == 0);
    fx_close(&fx);
}

TEST(a_job_parks_when_its_attempts_are_used_up)
{
    status = 503;
    status_err = ERR_UNAVAILABLE;
    retry_after_us = -1;
    open_with(with_status, 99, 1);
    UNTIL(&fx, strcmp(job(0)->state, "parked") == 0);
    EQ_INT(job(0)->attempts, 3);
    EQ_UINT(fx.n_sent, 3);
    EQ_STR(job(0)->code, "UNAVAILABLE");
    EQ_UINT(fx_audit_count(&fx, "job.parked", "parked"), 1);
    fx_settle(&fx);
    fx_close(&fx);
}

/* ---- refused content ---------------------------------------------------- */

static bool
is_culprit(const char *id)
{
    return strcmp(id, "p7") == 0 || strcmp(id, "p30") == 0;
}

static void
name_culprits(struct fx *x, const struct sent *q, struct hubspot_meta *m,
              struct hubspot_result *r, bool *split)
{
    bool any = false;

    (void)x;
    (void)split;
    for (size_t i = 0; i < q->n; i++) {
        any = any || is_culprit(q->inputs[i].id);
    }
    if (!any) {
        return;
    }
    fail_all(q, m, r, 400, HUBSPOT_RETRY, ERR_REFUSED);
    for (size_t i = 0; i < q->n; i++) {
        if (is_culprit(q->inputs[i].id)) {
            fail_result(&r[i], HUBSPOT_REJECTED, ERR_REFUSED,
                        "VALIDATION_ERROR", "not a number");
        }
    }
}

TEST(named_culprits_park_with_code_and_correlation_and_the_others_go_again)
{
    open_with(name_culprits, 0, 40);
    fx_settle(&fx);
    EQ_STR(job(7)->state, "parked");
    EQ_STR(job(7)->code, "VALIDATION_ERROR");
    EQ_STR(job(7)->error, "not a number");
    EQ_STR(job(7)->correlation, "corr-1");
    EQ_STR(job(30)->state, "parked");
    EQ_UINT(fx.n_sent, 2);
    EQ_UINT(fx.sent[1].n, 38);
    for (int i = 0; i < 40; i++) {
        if (i != 7 && i != 30) {
            EQ_STR(job(i)->state, "done");
            EQ_INT(job(i)->attempts, 0);
        }
    }
    EQ_UINT(fx.taken, 40); /* without being claimed again */
    fx_close(&fx);
}

/* HubSpot refuses the whole batch and names nobody; alone, it is the one. */
static void
name_nobody(struct fx *x, const struct sent *q, struct hubspot_meta *m,
            struct hubspot_result *r, bool *split)
{
    bool any = false;

    (void)x;
    for (size_t i = 0; i < q->n; i++) {
        any = any || is_culprit(q->inputs[i].id);
    }
    if (any) {
        fail_all(q, m, r, 400, q->n == 1 ? HUBSPOT_REJECTED : HUBSPOT_RETRY,
                 ERR_REFUSED);
        *split = q->n > 1;
    }
}

TEST(halving_finds_the_culprits_and_writes_the_others_in_the_same_run)
{
    const char *write;
    json_t *open;

    open_with(name_nobody, 0, 64);
    fx_settle(&fx);
    for (int i = 0; i < 64; i++) {
        EQ_STR(job(i)->state, i == 7 || i == 30 ? "parked" : "done");
    }
    EQ_UINT(fx.taken, 64); /* once each */
    EQ_UINT(fx_audit_count(&fx, "commerce_payments.upsert", "created"), 62);
    /* two culprits in 64: about 2 x 2 x log2(64) */
    IS(fx.n_sent <= 25);
    json_object_foreach(fx.written, write, open)
    {
        ck_assert_msg(json_is_false(open), "%s is still open", write);
    }
    fx_close(&fx);
}

static void
refuse_unnamed(struct fx *x, const struct sent *q, struct hubspot_meta *m,
               struct hubspot_result *r, bool *split)
{
    (void)x;
    (void)split;
    fail_all(q, m, r, 400, HUBSPOT_RETRY, ERR_REFUSED);
    if (q->n == 1) {
        fail_result(&r[0], HUBSPOT_REJECTED, ERR_REFUSED, "", "bad");
    }
}

TEST(a_refusal_that_names_nobody_never_goes_round_in_circles)
{
    open_with(refuse_unnamed, 0, 4); /* split is not said either */
    fx_settle(&fx);
    for (int i = 0; i < 4; i++) {
        EQ_STR(job(i)->state, "parked");
    }
    EQ_UINT(fx.n_sent, 7);
    fx_close(&fx);
}

/* ---- one part of a job fails -------------------------------------------- */

static void
refuse_contacts(struct fx *x, const struct sent *q, struct hubspot_meta *m,
                struct hubspot_result *r, bool *split)
{
    (void)x;
    (void)split;
    if (q->object == MAP_CONTACTS) {
        fail_all(q, m, r, 400, HUBSPOT_REJECTED, ERR_REFUSED);
    }
}

TEST(what_was_written_is_remembered_although_the_job_failed)
{
    fx_open(&fx, NULL);
    fx.decide = refuse_contacts;
    fx_customer(&fx, "1008");
    fx_start(&fx);
    fx_settle(&fx);
    IS(fx_is(&fx, "customer", "1008", "parked"));
    IS(fx_stored(&fx, "customer", "1008", "companies", "1008") != NULL);
    IS(fx_stored(&fx, "customer", "1008", "contacts", "1008") == NULL);
    EQ_UINT(fx.n_sent, 2); /* no association */
    fx_close(&fx);
}

/* ---- unknown outcomes --------------------------------------------------- */

static void
lose_answer(struct fx *x, const struct sent *q, struct hubspot_meta *m,
            struct hubspot_result *r, bool *split)
{
    (void)x;
    (void)split;
    if (left > 0) {
        left--;
        fail_all(q, m, r, 0, HUBSPOT_UNKNOWN, ERR_UNKNOWN);
        m->maybe_done = true;
    }
}

TEST(an_upsert_of_unknown_outcome_leaves_the_job_unknown_until_read_back)
{
    open_with(lose_answer, 1, 1);
    UNTIL(&fx, strcmp(job(0)->state, "unknown") == 0);
    EQ_INT(job(0)->attempts, 1);
    UNTIL(&fx, fx_sent_count(&fx, HUBSPOT_READ, MAP_PAYMENTS) == 1);
    fx_quiet(&fx);
    EQ_STR(job(0)->state, "unknown");
    EQ_STR(fx_trace(&fx),
           "upsert commerce_payments 1; read commerce_payments 1; ");
    fx_close(&fx);
}

static void
lose_association(struct fx *x, const struct sent *q, struct hubspot_meta *m,
                 struct hubspot_result *r, bool *split)
{
    if (q->verb == HUBSPOT_ASSOCIATE) {
        lose_answer(x, q, m, r, split);
    }
}

TEST(an_association_of_unknown_outcome_is_simply_sent_again)
{
    open_with(lose_association, 1, 0);
    fx_customer(&fx, "1008");
    dispatch_poke(fx.d, TENANT);
    UNTIL(&fx, fx_is(&fx, "customer", "1008", "retry"));
    UNTIL(&fx, fx_is(&fx, "customer", "1008", "done"));
    EQ_UINT(fx_sent_count(&fx, HUBSPOT_READ, MAP_CONTACTS), 0);
    EQ_UINT(fx_sent_count(&fx, HUBSPOT_ASSOCIATE, MAP_CONTACTS), 2);
    EQ_UINT(fx.n_sent, 4);
    fx_close(&fx);
}

/* Three refused with reasons that name nobody; by itself each gets its own. */
static void
reasons_of_nobody(struct fx *x, const struct sent *q, struct hubspot_meta *m,
                  struct hubspot_result *r, bool *split)
{
    (void)x;
    (void)m;
    (void)split;
    for (size_t i = 0; i < q->n; i++) {
        if (strncmp(q->inputs[i].id, "bad", 3) != 0) {
            continue;
        }
        if (q->n == 1) {
            fail_result(&r[i], HUBSPOT_REJECTED, ERR_REFUSED, q->inputs[i].id,
                        "its own reason");
        } else {
            fail_result(&r[i], HUBSPOT_RETRY, ERR_REFUSED, "", "somebody's");
            r[i].alone = true;
        }
    }
}

TEST(refused_for_reasons_that_name_nobody_each_is_sent_by_itself)
{
    fx_open(&fx, NULL);
    fx.decide = reasons_of_nobody;
    fx_plain(&fx, TENANT, "good1");
    fx_plain(&fx, TENANT, "bad1");
    fx_plain(&fx, TENANT, "bad2");
    fx_plain(&fx, TENANT, "good2");
    fx_plain(&fx, TENANT, "bad3");
    fx_start(&fx);
    fx_settle(&fx);
    EQ_UINT(fx.n_sent, 4);
    EQ_UINT(fx.sent[0].n, 5);
    IS(fx_is(&fx, "payment", "good1", "done"));
    IS(fx_is(&fx, "payment", "good2", "done"));
    for (int i = 1; i <= 3; i++) {
        char id[8];

        (void)snprintf(id, sizeof(id), "bad%d", i);
        IS(fx_is(&fx, "payment", id, "parked"));
        EQ_STR(fx_find(&fx, "payment", id)->code, id);
    }
    fx_close(&fx);
}

SUITE(
    refused, RUN(throttled_inputs_go_back_without_an_attempt),
    RUN(a_locked_record_comes_again_when_the_lock_is_over_without_an_attempt),
    RUN(a_lock_that_says_how_long_is_believed),
    RUN(maintenance_is_waited_out_as_told_without_an_attempt),
    RUN(a_missing_scope_puts_that_object_type_off_for_an_hour),
    RUN(a_scope_that_was_given_is_used_before_the_hour),
    RUN(refused_credentials_halt_the_tenant_once_and_on_a_later_turn),
    RUN(a_halted_tenant_removed_from_within_the_event_leaves_no_job_in_memory),
    RUN(a_server_failure_counts_and_is_tried_again_after_a_while),
    RUN(a_job_parks_when_its_attempts_are_used_up),
    RUN(named_culprits_park_with_code_and_correlation_and_the_others_go_again),
    RUN(halving_finds_the_culprits_and_writes_the_others_in_the_same_run),
    RUN(a_refusal_that_names_nobody_never_goes_round_in_circles),
    RUN(what_was_written_is_remembered_although_the_job_failed),
    RUN(an_upsert_of_unknown_outcome_leaves_the_job_unknown_until_read_back),
    RUN(an_association_of_unknown_outcome_is_simply_sent_again),
    RUN(refused_for_reasons_that_name_nobody_each_is_sent_by_itself))
