/* SPDX-License-Identifier: UNLICENSED */
/*
 * The store, dispatch and feeds of tenant's tests; see stand_ins.h. Operations
 * are kept in a list, so that one that is neither answered nor cancelled shows
 * at the end.
 */
#include "stand_ins.h"

struct stage fx;

/* ---- the store ---------------------------------------------------------- */

static void
op_free(struct op *op)
{
    loop_call_cancel(&op->later);
    list_remove(&op->link);
    mem_free(op->held);
    mem_free(op->wanted);
    mem_free(op);
}

static struct op *
op_new(loop_fn *answer, void *fn_arg, struct store_op **out)
{
    struct op *op = MEM_NEW(struct op);

    op->answer = answer;
    op->fn_arg = fn_arg;
    list_init(&op->link);
    list_push(&fx.ops, &op->link);
    loop_later(fx.loop, &op->later, answer, op);
    *out = (struct store_op *)(void *)op;
    return op;
}

void
store_cancel(struct store_op *op)
{
    if (op != NULL) {
        op_free((struct op *)(void *)op);
    }
}

static void
on_tenants(void *arg)
{
    struct op op = *(struct op *)arg;
    struct fault f;

    fault_clear(&f);
    op_free(arg);
    fx.all_loads++;
    op.tenants(op.fn_arg, ERR_OK, fx.rows, fx.n_rows, &f);
}

static void
on_tenant(void *arg)
{
    struct op op = *(struct op *)arg;
    struct fault f;

    fault_clear(&f);
    op_free(arg);
    op.tenants(op.fn_arg, ERR_OK, fx.rows, fx.gone ? 0 : 1, &f);
}

enum err
store_tenants(struct store *s, const char *name, store_tenants_fn *done,
              void *arg, struct store_op **out)
{
    (void)s;
    if (name != NULL) {
        EQ_STR(name, fx.rows[0].name);
        fx.loads++;
    }
    op_new(name != NULL ? on_tenant : on_tenants, arg, out)->tenants = done;
    return ERR_OK;
}

static void
on_mark(void *arg)
{
    struct op op = *(struct op *)arg;
    char text[96];
    struct fault f;

    fault_clear(&f);
    op_free(arg);
    (void)snprintf(text, sizeof(text), "{\"mark\":\"m%d\",\"asked\":%s}",
                   fx.mark >= 0 ? fx.mark : (int)++fx.marks,
                   fx.rows[0].asked ? "true" : "false");
    op.json(op.fn_arg, ERR_OK, text, &f);
}

enum err
store_tenants_mark(struct store *s, store_json_fn *done, void *arg,
                   struct store_op **out)
{
    (void)s;
    op_new(on_mark, arg, out)->json = done;
    return ERR_OK;
}

void
on_done(void *arg)
{
    struct op op = *(struct op *)arg;
    struct fault f;

    fault_clear(&f);
    op_free(arg);
    op.done(op.fn_arg, op.err, &f);
}

enum err
store_tenant_state(struct store *s, const char *name, const char *from,
                   const char *to, const char *reason, const char *actor,
                   store_done_fn *done, void *arg, struct store_op **out)
{
    (void)s;
    (void)name;
    (void)from;
    (void)actor;
    (void)snprintf(fx.reason, sizeof(fx.reason), "%s",
                   reason != NULL ? reason : "");
    fx.halts += strcmp(to, "halted") == 0 ? 1 : 0;
    fx.rows[0].state = strcmp(to, "held") == 0   ? "held" :
                       strcmp(to, "active") == 0 ? "active" :
                                                   "halted";
    op_new(on_done, arg, out)->done = done;
    return ERR_OK;
}

enum err
store_tenant_learn(struct store *s, int64_t tenant, const char *portal,
                   const char *learned, store_done_fn *done, void *arg,
                   struct store_op **out)
{
    (void)s;
    (void)snprintf(fx.learned_json, sizeof(fx.learned_json), "%s", learned);
    EQ_INT(tenant, fx.rows[0].id);
    EQ_STR(portal, "4711");
    fx.learned++;
    fx.rows[0].portal = "4711";
    fx.rows[0].learned = fx.learned_json;
    op_new(on_done, arg, out)->done = done;
    return ERR_OK;
}

