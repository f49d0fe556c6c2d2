/* SPDX-License-Identifier: UNLICENSED */
#ifndef ML_PG_PRIV_H
#define ML_PG_PRIV_H

/*
 * What the files of pg share:
 *   pg.c     the pool: queue of units, lanes, public functions, close
 *   conn.c   one connection: names, connecting, backoff, watching its socket
 *   unit.c   one unit on one connection: sending, results, outcome
 *   target.c what the connection string says, and the start-up packet
 *   result.c reading a reply
 */
#include <libpq-fe.h>

#include "ml/pg.h"

enum {
    PG_MAGIC = 0x50474442,
    PG_OP_MAGIC = 0x50474f50,
    PG_CONN_MAGIC = 0x5047434e,
    PG_HOSTS_MAX = 16,    /* hosts in one connection string */
    PG_ADDRESSES_MAX = 8, /* addresses tried of one host name */
    PG_PARAMS_MAX = 64,   /* options of libpq */
    PG_QUEUE_DEFAULT = 10000,
    PG_WAIT_DEFAULT_MS = 30000,
    PG_CONNECT_DEFAULT_MS = 10000,
    PG_LOCK_TIMEOUT_MS = 10000, /* or a third of the statement timeout */
    PG_IDLE_IN_TRANSACTION_MS = 60000,
    PG_GRACE_MS = 5000, /* what a unit may take beyond the server's limit */
    PG_SCRIPT_STATEMENTS = 20, /* a script's time, in statement timeouts */
    PG_BACKOFF_MIN_MS = 100,
    PG_BACKOFF_MAX_MS = 5000,
    PG_TRIES = 3, /* further ones after a serialization failure */
    PG_UNIT_BYTES_MAX = 64 * 1024 * 1024,
    PG_QUEUE_BYTES_MAX = 256 * 1024 * 1024 /* of all units that wait */
};

/* ---- target ------------------------------------------------------------- */

struct pg_host {
    char *name;   /* "" for libpq's default socket */
    char *port;   /* "" for the default */
    bool is_name; /* must be resolved */
};

/* The connection string, taken apart once. */
struct pg_target {
    char *keywords[PG_PARAMS_MAX];
    char *values[PG_PARAMS_MAX];
    size_t params;
    struct pg_host hosts[PG_HOSTS_MAX];
    size_t host_count; /* 0 when hostaddr was given: passed on as it is */
    char *options;     /* the operator's own start-up options, "" */
};

/* The places to try, each list with commas between. */
struct pg_places {
    struct buf hosts;
    struct buf addresses;
    struct buf ports;
    size_t count;
    bool has_address;
};

/* Writable: hosts that take no writes are passed over. */
MUST_USE enum err pg_target_parse(const char *conninfo, const char *application,
                                  bool writable, struct pg_target *t,
                                  struct fault *f);
void pg_target_fini(struct pg_target *t);
void pg_places_init(struct pg_places *p);
void pg_places_fini(struct pg_places *p);
void pg_places_add(struct pg_places *p, const struct pg_host *h,
                   const char *address);
/* Starts connecting; plain leaves our options out of the start-up packet. */
PGconn *pg_target_connect(const struct pg_target *t,
                          const struct pg_places *places,
                          int64_t statement_timeout_ms, int64_t lock_timeout_ms,
                          bool plain);

/* ---- one unit of work --------------------------------------------------- */

struct pg_op {
    unsigned magic;
    struct pg *pg;
    struct list link; /* in the queue while waiting */
    struct loop_timer wait;
    uint64_t lane;
    pg_done_fn *done; /* NULL: cancelled on its way */
    void *arg;
    struct arena arena; /* copies of what was passed */
    size_t bytes;       /* of its values */
    struct pg_statement *statements;
    size_t count;
    const char *script; /* instead of statements */
    PGresult **results; /* of each statement, NULL until there */
    size_t lead;        /* statements of ours before the unit's own */
    size_t at; /* the statement whose results are next, counting lead */
    bool synced;
    bool flushed; /* all of it left us, the Sync too */
    bool refused; /* the server answered with an error: nothing happened */
    unsigned tries;
    int64_t last_us; /* when the previous result came, or the start */
    struct fault fault;
};

struct pg_op *pg_op_from(void *arg);
void pg_op_free(struct pg_op *op);

/* ---- one connection ----------------------------------------------------- */

enum pg_conn_state {
    PG_DOWN,       /* waiting for the backoff timer */
    PG_RESOLVING,  /* a name is in libuv's pool */
    PG_CONNECTING, /* PQconnectPoll */
    PG_READY,      /* idle */
    PG_BUSY        /* runs a unit */
};

struct pg_watch;
struct pg_resolve;

struct pg_conn {
    unsigned magic;
    enum pg_conn_state state; /* written only by conn_enter() */
    struct pg *pg;
    PGconn *db;
    struct pg_watch *watch;
    struct pg_resolve *resolve; /* pending in RESOLVING */
    struct loop_timer timer; /* backoff, connect or unit, as the state says */
    size_t host_at;
    struct pg_places places;
    bool plain;        /* connected without options in the start-up packet */
    unsigned attempts; /* since a unit last ended well */
    struct pg_op *op;  /* in BUSY */
};

struct pg {
    unsigned magic;
    struct loop *loop;
    struct pg_target target;
    int64_t statement_timeout_ms;
    int64_t lock_timeout_ms;
    int64_t connect_timeout_ms;
    bool writable;
    int64_t away_since_us; /* 0: there is a connection, or was none yet */
    size_t queue_max;
    size_t queued_bytes;
    int64_t wait_ms;
    struct pg_conn *conns;
    size_t conn_count;
    struct list queue;
    size_t queued;
    bool plain; /* the peer takes no options in the start-up packet */
    struct fault fault;
    struct loop_call pump;
    size_t handles; /* watches and resolves, open or closing */
    bool closing;
    loop_fn *closed;
    void *closed_arg;
    struct loop_call finish;
};

/* pg.c */
void pg_poke(struct pg *p);
void pg_tell(struct pg_op *op, enum err err); /* done, then frees op */
void pg_fail_waiting(struct pg *p, const struct fault *f);
void pg_handle_closed(struct pg *p);

/* conn.c */
void pg_conn_init(struct pg_conn *c, struct pg *p);
void pg_conn_open(struct pg_conn *c);
void pg_conn_close(struct pg_conn *c); /* for good; its unit dies silently */
void pg_conn_lost(struct pg_conn *c, enum err err, const char *code,
                  const char *message);
void pg_conn_busy(struct pg_conn *c, struct pg_op *op);
void pg_conn_ready(struct pg_conn *c);
void pg_conn_want(struct pg_conn *c, bool write);
/* Whether the server said that it takes no writes, and we need one that does. */
bool pg_conn_is_read_only(const struct pg_conn *c);

/* unit.c */
#define PG_READ_ONLY "25006" /* SQLSTATE read_only_sql_transaction */
enum err pg_sqlstate_err(const char *sqlstate);
void pg_unit_start(struct pg_conn *c, struct pg_op *op);
void pg_unit_io(struct pg_conn *c, bool readable);
void pg_unit_overdue(struct pg_conn *c);
/* The connection is gone: its unit's outcome. */
void pg_unit_broken(struct pg_conn *c, const char *message);

#endif
