-- many: tenant, kind, after, limit
-- The open jobs of a kind above `after` as a dispatcher would get them, and
-- what of their parents will be there: `coming` when a job is about to write
-- it. What is wanted of a record that is written again for another reason than
-- a change is not in the copy: "ml_connector" in quotes is the table itself.
WITH page AS MATERIALIZED (
    SELECT * FROM ml_connector.job
    WHERE tenant_id = $1::bigint AND kind = $2::text AND id > $3::bigint
    ORDER BY id LIMIT $4::bigint
)
SELECT j.id, j.kind, j.fusion_id, r.number, j.state, j.waiting_for,
    j.error_code, j.error, j.verify OR j.state = 'unknown' AS verify,
    j.verify OR j.state = 'unknown' OR j.attempts > 0 AS careful,
    j.seen_at >= (SELECT p.copied_at FROM ml_connector.plan p
        WHERE p.tenant_id = $1::bigint) AS found,
    coalesce(nullif(r.desired, '{}'), (SELECT o.desired
        FROM "ml_connector".record o
        WHERE o.tenant_id = j.tenant_id AND o.kind = j.kind
          AND o.fusion_id = j.fusion_id), '{"objects":[]}') AS desired,
    (SELECT coalesce(jsonb_agg(jsonb_build_object('object', l.object,
        'key', l.key, 'id', l.hubspot_id, 'hash', encode(l.hash, 'hex'),
        'assoc', to_jsonb(l.assoc), 'properties',
        coalesce(l.properties, '{}')) ORDER BY l.object, l.key), '[]')
     FROM ml_connector.link l
     WHERE l.tenant_id = j.tenant_id AND l.kind = j.kind
       AND l.fusion_id = j.fusion_id AND l.hubspot_id IS NOT NULL) AS links,
    jsonb_strip_nulls(jsonb_build_object(
        'customer', CASE WHEN j.kind <> 'customer'
                AND r.customer IS NOT NULL THEN
            jsonb_build_object('id', r.customer, 'state', c.state,
            'coming', c.coming, 'email', c.email,
            'company', (SELECT l.hubspot_id FROM ml_connector.link l
                WHERE l.tenant_id = j.tenant_id AND l.kind = 'customer'
                  AND l.fusion_id = r.customer AND l.object = 'companies'
                  AND l.hubspot_id IS NOT NULL LIMIT 1),
            'contact', (SELECT l.hubspot_id FROM ml_connector.link l
                WHERE l.tenant_id = j.tenant_id AND l.kind = 'customer'
                  AND l.fusion_id = r.customer AND l.object = 'contacts'
                  AND l.hubspot_id IS NOT NULL LIMIT 1)) END,
        'invoice', CASE WHEN j.kind = 'payment' AND r.invoice IS NOT NULL
            THEN jsonb_build_object('id', r.invoice, 'state', i.state,
            'coming', i.coming,
            'hubspot', (SELECT l.hubspot_id FROM ml_connector.link l
                WHERE l.tenant_id = j.tenant_id AND l.kind = 'invoice'
                  AND l.fusion_id = r.invoice AND l.object = 'invoices'
                  AND l.hubspot_id IS NOT NULL LIMIT 1)) END)) AS parents,
    coalesce((SELECT e.account FROM ml_connector.contact_email e
        WHERE j.kind = 'customer' AND e.tenant_id = j.tenant_id
          AND e.email = r.email AND e.account <> j.fusion_id), '')
        AS email_holder
FROM page j
LEFT JOIN LATERAL (SELECT k.* FROM ml_connector.record k
    WHERE k.tenant_id = j.tenant_id AND k.kind = j.kind
      AND k.fusion_id = j.fusion_id OFFSET 0) r ON true
LEFT JOIN LATERAL (
    SELECT coalesce((SELECT k.state FROM ml_connector.record k
            WHERE k.tenant_id = j.tenant_id AND k.kind = 'customer'
              AND k.fusion_id = r.customer), 'none') AS state,
        w.coming,
        -- what the contact says once it is written
        CASE WHEN w.coming THEN coalesce((SELECT k.email
                FROM ml_connector.record k, ml_connector.contact_email e
                WHERE k.tenant_id = j.tenant_id AND k.kind = 'customer'
                  AND k.fusion_id = r.customer
                  AND e.tenant_id = j.tenant_id AND e.email = k.email
                  AND e.account = r.customer), o.email)
            ELSE o.email END AS email
    FROM (SELECT EXISTS (SELECT FROM ml_connector.job w
            WHERE w.tenant_id = j.tenant_id AND w.kind = 'customer'
              AND w.fusion_id = r.customer AND w.state <> 'parked'
            OFFSET 0) AS coming) w,
        (SELECT (SELECT l.properties ->> 'email' FROM ml_connector.link l
            WHERE l.tenant_id = j.tenant_id AND l.kind = 'customer'
              AND l.fusion_id = r.customer AND l.object = 'contacts'
            LIMIT 1) AS email) o
    ) c ON j.kind <> 'customer' AND r.customer IS NOT NULL
LEFT JOIN LATERAL (
    SELECT coalesce((SELECT k.state FROM ml_connector.record k
            WHERE k.tenant_id = j.tenant_id AND k.kind = 'invoice'
              AND k.fusion_id = r.invoice), 'none') AS state,
        -- an invoice that waits itself does not come
        EXISTS (SELECT FROM ml_connector.job w, ml_connector.record k
            WHERE w.tenant_id = j.tenant_id AND w.kind = 'invoice'
              AND w.fusion_id = r.invoice AND w.state <> 'parked'
              AND k.tenant_id = j.tenant_id AND k.kind = 'invoice'
              AND k.fusion_id = r.invoice AND k.customer IS NOT NULL
              AND (EXISTS (SELECT FROM ml_connector.job v
                    WHERE v.tenant_id = j.tenant_id AND v.kind = 'customer'
                      AND v.fusion_id = k.customer AND v.state <> 'parked'
                    OFFSET 0)
                OR EXISTS (SELECT FROM ml_connector.record v
                    WHERE v.tenant_id = j.tenant_id AND v.kind = 'customer'
                      AND v.fusion_id = k.customer
                      AND v.state IN ('missing', 'gone') OFFSET 0)
                OR (SELECT count(DISTINCT l.object) FROM ml_connector.link l
                    WHERE l.tenant_id = j.tenant_id AND l.kind = 'customer'
                      AND l.fusion_id = k.customer
                      AND l.object IN ('companies', 'contacts')
                      AND l.hubspot_id IS NOT NULL) = 2)
            OFFSET 0) AS coming
    ) i ON j.kind = 'payment' AND r.invoice IS NOT NULL
ORDER BY j.id
