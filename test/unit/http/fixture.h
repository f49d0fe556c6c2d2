/* SPDX-License-Identifier: UNLICENSED */
#ifndef ML_TEST_HTTP_FIXTURE_H
#define ML_TEST_HTTP_FIXTURE_H

/*
 * An engine and a peer for one test, and a transfer that remembers its end.
 */
#include "ml/http.h"
#include "peer.h"
#include "unit.h"

struct fx {
    struct loop *loop;
    struct http *http;
    struct peer *peer;
    char base[64]; /* http://127.0.0.1:port or https://... */
    char ca[64];
    unsigned closed;
};

struct end {
    struct fx *fx;
    struct http_op *op;
    unsigned done;
    enum err err;
    int status;
    bool maybe_sent;
    char message[256];
    char body[4096]; /* its begin */
    size_t body_len;
    char header[256];  /* of X-Test */
    struct end *other; /* cancelled from done */
    bool closes;       /* closes the engine from done */
    unsigned *left;    /* stops the loop at 0 */
};

void fx_open(struct fx *fx, peer_fn *fn, void *arg);
void fx_open_tls(struct fx *fx, peer_fn *fn, const struct peer_cert *cert,
                 bool trusted);
/* Closes all and checks that nothing is left. */
void fx_close(struct fx *fx);
/* Only what is left after the engine closed itself. */
void fx_end(struct fx *fx);
void on_closed(void *arg);
void on_end(void *arg, enum err err, const struct http_reply *r);
/* Method, path and body (NULL: none) with 10 s to go. */
void start(struct fx *fx, struct end *e, const char *method, const char *path,
           const char *body);
void start_spec(struct fx *fx, struct end *e, struct http_spec *spec,
                const char *path);
void wait_for(struct fx *fx, struct end *e);
/* Turns the loop until the peer has read n requests. */
void wait_requests(struct fx *fx, unsigned n);

#endif
