/* SPDX-License-Identifier: UNLICENSED */
/*
 * Time and loss: slow statements, servers that go and come back, poolers that
 * stand between, logins that are refused.
 */
#include "ml/stat.h"
#include "pooler.h"
#include "test_pg.h"

#include <stdlib.h>

/* ---- time --------------------------------------------------------------- */

TEST(a_slow_statement_is_a_timeout_and_the_connection_stays)
{
    struct fx fx;
    struct end e = {0};
    struct pg_config c = {.conninfo = test_pg.conninfo,
                          .connections = 1,
                          .statement_timeout_ms = 100};
    PGconn *db;

    fx_open_config(&fx, &c);
    EQ_INT(ask(&fx, "SELECT 1 AS v", PG_ONE), 1);
    db = fx.pg->conns[0].db;
    fails(&fx, &e, "SELECT pg_sleep(30)", ERR_DB_TIMEOUT);
    EQ_STR(e.fault.code, "57014");
    EQ_INT(ask(&fx, "SELECT 2 AS v", PG_ONE), 2);
    EQ_PTR(fx.pg->conns[0].db, db);
    fx_close(&fx);
}

TEST(a_server_that_does_not_answer_is_dropped_and_the_outcome_unknown)
{
    struct fx fx;
    struct end e = {0};
    struct pg_conn *c;

    fx_open(&fx, test_pg.conninfo, 1);
    start_sql(&fx, &e, "SELECT pg_sleep(10), 1 AS v", PG_ONE);
    wait_busy(&fx, &e);
    c = &fx.pg->conns[0];
    IS(loop_timer_armed(&c->timer));
    /* The limit is over now, not in half a minute. */
    loop_timer_start(fx.loop, &c->timer, 1, c->timer.fn, c->timer.arg);
    wait_for(&fx, &e);
    EQ_ERR(e.err, ERR_DB_TIMEOUT);
    EQ_STR(e.fault.code, "unknown");
    EQ_INT(ask(&fx, "SELECT 3 AS v", PG_ONE), 3);
    fx_close(&fx);
}

TEST(the_settings_of_a_session_are_ours)
{
    struct fx fx;
    struct end e = {0};

    fx_open(&fx, test_pg.conninfo, 1);
    start_sql(&fx, &e,
              "SELECT current_setting('statement_timeout') || ' ' || "
              "current_setting('lock_timeout') || ' ' || "
              "current_setting('idle_in_transaction_session_timeout') || ' ' "
              "|| current_setting('client_encoding') || ' ' || "
              "current_setting('application_name') AS v",
              PG_ONE);
    wait_for(&fx, &e);
    EQ_STR(e.text, "20s 6666ms 1min UTF8 ml-test");
    fx_close(&fx);
}

TEST(statements_are_measured_by_name)
{
    struct fx fx;
    struct buf b;

    fx_open(&fx, test_pg.conninfo, 1);
    (void)ask(&fx, "SELECT 1 AS v", PG_ONE);
    buf_init(&b, 1000000);
    stat_render(&b);
    HAS(buf_text(&b), "ml_database_seconds_count{statement=\"test\"} 1");
    buf_fini(&b);
    fx_close(&fx);
}

/* ---- away --------------------------------------------------------------- */

static void
away(const char *conninfo, int64_t wait_ms, const char *words)
{
    struct fx fx;
    struct end e = {.fx = &fx};
    struct pg_statement s = {
        .name = "one", .sql = "SELECT 1 AS v", .shape = PG_ONE};

    fx_open(&fx, conninfo, 1);
    OK(pg_send(fx.pg, &s, 1, wait_ms, 0, on_end, &e, &e.op));
    wait_for(&fx, &e);
    EQ_ERR(e.err, ERR_DB_AWAY);
    HAS(e.fault.message, words);
    NOT(pg_is_up(fx.pg));
    EQ_ERR(pg_fault(fx.pg)->err, ERR_DB_AWAY);
    fx_close(&fx);
}

TEST(a_server_that_is_not_there_is_away_after_the_wait)
{
    away("host=/tmp/no-such-folder user=postgres", 200, "no-such-folder");
    away("host=127.0.0.1 port=1 user=postgres", 200, "refused");
}

