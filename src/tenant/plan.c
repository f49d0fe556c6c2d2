/* SPDX-License-Identifier: UNLICENSED */
/*
 * A plan: the ordinary feeds over a store of which nothing remains, then a look
 * at every job they leave open.
 *
 *     BEGIN --copies--> READ --idle--> FOLLOW --> jobs, kind by kind --> TOTALS
 *         --> closing (copies removed) --> done
 *
 * Counts are kept of all, records only of the first ones; jobs come by the
 * page. A feed that fails leaves the plan incomplete, and it says so. One that
 * is not there in time fails.
 */
#include "tenant_priv.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
    PLAN_MAGIC = 0x504c414e,
    PAGE_JOBS = 500,
    WAITS_MAX = 1000,     /* parents told one by one */
    REFUSED_MAX = 1000000 /* parents remembered as not coming */
};

struct tenant_plan {
    unsigned magic;
    struct loop *loop;
    struct tenant_plan_spec spec;
    struct mapping *map;
    struct store *store;
    struct feeds *feeds;
    struct store_op *op;
    struct loop_timer deadline;
    enum map_kind kind; /* whose jobs are looked at */
    int64_t after;
    struct cost_counts cost;
    uint64_t fates[MAP_KINDS][EFFECT_FATES];
    uint64_t found[MAP_KINDS];
    struct map refused; /* records: what hangs on them waits */
    json_t *waiting, *rejected, *shown, *feeds_say;
    uint64_t more, more_rejected;
    json_t *plan;
    enum err err;
    struct fault fault;
    tenant_plan_fn *done;
    void *arg;
};

static struct tenant_plan *
plan_from(void *arg)
{
    struct tenant_plan *p = arg;

    ML_ASSERT(p->magic == PLAN_MAGIC);
    return p;
}

/* ---- the end ------------------------------------------------------------ */

static void
plan_free(struct tenant_plan *p)
{
    map_free(p->map);
    map_fini(&p->refused);
    json_decref(p->waiting);
    json_decref(p->rejected);
    json_decref(p->shown);
    json_decref(p->feeds_say);
    json_decref(p->plan);
    p->magic = 0;
    mem_free(p);
}

static void
on_closed(void *arg)
{
    struct tenant_plan *p = plan_from(arg);

    if (p->done != NULL) {
        p->done(p->arg, p->err, p->plan, &p->fault);
    }
    plan_free(p);
}

static void
plan_close(struct tenant_plan *p)
{
    loop_timer_stop(&p->deadline);
    store_cancel(p->op);
    p->op = NULL;
    feeds_free(p->feeds);
    p->feeds = NULL;
    store_plan_close(p->store, on_closed, p);
    p->store = NULL;
}

static void
plan_fail(struct tenant_plan *p, enum err err, const struct fault *f)
{
    fault_clear(&p->fault);
    if (f != NULL) {
        p->fault = *f;
    }
    if (p->fault.message[0] == '\0') {
        (void)fault_set(&p->fault, err, "%s", err_text(err));
    }
    p->err = err;
    plan_close(p);
}

static void
on_deadline(void *arg)
{
    struct tenant_plan *p = plan_from(arg);
    struct fault f;

    fault_clear(&f);
    (void)fault_set(&f, ERR_TIMEOUT,
                    "the plan was not ready within %" PRId64
                    " s (ML_PLAN_TIMEOUT): nothing of it is left; give it "
                    "more time when this tenant has much to read",
                    p->spec.conf->plan_timeout / 1000);
    plan_fail(p, ERR_TIMEOUT, &f);
}

/* Whether a call to the store could begin. */
static void
plan_started(struct tenant_plan *p, enum err err)
{
    if (err != ERR_OK) {
        p->op = NULL;
        plan_fail(p, err, NULL);
    }
}

/* ---- the document ------------------------------------------------------- */

/* Of a document of the store. */
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

