/* SPDX-License-Identifier: UNLICENSED */
/*
 * A store of which nothing remains: it sees what is known, keeps what is stored
 * into it, and neither shows nor leaves any of it, nor holds anybody up. What
 * becomes of it when its process, its connection or its turn is lost.
 */
#include "fix.h"
#include "pooler.h"
#include "store_priv.h"

struct jobs {
    struct got *g;
    struct buf b;
};

static void
on_jobs(void *arg, enum err err, const struct store_plan_job *jobs, size_t n,
        const struct fault *fault)
{
    struct jobs *j = arg;

    for (size_t i = 0; i < n; i++) {
        buf_addf(&j->b, "%s:%s %s %s %s %s\n", jobs[i].kind, jobs[i].fusion_id,
                 jobs[i].state, jobs[i].found ? "found" : "open",
                 jobs[i].desired, jobs[i].parents);
    }
    on_done(j->g, err, fault);
}

/* Another fixture whose store is a plan of the tenant. */
static void
plan_open(struct fix *f, struct fix *p, struct got *g, int64_t tenant)
{
    struct store_plan_spec c = {.conninfo = f->conninfo,
                                .worker = "plan-test",
                                .timeout_ms = 20000,
                                .tenant = tenant};
    struct fault fault;

    *p = *f;
    got_clear(g);
    g->f = p;
    OK(store_plan_open(f->s, &c, on_done, g, &p->s, &fault));
    EQ_INT(g->calls, 0);
    got_wait(p, g);
}

static void
on_closed(void *arg)
{
    loop_stop(arg);
}

static void
on_jobs_closed(void *arg)
{
    (void)arg;
}

static void
plan_close(struct fix *p)
{
    store_plan_close(p->s, on_closed, p->loop);
    loop_run(p->loop);
}

static char *
jobs_of(struct fix *p, int64_t tenant, const char *kind)
{
    struct got g = {0};
    struct jobs j = {.g = &g};
    char *out;

    buf_init(&j.b, 1 << 20);
    g.f = p;
    OK(store_plan_jobs(p->s, tenant, kind, 0, 100, on_jobs, &j, NULL));
    got_wait(p, &g);
    OK(g.err);
    out = buf_take(&j.b, NULL);
    buf_fini(&j.b);
    return out;
}

/* All that is stored, as one text: every table but those of plans. */
static char *
all_of(struct fix *f)
{
    char *each = mem_strdup(fix_sql(
        f, "SELECT string_agg(format('SELECT %%L AS t, t::text AS r FROM "
           "ml_connector.%%I t', tablename, tablename), ' UNION ALL ') FROM "
           "pg_tables WHERE schemaname = 'ml_connector' AND tablename !~ "
           "'^plan(_|$)'"));
    char *out = mem_strdup(fix_sql(
        f, "SELECT string_agg(t || r, E'\n' ORDER BY t, r) FROM (%s) x", each));

    mem_free(each);
    return out;
}

/* Rows in the tables of plans. */
static const char *
left(struct fix *f)
{
    return fix_sql(
        f, "SELECT sum((xpath('/table/row/n/text()', query_to_xml(format("
           "'SELECT count(*) AS n FROM ml_connector.%%I', tablename), true, "
           "false, '')))[1]::text::bigint) FROM pg_tables WHERE schemaname = "
           "'ml_connector' AND tablename ~ '^plan(_|$)'");
}

static void
age(struct fix *f)
{
    (void)fix_sql(f, "UPDATE ml_connector.plan SET seen_at = now() - "
                     "interval '301 seconds'");
}

/* A tenant with a customer and its job. */
static int64_t
scene(struct fix *f, struct got *g)
{
    int64_t t;

    fix_open(f, false);
    t = fix_tenant(f, "acme");
    fix_intake(f, g, t, "customers", "p1", "fresh", 1,
               customer("1008", 1, 'a', "x@x.example"));
    return t;
}

