/* SPDX-License-Identifier: UNLICENSED */
/*
 * invoice: every rule and fallback of invoices and lines, one table or test
 * each. Rows are as short as the rule allows.
 */
#include "support.h"

#define HEAD "'CustomerTransactionId':77,'InvoiceCurrencyCode':'USD'"
#define ONE_LINE                                                               \
    "'receivablesInvoiceLines':[{'CustomerTransactionLineId':1,"               \
    "'LineNumber':1,'LineAmount':10}]"
#define INSTALLMENTS(list) "'receivablesInvoiceInstallments':[" list "]"
#define LINES(list) "'receivablesInvoiceLines':[" list "]"

TEST(status_follows_invoice_status_balance_and_payments)
{
    static const struct {
        const char *row, *status, *held;
        bool open;
    } cases[] = {
        {"'InvoiceStatus':'Incomplete','EnteredAmount':5," ONE_LINE, "draft",
         "", true},
        {"'InvoiceStatus':'Incomplete','EnteredAmount':5", "draft", "", true},
        {"'InvoiceStatus':'Complete','EnteredAmount':5," ONE_LINE, "open", "",
         true},
        {"'InvoiceStatus':'Frozen','EnteredAmount':5," ONE_LINE, "open", "",
         true},
        {"'InvoiceStatus':'COMPLETE','EnteredAmount':5," ONE_LINE, "open", "",
         true},
        {"'InvoiceStatus':'Complete','EnteredAmount':-5," ONE_LINE, "open", "",
         true},
        {"'InvoiceStatus':'Complete','EnteredAmount':5," ONE_LINE
         "," INSTALLMENTS("{'InstallmentBalanceDue':0,'AmountPaid':5}"),
         "paid", "", false},
        {"'InvoiceStatus':'Complete','EnteredAmount':5," ONE_LINE
         "," INSTALLMENTS("{'InstallmentBalanceDue':'0.00','AmountPaid':1,"
                          "'InstallmentAmountCredited':-4}"),
         "paid", "", false},
        {"'InvoiceStatus':'Frozen','EnteredAmount':5," ONE_LINE
         "," INSTALLMENTS("{'InstallmentBalanceDue':0,'AmountPaid':0,"
                          "'InstallmentAmountCredited':-5}"),
         "voided", "", false},
        {"'InvoiceStatus':'Complete','EnteredAmount':5," ONE_LINE
         "," INSTALLMENTS("{'InstallmentBalanceDue':0,"
                          "'InstallmentAmountAdjusted':-5}"),
         "voided", "", false},
        {"'InvoiceStatus':'Complete','EnteredAmount':0," ONE_LINE
         "," INSTALLMENTS("{'InstallmentBalanceDue':0,'AmountPaid':0}"),
         "paid", "", false},
        {"'InvoiceStatus':'Complete','EnteredAmount':'0.00'," ONE_LINE, "paid",
         "", false},
        {"'InvoiceStatus':'Complete','EnteredAmount':5,"
         "'InvoiceBalanceAmount':0," ONE_LINE,
         "paid", "", false},
        {"'InvoiceStatus':'Complete','EnteredAmount':5", "", "no_lines", true},
        {"'InvoiceStatus':'Complete','EnteredAmount':5," LINES(""), "",
         "no_lines", true},
        {"'InvoiceStatus':'Complete'," ONE_LINE, "", "no_balance", true},
        {"'InvoiceStatus':'Pending','EnteredAmount':5," ONE_LINE, "",
         "status_unknown", true},
        {"'EnteredAmount':5," ONE_LINE, "", "status_unknown", true},
        {"'InvoiceStatus':null,'EnteredAmount':0," ONE_LINE, "",
         "status_unknown", false},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct map_record r =
            invoice(arena_printf(arena(), "{" HEAD ",%s}", cases[i].row));

        EQ_STR(status_of(&r), cases[i].status);
        EQ_STR(held_of(&r), cases[i].held);
        EQ_INT(r.open, cases[i].open);
    }
}

