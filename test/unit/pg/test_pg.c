/* SPDX-License-Identifier: UNLICENSED */
/*
 * What a unit of work promises, against a real server: all or none, done once,
 * later or never, values and shapes.
 */
#include "test_pg.h"

/* ---- once, later, never ------------------------------------------------- */

TEST(done_runs_once_with_the_rows)
{
    struct fx fx;
    struct end e = {0};

    fx_open(&fx, test_pg.conninfo, 1);
    NOT(pg_is_up(fx.pg));
    EQ_ERR(pg_fault(fx.pg)->err, ERR_DB_AWAY);
    start_sql(&fx, &e, "SELECT 42 AS v, 'x' AS w", PG_ONE);
    wait_for(&fx, &e);
    EQ_ERR(e.err, ERR_OK);
    EQ_INT(e.number, 42);
    EQ_INT(e.rows, 1);
    IS(pg_is_up(fx.pg));
    EQ_ERR(pg_fault(fx.pg)->err, ERR_OK);
    fx_close(&fx);
    EQ_INT(e.done, 1);
}

TEST(done_never_runs_inside_send)
{
    struct fx fx;
    struct end e = {0};

    fx_open(&fx, test_pg.conninfo, 1);
    (void)ask(&fx, "SELECT 1 AS v", PG_ONE);
    /* Now it is up: the unit could go at once. */
    start_sql(&fx, &e, "SELECT 2 AS v", PG_ONE);
    EQ_INT(e.done, 0);
    IS(list_linked(&e.op->link));
    wait_for(&fx, &e);
    EQ_INT(e.number, 2);
    fx_close(&fx);
}

TEST(cancel_in_the_queue_takes_no_effect_and_never_calls_done)
{
    struct fx fx;
    struct end e = {0};

    fx_open(&fx, test_pg.conninfo, 1);
    make_table(&fx);
    start_sql(&fx, &e, "INSERT INTO public.t VALUES (1)", PG_NONE);
    pg_cancel(e.op);
    pg_cancel(NULL);
    EQ_INT(ask(&fx, COUNT_T, PG_ONE), 0);
    EQ_INT(e.done, 0);
    fx_close(&fx);
}

TEST(cancel_on_its_way_takes_effect_and_never_calls_done)
{
    struct fx fx;
    struct end e = {0};

    fx_open(&fx, test_pg.conninfo, 1);
    make_table(&fx);
    start_sql(&fx, &e, "INSERT INTO public.t VALUES (1)", PG_NONE);
    wait_busy(&fx, &e);
    pg_cancel(e.op);
    EQ_INT(ask(&fx, COUNT_T, PG_ONE), 1);
    EQ_INT(e.done, 0);
    fx_close(&fx);
    EQ_INT(e.done, 0);
}

TEST(done_may_cancel_another)
{
    struct fx fx;
    struct end queued = {0};
    struct end e = {.other = &queued};

    fx_open(&fx, test_pg.conninfo, 1);
    make_table(&fx);
    start_sql(&fx, &e, "SELECT 1 AS v", PG_ONE);
    start_sql(&fx, &queued, "INSERT INTO public.t VALUES (1)", PG_NONE);
    wait_for(&fx, &e);
    EQ_INT(ask(&fx, COUNT_T, PG_ONE), 0);
    EQ_INT(queued.done, 0);
    fx_close(&fx);
}

TEST(done_may_cancel_another_on_its_way)
{
    struct fx fx;
    struct end slow = {0};
    struct end e = {.other = &slow};

    fx_open(&fx, test_pg.conninfo, 2);
    start_sql(&fx, &slow, "SELECT pg_sleep(0.2), 1 AS v", PG_ONE);
    wait_busy(&fx, &slow);
    start_sql(&fx, &e, "SELECT 1 AS v", PG_ONE);
    wait_for(&fx, &e);
    fx_close(&fx);
    EQ_INT(slow.done, 0);
}

TEST(close_while_busy_silences_all)
{
    struct fx fx;
    struct end e[6] = {{0}};
    unsigned i;

    fx_open(&fx, test_pg.conninfo, 2);
    for (i = 0; i < 6; i++) {
        start_sql(&fx, &e[i], "SELECT pg_sleep(30), 1 AS v", PG_ONE);
    }
    wait_busy(&fx, &e[0]);
    fx_close(&fx);
    for (i = 0; i < 6; i++) {
        EQ_INT(e[i].done, 0);
    }
}