/* The portals of a beat, one after the other: true while there is one. */
static bool
next_portal(const json_t *list, size_t *i, const char **portal, int64_t *term)
{
    const json_t *one = json_array_get(list, *i);

    (*i)++;
    *portal = json_is_string(one) ? json_string_value(one) :
                                    jsonx_text(one, "portal");
    *term = json_integer_value(json_object_get(one, "term"));
    return one != NULL;
}

static void
on_beat(void *arg)
{
    struct op op = *(struct op *)arg;
    struct store_beat_lease leases[ROWS_MAX];
    struct store_beat b = {.share = fx.share,
                           .workers = 1,
                           .portals = 1,
                           .next_ms = 15000,
                           .leases = leases};
    json_t *held = json_loads(op.held, 0, NULL);
    json_t *wanted = json_loads(op.wanted, 0, NULL);
    const char *portal;
    int64_t term;
    struct fault f;

    fault_clear(&f);
    for (size_t i = 0; next_portal(held, &i, &portal, &term);) {
        leases[b.n++] = (struct store_beat_lease){
            .event = term == fx.term ? STORE_LEASE_RENEWED : STORE_LEASE_LOST,
            .portal = portal,
            .lease = {.held = term == fx.term, .term = term, .ttl_ms = 15000}};
    }
    for (size_t i = 0; next_portal(wanted, &i, &portal, &term);) {
        if (b.n >= fx.share) {
            continue;
        }
        IS(fx.leases < COUNT_OF(fx.taken));
        (void)snprintf(fx.taken[fx.leases++], sizeof(fx.taken[0]), "%s",
                       portal);
        leases[b.n++] = (struct store_beat_lease){
            .event = STORE_LEASE_TAKEN,
            .portal = portal,
            .lease = {.held = true, .term = fx.term, .ttl_ms = 15000}};
    }
    mem_free(op.held);
    mem_free(op.wanted);
    ((struct op *)arg)->held = ((struct op *)arg)->wanted = NULL;
    op_free(arg);
    fx.beats++;
    op.beat(op.fn_arg, op.err, op.err == ERR_OK ? &b : NULL, &f);
    json_decref(held);
    json_decref(wanted);
}

enum err
store_lease_beat(struct store *s, const struct store_beat_spec *spec,
                 store_beat_fn *done, void *arg, struct store_op **out)
{
    struct op *op = op_new(on_beat, arg, out);

    (void)s;
    EQ_STR(spec->who.worker, "me");
    EQ_INT(spec->who.ttl_ms, fx.conf.lease_ttl);
    fx.mode = spec->mode;
    fx.most = spec->most;
    op->beat = done;
    op->held = mem_strdup(spec->held);
    op->wanted = mem_strdup(spec->wanted);
    op->err = fx.beat_err;
    return ERR_OK;
}

const char *
store_fault_cause(const struct fault *f)
{
    (void)f;
    return "rights are missing";
}

void
store_fence(struct store *s, int64_t tenant, const char *portal, int64_t term)
{
    (void)s;
    (void)tenant;
    fx.fence = portal != NULL ? term : 0;
}

enum err
store_lease_release(struct store *s, const char *portal, const char *worker,
                    int64_t term, unsigned out_tokens, int64_t back_ms,
                    store_done_fn *done, void *arg, struct store_op **out)
{
    struct op *op = op_new(on_done, arg, out);

    (void)s;
    (void)portal;
    (void)worker;
    (void)out_tokens;
    (void)back_ms;
    fx.released_term = term;
    op->done = done;
    fx.released++;
    if (fx.hold_release) {
        loop_call_cancel(&op->later);
        fx.releasing = op;
    }
    return ERR_OK;
}

static void
on_json(void *arg)
{
    struct op op = *(struct op *)arg;
    const char *rows = fx.asked != NULL ? fx.asked : "[]";
    struct fault f;

    fault_clear(&f);
    op_free(arg);
    fx.asked = NULL; /* taken once */
    op.json(op.fn_arg, ERR_OK, rows, &f);
}

