/* SPDX-License-Identifier: UNLICENSED */
/*
 * Reads of the pod, for one poll: what comes back goes to the step's page
 * function; what fails is asked again, by and by.
 *
 *     poll_read --page--> on_page
 *         | 400 on a time stamp: the poll begins again, with a calibration,
 *         |     which tries another way of writing it
 *         | refused, and that is no failure: on_page without a page
 *         | too slow, too large: half the rows
 *         | else after a while, a few times; then the poll fails
 *
 * The page grows back a little with each page that came. That the pod cuts
 * pages without a word is told and costs nothing.
 */
#include "feed_priv.h"
#include "ml/jsonx.h"
#include "ml/policy.h"

#include <stdio.h>
#include <string.h>

enum { WAIT_MAX_MS = 60000 };

static void
page_grow(struct poll *p)
{
    struct feed *s = p->feed;
    unsigned more = s->page + s->page / 16 + 1;

    if (p->sized && s->page < p->f->cfg.page) {
        s->page = more > p->f->cfg.page ? p->f->cfg.page : more;
    }
}

static bool
page_halve(struct poll *p)
{
    struct feed *s = p->feed;

    if (!p->sized || s->page <= PAGE_MIN) {
        return false;
    }
    s->page = s->page / 2 < PAGE_MIN ? PAGE_MIN : s->page / 2;
    LOG_WARN(&p->log, "feed.page_halved", "page=%u", s->page);
    return true;
}

static bool
next_literal(struct poll *p)
{
    struct fusion *fu = p->f->fusion;
    unsigned now = (unsigned)fusion_get_literal(fu);

    if (++p->literals_tried >= FUSION_LITERALS) {
        return false;
    }
    fusion_set_literal(fu, (enum fusion_literal)((now + 1) % FUSION_LITERALS));
    LOG_INFO(&p->log, "feed.literal", "from=%u to=%u", now,
             (unsigned)fusion_get_literal(fu));
    return true;
}

static bool
is_refusal(enum err err)
{
    return err == ERR_REFUSED || err == ERR_FORBIDDEN || err == ERR_MISSING;
}

/* How long to wait before asking again; -1: not at all. */
static int64_t
read_wait_ms(struct poll *p, enum err err, const struct fusion_page *page)
{
    const struct feeds_config *c = &p->f->cfg;
    int64_t wait = 0;

    if (p->tries >= TRIES_MAX || (err == ERR_MAINTENANCE && p->tries >= 2)) {
        return -1;
    }
    if (err_class(err) != ERR_CLASS_AGAIN && err != ERR_THROTTLED &&
        err != ERR_MAINTENANCE) {
        return -1;
    }
    wait =
        backoff_ms(p->tries, c->retry_base_ms, c->retry_cap_ms, random_share());
    wait = page->retry_after_ms > wait ? page->retry_after_ms : wait;
    return wait > WAIT_MAX_MS ? -1 : wait;
}

void
poll_read_failed(struct poll *p, enum err err, const struct fusion_page *page)
{
    struct fault why = page->fault;
    char text[LOG_TEXT_MAX];
    int64_t wait = 0;

    if (err == ERR_REFUSED && p->has_time && page->fault.http_status == 400) {
        if (p->f->calibrating == p && next_literal(p)) {
            poll_again(p, 0);
            return;
        }
        if (p->f->calibrating != p && !p->restarted) {
            poll_restart(p);
            return;
        }
    }
    if ((p->optional && is_refusal(err)) ||
        (p->fallback && p->tries > 0 && err_class(err) == ERR_CLASS_AGAIN)) {
        LOG_DEBUG(&p->log, "feed.refused", "error=%s message=\"%s\"",
                  err_name(err), log_safe(text, why.message));
        p->fault = why;
        p->on_page(p, NULL);
        return;
    }
    if ((err == ERR_TIMEOUT || err == ERR_TOO_LARGE) && page_halve(p)) {
        poll_again(p, 0);
        return;
    }
    wait = read_wait_ms(p, err, page);
    if (wait < 0) {
        p->retry_ms = page->retry_after_ms;
        why.err = err;
        poll_fail(p, err, &why);
        return;
    }
    p->tries++;
    LOG_DEBUG(&p->log, "feed.read_again",
              "error=%s wait_ms=%" PRId64 " message=\"%s\"", err_name(err),
              wait, log_safe(text, why.message));
    poll_again(p, wait);
}

static enum map_kind
resource_kind(const char *resource)
{
    if (text_has_prefix(resource, "receivablesInvoices")) {
        return MAP_INVOICE;
    }
    return text_has_prefix(resource, "standardReceipt") ? MAP_PAYMENT :
                                                          MAP_CUSTOMER;
}

