-- one: name, from, to, reason, actor
-- Removing a tenant also forgets its secrets and its open jobs.
WITH old AS MATERIALIZED (
    SELECT id, state, reason FROM ml_connector.tenant
    WHERE name = $1::text AND state <> 'removed'
    FOR UPDATE
), changed AS (
    UPDATE ml_connector.tenant t SET state = $3::text, reason = $4::text,
        state_at = CASE WHEN o.state = $3::text THEN t.state_at
            ELSE now() END
    FROM old o
    WHERE t.id = o.id AND ($2::text IS NULL OR o.state = $2::text)
      AND (o.state, o.reason) IS DISTINCT FROM ($3::text, $4::text)
    RETURNING t.id, o.state AS was
), let AS (
    -- what held it is let through, and goes on being so for a day
    UPDATE ml_connector.feed f SET let_until = now() + interval '24 hours'
    FROM changed c
    WHERE f.tenant_id = c.id AND c.was = 'held' AND $3::text = 'active'
), forgotten AS (
    DELETE FROM ml_connector.secret s USING changed c
    WHERE s.tenant_id = c.id AND $3::text = 'removed'
), dropped AS (
    DELETE FROM ml_connector.job j USING changed c
    WHERE j.tenant_id = c.id AND $3::text = 'removed'
), trail AS (
    INSERT INTO ml_connector.audit_event (tenant_id, worker, event, outcome,
        message, before, after)
    SELECT id, $5::text, 'tenant.state', $3::text, $4::text,
        jsonb_build_object('state', was),
        jsonb_build_object('state', $3::text)
    FROM changed
)
SELECT EXISTS (SELECT FROM old) AS found,
    EXISTS (SELECT FROM changed) AS changed
