/* SPDX-License-Identifier: UNLICENSED */
/*
 * Pages read from a scripted pod: the promises of every operation, tokens,
 * children, batches, and what a pod can answer instead.
 */
#include "ml/jsonx.h"
#include "ml/stat.h"
#include "op.h"
#include "peer.h"
#include "unit.h"

#include <pthread.h>
#include <stdatomic.h>

struct fx {
    struct loop *loop;
    struct http *http;
    struct peer *peer;
    struct fusion *f;
    char base[64];
    atomic_uint tokens, refused;
    atomic_bool hold, expired, cut, nul;
    const char *page; /* answered to every GET */
    int status;
    const char *headers;
    size_t rows;
    char ids[4096];
};
struct end {
    struct fx *fx;
    struct fusion_op *op;
    unsigned done;
    enum err err;
    struct fusion_page page;
    struct end *other;
    bool frees;
    unsigned *left;
    char why[1024]; /* texts of page.why, a line each */
};

static bool
on_request(struct peer_conn *c, const struct peer_request *r, void *arg)
{
    struct fx *fx = arg;
    char text[256];

    if (strncmp(r->head, "POST /token", 11) == 0) {
        unsigned n = atomic_fetch_add(&fx->tokens, 1) + 1;

        (void)snprintf(text, sizeof(text),
                       "{\"access_token\":\"t%u\",\"expires_in\":3600}", n);
        atomic_store(&fx->expired, false);
        return peer_answer(c, 200, "", text);
    }
    if (atomic_load(&fx->hold)) {
        return peer_hold(c);
    }
    if (atomic_load(&fx->expired) && strstr(r->head, "Bearer t1") != NULL) {
        (void)atomic_fetch_add(&fx->refused, 1);
        return peer_answer(c, 401, "", "");
    }
    if (strstr(r->head, "/child/Spoilt") != NULL) {
        return peer_answer(c, 200, "",
                           "{\"items\":[{\"x\":tru}],\"hasMore\":true}");
    }
    if (strstr(r->head, "/child/L") != NULL) {
        bool second = strstr(r->head, "offset=2") != NULL;

        return peer_answer(c, 200, "",
                           second ?
                               "{\"items\":[{\"L\":3},{\"L\":4}],\"count\":2,"
                               "\"hasMore\":true}" :
                               "{\"items\":[{\"L\":5}],\"count\":1,"
                               "\"hasMore\":false}");
    }
    if (atomic_load(&fx->cut)) {
        (void)peer_text(c, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"
                           "{\"items\":[");
        return false;
    }
    if (atomic_load(&fx->nul)) {
        return peer_text(c, "HTTP/1.1 200 OK\r\nContent-Length: 21\r\n\r\n") &&
               peer_write(c, "{\"items\":[]\0,\"x\":12}", 21);
    }
    return peer_answer(c, fx->status, fx->headers, fx->page);
}

static const char ONE[] =
    "{\"items\" : [ {\"Id\" : 300100170996427, \"A\" : 1.10} ], \"count\" : "
    "1, \"hasMore\" : false, \"limit\" : 25}";

static void
fx_auth(struct fx *fx, enum fusion_auth auth, unsigned parallel)
{
    struct http_config h = {.ca_file = NULL};
    struct secret *secret = secret_new("s", 1);
    struct fault f = {0};
    char token[80];
    struct fusion_config c = {.tenant = "t",
                              .base_url = fx->base,
                              .auth = auth,
                              .token_url = token,
                              .client_id = "c",
                              .scope = "urn:a b",
                              .user = "u",
                              .client_secret = secret,
                              .password = secret,
                              .framework_version = 4,
                              .timeout_ms = 5000,
                              .parallel = parallel};

    memset(fx, 0, sizeof(*fx));
    fx->page = ONE;
    fx->status = 200;
    fx->headers = "Date: Tue, 09 Oct 2018 05:24:44 GMT\r\n";
    fx->loop = loop_new();
    OK(http_open(fx->loop, &h, &fx->http, &f));
    fx->peer = peer_start(on_request, fx, NULL, NULL);
    (void)snprintf(fx->base, sizeof(fx->base), "http://127.0.0.1:%u",
                   peer_port(fx->peer));
    (void)snprintf(token, sizeof(token), "%s/token", fx->base);
    fx->f = fusion_new(fx->loop, fx->http, &c);
    secret_free(secret);
}

