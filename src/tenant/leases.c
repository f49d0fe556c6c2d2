/* SPDX-License-Identifier: UNLICENSED */
/*
 * The leases of all portals of this worker, in one statement: the beat.
 *
 *     beat --answer--> renewed, taken, lost; what is over the share given back
 *      ^                 |
 *      +-- a third of a lease's life, when the next lease or worker runs out, or
 *          soon: something is wanted, or doubted
 *
 * A worker's share is the portals by the workers alive, as the database counts
 * them at that moment: what one takes above another's expectation is given back
 * with a later beat. run --once takes what is free and shares with nobody.
 */
#include "tenant_priv.h"

#include <string.h>

enum {
    TAKE_MOST = 200, /* in one beat: the statement stays short */
    SOON_MS = 1000,  /* the database is away, or there is still less than the
                        share: others may be about to give back */
    LATE_MS = 5,     /* after a lease ran out, by the database's clock */
    KEYS_MAX = 64 << 20
};

static struct tenants *
tenants_from(void *arg)
{
    struct tenants *t = arg;

    ML_ASSERT(t->magic == TENANTS_MAGIC);
    return t;
}

/* ---- what comes back ---------------------------------------------------- */

static void
on_returned(void *arg, enum err err, const struct fault *f)
{
    char safe[LOG_TEXT_MAX];

    (void)arg;
    if (err != ERR_OK) {
        LOG_WARN(NULL, "portal.unreleased", "error=%s message=\"%s\"",
                 err_name(err), log_safe(safe, f->message));
    }
}

/* Taken, but nobody wants it here any more. */
static void
give_back(struct tenants *t, const struct store_beat_lease *l)
{
    if (store_lease_release(t->store, l->portal, t->config.worker,
                            l->lease.term, l->lease.hold, l->lease.hold_ms,
                            on_returned, NULL, NULL) != ERR_OK) {
        LOG_WARN(NULL, "portal.unreleased", "portal=%s", l->portal);
    }
}

static void
take_answer(struct tenants *t, const struct store_beat_lease *l)
{
    struct portal *p = portal_find(t, l->portal);

    switch (l->event) {
    case STORE_LEASE_RENEWED:
        if (p != NULL) {
            portal_renewed(p, &l->lease);
        }
        break;
    case STORE_LEASE_TAKEN:
        if (p == NULL || !portal_taken(p, &l->lease)) {
            give_back(t, l);
        }
        break;
    case STORE_LEASE_LOST:
        if (p != NULL) {
            portal_lost(p, &l->lease);
        }
        break;
    case STORE_LEASE_BUSY:
    default:
        if (p != NULL) {
            mem_free(p->holder);
            p->holder = mem_strdup(l->lease.holder);
        }
        break;
    }
}

static uint64_t
count_held(const struct tenants *t)
{
    struct list *item, *next;
    uint64_t n = 0;

    LIST_EACH((struct list *)(uintptr_t)&t->portals, item, next)
    {
        n += CONTAINER_OF(item, struct portal, link)->state == PORTAL_HELD ? 1 :
                                                                             0;
    }
    return n;
}

/* What this worker has above its share goes to the others; what has nothing to
 * do first. */
static void
level(struct tenants *t, uint64_t share)
{
    uint64_t held = count_held(t);
    struct list *item, *next;

    for (int busy = 0; busy < 2 && held > share; busy++) {
        LIST_EACH(&t->portals, item, next)
        {
            struct portal *p = CONTAINER_OF(item, struct portal, link);

            if (held > share && p->state == PORTAL_HELD &&
                p->dispatch != NULL && !p->identifying &&
                (busy == 1 || dispatch_is_idle(p->dispatch))) {
                LOG_INFO(NULL, "portal.shared",
                         "portal=%s held=%" PRIu64 " share=%" PRIu64, p->key,
                         held, share);
                portal_stop(p);
                held--;
            }
        }
    }
}

/* More than the share may be because tenants went that are still known here:
 * first they are looked at again. */
static void
look_at_share(struct tenants *t, uint64_t share)
{
    if (t->config.once || t->stopping || count_held(t) <= share) {
        t->over = SHARE_KEPT;
    } else if (t->over == SHARE_LOOKED) {
        t->over = SHARE_KEPT;
        level(t, share);
    } else {
        t->over = SHARE_OVER;
        tenants_reload_soon(t);
    }
}

