/* SPDX-License-Identifier: UNLICENSED */
/*
 * The provisioning machine, call by call, against the made-up portal of
 * portal.h.
 */
#include "portal.h"

#include "ml/jsonx.h"

struct run {
    struct portal portal;
    struct hubspot_provision *p;
    struct fault f;
};

static void
run_init(struct run *r, bool dry_run)
{
    memset(r, 0, sizeof(*r));
    portal_init(&r->portal);
    r->p = hubspot_provision_new("2026-03", dry_run);
}

static void
run_fini(struct run *r)
{
    hubspot_provision_free(r->p);
    portal_fini(&r->portal);
}

TEST(a_fresh_portal_costs_25_calls)
{
    const struct hubspot_provision_report *report;
    struct run r;
    size_t n;

    (void)map_properties(&n);
    run_init(&r, false);
    OK(portal_run(r.p, &r.portal, &r.f));
    report = hubspot_provision_report(r.p);
    EQ_UINT(r.portal.n, 5 + 5 + 5 + 1 + 9);
    EQ_UINT(portal_calls(&r.portal, ".create_properties"), 5);
    EQ_UINT(portal_calls(&r.portal, ".create_group"), 5);
    EQ_UINT(portal_calls(&r.portal, ".labels"), 9);
    EQ_UINT(report->created, n);
    EQ_UINT(report->existed, 0);
    EQ_UINT(report->missing, 0);
    HAS(report->text, "invoices: 0 of our properties existed, 7 created, 0 "
                      "missing\n");
    EQ_UINT(json_array_size(report->lines), MAP_OBJECTS);
    IS(r.portal.waits[15] > 0); /* the confirming read */
    run_fini(&r);
}

TEST(a_finished_portal_costs_14_reads)
{
    const struct hubspot_provision_report *report;
    struct run r;

    run_init(&r, false);
    portal_fill(&r.portal);
    OK(portal_run(r.p, &r.portal, &r.f));
    report = hubspot_provision_report(r.p);
    EQ_UINT(r.portal.n, 14);
    EQ_UINT(report->created, 0);
    EQ_UINT(report->missing, 0);
    IS(report->existed > 0);
    NOT(r.portal.created);
    run_fini(&r);
}

TEST(one_missing_property_needs_no_group)
{
    struct run r;

    run_init(&r, false);
    portal_fill(&r.portal);
    portal_drop(&r.portal, MAP_INVOICES, "fusion_status");
    OK(portal_run(r.p, &r.portal, &r.f));
    EQ_UINT(r.portal.n, 16);
    EQ_UINT(portal_calls(&r.portal, "group"), 0);
    EQ_UINT(portal_calls(&r.portal, "invoices.create_properties"), 1);
    EQ_UINT(hubspot_provision_report(r.p)->created, 1);
    run_fini(&r);
}

TEST(a_group_that_exists_is_fine)
{
    struct run r;

    run_init(&r, false);
    for (int o = 0; o < MAP_OBJECTS; o++) {
        r.portal.group[o] = true;
    }
    OK(portal_run(r.p, &r.portal, &r.f));
    run_fini(&r);
}

TEST(a_dry_run_writes_nothing_and_tells_what_is_missing)
{
    struct run r;

    run_init(&r, true);
    portal_fill(&r.portal);
    portal_drop(&r.portal, MAP_CONTACTS, "fusion_party_id");
    OK(portal_run(r.p, &r.portal, &r.f));
    EQ_UINT(r.portal.n, 14);
    NOT(r.portal.created);
    EQ_UINT(hubspot_provision_report(r.p)->missing, 1);
    HAS(hubspot_provision_report(r.p)->text, "contacts: 1 of our properties "
                                             "existed, 0 created, 1 missing");
    run_fini(&r);
}

