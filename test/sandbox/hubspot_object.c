/* SPDX-License-Identifier: UNLICENSED */
/*
 * Calls for one record, and the list. Records of a type are in the order of
 * their ids, so a page is found by binary search; `after` is the id the page
 * begins with.
 */
#include "hubspot.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { PAGE_MAX = 100, PAGE_HISTORY_MAX = 50, PAGE_DEFAULT = 10 };

int64_t
query_number(const struct sim_request *r, const char *name, int64_t def)
{
    const char *s = sim_query(r, name);

    return s == NULL || s[0] == '\0' ? def : (int64_t)strtoll(s, NULL, 10);
}

/* Both ?x=a,b and ?x=a&x=b. */
json_t *
query_list(struct hub_call *c, const char *name)
{
    json_t *given = sim_query_all(c->r, name);
    json_t *list = given == NULL ? NULL : json_array();
    json_t *v;
    size_t i;

    json_array_foreach(given, i, v)
    {
        const char *s = json_string_value(v);

        while (s != NULL && *s != '\0') {
            size_t n = strcspn(s, ",");

            if (n > 0) {
                json_array_append_new(list, json_stringn(s, n));
            }
            s += n + (s[n] == ',');
        }
    }
    json_decref(given);
    return list;
}

struct hub_prop *
unique_prop(struct hub_call *c, const char *name)
{
    struct hub_prop *prop = store_prop(c->po, c->route.type, name, c->now_us);

    if (prop == NULL || !prop->unique) {
        hub_refuse_f(c, 400, "VALIDATION_ERROR",
                     "Unable to perform update/upsert by non-unique %s "
                     "property %s in portal ID %s",
                     hub_types[c->route.type].id, name, c->po->id_text);
        return NULL;
    }
    return prop;
}

static void
not_found(struct hub_call *c)
{
    int64_t body = c->po->sw.missing_body;

    hub_refuse_f(c, 404, body == 0 ? "OBJECT_NOT_FOUND" : NULL,
                 "resource not found");
    if (body == 2) {
        buf_reset(c->out);
        c->p->content_type = "";
    }
}

static bool
query_true(struct hub_call *c, const char *name)
{
    return text_equal(sim_query(c->r, name), "true");
}

/* The record of the path, by id or idProperty; NULL with the refusal. */
static struct hub_record *
target(struct hub_call *c, bool archived)
{
    const char *by = sim_query(c->r, "idProperty");
    struct hub_record *rec;
    struct hub_prop *prop;

    if (by != NULL && strcmp(by, "hs_object_id") != 0) {
        prop = unique_prop(c, by);
        if (prop == NULL) {
            return NULL;
        }
        rec = store_by_key(c->po, prop, c->route.arg[0]);
    } else {
        rec = store_by_id(c->po, c->route.type, c->route.arg[0]);
    }
    if (rec != NULL && rec->archived && !archived &&
        strcmp(c->r->method, "PATCH") == 0 && c->po->sw.archived_update > 0) {
        return rec;
    }
    if (rec == NULL || rec->archived != archived) {
        not_found(c);
        return NULL;
    }
    return rec;
}

struct page_view {
    struct out_view view;
    bool archived;
};

static void
view_open(struct hub_call *c, struct page_view *v)
{
    *v = (struct page_view){.view = {.is_new = -1}};
    v->archived = query_true(c, "archived");
    v->view.names = query_list(c, "properties");
    v->view.history = query_list(c, "propertiesWithHistory");
    v->view.with_history = v->view.history != NULL;
    v->view.associations = query_list(c, "associations");
}

static void
view_close(struct page_view *v)
{
    json_decref(v->view.names);
    json_decref(v->view.history);
    json_decref(v->view.associations);
}

void
object_read(struct hub_call *c)
{
    struct page_view v;
    struct hub_record *rec;

    view_open(c, &v);
    rec = target(c, v.archived);
    if (rec != NULL) {
        c->p->status = 200;
        out_record(c, rec, &v.view);
    }
    view_close(&v);
}

