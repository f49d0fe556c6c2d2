-- none: tenant, feed, pass, from_us, to_us
-- Begins a pass; one that is under way is widened, and goes back to where the
-- new one begins. to_us 0: up to the cursor of the stream.
INSERT INTO ml_connector.pass AS p (tenant_id, feed, pass, from_us, to_us,
    at_us)
SELECT $1::bigint, $2::text, $3::text, $4::bigint,
    CASE WHEN $5::bigint > 0 THEN $5::bigint ELSE coalesce((
        SELECT c.stamp_us FROM ml_connector.cursor c
        WHERE c.tenant_id = $1::bigint AND c.feed = $2::text
          AND c.stream = split_part($3::text, ':', 2)), 0) END,
    $4::bigint
ON CONFLICT (tenant_id, feed, pass) DO UPDATE SET
    revision = p.revision + 1,
    from_us = CASE WHEN p.done_at IS NULL
        THEN least(p.from_us, excluded.from_us) ELSE excluded.from_us END,
    to_us = CASE WHEN p.done_at IS NULL
        THEN greatest(p.to_us, excluded.to_us) ELSE excluded.to_us END,
    at_us = CASE WHEN p.done_at IS NULL
        THEN least(p.at_us, excluded.at_us) ELSE excluded.at_us END,
    at_id = '', begun_at = now(), done_at = NULL
