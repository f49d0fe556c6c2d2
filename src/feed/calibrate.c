/* SPDX-License-Identifier: UNLICENSED */
/*
 * How this pod wants time stamps written in q, and in which zone it reads them.
 * Nobody documents it, and a wrong guess loses rows without a word. Asked with
 * questions whose answers are known:
 *
 *     >= far future: no rows --> the newest row, stamp T --> >= T: it is the
 *         first --> >= T + 2 s: it does not come --> right
 *
 * A 400 is answered with the next style (poll.c). Rows that come, or stay away,
 * against the question: the literal is read in another zone. The other styles
 * are tried, then the zone is searched for by quarters of an hour; one that is
 * found must fit the oldest row too, since a zone with summer time fits no
 * history. What cannot be made sense of halts the tenant: better no data than
 * some. A row that changes under the questions has them asked of another.
 *
 * Done once, remembered, and done again each day, each hour where there is a
 * zone (summer time comes), and after a 400. A pod without invoices cannot be
 * asked; nothing can be lost there either.
 */
#include "feed_priv.h"
#include "ml/jsonx.h"

#include <stdio.h>
#include <string.h>

#define RESOURCE "receivablesInvoices"
#define ID "CustomerTransactionId"
#define HOUR_US (INT64_C(3600) * 1000000)
#define FAR_FUTURE_US INT64_C(32472144000000000) /* 2999-01-01 */
#define FAR_PAST_US (INT64_C(86400) * 1000000)
#define UNIT_US 1000000   /* literals may have whole seconds */
#define BARELY_US 2000000 /* more than a literal may lose */

enum {
    QUARTERS = 58, /* of an hour: 14 h 30 min, more than any zone */
    QUARTER_MIN = 15,
    RESTARTS_MAX = 5,
    WAIT_MS = 200 /* for another feed's calibration */
};

void
calibration_doubt(struct feeds *f)
{
    f->learned.calibrated_us = 0;
    f->empty_us = 0;
}

static bool
is_needed(const struct poll *p)
{
    const struct feeds *f = p->f;
    const struct learned *l = &f->learned;
    int64_t age = p->now_us - l->calibrated_us;

    if (l->calibrated_us == 0) {
        return loop_now_us(f->loop) >= f->empty_us;
    }
    if (l->zone_min != 0 && age > HOUR_US) {
        return true;
    }
    return f->cfg.daily_ms > 0 && p->feed->kind == FEED_INVOICES &&
           age > HOUR_US &&
           l->calibrated_us <
               daily_last_us(p->now_us, f->cfg.daily_ms, feed_key(p->feed));
}

static void
over(struct poll *p)
{
    p->f->calibrating = NULL;
    poll_return(p);
}

/* ---- asking ------------------------------------------------------------- */

static void
on_row(void *arg, const json_t *row)
{
    struct poll *p = arg;
    struct calibration *c = &p->cal;
    struct fault ignored = {0};
    int64_t us = 0;
    bool has = false;

    if (c->rows++ == 0 &&
        jsonx_get_time(row, "LastUpdateDate", &has, &us, &ignored) == ERR_OK &&
        has) {
        c->us = us;
    }
}

/* One row of those at or after `us`. */
static void
ask(struct poll *p, int64_t us, const char *direction, page_fn *on_page)
{
    char order[64];
    struct fusion_term term = {.attribute = "LastUpdateDate",
                               .op = ">=",
                               .is_time = true,
                               .time_us = us};
    struct fusion_query q = {.resource = RESOURCE,
                             .terms = &term,
                             .n_terms = 1,
                             .fields = ID ",LastUpdateDate",
                             .order_by = order,
                             .limit = 1};

    (void)snprintf(order, sizeof(order), "LastUpdateDate:%s", direction);
    collect_reset(&p->page);
    p->cal.rows = 0;
    p->cal.us = 0;
    p->sized = false;
    p->optional = true;
    poll_read(p, &q, on_row, on_page);
}

