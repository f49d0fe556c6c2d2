/* SPDX-License-Identifier: UNLICENSED */
/*
 * What a portal holds: records by id and by unique value, their values and
 * links.
 *
 * Every step of an upsert is O(1): ids are consecutive, so by_id is an array;
 * unique values are hash maps. Links stand on both sides; a pair is looked up
 * on the side that has fewer. A record is in `records` of its type for ever;
 * archived ones have left the unique maps unless the switch says clash or
 * revive.
 */
#include "hubspot.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct hub_assoc_type assoc_types[] = {
    {HUB_CONTACTS, HUB_COMPANIES, 279, 280, true, NULL},
    {HUB_CONTACTS, HUB_COMPANIES, 1, 2, false, "Primary"},
    {HUB_COMPANIES, HUB_CONTACTS, 280, 279, true, NULL},
    {HUB_COMPANIES, HUB_CONTACTS, 2, 1, false, "Primary"},
    {HUB_COMPANIES, HUB_CONTACTS, 930, 931, false, "Billing contact"},
    {HUB_CONTACTS, HUB_COMPANIES, 931, 930, false, "Billing contact"},
    {HUB_INVOICES, HUB_CONTACTS, 177, 178, true, NULL},
    {HUB_CONTACTS, HUB_INVOICES, 178, 177, true, NULL},
    {HUB_INVOICES, HUB_COMPANIES, 179, 180, true, NULL},
    {HUB_COMPANIES, HUB_INVOICES, 180, 179, true, NULL},
    {HUB_INVOICES, HUB_LINE_ITEMS, 409, 410, true, NULL},
    {HUB_LINE_ITEMS, HUB_INVOICES, 410, 409, true, NULL},
    {HUB_INVOICES, HUB_PAYMENTS, 541, 542, true, NULL},
    {HUB_PAYMENTS, HUB_INVOICES, 542, 541, true, NULL},
    {HUB_PAYMENTS, HUB_CONTACTS, 387, 388, true, NULL},
    {HUB_CONTACTS, HUB_PAYMENTS, 388, 387, true, NULL},
    {HUB_PAYMENTS, HUB_COMPANIES, 389, 390, true, NULL},
    {HUB_COMPANIES, HUB_PAYMENTS, 390, 389, true, NULL},
    {HUB_PAYMENTS, HUB_LINE_ITEMS, 395, 396, true, NULL},
    {HUB_LINE_ITEMS, HUB_PAYMENTS, 396, 395, true, NULL},
};

const struct hub_assoc_type *
assoc_type_at(size_t i)
{
    return i < COUNT_OF(assoc_types) ? &assoc_types[i] : NULL;
}

const struct hub_assoc_type *
assoc_type_find(enum hub_type from, enum hub_type to, unsigned id)
{
    size_t i;

    for (i = 0; i < COUNT_OF(assoc_types); i++) {
        const struct hub_assoc_type *t = &assoc_types[i];

        if (t->from == from && t->to == to && t->id == id) {
            return t;
        }
    }
    return NULL;
}

const struct hub_assoc_type *
assoc_type_default(enum hub_type from, enum hub_type to)
{
    size_t i;

    for (i = 0; i < COUNT_OF(assoc_types); i++) {
        const struct hub_assoc_type *t = &assoc_types[i];

        if (t->from == from && t->to == to && t->unlabelled) {
            return t;
        }
    }
    return NULL;
}

/* ---- records ------------------------------------------------------------ */

static void
push(struct hub_record ***list, size_t *n, size_t *cap, struct hub_record *rec)
{
    if (*n == *cap) {
        *cap = *cap == 0 ? 64 : *cap * 2;
        *list = mem_resize(*list, *cap * sizeof(struct hub_record *));
    }
    (*list)[(*n)++] = rec;
}

struct hub_record *
store_new(struct hub_portal *po, enum hub_type type, int64_t now_us)
{
    struct hub_record *rec = MEM_NEW(struct hub_record);
    struct hub_kindred *k = &po->kin[type];

    rec->id = po->first_id + po->nby_id;
    rec->type = type;
    rec->created_us = now_us;
    push(&po->by_id, &po->nby_id, &po->by_id_cap, rec);
    push(&k->records, &k->nrecords, &k->cap, rec);
    k->live++;
    store_touch(po, rec, now_us);
    return rec;
}

