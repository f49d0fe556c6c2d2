-- one: portal
-- In the transaction that moved the lease (portal NULL: of those it moved):
-- what the predecessor had in flight goes back to the queue, or is unknown when
-- a request of it is open.
WITH moved AS MATERIALIZED (
    SELECT t.id, l.worker FROM ml_connector.lease l
    JOIN ml_connector.tenant t
        ON coalesce(t.portal, 'tenant:' || t.id) = l.portal
    WHERE ($1::text IS NULL OR l.portal = $1::text)
      AND l.moved_xid = pg_current_xact_id()
), open AS MATERIALIZED (
    SELECT u.job, max(w.opened_at) AS sent_at
    FROM moved m JOIN ml_connector.write w ON w.tenant_id = m.id
        AND w.closed_at IS NULL, unnest(w.jobs) AS u(job)
    GROUP BY u.job
), closed AS (
    UPDATE ml_connector.write w SET closed_at = clock_timestamp(),
        result = 'unknown'
    FROM moved m WHERE w.tenant_id = m.id AND w.closed_at IS NULL
    RETURNING w.id
), back AS (
    UPDATE ml_connector.job j SET
        state = CASE WHEN o.job IS NOT NULL OR j.verify THEN 'unknown'
            ELSE 'queued' END,
        due_at = CASE WHEN o.job IS NOT NULL OR j.verify
            THEN clock_timestamp() END,
        sent_at = coalesce(o.sent_at, j.sent_at), since = now()
    FROM moved m JOIN ml_connector.job f ON f.tenant_id = m.id
        AND f.state = 'in_flight'
    LEFT JOIN open o ON o.job = f.id
    WHERE j.id = f.id
    RETURNING j.id, j.tenant_id, j.kind, j.fusion_id, j.state
), trail AS (
    INSERT INTO ml_connector.audit_event (tenant_id, event, kind, fusion_id,
        job, outcome, worker)
    SELECT b.tenant_id, 'recovered', b.kind, b.fusion_id, b.id, b.state,
        m.worker
    FROM back b JOIN moved m ON m.id = b.tenant_id
)
SELECT (SELECT count(*) FROM back) AS jobs,
    (SELECT count(*) FROM closed) AS writes
