/* SPDX-License-Identifier: UNLICENSED */
/* The q parameter: what matches, what is refused, how times are read. */
#include "fixture.h"

/* Rows that match, all on one page; -1: refused with a 400. */
static int
matches(struct rig *g, const char *res, const char *q)
{
    int status = rig_get(g, "%s?onlyData=true&limit=500&q=%s", res, q);

    if (status == 400) {
        return -1;
    }
    EQ_INT(status, 200);
    return (int)items(g);
}

#define INVOICES FSCM "receivablesInvoices"
#define RECEIPTS FSCM "standardReceipts"

TEST(operators_split_the_rows_as_they_should)
{
    struct rig g;
    int complete = 0;
    int frozen = 0;
    int draft = 0;

    rig_open(&g);
    complete = matches(&g, INVOICES, "InvoiceStatus='Complete'");
    frozen = matches(&g, INVOICES, "InvoiceStatus = 'Frozen'");
    draft = matches(&g, INVOICES, "InvoiceStatus LIKE 'Incom%'");
    IS(complete > 300 && frozen > 0 && draft > 0);
    EQ_INT(complete + frozen + draft, 400);
    EQ_INT(matches(&g, INVOICES, "InvoiceStatus!='Complete'"), frozen + draft);
    EQ_INT(matches(&g, INVOICES, "InvoiceStatus in ('Frozen', 'Incomplete')"),
           frozen + draft);
    EQ_INT(
        matches(&g, INVOICES, "InvoiceStatus not in ('Frozen','Incomplete')"),
        complete);
    EQ_INT(matches(&g, INVOICES, "InvoiceStatus not like '%omplete'"), frozen);
    EQ_INT(matches(&g, INVOICES,
                   "(InvoiceStatus='Frozen' or InvoiceStatus='Incomplete') "
                   "and CustomerTransactionId > 0"),
           frozen + draft);
    EQ_INT(matches(&g, INVOICES,
                   "InvoiceStatus='Frozen' or InvoiceStatus='Incomplete' and "
                   "CustomerTransactionId < 0"),
           frozen);
    EQ_INT(matches(&g, INVOICES,
                   "InvoiceStatus='Complete';AllowCompletion is "
                   "not null"),
           0);
    EQ_INT(matches(&g, INVOICES, "AllowCompletion IS NULL"), 400);
    EQ_INT(matches(&g, INVOICES, "AllowCompletion != 'Y'"), 0);
    rig_close(&g);
}

TEST(amounts_are_compared_exactly)
{
    struct rig g;
    int zero = 0;
    int64_t id = 0;
    char q[192];
    char text[32];

    rig_open(&g);
    zero = matches(&g, INVOICES, "InvoiceBalanceAmount = 0");
    IS(zero > 50);
    EQ_INT(matches(&g, INVOICES, "InvoiceBalanceAmount != 0"), 400 - zero);
    EQ_INT(matches(&g, INVOICES,
                   "InvoiceBalanceAmount > 0.00 and "
                   "InvoiceBalanceAmount < 100000000"),
           400 - zero);
    EQ_INT(rig_get(&g, INVOICES "?limit=1&q=InvoiceBalanceAmount > 1"), 200);
    id = get_int(item(&g, 0), "CustomerTransactionId");
    (void)dec_e_text(get_amount(item(&g, 0), "InvoiceBalanceAmount"), 3, text);
    (void)snprintf(q, sizeof(q),
                   "InvoiceBalanceAmount between %s and %s and "
                   "CustomerTransactionId = %" PRId64,
                   text, text, id);
    EQ_INT(matches(&g, INVOICES, q), 1);
    rig_close(&g);
}

