/* SPDX-License-Identifier: UNLICENSED */
/*
 * Associations: v4 and the dated versions, batches and single calls. Creating
 * one that exists succeeds; one direction makes the other. A wrong id is an
 * error of its input alone, a wrong type refuses the whole call.
 */
#include "hubspot.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WRITES_MAX = 2000, READS_MAX = 1000, PAGE = 500, OTHER_ID = 9000 };

static json_t *
inputs_of(struct hub_call *c, size_t max)
{
    json_t *inputs = json_object_get(c->body, "inputs");
    size_t n = json_array_size(inputs);

    c->p->inputs = n;
    if (!json_is_array(inputs) || n == 0 || n > max) {
        hub_refuse_f(c, 400, "VALIDATION_ERROR",
                     "Invalid input JSON: inputs must be a list of 1 to %zu",
                     max);
        return NULL;
    }
    return inputs;
}

static const char *
id_in(struct hub_call *c, json_t *input, const char *end)
{
    json_t *v = json_object_get(json_object_get(input, end), "id");
    const char *id = v == NULL ? NULL : value_text(&c->arena, v);

    return id == NULL ? "" : id;
}

static struct hub_record *
live(struct hub_call *c, enum hub_type type, const char *id)
{
    struct hub_record *rec = store_by_id(c->po, type, id);

    return rec == NULL || rec->archived ? NULL : rec;
}

static void
error_id(struct hub_call *c, json_t *errors, enum hub_type type, const char *id)
{
    json_t *e =
        hub_error_json(400, "VALIDATION_ERROR",
                       arena_printf(&c->arena, "%s with id %s is not valid",
                                    hub_types[type].upper, id));

    json_object_set_new(e, "subCategory",
                        json_string("crm.associations.INVALID_IDENTIFIER"));
    hub_error_context(e, "id", id);
    json_array_append_new(errors, e);
}

/* The limit of associations per record and pair of types. */
static bool
is_full(struct hub_call *c, struct hub_record *pair[2])
{
    int64_t max = c->po->sw.association_limit;

    return max > 0 && store_link_find(pair[0], pair[1]) == NULL &&
           ((int64_t)store_link_count(pair[0], pair[1]->type) >= max ||
            (int64_t)store_link_count(pair[1], pair[0]->type) >= max);
}

/* Both ends of an input; false when an error was added. */
static bool
ends(struct hub_call *c, json_t *input, json_t *errors,
     struct hub_record *pair[2])
{
    const char *from = id_in(c, input, "from");
    const char *to = id_in(c, input, "to");
    json_t *e;

    pair[0] = live(c, c->route.type, from);
    pair[1] = live(c, c->route.to, to);
    if (pair[0] == NULL) {
        error_id(c, errors, c->route.type, from);
        return false;
    }
    if (pair[1] == NULL) {
        error_id(c, errors, c->route.to, to);
        return false;
    }
    if (pair[0] == pair[1]) {
        json_array_append_new(
            errors, hub_error_json(400, "VALIDATION_ERROR",
                                   "Object cannot be associated to itself"));
        return false;
    }
    e = rules_link_check(c->po, pair[0], pair[1]);
    if (e == NULL && is_full(c, pair)) {
        e = hub_error_json(400, "VALIDATION_ERROR",
                           "The record has as many associations as it may");
    }
    if (e != NULL) {
        hub_error_context(e, "fromObjectId", from);
        hub_error_context(e, "toObjectId", to);
        json_array_append_new(errors, e);
        return false;
    }
    return true;
}

