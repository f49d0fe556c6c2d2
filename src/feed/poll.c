/* SPDX-License-Identifier: UNLICENSED */
/*
 * One poll of one feed: a chain of steps.
 *
 *     begin -> load -> the feed's own steps -> save -> end
 *
 * A step starts exactly one thing: a read of the pod, a call of the store, or
 * a timer. Steps can be repeated: each builds its query anew and resets what
 * it collects, so a failed one is simply called again, after a while, with a
 * smaller page or another time literal. Sub-chains return over a small stack.
 * A poll that fails leaves the cursor where the last committed page put it.
 *
 * Walks over history are part of a poll, after what is new was read; they give
 * way when the feed is due again, and the next poll goes on with them.
 *
 * Waiting for the database has no end; waiting for the pod has: then the poll
 * fails and the feed backs off.
 */
#include "feed_priv.h"
#include "ml/jsonx.h"
#include "ml/policy.h"
#include "ml/stat.h"

#include <stdio.h>
#include <string.h>

enum { DB_BASE_MS = 500, DB_CAP_MS = 15000 };

struct poll *
poll_from(void *arg)
{
    struct poll *p = arg;

    ML_ASSERT(p != NULL && p->magic == MAGIC_POLL);
    return p;
}

/* ---- steps ---------------------------------------------------------------------- */

void
poll_go(struct poll *p, step_fn *step)
{
    p->step = step;
    p->tries = 0;
    p->literals_tried = 0;
    step(p);
}

void
poll_call(struct poll *p, step_fn *step, step_fn *back)
{
    ML_ASSERT(p->n_returns < RETURNS_MAX);
    p->returns[p->n_returns++] = back;
    poll_go(p, step);
}

void
poll_return(struct poll *p)
{
    ML_ASSERT(p->n_returns > 0);
    poll_go(p, p->returns[--p->n_returns]);
}

static void
on_again(void *arg)
{
    struct poll *p = poll_from(arg);

    p->step(p);
}

void
poll_again(struct poll *p, int64_t delay_ms)
{
    loop_timer_start(p->f->loop, &p->timer, delay_ms, on_again, p);
}

void
poll_unwind(struct poll *p)
{
    p->n_returns = 0;
    p->late_before_us = 0;
    p->repaying = false;
    p->repay = 0;
    hand_back(p);
    fault_clear(&p->fault);
    poll_stay(p);
    pass_leave(p);
    compose_reset(p);
    applications_reset(p);
}

/* ---- the end ---------------------------------------------------------------------- */

static void
poll_over(struct poll *p)
{
    struct feed *s = p->feed;
    struct fault why = p->fault;
    enum err err = p->err;
    int64_t retry_ms = p->retry_ms;
    bool needs_only = p->needs_only;

    s->senseless = p->senseless;
    if (p->held_json != NULL) {
        feeds_tell_held(p->f, p->held_json);
    } else if (s->opened > 0) {
        feeds_tell_stored(p->f); /* what waited for its end may go */
    }
    poll_free(p);
    feed_polled(s, err, &why, retry_ms, needs_only);
}

static void
on_saved(void *arg, enum err err, const struct fault *f)
{
    struct poll *p = poll_from(arg);

    p->sop = NULL;
    if (poll_store_ok(p, err, f)) {
        poll_over(p);
    }
}

static const char *
poll_state(const struct poll *p)
{
    if (p->err == ERR_OK || p->err == ERR_HELD) {
        return "idle";
    }
    return p->err == ERR_MAINTENANCE ? "maintenance" : "backoff";
}

static void
poll_save_end(struct poll *p)
{
    const struct feed *s = p->feed;
    struct store_poll row = {
        .tenant = p->f->cfg.tenant,
        .feed = feed_kind_name(s->kind),
        .poll = p->id,
        .worker = p->f->worker,
        .state = poll_state(p),
        .outcome = p->err == ERR_OK ? "ok" : err_name(p->err),
        .message = p->err == ERR_OK ? NULL : p->fault.message,
        .interval_ms = p->f->cfg.interval_ms[s->kind],
        .requests = p->requests,
        .by_id = p->needs_only,
    };

    poll_store_started(
        p, store_poll_save(p->f->store, &row, on_saved, p, &p->sop));
}

void
poll_end(struct poll *p)
{
    poll_go(p, poll_save_end);
}