/* Rows that are no JSON, or have no id: told, and each of them audited. */
static void
poll_unreadable(struct poll *p, const struct fusion_page *page)
{
    struct collect *c = &p->page;
    char text[LOG_TEXT_MAX];

    if (page->unreadable > 0) {
        LOG_WARN(&p->log, "feed.unreadable",
                 "resource=%s rows=%zu message=\"%s\"", p->resource,
                 page->unreadable, log_safe(text, page->fault.message));
        c->invalid += page->unreadable;
        for (size_t i = 0; i < json_array_size(page->why); i++) {
            collect_note(c, "invalid", resource_kind(p->resource), NULL,
                         json_string_value(json_array_get(page->why, i)));
        }
    }
    if (c->bad > 0) {
        LOG_WARN(&p->log, "feed.unreadable",
                 "resource=%s rows=%zu message=\"%s\"", p->resource, c->bad,
                 log_safe(text, c->why));
        c->bad = 0;
    }
}

void
poll_bad_row(struct poll *p, enum map_kind kind, const json_t *row,
             const char *id, const char *attribute, const char *wants)
{
    const json_t *v = json_object_get(row, attribute);
    char text[256];

    (void)snprintf(
        text, sizeof(text), "%s: row %lld of the page at offset %u: %s %s%s",
        p->resource,
        (long long)json_integer_value(json_object_get(row, FUSION_POSITION)),
        p->read_offset, attribute,
        v == NULL || json_is_null(v) ? "is missing" : "is not ",
        v == NULL || json_is_null(v) ? "" : wants);
    collect_bad(&p->page, kind, id, text);
}

/* Pods cut large pages without a word, at 500, 499, 299 or 200 rows: nothing
 * is lost by it, since what was received is what counts. */
static void
poll_capped(struct poll *p, const struct fusion_page *page)
{
    unsigned cap = page->limit > 0                   ? page->limit :
                   page->has_more && page->count > 0 ? (unsigned)page->count :
                                                       p->limit;

    if (p->sized && cap < p->limit && p->feed->capped != cap) {
        p->feed->capped = cap;
        LOG_INFO(&p->log, "feed.page_capped", "resource=%s asked=%u rows=%u",
                 p->resource, p->limit, cap);
    }
}

void
poll_on_page(void *arg, enum err err, const struct fusion_page *page)
{
    struct poll *p = poll_from(arg);

    p->fop = NULL;
    p->requests += page->requests;
    feeds_pod_heard(p->f, page->pod_us);
    if (err != ERR_OK) {
        poll_read_failed(p, err, page);
        return;
    }
    p->tries = 0;
    p->read_us = p->f->pod_known ? p->began_us + p->f->pod_off_us :
                                   poll_clock_us(p, p->began_us);
    page_grow(p);
    poll_capped(p, page);
    poll_unreadable(p, page);
    p->on_page(p, page);
}

void
poll_read(struct poll *p, const struct fusion_query *q, fusion_row_fn *row,
          page_fn *on_page)
{
    struct fusion_page none = {0};
    enum err err = ERR_OK;

    p->on_page = on_page;
    p->read_offset = q->offset;
    p->limit = q->limit;
    (void)snprintf(p->resource, sizeof(p->resource), "%s", q->resource);
    p->fallback = false;
    p->began_us = loop_now_us(p->f->loop);
    p->has_time = false;
    for (size_t i = 0; i < q->n_terms; i++) {
        p->has_time = p->has_time || q->terms[i].is_time;
    }
    err = fusion_read(p->f->fusion, q, row, poll_on_page, p, &p->fop);
    if (err != ERR_OK) {
        (void)fault_set(&none.fault, err, "a query that cannot be sent: %s",
                        err_text(err));
        poll_fail(p, err, &none.fault);
    }
}

/* ---- reads by id ------------------------------------------------------ */

static void
on_got(void *arg, const json_t *row)
{
    struct poll *p = arg;

    (void)json_array_append_new(p->got, collect_copy(row));
}

void
got_begin(struct poll *p)
{
    json_decref(p->got);
    p->got = json_array();
    p->got_mark = 0;
    p->offset = 0;
}

void
got_ask(struct poll *p, struct fusion_query *q, page_fn *on_page)
{
    /* What a failed try gave goes. */
    while (json_array_size(p->got) > p->got_mark) {
        (void)json_array_remove(p->got, json_array_size(p->got) - 1);
    }
    q->limit = p->feed->page;
    q->offset = p->offset;
    p->sized = true;
    poll_read(p, q, on_got, on_page);
}

bool
got_more(struct poll *p, const struct fusion_page *page)
{
    p->got_mark = json_array_size(p->got);
    p->offset += (unsigned)page->count;
    return page->has_more;
}
