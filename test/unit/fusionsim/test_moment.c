/* SPDX-License-Identifier: UNLICENSED */
/*
 * Moments of change: a pod that goes on working between two pages, late
 * commits, thousands of rows under one stamp, and stamps that milliseconds
 * cannot tell apart. And what a page costs, in rows looked at.
 */
#include "fixture.h"

#define INVOICES FSCM "receivablesInvoices"
#define BY_STAMP "orderBy=LastUpdateDate:asc,CustomerTransactionId:asc"

static int64_t
counted(struct rig *g, const char *what)
{
    EQ_INT(rig_control(g, "GET", "counts"), 200);
    return get_int(g->body, what);
}

static int64_t
stamp_us(json_t *row)
{
    const char *s = get_text(row, "LastUpdateDate");
    int64_t us = 0;

    OK(time_parse(s, strlen(s), &us));
    return us;
}

TEST(a_pod_changes_its_data_between_requests_when_told)
{
    struct rig g;
    char *first = NULL;

    rig_open(&g);
    EQ_INT(counted(&g, "mutations"), 0);
    EQ_INT(rig_get(&g, INVOICES "?limit=50&" BY_STAMP "&onlyData=true"), 200);
    EQ_INT(counted(&g, "mutations"), 0);
    EQ_INT(rig_control(&g, "POST", "switches?mutate_every=2&mutate_count=40"),
           200);
    EQ_INT(rig_get(&g, INVOICES "?limit=50&" BY_STAMP "&onlyData=true"), 200);
    first = mem_strdup(g.text);
    EQ_INT(counted(&g, "mutations"), 0);
    EQ_INT(rig_get(&g, INVOICES "/%" PRId64 "?onlyData=true",
                   world_id(rig_world(&g), K_INVOICE, 2)),
           200); /* no collection */
    EQ_INT(counted(&g, "mutations"), 0);
    /* The second answer is still of before, the third is not. */
    EQ_INT(rig_get(&g, INVOICES "?limit=50&" BY_STAMP "&onlyData=true"), 200);
    IS(strcmp(g.text, first) == 0);
    EQ_INT(counted(&g, "mutations"), 40);
    EQ_INT(rig_get(&g, INVOICES "?limit=50&" BY_STAMP "&onlyData=true"), 200);
    IS(strcmp(g.text, first) != 0);
    mem_free(first);
    rig_close(&g);
}

/* The ids and stamps of every invoice after some reads, as one text. */
static char *
after_reads(struct rig *g, int64_t now, const char *seed)
{
    char *out = NULL;

    rig_open(g);
    g->now_us = now;
    g->s->pods[0].w = world_new_at(&g->s->o, 0, now);
    EQ_INT(rig_control(g, "POST",
                       "switches?mutate_every=1&mutate_count=5&mutate_seed=%s",
                       seed),
           200);
    for (int i = 0; i < 10; i++) {
        EQ_INT(rig_get(g, FSCM "standardReceipts?limit=5"), 200);
    }
    rig_switch(g, "mutate_every", 0);
    EQ_INT(rig_get(g, INVOICES "?limit=500&" BY_STAMP "&onlyData=true&"
                               "fields=CustomerTransactionId,EnteredAmount"),
           200);
    out = mem_strdup(g->text);
    return out;
}

TEST(the_seed_decides_what_changes_between_requests)
{
    struct rig a;
    struct rig b;
    struct rig c;
    int64_t now = clock_wall_us();
    char *x = after_reads(&a, now, "5");
    char *y = after_reads(&b, now, "5");
    char *z = after_reads(&c, now, "6");

    IS(strcmp(x, y) == 0);
    IS(strcmp(x, z) != 0);
    mem_free(x);
    mem_free(y);
    mem_free(z);
    rig_close(&a);
    rig_close(&b);
    rig_close(&c);
}

static size_t
apps_of(struct rig *g)
{
    return (size_t)counted(g, "applications");
}

