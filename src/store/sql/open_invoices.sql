-- one: tenant, age_ms, limit
-- Open ones not read for a while, the oldest first.
SELECT coalesce(jsonb_agg(fusion_id ORDER BY last_read, fusion_id), '[]')
    AS json
FROM (
    SELECT fusion_id, last_read FROM ml_connector.record
    WHERE tenant_id = $1::bigint AND kind = 'invoice' AND open
      AND last_read <= now() - make_interval(secs => $2::bigint / 1000.0)
    ORDER BY last_read LIMIT $3::bigint) r
