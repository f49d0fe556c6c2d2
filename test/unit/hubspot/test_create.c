/* SPDX-License-Identifier: UNLICENSED */
/*
 * Creation with associations: what is sent, and what refusals of it say.
 */
#include "fix.h"

static const struct hubspot_join joins[] = {{MAP_CONTACTS, "501"},
                                            {MAP_COMPANIES, "601"}};

static void
fix_create(struct fix *x, size_t n)
{
    fix_init(x, HUBSPOT_CREATE, MAP_INVOICES, n);
    for (size_t i = 0; i < n; i++) {
        x->inputs[i].to = NULL;
        x->inputs[i].joins = joins;
        x->inputs[i].n_joins = COUNT_OF(joins);
    }
}

TEST(a_creation_names_its_associations_with_every_type)
{
    struct fix x;

    fix_create(&x, 1);
    fix_encode(&x);
    EQ_STR(x.request.path, "/crm/objects/2026-03/invoices/batch/create");
    EQ_STR(x.request.body.data,
           "{\"inputs\":[{\"objectWriteTraceId\":\"t-0\",\"properties\":"
           "{\"fusion_transaction_id\":\"k0\",\"name\":\"N0\"},"
           "\"associations\":[{\"to\":{\"id\":\"501\"},\"types\":"
           "[{\"associationCategory\":\"HUBSPOT_DEFINED\","
           "\"associationTypeId\":177}]},{\"to\":{\"id\":\"601\"},\"types\":"
           "[{\"associationCategory\":\"HUBSPOT_DEFINED\","
           "\"associationTypeId\":179}]}]}]}");
    fix_fini(&x);
}

TEST(what_belongs_to_an_invoice_names_the_type_from_its_own_end)
{
    static const struct {
        enum map_object object, to;
        const char *types;
    } rows[] = {
        {MAP_LINE_ITEMS, MAP_INVOICES, "\"associationTypeId\":410}]"},
        {MAP_PAYMENTS, MAP_INVOICES, "\"associationTypeId\":542}]"},
        {MAP_PAYMENTS, MAP_CONTACTS, "\"associationTypeId\":387}]"},
        {MAP_CONTACTS, MAP_COMPANIES, "\"associationTypeId\":279},"},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct hubspot_join join = {rows[i].to, "7"};
        struct fix x;

        fix_init(&x, HUBSPOT_CREATE, rows[i].object, 1);
        x.inputs[0].joins = &join;
        x.inputs[0].n_joins = 1;
        fix_encode(&x);
        HAS(x.request.body.data, rows[i].types);
        fix_fini(&x);
    }
}

TEST(created_records_are_matched_by_trace_or_key)
{
    struct fix x;

    fix_create(&x, 3);
    EQ_STR(fix_answer(&x, 201,
                      "{\"status\":\"COMPLETE\",\"results\":[{\"id\":\"12\","
                      "\"properties\":{\"fusion_transaction_id\":\"k2\"}},"
                      "{\"id\":\"10\",\"objectWriteTraceId\":\"t-0\"}]}"),
           "WUW");
    EQ_STR(x.decoded.results[0].id, "10");
    EQ_STR(x.decoded.results[2].id, "12");
    IS(x.decoded.results[0].created);
    EQ_STR(fix_answer(&x, 502, "<html>"), "UUU");
    EQ_STR(fix_broken(&x, ERR_RESET, true), "UUU");
    EQ_STR(fix_broken(&x, ERR_CONNECT, false), "RRR");
    fix_fini(&x);
}

#define CLASH(property, value)                                                 \
    "\"message\":\"Cannot set PropertyValueCoordinates{portalId=1, "           \
    "objectTypeId=0-53, propertyName=" property ", value=" value "} on 9. "    \
    "77 already has that value.\",\"category\":\"VALIDATION_ERROR\""

TEST(a_key_that_is_there_already_is_told_from_other_clashes)
{
    struct fix x;

    fix_create(&x, 2);
    EQ_STR(
        fix_answer(
            &x, 207,
            "{\"results\":[],\"errors\":[{" CLASH(
                "fusion_transaction_id",
                "k0") ",\"context\":{\"objectWriteTraceId\":[\"t-0\"]}},"
                      "{" CLASH(
                          "fusion_transaction_id_2",
                          "k0") ",\"context\":{\"objectWriteTraceId\":[\"t-1\"]}}]}"),
        "XX");
    EQ_ERR(x.decoded.results[0].fault.err, ERR_CONFLICT);
    IS(x.decoded.results[0].key_taken);
    EQ_STR(x.decoded.results[0].existing_id, "77");
    NOT(x.decoded.results[1].key_taken);
    /* the whole batch: whose key it is stands in the words */
    EQ_STR(fix_answer(&x, 400, "{" CLASH("fusion_transaction_id", "k1") "}"),
           "RX");
    IS(x.decoded.results[1].key_taken);
    /* it does not say of which property: the key it is, unless a contact's */
    EQ_STR(fix_answer(&x, 207,
                      "{\"errors\":[{\"message\":\"a record is there\","
                      "\"category\":\"CONFLICT\",\"context\":"
                      "{\"objectWriteTraceId\":[\"t-0\"]}},{\"message\":"
                      "\"Contact already exists. Existing ID: 5\","
                      "\"category\":\"CONFLICT\",\"context\":"
                      "{\"objectWriteTraceId\":[\"t-1\"]}}]}"),
           "XX");
    IS(x.decoded.results[0].key_taken);
    NOT(x.decoded.results[1].key_taken);
    fix_fini(&x);
}

