-- none: tenant, worker, notes
-- Rows that made no record.
INSERT INTO ml_connector.audit_event (tenant_id, worker, event, kind,
    fusion_id, message)
SELECT $1::bigint, $2::text, event, kind, id, message
FROM jsonb_to_recordset($3::jsonb) AS x(event text, kind text, id text,
    message text)
WHERE event IS NOT NULL
