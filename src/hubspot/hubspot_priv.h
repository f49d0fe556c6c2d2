/* SPDX-License-Identifier: UNLICENSED */
#ifndef ML_HUBSPOT_PRIV_H
#define ML_HUBSPOT_PRIV_H

/*
 * The inside of hubspot.
 *
 *   paths.c     where things live, by API version
 *   encode.c    batch -> request: path, body, what the answer is matched with
 *   answer.c    status, headers, body -> what the answer says about itself
 *   detail.c    one error object of HubSpot -> a fault, the ids it names
 *   index.c     finds inputs by what answers call them
 *   outcome.c   accepted answer (2xx) -> one outcome per input
 *   refusal.c   refused answer -> one outcome per input, culprits
 *   send.c      the asynchronous part
 *   scopes.c    what the token must be allowed to do
 *   provision.c what a portal must have: the machine
 *   findings.c  what that machine compares and reports
 *
 * All but send.c is pure: no clock, no I/O.
 */
#include "ml/hubspot.h"

/* ---- paths -------------------------------------------------------------- */

enum hubspot_family {
    HUBSPOT_OBJECTS,
    HUBSPOT_ASSOCIATIONS,
    HUBSPOT_PROPERTIES
};
/* "/crm/objects/2026-03", "/crm/v4/associations" ... */
void hubspot_prefix(struct buf *b, enum hubspot_family f, const char *version);
bool hubspot_is_association(enum hubspot_verb v);
bool hubspot_writes_object(enum hubspot_verb v); /* its properties */
/* The table's row; NULL when the pair is not in it. */
const struct map_association *hubspot_pair(enum map_object from,
                                           enum map_object to);
/* The same whichever end the table has first, turned so that it fits; false
 * when the table has neither. */
bool hubspot_seen_from(enum map_object from, enum map_object to,
                       struct map_association *out);

/* ---- requests ----------------------------------------------------------- */

enum { HUBSPOT_TRACE_MAX = 36 };

/* A request and all its answer has to be matched with. Owns its texts. */
struct hubspot_request {
    enum hubspot_verb verb;
    enum map_object object, to;
    const char *id_property; /* NULL: HubSpot ids */
    const char *alias; /* READ: a property listing further ids of a record */
    struct hubspot_input *inputs; /* without properties: those are in body */
    size_t n;
    char trace[HUBSPOT_TRACE_MAX]; /* trace id of input i: <trace>-<i> */
    char *path;
    struct buf body;
    struct arena arena;
};
/* Changes nothing. */
bool hubspot_reads(enum hubspot_verb v);
/* ERR_FULL when the body would pass its ceiling; then there is nothing to
 * fini. All calls are POST. */
MUST_USE enum err hubspot_encode(const char *version,
                                 const struct hubspot_batch *b,
                                 const char *trace,
                                 struct hubspot_request *out);
void hubspot_request_fini(struct hubspot_request *q);

/* ---- answers ------------------------------------------------------------ */

struct hubspot_headers { /* NULL: absent */
    const char *remaining, *max, *interval_ms, *daily_remaining;
    const char *retry_after, *date, *correlation;
};

/* What http gave, without http. */
struct hubspot_answer {
    enum err err;
    int status;
    const char *body;
    size_t body_len;
    struct hubspot_headers headers;
    int64_t sent_us, answered_us;
    bool maybe_sent;
    const char *message; /* of a broken transfer; may be NULL */
};

enum hubspot_promise {
    HUBSPOT_PROMISE_ANY,   /* an empty body will do */
    HUBSPOT_PROMISE_JSON,  /* a JSON object or array */
    HUBSPOT_PROMISE_OBJECT /* a JSON object */
};
/* Fills m; *root gives a new reference to the body when it is a JSON object or
 * array, else NULL. */
void hubspot_answer_read(const struct hubspot_answer *a, bool write,
                         enum hubspot_promise promise, struct hubspot_meta *m,
                         json_t **root);

/* ---- error objects ------------------------------------------------------ */

/* Scalars as text: strings, and numbers as jsonx makes them; else NULL. */
const char *hubspot_text(const json_t *v);
/* What the category and its companions mean; ERR_OK: they say nothing. */
enum err hubspot_detail_err(const json_t *e);
/* Fills f from one error object (of errors[], or a whole body): code is the
 * most specific there is, message bounded. `fallback` when it tells no
 * class. */
