/* SPDX-License-Identifier: UNLICENSED */
/*
 * What the receipts of one page were applied to. Only a customer account's
 * activities say so.
 *
 *     receipts by account -> self links (database, else pod) -> parts
 *         -> batches, or single reads -> rows by receipt -> return
 *
 * A part is one account and up to CHUNK_RECEIPTS of its receipts; the day
 * limit is named, since the pod's own is 90 days. All pages of a part are
 * read. Paths come from self links: the key may be a hash. When the pod
 * refuses a batch, single reads take its place for an hour.
 */
#include "feed_priv.h"
#include "ml/jsonx.h"

#include <stdio.h>
#include <string.h>

#define FINDER "StandardReceiptApplicationsFinder;ApplicationLimitByDays=3650"
#define BATCH_OFF_US (INT64_C(3600) * 1000000)

static void apps_next(struct poll *p);

void
applications_reset(struct poll *p)
{
    struct applications *a = &p->apps;

    json_decref(a->wanted);
    json_decref(a->hrefs);
    json_decref(a->unknown);
    json_decref(a->parts);
    json_decref(a->rows);
    json_decref(a->stage);
    json_decref(a->learnt);
    memset(a, 0, sizeof(*a));
}

/* ---- reading the parts ---------------------------------------------------------------- */

static void
stage_row(struct poll *p, const json_t *row)
{
    (void)json_array_append_new(p->apps.stage, collect_copy(row));
}

static void
on_row_at(void *arg, size_t query, const json_t *row)
{
    (void)query;
    stage_row(arg, row);
}

/* A row may come twice when pages shift; its id says so. */
static bool
has_row(const json_t *list, const char *id)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        if (text_equal(jsonx_text(json_array_get(list, i), "ApplicationId"),
                       id)) {
            return true;
        }
    }
    return false;
}

static void
stage_take(struct poll *p, const json_t *rows)
{
    struct applications *a = &p->apps;

    for (size_t i = 0; i < json_array_size(rows); i++) {
        json_t *row = json_array_get(rows, i);
        const char *receipt = jsonx_text(row, "StandardReceiptId");
        const char *id = jsonx_text(row, "ApplicationId");
        json_t *list =
            receipt == NULL ? NULL : json_object_get(a->rows, receipt);

        if (list != NULL && (id == NULL || !has_row(list, id))) {
            (void)json_array_append(list, row);
        }
    }
}

static void
parts_done(struct poll *p)
{
    struct applications *a = &p->apps;

    for (size_t i = 0; i < a->now; i++) {
        (void)json_array_remove(a->parts, 0);
    }
    a->now = 0;
}

static void apps_single(struct poll *p);

static void
on_single(struct poll *p, const struct fusion_page *page)
{
    if (got_more(p, page)) {
        poll_go(p, apps_single);
        return;
    }
    stage_take(p, p->got);
    parts_done(p);
    poll_go(p, apps_next);
}

static void
on_batch(struct poll *p, const struct fusion_page *page)
{
    char text[LOG_TEXT_MAX];

    if (page == NULL) {
        p->f->batch_off_us = loop_now_us(p->f->loop) + BATCH_OFF_US;
        LOG_INFO(&p->log, "feed.batch_off", "message=\"%s\"",
                 log_safe(text, p->fault.message));
        fault_clear(&p->fault);
        p->apps.now = 0;
    } else {
        stage_take(p, p->apps.stage);
        parts_done(p);
    }
    poll_go(p, apps_next);
}

static void
part_query(struct poll *p, const json_t *part, struct fusion_term *term,
           struct fusion_query *q)
{
    memset(term, 0, sizeof(*term));
    memset(q, 0, sizeof(*q));
    term->attribute = "StandardReceiptId";
    term->op = "in";
    term->list = poll_list(p, json_object_get(part, "ids"));
    q->resource =
        arena_printf(&p->arena, "%s/child/standardReceiptApplications",
                     jsonx_text(part, "href"));
    q->terms = term;
    q->n_terms = 1;
    q->order_by = "ApplicationId:asc";
    q->finder = FINDER;
    q->limit = p->feed->page;
}

