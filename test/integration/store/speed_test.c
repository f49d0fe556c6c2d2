/* SPDX-License-Identifier: UNLICENSED */
/*
 * Hot statements on 100,000 known records: each one finds its rows by an index;
 * and what a page costs, next to a bare INSERT of the same JSON. The time is
 * printed, not judged.
 */
#include "fix.h"
#include "store_sql.h"

enum { PAGE = 500, PAGES = 20 };

/* 100,000 records, links, jobs of one tenant, and as many of another. */
static void
fill(struct fix *f)
{
    (void)fix_sql(f, "INSERT INTO ml_connector.tenant (name) VALUES ('a'), "
                     "('b')");
    (void)fix_sql(
        f,
        "INSERT INTO ml_connector.record (tenant_id, kind, fusion_id, state, "
        "customer, invoice, hash, desired, open, email) SELECT t, k, "
        "i::text, 'pending', CASE k WHEN 'customer' THEN NULL ELSE (i %% "
        "2000)::text END, CASE k WHEN 'payment' THEN i::text END, '\\x00', "
        "'{}', i %% 10 = 0, CASE k WHEN 'customer' THEN i || '@x' END FROM "
        "(VALUES (1), (2)) a(t), (VALUES ('customer', 2000), ('invoice', "
        "78000), ('payment', 20000)) b(k, n), generate_series(1, n) i");
    (void)fix_sql(
        f, "INSERT INTO ml_connector.link (tenant_id, kind, fusion_id, object, "
           "key, hubspot_id) SELECT tenant_id, kind, fusion_id, o, fusion_id, "
           "fusion_id FROM ml_connector.record, unnest(CASE kind WHEN "
           "'customer' THEN '{companies,contacts}' WHEN 'invoice' THEN "
           "'{invoices}' ELSE '{commerce_payments}' END::text[]) o");
    (void)fix_sql(
        f,
        "INSERT INTO ml_connector.job (tenant_id, kind, fusion_id, state, "
        "class, waiting_for, due_at) SELECT tenant_id, kind, fusion_id, CASE "
        "WHEN n %% 20 = 0 THEN 'retry' WHEN n %% 3 = 0 THEN 'waiting' ELSE "
        "'queued' END, 'backfill', CASE WHEN n %% 20 > 0 AND n %% 3 = 0 THEN "
        "'customer:x' || n %% 5000 END, CASE WHEN n %% 20 = 0 THEN now() + "
        "interval '1 hour' END FROM (SELECT *, fusion_id::int AS n FROM "
        "ml_connector.record) r");
    (void)fix_sql(f, "INSERT INTO ml_connector.contact_email SELECT "
                     "tenant_id, email, fusion_id FROM ml_connector.record "
                     "WHERE email IS NOT NULL");
    (void)fix_sql(f, "INSERT INTO ml_connector.write (id, tenant_id, portal, "
                     "worker, term, operation, inputs, jobs, closed_at) "
                     "SELECT 'w' || i, 1, 'P', 'w1', 1, 'o', 1, '{}', now() "
                     "FROM generate_series(1, 20000) i");
    (void)fix_sql(f, "INSERT INTO ml_connector.lease (portal, worker, term, "
                     "expires_at, taken_at) VALUES ('P', 'w1', 1, now() + "
                     "interval '1 hour', now())");
    (void)fix_sql(f, "ANALYZE");
}

struct plan {
    enum store_sql_id id;
    const char *values[14];
};

/* The plan of one statement with its real values. */
static const char *
explain(struct fix *f, const struct plan *p)
{
    static char out[1 << 18];
    char *sql = mem_printf("EXPLAIN (COSTS OFF) %s", store_sql[p->id].sql);
    PGresult *r = PQexecParams(f->db, sql, (int)store_sql[p->id].params, NULL,
                               p->values, NULL, NULL, 0);
    size_t len = 0;

    ck_assert_msg(PQresultStatus(r) == PGRES_TUPLES_OK, "%s: %s",
                  store_sql[p->id].name, PQerrorMessage(f->db));
    for (int i = 0; i < PQntuples(r) && len < sizeof(out) - 1024; i++) {
        len += (size_t)snprintf(out + len, sizeof(out) - len, "%s\n",
                                PQgetvalue(r, i, 0));
    }
    PQclear(r);
    mem_free(sql);
    return out;
}