/* Not answered: no style is known, or invoices may not be read at all. */
static void
refused(struct poll *p)
{
    struct fault why = p->fault;

    if (why.err == ERR_REFUSED) {
        poll_senseless(p,
                       "the pod refuses every known way of writing a time "
                       "stamp in q: %s",
                       why.message);
    } else if (p->feed->kind == FEED_INVOICES) {
        poll_fail(p, why.err, &why);
    } else {
        over(p); /* the feed of invoices will say it */
    }
}

/* ---- the end ------------------------------------------------------------ */

static void
on_learnt(void *arg, enum err err, const struct fault *f)
{
    struct poll *p = poll_from(arg);

    p->sop = NULL;
    if (poll_store_ok(p, err, f)) {
        over(p);
    }
}

static void
learn(struct poll *p)
{
    struct learned *l = &p->f->learned;
    char at[TIME_TEXT_MAX];
    char *text = NULL;

    l->has_literal = true;
    l->literal = fusion_get_literal(p->f->fusion);
    l->zone_min = fusion_get_zone(p->f->fusion);
    l->calibrated_us = p->now_us;
    text = mem_printf("{\"fusion_literal\":%d,\"fusion_zone_min\":%d,"
                      "\"fusion_calibrated\":\"%s\"}",
                      (int)l->literal, l->zone_min, time_format(p->now_us, at));
    poll_store_started(p,
                       store_tenant_learn(p->f->store, p->f->cfg.tenant, NULL,
                                          text, on_learnt, p, &p->sop));
    mem_free(text);
}

static void
right(struct poll *p)
{
    LOG_INFO(&p->log, "feed.calibrated", "literal=%u zone_min=%d",
             (unsigned)fusion_get_literal(p->f->fusion),
             fusion_get_zone(p->f->fusion));
    poll_go(p, learn);
}

/* ---- another zone ------------------------------------------------------- */

static void at_ask(struct poll *p);
static void newest_ask(struct poll *p);
static void oldest_ask(struct poll *p);
static void zone_ask(struct poll *p);

static void
no_sense(struct poll *p)
{
    poll_senseless(p, "the pod reads time stamps in q neither as UTC nor in "
                      "any zone without summer time: set the time zone of the "
                      "integration user to UTC");
}

/* The row looked for changed under our questions: with another one. */
static void
moved_on(struct poll *p)
{
    struct calibration *c = &p->cal;

    if (++c->restarts > RESTARTS_MAX) {
        no_sense(p);
        return;
    }
    fusion_set_literal(p->f->fusion, c->was);
    fusion_set_zone(p->f->fusion, c->was_zone);
    c->tries = 0;
    poll_go(p, newest_ask);
}

/* Its row comes as long as the zone is not too far ahead: the greatest with it
 * is the pod's. */
static void
on_zone(struct poll *p, const struct fusion_page *page)
{
    struct calibration *c = &p->cal;
    int middle = fusion_get_zone(p->f->fusion) / QUARTER_MIN;

    if (page == NULL) {
        refused(p);
        return;
    }
    if (c->rows > 0 && c->us > c->known_us + UNIT_US) {
        moved_on(p);
        return;
    }
    if (c->rows > 0) {
        c->low = middle;
    } else {
        c->high = middle;
    }
    if (c->high - c->low > 1) {
        poll_go(p, zone_ask);
        return;
    }
    fusion_set_zone(p->f->fusion, c->low * QUARTER_MIN);
    poll_go(p, at_ask);
}

static void
zone_ask(struct poll *p)
{
    struct calibration *c = &p->cal;
    int middle = c->low + (c->high - c->low) / 2;

    fusion_set_zone(p->f->fusion, middle * QUARTER_MIN);
    ask(p, c->known_us, "asc", on_zone);
}

