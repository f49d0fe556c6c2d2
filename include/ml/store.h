/* SPDX-License-Identifier: UNLICENSED */
#ifndef ML_STORE_H
#define ML_STORE_H

/*
 * store: all SQL. Migrations, one .sql file per statement, one typed function
 * each. Rows travel in bulk: one statement, one JSON array parameter. Every
 * function is one transaction; `done` runs once, on a later turn, and what it
 * gets is borrowed until it returns.
 */
#include "ml/base.h"
#include "ml/loop.h"
#include "ml/pg.h"

struct store;
struct store_op;

/* Borrows both. */
struct store *store_new(struct loop *l, struct pg *p);
void store_free(struct store *s);       /* cancels silently what is under way */
void store_cancel(struct store_op *op); /* NULL does nothing; silences done */
bool store_is_up(const struct store *s);
/* Why not, or why a call failed, in a few words that name neither host nor user;
 * static. */
const char *store_cause(const struct store *s);
const char *store_fault_cause(const struct fault *f);

/* For calls that give no rows. */
typedef void store_done_fn(void *arg, enum err err, const struct fault *f);
/* For calls that give a JSON document (array or object). */
typedef void store_json_fn(void *arg, enum err err, const char *json,
                           const struct fault *f);

/* ---- schema ------------------------------------------------------------- */

int store_schema_version(void); /* what this program was built for */
/* Creates or upgrades; safe at once from two places. json: {"from":0,"to":1,
 * "applied":["0001_..."],"role_sql":"..." (when the dashboard role could not be
 * made; else absent)}. SCHEMA_NEW when the database is ahead and incompatible. */
MUST_USE enum err store_migrate(struct store *s, store_json_fn *done, void *arg,
                                struct store_op **op);
/* OK, SCHEMA_OLD (also: no schema at all), SCHEMA_NEW, DB_*. */
MUST_USE enum err store_check(struct store *s, store_done_fn *done, void *arg,
                              struct store_op **op);
/* Creates audit partitions ahead (3 months), drops those past retention,
 * releases waiting jobs whose parents are there, removes what killed plans
 * left. Cheap; every minute. OK with a message: next month has no partition. */
MUST_USE enum err store_upkeep(struct store *s, int64_t retention_ms,
                               store_done_fn *done, void *arg,
                               struct store_op **op);

/* ---- tenants ------------------------------------------------------------ */

struct store_tenant {
    int64_t id;
    const char *name;
    const char *state;    /* active paused held halted removed */
    const char *reason;   /* of the state, or NULL */
    const char *portal;   /* HubSpot portal id; NULL: not known yet */
    const char *settings; /* JSON object: the flags of `tenant add` without
                             dashes: {"fusion_url":"...","interval_invoices":
                             "15m","business_unit":["..."],...} */
    const char *sealed;   /* JSON object field -> sealed text:
                             fusion_client_secret fusion_password
                             fusion_private_key hubspot_token */
    const char *learned;  /* JSON object: what was found out about pod and
                             portal (calibration, time zone, strategy) */
    int64_t revision;     /* grows with every change of settings or secrets */
    bool asked;           /* a request of a command is open */
    bool let;             /* a poll that the ceiling broke off may go on */
    bool unfinished;      /* a poll is under way, was broken off or failed */
};
typedef void store_tenants_fn(void *arg, enum err err,
                              const struct store_tenant *rows, size_t n,
                              const struct fault *f);
/* name NULL: all that are not removed. */
MUST_USE enum err store_tenants(struct store *s, const char *name,
                                store_tenants_fn *done, void *arg,
                                struct store_op **op);
/* Whether that would give the same again, at a fraction of the cost:
 * {"mark":text,"asked":bool}; asked: commands wait for an answer. */
MUST_USE enum err store_tenants_mark(struct store *s, store_json_fn *done,
                                     void *arg, struct store_op **op);
/* ERR_EXISTS when the name is taken. `actor`: who does it, for the audit. */
MUST_USE enum err store_tenant_add(struct store *s, const char *name,
                                   const char *settings, const char *sealed,
                                   const char *actor, store_done_fn *done,
                                   void *arg, struct store_op **op);
/* Merges settings and secrets (null removes a setting). ERR_NOT_FOUND. */
MUST_USE enum err store_tenant_set(struct store *s, const char *name,
                                   const char *settings, const char *sealed,
                                   const char *actor, store_done_fn *done,
                                   void *arg, struct store_op **op);
