/* SPDX-License-Identifier: UNLICENSED */
/*
 * The asynchronous part against a scripted peer on loopback: the seven
 * promises of an operation, what is sent, and what becomes of the answers.
 */
#include "fix.h"

#include "ml/jsonx.h"
#include "ml/loop.h"
#include "ml/stat.h"
#include "peer.h"

enum script { ECHO, HOLD, RESET, THROTTLE, HTML, DETAILS, REPEAT, WORDS };

/* What the peer does and saw; read after peer_stop() only. */
struct script_arg {
    enum script script;
    char head[2048];
    char body[2048];
};

struct world {
    struct loop *loop;
    struct http *http;
    struct hubspot *hubspot;
    struct peer *peer;
    struct script_arg script;
    struct fix x;
    unsigned done; /* calls of done */
    bool inside;   /* hubspot_send is on the stack */
    bool free_inside;
    struct hubspot_op *op, *other;
    struct hubspot_meta meta;
    char outcomes[FIX_MAX + 1];
    char first_id[32];
};

/* Every input was written: results in reverse order. */
static bool
echo(struct peer_conn *c, const struct peer_request *r)
{
    static const char headers[] =
        "Content-Type: application/json\r\n"
        "X-HubSpot-RateLimit-Remaining: 97\r\n"
        "X-HubSpot-RateLimit-Max: 100\r\n"
        "X-HubSpot-RateLimit-Interval-Milliseconds: 10000\r\n"
        "X-HubSpot-Correlation-Id: corr-1\r\n";
    struct fault f;
    json_t *root;
    struct buf b;
    bool ok;

    if (jsonx_parse(r->body, r->body_len, &root, &f) != ERR_OK) {
        return peer_answer(c, 400, "", "{}");
    }
    buf_init(&b, 1 << 20);
    buf_adds(&b, "{\"status\":\"COMPLETE\",\"results\":[");
    for (size_t i = json_array_size(json_object_get(root, "inputs"));
         i-- > 0;) {
        buf_addf(&b, "{\"id\":%zu,\"objectWriteTraceId\":\"%s\"}%s", 500 + i,
                 jsonx_text(json_array_get(json_object_get(root, "inputs"), i),
                            "objectWriteTraceId"),
                 i > 0 ? "," : "");
    }
    buf_adds(&b, "]}");
    json_decref(root);
    ok = peer_answer(c, 200, headers, buf_text(&b));
    buf_fini(&b);
    return ok;
}

static bool
on_request(struct peer_conn *c, const struct peer_request *r, void *arg)
{
    struct script_arg *s = arg;

    (void)snprintf(s->head, sizeof(s->head), "%s", r->head);
    (void)snprintf(s->body, sizeof(s->body), "%s", r->body);
    switch (s->script) {
    case ECHO:
        return echo(c, r);
    case HOLD:
        return peer_hold(c);
    case RESET:
        return peer_reset(c);
    case THROTTLE:
        return peer_answer(c, 429, "Retry-After: 3\r\n",
                           "{\"policyName\":\"TEN_SECONDLY_ROLLING\"}");
    case HTML:
        return peer_answer(c, 502, "Content-Type: text/html\r\n", "<html>");
    case DETAILS:
        return peer_answer(c, 200, "", "{\"portalId\":4711}");
    case REPEAT:
        return peer_answer(c, 400, "",
                           "{\"category\":\"VALIDATION_ERROR\",\"message\":"
                           "\"bad token pat-eu1-12... given\"}");
    case WORDS:
        return peer_answer(c, 404, "", "{\"message\":\"no such key\"}");
    }
    return false;
}

static void
world_init_with(struct world *w, enum script script, int64_t timeout_ms,
                const char *token_text)
{
    struct http_config http = {.ca_file = NULL};
    struct hubspot_config c = {
        .api_version = "2026-03", .timeout_ms = timeout_ms, .tenant = "t"};
    struct secret *token = secret_new(token_text, strlen(token_text));
    char url[64];
    struct fault f;

    memset(w, 0, sizeof(*w));
    w->script.script = script;
    w->peer = peer_start(on_request, &w->script, NULL, NULL);
    IS(w->peer != NULL);
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%u", peer_port(w->peer));
    w->loop = loop_new();
    OK(http_open(w->loop, &http, &w->http, &f));
    c.base_url = url;
    c.token = token;
    w->hubspot = hubspot_new(w->loop, w->http, &c);
    secret_free(token);
    fix_init(&w->x, HUBSPOT_UPSERT, MAP_INVOICES, 3);
}

static void
world_init(struct world *w, enum script script, int64_t timeout_ms)
{
    world_init_with(w, script, timeout_ms, "pat-1");
}

static void
on_closed(void *arg)
{
    struct world *w = arg;

    w->http = NULL;
}

