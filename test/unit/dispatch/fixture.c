/* SPDX-License-Identifier: UNLICENSED */
/* The jobs, the life and the questions of fake.h. */
#include "fake.h"

/* ---- jobs --------------------------------------------------------------- */

void
fx_set(char **field, const char *value)
{
    char *kept = mem_strdup(value);

    mem_free(*field);
    *field = kept;
}

struct fake_job *
fx_job(struct fx *fx, int64_t tenant, const char *kind, const char *id,
       const char *desired, const char *parents)
{
    struct fake_job *j = MEM_NEW(struct fake_job);
    struct fake_job **end = &fx->jobs;

    while (*end != NULL) {
        end = &(*end)->next;
    }
    *end = j;
    j->id = ++fx->next_id;
    j->seen_us = clock_mono_us() - INT64_C(60000000);
    j->tenant = tenant;
    fx_set(&j->kind, kind);
    fx_set(&j->fusion_id, id);
    fx_set(&j->klass, "fresh");
    fx_set(&j->state, "queued");
    fx_set(&j->desired, desired);
    fx_set(&j->parents, parents);
    return j;
}

static struct fake_job *
take_text(struct fx *fx, int64_t tenant, const char *kind, const char *id,
          struct buf *desired, const char *parents)
{
    struct fake_job *j =
        fx_job(fx, tenant, kind, id, buf_text(desired), parents);

    buf_fini(desired);
    return j;
}

struct fake_job *
fx_plain(struct fx *fx, int64_t tenant, const char *number)
{
    struct buf b;

    buf_init(&b, 4096);
    buf_addf(&b,
             "{\"objects\":[{\"object\":\"commerce_payments\",\"key\":\"%s\","
             "\"properties\":{\"fusion_payment_key\":\"%s\"}}]}",
             number, number);
    return take_text(fx, tenant, "payment", number, &b, "{}");
}

struct fake_job *
fx_customer(struct fx *fx, const char *number)
{
    struct buf b;

    buf_init(&b, 4096);
    buf_addf(&b,
             "{\"objects\":[{\"object\":\"companies\",\"key\":\"%s\","
             "\"properties\":{\"fusion_account_number\":\"%s\","
             "\"name\":\"Acme\"}},"
             "{\"object\":\"contacts\",\"key\":\"%s\","
             "\"properties\":{\"fusion_account_number\":\"%s\","
             "\"email\":\"%s@example.com\"}}]}",
             number, number, number, number, number);
    return take_text(fx, TENANT, "customer", number, &b, "{}");
}

struct fake_job *
fx_invoice(struct fx *fx, const char *id, int lines, const char *status)
{
    struct buf b;

    buf_init(&b, 1 << 20);
    buf_addf(&b,
             "{\"objects\":[{\"object\":\"invoices\",\"key\":\"%s\","
             "\"properties\":{\"fusion_transaction_id\":\"%s\","
             "\"hs_currency\":\"USD\"}}",
             id, id);
    for (int i = 1; i <= lines; i++) {
        buf_addf(&b,
                 ",{\"object\":\"line_items\",\"key\":\"%s-%d\","
                 "\"properties\":{\"fusion_line_id\":\"%s-%d\","
                 "\"quantity\":\"1\"}}",
                 id, i, id, i);
    }
    buf_addc(&b, ']');
    if (status != NULL) {
        buf_addf(&b, ",\"status\":\"%s\"", status);
    }
    buf_addc(&b, '}');
    return take_text(fx, TENANT, "invoice", id, &b,
                     "{\"customer\":{\"id\":\"1008\",\"state\":\"current\","
                     "\"company\":\"c1\",\"contact\":\"k1\","
                     "\"email\":\"pay@example.com\"}}");
}

struct fake_job *
fx_payment(struct fx *fx, const char *id)
{
    struct buf b;

    buf_init(&b, 4096);
    buf_addf(&b,
             "{\"objects\":[{\"object\":\"commerce_payments\",\"key\":\"%s\","
             "\"properties\":{\"fusion_payment_key\":\"%s\","
             "\"hs_initial_amount\":\"10.00\"}}]}",
             id, id);
    return take_text(fx, TENANT, "payment", id, &b,
                     "{\"customer\":{\"id\":\"1008\",\"state\":\"current\","
                     "\"company\":\"c1\",\"contact\":\"k1\","
                     "\"email\":\"pay@example.com\"},"
                     "\"invoice\":{\"id\":\"3001\",\"state\":\"current\","
                     "\"hubspot\":\"i1\"}}");
}

struct fake_job *
fx_find(struct fx *fx, const char *kind, const char *id)
{
    struct fake_job *j = fx->jobs;

    while (j != NULL &&
           (strcmp(j->kind, kind) != 0 || strcmp(j->fusion_id, id) != 0)) {
        j = j->next;
    }
    ck_assert_msg(j != NULL, "there is no job of %s:%s", kind, id);
    return j;
}

bool
fx_is(struct fx *fx, const char *kind, const char *id, const char *state)
{
    return strcmp(fx_find(fx, kind, id)->state, state) == 0;
}

/* ---- links and audit ---------------------------------------------------- */

