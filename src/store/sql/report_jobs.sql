-- one: tenant, limit
SELECT coalesce(json_agg(v), '[]') AS json FROM (
    SELECT j.state, count(*) AS jobs
    FROM ml_connector.job j
    JOIN ml_connector.tenant t ON t.id = j.tenant_id
    WHERE $1::text IS NULL OR t.name = $1::text
    GROUP BY j.state ORDER BY j.state LIMIT $2::bigint) v
