/* SPDX-License-Identifier: UNLICENSED */
/* The way of a job: its steps, their order, and what is remembered of them. */
#include "fake.h"

static struct fx fx;

TEST(a_customer_goes_company_and_contact_then_association_then_done)
{
    json_t *row;
    json_t *link;

    fx_open(&fx, NULL);
    fx_customer(&fx, "1008");
    fx_start(&fx);
    fx_settle(&fx);
    IS(fx_is(&fx, "customer", "1008", "done"));
    /* companies and contacts may leave in any order, the association last */
    EQ_UINT(fx.n_sent, 3);
    EQ_INT(fx.sent[2].verb, HUBSPOT_ASSOCIATE);
    EQ_INT(fx.sent[2].object, MAP_CONTACTS);
    EQ_INT(fx.sent[2].to, MAP_COMPANIES);
    link = fx_stored(&fx, "customer", "1008", "companies", "1008");
    IS(link != NULL);
    EQ_STR(fx.sent[2].inputs[0].to, jsonx_text(link, "id"));
    EQ_STR(jsonx_text(json_object_get(link, "properties"), "name"), "Acme");
    EQ_UINT(strlen(jsonx_text(link, "hash")), 64);
    link = fx_stored(&fx, "customer", "1008", "contacts", "1008");
    EQ_STR(fx.sent[2].inputs[0].id, jsonx_text(link, "id"));
    EQ_UINT(json_array_size(json_object_get(link, "assoc")), 1);
    HAS(json_string_value(json_array_get(json_object_get(link, "assoc"), 0)),
        "279:");
    row = fx_audited(&fx, "companies.upsert", 0);
    EQ_STR(jsonx_text(row, "outcome"), "created");
    EQ_UINT(json_object_size(json_object_get(row, "before")), 0);
    EQ_STR(jsonx_text(json_object_get(row, "after"), "name"), "Acme");
    EQ_UINT(fx_audit_count(&fx, "contacts-companies.associate", "written"), 1);
    HAS(buf_text(&fx.operations), "companies.upsert ");
    EQ_UINT(fx.writes, 3);
    EQ_UINT(fx.losts + fx.halts + fx.wants, 0);
    fx_close(&fx);
}

TEST(what_changed_is_told_with_its_value_before_and_after)
{
    json_t *row;

    fx_open(&fx, NULL);
    fx_plain(&fx, TENANT, "p1");
    fx_link(&fx, "payment", "p1",
            "{\"object\":\"commerce_payments\",\"key\":\"p1\",\"id\":\"55\","
            "\"properties\":{\"fusion_payment_key\":\"old\","
            "\"hs_currency_code\":\"USD\"}}");
    fx_start(&fx);
    fx_settle(&fx);
    row = fx_audited(&fx, "commerce_payments.upsert", 0);
    IS(row != NULL);
    EQ_STR(jsonx_text(json_object_get(row, "before"), "fusion_payment_key"),
           "old");
    EQ_STR(jsonx_text(json_object_get(row, "after"), "fusion_payment_key"),
           "p1");
    EQ_UINT(json_object_size(json_object_get(row, "after")), 1);
    fx_close(&fx);
}

TEST(an_invoice_goes_its_whole_way_and_its_status_comes_last)
{
    json_t *link;
    const struct sent *q;
    char entry[64];

    fx_open(&fx, NULL);
    fx_invoice(&fx, "3001", 2, "open");
    fx_start(&fx);
    fx_settle(&fx);
    IS(fx_is(&fx, "invoice", "3001", "done"));
    EQ_UINT(fx_sent_count(&fx, HUBSPOT_UPSERT, MAP_INVOICES), 1);
    EQ_UINT(fx_sent(&fx, HUBSPOT_UPSERT, MAP_LINE_ITEMS, 0)->n, 2);
    EQ_UINT(fx_sent_count(&fx, HUBSPOT_ASSOCIATE, MAP_INVOICES), 3);
    q = &fx.sent[fx.n_sent - 1];
    EQ_INT(q->verb, HUBSPOT_UPDATE);
    EQ_STR(q->inputs[0].properties, "{\"hs_invoice_status\":\"open\"}");
    link = fx_stored(&fx, "invoice", "3001", "invoices", "3001");
    EQ_STR(q->inputs[0].id, jsonx_text(link, "id"));
    EQ_STR(jsonx_text(json_object_get(link, "properties"), "hs_invoice_status"),
           "open");
    IS(fx_has_assoc(link, "177:k1"));
    IS(fx_has_assoc(link, "179:c1"));
    (void)snprintf(entry, sizeof(entry), "409:%s", jsonx_text(link, "id"));
    IS(fx_has_assoc(fx_stored(&fx, "invoice", "3001", "line_items", "3001-2"),
                    entry));
    fx_close(&fx);
}

