/* SPDX-License-Identifier: UNLICENSED */
/* Pages, order, fields, expand, versions. */
#include "fixture.h"

TEST(limit_is_25_by_default_and_capped_silently)
{
    struct rig g;

    rig_open_sized(&g, 60, 700, 0);
    EQ_INT(rig_get(&g, FSCM "receivablesInvoices?onlyData=true"), 200);
    EQ_INT(items(&g), 25);
    EQ_INT(get_int(g.body, "limit"), 25);
    EQ_INT(rig_get(&g, FSCM "receivablesInvoices?onlyData=true&limit=5000"),
           200);
    EQ_INT(items(&g), 500);
    EQ_INT(get_int(g.body, "limit"), 500);
    IS(get_true(g.body, "hasMore"));
    rig_switch(&g, "limit_cap", 299);
    EQ_INT(rig_get(&g, FSCM "receivablesInvoices?onlyData=true&limit=500"),
           200);
    EQ_INT(items(&g), 299);
    rig_close(&g);
}

/* Reads everything by offset; gives how many different ids were seen. */
static size_t
read_all(struct rig *g, const char *url, const char *id)
{
    struct map seen;
    size_t offset = 0;
    size_t count = 0;
    bool more = true;

    map_init(&seen);
    while (more) {
        EQ_INT(rig_get(g, "%s&offset=%zu", url, offset), 200);
        more = get_true(g->body, "hasMore");
        IS(items(g) > 0);
        for (size_t i = 0; i < items(g); i++) {
            char key[24];

            (void)snprintf(key, sizeof(key), "%" PRId64,
                           get_int(item(g, i), id));
            (void)map_put(&seen, key, g);
        }
        EQ_INT(get_int(g->body, "count"), items(g));
        offset += items(g);
    }
    count = seen.count;
    map_fini(&seen);
    EQ_INT(count, offset);
    return count;
}

TEST(offset_pages_give_every_row_once)
{
    struct rig g;

    rig_open(&g);
    EQ_INT(read_all(&g, FSCM "receivablesInvoices?limit=37&onlyData=true",
                    "CustomerTransactionId"),
           400);
    EQ_INT(read_all(&g,
                    FSCM "receivablesInvoices?limit=37&onlyData=true&"
                         "orderBy=LastUpdateDate:desc,"
                         "CustomerTransactionId:asc",
                    "CustomerTransactionId"),
           400);
    EQ_INT(read_all(&g,
                    FSCM "standardReceipts?limit=37&onlyData=true&"
                         "orderBy=StandardReceiptId",
                    "StandardReceiptId"),
           300);
    EQ_INT(read_all(&g,
                    FSCM "receivablesInvoices?limit=37&onlyData=true&"
                         "orderBy=InvoiceCurrencyCode:desc,EnteredAmount",
                    "CustomerTransactionId"),
           400);
    rig_close(&g);
}

static int64_t
stamp_of(json_t *o)
{
    const char *s = get_text(o, "LastUpdateDate");
    int64_t us = 0;

    OK(time_parse(s, strlen(s), &us));
    return us;
}

/* Keyset walk as a connector does it: >= last stamp, skip what is known. */
TEST(a_keyset_walk_over_equal_stamps_misses_nothing)
{
    struct rig g;
    struct map seen;
    char from[TIME_TEXT_MAX] = "2000-01-01T00:00:00.000+00:00";

    rig_open_sized(&g, 60, 900, 0);
    map_init(&seen);
    for (int page = 0, more = 1; more; page++) {
        size_t new_rows = 0;
        size_t offset = 0;

        do { /* one stamp may fill more than a page */
            EQ_INT(rig_get(&g,
                           FSCM "receivablesInvoices?limit=30&onlyData=true&"
                                "fields=CustomerTransactionId,LastUpdateDate&"
                                "orderBy=LastUpdateDate:asc,"
                                "CustomerTransactionId:asc&offset=%zu&"
                                "q=LastUpdateDate>='%s'",
                           offset, from),
                   200);
            for (size_t i = 0; i < items(&g); i++) {
                char key[24];

                (void)snprintf(key, sizeof(key), "%" PRId64,
                               get_int(item(&g, i), "CustomerTransactionId"));
                new_rows += map_put(&seen, key, &g) == NULL;
            }
            offset += items(&g);
        } while (new_rows == 0 && get_true(g.body, "hasMore"));
        more = get_true(g.body, "hasMore");
        (void)snprintf(from, sizeof(from), "%s",
                       get_text(item(&g, items(&g) - 1), "LastUpdateDate"));
        IS(page < 200);
    }
    EQ_INT(seen.count, 900);
    map_fini(&seen);
    rig_close(&g);
}

