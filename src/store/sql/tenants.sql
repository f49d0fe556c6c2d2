-- many: name
SELECT t.id, t.name, t.state, t.reason, t.portal, t.settings, t.learned,
    t.revision,
    EXISTS (SELECT FROM ml_connector.request r
        WHERE r.tenant_id = t.id AND r.answered_at IS NULL) AS asked,
    EXISTS (SELECT FROM ml_connector.feed f
        WHERE f.tenant_id = t.id AND f.last_outcome = 'HELD'
          AND f.let_until > now()) AS let,
    EXISTS (SELECT FROM ml_connector.feed f
        WHERE f.tenant_id = t.id AND f.state <> 'idle') AS unfinished,
    (SELECT coalesce(jsonb_object_agg(s.field, s.sealed), '{}')
     FROM ml_connector.secret s WHERE s.tenant_id = t.id) AS sealed
FROM ml_connector.tenant t
WHERE t.state <> 'removed' AND ($1::text IS NULL OR t.name = $1::text)
ORDER BY t.name
