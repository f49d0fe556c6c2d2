/* SPDX-License-Identifier: UNLICENSED */
/*
 * Batches become paths and bodies.
 */
#include "fix.h"

#include "ml/jsonx.h"

static const char *
path_of(enum hubspot_verb verb, enum map_object o, const char *version)
{
    static char path[256];
    struct fix x;

    fix_init(&x, verb, o, 1);
    OK(hubspot_encode(version, &x.batch, "t", &x.request));
    (void)snprintf(path, sizeof(path), "%s", x.request.path);
    hubspot_request_fini(&x.request);
    return path;
}

TEST(paths_follow_the_api_version)
{
    static const struct {
        enum hubspot_verb verb;
        enum map_object object;
        const char *version, *path;
    } rows[] = {
        {HUBSPOT_UPSERT, MAP_INVOICES, "2026-03",
         "/crm/objects/2026-03/invoices/batch/upsert"},
        {HUBSPOT_UPSERT, MAP_INVOICES, "2026-09",
         "/crm/objects/2026-09/invoices/batch/upsert"},
        {HUBSPOT_UPSERT, MAP_PAYMENTS, "v3",
         "/crm/v3/objects/commerce_payments/batch/upsert"},
        {HUBSPOT_UPDATE, MAP_CONTACTS, "2026-03",
         "/crm/objects/2026-03/contacts/batch/update"},
        {HUBSPOT_READ, MAP_LINE_ITEMS, "2026-03",
         "/crm/objects/2026-03/line_items/batch/read"},
        {HUBSPOT_ARCHIVE, MAP_LINE_ITEMS, "v3",
         "/crm/v3/objects/line_items/batch/archive"},
        {HUBSPOT_ASSOCIATE, MAP_INVOICES, "2026-03",
         "/crm/associations/2026-03/invoices/companies/batch/create"},
        {HUBSPOT_ASSOCIATE, MAP_INVOICES, "v3",
         "/crm/v4/associations/invoices/companies/batch/create"},
        {HUBSPOT_JOINED, MAP_INVOICES, "2026-03",
         "/crm/associations/2026-03/invoices/companies/batch/read"},
        {HUBSPOT_JOINED, MAP_INVOICES, "v3",
         "/crm/v4/associations/invoices/companies/batch/read"},
        {HUBSPOT_DISSOCIATE, MAP_PAYMENTS, "2026-09",
         "/crm/associations/2026-09/commerce_payments/companies/batch/"
         "archive"},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        EQ_STR(path_of(rows[i].verb, rows[i].object, rows[i].version),
               rows[i].path);
    }
}

TEST(upsert_names_key_and_trace_in_every_input)
{
    struct fix x;

    fix_init(&x, HUBSPOT_UPSERT, MAP_INVOICES, 2);
    fix_encode(&x);
    EQ_STR(x.request.body.data,
           "{\"inputs\":[{\"id\":\"k0\",\"idProperty\":"
           "\"fusion_transaction_id\",\"objectWriteTraceId\":\"t-0\","
           "\"properties\":{\"fusion_transaction_id\":\"k0\",\"name\":\"N0\"}},"
           "{\"id\":\"k1\",\"idProperty\":\"fusion_transaction_id\","
           "\"objectWriteTraceId\":\"t-1\",\"properties\":"
           "{\"fusion_transaction_id\":\"k1\",\"name\":\"N1\"}}]}");
    fix_fini(&x);
}

TEST(update_names_no_id_property)
{
    struct fix x;

    fix_init(&x, HUBSPOT_UPDATE, MAP_INVOICES, 1);
    x.inputs[0].properties = "{\"hs_invoice_status\":\"open\"}";
    fix_encode(&x);
    EQ_STR(x.request.body.data,
           "{\"inputs\":[{\"id\":\"100\",\"objectWriteTraceId\":\"t-0\","
           "\"properties\":{\"hs_invoice_status\":\"open\"}}]}");
    fix_fini(&x);
}

TEST(read_asks_for_the_key_it_is_matched_with)
{
    static const char *const names[] = {"hs_number", NULL};
    struct fix x;

    fix_init(&x, HUBSPOT_READ, MAP_INVOICES, 1);
    x.batch.read = names;
    fix_encode(&x);
    EQ_STR(x.request.body.data,
           "{\"inputs\":[{\"id\":\"k0\"}],\"properties\":[\"hs_number\","
           "\"fusion_transaction_id\"],\"propertiesWithHistory\":[],"
           "\"idProperty\":\"fusion_transaction_id\"}");
    fix_fini(&x);
}

TEST(read_by_email_asks_for_the_other_addresses)
{
    static const char *const names[] = {"email", NULL};
    struct fix x;

    fix_init(&x, HUBSPOT_READ, MAP_CONTACTS, 1);
    x.batch.id_property = "email";
    x.batch.read = names;
    fix_encode(&x);
    HAS(x.request.body.data,
        "\"properties\":[\"email\",\"hs_additional_emails\"]");
    fix_fini(&x);
}

TEST(read_by_id_names_no_id_property)
{
    struct fix x;

    fix_init(&x, HUBSPOT_READ, MAP_INVOICES, 1);
    x.batch.id_property = NULL;
    fix_encode(&x);
    LACKS(x.request.body.data, "idProperty");
    HAS(x.request.body.data, "\"properties\":[]");
    fix_fini(&x);
}

TEST(archive_is_a_list_of_ids)
{
    struct fix x;

    fix_init(&x, HUBSPOT_ARCHIVE, MAP_LINE_ITEMS, 2);
    fix_encode(&x);
    EQ_STR(x.request.body.data,
           "{\"inputs\":[{\"id\":\"100\"},{\"id\":\"101\"}]}");
    fix_fini(&x);
}

