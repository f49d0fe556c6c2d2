/* SPDX-License-Identifier: UNLICENSED */
/*
 * store: leases of portals. The store remembers the term of each lease it
 * holds: a renewal names worker and term, so a process that starts under the
 * name of one that died takes the lease over (with a new term and all the
 * caution that asks for) instead of renewing it. Also what the holder stores of
 * its budget.
 */
#include "store_priv.h"

#include <limits.h>
#include <string.h>

static void
term_forget(struct store *s, const char *portal)
{
    mem_free(map_del(&s->terms, portal));
}

static void
term_remember(struct store *s, const char *portal, int64_t term)
{
    struct store_term *kept = map_get(&s->terms, portal);

    if (kept == NULL) {
        kept = mem_alloc(sizeof(*kept));
        (void)map_put(&s->terms, portal, kept);
    }
    *kept = (struct store_term){term, clock_mono_us()};
}

void
store_lease_forget(struct store *s, const char *portal)
{
    term_forget(s, portal);
}

static void
finish_take(struct store_op *op, enum err err, const struct pg_reply *r,
            const struct fault *f)
{
    struct store_lease lease = {0};
    size_t at = op->at;
    int64_t out;

    if (err != ERR_OK) {
        /* Whether it was taken is not known; a term kept stays true. */
        op->done.lease(op->arg, err, NULL, f);
        return;
    }
    out = pg_int(r, at, 0, "tokens_out");
    lease.held = pg_bool(r, at, 0, "held");
    lease.term = pg_int(r, at, 0, "term");
    lease.ttl_ms = pg_int(r, at, 0, "ttl_ms");
    lease.hold_ms = pg_int(r, at, 0, "hold_ms");
    lease.holder = pg_text(r, at, 0, "holder");
    if (lease.hold_ms > 0) {
        lease.hold = pg_bool(r, at, 0, "unclean") || out >= UINT_MAX ?
                         UINT_MAX :
                         (unsigned)out;
    }
    if (lease.held) {
        term_remember(op->s, op->text, lease.term);
    } else {
        term_forget(op->s, op->text);
    }
    op->done.lease(op->arg, ERR_OK, &lease, f);
}

enum err
store_lease_take(struct store *s, const char *portal, const char *worker,
                 int64_t ttl_ms, store_lease_fn *done, void *arg,
                 struct store_op **op)
{
    struct store_op *o = store_op_new(s, finish_take, arg);
    const struct store_term *known = map_get(&s->terms, portal);
    const char *ttl, *term, *renewed;
    struct store_call c;

    o->done.lease = done;
    o->text = mem_strdup(portal);
    store_call_init(&c, 0);
    ttl = store_call_int(&c, ttl_ms);
    term = store_call_int(&c, known != NULL ? known->term : 0);
    renewed = store_call_int(
        &c, known != NULL ? (clock_mono_us() - known->renewed_us) / 1000 : 0);
    (void)store_call_add(&c, SQL_LEASE_DOUBT,
                         (const char *const[]){portal, ttl, term, renewed});
    o->at = store_call_add(&c, SQL_LEASE_TAKE,
                           (const char *const[]){portal, worker, ttl, term});
    (void)store_call_add(&c, SQL_LEASE_RECOVER, (const char *const[]){portal});
    return store_op_send(o, &c, op);
}

static void
finish_release(struct store_op *op, enum err err, const struct pg_reply *r,
               const struct fault *f)
{
    struct fault lost;

    fault_clear(&lost);
    if (err == ERR_OK) {
        term_forget(op->s, op->text);
        if (pg_rows(r, 0) == 0) {
            err = fault_set(&lost, ERR_LEASE_LOST,
                            "the lease of this portal was not ours");
            f = &lost;
        }
    }
    op->done.none(op->arg, err, f);
}

enum err
store_lease_release(struct store *s, const char *portal, const char *worker,
                    int64_t term, unsigned out, int64_t back_ms,
                    store_done_fn *done, void *arg, struct store_op **op)
{
    struct store_op *o = store_op_new(s, finish_release, arg);
    struct store_call c;

    o->done.none = done;
    o->text = mem_strdup(portal);
    store_call_init(&c, 0);
    (void)store_call_add(&c, SQL_LEASE_RELEASE,
                         (const char *const[]){portal, worker,
                                               store_call_int(&c, term),
                                               store_call_int(&c, out),
                                               store_call_int(&c, back_ms)});
    (void)store_call_add(&c, SQL_LEASE_RECOVER, (const char *const[]){portal});
    return store_op_send(o, &c, op);
}

enum err
store_budget_save(struct store *s, const struct store_budget *b,
                  store_json_fn *done, void *arg, struct store_op **op)
{
    struct store_op *o = store_op_new(s, store_finish_json, arg);
    struct store_call c;

    o->done.json = done;
    store_call_init(&c, 0);
    (void)store_call_add(
        &c, SQL_BUDGET_SAVE,
        (const char *const[]){b->portal, b->worker, store_call_int(&c, b->term),
                              b->time_zone, store_call_int(&c, b->day),
                              b->counts});
    return store_op_send(o, &c, op);
}
