/* SPDX-License-Identifier: UNLICENSED */
/*
 * Helpers of hubspot's tests, and their main.
 */
#include "fix.h"

static char ids[FIX_MAX][24];
static char ends[FIX_MAX][24];
static char properties[FIX_MAX][128];

void
fix_init(struct fix *x, enum hubspot_verb verb, enum map_object o, size_t n)
{
    bool keys = verb == HUBSPOT_UPSERT || verb == HUBSPOT_READ ||
                verb == HUBSPOT_CREATE;

    memset(x, 0, sizeof(*x));
    IS(n <= FIX_MAX);
    for (size_t i = 0; i < n; i++) {
        (void)snprintf(ids[i], sizeof(ids[i]), keys ? "k%zu" : "%zu",
                       keys ? i : 100 + i);
        (void)snprintf(ends[i], sizeof(ends[i]), "%zu", 900 + i);
        x->inputs[i].id = ids[i];
        (void)snprintf(properties[i], sizeof(properties[i]),
                       "{\"%s\":\"%s\",\"name\":\"N%zu\"}", map_object_key(o),
                       x->inputs[i].id, i);
        x->inputs[i].to = ends[i];
        x->inputs[i].properties = properties[i];
    }
    x->batch.verb = verb;
    x->batch.object = o;
    x->batch.to = MAP_COMPANIES;
    x->batch.id_property = verb == HUBSPOT_READ ? map_object_key(o) : NULL;
    x->batch.inputs = x->inputs;
    x->batch.n = n;
}

void
fix_encode(struct fix *x)
{
    if (!x->encoded) {
        OK(hubspot_encode("2026-03", &x->batch, "t", &x->request));
        x->encoded = true;
    }
}

static const char *
take_apart(struct fix *x)
{
    const struct hubspot_reply *r = &x->decoded.reply;

    fix_encode(x);
    if (x->has_decoded) {
        hubspot_decoded_fini(&x->decoded);
    }
    hubspot_decode(&x->request, &x->answer, &x->decoded);
    x->has_decoded = true;
    EQ_UINT(r->n, x->batch.n);
    for (size_t i = 0; i < r->n; i++) {
        x->outcomes[i] = "WAXRU"[r->results[i].outcome];
    }
    x->outcomes[r->n] = '\0';
    if (r->split) {
        x->outcomes[r->n] = '+';
        x->outcomes[r->n + 1] = '\0';
    }
    return x->outcomes;
}

const char *
fix_answer(struct fix *x, int status, const char *body)
{
    x->answer.err = ERR_OK;
    x->answer.status = status;
    x->answer.body = body;
    x->answer.body_len = strlen(body);
    return take_apart(x);
}

const char *
fix_broken(struct fix *x, enum err err, bool maybe_sent)
{
    x->answer.err = err;
    x->answer.status = 0;
    x->answer.body = "";
    x->answer.body_len = 0;
    x->answer.maybe_sent = maybe_sent;
    return take_apart(x);
}

void
fix_fini(struct fix *x)
{
    if (x->has_decoded) {
        hubspot_decoded_fini(&x->decoded);
    }
    if (x->encoded) {
        hubspot_request_fini(&x->request);
    }
}

MAIN(encode, create, answer, accepted, refused, provision, scopes, send)
