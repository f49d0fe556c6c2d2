-- one: id
-- How a request fares, and who could take it up; null when it is gone.
SELECT (SELECT jsonb_build_object('id', r.id, 'worker', r.worker,
        'answer', r.answer, 'answered', r.answered_at IS NOT NULL,
        'holder', (SELECT l.worker FROM ml_connector.lease l
            WHERE l.portal = coalesce(t.portal, 'tenant:' || t.id)
              AND l.expires_at > clock_timestamp()))
    FROM ml_connector.request r
    JOIN ml_connector.tenant t ON t.id = r.tenant_id
    WHERE r.id = $1::bigint) AS json
