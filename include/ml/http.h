/* SPDX-License-Identifier: UNLICENSED */
#ifndef ML_HTTP_H
#define ML_HTTP_H

/*
 * http: libcurl multi by socket action on the loop. Requests to Fusion pods are
 * spread over several multi handles (at most 250 hosts each); HubSpot has its
 * own. Keep-alive, TLS verified, no redirects, no proxies from the environment,
 * a deadline and a body ceiling on each transfer. HTTP/1.1.
 */
#include "ml/base.h"
#include "ml/loop.h"

struct http;
struct http_op;

struct http_config {
    const char *ca_file;    /* PEM added to the system's bundle; NULL: none */
    const char *proxy;      /* NULL: none */
    const char *user_agent; /* NULL: ml-connector/<version> */
};
/* ERR_FILE / ERR_CONFIG when the CA file is not usable. Borrows the loop. */
MUST_USE enum err http_open(struct loop *l, const struct http_config *c,
                            struct http **out, struct fault *f);
/* Silently cancels what is under way, closes handles and connections, then
 * calls closed, once, on a later turn. */
void http_close(struct http *h, loop_fn *closed, void *arg);

enum http_peer { HTTP_FUSION, HTTP_HUBSPOT };

struct http_spec {
    enum http_peer peer;
    const char *name;   /* what it is, for the log: "invoices.create" */
    const char *method; /* "GET" "POST" "PATCH" "PUT" "DELETE" */
    const char *url;
    const char *const *headers; /* NULL-terminated "Name: value"; may be NULL */
    const struct secret *bearer; /* Authorization: Bearer */
    const char *basic_user;      /* or Basic with basic_password */
    const struct secret *basic_password;
    const char *body; /* copied; NULL: none. Never re-sent by libcurl: a reused
                         connection that dies gives ERR_RESET */
    size_t body_len;
    const char *content_type; /* NULL: application/json when there is a body */
    int64_t timeout_ms;       /* whole transfer */
    const int64_t *until_us;  /* monotonic, looked at before anything of it
                                 leaves: later than that nothing does
                                 (ERR_TIMEOUT). Borrowed to the end; NULL:
                                 whenever it can */
    size_t max_body;          /* of the decoded answer; 0: 64 MiB */
};

/* Borrowed until done returns. */
struct http_reply {
    int status;       /* 0 when no answer */
    const char *body; /* NUL-terminated, "" when none; also partly there on
                         failure */
    size_t body_len;
    int64_t sent_us;     /* monotonic: handed to libcurl */
    int64_t answered_us; /* monotonic: last byte, or the failure */
    bool maybe_sent;     /* on failure: the request may have reached the peer */
    char message[256];   /* on failure: libcurl's words */
    const void *inner;
};
/* A header of the answer, any case, first one; NULL when absent. */
const char *http_header(const struct http_reply *r, const char *name);

/* err OK: an answer of any status is there. Else RESOLVE CONNECT TLS TIMEOUT
 * RESET TOO_LARGE SYNTAX (not HTTP). Runs once, on a later turn, never from
 * inside http_send, never after cancel; may do anything, also http_close. */
typedef void http_done_fn(void *arg, enum err err, const struct http_reply *r);

/* Everything in spec is copied. ERR_USAGE for a URL, method or header that
 * cannot be used (scheme other than https, or http beyond loopback; a line feed
 * in a header), ERR_FULL when too many wait already, ERR_CLOSED while closing.
 * What waits to be started does not wait in its timeout_ms. */
MUST_USE enum err http_send(struct http *h, const struct http_spec *spec,
                            http_done_fn *done, void *arg, struct http_op **op);
void http_cancel(struct http_op *op); /* NULL does nothing; silences done */
size_t http_in_flight(const struct http *h);

/* Whether a peer's base URL may be used: https, or http to a loopback address.
 * ERR_USAGE with the reason. Pure. */
MUST_USE enum err http_check_url(const char *url, struct fault *f);
/* Percent-encodes one query value or path segment onto b. */
void http_encode(struct buf *b, const char *s);

#endif