TEST(plan_keeps_what_is_stored_and_leaves_nothing)
{
    struct fix f;
    struct fix p;
    struct got g = {0};
    int64_t t;
    char *before;
    char *after;
    char *jobs;

    t = scene(&f, &g);
    before = all_of(&f);
    plan_open(&f, &p, &g, t);
    OK(g.err);
    fix_intake(&p, &g, t, "invoices", "p2", "fresh", 2,
               invoice("3001", "1008", 1, 'b'));
    OK(g.err);
    EQ_INT(g.intake.opened, 1);
    fix_intake(&p, &g, t, "customers", "p2", "fresh", 2,
               customer("1009", 1, 'c', "x@x.example"));
    EQ_INT(g.intake.opened, 1);
    jobs = jobs_of(&p, t, "customer");
    HAS(jobs, "customer:1008 queued open {");
    HAS(jobs, "customer:1009 queued found {");
    mem_free(jobs);
    jobs = jobs_of(&p, t, "invoice");
    HAS(jobs, "invoice:3001 waiting found {");
    HAS(jobs, "\"coming\": true");
    mem_free(jobs);
    CALL(&p, &g, store_plan_totals, t, 10, on_json);
    OK(g.err);
    HAS(g.json, "\"unchanged\": {}");
    after = all_of(&f); /* nobody else sees it */
    EQ_STR(after, before);
    mem_free(after);
    plan_close(&p);
    after = all_of(&f);
    EQ_STR(after, before);
    mem_free(after);
    mem_free(before);
    EQ_STR(left(&f), "0");
    got_clear(&g);
    fix_close(&f);
}

TEST(plan_holds_nobody_up)
{
    struct fix f;
    struct fix p;
    struct got g = {0};
    int64_t t;

    fix_open(&f, false);
    t = fix_tenant(&f, "acme");
    fix_intake(&f, &g, t, "customers", "p1", "fresh", 1,
               customer("1008", 1, 'a', NULL));
    plan_open(&f, &p, &g, t);
    fix_intake(&p, &g, t, "customers", "p2", "fresh", 2,
               customer("1008", 2, 'b', NULL));
    EQ_INT(g.intake.opened, 1);
    /* the same record, by the worker */
    fix_intake(&f, &g, t, "customers", "p3", "fresh", 3,
               customer("1008", 3, 'c', NULL));
    OK(g.err);
    EQ_INT(g.intake.opened, 1);
    CALL(&f, &g, store_tenant_state, "acme", NULL, "paused", NULL, "operator",
         on_done);
    OK(g.err);
    fix_intake(&p, &g, t, "customers", "p2", "fresh", 4,
               customer("1008", 4, 'b', NULL));
    EQ_INT(g.intake.unchanged, 1);
    plan_close(&p);
    SQL_IS(&f, "c",
           "SELECT substr(encode(hash, 'hex'), 1, 1) FROM ml_connector.record");
    got_clear(&g);
    fix_close(&f);
}

TEST(plan_cannot_write_to_what_it_has_no_copy_of)
{
    struct fix f;
    struct fix p;
    struct got g = {0};
    int64_t t;

    fix_open(&f, false);
    t = fix_tenant(&f, "acme");
    plan_open(&f, &p, &g, t);
    OK(g.err);
    EQ_ERR(store_request_add(p.s, t, "sync", "{}", "me", on_json, &g, NULL),
           ERR_DB_STATEMENT);
    EQ_ERR(store_secrets_replace(p.s, "[]", on_json, &g, NULL),
           ERR_DB_STATEMENT);
    EQ_ERR(store_upkeep(p.s, 1, on_done, &g, NULL), ERR_DB_STATEMENT);
    plan_close(&p);
    SQL_IS(&f, "0", "SELECT count(*) FROM ml_connector.request");
    got_clear(&g);
    fix_close(&f);
}

