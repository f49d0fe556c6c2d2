/* SPDX-License-Identifier: UNLICENSED */
#ifndef ML_TEST_POD_H
#define ML_TEST_POD_H

/*
 * A scripted pod and the fusion that talks to it: loop, http, peer, fusion,
 * opened and closed together. The script is the test's.
 */
#include "fusion_priv.h"
#include "peer.h"

struct pod {
    struct loop *loop;
    struct http *http;
    struct peer *peer;
    struct fusion *f;
    char base[64], token[96];
};

/* `c` says what is not usual; addresses, tenant and secrets may be missing. */
void pod_open(struct pod *p, peer_fn *script, void *arg,
              const struct fusion_config *c);
void pod_close(struct pod *p);

#endif
