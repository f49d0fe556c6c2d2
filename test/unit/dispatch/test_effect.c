/* SPDX-License-Identifier: UNLICENSED */
/*
 * What a job would do and cost, told without doing it.
 */
#include "dispatch_priv.h"
#include "unit.h"

#define INVOICE                                                                \
    "{\"objects\":[{\"object\":\"invoices\",\"key\":\"3001\",\"properties\":"  \
    "{\"hs_number\":\"A1\",\"fusion_last_update\":\"2\"}},"                    \
    "{\"object\":\"line_items\",\"key\":\"3001-1\",\"properties\":"            \
    "{\"name\":\"x\"}},"                                                       \
    "{\"object\":\"line_items\",\"key\":\"3001-2\",\"properties\":"            \
    "{\"name\":\"y\"}}],\"status\":\"open\"}"
#define KNOWN                                                                  \
    "{\"customer\":{\"id\":\"1008\",\"state\":\"current\",\"company\":"        \
    "\"50\",\"contact\":\"60\",\"email\":\"a@x.example\",\"coming\":false}}"
#define COMES                                                                  \
    "{\"customer\":{\"id\":\"1008\",\"state\":\"pending\",\"coming\":true}}"
/* All of it as it was written, with the number given. */
#define LINKS(number)                                                          \
    "[{\"object\":\"invoices\",\"key\":\"3001\",\"id\":\"70\",\"hash\":"       \
    "\"00\",\"assoc\":[\"177:60\",\"179:50\"],\"properties\":{\"hs_number\":"  \
    "\"" number "\",\"hs_invoice_status\":\"open\",\"fusion_last_update\":"    \
    "\"1\"}},"                                                                 \
    "{\"object\":\"line_items\",\"key\":\"3001-1\",\"id\":\"71\",\"hash\":"    \
    "\"00\",\"assoc\":[\"409:70\"],\"properties\":{\"name\":\"x\"}},"          \
    "{\"object\":\"line_items\",\"key\":\"3001-2\",\"id\":\"72\",\"hash\":"    \
    "\"00\",\"assoc\":[\"409:70\"],\"properties\":{\"name\":\"y\"}}]"

static const struct effect_known all = {.creates = true, .changes = true};
static const struct effect_known apart = {.changes = true};

struct said {
    struct effect e;
    struct cost_counts c;
};

static struct said
look(const char *kind, const char *desired, const char *links,
     const char *parents)
{
    struct store_plan_job j = {.kind = kind,
                               .fusion_id = "3001",
                               .state = "queued",
                               .desired = desired,
                               .links = links,
                               .parents = parents,
                               .email_holder = ""};
    struct said s;

    memset(&s, 0, sizeof(s));
    effect_of(&j, &all, &s.e, &s.c);
    return s;
}

static void
fini(struct said *s)
{
    json_decref(s->e.changes);
}

TEST(new_invoice_is_created_joined_and_opened)
{
    struct said s = look("invoice", INVOICE, "[]", COMES);

    EQ_INT(s.e.fate, EFFECT_CREATE);
    EQ_UINT(s.c.created[MAP_INVOICES], 1);
    EQ_UINT(s.c.created[MAP_LINE_ITEMS], 2);
    EQ_UINT(s.c.joined[1] + s.c.joined[2] + s.c.joined[3], 0);
    EQ_UINT(s.c.status, 1);
    EQ_UINT(cost_requests(&s.c), 3);
    fini(&s);
}

TEST(what_may_have_been_sent_before_is_upserted)
{
    struct store_plan_job j = {.kind = "invoice",
                               .fusion_id = "3001",
                               .state = "unknown",
                               .verify = true,
                               .careful = true,
                               .desired = INVOICE,
                               .links = "[]",
                               .parents = COMES,
                               .email_holder = ""};
    struct said s;

    memset(&s, 0, sizeof(s));
    effect_of(&j, &all, &s.e, &s.c);
    EQ_UINT(s.c.read[MAP_INVOICES], 1);
    EQ_UINT(s.c.created[MAP_INVOICES], 0);
    EQ_UINT(s.c.upserted[MAP_INVOICES], 1);
    EQ_UINT(s.c.joined[1], 1);
    fini(&s);
}

