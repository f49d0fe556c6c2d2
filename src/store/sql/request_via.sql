-- one: portal
-- A tenant in whose name something can be asked of whoever holds a portal, and
-- that holder: of a tenant that is not stored yet; null when there is none.
SELECT (SELECT jsonb_build_object('id', t.id, 'holder', (
        SELECT l.worker FROM ml_connector.lease l
        WHERE l.portal = $1::text AND l.expires_at > clock_timestamp()))
    FROM ml_connector.tenant t
    WHERE coalesce(t.portal, 'tenant:' || t.id) = $1::text
      AND t.state <> 'removed'
    ORDER BY t.id LIMIT 1) AS json
