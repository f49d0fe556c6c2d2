/* SPDX-License-Identifier: UNLICENSED */
/*
 * The one token of the pod.
 *
 * Fetched when first needed, again at 80 % of its life while the old one still
 * serves, and when a 401 dropped it; at most one fetch is under way, everybody
 * waits for it. A fetch that fails while the old token still serves is tried
 * again later and disturbs nobody. Basic authentication needs none.
 */
#include "fusion_priv.h"
#include "ml/jsonx.h"
#include "ml/log.h"
#include "ml/stat.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
    TOKEN_TIMEOUT_MS = 30 * 1000,
    TOKEN_BODY_MAX = 256 * 1024,
    TOKEN_LIFE_S = 3600, /* when expires_in is not told */
    TOKEN_LIFE_MAX_S = 86400,
    TOKEN_RETRY_US = 10 * 1000000, /* early refresh that failed */
    ASSERTION_LIFE_S = 300,
    ASSERTION_SKEW_S = 30, /* further off it may be refused for its time */
    FORM_MAX = 64 * 1024
};

static void
token_wipe(struct token *t)
{
    secret_free(t->bearer);
    t->bearer = NULL;
}

enum err
token_read(const char *body, size_t len, struct secret **bearer,
           int64_t *life_s, struct fault *why)
{
    json_t *tree = NULL;
    const char *text = NULL;
    bool has = false;
    enum err err = jsonx_parse(body, len, &tree, why);

    if (err != ERR_OK) {
        return fault_set(why, ERR_SYNTAX,
                         "the token endpoint answered something that is not "
                         "JSON; check --fusion-token-url");
    }
    text = jsonx_text(tree, "access_token");
    if (text == NULL || *text == 0 || strpbrk(text, "\r\n") != NULL) {
        json_decref(tree);
        return fault_set(why, ERR_PROMISE,
                         "the token endpoint answered without access_token");
    }
    if (jsonx_get_int(tree, "expires_in", &has, life_s, why) != ERR_OK ||
        !has || *life_s <= 0) {
        *life_s = TOKEN_LIFE_S;
    }
    if (*life_s > TOKEN_LIFE_MAX_S) {
        *life_s = TOKEN_LIFE_MAX_S;
    }
    fault_clear(why);
    *bearer = secret_new(text, strlen(text));
    json_decref(tree);
    return ERR_OK;
}

/* Takes a token from the answer. */
static enum err
token_take(struct fusion *f, const struct http_reply *r, struct fault *why)
{
    struct token *t = &f->token;
    struct secret *bearer = NULL;
    int64_t life = 0;
    int64_t now = loop_now_us(f->loop);
    enum err err = token_read(r->body, r->body_len, &bearer, &life, why);

    if (err != ERR_OK) {
        return err;
    }
    token_wipe(t);
    t->bearer = bearer;
    t->generation++;
    t->refresh_us = now + life * 800000;
    t->expires_us = now + life * 1000000;
    t->retry_us = 0;
    return ERR_OK;
}

/* What the endpoint's clock says, as far as it has told; else ours. */
static int64_t
endpoint_us(const struct fusion *f)
{
    return f->token.clock_known ? loop_now_us(f->loop) + f->token.clock_off_us :
                                  clock_wall_us();
}

/* True: what was signed for this answer was signed far from the endpoint's
 * time. */
static bool
clock_heard(struct fusion *f, const struct http_reply *r)
{
    const char *date = http_header(r, "Date");
    int64_t thought = endpoint_us(f);
    int64_t us = 0;

    if (date == NULL || time_parse_http(date, &us) != ERR_OK) {
        return false;
    }
    f->token.clock_off_us = us - loop_now_us(f->loop);
    f->token.clock_known = true;
    return llabs((long long)(us - thought)) >
           (long long)ASSERTION_SKEW_S * 1000000;
}

static enum err token_fetch(struct fusion *f, struct fault *why);

static void
on_token(void *arg, enum err err, const struct http_reply *r)
{
    struct fusion *f = arg;
    struct token *t = &f->token;
    struct fault why = {0};
    struct log_ctx ctx = {.tenant = f->tenant};

    ML_ASSERT(f->magic == MAGIC_FUSION);
    t->http = NULL;
    if (err != ERR_OK) {
        (void)fault_set(&why, err, "no token: %s",
                        r->message[0] != 0 ? r->message : err_text(err));
    } else if (clock_heard(f, r) && r->status / 100 == 4 &&
               f->private_key != NULL && token_fetch(f, &why) == ERR_OK) {
        return; /* signed anew, for the endpoint's time */
    } else if (r->status < 200 || r->status >= 300) {
        struct answer a = {
            .status = r->status, .body = r->body, .len = r->body_len};

        fusion_hide(f, &a);
        err = error_decode_token(&a, &why);
    } else {
        err = token_take(f, r, &why);
    }
    stat_add(STAT_token_refreshes, err == ERR_OK ? "ok" : err_name(err), NULL,
             1);
    if (err != ERR_OK) {
        char text[LOG_TEXT_MAX];

        LOG_WARN(&ctx, "fusion.token", "error=%s message=\"%s\"", err_name(err),
                 log_safe(text, why.message));
        t->retry_us = loop_now_us(f->loop) + TOKEN_RETRY_US;
    } else {
        LOG_DEBUG(&ctx, "fusion.token_new", "generation=%" PRIu64,
                  t->generation);
    }
    calls_token_told(f, err, &why);
}

