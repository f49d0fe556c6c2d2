/* SPDX-License-Identifier: UNLICENSED */
/*
 * What commands ask of the worker that holds a tenant's portal. A reload sees
 * that something is open; what belongs to portals held here is taken in one
 * statement, done, and answered into its row.
 *
 *     seen --held--> taken --at once, or a run with its errand--> answered
 *                      |                        |
 *                      +--- lease given up -----+--> open again
 *
 * What takes a moment only (sync, replay) is done when it is taken. Everything
 * else is an errand: RUNS_MAX at a time, others wait here, TAKEN_MAX are taken.
 * A run needs no tenant at work: it loads the row it works on. It ends with its
 * portal's lease; what was taken and not answered is taken again by the next
 * holder, also when this process is killed.
 *
 * run --once takes sync before it polls and answers when the polls have ended:
 * they are what was asked for.
 */
#include "tenant_priv.h"

#include <string.h>

enum {
    RUNS_MAX = 8,
    TAKEN_MAX = 64,
    ANSWER_MAX = 4 << 20,  /* of one request */
    ANSWERS_MAX = 16 << 20 /* of one statement */
};

struct run {
    unsigned magic;
    struct list link; /* in tenants' runs */
    struct portal *portal;
    int64_t id, tenant;
    char *name;
    json_t *request;
    struct log_ctx log;
    struct store_op *load_op; /* its row */
    struct errand *errand;
    bool begun;
};

static struct run *
run_from(void *arg)
{
    struct run *r = arg;

    ML_ASSERT(r->magic == RUN_MAGIC);
    return r;
}

/* ---- answering ---------------------------------------------------------- */

static void flush(struct tenants *t);

