/* SPDX-License-Identifier: UNLICENSED */
/*
 * The feeds against a pod: everything arrives once, nothing arrives twice,
 * whatever the pod's limits, ages and moods.
 */
#include "compare.h"

TEST(the_first_round_reads_everything_once)
{
    struct pod p;

    pod_open(&p, &(struct pod_spec){.index = 0});
    pod_round_ok(&p);
    IS(p.stored > 0);
    invoices_are_equal(&p);
    EQ_INT(records(&p, "customer"), pod_count(&p, "customers"));
    IS(records(&p, "payment") >= pod_count(&p, "receipts"));
    EQ_INT(pod_sql(&p, "SELECT count(DISTINCT receipt) FROM "
                       "ml_connector.record WHERE kind = 'payment'"),
           pod_count(&p, "receipts"));
    EQ_INT(p.halted, 0);
    pod_close(&p);
}

TEST(a_second_round_opens_no_job)
{
    struct pod p;
    int64_t jobs = 0;

    pod_open(&p, &(struct pod_spec){.index = 1});
    pod_round_ok(&p);
    IS(opened(&p) > 0);
    jobs = pod_sql(&p, "SELECT sum(revision) FROM ml_connector.job");
    pod_round_ok(&p);
    opened_is(&p, 0, __func__);
    EQ_INT(pod_sql(&p, "SELECT sum(revision) FROM ml_connector.job"), jobs);
    pod_close(&p);
}

TEST(changes_in_fusion_arrive_and_nothing_else)
{
    struct pod_spec spec = {.index = 2};
    struct pod p;
    size_t n = 0;

    pod_open(&p, &spec);
    pod_round_ok(&p);
    (void)pod_post(&p, "touch?kind=invoice&id=%" PRId64,
                   pod_sql(&p, "SELECT fusion_id FROM ml_connector.record "
                               "WHERE kind = 'invoice' ORDER BY "
                               "version_us DESC, fusion_id LIMIT 1"));
    pod_round_ok(&p);
    opened_is(&p, 0, __func__);
    (void)pod_post(&p, "invoice/%" PRId64 "?PurchaseOrder=changed",
                   pod_sql(&p, "SELECT fusion_id FROM ml_connector.record "
                               "WHERE kind = 'invoice' ORDER BY "
                               "version_us DESC, fusion_id LIMIT 1"));
    pod_round_ok(&p);
    opened_is(&p, 1, __func__);
    n = json_array_size(
        json_object_get(pod_post(&p, "mutate?n=60&seed=7"), "changes"));
    IS(n > 30);
    pod_round_ok(&p);
    IS(opened(&p) > 0);
    has_all_of_scratch(&p, spec.index);
    pod_close(&p);
}

TEST(a_payment_and_a_credit_memo_change_invoices_without_a_stamp)
{
    struct pod_spec spec = {.index = 3};
    struct pod p;
    int64_t open[2] = {0};

    pod_open(&p, &spec);
    pod_round_ok(&p);
    for (int i = 0; i < 2; i++) {
        open[i] = pod_sql(&p,
                          "SELECT fusion_id FROM ml_connector.record WHERE "
                          "kind = 'invoice' AND open AND desired ->> "
                          "'status' = 'open' ORDER BY fusion_id OFFSET "
                          "%d LIMIT 1",
                          i);
        IS(open[i] > 0);
    }
    (void)pod_post(&p, "credit_memo?invoice=%" PRId64, open[0]);
    (void)pod_post(&p,
                   "receipt?amount=1&account=%" PRId64 "&apply=%" PRId64 ":1",
                   pod_sql(&p,
                           "SELECT customer FROM ml_connector.record "
                           "WHERE kind = 'invoice' AND fusion_id = "
                           "'%" PRId64 "'",
                           open[1]),
                   open[1]);
    pod_round_ok(&p);
    EQ_INT(pod_sql(&p,
                   "SELECT count(*) FROM ml_connector.job WHERE kind = "
                   "'invoice' AND revision > 1 AND fusion_id IN "
                   "('%" PRId64 "', '%" PRId64 "')",
                   open[0], open[1]),
           2);
    EQ_INT(pod_sql(&p,
                   "SELECT count(*) FROM ml_connector.record WHERE kind "
                   "= 'payment' AND invoice = '%" PRId64 "'",
                   open[1]),
           1);
    is_as_from_scratch(&p, &spec);
    pod_close(&p);
}

