/* SPDX-License-Identifier: UNLICENSED */
/*
 * The worker's HTTP: a libmicrohttpd daemon without a thread, run from the loop
 * when its epoll descriptor has something or its own time-outs are due.
 *
 * /readyz says what the last look at the database said, and whether what comes
 * of requests can be recorded; the look is taken every few seconds, so that a
 * probe costs no statement and never waits. It names no host and no user: those
 * stand in the log.
 */
#include "ml/ops.h"

#include "ml/log.h"
#include "ml/stat.h"

#include <arpa/inet.h>
#include <microhttpd.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

enum {
    OPS_MAGIC = 0x4f505321,
    CHECK_MS = 3000,
    ANSWER_MS = 5000, /* a look that takes longer is no answer */
    METRICS_BYTES = 16 << 20,
    IDLE_S = 30, /* an idle client connection is closed */
    CONNECTIONS = 64
};

struct ops {
    unsigned magic;
    struct loop *loop;
    struct store *store;
    struct tenants *tenants;
    struct MHD_Daemon *daemon;
    uv_poll_t poll;
    struct loop_timer timer, check;
    struct store_op *check_op;
    int64_t checked_us; /* when it was asked */
    struct secret *token;
    enum err ready; /* of the last look at the database */
    char reason[FAULT_MESSAGE_MAX];
    int port;
    loop_fn *closed;
    void *closed_arg;
};

static struct ops *
ops_from(void *arg)
{
    struct ops *o = arg;

    ML_ASSERT(o->magic == OPS_MAGIC);
    return o;
}

/* ---- is it ready? ------------------------------------------------------- */

static void on_check(void *arg);

static void
set_ready(struct ops *o, enum err err, const char *reason)
{
    o->ready = err;
    (void)snprintf(o->reason, sizeof(o->reason), "%s", reason);
}

static void
on_checked(void *arg, enum err err, const struct fault *f)
{
    struct ops *o = ops_from(arg);

    o->check_op = NULL;
    if (err == ERR_SCHEMA_OLD || err == ERR_SCHEMA_NEW) {
        set_ready(o, err, f->message);
    } else {
        char *why = mem_printf("%s: %s", err_text(err), store_fault_cause(f));

        set_ready(o, err, why);
        mem_free(why);
    }
    loop_timer_start(o->loop, &o->check, CHECK_MS, on_check, o);
}

static void
on_check(void *arg)
{
    struct ops *o = ops_from(arg);

    o->checked_us = clock_mono_us();
    if (store_check(o->store, on_checked, o, &o->check_op) != ERR_OK) {
        o->check_op = NULL;
        set_ready(o, ERR_DB_AWAY, err_text(ERR_DB_AWAY));
        loop_timer_start(o->loop, &o->check, CHECK_MS, on_check, o);
    }
}

/* ---- answers ------------------------------------------------------------ */

static enum MHD_Result
answer(struct MHD_Connection *c, unsigned status, const char *type,
       const char *text, size_t n)
{
    struct MHD_Response *r = MHD_create_response_from_buffer(
        n, (void *)(uintptr_t)text, MHD_RESPMEM_MUST_COPY);
    enum MHD_Result result;

    if (r == NULL) {
        return MHD_NO;
    }
    (void)MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    (void)MHD_add_response_header(r, "X-Content-Type-Options", "nosniff");
    if (status == MHD_HTTP_UNAUTHORIZED) {
        (void)MHD_add_response_header(r, MHD_HTTP_HEADER_WWW_AUTHENTICATE,
                                      "Bearer");
    }
    result = MHD_queue_response(c, status, r);
    MHD_destroy_response(r);
    return result;
}

static enum MHD_Result
answer_text(struct MHD_Connection *c, unsigned status, const char *text)
{
    return answer(c, status, "text/plain; charset=utf-8", text, strlen(text));
}

/* Why it is not ready, to free; NULL: it is. */
static char *
why_not(const struct ops *o)
{
    const char *stuck = tenants_stuck(o->tenants);
    const char *unleased = tenants_unleased(o->tenants);

    if (!store_is_up(o->store)) {
        return mem_printf("no database to work with: %s",
                          store_cause(o->store));
    }
    if (o->ready != ERR_OK) {
        return mem_strdup(o->reason);
    }
    if (o->check_op != NULL &&
        clock_mono_us() - o->checked_us > ANSWER_MS * INT64_C(1000)) {
        return mem_strdup(err_text(ERR_DB_TIMEOUT));
    }
    if (tenants_keyless(o->tenants)) {
        return mem_strdup("the master keys open no tenant");
    }
    if (unleased != NULL) {
        return mem_printf("leases cannot be renewed: %s", unleased);
    }
    return stuck == NULL ? NULL :
                           mem_printf("outcomes cannot be stored in the "
                                      "database: %s",
                                      stuck);
}

