/* SPDX-License-Identifier: UNLICENSED */
/*
 * Calls that are no batches, under the same budget: the provisioning of a
 * tenant before its first write, and single calls for ping and provision.
 *
 *     queued --token--> sent --answer--> done, or queued again
 *                              (provisioning: until it has no next call)
 */
#include "dispatch_priv.h"

#include <inttypes.h>

enum { CALL_TRIES = 3 }; /* when somebody waits for the answer */

struct setup {
    unsigned magic;
    struct list link; /* in its tenant's setups */
    struct dtenant *tenant;
    struct hubspot_provision *provision; /* or a single call: */
    struct hubspot_call call;
    bool has_call, automatic;
    int64_t not_before_us;
    unsigned failures;
    struct permit permit;
    struct hubspot_op *op;
    struct loop_call refusing;
    dispatch_provision_fn *on_provision;
    hubspot_call_fn *on_call;
    void *arg;
};

static struct setup *
setup_new(struct dtenant *t)
{
    struct setup *u = MEM_NEW(struct setup);

    u->magic = SETUP_MAGIC;
    u->tenant = t;
    list_push(&t->setups, &u->link);
    t->d->n_setups++;
    return u;
}

static void
setup_free(struct setup *u)
{
    struct dispatch *d = u->tenant->d;

    ML_ASSERT(u->magic == SETUP_MAGIC);
    u->magic = 0;
    if (u->op != NULL) { /* given up: it may have arrived just now */
        int64_t now_us = clock_mono_us();

        hubspot_cancel(u->op);
        permits_settle(&d->permits, now_us, now_us);
        d->status.in_flight--;
    }
    loop_call_cancel(&u->refusing);
    list_remove(&u->link);
    d->n_setups--;
    hubspot_provision_free(u->provision);
    mem_free(u);
}

void
setups_free(struct dtenant *t)
{
    struct list *item;

    while ((item = list_first(&t->setups)) != NULL) {
        setup_free(CONTAINER_OF(item, struct setup, link));
    }
}

bool
setup_is_idle(const struct dtenant *t)
{
    return list_empty(&t->setups);
}

/* ---- the end of provisioning before a write ----------------------------- */

/* Every job in memory goes back and comes again when the cause may be mended. */
static void
put_jobs_off(struct dtenant *t, const struct fault *f, int64_t wait_ms)
{
    struct save *s = dtenant_thoughts(t);
    struct list *item, *next;

    lanes_drop_halves(t);
    LIST_EACH(&t->jobs, item, next)
    {
        struct job *j = CONTAINER_OF(item, struct job, link);

        if (j->settled) {
            continue;
        }
        lanes_drop_job(j);
        job_worst(j, HUBSPOT_RETRY, f, false, wait_ms);
        if (j->pending == 0 && j->unsaved == 0) {
            job_settle(j, s);
        }
    }
}

static void
on_learned(void *arg, enum err err, const struct fault *f)
{
    struct dtenant *t = arg;

    t->learning = NULL;
    if (err != ERR_OK) { /* it is checked again by the next worker */
        LOG_WARN(&t->log, "dispatch.unsaved", "error=%s message=\"%s\"",
                 err_name(err), f->message);
    }
}

static void
automatic_done(struct dtenant *t, enum err err, const struct fault *f)
{
    struct dispatch *d = t->d;
    char safe[LOG_TEXT_MAX];
    int64_t wait_ms;

    if (err == ERR_OK) {
        t->setup = SETUP_DONE;
        t->setup_done_us = clock_mono_us();
        LOG_INFO(&t->log, "tenant.provisioned", "portal=%s", d->portal);
        if (t->learning == NULL &&
            store_tenant_learn(d->store, t->id, NULL,
                               "{\"" DISPATCH_PROVISIONED "\":\"1\"}",
                               on_learned, t, &t->learning) != ERR_OK) {
            t->learning = NULL;
        }
        return;
    }
    LOG_ERROR(&t->log, "tenant.unprovisioned", "error=%s message=\"%s\"",
              err_name(err), log_safe(safe, f->message));
    if (err == ERR_CREDENTIALS) {
        dtenant_halt(t, f);
    }
    wait_ms = err == ERR_CREDENTIALS ? 0 : FORBIDDEN_MS;
    t->setup = SETUP_WAITING;
    t->setup_fault = *f;
    t->setup_again_us = clock_mono_us() + wait_ms * 1000;
    put_jobs_off(t, f, wait_ms);
}

/* Whoever is told may remove the tenant or free the dispatcher: nothing of
 * them is touched afterwards. */
