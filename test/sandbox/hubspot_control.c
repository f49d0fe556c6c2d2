/* SPDX-License-Identifier: UNLICENSED */
/*
 * /control/hubspot: reads back what the portals hold, seeds and changes it
 * behind the API's back, sets switches, tokens and portal settings. None of it
 * counts as a request, and no rule of HubSpot's is asked, except that unique
 * values stay unique.
 *
 * ?portal=ID picks the portal; without it the first one is meant.
 */
#include "hubspot.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct ctl {
    struct hubspot_sim *sim;
    struct hub_portal *po;
    const struct sim_request *r;
    struct sim_reply *p;
    const char *rest; /* after the word */
    enum hub_type type;
    char name[64]; /* the second piece after the word, or "" */
};

static bool
method(const struct ctl *c, const char *m)
{
    return strcmp(c->r->method, m) == 0;
}

/* "/T" or "/T/NAME" after the word; false with the refusal. */
static bool
type_of_rest(struct ctl *c)
{
    const char *s = c->rest[0] == '/' ? c->rest + 1 : c->rest;
    size_t n = strcspn(s, "/");
    char *first = mem_strndup(s, n);

    c->type = hub_type_of(first);
    mem_free(first);
    s += n + (s[n] == '/');
    c->name[0] = '\0';
    if (strlen(s) < sizeof(c->name)) {
        memcpy(c->name, s, strlen(s) + 1);
    }
    if (c->type == HUB_TYPES) {
        sim_control_error(c->p, 404, "no object type in %s", c->r->path);
        return false;
    }
    return true;
}

/* ---- summary, switches, reset ------------------------------------------- */

static json_t *
portal_show(struct hub_portal *po)
{
    json_t *counts = json_object();
    size_t i;

    for (i = 0; i < HUB_TYPES; i++) {
        json_object_set_new(counts, hub_types[i].name,
                            json_integer((json_int_t)po->kin[i].live));
    }
    return json_pack(
        "{s:s, s:o, s:O, s:s, s:I, s:I, s:I, s:I, s:I}", "portal_id",
        po->id_text, "counts", counts, "currencies", po->currencies,
        "time_zone", po->time_zone, "utc_offset_min",
        (json_int_t)(po->utc_offset_us / 60000000), "day_count",
        (json_int_t)po->day_count, "foreign", (json_int_t)po->foreign,
        "foreign_refused", (json_int_t)po->foreign_refused, "status_backs",
        (json_int_t)po->status_backs);
}

static void
ctl_summary(struct ctl *c)
{
    json_t *all = json_array();
    size_t i;

    for (i = 0; i < c->sim->nportals; i++) {
        json_array_append_new(all, portal_show(c->sim->portals[i]));
    }
    sim_reply_json(c->p, 200, json_pack("{s:o}", "portals", all));
}

/* Switches come in the body; a parameter would be ignored silently. */
static void
not_a_parameter(void *arg, const char *name, const char *value)
{
    const char **bad = arg;

    (void)value;
    if (strcmp(name, "portal") != 0) {
        *bad = name;
    }
}

static void
ctl_switches(struct ctl *c)
{
    json_t *body;
    const char *bad = NULL;
    size_t i;

    if (method(c, "GET")) {
        sim_reply_json(c->p, 200, hub_switches_show(&c->po->sw));
        return;
    }
    if (method(c, "DELETE")) {
        for (i = 0; i < c->sim->nportals; i++) {
            hub_switches_default(&c->sim->portals[i]->sw);
        }
        c->p->status = 204;
        return;
    }
    sim_query_each(c->r, not_a_parameter, &bad);
    if (bad != NULL) {
        sim_control_error(c->p, 400, "switches go in the body: %s", bad);
        return;
    }
    body = sim_control_body(c->r, c->p);
    if (body == NULL) {
        return;
    }
    for (i = 0; i < c->sim->nportals && bad == NULL; i++) {
        if (sim_query(c->r, "portal") == NULL || c->sim->portals[i] == c->po) {
            bad = hub_switches_set(&c->sim->portals[i]->sw, body);
        }
    }
    if (bad != NULL) {
        sim_control_error(c->p, 400, "no switch or no number: %s", bad);
    } else {
        sim_reply_json(c->p, 200, hub_switches_show(&c->po->sw));
    }
    json_decref(body);
}

