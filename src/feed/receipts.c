/* SPDX-License-Identifier: UNLICENSED */
/*
 * Which receipts to read: three strategies, since most pods do not let the
 * stamp of a receipt be asked for.
 *
 *   A  it can be asked for: as any other resource (scan.c)
 *   B  newest first, down to the cursor less the overlap. The cursor moves only
 *      when that was met; a walk broken off begins again at the top. Sorting by
 *      what cannot be asked for is promised by nobody: every page is checked,
 *      and the first one out of order makes it C
 *   C  (receipts_id.c) ids above the highest, less a block, since ids are handed out in blocks;
 *      stamps of all receipts of the last days against what is known; once a
 *      day the stamps of a year
 *
 * Then, whatever the strategy, those with a rest, or not cleared, that were not
 * read for a while: nobody promises that applying a receipt stamps it.
 *
 * History is walked by stamp (A), by offset from the newest (B: rows only ever
 * move down, what was deleted is made up for by going back), or by id (C).
 */
#include "feed_priv.h"
#include "ml/jsonx.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RESOURCE "standardReceipts"
#define ID "StandardReceiptId"

enum {
    FIRST_LOOK = 100, /* rows of the first page, newest first */
    BACKS_MAX = 20    /* a pod that moves faster is read as it comes */
};

/* ---- rows --------------------------------------------------------------- */

void
receipt_keep(struct poll *p, const json_t *row)
{
    (void)json_array_append_new(p->page.kept, collect_copy(row));
}

bool
receipt_is_good(struct poll *p, const json_t *row, const char **id, int64_t *us)
{
    struct fault f = {0};
    bool has = false;

    *id = jsonx_text(row, ID);
    if (*id == NULL) {
        poll_bad_row(p, MAP_PAYMENT, row, NULL, ID, "an id");
        return false;
    }
    if (jsonx_get_time(row, "LastUpdateDate", &has, us, &f) != ERR_OK || !has) {
        poll_bad_row(p, MAP_PAYMENT, row, *id, "LastUpdateDate", "a time");
        return false;
    }
    return true;
}

const char *
receipt_expand(struct poll *p)
{
    return poll_expand(p, NULL, MAP_RES_RECEIPTS);
}

/* ---- A: by stamp -------------------------------------------------------- */

static void
on_scan_row(void *arg, const json_t *row)
{
    const char *id = NULL;
    int64_t us = 0;

    if (scan_takes(arg, row, ID, &id, &us)) {
        receipt_keep(arg, row);
    }
}

static void
scan_page_store(struct poll *p)
{
    payments_store(p, scan_next);
}

static const struct scan_spec by_stamp = {
    .resource = RESOURCE,
    .stream = RESOURCE,
    .id = ID,
    .kind = MAP_PAYMENT,
    .source = MAP_RES_RECEIPTS,
    .row = on_scan_row,
    .page = scan_page_store,
};

/* ---- B: newest first ---------------------------------------------------- */

static void descent_ask(struct poll *p);

bool
walks_history(const struct poll *p)
{
    return p->pass.name[0] != 0;
}

static void
on_descent_row(void *arg, const json_t *row)
{
    struct poll *p = arg;
    const char *id = NULL;
    int64_t us = 0;

    if (!receipt_is_good(p, row, &id, &us)) {
        return;
    }
    collect_row(&p->page, row, id, us);
    if (us >= p->descent.floor_us &&
        (!walks_history(p) || us <= p->pass.to_us)) {
        receipt_keep(p, row);
    }
}

/* The old watermark was met: the newest row is the new one, but nothing that
 * may still be committing. */
static void
descent_ended(struct poll *p)
{
    int64_t to = feeds_until_us(p->f);
    const struct descent *d = &p->descent;
    bool recent = to != 0 && d->newest_us > to;

    if (walks_history(p)) {
        poll_return(p);
        return;
    }
    p->late_before_us = 0;
    collect_reset(&p->page);
    poll_move(p, RESOURCE, recent ? to : d->newest_us,
              recent ? "" : d->newest_id);
    scan_over(p, RESOURCE, to);
    poll_store(p, FEED_PAYMENTS, poll_return);
}

static void
descent_next(struct poll *p)
{
    if (p->next != WINDOW_MORE) {
        poll_go(p, descent_ended);
    } else if (walks_history(p) && poll_must_yield(p)) {
        p->feed->unfinished = true;
        poll_return(p);
    } else {
        poll_go(p, descent_ask);
    }
}

/* The page begins below the row that the one before ended with: rows were
 * deleted above, and those between would be passed over. */