TEST(a_dry_run_names_each_missing_property)
{
    const struct hubspot_provision_report *report;
    char names[1024];
    struct run r;

    run_init(&r, true);
    portal_fill(&r.portal);
    portal_drop(&r.portal, MAP_INVOICES, "fusion_balance_due");
    portal_drop(&r.portal, MAP_INVOICES, "fusion_status");
    portal_drop(&r.portal, MAP_PAYMENTS, "fusion_receipt_id");
    OK(portal_run(r.p, &r.portal, &r.f));
    report = hubspot_provision_report(r.p);
    HAS(report->text, "\ninvoices: missing fusion_status, "
                      "fusion_balance_due\n");
    HAS(report->text, "\ncommerce_payments: missing fusion_receipt_id\n");
    EQ_PTR(strstr(report->text, "contacts: missing"), NULL);
    EQ_PTR(strstr(report->text, ": created"), NULL);
    EQ_STR(line_names(report_line(report, "invoices", NULL), "missing", names),
           "fusion_status fusion_balance_due ");
    EQ_STR(line_names(report_line(report, "invoices", NULL), "created", names),
           "");
    EQ_STR(line_names(report_line(report, "contacts", NULL), "missing", names),
           "");
    run_fini(&r);
}

TEST(what_was_created_is_named)
{
    const struct hubspot_provision_report *report;
    char names[1024];
    struct run r;

    run_init(&r, false);
    portal_fill(&r.portal);
    portal_drop(&r.portal, MAP_INVOICES, "fusion_balance_due");
    portal_drop(&r.portal, MAP_INVOICES, "fusion_status");
    OK(portal_run(r.p, &r.portal, &r.f));
    report = hubspot_provision_report(r.p);
    HAS(report->text, "\ninvoices: created fusion_status, "
                      "fusion_balance_due\n");
    EQ_PTR(strstr(report->text, ": missing"), NULL);
    EQ_STR(line_names(report_line(report, "invoices", NULL), "created", names),
           "fusion_status fusion_balance_due ");
    EQ_STR(line_names(report_line(report, "invoices", NULL), "missing", names),
           "");
    run_fini(&r);
}

TEST(what_is_not_listed_yet_is_read_again_after_a_longer_wait)
{
    struct run r;

    run_init(&r, false);
    portal_fill(&r.portal);
    portal_drop(&r.portal, MAP_PAYMENTS, "fusion_receipt_id");
    r.portal.hidden = 3;
    OK(portal_run(r.p, &r.portal, &r.f));
    EQ_UINT(portal_calls(&r.portal, "commerce_payments.properties"), 1 + 4);
    EQ_INT(r.portal.waits[6], 750);
    EQ_INT(r.portal.waits[7], 1500);
    EQ_INT(r.portal.waits[8], 3000);
    run_fini(&r);
}

TEST(what_never_shows_up_ends_it)
{
    struct run r;

    run_init(&r, false);
    r.portal.hidden = 1000;
    EQ_ERR(portal_run(r.p, &r.portal, &r.f), ERR_CONFIG);
    HAS(r.f.message, "does not list the properties of");
    run_fini(&r);
}

TEST(a_batch_that_exists_already_is_read_again)
{
    struct run r;

    run_init(&r, false);
    r.portal.conflict_whole = true;
    OK(portal_run(r.p, &r.portal, &r.f));
    EQ_UINT(portal_calls(&r.portal, "companies.properties"), 2);
    EQ_UINT(hubspot_provision_report(r.p)->missing, 0);
    run_fini(&r);
}

TEST(a_property_of_another_type_stands_in_the_way)
{
    struct run r;

    run_init(&r, false);
    portal_fill(&r.portal);
    (void)json_object_set_new(
        portal_property(&r.portal, MAP_INVOICES, "fusion_balance_due"), "type",
        json_string("string"));
    EQ_ERR(portal_run(r.p, &r.portal, &r.f), ERR_CONFIG);
    HAS(r.f.message, "fusion_balance_due of invoices has the type string "
                     "instead of number");
    HAS(r.f.message, "rename or delete it");
    EQ_UINT(r.portal.n, 5);
    run_fini(&r);
}

TEST(a_key_that_is_not_unique_stands_in_the_way)
{
    struct run r;

    run_init(&r, false);
    portal_fill(&r.portal);
    (void)json_object_set_new(
        portal_property(&r.portal, MAP_LINE_ITEMS, "fusion_line_id"),
        "hasUniqueValue", json_false());
    EQ_ERR(portal_run(r.p, &r.portal, &r.f), ERR_CONFIG);
    HAS(r.f.message, "fusion_line_id of line_items does not require unique");
    NOT(r.portal.created);
    run_fini(&r);
}

