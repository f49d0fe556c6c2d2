/* SPDX-License-Identifier: UNLICENSED */
/*
 * An accepted batch (any 2xx) becomes one outcome per input.
 *
 * Results and errors come in any order and may be too few, too many, or name
 * nobody. An input is matched by trace id, else by the ids it was sent with,
 * never by its place. Every input begins as UNKNOWN and stays that until the
 * answer speaks of it; where the answer says both that it was written and that
 * it failed, neither is believed. Only archives and removals, which promise no
 * results, count as done when nothing is said against them.
 */
#include "hubspot_priv.h"

#include "ml/jsonx.h"

#include <stdio.h>
#include <string.h>

/* ---- one pass over an answer -------------------------------------------- */

enum { SAID_DONE = 1, SAID_FAILED = 2 };

struct pass {
    const struct hubspot_request *q;
    struct hubspot_decoded *d;
    struct hubspot_index index;
    unsigned char *said;         /* per input: who spoke of it */
    const json_t *error;         /* the element being read */
    struct fault fault;          /* made of it */
    size_t named;                /* inputs it was found to be about */
    size_t nameless;             /* errors about nobody */
    size_t silent;               /* inputs nobody spoke of */
    struct fault nameless_fault; /* the first of them */
    const json_t *nameless_error;
};

static bool
has_results(enum hubspot_verb v)
{
    return v != HUBSPOT_ARCHIVE && v != HUBSPOT_DISSOCIATE;
}

enum hubspot_outcome
hubspot_outcome_of(enum hubspot_verb v, enum err err)
{
    bool by_id = hubspot_reads(v) || v == HUBSPOT_UPDATE ||
                 v == HUBSPOT_ARCHIVE || v == HUBSPOT_DISSOCIATE;

    if (err == ERR_MISSING && by_id) {
        return HUBSPOT_ABSENT;
    }
    if (err == ERR_THROTTLED || err == ERR_LOCKED) {
        return HUBSPOT_RETRY;
    }
    if (err == ERR_UNAVAILABLE) {
        return hubspot_reads(v) ? HUBSPOT_RETRY : HUBSPOT_UNKNOWN;
    }
    return HUBSPOT_REJECTED;
}

/* What more the error says of an input that failed. */
void
hubspot_result_detail(const struct hubspot_request *q, size_t i,
                      const json_t *error, struct hubspot_decoded *d)
{
    struct hubspot_result *r = &d->results[i];

    r->existing_id = NULL;
    r->key_taken = false;
    r->gone = NULL;
    if (r->fault.err == ERR_CONFLICT) {
        r->existing_id = hubspot_detail_existing(error, &d->arena);
        r->key_taken = q->verb == HUBSPOT_CREATE &&
                       hubspot_detail_clash(error, q->id_property);
    } else if (r->fault.err == ERR_MISSING) {
        r->gone = hubspot_detail_gone(error, &q->inputs[i]);
    }
}

static void
set_unknown(struct hubspot_result *r, enum err err, const char *why)
{
    r->outcome = HUBSPOT_UNKNOWN;
    r->id = NULL;
    r->created = false;
    r->properties = NULL;
    r->joined = NULL;
    r->after = NULL;
    r->existing_id = NULL;
    r->fault.code[0] = '\0';
    (void)fault_set(&r->fault, err, "%s", why);
}

/* An input is not accounted for: what that is called. */
static enum err
unknown_err(enum hubspot_verb v)
{
    return hubspot_reads(v) ? ERR_PROMISE : ERR_UNKNOWN;
}

static void
mark_failed(struct pass *p, int i)
{
    struct hubspot_result *r = &p->d->results[i];

    p->named++;
    if ((p->said[i] & SAID_DONE) != 0) {
        /* Errors of pairs name one end only, which may be in other pairs. */
        if (!hubspot_is_association(p->q->verb)) {
            set_unknown(r, unknown_err(p->q->verb),
                        "the answer lists it as done and as failed");
        }
        return;
    }
    p->said[i] |= SAID_FAILED;
    r->fault = p->fault;
    r->outcome = hubspot_outcome_of(p->q->verb, p->fault.err);
    hubspot_result_detail(p->q, (size_t)i, p->error, p->d);
}

