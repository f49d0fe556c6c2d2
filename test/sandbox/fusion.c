/* SPDX-License-Identifier: UNLICENSED */
/*
 * The pods: one per tenant, all behind one address, told apart by the token (or
 * Basic user) of each request.
 *
 * Order of a request: token endpoint; login; the pod's troubles (maintenance,
 * throttling, in-flight cap, redirects); then the path. The body is built in an
 * arena of the request and written at the end, with the pod's own Date.
 */
#include "fusion.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BODY_MAX = 64 << 20 };

/* ---- life --------------------------------------------------------------- */

struct fusion_sim *
fusion_sim_new(const struct sim_options *o)
{
    struct fusion_sim *s = MEM_NEW(struct fusion_sim);

    s->o = *o;
    s->n_pods = o->portals == 0 ? 1 : o->portals;
    s->pods = mem_array(s->n_pods, sizeof(*s->pods));
    map_init(&s->tokens);
    for (size_t i = 0; i < s->n_pods; i++) {
        pod_init(s, i);
    }
    return s;
}

void
fusion_sim_free(struct fusion_sim *s)
{
    if (s == NULL) {
        return;
    }
    for (size_t i = 0; i < s->n_pods; i++) {
        pod_fini(s, &s->pods[i]);
    }
    map_fini(&s->tokens);
    mem_free(s->pods);
    mem_free(s);
}

void
pod_init(struct fusion_sim *s, size_t index)
{
    struct pod *pod = &s->pods[index];

    pod->index = index;
    list_init(&pod->tokens);
    switches_default(pod);
    (void)snprintf(pod->scope, sizeof(pod->scope), "client-%zu", index);
}

void
pod_revoke(struct fusion_sim *s, struct pod *pod)
{
    struct list *l = NULL;

    while ((l = list_pop(&pod->tokens)) != NULL) {
        struct token *t = CONTAINER_OF(l, struct token, link);

        (void)map_del(&s->tokens, t->text);
        mem_free(t->text);
        mem_free(t);
    }
}

void
pod_fini(struct fusion_sim *s, struct pod *pod)
{
    pod_revoke(s, pod);
    world_free(pod->w);
    mem_free(pod->secret);
    mem_free(pod->jwt_key);
    mem_free(pod->jwt_kid);
    mem_free(pod->busy);
}

struct world *
pod_world(struct fusion_sim *s, struct pod *pod)
{
    if (pod->w == NULL) {
        pod->w = world_new(&s->o, pod->index);
        pod_flags(pod);
    }
    return pod->w;
}

int64_t
pod_now(const struct pod *pod, const struct sim_request *r)
{
    return r->now_us + pod->sw[SW_clock_ms] * 1000;
}

json_t *
fusion_sim_tenant(struct fusion_sim *s, size_t i)
{
    char secret[48];
    char scope[128];

    token_scope(i, scope);
    return json_pack("{s:o, s:s, s:s, s:s, s:o, s:o}", "client_id",
                     json_sprintf("client-%zu", i), "client_secret",
                     client_secret(s, i, secret), "scope", scope, "token_path",
                     "/oauth2/v1/token", "user", json_sprintf("user-%zu", i),
                     "password", json_sprintf("password-%zu", i));
}

/* ---- small things of a request ------------------------------------------ */

const char *
param_get(const struct fctx *c, const char *name)
{
    for (size_t i = 0; i < c->n_params; i++) {
        if (strcmp(c->params[i].name, name) == 0) {
            return c->params[i].value;
        }
    }
    return NULL;
}

bool
fail(struct fctx *c, int status, const char *code, const char *fmt, ...)
{
    va_list ap;
    char *s = NULL;

    if (c->status != 0) {
        return false;
    }
    va_start(ap, fmt);
    s = mem_vprintf(fmt, ap);
    va_end(ap);
    c->status = status;
    c->code = code;
    c->error = arena_strdup(c->a, s);
    mem_free(s);
    return false;
}

bool
sw(const struct fctx *c, enum sw which)
{
    return c->pod->sw[which] != 0;
}

static const char *
header_or(const struct sim_request *r, const char *name, const char *other)
{
    const char *v = sim_header(r, name);

    return v == NULL ? other : v;
}

/* ---- paths -------------------------------------------------------------- */

static const struct res *
res_find(const char *api, const char *name)
{
    for (size_t i = 0; i < n_top_resources; i++) {
        if (strcmp(top_resources[i]->api, api) == 0 &&
            strcmp(top_resources[i]->name, name) == 0) {
            return top_resources[i];
        }
    }
    return NULL;
}

