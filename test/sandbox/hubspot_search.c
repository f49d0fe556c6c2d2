/* SPDX-License-Identifier: UNLICENSED */
/*
 * Search, as far as somebody might be tempted to use it: filter groups, one
 * sort, paging up to 10,000, and an index that lags behind. A walk over all
 * records of the type; it is not fast and need not be.
 */
#include "hubspot.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { GROUPS_MAX = 5, FILTERS_MAX = 6, FILTERS_ALL_MAX = 18, LIMIT_MAX = 200 };

static const char *
text_of(struct hub_call *c, json_t *filter, const char *key)
{
    json_t *v = json_object_get(filter, key);
    const char *s = v == NULL ? NULL : value_text(&c->arena, v);

    return s == NULL ? "" : s;
}

/* By number, by time or by text, whatever the property is. */
static int
compare(const struct hub_prop *prop, const char *a, const char *b)
{
    struct dec x, y;
    int64_t s, t;

    if (prop->kind == KIND_NUMBER && dec_parse(a, strlen(a), &x) == ERR_OK &&
        dec_parse(b, strlen(b), &y) == ERR_OK) {
        return dec_cmp(x, y);
    }
    if (prop->kind == KIND_DATETIME && time_parse(a, strlen(a), &s) == ERR_OK) {
        if (strspn(b, "0123456789") == strlen(b)) {
            t = (int64_t)strtoll(b, NULL, 10) % (INT64_MAX / 1000) * 1000;
        } else if (time_parse(b, strlen(b), &t) != ERR_OK) {
            t = 0;
        }
        return s < t ? -1 : s > t;
    }
    for (;
         *a != '\0' && tolower((unsigned char)*a) == tolower((unsigned char)*b);
         a++, b++) {
    }
    return tolower((unsigned char)*a) - tolower((unsigned char)*b);
}

static bool
in_list(const struct hub_prop *prop, const char *value, json_t *values)
{
    json_t *v;
    size_t i;

    json_array_foreach(values, i, v)
    {
        if (json_is_string(v) &&
            compare(prop, value, json_string_value(v)) == 0) {
            return true;
        }
    }
    return false;
}

static bool
holds(struct hub_call *c, const struct hub_record *rec, json_t *f)
{
    const char *op = text_of(c, f, "operator");
    const char *want = text_of(c, f, "value");
    struct hub_prop *prop =
        store_prop(c->po, rec->type, text_of(c, f, "propertyName"), c->now_us);
    char tmp[HUB_TMP_MAX];
    const char *have = store_get(rec, prop, tmp);
    int d;

    if (strcmp(op, "HAS_PROPERTY") == 0 ||
        strcmp(op, "NOT_HAS_PROPERTY") == 0) {
        return (have != NULL) == (op[0] == 'H');
    }
    if (have == NULL) {
        return strcmp(op, "NEQ") == 0 || text_has_prefix(op, "NOT_");
    }
    if (strcmp(op, "IN") == 0 || strcmp(op, "NOT_IN") == 0) {
        return in_list(prop, have, json_object_get(f, "values")) ==
               (op[0] == 'I');
    }
    if (strstr(op, "CONTAINS_TOKEN") != NULL) {
        return (strstr(have, want) != NULL) == (op[0] == 'C');
    }
    d = compare(prop, have, want);
    if (strcmp(op, "BETWEEN") == 0) {
        return d >= 0 && compare(prop, have, text_of(c, f, "highValue")) <= 0;
    }
    return (strcmp(op, "EQ") == 0 && d == 0) ||
           (strcmp(op, "NEQ") == 0 && d != 0) ||
           (strcmp(op, "LT") == 0 && d < 0) ||
           (strcmp(op, "LTE") == 0 && d <= 0) ||
           (strcmp(op, "GT") == 0 && d > 0) ||
           (strcmp(op, "GTE") == 0 && d >= 0);
}

static bool
matches(struct hub_call *c, const struct hub_record *rec, json_t *groups)
{
    json_t *g, *f;
    size_t i, j;
    bool all;

    json_array_foreach(groups, i, g)
    {
        all = true;
        json_array_foreach(json_object_get(g, "filters"), j, f)
        {
            all = all && holds(c, rec, f);
        }
        if (all) {
            return true;
        }
    }
    return json_array_size(groups) == 0;
}

