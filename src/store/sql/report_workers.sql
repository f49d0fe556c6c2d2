-- one: tenant, limit
-- Those that hold something of the tenant; NULL: all that are alive.
SELECT coalesce(json_agg(v), '[]') AS json FROM (
    SELECT w.* FROM ml_dashboard.workers w
    WHERE w.alive AND ($1::text IS NULL OR EXISTS (
        SELECT FROM ml_dashboard.tenants t
        WHERE t.tenant = $1::text AND t.worker = w.worker))
    ORDER BY w.worker, w.started_at LIMIT $2::bigint) v
