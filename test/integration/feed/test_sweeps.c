/* SPDX-License-Identifier: UNLICENSED */
/*
 * Once a day: open balances against what is known, and drafts that Fusion no
 * longer has.
 */
#include "compare.h"

enum { PODS = 80 };

#define AGES INT64_C(86400000) /* nothing is read again by its age */

/* A pod read to its end and written; its day has not come. */
static void
begin(struct pod *p, const struct pod_spec *spec)
{
    pod_open(p, spec);
    /* Nothing is as young as the overlap. */
    (void)pod_post(p, "switches?clock_ms=7200000");
    p->config.open_age_ms = AGES;
    pod_again(p);
    pod_round_ok(p);
    pod_round_ok(p);
    settle(p);
}

/* From now on every poll is the first of its day. */
static void
daily(struct pod *p)
{
    p->config.daily_ms = 1;
    pod_again(p);
}

static bool
is_in_state(struct pod *p, int64_t id, const char *state)
{
    return pod_sql(p,
                   "SELECT count(*) FROM ml_connector.record WHERE kind = "
                   "'invoice' AND fusion_id = '%" PRId64 "' AND state = '%s'",
                   id, state) == 1;
}

static bool
is_open(struct pod *p, int64_t id)
{
    return pod_sql(p,
                   "SELECT count(*) FROM ml_connector.record WHERE kind = "
                   "'invoice' AND fusion_id = '%" PRId64 "' AND open",
                   id) == 1;
}

static int64_t
jobs_of(struct pod *p, int64_t id)
{
    return pod_sql(p,
                   "SELECT count(*) FROM ml_connector.job WHERE kind = "
                   "'invoice' AND fusion_id = '%" PRId64 "'",
                   id);
}

/* A text of an invoice as the pod has it; to free. */
static char *
invoice_text(struct pod *p, int64_t id, const char *name)
{
    const json_t *row = pod_get(p, "dump/invoices/%" PRId64, id);
    const char *text = jsonx_text(row, name);

    if (text == NULL) {
        row = json_array_get(json_object_get(row, "invoices"), 0);
        text = jsonx_text(row, name);
    }
    ck_assert_msg(text != NULL, "no %s of %" PRId64, name, id);
    return mem_strdup(text);
}

/* ---- balances ----------------------------------------------------------- */

/* Paid or credited, and nothing else moved. */
static void
finds_what_was_paid(size_t index, unsigned page)
{
    struct pod_spec spec = {.index = index, .page = page};
    struct pod p;
    int64_t id[3] = {0};

    begin(&p, &spec);
    for (int i = 0; i < 3; i++) {
        id[i] = open_invoice(&p, i * 7);
    }
    (void)pod_post(&p, "credit_memo?invoice=%" PRId64, id[0]);
    (void)pod_post(&p, "credit_memo?amount=1&invoice=%" PRId64, id[1]);
    (void)pod_post(&p, "adjustment?amount=1&invoice=%" PRId64, id[2]);
    pod_round_ok(&p);
    opened_is(&p, 0, "a day that did not come");
    daily(&p);
    pod_round_ok(&p);
    for (int i = 0; i < 3; i++) {
        EQ_INT(jobs_of(&p, id[i]), 1);
        EQ_INT(pod_sql(&p,
                       "SELECT count(*) FROM ml_connector.job WHERE "
                       "fusion_id = '%" PRId64 "' AND class IN ('reconcile', "
                       "'fresh')",
                       id[i]),
               1);
    }
    NOT(is_open(&p, id[0]));
    IS(is_open(&p, id[1]));
    EQ_INT(pod_sql(&p, "SELECT count(*) FROM ml_connector.job WHERE kind = "
                       "'invoice'"),
           3);
    pod_round_ok(&p);
    opened_is(&p, 0, "the next day");
    is_as_from_scratch(&p, &spec);
    pod_close(&p);
}

