/* SPDX-License-Identifier: UNLICENSED */
#ifndef ML_DISPATCH_H
#define ML_DISPATCH_H

/*
 * dispatch: the one way out to a HubSpot portal. Jobs are claimed from the
 * store in small numbers; each is a little state machine that says what it
 * needs next; equal needs of different jobs meet in a lane (verb x object) and
 * leave together as one batch when the budget has a token and the lane is full
 * or its oldest need has waited long enough. Outcomes of one answer are stored
 * in one transaction before any following step of those jobs.
 */
#include "ml/base.h"
#include "ml/hubspot.h"
#include "ml/loop.h"
#include "ml/policy.h"
#include "ml/store.h"

struct dispatch; /* one per portal */

struct dispatch_config {
    const char *portal; /* the key of its lease */
    const char *worker;
    unsigned limit; /* requests per window */
    int64_t window_ms, linger_ms, linger_busy_ms, cutoff_ms;
    unsigned pace_percent, depth;
    int64_t retry_base_ms, retry_cap_ms;
    unsigned retry_attempts;
    unsigned jobs_max;             /* in memory */
    unsigned shares[WORK_CLASSES]; /* weights */
    bool creates; /* new objects by creation with associations, else all by
                     upsert */
    int64_t daily_limit; /* 0: the day is neither governed nor stored */
    unsigned quota_backfill, quota_retry; /* percent of it */
    int64_t quota_save_ms;
    const char *time_zone; /* of the portal; NULL: not known */
};
struct dispatch_events {
    /* A record's parent is not known: fetch it ("customer", "1008"). */
    void (*want)(void *arg, int64_t tenant, const char *kind, const char *id);
    /* 401: the tenant's token is refused. */
    void (*halted)(void *arg, int64_t tenant, enum err err,
                   const struct fault *f);
    /* The store refused something for the lease: it ran out, or another worker
     * holds the portal. Nothing is sent until dispatch_lease() or the end. */
    void (*lease_lost)(void *arg);
    void *arg;
};
/* Borrows loop and store; config is copied. */
struct dispatch *dispatch_new(struct loop *l, struct store *s,
                              const struct dispatch_config *c,
                              const struct dispatch_events *e);
/* Cancels silently; requests in flight are abandoned (their writes stay open in
 * the store and are unknown to the next owner). Use dispatch_drain first. */
void dispatch_free(struct dispatch *d);

/* A lease was taken or renewed: may send until `until_us` (monotonic). term 0:
 * stop sending. On the first call `hold` tokens are held for hold_ms. */
void dispatch_lease(struct dispatch *d, int64_t term, int64_t until_us,
                    unsigned hold, int64_t hold_ms);

/* What its tenants say of the portal may have changed: the limit of a window,
 * that of the day, the time zone (NULL: not known). What is out stays out. */
void dispatch_tune(struct dispatch *d, unsigned limit, int64_t daily_limit,
                   const char *time_zone);

/* A tenant of this portal; hubspot is borrowed until dispatch_remove(). It is
 * provisioned (properties, associations) before its first write, unless
 * `provisioned`: then DISPATCH_PROVISIONED stood in what was learned. */
#define DISPATCH_PROVISIONED "provisioned"
void dispatch_add(struct dispatch *d, int64_t tenant, const char *name,
                  struct hubspot *h, const char *api_version, bool provisioned);
/* One that only makes calls (dispatch_call, dispatch_provision): no job is ever
 * taken up for it. Gives the id it has here; hubspot is borrowed until
 * dispatch_remove() of that id, which also drops its calls silently. */
int64_t dispatch_add_caller(struct dispatch *d, const char *name,
                            struct hubspot *h, const char *api_version);
/* Nothing more is sent for it. Its requests in flight end and are stored, its
 * jobs go back to the store; single calls and a provisioning are dropped. Takes
 * the hubspot, and frees it when it is not used any more. The tenant may be
 * added again at once, with another one. */
void dispatch_remove(struct dispatch *d, int64_t tenant);
void dispatch_poke(struct dispatch *d, int64_t tenant); /* jobs may be there */
/* Jobs were put back to work by a person, who has mended what they failed for:
 * an object type whose scope was missing and a provisioning that failed are
 * tried again now, not with the hour. */