TEST(the_end_that_is_gone_is_told)
{
    struct fix x;

    fix_create(&x, 2);
    EQ_STR(fix_answer(&x, 207,
                      "{\"errors\":[{\"message\":\"COMPANY with id 601 is not "
                      "valid\",\"subCategory\":\"crm.associations."
                      "INVALID_IDENTIFIER\",\"context\":{"
                      "\"objectWriteTraceId\":[\"t-1\"]}}],\"results\":"
                      "[{\"id\":\"10\",\"objectWriteTraceId\":\"t-0\"}]}"),
           "WX");
    EQ_ERR(x.decoded.results[1].fault.err, ERR_MISSING);
    EQ_STR(x.decoded.results[1].gone, "601");
    fix_fini(&x);
    fix_init(&x, HUBSPOT_ASSOCIATE, MAP_INVOICES, 2);
    EQ_STR(fix_answer(&x, 207,
                      "{\"errors\":[{\"message\":\"COMPANY with id 9011 and "
                      "901 is not valid\",\"subCategory\":\"crm.associations."
                      "INVALID_IDENTIFIER\",\"context\":{\"id\":[\"901\"]}}],"
                      "\"results\":[{\"fromObjectId\":100,\"toObjectId\":900}]"
                      "}"),
           "WX");
    EQ_STR(x.decoded.results[1].gone, "901");
    fix_fini(&x);
}

TEST(a_portal_without_our_key_names_no_culprit_and_is_not_halved)
{
    struct fix x;

    for (size_t n = 1; n <= 3; n += 2) {
        fix_init(&x, HUBSPOT_UPSERT, MAP_INVOICES, n);
        EQ_STR(fix_answer(&x, 400,
                          "{\"category\":\"VALIDATION_ERROR\",\"message\":"
                          "\"Unable to perform update/upsert by non-unique "
                          "0-53 property fusion_transaction_id in portal ID "
                          "1\"}"),
               n == 1 ? "R" : "RRR");
        IS(x.decoded.reply.no_key);
        fix_fini(&x);
    }
}

TEST(a_property_of_ours_that_is_gone_is_known_by_name)
{
    struct fault f;

    fault_clear(&f);
    (void)snprintf(f.code, sizeof(f.code), "PROPERTY_DOESNT_EXIST");
    (void)fault_set(&f, ERR_REFUSED,
                    "Property \"fusion_status\" does not exist");
    IS(hubspot_lacks_property(&f, MAP_INVOICES));
    NOT(hubspot_lacks_property(&f, MAP_COMPANIES));
    (void)fault_set(&f, ERR_REFUSED,
                    "Property \"fusion_status_2\" does not exist");
    NOT(hubspot_lacks_property(&f, MAP_INVOICES));
    (void)fault_set(&f, ERR_REFUSED,
                    "Property \"my_fusion_status\" does not exist");
    NOT(hubspot_lacks_property(&f, MAP_INVOICES));
    (void)fault_set(&f, ERR_REFUSED,
                    "Property \"fusion_status\" does not exist");
    (void)snprintf(f.code, sizeof(f.code), "INVALID_OPTION");
    NOT(hubspot_lacks_property(&f, MAP_INVOICES));
}

TEST(currencies_and_rules_of_the_portal_have_a_code_of_their_own)
{
    static const struct {
        const char *code, *property, *want;
    } rows[] = {
        {"INVALID_OPTION", "hs_currency", "CURRENCY_INACTIVE"},
        {"INVALID_CURRENCY", "hs_currency_code", "CURRENCY_INACTIVE"},
        {"READ_ONLY_VALUE", "hs_currency", "READ_ONLY_VALUE"},
        {"INVALID_OPTION", "industry", "INVALID_OPTION"},
        {"MISSING_REQUIRED_PROPERTY", "city", "PORTAL_RULE"},
        {"MISSING_CONDITIONAL_REQUIRED_PROPERTY", "city", "PORTAL_RULE"},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char *body =
            mem_printf("{\"errors\":[{\"message\":\"no\",\"category\":"
                       "\"VALIDATION_ERROR\",\"errors\":[{\"message\":\"bad\","
                       "\"code\":\"%s\",\"context\":{\"propertyName\":"
                       "[\"%s\"]}}],\"context\":{\"objectWriteTraceId\":"
                       "[\"t-0\"]}}]}",
                       rows[i].code, rows[i].property);
        struct fix x;

        fix_init(&x, HUBSPOT_UPSERT, MAP_INVOICES, 1);
        EQ_STR(fix_answer(&x, 207, body), "X");
        EQ_STR(x.decoded.results[0].fault.code, rows[i].want);
        EQ_STR(x.decoded.results[0].fault.message,
               strcmp(rows[i].want, "PORTAL_RULE") == 0 ?
                   "no; required: city" :
                   "no");
        fix_fini(&x);
        mem_free(body);
    }
}

SUITE(create, RUN(a_creation_names_its_associations_with_every_type),
      RUN(what_belongs_to_an_invoice_names_the_type_from_its_own_end),
      RUN(created_records_are_matched_by_trace_or_key),
      RUN(a_key_that_is_there_already_is_told_from_other_clashes),
      RUN(the_end_that_is_gone_is_told),
      RUN(a_portal_without_our_key_names_no_culprit_and_is_not_halved),
      RUN(a_property_of_ours_that_is_gone_is_known_by_name),
      RUN(currencies_and_rules_of_the_portal_have_a_code_of_their_own))