static void
apps_single(struct poll *p)
{
    struct applications *a = &p->apps;
    struct fusion_term term;
    struct fusion_query q;

    arena_reset(&p->arena);
    a->now = 1;
    part_query(p, json_array_get(a->parts, 0), &term, &q);
    p->optional = false;
    got_ask(p, &q, on_single);
}

static void
apps_batch(struct poll *p)
{
    struct applications *a = &p->apps;
    struct fusion_term *terms = NULL;
    struct fusion_query *q = NULL;
    struct fault why = {0};
    enum err err = ERR_OK;
    size_t n = json_array_size(a->parts);

    n = n > BATCH_ACCOUNTS ? BATCH_ACCOUNTS : n;
    arena_reset(&p->arena);
    json_decref(a->stage);
    a->stage = json_array();
    a->now = n;
    terms = arena_array(&p->arena, n, sizeof(*terms));
    q = arena_array(&p->arena, n, sizeof(*q));
    for (size_t i = 0; i < n; i++) {
        part_query(p, json_array_get(a->parts, i), &terms[i], &q[i]);
    }
    p->sized = true;
    p->optional = true;
    p->fallback = true;
    p->has_time = false;
    p->on_page = on_batch;
    (void)snprintf(p->resource, sizeof(p->resource),
                   "standardReceiptApplications");
    p->began_us = loop_now_us(p->f->loop);
    err = fusion_read_batch(p->f->fusion, q, n, on_row_at, poll_on_page, p,
                            &p->fop);
    if (err != ERR_OK) {
        (void)fault_set(&why, err, "a batch that cannot be sent");
        poll_fail(p, err, &why);
    }
}

static void
apps_next(struct poll *p)
{
    struct applications *a = &p->apps;

    if (json_array_size(a->parts) == 0) {
        poll_return(p);
    } else if (json_array_size(a->parts) == 1 ||
               loop_now_us(p->f->loop) < p->f->batch_off_us) {
        got_begin(p);
        poll_go(p, apps_single);
    } else {
        poll_go(p, apps_batch);
    }
}

/* ---- self links ------------------------------------------------------------------------- */

static void
parts_make(struct poll *p)
{
    struct applications *a = &p->apps;
    void *it = NULL;

    a->parts = json_array();
    for (it = json_object_iter(a->wanted); it != NULL;
         it = json_object_iter_next(a->wanted, it)) {
        const char *href = json_string_value(
            json_object_get(a->hrefs, json_object_iter_key(it)));
        const json_t *ids = json_object_iter_value(it);
        json_t *part = NULL;
        json_t *some = NULL;

        if (href == NULL) {
            continue;
        }
        for (size_t i = 0; i < json_array_size(ids); i++) {
            if (i % CHUNK_RECEIPTS == 0) {
                part = json_object();
                some = json_array();
                (void)json_object_set_new(part, "href", json_string(href));
                (void)json_object_set_new(part, "ids", some);
                (void)json_array_append_new(a->parts, part);
            }
            (void)json_array_append(some, json_array_get(ids, i));
        }
    }
}

static void apps_links(struct poll *p);
static void links_ask(struct poll *p);

static void
on_accounts(struct poll *p, const struct fusion_page *page)
{
    struct applications *a = &p->apps;

    if (got_more(p, page)) {
        poll_go(p, links_ask);
        return;
    }
    for (size_t i = 0; i < json_array_size(p->got); i++) {
        json_t *row = json_array_get(p->got, i);
        const char *number = jsonx_text(row, "AccountNumber");
        const char *href = jsonx_text(row, "self_href");

        if (number != NULL && href != NULL) {
            (void)json_object_set_new(a->hrefs, number, json_string(href));
            (void)json_object_set(a->learnt, number, row);
        }
    }
    for (size_t i = 0; i < a->now; i++) {
        (void)json_array_remove(a->unknown, 0);
    }
    a->now = 0;
    poll_go(p, apps_links);
}

