/* SPDX-License-Identifier: UNLICENSED */
/*
 * Scripted faults: an ordered list of rules, set by the control API.
 *
 * A rule says which requests it looks at (server, operation, path prefix,
 * method, scope), which of those it takes (skip, every n-th, the next n, a
 * probability drawn from its own seed) and what happens to them: a status
 * with a body, a reset, a cut or slow body, or only a delay. `when` is
 * "before" (the handler never runs) or "after" (the work was done, the answer
 * is lost). Of the rules that take a request the first that changes the answer
 * decides; delays and closings add up.
 */
#include "sandbox.h"

#include <stdlib.h>
#include <string.h>

struct rule {
    struct list link;
    uint64_t id;
    json_t *spec; /* as given, shown again */
    const char *server, *operation, *path, *method, *scope; /* NULL: any */
    const char *action;
    bool after, writes;
    int64_t every, next, skip; /* next -1: no end */
    double probability;
    uint64_t random;
    uint64_t matched, taken;
};

struct sim_faults {
    struct list rules;
    uint64_t last_id;
};

struct sim_faults *
sim_faults_new(void)
{
    struct sim_faults *f = MEM_NEW(struct sim_faults);

    list_init(&f->rules);
    return f;
}

static void
rule_free(struct rule *u)
{
    list_remove(&u->link);
    json_decref(u->spec);
    mem_free(u);
}

static void
rules_clear(struct sim_faults *f)
{
    struct list *l;

    while ((l = list_first(&f->rules)) != NULL) {
        rule_free(CONTAINER_OF(l, struct rule, link));
    }
}

void
sim_faults_free(struct sim_faults *f)
{
    if (f != NULL) {
        rules_clear(f);
        mem_free(f);
    }
}

/* ---- matching ----------------------------------------------------------- */

/* xorshift64*: 0 <= x < 1. */
static double
rule_random(struct rule *u)
{
    u->random ^= u->random >> 12;
    u->random ^= u->random << 25;
    u->random ^= u->random >> 27;
    return (double)((u->random * 0x2545F4914F6CDD1DU) >> 11) /
           9007199254740992.0;
}

/* "a.b" exactly, "a.*" by prefix. Where the operation is not known yet, the
 * part before the dot must stand in the path. */
static bool
operation_is(const char *want, const char *have, const char *path)
{
    size_t n = strlen(want);
    const char *dot = strchr(want, '.');
    char *part;
    bool found;

    if (n > 0 && want[n - 1] == '*') {
        n--;
    } else if (have != NULL) {
        return strcmp(want, have) == 0;
    }
    if (have != NULL) {
        return strncmp(want, have, n) == 0;
    }
    part = dot == NULL ? mem_strdup(want) :
                         mem_strndup(want, (size_t)(dot - want));
    found = strstr(path, part) != NULL;
    mem_free(part);
    return found;
}

/* Whether a request is sent to change something. */
static bool
is_write(const struct sim_fault_ask *ask)
{
    static const char *const reads[] = {"batch_read", "search", "token_info"};
    const char *dot = ask->ident.operation == NULL ?
                          NULL :
                          strrchr(ask->ident.operation, '.');

    for (size_t i = 0; dot != NULL && i < COUNT_OF(reads); i++) {
        if (strcmp(dot + 1, reads[i]) == 0) {
            return false;
        }
    }
    return strcmp(ask->r->method, "GET") != 0;
}

static bool
rule_looks_at(const struct rule *u, const struct sim_fault_ask *ask)
{
    const struct sim_request *r = ask->r;

    return u->after == ask->after && (!u->writes || is_write(ask)) &&
           (u->server == NULL ||
            strcmp(u->server, sim_server_name(r->server)) == 0) &&
           (u->method == NULL || strcmp(u->method, r->method) == 0) &&
           (u->path == NULL || text_has_prefix(r->path, u->path)) &&
           (u->scope == NULL || text_equal(u->scope, ask->ident.scope)) &&
           (u->operation == NULL ||
            operation_is(u->operation, ask->ident.operation, r->path));
}

static bool
rule_takes(struct rule *u)
{
    uint64_t nth = ++u->matched;

    if (u->next == 0 || nth <= (uint64_t)u->skip) {
        return false;
    }
    if (u->every > 1 && (nth - (uint64_t)u->skip) % (uint64_t)u->every != 0) {
        return false;
    }
    if (u->probability < 1.0 && rule_random(u) >= u->probability) {
        return false;
    }
    if (u->next > 0) {
        u->next--;
    }
    u->taken++;
    return true;
}

