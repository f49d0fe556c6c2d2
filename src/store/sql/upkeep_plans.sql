-- many:
-- What plans left that were killed, a little at a time. A row that is locked
-- belongs to one that lives.
SELECT ml_connector.plan_clear(d.tenant_id, d.token, 20000) AS more
FROM (SELECT tenant_id, token FROM ml_connector.plan
    WHERE seen_at < now() - interval '5 minutes'
    ORDER BY seen_at LIMIT 10 FOR UPDATE SKIP LOCKED) d