/* Empty portals with default switches; tokens and the day's count stay. */
static void
ctl_reset(struct ctl *c)
{
    size_t i;

    for (i = 0; i < c->sim->nportals; i++) {
        struct hub_portal *po = c->sim->portals[i];

        if (sim_query(c->r, "portal") == NULL || po == c->po) {
            hub_portal_fini(po);
            hub_portal_init(po);
        }
    }
    c->p->status = 204;
}

/* ---- portal settings, tokens -------------------------------------------- */

static const char *
tier_set(struct hub_switches *w, const char *tier)
{
    static const struct {
        const char *name;
        int64_t limit, day;
    } tiers[] = {{"free", 100, 250000},
                 {"starter", 100, 250000},
                 {"professional", 190, 625000},
                 {"enterprise", 190, 1000000},
                 {"increase", 250, 2000000}};
    size_t i;

    for (i = 0; i < COUNT_OF(tiers); i++) {
        if (strcmp(tiers[i].name, tier) == 0) {
            w->rate_limit = tiers[i].limit;
            w->daily_limit = tiers[i].day;
            return NULL;
        }
    }
    return "tier";
}

static const char *
required_set(struct hub_portal *po, json_t *types)
{
    const char *name;
    json_t *list, *v;
    size_t i;

    json_object_foreach(types, name, list)
    {
        enum hub_type type = hub_type_of(name);
        struct map *m;

        if (type == HUB_TYPES) {
            return "required";
        }
        m = &po->kin[type].required;
        map_fini(m);
        map_init(m);
        json_array_foreach(list, i, v)
        {
            if (json_is_string(v)) {
                map_put(m, json_string_value(v), po);
            }
        }
    }
    return NULL;
}

static const char *
required_if_set(struct hub_portal *po, json_t *types)
{
    const char *name;
    json_t *list;

    json_object_foreach(types, name, list)
    {
        enum hub_type type = hub_type_of(name);

        if (type == HUB_TYPES || !json_is_array(list)) {
            return "required_if";
        }
        json_decref(po->kin[type].required_if);
        po->kin[type].required_if = json_incref(list);
    }
    return NULL;
}

static bool
all_text(json_t *list)
{
    json_t *v;
    size_t i;

    json_array_foreach(list, i, v)
    {
        if (!json_is_string(v)) {
            return false;
        }
    }
    return json_array_size(list) > 0;
}

static const char *
portal_set(struct hub_portal *po, const char *key, json_t *v)
{
    if (strcmp(key, "currencies") == 0 && all_text(v)) {
        json_decref(po->currencies);
        po->currencies = json_incref(v);
    } else if (strcmp(key, "time_zone") == 0 && json_is_string(v)) {
        mem_free(po->time_zone);
        po->time_zone = mem_strdup(json_string_value(v));
    } else if (strcmp(key, "utc_offset_min") == 0 && json_is_integer(v)) {
        po->utc_offset_us = (int64_t)json_integer_value(v) * 60000000;
    } else if (strcmp(key, "day_count") == 0 && json_is_integer(v)) {
        hub_midnight_roll(po, clock_wall_us());
        po->day_count = (int64_t)json_integer_value(v);
    } else if (strcmp(key, "tier") == 0 && json_is_string(v)) {
        return tier_set(&po->sw, json_string_value(v));
    } else if (strcmp(key, "required") == 0) {
        return required_set(po, v);
    } else if (strcmp(key, "required_if") == 0) {
        return required_if_set(po, v);
    } else {
        return key;
    }
    return NULL;
}

