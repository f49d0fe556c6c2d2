/* SPDX-License-Identifier: UNLICENSED */
/*
 * Payments: receipts that changed, each with what it was applied to.
 *
 *     strategy -> page of receipts -> applications -> records -> intake -> ...
 *
 * A: the pod lets LastUpdateDate be asked for: as any other resource.
 * B: it does not: newest first, down to the watermark less the overlap. The
 *    watermark moves only when that was reached; a scan broken off begins
 *    again at the top. Sorting by an attribute that cannot be asked for is
 *    promised by nobody, so each page is checked.
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
enum { FIRST_LOOK = 100 }; /* rows of the first page, newest first */

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

static void receipts_next(struct poll *p);

static void
receipts_stored(struct poll *p)
{
    applications_reset(p);
    if (p->f->need_invoices.count >= NEEDS_SERVE * 4) {
        poll_call(p, needs_serve, receipts_next);
        return;
    }
    poll_go(p, receipts_next);
}

static void
receipts_store(struct poll *p)
{
    for (size_t i = 0; i < json_array_size(p->page.kept); i++) {
        receipt_map(p, json_array_get(p->page.kept, i));
    }
    if (json_object_size(p->apps.learnt) > 0) {
        accounts_remember(p, p->apps.learnt);
    }
    poll_store(p, FEED_PAYMENTS, receipts_stored);
}

static void
receipts_page(struct poll *p)
{
    poll_call(p, applications_read, receipts_store);
}

static void
receipt_keep(struct poll *p, const json_t *row)
{
    (void)json_array_append_new(p->page.kept, collect_copy(row));
}

static void
payments_serve(struct poll *p)
{
    poll_call(p, needs_serve, poll_end);
}

/* ---- A: by stamp -------------------------------------------------------------------- */

static void
on_scan_row(void *arg, const json_t *row)
{
    const char *id = NULL;
    int64_t us = 0;

    if (scan_takes(arg, row, ID, &id, &us)) {
        receipt_keep(arg, row);
    }
}

static const struct scan_spec receipts = {
    .resource = RESOURCE,
    .stream = RESOURCE,
    .id = ID,
    .kind = MAP_PAYMENT,
    .row = on_scan_row,
    .page = receipts_page,
};

/* ---- B: newest first ------------------------------------------------------------------ */

static void
on_descent_row(void *arg, const json_t *row)
{
    struct poll *p = arg;
    const char *id = jsonx_text(row, ID);
    struct fault f = {0};
    int64_t us = 0;
    bool has = false;

    if (id == NULL) {
        poll_bad_row(p, MAP_PAYMENT, row, NULL, ID, "an id");
        return;
    }
    if (jsonx_get_time(row, "LastUpdateDate", &has, &us, &f) != ERR_OK ||
        !has) {
        poll_bad_row(p, MAP_PAYMENT, row, id, "LastUpdateDate", "a time");
        return;
    }
    collect_row(&p->page, row, id, us);
    if (us >= p->descent.floor_us) {
        receipt_keep(p, row);
    }
}

static void
on_descent_page(struct poll *p, const struct fusion_page *page)
{
    struct window_page wp = {.rows = p->page.rows,
                             .n = p->page.n_rows,
                             .received = page->count,
                             .has_more = page->has_more};
    struct fault why = {0};

    collect_sort(&p->page);
    p->next = descent_page(&p->descent, &wp);
    if (p->next == WINDOW_DISORDER) {
        (void)fault_set(&why, ERR_PROMISE,
                        "standardReceipts: LastUpdateDate can neither be "
                        "asked for nor be sorted by on this pod, so that "
                        "changed receipts cannot be found");
        poll_fail(p, ERR_PROMISE, &why);
        return;
    }
    memset(&p->cursor, 0, sizeof(p->cursor));
    receipts_page(p);
}

static void
descent_ask(struct poll *p)
{
    struct fusion_query q = {
        .resource = RESOURCE,
        .order_by = "LastUpdateDate:desc," ID ":desc",
        .limit = p->feed->page,
        .offset = p->descent.offset,
    };

    if (p->descent.offset == 0 && !p->backfill && q.limit > FIRST_LOOK) {
        q.limit = FIRST_LOOK;
    }
    collect_reset(&p->page);
    p->sized = true;
    p->optional = false;
    poll_read(p, &q, on_descent_row, on_descent_page);
}

/* The old watermark was met: the newest row is the new one, but nothing that
 * may still be committing. */
static void
descent_ended(struct poll *p)
{
    int64_t to = feeds_until_us(p->f);
    const struct descent *d = &p->descent;
    bool recent = to != 0 && d->newest_us > to;

    collect_reset(&p->page);
    poll_move(p, RESOURCE, recent ? to : d->newest_us,
              recent ? "" : d->newest_id);
    poll_store(p, FEED_PAYMENTS, payments_serve);
}

static void
descent_begin(struct poll *p)
{
    int64_t at = poll_cursor(p, RESOURCE, NULL);

    descent_init(&p->descent, at == 0 ? p->f->cfg.since_us :
                                        at - p->f->cfg.overlap_ms * 1000);
    p->descending = true;
    poll_go(p, descent_ask);
}

static void
receipts_next(struct poll *p)
{
    if (!p->descending) {
        poll_go(p, scan_next);
    } else if (p->next == WINDOW_MORE) {
        poll_go(p, descent_ask);
    } else {
        poll_go(p, descent_ended);
    }
}

/* ---- which ------------------------------------------------------------------------------ */

static void
strategy_go(struct poll *p)
{
    if (p->f->learned.receipts == 'A') {
        scan_start(p, &receipts, payments_serve);
    } else {
        poll_go(p, descent_begin);
    }
}

static void
on_learnt(void *arg, enum err err, const struct fault *f)
{
    struct poll *p = poll_from(arg);

    p->sop = NULL;
    if (poll_store_ok(p, err, f)) {
        poll_go(p, strategy_go);
    }
}

static void
strategy_learn(struct poll *p)
{
    char text[64];

    (void)snprintf(text, sizeof(text), "{\"fusion_receipts\":\"%c\"}",
                   p->f->learned.receipts);
    poll_store_started(p,
                       store_tenant_learn(p->f->store, p->f->cfg.tenant, NULL,
                                          text, on_learnt, p, &p->sop));
}

static void
on_describe(void *arg, enum err err, bool queryable, const struct fault *f)
{
    struct poll *p = poll_from(arg);
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
    p->f->learned.receipts = err == ERR_OK && queryable ? 'A' : 'B';
    LOG_INFO(&p->log, "feed.strategy", "receipts=%c describe=%s",
             p->f->learned.receipts, err_name(err));
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
payments_begin(struct poll *p)
{
    poll_go(p, p->f->learned.receipts == 0 ? strategy_ask : strategy_go);
}