TEST(the_groups_decide_what_kind_of_change_it_is)
{
    struct rig g;
    size_t apps = 0;
    int64_t invoices = 0;
    int64_t receipts = 0;
    int64_t memos = 0;

    rig_open(&g);
    apps = apps_of(&g);
    invoices = counted(&g, "invoices");
    receipts = counted(&g, "receipts");
    memos = counted(&g, "credit_memos");
    EQ_INT(rig_control(&g, "POST", "mutate?n=100&seed=3&groups=1"), 200);
    EQ_INT(json_array_size(json_object_get(g.body, "changes")), 100);
    EQ_INT(counted(&g, "invoices"), invoices);
    EQ_INT(counted(&g, "receipts"), receipts);
    EQ_INT(apps_of(&g), apps);
    EQ_INT(rig_control(&g, "POST", "mutate?n=60&seed=3&groups=4"), 200);
    IS(counted(&g, "receipts") > receipts);
    IS(apps_of(&g) > apps);
    EQ_INT(counted(&g, "invoices"), invoices);
    EQ_INT(counted(&g, "credit_memos"), memos);
    EQ_INT(rig_control(&g, "POST",
                       "switches?mutate_every=1&mutate_count=30&"
                       "mutate_groups=8"),
           200);
    receipts = counted(&g, "receipts");
    EQ_INT(rig_get(&g, INVOICES "?limit=1"), 200);
    IS(counted(&g, "credit_memos") > memos);
    EQ_INT(counted(&g, "receipts"), receipts);
    rig_close(&g);
}

/* How many invoices are stamped since, in truth. */
static size_t
between(struct rig *g, int64_t lo, int64_t hi)
{
    struct world *w = rig_world(g);
    size_t n = 0;

    for (uint32_t i = 0; i < w->n[K_INVOICE]; i++) {
        n += world_alive(w, K_INVOICE, i) && w->invoices[i].stamp >= lo &&
             w->invoices[i].stamp < hi;
    }
    return n;
}

TEST(late_changes_appear_with_stamps_of_the_past_and_never_go_back)
{
    struct rig g;
    struct world *w = NULL;
    int64_t *before = NULL;
    size_t n = 0;

    rig_open(&g);
    w = rig_world(&g);
    g.now_us += INT64_C(7200000000);
    rig_login(&g);
    n = w->n[K_INVOICE];
    before = mem_array(n, sizeof(*before));
    for (uint32_t i = 0; i < n; i++) {
        before[i] = w->invoices[i].stamp;
    }
    EQ_INT(rig_control(&g, "POST",
                       "switches?mutate_every=1&mutate_count=200&"
                       "mutate_groups=2&late_seconds=3600"),
           200);
    EQ_INT(rig_get(&g, INVOICES "?limit=1"), 200);
    IS(between(&g, g.now_us - INT64_C(3600000000), g.now_us) > 40);
    IS(between(&g, g.now_us, g.now_us + 1000) > 40);
    EQ_INT(between(&g, g.now_us - INT64_C(7200000000) + 1000000,
                   g.now_us - INT64_C(3600000000)),
           0);
    for (uint32_t i = 0; i < n; i++) {
        IS(w->invoices[i].stamp >= before[i]);
    }
    NOT(w->forward);
    mem_free(before);
    rig_close(&g);
}

/* A reader as it should be: by stamp and id from an hour before the newest
 * stamp it knows, by offset inside one stamp; keeps each record's last stamp in
 * thousandths of a second, by index. */
