/* SPDX-License-Identifier: UNLICENSED */
/*
 * Traps of one pod or another that readers fall into, each by its switch: what
 * stamps what, what may be asked and sorted by, pods that do not filter, zones
 * with summer time, drafts that vanish, rows that hide.
 */
#include "fixture.h"

#define INVOICES FSCM "receivablesInvoices"
#define MEMOS FSCM "receivablesCreditMemos"
#define ADJUSTMENTS FSCM "receivablesAdjustments"
#define BY_STAMP "orderBy=LastUpdateDate:asc,CustomerTransactionId:asc"

/* ---- what stamps what --------------------------------------------------- */

TEST(applying_stamps_the_receipt_unless_told_otherwise)
{
    struct rig g;
    struct world *w = NULL;
    int64_t later = 0;

    rig_open(&g);
    w = rig_world(&g);
    later = g.now_us + 5000000;
    for (int bump = 1; bump >= 0; bump--) {
        uint32_t v = op_invoice(w, 1, 1, 0, g.now_us);
        uint32_t r = op_receipt(w, 1, 0, 90000, g.now_us);

        rig_switch(&g, "applications_bump_receipt", bump);
        EQ_INT(op_apply(w, r, v, 10000, later), 10000);
        EQ_INT(w->receipts[r].stamp, bump ? later : g.now_us);
        EQ_INT(op_unapply(w, r, NONE, later + 1), 10000);
        EQ_INT(op_on_account(w, r, 10000, later + 2), 10000);
        EQ_INT(w->receipts[r].stamp, bump ? later + 2 : g.now_us);
        /* A reversal changes the receipt itself. */
        IS(op_reverse(w, r, "NSF", later + 3));
        EQ_INT(w->receipts[r].stamp, later + 3);
    }
    rig_close(&g);
}

TEST(credits_and_adjustments_stamp_the_installment_not_the_invoice)
{
    struct rig g;
    struct world *w = NULL;
    int64_t later = 0;

    rig_open(&g);
    w = rig_world(&g);
    later = g.now_us + 5000000;
    for (int bump = 0; bump < 2; bump++) {
        uint32_t v = op_invoice(w, 1, 1, 0, g.now_us);
        uint32_t u = op_invoice(w, 1, 1, 0, g.now_us);

        rig_switch(&g, "payments_bump_invoice", bump);
        IS(op_memo(w, v, 10000, later) != NONE);
        IS(op_adjust(w, u, 2000, later) != NONE);
        EQ_INT(w->invoices[v].stamp, bump ? later : g.now_us);
        EQ_INT(w->invoices[u].stamp, bump ? later : g.now_us);
        EQ_INT(w->invoices[v].inst[0].stamp, later);
        EQ_INT(w->invoices[u].inst[0].stamp, later);
        EQ_INT(w->invoices[v].inst[0].credited, -10000);
        EQ_INT(w->invoices[u].inst[0].adjusted, -2000);
        EQ_INT(w->invoices[v].inst[0].paid, 0);
    }
    rig_close(&g);
}

TEST(a_changed_line_stamps_the_invoice_unless_told_otherwise)
{
    struct rig g;
    struct world *w = NULL;
    int64_t later = 0;

    rig_open(&g);
    w = rig_world(&g);
    later = g.now_us + 5000000;
    for (int bump = 1; bump >= 0; bump--) {
        uint32_t v = op_invoice(w, 1, 2, 0, g.now_us);

        rig_switch(&g, "lines_bump_invoice", bump);
        IS(op_line_change(w, v, 0, 2000, 70000, later));
        EQ_INT(w->invoices[v].stamp, bump ? later : g.now_us);
        EQ_INT(w->invoices[v].lines[0].stamp, later);
    }
    rig_close(&g);
}

