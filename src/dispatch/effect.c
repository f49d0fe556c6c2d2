/* SPDX-License-Identifier: UNLICENSED */
/*
 * What an open job would do, without doing it: the same comparison of what is
 * wanted with what its links remember that the job itself makes (job.c), but
 * all at once, since nothing answers. HubSpot ids of what is not there yet are
 * not known; they count as ids that no link has.
 */
#include "dispatch_priv.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define COMING "coming" /* the id of what another job is about to create */

static const char *const fate_names[EFFECT_FATES] = {
    [EFFECT_CREATE] = "create",     [EFFECT_CHANGE] = "change",
    [EFFECT_ARCHIVE] = "archive",   [EFFECT_NOTHING] = "unchanged",
    [EFFECT_WAIT] = "wait",         [EFFECT_REFUSED] = "rejected",
};

const char *
effect_name(enum effect_fate f)
{
    ML_ASSERT(f >= 0 && f < EFFECT_FATES);
    return fate_names[f];
}

/* The job, read. */
struct look {
    const struct store_plan_job *j;
    struct effect *e;
    struct cost_counts *c;
    enum map_kind kind;
    json_t *desired, *links, *parents;
    const json_t *customer, *invoice;      /* parents, or NULL */
    const char *company, *contact, *bill; /* their ids, COMING, or NULL */
    bool did;
};

/* ---- parents ------------------------------------------------------------ */

static bool
is_missing(const json_t *parent)
{
    const char *state = jsonx_text(parent, "state");

    return text_equal(state, "missing") || text_equal(state, "gone");
}

static const char *
id_of(const json_t *parent, const char *name)
{
    const char *id = jsonx_text(parent, name);

    if (id == NULL && json_is_true(json_object_get(parent, "coming"))) {
        return COMING;
    }
    return id;
}

static bool
waits(struct look *k)
{
    const char *number = jsonx_text(k->customer, "id");
    struct effect *e = k->e;

    if (k->kind == MAP_CUSTOMER ||
        json_is_true(json_object_get(k->desired, "gone"))) {
        return false;
    }
    if (k->customer == NULL && k->kind == MAP_INVOICE) {
        (void)snprintf(e->why, sizeof(e->why), "no_customer");
        return true;
    }
    if (k->customer != NULL && !is_missing(k->customer) &&
        (k->company == NULL || k->contact == NULL)) {
        (void)snprintf(e->why, sizeof(e->why), "customer:%s", number);
        return true;
    }
    if (k->invoice != NULL && !is_missing(k->invoice) && k->bill == NULL) {
        (void)snprintf(e->why, sizeof(e->why), "invoice:%s",
                       jsonx_text(k->invoice, "id"));
        return true;
    }
    return false;
}

/* ---- objects ------------------------------------------------------------ */

static const json_t *
link_of(const struct look *k, const char *object, const char *key)
{
    for (size_t i = 0; i < json_array_size(k->links); i++) {
        const json_t *l = json_array_get(k->links, i);

        if (text_equal(jsonx_text(l, "object"), object) &&
            text_equal(jsonx_text(l, "key"), key)) {
            return l;
        }
    }
    return NULL;
}

static bool
is_wanted(const struct look *k, const json_t *link)
{
    const json_t *objects = json_object_get(k->desired, "objects");

    for (size_t i = 0; i < json_array_size(objects); i++) {
        const json_t *o = json_array_get(objects, i);

        if (text_equal(jsonx_text(o, "object"), jsonx_text(link, "object")) &&
            text_equal(jsonx_text(o, "key"), jsonx_text(link, "key"))) {
            return true;
        }
    }
    return false;
}

/* What the record itself cannot know. */
static void
complete(struct look *k, json_t *o)
{
    json_t *properties = json_object_get(o, "properties");
    const char *object = jsonx_text(o, "object");
    const char *email = jsonx_text(k->customer, "email");

    if (text_equal(object, "contacts") && k->j->email_holder != NULL &&
        k->j->email_holder[0] != '\0') {
        json_object_del(properties, "email");
    }
    if (k->kind == MAP_PAYMENT && email != NULL) {
        json_object_set_new(properties, "hs_customer_email",
                            json_string(email));
    }
}

static void
tell_changes(struct look *k, const json_t *o, const json_t *was)
{
    json_t *properties = json_object_get(o, "properties");
    const char *name;
    json_t *value;

    if (k->e->changes == NULL) {
        return;
    }
    json_object_foreach(properties, name, value)
    {
        const char *before = jsonx_text(was, name);
        const char *after = json_string_value(value);
        json_t *row;

        if (text_equal(before, after) || after == NULL ||
            strcmp(name, "fusion_last_update") == 0) {
            continue;
        }
        row = json_object();
        json_object_set(row, "object", json_object_get(o, "object"));
        json_object_set(row, "key", json_object_get(o, "key"));
        json_object_set_new(row, "property", json_string(name));
        json_object_set_new(row, "before",
                            before != NULL ? json_string(before) : json_null());
        json_object_set_new(row, "after", json_string(after));
        json_array_append_new(k->e->changes, row);
    }
}