/* ---- results ------------------------------------------------------------ */

static const char *
id_of(const json_t *o, const char *key, const char *nested)
{
    const char *id = hubspot_text(json_object_get(o, key));

    if (id == NULL) {
        id = hubspot_text(json_object_get(json_object_get(o, nested), "id"));
    }
    return id;
}

/* An association is the same seen from either end. */
static int
find_pair(const struct pass *p, const json_t *result)
{
    const char *from = id_of(result, "fromObjectId", "from");
    const char *to = id_of(result, "toObjectId", "to");
    const char *type = jsonx_text(result, "fromObjectTypeId");
    bool turned = type != NULL &&
                  strcmp(type, map_object_type_id(p->q->object)) != 0 &&
                  strcmp(type, map_object_type_id(p->q->to)) == 0;

    return turned ? hubspot_index_pair(&p->index, to, from) :
                    hubspot_index_pair(&p->index, from, to);
}

/* A list "a;b;c" of further ids of the record. */
static int
find_alias(const struct pass *p, const json_t *properties)
{
    const char *s = jsonx_text(properties, p->q->alias);
    int found = HUBSPOT_NOBODY;

    while (s != NULL && *s != '\0' && found == HUBSPOT_NOBODY) {
        size_t n = strcspn(s, ";");
        char *one = mem_strndup(s, n);

        found = hubspot_index_id(&p->index, one);
        mem_free(one);
        s += n + (s[n] == ';' ? 1 : 0);
    }
    return found;
}

static int
find_result(const struct pass *p, const json_t *result)
{
    const json_t *properties = json_object_get(result, "properties");
    int i;

    if (p->q->verb == HUBSPOT_ASSOCIATE) {
        return find_pair(p, result);
    }
    if (p->q->verb == HUBSPOT_JOINED) {
        return hubspot_index_id(&p->index,
                                id_of(result, "fromObjectId", "from"));
    }
    i = hubspot_index_trace(
        &p->index, hubspot_text(json_object_get(result, "objectWriteTraceId")));
    if (i == HUBSPOT_NOBODY) {
        const char *id = p->q->id_property != NULL ?
                             jsonx_text(properties, p->q->id_property) :
                             jsonx_text(result, "id");

        i = hubspot_index_id(&p->index, id);
    }
    if (i == HUBSPOT_NOBODY && p->q->alias != NULL) {
        i = find_alias(p, properties);
    }
    return i;
}

static void
take_result(struct pass *p, json_t *item)
{
    int i = find_result(p, item);
    bool has_id =
        p->q->verb != HUBSPOT_ASSOCIATE && p->q->verb != HUBSPOT_JOINED;
    const char *id = has_id ? jsonx_text(item, "id") : NULL;
    struct hubspot_result *r;

    if (i == HUBSPOT_NOBODY) {
        return;
    }
    if (has_id && (id == NULL || id[0] == '\0')) {
        return; /* done, perhaps, but where: it has to be read */
    }
    r = &p->d->results[i];
    if ((p->said[i] & SAID_DONE) != 0 && r->id != NULL && has_id &&
        strcmp(r->id, id) != 0) {
        set_unknown(r, unknown_err(p->q->verb),
                    "the answer gives two records for it");
        return;
    }
    p->said[i] |= SAID_DONE;
    r->outcome = HUBSPOT_WRITTEN;
    fault_clear(&r->fault);
    if (has_id) {
        r->id = id;
        r->created = p->q->verb == HUBSPOT_CREATE ||
                     json_is_true(json_object_get(item, "new"));
    }
    if (p->q->verb == HUBSPOT_READ) {
        r->properties = json_object_get(item, "properties");
    }
    if (p->q->verb == HUBSPOT_JOINED) {
        r->joined = json_object_get(item, "to");
        r->after = hubspot_text(json_object_get(
            json_object_get(json_object_get(item, "paging"), "next"), "after"));
    }
}