TEST(order_by_stamp_and_by_two_keys_is_kept)
{
    struct rig g;

    rig_open(&g);
    EQ_INT(rig_get(&g, FSCM "standardReceipts?limit=300&onlyData=true&orderBy="
                            "LastUpdateDate:desc"),
           200);
    for (size_t i = 1; i < items(&g); i++) {
        IS(stamp_of(item(&g, i)) <= stamp_of(item(&g, i - 1)));
    }
    EQ_INT(rig_get(&g, FSCM "receivablesInvoices?limit=400&onlyData=true&"
                            "orderBy=InvoiceCurrencyCode,EnteredAmount:desc"),
           200);
    for (size_t i = 1; i < items(&g); i++) {
        int d = strcmp(get_text(item(&g, i - 1), "InvoiceCurrencyCode"),
                       get_text(item(&g, i), "InvoiceCurrencyCode"));

        IS(d < 0 || (d == 0 && get_amount(item(&g, i - 1), "EnteredAmount") >=
                                   get_amount(item(&g, i), "EnteredAmount")));
    }
    EQ_INT(rig_get(&g, FSCM "receivablesInvoices?orderBy=Nothing:asc"), 400);
    rig_close(&g);
}

TEST(receipts_can_ignore_the_order)
{
    struct rig g;
    size_t wrong = 0;

    rig_open(&g);
    rig_switch(&g, "receipts_order", 0);
    EQ_INT(rig_get(&g, FSCM "standardReceipts?limit=300&onlyData=true&orderBy="
                            "LastUpdateDate:desc"),
           200);
    for (size_t i = 1; i < items(&g); i++) {
        wrong += stamp_of(item(&g, i)) > stamp_of(item(&g, i - 1));
    }
    IS(wrong > 20);
    rig_close(&g);
}

TEST(fields_give_only_what_was_named_and_win_over_expand)
{
    struct rig g;

    rig_open(&g);
    EQ_INT(rig_get(&g,
                   FSCM "receivablesInvoices?limit=3&onlyData=true&expand=all&"
                        "fields=TransactionNumber,EnteredAmount;"
                        "receivablesInvoiceLines:LineNumber,LineAmount;"
                        "receivablesInvoiceLines.receivablesInvoiceLineTaxLines"
                        ":TaxAmount"),
           200);
    for (size_t i = 0; i < 3; i++) {
        json_t *lines = json_object_get(
            json_object_get(item(&g, i), "receivablesInvoiceLines"), "items");

        EQ_INT(json_object_size(item(&g, i)), 3);
        EQ_INT(json_object_size(json_array_get(lines, 0)), 3);
    }
    EQ_INT(rig_get(&g, FSCM "receivablesInvoices?fields=Nonsense"), 400);
    EQ_INT(rig_get(&g, FSCM "receivablesInvoices?expand=nonsense"), 400);
    rig_close(&g);
}

/* Some invoice with more lines than a child page holds. */
static uint32_t
long_invoice(struct rig *g)
{
    const struct world *w = rig_world(g);

    for (uint32_t i = 0; i < w->n[K_INVOICE]; i++) {
        if (w->invoices[i].n_lines > 25) {
            return i;
        }
    }
    FAIL("no long invoice");
    return NONE;
}

TEST(an_expanded_child_stops_at_25_rows_and_its_rest_is_below)
{
    struct rig g;
    uint32_t v = 0;
    json_t *child = NULL;
    int64_t id = 0;
    size_t n = 0;

    rig_open(&g);
    v = long_invoice(&g);
    n = rig_world(&g)->invoices[v].n_lines;
    id = world_id(rig_world(&g), K_INVOICE, v);
    EQ_INT(rig_get(&g,
                   FSCM "receivablesInvoices?onlyData=true&q="
                        "CustomerTransactionId=%" PRId64
                        "&expand=receivablesInvoiceLines",
                   id),
           200);
    EQ_INT(items(&g), 1);
    child = json_object_get(item(&g, 0), "receivablesInvoiceLines");
    EQ_INT(json_array_size(json_object_get(child, "items")), 25);
    IS(get_true(child, "hasMore"));
    EQ_INT(rig_get(&g,
                   FSCM "receivablesInvoices/%" PRId64
                        "/child/receivablesInvoiceLines?offset=25&limit=100",
                   id),
           200);
    EQ_INT(items(&g), n - 25);
    NOT(get_true(g.body, "hasMore"));
    EQ_INT(get_int(item(&g, 0), "LineNumber"), 26);
    EQ_STR(g.operation, "receivablesInvoiceLines.get");
    rig_close(&g);
}

