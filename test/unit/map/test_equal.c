/* SPDX-License-Identifier: UNLICENSED */
/*
 * equal: comparison with what HubSpot gives back, and the hashes.
 */
#include "support.h"

TEST(properties_are_compared_by_value)
{
    static const struct {
        enum map_object o;
        const char *wanted, *found;
        bool equal;
    } cases[] = {
        {MAP_INVOICES, "{}", "{}", true},
        {MAP_INVOICES, "{'hs_number':'1'}", "{'hs_number':'1','x':'y'}", true},
        {MAP_INVOICES, "{'hs_number':'1'}", "{'hs_number':'01'}", false},
        {MAP_INVOICES, "{'hs_number':'1'}", "{'hs_number':null}", false},
        {MAP_INVOICES, "{'hs_number':'1'}", "{}", false},
        {MAP_INVOICES, "{'hs_amount_billed':'20'}",
         "{'hs_amount_billed':'20.0000'}", true},
        {MAP_INVOICES, "{'hs_amount_billed':'20.01'}",
         "{'hs_amount_billed':'20.0100001'}", false},
        {MAP_INVOICES, "{'hs_amount_billed':'20'}", "{'hs_amount_billed':20}",
         true},
        {MAP_INVOICES, "{'hs_amount_billed':'20'}", "{'hs_amount_billed':'x'}",
         false},
        {MAP_INVOICES, "{'fusion_balance_due':'0.0'}",
         "{'fusion_balance_due':'0'}", true},
        {MAP_INVOICES, "{'hs_due_date':'2024-01-01T00:00:00Z'}",
         "{'hs_due_date':'2024-01-01T00:00:00.000Z'}", true},
        {MAP_INVOICES, "{'hs_due_date':'2024-01-01T00:00:00Z'}",
         "{'hs_due_date':'1704067200000'}", true},
        {MAP_INVOICES, "{'hs_due_date':'2024-01-01T00:00:00Z'}",
         "{'hs_due_date':'2024-01-02T00:00:00Z'}", false},
        {MAP_INVOICES, "{'hs_due_date':'2024-01-01T00:00:00Z'}",
         "{'hs_due_date':''}", false},
        {MAP_INVOICES, "{'hs_due_date':'2024-01-01T00:00:00.1239Z'}",
         "{'hs_due_date':'2024-01-01T00:00:00.123Z'}", true},
        {MAP_INVOICES, "{'fusion_last_update':'2024-01-01T00:00:00.000Z'}",
         "{}", true},
        {MAP_CONTACTS, "{'email':'a@b.co'}", "{'email':'A@B.co'}", true},
        {MAP_CONTACTS, "{'email':'a@b.co'}", "{'email':'c@b.co'}", false},
        {MAP_CONTACTS, "{'email':'a@b.co'}", "{'email':'a@b.com'}", false},
        {MAP_CONTACTS, "{'lastname':'A'}", "{'lastname':'a'}", false},
        {MAP_COMPANIES, "{'zip':'01234'}", "{'zip':'1234'}", false},
        {MAP_LINE_ITEMS, "{'quantity':'2.0','price':'1'}",
         "{'quantity':'2','price':'1.00'}", true},
        {MAP_LINE_ITEMS, "{'fusion_line_amount':'1'}",
         "{'fusion_line_amount':'1.0'}", true},
        {MAP_PAYMENTS, "{'hs_customer_email':'a@b.co'}",
         "{'hs_customer_email':'A@b.co'}", true},
        {MAP_PAYMENTS, "{'own':'1'}", "{'own':'1.0'}", true},
        {MAP_PAYMENTS, "{'own':'2024-01-01T00:00:00Z'}",
         "{'own':'1704067200000'}", true},
        {MAP_PAYMENTS, "{'own':'a'}", "{'own':'b'}", false},
        {MAP_PAYMENTS, "[]", "{}", false},
        {MAP_PAYMENTS, "{'own':'a'}", "[]", false},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        ck_assert_msg(map_properties_equal(cases[i].o, q(cases[i].wanted),
                                           q(cases[i].found)) == cases[i].equal,
                      "%s and %s", cases[i].wanted, cases[i].found);
    }
}

TEST(a_long_row_of_digits_is_no_instant_and_no_overflow)
{
    IS(!map_properties_equal(
        MAP_INVOICES, q("{'hs_due_date':'2024-01-01T00:00:00Z'}"),
        q("{'hs_due_date':'99999999999999999999999999'}")));
}

TEST(hashes_of_properties_ignore_order_and_stamp)
{
    struct hash a = map_properties_hash(
        "{\"a\":\"1\",\"b\":\"2\",\"fusion_last_update\":\"x\"}");
    struct hash b = map_properties_hash(
        "{ \"b\" : \"2\", \"fusion_last_update\":\"y\", \"a\":\"1\"}");
    struct hash c = map_properties_hash("{\"a\":\"1\",\"b\":\"3\"}");
    struct hash d = map_properties_hash("{\"a\":\"1\"}");
    struct hash e = map_properties_hash("not json");

    EQ_MEM(&a, &b, sizeof(a));
    IS(memcmp(&a, &c, sizeof(a)) != 0);
    IS(memcmp(&a, &d, sizeof(a)) != 0);
    IS(memcmp(&a, &e, sizeof(a)) != 0);
}

TEST(the_hash_covers_kind_parents_and_status)
{
    static const char *const rows[] = {
        "{'CustomerTransactionId':7,'InvoiceCurrencyCode':'USD',"
        "'InvoiceStatus':'Incomplete'}",
        "{'CustomerTransactionId':8,'InvoiceCurrencyCode':'USD',"
        "'InvoiceStatus':'Incomplete'}",
        "{'CustomerTransactionId':7,'InvoiceCurrencyCode':'EUR',"
        "'InvoiceStatus':'Incomplete'}",
        "{'CustomerTransactionId':7,'InvoiceCurrencyCode':'USD',"
        "'InvoiceStatus':'Incomplete','BillToCustomerNumber':'1'}",
        "{'CustomerTransactionId':7,'InvoiceCurrencyCode':'USD',"
        "'InvoiceStatus':'Complete'}",
    };
    struct map_record r[COUNT_OF(rows)];

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        r[i] = invoice(rows[i]);
        for (size_t k = 0; k < i; k++) {
            IS(memcmp(&r[i].hash, &r[k].hash, sizeof(r[i].hash)) != 0);
        }
    }
}

TEST(the_customer_of_a_payment_is_in_its_hash)
{
    size_t n;
    struct map_record *a =
        payments("{'StandardReceiptId':1,'UnappliedAmount':1,"
                 "'CustomerAccountNumber':'1'}",
                 "[]", &n);
    struct map_record *b =
        payments("{'StandardReceiptId':1,'UnappliedAmount':1,"
                 "'CustomerAccountNumber':'2'}",
                 "[]", &n);

    EQ_STR(a[0].desired, b[0].desired);
    IS(memcmp(&a[0].hash, &b[0].hash, sizeof(a[0].hash)) != 0);
}

SUITE(equal, RUN(properties_are_compared_by_value),
      RUN(a_long_row_of_digits_is_no_instant_and_no_overflow),
      RUN(hashes_of_properties_ignore_order_and_stamp),
      RUN(the_hash_covers_kind_parents_and_status),
      RUN(the_customer_of_a_payment_is_in_its_hash))