TEST(a_name_that_does_not_resolve_blocks_nobody)
{
    struct fx fx;
    struct end e = {.fx = &fx};
    struct pg_statement s = {
        .name = "one", .sql = "SELECT 1 AS v", .shape = PG_ONE};
    int64_t begin = clock_mono_us();

    fx_open(&fx, "host=no-such-host.invalid user=postgres", 2);
    loop_turn(fx.loop, 3);
    IS(clock_mono_us() - begin < 1000000);
    while (strstr(pg_fault(fx.pg)->message, "resolved") == NULL) {
        loop_turn(fx.loop, 1);
    }
    OK(pg_send(fx.pg, &s, 1, 1, 0, on_end, &e, &e.op));
    wait_for(&fx, &e);
    EQ_ERR(e.err, ERR_DB_AWAY);
    HAS(e.fault.message, "resolved");
    fx_close(&fx);
}

TEST(close_while_a_name_is_resolved_waits_for_it)
{
    struct fx fx;
    struct end e = {0};

    fx_open(&fx, "host=no-such-host.invalid user=postgres", 2);
    start_sql(&fx, &e, "SELECT 1 AS v", PG_ONE);
    fx_close(&fx);
    EQ_INT(e.done, 0);
}

TEST(a_refused_login_is_told_at_once)
{
    struct fx fx;
    struct end e = {0};
    struct end e2 = {0};
    char conninfo[200];

    (void)snprintf(conninfo, sizeof(conninfo),
                   "host=%s user=nobody_we_know dbname=postgres", test_pg.dir);
    fx_open(&fx, conninfo, 2);
    start_sql(&fx, &e, "SELECT 1 AS v", PG_ONE);
    wait_for(&fx, &e);
    EQ_ERR(e.err, ERR_DB_REFUSED);
    EQ_STR(e.fault.code, "28000");
    fx_close(&fx);
    (void)snprintf(conninfo, sizeof(conninfo),
                   "host=%s user=postgres dbname=no_such_base", test_pg.dir);
    fx_open(&fx, conninfo, 1);
    start_sql(&fx, &e2, "SELECT 1 AS v", PG_ONE);
    wait_for(&fx, &e2);
    EQ_ERR(e2.err, ERR_DB_REFUSED);
    EQ_STR(e2.fault.code, "3D000");
    HAS(e2.fault.message, "no_such_base");
    fx_close(&fx);
}

TEST(a_restart_between_units_is_not_noticed)
{
    struct fx fx;

    fx_open(&fx, test_pg.conninfo, 2);
    EQ_INT(ask(&fx, "SELECT 1 AS v", PG_ONE), 1);
    pg_temp_restart(&test_pg);
    loop_turn(fx.loop, 2);
    EQ_INT(ask(&fx, "SELECT 2 AS v", PG_ONE), 2);
    EQ_INT(ask(&fx, "SELECT 3 AS v", PG_ONE), 3);
    fx_close(&fx);
}

TEST(a_crash_during_a_unit_leaves_its_outcome_unknown)
{
    struct fx fx;
    struct end e = {0};

    fx_open(&fx, test_pg.conninfo, 1);
    start_sql(&fx, &e, "SELECT pg_sleep(30), 1 AS v", PG_ONE);
    wait_busy(&fx, &e);
    loop_turn(fx.loop, 3);
    pg_temp_restart(&test_pg);
    wait_for(&fx, &e);
    EQ_ERR(e.err, ERR_DB_AWAY);
    EQ_STR(e.fault.code, "unknown");
    EQ_INT(ask(&fx, "SELECT 4 AS v", PG_ONE), 4);
    fx_close(&fx);
}