static void
fx_open(struct fx *fx)
{
    fx_auth(fx, FUSION_CLIENT_CREDENTIALS, 4);
}

static void
on_closed(void *arg)
{
    struct fx *fx = arg;

    fx->http = NULL;
    loop_stop(fx->loop);
}

static void
fx_close(struct fx *fx)
{
    fusion_free(fx->f);
    http_close(fx->http, on_closed, fx);
    loop_run(fx->loop);
    EQ_PTR(fx->http, NULL);
    OK(loop_free(fx->loop));
    peer_stop(fx->peer);
    stat_reset();
}

/* May run in the pool. */
static void
on_row(void *arg, const json_t *row)
{
    struct end *e = arg;
    struct fx *fx = e->fx;
    const char *id = jsonx_text(row, "Id");

    fx->rows++;
    if (id != NULL && strlen(fx->ids) + strlen(id) + 2 < sizeof(fx->ids)) {
        (void)strncat(fx->ids, id, sizeof(fx->ids) - strlen(fx->ids) - 1);
        (void)strncat(fx->ids, " ", sizeof(fx->ids) - strlen(fx->ids) - 1);
    }
}

static void
on_done(void *arg, enum err err, const struct fusion_page *page)
{
    struct end *e = arg;
    struct fx *fx = e->fx;

    e->op = NULL;
    e->done++;
    e->err = err;
    e->page = *page;
    for (size_t i = 0; i < json_array_size(page->why); i++) {
        size_t n = strlen(e->why);

        (void)snprintf(e->why + n, sizeof(e->why) - n, "%s\n",
                       json_string_value(json_array_get(page->why, i)));
    }
    if (e->other != NULL) {
        fusion_cancel(e->other->op);
        e->other->op = NULL;
    }
    if (e->frees) {
        fusion_free(fx->f);
        fx->f = NULL;
    }
    if (e->left == NULL || --*e->left == 0) {
        loop_stop(fx->loop);
    }
}

static const char *const kids[] = {"Lines", NULL};

static void
start(struct fx *fx, struct end *e)
{
    const struct fusion_query q = {.resource = "receivablesInvoices",
                                   .expand = "Lines",
                                   .children = kids,
                                   .key = "Id",
                                   .limit = 25};

    e->fx = fx;
    OK(fusion_read(fx->f, &q, on_row, on_done, e, &e->op));
    EQ_UINT(e->done, 0);
}

static void
wait_for(struct fx *fx, struct end *e)
{
    start(fx, e);
    loop_run(fx->loop);
    EQ_UINT(e->done, 1);
}

/* ---- the seven ---------------------------------------------------------- */

TEST(done_is_called_once_with_rows_and_page)
{
    struct fx fx;
    struct end e = {0};

    fx_open(&fx);
    wait_for(&fx, &e);
    EQ_ERR(e.err, ERR_OK);
    EQ_UINT(fx.rows, 1);
    EQ_STR(fx.ids, "300100170996427 ");
    EQ_UINT(e.page.count, 1);
    NOT(e.page.has_more);
    EQ_UINT(e.page.limit, 25);
    EQ_UINT(e.page.requests, 1);
    EQ_INT(e.page.pod_us, INT64_C(1539062684000000));
    EQ_UINT(fusion_requests(fx.f), 2);
    fx_close(&fx);
}

TEST(done_is_never_called_from_inside_start)
{
    struct fx fx;
    struct end e = {0};
    const struct fusion_query q = {.resource = "x", .limit = 1};

    fx_auth(&fx, FUSION_BASIC, 4);
    e.fx = &fx;
    OK(fusion_read(fx.f, &q, on_row, on_done, &e, &e.op));
    EQ_UINT(e.done, 0);
    loop_run(fx.loop);
    EQ_UINT(e.done, 1);
    EQ_UINT(atomic_load(&fx.tokens), 0);
    fx_close(&fx);
}

TEST(cancel_before_reply_never_calls_done)
{
    struct fx fx;
    struct end e = {0};
    struct end after = {0};

    fx_open(&fx);
    start(&fx, &e);
    fusion_cancel(e.op);
    wait_for(&fx, &after);
    EQ_UINT(e.done, 0);
    EQ_UINT(fx.rows, 1);
    fx_close(&fx);
}