TEST(hot_statements_use_an_index)
{
    static const char *const big[] = {"record", "link", "job", "write",
                                      "contact_email"};
    static const char one[] =
        "[{\"kind\":\"payment\",\"id\":\"5\",\"customer\":\"5\",\"invoice\":"
        "\"5\",\"version_us\":1,\"hash\":\"ab\",\"desired\":{}},{\"kind\":"
        "\"customer\",\"id\":\"5\",\"version_us\":1,\"hash\":\"ab\","
        "\"desired\":{}}]";
    static const struct plan plans[] = {
        {SQL_INTAKE,
         {"1", "f", "p", "w", "fresh", "1", one, "1", "0", "0", "0", "0", "0",
          "true"}},
        {SQL_INTAKE_EMAILS, {"1", "w", one}},
        {SQL_CLAIM, {"1", "P", "1", "100", "{50,20,10,15,5}"}},
        {SQL_CLAIM_DUE, {"1", "P", "1"}},
        {SQL_OUTCOME,
         {"1", "P", "w1", "1", "w5", "200", "written", "1",
          "[{\"kind\":\"invoice\",\"fusion_id\":\"5\","
          "\"object\":\"invoices\",\"key\":\"5\",\"id\":"
          "\"1\"}]",
          "[{\"id\":5,\"revision\":1,\"state\":\"done\"}]", "[]"}},
        {SQL_MISSING, {"1", "invoice", "[\"5\"]"}},
        {SQL_OPEN_INVOICES, {"1", "3600000", "20"}},
        {SQL_OPEN_RECEIPTS, {"1", "3600000", "20"}},
        {SQL_DRAFTS, {"1", "", "500"}},
        {SQL_KNOWN, {"1", "customer", "100", "5", "500"}},
        {SQL_GONE, {"1", "[\"5\"]"}},
        {SQL_BALANCES,
         {"1", "100000", "100499", "[{\"id\":\"100005\",\"balance\":\"1\"}]"}},
        {SQL_REPORT_FEEDS, {"a", "100"}},
        {SQL_WRITE_OPEN, {"x", "1", "P", "w1", "1", "o", "1", "[1]"}},
        {SQL_ACCOUNTS, {"1", "number", "[\"5\"]"}},
    };
    struct fix f;

    fix_open(&f, false);
    fill(&f);
    for (size_t i = 0; i < COUNT_OF(plans); i++) {
        const char *plan = explain(&f, &plans[i]);

        for (size_t k = 0; k < COUNT_OF(big); k++) {
            ck_assert_msg(
                strstr(plan, text("Seq Scan on %s ", big[k])) == NULL &&
                    strstr(plan, text("Seq Scan on %s\n", big[k])) == NULL,
                "%s reads all of %s:\n%s", store_sql[plans[i].id].name, big[k],
                plan);
        }
    }
    HAS(explain(&f, &plans[2]), "job_queued");
    HAS(explain(&f, &plans[2]), "job_due");
    HAS(explain(&f, &plans[4]), "job_waiting");
    HAS(explain(&f, &plans[4]), "write_pkey");
    fix_close(&f);
}

/* Polls by the thousand, few of them with open jobs. */
TEST(what_is_asked_of_all_polls_and_open_invoices_uses_their_indexes)
{
    static const struct plan check = {SQL_REPORT_CONSERVATION, {NULL, "100"}};
    static const struct plan feeds = {SQL_REPORT_FEEDS, {"a", "100"}};
    struct fix f;

    fix_open(&f, false);
    fill(&f);
    (void)fix_sql(&f, "INSERT INTO ml_connector.feed (tenant_id, feed) SELECT "
                      "t, f FROM generate_series(1, 2) t, "
                      "unnest('{customers,invoices,payments}'::text[]) f");
    (void)fix_sql(&f, "INSERT INTO ml_connector.poll (tenant_id, poll, feed, "
                      "read, unchanged) SELECT 1, 'p' || i, 'invoices', 2, "
                      "CASE WHEN i %% 1000 = 0 THEN 1 ELSE 2 END FROM "
                      "generate_series(1, 40000) i");
    (void)fix_sql(&f, "ANALYZE");
    HAS(explain(&f, &check), "poll_unsettled");
    LACKS(explain(&f, &check), "Seq Scan on poll");
    HAS(explain(&f, &feeds), "record_open_invoice");
    fix_close(&f);
}