TEST(all_conflicts_are_told_at_once)
{
    struct run r;

    run_init(&r, false);
    portal_fill(&r.portal);
    (void)json_object_set_new(
        portal_property(&r.portal, MAP_COMPANIES, "fusion_account_number"),
        "hasUniqueValue", json_false());
    (void)json_object_set_new(
        portal_property(&r.portal, MAP_PAYMENTS, "fusion_receipt_id"),
        "calculated", json_true());
    EQ_ERR(portal_run(r.p, &r.portal, &r.f), ERR_CONFIG);
    HAS(hubspot_provision_report(r.p)->text, "companies fusion_account_number");
    HAS(hubspot_provision_report(r.p)->text,
        "fusion_receipt_id of commerce_payments is calculated or read-only");
    run_fini(&r);
}

TEST(read_only_and_absent_properties_of_hubspot_are_findings)
{
    const struct hubspot_provision_report *report;
    struct run r;

    run_init(&r, true);
    portal_fill(&r.portal);
    (void)json_object_set_new(
        portal_property(&r.portal, MAP_INVOICES, "hs_amount_billed"),
        "modificationMetadata", json_pack("{s:b}", "readOnlyValue", 1));
    portal_drop(&r.portal, MAP_COMPANIES, "industry");
    OK(portal_run(r.p, &r.portal, &r.f));
    report = hubspot_provision_report(r.p);
    HAS(report->text, "invoices hs_amount_billed: ");
    HAS(report->text, "companies industry: ");
    EQ_STR(jsonx_text(report_line(report, "invoices", "hs_amount_billed"),
                      "finding"),
           "read_only");
    EQ_STR(jsonx_text(report_line(report, "companies", "industry"), "finding"),
           "absent");
    run_fini(&r);
}

TEST(calculated_properties_of_hubspot_that_may_be_written_are_fine)
{
    struct run r;

    run_init(&r, true);
    portal_fill(&r.portal);
    (void)json_object_set_new(
        portal_property(&r.portal, MAP_INVOICES, "hs_amount_billed"),
        "calculated", json_true());
    (void)json_object_del(portal_property(&r.portal, MAP_COMPANIES, "industry"),
                          "modificationMetadata");
    OK(portal_run(r.p, &r.portal, &r.f));
    EQ_UINT(json_array_size(hubspot_provision_report(r.p)->lines), MAP_OBJECTS);
    EQ_PTR(strstr(hubspot_provision_report(r.p)->text, "read-only"), NULL);
    run_fini(&r);
}

TEST(another_association_type_ends_it)
{
    struct run r;

    run_init(&r, false);
    portal_fill(&r.portal);
    r.portal.broken_type = 541;
    EQ_ERR(portal_run(r.p, &r.portal, &r.f), ERR_CONFIG);
    HAS(r.f.message, "association type 541 from invoices to "
                     "commerce_payments");
    run_fini(&r);
}

TEST(a_missing_scope_ends_it_and_is_named)
{
    struct run r;

    run_init(&r, false);
    r.portal.status = 403;
    r.portal.body = "{\"message\":\"no\",\"category\":\"MISSING_SCOPES\","
                    "\"context\":{\"requiredGranularScopes\":"
                    "[\"crm.schemas.companies.read\"]}}";
    EQ_ERR(portal_run(r.p, &r.portal, &r.f), ERR_FORBIDDEN);
    HAS(r.f.message, "crm.schemas.companies.read");
    HAS(hubspot_provision_report(r.p)->text, "crm.schemas.companies.read");
    run_fini(&r);
}