static void
provision_end(struct setup *u, enum err err, const struct fault *f)
{
    struct dtenant *t = u->tenant;
    struct hubspot_provision *p = u->provision;
    dispatch_provision_fn *told = u->on_provision;
    void *arg = u->arg;

    dispatch_poke_run(t->d);
    if (u->automatic) {
        automatic_done(t, err, f);
    }
    u->provision = NULL;
    setup_free(u);
    if (told != NULL) {
        told(arg, err, hubspot_provision_report(p), f);
    }
    hubspot_provision_free(p);
}

static void
call_end(struct setup *u, const struct hubspot_meta *m, const json_t *body)
{
    hubspot_call_fn *told = u->on_call;
    void *arg = u->arg;

    setup_free(u);
    told(arg, m, body);
}

/* ---- answers ------------------------------------------------------------ */

/* What passes by itself and says nothing about the call. */
static bool
is_no_failure(enum err err)
{
    return err == ERR_THROTTLED || err == ERR_QUOTA || err == ERR_LOCKED ||
           err == ERR_MAINTENANCE;
}

/* Failures that pass by themselves: the same call again. Nobody is kept waiting
 * for the next day. */
static bool
comes_again(struct setup *u, const struct hubspot_meta *m)
{
    const struct dispatch_config *c = &u->tenant->d->config;
    enum err_class class = err_class(m->fault.err);
    enum err err = m->fault.err;
    double random = random_share();
    int64_t wait_us;

    if (class != ERR_CLASS_AGAIN && class != ERR_CLASS_LATER) {
        return false;
    }
    if (!u->automatic && (err == ERR_QUOTA || err == ERR_MAINTENANCE)) {
        return false;
    }
    if (u->failures >= (u->automatic ? c->retry_attempts : CALL_TRIES)) {
        return false;
    }
    wait_us = m->retry_after_us >= 0 ? m->retry_after_us :
                                       backoff_ms(u->failures, c->retry_base_ms,
                                                  c->retry_cap_ms, random) *
                                           1000;
    if (err == ERR_LOCKED && wait_us < LOCKED_MS * INT64_C(1000)) {
        wait_us = LOCKED_MS * INT64_C(1000);
    }
    u->not_before_us = budget_pause(m);
    if (err != ERR_THROTTLED) {
        u->failures += is_no_failure(err) ? 0 : 1;
        u->not_before_us = clock_mono_us() + wait_us;
    }
    u->has_call = u->provision == NULL;
    return true;
}

static void
on_answer(void *arg, const struct hubspot_meta *m, const json_t *body)
{
    struct setup *u = arg;
    struct dispatch *d = u->tenant->d;
    struct fault f;
    enum err err;

    ML_ASSERT(u->magic == SETUP_MAGIC);
    u->op = NULL;
    d->status.requests++;
    d->status.in_flight--;
    budget_settle(d, &u->permit, m);
    dispatch_poke_run(d);
    if (comes_again(u, m)) {
        return;
    }
    if (u->provision == NULL) {
        call_end(u, m, body);
        return;
    }
    u->failures = 0;
    fault_clear(&f);
    err = hubspot_provision_feed(u->provision, m, body, &f);
    if (err != ERR_OK) {
        provision_end(u, err, &f);
    }
}

/* ---- a day that is used up ---------------------------------------------- */

static void
on_refused(void *arg)
{
    struct setup *u = arg;
    struct fault f;

    ML_ASSERT(u->magic == SETUP_MAGIC);
    fault_clear(&f);
    (void)fault_set(&f, ERR_QUOTA,
                    "the portal's daily requests are used up; nothing is sent "
                    "until its midnight");
    if (u->provision != NULL) {
        provision_end(u, ERR_QUOTA, &f);
    } else {
        struct hubspot_meta m = {.fault = f};

        call_end(u, &m, NULL);
    }
}

/* Whoever waits for an answer is not kept until the next day. */
void
setups_refuse(struct dispatch *d)
{
    struct list *item, *next, *si, *sn;

    LIST_EACH(&d->tenants, item, next)
    {
        struct dtenant *t = CONTAINER_OF(item, struct dtenant, link);

        LIST_EACH(&t->setups, si, sn)
        {
            struct setup *u = CONTAINER_OF(si, struct setup, link);

            if (!u->automatic && u->op == NULL) {
                loop_later(d->loop, &u->refusing, on_refused, u);
            }
        }
    }
}

/* ---- sending ------------------------------------------------------------ */

/* Makes sure u->call is the call to make; false when there is none left. */
static bool
setup_call(struct setup *u, int64_t now_us)
{
    int64_t wait_ms = 0;

    if (u->provision == NULL) {
        return true;
    }
    if (u->has_call) {
        return true;
    }
    if (!hubspot_provision_next(u->provision, &u->call, &wait_ms)) {
        return false;
    }
    u->has_call = true;
    if (wait_ms > 0) {
        u->not_before_us = now_us + wait_ms * 1000;
    }
    return true;
}

