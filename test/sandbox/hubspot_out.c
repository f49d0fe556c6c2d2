/* SPDX-License-Identifier: UNLICENSED */
/*
 * The HubSpot simulator's answers. Records and batches are written straight
 * into the reply, without a JSON tree: most of the simulator's time is here.
 * Refusals are built with jansson, they are rare.
 *
 * completedAt is when the work ends, simulated work included; so is what the
 * server waits before it sends.
 */
#include "hubspot.h"

#include <stdio.h>
#include <string.h>

void
out_text(struct buf *b, const char *s)
{
    const char *from = s;

    buf_addc(b, '"');
    for (; *s != '\0'; s++) {
        unsigned char ch = (unsigned char)*s;

        if (ch >= 0x20 && ch != '"' && ch != '\\') {
            continue;
        }
        buf_add(b, from, (size_t)(s - from));
        from = s + 1;
        if (ch >= 0x20) {
            buf_addc(b, '\\');
            buf_addc(b, (char)ch);
        } else {
            buf_addf(b, "\\u%04x", ch);
        }
    }
    buf_add(b, from, (size_t)(s - from));
    buf_addc(b, '"');
}

void
out_key(struct buf *b, const char *key)
{
    out_text(b, key);
    buf_addc(b, ':');
}

static void
out_time(struct buf *b, const char *key, int64_t us)
{
    char at[TIME_TEXT_MAX];

    out_key(b, key);
    out_text(b, time_format(us, at));
}

void
out_record_open(struct buf *b, const struct hub_record *rec)
{
    buf_addf(b, "{\"id\":\"%llu\",", (unsigned long long)rec->id);
    out_time(b, "createdAt", rec->created_us);
    buf_addc(b, ',');
    out_time(b, "updatedAt", rec->updated_us);
    buf_addf(b, ",\"archived\":%s", rec->archived ? "true" : "false");
    if (rec->archived) {
        buf_addc(b, ',');
        out_time(b, "archivedAt", rec->archived_us);
    }
}

static void
out_value(struct buf *b, const char *name, const char *value, bool *first)
{
    if (!*first) {
        buf_addc(b, ',');
    }
    *first = false;
    out_key(b, name);
    if (value == NULL) {
        buf_adds(b, "null");
    } else {
        out_text(b, value);
    }
}

/* The default properties: creation, modification, id. */
static void
out_defaults(struct buf *b, const struct hub_record *rec, bool *first)
{
    const struct hub_type_info *t = &hub_types[rec->type];
    char at[TIME_TEXT_MAX];
    char id[32];

    out_value(b, t->created, time_format(rec->created_us, at), first);
    out_value(b, t->modified, time_format(rec->updated_us, at), first);
    snprintf(id, sizeof(id), "%llu", (unsigned long long)rec->id);
    out_value(b, "hs_object_id", id, first);
}

static bool
is_default(const struct hub_record *rec, const char *name)
{
    const struct hub_type_info *t = &hub_types[rec->type];

    return strcmp(name, t->created) == 0 || strcmp(name, t->modified) == 0 ||
           strcmp(name, "hs_object_id") == 0;
}

/* Read calls without a list of names show these as well. */
static const char *const shown[HUB_TYPES][5] = {
    {"email", "firstname", "lastname", NULL},
    {"name", "domain", NULL},
    {NULL},
    {"name", NULL},
    {NULL},
    {"name", "price", NULL},
};

static void
out_names(struct hub_call *c, const struct hub_record *rec, json_t *names,
          bool *first)
{
    char tmp[HUB_TMP_MAX];
    struct hub_prop *prop;
    json_t *v;
    size_t i;

    json_array_foreach(names, i, v)
    {
        const char *name = json_string_value(v);

        if (name == NULL || is_default(rec, name)) {
            continue;
        }
        prop = store_prop(c->po, rec->type, name, c->now_us);
        if (prop != NULL) {
            out_value(c->out, name, store_get(rec, prop, tmp), first);
        }
    }
}