void
fx_link(struct fx *fx, const char *kind, const char *id, const char *link_json)
{
    char *name = mem_printf("%s:%s", kind, id);
    json_t *links = json_object_get(fx->links, name);
    json_t *link = json_loads(link_json, 0, NULL);
    const json_t *properties = json_object_get(link, "properties");
    char text[HASH_TEXT_MAX];

    ck_assert_msg(link != NULL, "not JSON: %s", link_json);
    if (properties != NULL && json_object_get(link, "hash") == NULL) {
        json_t *bare = json_deep_copy(properties);
        char *dumped;
        struct hash h;

        json_object_del(bare, "hs_invoice_status");
        dumped = json_dumps(bare, 0);
        h = map_properties_hash(dumped);
        json_object_set_new(link, "hash", json_string(hash_text(&h, text)));
        free(dumped);
        json_decref(bare);
    }
    if (links == NULL) {
        links = json_array();
        json_object_set_new(fx->links, name, links);
    }
    json_array_append_new(links, link);
    mem_free(name);
}

json_t *
fx_stored(struct fx *fx, const char *kind, const char *id, const char *object,
          const char *key)
{
    char *name = mem_printf("%s:%s", kind, id);
    json_t *links = json_object_get(fx->links, name);

    mem_free(name);
    for (size_t i = 0; i < json_array_size(links); i++) {
        json_t *l = json_array_get(links, i);

        if (strcmp(jsonx_text(l, "object"), object) == 0 &&
            strcmp(jsonx_text(l, "key"), key) == 0) {
            return l;
        }
    }
    return NULL;
}

bool
fx_has_assoc(const json_t *link, const char *entry)
{
    const json_t *assoc = json_object_get(link, "assoc");

    for (size_t i = 0; i < json_array_size(assoc); i++) {
        if (text_equal(json_string_value(json_array_get(assoc, i)), entry)) {
            return true;
        }
    }
    return false;
}

json_t *
fx_audited(struct fx *fx, const char *event, size_t n)
{
    for (size_t i = 0; i < json_array_size(fx->audit); i++) {
        json_t *row = json_array_get(fx->audit, i);

        if (strcmp(jsonx_text(row, "event"), event) == 0 && n-- == 0) {
            return row;
        }
    }
    return NULL;
}

size_t
fx_audit_count(struct fx *fx, const char *event, const char *outcome)
{
    size_t n = 0;
    json_t *row;

    for (size_t i = 0; (row = fx_audited(fx, event, i)) != NULL; i++) {
        n += text_equal(jsonx_text(row, "outcome"), outcome) ? 1 : 0;
    }
    return n;
}

/* ---- the state of the database ------------------------------------------ */

bool
store_is_up(const struct store *s)
{
    (void)s;
    return !fake->down;
}

const char *
store_fault_cause(const struct fault *f)
{
    return f->message;
}

bool
fx_is_poisoned(const struct fx *fx, const char *links)
{
    return fx->poison_all || (fx->poison != NULL && links != NULL &&
                              strstr(links, fx->poison) != NULL);
}

/* ---- requests ----------------------------------------------------------- */

const struct sent *
fx_sent(struct fx *fx, enum hubspot_verb v, enum map_object o, size_t n)
{
    for (size_t i = 0; i < fx->n_sent; i++) {
        if (fx->sent[i].verb == v && fx->sent[i].object == o && n-- == 0) {
            return &fx->sent[i];
        }
    }
    return NULL;
}

size_t
fx_sent_count(struct fx *fx, enum hubspot_verb v, enum map_object o)
{
    size_t n = 0;

    while (fx_sent(fx, v, o, n) != NULL) {
        n++;
    }
    return n;
}

const char *
fx_trace(struct fx *fx)
{
    static const char *const verbs[] = {"upsert",  "update",    "read",
                                        "archive", "associate", "dissociate",
                                        "create"};
    static char text[8192];
    struct buf b;

    buf_init(&b, sizeof(text) - 1);
    for (size_t i = 0; i < fx->n_sent; i++) {
        const struct sent *q = &fx->sent[i];

        buf_addf(&b, "%s %s", verbs[q->verb], map_object_name(q->object));
        if (q->verb == HUBSPOT_ASSOCIATE || q->verb == HUBSPOT_DISSOCIATE) {
            buf_addf(&b, "-%s", map_object_name(q->to));
        }
        buf_addf(&b, " %zu; ", q->n);
    }
    (void)snprintf(text, sizeof(text), "%s", buf_text(&b));
    buf_fini(&b);
    return text;
}

void
fail_result(struct hubspot_result *r, enum hubspot_outcome outcome,
            enum err err, const char *code, const char *message)
{
    r->outcome = outcome;
    r->id = NULL;
    r->created = false;
    fault_clear(&r->fault);
    (void)fault_set(&r->fault, err, "%s", message);
    (void)snprintf(r->fault.code, sizeof(r->fault.code), "%s", code);
    (void)snprintf(r->fault.correlation, sizeof(r->fault.correlation),
                   "corr-1");
}