static void
setup_send(struct setup *u, int64_t now_us)
{
    struct dispatch *d = u->tenant->d;

    u->permit = budget_take(d, now_us);
    u->has_call = false;
    u->call.until_us = &d->lease_until_us;
    d->status.in_flight++;
    if (hubspot_call_send(u->tenant->hubspot, &u->call, on_answer, u, &u->op) !=
        ERR_OK) {
        struct fault f;

        d->status.in_flight--;
        permits_settle(&d->permits, now_us, now_us);
        fault_clear(&f);
        (void)fault_set(&f, ERR_USAGE, "the call %s cannot be sent",
                        u->call.operation);
        if (u->provision != NULL) {
            provision_end(u, ERR_USAGE, &f);
        } else {
            struct hubspot_meta m = {.fault = f};

            call_end(u, &m, NULL);
        }
    }
}

bool
setup_next(struct dispatch *d, int64_t now_us, int64_t *wait_us)
{
    struct list *item, *next;

    LIST_EACH(&d->tenants, item, next)
    {
        struct dtenant *t = CONTAINER_OF(item, struct dtenant, link);
        struct list *first = list_first(&t->setups);
        struct setup *u;

        if (first == NULL) {
            continue;
        }
        u = CONTAINER_OF(first, struct setup, link);
        if (u->op != NULL) {
            continue;
        }
        if (!setup_call(u, now_us)) {
            struct fault ok;

            fault_clear(&ok);
            provision_end(u, ERR_OK, &ok);
            return false; /* the pass that this asked for goes on */
        }
        if (u->not_before_us > now_us) {
            int64_t wait = u->not_before_us - now_us;

            *wait_us = wait < *wait_us ? wait : *wait_us;
            continue;
        }
        setup_send(u, now_us);
        return true;
    }
    return false;
}

/* ---- asking for one ----------------------------------------------------- */

void
setup_begin(struct dtenant *t)
{
    struct setup *u = setup_new(t);

    u->automatic = true;
    u->provision = hubspot_provision_new(t->api_version, false);
    t->setup = SETUP_RUNNING;
}

void
setup_put_off(struct job *j)
{
    const struct dtenant *t = j->tenant;

    job_worst(j, HUBSPOT_RETRY, &t->setup_fault, false,
              (t->setup_again_us - clock_mono_us()) / 1000 + 1);
}

enum setup_hope
setup_again(struct dtenant *t, int64_t sent_us, const char *why)
{
    int64_t now_us = clock_mono_us();
    char safe[LOG_TEXT_MAX];

    if (t->setup == SETUP_WAITING) {
        return HOPE_LATER;
    }
    if (t->setup != SETUP_DONE || sent_us < t->setup_done_us) {
        return HOPE_SOON; /* under way, or made since */
    }
    if (t->setup_done_us > 0 &&
        now_us - t->setup_done_us < REPROVISION_MS * INT64_C(1000)) {
        return HOPE_NONE;
    }
    LOG_WARN(&t->log, "tenant.reprovision", "portal=%s message=\"%s\"",
             t->d->portal, log_safe(safe, why));
    t->setup = SETUP_NONE;
    dispatch_poke_run(t->d);
    return HOPE_SOON;
}

static struct dtenant *
find_tenant(struct dispatch *d, int64_t id)
{
    struct list *item, *next;

    LIST_EACH(&d->tenants, item, next)
    {
        struct dtenant *t = CONTAINER_OF(item, struct dtenant, link);

        if (t->id == id && !t->removed) {
            return t;
        }
    }
    return NULL;
}

enum err
dispatch_provision(struct dispatch *d, int64_t tenant, bool dry_run,
                   dispatch_provision_fn *done, void *arg)
{
    struct dtenant *t = find_tenant(d, tenant);
    struct setup *u;

    if (t == NULL) {
        return ERR_NOT_FOUND;
    }
    u = setup_new(t);
    u->provision = hubspot_provision_new(t->api_version, dry_run);
    u->on_provision = done;
    u->arg = arg;
    dispatch_poke_run(d);
    return ERR_OK;
}

enum err
dispatch_call(struct dispatch *d, int64_t tenant,
              const struct hubspot_call *call, hubspot_call_fn *done, void *arg)
{
    struct dtenant *t = find_tenant(d, tenant);
    struct setup *u;

    if (t == NULL) {
        return ERR_NOT_FOUND;
    }
    u = setup_new(t);
    u->call = *call;
    u->on_call = done;
    u->arg = arg;
    dispatch_poke_run(d);
    return ERR_OK;
}
