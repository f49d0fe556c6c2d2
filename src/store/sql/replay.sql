-- one: name, jobs, error_code, actor, after, limit
-- Jobs back to work, at most `limit` above `after`: those named, those of one
-- error code, or all that are parked. Named and by code also those that are to
-- be tried again later.
WITH owner AS MATERIALIZED (
    SELECT id, state FROM ml_connector.tenant
    WHERE name = $1::text AND state <> 'removed'
), chosen AS MATERIALIZED (
    SELECT j.id, j.tenant_id, j.kind, j.fusion_id, j.error_code, j.error,
        j.correlation, j.attempts
    FROM owner o JOIN ml_connector.job j ON j.tenant_id = o.id
    WHERE j.id > $5::bigint
      AND (j.state = 'parked' OR (j.state IN ('retry', 'unknown')
        AND ($2::jsonb IS NOT NULL OR $3::text IS NOT NULL)))
      AND ($2::jsonb IS NULL OR $2::jsonb @> to_jsonb(j.id::text))
      AND ($3::text IS NULL OR j.error_code = $3::text)
    ORDER BY j.id LIMIT $6::bigint
    FOR UPDATE OF j
), back AS MATERIALIZED (
    UPDATE ml_connector.job j SET state = 'queued', class = 'replay',
        attempts = 0, due_at = NULL, error_code = NULL, error = NULL,
        correlation = NULL, since = now()
    FROM chosen c
    WHERE j.id = c.id
    RETURNING j.id
), recorded AS (
    UPDATE ml_connector.record r SET state = 'pending'
    FROM chosen c
    WHERE r.tenant_id = c.tenant_id AND r.kind = c.kind
      AND r.fusion_id = c.fusion_id
), trail AS (
    INSERT INTO ml_connector.audit_event (tenant_id, worker, event, kind,
        fusion_id, job, attempt, outcome, error_code, message, correlation)
    SELECT tenant_id, $4::text, 'job.replayed', kind, fusion_id, id, attempts,
        'queued', error_code, error, correlation
    FROM chosen
)
SELECT json_build_object('known', EXISTS (SELECT FROM owner),
    'tenant', (SELECT id FROM owner), 'state', (SELECT state FROM owner),
    'replayed', (SELECT count(*) FROM back),
    'last', coalesce((SELECT max(id) FROM back), $5::bigint)) AS json