TEST(an_adjustment_shows_wherever_it_should)
{
    struct rig g;
    struct world *w = NULL;
    json_t *inst = NULL;
    int64_t id = 0;

    rig_open(&g);
    w = rig_world(&g);
    w->customers[1].hashed = false;
    id = world_id(w, K_INVOICE, op_invoice(w, 1, 1, 0, g.now_us));
    EQ_INT(rig_control(&g, "POST", "adjustment?invoice=%" PRId64 "&amount=2.5",
                       id),
           200);
    EQ_INT(rig_get(&g, ADJUSTMENTS "?q=CustomerTransactionId=%" PRId64, id),
           200);
    EQ_INT(items(&g), 1);
    EQ_INT(get_amount(item(&g, 0), "AdjustmentAmount"), -2500);
    EQ_INT(rig_get(&g,
                   FSCM "receivablesCustomerAccountActivities/%" PRId64
                        "/child/transactionAdjustments?"
                        "q=ReferenceTransactionId=%" PRId64,
                   world_id(w, K_CUSTOMER, 1), id),
           200);
    EQ_INT(items(&g), 1);
    EQ_INT(rig_get(&g,
                   INVOICES "/%" PRId64 "/child/receivablesInvoiceInstallments",
                   id),
           200);
    inst = item(&g, 0);
    EQ_INT(get_amount(inst, "InstallmentAmountAdjusted"), -2500);
    EQ_INT(get_amount(inst, "OriginalAmount") - 2500,
           get_amount(inst, "InstallmentBalanceDue"));
    EQ_INT(get_amount(inst, "AmountPaid"), 0);
    rig_close(&g);
}

/* A row below it changed, so to say. */
TEST(a_quiet_change_leaves_the_stamp_alone)
{
    struct rig g;
    struct world *w = NULL;
    int64_t before[4] = {0};

    rig_open(&g);
    w = rig_world(&g);
    before[0] = w->parties[0].stamp;
    before[1] = w->persons[0].stamp;
    before[2] = w->customers[0].stamp;
    before[3] = w->invoices[0].stamp;
    EQ_INT(rig_control(&g, "POST",
                       "organization/%" PRId64 "?quiet=1&City=Elsewhere",
                       world_id(w, K_PARTY, 0)),
           200);
    EQ_STR(w->parties[0].city, "Elsewhere");
    EQ_INT(rig_control(&g, "POST", "person/%" PRId64 "?quiet=1&JobTitle=x",
                       world_id(w, K_PERSON, 0)),
           200);
    EQ_INT(rig_control(&g, "POST", "customer/%s?quiet=1&CustomerName=x",
                       w->customers[0].number),
           200);
    EQ_INT(rig_control(&g, "POST", "invoice/%" PRId64 "?quiet=1&Comments=x",
                       world_id(w, K_INVOICE, 0)),
           200);
    EQ_STR(w->invoices[0].comments, "x");
    EQ_INT(w->parties[0].stamp, before[0]);
    EQ_INT(w->persons[0].stamp, before[1]);
    EQ_INT(w->customers[0].stamp, before[2]);
    EQ_INT(w->invoices[0].stamp, before[3]);
    EQ_INT(rig_control(&g, "POST", "customer/%s?CustomerName=y",
                       w->customers[0].number),
           200);
    EQ_INT(w->customers[0].stamp, g.now_us);
    rig_close(&g);
}

TEST(a_party_can_get_one_more_account)
{
    struct rig g;
    struct world *w = NULL;
    int64_t party = 0;
    int64_t was = 0;

    rig_open(&g);
    w = rig_world(&g);
    party = world_id(w, K_PARTY, w->customers[3].party);
    EQ_INT(rig_get(&g,
                   FSCM "receivablesCustomerAccountActivities?"
                        "q=CustomerId=%" PRId64,
                   party),
           200);
    was = (int64_t)items(&g);
    EQ_INT(rig_control(&g, "POST", "customer?PartyId=%" PRId64, party), 200);
    EQ_INT(get_int(g.body, "PartyId"), party);
    EQ_INT(rig_get(&g,
                   FSCM "receivablesCustomerAccountActivities?"
                        "q=CustomerId=%" PRId64,
                   party),
           200);
    EQ_INT(items(&g), was + 1);
    EQ_INT(rig_control(&g, "POST", "customer?PartyId=17"), 404);
    rig_close(&g);
}

