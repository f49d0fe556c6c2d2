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
 * overshoot. The server's clock is trusted as far as one step of it, at any
 * moment, does no harm.
 *
 * Invariants: in_flight + returning <= room, the largest limit there was; the
 * ring of return times is sorted. Answers come back almost in order, so inserting from the late end is
 * cheap.
 */
#include "ml/policy.h"

#include <string.h>

#define SLACK_US INT64_C(2000) /* for the rounding of the server's clock */
#define WINDOW_MIN_US INT64_C(100000)
#define WINDOW_MAX_US INT64_C(3600000000)
#define SHRUNK_US INT64_C(60000000)
#define BLOCK_FIRST_US INT64_C(1000000)
#define FOREIGN_KEPT_US INT64_C(3600000000)

enum {
    LIMIT_MAX = 10000,
    DOUBLINGS_MAX = 6,
    SHRUNK_PERCENT = 95,
    FOREIGN_PACE = 110,
    FEW = 4,
    ALONE = 8
};

void
permits_init(struct permits *p, const struct permits_spec *spec)
{
    ML_ASSERT(spec->limit >= 1 && spec->limit <= LIMIT_MAX);
    ML_ASSERT(spec->window_us > 0);
    *p = (struct permits){.spec = *spec};
    p->returns = mem_array(spec->limit, sizeof(p->returns[0]));
    p->room = spec->limit;
    p->tat_us = INT64_MIN / 2;
    p->blocked_until_us = INT64_MIN;
    p->shrunk_until_us = INT64_MIN;
    p->peak_until_us = INT64_MIN;
    p->offset_us = INT64_MIN;
    p->offset_before_us = INT64_MIN;
    p->offset_until_us = INT64_MIN;
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
    return &p->returns[(p->head + i) % p->room];
}

void
permits_limit(struct permits *p, unsigned limit)
{
    int64_t *grown;

    ML_ASSERT(limit >= 1 && limit <= LIMIT_MAX);
    if (limit > p->room) {
        grown = mem_array(limit, sizeof(grown[0]));
        for (size_t i = 0; i < p->returning; i++) {
            grown[i] = *return_at(p, i);
        }
        mem_free(p->returns);
        p->returns = grown;
        p->room = limit;
        p->head = 0;
    }
    if (p->header_limit >= limit) {
        p->header_limit = 0; /* it told of a larger one */
    }
    p->spec.limit = limit;
}

static void
insert_return(struct permits *p, int64_t at_us)
{
    size_t i = p->returning;

    ML_ASSERT(p->returning < p->room);
    for (; i > 0 && *return_at(p, i - 1) > at_us; i--) {
        *return_at(p, i) = *return_at(p, i - 1);
    }
    *return_at(p, i) = at_us;
    p->returning++;
}

/* Deficits age by windows that had answers; after an hour by themselves. */
static void
age_peaks(struct permits *p, int64_t now_us)
{
    if (p->peak_until_us == INT64_MIN || now_us < p->peak_until_us) {
        return;
    }
    if (now_us - p->peak_until_us >= FOREIGN_KEPT_US) {
        memset(p->peaks, 0, sizeof(p->peaks));
        p->peak_until_us = INT64_MIN;
        p->peak_told = false;
        return;
    }
    if (p->peak_told) {
        memmove(&p->peaks[1], &p->peaks[0],
                (PERMITS_PEAKS - 1) * sizeof(p->peaks[0]));
        p->peaks[0] = 0;
        p->peak_told = false;
    }
}

static void
age_offset(struct permits *p, int64_t now_us)
{
    if (now_us < p->offset_until_us) {
        return;
    }
    p->offset_before_us = now_us - p->spec.window_us < p->offset_until_us ?
                              p->offset_us :
                              INT64_MIN;
    p->offset_us = INT64_MIN;
    p->offset_until_us = now_us + p->spec.window_us;
}

/* Lets what has happened by now happen: tokens return, what was seen ages. */
static void
advance(struct permits *p, int64_t now_us)
{
    while (p->returning > 0 && *return_at(p, 0) <= now_us) {
        p->head = (p->head + 1) % p->room;
        p->returning--;
    }
    age_peaks(p, now_us);
    age_offset(p, now_us);
}

/* What the server grants, as far as we believe it. */
static unsigned
granted(const struct permits *p)
{
    return p->header_limit > 0 ? p->header_limit : p->spec.limit;
}