/* Every type of every input must belong to the pair; true when refused. */
static bool
refuse_types(struct hub_call *c, json_t *types)
{
    json_t *t;
    size_t i;

    json_array_foreach(types, i, t)
    {
        unsigned id = (unsigned)json_integer_value(
            json_object_get(t, "associationTypeId"));
        const char *category =
            json_string_value(json_object_get(t, "associationCategory"));

        if (!text_equal(category, "HUBSPOT_DEFINED") ||
            id == c->po->sw.type_missing ||
            assoc_type_find(c->route.type, c->route.to, id) == NULL) {
            hub_refuse_f(c, 400, "VALIDATION_ERROR",
                         "Association type %u (%s) is not valid between %s "
                         "and %s",
                         id, category == NULL ? "no category" : category,
                         hub_types[c->route.type].id,
                         hub_types[c->route.to].id);
            return true;
        }
    }
    if (json_array_size(types) == 0) {
        hub_refuse_f(c, 400, "VALIDATION_ERROR",
                     "Invalid input JSON: types is required");
        return true;
    }
    return false;
}

static void
link_types(struct hub_call *c, struct hub_record *pair[2], json_t *types)
{
    json_t *t;
    size_t i;

    json_array_foreach(types, i, t)
    {
        store_link_add(pair[0], pair[1],
                       (unsigned)json_integer_value(
                           json_object_get(t, "associationTypeId")));
    }
    rules_linked(c->po, pair[0], pair[1]);
}

static void
out_labels(struct hub_call *c, json_t *types)
{
    bool first = true;
    json_t *t;
    size_t i;

    buf_adds(c->out, ",\"labels\":[");
    json_array_foreach(types, i, t)
    {
        const struct hub_assoc_type *a =
            assoc_type_find(c->route.type, c->route.to,
                            (unsigned)json_integer_value(
                                json_object_get(t, "associationTypeId")));

        if (a->label != NULL) {
            buf_adds(c->out, first ? "" : ",");
            out_text(c->out, a->label);
            first = false;
        }
    }
    buf_addc(c->out, ']');
}

static void
out_pair(struct hub_call *c, struct hub_record *pair[2], json_t *types)
{
    const char *q = c->po->sw.association_ids_numeric ? "" : "\"";

    buf_addf(c->out,
             "{\"fromObjectTypeId\":\"%s\",\"fromObjectId\":%s%" PRIu64
             "%s,\"toObjectTypeId\":\"%s\",\"toObjectId\":%s%" PRIu64 "%s",
             hub_types[c->route.type].id, q, pair[0]->id, q,
             hub_types[c->route.to].id, q, pair[1]->id, q);
    out_labels(c, types);
    buf_addc(c->out, '}');
}

static int
created_status(const struct hub_call *c, size_t errors)
{
    int64_t status = c->po->sw.association_create_status;

    if (errors > 0) {
        return hub_partial(c);
    }
    if (status == 0) {
        status = c->route.version == HUB_2026_09 ? 200 : 201;
    }
    return (int)status;
}

void
assoc_batch_create(struct hub_call *c)
{
    json_t *inputs = inputs_of(c, WRITES_MAX);
    json_t *errors, *input;
    struct hub_record *pair[2];
    bool first = true;
    size_t *order;
    size_t i;

    json_array_foreach(inputs, i, input)
    {
        if (refuse_types(c, json_object_get(input, "types"))) {
            return;
        }
    }
    if (inputs == NULL) {
        return;
    }
    errors = json_array();
    order = hub_order(c, json_array_size(inputs));
    out_batch_open(c);
    for (i = 0; i < json_array_size(inputs); i++) {
        json_t *types;

        input = json_array_get(inputs, order[i]);
        types = json_object_get(input, "types");
        if (ends(c, input, errors, pair)) {
            link_types(c, pair, types);
            buf_adds(c->out, first ? "" : ",");
            first = false;
            out_pair(c, pair, types);
        }
    }
    c->p->status = created_status(c, json_array_size(errors));
    out_batch_close(c, errors);
    json_decref(errors);
}

static void
out_default(struct buf *b, const struct hub_record *from,
            const struct hub_record *to, unsigned type)
{
    buf_addf(b,
             "{\"from\":{\"id\":\"%" PRIu64 "\"},\"to\":{\"id\":\"%" PRIu64
             "\"},\"associationSpec\":{\"associationCategory\":"
             "\"HUBSPOT_DEFINED\",\"associationTypeId\":%u}}",
             from->id, to->id, type);
}