TEST(receipts_can_be_dated_at_will_and_start_with_nulls)
{
    struct rig g;
    int64_t id = 0;

    rig_open(&g);
    rig_switch(&g, "receipts_null", 1);
    EQ_INT(rig_control(&g, "POST",
                       "receipt?amount=5&account=%s&ReceiptDate=2011-12-13",
                       rig_world(&g)->customers[0].number),
           200);
    id = get_int(g.body, "id");
    EQ_INT(rig_get(&g, FSCM "standardReceipts/%" PRId64, id), 200);
    EQ_STR(get_text(g.body, "ReceiptDate"), "2011-12-13");
    IS(json_is_null(json_object_get(g.body, "State")));
    IS(json_is_null(json_object_get(g.body, "Status")));
    IS(json_is_null(json_object_get(g.body, "UnappliedAmount")));
    EQ_INT(
        rig_control(&g, "POST", "receipt/%" PRId64 "/on_account?amount=2", id),
        200);
    EQ_INT(rig_control(&g, "POST", "receipt/%" PRId64 "?ReceiptDate=2044-01-02",
                       id),
           200);
    EQ_INT(rig_get(&g, FSCM "standardReceipts/%" PRId64, id), 200);
    EQ_STR(get_text(g.body, "ReceiptDate"), "2044-01-02");
    EQ_INT(get_amount(g.body, "UnappliedAmount"), 3000);
    EQ_STR(get_text(g.body, "Status"), "Confirmed");
    rig_close(&g);
}

/* ---- what may be asked and sorted by ------------------------------------ */

static void
check_asked(struct rig *g, const char *name, int by_default, const char *path)
{
    for (int i = 0; i < 2; i++) {
        int on = i == 0 ? by_default : !by_default;

        if (i == 1) {
            rig_switch(g, name, on);
        }
        EQ_INT(rig_get(g,
                       "%s?limit=1&q=LastUpdateDate>='"
                       "2020-01-01T00:00:00.000+00:00'",
                       path),
               on ? 200 : 400);
    }
}

TEST(the_stamp_may_be_asked_for_or_not_by_resource)
{
    struct rig g;

    rig_open(&g);
    check_asked(&g, "invoices_stamp_q", 1, INVOICES);
    check_asked(&g, "receipts_stamp_q", 0, FSCM "standardReceipts");
    check_asked(&g, "memos_stamp_q", 0, MEMOS);
    check_asked(&g, "accounts_stamp_q", 1,
                FSCM "receivablesCustomerAccountActivities");
    check_asked(&g, "parties_stamp_q", 1, CRM "hubOrganizations");
    EQ_INT(rig_get(&g, CRM "hubPersons?q=LastUpdateDate>='"
                           "2020-01-01T00:00:00.000+00:00'"),
           400);
    EQ_INT(rig_get(&g, ADJUSTMENTS "?q=LastUpdateDate>='"
                                   "2020-01-01T00:00:00.000+00:00'"),
           400);
    rig_close(&g);
}

/* Whether the page is in falling order of stamps; -1: it was refused. */
static int
falls(struct rig *g, const char *path)
{
    int64_t last = INT64_MAX;

    if (rig_get(g, "%s?limit=12&onlyData=true&orderBy=LastUpdateDate:desc",
                path) == 400) {
        return -1;
    }
    IS(items(g) > 3);
    for (size_t i = 0; i < items(g); i++) {
        const char *s = get_text(item(g, i), "LastUpdateDate");
        int64_t us = 0;

        OK(time_parse(s, strlen(s), &us));
        if (us > last) {
            return 0;
        }
        last = us;
    }
    return 1;
}

TEST(an_order_by_the_stamp_is_obeyed_ignored_or_refused)
{
    static const struct {
        const char *name, *path;
    } orders[] = {{"receipts_order", FSCM "standardReceipts"},
                  {"memos_order", MEMOS},
                  {"order", INVOICES}};
    struct rig g;

    rig_open(&g);
    for (size_t i = 0; i < COUNT_OF(orders); i++) {
        EQ_INT(falls(&g, orders[i].path), 1);
        rig_switch(&g, orders[i].name, 0);
        EQ_INT(falls(&g, orders[i].path), 0);
        rig_switch(&g, orders[i].name, 2);
        EQ_INT(falls(&g, orders[i].path), -1);
    }
    EQ_INT(falls(&g, ADJUSTMENTS), -1);
    EQ_INT(rig_get(&g, MEMOS "?orderBy=CustomerTransactionId:asc"), 200);
    rig_close(&g);
}

/* ---- pods that make no sense -------------------------------------------- */

