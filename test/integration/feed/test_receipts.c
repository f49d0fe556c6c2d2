/* SPDX-License-Identifier: UNLICENSED */
/*
 * Receipts by stamp (A), newest first (B), by id (C): the same records, and
 * nothing missed by what the pod cannot be asked.
 */
#include "compare.h"

enum { PODS = 96, SEEDS = 3, BATCHES = 3 };

#define AGES INT64_C(86400000) /* nothing is read again by its age */

static bool
has_strategy(struct pod *p, const char *strategy)
{
    return pod_sql(p,
                   "SELECT count(*) FROM ml_connector.tenant WHERE learned "
                   "->> 'fusion_receipts' = '%s'",
                   strategy) == 1;
}

/* A database of its own that reads this pod by this strategy. */
static void
open_by(struct pod *p, const struct pod_spec *spec, const char *strategy)
{
    pod_open(p, spec);
    (void)pod_sql(p,
                  "UPDATE ml_connector.tenant SET learned = "
                  "'{\"fusion_receipts\":\"%s\"}'",
                  strategy);
    p->config.open_age_ms = AGES;
    pod_again(p);
}

static int64_t
payment_count(struct pod *p, int64_t receipt)
{
    return pod_sql(p,
                   "SELECT count(*) FROM ml_connector.record WHERE kind = "
                   "'payment' AND hash IS NOT NULL AND receipt = '%" PRId64 "'",
                   receipt);
}

/* ---- the three of them -------------------------------------------------- */

static void
random_changes_give_the_same(size_t index, unsigned seed)
{
    static const char *const strategies[] = {"A", "B", "C"};
    struct pod_spec spec = {.index = index, .page = 20};
    struct pod p[3];
    char *text[3];

    for (size_t i = 0; i < 3; i++) {
        open_by(&p[i], &spec, strategies[i]);
        (void)pod_post(&p[i], "switches?receipts_stamp_q=1");
        pod_round_ok(&p[i]);
    }
    for (unsigned n = 0; n < BATCHES; n++) {
        (void)fprintf(stderr, "seed %u\n", seed * 100 + n);
        /* customers, invoices, receipts: a credit memo stamps nothing */
        (void)pod_post(&p[0], "mutate?n=25&groups=7&seed=%u", seed * 100 + n);
        for (size_t i = 0; i < 3; i++) {
            pod_round_ok(&p[i]);
            text[i] = digest(&p[i]);
        }
        same_lines(text[1], text[0]);
        same_lines(text[2], text[0]);
        for (size_t i = 0; i < 3; i++) {
            mem_free(text[i]);
        }
    }
    for (size_t i = 0; i < 3; i++) {
        IS(has_strategy(&p[i], strategies[i]));
        has_all_of_scratch(&p[i], index);
    }
    for (size_t i = 3; i > 0; i--) {
        pod_close(&p[i - 1]);
    }
}

TEST(every_strategy_gives_the_same_records)
{
    for (unsigned i = 0; i < SEEDS; i++) {
        random_changes_give_the_same(PODS + i, i + 1);
    }
}

#define PAIR "SELECT "
#define OF_PAIR                                                                \
    " FROM ml_connector.record a JOIN ml_connector.record b ON b.kind = "      \
    "'invoice' AND b.customer <> a.customer AND b.currency = a.currency AND "  \
    "b.desired ->> 'status' = 'open' AND b.balance > 10 WHERE a.kind = "       \
    "'invoice' AND a.desired ->> 'status' = 'open' AND a.balance > 10 ORDER "  \
    "BY a.fusion_id, b.fusion_id LIMIT 1"

