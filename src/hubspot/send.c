/* SPDX-License-Identifier: UNLICENSED */
/*
 * The asynchronous part: one struct per request under way.
 *
 *     send --http--> answered: unlink, take apart, free the operation, tell
 *       +---cancel---> freed, silent
 *
 * An operation is in the list of its hubspot from send until its answer or its
 * cancellation, and always has a transfer pending in http. It is freed before
 * done is called, so that done may free the hubspot or send again; what done
 * borrows lives on the stack of the callback.
 */
#include "hubspot_priv.h"

#include "ml/jsonx.h"
#include "ml/log.h"
#include "ml/stat.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { ANSWER_MAX = 32 * 1024 * 1024, STATUS_MAX = 24, TOKEN_HEAD = 8 };
enum { HUBSPOT_MAGIC = 0x68756273, OP_MAGIC = 0x68756f70 };

struct hubspot {
    unsigned magic;
    struct http *http; /* borrowed */
    char *base_url, *api_version, *tenant;
    struct secret *token;
    int64_t timeout_ms;
    struct list ops;
    struct log_ctx log;
};

struct hubspot_op {
    unsigned magic;
    struct list link; /* in hubspot.ops */
    struct hubspot *hubspot;
    struct http_op *transfer; /* pending */
    char *operation;          /* "invoices.upsert" */
    void *arg;
    /* a batch */
    hubspot_batch_fn *batch_done;
    struct hubspot_request request;
    /* or a single call */
    hubspot_call_fn *call_done;
    bool write, with_token;
    const int64_t *until_us;
};

static struct hubspot_op *
op_from(void *arg)
{
    struct hubspot_op *op = arg;

    ML_ASSERT(op->magic == OP_MAGIC);
    return op;
}

static void
op_free(struct hubspot_op *op)
{
    list_remove(&op->link);
    if (op->batch_done != NULL) {
        hubspot_request_fini(&op->request);
    }
    mem_free(op->operation);
    op->magic = 0;
    mem_free(op);
}

/* ---- answers ------------------------------------------------------------ */

static void
read_reply(enum err err, const struct http_reply *r, struct hubspot_answer *a)
{
    memset(a, 0, sizeof(*a));
    a->err = err;
    a->status = r->status;
    a->body = r->body;
    a->body_len = r->body_len;
    a->sent_us = r->sent_us;
    a->answered_us = r->answered_us;
    a->maybe_sent = r->maybe_sent;
    a->message = r->message;
    a->headers.remaining = http_header(r, "X-HubSpot-RateLimit-Remaining");
    a->headers.max = http_header(r, "X-HubSpot-RateLimit-Max");
    a->headers.interval_ms =
        http_header(r, "X-HubSpot-RateLimit-Interval-Milliseconds");
    a->headers.daily_remaining =
        http_header(r, "X-HubSpot-RateLimit-Daily-Remaining");
    a->headers.retry_after = http_header(r, "Retry-After");
    a->headers.date = http_header(r, "Date");
    a->headers.correlation = http_header(r, "X-HubSpot-Correlation-Id");
}

static void
tell(const struct hubspot_op *op, enum err err, const struct hubspot_meta *m)
{
    char status[STATUS_MAX];
    char correlation[LOG_TEXT_MAX];

    (void)snprintf(status, sizeof(status), "%d", m->status);
    stat_add(STAT_hubspot_requests, op->operation,
             err == ERR_OK ? status : err_name(err), 1);
    LOG_DEBUG(&op->hubspot->log, "hubspot.answer",
              "operation=%s status=%s inputs=%zu ms=%" PRId64
              " error=%s remaining=%d correlation=\"%s\"",
              op->operation, err == ERR_OK ? status : err_name(err),
              op->request.n, (m->answered_us - m->sent_us) / 1000,
              err_name(m->fault.err), m->remaining,
              log_safe(correlation, m->fault.correlation));
}