TEST(ids_are_looked_up_one_or_many)
{
    struct rig g;
    const struct world *w = NULL;
    char q[256];

    rig_open(&g);
    w = rig_world(&g);
    (void)snprintf(q, sizeof(q),
                   "CustomerTransactionId in (%" PRId64 ", 17, %" PRId64 ")",
                   world_id(w, K_INVOICE, 7), world_id(w, K_INVOICE, 300));
    EQ_INT(matches(&g, INVOICES, q), 2);
    (void)snprintf(q, sizeof(q),
                   "CustomerTransactionId in (%" PRId64 ",%" PRId64 ")",
                   world_id(w, K_INVOICE, 7), world_id(w, K_INVOICE, 7));
    EQ_INT(matches(&g, INVOICES, q), 1);
    (void)snprintf(q, sizeof(q), "StandardReceiptId > %" PRId64,
                   world_id(w, K_RECEIPT, world_order(w, K_RECEIPT, 250)));
    EQ_INT(matches(&g, RECEIPTS, q), (int)w->n[K_RECEIPT] - 251);
    EQ_INT(matches(&g, RECEIPTS, "ReceiptDate >= '2000-01-01'"),
           (int)w->n[K_RECEIPT]);
    EQ_INT(matches(&g, RECEIPTS, "ReceiptDate < '2000-01-01'"), 0);
    rig_close(&g);
}

TEST(quotes_inside_a_literal_are_doubled)
{
    struct rig g;

    rig_open(&g);
    EQ_INT(rig_control(&g, "POST", "customer?CustomerName=O'Hara \\ \"X\""),
           200);
    EQ_INT(matches(&g, FSCM "receivablesCustomerAccountActivities",
                   "CustomerName='O''Hara \\ \"X\"'"),
           1);
    EQ_STR(get_text(item(&g, 0), "CustomerName"), "O'Hara \\ \"X\"");
    EQ_INT(matches(&g, FSCM "receivablesCustomerAccountActivities",
                   "CustomerName='O'Hara'"),
           -1);
    rig_close(&g);
}

TEST(attributes_that_are_not_queryable_are_refused)
{
    struct rig g;

    rig_open(&g);
    EQ_INT(matches(&g, INVOICES, "BillToCustomerNumber='1003'"), -1);
    HAS(g.text, "27520");
    HAS(g.text, "The attribute BillToCustomerNumber is not queryable.");
    EQ_INT(matches(&g, RECEIPTS,
                   "LastUpdateDate>='2020-01-01T00:00:00.000+00:00'"),
           -1);
    EQ_INT(matches(&g, INVOICES, "Nothing=1"), -1);
    EQ_INT(matches(&g, FSCM "receivablesCreditMemos",
                   "LastUpdateDate>='2020-01-01T00:00:00.000+00:00'"),
           -1);
    rig_close(&g);
}

TEST(nonsense_is_refused_not_guessed)
{
    static const char *const bad[] = {
        "InvoiceStatus",
        "InvoiceStatus=",
        "InvoiceStatus='Complete' and",
        "(InvoiceStatus='Complete'",
        "InvoiceStatus='Complete')",
        "InvoiceStatus in 'Complete'",
        "InvoiceStatus in ('Complete'",
        "InvoiceStatus is 'x'",
        "CustomerTransactionId=abc",
        "InvoiceBalanceAmount>=1,5",
        "LastUpdateDate>='yesterday'",
        "InvoiceStatus between 'A'",
        "='x'",
    };
    struct rig g;

    rig_open(&g);
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        ck_assert_msg(matches(&g, INVOICES, bad[i]) == -1, "%s", bad[i]);
    }
    rig_close(&g);
}

