/* SPDX-License-Identifier: UNLICENSED */
/*
 * One unit of work on one connection.
 *
 * A unit's statements and one Sync travel in one pipeline, which makes them one
 * transaction. Nothing is known before the Sync is back: a statement that went
 * well is rolled back by a later one that did not. A script travels in simple
 * protocol, whose one message is one transaction too.
 *
 * The outcome when the connection breaks: if the server had answered with an
 * error, or the Sync had not left us, nothing happened; else it is not known,
 * and the fault's code says "unknown".
 */
#include <string.h>

#include "ml/stat.h"
#include "pg_priv.h"

#define TIMEOUTS                                                               \
    "SELECT pg_catalog.set_config('statement_timeout', $1, true), "            \
    "pg_catalog.set_config('lock_timeout', $2, true), "                        \
    "pg_catalog.set_config('idle_in_transaction_session_timeout', $3, true)"

enum { NUMBER_MAX = 24, TIMEOUT_PARAMS = 3 };

/* A unit goes by the name of its first statement that is no condition. */
#define UNIT_POINT(where, op)                                                  \
    CRASH_POINT(where,                                                         \
                (op)->script != NULL ?                                         \
                    "script" :                                                 \
                    (op)->statements[(op)->statements[0].aside ? 1 : 0].name)

/* ---- errors ------------------------------------------------------------- */

enum err
pg_sqlstate_err(const char *s)
{
    if (strncmp(s, "28", 2) == 0 || strcmp(s, "3D000") == 0) {
        return ERR_DB_REFUSED;
    }
    if (strcmp(s, "57014") == 0 || strcmp(s, "55P03") == 0) {
        return ERR_DB_TIMEOUT;
    }
    if (strncmp(s, "57P0", 4) == 0 || strncmp(s, "08", 2) == 0 ||
        strncmp(s, "53", 2) == 0 || strcmp(s, PG_READ_ONLY) == 0 ||
        strcmp(s, "25P03") == 0) {
        return ERR_DB_AWAY;
    }
    if (strcmp(s, "40001") == 0 || strcmp(s, "40P01") == 0) {
        return ERR_DB_TIMEOUT; /* still so after the retries */
    }
    return ERR_DB_STATEMENT;
}

static bool
is_serialization(const struct fault *f)
{
    return strcmp(f->code, "40001") == 0 || strcmp(f->code, "40P01") == 0;
}

static void
set_code(struct fault *f, const char *code)
{
    size_t n = strlen(code);

    if (n < sizeof(f->code)) {
        memcpy(f->code, code, n + 1);
    }
}

static const char *
statement_name(const struct pg_op *op)
{
    if (op->script != NULL) {
        return "script";
    }
    if (op->at < op->lead) {
        return "timeouts";
    }
    if (op->at - op->lead >= op->count) {
        return "commit";
    }
    return op->statements[op->at - op->lead].name;
}

/* The first error decides; what follows are its consequences. The server's
 * DETAIL is left out, as it quotes data. */
static void
unit_failed(struct pg_op *op, const PGresult *result)
{
    const char *code = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *text = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);

    if (op->refused || code == NULL) {
        return; /* without a code it is libpq: the connection broke */
    }
    op->refused = true;
    stat_add(STAT_database_errors, "statement", code, 1);
    set_code(&op->fault, code);
    (void)fault_set(&op->fault, pg_sqlstate_err(code), "statement %s: %s",
                    statement_name(op), text != NULL ? text : "");
}

/* ---- shape -------------------------------------------------------------- */

static bool
shape_fits(enum pg_shape shape, const PGresult *result)
{
    bool rows = result != NULL && PQresultStatus(result) == PGRES_TUPLES_OK;
    int n = rows ? PQntuples(result) : 0;

    switch (shape) {
    case PG_NONE:
        return !rows;
    case PG_ONE:
        return rows && n == 1;
    case PG_MAYBE:
        return rows && n <= 1;
    case PG_MANY:
    default:
        return rows;
    }
}

static enum err
check_shapes(struct pg_op *op)
{
    size_t i;

    for (i = 0; i < op->count; i++) {
        if (!shape_fits(op->statements[i].shape, op->results[i])) {
            return fault_set(
                &op->fault, ERR_DB_SHAPE,
                "statement %s: %d rows do not fit its shape",
                op->statements[i].name,
                op->results[i] != NULL ? PQntuples(op->results[i]) : -1);
        }
    }
    return ERR_OK;
}

