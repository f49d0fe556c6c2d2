/* SPDX-License-Identifier: UNLICENSED */
/*
 * Collections: filter, order, page. What a page costs depends on what the
 * request gives to hold on to: bounds on LastUpdateDate walk the stamp index,
 * keys are looked up, an order by id walks ids, all of them stopping as soon as
 * the page is full; everything else gathers every match and sorts.
 *
 * Without orderBy rows come in the order they were made, which is not quite
 * the order of ids. The page is `limit` after the pod's cap; hasMore tells.
 */
#include "fusion.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { ORDER_MAX = 6, LIMIT_DEFAULT = 25, SKIP_MIN = 4096 };

struct order {
    const struct attr *attr;
    bool desc;
};

struct page {
    struct node *filter;
    struct order order[ORDER_MAX];
    size_t n_order;
    int64_t limit, offset, days;
    bool total, gather;
    struct sel *sel;
    struct rows rows; /* of the page; all matches while gathering */
    int64_t matched;
    bool more;
};

void
rows_add(struct fctx *c, struct rows *out, struct row row)
{
    if (out->n == out->cap) {
        size_t cap = out->cap == 0 ? 16 : out->cap * 2;
        struct row *v = arena_array(c->a, cap, sizeof(*v));

        if (out->n > 0) {
            memcpy(v, out->v, out->n * sizeof(*v));
        }
        out->v = v;
        out->cap = cap;
    }
    out->v[out->n++] = row;
}

/* ---- parameters --------------------------------------------------------- */

static bool
number_param(struct fctx *c, const char *name, int64_t fallback, int64_t *out)
{
    const char *s = param_get(c, name);
    char *end = NULL;

    *out = fallback;
    if (s == NULL || *s == 0) {
        return true;
    }
    *out = strtoll(s, &end, 10);
    if (*end != 0 || *out < 0) {
        return fail(c, 400, "27524",
                    "URL request parameter %s has the bad value %s.", name, s);
    }
    return true;
}

static bool
true_param(const struct fctx *c, const char *name)
{
    const char *s = param_get(c, name);

    return s != NULL && strcasecmp(s, "true") == 0;
}

/* How a pod takes an order by what it cannot be asked for: 0 does not care, 1
 * obeys, 2 refuses. */
static int64_t
order_taken(const struct fctx *c, const struct res *res)
{
    if (res == &res_receipts) {
        return c->pod->sw[SW_receipts_order];
    }
    return res == &res_memos || res == &res_adjustments ?
               c->pod->sw[SW_memos_order] :
               c->pod->sw[SW_order];
}

static bool
order_parse(struct fctx *c, const struct res *res, struct page *pg,
            const char *s)
{
    int64_t taken = order_taken(c, res);

    if (taken == 0) {
        return true;
    }
    while (*s != 0) {
        size_t n = strcspn(s, ",");
        const char *colon = memchr(s, ':', n);
        size_t len = colon == NULL ? n : (size_t)(colon - s);
        struct order *o = &pg->order[pg->n_order];

        if (pg->n_order == ORDER_MAX) {
            return fail(c, 400, "27525", "Too many keys in orderBy.");
        }
        o->attr = attr_find(res, s, len);
        if (o->attr == NULL ||
            (colon != NULL && strncasecmp(colon, ":asc", 4) != 0 &&
             strncasecmp(colon, ":desc", 5) != 0)) {
            return fail(c, 400, "27525",
                        "URL request parameter orderBy has the bad key %.*s.",
                        (int)n, s);
        }
        if (taken == 2 && (o->attr->flags & AF_STAMP) != 0) {
            return fail(c, 400, "27525",
                        "The attribute %.*s cannot be sorted by.", (int)len, s);
        }
        o->desc = colon != NULL && strncasecmp(colon, ":desc", 5) == 0;
        pg->n_order++;
        s += n;
        s += *s == ',';
    }
    return true;
}

static bool
sel_parse(struct fctx *c, const struct res *res, struct page *pg)
{
    const char *fields = param_get(c, "fields");
    const char *expand = param_get(c, "expand");

    pg->sel = sel_new(c, fields == NULL);
    if (fields != NULL) { /* and wins over expand */
        return sel_fields(c, res, pg->sel, fields);
    }
    return expand == NULL || sel_expand(c, res, pg->sel, expand);
}

static bool
limits_parse(struct fctx *c, struct page *pg)
{
    const int64_t *on = c->pod->sw;

    if (!number_param(c, "limit", LIMIT_DEFAULT, &pg->limit) ||
        !number_param(c, "offset", 0, &pg->offset)) {
        return false;
    }
    if (on[SW_timeout_limit] > 0 && pg->limit > on[SW_timeout_limit]) {
        return fail(c, 504, "", "timeout");
    }
    if (on[SW_offset_wall] > 0 && pg->offset > on[SW_offset_wall]) {
        return fail(c, 400, "27526", "The offset is too large.");
    }
    pg->limit = pg->limit == 0 ? LIMIT_DEFAULT : pg->limit;
    pg->limit = pg->limit > on[SW_limit_cap] ? on[SW_limit_cap] : pg->limit;
    return true;
}

