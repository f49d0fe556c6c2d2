/* SPDX-License-Identifier: UNLICENSED */
/*
 * How long to wait before trying again: exponential with full jitter, so that
 * many who failed together do not come back together. The wait is drawn from
 * the whole range, but never below half the base (nor above the cap): a retry
 * is never "at once".
 */
#include "ml/policy.h"

int64_t
backoff_ms(unsigned attempt, int64_t base_ms, int64_t cap_ms, double random)
{
    int64_t range = base_ms < cap_ms ? base_ms : cap_ms;
    int64_t least = range < base_ms / 2 ? range : base_ms / 2;
    int64_t wait;

    ML_ASSERT(base_ms >= 0 && cap_ms >= 0 && random >= 0 && random < 1);
    for (; attempt > 0 && range < cap_ms; attempt--) {
        range = range < cap_ms / 2 ? range * 2 : cap_ms;
        if (range == 0) {
            break;
        }
    }
    wait = (int64_t)((double)range * random);
    return wait > least ? wait : least;
}
