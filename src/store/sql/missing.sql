-- one: tenant, kind, ids
-- Fusion does not have them: what waits for them goes on without.
WITH ids AS MATERIALIZED (
    SELECT DISTINCT id FROM jsonb_array_elements_text($3::jsonb) id
), marked AS (
    INSERT INTO ml_connector.record AS r (tenant_id, kind, fusion_id, state,
        read_us)
    SELECT $1::bigint, $2::text, id, 'missing', 0 FROM ids ORDER BY id
    ON CONFLICT (tenant_id, kind, fusion_id) DO UPDATE SET
        state = 'missing', open = false, last_read = now()
    WHERE r.hash IS NULL
    RETURNING fusion_id
), released AS (
    -- OFFSET 0: an index finds the jobs of each, however many wait.
    UPDATE ml_connector.job j SET state = 'queued', waiting_for = NULL,
        since = now()
    FROM (SELECT $2::text || ':' || fusion_id AS parent FROM marked) m,
        LATERAL (SELECT w.id FROM ml_connector.job w
            WHERE w.tenant_id = $1::bigint AND w.state = 'waiting'
              AND w.waiting_for = m.parent OFFSET 0) w
    WHERE j.id = w.id AND j.state = 'waiting' AND j.waiting_for = m.parent
    RETURNING j.id, j.kind, j.fusion_id, m.parent
), trail AS (
    INSERT INTO ml_connector.audit_event (tenant_id, event, kind, fusion_id,
        job, message)
    SELECT $1::bigint, 'parent_missing', kind, fusion_id, id,
        'Fusion does not have ' || parent
    FROM released
)
SELECT count(*) AS released FROM released
