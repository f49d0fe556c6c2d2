/* SPDX-License-Identifier: UNLICENSED */
/*
 * History beside the fresh polls: begun, given way, broken off, gone on with,
 * begun anew.
 */
#include "compare.h"

enum { PODS = 65 };

#define BACKFILL "backfill:receivablesInvoices"

/* A column of a pass of the invoices; -1: it was never begun. */
static int64_t
pass(struct pod *p, const char *name, const char *column)
{
    return pod_sql(p,
                   "SELECT coalesce((SELECT %s FROM ml_connector.pass WHERE "
                   "pass = '%s'), -1)",
                   column, name);
}

static bool
is_open(struct pod *p, const char *name)
{
    return pass(p, name, "(done_at IS NULL)::integer") == 1;
}

/* Of the last poll, or of the one under way. */
static int64_t
rows_read(struct pod *p)
{
    return (int64_t)feeds_status(p->feeds, FEED_INVOICES).read;
}

static int
by_stamp(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a;
    int64_t y = *(const int64_t *)b;

    return x < y ? -1 : x > y;
}

/* The stamp of the invoice that has so many older ones. */
static int64_t
stamp_of(struct pod *p, size_t n, size_t *at_least)
{
    const json_t *all =
        json_object_get(pod_get(p, "dump/invoices?limit=100000"), "invoices");
    int64_t stamps[POD_INVOICES * 2];
    size_t count = json_array_size(all);

    IS(n < count && count <= COUNT_OF(stamps));
    for (size_t i = 0; i < count; i++) {
        stamps[i] = json_integer_value(
                        json_object_get(json_array_get(all, i), "_stamp_us")) /
                    1000 * 1000;
    }
    qsort(stamps, count, sizeof(stamps[0]), by_stamp);
    *at_least = count - n;
    while (n > 0 && stamps[n - 1] == stamps[n]) {
        n--;
        (*at_least)++;
    }
    return stamps[n];
}

TEST(the_first_poll_begins_at_the_pods_clock_and_makes_history_a_pass)
{
    struct pod p;
    int64_t now = 0;

    pod_open(&p, &(struct pod_spec){.index = PODS, .page = 10});
    (void)pod_post(&p, "switches?clock_ms=7200000");
    now = pod_sql(&p, "SELECT (extract(epoch FROM now()) * 1000000)::bigint") +
          INT64_C(7200) * 1000000;
    feeds_poll_once(p.feeds);
    pod_stored(&p);
    IS(is_open(&p, BACKFILL));
    IS(llabs(pod_sql(&p, "SELECT stamp_us FROM ml_connector.cursor WHERE "
                         "stream = 'receivablesInvoices'") -
             now) < 60 * INT64_C(1000000));
    EQ_INT(pass(&p, BACKFILL, "from_us"), 0);
    IS(llabs(pass(&p, BACKFILL, "to_us") - now) < 60 * INT64_C(1000000));
    loop_run(p.loop);
    NOT(is_open(&p, BACKFILL));
    invoices_are_equal(&p);
    pod_close(&p);
}

TEST(history_begins_where_the_tenant_does)
{
    struct pod_spec spec = {.index = PODS + 1, .page = 10};
    struct pod p;
    size_t n = 0;
    int64_t half = 0;

    pod_open(&p, &spec);
    half = stamp_of(&p, POD_INVOICES / 2, &n);
    pod_close(&p);
    spec.since_us = half;
    pod_open(&p, &spec);
    feeds_sync(p.feeds, FEED_INVOICES);
    while (pass(&p, BACKFILL, "revision") < 0 || is_open(&p, BACKFILL)) {
        loop_turn(p.loop, 1);
    }
    EQ_INT(pass(&p, BACKFILL, "from_us"), half);
    EQ_INT(records(&p, "invoice"), (int64_t)n);
    pod_close(&p);
}

