/* SPDX-License-Identifier: UNLICENSED */
/* The control API: what it changes is what the pod then shows. */
#include "fixture.h"

TEST(a_new_invoice_shows_and_can_be_changed)
{
    struct rig g;
    int64_t id = 0;
    int64_t before = 0;

    rig_open(&g);
    EQ_INT(rig_control(&g, "POST",
                       "invoice?account=%s&lines=3&currency=EUR&"
                       "PurchaseOrder=PO-1",
                       rig_world(&g)->customers[0].number),
           200);
    id = get_int(g.body, "id");
    EQ_INT(rig_get(&g, FSCM "receivablesInvoices/%" PRId64, id), 200);
    EQ_STR(get_text(g.body, "InvoiceStatus"), "Complete");
    EQ_STR(get_text(g.body, "InvoiceCurrencyCode"), "EUR");
    EQ_STR(get_text(g.body, "PurchaseOrder"), "PO-1");
    before = get_amount(g.body, "EnteredAmount");
    EQ_INT(rig_control(&g, "POST",
                       "invoice/%" PRId64 "/line?Description=Extra&Quantity=2&"
                       "UnitSellingPrice=10.5",
                       id),
           200);
    EQ_INT(rig_control(&g, "POST",
                       "invoice/%" PRId64 "?PurchaseOrder=&Comments=x", id),
           200);
    EQ_INT(rig_get(&g,
                   FSCM "receivablesInvoices/%" PRId64
                        "?expand=receivablesInvoiceLines",
                   id),
           200);
    IS(get_amount(g.body, "EnteredAmount") >= before + 21000);
    IS(json_is_null(json_object_get(g.body, "PurchaseOrder")));
    EQ_INT(get_int(json_object_get(g.body, "receivablesInvoiceLines"), "count"),
           4);
    EQ_STR(get_text(json_array_get(
                        json_object_get(
                            json_object_get(g.body, "receivablesInvoiceLines"),
                            "items"),
                        3),
                    "Description"),
           "Extra");
    EQ_INT(rig_control(&g, "DELETE", "invoice/%" PRId64 "/line/0", id), 200);
    EQ_INT(rig_control(&g, "DELETE", "invoice/%" PRId64, id), 200);
    EQ_INT(rig_get(&g, FSCM "receivablesInvoices/%" PRId64, id), 404);
    rig_close(&g);
}

TEST(a_receipt_is_made_applied_unapplied_and_reversed)
{
    struct rig g;
    int64_t invoice = 0;
    int64_t receipt = 0;
    const char *account = NULL;

    rig_open(&g);
    account = rig_world(&g)->customers[0].number;
    EQ_INT(rig_control(&g, "POST", "invoice?account=%s&lines=2", account), 200);
    invoice = get_int(g.body, "id");
    EQ_INT(rig_control(&g, "POST",
                       "receipt?account=%s&amount=25.50&apply=%" PRId64
                       ":20.25",
                       account, invoice),
           200);
    receipt = get_int(g.body, "id");
    EQ_INT(rig_control(&g, "GET", "dump/receipts/%" PRId64, receipt), 200);
    EQ_INT(get_amount(json_array_get(json_object_get(g.body, "receipts"), 0),
                      "UnappliedAmount"),
           5250);
    EQ_INT(rig_control(&g, "GET", "dump/invoices/%" PRId64, invoice), 200);
    EQ_INT(get_amount(json_array_get(json_object_get(g.body, "invoices"), 0),
                      "_paid"),
           20250);
    EQ_INT(rig_control(&g, "POST", "receipt/%" PRId64 "/unapply", receipt),
           200);
    EQ_INT(rig_control(&g, "POST", "receipt/%" PRId64 "/apply?apply=%" PRId64,
                       receipt, invoice),
           200);
    EQ_INT(rig_control(&g, "POST", "receipt/%" PRId64 "/reverse", receipt),
           200);
    EQ_INT(rig_control(&g, "GET", "dump/receipts/%" PRId64, receipt), 200);
    EQ_INT(json_array_size(json_object_get(
               json_array_get(json_object_get(g.body, "receipts"), 0),
               "applications")),
           4);
    EQ_INT(rig_control(&g, "GET", "dump/invoices/%" PRId64, invoice), 200);
    EQ_INT(get_amount(json_array_get(json_object_get(g.body, "invoices"), 0),
                      "_paid"),
           0);
    rig_close(&g);
}

