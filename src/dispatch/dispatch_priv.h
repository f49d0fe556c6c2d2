/* SPDX-License-Identifier: UNLICENSED */
#ifndef ML_DISPATCH_PRIV_H
#define ML_DISPATCH_PRIV_H

/*
 * The parts of dispatch:
 *
 *   dispatch.c   the portal: budget, lease, claims, what runs when
 *   job.c        one job: what it holds, and how it ends
 *   step.c       which step it needs next
 *   gone.c       objects that turn out to be gone from HubSpot
 *   doubt.c      what HubSpot has, when the database was set back
 *   budget.c     what an answer means to the budget; the quota of the day
 *   lane.c       where equal needs meet; which batch leaves next
 *   keys.c       no key is in two requests at once
 *   batch.c      one request: write row, send, answer
 *   result.c     what an answer means to the jobs whose needs it carried
 *   contact.c    contacts that HubSpot has already
 *   save.c       outcomes on their way into the store, kept until they are in
 *   refused.c    outcomes that the store refuses for their content
 *   setup.c      provisioning before a tenant's first write; single calls
 */
#include "ml/dispatch.h"
#include "ml/jsonx.h"
#include "ml/log.h"
#include "ml/stat.h"

enum {
    DISPATCH_MAGIC = 0x44495350,
    TENANT_MAGIC = 0x4454454e,
    JOB_MAGIC = 0x444a4f42,
    BATCH_MAGIC = 0x44424154,
    SAVE_MAGIC = 0x44534156,
    SETUP_MAGIC = 0x44534554,

    CLAIM_MAX = 500,          /* jobs per claim: one statement stays short */
    ROOM_BYTES = 4 << 20,     /* of that: for what is never left out */
    OUTCOME_BYTES = 16 << 20, /* ceiling of one outcome's JSON */
    FORBIDDEN_MS = 3600000,   /* a missing scope is tried again hourly */
    CLASHES_MAX = 2,          /* then the contact goes without its e-mail */
    DOUBT_ATTEMPTS = 2,       /* then ends of associations are looked up */
    BACKS_MAX = 3,            /* times a job goes back for an object gone */
    REPROVISION_MS = 60000,   /* a property is made again that often at most */
    LOCKED_MS = 2500,      /* 423: locks last 2 s (HubSpot, error handling) */
    STORE_RETRY_MS = 1000, /* database away: try the same again, */
    STORE_CAP_MS = 10000,  /* at the latest after this */
    REFUSALS_MAX = 3       /* of an outcome's content, then it is given up */
};

/* ---- lanes -------------------------------------------------------------- */

/* A lane is a verb, an object (and for associations a row of
 * map_associations). Numbered so that a tenant's lanes are one array. */
enum {
    LANE_READ = 0,                            /* + object: by our key */
    LANE_UPSERT = LANE_READ + MAP_OBJECTS,    /* + object */
    LANE_CREATE = LANE_UPSERT + MAP_OBJECTS,  /* + object */
    LANE_FIND = LANE_CREATE + MAP_OBJECTS,    /* contacts by e-mail */
    LANE_LOOK = LANE_FIND + 1,                /* contacts by HubSpot id */
    LANE_ADOPT = LANE_LOOK + 1,               /* takes one over */
    LANE_ASSOCIATE = LANE_ADOPT + 1,          /* + row of the table */
    LANE_STATUS = LANE_ASSOCIATE + 7,         /* invoices: hs_invoice_status */
    LANE_DISSOCIATE = LANE_STATUS + 1,        /* + row of the table */
    LANE_ARCHIVE = LANE_DISSOCIATE + 7,       /* + object */
    LANE_JOINED = LANE_ARCHIVE + MAP_OBJECTS, /* + row: what it is joined to */
    LANE_STRAY = LANE_JOINED + 7,             /* + object: whose it is, by id */
    LANES = LANE_STRAY + MAP_OBJECTS
};

struct lane {
    struct list needs; /* struct need, oldest first */
    size_t count;
    struct list halves; /* struct batch: parts of a refused batch, go first */
    int64_t paused_until_us; /* a limit of this kind of request alone */
    unsigned in_flight;
    uint64_t blocked; /* dispatch.keys_given when all its keys were under way */
};

/* What an object is to be associated with: a row of map_associations, from this
 * object's end when `forward`. */
enum { JOINS_MAX = 3 };
struct need_join {
    unsigned row;
    bool forward;
    const char *id;
};

/* One thing a job needs done: one input of some batch. Lives in the job's
 * arena; is in a lane, or in a batch, or nowhere once settled. */