/* ---- what happens ------------------------------------------------------- */

static const char *
spec_text(const struct rule *u, const char *key)
{
    return json_string_value(json_object_get(u->spec, key));
}

static int64_t
spec_int(const struct rule *u, const char *key, int64_t def)
{
    json_t *v = json_object_get(u->spec, key);

    return json_is_integer(v) ? (int64_t)json_integer_value(v) : def;
}

static void
body_json(const struct rule *u, struct sim_reply *p, int status)
{
    const char *policy = spec_text(u, "policy");
    const char *message = spec_text(u, "message");
    const char *category = spec_text(u, "category");
    json_t *body =
        json_pack("{s:s, s:s, s:s}", "status", "error", "message",
                  message != NULL ? message : "injected fault", "correlationId",
                  "00000000-0000-4000-8000-000000000000");

    if (policy != NULL) {
        json_object_set_new(body, "errorType", json_string("RATE_LIMIT"));
        json_object_set_new(body, "policyName", json_string(policy));
    } else if (category != NULL) {
        json_object_set_new(body, "category", json_string(category));
    }
    sim_reply_json(p, status, body);
}

static void
body_adf(const struct rule *u, struct sim_reply *p, int status)
{
    const char *message = spec_text(u, "message");
    char *code = mem_printf("%d", status);

    p->content_type = "application/vnd.oracle.adf.error+json";
    sim_reply_json(p, status,
                   json_pack("{s:s, s:s, s:[{s:s}]}", "title",
                             message != NULL ? message : "injected fault",
                             "status", code, "o:errorDetails", "detail",
                             message != NULL ? message : "injected fault"));
    mem_free(code);
}

static void
rule_status(const struct rule *u, enum sim_server server, struct sim_reply *p)
{
    json_t *raw = json_object_get(u->spec, "json");
    json_t *headers = json_object_get(u->spec, "headers");
    const char *kind = spec_text(u, "body");
    const char *text = spec_text(u, "text");
    const char *name;
    json_t *value;

    p->status = (int)spec_int(u, "status", 503);
    if (raw != NULL) {
        sim_reply_json(p, p->status, json_incref(raw));
    } else if (text != NULL) {
        p->content_type = "text/plain";
        buf_adds(&p->body, text);
    } else if (text_equal(kind, "html")) {
        sim_reply_html(p, p->status);
    } else if (text_equal(kind, "empty")) {
        p->content_type = "";
    } else if (server == SIM_FUSION) {
        body_adf(u, p, p->status);
    } else {
        body_json(u, p, p->status);
    }
    if (json_object_get(u->spec, "retry_after") != NULL) {
        char *s = mem_printf("%lld", (long long)spec_int(u, "retry_after", 1));

        sim_reply_header(p, "Retry-After", s);
        mem_free(s);
    }
    json_object_foreach(headers, name, value)
    {
        sim_reply_header(p, name, json_string_value(value));
    }
}

static int64_t
rule_delay(struct rule *u)
{
    int64_t jitter = spec_int(u, "jitter_ms", 0);

    return spec_int(u, "delay_ms", 0) +
           (int64_t)(rule_random(u) * (double)jitter);
}

static bool
rule_act(const struct rule *u, enum sim_server server, struct sim_reply *p)
{
    if (strcmp(u->action, "delay") == 0) {
        return false;
    }
    if (strcmp(u->action, "close") == 0) {
        sim_reply_header(p, "Connection", "close");
        return false;
    }
    if (strcmp(u->action, "drop") == 0) {
        p->idle_s = 1;
        return false;
    }
    if (strcmp(u->action, "reset") == 0) {
        p->abort = SIM_RESET;
    } else if (strcmp(u->action, "truncate") == 0) {
        p->abort = SIM_TRUNCATE;
    } else if (strcmp(u->action, "slow") == 0) {
        p->abort = SIM_SLOW_BODY;
    } else {
        p->refused = true;
        rule_status(u, server, p);
    }
    return true;
}

bool
sim_faults_apply(struct sim_faults *f, const struct sim_fault_ask *ask,
                 struct sim_reply *out, int64_t *delay_ms)
{
    struct list *l, *next;
    bool hit = false;

    LIST_EACH(&f->rules, l, next)
    {
        struct rule *u = CONTAINER_OF(l, struct rule, link);

        if (hit || !rule_looks_at(u, ask) || !rule_takes(u)) {
            continue;
        }
        *delay_ms += rule_delay(u);
        hit = rule_act(u, ask->r->server, out);
    }
    return hit;
}

/* ---- control ------------------------------------------------------------ */