TEST(close_inside_done_silences_the_others)
{
    struct fx fx;
    struct end others[4] = {{0}};
    struct end e = {.closes = true};
    unsigned i;

    fx_open(&fx, test_pg.conninfo, 2);
    start_sql(&fx, &others[0], "SELECT pg_sleep(30), 1 AS v", PG_ONE);
    start_sql(&fx, &e, "SELECT 1 AS v", PG_ONE);
    for (i = 1; i < 4; i++) {
        start_sql(&fx, &others[i], "SELECT 1 AS v", PG_ONE);
    }
    wait_for(&fx, &e);
    fx_end(&fx);
    for (i = 0; i < 4; i++) {
        EQ_INT(others[i].done, 0);
    }
}

TEST(close_while_connecting_silences_all)
{
    struct fx fx;
    struct end e = {0};

    fx_open(&fx, test_pg.conninfo, 3);
    start_sql(&fx, &e, "SELECT 1 AS v", PG_ONE);
    fx_close(&fx);
    EQ_INT(e.done, 0);
}

TEST(nothing_starts_on_a_full_queue)
{
    struct fx fx;
    struct end e[3] = {{0}};
    struct pg_statement s = {
        .name = "one", .sql = "SELECT 1 AS v", .shape = PG_ONE};
    struct pg_config c = {
        .conninfo = test_pg.conninfo, .connections = 1, .queue_max = 2};

    fx_open_config(&fx, &c);
    start(&fx, &e[0], &s, 1, 0);
    start(&fx, &e[1], &s, 1, 0);
    EQ_ERR(pg_send(fx.pg, &s, 1, 0, 0, on_end, &e[2], &e[2].op), ERR_FULL);
    EQ_ERR(pg_script(fx.pg, "SELECT 1", 0, on_end, &e[2], &e[2].op), ERR_FULL);
    IS(e[2].op == NULL);
    wait_for(&fx, &e[0]);
    wait_for(&fx, &e[1]);
    EQ_INT(e[2].done, 0);
    fx_close(&fx);
}

TEST(nothing_starts_on_a_queue_that_is_full_of_bytes)
{
    struct fx fx;
    struct end e[2] = {{0}};
    const char *values[] = {"four"};
    struct pg_statement s = {.name = "echo",
                             .sql = "SELECT $1::text AS v",
                             .shape = PG_ONE,
                             .params = 1,
                             .values = values};

    fx_open(&fx, test_pg.conninfo, 1);
    fx.pg->queued_bytes = PG_QUEUE_BYTES_MAX - 7; /* as if others waited */
    start(&fx, &e[0], &s, 1, 0);
    EQ_ERR(pg_send(fx.pg, &s, 1, 0, 0, on_end, &e[1], &e[1].op), ERR_FULL);
    wait_for(&fx, &e[0]);
    EQ_STR(e[0].text, "four");
    EQ_UINT(fx.pg->queued_bytes, PG_QUEUE_BYTES_MAX - 7);
    start(&fx, &e[1], &s, 1, 0); /* there is room again */
    wait_for(&fx, &e[1]);
    fx_close(&fx);
}

/* ---- values and shapes -------------------------------------------------- */

TEST(values_and_nulls_travel_unchanged)
{
    struct fx fx;
    struct end e = {0};
    struct end null = {0};
    struct end truth = {0};
    const char *values[] = {"it's \xc3\xa9\xe2\x82\xac", NULL};
    struct pg_statement s = {.name = "echo",
                             .sql = "SELECT $1::text AS v, $2::text AS w",
                             .shape = PG_ONE,
                             .params = 2,
                             .values = values};

    fx_open(&fx, test_pg.conninfo, 1);
    start(&fx, &e, &s, 1, 0);
    values[0] = NULL; /* it was copied */
    start(&fx, &null, &s, 1, 0);
    start_sql(&fx, &truth, "SELECT true AS v", PG_ONE);
    wait_for(&fx, &e);
    wait_for(&fx, &null);
    wait_for(&fx, &truth);
    EQ_STR(e.text, "it's \xc3\xa9\xe2\x82\xac");
    NOT(e.null);
    IS(null.null);
    EQ_STR(null.text, "(null)");
    EQ_INT(null.number, 0);
    NOT(null.truth);
    IS(truth.truth);
    fx_close(&fx);
}

TEST(large_parameters_go_out_whole)
{
    struct fx fx;
    struct end e = {0};
    size_t n = 12000000;
    char *big = malloc(n + 1);
    const char *values[] = {big};
    struct pg_statement s = {.name = "big",
                             .sql = "SELECT length($1::text) AS v",
                             .shape = PG_ONE,
                             .params = 1,
                             .values = values};

    memset(big, 'x', n);
    big[n] = '\0';
    fx_open(&fx, test_pg.conninfo, 1);
    start(&fx, &e, &s, 1, 0);
    free(big);
    wait_for(&fx, &e);
    EQ_INT(e.number, n);
    fx_close(&fx);
}

