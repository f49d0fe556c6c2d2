-- one: worker, held
-- Open requests of tenants in portals whose lease is this worker's. One that
-- was taken under another lease and never answered is taken again.
WITH taken AS (
    UPDATE ml_connector.request r SET worker = $1::text, term = l.term,
        taken_at = clock_timestamp()
    FROM jsonb_to_recordset($2::jsonb)
        AS x(tenant bigint, portal text, term bigint)
    JOIN ml_connector.tenant t ON t.id = x.tenant AND t.portal = x.portal
    JOIN ml_connector.lease l ON l.portal = x.portal AND l.term = x.term
    WHERE r.tenant_id = x.tenant AND r.answered_at IS NULL
      AND (r.worker, r.term) IS DISTINCT FROM ($1::text, l.term)
      AND l.worker = $1::text AND l.expires_at > clock_timestamp()
    RETURNING r.id, r.tenant_id, r.command, r.arguments
)
SELECT coalesce(jsonb_agg(jsonb_build_object('id', id, 'tenant', tenant_id,
    'command', command, 'arguments', arguments) ORDER BY id), '[]') AS json
FROM taken
