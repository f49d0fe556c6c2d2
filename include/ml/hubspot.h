/* SPDX-License-Identifier: UNLICENSED */
#ifndef ML_HUBSPOT_H
#define ML_HUBSPOT_H

/*
 * hubspot: the HubSpot REST API for one token. Builds requests, sends them
 * through http, and turns each answer into one outcome per input. It neither
 * paces nor retries: that is dispatch's.
 */
#include "ml/base.h"
#include "ml/http.h"
#include "ml/map.h"

struct hubspot;
struct hubspot_op;

struct hubspot_config {
    const char *base_url;    /* https://api.hubapi.com, no slash at the end */
    const char *api_version; /* 2026-03, 2026-09 or v3 */
    const struct secret *token; /* duplicated */
    int64_t timeout_ms;
    const char *tenant; /* for logs */
};
/* Config is copied; http is borrowed. */
struct hubspot *hubspot_new(struct loop *l, struct http *h,
                            const struct hubspot_config *c);
/* Cancels silently; wipes the token. Before http is closed. */
void hubspot_free(struct hubspot *h);

/* ---- what every answer says about itself -------------------------------- */

struct hubspot_meta {
    int status;         /* 0: no answer */
    struct fault fault; /* err OK for any 2xx; code = category or policyName */
    bool maybe_done;    /* no usable answer, but the request may have worked */
    int64_t sent_us, answered_us; /* monotonic */
    int64_t worked_from_us; /* startedAt, by the server's clock; 0: not told, */
    int64_t worked_to_us;   /* or more than the whole time; and completedAt */
    int remaining, max;     /* X-HubSpot-RateLimit-*; -1: not told */
    int64_t interval_us;    /* 0: not told */
    int64_t daily_remaining; /* -1: not told */
    int64_t retry_after_us;  /* -1: not told */
    bool daily;              /* a 429 of the DAILY policy */
};
/* Errors by status: 401 CREDENTIALS, 403 FORBIDDEN, 404 MISSING, 409 CONFLICT,
 * 400/413/414/415/422 REFUSED, 423 LOCKED, 429 THROTTLED or QUOTA (DAILY),
 * 477 MAINTENANCE (with retry_after), 5xx UNAVAILABLE; 504/524 and broken
 * connections UNKNOWN when maybe_done; a 2xx that is not the JSON promised
 * UNKNOWN (writes) or SYNTAX/PROMISE (reads). */

/* ---- batches ------------------------------------------------------------ */

enum hubspot_verb {
    HUBSPOT_UPSERT,     /* by our unique property; 100 inputs */
    HUBSPOT_UPDATE,     /* by HubSpot id; 100 */
    HUBSPOT_READ,       /* by `id_property` or HubSpot id; 100 */
    HUBSPOT_ARCHIVE,    /* by HubSpot id; 100 */
    HUBSPOT_ASSOCIATE,  /* object -> to with the types of the table; 2000 */
    HUBSPOT_DISSOCIATE, /* object -> to, all labels of the pair; 100 */
    HUBSPOT_CREATE,     /* with associations; refused where our unique property
                           has the value already (CONFLICT); 100 */
    HUBSPOT_JOINED,     /* reads what the object `to` is joined with; 100 */
    HUBSPOT_VERBS
};
const char *hubspot_verb_name(enum hubspot_verb v);
size_t hubspot_batch_max(enum hubspot_verb v);

/* What a new object is associated with, by the types of the table. */
struct hubspot_join {
    enum map_object to;
    const char *id; /* HubSpot id */
};
struct hubspot_input {
    const char *id; /* UPSERT, CREATE: our key; READ: key or id; else HubSpot id
                       (from) */
    const char *to; /* associations: HubSpot id; JOINED: `after` of the page
                       before, NULL: the first */
    const char *properties; /* UPSERT, UPDATE, CREATE: JSON object text; of
                               CREATE with our key among them */
    const struct hubspot_join *joins; /* CREATE */
    size_t n_joins;
};
struct hubspot_batch {
    enum hubspot_verb verb;
    enum map_object object;
    enum map_object to;      /* associations */
    const char *id_property; /* READ: NULL = HubSpot ids. UPSERT, CREATE:
                                always the object's own key */
    const char *const *read; /* READ: property names, NULL-terminated */
    const struct hubspot_input *inputs;
    size_t n;
    const int64_t *until_us; /* monotonic: nothing of it leaves later than
                                that; borrowed; NULL: whenever it can */
    const char
        *trace; /* UPSERT, UPDATE, CREATE: input i is sent with the trace id
                          <trace>-<i>; at most 32 characters, not used before;
                          NULL: made up */
};

