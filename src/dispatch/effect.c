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
    [EFFECT_CREATE] = "create",   [EFFECT_CHANGE] = "change",
    [EFFECT_ARCHIVE] = "archive", [EFFECT_NOTHING] = "unchanged",
    [EFFECT_WAIT] = "wait",       [EFFECT_REFUSED] = "rejected",
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
    const struct effect_known *known;
    struct effect *e;
    struct cost_counts *c;
    enum map_kind kind;
    json_t *desired, *links, *parents;
    const json_t *customer, *invoice;     /* parents, or NULL */
    const char *company, *contact, *bill; /* their ids, COMING, or NULL */
    bool did;
    bool refused; /* a value does not fit its property: `why` */
};

/* ---- parents ------------------------------------------------------------ */

static bool
is_missing(const json_t *parent)
{
    const char *state = jsonx_text(parent, "state");

    return text_equal(state, "missing") || text_equal(state, "gone");
}

static const char *
id_of(const struct look *k, const json_t *parent, enum map_kind kind,
      const char *name)
{
    const char *id = jsonx_text(parent, name);
    const char *number = jsonx_text(parent, "id");
    char *record;
    bool refused;

    if (id != NULL || number == NULL ||
        !json_is_true(json_object_get(parent, "coming"))) {
        return id;
    }
    record = mem_printf("%s:%s", map_kind_name(kind), number);
    refused =
        k->known->refused != NULL && map_get(k->known->refused, record) != NULL;
    mem_free(record);
    return refused ? NULL : COMING;
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

/* ---- values against the portal's definitions ---------------------------- */

static bool
is_ours(enum map_object object, const char *name)
{
    size_t n;
    const struct map_property *p = map_properties(&n);

    for (size_t i = 0; i < n; i++) {
        if (p[i].object == object && strcmp(p[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

static bool
is_option(const json_t *options, const char *value, size_t n)
{
    for (size_t i = 0; i < json_array_size(options); i++) {
        const char *have = jsonx_text(json_array_get(options, i), "value");

        if (have != NULL && strlen(have) == n && memcmp(have, value, n) == 0) {
            return true;
        }
    }
    return n == 0;
}

/* HubSpot separates the options of a property with several by `;`. */
static bool
has_options(const json_t *definition, const char *value)
{
    const json_t *options = json_object_get(definition, "options");
    bool many = text_equal(jsonx_text(definition, "fieldType"), "checkbox");

    if (!text_equal(jsonx_text(definition, "type"), "enumeration") ||
        json_array_size(options) == 0) {
        return true;
    }
    while (true) {
        size_t n = many ? strcspn(value, ";") : strlen(value);

        if (!is_option(options, value, n)) {
            return false;
        }
        if (value[n] == '\0') {
            return true;
        }
        value += n + 1;
    }
}

/* What HubSpot would say against it, as far as it can be known; else NULL. */
static const char *
refusal(const json_t *definition, bool ours, const char *value)
{
    const json_t *how = json_object_get(definition, "modificationMetadata");

    if (definition == NULL) {
        return ours ? NULL : "the portal has no such property";
    }
    /* Some that are calculated may be written all the same. */
    if (json_is_true(json_object_get(how, "readOnlyValue"))) {
        return "the portal sets this property itself";
    }
    return has_options(definition, value) ?
               NULL :
               "no option of the portal's property";
}

static void
check_values(struct look *k, const json_t *o, enum map_object object)
{
    const json_t *definitions = k->known->definitions[object];
    json_t *properties = json_object_get(o, "properties");
    const char *name;
    json_t *value;

    json_object_foreach(properties, name, value)
    {
        const char *text = json_string_value(value);
        const char *why = definitions == NULL || text == NULL ?
                              NULL :
                              refusal(json_object_get(definitions, name),
                                      is_ours(object, name), text);

        if (why != NULL && !k->refused) {
            k->refused = true;
            (void)snprintf(k->e->why, sizeof(k->e->why), "%s.%s: \"%.60s\": %s",
                           map_object_name(object), name, text, why);
        }
    }
}

/* With its associations in the same input (step.c); what may have been sent
 * before is upserted, and joined apart. */
static bool
is_created(const struct look *k)
{
    return k->known->creates && !k->j->careful;
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
    if (link == NULL && is_created(k)) {
        k->c->created[object]++;
    } else {
        k->c->upserted[object]++;
    }
    check_values(k, o, object);
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
        } else if (type != 409 && type != 541) {
            k->c->parted[row]++;
            k->c->joined[row]++; /* once more, see job_joins_again() */
            k->did = true;
        }
    }
    if (!has && (owner != NULL || !is_created(k))) {
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

/* Nothing but the invoice itself differs, and its status moves: both in one
 * update (step.c). */
static void
move_as_one(struct look *k, const struct cost_counts *before)
{
    const struct cost_counts *c = k->c;

    if (k->j->careful || c->status == before->status ||
        c->upserted[MAP_INVOICES] == before->upserted[MAP_INVOICES] ||
        c->upserted[MAP_LINE_ITEMS] != before->upserted[MAP_LINE_ITEMS] ||
        memcmp(c->created, before->created, sizeof(c->created)) != 0 ||
        memcmp(c->joined, before->joined, sizeof(c->joined)) != 0) {
        return;
    }
    k->c->upserted[MAP_INVOICES]--;
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
    struct cost_counts before = *k->c;
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
        if (k->refused) {
            k->e->fate = EFFECT_REFUSED;
            return; /* sent, and not more */
        }
        look_joins(k);
        look_status(k);
        if (!fresh) {
            move_as_one(k, &before);
        }
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
    k->company = id_of(k, k->customer, MAP_CUSTOMER, "company");
    k->contact = id_of(k, k->customer, MAP_CUSTOMER, "contact");
    k->bill = id_of(k, k->invoice, MAP_INVOICE, "hubspot");
    return true;
}

void
effect_of(const struct store_plan_job *j, const struct effect_known *known,
          struct effect *e, struct cost_counts *c)
{
    struct look k = {.j = j, .known = known, .e = e, .c = c};

    memset(e, 0, sizeof(*e));
    e->changes = known->changes ? json_array() : NULL;
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