TEST(large_answers_come_in_whole_while_large_parameters_go_out)
{
    struct fx fx;
    struct end e = {0};
    size_t n = 1000000;
    char *big = malloc(n + 1);
    const char *values[] = {big};
    struct pg_statement s[8];
    size_t i;

    memset(big, 'y', n);
    big[n] = '\0';
    for (i = 0; i < COUNT_OF(s); i++) {
        s[i] = (struct pg_statement){
            .name = "both",
            .sql = "SELECT $1::text || $1::text AS w, 7 AS v",
            .shape = PG_ONE,
            .params = 1,
            .values = values};
    }
    fx_open(&fx, test_pg.conninfo, 1);
    start(&fx, &e, s, COUNT_OF(s), 0);
    wait_for(&fx, &e);
    EQ_ERR(e.err, ERR_OK);
    EQ_INT(e.number, 7);
    free(big);
    fx_close(&fx);
}

static void
shape(struct fx *fx, const char *sql, enum pg_shape wanted, enum err want)
{
    struct end e = {0};

    start_sql(fx, &e, sql, wanted);
    wait_for(fx, &e);
    EQ_ERR(e.err, want);
    if (want == ERR_DB_SHAPE) {
        HAS(e.fault.message, "test");
    }
}

TEST(a_shape_that_does_not_fit_is_an_error)
{
    static const char none[] = "SELECT 1 AS v WHERE false";
    static const char one[] = "SELECT 1 AS v";
    static const char two[] = "SELECT 1 AS v UNION ALL SELECT 2";
    static const char quiet[] = "SET LOCAL work_mem = '1MB'";
    struct fx fx;

    fx_open(&fx, test_pg.conninfo, 1);
    shape(&fx, none, PG_ONE, ERR_DB_SHAPE);
    shape(&fx, one, PG_ONE, ERR_OK);
    shape(&fx, two, PG_ONE, ERR_DB_SHAPE);
    shape(&fx, quiet, PG_ONE, ERR_DB_SHAPE);
    shape(&fx, none, PG_MAYBE, ERR_OK);
    shape(&fx, one, PG_MAYBE, ERR_OK);
    shape(&fx, two, PG_MAYBE, ERR_DB_SHAPE);
    shape(&fx, none, PG_MANY, ERR_OK);
    shape(&fx, two, PG_MANY, ERR_OK);
    shape(&fx, quiet, PG_MANY, ERR_DB_SHAPE);
    shape(&fx, quiet, PG_NONE, ERR_OK);
    shape(&fx, one, PG_NONE, ERR_DB_SHAPE);
    fx_close(&fx);
}

static void
on_wrong_column(void *arg, enum err err, const struct pg_reply *r)
{
    (void)arg;
    (void)err;
    (void)pg_text(r, 0, 0, "no_such_column");
}

DEATH(asking_for_an_unknown_column_aborts)
{
    struct fx fx;
    struct pg_statement s = {
        .name = "one", .sql = "SELECT 1 AS v", .shape = PG_ONE};

    fx_open(&fx, test_pg.conninfo, 1);
    OK(pg_send(fx.pg, &s, 1, 0, 0, on_wrong_column, NULL, NULL));
    loop_run(fx.loop);
}

/* ---- all or none -------------------------------------------------------- */

TEST(all_statements_of_a_unit_are_one_transaction)
{
    struct fx fx;
    struct end e = {0};
    struct pg_statement s[] = {
        {.name = "a",
         .sql = "INSERT INTO public.t VALUES (1), (2)",
         .shape = PG_NONE},
        {.name = "b", .sql = "DELETE FROM public.t", .shape = PG_NONE},
        {.name = "c",
         .sql = "INSERT INTO public.t VALUES (3)",
         .shape = PG_NONE},
        {.name = "d", .sql = COUNT_T, .shape = PG_ONE},
    };

    fx_open(&fx, test_pg.conninfo, 1);
    make_table(&fx);
    start(&fx, &e, s, COUNT_OF(s), 0);
    wait_for(&fx, &e);
    EQ_ERR(e.err, ERR_OK);
    EQ_INT(e.affected, 2);
    EQ_INT(e.number, 1);
    fx_close(&fx);
}

