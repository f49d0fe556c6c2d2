/* SPDX-License-Identifier: UNLICENSED */
/*
 * The worker's HTTP, asked over a socket of loopback. The database is a word of
 * the test's.
 */
#include "ml/ops.h"
#include "ml/stat.h"
#include "unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- the database ------------------------------------------------------- */

static struct fx {
    struct loop *loop;
    struct ops *ops;
    enum err check_err;
    bool up, refuses; /* refuses: store_check() cannot even begin */
    struct loop_call later;
    store_done_fn *done;
    void *arg;
    size_t checks, closed, metrics;
    bool silent; /* checks are never answered */
    const char *stuck, *unleased;
} fx;

static void
on_answer(void *arg)
{
    struct fault f;

    (void)arg;
    fault_clear(&f);
    if (fx.check_err != ERR_OK) {
        (void)fault_set(&f, fx.check_err, "the schema is 3, this needs 4");
    }
    fx.done(fx.arg, fx.check_err, &f);
}

enum err
store_check(struct store *s, store_done_fn *done, void *arg,
            struct store_op **op)
{
    (void)s;
    fx.checks++;
    if (fx.refuses) {
        return ERR_FULL;
    }
    fx.done = done;
    fx.arg = arg;
    if (!fx.silent) {
        loop_later(fx.loop, &fx.later, on_answer, NULL);
    }
    *op = (struct store_op *)(void *)&fx.later;
    return ERR_OK;
}

void
store_cancel(struct store_op *op)
{
    if (op != NULL) {
        loop_call_cancel(&fx.later);
    }
}

bool
store_is_up(const struct store *s)
{
    (void)s;
    return fx.up;
}

const char *
store_cause(const struct store *s)
{
    (void)s;
    return "it is read-only";
}

const char *
store_fault_cause(const struct fault *f)
{
    return f->err == ERR_DB_TIMEOUT ? "its statements take too long" : "?";
}

const char *
tenants_stuck(const struct tenants *t)
{
    (void)t;
    return fx.stuck;
}

bool
tenants_keyless(const struct tenants *t)
{
    (void)t;
    return false;
}

const char *
tenants_unleased(const struct tenants *t)
{
    (void)t;
    return fx.unleased;
}

void
tenants_metrics(struct tenants *t)
{
    (void)t;
    fx.metrics++;
    stat_set(STAT_tenants, "active", NULL, 3);
}

/* ---- life --------------------------------------------------------------- */

static enum err
open_at(const char *listen, const char *token, struct fault *f)
{
    struct secret *s = token != NULL ? secret_new(token, strlen(token)) : NULL;
    struct ops_config c = {.listen = listen, .admin_token = s};
    enum err err;

    memset(&fx, 0, sizeof(fx));
    fx.loop = loop_new();
    fx.up = true;
    fault_clear(f);
    err = ops_open(fx.loop, NULL, NULL, &c, &fx.ops, f);
    secret_free(s); /* ops keeps its own */
    return err;
}

static void
begin(const char *token)
{
    struct fault f;

    OK(open_at("127.0.0.1:0", token, &f));
    IS(ops_port(fx.ops) > 0);
    loop_turn(fx.loop, 3);
}

static void
on_closed(void *arg)
{
    (void)arg;
    fx.closed++;
}

static void
end(void)
{
    if (fx.ops != NULL) {
        ops_close(fx.ops, on_closed, NULL);
        EQ_UINT(fx.closed, 0);
        while (fx.closed == 0) {
            loop_turn(fx.loop, 1);
        }
        EQ_UINT(fx.closed, 1);
    }
    OK(loop_free(fx.loop));
    stat_reset();
}

/* ---- a client ----------------------------------------------------------- */

static char reply[1 << 20];

static int
connect_to(void)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)ops_port(fx.ops)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    IS(fd >= 0);
    IS(connect(fd, (struct sockaddr *)(void *)&to, sizeof(to)) == 0);
    IS(fcntl(fd, F_SETFL, O_NONBLOCK) == 0);
    return fd;
}

static void
say(int fd, const char *text)
{
    IS(send(fd, text, strlen(text), 0) == (ssize_t)strlen(text));
}

/* Until the server closes. */
static void
hear(int fd)
{
    size_t n = 0;

    for (;;) {
        ssize_t got = recv(fd, reply + n, sizeof(reply) - 1 - n, 0);

        if (got == 0) {
            break;
        }
        if (got > 0) {
            n += (size_t)got;
        } else {
            IS(errno == EAGAIN);
            loop_turn(fx.loop, 1);
        }
    }
    reply[n] = '\0';
    (void)close(fd);
}

static int
ask(const char *method, const char *path, const char *more)
{
    char request[512];
    int fd = connect_to();
    int status = 0;

    (void)snprintf(request, sizeof(request),
                   "%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%s\r\n",
                   method, path, more);
    say(fd, request);
    hear(fd);
    IS(sscanf(reply, "HTTP/1.1 %d", &status) == 1);
    return status;
}

