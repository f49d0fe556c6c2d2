/* SPDX-License-Identifier: UNLICENSED */
/*
 * All tenants of this worker: loaded at start and looked at again every few
 * seconds; a changed one is taken down and set up anew, others do not notice. A
 * look asks for a mark of them all, and loads them when it is another one, when
 * commands wait, or when something here has to be put right.
 */
#include "tenant_priv.h"

#include <stdio.h>
#include <string.h>

static struct tenants *
tenants_from(void *arg)
{
    struct tenants *t = arg;

    ML_ASSERT(t->magic == TENANTS_MAGIC);
    return t;
}

/* ---- loading ------------------------------------------------------------ */

struct member *
tenants_member(struct tenants *t, int64_t id)
{
    char key[MEMBER_KEY_MAX];

    return map_get(&t->by_id, member_key(id, key));
}

static const char *
portal_key(const struct store_tenant *row, struct arena *a)
{
    return row->portal != NULL ? row->portal :
                                 arena_printf(a, "tenant:%" PRId64, row->id);
}

static bool
has_changed(const struct member *m, const struct store_tenant *row,
            const char *key)
{
    return m->row.revision != row->revision ||
           strcmp(m->row.state, row->state) != 0 ||
           strcmp(m->portal->key, key) != 0;
}

static void
take_row(struct tenants *t, const struct store_tenant *row, struct arena *a)
{
    struct member *m = tenants_member(t, row->id);
    const char *key = portal_key(row, a);
    struct portal *p;
    bool changed;

    if (m != NULL && !has_changed(m, row, key)) {
        m->seen = true;
        m->row.asked = row->asked;
        m->row.unfinished = row->unfinished;
        if (m->took_over && row->unfinished && m->feeds != NULL) {
            feeds_hurry(m->feeds); /* a poll died with the holder before */
        }
        m->took_over = false;
        return;
    }
    if (m != NULL) {
        LOG_INFO(&m->log, "tenant.changed", "state=%s", row->state);
        member_free(m);
    }
    p = portal_get(t, key);
    changed = m != NULL;
    m = member_new(p, row);
    m->seen = true;
    m->hurry = t->loaded && !changed; /* new, or resumed */
    p->changed = true;
    if (changed) {
        member_try_soon(m); /* what halted it may have been mended */
    }
    if (p->state == PORTAL_HELD && p->dispatch != NULL && member_wanted(m)) {
        member_start(m);
    } else {
        portal_poke(p);
    }
}

/* Why it is none of ours any more. */
static const char *
gone_state(const struct store_tenant *rows, size_t n, int64_t tenant)
{
    for (size_t i = 0; i < n; i++) {
        if (rows[i].id == tenant) {
            return rows[i].state;
        }
    }
    return "removed";
}

static void
forget_unseen(struct tenants *t, const struct store_tenant *rows, size_t n)
{
    struct list *pi, *pn, *mi, *mn;

    LIST_EACH(&t->portals, pi, pn)
    {
        struct portal *p = CONTAINER_OF(pi, struct portal, link);

        LIST_EACH(&p->members, mi, mn)
        {
            struct member *m = CONTAINER_OF(mi, struct member, link);

            if (!m->seen) {
                LOG_INFO(&m->log, "tenant.changed", "state=%s",
                         gone_state(rows, n, m->row.id));
                member_free(m);
                p->changed = true;
            } else {
                m->seen = false;
            }
        }
        if (p->changed) {
            p->changed = false;
            portal_tune(p);
        }
        if (list_empty(&p->members) && p->state == PORTAL_HELD) {
            portal_stop(p);
        } else if (list_empty(&p->members) && p->state == PORTAL_WAITING) {
            portal_free(p);
        }
    }
}

static bool
is_wanted(const struct store_tenant *row)
{
    return strcmp(row->state, "active") == 0 ||
           strcmp(row->state, "halted") == 0;
}

/* A worker whose master keys open nothing would only keep others from the
 * portals; one tenant that does not open is that tenant's own matter. */
