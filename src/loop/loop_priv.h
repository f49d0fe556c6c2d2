/* SPDX-License-Identifier: UNLICENSED */
#ifndef ML_LOOP_PRIV_H
#define ML_LOOP_PRIV_H

/*
 * What the files of loop share: the loop itself. Nobody else looks inside.
 */
#include <uv.h>

#include "ml/loop.h"

/* A year: beyond it nothing is worth a timer, and the sum cannot overflow. */
#define LOOP_DELAY_MAX_MS (INT64_C(365) * 24 * 3600 * 1000)

enum { LOOP_SIGNALS = 2 };

/* Apart, so that reading the time takes a const loop. */
struct loop_clock {
    uint64_t uv_ms; /* libuv's time when now_us was taken */
    int64_t now_us;
};

struct loop {
    unsigned magic;
    uv_loop_t uv;
    struct loop_clock *clock;
    struct heap timers;
    uv_timer_t alarm;
    int64_t alarm_us;  /* what alarm is armed for; 0: stopped */
    int64_t pass_us;   /* the `now` of the running pass over timers; 0: none */
    struct list calls; /* for the next check phase */
    struct list batch; /* being run */
    uv_idle_t idle;
    uv_check_t check;
    bool spinning;
    bool running;
    bool freeing;
    uv_signal_t signals[LOOP_SIGNALS];
    loop_signal_fn *signal_fn;
    void *signal_arg;
    uv_timer_t lag;
    int64_t lag_due_us;
    unsigned works; /* queued or running, not cancelled */
    unsigned works_cancelled;
};

void loop_on_idle(uv_idle_t *handle);
void loop_on_check(uv_check_t *handle);

#endif
