/* SPDX-License-Identifier: UNLICENSED */
/*
 * Receipts by what can always be asked for: ids and dates.
 *
 *   new ones    ids above the highest, less a block: ids are handed out in
 *               blocks, so that a lower one may come later
 *   changed     all receipts of the last days
 *   by id       some, as a step of others; those with a rest, slice by slice
 *
 * Of the new and the changed three attributes are asked for first; only those
 * that nobody read, or not since they changed, are then read by id.
 *
 * The cursor holds the newest stamp seen and the highest id. History is walked
 * by id from the first; its rows older than wanted are dropped. A pod that does
 * not sort by id either is walked by offset.
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
    ID_BLOCK = 1000, /* ids below the highest that may still come */
    DAYS_NEAR = 30,
    DAYS_FAR = 365
};

/* ---- whether the pod sorts ---------------------------------------------- */

static void
on_probe_row(void *arg, const json_t *row)
{
    struct poll *p = arg;
    const char *id = jsonx_text(row, ID);

    (void)json_array_append_new(p->rows, json_string(id == NULL ? "" : id));
}

static void
probe_ask(struct poll *p, const char *order, page_fn *on_page)
{
    struct fusion_query q = {
        .resource = RESOURCE, .fields = ID, .order_by = order, .limit = 2};

    json_decref(p->rows);
    p->rows = json_array();
    collect_reset(&p->page);
    p->sized = false;
    p->optional = true;
    poll_read(p, &q, on_probe_row, on_page);
}

static const char *
probe_first(const struct poll *p)
{
    const char *id = json_string_value(json_array_get(p->rows, 0));

    return id == NULL ? "" : id;
}

static void
on_last(struct poll *p, const struct fusion_page *page)
{
    bool sorted = page != NULL && id_cmp(probe_first(p), p->known_id) > 0;

    p->f->ids = sorted ? IDS_SORTED : IDS_UNSORTED;
    (void)snprintf(p->f->ids_high, sizeof(p->f->ids_high), "%s",
                   sorted ? probe_first(p) : "");
    if (!sorted) {
        LOG_WARN(&p->log, "feed.unsorted", "resource=%s", RESOURCE);
    }
    poll_return(p);
}

static void
last_ask(struct poll *p)
{
    probe_ask(p, ID ":desc", on_last);
}

static void
on_first(struct poll *p, const struct fusion_page *page)
{
    if (page != NULL && json_array_size(p->rows) < 2) {
        poll_return(p); /* nothing to sort yet */
        return;
    }
    (void)snprintf(p->known_id, sizeof(p->known_id), "%s", probe_first(p));
    poll_go(p, last_ask);
}

/* The first by one order must not be the first by the other: rows that stand
 * sorted by chance say nothing. Once for a process. */
static void
probe(struct poll *p)
{
    if (p->f->ids != IDS_UNKNOWN) {
        poll_return(p);
    } else {
        probe_ask(p, ID ":asc", on_first);
    }
}

/* False: the pod was found to sort, and does not: the poll fails, and the next
 * looks again. */
static bool
walk_page(struct poll *p, const struct fusion_page *page)
{
    struct window_page wp = {.received = page->count};
    struct fault why = {0};

    collect_sort(&p->page);
    wp.rows = p->page.rows;
    wp.n = p->page.n_rows;
    p->more = page->has_more && page->count > 0;
    if (idwalk_page(&p->ids, &wp)) {
        return true;
    }
    p->f->ids = IDS_UNKNOWN;
    (void)fault_set(&why, ERR_PROMISE,
                    RESOURCE ": rows come in another order than asked for");
    poll_fail(p, ERR_PROMISE, &why);
    return false;
}

/* ---- history ------------------------------------------------------------ */

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
    if (us >= p->pass.from_us) {
        receipt_keep(p, row);
    }
}

static void
ids_next(struct poll *p)
{
    if (!p->more) {
        poll_return(p);
    } else if (poll_must_yield(p)) {
        p->feed->unfinished = true;
        poll_return(p);
    } else {
        poll_go(p, ids_ask);
    }
}