static void
look_at_keys(struct tenants *t, const struct store_tenant *rows, size_t n)
{
    struct fault f, why;
    bool opens = false;
    struct list *item, *next;
    char safe[LOG_TEXT_MAX];

    fault_clear(&why);
    for (size_t i = 0; i < n && !opens; i++) {
        fault_clear(&f);
        if (is_wanted(&rows[i]) && strcmp(rows[i].sealed, "{}") != 0) {
            opens = tenant_opens(t->vault, &rows[i], &f);
            why = why.err == ERR_OK && !opens ? f : why;
        }
    }
    opens = opens || why.err == ERR_OK || t->config.once;
    if (opens != t->keyless) {
        return;
    }
    t->keyless = !opens;
    leases_soon(t);
    if (opens) {
        LOG_INFO(NULL, "worker.keyed", "tenants=%zu", n);
        return;
    }
    LOG_ERROR(NULL, "worker.keyless", "error=%s message=\"%s\"",
              err_name(why.err), log_safe(safe, why.message));
    LIST_EACH(&t->portals, item, next)
    {
        struct portal *p = CONTAINER_OF(item, struct portal, link);

        if (p->state == PORTAL_HELD) {
            portal_stop(p);
        }
    }
}

static void on_reload(void *arg);

static void
on_loaded(void *arg, enum err err, const struct store_tenant *rows, size_t n,
          const struct fault *f)
{
    struct tenants *t = tenants_from(arg);
    char safe[LOG_TEXT_MAX];
    struct arena a;

    t->load_op = NULL;
    loop_timer_start(t->loop, &t->reload, RELOAD_MS, on_reload, t);
    if (err != ERR_OK) {
        LOG_WARN(NULL, "tenants.unloaded", "error=%s message=\"%s\"",
                 err_name(err), log_safe(safe, f->message));
        return;
    }
    (void)snprintf(t->mark, sizeof(t->mark), "%s", t->mark_asked);
    arena_init(&a);
    t->n_paused = 0;
    t->n_held = 0;
    for (size_t i = 0; i < n; i++) {
        t->n_paused += strcmp(rows[i].state, "paused") == 0 ? 1 : 0;
        t->n_held += strcmp(rows[i].state, "held") == 0 ? 1 : 0;
    }
    look_at_keys(t, rows, n);
    for (size_t i = 0; i < n; i++) {
        if (is_wanted(&rows[i]) && (!t->config.once || !t->told)) {
            take_row(t, &rows[i], &a);
        }
    }
    arena_fini(&a);
    t->loaded = true;
    forget_unseen(t, rows, n);
    requests_look(t, rows, n);
    leases_looked(t);
    tenants_check(t);
}

static void
load(struct tenants *t)
{
    if (store_tenants(t->store, NULL, on_loaded, t, &t->load_op) != ERR_OK) {
        t->load_op = NULL;
        loop_timer_start(t->loop, &t->reload, RELOAD_MS, on_reload, t);
    }
}

/* The mark as it was before the load: what changes in between shows next time. */
static void
on_marked(void *arg, enum err err, const char *json, const struct fault *f)
{
    struct tenants *t = tenants_from(arg);
    struct fault ignored;
    json_t *o = NULL;
    bool same;

    t->load_op = NULL;
    if (err != ERR_OK ||
        jsonx_parse(json, strlen(json), &o, &ignored) != ERR_OK) {
        on_loaded(t, err != ERR_OK ? err : ERR_SYNTAX, NULL, 0, f);
        return;
    }
    (void)snprintf(t->mark_asked, sizeof(t->mark_asked), "%s",
                   jsonx_text(o, "mark"));
    same = t->loaded && strcmp(t->mark, t->mark_asked) == 0 &&
           !json_is_true(json_object_get(o, "asked"));
    json_decref(o);
    if (!same) {
        load(t);
        return;
    }
    loop_timer_start(t->loop, &t->reload, RELOAD_MS, on_reload, t);
    requests_look(t, NULL, 0);
    leases_looked(t);
    tenants_check(t);
}