TEST(cancel_during_the_transfer_never_calls_done)
{
    struct fx fx;
    struct end e = {0};

    fx_open(&fx);
    atomic_store(&fx.hold, true);
    start(&fx, &e);
    while (peer_requests(fx.peer) < 2) {
        loop_turn(fx.loop, 1);
    }
    fusion_cancel(e.op);
    loop_turn(fx.loop, 20);
    EQ_UINT(e.done, 0);
    EQ_UINT(fx.rows, 0);
    fx_close(&fx);
}

TEST(cancel_of_another_from_done_silences_it)
{
    struct fx fx;
    struct end a = {0};
    struct end b = {0};

    fx_auth(&fx, FUSION_CLIENT_CREDENTIALS, 1);
    start(&fx, &a);
    start(&fx, &b);
    a.other = &b;
    loop_run(fx.loop);
    loop_turn(fx.loop, 20);
    EQ_UINT(a.done, 1);
    EQ_UINT(b.done, 0);
    fx_close(&fx);
}

TEST(freeing_while_busy_is_silent)
{
    struct fx fx;
    struct end e[3] = {{0}};

    fx_open(&fx);
    atomic_store(&fx.hold, true);
    for (size_t i = 0; i < 3; i++) {
        start(&fx, &e[i]);
    }
    while (peer_requests(fx.peer) < 2) {
        loop_turn(fx.loop, 1);
    }
    fusion_free(fx.f);
    fx.f = NULL;
    loop_turn(fx.loop, 20);
    for (size_t i = 0; i < 3; i++) {
        EQ_UINT(e[i].done, 0);
    }
    fx_close(&fx);
}

TEST(freeing_inside_done_is_allowed)
{
    struct fx fx;
    struct end a = {.frees = true};
    struct end b = {0};

    fx_auth(&fx, FUSION_CLIENT_CREDENTIALS, 1);
    start(&fx, &a);
    start(&fx, &b);
    loop_run(fx.loop);
    EQ_UINT(a.done, 1);
    EQ_UINT(b.done, 0);
    fx_close(&fx);
}

/* ---- rows --------------------------------------------------------------- */

TEST(children_are_read_to_their_end)
{
    struct fx fx;
    struct end e = {0};

    fx_open(&fx);
    fx.page = "{\"items\":[{\"Id\":1,\"L\":{\"items\":[{\"L\":1},{\"L\":2}],"
              "\"hasMore\":true}},{\"Id\":2,\"L\":[{\"L\":9}]}],"
              "\"hasMore\":false,\"count\":2}";
    {
        static const char *const l[] = {"L", NULL};
        const struct fusion_query q = {
            .resource = "r", .children = l, .key = "Id", .limit = 25};

        e.fx = &fx;
        OK(fusion_read(fx.f, &q, on_row, on_done, &e, &e.op));
        loop_run(fx.loop);
    }
    EQ_ERR(e.err, ERR_OK);
    EQ_UINT(e.page.requests, 3); /* offset 2, then 4 */
    EQ_STR(fx.ids, "2 1 ");
    fx_close(&fx);
}

static char *
large_page(size_t rows)
{
    struct buf b;

    buf_init(&b, 8 * 1024 * 1024);
    buf_adds(&b, "{\"items\":[");
    for (size_t i = 0; i < rows; i++) {
        buf_addf(&b, "%s{\"Id\":%zu,\"Text\":\"%0100d\"}", i == 0 ? "" : ",", i,
                 0);
    }
    buf_adds(&b, "],\"hasMore\":false}");
    NOT(b.failed);
    return buf_take(&b, NULL);
}

TEST(a_large_page_is_split_in_the_pool)
{
    struct fx fx;
    struct end e = {0};
    char *page = large_page(5000);

    fx_open(&fx);
    fx.page = page;
    wait_for(&fx, &e);
    EQ_ERR(e.err, ERR_OK);
    EQ_UINT(fx.rows, 5000);
    fx_close(&fx);
    mem_free(page);
}

TEST(cancel_while_the_pool_works_stops_the_rows)
{
    struct fx fx;
    struct end e = {0};
    char *page = large_page(20000);
    size_t rows = 0;

    fx_open(&fx);
    fx.page = page;
    start(&fx, &e);
    while (e.op->pool == NULL) {
        loop_turn(fx.loop, 1);
    }
    fusion_cancel(e.op);
    rows = fx.rows;
    loop_turn(fx.loop, 50);
    EQ_UINT(fx.rows, rows);
    EQ_UINT(e.done, 0);
    fx_close(&fx);
    mem_free(page);
}

