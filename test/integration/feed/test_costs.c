/* SPDX-License-Identifier: UNLICENSED */
/*
 * What a poll costs the pod when there is nothing to find.
 */
#include "compare.h"

enum { PODS = 118 };

#define AGES INT64_C(86400000)

static void
says(const char *what, int64_t requests)
{
    (void)fprintf(stderr, "cost of an idle poll: %s %" PRId64 " %s\n", what,
                  requests, requests == 1 ? "request" : "requests");
}

/* Everything read; open invoices are not due. Nothing changed within the
 * overlap: what did is read again, each time. */
static void
begin(struct pod *p, size_t index, const char *switches)
{
    pod_open(p, &(struct pod_spec){.index = index});
    (void)pod_post(p, "switches?clock_ms=7200000&%s", switches);
    p->config.open_age_ms = AGES;
    pod_again(p);
    pod_round_ok(p);
    pod_round_ok(p);
    settle(p);
}

/* A round that finds nothing, and what the pod says of it. */
static void
idle_round(struct pod *p)
{
    int64_t before = pod_count(p, "requests");

    pod_round_ok(p);
    EQ_UINT(opened(p), 0);
    EQ_INT(pod_count(p, "requests") - before,
           cost(p, "invoices") + cost(p, "customers") + cost(p, "payments"));
}

TEST(an_idle_poll_of_invoices_costs_one_request_and_of_customers_three)
{
    struct pod p;

    begin(&p, PODS, "batch=1");
    idle_round(&p);
    says("invoices", cost(&p, "invoices"));
    says("customers", cost(&p, "customers"));
    EQ_INT(cost(&p, "invoices"), 1);
    EQ_INT(cost(&p, "customers"), 3);
    pod_close(&p);
}

static void
payments_cost(size_t index, const char *switches, const char *name,
              int64_t most)
{
    struct pod p;

    begin(&p, index, switches);
    idle_round(&p);
    says(name, cost(&p, "payments"));
    IS(cost(&p, "payments") >= 1);
    IS(cost(&p, "payments") <= most);
    /* Not by chance. */
    idle_round(&p);
    IS(cost(&p, "payments") <= most);
    pod_close(&p);
}

TEST(an_idle_poll_of_payments_by_stamp_costs_one_request)
{
    payments_cost(PODS + 1, "receipts_stamp_q=1", "payments by stamp (A)", 1);
}

TEST(an_idle_poll_of_payments_newest_first_costs_one_request)
{
    payments_cost(PODS + 2, "receipts_order=1", "payments newest first (B)", 1);
}

/* Ids above the highest less a block, and the stamps of the last days. */
TEST(an_idle_poll_of_payments_by_id_costs_few_requests)
{
    payments_cost(PODS + 3, "receipts_order=0", "payments by id (C)", 3);
}

TEST(an_idle_poll_with_few_open_invoices_due_costs_one_request_more)
{
    struct pod p;

    begin(&p, PODS + 4, "batch=1");
    (void)pod_sql(&p, "UPDATE ml_connector.record SET last_read = now() - "
                      "interval '2 days' WHERE kind = 'invoice' AND open AND "
                      "fusion_id IN (SELECT fusion_id FROM "
                      "ml_connector.record WHERE kind = 'invoice' AND open "
                      "AND jsonb_array_length(desired -> 'objects') < 26 "
                      "ORDER BY fusion_id LIMIT 40)");
    idle_round(&p);
    says("invoices with 40 open ones due", cost(&p, "invoices"));
    EQ_INT(cost(&p, "invoices"), 2);
    idle_round(&p);
    EQ_INT(cost(&p, "invoices"), 1);
    pod_close(&p);
}

TEST(a_token_is_asked_for_once_however_many_polls)
{
    struct pod p;

    begin(&p, PODS + 5, "batch=1");
    for (int i = 0; i < 3; i++) {
        idle_round(&p);
    }
    EQ_INT(pod_count(&p, "token_requests"), 1);
    pod_close(&p);
}

SUITE(
    costs,
    RUN_LONG(an_idle_poll_of_invoices_costs_one_request_and_of_customers_three,
             60),
    RUN_LONG(an_idle_poll_of_payments_by_stamp_costs_one_request, 60),
    RUN_LONG(an_idle_poll_of_payments_newest_first_costs_one_request, 60),
    RUN_LONG(an_idle_poll_of_payments_by_id_costs_few_requests, 60),
    RUN_LONG(an_idle_poll_with_few_open_invoices_due_costs_one_request_more,
             60),
    RUN_LONG(a_token_is_asked_for_once_however_many_polls, 60))
