/* SPDX-License-Identifier: UNLICENSED */
/*
 * The feeds of one tenant: when they poll, and what the tenant is told.
 *
 *     IDLE --timer, round, want--> POLLING --ok--> IDLE
 *      ^                             | failed
 *      +--- BACKOFF, MAINTENANCE <---+
 *
 * Timers fire at a phase of the interval that depends on tenant and feed only,
 * so that thousands of tenants spread and a restart starts no stampede. A
 * round polls invoices, then customers (now with what invoices say of them),
 * then payments; a tenant that was never polled begins with one.
 *
 * Events are told from a deferred call of their own, one a turn: the tenant
 * may free everything inside.
 */
#include "feed_priv.h"
#include "ml/policy.h"
#include "ml/stat.h"

#include <string.h>

enum { POD_STEP_US = 5 * 1000000, MAINTENANCE_FACTOR = 4 };

static const char *const kind_names[] = {
    [FEED_CUSTOMERS] = "customers",
    [FEED_INVOICES] = "invoices",
    [FEED_PAYMENTS] = "payments",
};
static const char *const state_names[] = {
    [FEED_IDLE] = "idle",
    [FEED_POLLING] = "polling",
    [FEED_BACKOFF] = "backoff",
    [FEED_MAINTENANCE] = "maintenance",
};
static const unsigned may[] = {
    [FEED_IDLE] = BIT(FEED_POLLING),
    [FEED_POLLING] = BIT(FEED_IDLE) | BIT(FEED_BACKOFF) | BIT(FEED_MAINTENANCE),
    [FEED_BACKOFF] = BIT(FEED_POLLING) | BIT(FEED_IDLE),
    [FEED_MAINTENANCE] = BIT(FEED_POLLING) | BIT(FEED_IDLE),
};
static const enum feed_kind round_order[] = {FEED_INVOICES, FEED_CUSTOMERS,
                                             FEED_PAYMENTS};

const char *
feed_kind_name(enum feed_kind k)
{
    ML_ASSERT(k >= 0 && k < FEED_KINDS);
    return kind_names[k];
}

bool
feed_kind_parse(const char *s, enum feed_kind *k)
{
    for (size_t i = 0; i < COUNT_OF(kind_names); i++) {
        if (text_equal(s, kind_names[i])) {
            *k = (enum feed_kind)i;
            return true;
        }
    }
    return false;
}

const char *const *
feed_streams(enum feed_kind k)
{
    static const char *const streams[FEED_KINDS][STREAMS_MAX + 1] = {
        [FEED_CUSTOMERS] = {"receivablesCustomerAccountActivities",
                            "hubOrganizations", "hubPersons"},
        [FEED_INVOICES] = {"receivablesInvoices"},
        [FEED_PAYMENTS] = {"standardReceipts"},
    };

    ML_ASSERT(k >= 0 && k < FEED_KINDS);
    return streams[k];
}

static struct feeds *
feeds_from(void *arg)
{
    struct feeds *f = arg;

    ML_ASSERT(f != NULL && f->magic == MAGIC_FEEDS);
    return f;
}

void
feed_enter(struct feed *s, enum feed_state next)
{
    struct log_ctx log = {.tenant = s->f->name, .feed = kind_names[s->kind]};

    ML_ASSERT((may[s->state] & BIT(next)) != 0);
    LOG_DEBUG(&log, "feed.state", "from=%s to=%s", state_names[s->state],
              state_names[next]);
    s->state = next;
}

/* ---- the pod's clock --------------------------------------------------------------- */

int64_t
feeds_pod_us(const struct feeds *f)
{
    return f->pod_known ? loop_now_us(f->loop) + f->pod_off_us : 0;
}

int64_t
feeds_until_us(const struct feeds *f)
{
    return f->pod_known && f->cfg.behind_ms > 0 ?
               feeds_pod_us(f) - f->cfg.behind_ms * 1000 :
               0;
}

void
feeds_pod_heard(struct feeds *f, int64_t pod_us)
{
    int64_t off = pod_us - loop_now_us(f->loop);

    if (pod_us == 0) {
        return;
    }
    /* A Date is cut to seconds and late by the answer's way: the greatest
     * difference seen is the nearest to the truth, unless the clock was set. */
    if (!f->pod_known || off > f->pod_off_us ||
        off < f->pod_off_us - POD_STEP_US) {
        f->pod_off_us = off;
        f->pod_known = true;
    }
}

/* ---- telling ------------------------------------------------------------------------- */