struct need {
    struct list link;
    struct job *job;
    struct part *part; /* whose link remembers the result */
    unsigned lane;
    const char *id, *to;
    const char *properties;            /* what is sent; NULL: none */
    struct need_join joins[JOINS_MAX]; /* creations */
    size_t n_joins;
    bool keyed; /* its key is taken: keys.c */
    int64_t since_us;
    uint64_t place; /* of its first coming: it returns to there */
    bool returns;   /* when the answer is read to its end */
};

/* ---- jobs --------------------------------------------------------------- */

enum job_stage {
    STAGE_VERIFY,    /* an unknown outcome, or in doubt: read back first */
    STAGE_JOINED,    /* in doubt: what it is joined to */
    STAGE_STRAYS,    /* in doubt: whose that is, when no link says so */
    STAGE_OBJECTS,   /* write what differs from what was last written */
    STAGE_PARTS,     /* create contacts and lines, joined to those before */
    STAGE_ASSOCIATE, /* needs the ids of the stage before */
    STAGE_STATUS,    /* invoices: only when everything else is confirmed */
    STAGE_CLEAN,     /* archive lines that vanished, old associations */
    STAGE_END
};

/* One HubSpot object of a job. */
struct part {
    enum map_object object;
    const char *key;        /* our unique value */
    const char *properties; /* wanted: JSON text; NULL: only to be archived */
    struct hash hash;
    const char *before;   /* properties as last written; NULL: never */
    const char *id;       /* HubSpot id; NULL: none known */
    const char *status;   /* invoices: hs_invoice_status as last confirmed */
    bool current;         /* what HubSpot has is what is wanted */
    bool by_key;          /* it may be there already: no creation */
    bool rebill;          /* made anew by an update: hs_invoice_billable */
    bool apart;           /* properties and status: refused together */
    bool looked;          /* whether it is still there, after a refusal */
    const char *gone;     /* id that it had and that is gone */
    const char *old;      /* contacts: the same, yet to part from the company */
    unsigned clashes;     /* contacts: how often the e-mail was taken */
    const char *existing; /* contacts: id the conflict named */
    const char **assoc;   /* confirmed: "177:<id>" */
    size_t assoc_count;
    const char **linked; /* those as the link has them; only in doubt */
    size_t linked_count;
};

/* Something that an object is joined to and that no link knows. */
struct stray {
    struct list link; /* in its job's strays */
    unsigned row;     /* of map_associations */
    struct part part; /* key: NULL until it turns out to be ours */
};

struct link_ref { /* parents */
    const char *id, *state, *company, *contact, *email, *hubspot;
};

struct job {
    unsigned magic;
    struct list link; /* in its tenant's jobs */
    struct arena arena;
    struct dtenant *tenant;
    int64_t id, revision;
    int64_t seen_us; /* monotonic: when its content was read from Fusion */
    int64_t
        sent_us;  /* likewise, the write of unknown outcome; INT64_MIN: none */
    bool careful; /* what it sends may have been sent before */
    unsigned backs; /* how often it went back for an object that was gone */
    const char *lost_parent; /* "customer:1008" to wait for; NULL: none */
    enum map_kind kind;
    const char *fusion_id, *number, *klass, *amount, *currency;
    enum work_class work; /* what its requests are charged to */
    unsigned attempts;
    bool verify; /* of unknown outcome when it was taken up */
    bool doubt;  /* links may be older than what HubSpot has */
    struct list strays;
    bool gone;               /* desired: archive */
    const char *status;      /* target, or NULL */
    const char *status_held; /* reason, or NULL */
    const char *email_holder;
    struct link_ref customer, invoice; /* id NULL: has none */
    struct part *parts; /* wanted objects first, then vanished ones */
    size_t n_parts, n_wanted;
    enum job_stage stage;
    struct list planned; /* needs of the next stage, until it may begin */
    size_t n_planned;
    bool did;       /* something had to be asked of HubSpot */
    size_t pending; /* needs in lanes or batches */
    size_t unsaved; /* saves under way that carry results of it */
    bool settled;   /* its last row is on its way into the store */
    /* the worst that happened, and what follows from it */
    enum hubspot_outcome verdict;
    struct fault fault;
    struct fault refusal; /* while it is looked whether that was meant */
    bool counts;          /* an attempt is counted */
    int64_t wait_ms;      /* -1: backoff */
};

/* ---- batches, saves ----------------------------------------------------- */