static const char *const rule_keys[] = {
    "server",      "operation", "path",        "method",   "scope",
    "when",        "action",    "status",      "body",     "json",
    "text",        "headers",   "message",     "category", "policy",
    "retry_after", "delay_ms",  "jitter_ms",   "every",    "next",
    "skip",        "seed",      "probability", "writes",   NULL};
static const char *const rule_actions[] = {
    "status", "reset", "truncate", "close", "drop", "slow", "delay", NULL};

static bool
known(const char *const *names, const char *s)
{
    for (; *names != NULL; names++) {
        if (s != NULL && strcmp(*names, s) == 0) {
            return true;
        }
    }
    return false;
}

static const char *
default_action(const struct rule *u)
{
    bool status = json_object_get(u->spec, "status") != NULL;
    bool delay = json_object_get(u->spec, "delay_ms") != NULL;

    return !status && delay ? "delay" : "status";
}

static void
rule_read(struct rule *u)
{
    json_t *p = json_object_get(u->spec, "probability");

    u->server = spec_text(u, "server");
    u->operation = spec_text(u, "operation");
    u->path = spec_text(u, "path");
    u->method = spec_text(u, "method");
    u->scope = spec_text(u, "scope");
    u->after = text_equal(spec_text(u, "when"), "after");
    u->writes = json_is_true(json_object_get(u->spec, "writes"));
    u->every = spec_int(u, "every", 1);
    u->next = spec_int(u, "next", -1);
    u->skip = spec_int(u, "skip", 0);
    u->probability = p == NULL ? 1.0 : json_number_value(p);
    u->random = (uint64_t)spec_int(u, "seed", 1) * 0x9E3779B97F4A7C15U;
    u->random = u->random == 0 ? 1 : u->random;
    u->action = spec_text(u, "action");
    if (u->action == NULL) {
        u->action = default_action(u);
    }
}

static const char *
rule_check(const struct rule *u)
{
    const char *key;
    json_t *v;

    json_object_foreach(u->spec, key, v)
    {
        if (!known(rule_keys, key)) {
            return key;
        }
    }
    return known(rule_actions, u->action) ? NULL : "action";
}

static void
rule_add(struct sim_faults *f, const struct sim_request *r, struct sim_reply *p)
{
    json_t *spec = sim_control_body(r, p);
    struct rule *u;
    const char *bad;

    if (spec == NULL) {
        return;
    }
    u = MEM_NEW(struct rule);
    list_init(&u->link);
    u->spec = spec;
    rule_read(u);
    bad = rule_check(u);
    if (bad != NULL) {
        sim_control_error(p, 400, "unknown or wrong: %s", bad);
        rule_free(u);
        return;
    }
    u->id = ++f->last_id;
    list_push(&f->rules, &u->link);
    sim_reply_json(p, 201, json_pack("{s:I}", "id", (json_int_t)u->id));
}

static json_t *
rule_show(const struct rule *u)
{
    return json_pack("{s:I, s:O, s:I, s:I, s:I}", "id", (json_int_t)u->id,
                     "rule", u->spec, "matched", (json_int_t)u->matched,
                     "taken", (json_int_t)u->taken, "left",
                     (json_int_t)u->next);
}

static void
rules_show(struct sim_faults *f, struct sim_reply *p)
{
    json_t *all = json_array();
    struct list *l, *next;

    LIST_EACH(&f->rules, l, next)
    {
        json_array_append_new(all,
                              rule_show(CONTAINER_OF(l, struct rule, link)));
    }
    sim_reply_json(p, 200, json_pack("{s:o}", "faults", all));
}

static void
rule_remove(struct sim_faults *f, const char *rest, struct sim_reply *p)
{
    uint64_t id = strtoull(rest + 1, NULL, 10);
    struct list *l, *next;

    LIST_EACH(&f->rules, l, next)
    {
        struct rule *u = CONTAINER_OF(l, struct rule, link);

        if (u->id == id) {
            rule_free(u);
            p->status = 204;
            return;
        }
    }
    sim_control_error(p, 404, "no fault %s", rest + 1);
}

void
sim_faults_control(struct sim_faults *f, const char *rest,
                   const struct sim_request *r, struct sim_reply *p)
{
    if (strcmp(r->method, "POST") == 0) {
        rule_add(f, r, p);
    } else if (strcmp(r->method, "DELETE") == 0 && rest[0] == '/') {
        rule_remove(f, rest, p);
    } else if (strcmp(r->method, "DELETE") == 0) {
        rules_clear(f);
        p->status = 204;
    } else {
        rules_show(f, p);
    }
}
