/* SPDX-License-Identifier: UNLICENSED */
#ifndef ML_SANDBOX_FUSION_H
#define ML_SANDBOX_FUSION_H

/*
 * Inside the Fusion simulator. A resource is a table of attributes and a
 * function that gives the value of one; everything else (q, orderBy, fields,
 * expand, paging, describe, dumps) works on those tables.
 *
 * A request lives in a struct fctx and its arena; what it answers is collected
 * there and written once. The first failure wins.
 */
#include "data.h"

/* ---- switches: how this pod behaves ------------------------------------- */

enum sw {
#define SW(name, value, text) SW_##name,
#include "fusion_switch.def"
#undef SW
    SW_COUNT
};

enum { SWITCH_TEXT_MAX = 96 };

struct token {
    struct list link;
    char *text;
    int64_t expires_us;
};

struct pod {
    size_t index;
    struct world *w; /* made when first asked for */
    int64_t sw[SW_COUNT];
    char hidden_unit[SWITCH_TEXT_MAX]; /* business unit that is trimmed */
    char *secret;                      /* of the client now; NULL: the first */
    char *jwt_key;                     /* PEM; NULL: signatures unchecked */
    struct list tokens;
    int64_t token_requests, requests, refused;
    int64_t looked;                   /* rows that reads have looked at */
    int64_t lists, rounds, mutations; /* of mutate_every */
    char *jwt_kid;                    /* the key's alias; NULL: any */
    int64_t token_second, token_in_second;
    int64_t *busy; /* when each request in flight will be over */
    size_t n_busy, most_busy;
    char scope[32];
};

struct fusion_sim {
    struct sim_options o;
    struct pod *pods;
    size_t n_pods;
    struct map tokens; /* text -> struct pod */
    uint64_t next_token;
};

struct world *pod_world(struct fusion_sim *s, struct pod *pod);
int64_t pod_now(const struct pod *pod, const struct sim_request *r);
void pod_init(struct fusion_sim *s, size_t index);
void pod_fini(struct fusion_sim *s, struct pod *pod);
void pod_revoke(struct fusion_sim *s, struct pod *pod);

/* ---- values, attributes, rows ------------------------------------------- */

enum vt { V_NULL, V_INT, V_DEC, V_STR, V_DATE, V_TIME, V_BOOL };
struct val {
    enum vt t;
    unsigned scale; /* of V_DEC */
    int64_t n;
    const char *s;
    bool as_text; /* an amount shown as a JSON string */
};

enum {
    AF_Q = 1,      /* queryable */
    AF_KEY = 2,    /* the id: integer, unique */
    AF_STAMP = 4,  /* LastUpdateDate */
    AF_LOOKUP = 8, /* res->lookup finds rows by it */
    AF_DENORM = 16 /* a name from elsewhere: `fields` may lose it */
};
struct attr {
    const char *name;
    enum vt type;
    unsigned flags;
    int id; /* 0: always null */
};

struct fctx;
struct res;
struct row {
    const struct res *res;
    const char *name; /* of its collection */
    const struct row *parent;
    const void *p; /* what a child row is about */
    uint32_t i, k;
};
struct rows {
    struct row *v;
    size_t n, cap;
};
void rows_add(struct fctx *c, struct rows *out, struct row row);

struct child {
    const char *name;
    const struct res *res;
    void (*rows)(struct fctx *c, const struct row *parent, struct rows *out);
};
struct res {
    const char *name, *title;
    const char *op;  /* "receivablesInvoices.get" */
    const char *api; /* of a top resource, else NULL */
    enum kind kind;  /* of a top resource */
    const struct attr *attrs;
    size_t n_attrs;
    void (*get)(struct fctx *c, const struct row *r, int id, struct val *v);
    const struct child *children;
    size_t n_children;
    const char *(*key)(struct fctx *c, const struct row *r);
    uint32_t (*find)(struct fctx *c, const char *key); /* NONE */
    void (*lookup)(struct fctx *c, const struct attr *a, const char *text,
                   struct rows *out);
    bool (*visible)(struct fctx *c, uint32_t idx);
    const char *finders; /* names, blank between */
    const char *window;  /* "ApplicationDate": rows older than 90 days hide */
};
enum { CHILDREN_MAX = 10, ATTRS_MAX = 128 };

extern const struct res *const top_resources[];
extern const size_t n_top_resources;
extern const struct res res_invoices, res_receipts, res_memos, res_adjustments,
    res_accounts, res_sites, res_organizations, res_persons;
/* For dumps: the true ledger under a receipt or memo. */
extern const struct child dump_receipt_apps, dump_memo_apps;

/* ---- a request ---------------------------------------------------------- */

struct param {
    const char *name, *value;
};
enum { PARAMS_MAX = 16, PATH_MAX_PARTS = 12 };

