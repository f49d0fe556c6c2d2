-- one: tenant, limit
-- Only what does not tie out.
SELECT coalesce(json_agg(v), '[]') AS json FROM (
    SELECT tenant, feed, poll, started_at, read, unchanged, filtered, invalid,
        superseded, open, written, parked, difference
    FROM ml_connector.imbalance
    WHERE $1::text IS NULL OR tenant = $1::text
    ORDER BY tenant, started_at, feed LIMIT $2::bigint) v
