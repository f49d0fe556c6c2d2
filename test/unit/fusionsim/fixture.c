/* SPDX-License-Identifier: UNLICENSED */
/*
 * Stands in for the server: sim_query() and sim_header() answer from one
 * request at a time, replies are kept in the rig.
 */
#include "fixture.h"

#include <math.h>
#include <stdarg.h>

enum { QUERY_MAX = 24 };

static struct {
    char *name[QUERY_MAX], *value[QUERY_MAX];
    size_t n;
    const struct rig *g;
} current;

const char *
sim_query(const struct sim_request *r, const char *name)
{
    (void)r;
    for (size_t i = 0; i < current.n; i++) {
        if (strcmp(current.name[i], name) == 0) {
            return current.value[i];
        }
    }
    return NULL;
}

void
sim_query_each(const struct sim_request *r, sim_each_fn *fn, void *arg)
{
    (void)r;
    for (size_t i = 0; i < current.n; i++) {
        fn(arg, current.name[i], current.value[i]);
    }
}

const char *
sim_header(const struct sim_request *r, const char *name)
{
    const struct rig *g = current.g;

    (void)r;
    if (strcmp(name, "REST-Framework-Version") == 0) {
        return g->version;
    }
    if (strcmp(name, "Accept") == 0) {
        return g->accept;
    }
    if (strcmp(name, "Authorization") == 0) {
        return g->authorization;
    }
    if (strcmp(name, "Content-Type") == 0) {
        return g->content_type;
    }
    if (strcmp(name, "Accept-Encoding") == 0) {
        return g->encoding;
    }
    return strcmp(name, "Host") == 0 ? "pod.example:443" : NULL;
}

void
sim_reply_header(struct sim_reply *p, const char *name, const char *value)
{
    if (p->headers == NULL) {
        p->headers = json_object();
    }
    (void)json_object_set_new(p->headers, name, json_string(value));
}

static int
add_text(const char *text, size_t n, void *buf)
{
    buf_add(buf, text, n);
    return 0;
}

void
sim_reply_json(struct sim_reply *p, int status, json_t *body)
{
    p->status = status;
    buf_reset(&p->body);
    (void)json_dump_callback(body, add_text, &p->body, JSON_COMPACT);
    json_decref(body);
}

static void
query_parse_url(char *query)
{
    for (char *p = query; p != NULL && *p != 0 && current.n < QUERY_MAX;) {
        char *amp = strchr(p, '&');
        char *eq = NULL;

        if (amp != NULL) {
            *amp = 0;
        }
        eq = strchr(p, '=');
        if (eq != NULL) {
            *eq = 0;
            current.name[current.n] = p;
            current.value[current.n++] = eq + 1;
        }
        p = amp == NULL ? NULL : amp + 1;
    }
}

static void
keep_answer(struct rig *g, struct sim_reply *p)
{
    mem_free(g->text);
    json_decref(g->body);
    json_decref(g->headers);
    g->status = p->status;
    g->len = p->body.len;
    g->text = mem_alloc(p->body.len + 1);
    if (p->body.len > 0) {
        memcpy(g->text, p->body.data, p->body.len);
    }
    g->body = json_loads(g->text, JSON_REJECT_DUPLICATES, NULL);
    g->headers = p->headers;
    g->delay_ms = p->delay_ms;
    (void)snprintf(g->operation, sizeof(g->operation), "%s",
                   p->operation == NULL ? "" : p->operation);
}

int
rig_send(struct rig *g, const char *method, const char *url, const char *body)
{
    char *path = mem_strdup(url);
    char *query = strchr(path, '?');
    struct sim_request r = {.server = SIM_FUSION,
                            .method = method,
                            .path = path,
                            .body = body == NULL ? "" : body,
                            .body_len = body == NULL ? 0 : strlen(body),
                            .now_us = g->now_us,
                            .now_mono_us = g->now_us,
                            .http_version = "HTTP/1.1"};
    struct sim_reply p = {0};

    if (query != NULL) {
        *query++ = 0;
    }
    current.n = 0;
    current.g = g;
    query_parse_url(query);
    buf_init(&p.body, 64 << 20);
    if (text_has_prefix(path, "/control/fusion/")) {
        fusion_sim_control(g->s, path + 16, &r, &p);
    } else {
        fusion_sim_handle(g->s, &r, &p);
    }
    keep_answer(g, &p);
    buf_fini(&p.body);
    mem_free(path);
    return g->status;
}

