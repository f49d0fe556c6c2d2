/* SPDX-License-Identifier: UNLICENSED */
/*
 * Rows that appear after others with younger stamps: how far each poll looks
 * back, how that grows with what is observed, and where it stops ahead.
 */
#include "compare.h"

enum { PODS = 50, MINUTE_S = 60, MINUTE_MS = 60000 };

/* A pod read to its end, with a scan that ended. */
static void
begin(struct pod *p, const struct pod_spec *spec)
{
    pod_open(p, spec);
    p->config.open_age_ms = INT64_C(86400000);
    pod_again(p);
    pod_round_ok(p);
    pod_round_ok(p);
    EQ_UINT(opened(p), 0);
}

/* A new invoice stamped so many minutes ago: its id. */
static int64_t
late_invoice(struct pod *p, int minutes)
{
    const json_t *a = pod_post(
        p, "invoice?account=%" PRId64 "&age_s=%d",
        pod_sql(p, "SELECT min(customer) FROM ml_connector.record WHERE "
                   "kind = 'invoice'"),
        minutes * MINUTE_S);
    const char *id = jsonx_text(a, "CustomerTransactionId");

    id = id == NULL ? jsonx_text(a, "id") : id;
    ck_assert_msg(id != NULL, "no id: %s", json_dumps(a, 0));
    return strtoll(id, NULL, 10);
}

static bool
has_invoice(struct pod *p, int64_t id)
{
    return pod_sql(p,
                   "SELECT count(*) FROM ml_connector.record WHERE kind = "
                   "'invoice' AND hash IS NOT NULL AND fusion_id = "
                   "'%" PRId64 "'",
                   id) == 1;
}

static int64_t
late_s(struct pod *p, const char *feed)
{
    return pod_sql(p,
                   "SELECT round(late_seconds) FROM ml_dashboard.feeds WHERE "
                   "feed = '%s'",
                   feed);
}

static int64_t
overlap_s(struct pod *p, const char *feed)
{
    return pod_sql(p,
                   "SELECT round(overlap_seconds) FROM ml_dashboard.feeds "
                   "WHERE feed = '%s'",
                   feed);
}

TEST(a_commit_late_by_less_than_an_hour_is_read_by_the_next_poll)
{
    struct pod p;
    int64_t near = 0;
    int64_t far = 0;

    begin(&p, &(struct pod_spec){.index = PODS});
    EQ_INT(overlap_s(&p, "invoices"), 3600);
    near = late_invoice(&p, 20);
    far = late_invoice(&p, 75);
    pod_round_ok(&p);
    IS(has_invoice(&p, near));
    NOT(has_invoice(&p, far)); /* nobody looks back so far today */
    pod_close(&p);
}

TEST(what_is_late_widens_the_overlap)
{
    struct pod p;
    int64_t id = 0;

    begin(&p, &(struct pod_spec){.index = PODS + 1});
    EQ_INT(late_s(&p, "invoices"), 0);
    id = late_invoice(&p, 50);
    pod_round_ok(&p);
    IS(has_invoice(&p, id));
    IS(late_s(&p, "invoices") >= 50 * MINUTE_S - 5 &&
       late_s(&p, "invoices") <= 50 * MINUTE_S + 5);
    pod_round_ok(&p);
    IS(overlap_s(&p, "invoices") >= 100 * MINUTE_S - 10 &&
       overlap_s(&p, "invoices") <= 100 * MINUTE_S + 10);
    id = late_invoice(&p, 95);
    pod_again(&p); /* it is not the process that knows */
    pod_round_ok(&p);
    IS(has_invoice(&p, id));
    pod_round_ok(&p);
    IS(overlap_s(&p, "invoices") >= 185 * MINUTE_S);
    /* Forgotten after a week. */
    (void)pod_sql(&p, "UPDATE ml_connector.feed SET late_at = now() - "
                      "interval '8 days'");
    pod_round_ok(&p);
    EQ_INT(overlap_s(&p, "invoices"), 3600);
    pod_close(&p);
}