TEST(what_was_paid_without_a_stamp_is_found)
{
    finds_what_was_paid(PODS, 0);
}

TEST(what_was_paid_without_a_stamp_is_found_page_by_page)
{
    finds_what_was_paid(PODS + 1, 10);
}

TEST(a_day_where_nothing_happened_costs_one_page)
{
    struct pod p;

    begin(&p, &(struct pod_spec){.index = PODS + 2});
    pod_round_ok(&p);
    EQ_INT(cost(&p, "invoices"), 1);
    daily(&p);
    (void)pod_sql(&p, "DELETE FROM ml_connector.pass WHERE pass LIKE "
                      "'overlap:%%'");
    pod_round_ok(&p);
    opened_is(&p, 0, "nothing");
    /* the scan, the balances, the drafts */
    EQ_INT(cost(&p, "invoices"), 3);
    pod_close(&p);
}

TEST(what_was_never_read_is_read_when_it_is_wanted)
{
    struct pod_spec spec = {.index = PODS + 3, .page = 10};
    struct pod p;
    int64_t id = 0;

    begin(&p, &spec);
    id = open_invoice(&p, 4);
    forget(&p, "invoice", id);
    pod_round_ok(&p);
    opened_is(&p, 0, "a day that did not come");
    daily(&p);
    pod_round_ok(&p);
    EQ_INT(jobs_of(&p, id), 1);
    is_as_from_scratch(&p, &spec);
    pod_close(&p);
}

TEST(what_is_older_than_the_tenant_is_not_fetched)
{
    struct pod p;
    int64_t id = 0;
    int64_t young = 0;

    begin(&p, &(struct pod_spec){.index = PODS + 4});
    id = pod_sql(&p, "SELECT fusion_id FROM ml_connector.record WHERE kind = "
                     "'invoice' AND open AND NOT draft ORDER BY version_us "
                     "LIMIT 1");
    young = pod_sql(&p, "SELECT fusion_id FROM ml_connector.record WHERE kind "
                        "= 'invoice' AND open AND NOT draft ORDER BY "
                        "version_us DESC LIMIT 1");
    /* Its header may be older than what is below it. */
    (void)pod_post(&p, "touch?kind=invoice&age_s=60&id=%" PRId64, young);
    p.config.since_us =
        pod_sql(&p,
                "SELECT version_us + 1000 FROM ml_connector.record WHERE "
                "kind = 'invoice' AND fusion_id = '%" PRId64 "'",
                id);
    pod_round_ok(&p);
    forget(&p, "invoice", id);
    forget(&p, "invoice", young);
    /* The scan must not be what finds the younger one. */
    (void)pod_post(&p, "touch?kind=invoice&id=%" PRId64, open_invoice(&p, 0));
    p.config.overlap_ms = 1000;
    p.config.wide_ms = 1000;
    daily(&p);
    pod_round_ok(&p);
    EQ_INT(jobs_of(&p, id), 0);
    EQ_INT(jobs_of(&p, young), 1);
    pod_close(&p);
}

TEST(what_is_of_another_business_unit_is_not_fetched)
{
    const char *units[] = {NULL, NULL};
    struct pod_spec spec = {.index = PODS + 5};
    struct pod p;
    char *unit = NULL;
    int64_t all = 0;

    begin(&p, &spec);
    unit = invoice_text(&p, open_invoice(&p, 0), "BusinessUnit");
    all = records(&p, "invoice");
    pod_close(&p);
    units[0] = unit;
    spec.units = units;
    begin(&p, &spec);
    all -= records(&p, "invoice");
    IS(all > 0);
    daily(&p);
    pod_round_ok(&p);
    opened_is(&p, 0, "invoices of other units");
    EQ_INT(cost(&p, "invoices"), 3);
    EQ_INT(pod_sql(&p, "SELECT count(*) FROM ml_connector.record WHERE kind "
                       "= 'invoice' AND state <> 'current'"),
           pod_sql(&p, "SELECT count(*) FROM ml_connector.record WHERE kind "
                       "= 'invoice' AND state = 'missing'"));
    mem_free(unit);
    pod_close(&p);
}

