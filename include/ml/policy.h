/* SPDX-License-Identifier: UNLICENSED */
#ifndef ML_POLICY_H
#define ML_POLICY_H

/*
 * policy: decisions as arithmetic. No clock, no I/O, no randomness of its own:
 * `now_us` (monotonic microseconds) and random numbers are arguments.
 */
#include "ml/base.h"

/* ---- permits: the request budget of one portal -------------------------- */

/*
 * A token bucket whose tokens come back when the server has certainly
 * forgotten the request: `window` after the proven upper bound of its arrival,
 * plus 2 ms. Between sending and settling a token is out without limit. Gentle
 * pacing (GCRA) on top. What headers and 429s say only ever shrinks it.
 *
 *     free --take--> in flight --settle--> returning --window later--> free
 */
struct permits_spec {
    unsigned limit;        /* requests per window, 1 to 10000 */
    int64_t window_us;     /* HubSpot: 10 s */
    unsigned depth;        /* burst the pacing allows, default 20 */
    unsigned pace_percent; /* pace as percent of limit per window, default 200;
                              0: no pacing */
    unsigned foreign_margin; /* kept free once foreign use was seen, 15; at
                                most four times what was seen */
};
/* What one request was sent with; kept by the caller until its answer. */
struct permit {
    unsigned predicted; /* requests the server should have left after it */
    uint64_t number;    /* how many were taken before it */
    int64_t offset_us;  /* how far the server's clock was ahead of ours, at
                           least; INT64_MIN: not known */
};
enum { PERMITS_PEAKS = 12 };
struct permits {
    struct permits_spec spec;
    int64_t *returns; /* ring of return times, sorted */
    size_t room;      /* its entries: the largest limit there was */
    size_t head;      /* where in the ring the earliest one is */
    size_t returning;
    unsigned in_flight;
    uint64_t taken;
    int64_t tat_us;           /* GCRA's theoretical arrival time */
    int64_t blocked_until_us; /* 429 */
    int64_t shrunk_until_us;  /* 0.95 x limit after a 429, for 60 s */
    unsigned header_limit;    /* X-HubSpot-RateLimit-Max when smaller; 0 none */
    unsigned throttles;       /* 429s in a row, for the doubling */
    /* largest deficit of each window that had answers, the newest at [0] */
    unsigned peaks[PERMITS_PEAKS];
    int64_t peak_until_us; /* end of the newest one; INT64_MIN: none yet */
    bool peak_told;        /* an answer came in it */
    /* server's clock minus ours, the most that answers prove, of this window
     * and the one before; INT64_MIN: none came */
    int64_t offset_us, offset_before_us, offset_until_us;
};
void permits_init(struct permits *p, const struct permits_spec *spec);
void permits_fini(struct permits *p);
/* Another limit from now on; what is out stays out. */
void permits_limit(struct permits *p, unsigned limit);
/* 0: a request may be sent now. Else how long until one may be, as far as is
 * known; INT64_MAX while only a settle can free one. */
int64_t permits_wait_us(struct permits *p, int64_t now_us);
/* Takes a token; only when permits_wait_us() was 0. */
struct permit permits_take(struct permits *p, int64_t now_us);
/*
 * The answer says from when to when the server worked, by the server's clock:
 * the latest time by our clock at which the request can have arrived. Two
 * proofs, and the later of them counts: it was there as long as it was worked
 * on before the answer came (untrue only when the server's clock stepped
 * forward meanwhile); and when work on it began, that clock was no less ahead
 * than answers had shown before it was sent (untrue only when it stepped back
 * since). One step, either way, returns no token early.
 */
int64_t permits_arrived_us(struct permits *p, const struct permit *t,
                           int64_t answered_us, int64_t started_us,
                           int64_t completed_us);
/* The request's latest possible arrival at the server is known. */
void permits_settle(struct permits *p, int64_t now_us, int64_t arrived_us);
/* X-HubSpot-RateLimit-Remaining of the answer to `t`. Fewer than predicted, by
 * more than what of ours was sent after it: somebody else uses the quota. The
 * largest such deficit of the last 12 windows that had answers, the margin, and
 * what chance adds to a deficit of that size are left to them; less when one
 * window stood alone among quiet ones. Without answers nothing is forgotten for
 * an hour. */
void permits_observe(struct permits *p, int64_t now_us, const struct permit *t,
                     unsigned remaining);
unsigned permits_foreign(const struct permits *p); /* that largest deficit */
/* X-HubSpot-RateLimit-Max and -Interval-Milliseconds. A larger limit than the
 * spec's is ignored; the window is taken over as it is (100 ms to 1 h). 0 for
 * what the answer does not tell. */
void permits_server_limit(struct permits *p, unsigned max, int64_t window_us);
/* A 429 of the burst policy: everything waits `retry_after_us`, or when < 0
 * one second doubling with jitter (`random` in [0,1)). */
void permits_throttled(struct permits *p, int64_t now_us,
                       int64_t retry_after_us, double random);
void permits_answered(struct permits *p); /* not a 429: ends the doubling */
/* Holds n tokens until then: cold start, take-over. */
void permits_hold(struct permits *p, unsigned n, int64_t until_us);
/* Tokens not free, and when the last known one returns; for a clean release. */
unsigned permits_out(const struct permits *p, int64_t now_us,
                     int64_t *last_return_us);