static uint64_t
counted(const json_t *o, const char *key)
{
    return (uint64_t)json_integer_value(json_object_get(o, key));
}

static void
put_number(json_t *o, const char *key, uint64_t n)
{
    json_object_set_new(o, key, json_integer((json_int_t)n));
}

static json_t *
records_of(const struct tenant_plan *p, const json_t *totals)
{
    json_t *all = json_object();

    for (unsigned k = 0; k < MAP_KINDS; k++) {
        const char *kind = map_kind_name((enum map_kind)k);
        json_t *o = json_object();

        for (unsigned f = 0; f < EFFECT_FATES; f++) {
            uint64_t n = p->fates[k][f];

            if (f == EFFECT_NOTHING) {
                n += number(json_object_get(totals, "unchanged"), kind);
            } else if (f == EFFECT_REFUSED) {
                n += number(json_object_get(totals, "invalid"), kind);
            }
            put_number(o, effect_name((enum effect_fate)f), n);
        }
        put_number(o, "found", p->found[k]);
        json_object_set_new(all, kind, o);
    }
    return all;
}

static void
add_reasons(struct tenant_plan *p, const json_t *totals)
{
    const json_t *reasons = json_object_get(totals, "reasons");

    for (size_t i = 0; i < json_array_size(reasons); i++) {
        const json_t *r = json_array_get(reasons, i);
        const char *id = jsonx_text(r, "id");
        const char *kind = jsonx_text(r, "kind");
        json_t *o;
        char *record;

        if (json_array_size(p->rejected) >= p->spec.shown) {
            p->more_rejected++;
            continue;
        }
        record = mem_printf("%s:%s", kind != NULL ? kind : "row",
                            id != NULL ? id : "?");
        o = json_object();
        json_object_set_new(o, "record", json_string(record));
        json_object_set(o, "why", json_object_get(r, "why"));
        json_array_append_new(p->rejected, o);
        mem_free(record);
    }
}

/* Most wanted parents first come as they were met; few are told. */
static json_t *
waiting_of(const struct tenant_plan *p)
{
    json_t *all = json_array();
    const char *what;
    json_t *n;

    json_object_foreach(p->waiting, what, n)
    {
        json_t *o = json_object();

        json_object_set_new(o, "for", json_string(what));
        json_object_set(o, "records", n);
        json_array_append_new(all, o);
    }
    return all;
}

static void
add_cost(const struct tenant_plan *p, json_t *o)
{
    const struct tenant_settings *s = p->spec.settings;
    uint64_t n = cost_requests(&p->cost);
    double per_minute = (double)s->hubspot_limit * 60000.0 /
                        (double)p->spec.conf->hubspot_window;

    json_object_set_new(o, "operations", cost_operations(&p->cost));
    put_number(o, "requests", n);
    put_number(o, "limit_per_10_seconds", (uint64_t)s->hubspot_limit);
    json_object_set_new(o, "minutes", json_real((double)n / per_minute));
    put_number(o, "daily_limit", (uint64_t)s->hubspot_daily_limit);
    json_object_set_new(o, "daily_share",
                        json_real((double)n / (double)s->hubspot_daily_limit));
}

static void
compose(struct tenant_plan *p, const json_t *totals)
{
    json_t *o = json_object();

    add_reasons(p, totals);
    json_object_set_new(o, "tenant", json_string(p->spec.row->name));
    json_object_set_new(o, "records", records_of(p, totals));
    json_object_set_new(o, "waiting", waiting_of(p));
    json_object_set(o, "rejected", p->rejected);
    json_object_set(o, "shown", p->shown);
    put_number(o, "more", p->more);
    put_number(o, "more_rejected", p->more_rejected);
    add_cost(p, o);
    put_number(o, "rows_read", number(totals, "read"));
    put_number(o, "rows_filtered", number(totals, "filtered"));
    put_number(o, "fusion_requests", number(totals, "requests"));
    json_object_set(o, "feeds", p->feeds_say);
    p->plan = o;
}

