/* SPDX-License-Identifier: UNLICENSED */
/*
 * Once a day, what is known against what is there:
 *
 *   balances  every invoice with an open balance, by id, two attributes each:
 *             one whose balance is another than ours, or that is no longer
 *             among them, is read again; so is one that was never read though
 *             the tenant wants it
 *   drafts    drafts that Fusion no longer has are gone: nobody is told of a
 *             deletion, they just do not come back
 *
 * An empty answer says nothing: rights may have been taken away. A draft is
 * gone when it is missing twice while others of the same question came, one of
 * which is known to be no draft, and when most of the others came too.
 *
 * Both are walks (pass.c): they stand somewhere and give way.
 */
#include "feed_priv.h"
#include "ml/jsonx.h"

#include <stdio.h>
#include <string.h>

#define RESOURCE "receivablesInvoices"
#define ID "CustomerTransactionId"

enum { HIDDEN_MIN = 5 }; /* more missing drafts than this are suspicious */

static void
sweep_over(struct poll *p)
{
    json_decref(p->rows);
    p->rows = NULL;
    pass_leave(p);
    poll_return(p);
}

/* Whether to walk now: goes on with, begins, or leaves it. */
static void
sweep_enter(struct poll *p, const char *name, step_fn *step)
{
    struct pass s = pass_get(p, name);

    if (!pass_is_due(p, &s)) {
        poll_return(p);
    } else if (poll_must_yield(p)) {
        p->feed->unfinished = true;
        poll_return(p);
    } else if (s.open) {
        p->pass = s;
        poll_go(p, step);
    } else {
        pass_begin(p, name, 0, 0, step);
    }
}

/* ---- balances ----------------------------------------------------------- */

static void balances_ask(struct poll *p);

static void
balances_next(struct poll *p)
{
    if (!p->pass.open) {
        sweep_over(p);
    } else if (poll_must_yield(p)) {
        p->feed->unfinished = true;
        sweep_over(p);
    } else {
        poll_go(p, balances_ask);
    }
}

static void
balances_moved(struct poll *p)
{
    poll_call(p, needs_serve, balances_next);
}

/* Those nobody read: only what is wanted, and young enough to be. */
static void
balances_unknown(struct poll *p, const json_t *ids)
{
    json_t *row = NULL;
    size_t i = 0;

    json_array_foreach(p->rows, i, row)
    {
        bool wanted = json_is_true(json_object_get(row, "wanted"));
        const char *id = jsonx_text(row, "id");

        for (size_t k = 0; wanted && k < json_array_size(ids); k++) {
            if (text_equal(json_string_value(json_array_get(ids, k)), id)) {
                needs_add(p->f, true, id);
            }
        }
    }
}

static void
on_compared(void *arg, enum err err, const char *json, const struct fault *f)
{
    struct poll *p = poll_from(arg);
    struct fault bad = {0};
    json_t *tree = NULL;
    const json_t *changed = NULL;

    p->sop = NULL;
    if (!poll_store_ok(p, err, f)) {
        return;
    }
    if (jsonx_parse(json, strlen(json), &tree, &bad) != ERR_OK) {
        poll_fail(p, ERR_DB_SHAPE, &bad);
        return;
    }
    changed = json_object_get(tree, "changed");
    for (size_t i = 0; i < json_array_size(changed); i++) {
        needs_add(p->f, true, json_string_value(json_array_get(changed, i)));
    }
    balances_unknown(p, json_object_get(tree, "unknown"));
    LOG_DEBUG(&p->log, "feed.sweep", "rows=%zu again=%zu",
              json_array_size(p->rows), p->f->need_invoices.count);
    json_decref(tree);
    pass_save(p, 0, p->ids.low, !p->more, balances_moved);
}

static void
balances_compare(struct poll *p)
{
    char *rows = feed_json(p->rows);

    poll_store_started(p,
                       store_balances(p->f->store, p->f->cfg.tenant,
                                      p->pass.at_id, p->more ? p->ids.low : "",
                                      rows, on_compared, p, &p->sop));
    mem_free(rows);
}

