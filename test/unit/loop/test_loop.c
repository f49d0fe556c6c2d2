/* SPDX-License-Identifier: UNLICENSED */
/*
 * The loop's promises: order and one-shot of timers, deferred calls that never
 * starve sockets, work off the loop with cancel, signals, a clean end.
 */
#include <unistd.h>
#include <uv.h>

#include "ml/loop.h"
#include "ml/stat.h"
#include "unit.h"

struct seen {
    struct loop *loop;
    struct loop_timer timer;
    struct loop_timer other;
    struct loop_call call;
    struct loop_call call2;
    struct loop_work *work;
    unsigned ran;
    unsigned dropped;
    unsigned worked;
    int order[8];
    unsigned count;
    int pipe[2];
};

static void
on_count(void *arg)
{
    ((struct seen *)arg)->ran++;
}

static void
on_drop(void *arg)
{
    ((struct seen *)arg)->dropped++;
}

static void
on_one(void *arg)
{
    struct seen *s = arg;

    s->order[s->count++] = 1;
}

static void
on_two(void *arg)
{
    struct seen *s = arg;

    s->order[s->count++] = 2;
}

static void
on_stop(void *arg)
{
    loop_stop(((struct seen *)arg)->loop);
}

/* ---- timers ------------------------------------------------------------- */

TEST(a_timer_runs_once_and_not_inside_start)
{
    struct seen s = {.loop = loop_new()};

    loop_timer_start(s.loop, &s.timer, 0, on_count, &s);
    EQ_INT(s.ran, 0);
    IS(loop_timer_armed(&s.timer));
    loop_run(s.loop);
    EQ_INT(s.ran, 1);
    NOT(loop_timer_armed(&s.timer));
    OK(loop_free(s.loop));
}

TEST(a_timer_of_delay_zero_runs_on_the_next_turn)
{
    struct seen s = {.loop = loop_new()};

    loop_timer_start(s.loop, &s.timer, 0, on_count, &s);
    loop_turn(s.loop, 1);
    EQ_INT(s.ran, 1);
    OK(loop_free(s.loop));
}

TEST(timers_run_in_the_order_of_their_deadlines)
{
    struct seen s = {.loop = loop_new()};

    loop_timer_start(s.loop, &s.timer, 12, on_two, &s);
    loop_timer_start(s.loop, &s.other, 4, on_one, &s);
    loop_run(s.loop);
    EQ_INT(s.count, 2);
    EQ_INT(s.order[0], 1);
    EQ_INT(s.order[1], 2);
    OK(loop_free(s.loop));
}

TEST(a_timer_never_runs_before_its_deadline)
{
    struct seen s = {.loop = loop_new()};
    int i;

    for (i = 0; i < 20; i++) {
        int64_t due = clock_mono_us() + 1500 + i * 37;

        loop_timer_start_us(s.loop, &s.timer, due, on_count, &s);
        loop_run(s.loop);
        IS(clock_mono_us() >= due);
    }
    EQ_INT(s.ran, 20);
    OK(loop_free(s.loop));
}

TEST(starting_an_armed_timer_moves_it)
{
    struct seen s = {.loop = loop_new()};
    int64_t begin = clock_mono_us();

    loop_timer_start(s.loop, &s.timer, 60000, on_count, &s);
    loop_timer_start(s.loop, &s.timer, 1, on_count, &s);
    loop_run(s.loop);
    EQ_INT(s.ran, 1);
    IS(clock_mono_us() - begin < 30000000);
    OK(loop_free(s.loop));
}

TEST(a_stopped_timer_never_runs)
{
    struct seen s = {.loop = loop_new()};

    loop_timer_start(s.loop, &s.timer, 1, on_count, &s);
    loop_timer_stop(&s.timer);
    loop_timer_stop(&s.timer);
    loop_run(s.loop);
    EQ_INT(s.ran, 0);
    OK(loop_free(s.loop));
}

static void
on_stop_other(void *arg)
{
    struct seen *s = arg;

    s->ran++;
    loop_timer_stop(&s->other);
    loop_timer_stop(&s->timer);
}

TEST(a_timer_may_stop_another_due_in_the_same_pass)
{
    struct seen s = {.loop = loop_new()};
    int64_t due = clock_mono_us() - 10;

    loop_timer_start_us(s.loop, &s.timer, due, on_stop_other, &s);
    loop_timer_start_us(s.loop, &s.other, due, on_stop_other, &s);
    loop_run(s.loop);
    EQ_INT(s.ran, 1);
    OK(loop_free(s.loop));
}

static void
on_again(void *arg)
{
    struct seen *s = arg;

    s->ran++;
    loop_timer_start(s->loop, &s->timer, 0, on_again, s);
}

