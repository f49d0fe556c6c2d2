/* SPDX-License-Identifier: UNLICENSED */
/*
 * The whole of hubspot against the sandbox's HubSpot: a fresh portal is made
 * ready, the five objects are written, linked, moved, read and archived, and
 * each kind of refusal comes out as the outcome it is.
 */
#include "portal.h"

static const char *
send_batch(struct portal *p, enum hubspot_verb verb, enum map_object o,
           const struct hubspot_input *inputs, size_t n)
{
    struct hubspot_batch b = {
        .verb = verb, .object = o, .inputs = inputs, .n = n};

    return portal_send(p, &b);
}

static const char *
link_two(struct portal *p, enum hubspot_verb verb, enum map_object from,
         enum map_object to, const char *from_id, const char *to_id)
{
    struct hubspot_input in = {.id = from_id, .to = to_id};
    struct hubspot_batch b = {
        .verb = verb, .object = from, .to = to, .inputs = &in, .n = 1};

    return portal_send(p, &b);
}

static void
ready(struct portal *p, const char *api_version)
{
    struct fault f;
    size_t calls;
    enum err err;

    portal_open(p, api_version);
    err = portal_provision(p, api_version, false, &calls, &f);
    ck_assert_msg(err == ERR_OK, "%s", f.message);
}

/* One record of each object; gives their ids. */
static void
write_five(struct portal *p, char ids[MAP_OBJECTS][PORTAL_TEXT])
{
    static const struct {
        const char *key, *properties;
    } rows[MAP_OBJECTS] = {
        [MAP_COMPANIES] = {"A1", "{\"fusion_account_number\":\"A1\","
                                 "\"name\":\"Acme\"}"},
        [MAP_CONTACTS] = {"A1", "{\"fusion_account_number\":\"A1\","
                                "\"email\":\"Anna@Example.com\","
                                "\"lastname\":\"Sm\\u00eeth\"}"},
        [MAP_INVOICES] = {"300100", "{\"fusion_transaction_id\":\"300100\","
                                    "\"hs_currency\":\"USD\","
                                    "\"hs_invoice_billable\":\"false\","
                                    "\"fusion_balance_due\":\"100.10\"}"},
        [MAP_LINE_ITEMS] = {"1", "{\"fusion_line_id\":\"1\",\"name\":\"Line\","
                                 "\"quantity\":\"1\",\"price\":\"100.10\"}"},
        [MAP_PAYMENTS] = {"7:300100",
                          "{\"fusion_payment_key\":\"7:300100\","
                          "\"hs_initial_amount\":\"100.10\","
                          "\"hs_initiated_date\":\"2026-01-01T00:00:00Z\","
                          "\"hs_currency_code\":\"USD\","
                          "\"hs_latest_status\":\"succeeded\"}"},
    };

    for (int o = 0; o < MAP_OBJECTS; o++) {
        struct hubspot_input in = {.id = rows[o].key,
                                   .properties = rows[o].properties};

        ck_assert_msg(
            strcmp(send_batch(p, HUBSPOT_UPSERT, (enum map_object)o, &in, 1),
                   "W") == 0,
            "%s: %s", map_object_name((enum map_object)o),
            p->faults[0].message);
        IS(p->created[0]);
        IS(p->ids[0][0] != '\0');
        (void)snprintf(ids[o], PORTAL_TEXT, "%s", p->ids[0]);
        EQ_STR(send_batch(p, HUBSPOT_UPSERT, (enum map_object)o, &in, 1), "W");
        NOT(p->created[0]);
        EQ_STR(p->ids[0], ids[o]);
    }
}

TEST(a_fresh_portal_is_made_ready_once)
{
    struct portal p;
    struct fault f;
    size_t calls;

    portal_open(&p, "2026-03");
    portal_switch(&p, "property_lag_min_ms", 250);
    portal_switch(&p, "property_lag_max_ms", 400);
    OK(portal_provision(&p, "2026-03", true, &calls, &f));
    EQ_UINT(calls, 25);
    OK(portal_provision(&p, "2026-03", true, &calls, &f));
    EQ_UINT(calls, 14);
    portal_close(&p);
}