TEST(plan_that_is_closed_at_once_tells_nothing)
{
    struct fix f;
    struct fix p;
    struct got g = {0};
    struct store_plan_spec c = {.conninfo = NULL, .timeout_ms = 1000};
    struct fault fault;

    fix_open(&f, false);
    c.conninfo = f.conninfo;
    c.tenant = fix_tenant(&f, "acme");
    p = f;
    g.f = &p;
    c.worker = "plan-test";
    OK(store_plan_open(f.s, &c, on_done, &g, &p.s, &fault));
    plan_close(&p);
    EQ_INT(g.calls, 0);
    fix_close(&f);
}

TEST(plan_that_is_closed_while_it_is_at_it_leaves_nothing)
{
    struct fix f;
    struct fix p;
    struct got g = {0};
    int64_t t = scene(&f, &g);

    plan_open(&f, &p, &g, t);
    OK(g.err);
    got_clear(&g);
    OK(store_plan_jobs(p.s, t, "customer", 0, 100, NULL, &g, NULL));
    plan_close(&p);
    EQ_INT(g.calls, 0);
    EQ_STR(left(&f), "0");
    got_clear(&g);
    fix_close(&f);
}

TEST(tenant_has_one_plan_at_a_time)
{
    struct fix f;
    struct fix first;
    struct fix second;
    struct got g = {0};
    int64_t t = scene(&f, &g);
    int64_t other = fix_tenant(&f, "other");

    plan_open(&f, &first, &g, t);
    OK(g.err);
    plan_open(&f, &second, &g, t);
    EQ_ERR(g.err, ERR_CONFLICT);
    HAS(g.fault.message, "begun by plan-test 0 s ago");
    plan_close(&second);
    plan_open(&f, &second, &g, other);
    OK(g.err);
    fix_intake(&first, &g, t, "customers", "p2", "fresh", 2,
               customer("1009", 1, 'b', NULL));
    OK(g.err);
    SQL_IS(&f, "1,1",
           "SELECT string_agg(n::text, ',') FROM (SELECT count(*) "
           "AS n FROM ml_connector.plan_tenant GROUP BY id) x");
    plan_close(&second);
    SQL_IS(&f, "2", "SELECT count(*) FROM ml_connector.plan_record");
    plan_close(&first);
    EQ_STR(left(&f), "0");
    plan_open(&f, &first, &g, t); /* at once: it made way */
    OK(g.err);
    plan_close(&first);
    got_clear(&g);
    fix_close(&f);
}

TEST(plan_that_was_not_seen_is_taken_over_and_stores_nothing_more)
{
    struct fix f;
    struct fix first;
    struct fix second;
    struct got g = {0};
    int64_t t = scene(&f, &g);
    char *jobs;

    plan_open(&f, &first, &g, t);
    fix_intake(&first, &g, t, "customers", "p2", "fresh", 2,
               customer("1009", 1, 'b', NULL));
    OK(g.err);
    age(&f);
    plan_open(&f, &second, &g, t);
    OK(g.err);
    CALL(&first, &g, store_missing, t, "customer", "[\"1010\"]", on_done);
    EQ_ERR(g.err, ERR_CONFLICT);
    HAS(g.fault.message, "this plan is over");
    plan_close(&first);
    jobs = jobs_of(&second, t, "customer"); /* nothing of the first */
    HAS(jobs, "customer:1008 queued open");
    LACKS(jobs, "1009");
    mem_free(jobs);
    SQL_IS(&f, "0",
           "SELECT count(*) FROM ml_connector.plan_record WHERE "
           "fusion_id = '1010'");
    plan_close(&second);
    EQ_STR(left(&f), "0");
    got_clear(&g);
    fix_close(&f);
}

TEST(plan_whose_row_is_held_is_not_taken_over)
{
    struct fix f;
    struct fix first;
    struct fix second;
    struct got g = {0};
    int64_t t = scene(&f, &g);

    plan_open(&f, &first, &g, t);
    age(&f);
    (void)fix_sql(&f, "BEGIN; SELECT 1 FROM ml_connector.plan FOR UPDATE");
    plan_open(&f, &second, &g, t);
    EQ_ERR(g.err, ERR_CONFLICT);
    HAS(g.fault.message, "at a long statement");
    (void)fix_sql(&f, "ROLLBACK");
    plan_close(&second);
    plan_close(&first);
    got_clear(&g);
    fix_close(&f);
}

