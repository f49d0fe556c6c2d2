-- one: tenant, limit
SELECT coalesce(json_agg(v), '[]') AS json FROM (
    SELECT * FROM ml_dashboard.leases
    WHERE $1::text IS NULL OR $1::text = ANY (tenants)
    ORDER BY portal LIMIT $2::bigint) v
