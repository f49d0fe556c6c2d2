/* SPDX-License-Identifier: UNLICENSED */
/*
 * store: jobs, requests and their outcomes. Every statement that changes a job
 * checks the term of the portal's lease in the same statement, under a share
 * lock, so that a take-over comes wholly before or wholly after it.
 */
#include "store_priv.h"

#include <string.h>

static void
job_read(struct store_job *j, const struct pg_reply *r, size_t at, size_t i)
{
    *j = (struct store_job){
        .id = pg_int(r, at, i, "id"),
        .revision = pg_int(r, at, i, "revision"),
        .kind = pg_text(r, at, i, "kind"),
        .fusion_id = pg_text(r, at, i, "fusion_id"),
        .number = pg_text(r, at, i, "number"),
        .klass = pg_text(r, at, i, "class"),
        .verify = pg_bool(r, at, i, "verify"),
        .attempts = (unsigned)pg_int(r, at, i, "attempts"),
        .seen_ago_us = pg_int(r, at, i, "seen_ago_us"),
        .sent_ago_us = pg_int(r, at, i, "sent_ago_us"),
        .desired = pg_text(r, at, i, "desired"),
        .links = pg_text(r, at, i, "links"),
        .parents = pg_text(r, at, i, "parents"),
        .email_holder = pg_text(r, at, i, "email_holder"),
        .amount = pg_text(r, at, i, "amount"),
        .currency = pg_text(r, at, i, "currency"),
    };
}

static void
finish_claim(struct store_op *op, enum err err, const struct pg_reply *r,
             const struct fault *f)
{
    struct store_claim claim = {0};
    struct store_job *jobs;

    if (err != ERR_OK) {
        op->done.claim(op->arg, err, NULL, f);
        return;
    }
    claim.n = pg_rows(r, op->at);
    jobs = mem_array(claim.n, sizeof(*jobs));
    for (size_t i = 0; i < claim.n; i++) {
        job_read(&jobs[i], r, op->at, i);
    }
    claim.jobs = jobs;
    claim.next_due_ms = pg_int(r, op->at + 1, 0, "next_due_ms");
    claim.lease_lost = !pg_bool(r, op->at + 1, 0, "held") && claim.n == 0;
    op->done.claim(op->arg, ERR_OK, &claim, f);
    mem_free(jobs);
}

enum err
store_claim(struct store *s, int64_t tenant, const char *portal, int64_t term,
            const struct store_room *room, store_claim_fn *done, void *arg,
            struct store_op **op)
{
    struct store_op *o = store_op_new(s, finish_claim, arg);
    struct store_call c;
    const char *id;
    const char *held;
    const char *parts;

    o->done.claim = done;
    store_call_init(&c, tenant);
    parts =
        arena_printf(&c.a, "{%d,%d,%d,%d,%d}", room->parts[0], room->parts[1],
                     room->parts[2], room->parts[3], room->parts[4]);
    id = store_call_int(&c, tenant);
    held = store_call_int(&c, term);
    if (room->known != NULL) {
        (void)store_call_add(
            &c, SQL_CLAIM_LOST,
            (const char *const[]){id, portal, held, room->known});
    }
    o->at = store_call_add(&c, SQL_CLAIM,
                           (const char *const[]){id, portal, held,
                                                 store_call_int(&c, room->jobs),
                                                 parts});
    (void)store_call_add(&c, SQL_CLAIM_DUE,
                         (const char *const[]){id, portal, held});
    return store_op_send(o, &c, op);
}

enum err
store_job_counts(struct store *s, int64_t tenant, store_json_fn *done,
                 void *arg, struct store_op **op)
{
    struct store_op *o = store_op_new(s, store_finish_json, arg);
    struct store_call c;
    const char *id;

    o->done.json = done;
    store_call_init(&c, tenant);
    id = store_call_int(&c, tenant);
    (void)store_call_add(&c, SQL_JOB_RELEASE, (const char *const[]){id});
    o->at = store_call_add(&c, SQL_JOB_COUNTS, (const char *const[]){id});
    return store_op_send(o, &c, op);
}

static void
finish_write_open(struct store_op *op, enum err err, const struct pg_reply *r,
                  const struct fault *f)
{
    struct fault lost;

    fault_clear(&lost);
    if (err == ERR_OK && pg_rows(r, 0) == 0) {
        err = fault_set(&lost, ERR_LEASE_LOST,
                        "the lease of this portal is not ours");
        f = &lost;
    }
    op->done.none(op->arg, err, f);
}

enum err
store_write_open(struct store *s, const struct store_write *w,
                 store_done_fn *done, void *arg, struct store_op **op)
{
    struct store_op *o = store_op_new(s, finish_write_open, arg);
    struct store_call c;

    o->done.none = done;
    store_call_init(&c, w->tenant);
    (void)store_call_add(
        &c, SQL_WRITE_OPEN,
        (const char *const[]){w->id, store_call_int(&c, w->tenant), w->portal,
                              w->worker, store_call_int(&c, w->term),
                              w->operation,
                              store_call_int(&c, (int64_t)w->inputs), w->jobs});
    return store_op_send(o, &c, op);
}

static void
finish_outcome(struct store_op *op, enum err err, const struct pg_reply *r,
               const struct fault *f)
{
    struct fault other;
    size_t released = 0;

    fault_clear(&other);
    if (err != ERR_OK) {
        op->done.outcome(op->arg, err, 0, f);
        return;
    }
    if (!pg_bool(r, 0, 0, "held")) {
        err = fault_set(&other, ERR_LEASE_LOST,
                        "the lease of this portal is not ours");
    } else if (!pg_bool(r, 0, 0, "known")) {
        err = fault_set(&other, ERR_NOT_FOUND, "this request was never opened");
    } else {
        released = (size_t)pg_int(r, 0, 0, "released");
    }
    op->done.outcome(op->arg, err, released, &other);
}

enum err
store_outcome(struct store *s, const struct store_outcome *out,
              store_outcome_fn *done, void *arg, struct store_op **op)
{
    struct store_op *o = store_op_new(s, finish_outcome, arg);
    struct store_call c;

    o->done.outcome = done;
    store_call_init(&c, out->tenant);
    (void)store_call_add(
        &c, SQL_OUTCOME,
        (const char *const[]){store_call_int(&c, out->tenant), out->portal,
                              out->worker, store_call_int(&c, out->term),
                              out->write, store_call_int(&c, out->http_status),
                              out->result, store_call_int(&c, out->duration_ms),
                              out->links, out->jobs, out->audit, out->gone});
    return store_op_send(o, &c, op);
}

enum err
store_audit(struct store *s, int64_t tenant, const char *worker,
            const char *audit, store_done_fn *done, void *arg,
            struct store_op **op)
{
    struct store_op *o = store_op_new(s, store_finish_none, arg);
    struct store_call c;

    o->done.none = done;
    store_call_init(&c, tenant);
    (void)store_call_add(
        &c, SQL_AUDIT,
        (const char *const[]){store_call_int(&c, tenant), worker, audit});
    return store_op_send(o, &c, op);
}
