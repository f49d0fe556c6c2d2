/* SPDX-License-Identifier: UNLICENSED */
/*
 * Permits against a simulated server, hours of simulated time in a second of
 * ours. The server counts exactly: either every 10 s that end now (rolling) or
 * fixed windows of unknown phase. The network delays each request and answer
 * on its own, lets later ones overtake, stalls single requests for seconds and
 * now and then freezes all of them. The server's clock, by which it says how
 * long it worked, steps forward and back; our process is stopped for seconds.
 * The client always has work, or bursts of it.
 *
 * Checked: the server never refuses one request of ours, and uses of the limit
 * what is possible. A limiter that only knows an upper bound of each arrival
 * cannot use more than window / (window + mean delay - least delay), which is
 * 98.5 % for delays of 0 to 300 ms and 97.6 % for 0 to 500 ms.
 */
#include "unit.h"

#include "ml/policy.h"

#define MS INT64_C(1000)
#define SEC INT64_C(1000000)
#define WINDOW (10 * SEC)
#define HOUR (3600 * SEC)

enum delay { UNIFORM, CORRELATED, REAL };
enum kind { POLL, ARRIVE, WORKED, ANSWER, FOREIGN, STEP, CRASH };
enum { BURST = 400 };

struct plan {
    enum delay delay;
    int64_t there, back; /* largest delays; 0: 500 ms, 50 ms */
    bool stalls;
    bool fixed;   /* server counts fixed windows */
    bool silent;  /* server does not say how long it worked */
    bool steps;   /* the server's clock is set anew every minute or so */
    bool freezes; /* our process is stopped now and then */
    bool crashes; /* it dies and another takes over */
    bool bursts;  /* 400 at once, then 30 s without work */
    unsigned limit, pace_percent, depth;
    unsigned foreign_per_window;
    int64_t length;
};

struct request {
    struct heap_node node;
    enum kind kind;
    struct permit permit;
    unsigned remaining, process;
    int64_t worked_us, started, completed; /* by the server's clock */
    bool refused;
};

struct sim {
    struct plan plan;
    struct permits permits;
    struct heap events;
    struct request poll, foreign, step, crash;
    uint64_t seed;
    int64_t now, first;
    unsigned process;
    int64_t frozen_until;
    int64_t freeze_from, freeze_to;
    int64_t common_delay, common_until;
    int64_t server_ahead; /* its clock minus the true time */
    int64_t *log;         /* arrival times the server accepted, a ring */
    size_t logged;
    int64_t phase, fixed_window, fixed_count;
    unsigned backlog, burst_accepted;
    int64_t burst_at, burst_from, slowest_burst;
    uint64_t accepted, refused, refused_late, foreign_refused, sent;
};

static double
draw(struct sim *s)
{
    s->seed = s->seed * 6364136223846793005U + 1442695040888963407U;
    return (double)(s->seed >> 11) / 9007199254740992.0;
}

static int64_t
between(struct sim *s, int64_t low, int64_t high)
{
    return low + (int64_t)(draw(s) * (double)(high - low));
}

/* A rough exponential: -ln(u) by halving, mean 1 / ln 2 of a step. */
static int64_t
exponential(struct sim *s, int64_t half_life)
{
    int64_t t = 0;

    while (draw(s) < 0.5 && t < half_life * 40) {
        t += half_life;
    }
    return t + between(s, 0, half_life);
}

/* When what leaves at `at` is there. */
static int64_t
delivered_at(struct sim *s, int64_t at)
{
    int64_t most = s->plan.there > 0 ? s->plan.there : 500 * MS;

    switch (s->plan.delay) {
    case UNIFORM:
        at += between(s, 0, most);
        break;
    case CORRELATED:
        if (s->now >= s->common_until) {
            s->common_delay = between(s, 0, most);
            s->common_until = s->now + between(s, SEC, 20 * SEC);
        }
        at += s->common_delay;
        break;
    case REAL:
        at += 20 * MS + exponential(s, 20 * MS);
        break;
    }
    if (!s->plan.stalls) {
        return at;
    }
    if (draw(s) < 0.003) {
        at += between(s, SEC, 4 * SEC);
    }
    if (s->now > s->freeze_to) {
        s->freeze_from = s->now + between(s, 30 * SEC, 90 * SEC);
        s->freeze_to = s->freeze_from + 2 * SEC;
    }
    return at > s->freeze_from && at < s->freeze_to ? s->freeze_to : at;
}

