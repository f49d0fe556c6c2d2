/* SPDX-License-Identifier: UNLICENSED */
#ifndef ML_LOOP_H
#define ML_LOOP_H

/*
 * loop: the one libuv loop. Timers and deferred calls are plain structs of
 * their owners (no close callback to wait for): the loop keeps all timers in
 * one heap behind one uv_timer, all deferred calls in one queue.
 */
#include "ml/base.h"

typedef struct uv_loop_s uv_loop_t;

struct loop;
typedef void loop_fn(void *arg);

struct loop *loop_new(void);
/* Runs until loop_stop() was called or nothing is left to do. Never nested. */
void loop_run(struct loop *l);
void loop_stop(struct loop *l);
/* Runs what is pending, at most `turns` turns without blocking; for tests. */
void loop_turn(struct loop *l, unsigned turns);
/* Closes the loop's own handles and frees it. What others left open is a bug:
 * it is printed and ERR_CLOSED returned (0 handles: ERR_OK). */
MUST_USE enum err loop_free(struct loop *l);
uv_loop_t *loop_uv(struct loop *l); /* for http, pg, ops only */
/* Monotonic time of this turn; one "now" per pass. */
int64_t loop_now_us(const struct loop *l);

/* ---- timers: one shot, absolute deadlines, re-armed by the owner -------- */

struct loop_timer {
    struct heap_node node;
    struct loop *loop; /* set while armed */
    loop_fn *fn;
    void *arg;
};
/* A zeroed struct is a stopped timer. Starting an armed one moves it. delay 0
 * runs on the next turn, never at once. */
void loop_timer_start(struct loop *l, struct loop_timer *t, int64_t delay_ms,
                      loop_fn *fn, void *arg);
void loop_timer_start_us(struct loop *l, struct loop_timer *t,
                         int64_t at_mono_us, loop_fn *fn, void *arg);
void loop_timer_stop(struct loop_timer *t); /* safe when stopped */
bool loop_timer_armed(const struct loop_timer *t);

/* ---- deferred calls ----------------------------------------------------- */

/* A zeroed struct is idle. fn runs once on the next turn; asking again while
 * pending does nothing (this is poke()). */
struct loop_call {
    struct list link;
    struct loop *loop; /* set while pending */
    loop_fn *fn;
    void *arg;
};
void loop_later(struct loop *l, struct loop_call *c, loop_fn *fn, void *arg);
void loop_call_cancel(struct loop_call *c); /* safe when idle */

/* ---- signals ------------------------------------------------------------ */

typedef void loop_signal_fn(void *arg, int signum);
/* One handler for SIGTERM and SIGINT, NULL: they end the process, as without
 * one; SIGPIPE is ignored by loop_new(). The
 * handles do not keep the loop alive and are closed by loop_free(). */
void loop_on_signal(struct loop *l, loop_signal_fn *fn, void *arg);

/* ---- work off the loop -------------------------------------------------- */

struct loop_work;
/* `work` runs in libuv's pool on a private copy (arg), then `done` on the loop.
 * Cancel silences done and, when work has not begun, skips it; `drop` (may be
 * NULL) then frees arg, on the loop. */
struct loop_work *loop_work(struct loop *l, loop_fn *work, loop_fn *done,
                            loop_fn *drop, void *arg);
void loop_work_cancel(struct loop_work *w); /* NULL does nothing */

#endif
