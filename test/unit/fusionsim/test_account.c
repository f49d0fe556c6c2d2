/* SPDX-License-Identifier: UNLICENSED */
/* Accounts and what hangs below them; organisations and persons. */
#include "fixture.h"

#define ACCOUNTS FSCM "receivablesCustomerAccountActivities"
#define WIDE                                                                   \
    "finder=StandardReceiptApplicationsFinder;ApplicationLimitByDays=3650"

/* The net of an invoice's applications from all its payers, by REST. */
static int64_t
net_of_account(struct rig *g, uint32_t customer, const char *child,
               const char *finder, int64_t invoice)
{
    int64_t net = 0;
    const struct customer *c = &rig_world(g)->customers[customer];
    char *href = NULL;

    EQ_INT(rig_get(g, ACCOUNTS "?q=AccountNumber='%s'", c->number), 200);
    EQ_INT(items(g), 1);
    href = mem_strdup(get_text(
        json_array_get(json_object_get(item(g, 0), "links"), 0), "href"));
    EQ_INT(rig_get(g,
                   "%s/child/%s?limit=500&onlyData=true&%s&"
                   "q=ReferenceTransactionId=%" PRId64,
                   strchr(href + 8, '/'), child, finder, invoice),
           200);
    for (size_t i = 0; i < items(g); i++) {
        EQ_INT(get_int(item(g, i), "ReferenceTransactionId"), invoice);
        net += get_amount(item(g, i), "ApplicationAmount");
    }
    mem_free(href);
    return net;
}

TEST(applications_of_own_and_other_payers_add_up_to_what_is_paid)
{
    struct rig g;
    const struct world *w = NULL;
    size_t seen = 0;

    rig_open(&g);
    w = rig_world(&g);
    for (uint32_t v = 0; v < w->n[K_INVOICE] && seen < 60; v++) {
        const struct invoice *i = &w->invoices[v];
        int64_t paid = 0;

        for (unsigned k = 0; k < i->n_inst; k++) {
            paid += i->inst[k].paid;
        }
        if (i->first_app == NONE) {
            continue;
        }
        seen++;
        EQ_INT(net_of_account(&g, i->customer, "standardReceiptApplications",
                              WIDE, world_id(w, K_INVOICE, v)) +
                   net_of_account(
                       &g, i->customer, "transactionsPaidByOtherCustomers",
                       "finder=TransactionsPaidByOtherCustomersFinder;"
                       "ApplicationLimitByDays=3650",
                       world_id(w, K_INVOICE, v)),
               paid);
    }
    EQ_INT(seen, 60);
    rig_close(&g);
}

TEST(a_receipt_for_anothers_invoice_shows_on_both_sides_with_one_id)
{
    struct rig g;
    struct world *w = NULL;
    uint32_t v = 0;
    uint32_t other = 0;
    uint32_t r = 0;
    int64_t id = 0;

    rig_open(&g);
    w = rig_world(&g);
    v = op_invoice(w, 1, 2, 0, g.now_us);
    other = 2;
    w->customers[1].hashed = false;
    w->customers[2].hashed = false;
    r = op_receipt(w, other, 0, 500000, g.now_us);
    IS(op_apply(w, r, v, 10000, g.now_us) > 0);
    EQ_INT(rig_get(&g,
                   ACCOUNTS "/%" PRId64 "/child/standardReceiptApplications?"
                            "q=StandardReceiptId=%" PRId64,
                   world_id(w, K_CUSTOMER, other), world_id(w, K_RECEIPT, r)),
           200);
    EQ_INT(items(&g), 1);
    id = get_int(item(&g, 0), "ApplicationId");
    EQ_INT(rig_get(&g,
                   ACCOUNTS "/%" PRId64
                            "/child/transactionsPaidByOtherCustomers?"
                            "q=ReferenceTransactionId=%" PRId64,
                   world_id(w, K_CUSTOMER, 1), world_id(w, K_INVOICE, v)),
           200);
    EQ_INT(items(&g), 1);
    EQ_INT(get_int(item(&g, 0), "ApplicationId"), id);
    rig_close(&g);
}

