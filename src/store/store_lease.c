/* SPDX-License-Identifier: UNLICENSED */
/*
 * store: leases of portals. A renewal names worker and term, so a process that
 * starts under the name of one that died takes the lease over (with a new term
 * and all the caution that asks for) instead of renewing it. Workers say the
 * terms of all their leases in one beat; of those taken one by one the store
 * remembers them. Also what the holder stores of its budget.
 */
#include "store_priv.h"

#include <inttypes.h>
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

/* What both ways of taking say alike. */
static struct store_lease
read_lease(const struct pg_reply *r, size_t at, size_t row)
{
    struct store_lease lease = {
        .term = pg_int(r, at, row, "term"),
        .ttl_ms = pg_int(r, at, row, "ttl_ms"),
        .hold_ms = pg_int(r, at, row, "hold_ms"),
        .holder = pg_text(r, at, row, "holder"),
    };
    int64_t out = pg_int(r, at, row, "tokens_out");

    if (lease.hold_ms > 0) {
        lease.hold = out < 0 || out >= UINT_MAX ? UINT_MAX : (unsigned)out;
    }
    return lease;
}

static void
finish_take(struct store_op *op, enum err err, const struct pg_reply *r,
            const struct fault *f)
{
    struct store_lease lease;

    if (err != ERR_OK) {
        /* Whether it was taken is not known; a term kept stays true. */
        op->done.lease(op->arg, err, NULL, f);
        return;
    }
    lease = read_lease(r, op->at, 0);
    lease.held = pg_bool(r, op->at, 0, "held");
    if (lease.held) {
        term_remember(op->s, op->text, lease.term);
    } else {
        term_forget(op->s, op->text);
    }
    op->done.lease(op->arg, ERR_OK, &lease, f);
}

static void
add_doubt(struct store_call *c, const char *held, const char *wanted,
          const struct store_lessee *who, bool patient)
{
    size_t at = store_call_add(
        c, SQL_LEASE_DOUBT,
        (const char *const[]){held, wanted, store_call_int(c, who->ttl_ms),
                              patient ? "true" : "false"});

    c->steps[at].aside = true;
}

enum err
store_lease_take(struct store *s, const char *portal,
                 const struct store_lessee *who, store_lease_fn *done,
                 void *arg, struct store_op **op)
{
    struct store_op *o = store_op_new(s, finish_take, arg);
    const struct store_term *known = map_get(&s->terms, portal);
    const char *held = "[]", *wanted;
    struct store_call c;

    o->done.lease = done;
    o->text = mem_strdup(portal);
    store_call_init(&c, 0);
    wanted = arena_printf(&c.a, "[\"%s\"]", portal);
    if (known != NULL) {
        held = arena_printf(
            &c.a,
            "[{\"portal\":\"%s\",\"term\":%" PRId64 ",\"age\":%" PRId64 "}]",
            portal, known->term, (clock_mono_us() - known->renewed_us) / 1000);
        wanted = "[]";
    }
    add_doubt(&c, held, wanted, who, false);
    o->at =
        store_call_add(&c, SQL_LEASE_TAKE,
                       (const char *const[]){
                           portal, who->worker, store_call_int(&c, who->ttl_ms),
                           store_call_int(&c, who->window_ms),
                           store_call_int(&c, known ? known->term : 0)});
    (void)store_call_add(&c, SQL_LEASE_RECOVER, (const char *const[]){portal});
    return store_op_send(o, &c, op);
}

/* ---- all at once -------------------------------------------------------- */

static enum store_lease_event
read_event(const char *name)
{
    static const char *const names[] = {[STORE_LEASE_RENEWED] = "renewed",
                                        [STORE_LEASE_LOST] = "lost",
                                        [STORE_LEASE_TAKEN] = "taken",
                                        [STORE_LEASE_BUSY] = "busy"};
    size_t i = 0;

    while (strcmp(names[i], name) != 0) {
        i++;
        ML_ASSERT(i < COUNT_OF(names));
    }
    return (enum store_lease_event)i;
}

static void
finish_beat(struct store_op *op, enum err err, const struct pg_reply *r,
            const struct fault *f)
{
    struct store_beat_lease *leases;
    struct store_beat b = {0};
    size_t at = op->at, n;

    if (err != ERR_OK) {
        op->done.beat(op->arg, err, NULL, f);
        return;
    }
    n = pg_rows(r, at);
    leases = mem_array(n, sizeof(*leases));
    b.share = (uint64_t)pg_int(r, at, 0, "share");
    b.workers = (uint64_t)pg_int(r, at, 0, "workers");
    b.portals = (uint64_t)pg_int(r, at, 0, "portals");
    b.next_ms = pg_int(r, at, 0, "next_ms");
    b.leases = leases;
    for (size_t i = 0; i < n; i++) {
        const char *event = pg_text(r, at, i, "event");

        if (event != NULL) { /* a row without says the rest only */
            struct store_beat_lease *l = &leases[b.n++];

            l->event = read_event(event);
            l->portal = pg_text(r, at, i, "portal");
            l->lease = read_lease(r, at, i);
            l->lease.held = l->event == STORE_LEASE_RENEWED ||
                            l->event == STORE_LEASE_TAKEN;
        }
    }
    op->done.beat(op->arg, ERR_OK, &b, f);
    mem_free(leases);
}

enum err
store_lease_beat(struct store *s, const struct store_beat_spec *spec,
                 store_beat_fn *done, void *arg, struct store_op **op)
{
    static const char *const modes[] = {[STORE_BEAT_SHARES] = "shares",
                                        [STORE_BEAT_ALL] = "all",
                                        [STORE_BEAT_LEAVES] = "leaves"};
    struct store_op *o = store_op_new(s, finish_beat, arg);
    struct store_call c;

    o->done.beat = done;
    store_call_init(&c, 0);
    c.lane = PG_LANE_FIRST; /* a lease must not run out in a queue */
    add_doubt(&c, spec->held, spec->wanted, &spec->who, spec->patient);
    o->at = store_call_add(
        &c, SQL_LEASE_BEAT,
        (const char *const[]){spec->process, spec->who.worker, spec->version,
                              store_call_int(&c, spec->who.ttl_ms),
                              store_call_int(&c, spec->who.window_ms),
                              spec->held, spec->wanted,
                              store_call_int(&c, spec->most), modes[spec->mode],
                              spec->patient ? "true" : "false"});
    (void)store_call_add(&c, SQL_LEASE_RECOVER, (const char *const[]){NULL});
    return store_op_send(o, &c, op);
}

/* ---- giving back -------------------------------------------------------- */

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