struct fctx {
    struct fusion_sim *s;
    struct pod *pod;
    struct world *w;
    struct arena *a;
    const struct sim_request *r;
    struct param params[PARAMS_MAX];
    size_t n_params;
    const char *base; /* scheme://host:port */
    const char *path; /* of the resource, for errors */
    const char *op;
    int64_t now; /* the pod's clock */
    int version;
    bool only_data, raw; /* raw: a dump, nothing hidden */
    struct buf *out;
    size_t n_rows, n_lists; /* collections read */
    int status;             /* 0: fine so far */
    const char *code, *error;
    const char *redirect;
};
const char *param_get(const struct fctx *c, const char *name);
/* Records the first failure; gives false. */
bool fail(struct fctx *c, int status, const char *code, const char *fmt, ...)
    PRINTF_LIKE(4, 5);
bool sw(const struct fctx *c, enum sw which);

/* What a GET on `path` (after the version) answers, into c->out. */
void fusion_get(struct fctx *c, const char *api, const char *path);

/* fusion_token.c */
void token_handle(struct fusion_sim *s, const struct sim_request *r,
                  struct sim_reply *p);
/* NULL: nobody; *why then says expired or unknown. */
struct pod *token_pod(struct fusion_sim *s, const char *authorization,
                      int64_t now_us);
const char *client_secret(const struct fusion_sim *s, size_t i, char out[48]);
void token_scope(size_t i, char out[128]);

/* fusion_query.c */
struct node;
struct node *query_parse(struct fctx *c, const struct res *res, const char *q);
struct node *query_finder(struct fctx *c, const struct res *res,
                          const char *finder, int64_t *days, bool *named);
struct node *query_and(struct fctx *c, struct node *a, struct node *b);
bool query_match(struct fctx *c, const struct node *n, const struct row *row);
const struct attr *attr_find(const struct res *res, const char *name,
                             size_t len);
bool attr_queryable(const struct fctx *c, const struct res *res,
                    const struct attr *a);
/* What the top conjunction promises: stamps and ids inside, or rows by key. */
struct bounds {
    int64_t stamp_lo, stamp_hi, id_lo, id_hi;
    bool keyed; /* `rows` holds every candidate */
    struct rows rows;
};
void query_bounds(struct fctx *c, const struct res *res, const struct node *n,
                  struct bounds *b);
int val_compare(const struct val *a, const struct val *b);

/* fusion_list.c */
void list_top(struct fctx *c, const struct res *res);
void list_child(struct fctx *c, const struct child *child,
                const struct row *parent);
void list_item(struct fctx *c, const struct row *row);

/* fusion_json.c: pretty-printed as ADF does */
struct jw {
    struct buf *b;
    unsigned depth;
    bool first;
};
void jw_open(struct jw *j, char c);
void jw_close(struct jw *j, char c);
void jw_key(struct jw *j, const char *name);
void jw_element(struct jw *j); /* before an array's value */
void jw_str(struct jw *j, const char *s);
void jw_int(struct jw *j, int64_t n);
void jw_word(struct jw *j, const char *s); /* true, false, null */
void jw_val(struct jw *j, const struct fctx *c, const struct val *v);
char *stamp_text(int64_t us, int64_t offset_min, char out[TIME_TEXT_MAX]);
char *dec_e_text(int64_t n, unsigned scale, char out[32]);

/* fusion_render.c */
struct sel {
    bool all;
    uint64_t bits[ATTRS_MAX / 64];
    struct sel *child[CHILDREN_MAX];
};
struct sel *sel_new(struct fctx *c, bool all);
bool sel_fields(struct fctx *c, const struct res *res, struct sel *s,
                const char *fields);
bool sel_expand(struct fctx *c, const struct res *res, struct sel *s,
                const char *expand);
void sel_deep(struct fctx *c, const struct res *res, struct sel *s);
void render_row(struct fctx *c, struct jw *j, const struct row *row,
                const struct sel *s);
void render_members(struct fctx *c, struct jw *j, const struct row *row,
                    const struct sel *s); /* without the braces */
void render_child(struct fctx *c, struct jw *j, const struct row *row,
                  const struct child *child, const struct sel *s);
void render_self_link(struct fctx *c, struct jw *j, const char *href,
                      const char *name);
const char *row_href(struct fctx *c, const struct row *row);

/* fusion_describe.c */
void describe_resource(struct fctx *c, const char *api, const struct res *res);
void describe_root(struct fctx *c, bool one, const char *api);

/* fusion_batch.c */
void batch_handle(struct fctx *c, const char *api);

/* fusion_dump.c: the true world for test oracles */
void dump_write(struct fctx *c, const char *kind, const char *id,
                int64_t offset, int64_t limit);

/* fusion_switch.c */
void switches_default(struct pod *pod);
bool switch_set(struct pod *pod, const char *name, const char *value);
/* Tells the world what the switches say of its changes. */
void pod_flags(struct pod *pod);
json_t *switches_json(const struct pod *pod);
/* All that a request wants set, as texts by name. New reference. */
json_t *switches_wanted(const struct sim_request *r);
/* There is such a switch, and it can take this value. */
bool switch_is_good(const char *name, const char *value);

#endif
