-- one: tenant, after, limit
-- The accounts known, by number, from the one after `after` on.
SELECT coalesce(jsonb_agg(number ORDER BY number), '[]') AS json
FROM (
    SELECT number FROM ml_connector.account
    WHERE tenant_id = $1::bigint AND number > $2::text
    ORDER BY number LIMIT $3::bigint) a