static void
on_readable(uv_poll_t *handle, int status, int events)
{
    struct seen *s = handle->data;

    (void)status;
    (void)events;
    s->worked++;
    loop_timer_stop(&s->timer);
    loop_call_cancel(&s->call);
    uv_close((uv_handle_t *)handle, NULL);
}

TEST(a_timer_that_asks_for_itself_at_once_does_not_starve_sockets)
{
    struct seen s = {.loop = loop_new()};
    uv_poll_t poll = {.data = &s};

    EQ_INT(pipe(s.pipe), 0);
    EQ_INT(write(s.pipe[1], "x", 1), 1);
    loop_timer_start(s.loop, &s.timer, 0, on_again, &s);
    EQ_INT(uv_poll_init(loop_uv(s.loop), &poll, s.pipe[0]), 0);
    poll.data = &s;
    EQ_INT(uv_poll_start(&poll, UV_READABLE, on_readable), 0);
    loop_run(s.loop);
    EQ_INT(s.worked, 1);
    IS(s.ran <= 2);
    OK(loop_free(s.loop));
    (void)close(s.pipe[0]);
    (void)close(s.pipe[1]);
}

enum { MANY = 2000 };

static void
on_many(void *arg)
{
    unsigned *left = arg;

    --*left;
}

TEST(thousands_of_timers_all_run)
{
    struct loop *l = loop_new();
    struct loop_timer *t = mem_array(MANY, sizeof(*t));
    unsigned left = MANY;
    unsigned i;

    for (i = 0; i < MANY; i++) {
        loop_timer_start(l, &t[i], (int64_t)(i * 7919U % 20U), on_many, &left);
    }
    for (i = 0; i < MANY; i += 2) {
        loop_timer_stop(&t[i]);
    }
    loop_run(l);
    EQ_INT(left, MANY / 2);
    mem_free(t);
    OK(loop_free(l));
}

/* ---- deferred calls ----------------------------------------------------- */

TEST(a_call_runs_once_however_often_it_is_asked_for)
{
    struct seen s = {.loop = loop_new()};

    loop_later(s.loop, &s.call, on_count, &s);
    loop_later(s.loop, &s.call, on_count, &s);
    EQ_INT(s.ran, 0);
    loop_run(s.loop);
    EQ_INT(s.ran, 1);
    loop_later(s.loop, &s.call, on_count, &s);
    loop_run(s.loop);
    EQ_INT(s.ran, 2);
    OK(loop_free(s.loop));
}

TEST(a_cancelled_call_never_runs)
{
    struct seen s = {.loop = loop_new()};

    loop_later(s.loop, &s.call, on_count, &s);
    loop_call_cancel(&s.call);
    loop_call_cancel(&s.call);
    loop_run(s.loop);
    EQ_INT(s.ran, 0);
    OK(loop_free(s.loop));
}

static void
on_cancel_second(void *arg)
{
    struct seen *s = arg;

    s->ran++;
    loop_call_cancel(&s->call2);
}

TEST(a_call_may_cancel_another_of_the_same_batch)
{
    struct seen s = {.loop = loop_new()};

    loop_later(s.loop, &s.call, on_cancel_second, &s);
    loop_later(s.loop, &s.call2, on_count, &s);
    loop_run(s.loop);
    EQ_INT(s.ran, 1);
    OK(loop_free(s.loop));
}

static void
on_recall(void *arg)
{
    struct seen *s = arg;

    s->ran++;
    loop_later(s->loop, &s->call, on_recall, s);
}

TEST(a_call_that_asks_for_itself_does_not_starve_sockets)
{
    struct seen s = {.loop = loop_new()};
    uv_poll_t poll;

    EQ_INT(pipe(s.pipe), 0);
    EQ_INT(write(s.pipe[1], "x", 1), 1);
    loop_later(s.loop, &s.call, on_recall, &s);
    EQ_INT(uv_poll_init(loop_uv(s.loop), &poll, s.pipe[0]), 0);
    poll.data = &s;
    EQ_INT(uv_poll_start(&poll, UV_READABLE, on_readable), 0);
    loop_run(s.loop);
    EQ_INT(s.worked, 1);
    IS(s.ran <= 2);
    OK(loop_free(s.loop));
    (void)close(s.pipe[0]);
    (void)close(s.pipe[1]);
}

TEST(a_call_that_asks_for_itself_does_not_starve_timers)
{
    struct seen s = {.loop = loop_new()};

    loop_later(s.loop, &s.call, on_recall, &s);
    loop_timer_start(s.loop, &s.timer, 2, on_stop, &s);
    loop_run(s.loop);
    IS(s.ran > 0);
    NOT(loop_timer_armed(&s.timer));
    loop_call_cancel(&s.call);
    OK(loop_free(s.loop));
}

