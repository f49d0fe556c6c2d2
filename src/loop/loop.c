/* SPDX-License-Identifier: UNLICENSED */
/*
 * The one libuv loop: timers, deferred calls, signals and the loop's lag.
 *
 *     poll --> on_check: due timers, one batch of deferred calls --> poll
 *       +----> on_alarm: due timers
 *
 * Timers stand in one heap behind one uv_timer that is armed for the first of
 * them. What is due at once (deferred calls, timers of delay 0) runs in the
 * check phase, so that every batch is followed by a look at the sockets: work
 * that asks for more work cannot starve I/O. An idle handle keeps the poll from
 * blocking meanwhile.
 *
 * Invariants: `alarm_us` is the deadline the uv_timer is armed for, 0 for none;
 * `spinning` is true exactly while the idle and check handles are active; a
 * timer started inside a pass is never due in that pass.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>

#include "loop_priv.h"
#include "ml/log.h"
#include "ml/stat.h"

enum { LAG_PERIOD_MS = 1000, CLOSE_TURNS = 64, MAGIC_LOOP = 0x4c4f4f50 };

static struct loop *
loop_from(void *arg)
{
    struct loop *l = arg;

    ML_ASSERT(l != NULL && l->magic == MAGIC_LOOP);
    return l;
}

static void
spin(struct loop *l)
{
    if (!l->spinning && !l->freeing) {
        l->spinning = true;
        (void)uv_idle_start(&l->idle, loop_on_idle);
        (void)uv_check_start(&l->check, loop_on_check);
    }
}

static void
unspin(struct loop *l)
{
    if (l->spinning) {
        l->spinning = false;
        (void)uv_idle_stop(&l->idle);
        (void)uv_check_stop(&l->check);
    }
}

/* ---- timers ------------------------------------------------------------- */

static void on_alarm(uv_timer_t *handle);

/* Arms the uv_timer for the first deadline; what is due already is left to the
 * check phase of this turn. */
static void
timers_arm(struct loop *l)
{
    const struct heap_node *first = heap_first(&l->timers);
    int64_t now;
    int64_t wait_ms;

    if (first == NULL) {
        if (l->alarm_us != 0) {
            l->alarm_us = 0;
            (void)uv_timer_stop(&l->alarm);
        }
        return;
    }
    if (first->at == l->alarm_us) {
        return;
    }
    now = clock_mono_us();
    if (first->at <= now) {
        l->alarm_us = 0;
        (void)uv_timer_stop(&l->alarm);
        spin(l);
        return;
    }
    l->alarm_us = first->at;
    wait_ms = (first->at - now + 999) / 1000;
    uv_update_time(&l->uv);
    (void)uv_timer_start(&l->alarm, on_alarm, (uint64_t)wait_ms, 0);
}

static void
timers_run(struct loop *l)
{
    struct heap_node *n;
    struct loop_timer *t;

    l->pass_us = clock_mono_us();
    while ((n = heap_first(&l->timers)) != NULL && n->at <= l->pass_us) {
        t = CONTAINER_OF(n, struct loop_timer, node);
        heap_remove(&l->timers, n);
        t->loop = NULL;
        t->fn(t->arg);
    }
    l->pass_us = 0;
    timers_arm(l);
}

static void
on_alarm(uv_timer_t *handle)
{
    struct loop *l = loop_from(handle->data);

    l->alarm_us = 0;
    timers_run(l);
}

void
loop_timer_start_us(struct loop *l, struct loop_timer *t, int64_t at_mono_us,
                    loop_fn *fn, void *arg)
{
    int64_t at = at_mono_us > 0 ? at_mono_us : 1;

    ML_ASSERT(fn != NULL && !l->freeing);
    loop_timer_stop(t);
    if (l->pass_us != 0 && at <= l->pass_us) {
        at = l->pass_us + 1;
    }
    t->loop = l;
    t->fn = fn;
    t->arg = arg;
    heap_push(&l->timers, &t->node, at);
    if (l->pass_us == 0) {
        timers_arm(l);
    }
}

void
loop_timer_start(struct loop *l, struct loop_timer *t, int64_t delay_ms,
                 loop_fn *fn, void *arg)
{
    int64_t delay_us;

    if (delay_ms <= 0) {
        delay_us = 0;
    } else if (delay_ms > LOOP_DELAY_MAX_MS) {
        delay_us = LOOP_DELAY_MAX_MS * 1000;
    } else {
        delay_us = delay_ms * 1000;
    }
    loop_timer_start_us(l, t, clock_mono_us() + delay_us, fn, arg);
}

