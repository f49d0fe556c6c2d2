-- one: tenant, feed
-- Where a feed stands: its cursors and passes, how late rows were, what was
-- learned of pod and portal, and the database's clock.
SELECT jsonb_build_object(
    'now_us', (extract(epoch FROM clock_timestamp()) * 1000000)::bigint,
    'late_us', coalesce((
        SELECT f.late_us FROM ml_connector.feed f
        WHERE f.tenant_id = $1::bigint AND f.feed = $2::text
          AND f.late_at > now() - interval '7 days'), 0),
    'learned', (SELECT t.learned FROM ml_connector.tenant t
        WHERE t.id = $1::bigint),
    'cursors', coalesce((
        SELECT jsonb_object_agg(c.stream, jsonb_build_object(
            'us', c.stamp_us, 'id', c.id, 'scanned_us', c.scanned_us))
        FROM ml_connector.cursor c
        WHERE c.tenant_id = $1::bigint AND c.feed = $2::text), '{}'),
    'passes', coalesce((
        SELECT jsonb_object_agg(p.pass, jsonb_build_object(
            'revision', p.revision, 'from_us', p.from_us, 'to_us', p.to_us,
            'at_us', p.at_us, 'at_id', p.at_id,
            'begun_us', (extract(epoch FROM p.begun_at) * 1000000)::bigint,
            'done_us', (extract(epoch FROM p.done_at) * 1000000)::bigint))
        FROM ml_connector.pass p
        WHERE p.tenant_id = $1::bigint AND p.feed = $2::text), '{}')) AS json