/* Counts one arrival; gives what remains, or -1 when it is refused. */
static int64_t
server_count(struct sim *s)
{
    int64_t limit = s->plan.limit;
    size_t in_window = 0;

    if (s->plan.fixed) {
        int64_t window = (s->now + s->phase) / WINDOW;

        if (window != s->fixed_window) {
            s->fixed_window = window;
            s->fixed_count = 0;
        }
        if (s->fixed_count >= limit) {
            return -1;
        }
        s->fixed_count++;
        return limit - s->fixed_count;
    }
    for (size_t i = 0; i < s->plan.limit && i < s->logged; i++) {
        if (s->log[(s->logged - 1 - i) % s->plan.limit] <= s->now - WINDOW) {
            break;
        }
        in_window++;
    }
    if (in_window >= s->plan.limit) {
        return -1;
    }
    s->log[s->logged++ % s->plan.limit] = s->now;
    return limit - 1 - (int64_t)in_window;
}

static void
schedule_poll(struct sim *s)
{
    int64_t wait = permits_wait_us(&s->permits, s->now);

    heap_remove(&s->events, &s->poll.node);
    if (s->plan.bursts && s->backlog == 0) {
        heap_push(&s->events, &s->poll.node, s->burst_at);
    } else if (wait != INT64_MAX) {
        heap_push(&s->events, &s->poll.node, s->now + wait);
    }
}

static bool
has_work(struct sim *s)
{
    if (s->plan.bursts && s->backlog == 0 && s->now >= s->burst_at) {
        s->backlog = BURST;
        s->burst_accepted = 0;
        s->burst_from = s->now;
    }
    return !s->plan.bursts || s->backlog > 0;
}

static void
send_one(struct sim *s)
{
    struct request *r = MEM_NEW(struct request);
    int64_t leaves = s->now;

    r->kind = ARRIVE;
    r->permit = permits_take(&s->permits, s->now);
    r->process = s->process;
    s->first = s->sent++ == 0 ? s->now : s->first;
    if (s->backlog > 0 && --s->backlog == 0) {
        s->burst_at = s->now + 30 * SEC;
    }
    if (s->plan.freezes && draw(s) < 0.001) {
        /* stopped between taking a token and writing to the socket */
        s->frozen_until = s->now + between(s, SEC / 2, 8 * SEC);
        leaves = s->frozen_until;
    }
    heap_push(&s->events, &r->node, delivered_at(s, leaves));
}

static void
on_poll(struct sim *s)
{
    while (s->now >= s->frozen_until && has_work(s) &&
           permits_wait_us(&s->permits, s->now) == 0) {
        send_one(s);
    }
    if (s->now < s->frozen_until) {
        heap_push(&s->events, &s->poll.node, s->frozen_until);
        return;
    }
    schedule_poll(s);
}

static void
on_arrive(struct sim *s, struct request *r)
{
    int64_t left = server_count(s);

    if (left >= 0) {
        s->accepted++;
        s->burst_accepted++;
        if (s->burst_accepted == s->plan.limit &&
            s->now - s->burst_from > s->slowest_burst) {
            s->slowest_burst = s->now - s->burst_from;
        }
        r->remaining = (unsigned)left;
        r->worked_us = between(s, 50 * MS, 300 * MS);
    } else {
        s->refused++;
        s->refused_late += s->now > 60 * SEC ? 1 : 0;
        r->refused = true;
        r->worked_us = MS;
    }
    r->started = (s->now + s->server_ahead) / MS * MS;
    r->kind = WORKED;
    heap_push(&s->events, &r->node, s->now + r->worked_us);
}

