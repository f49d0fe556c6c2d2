/* SPDX-License-Identifier: UNLICENSED */
#ifndef ML_SANDBOX_HUBSPOT_H
#define ML_SANDBOX_HUBSPOT_H

/*
 * Inside the HubSpot simulator.
 *
 *   hubspot.c           portals, tokens, scopes: the way in
 *   hubspot_limit.c     limits, their headers, other apps, the network's delay
 *   hubspot_route.c     which call a path and method are
 *   hubspot_out.c       JSON written straight into the reply; error bodies
 *   hubspot_store.c     records, values, unique values, links
 *   hubspot_value.c     what a property accepts
 *   hubspot_rules.c     invoices, line items, payments; calculated values
 *   hubspot_write.c     one input of a write: check it, then apply it
 *   hubspot_object.c    single calls, list
 *   hubspot_search.c    search
 *   hubspot_batch.c     batch calls
 *   hubspot_assoc.c     associations
 *   hubspot_props.c     property definitions
 *   hubspot_account.c   account details, currencies, token info
 *   hubspot_control.c   /control/hubspot
 *
 * A portal owns everything in it. Records are never freed before their portal:
 * archived ones stay in the recycle bin.
 */
#include "sandbox.h"

enum hub_type {
    HUB_CONTACTS,
    HUB_COMPANIES,
    HUB_INVOICES,
    HUB_LINE_ITEMS,
    HUB_PAYMENTS,
    HUB_PRODUCTS,
    HUB_TYPES
};

struct hub_type_info {
    const char *name;    /* "line_items" */
    const char *id;      /* "0-8" */
    const char *upper;   /* "LINE_ITEM", as error texts have it */
    const char *created; /* name of the creation date property */
    const char *modified;
    const char *scope;        /* "crm.objects.line_items" */
    const char *schema_scope; /* "crm.schemas.line_items", without .write */
    const char *schema_write; /* the whole scope */
};
extern const struct hub_type_info hub_types[HUB_TYPES];
/* By name or id; HUB_TYPES when unknown. */
enum hub_type hub_type_of(const char *name);

/* ---- switches ----------------------------------------------------------- */

struct hub_switches {
#define SWITCH(name, def, text) int64_t name;
#include "hubspot_switches.def"
#undef SWITCH
};
void hub_switches_default(struct hub_switches *w);
json_t *hub_switches_show(const struct hub_switches *w);
/* NULL when fine, else what is wrong; static or inside `values`. */
const char *hub_switches_set(struct hub_switches *w, json_t *values);

/* ---- properties --------------------------------------------------------- */

enum hub_kind {
    KIND_STRING,
    KIND_EMAIL,
    KIND_NUMBER,
    KIND_BOOL,
    KIND_ENUM,
    KIND_MULTI,
    KIND_DATE,
    KIND_DATETIME
};

enum hub_calc {
    CALC_NONE,
    CALC_ID,
    CALC_CREATED,
    CALC_MODIFIED,
    CALC_LINE_AMOUNT,
    CALC_BILLED,
    CALC_PAID,
    CALC_BALANCE,
    CALC_PAYMENT_ID,
    CALC_NET,
    CALC_HAS_INVOICE,
    CALC_INVOICES,
    CALC_OTHER
};

struct hub_prop {
    char *name;
    enum hub_kind kind;
    enum hub_calc calc;
    bool unique, read_only, builtin, archived;
    bool more_emails;    /* a contact's hs_additional_emails */
    int64_t visible_us;  /* wall clock: known from then on */
    json_t *def;         /* what the properties API shows; may be shared */
    struct map *options; /* value -> any, for enumerations; see own_options */
    bool own_options;    /* else those of the prototype */
    struct map holders;  /* unique: value in lower case or as is -> record */
};

/* ---- records ------------------------------------------------------------ */

struct hub_value {
    struct hub_prop *prop;
    char *text; /* never NULL */
};

enum { HUB_LABELS_MAX = 4 };
struct hub_link {
    struct hub_record *to;
    uint16_t types[HUB_LABELS_MAX]; /* as seen from the owner */
    uint16_t ntypes;
};

struct hub_record {
    uint64_t id;
    enum hub_type type;
    bool archived;
    int64_t created_us, updated_us, archived_us;
    int64_t indexed_us;         /* search sees the record from then on */
    int64_t busy_us, locked_us; /* monotonic: written until, locked until */
    struct hub_value *values;
    size_t nvalues, values_cap;
    struct hub_link *links;
    size_t nlinks, links_cap;
    struct hub_record *merged_into;
};

