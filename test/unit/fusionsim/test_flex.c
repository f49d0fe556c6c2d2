/* SPDX-License-Identifier: UNLICENSED */
/*
 * Flexfields: one row below each invoice, line and receipt, the same for the
 * same seed, shown, described, dumped, and set by hand without a trace in the
 * record above.
 */
#include "fixture.h"

#define INVOICES FSCM "receivablesInvoices"
#define LINES "receivablesInvoiceLines"

/* items[0] of a child collection. */
static json_t *
first(json_t *row, const char *child)
{
    return json_array_get(json_object_get(json_object_get(row, child), "items"),
                          0);
}

static int64_t
invoice_id(struct rig *g, uint32_t idx)
{
    return world_id(rig_world(g), K_INVOICE, idx);
}

TEST(each_invoice_line_and_receipt_has_one_row_of_flexfields)
{
    struct rig g;
    size_t null = 0;
    size_t empty = 0;

    rig_open(&g);
    EQ_INT(rig_get(&g, INVOICES "?limit=200&onlyData=true&expand="
                                "receivablesInvoiceDFF," LINES
                                ".receivablesInvoiceLineDFF,"
                                "receivablesInvoiceTransactionDFF,"
                                "receivablesInvoiceGdf"),
           200);
    for (size_t i = 0; i < items(&g); i++) {
        json_t *row = item(&g, i);
        json_t *dff = first(row, "receivablesInvoiceDFF");
        json_t *line = first(row, LINES);
        json_t *below = first(line, "receivablesInvoiceLineDFF");

        EQ_INT(get_int(json_object_get(row, "receivablesInvoiceDFF"), "count"),
               1);
        EQ_INT(get_int(dff, "CustomerTrxId"),
               get_int(row, "CustomerTransactionId"));
        EQ_INT(get_int(below, "CustomerTrxLineId"),
               get_int(line, "CustomerTransactionLineId"));
        IS(first(row, "receivablesInvoiceTransactionDFF") != NULL);
        IS(first(row, "receivablesInvoiceGdf") != NULL);
        null += json_is_null(json_object_get(dff, "region"));
        empty += json_is_null(json_object_get(dff, "__FLEX_Context"));
        IS(json_is_null(json_object_get(dff, "contractAmount")) ||
           json_is_number(json_object_get(dff, "contractAmount")));
        IS(json_is_null(json_object_get(dff, "renewalDate")) ||
           strlen(get_text(dff, "renewalDate")) == 10);
    }
    IS(null > 30 && null < 100);
    IS(empty > 5 && empty < 50);
    EQ_INT(rig_get(&g, FSCM "standardReceipts?limit=1&onlyData=true&"
                            "expand=standardReceiptDFF,standardReceiptGdf"),
           200);
    EQ_INT(get_int(first(item(&g, 0), "standardReceiptDFF"), "CashReceiptId"),
           get_int(item(&g, 0), "StandardReceiptId"));
    EQ_INT(get_int(first(item(&g, 0), "standardReceiptGdf"), "CashReceiptId"),
           get_int(item(&g, 0), "StandardReceiptId"));
    rig_close(&g);
}

TEST(flexfields_are_reached_by_their_own_paths_too)
{
    struct rig g;
    int64_t id = 0;

    rig_open(&g);
    id = invoice_id(&g, 4);
    EQ_INT(rig_get(&g, INVOICES "/%" PRId64 "/child/receivablesInvoiceDFF", id),
           200);
    EQ_INT(items(&g), 1);
    EQ_INT(rig_get(&g,
                   INVOICES "/%" PRId64 "/child/receivablesInvoiceDFF/%" PRId64,
                   id, id),
           200);
    EQ_INT(get_int(g.body, "CustomerTrxId"), id);
    EQ_INT(rig_get(&g,
                   INVOICES "/%" PRId64 "/child/" LINES "/%" PRId64
                            "/child/receivablesInvoiceLineDFF",
                   id, id + 10),
           200);
    EQ_INT(get_int(item(&g, 0), "CustomerTrxLineId"), id + 10);
    EQ_INT(rig_get(&g, INVOICES "?limit=1&fields=CustomerTransactionId;"
                                "receivablesInvoiceDFF:region"),
           200);
    EQ_INT(json_object_size(first(item(&g, 0), "receivablesInvoiceDFF")), 2);
    rig_switch(&g, "flexfields", 0);
    EQ_INT(rig_get(&g, INVOICES "/%" PRId64 "/child/receivablesInvoiceDFF", id),
           200);
    EQ_INT(items(&g), 0);
    rig_close(&g);
}

