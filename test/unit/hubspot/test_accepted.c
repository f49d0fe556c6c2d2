/* SPDX-License-Identifier: UNLICENSED */
/*
 * Accepted batches: who was written, who was not, who is not spoken of.
 */
#include "ml/jsonx.h"
#include "fix.h"

#define DONE(k, id)                                                            \
    "{\"id\":\"" id "\",\"new\":true,\"objectWriteTraceId\":\"t-" k            \
    "\",\"properties\":{\"fusion_transaction_id\":\"k" k "\"}}"
#define BY_KEY(k, id)                                                          \
    "{\"id\":\"" id "\",\"properties\":{\"fusion_transaction_id\":\"" k "\"}}"
#define FAILED(context)                                                        \
    "{\"status\":\"error\",\"category\":\"VALIDATION_ERROR\",\"message\":"     \
    "\"bad\",\"context\":" context "}"
#define BODY(results, errors)                                                  \
    "{\"status\":\"COMPLETE\",\"results\":[" results "],\"errors\":[" errors   \
    "]}"

struct row {
    const char *name;
    int status;
    const char *body;
    const char *want;
};

static void
run_rows(const struct row *rows, size_t count, enum hubspot_verb verb,
         enum map_object o, size_t n)
{
    for (size_t i = 0; i < count; i++) {
        struct fix x;
        const char *got;

        fix_init(&x, verb, o, n);
        got = fix_answer(&x, rows[i].status, rows[i].body);
        ck_assert_msg(strcmp(got, rows[i].want) == 0, "%s: %s, not %s",
                      rows[i].name, got, rows[i].want);
        fix_fini(&x);
    }
}

TEST(upserts_are_matched_by_trace_or_key_never_by_place)
{
    static const struct row rows[] = {
        {"all", 200,
         BODY(DONE("0", "11") "," DONE("1", "12") "," DONE("2", "13"), ""),
         "WWW"},
        {"201", 201,
         BODY(DONE("0", "11") "," DONE("1", "12") "," DONE("2", "13"), ""),
         "WWW"},
        {"other order", 207, BODY(DONE("2", "13") "," DONE("0", "11"), ""),
         "WUW"},
        {"by key", 200, BODY(BY_KEY("k2", "13") "," BY_KEY("k0", "11"), ""),
         "WUW"},
        {"one bad by trace", 207,
         BODY(DONE("2", "13") "," DONE("0", "11"),
              FAILED("{\"objectWriteTraceId\":[\"t-1\"]}")),
         "WXW"},
        {"trace as text", 207,
         BODY(DONE("2", "13") "," DONE("0", "11"),
              FAILED("{\"objectWriteTraceId\":\"t-1\"}")),
         "WXW"},
        {"bad by id, as number too", 207,
         BODY(DONE("2", "13"), FAILED("{\"ids\":[\"k0\",17]}")), "XUW"},
        {"bad by single id", 207,
         BODY(DONE("2", "13"), FAILED("{\"id\":[\"k0\"]}")), "XUW"},
        {"two in one error", 207,
         BODY(DONE("2", "13"),
              FAILED("{\"objectWriteTraceId\":[\"t-0\",\"t-1\"]}")),
         "XXW"},
        {"error without context", 207,
         BODY(DONE("2", "13"), "{\"message\":\"no idea\"}"), "UUW"},
        {"trace of another request", 207,
         BODY(DONE("2", "13"),
              FAILED("{\"objectWriteTraceId\":[\"u-0\",\"t-9\",\"t-x\",\"t-\","
                     "\"t-00000\"]}")),
         "UUW"},
        {"silent failure", 200, BODY("", ""), "UUU"},
        {"nulls", 200, "{\"results\":null,\"errors\":null}", "UUU"},
        {"nothing", 200, "{}", "UUU"},
        {"wrong types", 200,
         "{\"results\":{\"id\":1},\"errors\":\"x\",\"status\":[]}", "UUU"},
        {"wrong elements", 207,
         BODY("7,null,[],{\"id\":{}},\"x\"", "7,null,[],\"x\""), "UUU"},
        {"no id in the result", 200,
         BODY("{\"objectWriteTraceId\":\"t-0\"},{\"id\":\"\","
              "\"objectWriteTraceId\":\"t-1\"}," DONE("2", "13"),
              ""),
         "UUW"},
        {"more than asked", 200,
         BODY(DONE("0", "11") "," DONE("1", "12") "," DONE("2", "13") "," DONE(
                  "3", "14") "," BY_KEY("zz", "15"),
              ""),
         "WWW"},
        {"said twice", 200,
         BODY(DONE("0", "11") "," DONE("0", "11") "," DONE("1", "12"), ""),
         "WWU"},
        {"two records for one", 200,
         BODY(DONE("0", "11") "," DONE("0", "99") "," DONE("1", "12"), ""),
         "UWU"},
        {"done and failed", 207,
         BODY(DONE("0", "11") "," DONE("1", "12"),
              FAILED("{\"objectWriteTraceId\":[\"t-0\"]}")),
         "UWU"},
        {"not complete", 202,
         "{\"status\":\"PENDING\",\"results\":[" DONE("0", "11") "]}", "WUU"},
        {"html", 200, "<html>", "UUU"},
        {"empty", 200, "", "UUU"},
        {"204", 204, "", "UUU"},
        {"cut off", 200, "{\"results\":[" DONE("0", "11") ",{\"id\":", "UUU"},
        {"locked one", 207,
         BODY(DONE("0", "11") "," DONE("2", "12"),
              "{\"category\":\"LOCKED\",\"context\":"
              "{\"objectWriteTraceId\":[\"t-1\"]}}"),
         "WRW"},
        {"server error of one", 207,
         BODY(DONE("0", "11") "," DONE("2", "12"),
              "{\"category\":\"INTERNAL_ERROR\",\"context\":"
              "{\"objectWriteTraceId\":[\"t-1\"]}}"),
         "WUW"},
    };

    run_rows(rows, COUNT_OF(rows), HUBSPOT_UPSERT, MAP_INVOICES, 3);
}