static void
write_link_move_read_archive(const char *api_version)
{
    static const char *const read[] = {"hs_invoice_status",
                                       "fusion_balance_due", NULL};
    char ids[MAP_OBJECTS][PORTAL_TEXT];
    struct portal p;
    struct hubspot_input in = {.id = NULL};
    struct hubspot_batch get = {.verb = HUBSPOT_READ,
                                .object = MAP_INVOICES,
                                .id_property = "fusion_transaction_id",
                                .read = read,
                                .inputs = &in,
                                .n = 1};
    size_t n;
    const struct map_association *pairs = map_associations(&n);

    ready(&p, api_version);
    write_five(&p, ids);
    for (size_t i = 0; i < n; i++) {
        for (int twice = 0; twice < 2; twice++) {
            EQ_STR(link_two(&p, HUBSPOT_ASSOCIATE, pairs[i].from, pairs[i].to,
                            ids[pairs[i].from], ids[pairs[i].to]),
                   "W");
        }
    }
    in.id = ids[MAP_INVOICES];
    in.properties = "{\"hs_invoice_status\":\"open\"}";
    EQ_STR(send_batch(&p, HUBSPOT_UPDATE, MAP_INVOICES, &in, 1), "W");
    in.id = "300100";
    EQ_STR(portal_send(&p, &get), "W");
    EQ_STR(p.ids[0], ids[MAP_INVOICES]);
    EQ_STR(jsonx_text(p.properties[0], "hs_invoice_status"), "open");
    EQ_STR(jsonx_text(p.properties[0], "fusion_balance_due"), "100.10");
    get.id_property = NULL;
    in.id = ids[MAP_INVOICES];
    EQ_STR(portal_send(&p, &get), "W");
    EQ_STR(link_two(&p, HUBSPOT_DISSOCIATE, MAP_INVOICES, MAP_COMPANIES,
                    ids[MAP_INVOICES], ids[MAP_COMPANIES]),
           "W");
    in.id = ids[MAP_LINE_ITEMS];
    EQ_STR(send_batch(&p, HUBSPOT_ARCHIVE, MAP_LINE_ITEMS, &in, 1), "W");
    get.object = MAP_LINE_ITEMS;
    EQ_STR(portal_send(&p, &get), "A");
    EQ_ERR(p.faults[0].err, ERR_MISSING);
    portal_close(&p);
}

TEST(records_are_written_linked_moved_read_and_archived_by_2026_03)
{
    write_link_move_read_archive("2026-03");
}

TEST(the_same_by_2026_09)
{
    write_link_move_read_archive("2026-09");
}

TEST(the_same_by_v3)
{
    write_link_move_read_archive("v3");
}

TEST(all_associations_of_the_table_arrive)
{
    char ids[MAP_OBJECTS][PORTAL_TEXT];
    size_t n;
    const struct map_association *pairs = map_associations(&n);
    const json_t *types;
    struct portal p;

    ready(&p, "2026-03");
    write_five(&p, ids);
    for (size_t i = 0; i < n; i++) {
        EQ_STR(link_two(&p, HUBSPOT_ASSOCIATE, pairs[i].from, pairs[i].to,
                        ids[pairs[i].from], ids[pairs[i].to]),
               "W");
    }
    types = json_object_get(
        portal_control(&p, "GET", "/control/hubspot/associations", NULL),
        "types");
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < 2 && pairs[i].types[k] != 0; k++) {
            char type[16];

            (void)snprintf(type, sizeof(type), "%u", pairs[i].types[k]);
            EQ_STR(jsonx_text(types, type), "1");
        }
    }
    portal_close(&p);
}