/* The literal is not read as it is meant. */
static void
shifted(struct poll *p)
{
    struct fusion *fu = p->f->fusion;
    struct calibration *c = &p->cal;
    unsigned now = (unsigned)fusion_get_literal(fu);

    if (c->oldest) {
        no_sense(p); /* the zone that fits the newest row does not fit it */
    } else if (c->tries++ < FUSION_LITERALS) {
        fusion_set_zone(fu, 0);
        fusion_set_literal(fu,
                           (enum fusion_literal)((now + 1) % FUSION_LITERALS));
        poll_go(p, at_ask);
    } else if (c->tries == FUSION_LITERALS + 1) {
        fusion_set_literal(fu, c->was);
        c->low = -QUARTERS;
        c->high = QUARTERS;
        poll_go(p, zone_ask);
    } else {
        no_sense(p);
    }
}

/* ---- the questions ------------------------------------------------------ */

static void
on_after(struct poll *p, const struct fusion_page *page)
{
    const struct calibration *c = &p->cal;

    if (page == NULL) {
        refused(p);
    } else if (c->rows > 0 && c->us <= c->known_us + UNIT_US) {
        shifted(p);
    } else if (fusion_get_zone(p->f->fusion) != 0 && !c->oldest) {
        poll_go(p, oldest_ask);
    } else {
        right(p);
    }
}

static void
after_ask(struct poll *p)
{
    ask(p, p->cal.known_us + BARELY_US, "asc", on_after);
}

static void
on_at(struct poll *p, const struct fusion_page *page)
{
    const struct calibration *c = &p->cal;

    if (page == NULL) {
        refused(p);
    } else if (c->rows == 0 || (c->oldest && c->us > c->known_us + UNIT_US)) {
        shifted(p);
    } else if (c->us > c->known_us + UNIT_US) {
        moved_on(p);
    } else {
        poll_go(p, after_ask);
    }
}

static void
at_ask(struct poll *p)
{
    ask(p, p->cal.known_us, "asc", on_at);
}

/* Summer time shows in rows of another season only. */
static void
on_oldest(struct poll *p, const struct fusion_page *page)
{
    if (page == NULL) {
        refused(p);
        return;
    }
    p->cal.oldest = true;
    p->cal.known_us = p->cal.us;
    poll_go(p, at_ask);
}

static void
oldest_ask(struct poll *p)
{
    ask(p, FAR_PAST_US, "asc", on_oldest);
}

static void
on_newest(struct poll *p, const struct fusion_page *page)
{
    struct calibration *c = &p->cal;

    if (page == NULL) {
        refused(p);
        return;
    }
    if (c->rows == 0 || c->us == 0) {
        p->f->empty_us = loop_now_us(p->f->loop) + HOUR_US;
        over(p);
        return;
    }
    c->oldest = false;
    c->known_us = c->us;
    poll_go(p, at_ask);
}

static void
newest_ask(struct poll *p)
{
    ask(p, FAR_PAST_US, "desc", on_newest);
}

static void
on_future(struct poll *p, const struct fusion_page *page)
{
    if (page == NULL) {
        refused(p);
    } else if (p->cal.rows > 0) {
        poll_senseless(p, "the pod gives invoices changed after the year 2999 "
                          "when asked for them: it does not look at "
                          "LastUpdateDate, so changes cannot be polled");
    } else {
        poll_go(p, newest_ask);
    }
}

static void
future_ask(struct poll *p)
{
    ask(p, FAR_FUTURE_US, "asc", on_future);
}

void
calibrate(struct poll *p)
{
    struct feeds *f = p->f;

    if (f->calibrating != NULL && f->calibrating != p) {
        poll_again(p, WAIT_MS);
        return;
    }
    if (!is_needed(p)) {
        over(p);
        return;
    }
    f->calibrating = p;
    memset(&p->cal, 0, sizeof(p->cal));
    p->cal.was = fusion_get_literal(f->fusion);
    p->cal.was_zone = fusion_get_zone(f->fusion);
    poll_go(p, future_ask);
}