/* Pieces of queries, thrown together: any answer but a crash, a 5xx or a leak. */
TEST(random_queries_are_answered_or_refused)
{
    static const char *const pieces[] = {"InvoiceStatus",
                                         "LastUpdateDate",
                                         "InvoiceBalanceAmount",
                                         "=",
                                         ">=",
                                         "<>",
                                         " and ",
                                         " or ",
                                         " like ",
                                         " in ",
                                         "(",
                                         ")",
                                         "((((((((",
                                         ",",
                                         "'x'",
                                         "'",
                                         "\"",
                                         "2020-01-01",
                                         "12.5",
                                         "-1e400",
                                         "null",
                                         " is ",
                                         " not ",
                                         " between ",
                                         ";",
                                         "%",
                                         "*",
                                         "\xc3\xa4",
                                         "CustomerTransactionId",
                                         "99999999999999999999999999",
                                         " ",
                                         "AllowCompletion"};
    static const char *const versions[] = {"1", "2", "4", "9"};
    struct rig g;
    struct rng r = {77};

    rig_open_sized(&g, 5, 20, 10);
    for (int i = 0; i < 4000; i++) {
        struct buf q;

        buf_init(&q, 4096);
        buf_adds(&q, INVOICES "?limit=2&onlyData=true&q=");
        for (int64_t n = rng_range(&r, 1, 9); n > 0; n--) {
            buf_adds(&q, pieces[rng_next(&r) % COUNT_OF(pieces)]);
        }
        g.version = versions[i % 4];
        (void)rig_get(&g, "%s", buf_text(&q));
        ck_assert_msg(g.status == 200 || g.status == 400, "%d for %s", g.status,
                      buf_text(&q));
        buf_fini(&q);
    }
    rig_close(&g);
}

/* Rows changed at or after T, T written in a style. */
static int
since(struct rig *g, const char *literal)
{
    char q[256];

    (void)snprintf(q, sizeof(q), "LastUpdateDate>=%s", literal);
    return matches(g, INVOICES, q);
}

TEST(the_pod_takes_only_its_styles_of_time)
{
    static const struct {
        const char *literal;
        int64_t bit;
    } styles[] = {{"'2020-01-15T00:00:00.000+00:00'", 1},
                  {"'2020-01-15T00:00:00Z'", 2},
                  {"'2020-01-15 00:00:00'", 4},
                  {"'2020-01-15'", 8},
                  {"'2020-01-15T00:00:00'", 16},
                  {"2020-01-15T00:00:00Z", 2 + 32},
                  {"2020-01-15 00:00:00", 4 + 32},
                  {"\"2020-01-15T00:00:00Z\"", 2 + 64}};
    struct rig g;

    rig_open(&g);
    for (size_t i = 0; i < COUNT_OF(styles); i++) {
        rig_switch(&g, "literals", styles[i].bit);
        EQ_INT(since(&g, styles[i].literal), 400);
        rig_switch(&g, "literals", 127 & ~styles[i].bit);
        EQ_INT(since(&g, styles[i].literal), -1);
    }
    rig_close(&g);
}

/* What a connector does at start-up. */
TEST(a_calibration_finds_times_in_order_and_shifted_zones)
{
    struct rig g;
    char at[TIME_TEXT_MAX];
    char q[160];
    char after[TIME_TEXT_MAX];
    int64_t us = 0;

    rig_open(&g);
    EQ_INT(since(&g, "'2999-01-01T00:00:00.000+00:00'"), 0);
    EQ_INT(rig_get(&g, INVOICES "?limit=1&orderBy=LastUpdateDate:desc"), 200);
    (void)snprintf(at, sizeof(at), "%s",
                   get_text(item(&g, 0), "LastUpdateDate"));
    OK(time_parse(at, strlen(at), &us));
    (void)snprintf(q, sizeof(q), "'%s'", at);
    IS(since(&g, q) >= 1);
    (void)snprintf(q, sizeof(q), "'%s'", stamp_text(us + 2000000, 0, after));
    EQ_INT(since(&g, q), 0);
    rig_switch(&g, "all_shift_min", -120);
    IS(since(&g, q) >= 1);
    rig_switch(&g, "all_shift_min", 0);
    rig_switch(&g, "zone_shift_min", -120);
    EQ_INT(since(&g, q), 0);
    (void)snprintf(q, sizeof(q), "'%.10s %.8s'", after, after + 11);
    IS(since(&g, q) >= 1);
    rig_close(&g);
}

