/* SPDX-License-Identifier: UNLICENSED */
/*
 * The pool: units wait in one queue and go to any free connection.
 *
 *     unit:  QUEUED --a free connection--> RUNNING --> done
 *               +--wait over--> done(DB_AWAY)
 *
 * Starting only queues and pokes, so done never runs inside it. A lane is a
 * promise of order: a unit does not start while one of its lane runs, and the
 * queue is walked in order, so the next of a lane is always its oldest.
 *
 * Invariants: an op stands in the queue or on one connection; after close both
 * are empty and only handles that libuv still has are waited for.
 */
#include <string.h>

#include "ml/log.h"
#include "pg_priv.h"

static struct pg *
pg_from(void *arg)
{
    struct pg *p = arg;

    ML_ASSERT(p != NULL && p->magic == PG_MAGIC);
    return p;
}

struct pg_op *
pg_op_from(void *arg)
{
    struct pg_op *op = arg;

    ML_ASSERT(op != NULL && op->magic == PG_OP_MAGIC);
    return op;
}

void
pg_op_free(struct pg_op *op)
{
    size_t i;

    if (op == NULL) {
        return;
    }
    loop_timer_stop(&op->wait);
    for (i = 0; i < op->count; i++) {
        PQclear(op->results[i]);
    }
    arena_fini(&op->arena);
    op->magic = 0;
    mem_free(op);
}

/* The op is off queue and connection. Nothing of it is touched after. */
void
pg_tell(struct pg_op *op, enum err err)
{
    struct pg_reply reply = {.statements = op->count, .inner = op};
    size_t i;

    reply.fault = op->fault;
    reply.fault.err = err;
    for (i = 0; err != ERR_OK && i < op->count; i++) {
        /* Rolled back, or of no use: nobody shall read it. */
        PQclear(op->results[i]);
        op->results[i] = NULL;
    }
    if (op->done != NULL) {
        op->done(op->arg, err, &reply);
    }
    pg_op_free(op);
}

/* ---- the queue ---------------------------------------------------------- */

static void
queue_take(struct pg_op *op)
{
    list_remove(&op->link);
    op->pg->queued--;
    op->pg->queued_bytes -= op->bytes;
    loop_timer_stop(&op->wait);
}

static bool
lane_is_busy(const struct pg *p, uint64_t lane)
{
    size_t i;

    for (i = 0; lane != 0 && i < p->conn_count; i++) {
        if (p->conns[i].op != NULL && p->conns[i].op->lane == lane) {
            return true;
        }
    }
    return false;
}

static struct pg_op *
queue_next(struct pg *p)
{
    struct list *item;
    struct list *next;

    LIST_EACH(&p->queue, item, next)
    {
        struct pg_op *op = CONTAINER_OF(item, struct pg_op, link);

        if (!lane_is_busy(p, op->lane)) {
            queue_take(op);
            return op;
        }
    }
    return NULL;
}

static void
on_pump(void *arg)
{
    struct pg *p = pg_from(arg);
    size_t i;

    for (i = 0; i < p->conn_count && !p->closing; i++) {
        struct pg_conn *c = &p->conns[i];
        struct pg_op *op;

        if (c->state != PG_READY) {
            continue;
        }
        op = queue_next(p);
        if (op == NULL) {
            return;
        }
        pg_unit_start(c, op);
    }
}

void
pg_poke(struct pg *p)
{
    if (!p->closing && p->queued > 0) {
        loop_later(p->loop, &p->pump, on_pump, p);
    }
}

static void
on_wait_over(void *arg)
{
    struct pg_op *op = pg_op_from(arg);
    struct pg *p = op->pg;
    enum err err = ERR_DB_AWAY;

    queue_take(op);
    if (pg_is_up(p)) {
        (void)fault_set(&op->fault, ERR_DB_AWAY,
                        "no connection became free in time");
    } else {
        op->fault = p->fault;
        err = p->fault.err;
    }
    pg_tell(op, err);
}

void
pg_fail_waiting(struct pg *p, const struct fault *f)
{
    struct fault copy = *f;
    size_t n = p->queued; /* what their done sends waits again */

    for (; n > 0 && !p->closing && !list_empty(&p->queue); n--) {
        struct list *item = list_first(&p->queue);
        struct pg_op *op = CONTAINER_OF(item, struct pg_op, link);

        queue_take(op);
        op->fault = copy;
        pg_tell(op, copy.err);
    }
}