/* ---- backoff ------------------------------------------------------------ */

/* Exponential with full jitter: random x min(cap, base x 2^attempt), attempt
 * from 0; at least base / 2 so that it never is "at once". */
int64_t backoff_ms(unsigned attempt, int64_t base_ms, int64_t cap_ms,
                   double random);

/* ---- weighted fair shares ----------------------------------------------- */

/* What opened a job; requests are charged to one of these. */
enum work_class {
    WORK_FRESH,     /* changed in Fusion */
    WORK_RETRY,     /* tried before; parts of refused batches */
    WORK_REPLAY,    /* parked, put back by a person */
    WORK_BACKFILL,  /* history */
    WORK_RECONCILE, /* HubSpot compared with what is known */
    WORK_CLASSES
};
const char *work_class_name(enum work_class c); /* "fresh"; static */
/* False: it is none of them, and out is WORK_FRESH. */
bool work_class_parse(const char *name, enum work_class *out);

/* Who goes next among classes that have work, by guaranteed weight; an unused
 * share flows to the others. Stride scheduling: idling saves up nothing. */
enum { SHARE_MAX = 8 };
struct share {
    unsigned weight[SHARE_MAX]; /* 0: only when no other has work */
    uint64_t pass[SHARE_MAX];
    uint64_t now; /* the pass of the last pick */
    unsigned n;
};
void share_init(struct share *s, const unsigned *weights, unsigned n);
/* `has_work`: bit i set when class i has work. -1 when none. */
int share_pick(struct share *s, unsigned has_work);
void share_charge(struct share *s, unsigned i, unsigned cost);
/* Of `whole` what is class i's by its weight, rounded up; of weight 0 nothing. */
unsigned share_part(const struct share *s, unsigned i, unsigned whole);

/* ---- quota: the requests of one day ------------------------------------- */

/*
 * HubSpot counts an account's requests from midnight to midnight of its time
 * zone, whoever sends them. As the day's limit is used up, classes of work stop
 * one after the other, so that the rest is kept for fresh changes:
 *
 *     open --backfill %--> no_backfill --retry %--> fresh_only
 *       ^                                              |  429 of the day
 *       +------------------- midnight ---------------- stopped
 */
struct quota_spec {
    int64_t limit; /* a day; 0: nothing is governed */
    unsigned backfill_percent, retry_percent;
};
enum quota_level {
    QUOTA_OPEN,
    QUOTA_NO_BACKFILL, /* history and reconciliation stand still */
    QUOTA_FRESH_ONLY,  /* retries and replays too */
    QUOTA_STOPPED,     /* everything */
    QUOTA_LEVELS
};
enum { QUOTA_MINUTES = 60 };
struct quota {
    struct quota_spec spec;
    int64_t used;      /* since midnight, by all, as far as is known */
    int64_t sent;      /* of them ours */
    int64_t throttled; /* of ours, answered with 429; for people */
    bool told;         /* a header was seen this day */
    bool zone_known;
    int64_t day_began_us, day_ends_us;
    int64_t stopped_until_us; /* INT64_MIN: not stopped */
    /* the last hour, for the forecast */
    unsigned minutes[QUOTA_MINUTES];
    int64_t minute; /* number of the newest */
    int64_t since_us;
};
const char *quota_level_name(enum quota_level l); /* "no_backfill"; static */
void quota_init(struct quota *q, const struct quota_spec *spec, int64_t now_us);
/* Another limit from now on. What others used was told as what remained of the
 * old one: of a smaller one it is as much less, until the next answer. */
void quota_limit(struct quota *q, int64_t limit);
/* The day ends so long from now. With an unknown zone midnight is a guess. */
void quota_day(struct quota *q, int64_t now_us, int64_t ends_in_us,
               bool zone_known);
/* More of this day than is known here: what a predecessor counted. */
void quota_add(struct quota *q, int64_t now_us, int64_t used, int64_t sent,
               int64_t throttled);
void quota_count(struct quota *q, int64_t now_us); /* one request leaves */
/* X-HubSpot-RateLimit-Daily-Remaining: others use the account too. It may only
 * shrink what is believed to be left; just after midnight the newest answer
 * counts. */
void quota_told(struct quota *q, int64_t now_us, int64_t remaining);
/* A 429 of the day: nothing leaves for retry_after_us, or when < 0 until
 * midnight; not so long where midnight is a guess or has only just been. */
void quota_exhausted(struct quota *q, int64_t now_us, int64_t retry_after_us);
void quota_stop(struct quota *q, int64_t until_us); /* as a predecessor was */
enum quota_level quota_level(struct quota *q, int64_t now_us);
bool quota_allows(struct quota *q, int64_t now_us, enum work_class c);
/* Until when nothing leaves; INT64_MIN: something may. */
int64_t quota_stopped_us(struct quota *q, int64_t now_us);
struct quota_forecast {
    int64_t used, left;
    int64_t per_hour;       /* rate of the last hour */
    int64_t at_midnight;    /* used by then at that rate */
    int64_t runs_out_in_us; /* -1: not before midnight */
};
struct quota_forecast quota_forecast(struct quota *q, int64_t now_us);

#endif