/* Whether what was last written holds all that is wanted (job.c). */
static bool
holds(const json_t *link, const json_t *wanted)
{
    const json_t *was = json_object_get(link, "properties");
    struct hash h = map_properties_hash_of(wanted);
    char text[HASH_TEXT_MAX];
    const char *name;
    json_t *value;

    if (text_equal(jsonx_text(link, "hash"), hash_text(&h, text))) {
        return true;
    }
    if (jsonx_text(link, "hash") == NULL) {
        return false;
    }
    json_object_foreach((json_t *)(uintptr_t)wanted, name, value)
    {
        if (strcmp(name, "fusion_last_update") != 0 &&
            !text_equal(json_string_value(value), jsonx_text(was, name))) {
            return false;
        }
    }
    return true;
}

static void
look_object(struct look *k, json_t *o, enum map_object object)
{
    const json_t *properties = json_object_get(o, "properties");
    const json_t *link =
        link_of(k, jsonx_text(o, "object"), jsonx_text(o, "key"));

    complete(k, o);
    if (link != NULL && holds(link, properties)) {
        return;
    }
    k->did = true;
    k->c->read[object] += k->j->verify ? 1 : 0;
    if (link == NULL) {
        k->c->created[object]++;
    } else {
        k->c->updated[object]++;
    }
    tell_changes(k, o, json_object_get(link, "properties"));
}

/* ---- associations ------------------------------------------------------- */

static size_t
association_row(unsigned type)
{
    size_t n;
    const struct map_association *table = map_associations(&n);
    size_t i = 0;

    while (i < n && table[i].types[0] != type) {
        i++;
    }
    ML_ASSERT(i < n);
    return i;
}

/* `owner` is the link that remembers it, NULL: it is new. `other` NULL: there
 * is nothing to join with. */
static void
look_join(struct look *k, const json_t *owner, unsigned type, const char *other)
{
    size_t row = association_row(type);
    const json_t *assoc = json_object_get(owner, "assoc");
    char prefix[16];
    bool has = false;

    if (other == NULL) {
        return;
    }
    (void)snprintf(prefix, sizeof(prefix), "%u:", type);
    for (size_t i = 0; i < json_array_size(assoc); i++) {
        const char *entry = json_string_value(json_array_get(assoc, i));

        if (entry == NULL || !text_has_prefix(entry, prefix)) {
            continue;
        }
        if (text_equal(entry + strlen(prefix), other)) {
            has = true;
        } else if (type != 409 && type != 541 && type != 279) {
            k->c->parted[row]++;
            k->did = true;
        }
    }
    if (!has && owner == NULL) {
        k->c->joined_new[row]++;
    } else if (!has) {
        k->c->joined[row]++;
    }
    k->did = k->did || !has;
}

static const char *
own_id(const json_t *link)
{
    return link == NULL ? COMING : jsonx_text(link, "id");
}

static void
look_joins(struct look *k)
{
    const json_t *objects = json_object_get(k->desired, "objects");
    const json_t *o = json_array_get(objects, 0);
    const json_t *first =
        link_of(k, jsonx_text(o, "object"), jsonx_text(o, "key"));

    for (size_t i = 1; i < json_array_size(objects); i++) {
        const json_t *link;

        o = json_array_get(objects, i);
        link = link_of(k, jsonx_text(o, "object"), jsonx_text(o, "key"));
        if (k->kind == MAP_CUSTOMER && i == 1) {
            look_join(k, link, 279, own_id(first));
        } else if (k->kind == MAP_INVOICE) {
            look_join(k, link, 409, own_id(first));
        }
    }
    if (k->kind == MAP_INVOICE) {
        look_join(k, first, 177, k->contact);
        look_join(k, first, 179, k->company);
    } else if (k->kind == MAP_PAYMENT) {
        look_join(k, first, 387, k->contact);
        look_join(k, first, 389, k->company);
        look_join(k, first, 541, k->bill);
    }
}

/* ---- status, archiving -------------------------------------------------- */

static int
rank(const char *status)
{
    if (status == NULL || strcmp(status, "draft") == 0) {
        return 0;
    }
    return strcmp(status, "open") == 0 ? 1 : 2;
}