struct hub_kindred { /* all of one type in one portal */
    struct map props;
    struct hub_prop **prop_list;
    size_t nprops;
    json_t *groups; /* object: name -> definition */
    struct hub_record **records;
    size_t nrecords, cap, live;
    struct map required; /* admin-required property names -> itself */
    json_t *required_if; /* [{"when","is","need"}] of the admin, or NULL */
    struct map emails;   /* further e-mail addresses -> record */
};

/* What counts against a burst limit, by every way of counting at once. */
struct hub_window {
    int64_t *arrivals; /* ring, monotonic us */
    size_t head, count, cap;
    int64_t fixed; /* number of the fixed window */
    int64_t fixed_count, fixed_before;
};

struct hub_token {
    char *text;
    struct hub_portal *portal;
    struct map scopes;
    const char *state; /* "active" "revoked" "expired"; static */
    struct hub_window all, associations;
    int64_t foreign_next_us; /* monotonic; 0: no other app is at it */
};

struct hub_portal {
    struct hubspot_sim *sim;
    uint64_t id;
    char *id_text;
    struct hub_switches sw;
    struct hub_kindred kin[HUB_TYPES];
    struct hub_record **by_id; /* by id - first_id */
    size_t nby_id, by_id_cap;
    uint64_t first_id;
    json_t *currencies; /* array of codes, the first is the company's */
    char *time_zone;
    int64_t utc_offset_us; /* midnight of the account, from UTC */
    uint64_t batches;      /* how many there were; decides their orders */
    int64_t clock_us;      /* how far its clocks are ahead by steps so far */
    uint64_t clock_nth;    /* batches since the last step */
    int64_t day, day_count;
    int64_t
        status_backs; /* invoices that were to go back to an earlier status */
    int64_t foreign, foreign_refused; /* requests of other apps */
    int64_t search_us[16];            /* ring of the last searches */
    size_t nsearch;
};

/* HubSpot's own properties, made once for all portals. */
struct hub_proto {
    json_t *def;
    struct map options;
};

struct hubspot_sim {
    struct hub_proto *protos;
    uint64_t random, way_random;
    sim_foreign_fn *on_foreign; /* may be NULL */
    void *on_foreign_arg;
    struct hub_portal **portals;
    size_t nportals;
    struct map tokens;     /* text -> hub_token */
    struct map operations; /* interned names */
};
/* Next of the simulator's own sequence; same seed, same sequence. */
uint64_t hub_random(struct hubspot_sim *s);
uint64_t hub_draw(uint64_t *state);
struct hub_portal *hub_portal_by_id(struct hubspot_sim *s, const char *id);
/* That of the request's token, else the first one. */
struct hub_portal *hub_portal_of(struct hubspot_sim *s,
                                 const struct sim_request *r);
struct hub_token *hub_token_add(struct hub_portal *po, const char *text);
void hub_token_scopes_all(struct hub_token *t);
void hub_portal_init(struct hub_portal *po); /* empty, standard properties */
void hub_portal_fini(struct hub_portal *po);

/* ---- one call ----------------------------------------------------------- */

enum hub_version { HUB_V3, HUB_V4, HUB_2026_03, HUB_2026_09 };

struct hub_call;
typedef void hub_call_fn(struct hub_call *c);

enum hub_access { ACCESS_READ, ACCESS_WRITE, ACCESS_NONE };

struct hub_route_row {
    const char *family, *method, *pattern, *operation;
    hub_call_fn *run;
    enum hub_access access;
};

struct hub_route {
    const struct hub_route_row *row; /* NULL: none */
    bool other_method;               /* the path exists, the method not */
    enum hub_version version;
    enum hub_type type, to; /* HUB_TYPES: none in the path */
    const char *wrong_type; /* text that is no type, or NULL */
    const char *arg[2];     /* what the wildcards matched */
    const char *operation;  /* "invoices.batch_upsert"; interned */
    char path[1024];        /* cut into segments */
};
void hub_route_find(struct hubspot_sim *s, const struct sim_request *r,
                    struct hub_route *out);

struct hub_call {
    struct hubspot_sim *sim;
    struct hub_portal *po;
    struct hub_token *token;
    const struct sim_request *r;
    struct sim_reply *p;
    struct buf *out; /* the reply's body */
    struct hub_route route;
    json_t *body;
    struct arena arena;
    int64_t now_us;
    int64_t work_us; /* -1: not drawn yet; see hub_work_us() */
};
/* How long the call is worked on, in simulated time. Its inputs are known. */
int64_t hub_work_us(struct hub_call *c);

/* 0..n-1 in random order, or as it is without `shuffle`. The same calls to an
 * empty portal give the same orders. */
size_t *hub_order(struct hub_call *c, size_t n);
/* A new array in random order takes the place of the old one. */
json_t *hub_shuffle(struct hub_call *c, json_t *list);

