/* SPDX-License-Identifier: UNLICENSED */
/*
 * needs: which collections a mapping file has the feeds expand, and when its
 * fingerprint changes.
 */
#include "support.h"

static void
expands_are(const struct mapping *m, enum map_resource r,
            const char *const *want)
{
    const char *const *got = map_expands(m, r);

    IS(got != NULL);
    for (; *want != NULL; want++, got++) {
        EQ_STR(*got, *want);
    }
    IS(*got == NULL);
}

TEST(collections_beyond_the_usual_ones_are_expanded_once_and_in_order)
{
    static const char *const invoices[] = {
        "receivablesInvoiceDFF", "receivablesInvoiceLines.attachments",
        "receivablesInvoiceLines.receivablesInvoiceLineDFF",
        "receivablesInvoiceTransactionDFF", NULL};
    static const char *const receipts[] = {"standardReceiptDFF", NULL};
    static const char *const organizations[] = {"Address", "Address.Purpose",
                                                NULL};
    static const char *const persons[] = {"Address", NULL};
    static const char *const accounts[] = {"creditMemos", NULL};
    struct mapping *m = custom(
        "{'invoices':{'a':'receivablesInvoiceTransactionDFF.x',"
        "'b':'receivablesInvoiceDFF.__FLEX_Context',"
        "'c':'invoice.receivablesInvoiceDFF.region','d':'PurchaseOrder',"
        "'e':'receivablesInvoiceInstallments.InstallmentId',"
        "'f':'receivablesInvoiceLines.ItemNumber','g':{'value':'a.b'}},"
        "'line_items':{'a':'receivablesInvoiceLineDFF.region',"
        "'b':'invoice.receivablesInvoiceDFF.region',"
        "'c':'line.attachments.Title','d':'Warehouse'},"
        "'commerce_payments':{'a':'standardReceiptDFF.region'},"
        "'companies':{'a':'Address.City','b':'Address.Purpose.Code',"
        "'c':'CustomerClassification.ClassCode','d':'ContactPoint.Status',"
        "'e':'account.creditMemos.CreditMemoNumber','f':'DUNSNumber'},"
        "'contacts':{'a':'Address.City'}}");

    expands_are(m, MAP_RES_INVOICES, invoices);
    expands_are(m, MAP_RES_RECEIPTS, receipts);
    expands_are(m, MAP_RES_ORGANIZATIONS, organizations);
    expands_are(m, MAP_RES_PERSONS, persons);
    expands_are(m, MAP_RES_ACCOUNTS, accounts);
}

TEST(without_a_file_nothing_is_expanded_and_nothing_is_used)
{
    static const char *const none[] = {NULL};
    struct mapping *files[] = {plain(), custom("{}"), custom("{'invoices':{}}"),
                               custom("{'invoices':{'a':{'value':'x.y'}}}")};

    for (size_t i = 0; i < COUNT_OF(files); i++) {
        for (unsigned r = 0; r < MAP_RESOURCES; r++) {
            expands_are(files[i], (enum map_resource)r, none);
            NOT(map_uses_resource(files[i], (enum map_resource)r));
        }
    }
    for (unsigned o = 0; o < MAP_OBJECTS; o++) {
        NOT(map_uses_object(plain(), (enum map_object)o));
    }
    IS(map_uses_object(files[3], MAP_INVOICES));
}

TEST(a_path_without_a_row_uses_every_row_it_may_come_from)
{
    struct mapping *m = custom("{'companies':{'a':'Name'},"
                               "'contacts':{'b':'account.CustomerName'}}");

    IS(map_uses_resource(m, MAP_RES_ORGANIZATIONS));
    IS(map_uses_resource(m, MAP_RES_ACCOUNTS));
    NOT(map_uses_resource(m, MAP_RES_PERSONS));
    NOT(map_uses_resource(m, MAP_RES_INVOICES));
    IS(map_uses_object(m, MAP_COMPANIES));
    IS(map_uses_object(m, MAP_CONTACTS));
    NOT(map_uses_object(m, MAP_PAYMENTS));
}