static void
on_totals(void *arg, enum err err, const char *json, const struct fault *f)
{
    struct tenant_plan *p = plan_from(arg);
    json_t *totals = NULL;
    struct fault bad = {0};

    p->op = NULL;
    if (err != ERR_OK) {
        plan_fail(p, err, f);
        return;
    }
    if (jsonx_parse(json, strlen(json), &totals, &bad) != ERR_OK) {
        plan_fail(p, ERR_DB_SHAPE, &bad);
        return;
    }
    compose(p, totals);
    json_decref(totals);
    plan_close(p);
}

/* ---- jobs --------------------------------------------------------------- */

static char *
record_name(const struct store_plan_job *j)
{
    return mem_printf("%s:%s", j->kind, j->fusion_id);
}

static void
count_wait(struct tenant_plan *p, const char *what)
{
    const char *key = what;

    if (json_object_get(p->waiting, key) == NULL &&
        json_object_size(p->waiting) >= WAITS_MAX) {
        key = "others";
    }
    json_object_set_new(
        p->waiting, key,
        json_integer((json_int_t)(1 + counted(p->waiting, key))));
}

static void
show(struct tenant_plan *p, const struct store_plan_job *j,
     const struct effect *e)
{
    json_t *o;
    char *record;

    if (e->fate == EFFECT_NOTHING) {
        return;
    }
    if (e->fate == EFFECT_REFUSED) {
        if (json_array_size(p->rejected) >= p->spec.shown) {
            p->more_rejected++;
            return;
        }
    } else if (json_array_size(p->shown) >= p->spec.shown) {
        p->more++;
        return;
    }
    o = json_object();
    record = record_name(j);
    json_object_set_new(o, "record", json_string(record));
    mem_free(record);
    if (e->why[0] != '\0') {
        json_object_set_new(o, "why", json_string(e->why));
    }
    if (e->fate == EFFECT_REFUSED) {
        json_array_append_new(p->rejected, o);
        return;
    }
    json_object_set_new(
        o, "number", j->number != NULL ? json_string(j->number) : json_null());
    json_object_set_new(o, "fate", json_string(effect_name(e->fate)));
    if (e->fate == EFFECT_CHANGE) {
        json_object_set(o, "changes", e->changes);
    }
    json_array_append_new(p->shown, o);
}

static void
look(struct tenant_plan *p, const struct store_plan_job *j)
{
    struct effect_known known = {
        .refused = &p->refused,
        .creates = p->spec.conf->hubspot_create != 0,
    };
    struct effect e;

    known.changes = json_array_size(p->shown) < p->spec.shown;
    memcpy(known.definitions, p->spec.definitions, sizeof(known.definitions));
    effect_of(j, &known, &e, &p->cost);
    if (e.fate == EFFECT_REFUSED && p->refused.count < REFUSED_MAX) {
        char *record = record_name(j);

        (void)map_put(&p->refused, record, p);
        mem_free(record);
    }
    p->fates[p->kind][e.fate]++;
    if (j->found && (e.fate == EFFECT_CREATE || e.fate == EFFECT_CHANGE ||
                     e.fate == EFFECT_ARCHIVE)) {
        p->found[p->kind]++;
    }
    if (e.fate == EFFECT_WAIT) {
        count_wait(p, e.why);
    }
    show(p, j, &e);
    json_decref(e.changes);
}

static void ask_jobs(struct tenant_plan *p);

static void
on_jobs(void *arg, enum err err, const struct store_plan_job *jobs, size_t n,
        const struct fault *f)
{
    struct tenant_plan *p = plan_from(arg);

    p->op = NULL;
    if (err != ERR_OK) {
        plan_fail(p, err, f);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        look(p, &jobs[i]);
        p->after = jobs[i].id;
    }
    if (n < PAGE_JOBS) {
        p->kind++;
        p->after = 0;
    }
    ask_jobs(p);
}