static void
poll_well(struct rig *g, int64_t *known, int64_t *newest)
{
    char from[TIME_TEXT_MAX];
    int64_t lo = *newest - INT64_C(3600000000);
    size_t offset = 0;

    do {
        int64_t last = lo;

        (void)stamp_text(lo, 0, from);
        EQ_INT(rig_get(g,
                       INVOICES "?limit=40&onlyData=true&" BY_STAMP
                                "&fields=CustomerTransactionId,LastUpdateDate"
                                "&offset=%zu&q=LastUpdateDate>='%s'",
                       offset, from),
               200);
        for (size_t i = 0; i < items(g); i++) {
            uint32_t idx =
                world_find(rig_world(g), K_INVOICE,
                           get_int(item(g, i), "CustomerTransactionId"));

            last = stamp_us(item(g, i));
            *newest = last > *newest ? last : *newest;
            if (idx != NONE) { /* not deleted since */
                known[idx] = last / 1000;
            }
        }
        offset = last / 1000 == lo / 1000 ? offset + items(g) : 0;
        lo = last;
    } while (get_true(g->body, "hasMore"));
}

/* Whatever the pod does between two pages can be found by one who looks
 * well; what a poll has missed, a later one with its overlap has not. */
TEST(a_reader_with_overlap_finds_every_change_of_a_pod_at_work)
{
    struct rig g;
    struct world *w = NULL;
    int64_t *known = NULL;
    int64_t newest = 0;

    rig_open(&g);
    w = rig_world(&g);
    known = mem_array(20000, sizeof(*known));
    newest = w->start_us - INT64_C(90) * 86400 * 1000000;
    EQ_INT(rig_control(&g, "POST", "bulk?kind=invoice&n=90&new=1"), 200);
    EQ_INT(rig_control(&g, "POST",
                       "switches?mutate_every=1&mutate_count=3&"
                       "mutate_groups=2&late_seconds=1800"),
           200);
    for (int i = 0; i < 12; i++) {
        g.now_us += 60000000;
        poll_well(&g, known, &newest);
    }
    IS(counted(&g, "mutations") > 150);
    rig_switch(&g, "mutate_every", 0);
    g.now_us += 60000000;
    poll_well(&g, known, &newest);
    IS(w->n[K_INVOICE] < 20000);
    for (uint32_t i = 0; i < w->n[K_INVOICE]; i++) {
        if (world_alive(w, K_INVOICE, i)) {
            EQ_INT(known[i], w->invoices[i].stamp / 1000);
        }
    }
    mem_free(known);
    rig_close(&g);
}

/* ---- many at once ------------------------------------------------------- */

/* All ids below a bound of equal stamps, by offset, or -1 when one came twice
 * or the order was not kept. */
static int64_t
count_equal(struct rig *g, const char *resource, const char *key, int64_t us)
{
    char lo[TIME_TEXT_MAX];
    char hi[TIME_TEXT_MAX];
    int64_t n = 0;
    int64_t id = 0;

    (void)stamp_text(us - us % 1000, 0, lo);
    (void)stamp_text(us - us % 1000 + 1000, 0, hi);
    do {
        EQ_INT(rig_get(g,
                       "%s?limit=500&offset=%" PRId64
                       "&onlyData=true&orderBy=LastUpdateDate:asc,%s:asc&"
                       "q=LastUpdateDate>='%s' and LastUpdateDate<'%s'",
                       resource, n, key, lo, hi),
               200);
        for (size_t i = 0; i < items(g); i++) {
            if (get_int(item(g, i), key) <= id) {
                return -1;
            }
            id = get_int(item(g, i), key);
        }
        n += (int64_t)items(g);
    } while (get_true(g->body, "hasMore") && items(g) > 0);
    return n;
}

