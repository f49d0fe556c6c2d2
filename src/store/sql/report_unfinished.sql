-- one: tenant, limit
SELECT coalesce(json_agg(v), '[]') AS json FROM (
    SELECT t.name AS tenant, j.id AS job, j.kind, j.fusion_id, r.number,
        j.state, j.class, j.waiting_for, j.error_code, j.error AS reason,
        j.correlation AS hubspot_correlation_id, j.attempts, j.due_at,
        j.since
    FROM ml_connector.job j
    JOIN ml_connector.tenant t ON t.id = j.tenant_id
    LEFT JOIN ml_connector.record r ON r.tenant_id = j.tenant_id
        AND r.kind = j.kind AND r.fusion_id = j.fusion_id
    WHERE ($1::text IS NULL OR t.name = $1::text) AND t.state <> 'removed'
    ORDER BY t.name, j.id LIMIT $2::bigint) v