struct batch {
    unsigned magic;
    struct list link; /* in lane halves, or in the dispatcher's flying */
    struct dtenant *tenant;
    unsigned lane;
    enum work_class work; /* of its oldest need; halves: retry */
    struct need **needs;
    size_t n;
    char write[RANDOM_ID_MAX];
    struct permit permit;
    int64_t taken_us;
    bool sent;
    size_t accounted; /* inputs whose end was counted, once sent */
    struct store_op *opening;
    struct hubspot_op *sending;
};

/* JSON arrays in the making. */
enum save_which { SAVE_LINKS, SAVE_JOBS, SAVE_AUDIT, SAVE_GONE, SAVE_LISTS };
struct save_list {
    struct buf text;
    struct jsonx_writer w;
    size_t n;
};
struct save_row { /* where it stands in its list, and whose it is */
    const struct job *job;
    enum save_which which;
    size_t from, to;
};

/* An outcome on its way into the store; kept and repeated until it is in. */
struct save {
    unsigned magic;
    struct list link; /* in the dispatcher's saves */
    struct dtenant *tenant;
    char write[RANDOM_ID_MAX]; /* "" : none */
    int http_status;
    char correlation[FAULT_CODE_MAX]; /* of the answer */
    const char *result;               /* static */
    int64_t duration_ms;
    struct save_list lists[SAVE_LISTS];
    struct save_row *rows; /* of all lists */
    size_t n_rows, cap_rows;
    struct job **carried; /* jobs whose unsaved counts this */
    size_t n_carried, cap_carried;
    struct job **ended; /* freed when it is in */
    size_t n_ended, cap_ended;
    struct store_op *op;
    struct loop_timer again;
    int64_t since_us;  /* when it was sent first; 0: it is being filled */
    unsigned tries;    /* that failed, one after the other */
    unsigned refusals; /* of them for its content */
    bool failing;
    bool reduced;       /* to what cannot be refused for its content */
    struct save *whole; /* a piece: of this; NULL: it is none */
    size_t pieces;      /* that are not in yet; it is sent after them */
};

/* ---- tenants, the portal ------------------------------------------------ */

enum setup_state { SETUP_NONE, SETUP_RUNNING, SETUP_DONE, SETUP_WAITING };

struct dtenant {
    unsigned magic;
    struct list link; /* in the dispatcher's tenants */
    struct dispatch *d;
    int64_t id;
    char *name, *api_version;
    struct hubspot *hubspot; /* borrowed; once removed, ours to free */
    struct log_ctx log;
    struct lane lanes[LANES];
    struct list jobs;
    size_t n_jobs;
    struct store_op *claiming, *learning;
    bool want_claim;      /* there may be claimable jobs */
    unsigned claim_tries; /* that failed, one after the other */
    bool halted;
    struct fault halt_fault; /* why, until it is told on the next turn */
    struct loop_call telling;
    bool removed; /* sends nothing more; freed when nothing refers to it */
    size_t busy;  /* batches and saves under way */
    int64_t next_due_us;
    struct loop_timer due;
    int64_t forbidden_until_us[MAP_OBJECTS];
    enum setup_state setup;
    int64_t setup_done_us;    /* SETUP_DONE: since when; 0: before us */
    int64_t setup_again_us;   /* SETUP_WAITING: until then, */
    struct fault setup_fault; /* because of this */
    struct list setups;       /* struct setup, oldest first */
    struct save *thoughts;    /* settled without a request; saved with poke */
};

struct dispatch {
    unsigned magic;
    struct loop *loop;
    struct store *store;
    struct dispatch_config config;
    char *portal, *worker, *time_zone;
    struct dispatch_events events;
    struct permits permits;
    struct share share; /* by enum work_class */
    struct quota quota;
    enum quota_level level_told;
    /* quota on its way into the store and back: budget.c */
    bool budget_loaded, budget_flushed;
    int64_t budget_day;       /* end of the day it is of, s; 0: not told yet */
    int64_t budget_ends_us;   /* quota's day_ends_us then */
    struct quota budget_sent; /* as it was when it was sent */
    struct store_op *budget_op;
    struct loop_timer budget_timer;
    int64_t term, lease_until_us;
    bool leased_once, lost, draining, held, away;
    struct list tenants, flying, saves;
    size_t n_jobs, n_setups;
    struct map keys;        /* under way */
    struct map lost_claims; /* tenants of whom a claim may have taken jobs, its
                               answer lost */
    uint64_t keys_given;    /* how many came back; from 1 */
    int64_t callers;        /* there were so many: their ids are -1, -2, ... */
    uint64_t n_needs;       /* that ever came to a lane */
    size_t failing;         /* saves that the database did not take yet */
    int64_t away_until_us;  /* the database did not take a write row */
    int64_t stuck_us;       /* since when nothing can be recorded; 0: it can */
    struct fault stuck;     /* because of this */
    struct loop_call run;
    struct loop_timer wake;
    struct loop_call drained_call, lost_call;
    loop_fn *drained;
    void *drained_arg;
    struct dispatch_status status;
    struct hubspot_op *calling;
};

