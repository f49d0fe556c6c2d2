/* SPDX-License-Identifier: UNLICENSED */
#ifndef STAND_INS_H
#define STAND_INS_H

/*
 * What tenant's tests put in the place of store, dispatch and feeds: answers
 * come on a later turn, what was asked is counted in `fx`. Clients are real but
 * never used.
 */
#include "tenant_priv.h"
#include "unit.h"

enum { ROWS_MAX = 16 };

struct op {
    struct list link;
    struct loop_call later;
    loop_fn *answer;
    void *fn_arg;
    store_tenants_fn *tenants;
    store_beat_fn *beat;
    char *held, *wanted;
    store_done_fn *done;
    store_json_fn *json;
    enum err err;
};

struct dispatch {
    struct dispatch_events events;
    struct loop_call drained;
    loop_fn *drained_fn;
    void *drained_arg;
    int64_t tenants[ROWS_MAX];
    struct hubspot *hubspots[ROWS_MAX];
    size_t n;
    hubspot_call_fn *call;
    void *call_arg;
    dispatch_provision_fn *provision;
    void *provision_arg;
    char portal[32];
};

struct stage {
    struct loop *loop;
    struct conf conf;
    struct tenants *tenants;
    struct list ops;
    struct store_tenant rows[ROWS_MAX];
    size_t n_rows, n_calls, halts, learned, released, stopped, leases, frees;
    char taken[16][32], state[32];
    char reason[1024]; /* of the last state */
    const char *asked; /* what requests_take gives */
    char held[256], answers[1024];
    size_t loads, callers, removed, provisions, mended;
    unsigned limit; /* of the last requests_take */
    unsigned tuned; /* of the last dispatch_tune */
    int64_t tuned_daily;
    char known[256]; /* likewise */
    bool spoilt;     /* the database does not take an answer */
    bool gone, dry;  /* gone: a tenant asked for by name is not there */
    size_t takes, answered, polls, finished, synced[FEED_KINDS + 1];
    bool once, away; /* away: answers cannot be stored */
    struct feeds_events feeds;
    bool withholds;
    const char *counts; /* what job_counts gives; NULL: it cannot be asked */
    struct dispatch_config config; /* of the dispatcher made last */
    char zone[64], learned_json[128];
    size_t hurried;               /* feeds told to poll at once */
    int64_t term;                 /* of the leases given; at first 1 */
    int64_t fence, released_term; /* 0: none */
    uint64_t share;               /* at first more than there is */
    int mark; /* of all tenants; -1: another one each time */
    size_t marks, all_loads;
    size_t beats, allowed;     /* allowed: leases told to a dispatcher */
    enum store_beat_mode mode; /* of the last beat */
    unsigned most;             /* likewise */
    enum err beat_err;
    bool hold_release;
    struct op *releasing;
    struct dispatch *last; /* the dispatcher made last, while it lives */
};
extern struct stage fx;

/* One worker "me" and tenant 5 "demo", of this portal or none yet. */
void begin_as(const char *portal, bool once, bool asked);
void begin(const char *portal);
void end(void); /* stops, and checks that nothing is left */
void turn(void);
void lose_lease(void); /* another worker has it from now on */
void reload(void);
bool works_in(const char *portal);
void answer_details(enum err err);
void answer_provision(enum err err, const char *text);
void on_done(void *arg); /* of an operation that was held back */

#endif
