/* SPDX-License-Identifier: UNLICENSED */
#ifndef FAKE_H
#define FAKE_H

/*
 * A store and a HubSpot without database and network: the functions dispatch
 * calls, over a small table of jobs and links in memory. Every answer comes on
 * a later turn of the real loop, or, while `hold` has its bit, when the test
 * lets it. HubSpot takes everything as asked unless the test's `decide` says
 * otherwise.
 */
#include "ml/dispatch.h"
#include "ml/jsonx.h"
#include "unit.h"

#include "dispatch_priv.h"

enum {
    HOLD_CLAIM = 1,
    HOLD_WRITE = 2,
    HOLD_OUTCOME = 4,
    HOLD_HUBSPOT = 8,
    HOLD_BUDGET = 16
};
enum { TENANT = 7, SENT_MAX = 1024 };

/* A row of the job table. */
struct fake_job {
    struct fake_job *next;
    int64_t id, tenant, due_us, due_ms; /* due_ms: as the outcome said */
    char *kind, *fusion_id, *klass, *desired, *parents, *email_holder;
    char *state, *waiting_for, *code, *error, *correlation;
    int attempts;
    bool verify, gone;
    int64_t sent_us;
    int64_t seen_us;
};

/* A request HubSpot got. */
struct sent {
    enum hubspot_verb verb;
    enum map_object object, to;
    const struct hubspot *hubspot;
    char *id_property;
    size_t n;
    struct {
        char *id, *to, *properties;
        char *joins; /* creations: "contacts k1; companies c1; " */
    } * inputs;
    int64_t at_us;
};

struct fx;
/* Changes the answer; results are as if all went well. */
typedef void decide_fn(struct fx *fx, const struct sent *q,
                       struct hubspot_meta *m, struct hubspot_result *r,
                       bool *split);

struct fx {
    struct loop *loop;
    struct dispatch *d;
    struct dispatch_config config;
    struct fake_job *jobs;
    json_t *links;   /* "kind:id" -> array of links */
    json_t *audit;   /* all of it */
    json_t *gone;    /* all that outcomes told */
    json_t *made;    /* "object key" -> HubSpot id */
    struct list ops; /* under way, store's and HubSpot's */
    size_t n_ops;
    unsigned hold;
    int64_t next_id, next_hubspot;

    decide_fn *decide;
    bool no_key;         /* of the next reply */
    const char *dead;    /* the HubSpot id that is gone; NULL: none */
    size_t remakes_left; /* upserts of known keys that make a new record */
    struct sent sent[SENT_MAX];
    size_t n_sent, n_calls;
    size_t freed; /* clients */
    int64_t call_us[SENT_MAX];

    /* the store */
    size_t claims, taken, writes, outcomes, refused_outcomes;
    unsigned claim_limit;   /* 0: as asked */
    struct store_room room; /* of the last claim */
    json_t *budget;         /* as stored last */
    size_t budgets;
    enum err budget_err;
    int64_t day_used, day_ms, day_stopped_ms; /* what the store knows */
    enum err write_err, outcome_err, claim_err;
    const char *claim_code; /* of its failure; NULL: none */
    char *claim_known;      /* as the last claim said; NULL: it did not */
    const char *poison; /* outcomes that have it in a link are refused, 22P05 */
    bool poison_all;    /* all of them */
    bool down;          /* no connection to the database */
    bool claim_lost;
    char last_operation[64];
    struct buf operations; /* of all write rows, a blank after each */
    size_t last_inputs;
    char *last_write_jobs;
    bool open_without_row; /* a write was sent without a stored row */
    json_t *written;       /* id of each open write -> true; closed: false */
    size_t learned;

    /* provisioning */
    unsigned provision_calls; /* calls it takes */
    enum err provision_err, call_err;
    size_t provisions; /* machines made */

    /* events */
    size_t wants, halts, losts, drains;
    bool halt_removes; /* as the tenant layer does */
    char want[64];
    struct fault halt;
};

extern struct fx *fake; /* the one of the test that runs */

void fx_open(struct fx *fx, const struct dispatch_config *c);
void fx_start(struct fx *fx); /* tenant TENANT, provisioned, and a lease */
void fx_add(struct fx *fx, int64_t tenant, bool provisioned);
void fx_lease(struct fx *fx, int64_t ms);
void fx_close(struct fx *fx); /* everything freed, the loop closes clean */
struct dispatch_config fx_config(void);
const struct hubspot *fx_hubspot(int64_t tenant);

/* Turns the loop until `cond`; the test's time-out ends what never comes. */
#define UNTIL(fx, cond)                                                        \
    while (!(cond)) {                                                          \
        loop_turn((fx)->loop, 1);                                              \
    }
void fx_settle(struct fx *fx);             /* until nothing is left to do */
size_t fx_requests(const struct fx *fx);   /* HubSpot has yet to answer */
void fx_quiet(struct fx *fx);              /* many turns, whatever happens */
void fx_let(struct fx *fx, unsigned kind); /* no longer held, and what was is
                                              answered */
/* Jobs. The texts are copied. */
struct fake_job *fx_job(struct fx *fx, int64_t tenant, const char *kind,
                        const char *id, const char *desired,
                        const char *parents);
struct fake_job *fx_customer(struct fx *fx, const char *number);
struct fake_job *fx_invoice(struct fx *fx, const char *id, int lines,
                            const char *status);
struct fake_job *fx_payment(struct fx *fx, const char *id);
void fx_set(char **field, const char *value);
/* A payment of nobody for nothing: one need per job. */
struct fake_job *fx_plain(struct fx *fx, int64_t tenant, const char *number);
struct fake_job *fx_find(struct fx *fx, const char *kind, const char *id);
bool fx_is(struct fx *fx, const char *kind, const char *id, const char *state);
/* A link as stored before the test begins. */
void fx_link(struct fx *fx, const char *kind, const char *id,
             const char *link_json);
/* The stored link of an object: borrowed, NULL when there is none. */
json_t *fx_stored(struct fx *fx, const char *kind, const char *id,
                  const char *object, const char *key);
bool fx_has_assoc(const json_t *link, const char *entry);
/* The n-th (from 0) audit row with this event; NULL: none. */
json_t *fx_audited(struct fx *fx, const char *event, size_t n);
size_t fx_audit_count(struct fx *fx, const char *event, const char *outcome);
/* The n-th request of that kind; NULL: none. */
const struct sent *fx_sent(struct fx *fx, enum hubspot_verb v,
                           enum map_object o, size_t n);
size_t fx_sent_count(struct fx *fx, enum hubspot_verb v, enum map_object o);
bool fx_is_poisoned(const struct fx *fx, const char *links);
/* Requests as text: "upsert companies 1; associate contacts 1; ". */
const char *fx_trace(struct fx *fx);

/* For decide functions. */
void fail_result(struct hubspot_result *r, enum hubspot_outcome outcome,
                 enum err err, const char *code, const char *message);
void fail_all(const struct sent *q, struct hubspot_meta *m,
              struct hubspot_result *r, int status,
              enum hubspot_outcome outcome, enum err err);

#endif
