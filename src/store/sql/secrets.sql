-- one:
SELECT coalesce(jsonb_agg(jsonb_build_object('tenant', s.tenant_id,
    'name', t.name, 'field', s.field, 'sealed', s.sealed)
    ORDER BY s.tenant_id, s.field), '[]') AS json
FROM ml_connector.secret s
JOIN ml_connector.tenant t ON t.id = s.tenant_id
