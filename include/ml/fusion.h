/* SPDX-License-Identifier: UNLICENSED */
#ifndef ML_FUSION_H
#define ML_FUSION_H

/*
 * fusion: the REST API of one pod for one tenant. Token, query building, one
 * page at a time, child collections read to their end, error decoding. It
 * neither schedules nor remembers: that is feed's.
 */
#include "ml/base.h"
#include "ml/http.h"

#include <jansson.h>

struct fusion;
struct fusion_op;

enum fusion_auth {
    FUSION_CLIENT_CREDENTIALS,
    FUSION_JWT_ASSERTION,
    FUSION_BASIC
};
/* "client-credentials" "jwt-assertion" "basic". */
bool fusion_auth_parse(const char *s, enum fusion_auth *a);

/* How timestamp literals of q are written on this pod (fusion.md 5.4). */
enum fusion_literal {
    FUSION_LITERAL_ISO_QUOTED,   /* '2024-01-15T00:00:00.000+00:00' */
    FUSION_LITERAL_BLANK_QUOTED, /* '2024-01-15 00:00:00' */
    FUSION_LITERAL_ISO_BARE,     /* 2024-01-15T00:00:00Z */
    FUSION_LITERAL_ZULU_QUOTED,  /* '2024-01-15T00:00:00.000Z' */
    FUSION_LITERALS
};
/* A stamp cut to what such a literal can say. */
int64_t fusion_literal_floor(enum fusion_literal literal, int64_t us);

struct fusion_config {
    const char *tenant;   /* for logs */
    const char *base_url; /* https://pod..., no slash at the end */
    enum fusion_auth auth;
    const char *token_url, *client_id, *scope, *user, *key_id;
    const struct secret *client_secret, *password,
        *private_key;      /* duplicated */
    int framework_version; /* 4 */
    int64_t timeout_ms;
    unsigned parallel; /* requests to the pod at once; more wait inside */
    enum fusion_literal literal;
};
/* Config is copied, http and loop are borrowed. */
struct fusion *fusion_new(struct loop *l, struct http *h,
                          const struct fusion_config *c);
void fusion_free(struct fusion *f); /* cancels silently; wipes secrets */
void fusion_set_literal(struct fusion *f, enum fusion_literal literal);
enum fusion_literal fusion_get_literal(const struct fusion *f);
/* For a pod that reads literals in its user's zone: what q's time literals say
 * is UTC plus so many minutes, -1440 to 1440. 0 at first; fusion_literal_floor
 * does not know of it. */
enum { FUSION_ZONE_MAX = 1440 };
void fusion_set_zone(struct fusion *f, int minutes);
int fusion_get_zone(const struct fusion *f);
uint64_t fusion_requests(const struct fusion *f); /* sent so far */

/* ---- one page ----------------------------------------------------------- */

/* One condition of q, joined by `and`, written in the syntax of the framework
 * version. */
struct fusion_term {
    const char *attribute;
    const char *op;   /* = != < <= > >= or "in" */
    const char *text; /* a text literal (quoted and doubled here), or NULL */
    int64_t time_us;  /* else a time stamp, when is_time */
    bool is_time;
    const char *number;      /* else a bare number */
    const char *const *list; /* op "in": NULL-terminated */
    bool list_is_text;
};
struct fusion_query {
    const char *resource; /* "receivablesInvoices", or a child path:
                             "receivablesInvoices/3001/child/x", or an absolute
                             URL of this pod (a self link) */
    bool crm;             /* below crmRestApi instead of fscmRestApi */
    const struct fusion_term *terms;
    size_t n_terms;
    const char *order_by;        /* NULL: none */
    const char *expand;          /* NULL: none; "Child,Child2.Grand" */
    const char *fields;          /* NULL: all */
    const char *finder;          /* NULL: none; "Name;Var=1" unencoded */
    const char *const *children; /* expanded collections that must be complete;
                                    NULL-terminated; NULL: none */
    const char *key;             /* attribute that is the row's id in paths, for
                             completing children: "CustomerTransactionId" */
    unsigned limit;              /* 1..500 */
    unsigned offset;
    bool links; /* keep links (self hrefs); else onlyData=true */
};

/*
 * Called once per row, numbers as strings, children complete (each child is an
 * object {"items":[...]} or an array, as the pod's version sends it). `row` is
 * borrowed. It may run in libuv's pool while the page is large, one row at a
 * time, never after done and never after cancel returned: it touches only what
 * `arg` owns for this page. Rows whose children had to be completed come last;
 * every row has its place in the page, from 0, as an integer member
 * FUSION_POSITION.
 */
