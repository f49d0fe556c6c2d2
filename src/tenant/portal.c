/* SPDX-License-Identifier: UNLICENSED */
/*
 * One HubSpot portal: its dispatcher, its members, what its lease allows.
 *
 *     WAITING --taken--> HELD --stop, shared--> RELEASING --> WAITING
 *        ^                |
 *        +----- lost -----+
 *
 * Nothing is sent from a fifth of the lease's life before its end on, counted
 * from when it was asked for, until it is renewed; while nobody else took it,
 * what is in memory stays. A tenant whose portal id is not known stands alone
 * in a portal "tenant:<id>" and only asks for the account's details.
 */
#include "tenant_priv.h"

#include <stdlib.h>
#include <string.h>

enum { LATER_LOSE = 1, LATER_IDENTIFIED = 2 };

static struct portal *
portal_from(void *arg)
{
    struct portal *p = arg;

    ML_ASSERT(p->magic == PORTAL_MAGIC);
    return p;
}

bool
portal_is_known(const struct portal *p)
{
    return !text_has_prefix(p->key, "tenant:");
}

struct member *
portal_member(struct portal *p, int64_t tenant)
{
    struct list *item, *next;

    LIST_EACH(&p->members, item, next)
    {
        struct member *m = CONTAINER_OF(item, struct member, link);

        if (m->row.id == tenant) {
            return m;
        }
    }
    return NULL;
}

/* ---- losing ------------------------------------------------------------- */

static void
stop_members(struct portal *p)
{
    struct list *item, *next;

    LIST_EACH(&p->members, item, next)
    {
        member_stop(CONTAINER_OF(item, struct member, link));
    }
}

/* Without the lease nothing may be sent or stored: all work is dropped; the
 * next holder finds it in the store. */
static void
portal_lose(struct portal *p)
{
    requests_drop_portal(p);
    stop_members(p);
    dispatch_free(p->dispatch);
    p->dispatch = NULL;
    p->term = 0;
    p->state = PORTAL_WAITING;
    loop_timer_stop(&p->check);
    store_cancel(p->count_op);
    p->count_op = NULL;
}

static void on_later(void *arg);

/* Stopped because its last member left: one that came back meanwhile has it
 * taken again. */
static void
portal_is_free(struct portal *p)
{
    bool again = p->stopping && !p->all->stopping && !list_empty(&p->members);

    p->stopping = p->all->stopping;
    if (again) {
        portal_poke(p);
    }
    tenants_check(p->all);
}

static void
later(struct portal *p, int work)
{
    p->later_work |= work;
    loop_later(p->all->loop, &p->later, on_later, p);
}

/* The database refused something for the lease: whether it only ran out, the
 * next beat tells. */
static void
on_doubted(void *arg)
{
    leases_soon(portal_from(arg)->all);
}

/* ---- what dispatch tells ------------------------------------------------ */

static void
on_want(void *arg, int64_t tenant, const char *kind, const char *id)
{
    struct member *m = portal_member(portal_from(arg), tenant);

    if (m != NULL && m->feeds != NULL) {
        feeds_want(m->feeds, kind, id);
    }
}

static void
on_halted(void *arg, int64_t tenant, enum err err, const struct fault *f)
{
    struct member *m = portal_member(portal_from(arg), tenant);

    if (m != NULL) {
        member_halt(m, err, f);
    }
}

/* ---- identifying: which portal is it? ----------------------------------- */

static void
on_learned(void *arg, enum err err, const struct fault *f)
{
    struct member *m = arg;
    struct portal *p = m->portal;
    char safe[LOG_TEXT_MAX];

    m->learn_op = NULL;
    if (err != ERR_OK) {
        LOG_WARN(&m->log, "tenant.unstored", "error=%s message=\"%s\"",
                 err_name(err), log_safe(safe, f->message));
    }
    p->identifying = false;
    later(p, LATER_IDENTIFIED);
}

