-- one: tenant, after, limit
-- Drafts above `after`, and an invoice that is none and was seen last: when
-- that does not come back either, nobody can say anything of the others.
SELECT jsonb_build_object(
    'ids', coalesce((SELECT jsonb_agg(d.fusion_id ORDER BY d.fusion_id)
        FROM (SELECT fusion_id FROM ml_connector.record
            WHERE tenant_id = $1::bigint AND kind = 'invoice' AND draft
              AND fusion_id > $2::text
            ORDER BY fusion_id LIMIT $3::bigint) d), '[]'),
    'witness', (SELECT r.fusion_id FROM ml_connector.record r
        WHERE r.tenant_id = $1::bigint AND r.kind = 'invoice' AND NOT r.draft
          AND r.state NOT IN ('gone', 'missing') AND r.hash IS NOT NULL
        ORDER BY r.fusion_id DESC LIMIT 1)) AS json
