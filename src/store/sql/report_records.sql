-- one: tenant, kind, fusion_id, limit
SELECT coalesce(json_agg(v), '[]') AS json FROM (
    SELECT * FROM ml_dashboard.records
    WHERE ($1::text IS NULL OR tenant = $1::text)
      AND ($2::text IS NULL OR kind = $2::text)
      AND ($3::text IS NULL OR fusion_id = $3::text)
    ORDER BY tenant, kind, fusion_id LIMIT $4::bigint) v
