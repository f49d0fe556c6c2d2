/* SPDX-License-Identifier: UNLICENSED */
/*
 * What a transfer promises its caller: done once, later, or never; and what
 * each way to fail is called.
 */
#include "fixture.h"

static bool
say_hello(struct peer_conn *c, const struct peer_request *r, void *arg)
{
    (void)r;
    (void)arg;
    return peer_answer(c, 200, "X-Test:  yes \r\n", "hello");
}

static bool
hold(struct peer_conn *c, const struct peer_request *r, void *arg)
{
    (void)r;
    (void)arg;
    return peer_hold(c);
}

/* ---- once, later, never ------------------------------------------------- */

TEST(done_runs_once_with_the_answer)
{
    struct fx fx;
    struct end e = {0};

    fx_open(&fx, say_hello, NULL);
    start(&fx, &e, "GET", "/a?b=c", NULL);
    EQ_INT(http_in_flight(fx.http), 1);
    wait_for(&fx, &e);
    EQ_ERR(e.err, ERR_OK);
    EQ_INT(e.status, 200);
    EQ_STR(e.body, "hello");
    EQ_STR(e.header, "yes");
    EQ_STR(e.message, "");
    NOT(e.maybe_sent);
    EQ_INT(http_in_flight(fx.http), 0);
    fx_close(&fx);
    EQ_INT(e.done, 1);
}

TEST(done_never_runs_inside_send_even_when_nobody_listens)
{
    struct fx fx;
    struct end e = {0};
    unsigned port;

    fx_open(&fx, say_hello, NULL);
    port = peer_port(fx.peer);
    peer_stop(fx.peer);
    start(&fx, &e, "POST", "/", "{}");
    EQ_INT(e.done, 0);
    wait_for(&fx, &e);
    EQ_ERR(e.err, ERR_CONNECT);
    EQ_INT(e.status, 0);
    NOT(e.maybe_sent);
    IS(e.message[0] != '\0');
    IS(port > 0);
    fx.peer = peer_start(say_hello, NULL, NULL, NULL);
    fx_close(&fx);
}

TEST(cancel_at_once_never_calls_done)
{
    struct fx fx;
    struct end e = {0};

    fx_open(&fx, say_hello, NULL);
    start(&fx, &e, "GET", "/", NULL);
    http_cancel(e.op);
    http_cancel(NULL);
    EQ_INT(http_in_flight(fx.http), 0);
    loop_run(fx.loop);
    EQ_INT(e.done, 0);
    fx_close(&fx);
    EQ_INT(e.done, 0);
}

TEST(cancel_before_reply_never_calls_done)
{
    struct fx fx;
    struct end e = {0};

    fx_open(&fx, hold, NULL);
    start(&fx, &e, "GET", "/", NULL);
    wait_requests(&fx, 1);
    http_cancel(e.op);
    loop_run(fx.loop);
    fx_close(&fx);
    EQ_INT(e.done, 0);
}

static bool
hello_or_hold(struct peer_conn *c, const struct peer_request *r, void *arg)
{
    return strstr(r->head, "GET /hold") != NULL ? hold(c, r, arg) :
                                                  say_hello(c, r, arg);
}

TEST(done_may_cancel_another)
{
    struct fx fx;
    struct end held = {0};
    struct end e = {.other = &held};

    fx_open(&fx, hello_or_hold, NULL);
    start(&fx, &held, "GET", "/hold", NULL);
    wait_requests(&fx, 1);
    start(&fx, &e, "GET", "/", NULL);
    wait_for(&fx, &e);
    EQ_INT(http_in_flight(fx.http), 0);
    loop_run(fx.loop);
    fx_close(&fx);
    EQ_INT(held.done, 0);
}

TEST(close_while_busy_silences_all)
{
    struct fx fx;
    struct end e[20] = {{0}};
    unsigned i;

    fx_open(&fx, hold, NULL);
    for (i = 0; i < 20; i++) {
        start(&fx, &e[i], i % 2 == 0 ? "GET" : "POST", "/",
              i % 2 == 0 ? NULL : "{}");
    }
    wait_requests(&fx, 10);
    fx_close(&fx);
    for (i = 0; i < 20; i++) {
        EQ_INT(e[i].done, 0);
    }
}

TEST(close_while_connecting_silences_all)
{
    struct fx fx;
    struct end e = {0};

    fx_open(&fx, hold, NULL);
    start(&fx, &e, "GET", "/", NULL);
    fx_close(&fx);
    EQ_INT(e.done, 0);
}

