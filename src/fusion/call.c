/* SPDX-License-Identifier: UNLICENSED */
/*
 * One HTTP request to the pod, from being asked for to its answer.
 *
 *     WAITING --slot, token--> SENT --answer--> ended
 *        |  ^                   |
 *        v  +-- 401, once ------+
 *     TOKEN_WAIT --no token--> ENDED --next turn--> ended
 *
 * The list a call is linked in is its state. At most `parallel` are sent at
 * once. A 401 drops the token the call was sent with, if nobody did before,
 * and the call waits again: hundreds of them lead to one new token. A second
 * 401 ends it, unless that token had served others: then it died meanwhile.
 */
#include "fusion_priv.h"
#include "ml/stat.h"

#include <stdio.h>
#include <string.h>

enum { CALL_REFRESH_MAX = 3 };

#define ACCEPT "application/json, application/vnd.oracle.adf.error+json"

static struct fusion_call *
call_from(void *arg)
{
    struct fusion_call *c = arg;

    ML_ASSERT(c != NULL && c->magic == MAGIC_CALL);
    return c;
}

static void
call_unlink(struct fusion_call *c)
{
    list_remove(&c->link);
    if (c->in_flight) {
        c->in_flight = false;
        c->f->in_flight--;
    }
}

static void
call_free(struct fusion_call *c)
{
    call_unlink(c);
    c->magic = 0;
    mem_free(c->url);
    mem_free(c->body);
    mem_free(c->fault);
    mem_free(c);
}

/* Retires, then tells. Nothing is touched afterwards. */
static void
call_end(struct fusion_call *c, enum err err, const struct http_reply *r,
         const struct fault *why)
{
    call_fn *done = c->done;
    void *arg = c->arg;
    struct fault f = *why;

    calls_poke(c->f);
    call_free(c);
    done(arg, err, r, &f);
}

/* Ends it on the next turn. */
static void
call_end_later(struct fusion_call *c, enum err err, const struct fault *why)
{
    call_unlink(c);
    c->err = err;
    c->fault = MEM_NEW(struct fault);
    *c->fault = *why;
    list_push(&c->f->ended, &c->link);
}

static void
call_count(const struct fusion_call *c, enum err err, int status)
{
    char text[16];

    (void)snprintf(text, sizeof(text), "%d", status);
    stat_add(STAT_fusion_requests, c->label, status > 0 ? text : err_name(err),
             1);
}

static enum err
call_judge(struct fusion_call *c, enum err err, const struct http_reply *r,
           struct fault *f)
{
    struct answer a = {
        .status = r->status, .body = r->body, .len = r->body_len};

    if (err != ERR_OK) {
        f->http_status = r->status;
        return fault_set(f, err, "%s: %s", c->label,
                         r->message[0] != 0 ? r->message : err_text(err));
    }
    text_copy(f->correlation, sizeof(f->correlation),
              http_header(r, "X-ORACLE-DMS-ECID"));
    if (r->status >= 200 && r->status < 300) {
        f->http_status = r->status;
        return ERR_OK;
    }
    a.type = http_header(r, "Content-Type");
    a.location = http_header(r, "Location");
    fusion_hide(c->f, &a);
    err = error_decode(&a, f);
    if (err != ERR_CREDENTIALS) {
        error_prefix(f, c->label);
    }
    return err;
}

/* A token that the pod never took says something of the credentials; one that
 * it did take has only died early. Bounded, so that nothing goes round. */
static bool
call_may_refresh(const struct fusion_call *c)
{
    const struct fusion *f = c->f;

    if (f->auth == FUSION_BASIC) {
        return false;
    }
    return c->refreshed == 0 || (c->refreshed < CALL_REFRESH_MAX &&
                                 f->token.accepted >= c->generation);
}

static enum err
call_refused(const struct fusion_call *c, struct fault *f)
{
    if (c->f->auth == FUSION_BASIC) {
        return fault_set(f, ERR_CREDENTIALS,
                         "the pod refuses user or password (HTTP 401): check "
                         "--fusion-user and --fusion-password-file, and the "
                         "pod's list of allowed addresses");
    }
    return fault_set(f, ERR_CREDENTIALS,
                     "the pod refuses a fresh token (HTTP 401): its subject "
                     "must be a Fusion user with roles, and this address must "
                     "be allowed");
}