TEST(a_sweep_broken_off_goes_on_where_it_was)
{
    struct pod_spec spec = {.index = PODS + 6, .page = 10};
    struct pod p;
    int64_t credited = 0;
    int polls = 0;

    begin(&p, &spec);
    credited = open_invoice(&p, 0); /* the first, of the lowest id */
    (void)pod_post(&p, "credit_memo?invoice=%" PRId64, credited);
    daily(&p);
    feeds_poll_once(p.feeds);
    while (pod_sql(&p, "SELECT count(*) FROM ml_connector.pass WHERE pass = "
                       "'balances' AND at_id <> '' AND done_at IS NULL") == 0) {
        loop_turn(p.loop, 1);
    }
    pod_again(&p); /* what it found may be lost with it, but not for long */
    (void)pod_sql(&p, "UPDATE ml_connector.pass SET done_at = now() WHERE "
                      "pass <> 'balances' AND done_at IS NOT NULL");
    p.config.daily_ms = 0;
    pod_again(&p);
    pod_round_ok(&p);
    polls = (int)cost(&p, "invoices");
    EQ_INT(pod_sql(&p, "SELECT count(*) FROM ml_connector.pass WHERE pass = "
                       "'balances' AND done_at IS NULL"),
           0);
    IS(polls >= 2);
    daily(&p);
    pod_round_ok(&p);
    IS((int)cost(&p, "invoices") > polls); /* all of it, this time */
    NOT(is_open(&p, credited));
    is_as_from_scratch(&p, &spec);
    pod_close(&p);
}

/* ---- drafts ------------------------------------------------------------- */

/* n more drafts, read and written. */
static void
drafts(struct pod *p, int64_t *ids, int n)
{
    int64_t account =
        pod_sql(p, "SELECT min(customer) FROM ml_connector.record WHERE kind "
                   "= 'invoice'");

    for (int i = 0; i < n; i++) {
        const char *id = jsonx_text(
            pod_post(p, "invoice?account=%" PRId64 "&InvoiceStatus=Incomplete",
                     account),
            "id");

        IS(id != NULL);
        ids[i] = strtoll(id, NULL, 10);
    }
    pod_round_ok(p);
    for (int i = 0; i < n; i++) {
        EQ_INT(pod_sql(p,
                       "SELECT count(*) FROM ml_connector.record WHERE kind = "
                       "'invoice' AND draft AND fusion_id = '%" PRId64 "'",
                       ids[i]),
               1);
    }
    settle(p);
}

static void
delete_invoice(struct pod *p, int64_t id)
{
    (void)pod_delete(p, "invoice/%" PRId64, id);
}

TEST(a_draft_that_was_deleted_is_gone_and_audited_once)
{
    struct pod p;
    int64_t id[3] = {0};

    begin(&p, &(struct pod_spec){.index = PODS + 7});
    drafts(&p, id, 3);
    delete_invoice(&p, id[1]);
    pod_round_ok(&p);
    IS(is_in_state(&p, id[1], "current"));
    daily(&p);
    for (int i = 0; i < 2; i++) {
        pod_round_ok(&p);
        IS(is_in_state(&p, id[0], "current"));
        IS(is_in_state(&p, id[1], "gone"));
        IS(is_in_state(&p, id[2], "current"));
        EQ_INT(events(&p, "gone"), 1);
        EQ_INT(pod_sql(&p, "SELECT count(*) FROM ml_connector.job"), 0);
    }
    EQ_INT(pod_sql(&p,
                   "SELECT count(*) FROM ml_connector.audit_event WHERE "
                   "event = 'gone' AND kind = 'invoice' AND fusion_id = "
                   "'%" PRId64 "'",
                   id[1]),
           1);
    /* HubSpot keeps what it has. */
    EQ_INT(pod_sql(&p,
                   "SELECT count(*) FROM ml_connector.link WHERE kind = "
                   "'invoice' AND fusion_id = '%" PRId64 "'",
                   id[1]),
           1);
    pod_close(&p);
}