TEST(without_creation_all_is_upserted_and_joined_apart)
{
    struct store_plan_job j = {.kind = "invoice",
                               .fusion_id = "3001",
                               .state = "queued",
                               .desired = INVOICE,
                               .links = "[]",
                               .parents = COMES,
                               .email_holder = ""};
    struct said s;

    memset(&s, 0, sizeof(s));
    effect_of(&j, &apart, &s.e, &s.c);
    EQ_INT(s.e.fate, EFFECT_CREATE);
    EQ_UINT(s.c.upserted[MAP_INVOICES], 1);
    EQ_UINT(s.c.upserted[MAP_LINE_ITEMS], 2);
    EQ_UINT(s.c.joined[1], 1); /* contact */
    EQ_UINT(s.c.joined[2], 1); /* company */
    EQ_UINT(s.c.joined[3], 2); /* lines */
    EQ_UINT(cost_requests(&s.c), 6);
    fini(&s);
}

TEST(record_that_hubspot_holds_does_nothing)
{
    struct said s = look("invoice", INVOICE, LINKS("A1"), KNOWN);

    EQ_INT(s.e.fate, EFFECT_NOTHING);
    EQ_UINT(cost_requests(&s.c), 0);
    EQ_UINT(json_array_size(s.e.changes), 0);
    fini(&s);
}

TEST(change_tells_before_and_after)
{
    struct said s = look("invoice", INVOICE, LINKS("A0"), KNOWN);
    const json_t *x = json_array_get(s.e.changes, 0);

    EQ_INT(s.e.fate, EFFECT_CHANGE);
    EQ_UINT(s.c.upserted[MAP_INVOICES], 1);
    EQ_UINT(cost_requests(&s.c), 1);
    EQ_UINT(json_array_size(s.e.changes), 1);
    EQ_STR(jsonx_text(x, "property"), "hs_number");
    EQ_STR(jsonx_text(x, "before"), "A0");
    EQ_STR(jsonx_text(x, "after"), "A1");
    fini(&s);
}

TEST(change_of_a_known_invoice_travels_with_its_status)
{
    static const char links[] =
        "[{\"object\":\"invoices\",\"key\":\"3001\",\"id\":\"70\","
        "\"hash\":\"00\",\"assoc\":[\"177:60\",\"179:50\"],"
        "\"properties\":{\"hs_number\":\"A0\",\"hs_invoice_status\":"
        "\"draft\"}},"
        "{\"object\":\"line_items\",\"key\":\"3001-1\",\"id\":\"71\","
        "\"hash\":\"00\",\"assoc\":[\"409:70\"],\"properties\":"
        "{\"name\":\"x\"}},"
        "{\"object\":\"line_items\",\"key\":\"3001-2\",\"id\":\"72\","
        "\"hash\":\"00\",\"assoc\":[\"409:70\"],\"properties\":"
        "{\"name\":\"y\"}}]";
    struct said s = look("invoice", INVOICE, links, KNOWN);

    EQ_INT(s.e.fate, EFFECT_CHANGE);
    EQ_UINT(json_array_size(s.e.changes), 2); /* number and status */
    EQ_UINT(s.c.upserted[MAP_INVOICES], 0);
    EQ_UINT(s.c.status, 1);
    EQ_UINT(cost_requests(&s.c), 1);
    fini(&s);
}

TEST(line_that_vanished_is_archived)
{
    static const char one[] =
        "{\"objects\":[{\"object\":\"invoices\",\"key\":\"3001\","
        "\"properties\":{\"hs_number\":\"A1\"}},{\"object\":\"line_items\","
        "\"key\":\"3001-1\",\"properties\":{\"name\":\"x\"}}]}";
    struct said s = look("invoice", one, LINKS("A1"), KNOWN);

    EQ_INT(s.e.fate, EFFECT_CHANGE);
    EQ_UINT(s.c.archived[MAP_LINE_ITEMS], 1);
    EQ_UINT(cost_requests(&s.c), 1);
    fini(&s);
}

TEST(another_customer_is_joined_and_the_old_one_parted)
{
    static const char other[] =
        "{\"customer\":{\"id\":\"1009\",\"state\":\"current\",\"company\":"
        "\"51\",\"contact\":\"61\",\"coming\":false}}";
    struct said s = look("invoice", INVOICE, LINKS("A1"), other);

    EQ_INT(s.e.fate, EFFECT_CHANGE);
    EQ_UINT(s.c.joined[1], 2); /* once more after parting */
    EQ_UINT(s.c.joined[2], 2);
    EQ_UINT(s.c.parted[1], 1);
    EQ_UINT(s.c.parted[2], 1);
    EQ_UINT(s.c.joined[3], 0);
    fini(&s);
}