static void
ctl_portal(struct ctl *c)
{
    json_t *body =
        method(c, "GET") ? json_object() : sim_control_body(c->r, c->p);
    const char *bad = NULL;
    const char *key;
    json_t *v;

    if (body == NULL) {
        return;
    }
    json_object_foreach(body, key, v)
    {
        bad = bad == NULL ? portal_set(c->po, key, v) : bad;
    }
    if (bad != NULL) {
        sim_control_error(c->p, 400, "unknown or wrong: %s", bad);
    } else {
        sim_reply_json(c->p, 200, portal_show(c->po));
    }
    json_decref(body);
}

static json_t *
token_show(const struct hub_token *t)
{
    json_t *scopes = json_array();
    const char *name;
    size_t it = 0;
    void *v;

    while (map_next(&t->scopes, &it, &name, &v)) {
        json_array_append_new(scopes, json_string(name));
    }
    return json_pack("{s:s, s:s, s:s, s:o}", "token", t->text, "portal_id",
                     t->portal->id_text, "state", t->state, "scopes", scopes);
}

static void
tokens_list(struct ctl *c)
{
    json_t *all = json_array();
    const char *key;
    size_t it = 0;
    void *v;

    while (map_next(&c->sim->tokens, &it, &key, &v)) {
        json_array_append_new(all, token_show(v));
    }
    sim_reply_json(c->p, 200, json_pack("{s:o}", "tokens", all));
}

static const char *
token_state(struct hub_token *t, const char *state)
{
    static const char *const states[] = {"active", "revoked", "expired"};
    size_t i;

    for (i = 0; state != NULL && i < COUNT_OF(states); i++) {
        if (strcmp(states[i], state) == 0) {
            t->state = states[i];
            return NULL;
        }
    }
    return state == NULL ? NULL : "state";
}

static void
token_scopes(struct hub_token *t, json_t *body)
{
    json_t *set = json_object_get(body, "scopes");
    json_t *drop = json_object_get(body, "without");
    json_t *v;
    size_t i;

    if (set != NULL) {
        map_fini(&t->scopes);
        map_init(&t->scopes);
    }
    json_array_foreach(set, i, v)
    {
        if (json_is_string(v)) {
            map_put(&t->scopes, json_string_value(v), t);
        }
    }
    if (json_is_true(json_object_get(body, "all_scopes"))) {
        hub_token_scopes_all(t);
    }
    json_array_foreach(drop, i, v)
    {
        if (json_is_string(v)) {
            map_del(&t->scopes, json_string_value(v));
        }
    }
}

/* {token, state?, scopes?, without?, all_scopes?}: made when it is new. */
static void
ctl_tokens(struct ctl *c)
{
    json_t *body;
    const char *text, *bad;
    struct hub_token *t;

    if (method(c, "GET")) {
        tokens_list(c);
        return;
    }
    body = sim_control_body(c->r, c->p);
    text = json_string_value(json_object_get(body, "token"));
    if (text == NULL) {
        if (body != NULL) {
            sim_control_error(c->p, 400, "token is required");
        }
        json_decref(body);
        return;
    }
    t = map_get(&c->sim->tokens, text);
    if (t == NULL) {
        t = hub_token_add(c->po, text);
        hub_token_scopes_all(t);
    }
    bad = token_state(t, json_string_value(json_object_get(body, "state")));
    token_scopes(t, body);
    if (bad != NULL) {
        sim_control_error(c->p, 400, "wrong: %s", bad);
    } else {
        sim_reply_json(c->p, 200, token_show(t));
    }
    json_decref(body);
}

/* ---- objects ------------------------------------------------------------ */

static bool
shown(struct ctl *c, const struct hub_record *rec)
{
    const char *archived = sim_query(c->r, "archived");
    const char *property = sim_query(c->r, "property");
    char tmp[HUB_TMP_MAX];

    if (rec->archived != text_equal(archived, "true") &&
        !text_equal(archived, "any")) {
        return false;
    }
    return property == NULL ||
           text_equal(store_get_name(c->po, rec, property, tmp),
                      sim_query(c->r, "value"));
}

