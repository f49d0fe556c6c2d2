/* SPDX-License-Identifier: UNLICENSED */
/*
 * The budget around one answer: what it proves about the limit, and what a
 * refusal for speed asks for.
 *
 * A 429 of the burst policy stops the portal, one of a limit per second only
 * the kind of request it was about, one of the day everything until the
 * portal's midnight. `Retry-After` is honoured whatever the answer is.
 *
 * What is used of the day is kept in the store: loaded with the lease, before
 * anything is sent, stored about once a minute and before the lease is given
 * back. The store knows when midnight is.
 */
#include "dispatch_priv.h"

#include <inttypes.h>
#include <string.h>

enum {
    SECOND_MS = 1000, /* a limit per second that says no more */
    MOVING_MS = 60000 /* 477: the portal moves to another data centre */
};

/* One line when HubSpot stops answering, one when it is back. */
static void
note_outage(struct dispatch *d, const struct hubspot_meta *m)
{
    char safe[LOG_TEXT_MAX];
    bool away = m->status == 0 || m->status >= 500;

    if (away && !d->away) {
        LOG_WARN(NULL, "hubspot.away",
                 "portal=%s status=%d error=%s message=\"%s\"", d->portal,
                 m->status, err_name(m->fault.err),
                 log_safe(safe, m->fault.message));
    } else if (!away && d->away) {
        LOG_INFO(NULL, "hubspot.back", "portal=%s", d->portal);
    }
    d->away = away;
}

/* The latest time at which the request can have been there. */
static int64_t
arrived_us(struct dispatch *d, const struct permit *t,
           const struct hubspot_meta *m, int64_t now_us)
{
    if (m->worked_to_us == 0) {
        return m->answered_us > 0 ? m->answered_us : now_us;
    }
    return permits_arrived_us(&d->permits, t, m->answered_us, m->worked_from_us,
                              m->worked_to_us);
}

/* A limit per second of one kind of request (search), no matter of ours. */
static bool
is_secondly(const struct hubspot_meta *m)
{
    return m->status == 429 && strcmp(m->fault.code, "SECONDLY") == 0;
}

int64_t
budget_pause(const struct hubspot_meta *m)
{
    if (!is_secondly(m)) {
        return 0;
    }
    return clock_mono_us() + (m->retry_after_us >= 0 ?
                                  m->retry_after_us :
                                  SECOND_MS * INT64_C(1000));
}

static void
throttled(struct dispatch *d, const struct hubspot_meta *m, int64_t now_us)
{
    double random = random_share();

    d->status.throttled++;
    d->quota.throttled++;
    stat_add(STAT_hubspot_throttled, m->fault.code, NULL, 1);
    if (m->daily) {
        quota_exhausted(&d->quota, now_us, m->retry_after_us);
    } else if (!is_secondly(m)) {
        permits_throttled(&d->permits, now_us, m->retry_after_us, random);
    }
}

/* The portal moves, or its servers ask for a pause: nothing of it answers until
 * then. */
static void
wait_as_told(struct dispatch *d, const struct hubspot_meta *m, int64_t now_us)
{
    int64_t wait_us = m->retry_after_us;

    if (wait_us < 0 && m->status == 477) {
        wait_us = MOVING_MS * INT64_C(1000);
    }
    if (wait_us >= 0) {
        permits_throttled(&d->permits, now_us, wait_us, 0);
    } else {
        permits_answered(&d->permits);
    }
}

void
budget_settle(struct dispatch *d, const struct permit *t,
              const struct hubspot_meta *m)
{
    int64_t now_us = clock_mono_us();

    note_outage(d, m);
    permits_settle(&d->permits, now_us, arrived_us(d, t, m, now_us));
    if (m->max > 0 && m->interval_us > 0) {
        permits_server_limit(&d->permits, (unsigned)m->max, m->interval_us);
    }
    if (m->remaining >= 0) {
        permits_observe(&d->permits, now_us, t, (unsigned)m->remaining);
    }
    if (m->daily_remaining >= 0) {
        quota_told(&d->quota, now_us, m->daily_remaining);
    }
    if (m->status == 429) {
        throttled(d, m, now_us);
    } else if (m->status == 477 || m->status >= 500) {
        wait_as_told(d, m, now_us);
    } else {
        permits_answered(&d->permits);
    }
}

/* ---- the day ------------------------------------------------------------ */

bool
budget_stopped(struct dispatch *d)
{
    return quota_stopped_us(&d->quota, clock_mono_us()) != INT64_MIN;
}

struct permit
budget_take(struct dispatch *d, int64_t now_us)
{
    quota_count(&d->quota, now_us);
    return permits_take(&d->permits, now_us);
}