TEST(close_inside_done_silences_the_others)
{
    struct fx fx;
    struct end held = {0};
    struct end e = {.closes = true};

    fx_open(&fx, hello_or_hold, NULL);
    start(&fx, &held, "GET", "/hold", NULL);
    wait_requests(&fx, 1);
    start(&fx, &e, "GET", "/", NULL);
    wait_for(&fx, &e);
    fx_end(&fx);
    EQ_INT(held.done, 0);
    EQ_INT(e.done, 1);
}

static void
on_send_again(void *arg, enum err err, const struct http_reply *r)
{
    struct end *e = arg;
    struct http_spec spec = {.method = "GET", .timeout_ms = 10000};
    char url[128];

    EQ_ERR(err, ERR_OK);
    EQ_STR(r->body, "hello");
    (void)snprintf(url, sizeof(url), "%s/", e->fx->base);
    spec.url = url;
    OK(http_send(e->fx->http, &spec, on_end, e, &e->op));
    EQ_INT(e->done, 0);
}

TEST(done_may_send_the_next)
{
    struct fx fx;
    struct end e = {.fx = &fx};
    struct http_spec spec = {.method = "GET", .timeout_ms = 10000};

    fx_open(&fx, say_hello, NULL);
    spec.url = fx.base;
    OK(http_send(fx.http, &spec, on_send_again, &e, NULL));
    wait_for(&fx, &e);
    EQ_ERR(e.err, ERR_OK);
    EQ_INT(peer_connections(fx.peer), 1);
    fx_close(&fx);
}

/* ---- ways to fail ------------------------------------------------------- */

TEST(a_silent_peer_is_a_timeout_that_may_have_been_sent)
{
    struct fx fx;
    struct end e = {0};
    struct http_spec spec = {
        .method = "POST", .body = "{}", .body_len = 2, .timeout_ms = 200};

    fx_open(&fx, hold, NULL);
    start_spec(&fx, &e, &spec, "/");
    wait_for(&fx, &e);
    EQ_ERR(e.err, ERR_TIMEOUT);
    IS(e.maybe_sent);
    fx_close(&fx);
}

TEST(nothing_leaves_when_its_time_is_over)
{
    struct fx fx;
    struct end e = {0};
    int64_t until_us = clock_mono_us();
    struct http_spec spec = {.method = "POST",
                             .body = "{}",
                             .body_len = 2,
                             .timeout_ms = 5000,
                             .until_us = &until_us};

    fx_open(&fx, hold, NULL);
    start_spec(&fx, &e, &spec, "/");
    wait_for(&fx, &e);
    EQ_ERR(e.err, ERR_TIMEOUT);
    NOT(e.maybe_sent);
    EQ_UINT(peer_requests(fx.peer), 0);
    fx_close(&fx);
}

TEST(what_has_not_left_in_time_breaks_off)
{
    enum { LARGE = 64 * 1024 * 1024 };
    struct fx fx;
    struct end e = {0};
    int64_t until_us = INT64_MAX;
    char *body = mem_alloc(LARGE);
    struct http_spec spec = {.method = "POST",
                             .body = body,
                             .body_len = LARGE,
                             .timeout_ms = 20000,
                             .until_us = &until_us};

    memset(body, 'x', LARGE);
    fx_open(&fx, hold, NULL);
    start_spec(&fx, &e, &spec, "/");
    while (peer_connections(fx.peer) == 0) {
        loop_turn(fx.loop, 1);
    }
    loop_turn(fx.loop, 3);
    until_us = clock_mono_us();
    wait_for(&fx, &e);
    EQ_ERR(e.err, ERR_TIMEOUT);
    IS(e.maybe_sent);
    EQ_UINT(peer_requests(fx.peer), 0);
    fx_close(&fx);
    mem_free(body);
}