TEST(an_error_in_the_middle_rolls_back_all)
{
    struct fx fx;
    struct end e = {0};
    struct pg_statement s[] = {
        {.name = "first",
         .sql = "INSERT INTO public.t VALUES (1)",
         .shape = PG_NONE},
        {.name = "middle",
         .sql = "INSERT INTO public.t VALUES (1)",
         .shape = PG_NONE},
        {.name = "last",
         .sql = "INSERT INTO public.t VALUES (2)",
         .shape = PG_NONE},
    };

    fx_open(&fx, test_pg.conninfo, 1);
    make_table(&fx);
    start(&fx, &e, s, COUNT_OF(s), 0);
    wait_for(&fx, &e);
    EQ_ERR(e.err, ERR_DB_STATEMENT);
    EQ_STR(e.fault.code, "23505");
    HAS(e.fault.message, "middle");
    EQ_INT(ask(&fx, COUNT_T, PG_ONE), 0);
    fx_close(&fx);
}

TEST(an_error_at_the_commit_rolls_back_all)
{
    struct fx fx;
    struct end e = {0};

    fx_open(&fx, test_pg.conninfo, 1);
    make_table(&fx);
    (void)ask(&fx, "DROP TABLE IF EXISTS public.u", PG_NONE);
    (void)ask(&fx,
              "CREATE TABLE public.u (a int REFERENCES public.t (a) "
              "DEFERRABLE INITIALLY DEFERRED)",
              PG_NONE);
    start_sql(&fx, &e, "INSERT INTO public.u VALUES (99)", PG_NONE);
    wait_for(&fx, &e);
    EQ_ERR(e.err, ERR_DB_STATEMENT);
    EQ_STR(e.fault.code, "23503");
    HAS(e.fault.message, "commit");
    EQ_INT(ask(&fx, "SELECT count(*) AS v FROM public.u", PG_ONE), 0);
    (void)ask(&fx, "DROP TABLE public.u", PG_NONE);
    fx_close(&fx);
}

TEST(a_statement_that_is_no_sql_names_itself)
{
    struct fx fx;
    struct end e = {0};

    fx_open(&fx, test_pg.conninfo, 1);
    fails(&fx, &e, "SELEC 1", ERR_DB_STATEMENT);
    EQ_STR(e.fault.code, "42601");
    HAS(e.fault.message, "statement test:");
    EQ_INT(ask(&fx, "SELECT 5 AS v", PG_ONE), 5);
    fx_close(&fx);
}

#define UNTIL(n)                                                               \
    "DO $$ BEGIN IF nextval('public.s') < " #n                                 \
    " THEN RAISE EXCEPTION 'again' USING ERRCODE = '40001'; END IF; END $$"

TEST(serialization_failures_are_tried_again_inside)
{
    struct fx fx;
    struct end e = {0};
    struct end never = {0};

    fx_open(&fx, test_pg.conninfo, 1);
    (void)ask(&fx, "DROP SEQUENCE IF EXISTS public.s", PG_NONE);
    (void)ask(&fx, "CREATE SEQUENCE public.s", PG_NONE);
    start_sql(&fx, &e, UNTIL(4), PG_NONE);
    wait_for(&fx, &e);
    EQ_ERR(e.err, ERR_OK);
    EQ_INT(ask(&fx, "SELECT nextval('public.s') AS v", PG_ONE), 5);
    start_sql(&fx, &never, UNTIL(1000), PG_NONE);
    wait_for(&fx, &never);
    EQ_ERR(never.err, ERR_DB_TIMEOUT);
    EQ_STR(never.fault.code, "40001");
    EQ_INT(ask(&fx, "SELECT nextval('public.s') AS v", PG_ONE), 10);
    fx_close(&fx);
}

TEST(units_of_a_lane_run_in_the_order_they_were_sent)
{
    struct fx fx;
    struct end e[9] = {{0}};
    unsigned left = 9;
    unsigned order = 0;
    unsigned i;

    fx_open(&fx, test_pg.conninfo, 3);
    /* The first of each lane is slow: others must not overtake it. */
    for (i = 0; i < 9; i++) {
        struct pg_statement s = {.name = "lane",
                                 .sql = i < 3 ? "SELECT pg_sleep(0.1), 1 AS v" :
                                                "SELECT 1 AS v",
                                 .shape = PG_ONE};

        e[i].left = &left;
        e[i].order = &order;
        start(&fx, &e[i], &s, 1, 1 + i % 3);
    }
    while (left > 0) {
        loop_run(fx.loop);
    }
    for (i = 3; i < 9; i++) {
        IS(e[i].place > e[i - 3].place);
    }
    fx_close(&fx);
}

