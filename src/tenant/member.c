/* SPDX-License-Identifier: UNLICENSED */
/*
 * One tenant at work in a portal this worker holds.
 *
 *     known --start--> at work --stop, halt--> known
 *
 * Its needs for parents go from dispatch to its feeds; what its feeds stored
 * pokes dispatch.
 */
#include "tenant_priv.h"

#include <stdio.h>
#include <string.h>

static struct member *
member_from(void *arg)
{
    struct member *m = arg;

    ML_ASSERT(m->magic == MEMBER_MAGIC);
    return m;
}

bool
member_wanted(const struct member *m)
{
    return !m->broken && (strcmp(m->row.state, "active") == 0 ||
                          (strcmp(m->row.state, "halted") == 0 &&
                           m->portal->all->config.once));
}

bool
member_is_done(const struct member *m)
{
    return m->state_op == NULL && m->take_op == NULL &&
           (!m->at_work || m->polled);
}

/* ---- what the feeds tell ------------------------------------------------ */

static void
on_stored(void *arg)
{
    struct member *m = member_from(arg);

    dispatch_poke(m->portal->dispatch, m->row.id);
}

static void
on_halted(void *arg, enum err err, const struct fault *f)
{
    member_halt(member_from(arg), err, f);
}

static void
on_idle(void *arg)
{
    struct member *m = member_from(arg);

    m->polled = true;
    if (m->take_op == NULL) {
        requests_polled(m);
    }
    dispatch_poke(m->portal->dispatch, m->row.id);
    portal_check(m->portal);
}

/* ---- halting ------------------------------------------------------------ */

static void
on_state_stored(void *arg, enum err err, const struct fault *f)
{
    struct member *m = member_from(arg);
    char safe[LOG_TEXT_MAX];

    m->state_op = NULL;
    if (err != ERR_OK) {
        m->portal->all->mark[0] = '\0'; /* it is not as it is stored */
        LOG_WARN(&m->log, "tenant.unstored", "error=%s message=\"%s\"",
                 err_name(err), log_safe(safe, f->message));
    }
    portal_check(m->portal);
}

static void
store_state(struct member *m, const char *from, const char *to,
            const char *reason)
{
    struct tenants *t = m->portal->all;

    store_cancel(m->state_op);
    m->state_op = NULL;
    if (store_tenant_state(t->store, m->row.name, from, to, reason,
                           t->config.worker, on_state_stored, m,
                           &m->state_op) != ERR_OK) {
        m->state_op = NULL;
    }
}

static void
on_again(void *arg)
{
    struct member *m = member_from(arg);

    LOG_INFO(&m->log, "tenant.again", "state=halted");
    m->row.state = "active";
    m->hurry = true;
    store_state(m, "halted", "active", "trying again");
    if (m->portal->state == PORTAL_HELD) {
        member_start(m);
    }
}

void
member_try_soon(struct member *m)
{
    if (strcmp(m->row.state, "halted") == 0 && !m->broken) {
        loop_timer_start(m->portal->all->loop, &m->again, 0, on_again, m);
    }
}

void
member_halt(struct member *m, enum err err, const struct fault *f)
{
    char safe[LOG_TEXT_MAX];

    LOG_ERROR(&m->log, "tenant.halted", "error=%s message=\"%s\"",
              err_name(err), log_safe(safe, f->message));
    m->row.state = "halted";
    store_state(m, "active", "halted", f->message);
    member_stop(m);
    loop_timer_start(m->portal->all->loop, &m->again, HALTED_AGAIN_MS, on_again,
                     m);
    portal_check(m->portal);
}

/* ---- held: far more would change than usual ----------------------------- */

static uint64_t
number(const json_t *o, const char *key)
{
    struct fault ignored;
    int64_t n = 0;
    bool has = false;

    return o != NULL && jsonx_get_int(o, key, &has, &n, &ignored) == ERR_OK &&
                   has && n > 0 ?
               (uint64_t)n :
               0;
}

/* What writing it costs at least: that of one object for each change. */
static uint64_t
held_cost(const json_t *records)
{
    static const enum map_object first[MAP_KINDS] = {
        [MAP_CUSTOMER] = MAP_COMPANIES,
        [MAP_INVOICE] = MAP_INVOICES,
        [MAP_PAYMENT] = MAP_PAYMENTS};
    static const enum map_object rest[MAP_KINDS] = {
        [MAP_CUSTOMER] = MAP_CONTACTS,
        [MAP_INVOICE] = MAP_LINE_ITEMS,
        [MAP_PAYMENT] = MAP_PAYMENTS};
    struct cost_counts c;

    memset(&c, 0, sizeof(c));
    for (unsigned k = 0; k < MAP_KINDS; k++) {
        const json_t *o =
            json_object_get(records, map_kind_name((enum map_kind)k));
        uint64_t n = number(o, "create");
        uint64_t all = number(o, "objects");

        c.created[first[k]] += n;
        c.created[rest[k]] += all > n ? all - n : 0;
        c.upserted[first[k]] += number(o, "change");
    }
    return cost_requests(&c);
}

