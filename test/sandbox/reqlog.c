/* SPDX-License-Identifier: UNLICENSED */
/*
 * The request log: one row per request that reached a simulator, in order of
 * arrival, and what is counted from those rows on demand.
 *
 * Rows are only ever appended, up to ROWS_MAX (then counted as dropped), until
 * the control API clears them. Texts are interned in `names`. The busiest
 * window of a scope is exact: the greatest number of arrivals in any half-open
 * interval of the asked length.
 */
#include "sandbox.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS_MAX = 8 * 1024 * 1024, WINDOW_MS = 10000 };

struct row {
    int64_t mono_us, wall_us;
    const char *operation, *scope; /* interned */
    uint32_t inputs;
    uint16_t status; /* 0: reset */
    uint8_t server;
    bool refused, faulted;
    bool foreign; /* of another app on the same token */
};

struct sim_log {
    struct row *rows;
    size_t count, cap, foreign; /* foreign: how many of the rows */
    uint64_t dropped;
    int64_t window_ms;
    struct map names;
};

struct sim_log *
sim_log_new(void)
{
    struct sim_log *l = MEM_NEW(struct sim_log);

    l->window_ms = WINDOW_MS;
    map_init(&l->names);
    return l;
}

void
sim_log_free(struct sim_log *l)
{
    const char *key;
    size_t it = 0;
    void *v;

    if (l == NULL) {
        return;
    }
    while (map_next(&l->names, &it, &key, &v)) {
        mem_free(v);
    }
    map_fini(&l->names);
    mem_free(l->rows);
    mem_free(l);
}

static const char *
intern(struct sim_log *l, const char *s)
{
    char *have;

    if (s == NULL) {
        return "-";
    }
    have = map_get(&l->names, s);
    if (have == NULL) {
        have = mem_strdup(s);
        map_put(&l->names, s, have);
    }
    return have;
}

/* NULL: no room. */
static struct row *
row_push(struct sim_log *l)
{
    if (l->count == ROWS_MAX) {
        l->dropped++;
        return NULL;
    }
    if (l->count == l->cap) {
        l->cap = l->cap == 0 ? 1024 : l->cap * 2;
        l->rows = mem_resize(l->rows, l->cap * sizeof(*l->rows));
    }
    return &l->rows[l->count++];
}

void
sim_log_foreign(void *arg, const char *scope, int64_t mono_us, int64_t wall_us,
                bool refused)
{
    struct sim_log *l = arg;
    struct row *row = row_push(l);

    if (row != NULL) {
        *row = (struct row){.mono_us = mono_us,
                            .wall_us = wall_us,
                            .operation = intern(l, "foreign"),
                            .scope = intern(l, scope),
                            .status = refused ? 429 : 200,
                            .server = SIM_HUBSPOT,
                            .refused = refused,
                            .foreign = true};
        l->foreign++;
    }
}

void
sim_log_add(struct sim_log *l, const struct sim_request *r,
            const struct sim_reply *p, bool faulted)
{
    struct row *row = row_push(l);

    if (row == NULL) {
        return;
    }
    *row = (struct row){.mono_us = r->now_mono_us,
                        .wall_us = r->now_us,
                        .operation = intern(l, p->operation),
                        .scope = intern(l, p->scope),
                        .inputs = (uint32_t)p->inputs,
                        .status = (uint16_t)p->status,
                        .server = (uint8_t)r->server,
                        .refused = p->refused,
                        .faulted = faulted};
    if (p->abort == SIM_RESET) {
        row->status = 0;
    }
}

/* ---- summary ------------------------------------------------------------ */

static void
bump(json_t *object, const char *key, json_int_t by)
{
    json_t *v = json_object_get(object, key);

    if (v == NULL) {
        json_object_set_new(object, key, json_integer(by));
    } else {
        json_integer_set(v, json_integer_value(v) + by);
    }
}

static void
bump_number(json_t *object, unsigned long key)
{
    char text[24];

    snprintf(text, sizeof(text), "%lu", key);
    bump(object, text, 1);
}

static json_t *
child(json_t *object, const char *key)
{
    json_t *v = json_object_get(object, key);

    if (v == NULL) {
        v = json_object();
        json_object_set_new(object, key, v);
    }
    return v;
}

/* Same server and scope; with `all` other apps' requests as well. */
static bool
same(const struct row *a, const struct row *like, bool all)
{
    return a->scope == like->scope && a->server == like->server &&
           (all || !a->foreign);
}

/* Most arrivals of this server and scope in [t, t + window). */
static size_t
busiest(const struct sim_log *l, const struct row *like, bool all,
        int64_t window_us, int64_t *when)
{
    size_t head, tail = 0, held = 0, most = 0;

    for (head = 0; head < l->count; head++) {
        const struct row *a = &l->rows[head];

        if (!same(a, like, all)) {
            continue;
        }
        held++;
        while (l->rows[tail].mono_us <= a->mono_us - window_us) {
            held -= same(&l->rows[tail], like, all);
            tail++;
        }
        if (held > most) {
            most = held;
            *when = a->wall_us;
        }
    }
    return most;
}

static void
count_row(json_t *server, const struct row *row)
{
    json_t *op = child(child(server, "operations"), row->operation);
    char status[8];

    snprintf(status, sizeof(status), "%u", row->status);
    bump(server, "requests", 1);
    bump(server, "inputs", row->inputs);
    bump(op, "requests", 1);
    bump(op, "inputs", row->inputs);
    bump_number(child(op, "inputs_per_request"), row->inputs);
    bump(child(op, "statuses"), status, 1);
    bump(child(server, "statuses"), status, 1);
    if (row->refused) {
        bump(server, "refused", 1);
        bump(child(server, "refusals"), status, 1);
    }
    if (row->faulted) {
        bump(server, "faulted", 1);
    }
}