TEST(billable_is_said_only_when_the_invoice_is_new)
{
    fx_open(&fx, NULL);
    fx_invoice(&fx, "3001", 0, NULL);
    fx_invoice(&fx, "3002", 0, NULL);
    fx_link(&fx, "invoice", "3002",
            "{\"object\":\"invoices\",\"key\":\"3002\",\"id\":\"77\","
            "\"properties\":{\"hs_currency\":\"EUR\"},"
            "\"assoc\":[\"177:k1\",\"179:c1\"]}");
    fx_start(&fx);
    fx_settle(&fx);
    for (size_t i = 0; i < fx.sent[0].n; i++) {
        const char *sent = fx.sent[0].inputs[i].properties;

        if (strcmp(fx.sent[0].inputs[i].id, "3001") == 0) {
            HAS(sent, "\"hs_invoice_billable\":\"false\"");
        } else {
            LACKS(sent, "hs_invoice_billable");
        }
    }
    EQ_UINT(fx.sent[0].n, 2);
    /* what is remembered is what is wanted: the next run finds it unchanged */
    IS(json_object_get(json_object_get(fx_stored(&fx, "invoice", "3001",
                                                 "invoices", "3001"),
                                       "properties"),
                       "hs_invoice_billable") == NULL);
    fx_close(&fx);
}

TEST(a_paid_invoice_goes_straight_to_paid)
{
    fx_open(&fx, NULL);
    fx_invoice(&fx, "3001", 1, "paid");
    fx_start(&fx);
    fx_settle(&fx);
    EQ_UINT(fx_sent_count(&fx, HUBSPOT_UPDATE, MAP_INVOICES), 1);
    EQ_STR(fx_sent(&fx, HUBSPOT_UPDATE, MAP_INVOICES, 0)->inputs[0].properties,
           "{\"hs_invoice_status\":\"paid\"}");
    IS(fx_is(&fx, "invoice", "3001", "done"));
    fx_close(&fx);
}

/* An invoice that HubSpot has as wanted but for its status. */
static void
settled_invoice(const char *status)
{
    struct buf b;

    buf_init(&b, 4096);
    buf_addf(&b,
             "{\"object\":\"invoices\",\"key\":\"3001\",\"id\":\"77\","
             "\"properties\":{\"fusion_transaction_id\":\"3001\","
             "\"hs_currency\":\"USD\",\"hs_invoice_status\":\"%s\"},"
             "\"assoc\":[\"177:k1\",\"179:c1\"]}",
             status);
    fx_link(&fx, "invoice", "3001", buf_text(&b));
    buf_fini(&b);
}

TEST(paid_does_not_go_back_to_open)
{
    fx_open(&fx, NULL);
    fx_invoice(&fx, "3001", 0, "open");
    settled_invoice("paid");
    fx_start(&fx);
    fx_settle(&fx);
    EQ_UINT(fx.n_sent, 0);
    IS(fx_is(&fx, "invoice", "3001", "done"));
    EQ_STR(jsonx_text(fx_audited(&fx, "status_held", 0), "message"),
           "paid does not go back to open");
    fx_close(&fx);
}

static void
refuse_status(struct fx *x, const struct sent *q, struct hubspot_meta *m,
              struct hubspot_result *r, bool *split)
{
    (void)x;
    (void)split;
    if (q->verb == HUBSPOT_UPDATE) {
        fail_all(q, m, r, 400, HUBSPOT_REJECTED, ERR_REFUSED);
    }
}

TEST(a_refused_status_is_held_and_the_job_is_done)
{
    fx_open(&fx, NULL);
    fx.decide = refuse_status;
    fx_invoice(&fx, "3001", 0, "paid");
    settled_invoice("open");
    fx_start(&fx);
    fx_settle(&fx);
    IS(fx_is(&fx, "invoice", "3001", "done"));
    EQ_UINT(fx_audit_count(&fx, "invoices.status", "rejected"), 1);
    EQ_STR(jsonx_text(fx_audited(&fx, "status_held", 0), "correlation"),
           "corr-1");
    /* what is remembered is still the old status */
    EQ_STR(jsonx_text(json_object_get(
                          fx_stored(&fx, "invoice", "3001", "invoices", "3001"),
                          "properties"),
                      "hs_invoice_status"),
           "open");
    fx_close(&fx);
}

