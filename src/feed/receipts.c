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
 *   C  ids above the highest, less a block, since ids are handed out in blocks;
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
#define DAY_US (INT64_C(86400) * 1000000)

enum {
    FIRST_LOOK = 100, /* rows of the first page, newest first */
    ID_BLOCK = 1000,  /* ids below the highest that may still come */
    DAYS_NEAR = 30,
    DAYS_FAR = 365
};

/* ---- rows --------------------------------------------------------------- */

static void
receipt_keep(struct poll *p, const json_t *row)
{
    (void)json_array_append_new(p->page.kept, collect_copy(row));
}

static bool
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

static const char *
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

static bool
in_history(const struct poll *p)
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
    if (us >= p->descent.floor_us && (!in_history(p) || us <= p->pass.to_us)) {
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

    if (in_history(p)) {
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
    } else if (in_history(p) && poll_must_yield(p)) {
        p->feed->unfinished = true;
        poll_return(p);
    } else {
        poll_go(p, descent_ask);
    }
}

/* Rows were deleted above: those between would be passed over. */
static bool
descent_is_past(const struct poll *p)
{
    return in_history(p) && p->pass.at_us > 0 && p->descent.offset > 0 &&
           p->descent.newest_us == 0 && p->page.n_rows > 0 &&
           p->page.rows[0].us < p->pass.at_us;
}

static void
descent_back(struct poll *p)
{
    unsigned back = p->feed->page;

    p->descent.offset = p->descent.offset > back ? p->descent.offset - back : 0;
}

static void
descent_advance(struct poll *p)
{
    const struct collect *c = &p->page;
    char offset[16];

    poll_stay(p);
    if (in_history(p)) {
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
        .limit = p->feed->page,
        .offset = p->descent.offset,
    };

    if (p->descent.offset == 0 && !in_history(p) && q.limit > FIRST_LOOK) {
        q.limit = FIRST_LOOK;
    }
    arena_reset(&p->arena);
    q.expand = receipt_expand(p);
    collect_reset(&p->page);
    p->sized = true;
    p->optional = true;
    poll_read(p, &q, on_descent_row, on_descent_page);
}

/* ---- C: by id ----------------------------------------------------------- */

static void ids_ask(struct poll *p);

static void
on_ids_row(void *arg, const json_t *row)
{
    struct poll *p = arg;
    const char *id = NULL;
    int64_t us = 0;

    if (!receipt_is_good(p, row, &id, &us)) {
        return;
    }
    collect_row(&p->page, row, id, us);
    if (!in_history(p) || us >= p->pass.from_us) {
        receipt_keep(p, row);
    }
}

static void
ids_next(struct poll *p)
{
    if (!p->more) {
        poll_return(p);
    } else if (in_history(p) && poll_must_yield(p)) {
        p->feed->unfinished = true;
        poll_return(p);
    } else {
        poll_go(p, ids_ask);
    }
}

/* The cursor's stamp is the newest seen, its id the highest. */
static void
ids_advance(struct poll *p)
{
    const struct collect *c = &p->page;
    const char *at = NULL;
    int64_t us = poll_cursor(p, RESOURCE, &at);

    if (in_history(p)) {
        poll_stay(p);
        pass_move(p, 0, p->last_id, !p->more);
        return;
    }
    for (size_t i = 0; i < c->n_rows; i++) {
        us = c->rows[i].us > us ? c->rows[i].us : us;
    }
    at =
        strtoll(p->last_id, NULL, 10) > strtoll(at, NULL, 10) ? p->last_id : at;
    poll_move(p, RESOURCE, us, at);
}

static void
on_ids_page(struct poll *p, const struct fusion_page *page)
{
    struct collect *c = &p->page;

    collect_sort(c);
    p->more = page->has_more && c->n_rows > 0;
    if (c->n_rows > 0) {
        (void)snprintf(p->last_id, sizeof(p->last_id), "%s",
                       c->rows[c->n_rows - 1].id);
    }
    ids_advance(p);
    payments_store(p, ids_next);
}

static void
ids_ask(struct poll *p)
{
    struct fusion_term term = {.attribute = ID, .op = ">"};
    struct fusion_query q = {.resource = RESOURCE,
                             .terms = &term,
                             .n_terms = 1,
                             .order_by = ID ":asc",
                             .limit = p->feed->page};

    arena_reset(&p->arena);
    term.number = p->last_id[0] == 0 ? "0" : p->last_id;
    q.expand = receipt_expand(p);
    collect_reset(&p->page);
    p->sized = true;
    p->optional = false;
    poll_read(p, &q, on_ids_row, on_ids_page);
}

