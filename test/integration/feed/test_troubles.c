/* SPDX-License-Identifier: UNLICENSED */
/*
 * What a pod may do wrong: nothing is parked for it, nothing skipped, the
 * cursor stays, and afterwards everything is there.
 */
#include "compare.h"

enum { PODS = 124 };

#define FSCM "/fscmRestApi/resources/11.13.18.05/"
#define INVOICES FSCM "receivablesInvoices"
#define AGES INT64_C(86400000)

static int64_t
cursor(struct pod *p)
{
    return pod_sql(p, "SELECT coalesce((SELECT stamp_us FROM "
                      "ml_connector.cursor WHERE stream = "
                      "'receivablesInvoices'), -1)");
}

static enum err
err_of(struct pod *p, enum feed_kind k)
{
    return feeds_status(p->feeds, k).err;
}

static const char *
state_of(struct pod *p)
{
    return feeds_status(p->feeds, FEED_INVOICES).state;
}

/* Something is there to be read, and the cursor will not be where it was. */
static void
something_new(struct pod *p, const char *word)
{
    (void)pod_post(p, "invoice/%" PRId64 "?PurchaseOrder=%s",
                   open_invoice(p, 1), word);
}

struct trouble {
    const char *name, *rule;
    enum err err;
    const char *state;
};

/* A rule against every request of Fusion's invoices: the poll fails, waits,
 * and goes on when the trouble is over. */
static const struct trouble troubles[] = {
    {"403", "\"status\":403,\"path\":\"" INVOICES "\"", ERR_FORBIDDEN,
     "backoff"},
    {"404", "\"status\":404,\"path\":\"" INVOICES "\"", ERR_MISSING, "backoff"},
    {"an empty 400",
     "\"status\":400,\"body\":\"empty\",\"path\":\"" INVOICES "\"",
     ERR_UNAVAILABLE, "backoff"},
    {"HTML with 200",
     "\"status\":200,\"text\":\"<html>sign in</html>\","
     "\"path\":\"" INVOICES "\"",
     ERR_SYNTAX, "backoff"},
    {"HTML with 500",
     "\"status\":500,\"body\":\"html\",\"path\":\"" INVOICES "\"",
     ERR_UNAVAILABLE, "backoff"},
    {"504", "\"status\":504,\"body\":\"html\",\"path\":\"" INVOICES "\"",
     ERR_TIMEOUT, "backoff"},
    {"429", "\"status\":429,\"path\":\"" INVOICES "\"", ERR_THROTTLED,
     "backoff"},
    {"429 for a long time",
     "\"status\":429,\"retry_after\":7200,\"path\":"
     "\"" INVOICES "\"",
     ERR_THROTTLED, "backoff"},
    {"503", "\"status\":503,\"body\":\"html\",\"path\":\"" INVOICES "\"",
     ERR_MAINTENANCE, "maintenance"},
    {"a reset", "\"action\":\"reset\",\"path\":\"" INVOICES "\"", ERR_RESET,
     "backoff"},
    {"half of the body", "\"action\":\"truncate\",\"path\":\"" INVOICES "\"",
     ERR_RESET, "backoff"},
    {"half of the JSON",
     "\"status\":200,\"text\":\"{\\\"items\\\":[{\\\"Cust\",\"path\":"
     "\"" INVOICES "\"",
     ERR_SYNTAX, "backoff"},
    {"401 again and again",
     "\"status\":401,\"body\":\"empty\",\"path\":"
     "\"" INVOICES "\"",
     ERR_CREDENTIALS, "backoff"},
};