TEST(every_call_may_fail_for_a_while_and_is_asked_again)
{
    static const struct {
        int status;
        enum err get, post;
    } rows[] = {{429, ERR_THROTTLED, ERR_THROTTLED},
                {502, ERR_UNAVAILABLE, ERR_UNAVAILABLE},
                {504, ERR_UNAVAILABLE, ERR_UNKNOWN},
                {401, ERR_CREDENTIALS, ERR_CREDENTIALS},
                {477, ERR_MAINTENANCE, ERR_MAINTENANCE}};
    struct run r;
    struct hubspot_call c;
    enum err err = ERR_OK;
    int64_t wait_ms;
    size_t turns = 0;

    run_init(&r, false);
    while (hubspot_provision_next(r.p, &c, &wait_ms)) {
        char before[160];
        bool post = strcmp(c.method, "POST") == 0;

        (void)snprintf(before, sizeof(before), "%s", c.path);
        r.portal.n = 0;
        r.portal.status = rows[turns % COUNT_OF(rows)].status;
        r.portal.body = "";
        IS(portal_turn(r.p, &r.portal, &err, &r.f));
        EQ_ERR(err, post ? rows[turns % COUNT_OF(rows)].post :
                           rows[turns % COUNT_OF(rows)].get);
        IS(hubspot_provision_next(r.p, &c, &wait_ms));
        EQ_STR(c.path, before);
        IS(portal_turn(r.p, &r.portal, &err, &r.f));
        OK(err);
        turns++;
    }
    EQ_UINT(turns, 25);
    run_fini(&r);
}

TEST(a_created_property_may_have_been_created_although_the_answer_was_lost)
{
    struct run r;
    struct hubspot_call c;
    enum err err = ERR_OK;
    int64_t wait_ms;
    int status;
    json_t *lost;

    run_init(&r, false);
    portal_fill(&r.portal);
    portal_drop(&r.portal, MAP_INVOICES, "fusion_status");
    for (int i = 0; i < 5; i++) {
        IS(portal_turn(r.p, &r.portal, &err, &r.f));
    }
    IS(hubspot_provision_next(r.p, &c, &wait_ms));
    lost = portal_answer(&r.portal, &c, &status);
    json_decref(lost);
    r.portal.status = 207;
    r.portal.body =
        "{\"results\":[],\"errors\":[{\"category\":\"OBJECT_ALREADY_EXISTS\","
        "\"subCategory\":\"Properties.PROPERTY_WITH_NAME_EXISTS\",\"context\":"
        "{\"name\":[\"fusion_status\"]}}]}";
    OK(portal_run(r.p, &r.portal, &r.f));
    EQ_UINT(hubspot_provision_report(r.p)->created, 1);
    run_fini(&r);
}

TEST(a_property_hubspot_refuses_ends_it_with_its_words)
{
    struct run r;
    enum err err = ERR_OK;

    run_init(&r, false);
    portal_fill(&r.portal);
    portal_drop(&r.portal, MAP_INVOICES, "fusion_status");
    for (int i = 0; i < 5; i++) {
        IS(portal_turn(r.p, &r.portal, &err, &r.f));
    }
    r.portal.status = 207;
    r.portal.body = "{\"results\":[],\"errors\":[{\"category\":"
                    "\"VALIDATION_ERROR\",\"message\":\"too many properties\","
                    "\"context\":{\"name\":[\"fusion_status\"]}}]}";
    EQ_ERR(portal_run(r.p, &r.portal, &r.f), ERR_CONFIG);
    HAS(r.f.message, "too many properties");
    run_fini(&r);
}

TEST(a_request_hubspot_refuses_ends_it_with_its_words)
{
    struct run r;

    run_init(&r, false);
    r.portal.status = 404;
    r.portal.body = "{\"message\":\"Unable to infer object type\"}";
    EQ_ERR(portal_run(r.p, &r.portal, &r.f), ERR_CONFIG);
    HAS(r.f.message, "properties of companies");
    HAS(r.f.message, "Unable to infer object type");
    EQ_UINT(r.portal.n, 1);
    run_fini(&r);
}

TEST(what_exists_already_but_is_not_listed_is_asked_for_again)
{
    struct run r;
    enum err err = ERR_OK;

    run_init(&r, false);
    portal_fill(&r.portal);
    portal_drop(&r.portal, MAP_INVOICES, "fusion_status");
    for (int i = 0; i < 5; i++) {
        IS(portal_turn(r.p, &r.portal, &err, &r.f));
    }
    r.portal.status = 400;
    r.portal.body = "{\"category\":\"OBJECT_ALREADY_EXISTS\"}";
    OK(portal_run(r.p, &r.portal, &r.f));
    EQ_UINT(portal_calls(&r.portal, "invoices.create_properties"), 2);
    EQ_UINT(hubspot_provision_report(r.p)->created, 1);
    run_fini(&r);
}

