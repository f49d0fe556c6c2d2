-- one: tenant, kind, fusion_id, since_us, limit
-- The newest, given oldest first; columns of ml_dashboard.audit.
SELECT coalesce(json_agg(v ORDER BY v.id), '[]') AS json FROM (
    SELECT e.id, e.at AS time, t.name AS tenant, e.worker, e.event, e.kind,
        e.fusion_id, e.hubspot_id, e.job, e.attempt, e.outcome,
        e.http_status, e.error_code, e.message,
        e.correlation AS hubspot_correlation_id, e.before, e.after,
        e.duration_ms
    FROM (
        SELECT * FROM ml_connector.audit_event
        WHERE ($1::text IS NULL OR tenant_id = (
                SELECT max(id) FROM ml_connector.tenant
                WHERE name = $1::text))
          AND ($2::text IS NULL OR kind = $2::text)
          AND ($3::text IS NULL OR fusion_id = $3::text)
          AND at >= to_timestamp($4::bigint / 1000000.0)
        ORDER BY id DESC LIMIT $5::bigint) e
    JOIN ml_connector.tenant t ON t.id = e.tenant_id) v
