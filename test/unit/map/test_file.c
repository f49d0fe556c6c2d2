/* SPDX-License-Identifier: UNLICENSED */
/*
 * file: what a mapping file adds and replaces, and what it may not.
 */
#include "support.h"

#define MAP_SAMPLE MAP_TEST_DIR "/../../../docs/mapping-sample.json"

#define ROW                                                                    \
    "{'CustomerTransactionId':77,'InvoiceCurrencyCode':'USD',"                 \
    "'PurchaseOrder':'PO','CrossReference':'X-1',"                             \
    "'PurchaseOrderDate':'2024-05-06','FreightAmount':1.50,"                   \
    "'receivablesInvoiceDFF':{'items':[{'region':'EMEA'}]},"                   \
    "'receivablesInvoiceLines':[{'CustomerTransactionLineId':1,"               \
    "'LineAmount':1,'Warehouse':'W1','receivablesInvoiceLineDFF':["            \
    "{'slot':7}]}]}"

static void
refuse_file(const char *text, const char *says)
{
    char *file = arena_strdup(arena(), text);
    struct map_options o = {.mapping_file = file};
    struct mapping *m = NULL;

    for (char *s = file; *s != '\0'; s++) {
        *s = *s == '\'' ? '"' : *s;
    }
    fault_clear(&fault);
    EQ_ERR(map_new(&o, &m, &fault), ERR_CONFIG);
    IS(m == NULL);
    HAS(fault.message, says);
}

TEST(a_path_adds_or_replaces_a_property)
{
    struct mapping *m = custom(
        "{'invoices':{'freight':{'path':'FreightAmount','format':'number'},"
        "'region':'receivablesInvoiceDFF.region','erp':{'value':'Fusion'},"
        "'po_date':{'path':'PurchaseOrderDate','format':'date'},"
        "'hs_purchase_order_number':'CrossReference',"
        "'hs_number':'Nowhere','none':'No.Such'},"
        "'line_items':{'warehouse':'Warehouse','number':"
        "'receivablesInvoiceLineDFF.slot','po':'invoice.PurchaseOrder'}}");
    struct map_record r = invoice_row(m, q(ROW));

    EQ_STR(prop(&r, 0, "freight"), "1.50");
    EQ_STR(prop(&r, 0, "region"), "EMEA");
    EQ_STR(prop(&r, 0, "erp"), "Fusion");
    EQ_STR(prop(&r, 0, "po_date"), "2024-05-06T00:00:00Z");
    EQ_STR(prop(&r, 0, "hs_purchase_order_number"), "X-1");
    IS(prop(&r, 0, "hs_number") == NULL);
    IS(prop(&r, 0, "none") == NULL);
    EQ_STR(prop(&r, 1, "warehouse"), "W1");
    EQ_STR(prop(&r, 1, "number"), "7");
    EQ_STR(prop(&r, 1, "po"), "PO");
}

TEST(a_replaced_property_keeps_its_form)
{
    struct mapping *m = custom("{'invoices':{'hs_due_date':'PurchaseOrderDate',"
                               "'hs_currency':{'value':'eur'}},"
                               "'line_items':{'price':{'value':'1E1'}}}");
    struct map_record r = invoice_row(m, q(ROW));

    EQ_STR(prop(&r, 0, "hs_due_date"), "2024-05-06T00:00:00Z");
    EQ_STR(prop(&r, 0, "hs_currency"), "EUR");
    EQ_STR(prop(&r, 1, "price"), "10");
    EQ_STR(r.currency, "USD");
}