void
leases_looked(struct tenants *t)
{
    if (t->over == SHARE_OVER) {
        t->over = SHARE_LOOKED;
        leases_soon(t);
    }
}

/* Portals are asked about anew with each beat; run --once ends when all were. */
static void
note_asked(struct tenants *t)
{
    struct list *item, *next;

    LIST_EACH(&t->portals, item, next)
    {
        struct portal *p = CONTAINER_OF(item, struct portal, link);

        if (p->asking || !portal_wants(p)) {
            p->asking = false;
            p->asked = true;
            portal_check(p);
        }
    }
}

static size_t
count_wanted(const struct tenants *t)
{
    struct list *item, *next;
    size_t n = 0;

    LIST_EACH((struct list *)(uintptr_t)&t->portals, item, next)
    {
        n += portal_wants(CONTAINER_OF(item, struct portal, link)) ? 1 : 0;
    }
    return n;
}

/* ---- the beat ----------------------------------------------------------- */

static void on_beat(void *arg);

static void
beat_after(struct tenants *t, int64_t ms)
{
    loop_timer_start(t->loop, &t->beat, t->beat_again ? 0 : ms, on_beat, t);
    t->beat_again = t->beating = false;
}

static int64_t
next_beat_ms(struct tenants *t, const struct store_beat *b)
{
    int64_t ms = t->config.conf->lease_ttl / 3;
    uint64_t held = 0;
    size_t taken = 0;

    for (size_t i = 0; i < b->n; i++) {
        held += b->leases[i].lease.held ? 1 : 0;
        taken += b->leases[i].event == STORE_LEASE_TAKEN ? 1 : 0;
    }
    if (taken == TAKE_MOST) {
        return 0;
    }
    if (held < b->share && !t->config.once && count_wanted(t) > 0) {
        ms = ms < SOON_MS ? ms : SOON_MS;
    }
    return b->next_ms + LATE_MS < ms ?
               (b->next_ms > 0 ? b->next_ms : 0) + LATE_MS :
               ms;
}

/* The database is there and refuses to renew: others take what has run out. */
static void
drop_run_out(struct tenants *t)
{
    int64_t since_us =
        clock_mono_us() - t->config.conf->lease_ttl * INT64_C(1000);
    struct list *item, *next;

    LIST_EACH(&t->portals, item, next)
    {
        struct portal *p = CONTAINER_OF(item, struct portal, link);
        struct store_lease over = {.term = p->term};

        if (p->state != PORTAL_WAITING && p->leased_us < since_us) {
            portal_lost(p, &over);
        }
    }
}

static void
on_beaten(void *arg, enum err err, const struct store_beat *b,
          const struct fault *f)
{
    struct tenants *t = tenants_from(arg);
    char safe[LOG_TEXT_MAX];

    t->beat_op = NULL;
    if (t->stopping && !t->left && !t->beat_again) {
        t->left = true; /* or it runs out by itself */
        tenants_check(t);
    }
    if (err != ERR_OK) {
        if (!t->beat_fails) {
            LOG_WARN(NULL, "portal.unleased", "error=%s message=\"%s\"",
                     err_name(err), log_safe(safe, f->message));
        }
        t->beat_fails = true;
        t->beat_fault = *f;
        if (err_class(err) != ERR_CLASS_AGAIN) {
            drop_run_out(t);
        }
        note_asked(t);
        beat_after(t, SOON_MS);
        return;
    }
    t->beat_fails = false;
    t->beat_us = clock_mono_us();
    if (t->beat_share != b->share || t->beat_workers != b->workers) {
        t->beat_share = b->share;
        t->beat_workers = b->workers;
        if (!t->config.once && !t->stopping) {
            LOG_INFO(NULL, "worker.share",
                     "share=%" PRIu64 " portals=%" PRIu64 " workers=%" PRIu64,
                     b->share, b->portals, b->workers);
        }
    }
    for (size_t i = 0; i < b->n; i++) {
        take_answer(t, &b->leases[i]);
        if (b->leases[i].event == STORE_LEASE_TAKEN &&
            b->leases[i].lease.term > 1 && !t->config.once) {
            tenants_reload_soon(t); /* for what commands asked the other */
        }
    }
    look_at_share(t, b->share);
    note_asked(t);
    beat_after(t, next_beat_ms(t, b));
}

