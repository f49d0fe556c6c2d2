/* SPDX-License-Identifier: UNLICENSED */
/*
 * When things are due and how far is looked back; passes as they are loaded.
 */
#include "feed_priv.h"
#include "ml/jsonx.h"
#include "unit.h"

#define DAY_MS INT64_C(86400000)
#define DAY_US (DAY_MS * 1000)
#define HOUR_MS INT64_C(3600000)
#define HOUR_US (HOUR_MS * 1000)
#define NOW INT64_C(1700000000123456)

/* ---- days ---------------------------------------------------------------- */

TEST(the_last_day_began_within_a_day_and_the_next_begins_a_day_later)
{
    static const uint64_t keys[] = {0, 1, 12345, UINT64_MAX,
                                    UINT64_C(0x9e3779b97f4a7c15)};

    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        int64_t last = daily_last_us(NOW, DAY_MS, keys[i]);

        IS(last <= NOW);
        IS(last > NOW - DAY_US);
        EQ_INT(daily_last_us(last, DAY_MS, keys[i]), last);
        EQ_INT(daily_last_us(last - 1, DAY_MS, keys[i]), last - DAY_US);
        EQ_INT(daily_last_us(last + DAY_US - 1, DAY_MS, keys[i]), last);
        EQ_INT(daily_last_us(last + DAY_US, DAY_MS, keys[i]), last + DAY_US);
    }
}

TEST(days_begin_in_the_three_hours_after_midnight_and_not_all_at_once)
{
    int64_t least = DAY_US;
    int64_t most = 0;

    for (uint64_t key = 0; key < 2000; key++) {
        int64_t at = daily_last_us(NOW, DAY_MS, key * 7919 * 104729) % DAY_US;

        IS(at < 3 * HOUR_US);
        least = at < least ? at : least;
        most = at > most ? at : most;
    }
    IS(least < HOUR_US / 4);
    IS(most > 3 * HOUR_US - HOUR_US / 4);
}

TEST(days_of_any_length_and_times_before_1970_are_counted)
{
    IS(daily_last_us(NOW, 1, 77) > NOW - 1000);
    IS(daily_last_us(NOW, 1, 77) <= NOW);
    IS(daily_last_us(-5, DAY_MS, 0) <= -5);
    IS(daily_last_us(-5, DAY_MS, 0) > -5 - DAY_US);
    EQ_INT(daily_last_us(0, DAY_MS, 0), 0);
}

DEATH(no_day_at_all_aborts)
{
    (void)daily_last_us(NOW, 0, 1);
}

/* ---- looking back -------------------------------------------------------- */

TEST(the_overlap_is_twice_what_was_late_and_a_day_at_most)
{
    struct feeds_config c = {.overlap_ms = HOUR_MS, .wide_ms = DAY_MS};
    static const struct {
        int64_t late_us, want_us;
    } cases[] = {
        {0, HOUR_US},
        {1, HOUR_US},
        {HOUR_US / 2, HOUR_US},
        {HOUR_US / 2 + 1, HOUR_US + 2},
        {HOUR_US, 2 * HOUR_US},
        {5 * HOUR_US, 10 * HOUR_US},
        {12 * HOUR_US, 24 * HOUR_US},
        {12 * HOUR_US + 1, 24 * HOUR_US},
        {INT64_MAX, 24 * HOUR_US},
        {-1, HOUR_US},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        EQ_INT(overlap_us(&c, cases[i].late_us), cases[i].want_us);
    }
}

TEST(an_overlap_set_wider_than_the_daily_one_stays_as_set)
{
    struct feeds_config c = {.overlap_ms = 2 * DAY_MS, .wide_ms = DAY_MS};

    EQ_INT(overlap_us(&c, 0), 2 * DAY_US);
    EQ_INT(overlap_us(&c, 40 * DAY_US), 2 * DAY_US);
    c.overlap_ms = 0;
    EQ_INT(overlap_us(&c, 0), 0);
    EQ_INT(overlap_us(&c, HOUR_US), 2 * HOUR_US);
}

/* ---- passes -------------------------------------------------------------- */

struct stage {
    struct feeds f;
    struct poll p;
};

static void
stage_init(struct stage *s, const char *passes)
{
    struct fault f = {0};

    memset(s, 0, sizeof(*s));
    s->f.cfg.daily_ms = DAY_MS;
    s->f.cfg.tenant = 7;
    s->f.feed[FEED_INVOICES].f = &s->f;
    s->f.feed[FEED_INVOICES].kind = FEED_INVOICES;
    s->p.f = &s->f;
    s->p.feed = &s->f.feed[FEED_INVOICES];
    s->p.now_us = NOW;
    OK(jsonx_parse(passes, strlen(passes), &s->p.passes, &f));
}

static void
stage_fini(struct stage *s)
{
    json_decref(s->p.passes);
}