TEST(one_unreadable_row_leaves_the_others)
{
    struct fx fx;
    struct end e = {0};

    fx_open(&fx);
    fx.page = "{\"items\":[{\"Id\":1},{\"Id\":2,\"x\":\"\\u0000\"},7,"
              "{\"Id\":3}],\"hasMore\":false}";
    wait_for(&fx, &e);
    EQ_ERR(e.err, ERR_OK);
    IS(e.page.unreadable >= 1);
    HAS(fx.ids, "1 ");
    HAS(fx.ids, "3 ");
    HAS(e.why, "receivablesInvoices: row 2 of the page at offset 0: it is no "
               "JSON object\n");
    HAS(e.page.fault.message, "receivablesInvoices: row ");
    fx_close(&fx);
}

TEST(a_row_whose_children_cannot_be_read_says_so_and_ends)
{
    static const char *const names[] = {"Spoilt", NULL};
    const struct fusion_query q = {.resource = "r",
                                   .children = names,
                                   .key = "Id",
                                   .limit = 25,
                                   .offset = 50};
    struct fx fx;
    struct end e = {.fx = &fx};

    fx_open(&fx);
    fx.page = "{\"items\":[{\"Id\":2},{\"Id\":1,\"Spoilt\":{\"items\":[],"
              "\"hasMore\":true}},{\"Spoilt\":{\"hasMore\":true}}],"
              "\"hasMore\":false,\"count\":3}";
    OK(fusion_read(fx.f, &q, on_row, on_done, &e, &e.op));
    loop_run(fx.loop);
    EQ_ERR(e.err, ERR_OK);
    EQ_STR(fx.ids, "2 ");
    EQ_UINT(e.page.unreadable, 2);
    EQ_UINT(e.page.requests, 2);
    HAS(e.why, "r: row 1 of the page at offset 50: Spoilt: byte ");
    HAS(e.why, "r: row 2 of the page at offset 50: Spoilt is not whole and Id, "
               "its key, is missing");
    fx_close(&fx);
}

/* ---- what is no page ---------------------------------------------------- */

TEST(answers_that_are_no_page_are_told_apart)
{
    static const struct {
        const char *body;
        enum err err;
        const char *says;
    } rows[] = {
        {"<html><body>Sign in</body></html>", ERR_SYNTAX, "answered HTML"},
        {"", ERR_SYNTAX, "the pod answered nothing"},
        {" \r\n", ERR_SYNTAX, "the pod answered nothing"},
        {"[1]", ERR_SYNTAX, "expected an object"},
        {"{\"items\":[{\"Id\":1}", ERR_SYNTAX, "the text ends early"},
        {"{\"items\":{},\"hasMore\":false}", ERR_PROMISE,
         "items: expected an array"},
        {"{\"items\":[],\"count\":0,\"hasMore\":true}", ERR_PROMISE,
         "hasMore is true"},
        {"{\"count\":3,\"hasMore\":false}", ERR_PROMISE, "no items"},
        {"{\"error\":\"x\"}", ERR_PROMISE, "not a page of rows"},
        {"{\"items\":[],\"hasMore\":\"maybe\"}", ERR_PROMISE, "is odd"},
        {"{\"count\":0,\"hasMore\":false}", ERR_OK, NULL},
        {"{\"items\":[],\"count\":0,\"hasMore\":false}", ERR_OK, NULL},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct fx fx;
        struct end e = {0};

        fx_open(&fx);
        fx.page = rows[i].body;
        wait_for(&fx, &e);
        ck_assert_msg(e.err == rows[i].err, "%s: %s", rows[i].body,
                      err_name(e.err));
        if (rows[i].says != NULL) {
            HAS(e.page.fault.message, rows[i].says);
            EQ_INT(strncmp(e.page.fault.message, "receivablesInvoices: ", 21),
                   0);
        }
        fx_close(&fx);
    }
}

