-- many: tenant, portal, term, limit
-- The most urgent due jobs of a tenant become in_flight, with all that their
-- dispatcher needs.
WITH held AS MATERIALIZED (
    SELECT 1 FROM ml_connector.lease
    WHERE portal = $2::text AND term = $3::bigint AND worker IS NOT NULL
      AND expires_at > clock_timestamp()
    FOR SHARE
), queued AS MATERIALIZED (
    SELECT id, rank FROM ml_connector.job
    WHERE tenant_id = $1::bigint AND state = 'queued'
      AND EXISTS (SELECT FROM held)
    ORDER BY tenant_id, rank, id LIMIT $4::bigint
    FOR UPDATE SKIP LOCKED
), due AS MATERIALIZED (
    SELECT id, rank FROM ml_connector.job
    WHERE tenant_id = $1::bigint AND state IN ('retry', 'unknown')
      AND due_at <= clock_timestamp() AND EXISTS (SELECT FROM held)
    ORDER BY tenant_id, due_at LIMIT $4::bigint
    FOR UPDATE SKIP LOCKED
), chosen AS MATERIALIZED (
    SELECT id FROM (SELECT * FROM queued UNION ALL SELECT * FROM due) u
    ORDER BY rank, id LIMIT $4::bigint
), claimed AS MATERIALIZED (
    UPDATE ml_connector.job j SET state = 'in_flight',
        verify = j.verify OR j.state = 'unknown', due_at = NULL,
        since = now()
    FROM chosen c
    WHERE j.id = c.id AND j.tenant_id = $1::bigint
    RETURNING j.*
)
SELECT j.id, j.revision, j.kind, j.fusion_id, r.number, j.class, j.verify,
    j.attempts, (extract(epoch FROM j.seen_at) * 1000000)::bigint AS seen_us,
    CASE WHEN j.verify THEN
        (extract(epoch FROM j.sent_at) * 1000000)::bigint END AS sent_us,
    coalesce(r.desired, '{"objects":[]}') AS desired,
    (SELECT coalesce(jsonb_agg(jsonb_build_object('object', l.object,
        'key', l.key, 'id', l.hubspot_id, 'hash', encode(l.hash, 'hex'),
        'assoc', to_jsonb(l.assoc), 'properties',
        coalesce(l.properties, '{}')) ORDER BY l.object, l.key), '[]')
     FROM ml_connector.link l
     WHERE l.tenant_id = j.tenant_id AND l.kind = j.kind
       AND l.fusion_id = j.fusion_id AND l.hubspot_id IS NOT NULL) AS links,
    jsonb_strip_nulls(jsonb_build_object(
        'customer', CASE WHEN j.kind <> 'customer'
                AND r.customer IS NOT NULL THEN
            jsonb_build_object('id', r.customer,
            'state', coalesce((SELECT c.state FROM ml_connector.record c
                WHERE c.tenant_id = j.tenant_id AND c.kind = 'customer'
                  AND c.fusion_id = r.customer), 'none'),
            'company', (SELECT l.hubspot_id FROM ml_connector.link l
                WHERE l.tenant_id = j.tenant_id AND l.kind = 'customer'
                  AND l.fusion_id = r.customer AND l.object = 'companies'
                  AND l.hubspot_id IS NOT NULL LIMIT 1),
            'contact', (SELECT l.hubspot_id FROM ml_connector.link l
                WHERE l.tenant_id = j.tenant_id AND l.kind = 'customer'
                  AND l.fusion_id = r.customer AND l.object = 'contacts'
                  AND l.hubspot_id IS NOT NULL LIMIT 1),
            'email', (SELECT l.properties ->> 'email'
                FROM ml_connector.link l
                WHERE l.tenant_id = j.tenant_id AND l.kind = 'customer'
                  AND l.fusion_id = r.customer AND l.object = 'contacts'
                LIMIT 1)) END,
        'invoice', CASE WHEN j.kind = 'payment' AND r.invoice IS NOT NULL
            THEN jsonb_build_object('id', r.invoice,
            'state', coalesce((SELECT c.state FROM ml_connector.record c
                WHERE c.tenant_id = j.tenant_id AND c.kind = 'invoice'
                  AND c.fusion_id = r.invoice), 'none'),
            'hubspot', (SELECT l.hubspot_id FROM ml_connector.link l
                WHERE l.tenant_id = j.tenant_id AND l.kind = 'invoice'
                  AND l.fusion_id = r.invoice AND l.object = 'invoices'
                  AND l.hubspot_id IS NOT NULL LIMIT 1)) END)) AS parents,
    coalesce((SELECT e.account FROM ml_connector.contact_email e
        WHERE j.kind = 'customer' AND e.tenant_id = j.tenant_id
          AND e.email = r.email AND e.account <> j.fusion_id), '')
        AS email_holder,
    r.amount, r.currency
FROM claimed j
LEFT JOIN ml_connector.record r ON r.tenant_id = j.tenant_id
    AND r.kind = j.kind AND r.fusion_id = j.fusion_id
ORDER BY j.rank, j.id
