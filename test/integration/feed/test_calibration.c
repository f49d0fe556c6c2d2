/* SPDX-License-Identifier: UNLICENSED */
/*
 * How a pod wants its time literals: found out once, remembered, and looked at
 * again when there is reason to.
 */
#include "compare.h"

enum { PODS = 30 };

/* The literal's style, and what is added to it, as remembered; -1: not. */
static int64_t
learned(struct pod *p, const char *what)
{
    return pod_sql(p,
                   "SELECT coalesce((learned ->> '%s')::bigint, -1) FROM "
                   "ml_connector.tenant",
                   what);
}

static bool
is_calibrated(struct pod *p)
{
    return pod_sql(p, "SELECT count(*) FROM ml_connector.tenant WHERE "
                      "learned ->> 'fusion_calibrated' IS NOT NULL") == 1;
}

/* What changes now is in the next round, and nothing else. */
static void
changes_arrive(struct pod *p, const char *word)
{
    int64_t id = open_invoice(p, 3);

    settle(p);
    (void)pod_post(p, "invoice/%" PRId64 "?PurchaseOrder=%s", id, word);
    pod_round_ok(p);
    IS(record_is(p, id, word));
    /* and its customer, when this is now the newest invoice */
    EQ_INT(pod_sql(p, "SELECT count(*) FROM ml_connector.job WHERE kind <> "
                      "'customer'"),
           1);
}

/* A pod with these switches is read as one without, now and later. */
static void
is_read(size_t index, const char *switches, int literal, int zone_min)
{
    struct pod_spec spec = {.index = index, .page = 25};
    struct pod p;

    pod_open(&p, &spec);
    (void)pod_post(&p, "switches?%s", switches);
    p.config.open_age_ms = INT64_C(86400000);
    pod_again(&p);
    pod_round_ok(&p);
    if (literal >= 0) {
        EQ_INT(learned(&p, "fusion_literal"), literal);
    }
    EQ_INT(learned(&p, "fusion_zone_min"), zone_min);
    invoices_are_equal(&p);
    changes_arrive(&p, "first");
    pod_again(&p);
    changes_arrive(&p, "second");
    (void)pod_post(&p, "switches?reset=1");
    is_as_from_scratch(&p, &spec);
    pod_close(&p);
}

TEST(every_style_alone_is_found)
{
    static const struct {
        const char *switches;
        int literal;
    } styles[] = {{"literals=1", FUSION_LITERAL_ISO_QUOTED},
                  {"literals=2", FUSION_LITERAL_ZULU_QUOTED},
                  {"literals=4", FUSION_LITERAL_BLANK_QUOTED},
                  {"literals=34", FUSION_LITERAL_ISO_BARE}};

    for (size_t i = 0; i < COUNT_OF(styles); i++) {
        is_read(PODS + i, styles[i].switches, styles[i].literal, 0);
    }
}

TEST(a_zone_ahead_is_found)
{
    is_read(PODS + 4, "all_shift_min=330", -1, -330);
}

TEST(a_zone_behind_is_found)
{
    is_read(PODS + 5, "all_shift_min=-480", -1, 480);
}

TEST(a_zone_of_one_hour_is_found)
{
    is_read(PODS + 6, "all_shift_min=60", -1, -60);
}

TEST(a_zone_where_only_whole_seconds_are_said_is_found)
{
    is_read(PODS + 7, "literals=4&zone_shift_min=345",
            FUSION_LITERAL_BLANK_QUOTED, -345);
}

TEST(a_style_that_carries_its_zone_is_preferred_to_a_zone)
{
    is_read(PODS + 8, "literals=6&zone_shift_min=-300",
            FUSION_LITERAL_ZULU_QUOTED, 0);
}

/* Halted with these words; nothing was stored, nothing was moved. */
static void
is_senseless(size_t index, const char *switches, const char *words)
{
    struct pod p;

    pod_open(&p, &(struct pod_spec){.index = index});
    (void)pod_post(&p, "switches?%s", switches);
    pod_round(&p);
    IS(p.halted > 0);
    EQ_ERR(p.halted_err, ERR_PROMISE);
    HAS(p.halted_fault.message, words);
    EQ_INT(pod_sql(&p, "SELECT count(*) FROM ml_connector.record"), 0);
    EQ_INT(pod_sql(&p, "SELECT count(*) FROM ml_connector.cursor"), 0);
    EQ_INT(pod_sql(&p, "SELECT count(*) FROM ml_connector.pass"), 0);
    NOT(is_calibrated(&p));
    (void)pod_post(&p, "switches?reset=1");
    p.halted = 0;
    pod_again(&p);
    pod_round_ok(&p);
    EQ_INT(p.halted, 0);
    invoices_are_equal(&p);
    pod_close(&p);
}