static void
on_tell(void *arg)
{
    struct feeds *f = feeds_from(arg);
    struct feeds_events ev = f->ev;
    struct fault why = f->halted_fault;
    enum err err = f->halted_err;
    char *held = f->tell_held;

    if (held != NULL) {
        f->tell_held = NULL;
        if (f->tell_stored || f->tell_halted || f->tell_idle) {
            loop_later(f->loop, &f->tell, on_tell, f);
        }
        if (ev.held != NULL) {
            ev.held(ev.arg, held);
        }
        mem_free(held);
    } else if (f->tell_stored) {
        f->tell_stored = false;
        if (f->tell_halted || f->tell_idle) {
            loop_later(f->loop, &f->tell, on_tell, f);
        }
        if (ev.stored != NULL) {
            ev.stored(ev.arg);
        }
    } else if (f->tell_halted) {
        f->tell_halted = false;
        if (f->tell_idle) {
            loop_later(f->loop, &f->tell, on_tell, f);
        }
        if (ev.halted != NULL) {
            ev.halted(ev.arg, err, &why);
        }
    } else if (f->tell_idle) {
        f->tell_idle = false;
        if (ev.idle != NULL) {
            ev.idle(ev.arg);
        }
    }
}

void
feeds_tell_stored(struct feeds *f)
{
    f->tell_stored = true;
    loop_later(f->loop, &f->tell, on_tell, f);
}

void
feeds_tell_held(struct feeds *f, const char *json)
{
    mem_free(f->tell_held);
    f->tell_held = mem_strdup(json);
    loop_later(f->loop, &f->tell, on_tell, f);
}

static void
feeds_tell_halted(struct feeds *f, enum err err, const struct fault *why)
{
    f->tell_halted = true;
    f->halted_err = err;
    f->halted_fault = *why;
    loop_later(f->loop, &f->tell, on_tell, f);
}

/* ---- when ------------------------------------------------------------------------------ */

static void round_step(struct feeds *f);

uint64_t
feed_key(const struct feed *s)
{
    char *text =
        mem_printf("%" PRId64 " %s", s->f->cfg.tenant, kind_names[s->kind]);
    struct hash h = hash_sha256(text, strlen(text));
    uint64_t key = 0;

    for (size_t i = 0; i < sizeof(key); i++) {
        key = key << 8 | h.b[i];
    }
    mem_free(text);
    return key;
}

static void
feed_begin(struct feed *s, bool needs_only)
{
    loop_timer_stop(&s->timer);
    s->again = false;
    feed_enter(s, FEED_POLLING);
    poll_start(s, needs_only);
}

static void
on_timer(void *arg)
{
    struct feed *s = arg;
    struct feeds *f = feeds_from(s->f);
    int64_t late = loop_now_us(f->loop) - s->due_us;

    stat_observe(STAT_poll_lateness, NULL, (double)(late < 0 ? 0 : late) / 1e6);
    if (s->poll == NULL && !f->stopped) {
        feed_begin(s, false);
    }
}

static void
feed_plan_us(struct feed *s, int64_t at_us)
{
    s->due_us = at_us;
    loop_timer_start_us(s->f->loop, &s->timer, at_us, on_timer, s);
}

int64_t
feed_due_us(const struct feed *s)
{
    int64_t wall = clock_wall_us();
    int64_t next =
        phase_next_us(wall, s->f->cfg.interval_ms[s->kind], feed_key(s));

    return loop_now_us(s->f->loop) + (next - wall);
}

static void
feed_plan(struct feed *s)
{
    feed_plan_us(s, feed_due_us(s));
}

static void
feed_plan_again(struct feed *s, enum err err, int64_t retry_ms)
{
    struct feeds *f = s->f;
    int64_t factor = err == ERR_MAINTENANCE ? MAINTENANCE_FACTOR : 1;
    unsigned attempt = s->failures > 20 ? 20 : s->failures;
    int64_t wait = backoff_ms(attempt, f->cfg.retry_base_ms * factor,
                              f->cfg.retry_cap_ms * factor, random_share());

    wait = retry_ms > wait ? retry_ms : wait;
    feed_plan_us(s, loop_now_us(f->loop) + wait * 1000);
}

/* ---- a poll ended ------------------------------------------------------------------------ */

static void
on_polled_learnt(void *arg, enum err err, const struct fault *f)
{
    struct feeds *fs = feeds_from(arg);

    (void)err; /* asked again after the next poll of a new process */
    (void)f;
    fs->learn = NULL;
}

/* The first poll of a feed that came to its end is remembered, and so is the
 * literal that works. */