/* ERR_NOT_FOUND. `actor` is the worker or who commands it; audited. `from` NULL or
 * the state it must be in (else nothing changes). */
MUST_USE enum err store_tenant_state(struct store *s, const char *name,
                                     const char *from, const char *to,
                                     const char *reason, const char *actor,
                                     store_done_fn *done, void *arg,
                                     struct store_op **op);
/* portal NULL: unchanged. learned: merged. */
MUST_USE enum err store_tenant_learn(struct store *s, int64_t tenant,
                                     const char *portal, const char *learned,
                                     store_done_fn *done, void *arg,
                                     struct store_op **op);
/* Every sealed secret, for `keys rotate`; each replaced only if unchanged.
 * json of secrets: [{"tenant":id,"name":"...","field":"...","sealed":"..."}] */
MUST_USE enum err store_secrets(struct store *s, store_json_fn *done, void *arg,
                                struct store_op **op);
/* [{"tenant":id,"field":..,"old":..,"new":..}]; json: {"replaced":n} */
MUST_USE enum err store_secrets_replace(struct store *s, const char *changes,
                                        store_json_fn *done, void *arg,
                                        struct store_op **op);

/* ---- leases of portals -------------------------------------------------- */

/* Portal key: HubSpot's portal id, or "tenant:<id>" until it is known. On taking
 * a lease over, jobs in_flight become queued, or unknown when a write of theirs
 * is open. An unclean predecessor's tokens are held until its expiry + window
 * + 1 s. A lease that ran out and that nobody took is renewed under its term. */
struct store_lessee {
    const char *worker; /* a mere equal name is a stranger: the term counts */
    int64_t ttl_ms;
    int64_t window_ms; /* of HubSpot's burst limit */
};
struct store_lease {
    bool held;          /* by us, now */
    int64_t term;       /* grows with every new holder */
    int64_t ttl_ms;     /* left, by the database's clock at the answer */
    unsigned hold;      /* tokens the predecessor left out; UINT_MAX: all */
    int64_t hold_ms;    /* until when, from now */
    const char *holder; /* who holds it when not us */
};
typedef void store_lease_fn(void *arg, enum err err,
                            const struct store_lease *lease,
                            const struct fault *f);
/* Takes one free or expired lease, or renews the one this store took. */
MUST_USE enum err store_lease_take(struct store *s, const char *portal,
                                   const struct store_lessee *who,
                                   store_lease_fn *done, void *arg,
                                   struct store_op **op);
/* Clean release: `out` tokens return within back_ms. Also puts jobs still
 * in_flight of these tenants back to queued. */
MUST_USE enum err store_lease_release(struct store *s, const char *portal,
                                      const char *worker, int64_t term,
                                      unsigned out, int64_t back_ms,
                                      store_done_fn *done, void *arg,
                                      struct store_op **op);

/* All leases of a worker at once: it says that it lives, renews, and takes what
 * is free up to its share (portals / workers alive). */
enum store_beat_mode {
    STORE_BEAT_SHARES, /* one of the workers that share all portals */
    STORE_BEAT_ALL,    /* takes all it wants and counts for nobody */
    STORE_BEAT_LEAVES  /* renews only, and counts no more */
};
struct store_beat_spec {
    const char *process; /* random_id of this process */
    const char *version;
    struct store_lessee who;
    const char *held;   /* [{"portal","term","age"}]; age: ms since it was taken
                           or renewed */
    const char *wanted; /* ["4711",..]: portals it would work for */
    unsigned most;      /* takes no more at once */
    bool patient; /* nor what ran out long ago: its holder may have been cut
                           off, and be back soon */
    enum store_beat_mode mode;
};
enum store_lease_event {
    STORE_LEASE_RENEWED,
    STORE_LEASE_LOST, /* another term: the holder before is a stranger now */
    STORE_LEASE_TAKEN,
    STORE_LEASE_BUSY /* wanted, another has it (BEAT_ALL only) */
};
struct store_beat_lease {
    enum store_lease_event event;
    const char *portal;
    struct store_lease lease;
};
struct store_beat {
    uint64_t share; /* portals this worker may hold */
    uint64_t workers, portals;
    int64_t next_ms; /* until the next lease or worker runs out */
    const struct store_beat_lease *leases; /* one not named here was locked just
                                              now: it stays as it is */
    size_t n;
};
typedef void store_beat_fn(void *arg, enum err err, const struct store_beat *b,
                           const struct fault *f);