/* ---- pages -------------------------------------------------------------- */

TEST(healthz_says_ok_whatever_the_database_does)
{
    begin(NULL);
    fx.up = false;
    EQ_INT(ask("GET", "/healthz", ""), 200);
    HAS(reply, "\r\n\r\nok\n");
    HAS(reply, "X-Content-Type-Options: nosniff");
    end();
}

TEST(readyz_says_ready_when_the_schema_fits)
{
    begin(NULL);
    EQ_UINT(fx.checks, 1);
    EQ_INT(ask("GET", "/readyz", ""), 200);
    HAS(reply, "ready\n");
    EQ_UINT(fx.checks, 1); /* a probe costs no statement */
    end();
}

TEST(readyz_gives_the_reason_when_the_schema_does_not_fit)
{
    struct fault f;

    OK(open_at("127.0.0.1:0", NULL, &f));
    fx.check_err = ERR_SCHEMA_OLD;
    loop_turn(fx.loop, 3);
    EQ_INT(ask("GET", "/readyz", ""), 503);
    HAS(reply, "not ready: the schema is 3, this needs 4\n");
    end();
}

TEST(readyz_is_not_ready_before_the_first_look_and_when_it_cannot_be_taken)
{
    struct fault f;

    OK(open_at("127.0.0.1:0", NULL, &f));
    fx.silent = true;
    loop_call_cancel(&fx.later);
    EQ_INT(ask("GET", "/readyz", ""), 503);
    HAS(reply, "not ready: ");
    LACKS(reply, "not ready: \n"); /* a reason is always given */
    end();
}

TEST(readyz_notices_at_once_that_the_database_went_away)
{
    begin(NULL);
    fx.up = false;
    EQ_INT(ask("GET", "/readyz", ""), 503);
    HAS(reply, "not ready: no database to work with: it is read-only\n");
    end();
}

TEST(readyz_says_when_nothing_can_be_recorded)
{
    begin(NULL);
    fx.stuck = "its disk is full";
    EQ_INT(ask("GET", "/readyz", ""), 503);
    HAS(reply, "not ready: outcomes cannot be stored in the database: its disk "
               "is full\n");
    fx.stuck = NULL;
    EQ_INT(ask("GET", "/readyz", ""), 200);
    end();
}

TEST(readyz_says_when_leases_cannot_be_renewed)
{
    begin(NULL);
    fx.unleased = "rights are missing";
    EQ_INT(ask("GET", "/readyz", ""), 503);
    HAS(reply, "not ready: leases cannot be renewed: rights are missing\n");
    end();
}

TEST(readyz_names_no_host_when_the_look_failed)
{
    struct fault f;

    OK(open_at("127.0.0.1:0", NULL, &f));
    fx.check_err = ERR_DB_TIMEOUT;
    loop_turn(fx.loop, 3);
    EQ_INT(ask("GET", "/readyz", ""), 503);
    HAS(reply, "not ready: the database did not answer in time: its statements "
               "take too long\n");
    LACKS(reply, "the schema is 3");
    end();
}

TEST(metrics_are_prometheus_text_with_fresh_gauges)
{
    begin(NULL);
    EQ_INT(ask("GET", "/metrics", ""), 200);
    HAS(reply, "Content-Type: text/plain; version=0.0.4");
    HAS(reply, "ml_tenants");
    HAS(reply, "\"active\"} 3");
    EQ_UINT(fx.metrics, 1);
    end();
}

TEST(other_pages_are_not_found_and_other_methods_not_allowed)
{
    begin(NULL);
    EQ_INT(ask("GET", "/nowhere", ""), 404);
    EQ_INT(ask("GET", "/", ""), 200);
    HAS(reply, "ml-connector");
    EQ_INT(ask("POST", "/healthz", "Content-Length: 0\r\n"), 405);
    EQ_INT(ask("DELETE", "/metrics", ""), 405);
    EQ_INT(ask("HEAD", "/healthz", ""), 200);
    EQ_INT(ask("GET", "/healthz/..", ""), 404);
    end();
}

TEST(a_token_guards_everything_but_health_and_metrics)
{
    begin("s3cret");
    EQ_INT(ask("GET", "/", ""), 401);
    HAS(reply, "WWW-Authenticate: Bearer");
    LACKS(reply, "s3cret");
    EQ_INT(ask("GET", "/nowhere", ""), 401);
    EQ_INT(ask("GET", "/", "Authorization: Bearer s3cre\r\n"), 401);
    EQ_INT(ask("GET", "/", "Authorization: Bearer s3cret2\r\n"), 401);
    EQ_INT(ask("GET", "/", "Authorization: Basic s3cret\r\n"), 401);
    EQ_INT(ask("GET", "/", "Authorization: Bearer s3cret\r\n"), 200);
    EQ_INT(ask("GET", "/nowhere", "Authorization: Bearer s3cret\r\n"), 404);
    EQ_INT(ask("GET", "/healthz", ""), 200);
    EQ_INT(ask("GET", "/readyz", ""), 200);
    EQ_INT(ask("GET", "/metrics", ""), 200);
    end();
}

