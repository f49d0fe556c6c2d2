/* SPDX-License-Identifier: UNLICENSED */
/*
 * The requests of one day: what is used, what may still be sent for whom, and
 * how long it will last.
 *
 * The count is ours and the account's: each request of ours adds one, and what
 * HubSpot says remains may only raise it. It begins anew at midnight, which
 * somebody else knows; between two times of being told a day has 24 hours.
 */
#include "ml/policy.h"

#include <string.h>

#define MINUTE_US INT64_C(60000000)
#define HOUR_US (60 * MINUTE_US)
#define DAY_US (24 * HOUR_US)
/* Its clock and ours, and how soon HubSpot begins anew. */
#define JUST_BEGAN_US (15 * MINUTE_US)
#define TRY_SOON_US (5 * MINUTE_US)

const char *
quota_level_name(enum quota_level l)
{
    static const char *const names[QUOTA_LEVELS] = {
        [QUOTA_OPEN] = "open",
        [QUOTA_NO_BACKFILL] = "no_backfill",
        [QUOTA_FRESH_ONLY] = "fresh_only",
        [QUOTA_STOPPED] = "stopped",
    };

    ML_ASSERT(l < QUOTA_LEVELS);
    return names[l];
}

void
quota_init(struct quota *q, const struct quota_spec *spec, int64_t now_us)
{
    ML_ASSERT(spec->limit >= 0);
    *q = (struct quota){.spec = *spec,
                        .day_began_us = now_us - DAY_US,
                        .day_ends_us = now_us + DAY_US,
                        .stopped_until_us = INT64_MIN,
                        .minute = now_us / MINUTE_US,
                        .since_us = now_us};
}

void
quota_limit(struct quota *q, int64_t limit)
{
    int64_t less = q->spec.limit - limit;

    ML_ASSERT(limit >= 0);
    if (less > 0) {
        q->used = q->used - less > q->sent ? q->used - less : q->sent;
    }
    q->spec.limit = limit;
}

static void
begin_day(struct quota *q, int64_t began_us)
{
    q->used = 0;
    q->sent = 0;
    q->throttled = 0;
    q->told = false;
    q->day_began_us = began_us;
    if (q->stopped_until_us <= began_us) {
        q->stopped_until_us = INT64_MIN;
    }
}

static void
advance(struct quota *q, int64_t now_us)
{
    int64_t minute = now_us / MINUTE_US;

    while (now_us >= q->day_ends_us) {
        begin_day(q, q->day_ends_us);
        q->day_ends_us += DAY_US;
    }
    if (minute - q->minute >= QUOTA_MINUTES) {
        memset(q->minutes, 0, sizeof(q->minutes));
        q->minute = minute;
    }
    while (q->minute < minute) {
        q->minute++;
        q->minutes[q->minute % QUOTA_MINUTES] = 0;
    }
}

static void
note_rate(struct quota *q, int64_t n)
{
    q->minutes[q->minute % QUOTA_MINUTES] += (unsigned)n;
}

void
quota_day(struct quota *q, int64_t now_us, int64_t ends_in_us, bool zone_known)
{
    advance(q, now_us);
    q->zone_known = zone_known;
    q->day_ends_us = now_us + (ends_in_us > 0 ? ends_in_us : 1);
    q->day_began_us = q->day_ends_us - DAY_US;
}

void
quota_add(struct quota *q, int64_t now_us, int64_t used, int64_t sent,
          int64_t throttled)
{
    advance(q, now_us);
    q->used = q->used + used > 0 ? q->used + used : 0;
    q->sent = q->sent + sent > 0 ? q->sent + sent : 0;
    q->throttled = q->throttled + throttled > 0 ? q->throttled + throttled : 0;
}

void
quota_count(struct quota *q, int64_t now_us)
{
    advance(q, now_us);
    q->used++;
    q->sent++;
    note_rate(q, 1);
}