/* The unlabelled type of the pair in the path, or NULL with the refusal. */
static const struct hub_assoc_type *
default_type(struct hub_call *c)
{
    const struct hub_assoc_type *t =
        assoc_type_default(c->route.type, c->route.to);

    if (t == NULL) {
        hub_refuse_f(c, 400, "VALIDATION_ERROR",
                     "No default association between %s and %s",
                     hub_types[c->route.type].id, hub_types[c->route.to].id);
    }
    return t;
}

static void
link_default(struct hub_call *c, struct hub_record *pair[2],
             const struct hub_assoc_type *t)
{
    store_link_add(pair[0], pair[1], t->id);
    rules_linked(c->po, pair[0], pair[1]);
    out_default(c->out, pair[0], pair[1], t->id);
    buf_addc(c->out, ',');
    out_default(c->out, pair[1], pair[0], t->inverse);
}

void
assoc_batch_default(struct hub_call *c)
{
    json_t *inputs = inputs_of(c, WRITES_MAX);
    const struct hub_assoc_type *t = inputs == NULL ? NULL : default_type(c);
    struct hub_record *pair[2];
    json_t *errors;
    bool first = true;
    size_t *order;
    size_t i;

    if (t == NULL) {
        return;
    }
    errors = json_array();
    order = hub_order(c, json_array_size(inputs));
    out_batch_open(c);
    for (i = 0; i < json_array_size(inputs); i++) {
        if (ends(c, json_array_get(inputs, order[i]), errors, pair)) {
            buf_adds(c->out, first ? "" : ",");
            first = false;
            link_default(c, pair, t);
        }
    }
    c->p->status = json_array_size(errors) > 0 ? hub_partial(c) : 200;
    out_batch_close(c, errors);
    json_decref(errors);
}

/* ---- reading ------------------------------------------------------------ */

static void
out_types(struct buf *b, const struct hub_record *from,
          const struct hub_link *l)
{
    size_t i;

    buf_adds(b, "\"associationTypes\":[");
    for (i = 0; i < l->ntypes; i++) {
        const struct hub_assoc_type *t =
            assoc_type_find(from->type, l->to->type, l->types[i]);

        buf_addf(b,
                 "%s{\"category\":\"HUBSPOT_DEFINED\",\"typeId\":%u,"
                 "\"label\":",
                 i == 0 ? "" : ",", l->types[i]);
        if (t->label == NULL) {
            buf_adds(b, "null}");
        } else {
            out_text(b, t->label);
            buf_addc(b, '}');
        }
    }
    buf_addc(b, ']');
}

static void
out_one_link(struct hub_call *c, const struct hub_record *rec,
             const struct hub_link *l, bool first)
{
    const char *q = c->po->sw.association_ids_numeric ? "" : "\"";

    buf_addf(c->out, "%s{\"toObjectId\":%s%" PRIu64 "%s,", first ? "" : ",", q,
             l->to->id, q);
    out_types(c->out, rec, l);
    buf_addc(c->out, '}');
}

/* The links of one record to `to`, from the `skip`-th on, in random order
 * within their page, and the paging. */
static void
out_links(struct hub_call *c, const struct hub_record *rec, enum hub_type to,
          size_t skip, size_t limit)
{
    const struct hub_link **page =
        arena_array(&c->arena, limit + 1, sizeof(*page));
    size_t i, nth = 0, n = 0;
    size_t *order;

    for (i = 0; i < rec->nlinks && n <= limit; i++) {
        const struct hub_link *l = &rec->links[i];

        if (l->to->type == to && nth++ >= skip) {
            page[n++] = l;
        }
    }
    order = hub_order(c, n < limit ? n : limit);
    for (i = 0; i < n && i < limit; i++) {
        out_one_link(c, rec, page[order[i]], i == 0);
    }
    buf_addc(c->out, ']');
    if (n > limit) {
        buf_addf(c->out, ",\"paging\":{\"next\":{\"after\":\"%zu\"}}",
                 skip + limit);
    }
}