MUST_USE enum err store_lease_beat(struct store *s,
                                   const struct store_beat_spec *spec,
                                   store_beat_fn *done, void *arg,
                                   struct store_op **op);

/* From here on what feeds store of this tenant is undone, with LEASE_LOST, when
 * the portal's term is another; portal NULL: no more. Copied. */
void store_fence(struct store *s, int64_t tenant, const char *portal,
                 int64_t term);

/* ---- feeds: cursors, intake --------------------------------------------- */

/* A cursor per (tenant, feed, stream): the last (stamp, id) pair committed. A
 * stream is a resource: "receivablesInvoices", "hubPersons"... */
struct store_cursor {
    const char *stream;
    int64_t stamp_us; /* 0: never */
    const char *id;   /* "" : none */
};
/* A walk beside the fresh polls, over stamps or ids, that survives a restart:
 * "backfill:<stream>", "overlap:<stream>", "balances", "drafts", "receipts",
 * "known". */
struct store_pass {
    const char *pass;
    bool begin; /* begins it, from from_us to to_us (0: the stream's cursor);
                   one under way is widened and goes back */
    int64_t from_us, to_us;
    int64_t revision; /* as loaded; begun anew meanwhile, nothing moves */
    int64_t at_us;    /* where it stands */
    const char *at_id;
    bool done;
};
/*
 * Where a feed stands:
 * {"now_us": database's clock, "late_us": how late rows were in the last week,
 *  "learned": as store_tenant.learned,
 *  "cursors":{"<stream>":{"us","id","scanned_us"}},
 *  "passes":{"<pass>":{"revision","from_us","to_us","at_us","at_id",
 *            "begun_us","done_us" or null}}}
 */
MUST_USE enum err store_feed_load(struct store *s, int64_t tenant,
                                  const char *feed, store_json_fn *done,
                                  void *arg, struct store_op **op);
/* Moves or begins a pass by itself, without a page. */
MUST_USE enum err store_pass_save(struct store *s, int64_t tenant,
                                  const char *feed,
                                  const struct store_pass *pass,
                                  store_done_fn *done, void *arg,
                                  struct store_op **op);

/* One page. Everything commits together. */
struct store_intake {
    int64_t tenant;
    const char *feed; /* customers invoices payments */
    const char *worker;
    const char *poll;     /* id of the poll (random_id) */
    const char *klass;    /* fresh backfill reconcile */
    int64_t read_us;      /* the pod's Date when the read began: the second half
                            of the version */
    int64_t reader;       /* whose clock that is: one number for one process */
    const char *records;  /* JSON array of map_record_json() */
    const char *accounts; /* JSON array [{"number","account_id","party","name",
                             "href","stamp_us","composed"}] to remember, or
                             NULL; composed: revision of the account that its
                             customer was composed with */
    struct store_cursor cursor;     /* stream NULL: does not move */
    struct store_pass passes[2];    /* pass NULL: none */
    const char *scanned;            /* stream whose scan ended; NULL: none */
    int64_t scanned_us;             /* up to where it was read */
    int64_t overlap_us;             /* and how far it looked back */
    int64_t late_before_us;         /* unknown rows below it are late; 0: this
                                       is no scan */
    int64_t late_clock_us;          /* the clock they are late against */
    size_t read, filtered, invalid; /* rows of the page, counted in records:
                                       read = records + filtered + invalid */
    const char *notes; /* JSON array [{"event","kind","id","message"}] of
                            rows that made no record, to audit; or NULL */
    const char *news;  /* the feed that polls, when what this opens is held
                            against the ceiling; NULL: it is not */
    int64_t ceiling;   /* records one poll may open; 0: no ceiling */
    int64_t factor;    /* and more, by how much of what was usual */
};
/*
 * What became of the records: unchanged (same hash), superseded (an older
 * version than known, or twice in the page), opened (a job was opened or
 * replaced). The JSON arrays name what these records need and nobody has:
 * unknown_customers ["1008",..] (no record of the account), stale_customers
 * (the newest invoice now says other things of the customer than when it was
 * last composed), unknown_invoices ["3001..",..], touched_invoices (payments:
 * invoices whose payments changed, known here, to be re-read).
 */