void
loop_timer_stop(struct loop_timer *t)
{
    struct loop *l = t->loop;

    if (l != NULL) {
        heap_remove(&l->timers, &t->node);
        t->loop = NULL;
        if (l->pass_us == 0 && heap_first(&l->timers) == NULL) {
            timers_arm(l);
        }
    }
}

bool
loop_timer_armed(const struct loop_timer *t)
{
    return t->loop != NULL;
}

/* ---- deferred calls ----------------------------------------------------- */

/* One batch: what is asked for meanwhile waits for the next turn. */
static void
calls_run(struct loop *l)
{
    struct list *item;
    struct loop_call *c;

    while ((item = list_pop(&l->calls)) != NULL) {
        list_push(&l->batch, item);
    }
    while ((item = list_pop(&l->batch)) != NULL) {
        c = CONTAINER_OF(item, struct loop_call, link);
        c->loop = NULL;
        c->fn(c->arg);
    }
}

void
loop_on_idle(uv_idle_t *handle)
{
    (void)handle;
}

void
loop_on_check(uv_check_t *handle)
{
    struct loop *l = loop_from(handle->data);
    const struct heap_node *first;

    timers_run(l);
    calls_run(l);
    first = heap_first(&l->timers);
    if (list_empty(&l->calls) && (first == NULL || first->at == l->alarm_us)) {
        unspin(l);
    }
}

void
loop_later(struct loop *l, struct loop_call *c, loop_fn *fn, void *arg)
{
    ML_ASSERT(fn != NULL && !l->freeing);
    if (c->loop != NULL) {
        return;
    }
    c->loop = l;
    c->fn = fn;
    c->arg = arg;
    list_init(&c->link);
    list_push(&l->calls, &c->link);
    spin(l);
}

void
loop_call_cancel(struct loop_call *c)
{
    if (c->loop != NULL) {
        list_remove(&c->link);
        c->loop = NULL;
    }
}

/* ---- signals ------------------------------------------------------------ */

static void
on_signal(uv_signal_t *handle, int signum)
{
    struct loop *l = loop_from(handle->data);

    l->signal_fn(l->signal_arg, signum);
}

void
loop_on_signal(struct loop *l, loop_signal_fn *fn, void *arg)
{
    static const int wanted[LOOP_SIGNALS] = {SIGTERM, SIGINT};
    size_t i;

    l->signal_fn = fn;
    l->signal_arg = arg;
    for (i = 0; i < LOOP_SIGNALS; i++) {
        int rc = fn != NULL ?
                     uv_signal_start(&l->signals[i], on_signal, wanted[i]) :
                     uv_signal_stop(&l->signals[i]);

        ML_ASSERT(rc == 0);
        uv_unref((uv_handle_t *)&l->signals[i]);
    }
}

/* ---- lag ---------------------------------------------------------------- */

static void on_lag(uv_timer_t *handle);

static void
lag_arm(struct loop *l)
{
    l->lag_due_us = clock_mono_us() + (int64_t)LAG_PERIOD_MS * 1000;
    uv_update_time(&l->uv);
    (void)uv_timer_start(&l->lag, on_lag, LAG_PERIOD_MS, 0);
    uv_unref((uv_handle_t *)&l->lag);
}

static void
on_lag(uv_timer_t *handle)
{
    struct loop *l = loop_from(handle->data);
    int64_t late_us = clock_mono_us() - l->lag_due_us;

    stat_observe(STAT_loop_lag, NULL,
                 (double)(late_us > 0 ? late_us : 0) / 1e6);
    lag_arm(l);
}

/* ---- life --------------------------------------------------------------- */

struct loop *
loop_new(void)
{
    struct loop *l = MEM_NEW(struct loop);
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    int rc = uv_loop_init(&l->uv);
    size_t i;

    ML_ASSERT(rc == 0);
    (void)sigemptyset(&ignore.sa_mask);
    (void)sigaction(SIGPIPE, &ignore, NULL);
    l->magic = MAGIC_LOOP;
    l->clock = MEM_NEW(struct loop_clock);
    heap_init(&l->timers);
    list_init(&l->calls);
    list_init(&l->batch);
    (void)uv_timer_init(&l->uv, &l->alarm);
    (void)uv_timer_init(&l->uv, &l->lag);
    (void)uv_idle_init(&l->uv, &l->idle);
    (void)uv_check_init(&l->uv, &l->check);
    l->alarm.data = l;
    l->lag.data = l;
    l->idle.data = l;
    l->check.data = l;
    for (i = 0; i < LOOP_SIGNALS; i++) {
        rc = uv_signal_init(&l->uv, &l->signals[i]);
        ML_ASSERT(rc == 0);
        l->signals[i].data = l;
    }
    return l;
}