static void
on_reload(void *arg)
{
    struct tenants *t = tenants_from(arg);

    if (t->stopping || t->load_op != NULL) {
        return;
    }
    if (store_tenants_mark(t->store, on_marked, t, &t->load_op) != ERR_OK) {
        t->load_op = NULL;
        loop_timer_start(t->loop, &t->reload, RELOAD_MS, on_reload, t);
    }
}

void
tenants_reload_soon(struct tenants *t)
{
    t->mark[0] = '\0';
    if (!t->stopping) {
        loop_timer_start(t->loop, &t->reload, 0, on_reload, t);
    }
}

/* ---- the end ------------------------------------------------------------ */

static bool
all_released(const struct tenants *t)
{
    struct list *item, *next;

    LIST_EACH((struct list *)(uintptr_t)&t->portals, item, next)
    {
        if (CONTAINER_OF(item, struct portal, link)->state != PORTAL_WAITING) {
            return false;
        }
    }
    return true;
}

static bool
all_finished(const struct tenants *t)
{
    struct list *item, *next;

    LIST_EACH((struct list *)(uintptr_t)&t->portals, item, next)
    {
        const struct portal *p = CONTAINER_OF(item, struct portal, link);

        if (!p->finished && !list_empty(&p->members)) {
            return false;
        }
    }
    return true;
}

static void
on_ending(void *arg)
{
    struct tenants *t = tenants_from(arg);

    if (t->stopping) {
        if (t->stopped != NULL && t->left && all_released(t)) {
            loop_fn *fn = t->stopped;

            t->stopped = NULL;
            fn(t->stopped_arg);
        }
        return;
    }
    if (t->config.once && t->loaded && !t->told && all_finished(t) &&
        requests_are_settled(t)) {
        t->told = true;
        t->events.finished(t->events.arg);
    }
}

void
tenants_check(struct tenants *t)
{
    loop_later(t->loop, &t->ending, on_ending, t);
}

/* ---- public, in the header's order -------------------------------------- */

struct tenants *
tenants_new(struct loop *l, struct http *h, struct store *s,
            const struct vault *v, const struct tenants_config *c,
            const struct tenants_events *e)
{
    struct tenants *t = MEM_NEW(struct tenants);

    t->magic = TENANTS_MAGIC;
    t->loop = l;
    t->http = h;
    t->store = s;
    t->vault = v;
    t->config = *c;
    t->events = *e;
    list_init(&t->portals);
    list_init(&t->runs);
    map_init(&t->by_key);
    map_init(&t->by_id);
    (void)random_id(t->process);
    return t;
}

void
tenants_start(struct tenants *t)
{
    tenants_reload_soon(t);
}

void
tenants_stop(struct tenants *t, loop_fn *stopped, void *arg)
{
    struct list *item, *next;

    t->stopping = true;
    t->stopped = stopped;
    t->stopped_arg = arg;
    loop_timer_stop(&t->reload);
    LIST_EACH(&t->portals, item, next)
    {
        portal_stop(CONTAINER_OF(item, struct portal, link));
    }
    leases_soon(t); /* the others share the portals among them */
    tenants_check(t);
}

void
tenants_free(struct tenants *t)
{
    struct list *item;

    if (t == NULL) {
        return;
    }
    while ((item = list_first(&t->portals)) != NULL) {
        portal_free(CONTAINER_OF(item, struct portal, link));
    }
    store_cancel(t->load_op);
    leases_close(t);
    requests_close(t);
    loop_timer_stop(&t->reload);
    loop_call_cancel(&t->ending);
    map_fini(&t->by_key);
    map_fini(&t->by_id);
    t->magic = 0;
    mem_free(t);
}

void
tenants_poke(struct tenants *t)
{
    struct list *pi, *pn, *mi, *mn;

    LIST_EACH(&t->portals, pi, pn)
    {
        struct portal *p = CONTAINER_OF(pi, struct portal, link);

        if (p->state != PORTAL_HELD || p->dispatch == NULL ||
            !portal_is_known(p)) {
            continue;
        }
        LIST_EACH(&p->members, mi, mn)
        {
            struct member *m = CONTAINER_OF(mi, struct member, link);

            if (m->at_work) {
                dispatch_poke(p->dispatch, m->row.id);
            }
        }
    }
}

