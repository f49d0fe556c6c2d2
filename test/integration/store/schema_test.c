/* SPDX-License-Identifier: UNLICENSED */
/*
 * The schema's life, every statement, the role of dashboards, and the
 * promises of an operation.
 */
#include "fix.h"
#include "store_sql.h"

TEST(empty_database_is_migrated_once)
{
    struct fix f;
    struct got g = {0};

    fix_open(&f, true);
    CALL(&f, &g, store_check, on_done);
    EQ_ERR(g.err, ERR_SCHEMA_OLD);
    CALL(&f, &g, store_migrate, on_json);
    OK(g.err);
    HAS(g.json, "\"from\":0");
    HAS(g.json, "\"0001_begin\"");
    LACKS(g.json, "role_sql");
    CALL(&f, &g, store_check, on_done);
    OK(g.err);
    CALL(&f, &g, store_migrate, on_json);
    OK(g.err);
    HAS(g.json, "\"applied\":[]");
    SQL_IS(&f, text("%d", store_schema_version()),
           "SELECT max(version) FROM ml_connector.schema_version");
    got_clear(&g);
    fix_close(&f);
}

TEST(two_migrations_at_once_do_it_once)
{
    struct fix f;
    struct fix other;
    struct got a = {0};
    struct got b = {0};

    fix_open(&f, true);
    fix_second(&f, &other, "");
    a.f = &f;
    b.f = &other;
    OK(store_migrate(f.s, on_json, &a, NULL));
    OK(store_migrate(other.s, on_json, &b, NULL));
    while (a.calls == 0 || b.calls == 0) {
        loop_turn(f.loop, 1);
        loop_turn(other.loop, 1);
    }
    OK(a.err);
    OK(b.err);
    IS((strstr(a.json, "0001_begin") != NULL) !=
       (strstr(b.json, "0001_begin") != NULL));
    got_clear(&a);
    got_clear(&b);
    fix_close(&other);
    fix_close(&f);
}

TEST(schema_of_a_later_program_is_judged_by_compatible_from)
{
    struct fix f;
    struct got g = {0};

    fix_open(&f, false);
    (void)fix_sql(&f, "INSERT INTO ml_connector.schema_version (version, "
                      "name, checksum, compatible_from) VALUES (900, 'x', "
                      "'y', 1)");
    CALL(&f, &g, store_check, on_done);
    OK(g.err);
    (void)fix_sql(&f, "UPDATE ml_connector.schema_version SET "
                      "compatible_from = 900 WHERE version = 900");
    CALL(&f, &g, store_check, on_done);
    EQ_ERR(g.err, ERR_SCHEMA_NEW);
    HAS(g.fault.message, "version 900");
    CALL(&f, &g, store_migrate, on_json);
    EQ_ERR(g.err, ERR_SCHEMA_NEW);
    got_clear(&g);
    fix_close(&f);
}

TEST(changed_migration_is_refused)
{
    struct fix f;
    struct got g = {0};

    fix_open(&f, false);
    (void)fix_sql(&f, "UPDATE ml_connector.schema_version SET checksum = 'x' "
                      "WHERE version = 1");
    CALL(&f, &g, store_check, on_done);
    EQ_ERR(g.err, ERR_SCHEMA_NEW);
    HAS(g.fault.message, "0001_begin");
    got_clear(&g);
    fix_close(&f);
}

TEST(without_the_right_to_make_roles_the_sql_is_given)
{
    struct fix f;
    struct fix poor;
    struct got g = {0};

    fix_open(&f, true);
    (void)fix_sql(&f, "DROP OWNED BY ml_dashboard");
    (void)fix_sql(&f, "CREATE ROLE poor LOGIN");
    (void)fix_sql(&f, "ALTER ROLE ml_dashboard RENAME TO ml_dashboard_away");
    (void)fix_sql(&f, "DO $$ BEGIN EXECUTE format('GRANT CREATE ON DATABASE "
                      "%%I TO poor', current_database()); END $$");
    fix_second(&f, &poor, " user=poor");
    CALL(&poor, &g, store_migrate, on_json);
    OK(g.err);
    HAS(g.json, "role_sql\":\"CREATE ROLE ml_dashboard NOLOGIN;");
    got_clear(&g);
    fix_close(&poor);
    (void)fix_sql(&f, "ALTER ROLE ml_dashboard_away RENAME TO ml_dashboard");
    (void)fix_sql(&f, "DROP OWNED BY poor; DROP ROLE poor");
    fix_close(&f);
}