struct hub_record *
store_by_id(struct hub_portal *po, enum hub_type type, const char *id)
{
    struct hub_record *rec;
    char *end;
    uint64_t n = strtoull(id, &end, 10);

    if (end == id || *end != '\0' || n < po->first_id ||
        n - po->first_id >= po->nby_id) {
        return NULL;
    }
    rec = po->by_id[n - po->first_id];
    while (rec->merged_into != NULL && !po->sw.merged_id) {
        rec = rec->merged_into;
    }
    return rec->type == type ? rec : NULL;
}

struct hub_prop *
store_prop(struct hub_portal *po, enum hub_type type, const char *name,
           int64_t now_us)
{
    struct hub_prop *prop = map_get(&po->kin[type].props, name);

    if (prop == NULL || prop->archived || prop->visible_us > now_us) {
        return NULL;
    }
    return prop;
}

/* E-mail addresses are compared in lower case. The text is for one use. */
static char *
holder_key(const struct hub_prop *prop, const char *value)
{
    char *key = mem_strdup(value);
    char *s;

    for (s = key; prop->kind == KIND_EMAIL && *s != '\0'; s++) {
        *s = (char)tolower((unsigned char)*s);
    }
    return key;
}

struct hub_record *
store_by_unique(const struct hub_prop *prop, const char *value)
{
    char *key = holder_key(prop, value);
    struct hub_record *rec = map_get(&prop->holders, key);

    mem_free(key);
    return rec;
}

/* ---- further e-mail addresses ------------------------------------------- */

const char *
store_next_email(const char **list, char tmp[HUB_EMAIL_MAX])
{
    size_t n, i;

    *list += strspn(*list, "; ");
    n = strcspn(*list, "; ");
    if (n == 0) {
        return NULL;
    }
    for (i = 0; i < n && i < HUB_EMAIL_MAX - 1; i++) {
        tmp[i] = (char)tolower((unsigned char)(*list)[i]);
    }
    tmp[i] = '\0';
    *list += n;
    return tmp;
}

static void
emails_put(struct hub_portal *po, struct hub_record *rec, const char *list,
           bool take)
{
    struct map *emails = &po->kin[HUB_CONTACTS].emails;
    char tmp[HUB_EMAIL_MAX];
    const char *one;

    while ((one = store_next_email(&list, tmp)) != NULL) {
        if (take) {
            map_put(emails, one, rec);
        } else if (map_get(emails, one) == rec) {
            map_del(emails, one);
        }
    }
}

struct hub_record *
store_by_email(struct hub_portal *po, const char *value)
{
    char tmp[HUB_EMAIL_MAX];
    const char *one = store_next_email(&value, tmp);

    return one == NULL ? NULL : map_get(&po->kin[HUB_CONTACTS].emails, one);
}

struct hub_record *
store_by_key(struct hub_portal *po, const struct hub_prop *prop,
             const char *value)
{
    struct hub_record *rec = store_by_unique(prop, value);

    if (rec == NULL && prop->kind == KIND_EMAIL &&
        po->sw.additional_emails == 2) {
        rec = store_by_email(po, value);
    }
    return rec;
}

static struct hub_value *
value_find(const struct hub_record *rec, const struct hub_prop *prop)
{
    size_t i;

    for (i = 0; i < rec->nvalues; i++) {
        if (rec->values[i].prop == prop) {
            return &rec->values[i];
        }
    }
    return NULL;
}

const char *
store_get(const struct hub_record *rec, const struct hub_prop *prop,
          char tmp[HUB_TMP_MAX])
{
    const struct hub_value *v;

    if (prop->calc != CALC_NONE) {
        const char *text = rules_calculate(rec, prop, tmp);

        if (text != NULL) {
            return text;
        }
    }
    v = value_find(rec, prop);
    return v == NULL ? NULL : v->text;
}

const char *
store_get_name(struct hub_portal *po, const struct hub_record *rec,
               const char *name, char tmp[HUB_TMP_MAX])
{
    struct hub_prop *prop = map_get(&po->kin[rec->type].props, name);

    return prop == NULL ? NULL : store_get(rec, prop, tmp);
}

static void
holder_drop(struct hub_prop *prop, const struct hub_record *rec,
            const char *value)
{
    char *key = holder_key(prop, value);

    if (map_get(&prop->holders, key) == rec) {
        map_del(&prop->holders, key);
    }
    mem_free(key);
}