TEST(what_appears_with_another_type_meanwhile_stands_in_the_way)
{
    struct run r;
    enum err err = ERR_OK;

    run_init(&r, false);
    portal_fill(&r.portal);
    portal_drop(&r.portal, MAP_INVOICES, "fusion_balance_due");
    for (int i = 0; i < 5; i++) {
        IS(portal_turn(r.p, &r.portal, &err, &r.f));
    }
    (void)json_array_append_new(r.portal.properties[MAP_INVOICES],
                                json_pack("{s:s,s:s}", "name",
                                          "fusion_balance_due", "type",
                                          "enumeration"));
    r.portal.status = 409;
    r.portal.body = "{}";
    EQ_ERR(portal_run(r.p, &r.portal, &r.f), ERR_CONFIG);
    HAS(r.f.message, "fusion_balance_due");
    run_fini(&r);
}

TEST(lists_of_odd_shape_change_nothing)
{
    static const char *const bodies[] = {"{}", "[]", "{\"results\":null}",
                                         "{\"results\":{}}"};
    struct run r;
    struct hubspot_call c;
    enum err err = ERR_OK;
    int64_t wait_ms;

    run_init(&r, false);
    for (size_t i = 0; i < COUNT_OF(bodies); i++) {
        r.portal.status = 200;
        r.portal.body = bodies[i];
        IS(portal_turn(r.p, &r.portal, &err, &r.f));
        EQ_ERR(err, ERR_PROMISE);
        IS(hubspot_provision_next(r.p, &c, &wait_ms));
        EQ_STR(c.path, "/crm/properties/2026-03/companies");
    }
    r.portal.status = 200;
    r.portal.body = "{\"results\":[1,null,{\"name\":[]},{\"name\":\"x\"}]}";
    IS(portal_turn(r.p, &r.portal, &err, &r.f));
    OK(err);
    run_fini(&r);
}

TEST(paths_of_v3_are_v3_and_v4)
{
    struct hubspot_provision *p = hubspot_provision_new("v3", false);
    struct hubspot_call c;
    int64_t wait_ms;

    memset(&c, 0xff, sizeof(c)); /* the whole call is filled in */
    IS(hubspot_provision_next(p, &c, &wait_ms));
    EQ_STR(c.path, "/crm/v3/properties/companies");
    EQ_STR(c.method, "GET");
    EQ_STR(c.operation, "companies.properties");
    EQ_PTR(c.body, NULL);
    NOT(c.with_token);
    hubspot_provision_free(p);
}

SUITE(
    provision, RUN(a_fresh_portal_costs_25_calls),
    RUN(a_finished_portal_costs_14_reads),
    RUN(one_missing_property_needs_no_group), RUN(a_group_that_exists_is_fine),
    RUN(a_dry_run_writes_nothing_and_tells_what_is_missing),
    RUN(a_dry_run_names_each_missing_property), RUN(what_was_created_is_named),
    RUN(what_is_not_listed_yet_is_read_again_after_a_longer_wait),
    RUN(what_never_shows_up_ends_it),
    RUN(a_batch_that_exists_already_is_read_again),
    RUN(a_property_of_another_type_stands_in_the_way),
    RUN(a_key_that_is_not_unique_stands_in_the_way),
    RUN(all_conflicts_are_told_at_once),
    RUN(read_only_and_absent_properties_of_hubspot_are_findings),
    RUN(calculated_properties_of_hubspot_that_may_be_written_are_fine),
    RUN(another_association_type_ends_it),
    RUN(a_missing_scope_ends_it_and_is_named),
    RUN(every_call_may_fail_for_a_while_and_is_asked_again),
    RUN(a_created_property_may_have_been_created_although_the_answer_was_lost),
    RUN(a_property_hubspot_refuses_ends_it_with_its_words),
    RUN(a_request_hubspot_refuses_ends_it_with_its_words),
    RUN(what_exists_already_but_is_not_listed_is_asked_for_again),
    RUN(what_appears_with_another_type_meanwhile_stands_in_the_way),
    RUN(lists_of_odd_shape_change_nothing), RUN(paths_of_v3_are_v3_and_v4))