/* What a receipt can go through, step by step. */
static void
one_life(size_t index, const char *strategy)
{
    struct pod_spec spec = {.index = index, .page = 20};
    struct pod p;
    int64_t invoice = 0;
    int64_t receipt = 0;
    int64_t account = 0;
    int64_t other = 0;

    open_by(&p, &spec, strategy);
    (void)pod_post(&p, "switches?receipts_stamp_q=%d",
                   strategy[0] == 'A' ? 1 : 0);
    pod_round_ok(&p);
    /* Two open ones of two customers in one currency. */
    invoice = pod_sql(&p, PAIR "a.fusion_id" OF_PAIR);
    other = pod_sql(&p, PAIR "b.fusion_id" OF_PAIR);
    account = pod_sql(&p, PAIR "a.customer" OF_PAIR);
    IS(invoice > 0 && other > 0);
    receipt = strtoll(
        jsonx_text(pod_post(&p,
                            "receipt?amount=9&account=%" PRId64 "&apply="
                            "%" PRId64 ":2",
                            account, invoice),
                   "id"),
        NULL, 10);
    pod_round_ok(&p);
    EQ_INT(payment_count(&p, receipt), 2); /* the part, and the rest */
    /* To the invoice of another customer. */
    (void)pod_post(&p, "receipt/%" PRId64 "/apply?apply=%" PRId64 ":3", receipt,
                   other);
    pod_round_ok(&p);
    EQ_INT(payment_count(&p, receipt), 3);
    EQ_INT(pod_sql(&p,
                   "SELECT count(*) FROM ml_connector.record WHERE kind = "
                   "'payment' AND receipt = '%" PRId64 "' AND invoice = "
                   "'%" PRId64 "' AND amount = 3",
                   receipt, other),
           1);
    is_as_from_scratch(&p, &spec);
    (void)pod_post(&p, "receipt/%" PRId64 "/unapply?invoice=%" PRId64, receipt,
                   invoice);
    pod_round_ok(&p);
    EQ_INT(pod_sql(&p,
                   "SELECT count(*) FROM ml_connector.record WHERE kind = "
                   "'payment' AND fusion_id = '%" PRId64 ":%" PRId64 "' AND "
                   "desired::text LIKE '%%refunded%%'",
                   receipt, invoice),
           1);
    (void)pod_post(&p, "receipt/%" PRId64 "/on_account?amount=1", receipt);
    pod_round_ok(&p);
    (void)pod_post(&p, "receipt/%" PRId64 "/reverse?category=NSF", receipt);
    pod_round_ok(&p);
    IS(opened(&p) > 0);
    has_all_of_scratch(&p, index);
    pod_round_ok(&p);
    opened_is(&p, 0, "nothing");
    pod_close(&p);
}

TEST(the_life_of_a_receipt_by_stamp)
{
    one_life(PODS + 3, "A");
}

TEST(the_life_of_a_receipt_newest_first)
{
    one_life(PODS + 4, "B");
}

TEST(the_life_of_a_receipt_by_id)
{
    one_life(PODS + 5, "C");
}

/* ---- from B to C -------------------------------------------------------- */

static void
becomes_c(size_t index, const char *switches)
{
    struct pod_spec spec = {.index = index, .page = 10};
    struct pod p;

    pod_open(&p, &spec);
    pod_round_ok(&p);
    IS(has_strategy(&p, "B"));
    (void)pod_post(&p, "switches?%s", switches);
    (void)pod_post(&p, "mutate?n=25&groups=4&seed=4");
    p.config.open_age_ms = AGES;
    pod_again(&p);
    pod_round_ok(&p);
    IS(has_strategy(&p, "C"));
    has_all_of_scratch(&p, index);
    pod_again(&p);
    (void)pod_post(&p, "mutate?n=25&groups=4&seed=5");
    pod_round_ok(&p);
    IS(has_strategy(&p, "C"));
    (void)pod_post(&p, "switches?reset=1");
    has_all_of_scratch(&p, index);
    pod_close(&p);
}

TEST(a_page_out_of_order_makes_it_by_id)
{
    becomes_c(PODS + 6, "receipts_order=0");
}

TEST(an_order_that_is_refused_makes_it_by_id)
{
    becomes_c(PODS + 7, "receipts_order=2");
}

TEST(an_order_that_is_refused_at_first_makes_it_by_id)
{
    struct pod_spec spec = {.index = PODS + 8, .page = 10};
    struct pod p;

    pod_open(&p, &spec);
    (void)pod_post(&p, "switches?receipts_order=2");
    pod_round_ok(&p);
    IS(has_strategy(&p, "C"));
    (void)pod_post(&p, "switches?reset=1");
    is_as_from_scratch(&p, &spec);
    pod_close(&p);
}

TEST(a_pod_that_only_has_trouble_is_not_taken_for_one_that_cannot_sort)
{
    struct pod p;

    pod_open(&p, &(struct pod_spec){.index = PODS + 9});
    pod_round_ok(&p);
    pod_fault(&p, "{\"server\":\"fusion\",\"status\":500,"
                  "\"path\":\"/fscmRestApi/resources/11.13.18.05/"
                  "standardReceipts\"}");
    pod_round(&p);
    IS(feeds_status(p.feeds, FEED_PAYMENTS).err != ERR_OK);
    pod_mend(&p);
    pod_fault(&p, "{\"server\":\"fusion\",\"status\":403,"
                  "\"path\":\"/fscmRestApi/resources/11.13.18.05/"
                  "standardReceipts\"}");
    pod_round(&p);
    IS(feeds_status(p.feeds, FEED_PAYMENTS).err != ERR_OK);
    pod_mend(&p);
    IS(has_strategy(&p, "B"));
    pod_round_ok(&p);
    pod_close(&p);
}

/* ---- history ------------------------------------------------------------ */

static bool
in_history(struct pod *p)
{
    return pod_sql(p, "SELECT count(*) FROM ml_connector.pass WHERE pass = "
                      "'backfill:standardReceipts' AND done_at IS NULL AND "
                      "at_id NOT IN ('', '0', '10')") == 1;
}

