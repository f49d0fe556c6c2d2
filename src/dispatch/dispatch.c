/* SPDX-License-Identifier: UNLICENSED */
/*
 * One portal: its budget, its lease, its tenants, and what runs when.
 *
 * Everything that changes something asks for one pass (dispatch_poke_run); the
 * pass claims jobs where there is room, and sends while there are tokens and
 * batches that may leave. It ends by arming one timer for what comes next by
 * time.
 *
 * Invariants: nothing is sent without a lease or while an outcome could not be
 * stored; a job in memory is in_flight in the store and goes back on every
 * orderly way out.
 */
#include "dispatch_priv.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

static struct dispatch *
dispatch_from(void *arg)
{
    struct dispatch *d = arg;

    ML_ASSERT(d->magic == DISPATCH_MAGIC);
    return d;
}

static struct dtenant *
tenant_from(void *arg)
{
    struct dtenant *t = arg;

    ML_ASSERT(t->magic == TENANT_MAGIC);
    return t;
}

bool
dispatch_may_send(struct dispatch *d)
{
    int64_t now_us = clock_mono_us();

    return d->term != 0 && !d->lost && !d->draining && d->failing == 0 &&
           store_is_up(d->store) && d->budget_loaded &&
           now_us < d->lease_until_us && now_us >= d->away_until_us;
}

static void
on_lost(void *arg)
{
    struct dispatch *d = dispatch_from(arg);

    if (d->events.lease_lost != NULL) {
        d->events.lease_lost(d->events.arg);
    }
}

void
dispatch_lost(struct dispatch *d)
{
    if (!d->lost) {
        d->lost = true;
        loop_later(d->loop, &d->lost_call, on_lost, d);
    }
}

static void
on_tell_halt(void *arg)
{
    struct dtenant *t = tenant_from(arg);
    struct dispatch *d = t->d;
    struct fault f = t->halt_fault;

    if (d->events.halted != NULL && !t->removed) {
        d->events.halted(d->events.arg, t->id, f.err, &f);
    }
}

void
dtenant_halt(struct dtenant *t, const struct fault *f)
{
    if (!t->halted) {
        t->halted = true;
        t->halt_fault = *f;
        loop_later(t->d->loop, &t->telling, on_tell_halt, t);
    }
}

/* ---- claims ------------------------------------------------------------- */

struct save *
dtenant_thoughts(struct dtenant *t)
{
    if (t->thoughts == NULL) {
        t->thoughts = save_new(t, NULL);
        dispatch_poke_run(t->d);
    }
    return t->thoughts;
}

static void
flush_thoughts(struct dtenant *t)
{
    struct save *s = t->thoughts;

    if (s == NULL) {
        return;
    }
    t->thoughts = NULL;
    if (s->n_rows == 0) {
        save_free(s);
    } else {
        save_send(s);
    }
}

static bool
job_is_forbidden(const struct job *j)
{
    int64_t now_us = clock_mono_us();

    for (size_t i = 0; i < j->n_wanted; i++) {
        if (j->tenant->forbidden_until_us[j->parts[i].object] > now_us &&
            !j->parts[i].current) {
            return true;
        }
    }
    return false;
}

static void
want_parent(struct job *j)
{
    struct dispatch *d = j->tenant->d;
    const struct link_ref *p =
        j->customer.id != NULL && j->customer.company == NULL ? &j->customer :
                                                                &j->invoice;

    if (d->events.want != NULL && text_equal(p->state, "none")) {
        d->events.want(d->events.arg, j->tenant->id,
                       p == &j->customer ? "customer" : "invoice", p->id);
    }
}

/* Provisioning failed not long ago: what is claimed now waits for its next
 * try. */
static bool
setup_waits(struct dtenant *t)
{
    if (t->setup == SETUP_WAITING && clock_mono_us() >= t->setup_again_us) {
        t->setup = SETUP_NONE;
    }
    return t->setup == SETUP_WAITING;
}

static void
take_up(struct dtenant *t, const struct store_job *row)
{
    struct job *j = job_new(t, row);
    struct save *s = dtenant_thoughts(t);
    const char *waits;
    struct fault f;

    if (j->verdict != HUBSPOT_WRITTEN) {
        job_settle(j, s);
        return;
    }
    waits = job_waits_for(j);
    if (waits != NULL) {
        save_job_row(s, j, "waiting", 0, waits);
        want_parent(j);
        j->settled = true;
        save_end(s, j);
        return;
    }
    if (setup_waits(t)) {
        setup_put_off(j);
    } else if (job_is_forbidden(j)) {
        fault_clear(&f);
        (void)fault_set(&f, ERR_FORBIDDEN,
                        "a scope or feature is missing for this object type; "
                        "tried again hourly");
        job_worst(j, HUBSPOT_RETRY, &f, false, FORBIDDEN_MS);
    }
    job_settle(j, s);
    if (!j->settled) {
        job_start_planned(j);
    }
}

