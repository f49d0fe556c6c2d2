-- one: name, error_code, after_since, after_job, limit
-- Parked jobs, the ones longest parked first, below (after_since, after_job),
-- and how many there are in all.
WITH owner AS MATERIALIZED (
    SELECT id FROM ml_connector.tenant
    WHERE name = $1::text AND state <> 'removed'
), page AS (
    SELECT j.id, j.since FROM ml_connector.job j
    WHERE j.tenant_id = (SELECT id FROM owner) AND j.state = 'parked'
      AND ($2::text IS NULL OR j.error_code = $2::text)
      AND ($3::timestamptz IS NULL
        OR (j.since, j.id) > ($3::timestamptz, $4::bigint))
      AND j.since >= coalesce($3::timestamptz, '-infinity')
    ORDER BY j.since, j.id LIMIT $5::bigint
)
SELECT json_build_object(
    'total', (SELECT count(*) FROM ml_connector.job j
        WHERE j.tenant_id = (SELECT id FROM owner) AND j.state = 'parked'
          AND ($2::text IS NULL OR j.error_code = $2::text)),
    'jobs', coalesce((SELECT json_agg(v ORDER BY v.since, v.job)
        FROM ml_dashboard.replay_queue v, page p
        WHERE v.tenant = $1::text AND v.job = p.id), '[]')) AS json