static bool
stop_in_the_middle(struct peer_conn *c, const struct peer_request *r, void *arg)
{
    (void)r;
    (void)arg;
    (void)peer_text(c, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
    return false;
}

TEST(a_connection_that_ends_in_the_middle_is_a_reset_with_what_came)
{
    struct fx fx;
    struct end e = {0};

    fx_open(&fx, stop_in_the_middle, NULL);
    start(&fx, &e, "GET", "/", NULL);
    wait_for(&fx, &e);
    EQ_ERR(e.err, ERR_RESET);
    EQ_INT(e.status, 200);
    EQ_STR(e.body, "half");
    IS(e.maybe_sent);
    fx_close(&fx);
}

static bool
reset_now(struct peer_conn *c, const struct peer_request *r, void *arg)
{
    (void)r;
    (void)arg;
    return peer_reset(c);
}

TEST(a_reset_after_a_write_may_have_been_sent)
{
    struct fx fx;
    struct end e = {0};

    fx_open(&fx, reset_now, NULL);
    start(&fx, &e, "POST", "/", "{\"a\":1}");
    wait_for(&fx, &e);
    EQ_ERR(e.err, ERR_RESET);
    EQ_INT(e.status, 0);
    IS(e.maybe_sent);
    fx_close(&fx);
}

static bool
once_then_close(struct peer_conn *c, const struct peer_request *r, void *arg)
{
    bool *hard = arg;

    if (r->of_conn == 1 && r->number == 1) {
        return say_hello(c, r, NULL);
    }
    return *hard ? peer_reset(c) : false;
}

static void
second_post_is_sent_once(bool hard, const char *method, const char *body)
{
    struct fx fx;
    struct end first = {0};
    struct end second = {0};

    fx_open(&fx, once_then_close, &hard);
    start(&fx, &first, "POST", "/", "{}");
    wait_for(&fx, &first);
    EQ_ERR(first.err, ERR_OK);
    start(&fx, &second, method, "/", body);
    wait_for(&fx, &second);
    EQ_ERR(second.err, ERR_RESET);
    IS(second.maybe_sent);
    loop_run(fx.loop);
    EQ_INT(peer_requests(fx.peer), 2);
    fx_close(&fx);
}

TEST(a_write_on_a_kept_connection_that_closes_is_sent_once)
{
    second_post_is_sent_once(false, "POST", "{\"b\":2}");
}

TEST(a_write_on_a_kept_connection_that_resets_is_sent_once)
{
    second_post_is_sent_once(true, "PATCH", "{\"b\":2}");
}

TEST(a_write_without_a_body_is_sent_once_too)
{
    second_post_is_sent_once(false, "POST", NULL);
}

TEST(a_delete_is_sent_once_too)
{
    second_post_is_sent_once(false, "DELETE", NULL);
}

static bool
say_nonsense(struct peer_conn *c, const struct peer_request *r, void *arg)
{
    (void)r;
    (void)arg;
    (void)peer_text(c, "SSH-2.0-something\r\n\r\n");
    return false;
}

TEST(what_is_not_http_is_a_syntax_error)
{
    struct fx fx;
    struct end e = {0};

    fx_open(&fx, say_nonsense, NULL);
    start(&fx, &e, "GET", "/", NULL);
    wait_for(&fx, &e);
    EQ_ERR(e.err, ERR_SYNTAX);
    fx_close(&fx);
}

TEST(a_name_that_does_not_resolve_says_so)
{
    struct fx fx;
    struct end e = {0};
    struct http_spec spec = {.method = "GET",
                             .url = "https://no-such-host.invalid/",
                             .timeout_ms = 8000};

    fx_open(&fx, say_hello, NULL);
    e.fx = &fx;
    OK(http_send(fx.http, &spec, on_end, &e, &e.op));
    wait_for(&fx, &e);
    EQ_ERR(e.err, ERR_RESOLVE);
    NOT(e.maybe_sent);
    fx_close(&fx);
}

SUITE(http, RUN(done_runs_once_with_the_answer),
      RUN(done_never_runs_inside_send_even_when_nobody_listens),
      RUN(cancel_at_once_never_calls_done),
      RUN(cancel_before_reply_never_calls_done), RUN(done_may_cancel_another),
      RUN(close_while_busy_silences_all),
      RUN(close_while_connecting_silences_all),
      RUN(close_inside_done_silences_the_others), RUN(done_may_send_the_next),
      RUN(a_silent_peer_is_a_timeout_that_may_have_been_sent),
      RUN(what_has_not_left_in_time_breaks_off),
      RUN(nothing_leaves_when_its_time_is_over),
      RUN(a_connection_that_ends_in_the_middle_is_a_reset_with_what_came),
      RUN(a_reset_after_a_write_may_have_been_sent),
      RUN(a_write_on_a_kept_connection_that_closes_is_sent_once),
      RUN(a_write_on_a_kept_connection_that_resets_is_sent_once),
      RUN(a_write_without_a_body_is_sent_once_too),
      RUN(a_delete_is_sent_once_too), RUN(what_is_not_http_is_a_syntax_error),
      RUN_LONG(a_name_that_does_not_resolve_says_so, 20))
