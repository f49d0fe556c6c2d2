-- maybe: name, settings, sealed, actor
-- No row: the name is taken.
WITH added AS (
    INSERT INTO ml_connector.tenant (name, settings)
    VALUES ($1::text, jsonb_strip_nulls(coalesce($2::jsonb, '{}')))
    ON CONFLICT (name) WHERE state <> 'removed' DO NOTHING
    RETURNING id
), kept AS (
    INSERT INTO ml_connector.secret (tenant_id, field, sealed)
    SELECT a.id, s.key, s.value
    FROM added a, jsonb_each_text(coalesce($3::jsonb, '{}')) s
    WHERE s.value IS NOT NULL
), trail AS (
    INSERT INTO ml_connector.audit_event (tenant_id, worker, event, outcome,
        after)
    SELECT id, $4::text, 'tenant.added', 'active',
        jsonb_strip_nulls(coalesce($2::jsonb, '{}'))
    FROM added
)
SELECT id FROM added
