/* SPDX-License-Identifier: UNLICENSED */
/*
 * The one token of a pod: a crowd of 401s, refresh before the end, tokens that
 * die early, calls that wait for it, what the endpoint may answer instead.
 */
#include "ml/jsonx.h"
#include "pod.h"
#include "unit.h"

#include <pthread.h>
#include <stdatomic.h>

enum { CROWD = 300 };

/* The pod takes only tokens up to and from these numbers. */
struct fx {
    struct pod pod;
    atomic_uint tokens;  /* issued, or asked for in vain */
    atomic_uint refused; /* answered 401 */
    atomic_uint served;
    atomic_uint valid_from;  /* tokens t<n> with n below it are dead */
    atomic_uint dies_at_401; /* each token serves so many requests, 0: any */
    atomic_uint gather;      /* 401s wait until so many are there */
    atomic_bool hold_token;  /* the endpoint waits */
    pthread_mutex_t lock;
    pthread_cond_t all;
    unsigned gathered;
    int token_status;
    const char *token_body; /* NULL: a token */
    char token_request[4096];
};
struct end {
    struct fx *fx;
    struct fusion_op *op;
    unsigned done;
    enum err err;
    struct fault fault;
    unsigned *left;
};

static bool
give_token(struct fx *fx, struct peer_conn *c, const struct peer_request *r)
{
    unsigned n = atomic_fetch_add(&fx->tokens, 1) + 1;
    char text[128];

    (void)snprintf(fx->token_request, sizeof(fx->token_request), "%s%s",
                   r->head, r->body);
    while (atomic_load(&fx->hold_token)) {
        (void)pthread_mutex_lock(&fx->lock);
        (void)pthread_cond_wait(&fx->all, &fx->lock);
        (void)pthread_mutex_unlock(&fx->lock);
    }
    if (fx->token_body != NULL || fx->token_status != 200) {
        return peer_answer(c, fx->token_status, "",
                           fx->token_body == NULL ? "" : fx->token_body);
    }
    (void)snprintf(text, sizeof(text),
                   "{\"access_token\":\"t%u.\",\"expires_in\":1000}", n);
    return peer_answer(c, 200, "", text);
}

/* Nobody is answered before all have asked. */
static void
wait_for_all(struct fx *fx)
{
    (void)pthread_mutex_lock(&fx->lock);
    fx->gathered++;
    (void)pthread_cond_broadcast(&fx->all);
    while (fx->gathered < atomic_load(&fx->gather)) {
        (void)pthread_cond_wait(&fx->all, &fx->lock);
    }
    (void)pthread_mutex_unlock(&fx->lock);
}

static bool
on_request(struct peer_conn *c, const struct peer_request *r, void *arg)
{
    struct fx *fx = arg;
    const char *bearer = strstr(r->head, "Bearer t");
    unsigned n = 0;

    if (strncmp(r->head, "POST /token", 11) == 0) {
        return give_token(fx, c, r);
    }
    n = bearer == NULL ? 0 : (unsigned)strtoul(bearer + 8, NULL, 10);
    if (bearer != NULL && n < atomic_load(&fx->valid_from)) {
        wait_for_all(fx);
        (void)atomic_fetch_add(&fx->refused, 1);
        return peer_answer(c, 401, "", "");
    }
    (void)atomic_fetch_add(&fx->served, 1);
    if (atomic_load(&fx->dies_at_401) > 0) {
        /* Served, and dead for whoever comes next. */
        atomic_store(&fx->valid_from, n + 1);
    }
    return peer_answer(c, 200, "",
                       "{\"items\":[{\"Id\":1}],\"count\":1,"
                       "\"hasMore\":false}");
}

static void
fx_open(struct fx *fx, unsigned parallel)
{
    const struct fusion_config c = {.auth = FUSION_CLIENT_CREDENTIALS,
                                    .parallel = parallel};

    memset(fx, 0, sizeof(*fx));
    (void)pthread_mutex_init(&fx->lock, NULL);
    (void)pthread_cond_init(&fx->all, NULL);
    fx->token_status = 200;
    pod_open(&fx->pod, on_request, fx, &c);
}

static void
fx_close(struct fx *fx)
{
    pod_close(&fx->pod);
    (void)pthread_cond_destroy(&fx->all);
    (void)pthread_mutex_destroy(&fx->lock);
}

static void
on_row(void *arg, const json_t *row)
{
    (void)arg;
    IS(json_is_object(row));
}

static void
on_done(void *arg, enum err err, const struct fusion_page *page)
{
    struct end *e = arg;

    e->op = NULL;
    e->done++;
    e->err = err;
    e->fault = page->fault;
    if (e->left == NULL || --*e->left == 0) {
        loop_stop(e->fx->pod.loop);
    }
}

