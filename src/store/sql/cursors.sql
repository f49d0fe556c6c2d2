-- many: tenant, feed
SELECT stream, stamp_us, id FROM ml_connector.cursor
WHERE tenant_id = $1::bigint AND feed = $2::text ORDER BY stream