static void
on_worked(struct sim *s, struct request *r)
{
    int64_t most = s->plan.back > 0 ? s->plan.back : 50 * MS;

    r->completed = (s->now + s->server_ahead) / MS * MS;
    r->kind = ANSWER;
    heap_push(&s->events, &r->node, s->now + between(s, 0, most));
}

static void
on_answer(struct sim *s, struct request *r)
{
    int64_t arrived = s->now;

    if (s->now < s->frozen_until) {
        heap_push(&s->events, &r->node, s->frozen_until);
        return;
    }
    if (r->process != s->process) { /* nobody waits for it any more */
        mem_free(r);
        return;
    }
    if (!s->plan.silent && !r->refused) {
        arrived = permits_arrived_us(&s->permits, &r->permit, s->now,
                                     r->started, r->completed);
    }
    permits_settle(&s->permits, s->now, arrived);
    if (r->refused) {
        permits_throttled(&s->permits, s->now, -1, draw(s));
    } else {
        permits_answered(&s->permits);
        permits_observe(&s->permits, s->now, &r->permit, r->remaining);
    }
    mem_free(r);
    schedule_poll(s);
}

static void
on_foreign(struct sim *s)
{
    int64_t mean = WINDOW / s->plan.foreign_per_window;

    s->foreign_refused += server_count(s) < 0 ? 1 : 0;
    heap_push(&s->events, &s->foreign.node,
              s->now + exponential(s, mean * 693 / 1000));
}

/* The server's clock is set: by a little, or by up to five seconds. */
static void
on_step(struct sim *s)
{
    int64_t most = draw(s) < 0.5 ? 400 * MS : 5 * SEC;

    s->server_ahead += between(s, -most, most);
    heap_push(&s->events, &s->step.node,
              s->now + between(s, 25 * SEC, MS * 60000));
}

static void
permits_begin(struct sim *s)
{
    struct permits_spec spec = {.limit = s->plan.limit,
                                .window_us = WINDOW,
                                .depth = s->plan.depth,
                                .pace_percent = s->plan.pace_percent,
                                .foreign_margin = 15};

    permits_init(&s->permits, &spec);
}

/* The process dies; its lease ends when it had stopped sending by itself 3 s
 * before, and whoever takes over holds all tokens for 11 s from there. */
static void
on_crash(struct sim *s)
{
    permits_fini(&s->permits);
    permits_begin(s);
    permits_hold(&s->permits, s->plan.limit, s->now + 3 * SEC + 11 * SEC);
    s->process++;
    heap_push(&s->events, &s->crash.node,
              s->now + between(s, 20 * SEC, 120 * SEC));
    schedule_poll(s);
}

static void
sim_step(struct sim *s, struct request *r)
{
    switch (r->kind) {
    case POLL:
        on_poll(s);
        break;
    case ARRIVE:
        on_arrive(s, r);
        break;
    case WORKED:
        on_worked(s, r);
        break;
    case ANSWER:
        on_answer(s, r);
        break;
    case FOREIGN:
        on_foreign(s);
        break;
    case STEP:
        on_step(s);
        break;
    case CRASH:
        on_crash(s);
        break;
    }
}

static void
sim_begin(struct sim *s, struct plan plan, uint64_t seed)
{
    *s = (struct sim){.plan = plan, .seed = seed * 77 + 5};
    s->phase = between(s, 0, WINDOW);
    s->log = mem_array(plan.limit, sizeof(s->log[0]));
    s->server_ahead = between(s, -HOUR, HOUR);
    s->foreign.kind = FOREIGN;
    s->step.kind = STEP;
    s->crash.kind = CRASH;
    permits_begin(s);
    heap_init(&s->events);
    heap_push(&s->events, &s->poll.node, 0);
    if (plan.foreign_per_window > 0) {
        heap_push(&s->events, &s->foreign.node, 0);
    }
    if (plan.steps) {
        heap_push(&s->events, &s->step.node, 20 * SEC);
    }
    if (plan.crashes) {
        heap_push(&s->events, &s->crash.node, 30 * SEC);
    }
}

