/* SPDX-License-Identifier: UNLICENSED */
/*
 * Weighted fair shares by strides: each charge moves a class forward by
 * cost / weight, and the class furthest behind goes next. A class that had no
 * work starts where the last pick was, so idling saves up nothing. Classes of
 * weight 0 take turns among themselves, only when no other has work.
 */
#include "ml/policy.h"

#include <string.h>

#define STRIDE (UINT64_C(1) << 20)

static const char *const names[WORK_CLASSES] = {
    [WORK_FRESH] = "fresh",         [WORK_RETRY] = "retry",
    [WORK_REPLAY] = "replay",       [WORK_BACKFILL] = "backfill",
    [WORK_RECONCILE] = "reconcile",
};

const char *
work_class_name(enum work_class c)
{
    ML_ASSERT(c < WORK_CLASSES);
    return names[c];
}

bool
work_class_parse(const char *name, enum work_class *out)
{
    *out = WORK_FRESH;
    for (int i = 0; i < WORK_CLASSES && name != NULL; i++) {
        if (strcmp(names[i], name) == 0) {
            *out = (enum work_class)i;
            return true;
        }
    }
    return false;
}

void
share_init(struct share *s, const unsigned *weights, unsigned n)
{
    ML_ASSERT(n <= SHARE_MAX);
    *s = (struct share){.n = n};
    for (unsigned i = 0; i < n; i++) {
        s->weight[i] = weights[i];
    }
}

/* The class furthest behind among those with work and, or without, weight. */
static int
furthest_behind(const struct share *s, unsigned has_work, bool weighted)
{
    int best = -1;

    for (unsigned i = 0; i < s->n; i++) {
        if ((has_work & BIT(i)) == 0 || (s->weight[i] > 0) != weighted) {
            continue;
        }
        if (best < 0 || s->pass[i] < s->pass[best]) {
            best = (int)i;
        }
    }
    return best;
}

int
share_pick(struct share *s, unsigned has_work)
{
    int best;

    for (unsigned i = 0; i < s->n; i++) {
        if ((has_work & BIT(i)) != 0 && s->weight[i] > 0 &&
            s->pass[i] < s->now) {
            s->pass[i] = s->now;
        }
    }
    best = furthest_behind(s, has_work, true);
    if (best < 0) {
        return furthest_behind(s, has_work, false);
    }
    s->now = s->pass[best];
    return best;
}

void
share_charge(struct share *s, unsigned i, unsigned cost)
{
    ML_ASSERT(i < s->n);
    s->pass[i] += cost * STRIDE / (s->weight[i] > 0 ? s->weight[i] : 1);
}

unsigned
share_part(const struct share *s, unsigned i, unsigned whole)
{
    uint64_t sum = 0;

    ML_ASSERT(i < s->n);
    for (unsigned k = 0; k < s->n; k++) {
        sum += s->weight[k];
    }
    return sum > 0 ?
               (unsigned)(((uint64_t)whole * s->weight[i] + sum - 1) / sum) :
               0;
}
