/* SPDX-License-Identifier: UNLICENSED */
/*
 * Whether a row matches a query, and what the query promises about every row
 * that does: bounds on LastUpdateDate and on ids, or the few rows it can name.
 * Null compares with nothing, as in SQL.
 */
#include "fusion_query.h"

#include <string.h>

static int64_t
scaled(const struct val *v, bool *whole)
{
    int64_t n = v->n;

    *whole = false;
    if (v->t == V_INT) {
        return n;
    }
    for (unsigned i = v->scale; i < 6; i++) {
        n *= 10;
    }
    return n;
}

int
val_compare(const struct val *a, const struct val *b)
{
    bool whole = false;
    int64_t x = 0;
    int64_t y = 0;

    if (a->t == V_STR || b->t == V_STR) {
        int d = strcmp(a->s == NULL ? "" : a->s, b->s == NULL ? "" : b->s);

        return d < 0 ? -1 : d > 0;
    }
    x = a->t == V_DEC ? scaled(a, &whole) : a->n;
    y = b->t == V_DEC ? scaled(b, &whole) : b->n;
    return x < y ? -1 : x > y;
}

static bool
like(const char *s, const char *p)
{
    const char *back = NULL;
    const char *from = NULL;

    while (*s != 0) {
        if (*p == '%' || *p == '*') {
            back = ++p;
            from = s;
        } else if (*p == *s || *p == '_') {
            p++;
            s++;
        } else if (back != NULL) {
            p = back;
            s = ++from;
        } else {
            return false;
        }
    }
    while (*p == '%' || *p == '*') {
        p++;
    }
    return *p == 0;
}

static bool
compare(const struct node *n, const struct val *v)
{
    /* the literal of LIKE is a pattern and has no value */
    bool valued = n->n_lits > 0 && n->cmp != C_LIKE && n->cmp != C_NOT_LIKE &&
                  n->cmp != C_NULL && n->cmp != C_NOT_NULL;
    int d = valued && v->t != V_NULL ? val_compare(v, &n->lits[0].v) : 0;
    bool in = false;

    if (n->cmp == C_ANY) {
        return true;
    }
    if (v->t == V_NULL || n->cmp == C_NULL || n->cmp == C_NOT_NULL) {
        return v->t == V_NULL ? n->cmp == C_NULL : n->cmp == C_NOT_NULL;
    }
    switch ((int)n->cmp) {
    case C_EQ:
        return d == 0;
    case C_NE:
        return d != 0;
    case C_LT:
        return d < 0;
    case C_LE:
        return d <= 0;
    case C_GT:
        return d > 0;
    case C_GE:
        return d >= 0;
    case C_BETWEEN:
        return d >= 0 && val_compare(v, &n->lits[1].v) <= 0;
    case C_IN:
    case C_NOT_IN:
        for (size_t i = 0; i < n->n_lits && !in; i++) {
            in = val_compare(v, &n->lits[i].v) == 0;
        }
        return in == (n->cmp == C_IN);
    default: {
        char text[32];
        const char *s = v->t == V_STR ? v->s : dec_e_text(v->n, v->scale, text);

        return like(s, n->lits[0].text) == (n->cmp == C_LIKE);
    }
    }
}

bool
query_match(struct fctx *c, const struct node *n, const struct row *row)
{
    struct val v = {0};

    if (n == NULL) {
        return true;
    }
    if (n->what != N_CMP) {
        bool l = query_match(c, n->l, row);

        if (l == (n->what == N_OR)) {
            return l;
        }
        return query_match(c, n->r, row);
    }
    if (n->attr->id != 0) {
        v.t = n->attr->type;
        row->res->get(c, row, n->attr->id, &v);
        if (v.t == V_STR && v.s == NULL) {
            v.t = V_NULL;
        }
    }
    return compare(n, &v);
}

/* ---- bounds ------------------------------------------------------------- */

static void
narrow(enum cmp cmp, int64_t n, int64_t upper, int64_t *lo, int64_t *hi)
{
    int64_t at_least = cmp == C_GT ? n + 1 : n;
    int64_t at_most = cmp == C_LT ? n - 1 : (cmp == C_BETWEEN ? upper : n);

    if (cmp == C_EQ || cmp == C_GE || cmp == C_GT || cmp == C_BETWEEN) {
        *lo = at_least > *lo ? at_least : *lo;
    }
    if (cmp == C_EQ || cmp == C_LE || cmp == C_LT || cmp == C_BETWEEN) {
        *hi = at_most < *hi ? at_most : *hi;
    }
}

void
query_bounds(struct fctx *c, const struct res *res, const struct node *n,
             struct bounds *b)
{
    int64_t upper = 0;
    bool keyed = false;

    if (n == NULL || n->what == N_OR || (n->what == N_CMP && n->cmp == C_ANY)) {
        return;
    }
    if (n->what == N_AND) {
        query_bounds(c, res, n->l, b);
        query_bounds(c, res, n->r, b);
        return;
    }
    upper = n->n_lits > 1 ? n->lits[1].v.n : 0;
    keyed = (n->attr->flags & (AF_KEY | AF_LOOKUP)) != 0 &&
            (n->cmp == C_EQ || n->cmp == C_IN) && res->lookup != NULL;
    if (n->n_lits > 0 && (n->attr->flags & AF_STAMP) != 0 && n->cmp != C_IN) {
        narrow(n->cmp, n->lits[0].v.n, upper, &b->stamp_lo, &b->stamp_hi);
    }
    if (n->n_lits > 0 && (n->attr->flags & AF_KEY) != 0 && n->cmp != C_IN) {
        narrow(n->cmp, n->lits[0].v.n, upper, &b->id_lo, &b->id_hi);
    }
    if (keyed && !b->keyed) {
        b->keyed = true;
        for (size_t i = 0; i < n->n_lits; i++) {
            res->lookup(c, n->attr, n->lits[i].text, &b->rows);
        }
    }
}
