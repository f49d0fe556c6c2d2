/* SPDX-License-Identifier: UNLICENSED */
#ifndef ML_FEED_PRIV_H
#define ML_FEED_PRIV_H

/*
 * Inside feed:
 *
 *   feeds.c     the public object: timers, rounds, what is told to the tenant
 *   poll.c      one poll as a chain of steps; waits for the store
 *   read.c      reads of the pod with retries
 *   collect.c   what the rows of one page became
 *   intake.c    a page into the database; needs
 *   window.c    keyset arithmetic, pure
 *   calibrate.c how this pod wants time stamps written, and in which zone
 *   scan.c      a resource by LastUpdateDate, page after page
 *   pass.c      walks beside the fresh polls: when due, where they stand
 *   invoices.c customers.c compose.c payments.c receipts.c receipts_id.c
 *   applications.c  the feeds
 *   sweep.c     open balances and drafts against what is known, daily
 *   repay.c     what customers lack while the pod refuses parties
 *   learned.c   what was found out about the pod
 */
#include "ml/feed.h"
#include "ml/log.h"

#include <inttypes.h>

enum {
    MAGIC_FEEDS = 0x46454453,
    MAGIC_POLL = 0x504f4c4c,
    CHUNK_ACCOUNTS = 50,  /* numbers in one q */
    CHUNK_INVOICES = 100, /* ids in one q */
    CHUNK_RECEIPTS = 100,
    BATCH_ACCOUNTS = 25, /* parts of one batch request */
    OPEN_REQUESTS = 20,  /* of CHUNK_INVOICES, re-read a poll */
    NEEDS_SERVE = 500,   /* customers wanted: serve before the next page */
    NEEDS_ROUND = 10000, /* the same in a round, which composes them once */
    NEEDS_MAX = 100000,  /* in memory; the others are asked of the store */
    CHUNK_DRAFTS = 100,
    STREAMS_MAX = 3,
    NAME_MAX_PASS = 64,
    PAGE_MIN = 10,
    TRIES_MAX = 4, /* of one step before the poll fails */
    DB_TRIES_ONCE = 5,
    RETURNS_MAX = 12,
    RECORDS_MAX = 64 * 1024 * 1024,
    NOTES_MAX = 1024 * 1024
};

/* ---- window.c ---------------------------------------------------------------- */

/*
 * Where a scan by (LastUpdateDate, id) stands. Stamps are microseconds but
 * shown cut to milliseconds, and a literal may say only seconds: `low_us` is
 * always what the next query can say, and rows at or above it that were given
 * already are in `seen`.
 */
struct window {
    int64_t from_us; /* rows below are not wanted */
    int64_t to_us;   /* rows above come next time; 0: not known yet */
    int64_t low_us;  /* lower bound of the next query */
    unsigned offset; /* inside it */
    int64_t hold_us; /* the low moves only past it; 0: as ever */
    char expect[64]; /* id of the first row at that offset; "": any */
    unsigned restarts;
    struct map seen;   /* "id@stamp" */
    int64_t cursor_us; /* the last row taken that is not above to_us */
    char cursor_id[64];
};
struct window_row {
    const char *id;
    int64_t us;
    int64_t at; /* its place in the page */
};
enum window_fate { WINDOW_TAKE, WINDOW_SEEN, WINDOW_BELOW, WINDOW_ABOVE };
enum window_next { WINDOW_MORE, WINDOW_END, WINDOW_DISORDER, WINDOW_UNSTABLE };
void window_init(struct window *w, int64_t from_us, int64_t to_us,
                 enum fusion_literal literal);
void window_fini(struct window *w);
/* Reads only: may run in the pool. */
enum window_fate window_row(const struct window *w, const char *id, int64_t us);
/* A page of `received` rows came, those in `rows` with id and stamp, in the
 * pod's order. to_us was set. */
struct window_page {
    const struct window_row *rows;
    size_t n;
    size_t received;
    bool has_more;
};
enum window_next window_page(struct window *w, const struct window_page *p,
                             enum fusion_literal literal);

