-- one: changes
WITH changed AS (
    UPDATE ml_connector.secret s SET sealed = x.new, sealed_at = now()
    FROM jsonb_to_recordset($1::jsonb) AS x(tenant bigint, field text,
        old text, new text)
    WHERE s.tenant_id = x.tenant AND s.field = x.field AND s.sealed = x.old
      AND x.new IS NOT NULL
    RETURNING s.tenant_id
), grown AS (
    UPDATE ml_connector.tenant t SET revision = t.revision + 1
    WHERE t.id IN (SELECT tenant_id FROM changed)
)
SELECT jsonb_build_object('replaced', count(*)) AS json FROM changed