static enum MHD_Result
answer_ready(struct ops *o, struct MHD_Connection *c)
{
    char *why = why_not(o);
    enum MHD_Result result;
    char *text;

    if (why == NULL) {
        return answer_text(c, MHD_HTTP_OK, "ready\n");
    }
    text = mem_printf("not ready: %s\n", why);
    mem_free(why);
    result = answer_text(c, MHD_HTTP_SERVICE_UNAVAILABLE, text);
    mem_free(text);
    return result;
}

static enum MHD_Result
answer_metrics(struct ops *o, struct MHD_Connection *c)
{
    enum MHD_Result result;
    struct buf b;

    tenants_metrics(o->tenants);
    buf_init(&b, METRICS_BYTES);
    stat_render(&b);
    result = answer(c, MHD_HTTP_OK, "text/plain; version=0.0.4", buf_text(&b),
                    b.len);
    buf_fini(&b);
    return result;
}

static bool
may_see(const struct ops *o, struct MHD_Connection *c)
{
    const char *header = MHD_lookup_connection_value(
        c, MHD_HEADER_KIND, MHD_HTTP_HEADER_AUTHORIZATION);
    struct secret *given;
    bool equal;

    if (o->token == NULL) {
        return true; /* loopback only */
    }
    if (header == NULL || !text_has_prefix(header, "Bearer ")) {
        return false;
    }
    given = secret_new(header + 7, strlen(header + 7));
    equal = secret_equal(given, o->token);
    secret_free(given);
    return equal;
}

static enum MHD_Result
on_request(void *arg, struct MHD_Connection *c, const char *url,
           const char *method, const char *version, const char *upload,
           size_t *upload_size, void **state)
{
    static int seen;
    struct ops *o = ops_from(arg);

    (void)version;
    (void)upload;
    if (*state == NULL) { /* headers only: wait for the whole request */
        *state = &seen;
        return MHD_YES;
    }
    if (*upload_size > 0) {
        *upload_size = 0;
        return MHD_YES;
    }
    if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0) {
        return answer_text(c, MHD_HTTP_METHOD_NOT_ALLOWED, "GET only\n");
    }
    if (strcmp(url, "/healthz") == 0) {
        return answer_text(c, MHD_HTTP_OK, "ok\n");
    }
    if (strcmp(url, "/readyz") == 0) {
        return answer_ready(o, c);
    }
    if (strcmp(url, "/metrics") == 0) {
        return answer_metrics(o, c);
    }
    if (!may_see(o, c)) {
        return answer_text(c, MHD_HTTP_UNAUTHORIZED,
                           "the admin token is needed\n");
    }
    if (strcmp(url, "/") == 0) {
        return answer_text(c, MHD_HTTP_OK,
                           "ml-connector " ML_VERSION "\n\n/healthz  the loop "
                           "turns\n/readyz   the database answers and the "
                           "schema fits\n/metrics  Prometheus text\n");
    }
    return answer_text(c, MHD_HTTP_NOT_FOUND, "there is no such page\n");
}

/* ---- driving ------------------------------------------------------------ */

static void on_timer(void *arg);

static void
ops_turn(struct ops *o)
{
    MHD_UNSIGNED_LONG_LONG ms = 0;

    (void)MHD_run(o->daemon);
    if (MHD_get_timeout(o->daemon, &ms) == MHD_YES) {
        loop_timer_start(o->loop, &o->timer, (int64_t)ms, on_timer, o);
    } else {
        loop_timer_stop(&o->timer);
    }
}

static void
on_timer(void *arg)
{
    ops_turn(ops_from(arg));
}

static void
on_ready(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    ops_turn(ops_from(poll->data));
}

/* ---- opening ------------------------------------------------------------ */

static bool
is_loopback(const struct sockaddr *sa)
{
    if (sa->sa_family == AF_INET) {
        const struct sockaddr_in *in = (const void *)sa;

        return (ntohl(in->sin_addr.s_addr) >> 24) == 127;
    }
    if (sa->sa_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const void *)sa;

        return IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr) != 0;
    }
    return false;
}

static bool
is_port(const char *s)
{
    size_t n = strspn(s, "0123456789");

    return n > 0 && n <= 5 && s[n] == '\0' && strtol(s, NULL, 10) <= 65535;
}

