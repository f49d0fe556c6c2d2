/* SPDX-License-Identifier: UNLICENSED */
#ifndef ML_TENANT_PRIV_H
#define ML_TENANT_PRIV_H

/*
 * The parts of tenant:
 *
 *   settings.c  what a tenant's settings say (pure)
 *   clients.c   the HubSpot and Fusion clients made from them
 *   member.c    one tenant at work: clients, mapping, feeds
 *   portal.c    one portal: its dispatcher, its members, what its lease allows
 *   leases.c    the leases of all portals: renewed, taken, shared
 *   plan.c      what a sync would write now
 *   requests.c  what commands ask of this worker
 *   errand.c    one thing a command wants done: its clients, its end
 *   errand_*.c  what is done, and the mapping file against both systems
 *   tenants.c   loading, noticing changes, start and stop of all
 */
#include "ml/jsonx.h"
#include "ml/log.h"
#include "ml/stat.h"
#include "ml/tenant.h"

#include <inttypes.h>

enum {
    TENANTS_MAGIC = 0x54454e53,
    PORTAL_MAGIC = 0x504f5254,
    MEMBER_MAGIC = 0x4d454d42,
    ERRAND_MAGIC = 0x45525244,
    RUN_MAGIC = 0x52554e20,
    RELOAD_MS = 4000, /* changes are taken up within 10 s, requests within 5 */
    HALTED_AGAIN_MS = 600000, /* wrong credentials are tried every 10 min */
    LEASE_MARGIN = 5,         /* given up ttl/5 before it ends: 3 s of 15 */
    ZONE_MAX = 64,            /* characters of a time zone's name */
    MARK_MAX = 33,            /* an MD5 in hex */
    ONCE_WAIT_MS = 60000      /* run --once waits for retries due this soon */
};

/* What was learned of the portal, besides its id. */
#define LEARNED_ZONE "hubspot_time_zone"

/* One tenant: present while it is known; at work while clients are open. */
struct member {
    unsigned magic;
    struct list link; /* in its portal's members */
    struct portal *portal;
    struct arena arena; /* row and settings */
    struct store_tenant row;
    struct tenant_settings settings;
    const char *time_zone; /* of its portal, as learned; or NULL */
    struct log_ctx log;
    struct hubspot *hubspot;
    struct fusion *fusion;
    struct mapping *map;
    struct feeds *feeds;
    bool at_work, broken; /* broken: its settings cannot be used */
    bool polled;          /* once: its feeds have polled to their end */
    bool hurry;           /* it polls as soon as it works, not in its turn */
    bool seen;            /* by the reload under way */
    bool took_over;       /* from another holder, since it was loaded */
    struct store_op *state_op, *learn_op, *take_op;
    json_t *asked;           /* once: requests to answer after the polls */
    struct loop_timer again; /* halted: another try */
};

enum portal_state { PORTAL_WAITING, PORTAL_HELD, PORTAL_RELEASING };

struct portal {
    unsigned magic;
    struct list link; /* in tenants' portals */
    struct tenants *all;
    char *key; /* HubSpot portal id, or "tenant:<id>" */
    struct list members;
    enum portal_state state;
    struct dispatch *dispatch;
    int64_t term, asked_us, leased_us; /* leased: last taken or renewed */
    char *holder;                      /* who has it when not us */
    bool asking, asked, finished, identifying, stopping;
    bool changed;       /* its members: portal_tune() is due */
    bool counted_again; /* once: the same work was left the time before */
    struct store_op *release_op, *count_op;
    struct member *counting; /* once: whose jobs are being counted */
    struct loop_timer check;
    struct loop_call later; /* leaves callbacks of what it is about to free */
    int later_work;
};

enum share_state {
    SHARE_KEPT,
    SHARE_OVER,  /* more is held than the share: tenants are looked at again */
    SHARE_LOOKED /* and were */
};

struct tenants {
    unsigned magic;
    struct loop *loop;
    struct http *http;
    struct store *store;
    const struct vault *vault;
    struct tenants_config config;
    struct tenants_events events;
    struct list portals;
    struct map by_key;       /* key -> struct portal */
    struct map by_id;        /* member_key() -> struct member */
    size_t n_paused, n_held; /* of all tenants, at the last look */
    struct fault unable;     /* the first tenant that cannot be opened here */
    struct store_op *load_op, *take_op, *answer_op;
    char mark[MARK_MAX],
        mark_asked[MARK_MAX];    /* of the tenants loaded; "": they
                                                  are to be loaded again */
    json_t *answers, *answering; /* to requests: to be stored, being stored */
    json_t *refused;  /* requests whose answer the database does not take */
    struct list runs; /* requests that take a while */
    struct loop_call beginning;
    struct loop_timer reload;
    char process[RANDOM_ID_MAX]; /* among the workers that share */
    struct store_op *beat_op;    /* leases.c */
    struct loop_timer beat;
    bool beating, beat_again; /* asked for while one was under way */
    enum share_state over;
    bool beat_fails, left;             /* left: counts no more for the others */
    uint64_t beat_share, beat_workers; /* at the last one */
    int64_t beat_us;                   /* when that was answered; 0: never */
    struct fault beat_fault;           /* beat_fails: why */
    bool keyless; /* the master keys open no tenant: nothing is held */
    int64_t begun_us;                  /* the first one */
    int64_t grace_until_us;            /* nothing is taken until then */
    struct loop_call ending;
    bool loaded, stopping, told;
    loop_fn *stopped;
    void *stopped_arg;
};