TEST(stamps_are_shown_cut_to_milliseconds_and_stored_exactly)
{
    struct rig g;
    int64_t id = 0;
    char q[160];

    rig_open(&g);
    id = world_id(rig_world(&g), K_INVOICE, 3);
    world_touch(rig_world(&g), K_INVOICE, 3, INT64_C(1800000000123456));
    EQ_INT(rig_get(&g, INVOICES "/%" PRId64, id), 200);
    EQ_STR(get_text(g.body, "LastUpdateDate"), "2027-01-15T08:00:00.123+00:00");
    (void)snprintf(q, sizeof(q),
                   "LastUpdateDate='2027-01-15T08:00:00.123+00:00'");
    EQ_INT(matches(&g, INVOICES, q), 0);
    q[14] = '>';
    EQ_INT(matches(&g, INVOICES, q), 1);
    rig_switch(&g, "show_zone_min", -420);
    EQ_INT(rig_get(&g, INVOICES "/%" PRId64, id), 200);
    EQ_STR(get_text(g.body, "LastUpdateDate"), "2027-01-15T01:00:00.123-07:00");
    world_touch(rig_world(&g), K_INVOICE, 3, INT64_C(1800000000000456));
    rig_switch(&g, "show_zone_min", 0);
    EQ_INT(rig_get(&g, INVOICES "/%" PRId64, id), 200);
    EQ_STR(get_text(g.body, "LastUpdateDate"), "2027-01-15T08:00:00+00:00");
    rig_close(&g);
}

TEST(finders_filter_by_what_q_may_not)
{
    struct rig g;

    rig_open(&g);
    EQ_INT(rig_get(&g, INVOICES "?limit=500&onlyData=true&finder="
                                "invoiceSearch;BusinessUnit=Vision Services,"
                                "InvoiceStatus=Complete"),
           200);
    IS(items(&g) > 5 && items(&g) < 200);
    for (size_t i = 0; i < items(&g); i++) {
        EQ_STR(get_text(item(&g, i), "BusinessUnit"), "Vision Services");
    }
    EQ_INT(rig_get(&g, INVOICES "?finder=other;A=1"), 400);
    EQ_INT(rig_get(&g, INVOICES "?finder=invoiceSearch;Nothing=1"), 400);
    EQ_INT(rig_get(&g, RECEIPTS "?finder=PrimaryKey;StandardReceiptId=%" PRId64,
                   world_id(rig_world(&g), K_RECEIPT, 9)),
           200);
    EQ_INT(items(&g), 1);
    rig_close(&g);
}

TEST(errors_take_the_form_the_client_asks_for)
{
    struct rig g;

    rig_open(&g);
    EQ_INT(matches(&g, INVOICES, "Nothing=1"), -1);
    EQ_STR(get_text(g.body, "title"), "Bad Request");
    EQ_STR(get_text(g.body, "status"), "400");
    g.accept = "application/json";
    EQ_INT(matches(&g, INVOICES, "Nothing=1"), -1);
    IS(g.body == NULL);
    HAS(g.text, "URL request parameter q cannot be used in this context.");
    rig_switch(&g, "error_body", 2);
    EQ_INT(matches(&g, INVOICES, "Nothing=1"), -1);
    EQ_INT(g.len, 0);
    rig_switch(&g, "error_body", 3);
    EQ_INT(matches(&g, INVOICES, "Nothing=1"), -1);
    HAS(g.text, "<html>");
    rig_close(&g);
}

SUITE(query, RUN(operators_split_the_rows_as_they_should),
      RUN(amounts_are_compared_exactly), RUN(ids_are_looked_up_one_or_many),
      RUN(quotes_inside_a_literal_are_doubled),
      RUN(attributes_that_are_not_queryable_are_refused),
      RUN(nonsense_is_refused_not_guessed),
      RUN_LONG(random_queries_are_answered_or_refused, 20),
      RUN_LONG(the_pod_takes_only_its_styles_of_time, 10),
      RUN(a_calibration_finds_times_in_order_and_shifted_zones),
      RUN(stamps_are_shown_cut_to_milliseconds_and_stored_exactly),
      RUN(finders_filter_by_what_q_may_not),
      RUN(errors_take_the_form_the_client_asks_for))