TEST(a_late_change_of_what_is_known_counts_as_well)
{
    struct pod p;
    int64_t id = 0;

    begin(&p, &(struct pod_spec){.index = PODS + 2});
    id = open_invoice(&p, 0);
    (void)pod_post(&p, "invoice/%" PRId64 "?PurchaseOrder=late&age_s=2400", id);
    pod_round_ok(&p);
    IS(record_is(&p, id, "late"));
    IS(late_s(&p, "invoices") >= 2395 && late_s(&p, "invoices") <= 2405);
    pod_close(&p);
}

TEST(what_is_on_time_is_not_late)
{
    struct pod p;

    begin(&p, &(struct pod_spec){.index = PODS + 3, .page = 10});
    for (int i = 0; i < 4; i++) {
        (void)pod_post(&p, "mutate?n=20&seed=%d", i + 20);
        pod_round_ok(&p);
    }
    IS(late_s(&p, "invoices") < 60);
    EQ_INT(overlap_s(&p, "invoices"), 3600);
    IS(late_s(&p, "payments") < 60);
    EQ_INT(overlap_s(&p, "payments"), 3600);
    pod_close(&p);
}

TEST(late_receipts_widen_their_own_overlap)
{
    struct pod p;

    begin(&p, &(struct pod_spec){.index = PODS + 4});
    (void)pod_post(&p, "receipt?amount=7&age_s=3000&account=%" PRId64,
                   pod_sql(&p, "SELECT min(customer) FROM "
                               "ml_connector.record WHERE kind = 'invoice'"));
    pod_round_ok(&p);
    IS(opened(&p) >= 1);
    IS(late_s(&p, "payments") >= 2990 && late_s(&p, "payments") <= 3010);
    EQ_INT(late_s(&p, "invoices"), 0);
    pod_round_ok(&p);
    IS(overlap_s(&p, "payments") >= 5980);
    EQ_INT(overlap_s(&p, "invoices"), 3600);
    pod_close(&p);
}

TEST(once_a_day_a_whole_day_is_looked_back)
{
    struct pod p;
    int64_t id = 0;

    begin(&p, &(struct pod_spec){.index = PODS + 5});
    id = pod_sql(&p, "SELECT fusion_id FROM ml_connector.record WHERE kind = "
                     "'invoice' ORDER BY version_us LIMIT 1");
    (void)pod_post(&p, "invoice/%" PRId64 "?PurchaseOrder=day&age_s=72000", id);
    pod_round_ok(&p);
    p.config.daily_ms = INT64_C(86400000);
    pod_again(&p);
    (void)pod_sql(&p, "UPDATE ml_connector.pass SET begun_at = now() + "
                      "interval '1 day'");
    pod_round_ok(&p);
    NOT(record_is(&p, id, "\"day\"")); /* its day did not come */
    (void)pod_sql(&p, "UPDATE ml_connector.pass SET begun_at = now() - "
                      "interval '1 day'");
    pod_round_ok(&p);
    IS(record_is(&p, id, "\"day\""));
    EQ_INT(overlap_s(&p, "invoices"), 86400);
    IS(late_s(&p, "invoices") >= 71990);
    EQ_INT(pod_sql(&p, "SELECT count(*) FROM ml_connector.pass WHERE pass = "
                       "'overlap:receivablesInvoices' AND done_at > now() - "
                       "interval '1 hour'"),
           1);
    /* And that was it, for today. */
    (void)pod_sql(&p, "UPDATE ml_connector.feed SET late_us = 0");
    pod_round_ok(&p);
    EQ_INT(overlap_s(&p, "invoices"), 3600);
    pod_close(&p);
}

/* The pod's clock goes on by this. */
static void
wait_s(struct pod *p, int clock_ms)
{
    (void)pod_post(p, "switches?clock_ms=%d", clock_ms);
}