static void
start(struct fx *fx, struct end *e)
{
    const struct fusion_query q = {.resource = "r", .limit = 1};

    e->fx = fx;
    OK(fusion_read(fx->pod.f, &q, on_row, on_done, e, &e->op));
}

static enum err
read_one(struct fx *fx, struct end *e)
{
    memset(e, 0, sizeof(*e));
    start(fx, e);
    loop_run(fx->pod.loop);
    EQ_UINT(e->done, 1);
    return e->err;
}

static void
wait_requests(struct fx *fx, unsigned n)
{
    while (peer_requests(fx->pod.peer) < n) {
        loop_turn(fx->pod.loop, 1);
    }
}

static void
release_token(struct fx *fx)
{
    (void)pthread_mutex_lock(&fx->lock);
    atomic_store(&fx->hold_token, false);
    (void)pthread_cond_broadcast(&fx->all);
    (void)pthread_mutex_unlock(&fx->lock);
}

/* ---- a crowd ---------------------------------------------------------------- */

TEST(three_hundred_401s_at_once_lead_to_one_token_request)
{
    static struct end e[CROWD];
    struct fx fx;
    struct end first;
    unsigned left = CROWD;

    fx_open(&fx, CROWD);
    OK(read_one(&fx, &first));
    EQ_UINT(atomic_load(&fx.tokens), 1);
    memset(e, 0, sizeof(e));
    atomic_store(&fx.valid_from, 2);
    atomic_store(&fx.gather, CROWD);
    for (size_t i = 0; i < CROWD; i++) {
        e[i].left = &left;
        start(&fx, &e[i]);
    }
    loop_run(fx.pod.loop);
    for (size_t i = 0; i < CROWD; i++) {
        EQ_UINT(e[i].done, 1);
        EQ_ERR(e[i].err, ERR_OK);
    }
    EQ_UINT(atomic_load(&fx.refused), CROWD);
    EQ_UINT(atomic_load(&fx.served), CROWD + 1);
    EQ_UINT(atomic_load(&fx.tokens), 2);
    EQ_UINT(fusion_requests(fx.pod.f), 2 + 1 + 2 * CROWD);
    fx_close(&fx);
}

TEST(a_crowd_whose_new_token_is_refused_too_ends_without_a_loop)
{
    static struct end e[CROWD];
    struct fx fx;
    struct end first;
    unsigned left = CROWD;

    fx_open(&fx, CROWD);
    OK(read_one(&fx, &first));
    memset(e, 0, sizeof(e));
    atomic_store(&fx.valid_from, 1000);
    atomic_store(&fx.gather, CROWD);
    for (size_t i = 0; i < CROWD; i++) {
        e[i].left = &left;
        start(&fx, &e[i]);
    }
    loop_run(fx.pod.loop);
    for (size_t i = 0; i < CROWD; i++) {
        EQ_ERR(e[i].err, ERR_CREDENTIALS);
        HAS(e[i].fault.message, "refuses a fresh token");
    }
    EQ_UINT(atomic_load(&fx.refused), 2 * CROWD);
    EQ_UINT(atomic_load(&fx.tokens), 2);
    fx_close(&fx);
}

/* ---- life -------------------------------------------------------------------- */

TEST(a_token_is_fetched_again_at_four_fifths_of_its_life)
{
    struct fx fx;
    struct end e;
    struct token *t = NULL;
    int64_t begun = 0;

    fx_open(&fx, 4);
    begun = clock_mono_us();
    OK(read_one(&fx, &e));
    t = &fx.pod.f->token;
    IS(t->refresh_us >= begun + INT64_C(800000000));
    IS(t->refresh_us <= clock_mono_us() + INT64_C(800000000));
    EQ_INT(t->expires_us - t->refresh_us, INT64_C(200000000));
    OK(read_one(&fx, &e));
    EQ_UINT(atomic_load(&fx.tokens), 1);
    /* Four fifths have passed: the old one serves, a new one is fetched. */
    atomic_store(&fx.hold_token, true);
    t->refresh_us = 0;
    OK(read_one(&fx, &e));
    EQ_UINT(atomic_load(&fx.served), 3);
    IS(t->http != NULL);
    OK(read_one(&fx, &e));
    EQ_UINT(atomic_load(&fx.served), 4);
    release_token(&fx);
    while (t->http != NULL) {
        loop_turn(fx.pod.loop, 1);
    }
    EQ_UINT(t->generation, 2);
    EQ_UINT(atomic_load(&fx.tokens), 2);
    atomic_store(&fx.valid_from, 2);
    OK(read_one(&fx, &e));
    EQ_UINT(atomic_load(&fx.refused), 0);
    fx_close(&fx);
}

