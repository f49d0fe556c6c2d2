-- one: tenant, portal, term, known
-- Jobs in flight that their holder does not have: a claim took them and its
-- answer was lost.
WITH held AS MATERIALIZED (
    SELECT 1 FROM ml_connector.lease
    WHERE portal = $2::text AND term = $3::bigint AND worker IS NOT NULL
      AND expires_at > clock_timestamp()
    FOR KEY SHARE
), back AS (
    UPDATE ml_connector.job j SET
        state = CASE WHEN j.verify THEN 'unknown' ELSE 'queued' END,
        due_at = CASE WHEN j.verify THEN clock_timestamp() END, since = now()
    WHERE j.tenant_id = $1::bigint AND j.state = 'in_flight'
      AND EXISTS (SELECT FROM held)
      AND j.id NOT IN (SELECT v::bigint
        FROM jsonb_array_elements_text($4::jsonb) v)
    RETURNING j.id, j.kind, j.fusion_id, j.state
), trail AS (
    INSERT INTO ml_connector.audit_event (tenant_id, event, kind, fusion_id,
        job, outcome, worker)
    SELECT $1::bigint, 'recovered', b.kind, b.fusion_id, b.id, b.state,
        (SELECT worker FROM ml_connector.lease WHERE portal = $2::text)
    FROM back b
)
SELECT count(*) AS jobs FROM back
