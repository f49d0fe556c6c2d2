/* SPDX-License-Identifier: UNLICENSED */
/*
 * payment: the ledger of applications to payments, rule by rule.
 */
#include "support.h"

#define RECEIPT "'StandardReceiptId':9,'Currency':'USD'"
#define APPLIED(invoice, amount)                                               \
    "{'ReferenceTransactionId':" #invoice ",'EnteredCurrency':'USD',"          \
    "'ApplicationAmount':" #amount "}"

TEST(what_came_and_went_back_makes_amounts_and_status)
{
    static const struct {
        const char *receipt, *rows, *initial, *refunds, *status;
    } cases[] = {
        {"", APPLIED(1, 500), "500", NULL, "succeeded"},
        {"", APPLIED(1, '505.58'), "505.58", NULL, "succeeded"},
        {"", APPLIED(1, 500) "," APPLIED(1, -500), "500", "500", "refunded"},
        {"", APPLIED(1, 500) "," APPLIED(1, -120.50), "500", "120.50",
         "partially_refunded"},
        {"", APPLIED(1, 300) "," APPLIED(1, 200.25) "," APPLIED(1, -100),
         "500.25", "100", "partially_refunded"},
        {"", APPLIED(1, 500) "," APPLIED(1, -500) "," APPLIED(1, 500), "1000",
         "500", "partially_refunded"},
        {"", APPLIED(1, -500), "0", "500", "refunded"},
        {"", APPLIED(1, 0) "," APPLIED(1, 7), "7", NULL, "succeeded"},
        {"", APPLIED(1, null) "," APPLIED(1, 7), "7", NULL, "succeeded"},
        {",'ReversalCategory':'NSF'", APPLIED(1, 500) "," APPLIED(1, -500),
         "500", "500", "failed"},
        {",'ReversalCategory':'NSF'", APPLIED(1, 500), "500", NULL, "failed"},
        {",'ReversalCategory':'Stop payment'",
         APPLIED(1, 500) "," APPLIED(1, -500), "500", "500", "failed"},
        {",'ReversalCategory':'Stopped Payment'",
         APPLIED(1, 500) "," APPLIED(1, -500), "500", "500", "failed"},
        {",'ReversalCategory':'Reverse payment'",
         APPLIED(1, 500) "," APPLIED(1, -500), "500", "500", "refunded"},
        {",'ReversalCategory':null", APPLIED(1, 0.1) "," APPLIED(1, 0.2), "0.3",
         NULL, "succeeded"},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        size_t n;
        struct map_record *all = payments(
            arena_printf(arena(), "{" RECEIPT "%s,'UnappliedAmount':0}",
                         cases[i].receipt),
            arena_printf(arena(), "[%s]", cases[i].rows), &n);

        EQ_UINT(n, 2);
        EQ_STR(all[0].id, "9:1");
        EQ_STR(all[0].invoice, "1");
        EQ_STR(prop(&all[0], 0, "hs_initial_amount"), cases[i].initial);
        ck_assert_pstr_eq(prop(&all[0], 0, "hs_refunds_amount"),
                          cases[i].refunds);
        EQ_STR(prop(&all[0], 0, "hs_latest_status"), cases[i].status);
        EQ_STR(all[0].amount, cases[i].initial);
        EQ_STR(all[1].id, "9:unapplied");
        IS(is_gone(&all[1]));
    }
}

TEST(the_unapplied_rest_is_a_payment_until_it_is_zero)
{
    static const struct {
        const char *receipt, *rows, *amount; /* NULL: gone */
    } cases[] = {
        {"'UnappliedAmount':12.30", "[]", "12.30"},
        {"'UnappliedAmount':'12.30'", "[" APPLIED(1, 5) "]", "12.30"},
        {"'UnappliedAmount':0", "[]", NULL},
        {"'UnappliedAmount':'0.00'", "[]", NULL},
        {"'UnappliedAmount':-3", "[]", NULL},
        {"'UnappliedAmount':null,'Amount':'505.58'", "[]", "505.58"},
        {"'Amount':505.58", "null", "505.58"},
        {"'Amount':505.58", "[" APPLIED(1, 5) "]", NULL},
        {"'Amount':505.58,'ReversalDate':'2024-01-01'", "[]", NULL},
        {"'Amount':505.58,'ReversalCategory':'NSF'", "[]", NULL},
        {"'State':'Applied'", "[]", NULL},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        size_t n;
        struct map_record *all = payments(
            arena_printf(arena(), "{" RECEIPT ",%s}", cases[i].receipt),
            cases[i].rows, &n);
        struct map_record *rest = &all[n - 1];

        EQ_STR(rest->id, "9:unapplied");
        EQ_INT(is_gone(rest), cases[i].amount == NULL);
        ck_assert_pstr_eq(prop(rest, 0, "hs_initial_amount"), cases[i].amount);
        IS(rest->invoice == NULL);
        if (cases[i].amount != NULL) {
            EQ_STR(prop(rest, 0, "hs_currency_code"), "USD");
            EQ_STR(prop(rest, 0, "hs_latest_status"), "succeeded");
        }
    }
}

