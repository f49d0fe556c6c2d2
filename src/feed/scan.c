/* SPDX-License-Identifier: UNLICENSED */
/*
 * A resource by LastUpdateDate, page after page, oldest first.
 *
 *     scan_start -> ask -> page -> spec->page stores it -> scan_next -> ask
 *                                                             +-> return
 *
 * From the cursor less the overlap, or from where the first poll starts, up to
 * a little behind the pod's clock. The rows above are left for the next poll,
 * the ones below are old friends; both are dropped here, whatever the pod
 * thinks of the literals it was sent.
 */
#include "feed_priv.h"
#include "ml/jsonx.h"

#include <stdio.h>

static void scan_ask(struct poll *p);

static void
scan_fault(struct poll *p, const char *what)
{
    struct fault why = {0};

    (void)fault_set(&why, ERR_PROMISE, "%s: %s", p->scan->resource, what);
    poll_fail(p, ERR_PROMISE, &why);
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
    poll_move(p, p->scan->stream, w->cursor_us, w->cursor_id);
    p->scan->page(p);
}

static void
scan_ask(struct poll *p)
{
    const struct scan_spec *s = p->scan;
    struct window *w = &p->window;
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
        .expand = s->expand,
        .children = s->children,
        .key = s->key,
        .limit = p->feed->page,
        .offset = w->offset,
        .links = s->links,
    };

    (void)snprintf(order, sizeof(order), "LastUpdateDate:asc,%s:asc", s->id);
    collect_reset(&p->page);
    p->sized = true;
    p->optional = s->crm;
    poll_read(p, &q, s->row, scan_page);
}

void
scan_next(struct poll *p)
{
    if (p->next == WINDOW_MORE) {
        poll_go(p, scan_ask);
        return;
    }
    poll_return(p);
}

void
scan_start(struct poll *p, const struct scan_spec *spec, step_fn *back)
{
    const struct feeds_config *c = &p->f->cfg;
    int64_t at = poll_cursor(p, spec->stream, NULL);

    p->scan = spec;
    if (p->window_on) {
        window_fini(&p->window);
    }
    window_init(&p->window, at == 0 ? c->since_us : at - c->overlap_ms * 1000,
                feeds_until_us(p->f), fusion_get_literal(p->f->fusion));
    p->window_on = true;
    poll_call(p, scan_ask, back);
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