void hubspot_detail_fault(const json_t *e, enum err fallback, struct fault *f);
/* The id of the record that holds the value already: from the context, else
 * out of the message; in the arena; NULL when not told. */
const char *hubspot_detail_existing(const json_t *e, struct arena *a);
/* Whether the conflict may be about that property, not about another. */
bool hubspot_detail_clash(const json_t *e, const char *property);
/* The HubSpot id among the input's ends that the error names; NULL: none. */
const char *hubspot_detail_gone(const json_t *e,
                                const struct hubspot_input *in);
/* Appends "; scopes: a, b" when the error names scopes that are missing. */
void hubspot_detail_scopes(const json_t *e, struct fault *f);
/* Calls fn for each value under e.context[name], which may be a list or one
 * value. */
typedef void hubspot_value_fn(void *arg, const char *value);
void hubspot_context_each(const json_t *e, const char *name,
                          hubspot_value_fn *fn, void *arg);

/* ---- outcomes ----------------------------------------------------------- */

/* One answer taken apart; borrowed by the caller's done. */
struct hubspot_decoded {
    struct hubspot_reply reply;
    struct hubspot_result *results;
    json_t *root;
    struct arena arena; /* existing ids */
};
void hubspot_decode(const struct hubspot_request *q,
                    const struct hubspot_answer *a, struct hubspot_decoded *d);
void hubspot_decoded_fini(struct hubspot_decoded *d);

/* Finds inputs by what answers call them. */
struct hubspot_index {
    const struct hubspot_request *q;
    struct map by_id;
};
enum { HUBSPOT_NOBODY = -1 };
void hubspot_index_init(struct hubspot_index *x,
                        const struct hubspot_request *q);
void hubspot_index_fini(struct hubspot_index *x);
int hubspot_index_trace(const struct hubspot_index *x, const char *trace);
int hubspot_index_id(const struct hubspot_index *x, const char *id);
int hubspot_index_pair(const struct hubspot_index *x, const char *from,
                       const char *to);

/* Of a 2xx whose body fits. */
void hubspot_decode_accepted(const struct hubspot_request *q,
                             struct hubspot_decoded *d);
/* Of everything else. */
void hubspot_decode_refused(const struct hubspot_request *q,
                            struct hubspot_decoded *d);
/* Fills existing_id, key_taken and gone of a result that failed. */
void hubspot_result_detail(const struct hubspot_request *q, size_t i,
                           const json_t *error, struct hubspot_decoded *d);
/* Whether the input was to be created with an association to that record. */
bool hubspot_joins(const struct hubspot_input *in, const char *id);
/* The outcome an error makes of one input. */
enum hubspot_outcome hubspot_outcome_of(enum hubspot_verb v, enum err err);

/* ---- provisioning ------------------------------------------------------- */

/* What is wrong with, or known of, the properties of one object. */
struct hubspot_findings {
    struct buf text;
    json_t *lines;
};
void hubspot_findings_init(struct hubspot_findings *f);
void hubspot_findings_fini(struct hubspot_findings *f);
/* One line for people and one object for programs. `subject` may be NULL. Gives
 * the object, borrowed, for further members. */
json_t *hubspot_finding(struct hubspot_findings *f, const char *object,
                        const char *subject, const char *finding,
                        const char *fmt, ...) PRINTF_LIKE(5, 6);

/* The element of a property list (results) with that name; NULL: none. */
const json_t *hubspot_property_find(const json_t *results, const char *name);
/* Whether a property of the portal can serve as ours. ERR_CONFIG says what
 * stands in the way and what to do. */
MUST_USE enum err hubspot_property_fits(const struct map_property *p,
                                        const json_t *found, struct fault *f);
/* HubSpot's own properties that the mapping writes: absent or read-only ones
 * become findings. */
void hubspot_standard_check(enum map_object o, const json_t *results,
                            struct hubspot_findings *out);
/* ERR_CONFIG when a type of the pair is not in the label list. */
MUST_USE enum err hubspot_labels_fit(const struct map_association *pair,
                                     const json_t *results, struct fault *f);

#endif