TEST(hidden_rows_are_not_gone)
{
    struct pod p;
    int64_t id[4] = {0};

    begin(&p, &(struct pod_spec){.index = PODS + 8});
    drafts(&p, id, 4);
    delete_invoice(&p, id[0]);
    (void)pod_post(&p, "switches?trim_percent=100");
    daily(&p);
    pod_round_ok(&p);
    EQ_INT(events(&p, "gone"), 0);
    for (int i = 0; i < 4; i++) {
        IS(is_in_state(&p, id[i], "current"));
    }
    (void)pod_post(&p, "switches?trim_percent=0");
    pod_round_ok(&p);
    IS(is_in_state(&p, id[0], "gone"));
    EQ_INT(events(&p, "gone"), 1);
    pod_close(&p);
}

/* The witness: the invoice of the highest id that is no draft. */
static int64_t
witness(struct pod *p)
{
    return pod_sql(p, "SELECT max(fusion_id) FROM ml_connector.record WHERE "
                      "kind = 'invoice' AND NOT draft AND state NOT IN "
                      "('gone', 'missing') AND hash IS NOT NULL");
}

/* n invoices that are of another unit than the witness, nor paid, made drafts,
 * read and written; the units as parts of a query, to free. */
static void
drafts_elsewhere(struct pod *p, int64_t *ids, size_t n, char **unit,
                 char **seen_unit)
{
    json_t *all = json_deep_copy(
        json_object_get(pod_get(p, "dump/invoices?limit=100000"), "invoices"));
    size_t found = 0;

    *seen_unit = invoice_text(p, witness(p), "BusinessUnit");
    *unit = NULL;
    for (size_t i = 0; i < json_array_size(all) && found < n; i++) {
        const json_t *row = json_array_get(all, i);
        const char *name = jsonx_text(row, "BusinessUnit");
        int64_t id =
            strtoll(jsonx_text(row, "CustomerTransactionId"), NULL, 10);

        if (!text_equal(jsonx_text(row, "InvoiceStatus"), "Complete") ||
            json_number_value(json_object_get(row, "_paid")) > 0 ||
            json_number_value(json_object_get(row, "_credited")) > 0 ||
            strcmp(name, *seen_unit) == 0 ||
            (*unit != NULL && strcmp(name, *unit) != 0) ||
            pod_sql(p,
                    "SELECT count(*) FROM ml_connector.record WHERE kind = "
                    "'payment' AND invoice = '%" PRId64 "'",
                    id) > 0) {
            continue;
        }
        *unit = *unit == NULL ? mem_strdup(name) : *unit;
        (void)pod_post(p, "invoice/%" PRId64 "?InvoiceStatus=Incomplete", id);
        ids[found++] = id;
    }
    json_decref(all);
    EQ_UINT(found, n);
    pod_round_ok(p);
    settle(p);
    for (char *t = *unit; *t != 0; t++) {
        *t = *t == ' ' ? '+' : *t;
    }
    for (char *t = *seen_unit; *t != 0; t++) {
        *t = *t == ' ' ? '+' : *t;
    }
}

TEST(where_the_witness_is_hidden_nothing_is_gone)
{
    struct pod p;
    int64_t id[2] = {0};
    char *unit = NULL;
    char *seen = NULL;

    begin(&p, &(struct pod_spec){.index = PODS + 9});
    drafts_elsewhere(&p, id, 2, &unit, &seen);
    delete_invoice(&p, id[0]);
    (void)pod_post(&p, "switches?hidden_business_unit=%s", seen);
    daily(&p);
    pod_round_ok(&p);
    EQ_INT(events(&p, "gone"), 0);
    (void)pod_post(&p, "switches?hidden_business_unit=");
    pod_round_ok(&p);
    EQ_INT(events(&p, "gone"), 1);
    IS(is_in_state(&p, id[0], "gone"));
    IS(is_in_state(&p, id[1], "current"));
    mem_free(unit);
    mem_free(seen);
    pod_close(&p);
}