void
poll_fail(struct poll *p, enum err err, const struct fault *why)
{
    if (p->step == poll_save_end) {
        /* The database does not even take the failure. */
        p->err = err;
        p->fault = *why;
        poll_over(p);
        return;
    }
    p->err = err;
    p->fault = *why;
    poll_go(p, poll_save_end);
}

void
poll_senseless(struct poll *p, const char *fmt, ...)
{
    struct fault why = {0};
    char *text = NULL;
    va_list ap;

    va_start(ap, fmt);
    text = mem_vprintf(fmt, ap);
    va_end(ap);
    p->senseless = true;
    (void)fault_set(&why, ERR_PROMISE, "%s", text);
    mem_free(text);
    poll_fail(p, ERR_PROMISE, &why);
}

bool
poll_must_yield(const struct poll *p)
{
    /* A poll that is slow as it is takes at least a page of a walk. */
    return p->yield_us != 0 && p->walked &&
           loop_now_us(p->f->loop) >= p->yield_us;
}

/* ---- the store --------------------------------------------------------------------- */

bool
poll_store_ok(struct poll *p, enum err err, const struct fault *f)
{
    bool wait = err == ERR_DB_AWAY || err == ERR_DB_TIMEOUT ||
                err == ERR_CLOSED || err == ERR_FULL;
    struct fault why = {0};

    if (err == ERR_OK) {
        p->tries = 0;
        return true;
    }
    if (f != NULL) {
        why = *f;
    }
    if (why.message[0] == 0) {
        (void)fault_set(&why, err, "%s", err_text(err));
    }
    why.err = err;
    p->tries++;
    if (!wait || (p->f->round_told && p->tries > DB_TRIES_ONCE)) {
        poll_fail(p, err, &why);
        return false;
    }
    if (p->tries == 1) {
        LOG_WARN(&p->log, "feed.store_wait", "error=%s", err_name(err));
    }
    poll_again(p, backoff_ms(p->tries > 6 ? 6 : p->tries, DB_BASE_MS, DB_CAP_MS,
                             random_share()));
    return false;
}

void
poll_store_started(struct poll *p, enum err err)
{
    if (err != ERR_OK) {
        (void)poll_store_ok(p, err, NULL);
    }
}

/* ---- helpers of steps ------------------------------------------------------------------ */

const char *const *
poll_list(struct poll *p, const json_t *array)
{
    size_t n = json_array_size(array);
    const char **out = arena_array(&p->arena, n + 1, sizeof(*out));

    for (size_t i = 0; i < n; i++) {
        out[i] = arena_strdup(&p->arena,
                              json_string_value(json_array_get(array, i)));
    }
    return out;
}

const char *
poll_expand(struct poll *p, const char *usual, enum map_resource source)
{
    const char *const *more = NULL;
    const char *out = usual;

    if (source == MAP_RESOURCES) {
        return usual;
    }
    for (more = map_expands(p->f->map, source); *more != NULL; more++) {
        out =
            out == NULL ? *more : arena_printf(&p->arena, "%s,%s", out, *more);
    }
    return out;
}

int64_t
poll_cursor(const struct poll *p, const char *stream, const char **id)
{
    const json_t *c = json_object_get(p->cursors, stream);

    if (id != NULL) {
        *id = c == NULL ? "" : json_string_value(json_object_get(c, "id"));
    }
    return json_number(c, "us");
}

int64_t
json_number(const json_t *o, const char *key)
{
    struct fault ignored = {0};
    int64_t n = 0;
    bool has = false;

    return o != NULL && jsonx_get_int(o, key, &has, &n, &ignored) == ERR_OK &&
                   has ?
               n :
               0;
}

/* ---- the beginning ------------------------------------------------------------------------ */

static void
poll_run(struct poll *p)
{
    if (p->needs_only) {
        poll_call(p, needs_serve, poll_end);
        return;
    }
    switch (p->feed->kind) {
    case FEED_INVOICES:
        poll_go(p, invoices_begin);
        break;
    case FEED_CUSTOMERS:
        poll_go(p, customers_begin);
        break;
    case FEED_PAYMENTS:
    case FEED_KINDS:
    default:
        poll_go(p, payments_begin);
        break;
    }
}

int64_t
poll_clock_us(const struct poll *p, int64_t mono_us)
{
    return p->now_us + (mono_us - p->now_at_us);
}

