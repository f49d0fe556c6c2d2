/* SPDX-License-Identifier: UNLICENSED */
/*
 * A batch becomes a request. The body is written straight into a buffer; no
 * tree is made of it.
 *
 * Every input that writes an object carries an objectWriteTraceId of its own,
 * <trace>-<index>, which is what makes HubSpot answer input by input instead
 * of refusing the whole batch. The request keeps the ids of its inputs, in
 * input order, and the body, whose inputs stand in the same order (except for
 * DISSOCIATE, which groups by the first end).
 */
#include "hubspot_priv.h"

#include "ml/jsonx.h"

#include <stdio.h>
#include <string.h>

enum { BODY_MAX = 64 * 1024 * 1024, PATH_MAX_BYTES = 256 };

static char *
make_path(const char *version, const struct hubspot_batch *b)
{
    static const char *const calls[HUBSPOT_VERBS] = {
        [HUBSPOT_UPSERT] = "upsert",    [HUBSPOT_UPDATE] = "update",
        [HUBSPOT_READ] = "read",        [HUBSPOT_ARCHIVE] = "archive",
        [HUBSPOT_ASSOCIATE] = "create", [HUBSPOT_DISSOCIATE] = "archive",
        [HUBSPOT_CREATE] = "create",    [HUBSPOT_JOINED] = "read"};
    struct buf path;

    buf_init(&path, PATH_MAX_BYTES);
    if (hubspot_is_association(b->verb) || b->verb == HUBSPOT_JOINED) {
        hubspot_prefix(&path, HUBSPOT_ASSOCIATIONS, version);
        buf_addf(&path, "/%s/%s", map_object_name(b->object),
                 map_object_name(b->to));
    } else {
        hubspot_prefix(&path, HUBSPOT_OBJECTS, version);
        buf_addf(&path, "/%s", map_object_name(b->object));
    }
    buf_addf(&path, "/batch/%s", calls[b->verb]);
    ML_ASSERT(!path.failed);
    return buf_take(&path, NULL);
}

static void
put_trace(struct jsonx_writer *w, const struct hubspot_request *q, size_t i)
{
    char trace[HUBSPOT_TRACE_MAX + 24];

    (void)snprintf(trace, sizeof(trace), "%s-%zu", q->trace, i);
    jsonx_add_text(w, "objectWriteTraceId", trace);
}

static void
put_end(struct jsonx_writer *w, const char *key, const char *id)
{
    jsonx_key(w, key);
    jsonx_open(w, '{');
    jsonx_add_text(w, "id", id);
    jsonx_close(w, '}');
}

static void
put_types(struct jsonx_writer *w, enum map_object from, enum map_object to)
{
    struct map_association pair;
    bool known = hubspot_seen_from(from, to, &pair);

    ML_ASSERT(known);
    jsonx_key(w, "types");
    jsonx_open(w, '[');
    for (size_t k = 0; k < COUNT_OF(pair.types) && pair.types[k] != 0; k++) {
        jsonx_open(w, '{');
        jsonx_add_text(w, "associationCategory", "HUBSPOT_DEFINED");
        jsonx_add_int(w, "associationTypeId", (int64_t)pair.types[k]);
        jsonx_close(w, '}');
    }
    jsonx_close(w, ']');
}

static void
put_joins(struct jsonx_writer *w, const struct hubspot_batch *b, size_t i)
{
    const struct hubspot_input *in = &b->inputs[i];

    jsonx_key(w, "associations");
    jsonx_open(w, '[');
    for (size_t k = 0; k < in->n_joins; k++) {
        jsonx_open(w, '{');
        put_end(w, "to", in->joins[k].id);
        put_types(w, b->object, in->joins[k].to);
        jsonx_close(w, '}');
    }
    jsonx_close(w, ']');
}

static void
put_object(struct jsonx_writer *w, const struct hubspot_request *q,
           const struct hubspot_batch *b, size_t i)
{
    jsonx_open(w, '{');
    if (b->verb != HUBSPOT_CREATE) {
        jsonx_add_text(w, "id", b->inputs[i].id);
    }
    if (b->verb == HUBSPOT_UPSERT) {
        jsonx_add_text(w, "idProperty", q->id_property);
    }
    if (hubspot_writes_object(b->verb)) {
        put_trace(w, q, i);
        jsonx_key(w, "properties");
        jsonx_put_raw(w, b->inputs[i].properties);
    }
    if (b->verb == HUBSPOT_CREATE) {
        put_joins(w, b, i);
    }
    if (b->verb == HUBSPOT_JOINED) {
        jsonx_add_text(w, "after", b->inputs[i].to);
    }
    jsonx_close(w, '}');
}

static void
put_association(struct jsonx_writer *w, const struct hubspot_batch *b, size_t i)
{
    jsonx_open(w, '{');
    put_end(w, "from", b->inputs[i].id);
    put_end(w, "to", b->inputs[i].to);
    put_types(w, b->object, b->to);
    jsonx_close(w, '}');
}

/* True when an earlier input has the same first end. */
static bool
is_grouped(const struct hubspot_batch *b, size_t i)
{
    for (size_t k = 0; k < i; k++) {
        if (strcmp(b->inputs[k].id, b->inputs[i].id) == 0) {
            return true;
        }
    }
    return false;
}

/* One element for each first end, listing all second ends: an id that comes
 * twice in a batch may be refused. */
