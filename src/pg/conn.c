/* SPDX-License-Identifier: UNLICENSED */
/*
 * One connection.
 *
 *     DOWN --timer--> RESOLVING --names--> CONNECTING --ok--> READY <--> BUSY
 *      ^                  |                    |                |         |
 *      +------------------+------ failure -----+----------------+---------+
 *
 * Names are resolved in libuv's pool. While connecting libpq may close its
 * socket and open another of the same number, so a poll handle serves for one
 * PQconnectPoll only; afterwards one serves as long as the connection. A poll
 * handle is always closed before the socket under it is.
 *
 * An idle connection is watched for reading: that is how a server that went
 * away is noticed before the next unit is put on it.
 */
#include <string.h>
#include <uv.h>

#include "ml/log.h"
#include "ml/stat.h"
#include "pg_priv.h"

struct pg_watch {
    uv_poll_t poll;
    struct pg *pg;
    struct pg_conn *conn;
    int events;
};

/* May outlive the wish for it: a look-up in the pool cannot be stopped. */
struct pg_resolve {
    uv_getaddrinfo_t req;
    struct pg *pg;
    struct pg_conn *conn; /* NULL: nobody waits any more */
};

static const char *const names[] = {"down", "resolving", "connecting", "ready",
                                    "busy"};
static const unsigned may[] = {
    [PG_DOWN] = BIT(PG_RESOLVING),
    [PG_RESOLVING] = BIT(PG_CONNECTING) | BIT(PG_DOWN),
    [PG_CONNECTING] = BIT(PG_READY) | BIT(PG_DOWN),
    [PG_READY] = BIT(PG_BUSY) | BIT(PG_DOWN),
    [PG_BUSY] = BIT(PG_READY) | BIT(PG_DOWN),
};

static struct pg_conn *
conn_from(void *arg)
{
    struct pg_conn *c = arg;

    ML_ASSERT(c != NULL && c->magic == PG_CONN_MAGIC);
    return c;
}

static void
conn_enter(struct pg_conn *c, enum pg_conn_state next)
{
    ML_ASSERT((may[c->state] & BIT(next)) != 0);
    LOG_DEBUG(NULL, "db.state", "from=%s to=%s", names[c->state], names[next]);
    c->state = next;
}

static void on_backoff(void *arg);
static void on_connect_timeout(void *arg);
static void on_unit_timeout(void *arg);
static void conn_poll(struct pg_conn *c);

/* ---- the socket --------------------------------------------------------- */

static void
on_watch_closed(uv_handle_t *handle)
{
    struct pg_watch *w = handle->data;
    struct pg *p = w->pg;

    mem_free(w);
    pg_handle_closed(p);
}

static void
watch_stop(struct pg_conn *c)
{
    if (c->watch != NULL) {
        uv_close((uv_handle_t *)&c->watch->poll, on_watch_closed);
        c->watch->conn = NULL;
        c->watch = NULL;
    }
}

static void
on_poll(uv_poll_t *handle, int status, int events)
{
    struct pg_watch *w = handle->data;
    struct pg_conn *c = conn_from(w->conn);

    if (c->state == PG_CONNECTING) {
        watch_stop(c);
        conn_poll(c);
        return;
    }
    /* An error is found by reading. */
    pg_unit_io(c, status < 0 || (events & UV_READABLE) != 0);
}

static bool
watch_start(struct pg_conn *c, int events)
{
    struct pg_watch *w;
    int rc;

    ML_ASSERT(c->watch == NULL);
    w = MEM_NEW(struct pg_watch);
    rc = uv_poll_init(loop_uv(c->pg->loop), &w->poll, PQsocket(c->db));
    if (rc != 0) {
        mem_free(w);
        pg_conn_lost(c, ERR_DB_AWAY, "", uv_strerror(rc));
        return false;
    }
    w->poll.data = w;
    w->pg = c->pg;
    w->conn = c;
    w->events = events;
    c->watch = w;
    c->pg->handles++;
    (void)uv_poll_start(&w->poll, events, on_poll);
    return true;
}

void
pg_conn_want(struct pg_conn *c, bool write)
{
    int events = write ? UV_READABLE | UV_WRITABLE : UV_READABLE;

    /* libuv stops a handle on an error: start it again even if unchanged. */
    if (c->watch != NULL && (c->watch->events != events ||
                             !uv_is_active((uv_handle_t *)&c->watch->poll))) {
        c->watch->events = events;
        (void)uv_poll_start(&c->watch->poll, events, on_poll);
    }
}

/* ---- the end of a connection -------------------------------------------- */