TEST(plan_whose_copies_are_gone_fails)
{
    struct fix f;
    struct fix p;
    struct got g = {0};
    int64_t t = scene(&f, &g);

    plan_open(&f, &p, &g, t);
    /* as unlogged tables are after a crash */
    (void)fix_sql(&f, "TRUNCATE ml_connector.plan, ml_connector.plan_record");
    CALL(&p, &g, store_plan_follow, t, on_done);
    EQ_ERR(g.err, ERR_CONFLICT);
    plan_close(&p);
    SQL_IS(&f, "t",
           "SELECT bool_and(c.relpersistence = 'u') FROM pg_class c WHERE "
           "c.relnamespace = 'ml_connector'::regnamespace AND c.relname ~ "
           "'^plan(_|$)' AND c.relkind = 'r'");
    got_clear(&g);
    fix_close(&f);
}

TEST(plan_outlives_its_connection)
{
    struct fix f;
    struct fix p;
    struct got g = {0};
    int64_t t = scene(&f, &g);

    plan_open(&f, &p, &g, t);
    for (int i = 0; i < 3; i++) {
        SQL_IS(&f, "t",
               "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE "
               "application_name = 'plan-test' AND datname = "
               "current_database() AND xact_start IS NULL");
        while (store_is_up(p.s)) {
            loop_turn(f.loop, 1);
        }
        fix_intake(&p, &g, t, "customers", "p2", "fresh", 2 + i,
                   customer("1009", 1 + i, (char)('b' + i), NULL));
        OK(g.err);
        EQ_INT(g.intake.opened, 1);
    }
    plan_close(&p);
    EQ_STR(left(&f), "0");
    got_clear(&g);
    fix_close(&f);
}

/* One that takes no options in the start-up packet. */
TEST(plan_works_behind_a_pooler)
{
    struct fix f;
    struct fix p;
    struct got g = {0};
    int64_t t = scene(&f, &g);
    char direct[sizeof(f.conninfo)];
    char dir[sizeof(f.conninfo)];
    struct pooler *pooler;

    (void)snprintf(direct, sizeof(direct), "%s", f.conninfo);
    EQ_INT(sscanf(direct, "host=%319s", dir), 1);
    pooler = pooler_start(POOLER_RELAY, dir);
    (void)snprintf(f.conninfo, sizeof(f.conninfo), "host=127.0.0.1 port=%u%s",
                   pooler_port(pooler), direct + strlen("host=") + strlen(dir));
    plan_open(&f, &p, &g, t);
    OK(g.err);
    EQ_INT(pooler_refused(pooler), 1);
    fix_intake(&p, &g, t, "customers", "p2", "fresh", 2,
               customer("1009", 1, 'b', NULL));
    EQ_INT(g.intake.opened, 1);
    plan_close(&p);
    EQ_STR(left(&f), "0");
    pooler_stop(pooler);
    got_clear(&g);
    fix_close(&f);
}

TEST(plan_of_a_program_of_before_begins_too)
{
    struct fix f;
    struct got g = {0};
    int64_t t = scene(&f, &g);

    (void)fix_sql(&f,
                  "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT "
                  "ml_connector.plan_begin(%" PRId64 ") IS NOT NULL",
                  t);
    SQL_IS(&f, "1", "SELECT count(*) FROM pg_temp.record");
    EQ_STR(left(&f), "0");
    (void)fix_sql(&f, "ROLLBACK");
    got_clear(&g);
    fix_close(&f);
}