TEST(companies_contacts_and_payments_name_their_rows)
{
    struct mapping *m =
        custom("{'companies':{'duns':'DUNSNumber','terms':'AccountTerms',"
               "'account_name':'account.CustomerName'},"
               "'contacts':{'jobtitle':'JobTitle','linea':'LineOfBusiness',"
               "'city':'organization.City','quiet':'DoNotEmailFlag'},"
               "'commerce_payments':{'bank':'RemittanceBankName',"
               "'hs_payment_method_type':{'value':'cash'},"
               "'batch':'receipt.ReceiptBatchName'}}");
    struct map_customer_rows rows = {
        .account_number = "1",
        .account = q("{'CustomerName':'C','AccountTerms':'30'}"),
        .organization = q("{'DUNSNumber':'150','LineOfBusiness':'L',"
                          "'City':'X'}"),
        .persons = q("[{'JobTitle':'J','City':'Y','DoNotEmailFlag':true}]"),
    };
    struct map_record r = customer_row(m, &rows);
    struct map_record *all;
    size_t n;

    EQ_STR(prop(&r, 0, "duns"), "150");
    EQ_STR(prop(&r, 0, "terms"), "30");
    EQ_STR(prop(&r, 0, "account_name"), "C");
    EQ_STR(prop(&r, 1, "jobtitle"), "J");
    EQ_STR(prop(&r, 1, "linea"), "L");
    EQ_STR(prop(&r, 1, "quiet"), "true");
    EQ_STR(prop(&r, 1, "city"), "X");
    EQ_INT(map_payments(m, arena(),
                        q("{'StandardReceiptId':1,'UnappliedAmount':1,"
                          "'RemittanceBankName':'B','ReceiptMethod':'Wire',"
                          "'ReceiptBatchName':'BB'}"),
                        NULL, &all, &n, &fault),
           MAP_RECORD);
    EQ_STR(prop(&all[0], 0, "bank"), "B");
    EQ_STR(prop(&all[0], 0, "batch"), "BB");
    EQ_STR(prop(&all[0], 0, "hs_payment_method_type"), "cash");
}

TEST(the_line_is_that_of_the_entry_whatever_else_has_its_name)
{
    static const struct {
        const char *file, *says;
    } cases[] = {
        {"{'companies':{'invoices':{'value':'invoices'}},\n'invoices':{\n"
         "'a':'!'}}",
         "line 3: invoices.a: "},
        {"{'invoices':{'b':{'value':'a'},'c':\n{'value':'\\'a\\':{'},\n"
         "'a':'!'}}",
         "line 3: invoices.a: "},
        {"{'line_items':{\n'a':'A'},\n\n'invoices' : {\n'a'\n:'!'}}",
         "line 5: invoices.a: "},
        {"{'contacts':{'path':{'path':'B'}},'invoices':{\n"
         "'path':{\n'path':'!'}}}",
         "line 2: invoices.path: "},
        {"\n\n[]", "line 1: expected an object, found array"},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        refuse_file(cases[i].file, cases[i].says);
    }
}

TEST(a_collection_without_a_row_is_one_of_the_first_row)
{
    struct mapping *m = custom("{'contacts':{'a':'Address.City',"
                               "'b':'organization.Address.City'}}");
    struct map_customer_rows rows = {
        .account_number = "1",
        .organization = q("{'Address':{'items':[{'City':'Here'}]}}"),
        .persons = q("[{'PartyId':5}]"),
    };
    struct map_record r = customer_row(m, &rows);

    IS(prop(&r, 1, "a") == NULL);
    EQ_STR(prop(&r, 1, "b"), "Here");
}

TEST(flexfields_are_read_from_header_line_and_receipt)
{
    struct mapping *m = custom(
        "{'invoices':{'context':'receivablesInvoiceDFF.__FLEX_Context',"
        "'code':'receivablesInvoiceDFF.projectCode'},"
        "'line_items':{'region':'receivablesInvoiceLineDFF.region_2',"
        "'code':'invoice.receivablesInvoiceDFF.projectCode'},"
        "'commerce_payments':{'bank':'standardReceiptDFF.bankReference'}}");
    struct map_record r = invoice_row(
        m, q("{'CustomerTransactionId':1,'InvoiceCurrencyCode':'USD',"
             "'receivablesInvoiceDFF':{'items':[{'__FLEX_Context':'SALES',"
             "'projectCode':'P-1'}],'hasMore':false},"
             "'receivablesInvoiceLines':{'items':[{"
             "'CustomerTransactionLineId':1,'LineAmount':1,"
             "'receivablesInvoiceLineDFF':[{'region_2':'N'}]},{"
             "'CustomerTransactionLineId':2,'LineAmount':1,"
             "'receivablesInvoiceLineDFF':{'items':[]}}]}}"));
    struct map_record *all;
    size_t n;

    EQ_STR(prop(&r, 0, "context"), "SALES");
    EQ_STR(prop(&r, 0, "code"), "P-1");
    EQ_STR(prop(&r, 1, "region"), "N");
    EQ_STR(prop(&r, 1, "code"), "P-1");
    IS(prop(&r, 2, "region") == NULL);
    EQ_STR(prop(&r, 2, "code"), "P-1");
    EQ_INT(map_payments(m, arena(),
                        q("{'StandardReceiptId':1,'UnappliedAmount':1,"
                          "'standardReceiptDFF':[{'bankReference':'BR'}]}"),
                        NULL, &all, &n, &fault),
           MAP_RECORD);
    EQ_STR(prop(&all[0], 0, "bank"), "BR");
}

