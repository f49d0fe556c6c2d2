-- one: tenant, limit
-- Parents that jobs wait for and nobody has read: what a dead process wanted
-- and did not live to fetch. OFFSET 0 keeps the lookup one by the whole key.
SELECT jsonb_build_object(
    'customers', coalesce(jsonb_agg(id) FILTER (WHERE kind = 'customer'),
        '[]'),
    'invoices', coalesce(jsonb_agg(id) FILTER (WHERE kind = 'invoice'),
        '[]')) AS json
FROM (
    SELECT split_part(w.waiting_for, ':', 1) AS kind,
        substr(w.waiting_for, strpos(w.waiting_for, ':') + 1) AS id
    FROM (SELECT DISTINCT waiting_for FROM ml_connector.job
          WHERE tenant_id = $1::bigint AND state = 'waiting'
            AND strpos(waiting_for, ':') > 0) w
    WHERE NOT EXISTS (
        SELECT FROM ml_connector.record r
        WHERE r.tenant_id = $1::bigint
          AND r.kind = split_part(w.waiting_for, ':', 1)
          AND r.fusion_id =
            substr(w.waiting_for, strpos(w.waiting_for, ':') + 1) OFFSET 0)
    LIMIT $2::bigint) missing