TEST(what_a_killed_plan_left_is_removed_a_little_at_a_time)
{
    struct fix f;
    struct got g = {0};
    int64_t t = scene(&f, &g);
    char *before;
    char *after;

    (void)fix_sql(&f,
                  "INSERT INTO ml_connector.plan (tenant_id, token, worker) "
                  "VALUES (%" PRId64 ", 'x', 'w'); SELECT "
                  "ml_connector.plan_copy(%" PRId64 "); INSERT INTO "
                  "ml_connector.plan_noted SELECT %" PRId64 ", 'e', i::text "
                  "FROM generate_series(1, 25000) i",
                  t, t, t);
    before = all_of(&f);
    CALL(&f, &g, store_upkeep, (int64_t)400 * 86400 * 1000, on_done);
    OK(g.err);
    SQL_IS(&f, "25000", "SELECT count(*) FROM ml_connector.plan_noted");
    age(&f);
    CALL(&f, &g, store_upkeep, (int64_t)400 * 86400 * 1000, on_done);
    SQL_IS(&f, "5000", "SELECT count(*) FROM ml_connector.plan_noted");
    SQL_IS(&f, "1", "SELECT count(*) FROM ml_connector.plan");
    CALL(&f, &g, store_upkeep, (int64_t)400 * 86400 * 1000, on_done);
    EQ_STR(left(&f), "0");
    after = all_of(&f);
    EQ_STR(after, before);
    mem_free(before);
    mem_free(after);
    got_clear(&g);
    fix_close(&f);
}

TEST(plan_begins_on_what_another_left)
{
    struct fix f;
    struct fix p;
    struct got g = {0};
    int64_t t = scene(&f, &g);
    char *jobs;

    /* a dump taken while another was under way, restored */
    (void)fix_sql(&f,
                  "SELECT ml_connector.plan_copy(%" PRId64 "); UPDATE "
                  "ml_connector.plan_record SET state = 'gone'; UPDATE "
                  "ml_connector.plan_job SET state = 'parked', id = 1 + "
                  "4611686018427387904",
                  t);
    plan_open(&f, &p, &g, t);
    OK(g.err);
    jobs = jobs_of(&p, t, "customer");
    HAS(jobs, "customer:1008 queued open");
    mem_free(jobs);
    plan_close(&p);
    EQ_STR(left(&f), "0");
    got_clear(&g);
    fix_close(&f);
}

TEST(schema_of_before_is_too_old_for_a_plan)
{
    struct fix f;
    struct fix p;
    struct got g = {0};
    int64_t t = scene(&f, &g);

    (void)fix_sql(&f, "DROP TABLE ml_connector.plan");
    plan_open(&f, &p, &g, t);
    EQ_ERR(g.err, ERR_SCHEMA_OLD);
    plan_close(&p);
    got_clear(&g);
    fix_close(&f);
}

TEST(plans_can_be_cut_off_at_the_end)
{
    struct fix f;
    struct fix p;
    struct got g = {0};
    int64_t t = scene(&f, &g);

    store_plans_end(f.s, 0, on_closed, f.loop); /* there are none */
    loop_run(f.loop);
    plan_open(&f, &p, &g, t);
    (void)fix_sql(&f, "BEGIN; SELECT 1 FROM ml_connector.plan FOR UPDATE");
    store_plan_close(p.s, on_jobs_closed, NULL); /* it waits for the row */
    store_plans_end(f.s, 50, on_closed, f.loop);
    loop_run(f.loop);
    (void)fix_sql(&f, "ROLLBACK");
    got_clear(&g);
    fix_close(&f);
}

/* ---- copies and statements ---------------------------------------------- */

