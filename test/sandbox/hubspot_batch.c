/* SPDX-License-Identifier: UNLICENSED */
/*
 * Batch calls: create, read, update, upsert, archive.
 *
 *     read inputs -> find targets -> check all -> apply -> answer, shuffled
 *                         |              |
 *                         +--------------+--> one refusal of the whole batch
 *
 * Inputs are checked and written in an order of their own, so that neither ids
 * nor the one that is refused of two that clash follow the order they came in.
 *
 * More than 100 inputs or one id twice refuse the batch whatever else. A wrong
 * input refuses it too, unless every input has a trace id of its own (create
 * and upsert; update by switch): then the good ones are written and the answer
 * is a 207. Ids that do not exist never refuse a batch update or read.
 */
#include "hubspot.h"

#include <string.h>

enum { INPUTS_MAX = 100, INPUTS_HISTORY_MAX = 50 };

enum batch_mode { MODE_CREATE, MODE_UPDATE, MODE_UPSERT };

struct batch {
    enum batch_mode mode;
    json_t *inputs; /* borrowed */
    size_t n;
    struct hub_input *in;
    struct hub_record **done; /* per input; NULL: not written */
    bool *created;
    json_t *errors;
    bool partial;
    struct map claims;
    size_t *order; /* in which inputs are checked and written */
};

/* The "inputs" of the body, or NULL with the refusal. */
static json_t *
batch_inputs(struct hub_call *c, size_t max)
{
    json_t *inputs = json_object_get(c->body, "inputs");
    size_t n = json_array_size(inputs);

    c->p->inputs = n;
    if (!json_is_array(inputs) || n == 0) {
        hub_refuse_f(c, 400, "VALIDATION_ERROR",
                     "Invalid input JSON: inputs must be a list that is not "
                     "empty");
        return NULL;
    }
    if (n > max) {
        hub_refuse_f(c, 400, "VALIDATION_ERROR",
                     "The batch has %zu inputs; the maximum is %zu", n, max);
        return NULL;
    }
    return inputs;
}

static const char *
field(struct hub_call *c, json_t *input, const char *name)
{
    json_t *v = json_object_get(input, name);

    return v == NULL || json_is_null(v) ? NULL : value_text(&c->arena, v);
}

/* One id twice: the whole batch. True when refused. */
static bool
refuse_doubles(struct hub_call *c, json_t *inputs)
{
    json_t *twice = json_array();
    struct map seen;
    json_t *v;
    size_t i;
    bool bad;

    map_init(&seen);
    json_array_foreach(inputs, i, v)
    {
        const char *id = field(c, v, "id");

        if (id != NULL && map_put(&seen, id, c) != NULL) {
            json_array_append_new(twice, json_string(id));
        }
    }
    map_fini(&seen);
    bad = json_array_size(twice) > 0;
    if (bad) {
        struct buf b;
        struct hub_error e = {.status = 400, .category = "VALIDATION_ERROR"};

        buf_init(&b, 1 << 20);
        json_array_foreach(twice, i, v)
        {
            buf_addf(&b, "%s%s", i == 0 ? "" : ", ", json_string_value(v));
        }
        e.message = arena_printf(&c->arena,
                                 "Duplicate IDs found in batch input: [%s]. "
                                 "IDs must be unique",
                                 buf_text(&b));
        hub_refuse(c, &e, json_pack("{s:{s:O}}", "context", "ids", twice));
        buf_fini(&b);
    }
    json_decref(twice);
    return bad;
}

/* Ids nobody has: one error that names them all. */
static void
error_missing(struct hub_call *c, json_t *errors, const char *id)
{
    const char *upper = hub_types[c->route.type].upper;
    json_t *e;
    size_t i;

    json_array_foreach(errors, i, e)
    {
        if (text_equal(json_string_value(json_object_get(e, "category")),
                       "OBJECT_NOT_FOUND")) {
            hub_error_context(e, "ids", id);
            return;
        }
    }
    e = hub_error_json(404, "OBJECT_NOT_FOUND",
                       arena_printf(&c->arena,
                                    "Could not get some %s objects, they may "
                                    "be deleted or not exist. Check that ids "
                                    "are valid.",
                                    upper));
    hub_error_context(e, "ids", id);
    json_array_append_new(errors, e);
}