TEST(answers_that_refuse_say_what_was_asked_for)
{
    static const struct {
        int status;
        const char *body, *message;
    } rows[] = {
        {500, "", "receivablesInvoices: HTTP 500 without an explanation"},
        {503, "busy", "receivablesInvoices: HTTP 503: busy"},
        {403, "", "receivablesInvoices: HTTP 403 without an explanation"},
        {400, "", "receivablesInvoices: HTTP 400 with an empty body"},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct fx fx;
        struct end e = {0};

        fx_open(&fx);
        fx.status = rows[i].status;
        fx.page = rows[i].body;
        wait_for(&fx, &e);
        EQ_STR(e.page.fault.message, rows[i].message);
        fx_close(&fx);
    }
}

TEST(a_cut_answer_says_what_was_asked_for)
{
    struct fx fx;
    struct end e = {0};

    fx_open(&fx);
    atomic_store(&fx.cut, true);
    wait_for(&fx, &e);
    NOT(e.err == ERR_OK);
    EQ_INT(strncmp(e.page.fault.message, "receivablesInvoices: ", 21), 0);
    IS(strlen(e.page.fault.message) > 21);
    fx_close(&fx);
}

TEST(an_answer_with_a_nul_is_read_no_further_than_it_goes)
{
    struct fx fx;
    struct end e = {0};

    fx_open(&fx);
    atomic_store(&fx.nul, true);
    wait_for(&fx, &e);
    EQ_ERR(e.err, ERR_SYNTAX);
    HAS(e.page.fault.message, "receivablesInvoices: byte 11");
    fx_close(&fx);
}

TEST(a_429_tells_how_long_to_wait)
{
    struct fx fx;
    struct end e = {0};

    fx_open(&fx);
    fx.status = 429;
    fx.headers = "Retry-After: 3\r\n";
    fx.page = "";
    wait_for(&fx, &e);
    EQ_ERR(e.err, ERR_THROTTLED);
    EQ_INT(e.page.retry_after_ms, 3000);
    fx_close(&fx);
}

/* ---- tokens ------------------------------------------------------------- */

TEST(many_401s_lead_to_one_token)
{
    enum { MANY = 60 };
    struct fx fx;
    struct end first = {0};
    struct end e[MANY] = {{0}};
    unsigned left = MANY;

    fx_auth(&fx, FUSION_CLIENT_CREDENTIALS, 30);
    wait_for(&fx, &first);
    EQ_UINT(atomic_load(&fx.tokens), 1);
    atomic_store(&fx.expired, true);
    for (size_t i = 0; i < MANY; i++) {
        e[i].left = &left;
        start(&fx, &e[i]);
    }
    loop_run(fx.loop);
    for (size_t i = 0; i < MANY; i++) {
        EQ_UINT(e[i].done, 1);
        EQ_ERR(e[i].err, ERR_OK);
    }
    IS(atomic_load(&fx.refused) >= 1);
    EQ_UINT(atomic_load(&fx.tokens), 2);
    fx_close(&fx);
}

TEST(a_401_for_a_fresh_token_is_the_credentials)
{
    struct fx fx;
    struct end e = {0};

    fx_open(&fx);
    fx.status = 401;
    fx.page = "";
    wait_for(&fx, &e);
    EQ_ERR(e.err, ERR_CREDENTIALS);
    HAS(e.page.fault.message, "fresh token");
    EQ_UINT(atomic_load(&fx.tokens), 2);
    fx_close(&fx);
}

TEST(a_key_that_cannot_sign_fails_all_that_wait)
{
    struct fx fx;
    struct end e[3] = {{0}};
    unsigned left = 3;

    fx_auth(&fx, FUSION_JWT_ASSERTION, 4);
    for (size_t i = 0; i < 3; i++) {
        e[i].left = &left;
        start(&fx, &e[i]);
    }
    loop_run(fx.loop);
    for (size_t i = 0; i < 3; i++) {
        EQ_UINT(e[i].done, 1);
        EQ_ERR(e[i].err, ERR_CREDENTIALS);
    }
    EQ_UINT(peer_requests(fx.peer), 0);
    fx_close(&fx);
}

/* ---- describe, batch ---------------------------------------------------- */

struct told {
    struct fx *fx;
    unsigned calls;
    enum err err;
    bool queryable;
    size_t rows[2];
};

