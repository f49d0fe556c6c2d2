/* SPDX-License-Identifier: UNLICENSED */
/*
 * What commands ask of the worker that holds a tenant's portal. A reload sees
 * that something is open; what belongs to tenants at work here is taken in one
 * statement, begun, and answered into its row.
 *
 *     seen --held, at work--> taken --begun--> answered
 *
 * run --once takes before it polls and answers when the polls have ended: they
 * are what was asked for. What is taken and not answered when this process ends
 * is taken again by the next holder.
 */
#include "tenant_priv.h"

#include <string.h>

enum { ANSWERS_MAX = 1 << 24 };

/* ---- answering ---------------------------------------------------------- */

static void flush(struct tenants *t);

static void
on_answered(void *arg, enum err err, const struct fault *f)
{
    struct tenants *t = arg;
    bool again = err_class(err) == ERR_CLASS_AGAIN && !t->config.once;
    char safe[LOG_TEXT_MAX];

    ML_ASSERT(t->magic == TENANTS_MAGIC);
    t->answer_op = NULL;
    if (err != ERR_OK) {
        LOG_WARN(NULL, "request.unanswered", "error=%s message=\"%s\"",
                 err_name(err), log_safe(safe, f->message));
    }
    if (again) {
        json_array_extend(t->answering, t->answers);
        json_decref(t->answers);
        t->answers = t->answering; /* with the next reload */
        t->answering = NULL;
        return;
    }
    json_decref(t->answering);
    t->answering = NULL;
    flush(t);
    tenants_check(t);
}

static void
flush(struct tenants *t)
{
    struct jsonx_writer w;
    struct buf b;

    if (t->answer_op != NULL || json_array_size(t->answers) == 0) {
        return;
    }
    buf_init(&b, ANSWERS_MAX);
    jsonx_begin(&w, &b);
    jsonx_put_json(&w, t->answers);
    t->answering = t->answers;
    t->answers = json_array();
    if (store_requests_answer(t->store, t->config.worker, buf_text(&b),
                              on_answered, t, &t->answer_op) != ERR_OK) {
        t->answer_op = NULL;
        json_decref(t->answering);
        t->answering = NULL;
    }
    buf_fini(&b);
}

/* Takes the answer. */
static void
answer(struct tenants *t, int64_t id, json_t *text)
{
    if (t->answers == NULL) {
        t->answers = json_array();
    }
    json_array_append_new(
        t->answers,
        json_pack("{s:I, s:o}", "id", (json_int_t)id, "answer", text));
    flush(t);
}

static void
refuse(struct tenants *t, int64_t id, const char *why)
{
    answer(t, id, json_pack("{s:s}", "error", why));
}

bool
requests_are_settled(const struct tenants *t)
{
    return t->answer_op == NULL && json_array_size(t->answers) == 0;
}

/* ---- what is asked for -------------------------------------------------- */

/* The feed that is meant, FEED_KINDS for all; false: there is no such feed. */
static bool
feed_of(const json_t *request, enum feed_kind *k)
{
    const char *feed =
        jsonx_text(json_object_get(request, "arguments"), "feed");

    *k = FEED_KINDS;
    return feed == NULL || feed_kind_parse(feed, k);
}

/* {"polling":["invoices"],"was":{"invoices":"idle"}}; after run --once
 * {"polled":[..],"failed":{"customers":"why"}}. */
static json_t *
sync_answer(struct member *m, enum feed_kind wanted, bool polled)
{
    json_t *names = json_array(), *states = json_object();

    for (enum feed_kind k = FEED_CUSTOMERS; k < FEED_KINDS; k++) {
        struct feed_status s = feeds_status(m->feeds, k);
        const char *name = feed_kind_name(k);

        if (wanted != FEED_KINDS && wanted != k) {
            continue;
        }
        if (!polled) {
            json_array_append_new(names, json_string(name));
            json_object_set_new(states, name, json_string(s.state));
        } else if (s.err == ERR_OK) {
            json_array_append_new(names, json_string(name));
        } else {
            json_object_set_new(states, name, json_string(s.fault.message));
        }
    }
    return json_pack("{s:o, s:o}", polled ? "polled" : "polling", names,
                     polled ? "failed" : "was", states);
}

static void
serve(struct tenants *t, struct member *m, const json_t *request, bool polled)
{
    const char *command = jsonx_text(request, "command");
    struct fault ignored;
    enum feed_kind k;
    int64_t id = 0;
    bool has;

    if (jsonx_get_int(request, "id", &has, &id, &ignored) != ERR_OK || !has) {
        return;
    }
    if (m == NULL || m->feeds == NULL) {
        refuse(t, id, "the tenant stopped to work here meanwhile");
        return;
    }
    if (!text_equal(command, "sync") || !feed_of(request, &k)) {
        refuse(t, id,
               "this worker, version " ML_VERSION
               ", does not know what is asked of it");
        return;
    }
    LOG_INFO(&m->log, "request.taken", "command=%s request=%" PRId64, command,
             id);
    answer(t, id, sync_answer(m, k, polled));
    if (!polled) {
        feeds_sync(m->feeds, k);
    }
}

