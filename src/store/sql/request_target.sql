-- one: name
-- Whom a command is about to ask something for: the tenant, also one that was
-- removed, and who holds its portal now; the names there are when there is no
-- such tenant.
WITH target AS MATERIALIZED (
    SELECT id, state, reason, portal FROM ml_connector.tenant
    WHERE name = $1::text
    ORDER BY state = 'removed', id DESC LIMIT 1
)
SELECT jsonb_build_object(
    'tenant', (SELECT jsonb_build_object('id', t.id, 'state', t.state,
            'reason', t.reason, 'portal', t.portal,
            'holder', (SELECT l.worker FROM ml_connector.lease l
                WHERE l.portal = coalesce(t.portal, 'tenant:' || t.id)
                  AND l.expires_at > clock_timestamp()))
        FROM target t),
    'names', (SELECT coalesce(jsonb_agg(name ORDER BY name), '[]')
        FROM ml_connector.tenant
        WHERE state <> 'removed' AND NOT EXISTS (SELECT FROM target)))
    AS json