TEST(a_bulk_gives_thousands_one_stamp)
{
    struct rig g;
    int64_t us = 0;
    int64_t all = 0;

    rig_open(&g);
    rig_switch(&g, "receipts_stamp_q", 1);
    all = counted(&g, "invoices");
    EQ_INT(rig_control(&g, "POST", "bulk?kind=invoice&n=2000&new=1&age_s=600"),
           200);
    EQ_INT(get_int(g.body, "n"), 2000);
    EQ_INT(json_array_size(json_object_get(g.body, "ids")), 2000);
    us = get_int(g.body, "stamp_us");
    EQ_INT(us, g.now_us - INT64_C(600000000));
    EQ_INT(counted(&g, "invoices"), all + 2000);
    EQ_INT(count_equal(&g, INVOICES, "CustomerTransactionId", us), 2000);
    EQ_INT(rig_control(&g, "POST", "bulk?kind=receipt&n=700&new=1&amount=5"),
           200);
    us = get_int(g.body, "stamp_us");
    EQ_INT(count_equal(&g, FSCM "standardReceipts", "StandardReceiptId", us),
           700);
    EQ_INT(rig_control(&g, "POST", "bulk?kind=customer&n=600&new=1&age_s=60"),
           200);
    us = get_int(g.body, "stamp_us");
    EQ_INT(count_equal(&g, FSCM "receivablesCustomerAccountActivities",
                       "AccountId", us),
           600);
    rig_close(&g);
}

TEST(a_bulk_stamps_records_that_are_there)
{
    struct rig g;
    struct world *w = NULL;
    int64_t us = 0;
    int64_t all = 0;

    rig_open(&g);
    w = rig_world(&g);
    all = counted(&g, "invoices");
    world_bury(w, K_INVOICE, 0);
    EQ_INT(rig_control(&g, "POST", "bulk?kind=invoice&n=130&age_s=30"), 200);
    EQ_INT(get_int(g.body, "n"), 130);
    us = get_int(g.body, "stamp_us");
    EQ_INT(count_equal(&g, INVOICES, "CustomerTransactionId", us), 130);
    EQ_INT(counted(&g, "invoices"), all - 1);
    EQ_INT(rig_control(&g, "POST", "bulk?kind=adjustment&n=100000"), 200);
    EQ_INT(get_int(g.body, "n"), counted(&g, "adjustments"));
    EQ_INT(rig_control(&g, "POST", "bulk?kind=adjustment&n=2&new=1"), 400);
    EQ_INT(rig_control(&g, "POST", "bulk?n=2"), 400);
    EQ_INT(rig_control(&g, "POST", "bulk?kind=invoice&new=1&account=none"),
           400);
    EQ_INT(rig_control(&g, "POST",
                       "bulk?kind=invoice&n=3&new=1&account=%s&"
                       "lines=4&currency=EUR",
                       w->customers[1].number),
           200);
    EQ_INT(rig_get(&g, INVOICES "/%" PRId64 "?expand=receivablesInvoiceLines",
                   (int64_t)json_integer_value(
                       json_array_get(json_object_get(g.body, "ids"), 2))),
           200);
    EQ_STR(get_text(g.body, "InvoiceCurrencyCode"), "EUR");
    EQ_STR(get_text(g.body, "BillToCustomerNumber"), w->customers[1].number);
    EQ_INT(get_int(json_object_get(g.body, "receivablesInvoiceLines"), "count"),
           4);
    rig_close(&g);
}

/* What is shown of 300 stamps is one; compared are the stored ones. */
TEST(stamps_a_microsecond_apart_look_the_same)
{
    struct rig g;
    char at[TIME_TEXT_MAX];
    int64_t us = INT64_C(1800000000123000);

    rig_open(&g);
    EQ_INT(rig_control(&g, "POST",
                       "bulk?kind=invoice&n=300&new=1&step_us=1&at_us=%" PRId64,
                       us),
           200);
    EQ_INT(get_int(g.body, "stamp_us"), us);
    EQ_INT(count_equal(&g, INVOICES, "CustomerTransactionId", us), -1);
    (void)stamp_text(us, 0, at);
    EQ_INT(rig_get(&g,
                   INVOICES "?limit=500&onlyData=true&" BY_STAMP
                            "&q=LastUpdateDate>='%s'",
                   at),
           200);
    EQ_INT(items(&g), 300);
    for (size_t i = 0; i < 300; i++) {
        EQ_INT(stamp_us(item(&g, i)), us);
    }
    EQ_INT(rig_get(&g,
                   INVOICES "?limit=500&onlyData=true&q=LastUpdateDate='%s'",
                   at),
           200);
    EQ_INT(items(&g), 1); /* echoed back, only the round one is met */
    EQ_INT(rig_get(&g,
                   INVOICES "?limit=500&onlyData=true&q=LastUpdateDate>'%s'",
                   at),
           200);
    EQ_INT(items(&g), 299);
    EQ_INT(rig_control(&g, "POST", "bulk?kind=receipt&n=9&step_us=100"), 200);
    EQ_INT(get_int(g.body, "stamp_us") % 1000, 0);
    rig_close(&g);
}

