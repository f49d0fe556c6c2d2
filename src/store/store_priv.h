/* SPDX-License-Identifier: UNLICENSED */
#ifndef STORE_PRIV_H
#define STORE_PRIV_H

/*
 * How every call of store is made: a list of statements with their values goes
 * to pg as one transaction; when the answer comes the operation is retired
 * first (unlinked and freed; what its finisher needs is a copy on the stack),
 * then the finisher reads the rows and tells the caller. Nothing is touched
 * after the caller was told.
 */
#include "ml/store.h"
#include "store_sql.h"

enum { STORE_MAGIC = 0x73746f72, STORE_OP_MAGIC = 0x73746f70 };
enum { STORE_STEPS_MAX = 16 };

struct store_plan; /* store_plan.c */

/* Our term of a lease, and when we last took or renewed it (monotonic). */
struct store_term {
    int64_t term, renewed_us;
};

struct store {
    unsigned magic;
    struct loop *loop;       /* borrowed */
    struct pg *pg;           /* borrowed; of a plan: its own */
    struct store_plan *plan; /* NULL: what is stored counts */
    struct list ops;
    struct map terms;    /* portal -> struct store_term: taken one by one */
    struct map fences;   /* tenant id -> struct store_fence */
    struct list plans;   /* of this store, until they are closed */
    loop_fn *plans_done; /* waits for their end */
    void *plans_arg;
    struct loop_timer plans_wait;
    struct loop_call plans_gone;
    int64_t released_tenant; /* upkeep: where its look at waiting jobs is; */
    char *released_name;     /* NULL: at the beginning */
};

struct store_fence {
    char *portal;
    int64_t term;
};

struct store_migration; /* store_schema.c */

/* Reads the answer and calls done. r is NULL only when err is not OK. */
typedef void store_finish_fn(struct store_op *op, enum err err,
                             const struct pg_reply *r, const struct fault *f);

struct store_op {
    unsigned magic;
    struct list link;
    struct store *s;
    struct pg_op *pg;
    store_finish_fn *finish;
    union {
        store_done_fn *none;
        store_json_fn *json;
        store_tenants_fn *tenants;
        store_lease_fn *lease;
        store_beat_fn *beat;
        store_intake_fn *intake;
        store_claim_fn *claim;
        store_plan_fn *plan;
        store_outcome_fn *outcome;
    } done;
    void *arg;
    size_t at;                         /* the statement whose rows count */
    size_t also;                       /* another one; 0: none */
    char *text;                        /* owned: portal of a lease */
    struct store_migration *migration; /* owned */
};

/* A call being put together; lives on the stack of one function. */
struct store_call {
    struct arena a;
    struct pg_statement steps[STORE_STEPS_MAX];
    size_t count;
    uint64_t lane; /* 0: any order */
    bool bare;     /* in a plan: about its row, so as it stands */
};
void store_call_init(struct store_call *c, int64_t tenant);
const char *store_call_int(struct store_call *c, int64_t v);
/* values: as many as the statement has parameters. The array is copied, the
 * texts are borrowed until sent. Gives the statement's index. */
size_t store_call_add(struct store_call *c, enum store_sql_id id,
                      const char *const *values);

/* The first step of what changes something of the tenant: whether the fence
 * still stands; none where there is no fence. */
void store_call_fence(struct store_call *c, struct store *s, int64_t tenant);

struct store_op *store_op_new(struct store *s, store_finish_fn *finish,
                              void *arg);
/* Sends, ends the call and gives the operation to *out (may be NULL). When it
 * fails the operation is gone. */
MUST_USE enum err store_op_send(struct store_op *op, struct store_call *c,
                                struct store_op **out);
void store_op_free(struct store_op *op); /* unlinks; NULL does nothing */
void store_migration_free(struct store_migration *m);

/* The error of an answer, as callers should see it: *f is filled. A missing
 * table is SCHEMA_OLD, a deadlock DB_TIMEOUT. */
enum err store_reply_err(enum err err, const struct pg_reply *r,
                         struct fault *f);

/* The tables that plans have copies of, NULL at the end. */
extern const char *const store_plan_tables[];
/* The statement on the tables of plans; NULL when it would write to any other.
 * Gives. */
char *store_plan_text(const char *sql);
/* Makes the call one of the plan: with other tables, after its own statement. */
MUST_USE enum err store_plan_call(struct store_op *op, struct store_call *c);
void store_plan_free(struct store_plan *p);

/* Finishers of the plain shapes. */
store_finish_fn store_finish_none; /* done.none; rows do not matter */
store_finish_fn store_finish_json; /* done.json; column json of `at` */

#endif