/* ---- writing ------------------------------------------------------------ */

static bool
traces_given(struct hub_call *c, struct batch *b)
{
    struct map seen;
    size_t i;
    bool ok = true;

    map_init(&seen);
    for (i = 0; i < b->n; i++) {
        const char *t =
            field(c, json_array_get(b->inputs, i), "objectWriteTraceId");

        b->in[i].trace = t;
        ok = ok && t != NULL && map_put(&seen, t, c) == NULL;
    }
    map_fini(&seen);
    return ok;
}

static void
upsert_target(struct hub_call *c, struct batch *b, size_t i,
              struct hub_prop *prop, const char *id)
{
    json_t *src = json_array_get(b->inputs, i);
    json_t *props = json_object_get(src, "properties");
    struct hub_record *rec = store_by_key(c->po, prop, id);

    if (rec != NULL && rec->archived && c->po->sw.archived_unique == 1) {
        b->in[i].error = hub_error_json(
            409, "CONFLICT", "An archived record holds that unique value");
        return;
    }
    b->in[i].target = rec;
    if (!json_is_object(props)) {
        props = json_object();
        json_object_set_new(src, "properties", props);
    }
    if (rec == NULL && json_object_get(props, prop->name) == NULL) {
        json_object_set_new(props, prop->name, json_string(id));
    }
}

static void
update_target(struct hub_call *c, struct batch *b, size_t i,
              struct hub_prop *prop, const char *id)
{
    struct hub_record *rec = prop != NULL ?
                                 store_by_key(c->po, prop, id) :
                                 store_by_id(c->po, c->route.type, id);

    if (rec == NULL || (rec->archived && c->po->sw.archived_update == 0)) {
        error_missing(c, b->errors, id);
        return;
    }
    b->in[i].target = rec;
    b->in[i].stays_archived = rec->archived && c->po->sw.archived_update == 1;
}

static bool
refuse_email(struct hub_call *c, const struct batch *b,
             const struct hub_prop *prop)
{
    if (b->mode != MODE_UPSERT || prop->kind != KIND_EMAIL ||
        c->po->sw.email_upsert) {
        return false;
    }
    hub_refuse_f(c, 400, "VALIDATION_ERROR",
                 "Partial upserts are not supported with idProperty email");
    return true;
}

static bool
find_target(struct hub_call *c, struct batch *b, size_t i)
{
    json_t *src = json_array_get(b->inputs, i);
    const char *by = field(c, src, "idProperty");
    const char *id = field(c, src, "id");
    struct hub_prop *prop = NULL;

    if (b->mode == MODE_UPSERT && by == NULL) {
        by = "hs_object_id";
    }
    if (by != NULL) {
        prop = unique_prop(c, by);
        if (prop == NULL || refuse_email(c, b, prop)) {
            return false;
        }
    }
    if (id == NULL || id[0] == '\0') {
        hub_refuse_f(c, 400, "VALIDATION_ERROR",
                     "Invalid input JSON: id is required");
        return false;
    }
    b->in[i].key = prop;
    if (b->mode == MODE_UPSERT) {
        upsert_target(c, b, i, prop, id);
    } else {
        update_target(c, b, i, prop, id);
    }
    return true;
}

/* Associations are for create alone; all inputs name the same idProperty. */
static bool
check_shape(struct hub_call *c, struct batch *b)
{
    const char *first = field(c, json_array_get(b->inputs, 0), "idProperty");
    json_t *src;
    size_t i;

    json_array_foreach(b->inputs, i, src)
    {
        if (!json_is_object(src)) {
            hub_refuse_f(c, 400, "VALIDATION_ERROR",
                         "Invalid input JSON: inputs must be objects");
            return false;
        }
        if (b->mode != MODE_CREATE &&
            json_object_get(src, "associations") != NULL) {
            hub_refuse_f(c, 400, "VALIDATION_ERROR",
                         "Invalid input JSON on line 1: Unrecognized field "
                         "\"associations\"");
            return false;
        }
        if (!text_equal(first, field(c, src, "idProperty"))) {
            hub_refuse_f(c, 400, "VALIDATION_ERROR",
                         "All inputs must have the same idProperty");
            return false;
        }
    }
    return true;
}