TEST(a_token_past_its_life_is_not_sent)
{
    struct fx fx;
    struct end e;

    fx_open(&fx, 4);
    OK(read_one(&fx, &e));
    atomic_store(&fx.valid_from, 2);
    fx.pod.f->token.expires_us = 0;
    OK(read_one(&fx, &e));
    EQ_UINT(atomic_load(&fx.tokens), 2);
    EQ_UINT(atomic_load(&fx.refused), 0);
    fx_close(&fx);
}

TEST(an_early_refresh_that_fails_disturbs_nobody_and_waits)
{
    struct fx fx;
    struct end e;
    struct token *t = NULL;

    fx_open(&fx, 4);
    OK(read_one(&fx, &e));
    t = &fx.pod.f->token;
    fx.token_status = 401;
    fx.token_body = "{\"error\":\"invalid_client\"}";
    t->refresh_us = 0;
    OK(read_one(&fx, &e));
    while (t->http != NULL) {
        loop_turn(fx.pod.loop, 1);
    }
    EQ_UINT(atomic_load(&fx.tokens), 2);
    IS(t->retry_us > clock_mono_us());
    OK(read_one(&fx, &e));
    OK(read_one(&fx, &e));
    EQ_UINT(atomic_load(&fx.tokens), 2);
    t->retry_us = 0;
    fx.token_status = 200;
    fx.token_body = NULL;
    OK(read_one(&fx, &e));
    while (t->http != NULL) {
        loop_turn(fx.pod.loop, 1);
    }
    EQ_UINT(atomic_load(&fx.tokens), 3);
    EQ_UINT(t->generation, 2);
    fx_close(&fx);
}

/* ---- tokens that die early ------------------------------------------------------ */

TEST(a_token_that_dies_early_is_no_fault_of_the_credentials)
{
    struct fx fx;
    struct end e[8];
    unsigned left = COUNT_OF(e);

    /* One at a time, each token good for one answer: the second call is
     * refused with a token that served the first, and so on. */
    fx_open(&fx, 1);
    atomic_store(&fx.dies_at_401, 1);
    memset(e, 0, sizeof(e));
    for (size_t i = 0; i < COUNT_OF(e); i++) {
        e[i].left = &left;
        start(&fx, &e[i]);
    }
    loop_run(fx.pod.loop);
    for (size_t i = 0; i < COUNT_OF(e); i++) {
        EQ_ERR(e[i].err, ERR_OK);
    }
    EQ_UINT(atomic_load(&fx.served), COUNT_OF(e));
    EQ_UINT(atomic_load(&fx.tokens), COUNT_OF(e));
    fx_close(&fx);
}

TEST(a_second_401_counts_only_for_a_token_that_never_served)
{
    struct fx fx;
    struct end e = {0};
    struct end other;

    /* e is sent with t1, refused; t2 serves another before e is sent again,
     * and dies: e goes on with t3. */
    fx_open(&fx, 4);
    OK(read_one(&fx, &other));
    atomic_store(&fx.valid_from, 2);
    atomic_store(&fx.gather, 2);
    start(&fx, &e);
    wait_requests(&fx, 3);
    token_drop(fx.pod.f, 1);
    OK(read_one(&fx, &other)); /* fetches t2 and is served */
    EQ_UINT(atomic_load(&fx.tokens), 2);
    atomic_store(&fx.valid_from, 3);
    (void)pthread_mutex_lock(&fx.lock);
    atomic_store(&fx.gather, 0);
    (void)pthread_cond_broadcast(&fx.all);
    (void)pthread_mutex_unlock(&fx.lock);
    loop_run(fx.pod.loop);
    EQ_ERR(e.err, ERR_OK);
    EQ_UINT(atomic_load(&fx.refused), 2);
    EQ_UINT(atomic_load(&fx.tokens), 3);
    fx_close(&fx);
}

/* ---- waiting ---------------------------------------------------------------------- */

TEST(what_is_asked_while_a_token_is_fetched_waits_for_it)
{
    struct fx fx;
    struct end e[20];
    unsigned left = COUNT_OF(e) - 1;

    fx_open(&fx, 4);
    memset(e, 0, sizeof(e));
    atomic_store(&fx.hold_token, true);
    for (size_t i = 0; i < COUNT_OF(e); i++) {
        e[i].left = &left;
        start(&fx, &e[i]);
        loop_turn(fx.pod.loop, 1);
    }
    wait_requests(&fx, 1);
    loop_turn(fx.pod.loop, 20);
    EQ_UINT(peer_requests(fx.pod.peer), 1);
    fusion_cancel(e[7].op);
    release_token(&fx);
    loop_run(fx.pod.loop);
    for (size_t i = 0; i < COUNT_OF(e); i++) {
        EQ_UINT(e[i].done, i == 7 ? 0 : 1);
        EQ_ERR(e[i].err, ERR_OK);
    }
    EQ_UINT(atomic_load(&fx.tokens), 1);
    fx_close(&fx);
}