TEST(an_association_with_nobody_is_rejected_alone)
{
    char ids[MAP_OBJECTS][PORTAL_TEXT];
    struct hubspot_input in[2];
    struct hubspot_batch b = {.verb = HUBSPOT_ASSOCIATE,
                              .object = MAP_INVOICES,
                              .to = MAP_COMPANIES,
                              .inputs = in,
                              .n = 2};
    struct portal p;

    ready(&p, "2026-03");
    write_five(&p, ids);
    memset(in, 0, sizeof(in));
    in[0].id = ids[MAP_INVOICES];
    in[0].to = "999999";
    in[1].id = ids[MAP_INVOICES];
    in[1].to = ids[MAP_COMPANIES];
    EQ_STR(portal_send(&p, &b), "XW");
    EQ_ERR(p.faults[0].err, ERR_MISSING);
    portal_close(&p);
}

static void
three_invoices(struct hubspot_input in[3], const char *currency)
{
    static char texts[3][2][160];

    for (int i = 0; i < 3; i++) {
        (void)snprintf(texts[i][0], sizeof(texts[0][0]), "T%d", i);
        (void)snprintf(texts[i][1], sizeof(texts[0][1]),
                       "{\"fusion_transaction_id\":\"T%d\",\"hs_currency\":"
                       "\"%s\",\"hs_invoice_billable\":\"false\"}",
                       i, i == 1 ? currency : "USD");
        memset(&in[i], 0, sizeof(in[i]));
        in[i].id = texts[i][0];
        in[i].properties = texts[i][1];
    }
}

TEST(one_bad_input_does_not_hold_the_others)
{
    struct hubspot_input in[3];
    struct portal p;

    ready(&p, "2026-03");
    three_invoices(in, "ZZZ");
    EQ_STR(send_batch(&p, HUBSPOT_UPSERT, MAP_INVOICES, in, 3), "WXW");
    EQ_ERR(p.faults[1].err, ERR_REFUSED);
    IS(p.faults[1].code[0] != '\0');
    HAS(p.faults[1].message, "ZZZ");
    EQ_INT(p.meta.status, 207);
    portal_close(&p);
}

TEST(an_error_without_a_name_is_of_the_only_silent_input)
{
    struct hubspot_input in[3];
    struct portal p;

    ready(&p, "2026-03");
    portal_switch(&p, "error_context", 0);
    three_invoices(in, "ZZZ");
    EQ_STR(send_batch(&p, HUBSPOT_UPSERT, MAP_INVOICES, in, 3), "WRW");
    EQ_STR(send_batch(&p, HUBSPOT_UPSERT, MAP_INVOICES, &in[1], 1), "X");
    portal_close(&p);
}

TEST(results_left_out_are_unknown_and_found_by_reading)
{
    struct hubspot_input in[3];
    struct hubspot_batch get = {.verb = HUBSPOT_READ,
                                .object = MAP_INVOICES,
                                .id_property = "fusion_transaction_id",
                                .inputs = in,
                                .n = 3};
    struct portal p;

    ready(&p, "2026-03");
    portal_switch(&p, "lose_result_every", 3);
    three_invoices(in, "USD");
    (void)send_batch(&p, HUBSPOT_UPSERT, MAP_INVOICES, in, 3);
    IS(strchr(p.outcomes, 'U') != NULL);
    IS(strchr(p.outcomes, 'W') != NULL);
    portal_switch(&p, "lose_result_every", 0);
    EQ_STR(portal_send(&p, &get), "WWW");
    portal_close(&p);
}