/* ---- errors ------------------------------------------------------------- */

static void
by_trace(void *arg, const char *value)
{
    struct pass *p = arg;
    int i = hubspot_index_trace(&p->index, value);

    if (i != HUBSPOT_NOBODY) {
        mark_failed(p, i);
    }
}

bool
hubspot_joins(const struct hubspot_input *in, const char *id)
{
    for (size_t k = 0; k < in->n_joins; k++) {
        if (strcmp(in->joins[k].id, id) == 0) {
            return true;
        }
    }
    return false;
}

/* Any id an input was sent with; of pairs, either end; of what is created, also
 * what it was to be associated with. */
static void
by_id(void *arg, const char *value)
{
    struct pass *p = arg;
    int i;

    if (!hubspot_is_association(p->q->verb)) {
        i = hubspot_index_id(&p->index, value);
        if (i != HUBSPOT_NOBODY) {
            mark_failed(p, i);
        }
    }
    for (i = 0; (size_t)i < p->q->n; i++) {
        if (hubspot_joins(&p->q->inputs[i], value) ||
            (p->q->inputs[i].to != NULL &&
             (strcmp(p->q->inputs[i].id, value) == 0 ||
              strcmp(p->q->inputs[i].to, value) == 0))) {
            mark_failed(p, i);
        }
    }
}

/* Ids that stand in the words only. */
static void
by_words(struct pass *p, const char *message)
{
    static const char digits[] = "0123456789";

    while (message != NULL && *message != '\0') {
        size_t n = strspn(message, digits);

        if (n > 0) {
            char *one = mem_strndup(message, n);

            by_id(p, one);
            mem_free(one);
        }
        message += n;
        message += strcspn(message, digits);
    }
}

static void
take_error(struct pass *p, const json_t *e)
{
    static const char *const names[] = {"ids", "id", "fromObjectId",
                                        "toObjectId"};
    const char *trace;

    p->error = e;
    p->named = 0;
    p->fault = p->d->reply.meta.fault;
    hubspot_detail_fault(e, ERR_REFUSED, &p->fault);
    trace = hubspot_text(json_object_get(e, "objectWriteTraceId"));
    if (trace != NULL) {
        by_trace(p, trace);
    }
    hubspot_context_each(e, "objectWriteTraceId", by_trace, p);
    for (size_t k = 0; p->named == 0 && k < COUNT_OF(names); k++) {
        hubspot_context_each(e, names[k], by_id, p);
    }
    if (p->named == 0 && p->q->id_property == NULL) {
        by_words(p, jsonx_text(e, "message"));
    }
    if (p->named == 0) {
        if (p->nameless == 0) {
            p->nameless_fault = p->fault;
            p->nameless_error = e;
        }
        p->nameless++;
    }
}

/* ---- the rest ----------------------------------------------------------- */

/* Only one input, and the answer is about it whatever it calls it. */
static bool
settle_single(struct pass *p, const json_t *results)
{
    if (p->q->n != 1) {
        return false;
    }
    if (p->nameless > 0 && json_array_size(results) == 0) {
        p->fault = p->nameless_fault;
        p->error = p->nameless_error;
        mark_failed(p, 0);
        return true;
    }
    return false;
}

/* What promises no results is done when HubSpot says so: 204, or a body. */
static bool
is_said_done(const struct hubspot_decoded *d)
{
    return d->reply.meta.status == 204 || json_is_object(d->root);
}