TEST(old_applications_hide_unless_the_finder_names_the_days)
{
    struct rig g;
    struct world *w = NULL;
    uint32_t v = 0;
    uint32_t r = 0;
    char url[256];

    rig_open(&g);
    w = rig_world(&g);
    v = op_invoice(w, 1, 2, 0, g.now_us);
    w->customers[1].hashed = false;
    r = op_receipt(w, 1, 0, 500000, g.now_us);
    IS(op_apply(w, r, v, 10000, g.now_us - INT64_C(100) * 86400 * 1000000) > 0);
    (void)snprintf(url, sizeof(url),
                   ACCOUNTS "/%" PRId64 "/child/standardReceiptApplications?"
                            "q=StandardReceiptId=%" PRId64,
                   world_id(w, K_CUSTOMER, 1), world_id(w, K_RECEIPT, r));
    EQ_INT(rig_get(&g, "%s", url), 200);
    EQ_INT(items(&g), 0);
    EQ_INT(rig_get(&g, "%s&%s", url, WIDE), 200);
    EQ_INT(items(&g), 1);
    EQ_INT(rig_get(&g,
                   "%s&finder=StandardReceiptApplicationsFinder;"
                   "ApplicationLimitByDays=99",
                   url),
           200);
    EQ_INT(items(&g), 0);
    rig_switch(&g, "window_days", 0);
    EQ_INT(rig_get(&g, "%s", url), 200);
    EQ_INT(items(&g), 1);
    rig_close(&g);
}

TEST(an_account_with_an_opaque_key_refuses_its_number)
{
    struct rig g;
    int64_t id = 0;
    const char *href = NULL;
    char *path = NULL;

    rig_open(&g);
    rig_world(&g)->customers[4].hashed = true;
    id = world_id(rig_world(&g), K_CUSTOMER, 4);
    EQ_INT(rig_get(&g, ACCOUNTS "/%" PRId64, id), 404);
    EQ_INT(rig_get(&g, ACCOUNTS "?q=AccountId=%" PRId64, id), 200);
    href = get_text(json_array_get(json_object_get(item(&g, 0), "links"), 0),
                    "href");
    HAS(href, "/00010000000EACED00057708");
    path = mem_strdup(strchr(href + 8, '/'));
    EQ_INT(rig_get(&g, "%s/child/standardReceipts", path), 200);
    EQ_INT(rig_get(&g, "%s", path), 200);
    EQ_INT(get_int(g.body, "AccountId"), id);
    rig_switch(&g, "hashed_keys", 0);
    EQ_INT(rig_get(&g, ACCOUNTS "/%" PRId64, id), 200);
    mem_free(path);
    rig_close(&g);
}

TEST(a_reversal_adds_a_negative_row)
{
    struct rig g;
    struct world *w = NULL;
    uint32_t v = 0;
    uint32_t r = 0;

    rig_open(&g);
    w = rig_world(&g);
    w->customers[1].hashed = false;
    v = op_invoice(w, 1, 1, 0, g.now_us);
    r = op_receipt(w, 1, 0, 10000, g.now_us);
    EQ_INT(op_apply(w, r, v, 10000, g.now_us), 10000);
    EQ_INT(rig_control(&g, "POST", "receipt/%" PRId64 "/reverse?category=NSF",
                       world_id(w, K_RECEIPT, r)),
           200);
    EQ_INT(rig_get(&g,
                   ACCOUNTS
                   "/%" PRId64 "/child/standardReceiptApplications?"
                   "orderBy=ApplicationId&q=StandardReceiptId=%" PRId64,
                   world_id(w, K_CUSTOMER, 1), world_id(w, K_RECEIPT, r)),
           200);
    EQ_INT(items(&g), 2);
    EQ_INT(get_amount(item(&g, 0), "ApplicationAmount"), 10000);
    EQ_STR(get_text(item(&g, 0), "IsLatestApplication"), "N");
    EQ_INT(get_amount(item(&g, 1), "ApplicationAmount"), -10000);
    EQ_STR(get_text(item(&g, 1), "IsLatestApplication"), "Y");
    EQ_INT(rig_get(&g, FSCM "standardReceipts/%" PRId64,
                   world_id(w, K_RECEIPT, r)),
           200);
    EQ_STR(get_text(g.body, "ReversalCategory"), "NSF");
    EQ_STR(get_text(g.body, "Status"), "Reversed");
    rig_close(&g);
}

