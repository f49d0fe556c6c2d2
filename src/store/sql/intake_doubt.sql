-- none: tenant, worker, class, records
-- After the invoices of a page, when the database was set back: what they say
-- of their customers went into those perhaps, and is as before again. Such a
-- customer is compared with HubSpot once, whether or not it is read.
WITH page AS MATERIALIZED (
    SELECT DISTINCT x.customer, t.doubt_at
    FROM ml_connector.tenant t, LATERAL jsonb_to_recordset(
        -- as text: nobody parses it for nothing
        CASE WHEN t.doubt_at IS NOT NULL THEN $4::text::jsonb ELSE '[]' END)
        AS x(kind text, customer text)
    WHERE t.id = $1::bigint AND t.doubt_at IS NOT NULL
      AND x.kind = 'invoice' AND x.customer IS NOT NULL
), jobs AS (
    INSERT INTO ml_connector.job AS j (tenant_id, kind, fusion_id, state,
        class)
    SELECT $1::bigint, 'customer', p.customer, 'queued', $3::text
    FROM page p, LATERAL (
        SELECT r.last_write, r.seen_at FROM ml_connector.record r
        WHERE r.tenant_id = $1::bigint AND r.kind = 'customer'
          AND r.fusion_id = p.customer AND r.state = 'current'
          AND r.desired IS NOT NULL OFFSET 0) r
    WHERE coalesce(r.last_write, r.seen_at - interval '1 day') < p.doubt_at
    ORDER BY p.customer
    ON CONFLICT (tenant_id, kind, fusion_id) DO NOTHING
    RETURNING j.id, j.fusion_id
), marked AS (
    UPDATE ml_connector.record r SET state = 'pending'
    FROM jobs j
    WHERE r.tenant_id = $1::bigint AND r.kind = 'customer'
      AND r.fusion_id = j.fusion_id
)
INSERT INTO ml_connector.audit_event (tenant_id, worker, event, kind,
    fusion_id, job, outcome)
SELECT $1::bigint, $2::text, 'in_doubt', 'customer', fusion_id, id, 'opened'
FROM jobs