int
rig_get(struct rig *g, const char *fmt, ...)
{
    va_list ap;
    char *url = NULL;
    int status = 0;

    va_start(ap, fmt);
    url = mem_vprintf(fmt, ap);
    va_end(ap);
    status = rig_send(g, "GET", url, NULL);
    mem_free(url);
    return status;
}

int
rig_control(struct rig *g, const char *method, const char *fmt, ...)
{
    va_list ap;
    char *rest = NULL;
    char *url = NULL;
    int status = 0;

    va_start(ap, fmt);
    rest = mem_vprintf(fmt, ap);
    va_end(ap);
    url = mem_printf("/control/fusion/0/%s", rest);
    status = rig_send(g, method, url, NULL);
    mem_free(url);
    mem_free(rest);
    return status;
}

void
rig_switch(struct rig *g, const char *name, int64_t value)
{
    EQ_INT(rig_control(g, "POST", "switches?%s=%" PRId64, name, value), 200);
}

void
rig_login(struct rig *g)
{
    json_t *t = fusion_sim_tenant(g->s, 0);
    char *body = mem_printf(
        "grant_type=client_credentials&client_id=%s&client_secret=%s&scope=%s",
        get_text(t, "client_id"), get_text(t, "client_secret"),
        get_text(t, "scope"));

    g->authorization = NULL;
    EQ_INT(rig_send(g, "POST", "/oauth2/v1/token", body), 200);
    mem_free(g->token);
    g->token = mem_printf("Bearer %s", get_text(g->body, "access_token"));
    g->authorization = g->token;
    mem_free(body);
    json_decref(t);
}

void
rig_open_sized(struct rig *g, size_t customers, size_t invoices,
               size_t receipts)
{
    struct sim_options o = {.seed = 42,
                            .customers = customers,
                            .invoices = invoices,
                            .receipts = receipts,
                            .portals = 2,
                            .tls = true};

    memset(g, 0, sizeof(*g));
    g->s = fusion_sim_new(&o);
    g->version = "4";
    g->accept = "application/json, application/vnd.oracle.adf.error+json";
    g->now_us = clock_wall_us();
    rig_login(g);
}

void
rig_open(struct rig *g)
{
    rig_open_sized(g, 60, 400, 300);
}

void
rig_close(struct rig *g)
{
    fusion_sim_free(g->s);
    mem_free(g->text);
    mem_free(g->token);
    json_decref(g->body);
    json_decref(g->headers);
}

struct world *
rig_world(struct rig *g)
{
    return pod_world(g->s, &g->s->pods[0]);
}

/* ---- reading answers ---------------------------------------------------- */

json_t *
item(const struct rig *g, size_t i)
{
    return json_array_get(json_object_get(g->body, "items"), i);
}

size_t
items(const struct rig *g)
{
    return json_array_size(json_object_get(g->body, "items"));
}

int64_t
get_int(json_t *o, const char *name)
{
    return json_integer_value(json_object_get(o, name));
}

const char *
get_text(json_t *o, const char *name)
{
    return json_string_value(json_object_get(o, name));
}

bool
get_true(json_t *o, const char *name)
{
    return json_is_true(json_object_get(o, name));
}

int64_t
get_amount(json_t *o, const char *name)
{
    json_t *v = json_object_get(o, name);
    double d = json_is_string(v) ? strtod(json_string_value(v), NULL) :
                                   json_number_value(v);

    return (int64_t)llround(d * 1000);
}

const char *
header_of(const struct rig *g, const char *name)
{
    const char *v = get_text(g->headers, name);

    return v == NULL ? "" : v;
}