static bool
is_own(const struct sim *s, const struct request *r)
{
    return r == &s->poll || r == &s->foreign || r == &s->step || r == &s->crash;
}

static double
sim_run(struct sim *s, struct plan plan, uint64_t seed)
{
    sim_begin(s, plan, seed);
    while (s->now < plan.length) {
        struct request *r =
            CONTAINER_OF(heap_first(&s->events), struct request, node);

        heap_remove(&s->events, &r->node);
        s->now = r->node.at;
        sim_step(s, r);
    }
    while (heap_first(&s->events) != NULL) {
        struct request *r =
            CONTAINER_OF(heap_first(&s->events), struct request, node);

        heap_remove(&s->events, &r->node);
        if (!is_own(s, r)) {
            mem_free(r);
        }
    }
    heap_fini(&s->events);
    permits_fini(&s->permits);
    mem_free(s->log);
    return (double)s->accepted * (double)WINDOW /
           ((double)plan.limit * (double)plan.length);
}

static void
never_refused(struct plan plan, double least_used)
{
    plan.pace_percent = plan.depth == 0 ? 200 : plan.pace_percent;
    plan.depth = plan.depth == 0 ? 20 : plan.depth;
    for (uint64_t seed = 1; seed <= 3; seed++) {
        struct sim s;
        double used = sim_run(&s, plan, seed);

        ck_assert_msg(s.refused == 0,
                      "limit %u seed %" PRIu64 ": %" PRIu64 " refused",
                      plan.limit, seed, s.refused);
        ck_assert_msg(used >= least_used,
                      "limit %u seed %" PRIu64 ": %.4f used", plan.limit, seed,
                      used);
    }
}

static const unsigned limits[] = {100, 190, 250, 37};

/* Up to 300 ms there, up to 10 ms back. */
TEST(at_least_97_percent_are_used_under_300_ms_of_jitter)
{
    for (size_t i = 0; i < 2 * COUNT_OF(limits); i++) {
        never_refused((struct plan){.delay = UNIFORM,
                                    .there = 300 * MS,
                                    .back = 10 * MS,
                                    .fixed = i % 2 == 1,
                                    .limit = limits[i / 2],
                                    .length = HOUR},
                      0.975);
    }
}

TEST(three_minutes_from_the_first_request_use_at_least_97_percent)
{
    for (size_t i = 0; i < 2 * COUNT_OF(limits); i++) {
        for (uint64_t seed = 1; seed <= 20; seed++) {
            struct plan plan = {.delay = UNIFORM,
                                .there = 300 * MS,
                                .back = 10 * MS,
                                .fixed = i % 2 == 1,
                                .limit = limits[i / 2],
                                .pace_percent = 200,
                                .depth = 20,
                                .length = 180 * SEC};
            struct sim s;
            double used = sim_run(&s, plan, seed);

            ck_assert_msg(s.refused == 0 && used >= 0.97,
                          "limit %u seed %" PRIu64 ": %" PRIu64
                          " refused, %.4f used",
                          plan.limit, seed, s.refused, used);
        }
    }
}

TEST(a_rolling_server_never_refuses_over_a_real_network)
{
    never_refused(
        (struct plan){.delay = REAL, .limit = 190, .length = 2 * HOUR}, 0.985);
}

TEST(a_rolling_server_never_refuses_when_requests_overtake)
{
    never_refused(
        (struct plan){.delay = UNIFORM, .limit = 190, .length = 2 * HOUR},
        0.97);
}

TEST(a_rolling_server_never_refuses_when_delays_move_together)
{
    never_refused(
        (struct plan){.delay = CORRELATED, .limit = 190, .length = 2 * HOUR},
        0.97);
}

TEST(a_rolling_server_never_refuses_through_stalls_and_freezes)
{
    never_refused(
        (struct plan){
            .delay = REAL, .stalls = true, .limit = 190, .length = 2 * HOUR},
        0.97);
}