TEST(associate_gives_every_type_of_the_table)
{
    struct fix x;

    fix_init(&x, HUBSPOT_ASSOCIATE, MAP_CONTACTS, 1);
    fix_encode(&x);
    EQ_STR(x.request.body.data,
           "{\"inputs\":[{\"from\":{\"id\":\"100\"},\"to\":{\"id\":\"900\"},"
           "\"types\":[{\"associationCategory\":\"HUBSPOT_DEFINED\","
           "\"associationTypeId\":279},{\"associationCategory\":"
           "\"HUBSPOT_DEFINED\",\"associationTypeId\":1}]}]}");
    fix_fini(&x);
}

TEST(dissociate_groups_by_the_first_end)
{
    struct fix x;

    fix_init(&x, HUBSPOT_DISSOCIATE, MAP_INVOICES, 3);
    x.inputs[2].id = x.inputs[0].id;
    fix_encode(&x);
    EQ_STR(x.request.body.data,
           "{\"inputs\":[{\"from\":{\"id\":\"100\"},\"to\":[{\"id\":\"900\"},"
           "{\"id\":\"902\"}]},{\"from\":{\"id\":\"101\"},\"to\":[{\"id\":"
           "\"901\"}]}]}");
    fix_fini(&x);
}

TEST(ids_are_escaped)
{
    struct fix x;

    fix_init(&x, HUBSPOT_UPSERT, MAP_COMPANIES, 1);
    x.inputs[0].id = "a\"b\\c";
    fix_encode(&x);
    HAS(x.request.body.data, "{\"id\":\"a\\\"b\\\\c\",");
    fix_fini(&x);
}

TEST(a_full_batch_has_distinct_trace_ids)
{
    struct fix x;
    json_t *root;
    struct map seen;
    struct fault f;

    fix_init(&x, HUBSPOT_UPSERT, MAP_LINE_ITEMS, 100);
    fix_encode(&x);
    OK(jsonx_parse(x.request.body.data, x.request.body.len, &root, &f));
    map_init(&seen);
    for (size_t i = 0; i < 100; i++) {
        const json_t *in = json_array_get(json_object_get(root, "inputs"), i);

        EQ_PTR(map_put(&seen, jsonx_text(in, "objectWriteTraceId"), &x), NULL);
    }
    EQ_UINT(seen.count, 100);
    map_fini(&seen);
    json_decref(root);
    fix_fini(&x);
}

TEST(a_body_past_its_ceiling_is_refused)
{
    enum { HUGE = 65 * 1024 * 1024 };
    char *text = mem_alloc(HUGE + 16);
    struct fix x;

    memset(text, 'a', HUGE);
    (void)memcpy(text, "{\"a\":\"", 6);
    (void)memcpy(text + HUGE, "\"}", 3);
    fix_init(&x, HUBSPOT_UPSERT, MAP_INVOICES, 1);
    x.inputs[0].properties = text;
    EQ_ERR(hubspot_encode("2026-03", &x.batch, "t", &x.request), ERR_FULL);
    mem_free(text);
}

TEST(associations_take_2000_and_objects_100)
{
    EQ_UINT(hubspot_batch_max(HUBSPOT_ASSOCIATE), 2000);
    EQ_UINT(hubspot_batch_max(HUBSPOT_DISSOCIATE), 100);
    EQ_UINT(hubspot_batch_max(HUBSPOT_UPSERT), 100);
    EQ_UINT(hubspot_batch_max(HUBSPOT_READ), 100);
    EQ_UINT(hubspot_batch_max(HUBSPOT_JOINED), 100);
    EQ_STR(hubspot_verb_name(HUBSPOT_UPSERT), "upsert");
    EQ_STR(hubspot_verb_name(HUBSPOT_DISSOCIATE), "dissociate");
}

DEATH(a_batch_of_101_aborts)
{
    struct fix x;

    fix_init(&x, HUBSPOT_UPSERT, MAP_INVOICES, 101);
    fix_encode(&x);
}

DEATH(a_pair_outside_the_table_aborts)
{
    struct fix x;

    fix_init(&x, HUBSPOT_ASSOCIATE, MAP_LINE_ITEMS, 1);
    fix_encode(&x);
}

TEST(properties_are_listed_where_the_api_version_keeps_them)
{
    static const struct {
        const char *version;
        enum map_object object;
        const char *path;
    } cases[] = {
        {"2026-03", MAP_INVOICES, "/crm/properties/2026-03/invoices"},
        {"2026-09", MAP_LINE_ITEMS, "/crm/properties/2026-09/line_items"},
        {"v3", MAP_PAYMENTS, "/crm/v3/properties/commerce_payments"},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct buf b;

        buf_init(&b, 256);
        hubspot_properties_path(&b, cases[i].version, cases[i].object);
        EQ_STR(buf_text(&b), cases[i].path);
        buf_fini(&b);
    }
}

SUITE(encode, RUN(paths_follow_the_api_version),
      RUN(properties_are_listed_where_the_api_version_keeps_them),
      RUN(upsert_names_key_and_trace_in_every_input),
      RUN(update_names_no_id_property),
      RUN(read_asks_for_the_key_it_is_matched_with),
      RUN(read_by_email_asks_for_the_other_addresses),
      RUN(read_by_id_names_no_id_property), RUN(archive_is_a_list_of_ids),
      RUN(associate_gives_every_type_of_the_table),
      RUN(dissociate_groups_by_the_first_end), RUN(ids_are_escaped),
      RUN(a_full_batch_has_distinct_trace_ids),
      RUN(a_body_past_its_ceiling_is_refused),
      RUN(associations_take_2000_and_objects_100), DIES(a_batch_of_101_aborts),
      DIES(a_pair_outside_the_table_aborts))