/* ---- where it listens --------------------------------------------------- */

TEST(off_opens_nothing)
{
    struct fault f;

    OK(open_at("off", NULL, &f));
    IS(fx.ops == NULL);
    end();
}

TEST(beyond_loopback_a_token_is_needed)
{
    static const char *const beyond[] = {"0.0.0.0:0", "[::]:0"};
    struct fault f;

    for (size_t i = 0; i < COUNT_OF(beyond); i++) {
        EQ_ERR(open_at(beyond[i], NULL, &f), ERR_CONFIG);
        HAS(f.message, "ML_ADMIN_TOKEN_FILE");
        IS(fx.ops == NULL);
        end();
    }
    OK(open_at("0.0.0.0:0", "s3cret", &f));
    EQ_INT(ask("GET", "/", ""), 401);
    end();
}

TEST(an_address_that_cannot_be_used_is_told)
{
    static const char *const bad[] = {
        "9464",           ":9464",           "127.0.0.1:", "",
        "127.0.0.1:http", "127.0.0.1:70000", "[::1:1"};
    struct fault f;

    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        enum err err = open_at(bad[i], NULL, &f);

        ck_assert_msg(err == ERR_CONFIG, "\"%s\" gives %s", bad[i],
                      err_name(err));
        HAS(f.message, "ML_LISTEN");
        IS(fx.ops == NULL);
        end();
    }
}

TEST(a_port_that_is_taken_is_told)
{
    struct ops_config c = {0};
    struct ops *second = NULL;
    struct fault f;
    char listen[32];

    begin(NULL);
    (void)snprintf(listen, sizeof(listen), "127.0.0.1:%d", ops_port(fx.ops));
    c.listen = listen;
    fault_clear(&f);
    EQ_ERR(ops_open(fx.loop, NULL, NULL, &c, &second, &f), ERR_CONFIG);
    HAS(f.message, listen);
    IS(second == NULL);
    end();
}

/* ---- closing ------------------------------------------------------------ */

TEST(closing_while_a_client_is_connected_ends_its_connection)
{
    int idle, half;

    begin(NULL);
    idle = connect_to();
    half = connect_to();
    say(half, "GET /metrics HTTP/1.1\r\nHo");
    loop_turn(fx.loop, 5);
    ops_close(fx.ops, on_closed, NULL);
    while (fx.closed == 0) {
        loop_turn(fx.loop, 1);
    }
    hear(idle);
    EQ_STR(reply, "");
    hear(half);
    fx.ops = NULL;
    end();
}

TEST(closing_while_the_database_is_being_asked_is_silent)
{
    struct fault f;

    OK(open_at("127.0.0.1:0", NULL, &f));
    EQ_UINT(fx.checks, 1);
    end();
}

TEST(a_look_that_cannot_begin_is_taken_again)
{
    struct fault f;

    fx.refuses = false;
    OK(open_at("127.0.0.1:0", NULL, &f));
    fx.refuses = true;
    while (fx.checks < 2) { /* the first was answered; every few seconds */
        loop_turn(fx.loop, 1);
    }
    EQ_INT(ask("GET", "/readyz", ""), 503);
    fx.refuses = false;
    while (fx.checks < 3) {
        loop_turn(fx.loop, 1);
    }
    loop_turn(fx.loop, 3);
    EQ_INT(ask("GET", "/readyz", ""), 200);
    end();
}

SUITE(
    ops, RUN(healthz_says_ok_whatever_the_database_does),
    RUN(readyz_says_ready_when_the_schema_fits),
    RUN(readyz_gives_the_reason_when_the_schema_does_not_fit),
    RUN(readyz_is_not_ready_before_the_first_look_and_when_it_cannot_be_taken),
    RUN(readyz_notices_at_once_that_the_database_went_away),
    RUN(readyz_says_when_leases_cannot_be_renewed),
    RUN(readyz_says_when_nothing_can_be_recorded),
    RUN(readyz_names_no_host_when_the_look_failed),
    RUN(metrics_are_prometheus_text_with_fresh_gauges),
    RUN(other_pages_are_not_found_and_other_methods_not_allowed),
    RUN(a_token_guards_everything_but_health_and_metrics),
    RUN(off_opens_nothing), RUN(beyond_loopback_a_token_is_needed),
    RUN(an_address_that_cannot_be_used_is_told),
    RUN(a_port_that_is_taken_is_told),
    RUN(closing_while_a_client_is_connected_ends_its_connection),
    RUN(closing_while_the_database_is_being_asked_is_silent),
    RUN_LONG(a_look_that_cannot_begin_is_taken_again, 20))