static void
out_usual(struct hub_call *c, const struct hub_record *rec, bool *first)
{
    char tmp[HUB_TMP_MAX];
    size_t i;

    for (i = 0; shown[rec->type][i] != NULL; i++) {
        const char *name = shown[rec->type][i];

        out_value(c->out, name, store_get_name(c->po, rec, name, tmp), first);
    }
}

static void
out_properties(struct hub_call *c, const struct hub_record *rec,
               const struct out_view *v)
{
    char tmp[HUB_TMP_MAX];
    bool first = true;
    size_t i;

    buf_adds(c->out, ",\"properties\":{");
    out_defaults(c->out, rec, &first);
    if (v->written != NULL) {
        for (i = 0; i < v->nwritten; i++) {
            if (!is_default(rec, v->written[i]->name)) {
                out_value(c->out, v->written[i]->name,
                          store_get(rec, v->written[i], tmp), &first);
            }
        }
    } else if (v->names != NULL) {
        out_names(c, rec, v->names, &first);
    } else {
        out_usual(c, rec, &first);
    }
    buf_addc(c->out, '}');
}

static void
out_history(struct hub_call *c, const struct hub_record *rec, json_t *names)
{
    char tmp[HUB_TMP_MAX], at[TIME_TEXT_MAX];
    bool first = true;
    json_t *v;
    size_t i;

    buf_adds(c->out, ",\"propertiesWithHistory\":{");
    json_array_foreach(names, i, v)
    {
        const char *name = json_string_value(v);
        const char *value =
            name == NULL ? NULL : store_get_name(c->po, rec, name, tmp);

        if (value == NULL) {
            continue;
        }
        buf_adds(c->out, first ? "" : ",");
        first = false;
        out_key(c->out, name);
        buf_adds(c->out, "[{\"value\":");
        out_text(c->out, value);
        buf_addf(c->out,
                 ",\"timestamp\":\"%s\",\"sourceType\":\"INTEGRATION\"}]",
                 time_format(rec->updated_us, at));
    }
    buf_addc(c->out, '}');
}

/* "contact_to_company", as the list and read calls name it. */
static void
out_link(struct buf *b, const struct hub_record *rec,
         const struct hub_link *link, const struct hub_assoc_type *t,
         bool *first)
{
    static const char *const one[HUB_TYPES] = {"contact",          "company",
                                               "invoice",          "line_item",
                                               "commerce_payment", "product"};

    buf_addf(b, "%s{\"id\":\"%llu\",\"type\":\"%s_to_%s%s\"}",
             *first ? "" : ",", (unsigned long long)link->to->id,
             one[rec->type], one[link->to->type],
             t->unlabelled ? "" : "_labelled");
    *first = false;
}

static void
out_associations(struct hub_call *c, const struct hub_record *rec,
                 json_t *types)
{
    bool any = false;
    json_t *v;
    size_t i, j;
    unsigned k;

    json_array_foreach(types, i, v)
    {
        enum hub_type to = hub_type_of(json_string_value(v));
        bool first = true;

        if (to == HUB_TYPES || store_link_count(rec, to) == 0) {
            continue;
        }
        buf_adds(c->out, any ? "," : ",\"associations\":{");
        any = true;
        out_key(c->out,
                to == HUB_LINE_ITEMS ? "line items" : hub_types[to].name);
        buf_adds(c->out, "{\"results\":[");
        for (j = 0; j < rec->nlinks; j++) {
            const struct hub_link *l = &rec->links[j];

            for (k = 0; l->to->type == to && k < l->ntypes; k++) {
                out_link(c->out, rec, l,
                         assoc_type_find(rec->type, to, l->types[k]), &first);
            }
        }
        buf_adds(c->out, "]}");
    }
    if (any) {
        buf_addc(c->out, '}');
    }
}