TEST(tables_of_plans_are_those_they_stand_for)
{
    struct fix f;
    struct buf b;

    buf_init(&b, 4096);
    for (size_t i = 0; store_plan_tables[i] != NULL; i++) {
        buf_addf(&b, "%s%s", i > 0 ? "," : "", store_plan_tables[i]);
    }
    fix_open(&f, false);
    SQL_IS(&f, buf_text(&b),
           "SELECT array_to_string(ml_connector.plan_tables(), ',')");
    SQL_IS(&f, "0",
           "WITH had AS (SELECT t, a.attnum, attname, atttypid, attgenerated, "
           "attnotnull OR t = 'audit_event' AS attnotnull FROM unnest("
           "ml_connector.plan_tables()) t, pg_attribute a WHERE attrelid = "
           "('ml_connector.' || t)::regclass AND attnum > 0 AND NOT "
           "attisdropped), has AS (SELECT t, a.attnum, attname, atttypid, "
           "attgenerated, attnotnull OR t = 'audit_event' AS attnotnull FROM "
           "unnest(ml_connector.plan_tables()) t, pg_attribute a WHERE "
           "attrelid = ('ml_connector.plan_' || t)::regclass AND attnum > 0 "
           "AND NOT attisdropped) SELECT count(*) FROM ((TABLE had EXCEPT "
           "TABLE has) UNION ALL (TABLE has EXCEPT TABLE had)) d");
    buf_fini(&b);
    fix_close(&f);
}

/* Rows of all sorts, of two tenants. */
static int64_t
fill(struct fix *f, struct got *g)
{
    int64_t t = scene(f, g);
    int64_t other = fix_tenant(f, "other");
    const int64_t of[] = {t, other};

    for (size_t i = 0; i < COUNT_OF(of); i++) {
        fix_intake(f, g, of[i], "invoices", "p2", "fresh", 2,
                   invoice("3001", "1008", 1, 'b'));
        fix_intake(f, g, of[i], "payments", "p2", "backfill", 2,
                   payment("9:1", "1008", "3001", 1, 'c'));
        (void)fix_sql(
            f,
            "INSERT INTO ml_connector.pass (tenant_id, feed, pass, from_us) "
            "VALUES (%" PRId64 ", 'invoices', 'known', 3); INSERT INTO "
            "ml_connector.cursor (tenant_id, feed, stream, stamp_us) VALUES (%" PRId64
            ", 'invoices', 's', 4); INSERT INTO ml_connector.record "
            "(tenant_id, kind, fusion_id, state, hash, desired) VALUES (%" PRId64
            ", 'invoice', '3002', 'current', '\\x01', '{\"a\":1}')",
            of[i], of[i], of[i]);
    }
    return t;
}

TEST(copies_are_those_of_the_tenant)
{
    static const char *const tables[] = {"tenant", "feed",    "cursor",
                                         "pass",   "account", "contact_email",
                                         "job",    "record"};
    struct fix f;
    struct fix p;
    struct got g = {0};
    int64_t t = fill(&f, &g);

    plan_open(&f, &p, &g, t);
    OK(g.err);
    for (size_t i = 0; i < COUNT_OF(tables); i++) {
        const char *desired =
            strcmp(tables[i], "record") == 0 ?
                "CASE WHEN fusion_id = '3002' THEN s.desired = '{\"a\":1}' AND "
                "c.desired = '{}' ELSE s.desired = c.desired END" :
                "true";

        SQL_IS(&f, "t",
               "WITH s AS (SELECT to_jsonb(x) - 'desired' AS row, to_jsonb(x) "
               "-> 'desired' AS desired, to_jsonb(x) ->> 'fusion_id' AS "
               "fusion_id FROM ml_connector.%s x WHERE %s = %" PRId64
               "), c AS (SELECT to_jsonb(x) - 'desired' AS row, to_jsonb(x) -> "
               "'desired' AS desired FROM ml_connector.plan_%s x) SELECT "
               "count(*) = (SELECT count(*) FROM c) AND count(*) = (SELECT "
               "count(*) FROM s) AND count(*) > 0 AND bool_and(%s) FROM s "
               "JOIN c ON c.row = s.row",
               tables[i], strcmp(tables[i], "tenant") == 0 ? "id" : "tenant_id",
               t, tables[i], desired);
    }
    plan_close(&p);
    got_clear(&g);
    fix_close(&f);
}

/* As the server sees it: a role that may write to tables of plans only may do
 * all that a plan sends. */