TEST(equal_stamps_beyond_the_page_size_are_all_read)
{
    /* Only literals of whole seconds: everything of one second is equal. */
    struct pod_spec spec = {.index = 4, .page = 10};
    struct pod p;
    json_t *all = NULL;

    pod_open(&p, &spec);
    all = json_deep_copy(
        json_object_get(pod_get(&p, "dump/invoices?limit=100000"), "invoices"));
    for (size_t i = 0; i < json_array_size(all); i++) {
        (void)pod_post(
            &p, "touch?kind=invoice&id=%s",
            jsonx_text(json_array_get(all, i), "CustomerTransactionId"));
    }
    json_decref(all);
    (void)pod_post(&p, "switches?literals=4");
    pod_round_ok(&p);
    EQ_INT((int64_t)fusion_get_literal(p.fusion), FUSION_LITERAL_BLANK_QUOTED);
    invoices_are_equal(&p);
    pod_close(&p);
}

TEST(a_page_smaller_than_asked_for_is_not_the_end)
{
    reads_all_with(5, "limit_cap=7", 0, 0);
}

TEST(a_page_too_large_for_the_pod_is_halved)
{
    reads_all_with(6, "timeout_limit=60", 0, 0);
}

TEST(quoted_zulu_literals_read_the_same)
{
    reads_all_with(1, "literals=2", 0, 0);
}

TEST(framework_1_reads_the_same)
{
    reads_all_with(7, "batch=1", 1, 0);
}

TEST(framework_9_reads_the_same)
{
    reads_all_with(8, "batch=1", 9, 0);
}

TEST(receipts_by_stamp_are_the_same_as_newest_first)
{
    reads_all_with(9, "receipts_stamp_q=1", 0, 20);
}

TEST(without_batches_applications_are_the_same)
{
    reads_all_with(10, "batch=0", 0, 0);
}

TEST(odd_but_legal_answers_change_nothing)
{
    reads_all_with(11,
                   "items_absent=1&text_amounts=1&show_zone_min=-420"
                   "&gzip=1&total_wrong=1",
                   6, 33);
}

TEST(throttling_and_single_failures_are_waited_out)
{
    reads_all_with(12, "throttle_next=3&throttle_every=4", 0, 50);
}

TEST(tokens_that_die_early_are_replaced)
{
    struct pod p;

    pod_open(&p, &(struct pod_spec){.index = 13, .page = 20});
    pod_round_ok(&p);
    EQ_INT(pod_count(&p, "token_requests"), 1);
    (void)pod_post(&p, "revoke_tokens");
    pod_round_ok(&p);
    EQ_INT(pod_count(&p, "token_requests"), 2);
    opened_is(&p, 0, __func__);
    pod_close(&p);
}

/* Rows the invoices' poll read in one round of a database of its own, while
 * the token dies `deaths` times between pages. */
static size_t
rows_read(const struct pod_spec *spec, unsigned deaths)
{
    struct pod p;
    int64_t tokens = 0;
    size_t n = 0;

    pod_open(&p, spec);
    tokens = pod_count(&p, "token_requests");
    feeds_poll_once(p.feeds);
    for (unsigned i = 0; i < deaths; i++) {
        unsigned before = p.stored;
        int64_t had = 0;

        while (p.stored == before) {
            loop_turn(p.loop, 1);
        }
        EQ_STR(feeds_status(p.feeds, FEED_INVOICES).state, "polling");
        had = pod_count(&p, "token_requests");
        (void)pod_post(&p, "revoke_tokens");
        /* The next one dies only after this one was missed: a fresh token
         * that is refused is another matter. */
        while (pod_count(&p, "token_requests") == had) {
            loop_turn(p.loop, 1);
        }
        EQ_UINT(p.idle, 0);
    }
    if (p.idle == 0) {
        loop_run(p.loop);
    }
    EQ_UINT(p.idle, 1);
    EQ_ERR(feeds_status(p.feeds, FEED_INVOICES).err, ERR_OK);
    tokens = pod_count(&p, "token_requests") - tokens;
    EQ_INT(tokens, (int64_t)deaths + 1);
    n = feeds_status(p.feeds, FEED_INVOICES).read;
    invoices_are_equal(&p);
    opened_is(&p,
              (size_t)pod_sql(&p, "SELECT sum(revision) FROM "
                                  "ml_connector.job"),
              __func__);
    pod_round_ok(&p);
    opened_is(&p, 0, __func__);
    pod_close(&p);
    return n;
}

