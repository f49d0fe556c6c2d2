/* SPDX-License-Identifier: UNLICENSED */
/*
 * What an answer says about itself: the error it stands for, whether the
 * request may have worked nevertheless, what the rate headers tell, and the
 * latest moment at which the request can have reached the server.
 *
 * Nothing is believed that does not fit: a body may be HTML, cut off or of
 * other types than promised, a header may be absent or absurd.
 */
#include "hubspot_priv.h"

#include "ml/jsonx.h"

#include <string.h>

enum { SECOND_US = 1000000, WAIT_MAX_S = 7 * 24 * 3600 };

/* A number of up to 15 digits and nothing else; -1 otherwise. */
static int64_t
whole_number(const char *s)
{
    int64_t v = 0;
    size_t n = s != NULL ? strspn(s, "0123456789") : 0;

    if (n == 0 || n > 15 || s[n] != '\0') {
        return -1;
    }
    for (size_t i = 0; i < n; i++) {
        v = v * 10 + (s[i] - '0');
    }
    return v;
}

static int
small_number(const char *s)
{
    int64_t v = whole_number(s);

    return v >= 0 && v <= 1000000000 ? (int)v : -1;
}

/* Seconds, or a date set against the answer's own. */
static int64_t
retry_after_us(const struct hubspot_headers *h)
{
    int64_t seconds = whole_number(h->retry_after);
    int64_t until;
    int64_t now;

    if (seconds < 0 && h->retry_after != NULL && h->date != NULL &&
        time_parse_http(h->retry_after, &until) == ERR_OK &&
        time_parse_http(h->date, &now) == ERR_OK) {
        seconds = until > now ? (until - now) / SECOND_US : 0;
    }
    if (seconds < 0) {
        return -1;
    }
    return (seconds > WAIT_MAX_S ? WAIT_MAX_S : seconds) * SECOND_US;
}

static void
read_headers(const struct hubspot_headers *h, struct hubspot_meta *m)
{
    int interval_ms = small_number(h->interval_ms);

    m->remaining = small_number(h->remaining);
    m->max = small_number(h->max);
    m->interval_us = interval_ms > 0 ? (int64_t)interval_ms * 1000 : 0;
    m->daily_remaining = whole_number(h->daily_remaining);
    m->retry_after_us = retry_after_us(h);
    if (h->correlation != NULL) {
        text_copy(m->fault.correlation, sizeof(m->fault.correlation),
                  h->correlation);
    }
}

/* The server worked from startedAt to completedAt: what its arrival is proven
 * by. */
static void
read_work(const json_t *root, struct hubspot_meta *m)
{
    const char *started = jsonx_text(root, "startedAt");
    const char *completed = jsonx_text(root, "completedAt");
    int64_t from;
    int64_t to;

    if (started == NULL || completed == NULL ||
        time_parse(started, strlen(started), &from) != ERR_OK ||
        time_parse(completed, strlen(completed), &to) != ERR_OK) {
        return;
    }
    if (to >= from && to - from <= m->answered_us - m->sent_us) {
        m->worked_from_us = from;
        m->worked_to_us = to;
    }
}

static enum err
status_err(int status)
{
    switch (status) {
    case 401:
        return ERR_CREDENTIALS;
    case 403:
        return ERR_FORBIDDEN;
    case 404:
        return ERR_MISSING;
    case 409:
        return ERR_CONFLICT;
    case 408:
        return ERR_UNAVAILABLE;
    case 423:
        return ERR_LOCKED;
    case 429:
        return ERR_THROTTLED;
    case 477:
        return ERR_MAINTENANCE;
    default:
        break;
    }
    if (status >= 200 && status < 300) {
        return ERR_OK;
    }
    if (status >= 400 && status < 500) {
        return ERR_REFUSED;
    }
    return status >= 500 ? ERR_UNAVAILABLE : ERR_PROMISE;
}

/* A server error that may come after the work was done. 503 is said before any
 * work; 521, 523, 525 and 526 by the gateway that found no server. */
static bool
may_have_worked(int status)
{
    return status >= 500 && status != 503 && status != 521 && status != 523 &&
           status != 525 && status != 526;
}

static bool
same_word(const char *a, const char *b)
{
    size_t i = 0;

    if (a == NULL) {
        return false;
    }
    while (a[i] != '\0' && b[i] != '\0' && (a[i] | 0x20) == (b[i] | 0x20)) {
        i++;
    }
    return a[i] == '\0' && b[i] == '\0';
}