static void
on_batch_answer(void *arg, enum err err, const struct http_reply *r)
{
    struct hubspot_op *op = op_from(arg);
    hubspot_batch_fn *done = op->batch_done;
    void *done_arg = op->arg;
    struct hubspot_request request = op->request;
    struct hubspot_answer answer;
    struct hubspot_decoded decoded;

    op->transfer = NULL;
    read_reply(err, r, &answer);
    hubspot_decode(&request, &answer, &decoded);
    tell(op, err, &decoded.reply.meta);
    /* Results of an archive borrow ids of the request: it outlives the op. */
    op->batch_done = NULL;
    op_free(op);
    done(done_arg, &decoded.reply);
    hubspot_decoded_fini(&decoded);
    hubspot_request_fini(&request);
}

/* HubSpot may repeat the token it was asked about, also cut short: a message
 * that has its beginning is not passed on. */
static void
hide_token(const struct secret *token, struct fault *f)
{
    char head[TOKEN_HEAD + 1];

    (void)snprintf(head, sizeof(head), "%s", (const char *)secret_bytes(token));
    if (head[0] != '\0' && strstr(f->message, head) != NULL) {
        (void)snprintf(f->message, sizeof(f->message),
                       "HubSpot refused the token (its words are not shown: "
                       "they repeat the token)");
    }
    secret_wipe_bytes(head, sizeof(head));
}

static void
on_call_answer(void *arg, enum err err, const struct http_reply *r)
{
    struct hubspot_op *op = op_from(arg);
    hubspot_call_fn *done = op->call_done;
    void *done_arg = op->arg;
    struct hubspot_answer answer;
    struct hubspot_meta meta;
    json_t *root;

    op->transfer = NULL;
    read_reply(err, r, &answer);
    hubspot_answer_read(&answer, op->write,
                        op->write ? HUBSPOT_PROMISE_ANY : HUBSPOT_PROMISE_JSON,
                        &meta, &root);
    if (op->with_token) {
        hide_token(op->hubspot->token, &meta.fault);
    }
    tell(op, err, &meta);
    op_free(op);
    done(done_arg, &meta, root);
    json_decref(root);
}

/* ---- requests ----------------------------------------------------------- */

static struct hubspot_op *
op_new(struct hubspot *h, void *arg)
{
    struct hubspot_op *op = MEM_NEW(struct hubspot_op);

    op->magic = OP_MAGIC;
    op->hubspot = h;
    op->arg = arg;
    list_init(&op->link);
    list_push(&h->ops, &op->link);
    return op;
}

static enum err
op_send(struct hubspot_op *op, const char *method, const char *path,
        const char *body, size_t body_len, http_done_fn *done)
{
    struct hubspot *h = op->hubspot;
    static const char *const headers[] = {"Accept: application/json", NULL};
    char *url = mem_printf("%s%s", h->base_url, path);
    struct http_spec spec = {.peer = HTTP_HUBSPOT,
                             .name = op->operation,
                             .method = method,
                             .url = url,
                             .headers = headers,
                             .bearer = h->token,
                             .body = body,
                             .body_len = body_len,
                             .timeout_ms = h->timeout_ms,
                             .until_us = op->until_us,
                             .max_body = ANSWER_MAX};
    enum err err = http_send(h->http, &spec, done, op, &op->transfer);

    mem_free(url);
    return err;
}

enum err
hubspot_send(struct hubspot *h, const struct hubspot_batch *b,
             hubspot_batch_fn *done, void *arg, struct hubspot_op **op_out)
{
    struct hubspot_request request;
    char random[RANDOM_ID_MAX];
    struct hubspot_op *op;
    enum err err;

    ML_ASSERT(h->magic == HUBSPOT_MAGIC && done != NULL);
    err = hubspot_encode(h->api_version, b,
                         b->trace != NULL ? b->trace : random_id(random),
                         &request);
    if (err != ERR_OK) {
        return err;
    }
    op = op_new(h, arg);
    op->batch_done = done;
    op->until_us = b->until_us;
    op->request = request;
    op->operation = mem_printf("%s.%s", map_object_name(b->object),
                               hubspot_verb_name(b->verb));
    err = op_send(op, "POST", request.path, request.body.data, request.body.len,
                  on_batch_answer);
    if (err != ERR_OK) {
        op_free(op);
        return err;
    }
    if (op_out != NULL) {
        *op_out = op;
    }
    return ERR_OK;
}