TEST(tokens_that_die_between_pages_lose_and_repeat_nothing)
{
    struct pod_spec spec = {.index = 29, .page = 10};

    EQ_UINT(rows_read(&spec, 3), rows_read(&spec, 0));
}

TEST(a_wrong_secret_halts_and_says_what_to_check)
{
    struct pod p;

    pod_open(&p, &(struct pod_spec){.index = 14, .secret = "wrong"});
    pod_round(&p);
    IS(p.halted > 0);
    EQ_ERR(p.halted_err, ERR_CREDENTIALS);
    HAS(p.halted_fault.message, "invalid_client");
    HAS(p.halted_fault.message, "--fusion-client-secret-file");
    pod_close(&p);
}

TEST(maintenance_skips_nothing)
{
    struct pod_spec spec = {.index = 15};
    struct pod p;
    struct feed_status s;

    pod_open(&p, &spec);
    pod_round_ok(&p);
    (void)pod_post(&p, "switches?maintenance=1");
    (void)pod_post(&p, "mutate?n=20&seed=3");
    pod_round(&p);
    s = feeds_status(p.feeds, FEED_INVOICES);
    EQ_STR(s.state, "maintenance");
    EQ_ERR(s.err, ERR_MAINTENANCE);
    EQ_INT(p.halted, 0);
    (void)pod_post(&p, "switches?maintenance=0");
    pod_round_ok(&p);
    IS(opened(&p) > 0);
    pod_close(&p);
}

TEST(refused_party_resources_stop_nothing)
{
    struct pod p;

    pod_open(&p, &(struct pod_spec){.index = 16});
    (void)pod_post(&p, "switches?crm_status=403");
    pod_round_ok(&p);
    EQ_INT(records(&p, "customer"), pod_count(&p, "customers"));
    invoices_are_equal(&p);
    pod_close(&p);
}

/* Whether customers are known to lack this: organizations or persons. */
static bool
owed(struct pod *p, const char *what)
{
    return pod_sql(p,
                   "SELECT count(*) FROM ml_connector.tenant WHERE "
                   "learned ->> 'crm_off_%s' IS NOT NULL",
                   what) == 1;
}

static int64_t
domains(struct pod *p)
{
    return pod_sql(p, "SELECT count(*) FROM ml_connector.record WHERE "
                      "kind = 'customer' AND desired::text LIKE "
                      "'%%\"domain\"%%'");
}

TEST(healed_party_resources_reach_every_customer)
{
    struct pod_spec spec = {.index = 24};
    struct pod p;

    pod_open(&p, &spec);
    (void)pod_post(&p, "switches?crm_status=403");
    pod_round_ok(&p);
    IS(owed(&p, "organizations"));
    IS(owed(&p, "persons"));
    EQ_INT(domains(&p), 0);
    pod_round_ok(&p); /* asked again, refused again: still owed */
    opened_is(&p, 0, __func__);
    IS(owed(&p, "organizations"));
    (void)pod_post(&p, "switches?crm_status=0");
    pod_round_ok(&p); /* the same process: no pause between rounds */
    NOT(owed(&p, "organizations"));
    NOT(owed(&p, "persons"));
    IS(domains(&p) > 0);
    is_as_from_scratch(&p, &spec);
    pod_round_ok(&p);
    opened_is(&p, 0, __func__);
    pod_close(&p);
}