/* Answers that the database does not take: not asked for again and again. */
static void
give_up(struct tenants *t)
{
    const json_t *one;
    size_t i;

    if (t->refused == NULL) {
        t->refused = json_array();
    }
    json_array_foreach(t->answering, i, one)
    {
        json_array_append(t->refused, json_object_get(one, "id"));
    }
    while (json_array_size(t->refused) > TAKEN_MAX) {
        json_array_remove(t->refused, 0);
    }
}

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
    if (err != ERR_OK && !again) {
        give_up(t);
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

/* Moves as many answers as one statement takes from `answers` to `answering`,
 * and into b. */
static void
gather(struct tenants *t, struct buf *b)
{
    struct jsonx_writer w;

    t->answering = json_array();
    jsonx_begin(&w, b);
    jsonx_open(&w, '[');
    while (json_array_size(t->answers) > 0 &&
           b->len < ANSWERS_MAX - 2 * ANSWER_MAX) {
        json_t *one = json_array_get(t->answers, 0);

        jsonx_put_json(&w, one);
        json_array_append(t->answering, one);
        json_array_remove(t->answers, 0);
    }
    jsonx_close(&w, ']');
}

static void
flush(struct tenants *t)
{
    struct buf b;

    if (t->answer_op != NULL || json_array_size(t->answers) == 0) {
        return;
    }
    buf_init(&b, ANSWERS_MAX);
    gather(t, &b);
    if (store_requests_answer(t->store, t->config.worker, buf_text(&b),
                              on_answered, t, &t->answer_op) != ERR_OK) {
        t->answer_op = NULL;
        json_decref(t->answering);
        t->answering = NULL;
    }
    buf_fini(&b);
}

/* Takes the text. */
static void
answer(struct tenants *t, int64_t id, json_t *text)
{
    struct jsonx_writer w;
    struct buf b;

    buf_init(&b, ANSWER_MAX);
    jsonx_begin(&w, &b);
    jsonx_put_json(&w, text);
    if (b.failed) {
        json_decref(text);
        text = errand_error(ERR_TOO_LARGE,
                            "the answer is larger than a request can hold");
    }
    buf_fini(&b);
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
    answer(t, id, errand_error(ERR_CONFLICT, why));
}

bool
requests_are_settled(const struct tenants *t)
{
    return t->answer_op == NULL && json_array_size(t->answers) == 0 &&
           list_empty(&t->runs);
}

/* ---- runs --------------------------------------------------------------- */

static void begin_soon(struct tenants *t);

static void
run_free(struct run *r)
{
    r->magic = 0;
    store_cancel(r->load_op);
    errand_cancel(r->errand);
    list_remove(&r->link);
    json_decref(r->request);
    mem_free(r->name);
    mem_free(r);
}

/* Takes the text. */
static void
run_answer(struct run *r, json_t *text)
{
    struct tenants *t = r->portal->all;

    answer(t, r->id, text);
    run_free(r);
    begin_soon(t);
    tenants_check(t);
}

static void
on_errand(void *arg, json_t *text)
{
    struct run *r = run_from(arg);

    r->errand = NULL;
    LOG_INFO(&r->log, "request.done", "command=%s request=%" PRId64 " error=%s",
             jsonx_text(r->request, "command"), r->id,
             jsonx_text(text, "code") != NULL ? jsonx_text(text, "code") :
                                                "OK");
    run_answer(r, json_incref(text));
}

/* A portal that is not known yet may be asked for nothing but its id, and was:
 * the tenant is halted for what it said. */
static const struct fault *
unasked(const struct run *r, const struct store_tenant *row, struct fault *f)
{
    if (portal_is_known(r->portal)) {
        return NULL;
    }
    fault_clear(f);
    (void)fault_set(f, ERR_CREDENTIALS, "the tenant is %s: %s", row->state,
                    row->reason != NULL ? row->reason : "");
    return f;
}

static void
run_start(struct run *r, const struct store_tenant *row)
{
    struct tenants *t = r->portal->all;
    struct errand_events events = {.done = on_errand, .arg = r};
    struct fault no, f;
    struct errand_place place = {.loop = t->loop,
                                 .http = t->http,
                                 .store = t->store,
                                 .vault = t->vault,
                                 .conf = t->config.conf,
                                 .worker = t->config.worker,
                                 .row = row,
                                 .dispatch = r->portal->dispatch,
                                 .unasked = unasked(r, row, &no)};
    enum err err;

    fault_clear(&f);
    err = errand_start(&place, jsonx_text(r->request, "command"),
                       json_object_get(r->request, "arguments"), &events,
                       &r->errand, &f);
    if (err == ERR_MISSING) {
        run_answer(r, errand_error(ERR_CONFLICT,
                                   "this worker, version " ML_VERSION
                                   ", does not know what is asked of it"));
    } else if (err != ERR_OK) {
        run_answer(r, errand_error(err, f.message));
    }
}

static void
on_row(void *arg, enum err err, const struct store_tenant *rows, size_t n,
       const struct fault *f)
{
    struct run *r = run_from(arg);
    const char *portal;

    r->load_op = NULL;
    if (err != ERR_OK) {
        run_answer(r, errand_error(err, errand_reason(f)));
        return;
    }
    portal = n == 1 && rows[0].portal != NULL ? rows[0].portal : "";
    if (n != 1 || rows[0].id != r->tenant ||
        (portal_is_known(r->portal) && strcmp(portal, r->portal->key) != 0)) {
        run_answer(r, errand_error(ERR_CONFLICT,
                                   "the tenant was changed meanwhile: again"));
        return;
    }
    run_start(r, &rows[0]);
}

static char *
text_of(const json_t *o)
{
    struct jsonx_writer w;
    struct buf b;
    char *text;

    buf_init(&b, ANSWERS_MAX);
    jsonx_begin(&w, &b);
    jsonx_put_json(&w, o);
    text = mem_strdup(buf_text(&b));
    buf_fini(&b);
    return text;
}

/* A tenant as it would be stored: what it is comes with the request. */
static void
start_candidate(struct run *r, const json_t *candidate)
{
    char *settings = text_of(json_object_get(candidate, "settings"));
    char *sealed = text_of(json_object_get(candidate, "sealed"));
    const char *name = jsonx_text(candidate, "name");
    struct store_tenant row = {.id = r->tenant,
                               .name = name != NULL ? name : r->name,
                               .state = "active",
                               .portal = r->portal->key,
                               .settings = settings,
                               .sealed = sealed,
                               .learned = "{}"};

    run_start(r, &row);
    mem_free(settings);
    mem_free(sealed);
}

static void
run_begin(struct run *r)
{
    struct store *s = r->portal->all->store;
    const json_t *candidate =
        json_object_get(json_object_get(r->request, "arguments"), "candidate");

    r->begun = true;
    LOG_INFO(&r->log, "request.taken", "command=%s request=%" PRId64,
             jsonx_text(r->request, "command"), r->id);
    if (candidate != NULL) {
        start_candidate(r, candidate);
    } else if (store_tenants(s, r->name, on_row, r, &r->load_op) != ERR_OK) {
        r->load_op = NULL;
        run_answer(r, errand_error(ERR_DB_AWAY, err_text(ERR_DB_AWAY)));
    }
}

/* One a turn: what one run sets going does not nest in the next. */
static void
on_beginning(void *arg)
{
    struct tenants *t = arg;
    struct list *item, *next;
    struct run *first = NULL;
    size_t n = 0;

    ML_ASSERT(t->magic == TENANTS_MAGIC);
    LIST_EACH(&t->runs, item, next)
    {
        struct run *r = CONTAINER_OF(item, struct run, link);

        n += r->begun ? 1 : 0;
        first = first == NULL && !r->begun ? r : first;
    }
    if (first != NULL && n < RUNS_MAX) {
        loop_later(t->loop, &t->beginning, on_beginning, t);
        run_begin(first);
    }
}

static void
begin_soon(struct tenants *t)
{
    loop_later(t->loop, &t->beginning, on_beginning, t);
}

void
requests_drop_portal(struct portal *p)
{
    struct list *item, *next;

    LIST_EACH(&p->all->runs, item, next)
    {
        struct run *r = CONTAINER_OF(item, struct run, link);

        if (r->portal == p) {
            run_free(r);
        }
    }
}

static void
run_new(struct tenants *t, json_t *request, int64_t id, int64_t tenant)
{
    const char *key = jsonx_text(request, "portal");
    const char *name = jsonx_text(request, "name");
    struct portal *p = key != NULL ? portal_find(t, key) : NULL;
    struct run *r;

    if (p == NULL || p->state != PORTAL_HELD || p->dispatch == NULL) {
        return; /* lost meanwhile: the next holder takes it */
    }
    r = MEM_NEW(struct run);
    r->magic = RUN_MAGIC;
    r->portal = p;
    r->id = id;
    r->tenant = tenant;
    r->name = mem_strdup(name != NULL ? name : "");
    r->log.tenant = r->name;
    r->request = json_incref(request);
    list_push(&t->runs, &r->link);
    begin_soon(t);
}

/* ---- what is done at once ----------------------------------------------- */

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
sync(struct tenants *t, struct member *m, const json_t *request, int64_t id,
     bool polled)
{
    enum feed_kind k;

    if (m == NULL || m->feeds == NULL) {
        refuse(t, id, "the tenant stopped to work here meanwhile");
        return;
    }
    if (!feed_of(request, &k)) {
        refuse(t, id,
               "this worker, version " ML_VERSION
               ", does not know what is asked of it");
        return;
    }
    LOG_INFO(&m->log, "request.taken", "command=sync request=%" PRId64, id);
    answer(t, id, sync_answer(m, k, polled));
    if (!polled) {
        feeds_sync(m->feeds, k);
    }
}

/* Jobs were put back to work, for which something was mended: what waits for
 * the next try is tried now. */
static void
replay(struct tenants *t, struct member *m, int64_t id)
{
    bool works = m != NULL && m->at_work && portal_is_known(m->portal);

    if (works) {
        LOG_INFO(&m->log, "request.taken", "command=replay request=%" PRId64,
                 id);
        dispatch_mended(m->portal->dispatch, m->row.id);
    }
    answer(t, id, json_pack("{s:b}", "working", works));
}

static void
serve(struct tenants *t, json_t *request, bool polled)
{
    const char *command = jsonx_text(request, "command");
    struct fault ignored;
    int64_t id = 0, tenant = 0;
    bool has;

    if (jsonx_get_int(request, "id", &has, &id, &ignored) != ERR_OK || !has ||
        jsonx_get_int(request, "tenant", &has, &tenant, &ignored) != ERR_OK) {
        return;
    }
    if (text_equal(command, "sync")) {
        sync(t, tenants_member(t, tenant), request, id, polled);
    } else if (text_equal(command, "replay")) {
        replay(t, tenants_member(t, tenant), id);
    } else {
        run_new(t, request, id, tenant);
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

static unsigned
room(const struct tenants *t)
{
    struct list *item, *next;
    unsigned n = 0;

    LIST_EACH((struct list *)(uintptr_t)&t->runs, item, next)
    {
        n++;
    }
    return n < TAKEN_MAX ? TAKEN_MAX - n : 0;
}

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
        serve(t, row, false);
    }
    json_decref(rows);
}

/* The portal in which this worker may do what is asked for a tenant; NULL:
 * none. Before a portal is known it is asked for its id, and only when that was
 * refused there is an answer to give. */
static struct portal *
served_in(struct tenants *t, const struct store_tenant *row, struct arena *a)
{
    struct portal *p = portal_find(
        t, row->portal != NULL ? row->portal :
                                 arena_printf(a, "tenant:%" PRId64, row->id));

    if (!row->asked || p == NULL || p->state != PORTAL_HELD ||
        p->dispatch == NULL) {
        return NULL;
    }
    return portal_is_known(p) || strcmp(row->state, "halted") == 0 ? p : NULL;
}

static void
put_held(struct jsonx_writer *w, int64_t tenant, const struct portal *p,
         const char *without)
{
    jsonx_open(w, '{');
    jsonx_add_int(w, "tenant", tenant);
    jsonx_add_text(w, "portal", p->key);
    jsonx_add_int(w, "term", p->term);
    if (without != NULL) {
        jsonx_add_text(w, "without", without);
    }
    jsonx_close(w, '}');
}

static void
put_ids(struct jsonx_writer *w, const json_t *answers)
{
    const json_t *one;
    size_t i;

    json_array_foreach((json_t *)(uintptr_t)answers, i, one)
    {
        const json_t *id =
            json_is_object(one) ? json_object_get(one, "id") : one;

        jsonx_put_json(w, id);
    }
}

/* What this process has in hand: being done, or answered and not yet stored. */
static void
put_known(struct jsonx_writer *w, const struct tenants *t)
{
    struct list *item, *next;

    jsonx_open(w, '[');
    LIST_EACH((struct list *)(uintptr_t)&t->runs, item, next)
    {
        jsonx_put_int(w, CONTAINER_OF(item, struct run, link)->id);
    }
    put_ids(w, t->answers);
    put_ids(w, t->answering);
    put_ids(w, t->refused);
    jsonx_close(w, ']');
}

/* Tenants of which something is open and may be done here: how many. */
static size_t
put_asked(struct jsonx_writer *w, struct tenants *t,
          const struct store_tenant *rows, size_t n)
{
    struct arena a;
    size_t asked = 0;

    arena_init(&a);
    jsonx_open(w, '[');
    for (size_t i = 0; i < n; i++) {
        struct portal *p = served_in(t, &rows[i], &a);
        const struct member *m =
            p != NULL ? portal_member(p, rows[i].id) : NULL;
        bool polls = m != NULL && m->feeds != NULL && !t->config.once;

        if (p == NULL || (m != NULL && m->take_op != NULL)) {
            continue;
        }
        /* who does not poll leaves that to who will */
        put_held(w, rows[i].id, p, polls ? NULL : "sync");
        asked++;
    }
    jsonx_close(w, ']');
    arena_fini(&a);
    return asked;
}

void
requests_look(struct tenants *t, const struct store_tenant *rows, size_t n)
{
    struct store_requests spec = {.worker = t->config.worker, .limit = room(t)};
    struct jsonx_writer wh, wk;
    struct buf held, known;

    flush(t); /* what could not be stored */
    if (t->take_op != NULL || t->stopping || t->told || spec.limit == 0) {
        return;
    }
    buf_init(&held, ANSWERS_MAX);
    buf_init(&known, ANSWERS_MAX);
    jsonx_begin(&wh, &held);
    jsonx_begin(&wk, &known);
    put_known(&wk, t);
    if (put_asked(&wh, t, rows, n) > 0) {
        spec.held = buf_text(&held);
        spec.known = buf_text(&known);
        if (store_requests_take(t->store, &spec, on_taken, t, &t->take_op) !=
            ERR_OK) {
            t->take_op = NULL;
        }
    }
    buf_fini(&held);
    buf_fini(&known);
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
        serve(m->portal->all, row, true);
    }
    json_decref(rows);
}