TEST(balance_and_credits_come_from_the_installments)
{
    static const struct {
        const char *row, *balance, *credited;
    } cases[] = {
        {"'EnteredAmount':30", "30", "0"},
        {"'EnteredAmount':30,'InvoiceBalanceAmount':'12.50'", "12.50", "0"},
        {"'EnteredAmount':30,'InvoiceBalanceAmount':12.5,"
         "'ConversionRate':1.1",
         "30", "0"},
        {"'InvoiceBalanceAmount':12.5,'ConversionRate':1.1", NULL, "0"},
        {"'EnteredAmount':30,'InvoiceBalanceAmount':9," INSTALLMENTS(""), "9",
         "0"},
        {"'EnteredAmount':30,'ConversionRate':1.1," INSTALLMENTS(
             "{'InstallmentBalanceDue':10.10},{'InstallmentBalanceDue':'5'},"
             "{'InstallmentBalanceDue':0.001}"),
         "15.101", "0"},
        {"'EnteredAmount':30," INSTALLMENTS(
             "{'InstallmentBalanceDue':10},{'InstallmentBalanceDue':null}"),
         "30", "0"},
        {"'EnteredAmount':30," INSTALLMENTS(
             "{'InstallmentBalanceDue':10,'InstallmentAmountCredited':-7.25,"
             "'InstallmentAmountAdjusted':-0.75},"
             "{'InstallmentBalanceDue':2,'InstallmentAmountCredited':-10}"),
         "12", "18.00"},
        {"'EnteredAmount':30," INSTALLMENTS(
             "{'InstallmentBalanceDue':40,'InstallmentAmountAdjusted':10}"),
         "40", "0"},
        {"'EnteredAmount':30," INSTALLMENTS(
             "{'InstallmentBalanceDue':0.1},{'InstallmentBalanceDue':0.2}"),
         "0.3", "0"},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct map_record r =
            invoice(arena_printf(arena(), "{" HEAD ",%s}", cases[i].row));
        const char *balance = prop(&r, 0, "fusion_balance_due");

        ck_assert_pstr_eq(balance, cases[i].balance);
        EQ_STR(prop(&r, 0, "fusion_amount_credited"), cases[i].credited);
    }
}

TEST(header_fallbacks_and_forms)
{
    static const struct {
        const char *row, *name, *value;
    } cases[] = {
        {"'TransactionDate':'2024-02-29'", "hs_due_date",
         "2024-02-29T00:00:00Z"},
        {"'TransactionDate':'2024-02-29','DueDate':'2024-03-30'", "hs_due_date",
         "2024-03-30T00:00:00Z"},
        {"'TransactionDate':'2024-02-29','DueDate':'soon'", "hs_due_date",
         "2024-02-29T00:00:00Z"},
        {"'TransactionDate':'2024-02-30'", "hs_invoice_date", NULL},
        {"'DueDate':'2024-03-30'", "hs_invoice_date", NULL},
        {"'TransactionDate':'2024-01-01T23:30:00.000-07:00'", "hs_invoice_date",
         "2024-01-01T00:00:00Z"},
        {"'LastUpdateDate':'2024-01-01T23:30:00.123456789-07:00'",
         "fusion_last_update", "2024-01-02T06:30:00.123Z"},
        {"'LastUpdateDate':'2024-01-01 23:30:00'", "fusion_last_update",
         "2024-01-01T23:30:00.000Z"},
        {"'LastUpdateDate':'yesterday'", "fusion_last_update", NULL},
        {"'EnteredAmount':1.10", "hs_amount_billed", "1.10"},
        {"'EnteredAmount':'1.10'", "hs_amount_billed", "1.10"},
        {"'EnteredAmount':1E2", "hs_amount_billed", "100"},
        {"'EnteredAmount':-7", "hs_amount_billed", "-7"},
        {"'EnteredAmount':null", "hs_amount_billed", NULL},
        {"'EnteredAmount':123456789012345678901234567890.12345678901",
         "hs_amount_billed", "123456789012345678901234567890.12345678901"},
        {"'EnteredAmount':90071992547409.93", "hs_amount_billed",
         "90071992547409.93"},
        {"'TransactionNumber':10071", "hs_number", "10071"},
        {"'TransactionNumber':null", "hs_number", NULL},
        {"'TransactionNumber':'  '", "hs_number", NULL},
        {"'TransactionNumber':'A-1'", "fusion_transaction_number", "A-1"},
        {"'PurchaseOrder':'PO \\u0022x\\u0022 \\u00e9\\ud83d\\ude00'",
         "hs_purchase_order_number", "PO \"x\" \xc3\xa9\xf0\x9f\x98\x80"},
        {"'BillToCustomerNumber':1008", "fusion_account_number", "1008"},
        {"'InvoiceStatus':'Frozen'", "fusion_status", "Frozen"},
        {"'InvoiceStatus':'Frozen'", "hs_currency", "USD"},
        {"'InvoiceStatus':'Frozen'", "hs_invoice_status", NULL},
        {"'InvoiceStatus':'Frozen'", "hs_invoice_billable", NULL},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct map_record r =
            invoice(arena_printf(arena(), "{" HEAD ",%s}", cases[i].row));

        ck_assert_pstr_eq(prop(&r, 0, cases[i].name), cases[i].value);
    }
}

