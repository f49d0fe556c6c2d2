/* SPDX-License-Identifier: UNLICENSED */
/*
 * The HubSpot simulator's way in: portals, tokens, scopes.
 *
 *     route -> token (401) -> day, window, search limit (429) -> path (404,
 *     405) -> scopes (403) -> body (400, 415) -> the call
 *
 * A portal keeps its counters when it is reset, since time goes on. Limits and
 * their headers stand in hubspot_limit.c.
 */
#include "hubspot.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { FIRST_PORTAL = 4200001 };

const struct hub_type_info hub_types[HUB_TYPES] = {
    {"contacts", "0-1", "CONTACT", "createdate", "lastmodifieddate",
     "crm.objects.contacts", "crm.schemas.contacts",
     "crm.schemas.contacts.write"},
    {"companies", "0-2", "COMPANY", "createdate", "hs_lastmodifieddate",
     "crm.objects.companies", "crm.schemas.companies",
     "crm.schemas.companies.write"},
    {"invoices", "0-53", "INVOICE", "hs_createdate", "hs_lastmodifieddate",
     "crm.objects.invoices", "crm.schemas.invoices",
     "crm.schemas.invoices.write"},
    {"line_items", "0-8", "LINE_ITEM", "createdate", "hs_lastmodifieddate",
     "crm.objects.line_items", "crm.schemas.line_items", "e-commerce"},
    {"commerce_payments", "0-101", "COMMERCE_PAYMENT", "hs_createdate",
     "hs_lastmodifieddate", "crm.objects.commercepayments",
     "crm.schemas.commercepayments", "crm.schemas.commercepayments.write"},
    {"products", "0-7", "PRODUCT", "createdate", "hs_lastmodifieddate",
     "crm.objects.products", "crm.schemas.products", "e-commerce"},
};

enum hub_type
hub_type_of(const char *name)
{
    static const char *const singular[HUB_TYPES] = {
        "contact",   "company",          "invoice",
        "line_item", "commerce_payment", "product"};
    size_t i;

    for (i = 0; name != NULL && i < HUB_TYPES; i++) {
        if (strcmp(name, hub_types[i].name) == 0 ||
            strcmp(name, hub_types[i].id) == 0 ||
            strcmp(name, singular[i]) == 0) {
            return (enum hub_type)i;
        }
    }
    return HUB_TYPES;
}

/* ---- switches ----------------------------------------------------------- */

