-- one: tenant, kind, after, before_us, limit
-- Records that were read, last before before_us, above `after`.
SELECT coalesce(jsonb_agg(k.fusion_id ORDER BY k.fusion_id), '[]') AS json
FROM (SELECT fusion_id FROM ml_connector.record
    WHERE tenant_id = $1::bigint AND kind = $2::text AND fusion_id > $3::text
      AND last_read < to_timestamp($4::bigint / 1000000.0)
      AND hash IS NOT NULL
      AND state NOT IN ('missing', 'gone')
    ORDER BY fusion_id LIMIT $5::bigint) k