TEST(a_written_input_has_id_and_newness)
{
    struct fix x;

    fix_init(&x, HUBSPOT_UPSERT, MAP_INVOICES, 3);
    EQ_STR(fix_answer(&x, 200,
                      "{\"results\":[{\"id\":4711,\"new\":false,"
                      "\"objectWriteTraceId\":\"t-1\"}," DONE("0", "11") "]}"),
           "WWU");
    EQ_STR(x.decoded.results[0].id, "11");
    IS(x.decoded.results[0].created);
    EQ_STR(x.decoded.results[1].id, "4711");
    NOT(x.decoded.results[1].created);
    EQ_PTR(x.decoded.results[2].id, NULL);
    EQ_ERR(x.decoded.results[2].fault.err, ERR_UNKNOWN);
    EQ_ERR(x.decoded.reply.meta.fault.err, ERR_OK);
    fix_fini(&x);
}

TEST(a_conflict_names_who_holds_the_value)
{
    static const char *const errors[] = {
        "{\"category\":\"CONFLICT\",\"message\":\"Contact already exists. "
        "Existing ID: 171591000198\",\"context\":{\"objectWriteTraceId\":"
        "[\"t-0\"],\"existingId\":[\"171591000198\"]}}",
        "{\"category\":\"CONFLICT\",\"message\":\"Contact already exists. "
        "Existing ID: 171591000198\",\"context\":{\"objectWriteTraceId\":"
        "[\"t-0\"]}}",
        "{\"category\":\"VALIDATION_ERROR\",\"message\":\"Cannot set "
        "PropertyValueCoordinates{portalId=1, objectTypeId=ObjectTypeId{"
        "legacyObjectType=CONTACT}, propertyName=email, value=x} on 55. "
        "171591000198 already has that value.\",\"context\":"
        "{\"objectWriteTraceId\":[\"t-0\"]}}"};

    for (size_t i = 0; i < COUNT_OF(errors); i++) {
        char body[1024];
        struct fix x;

        (void)snprintf(body, sizeof(body), "{\"errors\":[%s]}", errors[i]);
        fix_init(&x, HUBSPOT_UPSERT, MAP_CONTACTS, 2);
        EQ_STR(fix_answer(&x, 207, body), "XU");
        EQ_ERR(x.decoded.results[0].fault.err, ERR_CONFLICT);
        EQ_STR(x.decoded.results[0].existing_id, "171591000198");
        EQ_PTR(x.decoded.results[1].existing_id, NULL);
        fix_fini(&x);
    }
}