TEST(what_is_younger_than_the_distance_is_left_for_the_next_poll)
{
    struct pod p;
    int64_t first = 0;
    int64_t id = 0;

    pod_open(&p, &(struct pod_spec){.index = PODS + 6});
    p.config.open_age_ms = INT64_C(86400000);
    p.config.behind_ms = MINUTE_MS;
    pod_again(&p);
    first = strtoll(
        jsonx_text(
            json_array_get(json_object_get(pod_get(&p, "dump/invoices?limit=1"),
                                           "invoices"),
                           0),
            "CustomerTransactionId"),
        NULL, 10);
    (void)pod_post(&p, "touch?kind=invoice&id=%" PRId64, first);
    pod_round_ok(&p);
    NOT(has_invoice(&p, first));
    EQ_INT(records(&p, "invoice"), pod_count(&p, "invoices") - 1);
    pod_round_ok(&p);
    NOT(has_invoice(&p, first));
    wait_s(&p, 61000);
    pod_again(&p);
    pod_round_ok(&p); /* it hears of the time */
    pod_round_ok(&p);
    IS(has_invoice(&p, first));
    EQ_INT(late_s(&p, "invoices"), 0);
    id = late_invoice(&p, 0);
    pod_round_ok(&p);
    NOT(has_invoice(&p, id));
    wait_s(&p, 122000);
    pod_round_ok(&p);
    pod_round_ok(&p);
    IS(has_invoice(&p, id));
    EQ_INT(late_s(&p, "invoices"), 0); /* it was on time */
    invoices_are_equal(&p);
    pod_close(&p);
}

/* Nothing depends on the clocks being right. */
static void
reads_with_clock(size_t index, int clock_ms)
{
    struct pod_spec spec = {.index = index, .page = 20};
    struct pod p;
    int64_t late = 0;
    int64_t id = 0;

    pod_open(&p, &spec);
    wait_s(&p, clock_ms);
    p.config.open_age_ms = INT64_C(86400000);
    pod_again(&p);
    pod_round_ok(&p);
    invoices_are_equal(&p);
    pod_round_ok(&p);
    late = late_invoice(&p, 50);
    id = open_invoice(&p, 0);
    (void)pod_post(&p, "invoice/%" PRId64 "?PurchaseOrder=clock", id);
    pod_round_ok(&p);
    IS(has_invoice(&p, late));
    IS(record_is(&p, id, "clock"));
    IS(late_s(&p, "invoices") >= 2990 && late_s(&p, "invoices") <= 3010);
    (void)pod_post(&p, "mutate?n=40&seed=9&groups=3");
    pod_round_ok(&p);
    has_all_of_scratch(&p, index);
    pod_close(&p);
}

TEST(a_pod_whose_clock_is_ahead_is_read_the_same)
{
    reads_with_clock(PODS + 7, 3600000);
}

TEST(a_pod_whose_clock_is_behind_is_read_the_same)
{
    reads_with_clock(PODS + 8, -3600000);
}

TEST(the_distance_is_kept_to_the_pods_clock_not_ours)
{
    struct pod p;
    int64_t id = 0;

    pod_open(&p, &(struct pod_spec){.index = PODS + 9});
    wait_s(&p, -3600000);
    p.config.behind_ms = MINUTE_MS;
    pod_again(&p);
    pod_round_ok(&p);
    id = late_invoice(&p, 0);
    pod_round_ok(&p);
    NOT(has_invoice(&p, id));
    pod_close(&p);
}

SUITE(overlap,
      RUN_LONG(a_commit_late_by_less_than_an_hour_is_read_by_the_next_poll, 60),
      RUN_LONG(what_is_late_widens_the_overlap, 60),
      RUN_LONG(a_late_change_of_what_is_known_counts_as_well, 60),
      RUN_LONG(what_is_on_time_is_not_late, 60),
      RUN_LONG(late_receipts_widen_their_own_overlap, 60),
      RUN_LONG(once_a_day_a_whole_day_is_looked_back, 60),
      RUN_LONG(what_is_younger_than_the_distance_is_left_for_the_next_poll, 60),
      RUN_LONG(a_pod_whose_clock_is_ahead_is_read_the_same, 60),
      RUN_LONG(a_pod_whose_clock_is_behind_is_read_the_same, 60),
      RUN_LONG(the_distance_is_kept_to_the_pods_clock_not_ours, 60))