/* The whole batch is refused for the first wrong input; what is wrong with
 * the values of the others is told along. */
static void
refuse_whole(struct hub_call *c, struct batch *b)
{
    json_t *first = NULL;
    json_t *more;
    size_t i;

    if (!c->po->sw.refusal_words) {
        hub_refuse_f(c, 400, "VALIDATION_ERROR",
                     "There was a problem with the request.");
        return;
    }
    more = json_array();
    for (i = 0; i < b->n; i++) {
        json_t *e = b->in[b->order[i]].error;

        if (e == NULL) {
            continue;
        }
        if (first == NULL) {
            first = e;
        } else {
            json_array_append(more, e);
        }
    }
    input_error_message(c, first, more);
    json_decref(more);
    hub_refuse_json(c, json_incref(first));
}

static bool
check_all(struct hub_call *c, struct batch *b)
{
    bool wrong = false, whole = false;
    size_t i;

    for (i = 0; i < b->n; i++) {
        size_t k = b->order[i];
        struct hub_input *in = &b->in[k];

        if (in->error == NULL &&
            (in->target != NULL || b->mode != MODE_UPDATE)) {
            input_check(c, in, json_array_get(b->inputs, k), &b->claims);
        }
        wrong = wrong || in->error != NULL;
        whole = whole || in->whole;
    }
    if (whole || (wrong && !b->partial)) {
        refuse_whole(c, b);
        return false;
    }
    return true;
}

static void
apply_all(struct hub_call *c, struct batch *b)
{
    size_t i;

    for (i = 0; i < b->n; i++) {
        size_t k = b->order[i];
        struct hub_input *in = &b->in[k];

        if (in->error != NULL) {
            input_error_message(c, in->error, NULL);
            hub_error_context(in->error, "objectWriteTraceId", in->trace);
            json_array_append(b->errors, in->error);
        } else if (in->target != NULL || b->mode != MODE_UPDATE) {
            b->created[k] = in->target == NULL;
            b->done[k] = input_apply(c, in);
        }
    }
}

static bool
lost(const struct hub_call *c, size_t nth)
{
    int64_t every = c->po->sw.lose_result_every;

    return every > 0 && (nth + 1) % (size_t)every == 0;
}

static void
answer(struct hub_call *c, struct batch *b)
{
    size_t *order = hub_order(c, b->n);
    bool first = true;
    size_t i;

    c->p->status =
        b->mode == MODE_CREATE ? (int)c->po->sw.batch_create_status : 200;
    if (json_array_size(b->errors) > 0) {
        c->p->status = hub_partial(c);
    }
    out_batch_open(c);
    for (i = 0; i < b->n; i++) {
        size_t k = order[i];

        if (b->done[k] == NULL || lost(c, i)) {
            continue;
        }
        buf_adds(c->out, first ? "" : ",");
        first = false;
        input_show(c, &b->in[k], b->done[k],
                   b->mode == MODE_UPSERT ? b->created[k] : -1);
    }
    out_batch_close(c, b->errors);
}

static bool
refuse_locked(struct hub_call *c, const struct batch *b)
{
    struct hub_record **all = arena_array(&c->arena, b->n, sizeof(*all));
    size_t i;

    for (i = 0; i < b->n; i++) {
        all[i] = b->in[i].target;
    }
    return hub_lock_refuse(c, all, b->n);
}

static void
batch_write(struct hub_call *c, enum batch_mode mode)
{
    struct batch b = {.mode = mode, .inputs = batch_inputs(c, INPUTS_MAX)};
    bool ok = true;
    size_t i;

    if (b.inputs == NULL || !check_shape(c, &b) ||
        (mode != MODE_CREATE && refuse_doubles(c, b.inputs))) {
        return;
    }
    b.n = json_array_size(b.inputs);
    b.in = arena_array(&c->arena, b.n, sizeof(*b.in));
    b.done = arena_array(&c->arena, b.n, sizeof(*b.done));
    b.created = arena_array(&c->arena, b.n, sizeof(*b.created));
    b.errors = json_array();
    b.order = hub_order(c, b.n);
    map_init(&b.claims);
    b.partial = traces_given(c, &b) &&
                (mode == MODE_UPDATE ? c->po->sw.update_partial :
                                       c->po->sw.write_partial) != 0;
    for (i = 0; i < b.n && ok && mode != MODE_CREATE; i++) {
        ok = find_target(c, &b, i);
    }
    if (ok && !refuse_locked(c, &b) && check_all(c, &b)) {
        apply_all(c, &b);
        answer(c, &b);
    }
    for (i = 0; i < b.n; i++) {
        input_fini(&b.in[i]);
    }
    map_fini(&b.claims);
    json_decref(b.errors);
}