/* The plan in short. */
static char *
held_reason(const struct member *m, const json_t *o)
{
    const json_t *records = json_object_get(o, "records");
    const char *feed = jsonx_text(o, "feed");
    uint64_t requests = held_cost(records);
    double per_minute = (double)m->settings.hubspot_limit * 60000.0 /
                        (double)m->portal->all->config.conf->hubspot_window;
    const char *comma = "";
    struct buf b;
    char *text;

    buf_init(&b, 4096);
    buf_addf(&b, "a poll of %s would have to write", feed);
    for (unsigned k = 0; k < MAP_KINDS; k++) {
        const char *kind = map_kind_name((enum map_kind)k);
        const json_t *r = json_object_get(records, kind);

        if (r != NULL) {
            buf_addf(&b, "%s %" PRIu64 " new and %" PRIu64 " changed %ss",
                     comma, number(r, "create"), number(r, "change"), kind);
            comma = ",";
        }
    }
    buf_addf(&b,
             ", and it is not at its end; polls of the last 7 days wrote at "
             "most %" PRIu64 " records, the ceiling is %" PRIu64
             "; that is at least %" PRIu64 " requests, "
             "%.1f minutes; `ml-connector plan %s` shows all of it, "
             "`ml-connector tenant resume %s` lets it through",
             number(o, "usual"), number(o, "ceiling"), requests,
             (double)requests / per_minute, m->row.name, m->row.name);
    text = mem_strdup(buf_text(&b));
    buf_fini(&b);
    return text;
}

/* The store holds it since the page was stored; this adds what it means. */
static void
on_held(void *arg, const char *json)
{
    struct member *m = member_from(arg);
    char safe[LOG_TEXT_MAX];
    struct fault ignored;
    json_t *o = NULL;
    char *reason;

    if (jsonx_parse(json, strlen(json), &o, &ignored) != ERR_OK) {
        o = json_object();
    }
    reason = held_reason(m, o);
    LOG_ERROR(&m->log, "tenant.held", "message=\"%s\"", log_safe(safe, reason));
    m->row.state = "held";
    store_state(m, "held", "held", reason);
    mem_free(reason);
    json_decref(o);
    member_stop(m);
    portal_check(m->portal);
}

/* ---- start and stop ----------------------------------------------------- */

static bool
is_provisioned(const struct member *m)
{
    struct fault ignored;
    json_t *o = NULL;
    bool yes = false;

    if (jsonx_parse(m->row.learned, strlen(m->row.learned), &o, &ignored) ==
        ERR_OK) {
        yes = jsonx_text(o, DISPATCH_PROVISIONED) != NULL;
    }
    json_decref(o);
    return yes;
}

static enum err
open_clients(struct member *m, struct fault *f)
{
    struct tenants *t = m->portal->all;
    struct map_options options = {
        .key_prefix = m->settings.key_prefix,
        .business_units = (const char *const *)m->settings.business_units,
        .mapping_file = m->settings.mapping};
    enum err err = map_new(&options, &m->map, f);

    if (err == ERR_OK) {
        err = tenant_hubspot(t->loop, t->http, t->vault, t->config.conf,
                             &m->row, &m->hubspot, f);
    }
    if (err == ERR_OK) {
        err = tenant_fusion(t->loop, t->http, t->vault, t->config.conf, &m->row,
                            &m->fusion, f);
    }
    return err;
}

static void
open_feeds(struct member *m)
{
    struct tenants *t = m->portal->all;
    struct feeds_events events = {
        .stored = on_stored,
        .halted = on_halted,
        .held = on_held,
        .idle = on_idle,
        .arg = m,
    };
    struct feeds_config config = tenant_feeds_config(
        t->config.conf, &m->settings, &m->row, t->config.worker);

    m->feeds =
        feeds_new(t->loop, t->store, m->fusion, m->map, &config, &events);
    if (t->config.once) {
        requests_take_once(m);
        feeds_poll_once(m->feeds);
    } else {
        feeds_start(m->feeds);
        if (m->row.let) {
            feeds_sync(m->feeds, FEED_KINDS); /* the rest of it, now */
        } else if (m->row.unfinished || m->hurry) {
            feeds_hurry(m->feeds);
        }
        m->hurry = false;
    }
}

