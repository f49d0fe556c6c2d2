-- one: tenant, limit
SELECT coalesce(json_agg(v), '[]') AS json FROM (
    SELECT * FROM ml_dashboard.budgets
    WHERE $1::text IS NULL OR tenant = $1::text
    ORDER BY tenant LIMIT $2::bigint) v
