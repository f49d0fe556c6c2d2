/* SPDX-License-Identifier: UNLICENSED */
/*
 * customer: the rules of companies and contacts that are no row of the table.
 * An account has no address, no phone and no people: they are its party's, and
 * none of it need exist. Which person is the contact is decided here, from all
 * persons of the party and never from their order.
 */
#include <string.h>

#include "map_priv.h"

static char
fold(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* Names are equal whatever their case and the number of blanks. */
static bool
same_name(const char *a, const char *b)
{
    while (*a == ' ') {
        a++;
    }
    while (*b == ' ') {
        b++;
    }
    while (*a != '\0' && *b != '\0') {
        if (fold(*a) != fold(*b)) {
            return false;
        }
        a++;
        b++;
        while (a[-1] == ' ' && *a == ' ') {
            a++;
        }
        while (b[-1] == ' ' && *b == ' ') {
            b++;
        }
    }
    while (*a == ' ') {
        a++;
    }
    while (*b == ' ') {
        b++;
    }
    return *a == '\0' && *b == '\0';
}

static const char *
scalar(struct map_ctx *c, const json_t *row, const char *attr)
{
    const char *text;
    size_t n;

    if (map_scalar(c->a, json_object_get(row, attr), &text, &n) != MAP_VALUE) {
        return NULL;
    }
    return text;
}

/* A flag of the customer resources (true) or of the others ("Y"). */
static bool
is_set(struct map_ctx *c, const json_t *row, const char *attr)
{
    const char *text = scalar(c, row, attr);

    return text != NULL && (same_name(text, "true") || same_name(text, "y"));
}

static bool
is_active(struct map_ctx *c, const json_t *row)
{
    const char *status = scalar(c, row, "Status");

    return status == NULL || same_name(status, "a") ||
           same_name(status, "active");
}

static bool
is_named(struct map_ctx *c, const json_t *person, const char *name)
{
    const char *full = scalar(c, person, "PersonName");
    const char *first = scalar(c, person, "FirstName");
    const char *last = scalar(c, person, "LastName");

    if (full != NULL && same_name(full, name)) {
        return true;
    }
    return first != NULL && last != NULL &&
           same_name(arena_printf(c->a, "%s %s", first, last), name);
}

static int64_t
stamp_of(struct map_ctx *c, const json_t *row)
{
    const char *text = scalar(c, row, "LastUpdateDate");
    int64_t us;

    if (text == NULL || time_parse(text, strlen(text), &us) != ERR_OK) {
        return 0;
    }
    return us;
}

/* Whether `b` is to be taken rather than `a`. */
static bool
is_better(struct map_ctx *c, const json_t *a, const json_t *b, bool by_name)
{
    int64_t ta = stamp_of(c, a);
    int64_t tb = stamp_of(c, b);

    if (a == NULL) {
        return true;
    }
    if (by_name && ta != tb) {
        return tb > ta;
    }
    return map_id_cmp(scalar(c, b, "PartyId"), scalar(c, a, "PartyId")) < 0;
}

static const json_t *
choose_person(struct map_ctx *c, const struct map_customer_rows *rows,
              const char *party)
{
    const json_t *named = NULL;
    const json_t *lowest = NULL;

    for (size_t i = 0; i < json_array_size(rows->persons); i++) {
        const json_t *p = json_array_get(rows->persons, i);
        const char *of = scalar(c, p, "OrganizationPartyId");

        if (!json_is_object(p) ||
            (of != NULL && party != NULL && strcmp(of, party) != 0)) {
            continue;
        }
        map_saw_version(c, map_read_stamp(c, p));
        if (!is_active(c, p)) {
            continue;
        }
        if (rows->bill_to_contact != NULL &&
            is_named(c, p, rows->bill_to_contact) &&
            is_better(c, named, p, true)) {
            named = p;
        }
        if (is_better(c, lowest, p, false)) {
            lowest = p;
        }
    }
    return named != NULL ? named : lowest;
}

static const char *
join_address(struct map_ctx *c, const json_t *organization)
{
    static const char *const attrs[] = {"Address2", "Address3", "Address4"};
    const char *out = NULL;

    for (size_t i = 0; i < COUNT_OF(attrs); i++) {
        const char *text = map_read_text(c, organization, attrs[i]);

        if (text != NULL) {
            out = out == NULL ? text : arena_printf(c->a, "%s, %s", out, text);
        }
    }
    return out;
}

static const char *
primary_phone(struct map_ctx *c, const json_t *organization)
{
    const json_t *points = jsonx_items(organization, "ContactPoint");

    for (size_t i = 0; i < json_array_size(points); i++) {
        const json_t *p = json_array_get(points, i);
        const char *type = scalar(c, p, "ContactPointType");

        if (type != NULL && same_name(type, "phone") &&
            is_set(c, p, "PrimaryFlag") && is_active(c, p)) {
            return map_read_text(c, p, "FormattedPhoneNumber");
        }
    }
    return NULL;
}

/* The industry of the primary classifications, in an order of their own, so
 * that the answer does not hang on Fusion's. */
static const char *
find_industry(struct map_ctx *c, const json_t *organization)
{
    const json_t *list = jsonx_items(organization, "CustomerClassification");
    const char *best = NULL;
    const char *best_order = NULL;
    const char *unmapped = NULL;

    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *p = json_array_get(list, i);
        const char *category = scalar(c, p, "ClassCategory");
        const char *code = scalar(c, p, "ClassCode");
        const char *meaning = scalar(c, p, "ClassCodeMeaning");
        const char *order;
        const char *found;

        if (!is_set(c, p, "IsIndustryFlag") || !is_set(c, p, "PrimaryFlag") ||
            !is_active(c, p)) {
            continue;
        }
        order = arena_printf(c->a, "%s %s %s", category != NULL ? category : "",
                             code != NULL ? code : "",
                             meaning != NULL ? meaning : "");
        found = map_industry(category, code, meaning);
        if (found == NULL) {
            unmapped = unmapped == NULL || strcmp(order, unmapped) < 0 ?
                           order :
                           unmapped;
        } else if (best == NULL || strcmp(order, best_order) < 0) {
            best = found;
            best_order = order;
        }
    }
    if (best == NULL && unmapped != NULL) {
        map_note(c, "industry_unmapped",
                 "no industry of HubSpot for \"%.300s\"", unmapped);
    }
    return best;
}