TEST(numbers_as_strings_give_the_same_record)
{
    struct map_record a =
        invoice("{'CustomerTransactionId':77,'InvoiceCurrencyCode':'usd',"
                "'EnteredAmount':10.50," ONE_LINE "}");
    struct map_record b =
        invoice("{'CustomerTransactionId':'77','InvoiceCurrencyCode':'USD',"
                "'EnteredAmount':'10.50','receivablesInvoiceLines':[{"
                "'CustomerTransactionLineId':'1','LineNumber':'1',"
                "'LineAmount':'10'}]}");

    EQ_STR(a.desired, b.desired);
    EQ_STR(a.currency, "USD");
    EQ_MEM(&a.hash, &b.hash, sizeof(a.hash));
}

TEST(quantity_and_price_multiply_to_the_amount)
{
    static const struct {
        const char *line, *quantity, *price, *amount;
    } cases[] = {
        {"'Quantity':2,'UnitSellingPrice':1299.99,'LineAmount':2599.98", "2",
         "1299.99", "2599.98"},
        {"'Quantity':3,'UnitSellingPrice':0.333,'LineAmount':1.00", "3",
         "0.333", "1.00"},
        {"'Quantity':1.5,'UnitSellingPrice':2.25,'LineAmount':3.38", "1.5",
         "2.25", "3.38"},
        {"'Quantity':3,'UnitSellingPrice':0.33,'LineAmount':1.00", "1", "1.00",
         "1.00"},
        {"'Quantity':2,'UnitSellingPrice':0,'LineAmount':0", "2", "0", "0"},
        {"'Quantity':0,'UnitSellingPrice':5,'LineAmount':0", "1", "0", "0"},
        {"'Quantity':-2,'UnitSellingPrice':5,'LineAmount':-10", "1", "0",
         "-10"},
        {"'Quantity':-2,'UnitSellingPrice':-5,'LineAmount':10", "1", "10",
         "10"},
        {"'Quantity':2,'UnitSellingPrice':-5,'LineAmount':-10", "1", "0",
         "-10"},
        {"'Quantity':2,'UnitSellingPrice':5,'LineAmount':-10", "1", "0", "-10"},
        {"'LineAmount':7.70", "1", "7.70", "7.70"},
        {"'Quantity':null,'UnitSellingPrice':5,'LineAmount':7", "1", "7", "7"},
        {"'Quantity':2,'UnitSellingPrice':5", "2", "5", NULL},
        {"'Quantity':2", NULL, NULL, NULL},
        {"'Quantity':1,'UnitSellingPrice':1.2345,'LineAmount':1.234", "1",
         "1.234", "1.234"},
        {"'Quantity':1,'UnitSellingPrice':1.2345,'LineAmount':1.2345", "1",
         "1.2345", "1.2345"},
        {"'Quantity':1E30,'UnitSellingPrice':1E30,'LineAmount':1E60",
         "1000000000000000000000000000000", "1000000000000000000000000000000",
         "1000000000000000000000000000000000000000000000000000000000000"},
        {"'Quantity':1E40,'UnitSellingPrice':1E40,'LineAmount':5", "1", "5",
         "5"},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct map_record r = invoice(arena_printf(
            arena(),
            "{" HEAD "," LINES("{'CustomerTransactionLineId':1,%s}") "}",
            cases[i].line));

        ck_assert_pstr_eq(prop(&r, 1, "quantity"), cases[i].quantity);
        ck_assert_pstr_eq(prop(&r, 1, "price"), cases[i].price);
        ck_assert_pstr_eq(prop(&r, 1, "fusion_line_amount"), cases[i].amount);
    }
}

