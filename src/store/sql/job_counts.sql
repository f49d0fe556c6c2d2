-- one: tenant
SELECT jsonb_build_object(
    'queued', count(*) FILTER (WHERE state = 'queued'),
    'in_flight', count(*) FILTER (WHERE state = 'in_flight'),
    'waiting', count(*) FILTER (WHERE state = 'waiting'),
    'retry', count(*) FILTER (WHERE state = 'retry'),
    'unknown', count(*) FILTER (WHERE state = 'unknown'),
    'parked', count(*) FILTER (WHERE state = 'parked'),
    'next_due_ms', CASE
        WHEN count(*) FILTER (WHERE state IN ('retry', 'unknown')) = 0
            THEN -1
        ELSE greatest(0, ceil(extract(epoch FROM
            min(due_at) FILTER (WHERE state IN ('retry', 'unknown')) -
            clock_timestamp()) * 1000))::bigint END) AS json
FROM ml_connector.job WHERE tenant_id = $1::bigint