/* HubSpot cannot be reached: asked again when the lease is renewed. */
static void
identify_later(struct member *m, const struct fault *f)
{
    struct tenants *t = m->portal->all;
    char safe[LOG_TEXT_MAX];

    LOG_WARN(&m->log, "tenant.unidentified", "error=%s message=\"%s\"",
             err_name(f->err), log_safe(safe, f->message));
    if (t->config.once && t->unable.err == ERR_OK) {
        (void)fault_set(&t->unable, f->err,
                        "tenant %s: HubSpot does not say which portal this "
                        "is: %s",
                        m->row.name, f->message);
    }
    m->portal->identifying = false;
    member_stop(m);
    portal_check(m->portal);
}

/* The portal's id and, for the midnight of its daily limit, its time zone. */
static void
learn_portal(struct member *m, const char *id, const char *zone)
{
    struct tenants *t = m->portal->all;
    struct jsonx_writer w;
    struct buf learned;

    buf_init(&learned, 4096);
    jsonx_begin(&w, &learned);
    jsonx_open(&w, '{');
    if (zone != NULL && strlen(zone) < ZONE_MAX) {
        jsonx_add_text(&w, LEARNED_ZONE, zone);
    }
    jsonx_close(&w, '}');
    if (store_tenant_learn(t->store, m->row.id, id, buf_text(&learned),
                           on_learned, m, &m->learn_op) != ERR_OK) {
        m->learn_op = NULL;
        m->portal->identifying = false;
    }
    buf_fini(&learned);
}

static void
on_details(void *arg, const struct hubspot_meta *meta, const json_t *body)
{
    struct member *m = arg;
    const json_t *id = json_object_get(body, "portalId");
    char text[32];
    struct buf b;

    if (err_class(meta->fault.err) == ERR_CLASS_AGAIN ||
        err_class(meta->fault.err) == ERR_CLASS_LATER) {
        identify_later(m, &meta->fault);
        return;
    }
    if (meta->fault.err != ERR_OK) {
        m->portal->identifying = false;
        member_halt(m, meta->fault.err, &meta->fault);
        return;
    }
    buf_init(&b, sizeof(text));
    if (json_is_integer(id)) {
        buf_addf(&b, "%" JSON_INTEGER_FORMAT, json_integer_value(id));
    } else if (json_is_string(id)) {
        buf_adds(&b, json_string_value(id));
    }
    if (b.len == 0) {
        struct fault f = meta->fault;

        (void)fault_set(&f, ERR_PROMISE,
                        "HubSpot's account details name no portalId");
        m->portal->identifying = false;
        member_halt(m, ERR_PROMISE, &f);
    } else {
        learn_portal(m, b.data, jsonx_text(body, "timeZone"));
    }
    buf_fini(&b);
}

void
portal_identify(struct portal *p)
{
    static const struct hubspot_call details = {.operation = "account.details",
                                                .method = "GET",
                                                .path =
                                                    "/account-info/v3/details"};
    struct tenants *t = p->all;
    struct member *m = portal_member(p, strtoll(p->key + 7, NULL, 10));
    struct fault f;

    if (m == NULL || p->identifying || !member_wanted(m)) {
        return;
    }
    fault_clear(&f);
    if (m->hubspot == NULL &&
        tenant_hubspot(t->loop, t->http, t->vault, t->config.conf, &m->row,
                       &m->hubspot, &f) != ERR_OK) {
        member_break(m, &f);
        return;
    }
    if (m->at_work) {
        return; /* known already: the reload moves it */
    }
    p->identifying = true;
    m->at_work = true;
    m->polled = true;
    dispatch_add(p->dispatch, m->row.id, m->row.name, m->hubspot,
                 m->settings.hubspot_api_version, true);
    if (dispatch_call(p->dispatch, m->row.id, &details, on_details, m) !=
        ERR_OK) {
        p->identifying = false;
    }
}

/* ---- the lease ---------------------------------------------------------- */