/* The next questions for drafts, so many, are answered with all drafts but this
 * one, and with the witness or without. */
static void
answer_drafts(struct pod *p, int64_t without, bool with_witness, int questions)
{
    json_t *items = json_array();
    json_t *body = NULL;
    json_t *rule = NULL;
    PGresult *r = PQexec(p->db, "SELECT fusion_id FROM ml_connector.record "
                                "WHERE kind = 'invoice' AND draft");
    char *text = NULL;

    for (int i = 0; i < PQntuples(r); i++) {
        int64_t id = strtoll(PQgetvalue(r, i, 0), NULL, 10);

        if (id != without) {
            (void)json_array_append_new(
                items, json_pack("{s:I}", "CustomerTransactionId", id));
        }
    }
    PQclear(r);
    if (with_witness) {
        (void)json_array_append_new(
            items, json_pack("{s:I}", "CustomerTransactionId", witness(p)));
    }
    body = json_pack("{s:I, s:o, s:b, s:i, s:i}", "count",
                     (json_int_t)json_array_size(items), "items", items,
                     "hasMore", 0, "limit", 500, "offset", 0);
    /* the scan and the balances come first */
    rule =
        json_pack("{s:s, s:s, s:i, s:i, s:i, s:o}", "server", "fusion", "path",
                  "/fscmRestApi/resources/11.13.18.05/receivablesInvoices",
                  "status", 200, "skip", 2, "next", questions, "json", body);
    text = json_dumps(rule, JSON_COMPACT);
    pod_fault(p, text);
    free(text);
    json_decref(rule);
}

TEST(a_draft_that_is_missing_once_is_asked_for_again)
{
    struct pod p;
    int64_t id[3] = {0};

    begin(&p, &(struct pod_spec){.index = PODS + 14});
    drafts(&p, id, 3);
    answer_drafts(&p, id[1], true, 1);
    daily(&p);
    pod_round_ok(&p);
    EQ_INT(cost(&p, "invoices"), 4);
    EQ_INT(events(&p, "gone"), 0);
    IS(is_in_state(&p, id[1], "current"));
    pod_mend(&p);
    answer_drafts(&p, id[1], true, 2);
    pod_round_ok(&p);
    EQ_INT(cost(&p, "invoices"), 4);
    EQ_INT(events(&p, "gone"), 1);
    pod_mend(&p);
    pod_close(&p);
}

TEST(without_the_witness_no_draft_is_gone)
{
    struct pod p;
    int64_t id[3] = {0};

    begin(&p, &(struct pod_spec){.index = PODS + 15});
    drafts(&p, id, 3);
    answer_drafts(&p, id[1], false, 2);
    daily(&p);
    pod_round_ok(&p);
    EQ_INT(events(&p, "gone"), 0);
    IS(is_in_state(&p, id[1], "current"));
    pod_mend(&p);
    pod_close(&p);
}

/* Of many drafts so many are deleted. */
static void
deletes(size_t index, int n, bool believed)
{
    struct pod p;
    int64_t id[16] = {0};
    int64_t before = 0;

    begin(&p, &(struct pod_spec){.index = index});
    drafts(&p, id, 16);
    before = pod_sql(&p, "SELECT count(*) FROM ml_connector.record WHERE kind "
                         "= 'invoice' AND draft");
    IS(before >= 16 && before < 32);
    for (int i = 0; i < n; i++) {
        delete_invoice(&p, id[i]);
    }
    daily(&p);
    pod_round_ok(&p);
    EQ_INT(events(&p, "gone"), believed ? n : 0);
    EQ_INT(pod_sql(&p, "SELECT count(*) FROM ml_connector.record WHERE kind "
                       "= 'invoice' AND draft"),
           believed ? before - n : before);
    EQ_INT(pod_sql(&p, "SELECT count(*) FROM ml_connector.job"), 0);
    pod_close(&p);
}