TEST(a_pass_broken_off_is_made_up_for_by_the_next_process)
{
    struct pod_spec spec = {.index = 25};
    struct pod p;

    pod_open(&p, &spec);
    (void)pod_post(&p, "switches?crm_status=404");
    pod_round_ok(&p);
    (void)pod_post(&p, "switches?crm_status=0");
    pod_again(&p);
    p.stored = 0;
    feeds_poll_once(p.feeds);
    while (p.stored == 0) {
        loop_turn(p.loop, 1);
    }
    pod_again(&p);
    IS(owed(&p, "organizations"));
    IS(owed(&p, "persons"));
    pod_round_ok(&p);
    NOT(owed(&p, "organizations"));
    NOT(owed(&p, "persons"));
    is_as_from_scratch(&p, &spec);
    pod_close(&p);
}

TEST(persons_alone_refused_cost_no_organisation)
{
    struct pod_spec spec = {.index = 26};
    struct pod p;
    int64_t without = 0;

    pod_open(&p, &spec);
    pod_fault(&p, "{\"server\":\"fusion\",\"status\":403,"
                  "\"path\":\"/crmRestApi/resources/11.13.18.05/hubPersons\"}");
    pod_round_ok(&p);
    IS(owed(&p, "persons"));
    NOT(owed(&p, "organizations"));
    without = domains(&p);
    pod_mend(&p);
    pod_again(&p);
    pod_round_ok(&p);
    NOT(owed(&p, "persons"));
    EQ_INT(domains(&p), without);
    is_as_from_scratch(&p, &spec);
    pod_close(&p);
}

/* The same, of accounts that the next poll does not read again: those of the
 * overlap it does, and composes them of what there is. */
static int64_t
domains_at_rest(struct pod *p)
{
    return pod_sql(p, "SELECT count(*) FROM ml_connector.record WHERE "
                      "kind = 'customer' AND desired::text LIKE "
                      "'%%\"domain\"%%' AND fusion_id IN (SELECT number FROM "
                      "ml_connector.account WHERE stamp_us < (SELECT "
                      "max(stamp_us) - 3600000000 FROM ml_connector.account))");
}

TEST(a_refusal_in_the_middle_of_a_pass_takes_nothing_away)
{
    struct pod_spec spec = {.index = 27};
    struct pod p;
    int64_t with = 0;

    pod_open(&p, &spec);
    pod_round_ok(&p);
    with = domains_at_rest(&p);
    IS(with > 0);
    /* A debt, and a pod that refuses again at once. */
    (void)pod_sql(&p, "UPDATE ml_connector.tenant SET learned = learned || "
                      "'{\"crm_off_organizations\":\"2026-01-01\"}'");
    (void)pod_post(&p, "switches?crm_status=403");
    pod_again(&p);
    pod_round_ok(&p);
    IS(owed(&p, "organizations"));
    EQ_INT(domains_at_rest(&p), with);
    (void)pod_post(&p, "switches?crm_status=0");
    pod_round_ok(&p);
    NOT(owed(&p, "organizations"));
    is_as_from_scratch(&p, &spec);
    pod_close(&p);
}

static int64_t
audited(struct pod *p, const char *message)
{
    return pod_sql(p,
                   "SELECT count(*) FROM ml_connector.audit_event WHERE "
                   "event = 'invalid' AND kind = 'invoice' AND "
                   "message = '%s'",
                   message);
}

TEST(rows_that_cannot_be_named_are_audited_with_their_place)
{
    struct pod p;

    pod_open(&p, &(struct pod_spec){.index = 28});
    /* after the four questions of the calibration */
    pod_fault(&p, "{\"server\":\"fusion\",\"status\":200,\"skip\":4,"
                  "\"next\":1,\"path\":\"/fscmRestApi/resources/"
                  "11.13.18.05/receivablesInvoices\",\"json\":{\"items\":["
                  "{\"LastUpdateDate\":\"2024-01-01T00:00:00+00:00\"},7,"
                  "{\"CustomerTransactionId\":[3]},"
                  "{\"CustomerTransactionId\":4,\"LastUpdateDate\":true}],"
                  "\"count\":4,\"hasMore\":false,\"limit\":500,\"offset\":0}}");
    pod_round_ok(&p);
    pod_mend(&p);
    EQ_INT(audited(&p, "receivablesInvoices: row 0 of the page at offset 0: "
                       "CustomerTransactionId is missing"),
           1);
    EQ_INT(audited(&p, "receivablesInvoices: row 1 of the page at offset 0: "
                       "it is no JSON object"),
           1);
    EQ_INT(audited(&p, "receivablesInvoices: row 2 of the page at offset 0: "
                       "CustomerTransactionId is not an id"),
           1);
    EQ_INT(audited(&p, "receivablesInvoices: row 3 of the page at offset 0: "
                       "LastUpdateDate is not a time"),
           1);
    EQ_INT(pod_sql(&p, "SELECT sum(invalid) FROM ml_connector.poll WHERE "
                       "feed = 'invoices'"),
           4);
    pod_close(&p);
}