TEST(a_session_that_is_ended_inside_a_unit_has_done_nothing)
{
    struct fx fx;
    struct end e = {0};
    struct pg_statement s[] = {
        {.name = "insert",
         .sql = "INSERT INTO public.t VALUES (1)",
         .shape = PG_NONE},
        {.name = "end",
         .sql = "SELECT pg_terminate_backend(pg_backend_pid()) AS v",
         .shape = PG_ONE},
    };

    fx_open(&fx, test_pg.conninfo, 1);
    make_table(&fx);
    start(&fx, &e, s, COUNT_OF(s), 0);
    wait_for(&fx, &e);
    EQ_ERR(e.err, ERR_DB_AWAY);
    EQ_STR(e.fault.code, "57P01");
    EQ_INT(ask(&fx, COUNT_T, PG_ONE), 0);
    fx_close(&fx);
}

TEST(a_server_that_comes_back_serves_what_waited)
{
    struct fx fx;
    struct end e = {0};

    fx_open(&fx, test_pg.conninfo, 1);
    EQ_INT(ask(&fx, "SELECT 1 AS v", PG_ONE), 1);
    pg_temp_halt(&test_pg);
    while (pg_is_up(fx.pg)) {
        loop_turn(fx.loop, 1);
    }
    start_sql(&fx, &e, "SELECT 6 AS v", PG_ONE);
    loop_turn(fx.loop, 3);
    EQ_INT(e.done, 0);
    pg_temp_resume(&test_pg);
    wait_for(&fx, &e);
    EQ_ERR(e.err, ERR_OK);
    EQ_INT(e.number, 6);
    fx_close(&fx);
}

/* ---- read-only ---------------------------------------------------------- */

static void
sql(const char *text)
{
    PGconn *db = PQconnectdb(test_pg.conninfo);
    PGresult *r = PQexec(db, text);

    ck_assert_msg(PQresultStatus(r) == PGRES_COMMAND_OK ||
                      PQresultStatus(r) == PGRES_TUPLES_OK,
                  "%s: %s", text, PQerrorMessage(db));
    PQclear(r);
    PQfinish(db);
}

static void
read_only(bool on)
{
    sql(on ? "ALTER SYSTEM SET default_transaction_read_only = on" :
             "ALTER SYSTEM RESET default_transaction_read_only");
    sql("SELECT pg_reload_conf()");
}

static void
open_writable(struct fx *fx, const char *conninfo, unsigned connections)
{
    struct pg_config c = {.conninfo = conninfo,
                          .connections = connections,
                          .statement_timeout_ms = 20000,
                          .writable = true};

    fx_open_config(fx, &c);
}

static double
metric(const char *name)
{
    const char *at;
    double value = -1;
    struct buf b;

    buf_init(&b, 1000000);
    stat_render(&b);
    at = strstr(buf_text(&b), name);
    if (at != NULL) {
        value = strtod(at + strlen(name), NULL);
    }
    buf_fini(&b);
    return value;
}

TEST(a_server_that_becomes_read_only_is_away_for_who_writes)
{
    struct fx fx, reader;
    struct end e = {0};

    fx_open(&reader, test_pg.conninfo, 1);
    open_writable(&fx, test_pg.conninfo, 1);
    EQ_INT(ask(&fx, "SELECT 1 AS v", PG_ONE), 1);
    IS(metric("\nml_database_up ") > 0.5);
    read_only(true);
    /* what is only read still comes; with it the server tells */
    while (pg_is_up(fx.pg)) {
        EQ_INT(ask(&fx, "SELECT 2 AS v", PG_ONE), 2);
    }
    EQ_STR(pg_fault(fx.pg)->code, "25006");
    EQ_STR(pg_cause(pg_fault(fx.pg)), "it is read-only");
    IS(metric("\nml_database_up ") < 0.5);
    EQ_INT(ask(&reader, "SELECT 2 AS v", PG_ONE), 2);
    IS(pg_is_up(reader.pg));
    start_sql(&fx, &e, "SELECT 3 AS v", PG_ONE);
    /* a new connection is refused too, by libpq on our behalf */
    while (fx.pg->conns[0].attempts < 3) {
        loop_turn(fx.loop, 1);
    }
    EQ_INT(e.done, 0);
    EQ_STR(pg_fault(fx.pg)->code, "25006");
    read_only(false);
    wait_for(&fx, &e);
    EQ_ERR(e.err, ERR_OK);
    EQ_INT(e.number, 3);
    IS(metric("\nml_database_up ") > 0.5);
    fx_close(&fx);
    fx_close(&reader);
}

