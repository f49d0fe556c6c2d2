/* SPDX-License-Identifier: UNLICENSED */
/*
 * Invoices.
 *
 *     calibrate -> what is new, by LastUpdateDate -> open ones -> sweeps
 *         -> history -> the customers they name
 *
 * Lines and installments come along. Payments and credit memos change balances
 * without touching the header: invoices known to be open are read again when
 * that was not done for a while, least recently read first, a slice at a time.
 */
#include "feed_priv.h"
#include "ml/jsonx.h"

#include <string.h>

#define RESOURCE "receivablesInvoices"
#define EXPAND "receivablesInvoiceLines,receivablesInvoiceInstallments"
#define ID "CustomerTransactionId"

enum { UNWANTED = -1 }; /* as a row's stamp: of another business unit */

static const char *const children[] = {"receivablesInvoiceLines",
                                       "receivablesInvoiceInstallments", NULL};

/* May run in the pool. */
static void
invoice_map(struct poll *p, const json_t *row, const char *id)
{
    struct collect *c = &p->page;
    struct map_record r;
    struct fault f = {0};
    enum map_fate fate = MAP_INVALID;

    memset(&r, 0, sizeof(r));
    arena_reset(&c->work);
    fate = map_invoice(p->f->map, &c->work, row, &r, &f);
    collect_fate(c, fate, MAP_INVOICE, id, &r, &f);
}

static void
on_scan_row(void *arg, const json_t *row)
{
    struct poll *p = arg;
    const char *id = NULL;
    int64_t us = 0;

    if (scan_takes(p, row, ID, &id, &us)) {
        invoice_map(p, row, id);
    }
}

static void
on_id_row(void *arg, const json_t *row)
{
    struct poll *p = arg;
    const char *id = jsonx_text(row, ID);
    size_t filtered = 0;

    if (id == NULL) {
        poll_bad_row(p, MAP_INVOICE, row, NULL, ID, "an id");
        return;
    }
    collect_row(&p->page, row, id, 0);
    filtered = p->page.filtered;
    invoice_map(p, row, id);
    if (p->page.filtered > filtered) {
        p->page.rows[p->page.n_rows - 1].us = UNWANTED;
    }
}

/* ---- by id ----------------------------------------------------------------------- */

/* The page's row of it; NULL: none. */
static const struct window_row *
came(const struct collect *c, const char *id)
{
    for (size_t i = 0; i < c->n_rows; i++) {
        if (strcmp(c->rows[i].id, id) == 0) {
            return &c->rows[i];
        }
    }
    return NULL;
}

/* Leaves in hand what Fusion did not give. What it gave but this tenant does
 * not want goes to `unwanted`: nobody should wait for it. */
static void
hand_without_rows(struct poll *p)
{
    for (size_t i = json_array_size(p->hand); i > 0; i--) {
        json_t *id = json_array_get(p->hand, i - 1);
        const struct window_row *r = came(&p->page, json_string_value(id));

        if (r != NULL && r->us == UNWANTED) {
            (void)json_array_append(p->unwanted, id);
        }
        if (r != NULL) {
            (void)json_array_remove(p->hand, i - 1);
        }
    }
}

static void by_id_ask(struct poll *p);

static void
by_id_stored(struct poll *p)
{
    hand_without_rows(p);
    if (p->more && json_array_size(p->hand) > 0) {
        poll_go(p, by_id_ask); /* the rest of them */
        return;
    }
    (void)json_array_extend(p->hand, p->unwanted);
    if (json_array_size(p->hand) > 0) {
        poll_go(p, needs_missing);
        return;
    }
    poll_return(p);
}

static void
on_by_id(struct poll *p, const struct fusion_page *page)
{
    if (page == NULL) {
        /* Refused: nobody can say whether they exist; dropped. */
        hand_set(p, NULL, true);
        poll_return(p);
        return;
    }
    p->more = page->has_more && p->page.n_rows > 0;
    poll_stay(p);
    poll_store(p, FEED_INVOICES, by_id_stored);
}

static void
invoices_ask(struct poll *p, const json_t *ids, page_fn *on_page)
{
    struct fusion_term term = {.attribute = ID, .op = "in"};
    struct fusion_query q = {
        .resource = RESOURCE,
        .terms = &term,
        .n_terms = 1,
        .children = children,
        .key = ID,
        .limit = p->feed->page,
    };

    arena_reset(&p->arena);
    term.list = poll_list(p, ids);
    q.expand = poll_expand(p, EXPAND, MAP_RES_INVOICES);
    collect_reset(&p->page);
    p->sized = true;
    p->optional = true;
    poll_read(p, &q, on_id_row, on_page);
}