TEST(a_wrong_file_is_refused_with_line_and_reason)
{
    static const struct {
        const char *file, *says;
    } cases[] = {
        {"", "mapping file"},
        {"{\n'invoices':", "mapping file, line 2: the text ends early"},
        {"{'invoices':\n\n{'a':x}}", "mapping file, line 3: "},
        {"[]", "line 1: expected an object, found array"},
        {"{\n'invoice':{}}",
         "line 2: invoice: is no object, did you mean \"invoices\"?"},
        {"{'zzzzzzzzzzzz':{}}", "zzzzzzzzzzzz: is no object"},
        {"{'invoices':[]}", "invoices: expected an object of properties"},
        {"{'invoices':{\n'a':'B',\n'fusion_transaction_id':'X'}}",
         "line 3: invoices.fusion_transaction_id: is set by the connector"},
        {"{'line_items':{'fusion_transaction_id':'X'}}", "is set by"},
        {"{'invoices':{'b':{'value':'a'},\n'c':'C',\n'a':'!'}}", "line 3: "},
        {"{'companies':{'fusion_account_number':'X'}}", "is set by"},
        {"{'commerce_payments':{'fusion_payment_key':'X'}}", "is set by"},
        {"{'invoices':{'hs_invoice_status':{'value':'paid'}}}", "is set by"},
        {"{'invoices':{'hs_invoice_billable':{'value':'true'}}}", "is set by"},
        {"{'invoices':{'Bad Name':'X'}}", "is no property name"},
        {"{'invoices':{'1a':'X'}}", "is no property name"},
        {"{'invoices':{'a':'X Y'}}", "\"X Y\" is no attribute path"},
        {"{'invoices':{'a':''}}", "is no attribute path"},
        {"{'invoices':{'a':'.X'}}", "is no attribute path"},
        {"{'invoices':{'a':'X..Y'}}", "is no attribute path"},
        {"{'invoices':{'a':null}}", "expected a path or an object"},
        {"{'invoices':{'a':{}}}", "expected either"},
        {"{'invoices':{'a':{'path':'X','value':'Y'}}}", "expected either"},
        {"{'invoices':{'a':{'path':7,'value':null}}}", "is no attribute path"},
        {"{'invoices':{'a':{'value':['x']}}}", "\"value\" must be a text"},
        {"{'invoices':{'a':{'value':''}}}", "\"value\" must be a text"},
        {"{'invoices':{'a':{'pth':'X'}}}",
         "unknown key \"pth\", did you mean \"path\"?"},
        {"{'invoices':{\n\n'a':{'path':'X','format':'dat'}}}",
         "line 3: invoices.a: unknown format \"dat\", did you mean \"date\"?"},
        {"{'invoices':{'a':{'path':'X','format':[]}}}", "unknown format"},
        {"{'invoices':{'hs_due_date':{'value':'soon'}}}",
         "invoices.hs_due_date: \"value\" is no date"},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        refuse_file(cases[i].file, cases[i].says);
    }
}

TEST(the_sample_in_docs_is_a_mapping)
{
    struct map_options o = {0};
    struct mapping *m;
    char *text;
    size_t n;

    OK(file_read(MAP_SAMPLE, 1 << 20, &text, &n, &fault));
    o.mapping_file = text;
    if (map_new(&o, &m, &fault) != ERR_OK) {
        FAIL("%s", fault.message);
    }
    map_free(m);
    mem_free(text);
}

TEST(freeing_no_mapping_does_nothing)
{
    map_free(NULL);
}

SUITE(file, RUN(a_path_adds_or_replaces_a_property),
      RUN(a_replaced_property_keeps_its_form),
      RUN(companies_contacts_and_payments_name_their_rows),
      RUN(flexfields_are_read_from_header_line_and_receipt),
      RUN(a_collection_without_a_row_is_one_of_the_first_row),
      RUN(the_line_is_that_of_the_entry_whatever_else_has_its_name),
      RUN(a_wrong_file_is_refused_with_line_and_reason),
      RUN(the_sample_in_docs_is_a_mapping),
      RUN(freeing_no_mapping_does_nothing))