void
budget_look(struct dispatch *d)
{
    int64_t now_us = clock_mono_us();
    enum quota_level level = quota_level(&d->quota, now_us);
    struct list *item, *next;

    if (level == d->level_told) {
        return;
    }
    if (level == QUOTA_STOPPED) {
        LOG_ERROR(NULL, "portal.quota_used_up",
                  "portal=%s used=%" PRId64 " limit=%" PRId64
                  " again_seconds=%" PRId64,
                  d->portal, d->quota.used, d->quota.spec.limit,
                  (quota_stopped_us(&d->quota, now_us) - now_us) / 1000000);
    } else {
        LOG_WARN(NULL, "portal.quota",
                 "portal=%s level=%s used=%" PRId64 " limit=%" PRId64,
                 d->portal, quota_level_name(level), d->quota.used,
                 d->quota.spec.limit);
    }
    d->level_told = level;
    LIST_EACH(&d->tenants, item, next)
    {
        CONTAINER_OF(item, struct dtenant, link)->want_claim = true;
    }
}

static void
put_counts(struct dispatch *d, struct buf *out)
{
    int64_t now_us = clock_mono_us();
    struct quota_forecast f = quota_forecast(&d->quota, now_us);
    int64_t stopped_us = quota_stopped_us(&d->quota, now_us);
    struct jsonx_writer w;
    int64_t last;

    jsonx_begin(&w, out);
    jsonx_open(&w, '{');
    jsonx_add_int(&w, "used", d->quota.used);
    jsonx_add_int(&w, "sent", d->quota.sent);
    jsonx_add_int(&w, "throttled", d->quota.throttled);
    jsonx_add_int(&w, "daily_limit", d->quota.spec.limit);
    jsonx_add_int(&w, "stopped_ms",
                  stopped_us != INT64_MIN ? (stopped_us - now_us) / 1000 : 0);
    jsonx_add_text(&w, "level",
                   quota_level_name(quota_level(&d->quota, now_us)));
    jsonx_add_int(&w, "per_hour", f.per_hour);
    jsonx_add_int(&w, "burst_limit", d->permits.spec.limit);
    jsonx_add_int(&w, "tokens_out", permits_out(&d->permits, now_us, &last));
    jsonx_add_int(&w, "foreign_use", permits_foreign(&d->permits));
    jsonx_close(&w, '}');
}

static int64_t
number(const json_t *o, const char *key)
{
    struct fault ignored;
    int64_t n = 0;
    bool has = false;

    return jsonx_get_int(o, key, &has, &n, &ignored) == ERR_OK && has ? n : 0;
}

/* What the store knows more: a predecessor's count, or that the day is over. */
static void
take_stored(struct dispatch *d, const json_t *o)
{
    const struct quota *was = &d->budget_sent;
    int64_t now_us = clock_mono_us();
    int64_t stopped_ms = number(o, "stopped_ms");

    if (d->quota.day_ends_us == was->day_ends_us) {
        quota_add(&d->quota, now_us, number(o, "used") - was->used,
                  number(o, "sent") - was->sent,
                  number(o, "throttled") - was->throttled);
    }
    if (!d->budget_loaded && stopped_ms > 0) {
        quota_stop(&d->quota, now_us + stopped_ms * 1000);
    }
    quota_day(&d->quota, now_us, number(o, "ends_ms") * 1000,
              d->config.time_zone != NULL);
    d->budget_day = number(o, "day");
    d->budget_ends_us = d->quota.day_ends_us;
    d->budget_loaded = true;
}

static void on_save_budget(void *arg);

static void
on_budget(void *arg, enum err err, const char *json, const struct fault *f)
{
    struct dispatch *d = arg;
    int64_t again_ms = d->config.quota_save_ms;
    char safe[LOG_TEXT_MAX];
    struct fault ignored;
    json_t *o = NULL;

    ML_ASSERT(d->magic == DISPATCH_MAGIC);
    d->budget_op = NULL;
    d->budget_flushed = d->draining;
    if (err != ERR_OK) {
        LOG_WARN(NULL, "portal.quota_unsaved",
                 "portal=%s error=%s message=\"%s\"", d->portal, err_name(err),
                 log_safe(safe, f->message));
        again_ms = d->budget_loaded ? again_ms : STORE_RETRY_MS;
    } else if (jsonx_parse(json, strlen(json), &o, &ignored) == ERR_OK &&
               json_is_true(json_object_get(o, "held"))) {
        take_stored(d, o);
        save_goes_on(d);
    } else {
        dispatch_lost(d);
    }
    json_decref(o);
    loop_timer_start(d->loop, &d->budget_timer, again_ms, on_save_budget, d);
    dispatch_poke_run(d);
}

