/* SPDX-License-Identifier: UNLICENSED */
/*
 * A resource by LastUpdateDate, page after page, oldest first.
 *
 *     scan_start -> ask -> page -> spec->page stores it -> scan_next -> ask
 *                                                             +-> return
 *
 * Fresh: from the cursor less the overlap up to a little behind the pod's
 * clock. A pass: from where it stands up to where it ends; it gives way between
 * two stamps. The rows above are left for the next poll, the ones below are old
 * friends; both are dropped here, whatever the pod thinks of the literals it
 * was sent.
 *
 * A row that an earlier scan should have met was late: how late is kept, and
 * the overlap grows with it.
 */
#include "feed_priv.h"
#include "ml/jsonx.h"

#include <stdio.h>
#include <string.h>

#define SECOND_US 1000000
enum { TEARS_MAX = 3 };
#define SUMMER_US (INT64_C(3900) * 1000000)     /* its hour, and a little */
#define ZONE_SLACK_US (INT64_C(7200) * 1000000) /* more than summer time */

static void scan_ask(struct poll *p);

int64_t
scan_overlap(struct poll *p, const char *stream)
{
    struct pass daily;
    char name[NAME_MAX_PASS];

    (void)snprintf(name, sizeof(name), "overlap:%s", stream);
    daily = pass_get(p, name);
    p->overlap_us = overlap_us(&p->f->cfg, p->late_us);
    p->wide = pass_is_due(p, &daily);
    if (p->wide && p->f->cfg.wide_ms * 1000 > p->overlap_us) {
        p->overlap_us = p->f->cfg.wide_ms * 1000;
    }
    return p->overlap_us;
}

static void
scan_fault(struct poll *p, const char *what)
{
    struct fault why = {0};

    (void)fault_set(&why, ERR_PROMISE, "%s: %s", p->scan->resource, what);
    poll_fail(p, ERR_PROMISE, &why);
}

void
scan_over(struct poll *p, const char *stream, int64_t until_us)
{
    struct advance *a = &p->advance;
    char name[NAME_MAX_PASS];

    a->scanned = stream;
    a->scanned_us = until_us != 0 ? until_us : p->read_us;
    a->overlap_us = p->overlap_us;
    if (p->wide) {
        (void)snprintf(name, sizeof(name), "overlap:%s", stream);
        pass_over(p, name);
    }
}

void
scan_lateness(struct poll *p, const char *stream)
{
    int64_t scanned =
        json_number(json_object_get(p->cursors, stream), "scanned_us");
    char name[NAME_MAX_PASS];

    /* While history is walked, what nobody knows yet is not late. */
    (void)snprintf(name, sizeof(name), "backfill:%s", stream);
    p->late_before_us = pass_get(p, name).open ? 0 : scanned;
    p->late_clock_us = scanned + p->f->cfg.behind_ms * 1000;
}

static void
scan_advance(struct poll *p)
{
    const struct window *w = &p->window;

    if (p->pass.name[0] != 0) {
        poll_stay(p);
        pass_move(p, w->cursor_us, w->cursor_id, p->next == WINDOW_END);
        return;
    }
    poll_move(p, p->scan->stream, w->cursor_us, w->cursor_id);
    if (!p->scan->crm) {
        scan_lateness(p, p->scan->stream);
    }
    if (p->next == WINDOW_END) {
        scan_over(p, p->scan->stream, w->to_us);
    }
}

/* In another zone than UTC a literal may be read an hour off for part of the
 * year: then the row that the page before ended with does not come again. Nor
 * does it when it was changed meanwhile; both are asked again from earlier. */
static bool
scan_is_torn(const struct poll *p)
{
    const struct window *w = &p->window;

    return fusion_get_zone(p->f->fusion) != 0 && w->seen.count > 0 &&
           w->offset == 0 && w->hold_us == 0 && p->page.n_rows > 0 &&
           p->page.rows[0].us > w->low_us + SECOND_US;
}

/* Everything is read again from earlier, by offset until past that row. */
static void
scan_torn(struct poll *p)
{
    struct window *w = &p->window;

    if (++p->tears > TEARS_MAX) {
        poll_senseless(p,
                       "%s: pages do not begin where the ones before ended: "
                       "the time zone of the integration user has summer "
                       "time; set it to UTC",
                       p->scan->resource);
        return;
    }
    calibration_doubt(p->f);
    w->hold_us = w->low_us;
    w->low_us -= SUMMER_US;
    poll_go(p, scan_ask);
}

