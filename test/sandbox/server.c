/* SPDX-License-Identifier: UNLICENSED */
/*
 * HTTP and HTTPS for the simulators, by libmicrohttpd: one daemon with one
 * epoll thread per server.
 *
 *     READING --complete--> ON ITS WAY --timer--> handled --> WAITING --+
 *                                 (no delay: at once)                   |
 *                           answered <------------------------- timer --+
 *
 * One lock is held around every handler call, so a simulator sees one request
 * at a time, whatever the server; waiting never happens under it. A request
 * that has to wait is suspended in libmicrohttpd and stands in the timer
 * thread's heap. A request is in that heap at most once. Requests belong to
 * libmicrohttpd and die in on_completed.
 */
#include "sandbox.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <netdb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    BODY_MAX = 64 * 1024 * 1024,
    CONNECTIONS_MAX = 8000,
    MEMORY_PER_CONNECTION = 64 * 1024,
    SLOW_CHUNK = 256,
    SLOW_PAUSE_MS = 20
};

struct sim_http {
    struct sim_http_spec spec;
    struct MHD_Daemon *daemon;
    char *key, *cert;
    struct list waiting; /* sim_conn.link; under waits.lock */
    bool stopping;
};

struct sim_conn {
    struct heap_node timer;
    struct list link;
    struct sim_http *http;
    struct MHD_Connection *mhd;
    struct buf body;
    struct sim_reply reply;
    struct sim_way way;
    bool departed, handled;
};

/* A body sent by hand: cut short, or a little at a time. */
struct trickle {
    struct sim_conn *conn;
    char *data;
    size_t len, stop_at; /* stop_at < len: cut there */
    int64_t next_us;
    bool slow;
};

static pthread_mutex_t sim_lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    pthread_t thread;
    struct heap heap;
    size_t users;
} waits = {.lock = PTHREAD_MUTEX_INITIALIZER};

const char *
sim_server_name(enum sim_server kind)
{
    static const char *const names[] = {"fusion", "hubspot", "control"};

    return names[kind];
}

void
sim_hold(void)
{
    pthread_mutex_lock(&sim_lock);
}

void
sim_release(void)
{
    pthread_mutex_unlock(&sim_lock);
}

/* ---- waiting ------------------------------------------------------------ */

static void
waits_resume(struct sim_conn *c)
{
    heap_remove(&waits.heap, &c->timer);
    list_remove(&c->link);
    MHD_resume_connection(c->mhd);
}

static void
waits_until(int64_t mono_us)
{
    struct timespec ts;

    ts.tv_sec = (time_t)(mono_us / 1000000);
    ts.tv_nsec = (long)(mono_us % 1000000) * 1000;
    pthread_cond_timedwait(&waits.wake, &waits.lock, &ts);
}

static void *
waits_run(void *arg)
{
    struct heap_node *n;

    pthread_mutex_lock(&waits.lock);
    while (waits.users > 0) {
        n = heap_first(&waits.heap);
        if (n == NULL) {
            pthread_cond_wait(&waits.wake, &waits.lock);
        } else if (n->at > clock_mono_us()) {
            waits_until(n->at);
        } else {
            waits_resume(CONTAINER_OF(n, struct sim_conn, timer));
        }
    }
    pthread_mutex_unlock(&waits.lock);
    return arg;
}

static void
waits_open(void)
{
    pthread_condattr_t attr;

    pthread_mutex_lock(&waits.lock);
    if (waits.users++ == 0) {
        heap_init(&waits.heap);
        pthread_condattr_init(&attr);
        pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
        pthread_cond_init(&waits.wake, &attr);
        pthread_condattr_destroy(&attr);
        ML_ASSERT(pthread_create(&waits.thread, NULL, waits_run, NULL) == 0);
    }
    pthread_mutex_unlock(&waits.lock);
}

static void
waits_close(void)
{
    bool last;

    pthread_mutex_lock(&waits.lock);
    last = --waits.users == 0;
    pthread_cond_signal(&waits.wake);
    pthread_mutex_unlock(&waits.lock);
    if (last) {
        pthread_join(waits.thread, NULL);
        pthread_cond_destroy(&waits.wake);
        heap_fini(&waits.heap);
    }
}

/* Suspends now, resumes at `at_us` (monotonic). */
static void
wait_until(struct sim_conn *c, int64_t at_us)
{
    pthread_mutex_lock(&waits.lock);
    MHD_suspend_connection(c->mhd);
    list_push(&c->http->waiting, &c->link);
    heap_push(&waits.heap, &c->timer, c->http->stopping ? 0 : at_us);
    pthread_cond_signal(&waits.wake);
    pthread_mutex_unlock(&waits.lock);
}