static void
on_balance_row(void *arg, const json_t *row)
{
    struct poll *p = arg;
    const char *id = jsonx_text(row, ID);
    struct dec balance = dec_zero();
    struct fault ignored = {0};
    char text[DEC_TEXT_MAX];
    int64_t us = 0;
    bool has = false;
    json_t *o = NULL;

    if (id == NULL || jsonx_get_dec(row, "InvoiceBalanceAmount", &has, &balance,
                                    &ignored) != ERR_OK) {
        return; /* the full row will tell, when it is read */
    }
    collect_row(&p->page, row, id, 0);
    o = json_object();
    (void)json_object_set_new(o, "id", json_string(id));
    (void)json_object_set_new(o, "balance",
                              has ? json_string(dec_text(&balance, text)) :
                                    json_null());
    if (map_unit_wanted(p->f->map, row) &&
        jsonx_get_time(row, "LastUpdateDate", &has, &us, &ignored) == ERR_OK &&
        us >= p->f->cfg.since_us) {
        (void)json_object_set_new(o, "wanted", json_true());
    }
    (void)json_array_append_new(p->rows, o);
}

static void
on_balances(struct poll *p, const struct fusion_page *page)
{
    struct collect *c = &p->page;
    struct window_page wp = {0};

    collect_sort(c);
    wp.rows = c->rows;
    wp.n = c->n_rows;
    if (page == NULL || !idwalk_page(&p->ids, &wp)) {
        /* This pod does not let it be asked for, or does not sort. */
        LOG_WARN(&p->log, "feed.unsorted", "resource=%s", RESOURCE);
        pass_save(p, 0, "", true, balances_next);
        return;
    }
    p->more = page->has_more && c->n_rows > 0;
    poll_go(p, balances_compare);
}

static void
balances_ask(struct poll *p)
{
    struct fusion_term terms[2] = {
        {.attribute = "InvoiceBalanceAmount", .op = "!=", .number = "0"},
        {.attribute = ID, .op = ">", .number = p->pass.at_id},
    };
    struct fusion_query q = {
        .resource = RESOURCE,
        .terms = terms,
        .n_terms = p->pass.at_id[0] == 0 ? 1 : 2,
        .fields = ID ",InvoiceBalanceAmount,BusinessUnit,LastUpdateDate",
        .order_by = ID ":asc",
        .limit = p->feed->page,
    };

    p->klass = "reconcile";
    json_decref(p->rows);
    p->rows = json_array();
    idwalk_init(&p->ids, p->pass.at_id, false);
    collect_reset(&p->page);
    p->sized = true;
    p->optional = true;
    poll_read(p, &q, on_balance_row, on_balances);
}

void
sweep_balances(struct poll *p)
{
    sweep_enter(p, "balances", balances_ask);
}

/* ---- drafts ------------------------------------------------------------- */

static void drafts_list(struct poll *p);
static void drafts_ask(struct poll *p);

static void
drafts_next(struct poll *p)
{
    hand_set(p, NULL, true);
    if (!p->pass.open) {
        sweep_over(p);
    } else if (poll_must_yield(p)) {
        p->feed->unfinished = true;
        sweep_over(p);
    } else {
        poll_go(p, drafts_list);
    }
}

static void
drafts_moved(struct poll *p)
{
    pass_save(p, 0, p->known_id, p->known_id[0] == 0, drafts_next);
}

static void
on_gone(void *arg, enum err err, const struct fault *f)
{
    struct poll *p = poll_from(arg);

    p->sop = NULL;
    if (poll_store_ok(p, err, f)) {
        LOG_INFO(&p->log, "feed.gone", "drafts=%zu", json_array_size(p->hand));
        poll_go(p, drafts_moved);
    }
}