TEST(a_pod_can_ignore_the_filter_on_the_stamp)
{
    struct rig g;
    int64_t id = 0;

    rig_open(&g);
    id = world_id(rig_world(&g), K_INVOICE, 5);
    rig_switch(&g, "q_ignored", 1);
    EQ_INT(rig_get(&g, INVOICES "?limit=500&onlyData=true&q=LastUpdateDate>='"
                                "2999-01-01T00:00:00.000+00:00'"),
           200);
    EQ_INT(items(&g), 400);
    EQ_INT(rig_get(&g,
                   INVOICES "?limit=500&q=LastUpdateDate<'"
                            "2000-01-01T00:00:00.000+00:00' and "
                            "CustomerTransactionId=%" PRId64,
                   id),
           200);
    EQ_INT(items(&g), 1);
    EQ_INT(rig_get(&g, INVOICES "?q=LastUpdateDate>='nonsense'"), 400);
    rig_switch(&g, "q_ignored", 2);
    EQ_INT(rig_get(&g,
                   INVOICES "?limit=500&onlyData=true&"
                            "q=CustomerTransactionId=%" PRId64,
                   id),
           200);
    EQ_INT(items(&g), 400);
    rig_close(&g);
}

/* Invoices stamped at or after a literal of one style. */
static size_t
since(struct rig *g, const char *literal)
{
    EQ_INT(rig_get(g,
                   INVOICES "?limit=500&onlyData=true&q=LastUpdateDate>='%s'",
                   literal),
           200);
    return items(g);
}

TEST(a_zone_with_summer_time_moves_half_the_year)
{
    struct rig g;
    struct world *w = NULL;
    int64_t winter = 0;
    int64_t summer = 0;

    rig_open(&g);
    w = rig_world(&g);
    OK(time_parse("2031-01-15T12:00:00Z", 20, &winter));
    OK(time_parse("2031-07-15T12:00:00Z", 20, &summer));
    world_touch(w, K_INVOICE, 0, winter);
    world_touch(w, K_INVOICE, 1, summer);
    EQ_INT(since(&g, "2031-07-15 12:00:00"), 1);
    EQ_INT(since(&g, "2031-01-15 12:00:00"), 2);
    rig_switch(&g, "zone_dst", 1);
    EQ_INT(since(&g, "2031-07-15 12:00:00"), 0);
    EQ_INT(since(&g, "2031-07-15 11:00:00"), 1);
    EQ_INT(since(&g, "2031-01-15 12:00:00"), 2);
    EQ_INT(since(&g, "2031-07-15T12:00:00.000+00:00"), 1);
    rig_switch(&g, "zone_shift_min", -120);
    EQ_INT(since(&g, "2031-07-15 13:00:00"), 1);
    EQ_INT(since(&g, "2031-07-15 13:00:01"), 0);
    EQ_INT(since(&g, "2031-01-15 14:00:00"), 2);
    EQ_INT(since(&g, "2031-01-15 14:00:01"), 1);
    rig_close(&g);
}

/* ---- gone and hidden ---------------------------------------------------- */

TEST(a_deleted_draft_leaves_no_trace)
{
    struct rig g;
    int64_t id = 0;

    rig_open(&g);
    EQ_INT(rig_control(&g, "POST",
                       "invoice?account=%s&InvoiceStatus=Incomplete",
                       rig_world(&g)->customers[2].number),
           200);
    id = get_int(g.body, "id");
    EQ_INT(rig_get(&g,
                   INVOICES "?q=CustomerTransactionId in (%" PRId64
                            ") and InvoiceStatus='Incomplete'",
                   id),
           200);
    EQ_INT(items(&g), 1);
    EQ_INT(rig_control(&g, "DELETE", "invoice/%" PRId64, id), 200);
    EQ_INT(rig_get(&g, INVOICES "/%" PRId64, id), 404);
    EQ_INT(
        rig_get(&g, INVOICES "/%" PRId64 "/child/receivablesInvoiceLines", id),
        404);
    EQ_INT(
        rig_get(&g, INVOICES "?q=CustomerTransactionId in (%" PRId64 ")", id),
        200);
    EQ_INT(items(&g), 0);
    EQ_INT(rig_get(&g, INVOICES "?limit=500&onlyData=true&" BY_STAMP), 200);
    EQ_INT(items(&g), 400);
    EQ_INT(rig_control(&g, "GET", "dump/invoices/%" PRId64, id), 404);
    rig_close(&g);
}