static bool
page_parse(struct fctx *c, const struct res *res, struct page *pg)
{
    const char *q = param_get(c, "q");
    const char *order = param_get(c, "orderBy");
    const char *finder = param_get(c, "finder");
    bool named = false;

    pg->days = res->window != NULL ? c->pod->sw[SW_window_days] : 0;
    if (!limits_parse(c, pg)) {
        return false;
    }
    if (finder != NULL && *finder != 0) {
        pg->filter = query_finder(c, res, finder, &pg->days, &named);
    }
    if (c->status == 0 && q != NULL && *q != 0) {
        pg->filter = query_and(c, pg->filter, query_parse(c, res, q));
    }
    if (c->status == 0 && order != NULL) {
        (void)order_parse(c, res, pg, order);
    }
    pg->total = true_param(c, "totalResults");
    return c->status == 0 && sel_parse(c, res, pg);
}

/* ---- taking rows -------------------------------------------------------- */

/* False: the page is complete, stop. */
static bool
page_take(struct fctx *c, struct page *pg, const struct row *row)
{
    c->pod->looked++;
    if (row->res->visible != NULL && row->parent == NULL &&
        !row->res->visible(c, row->i)) {
        return true;
    }
    if (!query_match(c, pg->filter, row)) {
        return true;
    }
    pg->matched++;
    if (pg->gather) {
        rows_add(c, &pg->rows, *row);
        return true;
    }
    if (pg->matched <= pg->offset) {
        return true;
    }
    if ((int64_t)pg->rows.n < pg->limit) {
        rows_add(c, &pg->rows, *row);
        return true;
    }
    pg->more = true;
    return pg->total;
}

static struct row
top_row(const struct res *res, uint32_t idx)
{
    return (struct row){.res = res, .name = res->name, .i = idx};
}

static bool
take_idx(struct fctx *c, const struct res *res, struct page *pg, uint32_t idx)
{
    struct row row = top_row(res, idx);

    return !world_alive(c->w, res->kind, idx) || page_take(c, pg, &row);
}

/* How many rows at the front of the walk need not be looked at one by one,
 * since nothing could hold one of them back. */
static size_t
skip_ahead(struct fctx *c, const struct res *res, struct page *pg, size_t n)
{
    bool plain = pg->filter == NULL && !pg->gather && !pg->total &&
                 (res == &res_receipts || res == &res_memos) &&
                 c->pod->hidden_unit[0] == 0 && !sw(c, SW_trim_percent);

    if (!plain) {
        return 0;
    }
    n = (size_t)pg->offset < n ? (size_t)pg->offset : n;
    pg->matched = (int64_t)n;
    return n;
}

static void
walk_up(struct fctx *c, const struct res *res, struct page *pg,
        const struct bounds *b)
{
    const struct stamp_index *x = &c->w->by_stamp[res->kind];

    for (size_t i = stamp_seek(x, b->stamp_lo);
         i < x->n && x->v[i].stamp <= b->stamp_hi; i++) {
        if (stamp_live(c->w, res->kind, i) &&
            !take_idx(c, res, pg, x->v[i].idx)) {
            return;
        }
    }
}

/* Newest first; ids go down too, or up inside one stamp. */
static void
walk_down(struct fctx *c, const struct res *res, struct page *pg,
          const struct bounds *b, bool ids_up)
{
    const struct stamp_index *x = &c->w->by_stamp[res->kind];
    bool deep = !ids_up && pg->offset >= SKIP_MIN;
    size_t end = 0;

    if (deep) {
        stamp_clean(c->w, res->kind);
    }
    end = b->stamp_hi == INT64_MAX ? x->n : stamp_seek(x, b->stamp_hi + 1);
    end -= deep ? skip_ahead(c, res, pg, end) : 0;
    while (end > 0 && x->v[end - 1].stamp >= b->stamp_lo) {
        size_t from = end - 1;

        while (ids_up && from > 0 && x->v[from - 1].stamp == x->v[from].stamp) {
            from--;
        }
        for (size_t i = from; i < end; i++) {
            if (stamp_live(c->w, res->kind, i) &&
                !take_idx(c, res, pg, x->v[i].idx)) {
                return;
            }
        }
        end = from;
    }
}

