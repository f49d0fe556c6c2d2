/* SPDX-License-Identifier: UNLICENSED */
/*
 * check: a mapping file against a pod and a portal written down here. What is
 * wrong is named with its line and the nearest name; what nobody tells is taken
 * on trust.
 */
#include "support.h"

#define INVOICES                                                               \
    "{'attributes':{'TransactionNumber':{},'PurchaseOrder':{},"                \
    "'TransactionSource':{}},'children':{"                                     \
    "'receivablesInvoiceLines':{'attributes':{'Warehouse':{}},'children':{"    \
    "'receivablesInvoiceLineDFF':{'attributes':{'region':{},"                  \
    "'projectTask':{}},'children':{}}}},"                                      \
    "'receivablesInvoiceDFF':{'attributes':{'__FLEX_Context':{},"              \
    "'region':{},'projectCode':{}},'children':{}},"                            \
    "'notes':{'attributes':null,'children':{}}}}"
#define ORGANIZATIONS                                                          \
    "{'attributes':{'DUNSNumber':{}},'children':{'Address':{'attributes':{"    \
    "'City':{}},'children':{}}}}"
#define ACCOUNTS "{'attributes':{'CustomerName':{}},'children':{}}"

#define PROPERTY(name, type) "{'name':'" name "','type':'" type "'}"
#define PROPERTIES                                                                                                                                            \
    "[" PROPERTY("sales_region", "string") "," PROPERTY("weight", "number") "," PROPERTY("day", "date") "," PROPERTY(                                         \
        "moment",                                                                                                                                             \
        "datetime") "," PROPERTY("flag",                                                                                                                      \
                                 "bool") "," PROPERTY("hs_due_date",                                                                                          \
                                                      "date") "," PROPERTY("hs_number",                                                                       \
                                                                           "string") ","                                                                      \
                                                                                     "{'name':'tier','type':'enumeration','fieldType':'select','options':["   \
                                                                                     "{'value':'gold'},{'value':'silver'}]},"                                 \
                                                                                     "{'name':'tags','type':'enumeration','fieldType':'checkbox','options':[" \
                                                                                     "{'value':'a'},{'value':'b'}]},"                                         \
                                                                                     "{'name':'total','type':'number','calculated':true},"                    \
                                                                                     "{'name':'created','type':'string','modificationMetadata':{"             \
                                                                                     "'readOnlyValue':true}},"                                                \
                                                                                     "{'name':'serial','type':'string','hasUniqueValue':true},"               \
                                                                                     "{'name':'gone_one','type':'string','archived':true}]"

static struct buf complaints;

/* What is wrong with a file, one line each; "" when nothing is. */
static const char *
wrong_with(const char *file)
{
    struct map_known known = {{NULL}, {NULL}};
    struct mapping *m = custom(file);
    enum err err;

    known.describe[MAP_RES_INVOICES] = q(INVOICES);
    known.describe[MAP_RES_ORGANIZATIONS] = q(ORGANIZATIONS);
    known.describe[MAP_RES_ACCOUNTS] = q(ACCOUNTS);
    known.properties[MAP_INVOICES] = q(PROPERTIES);
    buf_fini(&complaints);
    buf_init(&complaints, 1 << 20);
    fault_clear(&fault);
    err = map_check(m, &known, &complaints, &fault);
    EQ_ERR(err, complaints.len > 0 ? ERR_CONFIG : ERR_OK);
    EQ_ERR(fault.err, err);
    return arena_strdup(arena(), buf_text(&complaints));
}

static size_t
lines_of(const char *text)
{
    size_t n = 0;

    for (; *text != '\0'; text++) {
        n += *text == '\n' ? 1 : 0;
    }
    return n;
}

TEST(what_both_systems_have_is_no_complaint)
{
    static const char *const files[] = {
        "{}",
        "{'invoices':{'sales_region':'TransactionNumber',"
        "'hs_number':'receivablesInvoiceDFF.region'}}",
        "{'invoices':{'sales_region':'receivablesInvoiceDFF.__FLEX_Context'}}",
        "{'invoices':{'sales_region':'receivablesInvoiceLines.Warehouse'}}",
        "{'invoices':{'sales_region':"
        "'receivablesInvoiceLines.receivablesInvoiceLineDFF.region'}}",
        "{'invoices':{'sales_region':{'value':'EMEA'}}}",
        "{'line_items':{'anything':'receivablesInvoiceLineDFF.region',"
        "'other':'invoice.TransactionSource','third':'Warehouse'}}",
        "{'companies':{'a':'DUNSNumber','b':'CustomerName',"
        "'c':'Address.City','d':'account.CustomerName'}}",
    };

    for (size_t i = 0; i < COUNT_OF(files); i++) {
        EQ_STR(wrong_with(files[i]), "");
    }
}

TEST(what_nobody_tells_is_taken_on_trust)
{
    /* No describe of persons and receipts, no attributes of notes, no
     * properties but those of invoices. */
    EQ_STR(wrong_with("{'contacts':{'a':'Whatever','b':'Any.Thing',"
                      "'c':'organization.Address.City'},"
                      "'commerce_payments':{'d':'standardReceiptDFF.x'},"
                      "'invoices':{'sales_region':'notes.Text'}}"),
           "");
}

