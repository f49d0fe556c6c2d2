/* SPDX-License-Identifier: UNLICENSED */
/*
 * Rows as JSON: which attributes and children were asked for (fields, expand),
 * the nested collections and the links.
 *
 * Frameworks 1 and 2 show a child as a bare array; from 3 on it is a collection
 * of at most 25 rows with hasMore. From framework 9 on (context_version) links
 * are under @context. A dump (raw) shows bare arrays, everything, no links.
 */
#include "fusion.h"

#include <string.h>

struct sel *
sel_new(struct fctx *c, bool all)
{
    struct sel *s = arena_alloc(c->a, sizeof(*s));

    s->all = all;
    return s;
}

static int
child_index(const struct res *res, const char *name, size_t len)
{
    for (size_t i = 0; i < res->n_children; i++) {
        if (strncmp(res->children[i].name, name, len) == 0 &&
            res->children[i].name[len] == 0) {
            return (int)i;
        }
    }
    return -1;
}

/* Walks "Child.Grand", making selections on the way; NULL after a failure. */
static struct sel *
sel_path(struct fctx *c, const struct res **res, struct sel *s,
         const char *path, size_t len, bool all)
{
    while (len > 0) {
        const char *dot = memchr(path, '.', len);
        size_t n = dot == NULL ? len : (size_t)(dot - path);
        int i = child_index(*res, path, n);

        if (i < 0) {
            (void)fail(c, 400, "27523", "%s has no child %.*s.", (*res)->name,
                       (int)n, path);
            return NULL;
        }
        if (s->child[i] == NULL) {
            s->child[i] = sel_new(c, all);
        }
        s = s->child[i];
        *res = (*res)->children[i].res;
        path += n + (dot != NULL);
        len -= n + (dot != NULL);
    }
    return s;
}

static bool
sel_names(struct fctx *c, const struct res *res, struct sel *s,
          const char *names, size_t len)
{
    const char *end = names + len;

    while (names < end) {
        size_t n = 0;
        const struct attr *a = NULL;
        size_t i = 0;

        while (names + n < end && names[n] != ',') {
            n++;
        }
        a = attr_find(res, names, n);
        if (a == NULL && n > 0) {
            return fail(c, 400, "27523",
                        "URL request parameter fields names the unknown "
                        "attribute %.*s of %s.",
                        (int)n, names, res->name);
        }
        if (a != NULL) {
            i = (size_t)(a - res->attrs);
            s->bits[i / 64] |= UINT64_C(1) << (i % 64);
        }
        names += n + 1;
    }
    return true;
}

bool
sel_fields(struct fctx *c, const struct res *res, struct sel *s,
           const char *fields)
{
    while (*fields != 0) {
        size_t n = strcspn(fields, ";");
        const char *colon = memchr(fields, ':', n);
        const struct res *at = res;
        struct sel *into = s;

        if (colon != NULL) {
            into = sel_path(c, &at, s, fields, (size_t)(colon - fields), false);
            if (into == NULL || !sel_names(c, at, into, colon + 1,
                                           n - (size_t)(colon + 1 - fields))) {
                return false;
            }
        } else if (!sel_names(c, at, into, fields, n)) {
            return false;
        }
        fields += n;
        fields += *fields == ';';
    }
    return true;
}

void
sel_deep(struct fctx *c, const struct res *res, struct sel *s)
{
    for (size_t i = 0; i < res->n_children; i++) {
        s->child[i] = sel_new(c, true);
        sel_deep(c, res->children[i].res, s->child[i]);
    }
}

bool
sel_expand(struct fctx *c, const struct res *res, struct sel *s,
           const char *expand)
{
    if (strcmp(expand, "all") == 0) {
        sel_deep(c, res, s);
        return true;
    }
    while (*expand != 0) {
        size_t n = strcspn(expand, ",");
        const struct res *at = res;

        if (n > 0 && sel_path(c, &at, s, expand, n, true) == NULL) {
            return false;
        }
        expand += n;
        expand += *expand == ',';
    }
    return true;
}

/* ---- links -------------------------------------------------------------- */

const char *
row_href(struct fctx *c, const struct row *row)
{
    const char *key = row->res->key(c, row);

    if (row->parent != NULL) {
        return arena_printf(c->a, "%s/child/%s/%s", row_href(c, row->parent),
                            row->name, key);
    }
    return arena_printf(c->a, "%s/%s/resources/11.13.18.05/%s/%s", c->base,
                        row->res->api, row->name, key);
}

/* links=self,child: only those relations. */
static bool
link_wanted(const struct fctx *c, const char *rel)
{
    const char *wanted = param_get(c, "links");
    size_t n = strlen(rel);

    while (wanted != NULL && *wanted != 0) {
        size_t len = strcspn(wanted, ",");

        if (len == n && strncmp(wanted, rel, n) == 0) {
            return true;
        }
        wanted += len;
        wanted += *wanted == ',';
    }
    return param_get(c, "links") == NULL;
}