static void
poll_take(struct poll *p, const json_t *tree)
{
    json_decref(p->cursors);
    json_decref(p->passes);
    p->cursors = json_deep_copy(json_object_get(tree, "cursors"));
    p->passes = json_deep_copy(json_object_get(tree, "passes"));
    learned_refresh(p->f, p->feed->kind, json_object_get(tree, "learned"));
    p->now_us = json_number(tree, "now_us");
    p->now_at_us = loop_now_us(p->f->loop);
    p->late_us = json_number(tree, "late_us");
}

/* The pod no longer takes time stamps as they are written: another way may be
 * read in another zone, so nothing goes on before that is known. */
void
poll_restart(struct poll *p)
{
    p->restarted = true;
    calibration_doubt(p->f);
    poll_unwind(p);
    poll_go(p, poll_run);
}

static void
on_loaded(void *arg, enum err err, const char *json, const struct fault *f)
{
    struct poll *p = poll_from(arg);
    struct fault bad = {0};
    json_t *tree = NULL;

    p->sop = NULL;
    if (!poll_store_ok(p, err, f)) {
        return;
    }
    if (jsonx_parse(json, strlen(json), &tree, &bad) != ERR_OK) {
        poll_fail(p, ERR_DB_SHAPE, &bad);
        return;
    }
    poll_take(p, tree);
    json_decref(tree);
    poll_go(p, poll_run);
}

static void
poll_load(struct poll *p)
{
    poll_store_started(p, store_feed_load(p->f->store, p->f->cfg.tenant,
                                          feed_kind_name(p->feed->kind),
                                          on_loaded, p, &p->sop));
}

static void
on_begun(void *arg, enum err err, const struct fault *f)
{
    struct poll *p = poll_from(arg);

    p->sop = NULL;
    if (poll_store_ok(p, err, f)) {
        poll_go(p, poll_load);
    }
}

static void
poll_save_begin(struct poll *p)
{
    struct store_poll row = {
        .tenant = p->f->cfg.tenant,
        .feed = feed_kind_name(p->feed->kind),
        .poll = p->id,
        .worker = p->f->worker,
        .state = "polling",
        .outcome = "",
        .interval_ms = p->f->cfg.interval_ms[p->feed->kind],
        .by_id = p->needs_only,
    };

    poll_store_started(
        p, store_poll_save(p->f->store, &row, on_begun, p, &p->sop));
}

static void
on_start(void *arg)
{
    poll_go(poll_from(arg), poll_save_begin);
}

void
poll_start(struct feed *s, bool needs_only)
{
    struct poll *p = MEM_NEW(struct poll);

    ML_ASSERT(s->poll == NULL);
    p->magic = MAGIC_POLL;
    p->f = s->f;
    p->feed = s;
    p->needs_only = needs_only;
    (void)random_id(p->id);
    p->log = (struct log_ctx){
        .tenant = s->f->name, .feed = feed_kind_name(s->kind), .run = p->id};
    arena_init(&p->arena);
    collect_init(&p->page);
    collect_reset(&p->page);
    p->by_hand = s->by_hand;
    s->by_hand = false;
    s->unfinished = false;
    if (!s->f->round_told) {
        p->yield_us = feed_due_us(s);
    }
    s->poll = p;
    s->read = 0;
    s->opened = 0;
    loop_timer_start(s->f->loop, &p->timer, 0, on_start, p);
}

void
poll_free(struct poll *p)
{
    if (p == NULL) {
        return;
    }
    (void)poll_from(p);
    loop_timer_stop(&p->timer);
    fusion_cancel(p->fop);
    store_cancel(p->sop);
    hand_back(p);
    json_decref(p->open);
    json_decref(p->got);
    json_decref(p->unwanted);
    json_decref(p->cursors);
    json_decref(p->passes);
    json_decref(p->rows);
    if (p->f->calibrating == p) {
        p->f->calibrating = NULL;
    }
    compose_reset(p);
    applications_reset(p);
    crm_repay_free(p);
    if (p->window_on) {
        window_fini(&p->window);
    }
    collect_fini(&p->page);
    arena_fini(&p->arena);
    mem_free(p->accounts);
    mem_free(p->held_json);
    p->feed->poll = NULL;
    p->magic = 0;
    mem_free(p);
}