/* First that is not NULL. */
static const char *
either(const char *a, const char *b)
{
    return a != NULL ? a : b;
}

static const char *
given(struct map_ctx *c, const char *text)
{
    json_t *v = text != NULL ? json_string(text) : NULL;
    const char *out = NULL;
    const char *s;
    size_t n;

    if (map_scalar(c->a, v, &s, &n) == MAP_VALUE) {
        out = map_format(c->a, MAP_AS_TEXT, s, n);
    }
    json_decref(v);
    return out;
}

/* Without a person the company's name; a person with neither first nor last
 * name is called by the full one. */
static const char *
last_name(struct map_ctx *c, const char *company)
{
    const json_t *person = c->rows[MAP_FROM_PERSON];

    if (scalar(c, person, "FirstName") != NULL) {
        return NULL;
    }
    return either(map_read_text(c, person, "PersonName"), company);
}

static const json_t *
object_or_null(struct map_ctx *c, const json_t *row, const char *what)
{
    if (row == NULL || json_is_null(row) || json_is_object(row)) {
        return json_is_object(row) ? row : NULL;
    }
    map_note(c, "value_ignored", "%s: expected an object, found %s", what,
             map_type_name(row));
    return NULL;
}

static void
put_facts(struct map_ctx *c, const struct map_customer_rows *rows)
{
    const json_t *account = c->rows[MAP_FROM_ACCOUNT];
    const json_t *organization = c->rows[MAP_FROM_ORGANIZATION];
    const char *name = map_read_text(c, account, "CustomerName");

    name = either(name, map_read_text(c, organization, "OrganizationName"));
    name = either(name, given(c, rows->bill_to_name));
    name = either(name, c->out->id);
    map_fact(c, "account_number", c->out->id);
    map_fact(c, "party", c->out->party);
    map_fact(c, "company_name", name);
    map_fact(c, "address2", join_address(c, organization));
    map_fact(c, "primary_phone", primary_phone(c, organization));
    map_fact(c, "industry", find_industry(c, organization));
    map_fact(c, "bill_to_email", given(c, rows->bill_to_email));
    map_fact(c, "lastname", last_name(c, name));
}

static void
saw_versions(struct map_ctx *c)
{
    const json_t *organization = c->rows[MAP_FROM_ORGANIZATION];
    static const char *const children[] = {"CustomerClassification",
                                           "ContactPoint"};

    map_saw_version(c, map_read_stamp(c, c->rows[MAP_FROM_ACCOUNT]));
    map_saw_version(c, map_read_stamp(c, organization));
    for (size_t k = 0; k < COUNT_OF(children); k++) {
        const json_t *list = jsonx_items(organization, children[k]);

        for (size_t i = 0; i < json_array_size(list); i++) {
            map_saw_version(c, stamp_of(c, json_array_get(list, i)));
        }
    }
}

enum map_fate
map_customer(const struct mapping *m, struct arena *a,
             const struct map_customer_rows *rows, struct map_record *out,
             struct fault *f)
{
    struct map_thing *contact;
    struct map_ctx c;

    map_ctx_init(&c, m, a, out, f);
    out->kind = MAP_CUSTOMER;
    out->id = given(&c, rows->account_number);
    if (out->id == NULL) {
        map_refuse(&c, "AccountNumber: expected text, found nothing");
        return MAP_INVALID;
    }
    out->number = out->id;
    c.rows[MAP_FROM_ACCOUNT] = object_or_null(&c, rows->account, "account");
    c.rows[MAP_FROM_ORGANIZATION] =
        object_or_null(&c, rows->organization, "organization");
    out->party =
        either(map_read_text(&c, c.rows[MAP_FROM_ACCOUNT], "CustomerId"),
               given(&c, rows->bill_to_party));
    c.rows[MAP_FROM_PERSON] = choose_person(&c, rows, out->party);
    saw_versions(&c);
    put_facts(&c, rows);
    (void)map_build(&c, MAP_COMPANIES);
    contact = map_build(&c, MAP_CONTACTS);
    out->email = map_thing_get(contact, "email");
    return map_finish(&c, MAP_CUSTOMER);
}