/* member.c */
enum { MEMBER_KEY_MAX = 24 };
const char *member_key(int64_t tenant, char out[MEMBER_KEY_MAX]);
struct member *member_new(struct portal *p, const struct store_tenant *row);
void member_start(struct member *m); /* opens clients, begins to poll */
void member_stop(struct member *m);  /* stops work; stays known */
void member_free(struct member *m);
void member_break(struct member *m, const struct fault *f);
void member_halt(struct member *m, enum err err, const struct fault *f);
void member_try_soon(struct member *m);      /* a halted one that was changed */
bool member_wanted(const struct member *m);  /* its state lets it work */
bool member_is_done(const struct member *m); /* once */

/* portal.c */
struct portal *portal_find(struct tenants *t, const char *key); /* or NULL */
struct portal *portal_get(struct tenants *t, const char *key);
bool portal_is_known(const struct portal *p); /* its HubSpot id is */
void portal_identify(struct portal *p);       /* asks for it */
void portal_poke(struct portal *p);           /* takes the lease soon */
bool portal_wants(const struct portal *p);    /* the lease, which it has not */
void portal_renewed(struct portal *p, const struct store_lease *lease);
/* False: it does not want it any more. */
bool portal_taken(struct portal *p, const struct store_lease *lease);
void portal_lost(struct portal *p, const struct store_lease *lease);
void portal_free(struct portal *p);
void portal_stop(struct portal *p);  /* drain, release */
void portal_tune(struct portal *p);  /* its members have changed: what they
                                        say of it together */
void portal_check(struct portal *p); /* once: is everything done? */
struct member *portal_member(struct portal *p, int64_t tenant);

/* leases.c */
void leases_soon(struct tenants *t);   /* a beat now, whatever the timer says */
void leases_looked(struct tenants *t); /* tenants were loaded again */
void leases_close(struct tenants *t);

/* tenants.c */
void tenants_check(struct tenants *t); /* once: all portals finished? stopping:
                                          all released? */
void tenants_reload_soon(struct tenants *t);
struct member *tenants_member(struct tenants *t, int64_t id); /* or NULL */

/* ---- errands ------------------------------------------------------------ */

/* A kind of errand. start begins and leads to errand_end() or errand_fail() once,
 * at once or later; drop cancels what is under way and frees `own`, of one that
 * was given up as of one that ended. */
struct errand_kind {
    const char *name;
    void (*start)(struct errand *e);
    void (*drop)(struct errand *e);
};
extern const struct errand_kind errand_ping, errand_provision, errand_mapping,
    errand_identify, errand_plan;

struct errand {
    unsigned magic;
    const struct errand_kind *kind;
    struct errand_place place; /* row: the errand's own copy */
    struct store_tenant row;
    struct fault unasked; /* err OK: the portal may be asked */
    struct errand_events events;
    struct arena arena; /* row and settings */
    struct tenant_settings settings;
    struct hubspot *hubspot;
    struct fusion *fusion;
    int64_t caller; /* in the dispatcher; 0: not there */
    json_t *arguments, *answer;
    struct loop_call ending;
    void *own; /* of the kind */
};
struct errand *errand_from(void *arg);
/* A finding: told at once if wanted. Takes the line. */
void errand_line(struct errand *e, json_t *lines, json_t *line);
void errand_end(struct errand *e, json_t *answer); /* takes the answer */
void errand_fail(struct errand *e, const struct fault *f);
/* Of the portal, under its budget. */
MUST_USE enum err errand_call(struct errand *e, const struct hubspot_call *call,
                              hubspot_call_fn *done, void *arg);
/* {"error","code"} */
json_t *errand_error(enum err err, const char *message);
/* What a refusal says of itself. */
const char *errand_reason(const struct fault *f);

/* errand_mapping.c: a mapping file against what both systems say they have. */
struct mapping_asking;
typedef void mapping_asked_fn(struct errand *e, json_t *verdict); /* takes it */
struct mapping_asking *mapping_ask(struct errand *e, mapping_asked_fn *done);
void mapping_ask_drop(struct mapping_asking *k); /* NULL does nothing */

/* requests.c */
void requests_look(struct tenants *t, const struct store_tenant *rows,
                   size_t n); /* after a reload: takes what is open */
void requests_drop_portal(struct portal *p); /* its lease is given up: what is
                                                not done stays open */
void requests_take_once(struct member *m);   /* before its polls begin */
void requests_polled(struct member *m);      /* once: they have ended */
bool requests_are_settled(const struct tenants *t); /* all answers stored */
void requests_drop(struct member *m); /* left to the next holder */
void requests_close(struct tenants *t);

#endif
