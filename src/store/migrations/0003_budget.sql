-- compatible_from: 1
-- What of a portal's quota of the day is used, so that the next worker knows,
-- and how its limiter stands, for people. Written about once a minute by the
-- holder of the portal's lease.

CREATE TABLE ml_connector.budget (
    portal text PRIMARY KEY,
    worker text,
    term bigint NOT NULL,
    time_zone text NOT NULL,
    day_ends timestamptz NOT NULL,
    daily_limit bigint NOT NULL,
    used bigint NOT NULL DEFAULT 0,
    sent bigint NOT NULL DEFAULT 0,
    stopped_until timestamptz,
    level text NOT NULL DEFAULT 'open',
    per_hour bigint NOT NULL DEFAULT 0,
    burst_limit bigint NOT NULL DEFAULT 0,
    tokens_out bigint NOT NULL DEFAULT 0,
    throttled bigint NOT NULL DEFAULT 0,
    foreign_use bigint NOT NULL DEFAULT 0,
    saved_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 70);

-- The next midnight of a time zone; of UTC when nobody knows that zone.
CREATE FUNCTION ml_connector.next_midnight(zone text)
RETURNS timestamptz
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
BEGIN
    RETURN (date_trunc('day', now() AT TIME ZONE zone) + interval '1 day')
        AT TIME ZONE zone;
EXCEPTION WHEN invalid_parameter_value THEN
    RETURN (date_trunc('day', now() AT TIME ZONE 'UTC') + interval '1 day')
        AT TIME ZONE 'UTC';
END
$fn$;

-- A day that has ended meanwhile counts nothing. The forecast is by the rate
-- of the hour before it was saved.
CREATE VIEW ml_dashboard.budgets AS
SELECT t.name AS tenant, b.portal, b.worker, b.burst_limit, b.tokens_out,
    b.throttled, b.foreign_use, b.time_zone, b.day_ends, b.daily_limit,
    u.used, u.sent,
    CASE WHEN b.daily_limit > 0
        THEN round(100.0 * u.used / b.daily_limit, 1) END AS used_percent,
    CASE WHEN b.day_ends > now() THEN b.level ELSE 'open' END AS level,
    CASE WHEN b.stopped_until > now() THEN b.stopped_until END
        AS stopped_until,
    u.per_hour,
    u.used + round(u.per_hour * h.hours)::bigint AS used_at_midnight,
    CASE WHEN b.daily_limit > 0 AND u.used >= b.daily_limit THEN b.saved_at
        WHEN u.per_hour > 0 AND b.daily_limit > 0
          AND u.used + u.per_hour * h.hours > b.daily_limit
        THEN greatest(now(), b.saved_at + make_interval(secs =>
            3600.0 * greatest(0, b.daily_limit - u.used) / u.per_hour)) END
        AS runs_out_at,
    b.saved_at
FROM ml_connector.budget b
JOIN ml_connector.tenant t ON t.portal = b.portal
CROSS JOIN LATERAL (SELECT
    CASE WHEN b.day_ends > now() THEN b.used ELSE 0 END AS used,
    CASE WHEN b.day_ends > now() THEN b.sent ELSE 0 END AS sent,
    CASE WHEN b.saved_at > now() - interval '1 hour' THEN b.per_hour
        ELSE 0 END AS per_hour) u
CROSS JOIN LATERAL (SELECT greatest(0, extract(epoch FROM
    b.day_ends - b.saved_at) / 3600) AS hours) h
WHERE t.state <> 'removed';