/* ---- work --------------------------------------------------------------- */

static void
on_work(void *arg)
{
    ((struct seen *)arg)->worked++;
}

TEST(work_is_done_once_and_not_inside_start)
{
    struct seen s = {.loop = loop_new()};

    IS(loop_work(s.loop, on_work, on_count, on_drop, &s) != NULL);
    EQ_INT(s.ran, 0);
    loop_run(s.loop);
    EQ_INT(s.worked, 1);
    EQ_INT(s.ran, 1);
    EQ_INT(s.dropped, 0);
    OK(loop_free(s.loop));
}

TEST(cancelled_work_is_dropped_and_never_done)
{
    struct seen s = {.loop = loop_new()};
    struct loop_work *w = loop_work(s.loop, on_work, on_count, on_drop, &s);

    loop_work_cancel(w);
    loop_work_cancel(NULL);
    loop_run(s.loop);
    EQ_INT(s.ran, 0);
    EQ_INT(s.dropped, 1);
    OK(loop_free(s.loop));
}

static void
on_blocked_work(void *arg)
{
    struct seen *s = arg;
    char c;

    /* Tells that it runs, then until it may end. */
    if (write(s->pipe[1], "r", 1) != 1 || read(s->order[0], &c, 1) != 1) {
        abort();
    }
    s->worked++;
}

TEST(work_cancelled_while_it_runs_is_dropped_after_it)
{
    struct seen s = {.loop = loop_new()};
    struct loop_work *w;
    int gate[2];
    char c;

    EQ_INT(pipe(s.pipe), 0);
    EQ_INT(pipe(gate), 0);
    s.order[0] = gate[0];
    w = loop_work(s.loop, on_blocked_work, on_count, on_drop, &s);
    EQ_INT(read(s.pipe[0], &c, 1), 1);
    loop_work_cancel(w);
    loop_turn(s.loop, 2);
    EQ_INT(s.dropped, 0);
    EQ_INT(write(gate[1], "g", 1), 1);
    loop_run(s.loop);
    EQ_INT(s.worked, 1);
    EQ_INT(s.ran, 0);
    EQ_INT(s.dropped, 1);
    OK(loop_free(s.loop));
}

TEST(loop_free_waits_for_cancelled_work)
{
    struct seen s = {.loop = loop_new()};
    struct loop_work *w = loop_work(s.loop, on_work, on_count, on_drop, &s);

    loop_work_cancel(w);
    OK(loop_free(s.loop));
    EQ_INT(s.ran, 0);
    EQ_INT(s.dropped, 1);
}

static void
on_done_cancels(void *arg)
{
    struct seen *s = arg;

    s->ran++;
    loop_work_cancel(s->work);
    s->work = NULL;
}

TEST(done_may_cancel_other_work)
{
    struct seen first = {.loop = loop_new()};
    struct seen second = {.loop = first.loop};
    int gate[2];
    char c;

    EQ_INT(pipe(second.pipe), 0);
    EQ_INT(pipe(gate), 0);
    second.order[0] = gate[0];
    first.work =
        loop_work(first.loop, on_blocked_work, on_count, on_drop, &second);
    EQ_INT(read(second.pipe[0], &c, 1), 1);
    (void)loop_work(first.loop, on_work, on_done_cancels, on_drop, &first);
    while (first.ran == 0) {
        loop_turn(first.loop, 1);
    }
    EQ_INT(write(gate[1], "g", 1), 1);
    loop_run(first.loop);
    EQ_INT(second.ran, 0);
    EQ_INT(second.dropped, 1);
    OK(loop_free(first.loop));
}

/* ---- signals, time, end ------------------------------------------------- */

static void
on_signal(void *arg, int signum)
{
    struct seen *s = arg;

    s->order[s->count++] = signum;
    loop_stop(s->loop);
}

TEST(a_signal_reaches_its_handler)
{
    struct seen s = {.loop = loop_new()};

    loop_on_signal(s.loop, on_signal, &s);
    loop_timer_start(s.loop, &s.timer, 60000, on_count, &s);
    EQ_INT(raise(SIGTERM), 0);
    loop_run(s.loop);
    EQ_INT(raise(SIGINT), 0);
    loop_run(s.loop);
    EQ_INT(s.count, 2);
    EQ_INT(s.order[0], SIGTERM);
    EQ_INT(s.order[1], SIGINT);
    loop_timer_stop(&s.timer);
    OK(loop_free(s.loop));
}

TEST(without_a_handler_a_signal_ends_the_process_again)
{
    struct seen s = {.loop = loop_new()};
    struct sigaction was;

    loop_on_signal(s.loop, on_signal, &s);
    loop_on_signal(s.loop, NULL, NULL);
    EQ_INT(sigaction(SIGTERM, NULL, &was), 0);
    IS(was.sa_handler == SIG_DFL);
    loop_on_signal(s.loop, NULL, NULL); /* twice is once */
    OK(loop_free(s.loop));
}