TEST(framework_1_and_2_show_bare_arrays)
{
    struct rig g;
    uint32_t v = 0;

    rig_open(&g);
    v = long_invoice(&g);
    g.version = "2";
    EQ_INT(rig_get(&g,
                   FSCM "receivablesInvoices/%" PRId64
                        "?onlyData=true&expand=receivablesInvoiceLines",
                   world_id(rig_world(&g), K_INVOICE, v)),
           200);
    EQ_INT(json_array_size(json_object_get(g.body, "receivablesInvoiceLines")),
           rig_world(&g)->invoices[v].n_lines);
    rig_close(&g);
}

TEST(without_the_header_the_framework_is_version_1)
{
    struct rig g;

    rig_open(&g);
    g.version = NULL;
    EQ_INT(rig_get(&g, FSCM "receivablesInvoices?limit=2&onlyData=true&q="
                            "InvoiceStatus=Comp*;InvoiceBalanceAmount>=1 and "
                            "<=100000000"),
           200);
    IS(items(&g) > 0);
    EQ_STR(get_text(item(&g, 0), "InvoiceStatus"), "Complete");
    EQ_INT(rig_get(&g, FSCM "receivablesInvoices?q=(InvoiceStatus='Frozen')"),
           400);
    EQ_INT(rig_get(&g, FSCM "receivablesInvoices?limit=500&onlyData=true&q="
                            "LastUpdateDate>2020-01-01T00:00:00Z and "
                            "<=2999-01-01T00:00:00Z;InvoiceStatus!=Frozen"),
           200);
    IS(items(&g) > 300 && items(&g) < 400);
    g.version = "17";
    EQ_INT(rig_get(&g, FSCM "receivablesInvoices"), 400);
    rig_close(&g);
}

TEST(framework_9_puts_links_under_context)
{
    struct rig g;

    rig_open(&g);
    EQ_INT(rig_get(&g, FSCM "receivablesInvoices?limit=1"), 200);
    IS(json_is_array(json_object_get(item(&g, 0), "links")));
    g.version = "9";
    EQ_INT(rig_get(&g, FSCM "receivablesInvoices?limit=1"), 200);
    NOT(json_is_array(json_object_get(item(&g, 0), "links")));
    IS(json_is_array(
        json_object_get(json_object_get(item(&g, 0), "@context"), "links")));
    EQ_INT(rig_get(&g, FSCM "receivablesInvoices?limit=1&onlyData=true"), 200);
    IS(json_object_get(item(&g, 0), "@context") == NULL);
    rig_close(&g);
}

TEST(links_can_be_cut_to_some_relations)
{
    struct rig g;

    rig_open(&g);
    EQ_INT(rig_get(&g, FSCM "receivablesInvoices?limit=1"), 200);
    EQ_INT(json_array_size(json_object_get(item(&g, 0), "links")), 10);
    EQ_INT(rig_get(&g, FSCM "receivablesInvoices?limit=1&links=self,canonical"),
           200);
    EQ_INT(json_array_size(json_object_get(item(&g, 0), "links")), 2);
    EQ_INT(rig_get(&g, FSCM "receivablesInvoices?limit=1&onlyData=true"), 200);
    IS(json_object_get(item(&g, 0), "links") == NULL);
    rig_close(&g);
}

TEST(answers_are_printed_as_adf_prints)
{
    struct rig g;

    rig_open(&g);
    EQ_INT(rig_get(&g, FSCM "receivablesInvoices?limit=1&totalResults=true"),
           200);
    HAS(g.text, "{\n  \"items\" : [\n    {\n      \"AccountingDate\" : \"");
    HAS(g.text, "\"href\" : \"https://pod.example:443/fscmRestApi/resources/");
    EQ_INT(get_int(g.body, "totalResults"), 400);
    EQ_INT(rig_get(&g, FSCM "receivablesInvoices?q=CustomerTransactionId=1"),
           200);
    HAS(g.text, "\"items\" : [],");
    rig_switch(&g, "items_absent", 1);
    EQ_INT(rig_get(&g, FSCM "receivablesInvoices?q=CustomerTransactionId=1"),
           200);
    LACKS(g.text, "items\"");
    EQ_INT(get_int(g.body, "count"), 0);
    rig_close(&g);
}