/* First index whose id is not below `id`. */
static size_t
seek(const struct hub_kindred *k, uint64_t id)
{
    size_t low = 0, high = k->nrecords;

    while (low < high) {
        size_t mid = low + (high - low) / 2;

        if (k->records[mid]->id < id) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low;
}

static void
list_page(struct hub_call *c, const struct page_view *v, int64_t limit)
{
    const struct hub_kindred *k = &c->po->kin[c->route.type];
    size_t i = seek(k, (uint64_t)query_number(c->r, "after", 0));
    int64_t n = 0;

    buf_adds(c->out, "{\"results\":[");
    for (; i < k->nrecords; i++) {
        const struct hub_record *rec = k->records[i];

        if (rec->archived != v->archived || rec->merged_into != NULL) {
            continue;
        }
        if (n == limit) {
            break;
        }
        buf_adds(c->out, n++ == 0 ? "" : ",");
        out_record(c, rec, &v->view);
    }
    c->p->inputs = (size_t)n;
    buf_addc(c->out, ']');
    if (i < k->nrecords) {
        buf_addf(c->out,
                 ",\"paging\":{\"next\":{\"after\":\"%" PRIu64
                 "\",\"link\":\"%s?limit=%" PRId64 "&after=%" PRIu64 "\"}}",
                 k->records[i]->id, c->r->path, limit, k->records[i]->id);
    }
    buf_addc(c->out, '}');
}

void
object_list(struct hub_call *c)
{
    int64_t limit = query_number(c->r, "limit", PAGE_DEFAULT);
    struct page_view v;

    view_open(c, &v);
    if (limit < 1 ||
        limit > (v.view.with_history ? PAGE_HISTORY_MAX : PAGE_MAX)) {
        hub_refuse_f(c, 400, "VALIDATION_ERROR",
                     "The limit %" PRId64 " is out of range", limit);
    } else {
        c->p->status = 200;
        list_page(c, &v, limit);
    }
    view_close(&v);
}

/* Checks and applies the one input of a create or update. */
static void
write_one(struct hub_call *c, struct hub_record *rec, int status)
{
    struct hub_input in = {.target = rec,
                           .stays_archived = rec != NULL && rec->archived &&
                                             c->po->sw.archived_update == 1};
    struct map claims;

    c->p->inputs = 1;
    if (hub_lock_refuse(c, &rec, 1)) {
        return;
    }
    map_init(&claims);
    input_check(c, &in, c->body, &claims);
    map_fini(&claims);
    if (in.error != NULL) {
        input_error_message(c, in.error, NULL);
        hub_refuse_json(c, json_incref(in.error));
    } else {
        c->p->status = status;
        rec = input_apply(c, &in);
        input_show(c, &in, rec, -1);
    }
    input_fini(&in);
}

void
object_create(struct hub_call *c)
{
    write_one(c, NULL, 201);
}

void
object_update(struct hub_call *c)
{
    struct hub_record *rec = target(c, false);

    if (rec != NULL) {
        write_one(c, rec, 200);
    }
}

void
object_archive(struct hub_call *c)
{
    struct hub_record *rec = target(c, false);
    json_t *e;

    if (rec == NULL) {
        return;
    }
    e = rules_delete_check(c->po, rec);
    if (e != NULL) {
        hub_refuse_json(c, e);
        return;
    }
    store_archive(c->po, rec, c->now_us);
    c->p->status = 204;
}

static struct hub_record *
body_record(struct hub_call *c, const char *key)
{
    json_t *v = json_object_get(c->body, key);
    const char *id = v != NULL ? value_text(&c->arena, v) : NULL;
    struct hub_record *rec =
        id != NULL ? store_by_id(c->po, c->route.type, id) : NULL;

    return rec == NULL || rec->archived ? NULL : rec;
}

void
object_merge(struct hub_call *c)
{
    struct hub_record *into = body_record(c, "primaryObjectId");
    struct hub_record *gone = body_record(c, "objectIdToMerge");
    struct out_view view = {.is_new = -1};

    if ((c->route.type != HUB_CONTACTS && c->route.type != HUB_COMPANIES) ||
        into == NULL || gone == NULL || into == gone) {
        hub_refuse_f(c, 400, "VALIDATION_ERROR",
                     "These records cannot be merged");
        return;
    }
    store_merge(c->po, into, gone, c->now_us);
    c->p->status = 200;
    out_record(c, into, &view);
}

/* {"objectId"}: gone, whether it was there or not. */
void
object_gdpr_delete(struct hub_call *c)
{
    struct hub_record *rec = body_record(c, "objectId");

    if (c->route.type != HUB_CONTACTS) {
        not_found(c);
        return;
    }
    if (rec != NULL) {
        store_archive(c->po, rec, c->now_us);
    }
    c->p->status = 204;
}