TEST(the_seed_decides_flexfields)
{
    struct rig a;
    struct rig b;

    rig_open(&a);
    rig_open(&b);
    EQ_INT(rig_get(&a,
                   INVOICES "/%" PRId64 "/child/" LINES "/%" PRId64
                            "/child/receivablesInvoiceLineDFF?fields="
                            "costCenter,region,projectTask&onlyData=true",
                   invoice_id(&a, 9), invoice_id(&a, 9) + 10),
           200);
    EQ_INT(rig_get(&b,
                   INVOICES "/%" PRId64 "/child/" LINES "/%" PRId64
                            "/child/receivablesInvoiceLineDFF?fields="
                            "costCenter,region,projectTask&onlyData=true",
                   invoice_id(&b, 9), invoice_id(&b, 9) + 10),
           200);
    IS(json_equal(item(&a, 0), item(&b, 0)));
    EQ_INT(json_object_size(item(&a, 0)), 3);
    rig_close(&a);
    rig_close(&b);
}

TEST(flexfields_can_be_set_without_a_new_stamp)
{
    struct rig g;
    struct world *w = NULL;
    int64_t id = 0;
    int64_t stamp = 0;

    rig_open(&g);
    w = rig_world(&g);
    id = invoice_id(&g, 7);
    stamp = w->invoices[7].stamp;
    EQ_INT(rig_control(&g, "POST",
                       "invoice/%" PRId64
                       "?dff.region=Nowhere&dff.contractAmount=-12.345&"
                       "dff.renewalDate=2031-02-03&dff.salesRegion=&"
                       "receivablesInvoiceTransactionDFF.sourceSystem=ZZ",
                       id),
           200);
    EQ_INT(w->invoices[7].stamp, stamp);
    EQ_INT(rig_get(&g,
                   INVOICES "/%" PRId64 "?expand=receivablesInvoiceDFF,"
                            "receivablesInvoiceTransactionDFF",
                   id),
           200);
    EQ_STR(get_text(first(g.body, "receivablesInvoiceDFF"), "region"),
           "Nowhere");
    EQ_INT(get_amount(first(g.body, "receivablesInvoiceDFF"), "contractAmount"),
           -12345);
    EQ_STR(get_text(first(g.body, "receivablesInvoiceDFF"), "renewalDate"),
           "2031-02-03");
    IS(json_is_null(json_object_get(first(g.body, "receivablesInvoiceDFF"),
                                    "salesRegion")));
    EQ_STR(get_text(first(g.body, "receivablesInvoiceTransactionDFF"),
                    "sourceSystem"),
           "ZZ");
    /* With anything else, or by the switch, the record is stamped. */
    EQ_INT(rig_control(&g, "POST",
                       "invoice/%" PRId64 "?dff.region=A&Comments=x", id),
           200);
    EQ_INT(w->invoices[7].stamp, g.now_us);
    g.now_us += 5000000;
    rig_switch(&g, "flexfields_bump", 1);
    EQ_INT(rig_control(&g, "POST", "invoice/%" PRId64 "?dff.region=B", id),
           200);
    EQ_INT(w->invoices[7].stamp, g.now_us);
    rig_close(&g);
}

TEST(flexfields_of_lines_and_receipts_can_be_set)
{
    struct rig g;
    struct world *w = NULL;
    int64_t id = 0;
    int64_t stamp = 0;

    rig_open(&g);
    w = rig_world(&g);
    id = invoice_id(&g, 8);
    stamp = w->invoices[8].stamp;
    EQ_INT(rig_control(&g, "POST",
                       "invoice/%" PRId64 "/line/0?dff.costCenter=CC-X", id),
           200);
    EQ_INT(w->invoices[8].stamp, stamp);
    EQ_INT(rig_get(&g,
                   INVOICES "/%" PRId64 "/child/" LINES "/%" PRId64
                            "/child/receivablesInvoiceLineDFF",
                   id, id + 10),
           200);
    EQ_STR(get_text(item(&g, 0), "costCenter"), "CC-X");
    id = world_id(w, K_RECEIPT, 5);
    stamp = w->receipts[5].stamp;
    EQ_INT(rig_control(&g, "POST", "receipt/%" PRId64 "?dff.collector=me", id),
           200);
    EQ_INT(w->receipts[5].stamp, stamp);
    EQ_INT(rig_get(&g,
                   FSCM "standardReceipts/%" PRId64 "/child/standardReceiptDFF",
                   id),
           200);
    EQ_STR(get_text(item(&g, 0), "collector"), "me");
    EQ_INT(rig_control(&g, "GET", "dump/receipts/%" PRId64, id), 200);
    EQ_STR(
        get_text(json_array_get(
                     json_object_get(
                         json_array_get(json_object_get(g.body, "receipts"), 0),
                         "standardReceiptDFF"),
                     0),
                 "collector"),
        "me");
    EQ_INT(rig_control(&g, "POST", "receipt/%" PRId64, id), 200);
    EQ_INT(w->receipts[5].stamp, g.now_us);
    rig_close(&g);
}