static void
objects_list(struct ctl *c)
{
    const struct hub_kindred *k = &c->po->kin[c->type];
    struct buf *b = &c->p->body;
    uint64_t after = (uint64_t)query_number(c->r, "after", 0);
    int64_t limit = query_number(c->r, "limit", INT64_MAX);
    int64_t n = 0;
    uint64_t last = 0;
    size_t i;

    c->p->status = 200;
    buf_adds(b, "{\"results\":[");
    for (i = 0; i < k->nrecords; i++) {
        const struct hub_record *rec = k->records[i];

        if (rec->id <= after || !shown(c, rec)) {
            continue;
        }
        if (n == limit) {
            break;
        }
        buf_adds(b, n++ == 0 ? "\n" : ",\n");
        out_record_all(c->po, b, rec);
        last = rec->id;
    }
    buf_addf(b, "\n],\"count\":%" PRId64 ",\"live\":%zu,\"after\":", n,
             k->live);
    if (i < k->nrecords) {
        buf_addf(b, "\"%" PRIu64 "\"}\n", last);
    } else {
        buf_adds(b, "null}\n");
    }
    if (b->failed) {
        sim_control_error(c->p, 413,
                          "more than 64 MiB: page with limit and "
                          "after");
    }
}

static const char *
values_set(struct ctl *c, struct hub_record *rec, json_t *props)
{
    struct arena a;
    const char *name;
    const char *bad = NULL;
    json_t *v;

    arena_init(&a);
    json_object_foreach(props, name, v)
    {
        struct hub_prop *prop = map_get(&c->po->kin[c->type].props, name);
        const char *text = value_text(&a, v);

        if (prop == NULL || text == NULL) {
            bad = name;
        } else {
            store_set(c->po, rec, prop, text);
        }
    }
    arena_fini(&a);
    return bad;
}

static void
links_set(struct ctl *c, struct hub_record *rec, json_t *list)
{
    json_t *v, *t;
    size_t i, j;

    json_array_foreach(list, i, v)
    {
        enum hub_type to =
            hub_type_of(json_string_value(json_object_get(v, "to")));
        const char *id = json_string_value(json_object_get(v, "id"));
        struct hub_record *other =
            to == HUB_TYPES || id == NULL ? NULL : store_by_id(c->po, to, id);

        json_array_foreach(json_object_get(v, "types"), j, t)
        {
            if (other != NULL) {
                store_link_add(rec, other, (unsigned)json_integer_value(t));
            }
        }
    }
}

static void
object_put(struct ctl *c, struct hub_record *rec)
{
    json_t *body = sim_control_body(c->r, c->p);
    int64_t now = c->r->now_us;
    const char *bad;

    if (body == NULL) {
        return;
    }
    c->p->status = rec == NULL ? 201 : 200;
    if (rec == NULL) {
        rec = store_new(c->po, c->type, now);
    }
    bad = values_set(c, rec, json_object_get(body, "properties"));
    links_set(c, rec, json_object_get(body, "associations"));
    store_touch(c->po, rec, now);
    if (bad != NULL) {
        sim_control_error(c->p, 400, "no property %s", bad);
    } else {
        out_record_all(c->po, &c->p->body, rec);
    }
    json_decref(body);
}

static void
ctl_objects(struct ctl *c)
{
    struct hub_record *rec;

    if (!type_of_rest(c)) {
        return;
    }
    if (c->name[0] == '\0') {
        if (method(c, "POST")) {
            object_put(c, NULL);
        } else {
            objects_list(c);
        }
        return;
    }
    rec = store_by_id(c->po, c->type, c->name);
    if (rec == NULL) {
        sim_control_error(c->p, 404, "no record %s", c->name);
    } else if (method(c, "DELETE")) {
        store_archive(c->po, rec, c->r->now_us);
        c->p->status = 204;
    } else if (method(c, "GET")) {
        c->p->status = 200;
        out_record_all(c->po, &c->p->body, rec);
    } else {
        object_put(c, rec);
    }
}