/* ---- requests ----------------------------------------------------------- */

const char *
sim_query(const struct sim_request *r, const char *name)
{
    const struct sim_conn *c = r->inner;

    return MHD_lookup_connection_value(c->mhd, MHD_GET_ARGUMENT_KIND, name);
}

struct query_all {
    const char *name;
    json_t *list;
};

static enum MHD_Result
on_query(void *cls, enum MHD_ValueKind kind, const char *key, const char *value)
{
    struct query_all *q = cls;

    (void)kind;
    if (strcmp(key, q->name) == 0 && value != NULL) {
        if (q->list == NULL) {
            q->list = json_array();
        }
        json_array_append_new(q->list, json_string(value));
    }
    return MHD_YES;
}

json_t *
sim_query_all(const struct sim_request *r, const char *name)
{
    const struct sim_conn *c = r->inner;
    struct query_all q = {.name = name};

    MHD_get_connection_values(c->mhd, MHD_GET_ARGUMENT_KIND, on_query, &q);
    return q.list;
}

const char *
sim_header(const struct sim_request *r, const char *name)
{
    const struct sim_conn *c = r->inner;

    return MHD_lookup_connection_value(c->mhd, MHD_HEADER_KIND, name);
}

struct each {
    sim_each_fn *fn;
    void *arg;
};

static enum MHD_Result
on_each(void *cls, enum MHD_ValueKind kind, const char *key, const char *value)
{
    struct each *e = cls;

    (void)kind;
    e->fn(e->arg, key, value);
    return MHD_YES;
}

void
sim_query_each(const struct sim_request *r, sim_each_fn *fn, void *arg)
{
    const struct sim_conn *c = r->inner;
    struct each e = {.fn = fn, .arg = arg};

    MHD_get_connection_values(c->mhd, MHD_GET_ARGUMENT_KIND, on_each, &e);
}

void
sim_header_each(const struct sim_request *r, sim_each_fn *fn, void *arg)
{
    const struct sim_conn *c = r->inner;
    struct each e = {.fn = fn, .arg = arg};

    MHD_get_connection_values(c->mhd, MHD_HEADER_KIND, on_each, &e);
}

void
sim_reply_header(struct sim_reply *p, const char *name, const char *value)
{
    if (p->headers == NULL) {
        p->headers = json_object();
    }
    json_object_set_new(p->headers, name, json_string(value));
}

void
sim_reply_json(struct sim_reply *p, int status, json_t *body)
{
    char *text = json_dumps(body, JSON_COMPACT | JSON_ENCODE_ANY);

    p->status = status;
    buf_reset(&p->body);
    if (text != NULL) {
        buf_adds(&p->body, text);
    }
    mem_free(text);
    json_decref(body);
}

void
sim_reply_html(struct sim_reply *p, int status)
{
    p->status = status;
    p->content_type = "text/html; charset=UTF-8";
    buf_reset(&p->body);
    sim_reply_header(p, "Server", "cloudflare");
    sim_reply_header(p, "CF-RAY", "8f1e5ad0c9e7-FRA");
    buf_addf(&p->body,
             "<!DOCTYPE html>\n<html><head><title>api.hubapi.com | %d</title>"
             "</head><body><h1>Error %d</h1><p>The web server reported an "
             "error.</p><div>Cloudflare Ray ID: 8f1e5ad0c9e7</div></body>"
             "</html>\n",
             status, status);
}

static void
reply_init(struct sim_reply *p)
{
    *p = (struct sim_reply){.status = 0};
    buf_init(&p->body, BODY_MAX);
}

static void
reply_fini(struct sim_reply *p)
{
    buf_fini(&p->body);
    json_decref(p->headers);
    p->headers = NULL;
}

/* ---- answering ---------------------------------------------------------- */

static ssize_t
on_trickle(void *cls, uint64_t pos, char *out, size_t max)
{
    struct trickle *t = cls;
    size_t n = t->stop_at - (size_t)pos;
    int64_t now;

    if (pos >= t->stop_at) {
        return MHD_CONTENT_READER_END_WITH_ERROR;
    }
    if (t->slow) {
        now = clock_mono_us();
        if (now < t->next_us && !t->conn->http->stopping) {
            wait_until(t->conn, t->next_us);
            return 0;
        }
        t->next_us = now + (int64_t)SLOW_PAUSE_MS * 1000;
        n = n > SLOW_CHUNK ? SLOW_CHUNK : n;
    }
    n = n > max ? max : n;
    memcpy(out, t->data + pos, n);
    return (ssize_t)n;
}