static char *
page_make(struct fix *f, int page, int version)
{
    PGresult *r = PQexec(
        f->db,
        text("SELECT jsonb_agg(jsonb_build_object('kind', 'invoice', 'id', "
             "(%d + i)::text, 'number', 'N' || i, 'customer', (i %% 200 + "
             "1000)::text, 'amount', '123.45', 'currency', 'USD', "
             "'version_us', %d, 'open', true, 'account_name', 'Acme', "
             "'contact_name', 'Ann', 'party', '7', 'hash', encode(sha256(("
             "i || 'v%d')::bytea), 'hex'), 'notes', '[]'::jsonb, 'desired', "
             "jsonb_build_object('objects', (SELECT jsonb_agg("
             "jsonb_build_object('object', 'line_items', 'key', i || '-' || "
             "k, 'properties', jsonb_build_object('name', 'A line of the "
             "invoice', 'description', repeat('words ', 8), 'quantity', '1', "
             "'price', '41.15', 'hs_sku', 'SKU-' || k))) FROM "
             "generate_series(1, 4) k)))) FROM generate_series(0, %d) i",
             5000000 + page * PAGE, version, version, PAGE - 1));
    char *json;

    ck_assert_msg(PQresultStatus(r) == PGRES_TUPLES_OK, "%s",
                  PQerrorMessage(f->db));
    json = mem_strdup(PQgetvalue(r, 0, 0));
    PQclear(r);
    return json;
}

static int64_t
bare_insert(struct fix *f, const char *json)
{
    const char *values[] = {json};
    int64_t began = clock_mono_us();
    PGresult *r = PQexecParams(
        f->db,
        "INSERT INTO bare (kind, fusion_id, desired) SELECT kind, id, "
        "desired FROM jsonb_to_recordset($1::jsonb) AS x(kind text, id text, "
        "desired jsonb)",
        1, NULL, values, NULL, NULL, 0);
    int64_t took = clock_mono_us() - began;

    ck_assert_msg(PQresultStatus(r) == PGRES_COMMAND_OK, "%s",
                  PQerrorMessage(f->db));
    PQclear(r);
    return took;
}

TEST(page_costs_a_small_multiple_of_a_bare_insert)
{
    struct fix f;
    struct got g = {0};
    struct store_intake in = {.tenant = 1,
                              .feed = "invoices",
                              .worker = "w1",
                              .poll = "p",
                              .klass = "fresh",
                              .read = PAGE};
    int64_t bare_us = 0;
    int64_t opened_us = 0;
    int64_t same_us = 0;

    fix_open(&f, false);
    fill(&f);
    (void)fix_sql(&f, "CREATE TABLE bare (id bigint GENERATED ALWAYS AS "
                      "IDENTITY PRIMARY KEY, kind text, fusion_id text, "
                      "desired jsonb)");
    for (int i = 0; i < PAGES; i++) {
        char *json = page_make(&f, i, 1);
        int64_t began;

        bare_us += bare_insert(&f, json);
        in.records = json;
        began = clock_mono_us();
        CALL(&f, &g, store_intake, &in, on_intake);
        opened_us += clock_mono_us() - began;
        OK(g.err);
        EQ_UINT(g.intake.opened, PAGE);
        in.read_us++;
        began = clock_mono_us();
        CALL(&f, &g, store_intake, &in, on_intake);
        same_us += clock_mono_us() - began;
        EQ_UINT(g.intake.unchanged, PAGE);
        mem_free(json);
    }
    SQL_IS(&f, "0",
           "SELECT coalesce(sum(abs(difference)), 0) FROM "
           "ml_dashboard.conservation");
    (void)printf(
        "intake of %d x %d: bare insert %.1f ms a page, all new "
        "%.1f ms (%.1f x), all unchanged %.1f ms (%.1f x)\n",
        PAGES, PAGE, (double)bare_us / PAGES / 1e3,
        (double)opened_us / PAGES / 1e3, (double)opened_us / (double)bare_us,
        (double)same_us / PAGES / 1e3, (double)same_us / (double)bare_us);
    got_clear(&g);
    fix_close(&f);
}

