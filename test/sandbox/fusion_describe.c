/* SPDX-License-Identifier: UNLICENSED */
/*
 * What the pod says of itself: versions, the list of resources, and per
 * resource the attributes with `queryable` as this pod (and its switches) has
 * it, and the same of its children and theirs, nested.
 *
 * As big as real ones are: an attribute takes several hundred bytes, most of
 * them of no use to anybody.
 */
#include "fusion.h"

#include <stdio.h>
#include <string.h>

/* How a page would show it. */
static void
describe_form(struct jw *j, const struct attr *a)
{
    jw_key(j, "allowChanges");
    jw_str(j, "never");
    if (a->type == V_INT || a->type == V_DEC) {
        jw_key(j, "precision");
        jw_int(j, 18);
    } else if (a->type == V_STR) {
        jw_key(j, "maxLength");
        jw_str(j, "240");
    }
    jw_key(j, "title");
    jw_str(j, a->name);
    jw_key(j, "controlType");
    jw_str(j, a->type == V_DATE || a->type == V_TIME ? "date" : "default");
    jw_key(j, "hasDefaultValueExpression");
    jw_word(j, "false");
    jw_key(j, "annotations");
    jw_open(j, '{');
    jw_key(j, "description");
    jw_str(j, a->name);
    jw_close(j, '}');
}

static void
describe_attr(struct fctx *c, struct jw *j, const struct res *res,
              const struct attr *a)
{
    static const char *const types[] = {
        [V_NULL] = "string", [V_INT] = "integer", [V_DEC] = "number",
        [V_STR] = "string",  [V_DATE] = "string", [V_TIME] = "string",
        [V_BOOL] = "boolean"};

    jw_element(j);
    jw_open(j, '{');
    jw_key(j, "name");
    jw_str(j, a->name);
    jw_key(j, "type");
    jw_str(j, types[a->type]);
    jw_key(j, "updatable");
    jw_word(j, "false");
    jw_key(j, "mandatory");
    jw_word(j, (a->flags & AF_KEY) != 0 ? "true" : "false");
    jw_key(j, "queryable");
    jw_word(j, attr_queryable(c, res, a) ? "true" : "false");
    describe_form(j, a);
    if (a->type == V_DATE || a->type == V_TIME) {
        jw_key(j, "properties");
        jw_open(j, '{');
        jw_key(j, "format");
        jw_str(j, a->type == V_DATE ? "date" : "date-time");
        jw_close(j, '}');
    }
    jw_close(j, '}');
}

static void
describe_attrs(struct fctx *c, struct jw *j, const struct res *res)
{
    jw_key(j, "discrColumnType");
    jw_word(j, "false");
    jw_key(j, "title");
    jw_str(j, res->title);
    jw_key(j, "attributes");
    jw_open(j, '[');
    for (size_t i = 0; i < res->n_attrs; i++) {
        describe_attr(c, j, res, &res->attrs[i]);
    }
    jw_close(j, ']');
}

static void
describe_finders(struct fctx *c, struct jw *j, const struct res *res)
{
    const char *p = res->finders == NULL ? "" : res->finders;

    jw_key(j, "collection");
    jw_open(j, '{');
    jw_key(j, "rangeSize");
    jw_int(j, 25);
    jw_key(j, "finders");
    jw_open(j, '[');
    while (*p != 0) {
        size_t n = strcspn(p, " ");

        jw_element(j);
        jw_open(j, '{');
        jw_key(j, "name");
        jw_str(j, arena_strndup(c->a, p, n));
        jw_close(j, '}');
        p += n;
        p += *p == ' ';
    }
    jw_close(j, ']');
    jw_close(j, '}');
}

static void
describe_children(struct fctx *c, struct jw *j, const struct res *res)
{
    if (!sw(c, SW_describe_children)) {
        return;
    }
    jw_key(j, "children");
    jw_open(j, '{');
    for (size_t i = 0; i < res->n_children; i++) {
        const struct res *child = res->children[i].res;

        jw_key(j, res->children[i].name);
        jw_open(j, '{');
        describe_attrs(c, j, child);
        describe_finders(c, j, child);
        if (child->n_children > 0) {
            describe_children(c, j, child);
        }
        jw_close(j, '}');
    }
    jw_close(j, '}');
}