static bool
descent_is_past(const struct poll *p)
{
    const struct descent *d = &p->descent;
    const struct window_row *first = p->page.rows;

    return d->asked > 0 && !d->bare && d->backs < BACKS_MAX &&
           p->page.n_rows > 0 &&
           (first->us < d->last_us ||
            (first->us == d->last_us && d->last_id[0] != 0 &&
             id_cmp(first->id, d->last_id) < 0));
}

static void
descent_back(struct poll *p)
{
    unsigned back = p->feed->page;

    p->descent.backs++;
    p->descent.offset = p->descent.offset > back ? p->descent.offset - back : 0;
}

static void
descent_advance(struct poll *p)
{
    const struct collect *c = &p->page;
    char offset[16];

    poll_stay(p);
    if (walks_history(p)) {
        (void)snprintf(offset, sizeof(offset), "%u", p->descent.offset);
        pass_move(p, c->n_rows > 0 ? c->rows[c->n_rows - 1].us : 0, offset,
                  p->next == WINDOW_END);
        return;
    }
    scan_lateness(p, RESOURCE);
}

static void
on_descent_page(struct poll *p, const struct fusion_page *page)
{
    struct window_page wp = {.rows = p->page.rows, .n = p->page.n_rows};
    struct fault why = p->fault;

    if (page == NULL && why.err != ERR_REFUSED) {
        poll_fail(p, why.err, &why);
        return;
    }
    if (page == NULL) {
        receipts_cannot_be_sorted(p);
        return;
    }
    collect_sort(&p->page);
    if (descent_is_past(p)) {
        descent_back(p);
        poll_go(p, descent_ask);
        return;
    }
    wp.received = page->count;
    wp.has_more = page->has_more;
    p->next = descent_page(&p->descent, &wp);
    if (p->next == WINDOW_DISORDER) {
        receipts_cannot_be_sorted(p);
        return;
    }
    descent_advance(p);
    payments_store(p, descent_next);
}

static void
descent_ask(struct poll *p)
{
    struct fusion_query q = {
        .resource = RESOURCE,
        .order_by = "LastUpdateDate:desc," ID ":desc",
        .limit = p->feed->page < 2 ? 2 : p->feed->page,
    };
    struct descent *d = &p->descent;

    d->asked = d->offset > 0 && !d->bare ? d->offset - 1 : d->offset;
    q.offset = d->asked;
    if (d->offset == 0 && !walks_history(p) && q.limit > FIRST_LOOK) {
        q.limit = FIRST_LOOK;
    }
    arena_reset(&p->arena);
    q.expand = receipt_expand(p);
    collect_reset(&p->page);
    p->sized = true;
    p->optional = true;
    poll_read(p, &q, on_descent_row, on_descent_page);
}

/* ---- which -------------------------------------------------------------- */

static void
fresh_open(struct poll *p)
{
    p->late_before_us = 0;
    poll_go(p, receipts_open);
}

static void
fresh_days(struct poll *p)
{
    poll_call(p, receipts_days, fresh_open);
}

void
receipts_fresh(struct poll *p, step_fn *back)
{
    int64_t floor = stream_floor_us(p, RESOURCE);
    int64_t from = 0;

    ML_ASSERT(p->n_returns < RETURNS_MAX);
    p->returns[p->n_returns++] = back;
    memset(&p->pass, 0, sizeof(p->pass));
    switch (p->f->learned.receipts) {
    case 'A':
        scan_start(p, &by_stamp, fresh_open);
        break;
    case 'C':
        poll_call(p, receipts_new_ids, fresh_days);
        break;
    case 'B':
    default:
        from = poll_cursor(p, RESOURCE, NULL) - scan_overlap(p, RESOURCE);
        descent_init(&p->descent, from < floor ? floor : from);
        poll_call(p, descent_ask, fresh_open);
        break;
    }
}

static void
history_ended(struct poll *p)
{
    pass_leave(p);
    poll_return(p);
}

void
receipts_history(struct poll *p, step_fn *back)
{
    char strategy = p->f->learned.receipts;

    if (strategy == 'A') {
        backfill(p, &by_stamp, back);
        return;
    }
    if (!backfill_takes(p, RESOURCE)) {
        poll_go(p, back);
        return;
    }
    ML_ASSERT(p->n_returns < RETURNS_MAX);
    p->returns[p->n_returns++] = back;
    if (strategy == 'C') {
        poll_call(p, receipts_all_ids, history_ended);
        return;
    }
    descent_init(&p->descent, p->pass.from_us);
    p->descent.offset = (unsigned)strtoul(p->pass.at_id, NULL, 10);
    p->descent.last_us = p->pass.at_us;
    poll_call(p, descent_ask, history_ended);
}