void
out_record(struct hub_call *c, const struct hub_record *rec,
           const struct out_view *v)
{
    out_record_open(c->out, rec);
    out_properties(c, rec, v);
    if (v->with_history) {
        out_history(c, rec, v->history);
    }
    if (v->is_new >= 0) {
        buf_addf(c->out, ",\"new\":%s", v->is_new ? "true" : "false");
    }
    if (v->trace != NULL) {
        buf_adds(c->out, ",\"objectWriteTraceId\":");
        out_text(c->out, v->trace);
    }
    if (v->associations != NULL) {
        out_associations(c, rec, v->associations);
    }
    buf_addf(c->out,
             ",\"url\":\"https://app.hubspot.com/contacts/%s/record/%s/%llu\"}",
             c->po->id_text, hub_types[rec->type].id,
             (unsigned long long)rec->id);
}

void
out_record_all(struct hub_portal *po, struct buf *b,
               const struct hub_record *rec)
{
    char tmp[HUB_TMP_MAX];
    bool first = true;
    size_t i, k;

    out_record_open(b, rec);
    buf_adds(b, ",\"properties\":{");
    out_defaults(b, rec, &first);
    for (i = 0; i < po->kin[rec->type].nprops; i++) {
        struct hub_prop *prop = po->kin[rec->type].prop_list[i];
        const char *value = store_get(rec, prop, tmp);

        if (value != NULL && !is_default(rec, prop->name)) {
            out_value(b, prop->name, value, &first);
        }
    }
    buf_adds(b, "},\"associations\":[");
    for (i = 0; i < rec->nlinks; i++) {
        const struct hub_link *l = &rec->links[i];

        buf_addf(b, "%s{\"to\":\"%s\",\"id\":\"%llu\",\"types\":[",
                 i == 0 ? "" : ",", hub_types[l->to->type].name,
                 (unsigned long long)l->to->id);
        for (k = 0; k < l->ntypes; k++) {
            buf_addf(b, "%s%u", k == 0 ? "" : ",", l->types[k]);
        }
        buf_adds(b, "]}");
    }
    buf_adds(b, "]}");
}

/* ---- order -------------------------------------------------------------- */

size_t *
hub_order(struct hub_call *c, size_t n)
{
    size_t *order = arena_array(&c->arena, n + 1, sizeof(*order));
    uint64_t state = UINT64_C(0x9E3779B97F4A7C15) * ++c->po->batches;
    size_t i;

    for (i = 0; i < n; i++) {
        size_t j = c->po->sw.shuffle ? (size_t)(hub_draw(&state) % (i + 1)) : i;

        order[i] = order[j];
        order[j] = i;
    }
    return order;
}

json_t *
hub_shuffle(struct hub_call *c, json_t *list)
{
    size_t n = json_array_size(list), i;
    size_t *order = hub_order(c, n);
    json_t *mixed = json_array();

    for (i = 0; i < n; i++) {
        json_array_append(mixed, json_array_get(list, order[i]));
    }
    json_decref(list);
    return mixed;
}

/* ---- batches ------------------------------------------------------------ */

void
out_batch_open(struct hub_call *c)
{
    buf_adds(c->out, "{\"status\":\"COMPLETE\",\"results\":[");
}

int
hub_partial(const struct hub_call *c)
{
    return (int)c->po->sw.partial_status;
}

bool
hub_batch_times(struct hub_call *c, struct hub_times *out)
{
    const struct hub_switches *w = &c->po->sw;
    int64_t ahead_us = w->clock_ms * 1000 + c->po->clock_us;
    int64_t end_us = clock_wall_us() + hub_work_us(c);

    time_format(c->now_us + ahead_us, out->started);
    if (w->clock_step_every > 0 &&
        ++c->po->clock_nth >= (uint64_t)w->clock_step_every) {
        c->po->clock_nth = 0;
        c->po->clock_us += w->clock_step_ms * 1000;
        ahead_us += w->clock_step_ms * 1000;
    }
    time_format(end_us + ahead_us, out->completed);
    return w->batch_times != 0;
}