/* Nothing is under way any more; the loop must end by itself. */
static void
world_fini(struct world *w)
{
    hubspot_free(w->hubspot);
    http_close(w->http, on_closed, w);
    loop_run(w->loop);
    EQ_PTR(w->http, NULL);
    OK(loop_free(w->loop));
    peer_stop(w->peer);
    stat_reset();
}

static void
on_reply(void *arg, const struct hubspot_reply *r)
{
    struct world *w = arg;

    NOT(w->inside);
    w->done++;
    w->op = NULL;
    w->meta = r->meta;
    for (size_t i = 0; i < r->n; i++) {
        w->outcomes[i] = "WAXRU"[r->results[i].outcome];
    }
    if (r->results[0].id != NULL) {
        (void)snprintf(w->first_id, sizeof(w->first_id), "%s",
                       r->results[0].id);
    }
    if (w->other != NULL) {
        hubspot_cancel(w->other);
        w->other = NULL;
    }
    if (w->free_inside) {
        hubspot_free(w->hubspot);
        w->hubspot = NULL;
    }
    loop_stop(w->loop);
}

static void
start(struct world *w)
{
    w->inside = true;
    OK(hubspot_send(w->hubspot, &w->x.batch, on_reply, w, &w->op));
    w->inside = false;
    EQ_UINT(w->done, 0);
}

static void
stop_loop(void *arg)
{
    struct world *w = arg;

    loop_stop(w->loop);
}

/* Turns the loop for that long. */
static void
run_for(struct world *w, int64_t ms)
{
    struct loop_timer t = {.fn = NULL};

    loop_timer_start(w->loop, &t, ms, stop_loop, w);
    loop_run(w->loop);
}

TEST(done_is_called_once_and_never_inside_send)
{
    struct world w;

    world_init(&w, ECHO, 1000);
    start(&w);
    loop_run(w.loop);
    EQ_UINT(w.done, 1);
    run_for(&w, 20);
    EQ_UINT(w.done, 1);
    EQ_STR(w.outcomes, "WWW");
    EQ_STR(w.first_id, "500");
    EQ_INT(w.meta.remaining, 97);
    EQ_INT(w.meta.max, 100);
    EQ_INT(w.meta.interval_us, 10000000);
    EQ_STR(w.meta.fault.correlation, "corr-1");
    EQ_UINT(peer_requests(w.peer), 1);
    EQ_UINT(stat_value(STAT_hubspot_requests, "invoices.upsert", "200"), 1);
    world_fini(&w);
    HAS(w.script.head, "POST /crm/objects/2026-03/invoices/batch/upsert ");
    HAS(w.script.head, "Authorization: Bearer pat-1\r\n");
    HAS(w.script.head, "Content-Type: application/json\r\n");
}

TEST(cancel_before_the_first_turn_never_calls_done)
{
    struct world w;

    world_init(&w, ECHO, 1000);
    start(&w);
    hubspot_cancel(w.op);
    run_for(&w, 30);
    EQ_UINT(w.done, 0);
    hubspot_cancel(NULL);
    world_fini(&w);
}

TEST(cancel_under_way_never_calls_done)
{
    struct world w;

    world_init(&w, HOLD, 1000);
    start(&w);
    while (peer_requests(w.peer) == 0) {
        run_for(&w, 5);
    }
    hubspot_cancel(w.op);
    run_for(&w, 20);
    EQ_UINT(w.done, 0);
    world_fini(&w);
}

TEST(done_may_cancel_another)
{
    struct world w;
    struct world second;

    /* Both are answered at about the same time; the one that is first
     * silences the other. */
    world_init(&w, ECHO, 1000);
    start(&w);
    second = w;
    OK(hubspot_send(w.hubspot, &w.x.batch, on_reply, &second, &w.other));
    second.other = w.op;
    loop_run(w.loop);
    run_for(&w, 30);
    EQ_UINT(w.done + second.done, 1);
    world_fini(&w);
}

TEST(free_while_busy_never_calls_done)
{
    struct world w;

    world_init(&w, HOLD, 1000);
    start(&w);
    start(&w);
    while (peer_requests(w.peer) == 0) {
        run_for(&w, 5);
    }
    hubspot_free(w.hubspot);
    w.hubspot = NULL;
    run_for(&w, 20);
    EQ_UINT(w.done, 0);
    EQ_UINT(http_in_flight(w.http), 0);
    world_fini(&w);
}

TEST(done_may_free_the_hubspot)
{
    struct world w;

    world_init(&w, ECHO, 1000);
    w.free_inside = true;
    start(&w);
    loop_run(w.loop);
    EQ_UINT(w.done, 1);
    EQ_PTR(w.hubspot, NULL);
    world_fini(&w);
}