TEST(a_receipt_on_several_invoices_makes_one_payment_each)
{
    size_t n;
    struct map_record *all = payments(
        "{" RECEIPT ",'UnappliedAmount':1,'CustomerAccountNumber':'1008',"
        "'ReceiptNumber':'R-9','LastUpdateDate':'1970-01-01T00:00:05Z'}",
        "[{'ApplicationId':1,'ReferenceTransactionId':100,"
        "'ReferenceInstallmentId':1,'ApplicationAmount':10,"
        "'LastUpdateDate':'1970-01-01T00:00:09Z'},"
        "{'ApplicationId':2,'ReferenceTransactionId':20,"
        "'ApplicationAmount':7,'StandardReceiptId':9},"
        "{'ApplicationId':3,'ReferenceTransactionId':100,"
        "'ReferenceInstallmentId':2,'ApplicationAmount':5.5},"
        "{'ApplicationId':4,'ActivityName':'Write off',"
        "'ApplicationAmount':3},"
        "{'ApplicationId':5,'ReferenceTransactionId':30,"
        "'ApplicationAmount':8,'StandardReceiptId':10},"
        "{'ApplicationId':1,'ReferenceTransactionId':100,"
        "'ReferenceInstallmentId':1,'ApplicationAmount':11,"
        "'LastUpdateDate':'1970-01-01T00:00:08Z'}]",
        &n);

    EQ_UINT(n, 3);
    EQ_STR(all[0].id, "9:20");
    EQ_STR(prop(&all[0], 0, "hs_initial_amount"), "7");
    EQ_INT(all[0].version_us, 5000000);
    EQ_STR(all[1].id, "9:100");
    EQ_STR(prop(&all[1], 0, "hs_initial_amount"), "15.5");
    EQ_INT(all[1].version_us, 9000000);
    EQ_STR(all[2].id, "9:unapplied");
    for (size_t i = 0; i < n; i++) {
        EQ_STR(all[i].customer, "1008");
        EQ_STR(all[i].receipt, "9");
        EQ_STR(all[i].number, "R-9");
        EQ_STR(prop(&all[i], 0, "hs_reference_number"), "R-9");
        EQ_STR(prop(&all[i], 0, "fusion_receipt_number"), "R-9");
        EQ_STR(prop(&all[i], 0, "hs_processor_type"), "none");
        EQ_STR(prop(&all[i], 0, "fusion_receipt_id"), "9");
        IS(prop(&all[i], 0, "hs_customer_email") == NULL);
    }
}

TEST(the_order_of_applications_changes_nothing)
{
    size_t n;
    struct map_record *a =
        payments("{" RECEIPT "}",
                 "[{'ApplicationId':1,'ReferenceTransactionId':1,"
                 "'ApplicationAmount':10},{'ApplicationId':2,"
                 "'ReferenceTransactionId':2,'ApplicationAmount':4},{"
                 "'ApplicationId':3,'ReferenceTransactionId':1,"
                 "'ApplicationAmount':-2}]",
                 &n);
    struct map_record *b =
        payments("{" RECEIPT "}",
                 "[{'ApplicationId':3,'ReferenceTransactionId':1,"
                 "'ApplicationAmount':-2},{'ApplicationId':2,"
                 "'ReferenceTransactionId':2,'ApplicationAmount':4},{"
                 "'ApplicationId':1,'ReferenceTransactionId':1,"
                 "'ApplicationAmount':10}]",
                 &n);

    EQ_UINT(n, 3);
    for (size_t i = 0; i < n; i++) {
        EQ_STR(a[i].desired, b[i].desired);
        EQ_MEM(&a[i].hash, &b[i].hash, sizeof(a[i].hash));
    }
}