/* By id (in_order) or as made; ids below the bound are not looked at. */
static void
walk_ids(struct fctx *c, const struct res *res, struct page *pg,
         const struct bounds *b, bool in_order)
{
    uint32_t n = (uint32_t)c->w->n[res->kind];
    int64_t first = world_id(c->w, res->kind, world_order(c->w, res->kind, 0));
    int64_t step =
        world_id(c->w, res->kind, world_order(c->w, res->kind, 1)) - first;
    int64_t at = b->id_lo > first ? (b->id_lo - first) / step : 0;
    uint32_t i = 0;

    at = at > 16 ? (at - 16) / 16 * 16 : 0;
    i = at > (int64_t)n ? n : (uint32_t)at;
    for (; i < (in_order ? (n + 15) / 16 * 16 : n); i++) {
        uint32_t idx = in_order ? world_order(c->w, res->kind, i) : i;

        if (!take_idx(c, res, pg, idx)) {
            return;
        }
    }
}

/* From the greatest id below the bound down. */
static void
walk_ids_down(struct fctx *c, const struct res *res, struct page *pg,
              const struct bounds *b)
{
    int64_t first = world_id(c->w, res->kind, world_order(c->w, res->kind, 0));
    int64_t step =
        world_id(c->w, res->kind, world_order(c->w, res->kind, 1)) - first;
    int64_t at = ((int64_t)c->w->n[res->kind] + 15) / 16 * 16;

    if (b->id_hi < first) {
        return;
    }
    if (b->id_hi < first + at * step) {
        at = (b->id_hi - first) / step + 1;
    }
    while (at > 0) {
        uint32_t idx = world_order(c->w, res->kind, (uint32_t)--at);

        if (!take_idx(c, res, pg, idx)) {
            return;
        }
    }
}

/* ---- sorting ------------------------------------------------------------ */

struct sorted {
    struct row row;
    struct val key[ORDER_MAX];
};

static int
key_compare(const struct val *a, const struct val *b)
{
    if (a->t == V_NULL || b->t == V_NULL) {
        return (a->t == V_NULL) - (b->t == V_NULL); /* nulls last, as Oracle */
    }
    return val_compare(a, b);
}

static bool
comes_before(const struct page *pg, const struct sorted *a,
             const struct sorted *b)
{
    for (size_t i = 0; i < pg->n_order; i++) {
        int d = key_compare(&a->key[i], &b->key[i]);

        if (d != 0) {
            return pg->order[i].desc ? d > 0 : d < 0;
        }
    }
    return false;
}

static void
merge(const struct page *pg, struct sorted *to, const struct sorted *from,
      size_t n, size_t width)
{
    for (size_t lo = 0; lo < n; lo += 2 * width) {
        size_t mid = lo + width < n ? lo + width : n;
        size_t hi = lo + 2 * width < n ? lo + 2 * width : n;
        size_t i = lo;
        size_t j = mid;

        for (size_t k = lo; k < hi; k++) {
            bool right =
                i >= mid || (j < hi && comes_before(pg, &from[j], &from[i]));

            to[k] = right ? from[j] : from[i];
            if (right) {
                j++;
            } else {
                i++;
            }
        }
    }
}

static void
page_sort(struct fctx *c, struct page *pg)
{
    size_t n = pg->rows.n;
    struct sorted *a = mem_array(n + 1, sizeof(*a));
    struct sorted *b = mem_array(n + 1, sizeof(*b));

    for (size_t i = 0; i < n; i++) {
        a[i].row = pg->rows.v[i];
        for (size_t k = 0; k < pg->n_order; k++) {
            const struct attr *at = pg->order[k].attr;

            if (at->id != 0) {
                a[i].key[k].t = at->type;
                a[i].row.res->get(c, &a[i].row, at->id, &a[i].key[k]);
            }
        }
    }
    for (size_t width = 1; width < n; width *= 2) {
        struct sorted *t = a;

        merge(pg, b, a, n, width);
        a = b;
        b = t;
    }
    for (size_t i = 0; i < n; i++) {
        pg->rows.v[i] = a[i].row;
    }
    mem_free(a);
    mem_free(b);
}

/* What was gathered becomes the page. */
static void
page_cut(struct fctx *c, struct page *pg)
{
    size_t from =
        (size_t)pg->offset < pg->rows.n ? (size_t)pg->offset : pg->rows.n;

    if (pg->n_order > 0) {
        page_sort(c, pg);
    }
    pg->rows.n -= from;
    pg->rows.v += from;
    pg->more = (int64_t)pg->rows.n > pg->limit;
    if (pg->more) {
        pg->rows.n = (size_t)pg->limit;
    }
}

/* ---- envelopes ---------------------------------------------------------- */