/* dispatch.c */
void dispatch_poke_run(struct dispatch *d); /* schedules one pass */
bool dispatch_may_send(struct dispatch *d);
void dispatch_lost(struct dispatch *d);
bool dtenant_has_room(const struct dtenant *t); /* for a claim */
bool dtenant_claims(const struct dtenant *t);   /* jobs are about to come */
void dtenant_halt(struct dtenant *t, const struct fault *f); /* tells, later */
void dtenant_release(struct dtenant *t); /* frees a removed, unused tenant */
struct save *dtenant_thoughts(struct dtenant *t);

/* job.c */
struct job *job_new(struct dtenant *t, const struct store_job *s);
void job_free(struct job *j);
const char *job_waits_for(const struct job *j); /* "customer:1008", or NULL;
                                                   in the job's arena */
/* Fusion no longer has it: the child is written without it. */
bool parent_is_missing(const struct link_ref *p);
void job_worst(struct job *j, enum hubspot_outcome outcome,
               const struct fault *f, bool counts, int64_t wait_ms);
/* Nothing is pending any more: the job's row goes into s, or the next stage
 * is planned. */
void job_settle(struct job *j, struct save *s);
bool part_has_assoc(const struct part *p, const char *entry);
void part_add_assoc(struct job *j, struct part *p, unsigned type,
                    const char *id);
void part_drop_assoc(struct part *p, unsigned type, const char *id);
void part_set(struct job *j, struct part *p, const char *name,
              const char *value); /* a wanted property; NULL: not wanted */

struct part *job_find_part(struct job *j, enum map_object object,
                           const char *key); /* wanted; NULL: none */

/* step.c */
/* The row of map_associations whose first type is `type`. */
unsigned join_row(unsigned type);
/* Plans the next stage that has needs into j->planned; STAGE_END when none. */
void job_plan(struct job *j, struct save *s);
void job_start_planned(struct job *j); /* into the lanes */
/* After the part was parted from another record by that row. */
bool job_changed_since(const struct job *j);
void job_joins_again(struct job *j, struct part *p, unsigned row);
struct need *job_need(struct job *j, struct part *p, unsigned lane,
                      const char *id, const char *to, const char *properties);

/* gone.c */
/* The object has no such record any more: it is found or made again by its key;
 * what hung on it, too. */
void part_lost(struct job *j, struct part *p, struct save *s);
/* It now is another record than the links say; `made` perhaps just now. */
void part_moved(struct job *j, struct part *p, const char *id, bool made,
                struct save *s);
/* An end of an association is gone, `gone` says which when HubSpot told; false:
 * it is none of the job's. */
bool end_is_gone(struct need *n, const char *gone, struct save *s);

/* doubt.c */
void plan_joined(struct job *j);
void plan_strays(struct job *j);
/* Stores what JOINED found where links say otherwise. */
void remember_joins(struct job *j, struct save *s);
void plan_strays_away(struct job *j); /* lines that nobody wants */
/* Of a record that is gone only its keys are known: those are looked for. */
void doubt_gone(struct job *j, const json_t *objects);
void joined_found(struct need *n, const struct hubspot_result *r);
void stray_found(struct need *n, const struct hubspot_result *r);
/* The contact's e-mail as HubSpot has it goes into its link, so that what
 * follows a change of it follows. */
void doubt_email(struct need *n, const struct hubspot_result *r,
                 struct save *s);

/* contact.c */
/* The e-mail is taken: look at who has it. False when this is no such case. */
bool begin_adoption(struct need *n, const struct hubspot_result *r,
                    struct save *s);
void contact_found(struct need *n, const struct hubspot_result *r,
                   struct save *s);
void contact_absent(struct need *n, struct save *s);

/* keys.c */
bool key_take(struct dispatch *d, struct need *n); /* false: under way */
void key_give(struct dispatch *d, struct need *n);

/* lane.c */
void lanes_init(struct dtenant *t);
void lane_push(struct dtenant *t, struct need *n);
/* Sent for nothing: back to where it was among those that wait. */
void lane_return(struct dtenant *t, struct need *n);
const struct map_association *lane_association(unsigned lane);
bool lane_reads(unsigned lane); /* changes nothing at HubSpot */
enum map_object lane_object(unsigned lane);
enum hubspot_verb lane_verb(unsigned lane);
/* Whether a request of it that got no answer has to be read back: it may have
 * made an object. */
