-- none: tenant, worker, audit
INSERT INTO ml_connector.audit_event (tenant_id, worker, event, kind,
    fusion_id, hubspot_id, job, attempt, outcome, http_status, error_code,
    message, correlation, before, after, duration_ms)
SELECT $1::bigint, $2::text, x.event, x.kind, x.fusion_id, x.hubspot_id,
    x.job, x.attempt, x.outcome, nullif(x.http_status, 0), x.error_code,
    x.message, nullif(x.correlation, ''), x.before, x.after, x.duration_ms
FROM jsonb_to_recordset($3::jsonb) AS x(event text, kind text,
    fusion_id text, hubspot_id text, job bigint, attempt integer,
    outcome text, http_status integer, error_code text, message text,
    correlation text, before jsonb, after jsonb, duration_ms bigint)
WHERE x.event IS NOT NULL