TEST(no_answer_in_time_is_unknown_for_writes)
{
    struct world w;

    world_init(&w, HOLD, 60);
    start(&w);
    loop_run(w.loop);
    EQ_STR(w.outcomes, "UUU");
    EQ_ERR(w.meta.fault.err, ERR_UNKNOWN);
    IS(w.meta.maybe_done);
    EQ_INT(w.meta.status, 0);
    EQ_UINT(stat_value(STAT_hubspot_requests, "invoices.upsert", "TIMEOUT"), 1);
    world_fini(&w);
}

TEST(no_answer_in_time_is_a_retry_for_reads)
{
    struct world w;

    world_init(&w, HOLD, 60);
    w.x.batch.verb = HUBSPOT_READ;
    w.x.batch.id_property = map_object_key(MAP_INVOICES);
    start(&w);
    loop_run(w.loop);
    EQ_STR(w.outcomes, "RRR");
    EQ_ERR(w.meta.fault.err, ERR_TIMEOUT);
    world_fini(&w);
}

TEST(a_reset_after_the_request_is_unknown)
{
    struct world w;

    world_init(&w, RESET, 1000);
    start(&w);
    loop_run(w.loop);
    EQ_STR(w.outcomes, "UUU");
    world_fini(&w);
}

TEST(a_peer_that_is_not_there_is_a_retry)
{
    struct world w;

    world_init(&w, ECHO, 1000);
    peer_stop(w.peer);
    w.peer = NULL;
    start(&w);
    loop_run(w.loop);
    EQ_STR(w.outcomes, "RRR");
    EQ_ERR(w.meta.fault.err, ERR_CONNECT);
    w.peer = peer_start(on_request, &w.script, NULL, NULL);
    world_fini(&w);
}

TEST(the_callers_trace_is_used)
{
    struct world w;

    world_init(&w, ECHO, 1000);
    w.x.batch.trace = "0123456789abcdef0123456789abcdef";
    start(&w);
    loop_run(w.loop);
    EQ_STR(w.outcomes, "WWW");
    world_fini(&w);
    HAS(w.script.body,
        "\"objectWriteTraceId\":\"0123456789abcdef0123456789abcdef-2\"");
}

TEST(a_429_is_a_retry_with_its_wait)
{
    struct world w;

    world_init(&w, THROTTLE, 1000);
    start(&w);
    loop_run(w.loop);
    EQ_STR(w.outcomes, "RRR");
    EQ_ERR(w.meta.fault.err, ERR_THROTTLED);
    EQ_INT(w.meta.retry_after_us, 3000000);
    world_fini(&w);
}

TEST(a_gateway_page_is_unknown)
{
    struct world w;

    world_init(&w, HTML, 1000);
    start(&w);
    loop_run(w.loop);
    EQ_STR(w.outcomes, "UUU");
    EQ_ERR(w.meta.fault.err, ERR_UNAVAILABLE);
    world_fini(&w);
}

static void
on_details(void *arg, const struct hubspot_meta *m, const json_t *body)
{
    struct world *w = arg;

    NOT(w->inside);
    w->done++;
    w->meta = *m;
    (void)snprintf(w->first_id, sizeof(w->first_id), "%s",
                   body != NULL ? jsonx_text(body, "portalId") : "(none)");
    loop_stop(w->loop);
}

static void
send_call(struct world *w, const char *method)
{
    struct hubspot_call call = {.operation = "account.details",
                                .method = method,
                                .path = "/account-info/v3/details"};

    w->inside = true;
    OK(hubspot_call_send(w->hubspot, &call, on_details, w, &w->op));
    w->inside = false;
    loop_run(w->loop);
    EQ_UINT(w->done, 1);
}

TEST(a_single_call_lends_its_body)
{
    struct world w;

    world_init(&w, DETAILS, 1000);
    send_call(&w, "GET");
    OK(w.meta.fault.err);
    EQ_STR(w.first_id, "4711");
    EQ_UINT(stat_value(STAT_hubspot_requests, "account.details", "200"), 1);
    world_fini(&w);
    HAS(w.script.head, "GET /account-info/v3/details ");
}

static void
ask_about_token(struct world *w)
{
    struct hubspot_call call = {.operation = "token.info",
                                .method = "POST",
                                .path = HUBSPOT_TOKEN_INFO,
                                .with_token = true};

    OK(hubspot_call_send(w->hubspot, &call, on_details, w, &w->op));
    loop_run(w->loop);
    EQ_UINT(w->done, 1);
}

TEST(a_call_with_the_token_sends_it_as_its_body)
{
    struct world w;

    world_init(&w, DETAILS, 1000);
    ask_about_token(&w);
    OK(w.meta.fault.err);
    EQ_STR(w.first_id, "4711");
    world_fini(&w);
    HAS(w.script.head,
        "POST /oauth/v2/private-apps/get/access-token-info HTTP");
    HAS(w.script.head, "Content-Type: application/json\r\n");
    EQ_STR(w.script.body, "{\"tokenKey\":\"pat-1\"}");
}