static void
budget_save(struct dispatch *d)
{
    struct store_budget b = {.portal = d->portal,
                             .worker = d->worker,
                             .term = d->term,
                             .time_zone = d->config.time_zone};
    struct buf counts;

    if (d->budget_op != NULL || d->term == 0) {
        return;
    }
    buf_init(&counts, 4096);
    put_counts(d, &counts);
    b.counts = buf_text(&counts);
    /* a midnight that has passed here before it was told */
    b.day =
        d->budget_day + (d->quota.day_ends_us - d->budget_ends_us) / 1000000;
    b.day = d->budget_loaded ? b.day : 0;
    d->budget_sent = d->quota;
    if (store_budget_save(d->store, &b, on_budget, d, &d->budget_op) !=
        ERR_OK) {
        d->budget_op = NULL;
        d->budget_flushed = d->draining;
        loop_timer_start(d->loop, &d->budget_timer, STORE_RETRY_MS,
                         on_save_budget, d);
    }
    buf_fini(&counts);
}

static void
on_save_budget(void *arg)
{
    struct dispatch *d = arg;

    ML_ASSERT(d->magic == DISPATCH_MAGIC);
    budget_save(d);
    dispatch_poke_run(d); /* midnight may have passed */
}

void
budget_init(struct dispatch *d)
{
    const struct dispatch_config *c = &d->config;
    struct permits_spec spec = {.limit = c->limit,
                                .window_us = c->window_ms * 1000,
                                .depth = c->depth,
                                .pace_percent = c->pace_percent,
                                .foreign_margin = 15};
    struct quota_spec day = {.limit = c->daily_limit,
                             .backfill_percent = c->quota_backfill,
                             .retry_percent = c->quota_retry};

    permits_init(&d->permits, &spec);
    share_init(&d->share, c->shares, WORK_CLASSES);
    quota_init(&d->quota, &day, clock_mono_us());
    d->budget_loaded = c->daily_limit == 0;
}

void
budget_fini(struct dispatch *d)
{
    store_cancel(d->budget_op);
    loop_timer_stop(&d->budget_timer);
    permits_fini(&d->permits);
}

void
dispatch_tune(struct dispatch *d, unsigned limit, int64_t daily_limit,
              const char *time_zone)
{
    char *zone = mem_strdup(time_zone);

    mem_free(d->time_zone);
    d->time_zone = zone;
    d->config.time_zone = zone;
    if (limit != d->config.limit) {
        d->config.limit = limit;
        permits_limit(&d->permits, limit);
    }
    if (daily_limit != d->config.daily_limit) {
        d->config.daily_limit = daily_limit;
        quota_limit(&d->quota, daily_limit);
    }
    dispatch_poke_run(d);
}

void
budget_begin(struct dispatch *d)
{
    if (d->config.daily_limit > 0) {
        budget_save(d);
    }
}

bool
budget_flush(struct dispatch *d)
{
    if (d->config.daily_limit == 0 || d->term == 0 || d->lost ||
        d->budget_flushed) {
        return true;
    }
    budget_save(d);
    return d->budget_flushed;
}

/* ---- how it stands ------------------------------------------------------ */

struct dispatch_status
dispatch_status(const struct dispatch *d)
{
    struct dispatch_status s = d->status;
    int64_t now_us = clock_mono_us();
    struct list *item, *next;
    int64_t last;

    s.jobs = d->n_jobs;
    s.limit = d->permits.spec.limit;
    s.daily_used = d->quota.used;
    s.daily_limit = d->quota.spec.limit;
    s.level = d->level_told;
    s.tokens_out = permits_out(&d->permits, now_us, &last);
    s.stuck = d->stuck_us != 0 ? store_fault_cause(&d->stuck) : NULL;
    LIST_EACH((struct list *)(uintptr_t)&d->saves, item, next)
    {
        const struct save *kept = CONTAINER_OF(item, struct save, link);

        if (kept->since_us != 0) {
            s.unstored++;
            s.unstored_us = now_us - kept->since_us > s.unstored_us ?
                                now_us - kept->since_us :
                                s.unstored_us;
        }
    }
    s.next_due_ms = -1;
    LIST_EACH((struct list *)(uintptr_t)&d->tenants, item, next)
    {
        const struct dtenant *t = CONTAINER_OF(item, struct dtenant, link);
        int64_t ms = (t->next_due_us - now_us) / 1000;

        if (t->next_due_us > 0 && (s.next_due_ms < 0 || ms < s.next_due_ms)) {
            s.next_due_ms = ms > 0 ? ms : 0;
        }
    }
    return s;
}

unsigned
dispatch_tokens_out(const struct dispatch *d, int64_t *back_ms)
{
    int64_t now_us = clock_mono_us();
    int64_t last = 0;
    unsigned n = permits_out(&d->permits, now_us, &last);

    *back_ms = last > now_us ? (last - now_us) / 1000 + 1 : 0;
    return n;
}