/* ---- limits -------------------------------------------------------------- */

/* Counts the request; true when it was refused. */
bool hub_limit_refuse(struct hub_call *c);
void hub_limit_headers(struct hub_call *c);
void hub_limit_fini(struct hub_token *t);

/* ---- out ---------------------------------------------------------------- */

void out_text(struct buf *b, const char *s);  /* "quoted" */
void out_key(struct buf *b, const char *key); /* "key": */
void out_record_open(struct buf *b, const struct hub_record *rec);
/* id, properties, dates. `want`: names, or NULL for the default ones. */
struct out_view {
    const struct hub_prop *const *written; /* shown besides the default ones */
    size_t nwritten;
    json_t *names;     /* asked-for properties, or NULL */
    bool with_history; /* propertiesWithHistory was asked for */
    json_t *history;
    const char *trace;
    int is_new;           /* -1: not shown */
    json_t *associations; /* array of type names, or NULL */
};
void out_record(struct hub_call *c, const struct hub_record *rec,
                const struct out_view *v);
void out_record_all(struct hub_portal *po, struct buf *b,
                    const struct hub_record *rec);
void out_batch_open(struct hub_call *c);
void out_batch_close(struct hub_call *c, json_t *errors);
/* startedAt and completedAt by the portal's clock, which may step in between;
 * false: they are left out. */
struct hub_times {
    char started[TIME_TEXT_MAX], completed[TIME_TEXT_MAX];
};
bool hub_batch_times(struct hub_call *c, struct hub_times *out);
/* The status of a batch with errors in its answer. */
int hub_partial(const struct hub_call *c);

/* A whole refusal: {status, message, correlationId, category, ...}. `extra`
 * (taken, may be NULL) is merged in. */
struct hub_error {
    int status;
    const char *category; /* NULL: none */
    const char *message;
};
void hub_refuse(struct hub_call *c, const struct hub_error *e, json_t *extra);
void hub_refuse_f(struct hub_call *c, int status, const char *category,
                  const char *fmt, ...) PRINTF_LIKE(4, 5);
/* From a StandardError with "http" in it (taken). */
void hub_refuse_json(struct hub_call *c, json_t *error);
/* {status:"error", category, message, http}: a StandardError before it is
 * known whether it stands in a 207 or alone. */
json_t *hub_error_json(int http, const char *category, const char *message);
void hub_error_context(json_t *error, const char *key, const char *value);

enum { HUB_EMAIL_MAX = 256 };

/* ---- store -------------------------------------------------------------- */

struct hub_record *store_new(struct hub_portal *po, enum hub_type type,
                             int64_t now_us);
struct hub_record *store_by_id(struct hub_portal *po, enum hub_type type,
                               const char *id); /* archived ones too */
struct hub_record *store_by_unique(const struct hub_prop *prop,
                                   const char *value);
/* By the key of a call: e-mail may be a further one of a contact. */
struct hub_record *store_by_key(struct hub_portal *po,
                                const struct hub_prop *prop, const char *value);
/* Who has it as a further e-mail address. */
struct hub_record *store_by_email(struct hub_portal *po, const char *value);
/* The next address of a ;-list, in lower case; NULL at the end. */
const char *store_next_email(const char **list, char tmp[HUB_EMAIL_MAX]);
struct hub_prop *store_prop(struct hub_portal *po, enum hub_type type,
                            const char *name, int64_t now_us); /* visible */
/* The value as stored or calculated; NULL: none. tmp may hold it. */
enum { HUB_TMP_MAX = 96 };
const char *store_get(const struct hub_record *rec, const struct hub_prop *prop,
                      char tmp[HUB_TMP_MAX]);
const char *store_get_name(struct hub_portal *po, const struct hub_record *rec,
                           const char *name, char tmp[HUB_TMP_MAX]);
void store_set(struct hub_portal *po, struct hub_record *rec,
               struct hub_prop *prop,
               const char *text); /* "" clears; unique values are kept */
void store_touch(struct hub_portal *po, struct hub_record *rec, int64_t now_us);
void store_archive(struct hub_portal *po, struct hub_record *rec,
                   int64_t now_us);
void store_restore(struct hub_portal *po, struct hub_record *rec);
void store_merge(struct hub_portal *po, struct hub_record *into,
                 struct hub_record *gone, int64_t now_us);
struct hub_link *store_link_find(const struct hub_record *a,
                                 const struct hub_record *b);
/* Both directions; true when something was new. */
bool store_link_add(struct hub_record *a, struct hub_record *b, unsigned type);
void store_link_drop(struct hub_record *a, struct hub_record *b,
                     unsigned type); /* type 0: all */
size_t store_link_count(const struct hub_record *a, enum hub_type to);

