-- one: portal, worker, term, zone, day, budget
-- What the holder counted joins what is stored. `day`: end of the day it counts
-- for, or 0 at first, when its count goes on from what a predecessor left. A day
-- that has ended begins anew.
WITH held AS MATERIALIZED (
    SELECT 1 FROM ml_connector.lease
    WHERE portal = $1::text AND term = $3::bigint AND worker IS NOT NULL
    FOR KEY SHARE
), told AS MATERIALIZED (
    SELECT x.*, ml_connector.next_midnight(coalesce($4::text, 'UTC'))
        AS day_ends
    FROM held, jsonb_to_record($6::jsonb) AS x(used bigint, sent bigint,
        daily_limit bigint, stopped_ms bigint, level text, per_hour bigint,
        burst_limit bigint, tokens_out bigint, throttled bigint,
        foreign_use bigint)
), old AS MATERIALIZED (
    SELECT * FROM ml_connector.budget WHERE portal = $1::text FOR UPDATE
), now_used AS MATERIALIZED (
    SELECT n.*, o.portal IS NOT NULL AND o.day_ends = n.day_ends
            AND $5::bigint = 0 AS goes_on,
        $5::bigint = 0
            OR $5::bigint = extract(epoch FROM n.day_ends)::bigint AS same_day
    FROM told n LEFT JOIN old o ON true
), next AS MATERIALIZED (
    SELECT n.day_ends,
        CASE WHEN n.same_day THEN n.used ELSE 0 END +
            CASE WHEN n.goes_on THEN o.used ELSE 0 END AS used,
        CASE WHEN n.same_day THEN n.sent ELSE 0 END +
            CASE WHEN n.goes_on THEN o.sent ELSE 0 END AS sent,
        CASE WHEN n.same_day THEN n.throttled ELSE 0 END +
            CASE WHEN n.goes_on THEN o.throttled ELSE 0 END AS throttled,
        CASE WHEN n.stopped_ms > 0 THEN clock_timestamp() +
                make_interval(secs => n.stopped_ms / 1000.0)
            WHEN $5::bigint = 0 AND o.stopped_until > clock_timestamp()
                THEN o.stopped_until END AS stopped_until,
        n.daily_limit, n.level, n.per_hour, n.burst_limit, n.tokens_out,
        n.foreign_use
    FROM now_used n LEFT JOIN old o ON true
), saved AS (
    INSERT INTO ml_connector.budget AS b (portal, worker, term, time_zone,
        day_ends, daily_limit, used, sent, stopped_until, level, per_hour,
        burst_limit, tokens_out, throttled, foreign_use, saved_at)
    SELECT $1::text, $2::text, $3::bigint, coalesce($4::text, 'UTC'),
        day_ends, daily_limit, used, sent, stopped_until, level, per_hour,
        burst_limit, tokens_out, throttled, foreign_use, now()
    FROM next
    ON CONFLICT (portal) DO UPDATE SET worker = excluded.worker,
        term = excluded.term, time_zone = excluded.time_zone,
        day_ends = excluded.day_ends, daily_limit = excluded.daily_limit,
        used = excluded.used, sent = excluded.sent,
        stopped_until = excluded.stopped_until, level = excluded.level,
        per_hour = excluded.per_hour, burst_limit = excluded.burst_limit,
        tokens_out = excluded.tokens_out, throttled = excluded.throttled,
        foreign_use = excluded.foreign_use, saved_at = excluded.saved_at
    RETURNING used, sent, throttled, day_ends, stopped_until
)
SELECT jsonb_build_object('held', EXISTS (SELECT FROM held),
    'used', s.used, 'sent', s.sent, 'throttled', s.throttled,
    'day', extract(epoch FROM s.day_ends)::bigint,
    'ends_ms', ceil(extract(epoch FROM s.day_ends - clock_timestamp()) * 1000)
        ::bigint,
    'stopped_ms', coalesce(ceil(extract(epoch FROM
        s.stopped_until - clock_timestamp()) * 1000)::bigint, 0)) AS json
FROM (VALUES (1)) v(x) LEFT JOIN saved s ON true