static size_t
path_split(struct fctx *c, const char *path, char **part)
{
    char *p = arena_strdup(c->a, path);
    size_t n = 0;

    while (*p != 0 && n < PATH_MAX_PARTS) {
        while (*p == '/') {
            p++;
        }
        if (*p == 0) {
            break;
        }
        part[n++] = p;
        p += strcspn(p, "/");
        if (*p != 0) {
            *p++ = 0;
        }
    }
    return n;
}

/* .../{key}/child/{name}[/{key}...]: walks down from a row. */
static void
walk_children(struct fctx *c, struct row row, char **part, size_t n)
{
    while (n >= 2 && strcmp(part[0], "child") == 0) {
        const struct child *child = NULL;
        struct rows rows = {0};
        struct row *up = arena_alloc(c->a, sizeof(*up));
        bool found = false;

        for (size_t i = 0; i < row.res->n_children; i++) {
            if (strcmp(row.res->children[i].name, part[1]) == 0) {
                child = &row.res->children[i];
            }
        }
        if (child == NULL) {
            (void)fail(c, 404, "11", "Not Found");
            return;
        }
        *up = row;
        c->op = child->res->op;
        if (n == 2) {
            list_child(c, child, up);
            return;
        }
        child->rows(c, up, &rows);
        for (size_t i = 0; i < rows.n && !found; i++) {
            found = strcmp(rows.v[i].res->key(c, &rows.v[i]), part[2]) == 0;
            row = rows.v[i];
        }
        if (!found) {
            (void)fail(c, 404, "11", "Not Found");
            return;
        }
        part += 3;
        n -= 3;
    }
    if (n != 0) {
        (void)fail(c, 404, "11", "Not Found");
        return;
    }
    list_item(c, &row);
}

void
fusion_get(struct fctx *c, const char *api, const char *path)
{
    char *part[PATH_MAX_PARTS];
    size_t n = path_split(c, path, part);
    const struct res *res = n == 0 ? NULL : res_find(api, part[0]);
    struct row row = {0};

    c->path = arena_printf(c->a, "/%s", n == 0 ? "" : part[0]);
    if (n == 1 && strcmp(part[0], "describe") == 0) {
        describe_resource(c, api, NULL);
        return;
    }
    if (res == NULL) {
        c->op = "unknown.get";
        (void)fail(c, 404, "11", "Not Found");
        return;
    }
    c->op = res->op;
    if (n == 2 && strcmp(part[1], "describe") == 0) {
        describe_resource(c, api, res);
        return;
    }
    if (n == 1) {
        list_top(c, res);
        return;
    }
    row = (struct row){.res = res, .name = res->name};
    row.i = res->find(c, part[1]);
    if (row.i == NONE || !world_alive(c->w, res->kind, row.i) ||
        (res->visible != NULL && !res->visible(c, row.i))) {
        (void)fail(c, 404, "11", "Not Found");
        return;
    }
    walk_children(c, row, part + 2, n - 2);
}

/* ---- answering ---------------------------------------------------------- */

static void
date_header(struct sim_reply *p, int64_t us)
{
    static const char *const days[] = {"Thu", "Fri", "Sat", "Sun",
                                       "Mon", "Tue", "Wed"};
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr",
                                         "May", "Jun", "Jul", "Aug",
                                         "Sep", "Oct", "Nov", "Dec"};
    char iso[TIME_TEXT_MAX];
    char text[64];
    int64_t day = us / INT64_C(86400000000);
    int month = 0;

    (void)time_format(us, iso);
    month = (iso[5] - '0') * 10 + iso[6] - '0' - 1;
    (void)snprintf(text, sizeof(text), "%s, %.2s %s %.4s %.8s GMT",
                   days[day % 7], iso + 8, months[month % 12], iso, iso + 11);
    sim_reply_header(p, "Date", text);
}

static void
html(struct sim_reply *p, int status, const char *title, const char *text)
{
    buf_reset(&p->body);
    buf_addf(&p->body,
             "<html><head><title>%s</title></head><body>%s</body></html>",
             title, text);
    p->content_type = "text/html; charset=UTF-8";
    p->status = status;
    p->refused = true;
}

