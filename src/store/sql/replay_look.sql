-- one: name, jobs, error_code, after, limit
-- What replay would take, as a dispatcher would get it: the newest content of
-- each record. `newer`: it was read after the attempt that failed.
WITH owner AS MATERIALIZED (
    SELECT id, state FROM ml_connector.tenant
    WHERE name = $1::text AND state <> 'removed'
), page AS MATERIALIZED (
    SELECT j.*
    FROM owner o JOIN ml_connector.job j ON j.tenant_id = o.id
    WHERE j.id > $4::bigint
      AND (j.state = 'parked' OR (j.state IN ('retry', 'unknown')
        AND ($2::jsonb IS NOT NULL OR $3::text IS NOT NULL)))
      AND ($2::jsonb IS NULL OR $2::jsonb @> to_jsonb(j.id::text))
      AND ($3::text IS NULL OR j.error_code = $3::text)
    ORDER BY j.id LIMIT $5::bigint
)
SELECT json_build_object('known', EXISTS (SELECT FROM owner),
    'tenant', (SELECT id FROM owner), 'state', (SELECT state FROM owner),
    'jobs', coalesce((SELECT json_agg(json_build_object('job', j.id,
        'kind', j.kind, 'fusion_id', j.fusion_id, 'number', r.number,
        'state', j.state, 'error_code', j.error_code, 'reason', j.error,
        'attempts', j.attempts, 'since', j.since, 'verify', j.verify,
        'version', CASE WHEN r.version_us > 0 THEN
            to_timestamp(r.version_us / 1000000.0) END,
        'newer', coalesce(r.last_change > j.since, false),
        'desired', coalesce(r.desired, '{"objects":[]}')::text,
        'links', (SELECT coalesce(jsonb_agg(jsonb_build_object(
            'object', l.object, 'key', l.key, 'id', l.hubspot_id,
            'hash', encode(l.hash, 'hex'), 'assoc', to_jsonb(l.assoc),
            'properties', coalesce(l.properties, '{}'))
            ORDER BY l.object, l.key), '[]')
         FROM ml_connector.link l
         WHERE l.tenant_id = j.tenant_id AND l.kind = j.kind
           AND l.fusion_id = j.fusion_id
           AND l.hubspot_id IS NOT NULL)::text,
        'parents', jsonb_strip_nulls(jsonb_build_object(
            'customer', CASE WHEN j.kind <> 'customer'
                    AND r.customer IS NOT NULL THEN
                jsonb_build_object('id', r.customer,
                'state', coalesce((SELECT c.state FROM ml_connector.record c
                    WHERE c.tenant_id = j.tenant_id AND c.kind = 'customer'
                      AND c.fusion_id = r.customer), 'none'),
                'company', (SELECT l.hubspot_id FROM ml_connector.link l
                    WHERE l.tenant_id = j.tenant_id AND l.kind = 'customer'
                      AND l.fusion_id = r.customer
                      AND l.object = 'companies'
                      AND l.hubspot_id IS NOT NULL LIMIT 1),
                'contact', (SELECT l.hubspot_id FROM ml_connector.link l
                    WHERE l.tenant_id = j.tenant_id AND l.kind = 'customer'
                      AND l.fusion_id = r.customer
                      AND l.object = 'contacts'
                      AND l.hubspot_id IS NOT NULL LIMIT 1),
                'email', (SELECT l.properties ->> 'email'
                    FROM ml_connector.link l
                    WHERE l.tenant_id = j.tenant_id AND l.kind = 'customer'
                      AND l.fusion_id = r.customer
                      AND l.object = 'contacts' LIMIT 1)) END,
            'invoice', CASE WHEN j.kind = 'payment'
                    AND r.invoice IS NOT NULL THEN
                jsonb_build_object('id', r.invoice,
                'state', coalesce((SELECT c.state FROM ml_connector.record c
                    WHERE c.tenant_id = j.tenant_id AND c.kind = 'invoice'
                      AND c.fusion_id = r.invoice), 'none'),
                'hubspot', (SELECT l.hubspot_id FROM ml_connector.link l
                    WHERE l.tenant_id = j.tenant_id AND l.kind = 'invoice'
                      AND l.fusion_id = r.invoice
                      AND l.object = 'invoices'
                      AND l.hubspot_id IS NOT NULL LIMIT 1)) END))::text,
        'email_holder', coalesce((SELECT e.account
            FROM ml_connector.contact_email e
            WHERE j.kind = 'customer' AND e.tenant_id = j.tenant_id
              AND e.email = r.email AND e.account <> j.fusion_id), ''))
        ORDER BY j.id)
     FROM page j
     LEFT JOIN ml_connector.record r ON r.tenant_id = j.tenant_id
        AND r.kind = j.kind AND r.fusion_id = j.fusion_id), '[]')) AS json