TEST(every_statement_prepares_with_its_parameters)
{
    struct fix f;

    fix_open(&f, false);
    for (size_t i = 0; i < SQL_COUNT; i++) {
        PGresult *r =
            PQprepare(f.db, store_sql[i].name, store_sql[i].sql, 0, NULL);

        ck_assert_msg(PQresultStatus(r) == PGRES_COMMAND_OK, "%s: %s",
                      store_sql[i].name, PQerrorMessage(f.db));
        PQclear(r);
        r = PQdescribePrepared(f.db, store_sql[i].name);
        ck_assert_msg(PQnparams(r) == (int)store_sql[i].params,
                      "%s has %d parameters, its first line says %u",
                      store_sql[i].name, PQnparams(r), store_sql[i].params);
        PQclear(r);
    }
    fix_close(&f);
}

TEST(dashboard_role_sees_views_and_nothing_else)
{
    struct fix f;

    fix_open(&f, false);
    SQL_IS(&f, "10",
           "SELECT count(*) FROM pg_views WHERE schemaname = "
           "'ml_dashboard' AND has_table_privilege('ml_dashboard', "
           "schemaname || '.' || viewname, 'SELECT')");
    SQL_IS(&f, "0",
           "SELECT count(*) FROM pg_class WHERE relnamespace = "
           "'ml_connector'::regnamespace AND relkind IN ('r','p') "
           "AND has_table_privilege('ml_dashboard', oid, 'SELECT')");
    (void)fix_sql(&f, "SET ROLE ml_dashboard");
    SQL_IS(&f, "0", "SELECT count(*) FROM ml_dashboard.records");
    (void)fix_sql(&f, "RESET ROLE");
    fix_close(&f);
}

TEST(upkeep_makes_partitions_ahead_and_drops_old_ones)
{
    struct fix f;
    struct got g = {0};

    fix_open(&f, false);
    (void)fix_sql(&f, "CREATE TABLE ml_connector.audit_event_2020_01 "
                      "PARTITION OF ml_connector.audit_event FOR VALUES FROM "
                      "('2020-01-01 00:00+00') TO ('2020-02-01 00:00+00')");
    (void)fix_sql(&f, "INSERT INTO ml_connector.audit_event (tenant_id, "
                      "event, at) VALUES (1, 'old', '2020-01-15')");
    (void)fix_sql(&f, "DO $$ BEGIN EXECUTE format('DROP TABLE ml_connector."
                      "audit_event_%%s', to_char(now() AT TIME ZONE 'UTC' + "
                      "interval '3 months' - interval '1 day' * (extract(day "
                      "from now()) - 1), 'YYYY_MM')); END $$");
    CALL(&f, &g, store_upkeep, (int64_t)400 * 86400 * 1000, on_done);
    OK(g.err);
    SQL_IS(&f, "4",
           "SELECT count(*) FROM pg_inherits WHERE inhparent = "
           "'ml_connector.audit_event'::regclass");
    SQL_IS(&f, "",
           "SELECT to_regclass("
           "'ml_connector.audit_event_2020_01')::text");
    got_clear(&g);
    fix_close(&f);
}

/* Nobody waits for the reader, and it is told when that may matter. */
TEST(a_long_reader_of_the_audit_puts_its_partitions_off)
{
    const int64_t keep_ms = (int64_t)400 * 86400 * 1000;
    struct fix f;
    struct fix reader;
    struct got g = {0};

    fix_open(&f, false);
    fix_second(&f, &reader, "");
    (void)fix_sql(&f, "CREATE TABLE ml_connector.audit_event_2020_01 "
                      "PARTITION OF ml_connector.audit_event FOR VALUES FROM "
                      "('2020-01-01 00:00+00') TO ('2020-02-01 00:00+00')");
    (void)fix_sql(&f, "DO $$ BEGIN EXECUTE format('DROP TABLE ml_connector."
                      "audit_event_%%s', to_char(date_trunc('month', now() AT "
                      "TIME ZONE 'UTC') + interval '1 month', 'YYYY_MM')); "
                      "END $$");
    (void)fix_sql(&reader, "BEGIN");
    (void)fix_sql(&reader, "SELECT count(*) FROM ml_connector.audit_event");
    CALL(&f, &g, store_upkeep, keep_ms, on_done);
    OK(g.err);
    HAS(g.fault.message, "no partition for next month");
    SQL_IS(&f, "ml_connector.audit_event_2020_01",
           "SELECT to_regclass('ml_connector.audit_event_2020_01')::text");
    (void)fix_sql(&reader, "ROLLBACK");
    CALL(&f, &g, store_upkeep, keep_ms, on_done);
    OK(g.err);
    EQ_STR(g.fault.message, "");
    SQL_IS(&f, "",
           "SELECT to_regclass('ml_connector.audit_event_2020_01')::text");
    got_clear(&g);
    fix_close(&reader);
    fix_close(&f);
}