/* Broken off in the middle; then the pod changes; then it goes on. */
static void
history_goes_on(size_t index, const char *strategy, bool deletes)
{
    struct pod_spec spec = {.index = index, .page = 10};
    struct pod p;
    json_t *all = NULL;
    size_t n = 0;

    open_by(&p, &spec, strategy);
    feeds_poll_once(p.feeds);
    while (!in_history(&p)) {
        loop_turn(p.loop, 1);
    }
    pod_again(&p);
    all = json_deep_copy(
        json_object_get(pod_get(&p, "dump/receipts?limit=100000"), "receipts"));
    n = json_array_size(all);
    IS(n == POD_RECEIPTS);
    EQ_INT(pod_sql(&p, "SELECT count(*) FROM ml_connector.pass WHERE pass = "
                       "'backfill:standardReceipts' AND done_at IS NULL"),
           1);
    /* All that were read are moved down by what is new, or up by what goes. */
    for (size_t i = 0; i < n && deletes; i++) {
        int64_t id = strtoll(
            jsonx_text(json_array_get(all, i), "StandardReceiptId"), NULL, 10);

        if (payment_count(&p, id) > 0) {
            (void)pod_delete(&p, "receipt/%" PRId64, id);
        }
    }
    if (!deletes) {
        (void)pod_post(&p, "mutate?n=40&groups=4&seed=6");
    }
    json_decref(all);
    pod_round_ok(&p);
    has_all_of_scratch(&p, index);
    pod_close(&p);
}

TEST(history_newest_first_goes_on_after_rows_came)
{
    history_goes_on(PODS + 10, "B", false);
}

TEST(history_newest_first_goes_on_after_rows_went)
{
    history_goes_on(PODS + 11, "B", true);
}

TEST(history_by_id_goes_on_after_rows_came)
{
    history_goes_on(PODS + 12, "C", false);
}

TEST(history_by_id_goes_on_after_rows_went)
{
    history_goes_on(PODS + 13, "C", true);
}

/* ---- what ids and dates do not show ------------------------------------- */

/* An old date, so that no other look finds it. */
static int64_t
receipt_of(struct pod *p, int days, const char *more)
{
    const char *id = NULL;
    int64_t day = 0;

    day = pod_sql(p, "SELECT to_char(now() - interval '%d days', 'YYYYMMDD')",
                  days);
    id = jsonx_text(pod_post(p, "receipt?ReceiptDate=%04d-%02d-%02d%s",
                             (int)(day / 10000), (int)(day / 100 % 100),
                             (int)(day % 100), more),
                    "id");
    IS(id != NULL);
    return strtoll(id, NULL, 10);
}

static int64_t
some_account(struct pod *p)
{
    return pod_sql(p,
                   "SELECT customer FROM ml_connector.record WHERE kind = "
                   "'invoice' AND fusion_id = '%" PRId64 "'",
                   open_invoice(p, 0));
}

TEST(an_id_that_appears_late_below_the_highest_is_read)
{
    struct pod_spec spec = {.index = PODS + 14};
    struct pod p;
    int64_t id = 0;
    int64_t high = 0;
    char more[160];

    open_by(&p, &spec, "C");
    pod_round_ok(&p);
    (void)snprintf(more, sizeof(more), "&amount=5&account=%" PRId64,
                   some_account(&p));
    id = receipt_of(&p, 100, more);
    high = receipt_of(&p, 100, more);
    IS(high > id);
    pod_round_ok(&p);
    IS(payment_count(&p, high) > 0 && payment_count(&p, id) > 0);
    /* As if it had committed only now. */
    settle(&p);
    (void)pod_sql(&p,
                  "DELETE FROM ml_connector.record WHERE kind = 'payment' "
                  "AND receipt = '%" PRId64 "'",
                  id);
    pod_round_ok(&p);
    IS(payment_count(&p, id) > 0);
    pod_close(&p);
}

/* Far below the highest id: only its stamp gives a change away. */
static void
change_is_seen(size_t index, int days, bool daily, bool seen)
{
    struct pod_spec spec = {.index = index};
    struct pod p;
    int64_t id = 0;
    char more[160];

    open_by(&p, &spec, "C");
    pod_round_ok(&p);
    (void)snprintf(more, sizeof(more),
                   "&amount=5&method=1&account=%" PRId64 "&apply=%" PRId64 ":5",
                   some_account(&p), open_invoice(&p, 0));
    id = receipt_of(&p, days, more);
    pod_round_ok(&p);
    IS(payment_count(&p, id) > 0);
    /* More ids than a block, beyond it. */
    (void)pod_sql(&p, "UPDATE ml_connector.cursor SET id = (id::bigint + "
                      "1000000)::text WHERE stream = 'standardReceipts'");
    settle(&p);
    (void)pod_post(&p, "receipt/%" PRId64 "/reverse?category=NSF", id);
    if (daily) {
        p.config.daily_ms = 1;
        pod_again(&p);
    }
    pod_round_ok(&p);
    EQ_INT(pod_sql(&p,
                   "SELECT count(*) FROM ml_connector.job WHERE kind = "
                   "'payment' AND fusion_id LIKE '%" PRId64 ":%%'",
                   id) > 0,
           seen);
    pod_close(&p);
}