static void
ids_fresh(struct poll *p)
{
    const char *at = NULL;
    long long id = 0;

    (void)poll_cursor(p, RESOURCE, &at);
    id = strtoll(at, NULL, 10) - ID_BLOCK;
    (void)snprintf(p->last_id, sizeof(p->last_id), "%lld", id > 0 ? id : 0);
    poll_go(p, ids_ask);
}

/* ---- C: stamps of the last days ----------------------------------------- */

static void days_ask(struct poll *p);

static void
on_days_row(void *arg, const json_t *row)
{
    struct poll *p = arg;
    const char *id = NULL;
    int64_t us = 0;
    json_t *o = NULL;

    if (!receipt_is_good(p, row, &id, &us)) {
        return;
    }
    collect_row(&p->page, row, id, us);
    if (map_unit_wanted(p->f->map, row)) {
        o = json_object();
        (void)json_object_set_new(o, "id", json_string(id));
        (void)json_object_set_new(o, "us", json_integer(us));
        (void)json_array_append_new(p->rows, o);
    }
}

static void
days_next(struct poll *p)
{
    if (p->more) {
        poll_go(p, days_ask);
        return;
    }
    json_decref(p->rows);
    p->rows = NULL;
    poll_return(p);
}

static void
on_stale(void *arg, enum err err, const char *json, const struct fault *f)
{
    struct poll *p = poll_from(arg);

    p->sop = NULL;
    if (poll_store_ok(p, err, f)) {
        receipts_take(p, json);
        poll_call(p, receipts_slice, days_next);
    }
}

static void
days_compare(struct poll *p)
{
    char *rows = feed_json(p->rows);

    poll_store_started(p, store_receipts_stale(p->f->store, p->f->cfg.tenant,
                                               rows, on_stale, p, &p->sop));
    mem_free(rows);
}

static void
on_days_page(struct poll *p, const struct fusion_page *page)
{
    struct collect *c = &p->page;

    collect_sort(c);
    p->more = page->has_more && c->n_rows > 0;
    if (c->n_rows > 0) {
        (void)snprintf(p->known_id, sizeof(p->known_id), "%s",
                       c->rows[c->n_rows - 1].id);
    }
    poll_go(p, days_compare);
}

static void
days_ask(struct poll *p)
{
    char date[TIME_TEXT_MAX];
    int64_t now = feeds_pod_us(p->f) != 0 ? feeds_pod_us(p->f) : p->now_us;
    int64_t days = p->wide ? DAYS_FAR : DAYS_NEAR;
    struct fusion_term terms[2] = {
        {.attribute = "ReceiptDate", .op = ">="},
        {.attribute = ID, .op = ">", .number = p->known_id},
    };
    struct fusion_query q = {
        .resource = RESOURCE,
        .terms = terms,
        .n_terms = p->known_id[0] == 0 ? 1 : 2,
        .fields = ID ",BusinessUnit,LastUpdateDate",
        .order_by = ID ":asc",
        .limit = p->feed->page,
    };

    terms[0].text = time_format_date(now - days * DAY_US, date);
    json_decref(p->rows);
    p->rows = json_array();
    collect_reset(&p->page);
    p->sized = true;
    p->optional = false;
    poll_read(p, &q, on_days_row, on_days_page);
}

static void
days_over(struct poll *p)
{
    collect_reset(&p->page);
    poll_stay(p);
    if (p->wide) {
        pass_over(p, "receipts");
    }
    poll_store(p, FEED_PAYMENTS, poll_return);
}

static void
days_fresh(struct poll *p)
{
    struct pass daily = pass_get(p, "receipts");

    p->wide = pass_is_due(p, &daily);
    p->known_id[0] = 0;
    poll_call(p, days_ask, days_over);
}

/* ---- by id -------------------------------------------------------------- */

static void
by_id_next(struct poll *p)
{
    hand_set(p, NULL, false);
    poll_return(p);
}

static void by_id_ask(struct poll *p);

static void
on_by_id(struct poll *p, const struct fusion_page *page)
{
    if (page == NULL) {
        poll_go(p, by_id_next); /* refused: another day */
        return;
    }
    if (got_more(p, page)) {
        poll_go(p, by_id_ask);
        return;
    }
    collect_reset(&p->page);
    poll_stay(p);
    for (size_t i = 0; i < json_array_size(p->got); i++) {
        (void)json_array_append(p->page.kept, json_array_get(p->got, i));
    }
    payments_store(p, by_id_next);
}

