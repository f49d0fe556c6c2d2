/* SPDX-License-Identifier: UNLICENSED */
/*
 * A batch that was not accepted becomes one outcome per input.
 *
 * Certainly not done (credentials, scopes, limits, locks, no server): all
 * RETRY. Perhaps done (server errors, broken transfers of a write): all
 * UNKNOWN. Refused for its content: the culprits are REJECTED and the others
 * RETRY when the body leads to culprits, otherwise all RETRY and `split`.
 * An input alone in its batch is its own culprit.
 *
 * What leads to a culprit, the surest first: trace ids, ids in the context or
 * in the words, the value that clashes, a property that does not exist or that
 * one input alone carries, a value that is no option.
 */
#include "hubspot_priv.h"

#include "ml/jsonx.h"

#include <string.h>

struct search {
    const struct hubspot_request *q;
    struct hubspot_decoded *d;
    struct hubspot_index index;
    json_t *sent;  /* the request's inputs; NULL until asked for */
    bool *culprit; /* per input */
    size_t culprits;
    const json_t *error; /* the object being read */
    struct fault fault;  /* made of it */
};

static void
set_all(struct hubspot_decoded *d, enum hubspot_outcome outcome)
{
    for (size_t i = 0; i < d->reply.n; i++) {
        d->results[i].outcome = outcome;
    }
}

static void
accuse(struct search *s, size_t i)
{
    struct hubspot_result *r = &s->d->results[i];

    if (s->culprit[i]) {
        return;
    }
    s->culprit[i] = true;
    s->culprits++;
    r->fault = s->fault;
    r->outcome = hubspot_outcome_of(s->q->verb, s->fault.err);
    hubspot_result_detail(s->q, i, s->error, s->d);
}

/* ---- by name ------------------------------------------------------------ */

static void
by_trace(void *arg, const char *value)
{
    struct search *s = arg;
    int i = hubspot_index_trace(&s->index, value);

    if (i != HUBSPOT_NOBODY) {
        accuse(s, (size_t)i);
    }
}

static void
by_id(void *arg, const char *value)
{
    struct search *s = arg;
    bool pair = hubspot_is_association(s->q->verb);

    for (size_t i = 0; i < s->q->n; i++) {
        if (strcmp(s->q->inputs[i].id, value) == 0 ||
            (pair && strcmp(s->q->inputs[i].to, value) == 0) ||
            hubspot_joins(&s->q->inputs[i], value)) {
            accuse(s, i);
        }
    }
}

/* "Duplicate IDs found in batch input: [12, 15]. ..." */
static void
by_list(struct search *s, const char *message)
{
    static const char mark[] = "Duplicate IDs found in batch input: [";
    const char *at = message != NULL ? strstr(message, mark) : NULL;

    at = at != NULL ? at + sizeof(mark) - 1 : "";
    while (*at != '\0' && *at != ']') {
        size_t n = strcspn(at, ",]");
        char *one = mem_strndup(at, n);

        by_id(s, one);
        mem_free(one);
        at += n;
        at += strspn(at, ", ");
    }
}

/* ---- by content --------------------------------------------------------- */

/* The properties of input i as they were sent; NULL when it has none. */
static const json_t *
sent_properties(struct search *s, size_t i)
{
    struct fault ignored;

    if (!hubspot_writes_object(s->q->verb)) {
        return NULL;
    }
    if (s->sent == NULL && jsonx_parse(s->q->body.data, s->q->body.len,
                                       &s->sent, &ignored) != ERR_OK) {
        s->sent = json_null();
    }
    return json_object_get(
        json_array_get(json_object_get(s->sent, "inputs"), i), "properties");
}

/* The text between `mark` and the first of `ends`; gives it, or NULL. */
static char *
text_after(const char *message, const char *mark, const char *ends)
{
    const char *at = strstr(message, mark);
    size_t n;

    if (at == NULL) {
        return NULL;
    }
    at += strlen(mark);
    n = strcspn(at, ends);
    return n > 0 ? mem_strndup(at, n) : NULL;
}

/* "Cannot set PropertyValueCoordinates{..., propertyName=P, value=V} on ID.
 * OTHER already has that value." ID is the record that was to be written; one
 * that was to be created has an id nobody knows; then P and V lead to it. */
static void
by_clash(struct search *s, const char *message)
{
    char *name;
    char *value;
    char *id;

    if (message == NULL || strstr(message, "already has that value") == NULL) {
        return;
    }
    name = text_after(message, "propertyName=", ",}");
    value = text_after(message, ", value=", "}");
    id = text_after(message, "} on ", ". ");
    if (id != NULL && s->q->id_property == NULL) {
        by_id(s, id);
    }
    for (size_t i = 0;
         s->culprits == 0 && name != NULL && value != NULL && i < s->q->n;
         i++) {
        const char *sent = jsonx_text(sent_properties(s, i), name);

        if (sent != NULL && strcmp(sent, value) == 0) {
            accuse(s, i);
        }
    }
    mem_free(name);
    mem_free(value);
    mem_free(id);
}

/* Codes that condemn a value wherever it stands; others depend on the record,
 * too, such as a status that it cannot go to. */
