/* SPDX-License-Identifier: UNLICENSED */
/*
 * Invoices: by LastUpdateDate with lines and installments; then those known to
 * be open, least recently read first, since payments and credit memos change
 * balances without touching the header; then the customers they name.
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
        json_decref(p->hand);
        p->hand = NULL;
        poll_return(p);
        return;
    }
    p->more = page->has_more && p->page.n_rows > 0;
    memset(&p->cursor, 0, sizeof(p->cursor));
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
        .expand = EXPAND,
        .children = children,
        .key = ID,
        .limit = p->feed->page,
    };

    arena_reset(&p->arena);
    term.list = poll_list(p, ids);
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
    poll_go(p, p->more && json_array_size(p->hand) > 0 ? open_ask : open_next);
}

static void
on_open_page(struct poll *p, const struct fusion_page *page)
{
    /* A refusal leaves these for another day. */
    p->more = page != NULL && page->has_more && p->page.n_rows > 0;
    memset(&p->cursor, 0, sizeof(p->cursor));
    poll_store(p, FEED_INVOICES, open_stored);
}

static void
open_ask(struct poll *p)
{
    invoices_ask(p, p->hand, on_open_page);
}

static void
invoices_serve(struct poll *p)
{
    /* In a round the customers come next and are composed once. */
    if (p->f->round && p->f->need_customers.count < NEEDS_MAX / 2) {
        poll_end(p);
        return;
    }
    poll_call(p, needs_serve, poll_end);
}

static void
open_next(struct poll *p)
{
    json_decref(p->unwanted);
    p->unwanted = json_array();
    json_decref(p->hand);
    p->hand = json_array();
    p->hand_invoices = true;
    while (json_array_size(p->open) > 0 &&
           json_array_size(p->hand) < CHUNK_INVOICES) {
        (void)json_array_append(p->hand, json_array_get(p->open, 0));
        (void)json_array_remove(p->open, 0);
    }
    if (json_array_size(p->hand) == 0) {
        poll_go(p, invoices_serve);
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
    poll_store_started(p, store_open_invoices(p->f->store, p->f->cfg.tenant,
                                              OPEN_REQUESTS * CHUNK_INVOICES,
                                              on_open, p, &p->sop));
}

/* ---- by stamp ------------------------------------------------------------------------ */

static void
page_stored(struct poll *p)
{
    /* A backfill of years must not gather needs without end. */
    if (!p->f->round && p->f->need_customers.count >= NEEDS_SERVE) {
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
    .expand = EXPAND,
    .children = children,
    .key = ID,
    .row = on_scan_row,
    .page = on_page,
};

static void
scanned(struct poll *p)
{
    /* All of them were read just now. */
    poll_go(p, p->backfill ? invoices_serve : open_list);
}

/* ---- what a dead process left wanting --------------------------------- */

static void
want_each(struct feeds *f, bool of_invoices, const json_t *ids)
{
    for (size_t i = 0; i < json_array_size(ids); i++) {
        needs_add(f, of_invoices, json_string_value(json_array_get(ids, i)));
    }
}

static void
on_wanted(void *arg, enum err err, const char *json, const struct fault *f)
{
    struct poll *p = poll_from(arg);
    struct fault bad = {0};
    json_t *wanted = NULL;

    p->sop = NULL;
    if (!poll_store_ok(p, err, f)) {
        return;
    }
    if (jsonx_parse(json, strlen(json), &wanted, &bad) == ERR_OK) {
        want_each(p->f, false, json_object_get(wanted, "customers"));
        want_each(p->f, true, json_object_get(wanted, "invoices"));
    }
    json_decref(wanted);
    p->f->wanted_asked = true;
    scan_start(p, &invoices, scanned);
}

static void
ask_wanted(struct poll *p)
{
    poll_store_started(p, store_wanted(p->f->store, p->f->cfg.tenant,
                                       NEEDS_MAX / 2, on_wanted, p, &p->sop));
}

void
invoices_begin(struct poll *p)
{
    if (p->f->wanted_asked) {
        scan_start(p, &invoices, scanned);
    } else {
        poll_go(p, ask_wanted);
    }
}