/* Newest first, when stamps cannot be asked for. */
struct descent {
    int64_t floor_us; /* stop below */
    unsigned asked;   /* offset of the page: one row that was there before */
    bool bare;        /* ... or without it, when the pod gives single rows */
    unsigned backs;   /* how often a page began below where it should */
    int64_t last_us;  /* of that row */
    char last_id[64];
    int64_t newest_us;
    char newest_id[64];
    unsigned offset;
};
void descent_init(struct descent *d, int64_t floor_us);
enum window_next descent_page(struct descent *d, const struct window_page *p);

/*
 * A walk by id: rows above `low`, which follows them. A pod that does not sort
 * by id is walked by offset above the same `low`, to the end.
 */
struct idwalk {
    char low[64]; /* "": from the first */
    unsigned offset;
    bool unsorted;
    char high[64]; /* the greatest id seen */
};
void idwalk_init(struct idwalk *w, const char *low, bool unsorted);
/* The page's rows, in the pod's order, with numbers as ids. False: they are not
 * sorted though they should be; the walk is of no use. */
bool idwalk_page(struct idwalk *w, const struct window_page *p);
int id_cmp(const char *a, const char *b); /* as numbers; "" is the least */

/* Next wall time that is `phase` within its interval. */
int64_t phase_next_us(int64_t wall_us, int64_t interval_ms, uint64_t key);
/* The last moment at or before now when what is done every daily_ms was due:
 * of a day in the three hours after midnight UTC. */
int64_t daily_last_us(int64_t now_us, int64_t daily_ms, uint64_t key);
/* How far a poll looks back: the setting, or twice what rows were late, at most
 * the daily one. */
int64_t overlap_us(const struct feeds_config *c, int64_t late_us);

/* ---- collect.c ----------------------------------------------------------------- */

/* What the rows of one page became. Written by row functions, maybe in the
 * pool, while a read is under way; else the loop's. */
struct collect {
    struct arena arena; /* ids of `rows` */
    struct arena work;  /* one row's mapping */
    struct window_row *rows;
    size_t n_rows, cap_rows;
    struct buf records, notes; /* JSON arrays without the brackets */
    size_t n_records, filtered, invalid, n_notes;
    size_t bad;    /* rows without id or stamp, of this read */
    char why[256]; /* the first of them */
    json_t *kept;  /* array: rows needed later */
};
void collect_init(struct collect *c);
void collect_reset(struct collect *c);
/* Records, notes and counts only: ids and kept rows stay. */
void collect_clear(struct collect *c);
void collect_fini(struct collect *c);
void collect_row(struct collect *c, const json_t *row, const char *id,
                 int64_t us);
/* Rows back into the order the pod gave them in. */
void collect_sort(struct collect *c);
void collect_note(struct collect *c, const char *event, enum map_kind kind,
                  const char *id, const char *message);
void collect_record(struct collect *c, const struct map_record *r);
void collect_fate(struct collect *c, enum map_fate fate, enum map_kind kind,
                  const char *id, const struct map_record *r,
                  const struct fault *f);
/* A row that cannot even be named: where it was, and why. */
void collect_bad(struct collect *c, enum map_kind kind, const char *id,
                 const char *why);
/* A copy of the row without its links; its own href under "self_href". */
json_t *collect_copy(const json_t *row);
/* Compact JSON text, to free. */
char *feed_json(const json_t *v);

/* ---- the objects ------------------------------------------------------------------ */

enum feed_state { FEED_IDLE, FEED_POLLING, FEED_BACKOFF, FEED_MAINTENANCE };

struct poll;
struct feed {
    struct feeds *f;
    enum feed_kind kind;
    enum feed_state state; /* written only by feed_enter() */
    struct loop_timer timer;
    int64_t due_us; /* monotonic, what the timer waits for */
    struct poll *poll;
    unsigned failures; /* polls in a row */
    unsigned page;     /* rows asked for */
    unsigned capped;   /* what the pod cut them to; 0: it does not */
    bool unfinished;   /* a pass gave way: the next poll comes at once */
    bool again;        /* asked for while it was polling */
    bool by_hand;      /* the next poll was asked for by a person */
    bool senseless;    /* the last poll: see poll_senseless() */
    enum err err;
    struct fault fault;
    size_t read, opened;
};