static void
count_scope(const struct sim_log *l, json_t *server, const struct row *row,
            int64_t window_ms)
{
    json_t *scopes = child(server, "scopes");
    json_t *scope = json_object_get(scopes, row->scope);
    char at[TIME_TEXT_MAX];
    int64_t when = 0;
    size_t most;

    if (scope == NULL) {
        scope = child(scopes, row->scope);
        most = busiest(l, row, false, window_ms * 1000, &when);
        json_object_set_new(scope, "most_in_window",
                            json_integer((json_int_t)most));
        json_object_set_new(scope, "window_ended",
                            json_string(time_format(when, at)));
    }
    bump(scope, "requests", 1);
}

/* Other apps' requests stand below the scope alone. */
static void
count_foreign(const struct sim_log *l, json_t *server, const struct row *row,
              int64_t window_ms)
{
    json_t *foreign = child(child(server, "foreign"), row->scope);
    int64_t when = 0;

    if (json_object_size(foreign) == 0) {
        size_t most = busiest(l, row, true, window_ms * 1000, &when);

        json_object_set_new(foreign, "most_in_window_with_ours",
                            json_integer((json_int_t)most));
        json_object_set_new(foreign, "refused", json_integer(0));
    }
    bump(foreign, "requests", 1);
    bump(foreign, "refused", row->refused);
}

static int64_t
query_int(const struct sim_request *r, const char *name, int64_t def)
{
    const char *s = sim_query(r, name);

    return s == NULL ? def : (int64_t)strtoll(s, NULL, 10);
}

static bool
wanted(const struct sim_request *r, const struct row *row)
{
    const char *server = sim_query(r, "server");
    const char *scope = sim_query(r, "scope");
    const char *op = sim_query(r, "operation");

    return (server == NULL ||
            text_equal(server,
                       sim_server_name((enum sim_server)row->server))) &&
           (scope == NULL || text_equal(scope, row->scope)) &&
           (op == NULL || text_equal(op, row->operation));
}

static void
log_summary(struct sim_log *l, const struct sim_request *r, struct sim_reply *p)
{
    int64_t window_ms = query_int(r, "window_ms", l->window_ms);
    json_t *all = json_pack(
        "{s:I, s:I, s:I}", "window_ms", (json_int_t)window_ms, "total",
        (json_int_t)(l->count - l->foreign), "dropped", (json_int_t)l->dropped);
    size_t i;

    json_object_set_new(all, "fusion", json_object());
    json_object_set_new(all, "hubspot", json_object());
    for (i = 0; i < l->count; i++) {
        const struct row *row = &l->rows[i];
        json_t *server =
            child(all, sim_server_name((enum sim_server)row->server));

        if (!wanted(r, row)) {
            continue;
        }
        if (row->foreign) {
            count_foreign(l, server, row, window_ms);
        } else {
            count_row(server, row);
            count_scope(l, server, row, window_ms);
        }
    }
    sim_reply_json(p, 200, all);
}

/* One line of JSON per request: NDJSON, so that any number fits. */
static void
log_dump(struct sim_log *l, const struct sim_request *r, struct sim_reply *p)
{
    size_t from = (size_t)query_int(r, "after", 0);
    size_t max = (size_t)query_int(r, "limit", 100000);
    bool foreign = query_int(r, "foreign", 0) != 0;
    size_t i;

    p->status = 200;
    p->content_type = "application/x-ndjson";
    for (i = from; i < l->count && max > 0; i++) {
        const struct row *row = &l->rows[i];

        if (!wanted(r, row) || (row->foreign && !foreign)) {
            continue;
        }
        max--;
        buf_addf(&p->body,
                 "{\"n\":%zu,\"at_us\":%lld,\"mono_us\":%lld,\"server\":"
                 "\"%s\",\"scope\":\"%s\",\"operation\":\"%s\",\"status\":%u,"
                 "\"inputs\":%u,\"refused\":%s,\"faulted\":%s}\n",
                 i + 1, (long long)row->wall_us, (long long)row->mono_us,
                 sim_server_name((enum sim_server)row->server), row->scope,
                 row->operation, row->status, row->inputs,
                 row->refused ? "true" : "false",
                 row->faulted ? "true" : "false");
    }
}

static void
log_window(struct sim_log *l, const struct sim_request *r, struct sim_reply *p)
{
    json_t *body = sim_control_body(r, p);
    json_int_t ms = json_integer_value(json_object_get(body, "window_ms"));

    if (body == NULL) {
        return;
    }
    json_decref(body);
    if (ms <= 0) {
        sim_control_error(p, 400, "window_ms must be positive");
        return;
    }
    l->window_ms = (int64_t)ms;
    sim_reply_json(p, 200, json_pack("{s:I}", "window_ms", ms));
}

void
sim_log_control(struct sim_log *l, const char *rest,
                const struct sim_request *r, struct sim_reply *p)
{
    if (strcmp(rest, "/requests") == 0) {
        log_dump(l, r, p);
    } else if (strcmp(r->method, "DELETE") == 0) {
        l->count = 0;
        l->foreign = 0;
        l->dropped = 0;
        p->status = 204;
    } else if (strcmp(r->method, "POST") == 0) {
        log_window(l, r, p);
    } else {
        log_summary(l, r, p);
    }
}
