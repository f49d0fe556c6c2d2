-- one: tenant, limit
-- What came of the rows: read again and unchanged, filtered, not mapped (each
-- with its reason, the first `limit` of them).
SELECT jsonb_build_object(
    'unchanged', (SELECT coalesce(jsonb_object_agg(kind, n), '{}') FROM (
        SELECT r.kind, count(*) AS n FROM ml_connector.record r
        WHERE r.tenant_id = $1::bigint AND r.hash IS NOT NULL
          AND r.last_read >= (SELECT p.copied_at FROM ml_connector.plan p
            WHERE p.tenant_id = $1::bigint)
          AND NOT EXISTS (SELECT FROM ml_connector.job j
            WHERE j.tenant_id = $1::bigint AND j.kind = r.kind
              AND j.fusion_id = r.fusion_id OFFSET 0)
        GROUP BY r.kind) u),
    'read', (SELECT coalesce(sum(read), 0) FROM ml_connector.poll
        WHERE tenant_id = $1::bigint),
    'filtered', (SELECT coalesce(sum(filtered), 0) FROM ml_connector.poll
        WHERE tenant_id = $1::bigint),
    'requests', (SELECT coalesce(sum(requests), 0) FROM ml_connector.poll
        WHERE tenant_id = $1::bigint),
    'invalid', (SELECT coalesce(jsonb_object_agg(kind, n), '{}') FROM (
        SELECT kind, count(DISTINCT coalesce(fusion_id, '')) AS n
        FROM ml_connector.audit_event
        WHERE tenant_id = $1::bigint AND event = 'invalid'
          AND kind IS NOT NULL GROUP BY kind) i),
    'reasons', (SELECT coalesce(jsonb_agg(jsonb_build_object('kind', kind,
            'id', fusion_id, 'why', message) ORDER BY kind, fusion_id), '[]')
        FROM (SELECT kind, fusion_id, min(message) AS message
            FROM ml_connector.audit_event
            WHERE tenant_id = $1::bigint AND event = 'invalid'
            GROUP BY kind, fusion_id
            ORDER BY kind, fusion_id LIMIT $2::bigint) f)) AS json
