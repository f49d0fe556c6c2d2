/* SPDX-License-Identifier: UNLICENSED */
#ifndef ML_FUSION_PRIV_H
#define ML_FUSION_PRIV_H

/*
 * Inside fusion:
 *
 *   query.c   URLs and q, pure
 *   error.c   what a failed answer means, pure
 *   words.c   a peer's words made fit for people, pure
 *   jwt.c     signed assertions
 *   token.c   the one token of the pod
 *   call.c    one HTTP request: waits for a slot and a token, 401 once
 *   page.c    an answer split into rows, on the loop or in the pool
 *   op.c      pages, batches, token: what callers start
 *   describe.c  what the pod says of a resource
 *   fusion.c  the object
 */
#include "ml/fusion.h"
#include "ml/loop.h"

#include <pthread.h>

enum {
    MAGIC_FUSION = 0x46555349,
    MAGIC_CALL = 0x4643414c,
    MAGIC_OP = 0x464f5052,
    POOL_BYTES = 64 * 1024, /* larger answers are split in the pool */
    CHILD_LIMIT = 500,      /* rows asked for when completing a child */
    BATCH_PARTS_MAX = 50,
    URL_MAX = 64 * 1024,
    BATCH_MAX = 1024 * 1024
};

/* ---- query.c -------------------------------------------------------------- */

struct url_style {
    const char *base;
    int version;
    enum fusion_literal literal;
    int zone; /* minutes added to what time literals say */
};
/* The text of q, not encoded. */
void query_text(struct buf *b, const struct url_style *s,
                const struct fusion_query *q);
/* The whole URL. */
void query_url(struct buf *b, const struct url_style *s,
               const struct fusion_query *q, unsigned offset);
/* From the slash after the version on: what a batch part wants. */
void query_path(struct buf *b, const struct url_style *s,
                const struct fusion_query *q, unsigned offset);
/* "receivablesInvoices" of "receivablesInvoices/1/child/x" is "x": a label. */
void query_label(const char *resource, char *out, size_t n);
/* What people are told it is: paths stay, addresses become labels. */
void query_name(const char *resource, char *out, size_t n);

/* ---- words.c -------------------------------------------------------------- */

enum { WORDS_HIDE = 4 };
/* At most max - 1 bytes of one line of printing UTF-8 and a NUL. s may be NULL;
 * hide has WORDS_HIDE places, NULL where there is none. */
void words_take(char *out, size_t max, const char *s, size_t n,
                const struct secret *const *hide);

/* ---- error.c -------------------------------------------------------------- */

struct answer {
    int status;
    const char *type;     /* Content-Type or NULL */
    const char *location; /* of a redirect or NULL */
    const char *body;
    size_t len;
    const struct secret *hide[WORDS_HIDE]; /* that no message may repeat */
};
/* What an answer other than 2xx means. Fills f, gives f->err. */
enum err error_decode(const struct answer *a, struct fault *f);
/* The same for the token endpoint. */
enum err error_decode_token(const struct answer *a, struct fault *f);
/* "what: " before the message, unless it begins so. */
void error_prefix(struct fault *f, const char *what);
/* Retry-After in seconds; 0 when absent or odd. */
int64_t error_retry_after_ms(const char *header);

/* What `a` may not repeat: the secrets of f. */
void fusion_hide(const struct fusion *f, struct answer *a);

/* ---- jwt.c ------------------------------------------------------------------ */

struct jwt_claims {
    const char *issuer, *subject, *key_id;
    int64_t now_s, life_s;
};
/* RS256. Gives text to free, to be wiped by the caller; ERR_CREDENTIALS when
 * the key is none. */
MUST_USE enum err jwt_sign(const struct secret *pem, const struct jwt_claims *c,
                           char **out, struct fault *f);

/* ---- calls, tokens ------------------------------------------------------------ */

typedef void call_fn(void *arg, enum err err, const struct http_reply *r,
                     const struct fault *f);