TEST(a_signal_handler_does_not_keep_the_loop_alive)
{
    struct seen s = {.loop = loop_new()};

    loop_on_signal(s.loop, on_signal, &s);
    loop_run(s.loop);
    EQ_INT(s.count, 0);
    OK(loop_free(s.loop));
}

TEST(a_broken_pipe_is_no_signal)
{
    struct seen s = {.loop = loop_new()};

    EQ_INT(pipe(s.pipe), 0);
    (void)close(s.pipe[0]);
    EQ_INT(write(s.pipe[1], "x", 1), -1);
    (void)close(s.pipe[1]);
    OK(loop_free(s.loop));
}

static void
on_now(void *arg)
{
    struct seen *s = arg;
    int64_t now = loop_now_us(s->loop);
    int64_t real = clock_mono_us();

    IS(now <= real);
    IS(real - now < 100000);
    s->ran++;
}

TEST(the_time_of_a_turn_is_fresh_after_a_wait)
{
    struct seen s = {.loop = loop_new()};

    (void)loop_now_us(s.loop);
    loop_timer_start(s.loop, &s.timer, 150, on_now, &s);
    loop_run(s.loop);
    EQ_INT(s.ran, 1);
    OK(loop_free(s.loop));
}

TEST(lag_is_measured_each_second_that_something_runs)
{
    struct seen s = {.loop = loop_new()};
    struct buf b;

    loop_timer_start(s.loop, &s.timer, 1100, on_count, &s);
    loop_run(s.loop);
    buf_init(&b, 1000000);
    stat_render(&b);
    HAS(buf_text(&b), "ml_loop_lag_seconds_count 1\n");
    buf_fini(&b);
    stat_reset();
    OK(loop_free(s.loop));
}

TEST(a_forgotten_handle_is_reported)
{
    struct loop *l = loop_new();
    uv_timer_t timer;

    EQ_INT(uv_timer_init(loop_uv(l), &timer), 0);
    EQ_ERR(loop_free(l), ERR_CLOSED);
}

TEST(a_forgotten_timer_is_reported)
{
    struct seen s = {.loop = loop_new()};

    loop_timer_start(s.loop, &s.timer, 60000, on_count, &s);
    loop_later(s.loop, &s.call, on_count, &s);
    EQ_ERR(loop_free(s.loop), ERR_CLOSED);
    NOT(loop_timer_armed(&s.timer));
    EQ_INT(s.ran, 0);
}

static void
on_nest(void *arg)
{
    loop_run(((struct seen *)arg)->loop);
}

DEATH(running_inside_running_aborts)
{
    struct seen s = {.loop = loop_new()};

    loop_timer_start(s.loop, &s.timer, 0, on_nest, &s);
    loop_run(s.loop);
}

SUITE(loop, RUN(a_timer_runs_once_and_not_inside_start),
      RUN(a_timer_of_delay_zero_runs_on_the_next_turn),
      RUN(timers_run_in_the_order_of_their_deadlines),
      RUN(a_timer_never_runs_before_its_deadline),
      RUN(starting_an_armed_timer_moves_it), RUN(a_stopped_timer_never_runs),
      RUN(a_timer_may_stop_another_due_in_the_same_pass),
      RUN(a_timer_that_asks_for_itself_at_once_does_not_starve_sockets),
      RUN(thousands_of_timers_all_run),
      RUN(a_call_runs_once_however_often_it_is_asked_for),
      RUN(a_cancelled_call_never_runs),
      RUN(a_call_may_cancel_another_of_the_same_batch),
      RUN(a_call_that_asks_for_itself_does_not_starve_sockets),
      RUN(a_call_that_asks_for_itself_does_not_starve_timers),
      RUN(work_is_done_once_and_not_inside_start),
      RUN(cancelled_work_is_dropped_and_never_done),
      RUN(work_cancelled_while_it_runs_is_dropped_after_it),
      RUN(loop_free_waits_for_cancelled_work), RUN(done_may_cancel_other_work),
      RUN(a_signal_reaches_its_handler),
      RUN(without_a_handler_a_signal_ends_the_process_again),
      RUN(a_signal_handler_does_not_keep_the_loop_alive),
      RUN(a_broken_pipe_is_no_signal),
      RUN(the_time_of_a_turn_is_fresh_after_a_wait),
      RUN_LONG(lag_is_measured_each_second_that_something_runs, 10),
      RUN(a_forgotten_handle_is_reported), RUN(a_forgotten_timer_is_reported),
      DIES(running_inside_running_aborts))