/* ---- what a page costs -------------------------------------------------- */

static int64_t
looked(struct rig *g, const char *resource, const char *query)
{
    EQ_INT(rig_control(g, "POST", "reset_counts"), 200);
    EQ_INT(rig_get(g, "%s?limit=100&onlyData=true&%s", resource, query), 200);
    EQ_INT(items(g), 100);
    return counted(g, "looked_at");
}

/* Rows after `from` up to the last one of the page: as many may be looked at,
 * and some at the edges, since ids are shuffled a little. */
static int64_t
passed(struct rig *g, int64_t from)
{
    int64_t to = get_int(item(g, 99), "CustomerTransactionId");

    return (to - from) / 200 + 48;
}

TEST(a_page_costs_the_same_at_the_start_and_at_the_end)
{
    struct rig g;
    struct world *w = NULL;
    char at[2][TIME_TEXT_MAX];

    rig_open_sized(&g, 500, 20000, 9000);
    w = rig_world(&g);
    for (int part = 0; part < 3; part++) {
        uint32_t n = (uint32_t)(part * 9);
        int64_t invoice = world_id(w, K_INVOICE, n * 1000);
        int64_t receipt = world_id(w, K_RECEIPT, n * 450);
        size_t place = (size_t)n * 1000;
        int64_t most = 0;
        char q[320];

        (void)stamp_text(w->by_stamp[K_INVOICE].v[place].stamp, 0, at[0]);
        (void)stamp_text(g.now_us, 0, at[1]);
        (void)snprintf(q, sizeof(q),
                       BY_STAMP "&q=LastUpdateDate>='%s' and "
                                "LastUpdateDate<='%s'",
                       at[0], at[1]);
        IS(looked(&g, INVOICES, q) < 150);
        (void)snprintf(q, sizeof(q),
                       "orderBy=CustomerTransactionId:asc&"
                       "q=CustomerTransactionId > %" PRId64,
                       invoice);
        IS(looked(&g, INVOICES, q) < 150);
        (void)snprintf(q, sizeof(q),
                       "orderBy=CustomerTransactionId:asc&"
                       "q=InvoiceBalanceAmount != 0 and "
                       "CustomerTransactionId > %" PRId64,
                       invoice);
        EQ_INT(rig_get(&g, INVOICES "?limit=100&onlyData=true&%s", q), 200);
        most = passed(&g, invoice);
        IS(looked(&g, INVOICES, q) < most);
        (void)snprintf(q, sizeof(q),
                       "orderBy=StandardReceiptId:asc&"
                       "q=StandardReceiptId > %" PRId64,
                       receipt);
        IS(looked(&g, FSCM "standardReceipts", q) < 150);
        (void)snprintf(q, sizeof(q),
                       "orderBy=StandardReceiptId:desc&"
                       "q=StandardReceiptId <= %" PRId64,
                       receipt + 2000);
        IS(looked(&g, FSCM "standardReceipts", q) < 150);
        (void)snprintf(q, sizeof(q),
                       "orderBy=LastUpdateDate:desc,StandardReceiptId:desc&"
                       "offset=%u",
                       (unsigned)part * 4400U);
        IS(looked(&g, FSCM "standardReceipts", q) < 150);
    }
    rig_close(&g);
}