static void
link_write(const struct fctx *c, struct jw *j, const char *rel,
           const char *href, const char *name, const char *kind)
{
    if (!link_wanted(c, rel)) {
        return;
    }
    jw_element(j);
    jw_open(j, '{');
    jw_key(j, "rel");
    jw_str(j, rel);
    jw_key(j, "href");
    jw_str(j, href);
    jw_key(j, "name");
    jw_str(j, name);
    jw_key(j, "kind");
    jw_str(j, kind);
    if (strcmp(rel, "self") == 0 && strcmp(kind, "item") == 0) {
        jw_key(j, "properties");
        jw_open(j, '{');
        jw_key(j, "changeIndicator");
        jw_str(j, "ACED0005737200136A6176612E7574696C2E41727261794C69737478"
                  "81D21D99C7619D03000149000473697A65");
        jw_close(j, '}');
    }
    jw_close(j, '}');
}

void
render_self_link(struct fctx *c, struct jw *j, const char *href,
                 const char *name)
{
    jw_key(j, "links");
    jw_open(j, '[');
    link_write(c, j, "self", href, name, "collection");
    jw_close(j, ']');
}

static void
render_links(struct fctx *c, struct jw *j, const struct row *row)
{
    const char *href = row_href(c, row);
    bool context = c->version >= c->pod->sw[SW_context_version];

    if (context) {
        jw_key(j, "@context");
        jw_open(j, '{');
        jw_key(j, "key");
        jw_str(j, row->res->key(c, row));
    }
    jw_key(j, "links");
    jw_open(j, '[');
    link_write(c, j, "self", href, row->name, "item");
    link_write(c, j, "canonical", href, row->name, "item");
    for (size_t i = 0; i < row->res->n_children; i++) {
        const char *name = row->res->children[i].name;

        link_write(c, j, "child", arena_printf(c->a, "%s/child/%s", href, name),
                   name, "collection");
    }
    jw_close(j, ']');
    if (context) {
        jw_close(j, '}');
    }
}

/* ---- rows --------------------------------------------------------------- */

static void
render_attr(struct fctx *c, struct jw *j, const struct row *row, size_t i,
            bool by_fields)
{
    const struct attr *a = &row->res->attrs[i];
    struct val v = {0};

    jw_key(j, a->name);
    if (a->id != 0) {
        v.t = a->type;
        row->res->get(c, row, a->id, &v);
    }
    if (by_fields && (a->flags & AF_DENORM) != 0 &&
        sw(c, SW_fields_lose_names)) {
        v.t = V_NULL;
    }
    jw_val(j, c, &v);
}

void
render_child(struct fctx *c, struct jw *j, const struct row *row,
             const struct child *child, const struct sel *s)
{
    const int64_t *on = c->pod->sw;
    bool bare = c->raw || c->version < 3;
    int64_t limit = bare ? on[SW_v1_child_limit] : on[SW_child_limit];
    struct rows rows = {0};
    size_t shown = 0;

    child->rows(c, row, &rows);
    shown =
        c->raw || limit <= 0 || rows.n < (size_t)limit ? rows.n : (size_t)limit;
    jw_key(j, child->name);
    if (!bare) {
        jw_open(j, '{');
        jw_key(j, "items");
    }
    jw_open(j, '[');
    for (size_t i = 0; i < shown; i++) {
        jw_element(j);
        render_row(c, j, &rows.v[i], s);
    }
    jw_close(j, ']');
    if (!bare) {
        jw_key(j, "count");
        jw_int(j, (int64_t)shown);
        jw_key(j, "hasMore");
        jw_word(j, shown < rows.n ? "true" : "false");
        jw_key(j, "limit");
        jw_int(j, limit);
        jw_key(j, "offset");
        jw_int(j, 0);
        render_self_link(
            c, j,
            arena_printf(c->a, "%s/child/%s", row_href(c, row), child->name),
            child->name);
        jw_close(j, '}');
    }
}

void
render_members(struct fctx *c, struct jw *j, const struct row *row,
               const struct sel *s)
{
    for (size_t i = 0; i < row->res->n_attrs; i++) {
        if (s->all || (s->bits[i / 64] >> (i % 64) & 1U) != 0) {
            render_attr(c, j, row, i, !s->all);
        }
    }
    for (size_t i = 0; i < row->res->n_children; i++) {
        if (s->child[i] != NULL) {
            render_child(c, j, row, &row->res->children[i], s->child[i]);
        }
    }
    if (!c->raw && !c->only_data) {
        render_links(c, j, row);
    }
}

void
render_row(struct fctx *c, struct jw *j, const struct row *row,
           const struct sel *s)
{
    jw_open(j, '{');
    render_members(c, j, row, s);
    jw_close(j, '}');
}