static void
settle_rest(struct pass *p, size_t i)
{
    struct hubspot_result *r = &p->d->results[i];
    char why[256];

    if (hubspot_reads(p->q->verb) && p->nameless > 0 &&
        p->nameless_fault.err == ERR_MISSING) {
        r->outcome = HUBSPOT_ABSENT;
        r->fault = p->nameless_fault;
    } else if (p->nameless > 0 && p->nameless == p->silent) {
        /* all of them are refused, whichever reason is whose */
        r->outcome = HUBSPOT_RETRY;
        r->alone = true;
        r->fault = p->nameless_fault;
    } else if (p->nameless > 0) {
        (void)snprintf(why, sizeof(why),
                       "not accounted for; %zu errors name nobody: %.160s",
                       p->nameless, p->nameless_fault.message);
        set_unknown(r, unknown_err(p->q->verb), why);
    } else if (p->q->verb == HUBSPOT_JOINED) {
        r->outcome = HUBSPOT_WRITTEN; /* it is joined with nothing */
        fault_clear(&r->fault);
    } else if (has_results(p->q->verb) || !is_said_done(p->d)) {
        set_unknown(r, unknown_err(p->q->verb),
                    "the answer does not speak of it");
    } else {
        r->outcome = HUBSPOT_WRITTEN;
        fault_clear(&r->fault);
        r->id = p->q->verb == HUBSPOT_ARCHIVE ? p->q->inputs[i].id : NULL;
    }
}

/* A batch that HubSpot has not finished, or gave up. */
static bool
is_complete(const json_t *root)
{
    const char *status = jsonx_text(root, "status");

    return status == NULL || strcmp(status, "COMPLETE") == 0;
}

static void
settle(struct pass *p, const json_t *root, const json_t *results)
{
    if (settle_single(p, results)) {
        return;
    }
    for (size_t i = 0; i < p->q->n; i++) {
        p->silent += p->said[i] == 0 ? 1 : 0;
    }
    for (size_t i = 0; i < p->q->n; i++) {
        if (p->said[i] != 0) {
            continue;
        }
        if (!is_complete(root)) {
            set_unknown(&p->d->results[i], unknown_err(p->q->verb),
                        "the batch is not complete");
        } else {
            settle_rest(p, i);
        }
    }
}

void
hubspot_decode_accepted(const struct hubspot_request *q,
                        struct hubspot_decoded *d)
{
    json_t *results = json_object_get(d->root, "results");
    json_t *errors = json_object_get(d->root, "errors");
    struct pass p = {.q = q, .d = d};

    hubspot_index_init(&p.index, q);
    p.said = mem_alloc(q->n);
    for (size_t i = 0; i < json_array_size(results); i++) {
        take_result(&p, json_array_get(results, i));
    }
    for (size_t i = 0; i < json_array_size(errors); i++) {
        take_error(&p, json_array_get(errors, i));
    }
    settle(&p, d->root, results);
    mem_free(p.said);
    hubspot_index_fini(&p.index);
}

void
hubspot_decode(const struct hubspot_request *q, const struct hubspot_answer *a,
               struct hubspot_decoded *d)
{
    struct hubspot_meta *m = &d->reply.meta;

    memset(d, 0, sizeof(*d));
    arena_init(&d->arena);
    hubspot_answer_read(a, !hubspot_reads(q->verb),
                        has_results(q->verb) ? HUBSPOT_PROMISE_OBJECT :
                                               HUBSPOT_PROMISE_ANY,
                        m, &d->root);
    d->results = mem_array(q->n, sizeof(*d->results));
    d->reply.results = d->results;
    d->reply.n = q->n;
    for (size_t i = 0; i < q->n; i++) {
        d->results[i].outcome = HUBSPOT_UNKNOWN;
        d->results[i].fault = m->fault;
    }
    if (m->fault.err == ERR_OK) {
        hubspot_decode_accepted(q, d);
    } else {
        hubspot_decode_refused(q, d);
    }
}

void
hubspot_decoded_fini(struct hubspot_decoded *d)
{
    json_decref(d->root);
    mem_free(d->results);
    arena_fini(&d->arena);
    memset(d, 0, sizeof(*d));
}