/* So many KiB that say nothing. */
static void
describe_pad(struct fctx *c, struct jw *j)
{
    char text[1025];

    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = 0;
    jw_key(j, "annotations");
    jw_open(j, '[');
    for (int64_t i = 0; i < c->pod->sw[SW_describe_kb]; i++) {
        jw_element(j);
        jw_str(j, text);
    }
    jw_close(j, ']');
}

/* Some pods are particular about Accept. */
static bool
accept_fits(const struct fctx *c)
{
    const char *accept = sim_header(c->r, "Accept");
    int64_t only = c->pod->sw[SW_describe_accept];

    return only == 0 ||
           text_equal(accept, only == 1 ? "*/*" : "application/json");
}

static void
describe_link(struct fctx *c, struct jw *j, const char *rel, const char *name,
              const char *kind, const char *href)
{
    (void)c;
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
    jw_close(j, '}');
}

static void
describe_member(struct fctx *c, struct jw *j, const struct res *res)
{
    jw_key(j, res->name);
    jw_open(j, '{');
    describe_attrs(c, j, res);
    describe_finders(c, j, res);
    describe_children(c, j, res);
    jw_key(j, "links");
    jw_open(j, '[');
    describe_link(c, j, "self", "self", "describe",
                  arena_printf(c->a, "%s/%s/resources/11.13.18.05/%s/describe",
                               c->base, res->api, res->name));
    jw_close(j, ']');
    if (sw(c, SW_describe_kb)) {
        describe_pad(c, j);
    }
    jw_close(j, '}');
}

/* NULL: every resource of the api. */
void
describe_resource(struct fctx *c, const char *api, const struct res *res)
{
    struct jw j = {.b = c->out};
    int64_t only = c->pod->sw[SW_describe_status];

    c->op = "describe";
    if (only == 0 && !accept_fits(c)) {
        only = 406;
    }
    if (only != 0) {
        (void)fail(c, (int)only, "11", "describe is not available");
        return;
    }
    jw_open(&j, '{');
    jw_key(&j, "Resources");
    jw_open(&j, '{');
    for (size_t i = 0; i < n_top_resources; i++) {
        if (res == top_resources[i] ||
            (res == NULL && strcmp(top_resources[i]->api, api) == 0)) {
            describe_member(c, &j, top_resources[i]);
        }
    }
    jw_close(&j, '}');
    jw_close(&j, '}');
    buf_addc(c->out, '\n');
}

static void
version_row(struct fctx *c, struct jw *j, const char *api)
{
    jw_element(j);
    jw_open(j, '{');
    jw_key(j, "version");
    jw_str(j, "11.13.18.05");
    jw_key(j, "isLatest");
    jw_word(j, "true");
    jw_key(j, "adf:extension");
    jw_open(j, '{');
    jw_key(j, "defaultFrameworkVersion");
    jw_str(j, arena_printf(c->a, "%d", (int)c->pod->sw[SW_default_version]));
    jw_key(j, "allowedFrameworkVersions");
    jw_open(j, '[');
    for (int i = 1; i <= (int)c->pod->sw[SW_max_version]; i++) {
        jw_element(j);
        jw_str(j, arena_printf(c->a, "%d", i));
    }
    jw_close(j, ']');
    jw_close(j, '}');
    jw_key(j, "links");
    jw_open(j, '[');
    describe_link(
        c, j, "self", "self", "item",
        arena_printf(c->a, "%s/%s/resources/11.13.18.05", c->base, api));
    describe_link(c, j, "describe", "describe", "describe",
                  arena_printf(c->a, "%s/%s/resources/11.13.18.05/describe",
                               c->base, api));
    jw_close(j, ']');
    jw_close(j, '}');
}

void
describe_root(struct fctx *c, bool one, const char *api)
{
    struct jw j = {.b = c->out};

    c->op = "root.get";
    jw_open(&j, '{');
    jw_key(&j, "items");
    jw_open(&j, '[');
    if (one) {
        for (size_t i = 0; i < n_top_resources; i++) {
            if (strcmp(top_resources[i]->api, api) == 0) {
                jw_element(&j);
                jw_open(&j, '{');
                jw_key(&j, "name");
                jw_str(&j, top_resources[i]->name);
                jw_close(&j, '}');
            }
        }
    } else {
        version_row(c, &j, api);
    }
    jw_close(&j, ']');
    jw_key(&j, "links");
    jw_open(&j, '[');
    describe_link(c, &j, "self", "self", "collection",
                  arena_printf(c->a, "%s/%s/resources", c->base, api));
    jw_close(&j, ']');
    jw_close(&j, '}');
    buf_addc(c->out, '\n');
}