TEST(describe_says_what_may_be_queried)
{
    struct rig g;
    json_t *attrs = NULL;

    rig_open(&g);
    for (int on = 0; on < 2; on++) {
        size_t i = 0;
        json_t *a = NULL;
        bool found = false;

        rig_switch(&g, "receipts_stamp_q", on);
        EQ_INT(rig_get(&g, FSCM "standardReceipts/describe"), 200);
        attrs = json_object_get(
            json_object_get(json_object_get(g.body, "Resources"),
                            "standardReceipts"),
            "attributes");
        json_array_foreach(attrs, i, a)
        {
            if (strcmp(get_text(a, "name"), "LastUpdateDate") == 0) {
                EQ_INT(get_true(a, "queryable"), on);
                found = true;
            }
        }
        IS(found);
        EQ_INT(rig_get(&g, FSCM "standardReceipts?q=LastUpdateDate>="
                                "'2020-01-01T00:00:00.000+00:00'"),
               on ? 200 : 400);
    }
    EQ_INT(rig_get(&g, FSCM "describe"), 200);
    EQ_INT(json_object_size(json_object_get(g.body, "Resources")), 6);
    EQ_INT(rig_get(&g, "/fscmRestApi/resources"), 200);
    EQ_STR(get_text(json_object_get(item(&g, 0), "adf:extension"),
                    "defaultFrameworkVersion"),
           "1");
    rig_switch(&g, "describe_status", 406);
    EQ_INT(rig_get(&g, FSCM "standardReceipts/describe"), 406);
    rig_close(&g);
}

static void
batch(struct rig *g, const char *first, const char *second, int want)
{
    char *body = mem_printf(
        "{\"parts\":[{\"id\":\"p1\",\"path\":\"%s\",\"operation\":\"get\"},"
        "{\"id\":\"p2\",\"path\":\"%s\",\"operation\":\"get\"}]}",
        first, second);

    g->content_type = "application/vnd.oracle.adf.batch+json";
    EQ_INT(rig_send(g, "POST", FSCM, body), want);
    EQ_STR(g->operation, "batch");
    mem_free(body);
}

TEST(a_batch_gives_all_parts_or_none)
{
    struct rig g;
    json_t *parts = NULL;

    rig_open(&g);
    batch(&g, "/receivablesInvoices?limit=2&onlyData=true",
          "/standardReceipts?limit=3&q=ReceiptDate%3E%3D%272020-01-01%27", 200);
    parts = json_object_get(g.body, "parts");
    EQ_INT(json_array_size(parts), 2);
    EQ_INT(
        get_int(json_object_get(json_array_get(parts, 1), "payload"), "count"),
        3);
    batch(&g, "/receivablesInvoices?limit=2",
          "/standardReceipts?q=State=%27Applied%27", 400);
    HAS(g.text, "not queryable");
    LACKS(g.text, "CustomerTransactionId");
    rig_switch(&g, "batch", 0);
    batch(&g, "/receivablesInvoices?limit=2", "/standardReceipts", 404);
    rig_close(&g);
}

SUITE(collection, RUN(limit_is_25_by_default_and_capped_silently),
      RUN_LONG(offset_pages_give_every_row_once, 20),
      RUN_LONG(a_keyset_walk_over_equal_stamps_misses_nothing, 20),
      RUN_LONG(order_by_stamp_and_by_two_keys_is_kept, 10),
      RUN(receipts_can_ignore_the_order),
      RUN(fields_give_only_what_was_named_and_win_over_expand),
      RUN(an_expanded_child_stops_at_25_rows_and_its_rest_is_below),
      RUN(framework_1_and_2_show_bare_arrays),
      RUN(without_the_header_the_framework_is_version_1),
      RUN(framework_9_puts_links_under_context),
      RUN(links_can_be_cut_to_some_relations),
      RUN(answers_are_printed_as_adf_prints),
      RUN(describe_says_what_may_be_queried),
      RUN(a_batch_gives_all_parts_or_none))
