/* SPDX-License-Identifier: UNLICENSED */
/*
 * The request budget of one portal.
 *
 *     free --take--> in flight --settle--> returning --window later--> free
 *
 * A token returns `window` + 2 ms after the latest time its request can have
 * reached the server, so whatever the delays are, the server never counts more
 * than the limit in any window. Pacing (GCRA) only smooths. Headers and 429s
 * only ever shrink the limit: growing on what headers promise was measured to
 * overshoot.
 *
 * Invariants: in_flight + returning <= spec.limit; the ring of return times is
 * sorted. Answers come back almost in order, so inserting from the late end is
 * cheap.
 */
#include "ml/policy.h"

#define SLACK_US INT64_C(2000) /* for the rounding of the server's clock */
#define WINDOW_MIN_US INT64_C(100000)
#define WINDOW_MAX_US INT64_C(3600000000)
#define SHRUNK_US INT64_C(60000000)
#define BLOCK_FIRST_US INT64_C(1000000)

enum { LIMIT_MAX = 10000, DOUBLINGS_MAX = 6, SHRUNK_PERCENT = 95 };

void
permits_init(struct permits *p, const struct permits_spec *spec)
{
    ML_ASSERT(spec->limit >= 1 && spec->limit <= LIMIT_MAX);
    ML_ASSERT(spec->window_us > 0);
    *p = (struct permits){.spec = *spec};
    p->returns = mem_array(spec->limit, sizeof(p->returns[0]));
    p->tat_us = INT64_MIN / 2;
    p->blocked_until_us = INT64_MIN;
    p->shrunk_until_us = INT64_MIN;
    p->foreign_until_us = INT64_MAX;
}

void
permits_fini(struct permits *p)
{
    mem_free(p->returns);
    p->returns = NULL;
}

static int64_t *
return_at(const struct permits *p, size_t i)
{
    return &p->returns[(p->head + i) % p->spec.limit];
}

static void
insert_return(struct permits *p, int64_t at_us)
{
    size_t i = p->returning;

    ML_ASSERT(p->returning < p->spec.limit);
    for (; i > 0 && *return_at(p, i - 1) > at_us; i--) {
        *return_at(p, i) = *return_at(p, i - 1);
    }
    *return_at(p, i) = at_us;
    p->returning++;
}

/* Lets what has happened by now happen: tokens return, deficits age. */
static void
advance(struct permits *p, int64_t now_us)
{
    while (p->returning > 0 && *return_at(p, 0) <= now_us) {
        p->head = (p->head + 1) % p->spec.limit;
        p->returning--;
    }
    if (now_us >= p->foreign_until_us) {
        bool long_ago = now_us - p->spec.window_us >= p->foreign_until_us;

        p->foreign_before = long_ago ? 0 : p->foreign;
        p->foreign = 0;
        p->foreign_until_us = p->foreign_before == 0 ?
                                  INT64_MAX :
                                  p->foreign_until_us + p->spec.window_us;
    }
}

/* What the server grants, as far as we believe it. */
static unsigned
granted(const struct permits *p)
{
    return p->header_limit > 0 ? p->header_limit : p->spec.limit;
}

/* What we allow ourselves of it at the moment, at least 1. */
static unsigned
allowed(const struct permits *p, int64_t now_us)
{
    unsigned n = granted(p);
    unsigned others =
        p->foreign > p->foreign_before ? p->foreign : p->foreign_before;

    if (now_us < p->shrunk_until_us) {
        n = n * SHRUNK_PERCENT / 100;
    }
    if (others > 0) {
        others += p->spec.foreign_margin;
        n = n > others ? n - others : 1;
    }
    return n > 0 ? n : 1;
}

/* Time between two paced requests. */
static int64_t
pace_us(const struct permits *p, int64_t now_us)
{
    int64_t percent = (int64_t)allowed(p, now_us) * p->spec.pace_percent;

    return percent > 0 ? p->spec.window_us * 100 / percent : 0;
}

/* When pacing lets the next request go. */
static int64_t
paced_at(const struct permits *p, int64_t now_us)
{
    int64_t depth = p->spec.depth > 0 ? (int64_t)p->spec.depth : 1;

    return p->tat_us - (depth - 1) * pace_us(p, now_us);
}

/* When there is a free token as far as is known; INT64_MAX: a settle decides. */
static int64_t
free_at(const struct permits *p, int64_t now_us)
{
    size_t n = allowed(p, now_us);
    size_t out = p->returning + p->in_flight;
    int64_t at = INT64_MAX;

    if (out < n) {
        return now_us;
    }
    if (out - n < p->returning) {
        at = *return_at(p, out - n);
    }
    if (out < granted(p)) {
        /* It may be the shrinking that ends first. */
        if (now_us < p->shrunk_until_us && p->shrunk_until_us < at) {
            at = p->shrunk_until_us;
        }
        if (p->foreign_until_us < at) {
            at = p->foreign_until_us;
        }
    }
    return at;
}

