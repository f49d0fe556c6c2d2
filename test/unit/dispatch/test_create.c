/* SPDX-License-Identifier: UNLICENSED */
/* What nobody has seen is created together with its associations; whatever may
 * be there already goes by its key. */
#include "fake.h"

static struct fx fx;

static void
open_creating(void)
{
    struct dispatch_config c = fx_config();

    c.creates = true;
    fx_open(&fx, &c);
}

TEST(a_new_customer_costs_two_requests_and_the_contact_comes_with_its_company)
{
    const struct sent *q;
    json_t *link;
    char want[64];

    open_creating();
    fx_customer(&fx, "1008");
    fx_start(&fx);
    fx_settle(&fx);
    EQ_STR(fx_trace(&fx), "create companies 1; create contacts 1; ");
    link = fx_stored(&fx, "customer", "1008", "companies", "1008");
    q = fx_sent(&fx, HUBSPOT_CREATE, MAP_CONTACTS, 0);
    (void)snprintf(want, sizeof(want), "companies %s; ",
                   jsonx_text(link, "id"));
    EQ_STR(q->inputs[0].joins, want);
    (void)snprintf(want, sizeof(want), "279:%s", jsonx_text(link, "id"));
    IS(fx_has_assoc(fx_stored(&fx, "customer", "1008", "contacts", "1008"),
                    want));
    EQ_UINT(fx_audit_count(&fx, "contacts.create", "created"), 1);
    (void)snprintf(
        want, sizeof(want), "associated with companies %s",
        jsonx_text(fx_stored(&fx, "customer", "1008", "companies", "1008"),
                   "id"));
    EQ_STR(jsonx_text(fx_audited(&fx, "contacts.create", 0), "message"), want);
    IS(fx_is(&fx, "customer", "1008", "done"));
    fx_close(&fx);
}

TEST(a_new_invoice_costs_three_requests_lines_after_it_and_status_last)
{
    const struct sent *q;
    json_t *link;
    char want[64];

    open_creating();
    fx_invoice(&fx, "3001", 3, "open");
    fx_start(&fx);
    fx_settle(&fx);
    EQ_STR(fx_trace(&fx),
           "create invoices 1; create line_items 3; update invoices 1; ");
    q = fx_sent(&fx, HUBSPOT_CREATE, MAP_INVOICES, 0);
    EQ_STR(q->inputs[0].joins, "contacts k1; companies c1; ");
    HAS(q->inputs[0].properties, "\"hs_invoice_billable\":\"false\"");
    link = fx_stored(&fx, "invoice", "3001", "invoices", "3001");
    IS(fx_has_assoc(link, "177:k1"));
    IS(fx_has_assoc(link, "179:c1"));
    (void)snprintf(want, sizeof(want), "invoices %s; ", jsonx_text(link, "id"));
    q = fx_sent(&fx, HUBSPOT_CREATE, MAP_LINE_ITEMS, 0);
    EQ_STR(q->inputs[2].joins, want);
    (void)snprintf(want, sizeof(want), "409:%s", jsonx_text(link, "id"));
    IS(fx_has_assoc(fx_stored(&fx, "invoice", "3001", "line_items", "3001-2"),
                    want));
    fx_close(&fx);
}

TEST(a_new_payment_costs_one_request)
{
    open_creating();
    fx_payment(&fx, "77:3001");
    fx_start(&fx);
    fx_settle(&fx);
    EQ_STR(fx_trace(&fx), "create commerce_payments 1; ");
    EQ_STR(fx.sent[0].inputs[0].joins, "contacts k1; companies c1; "
                                       "invoices i1; ");
    IS(fx_has_assoc(
        fx_stored(&fx, "payment", "77:3001", "commerce_payments", "77:3001"),
        "541:i1"));
    fx_close(&fx);
}

TEST(what_is_known_is_upserted_and_a_new_line_of_it_created)
{
    open_creating();
    fx_invoice(&fx, "3001", 1, NULL);
    fx_link(&fx, "invoice", "3001",
            "{\"object\":\"invoices\",\"key\":\"3001\",\"id\":\"77\","
            "\"properties\":{\"hs_currency\":\"EUR\"},"
            "\"assoc\":[\"177:k1\",\"179:c1\"]}");
    fx_start(&fx);
    fx_settle(&fx);
    EQ_STR(fx_trace(&fx), "upsert invoices 1; create line_items 1; ");
    EQ_STR(fx_sent(&fx, HUBSPOT_CREATE, MAP_LINE_ITEMS, 0)->inputs[0].joins,
           "invoices 77; ");
    fx_close(&fx);
}

TEST(after_an_attempt_nothing_is_created)
{
    open_creating();
    fx_payment(&fx, "77:3001")->attempts = 1;
    fx_start(&fx);
    fx_settle(&fx);
    EQ_UINT(fx_sent_count(&fx, HUBSPOT_UPSERT, MAP_PAYMENTS), 1);
    EQ_UINT(fx_sent_count(&fx, HUBSPOT_CREATE, MAP_PAYMENTS), 0);
    EQ_UINT(fx_sent_count(&fx, HUBSPOT_ASSOCIATE, MAP_PAYMENTS) +
                fx_sent_count(&fx, HUBSPOT_ASSOCIATE, MAP_INVOICES),
            3);
    fx_close(&fx);
}

