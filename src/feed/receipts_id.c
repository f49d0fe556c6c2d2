/* SPDX-License-Identifier: UNLICENSED */
/*
 * Receipts by what can always be asked for: ids and dates.
 *
 *   new ones    ids above the highest, less a block: ids are handed out in
 *               blocks, so that a lower one may come later
 *   changed     of all receipts of the last days the stamps, three attributes
 *               each; those that changed since we read them are read by id
 *   by id       some, as a step of others; those with a rest, slice by slice
 *
 * The cursor holds the newest stamp seen and the highest id. History is walked
 * by id from the first; its rows older than wanted are dropped.
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

/* ---- new ones, and history ---------------------------------------------- */

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
    if (!walks_history(p) || us >= p->pass.from_us) {
        receipt_keep(p, row);
    }
}

static void
ids_next(struct poll *p)
{
    if (!p->more) {
        poll_return(p);
    } else if (walks_history(p) && poll_must_yield(p)) {
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

    if (walks_history(p)) {
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

void
receipts_all_ids(struct poll *p)
{
    (void)snprintf(p->last_id, sizeof(p->last_id), "%s", p->pass.at_id);
    poll_go(p, ids_ask);
}

void
receipts_new_ids(struct poll *p)
{
    const char *at = NULL;
    long long id = 0;

    (void)poll_cursor(p, RESOURCE, &at);
    id = strtoll(at, NULL, 10) - ID_BLOCK;
    (void)snprintf(p->last_id, sizeof(p->last_id), "%lld", id > 0 ? id : 0);
    poll_go(p, ids_ask);
}

/* ---- stamps of the last days -------------------------------------------- */

static void days_ask(struct poll *p);
static void receipts_take(struct poll *p, const char *json);
static void receipts_slice(struct poll *p);

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

void
receipts_days(struct poll *p)
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
