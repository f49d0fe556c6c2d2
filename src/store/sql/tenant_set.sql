-- maybe: name, settings, sealed, actor
-- No row: there is no such tenant.
WITH old AS MATERIALIZED (
    SELECT id, settings FROM ml_connector.tenant
    WHERE name = $1::text AND state <> 'removed'
    FOR UPDATE
), changed AS (
    UPDATE ml_connector.tenant t SET revision = t.revision + 1,
        settings = jsonb_strip_nulls(t.settings || coalesce($2::jsonb, '{}'))
    FROM old o WHERE t.id = o.id
    RETURNING t.id, t.settings
), given AS MATERIALIZED (
    SELECT o.id, s.key, s.value
    FROM old o, jsonb_each_text(coalesce($3::jsonb, '{}')) s
), taken AS (
    DELETE FROM ml_connector.secret s USING given g
    WHERE s.tenant_id = g.id AND s.field = g.key AND g.value IS NULL
), kept AS (
    INSERT INTO ml_connector.secret AS s (tenant_id, field, sealed)
    SELECT id, key, value FROM given WHERE value IS NOT NULL
    ON CONFLICT (tenant_id, field) DO UPDATE SET sealed = excluded.sealed,
        sealed_at = now()
), trail AS (
    INSERT INTO ml_connector.audit_event (tenant_id, worker, event, message,
        before, after)
    SELECT o.id, $4::text, 'tenant.set',
        (SELECT 'secrets: ' || string_agg(key, ' ' ORDER BY key) FROM given),
        (SELECT coalesce(jsonb_object_agg(b.key, b.value), '{}')
         FROM jsonb_each(o.settings) b
         WHERE b.value IS DISTINCT FROM c.settings -> b.key),
        (SELECT coalesce(jsonb_object_agg(a.key, a.value), '{}')
         FROM jsonb_each(c.settings) a
         WHERE a.value IS DISTINCT FROM o.settings -> a.key)
    FROM old o JOIN changed c ON c.id = o.id
)
SELECT id FROM changed