TEST(a_statement_refused_as_read_only_costs_who_writes_the_connection)
{
    struct fx fx;
    struct end e = {0}, lost = {0};
    struct pg_statement s[] = {
        {.name = "only",
         .sql = "SELECT set_config('transaction_read_only', 'on', true) AS v",
         .shape = PG_ONE},
        {.name = "write",
         .sql = "INSERT INTO public.t VALUES (9)",
         .shape = PG_NONE},
    };

    fx_open(&fx, test_pg.conninfo, 1);
    make_table(&fx);
    start(&fx, &e, s, COUNT_OF(s), 0);
    wait_for(&fx, &e);
    EQ_ERR(e.err, ERR_DB_AWAY);
    EQ_STR(e.fault.code, "25006");
    IS(pg_is_up(fx.pg)); /* a reader keeps it */
    fx_close(&fx);
    open_writable(&fx, test_pg.conninfo, 1);
    start(&fx, &lost, s, COUNT_OF(s), 0);
    wait_for(&fx, &lost);
    EQ_STR(lost.fault.code, "25006");
    NOT(pg_is_up(fx.pg));
    EQ_UINT(fx.pg->conns[0].attempts, 1);
    EQ_INT(ask(&fx, "SELECT 4 AS v", PG_ONE), 4);
    EQ_INT((int)metric("ml_database_errors_total{where=\"statement\",code="
                       "\"25006\"} "),
           1);
    fx_close(&fx);
}

TEST(of_two_hosts_the_one_that_takes_writes_is_found)
{
    struct pooler *p = pooler_start(POOLER_RELAY, test_pg.dir);
    struct fx fx;
    struct end e = {0};
    char conninfo[200];

    /* nobody listens on the first */
    (void)snprintf(conninfo, sizeof(conninfo),
                   "host=/tmp/no-such-folder,127.0.0.1 port=1,%u user=postgres "
                   "dbname=postgres",
                   pooler_port(p));
    open_writable(&fx, conninfo, 1);
    EQ_INT(ask(&fx, "SELECT 5 AS v", PG_ONE), 5);
    /* behind a pooler that keeps the parameter to itself as well */
    read_only(true);
    while (e.err == ERR_OK) { /* until its server has heard of it */
        e.done = 0;
        start_sql(&fx, &e, "DELETE FROM public.t", PG_NONE);
        wait_for(&fx, &e);
    }
    EQ_ERR(e.err, ERR_DB_AWAY);
    read_only(false);
    EQ_INT(ask(&fx, "SELECT 6 AS v", PG_ONE), 6);
    fx_close(&fx);
    pooler_stop(p);
}

/* ---- a stand-in between ------------------------------------------------- */

static struct pooler *
open_pooler(struct fx *fx, enum pooler_mode mode, const char *host,
            int64_t connect_ms)
{
    struct pooler *p = pooler_start(mode, test_pg.dir);
    char conninfo[200];
    struct pg_config c = {.conninfo = conninfo,
                          .connections = 1,
                          .statement_timeout_ms = 4000,
                          .connect_timeout_ms = connect_ms};

    (void)snprintf(conninfo, sizeof(conninfo),
                   "host=%s port=%u user=postgres dbname=postgres", host,
                   pooler_port(p));
    fx_open_config(fx, &c);
    return p;
}

TEST(where_a_pooler_takes_no_options_each_unit_brings_them)
{
    struct fx fx;
    struct pooler *p = open_pooler(&fx, POOLER_RELAY, "localhost", 0);
    struct end e = {0};
    struct end bad = {0};
    struct pg_statement s[] = {
        {.name = "a", .sql = "SELECT 1 AS v", .shape = PG_ONE},
        {.name = "b",
         .sql = "SELECT current_setting('statement_timeout') || ' ' || "
                "current_setting('lock_timeout') AS v",
         .shape = PG_ONE},
    };
    struct end left = {0};

    start(&fx, &e, s, COUNT_OF(s), 0);
    wait_for(&fx, &e);
    EQ_ERR(e.err, ERR_OK);
    EQ_STR(e.text, "4s 1333ms");
    IS(pooler_refused(p) > 0);
    fails(&fx, &bad, "SELECT nonsense", ERR_DB_STATEMENT);
    HAS(bad.fault.message, "statement test:");
    /* A script brings none: what it sees is what was left behind. */
    script(&fx, &left,
           "DO $$ BEGIN IF current_setting('statement_timeout') <> '0' "
           "THEN RAISE EXCEPTION 'left'; END IF; END $$");
    EQ_ERR(left.err, ERR_OK);
    fx_close(&fx);
    pooler_stop(p);
}

