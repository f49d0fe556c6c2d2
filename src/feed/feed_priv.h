/* SPDX-License-Identifier: UNLICENSED */
#ifndef ML_FEED_PRIV_H
#define ML_FEED_PRIV_H

/*
 * Inside feed:
 *
 *   feeds.c     the public object: timers, rounds, what is told to the tenant
 *   poll.c      one poll as a chain of steps; reads and stores with retries
 *   collect.c   what the rows of one page became
 *   intake.c    a page into the database; needs
 *   window.c    keyset arithmetic, pure
 *   scan.c      a resource by LastUpdateDate, page after page
 *   invoices.c customers.c compose.c payments.c applications.c  the feeds
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
    NEEDS_MAX = 100000,
    PAGE_MIN = 10,
    TRIES_MAX = 4, /* of one step before the poll fails */
    DB_TRIES_ONCE = 5,
    RETURNS_MAX = 8,
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
    int64_t newest_us;
    char newest_id[64];
    unsigned offset;
};
void descent_init(struct descent *d, int64_t floor_us);
enum window_next descent_page(struct descent *d, const struct window_page *p);

/* Next wall time that is `phase` within its interval. */
int64_t phase_next_us(int64_t wall_us, int64_t interval_ms, uint64_t key);

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
    enum err err;
    struct fault fault;
    size_t read, opened;
};

/* What enriches customers and may be refused. */
enum crm { CRM_ORGS, CRM_PERSONS, CRM_PARTS };

struct learned {
    bool has_literal;
    enum fusion_literal literal;
    char receipts; /* 'A' 'B' or 0 */
    bool polled[FEED_KINDS];
    bool owed[CRM_PARTS]; /* customers were composed without */
};
extern const char *const learned_debts[CRM_PARTS]; /* names of owed */
void learned_parse(const char *json, struct learned *l);

struct feeds {
    unsigned magic;
    struct loop *loop;
    struct store *store;
    struct fusion *fusion;
    const struct mapping *map;
    struct feeds_events ev;
    struct feeds_config cfg; /* texts are ours */
    char *name, *worker;
    struct feed feed[FEED_KINDS];
    struct learned learned;
    bool wanted_asked; /* the store was asked what jobs wait for */
    struct map need_customers, need_invoices;
    int64_t crm_off_us[CRM_PARTS]; /* monotonic: left out until then */
    uint64_t debts[CRM_PARTS]; /* grow when customers are composed without */
    /* The pass that repays: of what, where it is, debts as it began. */
    unsigned repay_mask;
    char *repay_at; /* NULL: at its beginning */
    uint64_t repay_debts[CRM_PARTS];
    struct poll *clearing; /* writes that debts are paid */
    int64_t batch_off_us;
    int64_t pod_off_us; /* the pod's clock minus our monotonic one */
    bool pod_known;
    bool started, stopped;
    bool round, round_told; /* a round is on; it ends with events.idle */
    unsigned round_at;
    struct loop_call tell, want;
    struct store_op *learn;
    bool tell_stored, tell_halted, tell_idle;
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
void feed_enter(struct feed *s, enum feed_state next);
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
    enum crm part; /* of crm */
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

struct poll {
    unsigned magic;
    struct feeds *f;
    struct feed *feed;
    struct log_ctx log;
    char id[RANDOM_ID_MAX];
    bool needs_only;
    bool backfill; /* the cursor was at its beginning */
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
    char resource[64]; /* for people */
    unsigned read_offset;
    bool optional; /* a refusal is no failure: on_page(p, NULL) */
    bool fallback; /* nor is a second failure of another kind */
    bool has_time; /* q has a time literal */
    bool sized;    /* the page size may be changed */
    unsigned literals_tried;
    int64_t began_us; /* monotonic, of the read */
    int64_t read_us;  /* pod's clock then */
    size_t requests;
    struct collect page;
    /* an intake */
    enum feed_kind as; /* whose records */
    struct store_cursor cursor;
    char cursor_id[64];
    struct store_cursor held; /* moves with the last intake of the page */
    char *accounts;           /* JSON */
    /* cursors of this feed */
    json_t *cursors; /* stream -> {"us","id"} */
    /* a scan */
    const struct scan_spec *scan;
    struct window window;
    bool window_on;
    struct descent descent;
    bool descending;
    enum window_next next;
    size_t kept_at;
    int64_t clock_us; /* the pod's when a first poll of customers began */
    size_t got_mark;  /* rows of got that pages before gave */
    unsigned offset;  /* of that read */
    bool more;        /* of a read by id: some ids are still to come */
    json_t *got;      /* rows of a read by id, of accounts and parties */
    json_t *hand;     /* array of ids of needs being served */
    bool hand_invoices;
    json_t *unwanted; /* ids given but filtered */
    json_t *open;     /* ids of open invoices still to be re-read */
    bool opened_once;
    struct compose compose;
    struct applications apps;
    bool repaying;    /* composing all accounts again */
    unsigned repay;   /* BIT() of enum crm: what that repays */
    char *repay_last; /* the last number in hand */
    /* the end */
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
void poll_end(struct poll *p);
void poll_fail(struct poll *p, enum err err, const struct fault *why);
/* Reads q with `row`; then on_page. Rows were reset. */
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

/* ---- intake.c -------------------------------------------------------------------- */

/* Stores p->page as records of feed `as`; the cursor moves when it is ahead of
 * the stored one; then `back`. */
void poll_store(struct poll *p, enum feed_kind as, step_fn *back);
void poll_move(struct poll *p, const char *stream, int64_t us, const char *id);
void needs_add(struct feeds *f, bool invoices, const char *id);
void needs_add_all(struct feeds *f, bool invoices, const char *json);
/* Moves up to n needs into p->hand. False: there were none. */
bool needs_take(struct poll *p, bool invoices, size_t n);
bool needs_any(const struct feeds *f);
/* As a step: reads invoices and customers that are wanted, until none is. */
void needs_serve(struct poll *p);
/* As a step: p->hand is not in Fusion. */
void needs_missing(struct poll *p);

/* ---- scan.c --------------------------------------------------------------------------- */

void scan_start(struct poll *p, const struct scan_spec *spec, step_fn *back);
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
/* What the database remembers of debts. */
void crm_debts_read(struct poll *p);
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
/* p->accounts from rows of accounts (objects by number). */
void accounts_remember(struct poll *p, json_t *rows);
void payments_begin(struct poll *p);
void applications_read(struct poll *p); /* for p->page.kept; a step */
void applications_reset(struct poll *p);

#endif
