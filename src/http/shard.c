/* SPDX-License-Identifier: UNLICENSED */
/*
 * One multi handle on the loop.
 *
 *     libcurl asks:  socket --> a poll handle of its own, closed on REMOVE
 *                    timer  --> the shard's loop timer, 0 raised to 1 ms
 *     the loop says: socket or timer --> curl_multi_socket_action --> drain
 *
 * A descriptor's number is used again at once, so a poll handle belongs to one
 * registration and is never moved: REMOVE closes it, and its close callback
 * frees it. done runs in the drain only, when libcurl is not on the stack; it
 * may close the whole engine, after which the drain stops.
 */
#include <stdio.h>
#include <uv.h>

#include "http_priv.h"
#include "ml/log.h"

/* One socket that libcurl wants watched. */
struct watch {
    struct list link; /* in its shard's watches */
    uv_poll_t poll;
    struct http_shard *shard;
    curl_socket_t fd;
};

static struct http_shard *
shard_from(void *arg)
{
    struct http_shard *s = arg;

    ML_ASSERT(s != NULL && s->magic == HTTP_SHARD_MAGIC);
    return s;
}

/* What outlives the op while its caller is told. */
struct answer {
    struct http_reply reply;
    struct buf body;
    struct buf headers;
};

static enum err
answer_take(struct answer *a, struct http_op *op, CURLcode code)
{
    long status = 0;
    enum err err = http_op_error(op, code, a->reply.message);

    (void)curl_easy_getinfo(op->easy, CURLINFO_RESPONSE_CODE, &status);
    a->body = op->answer;
    a->headers = op->answer_headers;
    buf_init(&op->answer, 0);
    buf_init(&op->answer_headers, 0);
    a->reply.status = (int)status;
    a->reply.body = buf_text(&a->body);
    a->reply.body_len = a->body.len;
    a->reply.sent_us = op->sent_us;
    a->reply.answered_us = clock_mono_us();
    a->reply.maybe_sent = err != ERR_OK && op->maybe_sent;
    a->reply.inner = &a->headers;
    return err;
}

/* Retire, then tell. The engine may be closing when this returns. */
static void
finish(struct http_op *op, CURLcode code)
{
    struct answer a = {.reply = {.status = 0}};
    http_done_fn *done = op->done;
    void *arg = op->arg;
    enum err err = answer_take(&a, op, code);

    LOG_DEBUG(NULL, "http.done", "name=%s method=%s status=%d err=%s ms=%lld",
              op->name, op->method, a.reply.status, err_name(err),
              (long long)((a.reply.answered_us - a.reply.sent_us) / 1000));
    CRASH_POINT("send.after", op->name);
    http_op_unlink(op);
    http_op_free(op);
    done(arg, err, &a.reply);
    buf_fini(&a.body);
    buf_fini(&a.headers);
}

/* One that libcurl never had. */
void
http_op_fail(struct http_op *op, enum err err, const char *reason)
{
    struct answer a = {.reply = {.status = 0}};
    http_done_fn *done = op->done;
    void *arg = op->arg;

    buf_init(&a.body, 1);
    buf_init(&a.headers, 1);
    a.reply.body = "";
    a.reply.answered_us = a.reply.sent_us = clock_mono_us();
    a.reply.inner = &a.headers;
    (void)snprintf(a.reply.message, sizeof(a.reply.message), "%s: %s",
                   http_op_via(op)->name, reason);
    http_op_unlink(op);
    http_op_free(op);
    done(arg, err, &a.reply);
    buf_fini(&a.body);
    buf_fini(&a.headers);
}

static void
drain(struct http_shard *s)
{
    struct http *h = s->http;
    CURLMsg *msg;
    int left;

    while (!h->closing &&
           (msg = curl_multi_info_read(s->multi, &left)) != NULL) {
        char *private = NULL;
        CURLcode code = msg->data.result;

        if (msg->msg != CURLMSG_DONE) {
            continue;
        }
        (void)curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, &private);
        finish(http_op_from(private), code);
    }
    if (!h->closing) {
        http_shard_pump(s);
    }
}

/* Whether the last byte of it has gone out. */
static bool
is_out(const struct http_op *op)
{
    curl_off_t up = 0;
    long head = 0;

    (void)curl_easy_getinfo(op->easy, CURLINFO_SIZE_UPLOAD_T, &up);
    (void)curl_easy_getinfo(op->easy, CURLINFO_REQUEST_SIZE, &head);
    return head > 0 && up >= (curl_off_t)op->body_len;
}

static struct http_op *
first_late(const struct http_shard *s, int64_t now_us)
{
    struct list *item, *next;

    LIST_EACH((struct list *)(uintptr_t)&s->active, item, next)
    {
        struct http_op *op = CONTAINER_OF(item, struct http_op, link);

        if (op->until_us != NULL && now_us >= *op->until_us && !is_out(op)) {
            return op;
        }
    }
    return NULL;
}

/* What libcurl has of them in its buffers would leave without asking anybody. */
static void
end_late(struct http_shard *s)
{
    int64_t now_us = clock_mono_us();
    struct http_op *op;

    while (!s->http->closing && (op = first_late(s, now_us)) != NULL) {
        op->too_late = true;
        finish(op, CURLE_ABORTED_BY_CALLBACK);
    }
}