TEST(a_lost_answer_is_unknown_and_found_by_reading)
{
    struct hubspot_input in[3];
    struct hubspot_batch get = {.verb = HUBSPOT_READ,
                                .object = MAP_INVOICES,
                                .id_property = "fusion_transaction_id",
                                .inputs = in,
                                .n = 3};
    struct portal p;

    ready(&p, "2026-03");
    three_invoices(in, "USD");
    EQ_STR(portal_send(&p, &get), "AAA");
    (void)portal_control(&p, "POST", "/control/faults",
                         "{\"server\":\"hubspot\",\"when\":\"after\","
                         "\"action\":\"reset\",\"next\":1}");
    EQ_STR(send_batch(&p, HUBSPOT_UPSERT, MAP_INVOICES, in, 3), "UUU");
    EQ_ERR(p.meta.fault.err, ERR_UNKNOWN);
    EQ_STR(portal_send(&p, &get), "WWW");
    portal_close(&p);
}

TEST(an_email_that_is_taken_names_its_contact_which_can_be_adopted)
{
    static const struct hubspot_input ours = {
        .id = "A9",
        .properties = "{\"fusion_account_number\":\"A9\",\"email\":"
                      "\"sales@example.com\",\"lastname\":\"S\"}"};
    struct hubspot_input in = {.id = "sales@Example.com"};
    struct hubspot_batch get = {.verb = HUBSPOT_READ,
                                .object = MAP_CONTACTS,
                                .id_property = "email",
                                .inputs = &in,
                                .n = 1};
    char theirs[PORTAL_TEXT];
    struct portal p;

    ready(&p, "2026-03");
    (void)portal_control(&p, "POST", "/control/hubspot/objects/contacts",
                         "{\"properties\":{\"email\":\"sales@example.com\"}}");
    EQ_STR(send_batch(&p, HUBSPOT_UPSERT, MAP_CONTACTS, &ours, 1), "X");
    EQ_ERR(p.faults[0].err, ERR_CONFLICT);
    IS(p.existing[0][0] != '\0');
    (void)snprintf(theirs, sizeof(theirs), "%s", p.existing[0]);
    EQ_STR(portal_send(&p, &get), "W");
    EQ_STR(p.ids[0], theirs);
    in.id = theirs;
    in.properties = "{\"fusion_account_number\":\"A9\"}";
    EQ_STR(send_batch(&p, HUBSPOT_UPDATE, MAP_CONTACTS, &in, 1), "W");
    EQ_STR(send_batch(&p, HUBSPOT_UPSERT, MAP_CONTACTS, &ours, 1), "W");
    EQ_STR(p.ids[0], theirs);
    NOT(p.created[0]);
    portal_close(&p);
}

TEST(a_status_move_that_is_refused_is_found_in_its_batch)
{
    char ids[MAP_OBJECTS][PORTAL_TEXT];
    struct hubspot_input in[3];
    struct portal p;
    char written[3][PORTAL_TEXT];

    ready(&p, "2026-03");
    write_five(&p, ids);
    EQ_STR(link_two(&p, HUBSPOT_ASSOCIATE, MAP_INVOICES, MAP_CONTACTS,
                    ids[MAP_INVOICES], ids[MAP_CONTACTS]),
           "W");
    EQ_STR(link_two(&p, HUBSPOT_ASSOCIATE, MAP_INVOICES, MAP_LINE_ITEMS,
                    ids[MAP_INVOICES], ids[MAP_LINE_ITEMS]),
           "W");
    three_invoices(in, "USD");
    EQ_STR(send_batch(&p, HUBSPOT_UPSERT, MAP_INVOICES, in, 3), "WWW");
    memcpy(written, p.ids, sizeof(written));
    in[0].id = written[0];
    in[0].properties = "{\"hs_invoice_status\":\"draft\"}";
    in[1].id = written[1]; /* has neither contact nor lines */
    in[1].properties = "{\"hs_invoice_status\":\"open\"}";
    in[2].id = ids[MAP_INVOICES];
    in[2].properties = "{\"hs_invoice_status\":\"open\"}";
    portal_switch(&p, "update_partial", 1);
    EQ_STR(send_batch(&p, HUBSPOT_UPDATE, MAP_INVOICES, in, 3), "WXW");
    portal_switch(&p, "update_partial", 0);
    EQ_STR(send_batch(&p, HUBSPOT_UPDATE, MAP_INVOICES, in, 3), "RRR+");
    EQ_INT(p.meta.status, 400);
    EQ_STR(send_batch(&p, HUBSPOT_UPDATE, MAP_INVOICES, &in[1], 1), "X");
    EQ_STR(send_batch(&p, HUBSPOT_UPDATE, MAP_INVOICES, &in[2], 1), "W");
    portal_close(&p);
}