TEST(a_line_that_vanished_is_archived_and_forgotten)
{
    const struct sent *q;

    fx_open(&fx, NULL);
    fx_invoice(&fx, "3001", 1, NULL);
    settled_invoice("draft");
    fx_link(&fx, "invoice", "3001",
            "{\"object\":\"line_items\",\"key\":\"3001-1\",\"id\":\"81\","
            "\"properties\":{\"fusion_line_id\":\"3001-1\","
            "\"quantity\":\"1\"},\"assoc\":[\"409:77\"]}");
    fx_link(&fx, "invoice", "3001",
            "{\"object\":\"line_items\",\"key\":\"3001-2\",\"id\":\"82\","
            "\"properties\":{\"fusion_line_id\":\"3001-2\"},"
            "\"assoc\":[\"409:77\"]}");
    fx_start(&fx);
    fx_settle(&fx);
    EQ_STR(fx_trace(&fx), "archive line_items 1; ");
    q = &fx.sent[0];
    EQ_STR(q->inputs[0].id, "82");
    IS(fx_stored(&fx, "invoice", "3001", "line_items", "3001-2") == NULL);
    IS(fx_stored(&fx, "invoice", "3001", "line_items", "3001-1") != NULL);
    IS(fx_is(&fx, "invoice", "3001", "done"));
    fx_close(&fx);
}

TEST(a_payment_that_is_gone_is_archived_and_its_record_gone)
{
    struct fake_job *j;

    fx_open(&fx, NULL);
    j = fx_job(&fx, TENANT, "payment", "9:unapplied",
               "{\"objects\":[],\"gone\":true}", "{}");
    fx_link(&fx, "payment", "9:unapplied",
            "{\"object\":\"commerce_payments\",\"key\":\"9:unapplied\","
            "\"id\":\"90\"}");
    fx_start(&fx);
    fx_settle(&fx);
    EQ_STR(fx_trace(&fx), "archive commerce_payments 1; ");
    EQ_STR(j->state, "done");
    IS(j->gone);
    fx_close(&fx);
}

TEST(a_changed_customer_gets_new_associations_before_old_ones_go)
{
    json_t *link;
    size_t dissociations = 0;

    fx_open(&fx, NULL);
    fx_invoice(&fx, "3001", 0, NULL);
    fx_link(&fx, "invoice", "3001",
            "{\"object\":\"invoices\",\"key\":\"3001\",\"id\":\"77\","
            "\"properties\":{\"fusion_transaction_id\":\"3001\","
            "\"hs_currency\":\"USD\"},"
            "\"assoc\":[\"177:oldk\",\"179:oldc\"]}");
    fx_start(&fx);
    fx_settle(&fx);
    /* and once more: an old id may have led to the new record */
    EQ_UINT(fx.n_sent, 6);
    for (size_t i = 0; i < 6; i++) {
        EQ_INT(fx.sent[i].verb,
               i < 2 || i > 3 ? HUBSPOT_ASSOCIATE : HUBSPOT_DISSOCIATE);
        dissociations += strncmp(fx.sent[i].inputs[0].to, "old", 3) == 0;
    }
    EQ_UINT(dissociations, 2);
    link = fx_stored(&fx, "invoice", "3001", "invoices", "3001");
    IS(fx_has_assoc(link, "177:k1") && fx_has_assoc(link, "179:c1"));
    EQ_UINT(json_array_size(json_object_get(link, "assoc")), 2);
    fx_close(&fx);
}

TEST(a_payment_carries_the_payers_email_and_all_its_associations)
{
    json_t *link;

    fx_open(&fx, NULL);
    fx_payment(&fx, "9:3001");
    fx_start(&fx);
    fx_settle(&fx);
    HAS(fx.sent[0].inputs[0].properties,
        "\"hs_customer_email\":\"pay@example.com\"");
    link = fx_stored(&fx, "payment", "9:3001", "commerce_payments", "9:3001");
    IS(fx_has_assoc(link, "387:k1"));
    IS(fx_has_assoc(link, "389:c1"));
    IS(fx_has_assoc(link, "541:i1"));
    /* invoice to payment goes from the invoice */
    EQ_STR(fx_sent(&fx, HUBSPOT_ASSOCIATE, MAP_INVOICES, 0)->inputs[0].id,
           "i1");
    IS(fx_is(&fx, "payment", "9:3001", "done"));
    fx_close(&fx);
}