/* Whether a pass is due that was done then, the day having begun at `day`. */
static bool
is_due(int64_t day_us, int64_t done_us)
{
    char *text = mem_printf("{\"balances\":{\"revision\":3,\"done_us\":"
                            "%" PRId64 "}}",
                            done_us);
    struct stage s;
    struct pass pass;
    bool due = false;

    stage_init(&s, text);
    s.p.now_us = day_us;
    pass = pass_get(&s.p, "balances");
    due = pass_is_due(&s.p, &pass);
    stage_fini(&s);
    mem_free(text);
    return due;
}

TEST(a_pass_is_read_as_it_is_stored)
{
    struct stage s;
    struct pass a;
    struct pass b;
    struct pass none;

    stage_init(&s, "{\"backfill:x\":{\"revision\":4,\"from_us\":5,\"to_us\":"
                   "60,\"at_us\":7,\"at_id\":\"8\",\"begun_us\":9,"
                   "\"done_us\":null},\"balances\":{\"revision\":1,"
                   "\"done_us\":10}}");
    a = pass_get(&s.p, "backfill:x");
    IS(a.known);
    IS(a.open);
    EQ_STR(a.name, "backfill:x");
    EQ_INT(a.revision, 4);
    EQ_INT(a.from_us, 5);
    EQ_INT(a.to_us, 60);
    EQ_INT(a.at_us, 7);
    EQ_STR(a.at_id, "8");
    EQ_INT(a.done_us, 0);
    b = pass_get(&s.p, "balances");
    IS(b.known);
    NOT(b.open);
    EQ_INT(b.done_us, 10);
    EQ_STR(b.at_id, "");
    none = pass_get(&s.p, "drafts");
    NOT(none.known);
    NOT(none.open);
    EQ_STR(none.name, "drafts");
    stage_fini(&s);
}

TEST(a_pass_is_due_once_a_day_and_while_it_is_open)
{
    struct stage s;
    struct pass pass;
    int64_t day = 0;

    stage_init(&s, "{}");
    day = daily_last_us(NOW, DAY_MS, feed_key(s.p.feed));
    stage_fini(&s);
    IS(is_due(day, day - 1));
    NOT(is_due(day, day));
    NOT(is_due(day, day + 1));
    NOT(is_due(day - 1, day - 1));
    NOT(is_due(day + DAY_US - 1, day + 1));
    IS(is_due(day + DAY_US, day + 1));

    stage_init(&s, "{\"drafts\":{\"revision\":1,\"done_us\":null}}");
    pass = pass_get(&s.p, "drafts");
    s.f.cfg.daily_ms = 0;
    IS(pass_is_due(&s.p, &pass));
    pass = pass_get(&s.p, "balances");
    NOT(pass_is_due(&s.p, &pass));
    stage_fini(&s);
}

/* Nothing daily on the first day: all was just read. */
TEST(a_pass_never_begun_counts_from_the_first_poll)
{
    char *text = mem_printf("{\"backfill:receivablesInvoices\":{\"revision\":"
                            "1,\"begun_us\":%" PRId64 ",\"done_us\":null}}",
                            NOW);
    struct stage s;
    struct pass pass;

    stage_init(&s, text);
    pass = pass_get(&s.p, "drafts");
    NOT(pass_is_due(&s.p, &pass));
    s.p.now_us = daily_last_us(NOW, DAY_MS, feed_key(s.p.feed)) + DAY_US;
    IS(pass_is_due(&s.p, &pass));
    stage_fini(&s);
    mem_free(text);
}

/* ---- streams ------------------------------------------------------------- */

TEST(streams_lead_with_what_has_history)
{
    EQ_STR(feed_streams(FEED_INVOICES)[0], "receivablesInvoices");
    EQ_STR(feed_streams(FEED_PAYMENTS)[0], "standardReceipts");
    EQ_STR(feed_streams(FEED_CUSTOMERS)[0],
           "receivablesCustomerAccountActivities");
    for (unsigned k = 0; k < FEED_KINDS; k++) {
        const char *const *s = feed_streams((enum feed_kind)k);
        size_t n = 0;

        while (s[n] != NULL) {
            n++;
        }
        IS(n >= 1 && n <= STREAMS_MAX);
    }
}

SUITE(when,
      RUN(the_last_day_began_within_a_day_and_the_next_begins_a_day_later),
      RUN(days_begin_in_the_three_hours_after_midnight_and_not_all_at_once),
      RUN(days_of_any_length_and_times_before_1970_are_counted),
      DIES(no_day_at_all_aborts),
      RUN(the_overlap_is_twice_what_was_late_and_a_day_at_most),
      RUN(an_overlap_set_wider_than_the_daily_one_stays_as_set),
      RUN(a_pass_is_read_as_it_is_stored),
      RUN(a_pass_is_due_once_a_day_and_while_it_is_open),
      RUN(a_pass_never_begun_counts_from_the_first_poll),
      RUN(streams_lead_with_what_has_history))