static void
scan_page(struct poll *p, const struct fusion_page *page)
{
    struct window *w = &p->window;
    struct window_page wp = {.rows = p->page.rows, .n = p->page.n_rows};

    if (page == NULL) {
        /* Refused, and that is no failure: nothing to read here. */
        crm_off(p, p->scan->part);
        collect_reset(&p->page);
        p->next = WINDOW_END;
        poll_return(p);
        return;
    }
    collect_sort(&p->page);
    if (scan_is_torn(p)) {
        scan_torn(p);
        return;
    }
    p->tears = w->offset == 0 && w->hold_us == 0 ? 0 : p->tears;
    wp.rows = p->page.rows;
    wp.received = page->count;
    wp.has_more = page->has_more;
    if (w->to_us == 0) {
        w->to_us = feeds_until_us(p->f);
    }
    p->next = window_page(w, &wp, fusion_get_literal(p->f->fusion));
    if (p->next == WINDOW_DISORDER) {
        scan_fault(p, "the pod does not sort by LastUpdateDate");
        return;
    }
    if (p->next == WINDOW_UNSTABLE) {
        scan_fault(p, "rows of one time stamp keep moving between pages");
        return;
    }
    scan_advance(p);
    p->scan->page(p);
}

static void
scan_ask(struct poll *p)
{
    const struct scan_spec *s = p->scan;
    const struct window *w = &p->window;
    char order[128];
    struct fusion_term terms[2] = {
        {.attribute = "LastUpdateDate",
         .op = ">=",
         .is_time = true,
         .time_us = w->low_us},
        {.attribute = "LastUpdateDate",
         .op = "<=",
         .is_time = true,
         .time_us = w->to_us},
    };
    struct fusion_query q = {
        .resource = s->resource,
        .crm = s->crm,
        .terms = terms,
        .n_terms = w->to_us == 0 ? 1 : 2,
        .order_by = order,
        .children = s->children,
        .key = s->key,
        .limit = p->feed->page,
        .offset = w->offset,
        .links = s->links,
    };

    (void)snprintf(order, sizeof(order), "LastUpdateDate:asc,%s:asc", s->id);
    arena_reset(&p->arena);
    q.expand = poll_expand(p, s->expand, s->source);
    p->late_before_us = 0;
    collect_reset(&p->page);
    p->sized = true;
    p->optional = s->crm;
    poll_read(p, &q, s->row, scan_page);
}

void
scan_next(struct poll *p)
{
    bool pass = p->pass.name[0] != 0;

    p->late_before_us = 0;
    if (p->next == WINDOW_MORE && pass && p->window.offset == 0 &&
        poll_must_yield(p)) {
        p->feed->unfinished = true;
        poll_return(p);
    } else if (p->next == WINDOW_MORE) {
        poll_go(p, scan_ask);
    } else {
        poll_return(p);
    }
}

static void
scan_begin(struct poll *p, const struct scan_spec *spec, int64_t from_us,
           int64_t to_us, step_fn *back)
{
    p->scan = spec;
    if (p->window_on) {
        window_fini(&p->window);
    }
    window_init(&p->window, from_us, to_us, fusion_get_literal(p->f->fusion));
    p->window_on = true;
    p->tears = 0;
    if (fusion_get_zone(p->f->fusion) != 0) {
        p->window.low_us -= ZONE_SLACK_US;
    }
    poll_call(p, scan_ask, back);
}

void
scan_start(struct poll *p, const struct scan_spec *spec, step_fn *back)
{
    int64_t at = poll_cursor(p, spec->stream, NULL);
    int64_t from = at - scan_overlap(p, spec->stream);
    int64_t floor = spec->crm ? 0 : stream_floor_us(p, spec->stream);

    memset(&p->pass, 0, sizeof(p->pass));
    from = from < floor ? floor : from;
    scan_begin(p, spec, from, feeds_until_us(p->f), back);
}

void
scan_pass(struct poll *p, const struct scan_spec *spec, step_fn *back)
{
    const struct pass *s = &p->pass;

    scan_begin(p, spec, s->at_us > s->from_us ? s->at_us : s->from_us, s->to_us,
               back);
}

bool
scan_takes(struct poll *p, const json_t *row, const char *id_name,
           const char **id, int64_t *us)
{
    struct fault f = {0};
    bool has = false;

    *id = jsonx_text(row, id_name);
    if (*id == NULL) {
        poll_bad_row(p, p->scan->kind, row, NULL, id_name, "an id");
        return false;
    }
    if (jsonx_get_time(row, "LastUpdateDate", &has, us, &f) != ERR_OK || !has) {
        poll_bad_row(p, p->scan->kind, row, *id, "LastUpdateDate", "a time");
        return false;
    }
    collect_row(&p->page, row, *id, *us);
    return window_row(&p->window, *id, *us) == WINDOW_TAKE;
}