static void
on_due(void *arg)
{
    struct dtenant *t = tenant_from(arg);

    t->want_claim = true;
    dispatch_poke_run(t->d);
}

/* Of a tenant, whichever of its lives in this dispatcher it was. */
enum { TENANT_KEY_MAX = 24 };

static const char *
tenant_key(const struct dtenant *t, char out[TENANT_KEY_MAX])
{
    (void)snprintf(out, TENANT_KEY_MAX, "%" PRId64, t->id);
    return out;
}

static bool
claim_was_lost(const struct dtenant *t)
{
    char key[TENANT_KEY_MAX];

    return map_get(&t->d->lost_claims, tenant_key(t, key)) != NULL;
}

/* Tried again, later each time. Where the connection broke at the commit jobs
 * may be in flight that nobody has: the next claim puts them back. */
static void
claim_failed(struct dtenant *t, enum err err, const struct fault *f)
{
    double random = random_share();
    char safe[LOG_TEXT_MAX], key[TENANT_KEY_MAX];

    if (strcmp(f->code, "unknown") == 0) {
        (void)map_put(&t->d->lost_claims, tenant_key(t, key), t->d);
    }
    if (t->claim_tries == 0) {
        LOG_WARN(&t->log, "dispatch.unclaimed",
                 "error=%s code=%s message=\"%s\"", err_name(err), f->code,
                 log_safe(safe, f->message));
    }
    loop_timer_start(
        t->d->loop, &t->due,
        backoff_ms(t->claim_tries, STORE_RETRY_MS, STORE_CAP_MS, random),
        on_due, t);
    t->claim_tries++;
}

static void
on_claimed(void *arg, enum err err, const struct store_claim *c,
           const struct fault *f)
{
    struct dtenant *t = tenant_from(arg);
    struct dispatch *d = t->d;
    char key[TENANT_KEY_MAX];

    t->claiming = NULL;
    dispatch_poke_run(d);
    if (err != ERR_OK) {
        claim_failed(t, err, f);
        return;
    }
    t->claim_tries = 0;
    (void)map_del(&d->lost_claims, tenant_key(t, key));
    if (c->lease_lost) {
        dispatch_lost(d);
        return;
    }
    for (size_t i = 0; i < c->n; i++) {
        take_up(t, &c->jobs[i]);
    }
    if (c->n > 0) {
        t->want_claim = true; /* there may be more */
    }
    t->next_due_us =
        c->next_due_ms < 0 ? 0 : clock_mono_us() + c->next_due_ms * 1000;
    if (c->n == 0 && c->next_due_ms >= 0 &&
        quota_allows(&d->quota, clock_mono_us(), WORK_RETRY)) {
        loop_timer_start(d->loop, &t->due, c->next_due_ms + 1, on_due, t);
    }
}

static size_t
claim_room(const struct dispatch *d)
{
    return d->n_jobs < d->config.jobs_max ? d->config.jobs_max - d->n_jobs : 0;
}

/* A claim takes a whole statement: worth it for many jobs, or for any when
 * nothing else is going on. */
bool
dtenant_has_room(const struct dtenant *t)
{
    size_t room = claim_room(t->d);

    return room >= CLAIM_MAX / 5 || (room > 0 && t->n_jobs == 0);
}

bool
dtenant_claims(const struct dtenant *t)
{
    return t->claiming != NULL ||
           (t->want_claim && !t->halted && !t->removed && !t->d->held &&
            !budget_stopped(t->d) && dtenant_has_room(t));
}

/* The ids of all its jobs in memory, also of one that is leaving. */
static void
put_jobs(const struct dtenant *t, struct buf *out)
{
    struct jsonx_writer w;
    struct list *ti, *tn, *ji, *jn;

    jsonx_begin(&w, out);
    jsonx_open(&w, '[');
    LIST_EACH(&t->d->tenants, ti, tn)
    {
        struct dtenant *same = CONTAINER_OF(ti, struct dtenant, link);

        if (same->id != t->id) {
            continue;
        }
        LIST_EACH(&same->jobs, ji, jn)
        {
            jsonx_put_int(&w, CONTAINER_OF(ji, struct job, link)->id);
        }
    }
    jsonx_close(&w, ']');
}