TEST(resources_have_their_names_and_sides)
{
    EQ_STR(map_resource_name(MAP_RES_INVOICES), "receivablesInvoices");
    EQ_STR(map_resource_name(MAP_RES_RECEIPTS), "standardReceipts");
    EQ_STR(map_resource_name(MAP_RES_ACCOUNTS),
           "receivablesCustomerAccountActivities");
    EQ_STR(map_resource_name(MAP_RES_ORGANIZATIONS), "hubOrganizations");
    EQ_STR(map_resource_name(MAP_RES_PERSONS), "hubPersons");
    NOT(map_resource_is_crm(MAP_RES_INVOICES));
    NOT(map_resource_is_crm(MAP_RES_ACCOUNTS));
    IS(map_resource_is_crm(MAP_RES_ORGANIZATIONS));
    IS(map_resource_is_crm(MAP_RES_PERSONS));
}

TEST(the_fingerprint_knows_content_and_not_layout)
{
    struct mapping *a =
        custom("{'invoices':{'a':'X','b':{'path':'Y','format':'number'}},"
               "'line_items':{'c':{'value':'1'}}}");
    struct mapping *b =
        custom("{\n'line_items':{'c':{'value':'1'}},'invoices':\n"
               "{'b':{'format':'number','path':'invoice.Y'},'a':{'path':'X',"
               "'format':'text'}}}");

    EQ_STR(map_fingerprint(a, MAP_INVOICE), map_fingerprint(b, MAP_INVOICE));
    EQ_INT(strlen(map_fingerprint(a, MAP_INVOICE)), 64);
    EQ_STR(map_fingerprint(a, MAP_CUSTOMER), "");
    EQ_STR(map_fingerprint(a, MAP_PAYMENT), "");
    EQ_STR(map_fingerprint(plain(), MAP_INVOICE), "");
}

static char *
of_units(const char *const *units, enum map_kind k)
{
    struct map_options o = {.business_units = units};
    struct mapping *m = NULL;
    struct fault f = {0};
    char *out = NULL;

    OK(map_new(&o, &m, &f));
    out = mem_strdup(map_fingerprint(m, k));
    map_free(m);
    return out;
}

TEST(the_fingerprint_knows_the_business_units)
{
    static const char *const ab[] = {"A", "B", NULL};
    static const char *const ba[] = {"B", "A", NULL};
    static const char *const a[] = {"A", NULL};
    char *one = of_units(ab, MAP_INVOICE);
    char *two = of_units(ba, MAP_INVOICE);
    char *less = of_units(a, MAP_INVOICE);
    char *customers = of_units(ab, MAP_CUSTOMER);

    EQ_INT(strlen(one), 64);
    EQ_STR(one, two);
    IS(strcmp(one, less) != 0);
    EQ_STR(customers, "");
    mem_free(one);
    mem_free(two);
    mem_free(less);
    mem_free(customers);
}

TEST(the_fingerprint_of_a_kind_changes_with_its_entries_alone)
{
    static const char *const files[] = {
        "{'invoices':{'a':'X'}}",
        "{'invoices':{'a':'Z'}}",
        "{'invoices':{'b':'X'}}",
        "{'invoices':{'a':{'value':'X'}}}",
        "{'invoices':{'a':{'path':'X','format':'date'}}}",
        "{'line_items':{'a':'X'}}",
        "{'line_items':{'a':'invoice.X'}}",
    };
    struct mapping *m[COUNT_OF(files)];
    struct mapping *more =
        custom("{'invoices':{'a':'X'},'contacts':{'a':'X'}}");

    for (size_t i = 0; i < COUNT_OF(files); i++) {
        m[i] = custom(files[i]);
        for (size_t k = 0; k < i; k++) {
            IS(strcmp(map_fingerprint(m[i], MAP_INVOICE),
                      map_fingerprint(m[k], MAP_INVOICE)) != 0);
        }
    }
    EQ_STR(map_fingerprint(more, MAP_INVOICE),
           map_fingerprint(m[0], MAP_INVOICE));
    EQ_INT(strlen(map_fingerprint(more, MAP_CUSTOMER)), 64);
}

SUITE(needs,
      RUN(collections_beyond_the_usual_ones_are_expanded_once_and_in_order),
      RUN(without_a_file_nothing_is_expanded_and_nothing_is_used),
      RUN(a_path_without_a_row_uses_every_row_it_may_come_from),
      RUN(resources_have_their_names_and_sides),
      RUN(the_fingerprint_knows_content_and_not_layout),
      RUN(the_fingerprint_knows_the_business_units),
      RUN(the_fingerprint_of_a_kind_changes_with_its_entries_alone))