static const struct {
    const char *name;
    size_t at;
    int64_t def;
    const char *text;
} switches[] = {
#define SWITCH(name, def, text)                                                \
    {#name, offsetof(struct hub_switches, name), def, text},
#include "hubspot_switches.def"
#undef SWITCH
};

static int64_t *
switch_at(struct hub_switches *w, size_t i)
{
    return (int64_t *)(void *)((char *)w + switches[i].at);
}

void
hub_switches_default(struct hub_switches *w)
{
    size_t i;

    for (i = 0; i < COUNT_OF(switches); i++) {
        *switch_at(w, i) = switches[i].def;
    }
}

json_t *
hub_switches_show(const struct hub_switches *w)
{
    struct hub_switches copy = *w;
    json_t *all = json_object();
    size_t i;

    for (i = 0; i < COUNT_OF(switches); i++) {
        json_object_set_new(all, switches[i].name,
                            json_pack("{s:I, s:I, s:s}", "value",
                                      (json_int_t)*switch_at(&copy, i),
                                      "default", (json_int_t)switches[i].def,
                                      "text", switches[i].text));
    }
    return all;
}

static bool
switch_one(struct hub_switches *w, const char *name, json_t *v)
{
    size_t i;

    for (i = 0; i < COUNT_OF(switches); i++) {
        if (strcmp(switches[i].name, name) == 0) {
            *switch_at(w, i) = json_is_boolean(v) ?
                                   json_is_true(v) :
                                   (int64_t)json_integer_value(v);
            return json_is_boolean(v) || json_is_integer(v);
        }
    }
    return false;
}

const char *
hub_switches_set(struct hub_switches *w, json_t *values)
{
    const char *name;
    json_t *v;

    json_object_foreach(values, name, v)
    {
        if (!switch_one(w, name, v)) {
            return name;
        }
    }
    return NULL;
}

/* ---- portals and tokens ------------------------------------------------- */

uint64_t
hub_draw(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return (*state * UINT64_C(0x2545F4914F6CDD1D)) >> 16;
}

uint64_t
hub_random(struct hubspot_sim *s)
{
    return hub_draw(&s->random);
}

void
hub_portal_init(struct hub_portal *po)
{
    size_t i;

    hub_switches_default(&po->sw);
    po->batches = 0;
    po->clock_us = 0;
    for (i = 0; i < HUB_TYPES; i++) {
        map_init(&po->kin[i].props);
        map_init(&po->kin[i].required);
        map_init(&po->kin[i].emails);
    }
    po->currencies = json_pack(
        "[s, s, s, s, s, s, s, s, s, s, s, s, s, s, s, s, s, s, s, s]", "USD",
        "EUR", "GBP", "JPY", "CAD", "AUD", "CHF", "CNY", "INR", "BRL", "MXN",
        "SEK", "NOK", "DKK", "PLN", "SGD", "KWD", "BHD", "ZAR", "AED");
    po->time_zone = mem_strdup("UTC");
    props_standard(po);
}

static void
record_free(struct hub_record *rec)
{
    size_t i;

    for (i = 0; i < rec->nvalues; i++) {
        mem_free(rec->values[i].text);
    }
    mem_free(rec->values);
    mem_free(rec->links);
    mem_free(rec);
}

void
hub_portal_fini(struct hub_portal *po)
{
    size_t i;

    for (i = 0; i < po->nby_id; i++) {
        record_free(po->by_id[i]);
    }
    mem_free(po->by_id);
    po->by_id = NULL;
    po->nby_id = po->by_id_cap = 0;
    props_fini(po);
    for (i = 0; i < HUB_TYPES; i++) {
        mem_free(po->kin[i].records);
        map_fini(&po->kin[i].required);
        map_fini(&po->kin[i].emails);
        json_decref(po->kin[i].required_if);
        po->kin[i] = (struct hub_kindred){.records = NULL};
    }
    json_decref(po->currencies);
    mem_free(po->time_zone);
}

struct hub_token *
hub_token_add(struct hub_portal *po, const char *text)
{
    struct hub_token *t = MEM_NEW(struct hub_token);

    t->text = mem_strdup(text);
    t->portal = po;
    t->state = "active";
    map_init(&t->scopes);
    map_put(&po->sim->tokens, text, t);
    return t;
}

static void
token_free(struct hub_token *t)
{
    map_fini(&t->scopes);
    hub_limit_fini(t);
    mem_free(t->text);
    mem_free(t);
}

void
hub_token_scopes_all(struct hub_token *t)
{
    static const char *const more[] = {"oauth", "e-commerce", "tax_rates.read",
                                       "multi-currency-read"};
    static const char *const ends[] = {".read", ".write"};
    char name[80];
    size_t i, j;

    for (i = 0; i < HUB_TYPES; i++) {
        for (j = 0; j < COUNT_OF(ends); j++) {
            snprintf(name, sizeof(name), "%s%s", hub_types[i].scope, ends[j]);
            map_put(&t->scopes, name, t);
            snprintf(name, sizeof(name), "%s%s", hub_types[i].schema_scope,
                     ends[j]);
            map_put(&t->scopes, name, t);
        }
    }
    for (i = 0; i < COUNT_OF(more); i++) {
        map_put(&t->scopes, more[i], t);
    }
}

static struct hub_portal *
portal_new(struct hubspot_sim *s, size_t i, uint64_t seed)
{
    struct hub_portal *po = MEM_NEW(struct hub_portal);
    char token[80];

    po->sim = s;
    po->id = FIRST_PORTAL + i;
    po->id_text = mem_printf("%" PRIu64, po->id);
    po->first_id = UINT64_C(500000000001) + UINT64_C(10000000000) * i;
    hub_portal_init(po);
    snprintf(token, sizeof(token), "pat-na1-%08" PRIx64 "-sandbox-%zu",
             seed * UINT64_C(0x9E3779B1) & UINT64_C(0xffffffff), i);
    hub_token_scopes_all(hub_token_add(po, token));
    return po;
}

struct hubspot_sim *
hubspot_sim_new(const struct sim_options *o)
{
    struct hubspot_sim *s = MEM_NEW(struct hubspot_sim);
    size_t i;

    s->random = o->seed * UINT64_C(0x9E3779B97F4A7C15) + 1;
    s->way_random = s->random ^ UINT64_C(0xD1B54A32D192ED03);
    map_init(&s->tokens);
    map_init(&s->operations);
    protos_init(s);
    s->nportals = o->portals;
    s->portals = mem_array(o->portals, sizeof(struct hub_portal *));
    for (i = 0; i < o->portals; i++) {
        s->portals[i] = portal_new(s, i, o->seed);
    }
    return s;
}

void
hubspot_sim_free(struct hubspot_sim *s)
{
    const char *key;
    size_t i, it = 0;
    void *v;

    if (s == NULL) {
        return;
    }
    for (i = 0; i < s->nportals; i++) {
        hub_portal_fini(s->portals[i]);
        mem_free(s->portals[i]->id_text);
        mem_free(s->portals[i]);
    }
    while (map_next(&s->tokens, &it, &key, &v)) {
        token_free(v);
    }
    it = 0;
    while (map_next(&s->operations, &it, &key, &v)) {
        mem_free(v);
    }
    protos_fini(s);
    map_fini(&s->tokens);
    map_fini(&s->operations);
    mem_free(s->portals);
    mem_free(s);
}

struct hub_portal *
hub_portal_by_id(struct hubspot_sim *s, const char *id)
{
    size_t i;

    for (i = 0; i < s->nportals; i++) {
        if (id == NULL || strcmp(s->portals[i]->id_text, id) == 0) {
            return s->portals[i];
        }
    }
    return NULL;
}

json_t *
hubspot_sim_tenant(struct hubspot_sim *s, size_t i)
{
    struct hub_portal *po = s->portals[i];
    struct hub_token *t = NULL;
    const char *key;
    size_t it = 0;
    void *v;

    while (map_next(&s->tokens, &it, &key, &v)) {
        struct hub_token *one = v;

        if (one->portal == po && (t == NULL || t->text == NULL)) {
            t = one;
        }
    }
    return json_pack("{s:s, s:s, s:I, s:s}", "portal_id", po->id_text, "token",
                     t == NULL ? "" : t->text, "hubspot_limit",
                     (json_int_t)po->sw.rate_limit, "hubspot_tier",
                     "professional");
}

/* ---- tokens ------------------------------------------------------------- */

static struct hub_token *
token_of(struct hubspot_sim *s, const struct sim_request *r)
{
    const char *h = sim_header(r, "Authorization");

    if (h == NULL || !text_has_prefix(h, "Bearer ")) {
        return NULL;
    }
    return map_get(&s->tokens, h + 7);
}

struct hub_portal *
hub_portal_of(struct hubspot_sim *s, const struct sim_request *r)
{
    struct hub_token *t = token_of(s, r);

    return t == NULL ? s->portals[0] : t->portal;
}

void
hubspot_sim_ident(void *sim, const struct sim_request *r, struct sim_ident *out)
{
    struct hub_token *t = token_of(sim, r);
    struct hub_route route;

    hub_route_find(sim, r, &route);
    out->operation = route.operation;
    out->scope = t == NULL ? NULL : t->portal->id_text;
}

/* What a revoked token's 401 looks like nobody has told. */
static int64_t
revoked_body(const struct hub_token *t)
{
    bool revoked = t != NULL && strcmp(t->state, "revoked") == 0;

    return revoked ? t->portal->sw.revoked_body : 0;
}

static void
refuse_token(struct hub_call *c, const struct hub_token *t)
{
    struct hub_error e = {.status = 401};
    int64_t odd = revoked_body(t);

    sim_reply_header(c->p, "X-HubSpot-Auth-Failure", "401 Unauthorized");
    if (odd > 1) {
        c->p->status = 401;
        c->p->refused = true;
        c->p->content_type = odd == 2 ? "text/plain" : "";
        buf_adds(c->out, odd == 2 ? "Unauthorized" : "");
        return;
    }
    if (odd == 1 || (t != NULL && strcmp(t->state, "expired") == 0)) {
        e.category = "EXPIRED_AUTHENTICATION";
        e.message = "The OAuth token used to make this call expired 0 "
                    "second(s) ago.";
        hub_refuse(c, &e,
                   json_pack("{s:{s:[s]}}", "context", "expire time",
                             "2026-01-01T00:00:00.000Z"));
        return;
    }
    e.category = "INVALID_AUTHENTICATION";
    e.message = "Authentication credentials not found. This API supports "
                "OAuth 2.0 authentication and you can find more details at "
                "https://developers.hubspot.com/docs/methods/auth/"
                "oauth-overview";
    hub_refuse(c, &e, NULL);
}

/* ---- scopes ------------------------------------------------------------- */

static bool
has(const struct hub_call *c, const char *base, const char *end)
{
    char name[96];

    snprintf(name, sizeof(name), "%s%s", base, end);
    return map_get(&c->token->scopes, name) != NULL;
}

static bool
type_allowed(const struct hub_call *c, enum hub_type type)
{
    const struct hub_type_info *t = &hub_types[type];
    const char *end = c->route.row->access == ACCESS_READ ? ".read" : ".write";
    bool props = strcmp(c->route.row->family, "properties") == 0;

    if (props && c->route.row->access == ACCESS_WRITE) {
        return has(c, t->schema_write, "");
    }
    if (has(c, t->scope, end) || (props && has(c, t->schema_scope, end))) {
        return true;
    }
    return strcmp(t->schema_write, "e-commerce") == 0 &&
           has(c, "e-commerce", "");
}

static void
refuse_scope(struct hub_call *c)
{
    const struct hub_type_info *t = &hub_types[c->route.type];
    bool write = c->route.row->access == ACCESS_WRITE;
    bool props = strcmp(c->route.row->family, "properties") == 0;
    const char *links = "https://developers.hubspot.com/scopes";
    char name[96];
    struct hub_error e = {
        .status = 403,
        .category = "MISSING_SCOPES",
        .message = "This app hasn't been granted all required scopes to make "
                   "this call. Read more about required scopes here: "
                   "https://developers.hubspot.com/scopes."};

    snprintf(name, sizeof(name), "%s%s",
             props && write ? t->schema_write : t->scope,
             props && write ? "" :
             write          ? ".write" :
                              ".read");
    if (c->po->sw.scopes_context) {
        hub_refuse(c, &e,
                   json_pack("{s:{s:[s]}, s:{s:s}}", "context",
                             "requiredGranularScopes", name, "links", "scopes",
                             links));
        return;
    }
    hub_refuse(c, &e,
               json_pack("{s:[{s:s, s:{s:[s]}}], s:{s:s}}", "errors", "message",
                         "One or more of the following scopes are required.",
                         "context", "requiredGranularScopes", name, "links",
                         "scopes", links));
}

static bool
refuse_access(struct hub_call *c)
{
    bool fine;

    if (c->route.row->access == ACCESS_NONE || c->route.type == HUB_TYPES) {
        return false;
    }
    fine = type_allowed(c, c->route.type) ||
           (c->route.to != HUB_TYPES && type_allowed(c, c->route.to));
    if (!fine) {
        refuse_scope(c);
        return true;
    }
    if (!c->po->sw.payments_enabled && c->route.type == HUB_PAYMENTS &&
        c->route.row->access == ACCESS_WRITE &&
        strcmp(c->route.row->family, "objects") == 0) {
        hub_refuse_f(c, 403, "FORBIDDEN",
                     "This account must have HubSpot payments or Stripe "
                     "payment processing set up to use this API");
        return true;
    }
    return false;
}

/* ---- the call ----------------------------------------------------------- */

static bool
refuse_path(struct hub_call *c)
{
    if (c->route.row == NULL) {
        hub_refuse_f(c, c->route.other_method ? 405 : 404, NULL,
                     c->route.other_method ? "Method Not Allowed" :
                                             "resource not found");
        return true;
    }
    if (c->route.wrong_type != NULL) {
        hub_refuse_f(c, 400, NULL, "Unable to infer object type from: %s",
                     c->route.wrong_type);
        return true;
    }
    return false;
}

static bool
refuse_body(struct hub_call *c)
{
    const char *type = sim_header(c->r, "Content-Type");
    json_error_t why;

    if (c->r->body_len == 0) {
        c->body = json_object();
        return false;
    }
    if (type != NULL && strstr(type, "json") == NULL) {
        hub_refuse_f(c, 415, NULL, "Unsupported Media Type");
        return true;
    }
    c->body = json_loadb(c->r->body, c->r->body_len, 0, &why);
    if (c->body == NULL) {
        hub_refuse_f(c, 400, "VALIDATION_ERROR",
                     "Invalid input JSON on line %d, column %d: %s", why.line,
                     why.column, why.text);
        return true;
    }
    return false;
}

static void
run(struct hub_call *c)
{
    c->p->scope = c->po->id_text;
    if (hub_limit_refuse(c) || refuse_path(c) || refuse_access(c) ||
        refuse_body(c)) {
        return;
    }
    c->route.row->run(c);
    c->p->delay_ms += hub_work_us(c) / 1000;
}

void
hubspot_sim_handle(void *sim, const struct sim_request *r, struct sim_reply *p)
{
    struct hub_call c = {.sim = sim,
                         .r = r,
                         .p = p,
                         .out = &p->body,
                         .now_us = r->now_us,
                         .work_us = -1};

    c.token = token_of(sim, r);
    hub_route_find(sim, r, &c.route);
    arena_init(&c.arena);
    p->operation = c.route.operation;
    sim_reply_header(p, "Server", "cloudflare");
    sim_reply_header(p, "CF-RAY", "8f1e5ad0c9e7-FRA");
    if (c.token == NULL || strcmp(c.token->state, "active") != 0) {
        refuse_token(&c, c.token);
    } else {
        c.po = c.token->portal;
        run(&c);
        hub_limit_headers(&c);
    }
    if (json_object_get(p->headers, "X-HubSpot-Correlation-Id") == NULL) {
        char id[RANDOM_ID_MAX];

        sim_reply_header(p, "X-HubSpot-Correlation-Id", random_id(id));
    }
    json_decref(c.body);
    arena_fini(&c.arena);
}
