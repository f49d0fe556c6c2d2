/* SPDX-License-Identifier: UNLICENSED */
#ifndef ML_PG_H
#define ML_PG_H

/*
 * pg: libpq on the loop. A small pool of connections; non-blocking, pipelined,
 * unnamed statements (a transaction pooler may stand between), names resolved
 * off the loop, reconnect with backoff.
 *
 * One pg_send() is one unit of work: its statements travel in one pipeline
 * under one Sync, so they are one transaction: all or none. It is acknowledged
 * only when the Sync came back without error.
 */
#include "ml/base.h"
#include "ml/loop.h"

struct pg;
struct pg_op;

struct pg_config {
    const char *conninfo; /* libpq connection string or URI */
    unsigned connections; /* 1.. */
    int64_t statement_timeout_ms;
    int64_t connect_timeout_ms; /* 0: 10 s */
    const char *application_name;
    size_t queue_max; /* waiting pg_send()s; 0: 10000 */
    int64_t wait_ms;  /* how long a unit waits for a connection; 0: 30 s */
    bool writable; /* a server that takes no writes counts as away: of several
                      hosts the one that does is looked for. The events db.away,
                      db.back and the metric ml_database_up are of such a pool */
};
/* Starts connecting; ERR_CONFIG when conninfo cannot be parsed. Borrows loop.
 * conninfo is copied. */
MUST_USE enum err pg_open(struct loop *l, const struct pg_config *c,
                          struct pg **out, struct fault *f);
void pg_close(struct pg *p, loop_fn *closed, void *arg); /* cancels silently */
/* Whether at least one connection is usable, and the last failure if not. */
bool pg_is_up(const struct pg *p);
const struct fault *pg_fault(const struct pg *p);
/* That failure in a few words that name neither host nor user, after "no
 * database to work with: "; static. */
const char *pg_cause(const struct fault *f);

enum pg_shape { PG_NONE, PG_ONE, PG_MAYBE, PG_MANY };

struct pg_statement {
    const char *name; /* static; for metrics and errors */
    const char *sql;  /* static */
    enum pg_shape shape;
    unsigned params;
    const char *const *values; /* text format; NULL entries are SQL NULL */
    bool aside; /* a condition of the unit, not what it is about */
};

/* Rows of the answers; borrowed until done returns. Statement i, row r. */
struct pg_reply {
    size_t statements;
    const void *inner;
    struct fault fault; /* err, sqlstate in code, message: on failure */
};
size_t pg_rows(const struct pg_reply *r, size_t statement);
size_t pg_affected(const struct pg_reply *r, size_t statement);
bool pg_is_null(const struct pg_reply *r, size_t statement, size_t row,
                const char *column);
/* NULL for SQL NULL. An unknown column is our own mistake: aborts. */
const char *pg_text(const struct pg_reply *r, size_t statement, size_t row,
                    const char *column);
size_t pg_len(const struct pg_reply *r, size_t statement, size_t row,
              const char *column);
int64_t pg_int(const struct pg_reply *r, size_t statement, size_t row,
               const char *column); /* NULL gives 0 */
bool pg_bool(const struct pg_reply *r, size_t statement, size_t row,
             const char *column);

/* err: OK, DB_AWAY (also: the connection broke at the commit and the outcome is
 * not known: code is then "unknown"), DB_TIMEOUT, DB_REFUSED, DB_STATEMENT,
 * DB_SHAPE. Once, on a later turn, never after cancel. A DB_TIMEOUT of our own
 * clock (the server did not even refuse) has the code "unknown" too. A DB_SHAPE
 * was committed. Serialization failures and deadlocks are tried again inside, up
 * to three times; what is left of them is DB_TIMEOUT with their SQLSTATE. */
typedef void pg_done_fn(void *arg, enum err err, const struct pg_reply *r);

/* Values are copied. While no connection is up the unit waits, at most
 * wait_ms (0: 30 s), then DB_AWAY; a refused login (DB_REFUSED) ends the wait at
 * once. Units go to any free connection; those with the same `lane` > 0 run in
 * the order they were sent, one after the other. ERR_FULL when queue_max wait,
 * the values are over 64 MiB or, with all that wait, over 256 MiB; ERR_CLOSED
 * while closing: nothing began. A unit of PG_LANE_FIRST goes before all that
 * wait, and is taken when queue_max wait. */
#define PG_LANE_FIRST UINT64_MAX
MUST_USE enum err pg_send(struct pg *p, const struct pg_statement *s, size_t n,
                          int64_t wait_ms, uint64_t lane, pg_done_fn *done,
                          void *arg, struct pg_op **op);
void pg_cancel(struct pg_op *op); /* silences done; a unit already on its way
                                     still takes effect */
/* Runs a script of many statements in simple protocol as one transaction;
 * for migrations. */
MUST_USE enum err pg_script(struct pg *p, const char *sql, int64_t wait_ms,
                            pg_done_fn *done, void *arg, struct pg_op **op);

#endif