static const char *
status_title(int status)
{
    static const struct {
        int status;
        const char *title;
    } titles[] = {{400, "Bad Request"},        {401, "Unauthorized"},
                  {403, "Forbidden"},          {404, "Not Found"},
                  {405, "Method Not Allowed"}, {406, "Not Acceptable"},
                  {429, "Too Many Requests"},  {503, "Service Unavailable"},
                  {504, "Gateway Time-out"},   {500, "Internal Server Error"}};

    for (size_t i = 0; i < COUNT_OF(titles); i++) {
        if (titles[i].status == status) {
            return titles[i].title;
        }
    }
    return "Error";
}

/* Structured when the client asked for it and the framework has it. */
static void
answer_error(struct fctx *c, struct sim_reply *p)
{
    struct jw j = {.b = &p->body};
    const char *accept = header_or(c->r, "Accept", "");
    int64_t style = c->pod->sw[SW_error_body];
    char number[16];

    buf_reset(&p->body);
    p->status = c->status;
    p->refused = true;
    if (c->status >= 500 || style == 3) {
        const char *title =
            arena_printf(c->a, "%d %s", c->status, status_title(c->status));

        html(p, c->status, title, arena_printf(c->a, "<h1>%s</h1>", title));
        return;
    }
    p->content_type = "text/plain; charset=UTF-8";
    if (style == 2) {
        return;
    }
    if (style == 1 || c->version < 4 ||
        strstr(accept, "application/vnd.oracle.adf.error+json") == NULL) {
        buf_adds(&p->body, c->error);
        return;
    }
    (void)snprintf(number, sizeof(number), "%d", c->status);
    p->content_type = "application/vnd.oracle.adf.error+json";
    jw_open(&j, '{');
    jw_key(&j, "title");
    jw_str(&j, status_title(c->status));
    jw_key(&j, "status");
    jw_str(&j, number);
    jw_key(&j, "o:errorDetails");
    jw_open(&j, '[');
    jw_element(&j);
    jw_open(&j, '{');
    jw_key(&j, "detail");
    jw_str(&j, c->error);
    jw_key(&j, "o:errorCode");
    jw_str(&j, c->code);
    jw_key(&j, "o:errorPath");
    jw_str(&j, c->path == NULL ? "" : c->path);
    jw_close(&j, '}');
    jw_close(&j, ']');
    jw_close(&j, '}');
}

/* ---- gzip without compression: stored blocks ---------------------------- */

static uint32_t
crc32_of(const unsigned char *p, size_t n)
{
    uint32_t crc = UINT32_MAX;

    for (size_t i = 0; i < n; i++) {
        crc ^= p[i];
        for (int k = 0; k < 8; k++) {
            crc = (crc >> 1) ^ (0xedb88320U & (0U - (crc & 1U)));
        }
    }
    return ~crc;
}

static void
add_le(struct buf *b, uint32_t v, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++) {
        buf_addc(b, (char)(v >> (8 * i) & 0xff));
    }
}

static void
gzip_body(struct sim_reply *p)
{
    size_t n = p->body.len;
    char *data = buf_take(&p->body, &n);
    size_t at = 0;

    if (data == NULL) {
        return;
    }
    buf_init(&p->body, BODY_MAX);
    buf_add(&p->body, "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03", 10);
    do {
        size_t part = n - at > 65535 ? 65535 : n - at;

        buf_addc(&p->body, (char)(at + part == n));
        add_le(&p->body, (uint32_t)part, 2);
        add_le(&p->body, (uint32_t)~part & 0xffffU, 2);
        buf_add(&p->body, data + at, part);
        at += part;
    } while (at < n);
    add_le(&p->body, crc32_of((const unsigned char *)data, n), 4);
    add_le(&p->body, (uint32_t)n, 4);
    mem_free(data);
    sim_reply_header(p, "Content-Encoding", "gzip");
}

/* ---- the pod's troubles ------------------------------------------------- */

static void
retry_after(struct sim_reply *p, int64_t seconds)
{
    char text[24];

    if (seconds > 0) {
        (void)snprintf(text, sizeof(text), "%d", (int)seconds);
        sim_reply_header(p, "Retry-After", text);
    }
}

/* Requests in flight are those whose answer is not out yet. */
static bool
too_many(struct pod *pod, const struct sim_request *r)
{
    size_t kept = 0;
    int64_t latency = pod->sw[SW_latency_ms] * 1000;

    for (size_t i = 0; i < pod->n_busy; i++) {
        if (pod->busy[i] > r->now_mono_us) {
            pod->busy[kept++] = pod->busy[i];
        }
    }
    pod->n_busy = kept;
    if (pod->sw[SW_concurrency] > 0 &&
        (int64_t)kept >= pod->sw[SW_concurrency]) {
        return true;
    }
    pod->busy = mem_resize(pod->busy, (kept + 1) * sizeof(*pod->busy));
    pod->busy[pod->n_busy++] = r->now_mono_us + latency;
    pod->most_busy =
        pod->n_busy > pod->most_busy ? pod->n_busy : pod->most_busy;
    return false;
}

