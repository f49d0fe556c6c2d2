/* SPDX-License-Identifier: UNLICENSED */
/* See test_pg.h. */
#include "test_pg.h"

#include "ml/stat.h"

void
fx_open_config(struct fx *fx, const struct pg_config *c)
{
    struct fault f;

    memset(fx, 0, sizeof(*fx));
    fault_clear(&f);
    fx->loop = loop_new();
    OK(pg_open(fx->loop, c, &fx->pg, &f));
}

void
fx_open(struct fx *fx, const char *conninfo, unsigned connections)
{
    struct pg_config c = {.conninfo = conninfo,
                          .connections = connections,
                          .statement_timeout_ms = 20000,
                          .application_name = "ml-test"};

    fx_open_config(fx, &c);
}

void
on_closed(void *arg)
{
    ((struct fx *)arg)->closed++;
}

void
fx_end(struct fx *fx)
{
    loop_run(fx->loop);
    EQ_INT(fx->closed, 1);
    OK(loop_free(fx->loop));
    stat_reset();
}

void
fx_close(struct fx *fx)
{
    pg_close(fx->pg, on_closed, fx);
    EQ_INT(fx->closed, 0);
    fx_end(fx);
}

static void
take_row(struct end *e, const struct pg_reply *r)
{
    size_t last = r->statements - 1;
    const char *text;

    e->rows = pg_rows(r, last);
    e->affected = pg_affected(r, 0);
    if (e->err != ERR_OK) {
        EQ_INT(e->rows, 0);
    } else if (e->rows > 0) {
        text = pg_text(r, last, 0, "v");
        (void)snprintf(e->text, sizeof(e->text), "%s",
                       text != NULL ? text : "(null)");
        e->null = pg_is_null(r, last, 0, "v");
        e->number = pg_int(r, last, 0, "v");
        e->truth = pg_bool(r, last, 0, "v");
        EQ_INT(pg_len(r, last, 0, "v"), text != NULL ? strlen(text) : 0);
    }
}

void
on_end(void *arg, enum err err, const struct pg_reply *r)
{
    struct end *e = arg;

    e->op = NULL;
    e->done++;
    e->err = err;
    e->fault = r->fault;
    EQ_ERR(r->fault.err, err);
    if (r->statements > 0) {
        take_row(e, r);
    }
    if (e->order != NULL) {
        e->place = (*e->order)++;
    }
    if (e->other != NULL) {
        pg_cancel(e->other->op);
    }
    if (e->closes) {
        pg_close(e->fx->pg, on_closed, e->fx);
    }
    if (e->left == NULL || --*e->left == 0) {
        loop_stop(e->fx->loop);
    }
}

void
start(struct fx *fx, struct end *e, const struct pg_statement *s, size_t n,
      uint64_t lane)
{
    e->fx = fx;
    OK(pg_send(fx->pg, s, n, 15000, lane, on_end, e, &e->op));
    IS(e->op != NULL);
    EQ_INT(e->done, 0);
}

void
start_sql(struct fx *fx, struct end *e, const char *sql, enum pg_shape shape)
{
    struct pg_statement s = {.name = "test", .sql = sql, .shape = shape};

    start(fx, e, &s, 1, 0);
}

void
wait_for(struct fx *fx, struct end *e)
{
    while (e->done == 0) {
        loop_run(fx->loop);
    }
    EQ_INT(e->done, 1);
}

/* A statement that must do. */
int64_t
ask(struct fx *fx, const char *sql, enum pg_shape shape)
{
    struct end e = {0};

    start_sql(fx, &e, sql, shape);
    wait_for(fx, &e);
    ck_assert_msg(e.err == ERR_OK, "%s: %s", sql, e.fault.message);
    return e.number;
}

void
fails(struct fx *fx, struct end *e, const char *sql, enum err want)
{
    start_sql(fx, e, sql, PG_MANY);
    wait_for(fx, e);
    EQ_ERR(e->err, want);
}

/* Turns the loop until the unit is on a connection. */
void
wait_busy(struct fx *fx, const struct end *e)
{
    while (list_linked(&e->op->link)) {
        loop_turn(fx->loop, 1);
    }
}

/* A table of this test alone. */
void
make_table(struct fx *fx)
{
    (void)ask(fx, "DROP TABLE IF EXISTS public.t", PG_NONE);
    (void)ask(fx, "CREATE TABLE public.t (a int PRIMARY KEY, b text)", PG_NONE);
}

void
script(struct fx *fx, struct end *e, const char *sql)
{
    e->fx = fx;
    OK(pg_script(fx->pg, sql, 0, on_end, e, &e->op));
    wait_for(fx, e);
}