static void
on_described(void *arg, enum err err, bool queryable, const struct fault *f)
{
    struct told *t = arg;

    (void)f;
    t->calls++;
    t->err = err;
    t->queryable = queryable;
    loop_stop(t->fx->loop);
}

TEST(describe_says_whether_an_attribute_can_be_asked_for)
{
    struct fx fx;
    struct told t = {.fx = &fx};
    struct fusion_op *op = NULL;

    fx_open(&fx);
    fx.page = "{\"Resources\":{\"standardReceipts\":{\"attributes\":["
              "{\"name\":\"A\",\"queryable\":true},"
              "{\"name\":\"B\",\"queryable\":false}]}}}";
    OK(fusion_describe(fx.f, "standardReceipts", "A", on_described, &t, &op));
    loop_run(fx.loop);
    EQ_ERR(t.err, ERR_OK);
    IS(t.queryable);
    OK(fusion_describe(fx.f, "standardReceipts", "B", on_described, &t, &op));
    loop_run(fx.loop);
    NOT(t.queryable);
    fx.page = "{}";
    OK(fusion_describe(fx.f, "standardReceipts", "B", on_described, &t, &op));
    loop_run(fx.loop);
    EQ_ERR(t.err, ERR_PROMISE);
    EQ_UINT(t.calls, 3);
    fx_close(&fx);
}

static void
on_part_row(void *arg, size_t query, const json_t *row)
{
    struct told *t = arg;

    (void)row;
    IS(query < 2);
    t->rows[query]++;
}

static void
on_parts(void *arg, enum err err, const struct fusion_page *page)
{
    struct told *t = arg;

    (void)page;
    t->calls++;
    t->err = err;
    loop_stop(t->fx->loop);
}

TEST(a_batch_gives_rows_by_query_and_misses_none)
{
    static const struct fusion_query q[] = {{.resource = "a", .limit = 9},
                                            {.resource = "b", .limit = 9}};
    struct fx fx;
    struct told t = {.fx = &fx};
    struct fusion_op *op = NULL;

    fx_open(&fx);
    fx.page = "{\"parts\":[{\"id\":\"p1\",\"payload\":{\"items\":[{},{}],"
              "\"hasMore\":false}},{\"id\":\"p0\",\"payload\":{\"items\":[{}],"
              "\"hasMore\":false}}]}";
    OK(fusion_read_batch(fx.f, q, 2, on_part_row, on_parts, &t, &op));
    loop_run(fx.loop);
    EQ_ERR(t.err, ERR_OK);
    EQ_UINT(t.rows[0], 1);
    EQ_UINT(t.rows[1], 2);
    fx.page = "{\"parts\":[{\"id\":\"p1\",\"payload\":{\"items\":[]}}]}";
    OK(fusion_read_batch(fx.f, q, 2, on_part_row, on_parts, &t, &op));
    loop_run(fx.loop);
    EQ_ERR(t.err, ERR_PROMISE);
    fx_close(&fx);
}

SUITE(read, RUN(done_is_called_once_with_rows_and_page),
      RUN(done_is_never_called_from_inside_start),
      RUN(cancel_before_reply_never_calls_done),
      RUN(cancel_during_the_transfer_never_calls_done),
      RUN(cancel_of_another_from_done_silences_it),
      RUN(freeing_while_busy_is_silent), RUN(freeing_inside_done_is_allowed),
      RUN(children_are_read_to_their_end),
      RUN_LONG(a_large_page_is_split_in_the_pool, 10),
      RUN_LONG(cancel_while_the_pool_works_stops_the_rows, 10),
      RUN(one_unreadable_row_leaves_the_others),
      RUN(a_row_whose_children_cannot_be_read_says_so_and_ends),
      RUN_LONG(answers_that_refuse_say_what_was_asked_for, 10),
      RUN(a_cut_answer_says_what_was_asked_for),
      RUN(an_answer_with_a_nul_is_read_no_further_than_it_goes),
      RUN_LONG(answers_that_are_no_page_are_told_apart, 10),
      RUN(a_429_tells_how_long_to_wait),
      RUN_LONG(many_401s_lead_to_one_token, 10),
      RUN(a_401_for_a_fresh_token_is_the_credentials),
      RUN(a_key_that_cannot_sign_fails_all_that_wait),
      RUN(describe_says_whether_an_attribute_can_be_asked_for),
      RUN(a_batch_gives_rows_by_query_and_misses_none))