struct store_intake_result {
    size_t unchanged, superseded, opened;
    const char *unknown_customers, *stale_customers;
    const char *unknown_invoices, *touched_invoices;
    const char *held; /* the tenant is held from now on, since this poll opens
                         too much: {"feed","poll","opened","usual","ceiling",
                         "records":{"invoice":{"create","change","objects"
                         of those created},..}}; or NULL */
};
typedef void store_intake_fn(void *arg, enum err err,
                             const struct store_intake_result *r,
                             const struct fault *f);
MUST_USE enum err store_intake(struct store *s, const struct store_intake *in,
                               store_intake_fn *done, void *arg,
                               struct store_op **op);

/* Begin and end of a poll, for views feeds and conservation. outcome "" on
 * begin. state: idle polling backoff maintenance. */
struct store_poll {
    int64_t tenant;
    const char *feed, *poll, *worker;
    const char *state;
    const char *outcome; /* "" running, else ok or err_name() */
    const char *message; /* of the failure, or NULL */
    int64_t interval_ms;
    size_t requests; /* since the poll began */
    bool by_id;      /* only what others wait for: no poll of the feed */
};
MUST_USE enum err store_poll_save(struct store *s, const struct store_poll *p,
                                  store_done_fn *done, void *arg,
                                  struct store_op **op);

/* What is known of accounts, to compose customers and read applications:
 * [{"number","account_id","party","name","href","bill_to_name",
 *   "bill_to_contact","bill_to_party","bill_to_email","revision"}], those
 * known.
 * by: "number" or "party"; keys: JSON array of texts. */
MUST_USE enum err store_accounts(struct store *s, int64_t tenant,
                                 const char *by, const char *keys,
                                 store_json_fn *done, void *arg,
                                 struct store_op **op);
/* Numbers of accounts known, sorted, the first `limit` above `after` ("": from
 * the beginning): ["1008",..] */
MUST_USE enum err store_account_numbers(struct store *s, int64_t tenant,
                                        const char *after, unsigned limit,
                                        store_json_fn *done, void *arg,
                                        struct store_op **op);
/* Customers or invoices that Fusion does not have: what waits for them goes on
 * without (audited parent_missing). kind: customer invoice; ids: JSON array. */
MUST_USE enum err store_missing(struct store *s, int64_t tenant,
                                const char *kind, const char *ids,
                                store_done_fn *done, void *arg,
                                struct store_op **op);
/* Parents that jobs wait for and nobody has read, customers and invoices that
 * have to be read again, each at most `limit`: what a dead process wanted and
 * did not fetch. {"customers":["1008",..],
 * "invoices":["3001..",..]} */
MUST_USE enum err store_wanted(struct store *s, int64_t tenant, unsigned limit,
                               store_json_fn *done, void *arg,
                               struct store_op **op);
/* Ids of invoices known to be open, or of receipts with a rest or not cleared,
 * not read for age_ms, least recently read first: ["3001..",..] */
MUST_USE enum err store_open_invoices(struct store *s, int64_t tenant,
                                      int64_t age_ms, unsigned limit,
                                      store_json_fn *done, void *arg,
                                      struct store_op **op);
MUST_USE enum err store_open_receipts(struct store *s, int64_t tenant,
                                      int64_t age_ms, unsigned limit,
                                      store_json_fn *done, void *arg,
                                      struct store_op **op);
/* Open records (kind invoice, or payment: receipts) that were asked for by id
 * and did not come: they count as read. ids: JSON array. */
MUST_USE enum err store_unanswered(struct store *s, int64_t tenant,
                                   const char *kind, const char *ids,
                                   store_done_fn *done, void *arg,
                                   struct store_op **op);
/* Of receipts with their stamps, rows [{"id","us"}], those to be read again:
 * nobody did, or not since: ["3101..",..] */
MUST_USE enum err store_receipts_stale(struct store *s, int64_t tenant,
                                       const char *rows, store_json_fn *done,
                                       void *arg, struct store_op **op);
/* Open balances as Fusion has them, rows [{"id","balance"}] of ids above
 * `after` up to `upto` ("": all above), against what is known: {"changed":[ids
 * whose balance differs, and known open ones that are not among the rows],
 * "unknown":[ids nobody has read]}. */