enum err
store_requests_take(struct store *s, const struct store_requests *r,
                    store_json_fn *done, void *arg, struct store_op **out)
{
    (void)s;
    EQ_STR(r->worker, "me");
    IS(r->tenant == 0 || (fx.once && r->tenant == 5));
    (void)snprintf(fx.held, sizeof(fx.held), "%s", r->held);
    fx.limit = r->limit;
    (void)snprintf(fx.known, sizeof(fx.known), "%s",
                   r->known != NULL ? r->known : "");
    fx.takes++;
    op_new(on_json, arg, out)->json = done;
    return ERR_OK;
}

enum err
store_requests_answer(struct store *s, const char *worker, const char *answers,
                      store_done_fn *done, void *arg, struct store_op **out)
{
    struct op *op = op_new(on_done, arg, out);

    (void)s;
    EQ_STR(worker, "me");
    (void)snprintf(fx.answers, sizeof(fx.answers), "%s", answers);
    op->done = done;
    op->err = fx.away ? ERR_DB_AWAY : fx.spoilt ? ERR_DB_STATEMENT : ERR_OK;
    fx.answered++;
    return ERR_OK;
}

enum err
store_job_counts(struct store *s, int64_t tenant, store_json_fn *done,
                 void *arg, struct store_op **out)
{
    (void)s;
    (void)tenant;
    if (fx.counts == NULL) {
        return ERR_FULL;
    }
    fx.asked = fx.counts;
    op_new(on_json, arg, out)->json = done;
    return ERR_OK;
}

enum err
vault_unseal(const struct vault *v, const char *tenant, const char *field,
             const char *sealed, struct secret **out, struct fault *f)
{
    (void)v;
    (void)tenant;
    (void)field;
    (void)f;
    *out = secret_new(sealed, strlen(sealed));
    return ERR_OK;
}

/* ---- dispatch ----------------------------------------------------------- */

struct dispatch *
dispatch_new(struct loop *l, struct store *s, const struct dispatch_config *c,
             const struct dispatch_events *e)
{
    struct dispatch *d = MEM_NEW(struct dispatch);

    (void)l;
    (void)s;
    EQ_UINT(c->limit, 190);
    d->events = *e;
    fx.config = *c;
    (void)snprintf(fx.zone, sizeof(fx.zone), "%s",
                   c->time_zone != NULL ? c->time_zone : "");
    (void)snprintf(d->portal, sizeof(d->portal), "%s", c->portal);
    fx.last = d;
    return d;
}

void
dispatch_free(struct dispatch *d)
{
    if (d == NULL) {
        return;
    }
    loop_call_cancel(&d->drained);
    fx.last = fx.last == d ? NULL : fx.last;
    mem_free(d);
}

void
dispatch_lease(struct dispatch *d, int64_t term, int64_t until_us,
               unsigned hold, int64_t hold_ms)
{
    (void)d;
    (void)hold;
    (void)hold_ms;
    EQ_INT(term, fx.term);
    fx.allowed++;
    IS(until_us > clock_mono_us());
}

void
dispatch_add(struct dispatch *d, int64_t tenant, const char *name,
             struct hubspot *h, const char *api_version, bool provisioned)
{
    (void)name;
    (void)api_version;
    (void)provisioned;
    IS(h != NULL);
    IS(d->n < ROWS_MAX);
    d->hubspots[d->n] = h;
    d->tenants[d->n++] = tenant;
}

int64_t
dispatch_add_caller(struct dispatch *d, const char *name, struct hubspot *h,
                    const char *api_version)
{
    (void)name;
    dispatch_add(d, -(int64_t)++fx.callers, name, h, api_version, true);
    return -(int64_t)fx.callers;
}

void
dispatch_mended(struct dispatch *d, int64_t tenant)
{
    (void)d;
    EQ_INT(tenant, 5);
    fx.mended++;
}