void
fail_all(const struct sent *q, struct hubspot_meta *m, struct hubspot_result *r,
         int status, enum hubspot_outcome outcome, enum err err)
{
    m->status = status;
    for (size_t i = 0; i < q->n; i++) {
        fail_result(&r[i], outcome, err, "", "not today");
        r[i].fault.http_status = status;
    }
    m->fault = r[0].fault;
}

/* ---- life --------------------------------------------------------------- */

static void
on_want(void *arg, int64_t tenant, const char *kind, const char *id)
{
    struct fx *fx = arg;

    EQ_INT(tenant, TENANT);
    fx->wants++;
    (void)snprintf(fx->want, sizeof(fx->want), "%s:%s", kind, id);
}

static void
on_halted(void *arg, int64_t tenant, enum err err, const struct fault *f)
{
    struct fx *fx = arg;

    EQ_INT(tenant, TENANT);
    EQ_ERR(err, f->err);
    fx->halts++;
    fx->halt = *f;
    if (fx->halt_removes) {
        dispatch_remove(fx->d, tenant);
    }
}

static void
on_lost(void *arg)
{
    ((struct fx *)arg)->losts++;
}

struct dispatch_config
fx_config(void)
{
    return (struct dispatch_config){.portal = "4711",
                                    .worker = "worker",
                                    .limit = 500,
                                    .window_ms = 300,
                                    .linger_ms = 5,
                                    .linger_busy_ms = 30,
                                    .cutoff_ms = 100000,
                                    .depth = 500,
                                    .retry_base_ms = 20,
                                    .retry_cap_ms = 40,
                                    .retry_attempts = 3,
                                    .jobs_max = 5000,
                                    .shares = {50, 20, 10, 15, 5}};
}

void
fx_open(struct fx *fx, const struct dispatch_config *c)
{
    struct dispatch_events events = {
        .want = on_want, .halted = on_halted, .lease_lost = on_lost, .arg = fx};

    memset(fx, 0, sizeof(*fx));
    fake = fx;
    fx->config = c != NULL ? *c : fx_config();
    fx->loop = loop_new();
    fx->links = json_object();
    fx->audit = json_array();
    fx->gone = json_array();
    fx->made = json_object();
    fx->written = json_object();
    fx->next_hubspot = 100;
    fx->provision_calls = 2;
    fx->day_ms = 3600000;
    list_init(&fx->ops);
    buf_init(&fx->operations, 1 << 20);
    fx->d = dispatch_new(fx->loop, NULL, &fx->config, &events);
}

/* Never looked into: only its identity counts. */
static char hubspots[64];

const struct hubspot *
fx_hubspot(int64_t tenant)
{
    return (const struct hubspot *)(const void *)&hubspots[tenant % 64];
}

void
fx_add(struct fx *fx, int64_t tenant, bool provisioned)
{
    char name[32];

    (void)snprintf(name, sizeof(name), "tenant-%d", (int)tenant);
    dispatch_add(fx->d, tenant, name,
                 (struct hubspot *)(uintptr_t)fx_hubspot(tenant), "v3",
                 provisioned);
}

void
fx_lease(struct fx *fx, int64_t ms)
{
    dispatch_lease(fx->d, 1, clock_mono_us() + ms * 1000, 0, 0);
}

void
fx_start(struct fx *fx)
{
    fx_add(fx, TENANT, true);
    fx_lease(fx, 60000);
}

void
fx_settle(struct fx *fx)
{
    do {
        loop_turn(fx->loop, 1);
    } while (!dispatch_is_idle(fx->d) || fx->n_ops > 0);
}

void
fx_quiet(struct fx *fx)
{
    int64_t until_us = clock_mono_us() + 60000;

    UNTIL(fx, clock_mono_us() >= until_us);
}

static void
free_job(struct fake_job *j)
{
    char *texts[] = {j->kind,    j->fusion_id,    j->klass,      j->desired,
                     j->parents, j->email_holder, j->state,      j->waiting_for,
                     j->code,    j->error,        j->correlation};

    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        mem_free(texts[i]);
    }
    mem_free(j);
}

static void
free_sent(struct sent *q)
{
    for (size_t i = 0; i < q->n; i++) {
        mem_free(q->inputs[i].id);
        mem_free(q->inputs[i].to);
        mem_free(q->inputs[i].properties);
        mem_free(q->inputs[i].joins);
    }
    mem_free(q->inputs);
    mem_free(q->id_property);
}

void
fx_close(struct fx *fx)
{
    dispatch_free(fx->d);
    EQ_UINT(fx->n_ops, 0);
    OK(loop_free(fx->loop));
    while (fx->jobs != NULL) {
        struct fake_job *j = fx->jobs;

        fx->jobs = j->next;
        free_job(j);
    }
    for (size_t i = 0; i < fx->n_sent; i++) {
        free_sent(&fx->sent[i]);
    }
    json_decref(fx->links);
    json_decref(fx->audit);
    json_decref(fx->gone);
    json_decref(fx->made);
    json_decref(fx->written);
    json_decref(fx->budget);
    buf_fini(&fx->operations);
    mem_free(fx->last_write_jobs);
    mem_free(fx->claim_known);
}