static void
may(struct fix *f, const struct store_sql *s, const char *sql)
{
    struct buf b;

    buf_init(&b, 1 << 20);
    buf_addf(&b, "PREPARE s AS %s", sql);
    (void)fix_sql(f, "%s", buf_text(&b));
    buf_reset(&b);
    buf_addf(&b, "EXPLAIN EXECUTE s%s", s->params > 0 ? " (" : "");
    for (unsigned i = 0; i < s->params; i++) {
        buf_addf(&b, "%sNULL", i > 0 ? ", " : "");
    }
    (void)fix_sql(f, "%s%s", buf_text(&b), s->params > 0 ? ")" : "");
    (void)fix_sql(f, "DEALLOCATE s");
    buf_fini(&b);
}

TEST(statements_of_a_plan_write_to_tables_of_plans_only)
{
    static const enum store_sql_id feeds[] = {
        SQL_ACCOUNT_NUMBERS, SQL_ACCOUNTS,        SQL_BALANCES,
        SQL_DRAFTS,          SQL_FEED_LOAD,       SQL_GONE,
        SQL_INTAKE,          SQL_INTAKE_ACCOUNTS, SQL_INTAKE_CEILING,
        SQL_INTAKE_COMPOSED, SQL_INTAKE_CURSOR,   SQL_INTAKE_EMAILS,
        SQL_INTAKE_GATHERED, SQL_INTAKE_NOTES,    SQL_INTAKE_SCANNED,
        SQL_KNOWN,           SQL_MISSING,         SQL_OPEN_INVOICES,
        SQL_OPEN_RECEIPTS,   SQL_PASS_BEGIN,      SQL_PASS_MOVE,
        SQL_PLAN_BEGIN,      SQL_PLAN_END,        SQL_PLAN_FOLLOW,
        SQL_PLAN_JOBS,       SQL_PLAN_OPEN,       SQL_PLAN_TOTALS,
        SQL_PLAN_TOUCH,      SQL_POLL_SAVE,       SQL_RECEIPTS_STALE,
        SQL_TENANT_LEARN,    SQL_UNANSWERED,      SQL_WANTED};
    static const enum store_sql_id others[] = {
        SQL_CLAIM,      SQL_LEASE_TAKE,   SQL_OUTCOME,      SQL_REQUEST_ADD,
        SQL_TENANT_ADD, SQL_UPKEEP_AUDIT, SQL_UPKEEP_PRUNE, SQL_WRITE_OPEN};
    struct fix f;

    fix_open(&f, false);
    (void)fix_sql(
        &f,
        "CREATE ROLE planner; GRANT USAGE ON SCHEMA ml_connector, ml_dashboard "
        "TO planner; GRANT SELECT ON ALL TABLES IN SCHEMA ml_connector, "
        "ml_dashboard TO planner; DO $$ DECLARE t text; BEGIN FOR t IN SELECT "
        "relname FROM pg_class WHERE relname ~ '^plan(_|$)' AND relkind = 'r' "
        "LOOP EXECUTE format('GRANT INSERT, UPDATE, DELETE ON "
        "ml_connector.%%I TO planner', t); END LOOP; END $$; GRANT USAGE ON "
        "SEQUENCE ml_connector.plan_job_id_seq TO planner; SET ROLE planner");
    for (size_t i = 0; i < SQL_COUNT; i++) {
        char *sql = store_plan_text(store_sql[i].sql);

        if (sql != NULL) {
            may(&f, &store_sql[i], sql);
        }
        mem_free(sql);
    }
    for (size_t i = 0; i < COUNT_OF(feeds); i++) {
        char *sql = store_plan_text(store_sql[feeds[i]].sql);

        ck_assert_msg(sql != NULL, "%s is refused", store_sql[feeds[i]].name);
        mem_free(sql);
    }
    for (size_t i = 0; i < COUNT_OF(others); i++) {
        ck_assert_msg(store_plan_text(store_sql[others[i]].sql) == NULL,
                      "%s is not refused", store_sql[others[i]].name);
    }
    (void)fix_sql(&f, "RESET ROLE; DROP OWNED BY planner; DROP ROLE planner");
    fix_close(&f);
}