TEST(upkeep_forgets_leases_that_nobody_can_want)
{
    struct fix f;
    struct got g = {0};

    fix_open(&f, false);
    (void)fix_tenant(&f, "acme");
    (void)fix_sql(&f, "INSERT INTO ml_connector.lease (portal, term, "
                      "expires_at, taken_at) VALUES ('tenant:1', 1, now() - "
                      "interval '2 days', now()), ('tenant:2', 1, now(), "
                      "now())");
    (void)fix_sql(&f, "UPDATE ml_connector.lease SET expires_at = now() - "
                      "interval '3 days' WHERE portal = 'P-acme'");
    CALL(&f, &g, store_upkeep, (int64_t)400 * 86400 * 1000, on_done);
    OK(g.err);
    SQL_IS(&f, "P-acme tenant:2",
           "SELECT string_agg(portal, ' ' ORDER BY portal COLLATE \"C\") FROM "
           "ml_connector.lease");
    got_clear(&g);
    fix_close(&f);
}

/* Whose parents are there waits at the end of many that wait in vain. */
TEST(upkeep_looks_at_waiting_jobs_a_little_at_a_time)
{
    const int64_t keep_ms = (int64_t)400 * 86400 * 1000;
    struct fix f;
    struct got g = {0};
    int64_t t;

    fix_open(&f, false);
    t = fix_tenant(&f, "acme");
    (void)fix_sql(&f, "INSERT INTO ml_connector.job (tenant_id, kind, "
                      "fusion_id, state, class, waiting_for) SELECT 1, "
                      "'invoice', 'i' || g, 'waiting', 'fresh', 'customer:' || "
                      "100000 + g FROM generate_series(1, 10500) g");
    (void)fix_sql(&f, "INSERT INTO ml_connector.record (tenant_id, kind, "
                      "fusion_id, state) SELECT 1, 'customer', v, 'missing' "
                      "FROM (VALUES ('100001'), ('110400')) c(v)");
    EQ_INT(t, 1);
    for (int looks = 1; looks <= 3; looks++) {
        CALL(&f, &g, store_upkeep, keep_ms, on_done);
        OK(g.err);
        EQ_STR(fix_sql(&f, "SELECT count(*) FROM ml_connector.job WHERE "
                           "state = 'queued'"),
               looks == 1 ? "1" : "2");
        if (looks == 2) { /* one that the first look has passed */
            (void)fix_sql(&f, "UPDATE ml_connector.job SET state = 'waiting', "
                              "waiting_for = 'customer:100001' "
                              "WHERE fusion_id = 'i1'");
        }
    }
    got_clear(&g);
    fix_close(&f);
}

TEST(upkeep_prunes_settled_requests_and_old_polls)
{
    struct fix f;
    struct got g = {0};

    fix_open(&f, false);
    (void)fix_sql(&f, "INSERT INTO ml_connector.write (id, tenant_id, portal,"
                      " worker, term, operation, inputs, jobs, closed_at) "
                      "SELECT x, 1, 'p', 'w', 1, 'o', 1, '{}', t FROM (VALUES"
                      " ('old', now() - interval '2 days'), ('new', now()), "
                      "('open', NULL)) v(x, t)");
    (void)fix_sql(&f, "INSERT INTO ml_connector.poll (tenant_id, poll, feed, "
                      "started_at, read) VALUES (1, 'empty', 'f', now() - "
                      "interval '2 days', 0), (1, 'full', 'f', now() - "
                      "interval '2 days', 9), (1, 'old', 'f', now() - "
                      "interval '9 days', 9), (1, 'held', 'f', now() - "
                      "interval '9 days', 9)");
    (void)fix_sql(&f, "INSERT INTO ml_connector.job (tenant_id, kind, "
                      "fusion_id, state, class, feed, poll) VALUES (1, "
                      "'invoice', '1', 'queued', 'fresh', 'f', 'held')");
    CALL(&f, &g, store_upkeep, (int64_t)400 * 86400 * 1000, on_done);
    OK(g.err);
    SQL_IS(&f, "new,open",
           "SELECT string_agg(id, ',' ORDER BY id) FROM "
           "ml_connector.write");
    SQL_IS(&f, "full,held",
           "SELECT string_agg(poll, ',' ORDER BY poll) FROM "
           "ml_connector.poll");
    got_clear(&g);
    fix_close(&f);
}