TEST(a_pod_that_ignores_the_condition_on_the_stamp_is_refused)
{
    is_senseless(PODS + 9, "q_ignored=1", "does not look at LastUpdateDate");
}

TEST(a_pod_that_ignores_every_condition_is_refused)
{
    is_senseless(PODS + 10, "q_ignored=2", "does not look at LastUpdateDate");
}

TEST(a_pod_that_refuses_every_style_is_refused)
{
    is_senseless(PODS + 11, "literals=8", "refuses every known way");
}

TEST(a_pod_where_the_stamp_cannot_be_asked_for_is_refused)
{
    is_senseless(PODS + 12, "invoices_stamp_q=0", "refuses every known way");
}

/* Nothing of the pod may be seen. */
TEST(an_empty_pod_is_polled_and_calibrated_once_rows_are_there)
{
    struct pod_spec spec = {.index = PODS + 13};
    struct pod p;

    pod_open(&p, &spec);
    (void)pod_post(&p, "switches?trim_percent=100&all_shift_min=120");
    pod_round_ok(&p);
    EQ_INT(p.halted, 0);
    NOT(is_calibrated(&p));
    EQ_INT(records(&p, "invoice"), 0);
    (void)pod_post(&p, "switches?trim_percent=0");
    pod_again(&p);
    pod_round_ok(&p);
    IS(is_calibrated(&p));
    EQ_INT(learned(&p, "fusion_zone_min"), -120);
    pod_close(&p);
}

TEST(a_new_process_does_not_ask_again)
{
    struct pod p;

    pod_open(&p, &(struct pod_spec){.index = PODS + 14});
    (void)pod_post(&p, "switches?literals=4");
    pod_round_ok(&p);
    p.config.open_age_ms = INT64_C(86400000);
    for (int i = 0; i < 2; i++) {
        pod_again(&p);
        pod_round_ok(&p);
        EQ_INT(cost(&p, "invoices"), 1);
        EQ_INT((int64_t)fusion_get_literal(p.fusion),
               FUSION_LITERAL_BLANK_QUOTED);
    }
    pod_close(&p);
}

TEST(a_style_that_is_refused_later_is_looked_at_again)
{
    struct pod_spec spec = {.index = PODS + 15, .page = 10};
    struct pod p;

    pod_open(&p, &spec);
    (void)pod_post(&p, "switches?literals=1");
    feeds_poll_once(p.feeds);
    pod_stored(&p);
    EQ_INT(learned(&p, "fusion_literal"), FUSION_LITERAL_ISO_QUOTED);
    /* In the middle of a walk the pod changes its mind. */
    (void)pod_post(&p, "switches?literals=4&zone_shift_min=90");
    loop_run(p.loop);
    pod_round_ok(&p);
    EQ_INT(learned(&p, "fusion_literal"), FUSION_LITERAL_BLANK_QUOTED);
    EQ_INT(learned(&p, "fusion_zone_min"), -90);
    changes_arrive(&p, "refused");
    (void)pod_post(&p, "switches?reset=1");
    is_as_from_scratch(&p, &spec);
    pod_close(&p);
}

/* As if it had been found right so many hours ago. */
static void
calibrated_ago(struct pod *p, int hours)
{
    (void)pod_sql(p,
                  "UPDATE ml_connector.tenant SET learned = learned || "
                  "jsonb_build_object('fusion_calibrated', to_char(now() AT "
                  "TIME ZONE 'UTC' - interval '%d hours', "
                  "'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'))",
                  hours);
}

TEST(it_is_asked_again_each_day_by_the_feed_of_invoices_alone)
{
    struct pod p;

    pod_open(&p, &(struct pod_spec){.index = PODS + 16});
    pod_round_ok(&p);
    /* Nothing else is daily, and this is due whenever an hour has passed. */
    (void)pod_sql(&p, "UPDATE ml_connector.pass SET begun_at = now() + "
                      "interval '1 day'");
    p.config.open_age_ms = INT64_C(86400000);
    p.config.daily_ms = INT64_C(86400000);
    calibrated_ago(&p, 30);
    pod_again(&p);
    pod_round_ok(&p);
    EQ_INT(cost(&p, "invoices"), 5); /* 4 of them for this */
    EQ_INT(cost(&p, "customers"), 3);
    pod_again(&p);
    pod_round_ok(&p);
    EQ_INT(cost(&p, "invoices"), 1);
    pod_close(&p);
}

