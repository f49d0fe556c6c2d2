/* SPDX-License-Identifier: UNLICENSED */
/* See fake.h. */
#include "fake.h"

struct fx *fake;

/* ---- operations under way ----------------------------------------------- */

struct op {
    struct list link;
    unsigned kind;
    struct loop_call later;
    loop_fn *answer; /* frees what it holds; the op itself after it */
    void (*drop)(struct op *op);
    void *arg;
    int64_t tenant, term;
    unsigned limit;
    store_claim_fn *claimed;
    store_done_fn *done;
    store_json_fn *json;
    store_outcome_fn *stored;
    char *texts[5];
    bool has_write;
    struct sent *request;
    hubspot_batch_fn *replied;
    hubspot_call_fn *called;
};

static void
op_free(struct op *op)
{
    list_remove(&op->link);
    loop_call_cancel(&op->later);
    for (size_t i = 0; i < COUNT_OF(op->texts); i++) {
        mem_free(op->texts[i]);
    }
    fake->n_ops--;
    mem_free(op);
}

static struct op *
op_new(unsigned kind, loop_fn *answer, void *arg)
{
    struct op *op = MEM_NEW(struct op);

    op->kind = kind;
    op->answer = answer;
    op->arg = arg;
    list_init(&op->link);
    list_push(&fake->ops, &op->link);
    fake->n_ops++;
    if ((fake->hold & kind) == 0) {
        loop_later(fake->loop, &op->later, answer, op);
    }
    return op;
}

void
store_cancel(struct store_op *op)
{
    if (op != NULL) {
        op_free((struct op *)(void *)op);
    }
}

void
hubspot_cancel(struct hubspot_op *op)
{
    if (op != NULL) {
        op_free((struct op *)(void *)op);
    }
}

void
hubspot_free(struct hubspot *h)
{
    fake->freed += h != NULL ? 1 : 0;
}

size_t
fx_requests(const struct fx *fx)
{
    const struct list *item = fx->ops.next;
    size_t n = 0;

    for (; item != &fx->ops; item = item->next) {
        const struct op *op = (const struct op *)(const void *)item;

        n += op->kind == HOLD_HUBSPOT ? 1 : 0;
    }
    return n;
}

void
fx_let(struct fx *fx, unsigned kind)
{
    struct list *item, *next;

    fx->hold &= ~kind;
    LIST_EACH(&fx->ops, item, next)
    {
        struct op *op = CONTAINER_OF(item, struct op, link);

        if ((op->kind & kind) != 0 && op->later.loop == NULL) {
            loop_later(fx->loop, &op->later, op->answer, op);
        }
    }
}

/* ---- claims ------------------------------------------------------------- */

static char *
record_name(const char *kind, const char *id)
{
    return mem_printf("%s:%s", kind, id);
}

static char *
links_of(const struct fake_job *j)
{
    char *name = record_name(j->kind, j->fusion_id);
    json_t *links = json_object_get(fake->links, name);
    char *text = links != NULL ? json_dumps(links, 0) : NULL;
    char *kept = mem_strdup(text != NULL ? text : "[]");

    free(text);
    mem_free(name);
    return kept;
}

static bool
is_due(const struct fake_job *j, int64_t now_us)
{
    return strcmp(j->state, "queued") == 0 ||
           ((strcmp(j->state, "retry") == 0 ||
             strcmp(j->state, "unknown") == 0) &&
            j->due_us <= now_us);
}