#ifdef ML_CRASH_POINTS
static void
tell_out(struct http_shard *s)
{
    struct list *item, *next;

    LIST_EACH(&s->active, item, next)
    {
        struct http_op *op = CONTAINER_OF(item, struct http_op, link);

        if (!op->told_out && is_out(op)) {
            op->told_out = true;
            CRASH_POINT("send.sent", op->name);
        }
    }
}
#else
#define tell_out(s) ((void)0)
#endif

static void
act(struct http_shard *s, curl_socket_t fd, int events)
{
    int running = 0;

    end_late(s);
    if (s->http->closing) {
        return;
    }
    (void)curl_multi_socket_action(s->multi, fd, events, &running);
    tell_out(s);
    drain(s);
}

/* ---- the loop says ------------------------------------------------------ */

static void
on_poll(uv_poll_t *handle, int status, int events)
{
    struct watch *w = handle->data;
    int flags = 0;

    if (status < 0) {
        flags = CURL_CSELECT_ERR;
    }
    if ((events & UV_READABLE) != 0) {
        flags |= CURL_CSELECT_IN;
    }
    if ((events & UV_WRITABLE) != 0) {
        flags |= CURL_CSELECT_OUT;
    }
    act(w->shard, w->fd, flags);
}

static void
on_timer(void *arg)
{
    struct http_shard *s = shard_from(arg);

    act(s, CURL_SOCKET_TIMEOUT, 0);
}

static void on_watch_closed(uv_handle_t *handle);

static void
watch_close(struct watch *w)
{
    list_remove(&w->link);
    uv_close((uv_handle_t *)&w->poll, on_watch_closed);
}

static void
on_watch_closed(uv_handle_t *handle)
{
    struct watch *w = handle->data;
    struct http *h = w->shard->http;

    mem_free(w);
    http_handle_closed(h);
}

/* ---- libcurl asks ------------------------------------------------------- */

static struct watch *
watch_new(struct http_shard *s, curl_socket_t fd)
{
    struct watch *w = MEM_NEW(struct watch);
    int rc = uv_poll_init_socket(loop_uv(s->http->loop), &w->poll, fd);

    if (rc != 0) {
        LOG_ERROR(NULL, "http.watch", "fd=%d reason=\"%s\"", fd,
                  uv_strerror(rc));
        mem_free(w);
        return NULL;
    }
    w->poll.data = w;
    w->shard = s;
    w->fd = fd;
    s->http->handles++;
    list_init(&w->link);
    list_push(&s->watches, &w->link);
    (void)curl_multi_assign(s->multi, fd, w);
    return w;
}

static int
on_want_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *fd_arg)
{
    struct http_shard *s = shard_from(arg);
    struct watch *w = fd_arg;
    int events = 0;

    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        if (w != NULL) {
            (void)curl_multi_assign(s->multi, fd, NULL);
            watch_close(w);
        }
        return 0;
    }
    if (s->http->closing) {
        return 0; /* the cleanup itself may ask once more */
    }
    if (w == NULL) {
        w = watch_new(s, fd);
    }
    if (w == NULL) {
        return 0; /* -1 would end every transfer; this one times out */
    }
    if (what != CURL_POLL_OUT) {
        events |= UV_READABLE;
    }
    if (what != CURL_POLL_IN) {
        events |= UV_WRITABLE;
    }
    (void)uv_poll_start(&w->poll, events, on_poll);
    return 0;
}

static int
on_want_timer(CURLM *multi, long timeout_ms, void *arg)
{
    struct http_shard *s = shard_from(arg);

    (void)multi;
    if (timeout_ms < 0 || s->http->closing) {
        loop_timer_stop(&s->timer);
    } else {
        loop_timer_start(s->http->loop, &s->timer,
                         timeout_ms > 0 ? timeout_ms : 1, on_timer, s);
    }
    return 0;
}

/* ---- life --------------------------------------------------------------- */

struct http_shard *
http_shard_new(struct http *h)
{
    struct http_shard *s = MEM_NEW(struct http_shard);

    s->magic = HTTP_SHARD_MAGIC;
    s->http = h;
    list_init(&s->active);
    list_init(&s->waiting);
    list_init(&s->watches);
    s->multi = curl_multi_init();
    ML_ASSERT(s->multi != NULL);
    (void)curl_multi_setopt(s->multi, CURLMOPT_SOCKETFUNCTION, on_want_socket);
    (void)curl_multi_setopt(s->multi, CURLMOPT_SOCKETDATA, s);
    (void)curl_multi_setopt(s->multi, CURLMOPT_TIMERFUNCTION, on_want_timer);
    (void)curl_multi_setopt(s->multi, CURLMOPT_TIMERDATA, s);
    (void)curl_multi_setopt(s->multi, CURLMOPT_PIPELINING,
                            (long)CURLPIPE_NOTHING);
    (void)curl_multi_setopt(s->multi, CURLMOPT_MAXCONNECTS,
                            (long)HTTP_SHARD_CONNECTIONS);
    return s;
}

void
http_shard_close(struct http_shard *s)
{
    struct list *item;

    while ((item = list_first(&s->active)) != NULL ||
           (item = list_first(&s->waiting)) != NULL) {
        struct http_op *op = CONTAINER_OF(item, struct http_op, link);

        http_op_unlink(op);
        http_op_free(op);
    }
    loop_timer_stop(&s->timer);
    (void)curl_multi_cleanup(s->multi);
    s->multi = NULL;
    /* The cleanup removes what it watches; nothing may depend on that. */
    while ((item = list_first(&s->watches)) != NULL) {
        watch_close(CONTAINER_OF(item, struct watch, link));
    }
}