struct fusion_call {
    unsigned magic;
    struct fusion *f;
    struct list link; /* waiting, token_wait, sent or ended */
    char *url;        /* NULL: only the token is wanted */
    char *body;
    size_t body_len;
    const char *content_type, *accept; /* static */
    char label[64];
    uint64_t generation; /* of the token it was sent with */
    unsigned refreshed;  /* 401s that were answered with a new token */
    bool in_flight;
    struct http_op *http;
    size_t max_body;
    size_t *spent; /* requests, borrowed; may be NULL */
    enum err err;  /* while ended */
    struct fault *fault;
    call_fn *done;
    void *arg;
};
struct call_spec {
    const char *url, *body;
    size_t body_len;
    const char *content_type, *accept; /* static; NULL: the usual */
    const char *label;
    size_t max_body; /* 0: what http allows */
    size_t *spent;
};
struct fusion_call *call_start(struct fusion *f, const struct call_spec *s,
                               call_fn *done, void *arg);
void call_cancel(struct fusion_call *c); /* NULL does nothing */
/* Looks what can go on; scheduled, never recursive. */
void calls_poke(struct fusion *f);
/* Everything waiting for the token goes on, or ends with err. */
void calls_token_told(struct fusion *f, enum err err, const struct fault *why);

struct token {
    struct secret *bearer;
    uint64_t generation; /* grows with each one fetched */
    uint64_t accepted;   /* the newest that the pod answered to */
    int64_t refresh_us, expires_us, retry_us; /* monotonic */
    int64_t clock_off_us; /* the endpoint's clock minus our monotonic one */
    bool clock_known;
    struct http_op *http; /* fetching */
    bool failing; /* a fetch could not even begin; told on the next turn */
    enum err err;
    struct fault fault;
    struct loop_call tell;
};
/* The token of an answer, to free, and how long it lives: more than nothing,
 * at most a day. Pure. */
MUST_USE enum err token_read(const char *body, size_t len,
                             struct secret **bearer, int64_t *life_s,
                             struct fault *why);
bool token_ready(struct fusion *f); /* else a fetch is under way; the calls are
                                       told by calls_token_told */
void token_drop(struct fusion *f, uint64_t generation);
void token_accepted(struct fusion *f, uint64_t generation);
void token_fini(struct fusion *f);

struct fusion {
    unsigned magic;
    struct loop *loop;
    struct http *http;
    char *tenant, *base_url, *token_url, *client_id, *scope, *user, *key_id;
    enum fusion_auth auth;
    struct secret *client_secret, *password, *private_key;
    int version;
    char version_header[48];
    int64_t timeout_ms;
    unsigned parallel;
    enum fusion_literal literal;
    int zone;
    struct list waiting, token_wait, sent, ended;
    unsigned in_flight;
    struct loop_call run;
    struct token token;
    struct list ops;
    uint64_t requests;
};
struct url_style fusion_style(const struct fusion *f);

/* ---- page.c ---------------------------------------------------------------- */

/* One answer being split. Owned by the op, or, once it is cancelled while the
 * pool works, by the pool's drop. */
struct page {
    struct fusion_op *op; /* the loop's; the pool does not look */
    char *body;           /* private copy */
    size_t len;
    const char *key;  /* "items" or "parts" */
    char *resource;   /* for people */
    unsigned offset;  /* of the page */
    char **names;     /* children that must be complete; NULL ends */
    size_t n_queries; /* parts: how many were asked for */
    fusion_row_fn *row;
    fusion_row_at_fn *row_at;
    void *arg;
    pthread_mutex_t gate; /* rows are given inside */
    bool closed;          /* nobody wants rows any more */
    /* results */
    enum err err;
    struct fault fault;
    json_t *envelope;
    size_t seen, unreadable;
    json_t *why;      /* texts of unreadable rows */
    json_t *partial;  /* rows with a child that is not complete */
    size_t *received; /* parts: rows of each query; SIZE_MAX: no answer */
    bool *more;       /* parts: that query has more rows */
};
struct page *page_new(const char *key, const struct fusion_query *q,
                      size_t n_queries);
/* Row `at` of the page cannot be used. */
void page_spoilt(struct page *p, size_t at, const char *what);
void page_free(void *page);
void page_split(void *page);     /* the work; pool or loop */
void page_close(struct page *p); /* after this no row is given */
/* The child collection of a row that is not complete, from `*at` on; NULL when
 * all are. */
json_t *page_truncated(const struct page *p, json_t *row, size_t *at,
                       const char **name);

#endif
