-- one: tenant, ids
-- Invoices that Fusion no longer has. One with work under way is left for the
-- next check. HubSpot keeps what it has.
WITH ids AS MATERIALIZED (
    SELECT DISTINCT id FROM jsonb_array_elements_text($2::jsonb) id
), marked AS (
    UPDATE ml_connector.record r SET state = 'gone', open = false,
        draft = false, last_change = now()
    FROM ids
    WHERE r.tenant_id = $1::bigint AND r.kind = 'invoice'
      AND r.fusion_id = ids.id AND r.state IN ('current', 'parked')
      AND NOT EXISTS (SELECT FROM ml_connector.job j
        WHERE j.tenant_id = $1::bigint AND j.kind = 'invoice'
          AND j.fusion_id = ids.id AND j.state <> 'parked')
    RETURNING r.fusion_id
), closed AS (
    DELETE FROM ml_connector.job j USING marked m
    WHERE j.tenant_id = $1::bigint AND j.kind = 'invoice'
      AND j.fusion_id = m.fusion_id AND j.state = 'parked'
    RETURNING j.fusion_id, j.id, j.poll, j.feed
), other AS (
    UPDATE ml_connector.poll p SET superseded = p.superseded + d.n
    FROM (SELECT poll, feed, count(*) AS n FROM closed
          GROUP BY poll, feed) d
    WHERE p.tenant_id = $1::bigint AND p.poll = d.poll AND p.feed = d.feed
), trail AS (
    INSERT INTO ml_connector.audit_event (tenant_id, event, kind, fusion_id,
        job, message)
    SELECT $1::bigint, 'gone', 'invoice', m.fusion_id, c.id,
        'Fusion no longer has this draft; HubSpot keeps its copy'
    FROM marked m LEFT JOIN closed c ON c.fusion_id = m.fusion_id
)
SELECT count(*) AS gone FROM marked