MUST_USE enum err store_balances(struct store *s, int64_t tenant,
                                 const char *after, const char *upto,
                                 const char *rows, store_json_fn *done,
                                 void *arg, struct store_op **op);
/* Drafts with ids above `after` in text order, and one invoice that is none:
 * {"ids":[..],"witness":"3001.." or null} */
MUST_USE enum err store_drafts(struct store *s, int64_t tenant,
                               const char *after, unsigned limit,
                               store_json_fn *done, void *arg,
                               struct store_op **op);
/* Invoices that Fusion no longer has become `gone`, audited; ids: JSON array.
 * One with an open job is left. */
MUST_USE enum err store_gone(struct store *s, int64_t tenant, const char *ids,
                             store_done_fn *done, void *arg,
                             struct store_op **op);
/* Ids of records of a kind that were last read before before_us (database's
 * clock), above `after` in text order: ["1008",..] */
MUST_USE enum err store_known(struct store *s, int64_t tenant, const char *kind,
                              const char *after, int64_t before_us,
                              unsigned limit, store_json_fn *done, void *arg,
                              struct store_op **op);

/* ---- jobs --------------------------------------------------------------- */

/*
 * A claimed job with all its dispatcher needs. Texts are JSON:
 *   desired  as in map.h
 *   links    [{"object","key","id","hash" (hex),"assoc":["177:<id>",..],
 *              "properties":{..} as last written}]
 *   parents  {"customer":{"id":"1008","state":"current|pending|parked|gone|
 *              missing|none","company":"<HubSpot id>","contact":"<id>",
 *              "email":".."},
 *             "invoice":{"id":"..","state":"..","hubspot":"<id>"}}
 *            without the ones the record does not have
 *   email_holder  for customers: the account number that holds the wanted
 *            e-mail ("" : this one)
 */
struct store_job {
    int64_t id;
    int64_t revision; /* grows when a newer version replaces the content */
    const char *kind, *fusion_id, *number;
    const char *klass; /* fresh retry replay backfill reconcile */
    bool verify;       /* was unknown: read back first */
    bool doubt;        /* the database was set back since anything of it was
                          written: HubSpot may have other than links say */
    unsigned attempts;
    int64_t seen_ago_us; /* by the database's clock: since this content was
                            read from Fusion */
    int64_t sent_ago_us; /* verify: since the request of unknown outcome was
                            opened; -1: not known */
    const char *desired, *links, *parents, *email_holder;
    const char *amount, *currency;
};
struct store_claim {
    const struct store_job *jobs;
    size_t n;
    int64_t next_due_ms; /* earliest retry, from now; -1: none */
    bool lease_lost;     /* term is no longer ours: nothing was claimed */
};
typedef void store_claim_fn(void *arg, enum err err,
                            const struct store_claim *c, const struct fault *f);
/* How many, and how many of them are for each class (fresh retry replay
 * backfill reconcile) as long as it has any; -1: none of that class. */
enum { STORE_CLASSES = 5 };
struct store_room {
    unsigned jobs;
    int parts[STORE_CLASSES];
    const char *known; /* JSON array: the jobs the caller has; others that are
                          in flight are put back first, the answer of an earlier
                          claim was lost. NULL: none was */
};
/* Takes due jobs (queued, retry, unknown when due) of one tenant, each class
 * its part, what is left over most urgent class first; within a class customers
 * before invoices before payments, oldest first, but for a fifth of the part
 * that each of them is sure of. What is tried again is of the class retry. They
 * become in_flight. */
MUST_USE enum err store_claim(struct store *s, int64_t tenant,
                              const char *portal, int64_t term,
                              const struct store_room *room,
                              store_claim_fn *done, void *arg,
                              struct store_op **op);
/* {"queued":n,"in_flight":n,"waiting":n,"retry":n,"unknown":n,"parked":n,
 *  "next_due_ms":n or -1}; first releases waiting jobs whose parents are there. */
MUST_USE enum err store_job_counts(struct store *s, int64_t tenant,
                                   store_json_fn *done, void *arg,
                                   struct store_op **op);

/* Before a request: what is about to be sent, so that a crash leaves "unknown"
 * and not nothing. id is random_id. jobs: JSON array of job ids. LEASE_LOST
 * when the term is not ours: do not send. */