static void
holder_put(struct hub_prop *prop, struct hub_record *rec, const char *value)
{
    char *key = holder_key(prop, value);

    map_put(&prop->holders, key, rec);
    mem_free(key);
}

static void
value_remove(struct hub_record *rec, struct hub_value *v)
{
    mem_free(v->text);
    *v = rec->values[--rec->nvalues];
}

void
store_set(struct hub_portal *po, struct hub_record *rec, struct hub_prop *prop,
          const char *text)
{
    struct hub_value *v = value_find(rec, prop);

    if (v != NULL && strcmp(v->text, text) == 0) {
        return;
    }
    if (v != NULL && prop->unique) {
        holder_drop(prop, rec, v->text);
    }
    if (prop->more_emails) {
        emails_put(po, rec, v == NULL ? "" : v->text, false);
        emails_put(po, rec, text, true);
    }
    if (text[0] == '\0') {
        if (v != NULL) {
            value_remove(rec, v);
        }
        return;
    }
    if (v == NULL) {
        if (rec->nvalues == rec->values_cap) {
            rec->values_cap = rec->values_cap == 0 ? 8 : rec->values_cap * 2;
            rec->values =
                mem_resize(rec->values, rec->values_cap * sizeof(*rec->values));
        }
        v = &rec->values[rec->nvalues++];
        v->prop = prop;
        v->text = NULL;
    }
    mem_free(v->text);
    v->text = mem_strdup(text);
    if (prop->unique) {
        holder_put(prop, rec, text);
    }
}

void
store_touch(struct hub_portal *po, struct hub_record *rec, int64_t now_us)
{
    rec->updated_us = now_us;
    if (rec->indexed_us == 0) {
        rec->indexed_us = now_us + po->sw.search_lag_ms * 1000;
    }
}

/* Takes or gives back all unique values of a record. */
static void
holders_all(struct hub_portal *po, struct hub_record *rec, bool take)
{
    size_t i;

    for (i = 0; i < rec->nvalues; i++) {
        struct hub_value *v = &rec->values[i];

        if (v->prop->more_emails) {
            emails_put(po, rec, v->text, take);
        }
        if (v->prop->unique && take) {
            holder_put(v->prop, rec, v->text);
        } else if (v->prop->unique) {
            holder_drop(v->prop, rec, v->text);
        }
    }
}

static void
links_clear(struct hub_record *rec)
{
    while (rec->nlinks > 0) {
        store_link_drop(rec, rec->links[rec->nlinks - 1].to, 0);
    }
}

void
store_archive(struct hub_portal *po, struct hub_record *rec, int64_t now_us)
{
    if (rec->archived) {
        return;
    }
    rules_archived(po, rec, now_us);
    rec->archived = true;
    rec->archived_us = now_us;
    po->kin[rec->type].live--;
    if (po->sw.archived_unique == 0) {
        holders_all(po, rec, false);
    }
    links_clear(rec);
}

void
store_restore(struct hub_portal *po, struct hub_record *rec)
{
    if (rec->archived) {
        rec->archived = false;
        po->kin[rec->type].live++;
        holders_all(po, rec, true);
    }
}

/* A further item of a ;-list that the record has. */
static void
list_add(struct hub_portal *po, struct hub_record *rec, const char *name,
         const char *item)
{
    struct hub_prop *prop = map_get(&po->kin[rec->type].props, name);
    struct hub_value *have = prop == NULL ? NULL : value_find(rec, prop);
    char *text;

    if (prop == NULL) {
        return;
    }
    text = mem_printf("%s%s%s", have == NULL ? "" : have->text,
                      have == NULL ? "" : ";", item);
    store_set(po, rec, prop, text);
    mem_free(text);
}

/* The id of a record merged away, and the e-mail address of a contact, go on
 * with the other one. */
static void
merge_names(struct hub_portal *po, struct hub_record *into,
            struct hub_record *gone)
{
    struct hub_prop *email = map_get(&po->kin[into->type].props, "email");
    struct hub_value *theirs = email == NULL ? NULL : value_find(gone, email);
    char *id = mem_printf("%" PRIu64, gone->id);

    if (theirs != NULL && into->type == HUB_CONTACTS &&
        value_find(into, email) != NULL) {
        list_add(po, into, "hs_additional_emails", theirs->text);
    }
    list_add(po, into, "hs_merged_object_ids", id);
    mem_free(id);
}

