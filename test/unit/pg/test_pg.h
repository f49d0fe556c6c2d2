/* SPDX-License-Identifier: UNLICENSED */
#ifndef ML_TEST_PG_H
#define ML_TEST_PG_H

/*
 * The server that all tests of this program share, a pool for one test, and a
 * unit of work that remembers its end.
 */
#include "pg_priv.h"
#include "pg_temp.h"
#include "unit.h"

#define SLOW(sentence) RUN_LONG(sentence, 20)
#define COUNT_T "SELECT count(*) AS v FROM public.t"

extern struct pg_temp test_pg;

struct fx {
    struct loop *loop;
    struct pg *pg;
    unsigned closed;
};

struct end {
    struct fx *fx;
    struct pg_op *op;
    unsigned done;
    enum err err;
    struct fault fault;
    char text[256]; /* column "v" of the first row of the last statement */
    bool null;
    int64_t number;
    bool truth;
    size_t rows;
    size_t affected; /* of the first statement */
    struct end *other;
    bool closes;
    unsigned *left;
    unsigned *order; /* counts up; what it was is kept in place */
    unsigned place;
};

void fx_open_config(struct fx *fx, const struct pg_config *c);
void fx_open(struct fx *fx, const char *conninfo, unsigned connections);
void on_closed(void *arg);
void fx_end(struct fx *fx);
void fx_close(struct fx *fx);
void on_end(void *arg, enum err err, const struct pg_reply *r);
void start(struct fx *fx, struct end *e, const struct pg_statement *s, size_t n,
           uint64_t lane);
void start_sql(struct fx *fx, struct end *e, const char *sql,
               enum pg_shape shape);
void wait_for(struct fx *fx, struct end *e);
int64_t ask(struct fx *fx, const char *sql, enum pg_shape shape);
void fails(struct fx *fx, struct end *e, const char *sql, enum err want);
void wait_busy(struct fx *fx, const struct end *e);
void make_table(struct fx *fx);
void script(struct fx *fx, struct end *e, const char *sql);

#endif