TEST(money_on_account_is_a_row_without_an_invoice)
{
    struct rig g;
    struct world *w = NULL;
    uint32_t r = 0;

    rig_open(&g);
    w = rig_world(&g);
    w->customers[1].hashed = false;
    r = op_receipt(w, 1, 0, 10000, g.now_us);
    EQ_INT(rig_control(&g, "POST", "receipt/%" PRId64 "/on_account?amount=7.5",
                       world_id(w, K_RECEIPT, r)),
           200);
    EQ_INT(rig_get(&g,
                   ACCOUNTS "/%" PRId64 "/child/standardReceiptApplications?"
                            "q=StandardReceiptId=%" PRId64,
                   world_id(w, K_CUSTOMER, 1), world_id(w, K_RECEIPT, r)),
           200);
    EQ_INT(items(&g), 1);
    EQ_INT(get_amount(item(&g, 0), "ApplicationAmount"), 7500);
    EQ_STR(get_text(item(&g, 0), "ActivityName"), "On Account");
    EQ_STR(get_text(item(&g, 0), "EnteredCurrency"), "USD");
    IS(json_is_null(json_object_get(item(&g, 0), "ReferenceTransactionId")));
    EQ_INT(w->receipts[r].unapplied, 2500);
    EQ_INT(rig_control(&g, "POST", "receipt/%" PRId64 "/reverse",
                       world_id(w, K_RECEIPT, r)),
           200);
    EQ_INT(w->receipts[r].unapplied, 0);
    EQ_INT(rig_control(&g, "GET", "dump/receipts/%" PRId64,
                       world_id(w, K_RECEIPT, r)),
           200);
    EQ_INT(json_array_size(json_object_get(
               json_array_get(json_object_get(g.body, "receipts"), 0),
               "applications")),
           2);
    rig_close(&g);
}

TEST(receipts_show_states_and_amounts_of_both_types)
{
    struct rig g;
    size_t strings = 0;
    size_t unknown = 0;

    rig_open(&g);
    EQ_INT(rig_get(&g, FSCM "standardReceipts?limit=500&onlyData=true"), 200);
    for (size_t i = 0; i < items(&g); i++) {
        json_t *r = item(&g, i);
        bool none = json_is_null(json_object_get(r, "CustomerAccountNumber"));

        strings += json_is_string(json_object_get(r, "Amount"));
        unknown += none;
        EQ_INT(none, strcmp(get_text(r, "State"), "Unidentified") == 0);
        if (strcmp(get_text(r, "State"), "Applied") == 0) {
            EQ_INT(get_amount(r, "UnappliedAmount"), 0);
        }
    }
    IS(strings > 30 && strings < 200 && unknown > 0);
    rig_switch(&g, "text_amounts", 1);
    EQ_INT(rig_get(&g, FSCM "standardReceipts?limit=5&onlyData=true"), 200);
    for (size_t i = 0; i < 5; i++) {
        IS(json_is_string(json_object_get(item(&g, i), "Amount")));
    }
    rig_close(&g);
}

TEST(paying_stamps_the_receipt_and_not_the_invoice)
{
    struct rig g;
    struct world *w = NULL;
    uint32_t v = 0;
    uint32_t r = 0;
    int64_t later = 0;

    rig_open(&g);
    w = rig_world(&g);
    later = g.now_us + 5000000;
    for (int bump = 0; bump < 2; bump++) {
        rig_switch(&g, "payments_bump_invoice", bump);
        v = op_invoice(w, 1, 1, 0, g.now_us);
        r = op_receipt(w, 1, 0, 10000, g.now_us);
        EQ_INT(op_apply(w, r, v, 10000, later), 10000);
        EQ_INT(w->receipts[r].stamp, later);
        EQ_INT(w->invoices[v].stamp, bump ? later : g.now_us);
        EQ_INT(w->invoices[v].inst[0].stamp, later);
    }
    rig_close(&g);
}