static int64_t
backoff_ms(unsigned attempts)
{
    unsigned doublings = attempts < 16 ? attempts : 16;
    int64_t wait = (int64_t)PG_BACKOFF_MIN_MS << doublings;

    if (wait > PG_BACKOFF_MAX_MS) {
        wait = PG_BACKOFF_MAX_MS;
    }
    return wait / 2 + (int64_t)(random_u64() % (uint64_t)(wait / 2 + 1));
}

static void
conn_drop(struct pg_conn *c)
{
    loop_timer_stop(&c->timer);
    watch_stop(c);
    if (c->resolve != NULL) {
        (void)uv_cancel((uv_req_t *)&c->resolve->req);
        c->resolve->conn = NULL;
        c->resolve = NULL;
    }
    if (c->db != NULL) {
        PQfinish(c->db);
        c->db = NULL;
    }
}

/* libpq ends its messages with a line feed and may have several lines. */
static void
fault_from(struct fault *f, enum err err, const char *code, const char *message)
{
    char line[FAULT_MESSAGE_MAX];
    const char *end = strstr(message, "\nLOCATION:"); /* of its source */
    size_t n = 0;

    while (*message != '\0' && message != end && n < sizeof(line) - 1) {
        line[n++] = *message == '\n' ? ' ' : *message;
        message++;
    }
    while (n > 0 && line[n - 1] == ' ') {
        n--;
    }
    line[n] = '\0';
    fault_clear(f);
    (void)fault_set(f, err, "%s", line);
    n = strlen(code);
    if (n < sizeof(f->code)) {
        memcpy(f->code, code, n + 1);
    }
}

/* Once when the worker's last connection is gone, once when it has one again. */
static void
tell_away(struct pg *p)
{
    char text[LOG_TEXT_MAX];

    if (!p->writable || pg_is_up(p)) {
        return;
    }
    stat_set(STAT_database_up, NULL, NULL, 0);
    if (p->away_since_us == 0) {
        p->away_since_us = clock_mono_us();
        LOG_WARN(NULL, "db.away", "err=%s code=%s cause=\"%s\" reason=\"%s\"",
                 err_name(p->fault.err), p->fault.code, pg_cause(&p->fault),
                 log_safe(text, p->fault.message));
    }
}

static void
tell_back(struct pg *p)
{
    if (!p->writable) {
        return;
    }
    stat_set(STAT_database_up, NULL, NULL, 1);
    if (p->away_since_us != 0) {
        LOG_INFO(NULL, "db.back", "away_ms=%lld",
                 (long long)((clock_mono_us() - p->away_since_us) / 1000));
        p->away_since_us = 0;
        for (size_t i = 0; i < p->conn_count; i++) { /* the others as well */
            if (p->conns[i].state == PG_DOWN) {
                loop_timer_start(p->loop, &p->conns[i].timer, PG_BACKOFF_MIN_MS,
                                 on_backoff, &p->conns[i]);
            }
        }
    }
}

/* The connection is of no use any more: drop it and try again later. Its unit,
 * if any, must have been taken off before. */
void
pg_conn_lost(struct pg_conn *c, enum err err, const char *code,
             const char *message)
{
    struct pg *p = c->pg;
    char text[LOG_TEXT_MAX];
    int64_t wait_ms = backoff_ms(c->attempts);
    bool was_up = c->state == PG_READY || c->state == PG_BUSY;

    ML_ASSERT(c->op == NULL);
    fault_from(&p->fault, err, code, message);
    conn_drop(c);
    conn_enter(c, PG_DOWN);
    c->attempts++;
    stat_add(STAT_database_errors, "connection",
             code[0] != '\0' ? code : "none", 1);
    if (was_up || c->attempts == 1) {
        LOG_WARN(NULL, "db.down", "err=%s code=%s retry_ms=%lld reason=\"%s\"",
                 err_name(err), p->fault.code, (long long)wait_ms,
                 log_safe(text, p->fault.message));
    }
    tell_away(p);
    loop_timer_start(p->loop, &c->timer, wait_ms, on_backoff, c);
    if (err == ERR_DB_REFUSED && !pg_is_up(p)) {
        pg_fail_waiting(p, &p->fault);
    }
}

/* ---- connecting --------------------------------------------------------- */