TEST(a_refused_value_is_told_with_code_and_words)
{
    static const char nested[] =
        "{\"errors\":[{\"category\":\"VALIDATION_ERROR\",\"message\":"
        "\"Property values were not valid: []\",\"errors\":[{\"message\":"
        "\"ZZZ is not an active currency\",\"code\":\"INVALID_OPTION\"}],"
        "\"context\":{\"objectWriteTraceId\":[\"t-0\"]}}]}";
    static const char inside[] =
        "{\"errors\":[{\"category\":\"VALIDATION_ERROR\",\"message\":"
        "\"Property values were not valid: [{\\\"isValid\\\":false,"
        "\\\"error\\\":\\\"INVALID_DATE\\\",\\\"name\\\":\\\"d\\\"}]\","
        "\"context\":{\"objectWriteTraceId\":[\"t-0\"]}}]}";
    struct fix x;

    fix_init(&x, HUBSPOT_UPSERT, MAP_INVOICES, 1);
    EQ_STR(fix_answer(&x, 207, nested), "X");
    EQ_ERR(x.decoded.results[0].fault.err, ERR_REFUSED);
    EQ_STR(x.decoded.results[0].fault.code, "INVALID_OPTION");
    EQ_STR(x.decoded.results[0].fault.message, "ZZZ is not an active currency");
    EQ_INT(x.decoded.results[0].fault.http_status, 207);
    EQ_STR(fix_answer(&x, 207, inside), "X");
    EQ_STR(x.decoded.results[0].fault.code, "INVALID_DATE");
    fix_fini(&x);
}

TEST(one_input_alone_owns_an_error_that_names_nobody)
{
    struct fix x;

    fix_init(&x, HUBSPOT_UPSERT, MAP_CONTACTS, 1);
    EQ_STR(fix_answer(&x, 207,
                      "{\"results\":[],\"errors\":[{\"category\":\"CONFLICT\","
                      "\"message\":\"Contact already exists. Existing ID: "
                      "77\"}]}"),
           "X");
    EQ_STR(x.decoded.results[0].existing_id, "77");
    fix_fini(&x);
}

TEST(updates_are_matched_by_trace_or_id)
{
    static const struct row rows[] = {
        {"by id", 200, "{\"results\":[{\"id\":\"101\"},{\"id\":100}]}", "WWU"},
        {"unknown ids", 207,
         "{\"results\":[{\"id\":\"100\"}],\"errors\":[{\"category\":"
         "\"OBJECT_NOT_FOUND\",\"context\":{\"ids\":[\"101\",102]}}]}",
         "WAA"},
        {"ids in the words", 207,
         "{\"results\":[{\"id\":\"100\"}],\"errors\":[{\"category\":"
         "\"OBJECT_NOT_FOUND\",\"message\":\"no 101, and 1020 neither\"}]}",
         "WAU"},
        {"merged into another", 200,
         "{\"results\":[{\"id\":\"555\",\"objectWriteTraceId\":\"t-2\"}]}",
         "UUW"},
    };

    run_rows(rows, COUNT_OF(rows), HUBSPOT_UPDATE, MAP_INVOICES, 3);
}

TEST(reads_tell_found_from_absent)
{
    static const struct row rows[] = {
        {"all", 200,
         BODY(BY_KEY("k1", "12") "," BY_KEY("k0", "11") "," BY_KEY("k2", "13"),
              ""),
         "WWW"},
        {"some absent", 207,
         BODY(BY_KEY("k1", "12"),
              "{\"category\":\"OBJECT_NOT_FOUND\",\"message\":\"Could not get "
              "some objects\",\"context\":{\"ids\":[\"k0\",\"k2\"]}}"),
         "AWA"},
        {"absent without names", 207,
         BODY(BY_KEY("k1", "12"),
              "{\"category\":\"OBJECT_NOT_FOUND\",\"message\":\"Could not get "
              "some objects\"}"),
         "AWA"},
        {"not spoken of", 200, BODY(BY_KEY("k1", "12"), ""), "UWU"},
        {"server error", 502, "", "RRR"},
        {"html", 200, "<html>", "RRR"},
        {"empty", 200, "", "RRR"},
        {"throttled", 429, "{}", "RRR"},
        {"forbidden", 403, "{}", "RRR"},
    };

    run_rows(rows, COUNT_OF(rows), HUBSPOT_READ, MAP_INVOICES, 3);
}

TEST(a_read_lends_the_properties)
{
    struct fix x;

    fix_init(&x, HUBSPOT_READ, MAP_INVOICES, 1);
    EQ_STR(fix_answer(&x, 200, BODY(BY_KEY("k0", "12"), "")), "W");
    EQ_STR(x.decoded.results[0].id, "12");
    EQ_STR(json_string_value(json_object_get(x.decoded.results[0].properties,
                                             "fusion_transaction_id")),
           "k0");
    fix_fini(&x);
}

