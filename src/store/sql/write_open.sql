-- maybe: id, tenant, portal, worker, term, operation, inputs, jobs
-- Nothing is stored when the term is not ours. Twice is once.
WITH held AS MATERIALIZED (
    SELECT 1 FROM ml_connector.lease
    WHERE portal = $3::text AND term = $5::bigint AND worker IS NOT NULL
      AND expires_at > clock_timestamp()
    FOR KEY SHARE
)
INSERT INTO ml_connector.write AS w (id, tenant_id, portal, worker, term,
    operation, inputs, jobs)
SELECT $1::text, $2::bigint, $3::text, $4::text, $5::bigint, $6::text,
    $7::bigint, ARRAY(SELECT v::bigint FROM
        jsonb_array_elements_text(coalesce($8::jsonb, '[]')) v)
FROM held
ON CONFLICT (id) DO UPDATE SET inputs = w.inputs
RETURNING id