/* Room for the worst is made first: growing would leave copies behind. */
static void
make_token_body(const struct secret *token, struct buf *body)
{
    size_t room = secret_len(token) * 6 + 32;
    struct jsonx_writer w;

    buf_init(body, room);
    buf_addf(body, "%*s", (int)room, "");
    buf_reset(body);
    jsonx_begin(&w, body);
    jsonx_open(&w, '{');
    jsonx_key(&w, "tokenKey");
    jsonx_put_textn(&w, (const char *)secret_bytes(token), secret_len(token));
    jsonx_close(&w, '}');
    ML_ASSERT(!body->failed);
}

static enum err
send_token(struct hubspot_op *op, const struct hubspot_call *c)
{
    struct buf body;
    enum err err;

    make_token_body(op->hubspot->token, &body);
    err = op_send(op, c->method, c->path, body.data, body.len, on_call_answer);
    secret_wipe_bytes(body.data, body.cap);
    buf_fini(&body);
    return err;
}

enum err
hubspot_call_send(struct hubspot *h, const struct hubspot_call *c,
                  hubspot_call_fn *done, void *arg, struct hubspot_op **op_out)
{
    struct hubspot_op *op;
    enum err err;

    ML_ASSERT(h->magic == HUBSPOT_MAGIC && done != NULL);
    ML_ASSERT(!c->with_token || (c->body == NULL && h->token != NULL));
    op = op_new(h, arg);
    op->call_done = done;
    op->with_token = c->with_token;
    op->until_us = c->until_us;
    op->write = !c->with_token && strcmp(c->method, "GET") != 0;
    op->operation = mem_strdup(c->operation);
    if (c->with_token) {
        err = send_token(op, c);
    } else {
        err = op_send(op, c->method, c->path, c->body,
                      c->body != NULL ? strlen(c->body) : 0, on_call_answer);
    }
    if (err != ERR_OK) {
        op_free(op);
        return err;
    }
    if (op_out != NULL) {
        *op_out = op;
    }
    return ERR_OK;
}

void
hubspot_cancel(struct hubspot_op *op)
{
    if (op == NULL) {
        return;
    }
    ML_ASSERT(op->magic == OP_MAGIC);
    http_cancel(op->transfer);
    op_free(op);
}

/* ---- life --------------------------------------------------------------- */

struct hubspot *
hubspot_new(struct loop *l, struct http *http, const struct hubspot_config *c)
{
    struct hubspot *h = MEM_NEW(struct hubspot);

    (void)l; /* http turns it */
    h->magic = HUBSPOT_MAGIC;
    h->http = http;
    h->base_url = mem_strdup(c->base_url);
    h->api_version = mem_strdup(c->api_version);
    h->tenant = mem_strdup(c->tenant);
    h->token = secret_dup(c->token);
    h->timeout_ms = c->timeout_ms;
    h->log.tenant = h->tenant;
    list_init(&h->ops);
    return h;
}

void
hubspot_free(struct hubspot *h)
{
    struct list *item;

    if (h == NULL) {
        return;
    }
    while ((item = list_first(&h->ops)) != NULL) {
        hubspot_cancel(CONTAINER_OF(item, struct hubspot_op, link));
    }
    secret_free(h->token);
    mem_free(h->base_url);
    mem_free(h->api_version);
    mem_free(h->tenant);
    h->magic = 0;
    mem_free(h);
}