TEST(some_drafts_of_many_are_gone)
{
    deletes(PODS + 10, 7, true);
}

TEST(when_most_drafts_are_missing_none_is_gone)
{
    deletes(PODS + 11, 16, false);
}

TEST(a_draft_that_comes_back_is_current_again)
{
    struct pod p;
    int64_t id = 0;
    char *unit = NULL;
    char *seen = NULL;

    begin(&p, &(struct pod_spec){.index = PODS + 12});
    drafts_elsewhere(&p, &id, 1, &unit, &seen);
    (void)pod_post(&p, "switches?hidden_business_unit=%s", unit);
    daily(&p);
    pod_round_ok(&p);
    IS(is_in_state(&p, id, "gone"));
    NOT(is_open(&p, id));
    (void)pod_post(&p, "switches?hidden_business_unit=");
    (void)pod_post(&p, "touch?kind=invoice&id=%" PRId64, id);
    pod_round_ok(&p);
    IS(is_in_state(&p, id, "current"));
    EQ_INT(jobs_of(&p, id), 0); /* nothing changed meanwhile */
    EQ_INT(pod_sql(&p,
                   "SELECT count(*) FROM ml_connector.record WHERE fusion_id "
                   "= '%" PRId64 "' AND draft AND open",
                   id),
           1);
    mem_free(unit);
    mem_free(seen);
    pod_close(&p);
}

TEST(a_draft_with_work_under_way_is_left_for_the_next_check)
{
    struct pod p;
    int64_t id[2] = {0};

    begin(&p, &(struct pod_spec){.index = PODS + 13});
    drafts(&p, id, 2);
    (void)pod_post(&p, "invoice/%" PRId64 "?PurchaseOrder=work", id[0]);
    pod_round_ok(&p);
    EQ_INT(jobs_of(&p, id[0]), 1);
    delete_invoice(&p, id[0]);
    daily(&p);
    pod_round_ok(&p);
    EQ_INT(events(&p, "gone"), 0);
    EQ_INT(jobs_of(&p, id[0]), 1);
    settle(&p);
    pod_round_ok(&p);
    IS(is_in_state(&p, id[0], "gone"));
    EQ_INT(jobs_of(&p, id[0]), 0);
    pod_close(&p);
}

SUITE(sweeps, RUN_LONG(what_was_paid_without_a_stamp_is_found, 60),
      RUN_LONG(what_was_paid_without_a_stamp_is_found_page_by_page, 60),
      RUN_LONG(a_day_where_nothing_happened_costs_one_page, 60),
      RUN_LONG(what_was_never_read_is_read_when_it_is_wanted, 60),
      RUN_LONG(what_is_older_than_the_tenant_is_not_fetched, 60),
      RUN_LONG(what_is_of_another_business_unit_is_not_fetched, 60),
      RUN_LONG(a_sweep_broken_off_goes_on_where_it_was, 60),
      RUN_LONG(a_draft_that_was_deleted_is_gone_and_audited_once, 60),
      RUN_LONG(hidden_rows_are_not_gone, 60),
      RUN_LONG(where_the_witness_is_hidden_nothing_is_gone, 60),
      RUN_LONG(a_draft_that_is_missing_once_is_asked_for_again, 60),
      RUN_LONG(without_the_witness_no_draft_is_gone, 60),
      RUN_LONG(some_drafts_of_many_are_gone, 60),
      RUN_LONG(when_most_drafts_are_missing_none_is_gone, 60),
      RUN_LONG(a_draft_that_comes_back_is_current_again, 60),
      RUN_LONG(a_draft_with_work_under_way_is_left_for_the_next_check, 60))
