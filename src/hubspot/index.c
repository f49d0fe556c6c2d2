/* SPDX-License-Identifier: UNLICENSED */
/*
 * Finds the inputs of a request by what its answer calls them: the trace id,
 * the id that was sent, or the two ends of a pair. Two inputs with the same id
 * are the caller's mistake; then the later one is found.
 */
#include "hubspot_priv.h"

#include <stdio.h>
#include <string.h>

enum { PAIR_MAX = 160 };

static void
fold(char *s)
{
    for (; *s != '\0'; s++) {
        if (*s >= 'A' && *s <= 'Z') {
            *s = (char)(*s - 'A' + 'a');
        }
    }
}

/* E-mail addresses come back in lower case. */
static bool
is_folded(const struct hubspot_request *q)
{
    return q->id_property != NULL && strcmp(q->id_property, "email") == 0;
}

static char *
pair_key(char out[PAIR_MAX], const char *from, const char *to)
{
    (void)snprintf(out, PAIR_MAX, "%s>%s", from, to);
    return out;
}

void
hubspot_index_init(struct hubspot_index *x, const struct hubspot_request *q)
{
    char pair[PAIR_MAX];

    x->q = q;
    map_init(&x->by_id);
    for (size_t i = 0; i < q->n; i++) {
        const struct hubspot_input *in = &q->inputs[i];

        if (hubspot_is_association(q->verb)) {
            (void)map_put(&x->by_id, pair_key(pair, in->id, in->to),
                          &q->inputs[i]);
        } else if (is_folded(q)) {
            char *key = mem_strdup(in->id);

            fold(key);
            (void)map_put(&x->by_id, key, &q->inputs[i]);
            mem_free(key);
        } else {
            (void)map_put(&x->by_id, in->id, &q->inputs[i]);
        }
    }
}

void
hubspot_index_fini(struct hubspot_index *x)
{
    map_fini(&x->by_id);
}

static int
position(const struct hubspot_index *x, const struct hubspot_input *in)
{
    return in != NULL ? (int)(in - x->q->inputs) : HUBSPOT_NOBODY;
}

/* <trace>-<i>, to the letter. */
int
hubspot_index_trace(const struct hubspot_index *x, const char *trace)
{
    size_t n = strlen(x->q->trace);
    const char *digits;
    size_t i = 0;

    if (trace == NULL || strncmp(trace, x->q->trace, n) != 0 ||
        trace[n] != '-') {
        return HUBSPOT_NOBODY;
    }
    digits = trace + n + 1;
    if (digits[0] == '\0' || strlen(digits) > 4 ||
        digits[strspn(digits, "0123456789")] != '\0') {
        return HUBSPOT_NOBODY;
    }
    for (; *digits != '\0'; digits++) {
        i = i * 10 + (size_t)(*digits - '0');
    }
    return i < x->q->n ? (int)i : HUBSPOT_NOBODY;
}

int
hubspot_index_id(const struct hubspot_index *x, const char *id)
{
    char *key;
    int i;

    if (id == NULL) {
        return HUBSPOT_NOBODY;
    }
    if (!is_folded(x->q)) {
        return position(x, map_get(&x->by_id, id));
    }
    key = mem_strdup(id);
    fold(key);
    i = position(x, map_get(&x->by_id, key));
    mem_free(key);
    return i;
}

int
hubspot_index_pair(const struct hubspot_index *x, const char *from,
                   const char *to)
{
    char pair[PAIR_MAX];

    if (from == NULL || to == NULL) {
        return HUBSPOT_NOBODY;
    }
    return position(x, map_get(&x->by_id, pair_key(pair, from, to)));
}
