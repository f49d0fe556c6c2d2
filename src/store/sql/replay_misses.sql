-- one: name, jobs
-- Of the jobs named, those that replay leaves alone, and where they stand,
-- `newer`: it had parked, and a newer version of its record took its place.
-- And what is parked, by error code.
WITH owner AS MATERIALIZED (
    SELECT id FROM ml_connector.tenant
    WHERE name = $1::text AND state <> 'removed'
)
SELECT json_build_object('misses', coalesce((SELECT json_agg(
        json_build_object('job', x.id, 'state', j.state, 'kind', j.kind,
        'fusion_id', j.fusion_id, 'waiting_for', j.waiting_for,
        'newer', coalesce(r.last_change > (SELECT max(e.at)
            FROM ml_connector.audit_event e
            WHERE e.tenant_id = j.tenant_id AND e.kind = j.kind
              AND e.fusion_id = j.fusion_id AND e.job = j.id
              AND e.event = 'job.parked'), false)) ORDER BY x.ord)
     FROM jsonb_array_elements_text(coalesce($2::jsonb, '[]'))
        WITH ORDINALITY AS x(id, ord)
     LEFT JOIN ml_connector.job j ON j.tenant_id = (SELECT id FROM owner)
        AND j.id::text = x.id
     LEFT JOIN ml_connector.record r ON r.tenant_id = j.tenant_id
        AND r.kind = j.kind AND r.fusion_id = j.fusion_id
     WHERE coalesce(j.state NOT IN ('parked', 'retry', 'unknown'), true)), '[]'),
    'codes', coalesce((SELECT json_agg(json_build_object('error_code',
        c.error_code, 'jobs', c.n) ORDER BY c.n DESC, c.error_code)
     FROM (SELECT j.error_code, count(*) AS n FROM ml_connector.job j
           WHERE j.tenant_id = (SELECT id FROM owner) AND j.state = 'parked'
           GROUP BY j.error_code) c), '[]')) AS json