static void
ask_jobs(struct tenant_plan *p)
{
    if (p->kind < MAP_KINDS) {
        plan_started(p, store_plan_jobs(p->store, p->spec.row->id,
                                        map_kind_name(p->kind), p->after,
                                        PAGE_JOBS, on_jobs, p, &p->op));
    } else {
        plan_started(p, store_plan_totals(p->store, p->spec.row->id,
                                          p->spec.shown, on_totals, p, &p->op));
    }
}

static void
on_followed(void *arg, enum err err, const struct fault *f)
{
    struct tenant_plan *p = plan_from(arg);

    p->op = NULL;
    if (err != ERR_OK) {
        plan_fail(p, err, f);
        return;
    }
    ask_jobs(p);
}

/* ---- reading ------------------------------------------------------------ */

static void
on_read(void *arg)
{
    struct tenant_plan *p = plan_from(arg);

    for (unsigned k = 0; k < FEED_KINDS; k++) {
        struct feed_status s = feeds_status(p->feeds, (enum feed_kind)k);
        const char *says = s.err == ERR_OK ? "ok" : s.fault.message;

        json_object_set_new(p->feeds_say, feed_kind_name((enum feed_kind)k),
                            json_string(says));
        if (s.err != ERR_OK && p->err == ERR_OK) {
            p->err = s.err;
            p->fault = s.fault;
        }
    }
    feeds_free(p->feeds);
    p->feeds = NULL;
    plan_started(p, store_plan_follow(p->store, p->spec.row->id, on_followed, p,
                                      &p->op));
}

static void
on_begun(void *arg, enum err err, const struct fault *f)
{
    struct tenant_plan *p = plan_from(arg);
    struct feeds_events events = {.idle = on_read, .arg = p};
    struct feeds_config config;

    if (err != ERR_OK) {
        plan_fail(p, err, f);
        return;
    }
    config = tenant_feeds_config(p->spec.conf, p->spec.settings, p->spec.row,
                                 p->spec.worker);
    config.ceiling = 0;
    p->feeds =
        feeds_new(p->loop, p->store, p->spec.fusion, p->map, &config, &events);
    feeds_poll_once(p->feeds);
}

/* ---- public ------------------------------------------------------------- */

enum err
tenant_plan_start(struct loop *l, const struct tenant_plan_spec *c,
                  tenant_plan_fn *done, void *arg, struct tenant_plan **out,
                  struct fault *f)
{
    struct map_options options = {
        .key_prefix = c->settings->key_prefix,
        .business_units = (const char *const *)c->settings->business_units,
        .mapping_file = c->settings->mapping};
    struct store_plan_spec spec = {
        .conninfo = c->conf->database_url,
        .worker = c->worker,
        .timeout_ms = c->conf->plan_timeout,
        .tenant = c->row->id,
    };
    struct tenant_plan *p = MEM_NEW(struct tenant_plan);
    enum err err = map_new(&options, &p->map, f);

    *out = NULL;
    p->magic = PLAN_MAGIC;
    p->loop = l;
    p->spec = *c;
    p->done = done;
    p->arg = arg;
    map_init(&p->refused);
    p->waiting = json_object();
    p->rejected = json_array();
    p->shown = json_array();
    p->feeds_say = json_object();
    fault_clear(&p->fault);
    if (err == ERR_OK) {
        err = store_plan_open(c->store, &spec, on_begun, p, &p->store, f);
    }
    if (err != ERR_OK) {
        plan_free(p);
        return err;
    }
    loop_timer_start(l, &p->deadline, c->conf->plan_timeout, on_deadline, p);
    *out = p;
    return ERR_OK;
}

void
tenant_plan_cancel(struct tenant_plan *p)
{
    if (p == NULL) {
        return;
    }
    (void)plan_from(p);
    p->done = NULL;
    if (p->store != NULL) {
        plan_close(p);
    }
}
