-- none: tenant
-- What would be opened while the others are written: payments say the e-mail
-- of their customer's contact, and go after it (outcome).
INSERT INTO ml_connector.job (tenant_id, kind, fusion_id, state, class)
SELECT $1::bigint, 'payment', p.fusion_id, 'queued', 'fresh'
FROM ml_connector.job j
JOIN ml_connector.record c ON c.tenant_id = $1::bigint
    AND c.kind = 'customer' AND c.fusion_id = j.fusion_id
JOIN ml_connector.contact_email e ON e.tenant_id = $1::bigint
    AND e.email = c.email AND e.account = j.fusion_id
JOIN ml_connector.link l ON l.tenant_id = $1::bigint
    AND l.kind = 'customer' AND l.fusion_id = j.fusion_id
    AND l.object = 'contacts'
JOIN ml_connector.record p ON p.tenant_id = $1::bigint
    AND p.kind = 'payment' AND p.customer = j.fusion_id
    AND p.state IN ('current', 'pending') AND p.desired IS NOT NULL
WHERE j.tenant_id = $1::bigint AND j.kind = 'customer'
  AND j.state <> 'parked'
  AND l.properties ->> 'email' IS DISTINCT FROM c.email
ORDER BY p.fusion_id
ON CONFLICT (tenant_id, kind, fusion_id) DO NOTHING