static bool
condemns_value(const char *code)
{
    static const char *const codes[] = {
        "INVALID_OPTION",        HUBSPOT_CURRENCY_INACTIVE,
        "INVALID_EMAIL",         "INVALID_INTEGER",
        "INVALID_LONG",          "INVALID_NUMBER",
        "INVALID_BOOLEAN_OPTION"};

    for (size_t i = 0; i < COUNT_OF(codes); i++) {
        if (strcmp(code, codes[i]) == 0) {
            return true;
        }
    }
    return false;
}

static bool
is_word_char(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
           (c >= 'a' && c <= 'z') || c == '_';
}

/* Whether the words say the value, before they list those that would do. */
static bool
says_value(const char *message, const char *sent)
{
    const char *end =
        message != NULL ? strstr(message, "allowed options") : NULL;
    size_t n = strlen(sent);

    for (const char *at = message; at != NULL && n > 0; at++) {
        at = strstr(at, sent);
        if (at == NULL || (end != NULL && at + n > end)) {
            return false;
        }
        if ((at == message || !is_word_char(at[-1])) && !is_word_char(at[n])) {
            return true;
        }
    }
    return false;
}

static void
by_property(void *arg, const char *name)
{
    struct search *s = arg;
    const char *message = jsonx_text(s->error, "message");
    bool absent = strcmp(s->fault.code, "PROPERTY_DOESNT_EXIST") == 0;
    bool *said = mem_array(s->q->n, sizeof(*said));
    size_t carriers = 0, sayings = 0;
    size_t last = 0;

    if (strcmp(s->fault.code, HUBSPOT_PORTAL_RULE) == 0) {
        mem_free(said);
        return; /* about those that do not carry it, or their records */
    }
    for (size_t i = 0; i < s->q->n; i++) {
        const json_t *sent = json_object_get(sent_properties(s, i), name);

        if (sent == NULL) {
            continue;
        }
        carriers++;
        last = i;
        said[i] = absent || (condemns_value(s->fault.code) &&
                             hubspot_text(sent) != NULL &&
                             says_value(message, hubspot_text(sent)));
        sayings += said[i] ? 1 : 0;
    }
    /* a value that all of them have tells nobody apart */
    for (size_t i = 0; (absent || sayings < s->q->n) && i < s->q->n; i++) {
        if (said[i]) {
            accuse(s, i);
        }
    }
    if (carriers == 1) {
        accuse(s, last);
    }
    mem_free(said);
}

/* ---- the whole ---------------------------------------------------------- */

static void
search_object(struct search *s, const json_t *e)
{
    static const char *const names[] = {"ids", "id", "fromObjectId",
                                        "toObjectId"};
    const char *message = jsonx_text(e, "message");

    s->error = e;
    s->fault = s->d->reply.meta.fault;
    hubspot_detail_fault(e, s->d->reply.meta.fault.err, &s->fault);
    hubspot_context_each(e, "objectWriteTraceId", by_trace, s);
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        hubspot_context_each(e, names[i], by_id, s);
    }
    by_list(s, message);
    by_clash(s, message);
    hubspot_context_each(e, "propertyName", by_property, s);
}

/* Everything goes by our unique property; without it nothing of the batch can
 * be meant. */
static bool
is_without_key(const json_t *root)
{
    const char *message = jsonx_text(root, "message");

    return message != NULL &&
           strstr(message, "update/upsert by non-unique") != NULL;
}

/* A bare 404 may as well speak of the path: absent only if it says so. */
static void
accuse_single(struct search *s)
{
    accuse(s, 0);
    if (s->d->results[0].outcome == HUBSPOT_ABSENT &&
        hubspot_detail_err(s->d->root) != ERR_MISSING) {
        s->d->results[0].outcome = HUBSPOT_REJECTED;
    }
}

static void
decode_refused_content(const struct hubspot_request *q,
                       struct hubspot_decoded *d)
{
    const json_t *nested = json_object_get(d->root, "errors");
    struct search s = {.q = q, .d = d};

    hubspot_index_init(&s.index, q);
    s.culprit = mem_array(q->n, sizeof(*s.culprit));
    for (size_t i = 0; i < json_array_size(nested); i++) {
        search_object(&s, json_array_get(nested, i));
    }
    search_object(&s, d->root);
    if (q->n == 1) {
        accuse_single(&s);
    }
    d->reply.split = s.culprits == 0;
    json_decref(s.sent);
    mem_free(s.culprit);
    hubspot_index_fini(&s.index);
}

void
hubspot_decode_refused(const struct hubspot_request *q,
                       struct hubspot_decoded *d)
{
    const struct hubspot_meta *m = &d->reply.meta;
    enum err err = m->fault.err;

    if (m->maybe_done) {
        set_all(d, HUBSPOT_UNKNOWN);
        return;
    }
    set_all(d, HUBSPOT_RETRY);
    if (is_without_key(d->root)) {
        d->reply.no_key = true;
        return;
    }
    if (m->status >= 400 && m->status < 500 &&
        (err == ERR_REFUSED || err == ERR_CONFLICT || err == ERR_MISSING)) {
        decode_refused_content(q, d);
    }
}