TEST(a_line_is_named_by_description_memo_line_or_item)
{
    static const struct {
        const char *line, *name, *description, *sku;
    } cases[] = {
        {"'Description':'D','MemoLine':'M','ItemNumber':'I'", "D", "M", "I"},
        {"'Description':'D','ItemNumber':'I'", "D", "I", "I"},
        {"'Description':'D'", "D", NULL, NULL},
        {"'MemoLine':'M','ItemNumber':'I'", "M", "I", "I"},
        {"'MemoLine':'M'", "M", NULL, NULL},
        {"'ItemNumber':'I'", "I", NULL, "I"},
        {"'Description':'','MemoLine':null,'ItemNumber':'I'", "I", NULL, "I"},
        {"'Description':null", NULL, NULL, NULL},
        {"'Description':['x'],'MemoLine':'M'", "M", NULL, NULL},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct map_record r = invoice(arena_printf(
            arena(),
            "{" HEAD "," LINES("{'CustomerTransactionLineId':1,%s}") "}",
            cases[i].line));

        ck_assert_pstr_eq(prop(&r, 1, "name"), cases[i].name);
        ck_assert_pstr_eq(prop(&r, 1, "description"), cases[i].description);
        ck_assert_pstr_eq(prop(&r, 1, "hs_sku"), cases[i].sku);
    }
}

TEST(lines_stand_in_line_order_and_each_id_once)
{
    struct map_record r = invoice(
        "{" HEAD "," LINES("{'CustomerTransactionLineId':5,'LineNumber':10},"
                           "{'CustomerTransactionLineId':100,'LineNumber':9},"
                           "{'CustomerTransactionLineId':99,'LineNumber':9},"
                           "{'CustomerTransactionLineId':1},"
                           "{'CustomerTransactionLineId':2,'LineNumber':1.5,"
                           "'LineAmount':1,"
                           "'LastUpdateDate':'2020-01-01T00:00:00Z'},"
                           "{'CustomerTransactionLineId':2,'LineNumber':1.5,"
                           "'LineAmount':2,"
                           "'LastUpdateDate':'2021-01-01T00:00:00Z'},"
                           "{'CustomerTransactionLineId':2,'LineNumber':1.5,"
                           "'LineAmount':3,"
                           "'LastUpdateDate':'2019-01-01T00:00:00Z'}") "}");
    static const char *const ids[] = {"2", "99", "100", "5", "1"};

    EQ_UINT(objects_of(&r), 6);
    for (size_t i = 0; i < COUNT_OF(ids); i++) {
        EQ_STR(prop(&r, i + 1, "fusion_line_id"), ids[i]);
        EQ_STR(prop(&r, i + 1, "fusion_transaction_id"), "77");
        EQ_STR(prop(&r, i + 1, "hs_line_item_currency_code"), "USD");
    }
    EQ_STR(prop(&r, 1, "fusion_line_amount"), "2");
    EQ_STR(prop(&r, 1, "fusion_line_number"), "1.5");
}

TEST(tax_and_freight_make_no_lines)
{
    struct map_record r = invoice(
        "{" HEAD ",'EnteredAmount':132,'FreightAmount':12,"
        "'receivablesInvoiceLines':{'items':[{'CustomerTransactionLineId':1,"
        "'LineAmount':100,'receivablesInvoiceLineTaxLines':{'items':["
        "{'CustomerTransactionLineId':9,'TaxAmount':20}]}}]}}");

    EQ_UINT(objects_of(&r), 2);
    EQ_STR(prop(&r, 0, "hs_amount_billed"), "132");
    EQ_STR(prop(&r, 1, "fusion_line_amount"), "100");
}