static void
error_none(struct hub_call *c, json_t *errors, const char *id)
{
    json_t *e = hub_error_json(
        404, "OBJECT_NOT_FOUND",
        arena_printf(&c->arena, "No %s is associated with %s %s.",
                     hub_types[c->route.to].upper,
                     hub_types[c->route.type].upper, id));

    json_object_set_new(e, "subCategory",
                        json_string("crm.associations.NO_ASSOCIATIONS_FOUND"));
    hub_error_context(e, "fromObjectId", id);
    json_array_append_new(errors, e);
}

static void
read_one(struct hub_call *c, json_t *input, json_t *errors, bool *first)
{
    json_t *idv = json_object_get(input, "id");
    json_t *afterv = json_object_get(input, "after");
    const char *id = idv == NULL ? "" : value_text(&c->arena, idv);
    const char *after = afterv == NULL ? "0" : value_text(&c->arena, afterv);
    struct hub_record *rec;

    id = id == NULL ? "" : id;
    rec = live(c, c->route.type, id);
    if (rec == NULL) {
        error_id(c, errors, c->route.type, id);
        return;
    }
    if (c->po->sw.association_read_none &&
        store_link_count(rec, c->route.to) == 0) {
        error_none(c, errors, id);
        return;
    }
    buf_addf(c->out, "%s{\"from\":{\"id\":\"%" PRIu64 "\"},\"to\":[",
             *first ? "" : ",", rec->id);
    *first = false;
    out_links(c, rec, c->route.to,
              (size_t)strtoull(after == NULL ? "0" : after, NULL, 10), PAGE);
    buf_addc(c->out, '}');
}

void
assoc_batch_read(struct hub_call *c)
{
    json_t *inputs = inputs_of(c, READS_MAX);
    json_t *errors;
    bool first = true;
    size_t *order;
    size_t i;

    if (inputs == NULL) {
        return;
    }
    errors = json_array();
    order = hub_order(c, json_array_size(inputs));
    out_batch_open(c);
    for (i = 0; i < json_array_size(inputs); i++) {
        read_one(c, json_array_get(inputs, order[i]), errors, &first);
    }
    c->p->status = json_array_size(errors) > 0 ? hub_partial(c) : 200;
    out_batch_close(c, errors);
    json_decref(errors);
}

static struct hub_record *
path_record(struct hub_call *c, enum hub_type type, size_t arg)
{
    struct hub_record *rec = live(c, type, c->route.arg[arg]);

    if (rec == NULL) {
        hub_refuse_f(c, 404, "OBJECT_NOT_FOUND", "resource not found");
    }
    return rec;
}

void
assoc_list(struct hub_call *c)
{
    struct hub_record *rec;
    int64_t limit = query_number(c->r, "limit", PAGE);
    int64_t after = query_number(c->r, "after", 0);

    if (c->route.version == HUB_2026_09) {
        hub_refuse_f(c, 404, NULL, "resource not found");
        return;
    }
    rec = path_record(c, c->route.type, 0);
    if (rec == NULL) {
        return;
    }
    c->p->status = 200;
    buf_adds(c->out, "{\"results\":[");
    out_links(c, rec, c->route.to, after < 0 ? 0 : (size_t)after,
              limit < 1 || limit > PAGE ? PAGE : (size_t)limit);
    buf_addc(c->out, '}');
}

void
assoc_labels(struct hub_call *c)
{
    const struct hub_assoc_type *t;
    bool first = true;
    size_t i;

    c->p->status = 200;
    buf_adds(c->out, "{\"results\":[");
    for (i = 0; (t = assoc_type_at(i)) != NULL; i++) {
        unsigned id = t->id + (t->id == c->po->sw.type_missing ? OTHER_ID : 0);

        if (t->from != c->route.type || t->to != c->route.to) {
            continue;
        }
        buf_addf(c->out,
                 "%s{\"category\":\"HUBSPOT_DEFINED\",\"typeId\":%u,"
                 "\"label\":",
                 first ? "" : ",", id);
        first = false;
        if (t->label == NULL) {
            buf_adds(c->out, "null}");
        } else {
            out_text(c->out, t->label);
            buf_addc(c->out, '}');
        }
    }
    buf_adds(c->out, "]}");
}