static void
on_claim(void *arg)
{
    struct op *op = arg;
    store_claim_fn *fn = op->claimed;
    void *fn_arg = op->arg;
    int64_t now_us = clock_mono_us();
    struct store_job rows[500];
    char *links[500];
    struct store_claim c = {.jobs = rows, .next_due_ms = -1};
    struct fault f;

    fault_clear(&f);
    fake->claims++;
    if (fake->claim_err != ERR_OK) {
        enum err err = fault_set(&f, fake->claim_err, "no claim today");

        if (fake->claim_code != NULL) {
            (void)snprintf(f.code, sizeof(f.code), "%s", fake->claim_code);
        }

        op_free(op);
        fn(fn_arg, err, NULL, &f);
        return;
    }
    c.lease_lost = fake->claim_lost;
    for (struct fake_job *j = fake->jobs; j != NULL; j = j->next) {
        if (j->tenant != op->tenant || c.lease_lost) {
            continue;
        }
        if (is_due(j, now_us) && c.n < op->limit) {
            j->verify = j->verify || strcmp(j->state, "unknown") == 0;
            fx_set(&j->state, "in_flight");
            links[c.n] = links_of(j);
            rows[c.n] = (struct store_job){
                .id = j->id,
                .revision = 1,
                .kind = j->kind,
                .fusion_id = j->fusion_id,
                .number = j->fusion_id,
                .klass = j->klass,
                .verify = j->verify,
                .attempts = (unsigned)j->attempts,
                .seen_ago_us = now_us - j->seen_us,
                .sent_ago_us = j->sent_us == 0 ? -1 : now_us - j->sent_us,
                .desired = j->desired,
                .links = links[c.n],
                .parents = j->parents,
                .email_holder = j->email_holder};
            c.n++;
        } else if (strcmp(j->state, "retry") == 0 ||
                   strcmp(j->state, "unknown") == 0) {
            int64_t ms = (j->due_us - now_us) / 1000 + 1;

            ms = ms > 0 ? ms : 0;
            if (c.next_due_ms < 0 || ms < c.next_due_ms) {
                c.next_due_ms = ms;
            }
        }
    }
    fake->taken += c.n;
    op_free(op);
    fn(fn_arg, ERR_OK, &c, &f);
    for (size_t i = 0; i < c.n; i++) {
        mem_free(links[i]);
    }
}

enum err
store_claim(struct store *s, int64_t tenant, const char *portal, int64_t term,
            const struct store_room *room, store_claim_fn *done, void *arg,
            struct store_op **out)
{
    struct op *op = op_new(HOLD_CLAIM, on_claim, arg);

    (void)s;
    EQ_STR(portal, "4711");
    IS(term > 0);
    op->claimed = done;
    op->tenant = tenant;
    fake->room = *room;
    fx_set(&fake->claim_known, room->known);
    op->limit = fake->claim_limit > 0 && fake->claim_limit < room->jobs ?
                    fake->claim_limit :
                    room->jobs;
    *out = (struct store_op *)(void *)op;
    return ERR_OK;
}

/* ---- what is used of the day -------------------------------------------- */

static void
on_budget_stored(void *arg)
{
    struct op *op = arg;
    store_json_fn *fn = op->json;
    void *fn_arg = op->arg;
    json_t *told = json_loads(op->texts[0], 0, NULL);
    bool first = strcmp(op->texts[1], "0") == 0;
    int64_t used = json_integer_value(json_object_get(told, "used"));
    char *answer;
    struct fault f;

    fault_clear(&f);
    json_decref(fake->budget);
    fake->budget = told;
    fake->budgets++;
    if (fake->budget_err != ERR_OK) {
        op_free(op);
        fn(fn_arg, fault_set(&f, ERR_DB_AWAY, "no budget today"), NULL, &f);
        return;
    }
    fake->day_used = used + (first ? fake->day_used : 0);
    answer = mem_printf("{\"held\":true,\"used\":%lld,\"sent\":%lld,"
                        "\"throttled\":0,\"day\":86400,\"ends_ms\":%lld,"
                        "\"stopped_ms\":%lld}",
                        (long long)fake->day_used, (long long)fake->day_used,
                        (long long)fake->day_ms,
                        first ? (long long)fake->day_stopped_ms : 0);
    op_free(op);
    fn(fn_arg, ERR_OK, answer, &f);
    mem_free(answer);
}

