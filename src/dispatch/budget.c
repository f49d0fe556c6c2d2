/* SPDX-License-Identifier: UNLICENSED */
/*
 * The budget around one answer: what it proves about the limit, and what a
 * refusal for speed asks for.
 *
 * A 429 of the burst policy stops the portal, one of a limit per second only
 * the kind of request it was about. `Retry-After` is honoured whatever the
 * answer is.
 */
#include "dispatch_priv.h"

#include <string.h>

enum {
    SECOND_MS = 1000, /* a limit per second that says no more */
    MOVING_MS = 60000 /* 477: the portal moves to another data centre */
};

/* One line when HubSpot stops answering, one when it is back. */
static void
note_outage(struct dispatch *d, const struct hubspot_meta *m)
{
    char safe[LOG_TEXT_MAX];
    bool away = m->status == 0 || m->status >= 500;

    if (away && !d->away) {
        LOG_WARN(NULL, "hubspot.away",
                 "portal=%s status=%d error=%s message=\"%s\"", d->portal,
                 m->status, err_name(m->fault.err),
                 log_safe(safe, m->fault.message));
    } else if (!away && d->away) {
        LOG_INFO(NULL, "hubspot.back", "portal=%s", d->portal);
    }
    d->away = away;
}

/* The latest time at which the request can have been there. */
static int64_t
arrived_us(struct dispatch *d, const struct permit *t,
           const struct hubspot_meta *m, int64_t now_us)
{
    if (m->worked_to_us == 0) {
        return m->answered_us > 0 ? m->answered_us : now_us;
    }
    return permits_arrived_us(&d->permits, t, m->answered_us, m->worked_from_us,
                              m->worked_to_us);
}

/* A limit per second of one kind of request (search), no matter of ours. */
static bool
is_secondly(const struct hubspot_meta *m)
{
    return m->status == 429 && strcmp(m->fault.code, "SECONDLY") == 0;
}

int64_t
budget_pause(const struct hubspot_meta *m)
{
    if (!is_secondly(m)) {
        return 0;
    }
    return clock_mono_us() + (m->retry_after_us >= 0 ?
                                  m->retry_after_us :
                                  SECOND_MS * INT64_C(1000));
}

static void
throttled(struct dispatch *d, const struct hubspot_meta *m, int64_t now_us)
{
    double random = (double)(random_u64() >> 11) * 0x1.0p-53;

    d->status.throttled++;
    stat_add(STAT_hubspot_throttled, m->fault.code, NULL, 1);
    if (is_secondly(m)) {
        return;
    }
    permits_throttled(&d->permits, now_us,
                      m->daily && m->retry_after_us < 0 ? INT64_C(600000000) :
                                                          m->retry_after_us,
                      random);
}

/* The portal moves, or its servers ask for a pause: nothing of it answers until
 * then. */
static void
wait_as_told(struct dispatch *d, const struct hubspot_meta *m, int64_t now_us)
{
    int64_t wait_us = m->retry_after_us;

    if (wait_us < 0 && m->status == 477) {
        wait_us = MOVING_MS * INT64_C(1000);
    }
    if (wait_us >= 0) {
        permits_throttled(&d->permits, now_us, wait_us, 0);
    } else {
        permits_answered(&d->permits);
    }
}

void
budget_settle(struct dispatch *d, const struct permit *t,
              const struct hubspot_meta *m)
{
    int64_t now_us = clock_mono_us();

    note_outage(d, m);
    permits_settle(&d->permits, now_us, arrived_us(d, t, m, now_us));
    if (m->max > 0 && m->interval_us > 0) {
        permits_server_limit(&d->permits, (unsigned)m->max, m->interval_us);
    }
    if (m->remaining >= 0) {
        permits_observe(&d->permits, now_us, t, (unsigned)m->remaining);
    }
    if (m->daily_remaining >= 0) {
        d->status.daily_remaining = m->daily_remaining;
    }
    if (m->status == 429) {
        throttled(d, m, now_us);
    } else if (m->status == 477 || m->status >= 500) {
        wait_as_told(d, m, now_us);
    } else {
        permits_answered(&d->permits);
    }
}