static void
claim(struct dtenant *t)
{
    struct dispatch *d = t->d;
    size_t room = claim_room(d);
    int64_t now_us = clock_mono_us();
    struct store_room r = {.known = NULL};
    struct buf known;

    if (t->claiming != NULL || !dispatch_may_send(d) || !dtenant_claims(t)) {
        return;
    }
    t->want_claim = false;
    r.jobs = room < CLAIM_MAX ? (unsigned)room : CLAIM_MAX;
    for (unsigned i = 0; i < WORK_CLASSES; i++) {
        r.parts[i] = quota_allows(&d->quota, now_us, (enum work_class)i) ?
                         (int)share_part(&d->share, i, r.jobs) :
                         -1;
    }
    buf_init(&known, OUTCOME_BYTES);
    if (claim_was_lost(t)) {
        put_jobs(t, &known);
        r.known = buf_text(&known);
    }
    if (store_claim(d->store, t->id, d->portal, d->term, &r, on_claimed, t,
                    &t->claiming) != ERR_OK) {
        loop_timer_start(d->loop, &t->due, STORE_RETRY_MS, on_due, t);
    }
    buf_fini(&known);
}

/* ---- going back --------------------------------------------------------- */

static void
give_back(struct dtenant *t)
{
    struct list *item, *next;

    lanes_drop_halves(t);
    LIST_EACH(&t->jobs, item, next)
    {
        struct job *j = CONTAINER_OF(item, struct job, link);

        if (j->settled) {
            continue;
        }
        lanes_drop_job(j);
        if (j->verdict != HUBSPOT_WRITTEN) {
            job_settle(j, dtenant_thoughts(t));
            continue;
        }
        /* what was not read back yet still has to be */
        save_job_row(dtenant_thoughts(t), j,
                     j->verify && j->stage <= STAGE_OBJECTS ? "unknown" :
                                                              "queued",
                     0, NULL);
        j->settled = true;
        save_end(t->thoughts, j);
    }
}

/* A tenant that is leaving: once nothing of it is under way, its jobs go back;
 * once those are in, it is gone. */
static void
see_off(struct dtenant *t)
{
    if (t->busy == 0 && t->claiming == NULL && t->n_jobs > 0) {
        give_back(t);
    }
}

void
dtenant_release(struct dtenant *t)
{
    if (!t->removed || t->busy > 0 || t->n_jobs > 0 || t->claiming != NULL) {
        return;
    }
    t->magic = 0;
    hubspot_free(t->hubspot);
    list_remove(&t->link);
    loop_timer_stop(&t->due);
    loop_call_cancel(&t->telling);
    store_cancel(t->learning);
    setups_free(t);
    mem_free(t->name);
    mem_free(t->api_version);
    mem_free(t);
}

/* ---- the pass ----------------------------------------------------------- */

static bool
is_drained(const struct dispatch *d)
{
    struct list *item, *next;

    if (d->n_jobs > 0 || d->status.in_flight > 0 || !list_empty(&d->flying) ||
        !list_empty(&d->saves)) {
        return false;
    }
    LIST_EACH((struct list *)(uintptr_t)&d->tenants, item, next)
    {
        if (CONTAINER_OF(item, struct dtenant, link)->claiming != NULL) {
            return false;
        }
    }
    return true;
}

static void
on_drained(void *arg)
{
    struct dispatch *d = dispatch_from(arg);
    loop_fn *fn = d->drained;

    d->drained = NULL;
    fn(d->drained_arg);
}

static void
on_wake(void *arg)
{
    dispatch_poke_run(dispatch_from(arg));
}

static void
tend_tenants(struct dispatch *d)
{
    struct list *item, *next;

    LIST_EACH(&d->tenants, item, next)
    {
        struct dtenant *t = CONTAINER_OF(item, struct dtenant, link);

        flush_thoughts(t); /* an empty one would keep the tenant busy */
        if (t->removed || (d->draining && !d->lost) || budget_stopped(d)) {
            see_off(t);
        } else {
            claim(t);
            if (!setup_waits(t) && t->setup == SETUP_NONE && t->n_jobs > 0 &&
                !t->halted) {
                setup_begin(t);
            }
        }
        flush_thoughts(t);
        dtenant_release(t);
    }
}

/* Sends while there are tokens and something may leave. Gives how long until
 * there may be more to send. */