enum err
store_budget_save(struct store *s, const struct store_budget *b,
                  store_json_fn *done, void *arg, struct store_op **out)
{
    struct op *op = op_new(HOLD_BUDGET, on_budget_stored, arg);

    (void)s;
    EQ_STR(b->portal, "4711");
    EQ_STR(b->worker, "worker");
    IS(b->term > 0);
    op->json = done;
    op->texts[0] = mem_strdup(b->counts);
    op->texts[1] = mem_printf("%lld", (long long)b->day);
    *out = (struct store_op *)(void *)op;
    return ERR_OK;
}

/* ---- write rows --------------------------------------------------------- */

static void
on_write(void *arg)
{
    struct op *op = arg;
    store_done_fn *fn = op->done;
    void *fn_arg = op->arg;
    enum err err = fake->write_err;
    struct fault f;

    fault_clear(&f);
    if (err == ERR_OK) {
        fake->writes++;
        json_object_set_new(fake->written, op->texts[0], json_true());
    } else {
        (void)fault_set(&f, err, "no row today");
    }
    op_free(op);
    fn(fn_arg, err, &f);
}

enum err
store_write_open(struct store *s, const struct store_write *w,
                 store_done_fn *done, void *arg, struct store_op **out)
{
    struct op *op = op_new(HOLD_WRITE, on_write, arg);

    (void)s;
    EQ_STR(w->portal, "4711");
    EQ_STR(w->worker, "worker");
    EQ_UINT(strlen(w->id), 32);
    IS(w->inputs > 0);
    op->done = done;
    op->texts[0] = mem_strdup(w->id);
    (void)snprintf(fake->last_operation, sizeof(fake->last_operation), "%s",
                   w->operation);
    buf_addf(&fake->operations, "%s ", w->operation);
    fake->last_inputs = w->inputs;
    fx_set(&fake->last_write_jobs, w->jobs);
    *out = (struct store_op *)(void *)op;
    return ERR_OK;
}

/* ---- outcomes ----------------------------------------------------------- */

static json_t *
parse(const char *text)
{
    json_t *o = json_loads(text, 0, NULL);

    ck_assert_msg(o != NULL, "not JSON: %s", text);
    return o;
}

static void
store_link(const json_t *l)
{
    const char *object = jsonx_text(l, "object");
    const char *key = jsonx_text(l, "key");
    char *name = record_name(jsonx_text(l, "kind"), jsonx_text(l, "fusion_id"));
    json_t *links = json_object_get(fake->links, name);
    json_t *id = json_object_get(l, "id");
    json_t *link = NULL;
    size_t at = 0;

    if (links == NULL) {
        links = json_array();
        json_object_set_new(fake->links, name, links);
    }
    for (; at < json_array_size(links) && link == NULL; at++) {
        json_t *x = json_array_get(links, at);

        if (strcmp(jsonx_text(x, "object"), object) == 0 &&
            strcmp(jsonx_text(x, "key"), key) == 0) {
            link = x;
        }
    }
    if (id != NULL && json_is_null(id)) {
        IS(link != NULL);
        json_array_remove(links, at - 1);
    } else if (link == NULL) {
        json_array_append_new(links, json_deep_copy(l));
    } else {
        json_object_update(link, (json_t *)(uintptr_t)l);
    }
    mem_free(name);
}

/* The links of an object that is gone, and an invoice's lines, are forgotten. */
static void
forget(const json_t *gone)
{
    char *name =
        record_name(jsonx_text(gone, "kind"), jsonx_text(gone, "fusion_id"));
    json_t *links = json_object_get(fake->links, name);
    bool invoice = strcmp(jsonx_text(gone, "object"), "invoices") == 0;

    for (size_t i = json_array_size(links); i-- > 0;) {
        const json_t *l = json_array_get(links, i);

        if (text_equal(jsonx_text(l, "id"), jsonx_text(gone, "id")) ||
            (invoice && text_equal(jsonx_text(l, "object"), "line_items"))) {
            json_array_remove(links, i);
        }
    }
    mem_free(name);
}