TEST(invoice_waits_for_a_customer_that_does_not_come)
{
    struct said s = look("invoice", INVOICE, "[]",
                         "{\"customer\":{\"id\":\"1008\",\"state\":\"parked\","
                         "\"coming\":false}}");

    EQ_INT(s.e.fate, EFFECT_WAIT);
    EQ_STR(s.e.why, "customer:1008");
    EQ_UINT(cost_requests(&s.c), 0);
    fini(&s);
    s = look("invoice", INVOICE, "[]", "{}");
    EQ_INT(s.e.fate, EFFECT_WAIT);
    EQ_STR(s.e.why, "no_customer");
    fini(&s);
}

TEST(invoice_of_a_missing_customer_goes_without)
{
    struct said s = look("invoice", INVOICE, "[]",
                         "{\"customer\":{\"id\":\"1008\",\"state\":\"missing\","
                         "\"coming\":false}}");

    EQ_INT(s.e.fate, EFFECT_CREATE);
    EQ_UINT(s.c.joined[1] + s.c.joined[2], 0);
    EQ_UINT(s.c.status, 0); /* held: there is no contact */
    fini(&s);
}

TEST(payment_says_the_email_of_its_contact_and_waits_for_its_invoice)
{
    static const char desired[] =
        "{\"objects\":[{\"object\":\"commerce_payments\",\"key\":\"7\","
        "\"properties\":{\"hs_initial_amount\":\"1\"}}]}";
    struct said s =
        look("payment", desired,
             "[{\"object\":\"commerce_payments\",\"key\":\"7\",\"id\":\"80\","
             "\"hash\":\"00\",\"assoc\":[\"387:60\",\"389:50\"],"
             "\"properties\":{\"hs_initial_amount\":\"1\","
             "\"hs_customer_email\":\"old@x.example\"}}]",
             KNOWN);

    EQ_INT(s.e.fate, EFFECT_CHANGE);
    EQ_UINT(json_array_size(s.e.changes), 1);
    EQ_STR(jsonx_text(json_array_get(s.e.changes, 0), "after"), "a@x.example");
    fini(&s);
    s = look("payment", desired, "[]",
             "{\"customer\":{\"id\":\"1008\",\"state\":\"current\",\"company\":"
             "\"50\",\"contact\":\"60\"},\"invoice\":{\"id\":\"3009\","
             "\"state\":\"parked\",\"coming\":false}}");
    EQ_INT(s.e.fate, EFFECT_WAIT);
    EQ_STR(s.e.why, "invoice:3009");
    fini(&s);
}

TEST(payment_that_is_gone_is_archived)
{
    struct said s =
        look("payment", "{\"objects\":[],\"gone\":true}",
             "[{\"object\":\"commerce_payments\",\"key\":\"7\",\"id\":\"80\","
             "\"hash\":\"00\",\"assoc\":[],\"properties\":{}}]",
             KNOWN);

    EQ_INT(s.e.fate, EFFECT_ARCHIVE);
    EQ_UINT(s.c.archived[MAP_PAYMENTS], 1);
    fini(&s);
}

TEST(parked_job_is_rejected_with_its_reason)
{
    struct store_plan_job j = {.kind = "invoice",
                               .fusion_id = "3001",
                               .state = "parked",
                               .error_code = "INVALID_OPTION",
                               .error = "no such currency",
                               .desired = INVOICE,
                               .links = "[]",
                               .parents = KNOWN};
    struct cost_counts c;
    struct effect e;

    memset(&c, 0, sizeof(c));
    effect_of(&j, &(struct effect_known){.changes = false}, &e, &c);
    EQ_INT(e.fate, EFFECT_REFUSED);
    EQ_STR(e.why, "INVALID_OPTION: no such currency");
    IS(e.changes == NULL);
    EQ_UINT(cost_requests(&c), 0);
}

TEST(contact_goes_without_an_email_that_another_holds)
{
    struct store_plan_job j = {
        .kind = "customer",
        .fusion_id = "1008",
        .state = "queued",
        .desired = "{\"objects\":[{\"object\":\"companies\",\"key\":\"1008\","
                   "\"properties\":{\"name\":\"A\"}},{\"object\":\"contacts\","
                   "\"key\":\"1008\",\"properties\":{\"email\":\"a@x.example\","
                   "\"lastname\":\"B\"}}]}",
        .links = "[]",
        .parents = "{}",
        .email_holder = "1007"};
    struct said s;

    memset(&s, 0, sizeof(s));
    effect_of(&j, &all, &s.e, &s.c);
    EQ_INT(s.e.fate, EFFECT_CREATE);
    EQ_UINT(json_array_size(s.e.changes), 2); /* name, lastname */
    EQ_UINT(s.c.created[MAP_CONTACTS], 1);
    fini(&s);
}