TEST(the_currency_is_that_of_the_application)
{
    size_t n;
    struct map_record *all =
        payments("{" RECEIPT ",'UnappliedAmount':4}",
                 "[{'ReferenceTransactionId':1,'ApplicationAmount':10,"
                 "'EnteredCurrency':'EUR'},"
                 "{'ReferenceTransactionId':2,'ApplicationAmount':10}]",
                 &n);

    EQ_STR(prop(&all[0], 0, "hs_currency_code"), "EUR");
    EQ_STR(all[0].currency, "EUR");
    EQ_STR(prop(&all[1], 0, "hs_currency_code"), "USD");
    EQ_STR(prop(&all[2], 0, "hs_currency_code"), "USD");
}

TEST(receipt_fallbacks_and_forms)
{
    static const struct {
        const char *row, *name, *value;
    } cases[] = {
        {"'State':'Applied','Status':'Cleared'", "fusion_receipt_status",
         "Applied"},
        {"'State':null,'Status':'Cleared'", "fusion_receipt_status", "Cleared"},
        {"'State':null", "fusion_receipt_status", NULL},
        {"'ReceiptDate':'2018-11-06'", "hs_initiated_date",
         "2018-11-06T00:00:00Z"},
        {"'ReceiptDate':null", "hs_initiated_date", NULL},
        {"'ReceiptMethod':'Wire'", "hs_payment_method_type", "wire_transfer"},
        {"'ReceiptMethod':null", "hs_payment_method_type", NULL},
        {"'ReceiptNumber':1007", "hs_reference_number", "1007"},
        {"'ReceiptNumber':null", "fusion_receipt_number", NULL},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        size_t n;
        struct map_record *all = payments(
            arena_printf(arena(), "{" RECEIPT ",'UnappliedAmount':1,%s}",
                         cases[i].row),
            "[]", &n);

        ck_assert_pstr_eq(prop(&all[0], 0, cases[i].name), cases[i].value);
    }
}

TEST(keys_of_payments_start_with_the_prefix)
{
    struct map_record *all;
    size_t n;

    EQ_INT(map_payments(prefixed("x:"), arena(),
                        q("{" RECEIPT ",'UnappliedAmount':1}"),
                        q("[" APPLIED(4, 2) "]"), &all, &n, &fault),
           MAP_RECORD);
    EQ_UINT(n, 2);
    EQ_STR(all[0].id, "9:4");
    EQ_STR(prop(&all[0], 0, "fusion_payment_key"), "x:9:4");
    EQ_STR(prop(&all[0], 0, "fusion_receipt_id"), "9");
    EQ_STR(prop(&all[1], 0, "fusion_payment_key"), "x:9:unapplied");
}

TEST(an_unidentified_receipt_has_no_customer)
{
    size_t n;
    struct map_record *all = payments(
        "{" RECEIPT ",'CustomerAccountNumber':null,'UnappliedAmount':1}", "[]",
        &n);

    IS(all[0].customer == NULL);
}

TEST(what_cannot_be_a_payment_says_which_attribute)
{
    static const struct {
        const char *receipt, *rows, *says;
    } cases[] = {
        {"7", "[]", "expected an object"},
        {"{}", "[]", "StandardReceiptId: expected an id, found nothing"},
        {"{'StandardReceiptId':{}}", "[]", "StandardReceiptId"},
        {"{'StandardReceiptId':'R1'}", "[]", "StandardReceiptId"},
        {"{" RECEIPT ",'UnappliedAmount':'lots'}", "[]", "UnappliedAmount"},
        {"{" RECEIPT ",'CustomerAccountNumber':[]}", "[]",
         "CustomerAccountNumber"},
        {"{'StandardReceiptId':9,'Currency':'dollars'}", "[]", "Currency"},
        {"{" RECEIPT "}", "'none'",
         "standardReceiptApplications: expected a list, found text"},
        {"{" RECEIPT "}", "[7]", "standardReceiptApplications[0]: expected"},
        {"{" RECEIPT "}", "[" APPLIED(1, 'x') "]",
         "standardReceiptApplications[0].ApplicationAmount"},
        {"{" RECEIPT "}",
         "[{'ReferenceTransactionId':{},'ApplicationAmount':1}]",
         "ReferenceTransactionId"},
        {"{" RECEIPT "}",
         "[" APPLIED(1, 1) ",{'ReferenceTransactionId':1,"
                           "'ApplicationAmount':1,'EnteredCurrency':'EUR'}]",
         "EnteredCurrency: the applications on transaction 1"},
        {"{" RECEIPT "}", "[" APPLIED(1, 1E70) "," APPLIED(1, 1E-20) "]",
         "ApplicationAmount: the sum has more than"},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        HAS(invalid_payments(cases[i].receipt, cases[i].rows), cases[i].says);
    }
}