static void
look_status(struct look *k)
{
    const json_t *objects = json_object_get(k->desired, "objects");
    const json_t *o = json_array_get(objects, 0);
    const json_t *link =
        link_of(k, jsonx_text(o, "object"), jsonx_text(o, "key"));
    const char *was =
        jsonx_text(json_object_get(link, "properties"), "hs_invoice_status");
    const char *status = jsonx_text(k->desired, "status");
    json_t *row;

    if (k->kind != MAP_INVOICE || status == NULL ||
        jsonx_text(k->desired, "status_held") != NULL || k->contact == NULL ||
        rank(status) < rank(was) ||
        text_equal(status, was != NULL ? was : "draft")) {
        return;
    }
    k->c->status++;
    k->did = true;
    if (k->e->changes != NULL) {
        row = json_object();
        json_object_set(row, "object", json_object_get(o, "object"));
        json_object_set(row, "key", json_object_get(o, "key"));
        json_object_set_new(row, "property", json_string("hs_invoice_status"));
        json_object_set_new(row, "before",
                            was != NULL ? json_string(was) : json_null());
        json_object_set_new(row, "after", json_string(status));
        json_array_append_new(k->e->changes, row);
    }
}

/* What the record no longer has. */
static void
look_vanished(struct look *k, bool gone)
{
    for (size_t i = 0; i < json_array_size(k->links); i++) {
        const json_t *l = json_array_get(k->links, i);
        const char *name = jsonx_text(l, "object");
        enum map_object object;

        if (name == NULL || !map_object_parse(name, &object) ||
            jsonx_text(l, "id") == NULL || (!gone && is_wanted(k, l))) {
            continue;
        }
        k->c->archived[object]++;
        k->did = true;
    }
}

/* ---- the whole of it ---------------------------------------------------- */

static void
look_at(struct look *k)
{
    json_t *objects = json_object_get(k->desired, "objects");
    bool gone = json_is_true(json_object_get(k->desired, "gone"));
    const json_t *first = json_array_get(objects, 0);
    bool fresh = link_of(k, jsonx_text(first, "object"),
                         jsonx_text(first, "key")) == NULL;

    if (!gone && json_array_size(objects) > 0) {
        for (size_t i = 0; i < json_array_size(objects); i++) {
            json_t *o = json_array_get(objects, i);
            const char *name = jsonx_text(o, "object");
            enum map_object object;

            if (name != NULL && map_object_parse(name, &object) &&
                json_is_object(json_object_get(o, "properties"))) {
                look_object(k, o, object);
            }
        }
        look_joins(k);
        look_status(k);
    }
    look_vanished(k, gone);
    if (!k->did) {
        k->e->fate = EFFECT_NOTHING;
    } else if (gone || json_array_size(objects) == 0) {
        k->e->fate = EFFECT_ARCHIVE;
    } else {
        k->e->fate = fresh ? EFFECT_CREATE : EFFECT_CHANGE;
    }
}

static bool
look_read(struct look *k)
{
    const struct store_plan_job *j = k->j;
    struct fault f = {0};

    if (!map_kind_parse(j->kind, &k->kind) ||
        jsonx_parse(j->desired, strlen(j->desired), &k->desired, &f) !=
            ERR_OK ||
        jsonx_parse(j->links, strlen(j->links), &k->links, &f) != ERR_OK ||
        jsonx_parse(j->parents, strlen(j->parents), &k->parents, &f) !=
            ERR_OK) {
        return false;
    }
    k->customer = json_object_get(k->parents, "customer");
    k->invoice = json_object_get(k->parents, "invoice");
    k->company = id_of(k->customer, "company");
    k->contact = id_of(k->customer, "contact");
    k->bill = id_of(k->invoice, "hubspot");
    return true;
}

void
effect_of(const struct store_plan_job *j, bool changes, struct effect *e,
          struct cost_counts *c)
{
    struct look k = {.j = j, .e = e, .c = c};

    memset(e, 0, sizeof(*e));
    e->changes = changes ? json_array() : NULL;
    if (text_equal(j->state, "parked")) {
        e->fate = EFFECT_REFUSED;
        (void)snprintf(e->why, sizeof(e->why), "%s: %s",
                       j->error_code != NULL ? j->error_code : "parked",
                       j->error != NULL ? j->error : "");
    } else if (!look_read(&k)) {
        e->fate = EFFECT_REFUSED;
        (void)snprintf(e->why, sizeof(e->why), "the job cannot be read");
    } else if (waits(&k)) {
        e->fate = EFFECT_WAIT;
    } else {
        look_at(&k);
    }
    json_decref(k.desired);
    json_decref(k.links);
    json_decref(k.parents);
}