TEST(a_free_lane_overtakes_a_busy_one)
{
    struct fx fx;
    struct end slow = {0};
    struct end same = {0};
    struct end other = {0};
    struct pg_statement s = {
        .name = "lane", .sql = "SELECT pg_sleep(20), 1 AS v", .shape = PG_ONE};

    fx_open(&fx, test_pg.conninfo, 2);
    start(&fx, &slow, &s, 1, 1);
    s.sql = "SELECT 1 AS v";
    start(&fx, &same, &s, 1, 1);
    start(&fx, &other, &s, 1, 2);
    wait_for(&fx, &other);
    EQ_INT(same.done, 0);
    fx_close(&fx);
}

TEST(the_first_lane_goes_before_all_that_wait_also_in_a_full_queue)
{
    struct fx fx;
    struct end e[4] = {{0}};
    unsigned left = 4;
    unsigned order = 0;
    struct pg_statement s = {
        .name = "one", .sql = "SELECT 1 AS v", .shape = PG_ONE};
    struct pg_config c = {
        .conninfo = test_pg.conninfo, .connections = 1, .queue_max = 3};

    fx_open_config(&fx, &c);
    for (unsigned i = 0; i < 4; i++) {
        e[i].left = &left;
        e[i].order = &order;
        start(&fx, &e[i], &s, 1, i < 3 ? 0 : PG_LANE_FIRST);
    }
    while (left > 0) {
        loop_run(fx.loop);
    }
    IS(e[3].place < e[0].place);
    IS(e[0].place < e[1].place && e[1].place < e[2].place);
    fx_close(&fx);
}

/* ---- scripts ------------------------------------------------------------ */

TEST(a_script_runs_as_one_transaction)
{
    struct fx fx;
    struct end good = {0};
    struct end bad = {0};

    fx_open(&fx, test_pg.conninfo, 1);
    make_table(&fx);
    script(&fx, &good,
           "INSERT INTO public.t VALUES (1); SELECT 1;"
           "INSERT INTO public.t VALUES (2);");
    EQ_ERR(good.err, ERR_OK);
    EQ_INT(ask(&fx, COUNT_T, PG_ONE), 2);
    script(&fx, &bad,
           "INSERT INTO public.t VALUES (3); SELECT nonsense;"
           "INSERT INTO public.t VALUES (4);");
    EQ_ERR(bad.err, ERR_DB_STATEMENT);
    EQ_STR(bad.fault.code, "42703");
    EQ_INT(ask(&fx, COUNT_T, PG_ONE), 2);
    fx_close(&fx);
}

TEST(a_script_that_leaves_a_transaction_open_loses_its_connection)
{
    struct fx fx;
    struct end e = {0};

    fx_open(&fx, test_pg.conninfo, 1);
    make_table(&fx);
    script(&fx, &e, "BEGIN; INSERT INTO public.t VALUES (1);");
    NOT(pg_is_up(fx.pg));
    EQ_INT(ask(&fx, COUNT_T, PG_ONE), 0);
    fx_close(&fx);
}

SUITE(pg, SLOW(done_runs_once_with_the_rows), SLOW(done_never_runs_inside_send),
      SLOW(cancel_in_the_queue_takes_no_effect_and_never_calls_done),
      SLOW(cancel_on_its_way_takes_effect_and_never_calls_done),
      SLOW(done_may_cancel_another), SLOW(done_may_cancel_another_on_its_way),
      SLOW(close_while_busy_silences_all),
      SLOW(close_inside_done_silences_the_others),
      SLOW(close_while_connecting_silences_all),
      SLOW(the_first_lane_goes_before_all_that_wait_also_in_a_full_queue),
      SLOW(nothing_starts_on_a_full_queue),
      SLOW(nothing_starts_on_a_queue_that_is_full_of_bytes),
      SLOW(values_and_nulls_travel_unchanged),
      SLOW(large_parameters_go_out_whole),
      SLOW(large_answers_come_in_whole_while_large_parameters_go_out),
      SLOW(a_shape_that_does_not_fit_is_an_error),
      DIES(asking_for_an_unknown_column_aborts),
      SLOW(all_statements_of_a_unit_are_one_transaction),
      SLOW(an_error_in_the_middle_rolls_back_all),
      SLOW(an_error_at_the_commit_rolls_back_all),
      SLOW(a_statement_that_is_no_sql_names_itself),
      SLOW(serialization_failures_are_tried_again_inside),
      SLOW(units_of_a_lane_run_in_the_order_they_were_sent),
      SLOW(a_free_lane_overtakes_a_busy_one),
      SLOW(a_script_runs_as_one_transaction),
      SLOW(a_script_that_leaves_a_transaction_open_loses_its_connection))