size_t
tenants_count(const struct tenants *t, const char *state)
{
    struct list *pi, *pn, *mi, *mn;
    size_t n = 0;

    LIST_EACH((struct list *)(uintptr_t)&t->portals, pi, pn)
    {
        struct portal *p = CONTAINER_OF(pi, struct portal, link);

        LIST_EACH(&p->members, mi, mn)
        {
            struct member *m = CONTAINER_OF(mi, struct member, link);

            n += strcmp(m->row.state, state) == 0 ? 1 : 0;
        }
    }
    return n;
}

char *
tenants_skipped(const struct tenants *t)
{
    struct list *pi, *pn, *mi, *mn;
    struct buf b;
    size_t n;
    char *text;

    buf_init(&b, 1 << 20);
    LIST_EACH((struct list *)(uintptr_t)&t->portals, pi, pn)
    {
        struct portal *p = CONTAINER_OF(pi, struct portal, link);

        if (p->holder == NULL) {
            continue;
        }
        LIST_EACH(&p->members, mi, mn)
        {
            struct member *m = CONTAINER_OF(mi, struct member, link);

            buf_addf(&b, "%s%s (held by %s)", b.len > 0 ? ", " : "",
                     m->row.name, p->holder);
        }
    }
    text = b.len > 0 ? buf_take(&b, &n) : mem_strdup("");
    buf_fini(&b);
    return text;
}

const struct fault *
tenants_unable(const struct tenants *t)
{
    return &t->unable;
}

const char *
tenants_stuck(const struct tenants *t)
{
    struct list *item, *next;

    LIST_EACH((struct list *)(uintptr_t)&t->portals, item, next)
    {
        const struct portal *p = CONTAINER_OF(item, struct portal, link);
        const char *stuck =
            p->dispatch != NULL ? dispatch_status(p->dispatch).stuck : NULL;

        if (stuck != NULL) {
            return stuck;
        }
    }
    return NULL;
}

/* How the budgets of the portals held here stand, all together, and what of
 * them is not stored yet. */
static void
budget_metrics(const struct tenants *t)
{
    size_t portals[QUOTA_LEVELS] = {0};
    uint64_t tokens = 0, unstored = 0;
    int64_t oldest_us = 0;
    double most = 0;
    struct list *item, *next;

    LIST_EACH((struct list *)(uintptr_t)&t->portals, item, next)
    {
        const struct portal *p = CONTAINER_OF(item, struct portal, link);
        struct dispatch_status s;
        double used;

        if (p->dispatch == NULL) {
            continue;
        }
        s = dispatch_status(p->dispatch);
        used = s.daily_limit > 0 ?
                   (double)s.daily_used / (double)s.daily_limit :
                   0;
        portals[s.level]++;
        tokens += s.tokens_out;
        unstored += s.unstored;
        oldest_us = s.unstored_us > oldest_us ? s.unstored_us : oldest_us;
        most = used > most ? used : most;
    }
    for (size_t i = 0; i < QUOTA_LEVELS; i++) {
        stat_set(STAT_portals, quota_level_name((enum quota_level)i), NULL,
                 (double)portals[i]);
    }
    stat_set(STAT_tokens_out, NULL, NULL, (double)tokens);
    stat_set(STAT_daily_used, NULL, NULL, most);
    stat_set(STAT_outcomes_unstored, NULL, NULL, (double)unstored);
    stat_set(STAT_outcomes_age, NULL, NULL, (double)oldest_us / 1e6);
}

void
tenants_metrics(struct tenants *t)
{
    static const char *const states[] = {"active", "halted"};

    for (size_t i = 0; i < COUNT_OF(states); i++) {
        stat_set(STAT_tenants, states[i], NULL,
                 (double)tenants_count(t, states[i]));
    }
    stat_set(STAT_tenants, "paused", NULL, (double)t->n_paused);
    stat_set(STAT_tenants, "held", NULL, (double)t->n_held);
    budget_metrics(t);
}
