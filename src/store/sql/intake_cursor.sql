-- none: tenant, feed, stream, stamp_us, id
-- The cursor as told: going back is how a feed is read again from a time on.
INSERT INTO ml_connector.cursor AS c (tenant_id, feed, stream, stamp_us, id)
VALUES ($1::bigint, $2::text, $3::text, $4::bigint, coalesce($5::text, ''))
ON CONFLICT (tenant_id, feed, stream) DO UPDATE SET
    stamp_us = excluded.stamp_us, id = excluded.id, moved_at = now()
WHERE (c.stamp_us, c.id) IS DISTINCT FROM (excluded.stamp_us, excluded.id)