static json_t *
parsed(const char *json)
{
    struct fault ignored;
    json_t *rows = NULL;

    if (json == NULL ||
        jsonx_parse(json, strlen(json), &rows, &ignored) != ERR_OK) {
        return NULL;
    }
    return rows;
}

/* ---- taking ------------------------------------------------------------- */

static void
on_taken(void *arg, enum err err, const char *json, const struct fault *f)
{
    struct tenants *t = arg;
    json_t *rows = err == ERR_OK ? parsed(json) : NULL, *row;
    size_t i;

    (void)f; /* they stay open: the next reload sees them again */
    ML_ASSERT(t->magic == TENANTS_MAGIC);
    t->take_op = NULL;
    json_array_foreach(rows, i, row)
    {
        struct fault ignored;
        int64_t tenant = 0;
        bool has;

        if (jsonx_get_int(row, "tenant", &has, &tenant, &ignored) == ERR_OK) {
            serve(t, tenants_member(t, tenant), row, false);
        }
    }
    json_decref(rows);
}

static bool
can_serve(const struct member *m)
{
    const struct portal *p = m->portal;

    return m->row.asked && m->feeds != NULL && p->state == PORTAL_HELD &&
           portal_is_known(p);
}

static void
put_held(struct jsonx_writer *w, const struct member *m)
{
    jsonx_open(w, '{');
    jsonx_add_int(w, "tenant", m->row.id);
    jsonx_add_text(w, "portal", m->portal->key);
    jsonx_add_int(w, "term", m->portal->term);
    jsonx_close(w, '}');
}

void
requests_look(struct tenants *t)
{
    struct list *pi, *pn, *mi, *mn;
    struct jsonx_writer w;
    struct buf b;
    size_t n = 0;

    flush(t); /* what could not be stored */
    if (t->take_op != NULL || t->config.once || t->stopping) {
        return;
    }
    buf_init(&b, ANSWERS_MAX);
    jsonx_begin(&w, &b);
    jsonx_open(&w, '[');
    LIST_EACH(&t->portals, pi, pn)
    {
        struct portal *p = CONTAINER_OF(pi, struct portal, link);

        LIST_EACH(&p->members, mi, mn)
        {
            struct member *m = CONTAINER_OF(mi, struct member, link);

            if (can_serve(m)) {
                put_held(&w, m);
                n++;
            }
        }
    }
    jsonx_close(&w, ']');
    if (n > 0 &&
        store_requests_take(t->store, t->config.worker, 0, buf_text(&b),
                            on_taken, t, &t->take_op) != ERR_OK) {
        t->take_op = NULL;
    }
    buf_fini(&b);
}

/* ---- run --once --------------------------------------------------------- */

void
requests_polled(struct member *m)
{
    json_t *rows = m->asked, *row;
    size_t i;

    m->asked = NULL;
    json_array_foreach(rows, i, row)
    {
        serve(m->portal->all, m, row, true);
    }
    json_decref(rows);
}

static void
on_taken_once(void *arg, enum err err, const char *json, const struct fault *f)
{
    struct member *m = arg;

    (void)f;
    ML_ASSERT(m->magic == MEMBER_MAGIC);
    m->take_op = NULL;
    m->asked = err == ERR_OK ? parsed(json) : NULL;
    if (m->polled) {
        requests_polled(m);
    }
    portal_check(m->portal);
}

void
requests_take_once(struct member *m)
{
    struct tenants *t = m->portal->all;
    struct jsonx_writer w;
    struct buf b;

    if (!m->row.asked || !portal_is_known(m->portal)) {
        return;
    }
    requests_drop(m);
    buf_init(&b, ANSWERS_MAX);
    jsonx_begin(&w, &b);
    jsonx_open(&w, '[');
    put_held(&w, m);
    jsonx_close(&w, ']');
    /* in the tenant's lane: before its polls look where they stand */
    if (store_requests_take(t->store, t->config.worker, m->row.id, buf_text(&b),
                            on_taken_once, m, &m->take_op) != ERR_OK) {
        m->take_op = NULL;
    }
    buf_fini(&b);
}

void
requests_drop(struct member *m)
{
    store_cancel(m->take_op);
    m->take_op = NULL;
    json_decref(m->asked);
    m->asked = NULL;
}

void
requests_close(struct tenants *t)
{
    store_cancel(t->take_op);
    store_cancel(t->answer_op);
    json_decref(t->answers);
    json_decref(t->answering);
}