TEST(a_hidden_row_is_not_found_by_its_key_either)
{
    struct rig g;
    struct world *w = NULL;
    uint32_t hidden = NONE;

    rig_open(&g);
    w = rig_world(&g);
    for (uint32_t i = 0; i < w->n[K_ADJUSTMENT] && hidden == NONE; i++) {
        uint32_t v = w->adjustments[i].invoice;

        hidden = w->invoices[v].unit == 0 ? i : NONE;
    }
    IS(hidden != NONE);
    for (int by = 0; by < 3; by++) {
        int want = by == 0 ? 200 : 404;

        EQ_INT(rig_control(&g, "POST", "switches?reset=1%s",
                           by == 1 ? "&hidden_business_unit=Vision Operations" :
                           by == 2 ? "&trim_percent=100" :
                                     ""),
               200);
        EQ_INT(rig_get(&g, ADJUSTMENTS "/%" PRId64,
                       world_id(w, K_ADJUSTMENT, hidden)),
               want);
        EQ_INT(rig_get(&g, INVOICES "/%" PRId64,
                       world_id(w, K_INVOICE, w->adjustments[hidden].invoice)),
               want);
        EQ_INT(rig_get(&g, INVOICES "?q=CustomerTransactionId in (%" PRId64 ")",
                       world_id(w, K_INVOICE, w->adjustments[hidden].invoice)),
               200);
        EQ_INT(items(&g), want == 200);
    }
    rig_close(&g);
}

/* ---- limits and shapes -------------------------------------------------- */

TEST(children_stop_where_the_pod_says)
{
    struct rig g;
    int64_t id = 0;

    rig_open(&g);
    id = world_id(rig_world(&g), K_INVOICE,
                  op_invoice(rig_world(&g), 1, 9, 0, g.now_us));
    rig_switch(&g, "child_limit", 4);
    EQ_INT(
        rig_get(&g, INVOICES "/%" PRId64 "?expand=receivablesInvoiceLines", id),
        200);
    EQ_INT(get_int(json_object_get(g.body, "receivablesInvoiceLines"), "count"),
           4);
    IS(get_true(json_object_get(g.body, "receivablesInvoiceLines"), "hasMore"));
    g.version = "1";
    EQ_INT(
        rig_get(&g, INVOICES "/%" PRId64 "?expand=receivablesInvoiceLines", id),
        200);
    EQ_INT(json_array_size(json_object_get(g.body, "receivablesInvoiceLines")),
           9);
    rig_switch(&g, "v1_child_limit", 5);
    EQ_INT(
        rig_get(&g, INVOICES "/%" PRId64 "?expand=receivablesInvoiceLines", id),
        200);
    EQ_INT(json_array_size(json_object_get(g.body, "receivablesInvoiceLines")),
           5);
    rig_close(&g);
}

TEST(framework_versions_are_the_pods)
{
    struct rig g;

    rig_open(&g);
    rig_switch(&g, "max_version", 6);
    g.version = "9";
    EQ_INT(rig_get(&g, INVOICES "?limit=1"), 400);
    g.version = "6";
    EQ_INT(rig_get(&g, INVOICES "?limit=1"), 200);
    IS(json_object_get(item(&g, 0), "@context") == NULL);
    rig_switch(&g, "context_version", 5);
    EQ_INT(rig_get(&g, INVOICES "?limit=1"), 200);
    IS(json_object_get(item(&g, 0), "@context") != NULL);
    g.version = NULL;
    rig_switch(&g, "default_version", 4);
    EQ_INT(rig_get(&g, INVOICES "?limit=1&expand=receivablesInvoiceLines"),
           200);
    IS(json_is_object(json_object_get(item(&g, 0), "receivablesInvoiceLines")));
    rig_close(&g);
}

TEST(offsets_batches_and_whole_apis_have_their_limits)
{
    const char *two =
        "{\"parts\":[{\"id\":\"a\",\"path\":\"/standardReceipts\","
        "\"operation\":\"get\"},{\"id\":\"b\",\"path\":\"/standardReceipts\","
        "\"operation\":\"get\"}]}";
    struct rig g;

    rig_open(&g);
    rig_switch(&g, "offset_wall", 100);
    EQ_INT(rig_get(&g, INVOICES "?offset=100"), 200);
    EQ_INT(rig_get(&g, INVOICES "?offset=101"), 400);
    g.content_type = "application/vnd.oracle.adf.batch+json";
    EQ_INT(rig_send(&g, "POST", FSCM, two), 200);
    rig_switch(&g, "batch_limit", 1);
    EQ_INT(rig_send(&g, "POST", FSCM, two), 400);
    rig_switch(&g, "fscm_status", 403);
    EQ_INT(rig_get(&g, INVOICES), 403);
    EQ_INT(rig_get(&g, CRM "hubOrganizations"), 200);
    rig_close(&g);
}