static void
on_trickle_free(void *cls)
{
    struct trickle *t = cls;

    mem_free(t->data);
    mem_free(t);
}

static struct MHD_Response *
response_make(struct sim_conn *c)
{
    struct sim_reply *p = &c->reply;
    struct trickle *t;
    size_t len;
    char *data = buf_take(&p->body, &len);

    if ((p->abort == SIM_TRUNCATE || p->abort == SIM_SLOW_BODY) && len > 0) {
        t = MEM_NEW(struct trickle);
        t->conn = c;
        t->data = data;
        t->len = len;
        t->slow = p->abort == SIM_SLOW_BODY;
        t->stop_at = t->slow ? len : len / 2;
        return MHD_create_response_from_callback(len, 16384, on_trickle, t,
                                                 on_trickle_free);
    }
    return MHD_create_response_from_buffer_with_free_callback(len, data,
                                                              mem_free);
}

static void
response_headers(struct MHD_Response *res, const struct sim_reply *p)
{
    const char *type = p->content_type;
    const char *name;
    json_t *value;

    if (type == NULL) {
        type = "application/json;charset=utf-8";
    }
    if (p->status != 204 && type[0] != '\0') {
        MHD_add_response_header(res, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    }
    json_object_foreach(p->headers, name, value)
    {
        MHD_add_response_header(res, name, json_string_value(value));
    }
}

/* Closes without an answer, by RST. */
static enum MHD_Result
conn_reset(struct sim_conn *c)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(c->mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct linger hard = {.l_onoff = 1, .l_linger = 0};

    if (info != NULL) {
        setsockopt(info->connect_fd, SOL_SOCKET, SO_LINGER, &hard,
                   sizeof(hard));
    }
    return MHD_NO;
}

static enum MHD_Result
conn_answer(struct sim_conn *c)
{
    struct MHD_Response *res;
    enum MHD_Result queued;

    if (c->reply.abort == SIM_RESET) {
        return conn_reset(c);
    }
    if (c->reply.idle_s > 0) {
        MHD_set_connection_option(c->mhd, MHD_CONNECTION_OPTION_TIMEOUT,
                                  c->reply.idle_s);
    }
    res = response_make(c);
    if (res == NULL) {
        return MHD_NO;
    }
    response_headers(res, &c->reply);
    queued = MHD_queue_response(c->mhd, (unsigned)c->reply.status, res);
    MHD_destroy_response(res);
    return queued;
}

/* ---- handling ----------------------------------------------------------- */

static bool
fault_asked(struct sim_conn *c, const struct sim_request *r, bool after,
            const struct sim_ident *ident)
{
    const struct sim_http_spec *s = &c->http->spec;
    struct sim_fault_ask ask = {.r = r, .ident = *ident, .after = after};
    struct sim_reply mine;
    int64_t delay_ms = 0;
    bool hit;

    if (s->faults == NULL) {
        return false;
    }
    reply_init(&mine);
    mine.operation = ident->operation;
    mine.scope = ident->scope;
    mine.inputs = c->reply.inputs;
    hit = sim_faults_apply(s->faults, &ask, &mine, &delay_ms);
    delay_ms += c->reply.delay_ms;
    if (hit && mine.abort != SIM_TRUNCATE && mine.abort != SIM_SLOW_BODY) {
        reply_fini(&c->reply);
        c->reply = mine;
    } else {
        c->reply.abort = hit ? mine.abort : c->reply.abort;
        c->reply.idle_s = mine.idle_s > 0 ? mine.idle_s : c->reply.idle_s;
        if (json_object_get(mine.headers, "Connection") != NULL) {
            sim_reply_header(&c->reply, "Connection", "close");
        }
        hit = hit && after;
        reply_fini(&mine);
    }
    c->reply.delay_ms = delay_ms;
    return hit;
}

/* The work took longer than anybody waits: it is done, the answer is lost. */
static void
cut_off(struct sim_conn *c)
{
    struct sim_reply *p = &c->reply;

    if (c->way.cutoff_us > 0 && p->delay_ms * 1000 > c->way.cutoff_us) {
        json_decref(p->headers);
        p->headers = NULL;
        sim_reply_html(p, 524);
        p->delay_ms = c->way.cutoff_us / 1000;
        p->abort = SIM_ANSWER;
        p->refused = true;
    }
}

static void
conn_run(struct sim_conn *c, struct sim_request *r)
{
    const struct sim_http_spec *s = &c->http->spec;
    struct sim_ident ident = {.operation = NULL};
    enum sim_abort cut;
    bool faulted;

    if (s->ident != NULL) {
        s->ident(s->sim, r, &ident);
    }
    faulted = fault_asked(c, r, false, &ident);
    if (!faulted) {
        cut = c->reply.abort; /* truncate or slow, asked for beforehand */
        s->handler(s->sim, r, &c->reply);
        if (c->reply.abort == SIM_ANSWER) {
            c->reply.abort = cut;
        }
        ident.operation =
            c->reply.operation != NULL ? c->reply.operation : ident.operation;
        ident.scope = c->reply.scope != NULL ? c->reply.scope : ident.scope;
        faulted = fault_asked(c, r, true, &ident);
    }
    cut_off(c);
    if (s->log != NULL) {
        sim_log_add(s->log, r, &c->reply, faulted);
    }
    if (s->record != NULL) {
        sim_record_add(s->record, r, &c->reply);
    }
}

static struct sim_request
request_of(struct sim_conn *c, const char *method, const char *url,
           const char *version)
{
    return (struct sim_request){.server = c->http->spec.kind,
                                .method = method,
                                .path = url,
                                .body = buf_text(&c->body),
                                .body_len = c->body.len,
                                .now_us = clock_wall_us(),
                                .now_mono_us = clock_mono_us(),
                                .http_version = version,
                                .inner = c};
}

/* Asks how long the way is; true when the request is suspended on it. */
static bool
conn_depart(struct sim_conn *c, const struct sim_request *r)
{
    c->departed = true;
    if (c->http->spec.way == NULL || c->body.failed) {
        return false;
    }
    sim_hold();
    c->http->spec.way(c->http->spec.sim, r, &c->way);
    sim_release();
    if (c->way.there_us <= 0) {
        return false;
    }
    wait_until(c, r->now_mono_us + c->way.there_us);
    return true;
}

static void
conn_handle(struct sim_conn *c, struct sim_request *r)
{
    c->handled = true;
    sim_hold();
    r->now_us = clock_wall_us();
    r->now_mono_us = clock_mono_us();
    if (c->body.failed) {
        c->reply.status = 413;
    } else {
        conn_run(c, r);
    }
    sim_release();
    if (c->reply.status == 0) {
        c->reply.status = 500;
    }
}

static enum MHD_Result
on_access(void *cls, struct MHD_Connection *mhd, const char *url,
          const char *method, const char *version, const char *data,
          size_t *size, void **request)
{
    struct sim_conn *c = *request;
    struct sim_request r;
    int64_t wait_us;

    if (c == NULL) {
        c = MEM_NEW(struct sim_conn);
        c->http = cls;
        c->mhd = mhd;
        list_init(&c->link);
        buf_init(&c->body, BODY_MAX);
        reply_init(&c->reply);
        *request = c;
        return MHD_YES;
    }
    if (*size > 0) {
        buf_add(&c->body, data, *size);
        *size = 0;
        return MHD_YES;
    }
    if (!c->handled) {
        r = request_of(c, method, url, version);
        if (!c->departed && conn_depart(c, &r)) {
            return MHD_YES;
        }
        conn_handle(c, &r);
        wait_us = c->reply.delay_ms * 1000 + c->way.back_us;
        if (wait_us > 0) {
            wait_until(c, r.now_mono_us + wait_us);
            return MHD_YES;
        }
    }
    return conn_answer(c);
}

static void
on_completed(void *cls, struct MHD_Connection *mhd, void **request,
             enum MHD_RequestTerminationCode why)
{
    struct sim_conn *c = *request;

    (void)cls;
    (void)mhd;
    (void)why;
    if (c == NULL) {
        return;
    }
    *request = NULL;
    reply_fini(&c->reply);
    buf_fini(&c->body);
    mem_free(c);
}

/* ---- start and stop ----------------------------------------------------- */

static bool
pem_read(struct sim_http *h)
{
    char *path = mem_printf("%s/server.key", h->spec.pem_dir);
    struct fault f;
    size_t n;
    bool ok;

    fault_clear(&f);
    ok = file_read(path, 65536, &h->key, &n, &f) == ERR_OK;
    mem_free(path);
    path = mem_printf("%s/server.pem", h->spec.pem_dir);
    ok = ok && file_read(path, 65536, &h->cert, &n, &f) == ERR_OK;
    mem_free(path);
    if (!ok) {
        fprintf(stderr, "ml-sandbox: %s\n", f.message);
    }
    return ok;
}

/* "ADDR:PORT" or "[ADDR]:PORT" to a bound, listening socket; -1. */
static int
listen_on(const char *addr)
{
    const char *colon = strrchr(addr, ':');
    struct addrinfo hints = {.ai_family = AF_UNSPEC,
                             .ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_PASSIVE | AI_NUMERICHOST};
    struct addrinfo *found = NULL;
    bool bracket = addr[0] == '[';
    char *host;
    int fd = -1, one = 1;

    if (colon == NULL || colon[1] == '\0' || colon == addr) {
        return -1;
    }
    host = bracket ? mem_strndup(addr + 1, (size_t)(colon - addr) - 2) :
                     mem_strndup(addr, (size_t)(colon - addr));
    if (getaddrinfo(text_equal(host, "localhost") ? "127.0.0.1" : host,
                    colon + 1, &hints, &found) == 0) {
        fd = socket(found->ai_family, SOCK_STREAM, 0);
    }
    mem_free(host);
    if (fd >= 0) {
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
        if (bind(fd, found->ai_addr, found->ai_addrlen) != 0 ||
            listen(fd, 1024) != 0) {
            close(fd);
            fd = -1;
        }
    }
    if (found != NULL) {
        freeaddrinfo(found);
    }
    return fd;
}

static int
port_of(int fd)
{
    struct sockaddr_storage ss;
    socklen_t n = sizeof(ss);
    char port[16] = "0";

    if (getsockname(fd, (struct sockaddr *)&ss, &n) == 0) {
        getnameinfo((struct sockaddr *)&ss, n, NULL, 0, port, sizeof(port),
                    NI_NUMERICSERV);
    }
    return (int)strtol(port, NULL, 10);
}

static struct MHD_Daemon *
daemon_start(struct sim_http *h, int fd)
{
    unsigned flags = MHD_USE_EPOLL | MHD_USE_INTERNAL_POLLING_THREAD |
                     MHD_ALLOW_SUSPEND_RESUME;
    struct MHD_OptionItem tls[] = {
        {MHD_OPTION_HTTPS_MEM_KEY, 0, h->key},
        {MHD_OPTION_HTTPS_MEM_CERT, 0, h->cert},
        {MHD_OPTION_END, 0, NULL},
    };

    if (h->spec.pem_dir != NULL) {
        flags |= MHD_USE_TLS;
    } else {
        tls[0].option = MHD_OPTION_END;
    }
    return MHD_start_daemon(
        flags, 0, NULL, NULL, on_access, h, MHD_OPTION_LISTEN_SOCKET, fd,
        MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)MEMORY_PER_CONNECTION,
        MHD_OPTION_ARRAY, tls, MHD_OPTION_END);
}