struct store_write {
    const char *id;
    int64_t tenant;
    const char *portal, *worker;
    int64_t term;
    const char *operation; /* "invoices.upsert" */
    size_t inputs;
    const char *jobs;
};
MUST_USE enum err store_write_open(struct store *s, const struct store_write *w,
                                   store_done_fn *done, void *arg,
                                   struct store_op **op);

/*
 * What came of one request (or of thinking about jobs without one: write
 * NULL). One transaction. `jobs`, `links`, `audit` are JSON arrays:
 *
 * links: [{"kind","fusion_id","object","key","id","hash","properties":{..},
 *          "assoc":[..]}]  insert or replace; absent hash/properties/assoc keep
 *        what is stored; "id":null removes the link.
 * jobs:  [{"id","revision","state","attempts","due_ms","waiting_for",
 *          "error_code","error","correlation","klass"}]
 *        state: done queued retry waiting unknown parked in_flight. A job whose
 *        revision has grown meanwhile becomes queued instead (but in_flight
 *        stays in_flight until its last outcome, unknown stays unknown: it
 *        must be read back all the same). done: the job is
 *        deleted, its record current (or gone with "gone":true), written_at set,
 *        sync latency given back; jobs waiting for this record are queued.
 *        parked: record parked. waiting_for: "customer:1008".
 * audit: [{"event","kind","fusion_id","hubspot_id","job","attempt","outcome",
 *          "http_status","error_code","message","correlation","before":{..},
 *          "after":{..},"duration_ms"}]
 */
struct store_outcome {
    int64_t tenant;
    const char *portal, *worker;
    int64_t term;
    const char *write; /* id of the write, or NULL */
    int http_status;
    const char *result; /* written rejected retry unknown: of the request */
    int64_t duration_ms;
    const char *links, *jobs, *audit; /* NULL: none */
    const char *gone; /* JSON array [{"kind","fusion_id","object","id"}] of
                         HubSpot objects that there are no more: their links are
                         forgotten, their jobs and those of what hangs on them
                         opened; or NULL */
};
typedef void store_outcome_fn(void *arg, enum err err, size_t released,
                              const struct fault *f);
/* released: jobs that were waiting and are queued now. LEASE_LOST when the term
 * is not ours: nothing was stored. */
MUST_USE enum err store_outcome(struct store *s, const struct store_outcome *o,
                                store_outcome_fn *done, void *arg,
                                struct store_op **op);
/* Audit rows outside a write: tenant events, provisioning, polls. */
MUST_USE enum err store_audit(struct store *s, int64_t tenant,
                              const char *worker, const char *audit,
                              store_done_fn *done, void *arg,
                              struct store_op **op);

/* Which jobs of a tenant: `jobs` is a JSON array of job ids as texts, or NULL;
 * `error_code` only those, or NULL. Neither: all that are parked; either: also
 * those that are to be tried again later. By job id, above `after`. */
struct store_replay {
    const char *name, *jobs, *error_code;
    const char *actor; /* who does it, for the audit */
    int64_t after;
    unsigned limit;
};
/* Back to work. json: {"known":true,"tenant":id,"state":"active","replayed":n,
 * "last": the greatest job id}; known false: no such tenant. */
MUST_USE enum err store_replay(struct store *s, const struct store_replay *r,
                               store_json_fn *done, void *arg,
                               struct store_op **op);
/* What that would take. json: {"known","tenant","state","jobs":[{"job","kind",
 * "fusion_id","number","state","error_code","reason","attempts","since",
 * "verify","version","newer","desired","links","parents","email_holder"}]},
 * the last four as in store_job. */
MUST_USE enum err store_replay_look(struct store *s,
                                    const struct store_replay *r,
                                    store_json_fn *done, void *arg,
                                    struct store_op **op);
/* Of r->jobs those it does not take: {"misses":[{"job":"12","state": or null
 * when there is none,"kind","fusion_id","waiting_for","newer"}],"codes":[
 * {"error_code","jobs"}] of what is parked}. */
MUST_USE enum err store_replay_misses(struct store *s,
                                      const struct store_replay *r,
                                      store_json_fn *done, void *arg,
                                      struct store_op **op);
/* Parked jobs, longest parked first, after the row (since, after), since NULL:
 * from the first: {"total":n,"jobs":[as ml_dashboard.replay_queue]}. */