TEST(what_an_object_is_joined_to_is_lent_and_none_is_an_answer)
{
    const struct hubspot_result *r;
    struct fix x;

    fix_init(&x, HUBSPOT_JOINED, MAP_INVOICES, 4);
    x.inputs[0].to = NULL;
    EQ_STR(fix_answer(&x, 207,
                      "{\"results\":[{\"from\":{\"id\":\"101\"},\"to\":["
                      "{\"toObjectId\":7,\"associationTypes\":[{\"typeId\":179}"
                      "]}],\"paging\":{\"next\":{\"after\":\"500\"}}}],"
                      "\"errors\":[{\"category\":\"OBJECT_NOT_FOUND\","
                      "\"context\":{\"fromObjectId\":[\"100\"]}}]}"),
           "AWWW");
    r = x.decoded.results;
    EQ_STR(jsonx_text(json_array_get(r[1].joined, 0), "toObjectId"), "7");
    EQ_STR(r[1].after, "500");
    IS(r[2].joined == NULL && r[3].joined == NULL);
    fix_fini(&x);
    fix_init(&x, HUBSPOT_JOINED, MAP_INVOICES, 2);
    EQ_STR(fix_answer(&x, 200, "<html>"), "RR");
    fix_fini(&x);
    fix_init(&x, HUBSPOT_JOINED, MAP_INVOICES, 2);
    EQ_STR(fix_answer(&x, 502, ""), "RR");
    fix_fini(&x);
}

TEST(contacts_are_found_by_any_address_in_any_case)
{
    struct fix x;

    fix_init(&x, HUBSPOT_READ, MAP_CONTACTS, 3);
    x.batch.id_property = "email";
    x.inputs[0].id = "Anna@Example.COM";
    x.inputs[1].id = "b@example.com";
    x.inputs[2].id = "c@example.com";
    EQ_STR(fix_answer(&x, 207,
                      "{\"results\":[{\"id\":\"8\",\"properties\":{\"email\":"
                      "\"main@example.com\",\"hs_additional_emails\":"
                      "\"x@example.com;B@example.com\"}},{\"id\":\"9\","
                      "\"properties\":{\"email\":\"anna@example.com\"}}],"
                      "\"errors\":[{\"category\":\"OBJECT_NOT_FOUND\","
                      "\"context\":{\"ids\":[\"c@example.com\"]}}]}"),
           "WWA");
    EQ_STR(x.decoded.results[0].id, "9");
    EQ_STR(x.decoded.results[1].id, "8");
    fix_fini(&x);
}

TEST(merged_records_are_found_by_their_old_id)
{
    struct fix x;

    fix_init(&x, HUBSPOT_READ, MAP_COMPANIES, 2);
    x.batch.id_property = NULL;
    x.inputs[0].id = "10";
    x.inputs[1].id = "20";
    EQ_STR(fix_answer(&x, 200,
                      "{\"results\":[{\"id\":\"30\",\"properties\":"
                      "{\"hs_merged_object_ids\":\"5;20\"}},{\"id\":10}]}"),
           "WW");
    EQ_STR(x.decoded.results[1].id, "30");
    fix_fini(&x);
}

TEST(archives_are_done_unless_something_is_said)
{
    static const struct row rows[] = {
        {"204", 204, "", "WWW"},
        {"200 with a body", 200, "{\"status\":\"COMPLETE\"}", "WWW"},
        {"one is gone", 207,
         "{\"errors\":[{\"category\":\"OBJECT_NOT_FOUND\",\"context\":"
         "{\"ids\":[\"101\"]}}]}",
         "WAW"},
        {"about nobody", 207, "{\"errors\":[{\"message\":\"no\"}]}", "UUU"},
        {"html", 200, "<html>", "UUU"},
        {"empty though it promises a body", 200, "", "UUU"},
        {"cancelled", 200, "{\"status\":\"CANCELED\"}", "UUU"},
        {"server error", 500, "", "UUU"},
        {"not sent on", 503, "", "RRR"},
    };

    run_rows(rows, COUNT_OF(rows), HUBSPOT_ARCHIVE, MAP_LINE_ITEMS, 3);
    run_rows(rows, 1, HUBSPOT_DISSOCIATE, MAP_INVOICES, 3);
}

