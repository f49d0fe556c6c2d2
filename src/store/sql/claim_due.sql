-- one: tenant, portal, term
-- Whether the lease is ours, and when the next retry is due, from now.
SELECT EXISTS (
        SELECT FROM ml_connector.lease
        WHERE portal = $2::text AND term = $3::bigint
          AND worker IS NOT NULL AND expires_at > clock_timestamp()) AS held,
    (SELECT CASE WHEN min(due_at) IS NULL THEN -1
            ELSE greatest(0, ceil(extract(epoch FROM
                min(due_at) - clock_timestamp()) * 1000))::bigint END
     FROM ml_connector.job
     WHERE tenant_id = $1::bigint AND state IN ('retry', 'unknown'))
        AS next_due_ms