MUST_USE enum err store_replay_list(struct store *s,
                                    const struct store_replay *r,
                                    const char *since, store_json_fn *done,
                                    void *arg, struct store_op **op);

/* How a portal's budget stands; about once a minute, and when its lease is
 * given back. `counts` goes on from what a predecessor left when day is 0, else
 * it is all of the day that ends at `day` (seconds since 1970). json:
 * {"held":bool,"used","sent","throttled": of the day by now,"day": its end,
 * "ends_ms": until then,"stopped_ms": nothing may be sent for so long}; only
 * "held" is certain when it is false. */
struct store_budget {
    const char *portal, *worker;
    int64_t term;
    const char *time_zone; /* NULL: not known */
    int64_t day;
    const char *counts; /* {"used","sent","throttled","daily_limit",
                           "stopped_ms","level","per_hour","burst_limit",
                           "tokens_out","foreign_use"} */
};
MUST_USE enum err store_budget_save(struct store *s,
                                    const struct store_budget *b,
                                    store_json_fn *done, void *arg,
                                    struct store_op **op);

/* ---- what people ask for ------------------------------------------------ */

enum store_report {
    STORE_REPORT_TENANTS, /* ml_dashboard.tenants; tenant NULL: all */
    STORE_REPORT_FEEDS,   /* ml_dashboard.feeds */
    STORE_REPORT_RECORDS, /* one record: record = "invoice:3001" */
    STORE_REPORT_AUDIT,   /* newest last, at most `limit` */
    STORE_REPORT_REPLAY_QUEUE,
    STORE_REPORT_PARKED,     /* [{"tenant","error_code","jobs","since"}] */
    STORE_REPORT_UNFINISHED, /* jobs not done: state, waiting_for, error */
    STORE_REPORT_LEASES,     /* ml_dashboard.leases */
    STORE_REPORT_WORKERS,    /* ml_dashboard.workers, those alive */
    STORE_REPORT_JOBS,    /* [{"state","jobs"}] of all tenants: for metrics */
    STORE_REPORT_BUDGETS, /* ml_dashboard.budgets */
    STORE_REPORT_CONSERVATION /* polls that do not tie out, with their terms */
};
struct store_report_spec {
    enum store_report report;
    const char *tenant; /* name, or NULL */
    const char *record; /* "KIND:ID", or NULL */
    int64_t since_us;   /* 0: from the beginning */
    int64_t after;      /* audit: only events with a greater id; 0: all */
    int64_t within_ms;  /* feeds: only those that failed so lately; 0: all */
    unsigned limit;     /* 0: 1000 */
};
/* json: array of objects with the view's columns. */
MUST_USE enum err store_report(struct store *s,
                               const struct store_report_spec *spec,
                               store_json_fn *done, void *arg,
                               struct store_op **op);

/* What all polls leave unaccounted for, looked at when that was not done for
 * age_ms by any worker: {"difference":sum,"fresh":[{"tenant","feed","poll",
 * the terms, "difference"}, of polls nobody has told of yet]}. */
MUST_USE enum err store_conservation(struct store *s, const char *worker,
                                     int64_t age_ms, store_json_fn *done,
                                     void *arg, struct store_op **op);

/* ---- plans: what would be stored ---------------------------------------- */

/*
 * A store of which nothing remains: on a connection of its own feeds find
 * copies of what is known of one tenant and write into those. Nobody else sees
 * or waits for them. It serves that tenant only, and only what feeds call,
 * store_plan_follow, store_plan_jobs and store_plan_totals; a call that would
 * write to anything but the copies is refused (ERR_DB_STATEMENT). timeout_ms:
 * of one statement.
 *
 * A tenant has one plan at a time: begun() gets ERR_CONFLICT while another is
 * alive, and so does every call of a plan that was not seen for 5 minutes and
 * taken over, or whose copies a crash of the database took.
 */
struct store_plan_spec {
    const char *conninfo, *worker;
    int64_t timeout_ms;
    int64_t tenant;
};
/* Borrows `of`, which must outlive it. */
MUST_USE enum err store_plan_open(struct store *of,
                                  const struct store_plan_spec *c,
                                  store_done_fn *begun, void *arg,
                                  struct store **out, struct fault *f);
