-- none: tenant, kind, ids
-- Records that were asked for by id and did not come: they wait for their turn
-- like the others. Payments by their receipt.
UPDATE ml_connector.record r SET last_read = now()
FROM jsonb_array_elements_text($3::jsonb) AS x(id)
WHERE r.tenant_id = $1::bigint AND r.kind = $2::text
  AND r.fusion_id = CASE $2::text WHEN 'payment'
    THEN x.id || ':unapplied' ELSE x.id END