/* Polls are due all the time; between any two pages of history there is one. */
TEST(history_gives_way_to_what_changes_now)
{
    struct pod_spec spec = {.index = PODS + 2, .page = 10};
    struct pod p;
    int64_t id = 0;
    int64_t changed_at = -1;

    pod_open(&p, &spec);
    pod_start(&p, 1);
    pod_stored(&p);
    IS(is_open(&p, BACKFILL));
    /* One that history has not come to. */
    id = strtoll(
        jsonx_text(
            json_array_get(
                json_object_get(pod_get(&p, "dump/invoices?offset=60&limit=1"),
                                "invoices"),
                0),
            "CustomerTransactionId"),
        NULL, 10);
    (void)pod_post(&p, "invoice/%" PRId64 "?PurchaseOrder=meanwhile", id);
    while (is_open(&p, BACKFILL)) {
        loop_turn(p.loop, 1);
        if (changed_at < 0 && record_is(&p, id, "meanwhile")) {
            changed_at = pass(&p, BACKFILL, "at_us");
            IS(is_open(&p, BACKFILL));
        }
    }
    IS(changed_at > 0);
    IS(changed_at < pass(&p, BACKFILL, "at_us"));
    IS(pod_sql(&p, "SELECT count(*) FROM ml_connector.poll WHERE feed = "
                   "'invoices'") > 3);
    p.config.interval_ms[FEED_INVOICES] = 600000;
    pod_again(&p);
    invoices_are_equal(&p);
    pod_round_ok(&p);
    is_as_from_scratch(&p, &spec);
    pod_close(&p);
}

TEST(history_goes_on_although_polls_last_longer_than_their_interval)
{
    struct pod p;

    pod_open(&p, &(struct pod_spec){.index = PODS + 3, .page = 20});
    (void)pod_post(&p, "switches?latency_ms=15");
    pod_start(&p, 1);
    do {
        loop_turn(p.loop, 1);
    } while (pass(&p, BACKFILL, "revision") < 0 || is_open(&p, BACKFILL));
    feeds_stop(p.feeds);
    invoices_are_equal(&p);
    pod_close(&p);
}

TEST(history_broken_off_goes_on_where_it_was)
{
    struct pod_spec spec = {.index = PODS + 4, .page = 10};
    struct pod p;
    int64_t at = 0;
    int64_t read = 0;

    pod_open(&p, &spec);
    p.config.open_age_ms = INT64_C(86400000);
    pod_again(&p);
    feeds_poll_once(p.feeds);
    for (int i = 0; i < 6; i++) {
        pod_stored(&p);
    }
    read = rows_read(&p);
    pod_again(&p);
    IS(is_open(&p, BACKFILL));
    at = pass(&p, BACKFILL, "at_us");
    IS(at > 0);
    IS(read >= 50 && read < POD_INVOICES);
    pod_round_ok(&p);
    NOT(is_open(&p, BACKFILL));
    IS(pass(&p, BACKFILL, "at_us") > at);
    invoices_are_equal(&p);
    /* Those of the stamp where it stood come again, and the overlap. */
    IS(read + rows_read(&p) <= POD_INVOICES + spec.page);
    is_as_from_scratch(&p, &spec);
    pod_close(&p);
}

TEST(history_broken_off_again_and_again_comes_to_its_end)
{
    struct pod_spec spec = {.index = PODS + 5, .page = 10};
    struct pod p;
    int rounds = 0;

    pod_open(&p, &spec);
    do {
        int64_t at = pass(&p, BACKFILL, "at_us");

        IS(++rounds < 40);
        feeds_poll_once(p.feeds);
        pod_stored(&p);
        pod_again(&p);
        IS(pass(&p, BACKFILL, "at_us") >= at);
    } while (is_open(&p, BACKFILL));
    IS(rounds > 5);
    pod_round_ok(&p);
    is_as_from_scratch(&p, &spec);
    pod_close(&p);
}

/* As `sync --since` does. */
static void
begin_anew(struct pod *p, int64_t from_us)
{
    (void)pod_sql(p,
                  "UPDATE ml_connector.pass SET revision = revision + 1, "
                  "from_us = CASE WHEN done_at IS NULL THEN least(from_us, "
                  "%" PRId64 ") ELSE %" PRId64 " END, at_us = CASE WHEN "
                  "done_at IS NULL THEN least(at_us, %" PRId64 ") ELSE "
                  "%" PRId64 " END, at_id = '', done_at = NULL WHERE pass = "
                  "'" BACKFILL "'",
                  from_us, from_us, from_us, from_us);
}