TEST(updates_of_nobody_are_absent)
{
    struct hubspot_input in = {.id = "123456789",
                               .properties = "{\"name\":\"x\"}"};
    struct portal p;

    ready(&p, "2026-03");
    EQ_STR(send_batch(&p, HUBSPOT_UPDATE, MAP_COMPANIES, &in, 1), "A");
    portal_close(&p);
}

TEST(keys_that_come_twice_are_named)
{
    struct hubspot_input in[3];
    struct portal p;

    ready(&p, "2026-03");
    three_invoices(in, "USD");
    in[2] = in[0];
    EQ_STR(send_batch(&p, HUBSPOT_UPSERT, MAP_INVOICES, in, 3), "XRX");
    portal_close(&p);
}

TEST(throttling_is_told_with_policy_and_headers)
{
    struct hubspot_input in[3];
    struct portal p;
    size_t refused = 0;

    ready(&p, "2026-03");
    three_invoices(in, "USD");
    portal_switch(&p, "rate_limit", 5);
    portal_switch(&p, "rate_window_ms", 60000);
    portal_switch(&p, "rate_enforced", 1);
    portal_switch(&p, "retry_after", 2);
    for (int i = 0; i < 8; i++) {
        if (strcmp(send_batch(&p, HUBSPOT_UPSERT, MAP_INVOICES, in, 3),
                   "RRR") == 0) {
            refused++;
            EQ_INT(p.meta.status, 429);
            EQ_ERR(p.meta.fault.err, ERR_THROTTLED);
            EQ_STR(p.meta.fault.code, "TEN_SECONDLY_ROLLING");
            EQ_INT(p.meta.retry_after_us, 2000000);
            NOT(p.meta.daily);
        }
    }
    IS(refused >= 3);
    EQ_INT(p.meta.max, 5);
    EQ_INT(p.meta.interval_us, 60000000);
    portal_close(&p);
}

TEST(answers_prove_when_the_request_arrived)
{
    struct hubspot_input in[3];
    struct portal p;

    ready(&p, "2026-03");
    portal_switch(&p, "latency_us", 40000);
    three_invoices(in, "USD");
    EQ_STR(send_batch(&p, HUBSPOT_UPSERT, MAP_INVOICES, in, 3), "WWW");
    IS(p.meta.worked_from_us > 0);
    IS(p.meta.worked_to_us >= p.meta.worked_from_us);
    IS(p.meta.remaining >= 0);
    IS(p.meta.fault.correlation[0] != '\0');
    portal_close(&p);
}

TEST(a_missing_scope_stops_the_provisioning)
{
    char body[256];
    struct portal p;
    struct fault f;
    size_t calls;

    portal_open(&p, "2026-03");
    (void)snprintf(body, sizeof(body),
                   "{\"token\":\"%s\",\"without\":[\"crm.schemas.invoices."
                   "write\"]}",
                   sandbox.token);
    (void)portal_control(&p, "POST", "/control/hubspot/tokens", body);
    EQ_ERR(portal_provision(&p, "2026-03", false, &calls, &f), ERR_FORBIDDEN);
    HAS(f.message, "crm.schemas.invoices.write");
    (void)snprintf(body, sizeof(body), "{\"token\":\"%s\",\"all_scopes\":true}",
                   sandbox.token);
    (void)portal_control(&p, "POST", "/control/hubspot/tokens", body);
    OK(portal_provision(&p, "2026-03", false, &calls, &f));
    portal_close(&p);
}