/* ---- what is asked for -------------------------------------------------------- */

static void
form_add(struct buf *b, const char *name, const char *value)
{
    if (value == NULL || *value == 0) {
        return;
    }
    buf_addf(b, "%s%s=", b->len == 0 ? "" : "&", name);
    http_encode(b, value);
}

static enum err
form_assertion(struct fusion *f, struct buf *b, const char *field,
               const char *subject, struct fault *why)
{
    struct jwt_claims claims = {
        .issuer = f->client_id,
        .subject = subject,
        .key_id = f->key_id,
        .now_s = endpoint_us(f) / 1000000,
        .life_s = ASSERTION_LIFE_S,
    };
    char *jwt = NULL;
    enum err err = jwt_sign(f->private_key, &claims, &jwt, why);

    if (err == ERR_OK) {
        form_add(b, field, jwt);
        secret_wipe_bytes(jwt, strlen(jwt));
    }
    mem_free(jwt);
    return err;
}

static enum err
form_fill(struct fusion *f, struct buf *b, struct fault *why)
{
    enum err err = ERR_OK;

    if (f->auth == FUSION_CLIENT_CREDENTIALS) {
        form_add(b, "grant_type", "client_credentials");
        form_add(b, "scope", f->scope);
        return ERR_OK;
    }
    form_add(b, "grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer");
    form_add(b, "scope", f->scope);
    err = form_assertion(f, b, "assertion",
                         f->user == NULL ? f->client_id : f->user, why);
    if (err != ERR_OK || f->client_secret != NULL) {
        return err;
    }
    form_add(b, "client_id", f->client_id);
    form_add(b, "client_assertion_type",
             "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
    return form_assertion(f, b, "client_assertion", f->client_id, why);
}

static enum err
token_fetch(struct fusion *f, struct fault *why)
{
    struct buf form;
    struct http_spec spec = {
        .peer = HTTP_FUSION,
        .name = "token",
        .method = "POST",
        .url = f->token_url,
        .content_type = "application/x-www-form-urlencoded;charset=UTF-8",
        .timeout_ms = TOKEN_TIMEOUT_MS,
        .max_body = TOKEN_BODY_MAX,
    };
    enum err err = ERR_OK;

    buf_init(&form, FORM_MAX);
    err = form_fill(f, &form, why);
    if (err == ERR_OK) {
        spec.body = buf_text(&form);
        spec.body_len = form.len;
        if (f->client_secret != NULL) {
            spec.basic_user = f->client_id;
            spec.basic_password = f->client_secret;
        }
        err = http_send(f->http, &spec, on_token, f, &f->token.http);
        if (err != ERR_OK) {
            (void)fault_set(why, err, "--fusion-token-url cannot be used");
        } else {
            f->requests++;
        }
    }
    if (form.data != NULL) {
        secret_wipe_bytes(form.data, form.len);
    }
    buf_fini(&form);
    return err;
}

/* ---- what calls ask ------------------------------------------------------------ */

static void
on_tell(void *arg)
{
    struct fusion *f = arg;

    ML_ASSERT(f->magic == MAGIC_FUSION);
    f->token.failing = false;
    calls_token_told(f, f->token.err, &f->token.fault);
}

static void
token_begin(struct fusion *f, bool usable)
{
    struct token *t = &f->token;
    struct log_ctx ctx = {.tenant = f->tenant};
    struct fault why = {0};
    enum err err = token_fetch(f, &why);
    char text[LOG_TEXT_MAX];

    if (err == ERR_OK) {
        return;
    }
    LOG_WARN(&ctx, "fusion.token", "error=%s message=\"%s\"", err_name(err),
             log_safe(text, why.message));
    stat_add(STAT_token_refreshes, err_name(err), NULL, 1);
    t->retry_us = loop_now_us(f->loop) + TOKEN_RETRY_US;
    if (!usable) {
        t->failing = true;
        t->err = err;
        t->fault = why;
        loop_later(f->loop, &t->tell, on_tell, f);
    }
}

bool
token_ready(struct fusion *f)
{
    struct token *t = &f->token;
    int64_t now = loop_now_us(f->loop);
    bool usable = t->bearer != NULL && now < t->expires_us;

    if (f->auth == FUSION_BASIC) {
        return true;
    }
    if (t->http == NULL && !t->failing &&
        (!usable || (now >= t->refresh_us && now >= t->retry_us))) {
        token_begin(f, usable);
    }
    return usable;
}

void
token_drop(struct fusion *f, uint64_t generation)
{
    if (f->token.generation == generation) {
        token_wipe(&f->token);
    }
}

void
token_accepted(struct fusion *f, uint64_t generation)
{
    if (generation > f->token.accepted) {
        f->token.accepted = generation;
    }
}

void
token_fini(struct fusion *f)
{
    http_cancel(f->token.http);
    f->token.http = NULL;
    loop_call_cancel(&f->token.tell);
    token_wipe(&f->token);
}