int64_t
permits_wait_us(struct permits *p, int64_t now_us)
{
    int64_t at;

    advance(p, now_us);
    at = free_at(p, now_us);
    if (at == INT64_MAX) {
        return INT64_MAX;
    }
    if (at < p->blocked_until_us) {
        at = p->blocked_until_us;
    }
    if (at < paced_at(p, now_us)) {
        at = paced_at(p, now_us);
    }
    return at > now_us ? at - now_us : 0;
}

unsigned
permits_take(struct permits *p, int64_t now_us)
{
    size_t out;

    ML_ASSERT(permits_wait_us(p, now_us) == 0);
    p->in_flight++;
    p->tat_us = p->tat_us > now_us ? p->tat_us : now_us;
    p->tat_us += pace_us(p, now_us);
    out = p->in_flight + p->returning;
    return out < granted(p) ? granted(p) - (unsigned)out : 0;
}

void
permits_settle(struct permits *p, int64_t now_us, int64_t arrived_us)
{
    ML_ASSERT(p->in_flight > 0);
    advance(p, now_us);
    p->in_flight--;
    if (arrived_us > now_us) {
        arrived_us = now_us;
    }
    insert_return(p, arrived_us + p->spec.window_us + SLACK_US);
}

void
permits_observe(struct permits *p, int64_t now_us, unsigned predicted,
                unsigned remaining)
{
    unsigned deficit = predicted > remaining ? predicted - remaining : 0;
    unsigned seen = deficit < p->last_deficit ? deficit : p->last_deficit;

    advance(p, now_us);
    /* A request held up on its way was overtaken by later ones of ours: one
     * answer proves nothing, nor does what those in flight explain. What is
     * beyond them is foreign, and then all of it may be. */
    p->last_deficit = deficit;
    if (seen <= p->in_flight) {
        return;
    }
    if (p->foreign_until_us == INT64_MAX) {
        p->foreign_until_us = now_us + p->spec.window_us;
    }
    if (seen > p->foreign) {
        p->foreign = seen;
    }
}

void
permits_server_limit(struct permits *p, unsigned max, int64_t window_us)
{
    if (max > 0) {
        p->header_limit = max < p->spec.limit ? max : 0;
    }
    if (window_us <= 0) {
        return;
    }
    window_us = window_us > WINDOW_MIN_US ? window_us : WINDOW_MIN_US;
    window_us = window_us < WINDOW_MAX_US ? window_us : WINDOW_MAX_US;
    for (size_t i = 0; window_us > p->spec.window_us && i < p->returning; i++) {
        *return_at(p, i) += window_us - p->spec.window_us;
    }
    p->spec.window_us = window_us;
}

void
permits_throttled(struct permits *p, int64_t now_us, int64_t retry_after_us,
                  double random)
{
    int64_t wait_us = retry_after_us;
    bool is_blocked = now_us < p->blocked_until_us;

    if (retry_after_us < 0) {
        /* Several requests of one burst are one reason to double. */
        wait_us = is_blocked ? 0 : BLOCK_FIRST_US << p->throttles;
        wait_us += (int64_t)((double)wait_us * random / 2);
    }
    if (!is_blocked && p->throttles < DOUBLINGS_MAX) {
        p->throttles++;
    }
    wait_us = wait_us < WINDOW_MAX_US * 24 ? wait_us : WINDOW_MAX_US * 24;
    if (now_us + wait_us > p->blocked_until_us) {
        p->blocked_until_us = now_us + wait_us;
    }
    p->shrunk_until_us = now_us + SHRUNK_US;
}

void
permits_answered(struct permits *p)
{
    p->throttles = 0;
}

void
permits_hold(struct permits *p, unsigned n, int64_t until_us)
{
    size_t room = p->spec.limit - p->returning - p->in_flight;

    for (size_t i = 0; i < n && i < room; i++) {
        insert_return(p, until_us);
    }
}

unsigned
permits_out(const struct permits *p, int64_t now_us, int64_t *last_return_us)
{
    size_t gone = 0;

    while (gone < p->returning && *return_at(p, gone) <= now_us) {
        gone++;
    }
    *last_return_us =
        gone < p->returning ? *return_at(p, p->returning - 1) : now_us;
    return p->in_flight + (unsigned)(p->returning - gone);
}