static void
page_write(struct fctx *c, struct page *pg, const char *href, const char *name)
{
    struct jw j = {.b = c->out};
    int64_t lies = c->pod->sw[SW_has_more_empty];
    bool lie = lies > 1 || (lies == 1 && pg->rows.n > 0);

    jw_open(&j, '{');
    if (pg->rows.n > 0 || !sw(c, SW_items_absent)) {
        jw_key(&j, "items");
        jw_open(&j, '[');
        for (size_t i = 0; i < pg->rows.n; i++) {
            jw_element(&j);
            render_row(c, &j, &pg->rows.v[i], pg->sel);
        }
        jw_close(&j, ']');
    }
    if (pg->total) {
        jw_key(&j, "totalResults");
        jw_int(&j, sw(c, SW_total_wrong) ? -1 : pg->matched);
    }
    jw_key(&j, "count");
    jw_int(&j, (int64_t)pg->rows.n);
    jw_key(&j, "hasMore");
    jw_word(&j, pg->more || lie ? "true" : "false");
    jw_key(&j, "limit");
    jw_int(&j, pg->limit);
    jw_key(&j, "offset");
    jw_int(&j, pg->offset);
    render_self_link(c, &j, href, name);
    jw_close(&j, '}');
    buf_addc(c->out, '\n');
    c->n_rows += pg->rows.n;
    c->n_lists++;
}

/* Rows found by key; one named twice counts once. */
static void
take_keyed(struct fctx *c, struct page *pg, const struct rows *rows)
{
    for (size_t i = 0; i < rows->n; i++) {
        size_t before = 0;

        while (before < i && rows->v[before].i != rows->v[i].i) {
            before++;
        }
        if (before == i) {
            (void)page_take(c, pg, &rows->v[i]);
        }
    }
}

void
list_top(struct fctx *c, const struct res *res)
{
    struct page pg = {0};
    struct bounds b = {.stamp_lo = INT64_MIN,
                       .stamp_hi = INT64_MAX,
                       .id_lo = INT64_MIN,
                       .id_hi = INT64_MAX};
    unsigned first = 0;
    unsigned second = 0;

    if (!page_parse(c, res, &pg)) {
        return;
    }
    query_bounds(c, res, pg.filter, &b);
    first = pg.n_order > 0 ? pg.order[0].attr->flags : 0;
    second = pg.n_order > 1 ? pg.order[1].attr->flags : AF_KEY;
    if (b.keyed) {
        pg.gather = true;
        take_keyed(c, &pg, &b.rows);
    } else if ((first & AF_STAMP) != 0 && (second & AF_KEY) != 0 &&
               (pg.order[0].desc || pg.n_order < 2 || !pg.order[1].desc)) {
        if (pg.order[0].desc) {
            walk_down(c, res, &pg, &b, pg.n_order > 1 && !pg.order[1].desc);
        } else {
            walk_up(c, res, &pg, &b);
        }
    } else if ((first & AF_KEY) != 0 && pg.order[0].desc) {
        walk_ids_down(c, res, &pg, &b);
    } else if ((first & AF_KEY) != 0) {
        walk_ids(c, res, &pg, &b, true);
    } else {
        pg.gather = pg.n_order > 0;
        if (pg.gather && b.stamp_lo != INT64_MIN) {
            walk_up(c, res, &pg, &b);
        } else {
            walk_ids(c, res, &pg, &b, false);
        }
    }
    if (pg.gather) {
        page_cut(c, &pg);
    }
    page_write(c, &pg,
               arena_printf(c->a, "%s/%s/resources/11.13.18.05/%s", c->base,
                            res->api, res->name),
               res->name);
}

/* Whether a row of an account's activities is inside the window of days. */
static bool
in_window(struct fctx *c, const struct row *row, int64_t days)
{
    const struct attr *a = NULL;
    struct val v = {0};
    const char *name = row->res->window;

    if (days <= 0 || name == NULL) {
        return true;
    }
    a = attr_find(row->res, name, strlen(name));
    if (a == NULL) {
        return true;
    }
    v.t = a->type;
    row->res->get(c, row, a->id, &v);
    return v.n >= c->now / INT64_C(86400000000) - days;
}

void
list_child(struct fctx *c, const struct child *child, const struct row *parent)
{
    struct page pg = {.gather = true};
    struct rows rows = {0};

    if (!page_parse(c, child->res, &pg)) {
        return;
    }
    child->rows(c, parent, &rows);
    for (size_t i = 0; i < rows.n; i++) {
        if (in_window(c, &rows.v[i], pg.days)) {
            (void)page_take(c, &pg, &rows.v[i]);
        }
    }
    page_cut(c, &pg);
    page_write(
        c, &pg,
        arena_printf(c->a, "%s/child/%s", row_href(c, parent), child->name),
        child->name);
}

void
list_item(struct fctx *c, const struct row *row)
{
    struct page pg = {0};
    struct jw j = {.b = c->out};

    if (!sel_parse(c, row->res, &pg)) {
        return;
    }
    render_row(c, &j, row, pg.sel);
    buf_addc(c->out, '\n');
    c->n_rows++;
}