enum err
dispatch_provision(struct dispatch *d, int64_t tenant, bool dry_run,
                   dispatch_provision_fn *done, void *arg)
{
    IS(tenant < 0);
    fx.dry = dry_run;
    fx.provisions++;
    d->provision = done;
    d->provision_arg = arg;
    return ERR_OK;
}

void
dispatch_remove(struct dispatch *d, int64_t tenant)
{
    for (size_t i = 0; i < d->n; i++) {
        if (d->tenants[i] == tenant) {
            hubspot_free(d->hubspots[i]);
            d->hubspots[i] = d->hubspots[--d->n];
            d->tenants[i] = d->tenants[d->n];
            fx.removed += tenant < 0 ? 1 : 0;
            if (tenant < 0) {
                d->provision = NULL;
            } else {
                d->call = NULL; /* its calls are given up */
            }
            return;
        }
    }
    FAIL("tenant %d is removed but is not there", (int)tenant);
}

void
dispatch_tune(struct dispatch *d, unsigned limit, int64_t daily_limit,
              const char *time_zone)
{
    (void)d;
    (void)time_zone;
    fx.tuned = limit;
    fx.tuned_daily = daily_limit;
}

void
dispatch_poke(struct dispatch *d, int64_t tenant)
{
    (void)d;
    (void)tenant;
}

void
dispatch_drain(struct dispatch *d, loop_fn *drained, void *arg)
{
    loop_later(fx.loop, &d->drained, drained, arg);
}

bool
dispatch_is_idle(const struct dispatch *d)
{
    (void)d;
    return true;
}

bool
dispatch_withholds(struct dispatch *d)
{
    (void)d;
    return fx.withholds;
}

struct dispatch_status
dispatch_status(const struct dispatch *d)
{
    (void)d;
    return (struct dispatch_status){.tokens_out = 7,
                                    .daily_used = 300,
                                    .daily_limit = 400,
                                    .level = QUOTA_NO_BACKFILL};
}

void
dispatch_hold(struct dispatch *d, bool hold)
{
    (void)d;
    (void)hold;
}

unsigned
dispatch_tokens_out(const struct dispatch *d, int64_t *back_ms)
{
    (void)d;
    *back_ms = 0;
    return 0;
}

enum err
dispatch_call(struct dispatch *d, int64_t tenant,
              const struct hubspot_call *call, hubspot_call_fn *done, void *arg)
{
    EQ_STR(call->operation, "account.details");
    IS(tenant < 0 || tenant == fx.rows[0].id);
    fx.n_calls++;
    d->call = done;
    d->call_arg = arg;
    return ERR_OK;
}

/* ---- feeds -------------------------------------------------------------- */

struct feeds {
    int unused;
};

struct feeds *
feeds_new(struct loop *l, struct store *s, struct fusion *f,
          const struct mapping *m, const struct feeds_config *c,
          const struct feeds_events *e)
{
    (void)l;
    (void)s;
    (void)m;
    (void)c;
    fx.feeds = *e;
    IS(f != NULL);
    return MEM_NEW(struct feeds);
}

void
feeds_free(struct feeds *f)
{
    fx.frees += f != NULL ? 1 : 0;
    mem_free(f);
}

void
feeds_start(struct feeds *f)
{
    (void)f;
}

void
feeds_stop(struct feeds *f)
{
    (void)f;
}

void
feeds_poll_once(struct feeds *f)
{
    (void)f;
    fx.polls++;
    EQ_UINT(fx.takes, fx.rows[0].asked ? 1 : 0); /* asked before */
}

void
feeds_hurry(struct feeds *f)
{
    (void)f;
    fx.hurried++;
}

void
feeds_sync(struct feeds *f, enum feed_kind k)
{
    IS(f != NULL);
    fx.synced[k]++;
}

struct feed_status
feeds_status(const struct feeds *f, enum feed_kind k)
{
    struct feed_status s = {.state = "idle"};

    IS(f != NULL);
    fault_clear(&s.fault);
    if (k == FEED_PAYMENTS) {
        s.state = "maintenance";
        s.err = fault_set(&s.fault, ERR_MAINTENANCE, "back at nine");
    }
    return s;
}

static const char *const kinds[] = {"customers", "invoices", "payments"};