TEST(a_zone_is_asked_for_again_each_hour)
{
    struct pod_spec spec = {.index = PODS + 17};
    struct pod p;

    pod_open(&p, &spec);
    (void)pod_post(&p, "switches?all_shift_min=60");
    p.config.open_age_ms = INT64_C(86400000);
    pod_again(&p);
    pod_round_ok(&p);
    EQ_INT(learned(&p, "fusion_zone_min"), -60);
    /* Summer time ends. */
    (void)pod_post(&p, "switches?all_shift_min=0");
    calibrated_ago(&p, 2);
    pod_again(&p);
    changes_arrive(&p, "winter");
    EQ_INT(learned(&p, "fusion_zone_min"), 0);
    /* And comes within the hour: what changes is not lost. */
    (void)pod_post(&p, "switches?all_shift_min=120");
    calibrated_ago(&p, 30);
    p.config.daily_ms = INT64_C(86400000);
    (void)pod_sql(&p, "UPDATE ml_connector.pass SET begun_at = now() + "
                      "interval '1 day'");
    pod_again(&p);
    changes_arrive(&p, "summer");
    EQ_INT(learned(&p, "fusion_zone_min"), -120);
    (void)pod_post(&p, "switches?all_shift_min=180");
    changes_arrive(&p, "doubled");
    pod_close(&p);
}

/* Each calibration remembers another moment: they are counted from now on. */
static void
count_calibrations(struct pod *p)
{
    (void)pod_sql(
        p, "CREATE TABLE calibration (at text); CREATE FUNCTION note_it() "
           "RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO "
           "public.calibration VALUES (NEW.learned ->> "
           "''fusion_calibrated''); RETURN NEW; END'; CREATE TRIGGER note_it "
           "AFTER UPDATE ON ml_connector.tenant FOR EACH ROW WHEN "
           "(OLD.learned -> 'fusion_calibrated' IS DISTINCT FROM NEW.learned "
           "-> 'fusion_calibrated') EXECUTE FUNCTION note_it()");
}

TEST(feeds_that_poll_at_once_ask_once)
{
    struct pod p;

    pod_open(&p, &(struct pod_spec){.index = PODS + 18});
    count_calibrations(&p);
    (void)pod_post(&p, "switches?latency_ms=20");
    feeds_sync(p.feeds, FEED_KINDS);
    while (records(&p, "invoice") < POD_INVOICES ||
           records(&p, "customer") < POD_CUSTOMERS ||
           feeds_status(p.feeds, FEED_PAYMENTS).opened == 0) {
        pod_stored(&p);
    }
    EQ_INT(pod_sql(&p, "SELECT count(*) FROM calibration"), 1);
    pod_round_ok(&p);
    EQ_INT(pod_sql(&p, "SELECT count(*) FROM calibration"), 1);
    pod_close(&p);
}

SUITE(calibration, RUN_LONG(every_style_alone_is_found, 120),
      RUN_LONG(a_zone_ahead_is_found, 60), RUN_LONG(a_zone_behind_is_found, 60),
      RUN_LONG(a_zone_of_one_hour_is_found, 60),
      RUN_LONG(a_zone_where_only_whole_seconds_are_said_is_found, 60),
      RUN_LONG(a_style_that_carries_its_zone_is_preferred_to_a_zone, 60),
      RUN_LONG(a_pod_that_ignores_the_condition_on_the_stamp_is_refused, 60),
      RUN_LONG(a_pod_that_ignores_every_condition_is_refused, 60),
      RUN_LONG(a_pod_that_refuses_every_style_is_refused, 60),
      RUN_LONG(a_pod_where_the_stamp_cannot_be_asked_for_is_refused, 60),
      RUN_LONG(an_empty_pod_is_polled_and_calibrated_once_rows_are_there, 60),
      RUN_LONG(a_new_process_does_not_ask_again, 60),
      RUN_LONG(a_style_that_is_refused_later_is_looked_at_again, 60),
      RUN_LONG(it_is_asked_again_each_day_by_the_feed_of_invoices_alone, 60),
      RUN_LONG(a_zone_is_asked_for_again_each_hour, 60),
      RUN_LONG(feeds_that_poll_at_once_ask_once, 60))
