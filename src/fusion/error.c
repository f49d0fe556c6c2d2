/* SPDX-License-Identifier: UNLICENSED */
/*
 * What a failed answer of the pod or of its identity domain means. Pure.
 *
 * Bodies come as ADF's JSON ({"title","status","o:errorDetails":[..]}), as
 * plain text, as HTML of a gateway, or not at all; the status alone decides
 * the error, the body only the words. They go to people: words.c cuts them and
 * leaves out tags and secrets.
 */
#include "fusion_priv.h"
#include "ml/jsonx.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    WORDS_MAX = 320,
    LOCATION_MAX = 200,
    DESCRIPTION_MAX = 160,
    BODY_MAX = 256 * 1024
};

static const struct status_row {
    int status;
    enum err err;
} rows[] = {
    {400, ERR_REFUSED},   {401, ERR_UNAUTHORIZED}, {403, ERR_FORBIDDEN},
    {404, ERR_MISSING},   {408, ERR_TIMEOUT},      {410, ERR_MISSING},
    {429, ERR_THROTTLED}, {503, ERR_MAINTENANCE},  {504, ERR_TIMEOUT},
};

static enum err
status_err(int status)
{
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if (rows[i].status == status) {
            return rows[i].err;
        }
    }
    if (status >= 500) {
        return ERR_UNAVAILABLE;
    }
    if (status >= 300 && status < 400) {
        return ERR_CREDENTIALS;
    }
    return status >= 400 ? ERR_REFUSED : ERR_PROMISE;
}

static bool
looks_like_json(const struct answer *a)
{
    size_t i = 0;

    while (i < a->len && (a->body[i] == ' ' || a->body[i] == '\n' ||
                          a->body[i] == '\r' || a->body[i] == '\t')) {
        i++;
    }
    return i < a->len && (a->body[i] == '{' || a->body[i] == '[');
}

static void
text_words(const struct answer *a, const char *s, char *out, size_t max)
{
    words_take(out, max, s, s == NULL ? 0 : strlen(s), a->hide);
}

static json_t *
body_tree(const struct answer *a)
{
    json_t *tree = NULL;
    struct fault ignored = {0};

    if (a->len > BODY_MAX || !looks_like_json(a) ||
        jsonx_parse(a->body, a->len, &tree, &ignored) != ERR_OK) {
        return NULL;
    }
    return tree;
}

static void
adf_words(const struct answer *a, struct fault *f, char out[WORDS_MAX])
{
    json_t *tree = body_tree(a);
    const json_t *details = json_object_get(tree, "o:errorDetails");
    const json_t *from =
        json_is_array(details) ? json_array_get(details, 0) : NULL;
    const char *detail = NULL;
    size_t n = 0;

    if (from == NULL) {
        from = tree;
    }
    detail = jsonx_text(from, "detail");
    text_words(a, jsonx_text(tree, "title"), out, WORDS_MAX / 2);
    text_words(a, jsonx_text(from, "o:errorCode"), f->code, sizeof(f->code));
    n = strlen(out);
    if (n > 0 && detail != NULL) {
        memcpy(out + n, ": ", 3);
        n += 2;
    }
    text_words(a, detail, out + n, WORDS_MAX - n);
    if (n > 0 && detail != NULL && out[n] == 0) {
        out[n - 2] = 0;
    }
    json_decref(tree);
}

enum err
error_decode(const struct answer *a, struct fault *f)
{
    enum err err = status_err(a->status);
    char words[WORDS_MAX] = "";

    f->http_status = a->status;
    if (a->status >= 300 && a->status < 400) {
        size_t n = a->location == NULL ? 0 : strcspn(a->location, "?#");

        words_take(words, LOCATION_MAX, a->location, n, a->hide);
        return fault_set(f, ERR_CREDENTIALS,
                         "the pod sends the session to a log-in page "
                         "(HTTP %d%s%s): check the kind of authentication "
                         "and the user",
                         a->status, words[0] == 0 ? "" : ", ", words);
    }
    if (looks_like_json(a)) {
        adf_words(a, f, words);
    } else {
        words_take(words, sizeof(words), a->body,
                   a->len > BODY_MAX ? BODY_MAX : a->len, a->hide);
    }
    if (a->status == 400 && a->len == 0) {
        /* Some pods answer so while they are busy. */
        return fault_set(f, ERR_UNAVAILABLE, "HTTP 400 with an empty body");
    }
    if (words[0] == 0) {
        return fault_set(f, err, "HTTP %d without an explanation", a->status);
    }
    return fault_set(f, err, "HTTP %d: %s", a->status, words);
}