static void
links_ask(struct poll *p)
{
    struct applications *a = &p->apps;
    struct fusion_term term = {
        .attribute = "AccountNumber", .op = "in", .list_is_text = true};
    struct fusion_query q = {
        .resource = "receivablesCustomerAccountActivities",
        .terms = &term,
        .n_terms = 1,
        .order_by = "AccountId:asc",
        .links = true,
    };
    json_t *some = json_array();

    for (a->now = 0;
         a->now < CHUNK_ACCOUNTS && a->now < json_array_size(a->unknown);
         a->now++) {
        (void)json_array_append(some, json_array_get(a->unknown, a->now));
    }
    arena_reset(&p->arena);
    term.list = poll_list(p, some);
    json_decref(some);
    p->optional = false;
    got_ask(p, &q, on_accounts);
}

static void
apps_links(struct poll *p)
{
    if (json_array_size(p->apps.unknown) == 0) {
        parts_make(p);
        poll_go(p, apps_next);
        return;
    }
    got_begin(p);
    poll_go(p, links_ask);
}

static void
on_known(void *arg, enum err err, const char *json, const struct fault *f)
{
    struct poll *p = poll_from(arg);
    struct applications *a = &p->apps;
    json_t *rows = NULL;
    struct fault bad = {0};
    void *it = NULL;

    p->sop = NULL;
    if (!poll_store_ok(p, err, f)) {
        return;
    }
    if (jsonx_parse(json, strlen(json), &rows, &bad) != ERR_OK) {
        rows = json_array();
    }
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *row = json_array_get(rows, i);
        const char *number = jsonx_text(row, "number");
        const char *href = jsonx_text(row, "href");

        if (number != NULL && href != NULL) {
            (void)json_object_set_new(a->hrefs, number, json_string(href));
        }
    }
    json_decref(rows);
    for (it = json_object_iter(a->wanted); it != NULL;
         it = json_object_iter_next(a->wanted, it)) {
        const char *number = json_object_iter_key(it);

        if (json_object_get(a->hrefs, number) == NULL) {
            (void)json_array_append_new(a->unknown, json_string(number));
        }
    }
    poll_go(p, apps_links);
}

static void
apps_known(struct poll *p)
{
    json_t *numbers = json_array();
    char *keys = NULL;
    void *it = NULL;

    for (it = json_object_iter(p->apps.wanted); it != NULL;
         it = json_object_iter_next(p->apps.wanted, it)) {
        (void)json_array_append_new(numbers,
                                    json_string(json_object_iter_key(it)));
    }
    keys = feed_json(numbers);
    poll_store_started(p, store_accounts(p->f->store, p->f->cfg.tenant,
                                         "number", keys, on_known, p, &p->sop));
    mem_free(keys);
    json_decref(numbers);
}

/* ---- the beginning ------------------------------------------------------------------------ */

void
applications_read(struct poll *p)
{
    struct applications *a = &p->apps;

    applications_reset(p);
    a->wanted = json_object();
    a->hrefs = json_object();
    a->unknown = json_array();
    a->rows = json_object();
    a->learnt = json_object();
    for (size_t i = 0; i < json_array_size(p->page.kept); i++) {
        const json_t *row = json_array_get(p->page.kept, i);
        const char *number = jsonx_text(row, "CustomerAccountNumber");
        const char *id = jsonx_text(row, "StandardReceiptId");
        json_t *ids =
            number == NULL ? NULL : json_object_get(a->wanted, number);

        (void)json_object_set_new(a->rows, id, json_array());
        if (number == NULL || *number == 0) {
            continue; /* unidentified: applied to nothing */
        }
        if (ids == NULL) {
            ids = json_array();
            (void)json_object_set_new(a->wanted, number, ids);
        }
        (void)json_array_append_new(ids, json_string(id));
    }
    if (json_object_size(a->wanted) == 0) {
        poll_return(p);
        return;
    }
    poll_go(p, apps_known);
}