static struct fake_job *
job_by_id(int64_t id)
{
    struct fake_job *j = fake->jobs;

    while (j != NULL && j->id != id) {
        j = j->next;
    }
    ck_assert_msg(j != NULL, "there is no job %lld", (long long)id);
    return j;
}

static size_t
release(const struct fake_job *parent)
{
    char *name = record_name(parent->kind, parent->fusion_id);
    size_t n = 0;

    for (struct fake_job *j = fake->jobs; j != NULL; j = j->next) {
        if (strcmp(j->state, "waiting") == 0 &&
            text_equal(j->waiting_for, name)) {
            fx_set(&j->state, "queued");
            n++;
        }
    }
    mem_free(name);
    return n;
}

static size_t
store_job(const json_t *row)
{
    struct fake_job *j =
        job_by_id(json_integer_value(json_object_get(row, "id")));
    const char *state = jsonx_text(row, "state");

    ck_assert_msg(strcmp(j->state, "in_flight") == 0,
                  "%s:%s is told to be %s but is %s", j->kind, j->fusion_id,
                  state, j->state);
    EQ_INT(json_integer_value(json_object_get(row, "revision")), 1);
    fx_set(&j->state, state);
    fx_set(&j->waiting_for, jsonx_text(row, "waiting_for"));
    fx_set(&j->code, jsonx_text(row, "error_code"));
    fx_set(&j->error, jsonx_text(row, "error"));
    fx_set(&j->correlation, jsonx_text(row, "correlation"));
    j->attempts = (int)json_integer_value(json_object_get(row, "attempts"));
    j->due_ms = json_integer_value(json_object_get(row, "due_ms"));
    j->due_us = clock_mono_us() + j->due_ms * 1000;
    j->gone = json_is_true(json_object_get(row, "gone"));
    j->verify = false;
    if (strcmp(state, "unknown") == 0 && j->sent_us == 0) {
        j->sent_us = clock_mono_us();
    }
    return strcmp(state, "done") == 0 ? release(j) : 0;
}

static size_t
store_all(struct op *op)
{
    json_t *links = op->texts[1] != NULL ? parse(op->texts[1]) : NULL;
    json_t *jobs = op->texts[2] != NULL ? parse(op->texts[2]) : NULL;
    json_t *audit = op->texts[3] != NULL ? parse(op->texts[3]) : NULL;
    size_t released = 0;

    if (op->texts[0] != NULL) {
        IS(json_is_true(json_object_get(fake->written, op->texts[0])));
        json_object_set_new(fake->written, op->texts[0], json_false());
    }
    for (size_t i = 0; i < json_array_size(links); i++) {
        store_link(json_array_get(links, i));
    }
    for (size_t i = 0; i < json_array_size(jobs); i++) {
        released += store_job(json_array_get(jobs, i));
    }
    if (op->texts[4] != NULL) {
        json_t *gone = parse(op->texts[4]);

        for (size_t i = 0; i < json_array_size(gone); i++) {
            forget(json_array_get(gone, i));
        }
        json_array_extend(fake->gone, gone);
        json_decref(gone);
    }
    json_array_extend(fake->audit, audit);
    json_decref(links);
    json_decref(jobs);
    json_decref(audit);
    return released;
}

static void
on_outcome(void *arg)
{
    struct op *op = arg;
    store_outcome_fn *fn = op->stored;
    void *fn_arg = op->arg;
    enum err err = fake->outcome_err;
    size_t released = 0;
    struct fault f;

    fault_clear(&f);
    if (fx_is_poisoned(fake, op->texts[1])) {
        err = ERR_DB_STATEMENT;
        (void)snprintf(f.code, sizeof(f.code), "22P05");
    }
    if (err == ERR_OK) {
        fake->outcomes++;
        released = store_all(op);
    } else {
        fake->refused_outcomes++;
        (void)fault_set(&f, err, "nothing is stored today");
    }
    op_free(op);
    fn(fn_arg, err, released, &f);
}

