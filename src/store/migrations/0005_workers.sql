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