TEST(the_version_is_the_greatest_stamp_of_all_rows)
{
    struct map_record r =
        invoice("{" HEAD ",'LastUpdateDate':'1970-01-01T00:00:01Z',"
                "'receivablesInvoiceLines':[{'CustomerTransactionLineId':1,"
                "'LastUpdateDate':'1970-01-01T00:00:03+00:00'}],"
                "'receivablesInvoiceInstallments':[{"
                "'LastUpdateDate':'1970-01-01T01:00:02.5+01:00'}]}");

    EQ_INT(r.version_us, 3000000);
    r = invoice("{" HEAD "}");
    EQ_INT(r.version_us, 0);
}

TEST(the_record_tells_its_parents)
{
    struct map_record r =
        invoice("{" HEAD ",'BillToCustomerNumber':'A 1','BillToPartyId':5,"
                "'BillToCustomerName':'N','BillToContact':'C',"
                "'Email':'X@Example.COM','TransactionNumber':'T',"
                "'EnteredAmount':5.0}");

    EQ_STR(r.id, "77");
    EQ_STR(r.number, "T");
    EQ_STR(r.customer, "A 1");
    EQ_STR(r.party, "5");
    EQ_STR(r.account_name, "N");
    EQ_STR(r.contact_name, "C");
    EQ_STR(r.contact_email, "x@example.com");
    EQ_STR(r.amount, "5.0");
    EQ_STR(r.currency, "USD");
    r = invoice("{" HEAD ",'Email':'nobody'}");
    IS(r.customer == NULL && r.contact_email == NULL && r.amount == NULL);
    IS(prop(&r, 0, "fusion_account_number") == NULL);
}

TEST(keys_start_with_the_prefix_and_ids_do_not)
{
    struct map_record r = invoice_row(
        prefixed("emea-"), q("{" HEAD ",'BillToCustomerNumber':'1008',"
                             "'TransactionNumber':'T'," ONE_LINE "}"));

    EQ_STR(r.id, "77");
    EQ_STR(r.customer, "1008");
    EQ_STR(prop(&r, 0, "fusion_transaction_id"), "emea-77");
    EQ_STR(prop(&r, 0, "fusion_account_number"), "emea-1008");
    EQ_STR(prop(&r, 0, "fusion_transaction_number"), "T");
    EQ_STR(prop(&r, 1, "fusion_line_id"), "emea-1");
    EQ_STR(prop(&r, 1, "fusion_transaction_id"), "emea-77");
}

TEST(what_cannot_be_an_invoice_says_which_attribute)
{
    static const struct {
        const char *row, *says;
    } cases[] = {
        {"[]", "expected an object, found array"},
        {"{'InvoiceCurrencyCode':'USD'}", "CustomerTransactionId"},
        {"{'CustomerTransactionId':null,'InvoiceCurrencyCode':'USD'}",
         "CustomerTransactionId"},
        {"{'CustomerTransactionId':[],'InvoiceCurrencyCode':'USD'}",
         "CustomerTransactionId: expected an id, found array"},
        {"{'CustomerTransactionId':true,'InvoiceCurrencyCode':'USD'}",
         "CustomerTransactionId: expected an id, found boolean"},
        {"{'CustomerTransactionId':'7a','InvoiceCurrencyCode':'USD'}",
         "CustomerTransactionId: expected an id of digits, found \"7a\""},
        {"{'CustomerTransactionId':1.5,'InvoiceCurrencyCode':'USD'}",
         "CustomerTransactionId"},
        {"{'CustomerTransactionId':7}", "InvoiceCurrencyCode"},
        {"{'CustomerTransactionId':7,'InvoiceCurrencyCode':'Dollar'}",
         "InvoiceCurrencyCode: expected a currency of three letters, found "
         "Dollar"},
        {"{" HEAD ",'EnteredAmount':'ten'}",
         "EnteredAmount: expected a number, found \"ten\""},
        {"{" HEAD ",'EnteredAmount':{}}",
         "EnteredAmount: expected a number, found object"},
        {"{" HEAD ",'BillToCustomerNumber':{}}", "BillToCustomerNumber"},
        {"{" HEAD ",'receivablesInvoiceLines':'many'}",
         "receivablesInvoiceLines: expected a list, found text"},
        {"{" HEAD ",'receivablesInvoiceLines':{'items':'many'}}",
         "receivablesInvoiceLines: expected a list, found text"},
        {"{" HEAD ",'receivablesInvoiceLines':[null]}",
         "receivablesInvoiceLines[0]: expected an object, found null"},
        {"{" HEAD "," LINES("{'CustomerTransactionLineId':1},{}") "}",
         "receivablesInvoiceLines[1].CustomerTransactionLineId: expected an "
         "id, found nothing"},
        {"{" HEAD "," LINES("{'CustomerTransactionLineId':1,"
                            "'LineAmount':'x'}") "}",
         "receivablesInvoiceLines[0].LineAmount: expected a number"},
        {"{" HEAD "," INSTALLMENTS("{'InstallmentBalanceDue':[1]}") "}",
         "receivablesInvoiceInstallments[0].InstallmentBalanceDue"},
        {"{" HEAD "," INSTALLMENTS("7") "}",
         "receivablesInvoiceInstallments[0]: expected"},
        {"{" HEAD "," INSTALLMENTS("{'InstallmentBalanceDue':"
                                   "1E70},{'InstallmentBalanceDue':1E-20}") "}",
         "InstallmentBalanceDue: the sum has more than"},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        HAS(invalid_invoice(cases[i].row), cases[i].says);
    }
}

