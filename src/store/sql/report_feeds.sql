-- one: tenant, limit
SELECT coalesce(json_agg(v), '[]') AS json FROM (
    SELECT * FROM ml_dashboard.feeds
    WHERE $1::text IS NULL OR tenant = $1::text
    ORDER BY tenant, feed LIMIT $2::bigint) v