/* What enriches customers and may be refused. */
enum crm { CRM_ORGS, CRM_PERSONS, CRM_PARTS };

struct learned {
    bool has_literal;
    enum fusion_literal literal;
    int zone_min;          /* of literals */
    int64_t calibrated_us; /* wall clock; 0: never, or it has to be again */
    char receipts;         /* 'A' 'B' 'C' or 0 */
    int64_t described_us;  /* when the pod was last asked for it */
    bool polled[FEED_KINDS];
    char mapping[FEED_KINDS][HASH_TEXT_MAX]; /* fingerprint records were made
                                                with */
    bool owed[CRM_PARTS]; /* customers were composed without */
};
extern const char *const learned_debts[CRM_PARTS]; /* names of owed */
void learned_parse(const char *json, struct learned *l);
/* What other processes may have changed since: debts of customers, and what
 * the feed's records were made with. */
void learned_refresh(struct feeds *f, enum feed_kind k, const json_t *tree);

struct feeds {
    unsigned magic;
    struct loop *loop;
    struct store *store;
    struct fusion *fusion;
    const struct mapping *map;
    struct feeds_events ev;
    struct feeds_config cfg; /* texts are ours */
    char *name, *worker;
    int64_t reader; /* of its own: whose clock pages are stamped by */
    struct feed feed[FEED_KINDS];
    struct learned learned;
    bool wanted_asked; /* the store was asked what jobs wait for, and all of it
                          fitted */
    struct map need_customers, need_invoices;
    int64_t crm_off_us[CRM_PARTS]; /* monotonic: left out until then */
    uint64_t debts[CRM_PARTS]; /* grow when customers are composed without */
    /* The pass that repays: of what, where it is, debts as it began. */
    unsigned repay_mask;
    char *repay_at; /* NULL: at its beginning */
    uint64_t repay_debts[CRM_PARTS];
    struct poll *clearing; /* writes that debts are paid */
    int64_t batch_off_us;
    int64_t empty_us; /* monotonic: calibrated again after it */
    enum { IDS_UNKNOWN, IDS_SORTED, IDS_UNSORTED } ids; /* of receipts */
    char ids_high[64]; /* the highest when that was found out */
    struct poll *calibrating;
    int64_t pod_off_us; /* the pod's clock minus our monotonic one */
    bool pod_known;
    bool started, stopped;
    bool round, round_told; /* a round is on; it ends with events.idle */
    unsigned round_at;
    struct loop_call tell, want;
    struct store_op *learn;
    bool tell_stored, tell_halted, tell_idle;
    char *tell_held; /* JSON, or NULL */
    enum err halted_err;
    struct fault halted_fault;
};

/* The pod's clock now; 0 while nothing was heard from it. */
int64_t feeds_pod_us(const struct feeds *f);
/* Where reading stops: behind the pod's clock, so that what commits late is
 * still ahead. 0: nowhere, when no distance is set or the clock is unknown. */
int64_t feeds_until_us(const struct feeds *f);
void feeds_pod_heard(struct feeds *f, int64_t pod_us);
void feeds_tell_stored(struct feeds *f);
void feeds_tell_held(struct feeds *f, const char *json);
void feed_enter(struct feed *s, enum feed_state next);
/* When it would be due next: monotonic. */
int64_t feed_due_us(const struct feed *s);
/* The same for every process and start. */
uint64_t feed_key(const struct feed *s);
/* The poll is over and freed. `retry_ms`: what a 429 asked for. */
void feed_polled(struct feed *s, enum err err, const struct fault *why,
                 int64_t retry_ms, bool needs_only);

/* ---- poll.c -------------------------------------------------------------------------- */

typedef void step_fn(struct poll *p);
typedef void page_fn(struct poll *p, const struct fusion_page *page);