unsigned
permits_foreign(const struct permits *p)
{
    unsigned most = 0, second = 0;
    unsigned newest = p->peaks[0] > p->peaks[1] ? p->peaks[0] : p->peaks[1];

    for (size_t i = 0; i < PERMITS_PEAKS; i++) {
        unsigned peak = p->peaks[i];

        second = peak > most ? most : peak > second ? peak : second;
        most = peak > most ? peak : most;
    }
    /* one burst of others among quiet windows is soon over */
    if (most > 2 * second + ALONE) {
        most = 2 * second + ALONE;
    }
    return most > newest ? most : newest;
}

/* What is left to others. Independent requests, n in a window on average, vary
 * by the root of n: beyond the most that was seen, the margin and that. */
static unsigned
foreign_reserve(const struct permits *p)
{
    unsigned most = permits_foreign(p);
    unsigned margin = p->spec.foreign_margin;
    unsigned root = 0;

    while ((root + 1) * (root + 1) <= most) {
        root++;
    }
    /* one or two now and then do not cost the whole margin */
    margin = margin < FEW * most ? margin : FEW * most;
    return most + root + margin;
}

/* What we allow ourselves of it at the moment, at least 1. */
static unsigned
allowed(const struct permits *p, int64_t now_us)
{
    unsigned n = granted(p);
    unsigned others = foreign_reserve(p);

    if (now_us < p->shrunk_until_us) {
        n = n * SHRUNK_PERCENT / 100;
    }
    n = n > others ? n - others : 1;
    return n > 0 ? n : 1;
}

/* Time between two paced requests. Beside others who use more than a tenth
 * evenly: what they use is seen by our answers only. */
static int64_t
pace_us(const struct permits *p, int64_t now_us)
{
    int64_t percent = p->spec.pace_percent;

    if (percent > FOREIGN_PACE && permits_foreign(p) * 10 > granted(p)) {
        percent = FOREIGN_PACE;
    }
    percent *= (int64_t)allowed(p, now_us);
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
        if (p->peak_told && p->peak_until_us < at) {
            at = p->peak_until_us;
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

struct permit
permits_take(struct permits *p, int64_t now_us)
{
    struct permit t = {.number = p->taken};
    size_t out;

    ML_ASSERT(permits_wait_us(p, now_us) == 0);
    p->in_flight++;
    p->taken++;
    p->tat_us = p->tat_us > now_us ? p->tat_us : now_us;
    p->tat_us += pace_us(p, now_us);
    out = p->in_flight + p->returning;
    t.predicted = out < granted(p) ? granted(p) - (unsigned)out : 0;
    t.offset_us =
        p->offset_us > p->offset_before_us ? p->offset_us : p->offset_before_us;
    return t;
}

int64_t
permits_arrived_us(struct permits *p, const struct permit *t,
                   int64_t answered_us, int64_t started_us,
                   int64_t completed_us)
{
    int64_t arrived = answered_us;

    if (t->offset_us != INT64_MIN && completed_us >= started_us) {
        int64_t by_work = answered_us - (completed_us - started_us);
        int64_t by_clock = started_us - t->offset_us;

        arrived = by_work > by_clock ? by_work : by_clock;
        arrived = arrived < answered_us ? arrived : answered_us;
    }
    age_offset(p, answered_us);
    if (completed_us - answered_us > p->offset_us) {
        p->offset_us = completed_us - answered_us;
    }
    return arrived;
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
permits_observe(struct permits *p, int64_t now_us, const struct permit *t,
                unsigned remaining)
{
    /* a request held up on its way was overtaken by later ones of ours, at
     * most by all that were sent since */
    uint64_t explained = remaining + (p->taken - t->number - 1);
    unsigned deficit =
        t->predicted > explained ? t->predicted - (unsigned)explained : 0;

    advance(p, now_us);
    if (p->peak_until_us == INT64_MIN || now_us >= p->peak_until_us) {
        p->peak_until_us = now_us + p->spec.window_us;
    }
    p->peak_told = true;
    if (deficit > p->peaks[0]) {
        p->peaks[0] = deficit;
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
    size_t out = p->returning + p->in_flight;

    for (size_t i = 0; i < n && out + i < p->spec.limit; i++) {
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