/* Of the errors some may be kept back. */
static void
out_errors(struct hub_call *c, json_t *errors)
{
    int64_t every = c->po->sw.lose_error_every;
    json_t *all = json_array();
    char *text;
    json_t *e;
    size_t i;

    json_array_foreach(errors, i, e)
    {
        json_object_del(e, "http");
        if (!c->po->sw.error_context) {
            json_object_del(e, "context");
        }
        if (every <= 0 || (i + 1) % (size_t)every != 0) {
            json_array_append(all, e);
        }
    }
    all = hub_shuffle(c, all);
    text = json_dumps(all, JSON_COMPACT);
    buf_addf(c->out, ",\"numErrors\":%zu,\"errors\":%s", json_array_size(all),
             text);
    mem_free(text);
    json_decref(all);
}

void
out_batch_close(struct hub_call *c, json_t *errors)
{
    struct hub_times at;

    buf_addc(c->out, ']');
    if (json_array_size(errors) > 0) {
        out_errors(c, errors);
    }
    if (hub_batch_times(c, &at)) {
        buf_addf(c->out, ",\"startedAt\":\"%s\",\"completedAt\":\"%s\"",
                 at.started, at.completed);
    }
    buf_addc(c->out, '}');
}

/* ---- refusals ----------------------------------------------------------- */

static json_t *
correlation(void)
{
    char hex[RANDOM_ID_MAX];
    char uuid[40];

    random_id(hex);
    snprintf(uuid, sizeof(uuid), "%.8s-%.4s-4%.3s-a%.3s-%.12s", hex, hex + 8,
             hex + 13, hex + 17, hex + 20);
    return json_string(uuid);
}

void
hub_refuse(struct hub_call *c, const struct hub_error *e, json_t *extra)
{
    json_t *body = json_object();

    json_object_set_new(body, "status", json_string("error"));
    json_object_set_new(body, "message", json_string(e->message));
    json_object_set_new(body, "correlationId", correlation());
    if (e->category != NULL) {
        json_object_set_new(body, "category", json_string(e->category));
    }
    if (extra != NULL) {
        json_object_update(body, extra);
        json_decref(extra);
    }
    sim_reply_header(c->p, "X-HubSpot-Correlation-Id",
                     json_string_value(json_object_get(body, "correlationId")));
    c->p->refused = true;
    sim_reply_json(c->p, e->status, body);
}

void
hub_refuse_f(struct hub_call *c, int status, const char *category,
             const char *fmt, ...)
{
    struct hub_error e = {.status = status, .category = category};
    char *text;
    va_list ap;

    va_start(ap, fmt);
    text = mem_vprintf(fmt, ap);
    va_end(ap);
    e.message = text;
    hub_refuse(c, &e, NULL);
    mem_free(text);
}

json_t *
hub_error_json(int http, const char *category, const char *message)
{
    return json_pack("{s:s, s:s, s:s, s:{}, s:i}", "status", "error",
                     "category", category, "message", message, "context",
                     "http", http);
}

void
hub_error_context(json_t *error, const char *key, const char *value)
{
    json_t *context = json_object_get(error, "context");
    json_t *list = json_object_get(context, key);

    if (list == NULL) {
        list = json_array();
        json_object_set_new(context, key, list);
    }
    json_array_append_new(list, json_string(value));
}

void
hub_refuse_json(struct hub_call *c, json_t *error)
{
    json_t *extra = json_object();
    json_t *errors = json_object_get(error, "errors");
    json_t *context = json_object_get(error, "context");
    json_t *sub = json_object_get(error, "subCategory");
    struct hub_error e = {
        .status = (int)json_integer_value(json_object_get(error, "http")),
        .category = json_string_value(json_object_get(error, "category")),
        .message = json_string_value(json_object_get(error, "message"))};

    if (errors != NULL) {
        json_object_set(extra, "errors", errors);
    }
    if (json_object_size(context) > 0) {
        json_object_set(extra, "context", context);
    }
    if (sub != NULL) {
        json_object_set(extra, "subCategory", sub);
    }
    hub_refuse(c, &e, extra);
    json_decref(error);
}