static void
is_waited_out(struct pod *p, const struct trouble *t)
{
    char *rule = mem_printf("{\"server\":\"fusion\",%s}", t->rule);
    int64_t at = cursor(p);
    int64_t parked = 0;
    struct feed_status s;

    something_new(p, "trouble");
    pod_fault(p, rule);
    pod_round(p);
    s = feeds_status(p->feeds, FEED_INVOICES);
    (void)fprintf(stderr, "%s: %s, %s: %s\n", t->name, s.state, err_name(s.err),
                  s.fault.message);
    ck_assert_msg(s.err == t->err, "%s: %s, not %s", t->name, err_name(s.err),
                  err_name(t->err));
    ck_assert_msg(strcmp(s.state, t->state) == 0, "%s: %s", t->name, s.state);
    ck_assert_msg(cursor(p) == at, "%s moved the cursor", t->name);
    parked = pod_sql(p, "SELECT count(*) FROM ml_connector.job WHERE state = "
                        "'parked'");
    EQ_INT(parked, 0);
    IS(s.fault.message[0] != 0);
    pod_mend(p);
    pod_round_ok(p);
    ck_assert_msg(cursor(p) > at, "after %s the cursor stays", t->name);
    mem_free(rule);
}

TEST(no_trouble_of_the_pod_loses_or_parks_anything)
{
    struct pod_spec spec = {.index = PODS};
    struct pod p;

    pod_open(&p, &spec);
    p.config.open_age_ms = AGES;
    pod_again(&p);
    pod_round_ok(&p);
    for (size_t i = 0; i < COUNT_OF(troubles); i++) {
        is_waited_out(&p, &troubles[i]);
    }
    is_as_from_scratch(&p, &spec);
    pod_close(&p);
}

/* In the middle of a walk over history, once each. */
TEST(a_single_failure_between_pages_is_only_asked_again)
{
    static const char *const rules[] = {
        "\"status\":401,\"body\":\"empty\"",
        "\"status\":429",
        "\"status\":429,\"retry_after\":1",
        "\"status\":500",
        "\"status\":503,\"body\":\"html\"",
        "\"status\":504",
        "\"action\":\"reset\"",
        "\"action\":\"truncate\"",
        "\"action\":\"slow\"",
        "\"action\":\"close\"",
        "\"status\":200,\"text\":\"{\\\"items\\\":[\"",
        "\"when\":\"after\",\"status\":502,\"body\":\"html\""};
    struct pod_spec spec = {.index = PODS + 1, .page = 10};
    struct pod p;

    pod_open(&p, &spec);
    for (size_t i = 0; i < COUNT_OF(rules); i++) {
        char *rule = mem_printf("{\"server\":\"fusion\",\"path\":\"" INVOICES
                                "\",\"skip\":%zu,\"next\":1,%s}",
                                i % 10 + 5, rules[i]);

        pod_fault(&p, rule);
        mem_free(rule);
    }
    pod_round_ok(&p);
    invoices_are_equal(&p);
    pod_mend(&p);
    is_as_from_scratch(&p, &spec);
    pod_close(&p);
}

/* The longest from the end of a failed poll of invoices to the next one, of the
 * fifth on. */
static int64_t
pause_ms(struct pod *p)
{
    return pod_sql(p, "SELECT max(extract(epoch FROM next - finished_at) * "
                      "1000)::bigint FROM (SELECT finished_at, row_number() "
                      "OVER w AS n, lead(started_at) OVER w AS next FROM "
                      "ml_connector.poll WHERE feed = 'invoices' AND outcome "
                      "= 'MAINTENANCE' WINDOW w AS (ORDER BY started_at)) p "
                      "WHERE n > 4");
}