/* ---- public ------------------------------------------------------------- */

enum err
pg_open(struct loop *l, const struct pg_config *c, struct pg **out,
        struct fault *f)
{
    struct pg *p;
    enum err err;
    size_t i;

    *out = NULL;
    if (c->conninfo == NULL || c->connections == 0) {
        return fault_set(f, ERR_CONFIG, "no database is configured");
    }
    p = MEM_NEW(struct pg);
    err = pg_target_parse(c->conninfo, c->application_name, c->writable,
                          &p->target, f);
    if (err != ERR_OK) {
        mem_free(p);
        return err;
    }
    p->magic = PG_MAGIC;
    p->loop = l;
    p->statement_timeout_ms =
        c->statement_timeout_ms > 0 ? c->statement_timeout_ms : 30000;
    p->lock_timeout_ms = p->statement_timeout_ms / 3 < PG_LOCK_TIMEOUT_MS ?
                             p->statement_timeout_ms / 3 :
                             PG_LOCK_TIMEOUT_MS;
    p->writable = c->writable;
    p->connect_timeout_ms = c->connect_timeout_ms > 0 ? c->connect_timeout_ms :
                                                        PG_CONNECT_DEFAULT_MS;
    p->queue_max = c->queue_max > 0 ? c->queue_max : PG_QUEUE_DEFAULT;
    p->wait_ms = c->wait_ms > 0 ? c->wait_ms : PG_WAIT_DEFAULT_MS;
    list_init(&p->queue);
    (void)fault_set(&p->fault, ERR_DB_AWAY, "not connected yet");
    p->conn_count = c->connections;
    p->conns = mem_array(p->conn_count, sizeof(*p->conns));
    for (i = 0; i < p->conn_count; i++) {
        pg_conn_init(&p->conns[i], p);
        pg_conn_open(&p->conns[i]);
    }
    *out = p;
    return ERR_OK;
}

bool
pg_is_up(const struct pg *p)
{
    size_t i;

    for (i = 0; i < p->conn_count; i++) {
        if (p->conns[i].state == PG_READY || p->conns[i].state == PG_BUSY) {
            return true;
        }
    }
    return false;
}

const struct fault *
pg_fault(const struct pg *p)
{
    return &p->fault;
}

const char *
pg_cause(const struct fault *f)
{
    static const struct {
        const char *code, *words;
    } causes[] = {{PG_READ_ONLY, "it is read-only"},
                  {"42501", "rights are missing: run deploy/grants.sql as the "
                            "owner of the schema"},
                  {"53100", "its disk is full"},
                  {"53200", "it is out of memory"},
                  {"53300", "it has too many connections"},
                  {"55P03", "what is to be written is locked"},
                  {"57014", "its statements take too long"},
                  {"57P01", "it is shutting down"},
                  {"57P02", "it crashed and is shutting down"},
                  {"57P03", "it is starting up or shutting down"}};

    for (size_t i = 0; i < COUNT_OF(causes); i++) {
        if (strcmp(f->code, causes[i].code) == 0) {
            return causes[i].words;
        }
    }
    switch ((int)f->err) {
    case ERR_DB_REFUSED:
        return "it refuses the login";
    case ERR_DB_STATEMENT:
        return "it refuses a statement";
    default:
        return "it does not answer";
    }
}

static struct pg_op *
op_new(struct pg *p, uint64_t lane, pg_done_fn *done, void *arg)
{
    struct pg_op *op = MEM_NEW(struct pg_op);

    op->magic = PG_OP_MAGIC;
    op->pg = p;
    op->lane = lane;
    op->done = done;
    op->arg = arg;
    list_init(&op->link);
    arena_init(&op->arena);
    fault_clear(&op->fault);
    return op;
}

static void
op_queue(struct pg_op *op, int64_t wait_ms, struct pg_op **out)
{
    struct pg *p = op->pg;

    if (op->lane == PG_LANE_FIRST) {
        list_push_front(&p->queue, &op->link);
    } else {
        list_push(&p->queue, &op->link);
    }
    p->queued++;
    p->queued_bytes += op->bytes;
    loop_timer_start(p->loop, &op->wait,
                     wait_ms > 0 ? wait_ms : op->pg->wait_ms, on_wait_over, op);
    pg_poke(p);
    if (out != NULL) {
        *out = op;
    }
}

