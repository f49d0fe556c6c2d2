/* SPDX-License-Identifier: UNLICENSED */
/*
 * Refused and broken batches: culprits, survivors, splits.
 */
#include "fix.h"

TEST(what_is_certainly_not_done_is_retried_with_its_reason)
{
    static const struct {
        int status;
        const char *want;
    } rows[] = {
        {401, "RR"}, {403, "RR"}, {408, "RR"}, {423, "RR"}, {429, "RR"},
        {477, "RR"}, {503, "RR"}, {521, "RR"}, {523, "RR"}, {525, "RR"},
        {526, "RR"}, {302, "RR"}, {500, "UU"}, {502, "UU"}, {504, "UU"},
        {520, "UU"}, {522, "UU"}, {524, "UU"},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct fix x;

        fix_init(&x, HUBSPOT_UPSERT, MAP_INVOICES, 2);
        EQ_STR(fix_answer(&x, rows[i].status, "{}"), rows[i].want);
        EQ_ERR(x.decoded.results[1].fault.err, x.decoded.reply.meta.fault.err);
        EQ_INT(x.decoded.results[1].fault.http_status, rows[i].status);
        fix_fini(&x);
    }
}

TEST(a_broken_transfer_is_unknown_when_it_may_have_been_sent)
{
    struct fix x;

    fix_init(&x, HUBSPOT_UPSERT, MAP_INVOICES, 2);
    EQ_STR(fix_broken(&x, ERR_TIMEOUT, true), "UU");
    EQ_ERR(x.decoded.results[0].fault.err, ERR_UNKNOWN);
    EQ_STR(fix_broken(&x, ERR_CONNECT, false), "RR");
    EQ_ERR(x.decoded.results[0].fault.err, ERR_CONNECT);
    fix_fini(&x);
    fix_init(&x, HUBSPOT_READ, MAP_INVOICES, 2);
    EQ_STR(fix_broken(&x, ERR_RESET, true), "RR");
    EQ_ERR(x.decoded.results[0].fault.err, ERR_RESET);
    fix_fini(&x);
}

struct row {
    const char *name;
    enum hubspot_verb verb;
    int status;
    const char *body;
    const char *want;
};