TEST(optional_values_of_a_wrong_type_are_noted_and_left_out)
{
    struct map_record r = invoice(
        "{" HEAD ",'DueDate':[1],'TransactionDate':'2024-13-01',"
        "'TransactionNumber':{},'PurchaseOrder':'P'," LINES(
            "{'CustomerTransactionLineId':1,'LineNumber':'first'}") "}");

    IS(prop(&r, 0, "hs_due_date") == NULL);
    IS(prop(&r, 0, "hs_number") == NULL);
    IS(prop(&r, 1, "fusion_line_number") == NULL);
    EQ_STR(prop(&r, 0, "hs_purchase_order_number"), "P");
    IS(note_of(&r, "value_ignored") != NULL);
    IS(r.note_count <= MAP_NOTES_MAX);
}

TEST(no_more_notes_are_kept_than_there_is_room_for)
{
    struct map_record r = invoice(
        "{" HEAD ",'DueDate':[],'TransactionDate':[],'TransactionNumber':[],"
        "'PurchaseOrder':[],'InvoiceStatus':[],'BillToPartyId':[],"
        "'BillToCustomerName':[],'BillToContact':[],'LastUpdateDate':[],"
        "'receivablesInvoiceLines':[{'CustomerTransactionLineId':1,"
        "'Description':[],'MemoLine':[]}]}");

    EQ_UINT(r.note_count, MAP_NOTES_MAX);
    for (size_t i = 0; i < r.note_count; i++) {
        EQ_STR(r.notes[i].event, "value_ignored");
        for (size_t k = 0; k < i; k++) {
            IS(strcmp(r.notes[i].message, r.notes[k].message) != 0);
        }
    }
}

TEST(other_business_units_are_filtered)
{
    static const char *const units[] = {"Vision Operations", "Vision France",
                                        NULL};
    struct map_options o = {.business_units = units};
    struct mapping *m;
    struct map_record r;

    OK(map_new(&o, &m, &fault));
    EQ_INT(map_invoice(m, arena(),
                       q("{" HEAD ",'BusinessUnit':'Vision France'}"), &r,
                       &fault),
           MAP_RECORD);
    EQ_INT(map_invoice(m, arena(), q("{" HEAD ",'BusinessUnit':'Vision'}"), &r,
                       &fault),
           MAP_FILTERED);
    EQ_INT(map_invoice(m, arena(), q("{" HEAD "}"), &r, &fault), MAP_FILTERED);
    IS(r.id == NULL);
    map_free(m);
    o.business_units = &units[2]; /* an empty list */
    OK(map_new(&o, &m, &fault));
    EQ_INT(map_invoice(m, arena(), q("{" HEAD "}"), &r, &fault), MAP_RECORD);
    map_free(m);
}

TEST(a_refused_invoice_still_has_its_id)
{
    struct map_record r;

    EQ_INT(map_invoice(plain(), arena(), q("{" HEAD ",'EnteredAmount':'much'}"),
                       &r, &fault),
           MAP_INVALID);
    EQ_STR(r.id, "77");
    EQ_INT(r.kind, MAP_INVOICE);
}