TEST(a_changed_party_recomposes_its_customer)
{
    struct pod_spec spec = {.index = 17};
    struct pod p;
    const json_t *row = NULL;

    pod_open(&p, &spec);
    pod_round_ok(&p);
    row = json_array_get(
        json_object_get(pod_get(&p, "dump/customers?limit=1"), "customers"), 0);
    (void)pod_post(&p, "organization/%s?City=Elsewhere",
                   jsonx_text(row, "CustomerId"));
    pod_round_ok(&p);
    IS(opened(&p) >= 1);
    is_as_from_scratch(&p, &spec);
    pod_close(&p);
}

TEST(a_wanted_customer_is_fetched_by_number)
{
    struct pod p;
    char *number = NULL;

    pod_open(&p, &(struct pod_spec){.index = 18});
    number = mem_strdup(jsonx_text(
        json_array_get(
            json_object_get(pod_get(&p, "dump/customers?limit=1"), "customers"),
            0),
        "AccountNumber"));
    feeds_want(p.feeds, "customer", number);
    feeds_want(p.feeds, "invoice", "42");
    while (p.stored < 2) {
        loop_turn(p.loop, 1);
    }
    EQ_INT(records(&p, "customer"), 1);
    EQ_INT(pod_sql(&p, "SELECT count(*) FROM ml_connector.record WHERE "
                       "state = 'missing' AND fusion_id = '42'"),
           1);
    mem_free(number);
    pod_close(&p);
}

TEST(an_unwanted_business_unit_is_filtered_and_counted)
{
    static const char *const units[] = {"No such unit", NULL};
    struct pod p;

    pod_open(&p, &(struct pod_spec){.index = 19, .units = units});
    pod_round_ok(&p);
    EQ_INT(records(&p, "invoice"), 0);
    EQ_INT(pod_sql(&p, "SELECT sum(filtered) FROM ml_connector.poll WHERE "
                       "feed = 'invoices'"),
           pod_count(&p, "invoices"));
    pod_close(&p);
}

TEST(receipts_that_can_neither_be_asked_for_nor_sorted_are_read_by_id)
{
    struct pod_spec spec = {.index = 21};
    struct pod p;

    pod_open(&p, &spec);
    (void)pod_post(&p, "switches?receipts_order=0");
    pod_round_ok(&p);
    EQ_INT(pod_sql(&p, "SELECT count(*) FROM ml_connector.tenant WHERE "
                       "learned ->> 'fusion_receipts' = 'C'"),
           1);
    (void)pod_post(&p, "mutate?n=60&seed=3");
    pod_round_ok(&p);
    has_all_of_scratch(&p, spec.index);
    pod_close(&p);
}

TEST(a_database_that_is_away_is_waited_for)
{
    struct pod p;

    pod_open(&p, &(struct pod_spec){.index = 22, .page = 20});
    feeds_start(p.feeds); /* never polled: begins with a round */
    while (p.stored == 0) {
        loop_turn(p.loop, 1);
    }
    pods_database(false);
    while (store_is_up(p.store)) {
        loop_turn(p.loop, 1);
    }
    EQ_STR(feeds_status(p.feeds, FEED_INVOICES).state, "polling");
    pods_database(true);
    while (feeds_status(p.feeds, FEED_PAYMENTS).read == 0 ||
           strcmp(feeds_status(p.feeds, FEED_PAYMENTS).state, "idle") != 0) {
        loop_turn(p.loop, 1);
    }
    for (unsigned k = 0; k < FEED_KINDS; k++) {
        struct feed_status s = feeds_status(p.feeds, (enum feed_kind)k);

        EQ_ERR(s.err, ERR_OK);
        IS(s.next_us > loop_now_us(p.loop)); /* the timers are on */
    }
    EQ_INT(p.idle, 0);
    PQreset(p.db);
    invoices_are_equal(&p);
    pod_close(&p);
}

