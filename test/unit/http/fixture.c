/* SPDX-License-Identifier: UNLICENSED */
/* See fixture.h. */
#include "fixture.h"

#include <unistd.h>

static void
open_engine(struct fx *fx, const char *ca)
{
    struct http_config config = {.ca_file = ca};
    struct fault f;

    fault_clear(&f);
    fx->loop = loop_new();
    OK(http_open(fx->loop, &config, &fx->http, &f));
}

void
fx_open(struct fx *fx, peer_fn *fn, void *arg)
{
    memset(fx, 0, sizeof(*fx));
    fx->peer = peer_start(fn, arg, NULL, NULL);
    (void)snprintf(fx->base, sizeof(fx->base), "http://127.0.0.1:%u",
                   peer_port(fx->peer));
    open_engine(fx, NULL);
}

void
fx_open_tls(struct fx *fx, peer_fn *fn, const struct peer_cert *cert,
            bool trusted)
{
    memset(fx, 0, sizeof(*fx));
    fx->peer = peer_start(fn, NULL, cert, fx->ca);
    (void)snprintf(fx->base, sizeof(fx->base), "https://127.0.0.1:%u",
                   peer_port(fx->peer));
    open_engine(fx, trusted ? fx->ca : NULL);
}

void
on_closed(void *arg)
{
    ((struct fx *)arg)->closed++;
}

void
fx_end(struct fx *fx)
{
    loop_run(fx->loop);
    EQ_INT(fx->closed, 1);
    OK(loop_free(fx->loop));
    peer_stop(fx->peer);
}

void
fx_close(struct fx *fx)
{
    http_close(fx->http, on_closed, fx);
    EQ_INT(fx->closed, 0);
    fx_end(fx);
}

void
on_end(void *arg, enum err err, const struct http_reply *r)
{
    struct end *e = arg;
    const char *header = http_header(r, "x-test");

    e->op = NULL;
    e->done++;
    e->err = err;
    e->status = r->status;
    e->maybe_sent = r->maybe_sent;
    e->body_len = r->body_len;
    (void)snprintf(e->message, sizeof(e->message), "%s", r->message);
    (void)snprintf(e->body, sizeof(e->body), "%.4000s", r->body);
    (void)snprintf(e->header, sizeof(e->header), "%s",
                   header != NULL ? header : "");
    IS(r->answered_us >= r->sent_us && r->sent_us > 0);
    if (e->other != NULL) {
        http_cancel(e->other->op);
    }
    if (e->closes) {
        http_close(e->fx->http, on_closed, e->fx);
    }
    if (e->left == NULL || --*e->left == 0) {
        loop_stop(e->fx->loop);
    }
}

void
start_spec(struct fx *fx, struct end *e, struct http_spec *spec,
           const char *path)
{
    char url[256];

    (void)snprintf(url, sizeof(url), "%s%s", fx->base, path);
    spec->url = url;
    if (spec->timeout_ms == 0) {
        spec->timeout_ms = 10000;
    }
    e->fx = fx;
    OK(http_send(fx->http, spec, on_end, e, &e->op));
    IS(e->op != NULL);
    EQ_INT(e->done, 0);
}

void
start(struct fx *fx, struct end *e, const char *method, const char *path,
      const char *body)
{
    struct http_spec spec = {.method = method,
                             .body = body,
                             .body_len = body != NULL ? strlen(body) : 0};

    start_spec(fx, e, &spec, path);
}

void
wait_for(struct fx *fx, struct end *e)
{
    while (e->done == 0) {
        loop_run(fx->loop);
    }
    EQ_INT(e->done, 1);
}

void
wait_requests(struct fx *fx, unsigned n)
{
    while (peer_requests(fx->peer) < n) {
        loop_turn(fx->loop, 1);
    }
}