/* True when refused. */
static bool
refuse_filters(struct hub_call *c, json_t *groups)
{
    size_t i, j, all = 0;
    json_t *g, *f;

    json_array_foreach(groups, i, g)
    {
        json_t *filters = json_object_get(g, "filters");

        all += json_array_size(filters);
        json_array_foreach(filters, j, f)
        {
            const char *name = text_of(c, f, "propertyName");

            if (store_prop(c->po, c->route.type, name, c->now_us) == NULL) {
                hub_refuse_f(c, 400, "VALIDATION_ERROR",
                             "There was a problem with the request: property "
                             "%s does not exist",
                             name);
                return true;
            }
        }
        if (json_array_size(filters) > FILTERS_MAX) {
            all = FILTERS_ALL_MAX + 1;
        }
    }
    if (json_array_size(groups) > GROUPS_MAX || all > FILTERS_ALL_MAX) {
        hub_refuse_f(c, 400, "VALIDATION_ERROR",
                     "There are too many filter groups or filters");
        return true;
    }
    return false;
}

struct found {
    const struct hub_record **list;
    size_t n;
};

static struct found
find(struct hub_call *c, json_t *groups)
{
    const struct hub_kindred *k = &c->po->kin[c->route.type];
    struct found all = {
        arena_array(&c->arena, k->nrecords + 1, sizeof(*all.list)), 0};
    size_t i;

    for (i = 0; i < k->nrecords; i++) {
        const struct hub_record *rec = k->records[i];

        if (!rec->archived && rec->merged_into == NULL &&
            rec->indexed_us <= c->now_us && matches(c, rec, groups)) {
            all.list[all.n++] = rec;
        }
    }
    return all;
}

/* A stable merge sort by one property, since qsort has no argument. */
static void
sort(struct found *all, struct hub_call *c, const struct hub_prop *prop,
     int sign)
{
    const struct hub_record **from = all->list;
    const struct hub_record **to =
        arena_array(&c->arena, all->n + 1, sizeof(*to));
    char ta[HUB_TMP_MAX], tb[HUB_TMP_MAX];
    size_t run, lo;

    for (run = 1; run < all->n; run *= 2) {
        for (lo = 0; lo < all->n; lo += 2 * run) {
            size_t mid = lo + run < all->n ? lo + run : all->n;
            size_t end = lo + 2 * run < all->n ? lo + 2 * run : all->n;
            size_t i = lo, j = mid, k;

            for (k = lo; k < end; k++) {
                const char *a = i < mid ? store_get(from[i], prop, ta) : NULL;
                const char *b = j < end ? store_get(from[j], prop, tb) : NULL;
                bool left = j >= end ||
                            (i < mid && sign * compare(prop, a == NULL ? "" : a,
                                                       b == NULL ? "" : b) <=
                                            0);

                to[k] = left ? from[i++] : from[j++];
            }
        }
        memcpy(from, to, all->n * sizeof(*to));
    }
}

static void
sort_asked(struct hub_call *c, struct found *all)
{
    json_t *by = json_array_get(json_object_get(c->body, "sorts"), 0);
    const char *name = json_is_string(by) ? json_string_value(by) :
                                            text_of(c, by, "propertyName");
    bool down = !json_is_string(by) &&
                strcmp(text_of(c, by, "direction"), "DESCENDING") == 0;
    struct hub_prop *prop;

    if (by == NULL) {
        return;
    }
    if (name[0] == '-') {
        name++;
        down = true;
    }
    prop = store_prop(c->po, c->route.type, name, c->now_us);
    if (prop != NULL) {
        sort(all, c, prop, down ? -1 : 1);
    }
}

void
object_search(struct hub_call *c)
{
    json_t *groups = json_object_get(c->body, "filterGroups");
    json_t *limit = json_object_get(c->body, "limit");
    size_t after = (size_t)strtoull(text_of(c, c->body, "after"), NULL, 10);
    size_t max = limit == NULL ? 10 : (size_t)json_integer_value(limit);
    struct out_view view = {.is_new = -1,
                            .names = json_object_get(c->body, "properties")};
    struct found all;
    size_t i;

    if (refuse_filters(c, groups)) {
        return;
    }
    if (max < 1 || max > LIMIT_MAX || after + max > 10000) {
        hub_refuse_f(c, 400, "VALIDATION_ERROR",
                     "limit is at most 200 and no more than 10000 results "
                     "can be paged");
        return;
    }
    all = find(c, groups);
    sort_asked(c, &all);
    c->p->status = 200;
    buf_addf(c->out, "{\"total\":%zu,\"results\":[", all.n);
    for (i = after; i < all.n && i < after + max; i++) {
        buf_adds(c->out, i == after ? "" : ",");
        out_record(c, all.list[i], &view);
    }
    c->p->inputs = i > after ? i - after : 0;
    buf_addc(c->out, ']');
    if (i < all.n) {
        buf_addf(c->out, ",\"paging\":{\"next\":{\"after\":\"%zu\"}}", i);
    }
    buf_addc(c->out, '}');
}
