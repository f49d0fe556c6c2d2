-- one: tenant, after_tenant, after_name
-- Waiting jobs whose parents are there, or known to be missing, go on. A little
-- at a time: those that come next, by tenant and by what they wait for; at the
-- end `tenant` is null, and the next look begins anew. Of one tenant: all.
WITH slice AS MATERIALIZED (
    SELECT tenant_id, waiting_for FROM ml_connector.job
    WHERE state = 'waiting'
      AND ($1::bigint IS NULL OR tenant_id = $1::bigint)
      AND (tenant_id, waiting_for) >
        (coalesce($2::bigint, 0), coalesce($3::text, ''))
    ORDER BY tenant_id, waiting_for
    LIMIT CASE WHEN $1::bigint IS NULL THEN 10000 END
), target AS MATERIALIZED (
    SELECT DISTINCT tenant_id, waiting_for,
        split_part(waiting_for, ':', 1) AS kind,
        substr(waiting_for, strpos(waiting_for, ':') + 1) AS id
    FROM slice WHERE strpos(waiting_for, ':') > 0
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
), last AS MATERIALIZED (
    SELECT tenant_id, waiting_for FROM slice
    WHERE $1::bigint IS NULL AND (SELECT count(*) FROM slice) = 10000
    ORDER BY tenant_id DESC, waiting_for DESC LIMIT 1
)
SELECT (SELECT count(*) FROM released) AS released,
    (SELECT tenant_id FROM last) AS tenant,
    (SELECT waiting_for FROM last) AS name