TEST(what_waits_for_a_token_that_does_not_come_hears_why)
{
    static const struct {
        int status;
        const char *body;
        enum err err;
    } rows[] = {
        {401, "{\"error\":\"invalid_client\"}", ERR_CREDENTIALS},
        {400, "{\"error\":\"invalid_scope\"}", ERR_CREDENTIALS},
        {429, "", ERR_THROTTLED},
        {500, "", ERR_UNAVAILABLE},
        {503, "<html></html>", ERR_UNAVAILABLE},
        {504, "", ERR_TIMEOUT},
        {200, "<html>Sign in</html>", ERR_SYNTAX},
        {200, "", ERR_SYNTAX},
        {200, "{\"token_type\":\"Bearer\"}", ERR_PROMISE},
        {200, "{\"access_token\":\"\"}", ERR_PROMISE},
        {200, "{\"access_token\":\"a\\r\\nX: y\"}", ERR_PROMISE},
        {302, "", ERR_CREDENTIALS},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct fx fx;
        struct end e[3];
        unsigned left = COUNT_OF(e);

        fx_open(&fx, 4);
        fx.token_status = rows[i].status;
        fx.token_body = rows[i].body;
        memset(e, 0, sizeof(e));
        for (size_t k = 0; k < COUNT_OF(e); k++) {
            e[k].left = &left;
            start(&fx, &e[k]);
        }
        loop_run(fx.pod.loop);
        for (size_t k = 0; k < COUNT_OF(e); k++) {
            EQ_ERR(e[k].err, rows[i].err);
            IS(e[k].fault.message[0] != 0);
        }
        EQ_UINT(atomic_load(&fx.tokens), 1);
        EQ_UINT(atomic_load(&fx.served), 0);
        /* It is asked again as soon as somebody needs it. */
        fx.token_status = 200;
        fx.token_body = NULL;
        OK(read_one(&fx, &e[0]));
        EQ_UINT(atomic_load(&fx.tokens), 2);
        fx_close(&fx);
    }
}

TEST(a_life_that_makes_no_sense_is_an_hour_and_never_above_a_day)
{
    static const struct {
        const char *body;
        int64_t life_s;
    } rows[] = {
        {"{\"access_token\":\"t9.\"}", 3600},
        {"{\"access_token\":\"t9.\",\"expires_in\":0}", 3600},
        {"{\"access_token\":\"t9.\",\"expires_in\":-5}", 3600},
        {"{\"access_token\":\"t9.\",\"expires_in\":\"soon\"}", 3600},
        {"{\"access_token\":\"t9.\",\"expires_in\":\"60\"}", 60},
        {"{\"access_token\":\"t9.\",\"expires_in\":1e99}", 3600},
        {"{\"access_token\":\"t9.\",\"expires_in\":99999999999}", 86400},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct fx fx;
        struct end e;
        int64_t begun = clock_mono_us();
        int64_t life = rows[i].life_s * 1000000;

        fx_open(&fx, 4);
        fx.token_body = rows[i].body;
        OK(read_one(&fx, &e));
        IS(fx.pod.f->token.expires_us >= begun + life);
        IS(fx.pod.f->token.expires_us <= clock_mono_us() + life);
        fx_close(&fx);
    }
}

SUITE(token, RUN_LONG(three_hundred_401s_at_once_lead_to_one_token_request, 30),
      RUN_LONG(a_crowd_whose_new_token_is_refused_too_ends_without_a_loop, 30),
      RUN(a_token_is_fetched_again_at_four_fifths_of_its_life),
      RUN(a_token_past_its_life_is_not_sent),
      RUN(an_early_refresh_that_fails_disturbs_nobody_and_waits),
      RUN(a_token_that_dies_early_is_no_fault_of_the_credentials),
      RUN(a_second_401_counts_only_for_a_token_that_never_served),
      RUN(what_is_asked_while_a_token_is_fetched_waits_for_it),
      RUN_LONG(what_waits_for_a_token_that_does_not_come_hears_why, 10),
      RUN_LONG(a_life_that_makes_no_sense_is_an_hour_and_never_above_a_day, 10))