/* The SQLSTATE in libpq's verbose words: "FATAL:  28P01: password ...". */
static void
sqlstate_of(const char *words, char code[6])
{
    const char *at;

    code[0] = '\0';
    for (at = strstr(words, ":  "); at != NULL; at = strstr(at + 1, ":  ")) {
        if (strspn(at + 3, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") == 5 &&
            at[8] == ':') {
            memcpy(code, at + 3, 5);
            code[5] = '\0';
            return;
        }
    }
}

/* A pooler that takes no options in the start-up packet: once more without;
 * they go into each unit instead. */
static void
conn_go_plain(struct pg_conn *c)
{
    struct pg *p = c->pg;

    if (!p->plain) {
        p->plain = true;
        LOG_INFO(NULL, "db.pooler", "options=in_units");
    }
    conn_drop(c);
    conn_enter(c, PG_DOWN);
    loop_timer_start(p->loop, &c->timer, 0, on_backoff, c);
}

static void
conn_refused(struct pg_conn *c)
{
    char *words = mem_strdup(PQerrorMessage(c->db));
    char code[6];
    enum err err;

    if (!c->plain && strstr(words, "startup parameter") != NULL) {
        conn_go_plain(c);
        mem_free(words);
        return;
    }
    sqlstate_of(words, code);
    if (code[0] == '\0' && strstr(words, "session is read-only") != NULL) {
        memcpy(code, PG_READ_ONLY, sizeof(code)); /* libpq asked for us */
    }
    err = code[0] != '\0' ? pg_sqlstate_err(code) : ERR_DB_AWAY;
    if (PQconnectionNeedsPassword(c->db)) {
        err = ERR_DB_REFUSED;
    } else if (err == ERR_DB_STATEMENT) {
        err = ERR_DB_AWAY;
    }
    pg_conn_lost(c, err, code, words);
    mem_free(words);
}

static bool
is_on(const PGconn *db, const char *parameter)
{
    const char *value = PQparameterStatus(db, parameter);

    return value != NULL && strcmp(value, "on") == 0;
}

/* Both are told at the start and whenever they change, by Postgres from 14 on;
 * a pooler may keep them to itself. */
bool
pg_conn_is_read_only(const struct pg_conn *c)
{
    return c->pg->writable && (is_on(c->db, "default_transaction_read_only") ||
                               is_on(c->db, "in_hot_standby"));
}

static void
conn_connected(struct pg_conn *c)
{
    struct pg *p = c->pg;

    (void)PQsetErrorVerbosity(c->db, PQERRORS_DEFAULT);
    if (PQsetnonblocking(c->db, 1) != 0) {
        conn_refused(c);
        return;
    }
    if (pg_conn_is_read_only(c)) {
        pg_conn_lost(c, ERR_DB_AWAY, PG_READ_ONLY, "the server is read-only");
        return;
    }
    loop_timer_stop(&c->timer);
    if (!watch_start(c, UV_READABLE)) {
        return;
    }
    conn_enter(c, PG_READY);
    fault_clear(&p->fault);
    tell_back(p);
    if (c->attempts > 0) {
        LOG_INFO(NULL, "db.up", "attempts=%u", c->attempts);
    }
    pg_poke(p);
}

static void
conn_poll(struct pg_conn *c)
{
    switch (PQconnectPoll(c->db)) {
    case PGRES_POLLING_READING:
        (void)watch_start(c, UV_READABLE);
        break;
    case PGRES_POLLING_WRITING:
        (void)watch_start(c, UV_WRITABLE);
        break;
    case PGRES_POLLING_OK:
        conn_connected(c);
        break;
    case PGRES_POLLING_FAILED:
    case PGRES_POLLING_ACTIVE:
    default:
        conn_refused(c);
        break;
    }
}

static void
on_notice(void *arg, const PGresult *result)
{
    (void)arg;
    (void)result; /* may quote data */
}

static void
conn_connect(struct pg_conn *c)
{
    struct pg *p = c->pg;

    conn_enter(c, PG_CONNECTING);
    c->plain = p->plain;
    c->db = pg_target_connect(&p->target, &c->places, p->statement_timeout_ms,
                              p->lock_timeout_ms, c->plain);
    ML_ASSERT(c->db != NULL);
    (void)PQsetErrorVerbosity(c->db, PQERRORS_VERBOSE);
    (void)PQsetNoticeReceiver(c->db, on_notice, NULL);
    if (PQstatus(c->db) == CONNECTION_BAD) {
        conn_refused(c);
        return;
    }
    (void)watch_start(c, UV_WRITABLE);
}

static void
on_connect_timeout(void *arg)
{
    struct pg_conn *c = conn_from(arg);

    pg_conn_lost(c, ERR_DB_AWAY, "",
                 c->state == PG_RESOLVING ?
                     "the host name was not resolved in time" :
                     "the server did not answer in time");
}

/* ---- names -------------------------------------------------------------- */

static void resolve_next(struct pg_conn *c);

static void
add_addresses(struct pg_conn *c, const struct pg_host *h,
              const struct addrinfo *found)
{
    unsigned n = 0;

    for (; found != NULL && n < PG_ADDRESSES_MAX; found = found->ai_next) {
        char text[64] = "";
        int rc = -1;

        if (found->ai_family == AF_INET) {
            rc = uv_ip4_name(
                (const struct sockaddr_in *)(const void *)found->ai_addr, text,
                sizeof(text));
        } else if (found->ai_family == AF_INET6) {
            rc = uv_ip6_name(
                (const struct sockaddr_in6 *)(const void *)found->ai_addr, text,
                sizeof(text));
        }
        if (rc == 0) {
            pg_places_add(&c->places, h, text);
            n++;
        }
    }
}

static void
on_resolved(uv_getaddrinfo_t *req, int status, struct addrinfo *found)
{
    struct pg_resolve *r = req->data;
    struct pg *p = r->pg;
    struct pg_conn *c = r->conn;

    mem_free(r);
    if (c != NULL) {
        c->resolve = NULL;
        if (status == 0) {
            add_addresses(c, &p->target.hosts[c->host_at], found);
        }
        c->host_at++;
    }
    uv_freeaddrinfo(found);
    if (c != NULL) {
        resolve_next(c);
    }
    pg_handle_closed(p);
}

static bool
resolve_start(struct pg_conn *c, const char *name)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct pg_resolve *r = MEM_NEW(struct pg_resolve);

    r->req.data = r;
    r->pg = c->pg;
    r->conn = c;
    if (uv_getaddrinfo(loop_uv(c->pg->loop), &r->req, on_resolved, name, NULL,
                       &hints) != 0) {
        mem_free(r);
        return false;
    }
    c->resolve = r;
    c->pg->handles++;
    return true;
}