TEST(what_was_learned_is_remembered)
{
    struct pod p;

    pod_open(&p, &(struct pod_spec){.index = 23});
    (void)pod_post(&p, "switches?literals=34");
    pod_round_ok(&p);
    pod_round_ok(&p);
    EQ_INT(pod_sql(&p,
                   "SELECT count(*) FROM ml_connector.tenant WHERE "
                   "learned ->> 'fusion_receipts' = 'B' AND "
                   "learned ->> 'polled_invoices' = 'true' AND "
                   "learned ->> 'polled_payments' = 'true' AND "
                   "learned ->> 'fusion_literal' = '%d'",
                   (int)FUSION_LITERAL_ISO_BARE),
           1);
    pod_close(&p);
}

TEST(stopping_in_the_middle_leaves_nothing_half_done)
{
    struct pod_spec spec = {.index = 20, .page = 20};
    struct pod p;

    pod_open(&p, &spec);
    feeds_poll_once(p.feeds);
    while (p.stored == 0) {
        loop_turn(p.loop, 1);
    }
    feeds_stop(p.feeds);
    EQ_STR(feeds_status(p.feeds, FEED_INVOICES).state, "idle");
    pod_close(&p);
}

SUITE(feed, RUN_LONG(the_first_round_reads_everything_once, 60),
      RUN_LONG(a_second_round_opens_no_job, 60),
      RUN_LONG(changes_in_fusion_arrive_and_nothing_else, 60),
      RUN_LONG(a_payment_and_a_credit_memo_change_invoices_without_a_stamp, 60),
      RUN_LONG(equal_stamps_beyond_the_page_size_are_all_read, 60),
      RUN_LONG(a_page_smaller_than_asked_for_is_not_the_end, 60),
      RUN_LONG(a_page_too_large_for_the_pod_is_halved, 60),
      RUN_LONG(quoted_zulu_literals_read_the_same, 60),
      RUN_LONG(framework_1_reads_the_same, 60),
      RUN_LONG(framework_9_reads_the_same, 60),
      RUN_LONG(receipts_by_stamp_are_the_same_as_newest_first, 60),
      RUN_LONG(without_batches_applications_are_the_same, 60),
      RUN_LONG(odd_but_legal_answers_change_nothing, 60),
      RUN_LONG(throttling_and_single_failures_are_waited_out, 60),
      RUN_LONG(tokens_that_die_early_are_replaced, 60),
      RUN_LONG(a_wrong_secret_halts_and_says_what_to_check, 60),
      RUN_LONG(maintenance_skips_nothing, 60),
      RUN_LONG(refused_party_resources_stop_nothing, 60),
      RUN_LONG(tokens_that_die_between_pages_lose_and_repeat_nothing, 60),
      RUN_LONG(healed_party_resources_reach_every_customer, 60),
      RUN_LONG(a_pass_broken_off_is_made_up_for_by_the_next_process, 60),
      RUN_LONG(persons_alone_refused_cost_no_organisation, 60),
      RUN_LONG(a_refusal_in_the_middle_of_a_pass_takes_nothing_away, 60),
      RUN_LONG(rows_that_cannot_be_named_are_audited_with_their_place, 60),
      RUN_LONG(a_changed_party_recomposes_its_customer, 60),
      RUN_LONG(a_wanted_customer_is_fetched_by_number, 60),
      RUN_LONG(an_unwanted_business_unit_is_filtered_and_counted, 60),
      RUN_LONG(receipts_that_can_neither_be_asked_for_nor_sorted_are_read_by_id,
               60),
      RUN_LONG(a_database_that_is_away_is_waited_for, 60),
      RUN_LONG(what_was_learned_is_remembered, 60),
      RUN_LONG(stopping_in_the_middle_leaves_nothing_half_done, 60))