/* The first creation gets no answer. */
static void
no_answer(struct fx *x, const struct sent *q, struct hubspot_meta *m,
          struct hubspot_result *r, bool *split)
{
    (void)x;
    (void)split;
    if (q->verb == HUBSPOT_CREATE) {
        fail_all(q, m, r, 0, HUBSPOT_UNKNOWN, ERR_UNKNOWN);
    } else if (q->verb == HUBSPOT_READ) {
        r[0].outcome = HUBSPOT_WRITTEN;
        r[0].id = "901";
        r[0].properties = json_loads(q->inputs[0].properties != NULL ?
                                         q->inputs[0].properties :
                                         "{\"fusion_payment_key\":\"77:3001\","
                                         "\"hs_initial_amount\":\"10.00\","
                                         "\"hs_customer_email\":"
                                         "\"pay@example.com\"}",
                                     0, NULL);
    }
}

TEST(a_creation_without_an_answer_is_read_back_and_associated_by_itself)
{
    json_t *link;

    open_creating();
    fx.decide = no_answer;
    fx_payment(&fx, "77:3001");
    fx_start(&fx);
    UNTIL(&fx, fx_is(&fx, "payment", "77:3001", "done"));
    EQ_UINT(fx_sent_count(&fx, HUBSPOT_CREATE, MAP_PAYMENTS), 1);
    EQ_UINT(fx_sent_count(&fx, HUBSPOT_READ, MAP_PAYMENTS), 1);
    EQ_UINT(fx_sent_count(&fx, HUBSPOT_UPSERT, MAP_PAYMENTS), 0);
    link = fx_stored(&fx, "payment", "77:3001", "commerce_payments", "77:3001");
    EQ_STR(jsonx_text(link, "id"), "901");
    IS(fx_has_assoc(link, "387:k1"));
    IS(fx_has_assoc(link, "541:i1"));
    fx_close(&fx);
}

static void
key_is_there(struct fx *x, const struct sent *q, struct hubspot_meta *m,
             struct hubspot_result *r, bool *split)
{
    (void)x;
    (void)m;
    (void)split;
    if (q->verb == HUBSPOT_CREATE) {
        fail_result(&r[0], HUBSPOT_REJECTED, ERR_CONFLICT, "VALIDATION_ERROR",
                    "taken");
        r[0].key_taken = true;
    }
}

TEST(a_key_that_is_there_is_upserted_and_associated)
{
    open_creating();
    fx.decide = key_is_there;
    fx_customer(&fx, "1008");
    fx_start(&fx);
    fx_settle(&fx);
    IS(fx_is(&fx, "customer", "1008", "done"));
    EQ_STR(fx_trace(&fx),
           "create companies 1; upsert companies 1; create contacts 1; "
           "upsert contacts 1; associate contacts-companies 1; ");
    fx_close(&fx);
}

/* ---- keys under way ----------------------------------------------------- */

TEST(no_key_is_in_two_batches_of_two_tenants_at_once)
{
    open_creating();
    fx.hold = HOLD_HUBSPOT;
    fx_plain(&fx, TENANT, "p1");
    fx_plain(&fx, TENANT + 1, "p1");
    fx_plain(&fx, TENANT + 1, "p2");
    fx_start(&fx);
    fx_add(&fx, TENANT + 1, true);
    UNTIL(&fx, fx.n_sent > 0);
    fx_quiet(&fx);
    /* p2 and one p1, together or not; the other p1 stays in its lane */
    EQ_UINT(fx.sent[0].n + (fx.n_sent > 1 ? fx.sent[1].n : 0), 2);
    IS(fx.n_sent <= 2);
    fx_let(&fx, HOLD_HUBSPOT);
    fx_settle(&fx);
    EQ_UINT(fx_sent_count(&fx, HUBSPOT_CREATE, MAP_PAYMENTS), fx.n_sent);
    EQ_UINT(fx.sent[fx.n_sent - 1].n, 1);
    EQ_STR(fx.sent[fx.n_sent - 1].inputs[0].id, "p1");
    fx_close(&fx);
}

SUITE(
    create,
    RUN(a_new_customer_costs_two_requests_and_the_contact_comes_with_its_company),
    RUN(a_new_invoice_costs_three_requests_lines_after_it_and_status_last),
    RUN(a_new_payment_costs_one_request),
    RUN(what_is_known_is_upserted_and_a_new_line_of_it_created),
    RUN(after_an_attempt_nothing_is_created),
    RUN(a_creation_without_an_answer_is_read_back_and_associated_by_itself),
    RUN(a_key_that_is_there_is_upserted_and_associated),
    RUN(no_key_is_in_two_batches_of_two_tenants_at_once))
