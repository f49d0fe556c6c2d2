-- one: tenant, command, arguments, asked_by
INSERT INTO ml_connector.request (tenant_id, command, arguments, asked_by)
VALUES ($1::bigint, $2::text, coalesce($3::jsonb, '{}'), $4::text)
RETURNING jsonb_build_object('id', id) AS json