/* How to read a resource by LastUpdateDate. */
struct scan_spec {
    const char *resource, *stream, *id;
    enum map_kind kind;
    bool crm, links;
    enum crm part;            /* of crm */
    enum map_resource source; /* MAP_RESOURCES: only ids are wanted of it */
    const char *expand, *key;
    const char *const *children;
    fusion_row_fn *row;
    step_fn *page; /* rows are collected: store them, then scan_next() */
};

struct compose {
    json_t *accounts; /* number -> row of the account, null: not in Fusion */
    json_t *hints;    /* number -> what the database knows */
    json_t *orgs;     /* party -> row */
    json_t *persons;  /* party -> array of rows */
    json_t *parties;  /* array of texts */
    unsigned without; /* BIT() of enum crm: refused */
    bool given;       /* accounts came from the spine, not by number */
};

struct applications {
    json_t *wanted;  /* account number -> array of receipt ids */
    json_t *hrefs;   /* account number -> self href */
    json_t *unknown; /* array of numbers without href */
    json_t *parts;   /* array of {"href","ids"} still to be read */
    json_t *rows;    /* receipt id -> array of rows */
    json_t *stage;   /* rows of the read under way */
    json_t *learnt;  /* number -> row of accounts read for their link */
    size_t now;      /* parts, or numbers, in the read under way */
};

/* A walk beside the fresh polls, as loaded. */
struct pass {
    char name[NAME_MAX_PASS];
    bool known; /* it was begun once */
    bool open;  /* and is not done */
    int64_t revision, from_us, to_us, at_us, begun_us, done_us;
    char at_id[64];
};

/* What commits with the last intake of a page. */
struct advance {
    struct store_cursor cursor;
    struct store_pass passes[2];
    const char *scanned;
    int64_t scanned_us, overlap_us;
};

struct calibration {
    enum fusion_literal was; /* the style as it began */
    int was_zone;
    int64_t known_us; /* a stamp that is there */
    bool oldest;      /* it is the oldest, else the newest */
    unsigned restarts;
    int low, high; /* zone in quarters of an hour, while sought */
    unsigned tries;
    size_t rows; /* of the read under way */
    int64_t us;  /* of its first row */
};