TEST(what_waits_for_its_parent_says_so_and_asks_for_an_unknown_one)
{
    struct fake_job *j;

    fx_open(&fx, NULL);
    j = fx_invoice(&fx, "3001", 0, NULL);
    fx_set(&j->parents, "{\"customer\":{\"id\":\"1008\",\"state\":\"none\"}}");
    j = fx_invoice(&fx, "3002", 0, NULL);
    fx_set(&j->parents,
           "{\"customer\":{\"id\":\"1009\",\"state\":\"pending\"}}");
    fx_start(&fx);
    fx_settle(&fx);
    EQ_UINT(fx.n_sent, 0);
    IS(fx_is(&fx, "invoice", "3001", "waiting"));
    EQ_STR(fx_find(&fx, "invoice", "3001")->waiting_for, "customer:1008");
    EQ_STR(fx_find(&fx, "invoice", "3002")->waiting_for, "customer:1009");
    EQ_UINT(fx.wants, 1);
    EQ_STR(fx.want, "customer:1008");
    fx_close(&fx);
}

TEST(a_parent_that_came_through_releases_those_that_wait)
{
    struct fake_job *j;

    fx_open(&fx, NULL);
    fx_customer(&fx, "1008");
    j = fx_invoice(&fx, "3001", 0, NULL);
    fx_set(&j->state, "waiting");
    fx_set(&j->waiting_for, "customer:1008");
    fx_start(&fx);
    fx_settle(&fx);
    IS(fx_is(&fx, "customer", "1008", "done"));
    IS(fx_is(&fx, "invoice", "3001", "done"));
    fx_close(&fx);
}

TEST(a_payment_without_its_missing_invoice_is_written_and_that_is_told)
{
    struct fake_job *j;

    fx_open(&fx, NULL);
    j = fx_payment(&fx, "9:3001");
    fx_set(&j->parents, "{\"customer\":{\"id\":\"1008\",\"state\":\"current\","
                        "\"company\":\"c1\",\"contact\":\"k1\"},"
                        "\"invoice\":{\"id\":\"3001\",\"state\":\"missing\"}}");
    fx_start(&fx);
    fx_settle(&fx);
    EQ_STR(j->state, "done");
    EQ_UINT(fx_sent_count(&fx, HUBSPOT_ASSOCIATE, MAP_INVOICES), 0);
    EQ_STR(jsonx_text(fx_audited(&fx, "parent_missing", 0), "message"),
           "invoice:3001");
    fx_close(&fx);
}

TEST(what_is_unchanged_is_done_without_a_request)
{
    fx_open(&fx, NULL);
    fx_invoice(&fx, "3001", 0, "open");
    settled_invoice("open");
    fx_start(&fx);
    fx_settle(&fx);
    EQ_UINT(fx.n_sent, 0);
    EQ_UINT(fx.writes, 0);
    IS(fx_is(&fx, "invoice", "3001", "done"));
    fx_close(&fx);
}

TEST(a_job_taken_up_again_does_only_what_is_left)
{
    fx_open(&fx, NULL);
    fx_customer(&fx, "1008");
    fx_link(&fx, "customer", "1008",
            "{\"object\":\"companies\",\"key\":\"1008\",\"id\":\"501\","
            "\"properties\":{\"fusion_account_number\":\"1008\","
            "\"name\":\"Acme\"}}");
    fx_start(&fx);
    fx_settle(&fx);
    EQ_STR(fx_trace(&fx),
           "upsert contacts 1; associate contacts-companies 1; ");
    EQ_STR(fx.sent[1].inputs[0].to, "501");
    fx_close(&fx);
}

TEST(a_job_spoilt_in_the_store_parks_and_harms_no_other)
{
    struct fake_job *j;

    fx_open(&fx, NULL);
    j = fx_job(&fx, TENANT, "payment", "bad", "{\"objects\":[", "{}");
    fx_plain(&fx, TENANT, "good");
    fx_start(&fx);
    fx_settle(&fx);
    EQ_STR(j->state, "parked");
    IS(fx_is(&fx, "payment", "good", "done"));
    fx_close(&fx);
}

/* ---- an unknown outcome is read back ------------------------------------ */

static const char *found; /* properties of what a read finds; NULL: absent */

