-- one: tenant, limit
SELECT coalesce(json_agg(v), '[]') AS json FROM (
    SELECT l.portal, l.worker, l.term,
        l.worker IS NOT NULL AND l.expires_at > clock_timestamp() AS held,
        l.taken_at, l.expires_at,
        (SELECT coalesce(jsonb_agg(t.name ORDER BY t.name), '[]')
         FROM ml_connector.tenant t
         WHERE coalesce(t.portal, 'tenant:' || t.id) = l.portal
           AND t.state <> 'removed') AS tenants
    FROM ml_connector.lease l
    WHERE $1::text IS NULL OR EXISTS (
        SELECT FROM ml_connector.tenant t
        WHERE coalesce(t.portal, 'tenant:' || t.id) = l.portal
          AND t.name = $1::text AND t.state <> 'removed')
    ORDER BY l.portal LIMIT $2::bigint) v
