/* SPDX-License-Identifier: UNLICENSED */
#ifndef ML_FEED_H
#define ML_FEED_H

/*
 * feed: one tenant x feed: when to poll, what to read, into the store. It opens
 * jobs; writing to HubSpot comes later, elsewhere (dispatch).
 *
 *     IDLE --timer or poke--> POLLING --all pages stored--> IDLE
 *      ^                        | retryable error
 *      +---- BACKOFF <----------+   (MAINTENANCE: the same, longer)
 */
#include "ml/base.h"
#include "ml/fusion.h"
#include "ml/loop.h"
#include "ml/map.h"
#include "ml/store.h"

enum feed_kind { FEED_CUSTOMERS, FEED_INVOICES, FEED_PAYMENTS, FEED_KINDS };
const char *feed_kind_name(enum feed_kind k); /* "customers" ... */
bool feed_kind_parse(const char *s, enum feed_kind *k);
/* The resources it reads by stamp, each with a cursor and, over history, a pass
 * "backfill:<stream>"; NULL-terminated, the first one leads. */
const char *const *feed_streams(enum feed_kind k);

struct feeds; /* the three feeds of one tenant: they share the pod, and a need
                 for a parent found by one is served by another */

/* Told on the loop, never from inside a call of feeds_*. */
struct feeds_events {
    void (*stored)(void *arg); /* jobs were opened or released: poke dispatch */
    void (*halted)(void *arg, enum err err, const struct fault *f); /* the
                     credentials are wrong, or the pod's answers make no sense */
    void (*held)(void *arg, const char *json); /* a poll opened too much: the
                     tenant is held in the store; store_intake_result.held */
    void (*idle)(void *arg); /* a round asked for by feeds_poll_once ended:
                     every feed has polled to its end, or failed (see status) */
    void *arg;
};
struct feeds_config {
    int64_t tenant;
    const char *name, *worker;
    int64_t interval_ms[FEED_KINDS];
    int64_t since_us;    /* where the first poll starts */
    int64_t overlap_ms;  /* 60 min */
    int64_t wide_ms;     /* 24 h: once a day, and the most it grows to when rows
                           appear late */
    int64_t behind_ms;   /* upper bound behind the pod's clock, 60 s */
    int64_t daily_ms;    /* how often wide overlap and sweeps come: 24 h */
    int64_t open_age_ms; /* open invoices are read again after this: 30 m */
    unsigned page;       /* 500 */
    int64_t retry_base_ms, retry_cap_ms;
    int64_t ceiling, ceiling_factor; /* store_intake; 0: none */
    const char *learned;             /* JSON of store_tenant.learned */
};
/* Borrows all objects; config is copied. */
struct feeds *feeds_new(struct loop *l, struct store *s, struct fusion *f,
                        const struct mapping *m, const struct feeds_config *c,
                        const struct feeds_events *e);
/* Starts the timers with a stable offset per tenant and feed within the
 * interval, or later when the last poll was recent. */
void feeds_start(struct feeds *f);
/* After feeds_start(): polls now, as if it were time, whichever feed is not at
 * it. */
void feeds_hurry(struct feeds *f);
/* Polls each feed once, now, to its end; then events.idle. */
void feeds_poll_once(struct feeds *f);
/* Parents that dispatch missed: fetched by id and taken in. kind: "customer" or
 * "invoice". */
void feeds_want(struct feeds *f, const char *kind, const char *id);
/* Polls now, as asked for by a person: the feed (FEED_KINDS: all of them), once
 * more when it is at it; open invoices are read again whatever their age. What
 * was begun as a pass meanwhile is taken up. */
void feeds_sync(struct feeds *f, enum feed_kind k);
void feeds_stop(struct feeds *f); /* no new polls; the current one is dropped
                                     between pages; nothing half stored */
void feeds_free(struct feeds *f); /* cancels silently */

struct feed_status {
    const char *state; /* idle polling backoff maintenance */
    enum err err;      /* of the last poll */
    struct fault fault;
    size_t read, opened; /* of the last or current poll */
    int64_t next_us;     /* monotonic, next poll; 0: none planned */
};
struct feed_status feeds_status(const struct feeds *f, enum feed_kind k);

#endif