TEST(receipts_of_other_business_units_are_filtered)
{
    static const char *const units[] = {"A", NULL};
    struct map_options o = {.business_units = units};
    struct map_record *all;
    struct mapping *m;
    size_t n = 7;

    OK(map_new(&o, &m, &fault));
    EQ_INT(map_payments(m, arena(), q("{" RECEIPT ",'BusinessUnit':'B'}"), NULL,
                        &all, &n, &fault),
           MAP_FILTERED);
    EQ_UINT(n, 0);
    EQ_INT(map_payments(m, arena(), q("{" RECEIPT ",'BusinessUnit':'A'}"), NULL,
                        &all, &n, &fault),
           MAP_RECORD);
    EQ_UINT(n, 1);
    map_free(m);
}

TEST(notes_on_the_receipt_are_told_once)
{
    size_t n;
    struct map_record *all =
        payments("{" RECEIPT ",'ReceiptNumber':['x'],'UnappliedAmount':1}",
                 "[" APPLIED(1, 5) "]", &n);

    EQ_UINT(n, 2);
    IS(note_of(&all[0], "value_ignored") != NULL);
    HAS(note_of(&all[0], "value_ignored"), "ReceiptNumber");
}

TEST(a_receipt_is_open_until_its_money_and_its_life_are_settled)
{
    static const struct {
        const char *receipt;
        bool open;
    } cases[] = {
        {",'UnappliedAmount':0,'Status':'Cleared'", false},
        {",'UnappliedAmount':'0.00','Status':'CLEARED'", false},
        {",'UnappliedAmount':0,'Status':'Reversed'", false},
        {",'UnappliedAmount':5,'Status':'Cleared'", true},
        {",'UnappliedAmount':-5,'Status':'Cleared'", true},
        {",'UnappliedAmount':0,'Status':'Confirmed'", true},
        {",'UnappliedAmount':0,'Status':'Remitted'", true},
        {",'UnappliedAmount':0,'Status':'Not cleared'", true},
        {",'UnappliedAmount':0,'Status':null", true},
        {",'UnappliedAmount':0", true},
        {",'Status':'Reversed','ReversalDate':'2024-01-01'", false},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        size_t n;
        struct map_record *all =
            payments(arena_printf(arena(), "{" RECEIPT "%s}", cases[i].receipt),
                     "[" APPLIED(1, 5) "]", &n);

        EQ_UINT(n, 2);
        NOT(all[0].open); /* it is the receipt that is read again */
        EQ_INT(all[1].open, cases[i].open);
        NOT(all[1].draft);
        IS(all[1].balance == NULL);
    }
}

/* Only the amount says so: it is a new one, and no part of the hash. */
TEST(whether_a_receipt_is_open_is_no_part_of_its_hash)
{
    size_t n;
    struct map_record *a = payments(
        "{" RECEIPT ",'UnappliedAmount':0,'State':'X','Status':'Cleared'}",
        "[]", &n);
    struct map_record *b = payments(
        "{" RECEIPT ",'UnappliedAmount':0,'State':'X','Status':'Confirmed'}",
        "[]", &n);

    NOT(a[0].open);
    IS(b[0].open);
    EQ_MEM(&a[0].hash, &b[0].hash, sizeof(a[0].hash));
}

SUITE(payment, RUN(what_came_and_went_back_makes_amounts_and_status),
      RUN(the_unapplied_rest_is_a_payment_until_it_is_zero),
      RUN(a_receipt_on_several_invoices_makes_one_payment_each),
      RUN(the_order_of_applications_changes_nothing),
      RUN(the_currency_is_that_of_the_application),
      RUN(receipt_fallbacks_and_forms),
      RUN(keys_of_payments_start_with_the_prefix),
      RUN(an_unidentified_receipt_has_no_customer),
      RUN(what_cannot_be_a_payment_says_which_attribute),
      RUN(receipts_of_other_business_units_are_filtered),
      RUN(notes_on_the_receipt_are_told_once),
      RUN(a_receipt_is_open_until_its_money_and_its_life_are_settled),
      RUN(whether_a_receipt_is_open_is_no_part_of_its_hash))