static void
http_free(struct sim_http *h)
{
    mem_free(h->key);
    mem_free(h->cert);
    mem_free(h);
}

struct sim_http *
sim_http_start(const struct sim_http_spec *spec, int *port)
{
    struct sim_http *h = MEM_NEW(struct sim_http);
    int fd;

    h->spec = *spec;
    list_init(&h->waiting);
    if (spec->pem_dir != NULL &&
        (MHD_is_feature_supported(MHD_FEATURE_TLS) != MHD_YES ||
         !pem_read(h))) {
        fprintf(stderr, "ml-sandbox: no TLS for the %s server\n",
                sim_server_name(spec->kind));
        http_free(h);
        return NULL;
    }
    fd = listen_on(spec->addr);
    if (fd < 0) {
        fprintf(stderr, "ml-sandbox: cannot listen on %s for %s: %s\n",
                spec->addr, sim_server_name(spec->kind), strerror(errno));
        http_free(h);
        return NULL;
    }
    *port = port_of(fd);
    waits_open();
    h->daemon = daemon_start(h, fd);
    if (h->daemon == NULL) {
        fprintf(stderr, "ml-sandbox: cannot serve %s\n",
                sim_server_name(spec->kind));
        waits_close();
        close(fd);
        http_free(h);
        return NULL;
    }
    return h;
}

/* All suspended requests of `h` go on at once. */
static void
waits_flush(struct sim_http *h)
{
    struct list *l;

    pthread_mutex_lock(&waits.lock);
    h->stopping = true;
    while ((l = list_first(&h->waiting)) != NULL) {
        waits_resume(CONTAINER_OF(l, struct sim_conn, link));
    }
    pthread_mutex_unlock(&waits.lock);
}

void
sim_http_stop(struct sim_http *h)
{
    if (h == NULL) {
        return;
    }
    waits_flush(h);
    MHD_stop_daemon(h->daemon);
    waits_close();
    http_free(h);
}
