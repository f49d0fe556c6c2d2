-- one: worker, held, limit, known
-- Open requests of tenants in portals whose lease is this worker's, but not the
-- command `without`. One that was taken and never answered is taken again: with
-- `known`, the ids this process has in hand, by whoever does not have it there,
-- else once for each lease.
WITH held AS MATERIALIZED (
    SELECT t.id, t.name, l.portal, l.term, l.taken_at, x.without
    FROM jsonb_to_recordset($2::jsonb)
        AS x(tenant bigint, portal text, term bigint, without text)
    JOIN ml_connector.tenant t ON t.id = x.tenant
        AND coalesce(t.portal, 'tenant:' || t.id) = x.portal
    JOIN ml_connector.lease l ON l.portal = x.portal AND l.term = x.term
    WHERE l.worker = $1::text AND l.expires_at > clock_timestamp()
), chosen AS MATERIALIZED (
    SELECT r.id, h.name, h.portal, h.term
    FROM held h, LATERAL (
        SELECT q.id FROM ml_connector.request q
        WHERE q.tenant_id = h.id AND q.answered_at IS NULL
          AND q.command IS DISTINCT FROM h.without
          AND CASE WHEN $4::jsonb IS NULL THEN
                (q.worker, q.term) IS DISTINCT FROM ($1::text, h.term)
                    OR q.taken_at < h.taken_at
            ELSE NOT $4::jsonb @> to_jsonb(q.id) END
        ORDER BY q.id LIMIT $3::bigint) r
    ORDER BY r.id LIMIT $3::bigint
), taken AS (
    UPDATE ml_connector.request r SET worker = $1::text, term = c.term,
        taken_at = clock_timestamp()
    FROM chosen c
    WHERE r.id = c.id AND r.answered_at IS NULL
    RETURNING r.id, r.tenant_id, c.name, c.portal, r.command, r.arguments
)
SELECT coalesce(jsonb_agg(jsonb_build_object('id', id, 'tenant', tenant_id,
    'name', name, 'portal', portal, 'command', command, 'arguments',
    arguments) ORDER BY id), '[]') AS json
FROM taken