TEST(value_that_the_portal_would_refuse_is_told)
{
    static const char desired[] =
        "{\"objects\":[{\"object\":\"companies\",\"key\":\"1008\","
        "\"properties\":{\"name\":\"A\",\"industry\":\"PIRACY\","
        "\"fusion_party_id\":\"1\"}},{\"object\":\"contacts\",\"key\":"
        "\"1008\",\"properties\":{\"lastname\":\"B\"}}]}";
    struct store_plan_job j = {.kind = "customer",
                               .fusion_id = "1008",
                               .state = "queued",
                               .desired = desired,
                               .links = "[]",
                               .parents = "{}",
                               .email_holder = ""};
    struct effect_known known = {.changes = false};
    json_t *definitions =
        json_pack("{s:{s:s},s:{s:s,s:[{s:s},{s:s}]}}", "name", "type", "string",
                  "industry", "type", "enumeration", "options", "value",
                  "BANKING", "value", "SPORTS");
    struct said s;

    known.definitions[MAP_COMPANIES] = definitions;
    memset(&s, 0, sizeof(s));
    effect_of(&j, &known, &s.e, &s.c);
    EQ_INT(s.e.fate, EFFECT_REFUSED);
    EQ_STR(s.e.why, "companies.industry: \"PIRACY\": no option of the "
                    "portal's property");
    json_array_append_new(
        json_object_get(json_object_get(definitions, "industry"), "options"),
        json_pack("{s:s}", "value", "PIRACY"));
    effect_of(&j, &known, &s.e, &s.c);
    EQ_INT(s.e.fate, EFFECT_CREATE);
    json_object_del(definitions, "name");
    effect_of(&j, &known, &s.e, &s.c);
    EQ_INT(s.e.fate, EFFECT_REFUSED);
    EQ_STR(s.e.why, "companies.name: \"A\": the portal has no such property");
    json_decref(definitions);
}

TEST(child_of_a_refused_parent_waits)
{
    struct store_plan_job j = {.kind = "invoice",
                               .fusion_id = "3001",
                               .state = "waiting",
                               .desired = INVOICE,
                               .links = "[]",
                               .parents = COMES,
                               .email_holder = ""};
    struct effect_known known = {.changes = false};
    struct map refused;
    struct said s;

    map_init(&refused);
    (void)map_put(&refused, "customer:1008", &refused);
    known.refused = &refused;
    memset(&s, 0, sizeof(s));
    effect_of(&j, &known, &s.e, &s.c);
    EQ_INT(s.e.fate, EFFECT_WAIT);
    EQ_STR(s.e.why, "customer:1008");
    map_fini(&refused);
}

TEST(full_batches_of_objects_of_associations_and_of_status)
{
    struct cost_counts c;
    json_t *by;

    memset(&c, 0, sizeof(c));
    EQ_UINT(cost_requests(&c), 0);
    c.created[MAP_COMPANIES] = 100;
    EQ_UINT(cost_requests(&c), 1);
    c.created[MAP_COMPANIES] = 101;
    EQ_UINT(cost_requests(&c), 2);
    c.archived[MAP_LINE_ITEMS] = 1;
    c.status = 250;
    EQ_UINT(cost_requests(&c), 6);
    c.joined[0] = 2000;
    c.joined[1] = 2001;
    c.parted[1] = 1;
    EQ_UINT(cost_requests(&c), 10);
    by = cost_operations(&c);
    EQ_INT(json_integer_value(json_object_get(by, "invoices.status")), 3);
    EQ_INT(
        json_integer_value(json_object_get(by, "invoices-contacts.associate")),
        2);
    json_decref(by);
}

SUITE(effect, RUN(new_invoice_is_created_joined_and_opened),
      RUN(what_may_have_been_sent_before_is_upserted),
      RUN(without_creation_all_is_upserted_and_joined_apart),
      RUN(record_that_hubspot_holds_does_nothing),
      RUN(change_tells_before_and_after),
      RUN(change_of_a_known_invoice_travels_with_its_status),
      RUN(line_that_vanished_is_archived),
      RUN(another_customer_is_joined_and_the_old_one_parted),
      RUN(invoice_waits_for_a_customer_that_does_not_come),
      RUN(invoice_of_a_missing_customer_goes_without),
      RUN(payment_says_the_email_of_its_contact_and_waits_for_its_invoice),
      RUN(payment_that_is_gone_is_archived),
      RUN(parked_job_is_rejected_with_its_reason),
      RUN(contact_goes_without_an_email_that_another_holds),
      RUN(value_that_the_portal_would_refuse_is_told),
      RUN(child_of_a_refused_parent_waits),
      RUN(full_batches_of_objects_of_associations_and_of_status))
