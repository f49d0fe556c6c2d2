-- one: tenant, age_ms, limit
-- Receipts with an unapplied rest or not cleared yet, not read for a while.
SELECT coalesce(jsonb_agg(receipt ORDER BY last_read, receipt), '[]') AS json
FROM (
    SELECT receipt, last_read FROM ml_connector.record
    WHERE tenant_id = $1::bigint AND kind = 'payment' AND open
      AND receipt IS NOT NULL
      AND last_read <= now() - make_interval(secs => $2::bigint / 1000.0)
    ORDER BY last_read LIMIT $3::bigint) r