static void
find_one(struct fx *x, const struct sent *q, struct hubspot_meta *m,
         struct hubspot_result *r, bool *split)
{
    (void)x;
    (void)m;
    (void)split;
    if (q->verb == HUBSPOT_READ && found != NULL) {
        r[0].outcome = HUBSPOT_WRITTEN;
        r[0].id = "900";
        r[0].properties = json_loads(found, 0, NULL);
    }
}

static struct fake_job *
unknown_job(const char *finds)
{
    struct fake_job *j;

    fx_open(&fx, NULL);
    fx.decide = find_one;
    found = finds;
    j = fx_plain(&fx, TENANT, "p1");
    fx_set(&j->state, "unknown");
    fx_start(&fx);
    fx_settle(&fx);
    return j;
}

TEST(an_unknown_write_found_as_wanted_counts_as_written)
{
    struct fake_job *j =
        unknown_job("{\"fusion_payment_key\":\"p1\",\"other\":\"x\"}");

    EQ_STR(fx_trace(&fx), "read commerce_payments 1; ");
    EQ_STR(fx.sent[0].id_property, "fusion_payment_key");
    EQ_UINT(fx.writes, 0); /* reads need no row */
    EQ_STR(j->state, "done");
    EQ_STR(
        jsonx_text(fx_stored(&fx, "payment", "p1", "commerce_payments", "p1"),
                   "id"),
        "900");
    fx_close(&fx);
}

TEST(an_unknown_write_found_otherwise_is_sent_again)
{
    struct fake_job *j = unknown_job("{\"fusion_payment_key\":\"p0\"}");

    EQ_STR(fx_trace(&fx),
           "read commerce_payments 1; upsert commerce_payments 1; ");
    EQ_STR(j->state, "done");
    EQ_UINT(fx_audit_count(&fx, "commerce_payments.read", "differs"), 1);
    fx_close(&fx);
}

TEST(an_unknown_write_that_is_absent_stays_unknown_until_the_cutoff)
{
    struct fake_job *j = unknown_job(NULL);

    EQ_STR(fx_trace(&fx), "read commerce_payments 1; ");
    /* not in a state that a newer version or a replay would send at once */
    EQ_STR(j->state, "unknown");
    EQ_INT(j->due_ms, 100000);
    EQ_INT(j->attempts, 0);
    /* then it is looked at once more, and sent by its key */
    j->sent_us = clock_mono_us() - INT64_C(100001000);
    j->due_us = 0;
    dispatch_poke(fx.d, TENANT);
    fx_settle(&fx);
    EQ_STR(j->state, "done");
    EQ_STR(fx_trace(&fx), "read commerce_payments 1; read commerce_payments 1; "
                          "upsert commerce_payments 1; ");
    fx_close(&fx);
}

static void
read_early(const char *finds)
{
    struct fake_job *j;

    fx_open(&fx, NULL);
    fx.decide = find_one;
    found = finds;
    j = fx_plain(&fx, TENANT, "p1");
    fx_set(&j->state, "unknown");
    j->sent_us = clock_mono_us() - INT64_C(20000000);
    j->seen_us = clock_mono_us() - INT64_C(10000000);
    fx_start(&fx);
    fx_settle(&fx);
    EQ_STR(fx_trace(&fx), "read commerce_payments 1; ");
    EQ_STR(j->state, "unknown");
    IS(j->due_ms > 75000 && j->due_ms <= 80000);
    EQ_UINT(fx_audit_count(&fx, "commerce_payments.read", "early"), 1);
    fx_close(&fx);
}

TEST(what_changed_after_an_unanswered_write_waits_until_that_cannot_arrive)
{
    read_early("{\"fusion_payment_key\":\"p0\"}");
    /* equal by chance: the older write would undo it */
    read_early("{\"fusion_payment_key\":\"p1\",\"other\":\"x\"}");
}

TEST(the_cutoff_counts_from_when_the_write_was_sent)
{
    struct fake_job *j;

    fx_open(&fx, NULL);
    j = fx_plain(&fx, TENANT, "p1");
    fx_set(&j->state, "unknown");
    j->sent_us = clock_mono_us() - INT64_C(60000000);
    fx_start(&fx);
    fx_settle(&fx);
    EQ_STR(j->state, "unknown");
    IS(j->due_ms > 30000 && j->due_ms <= 40000);
    fx_close(&fx);
}