static void
resolve_next(struct pg_conn *c)
{
    const struct pg_target *t = &c->pg->target;

    while (c->host_at < t->host_count) {
        const struct pg_host *h = &t->hosts[c->host_at];

        if (h->is_name) {
            if (resolve_start(c, h->name)) {
                return;
            }
        } else {
            pg_places_add(&c->places, h,
                          h->name[0] == '/' || h->name[0] == '@' ? "" :
                                                                   h->name);
        }
        c->host_at++;
    }
    if (t->host_count > 0 && c->places.count == 0) {
        pg_conn_lost(c, ERR_DB_AWAY, "",
                     "the database's host name cannot be resolved");
        return;
    }
    conn_connect(c);
}

void
pg_conn_open(struct pg_conn *c)
{
    pg_places_fini(&c->places);
    pg_places_init(&c->places);
    c->host_at = 0;
    conn_enter(c, PG_RESOLVING);
    loop_timer_start(c->pg->loop, &c->timer, c->pg->connect_timeout_ms,
                     on_connect_timeout, c);
    resolve_next(c);
}

static void
on_backoff(void *arg)
{
    pg_conn_open(conn_from(arg));
}

/* ---- units -------------------------------------------------------------- */

static void
on_unit_timeout(void *arg)
{
    pg_unit_overdue(conn_from(arg));
}

void
pg_conn_busy(struct pg_conn *c, struct pg_op *op)
{
    struct pg *p = c->pg;
    int64_t limit_ms = p->statement_timeout_ms;

    if (op->script != NULL) {
        limit_ms *= PG_SCRIPT_STATEMENTS;
    }
    conn_enter(c, PG_BUSY);
    c->op = op;
    loop_timer_start(p->loop, &c->timer, limit_ms + PG_GRACE_MS,
                     on_unit_timeout, c);
}

/* The unit is off the connection, which can take another. */
void
pg_conn_ready(struct pg_conn *c)
{
    loop_timer_stop(&c->timer);
    if (!c->op->refused) {
        c->attempts = 0;
    }
    c->op = NULL;
    conn_enter(c, PG_READY);
    pg_conn_want(c, false);
}

void
pg_conn_init(struct pg_conn *c, struct pg *p)
{
    c->magic = PG_CONN_MAGIC;
    c->state = PG_DOWN;
    c->pg = p;
    pg_places_init(&c->places);
}

void
pg_conn_close(struct pg_conn *c)
{
    struct pg_op *op = c->op;

    conn_drop(c);
    pg_places_fini(&c->places);
    c->op = NULL;
    pg_op_free(op);
}