enum err
store_outcome(struct store *s, const struct store_outcome *o,
              store_outcome_fn *done, void *arg, struct store_op **out)
{
    struct op *op = op_new(HOLD_OUTCOME, on_outcome, arg);

    (void)s;
    op->stored = done;
    op->texts[0] = mem_strdup(o->write);
    op->texts[1] = mem_strdup(o->links);
    op->texts[2] = mem_strdup(o->jobs);
    op->texts[3] = mem_strdup(o->audit);
    op->texts[4] = mem_strdup(o->gone);
    *out = (struct store_op *)(void *)op;
    return ERR_OK;
}

static void
on_learn(void *arg)
{
    struct op *op = arg;
    store_done_fn *fn = op->done;
    void *fn_arg = op->arg;
    struct fault f;

    fault_clear(&f);
    fake->learned++;
    op_free(op);
    fn(fn_arg, ERR_OK, &f);
}

enum err
store_tenant_learn(struct store *s, int64_t tenant, const char *portal,
                   const char *learned, store_done_fn *done, void *arg,
                   struct store_op **out)
{
    struct op *op = op_new(HOLD_OUTCOME, on_learn, arg);

    (void)s;
    EQ_INT(tenant, TENANT);
    IS(portal == NULL);
    HAS(learned, "provisioned");
    op->done = done;
    *out = (struct store_op *)(void *)op;
    return ERR_OK;
}

/* ---- HubSpot ------------------------------------------------------------ */

size_t
hubspot_batch_max(enum hubspot_verb v)
{
    return v == HUBSPOT_ASSOCIATE ? 2000 : 100;
}

static struct hubspot_meta
good_meta(void)
{
    int64_t now_us = clock_mono_us();

    return (struct hubspot_meta){.status = 200,
                                 .sent_us = now_us,
                                 .answered_us = now_us,
                                 .remaining = -1,
                                 .max = -1,
                                 .daily_remaining = -1,
                                 .retry_after_us = -1};
}

/* The id of an object HubSpot made, or that the links say it has; NULL: none. */
static const char *
known_id(enum map_object o, const char *key)
{
    char *made = mem_printf("%s %s", map_object_name(o), key);
    const char *id = jsonx_text(fake->made, made);
    const char *name;
    json_t *links;

    mem_free(made);
    if (id != NULL) {
        return id;
    }

    json_object_foreach(fake->links, name, links)
    {
        for (size_t i = 0; i < json_array_size(links); i++) {
            const json_t *l = json_array_get(links, i);

            if (text_equal(jsonx_text(l, "object"), map_object_name(o)) &&
                text_equal(jsonx_text(l, "key"), key)) {
                return jsonx_text(l, "id");
            }
        }
    }
    return NULL;
}

static void
note_made(enum map_object o, const char *key, const char *id)
{
    char *name = mem_printf("%s %s", map_object_name(o), key);

    json_object_set_new(fake->made, name, json_string(id));
    mem_free(name);
}

static void
on_batch(void *arg)
{
    struct op *op = arg;
    hubspot_batch_fn *fn = op->replied;
    void *fn_arg = op->arg;
    struct sent *q = op->request;
    struct hubspot_result *r = mem_array(q->n, sizeof(*r));
    struct hubspot_reply reply = {.meta = good_meta(), .n = q->n, .results = r};
    char(*ids)[24] = mem_array(q->n, sizeof(*ids));

    for (size_t i = 0; i < q->n; i++) {
        r[i].outcome =
            q->verb == HUBSPOT_READ ? HUBSPOT_ABSENT : HUBSPOT_WRITTEN;
        r[i].id = q->inputs[i].id;
        if (q->verb == HUBSPOT_UPSERT || q->verb == HUBSPOT_CREATE) {
            const char *known = q->verb == HUBSPOT_UPSERT ?
                                    known_id(q->object, q->inputs[i].id) :
                                    NULL;

            if (known != NULL &&
                (text_equal(known, fake->dead) || fake->remakes_left > 0)) {
                fake->remakes_left -= fake->remakes_left > 0 ? 1 : 0;
                known = NULL;
            }
            if (known != NULL) {
                (void)snprintf(ids[i], sizeof(ids[i]), "%s", known);
            } else {
                (void)snprintf(ids[i], sizeof(ids[i]), "%lld",
                               (long long)++fake->next_hubspot);
            }
            r[i].id = ids[i];
            r[i].created = known == NULL;
        }
    }
    if (fake->decide != NULL) {
        fake->decide(fake, q, &reply.meta, r, &reply.split);
    }
    for (size_t i = 0; i < q->n; i++) {
        if ((q->verb == HUBSPOT_UPSERT || q->verb == HUBSPOT_CREATE) &&
            r[i].outcome == HUBSPOT_WRITTEN) {
            note_made(q->object, q->inputs[i].id, r[i].id);
        }
    }
    reply.no_key = fake->no_key;
    fake->no_key = false;
    op_free(op);
    fn(fn_arg, &reply);
    for (size_t i = 0; i < q->n; i++) {
        json_decref(r[i].properties);
    }
    mem_free(ids);
    mem_free(r);
}

