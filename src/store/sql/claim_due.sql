-- one: tenant, portal, term
-- Whether the lease is ours, and when the next retry is due, from now; while a
-- poll may be about to cross the ceiling, when its hold ends at the latest.
WITH held AS MATERIALIZED (
    SELECT taken_at FROM ml_connector.lease
    WHERE portal = $2::text AND term = $3::bigint
      AND worker IS NOT NULL AND expires_at > clock_timestamp()
), gathers AS MATERIALIZED (
    SELECT t.gathering_at + interval '3 minutes' AS until
    FROM ml_connector.tenant t, held l
    WHERE t.id = $1::bigint AND t.gathering_at >
        greatest(now() - interval '3 minutes', l.taken_at)
), due AS MATERIALIZED (
    SELECT coalesce((SELECT until FROM gathers), (
        SELECT min(due_at) FROM ml_connector.job
        WHERE tenant_id = $1::bigint AND state IN ('retry', 'unknown'))) AS at
)
SELECT EXISTS (SELECT FROM held) AS held,
    CASE WHEN at IS NULL THEN -1 ELSE greatest(0, ceil(extract(epoch FROM
        at - clock_timestamp()) * 1000))::bigint END AS next_due_ms
FROM due