TEST(a_wrong_password_is_refused)
{
    struct fx fx;
    struct pooler *p = open_pooler(&fx, POOLER_REFUSES, "127.0.0.1", 0);
    struct end e = {0};

    start_sql(&fx, &e, "SELECT 1 AS v", PG_ONE);
    wait_for(&fx, &e);
    EQ_ERR(e.err, ERR_DB_REFUSED);
    EQ_STR(e.fault.code, "28P01");
    fx_close(&fx);
    pooler_stop(p);
}

static void
away_behind(enum pooler_mode mode, const char *code, const char *words)
{
    struct fx fx;
    struct pooler *p = open_pooler(&fx, mode, "127.0.0.1", 100);
    struct end e = {.fx = &fx};
    struct pg_statement s = {
        .name = "one", .sql = "SELECT 1 AS v", .shape = PG_ONE};

    OK(pg_send(fx.pg, &s, 1, 400, 0, on_end, &e, &e.op));
    wait_for(&fx, &e);
    EQ_ERR(e.err, ERR_DB_AWAY);
    EQ_STR(e.fault.code, code);
    HAS(e.fault.message, words);
    fx_close(&fx);
    pooler_stop(p);
}

TEST(a_server_that_is_full_is_away)
{
    away_behind(POOLER_FULL, "53300", "too many");
}

TEST(a_server_that_accepts_and_is_silent_is_away)
{
    away_behind(POOLER_SILENT, "", "in time");
}

/* ---- many --------------------------------------------------------------- */

enum { MANY = 500 };

TEST(hundreds_of_units_share_few_connections)
{
    struct fx fx;
    static struct end e[MANY];
    unsigned left = MANY;
    unsigned i;

    fx_open(&fx, test_pg.conninfo, 4);
    for (i = 0; i < MANY; i++) {
        e[i].left = &left;
        start_sql(&fx, &e[i], "SELECT 8 AS v", PG_ONE);
    }
    while (left > 0) {
        loop_run(fx.loop);
    }
    for (i = 0; i < MANY; i++) {
        EQ_INT(e[i].done, 1);
        EQ_INT(e[i].number, 8);
    }
    fx_close(&fx);
}

SUITE(away, SLOW(a_slow_statement_is_a_timeout_and_the_connection_stays),
      SLOW(a_server_that_does_not_answer_is_dropped_and_the_outcome_unknown),
      SLOW(the_settings_of_a_session_are_ours),
      SLOW(statements_are_measured_by_name),
      SLOW(a_server_that_is_not_there_is_away_after_the_wait),
      SLOW(a_name_that_does_not_resolve_blocks_nobody),
      SLOW(close_while_a_name_is_resolved_waits_for_it),
      SLOW(a_refused_login_is_told_at_once),
      SLOW(a_restart_between_units_is_not_noticed),
      SLOW(a_crash_during_a_unit_leaves_its_outcome_unknown),
      SLOW(a_session_that_is_ended_inside_a_unit_has_done_nothing),
      SLOW(a_server_that_comes_back_serves_what_waited),
      SLOW(a_server_that_becomes_read_only_is_away_for_who_writes),
      SLOW(a_statement_refused_as_read_only_costs_who_writes_the_connection),
      SLOW(of_two_hosts_the_one_that_takes_writes_is_found),
      SLOW(where_a_pooler_takes_no_options_each_unit_brings_them),
      SLOW(a_wrong_password_is_refused), SLOW(a_server_that_is_full_is_away),
      SLOW(a_server_that_accepts_and_is_silent_is_away),
      SLOW(hundreds_of_units_share_few_connections))