struct poll {
    unsigned magic;
    struct feeds *f;
    struct feed *feed;
    struct log_ctx log;
    char id[RANDOM_ID_MAX];
    bool needs_only;
    bool by_hand;
    bool senseless;    /* the pod's answers make no sense: the tenant halts */
    const char *klass; /* of jobs this opens; NULL: by their age */
    int64_t yield_us;  /* monotonic: passes give way then; 0: never */
    bool walked;       /* a page of a pass was read */
    bool restarted;    /* once, for a calibration */
    bool remapped;     /* all it reads is made anew: backfill */
    int64_t now_us;    /* the database's clock as the poll began */
    int64_t now_at_us; /* and our monotonic one */
    int64_t late_us;
    /* the step under way, and where its caller goes on */
    step_fn *step;
    step_fn *returns[RETURNS_MAX];
    unsigned n_returns;
    unsigned tries;
    struct loop_timer timer;
    struct fusion_op *fop;
    struct store_op *sop;
    /* a read */
    struct arena arena; /* the query's texts */
    page_fn *on_page;
    char resource[64];           /* for people */
    unsigned read_offset, limit; /* as asked for */
    bool optional;               /* a refusal is no failure: on_page(p, NULL) */
    bool fallback;               /* nor is a second failure of another kind */
    bool has_time;               /* q has a time literal */
    bool sized;                  /* the page size may be changed */
    unsigned literals_tried;
    int64_t began_us; /* monotonic, of the read */
    int64_t read_us;  /* pod's clock then */
    size_t requests;
    struct collect page;
    /* an intake */
    enum feed_kind as;                     /* whose records */
    int64_t late_before_us, late_clock_us; /* of a fresh scan's page */
    struct advance advance;                /* with the next intake */
    struct advance held; /* with the last intake of the page */
    char cursor_id[64], over[NAME_MAX_PASS];
    char *accounts; /* JSON */
    /* where this feed stands, as loaded */
    json_t *cursors; /* stream -> {"us","id","scanned_us"} */
    json_t *passes;  /* name -> see store.h */
    struct calibration cal;
    /* a scan */
    const struct scan_spec *scan;
    struct pass pass; /* what is walked; name "": a fresh scan */
    unsigned tears;   /* pages in a row that did not begin where they should */
    bool wide;        /* it looks back a day */
    int64_t overlap_us;
    struct window window;
    bool window_on;
    struct descent descent;
    struct idwalk ids;   /* of the walk by id */
    char known_id[64];   /* where a walk over our own ids stands */
    bool twice;          /* drafts: asked for the second time */
    bool other_strategy; /* receipts: another one than was remembered */
    json_t *rows; /* small rows of the page: id and balance, id and stamp */
    enum window_next next;
    size_t kept_at;
    size_t got_mark;  /* rows of got that pages before gave */
    unsigned offset;  /* of that read */
    bool more;        /* of a read by id: some ids are still to come */
    bool light_more;  /* receipts_id.c: of a walk that reads others by id */
    bool light_days;  /* it is over the last days, else over new ones */
    int64_t light_us; /* the newest stamp it saw */
    int64_t light_again_us; /* from there on known ones are read again too */
    json_t *got;            /* rows of a read by id, of accounts and parties */
    json_t *hand;           /* array of ids being read */
    bool hand_invoices;
    bool hand_needs;  /* they were needs: go back when the poll is dropped */
    json_t *unwanted; /* ids given but filtered */
    json_t *open;     /* ids still to be re-read */
    char witness[NAME_MAX_PASS]; /* an invoice that must be there */
    struct compose compose;
    struct applications apps;
    bool repaying;    /* composing all accounts again */
    unsigned repay;   /* BIT() of enum crm: what that repays */
    char *repay_last; /* the last number in hand */
    /* the end */
    char *held_json; /* it opened too much */
    enum err err;
    struct fault fault;
    int64_t retry_ms;
};

void poll_start(struct feed *s, bool needs_only);
void poll_free(struct poll *p); /* cancels; gives needs in hand back */
struct poll *poll_from(void *arg);
void poll_go(struct poll *p, step_fn *step);
void poll_call(struct poll *p, step_fn *step, step_fn *back);
void poll_return(struct poll *p);
void poll_again(struct poll *p, int64_t delay_ms); /* the step, later */
/* Drops what the steps so far were at; what was stored stays. */
void poll_unwind(struct poll *p);
void poll_restart(struct poll *p); /* from the beginning, with a calibration */
void poll_end(struct poll *p);
void poll_fail(struct poll *p, enum err err, const struct fault *why);
/* read.c: reads q with `row`; then on_page. Rows were reset. */
void poll_read(struct poll *p, const struct fusion_query *q, fusion_row_fn *row,
               page_fn *on_page);
void poll_on_page(void *arg, enum err err, const struct fusion_page *page);
/* Repeats the step after a while, or fails the poll. */
void poll_read_failed(struct poll *p, enum err err,
                      const struct fusion_page *page);
void poll_store_started(struct poll *p, enum err err);
/* False when err is not OK: it was dealt with. */
bool poll_store_ok(struct poll *p, enum err err, const struct fault *f);
/* Reads q page by page into p->got, then on_page: got_begin() first, and
 * got_ask() is what the step calls; got_more() says whether to go on. */
void got_begin(struct poll *p);
void got_ask(struct poll *p, struct fusion_query *q, page_fn *on_page);
bool got_more(struct poll *p, const struct fusion_page *page);
/* The row cannot be used: `attribute` is missing or odd. May run in the pool. */
void poll_bad_row(struct poll *p, enum map_kind kind, const json_t *row,
                  const char *id, const char *attribute, const char *wants);