void
store_merge(struct hub_portal *po, struct hub_record *into,
            struct hub_record *gone, int64_t now_us)
{
    size_t i, k;

    for (i = 0; i < gone->nlinks; i++) {
        for (k = 0; k < gone->links[i].ntypes; k++) {
            store_link_add(into, gone->links[i].to, gone->links[i].types[k]);
        }
    }
    for (i = gone->nvalues; i > 0; i--) {
        struct hub_value v = gone->values[i - 1];

        if (value_find(into, v.prop) == NULL) {
            char *text = mem_strdup(v.text);

            store_set(po, gone, v.prop, "");
            store_set(po, into, v.prop, text);
            mem_free(text);
        }
    }
    merge_names(po, into, gone);
    store_archive(po, gone, now_us);
    gone->merged_into = into;
    store_touch(po, into, now_us);
}

/* ---- links -------------------------------------------------------------- */

static struct hub_link *
link_on(const struct hub_record *a, const struct hub_record *b)
{
    size_t i;

    for (i = a->nlinks; i > 0; i--) {
        if (a->links[i - 1].to == b) {
            return &a->links[i - 1];
        }
    }
    return NULL;
}

struct hub_link *
store_link_find(const struct hub_record *a, const struct hub_record *b)
{
    if (a->nlinks > b->nlinks && link_on(b, a) == NULL) {
        return NULL;
    }
    return link_on(a, b);
}

static bool
link_has(const struct hub_link *l, unsigned type)
{
    size_t i;

    for (i = 0; i < l->ntypes; i++) {
        if (l->types[i] == type) {
            return true;
        }
    }
    return false;
}

static struct hub_link *
link_push(struct hub_record *a, struct hub_record *b)
{
    struct hub_link *l;

    if (a->nlinks == a->links_cap) {
        a->links_cap = a->links_cap == 0 ? 4 : a->links_cap * 2;
        a->links = mem_resize(a->links, a->links_cap * sizeof(*a->links));
    }
    l = &a->links[a->nlinks++];
    *l = (struct hub_link){.to = b};
    return l;
}

static void
link_type_put(struct hub_link *l, unsigned type)
{
    if (!link_has(l, type) && l->ntypes < HUB_LABELS_MAX) {
        l->types[l->ntypes++] = (uint16_t)type;
    }
}

bool
store_link_add(struct hub_record *a, struct hub_record *b, unsigned type)
{
    const struct hub_assoc_type *t = assoc_type_find(a->type, b->type, type);
    bool a_small = a->nlinks <= b->nlinks;
    struct hub_record *small = a_small ? a : b;
    struct hub_record *big = a_small ? b : a;
    struct hub_link *l, *m;

    if (t == NULL || a == b) {
        return false;
    }
    l = link_on(small, big);
    if (l != NULL && link_has(l, a_small ? t->id : t->inverse)) {
        return false;
    }
    m = l != NULL ? link_on(big, small) : NULL;
    l = l != NULL ? l : link_push(small, big);
    m = m != NULL ? m : link_push(big, small);
    link_type_put(l, a_small ? t->id : t->inverse);
    link_type_put(m, a_small ? t->inverse : t->id);
    return true;
}

static void
link_type_drop(struct hub_record *a, struct hub_record *b, unsigned type)
{
    struct hub_link *l = link_on(a, b);
    size_t i;

    if (l == NULL) {
        return;
    }
    for (i = 0; type != 0 && i < l->ntypes; i++) {
        if (l->types[i] == type) {
            l->types[i] = l->types[--l->ntypes];
            break;
        }
    }
    if (type == 0 || l->ntypes == 0) {
        *l = a->links[--a->nlinks];
    }
}

void
store_link_drop(struct hub_record *a, struct hub_record *b, unsigned type)
{
    const struct hub_assoc_type *t = assoc_type_find(a->type, b->type, type);

    if (type != 0 && t == NULL) {
        return;
    }
    if (t != NULL && t->unlabelled) {
        t = NULL; /* the unlabelled one takes all labels with it */
    }
    link_type_drop(a, b, t == NULL ? 0 : t->id);
    link_type_drop(b, a, t == NULL ? 0 : t->inverse);
}

size_t
store_link_count(const struct hub_record *a, enum hub_type to)
{
    size_t i, n = 0;

    for (i = 0; i < a->nlinks; i++) {
        n += a->links[i].to->type == to;
    }
    return n;
}