/* Its settings or secrets cannot be used here. That may be this worker's own
 * fault (another master key): the tenant's state in the store is left alone. */
void
member_break(struct member *m, const struct fault *f)
{
    struct tenants *t = m->portal->all;
    char safe[LOG_TEXT_MAX];

    m->broken = true;
    LOG_ERROR(&m->log, "tenant.broken", "error=%s message=\"%s\"",
              err_name(f->err), log_safe(safe, f->message));
    if (t->unable.err == ERR_OK) {
        (void)fault_set(&t->unable, f->err, "tenant %s: %s", m->row.name,
                        f->message);
    }
}

void
member_start(struct member *m)
{
    struct portal *p = m->portal;
    struct fault f;
    enum err err;

    if (m->at_work) {
        return;
    }
    if (!portal_is_known(m->portal)) {
        portal_identify(m->portal);
        return;
    }
    fault_clear(&f);
    err = open_clients(m, &f);
    if (err != ERR_OK) {
        member_break(m, &f);
        member_stop(m);
        return;
    }
    if (strcmp(m->row.state, "halted") == 0) {
        m->row.state = "active";
        store_state(m, "halted", "active", "trying again");
    }
    m->at_work = true;
    m->polled = false;
    store_fence(p->all->store, m->row.id, p->key, p->term);
    dispatch_add(p->dispatch, m->row.id, m->row.name, m->hubspot,
                 m->settings.hubspot_api_version, is_provisioned(m));
    open_feeds(m);
}

void
member_stop(struct member *m)
{
    if (m->at_work && m->portal->dispatch != NULL) {
        dispatch_remove(m->portal->dispatch, m->row.id);
        m->hubspot = NULL; /* what is in flight ends with it */
    }
    if (!portal_is_known(m->portal)) {
        m->portal->identifying = false; /* its answer does not come any more */
        store_cancel(m->learn_op);
        m->learn_op = NULL;
    }
    requests_drop(m);
    feeds_free(m->feeds);
    store_fence(m->portal->all->store, m->row.id, NULL, 0);
    hubspot_free(m->hubspot);
    fusion_free(m->fusion);
    map_free(m->map);
    m->feeds = NULL;
    m->hubspot = NULL;
    m->fusion = NULL;
    m->map = NULL;
    m->at_work = false;
}

/* ---- life --------------------------------------------------------------- */

/* The portal's time zone, or NULL: not learned. In the member's arena. */
static const char *
learned_zone(struct member *m)
{
    struct fault ignored;
    json_t *o = NULL;
    const char *zone = NULL;

    if (jsonx_parse(m->row.learned, strlen(m->row.learned), &o, &ignored) ==
        ERR_OK) {
        zone = arena_strdup(&m->arena, jsonx_text(o, LEARNED_ZONE));
    }
    json_decref(o);
    return zone;
}

const char *
member_key(int64_t tenant, char out[MEMBER_KEY_MAX])
{
    (void)snprintf(out, MEMBER_KEY_MAX, "%" PRId64, tenant);
    return out;
}

struct member *
member_new(struct portal *p, const struct store_tenant *row)
{
    struct member *m = MEM_NEW(struct member);
    char key[MEMBER_KEY_MAX];
    struct fault f;

    m->magic = MEMBER_MAGIC;
    m->portal = p;
    arena_init(&m->arena);
    tenant_row_copy(&m->arena, row, &m->row);
    m->time_zone = learned_zone(m);
    m->log.tenant = m->row.name;
    fault_clear(&f);
    if (tenant_settings_read(&m->arena, m->row.settings, NULL, &m->settings,
                             &f) != ERR_OK) {
        member_break(m, &f);
    }
    list_push(&p->members, &m->link);
    (void)map_put(&p->all->by_id, member_key(m->row.id, key), m);
    if (strcmp(m->row.state, "halted") == 0 && !p->all->config.once) {
        loop_timer_start(p->all->loop, &m->again, HALTED_AGAIN_MS, on_again, m);
    }
    return m;
}

void
member_free(struct member *m)
{
    char key[MEMBER_KEY_MAX];

    ML_ASSERT(m->magic == MEMBER_MAGIC);
    member_stop(m);
    m->magic = 0;
    store_cancel(m->state_op);
    store_cancel(m->learn_op);
    loop_timer_stop(&m->again);
    list_remove(&m->link);
    (void)map_del(&m->portal->all->by_id, member_key(m->row.id, key));
    arena_fini(&m->arena);
    mem_free(m);
}