static void
put_dissociation(struct jsonx_writer *w, const struct hubspot_batch *b,
                 size_t i)
{
    if (is_grouped(b, i)) {
        return;
    }
    jsonx_open(w, '{');
    put_end(w, "from", b->inputs[i].id);
    jsonx_key(w, "to");
    jsonx_open(w, '[');
    for (size_t k = i; k < b->n; k++) {
        if (strcmp(b->inputs[k].id, b->inputs[i].id) == 0) {
            jsonx_open(w, '{');
            jsonx_add_text(w, "id", b->inputs[k].to);
            jsonx_close(w, '}');
        }
    }
    jsonx_close(w, ']');
    jsonx_close(w, '}');
}

/* The names to read: those asked for, and what the answer is matched with. */
static void
put_read(struct jsonx_writer *w, const struct hubspot_request *q,
         const struct hubspot_batch *b)
{
    bool has_key = q->id_property == NULL;

    jsonx_key(w, "properties");
    jsonx_open(w, '[');
    for (size_t i = 0; b->read != NULL && b->read[i] != NULL; i++) {
        jsonx_put_text(w, b->read[i]);
        has_key = has_key || strcmp(b->read[i], q->id_property) == 0;
    }
    if (!has_key) {
        jsonx_put_text(w, q->id_property);
    }
    if (q->alias != NULL) {
        jsonx_put_text(w, q->alias);
    }
    jsonx_close(w, ']');
    jsonx_key(w, "propertiesWithHistory");
    jsonx_open(w, '[');
    jsonx_close(w, ']');
    if (q->id_property != NULL) {
        jsonx_add_text(w, "idProperty", q->id_property);
    }
}

static void
make_body(struct hubspot_request *q, const struct hubspot_batch *b)
{
    struct jsonx_writer w;

    buf_init(&q->body, BODY_MAX);
    jsonx_begin(&w, &q->body);
    jsonx_open(&w, '{');
    jsonx_key(&w, "inputs");
    jsonx_open(&w, '[');
    for (size_t i = 0; i < b->n; i++) {
        if (b->verb == HUBSPOT_ASSOCIATE) {
            put_association(&w, b, i);
        } else if (b->verb == HUBSPOT_DISSOCIATE) {
            put_dissociation(&w, b, i);
        } else {
            put_object(&w, q, b, i);
        }
    }
    jsonx_close(&w, ']');
    if (b->verb == HUBSPOT_READ) {
        put_read(&w, q, b);
    }
    jsonx_close(&w, '}');
}

static void
check_batch(const struct hubspot_batch *b)
{
    bool pair = hubspot_is_association(b->verb);
    bool writes = hubspot_writes_object(b->verb);

    ML_ASSERT(b->n > 0 && b->n <= hubspot_batch_max(b->verb));
    for (size_t i = 0; i < b->n; i++) {
        ML_ASSERT(b->inputs[i].id != NULL);
        ML_ASSERT(!pair || b->inputs[i].to != NULL);
        ML_ASSERT(!writes || b->inputs[i].properties != NULL);
    }
}

/* A contact may be found by another of its addresses, a merged record by an id
 * it had before: the property that lists them makes such a record known. */
static const char *
alias_of(const struct hubspot_request *q)
{
    bool person = q->object == MAP_CONTACTS || q->object == MAP_COMPANIES;

    if (q->verb != HUBSPOT_READ || !person) {
        return NULL;
    }
    if (q->id_property == NULL) {
        return "hs_merged_object_ids";
    }
    return strcmp(q->id_property, "email") == 0 ? "hs_additional_emails" : NULL;
}

/* What a refusal may name instead of the object that was to be created. */
static void
copy_joins(struct hubspot_request *q, size_t i, const struct hubspot_input *in)
{
    struct hubspot_join *joins =
        arena_array(&q->arena, in->n_joins + 1, sizeof(*joins));

    for (size_t k = 0; k < in->n_joins; k++) {
        joins[k].to = in->joins[k].to;
        joins[k].id = arena_strdup(&q->arena, in->joins[k].id);
    }
    q->inputs[i].joins = joins;
    q->inputs[i].n_joins = in->n_joins;
}

enum err
hubspot_encode(const char *version, const struct hubspot_batch *b,
               const char *trace, struct hubspot_request *out)
{
    check_batch(b);
    ML_ASSERT(strlen(trace) < HUBSPOT_TRACE_MAX);
    memset(out, 0, sizeof(*out));
    arena_init(&out->arena);
    out->verb = b->verb;
    out->object = b->object;
    out->to = b->to;
    out->n = b->n;
    (void)snprintf(out->trace, sizeof(out->trace), "%s", trace);
    if (b->verb == HUBSPOT_UPSERT || b->verb == HUBSPOT_CREATE) {
        out->id_property = map_object_key(b->object);
    } else if (b->verb == HUBSPOT_READ) {
        out->id_property = arena_strdup(&out->arena, b->id_property);
    }
    out->alias = alias_of(out);
    out->inputs = arena_array(&out->arena, b->n, sizeof(*out->inputs));
    for (size_t i = 0; i < b->n; i++) {
        out->inputs[i].id = arena_strdup(&out->arena, b->inputs[i].id);
        out->inputs[i].to = arena_strdup(&out->arena, b->inputs[i].to);
        copy_joins(out, i, &b->inputs[i]);
    }
    out->path = make_path(version, b);
    make_body(out, b);
    if (out->body.failed) {
        hubspot_request_fini(out);
        return ERR_FULL;
    }
    return ERR_OK;
}

void
hubspot_request_fini(struct hubspot_request *q)
{
    mem_free(q->path);
    buf_fini(&q->body);
    arena_fini(&q->arena);
    memset(q, 0, sizeof(*q));
}