/* Whether a 429 is the day's: by policy, else by its words. */
static bool
is_daily(const json_t *root)
{
    const char *policy = jsonx_text(root, "policyName");
    const char *message = jsonx_text(root, "message");

    if (policy != NULL) {
        return same_word(policy, "DAILY");
    }
    return message != NULL && strstr(message, "daily limit") != NULL;
}

static void
set_code(struct fault *f, const char *code)
{
    if (code != NULL && code[0] != '\0') {
        text_copy(f->code, sizeof(f->code), code);
    }
}

/* The words of a refused answer; HTML and the like are not repeated. */
static void
read_refusal(const json_t *root, const char *body, struct hubspot_meta *m)
{
    struct fault *f = &m->fault;
    const char *message = jsonx_text(root, "message");

    if (message != NULL && message[0] != '\0') {
        (void)fault_set(f, f->err, "%s", message);
    } else if (body == NULL || body[0] == '\0') {
        (void)fault_set(f, f->err, "status %d without a body", m->status);
    } else {
        (void)fault_set(f, f->err, "status %d with %s", m->status,
                        root != NULL ? "a body that gives no reason" :
                                       "a body that is not JSON");
    }
    set_code(f, jsonx_text(root, "category"));
    if (m->status == 429) {
        set_code(f, jsonx_text(root, "policyName"));
        m->daily = is_daily(root);
        f->err = m->daily ? ERR_QUOTA : ERR_THROTTLED;
    }
    if (m->status == 403) {
        hubspot_detail_scopes(root, f);
    }
}

static void
read_broken(const struct hubspot_answer *a, bool write, struct hubspot_meta *m)
{
    const char *why = a->message != NULL && a->message[0] != '\0' ?
                          a->message :
                          err_text(a->err);

    m->maybe_done = write && a->maybe_sent;
    (void)fault_set(&m->fault, m->maybe_done ? ERR_UNKNOWN : a->err, "%s: %s",
                    err_name(a->err), why);
}

/* A 2xx whose body cannot be used. */
static void
read_unusable(const struct hubspot_answer *a, bool write, enum err err,
              const char *why, struct hubspot_meta *m)
{
    m->maybe_done = write;
    (void)fault_set(&m->fault, write ? ERR_UNKNOWN : err,
                    "status %d, but the answer cannot be used: %s", a->status,
                    why);
}

static bool
is_blank(const struct hubspot_answer *a)
{
    for (size_t i = 0; i < a->body_len; i++) {
        if (strchr(" \t\r\n", a->body[i]) == NULL) {
            return false;
        }
    }
    return true;
}

static void
read_accepted(const struct hubspot_answer *a, bool write,
              enum hubspot_promise promise, const struct fault *syntax,
              struct hubspot_meta *m, const json_t *root)
{
    if (root != NULL &&
        (json_is_object(root) || promise != HUBSPOT_PROMISE_OBJECT)) {
        return;
    }
    if (is_blank(a)) {
        if (promise != HUBSPOT_PROMISE_ANY) {
            read_unusable(a, write, ERR_PROMISE, "it is empty", m);
        }
        return;
    }
    read_unusable(a, write, ERR_SYNTAX,
                  root != NULL ? "it is no object" : syntax->message, m);
}

void
hubspot_answer_read(const struct hubspot_answer *a, bool write,
                    enum hubspot_promise promise, struct hubspot_meta *m,
                    json_t **root)
{
    struct fault syntax;

    memset(m, 0, sizeof(*m));
    *root = NULL;
    m->sent_us = a->sent_us;
    m->answered_us = a->answered_us;
    read_headers(&a->headers, m);
    if (a->err != ERR_OK) {
        read_broken(a, write, m);
        return;
    }
    m->status = a->status;
    m->fault.http_status = a->status;
    fault_clear(&syntax);
    if (!is_blank(a) &&
        jsonx_parse(a->body, a->body_len, root, &syntax) != ERR_OK) {
        *root = NULL;
    }
    read_work(*root, m);
    if (m->fault.correlation[0] == '\0' &&
        jsonx_text(*root, "correlationId") != NULL) {
        text_copy(m->fault.correlation, sizeof(m->fault.correlation),
                  jsonx_text(*root, "correlationId"));
    }
    m->fault.err = status_err(a->status);
    if (m->fault.err == ERR_OK) {
        read_accepted(a, write, promise, &syntax, m, *root);
        return;
    }
    m->maybe_done = write && may_have_worked(a->status);
    if (m->maybe_done && (a->status == 504 || a->status == 524)) {
        m->fault.err = ERR_UNKNOWN;
    }
    read_refusal(*root, a->body, m);
}