/* {"into": ID, "gone": ID} below /merge/T. */
static void
ctl_merge(struct ctl *c)
{
    json_t *body;
    const char *into, *gone;
    struct hub_record *a, *b;

    if (!type_of_rest(c)) {
        return;
    }
    body = sim_control_body(c->r, c->p);
    into = json_string_value(json_object_get(body, "into"));
    gone = json_string_value(json_object_get(body, "gone"));
    a = into == NULL ? NULL : store_by_id(c->po, c->type, into);
    b = gone == NULL ? NULL : store_by_id(c->po, c->type, gone);
    if (body != NULL && (a == NULL || b == NULL || a == b)) {
        sim_control_error(c->p, 404, "no such two records");
    } else if (body != NULL) {
        store_merge(c->po, a, b, c->r->now_us);
        c->p->status = 204;
    }
    json_decref(body);
}

/* How many associations of each type, counted from the first side. */
static void
ctl_associations(struct ctl *c)
{
    json_t *all = json_object();
    size_t i, k, t;

    for (i = 0; i < c->po->nby_id; i++) {
        const struct hub_record *rec = c->po->by_id[i];

        for (k = 0; k < rec->nlinks; k++) {
            for (t = 0; t < rec->links[k].ntypes; t++) {
                char *key = mem_printf("%u", rec->links[k].types[t]);
                json_t *n = json_object_get(all, key);

                if (n == NULL) {
                    json_object_set_new(all, key, json_integer(1));
                } else {
                    json_integer_set(n, json_integer_value(n) + 1);
                }
                mem_free(key);
            }
        }
    }
    sim_reply_json(c->p, 200, json_pack("{s:o}", "types", all));
}

static void
ctl_properties(struct ctl *c)
{
    struct hub_kindred *k;
    json_t *all;
    size_t i;

    if (!type_of_rest(c)) {
        return;
    }
    k = &c->po->kin[c->type];
    if (method(c, "DELETE")) {
        struct hub_prop *p = map_get(&k->props, c->name);

        if (p == NULL) {
            sim_control_error(c->p, 404, "no property %s", c->name);
            return;
        }
        p->archived = true;
        c->p->status = 204;
        return;
    }
    all = json_array();
    for (i = 0; i < k->nprops; i++) {
        if (!k->prop_list[i]->archived) {
            json_array_append(all, k->prop_list[i]->def);
        }
    }
    sim_reply_json(c->p, 200, json_pack("{s:o}", "results", all));
}

/* ---- the way in --------------------------------------------------------- */

void
hubspot_sim_control(struct hubspot_sim *s, const char *rest,
                    const struct sim_request *r, struct sim_reply *p)
{
    static const struct {
        const char *word;
        void (*run)(struct ctl *c);
    } words[] = {{"/switches", ctl_switches},
                 {"/reset", ctl_reset},
                 {"/portal", ctl_portal},
                 {"/tokens", ctl_tokens},
                 {"/objects", ctl_objects},
                 {"/merge", ctl_merge},
                 {"/associations", ctl_associations},
                 {"/properties", ctl_properties}};
    struct ctl c = {.sim = s, .r = r, .p = p, .type = HUB_TYPES};
    size_t i;

    c.po = hub_portal_by_id(s, sim_query(r, "portal"));
    if (c.po == NULL) {
        sim_control_error(p, 404, "no portal %s", sim_query(r, "portal"));
        return;
    }
    if (rest[0] == '\0') {
        ctl_summary(&c);
        return;
    }
    for (i = 0; i < COUNT_OF(words); i++) {
        size_t n = strlen(words[i].word);

        if (strncmp(rest, words[i].word, n) == 0 &&
            (rest[n] == '\0' || rest[n] == '/')) {
            c.rest = rest + n;
            words[i].run(&c);
            return;
        }
    }
    sim_control_error(p, 404, "no %s", r->path);
}