static unsigned
portal_limit(const struct portal *p, const struct tenant_settings **settings)
{
    struct list *item, *next;
    unsigned limit = 0;

    /* several tenants of one portal share the smallest limit any of them was
     * given */
    LIST_EACH((struct list *)(uintptr_t)&p->members, item, next)
    {
        const struct member *m = CONTAINER_OF(item, struct member, link);

        if (!m->broken &&
            (limit == 0 || m->settings.hubspot_limit < (int64_t)limit)) {
            limit = (unsigned)m->settings.hubspot_limit;
            *settings = &m->settings;
        }
    }
    return limit;
}

/* Of the day: the smallest limit any of the tenants was given, and the zone of
 * the portal's midnight. A portal that is not known has none. */
static void
portal_day(const struct portal *p, struct dispatch_config *c)
{
    struct list *item, *next;

    c->daily_limit = 0;
    LIST_EACH((struct list *)(uintptr_t)&p->members, item, next)
    {
        const struct member *m = CONTAINER_OF(item, struct member, link);
        int64_t limit = m->settings.hubspot_daily_limit;

        if (m->broken || !portal_is_known(p)) {
            continue;
        }
        if (c->daily_limit == 0 || limit < c->daily_limit) {
            c->daily_limit = limit;
        }
        if (m->time_zone != NULL) {
            c->time_zone = m->time_zone;
        }
    }
}

void
portal_tune(struct portal *p)
{
    const struct tenant_settings *settings = NULL;
    struct dispatch_config c = {.limit = portal_limit(p, &settings)};

    if (p->dispatch != NULL && c.limit > 0) {
        portal_day(p, &c);
        dispatch_tune(p->dispatch, c.limit, c.daily_limit, c.time_zone);
    }
}

static void
portal_start(struct portal *p)
{
    struct dispatch_events events = {.want = on_want,
                                     .halted = on_halted,
                                     .lease_lost = on_doubted,
                                     .arg = p};
    const struct tenant_settings *settings = NULL;
    struct dispatch_config config;
    struct list *item, *next;

    if (portal_limit(p, &settings) == 0) {
        return;
    }
    config = tenant_dispatch_config(p->all->config.conf, settings, p->key,
                                    p->all->config.worker);
    portal_day(p, &config);
    p->dispatch = dispatch_new(p->all->loop, p->all->store, &config, &events);
    p->state = PORTAL_HELD;
    if (!portal_is_known(p)) {
        portal_identify(p);
        return;
    }
    if (p->all->config.once) {
        dispatch_hold(p->dispatch, true);
    }
    LIST_EACH(&p->members, item, next)
    {
        struct member *m = CONTAINER_OF(item, struct member, link);

        if (member_wanted(m)) {
            member_start(m);
        }
    }
}

static void
may_work(struct portal *p, const struct store_lease *lease)
{
    const struct conf *c = p->all->config.conf;
    int64_t until_us =
        p->asked_us + (lease->ttl_ms - c->lease_ttl / LEASE_MARGIN) * 1000;

    p->leased_us = p->asked_us;
    if (p->dispatch != NULL) {
        dispatch_lease(p->dispatch, lease->term, until_us, lease->hold,
                       lease->hold_ms);
    }
}

static void
mark_taken_over(struct portal *p, bool yes)
{
    struct list *item, *next;

    LIST_EACH(&p->members, item, next)
    {
        CONTAINER_OF(item, struct member, link)->took_over = yes;
    }
}

bool
portal_wants(const struct portal *p)
{
    const struct tenant_settings *ignored = NULL;

    return p->state == PORTAL_WAITING && !p->stopping && !p->all->stopping &&
           !p->all->keyless &&
           portal_limit(p, &ignored) > 0; /* somebody's settings can be read */
}

bool
portal_taken(struct portal *p, const struct store_lease *lease)
{
    if (!portal_wants(p)) {
        return false;
    }
    LOG_INFO(NULL, "portal.held", "portal=%s term=%" PRId64 " hold_ms=%" PRId64,
             p->key, lease->term, lease->hold > 0 ? lease->hold_ms : 0);
    mem_free(p->holder);
    p->holder = NULL;
    p->term = lease->term;
    mark_taken_over(p, lease->term > 1);
    portal_start(p);
    may_work(p, lease);
    return p->dispatch != NULL;
}