void
batch_create(struct hub_call *c)
{
    batch_write(c, MODE_CREATE);
}

void
batch_update(struct hub_call *c)
{
    batch_write(c, MODE_UPDATE);
}

void
batch_upsert(struct hub_call *c)
{
    batch_write(c, MODE_UPSERT);
}

/* ---- reading and archiving ---------------------------------------------- */

static void
read_all(struct hub_call *c, json_t *inputs, struct hub_prop *prop)
{
    bool archived = text_equal(sim_query(c->r, "archived"), "true");
    size_t n = json_array_size(inputs), i;
    size_t *order = hub_order(c, n);
    json_t *errors = json_array();
    bool first = true;
    struct out_view view = {
        .is_new = -1,
        .names = json_object_get(c->body, "properties"),
        .history = json_object_get(c->body, "propertiesWithHistory")};

    view.with_history = json_array_size(view.history) > 0;
    out_batch_open(c);
    for (i = 0; i < n; i++) {
        const char *id = field(c, json_array_get(inputs, order[i]), "id");
        struct hub_record *rec = prop != NULL ?
                                     store_by_key(c->po, prop, id) :
                                     store_by_id(c->po, c->route.type, id);

        if (rec == NULL || rec->archived != archived) {
            error_missing(c, errors, id);
        } else if (!lost(c, i)) {
            buf_adds(c->out, first ? "" : ",");
            first = false;
            out_record(c, rec, &view);
        }
    }
    c->p->status = json_array_size(errors) > 0 ? hub_partial(c) : 200;
    out_batch_close(c, errors);
    json_decref(errors);
}

static bool
ids_given(struct hub_call *c, json_t *inputs)
{
    json_t *v;
    size_t i;

    json_array_foreach(inputs, i, v)
    {
        if (field(c, v, "id") == NULL) {
            hub_refuse_f(c, 400, "VALIDATION_ERROR",
                         "Invalid input JSON: id is required");
            return false;
        }
    }
    return true;
}

void
batch_read(struct hub_call *c)
{
    json_t *history = json_object_get(c->body, "propertiesWithHistory");
    json_t *inputs = batch_inputs(
        c, json_array_size(history) > 0 ? INPUTS_HISTORY_MAX : INPUTS_MAX);
    const char *by = field(c, c->body, "idProperty");
    struct hub_prop *prop = NULL;

    if (inputs == NULL || !ids_given(c, inputs) || refuse_doubles(c, inputs)) {
        return;
    }
    if (by != NULL && strcmp(by, "hs_object_id") != 0) {
        prop = unique_prop(c, by);
        if (prop == NULL) {
            return;
        }
    }
    read_all(c, inputs, prop);
}

void
batch_archive(struct hub_call *c)
{
    json_t *inputs = batch_inputs(c, INPUTS_MAX);
    json_t *v, *e;
    size_t i;

    if (inputs == NULL || !ids_given(c, inputs) || refuse_doubles(c, inputs)) {
        return;
    }
    json_array_foreach(inputs, i, v)
    {
        struct hub_record *rec =
            store_by_id(c->po, c->route.type, field(c, v, "id"));

        e = rec == NULL ? NULL : rules_delete_check(c->po, rec);
        if (e != NULL) {
            hub_refuse_json(c, e);
            return;
        }
    }
    json_array_foreach(inputs, i, v)
    {
        struct hub_record *rec =
            store_by_id(c->po, c->route.type, field(c, v, "id"));

        if (rec != NULL) {
            store_archive(c->po, rec, c->now_us);
        }
    }
    c->p->status = 204;
}