static void
on_taken_once(void *arg, enum err err, const char *json, const struct fault *f)
{
    struct member *m = arg;
    json_t *rows = err == ERR_OK ? parsed(json) : NULL, *row;
    size_t i;

    (void)f;
    ML_ASSERT(m->magic == MEMBER_MAGIC);
    m->take_op = NULL;
    m->asked = json_array();
    json_array_foreach(rows, i, row)
    {
        if (text_equal(jsonx_text(row, "command"), "sync")) {
            json_array_append(m->asked, row);
        } else {
            serve(m->portal->all, row, false);
        }
    }
    json_decref(rows);
    if (m->polled) {
        requests_polled(m);
    }
    portal_check(m->portal);
}

void
requests_take_once(struct member *m)
{
    struct tenants *t = m->portal->all;
    struct store_requests spec = {
        .worker = t->config.worker, .tenant = m->row.id, .limit = TAKEN_MAX};
    struct jsonx_writer w;
    struct buf b;

    if (!m->row.asked || !portal_is_known(m->portal)) {
        return;
    }
    requests_drop(m);
    buf_init(&b, ANSWERS_MAX);
    jsonx_begin(&w, &b);
    jsonx_open(&w, '[');
    put_held(&w, m->row.id, m->portal, NULL);
    jsonx_close(&w, ']');
    spec.held = buf_text(&b);
    /* in the tenant's lane: before its polls look where they stand */
    if (store_requests_take(t->store, &spec, on_taken_once, m, &m->take_op) !=
        ERR_OK) {
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
    loop_call_cancel(&t->beginning);
    json_decref(t->answers);
    json_decref(t->answering);
    json_decref(t->refused);
}