/* NULL-terminated texts of a JSON array, in the poll's arena. */
const char *const *poll_list(struct poll *p, const json_t *array);
int64_t poll_cursor(const struct poll *p, const char *stream, const char **id);
/* The pod does not do what it must: the poll fails and the tenant halts. */
void poll_senseless(struct poll *p, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Walks give way to the next fresh poll. */
bool poll_must_yield(const struct poll *p);
/* What to expand: the usual and what the mapping file reads; NULL: nothing. In
 * the poll's arena. */
const char *poll_expand(struct poll *p, const char *usual,
                        enum map_resource source);
/* A number of a document of the store; 0 without. */
int64_t json_number(const json_t *o, const char *key);
/* What the database's clock said at that monotonic time. */
int64_t poll_clock_us(const struct poll *p, int64_t mono_us);

/* ---- intake.c -------------------------------------------------------------------- */

/* Stores p->page as records of feed `as`; the cursor moves when it is ahead of
 * the stored one; then `back`. */
void poll_store(struct poll *p, enum feed_kind as, step_fn *back);
void poll_move(struct poll *p, const char *stream, int64_t us, const char *id);
/* Nothing but the page commits with the next intake. */
void poll_stay(struct poll *p);
/* `held` becomes what commits next. */
void poll_release(struct poll *p);
void needs_add(struct feeds *f, bool invoices, const char *id);
void needs_add_all(struct feeds *f, bool invoices, const char *json);
/* Takes over `ids`; the ones before go. */
void hand_set(struct poll *p, json_t *ids, bool invoices);
void hand_without(struct poll *p, const char *id);
/* As a step: what is left in hand was asked for and did not come. */
void hand_unanswered(struct poll *p);
/* Needs in hand become needs again. */
void hand_back(struct poll *p);
/* Moves up to n needs into p->hand. False: there were none. */
bool needs_take(struct poll *p, bool invoices, size_t n);
bool needs_any(const struct feeds *f);
/* As a step: what the store knows that jobs wait for becomes needs. */
void needs_ask(struct poll *p);
/* As a step: reads invoices and customers that are wanted, until none is. */
void needs_serve(struct poll *p);
/* As a step: p->hand is not in Fusion. */
void needs_missing(struct poll *p);

/* ---- calibrate.c ----------------------------------------------------------------- */

/* As a step, before anything is asked by stamp; once for all feeds. */
void calibrate(struct poll *p);
/* The pod refused a literal that had worked: looked at again by the next. */
void calibration_doubt(struct feeds *f);

/* ---- pass.c ---------------------------------------------------------------------- */

struct pass pass_get(const struct poll *p, const char *name);
/* It was begun and is not done, or its day has come. */
bool pass_is_due(const struct poll *p, const struct pass *s);
/* Begins it in the store; then `back`, with p->pass. */
void pass_begin(struct poll *p, const char *name, int64_t from_us,
                int64_t to_us, step_fn *back);
/* A daily pass without a walk of its own was done, with the next intake. */
void pass_over(struct poll *p, const char *name);
/* Where it stands, with the next intake. */
void pass_move(struct poll *p, int64_t at_us, const char *id, bool done);
/* The same without a page, now; then `back`. */
void pass_save(struct poll *p, int64_t at_us, const char *id, bool done,
               step_fn *back);
/* It is in the store now. */
void pass_committed(struct poll *p, const struct store_pass *row);
/* The walk is left, at its end or not. */
void pass_leave(struct poll *p);
/* A first poll of a stream: its cursor starts at the pod's clock, its history
 * becomes a pass; daily passes are as if done. */
/* What is older the tenant does not want: its beginning, or what a person asked
 * for. */
int64_t stream_floor_us(const struct poll *p, const char *stream);
bool stream_is_new(const struct poll *p, const char *stream);
void stream_begin(struct poll *p, const char *stream, step_fn *back);
/* After the fresh scans: history, as long as the poll may take; then `back`. */
void backfill(struct poll *p, const struct scan_spec *spec, step_fn *back);
/* The same by a walk of one's own: false when there is none to do now. */
bool backfill_takes(struct poll *p, const char *stream);

/* ---- remap.c --------------------------------------------------------------------- */

/* A changed mapping file has all records of the feed read again: from where the
 * tenant begins by stamp, older ones by id. Then `back`. */
void remap(struct poll *p, step_fn *back);
/* The ones by id, as long as the poll may take; then `back`. */
void remap_known(struct poll *p, step_fn *back);

/* ---- sweep.c --------------------------------------------------------------------- */

/* Steps to be called. */
void sweep_balances(struct poll *p);
void sweep_drafts(struct poll *p);

/* ---- scan.c --------------------------------------------------------------------------- */

/* What is new since the cursor. */
void scan_start(struct poll *p, const struct scan_spec *spec, step_fn *back);
/* How far back the next scan of a stream looks; sets p->overlap_us, p->wide. */
int64_t scan_overlap(struct poll *p, const char *stream);
/* Rows of the page that nobody knows are late by so much, when an earlier scan
 * should have met them. */
void scan_lateness(struct poll *p, const char *stream);
/* A fresh scan of the stream, up to until_us (0: as far as there is), has ended:
 * with the next intake. */
void scan_over(struct poll *p, const char *stream, int64_t until_us);
/* History: p->pass from where it stands. */
void scan_pass(struct poll *p, const struct scan_spec *spec, step_fn *back);
void scan_next(struct poll *p); /* as a step: after the page was stored */
/* Whether a row of the scan is to be taken; collects its id and stamp. */
bool scan_takes(struct poll *p, const json_t *row, const char *id_name,
                const char **id, int64_t *us);

/* ---- repay.c --------------------------------------------------------------------------- */

/* Left out for an hour; p->fault says why. */
void crm_off(struct poll *p, enum crm part);
bool crm_is_off(const struct poll *p, enum crm part);
/* Steps. Remembers what p->compose goes without, then compose_store(). */
void crm_owe(struct poll *p);
/* Composes all accounts again when there is a debt that can be paid. */
void crm_repay(struct poll *p);
/* The chunk under way is not stored, and the pass ends. */
void crm_repay_dropped(struct poll *p);
void crm_repay_free(struct poll *p);

/* ---- the feeds --------------------------------------------------------------------------- */

void invoices_begin(struct poll *p);
void invoices_by_id(struct poll *p); /* p->hand; a step */
void customers_begin(struct poll *p);
void customers_by_number(struct poll *p); /* p->hand; a step */
void compose_kept(struct poll *p); /* p->page.kept from kept_at on; a step */
void compose_reset(struct poll *p);
void compose_store(struct poll *p); /* a step */
/* p->accounts from rows of accounts (objects by number); hints: what their
 * customers were composed with, NULL: they were not. */
void accounts_remember(struct poll *p, json_t *rows, const json_t *hints);
void payments_begin(struct poll *p);
void applications_read(struct poll *p); /* for p->page.kept; a step */
void applications_reset(struct poll *p);

/* ---- receipts.c ------------------------------------------------------------------------ */

/* What is new, by the strategy of this pod; then `back`. */
void receipts_fresh(struct poll *p, step_fn *back);
/* History, as long as the poll may take; then `back`. */
void receipts_history(struct poll *p, step_fn *back);
/* Inside a pass over history, not a fresh walk. */
bool walks_history(const struct poll *p);
bool receipt_is_good(struct poll *p, const json_t *row, const char **id,
                     int64_t *us);
void receipt_keep(struct poll *p, const json_t *row);
const char *receipt_expand(struct poll *p);
/* In payments.c: the pod does not sort by the stamp: strategy C from now on. */
void receipts_cannot_be_sorted(struct poll *p);
/* In payments.c: the rows kept of the page become records; then `back`. */
void payments_store(struct poll *p, step_fn *back);

/* ---- receipts_id.c ---------------------------------------------------------------------- */

/* Steps to be called: ids above the highest; all ids, as p->pass says; stamps
 * of the last days; those with a rest. */
void receipts_new_ids(struct poll *p);
void receipts_all_ids(struct poll *p);
void receipts_days(struct poll *p);
void receipts_open(struct poll *p);
/* Steps: receipts of p->hand, ids; or ids of their payments. */
void receipts_by_id(struct poll *p);
void receipts_by_payment(struct poll *p);

#endif
