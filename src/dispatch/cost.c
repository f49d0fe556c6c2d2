/* SPDX-License-Identifier: UNLICENSED */
/*
 * What writing costs, in requests. Pure; the one place that knows which inputs
 * share a batch: as many kinds of batches as lanes, each with its limit.
 *
 * Counted as if every batch left full. What really leaves is a little more:
 * the last batches of customers, of invoices and of payments follow one
 * another, and lanes do not wait for ever to be full.
 */
#include "dispatch_priv.h"

enum { INPUTS_MAX = 100, ASSOCIATIONS_MAX = 2000 };

static uint64_t
batches(uint64_t inputs, uint64_t max)
{
    return (inputs + max - 1) / max;
}

/* Whether objects are created apart from updates, with their associations in
 * the same input. */
static const bool created_with_associations = false;

/* ---- by lane ------------------------------------------------------------ */

struct sums {
    uint64_t requests;
    json_t *by; /* NULL: not wanted */
};

static void
sum_add(struct sums *s, const char *what, const char *verb, uint64_t inputs,
        uint64_t max)
{
    uint64_t n = batches(inputs, max);

    s->requests += n;
    if (n > 0 && s->by != NULL) {
        char *key = mem_printf("%s.%s", what, verb);

        json_object_set_new(s->by, key, json_integer((json_int_t)n));
        mem_free(key);
    }
}

static void
sum_objects(struct sums *s, const struct cost_counts *c)
{
    for (unsigned o = 0; o < MAP_OBJECTS; o++) {
        const char *name = map_object_name((enum map_object)o);

        sum_add(s, name, "read", c->read[o], INPUTS_MAX);
        if (created_with_associations) {
            sum_add(s, name, "create", c->created[o], INPUTS_MAX);
            sum_add(s, name, "upsert", c->updated[o], INPUTS_MAX);
        } else {
            sum_add(s, name, "upsert", c->created[o] + c->updated[o],
                    INPUTS_MAX);
        }
        sum_add(s, name, "archive", c->archived[o], INPUTS_MAX);
    }
}

static void
sum_associations(struct sums *s, const struct cost_counts *c)
{
    size_t n;
    const struct map_association *table = map_associations(&n);

    ML_ASSERT(n == COST_ASSOCIATIONS);
    for (size_t i = 0; i < n; i++) {
        char *what = mem_printf("%s-%s", map_object_name(table[i].from),
                                map_object_name(table[i].to));
        uint64_t apart = c->joined[i];

        if (!created_with_associations) {
            apart += c->joined_new[i];
        }
        sum_add(s, what, "associate", apart, ASSOCIATIONS_MAX);
        sum_add(s, what, "dissociate", c->parted[i], ASSOCIATIONS_MAX);
        mem_free(what);
    }
}

static void
sum_all(struct sums *s, const struct cost_counts *c)
{
    sum_objects(s, c);
    sum_associations(s, c);
    sum_add(s, map_object_name(MAP_INVOICES), "status", c->status, INPUTS_MAX);
}

uint64_t
cost_requests(const struct cost_counts *c)
{
    struct sums s = {0};

    sum_all(&s, c);
    return s.requests;
}

json_t *
cost_operations(const struct cost_counts *c)
{
    struct sums s = {.by = json_object()};

    sum_all(&s, c);
    return s.by;
}