TEST(a_token_of_odd_characters_is_escaped_in_the_body)
{
    struct world w;

    world_init_with(&w, DETAILS, 1000, "\"\"\"\\\\\"\"\"\"\"\"\"\"\"\"\"\"\"");
    ask_about_token(&w);
    OK(w.meta.fault.err);
    world_fini(&w);
    EQ_STR(w.script.body,
           "{\"tokenKey\":\"\\\"\\\"\\\"\\\\\\\\\\\"\\\"\\\"\\\"\\\""
           "\\\"\\\"\\\"\\\"\\\"\\\"\\\"\\\"\"}");
}

TEST(a_message_that_repeats_the_token_is_not_passed_on)
{
    struct world w;

    world_init_with(&w, REPEAT, 1000, "pat-eu1-1234-5678");
    ask_about_token(&w);
    EQ_ERR(w.meta.fault.err, ERR_REFUSED);
    EQ_PTR(strstr(w.meta.fault.message, "pat-eu1"), NULL);
    HAS(w.meta.fault.message, "HubSpot refused the token");
    world_fini(&w);
}

TEST(other_messages_about_the_token_are_passed_on)
{
    struct world w;

    world_init(&w, WORDS, 1000);
    ask_about_token(&w);
    EQ_ERR(w.meta.fault.err, ERR_MISSING);
    HAS(w.meta.fault.message, "no such key");
    world_fini(&w);
}

TEST(asking_about_the_token_changes_nothing_and_may_be_repeated)
{
    struct world w;

    world_init(&w, HOLD, 60);
    ask_about_token(&w);
    EQ_ERR(w.meta.fault.err, ERR_TIMEOUT);
    NOT(w.meta.maybe_done);
    world_fini(&w);
}

TEST(a_single_call_may_fail_without_a_body)
{
    struct world w;

    world_init(&w, HTML, 1000);
    send_call(&w, "GET");
    EQ_ERR(w.meta.fault.err, ERR_UNAVAILABLE);
    EQ_STR(w.first_id, "(none)");
    NOT(w.meta.maybe_done);
    world_fini(&w);
}

TEST(a_cancelled_call_never_calls_done)
{
    struct hubspot_call call = {
        .operation = "x", .method = "POST", .path = "/x", .body = "{}"};
    struct world w;

    world_init(&w, HOLD, 1000);
    OK(hubspot_call_send(w.hubspot, &call, on_details, &w, &w.op));
    hubspot_cancel(w.op);
    run_for(&w, 20);
    EQ_UINT(w.done, 0);
    world_fini(&w);
}

TEST(a_url_that_cannot_be_used_begins_nothing)
{
    struct hubspot_config c = {.base_url = "http://example.com",
                               .api_version = "2026-03",
                               .timeout_ms = 1000};
    struct hubspot_call call = {
        .operation = "x", .method = "GET", .path = "/x"};
    struct hubspot *bad;
    struct world w;

    world_init(&w, ECHO, 1000);
    bad = hubspot_new(w.loop, w.http, &c);
    EQ_ERR(hubspot_send(bad, &w.x.batch, on_reply, &w, &w.op), ERR_USAGE);
    EQ_ERR(hubspot_call_send(bad, &call, on_details, &w, &w.op), ERR_USAGE);
    hubspot_free(bad);
    hubspot_free(NULL);
    EQ_UINT(w.done, 0);
    world_fini(&w);
}

SUITE(send, RUN(done_is_called_once_and_never_inside_send),
      RUN(cancel_before_the_first_turn_never_calls_done),
      RUN(cancel_under_way_never_calls_done), RUN(done_may_cancel_another),
      RUN(free_while_busy_never_calls_done), RUN(done_may_free_the_hubspot),
      RUN(no_answer_in_time_is_unknown_for_writes),
      RUN(no_answer_in_time_is_a_retry_for_reads),
      RUN(a_reset_after_the_request_is_unknown),
      RUN(a_peer_that_is_not_there_is_a_retry), RUN(the_callers_trace_is_used),
      RUN(a_429_is_a_retry_with_its_wait), RUN(a_gateway_page_is_unknown),
      RUN(a_single_call_lends_its_body),
      RUN(a_call_with_the_token_sends_it_as_its_body),
      RUN(a_token_of_odd_characters_is_escaped_in_the_body),
      RUN(a_message_that_repeats_the_token_is_not_passed_on),
      RUN(other_messages_about_the_token_are_passed_on),
      RUN(asking_about_the_token_changes_nothing_and_may_be_repeated),
      RUN(a_single_call_may_fail_without_a_body),
      RUN(a_cancelled_call_never_calls_done),
      RUN(a_url_that_cannot_be_used_begins_nothing))
