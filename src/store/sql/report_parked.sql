-- one: tenant, limit
-- What is parked, by error code.
SELECT coalesce(json_agg(v), '[]') AS json FROM (
    SELECT t.name AS tenant, j.error_code, count(*) AS jobs,
        min(j.since) AS since
    FROM ml_connector.job j
    JOIN ml_connector.tenant t ON t.id = j.tenant_id
    WHERE j.state = 'parked' AND t.state <> 'removed'
      AND ($1::text IS NULL OR t.name = $1::text)
    GROUP BY t.name, j.error_code
    ORDER BY t.name, count(*) DESC, j.error_code LIMIT $2::bigint) v