/* ---- single writes ------------------------------------------------------ */

static bool
path_pair(struct hub_call *c, struct hub_record *pair[2])
{
    json_t *e;

    c->p->inputs = 1;
    pair[0] = path_record(c, c->route.type, 0);
    pair[1] = pair[0] == NULL ? NULL : path_record(c, c->route.to, 1);
    if (pair[1] == NULL) {
        return false;
    }
    e = rules_link_check(c->po, pair[0], pair[1]);
    if (e != NULL) {
        hub_refuse_json(c, e);
        return false;
    }
    return true;
}

void
assoc_put_default(struct hub_call *c)
{
    struct hub_record *pair[2];
    const struct hub_assoc_type *t = default_type(c);

    if (t == NULL || !path_pair(c, pair)) {
        return;
    }
    out_batch_open(c);
    link_default(c, pair, t);
    c->p->status = 200;
    out_batch_close(c, NULL);
}

/* Replaces the labels of the pair. */
void
assoc_put(struct hub_call *c)
{
    struct hub_record *pair[2];

    if (refuse_types(c, c->body) || !path_pair(c, pair)) {
        return;
    }
    if (store_link_find(pair[0], pair[1]) != NULL) {
        store_link_drop(pair[0], pair[1], 0);
    }
    link_types(c, pair, c->body);
    out_pair(c, pair, c->body);
    c->p->status = 201;
}

void
assoc_delete(struct hub_call *c)
{
    struct hub_record *pair[2];

    if (path_pair(c, pair)) {
        store_link_drop(pair[0], pair[1], 0);
        c->p->status = 204;
    }
}

/* v4 says nothing, the dated versions say COMPLETE. */
static void
removed(struct hub_call *c)
{
    c->p->status = 204;
    if (c->route.version == HUB_2026_03 || c->route.version == HUB_2026_09) {
        c->p->status = 200;
        out_batch_open(c);
        out_batch_close(c, NULL);
    }
}

static void
drop_all(struct hub_call *c, json_t *input)
{
    struct hub_record *from =
        store_by_id(c->po, c->route.type, id_in(c, input, "from"));
    json_t *to;
    size_t i;

    json_array_foreach(json_object_get(input, "to"), i, to)
    {
        json_t *v = json_object_get(to, "id");
        const char *id = v == NULL ? NULL : value_text(&c->arena, v);
        struct hub_record *rec =
            id == NULL ? NULL : store_by_id(c->po, c->route.to, id);

        if (from != NULL && rec != NULL) {
            store_link_drop(from, rec, 0);
        }
    }
}

void
assoc_batch_archive(struct hub_call *c)
{
    json_t *inputs = inputs_of(c, WRITES_MAX);
    json_t *input;
    size_t i;

    if (inputs == NULL) {
        return;
    }
    json_array_foreach(inputs, i, input)
    {
        drop_all(c, input);
    }
    removed(c);
}

void
assoc_batch_labels(struct hub_call *c)
{
    json_t *inputs = inputs_of(c, WRITES_MAX);
    json_t *input, *t;
    size_t i, j;

    if (inputs == NULL) {
        return;
    }
    json_array_foreach(inputs, i, input)
    {
        if (refuse_types(c, json_object_get(input, "types"))) {
            return;
        }
    }
    json_array_foreach(inputs, i, input)
    {
        struct hub_record *a =
            store_by_id(c->po, c->route.type, id_in(c, input, "from"));
        struct hub_record *b =
            store_by_id(c->po, c->route.to, id_in(c, input, "to"));

        json_array_foreach(json_object_get(input, "types"), j, t)
        {
            if (a != NULL && b != NULL) {
                store_link_drop(a, b,
                                (unsigned)json_integer_value(
                                    json_object_get(t, "associationTypeId")));
            }
        }
    }
    removed(c);
}