TEST(a_receipt_of_20_days_ago_is_seen_by_its_stamp)
{
    change_is_seen(PODS + 15, 20, false, true);
}

TEST(a_receipt_of_200_days_ago_is_seen_once_a_day)
{
    change_is_seen(PODS + 16, 200, false, false);
    change_is_seen(PODS + 17, 200, true, true);
}

/* Neither id nor date nor stamp shows it, only that it has a rest. */
static void
rest_is_seen(size_t index, const char *strategy)
{
    struct pod_spec spec = {.index = index};
    struct pod p;
    int64_t id = 0;
    char more[160];

    open_by(&p, &spec, strategy);
    (void)pod_post(&p,
                   "switches?receipts_stamp_q=%d&"
                   "applications_bump_receipt=0",
                   strategy[0] == 'A' ? 1 : 0);
    pod_round_ok(&p);
    (void)snprintf(more, sizeof(more), "&amount=50&age_s=%d&account=%" PRId64,
                   40 * 86400, some_account(&p));
    id = receipt_of(&p, 500, more);
    (void)pod_sql(&p, "UPDATE ml_connector.pass SET done_at = NULL, at_id = "
                      "'', at_us = 0, to_us = to_us + 86400000000, revision = "
                      "revision + 1 WHERE pass = 'backfill:standardReceipts'");
    pod_round_ok(&p);
    EQ_INT(payment_count(&p, id), 1);
    (void)pod_sql(&p, "UPDATE ml_connector.cursor SET id = (id::bigint + "
                      "1000000)::text WHERE stream = 'standardReceipts' AND "
                      "id <> ''");
    settle(&p);
    (void)pod_post(&p, "receipt/%" PRId64 "/apply?apply=%" PRId64 ":3", id,
                   open_invoice(&p, 0));
    pod_round_ok(&p);
    opened_is(&p, 0, "nobody looks");
    (void)pod_sql(&p, "UPDATE ml_connector.record SET last_read = now() - "
                      "interval '2 days' WHERE kind = 'payment'");
    pod_round_ok(&p);
    EQ_INT(payment_count(&p, id), 2);
    pod_round_ok(&p);
    opened_is(&p, 0, "read again once");
    pod_close(&p);
}

TEST(a_receipt_with_a_rest_is_read_again_by_stamp)
{
    rest_is_seen(PODS + 18, "A");
}

TEST(a_receipt_with_a_rest_is_read_again_newest_first)
{
    rest_is_seen(PODS + 19, "B");
}

TEST(a_receipt_with_a_rest_is_read_again_by_id)
{
    rest_is_seen(PODS + 20, "C");
}

SUITE(
    receipts, RUN_LONG(every_strategy_gives_the_same_records, 240),
    RUN_LONG(the_life_of_a_receipt_by_stamp, 60),
    RUN_LONG(the_life_of_a_receipt_newest_first, 60),
    RUN_LONG(the_life_of_a_receipt_by_id, 60),
    RUN_LONG(a_page_out_of_order_makes_it_by_id, 60),
    RUN_LONG(an_order_that_is_refused_makes_it_by_id, 60),
    RUN_LONG(an_order_that_is_refused_at_first_makes_it_by_id, 60),
    RUN_LONG(a_pod_that_only_has_trouble_is_not_taken_for_one_that_cannot_sort,
             60),
    RUN_LONG(history_newest_first_goes_on_after_rows_came, 60),
    RUN_LONG(history_newest_first_goes_on_after_rows_went, 60),
    RUN_LONG(history_by_id_goes_on_after_rows_came, 60),
    RUN_LONG(history_by_id_goes_on_after_rows_went, 60),
    RUN_LONG(an_id_that_appears_late_below_the_highest_is_read, 60),
    RUN_LONG(a_receipt_of_20_days_ago_is_seen_by_its_stamp, 60),
    RUN_LONG(a_receipt_of_200_days_ago_is_seen_once_a_day, 60),
    RUN_LONG(a_receipt_with_a_rest_is_read_again_by_stamp, 60),
    RUN_LONG(a_receipt_with_a_rest_is_read_again_newest_first, 60),
    RUN_LONG(a_receipt_with_a_rest_is_read_again_by_id, 60))