const char *
feed_kind_name(enum feed_kind k)
{
    return kinds[k];
}

bool
feed_kind_parse(const char *s, enum feed_kind *k)
{
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        if (strcmp(s, kinds[i]) == 0) {
            *k = (enum feed_kind)i;
            return true;
        }
    }
    return false;
}

void
feeds_want(struct feeds *f, const char *kind, const char *id)
{
    (void)f;
    (void)kind;
    (void)id;
}

/* ---- life --------------------------------------------------------------- */

static const char settings[] =
    "{\"fusion_url\":\"https://pod.example.com\",\"fusion_auth\":\"basic\","
    "\"fusion_user\":\"u\",\"hubspot_tier\":\"professional\"}";

static void
on_finished(void *arg)
{
    (void)arg;
    fx.finished++;
}

void
begin_as(const char *portal, bool once, bool asked)
{
    struct tenants_config c = {.conf = &fx.conf, .worker = "me", .once = once};
    struct tenants_events e = {on_finished, NULL};

    memset(&fx, 0, sizeof(fx));
    fx.once = once;
    fx.mark = -1;
    fx.term = 1;
    fx.share = ROWS_MAX;
    list_init(&fx.ops);
    fx.loop = loop_new();
    fx.conf.lease_ttl = 15000;
    fx.rows[0] = (struct store_tenant){
        .id = 5,
        .name = "demo",
        .state = "active",
        .portal = portal,
        .settings = settings,
        .sealed = "{\"hubspot_token\":\"t\",\"fusion_password\":\"p\"}",
        .learned = "{}",
        .revision = 1,
        .asked = asked};
    fx.n_rows = 1;
    fx.tenants = tenants_new(fx.loop, NULL, NULL, NULL, &c, &e);
    tenants_start(fx.tenants);
}

void
begin(const char *portal)
{
    begin_as(portal, false, false);
}

static void
on_stopped(void *arg)
{
    (void)arg;
    fx.stopped++;
}

void
end(void)
{
    tenants_stop(fx.tenants, on_stopped, NULL);
    while (fx.stopped == 0) {
        loop_turn(fx.loop, 1);
    }
    loop_turn(fx.loop, 20);
    EQ_UINT(fx.stopped, 1);
    tenants_free(fx.tenants);
    IS(list_empty(&fx.ops));
    IS(fx.last == NULL);
    OK(loop_free(fx.loop));
}

void
turn(void)
{
    loop_turn(fx.loop, 50);
}

void
lose_lease(void)
{
    fx.term++;
    fx.share = 0;
    fx.last->events.lease_lost(fx.last->events.arg);
    turn();
    IS(fx.last == NULL);
}

void
reload(void)
{
    tenants_reload_soon(fx.tenants);
    turn();
}

void
answer_provision(enum err err, const char *text)
{
    json_t *lines = json_pack("[{s:s}]", "object", "companies");
    struct hubspot_provision_report r = {.text = text, .lines = lines};
    dispatch_provision_fn *fn = fx.last->provision;
    struct fault f;

    fault_clear(&f);
    if (err != ERR_OK) {
        (void)fault_set(&f, err, "no scope");
    }
    fx.last->provision = NULL;
    fn(fx.last->provision_arg, err, &r, &f);
    json_decref(lines);
}

bool
works_in(const char *portal)
{
    return fx.last != NULL && strcmp(fx.last->portal, portal) == 0 &&
           fx.last->n == 1 && fx.last->tenants[0] == 5;
}

void
answer_details(enum err err)
{
    struct hubspot_meta m = {.status = err == ERR_OK ? 200 : 401};
    json_t *body =
        json_pack("{s:i,s:s}", "portalId", 4711, "timeZone", "Europe/Berlin");
    hubspot_call_fn *fn = fx.last->call;

    fault_clear(&m.fault);
    if (err != ERR_OK) {
        (void)fault_set(&m.fault, err, "not you");
    }
    fx.last->call = NULL;
    fn(fx.last->call_arg, &m, err == ERR_OK ? body : NULL);
    json_decref(body);
}