void
loop_run(struct loop *l)
{
    ML_ASSERT(!l->running);
    l->running = true;
    lag_arm(l);
    (void)uv_run(&l->uv, UV_RUN_DEFAULT);
    (void)uv_timer_stop(&l->lag);
    l->running = false;
}

void
loop_stop(struct loop *l)
{
    uv_stop(&l->uv);
}

void
loop_turn(struct loop *l, unsigned turns)
{
    ML_ASSERT(!l->running);
    l->running = true;
    while (turns > 0 && uv_run(&l->uv, UV_RUN_NOWAIT) != 0) {
        turns--;
    }
    l->running = false;
}

uv_loop_t *
loop_uv(struct loop *l)
{
    return &l->uv;
}

/* libuv refreshes its own time at the start of a pass and after each poll:
 * whenever that moved, so does ours. */
int64_t
loop_now_us(const struct loop *l)
{
    struct loop_clock *c = l->clock;
    uint64_t uv_ms = uv_now(&l->uv);

    if (c->now_us == 0 || c->uv_ms != uv_ms) {
        c->uv_ms = uv_ms;
        c->now_us = clock_mono_us();
    }
    return c->now_us;
}

static void
count_open(uv_handle_t *handle, void *arg)
{
    unsigned *open = arg;

    if (!uv_is_closing(handle)) {
        ++*open;
    }
}

static void
close_left(uv_handle_t *handle, void *arg)
{
    (void)arg;
    if (!uv_is_closing(handle)) {
        uv_close(handle, NULL);
    }
}

/* Timers and calls that their owners forgot. */
static unsigned
forget_left(struct loop *l)
{
    struct heap_node *n;
    struct list *item;
    unsigned left = 0;

    while ((n = heap_first(&l->timers)) != NULL) {
        heap_remove(&l->timers, n);
        CONTAINER_OF(n, struct loop_timer, node)->loop = NULL;
        left++;
    }
    while ((item = list_pop(&l->calls)) != NULL) {
        CONTAINER_OF(item, struct loop_call, link)->loop = NULL;
        left++;
    }
    return left;
}

static void
close_own(struct loop *l)
{
    size_t i;

    unspin(l);
    uv_close((uv_handle_t *)&l->alarm, NULL);
    uv_close((uv_handle_t *)&l->lag, NULL);
    uv_close((uv_handle_t *)&l->idle, NULL);
    uv_close((uv_handle_t *)&l->check, NULL);
    for (i = 0; i < LOOP_SIGNALS; i++) {
        uv_close((uv_handle_t *)&l->signals[i], NULL);
    }
}

enum err
loop_free(struct loop *l)
{
    unsigned left;
    unsigned open = 0;
    unsigned turn;

    if (l == NULL) {
        return ERR_OK;
    }
    ML_ASSERT(!l->running);
    left = forget_left(l);
    l->freeing = true;
    close_own(l);
    /* Cancelled work may still run in the pool; it ends by itself. */
    while (l->works_cancelled > 0) {
        (void)uv_run(&l->uv, UV_RUN_ONCE);
    }
    for (turn = 0; turn < CLOSE_TURNS; turn++) {
        if (uv_run(&l->uv, UV_RUN_NOWAIT) == 0) {
            break;
        }
    }
    uv_walk(&l->uv, count_open, &open);
    if (left + open + l->works > 0) {
        LOG_ERROR(NULL, "loop.leftover", "handles=%u timers=%u works=%u", open,
                  left, l->works);
        uv_print_all_handles(&l->uv, stderr);
        uv_walk(&l->uv, close_left, NULL);
        (void)uv_run(&l->uv, UV_RUN_NOWAIT);
    }
    if (uv_loop_close(&l->uv) != 0) {
        /* A request still runs in the pool and will touch the loop. */
        return ERR_CLOSED;
    }
    left += open;
    heap_fini(&l->timers);
    mem_free(l->clock);
    mem_free(l);
    return left == 0 ? ERR_OK : ERR_CLOSED;
}