TEST(an_unidentified_receipt_can_be_identified)
{
    struct rig g;
    int64_t id = 0;
    const char *account = NULL;

    rig_open(&g);
    account = rig_world(&g)->customers[0].number;
    EQ_INT(rig_control(&g, "POST", "receipt?amount=10"), 200);
    id = get_int(g.body, "id");
    EQ_INT(rig_get(&g, FSCM "standardReceipts/%" PRId64, id), 200);
    EQ_STR(get_text(g.body, "State"), "Unidentified");
    EQ_INT(rig_control(&g, "POST", "receipt/%" PRId64 "/identify?account=%s",
                       id, account),
           200);
    EQ_INT(rig_get(&g, FSCM "standardReceipts/%" PRId64, id), 200);
    EQ_STR(get_text(g.body, "CustomerAccountNumber"), account);
    rig_close(&g);
}

TEST(a_late_commit_appears_below_the_newest_stamp)
{
    struct rig g;
    int64_t us = 0;

    rig_open(&g);
    EQ_INT(rig_control(&g, "POST", "invoice?age_s=1800&account=%s",
                       rig_world(&g)->customers[0].number),
           200);
    OK(time_parse(get_text(g.body, "LastUpdateDate"),
                  strlen(get_text(g.body, "LastUpdateDate")), &us));
    EQ_INT(us / 1000000, (g.now_us - INT64_C(1800000000)) / 1000000);
    rig_close(&g);
}

TEST(organisations_and_persons_change_by_their_fusion_names)
{
    struct rig g;
    int64_t party = 0;
    int64_t person = 0;
    char *account = NULL;

    rig_open(&g);
    EQ_INT(rig_control(&g, "POST", "customer?CustomerName=New One"), 200);
    party = get_int(g.body, "PartyId");
    account = mem_strdup(get_text(g.body, "AccountNumber"));
    EQ_INT(rig_control(&g, "POST",
                       "organization/%" PRId64
                       "?City=Oslo&URL=&ClassCode=7372&ClassCategory=1987 SIC",
                       party),
           200);
    EQ_INT(rig_control(&g, "POST",
                       "person?OrganizationPartyId=%" PRId64
                       "&FirstName=Ada&EmailAddress=ada@x.example",
                       party),
           200);
    person = get_int(g.body, "id");
    EQ_INT(rig_get(&g,
                   CRM "hubOrganizations?expand=CustomerClassification&"
                       "q=PartyId=%" PRId64,
                   party),
           200);
    EQ_STR(get_text(item(&g, 0), "City"), "Oslo");
    IS(json_is_null(json_object_get(item(&g, 0), "URL")));
    EQ_INT(rig_get(&g, CRM "hubPersons?q=PartyId=%" PRId64, person), 200);
    EQ_STR(get_text(item(&g, 0), "FirstName"), "Ada");
    EQ_INT(rig_control(&g, "GET", "dump/customers/%s", account), 200);
    IS(json_array_size(json_object_get(
           json_array_get(json_object_get(g.body, "customers"), 0),
           "persons")) >= 1);
    EQ_INT(rig_control(&g, "DELETE", "customer/%s", account), 200);
    EQ_INT(rig_get(&g,
                   FSCM "receivablesCustomerAccountActivities?"
                        "q=AccountNumber='%s'",
                   account),
           200);
    EQ_INT(items(&g), 0);
    mem_free(account);
    rig_close(&g);
}

TEST(dumps_hold_everything_whatever_the_switches)
{
    struct rig g;
    size_t lines = 0;

    rig_open(&g);
    rig_switch(&g, "trim_percent", 100);
    rig_switch(&g, "text_amounts", 1);
    EQ_INT(rig_control(&g, "GET", "dump/invoices?offset=10&limit=400"), 200);
    EQ_INT(get_int(g.body, "total"), 400);
    EQ_INT(json_array_size(json_object_get(g.body, "invoices")), 390);
    for (size_t i = 0; i < 390; i++) {
        json_t *v = json_array_get(json_object_get(g.body, "invoices"), i);

        lines += json_array_size(json_object_get(v, "receivablesInvoiceLines"));
        IS(get_int(v, "_stamp_us") > 0);
    }
    IS(lines > 800);
    EQ_INT(rig_control(&g, "GET", "dump/receipts"), 200);
    EQ_INT(get_int(g.body, "total"), 300);
    IS(json_is_number(json_object_get(
        json_array_get(json_object_get(g.body, "receipts"), 0), "Amount")));
    EQ_INT(rig_control(&g, "GET", "dump/customers"), 200);
    EQ_INT(rig_control(&g, "GET", "dump/organizations"), 200);
    EQ_INT(rig_control(&g, "GET", "dump/persons"), 200);
    EQ_INT(rig_control(&g, "GET", "dump/credit_memos"), 200);
    EQ_INT(rig_control(&g, "GET", "dump/adjustments"), 200);
    EQ_INT(rig_control(&g, "GET", "dump/nothing"), 404);
    rig_close(&g);
}