/* Where it stands: above an id, or "+" and an offset. */
static void
on_ids_page(struct poll *p, const struct fusion_page *page)
{
    const struct idwalk *w = &p->ids;
    char offset[16];

    if (walk_page(p, page)) {
        (void)snprintf(offset, sizeof(offset), "+%u", w->offset);
        poll_stay(p);
        pass_move(p, 0, w->unsorted ? offset : w->low, !p->more);
        payments_store(p, ids_next);
    }
}

static void
ids_ask(struct poll *p)
{
    struct fusion_term term = {.attribute = ID, .op = ">"};
    struct fusion_query q = {.resource = RESOURCE,
                             .terms = &term,
                             .n_terms = 1,
                             .order_by = ID ":asc",
                             .limit = p->feed->page,
                             .offset = p->ids.offset};

    arena_reset(&p->arena);
    term.number = p->ids.low[0] == 0 ? "0" : p->ids.low;
    q.expand = receipt_expand(p);
    collect_reset(&p->page);
    p->sized = true;
    p->optional = false;
    poll_read(p, &q, on_ids_row, on_ids_page);
}

/* By offset a page back, since rows may have been deleted. */
static void
all_begin(struct poll *p)
{
    const char *at = p->pass.at_id;
    bool unsorted = p->f->ids == IDS_UNSORTED;
    unsigned page = p->feed->page;
    unsigned offset = 0;

    idwalk_init(&p->ids, unsorted || at[0] == '+' ? "" : at, unsorted);
    if (unsorted && at[0] == '+') {
        offset = (unsigned)strtoul(at + 1, NULL, 10);
        p->ids.offset = offset > page ? offset - page : 0;
    }
    poll_go(p, ids_ask);
}

void
receipts_all_ids(struct poll *p)
{
    poll_call(p, probe, all_begin);
}

/* ---- by stamps against what is known ------------------------------------ */

static void light_ask(struct poll *p);
static void receipts_take(struct poll *p, const char *json);
static void receipts_slice(struct poll *p);

static void
on_light_row(void *arg, const json_t *row)
{
    struct poll *p = arg;
    const char *id = NULL;
    int64_t us = 0;
    json_t *o = NULL;

    if (!receipt_is_good(p, row, &id, &us)) {
        return;
    }
    collect_row(&p->page, row, id, us);
    p->light_us = us > p->light_us ? us : p->light_us;
    /* What was not touched since the tenant's beginning is not wanted; more of
     * it is history's. */
    if (us >= stream_floor_us(p, RESOURCE) && map_unit_wanted(p->f->map, row)) {
        o = json_object();
        (void)json_object_set_new(o, "id", json_string(id));
        (void)json_object_set_new(
            o, "us", json_integer(us >= p->light_again_us ? -1 : us));
        (void)json_array_append_new(p->rows, o);
    }
}

static void
light_next(struct poll *p)
{
    if (p->light_more) {
        poll_go(p, light_ask);
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
        poll_call(p, receipts_slice, light_next);
    }
}

static void
light_compare(struct poll *p)
{
    char *rows = feed_json(p->rows);

    poll_store_started(p, store_receipts_stale(p->f->store, p->f->cfg.tenant,
                                               rows, on_stale, p, &p->sop));
    mem_free(rows);
}

static void
on_light_page(struct poll *p, const struct fusion_page *page)
{
    if (walk_page(p, page)) {
        p->light_more = p->more;
        poll_go(p, light_compare);
    }
}

/* Those above the cursor's id less a block, or of the last days. */
static size_t
light_terms(struct poll *p, struct fusion_term terms[2], char date[])
{
    int64_t now = feeds_pod_us(p->f) != 0 ? feeds_pod_us(p->f) : p->now_us;
    int64_t days = p->wide ? DAYS_FAR : DAYS_NEAR;
    size_t n = 0;

    if (p->light_days) {
        terms[n++] = (struct fusion_term){
            .attribute = "ReceiptDate",
            .op = ">=",
            .text = time_format_date(now - days * DAY_US, date)};
    }
    if (p->ids.low[0] != 0) {
        terms[n++] = (struct fusion_term){
            .attribute = ID, .op = ">", .number = p->ids.low};
    }
    return n;
}