static bool
throttled(struct pod *pod)
{
    int64_t *next = &pod->sw[SW_throttle_next];
    int64_t every = pod->sw[SW_throttle_every];

    if (*next > 0) {
        (*next)--;
        return true;
    }
    return every > 0 && pod->requests % every == 0;
}

/* Login was fine, the pod says no all the same. */
static bool
turned_away(struct fusion_sim *s, struct pod *pod)
{
    int64_t *next = &pod->sw[SW_unauthorized_next];
    int64_t every = pod->sw[SW_unauthorized_every];

    if (*next > 0) {
        (*next)--;
    } else if (every <= 0 || pod->requests % every != 0) {
        return false;
    }
    if (pod->sw[SW_unauthorized_revokes] != 0) {
        pod_revoke(s, pod);
    }
    return true;
}

/* True: the request ends here. */
static bool
trouble(struct pod *pod, const struct sim_request *r, struct sim_reply *p)
{
    int64_t *on = pod->sw;

    if (on[SW_redirect] != 0) {
        sim_reply_header(p, "Location", "/oam/server/obrareq.cgi");
        html(p, 302, "302 Found", "Login");
        return true;
    }
    if (on[SW_maintenance] != 0 || on[SW_unavailable_next] > 0) {
        on[SW_unavailable_next] -= on[SW_unavailable_next] > 0;
        retry_after(p, on[SW_maintenance_after]);
        html(p, 503, "503 Service Unavailable",
             on[SW_maintenance] != 0 ?
                 "The service is under maintenance. Please retry later." :
                 "The service is temporarily unavailable.");
        return true;
    }
    if (throttled(pod) || too_many(pod, r)) {
        retry_after(p, on[SW_throttle_after]);
        html(p, 429, "429 Too Many Requests", "Too many requests");
        return true;
    }
    return false;
}

static void
unauthorized(struct pod *pod, struct sim_reply *p)
{
    sim_reply_header(p, "WWW-Authenticate", "Basic realm=\"owsm\"");
    p->content_type = "text/html; charset=UTF-8";
    p->status = 401;
    p->refused = true;
    p->operation = "unauthorized";
    if (pod != NULL && pod->sw[SW_html_401] != 0) {
        html(p, 401, "401 Unauthorized", "Unauthorized");
    }
}

/* ---- a request ---------------------------------------------------------- */

static void
params_take(struct fctx *c)
{
    static const char *const names[] = {
        "q",      "fields", "expand",       "onlyData", "links",     "limit",
        "offset", "finder", "totalResults", "orderBy",  "dependency"};

    for (size_t i = 0; i < COUNT_OF(names); i++) {
        const char *v = sim_query(c->r, names[i]);

        if (v != NULL) {
            c->params[c->n_params++] = (struct param){names[i], v};
        }
    }
}

/* False after a bad version header. */
static bool
version_take(struct fctx *c)
{
    const char *v = sim_header(c->r, "REST-Framework-Version");
    char *end = NULL;
    long n = 0;

    c->version = (int)c->pod->sw[SW_default_version];
    if (v == NULL) {
        return true;
    }
    n = strtol(v, &end, 10);
    if (*v == 0 || *end != 0 || n < 1 || n > c->pod->sw[SW_max_version]) {
        return fail(c, 400, "27530",
                    "The REST framework version %s is not supported.", v);
    }
    c->version = (int)n;
    return true;
}

static void
route(struct fctx *c, const char *api, const char *rest)
{
    const int64_t *on = c->pod->sw;
    int64_t only =
        strcmp(api, "crmRestApi") == 0 ? on[SW_crm_status] : on[SW_fscm_status];
    const char *after = rest + strcspn(rest, "/");

    if (only != 0) {
        (void)fail(c, (int)only, "11", "%s", status_title((int)only));
    } else if (*rest == 0) {
        describe_root(c, false, api);
    } else if (strncmp(rest, "11.13.18.05", (size_t)(after - rest)) != 0 &&
               strncmp(rest, "latest", (size_t)(after - rest)) != 0) {
        (void)fail(c, 404, "11", "Not Found");
    } else if (strcmp(c->r->method, "POST") == 0 &&
               (*after == 0 || after[1] == 0)) {
        batch_handle(c, api);
    } else if (strcmp(c->r->method, "GET") != 0) {
        (void)fail(c, 405, "11", "Method Not Allowed");
    } else if (*after == 0 || after[1] == 0) {
        describe_root(c, true, api);
    } else {
        fusion_get(c, api, after);
    }
}