void
portal_renewed(struct portal *p, const struct store_lease *lease)
{
    if (p->state == PORTAL_WAITING || lease->term != p->term) {
        return; /* of a term that is over here */
    }
    if (p->state == PORTAL_HELD && !portal_is_known(p) &&
        !p->all->config.once) {
        portal_identify(p);
    }
    may_work(p, lease);
}

void
portal_lost(struct portal *p, const struct store_lease *lease)
{
    if (p->state == PORTAL_WAITING || lease->term != p->term ||
        p->release_op != NULL) {
        return;
    }
    LOG_WARN(NULL, "portal.lost", "portal=%s term=%" PRId64 " holder=%s",
             p->key, lease->term, lease->holder != NULL ? lease->holder : "");
    mem_free(p->holder);
    p->holder = mem_strdup(lease->holder); /* run --once names it */
    portal_lose(p);
    portal_is_free(p);
    portal_poke(p);
}

void
portal_poke(struct portal *p)
{
    if (portal_wants(p)) {
        leases_soon(p->all);
    }
}

/* ---- stopping ----------------------------------------------------------- */

static void
on_released(void *arg, enum err err, const struct fault *f)
{
    struct portal *p = portal_from(arg);
    char safe[LOG_TEXT_MAX];

    p->release_op = NULL;
    if (err != ERR_OK) {
        LOG_WARN(NULL, "portal.unreleased", "portal=%s error=%s message=\"%s\"",
                 p->key, err_name(err), log_safe(safe, f->message));
    }
    portal_lose(p);
    portal_is_free(p);
}

static void
on_drained(void *arg)
{
    struct portal *p = portal_from(arg);
    struct tenants *t = p->all;
    int64_t back_ms = 0;
    unsigned out = dispatch_tokens_out(p->dispatch, &back_ms);

    if (store_lease_release(t->store, p->key, t->config.worker, p->term, out,
                            back_ms, on_released, p,
                            &p->release_op) != ERR_OK) {
        later(p, LATER_LOSE);
    }
}

void
portal_stop(struct portal *p)
{
    struct list *item, *next;

    p->stopping = true;
    if (p->state != PORTAL_HELD || p->dispatch == NULL) {
        return;
    }
    p->state = PORTAL_RELEASING;
    requests_drop_portal(p);
    LIST_EACH(&p->members, item, next)
    {
        struct member *m = CONTAINER_OF(item, struct member, link);

        if (m->feeds != NULL) {
            feeds_stop(m->feeds);
        }
    }
    dispatch_drain(p->dispatch, on_drained, p);
}

static void
on_later(void *arg)
{
    struct portal *p = portal_from(arg);
    int work = p->later_work;

    p->later_work = 0;
    if ((work & LATER_LOSE) != 0 && p->state != PORTAL_WAITING) {
        portal_lose(p);
        portal_is_free(p);
    }
    if ((work & LATER_IDENTIFIED) != 0) {
        tenants_reload_soon(p->all);
    }
}

/* ---- run --once: is everything done? ------------------------------------ */

static void on_check(void *arg);
static void count_next(struct portal *p);

static void
portal_finished(struct portal *p)
{
    p->finished = true;
    tenants_check(p->all);
}

static int64_t
number(const json_t *o, const char *key)
{
    struct fault ignored;
    int64_t n = 0;
    bool has = false;

    return jsonx_get_int(o, key, &has, &n, &ignored) == ERR_OK && has ? n : 0;
}

/* Whether this tenant still has work that --once waits for. */
static bool
has_work(const char *json)
{
    struct fault ignored;
    json_t *o = NULL;
    bool work = true;

    if (jsonx_parse(json, strlen(json), &o, &ignored) == ERR_OK) {
        int64_t due = json_object_get(o, "next_due_ms") != NULL ?
                          number(o, "next_due_ms") :
                          -1;

        work = number(o, "queued") > 0 || number(o, "in_flight") > 0 ||
               (due >= 0 && due <= ONCE_WAIT_MS);
    }
    json_decref(o);
    return work;
}