/* Splits ADDR:PORT or [ADDR]:PORT; host and port to free. */
static enum err
split(const char *listen, char **host, char **port, struct fault *f)
{
    const char *colon = strrchr(listen, ':');
    size_t n;

    if (colon == NULL || colon == listen || !is_port(colon + 1)) {
        return fault_set(f, ERR_CONFIG,
                         "ML_LISTEN: \"%s\" is not ADDRESS:PORT (or `off`)",
                         listen);
    }
    n = (size_t)(colon - listen);
    if (listen[0] == '[' && listen[n - 1] == ']') {
        *host = mem_strndup(listen + 1, n - 2);
    } else {
        *host = mem_strndup(listen, n);
    }
    *port = mem_strdup(colon + 1);
    return ERR_OK;
}

/* Once, before the worker runs: the loop is not turning yet. */
static enum err
resolve(const char *listen, struct addrinfo **out, struct fault *f)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    char *host = NULL, *port = NULL;
    enum err err = split(listen, &host, &port, f);
    int rc;

    if (err == ERR_OK) {
        rc = getaddrinfo(host, port, &hints, out);
        if (rc != 0) {
            err = fault_set(f, ERR_CONFIG, "ML_LISTEN: \"%s\": %s", listen,
                            gai_strerror(rc));
        }
    }
    mem_free(host);
    mem_free(port);
    return err;
}

static enum err
start_daemon(struct ops *o, const struct addrinfo *ai, const char *listen,
             struct fault *f)
{
    unsigned flags = MHD_USE_EPOLL | MHD_USE_ERROR_LOG;
    const union MHD_DaemonInfo *info;

    if (ai->ai_family == AF_INET6) {
        flags |= MHD_USE_IPv6;
    }
    o->daemon = MHD_start_daemon(
        flags, 0, NULL, NULL, on_request, o, MHD_OPTION_SOCK_ADDR, ai->ai_addr,
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_S,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS, MHD_OPTION_END);
    if (o->daemon == NULL) {
        return fault_set(f, ERR_CONFIG,
                         "ML_LISTEN: cannot listen on %s; is the port taken? "
                         "`--listen off` does without",
                         listen);
    }
    info = MHD_get_daemon_info(o->daemon, MHD_DAEMON_INFO_BIND_PORT);
    o->port = info != NULL ? info->port : 0;
    return ERR_OK;
}

static void
watch(struct ops *o)
{
    const union MHD_DaemonInfo *info =
        MHD_get_daemon_info(o->daemon, MHD_DAEMON_INFO_EPOLL_FD);

    ML_ASSERT(info != NULL);
    ML_ASSERT(uv_poll_init(loop_uv(o->loop), &o->poll, info->epoll_fd) == 0);
    o->poll.data = o;
    ML_ASSERT(uv_poll_start(&o->poll, UV_READABLE, on_ready) == 0);
    set_ready(o, ERR_DB_AWAY, "the database was not asked yet");
    on_check(o);
}

enum err
ops_open(struct loop *l, struct store *s, struct tenants *t,
         const struct ops_config *c, struct ops **out, struct fault *f)
{
    struct addrinfo *ai = NULL;
    struct ops *o;
    enum err err;

    *out = NULL;
    if (strcmp(c->listen, "off") == 0) {
        return ERR_OK;
    }
    err = resolve(c->listen, &ai, f);
    if (err != ERR_OK) {
        return err;
    }
    if (!is_loopback(ai->ai_addr) && c->admin_token == NULL) {
        freeaddrinfo(ai);
        return fault_set(f, ERR_CONFIG,
                         "ML_LISTEN: %s lies beyond loopback and needs an "
                         "admin token: set ML_ADMIN_TOKEN_FILE",
                         c->listen);
    }
    o = MEM_NEW(struct ops);
    o->magic = OPS_MAGIC;
    o->loop = l;
    o->store = s;
    o->tenants = t;
    o->token = secret_dup(c->admin_token);
    err = start_daemon(o, ai, c->listen, f);
    freeaddrinfo(ai);
    if (err != ERR_OK) {
        secret_free(o->token);
        mem_free(o);
        return err;
    }
    watch(o);
    *out = o;
    return ERR_OK;
}

/* ---- closing ------------------------------------------------------------ */

static void
on_closed(uv_handle_t *h)
{
    struct ops *o = ops_from(h->data);
    loop_fn *closed = o->closed;
    void *arg = o->closed_arg;

    MHD_stop_daemon(o->daemon);
    secret_free(o->token);
    o->magic = 0;
    mem_free(o);
    closed(arg);
}

void
ops_close(struct ops *o, loop_fn *closed, void *arg)
{
    ML_ASSERT(o->closed == NULL);
    o->closed = closed;
    o->closed_arg = arg;
    store_cancel(o->check_op);
    loop_timer_stop(&o->check);
    loop_timer_stop(&o->timer);
    (void)uv_poll_stop(&o->poll);
    uv_close((uv_handle_t *)&o->poll, on_closed);
}

int
ops_port(const struct ops *o)
{
    return o->port;
}