TEST(the_balance_is_in_the_ledgers_currency_or_the_invoices)
{
    struct rig g;
    struct world *w = NULL;
    int64_t id = 0;
    int64_t entered = 0;

    rig_open(&g);
    w = rig_world(&g);
    id =
        world_id(w, K_INVOICE,
                 op_invoice(w, 1, 1, (unsigned)currency_find("EUR"), g.now_us));
    EQ_INT(rig_get(&g, INVOICES "/%" PRId64, id), 200);
    entered = get_amount(g.body, "EnteredAmount");
    EQ_INT(get_amount(g.body, "InvoiceBalanceAmount"),
           to_ledger(entered, (unsigned)currency_find("EUR")));
    IS(entered != get_amount(g.body, "InvoiceBalanceAmount"));
    rig_switch(&g, "balance_entered", 1);
    EQ_INT(rig_get(&g, INVOICES "/%" PRId64, id), 200);
    EQ_INT(get_amount(g.body, "InvoiceBalanceAmount"), entered);
    rig_close(&g);
}

/* ---- the trap bites ----------------------------------------------------- */

/* Which of the invoices there at the start an offset walk has met. */
static size_t
offset_walk(struct rig *g, bool *met, size_t n)
{
    size_t offset = 0;
    size_t found = 0;

    do {
        EQ_INT(rig_get(g,
                       INVOICES "?limit=20&onlyData=true&" BY_STAMP
                                "&fields=CustomerTransactionId&offset=%zu",
                       offset),
               200);
        for (size_t i = 0; i < items(g); i++) {
            int64_t id = get_int(item(g, i), "CustomerTransactionId");
            uint32_t idx = world_find(rig_world(g), K_INVOICE, id);

            if (idx < n && !met[idx]) {
                met[idx] = true;
                found++;
            }
        }
        offset += items(g);
    } while (get_true(g->body, "hasMore") && offset < 2000);
    return found;
}

TEST(a_walk_by_offset_misses_rows_of_a_pod_at_work)
{
    struct rig g;
    struct world *w = NULL;
    bool *met = NULL;
    size_t n = 0;
    size_t there = 0;
    size_t found = 0;

    rig_open(&g);
    w = rig_world(&g);
    n = w->n[K_INVOICE];
    met = mem_array(n, sizeof(*met));
    EQ_INT(offset_walk(&g, met, n), n);
    memset(met, 0, n * sizeof(*met));
    EQ_INT(rig_control(&g, "POST",
                       "switches?mutate_every=1&mutate_count=6&"
                       "mutate_groups=2"),
           200);
    found = offset_walk(&g, met, n);
    for (uint32_t i = 0; i < n; i++) {
        there += world_alive(w, K_INVOICE, i);
    }
    IS(found < there);
    mem_free(met);
    rig_close(&g);
}

SUITE(trap, RUN(applying_stamps_the_receipt_unless_told_otherwise),
      RUN(credits_and_adjustments_stamp_the_installment_not_the_invoice),
      RUN(a_changed_line_stamps_the_invoice_unless_told_otherwise),
      RUN(an_adjustment_shows_wherever_it_should),
      RUN(a_quiet_change_leaves_the_stamp_alone),
      RUN(a_party_can_get_one_more_account),
      RUN(receipts_can_be_dated_at_will_and_start_with_nulls),
      RUN(the_stamp_may_be_asked_for_or_not_by_resource),
      RUN(an_order_by_the_stamp_is_obeyed_ignored_or_refused),
      RUN(a_pod_can_ignore_the_filter_on_the_stamp),
      RUN(a_zone_with_summer_time_moves_half_the_year),
      RUN(a_deleted_draft_leaves_no_trace),
      RUN(a_hidden_row_is_not_found_by_its_key_either),
      RUN(children_stop_where_the_pod_says),
      RUN(framework_versions_are_the_pods),
      RUN(offsets_batches_and_whole_apis_have_their_limits),
      RUN(the_balance_is_in_the_ledgers_currency_or_the_invoices),
      RUN(a_walk_by_offset_misses_rows_of_a_pod_at_work))