TEST(statement_is_taken_for_what_it_is)
{
    static const struct {
        const char *sql, *text;
    } cases[] = {
        {"SELECT 1 FROM ml_connector.record r",
         "SELECT 1 FROM ml_connector.plan_record r"},
        {"SELECT ml_connector.record.id FROM \"ml_connector\".record",
         "SELECT ml_connector.plan_record.id FROM \"ml_connector\".record"},
        {"SELECT 1 FROM ml_connector.recorder, ml_connector.link",
         "SELECT 1 FROM ml_connector.recorder, ml_connector.link"},
        {"-- UPDATE ml_connector.link\nDELETE FROM ml_connector.job j",
         "-- UPDATE ml_connector.link\nDELETE FROM ml_connector.plan_job j"},
        {"SELECT 'UPDATE x' FROM ml_connector.link FOR UPDATE SKIP LOCKED",
         "SELECT 'UPDATE x' FROM ml_connector.link FOR UPDATE SKIP LOCKED"},
        {"INSERT INTO ml_connector.job(id) VALUES (1) ON CONFLICT (id) DO "
         "UPDATE SET id = 2",
         "INSERT INTO ml_connector.plan_job(id) VALUES (1) ON CONFLICT (id) DO "
         "UPDATE SET id = 2"},
        {"SELECT ml_connector.plan_touch($1, $2)",
         "SELECT ml_connector.plan_touch($1, $2)"},
        {"WITH x AS (UPDATE ml_connector.link SET id = 1) SELECT 1", NULL},
        {"WITH x AS (DELETE FROM \"ml_connector\".job) SELECT 1", NULL},
        {"INSERT INTO ml_connector.request (id) VALUES (1)", NULL},
        {"SELECT ml_connector.audit_keep(1, $1)", NULL},
        {"SELECT ml_connector.record_do(1)", NULL},
        {"TRUNCATE ml_connector.job", NULL},
        {"", NULL},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char *sql = store_plan_text(cases[i].sql);

        if (cases[i].text == NULL) {
            ck_assert_msg(sql == NULL, "taken: %s", cases[i].sql);
        } else {
            ck_assert_msg(sql != NULL, "refused: %s", cases[i].sql);
            EQ_STR(sql, cases[i].text);
        }
        mem_free(sql);
    }
}

SUITE(plan, RUN_LONG(plan_keeps_what_is_stored_and_leaves_nothing, 20),
      RUN_LONG(plan_holds_nobody_up, 20),
      RUN_LONG(plan_cannot_write_to_what_it_has_no_copy_of, 20),
      RUN_LONG(plan_that_is_closed_at_once_tells_nothing, 20),
      RUN_LONG(plan_that_is_closed_while_it_is_at_it_leaves_nothing, 20),
      RUN_LONG(tenant_has_one_plan_at_a_time, 20),
      RUN_LONG(plan_that_was_not_seen_is_taken_over_and_stores_nothing_more,
               20),
      RUN_LONG(plan_whose_row_is_held_is_not_taken_over, 30),
      RUN_LONG(plan_whose_copies_are_gone_fails, 20),
      RUN_LONG(plan_outlives_its_connection, 20),
      RUN_LONG(plan_works_behind_a_pooler, 20),
      RUN_LONG(plan_of_a_program_of_before_begins_too, 20),
      RUN_LONG(what_a_killed_plan_left_is_removed_a_little_at_a_time, 30),
      RUN_LONG(plan_begins_on_what_another_left, 20),
      RUN_LONG(schema_of_before_is_too_old_for_a_plan, 20),
      RUN_LONG(plans_can_be_cut_off_at_the_end, 20),
      RUN_LONG(tables_of_plans_are_those_they_stand_for, 20),
      RUN_LONG(copies_are_those_of_the_tenant, 20),
      RUN_LONG(statements_of_a_plan_write_to_tables_of_plans_only, 30),
      RUN(statement_is_taken_for_what_it_is))
