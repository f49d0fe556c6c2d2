-- one: tenant, after, upto, rows
-- What a page of open balances says against what is known: invoices to be read
-- again. Ids are numbers written as text; upto '': no end. Unknown ones come
-- back as well; whether they are wanted the caller knows.
WITH page AS MATERIALIZED (
    SELECT x.id, x.balance FROM jsonb_to_recordset($4::jsonb)
        AS x(id text, balance numeric)
), differ AS (
    SELECT p.id FROM page p, LATERAL (
        SELECT r.balance, r.state FROM ml_connector.record r
        WHERE r.tenant_id = $1::bigint AND r.kind = 'invoice'
          AND r.fusion_id = p.id OFFSET 0) k
    WHERE k.balance IS DISTINCT FROM p.balance AND k.state <> 'missing'
), closed AS (
    SELECT r.fusion_id AS id FROM ml_connector.record r
    WHERE r.tenant_id = $1::bigint AND r.kind = 'invoice' AND r.open
      AND NOT r.draft AND r.balance <> 0
      -- a range of the primary key, where ids have as many digits
      AND ($3::text = '' OR length($2::text) <> length($3::text)
        OR (r.fusion_id > $2::text AND r.fusion_id <= $3::text))
      AND (length(r.fusion_id), r.fusion_id) >
        (length($2::text), $2::text)
      AND ($3::text = '' OR (length(r.fusion_id), r.fusion_id) <=
        (length($3::text), $3::text))
      AND NOT EXISTS (SELECT FROM page p WHERE p.id = r.fusion_id)
    LIMIT 10000
), unknown AS (
    SELECT p.id FROM page p WHERE NOT EXISTS (
        SELECT FROM ml_connector.record r
        WHERE r.tenant_id = $1::bigint AND r.kind = 'invoice'
          AND r.fusion_id = p.id OFFSET 0)
)
SELECT jsonb_build_object(
    'changed', (SELECT coalesce(jsonb_agg(id), '[]') FROM (
        SELECT id FROM differ UNION SELECT id FROM closed) c),
    'unknown', (SELECT coalesce(jsonb_agg(id), '[]') FROM unknown)) AS json