TEST(flexfields_that_are_none_are_refused)
{
    static const char *const wrong[] = {"dff.nothing=1",
                                        "other.region=1",
                                        "standardReceiptDFF.region=1",
                                        "dff.contractAmount=much",
                                        "dff.renewalDate=soon",
                                        "dff.CustomerTrxId=1"};
    struct rig g;

    rig_open(&g);
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        EQ_INT(rig_control(&g, "POST", "invoice/%" PRId64 "?%s",
                           invoice_id(&g, 3), wrong[i]),
               400);
    }
    EQ_STR(get_text(g.body, "error"),
           "no such segment or value: dff.CustomerTrxId");
    rig_close(&g);
}

TEST(dumps_show_flexfields_whatever_the_switches)
{
    struct rig g;
    json_t *row = NULL;
    json_t *line = NULL;

    rig_open(&g);
    rig_switch(&g, "flexfields", 0);
    EQ_INT(rig_control(&g, "GET", "dump/invoices/%" PRId64, invoice_id(&g, 2)),
           200);
    row = json_array_get(json_object_get(g.body, "invoices"), 0);
    IS(json_object_get(
           json_array_get(json_object_get(row, "receivablesInvoiceDFF"), 0),
           "region") != NULL);
    line = json_array_get(json_object_get(row, LINES), 0);
    IS(json_object_get(
           json_array_get(json_object_get(line, "receivablesInvoiceLineDFF"),
                          0),
           "costCenter") != NULL);
    rig_close(&g);
}

/* ---- describe ----------------------------------------------------------- */

static json_t *
attribute(json_t *member, const char *name)
{
    json_t *a = NULL;
    size_t i = 0;

    json_array_foreach(json_object_get(member, "attributes"), i, a)
    {
        if (strcmp(get_text(a, "name"), name) == 0) {
            return a;
        }
    }
    return NULL;
}

static json_t *
child_of(json_t *member, const char *name)
{
    return json_object_get(json_object_get(member, "children"), name);
}

TEST(describe_nests_children_down_to_the_flexfields_of_lines)
{
    struct rig g;
    json_t *top = NULL;
    json_t *lines = NULL;

    rig_open(&g);
    EQ_INT(rig_get(&g, INVOICES "/describe"), 200);
    IS(g.len > 50000);
    top = json_object_get(json_object_get(g.body, "Resources"),
                          "receivablesInvoices");
    lines = child_of(top, LINES);
    EQ_STR(get_text(attribute(lines, "LineAmount"), "type"), "number");
    NOT(get_true(attribute(lines, "LineAmount"), "queryable"));
    IS(get_true(attribute(lines, "LastUpdateDate"), "queryable"));
    NOT(get_true(attribute(child_of(top, "receivablesInvoiceInstallments"),
                           "LastUpdateDate"),
                 "queryable"));
    EQ_STR(get_text(attribute(child_of(top, "receivablesInvoiceDFF"), "region"),
                    "type"),
           "string");
    EQ_STR(get_text(attribute(child_of(lines, "receivablesInvoiceLineDFF"),
                              "discountAmount"),
                    "type"),
           "number");
    IS(attribute(child_of(lines, "receivablesInvoiceLineTaxLines"),
                 "TaxAmount") != NULL);
    rig_switch(&g, "describe_children", 0);
    EQ_INT(rig_get(&g, INVOICES "/describe"), 200);
    IS(json_object_get(json_object_get(json_object_get(g.body, "Resources"),
                                       "receivablesInvoices"),
                       "children") == NULL);
    rig_close(&g);
}

TEST(describe_can_be_large_and_particular_about_accept)
{
    struct rig g;
    size_t plain = 0;

    rig_open(&g);
    EQ_INT(rig_get(&g, CRM "hubOrganizations/describe"), 200);
    plain = g.len;
    rig_switch(&g, "describe_kb", 3000);
    EQ_INT(rig_get(&g, CRM "hubOrganizations/describe"), 200);
    IS(g.len > plain + 3000000);
    IS(g.body != NULL);
    rig_switch(&g, "describe_kb", 0);
    rig_switch(&g, "describe_accept", 1);
    EQ_INT(rig_get(&g, CRM "hubOrganizations/describe"), 406);
    g.accept = "*/*";
    EQ_INT(rig_get(&g, CRM "hubOrganizations/describe"), 200);
    rig_switch(&g, "describe_accept", 2);
    EQ_INT(rig_get(&g, CRM "hubOrganizations/describe"), 406);
    g.accept = "application/json";
    EQ_INT(rig_get(&g, CRM "hubOrganizations/describe"), 200);
    rig_close(&g);
}

SUITE(flex, RUN(each_invoice_line_and_receipt_has_one_row_of_flexfields),
      RUN(flexfields_are_reached_by_their_own_paths_too),
      RUN(the_seed_decides_flexfields),
      RUN(flexfields_can_be_set_without_a_new_stamp),
      RUN(flexfields_of_lines_and_receipts_can_be_set),
      RUN(flexfields_that_are_none_are_refused),
      RUN(dumps_show_flexfields_whatever_the_switches),
      RUN(describe_nests_children_down_to_the_flexfields_of_lines),
      RUN(describe_can_be_large_and_particular_about_accept))
