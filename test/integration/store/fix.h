/* SPDX-License-Identifier: UNLICENSED */
#ifndef STORE_FIX_H
#define STORE_FIX_H

/*
 * The fixture of store's tests. One PostgreSQL for the program, one migrated
 * database as template, one database per test. `db` is a plain connection for
 * looking and for setting a scene; calls under test go through the store.
 */
#include "ml/store.h"

#include <libpq-fe.h>

#include "unit.h"

struct fix {
    struct loop *loop;
    struct pg *pg;
    struct store *s;
    PGconn *db;
    char conninfo[320];
    int64_t reader; /* of fix_intake; 0: another each time */
};

/* What a call told; texts are copies. */
struct got {
    struct fix *f;
    unsigned calls;
    enum err err;
    struct fault fault;
    char *json;
    size_t n;
    struct store_lease lease;
    struct store_intake_result intake;
    char *lists[4]; /* unknown/stale customers, unknown/touched invoices */
    char *text;     /* of claims, tenants: one line each */
    int64_t next_due_ms;
    bool lease_lost;
    bool asked; /* of tenants: any */
};

void fix_server_start(void);
void fix_server_stop(void);
/* A database of its own; empty: without schema. */
void fix_open(struct fix *f, bool empty);
void fix_close(struct fix *f);
/* A further store on the same database, as another process would have; extra
 * is added to the connection string. */
void fix_second(struct fix *f, struct fix *second, const char *extra);

/* The first column of the first row, "" for none; lives until the next but
 * seven calls. */
const char *fix_sql(struct fix *f, const char *fmt, ...) PRINTF_LIKE(2, 3);
#define SQL_IS(fx, want, ...) EQ_STR(fix_sql(fx, __VA_ARGS__), want)

/* Runs the loop until the call has told. */
void got_wait(struct fix *f, struct got *g);
void got_clear(struct got *g);

store_done_fn on_done;
store_json_fn on_json;
store_tenants_fn on_tenants;
store_lease_fn on_lease;
/* Until the next call. */
const struct store_lessee *lessee(const char *worker, int64_t ttl_ms);
store_intake_fn on_intake;
store_claim_fn on_claim;
store_outcome_fn on_outcome;

/* Starts the call, waits, checks that it told once, later. The arguments end
 * with the callback. */
#define CALL(fx, got, fn, ...)                                                 \
    do {                                                                       \
        got_clear(got);                                                        \
        (got)->f = (fx);                                                       \
        OK(fn((fx)->s, __VA_ARGS__, (got), NULL));                             \
        EQ_INT((got)->calls, 0);                                               \
        got_wait(fx, got);                                                     \
    } while (0)

/* ---- scenes ------------------------------------------------------------- */

/* Adds the tenant and takes the lease of portal P-<name>; gives its id. */
int64_t fix_tenant(struct fix *f, const char *name);
/* Takes in records (JSON array) at pod time read_s. */
void fix_intake(struct fix *f, struct got *g, int64_t tenant, const char *feed,
                const char *poll, const char *klass, int64_t read_s,
                const char *records);
/* Claims up to limit as holder of the tenant's lease, term 1. */
const struct store_room *fix_room(unsigned jobs);
void fix_claim_room(struct fix *f, struct got *g, int64_t tenant,
                    const struct store_room *room);
void fix_claim(struct fix *f, struct got *g, int64_t tenant, unsigned limit);
/* An outcome without request. */
void fix_outcome(struct fix *f, struct got *g, int64_t tenant,
                 const char *links, const char *jobs, const char *audit);
/* Formats into one of eight static buffers. */
const char *text(const char *fmt, ...) PRINTF_LIKE(1, 2);
/* {"kind":..} of a record; hash is one hex digit that is repeated. */
const char *customer(const char *id, int version, char hash, const char *email);
const char *invoice(const char *id, const char *account, int version,
                    char hash);
const char *payment(const char *id, const char *account, const char *inv,
                    int version, char hash);
/* Makes the customer's two links, or the invoice's one. */
void fix_link(struct fix *f, int64_t tenant, const char *kind, const char *id);

#endif