static void
on_counted(void *arg, enum err err, const char *json, const struct fault *f)
{
    struct portal *p = portal_from(arg);
    struct tenants *t = p->all;
    bool left = err != ERR_OK || has_work(json);

    (void)f;
    p->count_op = NULL;
    if (left && dispatch_withholds(p->dispatch) && p->counted_again) {
        left = false; /* it stays where it is until the portal's midnight */
    }
    p->counted_again = left;
    if (left) {
        dispatch_poke(p->dispatch, p->counting->row.id);
        loop_timer_start(t->loop, &p->check, 200, on_check, p);
        return;
    }
    count_next(p);
}

/* Asks for the open jobs of one member after the other. */
static void
count_next(struct portal *p)
{
    struct list *at =
        p->counting == NULL ? p->members.next : p->counting->link.next;

    while (at != &p->members &&
           !CONTAINER_OF(at, struct member, link)->at_work) {
        at = at->next;
    }
    if (at == &p->members) {
        portal_finished(p);
        return;
    }
    p->counting = CONTAINER_OF(at, struct member, link);
    if (store_job_counts(p->all->store, p->counting->row.id, on_counted, p,
                         &p->count_op) != ERR_OK) {
        loop_timer_start(p->all->loop, &p->check, 1000, on_check, p);
    }
}

static bool
members_are_done(const struct portal *p)
{
    struct list *item, *next;

    LIST_EACH((struct list *)(uintptr_t)&p->members, item, next)
    {
        if (!member_is_done(CONTAINER_OF(item, struct member, link))) {
            return false;
        }
    }
    return true;
}

static void
on_check(void *arg)
{
    portal_check(portal_from(arg));
}

void
portal_check(struct portal *p)
{
    struct tenants *t = p->all;

    if (!t->config.once || p->finished || p->count_op != NULL ||
        p->identifying) {
        return;
    }
    if (p->state == PORTAL_WAITING || p->dispatch == NULL) {
        if (p->asked) {
            portal_finished(p); /* another worker has it, or nobody works */
        }
        return;
    }
    if (!portal_is_known(p) || !members_are_done(p)) {
        if (!portal_is_known(p) && members_are_done(p) &&
            !list_empty(&p->members) &&
            !CONTAINER_OF(p->members.next, struct member, link)->at_work) {
            portal_finished(p); /* halted before it was known */
        }
        return;
    }
    dispatch_hold(p->dispatch, false);
    if (!dispatch_is_idle(p->dispatch)) {
        loop_timer_start(t->loop, &p->check, 50, on_check, p);
        return;
    }
    p->counting = NULL;
    count_next(p);
}

/* ---- life --------------------------------------------------------------- */

struct portal *
portal_find(struct tenants *t, const char *key)
{
    return map_get(&t->by_key, key);
}

struct portal *
portal_get(struct tenants *t, const char *key)
{
    struct portal *p = portal_find(t, key);

    if (p != NULL) {
        return p;
    }
    p = MEM_NEW(struct portal);
    p->magic = PORTAL_MAGIC;
    p->all = t;
    p->key = mem_strdup(key);
    list_init(&p->members);
    list_push(&t->portals, &p->link);
    (void)map_put(&t->by_key, p->key, p);
    return p;
}

void
portal_free(struct portal *p)
{
    struct list *item;

    ML_ASSERT(p->magic == PORTAL_MAGIC);
    portal_lose(p);
    while ((item = list_first(&p->members)) != NULL) {
        member_free(CONTAINER_OF(item, struct member, link));
    }
    p->magic = 0;
    store_cancel(p->release_op);
    loop_call_cancel(&p->later);
    list_remove(&p->link);
    (void)map_del(&p->all->by_key, p->key);
    mem_free(p->key);
    mem_free(p->holder);
    mem_free(p);
}