TEST(an_attribute_that_the_pod_lacks_is_named_with_the_nearest)
{
    static const struct {
        const char *file, *says;
    } cases[] = {
        {"{'invoices':{\n'sales_region':'PurchaseOrdr'}}",
         "mapping file, line 2: invoices.sales_region: no attribute "
         "\"PurchaseOrdr\" in receivablesInvoices, did you mean "
         "\"PurchaseOrder\"?\n"},
        {"{'invoices':{'sales_region':'receivablesInvoiceDFF.regoin'}}",
         "no attribute \"regoin\" in receivablesInvoiceDFF of "
         "receivablesInvoices, did you mean \"region\"?"},
        {"{'invoices':{'sales_region':'receivablesInvoicesDFF.region'}}",
         "no child collection \"receivablesInvoicesDFF\" in "
         "receivablesInvoices, did you mean \"receivablesInvoiceDFF\"?"},
        {"{'line_items':{'a':'receivablesInvoiceLineDFF.projectTsk'}}",
         "no attribute \"projectTsk\" in receivablesInvoiceLineDFF of "
         "receivablesInvoiceLines of receivablesInvoices, did you mean "
         "\"projectTask\"?"},
        {"{'line_items':{'a':'Warehous'}}",
         "no attribute \"Warehous\" in receivablesInvoiceLines of "
         "receivablesInvoices, did you mean \"Warehouse\"?"},
        {"{'line_items':{'a':'invoces.TransactionSource'}}",
         "no child collection \"invoces\" in receivablesInvoiceLines of "
         "receivablesInvoices, did you mean \"invoice\"?"},
        {"{'invoices':{'sales_region':'receivablesInvoiceDFF'}}",
         "\"receivablesInvoiceDFF\" is a collection of receivablesInvoices: "
         "name an attribute of it, \"receivablesInvoiceDFF.Attribute\""},
        {"{'companies':{'a':'CustomerNam'}}",
         "no attribute \"CustomerNam\" in hubOrganizations or "
         "receivablesCustomerAccountActivities, did you mean "
         "\"CustomerName\"?"},
        {"{'companies':{'a':'acount.CustomerName'}}",
         "no child collection \"acount\" in hubOrganizations, did you mean "
         "\"account\"?"},
        {"{'companies':{'a':'Qqqqqqqqqqq'}}",
         "no attribute \"Qqqqqqqqqqq\" in hubOrganizations or "
         "receivablesCustomerAccountActivities\n"},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const char *said = wrong_with(cases[i].file);

        HAS(said, cases[i].says);
        EQ_UINT(lines_of(said), 1);
    }
}

TEST(a_property_that_the_portal_lacks_is_named_with_the_nearest)
{
    static const struct {
        const char *file, *says;
    } cases[] = {
        {"{'invoices':{\n\n'sales_regon':'PurchaseOrder'}}",
         "mapping file, line 3: invoices.sales_regon: the portal has no such "
         "property of invoices, did you mean \"sales_region\"? Or create it "
         "in HubSpot (Settings > Properties) with the internal name "
         "\"sales_regon\" and type string\n"},
        {"{'invoices':{'qqqqqqqqqqq':{'path':'PurchaseOrder',"
         "'format':'number'}}}",
         "no such property of invoices; create it in HubSpot (Settings > "
         "Properties) with the internal name \"qqqqqqqqqqq\" and type number"},
        {"{'invoices':{'qqqqqqqqqqq':{'path':'PurchaseOrder',"
         "'format':'datetime'}}}",
         "type datetime"},
        {"{'invoices':{'gone_one':'PurchaseOrder'}}", "no such property"},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const char *said = wrong_with(cases[i].file);

        HAS(said, cases[i].says);
        EQ_UINT(lines_of(said), 1);
    }
    /* Ours are not there before the first write. */
    EQ_STR(wrong_with("{'invoices':{'fusion_status':'PurchaseOrder'}}"), "");
}

TEST(a_property_that_hubspot_sets_cannot_be_written)
{
    HAS(wrong_with("{'invoices':{'total':{'path':'PurchaseOrder',"
                   "'format':'number'}}}"),
        "invoices.total: HubSpot sets this property itself: it is calculated");
    HAS(wrong_with("{'invoices':{'created':'PurchaseOrder'}}"),
        "invoices.created: HubSpot sets this property itself: it is read-only");
    HAS(wrong_with("{'invoices':{'serial':{'value':'X'}}}"),
        "invoices.serial: the portal's property takes each value once");
    EQ_STR(wrong_with("{'invoices':{'serial':'PurchaseOrder'}}"), "");
}

