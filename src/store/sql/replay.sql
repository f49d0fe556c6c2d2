-- one: name, jobs, error_code, actor
-- Parked jobs back to work: those named, those of one error code, or all.
WITH owner AS MATERIALIZED (
    SELECT id FROM ml_connector.tenant
    WHERE name = $1::text AND state <> 'removed'
), back AS MATERIALIZED (
    UPDATE ml_connector.job j SET state = 'queued', class = 'replay',
        attempts = 0, due_at = NULL, error_code = NULL, error = NULL,
        correlation = NULL, since = now()
    FROM owner o
    WHERE j.tenant_id = o.id AND j.state = 'parked'
      AND ($2::jsonb IS NULL
        OR $2::jsonb @> to_jsonb(j.id::text))
      AND ($3::text IS NULL OR j.error_code = $3::text)
    RETURNING j.tenant_id, j.id, j.kind, j.fusion_id
), recorded AS (
    UPDATE ml_connector.record r SET state = 'pending'
    FROM back b
    WHERE r.tenant_id = b.tenant_id AND r.kind = b.kind
      AND r.fusion_id = b.fusion_id
), trail AS (
    INSERT INTO ml_connector.audit_event (tenant_id, worker, event, kind,
        fusion_id, job, outcome)
    SELECT tenant_id, $4::text, 'job.replayed', kind, fusion_id, id, 'queued'
    FROM back
)
SELECT json_build_object('known', EXISTS (SELECT FROM owner),
    'replayed', (SELECT count(*) FROM back)) AS json