static int64_t
send_all(struct dispatch *d)
{
    int64_t wait_us = INT64_MAX;

    while (dispatch_may_send(d)) {
        int64_t now_us = clock_mono_us();
        int64_t token_us = permits_wait_us(&d->permits, now_us);
        int64_t lane_us = INT64_MAX;
        struct batch *b;

        int64_t stopped_us = quota_stopped_us(&d->quota, now_us);

        if (stopped_us != INT64_MIN) {
            setups_refuse(d);
            return stopped_us - now_us;
        }
        if (token_us > 0) {
            return token_us;
        }
        wait_us = INT64_MAX;
        if (setup_next(d, now_us, &wait_us)) {
            continue;
        }
        b = lanes_next(d, now_us, &lane_us);
        if (b == NULL) {
            return lane_us < wait_us ? lane_us : wait_us;
        }
        b->taken_us = now_us;
        b->permit = budget_take(d, now_us);
        share_charge(&d->share, b->work, 1);
        batch_send(b);
    }
    if (!store_is_up(d->store)) {
        return STORE_RETRY_MS * INT64_C(1000);
    }
    return d->away_until_us > clock_mono_us() ?
               d->away_until_us - clock_mono_us() :
               INT64_MAX;
}

static void
on_run(void *arg)
{
    struct dispatch *d = dispatch_from(arg);
    int64_t wait_us;

    budget_look(d);
    tend_tenants(d);
    wait_us = send_all(d);
    if (wait_us != INT64_MAX) {
        loop_timer_start(d->loop, &d->wake, wait_us / 1000 + 1, on_wake, d);
    }
    if (d->draining && d->drained != NULL && is_drained(d) && budget_flush(d)) {
        loop_later(d->loop, &d->drained_call, on_drained, d);
    }
}

void
dispatch_poke_run(struct dispatch *d)
{
    loop_later(d->loop, &d->run, on_run, d);
}

/* ---- public, in the header's order -------------------------------------- */

struct dispatch *
dispatch_new(struct loop *l, struct store *s, const struct dispatch_config *c,
             const struct dispatch_events *e)
{
    struct dispatch *d = MEM_NEW(struct dispatch);

    d->magic = DISPATCH_MAGIC;
    d->loop = l;
    d->store = s;
    d->config = *c;
    d->portal = mem_strdup(c->portal);
    d->worker = mem_strdup(c->worker);
    d->config.portal = d->portal;
    d->config.worker = d->worker;
    d->time_zone = mem_strdup(c->time_zone);
    d->config.time_zone = d->time_zone;
    d->events = *e;
    list_init(&d->tenants);
    list_init(&d->flying);
    list_init(&d->saves);
    map_init(&d->keys);
    map_init(&d->lost_claims);
    d->keys_given = 1;
    stat_add(STAT_hubspot_unaccounted, NULL, NULL, 0);
    budget_init(d);
    return d;
}

static void
free_tenant(struct dtenant *t)
{
    struct list *item;

    store_cancel(t->claiming);
    t->claiming = NULL;
    lanes_drop_halves(t);
    while ((item = list_first(&t->jobs)) != NULL) {
        job_free(CONTAINER_OF(item, struct job, link));
    }
    t->hubspot = t->removed ? t->hubspot : NULL;
    t->removed = true;
    t->busy = 0;
    dtenant_release(t);
}

void
dispatch_free(struct dispatch *d)
{
    struct list *item;

    if (d == NULL) {
        return;
    }
    while ((item = list_first(&d->flying)) != NULL) {
        struct batch *b = CONTAINER_OF(item, struct batch, link);

        batch_give_up(b);
        batch_free(b);
    }
    while ((item = list_first(&d->saves)) != NULL) {
        save_free(CONTAINER_OF(item, struct save, link));
    }
    while ((item = list_first(&d->tenants)) != NULL) {
        free_tenant(CONTAINER_OF(item, struct dtenant, link));
    }
    loop_call_cancel(&d->run);
    loop_call_cancel(&d->drained_call);
    loop_call_cancel(&d->lost_call);
    loop_timer_stop(&d->wake);
    map_fini(&d->keys);
    map_fini(&d->lost_claims);
    budget_fini(d);
    mem_free(d->time_zone);
    mem_free(d->portal);
    mem_free(d->worker);
    d->magic = 0;
    mem_free(d);
}