/* Everything else of it stands: properties and status travel together. */
static void
changed_invoice(void)
{
    fx_open(&fx, NULL);
    fx_invoice(&fx, "3001", 1, "paid");
    fx_link(&fx, "invoice", "3001",
            "{\"object\":\"invoices\",\"key\":\"3001\",\"id\":\"77\","
            "\"properties\":{\"hs_currency\":\"EUR\","
            "\"hs_invoice_status\":\"open\"},"
            "\"assoc\":[\"177:k1\",\"179:c1\"]}");
    fx_link(&fx, "invoice", "3001",
            "{\"object\":\"line_items\",\"key\":\"3001-1\",\"id\":\"78\","
            "\"properties\":{\"fusion_line_id\":\"3001-1\",\"quantity\":"
            "\"1\"},\"assoc\":[\"409:77\"]}");
}

TEST(a_changed_status_of_a_known_invoice_costs_one_request)
{
    json_t *link;

    changed_invoice();
    fx_start(&fx);
    fx_settle(&fx);
    EQ_STR(fx_trace(&fx), "update invoices 1; ");
    EQ_STR(fx.sent[0].inputs[0].id, "77");
    HAS(fx.sent[0].inputs[0].properties, "\"hs_invoice_status\":\"paid\"");
    HAS(fx.sent[0].inputs[0].properties, "\"hs_currency\":\"USD\"");
    link = fx_stored(&fx, "invoice", "3001", "invoices", "3001");
    EQ_STR(jsonx_text(json_object_get(link, "properties"), "hs_currency"),
           "USD");
    EQ_STR(jsonx_text(json_object_get(link, "properties"), "hs_invoice_status"),
           "paid");
    IS(fx_is(&fx, "invoice", "3001", "done"));
    fx_close(&fx);
}

static void
refuse_moves(struct fx *x, const struct sent *q, struct hubspot_meta *m,
             struct hubspot_result *r, bool *split)
{
    (void)x;
    (void)m;
    (void)split;
    if (q->verb == HUBSPOT_UPDATE) {
        fail_result(&r[0], HUBSPOT_REJECTED, ERR_REFUSED, "VALIDATION_ERROR",
                    "it does not go there");
    }
}

TEST(what_travels_with_a_refused_move_is_written_without_it)
{
    changed_invoice();
    fx.decide = refuse_moves;
    fx_start(&fx);
    fx_settle(&fx);
    EQ_STR(fx_trace(&fx),
           "update invoices 1; upsert invoices 1; update invoices 1; ");
    EQ_STR(fx.sent[2].inputs[0].properties, "{\"hs_invoice_status\":\"paid\"}");
    IS(fx_is(&fx, "invoice", "3001", "done"));
    EQ_UINT(fx_audit_count(&fx, "status_held", "held"), 1);
    fx_close(&fx);
}

SUITE(
    flow, RUN(a_customer_goes_company_and_contact_then_association_then_done),
    RUN(what_changed_is_told_with_its_value_before_and_after),
    RUN(an_invoice_goes_its_whole_way_and_its_status_comes_last),
    RUN(billable_is_said_only_when_the_invoice_is_new),
    RUN(a_paid_invoice_goes_straight_to_paid),
    RUN(paid_does_not_go_back_to_open),
    RUN(a_refused_status_is_held_and_the_job_is_done),
    RUN(a_line_that_vanished_is_archived_and_forgotten),
    RUN(a_payment_that_is_gone_is_archived_and_its_record_gone),
    RUN(a_changed_customer_gets_new_associations_before_old_ones_go),
    RUN(a_payment_carries_the_payers_email_and_all_its_associations),
    RUN(what_waits_for_its_parent_says_so_and_asks_for_an_unknown_one),
    RUN(a_parent_that_came_through_releases_those_that_wait),
    RUN(a_payment_without_its_missing_invoice_is_written_and_that_is_told),
    RUN(what_is_unchanged_is_done_without_a_request),
    RUN(a_job_taken_up_again_does_only_what_is_left),
    RUN(a_job_spoilt_in_the_store_parks_and_harms_no_other),
    RUN(an_unknown_write_found_as_wanted_counts_as_written),
    RUN(an_unknown_write_found_otherwise_is_sent_again),
    RUN(an_unknown_write_that_is_absent_stays_unknown_until_the_cutoff),
    RUN(what_changed_after_an_unanswered_write_waits_until_that_cannot_arrive),
    RUN(the_cutoff_counts_from_when_the_write_was_sent),
    RUN(a_changed_status_of_a_known_invoice_costs_one_request),
    RUN(what_travels_with_a_refused_move_is_written_without_it))
