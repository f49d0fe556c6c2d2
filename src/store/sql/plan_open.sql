-- one: tenant, token, worker
-- Begins a plan of the tenant, unless another was seen within 5 minutes. One
-- that was not may still be at a long statement: its row is locked then, and
-- waited for (55P03).
WITH other AS MATERIALIZED (
    SELECT worker, began_at, seen_at FROM ml_connector.plan
    WHERE tenant_id = $1::bigint
), mine AS (
    INSERT INTO ml_connector.plan AS p (tenant_id, token, worker)
    SELECT $1::bigint, $2::text, $3::text
    WHERE NOT EXISTS (SELECT FROM other
        WHERE seen_at >= now() - interval '5 minutes')
    ON CONFLICT (tenant_id) DO UPDATE SET token = excluded.token,
        worker = excluded.worker, began_at = now(), seen_at = now(),
        copied_at = NULL
    WHERE p.seen_at < now() - interval '5 minutes'
    RETURNING p.tenant_id
)
SELECT EXISTS (SELECT FROM mine) AS mine, o.worker,
    round(extract(epoch FROM now() - o.began_at))::bigint AS began_s,
    round(extract(epoch FROM now() -
        greatest(o.seen_at, o.began_at)))::bigint AS seen_s
FROM (SELECT) x LEFT JOIN other o ON true