static void
feed_learn(struct feed *s)
{
    struct feeds *f = s->f;
    enum fusion_literal literal = fusion_get_literal(f->fusion);
    char *text = NULL;

    if (f->learn != NULL ||
        (f->learned.polled[s->kind] && f->learned.has_literal &&
         f->learned.literal == literal)) {
        return;
    }
    f->learned.polled[s->kind] = true;
    f->learned.has_literal = true;
    f->learned.literal = literal;
    text = mem_printf("{\"fusion_literal\":%d,\"polled_%s\":true}",
                      (int)literal, kind_names[s->kind]);
    if (store_tenant_learn(f->store, f->cfg.tenant, NULL, text,
                           on_polled_learnt, f, &f->learn) != ERR_OK) {
        f->learn = NULL;
    }
    mem_free(text);
}

static void
feed_log(const struct feed *s, enum err err, const struct fault *why)
{
    struct log_ctx log = {.tenant = s->f->name, .feed = kind_names[s->kind]};
    char text[LOG_TEXT_MAX];

    stat_add(STAT_polls, kind_names[s->kind],
             err == ERR_OK ? "ok" : err_name(err), 1);
    if (err == ERR_OK) {
        LOG_INFO(&log, "feed.poll", "outcome=ok read=%zu opened=%zu", s->read,
                 s->opened);
    } else {
        LOG_WARN(&log, "feed.poll_failed",
                 "outcome=%s read=%zu opened=%zu message=\"%s\"", err_name(err),
                 s->read, s->opened, log_safe(text, why->message));
    }
}

static void
feed_failed(struct feed *s, enum err err, const struct fault *why,
            int64_t retry_ms)
{
    struct feeds *f = s->f;

    s->failures++;
    feed_enter(s, err == ERR_MAINTENANCE ? FEED_MAINTENANCE : FEED_BACKOFF);
    if (err == ERR_CREDENTIALS || s->senseless) {
        feeds_tell_halted(f, err, why);
    }
    if (f->started) {
        feed_plan_again(s, err, retry_ms);
    }
}

static void want_soon(struct feeds *f);

void
feed_polled(struct feed *s, enum err err, const struct fault *why,
            int64_t retry_ms, bool needs_only)
{
    struct feeds *f = feeds_from(s->f);
    bool planned = s->due_us > loop_now_us(f->loop);

    feed_log(s, err, why);
    s->by_hand = s->again;
    s->err = err;
    s->fault = *why;
    if (err != ERR_OK) {
        feed_failed(s, err, why, retry_ms);
    } else {
        s->failures = 0;
        feed_enter(s, FEED_IDLE);
        if (!needs_only) {
            feed_learn(s);
        }
        if (f->started && (s->unfinished || s->again)) {
            feed_plan_us(s, loop_now_us(f->loop));
        } else if (f->started && needs_only && planned) {
            feed_plan_us(s, s->due_us);
        } else if (f->started) {
            feed_plan(s);
        }
    }
    if (err == ERR_HELD) {
        feeds_stop(f);
    } else if (f->round) {
        round_step(f);
    } else if (err == ERR_OK) {
        want_soon(f);
    }
}

/* ---- rounds ---------------------------------------------------------------------------------- */

static void
round_end(struct feeds *f)
{
    f->round = false;
    if (f->round_told) {
        f->round_told = false;
        f->tell_idle = true;
        loop_later(f->loop, &f->tell, on_tell, f);
    }
}

/* Goes on with the next feed, unless the one before is still at it. */
static void
round_step(struct feeds *f)
{
    struct feed *s = NULL;

    if (f->stopped) {
        return;
    }
    for (size_t k = 0; k < FEED_KINDS; k++) {
        if (f->feed[k].poll != NULL) {
            return;
        }
    }
    if (f->round_at >= COUNT_OF(round_order)) {
        round_end(f);
        return;
    }
    s = &f->feed[round_order[f->round_at++]];
    feed_begin(s, false);
}

static void
round_begin(struct feeds *f)
{
    f->round = true;
    f->round_at = 0;
    round_step(f);
}

void
feeds_poll_once(struct feeds *f)
{
    (void)feeds_from(f);
    ML_ASSERT(!f->stopped);
    f->round_told = true;
    if (!f->round) {
        memset(f->crm_off_us, 0, sizeof(f->crm_off_us)); /* asked again */
        round_begin(f);
    }
}

/* ---- by hand ----------------------------------------------------------- */

void
feeds_sync(struct feeds *f, enum feed_kind k)
{
    (void)feeds_from(f);
    for (unsigned i = 0; i < FEED_KINDS; i++) {
        struct feed *s = &f->feed[i];

        if ((k != FEED_KINDS && k != (enum feed_kind)i) || f->stopped) {
            continue;
        }
        if (s->poll != NULL) {
            s->again = true;
            s->poll->yield_us = loop_now_us(f->loop); /* walks give way */
        } else {
            s->by_hand = true;
            s->failures = 0;
            feed_begin(s, false);
        }
    }
}