/* Cancels silently, removes the copies, frees; then `closed`. When the database
 * is away or slow they are left to store_upkeep(). */
void store_plan_close(struct store *s, loop_fn *closed, void *arg);
/* `done` once no plan of `of` is left, on a later turn. All must be closing;
 * those that are not done within wait_ms leave their copies to store_upkeep(). */
void store_plans_end(struct store *of, int64_t wait_ms, loop_fn *done,
                     void *arg);
/* Jobs that are opened while the others are written. Call it when all is read. */
MUST_USE enum err store_plan_follow(struct store *s, int64_t tenant,
                                    store_done_fn *done, void *arg,
                                    struct store_op **op);
/* An open job as in store_job, and beside it: what its parents will be.
 * parents as there, with "coming": true when a job is about to write it. */
struct store_plan_job {
    int64_t id;
    const char *kind, *fusion_id, *number;
    const char *state, *waiting_for, *error_code, *error;
    bool verify, careful; /* of unknown outcome; may have been sent before */
    bool found;           /* by this plan; else it was open before */
    const char *desired, *links, *parents, *email_holder;
};
typedef void store_plan_fn(void *arg, enum err err,
                           const struct store_plan_job *jobs, size_t n,
                           const struct fault *f);
/* Those of a kind with ids above `after`, in that order. */
MUST_USE enum err store_plan_jobs(struct store *s, int64_t tenant,
                                  const char *kind, int64_t after,
                                  unsigned limit, store_plan_fn *done,
                                  void *arg, struct store_op **op);
/* {"unchanged":{"invoice":n,..},"read":n,"filtered":n,"requests":n of the pod,
 *  "invalid":{"invoice":n,..},"reasons":[{"kind","id","why"}]}, at most `limit`
 * reasons. */
MUST_USE enum err store_plan_totals(struct store *s, int64_t tenant,
                                    unsigned limit, store_json_fn *done,
                                    void *arg, struct store_op **op);

/* ---- requests: what a command asks of the worker that holds the portal --- */

/* {"tenant":{"id","state","reason","portal","holder": worker or null} or null,
 *  "names":[..] when there is none}; also of a removed tenant. */
MUST_USE enum err store_request_target(struct store *s, const char *name,
                                       store_json_fn *done, void *arg,
                                       struct store_op **op);
/* arguments: JSON object or NULL. json: {"id":n} */
MUST_USE enum err store_request_add(struct store *s, int64_t tenant,
                                    const char *command, const char *arguments,
                                    const char *asked_by, store_json_fn *done,
                                    void *arg, struct store_op **op);
/* {"id","worker": who took it or null,"answered":bool,"answer":{..} or null,
 *  "holder": who holds the portal or null}; json NULL: dropped. */
MUST_USE enum err store_request_get(struct store *s, int64_t id,
                                    store_json_fn *done, void *arg,
                                    struct store_op **op);
/* Nobody waits for the answer any more; how it stood: {"id","worker","answered",
 * "answer"}; json NULL: dropped. */
MUST_USE enum err store_request_withdraw(struct store *s, int64_t id,
                                         store_json_fn *done, void *arg,
                                         struct store_op **op);
/* {"id": a tenant of that portal,"holder": worker or null}; json NULL: no
 * tenant is in it. */
MUST_USE enum err store_request_via(struct store *s, const char *portal,
                                    store_json_fn *done, void *arg,
                                    struct store_op **op);
/* Takes what is open for the given tenants, those of them whose lease is still
 * ours: held is [{"tenant":id,"portal":"..","term":n, "without": a command that
 * is left, or absent}]. known: JSON array of the ids in hand, which are not
 * taken again; NULL: each once for each lease. `tenant` when it is only one,
 * else 0: then it is in its place among the tenant's other calls.
 * json: [{"id","tenant","name","portal","command","arguments"}] */
struct store_requests {
    const char *worker;
    int64_t tenant;
    const char *held, *known;
    unsigned limit;
};
MUST_USE enum err store_requests_take(struct store *s,
                                      const struct store_requests *r,
                                      store_json_fn *done, void *arg,
                                      struct store_op **op);
/* answers: [{"id":n,"answer":{..}}] */
MUST_USE enum err store_requests_answer(struct store *s, const char *worker,
                                        const char *answers,
                                        store_done_fn *done, void *arg,
                                        struct store_op **op);

#endif