static void
by_id_ask(struct poll *p)
{
    invoices_ask(p, p->hand, on_by_id);
}

void
invoices_by_id(struct poll *p)
{
    json_decref(p->unwanted);
    p->unwanted = json_array();
    poll_go(p, by_id_ask);
}

/* ---- the open ones ------------------------------------------------------------------ */

static void open_next(struct poll *p);
static void open_ask(struct poll *p);

static void
open_stored(struct poll *p)
{
    hand_without_rows(p);
    if (p->more && json_array_size(p->hand) > 0) {
        poll_go(p, open_ask);
    } else {
        poll_call(p, hand_unanswered, open_next);
    }
}

static void
on_open_page(struct poll *p, const struct fusion_page *page)
{
    /* A refusal leaves these for another day. */
    p->more = page != NULL && page->has_more && p->page.n_rows > 0;
    poll_stay(p);
    poll_store(p, FEED_INVOICES, open_stored);
}

static void
open_ask(struct poll *p)
{
    invoices_ask(p, p->hand, on_open_page);
}

static void
open_next(struct poll *p)
{
    json_decref(p->unwanted);
    p->unwanted = json_array();
    hand_set(p, json_array(), true);
    while (json_array_size(p->open) > 0 &&
           json_array_size(p->hand) < CHUNK_INVOICES) {
        (void)json_array_append(p->hand, json_array_get(p->open, 0));
        (void)json_array_remove(p->open, 0);
    }
    if (json_array_size(p->hand) == 0) {
        poll_return(p);
        return;
    }
    poll_go(p, open_ask);
}

static void
on_open(void *arg, enum err err, const char *json, const struct fault *f)
{
    struct poll *p = poll_from(arg);
    struct fault bad = {0};

    p->sop = NULL;
    if (!poll_store_ok(p, err, f)) {
        return;
    }
    json_decref(p->open);
    p->open = NULL;
    if (jsonx_parse(json, strlen(json), &p->open, &bad) != ERR_OK) {
        p->open = json_array();
    }
    poll_go(p, open_next);
}

static void
open_list(struct poll *p)
{
    int64_t age_ms = p->by_hand ? 0 : p->f->cfg.open_age_ms;

    poll_store_started(p, store_open_invoices(p->f->store, p->f->cfg.tenant,
                                              age_ms,
                                              OPEN_REQUESTS * CHUNK_INVOICES,
                                              on_open, p, &p->sop));
}

/* ---- by stamp ------------------------------------------------------------------------ */

static void
page_stored(struct poll *p)
{
    size_t most = p->f->round ? NEEDS_ROUND : NEEDS_SERVE;

    /* A backfill of years must not gather needs without end. */
    if (p->f->need_customers.count >= most) {
        poll_call(p, needs_serve, scan_next);
        return;
    }
    poll_go(p, scan_next);
}

static void
on_page(struct poll *p)
{
    poll_store(p, FEED_INVOICES, page_stored);
}

static const struct scan_spec invoices = {
    .resource = RESOURCE,
    .stream = RESOURCE,
    .id = ID,
    .kind = MAP_INVOICE,
    .source = MAP_RES_INVOICES,
    .expand = EXPAND,
    .children = children,
    .key = ID,
    .row = on_scan_row,
    .page = on_page,
};

/* ---- the order ---------------------------------------------------------- */

static void
invoices_serve(struct poll *p)
{
    /* In a round the customers come next and are composed once. */
    if (p->f->round && p->f->need_customers.count < NEEDS_ROUND) {
        poll_end(p);
        return;
    }
    poll_call(p, needs_serve, poll_end);
}

static void
invoices_known(struct poll *p)
{
    remap_known(p, invoices_serve);
}

static void
invoices_history(struct poll *p)
{
    backfill(p, &invoices, invoices_known);
}

static void
invoices_drafts(struct poll *p)
{
    poll_call(p, sweep_drafts, invoices_history);
}

static void
invoices_balances(struct poll *p)
{
    poll_call(p, sweep_balances, invoices_drafts);
}

static void
invoices_open(struct poll *p)
{
    poll_call(p, open_list, invoices_balances);
}

static void
invoices_new(struct poll *p)
{
    if (stream_is_new(p, RESOURCE)) {
        stream_begin(p, RESOURCE, invoices_history);
    } else {
        scan_start(p, &invoices, invoices_open);
    }
}

static void
invoices_mapped(struct poll *p)
{
    remap(p, invoices_new);
}

void
invoices_begin(struct poll *p)
{
    poll_call(p, calibrate, invoices_mapped);
}