TEST(maintenance_for_hours_is_waited_for_longer_and_longer)
{
    struct pod_spec spec = {.index = PODS + 2};
    struct pod p;
    int64_t at = 0;
    int64_t polls = 0;
    int64_t tried = 0;

    pod_open(&p, &spec);
    pod_round_ok(&p);
    at = cursor(&p);
    something_new(&p, "maintained");
    (void)pod_post(&p, "switches?maintenance=1");
    p.config.retry_base_ms = 2;
    p.config.retry_cap_ms = 1000000;
    pod_start(&p, 1);
    polls = pod_sql(&p, "SELECT count(*) FROM ml_connector.poll");
    do {
        loop_turn(p.loop, 1);
        tried = pod_sql(&p, "SELECT count(*) FROM ml_connector.poll WHERE "
                            "feed = 'invoices' AND outcome = 'MAINTENANCE'");
    } while (tried < 9 || strcmp(state_of(&p), "maintenance") != 0);
    EQ_INT(cursor(&p), at);
    EQ_INT(p.halted, 0);
    EQ_INT(pod_sql(&p, "SELECT count(*) FROM ml_connector.feed WHERE feed = "
                       "'invoices' AND state = 'maintenance'"),
           1);
    IS(pod_sql(&p, "SELECT count(*) FROM ml_connector.poll") > polls);
    EQ_INT(pod_sql(&p, "SELECT count(*) FROM ml_connector.job WHERE state = "
                       "'parked'"),
           0);
    /* At random below 256 ms and more each time, not below 16. */
    IS(pause_ms(&p) > 60);
    p.config.retry_cap_ms = 20;
    (void)pod_post(&p, "switches?maintenance=0");
    pod_again(&p);
    pod_round_ok(&p);
    EQ_STR(state_of(&p), "idle");
    is_as_from_scratch(&p, &spec);
    pod_close(&p);
}

TEST(describe_that_is_refused_leaves_receipts_newest_first)
{
    struct pod_spec spec = {.index = PODS + 3};
    struct pod p;

    pod_open(&p, &spec);
    (void)pod_post(&p, "switches?describe_status=406");
    pod_round_ok(&p);
    EQ_INT(pod_sql(&p, "SELECT count(*) FROM ml_connector.tenant WHERE "
                       "learned ->> 'fusion_receipts' = 'B'"),
           1);
    (void)pod_post(&p, "switches?reset=1");
    is_as_from_scratch(&p, &spec);
    pod_close(&p);
}

TEST(more_that_never_comes_is_an_error_and_more_that_ends_is_not)
{
    struct pod_spec spec = {.index = PODS + 4, .page = 10};
    struct pod p;
    int64_t at = 0;

    pod_open(&p, &spec);
    (void)pod_post(&p, "switches?has_more_empty=2");
    pod_round(&p);
    EQ_ERR(err_of(&p, FEED_INVOICES), ERR_PROMISE);
    at = cursor(&p);
    (void)pod_post(&p, "switches?reset=1");
    pod_round_ok(&p);
    IS(cursor(&p) >= at);
    is_as_from_scratch(&p, &spec);
    pod_close(&p);
}

TEST(a_login_page_is_not_taken_for_an_empty_pod)
{
    struct pod_spec spec = {.index = PODS + 5};
    struct pod p;
    int64_t at = 0;

    pod_open(&p, &spec);
    pod_round_ok(&p);
    at = cursor(&p);
    something_new(&p, "login");
    (void)pod_post(&p, "switches?redirect=1");
    pod_round(&p);
    IS(err_of(&p, FEED_INVOICES) != ERR_OK);
    IS(err_of(&p, FEED_PAYMENTS) != ERR_OK);
    IS(err_of(&p, FEED_CUSTOMERS) != ERR_OK);
    EQ_INT(cursor(&p), at);
    (void)pod_post(&p, "switches?redirect=0");
    pod_round_ok(&p);
    is_as_from_scratch(&p, &spec);
    pod_close(&p);
}

SUITE(troubles, RUN_LONG(no_trouble_of_the_pod_loses_or_parks_anything, 120),
      RUN_LONG(a_single_failure_between_pages_is_only_asked_again, 60),
      RUN_LONG(maintenance_for_hours_is_waited_for_longer_and_longer, 60),
      RUN_LONG(describe_that_is_refused_leaves_receipts_newest_first, 60),
      RUN_LONG(more_that_never_comes_is_an_error_and_more_that_ends_is_not, 60),
      RUN_LONG(a_login_page_is_not_taken_for_an_empty_pod, 60))