bool lane_makes(unsigned lane);
const char *lane_name(unsigned lane); /* "invoices.upsert"; static */
/* The batch that should leave next, taken out of its lane; NULL when none may
 * leave now; *wait_us then says when one may (INT64_MAX: not by time). */
struct batch *lanes_next(struct dispatch *d, int64_t now_us, int64_t *wait_us);
void lane_put_halves(struct batch *b);          /* b is freed */
void lane_put_alone(struct batch *b, size_t i); /* need i, taken out of b */
void lanes_drop_job(struct job *j);             /* its needs leave the lanes */
void lanes_drop_halves(struct dtenant *t);      /* their needs are forgotten */

/* batch.c */
struct batch *batch_new(struct dtenant *t, unsigned lane, size_t n);
void batch_free(struct batch *b);
void batch_send(struct batch *b); /* token is taken */
/* n of its inputs, sent, have ended so; each exactly once before batch_free. */
void batch_account(struct batch *b, const char *outcome, size_t n);
void batch_give_up(struct batch *b); /* nobody waits for the answer: all may
                                        have been done */
void batch_results(struct batch *b, const struct hubspot_reply *r,
                   struct save *s); /* result.c */

/* save.c */
struct save *save_new(struct dtenant *t, const char *write);
void save_link(struct save *s, const struct job *j, const struct part *p,
               bool properties);
/* What HubSpot has instead of what is wanted. */
void save_link_found(struct save *s, const struct job *j, const struct part *p,
                     const json_t *properties);
void save_unlink(struct save *s, const struct job *j, const struct part *p);
/* Another record's object is gone: its link is forgotten, its job opened. */
void save_gone(struct save *s, const char *kind, const char *fusion_id,
               const char *object, const char *id);
void save_job_row(struct save *s, struct job *j, const char *state,
                  int64_t due_ms, const char *waiting_for);
void save_carry(struct save *s, struct job *j);
void save_end(struct save *s, struct job *j); /* freed when s is in */
struct save_note {
    const char *event, *hubspot_id, *outcome, *message;
    const struct fault *fault;  /* NULL: none */
    const char *before, *after; /* JSON objects, or NULL */
    int64_t duration_ms;
};
void save_audit(struct save *s, const struct job *j, const struct save_note *n);
void save_send(struct save *s); /* takes s */
void save_free(struct save *s);
/* Of the files of saves alone. */
void save_begin(struct save *s); /* empty lists */
void save_close(struct save *s); /* nothing more comes into them */
void save_fini(struct save *s);  /* their memory */
void save_remember(struct job ***list, size_t *n, size_t *cap, struct job *j);
void save_start(void *save);
/* refused.c: whether the database will not take it, whatever comes; and then, a
 * save for each job. */
bool save_is_refused(const struct save *s, enum err err, const struct fault *f);
void save_divide(struct save *s, const struct fault *f);
/* What the database did not take, and that it does again: told once each. */
void save_is_stuck(struct dispatch *d, enum err err, const struct fault *f);
void save_goes_on(struct dispatch *d);

/* setup.c */
struct setup;
void setup_begin(struct dtenant *t); /* provisioning before a write */
bool setup_next(struct dispatch *d, int64_t now_us, int64_t *wait_us); /* sends
                                       one call if any is due; token taken */
void setups_free(struct dtenant *t);
void setups_refuse(struct dispatch *d); /* those that somebody waits for */
bool setup_is_idle(const struct dtenant *t);
/* A request sent at sent_us was refused since something that provisioning makes
 * is not there. NONE: it was made just now; SOON: it is made again; LATER: that
 * failed and is tried at setup_again_us. */
enum setup_hope { HOPE_NONE, HOPE_SOON, HOPE_LATER };
void setup_put_off(struct job *j); /* until that */
enum setup_hope setup_again(struct dtenant *t, int64_t sent_us,
                            const char *why);

/* The budget around one answer. */
void budget_settle(struct dispatch *d, const struct permit *t,
                   const struct hubspot_meta *m);
/* Until when this kind of request has to wait, alone; 0: not at all. */
int64_t budget_pause(const struct hubspot_meta *m);
void budget_init(struct dispatch *d);
void budget_fini(struct dispatch *d);
void budget_begin(struct dispatch *d); /* the lease is ours: what is used? */
struct permit budget_take(struct dispatch *d, int64_t now_us); /* one leaves */
void budget_look(struct dispatch *d); /* whether the day's level has changed */
bool budget_stopped(struct dispatch *d); /* until midnight nothing leaves */
bool budget_flush(struct dispatch *d);   /* at the end: whether it is stored */

#endif