TEST(mutations_are_told_and_seen_by_a_poll_from_before)
{
    struct rig g;
    struct map changed;
    char q[64];
    char at[TIME_TEXT_MAX];
    size_t i = 0;
    json_t *c = NULL;

    rig_open(&g);
    map_init(&changed);
    (void)stamp_text(g.now_us - 1000, 0, at);
    EQ_INT(rig_control(&g, "POST", "mutate?n=300&seed=7"), 200);
    EQ_INT(json_array_size(json_object_get(g.body, "changes")), 300);
    json_array_foreach(json_object_get(g.body, "changes"), i, c)
    {
        char key[24];

        (void)snprintf(key, sizeof(key), "%" PRId64, get_int(c, "id"));
        if (strcmp(get_text(c, "kind"), "invoice") == 0) {
            if (strcmp(get_text(c, "op"), "invoice_delete") == 0) {
                (void)map_del(&changed, key);
            } else {
                (void)map_put(&changed, key, &g);
            }
        }
    }
    IS(changed.count > 60);
    (void)snprintf(q, sizeof(q), "LastUpdateDate>='%s'", at);
    EQ_INT(
        rig_get(&g, FSCM "receivablesInvoices?limit=500&onlyData=true&q=%s", q),
        200);
    EQ_INT(items(&g), changed.count);
    map_fini(&changed);
    rig_close(&g);
}

TEST(switches_are_listed_set_and_reset)
{
    struct rig g;

    rig_open(&g);
    EQ_INT(rig_control(&g, "GET", "switches"), 200);
    EQ_INT(get_int(g.body, "limit_cap"), 500);
    EQ_INT(rig_send(&g, "POST", "/control/fusion/all/switches",
                    "{\"limit_cap\":200,\"maintenance\":true}"),
           200);
    EQ_INT(rig_control(&g, "GET", "switches"), 200);
    EQ_INT(get_int(g.body, "limit_cap"), 200);
    EQ_INT(get_int(g.body, "maintenance"), 1);
    EQ_INT(
        rig_send(&g, "POST", "/control/fusion/0/switches", "{\"no_such\":1}"),
        400);
    EQ_STR(get_text(g.body, "error"), "no switch or no number: no_such");
    EQ_INT(rig_control(&g, "POST", "switches?limit_cap=100&no_such=1"), 400);
    EQ_STR(get_text(g.body, "error"), "no switch or no number: no_such");
    EQ_INT(rig_control(&g, "POST", "switches?limit_cap=x"), 400);
    EQ_INT(rig_control(&g, "GET", "switches"), 200);
    EQ_INT(get_int(g.body, "limit_cap"), 200);
    EQ_INT(rig_control(&g, "POST", "switches?reset=1"), 200);
    EQ_INT(get_int(g.body, "limit_cap"), 500);
    rig_close(&g);
}

TEST(control_refuses_what_it_does_not_know)
{
    struct rig g;

    rig_open(&g);
    EQ_INT(rig_send(&g, "GET", "/control/fusion/7/counts", NULL), 404);
    EQ_INT(rig_send(&g, "GET", "/control/fusion/x/counts", NULL), 404);
    EQ_INT(rig_control(&g, "POST", "nonsense"), 404);
    EQ_INT(rig_control(&g, "GET", "mutate?n=3"), 405);
    EQ_INT(rig_send(&g, "POST", "/control/fusion/all/invoice", NULL), 400);
    EQ_INT(rig_control(&g, "POST", "invoice?account=none"), 404);
    EQ_INT(rig_control(&g, "POST", "invoice/17?PurchaseOrder=x"), 404);
    EQ_INT(rig_control(&g, "POST", "credit_memo?invoice=17"), 409);
    EQ_INT(rig_control(&g, "POST", "receipt?amount=many"), 400);
    rig_close(&g);
}

SUITE(control, RUN(a_new_invoice_shows_and_can_be_changed),
      RUN(a_receipt_is_made_applied_unapplied_and_reversed),
      RUN(an_unidentified_receipt_can_be_identified),
      RUN(a_late_commit_appears_below_the_newest_stamp),
      RUN(organisations_and_persons_change_by_their_fusion_names),
      RUN(dumps_hold_everything_whatever_the_switches),
      RUN(mutations_are_told_and_seen_by_a_poll_from_before),
      RUN(switches_are_listed_set_and_reset),
      RUN(control_refuses_what_it_does_not_know))