static const struct row rows[] = {
    {"duplicates in the context", HUBSPOT_UPDATE, 400,
     "{\"status\":\"error\",\"category\":\"VALIDATION_ERROR\",\"message\":"
     "\"Duplicate IDs found in batch input: [101]. IDs must be unique\","
     "\"context\":{\"ids\":[\"101\"]}}",
     "RXR"},
    {"duplicates in the words", HUBSPOT_UPSERT, 400,
     "{\"message\":\"Duplicate IDs found in batch input: [k0, k2]. IDs must "
     "be unique\"}",
     "XRX"},
    {"trace ids", HUBSPOT_UPSERT, 400,
     "{\"message\":\"bad\",\"errors\":[{\"message\":\"x\",\"context\":"
     "{\"objectWriteTraceId\":[\"t-2\"]}}]}",
     "RRX"},
    {"a clash names the record", HUBSPOT_UPDATE, 400,
     "{\"category\":\"VALIDATION_ERROR\",\"message\":\"Cannot set "
     "PropertyValueCoordinates{portalId=1, objectTypeId=ObjectTypeId{"
     "legacyObjectType=CONTACT}, propertyName=email, value=x} on 101. 777 "
     "already has that value.\"}",
     "RXR"},
    {"a clash names the value", HUBSPOT_UPSERT, 400,
     "{\"category\":\"VALIDATION_ERROR\",\"message\":\"Cannot set "
     "PropertyValueCoordinates{portalId=1, objectTypeId=ObjectTypeId{"
     "legacyObjectType=CONTACT}, propertyName=name, value=N2} on 5. 777 "
     "already has that value.\"}",
     "RRX"},
    {"a clash of nobody here", HUBSPOT_UPSERT, 400,
     "{\"message\":\"Cannot set PropertyValueCoordinates{propertyName=email, "
     "value=q} on 5. 777 already has that value.\"}",
     "RRR+"},
    {"the first conflict only, unnamed", HUBSPOT_UPSERT, 409,
     "{\"status\":\"error\",\"message\":\"Contact already exists. Existing ID: "
     "6001\",\"category\":\"CONFLICT\"}",
     "RRR+"},
    {"a property that does not exist", HUBSPOT_UPSERT, 400,
     "{\"message\":\"Property values were not valid: []\",\"errors\":[{"
     "\"message\":\"Property \\\"name\\\" does not exist\",\"code\":"
     "\"PROPERTY_DOESNT_EXIST\",\"context\":{\"propertyName\":[\"name\"]}}],"
     "\"category\":\"VALIDATION_ERROR\"}",
     "XXX"},
    {"no option", HUBSPOT_UPSERT, 400,
     "{\"errors\":[{\"message\":\"N1 was not one of the allowed options: "
     "[A]\",\"code\":\"INVALID_OPTION\",\"context\":{\"propertyName\":"
     "[\"name\"]}}],\"category\":\"VALIDATION_ERROR\"}",
     "RXR"},
    {"a value of many", HUBSPOT_UPSERT, 400,
     "{\"errors\":[{\"message\":\"bad\",\"code\":\"INVALID_DATE\",\"context\":"
     "{\"propertyName\":[\"name\"]}}],\"category\":\"VALIDATION_ERROR\"}",
     "RRR+"},
    {"a value that the words say", HUBSPOT_UPSERT, 400,
     "{\"errors\":[{\"message\":\"N1 is not one of the account's "
     "currencies\",\"code\":\"INVALID_OPTION\",\"context\":"
     "{\"propertyName\":[\"name\"]}}],\"category\":\"VALIDATION_ERROR\"}",
     "RXR"},
    {"a value that another record might have", HUBSPOT_UPSERT, 400,
     "{\"errors\":[{\"message\":\"cannot change from N0 to N1\",\"code\":"
     "\"INVALID_STATUS_TRANSITION\",\"context\":{\"propertyName\":[\"name\"]}}],"
     "\"category\":\"VALIDATION_ERROR\"}",
     "RRR+"},
    {"a value inside another word", HUBSPOT_UPSERT, 400,
     "{\"errors\":[{\"message\":\"N11 is not one of them\",\"code\":"
     "\"INVALID_OPTION\",\"context\":{\"propertyName\":[\"name\"]}}],"
     "\"category\":\"VALIDATION_ERROR\"}",
     "RRR+"},
    {"a value among the options", HUBSPOT_UPSERT, 400,
     "{\"errors\":[{\"message\":\"X was not one of the allowed options: [N0, "
     "N1]\",\"code\":\"INVALID_OPTION\",\"context\":{\"propertyName\":"
     "[\"name\"]}}],\"category\":\"VALIDATION_ERROR\"}",
     "RRR+"},
    {"a value of one", HUBSPOT_UPSERT, 400,
     "{\"errors\":[{\"message\":\"bad\",\"code\":\"INVALID_DATE\",\"context\":"
     "{\"propertyName\":[\"only\"]}}],\"category\":\"VALIDATION_ERROR\"}",
     "XRR"},
    {"a value that is required", HUBSPOT_UPSERT, 400,
     "{\"errors\":[{\"message\":\"bad\",\"code\":\"MISSING_REQUIRED_PROPERTY\","
     "\"context\":{\"propertyName\":[\"only\"]}}]}",
     "RRR+"},
    {"ids of pairs", HUBSPOT_ASSOCIATE, 400,
     "{\"message\":\"bad\",\"context\":{\"id\":[\"902\"]}}", "RRX"},
    {"html", HUBSPOT_UPSERT, 400, "<html>", "RRR+"},
    {"empty", HUBSPOT_UPSERT, 400, "", "RRR+"},
    {"nulls", HUBSPOT_UPSERT, 409,
     "{\"message\":null,\"errors\":null,\"context\":null}", "RRR+"},
    {"wrong types", HUBSPOT_UPSERT, 400,
     "{\"message\":{},\"errors\":[1,null,{\"context\":[]}],\"context\":"
     "\"x\",\"category\":[]}",
     "RRR+"},
    {"413", HUBSPOT_UPSERT, 413, "{}", "RRR+"},
    {"422", HUBSPOT_UPSERT, 422, "{}", "RRR+"},
    {"404", HUBSPOT_UPSERT, 404, "{}", "RRR+"},
    {"reads too", HUBSPOT_READ, 400, "{}", "RRR+"},
};