static void
light_ask(struct poll *p)
{
    char date[TIME_TEXT_MAX];
    struct fusion_term terms[2];
    struct fusion_query q = {
        .resource = RESOURCE,
        .terms = terms,
        .fields = ID ",BusinessUnit,LastUpdateDate",
        .order_by = ID ":asc",
        .limit = p->feed->page,
        .offset = p->ids.offset,
    };

    q.n_terms = light_terms(p, terms, date);
    json_decref(p->rows);
    p->rows = json_array();
    collect_reset(&p->page);
    p->sized = true;
    p->optional = false;
    poll_read(p, &q, on_light_row, on_light_page);
}

/* Inside the overlap all are read again: what they were applied to may have
 * come late, or in the same moment. */
static void
light_begin(struct poll *p)
{
    p->overlap_us = overlap_us(&p->f->cfg, p->late_us);
    p->light_again_us = poll_cursor(p, RESOURCE, NULL) - p->overlap_us;
}

/* All of them were read: now the cursor may move. */
static void
new_over(struct poll *p)
{
    const char *at = NULL;
    int64_t us = poll_cursor(p, RESOURCE, &at);

    us = p->light_us > us ? p->light_us : us;
    collect_reset(&p->page);
    poll_move(p, RESOURCE, us, id_cmp(p->ids.high, at) > 0 ? p->ids.high : at);
    poll_store(p, FEED_PAYMENTS, poll_return);
}

static void
new_begin(struct poll *p)
{
    const char *at = NULL;
    char low[64];
    long long id = 0;

    (void)poll_cursor(p, RESOURCE, &at);
    /* Never walked: the ids there were are history's. */
    at = at[0] == 0 ? p->f->ids_high : at;
    id = strtoll(at, NULL, 10) - ID_BLOCK;
    (void)snprintf(low, sizeof(low), "%lld", id > 0 ? id : 0);
    idwalk_init(&p->ids, low, p->f->ids == IDS_UNSORTED);
    p->light_days = false;
    p->light_us = 0;
    light_begin(p);
    poll_call(p, light_ask, new_over);
}

void
receipts_new_ids(struct poll *p)
{
    poll_call(p, probe, new_begin);
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

void
receipts_days(struct poll *p)
{
    struct pass daily = pass_get(p, "receipts");

    p->wide = pass_is_due(p, &daily);
    p->light_days = true;
    light_begin(p);
    idwalk_init(&p->ids, "", p->f->ids == IDS_UNSORTED);
    poll_call(p, light_ask, days_over);
}

/* ---- by id -------------------------------------------------------------- */

static void
by_id_next(struct poll *p)
{
    poll_go(p, hand_unanswered);
}

static void by_id_ask(struct poll *p);

static void
on_by_id(struct poll *p, const struct fusion_page *page)
{
    if (got_more(p, page)) {
        poll_go(p, by_id_ask);
        return;
    }
    collect_reset(&p->page);
    poll_stay(p);
    for (size_t i = 0; i < json_array_size(p->got); i++) {
        const json_t *row = json_array_get(p->got, i);

        hand_without(p, jsonx_text(row, ID));
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
    p->optional = false;
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

static void
receipts_take(struct poll *p, const char *json)
{
    struct fault ignored = {0};

    json_decref(p->open);
    p->open = NULL;
    if (jsonx_parse(json, strlen(json), &p->open, &ignored) != ERR_OK) {
        p->open = json_array();
    }
}

static void
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

void
receipts_open(struct poll *p)
{
    int64_t age_ms = p->by_hand ? 0 : p->f->cfg.open_age_ms;

    poll_store_started(p, store_open_receipts(p->f->store, p->f->cfg.tenant,
                                              age_ms,
                                              OPEN_REQUESTS * CHUNK_RECEIPTS,
                                              on_open, p, &p->sop));
}
