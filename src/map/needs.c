/* SPDX-License-Identifier: UNLICENSED */
/*
 * needs: what a mapping file means for those who read Fusion. Worked out once,
 * when the file has been read: the collections to expand per resource, and one
 * fingerprint per kind of record, over the entries in an order of their own.
 */
#include <stdlib.h>
#include <string.h>

#include "map_priv.h"

enum { FINGERPRINT_BYTES_MAX = 16 * 1024 * 1024 };

static const struct {
    const char *name;
    bool crm;
    const char *always[3]; /* expanded by every mapping; NULL ends */
} resources[MAP_RESOURCES] = {
    [MAP_RES_INVOICES] = {"receivablesInvoices",
                          false,
                          {MAP_LINES, "receivablesInvoiceInstallments", NULL}},
    [MAP_RES_RECEIPTS] = {"standardReceipts", false, {NULL}},
    [MAP_RES_ACCOUNTS] = {"receivablesCustomerAccountActivities",
                          false,
                          {NULL}},
    [MAP_RES_ORGANIZATIONS] = {"hubOrganizations",
                               true,
                               {"CustomerClassification", "ContactPoint",
                                NULL}},
    [MAP_RES_PERSONS] = {"hubPersons", true, {NULL}},
};

const char *
map_resource_name(enum map_resource r)
{
    ML_ASSERT((unsigned)r < MAP_RESOURCES);
    return resources[r].name;
}

bool
map_resource_is_crm(enum map_resource r)
{
    ML_ASSERT((unsigned)r < MAP_RESOURCES);
    return resources[r].crm;
}

bool
map_scope_resource(enum map_scope s, enum map_resource *r)
{
    static const struct {
        bool is;
        enum map_resource resource;
    } of[MAP_SCOPES] = {
        [MAP_FROM_ACCOUNT] = {true, MAP_RES_ACCOUNTS},
        [MAP_FROM_ORGANIZATION] = {true, MAP_RES_ORGANIZATIONS},
        [MAP_FROM_PERSON] = {true, MAP_RES_PERSONS},
        [MAP_FROM_INVOICE] = {true, MAP_RES_INVOICES},
        [MAP_FROM_LINE] = {true, MAP_RES_INVOICES},
        [MAP_FROM_RECEIPT] = {true, MAP_RES_RECEIPTS},
    };

    ML_ASSERT((unsigned)s < MAP_SCOPES);
    *r = of[s].resource;
    return of[s].is;
}

/* Whether a source is of that resource, which is the first it is asked of. */
static bool
is_of(const struct map_source *s, enum map_resource r)
{
    enum map_resource found;

    return map_scope_resource(s->scope, &found) && found == r;
}

bool
map_uses_resource(const struct mapping *m, enum map_resource r)
{
    for (size_t i = 0; i < m->custom_count; i++) {
        const struct map_custom *c = &m->custom[i];

        if (c->value == NULL &&
            (is_of(&c->source[0], r) || is_of(&c->source[1], r))) {
            return true;
        }
    }
    return false;
}

bool
map_uses_object(const struct mapping *m, enum map_object o)
{
    for (size_t i = 0; i < m->custom_count; i++) {
        if (m->custom[i].object == o) {
            return true;
        }
    }
    return false;
}

/* ---- expands ------------------------------------------------------------ */

/* The collection a source's attribute stands in, from the resource on; NULL
 * when it is the row's own or stands in one that is expanded anyway. */
static const char *
collection_of(struct arena *a, const struct map_source *s, enum map_resource r)
{
    const char *line = s->scope == MAP_FROM_LINE ? MAP_LINES "." : "";
    const char *last = strrchr(s->path, '.');
    const char *name;

    if (last == NULL) {
        return NULL;
    }
    name = arena_printf(a, "%s%.*s", line, (int)(last - s->path), s->path);
    for (const char *const *always = resources[r].always; *always != NULL;
         always++) {
        if (strcmp(name, *always) == 0) {
            return NULL;
        }
    }
    return name;
}

/* Puts `name` into a sorted list that has it once; gives the new length. */
static size_t
insert(const char **list, size_t n, const char *name)
{
    size_t at = 0;

    while (at < n && strcmp(list[at], name) < 0) {
        at++;
    }
    if (at < n && strcmp(list[at], name) == 0) {
        return n;
    }
    memmove(&list[at + 1], &list[at], (n - at) * sizeof(*list));
    list[at] = name;
    return n + 1;
}

