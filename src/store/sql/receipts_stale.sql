-- one: tenant, rows
-- Of receipts with their stamps those nobody read with that stamp.
SELECT coalesce(jsonb_agg(x.id ORDER BY x.id), '[]') AS json
FROM jsonb_to_recordset($2::jsonb) AS x(id text, us bigint)
WHERE NOT EXISTS (
    SELECT FROM ml_connector.record r
    WHERE r.tenant_id = $1::bigint AND r.kind = 'payment'
      AND r.fusion_id = x.id || ':unapplied' AND r.stamp_us = x.us
    OFFSET 0)