TEST(a_rolling_server_never_refuses_under_the_worst_of_all)
{
    /* Jitter and stalls together leave about 96.5 % to whoever knows arrivals
     * only by their upper bound. */
    never_refused(
        (struct plan){
            .delay = UNIFORM, .stalls = true, .limit = 190, .length = 2 * HOUR},
        0.955);
}

TEST(a_fixed_window_server_never_refuses)
{
    never_refused(
        (struct plan){
            .delay = REAL, .fixed = true, .limit = 190, .length = HOUR},
        0.985);
    never_refused((struct plan){.delay = UNIFORM,
                                .stalls = true,
                                .fixed = true,
                                .limit = 100,
                                .length = HOUR},
                  0.955);
}

TEST(a_server_that_does_not_say_how_long_it_worked_never_refuses)
{
    never_refused(
        (struct plan){
            .delay = REAL, .silent = true, .limit = 190, .length = HOUR},
        0.97);
}

TEST(without_pacing_a_rolling_server_never_refuses_either)
{
    never_refused((struct plan){.delay = UNIFORM,
                                .stalls = true,
                                .limit = 100,
                                .pace_percent = 0,
                                .depth = 1,
                                .length = HOUR},
                  0.955);
}

TEST(steps_of_the_servers_clock_return_no_token_early)
{
    for (size_t i = 0; i < 2 * COUNT_OF(limits); i++) {
        never_refused((struct plan){.delay = UNIFORM,
                                    .there = 300 * MS,
                                    .back = 10 * MS,
                                    .steps = true,
                                    .fixed = i % 2 == 1,
                                    .limit = limits[i / 2],
                                    .length = 2 * HOUR},
                      0.97);
    }
    never_refused((struct plan){.delay = UNIFORM,
                                .steps = true,
                                .limit = 190,
                                .pace_percent = 0,
                                .depth = 1,
                                .length = 4 * HOUR},
                  0.965);
}

TEST(a_process_stopped_for_seconds_sends_nothing_too_early)
{
    never_refused((struct plan){.delay = UNIFORM,
                                .there = 300 * MS,
                                .back = 10 * MS,
                                .freezes = true,
                                .steps = true,
                                .limit = 190,
                                .length = 4 * HOUR},
                  0.85);
    never_refused((struct plan){.delay = REAL,
                                .stalls = true,
                                .freezes = true,
                                .fixed = true,
                                .limit = 100,
                                .length = 4 * HOUR},
                  0.85);
}

TEST(who_takes_over_from_a_dead_process_is_not_refused)
{
    for (int fixed = 0; fixed < 2; fixed++) {
        never_refused((struct plan){.delay = UNIFORM,
                                    .there = 300 * MS,
                                    .back = 10 * MS,
                                    .crashes = true,
                                    .fixed = fixed == 1,
                                    .limit = 190,
                                    .length = 4 * HOUR},
                      0.70);
    }
}

TEST(after_a_pause_a_whole_limit_is_accepted_within_five_seconds)
{
    for (size_t i = 0; i < 2 * COUNT_OF(limits); i++) {
        for (uint64_t seed = 1; seed <= 3; seed++) {
            struct plan plan = {.delay = UNIFORM,
                                .there = 300 * MS,
                                .back = 10 * MS,
                                .bursts = true,
                                .fixed = i % 2 == 1,
                                .limit = limits[i / 2],
                                .pace_percent = 200,
                                .depth = 20,
                                .length = 2 * HOUR};
            struct sim s;

            (void)sim_run(&s, plan, seed);
            ck_assert_msg(s.refused == 0 && s.accepted > 20000,
                          "limit %u: %" PRIu64 " refused", plan.limit,
                          s.refused);
            ck_assert_msg(s.slowest_burst > 0 && s.slowest_burst < 5 * SEC,
                          "limit %u: %" PRId64 " us", plan.limit,
                          s.slowest_burst);
        }
    }
}