static void
on_reply(void *arg, enum err err, const struct http_reply *r)
{
    struct fusion_call *c = call_from(arg);
    struct fault f = {0};

    c->http = NULL;
    call_unlink(c);
    call_count(c, err, r->status);
    err = call_judge(c, err, r, &f);
    if (r->status > 0 && err != ERR_UNAUTHORIZED) {
        token_accepted(c->f, c->generation);
    }
    if (err == ERR_UNAUTHORIZED) {
        if (call_may_refresh(c)) {
            c->refreshed++;
            token_drop(c->f, c->generation);
            list_push_front(&c->f->waiting, &c->link);
            calls_poke(c->f);
            return;
        }
        err = call_refused(c, &f);
    }
    call_end(c, err, r, &f);
}

static enum err
call_send(struct fusion_call *c)
{
    struct fusion *f = c->f;
    char accept[160];
    const char *headers[] = {f->version_header, accept, NULL};
    struct http_spec spec = {
        .peer = HTTP_FUSION,
        .name = c->label,
        .method = c->body == NULL ? "GET" : "POST",
        .url = c->url,
        .headers = headers,
        .body = c->body,
        .body_len = c->body_len,
        .content_type = c->content_type,
        .timeout_ms = f->timeout_ms,
        .max_body = c->max_body,
    };

    (void)snprintf(accept, sizeof(accept), "Accept: %s",
                   c->accept == NULL ? ACCEPT : c->accept);
    if (f->auth == FUSION_BASIC) {
        spec.basic_user = f->user;
        spec.basic_password = f->password;
    } else {
        spec.bearer = f->token.bearer;
        c->generation = f->token.generation;
    }
    return http_send(f->http, &spec, on_reply, c, &c->http);
}

static void
call_go(struct fusion_call *c)
{
    struct fusion *f = c->f;
    struct fault why = {0};
    enum err err = ERR_OK;

    list_remove(&c->link);
    if (!token_ready(f)) {
        list_push(&f->token_wait, &c->link);
        return;
    }
    if (c->url == NULL) {
        call_end_later(c, ERR_OK, &why);
        return;
    }
    err = call_send(c);
    if (err != ERR_OK) {
        (void)fault_set(&why, err, "%s: this address cannot be used", c->label);
        call_end_later(c, err, &why);
        return;
    }
    list_push(&f->sent, &c->link);
    c->in_flight = true;
    f->in_flight++;
    f->requests++;
    if (c->spent != NULL) {
        (*c->spent)++;
    }
}

static void
on_run(void *arg)
{
    struct fusion *f = arg;
    struct list *item = NULL;

    ML_ASSERT(f->magic == MAGIC_FUSION);
    while (f->in_flight < f->parallel &&
           (item = list_first(&f->waiting)) != NULL) {
        call_go(CONTAINER_OF(item, struct fusion_call, link));
    }
    item = list_first(&f->ended);
    if (item != NULL) {
        struct fusion_call *c = CONTAINER_OF(item, struct fusion_call, link);
        struct fault why = *c->fault;
        struct http_reply none = {.body = ""};

        /* One a turn: what is told may free everything. */
        call_end(c, c->err, &none, &why);
    }
}

void
calls_poke(struct fusion *f)
{
    loop_later(f->loop, &f->run, on_run, f);
}

void
calls_token_told(struct fusion *f, enum err err, const struct fault *why)
{
    struct list *item = NULL;

    while ((item = list_first(&f->token_wait)) != NULL) {
        struct fusion_call *c = CONTAINER_OF(item, struct fusion_call, link);

        if (err == ERR_OK) {
            list_remove(&c->link);
            list_push(&f->waiting, &c->link);
        } else {
            call_end_later(c, err, why);
        }
    }
    calls_poke(f);
}

struct fusion_call *
call_start(struct fusion *f, const struct call_spec *s, call_fn *done,
           void *arg)
{
    struct fusion_call *c = MEM_NEW(struct fusion_call);

    c->magic = MAGIC_CALL;
    c->f = f;
    list_init(&c->link);
    c->url = mem_strdup(s->url);
    if (s->body != NULL) {
        c->body = mem_dup(s->body, s->body_len);
        c->body_len = s->body_len;
    }
    c->content_type = s->content_type;
    c->accept = s->accept;
    c->max_body = s->max_body;
    c->spent = s->spent;
    (void)snprintf(c->label, sizeof(c->label), "%s", s->label);
    c->done = done;
    c->arg = arg;
    list_push(&f->waiting, &c->link);
    calls_poke(f);
    return c;
}

void
call_cancel(struct fusion_call *c)
{
    if (c == NULL) {
        return;
    }
    (void)call_from(c);
    http_cancel(c->http);
    c->http = NULL;
    calls_poke(c->f);
    call_free(c);
}
