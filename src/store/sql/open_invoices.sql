-- one: tenant, limit
SELECT coalesce(jsonb_agg(fusion_id ORDER BY last_read, fusion_id), '[]')
    AS json
FROM (
    SELECT fusion_id, last_read FROM ml_connector.record
    WHERE tenant_id = $1::bigint AND kind = 'invoice' AND open
    ORDER BY last_read, fusion_id LIMIT $2::bigint) r