void
quota_told(struct quota *q, int64_t now_us, int64_t remaining)
{
    int64_t more;

    advance(q, now_us);
    more = q->spec.limit - remaining - q->used;
    if (now_us - q->day_began_us < JUST_BEGAN_US) {
        /* HubSpot's midnight may be a little later than ours: an answer that
         * speaks of yesterday still is put right by the next. */
        q->used += more > q->sent - q->used ? more : q->sent - q->used;
    } else if (more > 0) {
        q->used += more;
        if (q->told) { /* at first it is what others used all day */
            note_rate(q, more);
        }
    }
    q->told = true;
}

void
quota_exhausted(struct quota *q, int64_t now_us, int64_t retry_after_us)
{
    int64_t until;

    advance(q, now_us);
    until = q->day_ends_us;
    if (retry_after_us >= 0) {
        until =
            retry_after_us < DAY_US ? now_us + retry_after_us : now_us + DAY_US;
    } else if (now_us - q->day_began_us < JUST_BEGAN_US) {
        until = now_us + TRY_SOON_US;
    } else if (!q->zone_known && until - now_us > HOUR_US) {
        until = now_us + HOUR_US;
    }
    quota_stop(q, until);
}

void
quota_stop(struct quota *q, int64_t until_us)
{
    if (until_us > q->stopped_until_us) {
        q->stopped_until_us = until_us;
    }
}

int64_t
quota_stopped_us(struct quota *q, int64_t now_us)
{
    advance(q, now_us);
    return now_us < q->stopped_until_us ? q->stopped_until_us : INT64_MIN;
}

enum quota_level
quota_level(struct quota *q, int64_t now_us)
{
    int64_t limit = q->spec.limit;

    if (quota_stopped_us(q, now_us) != INT64_MIN) {
        return QUOTA_STOPPED;
    }
    if (limit == 0) {
        return QUOTA_OPEN;
    }
    if (q->used * 100 >= limit * (int64_t)q->spec.retry_percent) {
        return QUOTA_FRESH_ONLY;
    }
    return q->used * 100 >= limit * (int64_t)q->spec.backfill_percent ?
               QUOTA_NO_BACKFILL :
               QUOTA_OPEN;
}

bool
quota_allows(struct quota *q, int64_t now_us, enum work_class c)
{
    enum quota_level level = quota_level(q, now_us);

    switch (c) {
    case WORK_FRESH:
        return level < QUOTA_STOPPED;
    case WORK_RETRY:
    case WORK_REPLAY:
        return level < QUOTA_FRESH_ONLY;
    case WORK_BACKFILL:
    case WORK_RECONCILE:
    case WORK_CLASSES:
        break;
    }
    return level < QUOTA_NO_BACKFILL;
}

struct quota_forecast
quota_forecast(struct quota *q, int64_t now_us)
{
    struct quota_forecast f = {.runs_out_in_us = -1};
    int64_t span = now_us - q->since_us;
    int64_t left_us;

    advance(q, now_us);
    span = span < MINUTE_US ? MINUTE_US : span;
    span = span > HOUR_US ? HOUR_US : span;
    for (size_t i = 0; i < QUOTA_MINUTES; i++) {
        f.per_hour += q->minutes[i];
    }
    f.per_hour = f.per_hour * (HOUR_US / MINUTE_US) / (span / MINUTE_US);
    left_us = q->day_ends_us - now_us;
    f.used = q->used;
    f.left = q->spec.limit > q->used ? q->spec.limit - q->used : 0;
    f.at_midnight =
        q->used + f.per_hour * (left_us / MINUTE_US) / (HOUR_US / MINUTE_US);
    if (q->spec.limit > 0 && f.left == 0) {
        f.runs_out_in_us = 0;
    } else if (q->spec.limit > 0 && f.at_midnight > q->spec.limit) {
        f.runs_out_in_us =
            f.left * (HOUR_US / MINUTE_US) / f.per_hour * MINUTE_US;
    }
    return f;
}
