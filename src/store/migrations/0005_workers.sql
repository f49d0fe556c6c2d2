-- compatible_from: 1
-- Which workers there are, so that they share the portals evenly.

-- One row per process that says so with every renewal of its leases. It counts
-- until expires_at, like its leases.
CREATE TABLE ml_connector.worker (
    process text PRIMARY KEY,
    worker text NOT NULL,
    version text NOT NULL,
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    seen_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at timestamptz NOT NULL
) WITH (fillfactor = 70);

-- Stops a transaction whose portal another worker has taken over, or makes the
-- other wait for its end.
CREATE FUNCTION ml_connector.lease_check(portal text, term bigint)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $fn$
BEGIN
    PERFORM FROM ml_connector.lease l
    WHERE l.portal = lease_check.portal AND l.term = lease_check.term
      AND l.worker IS NOT NULL
    FOR KEY SHARE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the portal % is held under another term than %',
            portal, term USING ERRCODE = 'MLT01';
    END IF;
END
$fn$;

CREATE VIEW ml_dashboard.leases AS
SELECT l.portal, l.worker, l.term,
    l.worker IS NOT NULL AND l.expires_at > clock_timestamp() AS held,
    l.taken_at, l.expires_at,
    ARRAY(SELECT t.name FROM ml_connector.tenant t
        WHERE coalesce(t.portal, 'tenant:' || t.id) = l.portal
          AND t.state <> 'removed' ORDER BY t.name) AS tenants
FROM ml_connector.lease l;

CREATE VIEW ml_dashboard.workers AS
SELECT w.worker, w.version, w.started_at, w.seen_at,
    w.expires_at > clock_timestamp() AS alive,
    (SELECT count(*) FROM ml_connector.lease l
     WHERE l.worker = w.worker AND l.expires_at > clock_timestamp())
        AS portals
FROM ml_connector.worker w;

-- As before, and who holds its portal.
CREATE OR REPLACE VIEW ml_dashboard.tenants AS
SELECT t.name AS tenant, t.state, t.reason, t.portal,
    coalesce(t.settings ->> 'hubspot_tier', 'starter') AS tier,
    coalesce((t.settings ->> 'hubspot_limit')::bigint,
        CASE WHEN t.settings ->> 'hubspot_tier' IN
            ('professional', 'enterprise') THEN 190 ELSE 100 END)
        AS limit_per_10_seconds,
    (t.settings ->> 'hubspot_daily_limit')::bigint AS daily_limit,
    f.last_success,
    coalesce(j.open_jobs, 0) AS open_jobs,
    coalesce(j.parked_jobs, 0) AS parked_jobs,
    CASE WHEN t.state IN ('held', 'halted') THEN 'halted'
        WHEN t.state IN ('paused', 'removed') THEN 'off'
        WHEN f.failing_since IS NOT NULL THEN 'delayed'
        WHEN j.parked_since IS NOT NULL THEN 'attention'
        ELSE 'ok' END AS health,
    CASE WHEN t.state <> 'active' THEN t.state_at
        WHEN f.failing_since IS NOT NULL THEN f.failing_since
        WHEN j.parked_since IS NOT NULL THEN j.parked_since
        ELSE t.state_at END AS health_since,
    (SELECT l.worker FROM ml_connector.lease l
     WHERE l.portal = coalesce(t.portal, 'tenant:' || t.id)
       AND l.expires_at > clock_timestamp()) AS worker
FROM ml_connector.tenant t
LEFT JOIN (
    SELECT tenant_id, max(last_success) AS last_success,
        min(state_at) FILTER (WHERE state IN ('backoff', 'maintenance'))
            AS failing_since
    FROM ml_connector.feed GROUP BY tenant_id) f ON f.tenant_id = t.id
LEFT JOIN (
    SELECT tenant_id, count(*) FILTER (WHERE state <> 'parked') AS open_jobs,
        count(*) FILTER (WHERE state = 'parked') AS parked_jobs,
        min(since) FILTER (WHERE state = 'parked') AS parked_since
    FROM ml_connector.job GROUP BY tenant_id) j ON j.tenant_id = t.id
WHERE t.state <> 'removed';