TEST(the_form_of_a_value_must_be_one_that_the_property_takes)
{
    static const struct {
        const char *property, *format, *wants; /* wants NULL: fits */
    } cases[] = {
        {"weight", "number", NULL},     {"weight", "text", "number"},
        {"weight", "date", "number"},   {"day", "day", NULL},
        {"day", "date", "day"},         {"day", "datetime", "day"},
        {"day", "text", "day"},         {"moment", "datetime", NULL},
        {"moment", "date", NULL},       {"moment", "day", "datetime"},
        {"flag", "boolean", NULL},      {"flag", "text", "boolean"},
        {"tier", "text", NULL},         {"sales_region", "number", NULL},
        {"sales_region", "text", NULL},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const char *said = wrong_with(arena_printf(
            arena(),
            "{'invoices':{'%s':{'path':'PurchaseOrder','format':'%s'}}}",
            cases[i].property, cases[i].format));

        if (cases[i].wants == NULL) {
            EQ_STR(said, "");
            continue;
        }
        HAS(said, arena_printf(arena(), "takes no %s: say", cases[i].format));
        HAS(said, arena_printf(arena(), "\"format\": \"%s\"", cases[i].wants));
        EQ_UINT(lines_of(said), 1);
    }
    /* A replaced source keeps the connector's own form, whatever the portal
     * calls its type, unless another one is asked for. */
    EQ_STR(wrong_with("{'invoices':{'hs_due_date':'PurchaseOrder'}}"), "");
    HAS(wrong_with("{'invoices':{'hs_due_date':{'path':'PurchaseOrder',"
                   "'format':'text'}}}"),
        "takes no text");
}

TEST(a_constant_must_be_a_value_of_its_property)
{
    static const struct {
        const char *entry, *says; /* NULL: fits */
    } cases[] = {
        {"'tier':{'value':'gold'}", NULL},
        {"'tier':{'value':'Gold'}",
         "\"Gold\" is no option of the portal's property, did you mean "
         "\"gold\"?"},
        {"'tier':{'value':'SILVER'}", "did you mean \"silver\"?"},
        {"'tier':{'value':'qqqqqqqqqq'}",
         "\"qqqqqqqqqq\" is no option of the portal's property\n"},
        {"'tier':{'value':'a;b'}", "\"a;b\" is no option"},
        {"'tags':{'value':'a;b'}", NULL},
        {"'tags':{'value':'a;c'}", "\"c\" is no option"},
        {"'weight':{'value':'12.50'}", NULL},
        {"'weight':{'value':'twelve'}",
         "\"twelve\" is no value of the portal's property, whose type is "
         "number"},
        {"'day':{'value':'2024-05-06'}", NULL},
        {"'day':{'value':'2024-05-06','format':'date'}", "type is date"},
        {"'moment':{'value':'2024-05-06','format':'date'}", NULL},
        {"'moment':{'value':'2024-05-06'}", "\"format\": \"datetime\""},
        {"'flag':{'value':'true'}", NULL},
        {"'flag':{'value':'Y','format':'boolean'}", NULL},
        {"'flag':{'value':'maybe'}", "type is bool"},
        {"'sales_region':{'value':'anything at all'}", NULL},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const char *said = wrong_with(
            arena_printf(arena(), "{'invoices':{%s}}", cases[i].entry));

        if (cases[i].says == NULL) {
            EQ_STR(said, "");
        } else {
            HAS(said, cases[i].says);
            EQ_UINT(lines_of(said), 1);
        }
    }
}

TEST(all_complaints_are_listed_and_the_first_one_is_the_fault)
{
    const char *said =
        wrong_with("{'invoices':{\n'sales_region':'PurchaseOrdr',\n"
                   "'tier':{'value':'Gold'},\n'weight':'TransactionNumber',\n"
                   "'sales_regon':'PurchaseOrdr'}}");

    EQ_UINT(lines_of(said), 5);
    HAS(said, "line 2: ");
    HAS(said, "line 3: ");
    HAS(said, "line 4: ");
    HAS(said, "line 5: invoices.sales_regon: no attribute");
    HAS(said, "line 5: invoices.sales_regon: the portal has no");
    HAS(fault.message, "line 2: invoices.sales_region: no attribute");
}

TEST(complaints_are_bounded)
{
    struct buf file;
    const char *said;

    buf_init(&file, 1 << 20);
    buf_adds(&file, "{'companies':{");
    for (int i = 0; i < MAP_COMPLAINTS_MAX + 7; i++) {
        buf_addf(&file, "%s'p%d':'Nothing'", i > 0 ? "," : "", i);
    }
    buf_adds(&file, "}}");
    said = wrong_with(buf_text(&file));
    buf_fini(&file);
    EQ_UINT(lines_of(said), MAP_COMPLAINTS_MAX + 1);
    HAS(said, "mapping file: and 7 more\n");
}

SUITE(check, RUN(what_both_systems_have_is_no_complaint),
      RUN(what_nobody_tells_is_taken_on_trust),
      RUN(an_attribute_that_the_pod_lacks_is_named_with_the_nearest),
      RUN(a_property_that_the_portal_lacks_is_named_with_the_nearest),
      RUN(a_property_that_hubspot_sets_cannot_be_written),
      RUN(the_form_of_a_value_must_be_one_that_the_property_takes),
      RUN(a_constant_must_be_a_value_of_its_property),
      RUN(all_complaints_are_listed_and_the_first_one_is_the_fault),
      RUN(complaints_are_bounded))