static const char **
find_expands(struct mapping *m, enum map_resource r)
{
    size_t most = COUNT_OF(m->custom[0].source) * m->custom_count;
    const char **list = arena_array(&m->arena, most + 1, sizeof(*list));
    size_t n = 0;

    for (size_t i = 0; i < m->custom_count; i++) {
        const struct map_custom *c = &m->custom[i];

        for (size_t k = 0; k < COUNT_OF(c->source) && c->value == NULL; k++) {
            const char *name = is_of(&c->source[k], r) ?
                                   collection_of(&m->arena, &c->source[k], r) :
                                   NULL;

            n = name != NULL ? insert(list, n, name) : n;
        }
    }
    return list;
}

const char *const *
map_expands(const struct mapping *m, enum map_resource r)
{
    static const char *const none[] = {NULL};

    ML_ASSERT((unsigned)r < MAP_RESOURCES);
    return m->expands[r] != NULL ? m->expands[r] : none;
}

/* ---- fingerprints ------------------------------------------------------- */

static enum map_kind
kind_of(enum map_object o)
{
    static const enum map_kind kinds[MAP_OBJECTS] = {
        [MAP_COMPANIES] = MAP_CUSTOMER, [MAP_CONTACTS] = MAP_CUSTOMER,
        [MAP_INVOICES] = MAP_INVOICE,   [MAP_LINE_ITEMS] = MAP_INVOICE,
        [MAP_PAYMENTS] = MAP_PAYMENT,
    };

    return kinds[o];
}

static int
by_property(const void *va, const void *vb)
{
    const struct map_custom *a = va;
    const struct map_custom *b = vb;

    if (a->object != b->object) {
        return a->object < b->object ? -1 : 1;
    }
    return strcmp(a->property, b->property);
}

static void
put_entry(struct jsonx_writer *w, const struct map_custom *c)
{
    jsonx_open(w, '[');
    jsonx_put_text(w, map_object_name(c->object));
    jsonx_put_text(w, c->property);
    jsonx_put_text(w, map_format_name(c->format));
    jsonx_put_text(w, c->value);
    for (size_t k = 0; k < COUNT_OF(c->source) && c->value == NULL; k++) {
        jsonx_put_text(w, map_scope_name(c->source[k].scope));
        jsonx_put_text(w, c->source[k].path);
    }
    jsonx_close(w, ']');
}

static int
by_name(const void *a, const void *b)
{
    const char *const *x = a;
    const char *const *y = b;

    return strcmp(*x, *y);
}

/* Other business units are other invoices and receipts. */
static size_t
put_units(struct jsonx_writer *w, struct mapping *m)
{
    const char **sorted = NULL;
    size_t n = 0;

    while (m->units != NULL && m->units[n] != NULL) {
        n++;
    }
    sorted = arena_array(&m->arena, n + 1, sizeof(*sorted));
    for (size_t i = 0; i < n; i++) {
        sorted[i] = m->units[i];
    }
    qsort(sorted, n, sizeof(*sorted), by_name);
    for (size_t i = 0; i < n; i++) {
        jsonx_put_text(w, sorted[i]);
    }
    return n;
}

static const char *
hash_kind(struct mapping *m, const struct map_custom *sorted, enum map_kind k)
{
    char text[HASH_TEXT_MAX];
    struct jsonx_writer w;
    struct hash h;
    struct buf b;
    size_t n = 0;

    buf_init(&b, FINGERPRINT_BYTES_MAX);
    jsonx_begin(&w, &b);
    jsonx_open(&w, '[');
    for (size_t i = 0; i < m->custom_count; i++) {
        if (kind_of(sorted[i].object) == k) {
            put_entry(&w, &sorted[i]);
            n++;
        }
    }
    n += k == MAP_CUSTOMER ? 0 : put_units(&w, m);
    jsonx_close(&w, ']');
    h = hash_sha256(buf_text(&b), b.len);
    buf_fini(&b);
    return n > 0 ? arena_strdup(&m->arena, hash_text(&h, text)) : NULL;
}

const char *
map_fingerprint(const struct mapping *m, enum map_kind k)
{
    ML_ASSERT((unsigned)k < MAP_KINDS);
    return m->fingerprint[k] != NULL ? m->fingerprint[k] : "";
}

void
map_needs(struct mapping *m)
{
    struct map_custom *sorted;

    if (m->custom_count == 0 && m->units == NULL) {
        return;
    }
    sorted = arena_array(&m->arena, m->custom_count + 1, sizeof(*sorted));
    for (size_t i = 0; i < m->custom_count; i++) {
        sorted[i] = m->custom[i];
    }
    qsort(sorted, m->custom_count, sizeof(*sorted), by_property);
    for (unsigned k = 0; k < MAP_KINDS; k++) {
        m->fingerprint[k] = hash_kind(m, sorted, (enum map_kind)k);
    }
    for (unsigned r = 0; r < MAP_RESOURCES; r++) {
        m->expands[r] = find_expands(m, (enum map_resource)r);
    }
}