static void
drafts_gone(struct poll *p)
{
    char *ids = feed_json(p->hand);

    poll_store_started(
        p, store_gone(p->f->store, p->f->cfg.tenant, ids, on_gone, p, &p->sop));
    mem_free(ids);
}

/* Leaves in hand what did not come; whether the others say enough. */
static bool
drafts_missing(struct poll *p)
{
    size_t asked = json_array_size(p->hand);
    bool witness = p->witness[0] == 0 && json_array_size(p->got) > 0;

    for (size_t i = 0; i < json_array_size(p->got); i++) {
        const char *id = jsonx_text(json_array_get(p->got, i), ID);

        witness = witness || text_equal(id, p->witness);
        for (size_t k = json_array_size(p->hand); id != NULL && k > 0; k--) {
            if (text_equal(json_string_value(json_array_get(p->hand, k - 1)),
                           id)) {
                (void)json_array_remove(p->hand, k - 1);
            }
        }
    }
    if (witness && (p->twice || json_array_size(p->hand) <= HIDDEN_MIN ||
                    json_array_size(p->hand) * 2 <= asked)) {
        return true;
    }
    LOG_WARN(&p->log, "feed.drafts_hidden", "drafts=%zu missing=%zu", asked,
             json_array_size(p->hand));
    return false;
}

static void
on_drafts(struct poll *p, const struct fusion_page *page)
{
    if (page == NULL) {
        poll_go(p, drafts_moved); /* refused: says nothing of them */
        return;
    }
    if (got_more(p, page)) {
        poll_go(p, drafts_ask);
        return;
    }
    if (!drafts_missing(p) || json_array_size(p->hand) == 0) {
        poll_go(p, drafts_moved);
    } else if (!p->twice) {
        p->twice = true;
        got_begin(p);
        poll_go(p, drafts_ask);
    } else {
        poll_go(p, drafts_gone);
    }
}

static void
drafts_ask(struct poll *p)
{
    struct fusion_term term = {.attribute = ID, .op = "in"};
    struct fusion_query q = {
        .resource = RESOURCE,
        .terms = &term,
        .n_terms = 1,
        .fields = ID,
        .order_by = ID ":asc",
    };
    json_t *ids = json_copy(p->hand);

    if (p->witness[0] != 0) {
        (void)json_array_append_new(ids, json_string(p->witness));
    }
    arena_reset(&p->arena);
    term.list = poll_list(p, ids);
    json_decref(ids);
    p->optional = true;
    got_ask(p, &q, on_drafts);
}

static void
on_list(void *arg, enum err err, const char *json, const struct fault *f)
{
    struct poll *p = poll_from(arg);
    struct fault bad = {0};
    const char *witness = NULL;
    json_t *tree = NULL;
    size_t n = 0;

    p->sop = NULL;
    if (!poll_store_ok(p, err, f)) {
        return;
    }
    if (jsonx_parse(json, strlen(json), &tree, &bad) != ERR_OK) {
        poll_fail(p, ERR_DB_SHAPE, &bad);
        return;
    }
    witness = jsonx_text(tree, "witness");
    (void)snprintf(p->witness, sizeof(p->witness), "%s",
                   witness == NULL ? "" : witness);
    hand_set(p, json_incref(json_object_get(tree, "ids")), true);
    json_decref(tree);
    n = json_array_size(p->hand);
    (void)snprintf(p->known_id, sizeof(p->known_id), "%s",
                   n < CHUNK_DRAFTS ?
                       "" :
                       json_string_value(json_array_get(p->hand, n - 1)));
    if (n == 0) {
        poll_go(p, drafts_moved);
        return;
    }
    p->twice = false;
    got_begin(p);
    poll_go(p, drafts_ask);
}

static void
drafts_list(struct poll *p)
{
    poll_store_started(p, store_drafts(p->f->store, p->f->cfg.tenant,
                                       p->pass.at_id, CHUNK_DRAFTS, on_list, p,
                                       &p->sop));
}

void
sweep_drafts(struct poll *p)
{
    sweep_enter(p, "drafts", drafts_list);
}