/* Association types. */
struct hub_assoc_type {
    enum hub_type from, to;
    unsigned id, inverse;
    bool unlabelled;
    const char *label; /* NULL: none */
};
const struct hub_assoc_type *assoc_type_find(enum hub_type from,
                                             enum hub_type to, unsigned id);
const struct hub_assoc_type *assoc_type_default(enum hub_type from,
                                                enum hub_type to);
const struct hub_assoc_type *assoc_type_at(size_t i); /* NULL at the end */

/* ---- values and rules --------------------------------------------------- */

/* Checks and normalizes into the arena. NULL when refused; then *code and
 * *why tell. */
struct value_fault {
    const char *code;
    const char *why; /* in the arena */
};
const char *value_check(struct hub_call *c, const struct hub_prop *prop,
                        const char *text, struct value_fault *f);
/* A JSON value as HubSpot stores it; NULL when it is no scalar. */
const char *value_text(struct arena *a, json_t *v);

struct hub_input;
/* The rules of the object type, after the values are fine. NULL or an error. */
json_t *rules_check(struct hub_call *c, struct hub_input *in);
void rules_applied(struct hub_call *c, struct hub_record *rec);
void rules_linked(struct hub_portal *po, struct hub_record *a,
                  struct hub_record *b);
json_t *rules_link_check(struct hub_portal *po, const struct hub_record *a,
                         const struct hub_record *b);
json_t *rules_delete_check(struct hub_portal *po, const struct hub_record *rec);
void rules_archived(struct hub_portal *po, struct hub_record *rec,
                    int64_t now_us);
const char *rules_calculate(const struct hub_record *rec,
                            const struct hub_prop *prop, char tmp[HUB_TMP_MAX]);

/* ---- one input of a write ----------------------------------------------- */

struct hub_write {
    struct hub_prop *prop;
    const char *text; /* normalized; "" clears */
};
/* True when another request is at one of them: 423, for two seconds. */
bool hub_lock_refuse(struct hub_call *c, struct hub_record *const *list,
                     size_t n);
void hub_lock_take(struct hub_call *c, struct hub_record *rec);

struct hub_assoc_want {
    struct hub_record *to;
    unsigned type;
};
struct hub_input {
    const char *trace;
    struct hub_record *target;  /* NULL: create */
    const struct hub_prop *key; /* shown even when not written, or NULL */
    struct hub_write *writes;
    size_t nwrites;
    struct hub_assoc_want *wants;
    size_t nwants;
    json_t *error;       /* owned */
    bool whole;          /* it refuses the batch whatever the trace ids */
    bool stays_archived; /* the record is written where it lies, in the bin */
};
/* Reads "properties" and "associations" of `src`, checks everything against
 * the portal and `claims` (unique values of the other inputs). in->target is
 * set by the caller. */
void input_check(struct hub_call *c, struct hub_input *in, json_t *src,
                 struct map *claims);
struct hub_record *input_apply(struct hub_call *c, struct hub_input *in);
void input_show(struct hub_call *c, const struct hub_input *in,
                const struct hub_record *rec, int is_new);
void input_fini(struct hub_input *in);
/* Composes the message of an error with an "invalid" list and drops the list.
 * `more` (may be NULL) are further errors whose lists are joined in. */
void input_error_message(struct hub_call *c, json_t *error, json_t *more);
const char *input_value(const struct hub_input *in, const char *name);

/* ---- calls -------------------------------------------------------------- */

hub_call_fn object_list, object_create, object_read, object_update,
    object_archive, object_search, object_merge, batch_create, batch_read,
    batch_update, batch_upsert, batch_archive, assoc_batch_create,
    assoc_batch_default, assoc_batch_read, assoc_batch_archive,
    assoc_batch_labels, assoc_labels, assoc_put_default, assoc_put, assoc_list,
    assoc_delete, props_list, props_create, props_read, props_update,
    props_archive, props_batch_create, props_batch_read, props_batch_archive,
    groups_list, groups_create, groups_read, groups_update, groups_archive,
    object_gdpr_delete, account_details, account_usage, account_token,
    account_currencies, account_currency, account_rates;

/* The unique property named by `name`, or NULL with the refusal written. */
struct hub_prop *unique_prop(struct hub_call *c, const char *name);
/* "properties" of the query (comma list) or NULL. New reference. */
json_t *query_list(struct hub_call *c, const char *name);
void props_standard(struct hub_portal *po);
void props_fini(struct hub_portal *po);
void protos_init(struct hubspot_sim *s);
void protos_fini(struct hubspot_sim *s);
int64_t query_number(const struct sim_request *r, const char *name,
                     int64_t def);
void hub_midnight_roll(struct hub_portal *po, int64_t now_us);

#endif