#define FUSION_POSITION "@position"
typedef void fusion_row_fn(void *arg, const json_t *row);

enum { FUSION_WHY_MAX = 50 };
struct fusion_page {
    size_t count;      /* rows the pod counted; or seen */
    size_t unreadable; /* rows that were not JSON by themselves */
    const json_t *why; /* texts: where those rows were and what is wrong with
                           them, the first FUSION_WHY_MAX; NULL: none */
    bool has_more;
    unsigned limit;  /* what the pod says it applied; 0: not told */
    int64_t pod_us;  /* its Date header when the page was read; 0: none */
    size_t requests; /* spent on this page, children and token included */
    int64_t retry_after_ms; /* what a 429 or 503 asked for; 0: nothing */
    struct fault fault;     /* on failure; first unreadable row otherwise */
};
/* err: OK; UNAUTHORIZED/CREDENTIALS (after one refresh); FORBIDDEN; MISSING;
 * REFUSED (400: fault.message says what the pod said); THROTTLED (429);
 * MAINTENANCE (503); UNAVAILABLE (5xx); TIMEOUT (also 504: ask for fewer rows);
 * RESET; SYNTAX (not JSON, truncated, HTML); TOO_LARGE; PROMISE (hasMore
 * without rows, no items where rows were counted); TLS; CONNECT; RESOLVE.
 * Rows may have been given before a failure: throw them away. */
typedef void fusion_page_fn(void *arg, enum err err,
                            const struct fusion_page *p);
MUST_USE enum err fusion_read(struct fusion *f, const struct fusion_query *q,
                              fusion_row_fn *row, fusion_page_fn *done,
                              void *arg, struct fusion_op **op);
void fusion_cancel(struct fusion_op *op); /* NULL does nothing */

/* ---- several child pages in one ADF batch ------------------------------- */

/* Reads n GET queries of fscmRestApi as one batch request; rows of query i are
 * given with its index through `arg` of fusion_row_at_fn. All or none. */
typedef void fusion_row_at_fn(void *arg, size_t query, const json_t *row);
MUST_USE enum err fusion_read_batch(struct fusion *f,
                                    const struct fusion_query *q, size_t n,
                                    fusion_row_at_fn *row, fusion_page_fn *done,
                                    void *arg, struct fusion_op **op);

/* ---- describe ----------------------------------------------------------- */

/*
 * All that the pod says `resource` has, one request (one more for each kind of
 * answer that the pod refuses with a 406). The tree, borrowed until done
 * returns (json_incref keeps it):
 *
 *     {"attributes": {"TransactionNumber": {"type": "string",
 *                                           "queryable": true}, ...},
 *      "children": {"receivablesInvoiceLines": {"attributes": {...},
 *                                               "children": {...}}, ...}}
 *
 * "type" is the pod's word ("string" "integer" "number" "boolean" "object"
 * ...; "" when not told); "format" ("date" "date-time") is there only when
 * told; "queryable" is false when not told. Children nest as deep as the pod
 * tells, at most FUSION_DESCRIBE_DEPTH levels. Both members are always there
 * at the top and in each child; a child that the pod names without describing
 * its attributes has "attributes": null: nothing is known of them.
 *
 * Not OK: tree is NULL. err as for a page, and MISSING (no such resource here),
 * REFUSED (http_status 406: not in any form), TOO_LARGE, SYNTAX, PROMISE (an
 * answer that names no attributes).
 */
enum { FUSION_DESCRIBE_DEPTH = 8 };
typedef void fusion_describe_all_fn(void *arg, enum err err, const json_t *tree,
                                    const struct fault *fault);
MUST_USE enum err fusion_describe_all(struct fusion *f, const char *resource,
                                      bool crm, fusion_describe_all_fn *done,
                                      void *arg, struct fusion_op **op);

/* Whether `attribute` of `resource` (of fscmRestApi) is queryable on this pod:
 * false also for one that it does not have. */
typedef void fusion_describe_fn(void *arg, enum err err, bool queryable,
                                const struct fault *fault);
MUST_USE enum err fusion_describe(struct fusion *f, const char *resource,
                                  const char *attribute,
                                  fusion_describe_fn *done, void *arg,
                                  struct fusion_op **op);

/* Fetches a token now (for ping), or tells at once for basic. */
typedef void fusion_token_fn(void *arg, enum err err, const struct fault *f);
MUST_USE enum err fusion_token(struct fusion *f, fusion_token_fn *done,
                               void *arg, struct fusion_op **op);

#endif