/* After a silence longer than a lease's life, those who were cut off like us have
 * so long to renew what ran out meanwhile; at first, those who may have been. */
static void
look_at_grace(struct tenants *t)
{
    int64_t ttl_us = t->config.conf->lease_ttl * 1000;
    int64_t now_us = clock_mono_us();

    if (t->config.once) {
        return;
    }
    if (t->begun_us == 0) {
        t->begun_us = now_us;
    }
    if (t->beat_us != 0 && now_us - t->beat_us > ttl_us) {
        t->grace_until_us = now_us + ttl_us;
    }
}

static bool
is_new(const struct tenants *t)
{
    return !t->config.once &&
           clock_mono_us() - t->begun_us < t->config.conf->lease_ttl * 1000;
}

/* [{"portal","term","age"},..] of what is held, ["4711",..] of what is wanted. */
static void
put_portals(struct tenants *t, struct buf *held, struct buf *wanted)
{
    struct jsonx_writer h, w;
    struct list *item, *next;

    jsonx_begin(&h, held);
    jsonx_begin(&w, wanted);
    jsonx_open(&h, '[');
    jsonx_open(&w, '[');
    LIST_EACH(&t->portals, item, next)
    {
        struct portal *p = CONTAINER_OF(item, struct portal, link);

        if (p->state != PORTAL_WAITING) {
            p->asked_us = clock_mono_us();
            jsonx_open(&h, '{');
            jsonx_add_text(&h, "portal", p->key);
            jsonx_add_int(&h, "term", p->term);
            jsonx_add_int(&h, "age", (p->asked_us - p->leased_us) / 1000);
            jsonx_close(&h, '}');
        } else if (portal_wants(p)) {
            p->asked_us = clock_mono_us();
            p->asking = true;
            jsonx_put_text(&w, p->key);
        }
    }
    jsonx_close(&h, ']');
    jsonx_close(&w, ']');
}

static void
on_beat(void *arg)
{
    struct tenants *t = tenants_from(arg);
    struct store_beat_spec spec = {
        .process = t->process,
        .version = ML_VERSION,
        .who = tenant_lessee(t->config.conf, t->config.worker),
        .most = TAKE_MOST,
        .mode = t->stopping || t->keyless ? STORE_BEAT_LEAVES :
                t->config.once            ? STORE_BEAT_ALL :
                                            STORE_BEAT_SHARES,
    };
    struct buf held, wanted;

    look_at_grace(t);
    if (clock_mono_us() < t->grace_until_us) {
        spec.most = 0;
    }
    spec.patient = spec.most == 0 || is_new(t);
    t->beating = true;
    buf_init(&held, KEYS_MAX);
    buf_init(&wanted, KEYS_MAX);
    put_portals(t, &held, &wanted);
    spec.held = buf_text(&held);
    spec.wanted = buf_text(&wanted);
    if (store_lease_beat(t->store, &spec, on_beaten, t, &t->beat_op) !=
        ERR_OK) {
        t->beat_op = NULL;
        beat_after(t, SOON_MS);
    }
    buf_fini(&held);
    buf_fini(&wanted);
}

void
leases_soon(struct tenants *t)
{
    if (t->beating) {
        t->beat_again = true;
    } else {
        loop_timer_start(t->loop, &t->beat, 0, on_beat, t);
    }
}

void
leases_close(struct tenants *t)
{
    store_cancel(t->beat_op);
    t->beat_op = NULL;
    loop_timer_stop(&t->beat);
}

const char *
tenants_unleased(const struct tenants *t)
{
    int64_t since_us = t->beat_us != 0 ? t->beat_us : t->begun_us;

    return t->beat_fails && clock_mono_us() - since_us >
                                t->config.conf->lease_ttl * INT64_C(1000) ?
               store_fault_cause(&t->beat_fault) :
               NULL;
}

bool
tenants_keyless(const struct tenants *t)
{
    return t->keyless;
}
