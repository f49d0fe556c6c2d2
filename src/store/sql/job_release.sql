-- one: tenant
-- Waiting jobs whose parents are there, or known to be missing, go on.
-- Tenant NULL: of all tenants.
WITH target AS MATERIALIZED (
    SELECT DISTINCT tenant_id, waiting_for,
        split_part(waiting_for, ':', 1) AS kind,
        substr(waiting_for, strpos(waiting_for, ':') + 1) AS id
    FROM ml_connector.job
    WHERE state = 'waiting' AND strpos(waiting_for, ':') > 0
      AND ($1::bigint IS NULL OR tenant_id = $1::bigint)
), ready AS MATERIALIZED (
    SELECT t.tenant_id, t.waiting_for FROM target t
    WHERE EXISTS (
        SELECT FROM ml_connector.record r
        WHERE r.tenant_id = t.tenant_id AND r.kind = t.kind
          AND r.fusion_id = t.id AND r.state IN ('missing', 'gone')
        OFFSET 0)
       OR (SELECT count(DISTINCT l.object) FROM ml_connector.link l
           WHERE l.tenant_id = t.tenant_id AND l.kind = t.kind
             AND l.fusion_id = t.id AND l.hubspot_id IS NOT NULL
             AND l.object IN ('companies', 'contacts', 'invoices')) =
          CASE t.kind WHEN 'customer' THEN 2 ELSE 1 END
), picked AS MATERIALIZED (
    -- OFFSET 0: an index finds the jobs of each, however many wait.
    SELECT j.id FROM ready r, LATERAL (
        SELECT w.id FROM ml_connector.job w
        WHERE w.tenant_id = r.tenant_id AND w.state = 'waiting'
          AND w.waiting_for = r.waiting_for OFFSET 0) w
    JOIN ml_connector.job j ON j.id = w.id
    WHERE j.state = 'waiting' AND j.waiting_for = r.waiting_for
    FOR UPDATE OF j SKIP LOCKED
), released AS (
    UPDATE ml_connector.job j SET state = 'queued', waiting_for = NULL,
        since = now()
    FROM picked p WHERE j.id = p.id
    RETURNING j.id
)
SELECT count(*) AS released FROM released