TEST(a_full_credit_voids_and_shows_below_the_account)
{
    struct rig g;
    struct world *w = NULL;
    uint32_t v = 0;
    json_t *inst = NULL;

    rig_open(&g);
    w = rig_world(&g);
    w->customers[1].hashed = false;
    v = op_invoice(w, 1, 2, 0, g.now_us);
    EQ_INT(rig_control(&g, "POST", "credit_memo?invoice=%" PRId64,
                       world_id(w, K_INVOICE, v)),
           200);
    EQ_INT(rig_get(&g,
                   FSCM "receivablesInvoices/%" PRId64
                        "?expand=receivablesInvoiceInstallments",
                   world_id(w, K_INVOICE, v)),
           200);
    EQ_INT(get_amount(g.body, "InvoiceBalanceAmount"), 0);
    inst = json_array_get(
        json_object_get(
            json_object_get(g.body, "receivablesInvoiceInstallments"), "items"),
        0);
    EQ_INT(get_amount(inst, "AmountPaid"), 0);
    IS(get_amount(inst, "InstallmentAmountCredited") < 0);
    EQ_STR(get_text(inst, "InstallmentStatus"), "Closed");
    EQ_INT(rig_get(&g,
                   ACCOUNTS "/%" PRId64 "/child/creditMemoApplications?"
                            "q=ReferenceTransactionId=%" PRId64,
                   world_id(w, K_CUSTOMER, 1), world_id(w, K_INVOICE, v)),
           200);
    IS(items(&g) >= 1);
    rig_close(&g);
}

TEST(organisations_and_persons_are_found_by_party)
{
    struct rig g;
    const struct world *w = NULL;
    uint32_t p = 0;
    size_t persons = 0;

    rig_open(&g);
    w = rig_world(&g);
    for (p = 0; w->parties[p].first_person == NONE || !w->parties[p].has_org ||
                w->parties[p].n_classes == 0;
         p++) {
    }
    for (uint32_t i = w->parties[p].first_person; i != NONE;
         i = w->persons[i].next_of_party) {
        persons++;
    }
    EQ_INT(rig_get(&g,
                   CRM "hubOrganizations?q=PartyId in (%" PRId64
                       ")&expand=CustomerClassification&onlyData=true",
                   world_id(w, K_PARTY, p)),
           200);
    EQ_INT(items(&g), 1);
    EQ_STR(get_text(item(&g, 0), "OrganizationName"), w->parties[p].name);
    IS(json_is_true(json_object_get(
        json_array_get(
            json_object_get(
                json_object_get(item(&g, 0), "CustomerClassification"),
                "items"),
            0),
        "PrimaryFlag")));
    EQ_INT(rig_get(&g, CRM "hubOrganizations/%s", w->parties[p].number), 200);
    EQ_INT(rig_get(&g, CRM "hubPersons?q=OrganizationPartyId=%" PRId64,
                   world_id(w, K_PARTY, p)),
           200);
    EQ_INT(items(&g), persons);
    EQ_INT(rig_get(&g, CRM "hubOrganizations?limit=500&onlyData=true&finder="
                           "PartyUsageCodeRF;PartyUsageCode=SUPPLIER"),
           200);
    IS(items(&g) >= 2);
    EQ_INT(rig_get(&g, FSCM "hubOrganizations"), 404);
    rig_close(&g);
}

TEST(sites_join_accounts_to_parties)
{
    struct rig g;

    rig_open(&g);
    EQ_INT(rig_get(&g, FSCM "customerAccountSitesLOV?q=AccountNumber='%s'",
                   rig_world(&g)->customers[3].number),
           200);
    EQ_INT(items(&g), 1);
    EQ_INT(get_int(item(&g, 0), "CustomerAccountId"),
           world_id(rig_world(&g), K_CUSTOMER, 3));
    rig_close(&g);
}

SUITE(account,
      RUN_LONG(applications_of_own_and_other_payers_add_up_to_what_is_paid, 20),
      RUN(a_receipt_for_anothers_invoice_shows_on_both_sides_with_one_id),
      RUN(old_applications_hide_unless_the_finder_names_the_days),
      RUN(an_account_with_an_opaque_key_refuses_its_number),
      RUN(a_reversal_adds_a_negative_row),
      RUN(money_on_account_is_a_row_without_an_invoice),
      RUN(receipts_show_states_and_amounts_of_both_types),
      RUN(paying_stamps_the_receipt_and_not_the_invoice),
      RUN(a_full_credit_voids_and_shows_below_the_account),
      RUN(organisations_and_persons_are_found_by_party),
      RUN(sites_join_accounts_to_parties))
