/* SPDX-License-Identifier: UNLICENSED */
/*
 * Payments: receipts that changed, each with what it was applied to.
 *
 *     strategy -> page of receipts -> applications -> records -> intake -> ...
 *
 * Which receipts are read, and how, is receipts.c's; what the pod says of
 * LastUpdateDate decides between its strategies, once, and is remembered.
 *
 * A payment need not touch its invoice: the intake names the invoices that
 * changed, and they are read again before the poll ends.
 */
#include "feed_priv.h"
#include "ml/jsonx.h"
#include "ml/stat.h"

#include <stdio.h>
#include <string.h>

#define RESOURCE "standardReceipts"
#define ID "StandardReceiptId"
#define HISTORY "backfill:" RESOURCE

/* ---- records ---------------------------------------------------------------------- */

static void
receipt_map(struct poll *p, const json_t *receipt)
{
    struct collect *c = &p->page;
    const char *id = jsonx_text(receipt, ID);
    const char *number = jsonx_text(receipt, "CustomerAccountNumber");
    struct map_record *records = NULL;
    struct fault f = {0};
    size_t n = 0;
    enum map_fate fate = MAP_INVALID;

    if (number != NULL && *number != 0 &&
        json_object_get(p->apps.hrefs, number) == NULL) {
        /* Without its applications all of it would look unapplied. */
        (void)fault_set(&f, ERR_MISSING,
                        "account %.60s is not among the pod's account "
                        "activities: its applications cannot be read",
                        number);
        collect_fate(c, MAP_INVALID, MAP_PAYMENT, id, NULL, &f);
        return;
    }
    arena_reset(&c->work);
    fate = map_payments(p->f->map, &c->work, receipt,
                        json_object_get(p->apps.rows, id), &records, &n, &f);
    if (fate != MAP_RECORD) {
        collect_fate(c, fate, MAP_PAYMENT, id, NULL, &f);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        collect_record(c, &records[i]);
    }
}

static void
receipts_stored(struct poll *p)
{
    applications_reset(p);
    if (p->f->need_invoices.count >= NEEDS_SERVE * 4) {
        poll_go(p, needs_serve);
        return;
    }
    poll_return(p);
}

static void
receipts_store(struct poll *p)
{
    for (size_t i = 0; i < json_array_size(p->page.kept); i++) {
        receipt_map(p, json_array_get(p->page.kept, i));
    }
    if (json_object_size(p->apps.learnt) > 0) {
        accounts_remember(p, p->apps.learnt, NULL);
    }
    poll_store(p, FEED_PAYMENTS, receipts_stored);
}

void
payments_store(struct poll *p, step_fn *back)
{
    ML_ASSERT(p->n_returns < RETURNS_MAX);
    p->returns[p->n_returns++] = back;
    poll_call(p, applications_read, receipts_store);
}

/* ---- which ------------------------------------------------------------------------------ */

static void payments_serve(struct poll *p);

static void
payments_known(struct poll *p)
{
    remap_known(p, payments_serve);
}

static void
payments_history(struct poll *p)
{
    receipts_history(p, payments_known);
}

static void
payments_new(struct poll *p)
{
    if (stream_is_new(p, RESOURCE)) {
        stream_begin(p, RESOURCE, payments_history);
    } else {
        receipts_fresh(p, payments_history);
    }
}

static void
payments_serve(struct poll *p)
{
    poll_call(p, needs_serve, poll_end);
}

static void
strategy_go(struct poll *p)
{
    remap(p, payments_new);
}

static void
strategy_begun(struct poll *p)
{
    pass_leave(p);
    poll_go(p, strategy_go);
}

/* Each strategy says in its own way where a walk stands. */
static void
on_learnt(void *arg, enum err err, const struct fault *f)
{
    struct poll *p = poll_from(arg);
    struct pass s;

    p->sop = NULL;
    if (!poll_store_ok(p, err, f)) {
        return;
    }
    s = pass_get(p, HISTORY);
    if (p->other_strategy && s.open) {
        pass_begin(p, HISTORY, s.from_us, s.to_us, strategy_begun);
    } else {
        poll_go(p, strategy_go);
    }
}

static void
strategy_learn(struct poll *p)
{
    const struct learned *l = &p->f->learned;
    char at[TIME_TEXT_MAX];
    char text[128];

    (void)snprintf(text, sizeof(text),
                   "{\"fusion_receipts\":\"%c\",\"fusion_described\":"
                   "\"%s\"}",
                   l->receipts, time_format(l->described_us, at));
    poll_store_started(p,
                       store_tenant_learn(p->f->store, p->f->cfg.tenant, NULL,
                                          text, on_learnt, p, &p->sop));
}

static void
strategy_is(struct poll *p, char strategy)
{
    char *known = &p->f->learned.receipts;

    p->other_strategy = *known != 0 && *known != strategy;
    *known = strategy;
}

static void
on_describe(void *arg, enum err err, bool queryable, const struct fault *f)
{
    struct poll *p = poll_from(arg);
    struct learned *l = &p->f->learned;
    struct fusion_page page = {0};

    p->fop = NULL;
    p->requests++;
    /* A pod that does not describe its resources is read newest first; one
     * that only has trouble is asked again. */
    if (err == ERR_CREDENTIALS || err == ERR_TLS ||
        (err_class(err) == ERR_CLASS_AGAIN && err != ERR_SYNTAX &&
         err != ERR_PROMISE) ||
        err_class(err) == ERR_CLASS_LATER) {
        page.fault = *f;
        poll_read_failed(p, err, &page);
        return;
    }
    l->described_us = p->now_us;
    if (err == ERR_OK && queryable) {
        strategy_is(p, 'A');
    } else if (l->receipts == 0 || (err == ERR_OK && l->receipts == 'A')) {
        strategy_is(p, 'B');
    }
    LOG_INFO(&p->log, "feed.strategy", "receipts=%c describe=%s", l->receipts,
             err_name(err));
    poll_go(p, strategy_learn);
}

static void
strategy_ask(struct poll *p)
{
    enum err err = fusion_describe(p->f->fusion, RESOURCE, "LastUpdateDate",
                                   on_describe, p, &p->fop);
    struct fault why = {0};

    p->optional = false;
    p->fallback = false;
    p->has_time = false;
    p->sized = false;
    if (err != ERR_OK) {
        (void)fault_set(&why, err, "describe cannot be sent");
        poll_fail(p, err, &why);
    }
}

void
receipts_cannot_be_sorted(struct poll *p)
{
    LOG_WARN(&p->log, "feed.unsorted", "resource=%s", RESOURCE);
    strategy_is(p, 'C');
    poll_unwind(p); /* from the beginning */
    poll_go(p, strategy_learn);
}

/* Asked again once a day: pods learn with their releases. */
static void
payments_calibrated(struct poll *p)
{
    const struct learned *l = &p->f->learned;
    int64_t daily_ms = p->f->cfg.daily_ms;
    bool old =
        daily_ms > 0 &&
        l->described_us < daily_last_us(p->now_us, daily_ms, feed_key(p->feed));

    poll_go(p, l->receipts == 0 || old ? strategy_ask : strategy_go);
}

void
payments_begin(struct poll *p)
{
    poll_call(p, calibrate, payments_calibrated);
}