TEST(culprits_are_taken_from_the_body)
{
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct fix x;
        const char *got;

        fix_init(&x, rows[i].verb, MAP_INVOICES, 3);
        if (rows[i].verb == HUBSPOT_UPSERT) {
            x.inputs[0].properties = "{\"name\":\"N0\",\"only\":\"me\"}";
        }
        got = fix_answer(&x, rows[i].status, rows[i].body);
        ck_assert_msg(strcmp(got, rows[i].want) == 0, "%s: %s, not %s",
                      rows[i].name, got, rows[i].want);
        fix_fini(&x);
    }
}

TEST(one_input_alone_is_its_own_culprit)
{
    struct fix x;

    fix_init(&x, HUBSPOT_UPSERT, MAP_CONTACTS, 1);
    EQ_STR(fix_answer(&x, 409,
                      "{\"message\":\"Contact already exists. Existing ID: "
                      "6001\",\"category\":\"CONFLICT\",\"correlationId\":"
                      "\"c-1\"}"),
           "X");
    EQ_ERR(x.decoded.results[0].fault.err, ERR_CONFLICT);
    EQ_STR(x.decoded.results[0].existing_id, "6001");
    EQ_STR(x.decoded.results[0].fault.correlation, "c-1");
    EQ_INT(x.decoded.results[0].fault.http_status, 409);
    EQ_STR(fix_answer(&x, 400, "<html>"), "X");
    EQ_ERR(x.decoded.results[0].fault.err, ERR_REFUSED);
    EQ_PTR(x.decoded.results[0].existing_id, NULL);
    fix_fini(&x);
}

TEST(a_404_of_one_is_absence_only_when_it_says_so)
{
    struct fix x;

    fix_init(&x, HUBSPOT_UPDATE, MAP_INVOICES, 1);
    EQ_STR(fix_answer(&x, 404, "{\"category\":\"OBJECT_NOT_FOUND\"}"), "A");
    EQ_STR(fix_answer(&x, 404, "<html>no such page</html>"), "X");
    fix_fini(&x);
}

TEST(culprits_keep_their_own_reason)
{
    struct fix x;

    fix_init(&x, HUBSPOT_UPSERT, MAP_INVOICES, 3);
    EQ_STR(fix_answer(&x, 400,
                      "{\"message\":\"several\",\"category\":"
                      "\"VALIDATION_ERROR\",\"errors\":[{\"message\":\"first\","
                      "\"code\":\"A_B\",\"context\":{\"objectWriteTraceId\":"
                      "[\"t-0\"]}},{\"message\":\"second\",\"code\":\"C_D\","
                      "\"context\":{\"objectWriteTraceId\":[\"t-2\"]}}]}"),
           "XRX");
    EQ_STR(x.decoded.results[0].fault.message, "first");
    EQ_STR(x.decoded.results[0].fault.code, "A_B");
    EQ_STR(x.decoded.results[2].fault.message, "second");
    EQ_STR(x.decoded.results[2].fault.code, "C_D");
    EQ_STR(x.decoded.results[1].fault.code, "VALIDATION_ERROR");
    fix_fini(&x);
}

SUITE(refused, RUN(what_is_certainly_not_done_is_retried_with_its_reason),
      RUN(a_broken_transfer_is_unknown_when_it_may_have_been_sent),
      RUN(culprits_are_taken_from_the_body),
      RUN(one_input_alone_is_its_own_culprit),
      RUN(a_404_of_one_is_absence_only_when_it_says_so),
      RUN(culprits_keep_their_own_reason))