/* ---- the promises of an operation --------------------------------------- */

TEST(cancelled_call_never_tells)
{
    struct fix f;
    struct got g = {0};
    struct got after = {0};
    struct store_op *op;

    fix_open(&f, false);
    g.f = &f;
    OK(store_tenants(f.s, NULL, on_tenants, &g, &op));
    store_cancel(op);
    store_cancel(NULL);
    CALL(&f, &after, store_check, on_done);
    EQ_INT(g.calls, 0);
    got_clear(&after);
    fix_close(&f);
}

TEST(freeing_the_store_silences_what_is_under_way)
{
    struct fix f;
    struct got g = {0};

    fix_open(&f, false);
    g.f = &f;
    OK(store_tenants(f.s, NULL, on_tenants, &g, NULL));
    OK(store_check(f.s, on_done, &g, NULL));
    OK(store_migrate(f.s, on_json, &g, NULL));
    fix_close(&f);
    EQ_INT(g.calls, 0);
}

static void
on_done_free(void *arg, enum err err, const struct fault *fault)
{
    struct got *g = arg;

    store_free(g->f->s);
    g->f->s = store_new(g->f->loop, g->f->pg);
    on_done(arg, err, fault);
}

TEST(freeing_the_store_inside_done_is_allowed)
{
    struct fix f;
    struct got g = {0};

    fix_open(&f, false);
    CALL(&f, &g, store_check, on_done_free);
    OK(g.err);
    got_clear(&g);
    fix_close(&f);
}

static struct store_op *victim;

static void
on_done_cancel(void *arg, enum err err, const struct fault *fault)
{
    store_cancel(victim);
    on_done(arg, err, fault);
}

TEST(cancelling_another_inside_done_silences_it)
{
    struct fix f;
    struct got first = {0};
    struct got second = {0};
    struct got third = {0};

    fix_open(&f, false);
    first.f = &f;
    second.f = &f;
    OK(store_tenant_learn(f.s, 1, NULL, "{}", on_done_cancel, &first, NULL));
    OK(store_tenant_learn(f.s, 1, NULL, "{}", on_done, &second, &victim));
    got_wait(&f, &first);
    CALL(&f, &third, store_tenant_learn, 1, NULL, "{}", on_done);
    EQ_INT(second.calls, 0);
    fix_close(&f);
}

SUITE(schema, RUN_LONG(empty_database_is_migrated_once, 20),
      RUN_LONG(two_migrations_at_once_do_it_once, 20),
      RUN_LONG(schema_of_a_later_program_is_judged_by_compatible_from, 20),
      RUN_LONG(changed_migration_is_refused, 20),
      RUN_LONG(without_the_right_to_make_roles_the_sql_is_given, 20),
      RUN_LONG(every_statement_prepares_with_its_parameters, 20),
      RUN_LONG(dashboard_role_sees_views_and_nothing_else, 20),
      RUN_LONG(upkeep_makes_partitions_ahead_and_drops_old_ones, 20),
      RUN_LONG(a_long_reader_of_the_audit_puts_its_partitions_off, 30),
      RUN_LONG(upkeep_forgets_leases_that_nobody_can_want, 20),
      RUN_LONG(upkeep_looks_at_waiting_jobs_a_little_at_a_time, 20),
      RUN_LONG(upkeep_prunes_settled_requests_and_old_polls, 20),
      RUN_LONG(cancelled_call_never_tells, 20),
      RUN_LONG(freeing_the_store_silences_what_is_under_way, 20),
      RUN_LONG(freeing_the_store_inside_done_is_allowed, 20),
      RUN_LONG(cancelling_another_inside_done_silences_it, 20))
