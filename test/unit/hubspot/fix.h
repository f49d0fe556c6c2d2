/* SPDX-License-Identifier: UNLICENSED */
#ifndef HUBSPOT_FIX_H
#define HUBSPOT_FIX_H

/*
 * Helpers of hubspot's tests: batches of made-up inputs, made-up answers, and
 * outcomes written as one letter per input:
 *
 *     W written  A absent  X rejected  R retry  U unknown; + at the end: split
 */
#include "hubspot_priv.h"
#include "unit.h"

enum { FIX_MAX = 128 };

/* A request whose trace ids are t-0, t-1 ... and the answer to it. */
struct fix {
    struct hubspot_input inputs[FIX_MAX];
    struct hubspot_batch batch;
    struct hubspot_request request;
    struct hubspot_answer answer;
    struct hubspot_decoded decoded;
    char outcomes[FIX_MAX + 2];
    bool encoded, has_decoded;
};

/* n inputs k0, k1 ... (UPSERT, READ) or 100, 101 ... (others; second ends 900,
 * 901 ...), with properties that hold key and name. */
void fix_init(struct fix *x, enum hubspot_verb verb, enum map_object o,
              size_t n);
void fix_encode(struct fix *x);
/* Takes apart an answer of that status and body; gives the outcomes. */
const char *fix_answer(struct fix *x, int status, const char *body);
/* The same of a transfer that broke. */
const char *fix_broken(struct fix *x, enum err err, bool maybe_sent);
void fix_fini(struct fix *x);

#endif