TEST(long_texts_are_cut_where_hubspot_ends)
{
    size_t n = 70000;
    char *text = arena_alloc(arena(), 3 * n + 1);
    json_t *row = q("{" HEAD "," ONE_LINE "}");
    json_t *line =
        json_array_get(json_object_get(row, "receivablesInvoiceLines"), 0);
    struct map_record r;

    for (size_t i = 0; i < n; i++) {
        memcpy(text + 3 * i, "\xe2\x82\xac", 3);
    }
    json_object_set_new(line, "Description", json_string(text));
    r = invoice_row(plain(), row);
    EQ_UINT(strlen(prop(&r, 1, "name")), 3 * 65536);
    IS(text_is_utf8(prop(&r, 1, "name"), 3 * 65536));
    /* Beyond the basic plane a character counts twice. */
    for (size_t i = 0; i < 40000; i++) {
        memcpy(text + 4 * i, "\xf0\x9f\x98\x80", 4);
    }
    text[4 * 40000] = '\0';
    json_object_set_new(line, "Description", json_string(text));
    r = invoice_row(plain(), row);
    EQ_UINT(strlen(prop(&r, 1, "name")), 4 * 32768);
    json_object_set_new(line, "Description", json_stringn("a\0b", 3));
    r = invoice_row(plain(), row);
    EQ_STR(prop(&r, 1, "name"), "ab");
}

TEST(what_decides_about_reading_again_is_no_part_of_the_hash)
{
    static const struct {
        const char *row, *balance;
        bool draft;
    } cases[] = {
        {"'InvoiceStatus':'Complete','EnteredAmount':5,'ConversionRate':1",
         NULL, false},
        {"'InvoiceStatus':'Complete','EnteredAmount':5,'ConversionRate':1,"
         "'InvoiceBalanceAmount':7.50",
         "7.50", false},
        {"'InvoiceStatus':'Complete','EnteredAmount':5,'ConversionRate':1,"
         "'InvoiceBalanceAmount':'1E2'",
         "100", false},
        {"'InvoiceStatus':'Complete','EnteredAmount':5,'ConversionRate':1,"
         "'InvoiceBalanceAmount':'much'",
         NULL, false},
        {"'InvoiceStatus':'Complete','EnteredAmount':5,'ConversionRate':1,"
         "'InvoiceBalanceAmount':[1]",
         NULL, false},
        {"'InvoiceStatus':'INCOMPLETE','EnteredAmount':5,'ConversionRate':1,"
         "'InvoiceBalanceAmount':0",
         "0", true},
    };
    struct map_record first = {0};

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct map_record r =
            invoice(arena_printf(arena(),
                                 "{'CustomerTransactionId':1,"
                                 "'InvoiceCurrencyCode':'USD',%s}",
                                 cases[i].row));

        first = i == 0 ? r : first;
        EQ_INT(r.draft, cases[i].draft);
        ck_assert_pstr_eq(r.balance, cases[i].balance);
        if (!r.draft) {
            EQ_MEM(&r.hash, &first.hash, sizeof(r.hash));
        }
    }
}

SUITE(invoice, RUN(status_follows_invoice_status_balance_and_payments),
      RUN(balance_and_credits_come_from_the_installments),
      RUN(header_fallbacks_and_forms),
      RUN(numbers_as_strings_give_the_same_record),
      RUN(quantity_and_price_multiply_to_the_amount),
      RUN(a_line_is_named_by_description_memo_line_or_item),
      RUN(lines_stand_in_line_order_and_each_id_once),
      RUN(tax_and_freight_make_no_lines),
      RUN(the_version_is_the_greatest_stamp_of_all_rows),
      RUN(the_record_tells_its_parents),
      RUN(keys_start_with_the_prefix_and_ids_do_not),
      RUN(what_cannot_be_an_invoice_says_which_attribute),
      RUN(optional_values_of_a_wrong_type_are_noted_and_left_out),
      RUN(no_more_notes_are_kept_than_there_is_room_for),
      RUN(other_business_units_are_filtered),
      RUN(a_refused_invoice_still_has_its_id),
      RUN(long_texts_are_cut_where_hubspot_ends),
      RUN(what_decides_about_reading_again_is_no_part_of_the_hash))