static void
answer(struct fctx *c, struct sim_reply *p)
{
    const char *accept = header_or(c->r, "Accept", "");

    p->operation = c->op;
    p->inputs = c->n_rows;
    p->delay_ms = c->pod->sw[SW_latency_ms];
    if (c->status != 0) {
        answer_error(c, p);
        c->pod->refused++;
        return;
    }
    p->status = 200;
    p->content_type =
        strstr(accept, "vnd.oracle.adf.resourcecollection+json") != NULL ?
            "application/vnd.oracle.adf.resourcecollection+json" :
            "application/json";
    if (sw(c, SW_gzip) &&
        strstr(header_or(c->r, "Accept-Encoding", ""), "gzip") != NULL) {
        gzip_body(p);
    }
}

/* ---- moments of change -------------------------------------------------- */

/* A collection was read: now and then the pod goes on working before the next
 * request comes. */
static void
move_on(struct fctx *c)
{
    const int64_t *on = c->pod->sw;
    struct mutation m = {.n = (unsigned)on[SW_mutate_count],
                         .groups = (unsigned)on[SW_mutate_groups],
                         .now = c->now,
                         .late_us = on[SW_late_seconds] * 1000000};
    json_t *done = NULL;

    if (c->n_lists == 0 || on[SW_mutate_every] <= 0) {
        return;
    }
    c->pod->lists++;
    if (c->pod->lists % on[SW_mutate_every] != 0) {
        return;
    }
    m.seed = (uint64_t)on[SW_mutate_seed] * 1000003 + (uint64_t)c->pod->rounds;
    c->pod->rounds++;
    done = world_mutate(c->w, &m);
    c->pod->mutations +=
        (int64_t)json_array_size(json_object_get(done, "changes"));
    json_decref(done);
}

static void
serve(struct fusion_sim *s, struct pod *pod, const struct sim_request *r,
      struct sim_reply *p)
{
    struct arena a;
    struct fctx c = {.s = s, .pod = pod, .a = &a, .r = r, .out = &p->body};
    bool crm = text_has_prefix(r->path, "/crmRestApi/resources");
    bool fscm = text_has_prefix(r->path, "/fscmRestApi/resources");
    const char *rest = r->path + (crm ? 21 : 22);

    arena_init(&a);
    c.op = "unknown";
    c.w = pod_world(s, pod);
    c.now = pod_now(pod, r);
    c.base = arena_printf(&a, "%s://%s", s->o.tls ? "https" : "http",
                          header_or(r, "Host", "localhost"));
    params_take(&c);
    c.only_data = text_equal(param_get(&c, "onlyData"), "true");
    if (!version_take(&c)) {
        c.version = 4;
    } else if (!crm && !fscm) {
        (void)fail(&c, 404, "11", "Not Found");
    } else {
        route(&c, crm ? "crmRestApi" : "fscmRestApi",
              *rest == '/' ? rest + 1 : rest);
    }
    answer(&c, p);
    move_on(&c);
    arena_fini(&a);
}

void
fusion_sim_handle(void *sim, const struct sim_request *r, struct sim_reply *p)
{
    struct fusion_sim *s = sim;
    struct pod *pod = NULL;

    if (text_has_prefix(r->path, "/oauth2/v1/token")) {
        token_handle(s, r, p);
        return;
    }
    pod = token_pod(s, sim_header(r, "Authorization"), r->now_us);
    if (pod == NULL) {
        date_header(p, r->now_us);
        unauthorized(&s->pods[0], p);
        return;
    }
    pod->requests++;
    p->scope = pod->scope;
    date_header(p, pod_now(pod, r));
    if (turned_away(s, pod)) {
        (void)too_many(pod, r); /* it is in flight like any other */
        unauthorized(pod, p);
        p->delay_ms = pod->sw[SW_latency_ms];
        pod->refused++;
        return;
    }
    if (trouble(pod, r, p)) {
        p->operation = "trouble";
        p->delay_ms = pod->sw[SW_latency_ms];
        pod->refused++;
        return;
    }
    serve(s, pod, r, p);
}