enum hubspot_outcome {
    HUBSPOT_WRITTEN,  /* or found, for READ */
    HUBSPOT_ABSENT,   /* READ: no such record; ARCHIVE/UPDATE: gone */
    HUBSPOT_REJECTED, /* fault says why */
    HUBSPOT_RETRY,    /* certainly not done; may be sent again */
    HUBSPOT_UNKNOWN   /* may have been done */
};
struct hubspot_result {
    enum hubspot_outcome outcome;
    const char *id; /* HubSpot id when written or found; else NULL */
    bool created;
    json_t *properties;      /* borrowed; READ; else NULL */
    json_t *joined;          /* borrowed; JOINED: [{"toObjectId",
                                "associationTypes":[{"typeId"}]}]; NULL: none */
    const char *after;       /* JOINED: there are more; else NULL */
    struct fault fault;      /* rejected, retry, unknown */
    const char *existing_id; /* CONFLICT: who holds the value; NULL unknown */
    bool key_taken;          /* CONFLICT: our unique property has the value */
    bool
        alone; /* RETRY: refused, but the reason names nobody: sent by itself it
                   gets its own */
    const char *gone; /* MISSING: which HubSpot id of the input's ends there is
                         not (any more); NULL: not told */
};
struct hubspot_reply {
    struct hubspot_meta meta;
    size_t n;
    const struct hubspot_result *results; /* one per input, input order */
    bool split;  /* the whole batch was refused and the body does not name the
                   culprits: results are RETRY; send halves */
    bool no_key; /* ... since the portal has our unique property no more */
};
/* Codes that stand for several of HubSpot's, so that people find them: a
 * currency that the portal does not have; a rule of the portal's own, such as a
 * property that its admin requires. */
#define HUBSPOT_CURRENCY_INACTIVE "CURRENCY_INACTIVE"
#define HUBSPOT_PORTAL_RULE "PORTAL_RULE"
/* Whether the fault says that a property of ours is not in the portal. */
bool hubspot_lacks_property(const struct fault *f, enum map_object o);
/* Once, on a later turn, never after cancel. err is meta.fault.err; results are
 * always there, n of them. Matching is by objectWriteTraceId, else by key,
 * never by position. An input found in neither results nor errors of a 2xx is
 * UNKNOWN (upsert read back by the caller), for idempotent verbs too. */
typedef void hubspot_batch_fn(void *arg, const struct hubspot_reply *r);
/* Inputs are copied into the request. Distinct keys are the caller's duty. */
MUST_USE enum err hubspot_send(struct hubspot *h, const struct hubspot_batch *b,
                               hubspot_batch_fn *done, void *arg,
                               struct hubspot_op **op);
void hubspot_cancel(struct hubspot_op *op);

/* ---- single calls ------------------------------------------------------- */

struct hubspot_call {
    const char *operation; /* metric label: "account.details" */
    const char *method;
    const char *path; /* "/account-info/v3/details" */
    const char *body; /* NULL: none */
    bool with_token;  /* the body is {"tokenKey":"<token>"}, made and wiped by
                         the module (body is NULL then); counts as a read; the
                         token is kept out of meta.fault */
    const int64_t *until_us; /* as of a batch */
};
typedef void hubspot_call_fn(void *arg, const struct hubspot_meta *m,
                             const json_t *body); /* NULL unless JSON */
MUST_USE enum err hubspot_call_send(struct hubspot *h,
                                    const struct hubspot_call *c,
                                    hubspot_call_fn *done, void *arg,
                                    struct hubspot_op **op);

/* Where the properties of an object are listed: a GET whose answer has
 * `results`, one object per property (name, type, options...). */
void hubspot_properties_path(struct buf *out, const char *api_version,
                             enum map_object o);

/* ---- scopes: what the token must be allowed to do ----------------------- */

/* POST with_token; the answer has scopes[], hubId, userId and appId. A token
 * unknown to HubSpot is MISSING. */
#define HUBSPOT_TOKEN_INFO "/oauth/v2/private-apps/get/access-token-info"
/* The answer names no scopes at all: nothing can be said. */
#define HUBSPOT_SCOPES_UNTOLD SIZE_MAX
enum { HUBSPOT_SCOPES_TEXT = 1024 }; /* room for all of them */
/*
 * How many of the scopes the connector needs are not in token_info's `scopes`;
 * 0: all are there. `out` gets their names, "a, b" (as many whole ones as fit;
 * always terminated, "" when none or untold). token_info may be NULL.
 */
size_t hubspot_missing_scopes(const json_t *token_info, char *out, size_t size);

/* ---- provisioning: what a tenant needs before its first write ----------- */

/*
 * A little machine without I/O: ask for the next call, feed its answer, until
 * next gives false. Properties of the five objects are read; the group and
 * missing properties are created in one batch per object; then read once more
 * (only objects that were changed) until they are there; association labels of
 * each pair of the table are compared, of lines and payments also those that
 * are seen from their end, since they are created with them.
 */
struct hubspot_provision;
struct hubspot_provision *hubspot_provision_new(const char *api_version,
                                                bool dry_run);
void hubspot_provision_free(struct hubspot_provision *p);
/* The next call to make; false when finished (or failed). wait_ms: do not send
 * before that long has passed (a new property needs a moment). The call is
 * borrowed until the next call of a function of p. */
bool hubspot_provision_next(struct hubspot_provision *p,
                            struct hubspot_call *call, int64_t *wait_ms);
/* ERR_OK: go on with next. A throttled or failed call may simply be fed again
 * after a repeat: next gives the same call until it was answered well. Errors
 * that end it: FORBIDDEN (names the scope), CONFIG (an association type id
 * differs from the table, a property of another type stands in the way). */
MUST_USE enum err hubspot_provision_feed(struct hubspot_provision *p,
                                         const struct hubspot_meta *m,
                                         const json_t *body, struct fault *f);
struct hubspot_provision_report {
    size_t existed, created, missing; /* properties; missing: dry run */
    const char *text;    /* one line per object and finding, for people; an
                            object's missing and created properties by name */
    const json_t *lines; /* the same, array of objects, for --json; those of
                            objects have "missing": [] and "created": [] */
};
const struct hubspot_provision_report *
hubspot_provision_report(const struct hubspot_provision *p);

#endif