/* ---- wants -------------------------------------------------------------------------------------- */

static void
on_want(void *arg)
{
    struct feeds *f = feeds_from(arg);

    if (f->stopped || !needs_any(f)) {
        return;
    }
    /* Whoever is polling serves them at its end. */
    for (size_t k = 0; k < FEED_KINDS; k++) {
        if (f->feed[k].poll != NULL) {
            return;
        }
    }
    for (size_t k = 0; k < FEED_KINDS; k++) {
        if (f->feed[k].state == FEED_IDLE) {
            feed_begin(&f->feed[k], true);
            return;
        }
    }
}

static void
want_soon(struct feeds *f)
{
    if (needs_any(f)) {
        loop_later(f->loop, &f->want, on_want, f);
    }
}

void
feeds_want(struct feeds *f, const char *kind, const char *id)
{
    (void)feeds_from(f);
    needs_add(f, text_equal(kind, "invoice"), id);
    want_soon(f);
}

/* ---- life ------------------------------------------------------------------------------------------ */

struct feeds *
feeds_new(struct loop *l, struct store *s, struct fusion *fusion,
          const struct mapping *m, const struct feeds_config *c,
          const struct feeds_events *e)
{
    struct feeds *f = MEM_NEW(struct feeds);

    f->magic = MAGIC_FEEDS;
    f->reader = (int64_t)(random_u64() >> 1);
    f->loop = l;
    f->store = s;
    f->fusion = fusion;
    f->map = m;
    f->ev = *e;
    f->cfg = *c;
    f->name = mem_strdup(c->name);
    f->worker = mem_strdup(c->worker);
    f->cfg.name = f->name;
    f->cfg.worker = f->worker;
    learned_parse(c->learned, &f->learned);
    /* The tenant's copy may be old: read by the poll, written when made. */
    memset(f->learned.owed, 0, sizeof(f->learned.owed));
    if (f->cfg.wide_ms < f->cfg.overlap_ms) {
        f->cfg.wide_ms = f->cfg.overlap_ms;
    }
    f->cfg.learned = NULL;
    if (f->cfg.page == 0 || f->cfg.page > 500) {
        f->cfg.page = 500;
    }
    if (f->learned.has_literal) {
        fusion_set_literal(fusion, f->learned.literal);
        fusion_set_zone(fusion, f->learned.zone_min);
    }
    map_init(&f->need_customers);
    map_init(&f->need_invoices);
    for (size_t k = 0; k < FEED_KINDS; k++) {
        f->feed[k].f = f;
        f->feed[k].kind = (enum feed_kind)k;
        f->feed[k].page = f->cfg.page;
    }
    return f;
}

void
feeds_start(struct feeds *f)
{
    bool known = true;

    (void)feeds_from(f);
    f->started = true;
    f->stopped = false;
    for (size_t k = 0; k < FEED_KINDS; k++) {
        known = known && f->learned.polled[k];
        if (f->feed[k].poll == NULL) {
            feed_plan(&f->feed[k]);
        }
    }
    if (!known && !f->round) {
        round_begin(f);
    }
}

void
feeds_hurry(struct feeds *f)
{
    (void)feeds_from(f);
    for (size_t k = 0; k < FEED_KINDS && !f->stopped && !f->round; k++) {
        if (f->feed[k].poll == NULL) {
            feed_begin(&f->feed[k], false);
        }
    }
}

void
feeds_stop(struct feeds *f)
{
    (void)feeds_from(f);
    f->stopped = true;
    f->started = false;
    f->round = false;
    f->round_told = false;
    loop_call_cancel(&f->want);
    for (size_t k = 0; k < FEED_KINDS; k++) {
        struct feed *s = &f->feed[k];

        loop_timer_stop(&s->timer);
        if (s->poll != NULL) {
            poll_free(s->poll);
            feed_enter(s, FEED_IDLE);
        }
    }
}

void
feeds_free(struct feeds *f)
{
    if (f == NULL) {
        return;
    }
    feeds_stop(f);
    store_cancel(f->learn);
    loop_call_cancel(&f->tell);
    map_fini(&f->need_customers);
    map_fini(&f->need_invoices);
    mem_free(f->name);
    mem_free(f->worker);
    mem_free(f->repay_at);
    mem_free(f->tell_held);
    f->magic = 0;
    mem_free(f);
}

struct feed_status
feeds_status(const struct feeds *f, enum feed_kind k)
{
    const struct feed *s = &f->feed[k];

    return (struct feed_status){
        .state = state_names[s->state],
        .err = s->err,
        .fault = s->fault,
        .read = s->read,
        .opened = s->opened,
        .next_us = loop_timer_armed(&s->timer) ? s->due_us : 0,
    };
}
