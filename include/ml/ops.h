/* SPDX-License-Identifier: UNLICENSED */
#ifndef ML_OPS_H
#define ML_OPS_H

/*
 * ops: the worker's HTTP: GET /healthz, /readyz, /metrics and / . libmicrohttpd
 * without a thread of its own, driven from the loop by its epoll descriptor.
 */
#include "ml/base.h"
#include "ml/conf.h"
#include "ml/loop.h"
#include "ml/store.h"
#include "ml/tenant.h"

struct ops;
struct ops_config {
    const char *listen; /* ADDR:PORT, [ADDR6]:PORT or NAME:PORT; "off" */
    const struct secret *admin_token; /* required beyond loopback */
};
/* ERR_CONFIG: the address cannot be used, or it lies beyond loopback without an
 * admin token. "off" gives *out = NULL and ERR_OK. Borrows all. */
MUST_USE enum err ops_open(struct loop *l, struct store *s, struct tenants *t,
                           const struct ops_config *c, struct ops **out,
                           struct fault *f);
void ops_close(struct ops *o, loop_fn *closed, void *arg); /* o is not NULL */
int ops_port(const struct ops *o);                         /* what was bound */

#endif