/* ---- sending ------------------------------------------------------------ */

static char *
number_text(struct arena *a, int64_t n)
{
    return arena_printf(a, "%lld", (long long)n);
}

static bool
send_timeouts(struct pg_conn *c, struct pg_op *op)
{
    const char *values[TIMEOUT_PARAMS];

    values[0] = number_text(&op->arena, c->pg->statement_timeout_ms);
    values[1] = number_text(&op->arena, c->pg->lock_timeout_ms);
    values[2] = number_text(&op->arena, PG_IDLE_IN_TRANSACTION_MS);
    return PQsendQueryParams(c->db, TIMEOUTS, TIMEOUT_PARAMS, NULL, values,
                             NULL, NULL, 0) == 1;
}

static bool
send_statements(struct pg_conn *c, struct pg_op *op)
{
    size_t i;

    if (PQpipelineStatus(c->db) == PQ_PIPELINE_OFF &&
        PQenterPipelineMode(c->db) != 1) {
        return false;
    }
    op->lead = c->plain ? 1 : 0;
    if (op->lead > 0 && !send_timeouts(c, op)) {
        return false;
    }
    for (i = 0; i < op->count; i++) {
        const struct pg_statement *s = &op->statements[i];

        if (PQsendQueryParams(c->db, s->sql, (int)s->params, NULL, s->values,
                              NULL, NULL, 0) != 1) {
            return false;
        }
    }
    return PQpipelineSync(c->db) == 1;
}

static bool
send_script(struct pg_conn *c, const struct pg_op *op)
{
    if (PQpipelineStatus(c->db) != PQ_PIPELINE_OFF &&
        PQexitPipelineMode(c->db) != 1) {
        return false;
    }
    return PQsendQuery(c->db, op->script) == 1;
}

/* False: the connection broke. */
static bool
unit_flush(struct pg_conn *c)
{
    int rc = PQflush(c->db);

    if (rc < 0) {
        return false;
    }
    c->op->flushed = rc == 0;
    if (rc == 0) {
        UNIT_POINT("commit.sent", c->op);
    }
    pg_conn_want(c, rc > 0);
    return true;
}

static void
unit_reset(struct pg_op *op)
{
    size_t i;

    for (i = 0; i < op->count; i++) {
        PQclear(op->results[i]);
        op->results[i] = NULL;
    }
    op->at = 0;
    op->synced = false;
    op->flushed = false;
    op->refused = false;
    fault_clear(&op->fault);
    op->last_us = clock_mono_us();
}

static void
unit_send(struct pg_conn *c)
{
    struct pg_op *op = c->op;

    unit_reset(op);
    UNIT_POINT("commit.before", op);
    if (!(op->script != NULL ? send_script(c, op) : send_statements(c, op)) ||
        !unit_flush(c)) {
        pg_unit_broken(c, PQerrorMessage(c->db));
    }
}

void
pg_unit_start(struct pg_conn *c, struct pg_op *op)
{
    pg_conn_busy(c, op);
    unit_send(c);
}

/* ---- results ------------------------------------------------------------ */

static void
unit_observe(struct pg_op *op)
{
    int64_t now_us = clock_mono_us();

    stat_observe(STAT_database, statement_name(op),
                 (double)(now_us - op->last_us) / 1e6);
    op->last_us = now_us;
}

static void
unit_result(struct pg_op *op, PGresult *result)
{
    ExecStatusType status = PQresultStatus(result);
    bool own = op->script == NULL && op->at >= op->lead &&
               op->at - op->lead < op->count;

    switch ((int)status) {
    case PGRES_PIPELINE_SYNC:
        op->synced = true;
        break;
    case PGRES_PIPELINE_ABORTED:
        break;
    case PGRES_TUPLES_OK:
    case PGRES_COMMAND_OK:
    case PGRES_EMPTY_QUERY:
        unit_observe(op);
        if (own && op->results[op->at - op->lead] == NULL) {
            op->results[op->at - op->lead] = result;
            return;
        }
        break;
    default:
        /* COPY has no place in a unit, and its result would come for ever. */
        ML_ASSERT(status == PGRES_FATAL_ERROR || status == PGRES_BAD_RESPONSE ||
                  status == PGRES_NONFATAL_ERROR);
        unit_failed(op, result);
        break;
    }
    PQclear(result);
}