TEST(a_pass_begun_anew_while_it_is_walked_is_walked_again)
{
    struct pod_spec spec = {.index = PODS + 6, .page = 10};
    struct pod p;
    int64_t lost = 0;

    pod_open(&p, &spec);
    feeds_poll_once(p.feeds);
    for (int i = 0; i < 3; i++) {
        pod_stored(&p);
    }
    lost = pod_sql(&p, "SELECT fusion_id FROM ml_connector.record WHERE kind "
                       "= 'invoice' ORDER BY version_us LIMIT 1");
    forget(&p, "invoice", lost);
    begin_anew(&p, 0);
    loop_run(p.loop);
    /* The old walk came to its end and said so, in vain. */
    IS(is_open(&p, BACKFILL));
    EQ_INT(pass(&p, BACKFILL, "revision"), 2);
    EQ_INT(pass(&p, BACKFILL, "at_us"), 0);
    pod_round_ok(&p);
    NOT(is_open(&p, BACKFILL));
    EQ_INT(pass(&p, BACKFILL, "revision"), 2);
    is_as_from_scratch(&p, &spec);
    pod_close(&p);
}

TEST(a_pass_begun_by_hand_reads_from_there_on_and_opens_nothing_known)
{
    struct pod p;
    size_t want = 0;
    int64_t from = 0;
    int64_t each = 0;

    pod_open(&p, &(struct pod_spec){.index = PODS + 7, .page = 10});
    from = stamp_of(&p, 70, &want);
    p.config.open_age_ms = INT64_C(86400000);
    pod_again(&p);
    pod_round_ok(&p);
    pod_round_ok(&p);
    each = rows_read(&p);
    begin_anew(&p, from);
    pod_round_ok(&p);
    EQ_UINT(opened(&p), 0);
    EQ_INT(rows_read(&p), (int64_t)want + each);
    NOT(is_open(&p, BACKFILL));
    pod_close(&p);
}

TEST(asked_by_hand_open_invoices_are_read_whatever_their_age)
{
    struct pod p;
    int64_t id = 0;

    pod_open(&p, &(struct pod_spec){.index = PODS + 8});
    p.config.open_age_ms = INT64_C(86400000);
    pod_again(&p);
    pod_round_ok(&p);
    id = open_invoice(&p, 0);
    settle(&p);
    (void)pod_post(&p, "credit_memo?invoice=%" PRId64, id);
    pod_round_ok(&p);
    opened_is(&p, 0, "a credit memo that nobody looks for");
    feeds_sync(p.feeds, FEED_INVOICES);
    pod_stored(&p);
    EQ_INT(pod_sql(&p,
                   "SELECT count(*) FROM ml_connector.record WHERE fusion_id "
                   "= '%" PRId64 "' AND NOT open",
                   id),
           1);
    pod_close(&p);
}

TEST(history_is_backfill_and_what_is_new_is_fresh)
{
    struct pod p;
    int64_t id = 0;

    pod_open(&p, &(struct pod_spec){.index = PODS + 9});
    pod_round_ok(&p);
    EQ_INT(pod_sql(&p, "SELECT count(*) FROM ml_connector.job WHERE kind = "
                       "'invoice' AND class <> 'backfill'"),
           0);
    settle(&p);
    id = open_invoice(&p, 0);
    (void)pod_post(&p, "invoice/%" PRId64 "?PurchaseOrder=now", id);
    pod_round_ok(&p);
    EQ_INT(pod_sql(&p,
                   "SELECT count(*) FROM ml_connector.job WHERE fusion_id = "
                   "'%" PRId64 "' AND class = 'fresh'",
                   id),
           1);
    pod_close(&p);
}

/* The process ends after a page was stored and before what it needs was read. */
static void
ends_when_stored(struct pod *p, enum feed_kind k)
{
    feeds_sync(p->feeds, k);
    pod_stored(p);
    pod_again(p);
}