static void
by_id_ask(struct poll *p)
{
    struct fusion_term term = {.attribute = ID, .op = "in"};
    struct fusion_query q = {.resource = RESOURCE,
                             .terms = &term,
                             .n_terms = 1,
                             .order_by = ID ":asc"};

    arena_reset(&p->arena);
    term.list = poll_list(p, p->hand);
    q.expand = receipt_expand(p);
    p->optional = true;
    got_ask(p, &q, on_by_id);
}

void
receipts_by_id(struct poll *p)
{
    if (json_array_size(p->hand) == 0) {
        poll_go(p, by_id_next);
        return;
    }
    got_begin(p);
    poll_go(p, by_id_ask);
}

/* "<receipt>:<invoice>" and "<receipt>:unapplied", sorted: each receipt once. */
void
receipts_by_payment(struct poll *p)
{
    json_t *ids = json_array();
    char last[64] = "";

    for (size_t i = 0; i < json_array_size(p->hand); i++) {
        const char *key = json_string_value(json_array_get(p->hand, i));
        size_t n = key == NULL ? 0 : strcspn(key, ":");

        if (n > 0 && n < sizeof(last) &&
            (strncmp(last, key, n) != 0 || last[n] != 0)) {
            memcpy(last, key, n);
            last[n] = 0;
            (void)json_array_append_new(ids, json_string(last));
        }
    }
    hand_set(p, ids, false);
    poll_go(p, receipts_by_id);
}

void
receipts_take(struct poll *p, const char *json)
{
    struct fault ignored = {0};

    json_decref(p->open);
    p->open = NULL;
    if (jsonx_parse(json, strlen(json), &p->open, &ignored) != ERR_OK) {
        p->open = json_array();
    }
}

void
receipts_slice(struct poll *p)
{
    if (json_array_size(p->open) == 0) {
        poll_return(p);
        return;
    }
    hand_set(p, json_array(), false);
    while (json_array_size(p->open) > 0 &&
           json_array_size(p->hand) < CHUNK_RECEIPTS) {
        (void)json_array_append(p->hand, json_array_get(p->open, 0));
        (void)json_array_remove(p->open, 0);
    }
    poll_call(p, receipts_by_id, receipts_slice);
}

/* ---- those with a rest -------------------------------------------------- */

static void
on_open(void *arg, enum err err, const char *json, const struct fault *f)
{
    struct poll *p = poll_from(arg);

    p->sop = NULL;
    if (poll_store_ok(p, err, f)) {
        receipts_take(p, json);
        poll_go(p, receipts_slice);
    }
}

static void
open_list(struct poll *p)
{
    int64_t age_ms = p->by_hand ? 0 : p->f->cfg.open_age_ms;

    poll_store_started(p, store_open_receipts(p->f->store, p->f->cfg.tenant,
                                              age_ms,
                                              OPEN_REQUESTS * CHUNK_RECEIPTS,
                                              on_open, p, &p->sop));
}

/* ---- which -------------------------------------------------------------- */

static void
fresh_open(struct poll *p)
{
    p->late_before_us = 0;
    poll_go(p, open_list);
}

static void
fresh_days(struct poll *p)
{
    poll_call(p, days_fresh, fresh_open);
}

void
receipts_fresh(struct poll *p, step_fn *back)
{
    ML_ASSERT(p->n_returns < RETURNS_MAX);
    p->returns[p->n_returns++] = back;
    memset(&p->pass, 0, sizeof(p->pass));
    switch (p->f->learned.receipts) {
    case 'A':
        scan_start(p, &by_stamp, fresh_open);
        break;
    case 'C':
        poll_call(p, ids_fresh, fresh_days);
        break;
    case 'B':
    default:
        descent_init(&p->descent, poll_cursor(p, RESOURCE, NULL) -
                                      scan_overlap(p, RESOURCE));
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
        (void)snprintf(p->last_id, sizeof(p->last_id), "%s", p->pass.at_id);
        poll_call(p, ids_ask, history_ended);
        return;
    }
    descent_init(&p->descent, p->pass.from_us);
    p->descent.offset = (unsigned)strtoul(p->pass.at_id, NULL, 10);
    if (p->descent.offset > 0) {
        descent_back(p);
    }
    poll_call(p, descent_ask, history_ended);
}