/* "contacts k1; companies c1; ", to free */
static char *
joins_text(const struct hubspot_input *in)
{
    struct buf b;
    char *text;

    buf_init(&b, 1024);
    for (size_t k = 0; k < in->n_joins; k++) {
        buf_addf(&b, "%s %s; ", map_object_name(in->joins[k].to),
                 in->joins[k].id);
    }
    text = mem_strdup(buf_text(&b));
    buf_fini(&b);
    return text;
}

static struct sent *
note_request(const struct hubspot *h, const struct hubspot_batch *b)
{
    struct sent *q = &fake->sent[fake->n_sent++];

    IS(fake->n_sent < SENT_MAX);
    IS(b->n > 0 && b->n <= hubspot_batch_max(b->verb));
    q->verb = b->verb;
    q->object = b->object;
    q->to = b->to;
    q->hubspot = h;
    q->id_property = mem_strdup(b->id_property);
    q->n = b->n;
    q->at_us = clock_mono_us();
    q->inputs = mem_array(b->n, sizeof(q->inputs[0]));
    for (size_t i = 0; i < b->n; i++) {
        IS(b->inputs[i].id != NULL);
        q->inputs[i].id = mem_strdup(b->inputs[i].id);
        q->inputs[i].to = mem_strdup(b->inputs[i].to);
        q->inputs[i].properties = mem_strdup(b->inputs[i].properties);
        q->inputs[i].joins = joins_text(&b->inputs[i]);
    }
    return q;
}

enum err
hubspot_send(struct hubspot *h, const struct hubspot_batch *b,
             hubspot_batch_fn *done, void *arg, struct hubspot_op **out)
{
    struct op *op = op_new(HOLD_HUBSPOT, on_batch, arg);

    IS(h != NULL);
    op->replied = done;
    op->request = note_request(h, b);
    *out = (struct hubspot_op *)(void *)op;
    return ERR_OK;
}

static void
on_call(void *arg)
{
    struct op *op = arg;
    hubspot_call_fn *fn = op->called;
    void *fn_arg = op->arg;
    struct hubspot_meta m = good_meta();

    if (fake->call_err != ERR_OK) {
        m.status = fake->call_err == ERR_CREDENTIALS ? 401 : 503;
        (void)fault_set(&m.fault, fake->call_err, "not today");
    }
    op_free(op);
    fn(fn_arg, &m, NULL);
}

enum err
hubspot_call_send(struct hubspot *h, const struct hubspot_call *c,
                  hubspot_call_fn *done, void *arg, struct hubspot_op **out)
{
    struct op *op = op_new(HOLD_HUBSPOT, on_call, arg);

    IS(h != NULL);
    IS(c->path != NULL && c->operation != NULL);
    op->called = done;
    IS(fake->n_calls < SENT_MAX);
    fake->call_us[fake->n_calls++] = clock_mono_us();
    *out = (struct hubspot_op *)(void *)op;
    return ERR_OK;
}