TEST(ids_come_down_as_they_go_up)
{
    struct rig g;
    int64_t up[60];
    int64_t top = 0;

    rig_open(&g);
    EQ_INT(rig_get(&g, INVOICES "?limit=60&onlyData=true&offset=340&"
                                "orderBy=CustomerTransactionId:asc"),
           200);
    EQ_INT(items(&g), 60);
    for (size_t i = 0; i < 60; i++) {
        up[i] = get_int(item(&g, i), "CustomerTransactionId");
        IS(i == 0 || up[i] > up[i - 1]);
    }
    EQ_INT(rig_get(&g, INVOICES "?limit=500&onlyData=true&"
                                "orderBy=CustomerTransactionId:desc"),
           200);
    EQ_INT(items(&g), 400);
    for (size_t i = 0; i < 60; i++) {
        EQ_INT(get_int(item(&g, i), "CustomerTransactionId"), up[59 - i]);
    }
    top = get_int(item(&g, 100), "CustomerTransactionId");
    EQ_INT(rig_get(&g,
                   INVOICES "?limit=500&onlyData=true&"
                            "orderBy=CustomerTransactionId:desc&"
                            "q=CustomerTransactionId < %" PRId64,
                   top),
           200);
    EQ_INT(items(&g), 299);
    IS(get_int(item(&g, 0), "CustomerTransactionId") < top);
    EQ_INT(rig_get(&g, INVOICES "?orderBy=CustomerTransactionId:desc&"
                                "q=CustomerTransactionId < 5"),
           200);
    EQ_INT(items(&g), 0);
    rig_close(&g);
}

/* Deep offsets into the newest-first order give what a walk gives. */
TEST(deep_offsets_leave_nothing_out)
{
    struct rig g;
    struct world *w = NULL;
    uint32_t i = 0;

    rig_open_sized(&g, 200, 3000, 9000);
    w = rig_world(&g);
    for (i = 0; i < 300; i++) { /* stale entries all over */
        world_touch(w, K_RECEIPT, i * 29, g.now_us + i);
        world_bury(w, K_RECEIPT, i * 29 + 3);
    }
    for (int64_t offset = 4090; offset < 4200; offset += 11) {
        int64_t want = 0;
        int64_t seen = 0;

        for (size_t at = w->by_stamp[K_RECEIPT].n; at > 0 && seen <= offset;
             at--) {
            if (stamp_live(w, K_RECEIPT, at - 1)) {
                want = world_id(w, K_RECEIPT,
                                w->by_stamp[K_RECEIPT].v[at - 1].idx);
                seen++;
            }
        }
        EQ_INT(rig_get(&g,
                       FSCM "standardReceipts?limit=1&onlyData=true&"
                            "orderBy=LastUpdateDate:desc&offset=%" PRId64,
                       offset),
               200);
        EQ_INT(get_int(item(&g, 0), "StandardReceiptId"), want);
    }
    EQ_INT(rig_get(&g, FSCM "standardReceipts?limit=5&onlyData=true&"
                            "orderBy=LastUpdateDate:desc&offset=99999"),
           200);
    EQ_INT(items(&g), 0);
    NOT(get_true(g.body, "hasMore"));
    rig_close(&g);
}

SUITE(moment, RUN(a_pod_changes_its_data_between_requests_when_told),
      RUN(the_seed_decides_what_changes_between_requests),
      RUN(the_groups_decide_what_kind_of_change_it_is),
      RUN(late_changes_appear_with_stamps_of_the_past_and_never_go_back),
      RUN_LONG(a_reader_with_overlap_finds_every_change_of_a_pod_at_work, 20),
      RUN_LONG(a_bulk_gives_thousands_one_stamp, 20),
      RUN(a_bulk_stamps_records_that_are_there),
      RUN(stamps_a_microsecond_apart_look_the_same),
      RUN_LONG(a_page_costs_the_same_at_the_start_and_at_the_end, 20),
      RUN(ids_come_down_as_they_go_up),
      RUN_LONG(deep_offsets_leave_nothing_out, 20))