static size_t
unit_bytes(const struct pg_statement *s, size_t n)
{
    size_t bytes = 0;
    size_t i;
    unsigned k;

    for (i = 0; i < n; i++) {
        for (k = 0; k < s[i].params; k++) {
            bytes += s[i].values[k] != NULL ? strlen(s[i].values[k]) : 0;
        }
    }
    return bytes;
}

static void
copy_statement(struct arena *a, struct pg_statement *to,
               const struct pg_statement *from)
{
    const char **values = NULL;
    unsigned k;

    if (from->params > 0) {
        values = arena_array(a, from->params, sizeof(*values));
    }
    for (k = 0; k < from->params; k++) {
        values[k] = arena_strdup(a, from->values[k]);
    }
    *to = *from;
    to->values = values;
}

enum err
pg_send(struct pg *p, const struct pg_statement *s, size_t n, int64_t wait_ms,
        uint64_t lane, pg_done_fn *done, void *arg, struct pg_op **out)
{
    size_t bytes = unit_bytes(s, n);
    struct pg_op *op;
    size_t i;

    ML_ASSERT(n > 0 && done != NULL);
    if (out != NULL) {
        *out = NULL;
    }
    if (p->closing) {
        return ERR_CLOSED;
    }
    if ((p->queued >= p->queue_max && lane != PG_LANE_FIRST) ||
        bytes > PG_UNIT_BYTES_MAX ||
        p->queued_bytes + bytes > PG_QUEUE_BYTES_MAX) {
        return ERR_FULL;
    }
    op = op_new(p, lane, done, arg);
    op->bytes = bytes;
    op->count = n;
    op->statements = arena_array(&op->arena, n, sizeof(*op->statements));
    op->results = arena_array(&op->arena, n, sizeof(*op->results));
    for (i = 0; i < n; i++) {
        copy_statement(&op->arena, &op->statements[i], &s[i]);
    }
    op_queue(op, wait_ms, out);
    return ERR_OK;
}

enum err
pg_script(struct pg *p, const char *sql, int64_t wait_ms, pg_done_fn *done,
          void *arg, struct pg_op **out)
{
    struct pg_op *op;

    ML_ASSERT(sql != NULL && done != NULL);
    if (out != NULL) {
        *out = NULL;
    }
    if (p->closing) {
        return ERR_CLOSED;
    }
    if (p->queued >= p->queue_max) {
        return ERR_FULL;
    }
    op = op_new(p, 0, done, arg);
    op->script = arena_strdup(&op->arena, sql);
    op_queue(op, wait_ms, out);
    return ERR_OK;
}

void
pg_cancel(struct pg_op *arg)
{
    struct pg_op *op;

    if (arg == NULL) {
        return;
    }
    op = pg_op_from(arg);
    if (list_linked(&op->link)) {
        queue_take(op);
        pg_op_free(op);
    } else {
        op->done = NULL;
    }
}

/* ---- close -------------------------------------------------------------- */

static void
on_finish(void *arg)
{
    struct pg *p = pg_from(arg);
    loop_fn *closed = p->closed;
    void *closed_arg = p->closed_arg;

    pg_target_fini(&p->target);
    mem_free(p->conns);
    p->magic = 0;
    mem_free(p);
    if (closed != NULL) {
        closed(closed_arg);
    }
}

void
pg_handle_closed(struct pg *p)
{
    p->handles--;
    if (p->closing && p->handles == 0) {
        loop_later(p->loop, &p->finish, on_finish, p);
    }
}

void
pg_close(struct pg *p, loop_fn *closed, void *arg)
{
    struct list *item;
    size_t i;

    (void)pg_from(p);
    ML_ASSERT(!p->closing);
    p->closing = true;
    p->closed = closed;
    p->closed_arg = arg;
    loop_call_cancel(&p->pump);
    while ((item = list_first(&p->queue)) != NULL) {
        struct pg_op *op = CONTAINER_OF(item, struct pg_op, link);

        queue_take(op);
        pg_op_free(op);
    }
    for (i = 0; i < p->conn_count; i++) {
        pg_conn_close(&p->conns[i]);
    }
    if (p->handles == 0) {
        loop_later(p->loop, &p->finish, on_finish, p);
    }
}