TEST(claim_and_outcome_of_a_hundred_jobs_are_timed)
{
    enum { ROUNDS = 20, BATCH = 100 };
    struct fix f;
    struct got g = {0};
    int64_t claim_us = 0;
    int64_t outcome_us = 0;
    struct buf links;

    fix_open(&f, false);
    fill(&f);
    buf_init(&links, 1 << 20);
    for (int i = 0; i < ROUNDS; i++) {
        struct store_outcome out = {.tenant = 1,
                                    .portal = "P",
                                    .worker = "w1",
                                    .term = 1,
                                    .http_status = 200,
                                    .result = "written"};
        struct store_write w = {.tenant = 1,
                                .portal = "P",
                                .worker = "w1",
                                .term = 1,
                                .operation = "o",
                                .inputs = BATCH};
        int64_t began = clock_mono_us();
        char *jobs;
        char *ids;

        CALL(&f, &g, store_claim, 1, "P", 1, fix_room(BATCH), on_claim);
        claim_us += clock_mono_us() - began;
        EQ_UINT(g.n, BATCH);
        jobs = mem_strdup(
            fix_sql(&f, "SELECT jsonb_agg(jsonb_build_object('id', id, "
                        "'revision', 1, 'state', 'done')) FROM "
                        "ml_connector.job WHERE state = 'in_flight'"));
        ids = mem_strdup(fix_sql(&f, "SELECT jsonb_agg(id) FROM ml_connector."
                                     "job WHERE state = 'in_flight'"));
        buf_reset(&links);
        for (int k = 0; k < BATCH; k++) {
            buf_addf(&links,
                     "%c{\"kind\":\"invoice\",\"fusion_id\":\"n%d\","
                     "\"object\":\"invoices\",\"key\":\"n%d\",\"id\":"
                     "\"%d\",\"hash\":\"ab\",\"properties\":{\"name\":"
                     "\"some words\"}}",
                     k == 0 ? '[' : ',', i * BATCH + k, i * BATCH + k, k);
        }
        buf_addc(&links, ']');
        w.id = out.write = text("speed-%d", i);
        w.jobs = ids;
        out.jobs = jobs;
        out.links = buf_text(&links);
        out.audit = "[]";
        began = clock_mono_us();
        CALL(&f, &g, store_write_open, &w, on_done);
        OK(g.err);
        CALL(&f, &g, store_outcome, &out, on_outcome);
        OK(g.err);
        outcome_us += clock_mono_us() - began;
        mem_free(jobs);
        mem_free(ids);
    }
    SQL_IS(&f, "0",
           "SELECT count(*) FROM ml_connector.job WHERE state = "
           "'in_flight'");
    (void)printf("100 jobs of 100,000: claim %.1f ms, request opened and "
                 "settled %.1f ms\n",
                 (double)claim_us / ROUNDS / 1e3,
                 (double)outcome_us / ROUNDS / 1e3);
    buf_fini(&links);
    got_clear(&g);
    fix_close(&f);
}

SUITE(speed,
      RUN_LONG(what_is_asked_of_all_polls_and_open_invoices_uses_their_indexes,
               120),
      RUN_LONG(hot_statements_use_an_index, 120),
      RUN_LONG(page_costs_a_small_multiple_of_a_bare_insert, 120),
      RUN_LONG(claim_and_outcome_of_a_hundred_jobs_are_timed, 120))
