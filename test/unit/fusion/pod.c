/* SPDX-License-Identifier: UNLICENSED */
/*
 * See pod.h. The loop must end without a handle, as everywhere.
 */
#include "pod.h"
#include "ml/stat.h"
#include "unit.h"

void
pod_open(struct pod *p, peer_fn *script, void *arg,
         const struct fusion_config *c)
{
    struct http_config h = {.ca_file = NULL};
    struct secret *secret = secret_new("hidden-word", 11);
    struct fusion_config config = *c;
    struct fault f = {0};

    memset(p, 0, sizeof(*p));
    p->loop = loop_new();
    OK(http_open(p->loop, &h, &p->http, &f));
    p->peer = peer_start(script, arg, NULL, NULL);
    (void)snprintf(p->base, sizeof(p->base), "http://127.0.0.1:%u",
                   peer_port(p->peer));
    (void)snprintf(p->token, sizeof(p->token), "%s/token", p->base);
    config.tenant = "t";
    config.base_url = p->base;
    config.token_url = p->token;
    config.client_id = config.client_id == NULL ? "c" : config.client_id;
    config.scope = config.scope == NULL ? "urn:a b" : config.scope;
    config.user = config.user == NULL ? "u" : config.user;
    config.password = config.password == NULL ? secret : config.password;
    if (config.client_secret == NULL && config.private_key == NULL) {
        config.client_secret = secret;
    }
    config.timeout_ms = config.timeout_ms == 0 ? 20000 : config.timeout_ms;
    config.parallel = config.parallel == 0 ? 4 : config.parallel;
    p->f = fusion_new(p->loop, p->http, &config);
    secret_free(secret);
}

static void
on_closed(void *arg)
{
    struct pod *p = arg;

    p->http = NULL;
    loop_stop(p->loop);
}

void
pod_close(struct pod *p)
{
    fusion_free(p->f);
    http_close(p->http, on_closed, p);
    loop_run(p->loop);
    EQ_PTR(p->http, NULL);
    OK(loop_free(p->loop));
    peer_stop(p->peer);
    stat_reset();
}