/* All that is there. After each statement's results comes one NULL; two in a
 * row mean that there is nothing more. */
static void
unit_read(struct pg_conn *c)
{
    struct pg_op *op = c->op;
    unsigned nulls = 0;

    while (!op->synced && nulls < 2 && PQisBusy(c->db) == 0) {
        PGresult *result = PQgetResult(c->db);

        if (result != NULL) {
            nulls = 0;
            unit_result(op, result);
        } else if (op->script != NULL) {
            op->synced = PQstatus(c->db) == CONNECTION_OK;
            return;
        } else {
            nulls++;
            op->at++;
        }
    }
}

/* ---- the outcome -------------------------------------------------------- */

/* The server became read-only: another may have taken its place. */
static bool
is_read_only(const struct pg_conn *c, const struct pg_op *op)
{
    return pg_conn_is_read_only(c) ||
           (c->pg->writable && op->refused &&
            strcmp(op->fault.code, PG_READ_ONLY) == 0);
}

static void
unit_done(struct pg_conn *c)
{
    struct pg *p = c->pg;
    struct pg_op *op = c->op;
    enum err err = op->fault.err;

    if (op->refused && is_serialization(&op->fault) && op->tries < PG_TRIES) {
        op->tries++;
        unit_send(c);
        return;
    }
    if (!op->refused) {
        err = check_shapes(op);
    }
    pg_conn_ready(c);
    if (PQtransactionStatus(c->db) != PQTRANS_IDLE) {
        /* A script that left a transaction open. */
        pg_conn_lost(c, ERR_DB_AWAY, "", "a transaction was left open");
    } else if (is_read_only(c, op)) {
        pg_conn_lost(c, ERR_DB_AWAY, PG_READ_ONLY, "the server is read-only");
    }
    UNIT_POINT("commit.after", op);
    pg_poke(p);
    pg_tell(op, err);
}

static void
unit_gone(struct pg_conn *c, enum err err, const char *message)
{
    struct pg_op *op = c->op;
    char *words = mem_strdup(message);

    if (op->refused) {
        err = op->fault.err;
    } else {
        (void)fault_set(&op->fault, err, "%s", words);
        set_code(&op->fault, op->flushed ? "unknown" : "");
    }
    c->op = NULL;
    pg_conn_lost(c, ERR_DB_AWAY, op->fault.code, words);
    mem_free(words);
    pg_tell(op, err);
}

void
pg_unit_broken(struct pg_conn *c, const char *message)
{
    unit_gone(c, ERR_DB_AWAY, message);
}

void
pg_unit_overdue(struct pg_conn *c)
{
    unit_gone(c, ERR_DB_TIMEOUT, "the server did not answer in time");
}

void
pg_unit_io(struct pg_conn *c, bool readable)
{
    bool fine = true;

    if (readable) {
        fine = PQconsumeInput(c->db) == 1;
    }
    if (c->op == NULL) {
        if (!fine || PQstatus(c->db) != CONNECTION_OK) {
            char *words = mem_strdup(PQerrorMessage(c->db));

            pg_conn_lost(c, ERR_DB_AWAY, "", words);
            mem_free(words);
            return;
        }
        (void)PQisBusy(c->db); /* takes notices off the buffer */
        if (pg_conn_is_read_only(c)) {
            pg_conn_lost(c, ERR_DB_AWAY, PG_READ_ONLY,
                         "the server is read-only");
        } else {
            pg_conn_want(c, false);
        }
        return;
    }
    if (!fine) {
        c->op->flushed = true; /* reading flushes too: nobody knows */
    } else if (!c->op->flushed) {
        fine = unit_flush(c);
    }
    unit_read(c);
    if (c->op->synced) {
        unit_done(c);
    } else if (!fine || PQstatus(c->db) != CONNECTION_OK) {
        pg_unit_broken(c, PQerrorMessage(c->db));
    } else {
        pg_conn_want(c, !c->op->flushed);
    }
}