TEST(what_a_page_needs_survives_the_process_that_read_it)
{
    struct pod_spec spec = {.index = PODS + 11};
    struct pod p;
    int64_t id = 0;

    pod_open(&p, &spec);
    p.config.open_age_ms = INT64_C(86400000);
    pod_again(&p);
    pod_round_ok(&p);
    settle(&p);
    /* The newest invoice of an account names another contact. */
    id = pod_sql(&p, "SELECT hint_id FROM ml_connector.account WHERE hint_id "
                     "IS NOT NULL ORDER BY number LIMIT 1");
    (void)pod_post(
        &p, "invoice/%" PRId64 "?Email=other@example.com&PurchaseOrder=other",
        id);
    ends_when_stored(&p, FEED_INVOICES);
    pod_round_ok(&p);
    is_as_from_scratch(&p, &spec);
    pod_close(&p);
}

TEST(what_a_payment_touched_survives_the_process_that_read_it)
{
    struct pod_spec spec = {.index = PODS + 12};
    struct pod p;
    int64_t id = 0;

    pod_open(&p, &spec);
    p.config.open_age_ms = INT64_C(86400000);
    pod_again(&p);
    pod_round_ok(&p);
    settle(&p);
    id = open_invoice(&p, 0);
    (void)pod_post(&p,
                   "receipt?amount=1&account=%" PRId64 "&apply=%" PRId64 ":1",
                   pod_sql(&p,
                           "SELECT customer FROM ml_connector.record WHERE "
                           "kind = 'invoice' AND fusion_id = '%" PRId64 "'",
                           id),
                   id);
    ends_when_stored(&p, FEED_PAYMENTS);
    EQ_INT(pod_sql(&p,
                   "SELECT count(*) FROM ml_connector.record WHERE kind = "
                   "'payment' AND invoice = '%" PRId64 "'",
                   id),
           1);
    pod_round_ok(&p);
    is_as_from_scratch(&p, &spec);
    pod_close(&p);
}

/* Parties have no history of their own: it came with their accounts. */
TEST(only_what_leads_a_feed_has_history)
{
    struct pod p;

    pod_open(&p, &(struct pod_spec){.index = PODS + 10});
    pod_round_ok(&p);
    EQ_INT(pod_sql(&p, "SELECT count(*) FROM ml_connector.pass"), 3);
    EQ_INT(pod_sql(&p, "SELECT count(*) FROM ml_connector.pass WHERE pass IN "
                       "('backfill:receivablesInvoices', "
                       "'backfill:standardReceipts', "
                       "'backfill:receivablesCustomerAccountActivities')"),
           3);
    EQ_INT(pod_sql(&p, "SELECT count(*) FROM ml_connector.cursor"), 5);
    pod_close(&p);
}

SUITE(passes,
      RUN_LONG(the_first_poll_begins_at_the_pods_clock_and_makes_history_a_pass,
               60),
      RUN_LONG(history_begins_where_the_tenant_does, 60),
      RUN_LONG(history_gives_way_to_what_changes_now, 60),
      RUN_LONG(history_goes_on_although_polls_last_longer_than_their_interval,
               60),
      RUN_LONG(history_broken_off_goes_on_where_it_was, 60),
      RUN_LONG(history_broken_off_again_and_again_comes_to_its_end, 60),
      RUN_LONG(a_pass_begun_anew_while_it_is_walked_is_walked_again, 60),
      RUN_LONG(a_pass_begun_by_hand_reads_from_there_on_and_opens_nothing_known,
               60),
      RUN_LONG(asked_by_hand_open_invoices_are_read_whatever_their_age, 60),
      RUN_LONG(what_a_page_needs_survives_the_process_that_read_it, 60),
      RUN_LONG(what_a_payment_touched_survives_the_process_that_read_it, 60),
      RUN_LONG(history_is_backfill_and_what_is_new_is_fresh, 60),
      RUN_LONG(only_what_leads_a_feed_has_history, 60))