/* The lease had run out, and is ours again under its term. */
static void
go_on(struct dispatch *d)
{
    struct list *item, *next;

    d->lost = false;
    loop_call_cancel(&d->lost_call);
    LIST_EACH(&d->tenants, item, next)
    {
        CONTAINER_OF(item, struct dtenant, link)->want_claim = true;
    }
}

void
dispatch_lease(struct dispatch *d, int64_t term, int64_t until_us,
               unsigned hold, int64_t hold_ms)
{
    if (!d->leased_once && term != 0) {
        d->leased_once = true;
        if (hold_ms > 0) {
            unsigned n = hold < d->config.limit ? hold : d->config.limit;

            permits_hold(&d->permits, n, clock_mono_us() + hold_ms * 1000);
        }
    }
    d->term = term;
    d->lease_until_us = until_us;
    if (d->lost) {
        go_on(d);
    }
    if (!d->budget_loaded && !loop_timer_armed(&d->budget_timer)) {
        budget_begin(d);
    }
    dispatch_poke_run(d);
}

static struct dtenant *
add(struct dispatch *d, int64_t tenant, const char *name, struct hubspot *h,
    const char *api_version)
{
    struct dtenant *t = MEM_NEW(struct dtenant);

    t->magic = TENANT_MAGIC;
    t->d = d;
    t->id = tenant;
    t->name = mem_strdup(name);
    t->api_version = mem_strdup(api_version);
    t->hubspot = h;
    t->log.tenant = t->name;
    t->setup = SETUP_NONE;
    lanes_init(t);
    list_init(&t->jobs);
    list_init(&t->setups);
    list_push(&d->tenants, &t->link);
    dispatch_poke_run(d);
    return t;
}

void
dispatch_add(struct dispatch *d, int64_t tenant, const char *name,
             struct hubspot *h, const char *api_version, bool provisioned)
{
    struct dtenant *t = add(d, tenant, name, h, api_version);

    t->setup = provisioned ? SETUP_DONE : SETUP_NONE;
    t->want_claim = true;
}

int64_t
dispatch_add_caller(struct dispatch *d, const char *name, struct hubspot *h,
                    const char *api_version)
{
    return add(d, -++d->callers, name, h, api_version)->id;
}

void
dispatch_remove(struct dispatch *d, int64_t tenant)
{
    struct list *item, *next;

    LIST_EACH(&d->tenants, item, next)
    {
        struct dtenant *t = CONTAINER_OF(item, struct dtenant, link);

        if (t->id == tenant && !t->removed) {
            t->removed = true; /* and its hubspot ours */
            setups_free(t);
        }
    }
    dispatch_poke_run(d);
}

void
dispatch_poke(struct dispatch *d, int64_t tenant)
{
    struct list *item, *next;

    LIST_EACH(&d->tenants, item, next)
    {
        struct dtenant *t = CONTAINER_OF(item, struct dtenant, link);

        if (t->id == tenant) {
            t->want_claim = true;
        }
    }
    dispatch_poke_run(d);
}

void
dispatch_mended(struct dispatch *d, int64_t tenant)
{
    struct list *item, *next;

    LIST_EACH(&d->tenants, item, next)
    {
        struct dtenant *t = CONTAINER_OF(item, struct dtenant, link);

        if (t->id == tenant) {
            memset(t->forbidden_until_us, 0, sizeof(t->forbidden_until_us));
            t->setup_again_us = 0;
        }
    }
    dispatch_poke(d, tenant);
}

void
dispatch_drain(struct dispatch *d, loop_fn *drained, void *arg)
{
    d->draining = true;
    d->drained = drained;
    d->drained_arg = arg;
    dispatch_poke_run(d);
}

bool
dispatch_is_idle(const struct dispatch *d)
{
    struct list *item, *next;

    bool stopped = budget_stopped((struct dispatch *)(uintptr_t)d);

    if (d->n_jobs > 0 || !list_empty(&d->flying) || !list_empty(&d->saves) ||
        (d->n_setups > 0 && !stopped)) {
        return false;
    }
    LIST_EACH((struct list *)(uintptr_t)&d->tenants, item, next)
    {
        const struct dtenant *t = CONTAINER_OF(item, struct dtenant, link);

        if (t->claiming != NULL ||
            (t->want_claim && !t->halted && !t->removed && !stopped)) {
            return false;
        }
    }
    return true;
}

void
dispatch_hold(struct dispatch *d, bool hold)
{
    d->held = hold;
    dispatch_poke_run(d);
}

bool
dispatch_withholds(struct dispatch *d)
{
    return quota_level(&d->quota, clock_mono_us()) != QUOTA_OPEN;
}