TEST(associations_are_matched_by_both_ends)
{
    static const struct row rows[] = {
        {"numbers, other order", 201,
         "{\"status\":\"COMPLETE\",\"results\":[{\"fromObjectTypeId\":\"0-53\","
         "\"fromObjectId\":102,\"toObjectTypeId\":\"0-2\",\"toObjectId\":902,"
         "\"labels\":[]},{\"fromObjectTypeId\":\"0-53\",\"fromObjectId\":100,"
         "\"toObjectTypeId\":\"0-2\",\"toObjectId\":900}]}",
         "WUW"},
        {"texts", 200,
         "{\"results\":[{\"fromObjectId\":\"101\",\"toObjectId\":\"901\"}]}",
         "UWU"},
        {"seen from the other end", 200,
         "{\"results\":[{\"fromObjectTypeId\":\"0-2\",\"fromObjectId\":901,"
         "\"toObjectTypeId\":\"0-53\",\"toObjectId\":101}]}",
         "UWU"},
        {"nested ends", 200,
         "{\"results\":[{\"from\":{\"id\":\"101\"},\"to\":{\"id\":\"901\"}}]}",
         "UWU"},
        {"crossed ends", 200,
         "{\"results\":[{\"fromObjectId\":100,\"toObjectId\":901}]}", "UUU"},
        {"bad id", 207,
         "{\"results\":[{\"fromObjectId\":100,\"toObjectId\":900},"
         "{\"fromObjectId\":102,\"toObjectId\":902}],\"errors\":[{"
         "\"category\":\"VALIDATION_ERROR\",\"subCategory\":"
         "\"crm.associations.INVALID_IDENTIFIER\",\"context\":{\"id\":"
         "[\"901\"]}}]}",
         "WXW"},
        {"without context, the words name it", 207,
         "{\"results\":[{\"fromObjectId\":100,\"toObjectId\":900}],\"errors\":"
         "[{\"message\":\"Object 101 cannot be associated to itself\"}]}",
         "WXU"},
        {"without context", 207,
         "{\"results\":[{\"fromObjectId\":100,\"toObjectId\":900}],\"errors\":"
         "[{\"message\":\"something\"}]}",
         "WUU"},
        {"empty", 204, "", "UUU"},
    };

    run_rows(rows, COUNT_OF(rows), HUBSPOT_ASSOCIATE, MAP_INVOICES, 3);
}

TEST(an_end_that_is_missing_is_told_as_missing)
{
    struct fix x;

    fix_init(&x, HUBSPOT_ASSOCIATE, MAP_INVOICES, 2);
    EQ_STR(fix_answer(&x, 207,
                      "{\"errors\":[{\"category\":\"VALIDATION_ERROR\","
                      "\"subCategory\":\"crm.associations.INVALID_IDENTIFIER\","
                      "\"context\":{\"id\":[\"100\"]}}]}"),
           "XU");
    EQ_ERR(x.decoded.results[0].fault.err, ERR_MISSING);
    fix_fini(&x);
}

/* As many reasons as inputs nobody speaks of: all are refused, and each finds
 * its own reason when it is sent by itself. */
TEST(refusals_that_name_nobody_are_sent_by_themselves)
{
    struct fix x;

    fix_init(&x, HUBSPOT_UPSERT, MAP_INVOICES, 3);
    EQ_STR(fix_answer(&x, 207,
                      "{\"results\":[{\"id\":\"8\",\"objectWriteTraceId\":"
                      "\"t-1\"}],\"errors\":[{\"message\":\"bad date\"},"
                      "{\"message\":\"bad option\"}]}"),
           "RWR");
    IS(x.decoded.results[0].alone);
    NOT(x.decoded.results[1].alone);
    IS(x.decoded.results[2].alone);
    EQ_STR(fix_answer(&x, 207,
                      "{\"results\":[{\"id\":\"8\",\"objectWriteTraceId\":"
                      "\"t-1\"}],\"errors\":[{\"message\":\"bad date\"}]}"),
           "UWU");
    NOT(x.decoded.results[0].alone);
    fix_fini(&x);
}

SUITE(accepted, RUN(upserts_are_matched_by_trace_or_key_never_by_place),
      RUN(a_written_input_has_id_and_newness),
      RUN(a_conflict_names_who_holds_the_value),
      RUN(a_refused_value_is_told_with_code_and_words),
      RUN(one_input_alone_owns_an_error_that_names_nobody),
      RUN(updates_are_matched_by_trace_or_id),
      RUN(reads_tell_found_from_absent), RUN(a_read_lends_the_properties),
      RUN(what_an_object_is_joined_to_is_lent_and_none_is_an_answer),
      RUN(contacts_are_found_by_any_address_in_any_case),
      RUN(merged_records_are_found_by_their_old_id),
      RUN(archives_are_done_unless_something_is_said),
      RUN(associations_are_matched_by_both_ends),
      RUN(an_end_that_is_missing_is_told_as_missing),
      RUN(refusals_that_name_nobody_are_sent_by_themselves))