TEST(a_token_without_two_scopes_is_told_which)
{
    char missing[HUBSPOT_SCOPES_TEXT];
    char body[256];
    struct portal p;

    portal_open(&p, "2026-03");
    EQ_UINT(
        hubspot_missing_scopes(portal_token_info(&p), missing, sizeof(missing)),
        0);
    OK(p.meta.fault.err);
    EQ_STR(missing, "");
    (void)snprintf(body, sizeof(body),
                   "{\"token\":\"%s\",\"without\":[\"e-commerce\","
                   "\"crm.objects.commercepayments.write\"]}",
                   sandbox.token);
    (void)portal_control(&p, "POST", "/control/hubspot/tokens", body);
    EQ_UINT(
        hubspot_missing_scopes(portal_token_info(&p), missing, sizeof(missing)),
        2);
    EQ_STR(missing, "e-commerce, crm.objects.commercepayments.write");
    (void)snprintf(body, sizeof(body), "{\"token\":\"%s\",\"all_scopes\":true}",
                   sandbox.token);
    (void)portal_control(&p, "POST", "/control/hubspot/tokens", body);
    EQ_UINT(
        hubspot_missing_scopes(portal_token_info(&p), missing, sizeof(missing)),
        0);
    portal_close(&p);
}

TEST(a_revoked_token_is_told)
{
    struct hubspot_input in[3];
    char body[256];
    struct portal p;

    ready(&p, "2026-03");
    three_invoices(in, "USD");
    (void)snprintf(body, sizeof(body),
                   "{\"token\":\"%s\",\"state\":\"revoked\"}", sandbox.token);
    (void)portal_control(&p, "POST", "/control/hubspot/tokens", body);
    EQ_STR(send_batch(&p, HUBSPOT_UPSERT, MAP_INVOICES, in, 3), "RRR");
    EQ_ERR(p.meta.fault.err, ERR_CREDENTIALS);
    (void)snprintf(body, sizeof(body),
                   "{\"token\":\"%s\",\"state\":\"active\"}", sandbox.token);
    (void)portal_control(&p, "POST", "/control/hubspot/tokens", body);
    EQ_STR(send_batch(&p, HUBSPOT_UPSERT, MAP_INVOICES, in, 3), "WWW");
    portal_close(&p);
}

SUITE(portal, RUN_LONG(a_fresh_portal_is_made_ready_once, 20),
      RUN_LONG(records_are_written_linked_moved_read_and_archived_by_2026_03,
               20),
      RUN_LONG(the_same_by_2026_09, 20), RUN_LONG(the_same_by_v3, 20),
      RUN_LONG(all_associations_of_the_table_arrive, 20),
      RUN_LONG(an_association_with_nobody_is_rejected_alone, 20),
      RUN_LONG(one_bad_input_does_not_hold_the_others, 20),
      RUN_LONG(an_error_without_a_name_is_of_the_only_silent_input, 20),
      RUN_LONG(results_left_out_are_unknown_and_found_by_reading, 20),
      RUN_LONG(a_lost_answer_is_unknown_and_found_by_reading, 20),
      RUN_LONG(an_email_that_is_taken_names_its_contact_which_can_be_adopted,
               20),
      RUN_LONG(a_status_move_that_is_refused_is_found_in_its_batch, 20),
      RUN_LONG(updates_of_nobody_are_absent, 20),
      RUN_LONG(keys_that_come_twice_are_named, 20),
      RUN_LONG(throttling_is_told_with_policy_and_headers, 20),
      RUN_LONG(answers_prove_when_the_request_arrived, 20),
      RUN_LONG(a_missing_scope_stops_the_provisioning, 20),
      RUN_LONG(a_token_without_two_scopes_is_told_which, 20),
      RUN_LONG(a_revoked_token_is_told, 20))