/* Somebody else sends 4 a second on the same token, from the beginning. */
static void
makes_room(bool fixed, enum delay delay, unsigned per_window, double least)
{
    for (uint64_t seed = 1; seed <= 6; seed++) {
        struct plan plan = {.delay = delay,
                            .there = 300 * MS,
                            .back = 10 * MS,
                            .fixed = fixed,
                            .limit = 190,
                            .pace_percent = 200,
                            .depth = 20,
                            .foreign_per_window = per_window,
                            .length = 2 * HOUR};
        struct sim s;
        double used = sim_run(&s, plan, seed);

        ck_assert_msg(s.refused_late == 0,
                      "fixed %d, %u, seed %" PRIu64 ": %" PRIu64
                      " refused after the first minute",
                      fixed, per_window, seed, s.refused_late);
        ck_assert_msg(used >= least && used * 190 + per_window <= 190,
                      "fixed %d, %u, seed %" PRIu64 ": %.4f used", fixed,
                      per_window, seed, used);
    }
}

TEST(foreign_traffic_is_made_room_for_on_a_rolling_server)
{
    makes_room(false, UNIFORM, 40, 0.55);
    makes_room(false, REAL, 40, 0.55);
    makes_room(false, REAL, 100, 0.15);
    makes_room(false, REAL, 5, 0.80);
}

TEST(foreign_traffic_is_made_room_for_in_fixed_windows)
{
    makes_room(true, UNIFORM, 40, 0.55);
    makes_room(true, REAL, 40, 0.55);
}

/* The model itself must be able to refuse: permits that return as soon as a
 * request is answered overrun it at once. */
TEST(the_simulated_server_refuses_who_does_not_keep_the_limit)
{
    struct sim s = {.plan = {.limit = 3}};

    s.log = mem_array(3, sizeof(s.log[0]));
    for (int i = 0; i < 3; i++) {
        s.now = SEC + i;
        EQ_INT(server_count(&s), 2 - i);
    }
    s.now = 11 * SEC - 1;
    EQ_INT(server_count(&s), -1);
    s.now = 11 * SEC;
    EQ_INT(server_count(&s), 0);
    EQ_INT(server_count(&s), -1);
    s.plan.fixed = true;
    for (int i = 0; i < 3; i++) {
        EQ_INT(server_count(&s), 2 - i);
    }
    EQ_INT(server_count(&s), -1);
    s.now = 20 * SEC;
    EQ_INT(server_count(&s), 2);
    mem_free(s.log);
}

SUITE(permits_sim,
      RUN_LONG(at_least_97_percent_are_used_under_300_ms_of_jitter, 60),
      RUN_LONG(three_minutes_from_the_first_request_use_at_least_97_percent,
               60),
      RUN_LONG(a_rolling_server_never_refuses_over_a_real_network, 30),
      RUN_LONG(a_rolling_server_never_refuses_when_requests_overtake, 30),
      RUN_LONG(a_rolling_server_never_refuses_when_delays_move_together, 30),
      RUN_LONG(a_rolling_server_never_refuses_through_stalls_and_freezes, 30),
      RUN_LONG(a_rolling_server_never_refuses_under_the_worst_of_all, 30),
      RUN_LONG(a_fixed_window_server_never_refuses, 30),
      RUN_LONG(a_server_that_does_not_say_how_long_it_worked_never_refuses, 30),
      RUN_LONG(without_pacing_a_rolling_server_never_refuses_either, 30),
      RUN_LONG(steps_of_the_servers_clock_return_no_token_early, 60),
      RUN_LONG(a_process_stopped_for_seconds_sends_nothing_too_early, 60),
      RUN_LONG(who_takes_over_from_a_dead_process_is_not_refused, 60),
      RUN_LONG(after_a_pause_a_whole_limit_is_accepted_within_five_seconds, 60),
      RUN_LONG(foreign_traffic_is_made_room_for_on_a_rolling_server, 60),
      RUN_LONG(foreign_traffic_is_made_room_for_in_fixed_windows, 60),
      RUN(the_simulated_server_refuses_who_does_not_keep_the_limit))