void dispatch_mended(struct dispatch *d, int64_t tenant);

/* No more claims; lanes leave as they are; `drained` runs once, when nothing
 * is in flight and every outcome is stored. Jobs in memory go back. */
void dispatch_drain(struct dispatch *d, loop_fn *drained, void *arg);
/* Whether nothing is in memory, in flight or claimable at once. */
bool dispatch_is_idle(const struct dispatch *d);
/* While true no job is taken up: what is being read now may still change it
 * (run --once reads everything first). */
void dispatch_hold(struct dispatch *d, bool hold);

struct dispatch_status {
    uint64_t requests, inputs, written, rejected, throttled;
    size_t jobs, in_flight;
    size_t unstored;     /* outcomes that are not in the store yet */
    int64_t unstored_us; /* age of the oldest; 0: none */
    const char *stuck;   /* why nothing can be recorded, NULL: it can; static */
    unsigned tokens_out, limit;
    int64_t next_due_ms; /* earliest retry known; -1 none */
    int64_t daily_used, daily_limit;
    enum quota_level level;
};
/* Whether jobs are left where they are until the portal's next midnight. */
bool dispatch_withholds(struct dispatch *d);
struct dispatch_status dispatch_status(const struct dispatch *d);
/* For a clean release of the lease. */
unsigned dispatch_tokens_out(const struct dispatch *d, int64_t *back_ms);

/* Runs a single call or a provisioning under the same budget, for ping and
 * provision. */
typedef void dispatch_provision_fn(void *arg, enum err err,
                                   const struct hubspot_provision_report *r,
                                   const struct fault *f);
MUST_USE enum err dispatch_provision(struct dispatch *d, int64_t tenant,
                                     bool dry_run, dispatch_provision_fn *done,
                                     void *arg);
MUST_USE enum err dispatch_call(struct dispatch *d, int64_t tenant,
                                const struct hubspot_call *call,
                                hubspot_call_fn *done, void *arg);

/* ---- what writing would take: for plans ---------------------------------- */

enum { COST_ASSOCIATIONS = 7 }; /* rows of map_associations() */
/* Inputs by what they need. */
struct cost_counts {
    uint64_t created[MAP_OBJECTS]; /* with their associations */
    uint64_t upserted[MAP_OBJECTS], archived[MAP_OBJECTS];
    uint64_t read[MAP_OBJECTS]; /* of unknown outcome: read back first */
    /* Per row of the table of associations: made apart, and taken away. */
    uint64_t joined[COST_ASSOCIATIONS], parted[COST_ASSOCIATIONS];
    uint64_t status; /* invoices whose status moves */
};
/* Requests when every batch leaves full: fewer are not possible. Pure. */
uint64_t cost_requests(const struct cost_counts *c);
/* The same by operation, {"invoices.upsert":n,..}; a new reference. */
json_t *cost_operations(const struct cost_counts *c);

/* What one open job would do. */
enum effect_fate {
    EFFECT_CREATE,
    EFFECT_CHANGE,
    EFFECT_ARCHIVE,
    EFFECT_NOTHING, /* HubSpot holds all of it already */
    EFFECT_WAIT,    /* for `why` */
    EFFECT_REFUSED, /* parked, and its content has not changed: `why` */
    EFFECT_FATES
};
const char *effect_name(enum effect_fate f); /* "create" "change" ... */
struct effect {
    enum effect_fate fate;
    char why[256];
    json_t *changes; /* array of {"object","key","property","before","after"},
                        or NULL when they were not asked for */
};
/* What is known beside the job. */
struct effect_known {
    /* The portal's definitions, an object name -> definition; NULL: not known,
     * then no value is refused for them. */
    const json_t *definitions[MAP_OBJECTS];
    const struct map *refused; /* "customer:1008": will not be there after all;
                                  or NULL */
    bool creates;              /* dispatch_config */
    bool changes;              /* fill them in, to decref */
};
/* Adds to `c` what the job needs; pure. */
void effect_of(const struct store_plan_job *j, const struct effect_known *known,
               struct effect *e, struct cost_counts *c);

#endif
