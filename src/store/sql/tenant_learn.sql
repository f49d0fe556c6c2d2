-- none: tenant, portal, learned
UPDATE ml_connector.tenant SET portal = coalesce($2::text, portal),
    learned = learned || coalesce($3::jsonb, '{}')
WHERE id = $1::bigint