/* ---- the token endpoint ---------------------------------------------------- */

static const struct oauth_row {
    const char *error, *check;
} oauth_rows[] = {
    {"invalid_client", "check --fusion-client-id and "
                       "--fusion-client-secret-file, and that the application "
                       "is active in the identity domain"},
    {"invalid_scope", "check --fusion-scope: it is the Fusion application's "
                      "audience and scope written together, without a blank"},
    {"invalid_grant", "check the user, its password or the assertion's key"},
    {"unauthorized_client", "the application may not use this kind of grant: "
                            "allow it in the identity domain"},
    {"unsupported_grant_type", "check --fusion-auth and --fusion-token-url"},
};

static const char *
oauth_check(const char *error)
{
    for (size_t i = 0; i < COUNT_OF(oauth_rows); i++) {
        if (text_equal(error, oauth_rows[i].error)) {
            return oauth_rows[i].check;
        }
    }
    return "check --fusion-client-id, its secret and --fusion-scope";
}

static enum err
oauth_refused(const struct answer *a, struct fault *f)
{
    json_t *tree = body_tree(a);
    char what[DESCRIPTION_MAX];

    text_words(a, jsonx_text(tree, "error"), f->code, sizeof(f->code));
    text_words(a, jsonx_text(tree, "error_description"), what, sizeof(what));
    json_decref(tree);
    return fault_set(f, ERR_CREDENTIALS, "no token: HTTP %d%s%s%s%s; %s",
                     a->status, f->code[0] == 0 ? "" : " ", f->code,
                     what[0] == 0 ? "" : ": ", what, oauth_check(f->code));
}

enum err
error_decode_token(const struct answer *a, struct fault *f)
{
    enum err err = status_err(a->status);

    f->http_status = a->status;
    switch (a->status) {
    case 429:
        return fault_set(f, ERR_THROTTLED,
                         "the identity domain asks to slow down (HTTP 429)");
    case 503:
        return fault_set(f, ERR_UNAVAILABLE,
                         "the identity domain is not available (HTTP 503)");
    case 404:
        return fault_set(f, ERR_CREDENTIALS,
                         "no token: HTTP 404; check --fusion-token-url");
    default:
        break;
    }
    if (a->status >= 300 && a->status < 400) {
        return fault_set(f, ERR_CREDENTIALS,
                         "no token: HTTP %d, a redirect; check "
                         "--fusion-token-url",
                         a->status);
    }
    if (a->status >= 500 || err == ERR_TIMEOUT) {
        return fault_set(f, err, "no token: HTTP %d", a->status);
    }
    return oauth_refused(a, f);
}

void
error_prefix(struct fault *f, const char *what)
{
    char text[FAULT_MESSAGE_MAX];
    size_t n = strlen(what);

    if (strncmp(f->message, what, n) == 0 && f->message[n] == ':') {
        return;
    }
    (void)snprintf(text, sizeof(text), "%s", f->message);
    (void)fault_set(f, f->err, "%s: %s", what,
                    text[0] == 0 ? err_text(f->err) : text);
}

int64_t
error_retry_after_ms(const char *header)
{
    char *end = NULL;
    long seconds = 0;

    if (header == NULL || *header < '0' || *header > '9') {
        return 0;
    }
    seconds = strtol(header, &end, 10);
    if (*end != 0 || seconds < 0 || seconds > 86400) {
        return 0;
    }
    return (int64_t)seconds * 1000;
}
