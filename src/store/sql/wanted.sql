-- one: tenant, limit
-- What jobs wait for and nobody has read, and what has to be read again: what a
-- dead process wanted and did not live to fetch. OFFSET 0 keeps the lookup one
-- by the whole key.
WITH missing AS (
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
    LIMIT $2::bigint
), stale AS (
    (SELECT 'customer' AS kind, number AS id FROM ml_connector.account
     WHERE tenant_id = $1::bigint AND stale LIMIT $2::bigint)
    UNION ALL
    (SELECT 'invoice', fusion_id FROM ml_connector.record
     WHERE tenant_id = $1::bigint AND kind = 'invoice'
       AND stale_us IS NOT NULL LIMIT $2::bigint)
)
SELECT jsonb_build_object(
    'customers', coalesce(jsonb_agg(id) FILTER (WHERE kind = 'customer'),
        '[]'),
    'invoices', coalesce(jsonb_agg(id) FILTER (WHERE kind = 'invoice'),
        '[]')) AS json
FROM (SELECT * FROM missing UNION SELECT * FROM stale) w
